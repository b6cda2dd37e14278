"""Losses and layers that bring rows of a batch together, run by Keras and by pyseq."""

import numpy as np
import pytest

import pyseq
from pyseq import layers, ops

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

X = np.random.default_rng(0).normal(size=(10, 5)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 0, 0, 2, 1], "float32")[:, None]
KERNEL = np.random.default_rng(1).normal(size=(5, 4), scale=0.5).astype("float32")

# name -> f(ops, losses) that makes a loss of (y_true, y_pred)
LOSSES = {}


def loss(make):
    LOSSES[make.__name__] = make
    return make


def similarity(ops, z):
    return ops.matmul(z, ops.transpose(ops.flip(z, axis=1)))


@loss
def nt_xent(ops, losses):
    def f(y, z):
        z = ops.normalize(z, axis=-1)
        eye = ops.eye(ops.shape(z)[0])
        sim = ops.matmul(z, ops.transpose(z)) / 0.5 - 1e9 * eye
        same = ops.cast(ops.equal(y, ops.transpose(y)), "float32") * (1 - eye)
        log_p = ops.log_softmax(sim, axis=-1)
        return -ops.mean(ops.sum(same * log_p, axis=1) / ops.maximum(ops.sum(same, axis=1), 1.0))

    return f


@loss
def clip(ops, losses):
    def f(y, z):
        sim, labels = similarity(ops, z), ops.arange(ops.shape(z)[0])
        a = losses.sparse_categorical_crossentropy(labels, sim, from_logits=True)
        b = losses.sparse_categorical_crossentropy(labels, ops.transpose(sim), from_logits=True)
        return (a + b) / 2

    return f


@loss
def one_hot_of_rows(ops, losses):
    def f(y, z):
        n = ops.shape(z)[0]
        hot = ops.one_hot(ops.arange(n), n)
        return losses.categorical_crossentropy(hot, similarity(ops, z), from_logits=True)

    return f


@loss
def gram(ops, losses):
    return lambda y, z: ops.sum(ops.square(ops.matmul(ops.transpose(z), z) / 3.0))


@loss
def squares_of_all_pairs(ops, losses):
    return lambda y, z: ops.square(z @ ops.transpose(z))


@loss
def distances(ops, losses):
    def f(y, z):
        s = ops.sum(ops.square(z), axis=1)
        d = s[:, None] + s[None, :] - 2 * ops.matmul(z, ops.transpose(z))
        same = ops.equal(y[:, 0][None], y)
        return ops.mean(ops.where(same, d, ops.relu(1.0 - d)), axis=-1)

    return f


@loss
def kernel_of_pairs(ops, losses):
    def f(y, z):
        d = ops.sum(ops.square(ops.expand_dims(z, 1) - z[None]), axis=-1)
        n = ops.shape(z)[0]
        return ops.log(ops.mean(ops.exp(-d)) + 0.1) + ops.mean(ops.log(d + ops.eye(n)))

    return f


@loss
def triplet_hardest(ops, losses):
    def f(y, z):
        sim = ops.tanh(similarity(ops, z))
        same = ops.equal(ops.reshape(y, (-1, 1)), ops.reshape(y, (1, -1)))
        worst = ops.min(ops.where(same, sim, 2.0), axis=1)
        near = ops.max(ops.where(same, -2.0, sim), axis=1)
        return ops.relu(near - worst + 0.3)

    return f


@loss
def attention_among_rows(ops, losses):
    return lambda y, z: ops.mean(
        ops.square(ops.matmul(ops.softmax(similarity(ops, z)), z) - y), axis=-1
    )


@loss
def columns_of_pairs(ops, losses):
    def f(y, z):
        sim = similarity(ops, z)
        return ops.mean(ops.logsumexp(sim, axis=0)) - ops.mean(ops.diagonal(sim)) + ops.var(sim)

    return f


@loss
def einsums(ops, losses):
    def f(y, z):
        pairs = ops.einsum("id,jd->ij", z, z)
        moments = ops.einsum("id,ie->de", z, z)
        return ops.mean(ops.square(pairs)) + 0.1 * ops.mean(ops.square(moments))

    return f


@loss
def upper_triangle(ops, losses):
    def f(y, z):
        n = ops.shape(z)[0]
        upper = ops.triu(ops.ones((n, n)), 1)
        return ops.sum(ops.triu(similarity(ops, z), 1)) / ops.sum(upper)

    return f


@loss
def rows_in_another_order(ops, losses):
    def f(y, z):
        near = ops.square(z - ops.roll(z, 1, axis=0)) + z * ops.flip(z, axis=0)
        return ops.mean(near, axis=-1) + ops.mean(ops.cumsum(z, axis=0), axis=-1)

    return f


@loss
def moments_of_the_batch(ops, losses):
    return lambda y, z: ops.sum(ops.square(ops.mean(z, axis=0))) + ops.mean(
        ops.relu(1 - ops.std(z, axis=0))
    )


def model_of(m, make_loss, layer=None):
    parts = [m.layers.Dense(4, activation="tanh", use_bias=False, name="dense")]
    model = m.Sequential([m.layers.Input((5,)), *parts, *([layer(m)] if layer else [])])
    model.layers[0].kernel.assign(KERNEL)
    model.compile(m.optimizers.SGD(0.1), make_loss(m.ops, m.losses))
    return model


