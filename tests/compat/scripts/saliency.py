# Keras 2, 3: what a prediction hangs on, by finite differences and by hiding patches
import numpy as np
from keras.layers import Conv2D, Dense, Flatten
from keras.models import Sequential

rng = np.random.default_rng(0)
model = Sequential([Conv2D(2, 3, activation="tanh", input_shape=(6, 6, 1)), Flatten(), Dense(1)])
image = rng.random((6, 6, 1)).astype("float32")
eps = 1e-2
moved = np.repeat(image[np.newaxis], 72, axis=0)
for i in range(36):
    moved[i].flat[i] += eps
    moved[36 + i].flat[i] -= eps
out = model.predict(moved, batch_size=36, verbose=0)
saliency = ((out[:36] - out[36:]) / (2 * eps)).reshape(6, 6)
assert np.abs(saliency).max() > 0
hidden = np.zeros((5, 5))
for r in range(5):
    for c in range(5):
        covered = image.copy()
        covered[r : r + 2, c : c + 2] = 0.5
        hidden[r, c] = float(np.asarray(model.predict_on_batch(covered[None]))[0, 0])
assert hidden.std() > 0
