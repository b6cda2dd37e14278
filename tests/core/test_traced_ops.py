"""The ops that traced Python code becomes: values against NumPy, gradients against central
differences in float64, every instruction set against float64, one thread against two."""

import math

import numpy as np
import pytest

import pyseq
from pyseq import _core

HOST = [level for level in _core.available_isas() if level != "ref64"]
GPU = ["cuda"] if any(name.startswith("cuda") for name, _ in pyseq.config.list_devices()) else []
LEVELS = HOST + GPU
STEP = 1e-6


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def run(level, kind, inputs, params, attrs, shape, dy=None):
    dtype = np.float64 if level == "ref64" else np.float32
    return _core.run_op(
        kind,
        level,
        [np.asarray(x, dtype) for x in inputs],
        [np.asarray(p, dtype) for p in params],
        attrs,
        [list(shape)],
        training=True,
        dys=None if dy is None else [np.asarray(dy, dtype)],
    )


def check(kind, inputs, params, attrs, want, smooth=True, fixed=(), tolerance=2e-5):
    """Value, gradients (not of the inputs in `fixed`), levels and threads of one op."""
    rng = np.random.default_rng(1)
    want = np.asarray(want, float)
    shape = want.shape[1:]
    dy = rng.normal(size=want.shape)
    reference = run("ref64", kind, inputs, params, attrs, shape, dy)
    np.testing.assert_allclose(
        reference["outputs"][0],
        want,
        rtol=1e-12,
        atol=1e-13 * max(1, np.abs(want[np.isfinite(want)]).max(initial=0)),
    )
    gradients = [*reference["dinputs"], *reference["dparams"]]
    arrays = [np.array(a, float) for a in (*inputs, *params)]

    def loss():
        got = run("ref64", kind, arrays[: len(inputs)], arrays[len(inputs) :], attrs, shape)
        return float((got["outputs"][0] * dy).sum())

    for k, (array, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        assert gradient.shape == array.shape
        if k in fixed:
            assert not gradient.any()
            continue
        if not smooth:
            continue
        for _ in range(3):
            direction = rng.normal(size=array.shape)
            kept = array.copy()
            array[...] = kept + STEP * direction
            above = loss()
            array[...] = kept - STEP * direction
            below = loss()
            array[...] = kept
            exact = float((gradient * direction).sum())
            scale = max(1.0, np.abs(gradient).max(initial=0)) * max(1, np.sqrt(array.size))
            assert abs((above - below) / (2 * STEP) - exact) <= 2e-7 * scale, (attrs, k)

    for level in LEVELS:
        single = run(level, kind, inputs, params, attrs, shape, dy)
        pairs = zip(
            [single["outputs"][0], *single["dinputs"], *single["dparams"]],
            [reference["outputs"][0], *gradients],
            strict=True,
        )
        for a, b in pairs:
            finite = np.abs(b[np.isfinite(b)]).max(initial=0)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, finite))
    return reference


def same_bits_with_two_threads(kind, inputs, params, attrs, shape):
    rng = np.random.default_rng(2)
    dy = rng.normal(size=(len(inputs[0]), *shape))
    before = _core.num_threads()
    try:
        found = []
        for threads in (1, 2):
            _core.set_num_threads(threads)
            got = run(HOST[-1], kind, inputs, params, attrs, shape, dy)
            found.append([*got["outputs"], *got["dinputs"], *got["dparams"]])
    finally:
        _core.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


# --- map

