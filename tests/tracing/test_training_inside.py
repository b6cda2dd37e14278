"""Layers that a user's `call` calls with `training=True`: they train in a run for inference too."""

import numpy as np
import pytest

import pyseq
from pyseq import layers


class Always(pyseq.Layer):
    """Calls its inner layer for training, whatever the run is for."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x, training=True)


def model_of(inner, shape):
    model = pyseq.Sequential([pyseq.Input(shape), Always(inner)])
    model.compile("sgd", "mse")
    return model


def test_dropout_drops_in_each_prediction_anew():
    model = model_of(layers.Dropout(0.5), (50,))
    x = np.ones((400, 50), "float32")
    first, second = model.predict(x, verbose=0), model.predict(x, verbose=0)
    for y in (first, second, model(x), model.predict_on_batch(x)):
        assert 0.45 < np.mean(np.asarray(y) == 0) < 0.55
        assert set(np.unique(y)) == {0.0, 2.0}
    assert 0.45 < np.mean(first != second) < 0.55
    assert len(np.unique(first, axis=0)) == 400
    # The mean of y squared is 2 where half of the elements are 2.
    assert model.evaluate(x, 0 * x, verbose=0) == pytest.approx(2, abs=0.1)


def test_the_seed_decides():
    def draw():
        pyseq.utils.set_random_seed(7)
        return model_of(layers.Dropout(0.5), (20,)).predict(np.ones((30, 20)), verbose=0)

    np.testing.assert_array_equal(draw(), draw())


@pytest.mark.parametrize(
    "inner, shape",
    [
        (lambda: layers.GaussianNoise(1.0), (6, 5)),
        (lambda: layers.GaussianDropout(0.5), (6, 5)),
        (lambda: layers.AlphaDropout(0.5), (6, 5)),
        (lambda: layers.SpatialDropout1D(0.5), (6, 5)),
        (lambda: layers.LSTM(3, dropout=0.5), (6, 5)),
        (lambda: layers.GRU(3, recurrent_dropout=0.5), (6, 5)),
        (lambda: layers.SimpleRNN(3, dropout=0.5), (6, 5)),
        (lambda: layers.ConvLSTM1D(2, 2, dropout=0.5), (4, 5, 3)),
    ],
)
def test_every_layer_that_draws(inner, shape):
    x = np.ones((40, *shape), "float32")
    model = model_of(inner(), shape)
    y = model.predict(x, verbose=0)
    assert np.max(np.std(y, axis=0)) > 0.01
    assert np.any(y != model.predict(x, verbose=0))
    plain = pyseq.Sequential([pyseq.Input(shape), inner()])
    assert np.max(np.std(plain.predict(x, verbose=0), axis=0)) < 1e-6


def test_normalization_uses_the_batch():
    x = np.random.default_rng(0).normal(5, 3, (64, 4)).astype("float32")
    y = model_of(layers.BatchNormalization(), (4,)).predict(x, batch_size=32, verbose=0)
    for part, given in ((y[:32], x[:32]), (y[32:], x[32:])):
        right = (given - given.mean(0)) / np.sqrt(given.var(0) + 1e-3)
        np.testing.assert_allclose(part, right, atol=1e-5)


def test_inference_stays_inference():
    class Never(Always):
        def call(self, x):
            return self.inner(x, training=False)

    model = pyseq.Sequential([pyseq.Input((5,)), Never(layers.Dropout(0.5)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((8, 5), "float32")
    before = model.predict(x, verbose=0)
    np.testing.assert_array_equal(before, model.predict(x, verbose=0))
    assert model.train_on_batch(x, before) == pytest.approx(0, abs=1e-6)


def test_weights_that_an_op_writes_are_packed_after_it():
    layer = layers.SpectralNormalization(layers.Conv2D(4, 3))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    y = layer(x, training=True)
    plain = layers.Conv2D(4, 3)
    plain.build(x.shape)
    plain.set_weights(layer.layer.get_weights())
    np.testing.assert_array_equal(y, plain(x))


def test_no_gradient_passes_what_stops_it():
    class Rooted(pyseq.Layer):
        def call(self, x):
            # The slope of sqrt at 0 is infinite.
            return x * pyseq.ops.stop_gradient(pyseq.ops.sqrt(pyseq.ops.relu(x - 5))) + x

    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(2), Rooted(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=2, verbose=0)
    assert all(np.all(np.isfinite(w)) for w in model.get_weights())


def test_weights_before_a_step_function_stay():
    step = layers.Lambda(lambda x: pyseq.ops.floor(x))
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(2), step, layers.Dense(1)])
    model.compile(pyseq.optimizers.SGD(0.1, clipnorm=1.0), "mse")
    before = model.get_weights()
    model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=2, verbose=0)
    after = model.get_weights()
    assert [np.array_equal(a, b) for a, b in zip(before, after)] == [True, True, False, False]
