"""Where training stands: what `BackupAndRestore` saves beside the weights, down to the last bit."""

from __future__ import annotations

import base64
import contextlib
import warnings

import numpy as np

from pyseq import random
from pyseq.training.compilation import rated_optimizers

_DTYPES = ("bool", "int32", "int64", "uint32", "uint64", "float16", "float32", "float64")


class Progress:
    """What a model knows of its training that is neither weight nor optimizer state.

    Attributes:
        source: where the batches of the running `fit` come from; None outside of it.
        validation: what it validates on, as it was given.
        op_seeds: `{program: seeds of its random ops}`.
        given_seeds: the same of an interrupted training, for programs that are still to be lowered.
    """

    def __init__(self):
        self.source = self.validation = None
        self.op_seeds = {}
        self.given_seeds = {}

    def __getstate__(self):
        return {**self.__dict__, "source": None, "validation": None}

    @contextlib.contextmanager
    def seeds_of(self, key):
        """Note the seeds of the ops of one program while it is lowered."""
        name = repr(key)
        with random.noting_seeds(self.given_seeds.pop(name, ())) as seeds:
            yield
        self.op_seeds[name] = seeds


class Resuming:
    """The part of `Model` that says where training stands, and goes on from there."""

    def _keep_position(self):
        """Note from now on what `_training_state` needs; to be called before the first epoch."""
        if self._progress.source is not None:
            self._progress.source.keeps_position = True

    def _training_state(self, within_epoch):
        """Positions of data and of all random streams, as plain data.

        Args:
            within_epoch: whether the epoch goes on after this batch.
        """
        source = self._progress.source
        position = None if source is None else source.position(within_epoch)
        if position is not None and within_epoch:
            totals = source.totals
            position["totals"] = np.array(totals.values)
            position["metrics"] = [v.numpy() for v in _metric_variables(totals.program)]
            position["rates"] = [float(o.learning_rate) for o in self._set_rates()]
        return pack(
            {
                "streams": random.streams(),
                "generators": [g.state.numpy() for g in self._generators()],
                "random_step": self._random_step,
                "op_seeds": self._progress.op_seeds,
                "states": [v.numpy() for v in self._layer_states()],
                "position": position,
            }
        )

    def _restore_training_state(self, state):
        """Go back to a position that `_training_state` returned; an error changes nothing."""
        state = unpack(state)
        random_step = int(state["random_step"])
        op_seeds = {str(k): [int(seed) for seed in v] for k, v in state["op_seeds"].items()}
        generators, states = self._generators(), self._layer_states()
        for name, own, saved in (
            ("random generators", [g.state for g in generators], state["generators"]),
            ("states", states, state["states"]),
        ):
            if [v.shape for v in own] != [np.shape(v) for v in saved]:
                raise ValueError(
                    f"{self.name}: expected {len(own)} {name}, got {len(saved)}, or other shapes; "
                    "the backup belongs to another model"
                )
        random.set_streams(state["streams"])
        for generator, value in zip(generators, state["generators"], strict=True):
            generator.state.assign(value)
        for variable, value in zip(states, state["states"], strict=True):
            variable.assign(value)
        self._random_step = random_step
        progress = self._progress
        if any(progress.op_seeds.get(name) != seeds for name, seeds in op_seeds.items()):
            progress.given_seeds = op_seeds
            self._forget_programs()
        if progress.source is not None and state["position"] is not None:
            position = state["position"]
            if not progress.source.resume({**position, "streams": state["streams"]}):
                warnings.warn(
                    "BackupAndRestore: expected the data and batch size of the interrupted "
                    "training, got others; its epoch is trained again from the beginning",
                    stacklevel=2,
                )

    def _resume_epoch(self, position, program, totals):
        """Go on within an epoch, whose callbacks have just been told that it begins."""
        totals.resume(position["totals"], program)
        for variable, value in zip(_metric_variables(program), position["metrics"], strict=True):
            variable.assign(value)
        for optimizer, rate in zip(self._set_rates(), position["rates"], strict=True):
            optimizer.learning_rate = rate
        random.set_streams(position["streams"])

    def _set_rates(self):
        """The optimizers whose learning rate is a number."""
        return [o for o in rated_optimizers(self.optimizer) if not o.has_schedule]

    def _generators(self):
        """The generators of all layers, each once."""
        found = {}
        for layer in self._flatten():
            for value in vars(layer).values():
                for item in value if isinstance(value, (list, tuple)) else (value,):
                    if isinstance(item, random.SeedGenerator):
                        found[id(item)] = item
        return list(found.values())

    def _layer_states(self):
        """What stateful layers remember from batch to batch."""
        layers = [layer for layer in self._flatten() if getattr(layer, "stateful", False)]
        return [v for layer in layers for v in getattr(layer, "states", None) or ()]


def _metric_variables(program):
    return [v for _, metric, _ in program.python_metrics for v in metric.variables]


def pack(value):
    """Return nested dicts and lists with arrays in a form that JSON holds without loss.

    >>> unpack(pack({"a": np.float32([0.1])}))
    {'a': array([0.1], dtype=float32)}
    """
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": data, "dtype": value.dtype.name, "shape": list(value.shape)}
    return value


def unpack(value):
    """Return what `pack` was given, lists for tuples.

    Raises:
        ValueError: an array of another kind or size than it says.
    """
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {"array", "dtype", "shape"}:
        return {key: unpack(item) for key, item in value.items()}
    if value["dtype"] not in _DTYPES:
        raise ValueError(f"expected a dtype of {_DTYPES}, got {value['dtype']!r}")
    flat = np.frombuffer(base64.b64decode(value["array"], validate=True), value["dtype"])
    return flat.reshape(value["shape"]).copy()
