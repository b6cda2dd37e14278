"""A compiled model's training or evaluation step, lowered for one input and target shape."""

from __future__ import annotations

import functools
import math

import numpy as np

from pyseq import _core, lowering, regularizers, settings, tracing
from pyseq.checks.target_shapes import broadcast_shape, target_shape
from pyseq.registry.registration import builtin_name
from pyseq.training.own_steps import OwnLoss, OwnMetrics
from pyseq.variable import HalfVariable


class StepProgram:
    """The model, its loss, metrics and optimizer as one `_core.Trainer`.

    Args:
        model: a compiled model.
        x_shape, y_shape: per-sample shapes of inputs and targets (None without targets).
        training: True for a step that trains, False for evaluation.
        batch_size: rows of a batch where a stateful layer fixes it.
        rows: the largest batch, None for steps that leave this process.
    """

    checked = False  # whether data of a single batch were looked at
    agreed = None  # in which `fit` all processes that train together were found to have the same
    needs_rows = False  # whether its layers compute over all of them, so that each needs rows
    seconds_per_batch = None  # there
    averaged = None  # variables with means over them; known once the program has run

    def __init__(
        self, model, x_shape, y_shape, training, batch_size=None, where="fit", rows=None
    ):
        self.training = training
        graph, output = lowering.lower(
            model, x_shape, training, batch_size, losses=True, rows=rows
        )
        if isinstance(output, (list, tuple)):
            raise ValueError(
                f"{(model.output_layer or model).name}: expected one output to train on, got "
                f"{len(output)}; set return_state=False"
            )
        output = graph.real(output)  # losses and metrics compare floats
        self.graph, self.device = graph, settings.device
        self.output_shape = output.shape
        self.has_targets = y_shape is not None
        loss = None
        if y_shape is not None:
            model._compiled_loss.build((None, *y_shape), (None, *output.shape))
            loss = model._compiled_loss.loss
        lowered = loss.lower() if loss is not None else None
        self.kind, self.attrs = (None, {}) if loss is None else lowered or ("value", {})
        self.has_own_loss = model._defines("compute_loss")
        if self.has_own_loss:
            self.kind, self.attrs = "value", {}
        self.target, self.broadcasts = (), False
        if y_shape is not None:
            self._choose_target(model, y_shape, where)
        mask = output.mask.slot if output.mask is not None else -1
        spec = {
            "target": list(self.target),
            "loss": None,
            "metrics": [],
            "optimizers": [],
            "parameters": [],
        }
        self._add_loss(model, spec, loss, output, y_shape)
        self.core_metrics, self.python_metrics = [], []
        self.host_constraints = []  # variables whose constraint is a user's function
        self.own_metrics = None
        if model._defines("compute_metrics"):
            self.own_metrics = OwnMetrics(model)
            self.python_metrics.append((OwnMetrics.name, self.own_metrics, True))
        elif y_shape is not None:
            self._split_metrics(model, spec, output, mask)
        if training:
            self._add_optimizer(model, spec)
        elif not self.has_own_loss:
            self._add_penalties(model, spec)
        self.dtype = np.dtype(graph.dtype)
        self.mask_shape = None
        if output.mask is not None and any(
            getattr(metric, "uses_mask", False) for _, metric, _ in self.python_metrics
        ):
            self.mask_shape = output.mask.shape
            output = _with_mask_behind(graph, output)
        self.predictions_shape = output.shape
        self.program = graph.program(output)
        self.totals = None  # whose sums the trainer holds
        self.spec = spec
        self.trainer = _core.Trainer(self.program, [v._storage for v in graph.variables], spec)
        self.halves = [v for v in graph.variables if isinstance(v, HalfVariable)]
        if training and self.halves:
            self.constrain = functools.partial(_constrain_halves, self)

    def _choose_target(self, model, y_shape, where):
        """The shape that targets get, and whether each stands for all numbers of its row."""
        shape = broadcast_shape(self.kind, y_shape, self.output_shape)
        self.broadcasts = shape is not None
        if shape is None:
            self.target = target_shape(model, self.kind, y_shape, self.output_shape, where)
            return
        self.target, self.kind, self.attrs = shape, "value", {}

    def _add_loss(self, model, spec, loss, output, y_shape):
        graph = self.graph
        if self.has_own_loss:
            own = OwnLoss(model, graph, output, None if y_shape is None else self.target)
            spec["loss"] = {
                "kind": "value",
                "attrs": {},
                "slot": own.value.slot,
                "mask": -1,
                "reduction": "sum_over_batch_size",
                "weight": 1.0,
            }
            return
        self._trace_penalties(model)
        if loss is None or y_shape is None:
            return
        if self.kind == "value":
            value, attrs = tracing.loss_value(graph, loss, self.target, output, loss.name), {}
        else:
            value, attrs = lowering.logits_of(graph, output, self.kind, self.attrs)
        spec["loss"] = {
            "kind": self.kind,
            "attrs": {k: lowering.plain(v) for k, v in attrs.items() if v is not None},
            "slot": value.slot,
            "mask": output.mask.slot if output.mask is not None else -1,
            "reduction": loss.reduction,
            "weight": model._compiled_loss.weight,
        }

    def _trace_penalties(self, model):
        known = {id(v) for v in self.graph.variables}
        for variable in model.trainable_weights:
            if id(variable) in known and _lower_regularizer(variable) is None:
                tracing.lower_penalty(self.graph, variable.regularizer, variable)

    def _split_metrics(self, model, spec, output, mask):
        compiled = model._compiled_metrics
        compiled.build((None, *self.target), (None, *output.shape))
        for name, metric, weighted in compiled.entries:
            # A user's subclass may override any method: it runs in Python.
            lowered = metric.lower() if builtin_name(type(metric)) else None
            if lowered is None or self.broadcasts:
                self.python_metrics.append((name, metric, weighted))
                continue
            kind, attrs = lowered
            target = target_shape(model, _metric_kind(kind), self.target, output.shape)
            if tuple(target) != tuple(self.target):
                self.python_metrics.append((name, metric, weighted))
                continue
            spec["metrics"].append(
                {
                    "kind": kind,
                    "attrs": {k: lowering.plain(v) for k, v in attrs.items() if v is not None},
                    "slot": output.slot,
                    "mask": mask if getattr(metric, "uses_mask", False) else -1,
                    "weighted": weighted,
                }
            )
            self.core_metrics.append((name, metric))

    def _add_optimizer(self, model, spec):
        optimizer = model.optimizer
        index = {id(v): i for i, v in enumerate(self.graph.variables)}
        trained = [v for v in model.trainable_weights if id(v) in index]
        optimizer.build(model.trainable_weights)
        plan = optimizer.plan(trained)
        spec["optimizers"] = plan["optimizers"]
        for variable, entry in zip(trained, plan["parameters"]):
            entry = dict(entry, variable=index[id(variable)])
            entry["slots"] = [s._storage for s in entry["slots"]]
            for key in ("average", "accumulator"):
                if entry.get(key) is not None:
                    entry[key] = entry[key]._storage
            if not self.has_own_loss and (penalty := _lower_regularizer(variable)):
                entry["penalty"] = penalty
            if regularizers.is_compiled(variable.constraint):
                entry["constraint"] = _lower_constraint(variable)
            elif variable.constraint is not None:
                self.host_constraints.append(variable)
            spec["parameters"].append(entry)

    def _add_penalties(self, model, spec):
        """Weight regularizers belong to the loss of an evaluation too."""
        index = {id(v): i for i, v in enumerate(self.graph.variables)}
        for variable in model.trainable_weights:
            penalty = _lower_regularizer(variable)
            if penalty and id(variable) in index:
                spec["parameters"].append(
                    {"variable": index[id(variable)], "slots": [], "penalty": penalty}
                )

    def constrain(self):
        """Apply the constraints that are functions of users, after a step."""
        for variable in self.host_constraints:
            variable.assign(np.asarray(variable.constraint(variable.value)))

    def settle(self):
        """Round the weights of 16-bit floats."""
        for variable in self.halves:
            variable.settle()

    def split_predictions(self, predictions):
        """(outputs, mask or None) from rows of what the program put out."""
        if self.mask_shape is None:
            return predictions, None
        size = math.prod(self.output_shape)
        rows = len(predictions)
        return (
            predictions[:, :size].reshape(rows, *self.output_shape),
            predictions[:, size:].reshape(rows, *self.mask_shape),
        )

    def prepare_inputs(self, x):
        """Rows as a GPU gathers them: it converts to floats, not to int64."""
        if self.device == "cpu" or 0 not in self.graph.int64:
            return x
        return np.ascontiguousarray(x, "int64")

    def prepare_targets(self, y, rows):
        """Give targets of so many rows the rank that the loss compares with the output."""
        if y is None:  # the core computes no loss without targets
            return np.zeros(rows, self.dtype) if self.has_own_loss else None
        return y if y.shape[1:] == self.target else y.reshape((len(y), *self.target))

    def prepare_weights(self, weights, where="fit"):
        """Sample weights as (n,) or (n, rows of the loss)."""
        if weights is None:
            return None
        if self.has_own_loss:
            raise ValueError(
                f"{where}: expected no sample_weight or class_weight beside a `compute_loss` of "
                "the model's own, got weights; make them part of x or y"
            )
        rows = self.output_shape[:-1]
        if weights.ndim > 1 and weights.shape[1:] not in ((1,), tuple(rows)):
            if weights.shape[1:] != (*rows, 1):
                raise ValueError(
                    f"{where}: expected sample_weight of shape (n,) or {(None, *rows)}, got "
                    f"{weights.shape}"
                )
        return weights.reshape(len(weights), -1) if weights.ndim > 1 else weights


def _constrain_halves(program):
    """`StepProgram.constrain` where weights have 16 bits; within an epoch they keep float32."""
    StepProgram.constrain(program)
    if not program.totals.in_epoch:
        program.settle()


def _with_mask_behind(graph, output):
    """Output and mask in one row of numbers, as a run hands out one array of predictions."""
    parts = []
    for value in (output, output.mask):
        parts.append(graph.op("reshape", value, (math.prod(value.shape),), name="predictions"))
    size = sum(part.shape[0] for part in parts)
    return graph.op("concat", parts, (size,), name="predictions", axis=-1)


def _metric_kind(kind):
    """Metrics on integer labels compare shapes as the sparse loss does."""
    return "sparse_categorical_crossentropy" if kind.startswith("sparse_") else kind


def _lower_regularizer(variable):
    """Description of a weight's regularizer, {} where it has none, None for a user's own."""
    if variable.regularizer is None:
        return {}
    return variable.regularizer.lower() if regularizers.is_compiled(variable.regularizer) else None


def _lower_constraint(variable):
    lowered = variable.constraint.lower()
    if "axis" in lowered:
        lowered = dict(lowered, axis=[a % variable.ndim for a in lowered["axis"]])
    return lowered
