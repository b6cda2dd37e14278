"""A few models on the instruction set that PYSEQ_ISA names, against float64."""

import os

import numpy as np
import pytest

import pyseq
from pyseq import _core, layers


def test_forced_level_is_used():
    best = [isa for isa in _core.available_isas() if isa != "ref64"][-1]
    assert _core.current_isa() == os.environ.get("PYSEQ_ISA", best)


def test_unknown_level_is_an_error(monkeypatch):
    monkeypatch.setenv("PYSEQ_ISA", "avx1024")
    with pytest.raises(ValueError, match="PYSEQ_ISA"):
        pyseq.Sequential([pyseq.Input((2,)), layers.Dense(1)]).predict(np.ones((1, 2)), verbose=0)


STACKS = {
    "mlp": ((20,), lambda: [layers.Dense(33, activation="gelu"), layers.Dense(7, "softmax")]),
    "cnn": (
        (9, 9, 3),
        lambda: [
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(5, activation="tanh"),
        ],
    ),
    "lstm": ((6, 4), lambda: [layers.LSTM(9, return_sequences=True), layers.LSTM(5)]),
}


@pytest.mark.parametrize("name", STACKS)
def test_against_float64(name):
    shape, make = STACKS[name]
    x = np.random.default_rng(0).normal(size=(10, *shape))
    results = {}
    weights = None
    for dtype in ("float32", "float64"):
        pyseq.config.set_floatx(dtype)
        try:
            model = pyseq.Sequential([pyseq.Input(shape), *make()])
            if weights is None:
                weights = model.get_weights()
            model.set_weights(weights)
            y = np.ones((10, *model.output_shape[1:]))
            model.compile(pyseq.optimizers.SGD(0.1), "mse")
            before = model.predict(x, verbose=0)
            losses = [model.train_on_batch(x, y) for _ in range(3)]
            results[dtype] = before, losses, model.get_weights()
        finally:
            pyseq.config.set_floatx("float32")
    a, b = results["float32"], results["float64"]
    np.testing.assert_allclose(a[0], b[0], atol=1e-5)
    np.testing.assert_allclose(a[1], b[1], rtol=1e-4)
    for v, w in zip(a[2], b[2]):
        np.testing.assert_allclose(v, w, atol=1e-4)
