"""One step of an optimizer on arrays, with the compiled update of each variable."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import _core

if TYPE_CHECKING:
    from pyseq.types import LearningRate, Tensor


class Steps:
    """The part of `Optimizer` that makes steps outside of the training loop."""

    def apply_gradients(self, grads_and_vars: Any) -> Any:
        """Do one step from pairs (gradient, variable); returns the step counter."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
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
        arrays = [np.asarray(g, dtype=v.stored_dtype) for g, v in pairs]
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
                    accumulator.assign(np.zeros(accumulator.shape, accumulator.stored_dtype))
        else:
            self._update(grads, variables)
        if self.use_ema:
            self._average()

    def _update(self, grads, variables):
        rate = self._rate_at(self.raw_iterations)
        self.before_update()
        compiled = type(self).update_step is Steps.update_step
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

    def before_update(self) -> None:
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

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: LearningRate) -> None:
        """Update one variable from its gradient, after clipping and weight decay."""
        gradient = np.asarray(gradient, variable.stored_dtype)
        self._core_update(gradient, variable, float(learning_rate))

    def assign(self, variable: Any, value: Any) -> Any:
        """Overwrite a variable."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> Any:
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Any, value: Any) -> Any:
        """Subtract from a variable."""
        variable.assign_sub(value)

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss times `loss_scale_factor`, whose gradients `apply` expects."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def stateless_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> Any:
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
        lengths = len(self._trainable_variables), len(self.variables)
        if (len(trainable_variables), len(optimizer_variables)) != lengths:
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
