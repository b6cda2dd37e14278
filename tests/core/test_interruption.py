"""Ctrl-C while the core computes: it answers soon, and the model is as before."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import pyseq
from pyseq import layers

# Calls that take many seconds, so that an answer after the end would show.
ROWS, WIDTH = 12_000, 2048
SOON = 2.0


def deep(*stack):
    model = pyseq.Sequential(
        [pyseq.Input((WIDTH,)), *[layers.Dense(WIDTH, activation="relu") for _ in range(6)], *stack]
    )
    model.compile("sgd", "mse")
    return model


@pytest.fixture(scope="module")
def rows():
    return np.ones((ROWS, WIDTH), "float32")


def interrupted(function, after=0.4):
    """Seconds from the signal until KeyboardInterrupt."""
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            function()
        return time.perf_counter() - sent[0]
    finally:
        timer.join()


CALLS = {
    "call": lambda model, x: model(x),
    "predict": lambda model, x: model.predict(x, batch_size=len(x), verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "train_on_batch": lambda model, x: model.train_on_batch(x, x),
    "fit": lambda model, x: model.fit(x, x, batch_size=len(x), verbose=0),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CALLS)
def test_answers_long_before_the_call_would_end(name, threads, rows):
    pyseq.config.set_num_threads(threads)
    model = deep()
    before = [w.copy() for w in model.get_weights()]
    model.predict(rows[:1], verbose=0)
    assert interrupted(lambda: CALLS[name](model, rows)) < SOON
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["predict", "train_on_batch"])
def test_recurrent_layers_answer_between_their_steps(name):
    units, n = (256, 600) if name == "predict" else (128, 300)
    stack = [layers.LSTM(units, return_sequences=True), layers.Dense(64)]
    model = pyseq.Sequential([pyseq.Input((n, 64)), *stack])
    model.compile("sgd", "mse")
    x = np.ones((n, n, 64), "float32")
    start = time.perf_counter()
    CALLS[name](model, x)  # how long it takes undisturbed: the signal comes well before that
    whole = time.perf_counter() - start
    before = [w.copy() for w in model.get_weights()]
    assert interrupted(lambda: CALLS[name](model, x), after=min(0.4, whole / 4)) < SOON
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(model.predict(x[:2], verbose=0)).all()


def test_the_model_is_as_before():
    pyseq.utils.set_random_seed(3)
    x = np.random.default_rng(0).normal(size=(4000, 32, 32, 8)).astype("float32")
    y = np.zeros((4000, 1), "float32")

    def model_of():
        pyseq.utils.set_random_seed(1)
        model = pyseq.Sequential(
            [
                pyseq.Input((32, 32, 8)),
                layers.BatchNormalization(),
                *[layers.Conv2D(48, 5, padding="same", activation="relu") for _ in range(3)],
                layers.Dropout(0.5, seed=7),
                layers.GlobalAveragePooling2D(),
                layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        return model

    model, twin = model_of(), model_of()
    assert interrupted(lambda: model.train_on_batch(x, y)) < SOON
    assert interrupted(lambda: model(x)) < SOON
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for m in (model, twin):
        m.train_on_batch(x[:64], y[:64])
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.predict(x[:99], verbose=0), twin.predict(x[:99], verbose=0))


def test_a_handler_of_the_user_is_called_and_may_go_on(rows):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        model = deep()
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        y = model.predict(rows[:3000], batch_size=3000, verbose=0)
        timer.join()
        time.sleep(0)  # Python calls handlers between two instructions
        assert seen == [1]
        np.testing.assert_array_equal(y, model.predict(rows[:3000], batch_size=3000, verbose=0))
    finally:
        signal.signal(signal.SIGINT, before)


def test_handlers_are_what_they_were(rows):
    before = signal.getsignal(signal.SIGINT)
    deep().predict(rows[:2000], verbose=0)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_other_threads_compute_as_ever(rows):
    model = deep()
    want = model.predict(rows[:256], verbose=0)
    results = []
    thread = threading.Thread(target=lambda: results.append(model.predict_on_batch(rows[:256])))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(results[0], want)
