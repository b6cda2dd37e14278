"""Windows over spatial axes: their arguments, how many there are, the zeros around them."""

from __future__ import annotations


def tuple_of(where, argument, value, n, least=1):
    """Return `value`, an integer or n of them, as a tuple of n integers.

    >>> tuple_of("conv2d", "kernel_size", 3, 2)
    (3, 3)
    """
    is_integer = hasattr(value, "__index__") and not isinstance(value, bool)
    if is_integer:
        value = (value,) * n
    sequence = value if isinstance(value, (tuple, list)) else ()
    whole = all(hasattr(v, "__index__") and not isinstance(v, bool) for v in sequence)
    if len(sequence) != n or not whole or any(v.__index__() < least for v in sequence):
        many = "an integer" if n == 1 else f"an integer or {n} integers"
        got = value[0] if is_integer else value
        raise ValueError(f"{where}: expected `{argument}` to be {many} >= {least}, got {got!r}")
    return tuple(v.__index__() for v in sequence)


def padding_of(where, value, causal=False):
    """Return the name of a padding in lower case, or raise an error naming `where`."""
    allowed = ("valid", "same", "causal") if causal else ("valid", "same")
    name = value.lower() if isinstance(value, str) else value
    if name not in allowed:
        hint = "; only Conv1D knows causal padding" if name == "causal" else ""
        raise ValueError(f"{where}: expected `padding` to be one of {allowed}, got {value!r}{hint}")
    return name


def window_output(where, length, size, stride, dilation, padding, axis=0):
    """Number of windows along one axis, or None where the length is not known."""
    if length is None:
        return None
    if padding in ("same", "causal"):
        return -(-length // stride)
    reach = (size - 1) * dilation + 1
    if length < reach:
        raise ValueError(
            f"{where}: expected a length of at least {reach} along spatial axis {axis} for windows "
            f"of {reach} (size {size}, dilation {dilation}), got {length}, which leaves "
            f"{(length - reach) // stride + 1} outputs; use smaller windows, padding=\"same\" or "
            "fewer poolings and strides before"
        )
    return (length - reach) // stride + 1


def window_pads(length, size, stride, dilation, padding):
    """Zeros before and behind one axis: (begin, end).

    >>> window_pads(28, 3, 2, 1, "same")
    (0, 1)
    """
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return dilation * (size - 1), 0
    total = max((-(-length // stride) - 1) * stride + (size - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def transposed_window(length, size, stride, dilation, padding, output_padding=None):
    """(output length, entries cut off at the beginning) of a transposed convolution's axis.

    >>> transposed_window(7, 3, 2, 1, "same")
    (14, 0)
    """
    reach = (size - 1) * dilation + 1
    if padding == "valid":
        left = reach - 1
        tail = max(reach, stride) - reach if output_padding is None else output_padding
        out = None if length is None else (length - 1) * stride + reach + tail
    elif output_padding is None:
        total = stride + reach - 2
        left = min(total // 2 + total % 2, reach - 1)
        out = None if length is None else length * stride
    else:
        total = reach + reach % 2 - 2 + output_padding
        left = min(total // 2 + total % 2, reach - 1)
        out = None if length is None else (length - 1) * stride + reach % 2 + output_padding
    return out, reach - 1 - left
