"""Serves `tf` and its parts through the import system, from the tables of `_names`.

A part of `tf` is a module whose names are looked up in a table; `tf.keras` and all below it are
pyseq's own modules.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import ClassVar

from pyseq.compat.tensorflow import _names
from pyseq.compat.tensorflow._tensors import as_tensor, operands

_HERE = __name__.rpartition(".")[0]
_KERAS = ("keras", "tf_keras")


class Finder:
    """Meta-path finder for `tf`, and for names of packages that `install` was called for."""

    # The names, and what was imported under them before.
    installed: ClassVar[dict[str, dict[str, ModuleType]]] = {}

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        part = _part(fullname)
        if part is None:
            return None
        if part in _names.MODULES:
            target = f"{_HERE}.{part}".rstrip(".")
            if target == fullname:
                return ModuleSpec(fullname, _Face(part), is_package=True)
            return ModuleSpec(fullname, _Alias(target))
        if part == "keras":
            return ModuleSpec(fullname, _Face("keras"), is_package=True)
        family, _, rest = part.partition(".")
        target = f"pyseq.{rest}" if family == "keras" else f"pyseq.{part}"
        if family in ("keras", *_names.FAMILIES) and _exists(target):
            return ModuleSpec(fullname, _Alias(target))
        if family in _names.ADVICE:
            raise ModuleNotFoundError(_unknown("", family), name=fullname)
        return None


def _part(fullname):
    """The part of `tf` that a full name means: "" for `tf` itself, "keras" for Keras, or None."""
    root, _, part = fullname.partition(".")
    if fullname == _HERE or fullname.startswith(f"{_HERE}."):
        part = fullname[len(_HERE) + 1 :]
        if part.startswith("_") or not part:  # a file of this package
            return None
    elif root not in Finder.installed:
        return None
    elif root in _KERAS:
        return f"keras.{part}".rstrip(".")
    return canonical(part)


def canonical(part):
    """The usual name of a part of `tf` that has several.

    >>> canonical("python.keras.layers")
    'keras.layers'
    """
    for prefix in ("python.", "_api.v2.", "compat.v2.", "compat.v1.", "contrib."):
        if part.startswith(f"{prefix}keras"):
            return part.removeprefix(prefix)
    return part.removeprefix("compat.v2.") if part != "compat.v2" else ""


def _exists(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


class _Alias:
    """Loader that gives a module of another name."""

    def __init__(self, target):
        self._target = target

    def create_module(self, spec):
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self._spec  # which the import system has just replaced


class _Face:
    """Loader of a part of `tf` that has no file."""

    def __init__(self, part):
        self._part = part

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        part = self._part
        if part == "keras":
            keras = importlib.import_module("pyseq")
            module.__version__ = _names.KERAS_VERSION
            module.__getattr__ = functools.partial(getattr, keras)
            module.__dir__ = lambda: dir(keras)
            return
        module.__doc__ = f"What scripts call of `tf.{part}`."

        def __getattr__(name):
            value = find(part, name)
            setattr(module, name, value)
            return value

        module.__getattr__ = __getattr__
        module.__dir__ = lambda: names_of(part)


def names_of(part):
    """Return the names that a part of `tf` has, sorted.

    >>> "reduce_sum" in names_of("math")
    True
    """
    below = [
        m.removeprefix(f"{part}.") for m in _names.MODULES if m.startswith(f"{part}.") or not part
    ]
    own = [*_names.MODULES[part], *(m for m in below if m and "." not in m)]
    if not part:
        own += ["keras", *_names.FAMILIES]
    return sorted({*own, *(names_of(_names.INHERITS[part]) if part in _names.INHERITS else ())})


def find(part, name):
    """Return what `tf.<part>` has under a name.

    Raises:
        AttributeError: nothing; the message says what to use in its place.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    full = f"{part}.{name}".lstrip(".")
    if full in _names.MODULES or name == "keras" or (not part and name in _names.FAMILIES):
        return importlib.import_module(f"{_HERE}.{full}")
    entry = _names.MODULES[part].get(name)
    if entry is not None:
        return entry if not isinstance(entry, str) else _served(name, entry)
    if part in _names.INHERITS:
        return find(_names.INHERITS[part], name)
    raise AttributeError(_unknown(part, name))


def _unknown(part, name):
    full = f"{part}.{name}".lstrip(".")
    advice = _names.ADVICE.get(full) or _names.ADVICE.get(name)
    advice = advice or _names.ADVICE.get(part) or "use pyseq.ops, pyseq.layers or NumPy"
    return f"tf.{full}: expected a name that pyseq offers, got one that it does not; {advice}"


@functools.cache
def _served(name, entry):
    """The function or object that an entry of a table describes."""
    target, *parameters = entry.split()
    place, _, bare = target.rpartition(".")
    place = f"{_HERE}.{place}" if place.startswith("_") else f"pyseq.{place}"
    value = getattr(importlib.import_module(place), bare)
    if not parameters:
        makes_tensors = place.removeprefix(f"{_HERE}.") in _names.MAKE_TENSORS
        return _plain(value) if makes_tensors and inspect.isfunction(value) else value
    return _renamed(name, value, parameters, place == "pyseq.activations")


def _plain(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        return as_tensor(function(*args, **kwargs))

    return call


def _renamed(name, function, parameters, stands_for):
    """A function with the parameters of TensorFlow that calls one of pyseq.

    A parameter is `name` or `name=name in pyseq`, with `*` in front where it is a tensor.
    """
    tensors = [p.lstrip("*").partition("=")[0] for p in parameters if p.startswith("*")]
    names = dict((*p.lstrip("*").partition("=")[::2],) for p in parameters)

    def call(*args, **kwargs):
        kwargs.pop("name", None)
        if len(args) > len(names) + 1:
            raise TypeError(f"tf.{name}: expected the arguments {list(names)}, got {len(args)}")
        given = {**dict(zip(names, args)), **kwargs}
        unknown = given.keys() - names.keys()
        missing = [t for t in tensors if t not in given]
        if unknown or missing:
            raise TypeError(
                f"tf.{name}: expected the arguments {list(names)}, got "
                f"{sorted(unknown) or f'none for {missing}'}"
            )
        arrays = operands([given.pop(t) for t in tensors])
        made = function(*arrays, **{names[k] or k: v for k, v in given.items()})
        return as_tensor(made)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"What `{function.__name__}` of pyseq gives, with the arguments of TensorFlow."
    if stands_for:
        call.stands_for = function
    return call


def register():
    """Put the finder in front of the others, once."""
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)


def install(replace=False):
    """Let `import tensorflow`, `keras` and `tf_keras` mean pyseq in this process.

    Args:
        replace: also where the package is installed; without it, those stay what they are.

    Returns:
        The names that mean pyseq now.

    >>> from pyseq.compat import install, uninstall
    >>> install(replace=True)
    ['keras', 'tensorflow', 'tf_keras']
    >>> from tensorflow.keras.layers import Dense
    >>> uninstall()
    """
    for root in ("tensorflow", *_KERAS):
        if root in Finder.installed:
            continue
        if replace or (root not in sys.modules and PathFinder.find_spec(root) is None):
            Finder.installed[root] = _taken_out(root)
    register()
    return sorted(Finder.installed)


def uninstall():
    """Let the names mean again what they did before `install`."""
    for root, before in Finder.installed.items():
        _taken_out(root)
        sys.modules.update(before)
    Finder.installed.clear()


def _taken_out(root):
    """Remove a package and its parts from what is imported; returns them."""
    parts = [name for name in sys.modules if name.split(".")[0] == root]
    return {name: sys.modules.pop(name) for name in parts}
