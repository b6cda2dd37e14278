"""Sizes that a graph computes of its shapes, as exporters write `x.view(x.size(0), -1)`.

A list stands for each tensor of int64; `None` in it is the number of rows.
"""

from __future__ import annotations

import numpy as np

_DEEPEST = 32
_MOST = 64  # sizes in a list


def of_reshape(line, node):
    """The sizes that a Reshape asks for, the first one for the batch."""
    if not line.file.attributes(node).get("allowzero", 0) and len(node.input) > 1:
        sizes = read(line, node.input[1])
        if sizes is not None and len(sizes) > 0:
            return sizes
    line.file.refuse(node, "a shape that is constant but for the batch", list(node.input)[1:])


def read(line, name):
    """The sizes in a tensor, or None where they are something else."""
    return _read(line, name, {}, 0)


def _read(line, name, known, depth):
    if name not in known:
        sizes = _found(line, name, known, depth)
        known[name] = None if sizes is None or len(sizes) > _MOST else sizes
    return known[name]


def _found(line, name, known, depth):
    value = line.file.constant(name)
    if value is not None:
        return [int(v) for v in np.asarray(value).reshape(-1)[: _MOST + 1]]
    node = line.file.makers.get(name)
    if node is None or depth > _DEEPEST:
        return None
    given = line.file.attributes(node)
    if node.op_type == "Shape":
        sizes = line.seen.get(node.input[0])
        begin, end = given.get("start", 0), given.get("end")
        return None if sizes is None else sizes[begin:end]
    parts = [_read(line, part, known, depth + 1) for part in node.input]
    if any(part is None for part in parts):
        return None
    if node.op_type in ("Cast", "Identity", "Unsqueeze", "Squeeze"):
        return parts[0]
    if node.op_type == "Concat":
        return [size for part in parts for size in part]
    if node.op_type == "Gather" and all(-len(parts[0]) <= i < len(parts[0]) for i in parts[1]):
        return [parts[0][i] for i in parts[1]]
    if node.op_type == "Slice" and len(parts) >= 3 and len(parts[1]) == len(parts[2]) == 1:
        step = parts[4][0] if len(parts) > 4 else 1
        return parts[0][parts[1][0] : parts[2][0] : step] if step else None
    return None


def is_zero(file, name, depth=0):
    """Whether a tensor holds nothing but zeros, whatever its shape."""
    value = file.constant(name)
    if value is not None:
        return not np.any(value)
    node = file.makers.get(name)
    if node is None or depth > _DEEPEST:
        return False
    if node.op_type == "ConstantOfShape":
        return not np.any(file.attributes(node).get("value", 0))
    kinds = ("Expand", "Tile", "Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Transpose",
             "Slice")
    return node.op_type in kinds and is_zero(file, node.input[0], depth + 1)
