"""Objects to and from the JSON-compatible dictionaries of Keras 3 model files.

An object is written as

    {"module": "keras.layers", "class_name": "Dense", "config": {...}, "registered_name": null}

plus `build_config`, `compile_config` and `shared_object_id` where they apply. Built-ins carry
the module names of Keras, so files move both ways.

Reading treats the dictionary as data: names are looked up in the tables of
`pyseq.registry.registration` and in the caller's `custom_objects`, nothing is imported, no
function named in a file is called, and code payloads are refused whatever `safe_mode` says.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, naming
from pyseq.registry import lambdas, limits, lookup, registration, retired
from pyseq.registry.construct import construct as construct
from pyseq.registry.reading import reading

if TYPE_CHECKING:
    from pyseq.types import CustomObjects

MAX_NESTING = 100
MAX_NODES = 10_000_000

_ARRAY_DTYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
)

_depth: contextvars.ContextVar[int] = contextvars.ContextVar("pyseq_depth", default=0)
_saved: contextvars.ContextVar[dict | None] = contextvars.ContextVar("pyseq_saved", default=None)
_loaded: contextvars.ContextVar[dict | None] = contextvars.ContextVar("pyseq_loaded", default=None)


@contextlib.contextmanager
def object_sharing_scope():
    """Keep one object one object across several (de)serializations inside the scope.

    When saving, an object met twice is written twice with the same `shared_object_id`; when
    loading, a repeated id gives back the first instance instead of a second one.
    """
    saved, loaded = _saved.set({}), _loaded.set({})
    try:
        yield
    finally:
        _saved.reset(saved)
        _loaded.reset(loaded)


ObjectSharingScope = object_sharing_scope


def serialize_keras_object(obj: Any) -> Any:
    """Return the JSON-compatible description of `obj`.

    Accepts None, numbers, strings, lists, tuples, dicts, bytes, slices, Ellipsis, NumPy arrays,
    scalars and dtypes, functions, and objects with `get_config()`. A lambda is written with a
    warning: loading asks for the function again.

    Raises:
        TypeError: `obj` has no `get_config()`.

    >>> serialize_keras_object(slice(1, None))["class_name"]
    '__slice__'
    """
    if isinstance(obj, (np.generic, np.ndarray)):
        return _serialize_array(obj)
    if obj is None or isinstance(obj, (str, int, float, bool)):
        return obj
    if isinstance(obj, list):
        return [serialize_keras_object(x) for x in obj]
    if isinstance(obj, tuple):
        return tuple(serialize_keras_object(x) for x in obj)
    if isinstance(obj, dict):
        return serialize_dict(obj)
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = ((k, serialize_keras_object(getattr(obj, k))) for k in ("start", "stop", "step"))
        return {"class_name": "__slice__", "config": dict(parts)}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, np.dtype):
        return obj.name
    if isinstance(obj, type) and issubclass(obj, np.generic):
        return np.dtype(obj).name
    if lambdas.is_lambda(obj):
        return lambdas.describe(obj)
    if registration.is_function(obj):
        return _serialize_function(obj)
    return _serialize_instance(obj)


def serialize_dict(obj):
    """Return `{key: serialize_keras_object(value)}`."""
    return {key: serialize_keras_object(value) for key, value in obj.items()}


def _serialize_array(obj):
    if obj.ndim == 0:
        return obj.item()
    dtype = "string" if obj.dtype.kind in "US" else obj.dtype.name
    if dtype != "string" and dtype not in _ARRAY_DTYPES:
        raise TypeError(
            f"serialize_keras_object: expected an array of numbers, bools or strings, got dtype "
            f"{dtype}; convert it with astype first"
        )
    return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": dtype}}


def _serialize_function(fn):
    # Keras writes every function, its own included, as a bare name of module "builtins".
    name = registration.get_registered_name(fn)
    config = {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }
    return _record_saved(fn, config)


def _serialize_instance(obj):
    if not hasattr(obj, "get_config"):
        raise TypeError(
            f"serialize_keras_object: expected an object with get_config(), got {obj!r} of type "
            f"{type(obj).__name__}; add get_config()"
        )
    if isinstance(obj, type):
        raise TypeError(
            f"serialize_keras_object: expected an instance, got the class {obj.__name__}; "
            f"create it first: {obj.__name__}()"
        )
    inner = obj.get_config()
    if not isinstance(inner, dict):
        raise TypeError(
            f"{type(obj).__name__}.get_config: expected a dict, got {inner!r}; return a dict"
        )
    known = registration.builtin_name(type(obj))
    if known is not None:
        (module, class_name), registered = known, None
    else:
        class_name = type(obj).__name__
        module = type(obj).__module__
        module = None if module == "__main__" else module
        registered = registration.get_registered_name(type(obj))
    config = {
        "module": module,
        "class_name": class_name,
        "config": serialize_dict(inner),
        "registered_name": registered,
    }
    for key in ("build_config", "compile_config"):
        getter = getattr(obj, f"get_{key}", None)
        extra = getter() if getter is not None else None
        if extra is not None:
            config[key] = serialize_dict(extra)
    if "left_out" in config.get("compile_config", ()):
        # Keras passes all of a compile_config to `compile`.
        config["left_out"] = config["compile_config"].pop("left_out")
    return _record_saved(obj, config)


def _record_saved(obj, config):
    table = _saved.get()
    if table is None:
        return config
    # The object is kept in the table, so that its id cannot be reused by another one.
    entry = table.setdefault(id(obj), (obj, config, len(table) + 1))
    if entry[1] is not config:
        entry[1]["shared_object_id"] = config["shared_object_id"] = entry[2]
    return config


def deserialize_keras_object(
    config: Any, custom_objects: CustomObjects = None, safe_mode: bool = True, *, family: Any = None
) -> Any:
    """Build the object that `serialize_keras_object` described.

    Args:
        config: the description: None, a plain value, a list, or a dict.
        custom_objects: `{name: class or function}` that `config` may refer to, besides the
            registered ones.
        safe_mode: accepted for compatibility. Code payloads are refused for either value.
        family: restrict built-ins to one family such as `"initializers"`, or a tuple of
            families. Configs without a module, as old `.h5` files hold them, may need it
            where two families use one name.

    Raises:
        ValueError: unknown class or function, code payload, unknown argument, or a config
            nested or sized beyond the limits.
        TypeError: `config` is not made of plain values, lists and dicts.

    >>> deserialize_keras_object({"class_name": "__slice__",
    ...                           "config": {"start": 1, "stop": 5, "step": None}})
    slice(1, 5, None)
    """
    depth = _depth.get()
    if depth == 0:
        check_config_size(config)
        with reading("deserialize_keras_object", prefix=False):
            with limits.describing("deserialize_keras_object"):
                return _deserialize_within(config, custom_objects, family, depth)
    if depth > MAX_NESTING:
        raise ValueError(
            f"deserialize_keras_object: expected at most {MAX_NESTING} nested objects, got more; "
            f"the config is damaged or hostile"
        )
    return _deserialize_within(config, custom_objects, family, depth)


def _deserialize_within(config, custom_objects, family, depth):
    token = _depth.set(depth + 1)
    try:
        if isinstance(config, str):
            known = registration.get_registered_object(config, custom_objects)
            return config if known is None else known
        return _deserialize(config, custom_objects or {}, family)
    finally:
        _depth.reset(token)


def check_config_size(config, where="deserialize_keras_object"):
    """Refuse a config nested deeper than MAX_NESTING or of more than MAX_NODES values."""
    level, depth, nodes = [config], 0, 0
    while level:
        depth += 1
        if depth > MAX_NESTING:
            raise ValueError(
                f"{where}: expected a config nested at most {MAX_NESTING} levels deep, got more; "
                f"the config is damaged or hostile"
            )
        following = []
        for node in level:
            if isinstance(node, dict):
                following.extend(node.values())
            elif isinstance(node, (list, tuple)):
                following.extend(node)
        nodes += len(following)
        if nodes > MAX_NODES:
            raise ValueError(
                f"{where}: expected a config of at most {MAX_NODES} values, got more; "
                f"the config is damaged or hostile"
            )
        level = following


def _deserialize(config, custom_objects, family):
    if config is None or isinstance(config, (str, int, float, bool)):
        return config
    if isinstance(config, (list, tuple)):
        return [_deserialize(x, custom_objects, family) for x in config]
    if not isinstance(config, dict):
        raise TypeError(
            f"deserialize_keras_object: expected plain values, lists and dicts, got {config!r} of "
            f"type {type(config).__name__}; pass what serialize_keras_object returned"
        )
    if "class_name" not in config or "config" not in config:
        return {k: _deserialize(v, custom_objects, family) for k, v in config.items()}
    class_name = config["class_name"]
    if not isinstance(class_name, str):
        raise TypeError(
            f"deserialize_keras_object: expected class_name to be a string, got {class_name!r}"
        )
    if class_name.startswith("__") and class_name.endswith("__"):
        return _deserialize_special(class_name, config["config"], custom_objects)
    if class_name == "function":
        return lookup.resolve_function(config, custom_objects, family)
    return _deserialize_instance(config, custom_objects, family)


def _deserialize_special(class_name, inner, custom_objects):
    if class_name == lambdas.CLASS_NAME:
        given = registration.get_registered_object(lambdas.ANY, custom_objects)
        if given is None:
            raise lambdas.no_code(lambdas.ANY)
        return given
    if class_name == "__ellipsis__":
        return Ellipsis
    keys = {
        "__tensor__": ("value", "dtype"),
        "__numpy__": ("value", "dtype"),
        "__bytes__": ("value",),
        "__slice__": ("start", "stop", "step"),
        "__tuple__": ("items",),
    }.get(class_name)
    if keys is None:
        raise ValueError(
            f"deserialize_keras_object: expected a value kind that linear models use, got "
            f"{class_name}; this file was not written for a Sequential model"
        )
    if not isinstance(inner, dict) and class_name == "__tuple__":
        inner = {"items": inner}
    if not isinstance(inner, dict) or set(inner) != set(keys):
        raise ValueError(
            f"deserialize_keras_object: expected {class_name} with the keys {list(keys)}, "
            f"got {inner!r}"
        )
    if class_name in ("__tensor__", "__numpy__"):
        return _array_from_config(inner["value"], inner["dtype"])
    if class_name == "__bytes__":
        if not isinstance(inner["value"], str):
            raise TypeError(
                f"deserialize_keras_object: expected __bytes__ to hold a string, got "
                f"{inner['value']!r}"
            )
        return inner["value"].encode("utf-8")
    if class_name == "__slice__":
        return slice(*(_deserialize(inner[k], custom_objects, None) for k in keys))
    return tuple(_deserialize(x, custom_objects, None) for x in inner["items"])


def _array_from_config(value, dtype):
    if dtype in ("string", "str"):
        array = np.array(value)
        if array.size and array.dtype.kind != "U":
            raise ValueError("deserialize_keras_object: expected an array of strings, got others")
        return array
    if dtype == "bfloat16":  # NumPy has none; every bfloat16 value is a float32
        dtype = "float32"
    if dtype not in _ARRAY_DTYPES:
        raise ValueError(
            f"deserialize_keras_object: expected an array dtype of {sorted(_ARRAY_DTYPES)}, "
            f"got {dtype!r}"
        )
    dtypes.check_numbers(value, "deserialize_keras_object")
    return np.array(value, dtype=dtype)


def _deserialize_instance(config, custom_objects, family):
    config = retired.modern(
        config, lambda name: registration.get_registered_object(name, custom_objects) is not None
    )
    class_name = config["class_name"]
    inner = config["config"] if config["config"] is not None else {}
    if not isinstance(inner, dict):
        raise TypeError(
            f"deserialize_keras_object: expected the config of {class_name} to be a dict, "
            f"got {inner!r}"
        )
    shared_id, loaded = config.get("shared_object_id"), _loaded.get()
    if shared_id is not None and not isinstance(shared_id, int):
        raise TypeError(
            f"deserialize_keras_object: expected shared_object_id to be an integer, "
            f"got {shared_id!r}"
        )
    if loaded is not None and shared_id in loaded:
        return loaded[shared_id]
    cls = lookup.resolve_class(config, custom_objects, family)
    if registration.is_function(cls):
        return cls
    if not hasattr(cls, "from_config"):
        raise TypeError(
            f"deserialize_keras_object: expected {class_name} to have from_config(), got "
            f"{cls!r}; add the class method"
        )
    with registration.CustomObjectScope(custom_objects), reading(_shown(class_name, inner), False):
        try:
            inner = lambdas.with_functions(class_name, inner, custom_objects)
            instance = cls.from_config(retired.modern_arguments(cls, inner))
        except TypeError as error:
            raise TypeError(
                f"deserialize_keras_object: {class_name} could not be built from its config "
                f"{short(inner)}: {error}"
            ) from error
        if config.get("build_config") and not getattr(instance, "built", True):
            instance.build_from_config(config["build_config"])
        if config.get("compile_config") and hasattr(instance, "compile_from_config"):
            left_out = {"left_out": config["left_out"]} if "left_out" in config else {}
            instance.compile_from_config({**config["compile_config"], **left_out})
    if loaded is not None and shared_id is not None:
        loaded[shared_id] = instance
    return instance


def _shown(class_name, config):
    name = config.get("name")
    return f"{class_name} `{name}`" if isinstance(name, str) else class_name


def short(value, limit=300):
    """Return `repr(value)`, cut where it is longer than `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def get_object(
    identifier: Any, family: Any, kind: Any, custom_objects: CustomObjects = None
) -> Any:
    """Resolve what a constructor accepts as an initializer, regularizer or the like.

    Args:
        identifier: None, a name, a config dict, a class, or a callable.
        family: family that names are looked up in, for instance `"regularizers"`.
        kind: word for messages, for instance `"regularizer"`.
        custom_objects: further names.

    Returns:
        None, or a callable; classes are instantiated without arguments.
    """
    if identifier is None:
        return None
    obj = identifier
    if isinstance(identifier, dict):
        obj = deserialize_keras_object(identifier, custom_objects, family=family)
    elif isinstance(identifier, str):
        obj = registration.get_registered_object(identifier, custom_objects)
        obj = registration.lookup_builtin(family, identifier) if obj is None else obj
        obj = hooks.ask("old_name", family, identifier) if obj is None else obj
        if obj is None:
            names = registration.builtin_objects(family).keys() - {kind.capitalize()}  # the base
            hint = naming.did_you_mean(identifier, names)
            article = "an" if kind[0] in "aeiou" else "a"
            raise ValueError(
                f"{family}.get: expected the name of {article} {kind}, got {identifier!r}; "
                f"{hint or f'pyseq.{family} has all names; pass what is your own itself'}"
            )
    if isinstance(obj, type):
        obj = obj()
    if not callable(obj):
        raise ValueError(
            f"{family}.get: expected a {kind} (a name, config dict, class or callable), got "
            f"{identifier!r} of type {type(identifier).__name__}"
        )
    return obj
