"""`Model`: compile, fit, evaluate, predict, and what belongs to them."""

from __future__ import annotations

import json

import numpy as np

from pyseq import arrays, lowering, optimizers
from pyseq import config as global_config
from pyseq.layers.base import Layer
from pyseq.layers.core import InputLayer, KerasTensor
from pyseq.saving import serialization
from pyseq.saving.registration import builtin
from pyseq.training import checks, inputs, loop, predicting
from pyseq.training.compile_metrics import CompiledLoss, CompiledMetrics
from pyseq.training.data import (
    fit_rank,
    is_array,
    to_array,
    unwrap,
)
from pyseq.training.program import StepProgram


class _ModelType(type):
    def __call__(cls, *args, **kwargs):
        if cls is not Model:
            return super().__call__(*args, **kwargs)
        from pyseq.sequential import straight_model

        return straight_model(*args, **kwargs)


@builtin("", aliases=("models.Model",))
class Model(Layer, metaclass=_ModelType):
    """Base class of models: the training loop around a stack of layers.

    `Model(inputs, outputs)` makes a `Sequential` of the layers between two symbolic tensors, such
    as `model.input` and `model.get_layer(name).output`; the layers are shared.

    A subclass defines `call(inputs)`, with its layers as attributes: like a layer's, the code is
    called once with symbolic tensors and becomes part of the compiled step.
    """

    def __init__(self, *args, trainable=True, name=None, **kwargs):
        if args or "inputs" in kwargs or "outputs" in kwargs:
            raise TypeError(
                f"{type(self).__name__}: expected a subclass of Model that defines `call`, got "
                "symbolic inputs and outputs; use Model(inputs, outputs) itself or Sequential"
            )
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._input_batch_shape = None
        self._output_batch_shape = None
        self._programs = {}
        self._predictors = {}
        # The last answer of `predict` in short: (version, row shape, dtype, runner).
        self._quick = None
        self._random_step = 0
        self.optimizer = None
        self._compile_config = None
        self._compiled_metrics = None
        self._compiled_loss = None
        self.loss = None
        # Where BackupAndRestore found that training stopped.
        self._initial_epoch = None
        self.stop_training = False
        self.stop_evaluating = False
        self.stop_predicting = False
        self.history = None
        self.run_eagerly = False
        self.steps_per_execution = 1
        self.jit_compile = True

    def __getstate__(self):
        return dict(super().__getstate__(), _programs={}, _predictors={}, _quick=None)

    # --- layers and shapes

    @property
    def layers(self):
        """The layers in order, without the InputLayer."""
        return [layer for layer in self._children() if not isinstance(layer, InputLayer)]

    @property
    def output_layer(self):
        """The layer whose output is the model's; None where `call` decides that."""
        return None

    def build(self, input_shape):
        """Build the layers that `call` uses for `input_shape`, the batch included."""
        self._input_batch_shape = tuple(input_shape)
        self._output_batch_shape = self.compute_output_shape(self._input_batch_shape)
        self.built = True

    def _known(self, what, value):
        if value is None:
            raise AttributeError(
                f"{self.name}.{what}: expected a built model, got one that has not seen its input "
                "shape; put `Input(shape)` first or call `build(input_shape)`"
            )
        return value

    @property
    def input_shape(self):
        return self._known("input_shape", self._input_batch_shape)

    @property
    def output_shape(self):
        return self._known("output_shape", self._output_batch_shape)

    # --- compile

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
        return {n: loop._plain(m.result()) for n, m, _ in self._compiled_metrics.entries}

    # --- programs

    def _forget_programs(self):
        lowering.touch()
        self._quick = None
        self._programs = {}
        self._predictors = {}
        self._runners = {}

    def _stateful(self):
        return lowering.is_stateful(self)

    def _step_program(self, mode, x_shape, y_shape, batch_size):
        training = mode == "train"
        fixed = batch_size if self._stateful() else None
        key = (training, x_shape, y_shape, fixed, lowering.state_key(self))
        program = self._programs.get(key)
        if program is None:
            where = "fit" if training else "evaluate"
            program = StepProgram(self, x_shape, y_shape, training, fixed, where)
            self._remember(key, program)
        return program

    def _remember(self, key, program):
        if len(self._programs) > 64:
            self._programs = {}
        self._programs[key] = program

    def _predictor(self, x_shape, batch_size):
        key = (x_shape, batch_size if self._stateful() else None, lowering.state_key(self))
        runner = self._predictors.get(key)
        if runner is None:
            if len(self._predictors) > 64:
                self._predictors = {}
            runner = lowering.Runner(self, x_shape, False, batch_size)
            self._predictors[key] = runner
        return runner

    def _build_for(self, shape):
        if self.built:
            self.check_input(shape)
            return
        if self._legacy_input_shape is None:
            self.build((None, *shape[1:]) if not self._stateful() else tuple(shape))
            if self._input_batch_shape is None:  # a subclass has a `build` of its own
                Model.build(self, (None, *shape[1:]))

    def __call__(self, inputs, *args, **kwargs):
        """Run the model on an array `(n, ...)`; returns a NumPy array (or a list of them)."""
        if not args and not kwargs:
            y = predicting.quick_answer(self, inputs)
            if y is not None:
                return y
        if not isinstance(inputs, KerasTensor) and arrays.trace.get() is None:
            if isinstance(inputs, (list, tuple, dict)) and len(inputs) == 1:
                inputs = unwrap(inputs, f"{self.name}: inputs")
            inputs = self._fit_input_rank(np.asarray(inputs))
        return super().__call__(inputs, *args, **kwargs)

    def _fit_input_rank(self, x):
        return fit_rank(x, self._input_batch_shape)

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

    def _check_targets(self, program, y, mode):
        where = "fit" if mode == "train" else "evaluate"
        if y is None:
            if mode == "train" and self.loss is not None:
                raise ValueError(
                    f"{where}: expected targets for loss {self.loss!r}, got none; pass y"
                )
            return
        if program.kind is not None and program.output_shape:
            checks.check_labels(program.kind, program.attrs, y, program.output_shape[-1], where)

    # --- fit

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Train for `epochs` epochs; returns a History.

        Args:
            x: array of rows (n, ...), or a generator or dataset that yields (x, y[, weights]).
            y: targets of as many rows.
            batch_size: rows of a batch, 32 by default.
            verbose: 0 silent, 1 progress bar, 2 one line per epoch; "auto" is 1.
            validation_split: share of the last rows to validate on.
            validation_data: (x, y[, sample_weight]) or a dataset.
            class_weight: {class: weight}.
            sample_weight: (n,) or (n, T) weights.

        Raises:
            ValueError: data, model and loss do not fit together; the message says how to mend it.
        """
        from pyseq.callbacks import CallbackList

        self._check_compiled("fit")
        if self.loss is None:
            self._require_loss()
        if epochs is None or int(epochs) < 0:
            raise ValueError(f"fit: expected epochs of 0 or more, got {epochs}")
        if steps_per_epoch is not None and int(steps_per_epoch) < 1:
            raise ValueError(f"fit: expected steps_per_epoch of 1 or more, got {steps_per_epoch}")
        if validation_split and validation_data is None:
            if not (is_array(x) or isinstance(x, (list, dict, tuple))):
                raise ValueError(
                    "fit: expected arrays for validation_split, got a stream; pass validation_data"
                )
            x, y, sample_weight, validation_data = inputs.split(
                x, y, sample_weight, validation_split
            )
        source = inputs.open_data(
            self, x, y, sample_weight, batch_size, shuffle, steps_per_epoch, "fit", class_weight
        )
        self._check_first(source, "train")
        limit = global_config.max_epochs()
        epochs = int(epochs) if limit is None else min(int(epochs), limit)
        verbose = 1 if verbose == "auto" else int(verbose)
        callback_list = CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=source.batches,
        )
        self.stop_training = False
        per_batch = callback_list.needs_batches("train")
        validation = None
        logs = {}
        self._initial_epoch = None
        callback_list.on_train_begin()
        initial_epoch = self._initial_epoch or initial_epoch
        try:
            for epoch in range(int(initial_epoch), epochs):
                self.reset_metrics()
                callback_list.on_epoch_begin(epoch)
                totals = loop.Totals(self)
                source.run(
                    self, "train", totals, callback_list, per_batch, lambda: self.stop_training
                )
                logs = dict(totals.logs())
                if validation_data is not None and _validates(epoch, validation_freq):
                    if validation is None:
                        validation = self._validation(
                            validation_data, validation_batch_size or batch_size, validation_steps
                        )
                    result = self._evaluate(validation, callback_list)
                    logs.update({f"val_{k}": result[k] for k in sorted(result)})
                callback_list.on_epoch_end(epoch, logs)
                if self.stop_training or getattr(source, "exhausted", False):
                    break
            if hasattr(self.optimizer, "finalize_variable_values") and epochs > 0:
                self.optimizer.finalize_variable_values(self.trainable_weights)
        except BaseException:
            self.stop_training = True
            raise
        finally:
            source.close()
            if validation is not None:
                validation.close()
        callback_list.on_train_end(logs)
        return self.history

    def _require_loss(self):
        if not any(layer.activity_regularizer for layer in self._flatten()) and not self.losses:
            raise ValueError(f"{self.name}.fit: expected a loss, got none; pass `loss=` to compile")

    def _validation(self, data, batch_size, steps):
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            x, y, w = (*data, None)[:3]
            source = inputs.open_data(self, x, y, w, batch_size, False, steps, "evaluate")
        else:
            source = inputs.open_data(self, data, None, None, batch_size, False, steps, "evaluate")
        self._check_first(source, "test")
        return source

    def _check_first(self, source, mode):
        """Lower the step before the first epoch, so that mistakes show before any output."""
        if isinstance(source, loop.ArrayEpochs):
            data = source.data
            y_shape = data.y.shape[1:] if data.y is not None else None
            program = self._step_program(mode, data.x.shape[1:], y_shape, data.batch_size)
            self._check_targets(program, data.y, mode)
            if mode == "train" and program.kind is not None:
                checks.check_output_activation(
                    self, program.kind, program.attrs, program.output_shape
                )

    # --- evaluate

    def _evaluate(self, source, callback_list):
        self.reset_metrics()
        totals = loop.Totals(self)
        callback_list.on_test_begin()
        self.stop_evaluating = False
        if isinstance(source, loop.ArrayEpochs):
            source.cursor = None
        source.run(
            self,
            "test",
            totals,
            callback_list,
            callback_list.needs_batches("test"),
            lambda: self.stop_evaluating,
        )
        logs = totals.logs()
        callback_list.on_test_end(logs)
        return totals.results()

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """Loss and metrics over data: a number, a list, or a dict with `return_dict=True`."""
        from pyseq.callbacks import CallbackList

        if kwargs:
            raise ValueError(f"evaluate: got unknown arguments {sorted(kwargs)}")
        self._check_compiled("evaluate")
        source = inputs.open_data(self, x, y, sample_weight, batch_size, False, steps, "evaluate")
        self._check_first(source, "test")
        verbose = 1 if verbose == "auto" else int(verbose)
        callback_list = CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=1,
            steps=source.batches,
        )
        try:
            logs = self._evaluate(source, callback_list)
        finally:
            source.close()
        return dict(sorted(logs.items())) if return_dict else _as_list(logs)

    # --- predict

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Outputs for rows of data as one array.

        Args:
            x: array of rows (n, ...), or a generator or dataset; its targets are ignored.
            batch_size: rows of a batch, as callbacks see it.
            verbose: 0 silent, 1 progress bar, 2 a line; "auto" is 1.
        """
        if callbacks is None and verbose == 0 and steps is None and type(x) is np.ndarray:
            y = predicting.quick_answer(self, x, predicting.ROWS)
            return y if y is not None else predicting.array(self, x, batch_size)
        from pyseq.callbacks import CallbackList

        verbose = 1 if verbose == "auto" else int(verbose)
        source = inputs.open_data(self, x, None, None, batch_size, False, steps, "predict")
        callback_list = CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=1,
            steps=source.batches,
        )
        per_batch = callback_list.needs_batches("predict")
        callback_list.on_predict_begin()
        self.stop_predicting = False
        outputs, done = [], 0
        for rows, batches in predicting.batches(self, source, per_batch):
            if per_batch:
                callback_list.batch_begin("predict", done)
            output = predicting.rows(self, rows)
            outputs.append(output)
            done += batches
            if per_batch:
                callback_list.batch_end("predict", done - 1, {"outputs": output})
            else:
                callback_list.progress("predict", done - 1, dict)
            if self.stop_predicting:
                break
        callback_list.on_predict_end()
        return predicting.concatenate(outputs)

    # --- single batches

    def predict_on_batch(self, x):
        """Outputs for one batch."""
        y = predicting.quick_answer(self, x)
        if y is not None:
            return y
        x = to_array(unwrap(x, "predict_on_batch: x"), "predict_on_batch: x")
        x = self._fit_input_rank(x)
        self._build_for(x.shape)
        return predicting.rows(self, x)

    def _one_batch(self, x, y, sample_weight, class_weight, mode, where):
        key = None
        if type(x) is type(y) is np.ndarray and sample_weight is class_weight is None:
            # Arrays like those of an earlier call need no other check than that of the labels.
            key = (mode, x.shape, x.dtype, y.shape, y.dtype, lowering.state_key(self))
        program, w = self._programs.get(key) if key else None, None
        if program is None or not (x.flags.c_contiguous and y.flags.c_contiguous):
            self._check_compiled(where)
            data = inputs.rows_of(
                self, x, y, sample_weight, len(x), False, None, where, class_weight
            )
            self._build_for(data.x.shape)
            y_shape = data.y.shape[1:] if data.y is not None else None
            program = self._step_program(mode, data.x.shape[1:], y_shape, data.rows)
            if key and data.x is x and data.y is y:
                self._remember(key, program)
            x, y, w = data.x, data.y, program.prepare_weights(data.weights)
        self._check_targets(program, y, mode)
        self.reset_metrics()
        totals = loop.Totals(self)
        rows = (x, program.prepare_targets(y), w)
        loop.run_batches(self, program, rows, None, 0, len(x), len(x), 1, totals, float("inf"))
        return totals.results()

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One update on one batch; returns the loss, or loss and metrics."""
        logs = self._one_batch(x, y, sample_weight, class_weight, "train", "train_on_batch")
        return dict(sorted(logs.items())) if return_dict else _as_list(logs)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Loss and metrics of one batch."""
        logs = self._one_batch(x, y, sample_weight, None, "test", "test_on_batch")
        return dict(sorted(logs.items())) if return_dict else _as_list(logs)

    # --- what models answer

    def get_layer(self, name=None, index=None):
        """The layer called `name`, or number `index`."""
        if (name is None) == (index is None):
            raise ValueError(
                f"{self.name}.get_layer: expected name or index, got name={name!r}, index={index!r}"
            )
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(
                    f"{self.name}.get_layer: expected an index below {len(self.layers)}, got "
                    f"{index}"
                )
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"{self.name}.get_layer: expected one of {[layer.name for layer in self.layers]}, got "
            f"{name!r}"
        )

    def reset_states(self):
        """Set the state of all stateful layers back to zero."""
        for layer in self._flatten():
            if layer is not self and getattr(layer, "stateful", False):
                layer.reset_states()

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ):
        """Print a table of layers, output shapes and parameter counts."""
        from pyseq.summary import print_summary

        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    def profile(self, x, y=None, batch_size=32, steps=20):
        """Time each op of a training step (with `y`) or of evaluation, on the first batch.

        Weights and the optimizer's state are restored afterwards. Returns a list of dicts, which
        prints as a table, with microseconds of one step, GFLOP/s and the share of what the
        machine's cores can do at most; `pyseq.training.profile` has the details.
        """
        from pyseq.training.profile import profile

        return profile(self, x, y, batch_size, steps)

    # --- saving

    def to_json(self, **kwargs):
        """The architecture, without weights, as a JSON string."""
        return json.dumps(serialization.serialize_keras_object(self), **kwargs)

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        """Write architecture, weights and compile state to a `.keras` (or legacy `.h5`) file."""
        from pyseq.saving import saving_api

        return saving_api.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath, overwrite=True, max_shard_size=None):
        """Write the weights to a `.weights.h5` file."""
        from pyseq.saving import saving_api

        return saving_api.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath, skip_mismatch=False, **kwargs):
        """Read weights from a `.weights.h5`, `.keras` or legacy `.h5` file."""
        from pyseq.saving import saving_api

        return saving_api.load_weights(self, filepath, skip_mismatch, **kwargs)

    def export(self, filepath, format="pyseq", verbose=None, input_signature=None, **kwargs):
        """Write the inference program and its weights for C++ (`pyseq::Model::load`).

        Args:
            filepath: a `.pyseq` file, written atomically. It carries a self-test that loading
                runs.
            format: "pyseq".
            input_signature: full input shape, where the model has free dimensions.
        """
        from pyseq.saving import export

        export.export_model(self, filepath, format, input_signature, **kwargs)


def _serialize(value):
    if isinstance(value, (list, tuple)):
        return [_serialize(v) for v in value]
    if isinstance(value, dict):
        return {k: _serialize(v) for k, v in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return serialization.serialize_keras_object(value)


def _validates(epoch, validation_freq):
    if isinstance(validation_freq, int):
        if validation_freq < 1:
            raise ValueError(f"fit: expected validation_freq of 1 or more, got {validation_freq}")
        return (epoch + 1) % validation_freq == 0
    return epoch + 1 in validation_freq


def _as_list(logs):
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
