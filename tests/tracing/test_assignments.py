"""Variables that the code of a layer assigns: part of the program, in order, saved like other state."""

import numpy as np
import pytest

import pyseq
from pyseq import layers, ops

X = np.linspace(0, 1, 40, dtype="float32").reshape(20, 2)
Y = X.sum(axis=1, keepdims=True)


class Average(layers.Layer):
    """A moving average of the inputs, and how many steps there were."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mean = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="mean")
        self.steps = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="steps"
        )

    def call(self, x, training=None):
        if training:
            self.mean.assign(0.5 * self.mean + 0.5 * ops.mean(x, axis=0))
            self.steps.assign_add(1)
        return x - self.mean


def model_of(layer, units=1):
    model = pyseq.Sequential([pyseq.Input((2,)), layer, layers.Dense(units)])
    model.compile("sgd", "mse")
    return model


def test_moving_average_and_counter():
    layer = Average()
    model = model_of(layer)
    model.fit(X, Y, batch_size=20, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(layer.mean.numpy(), 0.75 * X.mean(axis=0), rtol=1e-6)
    assert int(layer.steps) == 2
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert int(layer.steps) == 2
    model.train_on_batch(X, Y)
    assert int(layer.steps) == 3
    w, b = model.get_weights()[-2:]
    np.testing.assert_allclose(model.predict(X, verbose=0), (X - layer.mean) @ w + b, atol=1e-6)


def test_many_steps_in_one_call_of_the_core():
    layer = Average()
    model_of(layer).fit(X, Y, batch_size=2, epochs=3, shuffle=False, verbose=0)
    mean = np.zeros(2)
    for _ in range(3):
        for i in range(0, 20, 2):
            mean = 0.5 * mean + 0.5 * X[i : i + 2].mean(axis=0)
    np.testing.assert_allclose(layer.mean.numpy(), mean, rtol=1e-5)
    assert int(layer.steps) == 30


def test_reads_after_an_assignment_get_the_new_value_and_those_before_it_the_old_one():
    class Order(layers.Layer):
        def __init__(self):
            super().__init__()
            self.v = self.add_weight(shape=(), initializer="ones", trainable=False, name="v")

        def call(self, x):
            before = x * self.v
            self.v.assign(self.v * 3.0)
            return before + 10.0 * self.v

    layer = Order()
    x = np.ones((2, 1), "float32")
    assert layer(x).tolist() == [[31.0], [31.0]]
    assert float(layer.v) == 3.0
    assert layer(x).tolist() == [[93.0], [93.0]]
    assert float(layer.v) == 9.0


def test_gradients_see_what_was_there_before():
    """y = (x v) w, v doubles in each step: the gradient of w uses the v of the forward pass."""

    class Doubles(layers.Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight(shape=(1,), initializer="ones", name="w")
            self.v = self.add_weight(shape=(1,), initializer="ones", trainable=False, name="v")

        def call(self, x):
            y = x * self.w * self.v
            self.v.assign(self.v * 2.0)
            return y

    model = pyseq.Sequential([pyseq.Input((1,)), Doubles()])
    model.compile(pyseq.optimizers.SGD(0.1), "mse")
    x, y = np.ones((4, 1), "float32"), np.zeros((4, 1), "float32")
    w, v = 1.0, 1.0
    for _ in range(3):
        model.train_on_batch(x, y)
        w, v = w - 0.1 * 2 * (w * v) * v, 2 * v
    np.testing.assert_allclose(model.layers[0].get_weights(), [[w], [v]], rtol=1e-5)


def test_predict_counts_batches_as_they_are_asked_for():
    class Counts(layers.Layer):
        def __init__(self):
            super().__init__()
            self.n = pyseq.Variable(0, dtype="int64", trainable=False)

        def call(self, x):
            self.n.assign_add(1)
            return x * 1.0

    layer = Counts()
    model = pyseq.Sequential([pyseq.Input((2,)), layer])
    model.predict(X, batch_size=4, verbose=0)
    assert int(layer.n) == 5
    model.predict(X, batch_size=20, verbose=1)
    assert int(layer.n) == 6
    model(X)
    assert int(layer.n) == 7 and layer.n.dtype == "int64"
    layer.n.assign(40)
    model(X)
    assert int(layer.n) == 41


def test_variables_that_are_attributes_are_weights():
    class Holds(layers.Layer):
        def __init__(self):
            super().__init__()
            self.scale = pyseq.Variable([2.0, 3.0])
            self.seen = pyseq.Variable(0.0, trainable=False)

        def call(self, x):
            self.seen.assign_add(ops.sum(x))
            return x * self.scale

    layer = Holds()
    model = model_of(layer)
    assert layer.trainable_weights == [layer.scale] and layer.non_trainable_weights == [layer.seen]
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(layer.scale.numpy(), [2.0, 3.0])
    np.testing.assert_allclose(float(layer.seen), X.sum(), rtol=1e-5)


def test_a_codebook_follows_the_data():
    """Vector quantization with moving averages: counts and sums of the nearest entries."""

    class Codebook(layers.Layer):
        def __init__(self):
            super().__init__()
            self.codes = self.add_weight(
                shape=(2, 2), initializer=lambda s, dtype=None: np.eye(2, dtype="f"),
                trainable=False, name="codes",
            )

        def call(self, x, training=None):
            distances = ops.sum((x[:, None, :] - self.codes) ** 2, axis=-1)
            hot = ops.one_hot(ops.argmin(distances, axis=-1), 2)
            if training:
                sums = ops.sum(hot[:, :, None] * x[:, None, :], axis=0)
                counts = ops.sum(hot, axis=0)
                self.codes.assign(0.9 * self.codes + 0.1 * sums / ops.maximum(counts, 1.0)[:, None])
            return x + ops.stop_gradient(ops.sum(hot[:, :, None] * self.codes, axis=1) - x)

    layer = Codebook()
    model = model_of(layer)
    x = np.array([[1.0, 0.2], [0.8, 0.0], [0.1, 1.0]], "float32")
    model.train_on_batch(x, np.ones((3, 1), "float32"))
    want = 0.9 * np.eye(2) + 0.1 * np.array([x[:2].mean(axis=0), x[2]])
    np.testing.assert_allclose(layer.codes.numpy(), want, rtol=1e-5)


@pytest.mark.parametrize("file", ["model.keras", "model.weights.h5"])
def test_saved_and_restored(tmp_path, file):
    layer = Average(name="average")
    model = model_of(layer)
    model.fit(X, Y, batch_size=5, verbose=0)
    path = tmp_path / file
    if file.endswith(".keras"):
        model.save(path)
        again = pyseq.saving.load_model(path, custom_objects={"Average": Average})
    else:
        model.save_weights(path)
        again = model_of(Average(name="average"))
        again.load_weights(path)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(again.layers[0].steps) == 4
    again.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
    model.fit(X, Y, batch_size=5, shuffle=False, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_same_bits_at_any_thread_count():
    results = []
    x = np.random.default_rng(0).normal(size=(512, 2)).astype("float32")
    for threads in (1, 2, 3):
        pyseq.utils.set_random_seed(0)
        pyseq.config.set_num_threads(threads)
        layer = Average()
        model = model_of(layer, units=64)
        model.fit(x, np.ones((512, 64), "float32"), batch_size=128, epochs=2, verbose=0)
        results.append(model.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_values_with_a_batch_are_refused():
    class Wrong(layers.Layer):
        def __init__(self):
            super().__init__()
            self.v = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="v")
            self.w = self.add_weight(shape=(2,), initializer="ones", name="w")

        def call(self, x):
            self.v.assign(x)
            return x * self.w

    with pytest.raises(ValueError, match="wrong/v: expected a value of shape"):
        pyseq.Sequential([pyseq.Input((2,)), Wrong()])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_no_gradient_through_what_was_assigned(keras):
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")

    def weights(K, start):
        class Centered(K.layers.Layer):
            def build(self, shape):
                self.mean = self.add_weight(
                    shape=(shape[-1],), initializer="zeros", trainable=False, name="mean"
                )

            def call(self, x, training=None):
                if training:
                    self.mean.assign(self.mean * 0.5 + K.ops.mean(x, axis=(0, 1)) * 0.5)
                return x - self.mean

        model = K.Sequential([K.Input((5, 3)), K.layers.Dense(3), Centered(), K.layers.Dense(1)])
        model.set_weights(start or model.get_weights())
        start = model.get_weights()
        model.compile(K.optimizers.SGD(0.1), "mse")
        for _ in range(3):
            model.train_on_batch(x, x[..., :1])
        return start, model.get_weights()

    start, ours = weights(pyseq, None)
    for a, b in zip(ours, weights(keras, start)[1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
