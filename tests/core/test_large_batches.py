"""Inference on more rows than fit the caches runs in pieces; nobody may notice."""

from concurrent.futures import ThreadPoolExecutor

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


def dense():
    pyseq.utils.set_random_seed(0)
    return pyseq.Sequential(
        [pyseq.Input((40,)), layers.Dense(64, "relu"), layers.Dense(64, "tanh"), layers.Dense(3)]
    )


def test_calls_of_different_sizes_and_weights_take_turns(rng, threads):
    threads(2)
    x = rng.random((900, 40), dtype="float32")
    model = dense()
    for scale in (1.0, 0.5):
        model.set_weights([scale * w for w in dense().get_weights()])
        fresh = dense()
        fresh.set_weights(model.get_weights())
        want = np.concatenate([fresh.predict_on_batch(x[i : i + 5]) for i in range(0, 900, 5)])
        for rows in (900, 256, 300, 900, 256, 1, 300, 256, 900):
            got = model.predict_on_batch(x[:rows])
            np.testing.assert_allclose(got, want[:rows], atol=1e-5)
            np.testing.assert_array_equal(model.predict_on_batch(x[:rows]), got)


def test_callers_at_the_same_time(rng, threads):
    threads(2)
    x = rng.random((4, 512, 40), dtype="float32")
    model = dense()
    want = [model.predict_on_batch(rows) for rows in x]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for got, wanted in zip(pool.map(model.predict_on_batch, x), want, strict=True):
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "float64", ">f4", "float16"])
@pytest.mark.parametrize("rows", [1, 600])
def test_arrays_of_any_number_type(rng, dtype, rows):
    model = dense()
    x = rng.integers(0, 2, (rows, 40))
    want = model.predict_on_batch(x.astype("float32"))
    for _ in range(2):
        np.testing.assert_array_equal(model.predict_on_batch(x.astype(dtype)), want)
        np.testing.assert_array_equal(
            model.predict_on_batch(np.asfortranarray(x.astype(dtype))), want
        )


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
