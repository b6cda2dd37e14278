"""Random numbers with the names and the seed rules of `keras.random`.

Every function is a pure function of `(seed, counter)`: an integer seed gives the same numbers
at every call, a `SeedGenerator` other ones each time, and None uses the global generator, which
`set_random_seed` restarts. The stream is `numpy.random.default_rng([seed, counter])`, as on the
NumPy backend of Keras.
"""

from __future__ import annotations

import contextlib
import contextvars
import math
import random as python_random
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, hooks, naming, symbolic
from pyseq.registry.registration import builtin
from pyseq.registry.serialization import construct
from pyseq.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self, Unpack

    from pyseq.types import Array, Axis, Config, DTypeLike, NoArguments, Seed, Tensor

_WORD = 0xFFFFFFFF
_QWORD = 0xFFFFFFFFFFFFFFFF


@builtin("random")
class SeedGenerator:
    """A source of seeds: each use advances its counter.

    Args:
        seed: integer; drawn from Python's `random` when None.
        name: name in configs; `seed_generator`, `seed_generator_1`, ... when None.

    Attributes:
        state: variable `[seed, counter]` of uint32. It is among the `variables` of layers that
            have the generator as an attribute, not among their weights.

    >>> source = SeedGenerator(7)
    >>> source.next().tolist(), source.next().tolist()
    ([7, 0], [7, 1])
    """

    def __init__(
        self, seed: Seed = None, name: str | None = None, **kwargs: Unpack[NoArguments]
    ) -> None:
        if kwargs:
            raise ValueError(f"SeedGenerator: got unknown arguments {sorted(kwargs)}")
        self.name = naming.auto_name("seed_generator") if name is None else name
        self._initial_seed = seed
        if seed is None:
            seed = make_default_seed()
        self.state = Variable(
            [_check_seed(seed) & _WORD, 0],
            dtype="uint32",
            trainable=False,
            name="seed_generator_state",
            path=f"{self.name}/seed_generator_state",
        )
        self._lock = threading.Lock()

    def next(self, ordered: bool = True) -> Array:
        """Return a copy of `[seed, counter]` and advance the counter.

        Args:
            ordered: accepted for compatibility; seeds are always handed out in order.
        """
        with self._lock:
            current = self.state.numpy()
            following = np.array([current[0], (int(current[1]) + 1) & _WORD], np.uint32)
            # At once, also where a program is traced: each draw there is an op of its own.
            token = symbolic.trace.set(None)
            try:
                self.state.assign(following)
            finally:
                symbolic.trace.reset(token)
        return current

    def get_config(self) -> Config:
        """Return the seed given to the constructor, and the name."""
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return a generator in its starting state."""
        return construct(cls, config)

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock = threading.Lock()


_global_lock = threading.Lock()
_global_generator: SeedGenerator | None = None


def global_seed_generator() -> Tensor:
    """Return the generator behind `seed=None`."""
    global _global_generator
    with _global_lock:
        if _global_generator is None:
            _global_generator = SeedGenerator(name="global_seed_generator")
        return _global_generator


def reset_global_seed_generator(seed: Seed = None) -> None:
    """Restart the generator behind `seed=None`; with None it is seeded at its next use."""
    global _global_generator
    with _global_lock:
        _global_generator = (
            None if seed is None else SeedGenerator(seed, name="global_seed_generator")
        )


def make_default_seed() -> Tensor:
    """Return a seed drawn from Python's `random`."""
    return python_random.randint(1, 10**9)


def _check_seed(seed):
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ValueError(
            f"seed: expected an integer, a SeedGenerator or None, got {seed!r} of type "
            f"{type(seed).__name__}"
        )
    return seed.__index__()


def seed_state(seed: Seed) -> Tensor:
    """Return the `[seed, counter]` pair (uint32) of the next draw for `seed`."""
    if seed is None:
        return global_seed_generator().next()
    if isinstance(seed, SeedGenerator):
        return seed.next()
    return np.array([_check_seed(seed) & _WORD, 0], dtype=np.uint32)


