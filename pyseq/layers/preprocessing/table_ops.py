"""Bins, vocabularies and encodings of categories as ops of the core."""

from __future__ import annotations

import math

import numpy as np

# Values that a number is compared with at once; more of them are searched in two steps.
_AT_ONCE = 64
# Comparisons that the encoding of one sample may take; and counts where Python, which adds up at
# the ids alone, is the faster one beyond that.
_MOST, _MOST_BESIDE_PYTHON = 1 << 22, 1 << 11


def exact_below(g):
    """Integers up to this are floats of the program one by one."""
    return 2 ** (53 if g.dtype == "float64" else 24)


def constant(g, values, name):
    """A variable of a program that holds `values`."""
    values = np.asarray(values, g.dtype)
    variable = g.state(values.shape, f"{name}/table")
    variable.assign(values)
    return variable


def numbers_of(g, x, name):
    """The numbers of a sample in 1 to 4 dimensions: ops on them need one or two more."""
    if 1 <= len(x.shape) <= 4:
        return x
    return g.op("reshape", x, (math.prod(x.shape),), name=name)


def picked(g, table, ids, name):
    """The entries of a list at `ids`; others than those in it fail the call."""
    column = constant(g, np.reshape(table, (-1, 1)), name)
    y = g.op("embedding", ids, (*ids.shape, 1), weights=[column], name=name)
    return g.op("reshape", y, ids.shape, name=name)


def number_op(g, function, x, number, name, swap=False):
    """function(x, number), or of them the other way round."""
    return g.op(
        "binary", x, x.shape, name=name, function=function, number=float(number), swap=swap
    )


def pair_op(g, function, a, b, name):
    """function(a, b) of values of one shape, or where b is of (..., 1) for a of (..., M)."""
    return g.op("binary", [a, b], a.shape, name=name, function=function)


def ranks(g, x, values, name):
    """How many of the ascending `values` each number of `x` is not below; all for NaN."""
    values = np.asarray(values, g.dtype)
    count = len(values)
    if count == 0:
        return g.op("select", [x], x.shape, name=name, a=0.0, b=0.0)
    column = g.op("reshape", x, (*x.shape, 1), name=name)
    if count <= _AT_ONCE:
        below = g.op(
            "binary", column, (*x.shape, count), weights=[constant(g, values, name)], name=name,
            function="less",
        )
        return _rest(g, below, name)
    size = math.ceil(math.sqrt(count))
    blocks = math.ceil(count / size)
    table = np.full((blocks, size), np.inf, g.dtype)
    table.ravel()[:count] = values
    block = ranks(g, x, table[1:, 0], name)
    row = g.op(
        "embedding", block, (*x.shape, size), weights=[constant(g, table, name)], name=name
    )
    below = g.op("binary", [column, row], row.shape, name=name, function="less")
    first = number_op(g, "multiply", block, size, name)
    rank = pair_op(g, "add", first, _rest(g, below, name), name)
    return number_op(g, "minimum", rank, count, name)


def _rest(g, flags, name):
    """How many of the flags along the last axis are 0."""
    kept, count = flags.shape[:-1], flags.shape[-1]
    some = g.op("reduce", flags, kept, name=name, function="sum", axes=[len(kept)])
    return number_op(g, "subtract", some, count, name, swap=True)


def found_in(g, x, table, name):
    """Whether each number of `x` is a key of the dict `table`, and the value there."""
    keys = sorted(table)
    rank = ranks(g, x, keys, name)
    # The first row is of numbers below all keys.
    key = picked(g, [*keys[:1], *keys], rank, name)
    value = picked(g, [0, *(table[k] for k in keys)], rank, name)
    return pair_op(g, "equal", x, key, name), value


def chosen(g, flags, a, b, name):
    """`a` where the flag is set, else `b`; values or numbers."""
    values = [v for v in (a, b) if not isinstance(v, (int, float))]
    numbers = {k: float(v) for k, v in (("a", a), ("b", b)) if isinstance(v, (int, float))}
    return g.op("select", [flags, *values], flags.shape, name=name, **numbers)


def encoding_limit(g, shape, output_mode, depth):
    """Why `encoded` cannot do this; None where it can."""
    if output_mode == "int":
        return None
    if not shape and output_mode != "one_hot":
        return "samples without a dimension"
    size, counts = math.prod(shape) * depth, output_mode != "one_hot"
    most = _MOST_BESIDE_PYTHON if counts and g.calls_python else _MOST
    return f"{size} comparisons for each sample, above {most}" if size > most else None


def encoded(g, ids, shape, output_mode, depth, name, carries_nan=False):
    """What `encode` makes of the ids of samples of `shape`; "int" gives floats.

    With `carries_nan` an id of NaN, which is what a GPU makes of one without an entry, gives NaN.
    """
    if output_mode == "int":
        return _shaped(g, ids, shape, name)
    column = g.op("reshape", ids, (*ids.shape, 1), name=name)
    y = g.op(
        "binary", column, (*ids.shape, depth), weights=[constant(g, np.arange(depth), name)],
        name=name, function="equal",
    )
    if carries_nan:
        y = pair_op(g, "add", y, pair_op(g, "subtract", column, column, name), name)
    if output_mode == "one_hot":
        kept = shape[:-1] if shape and shape[-1] == 1 else shape
        return _shaped(g, y, (*kept, depth), name)
    rest = math.prod(shape[1:])
    y = _shaped(g, y, (shape[0], rest * depth), name)
    y = g.op("reduce", y, (rest * depth,), name=name, function="sum", axes=[0])
    if output_mode == "multi_hot":
        y = number_op(g, "minimum", y, 1, name)
    return _shaped(g, y, (*shape[1:], depth), name)


def _shaped(g, x, shape, name):
    return x if x.shape == tuple(shape) else g.op("reshape", x, shape, name=name)
