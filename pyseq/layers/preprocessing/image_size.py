"""Layers that change the size of images: Resizing, CenterCrop, RandomCrop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.layers.core import positive_int
from pyseq.layers.preprocessing import image_boxes
from pyseq.layers.preprocessing.image_base import _ImageLayer, images_of
from pyseq.layers.reshaping import lower_permute
from pyseq.layers.spatial import lower_resize
from pyseq.ops.image import boxes as box_ops, resizing
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        Config,
        DataFormat,
        LayerArguments,
        NamedLayerArguments,
        Seed,
        Size,
        Tensor,
    )


class _Sized(_ImageLayer):
    def __init__(self, height: Any, width: Any, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.height = positive_int(self.name, "height", height)
        self.width = positive_int(self.name, "width", width)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._sized(input_shape, self.height, self.width)

    def _smart_resize(self, images):
        """The centred part of the target's ratio, resized."""
        return self._resize(images, crop_to_aspect_ratio=True)

    def _resize(self, images, *args, **options):
        size = (self.height, self.width)
        return resizing.resize(images, size, *args, **options, data_format="channels_last")

    def _fitted(self, out):
        """Boxes as corners in pixels, limited to the target, in the format of the layer."""
        size = (self.height, self.width)
        out = box_ops.clip_to_image_size(out, *size)
        return self._converted(out, "xyxy", self.bounding_box_format, size)

    def _smartly_resized_boxes(self, bounding_boxes, size):
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", size)
        target = (self.height, self.width)
        out["boxes"] = image_boxes.smartly_resized(out["boxes"], *size, *target)
        return self._fitted(out)

    # --- inside a model, where a gradient passes through

    def lower(self, g: Any, x: Tensor) -> Any:
        self._check_sample(x.shape)
        if g.training and not self._always:
            return super().lower(g, x)
        first = self.data_format == "channels_first"
        y = self._lower_last(g, lower_permute(g, x, (1, 2, 0), self.name) if first else x)
        return self.pass_mask(lower_permute(g, y, (2, 0, 1), self.name) if first else y, x)

    def _lower_last(self, g, x):
        """Append the ops for images with the channels last."""
        raise TypeError(f"{type(self).__name__}: expected a subclass that defines _lower_last()")

    def _lower_crop(self, g, x, top, left, height, width):
        h, w, channels = x.shape
        if (height, width) == (h, w):
            return x
        end = [h - height - top, w - width - left, 0]
        shape = (height, width, channels)
        return g.op("crop", x, shape, name=self.name, begin=[top, left, 0], end=end)

    def _lower_aspect_crop(self, g, x):
        box = resizing.aspect_crop_box(*x.shape[:2], self.height, self.width)
        return self._lower_crop(g, x, *box)

    def _lower_resize(self, g, x, interpolation="bilinear", antialias=False):
        size = (self.height, self.width)
        return lower_resize(g, x, size, interpolation, antialias, name=self.name)


@builtin("layers")
class Resizing(_Sized):
    """Images resized to `height` x `width`.

    Args:
        height, width: target size.
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: cut the images to the ratio of the target first.
        pad_to_aspect_ratio: pad the images to it first, with `fill_value`.
        antialias: blur when shrinking.
        fill_mode: only `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        fill_value: value of what is added around the image.

    Integers are rounded and limited to their dtype.

    >>> Resizing(2, 2)(np.ones((4, 4, 3), "float32")).shape
    (2, 2, 3)
    """

    _always = True
    _draws = False

    def __init__(
        self,
        height: Any,
        width: Any,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: Any = 0.0,
        antialias: bool = False,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(height, width, data_format=data_format, **kwargs)
        self.interpolation = self._one_of("interpolation", interpolation, resizing.INTERPOLATIONS)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError(
                f"{self.name}: expected one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio`, "
                "got both"
            )
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = self._one_of("fill_mode", fill_mode, ("constant",))
        self.fill_value = fill_value
        self.antialias = bool(antialias)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Seed = None) -> Any:
        """The height and width of the images."""
        height, width = self._to_batch(images_of(data)).shape[1:3]
        return height, width

    def _size_noted(self, transformation):
        return transformation

    def transform(self, images: Tensor, choices: Any) -> Any:
        return self._resized(images, self.interpolation)

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self._in_dtype(self._resized(masks, "nearest"), masks.dtype)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        boxes = bounding_boxes["boxes"]
        # Boxes that only fill up a batch stay empty.
        none = ((boxes == -1).all(axis=-1) | (boxes == 0).all(axis=-1))[..., None]
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", size)
        target, ratio = (self.height, self.width), (
            self.pad_to_aspect_ratio,
            self.crop_to_aspect_ratio,
        )
        out["boxes"] = image_boxes.resized(out["boxes"], *size, *target, *ratio)
        out = box_ops.clip_to_image_size(out, *target)
        out["boxes"] = np.where(none, np.zeros_like(out["boxes"]), out["boxes"])
        return self._converted(out, "xyxy", self.bounding_box_format, target)

    def _resized(self, images, interpolation):
        return self._resize(
            images,
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            fill_value=self.fill_value,
        )

    def _lower_last(self, g, x):
        if self.crop_to_aspect_ratio:
            x = self._lower_aspect_crop(g, x)
        elif self.pad_to_aspect_ratio:
            h, w, channels = x.shape
            top, left = resizing.aspect_borders(h, w, self.height, self.width)
            margin = [top, left, 0]
            shape = (h + 2 * top, w + 2 * left, channels)
            value = float(self.fill_value)
            x = g.op("pad", x, shape, name=self.name, begin=margin, end=margin, value=value)
        return self._lower_resize(g, x, self.interpolation, self.antialias)

    def transform_images(
        self, images: Tensor, transformation: Any = None, training: bool = True
    ) -> Any:
        """The images, resized."""
        out = super().transform_images(images, transformation, training)
        return self._in_dtype(out, np.asarray(images).dtype)

    def _in_dtype(self, out, dtype):
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return np.clip(np.round(out), limits.min, limits.max).astype(dtype)
        return out

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "antialias": self.antialias,
        }


