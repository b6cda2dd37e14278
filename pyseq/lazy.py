"""Packages whose parts are imported when they are first asked for: scripts start at once."""

from __future__ import annotations

import importlib
import sys


def package(name, modules, more=()):
    """What a package `name` needs to be lazy: its `__getattr__`, `__dir__` and `__all__`.

    Args:
        modules: `{module below the package: names that it defines, separated by spaces}`.
        more: names that the package defines itself.
    """
    where = {part: module for module, parts in modules.items() for part in parts.split()}

    def __getattr__(attribute):
        if attribute not in where:
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        value = getattr(importlib.import_module(f"{name}.{where[attribute]}"), attribute)
        setattr(sys.modules[name], attribute, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*where, *more})

    return __getattr__, __dir__, sorted([*where, *more])


def load(name):
    """Import all parts of the lazy package `name`."""
    module = importlib.import_module(name)
    for attribute in module.__all__:
        getattr(module, attribute)
