"""Code of users, written once and run by Keras and by pyseq: predictions, three training steps and
the weights after them."""

import numpy as np
import pytest

import pyseq

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

ROWS = 12


def vectors(rng):
    return rng.normal(size=(ROWS, 6)).astype("float32")


def sequences(rng):
    return rng.normal(size=(ROWS, 5, 4)).astype("float32")


def images(rng):
    return rng.normal(size=(ROWS, 6, 6, 2)).astype("float32")


LAYERS = {}
LOSSES = {}


def layer(data):
    def decorate(make):
        LAYERS[make.__name__] = make, data
        return make

    return decorate


def loss(output, target):
    def decorate(make):
        LOSSES[make.__name__] = make, output, target
        return make

    return decorate


def reals(rng, n):
    return rng.normal(size=(ROWS, n)).astype("float32")


def bits(rng, n):
    return rng.integers(0, 2, (ROWS, n)).astype("float32")


def classes(rng, n):
    return np.eye(n, dtype="float32")[rng.integers(0, n, ROWS)]


def labels(rng, n):
    return rng.integers(0, n, (ROWS, 1)).astype("int32")


# --- layers


@layer(vectors)
def linear(m):
    class Linear(m.layers.Layer):
        def __init__(self, units=4, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, input_shape):
            self.w = self.add_weight(
                shape=(input_shape[-1], self.units), initializer="glorot_uniform", name="w"
            )
            self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

        def call(self, inputs):
            return m.ops.matmul(inputs, self.w) + self.b

    return [Linear()]


@layer(vectors)
def linear_operator(m):
    class Linear(m.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 3), name="w")
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

        def call(self, x):
            return self.scale * (x @ self.w) - 0.5

    return [Linear()]


@layer(vectors)
def weights_in_init(m):
    class Scale(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self.gain = self.add_weight(shape=(6,), initializer="ones", name="gain")

        def call(self, x):
            return m.ops.tanh(x * self.gain)

    return [Scale(), m.layers.Dense(3)]


@layer(vectors)
def antirectifier(m):
    class Antirectifier(m.layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1] * 2, 5), name="kernel")

        def call(self, inputs):
            inputs = inputs - m.ops.mean(inputs, axis=-1, keepdims=True)
            both = m.ops.concatenate([m.ops.relu(inputs), m.ops.relu(-inputs)], axis=-1)
            return m.ops.matmul(both, self.kernel)

    return [m.layers.Dense(5), Antirectifier()]


@layer(vectors)
def radial_basis(m):
    class RBF(m.layers.Layer):
        def build(self, input_shape):
            self.mu = self.add_weight(shape=(input_shape[1], 7), initializer="uniform", name="mu")

        def call(self, inputs):
            diff = m.ops.expand_dims(inputs, -1) - self.mu
            return m.ops.exp(-0.5 * m.ops.sum(m.ops.square(diff), axis=1))

    return [RBF(), m.layers.Dense(2)]


@layer(vectors)
def residual_block(m):
    class Residual(m.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.first = m.layers.Dense(units, activation="relu")
            self.second = m.layers.Dense(units)

        def call(self, x):
            return m.ops.relu(x + self.second(self.first(x)))

    return [Residual(6), Residual(6), m.layers.Dense(1)]


@layer(images)
def residual_convolution(m):
    class Residual(m.layers.Layer):
        def __init__(self, filters):
            super().__init__()
            self.conv = m.layers.Conv2D(filters, 3, padding="same")
            self.norm = m.layers.BatchNormalization()
            self.short = m.layers.Conv2D(filters, 1)

        def call(self, x, training=None):
            y = self.norm(self.conv(x), training=training)
            return m.ops.relu(y + self.short(x))

    return [Residual(3), m.layers.GlobalAveragePooling2D(), m.layers.Dense(2)]


@layer(images)
def squeeze_excite(m):
    class SqueezeExcite(m.layers.Layer):
        def build(self, input_shape):
            c = input_shape[-1]
            self.down = m.layers.Dense(3, activation="relu")
            self.up = m.layers.Dense(c, activation="sigmoid")
            self.down.build((None, c))
            self.up.build((None, 3))

        def call(self, x):
            s = m.ops.mean(x, axis=(1, 2))
            return x * self.up(self.down(s))[:, None, None, :]

    return [m.layers.Conv2D(4, 3), SqueezeExcite(), m.layers.Flatten(), m.layers.Dense(2)]


@layer(sequences)
def attention_over_lstm(m):
    class Attention(m.layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 1), initializer="normal", name="w")
            self.b = self.add_weight(shape=(input_shape[1], 1), initializer="zeros", name="b")

        def call(self, x):
            e = m.ops.tanh(m.ops.dot(x, self.w) + self.b)
            return m.ops.sum(x * m.ops.softmax(e, axis=1), axis=1)

    return [m.layers.LSTM(5, return_sequences=True), Attention(), m.layers.Dense(2)]


