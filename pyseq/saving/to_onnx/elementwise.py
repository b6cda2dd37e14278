"""Ops that take numbers one by one: activations, arithmetic, comparisons, dtypes."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving import activations

# Activations that one node computes: `(operator, attributes)`.
_ONE_NODE = {
    "linear": ("Identity", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "exponential": ("Exp", {}),
    "softsign": ("Softsign", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "mish": ("Mish", {}),
    "softplus": ("Softplus", {}),
}
# exp(x) - 1 and log(1 + x) have no operator.
_UNARY = {
    "negative": "Neg", "abs": "Abs", "sign": "Sign", "sqrt": "Sqrt", "reciprocal": "Reciprocal",
    "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin",
    "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "arcsinh": "Asinh",
    "arccosh": "Acosh", "arctanh": "Atanh", "erf": "Erf", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "stop_gradient": "Identity",
}
_BINARY = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "maximum": "Max", "minimum": "Min",
}
_COMPARISONS = {
    "equal": "Equal", "less": "Less", "less_equal": "LessOrEqual", "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}
_LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


def activate(b, x, name, arguments=None):
    """An activation by its name and the numbers that the core's ops take with it."""
    name, values = activations.completed(name, arguments)
    if name in _ONE_NODE:
        kind, attributes = _ONE_NODE[name]
        return x if kind == "Identity" else b.through(kind, x, **attributes)
    return _ACTIVATIONS[name](b, x, *values)


def _relu(b, x, slope, limit, threshold):
    if not slope and not threshold:
        y = b.through("Relu", x)
        return y if math.isinf(limit) else b.number("Min", y, limit)
    if not threshold and math.isinf(limit):
        return b.through("LeakyRelu", x, alpha=slope)
    above = x if math.isinf(limit) else b.number("Min", x, limit)
    below = 0.0 if not slope else b.number("Mul", b.number("Sub", x, threshold), slope)
    return b.where(b.number("LessOrEqual", x, threshold), below, above)


def _gelu(b, x, approximate):
    if approximate:
        cubic = b.number("Mul", b.through("Mul", b.through("Mul", x, x), x), 0.044715)
        inner = b.number("Mul", b.through("Add", x, cubic), 0.79788456080286536)
        part = b.through("Tanh", inner)
    else:
        part = b.through("Erf", b.number("Mul", x, math.sqrt(0.5)))
    return b.through("Mul", b.number("Mul", x, 0.5), b.number("Add", part, 1.0))


def _silu(b, x):
    return b.through("Mul", x, b.through("Sigmoid", x))


def _shrink(b, x, bias, threshold):
    # x where |x| > threshold, moved towards 0 by `bias`.
    return b.through("Shrink", x, lambd=threshold, bias=bias)


def _squareplus(b, x, number):
    s = b.through("Sqrt", b.number("Add", b.through("Mul", x, x), number))
    # The conjugate below 0, where x + s cancels.
    below = b.number("Div", b.through("Sub", s, x), number, swap=True)
    y = b.where(b.number("Less", x, 0.0), below, b.through("Add", x, s))
    return b.number("Mul", y, 0.5)


def _log_sigmoid(b, x):
    return b.through("Neg", b.through("Softplus", b.through("Neg", x)))


def _sparse_plus(b, x):
    t = b.number("Add", x, 1.0)
    middle = b.number("Mul", b.through("Mul", t, t), 0.25)
    y = b.where(b.number("GreaterOrEqual", x, 1.0), x, middle)
    return b.where(b.number("LessOrEqual", x, -1.0), 0.0, y)


_ACTIVATIONS = {
    "relu": _relu,
    "relu6": _relu,
    "leaky_relu": lambda b, x, slope: b.through("LeakyRelu", x, alpha=slope),
    "elu": lambda b, x, alpha: b.through("Elu", x, alpha=alpha),
    "celu": lambda b, x, alpha: b.through("Celu", x, alpha=alpha),
    "gelu": _gelu,
    "silu": _silu,
    "hard_tanh": lambda b, x: b.number("Max", b.number("Min", x, 1.0), -1.0),
    "hard_shrink": lambda b, x, at: _shrink(b, x, 0.0, at),
    "soft_shrink": lambda b, x, at: _shrink(b, x, at, at),
    "tanh_shrink": lambda b, x: b.through("Sub", x, b.through("Tanh", x)),
    "squareplus": _squareplus,
    "log_sigmoid": _log_sigmoid,
    "sparse_plus": _sparse_plus,
    "threshold": lambda b, x, at, other: b.where(b.number("Greater", x, at), x, other),
}


