"""Layers that get their dtype policy after they were made, and what a built layer takes, beside
Keras."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

X = np.random.default_rng(0).normal(size=(2, 4, 3))
IDS = np.array([[1, 2, 0]])

LATE = {
    "LSTM": (lambda m: m.LSTM(2, return_sequences=True), X),
    "GRU": (lambda m: m.GRU(2), X),
    "SimpleRNN": (lambda m: m.SimpleRNN(2), X),
    "RNN": (lambda m: m.RNN(m.LSTMCell(2)), X),
    "Bidirectional": (lambda m: m.Bidirectional(m.LSTM(2)), X),
    "BatchNormalization": (lambda m: m.BatchNormalization(), X),
    "LayerNormalization": (lambda m: m.LayerNormalization(), X),
    "GroupNormalization": (lambda m: m.GroupNormalization(1), X),
    "UnitNormalization": (lambda m: m.UnitNormalization(), X),
    "Embedding": (lambda m: m.Embedding(5, 2), IDS),
    "PReLU": (lambda m: m.PReLU(alpha_initializer="random_normal"), X),
    "Dense": (lambda m: m.Dense(2), X),
    "TimeDistributed": (lambda m: m.TimeDistributed(m.Dense(2)), X),
    "SpectralNormalization": (lambda m: m.SpectralNormalization(m.Dense(2)), X),
}


def dtype(x):
    return str(x.dtype).replace("torch.", "")


@pytest.mark.parametrize("policy", ["float64", "float16"])
@pytest.mark.parametrize("name", LATE)
def test_late_policy_beside_keras(keras, name, policy):
    if (name, policy) == ("SpectralNormalization", "float16"):
        pytest.skip("the layer within keeps float32, and so does what it gives")
    make, x = LATE[name]
    ours, theirs = (make(m.layers) for m in (pyseq, keras))
    for layer in (ours, theirs):
        layer.dtype_policy = policy
        layer.build(x.shape)
    theirs.set_weights(ours.get_weights())
    assert [dtype(w) for w in ours.weights] == [dtype(w) for w in theirs.weights]
    assert (ours.compute_dtype, ours.variable_dtype) == (
        theirs.compute_dtype,
        theirs.variable_dtype,
    )
    got, want = ours(x), theirs(x)
    assert dtype(got) == dtype(want)
    # On torch Keras itself computes much of float64 in float32.
    digits = 1e-2 if policy == "float16" else 2e-6
    want = want.detach().cpu().numpy()
    np.testing.assert_allclose(got, want, rtol=digits, atol=digits)


@pytest.mark.parametrize("policy", ["float32", "float16", "mixed_float16"])
def test_merging_layers_cast_arrays_as_keras_does(keras, policy):
    for dtypes in (("float64", "float64"), ("float32", "float64"), ("float16", "float32")):
        xs = [X.astype(d) for d in dtypes]
        for make in (lambda m: m.Add, lambda m: m.Concatenate, lambda m: m.Maximum):
            got, want = (make(m.layers)(dtype=policy)(xs) for m in (pyseq, keras))
            assert dtype(got) == dtype(want)
            np.testing.assert_allclose(got, want.cpu().numpy(), rtol=1e-3)


def test_a_late_policy_of_float64_has_all_its_digits():
    layer = layers.LayerNormalization(epsilon=1e-3)
    layer.dtype_policy = "float64"
    want = (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer(X), want, rtol=1e-13, atol=1e-15)


def test_attention_gives_arrays_of_its_dtype():
    for policy in ("float32", "float64", "float16"):
        assert dtype(layers.Attention(dtype=policy)([X, X])) == policy
        assert dtype(layers.AdditiveAttention(dtype=policy)([X, X])) == policy


# --- what a built layer takes


BUILT = {
    "Dense": (lambda m: m.Dense(2), X.shape),
    "Dropout": (lambda m: m.Dropout(0.5), X.shape),
    "LSTM": (lambda m: m.LSTM(2), X.shape),
    "LSTMCell": (lambda m: m.LSTMCell(2), (2, 3)),
    "StackedRNNCells": (lambda m: m.StackedRNNCells([m.LSTMCell(2)]), (2, 3)),
    "Bidirectional": (lambda m: m.Bidirectional(m.LSTM(2)), X.shape),
    "MaxPooling1D": (lambda m: m.MaxPooling1D(), X.shape),
    "BatchNormalization": (lambda m: m.BatchNormalization(), X.shape),
}


@pytest.mark.parametrize("name", BUILT)
def test_built_layers_take_no_more_weights(keras, name):
    make, shape = BUILT[name]
    for m in (pyseq, keras):
        layer = make(m.layers)
        layer.build(shape)
        assert layer.built
        with pytest.raises(ValueError, match="cannot add new elements of state"):
            layer.add_weight(shape=(1,))


def test_a_call_of_stacked_cells_builds_them(keras):
    x, state = np.zeros((2, 3), "float32"), np.zeros((2, 2), "float32")
    for m in (pyseq, keras):
        cells = m.layers.StackedRNNCells([m.layers.GRUCell(2), m.layers.GRUCell(2)])
        cells(x, [[state], [state]])
        assert cells.built
        with pytest.raises(ValueError, match="cannot add new elements of state"):
            cells.add_weight(shape=(1,))


# --- rematerialization


def test_rematerialized_calls_give_the_same(keras):
    x = X.astype("float32")
    values = []
    for m in (pyseq, keras):
        layer = m.layers.Dense(4, activation="tanh", kernel_initializer="ones")
        y = layer(x)
        again = layer.rematerialized_call(layer.call, x)(m.ops.convert_to_tensor(x))
        values += [np.array(v.tolist()) for v in (y, again)]
    for value in values[1:]:
        np.testing.assert_allclose(value, values[0], rtol=1e-5, atol=1e-6)


def test_rematerialized_calls_within_a_model_train():
    class Doubled(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def double(self, x):
            return 2 * self.dense(x)

        def call(self, x):
            return self.rematerialized_call(self.double, x)(x)

    model = pyseq.Sequential([pyseq.Input((3,)), Doubled(), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.layers[0].dense.kernel.numpy()
    model.fit(X[:, 0], X[:, 0, :1], verbose=0)
    assert not np.array_equal(before, model.layers[0].dense.kernel.numpy())
