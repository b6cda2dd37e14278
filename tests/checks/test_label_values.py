"""Values of targets that go badly with the loss or the output."""

import warnings

import numpy as np
import pytest

import pyseq
from pyseq import checks, layers

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 4)).astype("float32")
SPARSE = "sparse_categorical_crossentropy"
NUMBERS = np.linspace(0, 1, 64)
SIGNS = np.where(np.arange(64) % 2, 1, -1)


def compiled(loss, units, activation=None, **options):
    model = pyseq.Sequential(
        [pyseq.Input((4,)), layers.Dense(units, activation=activation, name="last")]
    )
    model.compile("sgd", loss, **options)
    return model


BCE = "binary_crossentropy expects labels 0 and 1, got labels from"
MISTAKES = [
    ("binary_crossentropy", 1, "sigmoid", SIGNS,
     f"y: {BCE} -1 to 1; use (y + 1) / 2, or loss='hinge' with activation='tanh' [PS205]"),
    ("binary_crossentropy", 1, "sigmoid", np.arange(64) % 3,
     f"y: {BCE} 0 to 2; for 3 classes use 3 units with softmax and "
     "loss='sparse_categorical_crossentropy' [PS205]"),
    ("binary_crossentropy", 1, "sigmoid", 7.5 * NUMBERS,
     f"y: {BCE} 0 to 7.5; make the labels 0 and 1 [PS205]"),
    ("binary_crossentropy", 1, "sigmoid", NUMBERS,
     "y: binary_crossentropy of one unit expects labels 0 and 1, got 64 different numbers from 0 to "
     "1; use loss='mse' for numbers, or labels 0 and 1 [PS206]"),
    (SPARSE, 3, "softmax", NUMBERS,
     f"y: {SPARSE} expects whole numbers that name classes, got 0.015873; use loss='mse' for "
     "numbers, or make the labels integers [PS206]"),
    ("categorical_crossentropy", 3, "softmax", np.eye(3)[np.arange(64) % 3] + [1, 0, 0],
     "y: categorical_crossentropy expects rows that sum to 1, got 64 of 64 that do not, such as one "
     "that sums to 2; use utils.to_categorical(labels), or divide each row by its sum [PS207]"),
    ("categorical_crossentropy", 3, "softmax", np.tile([1, 1, 0], (64, 1)),
     "y: categorical_crossentropy expects rows that sum to 1, got 64 of 64 that do not, such as one "
     "that sums to 2; for several labels a row use activation='sigmoid' and "
     "loss='binary_crossentropy'; for one use utils.to_categorical(labels) [PS207]"),
    ("mse", 1, "relu", NUMBERS - 0.5,
     "last: the last activation relu gives 0 and more, but 50 % of the targets lie outside: they "
     "are -0.5 to 0.5; use a linear output, or scale the targets [PS208]"),
    ("mae", 1, "sigmoid", 10 * NUMBERS,
     "last: the last activation sigmoid gives 0 to 1, but 89 % of the targets lie outside: they are "
     "0 to 10; use a linear output, or scale the targets [PS208]"),
    ("mse", 1, "tanh", 2 * NUMBERS,
     "last: the last activation tanh gives -1 to 1, but 50 % of the targets lie outside: they are 0 "
     "to 2; use a linear output, or scale the targets [PS208]"),
]  # fmt: skip


@pytest.mark.parametrize(
    "loss, units, activation, y, text", MISTAKES, ids=[m[-1][-6:-1] for m in MISTAKES]
)
def test_found_in_check_fit_and_evaluate(loss, units, activation, y, text):
    assert [str(f) for f in compiled(loss, units, activation).check(X, y)] == [text]
    for name in ("fit", "evaluate"):
        with pytest.warns(checks.CheckWarning) as told:
            getattr(compiled(loss, units, activation), name)(X, y, verbose=0)
        assert [str(w.message) for w in told] == [text.replace("y: ", f"{name}: ", 1)]


def test_labels_of_signs_for_two_classes():
    text = (f"y: {SPARSE} expected integer labels from 0 to 1 for an output of 2 classes, got labels "
            "from -1 to 1; use (y + 1) / 2, or one unit with activation='tanh' and loss='hinge' "
            "[PS201]")  # fmt: skip
    assert [str(f) for f in compiled(SPARSE, 2, "softmax").check(X, SIGNS)] == [text]
    below = compiled(SPARSE, 3, "softmax").check(X, SIGNS)[0]
    assert below.fix == "number the classes from 0"


SOUND = [
    ("binary_crossentropy", 1, "sigmoid", np.arange(64) % 2),
    ("binary_crossentropy", 1, "sigmoid", (np.arange(64) % 2) * 0.9 + 0.15 * rng.uniform(size=64)),
    ("binary_crossentropy", 3, "sigmoid", rng.uniform(size=(64, 3))),  # an autoencoder
    (SPARSE, 3, "softmax", (np.arange(64) % 3).astype("float64")),
    ("categorical_crossentropy", 3, "softmax", np.tile([0.2, 0.3, 0.5], (64, 1))),
    ("mse", 1, "relu", np.abs(X[:, 0])),
    ("mse", 1, "tanh", np.tanh(X[:, 0])),
    ("mse", 1, None, 100 * X[:, 0]),
    ("hinge", 1, "tanh", SIGNS),
]


@pytest.mark.parametrize("loss, units, activation, y", SOUND)
def test_sound_targets(loss, units, activation, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = compiled(loss, units, activation)
        model.fit(X, y, verbose=0)
    assert model.check(X, y) == []


def test_steps_of_padding_may_sum_to_nothing():
    model = pyseq.Sequential([pyseq.Input((5, 4)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    y = np.eye(3)[np.zeros((8, 5), int)]
    y[:, 3:] = 0
    x = rng.normal(size=(8, 5, 4))
    assert model.check(x, y) == []
    y[0, 0] = 2
    assert [f.code for f in model.check(x, y)] == ["PS207"]
