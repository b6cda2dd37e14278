# Keras 3: a layer, a loss, a metric, a regularizer and a constraint of one's own, saved by name
import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="mine")
class Antirectifier(layers.Layer):
    def __init__(self, initializer="he_normal", **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1] * 2, 8), initializer=self.initializer, name="kernel"
        )

    def call(self, inputs):
        inputs = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        pos = ops.relu(inputs)
        neg = ops.relu(-inputs)
        return ops.matmul(ops.concatenate([pos, neg], axis=-1), self.kernel)

    def get_config(self):
        config = super().get_config()
        config["initializer"] = keras.initializers.serialize(self.initializer)
        return config


@keras.saving.register_keras_serializable(package="mine")
class WeightedMSE(keras.losses.Loss):
    def __init__(self, weight=2.0, name="weighted_mse", **kwargs):
        super().__init__(name=name, **kwargs)
        self.weight = weight

    def call(self, y_true, y_pred):
        return self.weight * ops.mean(ops.square(y_true - y_pred), axis=-1)

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


@keras.saving.register_keras_serializable(package="mine")
class Bias(keras.metrics.Metric):
    def __init__(self, name="bias", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(ops.sum(y_pred - y_true))
        self.count.assign_add(ops.cast(ops.shape(y_true)[0], "float32"))

    def result(self):
        return self.total / self.count


x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
y = x[:, :1] - 1
model = keras.Sequential([keras.Input((4,)), Antirectifier(), layers.Dense(1)])
model.compile("adam", WeightedMSE(3.0), metrics=[Bias()])
history = model.fit(x, y, epochs=2, validation_split=0.25, verbose=0)
model.save("own.keras")
again = keras.saving.load_model("own.keras")
np.testing.assert_allclose(
    model.evaluate(x, y, verbose=0), again.evaluate(x, y, verbose=0), rtol=1e-4, atol=1e-6
)
