"""The state of an optimizer: learning rate, counters, what it keeps for each variable."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import initializers, settings
from pyseq.registry.serialization import serialize_keras_object
from pyseq.schedules import ExponentialDecay, LearningRateSchedule
from pyseq.variable import Variable

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, InitializerLike, Shape


class State:
    """The part of `Optimizer` that keeps variables of its own."""

    @property
    def learning_rate(self) -> Any:
        """The current learning rate: a variable, or the number that a schedule gives now.

        Assigning a number changes the variable; an optimizer made with a schedule refuses one.
        """
        if isinstance(self._learning_rate, Variable):
            return self._learning_rate
        return self._rate_at(int(self._iterations))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
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
    def has_schedule(self) -> bool:
        """Whether the learning rate may differ from step to step."""
        return not isinstance(self._learning_rate, Variable)

    def learning_rates(self, iteration: Any, count: Any) -> Any:
        """Return the learning rates of `count` steps from step number `iteration` on.

        Returns:
            float64 array `(count,)`; `(count, n)` for n optimizers in one.
        """
        rate = self._learning_rate
        if isinstance(rate, Variable):
            rates = np.empty(count)  # `np.full` would take as long as a small step
            rates.fill(float(rate.value))
            return rates
        return np.array([self._rate_at(iteration + i) for i in range(count)], dtype="float64")

    @property
    def iterations(self) -> Any:
        """Number of updates made: a variable, or an integer where gradients accumulate."""
        if self.gradient_accumulation_steps:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    @property
    def raw_iterations(self) -> int:
        """Number of steps made, an int; several of them make one update if gradients accumulate."""
        return self._iterations.value.item()

    def advance(self, steps: Any) -> None:
        """Count steps that the compiled training loop made."""
        self._iterations.count(steps)

    @property
    def variables(self) -> list[Variable]:
        """All state in the order in which it is saved: iteration, learning rate, then the slots."""
        return list(self._variables)

    def saved_children(self) -> Any:
        """Return `(name, optimizers)` of those within this one."""
        return ()

    def _state(self, value, dtype, name):
        """Create a state variable of this value."""
        path = f"{self.name}/{name}"
        variable = Variable(value, dtype=dtype, trainable=False, name=name, path=path)
        self._variables.append(variable)
        return variable

    def add_variable(
        self,
        shape: Shape,
        initializer: InitializerLike = "zeros",
        dtype: DTypeLike = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Variable:
        """Create and return a state variable that is not tied to a model variable."""
        value = initializers.get(initializer)(shape=tuple(shape), dtype=dtype or settings.floatx)
        name = name or "variable"
        return self._state(value, dtype, name)

    def add_variable_from_reference(
        self,
        reference_variable: Any,
        name: str | None = None,
        initializer: InitializerLike = "zeros",
    ) -> Any:
        """Create and return a state variable of the shape and dtype of a model variable."""
        prefix = getattr(reference_variable, "path", reference_variable.name).replace("/", "_")
        return self.add_variable(
            reference_variable.shape,
            initializer,
            reference_variable.dtype,
            f"{prefix}_{name or 'var'}",
        )

    def add_optimizer_variables(
        self, trainable_variables: Any, name: str, initializer: InitializerLike = "zeros"
    ) -> Any:
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

    def build(self, variables: Any) -> None:
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
        self.start_from_weights()
        self.built = True

    def start_from_weights(self) -> None:
        """Set what begins with the values of the weights; called before the first update."""

    def build_slots(self, variables: Any) -> None:
        """Create what `kind` keeps for each variable, group by group in the order of saving."""
        for group in self.slot_groups():
            for variable in variables:
                for name in group:
                    self._slots[variable].append(
                        self.add_variable_from_reference(
                            variable, name, self.initial_slot(name, variable)
                        )
                    )

    def slot_groups(self) -> Any:
        """Return lists of slot names; the slots of one list lie beside each other when saved."""
        return []

    def initial_slot(self, name: str, variable: Any) -> str:
        """Return the initializer of a slot."""
        return "zeros"

    def slots_for(self, variable: Any) -> Any:
        """Return the state variables of a model variable, in the order of the compiled update."""
        return list(self._slots[variable])

    def _get_variable_index(self, variable):
        """Number of `variable` in `build`, under the name that `update_step` of subclasses uses."""
        return self._index[variable]

    def set_weights(self, weights: Any) -> None:
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

    def save_own_variables(self, store: Any) -> None:
        """Write `variables` to `store` under "0", "1", ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def saved_variables(self, shapes: Any) -> Any:
        """Return those of `variables` that arrays of these shapes are for, in order, or None.

        Keras 2 did not save the learning rate with the state.
        """
        shapes = list(shapes)
        without = [v for v in self.variables if v is not self._learning_rate]
        for variables in (self.variables, without):
            if [v.shape for v in variables] == shapes:
                return variables
        return None

    def load_own_variables(self, store: Any) -> None:
        """Read `variables` from `store`; another number of them is skipped with a warning."""
        variables = self.variables
        if len(store.keys()) == len(variables) - 1:
            variables = self.saved_variables(
                np.shape(store[str(i)]) for i in range(len(variables) - 1)
            )
        if variables is None or len(store.keys()) != len(variables):
            warnings.warn(
                f"{self.name}: the file holds {len(store.keys())} optimizer variables, the "
                f"optimizer has {len(self.variables)}; its state is not loaded",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(variables):
            variable.assign(np.asarray(store[str(i)]))
