"""Weights of layers in older `.h5` files: their order there, and layouts that are gone.

The weights of a layer lie there trainable first, frozen last, those of the layers within it
included. Which were frozen when the file was written may differ from the model at hand.
"""

from __future__ import annotations

import re

import numpy as np

from pyseq.layers.rnn.cells import GRUCell, LSTMCell


def stored_order(layer):
    """The weights of a layer as a file holds them: trainable first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def creation_order(layer):
    """For each weight as a file holds it, its place among `layer.weights`.

    None where it is always the same one, because no layer within this one has weights.
    """
    if len(_owners(layer)) < 2:
        return None
    places = {id(v): i for i, v in enumerate(layer.weights)}
    return [places[id(v)] for v in stored_order(layer)]


def inner_names(config):
    """The names of all layers in a description, outer before inner, in order of creation."""
    names = []

    def visit(value):
        if isinstance(value, dict):
            inner = value.get("config")
            if "class_name" in value and isinstance(inner, dict):
                if isinstance(inner.get("name"), str):
                    names.append(inner["name"])
            for item in value.values():
                visit(item)
        elif isinstance(value, list):
            for item in value:
                visit(item)

    visit(config)
    return names


def match(layer, names, shapes, written=None, known=()):
    """Return the stored name for each of `layer.weights`, or None if nothing fits.

    Args:
        layer: a built layer.
        names: what the file calls its weights, in the order of the file.
        shapes: their shapes.
        written: the places that the file says, one for each name; None if it does not.
        known: names of layers in order of creation, as the file describes them.
    """
    if written is not None:
        return [name for _, name in sorted(zip(written, names, strict=True))]
    owners = _owners(layer)
    groups = _groups(names, shapes)
    if len(owners) > 1 and len(groups) == len(owners):
        for order in (_by_description(groups, known), _by_name(groups, owners)):
            if order is not None and _fits(owners, groups, order):
                return _named(layer, owners, groups, order)
        order = _by_number(groups, owners)
        if order is not None:
            return _named(layer, owners, groups, order)
    if len(names) != len(layer.weights):
        return None
    ours = {id(v): name for v, name in zip(stored_order(layer), names, strict=True)}
    return [ours[id(v)] for v in layer.weights]


def _owners(layer):
    """`(layer, its variables)` of those in `layer` that have some, in order of creation.

    What a wrapper shares with the layer in it belongs to that.
    """
    layers = layer._flatten()
    deepest = {id(v): inner for inner in layers for v in inner._own_variables()}
    owners = [(x, [v for v in x._own_variables() if deepest[id(v)] is x]) for x in layers]
    return [(x, own) for x, own in owners if own]


def _groups(names, shapes):
    """`{path of a layer: [(name, last part of it, shape)]}`."""
    groups = {}
    for name, shape in zip(names, shapes, strict=True):
        path, _, last = name.rpartition("/")
        groups.setdefault(path, []).append((name, last.partition(":")[0], shape))
    return groups


def _named(layer, owners, groups, order):
    names = {}
    for (_, own), path in zip(owners, order, strict=True):
        names.update((id(v), name) for v, (name, _, _) in zip(own, groups[path], strict=True))
    return [names[id(v)] for v in layer.weights]


def _fit(owner, group):
    layer, own = owner
    if len(own) != len(group) or [v.name for v in own] != [last for _, last, _ in group]:
        return False
    shapes = [shape for _, _, shape in group]
    return [v.shape for v in own] == shapes or conversion(layer, own, shapes) is not None


def _fits(owners, groups, order):
    return all(_fit(owner, groups[path]) for owner, path in zip(owners, order, strict=True))


def _by_description(groups, known):
    ranks = {}
    for i, name in enumerate(known):
        ranks.setdefault(name, i)
    keys = {path: [ranks[part] for part in path.split("/") if part in ranks] for path in groups}
    if len({tuple(key) for key in keys.values()}) < len(keys):
        return None
    return sorted(groups, key=keys.get)


def _by_name(groups, owners):
    paths = {path.rpartition("/")[2]: path for path in groups}
    names = [layer.name for layer, _ in owners]
    return [paths[name] for name in names] if sorted(paths) == sorted(names) else None


_NUMBER = re.compile(r"_(\d+)$")


def _split(path):
    """The parts of a path without the numbers that make names unique, and these numbers."""
    parts = path.split("/")
    numbers = [int(m.group(1)) if (m := _NUMBER.search(p)) else 0 for p in parts]
    return tuple(_NUMBER.sub("", p) for p in parts), numbers


def _by_number(groups, owners):
    """Pair layers with paths: names of one kind are numbered in order of creation."""
    chains = {}
    for path in groups:
        kind, numbers = _split(path)
        chains.setdefault(kind, []).append((numbers, path))
    for chain in chains.values():
        chain.sort()
    order = []
    for owner in owners:
        own, _ = _split(owner[1][0].path.rpartition("/")[0])
        heads = [k for k, chain in chains.items() if chain and _fit(owner, groups[chain[0][1]])]
        if not heads:
            return None
        best = max(heads, key=lambda kind: _common_tail(kind, own))
        order.append(chains[best].pop(0)[1])
    return order


def _common_tail(a, b):
    count = 0
    for x, y in zip(reversed(a), reversed(b)):
        if x != y:
            break
        count += 1
    return count


# --- layouts


def conversion(layer, variables, shapes):
    """Return the function that makes today's arrays of those in a file, or None.

    Args:
        layer: the layer that owns the weights.
        variables: its weights.
        shapes: those of the arrays in the file, which differ.
    """
    gates = 4 if isinstance(layer, LSTMCell) else 3 if isinstance(layer, GRUCell) else None
    if gates is None or len(variables) != 3 or len(shapes) != 3:
        return None
    kernel, recurrent, bias = (v.shape for v in variables)
    size = gates * layer.units
    if shapes != [kernel, recurrent, (2 * size,)] or bias not in ((size,), (2, size)):
        return None
    if gates == 3 and bias != (2, size):
        return None

    def convert(arrays):
        """CuDNN keeps every gate's kernel transposed, and a bias for each of the two products."""
        kernel, recurrent, bias = arrays
        kernels = [k.T.reshape(k.shape, order="F") for k in np.hsplit(kernel, gates)]
        recurrents = [k.T for k in np.hsplit(recurrent, gates)]
        bias = bias.reshape(2, -1)
        return [np.hstack(kernels), np.hstack(recurrents), bias.sum(0) if gates == 4 else bias]

    return convert


def plan(layer, variables, shapes):
    """Return `(layer, variables, positions, convert)` for each owner in `layer`.

    Args:
        variables: some or all of the weights of `layer`, in any order.
        shapes: those of the arrays in the file, in the same order.
    """
    places = {id(v): i for i, v in enumerate(variables)}
    rows = []
    for inner, own in _owners(layer):
        positions = [places[id(v)] for v in own if id(v) in places]
        own = [variables[i] for i in positions]
        rows.append((own, positions, conversion(inner, own, [shapes[i] for i in positions])))
    return rows
