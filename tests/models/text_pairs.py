"""Models that read text beside twins that get the ids of its tokens."""

import numpy as np

import pyseq
from pyseq import layers
from pyseq.utils import PyDataset

TEXTS = np.array(["a b", "b c", "", "b b a", "B, a!", "c"] * 5)
Y = np.linspace(-1, 1, 30).reshape(-1, 1)
# By hand: 0 is padding, 1 what the vocabulary ["a", "b"] lacks.
IDS = np.array([[2, 3], [3, 1], [0, 0], [3, 3], [3, 2], [1, 0]] * 5)


def vectorize(**more):
    more = {"output_sequence_length": 2, **more}
    return layers.TextVectorization(vocabulary=["a", "b"], **more)


def numeric():
    return [layers.Embedding(4, 3), layers.Flatten(), layers.Dense(1)]


def pair(front=None, declared=True, shape=(1,)):
    """A text model and one on numbers, with the same weights and states."""
    start = [pyseq.Input(shape, dtype="string")] if declared else []
    model = pyseq.Sequential([*start, *(front or [vectorize()]), *numeric()])
    twin = pyseq.Sequential([pyseq.Input((2,), dtype="int64"), *numeric()])
    if not declared:
        model.build((None, *shape))
    model.set_weights(twin.get_weights())
    for m in (model, twin):
        m.compile("adam", "mse", metrics=["mae"])
    return model, twin


class Batches(PyDataset):
    def __init__(self, x, **kwargs):
        super().__init__(**kwargs)
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, i):
        rows = slice(8 * i, 8 * i + 8)
        return self.x[rows], Y[rows]
