"""What a layer keeps: weights and their paths, metrics, policies."""

import re

import numpy as np
import pytest

import pyseq

X = np.ones((2, 5, 3), "float32")


def array(x):
    return np.array(x.detach().numpy() if hasattr(x, "detach") else x)


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

    def paths(layer):  # the stack of cells is numbered by its class
        return sorted(re.sub(r"cells_\d+", "cells", v.path) for v in layer.weights)

    assert paths(mine) == paths(theirs)
    assert mine.path == theirs.path


def test_a_layer_called_by_itself_first_keeps_its_path():
    inner = pyseq.layers.Dense(2, name="d")
    inner(X)
    model = pyseq.Sequential([inner], name="s")
    model(X)
    assert inner.path == "d" and [v.path for v in model.weights] == ["d/kernel", "d/bias"]


def holder(m):
    class Holder(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self.listed = [m.Variable(1.0)]
            self.named = {"a": m.Variable(2.0, trainable=False), "more": [m.metrics.Mean()]}
            self.listed.append(m.Variable(3.0))
            self.metric = m.metrics.MeanSquaredError(name="error")

        def call(self, x):
            return x * self.listed[1]

    return Holder()


def test_variables_and_metrics_in_lists_and_dicts_are_kept(keras):
    def kept(m):
        layer = holder(m)
        y = layer(X)
        lists = (layer.trainable_variables, layer.non_trainable_variables)
        values = [[float(array(v.value)) for v in variables] for variables in lists]
        metrics = sorted(type(metric).__name__ for metric in layer.metrics)
        return values, metrics, len(layer.metrics_variables), float(array(y)[0, 0, 0])

    assert kept(pyseq) == kept(keras) == (
        [[1.0, 3.0], [2.0]], ["Mean", "MeanSquaredError"], 4, 3.0
    )  # fmt: skip


def test_metrics_of_layers_within():
    class Outer(pyseq.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.own = holder(pyseq), pyseq.metrics.Mean(name="own")

    layer = Outer()
    assert layer.metrics[0].name == "own" and len(layer.metrics) == 3
    assert layer.weights == layer.inner.weights and len(layer.weights) == 3


def test_policies_are_set_by_name(keras):
    for m in (pyseq, keras):
        layer = m.layers.Dense(2)
        layer.dtype_policy = "float64"
        assert layer.dtype_policy.name == "float64" and layer.compute_dtype == "float64"
        assert str(layer(X).dtype).endswith("float64")


@pytest.mark.parametrize("make", [
    lambda m: m.layers.Dense(2, activation="relu", kernel_initializer="ones"),
    lambda m: m.layers.Conv1D(2, 2, activation="softmax", kernel_initializer="ones"),
    lambda m: m.layers.EinsumDense("abc,cd->abd", (None, 2), activation="tanh"),
])  # fmt: skip
def test_no_activation_after_building(keras, make):
    mine, theirs = make(pyseq), make(keras)
    mine(-X), theirs(-X)
    theirs.set_weights(mine.get_weights())
    mine.activation = theirs.activation = None
    np.testing.assert_allclose(mine(-X), theirs(-X).detach().numpy(), rtol=1e-6)
    assert type(mine).from_config(mine.get_config()).activation is pyseq.activations.linear


def test_a_built_layer_takes_no_further_weights(keras):
    for m in (pyseq, keras):
        class Late(m.layers.Layer):
            def call(self, x):
                self.w = self.add_weight(shape=(), initializer="zeros", name="w")
                return x

        with pytest.raises(ValueError, match="cannot add new elements of state"):
            Late()(X)

        class Base(m.layers.Layer):
            def build(self, shape):
                super().build(shape)
                self.w = self.add_weight(shape=(1,), initializer="ones")

            def call(self, x):
                return x * self.w

        layer = Base()
        layer(X)
        with pytest.raises(ValueError, match="cannot add new elements of state"):
            layer.add_weight(shape=())
        with pytest.raises(ValueError, match="cannot add new elements of state"):
            layer.other = m.Variable(1.0)
        assert len(layer.weights) == 1
        layer.w = layer.w


BUILT = {
    "Dense": lambda m: m.layers.Dense(2),
    "Activation": lambda m: m.layers.Activation("relu"),
    "Dropout": lambda m: m.layers.Dropout(0.5),
    "Flatten": lambda m: m.layers.Flatten(),
    "Lambda": lambda m: m.layers.Lambda(lambda x: x),
    "BatchNormalization": lambda m: m.layers.BatchNormalization(),
    "Conv1D": lambda m: m.layers.Conv1D(2, 2),
    "MaxPooling1D": lambda m: m.layers.MaxPooling1D(),
    "LSTM": lambda m: m.layers.LSTM(2),
    "Bidirectional": lambda m: m.layers.Bidirectional(m.layers.GRU(2)),
    "TimeDistributed": lambda m: m.layers.TimeDistributed(m.layers.Dense(2)),
    "Rescaling": lambda m: m.layers.Rescaling(0.5),
    "Normalization": lambda m: m.layers.Normalization(mean=0.0, variance=1.0),
    "Pipeline": lambda m: m.layers.Pipeline([m.layers.Rescaling(0.5)]),
    "model of a user": lambda m: type("Own", (m.Model,), {"call": lambda self, x: x})(),
}
LATE = {
    "variable": lambda m: m.Variable(1.0),
    "layer": lambda m: m.layers.Dense(2),
    "list of layers": lambda m: [m.layers.Dense(2)],
    "dict of variables": lambda m: {"a": m.Variable(1.0)},
    "metric": lambda m: m.metrics.Mean(),
    "generator": lambda m: m.random.SeedGenerator(1),
}


@pytest.mark.parametrize("name", BUILT)
def test_built_in_layers_that_are_built_take_no_further_state(keras, name):
    for m in (pyseq, keras):
        layer = BUILT[name](m)
        layer(X)
        count = len(layer.variables)
        with pytest.raises(ValueError, match="cannot add new elements of state"):
            layer.add_weight(shape=(1,), name="late")
        for late in LATE.values():
            with pytest.raises(ValueError, match="cannot add new elements of state"):
                layer.late = late(m)
        assert len(layer.variables) == count
        layer.note, layer.names = 1, ["a"]


def test_state_before_building_and_what_is_there_already_are_taken(keras):
    for m in (pyseq, keras):
        layer = m.layers.Dense(2)
        for key, value in LATE.items():
            setattr(layer, key.replace(" ", "_"), value(m))
        layer(X)
        count = len(layer.variables)
        layer.again = layer.kernel
        layer.same = [layer.layer, layer.metric]
        assert len(layer.variables) == count


def test_building_twice_makes_no_second_weights(keras):
    for m in (pyseq, keras):
        layer = m.layers.Dense(2)
        layer.build((None, 3))
        with pytest.raises(ValueError, match="cannot add new elements of state"):
            layer.build((None, 4))
        assert [tuple(w.shape) for w in layer.weights] == [(3, 2), (2,)]


def test_a_stack_grows(keras):
    for m in (pyseq, keras):
        model = m.Sequential([m.Input((3,)), m.layers.Dense(2)])
        model.add(m.layers.Dense(1))
        model.late = m.metrics.Mean()
        assert len(model.layers) == 2


def test_a_weight_can_be_removed():
    layer = pyseq.layers.Layer()
    layer.w = layer.add_weight(shape=(1,))
    layer.v = layer.add_weight(shape=(2,), trainable=False)
    layer.w = layer._untrack_variable(layer.w)
    assert layer.w is None and layer.weights == [layer.v]


def test_stateless_calls_leave_the_layer_alone(keras):
    def run(m):
        layer = m.layers.BatchNormalization()
        layer.build((None, 3))
        before = [array(v.value) for v in layer.weights]
        fixed = [np.full(3, 2.0, "float32"), np.full(3, 3.0, "float32")]
        scale = [np.full(3, 5.0, "float32"), np.zeros(3, "float32")]
        y, state = layer.stateless_call(scale, fixed, np.arange(6.0).reshape(2, 3), training=True)
        for a, b in zip(before, layer.weights, strict=True):
            np.testing.assert_array_equal(a, array(b.value))
        return [array(v) for v in (y, *state)]

    for mine, theirs in zip(run(pyseq), run(keras), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


def test_stateless_calls_return_losses():
    layer = pyseq.layers.Dense(1, kernel_regularizer="l1", activity_regularizer="l1")
    layer.build((None, 2))
    y, state, losses = layer.stateless_call(
        [np.ones((2, 1)), [0.0]], [], np.ones((3, 2)), return_losses=True
    )
    np.testing.assert_allclose(losses, [0.02, 0.02], rtol=1e-6)
    assert y.tolist() == [[2.0]] * 3 and state == []
    assert len(layer.losses) == 1  # the penalty of the weights as they are
    with pytest.raises(ValueError, match="expected 2 trainable and 0 non-trainable.*got 1 and 0"):
        layer.stateless_call([np.ones((2, 1))], [], np.ones((3, 2)))
    with pytest.raises(ValueError, match="expected a built layer"):
        pyseq.layers.Dense(1).stateless_call([], [], np.ones((3, 2)))


def test_names_are_no_shapes():
    with pytest.raises(ValueError, match="expected a shape, got 'w'; pass the name as a keyword"):
        pyseq.layers.Layer().add_weight("w")


def test_weights_and_layers_may_become_attributes_before_the_constructor_of_layers_runs():
    class Early(pyseq.layers.Layer):
        def __init__(self):
            self.w = pyseq.Variable(np.ones(2))
            self.inner = pyseq.layers.Dense(2)
            super().__init__()

        def call(self, x):
            return self.inner(x) + self.w

    layer = Early()
    layer(X)
    assert [v.shape for v in layer.trainable_weights] == [(2,), (3, 2), (2,)]


def test_constructors_get_policies_of_configs_by_name(keras):
    def seen(m, policy):
        found = []

        class Dense(m.layers.Dense):
            def __init__(self, *args, **kwargs):
                found.append(kwargs["dtype"])
                super().__init__(*args, **kwargs)

        Dense.from_config(m.layers.Dense(2, dtype=policy).get_config())
        return found[0]

    assert seen(pyseq, "bfloat16") == seen(keras, "bfloat16") == "bfloat16"
    policies = pyseq.dtype_policies.DTypePolicyMap("float64")
    assert seen(pyseq, policies) == policies
