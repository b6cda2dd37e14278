"""Values and dtypes of `pyseq.ops` beside Keras, for arrays of every dtype and Python's numbers."""

import itertools
import os
import warnings

import numpy as np
import pytest

from pyseq import ops

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
ml_dtypes = pytest.importorskip("ml_dtypes")
torch = pytest.importorskip("torch")

DTYPES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()

ONE = (
    "abs absolute negative square sqrt cbrt reciprocal sign signbit exp exp2 expm1 log log10 log1p "
    "log2 sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh sinc i0 deg2rad "
    "rad2deg ceil floor trunc round real conjugate angle isfinite isinf isnan isneginf isposinf "
    "isreal logical_not nan_to_num fabs bitwise_not sum prod mean var std median max min ptp any "
    "all argmax argmin nanargmax nanargmin nanmax nanmin nansum nanprod nanmean nanvar nanstd "
    "nanmedian count_nonzero average cumsum cumprod nancumsum nancumprod diff corrcoef trapezoid "
    "sort argsort flip ravel transpose zeros_like ones_like tril triu trace diag diagonal copy "
    "squeeze rot90 fliplr flipud diagflat"
).split()
TWO = (
    "add subtract multiply divide true_divide divide_no_nan floor_divide mod fmod power maximum "
    "minimum fmax fmin arctan2 hypot logaddexp logaddexp2 heaviside nextafter gcd lcm equal "
    "not_equal greater greater_equal less less_equal logical_and logical_or logical_xor isclose "
    "bitwise_and bitwise_or bitwise_xor left_shift right_shift matmul dot inner outer "
    "tensordot kron append isin"
).split()
POSITIVE_SECOND = "floor_divide mod fmod power divide true_divide gcd lcm left_shift right_shift".split()
# Keras on torch has no unsigned integers above 8 bits.
UNSIGNED = {("int32", "uint32")}
NARROWED = {("int32", "int64"), ("float32", "float64")}


def make(dtype, rng, positive=False):
    values = rng.uniform(-3, 4, (4, 4))
    if dtype == "bool":
        return values > 0
    if positive or dtype == "uint8":
        values = np.abs(values) + positive
    return values.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)


def plain(value):
    """An answer of either library as its dtype and an array of float64, complex or bool."""
    if isinstance(value, torch.Tensor):
        name = keras.backend.standardize_dtype(value.dtype)
        value = value.detach()
        array = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    else:
        array = np.asarray(value)
        name = array.dtype.name
    return name, array if array.dtype.kind in "bc" else array.astype("float64")


