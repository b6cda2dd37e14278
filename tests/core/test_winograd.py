"""3 x 3 convolutions by transformed tiles: values, gradients, and bits that do not vary."""

import numpy as np
import pytest
from op_harness import available_levels

import pyseq
from pyseq import _core

# rows, height, width, channels, filters, padding (top, left), (bottom, right)
CASES = [
    (2, 16, 16, 16, 16, (1, 1), (1, 1)),
    (3, 9, 14, 17, 33, (1, 1), (1, 1)),
    (2, 12, 11, 40, 20, (0, 0), (0, 0)),
    (2, 13, 13, 20, 130, (0, 0), (1, 1)),
    (1, 40, 33, 16, 48, (3, 2), (2, 3)),
    (40, 3, 5, 24, 16, (1, 1), (1, 1)),
    (70, 2, 2, 160, 24, (1, 1), (1, 1)),
    (70, 4, 4, 16, 16, (1, 1), (1, 1)),
]
PRECISIONS = {"highest": 2e-6, "high": 1e-5}


@pytest.fixture(autouse=True)
def _precision():
    before = pyseq.config.float32_matmul_precision()
    yield
    pyseq.config.set_float32_matmul_precision(before)


def data(case, seed=0):
    rows, height, width, channels, filters, begin, end = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, height, width, channels))
    w = rng.normal(size=(3, 3, channels, filters)) / np.sqrt(9 * channels)
    b = rng.normal(size=filters)
    shape = (rows, height + begin[0] + end[0] - 2, width + begin[1] + end[1] - 2, filters)
    dy = rng.normal(size=shape)
    return [a.astype("float32") for a in (x, w, b, dy)]


def run(case, arrays, isa, activation="linear"):
    x, w, b, dy = arrays
    attributes = {
        "strides": [1, 1],
        "dilations": [1, 1],
        "pads_begin": list(case[5]),
        "pads_end": list(case[6]),
        "groups": 1,
        "activation": activation,
    }
    result = _core.run_op("conv", isa, [x], [w, b], attributes, [dy.shape[1:]], training=True,
                          dys=[dy])
    return [result["outputs"][0], result["dinputs"][0], *result["dparams"]]


def reference(case, arrays, activation):
    """In float64, as a product with the patches."""
    x, w, b, dy = (a.astype("float64") for a in arrays)
    begin, end = case[5], case[6]
    padded = np.pad(x, ((0, 0), (begin[0], end[0]), (begin[1], end[1]), (0, 0)))
    height, width = dy.shape[1:3]
    taps = [(i, j) for i in range(3) for j in range(3)]
    patches = [padded[:, i : i + height, j : j + width] for i, j in taps]
    z = sum(p @ w[i, j] for p, (i, j) in zip(patches, taps)) + b
    y, dz = z, dy
    if activation == "relu":
        y, dz = np.maximum(z, 0), dy * (z > 0)
    elif activation == "silu":
        s = 1 / (1 + np.exp(-z))
        y, dz = z * s, dy * (s + z * s * (1 - s))
    dpadded = np.zeros_like(padded)
    for i, j in taps:
        dpadded[:, i : i + height, j : j + width] += dz @ w[i, j].T
    dx = dpadded[:, begin[0] : begin[0] + x.shape[1], begin[1] : begin[1] + x.shape[2]]
    dw = np.stack([np.einsum("nhwc,nhwf->cf", p, dz) for p in patches]).reshape(w.shape)
    return [y, dx, dw, dz.sum((0, 1, 2))]


def assert_near(got, expected, tolerance):
    for name, a, b in zip(("y", "dx", "dw", "db"), got, expected):
        error = np.abs(a - b).max() / np.abs(b).max()
        assert error < tolerance, f"{name}: {error:.1e}"


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("isa", available_levels())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case, isa, precision):
    pyseq.config.set_float32_matmul_precision(precision)
    arrays = data(case)
    assert_near(run(case, arrays, isa), reference(case, arrays, "linear"), PRECISIONS[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_activations(activation, precision):
    pyseq.config.set_float32_matmul_precision(precision)
    for case in CASES[:4]:
        arrays = data(case)
        # Away from the kink, where rounding decides the gradient.
        z = run(case, arrays, available_levels()[-1])[0]
        arrays[3][np.abs(z) < 1e-4] = 0
        got = run(case, arrays, available_levels()[-1], activation)
        assert_near(got, reference(case, arrays, activation), PRECISIONS[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_reference_build_is_exact(case, precision):
    pyseq.config.set_float32_matmul_precision(precision)
    arrays = data(case)
    assert_near(run(case, arrays, "ref64"), reference(case, arrays, "linear"), 1e-13)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_thread_counts_give_the_same_bits(precision):
    pyseq.config.set_float32_matmul_precision(precision)
    for case in [(37, 13, 12, 33, 48, (1, 1), (1, 1)), (64, 8, 8, 130, 40, (0, 1), (1, 0))]:
        arrays = data(case)
        results = []
        for threads in (1, 2, 3, 5):
            _core.set_num_threads(threads)
            results.append(run(case, arrays, available_levels()[-1], "relu"))
        for other in results[1:]:
            for a, b in zip(results[0], other):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("isa", available_levels())
def test_rows_do_not_depend_on_the_batch(isa, precision):
    pyseq.config.set_float32_matmul_precision(precision)
    case = (9, 10, 9, 24, 40, (1, 1), (1, 1))
    x, w, b, dy = data(case)
    y, dx, *_ = run(case, (x, w, b, dy), isa)
    for rows in (slice(0, 1), slice(3, 5), slice(2, 9)):
        part = run(case, (x[rows], w, b, dy[rows]), isa)
        np.testing.assert_array_equal(part[0], y[rows])
        np.testing.assert_array_equal(part[1], dx[rows])
