"""More of what public scripts do in layers, Lambdas and losses, beside Keras.

A case is a function of the library that returns layers, loss, x and y.
"""

import numpy as np
import pytest

import pyseq

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = 16
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=(ROWS, *shape)).astype("float32")


def labels(classes, *shape, seed=3):
    return np.random.default_rng(seed).integers(0, classes, (ROWS, *shape))


def bits(*shape):
    return labels(2, *shape).astype("float32")


def one_hot(classes):
    return np.eye(classes, dtype="float32")[labels(classes)]


@case
def transformer_block_with_inner_model(api):
    layers, ops = api.layers, api.ops

    class TransformerBlock(layers.Layer):
        def __init__(self, embed_dim, ff_dim, rate=0.0, **kwargs):
            super().__init__(**kwargs)
            self.ffn = api.Sequential(
                [
                    api.Input((None, embed_dim)), layers.Dense(ff_dim, activation="relu"),
                    layers.Dense(embed_dim),
                ]
            )
            self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
            self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
            self.dropout = layers.Dropout(rate)

        def call(self, inputs, training=False):
            out = self.layernorm1(inputs)
            return self.layernorm2(out + self.dropout(self.ffn(out), training=training))

    class TokenAndPositionEmbedding(layers.Layer):
        def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
            super().__init__(**kwargs)
            self.token_emb = layers.Embedding(vocab_size, embed_dim)
            self.pos_emb = layers.Embedding(maxlen, embed_dim)

        def call(self, x):
            positions = ops.arange(start=0, stop=ops.shape(x)[-1], step=1)
            return self.token_emb(x) + self.pos_emb(positions)

    stack = [TokenAndPositionEmbedding(6, 11, 4), TransformerBlock(4, 8)]
    stack += [layers.GlobalAveragePooling1D(), layers.Dense(3, activation="softmax")]
    return stack, "sparse_categorical_crossentropy", labels(11, 6), labels(3, seed=9)


@case
def multi_head_attention_by_reshape(api):
    ops = api.ops

    class MultiHead(api.layers.Layer):
        def __init__(self, width=8, heads=2, **kwargs):
            super().__init__(**kwargs)
            self.width, self.heads, self.depth = width, heads, width // heads
            self.query, self.key, self.value, self.out = (
                api.layers.Dense(width) for _ in range(4)
            )

        def split(self, x, batch_size):
            x = ops.reshape(x, (batch_size, -1, self.heads, self.depth))
            return ops.transpose(x, axes=[0, 2, 1, 3])

        def call(self, inputs):
            n = ops.shape(inputs)[0]
            q, k, v = (self.split(d(inputs), n) for d in (self.query, self.key, self.value))
            score = ops.matmul(q, ops.transpose(k, axes=[0, 1, 3, 2]))
            score = score / ops.sqrt(ops.cast(self.depth, "float32"))
            y = ops.transpose(ops.matmul(ops.softmax(score, axis=-1), v), axes=[0, 2, 1, 3])
            return self.out(ops.reshape(y, (n, -1, self.width)))

    stack = [MultiHead(), api.layers.Flatten(), api.layers.Dense(2)]
    return stack, "mse", normal(5, 3), normal(2, seed=5)


