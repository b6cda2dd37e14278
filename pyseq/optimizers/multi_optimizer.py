"""`MultiOptimizer`: one optimizer for some variables, another for the rest."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.optimizers.loss_scale_optimizer import LossScaleOptimizer
from pyseq.optimizers.optimizer import Optimizer
from pyseq.registry.registration import builtin
from pyseq.registry.serialization import (
    construct,
    deserialize_keras_object,
    serialize_keras_object,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Config, CustomObjects, OptimizerLike
    from pyseq.variable import Variable


@builtin("optimizers")
class OptimizerMap(MutableMapping):
    """Optimizers by regular expressions that match a whole `variable.path`.

    Args:
        default_optimizer: for variables that no expression matches.
        optimizer_map: `{expression: optimizer}`, or None.

    >>> from pyseq.optimizers import SGD, Adam
    >>> chosen = OptimizerMap(Adam(), {"embedding/.*": SGD()})
    >>> type(chosen["embedding/embeddings"]).__name__, type(chosen["dense/kernel"]).__name__
    ('SGD', 'Adam')
    """

    def __init__(self, default_optimizer: OptimizerLike, optimizer_map: Any = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                f"OptimizerMap(default_optimizer): expected an Optimizer, got {default_optimizer!r}"
            )
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"OptimizerMap(optimizer_map): expected a dict, got {optimizer_map!r}")
        self._default_optimizer = default_optimizer
        self._optimizer_map = optimizer_map or {}

    @property
    def default_optimizer(self) -> Any:
        return self._default_optimizer

    def __getitem__(self, key: Any) -> Any:
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matches = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(matches) > 1:
            raise ValueError(
                f"OptimizerMap: expected one expression to match {key!r}, got {matches}"
            )
        return self._optimizer_map[matches[0]] if matches else self._default_optimizer

    def __setitem__(self, key, optimizer):
        if not isinstance(key, str) or key in self._optimizer_map:
            raise ValueError(f"OptimizerMap: expected a new string as key, got {key!r}")
        _check_inner(optimizer, repr(key))
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key):
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Any:
        return iter(self._optimizer_map)

    def __call__(self, variable: Any) -> Any:
        """Return the optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> Config:
        return {
            "default_optimizer": serialize_keras_object(self._default_optimizer),
            "optimizer_map": serialize_keras_object(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        each = {
            key: deserialize_keras_object(value, custom_objects, family="optimizers")
            for key, value in (config.get("optimizer_map") or {}).items()
        }
        default = deserialize_keras_object(
            config["default_optimizer"], custom_objects, family="optimizers"
        )
        return cls(default, each)


def _check_inner(optimizer, where):
    wrappers = (LossScaleOptimizer, MultiOptimizer)
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer, wrappers):
        raise ValueError(
            f"MultiOptimizer: expected a plain Optimizer for {where}, got {optimizer!r}; wrap the "
            f"MultiOptimizer itself instead"
        )


@builtin("optimizers")
class MultiOptimizer(Optimizer):
    """Update each variable with the optimizer that a map gives it.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from a variable to an optimizer.
        loss_scale_factor: set on all of them.
        name: name in configs.
    """

    def __init__(
        self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None
    ) -> None:
        self._inner_optimizers = []
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._adopt(optimizer)

    def _adopt(self, optimizer):
        if not any(o is optimizer for o in self._inner_optimizers):
            optimizer.loss_scale_factor = self.loss_scale_factor
            self._inner_optimizers.append(optimizer)

    def build(self, variables: Any) -> None:
        if self.built:
            return
        variables = list(variables)
        self._optimizer_of = {}
        for variable in variables:
            optimizer = self._optimizer_map(variable)
            _check_inner(optimizer, variable.path)
            self._adopt(optimizer)
            self._optimizer_of[variable] = optimizer
        for optimizer, own in self._groups(variables):
            optimizer.build(own)
        super().build(variables)

    def start_from_weights(self) -> None:
        for optimizer in self._planned():
            optimizer.start_from_weights()

    def _groups(self, variables):
        """Yield the optimizers that have variables, with these."""
        for optimizer in self._inner_optimizers:
            own = [v for v in variables if self._optimizer_of[v] is optimizer]
            if own:
                yield optimizer, own

    @property
    def optimizers(self) -> Any:
        """The optimizers in the order in which their state is saved."""
        return list(self._inner_optimizers)

    def saved_children(self) -> Any:
        return (("optimizers", self.optimizers),)

    @property
    def variables(self) -> list[Variable]:
        inner = [v for optimizer in self._inner_optimizers for v in optimizer.variables]
        return [*self._variables, *inner]

    @property
    def learning_rate(self) -> Any:
        raise AttributeError(
            "MultiOptimizer.learning_rate: expected to be asked of one of .optimizers, each of "
            "which has its own"
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            "MultiOptimizer.learning_rate: expected to be set on one of .optimizers, each of "
            "which has its own"
        )

    @property
    def loss_scale_factor(self) -> Any:
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: Any) -> None:
        self._loss_scale_factor = value
        for optimizer in self._inner_optimizers:
            optimizer.loss_scale_factor = value

    @property
    def iterations(self) -> Any:
        return self._iterations

    def _planned(self):
        return [optimizer for optimizer, _ in self._groups(self._trainable_variables)]

    @property
    def has_schedule(self) -> bool:
        return any(optimizer.has_schedule for optimizer in self._planned())

    def learning_rates(self, iteration: Any, count: Any) -> Any:
        rates = [o.learning_rates(o.raw_iterations, count) for o in self._planned()]
        return np.ascontiguousarray(np.stack(rates, axis=1))

    def advance(self, steps: Any) -> None:
        super().advance(steps)
        for optimizer in self._planned():
            optimizer.advance(steps)

    def plan(self, variables: Any) -> Any:
        self._check_known(variables)
        plan = {"optimizers": [], "parameters": []}
        entries = {}
        for number, optimizer in enumerate(self._planned()):
            own = [v for v in variables if self._optimizer_of[v] is optimizer]
            inner = optimizer.plan(own)
            plan["optimizers"] += inner["optimizers"]
            for variable, entry in zip(own, inner["parameters"], strict=True):
                entries[variable] = dict(entry, optimizer=number)
        plan["parameters"] = [entries[v] for v in variables]
        return plan

    def slots_for(self, variable: Any) -> Any:
        return self._optimizer_of[variable].slots_for(variable)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        for optimizer in self._inner_optimizers:
            optimizer.exclude_from_weight_decay(var_list, var_names)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        grads = list(grads)
        if not grads:
            return
        if trainable_variables is None and not self.built:
            raise ValueError(
                f"{self.name}.apply: expected variables or a built optimizer, got neither; call "
                f"build(variables) first"
            )
        variables = list(trainable_variables or self._trainable_variables)
        if len(grads) != len(variables):
            raise ValueError(
                f"{self.name}.apply: expected a gradient for each of {len(variables)} variables, "
                f"got {len(grads)}"
            )
        self.build(variables)
        self._check_known(variables)
        gradient_of = {v: g for v, g in zip(variables, grads, strict=True)}
        for optimizer, own in self._groups(variables):
            optimizer.apply([gradient_of[v] for v in own], own)
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Any) -> None:
        if not self.built:
            return
        for optimizer, own in self._groups(list(var_list)):
            optimizer.finalize_variable_values(own)

    def get_config(self) -> Config:
        return {
            "optimizer_map": serialize_keras_object(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: CustomObjects = None) -> Self:
        config = dict(config)
        config["optimizer_map"] = deserialize_keras_object(
            config["optimizer_map"], custom_objects, family="optimizers"
        )
        return construct(cls, config)
