"""Random changes of parts of images: erasing, blur, elastic distortion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import random
from pyseq.layers.preprocessing.image_base import _ImageLayer, per_image, uniform
from pyseq.layers.preprocessing.image_geometry import chosen
from pyseq.ops.image import gaussian_blur, geometry
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Range, Seed, Size, Tensor


@builtin("layers")
class RandomErasing(_ImageLayer):
    """Overwrites a random rectangle of each image.

    Args:
        factor: pair of probabilities between which that of acting is drawn; a number p is (0, p).
        scale: pair of squared shares of each side.
        fill_value: number or three numbers; None for normal noise.
        value_range: pair of the lowest and highest value.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomErasing()(np.ones((4, 4, 3), "float32")).shape
    (4, 4, 3)
    """

    _factor_bounds = (0.0, 1.0)
    _makes_batch = True

    def __init__(
        self,
        factor: Range = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Range = (0, 255),
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self._factor(factor)
        self.scale = self._factor(scale, "scale")
        self.fill_value = fill_value
        self.value_range = value_range
        if fill_value is not None and np.shape(fill_value) not in ((), (3,)):
            raise ValueError(
                f"{self.name}: expected `fill_value` to be a number or three, got {fill_value!r}"
            )

    def draw(self, images: Tensor, rng: Any) -> Any:
        sides = np.sqrt(uniform(rng, self.scale, (len(images), 2)))
        masks = rectangles(images, sides[:, 0], sides[:, 1], rng)
        fill = self.fill_value
        if fill is None:
            fill = rng.normal(size=images.shape) * self.value_range[1]
        return {
            "apply_erasing": chosen(rng, self.factor, len(images)),
            "batch_masks": masks,
            "fill_value": np.clip(fill, self.value_range[0], self.value_range[1]),
        }

    def transform(self, images: Tensor, choices: Any) -> Any:
        erased = np.where(choices["batch_masks"], choices["fill_value"], images)
        return np.where(per_image(choices["apply_erasing"]), erased, images)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
            "seed": self.seed,
        }


def rectangles(images, across, down, rng):
    """Masks `(n, height, width, 1)` of random rectangles; sides are shares of those of images."""
    n, height, width = images.shape[:3]

    def span(share, length):
        size = share * length
        start = rng.uniform(size=n) * (length - size)
        at = np.arange(length)
        return (at >= start[:, None]) & (at < (start + size)[:, None])

    columns, rows = span(across, width), span(down, height)
    return (rows[:, :, None] & columns[:, None, :])[..., None]


@builtin("layers")
class RandomGaussianBlur(_ImageLayer):
    """Blurs images with a normal kernel.

    Args:
        factor: pair of probabilities between which that of acting is drawn; a number p is (0, p).
        kernel_size: odd size, or a pair (across, down).
        sigma: pair between which the standard deviations of a batch are drawn; a number s is
            (0, s).
        value_range: pair of the lowest and highest value.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomGaussianBlur()(np.ones((4, 4, 3), "float32")).shape
    (4, 4, 3)
    """

    _factor_bounds = (0.0, 1.0)
    _makes_batch = True

    def __init__(
        self,
        factor: Range = 1.0,
        kernel_size: Size = 3,
        sigma: Any = 1.0,
        value_range: Range = (0, 255),
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self._factor(factor)
        pair = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size,) * 2
        if len(pair) != 2 or any(not isinstance(k, int) or k < 1 or k % 2 == 0 for k in pair):
            raise ValueError(
                f"{self.name}: expected `kernel_size` to be an odd integer or a pair, got "
                f"{kernel_size!r}"
            )
        self.kernel_size = tuple(pair)
        self.sigma = self._factor(sigma, "sigma")
        self.value_range = value_range

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {
            "should_apply_blur": chosen(rng, self.factor, len(images)),
            "blur_factor": uniform(rng, self.sigma, 2) + 1e-6,
        }

    def transform(self, images: Tensor, choices: Any) -> Any:
        sigma = choices["blur_factor"]
        blurred = gaussian_blur(images, self.kernel_size, sigma, "channels_last")
        out = np.where(per_image(choices["should_apply_blur"]), blurred, images)
        return np.clip(out, self.value_range[0], self.value_range[1])

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "factor": self.factor,
            "kernel_size": self.kernel_size,
            "sigma": self.sigma,
            "value_range": self.value_range,
            "seed": self.seed,
        }


@builtin("layers")
class RandomElasticTransform(_ImageLayer):
    """Shifts every pixel by smoothed noise.

    Args:
        factor: pair of probabilities between which that of acting is drawn; a number p is (0, p).
        scale: pair between which the strength of a batch is drawn; a number s is (0, s).
        interpolation, fill_mode, fill_value: as of `RandomRotation`.
        value_range: pair of the lowest and highest value.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomElasticTransform()(np.ones((4, 4, 3), "float32")).shape
    (4, 4, 3)
    """

    _factor_bounds = (0.0, 1.0)

    def __init__(
        self,
        factor: Range = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: Any = 0.0,
        value_range: Range = (0, 255),
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self._factor(factor)
        self.scale = self._factor(scale, "scale")
        self._fill(fill_mode, interpolation)
        self.fill_value = fill_value
        self.value_range = value_range

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {
            "apply_transform": chosen(rng, self.factor, len(images)),
            "distortion_factor": rng.uniform(*self.scale),
            # A number, so that masks move as the images do.
            "seed": int(rng.integers(1 << 31)),
        }

    def _distorted(self, images, choices, interpolation):
        n, height, width = images.shape[:3]
        strength = float(choices["distortion_factor"])
        rng = np.random.default_rng(random.seed_state(choices["seed"]))
        sigma, alpha = min(height, width) * 0.05 * strength, max(height, width) * 0.1 * strength
        noise = [alpha * geometry.smooth_noise(rng, (n, height, width), sigma) for _ in range(2)]
        fill = self.fill_mode, self.fill_value
        moved = geometry.displaced(images, *noise, interpolation, *fill)
        return np.where(per_image(choices["apply_transform"]), moved, images)

    def transform(self, images: Tensor, choices: Any) -> Any:
        out = self._distorted(images, choices, self.interpolation)
        return np.clip(out, self.value_range[0], self.value_range[1])

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self._distorted(masks, choices, "nearest")

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        raise ValueError(
            f"{self.name}: expected data without bounding boxes, got some; a distorted box is no "
            "box, so leave them out or use another layer"
        )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
            "seed": self.seed,
        }
