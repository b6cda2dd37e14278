"""Random models as people write them: layers, output, loss and data that go together.

Each seed gives another. No check has anything to say about any of them.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from differential.draw import Draw

import pyseq
from pyseq import layers, losses, optimizers

ROWS = 80  # of which a fifth is validated on


@dataclasses.dataclass
class Sensible:
    """A model, and how to train it: `compile(**compiled)`, then `fit(x, y, **fitted)`."""

    model: pyseq.Sequential
    compiled: dict
    x: np.ndarray
    y: np.ndarray
    fitted: dict

    def __str__(self):
        stack = ", ".join(
            f"{type(part).__name__}({getattr(part, 'units', getattr(part, 'filters', ''))} "
            f"{getattr(getattr(part, 'activation', None), '__name__', '')})"
            for part in self.model.layers
        )
        return f"{self.x.dtype} {self.x.shape} -> {stack} -> {self.y.dtype} {self.y.shape}, {self.compiled}"


def sensible(seed):
    """The sensible model number `seed`."""
    d = Draw(np.random.default_rng(seed), None)
    pyseq.utils.set_random_seed(seed)
    x, first, body = d.of(_table, _table, _images, _images, _sequences, _sequences, _tokens, _tokens,
                          _words, _volumes)(d)  # fmt: skip
    head = d.of(_number, _positive, _bounded, _signs, _yes_no, _yes_no, _labels, _classes, _classes,
                _sparse, _sparse, _counts, _proportions)  # fmt: skip
    last, loss, metrics, y = head(d, _score(d, x))
    model = pyseq.Sequential([pyseq.Input(x.shape[1:]), *first, *body(d), *last])
    compiled = {"optimizer": _optimizer(d), "loss": loss, "metrics": d.of(None, metrics)}
    return Sensible(model, compiled, x, y, {"batch_size": d.of(16, 32, 64), **_fitted(d, y)})


def _score(d, x):
    """What the targets depend on: a number for each row, of mean 0 and deviation 1."""
    flat = x.reshape(len(x), -1).astype("float64")
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-9)
    score = flat @ d.rng.normal(size=flat.shape[1]) + 0.3 * d.rng.normal(size=len(x))
    return (score - score.mean()) / score.std()


# --- data: (x, layers that read them, the body that goes with them)


def _table(d):
    x = d.rng.normal(size=(ROWS, d.integer(3, 30))).astype(d.of("float32", "float64"))
    if d.chance(0.2):  # prices, ages, ...: scaled by the first layer
        x = x * 10.0 ** d.rng.integers(-3, 6, x.shape[1])
        first = layers.Normalization()
        first.adapt(x)
        return x, [first], _dense
    if d.chance(0.3):  # categories beside numbers
        kinds = np.eye(4)[d.rng.integers(0, 4, ROWS)]
        return np.concatenate([x, kinds], axis=1), [], _dense
    if d.chance(0.2):  # a bag of words
        return d.rng.poisson(d.rng.uniform(0, 1, 40), (ROWS, 40)), [], _dense
    return x, [], _dense


def _images(d):
    shape = (ROWS, d.integer(8, 14), d.integer(8, 14), d.of(1, 3))
    x = d.rng.integers(0, 256, shape)
    if d.chance(0.5):
        return x.astype(d.of("uint8", "float32")), [layers.Rescaling(1 / 255)], _convolutions
    x = (x / 255).astype("float32")
    return (x, [layers.Flatten()], _dense) if d.chance(0.3) else (x, [], _convolutions)


def _volumes(d):
    return d.rng.normal(size=(ROWS, 6, 6, 6, 1)).astype("float32"), [], _of_volumes


def _sequences(d):
    x = d.rng.normal(size=(ROWS, d.integer(5, 12), d.integer(1, 6))).cumsum(1) / 3
    if d.chance(0.3):
        for row, length in zip(x, d.rng.integers(2, x.shape[1] + 1, ROWS)):
            row[length:] = 0
        return x.astype("float32"), [layers.Masking()], _recurrent
    if d.chance(0.2):  # characters
        x = np.eye(7, dtype=bool)[d.rng.integers(0, 7, x.shape[:2])]
        return x, [], _of_sequences
    return x.astype("float32"), [], _of_sequences


def _tokens(d):
    ids, steps = d.integer(20, 200), d.integer(5, 15)
    x = d.rng.integers(1, ids, (ROWS, steps))
    padded = d.chance(0.5)
    if padded:
        for row, length in zip(x, d.rng.integers(2, steps + 1, ROWS)):
            row[length:] = 0
    masked = padded and d.chance(0.7)
    return x, [layers.Embedding(ids, d.integer(4, 16), mask_zero=masked)], (
        _recurrent if masked else _of_sequences
    )


def _words(d):
    ids = d.integer(20, 100)
    x = d.rng.integers(0, ids, (ROWS, 6))
    return x, [layers.CategoryEncoding(ids, output_mode=d.of("multi_hot", "count"))], _dense


# --- bodies


def _activation(d):
    return d.of("relu", "relu", "relu", "tanh", "gelu", "elu", "selu", "silu", "leaky_relu", "sigmoid")


def _dense(d):
    parts = []
    for _ in range(d.integer(0, 3)):
        activation = _activation(d)
        apart = d.chance(0.3)
        parts.append(layers.Dense(d.integer(8, 64), activation=None if apart else activation,
                                  kernel_regularizer=d.of(None, None, "l2")))  # fmt: skip
        if apart:
            parts.append(d.of(layers.BatchNormalization, layers.LayerNormalization)())
            parts.append(d.of(layers.Activation(activation), layers.ReLU(), layers.PReLU()))
        if d.chance(0.3):
            parts.append(layers.Dropout(d.of(0.1, 0.3, 0.5)))
    return parts


def _convolutions(d):
    parts = []
    for _ in range(d.integer(1, 2)):
        kind = d.of(layers.Conv2D, layers.Conv2D, layers.SeparableConv2D)
        parts.append(kind(d.integer(8, 24), 3, padding="same", activation=_activation(d)))
        if d.chance(0.4):
            parts.append(layers.BatchNormalization())
        if d.chance(0.7):
            parts.append(d.of(layers.MaxPooling2D, layers.AveragePooling2D)(2))
    if d.chance(0.3):
        parts.append(layers.SpatialDropout2D(0.2))
    return [*parts, d.of(layers.Flatten, layers.GlobalAveragePooling2D)(), *_dense(d)[:2]]


def _of_volumes(d):
    parts = [layers.Conv3D(8, 3, activation=_activation(d)), layers.MaxPooling3D(2)]
    return [*parts, layers.Flatten(), *_dense(d)[:1]]


def _of_sequences(d):
    if d.chance(0.6):
        return _recurrent(d)
    convolution = layers.Conv1D(d.integer(8, 24), 3, padding="causal", activation=_activation(d))
    parts = [convolution] if d.chance(0.7) else []
    return [*parts, d.of(layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D)(), *_dense(d)[:1]]


def _recurrent(d):
    """Layers that know which steps are padding."""
    kind = d.of(layers.LSTM, layers.GRU, layers.SimpleRNN)
    first = [kind(d.integer(6, 16), return_sequences=True, dropout=0.1)] if d.chance(0.4) else []
    if d.chance(0.2):
        steps = layers.Bidirectional(kind(d.integer(6, 16), return_sequences=True))
        dense = [layers.TimeDistributed(layers.Dense(8, activation="relu"))] if d.chance(0.5) else []
        return [*first, steps, *dense, layers.GlobalAveragePooling1D()]
    last = kind(d.integer(6, 24))
    return [*first, layers.Bidirectional(last) if d.chance(0.3) else last, *_dense(d)[:1]]


# --- outputs: (layers, loss, metrics, targets)


def _shaped(d, y):
    return y[:, None] if d.chance(0.4) else y


def _numbers(d):
    return d.of("mse", "mae", "huber", losses.Huber(2.0), "log_cosh"), ["mae", "root_mean_squared_error"]


def _number(d, score):
    scale, mean = d.of((1, 0), (1, 0), (10, 50), (0.1, -3))
    if d.chance(0.2):  # several numbers
        y = np.stack([scale * score + mean, -score], axis=1)
        return [layers.Dense(2)], *_numbers(d), y
    return [layers.Dense(1)], *_numbers(d), _shaped(d, scale * score + mean)


def _positive(d, score):
    loss, metrics = _numbers(d)
    last = layers.Dense(1, activation=d.of("relu", "softplus", "exponential"), bias_initializer="ones")
    loss = d.of(loss, "msle")
    return [last], loss, metrics, _shaped(d, np.exp(0.5 * score))


def _bounded(d, score):
    activation = d.of("sigmoid", "tanh")
    y = np.tanh(score) if activation == "tanh" else 1 / (1 + np.exp(-score))
    return [layers.Dense(1, activation=activation)], *_numbers(d), _shaped(d, y)


def _signs(d, score):
    activation = d.of("tanh", None)
    loss = d.of("hinge", "squared_hinge")
    return [layers.Dense(1, activation=activation)], loss, None, np.where(score > 0, 1, -1)


def _yes_no(d, score):
    y = _shaped(d, (score > d.of(0, 0, 1)).astype(d.of("int64", "float32", bool, "uint8")))
    if d.chance(0.3):
        loss = losses.BinaryCrossentropy(from_logits=True)
        return [layers.Dense(1)], loss, [pyseq.metrics.BinaryAccuracy(threshold=0.0)], y
    last = d.of([layers.Dense(1, activation="sigmoid")], [layers.Dense(1), layers.Activation("sigmoid")])
    loss = d.of("binary_crossentropy", "binary_crossentropy", "binary_focal_crossentropy", "mse",
                losses.BinaryCrossentropy(label_smoothing=0.1))  # fmt: skip
    return last, loss, d.of(["accuracy"], ["accuracy", "auc", "precision"]), y


def _labels(d, score):
    count = d.integer(2, 5)
    y = score[:, None] + d.rng.normal(size=(ROWS, count)) > 0
    last = layers.Dense(count, activation="sigmoid")
    return [last], "binary_crossentropy", ["binary_accuracy"], y.astype(d.of("int64", "float32", bool))


def _digits(score, count):
    """Classes 0 to count - 1 by rank, so that each is there."""
    return (np.argsort(np.argsort(score)) * count) // len(score)


def _softmax(d, count, name):
    """(last layers, loss)"""
    if d.chance(0.25):
        return [layers.Dense(count)], getattr(losses, name)(from_logits=True)
    last = d.of([layers.Dense(count, activation="softmax")], [layers.Dense(count), layers.Softmax()])
    return last, getattr(losses, name)()


def _classes(d, score):
    count = d.integer(2, 6)
    y = pyseq.utils.to_categorical(_digits(score, count), count)
    if d.chance(0.2):
        y = 0.9 * y + 0.1 / count
    last, loss = _softmax(d, count, "CategoricalCrossentropy")
    return last, loss, ["accuracy"], y


def _sparse(d, score):
    count = d.integer(2, 6)
    last, loss = _softmax(d, count, "SparseCategoricalCrossentropy")
    return last, loss, ["accuracy"], _shaped(d, _digits(score, count)).astype(d.of("int64", "float32"))


def _counts(d, score):
    y = d.rng.poisson(np.exp(0.5 * score))
    return [layers.Dense(1, activation="exponential")], "poisson", ["mae"], _shaped(d, y)


def _proportions(d, score):
    y = np.exp(score[:, None] * np.linspace(-1, 1, 4))
    last = layers.Dense(4, activation="softmax")
    return [last], d.of("kl_divergence", "categorical_crossentropy", "mse"), ["mae"], y / y.sum(1, keepdims=True)


# --- training


def _optimizer(d):
    return d.of(
        "adam", "sgd", "rmsprop", optimizers.Adam(d.of(1e-2, 1e-3, 1e-4)), optimizers.SGD(d.of(0.1, 0.01)),
        optimizers.SGD(0.05, momentum=0.9, nesterov=True), optimizers.AdamW(weight_decay=0.01),
        optimizers.Adadelta(1.0), optimizers.Adagrad(0.1), optimizers.Nadam(clipnorm=1.0),
        optimizers.Adam(optimizers.schedules.CosineDecay(0.01, 100)), optimizers.Lion(1e-4),
    )  # fmt: skip


def _fitted(d, y):
    """Arguments of `fit`; rows are in no order, so that the last fifth is like the others."""
    options = d.some(0.5, validation_split=0.2)
    if d.chance(0.15):
        options["sample_weight"] = d.rng.uniform(0.5, 2, ROWS)
    elif d.chance(0.15) and (y.ndim == 1 and y.dtype.kind in "iu" and y.min() == 0):
        options["class_weight"] = {k: 1.0 + k for k in range(int(y.max()) + 1)}
    return options