def draw_seed(seed: Seed, drawn: Any = None) -> Tensor:
    """Return a 63-bit integer seed for a compiled op, different for each `[seed, counter]`.

    The pair is mixed by the finalizer of SplitMix64 (Steele, Lea and Flood, 2014), so that
    neighbouring pairs give unrelated streams.

    Args:
        seed: see the module.
        drawn: the seed that an earlier op of the same layer was given, to be used again.

    >>> draw_seed(1) == draw_seed(1), draw_seed(1) == draw_seed(2)
    (True, False)
    """
    noted = _noted.get()
    if noted is None:
        return _mixed_seed(seed) if drawn is None else drawn
    seeds, given = noted
    value = next(given, None)
    if value is None:
        value = _mixed_seed(seed) if drawn is None else drawn
    seeds.append(value)
    return value


_noted: contextvars.ContextVar = contextvars.ContextVar("pyseq_op_seeds", default=None)


@contextlib.contextmanager
def noting_seeds(given: Any = ()) -> Iterator[Any]:
    """Note the seeds of all ops that are made inside; yields the list of them.

    Args:
        given: seeds noted earlier, which the ops get again.

    >>> with noting_seeds() as first:
    ...     a = draw_seed(None)
    >>> with noting_seeds(first):
    ...     draw_seed(None) == a
    True
    """
    seeds = []
    token = _noted.set((seeds, iter(given)))
    try:
        yield seeds
    finally:
        _noted.reset(token)


def streams() -> Tensor:
    """Return the positions of Python's, NumPy's and the global generator.

    >>> position = streams()
    >>> a = uniform((3,))
    >>> set_streams(position)
    >>> np.array_equal(a, uniform((3,)))
    True
    """
    generator = _global_generator
    return {
        "python": python_random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "global": None if generator is None else generator.state.numpy(),
    }


def set_streams(position: Any) -> None:
    """Go back to positions that `streams` returned; lists may stand for its tuples."""
    version, words, gauss = position["python"]
    python_random.setstate((version, tuple(words), gauss))
    np.random.set_state(position["numpy"])
    state = position["global"]
    reset_global_seed_generator(None if state is None else 0)
    if state is not None:
        global_seed_generator().state.assign(state)


def _mixed_seed(seed):
    high, low = (int(word) for word in seed_state(seed))
    mixed = ((high << 32 | low) + 0x9E3779B97F4A7C15) & _QWORD
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _QWORD
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _QWORD
    return (mixed ^ mixed >> 31) >> 1


def _generator(seed):
    trace = symbolic.trace.get()
    if trace is not None:
        raise trace.error(
            "expected random.normal, uniform, randint or dropout, got another distribution",
            "make its numbers of theirs",
        )
    return np.random.default_rng(seed_state(seed))


def _float_dtype(dtype, where):
    name = dtypes.standardize_dtype(dtype)
    if name not in dtypes.FLOAT_DTYPES:
        raise ValueError(f"{where}: expected a float dtype, got {dtype!r}; pass dtype='float32'")
    return "float32" if name == "bfloat16" else name


