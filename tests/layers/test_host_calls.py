"""Layers whose code cannot be traced: called as they are, with `training` and `mask` like any other."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

X = np.arange(1, 13, dtype="float32").reshape(6, 2)
IDS = np.array([[1, 2, 0], [3, 0, 0], [1, 1, 1]])


class Augment(layers.Layer):
    def call(self, x, training=None):
        x = np.array(x)  # no trace gets through this
        return x * 10 if training else x


class MaskedMean(layers.Layer):
    """The mean over the steps that are not masked, in NumPy."""

    def call(self, x, mask=None):
        x = np.array(x)
        weights = np.ones(x.shape[:2]) if mask is None else np.array(mask, float)
        assert mask is None or mask.dtype == bool
        return (x * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)


def test_direct_calls_get_training():
    assert Augment()(np.ones((1, 2), "f"), training=True).tolist() == [[10, 10]]
    assert Augment()(np.ones((1, 2), "f"), training=False).tolist() == [[1, 1]]
    assert Augment()(np.ones((1, 2), "f")).tolist() == [[1, 1]]


def test_augmentation_runs_in_fit_alone():
    model = pyseq.Sequential([pyseq.Input((2,)), Augment(), layers.Dense(1, use_bias=False)])
    model.compile(pyseq.optimizers.SGD(1.0), "mse")
    model.set_weights([np.zeros((2, 1), "f")])
    y = np.ones((6, 1), "f")
    np.testing.assert_allclose(model.evaluate(X, y, verbose=0), 1.0, rtol=1e-6)
    model.fit(X, y, batch_size=6, verbose=0)
    # The gradient of the mean of (x w - 1)^2 at w = 0 is -2 mean(x), of ten times x.
    np.testing.assert_allclose(model.get_weights()[0][:, 0], 20 * X.mean(axis=0), rtol=1e-5)
    w = model.get_weights()[0]
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ w, rtol=1e-5)


def test_layers_within_run_as_the_layer_does():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Augment()
            self.drop = layers.Dropout(1.0)

        def call(self, x):
            return self.inner(np.array(x)) + self.drop(np.array(x))

    outer = Outer()
    np.testing.assert_array_equal(outer(X, training=True), 10 * X)
    np.testing.assert_array_equal(outer(X, training=False), 2 * X)
    np.testing.assert_array_equal(outer(X), 2 * X)
    model = pyseq.Sequential([pyseq.Input((2,)), outer])
    np.testing.assert_array_equal(model(X, training=True), 10 * X)
    np.testing.assert_array_equal(model.predict(X, verbose=0), 2 * X)


def test_preprocessing_layers_within_run_as_the_layer_does():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.flip = layers.RandomFlip("horizontal", seed=1)

        def call(self, x):
            return self.flip(np.array(x))

    images = np.random.default_rng(0).uniform(0, 255, (8, 4, 4, 1)).astype("float32")
    outer = Outer()
    np.testing.assert_array_equal(outer(images), images)
    assert np.any(outer(images, training=True) != images)


def test_masks_reach_code_that_is_not_traced():
    model = pyseq.Sequential(
        [pyseq.Input((3,)), layers.Embedding(4, 2, mask_zero=True), MaskedMean()]
    )
    rows = model.layers[0].get_weights()[0]
    want = [rows[[1, 2]].mean(axis=0), rows[3], rows[1]]
    np.testing.assert_allclose(model.predict(IDS, verbose=0), want, atol=1e-6)


@pytest.mark.parametrize("traced", [True, False])
def test_lambda_gets_mask_and_training(traced, keras):
    def function(x, mask=None, training=None):
        x = x if traced else np.array(x)
        mask = mask if traced else np.array(mask)
        return x * mask[..., None] + (100.0 if training else 0.0)

    model = pyseq.Sequential(
        [
            pyseq.Input((3,)),
            layers.Embedding(4, 2, mask_zero=True),
            layers.Lambda(function, output_shape=(3, 2)),
        ]
    )
    rows = model.layers[0].get_weights()[0]
    want = rows[IDS] * (IDS != 0)[..., None]
    np.testing.assert_allclose(model.predict(IDS, verbose=0), want, atol=1e-6)
    model.trainable = False
    np.testing.assert_allclose(model(IDS, training=True), want + 100, atol=1e-4)


def test_lambda_gives_the_mask_that_its_function_says():
    def first_only(x, mask):
        return np.less(np.cumsum(np.ones_like(x[..., 0]), axis=1), 2)

    model = pyseq.Sequential(
        [
            pyseq.Input((3,)),
            layers.Embedding(4, 2, mask_zero=True),
            layers.Lambda(lambda x: x * 2, mask=first_only),
            layers.GlobalAveragePooling1D(),
        ]
    )
    rows = model.layers[0].get_weights()[0]
    np.testing.assert_allclose(model.predict(IDS, verbose=0), 2 * rows[IDS[:, 0]], atol=1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_lambda_whose_function_gives_no_mask(keras):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    x[:, 2:] = 0.0

    def model(K, masked):
        return K.Sequential([
            K.Input((4, 3)), *([K.layers.Masking()] if masked else []),
            K.layers.Lambda(lambda x: x + 1, mask=lambda x, mask: mask),
            K.layers.GlobalAveragePooling1D(),
        ])

    for masked in (False, True):
        y = model(pyseq, masked).predict(x, verbose=0)
        np.testing.assert_allclose(y, model(keras, masked).predict(x, verbose=0), atol=1e-6)


def test_functions_of_cells_run_as_the_layer_does():
    class Cell(layers.Layer):
        state_size = 2

        def __init__(self):
            super().__init__()
            self.augment = Augment()

        def call(self, inputs, states):
            y = np.array(states[0]) + self.augment(np.array(inputs))
            return y, [y]

    rnn = layers.RNN(Cell())
    x = np.ones((2, 3, 2), "float32")
    np.testing.assert_array_equal(rnn(x, training=True), np.full((2, 2), 30))
    np.testing.assert_array_equal(rnn(x), np.full((2, 2), 3))


@pytest.mark.filterwarnings("ignore")
def test_a_layer_that_hands_its_input_on_hands_its_mask_on(keras):
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    x[:, 2:] = 0.0

    def models(K):
        class Same(K.layers.Layer):
            def call(self, x):
                return x

        class Twice(K.layers.Layer):
            def call(self, x):
                return x * 2

        class Own(Same):
            def compute_mask(self, inputs, mask=None):
                return K.ops.any(inputs > -9.0, axis=-1)

        lambdas = [lambda x: x, lambda x: K.ops.cast(x, "float32"), lambda x: x * 2]
        for layer in (Same(), Twice(), Own(), *map(K.layers.Lambda, lambdas)):
            pooling = K.layers.GlobalAveragePooling1D()
            yield K.Sequential([K.Input((4, 3)), K.layers.Masking(), layer, pooling])

    for ours, theirs in zip(models(pyseq), models(keras), strict=True):
        want = theirs.predict(x, verbose=0)
        np.testing.assert_allclose(ours.predict(x, verbose=0), want, atol=1e-6)


def test_code_that_minds_the_values_has_the_shape_that_it_declares():
    class Careful(layers.Layer):
        def compute_output_shape(self, input_shape):
            return (input_shape[0],)

        def call(self, x, mask=None):
            np.testing.assert_array_equal(mask, IDS != 0)  # no trial gets through this
            return np.array(x).sum(axis=(1, 2))

    model = pyseq.Sequential([layers.Embedding(4, 2, mask_zero=True), Careful()])
    expected = np.asarray(model.layers[0](IDS)).sum(axis=(1, 2))
    np.testing.assert_allclose(model(IDS), expected, rtol=1e-6)