@builtin("layers")
class CenterCrop(_Sized):
    """The middle `height` x `width` of images; smaller images are resized.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        height, width: height and width of the output.

    >>> CenterCrop(2, 2)(np.ones((4, 4, 3), "float32")).shape
    (2, 2, 3)
    """

    _always = True
    _draws = False
    _notes_shape = True

    def __init__(
        self,
        height: Any,
        width: Any,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(height, width, data_format=data_format, **kwargs)

    def _start(self, height, width):
        return (height - self.height) // 2, (width - self.width) // 2

    def transform(self, images: Tensor, choices: Any) -> Any:
        top, left = self._start(*images.shape[1:3])
        if top < 0 or left < 0:
            return self._smart_resize(images)
        return images[:, top : top + self.height, left : left + self.width]

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self.transform(masks.astype(self.arithmetic_dtype), choices)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        top, left = self._start(*size)
        if top < 0 or left < 0:
            return self._smartly_resized_boxes(bounding_boxes, size)
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", size)
        out["boxes"] = image_boxes.cut(out["boxes"], top, left, self.height, self.width)
        return self._fitted(out)

    def _lower_last(self, g, x):
        x = g.cast(x, g.dtype)
        top, left = self._start(*x.shape[:2])
        if top < 0 or left < 0:
            return self._lower_resize(g, self._lower_aspect_crop(g, x))
        return self._lower_crop(g, x, top, left, self.height, self.width)

    def get_config(self) -> Config:
        return {**super().get_config(), "height": self.height, "width": self.width}


@builtin("layers")
class RandomCrop(_Sized):
    """While training, `height` x `width` of images from a random place, the same for a batch.

    Args:
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        height, width: height and width of the output.

    Smaller images are resized. At inference the centred part of the target's ratio is resized.

    >>> RandomCrop(2, 2)(np.ones((4, 4, 3), "float32")).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        height: Any,
        width: Any,
        seed: Seed = None,
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(height, width, seed=seed, data_format=data_format, name=name, **kwargs)
        self.seed = seed if seed is not None else int(self.generator.state.value[0])

    def get_random_transformation(self, data: Any, training: bool = True, seed: Seed = None) -> Any:
        """The first row and column of the part; at inference the shape of the images."""
        if not training:
            return {"input_shape": images_of(data).shape}
        return super().get_random_transformation(data, training, seed)

    def draw(self, images: Tensor, rng: Any) -> Any:
        height, width = images.shape[1:3]
        if height > self.height and width > self.width:
            top = int(rng.integers(0, height - self.height + 1))
            left = int(rng.integers(0, width - self.width + 1))
            return top, left
        crop_h = max(min(height, int(width * self.height / self.width)), 1)
        crop_w = max(min(width, int(height * self.width / self.height)), 1)
        return (height - crop_h) // 2, (width - crop_w) // 2

    def transform(self, images: Tensor, choices: Any) -> Any:
        top, left = (int(c) for c in choices)
        part = images[:, top : top + self.height, left : left + self.width]
        if part.shape[1:3] != (self.height, self.width):
            part = self._resize(part)
        return part

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self.transform(masks.astype(self.arithmetic_dtype), choices)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        target = (self.height, self.width)
        out = self._converted(bounding_boxes, self.bounding_box_format, "xyxy", target)
        # As in Keras: the row is taken from x, the column from y.
        shift = np.tile(np.asarray([int(c) for c in choices], out["boxes"].dtype), 2)
        out["boxes"] = np.maximum(out["boxes"] - shift, 0)
        return self._converted(out, "xyxy", self.bounding_box_format, target)

    def at_inference(self, images: Tensor, masks: bool = False) -> Any:
        if masks:
            return self._resize(images, "nearest", crop_to_aspect_ratio=True)
        return self._smart_resize(images)

    def boxes_at_inference(self, bounding_boxes: Tensor, size: Size) -> Any:
        return self._smartly_resized_boxes(bounding_boxes, size)

    def _size_noted(self, transformation):
        if not isinstance(transformation, dict):
            return None
        return self._to_batch(np.empty(transformation["input_shape"], bool)).shape[1:3]

    def _lower_last(self, g, x):
        return self._lower_resize(g, self._lower_aspect_crop(g, x))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "seed": self.seed,
        }
