"""Convolutions, recurrent layers and embeddings on the GPU against the float64 kernels, at shapes
that reach every tile, both ways through time and more than one block of the sort.

Needs what test_cuda.py needs.
"""

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


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution(rng, case):
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