@case
def residual_block_with_merging_layers(api):
    layers = api.layers

    class Residual(layers.Layer):
        def __init__(self, channels, **kwargs):
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(channels, 3, padding="same")
            self.norm = layers.BatchNormalization()
            self.shortcut = layers.Conv2D(channels, 1)
            self.add = layers.Add()

        def call(self, inputs, training=None):
            x = api.ops.relu(self.norm(self.conv(inputs), training=training))
            return api.ops.relu(self.add([x, self.shortcut(inputs)]))

    stack = [Residual(3), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    return stack, "mse", normal(6, 6, 2), normal(2, seed=5)


@case
def spatial_attention_with_merging_functions(api):
    layers, ops = api.layers, api.ops

    class SpatialAttention(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(1, 3, padding="same", activation="sigmoid")

        def call(self, x):
            average = ops.mean(x, axis=-1, keepdims=True)
            highest = ops.max(x, axis=-1, keepdims=True)
            return layers.multiply([x, self.conv(layers.concatenate([average, highest]))])

    stack = [layers.Conv2D(4, 3), SpatialAttention(), layers.Flatten(), layers.Dense(2)]
    return stack, "mse", normal(5, 5, 2), normal(2, seed=5)


@case
def factorization_machine(api):
    ops = api.ops

    class Cross(api.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1], 1), initializer="glorot_uniform")
            self.b = self.add_weight(shape=(shape[-1],), initializer="zeros")

        def call(self, x):
            return x * ops.matmul(x, self.w) + self.b + x

    class FactorizationMachine(api.layers.Layer):
        def build(self, shape):
            self.v = self.add_weight(shape=(shape[-1], 3), initializer="glorot_uniform")

        def call(self, x):
            squares = ops.power(ops.matmul(x, self.v), 2)
            return 0.5 * ops.sum(squares - ops.matmul(x**2, self.v**2), axis=1, keepdims=True)

    return [Cross(), FactorizationMachine()], "mse", normal(4), normal(1, seed=5)


@case
def own_normalizations(api):
    ops = api.ops

    class LayerNorm(api.layers.Layer):
        def build(self, shape):
            self.gain = self.add_weight(name="gain", shape=shape[-1:], initializer="ones")
            self.bias = self.add_weight(name="bias", shape=shape[-1:], initializer="zeros")

        def call(self, x):
            mean, variance = ops.moments(x, axes=-1, keepdims=True)
            return self.gain * (x - mean) * ops.rsqrt(variance + 1e-3) + self.bias

    class OfTheBatch(api.layers.Layer):
        def call(self, x):
            return (x - ops.mean(x, axis=0)) / (ops.std(x, axis=0) + 0.1)

    d = api.layers.Dense
    return [d(6), LayerNorm(), d(4), OfTheBatch(), d(1)], "mse", normal(4), normal(1, seed=5)


@case
def maxout_and_gated_units(api):
    ops = api.ops

    class Maxout(api.layers.Layer):
        def __init__(self, units, pieces, **kwargs):
            super().__init__(**kwargs)
            self.units, self.pieces = units, pieces
            self.dense = api.layers.Dense(units * pieces)

        def call(self, x):
            return ops.max(ops.reshape(self.dense(x), (-1, self.units, self.pieces)), axis=2)

    class Gated(api.layers.Layer):
        def call(self, x):
            a, gate = ops.split(x, 2, axis=-1)
            return a * ops.sigmoid(gate)

    return [Maxout(6, 3), Gated(), api.layers.Dense(2)], "mse", normal(4), normal(2, seed=5)


@case
def capsule_squash(api):
    ops = api.ops

    class Capsules(api.layers.Layer):
        def build(self, shape):
            self.W = self.add_weight(
                shape=(3, shape[1], 4, shape[2]), initializer="glorot_uniform"
            )

        def call(self, inputs):
            s = ops.sum(ops.einsum("jnim,bnm->bjni", self.W, inputs), axis=2)
            size = ops.sum(ops.square(s), -1, keepdims=True)
            s = size / (1 + size) / ops.sqrt(size + 1e-7) * s
            return ops.sqrt(ops.sum(ops.square(s), -1) + 1e-7)

    return [Capsules()], "mse", normal(5, 2), one_hot(3)


