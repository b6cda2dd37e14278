# Keras 2, 3: a dense autoencoder of two models
import numpy as np
from keras.layers import Dense, Input
from keras.models import Model

X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")


i = Input(shape=(784,))
e = Dense(32, activation="relu")(i)
o = Dense(784, activation="sigmoid")(e)
m = Model(i, o)
enc = Model(i, e)
m.compile(optimizer="adadelta", loss="binary_crossentropy")
x = X.reshape(60, 784)
m.fit(x, x, epochs=1, batch_size=16, shuffle=True, validation_data=(x, x), verbose=0)
enc.predict(x)
