"""Trains on handwritten digits; writes the model and ten pictures that it has not seen.

    python model.py FOLDER

FOLDER then holds `digits.pyseq` and, for each digit, a picture such as `7_0.pgm`, four times as
large as what the model takes.
"""

import sys
from pathlib import Path

import numpy as np

import pyseq
from pyseq import layers
from pyseq.datasets import digits

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
(x_train, y_train), (x_test, y_test) = digits.load_data()
largest = x_train.max()
x_train, x_test = (x.reshape(-1, 8, 8, 1).astype("float32") / largest for x in (x_train, x_test))

pyseq.utils.set_random_seed(1)
model = pyseq.Sequential(
    [
        pyseq.Input((8, 8, 1)),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=15, verbose=0)
found = model.predict(x_test, verbose=0).argmax(axis=1)
print(f"{(found == y_test).mean():.1%} of {len(y_test)} pictures right")

model.export(folder / "digits.pyseq")
for digit in range(10):
    # One that the model reads rightly: the test asks whether C++ says the same.
    i = np.flatnonzero((y_test == digit) & (found == digit))[0]
    picture = np.kron(x_test[i, :, :, 0], np.ones((4, 4)))
    with open(folder / f"{digit}_0.pgm", "wb") as file:
        file.write(b"P5\n# a digit\n32 32\n255\n")
        file.write(np.rint(picture * 255).astype(np.uint8).tobytes())
