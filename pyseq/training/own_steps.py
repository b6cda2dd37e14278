"""`compute_loss` and `compute_metrics`, which subclasses of models may define."""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic, tracing

if TYPE_CHECKING:
    from pyseq.types import Logs, Tensor

_traced = contextvars.ContextVar("pyseq_own_loss", default=None)


class OwnSteps:
    """The part of `Model` that says what one batch costs, and what its logs are."""

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Any:
        """The loss of `compile` and all that layers and weights add to it.

        A subclass may define it: its code is called once with symbolic tensors and becomes part of
        the compiled step. Without the call of `super().compute_loss` and without `self.losses`,
        regularizers of weights do not count.

        Args:
            x, y, y_pred: inputs, targets and outputs of a batch.
            sample_weight: weights of the rows; a method of a subclass gets None.
            training: whether the step trains.

        Returns:
            One number.
        """
        own = _traced.get()
        compiled = self._compiled_loss
        loss = None
        if compiled is not None and compiled.user_loss is not None:
            if own is not None and own.output.mask is not None:
                raise ValueError(
                    f"{self.name}.compute_loss: expected an output without a mask, got one from "
                    "Embedding(mask_zero=True) or Masking; use a loss of compile without a "
                    "`compute_loss` of your own, or compute the loss with the mask there"
                )
            loss = compiled(y, y_pred, sample_weight)
        if own is not None:
            own.added = True
        penalties = own.penalties() if own is not None else self.losses
        for penalty in penalties:
            penalty = np.sum(penalty)
            loss = penalty if loss is None else loss + penalty
        if loss is None and own is not None and own.graph.adds_losses:
            return 0.0
        if loss is None:
            self._require_loss("compute_loss")
        return loss

    def compute_metrics(
        self, x: Tensor, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None
    ) -> Logs:
        """Add a batch to the metrics of `compile`; returns `{name: value}` of all metrics.

        A subclass may define it: it is called with the arrays of each batch, and what it returns
        for the last one stands in the logs.
        """
        if self._compiled_metrics is not None and y is not None:
            self._compiled_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    @property
    def losses(self) -> list[Any]:
        own = _traced.get()
        if own is None or symbolic.trace.get() is None:
            return super().losses
        if own.graph.adds_losses:
            raise ValueError(
                f"{self.name}.losses: expected only regularizers of weights, got an "
                "activity_regularizer or add_loss in a layer; call super().compute_loss(...) in "
                "compute_loss, which counts them"
            )
        return own.penalties()

    @classmethod
    def _defines(cls, name):
        return getattr(cls, name) is not getattr(OwnSteps, name)


class OwnLoss:
    """A model's own `compute_loss`, traced into the program of a step.

    Args:
        model: a model whose class defines `compute_loss`.
        graph: the program that holds the model.
        output: value of its output.
        target: shape of the targets of a row, None without them.

    Attributes:
        value: the loss, repeated for each row.
    """

    def __init__(self, model, graph, output, target):
        self.model, self.graph, self.output = model, graph, output
        self.added = False
        with self._current():
            self.value = tracing.own_loss(graph, model.compute_loss, target, output, model.name)
        if graph.adds_losses and not self.added:
            raise ValueError(
                f"{model.name}.compute_loss: expected it to count what layers add to the loss "
                "(activity_regularizer, add_loss), got none; call super().compute_loss(...) in it, "
                "or leave them out"
            )

    @contextlib.contextmanager
    def _current(self):
        token = _traced.set(self)
        try:
            yield
        finally:
            _traced.reset(token)

    def penalties(self):
        """One tensor for each regularized trainable weight."""
        trace = symbolic.trace.get()
        weights = self.model.trainable_weights
        return [v.regularizer(trace.tensor(v)) for v in weights if v.regularizer is not None]


class OwnMetrics:
    """A model's own `compute_metrics`, with the results of the last batch."""

    name = "compute_metrics"

    def __init__(self, model):
        self.model = model
        self.results = {}

    def update(self, x, y, y_pred, sample_weight):
        """Add a batch."""
        results = self.model.compute_metrics(x, y, y_pred, sample_weight=sample_weight)
        if not isinstance(results, dict):
            raise TypeError(
                f"{self.model.name}.compute_metrics: expected a dict of names and values, got "
                f"{results!r} of type {type(results).__name__}; return self.get_metrics_result()"
            )
        self.results = results

    def result(self):
        """`{name: value}` of the batches so far."""
        return self.results
