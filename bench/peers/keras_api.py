"""pyseq, and Keras on any backend: the same public interface, the same code."""

import importlib
import os
from importlib.metadata import PackageNotFoundError, version

LOSSES = {
    "bce": "binary_crossentropy",
    "sparse_ce": "sparse_categorical_crossentropy",
    "mse": "mse",
}


class KerasApi:
    trains = True

    def __init__(self, threads, module="keras", compile=None):
        self.threads, self.module = threads, module
        self.compile_options = compile or {}

    def load(self):
        if self.module == "keras" and os.environ["KERAS_BACKEND"] == "tensorflow":
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(self.threads)
            tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        self.api = importlib.import_module(self.module)
        if self.module == "pyseq":  # which imports its parts when they are used
            for part in ("Sequential", "layers", "optimizers", "losses", "metrics"):
                getattr(self.api, part)
        if self.module == "pyseq" and os.environ.get("BENCH_DEVICE", "cpu") != "cpu":
            self.api.config.set_float32_matmul_precision(os.environ["BENCH_PRECISION"])
        if self.module == "keras" and os.environ["KERAS_BACKEND"] == "torch":
            import torch

            torch.set_num_threads(self.threads)

    def build(self, workload):
        self.api.utils.set_random_seed(1)
        dtype = "int32" if workload.vocabulary else "float32"
        layers = [self.api.Input(shape=workload.input_shape, dtype=dtype)]
        layers += [self.layer(*spec) for spec in workload.layers]
        self.model = self.api.Sequential(layers)
        self.model.compile(
            optimizer=self.api.optimizers.Adam(learning_rate=0.001),
            loss=LOSSES[workload.loss],
            **self.compile_options,
        )
        self.batch = workload.batch

    def layer(self, kind, *args):
        api = self.api.layers
        if kind in ("conv1d", "conv2d", "conv3d"):
            filters, size, padding, activation, *steps = args
            strides, dilation = (*steps, 1, 1)[:2]
            return getattr(api, kind.capitalize().replace("d", "D"))(
                filters,
                size,
                strides,
                padding=padding,
                dilation_rate=dilation,
                activation=activation,
            )
        if kind in ("lstm", "gru"):
            layer = api.LSTM if kind == "lstm" else api.GRU
            return layer(args[0], return_sequences=args[1])
        if kind == "bilstm":
            return api.Bidirectional(api.LSTM(args[0], return_sequences=args[1]))
        make = {
            "dense": lambda: api.Dense(args[0], activation=args[1]),
            "embedding": lambda: api.Embedding(*args),
            "maxpool2d": lambda: api.MaxPooling2D(*args),
            "maxpool1d": lambda: api.MaxPooling1D(*args),
            "maxpool3d": lambda: api.MaxPooling3D(*args),
            "avgpool2d": lambda: api.AveragePooling2D(*args),
            "batchnorm": lambda: api.BatchNormalization(),
            "layernorm": lambda: api.LayerNormalization(),
            "depthwise2d": lambda: api.DepthwiseConv2D(args[0], args[1], padding="same"),
            "mean1d": lambda: api.GlobalAveragePooling1D(),
            "mean2d": lambda: api.GlobalAveragePooling2D(),
            "mean3d": lambda: api.GlobalAveragePooling3D(),
            "max1d": lambda: api.GlobalMaxPooling1D(),
            "relu": lambda: api.Activation("relu"),
            "flatten": lambda: api.Flatten(),
            "dropout": lambda: api.Dropout(*args),
        }
        return make[kind]()

    def set_batch(self, x, y):
        self.step_x, self.step_y = x, y

    def train_batch(self):
        return float(self.model.train_on_batch(self.step_x, self.step_y))

    def fit(self, x, y):
        history = self.model.fit(x, y, batch_size=self.batch, epochs=1, verbose=0)
        return history.history["loss"][0]

    def infer(self, x):
        return self.model.predict_on_batch(x)

    def predict(self, x):
        return self.model.predict(x, verbose=0)

    def export(self, path):
        """Writes a LiteRT file; only on TensorFlow."""
        import tensorflow as tf

        path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(self.model).convert())

    def versions(self):
        names = {"pyseq": ["pyseq-nn"]}.get(
            self.module, ["keras", os.environ.get("KERAS_BACKEND", "")]
        )
        return {name: _version(name) for name in names}


def _version(name):
    for distribution in (name, f"{name}-cpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "not installed as a distribution"
