"""Random changes of the values of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.layers.preprocessing.image_base import _ImageLayer, change_range, per_image, uniform
from pyseq.layers.preprocessing.image_geometry import chosen
from pyseq.ops import image
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Range, Seed, Tensor


def _lists_factor_and_range(self, config):
    return {**config, "factor": self.factor, "value_range": self.value_range, "seed": self.seed}


class _Color(_ImageLayer):
    """Layers with a factor, a value range and a seed."""

    def __init__(
        self,
        factor: Range,
        value_range: Range,
        seed: Seed,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self._factor(factor)
        self.value_range = self._range(value_range)

    def clip(self, images: Tensor) -> Any:
        return np.clip(images, self.value_range[0], self.value_range[1])

    def get_config(self) -> Config:
        return _lists_factor_and_range(self, super().get_config())


@builtin("layers")
class RandomBrightness(_Color):
    """Adds one number to each image and limits the result to the value range.

    Args:
        factor: pair of shares of the value range; a number f is (-f, f).
        value_range: pair of the lowest and highest value.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomBrightness(0.2)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, **kwargs)

    def draw(self, images: Tensor, rng: Any) -> Any:
        span = self.value_range[1] - self.value_range[0]
        return {"rgb_delta": per_image(uniform(rng, self.factor, len(images)) * span)}

    def transform(self, images: Tensor, choices: Any) -> Any:
        return self.clip(images + np.asarray(choices["rgb_delta"], images.dtype))


@builtin("layers")
class RandomContrast(_Color):
    """(x - mean) c + mean with the mean of each channel, c in [1 - factor[0], 1 + factor[1]].

    Args:
        factor: pair in [0, 1]; a number f is (0, f), so that contrast only grows.
        value_range: pair of the lowest and highest value.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomContrast(0.2)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _factor_bounds = (0.0, 1.0)

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, **kwargs)
        self.value_range = value_range

    def draw(self, images: Tensor, rng: Any) -> Any:
        bounds = (1 - self.factor[0], 1 + self.factor[1])
        return {"contrast_factor": per_image(uniform(rng, bounds, len(images)))}

    def transform(self, images: Tensor, choices: Any) -> Any:
        mean = images.mean(axis=(1, 2), keepdims=True)
        factor = np.asarray(choices["contrast_factor"], images.dtype)
        return self.clip((images - mean) * factor + mean)


@builtin("layers")
class RandomColorDegeneration(_Color):
    """x + f (gray - x): f = 1 takes the colour away, below 0 adds to it.

    Args:
        factor: pair of f; a number f is (-f, f).
        value_range: pair of the lowest and highest value.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomColorDegeneration(0.2)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _makes_batch = True

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {"factor": per_image(uniform(rng, self.factor, len(images)))}

    def transform(self, images: Tensor, choices: Any) -> Any:
        factor = np.asarray(choices["factor"], images.dtype)
        gray = image.rgb_to_grayscale(images, "channels_last")
        return self.clip(images + factor * (gray - images))


