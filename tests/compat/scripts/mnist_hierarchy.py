# Keras 2, 3: rows, then columns, of an image through two LSTMs
import numpy as np
from keras.layers import LSTM, Dense, TimeDistributed
from keras.models import Sequential

x = np.random.default_rng(0).random((20, 8, 8, 1)).astype("float32")
y = np.arange(20) % 4
model = Sequential(
    [
        TimeDistributed(LSTM(6), input_shape=(8, 8, 1)),
        LSTM(5),
        Dense(4, activation="softmax"),
    ]
)
model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=5, epochs=2, verbose=0)
rows = model.layers[0].output
assert tuple(rows.shape) == (None, 8, 6)
