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
