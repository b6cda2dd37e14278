# Keras 3: the spread of predictions with dropout left on
import keras
import numpy as np
from keras import layers

x = np.linspace(-2, 2, 40, dtype="float32")[:, None]
y = np.sin(x)
model = keras.Sequential(
    [
        keras.Input((1,)),
        layers.Dense(16, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(16, activation="relu"),
        layers.AlphaDropout(0.1),
        layers.GaussianDropout(0.1),
        layers.Dense(1),
    ]
)
model.compile("adam", "mse")
history = model.fit(x, y, epochs=2, verbose=0)
draws = np.stack([keras.ops.convert_to_numpy(model(x, training=True)) for _ in range(5)])
mean, spread = draws.mean(axis=0), draws.std(axis=0)
assert spread.max() > 0
one, two = (keras.ops.convert_to_numpy(model(x, training=False)) for _ in range(2))
np.testing.assert_array_equal(one, two)


class MCDropout(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


always = keras.Sequential([keras.Input((1,)), layers.Dense(8), MCDropout(0.5), layers.Dense(1)])
assert (always.predict(x, verbose=0) != always.predict(x, verbose=0)).any()
