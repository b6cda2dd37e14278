# Keras 3: half precision with a float32 softmax, and the policy put back
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x, y = rng.random((16, 10)).astype("float32"), rng.integers(0, 3, 16)
keras.mixed_precision.set_global_policy("mixed_bfloat16")
try:
    model = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(8, activation="relu"),
            layers.Dense(3),
            layers.Activation("softmax", dtype="float32"),
        ]
    )
finally:
    keras.mixed_precision.set_global_policy("float32")
assert model.layers[0].dtype_policy.name == "mixed_bfloat16" and model.layers[0].dtype == "float32"
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, epochs=1, verbose=0)
out = model.predict(x, verbose=0)
assert out.dtype == "float32" and model.layers[-1].compute_dtype == "float32"
