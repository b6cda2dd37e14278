"""Build a plan in Keras and in pyseq with the same weights, and compare everything they answer."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import re
import warnings

import numpy as np
from layer_cases import Spec

import pyseq
from pyseq import naming

from .generator import generate


class Disagreement(AssertionError):
    """pyseq and Keras differ; the message says where, and how to run the model again."""


class Unusable(Exception):
    """Keras itself cannot run this model, or its answers are not finite."""


def _make(value, library):
    if isinstance(value, Spec):
        return value.build(library)
    if isinstance(value, list):
        return [_make(v, library) for v in value]
    return value


def _compile(model, plan, library):
    model.compile(
        optimizer=_make(plan.optimizer, library), loss=_make(plan.loss, library),
        loss_weights=plan.loss_weights, metrics=_make(plan.metrics, library),
        weighted_metrics=_make(plan.weighted_metrics, library),
    )


def _model(plan, library):
    """The model from the constructor arguments of its layers."""
    module = importlib.import_module(library)
    rows = plan.batch if plan.stateful else None
    start = module.Input(batch_shape=(rows, *plan.input_shape), dtype=plan.x.dtype.name)
    return module.Sequential([start] + [spec.build(library) for spec in plan.stack])


def _adapt(plan, model):
    if plan.adapt:
        model.layers[0].adapt(plan.x)


def _keras_model(plan):
    try:
        model = _model(plan, "keras")
        _adapt(plan, model)
        model.predict_on_batch(plan.x[: plan.batch])
    except Exception as error:
        raise Unusable(f"{type(error).__name__}: {error}") from error
    rng = np.random.default_rng(plan.seed)
    for variable in model.trainable_weights:
        value = np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
        variable.assign(value + 0.1 * rng.normal(size=value.shape).astype("float32"))
    return model


def _pyseq_model(plan, twin):
    """From the constructor arguments for even seeds, from Keras's own config for odd ones."""
    if plan.seed % 2 and "Lambda" not in str(plan.stack):
        config = json.loads(twin.to_json())
        model = pyseq.Sequential.from_config(config["config"])
    else:
        model = _model(plan, "pyseq")
    _adapt(plan, model)
    return model


# Sums of tens of thousands of float32 terms differ by more than a few roundings.
_LONG_SUM = 5000
# These divide by numbers that may be small.
_WIDE = ("mape", "r2_score")


def compare(plan, keras):
    """Raise Disagreement if pyseq differs from Keras anywhere; Unusable if Keras cannot answer.

    Returns "agree". Where answers differ by more than the tolerances, a run of Keras in float64
    decides: "rounding" if Keras's own answers in float32 are as far from it as pyseq's, "Keras
    wrong" if they are far off and pyseq's are right.
    """
    # Automatic names of metrics (precision, precision_1, ...) count from one in both.
    keras.utils.clear_session()
    naming.reset_uids()
    keras.utils.set_random_seed(plan.seed)
    pyseq.utils.set_random_seed(plan.seed)
    twin = _keras_model(plan)
    start = twin.get_weights()
    model = _ours(plan, "building", _pyseq_model, plan, twin)
    _compare_models(plan, model, twin)
    theirs = _theirs(_answers, plan, twin, "keras", _saturated)
    ours = _ours(plan, "running", _answers, plan, model, "pyseq")
    far = _differences(plan, ours, theirs)
    if not far:
        return "agree"
    exact = _theirs(_exact_answers, keras, plan, start)
    verdict = "rounding"
    for what, text in far.items():
        ours_off, theirs_off = (_distance(a[what].value, exact[what].value) for a in (ours, theirs))
        # The largest of few roundings varies.
        if not ours_off <= 5 * theirs_off:
            raise Disagreement(
                f"{text}; {ours_off:.2g} from Keras in float64, Keras {theirs_off:.2g}\n{plan}"
            )
        if ours_off < theirs_off / 100:
            verdict = "Keras wrong"
    return verdict


def _compare_models(plan, model, twin):
    for what, ours, theirs in (
        ("weights", [tuple(v.shape) for v in model.weights],
         [tuple(v.shape) for v in twin.weights]),
        ("trainable weights", [v.path.split("/")[-1] for v in model.trainable_weights],
         [v.path.split("/")[-1] for v in twin.trainable_weights]),
        ("output_shape", tuple(model.output_shape), tuple(twin.output_shape)),
        ("count_params", model.count_params(), twin.count_params()),
    ):
        if ours != theirs:
            raise Disagreement(f"{what}: expected {theirs}, got {ours}\n{plan}")
    model.set_weights(twin.get_weights())


def _ours(plan, what, function, *args):
    """Call pyseq; an exception where Keras has an answer is a disagreement."""
    try:
        return function(*args)
    except Exception as error:
        raise Disagreement(f"{what}: {type(error).__name__}: {error}\n{plan}") from error


def _theirs(function, *args):
    try:
        return function(*args)
    except Unusable:
        raise
    except Exception as error:
        raise Unusable(f"{type(error).__name__}: {error}") from error


