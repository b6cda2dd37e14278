"""Which objects of a model have weights in a file, and under which path."""

from __future__ import annotations

from pyseq.layers.base import Layer
from pyseq.optimizers import Optimizer
from pyseq.registry.registration import to_snake_case


def entries(model, skip=()):
    """Return `(path, object)` for the model and everything below it, each object once.

    What is in `skip` is left out with everything below it.

    A `Sequential` has its layers under `layers/<snake_case class>[_k]`; other objects appear under
    the name of the attribute that holds them, in the order of `saved_children`.
    """
    found, seen = [], {id(obj) for obj in skip}
    _visit(model, "", found, seen)
    return found


def _visit(obj, path, found, seen):
    if id(obj) in seen:
        return
    seen.add(id(obj))
    found.append((path, obj))
    for name, child in obj.saved_children():
        _visit_value(child, f"{path}/{name}" if path else name, found, seen)


def _visit_value(value, path, found, seen):
    if isinstance(value, (Layer, Optimizer)):
        _visit(value, path, found, seen)
    elif isinstance(value, (list, tuple, dict)):
        counts = {}
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, (Layer, Optimizer)):
                kind = to_snake_case(type(item).__name__)
            elif isinstance(item, (list, tuple, dict)):
                kind = "container"
            else:
                continue
            counts[kind] = counts.get(kind, -1) + 1
            name = f"{kind}_{counts[kind]}" if counts[kind] else kind
            _visit_value(item, f"{path}/{name}", found, seen)


def own_variables(obj):
    """Return the variables that belong to a layer or optimizer itself."""
    return obj.variables if isinstance(obj, Optimizer) else obj._own_variables()
