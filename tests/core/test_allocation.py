"""Memory stays what it is: no growth over many predictions and training steps."""

import ctypes
import gc
import platform

import numpy as np
import pytest

import pyseq
from pyseq import layers


class _Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]


def bytes_in_use():
    """Bytes that malloc has handed out, large blocks included."""
    libc = ctypes.CDLL(None)
    if platform.libc_ver()[0] != "glibc" or not hasattr(libc, "mallinfo2"):
        pytest.skip("needs glibc's mallinfo2")
    libc.mallinfo2.restype = _Mallinfo2
    gc.collect()
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd


def model_of_many_ops():
    model = pyseq.Sequential(
        [
            pyseq.Input((12, 6)),
            layers.Conv1D(8, 3, activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.MaxPooling1D(),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.LayerNormalization(),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_predict_does_not_grow():
    model = model_of_many_ops()
    x = np.ones((1, 12, 6), "float32")
    for _ in range(100):
        model.predict(x, verbose=0)
        model(x)
    before = bytes_in_use()
    for _ in range(3000):
        model.predict(x, verbose=0)
        model(x)
    assert bytes_in_use() - before < 64 * 1024


def test_training_does_not_grow():
    model = model_of_many_ops()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 12, 6)), rng.integers(0, 3, 64)

    def run(times):
        model.fit(x, y, batch_size=8, epochs=times, verbose=0)
        for _ in range(times):
            model.train_on_batch(x, y)
            model.test_on_batch(x, y)

    run(3)
    before = bytes_in_use()
    run(200)
    assert bytes_in_use() - before < 128 * 1024


def test_models_give_their_memory_back():
    def once():
        model = pyseq.Sequential([pyseq.Input((300,)), layers.Dense(500), layers.Dense(10)])
        model.compile("adam", "mse")
        model.fit(np.ones((64, 300)), np.ones((64, 10)), verbose=0)

    for _ in range(3):
        once()
    before = bytes_in_use()
    for _ in range(10):
        once()
    assert bytes_in_use() - before < 512 * 1024


def test_input_that_is_memory_mapped(tmp_path):
    rows = np.lib.format.open_memmap(
        tmp_path / "x.npy", mode="w+", dtype="float32", shape=(100_000, 10)
    )
    rows[:] = 1
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = pyseq.Sequential([pyseq.Input((10,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, np.ones(100_000, "float32"), batch_size=1000, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