ERF = np.vectorize(math.erf)
# Function of NumPy, and where it is smooth.
SMOOTH = {
    "negative": (np.negative, -2, 2),
    "abs": (np.abs, 0.1, 2),
    "square": (np.square, -2, 2),
    "sqrt": (np.sqrt, 0.1, 9),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 9),
    "reciprocal": (np.reciprocal, 0.3, 3),
    "exp": (np.exp, -5, 5),
    "expm1": (np.expm1, -5, 5),
    "log": (np.log, 0.05, 20),
    "log1p": (np.log1p, -0.9, 9),
    "log2": (np.log2, 0.05, 20),
    "log10": (np.log10, 0.05, 20),
    "sin": (np.sin, -20, 20),
    "cos": (np.cos, -20, 20),
    "tan": (np.tan, -1.2, 1.2),
    "arcsin": (np.arcsin, -0.95, 0.95),
    "arccos": (np.arccos, -0.95, 0.95),
    "arctan": (np.arctan, -9, 9),
    "sinh": (np.sinh, -4, 4),
    "cosh": (np.cosh, -4, 4),
    "arcsinh": (np.arcsinh, -9, 9),
    "arccosh": (np.arccosh, 1.1, 9),
    "arctanh": (np.arctanh, -0.95, 0.95),
    "erf": (ERF, -3, 3),
}
STEPS = {
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "trunc": np.trunc,
    "isnan": np.isnan,
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "logical_not": np.logical_not,
    "stop_gradient": lambda x: x,
}


@pytest.mark.parametrize("function", sorted(SMOOTH))
@pytest.mark.parametrize("shape", [(), (3,), (5, 7), (2, 3, 1, 2, 3)], ids=str)
def test_smooth_map(rng, function, shape):
    f, low, high = SMOOTH[function]
    x = rng.uniform(low, high, (5, *shape))
    check("map", [x], [], {"function": function}, f(x))


@pytest.mark.parametrize("function", sorted(STEPS))
def test_step_map(rng, function):
    x = np.concatenate([
        rng.normal(size=21) * 5, [0.5, 1.5, -0.5, -2.5, 0.0, -0.0, 3.0, -1.0],
        [np.inf, -np.inf, np.nan],
    ]).reshape(-1, 1)  # fmt: skip
    check("map", [x], [], {"function": function}, STEPS[function](x), smooth=False, fixed=[0])


def test_erfinv(rng):
    x = np.concatenate([rng.uniform(-0.999, 0.999, 61), [0, 0.9999, -1e-9]])
    x = x.reshape(-1, 4)
    y = run("ref64", "map", [x], [], {"function": "erfinv"}, (4,))["outputs"][0]
    np.testing.assert_allclose(ERF(y), x, rtol=4e-15, atol=1e-16)
    check(
        "map",
        [0.9 * x],
        [],
        {"function": "erfinv"},
        run("ref64", "map", [0.9 * x], [], {"function": "erfinv"}, (4,))["outputs"][0],
    )
    edge = np.array([[1.0, -1.0, 1.5, np.nan]])
    for level in ("ref64", *LEVELS):
        y = run(level, "map", [edge], [], {"function": "erfinv"}, (4,))["outputs"][0]
        np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan, np.nan]])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("function", [*SMOOTH, *(set(STEPS) - {"stop_gradient"})])
def test_maps_at_the_edges(rng, function, level):
    """Zeros, infinities, NaN and large numbers behave as NumPy's."""
    f = SMOOTH[function][0] if function in SMOOTH else STEPS[function]
    edges = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1e-30,
        1e-8,
        88.5,
        -88.5,
        1e4,
        -1e5,
        1e15,
        1e30,
        -1e30,
        np.inf,
        -np.inf,
        np.nan,
    ]
    x = np.float32([*edges, *(rng.normal(size=48) * 30)]).reshape(-1, 4)
    with np.errstate(all="ignore"):
        want = np.asarray(f(np.float64(x)), float)
        want = np.float64(np.float32(want))
    got = run(level, "map", [x], [], {"function": function}, (4,))["outputs"][0]
    # Of large angles only what is left over of whole turns counts; sines go through libm there.
    np.testing.assert_allclose(got, want, rtol=4e-6, atol=3e-7)


# --- binary

BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "power": np.power,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "arctan2": np.arctan2,
}
COMPARE = {
    "floor_divide": np.floor_divide,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}


def operand(rng, shape):
    return rng.uniform(0.6, 2.6, shape)


def aligned(array, rank):
    """An array (N, ...) with its sample's shape at the right of `rank` dimensions."""
    return array.reshape(len(array), *[1] * (rank - array.ndim + 1), *array.shape[1:])


