"""Where an old dotted name leads today, by the tables of `pyseq.compat`."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType

from pyseq.compat import layers as old_layers
from pyseq.compat.names import CALLED, MODULES, NAMES
from pyseq.compat.tensorflow import _modules as tensorflow

# Packages whose modules are those of Keras.
KERAS = ("keras", "tf_keras", "pyseq")


@dataclass
class Found:
    """What a dotted name below Keras means today.

    Args:
        path: its name below `pyseq`, "" for the package itself.
        obj: the object; None where what it needs is not installed.
        used: how many parts of the old name lead to it.
        old: the class of Keras 1 that it was, whose arguments had another order, or None.
        homes: for a module, those of today that hold its names.
    """

    path: str
    obj: object
    used: int
    old: type | None = None
    homes: tuple = ()

    @property
    def is_module(self):
        return bool(self.homes)


def origin(module):
    """`("keras" or "tf", the parts below it)` of a full module name; None for other packages.

    >>> origin("tensorflow.python.keras.layers")
    ('keras', ['layers'])
    >>> origin("tensorflow.nn")
    ('tf', ['nn'])
    """
    root, _, part = module.partition(".")
    if module == "pyseq.compat" or module.startswith("pyseq.compat."):
        part = module.removeprefix("pyseq.compat").lstrip(".")
        if part.split(".")[0] != "tensorflow":
            return None
        root, part = "tensorflow", part.removeprefix("tensorflow").lstrip(".")
    if root in KERAS:
        return "keras", _parts(part)
    if root == "tensorflow":
        part = tensorflow.canonical(part)
        if part == "keras" or part.startswith("keras."):
            return "keras", _parts(part)[1:]
        return "tf", _parts(part)
    return None


def _parts(name):
    return name.split(".") if name else []


def resolve(parts):
    """Return what the longest beginning of a name below Keras means, or None for an unknown name.

    >>> resolve(["layers", "core", "Dense", "from_config"]).path
    'layers.Dense'
    >>> resolve(["layers", "Convolution2D"]).path
    'layers.Conv2D'
    """
    homes = ("",)
    for i, name in enumerate(parts):
        full = ".".join(parts[: i + 1])
        last = i == len(parts) - 1
        if full in CALLED and last:
            return _in_homes(("optimizers",), CALLED[full], i + 1)
        if full not in MODULES:
            found = _in_homes(homes, name, i + 1)
            if found is not None and not found.is_module:
                return found
            if found is None and not _exists(full):
                return None
            homes = found.homes if found else (full,)
        else:
            homes = tuple(MODULES[full].split())
    return Found(homes[0], None, len(parts), None, homes)


def _in_homes(homes, name, used):
    if name.startswith("_"):
        return None
    for home in homes:
        new = NAMES.get(home, {}).get(name, name)
        place, _, bare = (new if "." in new else f"{home}.{new}").rpartition(".")
        try:
            module = importlib.import_module(f"pyseq.{place}".rstrip("."))
            value = getattr(module, bare, None)
        except ImportError:
            return Found(f"{home}.{bare}".lstrip("."), None, used)
        if value is None:
            continue
        if isinstance(value, ModuleType):
            path = value.__name__.removeprefix("pyseq").lstrip(".")
            return Found(path, value, used, None, (path,))
        if value in old_layers.RENAMED or value is old_layers.TimeDistributedDense:
            modern = value.__bases__[0]
            return Found(f"{home}.{modern.__name__}", modern, used, value)
        return Found(f"{home}.{bare}".lstrip("."), value, used)
    return None


def _exists(name):
    if any(part.startswith("_") for part in name.split(".")):
        return False
    try:
        return importlib.util.find_spec(f"pyseq.{name}") is not None
    except ImportError:
        return False


def lacks_of_tensorflow(parts):
    """Why `tf.<parts>` is not served, in words; None where it is.

    >>> "fit" in lacks_of_tensorflow(["GradientTape"])
    True
    """
    part = ""
    for name in parts:
        if name.startswith("__"):  # `__version__` and the like
            return None
        try:
            value = tensorflow.find(part, name)
        except (AttributeError, ImportError) as error:
            return str(error)
        if not isinstance(value, ModuleType) or not value.__name__.startswith("pyseq.compat"):
            return None
        part = f"{part}.{name}".lstrip(".")
    return None
