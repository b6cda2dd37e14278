# Keras 3: digits through convolutions, with an Input layer and a batch of callbacks
import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)
rng = np.random.default_rng(0)
x = rng.random((64, 28, 28)).astype("float32")
x = np.expand_dims(x, -1)
y = rng.integers(0, 10, (64,))

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
        layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(16, kernel_size=(3, 3), activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ],
    name="digits",
)
model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(),
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
)
callbacks = [
    keras.callbacks.ModelCheckpoint(filepath="at_{epoch}.keras"),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=2),
]
history = model.fit(
    x, y, batch_size=16, epochs=2, validation_split=0.25, callbacks=callbacks, verbose=2
)
again = keras.saving.load_model("at_2.keras")
assert again.name == "digits"
probabilities = model.predict(x, verbose=0)
np.testing.assert_allclose(probabilities, again.predict(x, verbose=0), atol=1e-5)
