"""Activations with arguments or weights as layers: ReLU, LeakyReLU, PReLU, ELU, Softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import constraints, hooks, initializers, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.reshaping import AxesLast, positive_axes
from pyseq.layers.shapes import InputSpec, broadcast_mask
from pyseq.registry.registration import builtin
from pyseq.symbolic import as_array

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        Axis,
        Config,
        ConstraintLike,
        InitializerLike,
        LayerArguments,
        RegularizerLike,
        Tensor,
    )

# What the softmax reads for an element that the mask leaves out.
_FAR = -1e9


def _number(where, argument, value, minimum=None):
    is_number = isinstance(value, (int, float)) or hasattr(value, "__float__")
    if isinstance(value, dict) and value.get("class_name") == "__numpy__":
        value, is_number = value["config"]["value"], True
    if not is_number or isinstance(value, bool) or (minimum is not None and value < minimum):
        rule = "a number" if minimum is None else f"a number >= {minimum}"
        raise ValueError(f"{where}: expected `{argument}` to be {rule}, got {value!r}")
    return float(value)


@builtin("layers")
class ReLU(Layer):
    """min(x, max_value) where x >= threshold, negative_slope (x - threshold) below.

    Args:
        max_value: upper bound, None for none.
        negative_slope: slope below the threshold.
        threshold: where the linear part begins.

    >>> import numpy as np
    >>> ReLU(max_value=3)(np.array([[-1.0, 2.0, 5.0]])).tolist()
    [[0.0, 2.0, 3.0]]
    """

    mask_policy = "pass"

    def __init__(
        self,
        max_value: Any = None,
        negative_slope: float = 0.0,
        threshold: Any = 0.0,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        if max_value is not None:
            max_value = _number(self.name, "max_value", max_value, 0)
        self.max_value = max_value
        self.negative_slope = _number(self.name, "negative_slope", negative_slope, 0)
        self.threshold = _number(self.name, "threshold", threshold, 0)

    def lower(self, g: Any, x: Tensor) -> Any:
        arguments = [
            self.negative_slope,
            math.inf if self.max_value is None else self.max_value,
            self.threshold,
        ]
        y = g.op(
            "activation",
            x,
            x.shape,
            name=self.name,
            activation="relu",
            activation_args=arguments,
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


@builtin("layers")
class LeakyReLU(Layer):
    """x where x >= 0, negative_slope x below (0.3 by default; 0.2 in the function).

    Args:
        negative_slope: slope below 0.

    >>> import numpy as np
    >>> LeakyReLU(0.5)(np.array([[-1.0, 2.0]])).tolist()
    [[-0.5, 2.0]]
    """

    mask_policy = "pass"

    def __init__(self, negative_slope: float = 0.3, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.negative_slope = _number(self.name, "negative_slope", negative_slope)

    def lower(self, g: Any, x: Tensor) -> Any:
        y = g.op(
            "activation",
            x,
            x.shape,
            name=self.name,
            activation="leaky_relu",
            activation_args=[self.negative_slope],
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@builtin("layers")
class ELU(Layer):
    """x where x > 0, alpha (e^x - 1) below (Clevert et al., arXiv:1511.07289).

    Args:
        alpha: very negative values go to -alpha.

    >>> import numpy as np
    >>> ELU()(np.array([[2.0]])).tolist()
    [[2.0]]
    """

    mask_policy = "pass"

    def __init__(self, alpha: float = 1.0, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.alpha = _number(self.name, "alpha", alpha)

    def lower(self, g: Any, x: Tensor) -> Any:
        y = g.op(
            "activation",
            x,
            x.shape,
            name=self.name,
            activation="elu",
            activation_args=[self.alpha],
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {**super().get_config(), "alpha": self.alpha}


@builtin("layers")
class PReLU(Layer):
    """x where x >= 0, alpha x below, alpha learned (He et al., arXiv:1502.01852).

    Args:
        shared_axes: axes (from 1) along which one alpha serves all elements.
        alpha_regularizer: penalty on alpha, added to the loss.
        alpha_constraint: what alpha is put through after each update.
        alpha_initializer: how alpha starts: a name or an Initializer.

    Weights: alpha, of the shape of a sample with 1 on the shared axes.

    >>> import numpy as np
    >>> PReLU(alpha_initializer="ones")(np.array([[-1.0, 2.0]])).tolist()
    [[-1.0, 2.0]]
    """

    mask_policy = "pass"

    def __init__(
        self,
        alpha_initializer: InitializerLike = "Zeros",
        alpha_regularizer: RegularizerLike = None,
        alpha_constraint: ConstraintLike = None,
        shared_axes: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes = None if shared_axes is None else list(shared_axes)

    def build(self, input_shape: Any) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            if not 1 <= axis <= len(shape):
                raise ValueError(
                    f"{self.name}: expected `shared_axes` in 1 to {len(shape)}, got "
                    f"{self.shared_axes}"
                )
            shape[axis - 1] = 1
        if None in shape:
            raise ValueError(
                f"{self.name}: expected known dimensions, got input shape {tuple(input_shape)}; "
                "put the unknown ones into `shared_axes`"
            )
        self.alpha = self.add_weight(
            name="alpha",
            shape=shape,
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        shared = set(self.shared_axes or ())
        axes = {i: d for i, d in enumerate(input_shape) if i and i not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def lower(self, g: Any, x: Tensor) -> Any:
        return self.pass_mask(g.op("prelu", x, x.shape, weights=[self.alpha], name=self.name), x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


@builtin("layers")
class Softmax(Layer):
    """e^x divided by its sum over `axis` (an integer or a list of them), the batch's too.

    Args:
        axis: axis, or axes, along which values sum to 1.

    A mask that broadcasts to the input, as many dimensions or fewer, leaves elements out: they are
    0 in the output and do not count in the sum. A mask of numbers keeps those above 0.5.

    >>> import numpy as np
    >>> Softmax()(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    >>> Softmax()(np.array([[1.0, 1.0, 5.0]]), mask=np.array([True, True, False])).tolist()
    [[0.5, 0.5, 0.0]]
    """

    mask_policy = "pass"

    def __init__(self, axis: Axis = -1, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    @property
    def row_coupling(self) -> Any:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        rank = self._rank
        return "always" if any(a == 0 or a == -rank for a in axes) else None

    # Of the input, the batch included, once it is known.
    _rank = 0

    def build(self, input_shape: Any) -> None:
        self._rank = len(input_shape)

    def _call_on_one(self, inputs, mask=None, **kwargs):
        if mask is not None:
            inputs, mask = as_array(inputs), as_array(mask)
            if mask.dtype != bool:
                mask = np.greater(mask, 0.5)
            mask = broadcast_mask(self.name, mask, inputs, inputs.shape)
        return super()._call_on_one(inputs, mask=mask, **kwargs)

    def lower(self, g: Any, x: Tensor) -> Any:
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        mask = x.mask
        if mask is None:
            return self._softmax(g, x, axes)
        if mask.shape != x.shape:
            raise ValueError(
                f"{self.name}: expected a mask of {(None, *x.shape)}, as the input, got "
                f"{(None, *mask.shape)}; to hand a mask of time steps on, use Activation('softmax')"
            )
        kept = g.op("select", [mask, x], x.shape, name=self.name, b=_FAR)
        y = self._softmax(g, kept, axes)
        # Where nothing is kept, the softmax is even rather than 0.
        return g.op("select", [mask, y], y.shape, name=self.name, b=0.0).with_mask(mask)

    def _softmax(self, g, x, axes):
        if not axes or axes[0] == 0:
            return hooks.ask("lower_function", g, lambda t: _exponents(t, axes), x, self.name)
        if axes[-1] - axes[0] == len(axes) - 1:
            return g.op("softmax", x, x.shape, name=self.name, axes=[a - 1 for a in axes])
        last = AxesLast(g, x, axes, self.name)
        inner = last.enter(x)
        rank = len(x.shape)
        tail = list(range(rank - len(axes), rank))
        return last.leave(g.op("softmax", inner, inner.shape, name=self.name, axes=tail))

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": self.axis}


def _exponents(x, axes):
    e = np.exp(x - np.max(x, axis=tuple(axes), keepdims=True))
    return e / np.sum(e, axis=tuple(axes), keepdims=True)
