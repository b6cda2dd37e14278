"""Lambdas of Python in configs: their code is written as Keras writes it, and never read."""

from __future__ import annotations

import base64
import contextlib
import contextvars
import json
import marshal
import types
import warnings

from pyseq.registry import registration

CLASS_NAME = "__lambda__"
# What any lambda of a file becomes for which the caller gave no name of its own.
ANY = "<lambda>"

# What becomes of a lambda: "code" is written, it is "refused", or it is "kept" as it is.
_rule: contextvars.ContextVar[str] = contextvars.ContextVar("pyseq_lambdas", default="code")


@contextlib.contextmanager
def _ruled(rule):
    token = _rule.set(rule)
    try:
        yield
    finally:
        _rule.reset(token)


def refused():
    """Inside, a lambda is a ValueError: for what is better left out than written as code."""
    return _ruled("refused")


def kept():
    """Inside, configs hold lambdas themselves: for copies that never become a file."""
    return _ruled("kept")


def is_lambda(obj):
    """Return whether `obj` is an anonymous function.

    >>> is_lambda(lambda x: x), is_lambda(is_lambda)
    (True, False)
    """
    return isinstance(obj, types.FunctionType) and obj.__name__ == "<lambda>"


def describe(fn):
    """Return what stands for a lambda in a config; Keras reads it with `safe_mode=False`.

    Raises:
        ValueError: inside `refused`.

    >>> with warnings.catch_warnings(action="ignore"):
    ...     describe(lambda x: x)["class_name"]
    '__lambda__'
    """
    if _rule.get() == "kept":
        return fn
    text = (
        "serialize_keras_object: expected a named function, got a lambda, whose code pyseq never "
        "loads from a file; use def and @pyseq.saving.register_keras_serializable(), or give the "
        "function again as custom_objects when loading"
    )
    if _rule.get() == "refused":
        raise ValueError(text)
    warnings.warn(text, stacklevel=3)
    # The same bytes wherever and however often the model is saved.
    code = marshal.dumps(fn.__code__.replace(co_filename=ANY), 2)
    code = base64.encodebytes(code).decode("ascii")
    defaults = _plain(fn.__defaults__)
    closure = _plain([cell.cell_contents for cell in fn.__closure__ or ()] or None)
    # The first three are what Keras reads in a Lambda layer, the last one elsewhere.
    config = {"code": code, "defaults": defaults, "closure": closure}
    return {"class_name": CLASS_NAME, "config": {**config, "value": [code, defaults, closure]}}


def _plain(values):
    """The values as a list, or None where JSON has no place for one of them."""
    try:
        return None if values is None else json.loads(json.dumps(list(values)))
    except (TypeError, ValueError, RecursionError):
        return None


def _is_code(class_name, key, config):
    value = config[key]
    if isinstance(value, dict) and value.get("class_name") == CLASS_NAME:
        return True
    # Keras 2.
    old = class_name == "Lambda" and key in ("function", "output_shape", "mask")
    listed = isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)
    return old and listed and (key != "output_shape" or config.get(f"{key}_type") == "lambda")


def with_functions(class_name, config, custom_objects):
    """Return the config of an object with the caller's functions in the place of lambdas.

    Args:
        class_name: class of the object.
        config: its config.
        custom_objects: the caller's; "<name>/<argument>" is looked up, the name of a Lambda layer
            for its function, and "<lambda>", in this order.

    Raises:
        ValueError: there is code, and no function was given for it.
    """
    found = {}
    for key in config:
        if not _is_code(class_name, key, config):
            continue
        name = config.get("name", class_name)
        names = [f"{name}/{key}", *([name] if key == "function" else ()), ANY]
        given = [registration.get_registered_object(n, custom_objects) for n in names]
        found[key] = next((f for f in given if callable(f)), None)
        if found[key] is None:
            raise no_code(name, key)
    return {**config, **found}


def no_code(name, key="function"):
    """Return the error for the code of a lambda in an argument of a layer."""
    shown = name if key == "function" else f"{name}/{key}"
    return ValueError(
        f"{name}: expected no code, got the bytecode of a Python lambda in `{key}`, which pyseq "
        f"never loads (safe_mode=False does not change that); pass custom_objects={{{shown!r}: "
        "function}, or save the model with a named function"
    )
