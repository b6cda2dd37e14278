"""The Softmax layer with masks and over the batch, beside Keras."""

import numpy as np
import pytest
from layer_oracle import compare

import pyseq
from pyseq import layers, ops

keras = pytest.importorskip("keras")
pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(4).normal(size=(2, 3, 4)).astype("float32")
MASKS = {
    "whole": X > 0,
    "none of a row": np.broadcast_to([[[False]], [[True]]], X.shape),
    "features": np.array([True, False, True, True]),
    "one row": (X > 0)[:1],
    "steps": np.array([[[True], [False], [True]]]),
    "per row": np.array([[[1]], [[0]]]),
    "numbers": np.array([0.4, 0.5, 0.6, 1.0], "float32"),
}


def pair(axis):
    return (
        layers.Softmax(axis, dtype="float64", name="x"),
        keras.layers.Softmax(axis, dtype="float64", name="x"),
    )


@pytest.mark.parametrize("axis", [-1, 1, 0, (1, 2), (2, 0), [1]])
@pytest.mark.parametrize("mask", MASKS)
def test_masked_elements_are_left_out(axis, mask):
    mine, theirs = layers.Softmax(axis), keras.layers.Softmax(axis)
    want = theirs(X, mask=keras.ops.convert_to_tensor(MASKS[mask])).detach().numpy()
    np.testing.assert_allclose(mine(X, mask=MASKS[mask]), want, atol=1e-6)
    np.testing.assert_allclose(mine(X, MASKS[mask]), want, atol=1e-6)


def test_values():
    y = layers.Softmax(axis=(1, 0))([[1, 2, 1], [1, 2, 1]], mask=np.eye(2, 3))
    np.testing.assert_allclose(y, [[0.2689414, 0, 0], [0, 0.7310586, 0]], atol=1e-6)
    y = layers.Softmax()(np.array([[1.0, 5.0]]), mask=np.array([False, False]))
    assert y.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("axis", [-1, 0, (0, 2)])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(axis, masked):
    mask = X > -0.5 if masked else None
    np.testing.assert_array_equal(compare(*pair(axis), X, mask=mask)["mask"], mask)


@pytest.mark.parametrize("shape", [(3,), (4, 4), (3, 3, 4), (1, 2, 3, 4), (2, 3)])
def test_mask_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"softmax.*: expected a mask that broadcasts"):
        layers.Softmax()(X, mask=np.ones(shape, bool))
    with pytest.raises(ValueError, match="mask"):
        keras.layers.Softmax()(X, mask=keras.ops.ones(shape, "bool"))


@pytest.mark.parametrize("steps", [3, 4])
def test_mask_of_time_steps(steps):
    model = [layers.Embedding(5, 3, mask_zero=True), layers.Softmax()]
    with pytest.raises(ValueError, match=r"time steps on.*Activation\('softmax'\)"):
        pyseq.Sequential([pyseq.Input((steps,)), *model])(np.ones((steps, steps)))


@pytest.mark.parametrize("mask", ["whole", "features", "one row", "numbers"])
def test_within_a_layer_of_users(mask):
    class Attend(pyseq.Layer):
        def __init__(self):
            super().__init__()
            self.softmax = layers.Softmax()

        def call(self, x):
            kept = ops.greater(x, 0) if mask == "whole" else MASKS[mask]
            return self.softmax(x, mask=kept)

    want = layers.Softmax()(X, mask=MASKS[mask])
    model = pyseq.Sequential([pyseq.Input(X.shape[1:]), layers.Dense(4, trainable=False), Attend()])
    model.layers[0].set_weights([np.eye(4), np.zeros(4)])
    np.testing.assert_allclose(model.predict(X, verbose=0), want, atol=1e-6)


def test_over_the_batch_each_step_for_itself():
    mine, theirs = layers.Softmax(0), keras.layers.Softmax(0)
    want = keras.layers.TimeDistributed(theirs)(X).detach().numpy()
    np.testing.assert_allclose(layers.TimeDistributed(mine)(X), want, atol=1e-6)
    back = layers.Softmax.from_config(mine.get_config())
    np.testing.assert_allclose(back(X), theirs(X).detach().numpy(), atol=1e-6)
