"""Inference on more rows than fit the caches runs in pieces; nobody may notice."""

import numpy as np
import pytest

import pyseq
from pyseq import config, layers, ops


@pytest.fixture
def threads():
    before = config.num_threads()
    yield config.set_num_threads
    config.set_num_threads(before)


def convolutional():
    pyseq.utils.set_random_seed(0)
    return pyseq.Sequential(
        [
            pyseq.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(24, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def test_rows_are_those_of_small_batches(rng):
    model = convolutional()
    x = rng.random((301, 28, 28, 1), dtype="float32")
    whole = model(x)
    few = np.concatenate([model(x[i : i + 7]) for i in range(0, 301, 7)])
    np.testing.assert_allclose(whole, few, atol=1e-6)
    np.testing.assert_array_equal(model.predict_on_batch(x), whole)


def test_the_same_bits_at_any_thread_count(rng, threads):
    x = rng.random((301, 28, 28, 1), dtype="float32")
    answers = []
    for count in (1, 2, 3):
        threads(count)
        answers.append(convolutional()(x))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_wide_outputs(rng):
    model = pyseq.Sequential(
        [
            pyseq.Input((16, 16, 3)),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.UpSampling2D(2),
        ]
    )
    x = rng.random((260, 16, 16, 3), dtype="float32")
    few = np.concatenate([model(x[i : i + 13]) for i in range(0, 260, 13)])
    np.testing.assert_allclose(model(x), few, atol=1e-6)


@pytest.mark.parametrize("function", [ops.mean, ops.max], ids=["mean", "max"])
def test_code_that_looks_at_all_rows_gets_them(rng, function):
    class Centered(layers.Layer):
        def call(self, x):
            return x - function(x, axis=0)

    model = pyseq.Sequential([pyseq.Input((64,)), Centered(), layers.ReLU()])
    x = rng.random((40000, 64), dtype="float32")
    want = np.maximum(x - getattr(np, function.__name__)(x, axis=0), 0)
    np.testing.assert_allclose(model(x), want, atol=1e-4)


def test_functions_in_python_get_all_rows(rng):
    seen = []

    def note(x):
        seen.append(len(x))
        return np.sort(x, axis=-1)

    model = pyseq.Sequential([pyseq.Input((64,)), layers.Lambda(note, output_shape=(64,))])
    model(rng.random((40000, 64), dtype="float32"))
    assert seen[-1] == 40000
