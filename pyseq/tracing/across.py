"""Tensors across the batch: similarities of each row with all others.

The product of a batch with its transpose has a column for each row. A program's values have known
sizes behind the batch: such an axis has as many entries as the largest batch of the program, and
those past the last row repeat what stands for the first row. So they are as finite as the others,
they change no maximum, and sums and means leave them out.
"""

from __future__ import annotations

import numpy as np

from pyseq import hooks
from pyseq.tracing.tensor import Tensor


class Wide(Tensor):
    """A tensor with axes that have an entry for each row of the batch.

    Attributes:
        across: these axes of `shape`, where they are None; the batch itself is not among them.
    """

    def __init__(self, plain, across):
        super().__init__(plain.trace, plain.value, plain.batched, plain.dtype)
        self.across = frozenset(across)

    @property
    def plain(self):
        """The tensor with the entries past the last row."""
        return Tensor(self.trace, self._value, self.batched, self.dtype)

    @property
    def value(self):
        raise self.trace.error(
            f"expected a tensor within each row of the batch, got shape {self.shape}",
            "reduce it along these axes first, such as with ops.sum(x, axis=-1)",
        )

    @property
    def shape(self):
        return tuple(None if a in self.across else d for a, d in enumerate(super().shape))

    @property
    def size(self):
        return None

    def through(self, function):
        """What a function of each element makes of it."""
        return Wide(function(self.plain), self.across)

    def astype(self, dtype, copy=True):
        return self.through(lambda plain: plain.astype(dtype))


def _wide(plain, across):
    return Wide(plain, across) if across else plain


def _parts(x):
    return (x.plain, x.across) if isinstance(x, Wide) else (x, frozenset())


def is_possible(trace):
    """Whether the largest batch of the program is known: it is where a model steps or answers."""
    # Within TimeDistributed a batch has the steps of all rows.
    return trace.graph.rows is not None and trace.anchor.fold == 1


def _check_possible(trace, size_of):
    if not is_possible(trace):
        raise trace.error(f"expected a known size of {size_of}, got the rows of the batch")


# --- the rows themselves


def places(trace):
    """(n, columns) bools: 1 where the column stands for the row."""
    if trace.places is None:
        columns = trace.graph.use_rows()

        def hot(x):
            y = np.eye(len(x), columns, dtype=trace.stored)
            y[:1, len(x) :] = 1
            return y

        still = Tensor(trace, trace.anchor, True, trace.dtype)
        still = hooks.ask("unary", trace, still, "stop_gradient")
        value = trace.graph.host(hot, still.value, (columns,), trace.name)
        trace.places = Tensor(trace, value, True, np.dtype(bool))
    return trace.places


def _is_row(trace):
    """(columns,) bools: whether a column stands for a row that is there."""
    columns = trace.graph.use_rows()
    return np.less(np.arange(columns, dtype="int32"), hooks.ask("rows", trace))


def _own(trace):
    """`places` without the entries past the last row."""
    return np.logical_and(places(trace), _is_row(trace))


def whole(x):
    """A batch (n, ...) as a tensor without one, whose first axis has an entry for each row."""
    trace = x.trace
    x, across = _parts(x)
    if x.lead:
        raise trace.error(f"expected tensors (n, ...), got axes merged into the batch: {x.shape}")
    hot = places(trace)
    hot = np.reshape(hot, (-1, hot.inner[0], *[1] * (x.ndim - 1)))
    y = np.sum(np.where(hot, np.expand_dims(x, 1), 0), axis=0)
    return Wide(y.astype(x.dtype), {0, *across})


def as_rows(x):
    """A tensor whose first axis has an entry for each row, as a batch."""
    return _sums(x, _own(x.trace))


def _batch(x):
    """`x`, as a batch where its first axis has an entry for each row."""
    return as_rows(x) if _begins_across(x) else x


def _sums(x, which):
    """Sums over the entries of the first axis of `x` that `which` (n, columns) names for a row."""
    plain, across = _parts(x)
    which = np.reshape(which, (-1, which.inner[0], *[1] * (plain.ndim - 1)))
    y = np.sum(np.where(which, plain, 0), axis=1).astype(x.dtype)
    return _wide(y, across - {0})


def _compared(x, compare, numbers):
    """`_sums` of those rows of a batch whose number compares with one for each row."""
    _check_possible(x.trace, "the batch")
    columns = np.arange(x.trace.graph.use_rows(), dtype="int32")
    return _sums(whole(x), compare(columns, np.expand_dims(numbers, 1)))


