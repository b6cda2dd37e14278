# Keras 2, 3: rare classes weighted by class_weight and by sample_weight, which agree
import numpy as np
from keras.callbacks import Callback
from keras.layers import Dense
from keras.models import Sequential

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 5)).astype("float32")
y = (rng.random(60) < 0.15).astype("int32")
counts = np.bincount(y)
class_weight = {i: len(y) / (2 * n) for i, n in enumerate(counts)}


class Losses(Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


first = Sequential([Dense(4, activation="tanh", input_shape=(5,)), Dense(1, "sigmoid")])
second = Sequential([Dense(4, activation="tanh", input_shape=(5,)), Dense(1, "sigmoid")])
second.set_weights(first.get_weights())
watched = []
for model, weights in [
    (first, {"class_weight": class_weight}),
    (second, {"sample_weight": np.array([class_weight[label] for label in y])}),
]:
    model.compile("sgd", "binary_crossentropy", metrics=["acc"], weighted_metrics=["mse"])
    watch = Losses()
    history = model.fit(
        x, y, batch_size=20, epochs=2, shuffle=False, callbacks=[watch], verbose=0, **weights
    )
    watched.append(watch.losses)
assert len(watched[0]) == 6
np.testing.assert_allclose(watched[0], watched[1], rtol=1e-4)
np.testing.assert_allclose(first.get_weights()[0], second.get_weights()[0], atol=1e-5)
