"""`Optimizer`: learning rate, state variables, clipping, weight decay, averaging, accumulation.

An optimizer is described to the compiled core by `plan`, which then updates whole models inside the
training loop. `apply` does one step on arrays, with the same compiled update of each variable.
"""

from __future__ import annotations

import re
import warnings

import numpy as np

from pyseq import _core, initializers, naming, settings
from pyseq.registry.left_out import serialize_part
from pyseq.registry.registration import builtin, to_snake_case
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    serialize_keras_object,
)
from pyseq.schedules import ExponentialDecay, LearningRateSchedule
from pyseq.variable import Variable


@builtin("optimizers", aliases=(".Optimizer",))
class Optimizer:
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
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        where = type(self).__name__
        if kwargs.pop("decay", None) is not None:
            warnings.warn(
                f"{where}: the argument decay is ignored; pass a schedule as learning_rate",
                stacklevel=3,
            )
        if kwargs:
            raise ValueError(
                f"{where}: expected the documented arguments, got {sorted(kwargs)}; remove them"
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
        self._iterations = self._track(
            Variable(0, None, "int32", False, "iteration", f"{self.name}/iteration")
        )
        self._learning_rate = _check_learning_rate(learning_rate, where)
        if isinstance(self._learning_rate, float):
            self._learning_rate = self._track(
                Variable(
                    self._learning_rate,
                    dtype=settings.floatx,
                    trainable=False,
                    name="learning_rate",
                    path=f"{self.name}/learning_rate",
                )
            )

    # --- learning rate and counters

    @property
    def learning_rate(self):
        """The current learning rate: a variable, or the number that a schedule gives now.

        Assigning a number changes the variable; an optimizer made with a schedule refuses one.
        """
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self._rate_at(int(self._iterations))

    @learning_rate.setter
    def learning_rate(self, value):
        if isinstance(value, Variable):
            value = float(value)
        if callable(value):
            self._variables = [v for v in self._variables if v is not self._learning_rate]
            self._learning_rate = value
        elif not isinstance(self._learning_rate, Variable):
            raise TypeError(
                f"{self.name}.learning_rate: expected a schedule, because the optimizer was made "
                f"with one, got {value!r}; make the optimizer with a number to set it later"
            )
        else:
            self._learning_rate.assign(value)

    def _rate_at(self, iteration):
        if isinstance(self._learning_rate, Variable):
            return float(self._learning_rate)
        if isinstance(self._learning_rate, LearningRateSchedule):
            return float(self._learning_rate(iteration))
        return float(self._learning_rate())

    def _present_rate(self):
        """A schedule that stays where this one is: with it, there are as many variables."""
        rate = self._rate_at(int(self._iterations))
        return serialize_keras_object(ExponentialDecay(rate, decay_steps=1, decay_rate=1.0))

    @property
    def has_schedule(self):
        """Whether the learning rate may differ from step to step."""
        return not isinstance(self._learning_rate, Variable)

    def learning_rates(self, iteration, count):
        """Return the learning rates of `count` steps from step number `iteration` on.

        Returns:
            float64 array `(count,)`; `(count, n)` for n optimizers in one.
        """
        if not self.has_schedule:
            return np.full(count, self._rate_at(iteration))
        return np.array([self._rate_at(iteration + i) for i in range(count)], dtype="float64")

    @property
    def iterations(self):
        """Number of updates made: a variable, or an integer where gradients accumulate."""
        if self.gradient_accumulation_steps:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    @property
    def raw_iterations(self):
        """Number of steps made, an int; several of them make one update if gradients accumulate."""
        return int(self._iterations)

    def advance(self, steps):
        """Count steps that the compiled training loop made."""
        self._iterations.assign_add(steps)

    # --- variables

    @property
    def variables(self):
        """All state in the order in which it is saved: iteration, learning rate, then the slots."""
        return list(self._variables)

    def saved_children(self):
        """Return `(name, optimizers)` of those within this one."""
        return ()

    def _track(self, variable):
        self._variables.append(variable)
        return variable

    def add_variable(self, shape, initializer="zeros", dtype=None, name=None, **kwargs):
        """Create and return a state variable that is not tied to a model variable."""
        value = initializers.get(initializer)(shape=tuple(shape), dtype=dtype or settings.floatx)
        name = name or "variable"
        return self._track(Variable(value, None, dtype, False, name, f"{self.name}/{name}"))

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        """Create and return a state variable of the shape and dtype of a model variable."""
        prefix = getattr(reference_variable, "path", reference_variable.name).replace("/", "_")
        return self.add_variable(
            reference_variable.shape,
            initializer,
            reference_variable.dtype,
            f"{prefix}_{name or 'var'}",
        )

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """Create a state variable, or several, for each model variable.

        Args:
            trainable_variables: the model's variables.
            name: a name, or a list of names.
            initializer: one for all names, or a list with one for each.

        Returns:
            A list of variables, or a tuple of lists for a list of names.
        """
        if isinstance(name, str):
            return [
                self.add_variable_from_reference(v, name, initializer) for v in trainable_variables
            ]
        many = isinstance(initializer, (list, tuple))
        each = list(initializer) if many else [initializer] * len(name)
        if len(each) != len(name):
            raise ValueError(
                f"{self.name}.add_optimizer_variables: expected one initializer for each of "
                f"{len(name)} names, got {len(each)}"
            )
        rows = [
            [self.add_variable_from_reference(v, n, i) for n, i in zip(name, each, strict=True)]
            for v in trainable_variables
        ]
        return tuple([row[k] for row in rows] for k in range(len(name)))

    def build(self, variables):
        """Create the state for `variables`; does nothing the second time."""
        if self.built:
            return
        variables = list(variables)
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._trainable_variables = variables
        self._index = {v: i for i, v in enumerate(variables)}
        self._slots = {v: [] for v in variables}
        self.build_slots(variables)
        self.built = True

    def build_slots(self, variables):
        """Create what `kind` keeps for each variable, group by group in the order of saving."""
        for group in self.slot_groups():
            for variable in variables:
                for name in group:
                    self._slots[variable].append(
                        self.add_variable_from_reference(
                            variable, name, self.initial_slot(name, variable)
                        )
                    )

    def slot_groups(self):
        """Return lists of slot names; the slots of one list lie beside each other when saved."""
        return []

    def initial_slot(self, name, variable):
        """Return the initializer of a slot."""
        return "zeros"

    def slots_for(self, variable):
        """Return the state variables of a model variable, in the order of the compiled update."""
        return list(self._slots[variable])

    def _get_variable_index(self, variable):
        """Number of `variable` in `build`, under the name that `update_step` of subclasses uses."""
        return self._index[variable]

    def set_weights(self, weights):
        """Overwrite `variables` with arrays in the same order."""
        if not self.built:
            raise ValueError(
                f"{self.name}.set_weights: expected a built optimizer, got a new one; call "
                f"build(model.trainable_variables) first"
            )
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(
                f"{self.name}.set_weights: expected {len(variables)} arrays, got {len(weights)}"
            )
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store):
        """Write `variables` to `store` under "0", "1", ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store):
        """Read `variables` from `store`; another number of them is skipped with a warning."""
        if len(store.keys()) != len(self.variables):
            warnings.warn(
                f"{self.name}: the file holds {len(store.keys())} optimizer variables, the "
                f"optimizer has {len(self.variables)}; its state is not loaded",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(self.variables):
            variable.assign(np.asarray(store[str(i)]))

    # --- what the compiled core needs

    def lower(self):
        """Return the name of the compiled update and its attributes."""
        if self.kind is None or type(self).update_step is not Optimizer.update_step:
            raise ValueError(
                f"{self.name}: expected a built-in optimizer for fit, got {type(self).__name__}, "
                f"whose update is written in Python; use its apply in a loop of your own, or "
                f"choose one of pyseq.optimizers"
            )
        return self.kind, self.attributes()

    def attributes(self):
        """Return the numbers of the compiled update: by default all saved arguments."""
        attributes = {}
        for field in self._fields:
            value = getattr(self, field)
            attributes[field] = bool(value) if isinstance(value, bool) else float(value)
        return attributes

    def plan(self, variables):
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

    # --- one step on arrays

    def apply_gradients(self, grads_and_vars):
        """Do one step from pairs (gradient, variable); returns the step counter."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads, trainable_variables=None):
        """Do one step.

        Args:
            grads: an array for each variable; None for a variable that is left alone.
            trainable_variables: the variables; those of `build` when None.

        Raises:
            ValueError: no gradients, unknown variables, or other shapes.
        """
        grads = list(grads)
        if not grads:
            return
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    f"{self.name}.apply: expected variables or a built optimizer, got neither; "
                    f"call build(variables) first"
                )
            trainable_variables = self._trainable_variables
        variables = list(trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"{self.name}.apply: expected a gradient for each of {len(variables)} variables, "
                f"got {len(grads)}"
            )
        self.build(variables)
        self._check_known(variables)
        grads, variables = self._present(grads, variables)
        if self.loss_scale_factor is not None:
            grads = [g / g.dtype.type(self.loss_scale_factor) for g in grads]
        self._step(grads, variables)
        for variable in variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self._iterations.assign_add(1)

    def _present(self, grads, variables):
        missing = [v.path for g, v in zip(grads, variables, strict=True) if g is None]
        if len(missing) == len(variables):
            raise ValueError(f"{self.name}.apply: expected at least one gradient, got only None")
        if missing:
            warnings.warn(
                f"{self.name}.apply: no gradients for {missing}, which stay as they are",
                stacklevel=3,
            )
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        arrays = [np.asarray(g, dtype=v.dtype) for g, v in pairs]
        for array, (_, variable) in zip(arrays, pairs, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"{self.name}.apply: expected a gradient of shape {variable.shape} for "
                    f"{variable.path}, got {array.shape}"
                )
        return arrays, [v for _, v in pairs]

    def _step(self, grads, variables):
        steps = self.gradient_accumulation_steps
        if steps:
            sums = [self._accumulators[self._index[v]] for v in variables]
            grads = [g + s.value for g, s in zip(grads, sums, strict=True)]
            if (self.raw_iterations + 1) % steps:
                for s, g in zip(sums, grads, strict=True):
                    s.assign(g)
            else:
                self._update([g / g.dtype.type(steps) for g in grads], variables)
                for accumulator in self._accumulators:
                    accumulator.assign(np.zeros(accumulator.shape, accumulator.dtype))
        else:
            self._update(grads, variables)
        if self.use_ema:
            self._average()

    def _update(self, grads, variables):
        rate = self._rate_at(self.raw_iterations)
        self.before_update()
        compiled = type(self).update_step is Optimizer.update_step
        clip = float(self.clipvalue or 0)
        for grad, factor, variable in zip(grads, self._clip_factors(grads), variables, strict=True):
            decay = self._decay_factor() * rate if self._use_weight_decay(variable) else 0.0
            if compiled:
                self._core_update(grad, variable, rate, factor, clip, decay)
                continue
            grad = grad * grad.dtype.type(factor)
            grad = np.clip(grad, -clip, clip) if clip > 0 else grad
            if decay:
                variable.assign(variable.value * variable.value.dtype.type(1 - decay))
            self.update_step(grad, variable, rate)

    def before_update(self):
        """Called once before the variables of a step are updated."""

    def _clip_factors(self, grads):
        norms = [float(np.linalg.norm(g.astype("float64").ravel())) for g in grads]
        if self.clipnorm and self.clipnorm > 0:
            return [min(1.0, self.clipnorm / n) if n > 0 else 1.0 for n in norms]
        if self.global_clipnorm and self.global_clipnorm > 0:
            norm = float(np.linalg.norm(norms))
            return [min(1.0, self.global_clipnorm / norm) if norm > 0 else 1.0] * len(grads)
        return [1.0] * len(grads)

    def _core_update(self, gradient, variable, rate, factor=1.0, clip=0.0, decay=0.0):
        kind, attributes = self.lower()
        _core.optimizer_update(
            kind,
            attributes,
            variable._storage,
            np.asarray(gradient),  # of a scalar variable it may be a NumPy scalar
            [s._storage for s in self.slots_for(variable) if s._storage is not None],
            rate,
            int(self.iterations) + 1,
            factor,
            clip,
            decay,
        )

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable from its gradient, after clipping and weight decay."""
        self._core_update(np.asarray(gradient, variable.dtype), variable, float(learning_rate))

    def assign(self, variable, value):
        """Overwrite a variable."""
        variable.assign(value)

    def assign_add(self, variable, value):
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable, value):
        """Subtract from a variable."""
        variable.assign_sub(value)

    def scale_loss(self, loss):
        """Return the loss times `loss_scale_factor`, whose gradients `apply` expects."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """Return what `apply` would make of the given values, without changing any variable.

        Returns:
            A list of arrays for the trainable variables and one for `variables`.
        """
        if not self.built:
            raise ValueError(
                f"{self.name}.stateless_apply: expected a built optimizer; call build first"
            )
        state = [*self._trainable_variables, *self.variables]
        values = [*trainable_variables, *optimizer_variables]
        if len(values) != len(state):
            raise ValueError(
                f"{self.name}.stateless_apply: expected {len(self._trainable_variables)} model "
                f"and {len(self.variables)} optimizer arrays, got {len(trainable_variables)} and "
                f"{len(optimizer_variables)}"
            )
        before = [v.numpy() for v in state]
        try:
            for variable, value in zip(state, values, strict=True):
                variable.assign(value)
            self.apply(grads)
            after = [v.numpy() for v in state]
        finally:
            for variable, value in zip(state, before, strict=True):
                variable.assign(value)
        count = len(self._trainable_variables)
        return after[:count], after[count:]

    # --- weight decay and averages

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
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

    def finalize_variable_values(self, var_list):
        """Overwrite variables with their moving averages, if there are any."""
        if not self.use_ema or not self.built:
            return
        self._check_known(var_list)
        for variable in var_list:
            variable.assign(self._averages[self._index[variable]])

    # --- configs

    def get_config(self):
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
    def from_config(cls, config, custom_objects=None):
        """Return the optimizer that `get_config` described, without state."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = deserialize_keras_object(
                config["learning_rate"], custom_objects
            )
        return construct(cls, config)

    def __repr__(self):
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
