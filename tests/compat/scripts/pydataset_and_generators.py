# Keras 3: the same rows from arrays, a Python generator and a PyDataset
import math

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(30, 4)).astype("float32")
y = (x[:, :1] > 0).astype("float32")


class Rows(keras.utils.PyDataset):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.ended = 0

    def __len__(self):
        return math.ceil(len(x) / 8)

    def __getitem__(self, i):
        return x[i * 8 : i * 8 + 8], y[i * 8 : i * 8 + 8]

    def on_epoch_end(self):
        self.ended += 1


def endless():
    while True:
        for i in range(4):
            yield x[i * 8 : i * 8 + 8], y[i * 8 : i * 8 + 8]


rows = Rows(workers=2, use_multiprocessing=False)
model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu"), layers.Dense(1, "sigmoid")])
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
from_sequence = model.fit(rows, epochs=2, validation_data=rows, verbose=0, shuffle=False)
from_generator = model.fit(endless(), steps_per_epoch=4, epochs=2, verbose=0)
assert rows.ended >= 2
one = model.evaluate(x, y, batch_size=8, verbose=0)
two = model.evaluate(rows, verbose=0)
three = model.evaluate(endless(), steps=4, verbose=0)
np.testing.assert_allclose(one, two, rtol=1e-5)
np.testing.assert_allclose(one, three, rtol=1e-5)
predicted = model.predict(rows, verbose=0)
also = model.predict(((part,) for part, _ in (rows[i] for i in range(4))), steps=4, verbose=0)
np.testing.assert_allclose(predicted, also, atol=1e-6)
