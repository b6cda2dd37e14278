"""Wrappers of one layer: the base class and SpectralNormalization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import initializers
from pyseq.layers.base import Layer
from pyseq.layers.core import positive_int
from pyseq.layers.shapes import InputSpec
from pyseq.registry import serialization
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, LayerArguments, Tensor


@builtin("layers")
class Wrapper(Layer):
    """Base class of layers that hold another layer.

    Args:
        layer: the layer.
    """

    def __init__(self, layer: Any, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"{self.name}: expected `layer` to be a layer, got {layer!r}")
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def lower(self, g: Any, x: Tensor) -> Any:
        return self.layer.emit(g, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "layer": serialization.serialize_keras_object(self.layer),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        """Create the wrapper and its layer."""
        config = dict(config)
        layer = config.pop("layer")
        if isinstance(layer, dict):
            layer = serialization.deserialize_keras_object(layer, custom_objects=custom_objects)
        return cls(layer, **config)


@builtin("layers")
class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value before every training step.

    Args:
        layer: a layer with a `kernel` or `embeddings`.
        power_iterations: steps of the power iteration for each training step.

    Weights: the kernel, vector_u (not trained), the other weights of the layer. Miyato et al.,
    arXiv:1802.05957.

    >>> import numpy as np
    >>> from pyseq.layers import Dense
    >>> SpectralNormalization(Dense(2))(np.zeros((1, 3))).shape
    (1, 2)
    """

    def __init__(
        self, layer: Any, power_iterations: int = 1, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive_int(self.name, "power_iterations", power_iterations)

    row_coupling = "training"

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        kernel = getattr(self.layer, "kernel", None)
        if kernel is None:
            kernel = getattr(self.layer, "embeddings", None)
        if kernel is None:
            raise ValueError(
                f"{self.name}: expected a layer with a kernel or embeddings, got "
                f"{type(self.layer).__name__}"
            )
        self.kernel = kernel
        # Its own too, so that weights and files have the order of Keras.
        self._trainable_variables.append(kernel)
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=kernel.dtype,
        )

    @property
    def mask_policy(self) -> Any:
        # The inner layer is called with the mask and hands on what it makes of it.
        return self.layer.mask_policy

    def lower(self, g: Any, x: Tensor) -> Any:
        mask = x.mask
        if g.training:
            x = g.op(
                "spectral_norm",
                x,
                x.shape,
                weights=[self.kernel, self.vector_u],
                name=self.name,
                power_iterations=self.power_iterations,
            )
        return self.layer.emit(g, x.with_mask(mask))

    def get_config(self) -> Config:
        return {**super().get_config(), "power_iterations": self.power_iterations}
