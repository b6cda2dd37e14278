"""Small `.pyseq` files with every op of the core among them: what the fuzzers start from.

    python tests/fuzz/seeds.py FOLDER
"""

from __future__ import annotations

import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from layer_cases import CASES

import pyseq
from pyseq import _core, layers, ops


def _stack(case):
    front = [pyseq.Input(case.shape, batch_size=case.batch_size)]
    if case.mask:
        front.append(layers.Masking())
    layer = case.spec.build()
    return pyseq.Sequential([*front, layer])


def _lambda(function, *shape):
    return pyseq.Sequential([pyseq.Input(shape), layers.Lambda(function)])


def _traced():
    """Models of traced code."""
    yield "matmul", _lambda(lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))), 3, 4)
    yield "select", _lambda(lambda x: ops.where(x > 0, x, -0.5), 6)
    yield "reduce", _lambda(lambda x: ops.max(x, axis=1), 4, 5)
    yield "slice", _lambda(lambda x: x[:, 1:4:2, ::-1], 5, 3)
    yield "gather", _lambda(lambda x: ops.take(x, [2, 0, 1, 1], axis=1), 3, 4)
    yield "scan", _lambda(lambda x: ops.cumsum(x, axis=1), 4, 3)
    yield "concat", _lambda(lambda x: ops.concatenate([x, x * 2], axis=1), 4)
    yield "binary", _lambda(lambda x: ops.tanh(x) / (1 + ops.abs(x)), 4)
    yield "stack", _lambda(lambda x: ops.stack([x, x + 1], axis=1), 4)
    yield "argmax", _lambda(lambda x: ops.cast(ops.argmax(x, axis=-1), "float32"), 4)
    yield "cnn", pyseq.Sequential([
        pyseq.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization(),
        layers.ReLU(), layers.MaxPooling2D(), layers.SeparableConv2D(6, 3),
        layers.BatchNormalization(), layers.Flatten(), layers.Dense(3, "softmax"),
    ])
    yield "text", pyseq.Sequential([
        pyseq.Input((6,), dtype="int64"), layers.Embedding(9, 4, mask_zero=True),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.GRU(4),
        layers.Dense(2),
    ])


def _op(kind, attributes, inputs, shape, outputs, params=()):
    """A program of one op: how many inputs, all of one per-sample shape, shapes of outputs and
    variables; the first output is the program's. Inputs beyond the first are its copies."""
    slots = [list(shape)] * inputs + [list(s) for s in outputs]
    steps = [("activation", {"activation": "linear"}, [0], [i], []) for i in range(1, inputs)]
    results = list(range(inputs, len(slots)))
    steps.append((kind, attributes, list(range(inputs)), results, list(range(len(params)))))
    spec = {
        "dtype": "float32", "training": False, "slots": slots, "inputs": [0], "outputs": results[:1],
        "variables": [
            {"name": f"v{i}", "shape": list(s), "trainable": True} for i, s in enumerate(params)
        ],
        "ops": [
            {"kind": k, "name": k, "inputs": i, "outputs": o, "params": p, "attrs": a, "fold": 1}
            for k, a, i, o, p in steps
        ],
    }
    return spec, shape, params


def _programs():
    """Ops that no exported model holds: they matter while training, or were fused away."""
    noise = {"seed": 3, "training": 1}
    yield _op("dropout", {"rate": 0.5, **noise}, 1, (4,), [(4,)])
    yield _op("dropout", {"rate": 0.5, "noise": [1, 4], **noise}, 1, (3, 4), [(3, 4)])
    yield _op("gaussian_dropout", {"stddev": 0.5, **noise}, 1, (4,), [(4,)])
    yield _op("gaussian_noise", {"stddev": 0.5, **noise}, 1, (4,), [(4,)])
    yield _op("activity_regularizer", {"l1": 0.1, "l2": 0.1}, 1, (4,), [(4,)])
    yield _op("add_loss", {"scale": 0.5}, 1, (2, 3), [(2, 3)])
    yield _op("assign", {}, 1, (3,), [(3,)], [(3,)])
    power = {"power_iterations": 1, "training": 1}
    yield _op("spectral_norm", power, 1, (4,), [(4,)], [(3, 4), (1, 4)])
    yield _op("sparsemax", {"axis": -1}, 1, (4,), [(4,)])
    spec, shape, params = _op("cast", {"int64": 1}, 1, (4,), [(4,)])
    spec["slots"].append([4, 2])  # an int64 is two float32
    spec["dtypes"] = ["float32", "int64", "float32"]
    spec["outputs"] = [2]
    spec["ops"].append({**spec["ops"][0], "kind": "bits", "inputs": [1], "outputs": [2], "attrs": {}})
    yield spec, shape, params
    yield _op("nonzero", {}, 1, (4,), [(4,)])
    yield _op("rows", {}, 1, (4,), [()])
    yield _op("variable", {}, 1, (4,), [(2, 3)], [(2, 3)])
    yield _op("merge", {"mode": "mul"}, 2, (4,), [(4,)])
    yield _op("affine", {}, 1, (2, 4), [(2, 4)], [(4,)] * 3)
    yield _op("add_bias", {}, 1, (2, 4), [(2, 4)], [(4,)])
    batch = {"epsilon": 1e-3, "batch_statistics": 1, "training": 1}
    yield _op("batch_norm", batch, 1, (2, 4), [(2, 4)], [(4,)] * 4)
    yield _op("spectrogram", {"mode": "log"}, 2, (2, 4), [(2, 4)])
    yield _op("unstack_time", {}, 1, (3, 2), [(2,)] * 3)
    yield _op("stack_time", {}, 2, (4,), [(2, 4)])
    yield _op("reverse_time", {}, 1, (3, 2), [(3, 2)])
    yield _op("concat", {"axis": 0}, 2, (4,), [(8,)])
    yield _op("masking", {"mask_value": 0.0}, 1, (3, 2), [(3, 2), (3,)])
    yield _op("permute", {"dims": [1, 0]}, 1, (3, 2), [(2, 3)])
    yield _op("repeat_vector", {"n": 3}, 1, (2,), [(3, 2)])
    yield _op("crop", {"begin": [1], "end": [1]}, 1, (5,), [(3,)])
    yield _op("delay", {}, 1, (3, 2), [(5, 2)], [(3, 2, 2)])
    yield _op("gather", {"axis": 0}, 1, (5,), [(3,)], [(3,)])
    state = {"units": 2, "stateful": 1, "return_state": 1}
    yield _op("lstm", state, 1, (3, 2), [(2,)] * 3, [(2, 8), (2, 8), (8,), (3, 2), (3, 2)])


