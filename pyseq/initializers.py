"""Starting values of weights, with the classes and names of `keras.initializers`.

An initializer is called as `initializer(shape, dtype=None)` and returns a NumPy array. A seeded
or unseeded initializer returns the *same* values at every call: its seed is fixed when it is
created. Give each weight its own instance, or a `pyseq.random.SeedGenerator` as seed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from pyseq import dtypes, hooks, random, windows
from pyseq.registry.registration import builtin, to_snake_case
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    get_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from pyseq.types import Array, Config, CustomObjects, DTypeLike, InitializerLike, Seed, T


@overload
def _register(cls: T) -> T: ...
@overload
def _register(*, aliases: tuple[str, ...]) -> Callable[[T], T]: ...
def _register(cls: Any = None, aliases: tuple[str, ...] = ()) -> Any:
    def decorate(cls):
        return builtin("initializers", aliases=(to_snake_case(cls.__name__), *aliases))(cls)

    return decorate if cls is None else decorate(cls)


def _array_dtype(dtype):
    name = dtypes.standardize_dtype(dtype)
    return "float32" if name == "bfloat16" else name


class Initializer:
    """Base class: subclasses define `__call__(shape, dtype=None)` and `get_config()`."""

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        """Return an array of `shape`; subclasses must define it."""
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines __call__(shape, dtype), "
            f"got the base class; define it"
        )

    def get_config(self) -> Config:
        """Return the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the initializer that `get_config` described."""
        return construct(cls, config)

    def clone(self) -> Self:
        """Return a new initializer with the same arguments."""
        return type(self).from_config(self.get_config())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@_register(aliases=("zero",))
class Zeros(Initializer):
    """All zeros.

    >>> Zeros()((2,)).tolist()
    [0.0, 0.0]
    """

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        return np.zeros(tuple(shape), _array_dtype(dtype))


@_register(aliases=("one",))
class Ones(Initializer):
    """All ones.

    >>> Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        return np.ones(tuple(shape), _array_dtype(dtype))


@_register
class Constant(Initializer):
    """One value everywhere.

    Args:
        value: number, or array that broadcasts to the shape.

    >>> Constant(3)((2,)).tolist()
    [3.0, 3.0]
    """

    def __init__(self, value: Any = 0.0) -> None:
        dtypes.check_numbers(value, "Constant(value)")
        self.value = value

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        values = np.empty(tuple(shape), _array_dtype(dtype))
        values[...] = self.value
        return values

    def get_config(self) -> Config:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        if isinstance(config.get("value"), dict):
            config["value"] = deserialize_keras_object(config["value"])
        return construct(cls, config)


@_register(aliases=("IdentityInitializer",))
class Identity(Initializer):
    """The identity matrix times `gain`; only for shapes of two dimensions.

    Args:
        gain: factor of the matrix.

    >>> Identity(2.0)((2, 2)).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        if len(shape) != 2:
            raise ValueError(
                f"Identity: expected a shape of two dimensions, got {tuple(shape)}; "
                f"use it for Dense or recurrent kernels"
            )
        return (self.gain * np.eye(*shape)).astype(_array_dtype(dtype))

    def get_config(self) -> Config:
        # Keras writes no gain at all; it is needed only where it differs from the default.
        return {} if self.gain == 1.0 else {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of the random initializers: keeps the seed.

    Args:
        seed: integer, `SeedGenerator`, or None for one drawn from Python's `random`, which
            `set_random_seed` controls.
    """

    def __init__(self, seed: Seed = None) -> None:
        if isinstance(seed, dict):
            seed = deserialize_keras_object(seed, family="random")
        is_int = hasattr(seed, "__index__") and not isinstance(seed, bool)
        if seed is not None and not is_int and not isinstance(seed, random.SeedGenerator):
            raise ValueError(
                f"{type(self).__name__}: expected seed to be an integer, a SeedGenerator or "
                f"None, got {seed!r}"
            )
        self._init_seed = seed
        self.seed = random.make_default_seed() if seed is None else seed

    def get_config(self) -> Config:
        return {"seed": serialize_keras_object(self._init_seed)}


