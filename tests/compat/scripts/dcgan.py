# Keras 2, 3: images from noise by transposed convolutions, against a held discriminator
import numpy as np
from keras.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
)
from keras.models import Sequential
from keras.optimizers import Adam

rng = np.random.default_rng(0)
real = rng.uniform(-1, 1, (32, 8, 8, 1)).astype("float32")

discriminator = Sequential(
    [
        Conv2D(4, 3, strides=2, padding="same", input_shape=(8, 8, 1)),
        LeakyReLU(0.2),
        Dropout(0.3),
        Flatten(),
        Dense(1, activation="sigmoid"),
    ]
)
discriminator.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5), metrics=["accuracy"])
generator = Sequential()
generator.add(Dense(4 * 2 * 2, input_dim=6))
generator.add(Reshape((2, 2, 4)))
generator.add(BatchNormalization(momentum=0.8))
generator.add(Conv2DTranspose(4, 4, strides=2, padding="same", activation="relu"))
generator.add(Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"))

discriminator.trainable = False
gan = Sequential([generator, discriminator])
gan.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5))
held = [w.copy() for w in discriminator.get_weights()]
for _ in range(3):
    noise = rng.normal(0, 1, (8, 6))
    g_loss = gan.train_on_batch(noise, np.ones((8, 1)))
for before, after in zip(held, discriminator.get_weights()):
    np.testing.assert_array_equal(before, after)
discriminator.trainable = True
discriminator.compile(loss="binary_crossentropy", optimizer=Adam(0.002, 0.5), metrics=["accuracy"])
for _ in range(2):
    fake = generator.predict(rng.normal(0, 1, (8, 6)), verbose=0)
    batch = np.concatenate([real[:8], fake])
    d_loss, d_acc = discriminator.train_on_batch(batch, np.r_[np.ones(8), np.zeros(8)][:, None])
assert (held[0] != discriminator.get_weights()[0]).any()
