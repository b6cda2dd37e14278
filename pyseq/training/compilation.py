"""`compile`, and what it keeps: optimizer, loss, metrics."""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, Literal

from pyseq import checks, hooks, metrics, optimizers, revision
from pyseq.registry import serialization
from pyseq.registry.left_out import leaving_out, serialize_part
from pyseq.training.compile_metrics import CompiledLoss, CompiledMetrics, metric_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyseq.metrics.base import Metric
    from pyseq.types import Config, Logs, LossLike, MetricsLike, OptimizerLike


class Compilation:
    """The part of `Model` that knows what it is trained for."""

    @hooks.takes_old_spellings
    def compile(
        self,
        optimizer: OptimizerLike = "rmsprop",
        loss: LossLike = None,
        loss_weights: float | Sequence[float] | Mapping[str, float] | None = None,
        metrics: MetricsLike = None,
        weighted_metrics: MetricsLike = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | Literal["auto"] = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Choose the optimizer, loss and metrics.

        Args:
            optimizer: name or instance.
            loss: name, function or instance of pyseq.losses.
            loss_weights: number (or list of one) that multiplies the loss.
            metrics, weighted_metrics: names, functions or instances; "accuracy" becomes the
                accuracy that fits the output and the targets.
            steps_per_execution: batches between two calls of callbacks that watch batches.
            run_eagerly, jit_compile: accepted as in Keras; every model is compiled here.
            auto_scale_loss: whether a `LossScaleOptimizer` is put around the optimizer of a model
                under the policy "mixed_float16".

        Raises:
            TypeError: an argument that `compile` does not take, such as `metric=`.
            ValueError: a name that is no optimizer's, loss's or metric's; nothing is changed.
        """
        # As in Keras, compiling again without a loss or metrics keeps those there are.
        compiled_loss, compiled_metrics = self._compiled_loss, self._compiled_metrics
        if loss is not None or compiled_loss is None:
            compiled_loss = CompiledLoss(loss, loss_weights)
        if metrics is not None or weighted_metrics is not None or compiled_metrics is None:
            compiled_metrics = CompiledMetrics(metrics, weighted_metrics)
        if not self._as_saved:
            compiled_loss.check_names()
            compiled_metrics.check_names()
        self.optimizer = optimizers.get(optimizer)
        if auto_scale_loss and self.dtype_policy.name == "mixed_float16" and self.optimizer:
            if not isinstance(self.optimizer, optimizers.LossScaleOptimizer):
                self.optimizer = optimizers.LossScaleOptimizer(
                    self.optimizer, name="loss_scale_optimizer"
                )
        self._compile_config = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        if compiled_loss is not self._compiled_loss:
            self.loss, self._compiled_loss = loss, compiled_loss
        self._compiled_metrics = compiled_metrics
        self.run_eagerly = run_eagerly
        self.steps_per_execution = steps_per_execution
        self.jit_compile = bool(jit_compile)
        self.stop_training = False
        self.compiled = True
        self._left_out = ()
        self._forget_programs()
        checks.forget_told(self)
        self._check_model("compile")

    compiled = False
    _left_out = ()  # what the file lacks that the model was loaded from
    _as_saved = False

    def _compile_as_saved(self, **arguments: Any) -> None:
        """`compile` with arguments of a file; `fit` tells of a name that is no loss's or metric's.

        A model predicts without the code of the one who trained it.
        """
        vars(self)["_as_saved"] = True
        try:
            self.compile(**arguments)
        finally:
            del vars(self)["_as_saved"]

    def compile_from_config(self, config: Config) -> None:
        """Compile as a saved model was: `config` comes from `get_compile_config`."""
        if not config:
            return
        left_out = config.get("left_out")
        config = {
            k: serialization.deserialize_keras_object(v) if isinstance(v, (dict, list)) else v
            for k, v in config.items()
        }
        known = (
            "optimizer",
            "loss",
            "loss_weights",
            "metrics",
            "weighted_metrics",
            "run_eagerly",
            "steps_per_execution",
            "jit_compile",
        )
        self._compile_as_saved(**{k: v for k, v in config.items() if k in known})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_weights)
        if left_out is not None:
            self._note_left_out(left_out)

    def _note_left_out(self, left_out):
        """Say what a file did not hold of the arguments of `compile`."""
        if not isinstance(left_out, list) or not all(isinstance(part, str) for part in left_out):
            raise ValueError(
                f"{self.name}: expected left_out to be a list of strings, got {left_out!r}; the "
                "file is damaged"
            )
        self._left_out = tuple(left_out)
        warnings.warn(
            f"{self.name}: expected all arguments of compile, got a file that could not hold "
            f"{', '.join(left_out)}; call compile with them, and optimizer=model.optimizer to keep "
            "its state",
            stacklevel=3,
        )

    def get_compile_config(self) -> Config | None:
        """The arguments of `compile` as plain data, or None if the model is not compiled.

        Code of users that has no registered name is left out with a warning; the entry `left_out`
        then says what that was.
        """
        if not self.compiled:
            return None
        with leaving_out() as left_out:
            config = {k: _serialize(v, k) for k, v in self._compile_arguments().items()}
        if any(part.startswith("loss ") for part in left_out):
            # Of several losses, the first is trained on: none may move up.
            config["loss"] = config["loss_weights"] = None
        if left_out:
            warnings.warn(
                f"{self.name}: expected arguments of compile that a file can hold, got "
                f"{', '.join(left_out)}; the model is saved without: use def and "
                "@pyseq.saving.register_keras_serializable(), with get_config() for a class",
                stacklevel=2,
            )
            config["left_out"] = left_out
        return config

    def _compile_arguments(self):
        return dict(self._compile_config, optimizer=self.optimizer)

    def compile_like(self, model: Any) -> None:
        """Compile with copies of what another model is compiled with; functions are shared."""
        self._compile_as_saved(**{k: _copied(v) for k, v in model._compile_arguments().items()})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_weights)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that were compiled, then those of layers; the loss is not among them."""
        compiled = self._compiled_metrics
        entries = compiled.entries if compiled is not None else ()
        return [metric for _, metric, _ in entries] + self._layer_metrics()

    def _layer_metrics(self):
        """The metrics that are attributes of the model and its layers."""
        found = self._found_metrics
        if found is None or found[0] != revision.count:
            found = self._found_metrics = (revision.count, super().metrics)
        return found[1]

    @property
    def metrics_names(self) -> list[str]:
        names = ["loss"]
        if self._compiled_metrics is not None and self._compiled_metrics.metrics:
            names.append("compile_metrics")
        return names

    def reset_metrics(self) -> None:
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> Logs:
        """`{name: value}` of all metrics."""
        entries = () if self._compiled_metrics is None else self._compiled_metrics.entries
        named = [*((n, m) for n, m, _ in entries), *((m.name, m) for m in self._layer_metrics())]
        return {name: metric_value(name, metric) for name, metric in named}

    def _require_loss(self, where):
        if self.losses or any(layer.activity_regularizer for layer in self._flatten()):
            return
        got = f"none: the file held no {', '.join(self._left_out)}" if self._left_out else "none"
        raise ValueError(
            f"{self.name}.{where}: expected a loss, got {got}; pass `loss=` to compile"
        )

    def _check_compiled(self, where):
        if not self.compiled:
            raise ValueError(
                f"{self.name}.{where}: expected a compiled model, got one without optimizer and "
                "loss; call `compile` first"
            )
        if self.loss is None and not self._defines("compute_loss"):
            self._require_loss(where)
        for name in ("train_step", "test_step", "predict_step", "make_train_function"):
            if hasattr(type(self), name):
                raise ValueError(
                    f"{self.name}.{where}: expected a model without a `{name}` of its own, got "
                    f"{type(self).__name__}.{name}; the compiled step would not call it: define "
                    "compute_loss(self, x, y, y_pred, sample_weight, training) for a loss of your "
                    "own and compute_metrics for logs, or loop over `train_on_batch`"
                )


def _serialize(value, what):
    if isinstance(value, (list, tuple)):
        return [part for v in value if (part := _serialize(v, what)) is not None]
    if isinstance(value, dict):
        parts = {k: _serialize(v, what) for k, v in value.items()}
        return {k: part for k, part in parts.items() if part is not None}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, optimizers.Optimizer):  # the model is nothing to go on with without it
        return serialization.serialize_keras_object(value)
    return serialize_part(value() if isinstance(value, type) else value, what)


def _copied(value):
    if isinstance(value, (list, tuple)):
        return [_copied(v) for v in value]
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    if isinstance(value, optimizers.Optimizer):
        return _copied_optimizer(value)
    if isinstance(value, metrics.Metric):
        value = copy.deepcopy(value)
        value.reset_state()
    # Losses and functions keep nothing from call to call.
    return value


def _copied_optimizer(optimizer):
    with leaving_out():
        new = type(optimizer).from_config(copy.deepcopy(optimizer.get_config()))
    for part, own in zip(rated_optimizers(optimizer), rated_optimizers(new), strict=True):
        if part.has_schedule:
            own.learning_rate = part._learning_rate
    return new


def rated_optimizers(optimizer):
    """The optimizers inside one, or itself, that have a learning rate of their own."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(optimizer, "optimizers", [optimizer])
