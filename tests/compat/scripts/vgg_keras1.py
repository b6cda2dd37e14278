# Keras 1: blocks of padding and convolution, channels first
import numpy as np
from keras.layers.convolutional import Convolution2D, MaxPooling2D, ZeroPadding2D
from keras.layers.core import Dense, Flatten
from keras.models import Sequential

m = Sequential()
m.add(ZeroPadding2D((1, 1), input_shape=(3, 32, 32), dim_ordering="th"))
m.add(Convolution2D(4, 3, 3, activation="relu", dim_ordering="th"))
m.add(MaxPooling2D((2, 2), strides=(2, 2), dim_ordering="th"))
m.add(Flatten())
m.add(Dense(10, activation="softmax"))
m.compile("sgd", "categorical_crossentropy")
m.predict(np.zeros((2, 3, 32, 32)), verbose=0)
