"""`losses` of layers and models: what the last call on arrays added, then penalties of weights."""

import numpy as np
import pytest

import pyseq

X = np.arange(1, 7, dtype="float32").reshape(2, 3)


def parts(m):
    class Adds(m.layers.Layer):
        def call(self, x):
            self.add_loss(m.ops.sum(x))
            self.add_loss(m.ops.mean(x * x))
            return 2.0 * x

    class Regular(m.layers.Layer):
        def call(self, x):
            return x + 1.0

    class Several(m.layers.Layer):
        def call(self, x, y):
            self.add_loss(m.ops.sum(x * y))
            return x, x + y

    return Adds, Regular, Several


def adds(m):
    return parts(m)[0](), (X,)


def activity(m):
    return parts(m)[1](activity_regularizer="l2"), (X,)


def several(m):
    return parts(m)[2](activity_regularizer="l1"), (X, 2 * X)


def dense(m):
    ones = {"kernel_initializer": "ones", "kernel_regularizer": "l2"}
    return m.layers.Dense(2, activity_regularizer="l1", **ones), (X,)


def stack(m):
    a, r, _ = parts(m)
    return m.Sequential([m.Sequential([a(), r(activity_regularizer="l1")]), dense(m)[0], a()]), (X,)


def inside(m):
    class Outer(m.layers.Layer):
        def __init__(self):
            super().__init__(activity_regularizer="l2")
            self.one, self.several = adds(m)[0], several(m)[0]

        def call(self, x):
            return self.several(self.one(x), x)[1]

    return Outer(), (X,)


CASES = [adds, activity, several, dense, stack, inside]


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_keras(keras, case):
    (mine, args), (theirs, _) = case(pyseq), case(keras)
    for scale in (1.0, 3.0):  # a call forgets the losses of the one before it
        inputs = [scale * x for x in args]
        mine(*inputs), theirs(*inputs)
        expected = [float(v.detach()) for v in theirs.losses]
        assert len(expected) > 0
        # Keras turns the order of layers around in each model within another.
        order = sorted if case is stack else list
        np.testing.assert_allclose(
            order(float(v) for v in mine.losses), order(expected), rtol=1e-5
        )


def test_a_layer_within_another_is_cleared_with_it():
    layer, _ = adds(pyseq)
    model = pyseq.Sequential([layer])
    layer(X)
    layer(X)
    assert [float(v) for v in layer.losses] == [21.0, pytest.approx(91 / 6)]
    model(X * 2)
    assert [float(v) for v in layer.losses] == [42.0, pytest.approx(4 * 91 / 6)]
    assert [float(v) for v in model.losses] == [float(v) for v in layer.losses]


def test_symbolic_calls_and_predictions_leave_losses_alone():
    layer, _ = adds(pyseq)
    layer(pyseq.Input((3,)))
    assert layer.losses == []
    model = pyseq.Sequential([layer])
    model.predict(X, verbose=0)
    assert model.losses == []


def test_host_code_keeps_its_losses_in_calls_alone():
    class Host(pyseq.layers.Layer):
        def call(self, x):
            self.add_loss(np.array(x.tolist()).sum())
            return x

    model = pyseq.Sequential([pyseq.Input((3,)), Host()])
    model(X)
    assert [float(v) for v in model.losses] == [21.0]
    model(X)
    model.predict(X, verbose=0)
    assert [float(v) for v in model.losses] == [21.0]


def test_no_rows_have_no_penalty():
    layer, _ = activity(pyseq)
    layer(X[:0])
    assert [float(v) for v in layer.losses] == [0.0]


def test_what_is_no_tensor_is_refused():
    layer = pyseq.layers.Dense(1, name="d")
    with pytest.raises(ValueError, match="d.add_loss: expected a tensor.*got 2.0 of type float"):
        layer.add_loss(2.0)


def test_a_call_after_predict_leaves_losses_too():
    model = pyseq.Sequential([pyseq.Input((3,)), activity(pyseq)[0], adds(pyseq)[0]])
    model(X)
    expected = [float(v) for v in model.losses]
    assert len(expected) == 3
    for _ in range(2):
        model.predict(X, verbose=0)
        model(2 * X)
        assert [float(v) for v in model.losses] != expected
        model(X)
        assert [float(v) for v in model.losses] == expected
