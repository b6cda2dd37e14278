# Keras 2: the last layers taken off by `layers.pop` and parts of a model used again
import numpy as np
from keras.layers import Dense, Dropout
from keras.models import Sequential
from keras.utils.generic_utils import get_custom_objects

get_custom_objects().update({"cube": lambda x: x * x * x})
x = np.random.rand(12, 6)
model = Sequential()
model.add(Dense(5, activation="cube", input_shape=(6,)))
model.add(Dropout(0.1))
model.add(Dense(2, activation="softmax"))
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
assert model.metrics_names == ["loss", "accuracy"] or model.metrics_names[0] == "loss"
history = model.fit(x, np.eye(2)[np.arange(12) % 2], verbose=0)
extractor = Sequential(model.layers[:-1])
features = extractor.predict(x, verbose=0)
np.testing.assert_allclose(
    features, (x @ model.get_weights()[0] + model.get_weights()[1]) ** 3, rtol=1e-4, atol=1e-6
)
again = Sequential()
for layer in model.layers[:-1]:
    again.add(layer)
again.add(Dense(3, name="three"))
for layer in again.layers[:-1]:
    layer.trainable = False
again.compile("sgd", "mse")
second = again.fit(x, np.random.rand(12, 3), verbose=0)
classes = model.predict_classes(x)
assert classes.shape == (12,)
get_custom_objects().pop("cube")
