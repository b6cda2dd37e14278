# Keras 2: two stateful LSTMs, trained epoch by epoch and reset in between
import numpy as np
from keras.layers import LSTM, Dense, Input
from keras.models import Sequential

batch_size, steps = 2, 4
x = np.random.default_rng(0).random((8, steps, 1)).astype("float32")
y = x.mean(axis=1)
model = Sequential()
model.add(Input(batch_shape=(batch_size, steps, 1)))
model.add(LSTM(5, stateful=True, return_sequences=True))
model.add(LSTM(5, stateful=True))
model.add(Dense(1))
model.compile(loss="mse", optimizer="adam")
for _ in range(3):
    history = model.fit(x, y, epochs=1, batch_size=batch_size, verbose=0, shuffle=False)
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_states() if hasattr(layer, "reset_states") else layer.reset_state()
first = model.predict(x[:2], batch_size=batch_size, verbose=0)
second = model.predict(x[:2], batch_size=batch_size, verbose=0)
assert np.abs(first - second).max() > 1e-6
