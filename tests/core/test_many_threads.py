"""Python threads that predict, train, call back and change weights at once, of one model and of several.

With a free-threaded Python they run at once in Python, too; with the other ones while the core computes.
"""

import subprocess
import sys
import sysconfig
import threading

import numpy as np
import pytest

import pyseq
from pyseq import layers

THREADS = 4


def in_threads(*works):
    """Runs all at once, raises what one of them raised."""
    failed, start = [], threading.Barrier(len(works))

    def run(work):
        try:
            start.wait(60)
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other for ever"
    if failed:
        raise failed[0]


def make(seed, units=32):
    pyseq.utils.set_random_seed(seed)
    model = pyseq.Sequential(
        [pyseq.Input((8,)), layers.Dense(units, activation="tanh"), layers.Dense(1)]
    )
    model.compile(pyseq.optimizers.Adam(0.01), "mean_squared_error")
    return model


@pytest.fixture
def data(rng):
    x = np.float32(rng.normal(size=(256, 8)))
    return x, np.float32(x.sum(axis=1, keepdims=True))


class Told(pyseq.callbacks.Callback):
    """Counts its calls; looks at the model's weights in each."""

    def __init__(self):
        super().__init__()
        self.epochs = self.batches = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1
        assert np.isfinite(logs["loss"])
        assert all(np.isfinite(w).all() for w in self.model.get_weights())

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1


def test_one_model_predicts_in_many_threads(data):
    x, _ = data
    model = make(1)
    sizes = [1, 7, 64, 256]
    expected = {n: model.predict(x[:n], verbose=0) for n in sizes}

    def work(first):
        for i in range(20):
            n = sizes[(first + i) % len(sizes)]
            assert np.array_equal(model.predict(x[:n], verbose=0), expected[n])
            assert np.array_equal(np.asarray(model(x[:n])), expected[n])

    in_threads(*(lambda k=k: work(k) for k in range(THREADS)))


def test_models_train_in_threads_of_their_own(data):
    x, y = data
    epochs, batch = 4, 16

    def fit(model):
        told = Told()
        history = model.fit(
            x, y, epochs=epochs, batch_size=batch, shuffle=False, verbose=0, callbacks=[told]
        )
        assert (told.epochs, told.batches) == (epochs, epochs * len(x) // batch)
        return history.history["loss"]

    models = [make(k) for k in range(2 * THREADS)]
    alone, beside = models[:THREADS], [pyseq.models.clone_model(m) for m in models[:THREADS]]
    for one, other in zip(alone, beside):
        other.compile(pyseq.optimizers.Adam(0.01), "mean_squared_error")
        other.set_weights(one.get_weights())
    expected = [fit(model) for model in alone]
    losses = [None] * THREADS

    def work(k):
        losses[k] = fit(beside[k])

    in_threads(*(lambda k=k: work(k) for k in range(THREADS)))
    assert losses == expected
    for one, other in zip(alone, beside):
        for a, b in zip(one.get_weights(), other.get_weights()):
            assert np.array_equal(a, b)


def test_a_model_answers_while_it_trains(data):
    """With weights of some step, and parts of the next: finite, but not of one moment."""
    x, y = data
    model = make(3)
    model.predict(x, verbose=0)
    done = threading.Event()

    def train():
        try:
            model.fit(x, y, epochs=20, batch_size=16, verbose=0, callbacks=[Told()])
        finally:
            done.set()

    def ask():
        while not done.is_set():
            answers = model.predict(x[:32], verbose=0)
            assert answers.shape == (32, 1) and np.isfinite(answers).all()

    in_threads(train, ask, ask)
    assert model.evaluate(x, y, verbose=0) < 1


def test_variables_change_in_many_threads():
    """A number is one that was assigned; who has a variable to itself reads what it wrote."""
    shared = pyseq.Variable(0.0)

    def work(k):
        own = pyseq.Variable(np.zeros(4096, "float32"))
        for i in range(200):
            own.assign(np.full(4096, i, "float32"))
            own.assign_add(np.ones(4096, "float32"))
            shared.assign(float(k))
            assert float(np.array(shared)) in range(THREADS)
            assert np.array_equal(np.array(own), np.full(4096, i + 1, "float32"))

    in_threads(*(lambda k=k: work(k) for k in range(THREADS)))


def test_layers_are_imported_by_many_threads_at_once():
    code = """
import threading
start = threading.Barrier(8)
found = []
def work():
    start.wait(60)
    import pyseq
    found.append(pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(2)]).count_params())
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join(60) for t in threads]
print(found)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str([8] * 8), done.stderr


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="needs a free-threaded Python"
)
def test_the_core_leaves_the_gil_off():
    code = "import sys, pyseq._core; print(sys._is_gil_enabled())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