def answers(function, args):
    """Dtypes and arrays that a function of Keras gives, or None where it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = function(*args)
        except (TypeError, RuntimeError, NotImplementedError, ValueError):
            return None
    return [plain(v) for v in (value if isinstance(value, (tuple, list)) else [value])]


def check(name, args, given):
    right = answers(getattr(keras.ops, name), args)
    if right is None:
        return False
    ours = getattr(ops, name)(*args)
    ours = [plain(v) for v in (ours if isinstance(ours, (tuple, list)) else [ours])]
    assert len(ours) == len(right)
    for (kind, value), (right_kind, right_value) in zip(ours, right):
        pair = right_kind, kind
        # Keras on torch rounds some answers of 64 bits to 32; here they stay exact.
        wide = pair in NARROWED and any(d.endswith("64") for d in given)
        unsigned = pair in UNSIGNED and "uint8" in given
        assert kind == right_kind or wide or unsigned, f"{name}{given}: {kind}, Keras {right_kind}"
        tolerance = 1e-5 if right_kind not in ("float16", "bfloat16") else 2e-2
        np.testing.assert_allclose(
            value, right_value, rtol=tolerance, atol=tolerance, err_msg=f"{name}{given}"
        )
    return True


@pytest.mark.parametrize("name", ONE)
def test_of_one_array(name):
    rng = np.random.default_rng(ONE.index(name))
    assert any([check(name, (make(d, rng),), (d,)) for d in DTYPES])


@pytest.mark.parametrize("name", TWO)
def test_of_two_arrays(name):
    rng = np.random.default_rng(TWO.index(name))
    positive = name in POSITIVE_SECOND
    agreed = [
        check(name, (make(a, rng, name == "power"), make(b, rng, positive)), (a, b))
        for a, b in itertools.product(DTYPES, DTYPES)
    ]
    assert any(agreed)


@pytest.mark.parametrize("name", "add subtract multiply divide maximum power equal less".split())
@pytest.mark.parametrize("number", [2, 2.0])
def test_pythons_numbers_do_not_widen(name, number):
    rng = np.random.default_rng(3)
    for dtype in DTYPES:
        check(name, (make(dtype, rng, positive=True), number), (dtype, type(number).__name__))


@pytest.mark.parametrize(
    "name, args",
    [
        ("arange", (5,)),
        ("arange", (1.0, 3.0, 0.5)),
        ("linspace", (0, 1, 5)),
        ("linspace", (0.0, 1.0, 4, False)),
        ("logspace", (0, 2, 3)),
        ("geomspace", (1.0, 8.0, 4)),
        ("full", ((2,), 1)),
        ("full", ((2,), 1.5)),
        ("full_like", (np.ones(2, "int8"), 3)),
        ("zeros", ((2, 3),)),
        ("ones", ((2,), "int8")),
        ("eye", (3, 4, 1)),
        ("identity", (2,)),
        ("tri", (3, 3, -1)),
        ("bartlett", (5,)),
        ("blackman", (5,)),
        ("hamming", (5,)),
        ("hanning", (5,)),
        ("kaiser", (5, 8.6)),
        ("histogram", (np.array([1.0, 2.0, 1.5, 0.5], "float32"), 3)),
        ("bincount", (np.array([1, 2, 1, 5]),)),
        ("bincount", (np.array([[1, 2], [0, 0]]), None, 4)),
        ("bincount", (np.array([1, 2, 1]), np.array([0.5, 1.0, 2.0], "float32"))),
        ("quantile", (np.arange(6.0, dtype="float32"), np.array([0.1, 0.5], "float32"))),
        ("percentile", (np.arange(6.0, dtype="float32").reshape(2, 3), 30.0, 1)),
        ("searchsorted", (np.array([1, 3, 5]), np.array([0, 3, 9]))),
        ("digitize", (np.array([0.5, 2.0, 9.0], "float32"), np.array([1.0, 2.0], "float32"))),
        ("take", (np.arange(6).reshape(2, 3), np.array([2, -1]), 1)),
        ("take_along_axis", (np.arange(6).reshape(2, 3), np.array([[0], [2]]), 1)),
        ("where", (np.array([True, False]), np.ones(2, "int8"), 2.5)),
        ("where", (np.array([True, False]), np.ones(2, "float16"), np.ones(2, "int32"))),
        ("unravel_index", (np.array([3, 5]), (2, 3))),
        ("array_split", (np.arange(7), 3)),
        ("hsplit", (np.arange(8).reshape(2, 4), 2)),
        ("vsplit", (np.arange(8).reshape(2, 4), 2)),
        ("dstack", ([np.arange(3), np.arange(3)],)),
        ("vstack", ([np.arange(3), np.ones(3, "float16")],)),
        ("concatenate", ([np.arange(3, dtype="int8"), np.ones(3, "float16")],)),
        ("stack", ([np.arange(3, dtype="int8"), np.ones(3, "float32")], 1)),
        ("cross", (np.array([1.0, 2.0, 3.0], "float32"), np.array([0, 1, 2]))),
        ("einsum", ("ij,jk->ik", np.ones((2, 3), "int8"), np.ones((3, 2), "int8"))),
        ("vdot", (np.arange(3), np.arange(3))),
        ("vander", (np.array([1, 2, 3]),)),
        ("view", (np.array([1.0, 2.0], "float32"), "int32")),
        ("ldexp", (np.array([1.5, 2.0], "float32"), np.array([2, 3]))),
        ("polar", (np.array([1.0, 2.0], "float32"), np.array([0.5, 3.0], "float32"))),
    ],
)
def test_makers_and_choices(name, args):
    assert check(name, args, tuple(a.dtype.name for a in args if hasattr(a, "dtype")))


def test_what_must_not_pass_to_numpy():
    x = np.ones(3, "float32")
    with pytest.raises(TypeError):
        ops.sqrt(x, np.zeros(3, "float32"))
    with pytest.raises(TypeError):
        ops.add(x, x, x)
    np.testing.assert_array_equal(x, 1)


@pytest.mark.parametrize(
    "name, args, error",
    [
        ("reshape", (np.ones(4), (-2, 2)), ValueError),
        ("unstack", (np.ones((2, 2)), None, 2), ValueError),
        ("histogram", (np.ones((2, 2)),), ValueError),
        ("histogram", (np.ones(3), 0), ValueError),
        ("searchsorted", (np.ones((2, 2)), 1), ValueError),
        ("where", (np.ones(2), 1), ValueError),
        ("rot90", (np.ones(2),), ValueError),
        ("vectorize", (3,), ValueError),
        ("pad", (np.ones(2), 1, "reflect", 3), ValueError),
        ("ldexp", (np.ones(2), np.ones(2)), TypeError),
        ("cross", (np.ones(4), np.ones(4)), ValueError),
    ],
)
def test_errors(name, args, error):
    with pytest.raises(error, match=r"expected|axis"):
        getattr(ops, name)(*args)
    with pytest.raises((ValueError, TypeError, RuntimeError, IndexError, AttributeError)):
        getattr(keras.ops, name)(*args)
