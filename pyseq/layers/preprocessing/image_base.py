"""The base of image layers: batches, data formats, factors and random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import random, results, settings
from pyseq.layers.keras_tensor import is_keras_tensor
from pyseq.layers.preprocessing.base import _NumPyLayer
from pyseq.layers.preprocessing.image_boxes import densified
from pyseq.ops.image import boxes as box_ops

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Seed, Size, Tensor

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
_KEYS = ("images", "labels", "bounding_boxes", "segmentation_masks")


# Height and width of the images that a layer is tried with.
_TRIAL_SIZE = 64


class _ImageLayer(_NumPyLayer):
    """A layer on images `(height, width, channels)` or batches of them, or on dicts.

    A dict has `images` and any of `labels`, `bounding_boxes` (a dict of `boxes` and `labels`) and
    `segmentation_masks`, with a batch where the images have one; the layer returns a new dict.

    The classes here define `draw(images, rng)`, the random choices for a batch, and what these do:
    `transform(images, choices)`, `transform_masks`, `mix_labels` and `move_boxes`. They see batches
    with the channels last. Subclasses of users may replace `get_random_transformation` and the
    `transform_...` methods, which see what the layer is called with.
    """

    # A direct call augments unless training=False.
    _default_training = True
    # Whether the layer acts at inference too.
    _always = False
    # Whether random numbers are drawn before the images are known.
    _draws = True
    # Whether `move_boxes` needs the size of the images, which the choices then note.
    _notes_shape = False
    # Whether `transform_images` makes a batch of one of a single image, as in Keras.
    _makes_batch = False
    _factor_bounds = (-1.0, 1.0)

    def __init__(
        self,
        data_format: DataFormat = None,
        seed: Seed = None,
        bounding_box_format: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.bounding_box_format = bounding_box_format
        self.data_format = settings.standardize_data_format(data_format, self.name)
        self.seed = seed
        self.generator = self._generator_of(seed) if self._draws else None

    def _generator_of(self, seed):
        return seed if isinstance(seed, random.SeedGenerator) else random.SeedGenerator(seed)

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

    # --- what a class defines, for batches with the channels last

    def draw(self, images: Tensor, rng: Any) -> Any:
        """Random choices for a batch, as a dict."""
        return {}

    def transform(self, images: Tensor, choices: Any) -> Any:
        """The batch under these choices."""
        return images

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        """Segmentation masks of the batch under these choices."""
        return masks

    def mix_labels(self, labels: Tensor, choices: Any) -> Any:
        """Labels of the batch under these choices."""
        return labels

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        """A dict of boxes and labels of the batch under these choices; `size` is of the images."""
        return bounding_boxes

    def at_inference(self, images: Tensor, masks: bool = False) -> Any:
        """The batch, or its segmentation masks, when not training."""
        return images

    def boxes_at_inference(self, bounding_boxes: Tensor, size: Size) -> Any:
        """The boxes of a batch when not training."""
        return bounding_boxes

    # --- what a subclass of a user may replace

    def get_random_transformation(self, data: Any, training: bool = True, seed: Seed = None) -> Any:
        """The random choices for images, or for the images of a dict; None where there are none.

        Args:
            data: array or dict, with a batch or without.
            training: without it only layers that act at inference too choose.
            seed: integer or `SeedGenerator`; the layer's own when None.
        """
        if not (self._draws and (training or self._always)):
            return self._noted({}, data) if self._notes_shape else None
        images = images_of(data)
        state = random.seed_state(self.generator if seed is None else seed)
        choices = self.draw(self._to_batch(images), np.random.default_rng(state))
        return self._noted(self._over_pictures(choices, -1, 1), data)

    def transform_images(
        self, images: Tensor, transformation: Any = None, training: bool = True
    ) -> Any:
        """The images `(n, height, width, channels)` under a transformation."""
        images = np.asarray(images)
        batch = self._to_batch(images).astype(self.arithmetic_dtype)
        if self._acts(transformation, training):
            out = self.transform(batch, self._over_pictures(transformation, 1, -1))
        else:
            out = self.at_inference(batch)
        return self._from_batch(np.asarray(out, self.arithmetic_dtype), images)

    def transform_labels(
        self, labels: Tensor, transformation: Any = None, training: bool = True
    ) -> Any:
        """The labels `(n, ...)` under a transformation."""
        labels = np.asarray(labels)
        if self._acts(transformation, training):
            return self.mix_labels(labels, transformation)
        return labels

    def transform_bounding_boxes(
        self, bounding_boxes: Tensor, transformation: Any = None, training: bool = True
    ) -> Any:
        """A new dict of "boxes" `(n, boxes, 4)` and "labels" `(n, boxes)`, transformed."""
        size = self._size_noted(transformation)
        if self._acts(transformation, training):
            return self.move_boxes(dict(bounding_boxes), transformation, size)
        return self.boxes_at_inference(dict(bounding_boxes), size)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """The masks `(n, height, width, channels)` under a transformation."""
        masks = np.asarray(segmentation_masks)
        batch = self._to_batch(masks)
        if self._acts(transformation, training):
            out = self.transform_masks(batch, self._over_pictures(transformation, 1, -1))
        else:
            out = self.at_inference(batch, masks=True)
        return self._from_batch(out, masks)

    def transform_single_image(
        self, image: Tensor, transformation: Any = None, training: bool = True
    ) -> Any:
        """`transform_images` for one image `(height, width, channels)`."""
        return self.transform_images(np.asarray(image)[None], transformation, training=training)[0]

    def transform_single_label(
        self, label: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """`transform_labels` for the label of one image."""
        return self.transform_labels(np.asarray(label)[None], transformation, training=training)[0]

    def transform_single_bounding_box(
        self, bounding_box: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """`transform_bounding_boxes` for the boxes `(boxes, 4)` of one image."""

        def each(values, function):
            both = {k: function(np.asarray(values[k])) for k in ("boxes", "labels") if k in values}
            return {**values, **both}

        batch = each(bounding_box, lambda a: a[None])
        moved = self.transform_bounding_boxes(batch, transformation, training=training)
        return each(moved, lambda a: a[0])

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any = None, training: bool = True
    ) -> Any:
        """`transform_segmentation_masks` for the mask of one image."""
        masks = np.asarray(segmentation_mask)[None]
        return self.transform_segmentation_masks(masks, transformation, training=training)[0]

    # --- calls

    def __call__(self, inputs: Tensor, training: Any = None, mask: Tensor = None) -> Any:
        if isinstance(inputs, dict):
            if any(is_keras_tensor(value) for value in inputs.values()):
                raise TypeError(f"{self.name}: expected a dict of arrays, got symbolic tensors")
            if not self.built:
                self.build(images_of(inputs, self.name).shape)
            return results.handed(self.call(inputs, training=self._training_of(training)))
        return super().__call__(inputs, training, mask)

    def apply(self, x: Tensor, training: Any) -> Any:
        return np.asarray(self.call(x, training=training))

    def call(self, data: Any, training: bool = True) -> Any:
        """Images or a dict, with or without a batch, under one transformation."""
        if not isinstance(data, dict):
            self._check_rank(np.shape(data))
            transformation = self.get_random_transformation(data, training=training)
            return self._on("image", np.ndim(data) == 4)(data, transformation, training=training)
        data = self._checked(data)
        batched = data["images"].ndim == 4
        transformation = self.get_random_transformation(data, training=training)
        kinds = {
            "images": "image",
            "bounding_boxes": "bounding_box",
            "labels": "label",
            "segmentation_masks": "segmentation_mask",
        }
        return {
            key: self._on(kinds[key], batched)(value, transformation, training=training)
            if key in kinds
            else value
            for key, value in data.items()
        }

    def _on(self, kind, batched):
        if not batched:
            return getattr(self, f"transform_single_{kind}")
        return getattr(self, f"transform_{kind}{'es' if kind.endswith('x') else 's'}")

    def _checked(self, data):
        """A copy of a dict of data whose values are arrays that fit each other."""
        data = {**data, "images": images_of(data, self.name)}
        self._check_rank(data["images"].shape)
        batched = data["images"].ndim == 4
        if "bounding_boxes" in data:
            if not self.bounding_box_format:
                raise ValueError(
                    f"{self.name}: expected a bounding box format for data with bounding boxes, "
                    "got None; write bounding_box_format='xyxy', for example"
                )
            data["bounding_boxes"] = densified(data["bounding_boxes"], self.name, batched)
        if "labels" in data:
            labels = np.asarray(data["labels"])
            floats = labels.dtype.kind == "f"
            data["labels"] = labels.astype(self.arithmetic_dtype) if floats else labels
        if "segmentation_masks" in data:
            masks = data["segmentation_masks"] = np.asarray(data["segmentation_masks"])
            if masks.ndim != data["images"].ndim:
                raise ValueError(
                    f"{self.name}: expected segmentation masks with channels, of the rank of the "
                    f"images {data['images'].shape}, got shape {masks.shape}"
                )
        counted = {k: len(data[k]) for k in ("images", "labels", "segmentation_masks") if k in data}
        if batched and len(set(counted.values())) > 1:
            raise ValueError(f"{self.name}: expected data of one batch size, got {counted}")
        return data

    # --- between what the layer is called with and batches with the channels last

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input, tried with small images; a subclass may give another one."""
        if isinstance(input_shape, dict) or len(input_shape) not in (3, 4):
            return super().compute_output_shape(input_shape)
        shape = tuple(input_shape)
        channel = -3 if self.data_format == "channels_first" else -1
        small = list(shape)
        for axis in {-3, -2, -1} - {channel}:
            if small[axis] is not None:
                small[axis] = min(small[axis], _TRIAL_SIZE)
        if tuple(super().compute_output_shape(tuple(small))) == tuple(small):
            return shape
        return super().compute_output_shape(shape)

    def _check_rank(self, shape):
        if len(shape) not in (3, 4):
            raise ValueError(
                f"{self.name}: expected images (height, width, channels) or a batch of them, got "
                f"shape {tuple(shape)}"
            )

    def _to_batch(self, images):
        self._check_rank(images.shape)
        batch = images if images.ndim == 4 else images[None]
        return np.moveaxis(batch, 1, -1) if self.data_format == "channels_first" else batch

    def _from_batch(self, batch, like):
        if self.data_format == "channels_first":
            batch = np.moveaxis(batch, -1, 1)
        return batch if like.ndim == 4 or self._makes_batch else batch[0]

    def _over_pictures(self, choices, source, target):
        """Choices with the channels of what has the shape of images moved."""
        if self.data_format == "channels_last":
            return choices
        if isinstance(choices, dict):
            return {k: self._over_pictures(v, source, target) for k, v in choices.items()}
        if getattr(choices, "ndim", 0) == 4:
            return np.moveaxis(np.asarray(choices), source, target)
        return choices

    def _noted(self, choices, data):
        if not self._notes_shape:
            return choices
        return {**choices, "input_shape": tuple(images_of(data).shape)}

    def _size_noted(self, transformation):
        """Height and width of the images of a transformation."""
        if not self._notes_shape or transformation is None:
            return None
        height = -2 if self.data_format == "channels_first" else -3
        shape = transformation["input_shape"]
        return int(shape[height]), int(shape[height + 1])

    def _acts(self, transformation, training):
        needs = self._draws and transformation is None
        return self._always or (bool(training) and not needs)

    def _converted(self, bounding_boxes, source, target, size):
        height, width = size
        return box_ops.convert_format(
            bounding_boxes, source, target, height, width, dtype=self.arithmetic_dtype
        )

    def lower(self, g: Any, x: Tensor) -> Any:
        self._check_sample(x.shape)
        if g.training or self._always or not self._is_plain():
            return super().lower(g, x)
        # Without a call of Python: a model with augmentation in front can be exported.
        return self.pass_mask(x, x)

    def _is_plain(self):
        """Whether no subclass says what happens at inference."""
        kind = type(self)
        own = (kind.call, kind.transform_images, kind.transform_single_image)
        base = (_ImageLayer.call, _ImageLayer.transform_images, _ImageLayer.transform_single_image)
        return own == base

    def _check_sample(self, shape):
        if len(shape) != 3:
            raise ValueError(
                f"{self.name}: expected batches of images inside a model, got samples of shape "
                f"{shape}"
            )

    def _sized(self, input_shape, height, width):
        """`input_shape` with another height and width."""
        shape = list(input_shape)
        self._check_rank(shape)
        at = -2 if self.data_format == "channels_first" else -3
        shape[at], shape[at + 1] = height, width
        return tuple(shape)

    def get_config(self) -> Config:
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config


def images_of(data, where="get_random_transformation"):
    if not isinstance(data, dict):
        return np.asarray(data)
    if "images" not in data:
        raise ValueError(f"{where}: expected a dict with 'images', got {sorted(data, key=str)}")
    return np.asarray(data["images"])


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