def _trained():
    """Compiled models, so that every optimizer and loss is in some file that training goes on from."""
    reg = pyseq.regularizers
    dense = pyseq.layers.Dense(
        3, kernel_constraint="max_norm", kernel_regularizer=reg.L1L2(), bias_constraint="non_neg"
    )
    stacks = {
        "dense": ((4,), [dense, pyseq.layers.Dropout(0.5)]),
        "orthogonal": ((3,), [pyseq.layers.Dense(3, kernel_regularizer=reg.OrthogonalRegularizer())]),
        "conv": (
            (5, 5, 2),
            [
                pyseq.layers.Conv2D(2, 3, activation="relu"),
                pyseq.layers.BatchNormalization(),
                pyseq.layers.GlobalMaxPooling2D(),
            ],
        ),
        "lstm": ((3, 2), [pyseq.layers.Masking(), pyseq.layers.LSTM(2, dropout=0.2)]),
        "ids": ((3,), [pyseq.layers.Embedding(5, 2), pyseq.layers.GRU(2)]),
    }
    optimizers = pyseq.optimizers
    kinds = [
        optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0),
        optimizers.Adam(amsgrad=True, use_ema=True, ema_overwrite_frequency=2),
        optimizers.RMSprop(momentum=0.1, centered=True, gradient_accumulation_steps=2),
        *("adafactor", "muon", "lamb", "ftrl", "lion", "nadam", "adadelta", "adagrad", "adamax"),
        optimizers.AdamW(global_clipnorm=1.0, clipvalue=None, loss_scale_factor=2.0),
        optimizers.ScheduleFreeAdamW(),
    ]
    losses = [
        "mse", "mae", "huber", "categorical_crossentropy", "sparse_categorical_crossentropy",
        "binary_crossentropy", "hinge", "kl_divergence", "poisson", "cosine_similarity", "dice",
        "binary_focal_crossentropy", "categorical_hinge", "log_cosh",
    ]  # fmt: skip
    for k, optimizer in enumerate(kinds):
        name = list(stacks)[k % len(stacks)]
        shape, layers = stacks[name]
        config = [pyseq.layers.deserialize(pyseq.layers.serialize(layer)) for layer in layers]
        last = pyseq.layers.Dense(2, activation="softmax")
        model = pyseq.Sequential([pyseq.Input(shape), *config, last])
        with pyseq.config.silence("PS1"):  # any loss goes
            model.compile(optimizer, losses[k % len(losses)], metrics=["accuracy"])
        yield f"training-{name}", model


def write(folder):
    """Write the files to `folder`; return the kinds of ops in them."""
    os.makedirs(folder, exist_ok=True)
    kinds, count = set(), 0

    def path(name):
        nonlocal count
        count += 1
        return os.path.join(folder, f"{count:03d}-{name}.pyseq")

    def note(file):
        kinds.update(line.split()[1] for line in _core.Model.load(file).dump().splitlines()[2:])

    for case in CASES:
        file = path(case.spec.class_name)
        try:
            _stack(case).export(file)
        except ValueError:
            continue  # runs in Python, or wants to be adapted
        note(file)
    for name, model in _traced():
        file = path(name)
        model.export(file)
        note(file)
    for name, model in _trained():
        model.export(path(name), training=True)
    for spec, shape, params in _programs():
        file = path(spec["ops"][-1]["kind"])
        variables = [_core.Variable(list(s), "float32") for s in params]
        _core.write_model(_core.Program(spec), variables, file, np.ones((3, *shape), "float32"))
        note(file)
    return kinds


if __name__ == "__main__":
    found = write(sys.argv[1])
    print(f"{len(os.listdir(sys.argv[1]))} files, {len(found)} kinds of ops")
