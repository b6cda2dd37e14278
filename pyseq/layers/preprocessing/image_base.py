"""The base of image layers: batches, data formats, factors and random numbers."""

from __future__ import annotations

import numpy as np

from pyseq import random, settings
from pyseq.layers.preprocessing.base import _NumPyLayer

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


class _ImageLayer(_NumPyLayer):
    """A layer on images `(height, width, channels)` or batches of them.

    A subclass defines `draw(images, rng)`, the random choices for a batch, and
    `transform(images, choices)`. Both see floats `(n, height, width, channels)`.
    """

    # A direct call augments unless training=False.
    _default_training = True
    # Whether the layer acts at inference too.
    _always = False
    _factor_bounds = (-1.0, 1.0)

    def __init__(self, data_format=None, seed=None, **kwargs):
        kwargs.pop("bounding_box_format", None)
        super().__init__(**kwargs)
        self.data_format = settings.standardize_data_format(data_format, self.name)
        self.seed = seed
        self.generator = (
            seed if isinstance(seed, random.SeedGenerator) else random.SeedGenerator(seed)
        )

    # --- arguments

    def _factor(self, value, name="factor", bounds=None, symmetric=True):
        """The range (low, high) that a number or a pair stands for."""
        low, high = bounds or self._factor_bounds
        if isinstance(value, (tuple, list)) and len(value) == 2:
            pair = sorted(value)
            valid = pair[0] <= high and pair[1] >= low
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            valid = low <= value <= high
            size = abs(value)
            pair = [max(-size, low) if symmetric else 0, size]
        else:
            valid = False
        if not valid:
            raise ValueError(
                f"{self.name}: expected `{name}` to be a number or a pair in [{low:g}, {high:g}], "
                f"got {value!r}"
            )
        return tuple(pair)

    def _range(self, value_range):
        if not isinstance(value_range, (tuple, list)) or len(value_range) != 2:
            raise ValueError(
                f"{self.name}: expected `value_range` to be a pair of numbers, got {value_range!r}"
            )
        return sorted(value_range)

    def _one_of(self, name, value, known):
        if value not in known:
            raise ValueError(f"{self.name}: expected `{name}` to be one of {known}, got {value!r}")
        return value

    def _fill(self, fill_mode, interpolation):
        self.fill_mode = self._one_of("fill_mode", fill_mode, FILL_MODES)
        self.interpolation = self._one_of("interpolation", interpolation, ("nearest", "bilinear"))

    # --- images

    def draw(self, images, rng):
        """Random choices for a batch, as a dict."""
        return {}

    def transform(self, images, choices):
        """The batch under these choices."""
        return images

    def at_inference(self, images):
        """The batch when not training."""
        return images

    def apply(self, x, training):
        if x.ndim not in (3, 4):
            raise ValueError(
                f"{self.name}: expected images (height, width, channels) or a batch of them, got "
                f"shape {x.shape}"
            )
        images = x if x.ndim == 4 else x[None]
        images = images.astype(self.compute_dtype)
        first = self.data_format == "channels_first"
        if first:
            images = np.moveaxis(images, 1, -1)
        if training or self._always:
            rng = np.random.default_rng(self.generator.next())
            out = self.transform(images, self.draw(images, rng))
        else:
            out = self.at_inference(images)
        out = np.asarray(out, self.compute_dtype)
        if first:
            out = np.moveaxis(out, -1, 1)
        return out if x.ndim == 4 else out[0]

    def lower(self, g, x):
        self._check_sample(x.shape)
        if g.training or self._always:
            return super().lower(g, x)
        # Without a call of Python: a model with augmentation in front can be exported.
        return self.pass_mask(x, x)

    def _check_sample(self, shape):
        if len(shape) != 3:
            raise ValueError(
                f"{self.name}: expected batches of images inside a model, got samples of shape "
                f"{shape}"
            )

    def _sized(self, input_shape, height, width):
        """`input_shape` with another height and width."""
        shape = list(input_shape)
        if len(shape) not in (3, 4):
            raise ValueError(
                f"{self.name}: expected images (height, width, channels) or a batch of them, got "
                f"shape {tuple(input_shape)}"
            )
        at = -2 if self.data_format == "channels_first" else -3
        shape[at], shape[at + 1] = height, width
        return tuple(shape)

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


def uniform(rng, bounds, shape):
    """Uniform numbers between the two bounds."""
    return rng.uniform(bounds[0], bounds[1], shape)


def change_range(images, source, target):
    """Values of the range `source` mapped linearly to `target`."""
    if tuple(source) == tuple(target):
        return images
    scale = (target[1] - target[0]) / (source[1] - source[0])
    return ((images - source[0]) * scale + target[0]).astype(images.dtype)


def per_image(values):
    """Numbers `(n,)` shaped to act on `(n, height, width, channels)`."""
    return np.asarray(values).reshape(-1, 1, 1, 1)
