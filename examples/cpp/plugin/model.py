"""Trains the two networks of the plug-in.

    python model.py FOLDER

`gain.pyseq` says how loud a block of 64 samples is to be, `kind.pyseq` whether it is silence, a
tone or noise.
"""

import sys
from pathlib import Path

import numpy as np

import pyseq
from pyseq import layers

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(1)
count = 3000
kind = random.integers(0, 3, count)
phase = random.uniform(0, 2 * np.pi, (count, 1))
step = random.uniform(0.05, 0.8, (count, 1))
loud = random.uniform(0.2, 0.9, (count, 1))
tone = np.sin(phase + step * np.arange(64))
noise = random.uniform(-1, 1, (count, 64))
x = np.select([kind[:, None] == 0, kind[:, None] == 1], [0.005 * noise, loud * tone], loud * noise)
x = x.astype("float32")

pyseq.utils.set_random_seed(1)


def train(name, last, loss, y):
    model = pyseq.Sequential(
        [
            pyseq.Input((64,)),
            layers.Reshape((64, 1)),
            layers.Conv1D(16, 5, strides=2, activation="relu"),
            layers.Conv1D(16, 5, strides=2, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(16, activation="relu"),
            last,
        ]
    )
    model.compile(pyseq.optimizers.Adam(0.005), loss)
    model.fit(x, y, epochs=25, batch_size=64, verbose=0)
    print(f"{name}: loss {model.evaluate(x, y, verbose=0):.4f}")
    model.export(folder / name)


train(
    "gain.pyseq", layers.Dense(1, "sigmoid"), "binary_crossentropy", (kind == 1).astype("float32")
)
train("kind.pyseq", layers.Dense(3, "softmax"), "sparse_categorical_crossentropy", kind)
