"""Normalization layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import constraints, initializers, regularizers
from pyseq.layers.base import Layer
from pyseq.layers.reshaping import AxesLast, positive_axes
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin

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


def _check_axis_type(where, axis):
    several = isinstance(axis, (list, tuple)) and all(hasattr(a, "__index__") for a in axis)
    if not several and not hasattr(axis, "__index__"):
        raise TypeError(f"{where}: expected `axis` to be an int or a list of ints, got {axis!r}")
    return [int(a) for a in axis] if several else int(axis)


def known_sizes(where, shape, axes):
    """The sizes of a shape along axes; none may be free."""
    if 0 in axes:
        raise ValueError(
            f"{where}: expected `axis` without the batch axis 0, got {list(axes)}; rows are "
            "independent here"
        )
    dims = tuple(shape[a] for a in axes)
    if None in dims:
        raise ValueError(
            f"{where}: expected known sizes along axis {list(axes)}, got input shape "
            f"{tuple(shape)}; give them in Input(shape)"
        )
    return dims


class Affine(Layer):
    """The gamma and beta that several normalizations share."""

    def _configure(
        self,
        center,
        scale,
        beta_initializer,
        gamma_initializer,
        beta_regularizer,
        gamma_regularizer,
        beta_constraint,
        gamma_constraint,
    ):
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma = None
        self.beta = None

    def _add_gamma(self, shape):
        self.gamma = self.add_weight(
            name="gamma",
            shape=shape,
            initializer=self.gamma_initializer,
            regularizer=self.gamma_regularizer,
            constraint=self.gamma_constraint,
        )

    def _add_beta(self, shape):
        self.beta = self.add_weight(
            name="beta",
            shape=shape,
            initializer=self.beta_initializer,
            regularizer=self.beta_regularizer,
            constraint=self.beta_constraint,
        )

    def _add_affine(self, shape):
        if self.scale:
            self._add_gamma(shape)
        if self.center:
            self._add_beta(shape)

    def _affine_weights(self):
        return [w for w in (self.gamma, self.beta) if w is not None]

    def _affine_config(self):
        return {
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }


@builtin("layers")
class LayerNormalization(Affine):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta with moments of each row over `axis`.

    Args:
        axis: axis or axes that are normalized together.
        epsilon: added to the (biased) variance; 1e-3, more than elsewhere.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: how the weights start: a name or an Initializer.
        beta_regularizer, gamma_regularizer: penalties on the weights, added to the loss.
        beta_constraint, gamma_constraint: what the weights are put through after each update.

    Weights: gamma, beta, with the dimensions of `axis`. Ba et al., arXiv:1607.06450.

    >>> LayerNormalization(epsilon=0.0)(np.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    _casts_itself = True
    mask_policy = "pass"

    def __init__(
        self,
        axis: Axis = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        self.rms_scaling = bool(kwargs.pop("rms_scaling", False))
        super().__init__(**kwargs)
        self.axis = _check_axis_type(self.name, axis)
        self.epsilon = epsilon
        self._configure(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        axes = positive_axes(self.name, self.axis, len(input_shape))
        shape = known_sizes(self.name, input_shape, axes)
        # A list from here on, as in the configs of Keras.
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        if self.scale or self.rms_scaling:
            self._add_gamma(shape)
        if self.center and not self.rms_scaling:
            self._add_beta(shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        positive_axes(self.name, self.axis, len(input_shape))
        return tuple(input_shape)

    def lower(self, g: Any, x: Tensor) -> Any:
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        last = AxesLast(g, x, axes, self.name)
        inner = last.enter(x)
        y = g.op(
            "layer_norm",
            inner,
            inner.shape,
            weights=self._affine_weights(),
            name=self.name,
            axes=len(axes),
            scale=self.gamma is not None,
            center=self.beta is not None,
            epsilon=float(self.epsilon),
            rms_scaling=self.rms_scaling,
        )
        return self.pass_mask(last.leave(y), x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": self.rms_scaling,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            **self._affine_config(),
        }


@builtin("layers")
class RMSNormalization(Layer):
    """x / sqrt(mean(x^2) + epsilon) scale, over `axis` (Zhang & Sennrich, arXiv:1910.07467).

    Args:
        axis: axis, or axes, of the mean square.
        epsilon: added to the mean square.

    Weights: scale, with the dimensions of `axis`.

    >>> RMSNormalization()(np.array([[2.0, -2.0]])).round(3).tolist()
    [[1.0, -1.0]]
    """

    def __init__(
        self, axis: Axis = -1, epsilon: float = 1e-6, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.axis = _check_axis_type(self.name, axis)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        axes = positive_axes(self.name, self.axis, len(input_shape))
        shape = known_sizes(self.name, input_shape, axes)
        self.axis = sorted(self.axis) if isinstance(self.axis, list) else [self.axis]
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")

    def compute_output_shape(self, input_shape: Any) -> Any:
        positive_axes(self.name, self.axis, len(input_shape))
        return tuple(input_shape)

    def lower(self, g: Any, x: Tensor) -> Any:
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        last = AxesLast(g, x, axes, self.name)
        inner = last.enter(x)
        y = g.op(
            "rms_norm",
            inner,
            inner.shape,
            weights=[self.scale],
            name=self.name,
            axes=len(axes),
            epsilon=float(self.epsilon),
        )
        return self.pass_mask(last.leave(y), x)

    def handed_out(self, y: Tensor, x: Tensor = None) -> Any:
        """Floats keep the dtype that they come in, as in Keras."""
        return y.in_dtype(self.handed_dtype if self.autocast or x is None else x.half)

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


@builtin("layers")
class UnitNormalization(Layer):
    """x divided by its Euclidean norm over `axis`.

    Args:
        axis: axis, or axes, along which the length becomes 1.

    >>> UnitNormalization()(np.array([[0.0, 4.0]])).tolist()
    [[0.0, 1.0]]
    """

    mask_policy = "pass"

    def __init__(self, axis: Axis = -1, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.axis = _check_axis_type(self.name, axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        positive_axes(self.name, self.axis, len(input_shape))
        return tuple(input_shape)

    def lower(self, g: Any, x: Tensor) -> Any:
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        last = AxesLast(g, x, axes, self.name)
        inner = last.enter(x)
        y = g.op("unit_norm", inner, inner.shape, name=self.name, axes=len(axes))
        return self.pass_mask(last.leave(y), x)

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": self.axis}


@builtin("layers")
class GroupNormalization(Affine):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta, with moments of each row and group.

    A group is some consecutive channels with all other dimensions of the sample.

    Args:
        groups: number of groups; -1 for one for each channel (instance normalization).
        axis: the channel axis.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: how the weights start: a name or an Initializer.
        beta_regularizer, gamma_regularizer: penalties on the weights, added to the loss.
        beta_constraint, gamma_constraint: what the weights are put through after each update.

    Weights: gamma, beta, one for each channel. Wu & He, arXiv:1803.08494.

    >>> GroupNormalization(1, epsilon=0.0)(np.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """

    _casts_itself = True
    mask_policy = "pass"

    def __init__(
        self,
        groups: int = 32,
        axis: Axis = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        is_integer = isinstance(groups, (int, np.integer)) and not isinstance(groups, bool)
        if not is_integer or (groups < 1 and groups != -1):
            raise ValueError(
                f"{self.name}: expected `groups` >= 1, or -1 for one for each channel, got "
                f"{groups!r}"
            )
        self.groups = int(groups)
        self.axis = axis
        self.epsilon = epsilon
        self._configure(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        axes = positive_axes(self.name, self.axis, len(input_shape))
        (channels,) = known_sizes(self.name, input_shape, axes)
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            raise ValueError(
                f"{self.name}: expected `groups` to divide the number of channels ({channels}), "
                f"got {self.groups}; pass groups="
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axes[0]: channels})
        self._add_affine((channels,))

    def compute_output_shape(self, input_shape: Any) -> Any:
        positive_axes(self.name, self.axis, len(input_shape))
        return tuple(input_shape)

    def lower(self, g: Any, x: Tensor) -> Any:
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        last = AxesLast(g, x, axes, self.name)
        inner = last.enter(x)
        y = g.op(
            "group_norm",
            inner,
            inner.shape,
            weights=self._affine_weights(),
            name=self.name,
            groups=self.groups,
            scale=self.scale,
            center=self.center,
            epsilon=float(self.epsilon),
        )
        return self.pass_mask(last.leave(y), x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            **self._affine_config(),
        }
