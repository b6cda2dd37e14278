# Keras 3: augmentation by layers inside the model
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.integers(0, 256, (24, 20, 20, 3)).astype("uint8")
y = rng.integers(0, 2, 24)
augmentation = keras.Sequential(
    [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.2),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomContrast(0.2),
    ],
    name="augmentation",
)
model = keras.Sequential(
    [
        keras.Input((20, 20, 3)),
        augmentation,
        layers.Rescaling(1.0 / 255),
        layers.SeparableConv2D(6, 3, activation="relu"),
        layers.SpatialDropout2D(0.1),
        layers.AveragePooling2D(2),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile("adam", "binary_crossentropy", metrics=["accuracy", "auc"])
history = model.fit(x, y, batch_size=8, epochs=2, verbose=0, class_weight={0: 1.0, 1: 2.0})
once, twice = model.predict(x, verbose=0), model.predict(x, verbose=0)
np.testing.assert_array_equal(once, twice)