@layer(sequences)
def self_attention(m):
    class SelfAttention(m.layers.Layer):
        def __init__(self, d):
            super().__init__()
            self.q, self.k, self.v = (m.layers.Dense(d) for _ in range(3))

        def call(self, x):
            q, k, v = self.q(x), self.k(x), self.v(x)
            scores = m.ops.matmul(q, m.ops.transpose(k, (0, 2, 1))) / 2.0
            return m.ops.matmul(m.ops.softmax(scores), v)

    return [SelfAttention(4), m.layers.Flatten(), m.layers.Dense(2)]


@layer(sequences)
def many_heads(m):
    class Heads(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self.qkv, self.out = m.layers.Dense(12), m.layers.Dense(4)

        def call(self, x):
            qkv = m.ops.reshape(self.qkv(x), (-1, 5, 3, 2, 2))
            q, k, v = m.ops.unstack(qkv, axis=2)
            scores = m.ops.softmax(m.ops.einsum("bqhd,bkhd->bhqk", q, k))
            y = m.ops.einsum("bhqk,bkhd->bqhd", scores, v)
            return self.out(m.ops.reshape(y, (-1, 5, 4)))

    return [Heads(), m.layers.GlobalMaxPooling1D()]


@layer(sequences)
def position_embedding(m):
    class Positions(m.layers.Layer):
        def build(self, input_shape):
            self.table = self.add_weight(shape=input_shape[1:], initializer="normal", name="t")

        def call(self, x):
            angle = np.arange(5, dtype="float32")[:, None] / np.array([1, 10, 100, 1000], "float32")
            return x + self.table + m.ops.sin(angle)

    return [Positions(), m.layers.Flatten(), m.layers.Dense(2)]


@layer(sequences)
def layer_norm(m):
    class Norm(m.layers.Layer):
        def build(self, input_shape):
            self.gamma = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="beta")

        def call(self, x):
            mean = m.ops.mean(x, axis=-1, keepdims=True)
            var = m.ops.var(x, axis=-1, keepdims=True)
            return (x - mean) / m.ops.sqrt(var + 1e-3) * self.gamma + self.beta

    return [m.layers.Dense(6), Norm(), m.layers.Flatten(), m.layers.Dense(2)]


@layer(vectors)
def batch_statistics(m):
    class Center(m.layers.Layer):
        def call(self, x):
            x = x - m.ops.mean(x, axis=0, keepdims=True)
            return x / (m.ops.std(x, axis=0) + 0.1)

    return [m.layers.Dense(4), Center(), m.layers.Dense(2)]


@layer(vectors)
def activity(m):
    class Activity(m.layers.Layer):
        def call(self, x):
            self.add_loss(0.01 * m.ops.sum(m.ops.square(x)))
            self.add_loss(m.ops.mean(m.ops.abs(x)))
            return x

    return [m.layers.Dense(4), Activity(), m.layers.Dense(2)]


@layer(vectors)
def only_in_training(m):
    class Twice(m.layers.Layer):
        def call(self, x, training=None):
            return x * 2.0 if training else x

    return [m.layers.Dense(4), Twice(), m.layers.Dense(2)]


