"""The same seed gives the same bits for any thread count, batch order and process."""

import subprocess
import sys

import numpy as np
import pytest

import pyseq
from pyseq import layers

# Large enough that several threads take part.
MODELS = {
    "dense": (
        (150,),
        lambda: [layers.Dense(257, activation="relu"), layers.Dropout(0.3),
                 layers.BatchNormalization(), layers.Dense(33)],
    ),
    "conv": (
        (20, 20, 5),
        lambda: [layers.Conv2D(19, 3, activation="relu"), layers.MaxPooling2D(),
                 layers.Conv2D(33, 3, padding="same"), layers.BatchNormalization(),
                 layers.GlobalAveragePooling2D(), layers.Dense(7)],
    ),
    "lstm": ((25, 30), lambda: [layers.LSTM(65, return_sequences=True), layers.LSTM(17),
                                layers.Dense(3)]),
    "gru": ((25, 30), lambda: [layers.Bidirectional(layers.GRU(33)), layers.Dense(3)]),
    "normalization": (
        (40, 64),
        lambda: [layers.LayerNormalization(), layers.Dense(64, activation="gelu"),
                 layers.GroupNormalization(8), layers.Conv1D(40, 5, activation="tanh"),
                 layers.GlobalMaxPooling1D(), layers.Dense(5)],
    ),
    "separable": (
        (24, 24, 16),
        lambda: [layers.DepthwiseConv2D(3, activation="relu"), layers.SeparableConv2D(24, 3),
                 layers.Conv2DTranspose(8, 3, strides=2), layers.AveragePooling2D(3),
                 layers.Flatten(), layers.Dense(3)],
    ),
}


def train(name, threads, seed=0):
    shape, make = MODELS[name]
    pyseq.utils.set_random_seed(seed)
    pyseq.config.set_num_threads(threads)
    model = pyseq.Sequential([pyseq.Input(shape), *make()])
    model.compile(pyseq.optimizers.Adam(0.01, global_clipnorm=1.0), "mse", metrics=["mae"])
    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, *shape)).astype("float32")
    y = rng.normal(size=(150, *model.output_shape[1:])).astype("float32")
    history = model.fit(x, y, batch_size=64, epochs=2, verbose=0)
    return [*model.get_weights(), model.predict(x, verbose=0), np.array(history.history["loss"]),
            np.array(history.history["mae"])]


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN])
@pytest.mark.parametrize("units", [72, 256])
@pytest.mark.parametrize("sequences", [False, True])
def test_one_row_shared_by_threads_gives_the_same_bits(layer, units, sequences):
    pyseq.utils.set_random_seed(0)
    model = pyseq.Sequential(
        [pyseq.Input((60, 24)), layer(units, return_sequences=sequences, go_backwards=sequences)]
    )
    x = np.random.default_rng(1).normal(size=(9, 60, 24)).astype("float32")
    pyseq.config.set_num_threads(1)
    one = model.predict_on_batch(x[:1])
    np.testing.assert_allclose(model.predict_on_batch(x)[:1], one, atol=1e-5)
    for threads in (2, 4):
        pyseq.config.set_num_threads(threads)
        for _ in range(20):
            np.testing.assert_array_equal(model.predict_on_batch(x[:1]), one)


@pytest.mark.parametrize("name", MODELS)
def test_thread_counts_give_the_same_bits(name):
    one = train(name, 1)
    for threads in (2, 3, 4):
        for a, b in zip(one, train(name, threads)):
            np.testing.assert_array_equal(a, b)


def test_seeds_matter():
    assert any((a != b).any() for a, b in zip(train("dense", 2, 0), train("dense", 2, 1)))


def test_predictions_do_not_depend_on_concurrency():
    from concurrent.futures import ThreadPoolExecutor

    shape, make = MODELS["conv"]
    model = pyseq.Sequential([pyseq.Input(shape), *make()])
    x = np.random.default_rng(0).normal(size=(8, 6, *shape)).astype("float32")
    expected = [model.predict_on_batch(part) for part in x]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for a, b in zip(pool.map(model.predict_on_batch, x), expected):
                np.testing.assert_array_equal(a, b)


SCRIPT = """
import hashlib, numpy as np, pyseq
from pyseq import layers
pyseq.utils.set_random_seed(7)
model = pyseq.Sequential([pyseq.Input((30,)), layers.Dense(64, "relu"), layers.Dropout(0.5),
                          layers.Dense(3, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
x = np.random.normal(size=(200, 30)); y = np.random.randint(0, 3, 200)
model.fit(x, y, epochs=2, verbose=0)
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
"""


def test_processes_give_the_same_bits():
    digests = {
        subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True,
                       env={**__import__("os").environ, "OMP_NUM_THREADS": threads}).stdout
        for threads in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_a_forked_child_does_not_hang():
    code = """
import os, numpy as np, pyseq
from pyseq import layers
pyseq.config.set_num_threads(2)
m = pyseq.Sequential([pyseq.Input((300,)), layers.Dense(2000, "relu"), layers.Dense(1)])
x = np.ones((256, 300), "float32")
y = m.predict(x, verbose=0)
pid = os.fork()
if pid == 0:
    os._exit(0 if np.array_equal(m.predict(x, verbose=0), y) else 3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "0", done.stderr
