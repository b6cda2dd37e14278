"""Indices of traced tensors beside NumPy, and the messages of those that move the batch."""

import numpy as np
import pytest

import pyseq
from pyseq import layers, ops

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")


def model_with(loss):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Activation("linear")])
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    "index",
    [
        lambda p: p[:, None],
        lambda p: p[..., None, :],
        lambda p: p[:, [2, 0]],
        lambda p: p[:, np.array([[0, 1, 1], [3, 2, 0]])],
        lambda p: p[:, None, np.array([[3], [1]])],
        lambda p: p[:, ::-2],
        lambda p: p[:, np.int64(-1), None],
    ],
)
def test_indices_beside_numpy(index):
    layer = layers.Lambda(index)
    np.testing.assert_array_equal(pyseq.Sequential([layer]).predict(X, verbose=0), index(X))
    got = model_with(lambda t, p: ops.mean((index(p) - index(t)) ** 2)).evaluate(X, Y, verbose=0)
    assert got == pytest.approx(((index(X) - index(Y)) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "index, advice",
    [
        (lambda p: ops.tile(p, (2, 1, 1)), "within each row of the batch"),
        (lambda p: ops.broadcast_to(p, (1, 5, 4)), "keeps the batch in front"),
        (lambda p: p[0.5], "all rows of the batch"),
        (lambda p: p["a"], "all rows of the batch"),
    ],
)
def test_losses_that_move_the_batch_are_told_so(index, advice):
    model = model_with(lambda t, p: ops.mean((index(p) - index(t)) ** 2))
    for run in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(TypeError, match=f"expected .*{advice}"):
            run(X, Y)


@pytest.mark.parametrize("index", [lambda p: p[:, 0.5], lambda p: p[:, "a"], lambda p: p[:, 9]])
def test_indices_that_are_none(index):
    with pytest.raises(IndexError, match="expected integers|out of range"):
        model_with(lambda t, p: ops.mean(index(p))).train_on_batch(X, Y)
