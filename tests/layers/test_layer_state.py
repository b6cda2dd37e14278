"""What a layer keeps: weights and their paths, metrics, policies."""

import numpy as np
import pytest

import pyseq

X = np.ones((2, 5, 3), "float32")


def nested(m):
    class Inner(m.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.early = self.add_weight(shape=(1,), name="early")

        def build(self, shape):
            self.late = self.add_weight(shape=(1,), name="late")

        def call(self, x):
            return x * self.late

    class Outer(m.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Inner(name="i")

        def call(self, x):
            return self.inner(x)

    return Outer(name="o")


PATHS = {
    "nested": nested,
    "model": lambda m: m.Sequential([nested(m), m.layers.Dense(2, name="d")], name="s"),
    "models": lambda m: m.Sequential([m.Sequential([m.layers.Dense(2, name="d")], name="b")],
                                     name="a"),
    "bidirectional": lambda m: m.layers.Bidirectional(m.layers.LSTM(2, name="l"), name="b"),
    "steps": lambda m: m.layers.TimeDistributed(m.layers.Dense(2, name="d"), name="t"),
    "cells": lambda m: m.layers.RNN(
        [m.layers.LSTMCell(2, name="c"), m.layers.GRUCell(2, name="e")], name="r"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PATHS)
def test_paths_are_those_of_keras(keras, name):
    mine, theirs = PATHS[name](pyseq), PATHS[name](keras)
    mine(X), theirs(X)
    paths = [v.path.replace("stacked_rnn_cells_1", "stacked_rnn_cells") for v in theirs.weights]
    assert sorted(v.path for v in mine.weights) == sorted(paths)
    assert mine.path == theirs.path


def test_a_layer_called_by_itself_first_keeps_its_path():
    inner = pyseq.layers.Dense(2, name="d")
    inner(X)
    model = pyseq.Sequential([inner], name="s")
    model(X)
    assert inner.path == "d" and [v.path for v in model.weights] == ["d/kernel", "d/bias"]
