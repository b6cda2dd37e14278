"""`compile`, and what it keeps: optimizer, loss, metrics."""

from __future__ import annotations

from pyseq import optimizers
from pyseq.registry import serialization
from pyseq.training.compile_metrics import CompiledLoss, CompiledMetrics, metric_value


class Compilation:
    """The part of `Model` that knows what it is trained for."""

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Choose the optimizer, loss and metrics.

        Args:
            optimizer: name or instance.
            loss: name, function or instance of pyseq.losses.
            loss_weights: number (or list of one) that multiplies the loss.
            metrics, weighted_metrics: names, functions or instances; "accuracy" becomes the
                accuracy that fits the output and the targets.
            steps_per_execution: batches between two calls of callbacks that watch batches.
            run_eagerly, jit_compile, auto_scale_loss: accepted as in Keras; every model is
                compiled here.
        """
        self.optimizer = optimizers.get(optimizer)
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
        # As in Keras, compiling again without a loss or metrics keeps those there are.
        if loss is not None or self._compiled_loss is None:
            self.loss = loss
            self._compiled_loss = CompiledLoss(loss, loss_weights)
        if metrics is not None or weighted_metrics is not None or self._compiled_metrics is None:
            self._compiled_metrics = CompiledMetrics(metrics, weighted_metrics)
        self.run_eagerly = run_eagerly
        self.steps_per_execution = steps_per_execution
        self.jit_compile = bool(jit_compile)
        self.stop_training = False
        self.compiled = True
        self._programs = {}

    compiled = False

    def compile_from_config(self, config):
        """Compile as a saved model was: `config` comes from `get_compile_config`."""
        if not config:
            return
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
        self.compile(**{k: v for k, v in config.items() if k in known})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_weights)

    def get_compile_config(self):
        """The arguments of `compile` as plain data, or None if the model is not compiled."""
        if not self.compiled:
            return None
        config = dict(self._compile_config, optimizer=self.optimizer)
        return {k: _serialize(v) for k, v in config.items()}

    @property
    def metrics(self):
        """The loss tracker's name stands in `metrics_names`; these are the metric objects."""
        if self._compiled_metrics is None:
            return []
        return [metric for _, metric, _ in self._compiled_metrics.entries]

    @property
    def metrics_names(self):
        names = ["loss"]
        if self._compiled_metrics is not None and self.metrics:
            names.append("compile_metrics")
        return names

    def reset_metrics(self):
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self):
        """`{name: value}` of all metrics."""
        if self._compiled_metrics is None:
            return {}
        return {n: metric_value(n, m) for n, m, _ in self._compiled_metrics.entries}

    def _check_compiled(self, where):
        if not self.compiled:
            raise ValueError(
                f"{self.name}.{where}: expected a compiled model, got one without optimizer and "
                "loss; call `compile` first"
            )
        for name in ("train_step", "test_step", "compute_loss", "compute_metrics"):
            if hasattr(type(self), name):
                raise ValueError(
                    f"{self.name}.{where}: expected a model without a `{name}` of its own, got "
                    f"{type(self).__name__}.{name}; the compiled step would not call it: use a "
                    "built-in loss, metrics, callbacks or `train_on_batch`"
                )


def _serialize(value):
    if isinstance(value, (list, tuple)):
        return [_serialize(v) for v in value]
    if isinstance(value, dict):
        return {k: _serialize(v) for k, v in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return serialization.serialize_keras_object(value)
