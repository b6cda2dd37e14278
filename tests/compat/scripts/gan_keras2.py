# Keras 2, 3: a GAN with a discriminator that is held
import numpy as np
from keras.layers import BatchNormalization, Dense, Flatten, LeakyReLU, Reshape
from keras.models import Sequential
from keras.optimizers import Adam

X = np.random.default_rng(0).random((60, 28, 28, 1)).astype("float32")


d = Sequential(
    [
        Flatten(input_shape=(28, 28, 1)),
        Dense(16),
        LeakyReLU(alpha=0.2),
        Dense(1, activation="sigmoid"),
    ]
)
d.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5), metrics=["accuracy"])
g = Sequential(
    [
        Dense(16, input_dim=10),
        LeakyReLU(0.2),
        BatchNormalization(momentum=0.8),
        Dense(784, activation="tanh"),
        Reshape((28, 28, 1)),
    ]
)
d.trainable = False
c = Sequential([g, d])
c.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5))
for _ in range(2):
    z = np.random.normal(0, 1, (8, 10))
    f = g.predict(z, verbose=0)
    a = d.train_on_batch(X[:8], np.ones((8, 1)))
    b = d.train_on_batch(f, np.zeros((8, 1)))
    0.5 * np.add(a, b)
    c.train_on_batch(z, np.ones((8, 1)))
