"""What `bench` measures: three small models, their weights and made-up data, the same for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE = 0.001  # of Adam
BATCH = 32  # rows of a training step
MANY = 256  # rows of one prediction


@dataclass(frozen=True)
class Job:
    """A model as a tuple of layers that no library owns.

    The layers are `("dense", units, activation)`, `("conv", filters, size)` with relu and without
    padding, `("pool", size)`, `("flatten",)` and `("lstm", units)`; the last one is a softmax over
    classes. Images are channels-last.
    """

    name: str
    input_shape: tuple
    layers: tuple
    rows: int  # of one pass of training

    @property
    def classes(self):
        """Units of the last layer."""
        return self.layers[-1][1]

    def shapes(self):
        """Shapes of the weights, as Keras orders them."""
        shape, found = self.input_shape, []
        for kind, *args in self.layers:
            if kind == "dense":
                found += [(shape[-1], args[0]), (args[0],)]
                shape = (args[0],)
            elif kind == "conv":
                filters, size = args
                found += [(size, size, shape[-1], filters), (filters,)]
                shape = (shape[0] - size + 1, shape[1] - size + 1, filters)
            elif kind == "pool":
                shape = (shape[0] // args[0], shape[1] // args[0], shape[2])
            elif kind == "flatten":
                shape = (int(np.prod(shape)),)
            else:
                units = args[0]
                found += [(shape[-1], 4 * units), (units, 4 * units), (4 * units,)]
                shape = (units,)
        return found

    def weights(self):
        """Weights of about the size that training starts from.

        >>> sum(w.size for w in JOBS[0].weights())
        6922
        """
        rng = np.random.default_rng(1)
        return [
            (rng.normal(size=s) / np.sqrt(np.prod(s[:-1]) + 1)).astype("float32")
            for s in self.shapes()
        ]

    def data(self):
        """`x` of shape `(rows, ...)`, and labels of shape `(rows,)`."""
        rng = np.random.default_rng(2)
        x = rng.normal(size=(self.rows, *self.input_shape)).astype("float32")
        return x, rng.integers(0, self.classes, self.rows)

    def text(self):
        """The model in one line.

        >>> JOBS[0].text()
        '32 -> dense 64 -> dense 64 -> dense 10'
        """
        parts = ["x".join(map(str, self.input_shape))]
        for kind, *args in self.layers:
            size = f" {args[0]}" if args else ""
            parts.append(f"{kind}{size}" + (f" ({args[1]}x{args[1]})" if kind == "conv" else ""))
        return " -> ".join(parts)


JOBS = (
    Job(
        "dense net",
        (32,),
        (("dense", 64, "relu"), ("dense", 64, "relu"), ("dense", 10, "softmax")),
        rows=2048,
    ),
    Job(
        "CNN",
        (28, 28, 1),
        (
            ("conv", 16, 3),
            ("pool", 2),
            ("conv", 32, 3),
            ("pool", 2),
            ("flatten",),
            ("dense", 10, "softmax"),
        ),
        rows=512,
    ),
    Job("LSTM", (32, 8), (("lstm", 32), ("dense", 10, "softmax")), rows=512),
)