def normal(
    shape: Any, mean: Any = 0.0, stddev: float = 1.0, dtype: DTypeLike = None, seed: Seed = None
) -> Tensor:
    """Return normally distributed numbers of the given shape.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    dtype = _float_dtype(dtype, "random.normal")
    if symbolic.trace.get() is not None:
        return hooks.ask("normal", symbolic.trace.get(), shape, mean, stddev, seed)
    return _generator(seed).normal(mean, stddev, tuple(shape)).astype(dtype)


def uniform(
    shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: DTypeLike = None, seed: Seed = None
) -> Tensor:
    """Return numbers distributed uniformly over `[minval, maxval)`."""
    dtype = _float_dtype(dtype, "random.uniform")
    if symbolic.trace.get() is not None:
        return hooks.ask("uniform", symbolic.trace.get(), shape, minval, maxval, seed)
    return _generator(seed).uniform(minval, maxval, tuple(shape)).astype(dtype)


def randint(
    shape: Any, minval: Any, maxval: Any, dtype: DTypeLike = "int32", seed: Seed = None
) -> Tensor:
    """Return integers distributed uniformly over `minval, ..., maxval - 1`."""
    name = dtypes.standardize_dtype(dtype)
    if name not in dtypes.INT_DTYPES:
        raise ValueError(
            f"random.randint: expected an integer dtype, got {dtype!r}; pass dtype='int32'"
        )
    if symbolic.trace.get() is not None:
        return hooks.ask("randint", symbolic.trace.get(), shape, minval, maxval, seed)
    return _generator(seed).integers(int(minval), int(maxval), tuple(shape), dtype=name)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: float = 1.0, dtype: DTypeLike = None, seed: Seed = None
) -> Tensor:
    """Return normally distributed numbers, redrawn while outside two standard deviations."""
    dtype = _float_dtype(dtype, "random.truncated_normal")
    shape = tuple(shape)
    count = math.prod(shape)
    generator = _generator(seed)
    kept, have = [], 0
    while have < count:
        draw = generator.normal(mean, stddev, count)
        draw = draw[np.abs(draw - mean) <= 2 * stddev]
        kept.append(draw)
        have += draw.size
    values = np.concatenate(kept)[:count] if kept else np.empty(0)
    return values.astype(dtype).reshape(shape)


def dropout(inputs: Tensor, rate: float, noise_shape: Any = None, seed: Seed = None) -> Tensor:
    """Zero a share `rate` of the inputs and divide the others by `1 - rate`.

    Args:
        inputs: array of floats.
        rate: number in [0, 1].
        noise_shape: shape of the mask, None entries taken from `inputs`; entries of 1 share
            the decision along that axis.
        seed: see the module.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"random.dropout: expected rate in [0, 1], got {rate}")
    if symbolic.is_traced(inputs):
        return hooks.ask(
            "dropout", symbolic.trace.get(), symbolic.traced(inputs), rate, noise_shape, seed
        )
    inputs = np.asarray(inputs)
    if rate == 0:
        return inputs
    if rate == 1:
        return np.zeros_like(inputs)
    if noise_shape is None:
        noise_shape = inputs.shape
    elif len(noise_shape) != inputs.ndim:
        raise ValueError(
            f"random.dropout: expected noise_shape of {inputs.ndim} entries, got {noise_shape}"
        )
    shape = tuple(inputs.shape[i] if n is None else n for i, n in enumerate(noise_shape))
    keep = _generator(seed).uniform(size=shape) < 1.0 - rate
    return np.where(keep, inputs / (1.0 - rate), 0).astype(inputs.dtype)


def shuffle(x: Tensor, axis: Axis = 0, seed: Seed = None) -> Tensor:
    """Return a copy of `x` with the elements along `axis` in random order.

    Slices along `axis` stay whole, as on the compiled backends of Keras.
    """
    return _generator(seed).permutation(np.asarray(x), axis=axis)


def categorical(
    logits: Tensor, num_samples: int, dtype: DTypeLike = "int32", seed: Seed = None
) -> Tensor:
    """Draw class indices with probabilities softmax(logits).

    Args:
        logits: array (N, K).
        num_samples: draws per row.

    Returns:
        Integers (N, num_samples).
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2:
        raise ValueError(
            f"random.categorical: expected logits of shape (N, K), got shape {logits.shape}"
        )
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    cumulative = np.cumsum(exponentials, axis=-1)
    draw = _generator(seed).uniform(size=(logits.shape[0], num_samples)) * cumulative[:, -1:]
    found = (draw[:, :, None] >= cumulative[:, None, :]).sum(axis=-1)
    return np.minimum(found, logits.shape[1] - 1).astype(dtypes.standardize_dtype(dtype))


def gamma(shape: Any, alpha: Any, dtype: DTypeLike = None, seed: Seed = None) -> Tensor:
    """Return gamma distributed numbers of shape parameter `alpha` and scale 1."""
    dtype = _float_dtype(dtype, "random.gamma")
    return _generator(seed).gamma(alpha, 1.0, tuple(shape)).astype(dtype)


def beta(shape: Any, alpha: Any, beta: Any, dtype: DTypeLike = None, seed: Seed = None) -> Tensor:
    """Return beta distributed numbers in [0, 1]."""
    dtype = _float_dtype(dtype, "random.beta")
    return _generator(seed).beta(alpha, beta, tuple(shape)).astype(dtype)


def binomial(
    shape: Any, counts: Any, probabilities: Any, dtype: DTypeLike = None, seed: Seed = None
) -> Tensor:
    """Return the numbers of successes in `counts` trials, as floats."""
    dtype = _float_dtype(dtype, "random.binomial")
    return _generator(seed).binomial(counts, probabilities, tuple(shape)).astype(dtype)


__all__ = [
    "SeedGenerator", "beta", "binomial", "categorical", "dropout", "gamma", "normal", "randint",
    "shuffle", "truncated_normal", "uniform",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
