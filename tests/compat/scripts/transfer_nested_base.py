# Keras 3: a base model inside another, held first, then fine-tuned
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.random((24, 16, 16, 3)).astype("float32")
y = rng.integers(0, 2, 24)
base = keras.Sequential(
    [
        keras.Input((16, 16, 3)),
        layers.Conv2D(4, 3, strides=2, activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(8, 3, activation="relu", name="last_conv"),
    ],
    name="base",
)
base.trainable = False
model = keras.Sequential(
    [
        keras.Input((16, 16, 3)),
        base,
        layers.GlobalMaxPooling2D(),
        layers.Dropout(0.2),
        layers.Dense(1, activation="sigmoid"),
    ]
)
assert len(model.trainable_weights) == 2 and len(model.non_trainable_weights) == 8
model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
frozen = model.fit(x, y, epochs=2, verbose=0)
base.trainable = True
for layer in base.layers[:-1]:
    layer.trainable = False
model.compile(keras.optimizers.Adam(1e-5), "binary_crossentropy", metrics=["accuracy"])
tuned = model.fit(x, y, epochs=4, initial_epoch=2, verbose=0)
assert tuned.epoch == [2, 3]
features = base.predict(x, verbose=0)
