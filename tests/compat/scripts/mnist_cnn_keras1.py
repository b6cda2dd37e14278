# Keras 1: a convolutional network on digits
import numpy as np
from keras.layers.convolutional import Convolution2D, MaxPooling2D
from keras.layers.core import Activation, Dense, Dropout, Flatten
from keras.models import Sequential
from keras.utils import np_utils

Y = np.random.default_rng(1).integers(0, 10, 60)
X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")


y = np_utils.to_categorical(Y, 10)
m = Sequential()
m.add(Convolution2D(8, 3, 3, border_mode="valid", input_shape=(28, 28, 1)))
m.add(Activation("relu"))
m.add(Convolution2D(8, 3, 3))
m.add(Activation("relu"))
m.add(MaxPooling2D(pool_size=(2, 2)))
m.add(Dropout(0.25))
m.add(Flatten())
m.add(Dense(16))
m.add(Activation("relu"))
m.add(Dropout(0.5))
m.add(Dense(10))
m.add(Activation("softmax"))
m.compile(loss="categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
m.fit(X, y, batch_size=32, nb_epoch=1, verbose=0, validation_data=(X, y))
sc = m.evaluate(X, y, verbose=0)
sc[0], sc[1]
m.predict_classes(X)
m.predict_proba(X)