def beside_keras(keras, make_loss, layer=None, atol=2e-5):
    got, want = (model_of(m, make_loss, layer) for m in (pyseq, keras))
    # The last batch has three rows, of which some models have columns for seven.
    for batch in (7, 10):
        options = {"batch_size": batch, "verbose": 0}
        a, b = (m.evaluate(X, Y, **options) for m in (got, want))
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)
        a, b = (m.fit(X, Y, shuffle=False, epochs=2, **options).history for m in (got, want))
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-4, atol=1e-5)
        a, b = (np.asarray(m.layers[0].get_weights()[0]) for m in (got, want))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol)
    a, b = (m.predict(X, batch_size=4, verbose=0) for m in (got, want))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert np.abs(got.layers[0].get_weights()[0] - KERNEL).max() > 1e-3
    return got


@pytest.mark.parametrize("name", LOSSES)
def test_losses_beside_keras(keras, name):
    beside_keras(keras, LOSSES[name])


def test_reduction_sum_of_all_pairs(keras):
    def make(ops, losses):
        class Pairs(losses.Loss):
            def call(self, y_true, y_pred):
                return 0.1 * ops.square(ops.matmul(y_pred, ops.transpose(y_pred)))

        return Pairs(reduction="sum")

    beside_keras(keras, make)


def uniformity(m):
    class Uniformity(m.layers.Layer):
        def call(self, x):
            sim = m.ops.matmul(x, m.ops.transpose(x))
            self.add_loss(m.ops.mean(m.ops.square(sim - m.ops.eye(m.ops.shape(x)[0]))))
            return x

    return Uniformity()


def attention(m):
    class Attention(m.layers.Layer):
        def call(self, x):
            return m.ops.matmul(m.ops.softmax(m.ops.matmul(x, m.ops.transpose(x))), x)

    return Attention()


@pytest.mark.parametrize("layer", [uniformity, attention])
def test_layers_beside_keras(keras, layer):
    def squares(ops, losses):
        return lambda y, z: ops.mean(ops.square(z - y), axis=-1)

    model = beside_keras(keras, squares, layer)
    for rows in (3, 10, 2):  # calls have as many columns as rows
        h = np.tanh(X[:rows] @ model.layers[0].get_weights()[0])
        want = np.exp(h @ h.T) / np.exp(h @ h.T).sum(1, keepdims=True) @ h
        want = h if layer is uniformity else want
        np.testing.assert_allclose(model(X[:rows]), want, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.layers[1](h), want, rtol=1e-4, atol=1e-5)


def test_a_larger_batch_makes_a_new_program():
    def first(ops, losses):
        return lambda y, z: ops.mean(ops.abs(similarity(ops, z)), axis=-1)

    model = model_of(pyseq, first)
    z = np.tanh(X @ KERNEL)
    for rows in (2, 9, 4):
        want = np.abs(z[:rows] @ z[:rows, ::-1].T).mean()
        got = model.evaluate(X[:rows], Y[:rows], batch_size=rows, verbose=0)
        assert got == pytest.approx(want, rel=1e-5)
        assert model.test_on_batch(X[:rows], Y[:rows]) == pytest.approx(want, rel=1e-5)


def test_what_is_infinite_past_the_last_row_stays_out(keras):
    def masked(ops, losses):
        def f(y, z):
            eye = ops.eye(ops.shape(z)[0], dtype="bool")
            sim = ops.where(eye, -np.inf, ops.matmul(z, ops.transpose(z)))
            return -ops.mean(ops.where(eye, 0.0, ops.log_softmax(sim, axis=1)), axis=1)

        return f

    beside_keras(keras, masked)


@pytest.mark.parametrize(
    "f, message",
    [
        (lambda ops, z: ops.cumsum(z @ ops.transpose(z), axis=1), "reduce it along these axes"),
        (lambda ops, z: (z @ ops.transpose(z))[:, 0], "expected all entries across the batch"),
        (lambda ops, z: ops.reshape(z @ ops.transpose(z), (-1,)), "keeps the axes across"),
        (lambda ops, z: z + z @ ops.transpose(z), "sizes of 1 or the rows of the batch"),
        (lambda ops, z: z[:, 0] - z[:, :1], "whose batches are one axis.*one rank first"),
        (lambda ops, z: ops.diagonal(z), "a known size, got a diagonal along the batch"),
        (lambda ops, z: ops.diagonal(z @ ops.transpose(z), 1), "the main diagonal of a matrix"),
    ],
)
def test_what_is_refused_across_the_batch(f, message):
    model = model_of(pyseq, lambda ops, losses: lambda y, z: ops.mean(f(ops, z)))
    with pytest.raises(TypeError, match=message):
        model.train_on_batch(X, Y)


def test_a_file_that_runs_without_python_refuses_it(tmp_path):
    model = model_of(pyseq, lambda ops, losses: "mse", attention)
    with pytest.raises(ValueError, match="expected a built-in layer to export"):
        model.export(tmp_path / "a.pyseq", verbose=False)


def test_steps_of_time_distributed_are_no_rows_of_the_batch():
    class Doubled(layers.Layer):
        def call(self, x):
            return ops.transpose(ops.transpose(x) * 2.0)

    x = np.arange(24.0, dtype="float32").reshape(3, 2, 4)
    y = layers.TimeDistributed(Doubled())(x)
    np.testing.assert_allclose(y, 2 * x)
