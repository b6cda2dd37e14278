"""Learning rates that change with the step, as in `keras.optimizers.schedules`.

A schedule is called with the number of updates made so far and returns a Python float.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from pyseq.registry.registration import builtin
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Config, CustomObjects


def _check_steps(value, where):
    if not value > 0:
        raise ValueError(f"{where}: expected a number of steps > 0, got {value!r}")


class LearningRateSchedule:
    """Base class: subclasses define `__call__(step)` and `get_config()`."""

    def __call__(self, step: int) -> float:
        """Return the learning rate at `step`; subclasses must define it."""
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines __call__(step), "
            f"got the base class; define it"
        )

    def get_config(self) -> Config:
        """Return the constructor's arguments; a subclass that is saved must define it."""
        raise TypeError(
            f"{type(self).__name__}.get_config: expected a subclass that defines get_config(), "
            f"got the base method; define it, so that the schedule can be saved"
        )

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Return the schedule that `get_config` described."""
        return construct(cls, config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


class _ConfiguredSchedule(LearningRateSchedule):
    """Takes the config from the attributes that `_fields` names."""

    _fields: tuple[str, ...]

    def get_config(self) -> Config:
        return {field: getattr(self, field) for field in self._fields}


@builtin("optimizers.schedules")
class ExponentialDecay(_ConfiguredSchedule):
    """initial_learning_rate * decay_rate ^ (step / decay_steps).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps after which the rate has been multiplied by `decay_rate`, > 0.
        decay_rate: factor.
        staircase: round the exponent down to an integer.
        name: kept in the config.

    >>> ExponentialDecay(0.5, 10, 0.5)(20)
    0.125
    """

    _fields = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "ExponentialDecay",
    ) -> None:
        _check_steps(decay_steps, "ExponentialDecay(decay_steps)")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: int) -> float:
        exponent = float(step) / self.decay_steps
        if self.staircase:
            exponent = math.floor(exponent)
        return float(self.initial_learning_rate * self.decay_rate**exponent)


@builtin("optimizers.schedules")
class InverseTimeDecay(_ConfiguredSchedule):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps).

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: steps over which the divisor grows by `decay_rate`.
        decay_rate: growth of the divisor.
        staircase: go down in steps, not evenly.

    Args: as for `ExponentialDecay`; `staircase` rounds step / decay_steps down.

    >>> InverseTimeDecay(0.5, 10, 1.0)(10)
    0.25
    """

    _fields = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = "InverseTimeDecay",
    ) -> None:
        _check_steps(decay_steps, "InverseTimeDecay(decay_steps)")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: int) -> float:
        fraction = float(step) / self.decay_steps
        if self.staircase:
            fraction = math.floor(fraction)
        return float(self.initial_learning_rate / (1 + self.decay_rate * fraction))


@builtin("optimizers.schedules")
class PolynomialDecay(_ConfiguredSchedule):
    """(initial - end) (1 - step / decay_steps)^power + end, step cut at decay_steps.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps until `end_learning_rate` is reached, > 0.
        end_learning_rate: the final rate.
        power: exponent, 1 for a straight line.
        cycle: instead of staying at the end, stretch `decay_steps` to its next multiple.
        name: kept in the config.

    >>> PolynomialDecay(1.0, 10, 0.0)(5)
    0.5
    """

    _fields = (
        "initial_learning_rate",
        "decay_steps",
        "end_learning_rate",
        "power",
        "cycle",
        "name",
    )

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str | None = "PolynomialDecay",
    ) -> None:
        _check_steps(decay_steps, "PolynomialDecay(decay_steps)")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: int) -> float:
        step, decay_steps = float(step), float(self.decay_steps)
        if self.cycle:
            decay_steps *= max(1, math.ceil(step / decay_steps))
        else:
            step = min(step, decay_steps)
        span = self.initial_learning_rate - self.end_learning_rate
        return float(span * (1 - step / decay_steps) ** self.power + self.end_learning_rate)


