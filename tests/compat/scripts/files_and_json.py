# Keras 2, 3: an architecture as JSON, weights as HDF5, models as .h5 and .keras
import json

import numpy as np
from keras.layers import BatchNormalization, Dense
from keras.models import Sequential, load_model, model_from_json

x = np.random.default_rng(0).normal(size=(20, 8)).astype("float32")
y = (x[:, 0] > 0).astype("int32")
model = Sequential(name="diabetes")
model.add(Dense(12, input_dim=8, activation="relu", name="hidden"))
model.add(BatchNormalization(name="norm"))
model.add(Dense(1, activation="sigmoid", name="out"))
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x, y, epochs=2, batch_size=10, verbose=0)
model_json = model.to_json()
with open("model.json", "w") as json_file:
    json_file.write(model_json)
assert json.loads(model_json)["class_name"] == "Sequential"
model.save_weights("model.weights.h5")
with open("model.json") as json_file:
    loaded = model_from_json(json_file.read())
loaded.load_weights("model.weights.h5")
np.testing.assert_allclose(loaded.predict(x), model.predict(x), atol=1e-6)
for path in ("model.h5", "model.keras"):
    model.save(path)
    full = load_model(path)
    assert [layer.name for layer in full.layers] == ["hidden", "norm", "out"]
    np.testing.assert_allclose(full.predict(x), model.predict(x), atol=1e-6)
full.fit(x, y, epochs=1, verbose=0)
rebuilt = Sequential.from_config(model.get_config())