@case
def positional_encoding(api):
    class PositionalEncoding(api.layers.Layer):
        def __init__(self, length, depth, **kwargs):
            super().__init__(**kwargs)
            angles = np.arange(length)[:, None] / 1e4 ** (np.arange(depth) // 2 * 2 / depth)
            angles[:, 0::2], angles[:, 1::2] = np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])
            self.encoding = api.ops.cast(angles[None], "float32")

        def call(self, x):
            x = x * api.ops.sqrt(api.ops.cast(4, "float32"))
            return x + self.encoding[:, : x.shape[1], :]

    stack = [api.layers.Embedding(9, 4), PositionalEncoding(8, 4), api.layers.LSTM(3)]
    stack += [api.layers.Dense(1, activation="sigmoid")]
    return stack, "binary_crossentropy", labels(9, 5), bits(1)


@case
def weights_that_are_numbers_frozen_or_nested(api):
    class Swish(api.layers.Layer):
        def build(self, shape):
            self.beta = self.add_weight(shape=(), initializer="ones")
            self.fixed = self.add_weight(
                shape=(shape[-1],), initializer="random_uniform", trainable=False
            )
            self.table = np.linspace(-1, 1, shape[-1]).astype("float32")

        def call(self, x):
            return x * api.ops.sigmoid(self.beta * x) + self.fixed * self.table - 0.5

    inner = api.Sequential([api.Input((6,)), api.layers.Dense(4), Swish()])
    return [api.layers.Dense(6), inner, api.layers.Dense(2)], "mse", normal(3), normal(2, seed=5)


@case
def layer_that_holds_a_list_of_layers(api):
    class Stack(api.layers.Layer):
        def __init__(self, widths, **kwargs):
            super().__init__(**kwargs)
            self.hidden = [api.layers.Dense(w, activation="elu") for w in widths]

        def call(self, x):
            outputs = []
            for layer in self.hidden:
                x = layer(x)
                outputs.append(x)
            return api.ops.concatenate(outputs, axis=-1)

    return [Stack([3, 5]), api.layers.Dense(2)], "mse", normal(4), normal(2, seed=5)


@case
def tokens_and_constants_for_each_row(api):
    """As in a vision transformer."""
    ops = api.ops

    class Tokens(api.layers.Layer):
        def build(self, shape):
            self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="ones", name="t")

        def call(self, x):
            batch = ops.shape(x)[0]
            return ops.concatenate(
                [
                    ops.broadcast_to(self.token, (batch, 1, 4)),
                    ops.tile(self.token * 2.0, [batch, 1, 1]),
                    ops.repeat(ops.square(self.token), batch, axis=0),
                    ops.zeros((batch, 1, 4)),
                    x * ops.ones((batch, 1, 4)),
                    ops.full((batch, 1, 4), 0.5),
                ],
                axis=1,
            )

    layers = [api.layers.Dense(4), Tokens(), api.layers.Flatten(), api.layers.Dense(1)]
    return layers, "mse", normal(3, 4), normal(1, seed=5)


@case
def time_distributed_layer(api):
    class Gate(api.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(name="w", shape=(shape[-1],), initializer="ones")

        def call(self, x):
            return x * api.ops.sigmoid(self.w)

        def compute_output_shape(self, shape):
            return shape

    layers = [api.layers.TimeDistributed(Gate()), api.layers.Flatten(), api.layers.Dense(1)]
    return layers, "mse", normal(6, 4), normal(1, seed=5)


def with_lambdas(api, shape, functions, tail=()):
    """Trained layers before and behind the functions, so that gradients pass through them."""
    stack = [api.layers.Dense(shape[-1]), *(api.layers.Lambda(f) for f in functions), *tail]
    return [*stack, api.layers.Dense(2)], "mse", normal(*shape), normal(2, seed=5)


@case
def lambda_parts(api):
    parts = [lambda x: x[:, 1:4], lambda x: x[..., ::2], lambda x: x[:, ::2, 0]]
    return with_lambdas(api, (5, 4), parts)


@case
def lambda_shapes(api):
    ops = api.ops
    functions = [
        lambda x: ops.expand_dims(x, 1),
        lambda x: ops.squeeze(x, axis=1),
        lambda x: ops.reshape(x, (ops.shape(x)[0], 12)),
        lambda x: ops.reshape(x, (-1, 3, 4)),
        lambda x: ops.swapaxes(x, 1, 2),
        lambda x: ops.tile(x, (1, 2, 1)),
    ]
    return with_lambdas(api, (12,), functions, [api.layers.Flatten()])


@case
def lambda_steps_in_time(api):
    ops = api.ops
    functions = [
        lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 0))),
        lambda x: ops.roll(x, 1, axis=1),
        lambda x: ops.repeat(x, 2, axis=1),
        lambda x: x[:, 1:] - x[:, :-1],
    ]
    return with_lambdas(api, (4, 3), functions, [api.layers.GRU(4)])