@dataclasses.dataclass
class _Answer:
    value: np.ndarray
    tolerance: float


def _distance(a, b):
    return float(np.abs(a - b).max(initial=0.0)) if a.shape == b.shape else math.inf


def _differences(plan, ours, theirs):
    """{what: text} of the answers that differ by more than their tolerance."""
    if sorted(ours) != sorted(theirs):
        raise Disagreement(f"expected the logs {sorted(theirs)}, got {sorted(ours)}\n{plan}")
    far = {}
    for what, their in theirs.items():
        a, b = ours[what].value, their.value
        if a.shape != b.shape:
            raise Disagreement(f"{what}: expected shape {b.shape}, got {a.shape}\n{plan}")
        if not np.isfinite(b).all():
            raise Unusable(f"{what} is not finite in Keras")
        error = np.abs(a - b)
        if not (error <= their.tolerance * max(1.0, float(np.abs(b).max(initial=0.0)))).all():
            at = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
            far[what] = (
                f"{what}: largest difference {error[at]:.3g} at {tuple(map(int, at))}: got "
                f"{a[at]:.7g}, expected {b[at]:.7g}"
            )
    return far


def _saturated(plan, model, x):
    """Keras on PyTorch clips probabilities at 1e-7; pyseq's loss of a softmax or sigmoid is exact."""
    if "rossentropy" not in str(plan.loss) or "from_logits" in str(plan.loss):
        return
    p = np.asarray(model.predict_on_batch(x))
    if p.min() < 1e-6 or p.max() > 1 - 1e-6:
        raise Unusable("probabilities of 0 or 1")


class _Answers(dict):
    """{what: _Answer} of one model."""

    def add(self, what, value, tolerance):
        self[what] = _Answer(np.asarray(value, "float64"), tolerance)

    def add_logs(self, what, logs, tolerance):
        for name, value in logs.items():
            self.add(f"{what} {name}", value, tolerance * (20 if name in _WIDE else 1))


def _answers(plan, model, library, before_step=lambda plan, model, x: None):
    """Everything that a model of `library` answers, in order; it is trained on the way."""
    answers = _Answers()
    longest = max((int(np.prod(v.shape[:-1])) for v in model.weights), default=1)
    tolerance = 1e-5 if longest < _LONG_SUM else 5e-5
    options = {"batch_size": plan.batch, "verbose": 0}
    if plan.stateful:
        _reset(model)
        for what in ("predict", "predict again", "predict after a reset"):
            if "reset" in what:
                _reset(model)
            answers.add(what, model.predict(plan.x, **options), tolerance)
    else:
        answers.add("predict", model.predict_on_batch(plan.x), tolerance)
    _compile(model, plan, library)
    if not plan.stateful:
        before_step(plan, model, plan.x)
    options.update(sample_weight=plan.weights, return_dict=True)
    answers.add_logs("evaluate", model.evaluate(plan.x, plan.y, **options), 1e-4)
    # Random draws differ, and Keras on PyTorch cannot train a stateful model.
    if plan.draws or plan.stateful:
        return answers
    for step in range(plan.steps):
        begin = (step % 2) * plan.batch
        rows = slice(begin, begin + plan.batch)
        before_step(plan, model, plan.x[rows])
        more = {"return_dict": True}
        if plan.weights is not None:
            more["sample_weight"] = plan.weights[rows]
        if plan.class_weight is not None:
            more["class_weight"] = plan.class_weight
        logs = model.train_on_batch(plan.x[rows], plan.y[rows], **more)
        if not math.isfinite(float(logs["loss"])):
            raise Unusable("the loss is not finite")
        answers.add_logs(f"step {step}", logs, 1e-3)
    for number, value in enumerate(model.get_weights()):
        path = "/".join(model.weights[number].path.split("/")[-2:])
        answers.add(f"weight {number} ({_plain(path)}) after training", value, 1e-3)
    answers.add("predict after training", model.predict_on_batch(plan.x), 1e-3)
    return answers


def _plain(path):
    """A path without the numbers of automatic names, which depend on the library."""
    return re.sub(r"_\d+", "", path)


def _exact_answers(keras, plan, start):
    keras.config.set_floatx("float64")
    try:
        keras.utils.clear_session()
        model = _model(plan, "keras")
        _adapt(plan, model)
        model.set_weights(start)
        return _answers(plan, model, "keras")
    finally:
        keras.config.set_floatx("float32")
        # Keras derives its default policy from floatx once, at the first use.
        keras.config.set_dtype_policy("float32")


def _reset(model):
    for layer in model.layers:
        for part in (layer, getattr(layer, "layer", layer)):
            if getattr(part, "stateful", False):
                part.reset_state()
                break


def run_seed(seed, keras):
    """Compare one random model; returns the plan, or None if Keras could not run it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = generate(seed, keras)
        try:
            compare(plan, keras)
        except Unusable:
            return None
    return plan
