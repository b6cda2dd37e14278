"""Layers that even out the distribution of pixel values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.layers.core import positive_int
from pyseq.layers.preprocessing.image_base import _ImageLayer, change_range
from pyseq.registry import limits
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Range, Tensor


@builtin("layers")
class AutoContrast(_ImageLayer):
    """Stretches each channel of each image to the whole value range.

    Args:
        value_range: pair of the lowest and highest value.

    >>> AutoContrast()(np.array([[[1.0], [2.0]]])).tolist()
    [[[0.0], [255.0]]]
    """

    _always = True
    _draws = False

    def __init__(self, value_range: Range = (0, 255), **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.value_range = self._range(value_range)

    def transform(self, images: Tensor, choices: Any) -> Any:
        low = images.min(axis=(1, 2), keepdims=True)
        spread = images.max(axis=(1, 2), keepdims=True) - low
        flat = spread == 0
        out = (images - low) / np.where(flat, 1, spread)
        out = change_range(out, (0, 1), self.value_range)
        return np.where(flat, images, out)

    def get_config(self) -> Config:
        return {**super().get_config(), "value_range": self.value_range}


@builtin("layers")
class Equalization(_ImageLayer):
    """Makes the histogram of each channel flat; one histogram serves the whole batch.

    Args:
        value_range: pair of the lowest and highest value.
        bins: number of bins of the histogram.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> Equalization()(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _draws = False

    def __init__(
        self,
        value_range: Range = (0, 255),
        bins: Any = 256,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = self._range(value_range)
        self.bins = bins

    def _equalize(self, channel):
        at = np.clip((channel * (self.bins - 1) / 255).astype(np.int32), 0, self.bins - 1)
        counts = np.bincount(at.ravel(), minlength=self.bins)
        if np.count_nonzero(counts) <= 1:
            return channel
        cumulative = counts.cumsum()
        least = cumulative[np.nonzero(cumulative)[0][0]]
        table = (cumulative - least) * 255 / max(cumulative[-1] - least, 1)
        return np.clip(np.round(table), 0, 255)[at].astype(channel.dtype)

    def transform(self, images: Tensor, choices: Any) -> Any:
        images = change_range(images, self.value_range, (0, 255))
        channels = [self._equalize(images[..., c]) for c in range(images.shape[-1])]
        out = np.stack(channels, axis=-1)
        return change_range(out, (0, 255), self.value_range)

    def get_config(self) -> Config:
        return {**super().get_config(), "bins": self.bins, "value_range": self.value_range}


@builtin("layers")
class ContrastLimitedAdaptiveHistogramEqualization(_ImageLayer):
    """Makes the histogram of each tile of an image flat, with limited slopes.

    Args:
        value_range: pair of the lowest and highest value.
        clip_limit: largest count of a bin, as a multiple of the mean; the excess is spread over
            all bins. 0 for no limit.
        tile_grid_size: number of tiles down and across.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    Between the centres of tiles their maps are blended. Zuiderveld, "Contrast Limited Adaptive
    Histogram Equalization", Graphics Gems IV, 1994.

    >>> ContrastLimitedAdaptiveHistogramEqualization()(np.ones((8, 8, 1), "float32")).shape
    (8, 8, 1)
    """

    _always = True
    _draws = False
    row_coupling = "always"

    def __init__(
        self,
        value_range: Range = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Any = (8, 8),
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.clip_limit = clip_limit
        self.tile_grid_size = tile_grid_size
        if not isinstance(tile_grid_size, (list, tuple)) or len(tile_grid_size) != 2:
            raise ValueError(
                f"{self.name}: expected `tile_grid_size` to be two integers, got {tile_grid_size!r}"
            )
        tiles = [positive_int(self.name, "tile_grid_size", n) for n in tile_grid_size]
        limits.take((*tiles, 256), "float64", f"{self.name}/tiles")

    def _maps(self, tiles):
        """Where each of 256 values goes, for `tiles` `(..., pixels)` of integers."""
        size = tiles.shape[-1]
        flat = tiles.reshape(-1, size)
        row = np.arange(len(flat))[:, None] * 256
        counts = np.bincount((flat + row).ravel(), minlength=256 * len(flat))
        counts = counts.reshape(-1, 256).astype(np.float64)
        if self.clip_limit > 0:
            clipped = np.minimum(counts, self.clip_limit * size / 256)
            counts = clipped + (counts - clipped).sum(axis=-1, keepdims=True) / 256
        cumulative = counts.cumsum(axis=-1)
        least = cumulative.min(axis=-1, keepdims=True)
        rest = size - least
        maps = (cumulative - least) * 255 / np.where(rest == 0, 1, rest)
        return np.clip(maps, 0, 255).reshape(*tiles.shape[:-1], 256)

    def transform(self, images: Tensor, choices: Any) -> Any:
        images = change_range(images, self.value_range, (0, 255))
        n, height, width, channels = images.shape
        grid_h, grid_w = self.tile_grid_size
        tile_h, tile_w = -(-height // grid_h), -(-width // grid_w)
        pad = ((0, 0), (0, tile_h * grid_h - height), (0, tile_w * grid_w - width), (0, 0))
        padded = np.pad(images, pad, mode="symmetric")
        pixels = np.clip(padded, 0, 255).astype(np.int64)
        tiles = pixels.reshape(n, grid_h, tile_h, grid_w, tile_w, channels)
        tiles = tiles.transpose(0, 1, 3, 5, 2, 4).reshape(n, grid_h, grid_w, channels, -1)
        maps = np.pad(
            self._maps(tiles), ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0)), mode="edge"
        )

        def neighbours(tile, count):
            at = (np.arange(tile * count) - tile / 2) / tile + 1
            low = np.floor(at).astype(int)
            return low, np.minimum(low + 1, count + 1), at - low

        top, bottom, down = neighbours(tile_h, grid_h)
        left, right, across = neighbours(tile_w, grid_w)
        batch = np.arange(n)[:, None, None, None]
        channel = np.arange(channels)

        def mapped(rows, cols):
            return maps[batch, rows[:, None, None], cols[None, :, None], channel, pixels]

        down, across = down[:, None, None], across[None, :, None]
        above = mapped(top, left) * (1 - across) + mapped(top, right) * across
        below = mapped(bottom, left) * (1 - across) + mapped(bottom, right) * across
        out = (above * (1 - down) + below * down)[:, :height, :width].astype(images.dtype)
        return change_range(out, (0, 255), self.value_range)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "clip_limit": self.clip_limit,
            "tile_grid_size": self.tile_grid_size,
        }
