"""Layers that combine others, or images with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.layers.base import Layer
from pyseq.layers.keras_tensor import is_keras_tensor
from pyseq.layers.preprocessing import image_color, image_geometry, image_histogram
from pyseq.layers.preprocessing.image_base import _ImageLayer, per_image
from pyseq.layers.preprocessing.image_effects import rectangles
from pyseq.registry import serialization
from pyseq.registry.registration import builtin
from pyseq.symbolic import is_traced

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Range, Seed, Size, Tensor


def _operations(factor, value_range, interpolation, seed, bounding_box_format, color=True):
    """The eleven operations of RandAugment (seven without colour), in the order of Keras."""
    moved = {
        "interpolation": interpolation,
        "seed": seed,
        "bounding_box_format": bounding_box_format,
    }
    ranged = {"value_range": value_range, "seed": seed}
    geometry = {
        "random_shear": image_geometry.RandomShear(x_factor=factor, y_factor=factor, **moved),
        "random_translation": image_geometry.RandomTranslation(factor, factor, **moved),
        "random_rotation": image_geometry.RandomRotation(factor, **moved),
    }
    colors = {
        "random_brightness": image_color.RandomBrightness(factor, **ranged),
        "random_color_degeneration": image_color.RandomColorDegeneration(factor, **ranged),
        "random_contrast": image_color.RandomContrast(factor, **ranged),
        "random_sharpness": image_color.RandomSharpness(factor, **ranged),
    }
    bits = max(1, int(8 * factor[1]))
    others = {
        "random_posterization": image_color.RandomPosterization(bits, **ranged),
        "solarization": image_color.Solarization(factor, factor, **ranged),
        "auto_contrast": image_histogram.AutoContrast(value_range=value_range),
        "equalization": image_histogram.Equalization(value_range=value_range),
    }
    return {**geometry, **(colors if color else {}), **others}


class _Combined(_ImageLayer):
    _factor_bounds = (0.0, 1.0)

    def __init__(
        self,
        value_range: Range,
        factor: Range,
        interpolation: Any,
        seed: Seed,
        data_format: DataFormat,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.value_range = value_range
        self.factor = self._factor(factor)
        self.interpolation = self._one_of("interpolation", interpolation, ("nearest", "bilinear"))

    def _note_generators(self):
        """Count the states of the operations, as Keras does; all draw from the layer's own."""
        found = (op.generator for op in self._operations.values())
        self._part_generators = [g for g in found if g is not None]


@builtin("layers")
class RandAugment(_Combined):
    """`num_ops` random operations of eleven, the same for a batch (Cubuk et al., arXiv:1909.13719).

    Args:
        value_range: pair of the lowest and highest value.
        num_ops: number of operations, drawn with replacement.
        factor: strength, a pair in [0, 1]; a number f is (0, f).
        interpolation: "bilinear" or "nearest".
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    >>> RandAugment()(np.ones((4, 4, 3), "float32")).shape
    (4, 4, 3)
    """

    _notes_shape = True

    def __init__(
        self,
        value_range: Range = (0, 255),
        num_ops: int = 2,
        factor: Range = 0.5,
        interpolation: str = "bilinear",
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_ops = num_ops
        self._operations = _operations(
            self.factor, value_range, interpolation, seed, self.bounding_box_format
        )
        self._note_generators()

    def draw(self, images: Tensor, rng: Any) -> Any:
        return {
            "layer_idxes": rng.integers(0, len(self._operations), self.num_ops),
            "transforms": {name: op.draw(images, rng) for name, op in self._operations.items()},
        }

    def _chosen(self, choices):
        names = list(self._operations)
        for i in np.asarray(choices["layer_idxes"]).tolist():
            yield self._operations[names[i]], choices["transforms"][names[i]]

    def transform(self, images: Tensor, choices: Any) -> Any:
        for op, drawn in self._chosen(choices):
            images = op.transform(images, drawn)
        return images

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        for op, drawn in self._chosen(choices):
            masks = op.transform_masks(masks, drawn)
        return masks

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        # As in Keras: each operation once, in the order of the list.
        used = set(np.asarray(choices["layer_idxes"]).tolist())
        for i, (name, op) in enumerate(self._operations.items()):
            if i in used:
                drawn = choices["transforms"][name]
                bounding_boxes = op.move_boxes(dict(bounding_boxes), drawn, size)
        return bounding_boxes

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "num_ops": self.num_ops,
            "factor": self.factor,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }


