"""Rescaling, Normalization, Discretization and CategoryEncoding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, results, settings
from pyseq.layers.base import Layer
from pyseq.layers.core import positive_int
from pyseq.layers.preprocessing import table_ops
from pyseq.layers.preprocessing.base import _NumPyLayer, batches_of, encode, encoded_shape
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Axis, Config, DTypeLike, LayerArguments, Tensor


def _period(arrays, shape):
    """Arrays that broadcast against samples of `shape`, as vectors of one common period."""
    arrays = [np.asarray(a, np.float64) for a in arrays]
    if all(a.size == 1 for a in arrays):
        return [a.reshape(1) for a in arrays]
    rank = len(shape)
    full = [a.reshape((1,) * (rank - a.ndim) + a.shape) for a in arrays]
    joint = np.broadcast_shapes(*(a.shape for a in full))
    first = next((i for i, d in enumerate(joint) if d != 1), rank)
    trailing = joint[first:] == tuple(shape[first:])
    target = joint[first:] if trailing else tuple(shape)
    full = [a.reshape(a.shape[first:]) if trailing else a for a in full]
    return [np.broadcast_to(a, target).ravel() for a in full]


def _lower_affine(g, x, name, center, scale, offset):
    """Append (x - center) scale + offset; returns the value and the three variables."""
    values = _period((center, scale, offset), x.shape)
    variables = []
    for part, value in zip(("center", "scale", "offset"), values, strict=True):
        variable = g.state(value.shape, f"{name}/{part}")
        variable.assign(value)
        variables.append(variable)
    return g.op("affine", x, x.shape, weights=variables, name=name), variables


@builtin("layers")
class Rescaling(Layer):
    """x scale + offset.

    Args:
        scale, offset: numbers, or arrays that broadcast against the input.

    >>> Rescaling(0.5, offset=1.0)(np.array([[2.0]])).tolist()
    [[2.0]]
    """

    _casts_itself = True
    mask_policy = "pass"

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        dtypes.check_numbers(scale, f"{self.name}(scale)")
        dtypes.check_numbers(offset, f"{self.name}(offset)")
        self.scale = scale
        self.offset = offset

    def lower(self, g: Any, x: Tensor) -> Any:
        scale = np.asarray(self.scale, np.float64)
        if scale.ndim and settings.image_data_format == "channels_first":
            scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))
        y, _ = _lower_affine(g, x, self.name, 0.0, scale, self.offset)
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "scale": _plain(self.scale),
            "offset": _plain(self.offset),
        }


def _plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


@builtin("layers")
class Normalization(Layer):
    """(x - mean) / sqrt(variance), with moments given or learned by `adapt`.

    Args:
        axis: axis or axes that keep their own moments; None for one mean of all elements.
        mean, variance: the moments; without them call `adapt(data)`.
        invert: x sqrt(variance) + mean instead.

    Weights (only without given moments): mean, variance, count.

    >>> layer = Normalization()
    >>> layer.adapt(np.array([[1.0], [3.0]]))
    >>> layer(np.array([[5.0]])).tolist()
    [[3.0]]
    """

    mean: Any
    variance: Any

    _casts_itself = True
    mask_policy = "pass"

    def __init__(
        self,
        axis: Axis = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        if axis is None:
            axis = ()
        self.axis = (int(axis),) if hasattr(axis, "__index__") else tuple(axis)
        if (mean is None) != (variance is None):
            raise ValueError(
                f"{self.name}: expected both `mean` and `variance` or neither, got mean={mean}, "
                f"variance={variance}"
            )
        if mean is not None:
            dtypes.check_numbers(mean, f"{self.name}(mean)")
            dtypes.check_numbers(variance, f"{self.name}(variance)")
        if np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"{self.name}: expected `mean` and `variance` of one shape, got {np.shape(mean)} "
                f"and {np.shape(variance)}"
            )
        if mean is not None and np.ndim(mean) > len(self.axis):
            raise ValueError(
                f"{self.name}: expected `mean` of at most {len(self.axis)} dimensions for "
                f"axis={self.axis}, got shape {np.shape(mean)}"
            )
        self.input_mean = mean
        self.input_variance = variance
        self.invert = bool(invert)
        self.mean = None
        self.variance = None
        # Variables of lowered programs: adapt() and loading weights reach them too.
        self._lowered = []

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        if any(not -rank <= a < rank for a in self.axis):
            raise ValueError(
                f"{self.name}: expected `axis` in {-rank} to {rank - 1} for an input of shape "
                f"{tuple(input_shape)}, got {self.axis}"
            )
        self._keep_axis = tuple(sorted(a % rank for a in self.axis))
        if any(input_shape[a] is None for a in self._keep_axis):
            raise ValueError(
                f"{self.name}: expected known sizes along axis {self.axis}, got input shape "
                f"{tuple(input_shape)}"
            )
        self._reduce_axis = tuple(a for a in range(rank) if a not in self._keep_axis)
        self._broadcast_shape = [
            input_shape[a] if a in self._keep_axis else 1 for a in range(rank)
        ]
        shape = tuple(input_shape[a] for a in self._keep_axis)
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(
                name="mean", shape=shape, initializer="zeros", trainable=False
            )
            self.adapt_variance = self.add_weight(
                name="variance", shape=shape, initializer="ones", trainable=False
            )
            self.count = self.add_weight(
                name="count", shape=(), dtype="int32", initializer="zeros", trainable=False
            )
            self.finalize_state()
        else:
            self.mean = self._aligned(self.input_mean)
            self.variance = self._aligned(self.input_variance)

    def _aligned(self, value):
        """Given moments: their dimensions belong to the last of the kept axes."""
        value = np.asarray(value, np.float64)
        shape = [1] * len(self._broadcast_shape)
        for i in range(1, value.ndim + 1):
            shape[self._keep_axis[-i]] = value.shape[-i]
        return np.broadcast_to(value.reshape(shape), self._broadcast_shape)

    def adapt(self, data: Any, batch_size: int | None = None, steps: Any = None) -> None:
        """Learn mean and variance of an array, or of an iterable of batches (arrays)."""
        if self.input_mean is not None:
            raise ValueError(
                f"{self.name}.adapt: expected a layer without given `mean` and `variance`"
            )
        mean = variance = count = 0.0
        empty = True
        for batch in batches_of(data, steps):
            if not batch.ndim:
                raise TypeError(
                    f"{self.name}.adapt: expected batches that are arrays, got {batch!r} without "
                    "a `.shape`; yield arrays (n, ...)"
                )
            batch = batch.astype(np.float64)
            if not self.built:
                self.build(batch.shape)
            expected = [self._build_input_shape[a] for a in self._keep_axis]
            kept = [batch.shape[a] if a < batch.ndim else None for a in self._keep_axis]
            if batch.ndim != len(self._broadcast_shape) or expected != kept:
                raise ValueError(
                    f"{self.name}.adapt: expected data of shape {self._build_input_shape}, got "
                    f"{batch.shape}"
                )
            empty = False
            batch_mean = batch.mean(axis=self._reduce_axis)
            size = math.prod(batch.shape[a] for a in self._reduce_axis)
            # Chan et al.'s rule for the moments of a union.
            share = size / (count + size)
            moved = mean + (batch_mean - mean) * share
            variance = (variance + (mean - moved) ** 2) * (1 - share)
            spread = batch.var(axis=self._reduce_axis) + (batch_mean - moved) ** 2
            variance = variance + spread * share
            mean, count = moved, count + size
        if empty:
            raise ValueError(f"{self.name}.adapt: expected data, got none")
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)
        self.finalize_state()

    def finalize_state(self) -> None:
        """Use the weights `mean` and `variance` from now on."""
        if self.input_mean is not None or not hasattr(self, "adapt_mean"):
            return
        self.mean = self.adapt_mean.numpy().reshape(self._broadcast_shape)
        self.variance = self.adapt_variance.numpy().reshape(self._broadcast_shape)
        for variables, shape in self._lowered:
            for variable, value in zip(variables, _period(self._affine(), shape), strict=True):
                variable.assign(value)

    def _affine(self):
        """center, scale, offset of (x - center) scale + offset for one sample."""
        mean, variance = (
            np.asarray(v, np.float64).reshape(self._broadcast_shape[1:])
            for v in (self.mean, self.variance)
        )
        stddev = np.maximum(np.sqrt(variance), settings.epsilon)
        zero = np.zeros_like(mean)
        return (zero, stddev, mean) if self.invert else (mean, 1 / stddev, zero)

    def lower(self, g: Any, x: Tensor) -> Any:
        if 0 in self._keep_axis:
            raise ValueError(
                f"{self.name}: expected `axis` without the batch axis 0 inside a model, got "
                f"{self.axis}"
            )
        y, variables = _lower_affine(g, x, self.name, *self._affine())
        if self.input_mean is None:
            self._lowered.append((variables, x.shape))
        return self.pass_mask(y, x)

    def set_weights(self, weights: Any) -> None:
        super().set_weights(weights)
        self.finalize_state()

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        self.finalize_state()

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            "mean": np.array(self.input_mean).tolist(),
            "variance": np.array(self.input_variance).tolist(),
        }


_MODES = ("int", "one_hot", "multi_hot", "count")


def _check_mode(where, output_mode, modes=_MODES):
    output_mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(output_mode, output_mode)
    if output_mode not in modes:
        raise ValueError(
            f"{where}: expected `output_mode` to be one of {modes}, got {output_mode!r}"
        )
    return output_mode


def _reject_sparse(where, sparse):
    if sparse:
        raise ValueError(f"{where}: expected sparse=False, got {sparse!r}; arrays are dense here")


@builtin("layers")
class Discretization(_NumPyLayer):
    """The number of the bin that a value falls into.

    Args:
        bin_boundaries: where bins begin, ascending: bin i is [b(i-1), b(i)).
        num_bins: learn boundaries of this many bins with `adapt` instead.
        epsilon: error of the learned quantiles, as a share.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        sparse: accepted as in Keras; only False.

    >>> Discretization([0.0, 1.0])(np.array([[-1.0, 0.0, 5.0]])).tolist()
    [[0, 1, 2]]
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: DTypeLike = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        _reject_sparse(self.name, sparse)
        self.output_mode = _check_mode(self.name, output_mode)
        if (num_bins is None) == (bin_boundaries is None):
            raise ValueError(
                f"{self.name}: expected `bin_boundaries` or `num_bins`, got "
                f"{'neither' if num_bins is None else 'both'}"
            )
        if bin_boundaries is not None:
            dtypes.check_numbers(bin_boundaries, f"{self.name}(bin_boundaries)")
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"{self.name}: expected num_bins >= 0, got {num_bins}")
        self.bin_boundaries = bin_boundaries
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.sparse = False
        self.summary = np.zeros((2, 0), "float32")

    def adapt(self, data: Any, steps: Any = None) -> None:
        """Learn the boundaries from an array or an iterable of arrays."""
        if self.num_bins is None:
            raise ValueError(
                f"{self.name}.adapt: expected a layer with `num_bins`, got one with bin_boundaries"
            )
        self.reset_state()
        single = isinstance(data, np.ndarray) or np.ndim(data) == 1
        for batch in [data] if single else batches_of(data, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Add an array to the sketch of the distribution."""
        summary = _summarize(np.asarray(data, "float32"), self.epsilon)
        merged = np.concatenate((summary, self.summary), axis=1)
        merged = merged[:, np.argsort(merged[0], kind="stable")]
        self.summary = _compress(merged, self.epsilon)

    def finalize_state(self) -> None:
        """Set the boundaries from the sketch."""
        if self.num_bins is not None:
            self.bin_boundaries = _compress(self.summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forget the sketch."""
        if self.num_bins is not None:
            self.summary = np.zeros((2, 0), "float32")

    def _depth(self):
        return self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(input_shape, self.output_mode, self._depth())

    def integer_dtype(self) -> Any:
        return "int32" if self.output_mode == "int" else None

    @property
    def output_dtype(self) -> Any:
        """The dtype of the output."""
        return self.integer_dtype() or self.arithmetic_dtype

    def apply(self, x: Tensor, training: Any) -> Any:
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self.name}: expected boundaries, got none; pass `bin_boundaries` or call `adapt`"
            )
        x = x if x.dtype.kind == "f" else x.astype("float32")
        bins = np.digitize(x, np.asarray(self.bin_boundaries, x.dtype))
        return encode(bins, self.output_mode, self._depth(), self.output_dtype)

    def without_ops(self, g: Any, x: Tensor) -> Any:
        boundaries = self.bin_boundaries
        if boundaries is None:
            return "it has no boundaries yet; call `adapt`"
        if not np.all(np.diff(np.asarray(boundaries, g.dtype)) >= 0):
            return "its boundaries do not ascend"
        if g.dtype == "float64" and x.slot in g.int64:
            return "integers become float32 here, in a model of float64"
        return table_ops.encoding_limit(g, x.shape, self.output_mode, self._depth())

    def lower_to_ops(self, g: Any, x: Tensor) -> Any:
        numbers = table_ops.numbers_of(g, g.real(x), self.name)
        bins = table_ops.ranks(g, numbers, self.bin_boundaries, self.name)
        return table_ops.encoded(g, bins, x.shape, self.output_mode, self._depth(), self.name)

    def load_own_variables(self, store: Any) -> None:
        if len(store.keys()) == 1:
            self.summary = np.asarray(store["0"])

    def get_config(self) -> Config:
        return {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        config = dict(config)
        boundaries = config.get("bin_boundaries")
        if boundaries is not None and config.get("num_bins") is not None:
            # An adapted layer holds both.
            config["bin_boundaries"] = None
            layer = cls(**config)
            layer.bin_boundaries = boundaries
            return layer
        return cls(**config)


def _summarize(values, epsilon):
    """Sorted values at equal distances, and how many each stands for."""
    values = np.sort(values.ravel())
    step = max(values.size * epsilon, 1)
    points = values[int(step - 1) :: int(step)]
    return np.stack([points, np.full_like(points, step)])


def _compress(summary, epsilon):
    """At most 1 / epsilon points with the same cumulative distribution, interpolated."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    cumulative = summary[1].cumsum()
    points = np.interp(shares, cumulative / cumulative[-1], summary[0])
    weights = np.interp(shares, cumulative / cumulative[-1], cumulative)
    return np.stack((points, np.diff(weights, prepend=0))).astype("float32")


@builtin("layers")
class CategoryEncoding(_NumPyLayer):
    """Integer categories as vectors.

    Args:
        num_tokens: number of categories: 0, ..., num_tokens - 1.
        output_mode: "multi_hot" (1 for each category in the last axis), "count" (how often) or
            "one_hot" (a vector for each element; a last axis of 1 is dropped).
        sparse: accepted as in Keras; only False.

    >>> CategoryEncoding(3)(np.array([[0, 2]])).tolist()
    [[1.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        _reject_sparse(self.name, sparse)
        self.output_mode = _check_mode(self.name, output_mode, _MODES[1:])
        self.num_tokens = positive_int(self.name, "num_tokens", num_tokens)
        self.sparse = False

    def __call__(
        self, inputs: Tensor, count_weights: Any = None, training: Any = None, mask: Tensor = None
    ) -> Any:
        if count_weights is None:
            return super().__call__(inputs)
        if self.output_mode != "count":
            raise ValueError(
                f"{self.name}: expected `count_weights` with output_mode='count' only, got "
                f"output_mode={self.output_mode!r}"
            )
        y = self._encode(self._as_array(inputs), np.asarray(count_weights))
        return results.handed(self._rounded(y))

    @property
    def handed_dtype(self) -> Any:
        return self.variable_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def _encode(self, x, weights=None):
        if x.size and not (0 <= x.min() and x.max() < self.num_tokens):
            raise ValueError(
                f"{self.name}: expected ids in 0 to {self.num_tokens - 1}, got {x.min()} to "
                f"{x.max()}; set `num_tokens`"
            )
        return encode(x, self.output_mode, self.num_tokens, self.arithmetic_dtype, weights)

    def apply(self, x: Tensor, training: Any) -> Any:
        return self._encode(x)

    _prefers_python = True

    def without_ops(self, g: Any, x: Tensor) -> Any:
        if self.num_tokens > table_ops.exact_below(g):
            return f"{self.num_tokens} tokens, more than {g.dtype} tells apart"
        return table_ops.encoding_limit(g, x.shape, self.output_mode, self.num_tokens)

    def lower_to_ops(self, g: Any, x: Tensor) -> Any:
        name, depth = self.name, self.num_tokens
        ids = table_ops.numbers_of(g, x, name)
        if x.slot not in g.int64:
            # -0.5 is no id, though cut to 0.
            ids = g.op("map", ids, ids.shape, name=name, function="floor")
        ids = table_ops.picked(g, np.arange(depth), ids, name)
        return table_ops.encoded(g, ids, x.shape, self.output_mode, depth, name, carries_nan=True)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_tokens": self.num_tokens,
            "output_mode": self.output_mode,
        }
