"""A model of a plan in one library, and everything that it answers."""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import re

import numpy as np
from layer_cases import Spec

from . import users


class Unusable(Exception):
    """Keras itself cannot run this model, or its answers are not finite."""


def _make(value, library):
    if isinstance(value, Spec):
        return value.build(library)
    if isinstance(value, list):
        return [_make(v, library) for v in value]
    return value


def build(plan, library):
    """The model from the constructor arguments of its layers."""
    module = importlib.import_module(library)
    rows = plan.batch if plan.stateful else None
    start = module.Input(batch_shape=(rows, *plan.input_shape), dtype=plan.dtype)
    model = module.Sequential([start] + [spec.build(library) for spec in plan.stack])
    adapt(plan, model)
    return model


def adapt(plan, model):
    """Let the first layer learn from the data, where the plan says so."""
    if plan.adapt:
        model.layers[0].adapt(plan.x)


def plain(path):
    """A path without the numbers of automatic names, which depend on the library."""
    return re.sub(r"_\d+", "", path)


# Sums of tens of thousands of float32 terms differ by more than a few roundings.
_LONG_SUM = 5000
# These divide by numbers that may be small.
_WIDE = ("mape", "r2_score")


@dataclasses.dataclass
class Answer:
    """A value in float64, the tolerance to compare it with, and the dtype that it had."""

    value: np.ndarray
    tolerance: float
    dtype: str = ""


