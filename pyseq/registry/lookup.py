"""Which class or function a description of Keras names: from the tables only."""

from __future__ import annotations

from pyseq.registry import registration

_FUNCTION_FAMILIES = ("activations", "losses", "metrics")
_KERAS_ROOTS = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "pyseq")


def resolve_class(config, custom_objects=None, family=None):
    """Return the class that an object description names, from the tables only.

    Raises:
        ValueError: the name is in no table, or is ambiguous without a module.
    """
    class_name = config["class_name"]
    registered = config.get("registered_name", class_name)
    custom = registration.get_registered_object(registered, custom_objects)
    if custom is not None:
        return custom
    has_module = "module" in config
    module = keras_module(config.get("module"))
    if module is None and has_module:
        custom = registration.get_registered_object(class_name, custom_objects)
        if custom is not None:
            return custom
        raise _unknown_class(config)
    cls = _find_builtin(class_name, module, families_of(family))
    if cls is None:
        raise _unknown_class(config)
    _check_registered_name(config, class_name, (class_name,))
    return cls


def resolve_function(config, custom_objects=None, family=None):
    """Return the function that a description names, from the tables only.

    Raises:
        ValueError: the name is in no table, or belongs to several functions of the user.
    """
    name, module = config["config"], config.get("module")
    if not isinstance(name, str):
        raise TypeError(
            f"deserialize_keras_object: expected the config of a function to be its name, "
            f"got {name!r}"
        )
    registered = config.get("registered_name")
    for known in (name, registered):
        custom = registration.get_registered_object(known, custom_objects)
        if custom is not None:
            return custom
    families = families_of(family) or _FUNCTION_FAMILIES
    module = keras_module(module) if module not in (None, "builtins") else None
    if module is not None:
        families = (module.removeprefix("keras").lstrip("."), *families)
    for candidate in families:
        obj = registration.lookup_builtin(candidate, name)
        if registration.is_function(obj):
            _check_registered_name(config, name, ("function", name))
            return obj
    return _registered_elsewhere(name, custom_objects)


def _registered_elsewhere(name, custom_objects):
    """The user's function of this name in any package: Keras 3.6 and older left the package out."""
    known = registration.custom_objects_in_scope(custom_objects)
    found = {key: obj for key, obj in known.items() if key.rpartition(">")[2] == name}
    found = {key: obj for key, obj in found.items() if registration.is_function(obj)}
    if len({id(obj) for obj in found.values()}) == 1:
        return next(iter(found.values()))
    if found:
        raise ValueError(
            f"deserialize_keras_object: expected one function called {name!r}, got "
            f"{sorted(found)}; pass custom_objects={{{name!r}: ...}}"
        )
    raise ValueError(
        f"deserialize_keras_object: expected a function of pyseq or of custom_objects, got "
        f"{name!r}; decorate it with @pyseq.saving.register_keras_serializable() or pass "
        f"custom_objects={{{name!r}: ...}}"
    )


def _check_registered_name(config, name, allowed):
    registered = config.get("registered_name")
    # Keras, too, takes an empty name for none.
    if registered and registered not in allowed:
        raise ValueError(
            f"deserialize_keras_object: expected no registered_name for the built-in "
            f"{name}, got {registered!r}; the file was altered, or the object is custom "
            f"and its module should not be {config.get('module')!r}"
        )


def _find_builtin(name, module, families):
    """Look `name` up by module, then by the families asked for, then by name alone."""
    if module is not None:
        path = module.removeprefix("keras").lstrip(".")
        obj = registration.lookup_builtin(path, name)
        if isinstance(obj, type) and (not families or path in families):
            return obj
    if families:
        for family in families:
            obj = registration.lookup_builtin(family, name)
            if isinstance(obj, type):
                return obj
        return None
    found = {obj: where for where, obj in registration.builtins_named(name)}
    found = {obj: where for obj, where in found.items() if isinstance(obj, type)}
    if len(found) > 1 and module is not None:
        # Private modules such as keras.src.losses.losses still name the family.
        parts = module.split(".")
        found = {obj: where for obj, where in found.items() if where.split(".")[-1] in parts}
    if len(found) > 1:
        raise ValueError(
            f"deserialize_keras_object: expected a module beside class_name {name!r}, which "
            f"{sorted(found.values())} all define; use the deserialize of one of them"
        )
    return next(iter(found), None)


def keras_module(module):
    """Return a Keras module path as `keras[.x[.y]]`, or None for any other module."""
    if not isinstance(module, str):
        return None
    for root in _KERAS_ROOTS:
        if module == root or module.startswith(root + "."):
            rest = module[len(root) :]
            for private in (".src", ".api"):
                if rest == private or rest.startswith(private + "."):
                    rest = rest[len(private) :]
            return "keras" + rest
    return None


def families_of(family):
    if family is None:
        return ()
    return (family,) if isinstance(family, str) else tuple(family)


def _unknown_class(config):
    name = config["class_name"]
    shown = config.get("registered_name") or name
    return ValueError(
        f"deserialize_keras_object: expected a class of pyseq or of custom_objects, got {name!r} "
        f"of module {config.get('module')!r} (registered as {shown!r}); decorate it with "
        f"@pyseq.saving.register_keras_serializable() or pass custom_objects={{{shown!r}: {name}}}"
    )
