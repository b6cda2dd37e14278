"""`Optimizer`: learning rate, state variables, clipping, weight decay, averaging, accumulation.

An optimizer is described to the compiled core by `plan`, which then updates whole models inside the
training loop. `apply` does one step on arrays, with the same compiled update of each variable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, naming, revision, settings
from pyseq.optimizers.state import State
from pyseq.optimizers.steps import Steps
from pyseq.registry.left_out import serialize_part
from pyseq.registry.registration import builtin, to_snake_case
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
)
from pyseq.variable import Variable

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, LearningRate, NoArguments

# What is meant by them is the learning rate.
_RATES = {"alpha", "eta", "learn_rate", "lr", "rate", "step_size"}


@builtin("optimizers", aliases=(".Optimizer",))
class Optimizer(State, Steps, revision.Noted):
    """Base class of optimizers.

    A subclass written in Python defines `update_step(gradient, variable, learning_rate)` and, for
    state, `build(variables)`; it is used through `apply`. `Sequential.fit` runs the built-in ones.

    Args:
        learning_rate: float, `LearningRateSchedule`, or a function without arguments.
        weight_decay: each step also subtracts `weight_decay * learning_rate * variable`.
        clipnorm: L2 norm that no variable's gradient may exceed.
        clipvalue: magnitude that no element of a gradient may exceed.
        global_clipnorm: L2 norm that all gradients together may not exceed.
        use_ema: keep an exponential moving average of the variables.
        ema_momentum: average = ema_momentum * average + (1 - ema_momentum) * variable.
        ema_overwrite_frequency: overwrite the variables with their averages every so many steps;
            at the end of `fit` that happens in any case.
        loss_scale_factor: gradients given to `apply` are divided by it.
        gradient_accumulation_steps: update once for so many steps, with the mean gradient.
        name: name in configs; the snake_case class name when None.
    """

    # Name of the compiled update and of the arguments that are saved, in subclasses.
    kind: str | None = None
    _fields: tuple[str, ...] = ()

    def __init__(
        self,
        learning_rate: LearningRate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: Any = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: Any = None,
        name: str | None = None,
        **kwargs: Unpack[NoArguments],
    ) -> None:
        where = type(self).__name__
        if kwargs:
            fix = "write learning_rate="
            if not set(kwargs) & _RATES:
                fix = naming.misspelt_arguments(type(self), kwargs)
            raise ValueError(
                f"{where}: expected the documented arguments, got {sorted(kwargs)}; {fix}"
            )
        _check_options(
            where,
            {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm},
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            gradient_accumulation_steps,
        )
        self.name = name or naming.auto_name(to_snake_case(where))
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables = []
        self._trainable_variables = []
        self._index = {}
        self._slots = {}
        self._averages = []
        self._accumulators = []
        self._excluded = set()
        self._excluded_names = None
        self._iterations = self._state(0, "int32", "iteration")
        self._learning_rate = _check_learning_rate(learning_rate, where)
        if isinstance(self._learning_rate, float):
            self._learning_rate = self._state(
                self._learning_rate, settings.floatx, "learning_rate"
            )

    # --- what the compiled core needs

    def lower(self) -> Any:
        """Return the name of the compiled update and its attributes."""
        if self.kind is None or type(self).update_step is not Optimizer.update_step:
            raise ValueError(
                f"{self.name}: expected a built-in optimizer for fit, got {type(self).__name__}, "
                f"whose update is written in Python; use its apply in a loop of your own, or "
                f"choose one of pyseq.optimizers"
            )
        return self.kind, self.attributes()

    def attributes(self) -> Any:
        """Return the numbers of the compiled update: by default all saved arguments."""
        attributes = {}
        for field in self._fields:
            value = getattr(self, field)
            attributes[field] = bool(value) if isinstance(value, bool) else float(value)
        return attributes

    def plan(self, variables: Any) -> Any:
        """Describe training of `variables` to the compiled core.

        Returns:
            `{"optimizers": [...], "parameters": [...]}`: one entry for each optimizer and, in the
            order of `variables`, one for each variable with its slots, its moving average, its
            gradient accumulator and whether weight decay applies.
        """
        self._check_known(variables)
        kind, attributes = self.lower()
        optimizer = {
            "kind": kind,
            "attrs": attributes,
            "weight_decay": self._decay_factor(),
            "clipnorm": float(self.clipnorm or 0),
            "clipvalue": float(self.clipvalue or 0),
            "global_clipnorm": float(self.global_clipnorm or 0),
            # 0 would switch the average off.
            "ema_momentum": max(float(self.ema_momentum), 1e-30) if self.use_ema else 0.0,
            "ema_overwrite_frequency": int(self.ema_overwrite_frequency or 0),
            "accumulation_steps": int(self.gradient_accumulation_steps or 1),
            # Scaling the loss up and its gradient down again changes nothing in float32.
            "loss_scale": 1.0,
        }
        parameters = []
        for variable in variables:
            i = self._index[variable]
            parameters.append(
                {
                    "slots": self.slots_for(variable),
                    "decay": self._use_weight_decay(variable),
                    "average": self._averages[i] if self._averages else None,
                    "accumulator": self._accumulators[i] if self._accumulators else None,
                    "optimizer": 0,
                }
            )
        return {"optimizers": [optimizer], "parameters": parameters}

    def _decay_factor(self):
        return float(self.weight_decay or 0)

    def _check_known(self, variables):
        for variable in variables:
            if variable not in self._index:
                raise ValueError(
                    f"{self.name}: expected the variables that the optimizer was built with, got "
                    f"{variable.path}; compile the model again after changing what is trainable"
                )

    # --- weight decay and averages

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leave variables out of weight decay; to be called before `build`.

        Args:
            var_list: variables.
            var_names: regular expressions searched for in the variables' names, for instance
                `["bias"]`.
        """
        if self.built:
            raise ValueError(
                f"{self.name}.exclude_from_weight_decay: expected an optimizer that is not built "
                f"yet, got a built one; call it before compile or fit"
            )
        self._excluded = {v for v in var_list or ()}
        self._excluded_names = re.compile("|".join(sorted(set(var_names)))) if var_names else None

    def _use_weight_decay(self, variable):
        if variable in self._excluded:
            return False
        return self._excluded_names is None or not self._excluded_names.search(variable.name)

    def _average(self):
        iteration = int(self.iterations)
        for variable, average in zip(self._trainable_variables, self._averages, strict=True):
            momentum = average.value.dtype.type(self.ema_momentum if iteration else 0)
            average.assign(momentum * average.value + (1 - momentum) * variable.value)
        if self.ema_overwrite_frequency and (iteration + 1) % self.ema_overwrite_frequency == 0:
            self.finalize_variable_values(self._trainable_variables)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Overwrite variables with their moving averages, if there are any."""
        if not self.use_ema or not self.built:
            return
        self._check_known(var_list)
        for variable in var_list:
            variable.assign(self._averages[self._index[variable]])

    # --- configs

    def get_config(self) -> Config:
        """Return the constructor's arguments as plain data."""
        if isinstance(self._learning_rate, Variable):
            rate = float(self._learning_rate)
        else:
            what = f"learning_rate of {self.name}"
            rate = serialize_part(self._learning_rate, what, self._present_rate)
        names = (
            "weight_decay",
            "clipnorm",
            "global_clipnorm",
            "clipvalue",
            "use_ema",
            "ema_momentum",
            "ema_overwrite_frequency",
            "loss_scale_factor",
            "gradient_accumulation_steps",
        )
        values = {name: getattr(self, name) for name in (*names, *self._fields)}
        return {"name": self.name, "learning_rate": rate, **values}

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        """Return the optimizer that `get_config` described, without state."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_keras_object(
                config["learning_rate"], custom_objects
            )
        return construct(cls, config)

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __getattr__(self, name):
            return hooks.ask("old_attribute", self, name)

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __setattr__(self, name, value):
            if not hooks.ask("set_old_attribute", self, name, value):
                super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _check_learning_rate(value, where):
    if callable(value):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value)
    raise ValueError(
        f"{where}(learning_rate): expected a float, a LearningRateSchedule or a function, got "
        f"{value!r}; write whole numbers as 1.0"
    )


def _check_options(where, clips, use_ema, ema_momentum, ema_overwrite_frequency, steps):
    given = {name: value for name, value in clips.items() if value is not None}
    if len(given) > 1:
        raise ValueError(
            f"{where}: expected at most one of clipnorm, clipvalue and global_clipnorm, got {given}"
        )
    if steps and not steps >= 2:
        raise ValueError(
            f"{where}(gradient_accumulation_steps): expected an integer >= 2 or None, got {steps!r}"
        )
    if not use_ema:
        return
    if not 0 <= ema_momentum <= 1:
        raise ValueError(
            f"{where}(ema_momentum): expected a number from 0 to 1, got {ema_momentum!r}"
        )
    whole = isinstance(ema_overwrite_frequency, int) and ema_overwrite_frequency >= 1
    if ema_overwrite_frequency and not whole:
        raise ValueError(
            f"{where}(ema_overwrite_frequency): expected an integer >= 1 or None, got "
            f"{ema_overwrite_frequency!r}"
        )