# Shapes per sample of two values.
PAIRS = [
    ((), ()), ((7,), (7,)), ((7,), (1,)), ((1,), (7,)), ((), (5,)), ((5, 3), (3,)),
    ((3,), (5, 3)), ((5, 3), (5, 1)), ((5, 1), (1, 3)), ((4, 1, 3), (1, 2, 1)),
    ((2, 3, 4, 5), (3, 1, 5)), ((2, 1, 2, 1, 3), (1, 3, 1, 2, 1)), ((1, 1), (1,)),
    ((3, 150), (150,)), ((3, 150), (3, 1)), ((2, 3, 150), (2, 1, 150)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize("function", ["add", "subtract", "multiply", "power"])
def test_binary_broadcasts_values(rng, function, shapes):
    a, b = (operand(rng, (5, *shape)) for shape in shapes)
    rank = max(map(len, shapes))
    want = BINARY[function](aligned(a, rank), aligned(b, rank))
    check("binary", [a, b], [], {"function": function}, want)


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("function", ["subtract", "divide", "multiply"])
def test_binary_broadcasts_variables(rng, function, shapes, swap):
    a, v = operand(rng, (5, *shapes[0])), operand(rng, shapes[1])
    left = aligned(a, max(map(len, shapes)))
    want = BINARY[function](v, left) if swap else BINARY[function](left, v)
    check("binary", [a], [v], {"function": function, "swap": swap}, want)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("number", [2, 3.0, 0.5, -1.0, 1.7])
@pytest.mark.parametrize("function", sorted(BINARY))
def test_binary_with_a_number(rng, function, number, swap):
    a = operand(rng, (5, 3, 7))
    if function in ("power", "mod"):
        number = abs(number)
    want = BINARY[function](number, a) if swap else BINARY[function](a, number)
    check("binary", [a], [], {"function": function, "number": float(number), "swap": swap}, want)


@pytest.mark.parametrize("function", sorted(BINARY))
def test_binary_functions(rng, function):
    a, b = operand(rng, (7, 9)), operand(rng, (7, 9))
    if function == "arctan2":
        a, b = a - 1.6, b - 1.7
    check("binary", [a, b], [], {"function": function}, BINARY[function](a, b))


@pytest.mark.parametrize("function", sorted(COMPARE))
def test_comparisons(rng, function):
    a, b = np.round(rng.normal(size=(9, 5))), np.round(rng.normal(size=(9, 5)))
    if function == "floor_divide":
        a, b = 2.3 * a, np.where(b == 0, 1.7, b)
    check("binary", [a, b], [], {"function": function}, COMPARE[function](a, b), smooth=False,
          fixed=[0, 1])  # fmt: skip


@pytest.mark.parametrize("level", ["ref64", *LEVELS])
def test_binary_at_the_edges(level):
    a = np.array([np.nan, 1, np.inf, 0, 0, -8, -2, 5, -5, 5, -5, 0.3, 3.5])
    b = np.array([1, np.nan, 2, 0, 3, 3, 0.5, -3, 3, 3, -3, 0.1, -0.0])
    if level != "ref64":
        a, b = np.float32(a), np.float32(b)
    for function in [*BINARY, *COMPARE]:
        with np.errstate(all="ignore"):
            want = np.asarray((BINARY | COMPARE)[function](a, b), float)
        got = run(level, "binary", [a[:, None], b[:, None]], [], {"function": function}, (1,))
        np.testing.assert_allclose(got["outputs"][0][:, 0], want, rtol=1e-6, err_msg=function)


def test_ties_share_the_gradient():
    a = np.array([[1.0, 2.0, 3.0]])
    b = np.array([[1.0, 3.0, 2.0]])
    got = run("ref64", "binary", [a, b], [], {"function": "maximum"}, (3,), np.ones((1, 3)))
    np.testing.assert_array_equal(got["dinputs"], [[[0.5, 0, 1]], [[0.5, 1, 0]]])
    got = run("ref64", "binary", [a, b], [], {"function": "minimum"}, (3,), np.ones((1, 3)))
    np.testing.assert_array_equal(got["dinputs"], [[[0.5, 1, 0]], [[0.5, 0, 1]]])


def test_power_of_zero_has_no_nan_in_its_gradient():
    a, b = np.array([[0.0, 0.0, 2.0]]), np.array([[2.0, 0.0, 0.0]])
    got = run("ref64", "binary", [a, b], [], {"function": "power"}, (3,), np.ones((1, 3)))
    np.testing.assert_allclose(got["dinputs"], [[[0, 0, 0]], [[0, 0, np.log(2)]]])


@pytest.mark.parametrize("function", ["add", "multiply"])
def test_binary_has_the_same_bits_with_two_threads(rng, function):
    a = rng.normal(size=(301, 17, 33))
    attrs = {"function": function}
    same_bits_with_two_threads("binary", [a], [rng.normal(size=33)], attrs, (17, 33))
    same_bits_with_two_threads("binary", [a], [rng.normal(size=(17, 1))], attrs, (17, 33))
    same_bits_with_two_threads("binary", [a, rng.normal(size=(301, 33))], [], attrs, (17, 33))


def test_binary_refuses():
    with pytest.raises(ValueError, match="shapes that broadcast"):
        run("ref64", "binary", [np.ones((2, 3)), np.ones((2, 4))], [], {"function": "add"}, (3,))
    with pytest.raises(ValueError, match="expected a known function"):
        run("ref64", "binary", [np.ones((2, 3))], [], {"function": "no", "number": 1.0}, (3,))


# --- select


@pytest.mark.parametrize(
    "shapes",
    [((7,), (7,), (7,)), ((), (4, 3), (3,)), ((5, 1), (3,), (1, 3)), ((2, 150), (), (150,))],
    ids=str,
)
def test_select(rng, shapes):
    c, a, b = (rng.normal(size=(5, *shape)) for shape in shapes)
    c = np.float64(c > 0)
    rank = max(map(len, shapes))
    full = [aligned(v, rank) for v in (c, a, b)]
    check("select", [c, a, b], [], {}, np.where(full[0] != 0, full[1], full[2]), fixed=[0])
    if shapes[0] != shapes[1]:
        return
    check("select", [c, b], [], {"a": 2.5}, np.where(c != 0, 2.5, b), fixed=[0])
    check("select", [c, a], [], {"b": -1.0}, np.where(c != 0, a, -1.0), fixed=[0])


def test_select_keeps_nan_of_the_other_branch_out():
    c, a, b = [[1.0, 0.0]], [[1.0, np.nan]], [[np.inf, 2.0]]
    got = run("ref64", "select", [c, a, b], [], {}, (2,), [[1.0, 1.0]])
    np.testing.assert_array_equal(got["outputs"][0], [[1, 2]])
    np.testing.assert_array_equal(got["dinputs"], [[[0, 0]], [[1, 0]], [[0, 1]]])


# --- reduce

REDUCE = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod}
AXES = [
    ((7,), [0]), ((7,), []), ((5, 3), [1]), ((5, 3), [0]), ((5, 3), [0, 1]), ((4, 3, 2), [1]),
    ((4, 3, 2), [0, 2]), ((2, 3, 4, 5), [1, 3]), ((2, 3, 2, 2, 3), [0, 2, 4]), ((1, 3, 1), [0, 2]),
    ((), []), ((9, 70), [0]), ((3, 1, 5), [-1]),
]  # fmt: skip


def reduced(f, x, axes, batch):
    axes = tuple(sorted(a + 1 if a >= 0 else a + x.ndim for a in axes))
    y = f(x, axis=((0,) if batch else ()) + axes) if axes or batch else x
    return np.broadcast_to(y, (len(x), *y.shape)) if batch else y


@pytest.mark.parametrize("shape, axes", AXES, ids=str)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("function", sorted(REDUCE))
def test_reduce(rng, function, shape, axes, batch):
    x = rng.uniform(0.7, 1.3, (5, *shape))
    attrs = {"function": function, "axes": axes, "batch": batch}
    check("reduce", [x], [], attrs, reduced(REDUCE[function], x, axes, batch))


@pytest.mark.parametrize(
    "shape, axes",
    [((7,), [0]), ((5, 21), [1]), ((5, 21), [0]), ((3, 40, 2), [1]), ((3, 4), [0, 1]), ((6,), [])],
)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("function", ["argmax", "argmin"])
def test_places(rng, function, shape, axes, batch):
    if batch and axes and axes[0] != 0:
        pytest.skip("one axis or all")
    x = np.round(2 * rng.normal(size=(5, *shape)))
    moved = [0] * batch + [a + 1 for a in axes]
    rest = [d for d in range(x.ndim) if d not in moved]
    flat = x.transpose(*rest, *moved).reshape(*[x.shape[d] for d in rest], -1)
    want = getattr(np, function)(flat, axis=-1)
    want = np.broadcast_to(want, (5, *want.shape)) if batch else want
    check("reduce", [x], [], {"function": function, "axes": axes, "batch": batch}, want,
          smooth=False, fixed=[0])  # fmt: skip


@pytest.mark.parametrize("level", ["ref64", *LEVELS])
def test_nan_wins(rng, level):
    x = rng.normal(size=(3, 40, 5))
    x[1, 17, 2] = np.nan
    for function in ("max", "min", "argmax", "argmin"):
        for axis in (0, 1):
            got = run(level, "reduce", [x], [], {"function": function, "axes": [axis]},
                      np.delete(x.shape[1:], axis))["outputs"][0]  # fmt: skip
            want = getattr(np, function)(x if level == "ref64" else np.float32(x), axis=axis + 1)
            np.testing.assert_array_equal(got, want)


def test_ties_of_max_share_the_gradient():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 3.0]])
    got = run("ref64", "reduce", [x], [], {"function": "max", "axes": [0]}, (), [3.0, 5.0])
    np.testing.assert_allclose(got["dinputs"][0], [[0, 1.5, 1.5], [0, 0, 5]])
    x = np.array([[-1.0, 0.0, 0.0], [-2.0, 0.0, -3.0]])
    for level in ("ref64", *LEVELS):
        got = run(level, "reduce", [x], [], {"function": "max", "axes": [0]}, (), [3.0, 5.0])
        np.testing.assert_allclose(got["dinputs"][0], [[0, 1.5, 1.5], [0, 5, 0]])
    x = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 3.0]])
    attrs = {"function": "max", "axes": [0], "batch": True}
    got = run("ref64", "reduce", [x], [], attrs, (), [1.0, 2.0])
    np.testing.assert_allclose(got["dinputs"][0], [[0, 1, 1], [0, 0, 1]])


