# Keras 2, 3: a sequence rebuilt from one vector by RepeatVector and TimeDistributed
import numpy as np
from keras.layers import LSTM, Dense, RepeatVector, TimeDistributed
from keras.models import Model, Sequential

sequence = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
n_in = len(sequence)
sequence = sequence.reshape((1, n_in, 1))
model = Sequential()
model.add(LSTM(10, activation="relu", input_shape=(n_in, 1)))
model.add(RepeatVector(n_in))
model.add(LSTM(10, activation="relu", return_sequences=True))
model.add(TimeDistributed(Dense(1)))
model.compile(optimizer="adam", loss="mse")
history = model.fit(sequence, sequence, epochs=5, verbose=0)
yhat = model.predict(sequence, verbose=0)
assert yhat[0, :, 0].shape == (9,)
encoder = Model(inputs=model.inputs, outputs=model.layers[0].output)
vector = encoder.predict(sequence, verbose=0)