def flip(x):
    """The rows of a batch in reverse."""
    numbers = row_numbers(x.trace)
    return _compared(x, np.equal, hooks.ask("rows", x.trace) - 1 - numbers)


def roll(x, shift):
    """The rows of a batch, the last `shift` in front."""
    numbers = row_numbers(x.trace)
    return _compared(x, np.equal, np.mod(numbers - int(shift), hooks.ask("rows", x.trace)))


def cumsum(x):
    """For each row of a batch the sum of those up to it."""
    return _compared(x, np.less_equal, row_numbers(x.trace))


@hooks.answers("row_numbers")
def row_numbers(trace):
    """0, 1, ... for the rows of the batch."""
    _check_possible(trace, "arange")
    columns = trace.graph.use_rows()
    numbers = np.arange(columns, dtype="int32")
    return np.sum(np.where(_own(trace), numbers, 0), axis=1).astype("int32")


@hooks.answers("eye")
def eye(trace, dtype):
    """The identity matrix of as many rows and columns as the batch has rows."""
    _check_possible(trace, "eye")
    return Wide(places(trace), {1}).astype(dtype)


def _left_out(x, axes, value):
    """`x`, plain, with `value` in the entries past the last row along `axes` across the batch."""
    plain, there = x.plain, _is_row(x.trace)
    for axis in axes:
        shape = [1] * (x.ndim - axis)
        shape[0] = -1
        plain = np.where(np.reshape(there, shape), plain, value).astype(x.dtype)
    return plain


# --- functions


def crosses(tensors):
    """Whether one of them is across the batch.

    Batches (n,) and (n, 1) alone are not: that they give (n, n) is hardly ever meant.
    """
    return any(isinstance(t, Wide) for t in tensors)


def elementwise(trace, tensors, function):
    """`function` of plain tensors that broadcast as in NumPy."""
    given = tuple(t.shape for t in tensors)
    rank = max(t.ndim for t in tensors)
    tensors = [whole(t) if t.batched and t.ndim < rank else t for t in tensors]
    if any(t.batched for t in tensors):
        tensors = [as_rows(t) if _begins_across(t) and t.ndim == rank else t for t in tensors]
    across = {rank - t.ndim + a for t in tensors for a in _parts(t)[1]}
    for t in tensors:
        shape = (1,) * (rank - t.ndim) + t.shape
        if any(shape[a] not in (1, None) for a in across):
            raise trace.error(
                f"expected sizes of 1 or the rows of the batch along an axis, got shapes {given}",
                "give the tensors one rank first, such as with x[:, None]",
            )
    return _wide(function(*(_parts(t)[0] for t in tensors)), across)


def _begins_across(x):
    return isinstance(x, Wide) and not x.batched and 0 in x.across


def reduce(x, function, axes, run, keepdims):
    """A reduction over positive `axes`; `run(plain)` is that of all entries."""
    gone = x.across & set(axes)
    plain = x.plain
    if gone and function in ("sum", "mean", "prod"):
        plain = _left_out(x, gone, 1 if function == "prod" else 0)
    y = run(plain)
    if function == "mean":
        for _ in gone:
            y = y * (float(x.trace.graph.rows) / hooks.ask("rows", x.trace).astype(y.dtype))
    return _wide(y, {a - (0 if keepdims else sum(b < a for b in axes)) for a in x.across - gone})


def softmax(x, axes, log):
    """Over axes of which some are across the batch."""
    top = hooks.ask("unary", x.trace, np.max(x, axis=axes, keepdims=True), "stop_gradient")
    x = x - top
    total = np.sum(np.exp(x), axis=axes, keepdims=True)
    return x - np.log(total) if log else np.exp(x) / total


def matmul(trace, a, b, run):
    """A product of matrices; `run` multiplies plain ones."""
    if a.ndim != 2 or b.ndim != 2:
        raise trace.error(f"expected matrices across the batch, got {a.shape} and {b.shape}")
    b = whole(b) if b.batched else b
    if a.shape[1] != b.shape[0]:
        raise ValueError(
            f"{trace.name}: expected matching sizes, got shapes {a.shape} and {b.shape}"
        )
    (left, rows), (right, columns) = _parts(a), _parts(b)
    if 1 in rows:
        left = _left_out(a, {1}, 0)
    if a.batched:
        y = np.squeeze(run(np.expand_dims(left, 1), right), 1)
    else:
        y = run(left, right)
    return _batch(_wide(y, (rows & {0}) | (columns & {1})))


