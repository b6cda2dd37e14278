# Keras 1: an LSTM on padded texts
import numpy as np
from keras.layers import LSTM, Dense, Embedding
from keras.models import Sequential
from keras.preprocessing import sequence

x = sequence.pad_sequences([[1, 2, 3]] * 20, maxlen=8)
y = np.ones(20)
m = Sequential()
m.add(Embedding(50, 8, input_length=8, dropout=0.2))
m.add(LSTM(8, dropout_W=0.2, dropout_U=0.2))
m.add(Dense(1, activation="sigmoid"))
m.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
m.fit(x, y, batch_size=8, nb_epoch=1, verbose=0)
