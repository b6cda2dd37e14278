# Keras 2: TimeseriesGenerator and an LSTM
import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential
from keras.preprocessing.sequence import TimeseriesGenerator

s_ = np.arange(40.0).reshape(-1, 1)
g = TimeseriesGenerator(s_, s_, length=4, batch_size=5)
m = Sequential()
m.add(LSTM(8, activation="relu", input_shape=(4, 1)))
m.add(Dense(1))
m.compile("adam", "mse")
m.fit_generator(g, steps_per_epoch=2, epochs=1, verbose=0)
m.predict(s_[:4].reshape(1, 4, 1))
