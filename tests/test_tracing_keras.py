"""Layers, losses and functions that users write for Keras train in pyseq as they do there."""

import numpy as np
import pytest

import pyseq

keras = pytest.importorskip("keras")
# Keras's own use of NumPy.
pytestmark = pytest.mark.filterwarnings("ignore")

rng = np.random.default_rng(0)
SEQUENCES = rng.normal(size=(24, 6, 4)).astype("float32")
IMAGES = rng.normal(size=(24, 8, 8, 3)).astype("float32")
ROWS = rng.normal(size=(24, 5)).astype("float32")
NUMBERS = rng.normal(size=(24, 1)).astype("float32")
CLASSES = rng.integers(0, 3, 24)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
BINARY = (CLASSES > 0).astype("float32")[:, None]
MASKS = (rng.random((24, 8, 8, 1)) > 0.5).astype("float32")
IDS = rng.integers(0, 9, (24, 6))


def attention(api):
    ops, layers = api.ops, api.layers

    class Attention(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(name="w", shape=(shape[-1], 1), initializer="glorot_uniform")
            self.b = self.add_weight(name="b", shape=(shape[1], 1), initializer="zeros")

        def call(self, x):
            score = ops.softmax(ops.tanh(ops.matmul(x, self.w) + self.b), axis=1)
            return ops.sum(x * score, axis=1)

    return [layers.LSTM(5, return_sequences=True), Attention(), layers.Dense(1)], SEQUENCES, NUMBERS


def self_attention(api):
    ops, layers = api.ops, api.layers

    class SelfAttention(layers.Layer):
        def build(self, shape):
            d = shape[-1]
            self.q = self.add_weight(name="q", shape=(d, d), initializer="glorot_uniform")
            self.k = self.add_weight(name="k", shape=(d, d), initializer="glorot_uniform")
            self.v = self.add_weight(name="v", shape=(d, d), initializer="glorot_uniform")

        def call(self, x):
            q, k, v = (ops.matmul(x, w) for w in (self.q, self.k, self.v))
            score = ops.einsum("btd,bsd->bts", q, k) / ops.sqrt(ops.cast(x.shape[-1], "float32"))
            return x + ops.matmul(ops.softmax(score), v)

    body = [SelfAttention(), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    return body, SEQUENCES, NUMBERS


def residual(api):
    layers = api.layers

    class Block(layers.Layer):
        def __init__(self, filters):
            super().__init__()
            self.first = layers.Conv2D(filters, 3, padding="same", use_bias=False)
            self.norm = layers.BatchNormalization()
            self.second = layers.Conv2D(filters, 3, padding="same")
            self.act = layers.ReLU()

        def call(self, x, training=None):
            h = self.act(self.norm(self.first(x), training=training))
            return self.act(x + self.second(h))

    body = [layers.Conv2D(4, 3), Block(4), layers.GlobalAveragePooling2D(), layers.Dense(1)]
    return body, IMAGES, NUMBERS


def squeeze_and_excite(api):
    ops, layers = api.ops, api.layers

    class Excite(layers.Layer):
        def __init__(self):
            super().__init__()
            self.down, self.up = layers.Dense(2, "relu"), layers.Dense(4, "sigmoid")

        def call(self, x):
            w = self.up(self.down(ops.mean(x, axis=[1, 2])))
            return x * ops.reshape(w, (-1, 1, 1, 4))

    return [layers.Conv2D(4, 3), Excite(), layers.Flatten(), layers.Dense(1)], IMAGES, NUMBERS


def radial(api):
    ops, layers = api.ops, api.layers

    class Radial(layers.Layer):
        def build(self, shape):
            self.mu = self.add_weight(name="mu", shape=(shape[1], 4), initializer="glorot_uniform")

        def call(self, x):
            distance = ops.sum(ops.power(ops.expand_dims(x, -1) - self.mu, 2), axis=1)
            return ops.exp(-0.5 * distance)

    return [layers.Dense(3), Radial(), layers.Dense(1)], ROWS, NUMBERS


def scaled_and_shifted(api):
    ops, layers = api.ops, api.layers

    class Scale(layers.Layer):
        def build(self, shape):
            self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
            self.log_sigma = self.add_weight(name="s", shape=(1,), initializer="zeros")

        def call(self, x, training=False):
            y = x * self.gamma / ops.exp(self.log_sigma)
            return ops.where(y > 0, y, 0.1 * y) if training else ops.maximum(y, 0.1 * y)

    return [layers.Dense(4), Scale(), layers.Dense(1)], ROWS, NUMBERS


def normalized(api):
    ops, layers = api.ops, api.layers
    norm = layers.Lambda(lambda x: x / (1e-3 + ops.norm(x, axis=-1, keepdims=True)))
    return [layers.Dense(4), norm, layers.Dense(1)], ROWS, NUMBERS


def lambdas(api):
    ops, layers = api.ops, api.layers
    body = [
        layers.Lambda(lambda x: ops.flip(x, axis=1)[:, ::2, :3] * 2.0),
        layers.GRU(4, return_sequences=True),
        layers.Lambda(lambda x: ops.concatenate([x[:, -1, :], ops.max(x, axis=1)], axis=-1)),
        layers.Lambda(lambda x: ops.squeeze(ops.expand_dims(ops.square(x), -1), -1)),
        layers.Lambda(lambda x: ops.stack([x, -x], axis=1)),
        layers.Lambda(lambda x: ops.reshape(ops.transpose(x, (0, 2, 1)), (-1, 16))),
        layers.Dense(1),
    ]
    return body, SEQUENCES, NUMBERS


def activations(api):
    ops, layers = api.ops, api.layers
    body = [
        layers.Dense(4, activation=lambda x: x * ops.sigmoid(x)),
        layers.Activation(lambda x: ops.tanh(ops.softplus(x)) + api.activations.elu(x, alpha=0.5)),
        layers.Dense(1),
    ]
    return body, ROWS, NUMBERS


def masked(api):
    ops, layers = api.ops, api.layers

    class MaskedMean(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def compute_mask(self, inputs, mask=None):
            return None

        def call(self, x, mask=None):
            weight = ops.expand_dims(ops.cast(mask, "float32"), -1)
            return ops.sum(x * weight, axis=1) / (ops.sum(weight, axis=1) + 1e-6)

    return [layers.Embedding(9, 4, mask_zero=True), MaskedMean(), layers.Dense(1)], IDS, NUMBERS


def time_distributed(api):
    ops, layers = api.ops, api.layers

    class Gate(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(name="w", shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return x * ops.sigmoid(self.w)

        def compute_output_shape(self, shape):
            return shape

    body = [layers.TimeDistributed(Gate()), layers.Flatten(), layers.Dense(1)]
    return body, SEQUENCES, NUMBERS


def added_loss(api):
    ops, layers = api.ops, api.layers

    class Sparse(layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * ops.sum(ops.abs(x)))
            return x

    return [layers.Dense(4), Sparse(), layers.Dense(1)], ROWS, NUMBERS


def regularized(api):
    ops, layers = api.ops, api.layers
    dense = layers.Dense(4, kernel_regularizer=lambda w: 0.1 * ops.sum(ops.square(w - 0.1)))
    return [dense, layers.Dense(1)], ROWS, NUMBERS


BODIES = [
    attention,
    self_attention,
    residual,
    squeeze_and_excite,
    radial,
    scaled_and_shifted,
    normalized,
    lambdas,
    activations,
    masked,
    time_distributed,
    added_loss,
    regularized,
]


def rmse(api):
    return lambda t, p: api.ops.sqrt(api.ops.mean(api.ops.square(t - p)))


def pinball(api):
    return lambda t, p: api.ops.maximum(0.3 * (t - p), -0.7 * (t - p))


def huber(api):
    ops = api.ops

    def loss(t, p):
        error = ops.abs(t - p)
        return ops.mean(ops.where(error < 1.0, 0.5 * error**2, error - 0.5), axis=-1)

    return loss


def log_cosh(api):
    return lambda t, p: api.ops.mean(api.ops.log(api.ops.cosh(p - t)), axis=-1)


def focal(api):
    ops = api.ops

    def loss(t, p):
        p = ops.clip(p, 1e-7, 1 - 1e-7)
        return ops.sum(-0.25 * t * ops.power(1 - p, 2.0) * ops.log(p), axis=-1)

    return loss


def sum_of_losses(api):
    losses = api.losses
    return lambda t, p: losses.categorical_crossentropy(t, p) + 0.1 * losses.mean_squared_error(t, p)


def sparse(api):
    ops = api.ops

    def loss(t, p):
        hot = ops.one_hot(ops.cast(ops.reshape(t, (-1,)), "int32"), 3)
        return -ops.sum(hot * ops.log(p + 1e-7), axis=-1)

    return loss


def weighted_binary(api):
    losses = api.losses

    def loss(t, p):
        return losses.binary_crossentropy(t, p) * (1.0 + 2.0 * t[:, 0])

    return loss


class _Margin:
    """A loss class of `api`, with an argument."""

    def __new__(cls, api):
        class Margin(api.losses.Loss):
            def __init__(self, margin=0.5):
                super().__init__(name="margin")
                self.margin = margin

            def call(self, t, p):
                return api.ops.mean(api.ops.relu(self.margin - t * p), axis=-1)

        return Margin(0.7)


def dice(api):
    ops = api.ops

    def loss(t, p):
        t, p = ops.reshape(t, (-1,)), ops.reshape(p, (-1,))
        return 1 - (2 * ops.sum(t * p) + 1) / (ops.sum(t) + ops.sum(p) + 1)

    return loss


def dice_of_rows(api):
    ops = api.ops

    def loss(t, p):
        both = ops.sum(t * p, axis=(1, 2, 3))
        return 1 - (2 * both + 1) / (ops.sum(t, axis=(1, 2, 3)) + ops.sum(p, axis=(1, 2, 3)) + 1)

    return loss


def dense(api):
    return [api.layers.Dense(4, "tanh"), api.layers.Dense(1)]


def classes(api):
    return [api.layers.Dense(3, "softmax")]


def probability(api):
    return [api.layers.Dense(1, "sigmoid")]


def image(api):
    return [api.layers.Conv2D(1, 3, padding="same", activation="sigmoid")]


LOSSES = [
    (rmse, dense, ROWS, NUMBERS),
    (pinball, dense, ROWS, NUMBERS),
    (huber, dense, ROWS, NUMBERS),
    (log_cosh, dense, ROWS, NUMBERS),
    (focal, classes, ROWS, ONE_HOT),
    (sum_of_losses, classes, ROWS, ONE_HOT),
    (sparse, classes, ROWS, CLASSES),
    (weighted_binary, probability, ROWS, BINARY),
    (_Margin, dense, ROWS, NUMBERS),
    (dice, image, IMAGES, MASKS),
    (dice_of_rows, image, IMAGES, MASKS),
]


def compare(body, loss, x, y, optimizer="SGD", **fit):
    models = []
    for api in (keras, pyseq):
        model = api.Sequential([api.Input(x.shape[1:]), *body(api)])
        model.compile(getattr(api.optimizers, optimizer)(0.05), loss(api))
        models.append(model)
    theirs, ours = models
    ours.set_weights(theirs.get_weights())
    want = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict(x, verbose=0), want, rtol=1e-5, atol=1e-5)
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **fit}
    wanted = theirs.fit(x, y, **options).history["loss"]
    np.testing.assert_allclose(ours.fit(x, y, **options).history["loss"], wanted, rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    evaluated = [m.evaluate(x, y, batch_size=8, verbose=0) for m in (ours, theirs)]
    np.testing.assert_allclose(*evaluated, rtol=1e-4)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("case", BODIES, ids=lambda f: f.__name__)
def test_layers_and_functions(case, optimizer):
    _, x, y = case(pyseq)
    compare(lambda api: case(api)[0], lambda api: "mse", x, y, optimizer)


@pytest.mark.parametrize("case", LOSSES, ids=lambda c: c[0].__name__)
def test_losses(case):
    loss, body, x, y = case
    compare(body, loss, x, y)


@pytest.mark.parametrize("loss", [rmse, huber, pinball], ids=lambda f: f.__name__)
def test_losses_with_weights(loss):
    compare(dense, loss, ROWS, NUMBERS, sample_weight=np.linspace(0, 2, len(ROWS)))


def test_loss_with_class_weights():
    compare(classes, focal, ROWS, ONE_HOT, class_weight={0: 1.0, 1: 2.0, 2: 0.5})
