# Keras 2, 3: a convolutional network for each frame, then an LSTM
import numpy as np
from keras.layers import LSTM, Conv2D, Dense, Flatten, MaxPooling2D, TimeDistributed
from keras.models import Sequential

cnn = Sequential()
cnn.add(Conv2D(3, (2, 2), activation="relu", padding="same", input_shape=(10, 10, 1)))
cnn.add(MaxPooling2D(pool_size=(2, 2)))
cnn.add(Flatten())
model = Sequential()
model.add(TimeDistributed(cnn, input_shape=(None, 10, 10, 1)))
model.add(LSTM(6))
model.add(Dense(1, activation="sigmoid"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["acc"])
rng = np.random.default_rng(0)
X, y = rng.random((8, 5, 10, 10, 1)), rng.integers(0, 2, (8, 1))
history = model.fit(X, y, batch_size=4, epochs=1, verbose=0)
yhat = model.predict(X[:, :3], verbose=0)