@case
def lambda_products(api):
    ops = api.ops
    functions = [
        lambda x: ops.cumsum(x, axis=1),
        lambda x: ops.stack([x, ops.sin(x)], axis=-1),
        lambda x: ops.einsum("bij,bik->bijk", x, x),
        lambda x: ops.reshape(x, (-1, 5 * 4)),
        lambda x: ops.where(x > 0, x, 0.1 * x),
    ]
    return with_lambdas(api, (5,), functions)


@case
def lambda_with_arguments(api):
    def power(x, exponent, shift=0.0):
        return api.ops.power(api.ops.abs(x) + 0.1, exponent) + shift

    act = api.layers.Lambda(power, arguments={"exponent": 1.5, "shift": -0.2})
    return [api.layers.Dense(3), act, api.layers.Dense(2)], "mse", normal(4), normal(2, seed=5)


@case
def activation_functions(api):
    ops = api.ops

    def mish(x):
        return x * ops.tanh(ops.softplus(x))

    def gelu(x):
        return 0.5 * x * (1 + ops.tanh(0.7978845608 * (x + 0.044715 * ops.power(x, 3))))

    def exact_gelu(x):
        return 0.5 * x * (1.0 + ops.erf(x / np.sqrt(2.0)))

    def relu(x):
        return ops.maximum(x, 0)

    stack = []
    for function in (mish, gelu, exact_gelu, relu, lambda x: x + ops.square(ops.sin(x))):
        stack += [api.layers.Dense(6), api.layers.Activation(function)]
    return [*stack, api.layers.Dense(1)], "mse", normal(5), normal(1, seed=5)


def regression(api, loss, outputs=2):
    stack = [api.layers.Dense(6, activation="tanh"), api.layers.Dense(outputs)]
    return stack, loss, normal(4), normal(outputs, seed=5)


def segmenter(api, loss):
    stack = [
        api.layers.Conv2D(3, 3, padding="same", activation="relu"),
        api.layers.Conv2D(1, 1, activation="sigmoid"),
    ]
    return stack, loss, normal(5, 5, 2), bits(5, 5, 1)


@case
def loss_of_several_quantiles(api):
    ops = api.ops

    def loss(y_true, y_pred):
        total = 0.0
        for i, q in enumerate([0.1, 0.5, 0.9]):
            e = y_true[:, 0] - y_pred[:, i]
            total += ops.mean(ops.where(e >= 0, q * e, (q - 1) * e))
        return total

    return regression(api, loss, 3)


@case
def loss_smooth_l1(api):
    ops = api.ops

    def smooth_l1(y_true, y_pred):
        diff = ops.abs(y_true - y_pred)
        less = ops.cast(ops.less(diff, 1.0), "float32")
        return ops.mean(less * 0.5 * diff**2 + (1 - less) * (diff - 0.5))

    return regression(api, smooth_l1)


