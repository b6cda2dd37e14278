"""A training for `test_resuming`, as a script: `python resumed_training.py KIND FOLDER SEED [KILL]`.

Prints "ready" before `fit`, and a digest of weights, optimizer and logs behind it. With KILL it kills
itself as with `kill -9`, at that call of the functions that write a backup to disk.
"""

import hashlib
import json
import os
import signal
import sys

import numpy as np

import pyseq
from pyseq import layers

ROWS = 44  # the last batch of eight is half a one


class Noisy(layers.Layer):
    """Traced code of a user that draws."""

    def call(self, x, training=None):
        return x + pyseq.random.normal(pyseq.ops.shape(x), stddev=0.1) if training else x


class Batches(pyseq.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 8)

    def __getitem__(self, i):
        rows = slice(8 * i, 8 * i + 8)
        return self.x[rows] + np.float32(np.random.normal(0, 0.01)), self.y[rows]


class AtMost(pyseq.metrics.Mean):
    """A metric that runs in Python."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(np.max(np.abs(np.asarray(y_true) - np.asarray(y_pred))))


def recurrent():
    return [
        pyseq.Input((5, 3)),
        layers.GaussianNoise(0.1),
        layers.GRU(4, dropout=0.2, recurrent_dropout=0.1),
        layers.Dropout(0.3),
        Noisy(),
        layers.Dense(1),
    ]


def images():
    return [
        pyseq.Input((4, 4, 1)),
        layers.RandomFlip(),
        layers.RandomRotation(0.2),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(1),
    ]


def stateful():
    return [
        pyseq.Input(batch_shape=(4, 5, 3)),
        layers.LSTM(4, stateful=True),
        layers.Dropout(0.3),
        layers.Dense(1),
    ]


# layers, arguments of fit, batches or epochs between two backups
KINDS = {
    "epochs": (recurrent, {"shuffle": True}, "epoch"),
    "batches": (recurrent, {"shuffle": True}, 2),
    "every batch": (images, {"shuffle": "batch"}, 1),
    "images": (images, {"shuffle": True}, "epoch"),
    "steps": (recurrent, {"shuffle": True, "steps_per_epoch": 3}, 2),
    "steps by epoch": (images, {"shuffle": True, "steps_per_epoch": 3}, "epoch"),
    "dataset": (recurrent, {"shuffle": True}, 2),
    "dataset steps": (images, {"shuffle": True, "steps_per_epoch": 4}, "epoch"),
    "windows": (recurrent, {}, "epoch"),
    "windows of batches": (recurrent, {}, 2),
    "stateful": (stateful, {"shuffle": False, "batch_size": 4}, 3),
}
EPOCHS = 4


def train(kind, folder, backup=True, callbacks=(), verbose=0):
    """Train to the end; returns the digest."""
    make, arguments, save_freq = KINDS[kind]
    model = pyseq.Sequential(make())
    model.compile(
        pyseq.optimizers.Adam(0.01, use_ema=True), "mse", metrics=["mae", AtMost(name="most")]
    )
    if backup:
        callbacks = [
            *callbacks,
            pyseq.callbacks.BackupAndRestore(folder, save_freq=save_freq, double_checkpoint=True),
        ]
    rng = np.random.default_rng(3)
    rows = ROWS
    x = rng.normal(size=(rows, *model.input_shape[1:])).astype("float32")
    y = rng.normal(size=(rows, 1)).astype("float32")
    data = (x, y)
    if "dataset" in kind:
        data = (Batches(x, y),)
    elif "windows" in kind:
        windows = pyseq.utils.timeseries_dataset_from_array
        data = (windows(x[:, 0], y, 5, batch_size=8, shuffle=True, seed=1),)
    else:
        arguments = {"batch_size": 8, **arguments}
    rates = pyseq.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)
    history = model.fit(
        *data, epochs=EPOCHS, verbose=verbose, callbacks=[rates, *callbacks], **arguments
    )
    digest = hashlib.sha256()
    for value in (*model.get_weights(), *(v.numpy() for v in model.optimizer.variables)):
        digest.update(np.ascontiguousarray(value).tobytes())
    last = {k: v[-1] for k, v in history.history.items()} if history.epoch else {}
    return {"digest": digest.hexdigest(), "logs": last}


def kill_at(call):
    """Die at the given call of what makes a file last."""
    left = [call]

    def dying(function):
        def wrapped(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapped

    for name in ("fsync", "replace", "chmod", "remove"):
        setattr(os, name, dying(getattr(os, name)))


if __name__ == "__main__":
    kind, folder, seed = sys.argv[1:4]
    if seed != "none":
        pyseq.utils.set_random_seed(int(seed))
    if len(sys.argv) > 4:
        kill_at(int(sys.argv[4]))
    print("ready", flush=True)
    print(json.dumps(train(kind, folder)), flush=True)
