# Keras 3: waves through strided 1D convolutions
import keras
import numpy as np
from keras import layers

t = np.arange(400) / 400
tones = np.array([4, 12, 31] * 8)
waves = np.sin(2 * np.pi * tones[:, None] * t)[..., None].astype("float32")
labels = np.array([0, 1, 2] * 8)
model = keras.Sequential(
    [
        keras.Input((400, 1)),
        layers.Conv1D(6, 16, strides=8, activation="relu"),
        layers.BatchNormalization(),
        layers.SeparableConv1D(8, 3, padding="same", activation="relu"),
        layers.AveragePooling1D(2),
        layers.SpatialDropout1D(0.1),
        layers.DepthwiseConv1D(3),
        layers.GlobalMaxPooling1D(),
        layers.Dense(3),
    ]
)
model.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(waves, labels, epochs=8, batch_size=6, verbose=0)
spectrum = np.abs(np.fft.rfft(waves[..., 0]))
assert (spectrum.argmax(axis=1) == tones).all()
assert history.history["loss"][-1] < history.history["loss"][0]