class Run(dict):
    """{what: Answer} of a model of `library`; the model is trained on the way.

    Args:
        before_step: called with (plan, model, x) before each batch that a loss sees.
    """

    def __init__(self, plan, model, library, before_step=lambda plan, model, x: None):
        super().__init__()
        self.plan, self.model, self.library = plan, model, library
        self.before_step = before_step
        longest = max((int(np.prod(v.shape[:-1])) for v in model.weights), default=1)
        self.tolerance = 1e-5 if longest < _LONG_SUM else 5e-5
        if plan.half:
            self.tolerance = 5e-2

    def _add(self, what, value, tolerance):
        value = np.asarray(value)
        self[what] = Answer(value.astype("float64"), tolerance, value.dtype.name)

    def _add_logs(self, what, logs, tolerance):
        for name, value in logs.items():
            self[f"{what} {name}"] = Answer(
                np.asarray(value, "float64"), tolerance * (20 if name in _WIDE else 1)
            )

    def _predict(self, what, tolerance, in_batches=False):
        model, x = self.model, self.plan.x
        if in_batches:
            y = model.predict(x, batch_size=self.plan.batch, verbose=0)
        else:
            y = model.predict_on_batch(x)
        self._add(what, y, tolerance)

    def _compile(self):
        plan, library = self.plan, self.library
        self.model.compile(
            optimizer=_make(plan.optimizer, library), loss=_make(plan.loss, library),
            loss_weights=plan.loss_weights, metrics=_make(plan.metrics, library),
            weighted_metrics=_make(plan.weighted_metrics, library),
        )

    def _evaluate(self, what, tolerance=1e-4):
        plan = self.plan
        if not plan.stateful:
            self.before_step(plan, self.model, plan.x)
        logs = self.model.evaluate(plan.x, plan.y, batch_size=plan.batch, verbose=0,
                                   sample_weight=plan.weights, return_dict=True)
        self._add_logs(what, logs, tolerance)

    def _step(self, step, what="step"):
        plan = self.plan
        begin = (step % 2) * plan.batch
        rows = slice(begin, begin + plan.batch)
        self.before_step(plan, self.model, plan.x[rows])
        more = {"return_dict": True}
        if plan.weights is not None:
            more["sample_weight"] = plan.weights[rows]
        if plan.class_weight is not None:
            more["class_weight"] = plan.class_weight
        logs = self.model.train_on_batch(plan.x[rows], plan.y[rows], **more)
        if not math.isfinite(float(logs["loss"])):
            raise Unusable("the loss is not finite")
        self._add_logs(f"{what} {step}", logs, 1e-3)

    def _weights(self, when):
        for number, value in enumerate(self.model.get_weights()):
            path = "/".join(self.model.weights[number].path.split("/")[-2:])
            self._add(f"weight {number} ({plain(path)}) {when}", value, 1e-3)

    def _losses(self, what, tolerance):
        """The losses of layers that a call on arrays leaves."""
        K = importlib.import_module(self.library)
        told = {"training": False} if self.plan.trains_inside else {}
        self.model(self.plan.x[:self.plan.batch], **told)
        for owner in (self.model, *self.model.layers):
            values = [float(K.ops.convert_to_numpy(v)) for v in owner.losses]
            name = "the model" if owner is self.model else f"layer {self.model.layers.index(owner)}"
            self._add(f"losses of {name} {what}", values, tolerance)

    def _exchange_weights(self):
        """Weights out and in, of every layer and then of the model."""
        for layer in self.model.layers:
            layer.set_weights([(w * 0.5).astype(w.dtype) for w in layer.get_weights()])
        self.model.set_weights([(w * 1.5).astype(w.dtype) for w in self.model.get_weights()])
        self._predict("predict with other weights", 1e-3)

    def _refit(self):
        """Other layers are frozen than before, and the training goes on."""
        for change in self.plan.toggles:
            change.apply(self.model, self.library)
        self._compile()
        for step in range(2):
            self._step(step, "step with other layers frozen")
        self._weights("after training with other layers frozen")

    def _change(self, changes, when, tolerance):
        if changes:
            for change in changes:
                change.apply(self.model, self.library)
            self._predict(f"predict after the changes {when}", tolerance)

    @property
    def _trains(self):
        # Random draws differ, and Keras on PyTorch cannot train a stateful model.
        return not (self.plan.draws or self.plan.stateful or self.plan.loss is None)

    def begin(self):
        """Answer everything up to the point where the model is saved."""
        plan = self.plan
        if plan.stateful:
            self._predict_with_states()
        else:
            self._predict("predict", self.tolerance)
            self._losses("after a call", self.tolerance)
        if plan.loss is None:
            self._predict("predict in batches", self.tolerance, in_batches=True)
            self._change(plan.changes, "of layers", self.tolerance)
            return self
        self._compile()
        self._evaluate("evaluate")
        if plan.changes:
            self._change(plan.changes, "of layers", self.tolerance)
            if plan.recompiled:
                self._compile()
            self._evaluate("evaluate after the changes")
        if not self._trains:
            return self
        for step in range(plan.steps):
            if step == plan.steps // 2:
                self._change(plan.later_changes, "between steps", 1e-3)
            self._step(step)
        self._weights("after training")
        self._predict("predict after training", 1e-3)
        if plan.toggles:
            self._refit()
        if plan.reweighted:
            self._exchange_weights()
        return self

    def _predict_with_states(self):
        _reset(self.model)
        for what in ("predict", "predict again", "predict after a reset"):
            if "reset" in what:
                _reset(self.model)
            self._predict(what, self.tolerance, in_batches=True)

    def save(self, folder):
        """Write the model in the format of the plan; returns the path."""
        path = os.path.join(folder, f"{self.library}{self.plan.file}")
        if self.plan.file.endswith(".weights.h5"):
            self.model.save_weights(path)
        elif self.plan.file == "/":
            self.model.save(path, zipped=False)
        else:
            self.model.save(path)
        return path

    def load(self, path):
        """Take the model that either library saved at `path`, in place of the present one."""
        plan, library = self.plan, self.library
        known = users.objects(library)
        if not plan.file.endswith(".weights.h5"):
            load = importlib.import_module(f"{library}.models").load_model
            # Keras cannot train with the optimizer that it reads from the older format.
            compiled = plan.file != ".h5"
            self.model = load(path, custom_objects=known, compile=compiled)
            if plan.loss is not None and not compiled:
                self._compile()
            return self
        self.model = build(plan, library)
        if plan.loss is not None:
            self._compile()
        for change in plan.changes + plan.later_changes:
            change.apply(self.model, library)
        if plan.changes and plan.recompiled:
            self._compile()
        self.model.load_weights(path)
        return self

    def end(self, trains=True):
        """Answer with the model from the file; with `trains`, train it further."""
        if self.plan.stateful:
            _reset(self.model)
        self._predict("predict after loading", 1e-3, in_batches=self.plan.stateful)
        self._weights("after loading")
        if self.plan.loss is None:
            return self
        self._evaluate("evaluate after loading", 1e-3)
        if self._trains and trains:
            for step in range(2):
                self._step(self.plan.steps + step)
            self._weights("after further training")
        return self


def _reset(model):
    for layer in model.layers:
        for part in (layer, getattr(layer, "layer", layer)):
            if getattr(part, "stateful", False):
                part.reset_state()
                break
