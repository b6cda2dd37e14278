"""BatchNormalization."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import initializers
from pyseq.layers.normalization import Affine, known_sizes
from pyseq.layers.reshaping import AxesLast, lower_permute, positive_axes
from pyseq.layers.shapes import InputSpec, broadcast_mask
from pyseq.registry.registration import builtin
from pyseq.signatures import call_with
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


def _square_root(initializer, shape, dtype=None):
    return np.sqrt(call_with(initializer, shape, dtype=dtype))


@builtin("layers")
class BatchNormalization(Affine):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta, for each element of `axis`.

    While training (and trainable), mean and biased variance are those of the batch, and the moving
    ones follow: moving = momentum moving + (1 - momentum) batch. Otherwise the moving ones are
    used. Masked steps do not count. Ioffe & Szegedy, arXiv:1502.03167.

    Args:
        axis: the axis that keeps its own statistics, usually the channels.
        momentum: of the moving statistics.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        renorm: correct the batch statistics towards running ones (Ioffe, arXiv:1702.03275).
        renorm_clipping: dict with "rmax", "rmin", "dmax".
        renorm_momentum: of the running statistics of renorm.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer:
            how the weights start: a name or an Initializer.
        beta_regularizer, gamma_regularizer: penalties on the weights, added to the loss.
        beta_constraint, gamma_constraint: what the weights are put through after each update.
        synchronized: take the statistics of a batch over all processes that train together
            (`pyseq.distribution`), not over the rows of each.

    Weights: gamma, beta, moving_mean, moving_variance; renorm adds moving_stddev, renorm_mean,
    renorm_stddev.

    >>> BatchNormalization(epsilon=0.0)(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    _casts_itself = True
    mask_policy = "pass"

    @property
    def row_coupling(self) -> Any:
        return "training" if self.trainable else None

    def __init__(
        self,
        axis: Axis = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        if not hasattr(axis, "__index__"):
            raise TypeError(f"{self.name}: expected `axis` to be an integer, got {axis!r}")
        self.axis = int(axis)
        self.synchronized = bool(synchronized)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
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
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = bool(renorm)
        self.renorm_clipping = self._check_clipping(renorm_clipping) if renorm else renorm_clipping
        self.renorm_momentum = renorm_momentum

    def _check_clipping(self, clipping):
        clipping = dict(clipping or {})
        if set(clipping) - {"rmax", "rmin", "dmax"}:
            raise ValueError(
                f"{self.name}: expected keys 'rmax', 'rmin', 'dmax' in `renorm_clipping`, got "
                f"{clipping}"
            )
        rmax, rmin, dmax = (clipping.get(key) for key in ("rmax", "rmin", "dmax"))
        if rmax is not None and rmin is not None and rmax < rmin:
            raise ValueError(f"{self.name}: expected rmin <= rmax, got {clipping}")
        if dmax is not None and dmax < 0:
            raise ValueError(f"{self.name}: expected dmax >= 0, got {clipping}")
        return clipping

    def build(self, input_shape: Any) -> None:
        axes = positive_axes(self.name, self.axis, len(input_shape))
        shape = known_sizes(self.name, input_shape, axes)
        self._add_affine(shape)

        def state(name, initializer):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, trainable=False
            )

        self.moving_mean = state("moving_mean", self.moving_mean_initializer)
        self.moving_variance = state("moving_variance", self.moving_variance_initializer)
        if self.renorm:
            stddev = functools.partial(_square_root, self.moving_variance_initializer)
            self.moving_stddev = state("moving_stddev", stddev)
            self.renorm_mean = state("renorm_mean", self.moving_mean_initializer)
            self.renorm_stddev = state("renorm_stddev", stddev)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axes[0]: shape[0]})

    def compute_output_shape(self, input_shape: Any) -> Any:
        positive_axes(self.name, self.axis, len(input_shape))
        return tuple(input_shape)

    def _call_on_one(self, inputs, *args, mask=None, **kwargs):
        if mask is not None:
            inputs, mask = as_array(inputs), as_array(mask)
            self._check_mask(mask.shape, inputs.shape)
            mask = broadcast_mask(self.name, mask, inputs, inputs.shape[:-1])
        return super()._call_on_one(inputs, *args, mask=mask, **kwargs)

    def _check_mask(self, mask, shape):
        if len(mask) != len(shape) - 1:
            raise ValueError(
                f"{self.name}: expected a mask of one dimension less than the input, got mask "
                f"{tuple(mask)}, input {tuple(shape)}"
            )

    def lower(self, g: Any, x: Tensor) -> Any:
        if x.mask is not None:
            self._check_mask((None, *x.mask.shape), (None, *x.shape))
        axes = positive_axes(self.name, self.axis, len(x.shape) + 1)
        last = AxesLast(g, x, axes, self.name)
        batch = g.training and self.trainable
        weights = [*self._affine_weights(), self.moving_mean, self.moving_variance]
        attrs = {}
        if self.renorm and batch:
            weights += [self.moving_stddev, self.renorm_mean, self.renorm_stddev]
            attrs = {"renorm": True, "renorm_momentum": float(self.renorm_momentum)}
            attrs.update((k, float(v)) for k, v in self.renorm_clipping.items() if v is not None)
        if self.synchronized and batch:
            attrs["synchronized"] = True
        inputs = [last.enter(x)]
        if batch and x.mask is not None:
            inputs.append(self._mask(g, x, axes[0] - 1))
        y = g.op(
            "batch_norm",
            inputs,
            inputs[0].shape,
            weights=weights,
            name=self.name,
            scale=self.scale,
            center=self.center,
            epsilon=self.epsilon,
            momentum=self.momentum,
            batch_statistics=batch,
            **attrs,
        )
        return self.pass_mask(last.leave(y), x)

    def _mask(self, g, x, axis):
        """The mask of each row of channels, or of each element where rows hold several steps."""
        mask, rank = x.mask, len(x.shape)
        if axis == rank - 1:
            return mask
        size, last = math.prod(mask.shape), x.shape[-1]
        flat = g.op("reshape", mask, (size,), name=self.name)
        copies = g.op("repeat_vector", flat, (last, size), name=self.name, n=last)
        whole = g.op("reshape", copies, (last, *mask.shape), name=self.name)
        # `whole` has the last axis of x in front.
        order = [(d + 1) % rank for d in (*range(axis), *range(axis + 1, rank), axis)]
        return lower_permute(g, whole, order, self.name)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            **self._affine_config(),
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }
