# Keras 3: a layer that draws noise and adds a loss, with a seed generator
import keras
import numpy as np
from keras import layers, ops


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = ops.split(inputs, 2, axis=-1)
        self.add_loss(
            -0.5 * ops.mean(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var)) * 0.1
        )
        epsilon = keras.random.normal(shape=ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


x = np.random.default_rng(0).random((40, 16)).astype("float32")
model = keras.Sequential(
    [
        keras.Input((16,)),
        layers.Dense(12, activation="relu"),
        layers.Dense(4),
        Sampling(),
        layers.Dense(12, activation="relu"),
        layers.Dense(16, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy")
history = model.fit(x, x, epochs=3, batch_size=8, verbose=0)
drawn = model.predict(x, verbose=0)
assert (drawn != model.predict(x, verbose=0)).any()