@layer(vectors)
def gated(m):
    class GLU(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = m.layers.Dense(8)

        def call(self, x):
            a, b = m.ops.split(self.dense(x), 2, axis=-1)
            return a * m.ops.sigmoid(b)

    return [GLU(), m.layers.Dense(2)]


@layer(vectors)
def highway_list_of_layers(m):
    class Stack(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self.blocks = [m.layers.Dense(6, activation="tanh") for _ in range(3)]

        def call(self, x):
            for block in self.blocks:
                x = x + block(x)
            return x

    return [Stack(), m.layers.Dense(2)]


@layer(vectors)
def user_regularizer(m):
    class Soft(m.regularizers.Regularizer):
        def __call__(self, w):
            return 0.1 * m.ops.sum(m.ops.log(1.0 + m.ops.square(w)))

    def orthogonal(w):
        gram = m.ops.matmul(m.ops.transpose(w), w)
        return 0.01 * m.ops.sum(m.ops.square(gram - m.ops.eye(4)))

    return [
        m.layers.Dense(4, kernel_regularizer=orthogonal),
        m.layers.Dense(2, kernel_regularizer=Soft()),
    ]


@layer(vectors)
def custom_activations(m):
    def mish(x):
        return x * m.ops.tanh(m.ops.softplus(x))

    def swish(x):
        return x * m.ops.sigmoid(1.5 * x)

    return [
        m.layers.Dense(5, activation=mish),
        m.layers.Dense(5, activation=swish),
        m.layers.Activation(lambda x: m.ops.maximum(x, 0.1 * x)),
        m.layers.Dense(2, activation=lambda x: m.ops.sin(x)),
    ]


LAMBDAS = {
    "last_step": lambda m, x: x[:, -1, :],
    "every_second": lambda m, x: x[:, ::2, 1:3],
    "new_axis": lambda m, x: x[:, None, ..., 0],
    "expand_dims": lambda m, x: m.ops.expand_dims(x, axis=-1),
    "mean": lambda m, x: m.ops.mean(x, axis=1),
    "sum_keep": lambda m, x: m.ops.sum(x, axis=-1, keepdims=True),
    "max": lambda m, x: m.ops.max(x, axis=1),
    "positional": lambda m, x: m.ops.std(x, 1, True) + m.ops.sum(m.ops.min(x, [1, 2], True)),
    "keywords": lambda m, x: m.ops.where(x > 0, x1=x, x2=m.ops.clip(x, x_min=-1, x_max=0.5)),
    "concat": lambda m, x: m.ops.concatenate([x, m.ops.square(x)], axis=-1),
    "stack": lambda m, x: m.ops.stack([x, -x], axis=1),
    "normalize": lambda m, x: x / (m.ops.norm(x, axis=-1, keepdims=True) + 1e-3),
    "clip": lambda m, x: m.ops.clip(x, -0.5, 0.5),
    "where": lambda m, x: m.ops.where(x > 0, x, m.ops.exp(x) - 1),
    "where_nan": lambda m, x: m.ops.where(x > 0.1, m.ops.log(m.ops.maximum(x, 0.1)), 0.0),
    "cast": lambda m, x: x * m.ops.cast(x > 0, "float32"),
    "tile": lambda m, x: m.ops.tile(x, (1, 1, 2)),
    "repeat": lambda m, x: m.ops.repeat(x, 2, axis=1),
    "flip": lambda m, x: m.ops.flip(x, axis=1) * x,
    "roll": lambda m, x: m.ops.roll(x, 1, axis=1) + x,
    "pad": lambda m, x: m.ops.pad(x, [[0, 0], [1, 0], [0, 2]]),
    "take": lambda m, x: m.ops.take(x, [2, 0, 2], axis=1),
    "cumsum": lambda m, x: m.ops.cumsum(x, axis=1),
    "diff": lambda m, x: x[:, 1:] - x[:, :-1],
    "transpose": lambda m, x: m.ops.transpose(x, (0, 2, 1)),
    "swapaxes": lambda m, x: m.ops.swapaxes(x, 1, 2),
    "moveaxis": lambda m, x: m.ops.moveaxis(x, 2, 1),
    "squeeze": lambda m, x: m.ops.squeeze(x[:, 1:2], axis=1),
    "reshape": lambda m, x: m.ops.reshape(x, (-1, 20)),
    "reshape_by_shape": lambda m, x: m.ops.reshape(x, (m.ops.shape(x)[0], 4, 5)),
    "softmax": lambda m, x: m.ops.softmax(x, axis=1),
    "logsumexp": lambda m, x: m.ops.logsumexp(x, axis=-1),
    "power": lambda m, x: x**2 - 2.0 / (1 + x**2),
    "operators": lambda m, x: abs(-x) * 0.5 + (1 - x) % 3.0,
    "gram": lambda m, x: m.ops.matmul(m.ops.transpose(x, (0, 2, 1)), x),
    "variance": lambda m, x: m.ops.var(x, axis=(1, 2), keepdims=True) + x,
    "trigonometry": lambda m, x: m.ops.sin(x) + m.ops.cos(x) * m.ops.arctan(x),
    "gelu": lambda m, x: m.ops.gelu(x) + m.ops.leaky_relu(x) + m.ops.elu(x),
    "stop_gradient": lambda m, x: x + m.ops.stop_gradient(x) * x,
    "one_hot": lambda m, x: x * m.ops.one_hot(m.ops.argmax(x, axis=-1), 4),
    "batch_mean": lambda m, x: x - m.ops.mean(x),
    "rows": lambda m, x: x / m.ops.cast(m.ops.shape(x)[0], "float32"),
}


# --- losses: y_true, y_pred as Keras hands them over


@loss("sigmoid", bits)
def focal(m):
    def focal_loss(y_true, y_pred, alpha=0.25, gamma=2.0):
        y_pred = m.ops.clip(y_pred, 1e-7, 1 - 1e-7)
        p = m.ops.where(m.ops.equal(y_true, 1), y_pred, 1 - y_pred)
        a = m.ops.where(m.ops.equal(y_true, 1), alpha, 1 - alpha)
        return m.ops.mean(-a * m.ops.power(1 - p, gamma) * m.ops.log(p), axis=-1)

    return focal_loss


@loss("softmax", classes)
def categorical_focal(m):
    def function(y_true, y_pred):
        y_pred = y_pred / m.ops.sum(y_pred, axis=-1, keepdims=True)
        y_pred = m.ops.clip(y_pred, 1e-7, 1.0)
        return m.ops.sum(-y_true * m.ops.log(y_pred) * (1 - y_pred) ** 2, axis=-1)

    return function


@loss("sigmoid", bits)
def dice(m):
    def dice_loss(y_true, y_pred):
        t, p = m.ops.reshape(y_true, (-1,)), m.ops.reshape(y_pred, (-1,))
        both = m.ops.sum(t * p)
        return 1 - (2.0 * both + 1.0) / (m.ops.sum(t) + m.ops.sum(p) + 1.0)

    return dice_loss


@loss("sigmoid", bits)
def tversky(m):
    def function(y_true, y_pred):
        tp = m.ops.sum(y_true * y_pred, axis=0)
        fn = m.ops.sum(y_true * (1 - y_pred), axis=0)
        fp = m.ops.sum((1 - y_true) * y_pred, axis=0)
        return m.ops.power(1 - m.ops.mean((tp + 1) / (tp + 0.7 * fn + 0.3 * fp + 1)), 0.75)

    return function


@loss("sigmoid", bits)
def dice_and_crossentropy(m):
    def function(y_true, y_pred):
        both = m.ops.sum(y_true * y_pred, axis=-1)
        d = 1 - (2 * both + 1) / (m.ops.sum(y_true + y_pred, axis=-1) + 1)
        return m.losses.binary_crossentropy(y_true, y_pred) + 0.1 * d

    return function


@loss("sigmoid", bits)
def weighted_crossentropy(m):
    def function(y_true, y_pred):
        weights = y_true * 3.0 + (1 - y_true) * 0.5
        p = m.ops.clip(y_pred, 1e-7, 1 - 1e-7)
        ce = -(y_true * m.ops.log(p) + (1 - y_true) * m.ops.log(1 - p))
        return m.ops.mean(weights * ce, axis=-1)

    return function


@loss(None, reals)
def rmse(m):
    return lambda y_true, y_pred: m.ops.sqrt(m.ops.mean(m.ops.square(y_pred - y_true)))


@loss(None, reals)
def huber(m):
    def function(y_true, y_pred):
        e = y_true - y_pred
        small = m.ops.abs(e) <= 1.0
        return m.ops.where(small, 0.5 * m.ops.square(e), m.ops.abs(e) - 0.5)

    return function


@loss(None, reals)
def quantile(m):
    def function(y_true, y_pred):
        e = y_true - y_pred
        return m.ops.mean(m.ops.maximum(0.9 * e, (0.9 - 1) * e), axis=-1)

    return function


@loss(None, reals)
def log_cosh(m):
    def function(y_true, y_pred):
        x = y_pred - y_true
        return m.ops.mean(x + m.ops.softplus(-2.0 * x) - np.log(2.0), axis=-1)

    return function


@loss(None, reals)
def r_squared(m):
    def function(y_true, y_pred):
        rest = m.ops.sum(m.ops.square(y_true - y_pred))
        total = m.ops.sum(m.ops.square(y_true - m.ops.mean(y_true)))
        return rest / (total + 1e-7)

    return function


@loss(None, reals)
def correlation(m):
    def function(y_true, y_pred):
        a, b = y_true - m.ops.mean(y_true), y_pred - m.ops.mean(y_pred)
        down = m.ops.sqrt(m.ops.sum(a * a) * m.ops.sum(b * b)) + 1e-6
        return 1 - m.ops.sum(a * b) / down

    return function


@loss(None, reals)
def cosine(m):
    def function(y_true, y_pred):
        a, b = m.ops.normalize(y_true, axis=-1), m.ops.normalize(y_pred, axis=-1)
        return -m.ops.sum(a * b, axis=-1)

    return function


@loss(None, reals)
def weighted_columns(m):
    def function(y_true, y_pred):
        weights = m.ops.convert_to_tensor([1.0, 2.0, 0.5])
        return m.ops.mean(weights * m.ops.square(y_true - y_pred), axis=-1)

    return function


@loss(None, reals)
def two_heads(m):
    def gaussian(y_true, y_pred):
        mean, s = y_pred[:, 0:1], y_pred[:, 1:2]
        return 0.5 * m.ops.square(y_true[:, 0:1] - mean) * m.ops.exp(-s) + 0.5 * s

    return gaussian


@loss(None, reals)
def built_in_functions(m):
    def function(y_true, y_pred):
        return (
            m.losses.mean_squared_error(y_true, y_pred)
            + 0.5 * m.losses.mean_absolute_error(y_true, y_pred)
            + 0.1 * m.losses.huber(y_true, y_pred)
            + 0.1 * m.losses.log_cosh(y_true, y_pred)
        )

    return function


@loss("softmax", classes)
def smoothed(m):
    def function(y_true, y_pred):
        return m.losses.categorical_crossentropy(y_true, y_pred, label_smoothing=0.1)

    return function


@loss("softmax", labels)
def sparse(m):
    def function(y_true, y_pred):
        hot = m.ops.one_hot(m.ops.cast(m.ops.squeeze(y_true, -1), "int32"), 3)
        return -m.ops.sum(hot * m.ops.log(y_pred + 1e-7), axis=-1)

    return function


@loss("sigmoid", bits)
def crossentropy_of_ops(m):
    def function(y_true, y_pred):
        y = m.ops.binary_crossentropy(y_true, y_pred)
        z = m.ops.binary_crossentropy(y_true, 3.0 * y_pred - 1.0, from_logits=True)
        return m.ops.mean(y + z, axis=-1)

    return function


@loss("softmax", labels)
def sparse_built_in(m):
    def function(y_true, y_pred):
        return 2.0 * m.losses.sparse_categorical_crossentropy(y_true, y_pred)

    return function


@loss(None, reals)
def loss_class(m):
    class Weighted(m.losses.Loss):
        def __init__(self, weight=2.0, **kwargs):
            super().__init__(**kwargs)
            self.weight = weight

        def call(self, y_true, y_pred):
            return self.weight * m.ops.mean(m.ops.square(y_true - y_pred), axis=-1)

    return Weighted(reduction="sum")


# --- running both


def run(m, layers, loss, x, y, start=None, **fit):
    """Weights before training; predictions, losses, and weights after it."""
    model = m.Sequential([m.Input(x.shape[1:]), *layers])
    if start is None:
        # Values of their own, as zeros would hide a wrong bias.
        rng = np.random.default_rng(1)
        start = [w + 0.1 * rng.random(w.shape).astype(w.dtype) for w in model.get_weights()]
    assert [w.shape for w in model.get_weights()] == [w.shape for w in start]
    model.set_weights(start)
    model.compile(optimizer=m.optimizers.SGD(0.05), loss=loss)
    first = np.asarray(model.predict(x, verbose=0))
    loss_before = model.evaluate(x, y, batch_size=4, verbose=0)
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0, **fit)
    return start, [first, loss_before, history.history["loss"], *model.get_weights()]


def compare(keras, layers, loss, x, y, **fit):
    keras.utils.set_random_seed(1)
    start, want = run(keras, layers(keras), loss(keras), x, y, **fit)
    _, got = run(pyseq, layers(pyseq), loss(pyseq), x, y, start, **fit)
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
    assert not all(np.array_equal(a, b) for a, b in zip(start, got[3:]))


@pytest.mark.parametrize("name", LAYERS)
def test_layer(keras, name, rng):
    make, data = LAYERS[name]
    x = data(rng)
    probe = pyseq.Sequential([pyseq.Input(x.shape[1:]), *make(pyseq)])
    y = rng.normal(size=(ROWS, *probe.output_shape[1:])).astype("float32")
    compare(keras, make, lambda m: "mse", x, y)


@pytest.mark.parametrize("name", LAMBDAS)
def test_lambda(keras, name, rng):
    x = sequences(rng)

    def layers(m):
        return [
            m.layers.Dense(4),
            m.layers.Lambda(lambda x: LAMBDAS[name](m, x)),
            m.layers.Flatten(),
            m.layers.Dense(2),
        ]

    compare(keras, layers, lambda m: "mse", x, rng.normal(size=(ROWS, 2)).astype("float32"))


def loss_layers(output):
    return lambda m: [m.layers.Dense(5, activation="tanh"), m.layers.Dense(3, activation=output)]


@pytest.mark.parametrize("name", LOSSES)
def test_loss(keras, name, rng):
    make, output, target = LOSSES[name]
    compare(keras, loss_layers(output), make, vectors(rng), target(rng, 3))


@pytest.mark.parametrize("name", ["quantile", "rmse", "loss_class"])
def test_loss_with_sample_weights(keras, name, rng):
    make, output, target = LOSSES[name]
    weights = rng.uniform(0.2, 2, ROWS).astype("float32")
    compare(keras, loss_layers(output), make, vectors(rng), target(rng, 3), sample_weight=weights)


def test_loss_with_class_weights(keras, rng):
    compare(
        keras,
        loss_layers("softmax"),
        sparse,
        vectors(rng),
        labels(rng, 3),
        class_weight={0: 1.0, 1: 3.0, 2: 0.5},
    )


def test_loss_of_masked_sequences(keras, rng):
    x = sequences(rng)
    x[:, 3:] = 0
    x[::2, 2:] = 0

    def layers(m):
        return [m.layers.Masking(), m.layers.LSTM(4, return_sequences=True), m.layers.Dense(3)]

    y = rng.normal(size=(ROWS, 5, 3)).astype("float32")
    compare(keras, layers, quantile, x, y)


def test_layer_that_uses_a_mask(keras, rng):
    x = rng.integers(0, 5, (ROWS, 6))

    def layers(m):
        class Mean(m.layers.Layer):
            def __init__(self):
                super().__init__()
                self.supports_masking = True

            def call(self, x, mask=None):
                weights = m.ops.expand_dims(m.ops.cast(mask, x.dtype), -1)
                return m.ops.sum(x * weights, axis=1) / (m.ops.sum(weights, axis=1) + 1e-3)

            def compute_mask(self, x, mask=None):
                return None

        return [m.layers.Embedding(5, 4, mask_zero=True), Mean(), m.layers.Dense(2)]

    compare(keras, layers, lambda m: "mse", x, rng.normal(size=(ROWS, 2)).astype("float32"))
