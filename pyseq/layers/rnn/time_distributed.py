"""`TimeDistributed`: one layer applied to every step of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.layers.base import Layer
from pyseq.registry import serialization
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, LayerArguments, Tensor


@builtin("layers")
class TimeDistributed(Layer):
    """Apply a layer to each time step: (N, T, ...) to (N, T, ...), with shared weights.

    The steps are computed together, as a batch of N T rows, except where rows act on each other
    (the batch statistics of BatchNormalization in training, the states of a stateful layer): then
    step after step, as T calls.

    Args:
        layer: the layer to apply.

    >>> import numpy as np
    >>> from pyseq.layers import Dense
    >>> TimeDistributed(Dense(4))(np.zeros((2, 5, 3))).shape
    (2, 5, 4)
    """

    mask_policy = "pass"

    def __init__(self, layer: Any, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"{self.name}: expected `layer` to be a layer, got {layer!r}")
        self.layer = layer

    @property
    def handed_dtype(self) -> Any:
        """That of the layer within; a mixed policy is one for both."""
        mixed = self.compute_dtype != self.variable_dtype
        return self.compute_dtype if mixed else self.layer.handed_dtype

    def _child_shape(self, input_shape):
        if len(input_shape) < 3:
            raise ValueError(
                f"{self.name}: expected an input of at least 3 dimensions (N, T, ...), got shape "
                f"{tuple(input_shape)}; add a time axis"
            )
        return (input_shape[0], *input_shape[2:])

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(self._child_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = self.layer.compute_output_shape(self._child_shape(input_shape))
        if shape and isinstance(shape[0], (tuple, list)):
            raise ValueError(
                f"{self.name}: expected a layer of one output, got {type(self.layer).__name__} "
                f"with {len(shape)}; set return_state=False"
            )
        return (shape[0], input_shape[1], *shape[1:])

    def lower(self, g: Any, x: Tensor) -> Any:
        self.compute_output_shape((g.batch_size, *x.shape))
        steps = x.shape[0]
        self._check_mask(x)
        if self._couples_rows(g.training):
            return self._with_mask_of(g, self._lower_each(g, x, steps), x)
        inner = g.fold(x.with_mask(None), steps)
        if x.mask is not None and self._hands_on(x.mask):
            inner = inner.with_mask(g.fold(x.mask, steps))
        return self._with_mask_of(g, g.unfold(self._inner(g, inner).with_mask(None), steps), x)

    def _hands_on(self, mask):
        """Whether the layer gets each step's mask; a number for each row only users' code reads."""
        if any(part._reads_mask() for part in self.layer._flatten()):
            return True
        return len(mask.shape) > 1 and self.layer.supports_masking

    def _check_mask(self, x):
        if x.mask is not None and x.mask.shape[:1] != x.shape[:1]:
            raise ValueError(
                f"{self.name}: expected a mask (N, {x.shape[0]}, ...) for an input "
                f"{('N', *x.shape)}, got {('N', *x.mask.shape)}; give one value for each time step"
            )

    def _with_mask_of(self, g, y, x):
        """`y` with the mask of `x`: a step counts where any of what the layer took in counts.

        Axes of the mask that the output still has, before its features, stay.
        """
        mask = x.mask
        if mask is None or self.mask_policy != "pass":
            return y.with_mask(None)
        kept = len(mask.shape)
        while kept > 1 and (kept >= len(y.shape) or mask.shape[:kept] != y.shape[:kept]):
            kept -= 1
        if kept < len(mask.shape):
            axes = list(range(kept, len(mask.shape)))
            mask = g.op(
                "reduce", mask, mask.shape[:kept], name=self.name, function="max", axes=axes
            )
        return y.with_mask(mask)

    def _inner(self, g, x):
        # Keras runs the inner layer's `call`: its own activity regularizer does not count there.
        return self.layer.emit(g, x, activity=False)

    def _couples_rows(self, training):
        when = ("training", "always") if training else ("always",)
        return any(part.row_coupling in when for part in self.layer._flatten())

    def _lower_each(self, g, x, steps):
        slices = g.op_multi("unstack_time", x, [x.shape[1:]] * steps, name=self.name)
        if x.mask is not None and (self._hands_on(x.mask) or self.layer.supports_masking):
            shape = x.mask.shape[1:]
            masks = g.op_multi("unstack_time", x.mask, [shape] * steps, name=self.name)
            slices = [v.with_mask(m) for v, m in zip(slices, masks, strict=True)]
        outputs = [self._inner(g, part).with_mask(None) for part in slices]
        return g.op("stack_time", outputs, (steps, *outputs[0].shape), name=self.name)

    def get_config(self) -> Config:
        layer = serialization.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        config = dict(config)
        layer = serialization.deserialize_keras_object(
            config.pop("layer"), custom_objects=custom_objects
        )
        return cls(layer, **config)
