"""The rows of the table of old names, as the tables of `pyseq.compat` have them."""

import importlib
import inspect
from collections import namedtuple

from pyseq.compat import arguments, attributes, backend, generators
from pyseq.compat.names import CALLED, MODULES_SINCE, NAMES_SINCE

# What an old name belongs to, since which version of Keras it is old, and what it is today.
Row = namedtuple("Row", "where old since today")


def modules():
    for since, table in MODULES_SINCE.items():
        for name, homes in table.items():
            yield Row("keras", name, since, " or ".join(f"`{home}`" for home in homes.split()))


def names():
    for since, families in NAMES_SINCE.items():
        for family, table in families.items():
            for name, new in table.items():
                today = f"`{new}`"
                if new.startswith("compat."):
                    module, _, bare = f"pyseq.{new}".rpartition(".")
                    today = first_line(getattr(importlib.import_module(module), bare))
                yield Row(family, name, since, today)
    for module, name in CALLED.items():
        family, _, old = module.rpartition(".")
        yield Row(family, f"{old}()", "3.0", f"`{name}()`")


def old_arguments():
    for where, table in arguments.TABLE.items():
        for name, new in table.items():
            today = new.means if callable(new) else f"`{new}=`"
            yield Row(plain(where), name, arguments.SINCE.get(name, arguments.OLDEST), today)
    for where, table in generators.ARGUMENTS.items():
        for name, new in table.items():
            yield Row(where, name, arguments.OLDEST, f"`{new}=`" if new else "no effect")


def places():
    for where, function in arguments._POSITIONS.items():
        since = arguments.POSITIONS_SINCE.get(where, arguments.OLDEST)
        yield Row(plain(where), "positions", since, function.means)


def old_attributes():
    for cls, table in attributes.TABLE:
        for name, get in table.items():
            yield Row(cls.__name__, name, get.since, get.means)


def logs():
    for name, new in {**attributes.LOG_NAMES, **attributes.LONG_IN_LOGS}.items():
        today = f"`{new}`, where the logs have that"
        for prefix in ("", "val_"):
            yield Row("logs", prefix + name, attributes.LOG_NAMES_SINCE, today.replace("`", f"`{prefix}", 1))
    for name, today in attributes.RATE_IN_LOGS.items():
        yield Row("logs", name, "3.0", f"`{today}`, where the logs have that")


def functions():
    own = {name: f for name, f in vars(backend).items() if inspect.isfunction(f)}
    own = {name: f for name, f in own.items() if not name.startswith("_") and name != "is_keras_tensor"}
    for name in sorted({*own, *backend._SAME}):
        today = first_line(own[name]) if name in own else f"`ops.{name}`"
        yield Row("backend", name, backend.SINCE.get(name, "3.0"), today)


def plain(where):
    """The name of a callable as users write it: `Dense`, `fit`, `ModelCheckpoint`."""
    return where.removesuffix(".__init__").rpartition(".")[2]


def first_line(obj):
    return inspect.getdoc(obj).splitlines()[0]


KINDS = {
    "Modules": modules,
    "Classes and functions": names,
    "Arguments": old_arguments,
    "Places of arguments": places,
    "Attributes and methods": old_attributes,
    "Names in logs": logs,
    "Functions of `keras.backend`": functions,
}
