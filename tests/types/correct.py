"""Code that type checkers must take as it is: what users write. Never run by the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

import pyseq
from pyseq import callbacks, layers, losses, metrics, ops, optimizers, visualize
from pyseq.layers import Conv2D, Dense, Layer
from pyseq.models import Sequential
from pyseq.optimizers import Adam
from pyseq.utils import to_categorical

x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
y = to_categorical([0, 1] * 4, num_classes=2)


class Scale(Layer):
    """A layer with a weight of its own."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * self.scale * self.factor

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Pair(pyseq.Model):
    """A model of a class of its own."""

    def __init__(self) -> None:
        super().__init__(name="pair")
        self.first = Dense(4)
        self.last = Dense(2)

    def call(self, x: Any) -> Any:
        return self.last(self.first(x))


class Squares(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


class Watch(callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        print(epoch, (logs or {})["loss"], self.model.optimizer)


class Rows(metrics.Metric):
    def __init__(self, name: str = "rows", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.rows = self.add_variable((), initializer="zeros", name="rows")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.rows.assign_add(len(y_true))

    def result(self) -> Any:
        return self.rows.value


def penalty(w: Any) -> Any:
    return 0.01 * ops.sum(ops.abs(w))


def main() -> None:
    model = Sequential(name="model")
    model.add(pyseq.Input((4,)))
    model.add(Dense(8, "relu", kernel_regularizer=penalty, dtype="float32", trainable=True))
    model.add(layers.Dense(8, activation=pyseq.activations.tanh, name="second"))
    model.add(layers.Dense(8, activation=layers.LeakyReLU(0.1), kernel_regularizer="l2"))
    model.add(Scale(2.0, name="scale"))
    model.add(layers.Dense(2, input_shape=(8,), activation="softmax"))
    rate = optimizers.schedules.ExponentialDecay(0.1, 100, 0.9)
    model.compile(
        Adam(rate), loss=Squares(), metrics=["accuracy", Rows(), metrics.mean_squared_error]
    )
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse", metrics=None, weighted_metrics=[])
    model.compile(optimizer="adam", loss=lambda a, b: ops.mean((a - b) ** 2, axis=-1))
    stop = callbacks.EarlyStopping("loss", patience=2)
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[stop, Watch()], class_weight={0: 1.0})
    model.fit(((x, y) for _ in range(3)), steps_per_epoch=3, validation_data=(x, y), shuffle=False)
    best: float = min(history.history["loss"])
    loss, accuracy = model.evaluate(x, y, verbose=0)
    prediction = model.predict(x, batch_size=4).argmax(axis=1)
    print(best, loss, accuracy, prediction.shape, model.count_params(), model.input_shape)
    visualize.learning_curves({"one": history}, ["loss"]).savefig("curves.png")
    visualize.confusion_matrix(y, model.predict(x), ["no", "yes"], normalize="true")
    visualize.activations(model, model.layers[0], x[0], n=4)
    slopes = visualize.input_gradients(model, x[0], target=1)
    print(slopes.shape, callbacks.LivePlot("loss", filepath="training.png").figure)
    model.optimizer.learning_rate = 0.01
    model.get_layer("second").trainable = False
    model.layers[0].set_weights([w * 2 for w in model.layers[0].get_weights()])
    for weight in model.trainable_weights:
        print(weight.name, weight.shape, weight.numpy().mean(), weight + 1)
    model.save("model.keras")
    again = pyseq.saving.load_model("model.keras", custom_objects={"Scale": Scale})
    again.summary(print_fn=print)
    part = pyseq.Model(model.input, model.get_layer("second").output)
    print(part.predict(x), Pair()(x), model(x, training=True), pyseq.Variable(1.0) * 2)
    Conv2D(
        8,
        (3, 3),
        strides=2,
        padding="same",
        data_format="channels_last",
        kernel_initializer="he_normal",
    )
    layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum")
    layers.Embedding(
        10, 4, mask_zero=True, embeddings_initializer=pyseq.initializers.RandomNormal(stddev=1)
    )
    layers.RandomZoom((-0.1, 0.1), fill_mode="nearest", seed=1)
    attention = layers.MultiHeadAttention(2, 4)
    attention(x[None], x[None], attention_mask=None, return_attention_scores=True)
    pyseq.config.set_floatx("float32")
    pyseq.random.normal((2, 3), seed=pyseq.random.SeedGenerator(1))


if __name__ == "__main__":
    main()
