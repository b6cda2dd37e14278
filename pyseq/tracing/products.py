"""Matrix products of symbolic tensors."""

from __future__ import annotations

import functools
import math

import numpy as np

from pyseq.tracing import across
from pyseq.tracing.tensor import common_dtype


def matmul(trace, a, b):
    """`np.matmul`; a weight (I, O) on the right is a dense layer's kernel."""
    a, b = trace.tensor(a), trace.tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"{trace.name}: expected matrices, got shapes {a.shape} and {b.shape}")
    if a.ndim == 1 and b.ndim == 1:
        return np.sum(a * b)
    if isinstance(a, across.Wide) or isinstance(b, across.Wide):
        if b.ndim == 1:
            return np.sum(a * b, axis=-1)
        return across.matmul(trace, a, b, functools.partial(matmul, trace))
    if a.batched and a.ndim == 2 and b.ndim == 2 and not b.batched and b._value is not None:
        row = matmul(trace, np.expand_dims(a, 1), b)
        return np.squeeze(row, 1)
    if b.ndim == 1 and not b.batched:
        _match(trace, a, b, a.shape[-1], b.shape[0])
        return np.sum(a * b, axis=-1)
    if a.ndim == 1:
        return np.squeeze(matmul(trace, a[None], b), axis=-2)
    if b._value is None and b.ndim == 2 and len(a.inner) >= 1:
        return _dense(trace, a, b)
    if (a.batched and a.ndim == 2) or (b.batched and b.ndim == 2):
        raise trace.error(
            f"expected a product within each row of the batch, got shapes {a.shape} and {b.shape}"
        )
    _match(trace, a, b, a.shape[-1], b.shape[-2])
    batched = a.batched or b.batched
    lefts, rights = a.inner[:-2], b.inner[:-2]
    if a.batched != b.batched and max(a.ndim, b.ndim) == (b if a.batched else a).ndim:
        raise trace.error(f"expected one batch, got shapes {a.shape} and {b.shape}")
    inner = (*np.broadcast_shapes(lefts, rights), a.inner[-2], b.inner[-1])
    dtype = common_dtype(a.dtype, b.dtype)
    return trace.op("matmul", [a.value, b.value], inner, batched, dtype, lead=max(a.lead, b.lead))


def _match(trace, a, b, left, right):
    if left != right:
        raise ValueError(
            f"{trace.name}: expected matching sizes, got shapes {a.shape} and {b.shape}"
        )


def _dense(trace, a, b):
    _match(trace, a, b, a.shape[-1], b.shape[0])
    units = b.inner[1]
    inner = (*a.inner[:-1], units)
    attrs = {"weights": [b.param], "units": units, "use_bias": False}
    dtype = common_dtype(a.dtype, b.dtype) if a.is_float and b.is_float else trace.dtype
    dtype = min(dtype, trace.stored, key=lambda d: d.itemsize)
    return trace.op("dense", a.value, inner, a.batched, dtype, lead=a.lead, **attrs)


def dot(trace, a, b, out=None):
    a, b = trace.tensor(a), trace.tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if b.ndim <= 2:
        return matmul(trace, a, b)
    return tensordot(trace, a, b, axes=([-1], [-2]))


def outer(trace, a, b):
    return np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1))


def tensordot(trace, a, b, axes=2):
    """Sums over pairs of axes; the batch, of the left tensor alone, stays."""
    a, b = trace.tensor(a), trace.tensor(b)
    if isinstance(axes, (int, np.integer)):
        pairs = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        pairs = tuple(np.atleast_1d(side).tolist() for side in axes)
    left = [i % a.ndim for i in pairs[0]]
    right = [i % b.ndim for i in pairs[1]]
    letters = [chr(ord("a") + i) for i in range(a.ndim + b.ndim)]
    first, second = letters[: a.ndim], letters[a.ndim :]
    for i, j in zip(left, right, strict=True):
        second[j] = first[i]
    result = [letter for i, letter in enumerate(first) if i not in left]
    result += [letter for j, letter in enumerate(second) if j not in right]
    return einsum(trace, f"{''.join(first)},{''.join(second)}->{''.join(result)}", a, b)


