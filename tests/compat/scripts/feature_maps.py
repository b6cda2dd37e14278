# Keras 3: feature maps and class activation maps by models of parts of a model
import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
img = rng.random((1, 14, 14, 3)).astype("float32")
model = keras.Sequential(
    [
        keras.Input((14, 14, 3)),
        layers.Conv2D(4, 3, activation="relu", name="first"),
        layers.MaxPooling2D(2),
        layers.Conv2D(6, 3, activation="relu", name="last"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax", name="classes"),
    ]
)
extractor = keras.Model(
    inputs=model.inputs,
    outputs=[layer.output for layer in model.layers if "pool" not in layer.name],
)
first, last, scores = extractor.predict(img, verbose=0)
kernel = model.get_layer("classes").get_weights()[0]
heatmap = np.maximum(last[0] @ kernel[:, scores[0].argmax()], 0)
heatmap /= heatmap.max() + 1e-9
filters, biases = model.get_layer("first").get_weights()
np.testing.assert_allclose(scores, model.predict(img, verbose=0), atol=1e-6)
