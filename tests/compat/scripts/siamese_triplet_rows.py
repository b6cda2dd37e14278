# Keras 2, 3: one shared embedding network, called on pairs, with a contrastive check in NumPy
import numpy as np
from keras.layers import Dense, Dropout, Flatten, Input
from keras.models import Sequential

rng = np.random.default_rng(0)
digits = rng.random((20, 6, 6)).astype("float32")
classes = np.arange(20) % 4
network = Sequential(
    [Input(shape=(6, 6)), Flatten(), Dense(16, activation="relu"), Dropout(0.1), Dense(4)]
)
network.compile("rmsprop", "mse")
targets = np.eye(4)[classes]
history = network.fit(digits, targets, epochs=3, batch_size=5, verbose=0)
left, right = network.predict(digits[:10]), network.predict(digits[10:])
distance = np.sqrt(np.sum((left - right) ** 2, axis=1))
same = classes[:10] == classes[10:]
margin = np.mean(same * distance**2 + (1 - same) * np.maximum(1 - distance, 0) ** 2)
assert margin >= 0