def einsum(trace, subscripts, *tensors, **_):
    """`np.einsum` of one or two tensors without repeated letters in one of them."""
    tensors = [trace.tensor(t) for t in tensors]
    subscripts = subscripts.replace(" ", "")
    if "..." in subscripts or len(tensors) > 2:
        raise trace.error(f"expected letters for all axes of two tensors, got {subscripts!r}")
    given, arrow, result = subscripts.partition("->")
    terms = given.split(",")
    if not arrow:
        result = "".join(
            sorted(letter for letter in set(given) - {","} if given.count(letter) == 1)
        )
    if len(terms) != len(tensors) or any(len(set(t)) != len(t) for t in terms):
        raise trace.error(f"expected one term for each tensor, got {subscripts!r}")
    for term, t in zip(terms, tensors):
        if len(term) != t.ndim:
            raise ValueError(f"{trace.name}: expected {term!r} to name the axes of {t.shape}")
    rows = {term[0] for term, t in zip(terms, tensors) if t.batched}
    moves = across.is_possible(trace) and (len(rows) > 1 or not rows <= {result[:1]})
    if moves or any(isinstance(t, across.Wide) for t in tensors):
        return across.einsum(trace, terms, tensors, result, functools.partial(einsum, trace))
    kept = set(result)
    for i, (term, t) in enumerate(zip(terms, tensors)):
        others = kept.union(*(terms[j] for j in range(len(terms)) if j != i))
        gone = [letter for letter in term if letter not in others]
        if gone:
            tensors[i] = np.sum(t, axis=tuple(term.index(letter) for letter in gone))
            terms[i] = "".join(letter for letter in term if letter in others)
    if len(tensors) == 1:
        return _ordered(tensors[0], terms[0], result)
    return _product(trace, terms, tensors, result)


def _ordered(x, term, result):
    return np.transpose(x, [term.index(letter) for letter in result]) if term != result else x


def _product(trace, terms, tensors, result):
    (p, q), (a, b) = terms, tensors
    if b.batched and not a.batched:
        (p, q), (a, b) = (q, p), (b, a)
    sizes = {**dict(zip(q, b.shape)), **dict(zip(p, a.shape))}
    rows = p[0] if a.batched else ""
    if rows and ((b.batched and q[0] != rows) or rows not in result):
        raise trace.error(f"expected the batch to stay apart, got {p},{q}->{result}")
    shared = [letter for letter in p if letter in q and letter in result and letter != rows]
    summed = [letter for letter in p if letter in q and letter not in result]
    only_a = [letter for letter in p if letter not in q and letter != rows]
    only_b = [letter for letter in q if letter not in p and letter != rows]
    both = rows if b.batched else ""

    def size(letters):
        return math.prod(sizes[letter] for letter in letters)

    front = [-1] if rows else []
    left = np.transpose(a, [p.index(letter) for letter in [*rows, *shared, *only_a, *summed]])
    right = np.transpose(b, [q.index(letter) for letter in [*both, *shared, *summed, *only_b]])
    wide = [size(shared)] if shared else []
    left = np.reshape(left, [*front, *wide, size(only_a), size(summed)])
    if b._value is None and right is b and not shared and len(summed) == 1 and len(only_b) == 1:
        y = matmul(trace, left, b)
    else:
        right = np.reshape(right, [*([-1] if both else []), *wide, size(summed), size(only_b)])
        y = matmul(trace, left, right)
    order = [*rows, *shared, *only_a, *only_b]
    y = np.reshape(y, [*front, *(sizes[letter] for letter in order if letter != rows)])
    return _ordered(y, "".join(order), result)