@builtin("layers")
class RandomGrayscale(_ImageLayer):
    """Turns RGB images gray with probability `factor`.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.
        factor: share of the images that lose their colour, in [0, 1].

    >>> RandomGrayscale(1.0)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _makes_batch = True

    def __init__(
        self,
        factor: Range = 0.5,
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        if not 0 <= factor <= 1:
            raise ValueError(f"{self.name}: expected `factor` in [0, 1], got {factor!r}")
        self.factor = factor

    def draw(self, images: Tensor, rng: Any) -> Any:
        return per_image(rng.uniform(size=len(images)) < self.factor)

    def transform(self, images: Tensor, choices: Any) -> Any:
        return np.where(choices, image.rgb_to_grayscale(images, "channels_last"), images)

    def get_config(self) -> Config:
        return {**super().get_config(), "factor": self.factor}


@builtin("layers")
class RandomHue(_Color):
    """Turns the hue of RGB images by up to factor / 2 of the colour circle.

    Args:
        factor: pair in [0, 1]; a number f is (0, f). The sign is random.
        value_range: pair of the lowest and highest value.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomHue(0.2)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _factor_bounds = (0.0, 1.0)

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)
        self.value_range = value_range

    def draw(self, images: Tensor, rng: Any) -> Any:
        n = len(images)
        sign = np.where(rng.uniform(size=n) > 0.5, -1.0, 1.0)
        return {"factor": sign * uniform(rng, self.factor, n) * 0.5}

    def transform(self, images: Tensor, choices: Any) -> Any:
        images = change_range(images, self.value_range, (0, 1))
        hsv = image.rgb_to_hsv(images, "channels_last")
        hue = hsv[..., 0] + per_image(choices["factor"])[..., 0].astype(images.dtype)
        hue = np.where(hue > 1, hue - 1, hue)
        hsv[..., 0] = np.where(hue < 0, hue + 1, hue)
        out = np.clip(image.hsv_to_rgb(hsv, "channels_last"), 0, 1)
        return change_range(out, (0, 1), self.value_range)


@builtin("layers")
class RandomSaturation(_Color):
    """Multiplies the saturation of RGB images by f / (1 - f): f = 1/2 changes nothing.

    Args:
        factor: pair of f; a number f is (-f, f), of which the negative half takes the colour away.
        value_range: pair of the lowest and highest value.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomSaturation((0.4, 0.6))(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def draw(self, images: Tensor, rng: Any) -> Any:
        factor = uniform(rng, self.factor, len(images))
        return {"factor": factor / (1 - factor + settings.epsilon)}

    def transform(self, images: Tensor, choices: Any) -> Any:
        hsv = image.rgb_to_hsv(images, "channels_last")
        hsv[..., 1] = self.clip(hsv[..., 1] * per_image(choices["factor"])[..., 0])
        return image.hsv_to_rgb(hsv, "channels_last")


@builtin("layers")
class RandomSharpness(_Color):
    """Blends images with their blur: factor 0 is the blur, 1/2 the image, 1 sharper.

    Args:
        factor: pair in [0, 1]; a number f is (0, f).
        value_range: pair of the lowest and highest value.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomSharpness(0.5)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _factor_bounds = (0.0, 1.0)

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {"factor": uniform(rng, self.factor, len(images))}

    def transform(self, images: Tensor, choices: Any) -> Any:
        height, width = images.shape[1:3]
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
        smooth = sum(
            padded[:, i : i + height, j : j + width] * ((5 if i == j == 1 else 1) / 13)
            for i in range(3)
            for j in range(3)
        )
        blur = 1 - 2 * per_image(choices["factor"])
        return self.clip(images + blur * (smooth - images))