@case
def loss_focal_of_two_classes(api):
    ops = api.ops

    def focal(y_true, y_pred, gamma=2.0, alpha=0.25):
        y_pred = ops.clip(y_pred, 1e-7, 1.0 - 1e-7)
        pt_1 = ops.where(ops.equal(y_true, 1), y_pred, ops.ones_like(y_pred))
        pt_0 = ops.where(ops.equal(y_true, 0), y_pred, ops.zeros_like(y_pred))
        return -ops.mean(alpha * ops.power(1.0 - pt_1, gamma) * ops.log(pt_1)) - ops.mean(
            (1 - alpha) * ops.power(pt_0, gamma) * ops.log(1.0 - pt_0)
        )

    return segmenter(api, focal)


@case
def loss_dice_of_ravelled_and_crossentropy(api):
    ops = api.ops

    def bce_dice(y_true, y_pred):
        t, p = ops.ravel(y_true), ops.ravel(y_pred)
        dice = 1 - (2 * ops.dot(t, p) + 1) / (ops.sum(t) + ops.sum(p) + 1)
        return api.losses.binary_crossentropy(y_true, y_pred) + dice

    return segmenter(api, bce_dice)


@case
def loss_tversky(api):
    ops = api.ops

    def tversky(y_true, y_pred, smooth=1e-6):
        t, p = ops.reshape(y_true, [-1]), ops.reshape(y_pred, [-1])
        true_pos = ops.sum(t * p)
        false_neg, false_pos = ops.sum(t * (1 - p)), ops.sum((1 - t) * p)
        ratio = (true_pos + smooth) / (true_pos + 0.7 * false_neg + 0.3 * false_pos + smooth)
        return ops.power(1 - ratio, 0.75)

    return segmenter(api, tversky)


@case
def loss_jaccard(api):
    ops = api.ops

    def jaccard(y_true, y_pred):
        intersection = ops.sum(ops.abs(y_true * y_pred), axis=[1, 2, 3])
        union = ops.sum(y_true, [1, 2, 3]) + ops.sum(y_pred, [1, 2, 3]) - intersection
        return 1 - ops.mean((intersection + 1) / (union + 1), axis=0)

    return segmenter(api, jaccard)


@case
def loss_with_penalty_of_differences(api):
    ops = api.ops

    def loss(y_true, y_pred):
        rough = ops.mean(ops.square(y_pred[:, 1:] - y_pred[:, :-1]), axis=-1)
        return api.losses.mean_squared_error(y_true, y_pred) + 0.3 * rough

    return regression(api, loss, 5)


@case
def loss_by_instances_of_losses(api):
    mse, mae = api.losses.MeanSquaredError(), api.losses.MeanAbsoluteError()
    return regression(api, lambda t, p: mse(t, p) + 0.5 * mae(t, p))


@case
def loss_cosine(api):
    ops = api.ops

    def cosine(y_true, y_pred):
        a, b = ops.normalize(y_true, axis=-1), ops.normalize(y_pred, axis=-1)
        return 1 - ops.sum(a * b, axis=-1)

    return regression(api, cosine, 4)


@case
def loss_pearson_correlation(api):
    ops = api.ops

    def pearson(y_true, y_pred):
        a, b = y_true - ops.mean(y_true), y_pred - ops.mean(y_pred)
        return 1 - ops.sum(a * b) / ops.sqrt(ops.sum(a**2) * ops.sum(b**2) + 1e-6)

    return regression(api, pearson, 1)


@case
def loss_r_squared_and_mape(api):
    ops = api.ops

    def loss(y_true, y_pred):
        total = ops.sum(ops.square(y_true - ops.mean(y_true)))
        mape = ops.mean(ops.abs((y_true - y_pred) / (ops.abs(y_true) + 1.0)))
        return ops.sum(ops.square(y_true - y_pred)) / (total + 0.1) + mape

    return regression(api, loss, 1)


@case
def loss_gaussian_likelihood(api):
    ops = api.ops

    def likelihood(y_true, y_pred):
        mean, log_var = y_pred[:, :2], y_pred[:, 2:]
        error = ops.square(y_true[:, :2] - mean)
        return ops.mean(0.5 * ops.exp(-log_var) * error + 0.5 * log_var, axis=-1)

    return regression(api, likelihood, 4)


