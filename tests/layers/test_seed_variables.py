"""States of random generators among the variables of layers."""

import copy
import pickle

import numpy as np
import pytest

import pyseq
from pyseq import Input, Sequential, layers, ops, random

CASES = {
    "SimpleRNN": lambda layers: layers.SimpleRNN(2, dropout=0.5, seed=3),
    "GRU without dropout": lambda layers: layers.GRU(2),
    "Bidirectional": lambda layers: layers.Bidirectional(layers.LSTM(2, dropout=0.5)),
    "RandomFlip": lambda layers: layers.RandomFlip(seed=1),
    "RandomCrop": lambda layers: layers.RandomCrop(2, 2),
    "Dense": lambda layers: layers.Dense(2),
    "Dropout": lambda layers: layers.Dropout(0.5),
    "Dropout of a seed": lambda layers: layers.Dropout(0.5, seed=3),
    "Dropout of nothing": lambda layers: layers.Dropout(0),
    "AlphaDropout": lambda layers: layers.AlphaDropout(0.5),
    "SpatialDropout1D": lambda layers: layers.SpatialDropout1D(0.5),
    "SpatialDropout2D": lambda layers: layers.SpatialDropout2D(0.5, seed=1),
    "SpatialDropout3D": lambda layers: layers.SpatialDropout3D(0.5),
    "GaussianDropout": lambda layers: layers.GaussianDropout(0.5),
    "GaussianNoise": lambda layers: layers.GaussianNoise(0.5),
    "GaussianNoise of nothing": lambda layers: layers.GaussianNoise(0.0),
    "Attention": lambda layers: layers.Attention(dropout=0.5),
    "AdditiveAttention": lambda layers: layers.AdditiveAttention(),
    "CenterCrop": lambda layers: layers.CenterCrop(2, 2),
    "Resizing": lambda layers: layers.Resizing(2, 2),
    "AutoContrast": lambda layers: layers.AutoContrast(),
    "Equalization": lambda layers: layers.Equalization(),
    "MaxNumBoundingBoxes": lambda layers: layers.MaxNumBoundingBoxes(2),
    "Solarization": lambda layers: layers.Solarization(seed=1),
    "RandomColorJitter": lambda layers: layers.RandomColorJitter((0, 255), 0.1, 0.1, 0.1),
    "RandAugment": lambda layers: layers.RandAugment(),
    "AugMix": lambda layers: layers.AugMix(seed=3),
    "Pipeline": lambda layers: layers.Pipeline([layers.RandomFlip(), layers.CenterCrop(2, 2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_counts_of_keras(name):
    keras = pytest.importorskip("keras")
    ours, theirs = CASES[name](layers), CASES[name](keras.layers)
    for attribute in ("variables", "non_trainable_variables", "weights", "non_trainable_weights"):
        assert len(getattr(ours, attribute)) == len(getattr(theirs, attribute)), attribute
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        assert mine.path.partition("/")[2] == other.path.partition("/")[2]
        assert mine.shape == tuple(other.shape) and not mine.trainable


@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_counts_of_keras_once_built(keras, name):
    def counts(layers):
        arguments = (2, 2) if name == "MultiHeadAttention" else (4, 2, 1)
        layer = getattr(layers, name)(*arguments, dropout=0.5)
        layer(np.ones((1, 3, 2), "float32"), np.ones((1, 3, 2), "float32"))
        return [len(layer.variables), len(layer.weights), len(layer.non_trainable_variables)]

    assert counts(layers) == counts(keras.layers) == [9, 8, 1]


def test_counts_of_keras_in_a_model(keras):
    def counts(m):
        L = m.layers
        model = m.Sequential([L.Input((4,)), L.Dropout(0.5, seed=1), L.Dense(2), L.Dropout(0.2)])
        states = [v for v in model.variables if "seed" in v.path]
        found = (model.variables, model.weights, model.non_trainable_variables, states)
        return [len(variables) for variables in found], model.count_params()

    assert counts(pyseq) == counts(keras) == ([4, 2, 2, 2], 10)


def test_dropout_draws_as_before_whatever_its_state():
    model = Sequential([Input((64,)), layers.Dropout(0.5, seed=7)])
    x = np.ones((4, 64), "float32")
    first = model(x, training=True)
    other = Sequential([Input((64,)), layers.Dropout(0.5, seed=7)])
    other.variables[0].assign([5, 9])
    np.testing.assert_array_equal(other(x, training=True), first)
    assert 0 < (first == 0).mean() < 1


class Noise(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = random.SeedGenerator(1337)

    def call(self, x):
        return x + random.normal(ops.shape(x), seed=self.seed_generator)


def test_the_state_of_a_layer_of_the_users():
    layer = Noise()
    assert layer.variables == layer.non_trainable_variables == [layer.seed_generator.state]
    assert layer.weights == []
    assert layer.variables[0].dtype == "uint32"
    assert layer.variables[0].numpy().tolist() == [1337, 0]
    assert layer.get_weights() == []


def test_the_order_within_a_model():
    model = Sequential([Input((4, 2)), layers.LSTM(2, dropout=0.5), layers.Dense(1)], name="net")
    last = [v.path.rpartition("/")[2] for v in model.variables]
    assert last == [
        "kernel", "recurrent_kernel", "bias", "seed_generator_state", "kernel", "bias",
    ]
    assert len(model.get_weights()) == len(model.weights) == 5
    assert model.count_params() == sum(w.size for w in model.weights)


def test_draws_follow_the_state():
    source = random.SeedGenerator(7)
    first, second = random.normal((3,), seed=source), random.normal((3,), seed=source)
    assert source.state.numpy().tolist() == [7, 2]
    source.state.assign([7, 1])
    np.testing.assert_array_equal(random.normal((3,), seed=source), second)
    for copied in (copy.deepcopy(source), pickle.loads(pickle.dumps(source))):
        copied.state.assign([7, 0])
        np.testing.assert_array_equal(random.normal((3,), seed=copied), first)
    assert source.state.numpy().tolist() == [7, 2]


def test_a_state_tree_takes_the_states_of_another_model():
    def made():
        model = Sequential([Input((4, 2)), layers.LSTM(2, dropout=0.5, name="rnn")], name="net")
        model.compile("sgd", "mse")
        return model

    model, other = made(), made()
    state = model.layers[0].cell.seed_generator.state
    state.assign([5, 9])
    other.set_state_tree(model.get_state_tree("numpy_array"))
    assert other.layers[0].cell.seed_generator.state.numpy().tolist() == [5, 9]


def test_stateless_calls_take_the_states():
    layer = layers.SimpleRNN(2, dropout=0.5, seed=3)
    layer.build((None, 4, 2))
    fixed = [v.numpy() for v in layer.non_trainable_variables]
    y, after = layer.stateless_call(
        [v.numpy() for v in layer.trainable_variables], fixed, np.ones((1, 4, 2), "float32")
    )
    np.testing.assert_allclose(y, layer(np.ones((1, 4, 2), "float32")), rtol=1e-6)
    assert [a.tolist() for a in after] == [a.tolist() for a in fixed]
    assert pyseq.ops.shape(y) == (1, 2)
