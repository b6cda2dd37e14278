"""`fit`, `evaluate` and `predict` on data sets that are read while they are iterated over."""

import threading
import time

import numpy as np
import pytest

import pyseq
from pyseq import layers, utils
from pyseq.utils.pipeline import Dataset

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 3)).astype("float32")
Y = RNG.normal(size=(22, 1)).astype("float32")
W = RNG.uniform(0.5, 2, size=22).astype("float32")


def make(loss="mse"):
    utils.set_random_seed(1)
    model = pyseq.Sequential([pyseq.Input((3,), name="x"), layers.Dense(4, "tanh"), layers.Dense(1)])
    model.compile(pyseq.optimizers.SGD(0.1), loss, metrics=["mae"])
    return model


def trained(*args, **kwargs):
    model = make()
    history = model.fit(*args, epochs=3, verbose=0, **kwargs)
    return history.history, model.get_weights()


def assert_same(a, b):
    assert list(a[0]) == list(b[0])
    for name in a[0]:
        np.testing.assert_allclose(a[0][name], b[0][name], rtol=1e-5)
    for left, right in zip(a[1], b[1], strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


ROWS = Dataset.from_tensor_slices((X, Y))


@pytest.mark.parametrize(
    "data",
    [
        ROWS.batch(5),
        ROWS.batch(5).prefetch(2),
        ROWS.map(lambda x, y: (x, y), num_parallel_calls=2).batch(5).cache(),
        Dataset.from_tensor_slices(({"x": X}, Y)).batch(5),
        Dataset.from_generator(lambda: zip(X, Y)).batch(5),
        Dataset.zip(ROWS.map(lambda x, y: x), ROWS.map(lambda x, y: y)).batch(5),
    ],
)
def test_fit_is_that_of_arrays(data):
    expected = trained(X, Y, batch_size=5, shuffle=False)
    assert_same(trained(data), expected)
    model = make()
    np.testing.assert_allclose(
        model.evaluate(data, verbose=0), model.evaluate(X, Y, batch_size=5, verbose=0), rtol=1e-5
    )
    np.testing.assert_allclose(
        model.predict(data, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_weights_of_rows():
    data = Dataset.from_tensor_slices((X, Y, W)).batch(5)
    assert_same(trained(data), trained(X, Y, sample_weight=W, batch_size=5, shuffle=False))


def test_validation_and_steps():
    data = ROWS.batch(5)
    history, _ = trained(data, validation_data=data.take(2))
    expected, _ = trained(
        X, Y, batch_size=5, shuffle=False, validation_data=(X[:10], Y[:10]), validation_batch_size=5
    )
    np.testing.assert_allclose(history["val_loss"], expected["val_loss"], rtol=1e-5)
    # An endless one goes on from epoch to epoch.
    endless = trained(Dataset.from_tensor_slices((X, Y)).repeat().batch(5), steps_per_epoch=4)
    rolled = np.arange(60) % 22
    model = make()
    losses = []
    for epoch in range(3):
        chosen = rolled[epoch * 20 : (epoch + 1) * 20]
        fitted = model.fit(X[chosen], Y[chosen], batch_size=5, shuffle=False, verbose=0)
        losses += fitted.history["loss"]
    np.testing.assert_allclose(endless[0]["loss"], losses, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda model, data: model.fit(data, verbose=0), "fit: expected steps_per_epoch"),
        (lambda model, data: model.evaluate(data, verbose=0), "evaluate: expected steps with"),
        (lambda model, data: model.predict(data, verbose=0), "predict: expected steps with"),
    ],
)
def test_endless_data_need_steps(call, argument):
    with pytest.raises(ValueError, match=argument):
        call(make(), ROWS.batch(5).repeat())


def test_each_epoch_is_shuffled_anew():
    orders = []
    shuffled = ROWS.shuffle(22, seed=1).batch(11).map(lambda x, y: (orders.append(y[0, 0]) or x, y))
    make().fit(shuffled, epochs=6, verbose=0)
    assert len(set(orders[::2])) > 1


def test_threads_end_with_fit_whatever_happens():
    def stop(x, y):
        if threading.current_thread() is not threading.main_thread() and len(calls) == 3:
            raise OSError("disk")
        calls.append(0)
        return x, y

    before, calls = threading.active_count(), []
    with pytest.raises(OSError, match="disk"):
        make().fit(ROWS.batch(5).map(stop).prefetch(2), epochs=2, verbose=0)
    calls = [0] * 9
    make().fit(ROWS.batch(5).map(stop).repeat().prefetch(4), steps_per_epoch=2, verbose=0)
    end = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_layers_in_functions():
    scale = layers.Rescaling(2.0)
    data = ROWS.batch(5).map(lambda x, y: (scale(x), y)).prefetch(2)
    assert_same(trained(data), trained(2 * X, Y, batch_size=5, shuffle=False))


def test_directories_train(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for k in range(3):
            (tmp_path / name / f"{k}.txt").write_text(f"{name} word {k}")
    data = utils.text_dataset_from_directory(tmp_path, batch_size=2, seed=1, verbose=False)
    encode = layers.TextVectorization(max_tokens=20, output_sequence_length=3)
    encode.adapt(np.array(["a word 0", "b word 1"]))
    model = pyseq.Sequential([encode, layers.Embedding(20, 4), layers.Flatten(), layers.Dense(1)])
    model.compile("adam", pyseq.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(data, epochs=40, verbose=0).history["loss"]
    assert history[-1] < history[0]