@builtin("layers")
class AugMix(_Combined):
    """A random mixture of images and of several chains of operations on them.

    Args:
        value_range: pair of the lowest and highest value.
        num_chains: number of chains.
        chain_depth: operations of a chain, some of them none.
        factor: strength, a pair in [0, 1]; a number f is (0, f).
        alpha: parameter of the Dirichlet and Beta distributions of the weights.
        all_ops: False leaves the operations on colour out.
        interpolation: "bilinear" or "nearest".
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    Hendrycks et al., arXiv:1912.02781.

    >>> AugMix()(np.ones((4, 4, 3), "float32")).shape
    (4, 4, 3)
    """

    def __init__(
        self,
        value_range: Range = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Range = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_chains = num_chains
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self._operations = _operations(
            self.factor,
            value_range,
            interpolation,
            seed,
            self.bounding_box_format,
            all_ops,
        )
        self._note_generators()

    def draw(self, images: Tensor, rng: Any) -> Any:
        names = list(self._operations)
        picks = rng.integers(0, len(names) + 1, (self.num_chains, self.chain_depth))

        def step(name):
            return {"layer_name": name, "transformation": self._operations[name].draw(images, rng)}

        chains = [[step(names[i]) for i in chain if i < len(names)] for chain in picks]
        return {
            "chain_mixing_weights": rng.dirichlet(np.full(self.num_chains, self.alpha)),
            "weight_sample": rng.beta(self.alpha, self.alpha),
            "chain_transforms": chains,
        }

    def transform(self, images: Tensor, choices: Any) -> Any:
        out = self._mixed(images, choices, "transform")
        return np.clip(out, self.value_range[0], self.value_range[1])

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self._mixed(masks.astype(self.arithmetic_dtype), choices, "transform_masks")

    def _mixed(self, images, choices, method):
        mixed = np.zeros_like(images)
        for weight, chain in zip(
            choices["chain_mixing_weights"], choices["chain_transforms"], strict=True
        ):
            out = images
            for step in chain:
                op = self._operations[step["layer_name"]]
                out = getattr(op, method)(out, step["transformation"])
            mixed = mixed + out * weight
        share = choices["weight_sample"]
        return (share * images + (1 - share) * mixed).astype(images.dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "num_chains": self.num_chains,
            "chain_depth": self.chain_depth,
            "factor": self.factor,
            "alpha": self.alpha,
            "all_ops": self.all_ops,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }


def _mixed_labels(layer, labels, choices):
    """Labels `(n, ...)` mixed with those of the partners by the shares of the images."""
    if labels.ndim < 2 or labels.dtype.kind not in "fiub":
        raise ValueError(
            f"{layer.name}: expected labels (n, classes) to mix, got shape {labels.shape} of "
            f"{labels.dtype}; one-hot encode them"
        )
    labels = labels.astype(layer.arithmetic_dtype)
    weight = np.asarray(choices["mix_weight"], labels.dtype)
    weight = weight.reshape(-1, *(1,) * (labels.ndim - 1))
    return weight * labels + (1 - weight) * labels[np.asarray(choices["permutation_order"])]


@builtin("layers")
class MixUp(_ImageLayer):
    """Blends each image with another of the batch (Zhang et al., arXiv:1710.09412).

    Args:
        alpha: parameter of the Beta distribution of the share.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    Labels of a dict are mixed as the images are; boxes of both stay. Inside a model, which sees no
    labels, they are not mixed.

    >>> MixUp()(np.ones((2, 4, 4, 3), "float32")).shape
    (2, 4, 4, 3)
    """

    row_coupling = "training"
    _makes_batch = True

    def __init__(
        self,
        alpha: float = 0.2,
        data_format: DataFormat = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.alpha = alpha

    def draw(self, images: Tensor, rng: Any) -> Any:
        n = len(images)
        return {
            "mix_weight": rng.beta(self.alpha, self.alpha, n),
            "permutation_order": rng.permutation(n),
        }

    def transform(self, images: Tensor, choices: Any) -> Any:
        weight = per_image(choices["mix_weight"]).astype(images.dtype)
        return weight * images + (1 - weight) * images[np.asarray(choices["permutation_order"])]

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        return self.transform(masks.astype(self.arithmetic_dtype), choices)

    def mix_labels(self, labels: Tensor, choices: Any) -> Any:
        return _mixed_labels(self, labels, choices)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        order = np.asarray(choices["permutation_order"])
        boxes, labels = np.asarray(bounding_boxes["boxes"]), np.asarray(bounding_boxes["labels"])
        bounding_boxes["boxes"] = np.concatenate([boxes, boxes[order]], axis=1)
        axis = min(1, labels.ndim - 1)
        bounding_boxes["labels"] = np.concatenate([labels, labels[order]], axis=axis)
        return bounding_boxes

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "seed": self.seed,
        }


@builtin("layers")
class CutMix(_ImageLayer):
    """Replaces a rectangle of each image by that of another (Yun et al., arXiv:1905.04899).

    Args:
        factor: pair in [0, 1] between which the parameter of the Beta distribution is drawn; a
            number f is (0, f).
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.

    Labels of a dict are mixed by the shares of the areas. Inside a model, which sees no labels,
    they are not mixed.

    >>> CutMix()(np.ones((2, 4, 4, 3), "float32")).shape
    (2, 4, 4, 3)
    """

    _factor_bounds = (0.0, 1.0)

    row_coupling = "training"

    def __init__(
        self,
        factor: Range = 1.0,
        seed: Seed = None,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(data_format=data_format, seed=seed, **kwargs)
        self.factor = self._factor(factor)

    def draw(self, images: Tensor, rng: Any) -> Any:
        n = len(images)
        alpha = rng.uniform(*self.factor) + 1e-6
        side = np.sqrt(1 - rng.beta(alpha, alpha, n))
        return {
            "batch_masks": rectangles(images, side, side, rng),
            "mix_weight": per_image(1 - side**2),
            "permutation_order": rng.permutation(n),
        }

    def transform(self, images: Tensor, choices: Any) -> Any:
        other = images[np.asarray(choices["permutation_order"])]
        return np.where(choices["batch_masks"], other, images)

    def transform_masks(self, masks: Tensor, choices: Any) -> Any:
        # Keras repeats the rectangles for each channel of the images.
        cut = {**choices, "batch_masks": np.asarray(choices["batch_masks"])[..., :1]}
        return self.transform(masks.astype(self.arithmetic_dtype), cut)

    def mix_labels(self, labels: Tensor, choices: Any) -> Any:
        return _mixed_labels(self, labels, choices)

    def move_boxes(self, bounding_boxes: Tensor, choices: Any, size: Size) -> Any:
        raise ValueError(
            f"{self.name}: expected data without bounding boxes, got some; a cut image holds parts "
            "of boxes, so leave them out or use another layer, such as MixUp"
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "factor": self.factor, "seed": self.seed}


@builtin("layers")
class MaxNumBoundingBoxes(_ImageLayer):
    """Gives each image the same number of bounding boxes: cuts them, or fills them up.

    Args:
        max_number: number of boxes afterwards.
        fill_value: the numbers and the label of boxes that fill up.

    >>> boxes = {"boxes": np.array([[1, 2, 3, 4]]), "labels": np.array([7])}
    >>> data = {"images": np.ones((5, 5, 3)), "bounding_boxes": boxes}
    >>> filled = MaxNumBoundingBoxes(2, bounding_box_format="xyxy")(data)["bounding_boxes"]
    >>> filled["boxes"].tolist(), filled["labels"].tolist()
    ([[1.0, 2.0, 3.0, 4.0], [-1.0, -1.0, -1.0, -1.0]], [7, -1])
    >>> MaxNumBoundingBoxes(3)(np.ones((1, 1, 3), "float32")).tolist()
    [[[1.0, 1.0, 1.0]]]
    """

    _draws = False

    def __init__(
        self, max_number: int, fill_value: Any = -1, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.max_number = int(max_number)
        self.fill_value = int(fill_value)

    def transform_bounding_boxes(
        self, bounding_boxes: Tensor, transformation: Any = None, training: bool = True
    ) -> Any:
        """The boxes, cut or filled up to their number."""
        boxes, labels = np.asarray(bounding_boxes["boxes"]), np.asarray(bounding_boxes["labels"])
        more = max(self.max_number - boxes.shape[1], 0)

        def fitted(values):
            width = [(0, 0), (0, more), *[(0, 0)] * (values.ndim - 2)]
            return np.pad(values[:, : self.max_number], width, constant_values=self.fill_value)

        return {**bounding_boxes, "boxes": fitted(boxes), "labels": fitted(labels)}

    def compute_output_shape(self, input_shape: Any) -> Any:
        if not isinstance(input_shape, dict) or "bounding_boxes" not in input_shape:
            return super().compute_output_shape(input_shape)
        shapes = dict(input_shape["bounding_boxes"])
        for key in ("boxes", "labels"):
            shapes[key] = (shapes[key][0], self.max_number, *shapes[key][2:])
        return {**input_shape, "bounding_boxes": shapes}

    def get_config(self) -> Config:
        return {**super().get_config(), "max_number": self.max_number}


@builtin("layers")
class Pipeline(Layer):
    """Several layers as one.

    Args:
        layers: the layers, in order. A direct call runs them as in training.

    >>> from pyseq.layers import Rescaling
    >>> Pipeline([Rescaling(2.0), Rescaling(0.5)])(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._pipeline_layers = list(layers)
        for layer in self._pipeline_layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"{self.name}: expected a list of layers, got {layer!r} in it")
            self._track(layer)

    @property
    def layers(self) -> list[Layer]:
        return self._pipeline_layers

    def __call__(self, inputs: Tensor, training: bool = True, mask: Tensor = None) -> Any:
        """Run the layers; the first gets `mask`, each other one what the one before makes of it."""
        for layer in self._pipeline_layers:
            takes = layer.supports_masking or layer._reads_mask()
            outputs = layer(inputs, training=training, mask=mask if takes else None)
            # From here on a symbolic tensor carries its own.
            symbolic = is_keras_tensor(outputs) or is_traced(outputs)
            mask = None if symbolic else layer.compute_mask(inputs, mask)
            inputs = outputs
        self.built = self._is_complete = True
        return inputs

    def _reads_mask(self):
        return True  # its layers may

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        for layer in self._pipeline_layers:
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape)
        for layer in self._pipeline_layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def lower(self, g: Any, x: Tensor) -> Any:
        for layer in self._pipeline_layers:
            x = layer.emit(g, x)
        return x

    def get_config(self) -> Config:
        return {
            "layers": serialization.serialize_keras_object(self._pipeline_layers),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        layers = config.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise ValueError(
                f"Pipeline.from_config: expected `layers` to be a list of layers, got {layers!r}"
            )
        config["layers"] = [serialization.deserialize_keras_object(item) for item in layers]
        return cls(**config)
