"""The compiled dense, activation, softmax, sparsemax and glu ops: values against NumPy, gradients
against central differences in float64, and every instruction set against float64."""

import numpy as np
import pytest

import pyseq
from pyseq import _core, activations

FLOAT_LEVELS = [level for level in _core.available_isas() if level != "ref64"]
SHAPED = ("softmax", "log_softmax", "glu", "sparsemax")


def run(level, kind, x, params, attrs, shape, dy=None, training=True):
    dtype = np.float64 if level == "ref64" else np.float32
    return _core.run_op(
        kind,
        level,
        [x.astype(dtype)],
        [p.astype(dtype) for p in params],
        attrs,
        [list(shape)],
        training=training,
        dys=None if dy is None else [dy.astype(dtype)],
    )


def check(kind, x, params, attrs, shape, seed=0):
    """Return the float64 output after comparing gradients, plans and instruction sets."""
    rng = np.random.default_rng(seed)
    dy = rng.normal(size=(len(x), *shape))
    reference = run("ref64", kind, x, params, attrs, shape, dy)
    y = reference["outputs"][0]
    gradients = [reference["dinputs"][0], *reference["dparams"]]

    def loss():
        return float((run("ref64", kind, x, params, attrs, shape)["outputs"][0] * dy).sum())

    step = 1e-5
    for array, gradient in zip([x, *params], gradients, strict=True):
        for _ in range(8):
            i = tuple(rng.integers(0, size) for size in array.shape)
            kept = array[i]
            array[i] = kept + step
            above = loss()
            array[i] = kept - step
            below = loss()
            array[i] = kept
            assert gradient[i] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-6)

    inference = run("ref64", kind, x, params, attrs, shape, training=False)["outputs"][0]
    np.testing.assert_array_equal(inference, y)
    for level in FLOAT_LEVELS:
        single = run(level, kind, x, params, attrs, shape, dy)
        pairs = zip(
            [single["outputs"][0], single["dinputs"][0], *single["dparams"]],
            [y, *gradients],
            strict=True,
        )
        for got, want in pairs:
            assert np.abs(got - want).max() <= 5e-6 * (1 + np.abs(want).max())
    return y


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "gelu", "silu", "elu"])
@pytest.mark.parametrize(
    ("shape", "units"), [((5, 7), 3), ((3, 4, 6), 10), ((40, 33), 17), ((6, 5), 1), ((300, 9), 20)]
)
def test_dense(activation, shape, units):
    rng = np.random.default_rng(units)
    x, w, b = rng.normal(size=shape), rng.normal(size=(shape[-1], units)), rng.normal(size=units)
    attrs = {"units": units, "use_bias": True, "activation": activation}
    y = check("dense", x, [w, b], attrs, (*shape[1:-1], units))
    np.testing.assert_allclose(
        y, getattr(activations, activation)(x @ w + b), rtol=1e-12, atol=1e-12
    )


def test_dense_without_bias():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(9, 4)), rng.normal(size=(4, 6))
    y = check("dense", x, [w], {"units": 6, "use_bias": False}, (6,))
    np.testing.assert_allclose(y, x @ w, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in activations.CORE_NAME if n not in SHAPED])
def test_activation(name):
    x = np.random.default_rng(2).normal(size=(4, 37)) * 3
    args = (0.3, -0.5) if name == "threshold" else ()
    attrs = {"activation": name}
    if args:
        attrs["activation_args"] = list(args)
    y = check("activation", x, [], attrs, (37,))
    np.testing.assert_allclose(y, getattr(activations, name)(x, *args), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "args", [(0.1, 2.0, 0.3), (0.2, np.inf, 0.0), (0.0, 1.5, 0.0), (0.0, np.inf, 0.5)]
)
def test_relu_arguments(args):
    x = np.random.default_rng(3).normal(size=(4, 37)) * 2
    y = check("activation", x, [], {"activation": "relu", "activation_args": list(args)}, (37,))
    slope, top, threshold = args
    want = activations.relu(x, slope, None if np.isinf(top) else top, threshold)
    np.testing.assert_allclose(y, want, rtol=1e-12)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("attrs", "axis"),
    [
        ({}, -1),
        ({"axis": 0}, 1),
        ({"axis": 1}, 2),
        ({"axes": [0, 1]}, (1, 2)),
        ({"axes": [-1, -2]}, (2, 3)),
    ],
)
def test_softmax(log, attrs, axis):
    x = np.random.default_rng(4).normal(size=(3, 5, 6, 7)) * 2
    y = check("softmax", x, [], {"log": log, **attrs}, (5, 6, 7))
    e = np.exp(x)
    want = e / e.sum(axis, keepdims=True)
    np.testing.assert_allclose(y, np.log(want) if log else want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 7, 8, 15, 16, 17])
def test_softmax_of_rows_of_any_length(log, classes):
    x = np.random.default_rng(4).normal(size=(21, classes)) * 2
    y = check("softmax", x, [], {"log": log}, (classes,))
    e = np.exp(x)
    want = e / e.sum(-1, keepdims=True)
    np.testing.assert_allclose(y, np.log(want) if log else want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_softmax_of_nothing(shape):
    model = pyseq.Sequential([pyseq.Input(shape), pyseq.layers.Softmax()])
    assert model.predict_on_batch(np.zeros((2, *shape), "float32")).shape == (2, *shape)


@pytest.mark.parametrize("level", _core.available_isas())
def test_softmax_of_large_numbers(level):
    x = np.array([[1e30, 0.0, -np.inf], [-1e30, -1e30, -1e30]])
    y = run(level, "softmax", x, [], {}, (3,))["outputs"][0]
    np.testing.assert_allclose(y, [[1, 0, 0], [1 / 3] * 3], rtol=1e-6)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (4, 3)), (0, (2, 6)), (1, (4, 3))])
def test_glu(axis, shape):
    x = np.random.default_rng(5).normal(size=(3, 4, 6))
    y = check("glu", x, [], {"axis": axis}, shape)
    want = activations.glu(x, axis if axis < 0 else axis + 1)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("axis", [-1, 0])
def test_sparsemax(axis):
    x = np.random.default_rng(6).normal(size=(3, 5, 6)) * 0.7
    y = check("sparsemax", x, [], {"axis": axis}, (5, 6))
    want = activations.sparsemax(x, axis if axis < 0 else axis + 1)
    np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-13)
