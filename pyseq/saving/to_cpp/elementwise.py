"""Ops that take numbers one by one: activations, arithmetic, comparisons, dtypes."""

from __future__ import annotations

import math

import numpy as np

from pyseq.saving.to_cpp.shaping import broadcast, collapsed, strides_of
from pyseq.saving.to_cpp.writer import number

# Functions of a vector x.
_UNARY = {
    "negative": "-x", "abs": "abs_v(x)", "square": "x * x", "sqrt": "sqrt_v(x)",
    "rsqrt": "1.0f / sqrt_v(x)", "reciprocal": "1.0f / x", "exp": "exp_v(x)",
    "expm1": "expm1_v(x)", "log": "log_v(x)", "erf": "erf_v(x)",
}
# Functions of one float x.
_SCALAR = {
    "log1p": "std::log1p(x)", "log2": "std::log2(x)", "log10": "std::log10(x)",
    "sin": "std::sin(x)", "cos": "std::cos(x)", "tan": "std::tan(x)", "arcsin": "std::asin(x)",
    "arccos": "std::acos(x)", "arctan": "std::atan(x)", "sinh": "std::sinh(x)",
    "cosh": "std::cosh(x)", "arcsinh": "std::asinh(x)", "arccosh": "std::acosh(x)",
    "arctanh": "std::atanh(x)", "floor": "std::floor(x)", "ceil": "std::ceil(x)",
    "round": "std::nearbyint(x)", "trunc": "std::trunc(x)", "erfinv": "kernels::erfinv(x)",
    "sign": "x > 0 ? 1.0f : x < 0 ? -1.0f : x", "isnan": "std::isnan(x) ? 1.0f : 0.0f",
    "isfinite": "std::isfinite(x) ? 1.0f : 0.0f", "isinf": "std::isinf(x) ? 1.0f : 0.0f",
    "logical_not": "x == 0 ? 1.0f : 0.0f", "stop_gradient": "x",
}
_BINARY = {
    "add": "a + b", "subtract": "a - b", "multiply": "a * b", "divide": "a / b",
    "power": "std::pow(a, b)", "maximum": "a > b || a != a ? a : b",
    "minimum": "a < b || a != a ? a : b", "mod": "kernels::floor_mod(a, b)",
    "floor_divide": "kernels::floor_divide(a, b)", "arctan2": "std::atan2(a, b)",
    "equal": "a == b ? 1.0f : 0.0f", "not_equal": "a != b ? 1.0f : 0.0f",
    "less": "a < b ? 1.0f : 0.0f", "less_equal": "a <= b ? 1.0f : 0.0f",
    "greater": "a > b ? 1.0f : 0.0f", "greater_equal": "a >= b ? 1.0f : 0.0f",
    "logical_and": "a != 0 && b != 0 ? 1.0f : 0.0f",
    "logical_or": "a != 0 || b != 0 ? 1.0f : 0.0f",
    "logical_xor": "(a != 0) != (b != 0) ? 1.0f : 0.0f",
}


def _size(op):
    return math.prod(op.y_shapes[0])


def activation(w, op, x, y):
    w.call("base", "map", [_size(op)], [x[0], y[0], w.ending(op)])


def map_(w, op, x, y):
    name = op.attrs["function"]
    if name in _UNARY:
        function = f"[](auto x) {{ return kernels::{_UNARY[name]}; }}"
        if "_v(" not in _UNARY[name]:
            function = f"[](auto x) {{ return {_UNARY[name]}; }}"
        function = function.replace("kernels::1.0f / ", "1.0f / kernels::")
        return w.call("base", "map", [_size(op)], [x[0], y[0], function])
    _scalar(w, op, x[0], y[0], _SCALAR[name])


def _scalar(w, op, x, y, expression):
    w.use("functions")
    each = f"[](float x) {{ return {expression}; }}"
    function = f"[](auto v) {{ return kernels::per_lane(v, {each}); }}"
    w.call("base", "map", [_size(op)], [x, y, function])


def _combine(w, op, operands, y, expression):
    """`operands` are pointers with their shapes."""
    w.use("functions")
    shape = op.y_shapes[0]
    strides = [broadcast(s, shape) for _, s in operands]
    loops = collapsed(shape, *strides, strides_of(shape))
    function = f"[](float a, float b) {{ return {expression}; }}"
    w.call("shaping", "combine", loops, [*(p for p, _ in operands), y, function])