def activation(b, op):
    name = op.attrs.get("activation", "linear")
    return activate(b, op.x[0], name, op.attrs.get("activation_args"))


def finish(b, op, y, prefix=""):
    """`y` through the activation that the op ends in."""
    name = op.attrs.get(f"{prefix}activation", "linear")
    return activate(b, y, name, op.attrs.get(f"{prefix}activation_args"))


def map_(b, op):
    name, x = op.attrs["function"], op.x[0]
    if name in _UNARY:
        return b.through(_UNARY[name], x)
    if name not in _FUNCTIONS:
        op.refuse(f"of the function {name!r}", "compute it outside of the model")
    return _FUNCTIONS[name](b, x)


def _infinite(b, x):
    return b.through("IsInf", x)


def _finite(b, x):
    either = b.through("Or", b.through("IsInf", x), b.through("IsNaN", x))
    return b.flags(b.through("Not", either))


_FUNCTIONS = {
    "square": lambda b, x: b.through("Mul", x, x),
    "rsqrt": lambda b, x: b.through("Reciprocal", b.through("Sqrt", x)),
    "expm1": lambda b, x: b.number("Sub", b.through("Exp", x), 1.0),
    "log1p": lambda b, x: b.through("Log", b.number("Add", x, 1.0)),
    "log2": lambda b, x: b.number("Mul", b.through("Log", x), 1 / math.log(2)),
    "log10": lambda b, x: b.number("Mul", b.through("Log", x), 1 / math.log(10)),
    "trunc": lambda b, x: b.through("Mul", b.through("Sign", x),
                                    b.through("Floor", b.through("Abs", x))),
    "isnan": lambda b, x: b.flags(b.through("IsNaN", x)),
    "isinf": lambda b, x: b.flags(_infinite(b, x)),
    "isfinite": _finite,
    "logical_not": lambda b, x: b.flags(b.number("Equal", x, 0.0)),
}


def arctan2(b, y, x):
    """The angle of the point (x, y); zeros count with their signs."""
    quotient = b.through("Atan", b.through("Div", y, x))
    zero_y, zero_x = b.number("Equal", y, 0.0), b.number("Equal", x, 0.0)
    # 1 / -0 is below 0, and so is -0 for the angle.
    below = b.number("Less", b.where(zero_y, b.through("Reciprocal", y), y), 0.0)
    left = b.number("Less", b.where(zero_x, b.through("Reciprocal", x), x), 0.0)
    half = b.where(below, -math.pi, math.pi)
    turned = b.where(left, b.through("Add", quotient, half), quotient)
    up = b.number("Mul", half, 0.5)
    # On the axes the quotient is no number, or has lost its sign.
    flat = b.where(left, half, b.number("Mul", y, 1.0))
    return b.where(zero_y, flat, b.where(zero_x, up, turned))


def _modulo(b, x, y):
    """The remainder with the sign of the divisor, as Python has it."""
    r = b.through("Mod", x, y, fmod=1)
    signs = b.through("Xor", b.number("Less", r, 0.0), b.number("Less", y, 0.0))
    wrong = b.through("And", b.through("Not", b.number("Equal", r, 0.0)), signs)
    return b.where(wrong, b.through("Add", r, y), r)


def _floor_divide(b, x, y):
    # From the remainder, so that the quotient's rounding cannot miss a whole number.
    exact = b.through("Div", b.through("Sub", x, _modulo(b, x, y)), y)
    return b.where(b.number("Equal", y, 0.0), b.through("Div", x, y), b.through("Round", exact))


