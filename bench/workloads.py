"""The models that every peer builds, trains and runs, and the made-up data they get.

A model is a tuple of layers in a form that no peer owns, for example `("dense", 64, "relu")`:

    ("dense", units, activation)             ("embedding", vocabulary, size)
    ("conv2d", filters, size, padding, activation)    ("conv1d", ...)
    ("conv2d", filters, size, "same", activation, strides)    ("depthwise2d", size, strides)
    ("conv1d", filters, size, "same", activation, 1, dilation)    ("conv3d", ...)
    ("lstm", units, return_sequences)        ("gru", ...)    ("bilstm", ...)
    ("maxpool1d", size)   ("maxpool2d", size)   ("maxpool3d", size)   ("avgpool2d", size)
    ("batchnorm",)   ("layernorm",)   ("relu",)   ("flatten",)   ("dropout", rate)
    ("mean1d",)   ("mean2d",)   ("mean3d",)   ("max1d",): over all positions

Activations are "relu", "tanh" and "gelu" (by the error function). Images and sequences are channels-last. The last dense layer has the activation of the loss:
sigmoid for "bce", softmax for "sparse_ce", any for "mse".
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    name: str
    input_shape: tuple
    layers: tuple
    loss: str
    batch: int
    samples: int  # rows of one epoch
    vocabulary: int = 0  # inputs are ids below this; 0 means real numbers

    @property
    def output_units(self):
        return self.layers[-1][1]


def _conv_block(filters):
    half = (("conv2d", filters, 3, "same", None), ("batchnorm",), ("relu",))
    return half + half + (("maxpool2d", 2),)


_ALL = (
    Workload(
        "mlp_small",
        (32,),
        (("dense", 64, "relu"), ("dense", 64, "relu"), ("dense", 1, "sigmoid")),
        "bce",
        batch=32,
        samples=32768,
    ),
    Workload(
        "mlp_mnist",
        (784,),
        (("dense", 512, "relu"), ("dense", 512, "relu"), ("dense", 10, "softmax")),
        "sparse_ce",
        batch=128,
        samples=12800,
    ),
    Workload(
        "cnn_mnist",
        (28, 28, 1),
        (
            ("conv2d", 32, 3, "valid", "relu"),
            ("maxpool2d", 2),
            ("conv2d", 64, 3, "valid", "relu"),
            ("maxpool2d", 2),
            ("flatten",),
            ("dropout", 0.5),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=128,
        samples=2560,
    ),
    Workload(
        "cnn_64",
        (64, 64, 3),
        (
            ("conv2d", 32, 3, "valid", "relu"),
            ("maxpool2d", 2),
            ("conv2d", 64, 3, "valid", "relu"),
            ("maxpool2d", 2),
            ("flatten",),
            ("dense", 128, "relu"),
            ("dense", 1, "sigmoid"),
        ),
        "bce",
        batch=32,
        samples=512,
    ),
    Workload(
        "vgg_cifar",
        (32, 32, 3),
        (
            *_conv_block(64),
            *_conv_block(128),
            *_conv_block(256),
            ("flatten",),
            ("dense", 256, "relu"),
            ("dropout", 0.5),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=64,
        samples=192,
    ),
    Workload(
        "lstm_imdb",
        (80,),
        (("embedding", 20000, 128), ("lstm", 128, False), ("dense", 1, "sigmoid")),
        "bce",
        batch=32,
        samples=1024,
        vocabulary=20000,
    ),
    Workload(
        "lstm_series",
        (50, 8),
        (("lstm", 64, True), ("lstm", 32, False), ("dense", 1, None)),
        "mse",
        batch=64,
        samples=3200,
    ),
    Workload(
        "conv1d_har",
        (128, 9),
        (
            ("conv1d", 64, 3, "valid", "relu"),
            ("conv1d", 64, 3, "valid", "relu"),
            ("dropout", 0.5),
            ("maxpool1d", 2),
            ("flatten",),
            ("dense", 100, "relu"),
            ("dense", 6, "softmax"),
        ),
        "sparse_ce",
        batch=32,
        samples=3200,
    ),
    Workload(
        "gru_text",
        (100,),
        (("embedding", 10000, 64), ("gru", 64, False), ("dense", 1, "sigmoid")),
        "bce",
        batch=32,
        samples=1600,
        vocabulary=10000,
    ),
    Workload(
        "bilstm",
        (100,),
        (
            ("embedding", 10000, 64),
            ("bilstm", 64, True),
            ("bilstm", 64, False),
            ("dense", 1, "sigmoid"),
        ),
        "bce",
        batch=32,
        samples=640,
        vocabulary=10000,
    ),
    Workload(
        "autoencoder",
        (784,),
        (
            ("dense", 128, "relu"),
            ("dense", 32, "relu"),
            ("dense", 128, "relu"),
            ("dense", 784, "sigmoid"),
        ),
        "mse",
        batch=256,
        samples=12800,
    ),
)


def _separable(filters, strides=1):
    depthwise = (("depthwise2d", 3, strides), ("batchnorm",), ("relu",))
    return depthwise + (("conv2d", filters, 1, "same", None), ("batchnorm",), ("relu",))


def _plain(filters, strides=1):
    return (("conv2d", filters, 3, "same", None, strides), ("batchnorm",), ("relu",))


# Measured with --more, or when named.
_MORE = (
    Workload(
        "mobilenet",
        (64, 64, 3),
        (
            ("conv2d", 32, 3, "same", None, 2),
            ("batchnorm",),
            ("relu",),
            *_separable(64),
            *_separable(128, 2),
            *_separable(128),
            *_separable(256, 2),
            *_separable(256),
            ("mean2d",),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=32,
        samples=256,
    ),
    Workload(
        "cnn_224",
        (224, 224, 3),
        (
            ("conv2d", 16, 3, "same", "relu"),
            ("maxpool2d", 2),
            ("conv2d", 32, 3, "same", "relu"),
            ("maxpool2d", 2),
            ("conv2d", 64, 3, "same", "relu"),
            ("maxpool2d", 2),
            ("flatten",),
            ("dense", 128, "relu"),
            ("dense", 5, "softmax"),
        ),
        "sparse_ce",
        batch=16,
        samples=64,
    ),
    Workload(
        "text_cnn",
        (400,),
        (
            ("embedding", 20000, 128),
            ("conv1d", 128, 5, "valid", "relu"),
            ("max1d",),
            ("dense", 64, "relu"),
            ("dense", 1, "sigmoid"),
        ),
        "bce",
        batch=32,
        samples=512,
        vocabulary=20000,
    ),
    Workload(
        "text_mean",
        (200,),
        (
            ("embedding", 50000, 100),
            ("mean1d",),
            ("dense", 16, "relu"),
            ("dense", 1, "sigmoid"),
        ),
        "bce",
        batch=32,
        samples=1024,
        vocabulary=50000,
    ),
    Workload(
        "wave",
        (4000, 1),
        (
            ("conv1d", 32, 9, "same", "relu"),
            ("maxpool1d", 4),
            ("conv1d", 64, 9, "same", "relu"),
            ("maxpool1d", 4),
            ("conv1d", 128, 5, "same", "relu"),
            ("mean1d",),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=16,
        samples=128,
    ),
    Workload(
        "lstm_chars",
        (40,),
        (("embedding", 60, 32), ("lstm", 512, False), ("dense", 60, "softmax")),
        "sparse_ce",
        batch=64,
        samples=256,
        vocabulary=60,
    ),
    Workload(
        "gru_deep",
        (60, 16),
        (
            ("gru", 96, True),
            ("dropout", 0.2),
            ("gru", 96, True),
            ("gru", 96, False),
            ("dense", 1, None),
        ),
        "mse",
        batch=16,
        samples=512,
    ),
    Workload(
        "mlp_wide",
        (256,),
        (("dense", 4096, "relu"), ("dense", 4096, "relu"), ("dense", 100, "softmax")),
        "sparse_ce",
        batch=64,
        samples=512,
    ),
    Workload(
        "mlp_deep",
        (20,),
        (*(("dense", 32, "relu"),) * 12, ("dense", 1, None)),
        "mse",
        batch=16,
        samples=4096,
    ),
    Workload(
        "mlp_norm",
        (64,),
        (
            ("dense", 256, None),
            ("batchnorm",),
            ("relu",),
            ("dropout", 0.3),
            ("dense", 128, None),
            ("batchnorm",),
            ("relu",),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=64,
        samples=6400,
    ),
    Workload(
        "lenet",
        (28, 28, 1),
        (
            ("conv2d", 6, 5, "same", "tanh"),
            ("avgpool2d", 2),
            ("conv2d", 16, 5, "valid", "tanh"),
            ("avgpool2d", 2),
            ("flatten",),
            ("dense", 120, "tanh"),
            ("dense", 84, "tanh"),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=128,
        samples=2560,
    ),
    Workload(
        "plain_20",
        (32, 32, 3),
        (
            *_plain(16) * 7,
            *_plain(32, 2),
            *_plain(32) * 5,
            *_plain(64, 2),
            *_plain(64) * 5,
            ("mean2d",),
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=64,
        samples=256,
    ),
    Workload(
        "video",
        (16, 32, 32, 3),
        (
            ("conv3d", 16, 3, "same", "relu"),
            ("maxpool3d", 2),
            ("conv3d", 32, 3, "same", "relu"),
            ("maxpool3d", 2),
            ("conv3d", 64, 3, "same", "relu"),
            ("mean3d",),
            ("dense", 6, "softmax"),
        ),
        "sparse_ce",
        batch=16,
        samples=64,
    ),
    Workload(
        "dilated",
        (1000, 8),
        (
            *(("conv1d", 32, 3, "same", "relu", 1, 2**k) for k in range(7)),
            ("mean1d",),
            ("dense", 5, "softmax"),
        ),
        "sparse_ce",
        batch=16,
        samples=256,
    ),
    Workload(
        "mlp_gelu",
        (128,),
        (
            *(("dense", 256, "gelu"), ("layernorm",)) * 3,
            ("dense", 10, "softmax"),
        ),
        "sparse_ce",
        batch=64,
        samples=6400,
    ),
    Workload(
        "lstm_long",
        (500, 4),
        (("lstm", 32, False), ("dense", 1, None)),
        "mse",
        batch=32,
        samples=512,
    ),
    Workload(
        "iris",
        (4,),
        (("dense", 10, "relu"), ("dense", 10, "relu"), ("dense", 3, "softmax")),
        "sparse_ce",
        batch=8,
        samples=2048,
    ),
)

USUAL = [workload.name for workload in _ALL]
MORE = [workload.name for workload in _MORE]
WORKLOADS = {workload.name: workload for workload in _ALL + _MORE}


def make_data(workload, rows=None):
    """Inputs `(rows, *input_shape)` and labels that can be learnt from them, float32 or ids."""
    rows = rows or workload.samples
    rng = np.random.default_rng(0)
    shape = (rows, *workload.input_shape)
    if workload.vocabulary:
        x = rng.integers(1, workload.vocabulary, shape, dtype=np.int32)
        if workload.loss == "sparse_ce":
            return x, x[:, 0]
        signal = (x < workload.vocabulary // 2).mean(axis=1) - 0.5
        return x, (signal > 0).astype(np.float32)[:, None]
    x = rng.standard_normal(shape, dtype=np.float32)
    flat = x.reshape(rows, -1)
    if workload.loss == "mse" and workload.output_units == flat.shape[1]:
        x = 1 / (1 + np.exp(-x))
        return x, x
    weights = rng.standard_normal((flat.shape[1], workload.output_units), dtype=np.float32)
    signal = flat @ weights
    if workload.loss == "sparse_ce":
        return x, signal.argmax(axis=1).astype(np.int32)
    if workload.loss == "bce":
        return x, (signal > 0).astype(np.float32)
    return x, np.tanh(signal / np.sqrt(flat.shape[1]))
