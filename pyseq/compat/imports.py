"""Serves old modules, and old names of today's modules, through the import system.

A finder in front of the others answers for the names of `pyseq.compat.names` only. A module that
there is no file for is made of the modules that have its names today. A module with a file is
loaded from it, and asks here for what it lacks.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from pyseq.compat.names import CALLED, MODULES, NAMES

_PACKAGE = __name__.split(".")[0]


class Finder:
    """Meta-path finder for the names of `MODULES`."""

    @staticmethod
    def find_spec(fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        if package != _PACKAGE or name not in MODULES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = _Extended(spec.loader, name)
            return spec
        return ModuleSpec(fullname, _Old(name), is_package=_has_parts(name))


def _has_parts(name):
    return any(other.startswith(f"{name}.") for other in MODULES)


class _Called(ModuleType):
    """A module whose name was that of a class once."""

    def __call__(self, *args, **kwargs):
        name = self.__name__.partition(".")[2]
        _notices().tell(f"{self.__name__}()", CALLED[name])
        return getattr(self, CALLED[name])(*args, **kwargs)


class _Extended:
    """Loader of a module with a file, which asks `find` for names that it lacks."""

    def __init__(self, loader, name):
        self._loader = loader
        self._name = name

    def __getattr__(self, attribute):
        if attribute == "_loader":  # a copy that is still empty
            raise AttributeError(attribute)
        return getattr(self._loader, attribute)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        if _has_parts(self._name) and not hasattr(module, "__path__"):
            module.__path__ = []  # the import system looks for parts where there is a path
        if self._name in CALLED:
            module.__class__ = _Called
        own = vars(module).get("__getattr__")
        name = self._name

        def __getattr__(attribute):
            if own is not None:
                try:
                    return own(attribute)
                except AttributeError:
                    value = find(name, attribute)
                    if value is None:
                        raise
            else:
                value = find(name, attribute)
            if value is None:
                raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
            # Not kept, so that `dir` of a module of today has no old names.
            return value

        module.__getattr__ = __getattr__


class _Old:
    """Loader of a module without a file."""

    def __init__(self, name):
        self._name = name

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = self._name
        homes = MODULES[name].split()
        module.__doc__ = f"An old name of {_today(name)}."

        def __getattr__(attribute):
            if attribute == "__all__":
                return sorted({part for home in homes for part in _public(home)})
            # Of names that are old as well, the notice of the module is enough.
            value = find(name, attribute, quiet=True)
            if value is None:
                raise AttributeError(f"module {module.__name__!r} has no attribute {attribute!r}")
            setattr(module, attribute, value)
            return value

        module.__getattr__ = __getattr__
        module.__dir__ = lambda: sorted({*vars(module), *__getattr__("__all__")})
        if name in CALLED:
            module.__class__ = _Called
        _notices().tell(module.__name__, _today(name))


def find(name, attribute, quiet=False):
    """What the module `pyseq.<name>` has under an old name or in an old place; None without it.

    >>> find("layers.core", "Dropout").__name__
    'Dropout'
    """
    if attribute.startswith("__"):
        return None
    if f"{name}.{attribute}" in MODULES:
        return importlib.import_module(f"{_PACKAGE}.{name}.{attribute}")
    for home in MODULES[name].split():
        new = NAMES.get(home, {}).get(attribute)
        if new is not None:
            place, _, bare = (new if "." in new else f"{home}.{new}").rpartition(".")
            if not quiet and not place.startswith("compat"):  # those tell when they are used
                _notices().tell(f"{_PACKAGE}.{home}.{attribute}", bare)
            return getattr(importlib.import_module(f"{_PACKAGE}.{place}"), bare)
        if home != name:
            module = importlib.import_module(f"{_PACKAGE}.{home}")
            value = getattr(module, attribute, None)
            if value is not None:
                return value
    return None


def _public(home):
    module = importlib.import_module(f"{_PACKAGE}.{home}")
    own = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    return {*own, *NAMES.get(home, {})}


def _today(name):
    return " or ".join(f"{_PACKAGE}.{home}" for home in MODULES[name].split())


def _notices():
    return importlib.import_module("pyseq.compat.notices")


def register():
    """Put the finder in front of the others, once."""
    if Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)