def binary(b, op):
    rank = len(op.y_shapes[0])
    x = b.aligned(op.x[0], rank)
    if len(op.x) == 2:
        y = b.aligned(op.x[1], rank)
    elif op.weights:
        y = b.weight(op.weights[0])
    else:
        y = b.constant(op.attrs["number"])
    if op.attrs.get("swap"):
        x, y = y, x
    name = op.attrs["function"]
    if name in _BINARY:
        return b.through(_BINARY[name], x, y)
    if name in _COMPARISONS:
        return b.flags(b.through(_COMPARISONS[name], x, y))
    if name == "not_equal":
        return b.flags(b.through("Not", b.through("Equal", x, y)))
    if name in _LOGIC:
        return b.flags(b.through(_LOGIC[name], b.cast(x, "bool"), b.cast(y, "bool")))
    functions = {"mod": _modulo, "floor_divide": _floor_divide, "arctan2": arctan2}
    return functions[name](b, x, y)


def select(b, op):
    rank = len(op.y_shapes[0])
    tensors = [b.aligned(x, rank) for x in op.x]
    condition, rest = b.cast(tensors[0], "bool"), tensors[1:]
    values = [op.attrs[k] if k in op.attrs else rest.pop(0) for k in ("a", "b")]
    y = b.where(condition, *values)
    return y


def merge(b, op):
    if len(op.x) == 1:
        return op.x[0]
    mode = op.attrs["mode"]
    y = op.x[0]
    for x in op.x[1:]:
        y = b.through("Mul" if mode == "mul" else "Add", y, x)
    return b.number("Mul", y, 1 / len(op.x)) if mode == "ave" else y


def cast(b, op):
    return b.cast(op.x[0], "int64" if op.y_int64 else "float")


def same(b, op):
    """An op that does something in training only."""
    if op.attrs.get("training"):
        op.refuse("that draws random numbers at inference", "call the layer with training=False")
    return op.x[0]


def add_bias(b, op):
    return b.through("Add", op.x[0], b.weight(op.weights[0]))


def prelu(b, op):
    return b.add("PRelu", [op.x[0], b.weight(op.weights[0])], b.shape(op.x[0]))


def affine(b, op):
    x, shape = op.x[0], op.shapes[0]
    size = int(np.prod(op.weights[0].shape, dtype=int))
    # The trailing dimensions that the variables repeat with, or a dimension of their own.
    suffix = next((shape[i:] for i in range(len(shape) + 1) if math.prod(shape[i:]) == size), None)
    if suffix is None:
        x, suffix = b.reshape(x, (math.prod(shape) // size, size)), (size,)
    center, scale, offset = (b.weight(w, lambda a: a.reshape(suffix)) for w in op.weights)
    y = b.through("Mul", b.through("Sub", x, center), scale)
    return b.reshape(b.through("Add", y, offset), shape)


def masking(b, op):
    x = op.x[0]
    kept = b.flags(b.through("Not", b.number("Equal", x, op.attrs["mask_value"])))
    mask = b.reduce("ReduceMax", kept, [-1], keep=False)
    wide = b.reshape(mask, (*op.shapes[0][:-1], 1))
    return [b.through("Mul", x, wide), mask]


def nonzero(b, op):
    return b.flags(b.through("Not", b.number("Equal", op.x[0], 0.0)))


def spectrogram(b, op):
    real, imaginary = op.x
    mode, floor = op.attrs["mode"], op.attrs.get("floor", 0.0)
    if mode == "angle":
        return arctan2(b, imaginary, real)
    power = b.through("Add", b.through("Mul", real, real), b.through("Mul", imaginary, imaginary))
    if mode == "psd":
        factors = np.full(op.shapes[0][-1], 2.0)
        factors[[0, -1]] = 1.0  # what has no mirror image
        if len(factors) == 1:
            factors[0] = 1.0
        return b.through("Mul", power, b.constant(factors))
    y = b.through("Sqrt", b.number("Max", power, floor))
    return b.through("Log", y) if mode == "log" else y


TABLE = {
    "activation": activation,
    "activity_regularizer": same,
    "add_bias": add_bias,
    "add_loss": same,
    "affine": affine,
    "binary": binary,
    "cast": cast,
    "dropout": same,
    "gaussian_dropout": same,
    "gaussian_noise": same,
    "map": map_,
    "masking": masking,
    "merge": merge,
    "nonzero": nonzero,
    "prelu": prelu,
    "select": select,
    "spectral_norm": same,
    "spectrogram": spectrogram,
}