@builtin("optimizers.schedules")
class PiecewiseConstantDecay(_ConfiguredSchedule):
    """values[i] up to and including step boundaries[i], values[-1] after the last one.

    Args:
        boundaries: increasing steps.
        values: rates, one more than boundaries.
        name: kept in the config.

    >>> schedule = PiecewiseConstantDecay([10], [0.5, 0.25])
    >>> schedule(10), schedule(11)
    (0.5, 0.25)
    """

    _fields = ("boundaries", "values", "name")

    def __init__(
        self, boundaries: Any, values: Any, name: str | None = "PiecewiseConstant"
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: expected one more value than boundaries, got "
                f"{len(values)} values and {len(boundaries)} boundaries"
            )
        if any(low >= high for low, high in itertools.pairwise(boundaries)):
            raise ValueError(
                f"PiecewiseConstantDecay: expected increasing boundaries, got {boundaries}"
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: int) -> float:
        passed = sum(1 for boundary in self.boundaries if float(step) > boundary)
        return float(self.values[passed])


@builtin("optimizers.schedules")
class CosineDecay(_ConfiguredSchedule):
    """lr ((1 - alpha) (1 + cos(pi step / decay_steps)) / 2 + alpha), after an optional warmup.

    Source: Loshchilov and Hutter, "SGDR", arXiv:1608.03983.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: steps of the decay, > 0.
        alpha: final rate as a fraction of the highest one.
        name: kept in the config.
        warmup_target: rate reached by a straight line over `warmup_steps`, from which the
            decay then starts; None for no warmup.
        warmup_steps: steps of the warmup.

    >>> CosineDecay(1.0, 10)(0), CosineDecay(1.0, 10)(10)
    (1.0, 0.0)
    """

    _fields = (
        "initial_learning_rate",
        "decay_steps",
        "alpha",
        "name",
        "warmup_target",
        "warmup_steps",
    )

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: Any = 0.0,
        name: str | None = "CosineDecay",
        warmup_target: Any = None,
        warmup_steps: int = 0,
    ) -> None:
        _check_steps(decay_steps, "CosineDecay(decay_steps)")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        step, start = float(step), self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(start + (self.warmup_target - start) * step / self.warmup_steps)
            step, start = step - self.warmup_steps, self.warmup_target
        fraction = min(step, self.decay_steps) / self.decay_steps
        cosine = 0.5 * (1 + math.cos(math.pi * fraction))
        return float(start * ((1 - self.alpha) * cosine + self.alpha))


@builtin("optimizers.schedules")
class CosineDecayRestarts(_ConfiguredSchedule):
    """Cosine decays one after another, each `t_mul` times longer and `m_mul` times higher.

    Source: Loshchilov and Hutter, "SGDR", arXiv:1608.03983.

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: steps of the first decay, > 0.
        t_mul: factor of the length, >= 1.
        m_mul: factor of the height.
        alpha: final rate as a fraction of the initial one.
        name: kept in the config.

    >>> CosineDecayRestarts(1.0, 10)(10)
    1.0
    """

    _fields = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: Any = 0.0,
        name: str | None = "SGDRDecay",
    ) -> None:
        _check_steps(first_decay_steps, "CosineDecayRestarts(first_decay_steps)")
        if not t_mul >= 1:
            raise ValueError(f"CosineDecayRestarts(t_mul): expected a number >= 1, got {t_mul!r}")
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: int) -> float:
        step = float(step)
        if self.t_mul == 1.0:
            restart = math.floor(step / self.first_decay_steps)
            fraction = step / self.first_decay_steps - restart
        else:
            # The logarithm may land next to an exact restart, so the period is found by walking
            # on from one before it; start is the first step of period `restart`.
            def start_of(period):
                return self.first_decay_steps * (self.t_mul**period - 1) / (self.t_mul - 1)

            grown = 1 + step / self.first_decay_steps * (self.t_mul - 1)
            restart = max(0, math.floor(math.log(grown) / math.log(self.t_mul)) - 1)
            while start_of(restart + 1) <= step:
                restart += 1
            length = self.first_decay_steps * self.t_mul**restart
            fraction = (step - start_of(restart)) / length
        cosine = 0.5 * self.m_mul**restart * (1 + math.cos(math.pi * fraction))
        return float(self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha))


def serialize(learning_rate_schedule: Any) -> Config:
    """Return the config dict of a schedule."""
    return serialize_keras_object(learning_rate_schedule)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Return the schedule that a config dict describes."""
    return deserialize_keras_object(config, custom_objects, family="optimizers.schedules")
