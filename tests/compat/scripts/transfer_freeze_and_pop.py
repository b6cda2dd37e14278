# Keras 2, 3: the head of a trained model taken off, the rest held, a new head trained
import numpy as np
from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential

rng = np.random.default_rng(0)
x = rng.random((40, 12, 12, 1)).astype("float32")
y = rng.integers(0, 10, 40)
low, high = y < 5, y >= 5
feature_layers = [
    Conv2D(4, 3, padding="valid", input_shape=(12, 12, 1)),
    Activation("relu"),
    Conv2D(4, 3),
    Activation("relu"),
    MaxPooling2D(pool_size=2),
    Dropout(0.25),
    Flatten(),
]
classification_layers = [Dense(16), Activation("relu"), Dense(5), Activation("softmax")]
model = Sequential(feature_layers + classification_layers)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
first = model.fit(x[low], y[low], batch_size=8, epochs=1, verbose=0)
for layer in feature_layers:
    layer.trainable = False
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
held = [layer.get_weights() for layer in feature_layers]
second = model.fit(x[high], y[high] - 5, batch_size=8, epochs=1, verbose=0)
for layer, before in zip(feature_layers, held):
    for a, b in zip(layer.get_weights(), before):
        np.testing.assert_array_equal(a, b)
model.pop()
model.pop()
model.add(Dense(3, activation="softmax", name="new_head"))
model.compile("adam", "sparse_categorical_crossentropy")
third = model.fit(x, y % 3, epochs=1, verbose=0)
assert model.get_layer("new_head").output.shape[-1] == 3
assert [layer.name for layer in model.layers].index("new_head") == 9