@case
def loss_ignoring_missing_targets(api):
    ops = api.ops

    def masked_mse(y_true, y_pred):
        mask = ops.cast(ops.not_equal(y_true, -1), "float32")
        return ops.sum(ops.square(y_true - y_pred) * mask) / ops.maximum(ops.sum(mask), 1)

    stack, loss, x, y = regression(api, masked_mse, 3)
    y[::3, 1] = -1
    return stack, loss, x, y


@case
def loss_of_sequences_with_weights_of_steps(api):
    ops = api.ops
    weights = ops.array([1.0, 1.0, 2.0, 2.0, 4.0])

    def weighted(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred), axis=-1) * weights

    stack = [api.layers.LSTM(4, return_sequences=True), api.layers.Dense(2)]
    return stack, weighted, normal(5, 3), normal(5, 2, seed=5)


@case
def loss_class_that_sums(api):
    class Absolute(api.losses.Loss):
        def call(self, y_true, y_pred):
            return api.ops.mean(api.ops.abs(y_true - y_pred), axis=-1)

    return regression(api, Absolute(reduction="sum"))


@case
def regularizer_class(api):
    ops = api.ops

    class Orthogonal(api.regularizers.Regularizer):
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, w):
            gram = ops.matmul(ops.transpose(w), w)
            return self.rate * ops.sum(ops.square(gram - ops.eye(w.shape[-1])))

    stack = [api.layers.Dense(3, kernel_regularizer=Orthogonal(0.05)), api.layers.Dense(1)]
    return stack, "mse", normal(4), normal(1, seed=5)


@case
def regularizer_of_a_weight_of_ones_own(api):
    class Sparse(api.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(
                shape=(shape[-1], 3), initializer="glorot_uniform",
                regularizer=lambda w: 0.05 * api.ops.mean(api.ops.log(1 + w**2)),
            )

        def call(self, x):
            return api.ops.matmul(x, self.w)

    return [Sparse(), api.layers.Dense(1)], "mse", normal(4), normal(1, seed=5)


@case
def activity_regularizer_function(api):
    def penalty(y):
        return 0.05 * api.ops.sum(api.ops.square(y))

    stack = [api.layers.Dense(3, activity_regularizer=penalty), api.layers.Dense(1)]
    return stack, "mse", normal(4), normal(1, seed=5)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", CASES)
def test_trains_as_in_keras(keras, name, optimizer):
    models = []
    for api in (pyseq, keras):
        layers, loss, x, y = CASES[name](api)
        model = api.Sequential([api.Input(x.shape[1:]), *layers])
        # A large epsilon: a gradient that is 0 but for rounding stays small.
        extra = {"epsilon": 1e-3} if optimizer == "Adam" else {"momentum": 0.9}
        model.compile(getattr(api.optimizers, optimizer)(0.02, **extra), loss)
        models.append(model)
    ours, theirs = models
    assert [v.shape for v in ours.weights] == [tuple(v.shape) for v in theirs.weights]
    assert len(ours.trainable_weights) == len(theirs.trainable_weights)
    random = np.random.default_rng(0)
    start = [w + random.normal(0, 0.1, w.shape) for w in theirs.get_weights()]
    for model in models:
        model.set_weights(start)
    forward = [model.predict(x, verbose=0) for model in models]
    np.testing.assert_allclose(*forward, rtol=1e-5, atol=1e-5)
    # The last of the three batches is short.
    options = {"batch_size": 6, "shuffle": False, "verbose": 0}
    losses = [model.fit(x, y, **options).history["loss"] for model in models]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(theirs.get_weights(), start))
    for a, b, v in zip(ours.get_weights(), theirs.get_weights(), ours.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4, err_msg=v.path)
    evaluated = [model.evaluate(x, y, batch_size=6, verbose=0) for model in models]
    np.testing.assert_allclose(*evaluated, rtol=1e-4)
