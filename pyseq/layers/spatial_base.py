"""What layers over spatial axes share: arguments, windows and the position of the channels."""

from __future__ import annotations

from pyseq import settings
from pyseq.layers.reshaping import lower_permute
from pyseq.layers.shapes import InputSpec

_AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}


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


class SpatialMixin:
    """Channels last or first, `self.rank` spatial axes."""

    def _set_layout(self, rank, data_format):
        self.rank = rank
        self.data_format = settings.standardize_data_format(data_format, self.name)
        self.input_spec = self._spec()

    @property
    def _channels_first(self):
        return self.data_format == "channels_first"

    def _spec(self, channels=None):
        axes = _AXES[self.rank]
        layout = f"n, channels, {axes}" if self._channels_first else f"n, {axes}, channels"
        axis = "x[:, None]" if self._channels_first else "x[..., None]"
        hint = f"its dimensions are ({layout}): add a missing channel axis with {axis}"
        fixed = None if channels is None else {1 if self._channels_first else -1: channels}
        return InputSpec(ndim=self.rank + 2, axes=fixed).with_hint(hint)

    def _channels(self, input_shape):
        self.check_input(input_shape)
        channels = input_shape[1 if self._channels_first else -1]
        if channels is None:
            raise ValueError(
                f"{self.name}: expected a known number of channels, got input shape "
                f"{tuple(input_shape)}; give it in Input(shape)"
            )
        return channels

    def _split(self, input_shape):
        """(spatial lengths, channels) of a shape with the batch dimension."""
        self.check_input(input_shape)
        if self._channels_first:
            return tuple(input_shape[2:]), input_shape[1]
        return tuple(input_shape[1:-1]), input_shape[-1]

    def _join(self, batch, spatial, channels):
        if self._channels_first:
            return (batch, channels, *spatial)
        return (batch, *spatial, channels)

    def _to_last(self, g, x):
        if not self._channels_first:
            return x
        return lower_permute(g, x, [*range(1, self.rank + 1), 0], self.name)

    def _from_last(self, g, y):
        if not self._channels_first:
            return y
        return lower_permute(g, y, [self.rank, *range(self.rank)], self.name)
