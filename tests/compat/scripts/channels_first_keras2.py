# Keras 2: the whole backend set to channels first
import numpy as np
from keras import backend as K
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential

Y = np.random.default_rng(1).integers(0, 10, 60)
X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")


K.set_image_dim_ordering("th")

m = Sequential(
    [
        Conv2D(4, (5, 5), input_shape=(1, 28, 28), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        Flatten(),
        Dense(10, activation="softmax"),
    ]
)
m.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
m.fit(X.reshape(60, 1, 28, 28), np.eye(10)[Y], epochs=1, verbose=0)
K.set_image_dim_ordering("tf")
