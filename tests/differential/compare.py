"""Build a plan in Keras and in pyseq with the same weights, and compare everything they answer."""

from __future__ import annotations

import json
import math
import tempfile
import warnings

import numpy as np

import pyseq
from pyseq import naming

from . import users
from .answers import Run, Unusable, adapt, build, plain
from .generator import generate


class Disagreement(AssertionError):
    """pyseq and Keras differ; the message says where, and how to run the model again."""


def _keras_model(plan):
    try:
        model = build(plan, "keras")
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
    if not plan.seed % 2:
        return build(plan, "pyseq")
    config = json.loads(twin.to_json())
    model = pyseq.Sequential.from_config(config["config"], custom_objects=users.objects("pyseq"))
    adapt(plan, model)
    return model


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
    theirs = Run(plan, twin, "keras", _saturated)
    ours = Run(plan, model, "pyseq")
    _theirs(theirs.begin)
    _ours(plan, "running", ours.begin)
    _differences(plan, ours, theirs)
    if plan.file:
        _exchange(plan, ours, theirs)
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


def _exchange(plan, ours, theirs):
    """Each library goes on with what the other has saved."""
    with tempfile.TemporaryDirectory() as folder:
        from_keras = _theirs(theirs.save, folder)
        from_pyseq = _ours(plan, "saving", ours.save, folder)
        try:
            theirs.load(from_pyseq)
        except Exception as error:
            # What Keras cannot read from its own file either says nothing about pyseq.
            _theirs(theirs.load, from_keras)
            raise Disagreement(
                f"loading in Keras what pyseq saved: {type(error).__name__}: {error}\n{plan}"
            ) from error
        notices = _notices(_ours, plan, "loading in pyseq what Keras saved", ours.load, from_keras)
        trains = not any("its state is not loaded" in text for text in notices)
        _theirs(theirs.end, trains)
        _ours(plan, "going on after loading", ours.end, trains)
        if not trains:
            # Of layers frozen after compile, Keras saves a state that it does not read back.
            notices = _notices(_theirs, theirs.load, from_keras)
            if not any("Skipping variable loading for optimizer" in text for text in notices):
                raise Disagreement(f"Keras reads the optimizer's state, pyseq does not\n{plan}")


def _notices(function, *args):
    """Call a function; return the texts of its warnings."""
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always")
        function(*args)
    return [str(notice.message) for notice in notices]


def _compare_models(plan, model, twin):
    for what, ours, theirs in (
        ("weights", [tuple(v.shape) for v in model.weights],
         [tuple(v.shape) for v in twin.weights]),
        ("dtypes of weights", [v.dtype for v in model.weights], [v.dtype for v in twin.weights]),
        ("trainable weights", [v.path.split("/")[-1] for v in model.trainable_weights],
         [v.path.split("/")[-1] for v in twin.trainable_weights]),
        ("output_shape", tuple(model.output_shape), tuple(twin.output_shape)),
        ("count_params", model.count_params(), twin.count_params()),
    ):
        if ours != theirs:
            raise Disagreement(f"{what}: expected {theirs}, got {ours}\n{plan}")
    if not plan.seed % 2:
        # From a config, layers within layers are built before the layers around them.
        _compare_paths(plan, model, twin)
    model.set_weights(twin.get_weights())


def _compare_paths(plan, model, twin):
    for number, (ours, theirs) in enumerate(zip(model.layers, twin.layers, strict=True)):
        got, expected = ([plain(v.path) for v in layer.weights] for layer in (ours, theirs))
        if got != expected:
            raise Disagreement(
                f"paths of weights of layer {number}: expected {expected}, got {got}\n{plan}")


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
        if ours[what].dtype != their.dtype and not plan.half:
            raise Disagreement(
                f"{what}: expected dtype {their.dtype}, got {ours[what].dtype}\n{plan}"
            )
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
    states = [np.array(v) for v in model.get_weights()]
    p = np.asarray(model.predict_on_batch(x))
    model.set_weights(states)  # Some layers change them in inference too.
    if p.min() < 1e-6 or p.max() > 1 - 1e-6:
        raise Unusable("probabilities of 0 or 1")


def _exact_answers(keras, plan, start):
    keras.config.set_floatx("float64")
    try:
        keras.utils.clear_session()
        model = build(plan, "keras")
        model.set_weights(start)
        run = Run(plan, model, "keras").begin()
        if plan.file:
            with tempfile.TemporaryDirectory() as folder:
                run.load(run.save(folder))
            run.end()
        return run
    finally:
        keras.config.set_floatx("float32")
        # Keras derives its default policy from floatx once, at the first use.
        keras.config.set_dtype_policy("float32")


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
