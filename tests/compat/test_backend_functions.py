"""The `K.` functions of older scripts that are more than `pyseq.ops` under another name."""

import numpy as np
import pytest

import pyseq
from pyseq import backend as K, layers
from pyseq.compat.notices import CompatNotice

X = np.arange(12.0, dtype="float32").reshape(3, 4)


def model_of(*stack):
    model = pyseq.Sequential([pyseq.Input((4,)), *stack])
    model.compile("sgd", "mse")
    return model


def test_functions_between_tensors():
    model = model_of(layers.Dense(3), layers.Dropout(0.5), layers.Dense(2))
    hidden = K.function([model.input], [model.layers[0].output])
    np.testing.assert_allclose(hidden([X])[0], model.layers[0](X))
    output = K.function([model.input, K.learning_phase()], [model.output])
    np.testing.assert_allclose(output([X, 0])[0], model(X))
    assert any(np.any(output([X, 1])[0] != model(X)) for _ in range(9))
    both = K.function([model.input], [layer.output for layer in model.layers])
    assert [y.shape for y in both([X])] == [(3, 3), (3, 3), (3, 2)]


def test_sampling_in_a_lambda():
    def sample(x):
        return x + K.random_normal(shape=K.shape(x), mean=0.0, stddev=1.0)

    model = model_of(layers.Dense(4), layers.Lambda(sample))
    model.fit(X, X, verbose=0)
    noise = layers.Lambda(sample)(np.zeros((400, 4), "float32"))
    assert abs(np.mean(noise)) < 0.2 and 0.8 < np.std(noise) < 1.2
    for y in (K.random_uniform((50,), 1, 2), K.truncated_normal((50,)), K.dropout(X + 1, 0.5)):
        assert np.all(np.isfinite(y))
    assert K.random_normal_variable((2, 3), 0, 1).shape == (2, 3)
    assert K.random_uniform_variable((2,), 0, 1).numpy().max() < 1


def test_what_depends_on_training():
    layer = layers.Lambda(lambda x: K.in_train_phase(x * 10, x))
    assert K.learning_phase() == 0
    K.set_learning_phase(1)
    np.testing.assert_array_equal(layer(X), X)
    assert K.in_train_phase(1, 2, training=True) == 1
    assert K.in_test_phase(lambda: 1, 2, training=False) == 1


def test_variables():
    v = K.variable([1.0, 2.0])
    K.update(v, [2.0, 3.0])
    K.update_add(v, [1.0, 1.0])
    K.update_sub(v, [0.5, 0.5])
    K.moving_average_update(v, np.array([0.0, 0.0]), 0.5)
    np.testing.assert_allclose(K.batch_get_value([v])[0], [1.25, 1.75])
    K.batch_set_value([(v, [7.0, 8.0])])
    np.testing.assert_allclose(K.get_value(v), [7, 8])
    assert K.cast_to_floatx(np.ones(2)).dtype == "float32"


def test_images_and_sequences():
    image = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
    ones = np.ones((2, 2, 1, 1), "float32")
    assert K.conv2d(image, ones)[0, 0, 0, 0] == 0 + 1 + 4 + 5
    assert K.pool2d(image, (2, 2), (2, 2))[0, 0, 0, 0] == 5
    assert K.pool2d(image, (2, 2), (2, 2), pool_mode="avg")[0, 0, 0, 0] == 2.5
    assert K.resize_images(image, 2, 3, "channels_last").shape == (1, 8, 12, 1)
    assert K.spatial_2d_padding(image).shape == (1, 6, 6, 1)
    assert K.spatial_2d_padding(image, data_format="channels_first").shape == (1, 4, 6, 3)
    steps = X.reshape(1, 3, 4)
    assert K.temporal_padding(steps, (2, 1)).shape == (1, 6, 4)
    causal = K.conv1d(steps, np.ones((2, 4, 1), "float32"), padding="causal")
    np.testing.assert_allclose(causal[0, :, 0], [6, 28, 60])
    np.testing.assert_array_equal(K.bias_add(X, np.ones(4, "float32")), X + 1)
    first = K.bias_add(np.zeros((1, 2, 3, 3)), np.array([1.0, 2.0]), "channels_first")
    np.testing.assert_array_equal(first[0, :, 0, 0], [1, 2])
    np.testing.assert_array_equal(K.slice(X, (1, 0), (1, 2)), [[4, 5]])
    np.testing.assert_array_equal(K.map_fn(lambda row: row * 2, X), X * 2)
    assert K.identity(X) is X and K.print_tensor(X) is X
    assert K.in_top_k(X, np.array([3, 0, 2]), 2).tolist() == [True, False, True]


def test_ctc():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), (2, 5)).astype("float32")
    labels, steps, counts = [[0, 1], [2, 2]], [[5], [4]], [[2], [2]]
    loss = K.ctc_batch_cost(np.array(labels), probabilities, np.array(steps), np.array(counts))

    def likelihood(row, label, length):
        # The sum over all paths of this length that collapse to the label.
        total = 0.0
        for path in np.ndindex(*[4] * length):
            kept = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
            if [s for s in kept if s != 3] == label:
                total += np.prod([row[t, s] for t, s in enumerate(path)])
        return -np.log(total)

    right = [likelihood(p, y, n[0]) for p, y, n in zip(probabilities, labels, steps)]
    np.testing.assert_allclose(np.ravel(loss), right, rtol=1e-4)
    decoded, _ = K.ctc_decode(probabilities, np.array([5, 4]))
    assert np.asarray(decoded[0]).shape[0] == 2


def test_sessions_and_orders_of_axes():
    assert K.get_session() is None and K.image_dim_ordering() == "tf"
    K.set_session(None)
    K.manual_variable_initialization(True)
    K.set_image_dim_ordering("th")
    try:
        assert K.image_data_format() == "channels_first" and K.image_dim_ordering() == "th"
    finally:
        K.set_image_dim_ordering("tf")
    with pytest.raises(ValueError, match="'tf' or 'th'"):
        K.set_image_dim_ordering("xy")


def test_arguments_that_stood_elsewhere():
    class Scaled(pyseq.Layer):
        def build(self, shape):
            self.scale = self.add_weight("scale", shape=[shape[-1]], initializer="ones")
            self.shift = self.add_weight("shift", (shape[-1],), "float32", "zeros")

        def call(self, x):
            return x * self.scale + self.shift

    with pytest.warns(CompatNotice, match="add_weight|compile"):
        model = pyseq.Sequential([pyseq.Input((4,)), Scaled(), layers.Dense(1)])
        model.compile("adam", "mse", ["mae"])
    assert [w.name for w in model.layers[0].weights] == ["scale", "shift"]
    history = model.fit(X, np.ones(3), verbose=0).history
    assert sorted(history) == ["loss", "mae"]
    model.compile("adam", "mse", [2.0])
    with pytest.raises(ValueError, match="keyword argument"):
        layers.Dense(1).add_weight("alone")