def einsum(trace, terms, tensors, result, run):
    """`np.einsum` where letters stand for the rows of the batch; `run` is that of plain tensors."""
    row = next((t[0] for t, x in zip(terms, tensors) if x.batched and t[0] == result[:1]), None)
    pairs = list(zip(terms, tensors, strict=True))
    tensors = [whole(x) if x.batched and t[0] != row else x for t, x in pairs]
    pairs = zip(terms, tensors, strict=True)
    tensors = [as_rows(x) if _begins_across(x) and t[0] == row else x for t, x in pairs]
    wide, plain = set(), []
    for term, x in zip(terms, tensors, strict=True):
        if row is not None and row in term[1:]:
            raise trace.error(f"expected {row!r} for the first axis of each tensor, got {term!r}")
        axes = x.across if isinstance(x, Wide) else ()
        gone = {a for a in axes if term[a] not in result}
        wide.update(term[a] for a in axes)
        plain.append(_left_out(x, gone, 0) if gone else _parts(x)[0])
    y = run(f"{','.join(terms)}->{result}", *plain)
    return _wide(y, {a for a, letter in enumerate(result) if letter in wide})


def take_along(x, indices):
    """The entry of the last axis, across the batch, that `indices` (..., 1) choose."""
    if x.across != {x.ndim - 1} or isinstance(indices, Wide) or indices.shape[-1] != 1:
        raise x.trace.error(f"expected indices (..., 1), got {indices.shape} for shape {x.shape}")
    chosen = np.equal(indices, np.arange(x.plain.shape[-1], dtype="int32"))
    return np.sum(np.where(chosen, x.plain, 0), axis=-1, keepdims=True).astype(x.dtype)


def transpose(x, axes):
    x = whole(x) if x.batched and axes[0] != 0 else x
    plain, across = _parts(x)
    return _batch(_wide(np.transpose(plain, axes), {axes.index(a) for a in across}))


def get_item(x, keys):
    """Indices of `x`, without an Ellipsis; a new axis may stand before the batch."""
    x = whole(x) if x.batched and keys[0] is None else x
    plain, across = _parts(x)
    kept, axis, at = set(), 0, 0
    for k in keys:
        if k is None:
            at += 1
            continue
        if axis in across:
            if not isinstance(k, slice) or k != slice(None):
                raise x.trace.error(
                    f"expected all entries across the batch, got index {k}", "take them all: `:`"
                )
            kept.add(at)
        at += 1 if isinstance(k, slice) else np.ndim(k)
        axis += 1
    return _wide(plain[tuple(keys)], kept)


def expand_dims(x, axes):
    """New axes at positive places of the result."""
    x = whole(x) if x.batched and 0 in axes else x
    plain, across = _parts(x)
    kept = [a for a in range(x.ndim + len(axes)) if a not in axes]
    return _wide(np.expand_dims(plain, tuple(axes)), {kept[a] for a in across})


def squeeze(x, axes):
    kept = [a for a in range(x.ndim) if a not in axes]
    return _wide(np.squeeze(x.plain, tuple(axes)), {kept.index(a) for a in x.across})


def reshape(x, shape):
    """Axes of size 1 come or go; -1 stands for those that are None."""
    long = [a for a, d in enumerate(x.shape) if d != 1]
    spots = [a for a, d in enumerate(shape) if d != 1]
    fits = len(long) == len(spots) and all(
        shape[to] in (-1, x.shape[a]) for a, to in zip(long, spots)
    )
    if not fits:
        raise x.trace.error(
            f"expected a shape that keeps the axes across the batch apart, got {shape} for "
            f"{x.shape}"
        )
    x = whole(x) if x.batched and (not spots or spots[0] != 0) else x
    plain, across = _parts(x)
    sizes = list(shape)
    for a, to in zip(long, spots):
        sizes[to] = -1 if a == 0 and x.batched else plain.shape[a]
    return _wide(np.reshape(plain, sizes), {spots[long.index(a)] for a in across})


def diagonal(x, offset):
    """Elements (i, i) of a matrix across the batch."""
    x = _batch(x)
    if x.shape != (None, None) or offset:
        raise x.trace.error(
            f"expected the main diagonal of a matrix across the batch, got that of {offset} of "
            f"shape {x.shape}"
        )
    return np.sum(np.where(_own(x.trace), x.plain, 0), axis=1).astype(x.dtype)


def triangle(x, k, lower):
    """Zeros above (`lower`) or below the diagonal `k` of a matrix across the batch."""
    rows = row_numbers(x.trace)
    distance = np.subtract(np.expand_dims(rows, 0), np.expand_dims(rows, 1))
    return np.where(distance <= k if lower else distance >= k, x, 0)
