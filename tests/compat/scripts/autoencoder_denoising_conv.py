# Keras 3: noise taken out of images by strided and transposed convolutions
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
clean = rng.random((24, 16, 16, 1)).astype("float32")
noisy = np.clip(clean + 0.3 * rng.normal(size=clean.shape), 0, 1).astype("float32")
model = keras.Sequential(
    [
        layers.Input(shape=(16, 16, 1)),
        layers.GaussianNoise(0.05),
        layers.Conv2D(8, 3, activation="relu", padding="same", strides=2),
        layers.Conv2D(4, 3, activation="relu", padding="same", strides=2),
        layers.Conv2DTranspose(4, 3, strides=2, activation="relu", padding="same"),
        layers.Conv2DTranspose(8, 3, strides=2, activation="relu", padding="same"),
        layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same"),
    ]
)
model.compile(optimizer="adam", loss="binary_crossentropy")
history = model.fit(noisy, clean, epochs=2, batch_size=8, validation_data=(noisy, clean), verbose=0)
restored = model.predict(noisy, verbose=0)
