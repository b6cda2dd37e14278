"""What layers over spatial axes share: arguments, windows and the position of the channels."""

from __future__ import annotations

from pyseq import settings
from pyseq.layers.reshaping import lower_permute
from pyseq.layers.shapes import InputSpec

_AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}


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
        hint = (
            f"its dimensions are ({layout}): add a missing channel axis with {axis}, a missing "
            "batch axis with x[None]"
        )
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
