"""Models that are written as ONNX and read back."""

import numpy as np

import pyseq
from pyseq import layers, ops


class Block(layers.Layer):
    """Attention and a dense part, both with what comes in added."""

    def __init__(self, width, heads, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.query, self.key, self.value, self.out = (layers.Dense(width) for _ in range(4))
        self.first, self.second = layers.LayerNormalization(), layers.LayerNormalization()
        self.up, self.down = layers.Dense(2 * width, activation="gelu"), layers.Dense(width)

    def split(self, x):
        shape = (-1, x.shape[1], self.heads, self.width // self.heads)
        return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))

    def call(self, x):
        y = self.first(x)
        q, k, v = (self.split(part(y)) for part in (self.query, self.key, self.value))
        weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / 2.0)
        y = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        x = x + self.out(ops.reshape(y, (-1, x.shape[1], self.width)))
        return x + self.down(self.up(self.second(x)))


class Residual(layers.Layer):
    """x + convolutions of x."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.a = layers.Conv2D(filters, 3, padding="same", activation="relu")
        self.b = layers.Conv2D(filters, 3, padding="same")
        self.norm = layers.BatchNormalization()

    def call(self, x):
        return ops.relu(x + self.norm(self.b(self.a(x))))


def inverted(filters, factor, strides=1):
    """What MobileNetV2 is made of, without the sum."""
    return [
        layers.Conv2D(filters * factor, 1, use_bias=False), layers.BatchNormalization(),
        layers.ReLU(6.0),
        layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False),
        layers.BatchNormalization(), layers.ReLU(6.0),
        layers.Conv2D(filters, 1, use_bias=False), layers.BatchNormalization(),
    ]


def sequential(*parts):
    return pyseq.Sequential(list(parts))


# Straight lines: read back, too.
LINES = {
    "dense": lambda: sequential(pyseq.Input((4,)), layers.Dense(5, "relu"), layers.Dense(3, "softmax")),
    "cnn": lambda: sequential(
        pyseq.Input((12, 10, 3)), layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.BatchNormalization(), layers.MaxPooling2D(), layers.Conv2D(4, 3, strides=2),
        layers.LeakyReLU(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(3, "softmax"),
    ),
    "mobilenet": lambda: sequential(
        pyseq.Input((16, 16, 3)), layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(), layers.ReLU(6.0), *inverted(4, 2), *inverted(6, 2, 2),
        layers.GlobalAveragePooling2D(), layers.Dense(5, "softmax"),
    ),
    "conv1d": lambda: sequential(
        pyseq.Input((20, 3)), layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="gelu"),
        layers.AveragePooling1D(2), layers.SeparableConv1D(5, 3, activation="silu"),
        layers.GlobalMaxPooling1D(), layers.Dense(2),
    ),
    "lstm": lambda: sequential(
        pyseq.Input((7, 3)), layers.LSTM(5, return_sequences=True), layers.GRU(4, return_sequences=True),
        layers.GRU(4, reset_after=False, go_backwards=True, return_sequences=True),
        layers.SimpleRNN(3), layers.Dense(1, "sigmoid"),
    ),
    "decoder": lambda: sequential(
        pyseq.Input((8,)), layers.Dense(48, "relu"), layers.Reshape((4, 4, 3)),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        layers.UpSampling2D(2), layers.Conv2D(3, 3, padding="same", activation="sigmoid"),
    ),
    "first": lambda: sequential(
        pyseq.Input((3, 8, 9)), layers.Conv2D(4, 3, data_format="channels_first"),
        layers.BatchNormalization(axis=1), layers.Activation("relu"),
        layers.MaxPooling2D(2, data_format="channels_first"), layers.Flatten(), layers.Dense(2),
    ),
}
# Whose graphs branch.
BRANCHES = {
    "residual": lambda: sequential(
        pyseq.Input((8, 8, 4)), Residual(4), Residual(4), layers.Flatten(), layers.Dense(3)
    ),
    "transformer": lambda: sequential(
        pyseq.Input((6, 8)), Block(8, 2), Block(8, 2), layers.GlobalAveragePooling1D(), layers.Dense(3)
    ),
    "bidirectional": lambda: sequential(
        pyseq.Input((6, 3)), layers.Masking(), layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.TimeDistributed(sequential(pyseq.Input((8,)), layers.Dense(4, "mish"), layers.Dense(2))),
    ),
}


def moved(model, seed=0):
    """The model with weights that are no longer zeros and ones; variances stay above 0."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        noise = rng.normal(size=variable.shape) * 0.3
        variable.assign(variable.numpy() + (np.abs(noise) if "variance" in variable.path else noise))
    return model


def rows_of(model, rows, seed=1):
    shape = (rows, *model.input_shape[1:])
    return np.random.default_rng(seed).normal(size=shape).astype("float32")
