# Keras 2, 3: digits through two dense layers with dropout
import keras
import numpy as np
from keras.layers import Dense, Dropout
from keras.models import Sequential
from keras.optimizers import RMSprop

rng = np.random.default_rng(0)
x_train = rng.integers(0, 256, (120, 28, 28)).astype("uint8")
y_train = rng.integers(0, 10, 120)
x_train = x_train.reshape(-1, 784).astype("float32")
x_train /= 255
y_train = keras.utils.to_categorical(y_train, 10)

model = Sequential()
model.add(Dense(32, activation="relu", input_shape=(784,)))
model.add(Dropout(0.2))
model.add(Dense(32, activation="relu"))
model.add(Dropout(0.2))
model.add(Dense(10, activation="softmax"))
model.summary()
model.compile(loss="categorical_crossentropy", optimizer=RMSprop(), metrics=["accuracy"])
history = model.fit(
    x_train, y_train, batch_size=40, epochs=3, verbose=1, validation_data=(x_train, y_train)
)
score = model.evaluate(x_train, y_train, verbose=0)
assert len(score) == 2
wrong = np.argmax(model.predict(x_train), axis=1) != np.argmax(y_train, axis=1)
assert abs(wrong.mean() - (1 - score[1])) < 1e-6
