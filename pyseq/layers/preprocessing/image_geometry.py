"""Random changes of where pixels are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.layers.preprocessing import image_boxes
from pyseq.layers.preprocessing.image_base import _ImageLayer, per_image, uniform
from pyseq.ops.image import boxes as box_ops, geometry
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Range, Seed, Size, Tensor

_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


@builtin("layers")
class RandomFlip(_ImageLayer):
    """Mirrors images with probability 1/2.

    Args:
        mode: "horizontal", "vertical" or "horizontal_and_vertical": then both or none.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomFlip()(np.ones((2, 2, 1), "float32")).shape
    (2, 2, 1)
    """

    _notes_shape = True

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.mode = self._one_of("mode", mode, _MODES)

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {"flips": per_image(rng.uniform(size=len(images)) <= 0.5)}

    def transform(self, images: Tensor, choices: Any) -> Any:
        out = images
        if self.mode != "vertical":
            out = np.where(choices["flips"], out[:, :, ::-1], out)
        if self.mode != "horizontal":
            out = np.where(choices["flips"], out[:, ::-1], out)
        return out

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self.transform(masks.astype(self.arithmetic_dtype), choices)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        out = self._converted(bounding_boxes, self.bounding_box_format, "rel_xyxy", size)
        flips = np.squeeze(np.asarray(choices["flips"]), axis=-1)
        across, down = self.mode != "vertical", self.mode != "horizontal"
        out["boxes"] = image_boxes.flipped(out["boxes"], flips, across, down)
        out = box_ops.clip_to_image_size(out, *size)
        return self._converted(out, "rel_xyxy", self.bounding_box_format, size)

    def get_config(self) -> Config:
        return {**super().get_config(), "seed": self.seed, "mode": self.mode}


class _Affine(_ImageLayer):
    """Layers that move pixels by a linear map."""

    _notes_shape = True

    def __init__(
        self,
        fill_mode: str,
        interpolation: Any,
        seed: Seed,
        fill_value: Any,
        data_format: DataFormat,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self._fill(fill_mode, interpolation)
        self.fill_value = fill_value

    def matrix(self, choices: Any, height: Any, width: Any) -> Any:
        """Rows for `geometry.affine` of images of this size."""
        raise TypeError(f"{type(self).__name__}: expected a subclass that defines matrix()")

    def _moved(self, images, choices, interpolation):
        matrix = self.matrix(choices, *images.shape[1:3])
        return geometry.affine(images, matrix, interpolation, self.fill_mode, self.fill_value)

    def transform(self, images: Tensor, choices: Any) -> Any:
        return self._moved(images, choices, self.interpolation)

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self._moved(masks, choices, "nearest")


def rotation_matrix(degrees, height, width):
    """Rows for `geometry.affine` that turn images about their centre by `degrees`, an array."""
    angle = np.asarray(degrees, float) * math.pi / 180
    cx, cy = 0.5 * (width - 1), 0.5 * (height - 1)
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [cos, -sin, cx - cx * cos + cy * sin, sin, cos, cy - cx * sin - cy * cos]
    return np.stack(rows, axis=-1)


@builtin("layers")
class RandomRotation(_Affine):
    """Turns images about their centre.

    Boxes are taken for corners in pixels, whatever their format: give them as "xyxy".

    Args:
        factor: pair of shares of 360 degrees, positive counter-clockwise; a number f is (-f, f).
        fill_mode: "reflect", "wrap", "constant" or "nearest": what lies outside.
        interpolation: "bilinear" or "nearest".
        fill_value: for "constant".
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomRotation(0.1)(np.ones((2, 2, 1), "float32")).shape
    (2, 2, 1)
    """

    _notes_shape = False

    def __init__(
        self,
        factor: Range,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Seed = None,
        fill_value: Any = 0.0,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = self._factor(factor)

    def draw(self, images: Tensor, rng: Any) -> Any:
        n, height, width = images.shape[:3]
        angle = 360 * uniform(rng, self.factor, n)
        return {
            "angle": angle,
            "rotation_matrix": rotation_matrix(angle, height, width),
            "image_height": height,
            "image_width": width,
            "batch_size": n,
        }

    def matrix(self, choices: Any, height: Any, width: Any) -> Any:
        matrix = np.asarray(choices["rotation_matrix"])
        return matrix if matrix.ndim == 2 else matrix[None]

    def _size_noted(self, transformation):
        if transformation is None:
            return None
        return int(transformation["image_height"]), int(transformation["image_width"])

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        corners = image_boxes.turned(bounding_boxes["boxes"], choices["angle"], *size)
        out = box_ops.clip_to_image_size({**bounding_boxes, "boxes": corners}, *size)
        return self._converted(out, "xyxy", self.bounding_box_format, size)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "factor": self.factor,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }


class _TwoFactors(_Affine):
    def __init__(
        self,
        height_factor: Range,
        width_factor: Range,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Seed = None,
        fill_value: Any = 0.0,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._height = self._pair(height_factor, "height_factor")
        self._width = None if width_factor is None else self._pair(width_factor, "width_factor")

    def _pair(self, value, name):
        pair = self._factor(value, name)
        if min(pair) < -1 or max(pair) > 1:
            raise ValueError(f"{self.name}: expected `{name}` in [-1, 1], got {value!r}")
        return pair

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "height_factor": self.height_factor,
            "width_factor": self.width_factor,
            "fill_mode": self.fill_mode,
            "interpolation": self.interpolation,
            "seed": self.seed,
            "fill_value": self.fill_value,
        }


@builtin("layers")
class RandomTranslation(_TwoFactors):
    """Shifts images.

    Args:
        height_factor, width_factor: pair of shares of the size, positive down and to the right; a
            number f is (-f, f).
        fill_mode, interpolation, fill_value: as of `RandomRotation`.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomTranslation(0.1, 0.1)(np.ones((2, 2, 1), "float32")).shape
    (2, 2, 1)
    """

    def draw(self, images: Tensor, rng: Any) -> Any:
        n, height, width = images.shape[:3]
        down = uniform(rng, self._height, (n, 1)) * height
        right = uniform(rng, self._width, (n, 1)) * width
        return {"translations": np.concatenate([right, down], axis=1)}

    def matrix(self, choices: Any, height: Any, width: Any) -> Any:
        right, down = np.asarray(choices["translations"], float).T
        one, zero = np.ones_like(right), np.zeros_like(right)
        return np.stack([one, zero, -right, zero, one, -down], axis=1)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", size)
        right, down = np.split(np.asarray(choices["translations"]), 2, axis=-1)
        out["boxes"] = image_boxes.shifted(out["boxes"], right, down)
        out = box_ops.clip_to_image_size(out, *size)
        return self._converted(out, "xyxy", self.bounding_box_format, size)


@builtin("layers")
class RandomZoom(_TwoFactors):
    """Zooms images about their centre.

    Args:
        height_factor: pair of relative changes, positive out (smaller), negative in.
        width_factor: the same for the width; None takes that of the height.
        fill_mode, interpolation, fill_value: as of `RandomRotation`.

    >>> RandomZoom(0.1)(np.ones((2, 2, 1), "float32")).shape
    (2, 2, 1)
    """

    def __init__(
        self, height_factor: Range, width_factor: Range | None = None, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(height_factor, width_factor, *args, **kwargs)

    def _pair(self, value, name):
        pair = super()._pair(value, name)
        # Only a given bound: a number f stands for the range from -f.
        given = value if isinstance(value, (tuple, list)) else [value]
        if min(given) <= -1:
            raise ValueError(f"{self.name}: expected `{name}` above -1, got {value!r}")
        return pair

    def draw(self, images: Tensor, rng: Any) -> Any:
        n = len(images)
        height = 1 + uniform(rng, self._height, (n, 1))
        width = height if self._width is None else 1 + uniform(rng, self._width, (n, 1))
        return {"height_zoom": height, "width_zoom": width}

    def matrix(self, choices: Any, height: Any, width: Any) -> Any:
        down = np.asarray(choices["height_zoom"], float)[:, 0]
        across = np.asarray(choices["width_zoom"], float)[:, 0]
        zero = np.zeros_like(down)
        x, y = (width - 1) / 2 * (1 - across), (height - 1) / 2 * (1 - down)
        return np.stack([across, zero, x, zero, down, y], axis=1)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", size)
        out["boxes"] = image_boxes.zoomed(out["boxes"], self.matrix(choices, *size), *size)
        out = box_ops.clip_to_image_size(out, bounding_box_format="rel_xyxy")
        return self._converted(out, "rel_xyxy", self.bounding_box_format, size)


@builtin("layers")
class RandomShear(_Affine):
    """Slants images.

    Args:
        x_factor, y_factor: pair of slopes in [0, 1]; a number f is (-f, f). Both get one random
            sign.
        interpolation, fill_mode, fill_value: as of `RandomRotation`.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    >>> RandomShear(0.1)(np.ones((2, 2, 1), "float32")).shape
    (2, 2, 1)
    """

    def __init__(
        self,
        x_factor: Range = 0.0,
        y_factor: Range = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: Any = 0.0,
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor = self._slope(x_factor, "x_factor")
        self.y_factor = self._slope(y_factor, "y_factor")

    def _slope(self, value, name):
        low, high = self._factor(value, name, (0.0, 1.0))
        if isinstance(value, (tuple, list)):
            if low < 0 or high > 1:
                # The range of a saved config of a number.
                if low != -high:
                    raise ValueError(f"{self.name}: expected `{name}` in [0, 1], got {value!r}")
            return low, high
        return -high, high

    def draw(self, images: Tensor, rng: Any) -> Any:
        n = len(images)
        sign = np.where(rng.uniform(size=(n, 1)) > 0.5, -1.0, 1.0)
        y = uniform(rng, self.y_factor, (n, 1))
        x = uniform(rng, self.x_factor, (n, 1))
        return {"shear_factor": np.concatenate([x, y], axis=1) * sign}

    def matrix(self, choices: Any, height: Any, width: Any) -> Any:
        x, y = np.asarray(choices["shear_factor"], float).T
        one, zero = np.ones_like(x), np.zeros_like(x)
        return np.stack([one, x, zero, y, one, zero], axis=1)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        out = self._converted(bounding_boxes, self.bounding_box_format, "rel_xyxy", size)
        out["boxes"] = image_boxes.slanted(out["boxes"], choices["shear_factor"])
        out = box_ops.clip_to_image_size(out, bounding_box_format="rel_xyxy")
        return self._converted(out, "rel_xyxy", self.bounding_box_format, size)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "x_factor": self.x_factor,
            "y_factor": self.y_factor,
            "fill_mode": self.fill_mode,
            "interpolation": self.interpolation,
            "seed": self.seed,
            "fill_value": self.fill_value,
        }


def chosen(rng, factor, n):
    """Which of n images an operation hits: its probability is itself drawn from `factor`."""
    probability = uniform(rng, factor, n)
    return rng.uniform(size=n) < probability


@builtin("layers")
class RandomPerspective(_ImageLayer):
    """Moves the corners of images and maps the rest along.

    Args:
        factor: pair of probabilities between which that of acting is drawn; a number p is (0, p).
        scale: corners move by up to scale / 2 of their distance from the origin.
        interpolation: "bilinear" or "nearest".
        fill_value: what lies outside.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandomPerspective()(np.ones((2, 2, 1), "float32")).shape
    (2, 2, 1)
    """

    _factor_bounds = (0.0, 1.0)
    _notes_shape = True

    def __init__(
        self,
        factor: Range = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_value: Any = 0.0,
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self._factor(factor)
        if not 0 <= scale <= 1:
            raise ValueError(f"{self.name}: expected `scale` in [0, 1], got {scale!r}")
        self.scale = scale
        self.fill_value = fill_value
        self.interpolation = self._one_of("interpolation", interpolation, ("nearest", "bilinear"))

    def draw(self, images: Tensor, rng: Any) -> Any:
        n, height, width = images.shape[:3]
        acts = chosen(rng, self.factor, n)
        shift = rng.uniform(-0.5 * self.scale, 0.5 * self.scale, (n, 4, 2))
        corners = [[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]]
        start = np.broadcast_to(np.array(corners, float), (n, 4, 2))
        return {
            "apply_perspective": acts,
            "start_points": start,
            "end_points": start + start * shift,
        }

    def _seen(self, images, choices, interpolation):
        ends = choices["start_points"], choices["end_points"]
        moved = geometry.perspective(images, *ends, interpolation, self.fill_value)
        return np.where(per_image(choices["apply_perspective"]), moved, images)

    def transform(self, images: Tensor, choices: Any) -> Any:
        return self._seen(images, choices, self.interpolation)

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self._seen(masks, choices, "nearest")

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", size)
        acts = np.asarray(choices["apply_perspective"], bool)[:, None, None]
        ends = choices["start_points"], choices["end_points"]
        out["boxes"] = np.where(acts, image_boxes.seen(out["boxes"], *ends), out["boxes"])
        # As in Keras, which leaves them as corners in pixels.
        return box_ops.clip_to_image_size(out, *size)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
            "seed": self.seed,
        }
