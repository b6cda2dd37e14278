"""Gradients of a layer through the program that ships, against central differences in float64."""

from __future__ import annotations

import os

import numpy as np

import pyseq
from pyseq import _core, layers

STEP = 1e-5


def available_levels():
    """Instruction sets of this machine, the float64 reference excepted."""
    forced = os.environ.get("PYSEQ_ISA")
    levels = [level for level in _core.available_isas() if level != "ref64"]
    return [forced] if forced else levels


def inputs_of(case, rows, rng):
    """Random input of `rows` rows for a case of the layer table."""
    shape = (rows, *case.shape)
    if isinstance(case.data, int):
        return rng.integers(0, case.data, shape).astype("float64")
    if case.data == "image":
        return rng.uniform(0, 255, shape)
    x = rng.normal(size=shape)
    if case.data == "positive":
        x = np.abs(x) + 0.1
    if case.mask:
        # Left and right padding, a hole, and at least one valid step in most rows.
        # The mean over no steps is NaN, in Keras too.
        shortest = int(case.spec.class_name == "GlobalAveragePooling1D")
        lengths = rng.integers(shortest, case.shape[0] + 1, rows)
        for row, length in enumerate(lengths):
            if row % 3 == 0:
                x[row, length:] = 0
            elif row % 3 == 1:
                x[row, : case.shape[0] - length] = 0
            else:
                x[row, case.shape[0] // 2] = 0
    return x


def model_of(case, dtype="float32", rows=None, learn_input=False, wrap=None):
    """A model of one layer (after Masking, where the case wants a mask), built in `dtype`.

    With `learn_input` the model looks its input up in an embedding table, row by row, so that the
    gradient of the table is the gradient of the layer's input.
    """
    pyseq.config.set_floatx(dtype)
    try:
        stack = []
        if learn_input:
            size = int(np.prod(case.shape, dtype=int))
            stack += [
                pyseq.Input(batch_shape=(case.batch_size, 1)),
                layers.Embedding(rows, size, name="input_table"),
                layers.Reshape(case.shape),
            ]
        else:
            stack.append(pyseq.Input(batch_shape=(case.batch_size, *case.shape)))
        if case.mask:
            stack.append(layers.Masking())
        layer = case.spec.build("pyseq")
        stack.append(layer if wrap is None else wrap(layer))
        return pyseq.Sequential(stack)
    finally:
        pyseq.config.set_floatx("float32")


def randomize(model, rng, scale=0.3):
    """Move all trained weights away from their regular starting values (zeros, ones)."""
    for variable in model.trainable_weights:
        variable.assign(variable.numpy() + scale * rng.normal(size=variable.shape))


def reset(model, weights):
    """Back to given weights and to the first random draw."""
    model.set_weights(weights)
    model.reset_states()
    model._random_step = 0


def loss_of(model, weights, x, y):
    """The training-mode loss at given weights."""
    reset(model, weights)
    return model.train_on_batch(x, y)


def gradients(model, x, y):
    """(loss, {index in model.weights: gradient}) of one training step."""
    weights = model.get_weights()
    loss = loss_of(model, weights, x, y)
    trained = {id(v) for v in model.trainable_weights}
    result = {
        i: before - variable.numpy()
        for i, (variable, before) in enumerate(zip(model.weights, weights))
        if id(variable) in trained
    }
    reset(model, weights)
    return loss, result


def check_gradients(model, x, y, rng, directions=2, tolerance=1e-6, free=None):
    """Compare all gradients of a float64 model, compiled with SGD(1.0), with central differences.

    For each weight a few random directions v are tried: <gradient, v> against
    (L(w + h v) - L(w - h v)) / 2h. `free` maps names of layers to 0/1 arrays: what may move of
    their weights.
    """
    free = free or {}
    weights = model.get_weights()
    _, grads = gradients(model, x, y)
    failures = []
    for index, gradient in grads.items():
        for _ in range(directions):
            v = rng.normal(size=gradient.shape)
            v *= free.get(model.weights[index].path.split("/")[-2], 1)
            v /= max(np.linalg.norm(v), 1e-300)
            losses = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[index] = moved[index] + sign * STEP * v
                losses.append(loss_of(model, moved, x, y))
            numeric = (losses[0] - losses[1]) / (2 * STEP)
            exact = float(np.sum(gradient * v))
            scale = max(1.0, abs(losses[0]), np.abs(gradient).max())
            if not abs(numeric - exact) <= tolerance * scale:
                failures.append(
                    f"{model.weights[index].path}: {exact:.9g} against {numeric:.9g} numerically"
                )
    reset(model, weights)
    assert not failures, "; ".join(failures)
