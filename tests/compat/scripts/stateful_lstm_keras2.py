# Keras 2: an LSTM that keeps its state
import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential

m = Sequential()
m.add(LSTM(4, batch_input_shape=(1, 1, 1), stateful=True))
m.add(Dense(1))
m.compile(loss="mean_squared_error", optimizer="adam")
for _i in range(2):
    m.fit(
        np.random.rand(6, 1, 1),
        np.random.rand(6, 1),
        epochs=1,
        batch_size=1,
        verbose=0,
        shuffle=False,
    )
    m.reset_states()