@_register(aliases=("normal",))
class RandomNormal(RandomInitializer):
    """Normal distribution of `mean` and standard deviation `stddev`.

    Args:
        mean, stddev: mean and standard deviation of the draws.

    >>> RandomNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(self, mean: Any = 0.0, stddev: float = 0.05, seed: Seed = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> Config:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@_register(aliases=("uniform",))
class RandomUniform(RandomInitializer):
    """Uniform distribution over `[minval, maxval)`.

    Args:
        minval, maxval: the range of the draws.

    >>> bool((abs(RandomUniform(seed=1)((3, 4))) <= 0.05).all())
    True
    """

    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: Seed = None) -> None:
        self.minval = minval
        self.maxval = maxval
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> Config:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


@_register
class TruncatedNormal(RandomInitializer):
    """Normal distribution, redrawn while outside two standard deviations.

    Args:
        mean: mean before the cut.
        stddev: standard deviation before the cut.

    >>> bool((abs(TruncatedNormal(seed=1)((3, 4))) <= 0.1).all())
    True
    """

    def __init__(self, mean: Any = 0.0, stddev: float = 0.05, seed: Seed = None) -> None:
        self.mean = mean
        self.stddev = stddev
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> Config:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@_register
class VarianceScaling(RandomInitializer):
    """Zero mean and variance `scale / fan`, the fan being counted from the shape.

    Args:
        scale: positive number.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"` (also `"normal"`), `"untruncated_normal"`, `"uniform"`.
        seed: see the module.
        input_axes, output_axes: axes whose product is the fan in and the fan out, for kernels
            that are neither dense nor convolutional.

    >>> VarianceScaling(mode="fan_avg", distribution="uniform", seed=1)((3, 4)).shape
    (3, 4)
    """

    def __init__(
        self,
        scale: Any = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"VarianceScaling: expected scale > 0, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"VarianceScaling: expected mode 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}"
            )
        distribution = str(distribution).lower()
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                f"VarianceScaling: expected distribution 'truncated_normal', "
                f"'untruncated_normal' or 'uniform', got {distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(shape, -limit, limit, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return random.normal(shape, 0.0, math.sqrt(variance), dtype, self.seed)
        # Standard deviation of a unit normal cut at two standard deviations.
        stddev = math.sqrt(variance) / 0.87962566103423978
        return random.truncated_normal(shape, 0.0, stddev, dtype, self.seed)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _FixedScaling(VarianceScaling):
    """A `VarianceScaling` whose scale, mode and distribution the class fixes."""

    _scaling: tuple[float, str, str]

    def __init__(self, seed: Seed = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(*self._scaling, seed, input_axes, output_axes)

    def get_config(self) -> Config:
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


@_register
class GlorotUniform(_FixedScaling):
    """Uniform, variance 2 / (fan_in + fan_out) (Glorot and Bengio, AISTATS 2010).

    Args:
        input_axes, output_axes: axes whose product is the fan in and the fan out.

    >>> GlorotUniform(seed=1)((3, 4)).shape
    (3, 4)
    """

    _scaling = (1.0, "fan_avg", "uniform")


@_register
class GlorotNormal(_FixedScaling):
    """Truncated normal, variance 2 / (fan_in + fan_out) (Glorot and Bengio, AISTATS 2010).

    Args:
        input_axes, output_axes: axes whose product is the fan in and the fan out.

    >>> GlorotNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    _scaling = (1.0, "fan_avg", "truncated_normal")


@_register
class HeUniform(_FixedScaling):
    """Uniform, variance 2 / fan_in (He et al., arXiv:1502.01852).

    Args:
        input_axes, output_axes: axes whose product is the fan in and the fan out.

    >>> HeUniform(seed=1)((3, 4)).shape
    (3, 4)
    """

    _scaling = (2.0, "fan_in", "uniform")


