"""Build a plan in Keras and in pyseq with the same weights, and compare everything they answer."""

from __future__ import annotations

import json
import math
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


def _keras_model(plan, keras):
    try:
        model = keras.Sequential(
            [keras.Input(plan.input_shape, dtype=plan.x.dtype.name)]
            + [spec.build("keras") for spec in plan.stack]
        )
        model.predict_on_batch(plan.x[:2])
    except Exception as error:
        raise Unusable(f"{type(error).__name__}: {error}") from error
    rng = np.random.default_rng(plan.seed)
    for variable in model.trainable_weights:
        value = np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
        variable.assign(value + 0.1 * rng.normal(size=value.shape).astype("float32"))
    return model


def _pyseq_model(plan, twin):
    """From the constructor arguments for even seeds, from Keras's own config for odd ones."""
    if plan.seed % 2:
        config = json.loads(twin.to_json())
        model = pyseq.Sequential.from_config(config["config"])
    else:
        model = pyseq.Sequential(
            [pyseq.Input(plan.input_shape, dtype=plan.x.dtype.name)]
            + [spec.build("pyseq") for spec in plan.stack]
        )
    return model


def _array(value):
    return np.asarray(value, "float64")


class _Checker:
    def __init__(self, plan):
        self.plan = plan

    def fail(self, what, text):
        raise Disagreement(f"{what}: {text}\n{self.plan}")

    def close(self, what, ours, theirs, tolerance):
        ours, theirs = _array(ours), _array(theirs)
        if ours.shape != theirs.shape:
            self.fail(what, f"expected shape {theirs.shape}, got {ours.shape}")
        if not np.isfinite(theirs).all():
            raise Unusable(f"{what} is not finite in Keras")
        scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
        error = np.abs(ours - theirs)
        if not (error <= tolerance * scale).all():
            worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)),
                                     error.shape) if error.ndim else ()
            self.fail(what, f"largest difference {error[worst]:.3g} at {tuple(map(int, worst))}: "
                            f"got {ours[worst]:.7g}, expected {theirs[worst]:.7g}")

    def logs(self, what, ours, theirs, tolerance):
        if sorted(ours) != sorted(theirs):
            self.fail(what, f"expected logs {sorted(theirs)}, got {sorted(ours)}")
        for name in theirs:
            # These divide by targets that may be small.
            wide = 20 if name in ("mape", "r2_score") else 1
            self.close(f"{what} {name}", ours[name], theirs[name], wide * tolerance)


def compare(plan, keras):
    """Raise Disagreement if pyseq differs from Keras anywhere; Unusable if Keras cannot answer."""
    check = _Checker(plan)
    # Automatic names of metrics (precision, precision_1, ...) count from one in both.
    keras.utils.clear_session()
    naming.reset_uids()
    twin = _keras_model(plan, keras)
    try:
        model = _pyseq_model(plan, twin)
        shapes = [tuple(v.shape) for v in model.weights]
    except Exception as error:
        raise Disagreement(f"building: {type(error).__name__}: {error}\n{plan}") from error
    if shapes != [tuple(v.shape) for v in twin.weights]:
        check.fail("weights", f"expected {[tuple(v.shape) for v in twin.weights]}, got {shapes}")
    model.set_weights(twin.get_weights())
    if tuple(model.output_shape) != tuple(twin.output_shape):
        check.fail("output_shape", f"expected {twin.output_shape}, got {model.output_shape}")
    if model.count_params() != twin.count_params():
        check.fail("count_params", f"expected {twin.count_params()}, got {model.count_params()}")
    _compare_answers(check, plan, model, twin)


def _ours(plan, function, *args, **kwargs):
    """Call pyseq; an exception where Keras has an answer is a disagreement."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        name = getattr(function, "__name__", "call")
        raise Disagreement(f"{name}: {type(error).__name__}: {error}\n{plan}") from error


def _theirs(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        raise Unusable(f"{type(error).__name__}: {error}") from error


def _saturated(plan, twin, x):
    """Keras on PyTorch clips probabilities at 1e-7; pyseq's loss of a softmax or sigmoid is exact."""
    if "rossentropy" not in str(plan.loss) or "from_logits" in str(plan.loss):
        return False
    p = np.asarray(_theirs(twin.predict_on_batch, x))
    return p.min() < 1e-6 or p.max() > 1 - 1e-6


def _compare_answers(check, plan, model, twin):
    expected = _theirs(twin.predict_on_batch, plan.x)
    # Sums of tens of thousands of float32 terms differ by more than a few roundings.
    longest = max((int(np.prod(v.shape[:-1])) for v in twin.weights), default=1)
    tolerance = 1e-5 if longest < 5000 else 5e-5
    check.close("predict", _ours(plan, model.predict_on_batch, plan.x), expected, tolerance)
    if plan.draws:
        # pyseq refuses to train what draws differently; evaluation is still compared.
        plan.steps = 0
    _compile(twin, plan, "keras")
    try:
        _compile(model, plan, "pyseq")
    except Exception as error:
        raise Disagreement(f"compile: {type(error).__name__}: {error}\n{plan}") from error
    if _saturated(plan, twin, plan.x):
        raise Unusable("probabilities of 0 or 1")
    arguments = {"sample_weight": plan.weights, "batch_size": plan.batch, "verbose": 0,
                 "return_dict": True}
    theirs = _theirs(twin.evaluate, plan.x, plan.y, **arguments)
    ours = _ours(plan, model.evaluate, plan.x, plan.y, **arguments)
    check.logs("evaluate", ours, theirs, 1e-4)
    for step in range(plan.steps):
        begin = (step % 2) * plan.batch
        rows = slice(begin, begin + plan.batch)
        if _saturated(plan, twin, plan.x[rows]):
            raise Unusable("probabilities of 0 or 1")
        more = {"return_dict": True}
        if plan.weights is not None:
            more["sample_weight"] = plan.weights[rows]
        if plan.class_weight is not None:
            more["class_weight"] = plan.class_weight
        theirs = _theirs(twin.train_on_batch, plan.x[rows], plan.y[rows], **more)
        if not math.isfinite(float(theirs["loss"])):
            raise Unusable("the loss is not finite in Keras")
        ours = _ours(plan, model.train_on_batch, plan.x[rows], plan.y[rows], **more)
        check.logs(f"step {step}", ours, theirs, 1e-3)
    for variable, a, b in zip(model.weights, model.get_weights(), twin.get_weights()):
        check.close(f"after training, {variable.path}", a, b, 1e-3)
    if plan.steps:
        check.close("predict after training", _ours(plan, model.predict_on_batch, plan.x),
                    _theirs(twin.predict_on_batch, plan.x), 1e-3)


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
