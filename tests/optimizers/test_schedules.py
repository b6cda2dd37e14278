"""Learning rate schedules against Keras."""

import json
import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

from pyseq import schedules

CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    (
        "ExponentialDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5}),
    (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 9}),
    (
        "PolynomialDecay",
        {
            "initial_learning_rate": 0.1,
            "decay_steps": 9,
            "end_learning_rate": 0.01,
            "power": 2.0,
            "cycle": True,
        },
    ),
    ("PiecewiseConstantDecay", {"boundaries": [3, 8], "values": [0.5, 0.2, 0.1]}),
    ("PiecewiseConstantDecay", {"boundaries": [5], "values": [0.5, 0.2]}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 12, "alpha": 0.1}),
    (
        "CosineDecay",
        {
            "initial_learning_rate": 0.01,
            "decay_steps": 12,
            "warmup_target": 0.2,
            "warmup_steps": 5,
        },
    ),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 5}),
    (
        "CosineDecayRestarts",
        {
            "initial_learning_rate": 0.1,
            "first_decay_steps": 5,
            "t_mul": 1.0,
            "m_mul": 0.5,
            "alpha": 0.2,
        },
    ),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.5, "m_mul": 0.5},
    ),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_equals_keras(name, arguments):
    keras = pytest.importorskip("keras")
    ours = getattr(schedules, name)(**arguments)
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    for step in [*range(30), 1000]:
        value = ours(step)
        assert type(value) is float
        # Keras computes in float32 and may take an exact restart for the end of a period.
        at_restart = name == "CosineDecayRestarts" and ours(step) > 1.2 * ours(max(step - 0.01, 0))
        if not at_restart:
            assert value == pytest.approx(float(theirs(step)), rel=2e-3, abs=1e-6), step
    config = schedules.serialize(ours)
    assert config == keras.optimizers.schedules.serialize(theirs)
    again = schedules.deserialize(json.loads(json.dumps(config)))
    assert schedules.serialize(again) == config
    assert [again(s) for s in range(20)] == [ours(s) for s in range(20)]


def test_restarts_are_exact():
    schedule = schedules.CosineDecayRestarts(1.0, 5, t_mul=2.0, m_mul=0.5)
    starts = [0, 5, 15, 35, 75, 155, 315, 635, 5 * (2**20 - 1)]
    assert [schedule(s) for s in starts] == [0.5**p for p in (*range(8), 20)]


def test_module_paths():
    from pyseq.optimizers.schedules import ExponentialDecay

    assert ExponentialDecay is schedules.ExponentialDecay
    keras = pytest.importorskip("keras")
    for name in dir(keras.optimizers.schedules):
        if not name.startswith("_"):
            assert hasattr(schedules, name), name


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), ValueError, "decay_steps"),
        (lambda: schedules.InverseTimeDecay(0.1, 0, 0.5), ValueError, "decay_steps"),
        (lambda: schedules.PolynomialDecay(0.1, -1), ValueError, "decay_steps"),
        (lambda: schedules.CosineDecay(0.1, 0), ValueError, "decay_steps"),
        (lambda: schedules.CosineDecayRestarts(0.1, 0), ValueError, "first_decay_steps"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5), ValueError, "t_mul"),
        (lambda: schedules.PiecewiseConstantDecay([1], [1.0]), ValueError, "1 values"),
        (lambda: schedules.PiecewiseConstantDecay([3, 2], [1.0] * 3), ValueError, "increasing"),
        (lambda: schedules.LearningRateSchedule()(1), TypeError, "__call__"),
        (
            lambda: schedules.deserialize({"class_name": "StepDecay", "config": {}}),
            ValueError,
            "StepDecay",
        ),
        (
            lambda: schedules.deserialize({"class_name": "CosineDecay", "config": {}}),
            ValueError,
            "decay_steps",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