@_register
class HeNormal(_FixedScaling):
    """Truncated normal, variance 2 / fan_in (He et al., arXiv:1502.01852).

    Args:
        input_axes, output_axes: axes whose product is the fan in and the fan out.

    >>> HeNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    _scaling = (2.0, "fan_in", "truncated_normal")


@_register
class LecunUniform(_FixedScaling):
    """Uniform, variance 1 / fan_in (LeCun et al., "Efficient BackProp", 1998).

    Args:
        input_axes, output_axes: axes whose product is the fan in and the fan out.

    >>> LecunUniform(seed=1)((3, 4)).shape
    (3, 4)
    """

    _scaling = (1.0, "fan_in", "uniform")


@_register
class LecunNormal(_FixedScaling):
    """Truncated normal, variance 1 / fan_in (LeCun et al., "Efficient BackProp", 1998).

    Args:
        input_axes, output_axes: axes whose product is the fan in and the fan out.

    >>> LecunNormal(seed=1)((3, 4)).shape
    (3, 4)
    """

    _scaling = (1.0, "fan_in", "truncated_normal")


@_register(aliases=("OrthogonalInitializer",))
class Orthogonal(RandomInitializer):
    """Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al., 2014).

    Args:
        gain: factor of the matrix.

    Shapes of more than two dimensions are treated as (product of all but the last, last).

    >>> w = Orthogonal(seed=1)((3, 3))
    >>> bool(abs(w @ w.T - np.eye(3)).max() < 1e-6)
    True
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None) -> None:
        self.gain = gain
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        shape = tuple(shape)
        if len(shape) < 2:
            raise ValueError(
                f"Orthogonal: expected a shape of two or more dimensions, got {shape}; "
                f"use another initializer for vectors"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        q, r = np.linalg.qr(random.normal(tall, dtype="float64", seed=self.seed))
        # QR leaves the signs of the columns open; this choice makes the draw uniform.
        q *= np.sign(np.diagonal(r))
        q = q.T if rows < columns else q
        return (self.gain * q.reshape(shape)).astype(_array_dtype(dtype))

    def get_config(self) -> Config:
        return {**super().get_config(), "gain": self.gain}


@_register(aliases=("STFTInitializer",))
class STFT(Initializer):
    """Kernel (frame_length, 1, bins) of a short-time Fourier transform as a convolution.

    `w[t, 0, k] = window[t] cos(-2 pi t k / fft_length)` (or sin) with
    `fft_length = 2 (bins - 1)`.

    Args:
        side: `"real"` for the cosine part, `"imag"` for the sine part.
        window: name of a window, array of frame_length values, or None.
        scaling: `"density"` divides by the L2 norm of the window, `"spectrum"` by its L1 norm,
            None not at all.
        periodic: whether a window given by name is periodic instead of symmetric.

    >>> STFT("imag")((8, 1, 5)).shape
    (8, 1, 5)
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: Any = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: expected side 'real' or 'imag', got {side!r}")
        if isinstance(window, str):
            windows.check_window(window)
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                f"STFT: expected scaling 'density', 'spectrum' or None, got {scaling!r}"
            )
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Any, dtype: DTypeLike = None) -> Array:
        if len(shape) != 3:
            raise ValueError(f"STFT: expected a shape (frame_length, 1, bins), got {tuple(shape)}")
        frame_length, _, bins = shape
        time = np.arange(frame_length)[:, None, None]
        angle = -2 * np.pi * time * np.arange(bins)[None, None, :] / max(2 * (bins - 1), 1)
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            values = self.window
            if isinstance(values, str):
                values = windows.get_window(values, frame_length, self.periodic)
            values = np.asarray(values, dtype=np.float64)
            if values.shape != (frame_length,):
                raise ValueError(
                    f"STFT: expected a window of {frame_length} values, got shape {values.shape}"
                )
            kernel = kernel * values[:, None, None]
            if self.scaling == "density":
                kernel /= np.sqrt(np.sum(values**2))
            elif self.scaling == "spectrum":
                kernel /= np.sum(np.abs(values))
        return kernel.astype(_array_dtype(dtype))

    def get_config(self) -> Config:
        return {
            "side": self.side,
            "window": serialize_keras_object(self.window),
            "periodic": self.periodic,
            "scaling": self.scaling,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        if isinstance(config.get("window"), dict):
            config["window"] = deserialize_keras_object(config["window"])
        return construct(cls, config)


def compute_fans(shape: Any, input_axes: Any = None, output_axes: Any = None) -> tuple[int, int]:
    """Return how many inputs each output sees, and the reverse, for a kernel of `shape`.

    Dense kernels are (inputs, outputs), convolution kernels (*window, inputs, outputs).

    >>> compute_fans((3, 3, 8, 16))
    (72, 144)
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return (
            math.prod(shape[axis] for axis in input_axes),
            math.prod(shape[axis] for axis in output_axes),
        )
    if not shape:
        return 1, 1
    if len(shape) == 1:
        return int(shape[0]), int(shape[0])
    window = math.prod(shape[:-2])
    return int(shape[-2] * window), int(shape[-1] * window)


def serialize(initializer: InitializerLike) -> Config:
    """Return the config dict of an initializer."""
    return serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the initializer that a config dict describes."""
    return deserialize_keras_object(config, custom_objects, family="initializers")


@hooks.answers("initializer")
def get(identifier: Any) -> Any:
    """Return an initializer from None, a name, config dict, class, callable or array.

    An array initializes weights of exactly its shape.

    >>> get("glorot_uniform")
    GlorotUniform(seed=None, input_axes=None, output_axes=None)
    """
    if isinstance(identifier, (np.ndarray, np.generic)):
        return _from_array(identifier)
    return get_object(identifier, "initializers", "initializer")


def _from_array(array):
    def initialize_from_array(shape, dtype=None):
        if tuple(shape) != array.shape:
            raise ValueError(
                f"initializers.get: expected a weight of the array's shape {array.shape}, got "
                f"{tuple(shape)}; pass an array of that shape"
            )
        return np.array(array, dtype=_array_dtype(dtype))

    return initialize_from_array


zeros = Zeros
ones = Ones
constant = Constant
identity = IdentityInitializer = Identity
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = OrthogonalInitializer = Orthogonal
stft = STFTInitializer = STFT


__all__ = [
    "STFT", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity",
    "IdentityInitializer", "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal",
    "OrthogonalInitializer", "RandomInitializer", "RandomNormal", "RandomUniform",
    "STFTInitializer", "TruncatedNormal", "VarianceScaling", "Zeros", "compute_fans", "constant",
    "deserialize", "get", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity",
    "lecun_normal", "lecun_uniform", "ones", "orthogonal", "random_normal", "random_uniform",
    "serialize", "stft", "truncated_normal", "variance_scaling", "zeros",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
