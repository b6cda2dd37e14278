"""`LossScaleOptimizer`: a loss scale that follows overflows of the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, NoArguments, OptimizerLike
    from pyseq.variable import Variable

# Written by older versions of Keras, always with these values.
_RETIRED = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


@builtin("optimizers", aliases=("mixed_precision.LossScaleOptimizer",))
class LossScaleOptimizer(Optimizer):
    """Skip steps whose gradients are not finite, and scale the loss as far as they stay finite.

    `fit` computes in float32 or float64, where scaling changes nothing: it skips such steps and
    keeps the counters. `apply` expects gradients of `scale_loss(loss)`.

    Args:
        inner_optimizer: makes the steps; its `loss_scale_factor` is set to None.
        initial_scale: scale at the start.
        dynamic_growth_steps: finite steps after which the scale doubles; it halves at any other.
        name: name in configs.

    >>> from pyseq.optimizers import SGD
    >>> LossScaleOptimizer(SGD(0.1)).scale_loss(1.0)
    32768.0
    """

    def __init__(
        self,
        inner_optimizer: OptimizerLike,
        initial_scale: Any = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer(dynamic): expected True, got False; set loss_scale_factor on "
                "the inner optimizer instead"
            )
        for key, value in _RETIRED.items():
            if kwargs.pop(key, value) != value:
                raise ValueError(
                    f"LossScaleOptimizer({key}): expected {value!r}, got another value; set it on "
                    f"the inner optimizer"
                )
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(
                f"LossScaleOptimizer(inner_optimizer): expected an Optimizer, got "
                f"{inner_optimizer!r}"
            )
        super().__init__(0.0, name=name, **kwargs)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None

    def build(self, variables: Any) -> None:
        if self.built:
            return
        self.step_counter = self._state(0, "int32", "step_counter")
        self.dynamic_scale = self._state(float(self.initial_scale), "float32", "dynamic_scale")
        self.inner_optimizer.build(variables)
        super().build(variables)

    def start_from_weights(self) -> None:
        self.inner_optimizer.start_from_weights()

    def saved_children(self) -> Any:
        return (("inner_optimizer", self.inner_optimizer),)

    @property
    def variables(self) -> list[Variable]:
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    @property
    def raw_iterations(self) -> Any:
        return self.inner_optimizer.raw_iterations

    @property
    def has_schedule(self) -> Any:
        return self.inner_optimizer.has_schedule

    def learning_rates(self, iteration: Any, count: Any) -> Any:
        return self.inner_optimizer.learning_rates(iteration, count)

    def advance(self, steps: Any) -> None:
        self.inner_optimizer.advance(steps)
        for _ in range(steps):
            self._count(True)

    def plan(self, variables: Any) -> Any:
        plan = self.inner_optimizer.plan(variables)
        for optimizer in plan["optimizers"]:
            optimizer["skip_non_finite"] = True
        return plan

    def slots_for(self, variable: Any) -> Any:
        return self.inner_optimizer.slots_for(variable)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def _count(self, finite):
        if not finite:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale.value / 2)
        elif int(self.step_counter) == self.dynamic_growth_steps - 1:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale.value * 2)
        else:
            self.step_counter.assign_add(1)

    def check_finite(self, grads: Any) -> bool:
        """Return whether all elements of all gradients are finite."""
        return all(bool(np.isfinite(g).all()) for g in grads if g is not None)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        grads = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
        elif not self.built:
            raise ValueError(
                f"{self.name}.apply: expected variables or a built optimizer, got neither; call "
                f"build(variables) first"
            )
        finite = self.check_finite(grads)
        if finite:
            scale = float(self.dynamic_scale)
            grads = [None if g is None else np.asarray(g) / scale for g in grads]
            self.inner_optimizer.apply(grads, trainable_variables)
        self._count(finite)

    def scale_loss(self, loss: Any) -> Any:
        return loss * (float(self.dynamic_scale) if self.built else self.initial_scale)

    def finalize_variable_values(self, var_list: Any) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> Config:
        return {
            "name": self.name,
            "inner_optimizer": serialize_keras_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        config = dict(config)
        config["inner_optimizer"] = deserialize_keras_object(
            config["inner_optimizer"], custom_objects, family="optimizers"
        )
        return construct(cls, config)
