"""What is shown where programs have no console, or an unusual one."""

import io
import sys

import numpy as np
import pytest

import pyseq
from pyseq import callbacks, layers
from pyseq.callbacks import base
from pyseq.datasets import _cache

X = np.linspace(0, 1, 80, dtype="float32").reshape(20, 4)
Y = X[:, :1]


def make_model():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


class WriteOnly:
    """What windowed programs put into the place of `sys.stdout`."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_no_standard_output(monkeypatch, verbose):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    model = make_model()
    history = model.fit(X, Y, epochs=2, validation_split=0.2, verbose=verbose)
    assert len(history.history["val_mae"]) == 2
    assert model.predict(X, verbose=verbose).shape == (20, 1)
    assert len(model.evaluate(X, Y, verbose=verbose)) == 2
    model.summary()


@pytest.mark.filterwarnings(r"ignore:.*\[PS(304|401)\]")
def test_callbacks_that_speak_without_standard_output(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", None)
    model = make_model()
    never = {"monitor": "loss", "mode": "max", "verbose": 1}
    path = tmp_path / "best.keras"
    history = model.fit(
        X,
        Y,
        epochs=5,
        callbacks=[
            callbacks.EarlyStopping(patience=3, restore_best_weights=True, **never),
            callbacks.ReduceLROnPlateau(patience=1, **never),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate, verbose=1),
            callbacks.ModelCheckpoint(path, verbose=1),
        ],
    )
    assert len(history.epoch) == 4
    assert path.exists()
    model.fit(np.full_like(X, np.nan), Y, callbacks=[callbacks.TerminateOnNaN()])
    assert model.stop_training
    pyseq.saving.KerasFileEditor(path).summary()


def test_downloads_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    _cache._progress(1, 2)
    stream = WriteOnly()
    monkeypatch.setattr(sys, "stderr", stream)
    _cache._progress(1, 2)
    assert stream.text == ""


def test_output_that_can_only_write(monkeypatch):
    stream = WriteOnly()
    monkeypatch.setattr(sys, "stdout", stream)
    make_model().fit(X, Y, epochs=2, verbose=2)
    assert stream.text.startswith("Epoch 1/2\n1/1 - ")


def test_terminal_without_the_characters(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", newline=""))
    base.show("━─")
    base.say("größe: 1")
    assert raw.getvalue() == b"=.gr??e: 1\n"
