"""Windows of arrays and of a trace's tensors, taken apart and put together by slices."""

from __future__ import annotations

import itertools

import numpy as np

from pyseq import settings, symbolic


def tensors(*given):
    """`given` as tensors of the running trace where one of them is, else as they are."""
    if any(map(symbolic.is_traced, given)):
        return [x if x is None else symbolic.trace.get().tensor(x) for x in given]
    return list(given)


def spatial_rank(where, x):
    """Number of spatial axes of `x (n, ..., c)`: 1 to 3, else ValueError."""
    if x.ndim not in (3, 4, 5):
        raise ValueError(
            f"{where}: expected an input of 1 to 3 spatial axes (n, ..., channels), got shape "
            f"{tuple(x.shape)}; add the missing axes"
        )
    return x.ndim - 2


def is_first(where, data_format):
    """Whether channels stand before the spatial axes."""
    return settings.standardize_data_format(data_format, where) == "channels_first"


def rows(x):
    """The size of the first axis as `reshape` takes it: -1 for the batch of a trace."""
    return -1 if x.shape[0] is None else x.shape[0]


def pad(x, first, begin, end, value=0):
    """`x` with a value before and behind the axes from `first`; below 0 they are cut."""
    cut = [slice(max(-b, 0), n - max(-e, 0)) for n, b, e in zip(x.shape[first:], begin, end)]
    if any(min(pair) < 0 for pair in zip(begin, end)):
        x = x[(*[slice(None)] * first, *cut)]
    width = [(max(b, 0), max(e, 0)) for b, e in zip(begin, end)]
    width = [(0, 0)] * first + width + [(0, 0)] * (x.ndim - first - len(width))
    return np.pad(x, width, constant_values=value) if np.any(width) else x


def taps(x, first, sizes, strides, dilations, counts):
    """`(offset, part)` for each entry of a window over the axes from `first`.

    A part holds what that entry of all windows, `counts` along the axes, sees.
    """
    for offset in itertools.product(*map(range, sizes)):
        steps = [
            slice(o * d, o * d + (n - 1) * s + 1, s)
            for o, d, s, n in zip(offset, dilations, strides, counts)
        ]
        yield offset, x[(*[slice(None)] * first, *steps)]


def spread(x, first, strides):
    """`x` with `stride - 1` zeros between the entries of the axes from `first`."""
    for axis, stride in enumerate(strides, first):
        if stride > 1:
            length = x.shape[axis]
            x = pad(np.expand_dims(x, axis + 1), axis + 1, [0], [stride - 1])
            shape = [rows(x), *x.shape[1:axis], length * stride, *x.shape[axis + 2 :]]
            x = pad(np.reshape(x, shape), axis, [0], [1 - stride])
    return x
