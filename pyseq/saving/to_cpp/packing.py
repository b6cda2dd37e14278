"""Weights as the kernels of a header read them."""

from __future__ import annotations

import numpy as np

_PANELS = (64, 48, 32)  # numbers of a panel's row, which are summed up in registers


def padded(units):
    """So many units that they fill vectors."""
    if units <= 8:
        return 4 if units <= 4 else 8
    return -(-units // 16) * 16


def panel_width(outputs):
    """How many outputs a panel has."""
    whole = padded(outputs)
    if whole <= _PANELS[0]:
        return whole
    return min(_PANELS, key=lambda width: (-(-outputs // width) * width, -width))


def panels(matrix, groups=1):
    """A matrix (K, groups * O) as (groups, panels, K, width), filled up with zeros."""
    inputs, outputs = matrix.shape[0], matrix.shape[1] // groups
    width = panel_width(outputs)
    count = -(-outputs // width)
    made = np.zeros((groups, count * width, inputs), "float32")
    made[:, :outputs] = matrix.T.reshape(groups, outputs, inputs)
    return made.reshape(groups, count, width, inputs).transpose(0, 1, 3, 2)


def bias(values, outputs, groups=1):
    """A bias, zeros where there is none, of panels."""
    width = panel_width(outputs)
    made = np.zeros((groups, -(-outputs // width) * width), "float32")
    if values is not None:
        made[:, :outputs] = values.reshape(groups, outputs)
    return made


def gates(kernels, units, count):
    """Matrices (K, count * units), one above the other, as (K, groups of units, count, group)."""
    matrix = np.concatenate(kernels).reshape(-1, count, units)
    whole = padded(units)
    group = min(whole, 16)
    made = np.zeros((len(matrix), count, whole), "float32")
    made[..., :units] = matrix
    return made.reshape(len(matrix), count, whole // group, group).transpose(0, 2, 1, 3)


def slots(parts, units):
    """What sums of units begin with, one row a slot; None stands for zeros."""
    made = np.zeros((len(parts), padded(units)), "float32")
    for row, part in zip(made, parts, strict=True):
        if part is not None:
            row[:units] = part
    return made
