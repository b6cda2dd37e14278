"""Convolutions, recurrent layers and embeddings on the GPU against the float64 kernels, at shapes
that reach every tile, both ways through time and more than one block of the sort.

Needs what test_cuda.py needs.
"""

import ctypes
import os
from pathlib import Path

import numpy as np
import pytest

import pyseq
from pyseq import _core

pytestmark = pytest.mark.skipif(
    not any(name.startswith("cuda") for name, _ in pyseq.config.list_devices()),
    reason="needs a GPU, or PYSEQ_CUDA_EMULATION=1 and the emulation module",
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def check(rng, kind, inputs, params, attrs, shapes, fixed_params=()):
    """All outputs and gradients within 1e-4 of the largest value; `fixed_params` have no gradient."""
    rows = inputs[0].shape[0]
    inputs = [np.float32(x) for x in inputs]
    params = [np.float32(p) for p in params]
    dys = [np.float32(rng.normal(size=(rows, *shape))) for shape in shapes]
    ours, theirs = (
        _core.run_op(kind, level, inputs, params, attrs, shapes, True, 3, dys)
        for level in ("cuda", "ref64")
    )
    for what in ("outputs", "dinputs", "dparams", "params"):
        for i, (a, b) in enumerate(zip(ours[what], theirs[what], strict=True)):
            if (what == "dparams" and i in fixed_params) or (what == "dinputs" and i > 0):
                continue
            np.testing.assert_allclose(
                a, b, rtol=0, atol=1e-4 * max(1e-3, np.abs(b).max(initial=0)), err_msg=f"{what} {i}"
            )


# rows, spatial, channels, filters, kernel, strides, dilations, pads, groups, activation
CONVOLUTIONS = [
    (2, (7, 6), 3, 5, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 1, "linear"),
    (2, (7, 6), 4, 8, (3, 3), (2, 2), (1, 1), ((0, 1), (1, 1)), 1, "relu"),
    (3, (9, 8), 8, 12, (3, 2), (1, 1), (2, 2), ((2, 2), (1, 1)), 1, "gelu"),
    (2, (9, 9), 8, 12, (3, 3), (3, 2), (1, 1), ((0, 0), (0, 0)), 4, "tanh"),
    (2, (9, 9), 6, 9, (3, 3), (2, 2), (1, 1), ((0, 0), (0, 0)), 3, "relu"),
    (2, (11,), 5, 70, (3,), (1,), (1,), ((1, 1),), 1, "relu"),
    (2, (5, 6, 4), 4, 6, (2, 3, 2), (2, 1, 1), (1, 1, 2), ((1, 0), (1, 1), (1, 1)), 1, "relu"),
    (2, (6, 6), 20, 68, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 1, "relu"),
    (3, (6, 6), 12, 8, (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), 1, "gelu"),
    (1, (10, 10), 3, 4, (2, 2), (3, 3), (1, 1), ((0, 0), (0, 0)), 1, "linear"),
    (1, (13,), 4, 4, (3,), (4,), (3,), ((3, 3),), 1, "linear"),
    (6, (12, 12), 2, 33, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 1, "relu"),
]


# What cuDNN may take: 8 channels or more in each group, with and without padding that differs at the
# two ends of an axis ("same" with strides, even kernels, causal).
CUDNN_CONVOLUTIONS = [
    (2, (7, 6), 8, 8, (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), 1, "linear"),
    (3, (9, 8), 12, 40, (3, 2), (1, 1), (2, 2), ((2, 2), (1, 1)), 1, "gelu"),
    (2, (9, 9), 16, 24, (3, 3), (3, 2), (1, 1), ((0, 0), (0, 0)), 2, "relu"),
    (2, (11,), 8, 70, (3,), (2,), (1,), ((1, 1),), 1, "relu"),
    (2, (5, 6, 4), 8, 9, (2, 3, 1), (1, 2, 1), (1, 1, 1), ((0, 0), (1, 1), (0, 0)), 1, "tanh"),
]
PADDED_CONVOLUTIONS = [
    (2, (8, 10), 8, 12, (3, 3), (2, 2), (1, 1), ((0, 1), (0, 1)), 1, "relu"),
    (2, (8, 7), 8, 8, (2, 4), (1, 1), (1, 1), ((0, 1), (1, 2)), 1, "linear"),
    (2, (12,), 8, 33, (3,), (1,), (2,), ((4, 0),), 1, "gelu"),
    (2, (6, 6), 16, 16, (3, 3), (1, 2), (1, 1), ((1, 1), (0, 1)), 2, "relu"),
    (2, (4, 6, 4), 9, 8, (3, 3, 3), (2, 1, 2), (1, 1, 1), ((0, 1), (1, 1), (0, 1)), 1, "relu"),
]


def check_convolution(rng, case, kinds=("conv", "depthwise_conv", "conv_transpose")):
    rows, spatial, channels, filters, kernel, strides, dilations, pads, groups, activation = case
    out = [
        (n + sum(p) - (k - 1) * d - 1) // s + 1
        for n, k, s, d, p in zip(spatial, kernel, strides, dilations, pads, strict=True)
    ]
    attrs = {
        "strides": list(strides),
        "dilations": list(dilations),
        "pads_begin": [p[0] for p in pads],
        "pads_end": [p[1] for p in pads],
        "activation": activation,
    }
    x = rng.normal(size=(rows, *spatial, channels))
    w = 0.3 * rng.normal(size=(*kernel, channels // groups, filters))
    bias = rng.normal(size=filters)
    check(rng, "conv", [x], [w, bias], {**attrs, "groups": groups}, [(*out, filters)])
    if "depthwise_conv" in kinds:
        w = 0.3 * rng.normal(size=(*kernel, channels, 2))
        bias = rng.normal(size=2 * channels)
        check(rng, "depthwise_conv", [x], [w, bias], attrs, [(*out, 2 * channels)])
    attrs = {
        "strides": list(strides),
        "dilations": list(dilations),
        "pads": [p[0] for p in pads],
        "output": list(spatial),
        "activation": activation,
    }
    x = rng.normal(size=(rows, *out, filters))
    w = 0.3 * rng.normal(size=(*kernel, channels, filters))
    bias = rng.normal(size=channels)
    check(rng, "conv_transpose", [x], [w, bias], attrs, [(*spatial, channels)])


@pytest.fixture
def cudnn_calls():
    """How many convolutions the emulated cuDNN did so far; None where the real one does them."""
    if not os.environ.get("PYSEQ_CUDA_EMULATION") or os.environ.get("PYSEQ_CUDNN") == "0":
        return lambda: None
    library = Path(_core.__file__).with_name("libpyseq_cuda_emulation.so")
    return ctypes.CDLL(str(library)).pyseq_emulated_cudnn_calls


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(rng, case):
    check_convolution(rng, case)


# A forward pass and two gradients, of a convolution and of a transposed one.
@pytest.mark.parametrize("case", CUDNN_CONVOLUTIONS, ids=str)
def test_convolution_by_cudnn(rng, case, cudnn_calls):
    before = cudnn_calls()
    check_convolution(rng, case, ["conv", "conv_transpose"])
    assert before is None or cudnn_calls() == before + 6


@pytest.mark.parametrize("case", PADDED_CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_convolution_with_padding_that_cudnn_lacks(rng, case, precision, cudnn_calls):
    """With tensor cores, zeros in the kernel make up for it; without, own kernels do."""
    before = cudnn_calls()
    if before is None and precision != "highest":
        pytest.skip("TF32 is coarser than this comparison")
    pyseq.config.set_float32_matmul_precision(precision)
    try:
        check_convolution(rng, case, ["conv", "conv_transpose"])
    finally:
        pyseq.config.set_float32_matmul_precision("highest")
    assert before is None or cudnn_calls() == before + (0 if precision == "highest" else 6)


@pytest.mark.parametrize("transposed", [False, True])
def test_packed_weights_follow_the_variables(rng, transposed):
    """Inference keeps weights in cuDNN's order; they are made anew when somebody writes them."""
    kind = pyseq.layers.Conv2DTranspose if transposed else pyseq.layers.Conv2D
    model = pyseq.Sequential([pyseq.Input((6, 6, 8)), kind(16, 3, padding="same")])
    x = np.float32(rng.normal(size=(3, 6, 6, 8)))
    for _ in range(2):
        wanted = model.predict(x, verbose=0)
        with pyseq.device("cuda"):
            np.testing.assert_allclose(model.predict(x, verbose=0), wanted, atol=1e-4)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])


@pytest.mark.parametrize("mode", ["max", "average"])
@pytest.mark.parametrize(
    "pool, strides, pad", [((2, 2), (2, 2), 0), ((3, 2), (2, 1), 1), ((17, 17), (1, 1), 0)]
)
def test_pooling(rng, mode, pool, strides, pad):
    shape = (19, 18)
    out = [(n + 2 * pad - k) // s + 1 for n, k, s in zip(shape, pool, strides, strict=True)]
    x = np.round(2 * rng.normal(size=(2, *shape, 3))) / 2
    attrs = {
        "pool_size": list(pool),
        "strides": list(strides),
        "pads_begin": [pad, pad],
        "pads_end": [pad, pad],
    }
    check(rng, f"{mode}_pool", [x], [], attrs, [(*out, 3)])
    check(rng, "adaptive_pool", [x], [], {"mode": mode, "output_size": [5, 6]}, [(5, 6, 3)])
    check(rng, "global_pool", [x], [], {"mode": mode}, [(3,)])


# Beyond 65536 elements of the recurrent kernel each step is a launch of its own.
@pytest.mark.parametrize(
    "kind, gates, units",
    [
        ("simple_rnn", 1, 5),
        ("simple_rnn", 1, 257),
        ("lstm", 4, 5),
        ("lstm", 4, 129),
        ("gru", 3, 6),
        ("gru", 3, 149),
    ],
)
@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_recurrent(rng, kind, gates, units, reset_after, masked):
    rows, steps, inputs, width = 3, 3, 2, gates * units
    states = 2 if kind == "lstm" else 1
    scale = 0.6 / np.sqrt(units / 5)
    bias = (2, width) if kind == "gru" and reset_after else (width,)
    params = [scale * rng.normal(size=(inputs, width)), scale * rng.normal(size=(units, width))]
    params += [0.5 * rng.normal(size=bias)] + [
        rng.normal(size=(rows, units)) for _ in range(states)
    ]
    x = [rng.normal(size=(rows, steps, inputs))]
    if masked:
        x.append(np.float32([[0, 0, 0], [1, 0, 1], [1, 1, 1]]))
    for activations in (("tanh", "sigmoid"), ("silu", "gelu")):
        attrs = {
            "units": units,
            "activation": activations[0],
            "recurrent_activation": activations[1],
            "return_sequences": True,
            "return_state": True,
            "stateful": True,
            "go_backwards": masked,
            "reset_after": reset_after,
        }
        shapes = [(steps, units)] + [(units,)] * states
        check(rng, kind, x, params, attrs, shapes, fixed_params=range(3, 3 + states))


@pytest.mark.parametrize(
    "rows, ids, size, width",
    [(3, 4, 7, 5), (5, 33, 3, 8), (100, 40, 50, 4), (40, 120, 2, 3), (2, 5, 70000, 4)],
)
def test_embedding_gradient(rng, rows, ids, size, width):
    x = rng.integers(0, size, (rows, ids))
    check(rng, "embedding", [x], [rng.normal(size=(size, width))], {}, [(ids, width)])


@pytest.mark.parametrize(
    "kind, shape, params, attrs, out",
    [
        ("reduce", (8, 40), [], {"function": "max", "axes": [0]}, (40,)),
        ("reduce", (8, 40), [], {"function": "mean", "axes": [0]}, (40,)),
        ("reduce", (40, 8), [], {"function": "sum", "axes": [1]}, (40,)),
        ("reduce", (2, 70), [], {"function": "sum", "axes": [1]}, (2,)),
        ("reduce", (2, 70), [], {"function": "max", "axes": [1]}, (2,)),
        ("reduce", (2, 70), [], {"function": "min", "axes": [1]}, (2,)),
        ("reduce", (2, 70), [], {"function": "prod", "axes": [1]}, (2,)),
        ("reduce", (40, 8), [], {"function": "prod", "axes": [0, 1], "batch": True}, ()),
        ("reduce", (5, 40, 3), [], {"function": "argmin", "axes": [1]}, (5, 3)),
        ("reduce", (50, 6), [], {"function": "sum", "axes": [0], "batch": True}, (6,)),
        ("binary", (50, 6), [(6,)], {"function": "multiply"}, (50, 6)),
        ("binary", (50, 6), [(50, 1)], {"function": "divide", "swap": True}, (50, 6)),
        ("binary", (1,), [(40, 3)], {"function": "multiply"}, (40, 3)),
        ("variable", (1,), [(30, 7)], {}, (30, 7)),
        ("scan", (300,), [], {"function": "cumprod", "axis": 0}, (300,)),
        ("scan", (40, 30), [], {"function": "cumsum", "axis": 0, "reverse": True}, (40, 30)),
        ("gather", (9, 12), [], {"axis": 0, "indices": [8, 0, 0, 3]}, (4, 12)),
        ("add_loss", (50, 6), [], {"scale": 0.1}, (50, 6)),
    ],
    ids=str,
)
def test_traced(rng, kind, shape, params, attrs, out):
    """Rows enough for several blocks, chunks and threads of their own; small shapes are in
    test_traced_ops.py."""
    x = rng.uniform(0.97, 1.03, (300, *shape))
    check(rng, kind, [x], [rng.uniform(0.5, 1.5, p) for p in params], attrs, [out])


@pytest.mark.parametrize("b", [(4, 30, 9), (1, 30, 9)], ids=str)
def test_matmul_of_many(rng, b):
    a, b = rng.normal(size=(70, 4, 20, 30)), rng.normal(size=(70, *b))
    check(rng, "matmul", [a, b], [], {}, [(4, 20, 9)])
    check(rng, "matmul", [b, a], [], {"transpose_a": True, "transpose_b": True}, [(4, 9, 20)])
