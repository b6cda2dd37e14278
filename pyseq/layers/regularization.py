"""Layers that act while training only: the Dropout family, noise, ActivityRegularization."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pyseq import random, settings
from pyseq.layers.base import Layer
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin
from pyseq.regularizers import L1L2

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        BareLayerArguments,
        Config,
        DataFormat,
        DTypeLike,
        LayerArguments,
        Seed,
        Tensor,
    )


class _Random(Layer):
    """Identity at inference; random numbers while training."""

    mask_policy = "pass"

    def __init__(self, seed: Seed = None, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        if seed is not None and not isinstance(seed, random.SeedGenerator):
            if isinstance(seed, bool) or not hasattr(seed, "__index__"):
                raise ValueError(
                    f"{self.name}: expected `seed` to be an integer, a SeedGenerator or None, got "
                    f"{seed!r}"
                )
        self.seed = seed
        self.seed_generator = seed if isinstance(seed, random.SeedGenerator) else None
        self._drawn = None

    def _keep_state(self, amount):
        """Have a state among the `variables`, as in Keras, where the layer draws numbers.

        The numbers are those of the op, which has its own counter.
        """
        if amount > 0 and self.seed_generator is None:
            self.seed_generator = random.SeedGenerator(self.seed)

    def op_seed(self) -> Any:
        """The seed of this layer's op: the same at every lowering of the layer."""
        self._drawn = random.draw_seed(self.seed, self._drawn)
        return self._drawn

    def _check_rate(self, rate, below_one=False):
        number = isinstance(rate, (int, float)) or hasattr(rate, "__float__")
        valid = number and (0 <= rate < 1 if below_one else 0 <= rate <= 1)
        if not valid:
            raise ValueError(
                f"{self.name}: expected `rate` in [0, 1{')' if below_one else ']'}, got {rate!r}; "
                "it is the share of elements to drop"
            )
        return float(rate)

    def _seed_config(self):
        seed = self.seed
        return seed.get_config()["seed"] if isinstance(seed, random.SeedGenerator) else seed


class _Dropout(_Random):
    _alpha = False

    def _noise_shape(self, shape):
        """Dimensions of the random choice, batch included, for an input of `shape`; or None."""
        return None

    def lower(self, g: Any, x: Tensor) -> Any:
        if not g.training or self.rate == 0:
            return self.pass_mask(x, x)
        attrs = {}
        noise = self._noise_shape((g.batch_size, *x.shape))
        if noise is not None:
            attrs["noise"] = list(noise[1:])
            # An explicit 1 shares the choice between all rows.
            attrs["shared_batch"] = noise[0] == 1
        y = g.op(
            "dropout",
            x,
            x.shape,
            name=self.name,
            rate=self.rate,
            seed=self.op_seed(),
            alpha=self._alpha,
            **attrs,
        )
        return self.pass_mask(y, x)


