# Keras 3: cells stacked in one RNN, a Bidirectional of two kinds, masks and states
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(12, 7, 3)).astype("float32")
x[:6, 4:] = -10.0
y = rng.normal(size=(12, 2)).astype("float32")
model = keras.Sequential(
    [
        keras.Input((7, 3)),
        layers.Masking(mask_value=-10.0),
        layers.Bidirectional(
            layers.LSTM(4, return_sequences=True),
            backward_layer=layers.GRU(4, return_sequences=True, go_backwards=True),
            merge_mode="ave",
        ),
        layers.RNN([layers.LSTMCell(5), layers.GRUCell(4)], return_sequences=True),
        layers.RNN(layers.SimpleRNNCell(3, dropout=0.1)),
        layers.Dense(2),
    ]
)
model.compile("rmsprop", "cosine_similarity", metrics=["mse"])
history = model.fit(x, y, batch_size=4, epochs=2, verbose=0)
changed = x.copy()
short = model.predict(x, verbose=0)
