"""Names under which classes and functions appear in saved configs.

Two tables exist. The *built-in* table maps `(module, name)` pairs such as
`("keras.layers", "Dense")` to the classes and functions of pyseq; it is filled by the
`builtin` decorator while modules of pyseq are imported and never by a file. The *custom* table maps
names such as `"my_package>MyLayer"` to user objects; it is filled by
`register_keras_serializable` and `custom_object_scope`.
"""

from __future__ import annotations

import contextvars
import inspect
import re
import types
from typing import TYPE_CHECKING, Any

from pyseq import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pyseq.types import CustomObjects, T

_BUILTINS: dict[tuple[str, str], object] = {}
_BUILTIN_NAMES: dict[object, tuple[str, str]] = {}
_BUILTINS_BY_NAME: dict[str, list[tuple[str, object]]] = {}

_CUSTOM_OBJECTS: dict[str, object] = {}
_CUSTOM_NAMES: dict[object, str] = {}
_scope: contextvars.ContextVar[dict[str, object] | None] = contextvars.ContextVar(
    "pyseq_custom_objects", default=None
)

# Families whose constructors had other arguments once.
_CALLED_BY_SCRIPTS = ("constraints", "layers", "optimizers", "regularizers")


def to_snake_case(name: str) -> Any:
    """Convert a class name to the snake_case that Keras derives default names from.

    >>> to_snake_case("MaxPooling2D"), to_snake_case("PReLU")
    ('max_pooling2d', 'p_re_lu')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _join(family):
    return f"keras.{family}" if family else "keras"


def builtin(family: Any, name: str | None = None, aliases: Any = ()) -> Callable[[T], T]:
    """Record a class or function of pyseq under the module and name that Keras gives it.

    Args:
        family: Keras module without the leading `keras.`, for instance `"layers"` or
            `"optimizers.schedules"`; `""` for names that live in `keras` itself.
        name: name in saved files; the object's own `__name__` by default.
        aliases: further names that loading and `lookup_builtin` accept. A plain name
            belongs to the same family; `"family.Name"` to another one (`".Name"` to
            `keras` itself).

    Returns:
        A decorator that returns its argument unchanged.
    """

    def decorate(obj):
        if family in _CALLED_BY_SCRIPTS and inspect.isclass(obj):
            if obj.__init__ is not object.__init__:
                obj.__init__ = hooks.takes_old_spellings(obj.__init__, obj.__name__)
        main = name if name is not None else obj.__name__
        _BUILTIN_NAMES[obj] = (_join(family), main)
        keys = [(_join(family), main)]
        for alias in aliases:
            other, _, bare = alias.rpartition(".")
            keys.append((_join(other) if "." in alias else _join(family), bare))
        for module, key in keys:
            known = _BUILTINS.setdefault((module, key), obj)
            # A re-imported module (importlib.reload) brings the same definition again.
            if known is not obj and known.__qualname__ != obj.__qualname__:
                raise ValueError(
                    f"builtin: expected a free name, got {module}.{key}, which is already "
                    f"{known!r}; choose another name"
                )
            _BUILTINS[(module, key)] = obj
            entries = _BUILTINS_BY_NAME.setdefault(key, [])
            entries[:] = [e for e in entries if e[0] != module] + [(module, obj)]
        return obj

    return decorate


def same_as(original: Any) -> Callable[[T], T]:
    """Decorator: the function is saved under the name of a built-in, and taken for it."""

    def decorate(obj):
        _BUILTIN_NAMES[obj] = _BUILTIN_NAMES[original]
        return obj

    return decorate


def builtin_name(obj):
    """Return the `(module, name)` pair of a built-in, or None for any other object."""
    try:
        return _BUILTIN_NAMES.get(obj)
    except TypeError:  # unhashable instances are never built-in classes or functions
        return None


def lookup_builtin(family, name):
    """Return the built-in called `name` (or one of its aliases) in `family`, or None.

    >>> import pyseq.initializers
    >>> lookup_builtin("initializers", "zeros").__name__
    'Zeros'
    """
    found = _BUILTINS.get((_join(family), name))
    if found is None:
        # Each object enters the table when its module is imported.
        hooks.load_family(family)
        found = _BUILTINS.get((_join(family), name))
    return found


def builtins_named(name):
    """Return every `(module, object)` pair whose built-in name or alias is `name`."""
    hooks.load_family()
    return list(_BUILTINS_BY_NAME.get(name, ()))


def builtin_objects(family):
    """Return `{name: object}` for the canonical names and aliases of one family."""
    hooks.load_family(family)
    module = _join(family)
    return {key: obj for (mod, key), obj in _BUILTINS.items() if mod == module}


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """Let saved files refer to a class or function as `"package>name"`.

    Args:
        package: prefix that keeps equal names of different projects apart.
        name: name after the prefix; `__name__` of the decorated object by default.

    Raises:
        ValueError: the object is a class without `get_config`.

    >>> @register_keras_serializable("demo")
    ... def halve(x):
    ...     return x / 2
    >>> get_registered_name(halve)
    'demo>halve'
    """

    def decorate(obj):
        registered = f"{package}>{name if name is not None else obj.__name__}"
        if inspect.isclass(obj) and not hasattr(obj, "get_config"):
            raise ValueError(
                f"register_keras_serializable: expected a class with a get_config() method, "
                f"got {obj.__name__}; add get_config() so that it can be saved"
            )
        _CUSTOM_OBJECTS[registered] = obj
        _CUSTOM_NAMES[obj] = registered
        return obj

    return decorate


def get_custom_objects() -> dict[str, Any]:
    """Return the process-wide dictionary of registered objects; changes to it take effect.

    Objects of an active `custom_object_scope` are not part of it.
    """
    return _CUSTOM_OBJECTS


def get_registered_name(obj: Any) -> str:
    """Return the registered `"package>name"` of an object, else its `__name__`."""
    try:
        return _CUSTOM_NAMES[obj]
    except (KeyError, TypeError):
        return obj.__name__


def get_registered_object(
    name: str, custom_objects: CustomObjects = None, module_objects: CustomObjects = None
) -> Any:
    """Return the object registered as `name`, or None.

    The caller's `custom_objects` win over the active scope, the scope over the process-wide
    table, and that over `module_objects`.
    """
    if not isinstance(name, str):
        return None
    for table in (custom_objects, _scope.get(), _CUSTOM_OBJECTS, module_objects):
        if table and name in table:
            return table[name]
    return None


def custom_objects_in_scope(custom_objects=None):
    """Return the registered, scoped and given objects merged into one new dictionary."""
    return {**_CUSTOM_OBJECTS, **(_scope.get() or {}), **(custom_objects or {})}


class CustomObjectScope:
    """Context manager that makes `custom_objects` known to every loader inside it.

    Scopes nest: an inner scope adds to the outer one. The scope belongs to the current
    thread or task only.

    Args:
        custom_objects: `{name: class or function}`, or None.

    >>> def triple(x):
    ...     return 3 * x
    >>> with CustomObjectScope({"triple": triple}):
    ...     get_registered_object("triple") is triple
    True
    """

    def __init__(self, custom_objects: CustomObjects) -> None:
        if custom_objects is not None and not isinstance(custom_objects, dict):
            raise TypeError(
                f"CustomObjectScope: expected a dict of name to object, got "
                f"{custom_objects!r}; pass {{'MyLayer': MyLayer}}"
            )
        self.custom_objects = custom_objects or {}
        self._tokens = []

    def __enter__(self) -> Self:
        self._tokens.append(_scope.set({**(_scope.get() or {}), **self.custom_objects}))
        return self

    def __exit__(self, *exc: Any) -> None:
        _scope.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def is_function(obj):
    """Return whether `obj` is a plain or compiled function rather than a class or instance."""
    return isinstance(obj, (types.FunctionType, types.BuiltinFunctionType))