@builtin("layers")
class Dropout(_Dropout):
    """While training, zeroes elements with probability `rate`, divides the others by 1 - rate.

    Args:
        rate: number in [0, 1].
        noise_shape: shape of the choice, batch included: None entries are those of the input, an
            entry of 1 shares the choice along that axis.
        seed: integer or `SeedGenerator`; random when None.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.

    >>> import numpy as np
    >>> Dropout(0.5)(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Any = None,
        seed: Seed = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._check_rate(rate)
        self._keep_state(self.rate)
        self.noise_shape = self._check_noise_shape(noise_shape)

    def _check_noise_shape(self, noise_shape):
        if noise_shape is None:
            return None
        if isinstance(noise_shape, (str, int)) or not hasattr(noise_shape, "__iter__"):
            raise ValueError(
                f"{self.name}: expected `noise_shape` to be a tuple or None, got {noise_shape!r}"
            )
        noise_shape = tuple(noise_shape)
        for d in noise_shape:
            if d is not None and (isinstance(d, bool) or not hasattr(d, "__index__") or d < 1):
                raise ValueError(
                    f"{self.name}: expected `noise_shape` of positive integers or None, got "
                    f"{noise_shape}"
                )
        return noise_shape

    def _noise_shape(self, shape):
        if self.noise_shape is None:
            return None
        if len(self.noise_shape) != len(shape):
            raise ValueError(
                f"{self.name}: expected `noise_shape` of {len(shape)} entries for an input of "
                f"shape {shape}, got {self.noise_shape}"
            )
        pairs = zip(self.noise_shape, shape, strict=True)
        noise = tuple(d if n is None else n for n, d in pairs)
        for n, d in zip(noise[1:], shape[1:], strict=True):
            if n not in (1, d):
                raise ValueError(
                    f"{self.name}: expected entries of `noise_shape` to be 1 or those of the input "
                    f"{shape}, got {self.noise_shape}"
                )
        return noise

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self._seed_config(),
            "noise_shape": self.noise_shape,
        }


@builtin("layers")
class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance of SELU activations.

    Args:
        rate: share of the elements that is dropped.
        noise_shape: shape of the draws, batch included; None entries are those of the input.
        seed: number that makes the draws repeat, or a SeedGenerator.

    Arguments as of `Dropout`. Klambauer et al., "Self-Normalizing Neural Networks", 2017.

    >>> import numpy as np
    >>> AlphaDropout(0.5)(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    _alpha = True

    def lower(self, g: Any, x: Tensor) -> Any:
        # a = ((1 - rate)(1 + rate q^2))^(-1/2) is infinite at 1.
        if g.training and self.rate == 1:
            raise ValueError(f"{self.name}: expected `rate` below 1 in training, got 1")
        return super().lower(g, x)


class _SpatialDropout(_Dropout):
    def __init__(
        self,
        rate: float,
        seed: Seed = None,
        name: str | None = None,
        dtype: DTypeLike = None,
        **kwargs: Unpack[BareLayerArguments],
    ) -> None:
        super().__init__(seed, name=name, dtype=dtype, **kwargs)
        self.rate = self._check_rate(rate)
        self._keep_state(self.rate)

    def get_config(self) -> Config:
        return {
            "rate": self.rate,
            "seed": self._seed_config(),
            "name": self.name,
            "dtype": self.dtype,
        }


@builtin("layers")
class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole channels of `(n, steps, channels)`.

    Args:
        rate: share of the channels that is dropped.
        seed: number that makes the draws repeat, or a SeedGenerator.

    Tompson et al., arXiv:1411.4280.

    >>> import numpy as np
    >>> SpatialDropout1D(0.5)(np.ones((1, 2, 1))).shape
    (1, 2, 1)
    """

    def __init__(
        self, rate: float, seed: Seed = None, name: str | None = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__(rate, seed, name, dtype)
        self.input_spec = InputSpec(ndim=3)

    def _noise_shape(self, shape):
        return (shape[0], 1, shape[2])


class _SpatialDropoutND(_SpatialDropout):
    _rank = 2

    def __init__(
        self,
        rate: float,
        data_format: DataFormat = None,
        seed: Seed = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(rate, seed, name, dtype)
        self.data_format = settings.standardize_data_format(data_format, self.name)
        self.input_spec = InputSpec(ndim=self._rank + 2)

    def _noise_shape(self, shape):
        ones = (1,) * self._rank
        if self.data_format == "channels_first":
            return (*shape[:2], *ones)
        return (shape[0], *ones, shape[-1])

    def get_config(self) -> Config:
        return {**super().get_config(), "data_format": self.data_format}


@builtin("layers")
class SpatialDropout2D(_SpatialDropoutND):
    """Dropout of whole channels of `(n, rows, cols, channels)`.

    Args:
        rate: share of the channels that is dropped.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    Tompson et al., arXiv:1411.4280.

    >>> import numpy as np
    >>> SpatialDropout2D(0.5)(np.ones((1, 2, 2, 1))).shape
    (1, 2, 2, 1)
    """


@builtin("layers")
class SpatialDropout3D(_SpatialDropoutND):
    """Dropout of whole channels of `(n, depth, rows, cols, channels)`.

    Args:
        rate: share of the channels that is dropped.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        seed: number that makes the draws repeat, or a SeedGenerator.

    Tompson et al., arXiv:1411.4280.

    >>> import numpy as np
    >>> SpatialDropout3D(0.5)(np.ones((1, 2, 2, 2, 1))).shape
    (1, 2, 2, 2, 1)
    """

    _rank = 3


@builtin("layers")
class GaussianDropout(_Random):
    """While training, multiplies by normal noise of mean 1 and variance rate / (1 - rate).

    Args:
        rate: number in [0, 1).
        seed: integer or `SeedGenerator`; random when None.

    >>> import numpy as np
    >>> GaussianDropout(0.5)(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, rate: float, seed: Seed = None, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(seed, **kwargs)
        self.rate = self._check_rate(rate, below_one=True)
        self._keep_state(self.rate)

    def lower(self, g: Any, x: Tensor) -> Any:
        if not g.training or self.rate == 0:
            return self.pass_mask(x, x)
        stddev = math.sqrt(self.rate / (1 - self.rate))
        y = g.op(
            "gaussian_dropout", x, x.shape, name=self.name, stddev=stddev, seed=self.op_seed()
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {**super().get_config(), "rate": self.rate, "seed": self._seed_config()}


@builtin("layers")
class GaussianNoise(_Random):
    """While training, adds normal noise of mean 0.

    Args:
        stddev: standard deviation in [0, 1].
        seed: integer or `SeedGenerator`; random when None.

    >>> import numpy as np
    >>> GaussianNoise(0.5)(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, stddev: float, seed: Seed = None, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(seed, **kwargs)
        if not 0 <= stddev <= 1:
            raise ValueError(f"{self.name}: expected `stddev` in [0, 1], got {stddev!r}")
        self.stddev = stddev
        self._keep_state(stddev)

    def lower(self, g: Any, x: Tensor) -> Any:
        if not g.training or self.stddev == 0:
            return self.pass_mask(x, x)
        y = g.op(
            "gaussian_noise",
            x,
            x.shape,
            name=self.name,
            stddev=float(self.stddev),
            seed=self.op_seed(),
        )
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {**super().get_config(), "stddev": self.stddev, "seed": self._seed_config()}


@builtin("layers")
class ActivityRegularization(Layer):
    """Adds l1 sum|x| + l2 sum x^2, divided by the number of rows, to the loss.

    Args:
        l1: factor of the L1 penalty, sum of |x|.
        l2: factor of the L2 penalty, sum of x squared.

    >>> import numpy as np
    >>> ActivityRegularization(l2=0.1)(np.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    mask_policy = "pass"

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2

    def lower(self, g: Any, x: Tensor) -> Any:
        return self.pass_mask(x, x)

    def get_config(self) -> Config:
        config = super().get_config()
        config.pop("activity_regularizer", None)
        return {**config, "l1": self.l1, "l2": self.l2}