@pytest.mark.parametrize("level", ["ref64", *LEVELS])
def test_sums_of_nothing(level):
    for shape, axis, left in (((0,), 0, ()), ((3, 0), 1, (3,)), ((0, 20), 0, (20,))):
        x = np.zeros((2, *shape))
        for function, want in (("sum", 0), ("mean", np.nan), ("prod", 1)):
            got = run(level, "reduce", [x], [], {"function": function, "axes": [axis]}, left)
            np.testing.assert_array_equal(got["outputs"][0], np.full((2, *left), want))


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_product_of_zeros(rng, zeros):
    x = rng.uniform(0.5, 1.5, (4, 6))
    x[1, :zeros] = 0
    check("reduce", [x], [], {"function": "prod", "axes": [0]}, x.prod(axis=1))


@pytest.mark.parametrize(
    "shape, axes", [((40000,), [0]), ((3000, 3), [0]), ((3000, 70), [0]), ((90, 100), [])]
)
@pytest.mark.parametrize("batch", [False, True])
def test_long_reductions(rng, shape, axes, batch):
    """Many chunks: accurate in float32, and the same bits with two threads."""
    x = rng.uniform(0, 1, (9, *shape))
    for function in ("sum", "mean", "max"):
        attrs = {"function": function, "axes": axes, "batch": batch}
        want = reduced(REDUCE[function], x, axes, batch)
        for level in LEVELS:
            got = run(level, "reduce", [x], [], attrs, want.shape[1:])["outputs"][0]
            np.testing.assert_allclose(got, want, rtol=2e-6)
        same_bits_with_two_threads("reduce", [x], [], attrs, want.shape[1:])


