# Keras 2: a convolutional autoencoder and its encoder
import numpy as np
from keras.layers import Conv2D, MaxPooling2D, UpSampling2D
from keras.models import Model, Sequential, load_model

X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")


m = Sequential(
    [
        Conv2D(4, (3, 3), activation="relu", padding="same", input_shape=(28, 28, 1)),
        MaxPooling2D((2, 2), padding="same"),
        Conv2D(4, (3, 3), activation="relu", padding="same"),
        UpSampling2D((2, 2)),
        Conv2D(1, (3, 3), activation="sigmoid", padding="same"),
    ]
)
m.compile("adadelta", "binary_crossentropy")
m.fit(X, X, epochs=1, batch_size=30, verbose=0)
e = Model(m.input, m.layers[1].output)
e.predict(X, verbose=0)
m.save("a.hdf5")
load_model("a.hdf5")
