"""Activations with arguments or weights as layers: ReLU, LeakyReLU, PReLU, ELU, Softmax."""

from __future__ import annotations

import math

from pyseq import constraints, initializers, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.reshaping import AxesLast, positive_axes
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin


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

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        if max_value is not None:
            max_value = _number(self.name, "max_value", max_value, 0)
        self.max_value = max_value
        self.negative_slope = _number(self.name, "negative_slope", negative_slope, 0)
        self.threshold = _number(self.name, "threshold", threshold, 0)

    def lower(self, g, x):
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

    def get_config(self):
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


@builtin("layers")
class LeakyReLU(Layer):
    """x where x >= 0, negative_slope x below (0.3 by default; 0.2 in the function).

    >>> import numpy as np
    >>> LeakyReLU(0.5)(np.array([[-1.0, 2.0]])).tolist()
    [[-0.5, 2.0]]
    """

    mask_policy = "pass"

    def __init__(self, negative_slope=0.3, **kwargs):
        super().__init__(**kwargs)
        self.negative_slope = _number(self.name, "negative_slope", negative_slope)

    def lower(self, g, x):
        y = g.op(
            "activation",
            x,
            x.shape,
            name=self.name,
            activation="leaky_relu",
            activation_args=[self.negative_slope],
        )
        return self.pass_mask(y, x)

    def get_config(self):
        return {**super().get_config(), "negative_slope": self.negative_slope}


@builtin("layers")
class ELU(Layer):
    """x where x > 0, alpha (e^x - 1) below (Clevert et al., arXiv:1511.07289).

    >>> import numpy as np
    >>> ELU()(np.array([[2.0]])).tolist()
    [[2.0]]
    """

    mask_policy = "pass"

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = _number(self.name, "alpha", alpha)

    def lower(self, g, x):
        y = g.op(
            "activation",
            x,
            x.shape,
            name=self.name,
            activation="elu",
            activation_args=[self.alpha],
        )
        return self.pass_mask(y, x)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


@builtin("layers")
class PReLU(Layer):
    """x where x >= 0, alpha x below, alpha learned (He et al., arXiv:1502.01852).

    Args:
        shared_axes: axes (from 1) along which one alpha serves all elements.

    Weights: alpha, of the shape of a sample with 1 on the shared axes.

    >>> import numpy as np
    >>> PReLU(alpha_initializer="ones")(np.array([[-1.0, 2.0]])).tolist()
    [[-1.0, 2.0]]
    """

    mask_policy = "pass"

    def __init__(
        self,
        alpha_initializer="Zeros",
        alpha_regularizer=None,
        alpha_constraint=None,
        shared_axes=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes = None if shared_axes is None else list(shared_axes)

    def build(self, input_shape):
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

    def lower(self, g, x):
        return self.pass_mask(g.op("prelu", x, x.shape, weights=[self.alpha], name=self.name), x)

    def get_config(self):
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


@builtin("layers")
class Softmax(Layer):
    """e^x divided by its sum over `axis` (an integer or a list of them).

    >>> import numpy as np
    >>> Softmax()(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """

    mask_policy = "pass"

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis

    def lower(self, g, x):
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        if not axes or axes[0] == 0:
            raise ValueError(
                f"{self.name}: expected `axis` without the batch axis 0, got {self.axis}; rows are "
                "independent"
            )
        if axes[-1] - axes[0] == len(axes) - 1:
            y = g.op("softmax", x, x.shape, name=self.name, axes=[a - 1 for a in axes])
            return self.pass_mask(y, x)
        last = AxesLast(g, x, axes, self.name)
        inner = last.enter(x)
        rank = len(x.shape)
        tail = list(range(rank - len(axes), rank))
        y = g.op("softmax", inner, inner.shape, name=self.name, axes=tail)
        return self.pass_mask(last.leave(y), x)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}