@builtin("layers")
class RandomColorJitter(_ImageLayer):
    """Random brightness, contrast, saturation and hue, in this order; None leaves one out.

    Args:
        value_range: pair of the lowest and highest value.
        brightness_factor, contrast_factor, saturation_factor, hue_factor: as of the single layers.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    With one factor it equals the single layer of the same seed.

    >>> RandomColorJitter(brightness_factor=0.2)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    # Each step draws when its turn comes.
    _draws = False

    def __init__(
        self,
        value_range: Range = (0, 255),
        brightness_factor: Range | None = None,
        contrast_factor: Range | None = None,
        saturation_factor: Range | None = None,
        hue_factor: Range | None = None,
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.value_range = value_range
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        steps = (
            (RandomBrightness, brightness_factor),
            (RandomContrast, contrast_factor),
            (RandomSaturation, saturation_factor),
            (RandomHue, hue_factor),
        )
        self._steps = [
            cls(factor, value_range=value_range, seed=seed)
            for cls, factor in steps
            if factor is not None
        ]
        self.generator = self._generator_of(seed)
        self._part_generators = [step.generator for step in self._steps]

    def transform(self, images: Tensor, choices: Any) -> Any:
        for step in self._steps:
            rng = np.random.default_rng(self.generator.next())
            images = step.transform(images, step.draw(images, rng))
        return images

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "brightness_factor": self.brightness_factor,
            "contrast_factor": self.contrast_factor,
            "saturation_factor": self.saturation_factor,
            "hue_factor": self.hue_factor,
            "seed": self.seed,
        }


@builtin("layers")
class RandomPosterization(_Color):
    """Keeps only the highest bits of each value.

    Args:
        factor: pair of numbers of bits in [1, 8], the second not reached; a number b is (1, b).
        value_range: pair of the lowest and highest value.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomPosterization(4)(np.ones((2, 2, 3), "float32")).shape
    (2, 2, 3)
    """

    _factor_bounds = (1, 8)
    _makes_batch = True

    def __init__(
        self,
        factor: Range,
        value_range: Range = (0, 255),
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)

    def draw(self, images: Tensor, rng: Any) -> Any:
        low, high = (int(f) for f in self.factor)
        n = len(images)
        bits = rng.integers(low, high, n) if low != high else np.full(n, low)
        return {"shift_factor": 8 - bits}

    def transform(self, images: Tensor, choices: Any) -> Any:
        shift = per_image(choices["shift_factor"]).astype(np.uint8)
        whole = change_range(images, self.value_range, (0, 255)).astype(np.uint8)
        kept = ((whole >> shift) << shift).astype(images.dtype)
        return change_range(kept, (0, 255), self.value_range)


@builtin("layers")
class RandomInvert(_Color):
    """Replaces x by the highest value minus x.

    Args:
        factor: pair of probabilities between which that of acting is drawn; a number p is (0, p),
            so that 1.0 acts on half of the images.
        value_range: pair of the lowest and highest value.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomInvert((1, 1))(np.zeros((1, 1, 3), "float32")).tolist()
    [[[255.0, 255.0, 255.0]]]
    """

    _factor_bounds = (0.0, 1.0)
    _makes_batch = True

    def __init__(
        self,
        factor: Range = 1.0,
        value_range: Range = (0, 255),
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(factor, value_range, seed, data_format, **kwargs)
        self.value_range = value_range

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {"apply_inversion": chosen(rng, self.factor, len(images))}

    def transform(self, images: Tensor, choices: Any) -> Any:
        acts = per_image(choices["apply_inversion"])
        return np.where(acts, self.value_range[1] - images, images)


@builtin("layers")
class Solarization(_ImageLayer):
    """Adds a number, then inverts what reaches a threshold.

    Args:
        addition_factor, threshold_factor: pair (low, high) in [0, 1]; the draw is from
            [low, 255 high]. A number f is (0, f).
        value_range: pair of the lowest and highest value.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> Solarization()(np.zeros((1, 1, 3), "float32")).tolist()
    [[[255.0, 255.0, 255.0]]]
    """

    def __init__(
        self,
        addition_factor: Range = 0.0,
        threshold_factor: Range = 0.0,
        value_range: Range = (0, 255),
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        bounds = (0.0, 1.0)
        self.addition_factor = self._factor(addition_factor, "addition_factor", bounds, False)
        self.threshold_factor = self._factor(threshold_factor, "threshold_factor", bounds, False)
        self.value_range = self._range(value_range)

    def draw(self, images: Tensor, rng: Any) -> Any:
        def numbers(factor):
            return per_image(uniform(rng, (factor[0], 255 * factor[1]), len(images)))

        return {
            "additions": numbers(self.addition_factor),
            "thresholds": numbers(self.threshold_factor),
        }

    def transform(self, images: Tensor, choices: Any) -> Any:
        images = change_range(images, self.value_range, (0, 255))
        images = np.clip(images + np.asarray(choices["additions"], images.dtype), 0, 255)
        images = np.where(images < choices["thresholds"], images, 255 - images)
        return change_range(images, (0, 255), self.value_range)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "addition_factor": self.addition_factor,
            "threshold_factor": self.threshold_factor,
            "seed": self.seed,
        }
