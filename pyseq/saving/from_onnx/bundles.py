"""Activations that are several nodes: recognized by what they compute."""

from __future__ import annotations

import math

import numpy as np

from pyseq import activations

_NAMES = (
    "gelu", "silu", "mish", "hard_silu", "squareplus", "log_sigmoid", "tanh_shrink", "sparse_plus",
    "softsign", "softplus", "relu6", "hard_tanh",
)
_AT = np.linspace(-7, 7, 141)
_MOST = 16  # nodes

_erf = np.vectorize(math.erf)
_FUNCTIONS = {
    "Abs": np.abs, "Add": np.add, "And": np.logical_and, "Div": np.divide, "Erf": _erf,
    "Exp": np.exp, "Greater": np.greater, "GreaterOrEqual": np.greater_equal,
    "Identity": lambda x: x, "Less": np.less, "LessOrEqual": np.less_equal, "Log": np.log,
    "Max": np.maximum, "Min": np.minimum, "Mul": np.multiply, "Neg": np.negative,
    "Pow": np.power, "Reciprocal": np.reciprocal, "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Softplus": lambda x: np.logaddexp(x, 0),
    "Sqrt": np.sqrt, "Sub": np.subtract, "Tanh": np.tanh, "Where": np.where,
}


def recognize(file, tensor):
    """`(activation, tensor behind it)` where a bundle begins at a tensor, else None."""
    values, waiting = {tensor: _AT}, list(file.readers.get(tensor, ()))
    for _ in range(_MOST):
        node = next((n for n in waiting if _arguments(file, n, values) is not None), None)
        if node is None:
            return None
        waiting.remove(node)
        with np.errstate(all="ignore"):
            try:
                y = _FUNCTIONS[node.op_type](*_arguments(file, node, values))
            except (TypeError, ValueError):
                return None
        values[node.output[0]] = np.asarray(y, float)
        if not waiting:  # what follows reads nothing else of the bundle
            name = _name(values[node.output[0]])
            if name is not None:
                return name, node.output[0]
        waiting += [n for n in file.readers.get(node.output[0], ()) if n not in waiting]
    return None


def _arguments(file, node, values):
    """Values of what a node reads, or None where one is not known or no number."""
    if node.op_type not in _FUNCTIONS or len(node.output) != 1:
        return None
    found = []
    for name in node.input:
        value = values.get(name)
        if value is None:
            value = file.constant(name)
            if value is None or np.size(value) != 1:
                return None
            value = np.asarray(value, "float64").reshape(())
        found.append(value)
    return found


def _name(values):
    if values.shape != _AT.shape:
        return None
    for name in _NAMES:
        wanted = np.asarray(activations.get(name)(_AT.astype("float32")), float)
        if np.allclose(values, wanted, rtol=1e-4, atol=1e-5):
            return name
    return None