def binary(w, op, x, y):
    operands = list(zip(x, op.shapes, strict=True))
    if len(x) == 1:
        values = op.weights[0] if op.weights else np.float32(op.attrs["number"])
        operands.append((w.array(op, "operand", values), np.shape(values)))
    if op.attrs.get("swap"):
        operands.reverse()
    _combine(w, op, operands, y[0], _BINARY[op.attrs["function"]])


def select(w, op, x, y):
    rest = list(zip(x, op.shapes, strict=True))
    operands = [rest.pop(0)]
    for name in ("a", "b"):
        if name in op.attrs:
            operands.append((w.array(op, name, op.attrs[name]), ()))
        else:
            operands.append(rest.pop(0))
    shape = op.y_shapes[0]
    strides = [broadcast(s, shape) for _, s in operands]
    loops = collapsed(shape, *strides, strides_of(shape))
    w.call("shaping", "choose", loops, [*(p for p, _ in operands), y[0]])


def merge(w, op, x, y):
    size, mode = _size(op), op.attrs["mode"]
    sign = "*" if mode == "mul" else "+"
    function = f"[](auto a, auto b) {{ return a {sign} b; }}"
    if len(x) == 1:
        return w.call("base", "map", [size], [x[0], y[0], "[](auto a) { return a; }"])
    at = x[0]
    for other in x[1:]:
        w.call("base", "map2", [size], [at, other, y[0], function])
        at = y[0]
    if mode == "ave":
        function = f"[](auto a) {{ return a * {number(1 / len(x))}; }}"
        w.call("base", "map", [size], [y[0], y[0], function])


def cast(w, op, x, y):
    size = _size(op)
    if op.int64[0] == op.y_int64:
        value = "from[i]"
    elif op.y_int64:
        value = "std::isnan(from[i]) ? 0 : from[i] >= 9223372036854775808.0f ? INT64_MAX " \
            ": from[i] < -9223372036854775808.0f ? INT64_MIN : static_cast<std::int64_t>(from[i])"
    else:
        value = "static_cast<float>(from[i])"
    kinds = ["std::int64_t" if whole else "float" for whole in (op.int64[0], op.y_int64)]
    w.lines += [
        "{",
        f"  const {kinds[0]}* from = {x[0]};",
        f"  {kinds[1]}* to = {y[0]};",
        f"  for (int i = 0; i < {size}; ++i) to[i] = {value};",
        "}",
    ]


def add_bias(w, op, x, y):
    operands = [(x[0], op.shapes[0]), (w.array(op, "bias", op.weights[0]), op.weights[0].shape)]
    _combine(w, op, operands, y[0], "a + b")


def prelu(w, op, x, y):
    alpha = op.weights[0]
    operands = [(x[0], op.shapes[0]), (w.array(op, "alpha", alpha), alpha.shape)]
    _combine(w, op, operands, y[0], "a >= 0 ? a : a * b")


def affine(w, op, x, y):
    center, scale, offset = (a.astype("float64").reshape(-1) for a in op.weights)
    arrays = [w.array(op, "scale", scale), w.array(op, "shift", offset - center * scale)]
    numbers = [_size(op) // len(scale), len(scale)]
    w.call("normalizing", "scale_shift", numbers, [x[0], *arrays, y[0]])


def masking(w, op, x, y):
    *outer, inner = op.shapes[0]
    value = number(op.attrs["mask_value"])
    w.call("normalizing", "masking", [math.prod(outer), inner], [x[0], y[0], y[1], value])


def nonzero(w, op, x, y):
    _scalar(w, op, x[0], y[0], "x != 0 ? 1.0f : 0.0f")


def spectrogram(w, op, x, y):
    mode, floor = op.attrs["mode"], number(op.attrs.get("floor", 0.0))
    root = f"std::sqrt(std::fmax(a * a + b * b, {floor}))"
    expression = {
        "angle": "std::atan2(b, a)", "magnitude": root, "log": f"std::log({root})",
        "psd": "2.0f * (a * a + b * b)",
    }[mode]
    _combine(w, op, list(zip(x, op.shapes, strict=True)), y[0], expression)
    if mode == "psd":
        width = op.shapes[0][-1]
        factors = np.ones(width)
        factors[[0, -1]] = 0.5  # what has no mirror image
        operands = [(y[0], op.shapes[0]), (w.array(op, "factors", factors), (width,))]
        _combine(w, op, operands, y[0], "a * b")


TABLE = {
    "activation": activation,
    "add_bias": add_bias,
    "affine": affine,
    "binary": binary,
    "cast": cast,
    "map": map_,
    "masking": masking,
    "merge": merge,
    "nonzero": nonzero,
    "prelu": prelu,
    "select": select,
    "spectrogram": spectrogram,
}
