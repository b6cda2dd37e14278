"""Which objects of a model have weights in a file, and under which path."""

from __future__ import annotations

from pyseq.layers.base import Layer
from pyseq.optimizers import Optimizer
from pyseq.saving.registration import to_snake_case

# What layers and models keep for themselves; their contents appear elsewhere or are no state.
_PRIVATE = frozenset(
    "_layers _parent _compile_config _programs _predictors _runners _losses _quick".split()
)


def entries(model):
    """Return `(path, object)` for the model and everything below it, each object once.

    A `Sequential` has its layers under `layers/<snake_case class>[_k]`; other objects appear under
    the name of the attribute that holds them, public attributes first, in alphabetical order;
    `layers` is one such attribute of the models of users.
    """
    found, seen = [], set()
    _visit(model, "", found, seen)
    return found


def _visit(obj, path, found, seen):
    if id(obj) in seen:
        return
    seen.add(id(obj))
    found.append((path, obj))
    for name, child in _children(obj):
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


def _children(obj):
    from pyseq.sequential import Sequential
    from pyseq.training.model import Model

    if isinstance(obj, Optimizer):
        for name in ("inner_optimizer", "optimizers"):
            child = getattr(obj, name, None)
            if child is not None:
                yield name, child
        return
    if isinstance(obj, Sequential):
        yield "layers", obj.layers
    children = dict(vars(obj))
    if isinstance(obj, Model):  # a layer is found under the name that sorts first
        children["layers"] = obj.layers
    # "~" sorts behind letters.
    for name in sorted(children, key=lambda n: f"~{n}" if n.startswith("_") else n):
        if name not in _PRIVATE and not name.startswith("__"):
            yield name, children[name]


def own_variables(obj):
    """Return the variables that belong to a layer or optimizer itself."""
    return obj.variables if isinstance(obj, Optimizer) else obj._own_variables()