# --- matmul


@pytest.mark.parametrize(
    "a, b",
    [
        ((3, 4), (4, 5)), ((1, 1), (1, 1)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (1, 3, 4, 5)), ((2, 3, 1, 4), (2, 3, 4, 1)),
        ((2, 2, 3, 4), (2, 1, 4, 5)), ((17, 33), (33, 19)), ((5, 2, 2, 3, 4), (2, 1, 4, 2)),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("transpose", [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_matmul(rng, a, b, transpose):
    a, b = rng.normal(size=(3, *a)), rng.normal(size=(3, *b))
    rank = max(a.ndim, b.ndim) - 1
    want = aligned(a, rank) @ aligned(b, rank)
    if transpose[0]:
        a = np.swapaxes(a, -1, -2)
    if transpose[1]:
        b = np.swapaxes(b, -1, -2)
    attrs = {"transpose_a": bool(transpose[0]), "transpose_b": bool(transpose[1])}
    check("matmul", [a, b], [], attrs, want)


def test_matmul_has_the_same_bits_with_two_threads(rng):
    a, b = rng.normal(size=(4, 3, 40, 50)), rng.normal(size=(4, 1, 50, 30))
    same_bits_with_two_threads("matmul", [a, b], [], {}, (3, 40, 30))
    same_bits_with_two_threads("matmul", [a[:1, 0], b[:1, 0]], [], {}, (40, 30))


def test_matmul_refuses():
    with pytest.raises(ValueError, match="expected matrices that multiply"):
        run("ref64", "matmul", [np.ones((1, 2, 3)), np.ones((1, 2, 3))], [], {}, (2, 3))


# --- slice, gather, scan


@pytest.mark.parametrize(
    "shape, slices",
    [
        ((9,), [slice(2, 8, 2)]), ((9,), [slice(7, 1, -3)]), ((5, 6), [slice(1, 4), slice(None)]),
        ((5, 6), [slice(None), slice(2, 3)]), ((5, 6), [slice(None, None, -1), slice(1, 6, 2)]),
        ((2, 3, 4, 3, 2), [slice(None), slice(1, 3), slice(None, None, -2), slice(None), slice(1)]),
        ((5,), [slice(None)]), ((5,), [slice(None, None, -1)]), ((), []),
    ],
    ids=str,
)  # fmt: skip
def test_slice(rng, shape, slices):
    x = rng.normal(size=(3, *shape))
    want = x[(slice(None), *slices)]
    places = [s.indices(d) for s, d in zip(slices, shape, strict=True)]
    attrs = {
        "begin": [begin for begin, _, _ in places],
        "size": list(want.shape[1:]),
        "step": [step for _, _, step in places],
    }
    check("slice", [x], [], attrs, want)


def test_slice_refuses():
    with pytest.raises(ValueError, match="expected a slice inside 3 elements"):
        run("ref64", "slice", [np.ones((1, 3))], [], {"begin": [1], "size": [3], "step": [1]}, (3,))
    for begin, size, step in [(0, 2, 1 << 31), (2, 4, -1), (0, (1 << 16) + 1, 1 << 20), (0, 1, 0),
                              (-1, 1, 1), (1, 2, -(1 << 31))]:  # fmt: skip
        attrs = {"begin": [begin], "size": [size], "step": [step]}
        with pytest.raises(ValueError, match="expected a slice inside 3 elements"):
            run("ref64", "slice", [np.ones((1, 3))], [], attrs, (size,))
    for step in (1 << 62, -(1 << 63)):
        attrs = {"begin": [0], "size": [2], "step": [step]}
        with pytest.raises(ValueError, match=r"`step` from -2147483648 to 2147483648"):
            run("ref64", "slice", [np.ones((1, 3))], [], attrs, (2,))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather(rng, axis):
    x = rng.normal(size=(3, 5, 4, 6))
    indices = [3, 0, -1, 0, 2]
    want = np.take(x, indices, axis=axis + 1 if axis >= 0 else axis)
    check("gather", [x], [], {"axis": axis, "indices": indices}, want)
    attrs = {"axis": axis}
    got = check("gather", [x], [np.float64(indices)], attrs, want, fixed=[1])
    assert not got["dparams"][0].any()
    shape = list(x.shape)
    shape[axis + 1 if axis >= 0 else axis] = 7
    along = rng.integers(0, 4, shape)
    want = np.take_along_axis(x, along, axis=axis + 1 if axis >= 0 else axis)
    check("gather", [x, along], [], attrs, want, fixed=[1])


@pytest.mark.parametrize("level", ["ref64", *LEVELS])
def test_gather_stays_inside(level):
    x = np.array([[10.0, 20.0, 30.0]])
    along = np.array([[5.0, -1.0, -9.0, np.nan, np.inf, -np.inf, 1e30]])
    got = run(level, "gather", [x, along], [], {"axis": 0}, (7,), np.ones((1, 7)))
    np.testing.assert_array_equal(got["outputs"][0], [[30, 30, 10, 10, 30, 10, 30]])
    np.testing.assert_array_equal(got["dinputs"][0], [[3, 0, 4]])


@pytest.mark.parametrize("function", ["cumsum", "cumprod"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "shape, axis",
    [((7,), 0), ((5, 3), 0), ((5, 3), 1), ((2, 4, 21), 1), ((1,), 0), ((2, 3, 4, 2), -2)],
)
def test_scan(rng, function, reverse, shape, axis):
    x = rng.uniform(0.5, 1.5, (4, *shape))
    x[0, ...] = np.where(rng.uniform(size=shape) < 0.3, 0, x[0])
    at = axis + 1 if axis >= 0 else axis
    turn = (lambda v: np.flip(v, at)) if reverse else (lambda v: v)
    want = turn(getattr(np, function)(turn(x), axis=at))
    check("scan", [x], [], {"function": function, "axis": axis, "reverse": reverse}, want)


@pytest.mark.parametrize("shape, axis", [((1500,), 0), ((3, 300), 1), ((70, 40), 0)])
def test_long_lines(rng, shape, axis):
    x = rng.uniform(0.97, 1.03, (3, *shape))
    for reverse in (False, True):
        attrs = {"axis": axis, "reverse": reverse}
        turn = (lambda v: np.flip(v, axis + 1)) if reverse else (lambda v: v)
        for function in ("cumsum", "cumprod"):
            want = turn(getattr(np, function)(turn(x), axis=axis + 1))
            check("scan", [x], [], {"function": function, **attrs}, want, tolerance=1e-4)
    indices = rng.integers(0, shape[axis], 90).tolist()
    check("gather", [x], [], {"axis": axis, "indices": indices}, np.take(x, indices, axis=axis + 1))


def test_gather_of_many_columns(rng):
    x, along = rng.normal(size=(50, 6, 50)), rng.integers(0, 6, (50, 9, 50))
    check("gather", [x, along], [], {"axis": 0}, np.take_along_axis(x, along, axis=1), fixed=[1])


# --- variable, rows, losses


@pytest.mark.parametrize("shape", [(), (5,), (3, 4)], ids=str)
def test_variable_in_every_row(rng, shape):
    x, v = rng.normal(size=(6, 2)), rng.normal(size=shape)
    check("variable", [x], [v], {}, np.broadcast_to(v, (6, *shape)), fixed=[0])
    same_bits_with_two_threads("variable", [np.ones((700, 1))], [rng.normal(size=300)], {}, (300,))


def test_rows(rng):
    check("rows", [rng.normal(size=(6, 2))], [], {}, np.full(6, 6.0), fixed=[0])


@pytest.mark.parametrize("once", [False, True])
def test_add_loss(rng, once):
    x = rng.normal(size=(6, 2, 3))
    dy = rng.normal(size=x.shape)
    attrs = {"scale": 0.5, "once": once}
    for level in ("ref64", *LEVELS):
        got = run(level, "add_loss", [x], [], attrs, (2, 3), dy)
        counted = np.zeros_like(x)
        counted[: 1 if once else 6] = 1
        assert got["loss"] == pytest.approx(0.5 * (x * counted).sum(), rel=1e-5)
        np.testing.assert_allclose(got["outputs"][0], x, rtol=1e-6)
        np.testing.assert_allclose(got["dinputs"][0], dy + 0.5 * counted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", ["ref64", *LEVELS])
def test_value_is_its_own_loss(rng, level):
    p, scale = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    values, dp = _core.run_loss("value", level, {}, p, np.zeros((5, 1)), scale)
    np.testing.assert_allclose(values, p, rtol=1e-6)
    np.testing.assert_allclose(dp, scale, rtol=1e-6)
    assert _core.run_loss("value", level, {}, p, np.zeros((5, 1)))[1] is None


# --- a program that reads its targets


def op(kind, inputs, output, params=(), **attrs):
    return {
        "kind": kind, "name": kind, "inputs": list(inputs), "outputs": [output],
        "params": list(params), "attrs": attrs, "fold": 1,
    }  # fmt: skip


def squared_error(reads_targets, dtype):
    """A trainer of (w x - y)^2: in the program, or by the loss of that name."""
    slots, ops = [[3], [3], [3], [3], [3]], [op("binary", [0], 2, [0], function="multiply")]
    if reads_targets:
        ops += [
            op("binary", [2, 1], 3, function="subtract"),
            op("map", [3], 4, function="square"),
        ]
    program = {
        "dtype": dtype,
        "training": True,
        "slots": slots,
        "inputs": [0, 1] if reads_targets else [0],
        "outputs": [4 if reads_targets else 2],
        "ops": ops,
        "variables": [{"name": "w", "shape": [3], "trainable": True}],
    }
    w = _core.Variable([3], dtype)
    w.array()[...] = [0.5, -1.0, 2.0]
    loss = ("value", 4) if reads_targets else ("mean_squared_error", 2)
    spec = {
        "target": [3],
        "loss": {"kind": loss[0], "attrs": {}, "slot": loss[1]},
        "metrics": [],
        "optimizers": [{"kind": "sgd", "attrs": {"momentum": 0.0}}],
        "parameters": [{"variable": 0, "slots": []}],
    }
    return _core.Trainer(_core.Program(program), [w], spec), w


def train(trainer, x, y, order):
    rates = np.full(8, 0.1)
    trainer.run(x, y, None, order, 0, len(x), 4, 8, 1e9, rates, 1, 0)


@pytest.mark.parametrize("device", ["cpu", *GPU])
@pytest.mark.parametrize("targets", ["float32", "int64", "uint8"])
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_targets_are_the_second_input(rng, device, targets, shuffled, held):
    x = np.float32(rng.normal(size=(10, 3)))
    y = rng.integers(0, 5, (10, 3)).astype(targets)
    order = rng.permutation(10) if shuffled else None
    pyseq.config.set_device(device)
    try:
        found = []
        for reads_targets in (True, False):
            trainer, w = squared_error(reads_targets, "float32")
            if held:
                trainer.hold(x, y, None)
            for _ in range(3):
                train(trainer, x, y, order)
            found.append((w.array().copy(), trainer.totals()[0]))
    finally:
        pyseq.config.set_device("cpu")
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)


def test_a_program_that_reads_targets_needs_them():
    trainer, _ = squared_error(True, "float32")
    x = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match="expected targets, which the program reads"):
        train(trainer, x, None, None)


def test_assign_the_input_itself():
    """Nothing stands between the program's input and the assignment."""
    op = {"kind": "assign", "name": "a", "inputs": [0], "outputs": [1], "params": [0], "fold": 1}
    program = {
        "dtype": "float32",
        "training": False,
        "slots": [[3], [3]],
        "inputs": [0],
        "outputs": [1],
        "ops": [{**op, "attrs": {}}],
        "variables": [{"name": "v", "shape": [3], "trainable": False}],
    }
    v = _core.Variable([3], "float32")
    session = _core.Session(_core.Program(program), [v])
    for value in ([1, 2, 3], [4, 5, 6]):
        session.run([np.float32([value])])
        np.testing.assert_array_equal(v.array(), value)
