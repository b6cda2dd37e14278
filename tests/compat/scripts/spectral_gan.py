# Keras 3: a discriminator with spectral normalization, judged by its own loop
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
real = rng.normal(2, 0.5, (32, 2)).astype("float32")
generator = keras.Sequential(
    [keras.Input((3,)), layers.Dense(8), layers.PReLU(), layers.Dense(2)], name="generator"
)
discriminator = keras.Sequential(
    [
        keras.Input((2,)),
        layers.SpectralNormalization(layers.Dense(8)),
        layers.LeakyReLU(negative_slope=0.2),
        layers.Dense(1),
    ],
    name="discriminator",
)
loss = keras.losses.BinaryCrossentropy(from_logits=True)
discriminator.compile(keras.optimizers.Adam(0.01, beta_1=0.5), loss, metrics=["accuracy"])
discriminator_history = []
for _ in range(2):
    fake = generator.predict(rng.normal(size=(16, 3)), verbose=0)
    both = np.concatenate([real[:16], fake])
    marks = np.concatenate([np.ones((16, 1)), np.zeros((16, 1))])
    discriminator_history.append(discriminator.train_on_batch(both, marks)[0])
discriminator.trainable = False
gan = keras.Sequential([generator, discriminator], name="gan")
gan.compile(keras.optimizers.Adam(0.01), loss)
g_loss = [float(gan.train_on_batch(rng.normal(size=(16, 3)), np.ones((16, 1)))) for _ in range(2)]
assert np.isfinite(g_loss + discriminator_history).all()
