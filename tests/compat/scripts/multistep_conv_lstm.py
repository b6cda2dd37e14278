# Keras 2, 3: several steps ahead from several variables: Conv1D, GRU and a reshaped output
import numpy as np
from keras.layers import GRU, Conv1D, Dense, Dropout, Flatten, MaxPooling1D, Reshape
from keras.models import Sequential

rng = np.random.default_rng(0)
series = rng.normal(size=(60, 3)).cumsum(axis=0).astype("float32")
n_in, n_out = 8, 4
X = np.stack([series[i : i + n_in] for i in range(48)])
y = np.stack([series[i + n_in : i + n_in + n_out] for i in range(48)])
cnn = Sequential(
    [
        Conv1D(8, 2, activation="relu", padding="causal", input_shape=(n_in, 3)),
        MaxPooling1D(2),
        Flatten(),
        Dense(n_out * 3),
        Reshape((n_out, 3)),
    ]
)
gru = Sequential(
    [
        GRU(6, return_sequences=True, recurrent_dropout=0.1, input_shape=(n_in, 3)),
        Dropout(0.1),
        GRU(6, reset_after=False),
        Dense(n_out * 3),
        Reshape((n_out, -1)),
    ]
)
histories = []
for model in (cnn, gru):
    model.compile("rmsprop", "mae")
    fitted = model.fit(X, y, epochs=2, validation_split=0.25, verbose=0)
forecasts = gru.predict(X[-1:], verbose=0)
