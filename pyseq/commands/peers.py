"""A library of `bench` in a process of its own: `python -m pyseq.commands.peers NAME THREADS`.

Answers the first line of standard output with what it has computed, and then each line of standard
input, the index of a job and the seconds for each figure, with what it has measured. All lines are
JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time

import numpy as np

from pyseq.commands import onnx_file
from pyseq.commands.jobs import BATCH, JOBS, MANY, RATE

_BLOCK = 0.005  # s; calls are timed in blocks at least this long, so that the clock costs nothing
_LONG = 0.1  # s; a call that is this long needs no other one before it
_BACKENDS = ("tensorflow", "torch", "jax")  # of Keras, in the order in which it prefers them


def best(call, seconds):
    """Seconds of one call: the best of blocks of calls, for about `seconds`.

    The first call only warms up, unless it is long enough to be a block of its own.

    >>> best(lambda: None, 0.001) < 0.001
    True
    """
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    found = []
    if once > _LONG:
        found.append(once)
    else:
        start = time.perf_counter()
        call()
        once = time.perf_counter() - start
    count = max(1, int(_BLOCK / max(once, 1e-7)))
    end = time.perf_counter() + seconds - sum(found)
    while not found or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            call()
        found.append((time.perf_counter() - start) / count)
    return min(found)


class KerasApi:
    """pyseq and Keras, by the same calls."""

    def __init__(self, module, threads):
        if module == "keras" and "KERAS_BACKEND" not in os.environ:
            there = [name for name in _BACKENDS if importlib.util.find_spec(name)]
            os.environ["KERAS_BACKEND"] = there[0] if there else _BACKENDS[0]
        self.api = importlib.import_module(module)
        if module == "pyseq":
            self.api.config.set_num_threads(threads)
            self.version = f"pyseq {self.api.__version__}"
            return
        backend = self.api.backend.backend()
        if backend == "torch":
            importlib.import_module("torch").set_num_threads(threads)
        self.version = f"keras {self.api.__version__} on {backend}"

    def build(self, job):
        layers = self.api.layers
        make = {
            "dense": layers.Dense,
            "conv": lambda filters, size: layers.Conv2D(filters, size, activation="relu"),
            "pool": layers.MaxPooling2D,
            "flatten": layers.Flatten,
            "lstm": layers.LSTM,
        }
        parts = [make[kind](*args) for kind, *args in job.layers]
        self.model = self.api.Sequential([self.api.Input(shape=job.input_shape), *parts])
        self.model.set_weights(job.weights())
        self.model.compile(
            self.api.optimizers.Adam(learning_rate=RATE), "sparse_categorical_crossentropy"
        )

    def prepare(self, x):
        return x

    def predict(self, x):
        return np.asarray(self.model.predict_on_batch(x))

    def fit(self, x, y):
        self.model.fit(x, y, batch_size=BATCH, epochs=1, verbose=0)


class PyTorch:
    """PyTorch as its users write it: data as tensors, a loop over shuffled batches."""

    def __init__(self, threads):
        self.torch = importlib.import_module("torch")
        self.torch.set_num_threads(threads)
        self.version = f"torch {self.torch.__version__}"
        self.last = False  # whether images are channels-last in memory

    def build(self, job):
        nn, weights = self.torch.nn, iter(job.weights())
        parts, size = [], job.input_shape[-1]

        def fill(parameter, value):
            parameter.data = self.torch.from_numpy(np.ascontiguousarray(value))

        for kind, *args in job.layers:
            if kind == "dense":
                kernel = next(weights)
                parts.append(nn.Linear(*kernel.shape))
                fill(parts[-1].weight, kernel.T)
                fill(parts[-1].bias, next(weights))
                parts += [nn.ReLU()] if args[1] == "relu" else []
            elif kind == "conv":
                parts.append(nn.Conv2d(size, *args))
                fill(parts[-1].weight, next(weights).transpose(3, 2, 0, 1))
                fill(parts[-1].bias, next(weights))
                parts.append(nn.ReLU())
                size = args[0]
            elif kind == "lstm":
                parts.append(nn.LSTM(size, args[0], batch_first=True))
                fill(parts[-1].weight_ih_l0, next(weights).T)
                fill(parts[-1].weight_hh_l0, next(weights).T)
                fill(parts[-1].bias_ih_l0, next(weights))
                fill(parts[-1].bias_hh_l0, np.zeros(4 * args[0], "float32"))
            else:
                parts.append(nn.MaxPool2d(args[0]) if kind == "pool" else nn.Flatten())
        self.net, self.images = nn.ModuleList(parts), len(job.input_shape) == 3
        self.optimizer = self.torch.optim.Adam(self.net.parameters(), lr=RATE, eps=1e-7, fused=True)
        self.cached = None

    def prepare(self, x):
        return x

    def logits(self, x):
        nn = self.torch.nn
        if self.images:
            x = x.permute(0, 3, 1, 2)  # a view; the layout in memory stays channels-last
            x = x if self.last else x.contiguous()
        for part in self.net:
            if isinstance(part, nn.LSTM):
                x = part(x)[1][0][0]
            elif isinstance(part, nn.Flatten):
                x = part(x.permute(0, 2, 3, 1))  # the order of the weights
            else:
                x = part(x)
        return x

    def predict(self, x):
        with self.torch.inference_mode():
            return self.logits(self.torch.from_numpy(x)).softmax(1).numpy()

    def fit(self, x, y):
        if self.cached is None:
            self.cached = self.torch.from_numpy(x), self.torch.from_numpy(y)
        x, y = self.cached
        total = 0.0
        for rows in self.torch.randperm(len(x)).split(BATCH):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.torch.nn.functional.cross_entropy(self.logits(x[rows]), y[rows])
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total)

    def choose(self, call):
        """Take the layout of images that is faster for a call."""
        if not self.images:
            return
        times = {}
        for self.last in (True, False):
            layout = self.torch.channels_last if self.last else self.torch.contiguous_format
            self.net.to(memory_format=layout)
            times[self.last] = best(call, 0)
        self.last = min(times, key=times.get)
        layout = self.torch.channels_last if self.last else self.torch.contiguous_format
        self.net.to(memory_format=layout)


class OnnxRuntime:
    """Runs models; it does not train them. Images are given in the layout that it likes best."""

    def __init__(self, threads):
        self.runtime = importlib.import_module("onnxruntime")
        self.version = f"onnxruntime {self.runtime.__version__}"
        self.options = self.runtime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1

    fit = None

    def build(self, job):
        self.session = self.runtime.InferenceSession(
            onnx_file.write(job), self.options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, x):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x

    def predict(self, x):
        return self.session.run(None, {"x": x})[0]


PEERS = {
    "pyseq": lambda threads: KerasApi("pyseq", threads),
    "keras": lambda threads: KerasApi("keras", threads),
    "torch": PyTorch,
    "onnxruntime": OnnxRuntime,
}


class Measured:
    """A peer with one job: its model and its data."""

    def __init__(self, make, threads, job):
        self.peer, self.job = make(threads), job
        self.peer.build(job)
        self.x, self.y = job.data()
        self.one, self.many = (self.peer.prepare(self.x[:n].copy()) for n in (1, MANY))

    def answers(self):
        """What the first rows give, and then everything once: nothing is timed cold."""
        answers = self.peer.predict(self.many)[:4].tolist()
        if hasattr(self.peer, "choose"):
            self.peer.choose(lambda: self.peer.fit(self.x, self.y))
        self.turn(0)
        return answers

    def turn(self, seconds):
        """One turn: `{figure: seconds of a call}`."""
        found = {}
        if self.peer.fit:
            found["train"] = best(lambda: self.peer.fit(self.x, self.y), seconds)
        found["predict"] = best(lambda: self.peer.predict(self.many), seconds)
        found["one"] = best(lambda: self.peer.predict(self.one), seconds)
        return found


def main(name, threads):
    """Answer until standard input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    # Libraries write to standard output; the answers need it to themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    measured = [Measured(PEERS[name], threads, job) for job in JOBS]
    first = {"version": measured[0].peer.version, "answers": [m.answers() for m in measured]}
    print(json.dumps(first), file=answers)
    for line in sys.stdin:
        index, seconds = json.loads(line)
        print(json.dumps(measured[index].turn(seconds)), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
