"""Choices, loops and maps of `keras.ops` over functions.

On arrays they run as Python does. In a trace both sides of a choice are computed and one is
selected, and loops of known length are unrolled.

>>> from pyseq import ops
>>> ops.fori_loop(0, 4, lambda i, total: total + i, 0)
6
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, symbolic
from pyseq.ops.promotion import convert_to_tensor
from pyseq.structures import leaves, map_structure, packed, same_structure

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyseq.types import Axis, Tensor


def _check_callable(where, *functions):
    for f in functions:
        if not callable(f):
            raise TypeError(f"{where}: expected a function, got {f!r}")


def _check_scalar(where, x):
    if np.size(x) != 1 or (symbolic.is_traced(x) and None in x.shape):
        raise ValueError(
            f"{where}: expected one value, got shape {tuple(np.shape(x))}; reduce it, or choose "
            "for each element with where(condition, a, b)"
        )


def _selected(where, condition, a, b):
    """The parts of `a` where a traced condition holds, else those of `b`."""
    flat = list(zip(leaves(a), leaves(b)))
    alike = same_structure(a, b) and all(
        (x is None) == (y is None) and (x is None or _shape(x) == _shape(y)) for x, y in flat
    )
    if not alike:
        shapes = [map_structure(lambda x: x if x is None else _shape(x), v) for v in (a, b)]
        raise ValueError(
            f"{where}: expected results of the same structure and shapes from all branches, got "
            f"{shapes[0]} and {shapes[1]}"
        )
    return packed(a, [x if x is None or x is y else np.where(condition, x, y) for x, y in flat])


def _shape(x):
    return tuple(convert_to_tensor(x).shape)


def cond(pred: Any, true_fn: Any, false_fn: Any) -> Tensor:
    """Return `true_fn()` if `pred` holds, else `false_fn()`.

    Args:
        pred: one bool; for a tensor of a trace both functions are called and one result selected.
        true_fn, false_fn: functions without arguments, of results alike in structure and shapes.

    Raises:
        ValueError: `pred` is more than one value, or the results are not alike.
        TypeError: no functions.

    >>> cond(np.array(True), lambda: 1, lambda: 2)
    1
    """
    _check_callable("cond", true_fn, false_fn)
    pred = convert_to_tensor(pred)
    _check_scalar("cond", pred)
    if not symbolic.is_traced(pred):
        return true_fn() if pred else false_fn()
    pred = np.reshape(pred, ())
    return _selected("cond", pred, true_fn(), false_fn())


def switch(index: Any, branches: Any, *operands: Any) -> Tensor:
    """Return `branches[index](*operands)`; an index out of range is brought into it.

    Raises:
        ValueError: no branches, or an index that is more than one value.
        TypeError: branches that are no functions.

    >>> switch(7, [abs, str], -3)
    '-3'
    """
    branches = list(branches)
    if not branches:
        raise ValueError("switch: expected at least one branch, got none")
    _check_callable("switch", *branches)
    index = convert_to_tensor(index)
    _check_scalar("switch", index)
    if not symbolic.is_traced(index):
        chosen = int(np.reshape(index, ()))
        return branches[min(max(chosen, 0), len(branches) - 1)](*operands)
    index = np.reshape(index, ())
    results = [branch(*operands) for branch in branches]
    value = results[0]
    for i, result in enumerate(results[1:]):
        value = _selected("switch", np.greater(index, i), result, value)
    return value


def while_loop(cond: Any, body: Any, loop_vars: Any, maximum_iterations: Any = None) -> Tensor:
    """Return `loop_vars` after `body` was applied while `cond` holds.

    Args:
        cond: from the variables to one bool.
        body: from the variables to their next values.
        loop_vars: one value or structure, or a tuple or list of them, handed on one by one.
        maximum_iterations: most steps; needed where `cond` gives a tensor of a trace, and then all
            of them are computed.

    Raises:
        ValueError: `cond` gives more than one value, or `body` another number of variables.

    >>> while_loop(lambda x: x < 5, lambda x: x + 2, 0).tolist()
    6
    """
    _check_callable("while_loop", cond, body)
    several = isinstance(loop_vars, (tuple, list))
    state = map_structure(convert_to_tensor, tuple(loop_vars) if several else (loop_vars,))
    goes_on, steps = True, 0
    while maximum_iterations is None or steps < maximum_iterations:
        holds = convert_to_tensor(cond(*state))
        _check_scalar("while_loop", holds)
        if symbolic.is_traced(holds):
            if maximum_iterations is None:
                raise holds.trace.error(
                    "expected maximum_iterations for a loop whose end depends on data", "give them"
                )
            holds = np.reshape(holds, ())
            goes_on = holds if goes_on is True else np.logical_and(goes_on, holds)
        elif not holds:
            break
        following = body(*state)
        following = following if isinstance(following, (list, tuple)) else (following,)
        if len(following) != len(state):
            raise ValueError(
                f"while_loop: expected {len(state)} values from the body, got {len(following)}"
            )
        following = map_structure(convert_to_tensor, tuple(following))
        if goes_on is not True:
            following = _selected("while_loop", goes_on, following, state)
        state, steps = following, steps + 1
    return state if several else state[0]


def fori_loop(lower: Any, upper: Any, body_fun: Any, init_val: Any) -> Tensor:
    """Return `init_val` after `body_fun(i, value)` for each i from `lower` to below `upper`."""
    _check_callable("fori_loop", body_fun)
    value = init_val
    for i in range(lower, upper):
        value = body_fun(i, value)
    return value


def _converted(where, xs):
    """Arrays of `xs` and the length of their first axes."""
    flat = [convert_to_tensor(x) for x in leaves(xs)]
    if not flat or any(x.ndim < 1 for x in flat):
        raise ValueError(
            f"{where}: expected arrays with a first axis, got shapes {[_shape(x) for x in flat]}"
        )
    return flat, len(flat[0])


def _stacked(where, results):
    if not results:
        raise ValueError(f"{where}: expected at least one step, got none; give a longer input")
    rows = [leaves(y) for y in results]
    return packed(results[0], [np.stack(parts) for parts in zip(*rows, strict=True)])


def scan(
    f: Any, init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: Any = 1
) -> Tensor:
    """Return the last carry and the stacked outputs of `f(carry, x) -> (carry, y)` over `xs`.

    Args:
        init: the first carry, an array or a structure of arrays.
        xs: array or structure of arrays whose first axis is gone through, or None.
        length: number of steps; by default what the first axis holds.
        reverse: begin at the end; outputs stay in the order of `xs`.
        unroll: a bool or a number, which changes nothing here.

    Raises:
        TypeError: `f` is no function.
        ValueError: neither `xs` nor `length`, a bad `unroll`, or no step.

    >>> carry, sums = scan(lambda c, x: (c + x, c + x), 0, np.arange(1, 4))
    >>> int(carry), sums.tolist()
    (6, [1, 3, 6])
    """
    _check_callable("scan", f)
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise ValueError(f"scan: expected unroll to be a bool or a number above 0, got {unroll!r}")
    if xs is None and length is None:
        raise ValueError("scan: expected xs or length, got neither; give one of them")
    flat, count = ([], int(length)) if xs is None else _converted("scan", xs)
    count = count if length is None else int(length)
    if any(len(x) < count for x in flat):
        raise ValueError(
            f"scan: expected first axes of at least {count}, got shapes {[_shape(x) for x in flat]}"
        )
    carry = map_structure(convert_to_tensor, init)
    empty = [np.zeros_like(c) for c in leaves(carry)]
    outputs = []
    for i in reversed(range(count)) if reverse else range(count):
        carry, y = f(carry, packed(xs, [x[i] for x in flat]) if flat else None)
        outputs.append(empty if y is None else y)
    return carry, _stacked("scan", outputs[::-1] if reverse else outputs)


def map(f: Any, xs: Any) -> Tensor:
    """Return `f` of each entry along the first axis of `xs`, stacked.

    Args:
        f: from an entry, in the structure of `xs`, to an array or a structure of arrays.
        xs: an array or a structure of arrays.

    In a trace the first axis may be the batch: then `f` is what a row of it becomes.

    >>> map(lambda x: x * x, np.array([1, 2, 3])).tolist()
    [1, 4, 9]
    """
    return _mapped("map", f, xs)


def vectorized_map(function: Callable[..., Any], elements: Any) -> Tensor:
    """Return `function` of each entry along the first axis of `elements`, as `map` does."""
    return _mapped("vectorized_map", function, elements)


def _mapped(where, function, xs):
    _check_callable(where, function)
    flat = [convert_to_tensor(x) for x in leaves(xs)]
    if any(symbolic.is_traced(x) and x.batched for x in flat):
        return hooks.ask("map_rows", lambda rows: function(packed(xs, rows)), flat)
    flat, count = _converted(where, xs)
    if any(len(x) != count for x in flat):
        raise ValueError(
            f"{where}: expected one length of the first axes, got shapes "
            f"{[_shape(x) for x in flat]}"
        )
    return _stacked(where, [function(packed(xs, [x[i] for x in flat])) for i in range(count)])


def associative_scan(f: Any, elems: Any, reverse: bool = False, axis: Axis = 0) -> Tensor:
    """Return what `f` makes of the entries up to each one along `axis`, in few large steps.

    Args:
        f: associative, from two structures like `elems` (parts of any length) to a third.
        elems: array or structure of arrays.
        reverse: of the entries from each one to the end.

    Raises:
        TypeError: `f` is no function.
        ValueError: arrays of different lengths along `axis`.

    >>> associative_scan(np.add, np.array([1, 2, 3, 4])).tolist()
    [1, 3, 6, 10]
    """
    _check_callable("associative_scan", f)
    flat = [convert_to_tensor(x) for x in leaves(elems)]
    shapes = [tuple(x.shape) for x in flat]
    if not flat or any(not -x.ndim <= axis < x.ndim for x in flat):
        raise ValueError(f"associative_scan: expected arrays with an axis {axis}, got {shapes}")
    if len({s[axis] for s in shapes}) > 1:
        raise ValueError(
            f"associative_scan: expected one length along axis {axis} (the first dimension by "
            f"default), got shapes {shapes}"
        )
    if axis < 0:
        axis += flat[0].ndim

    def combine(a, b):
        return leaves(f(packed(elems, a), packed(elems, b)))

    flat = [np.flip(x, axis) for x in flat] if reverse else flat
    scans = _scanned(combine, flat, axis)
    return packed(elems, [np.flip(x, axis) for x in scans] if reverse else scans)


def _part(arrays, axis, *span):
    return [x[(*[slice(None)] * axis, slice(*span))] for x in arrays]


def _scanned(combine, arrays, axis):
    """Pairs first, the scan of them, then the entries in between (Blelloch, 1990)."""
    count = arrays[0].shape[axis]
    if count is None:
        raise arrays[0].trace.error(
            f"expected a known length along axis {axis}, got the batch", "scan another axis"
        )
    if count < 2:
        return arrays
    pairs = combine(_part(arrays, axis, 0, -1, 2), _part(arrays, axis, 1, None, 2))
    odd = _scanned(combine, pairs, axis)
    if count == 2:
        even = _part(arrays, axis, 0, 1)
    else:
        before = _part(odd, axis, 0, -1) if count % 2 == 0 else odd
        rest = combine(before, _part(arrays, axis, 2, None, 2))
        firsts = _part(arrays, axis, 0, 1)
        even = [np.concatenate(both, axis=axis) for both in zip(firsts, rest, strict=True)]
    # Places of the entries of both in turn, behind each other in one array.
    order = [i // 2 + (i % 2) * ((count + 1) // 2) for i in range(count)]
    both = zip(even, odd, strict=True)
    return [np.take(np.concatenate(pair, axis=axis), order, axis=axis) for pair in both]


def custom_gradient(f: Any) -> Tensor:
    """Return a function with the value of `f` and the gradient that `f` gives beside it.

    Args:
        f: returns `(value, grad)`; `grad(upstream)`, or `grad(*args, upstream=...)`, returns the
            gradient of each argument.

    In a trace the gradient is `upstream` times or divided by what does not depend on it, and has
    the shape of the argument; `f` gives one value, of that shape.

    >>> @custom_gradient
    ... def straight(x):
    ...     return np.sign(x), lambda upstream: upstream
    >>> straight(np.array([-2.0, 3.0])).tolist()
    [-1.0, 1.0]
    """
    _check_callable("custom_gradient", f)

    @functools.wraps(f)
    def call(*args, **options):
        value, grad = f(*args, **options)
        if not any(symbolic.is_traced(x) for x in args):
            return value
        args = [symbolic.traced(x) for x in args]
        return hooks.ask("custom_gradient", value, args, functools.partial(_gradient, grad, args))

    return call


def _gradient(grad, args, upstream):
    """`grad` called as it is written: for one argument, or for all and `upstream`."""
    parameters = inspect.signature(grad).parameters.values()
    several = len(parameters) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if several and any(p.name == "upstream" or p.kind is p.VAR_KEYWORD for p in parameters):
        return grad(*args, upstream=upstream)
    return grad(upstream)


__all__ = [
    "associative_scan", "cond", "custom_gradient", "fori_loop", "map", "scan", "switch",
    "vectorized_map", "while_loop",
]  # fmt: skip
