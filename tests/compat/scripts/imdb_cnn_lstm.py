# Keras 2, 3: words through convolutions, pooling and an LSTM
import numpy as np
from keras.layers import LSTM, Activation, Conv1D, Dense, Dropout, Embedding, MaxPooling1D
from keras.models import Sequential
from keras.preprocessing import sequence

max_features, maxlen = 100, 20
rng = np.random.default_rng(0)
x = sequence.pad_sequences([rng.integers(1, 100, n % 25 + 1) for n in range(40)], maxlen=maxlen)
y = np.arange(40) % 2
model = Sequential()
model.add(Embedding(max_features, 8))
model.add(Dropout(0.25))
model.add(Conv1D(8, 5, padding="valid", activation="relu", strides=1))
model.add(MaxPooling1D(pool_size=4))
model.add(LSTM(6))
model.add(Dense(1))
model.add(Activation("sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x, y, batch_size=10, epochs=2, validation_data=(x, y), verbose=0)
score, acc = model.evaluate(x, y, batch_size=10, verbose=0)
