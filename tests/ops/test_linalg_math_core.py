"""`keras.ops` of the groups linalg, math and core beside Keras: values and dtypes on arrays."""

import math

import numpy as np
import pytest

from pyseq import ops

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")


def reals(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def positive(*shape):
    x = reals(*shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1], dtype="float32")


def pairs(*shape):
    x = reals(2, *shape)
    return x[0], x[1]


IDS = np.array([2, 0, 0, -1, 2, 5])
CASES = {
    "cholesky": lambda o: o.cholesky(positive(2, 4, 4)),
    "cholesky_upper": lambda o: o.cholesky(positive(5, 5), upper=True),
    "cholesky_inverse": lambda o: o.cholesky_inverse(np.linalg.cholesky(positive(4, 4))),
    "cholesky_inverse_upper": lambda o: o.cholesky_inverse(
        np.linalg.cholesky(positive(4, 4)).T.copy(), upper=True
    ),
    "det": lambda o: o.det(reals(3, 4, 4)),
    "eigh": lambda o: o.eigh(positive(3, 3))[0],
    "inv": lambda o: o.inv(reals(2, 3, 3)),
    "lstsq": lambda o: o.lstsq(reals(5, 7), reals(5, 2)),
    "lstsq_rcond": lambda o: o.lstsq(reals(7, 3), reals(7), rcond=0.5),
    "lu_factor": lambda o: o.lu_factor(reals(2, 4, 4)),
    "lu_factor_tall": lambda o: o.lu_factor(reals(5, 3)),
    "lu_factor_wide": lambda o: o.lu_factor(reals(3, 5)),
    "matrix_rank": lambda o: o.matrix_rank(np.outer(reals(4), reals(3))),
    "matrix_rank_tol": lambda o: o.matrix_rank(np.diag([3.0, 0.5, 0.01]), tol=0.1),
    "pinv": lambda o: o.pinv(reals(3, 6, 4)),
    "pinv_rcond": lambda o: o.pinv(reals(4, 6), rcond=0.4),
    "qr": lambda o: o.qr(reals(4, 3)),
    "qr_complete": lambda o: o.qr(reals(4, 3), mode="complete"),
    "solve": lambda o: o.solve(reals(3, 3), reals(3, 2)),
    "solve_vectors": lambda o: o.solve(reals(2, 3, 3), reals(2, 3)),
    "solve_triangular": lambda o: o.solve_triangular(reals(5, 5), reals(5, 2), lower=True),
    "solve_triangular_upper": lambda o: o.solve_triangular(reals(2, 3, 3), reals(2, 3)),
    "svd": lambda o: o.svd(reals(3, 5))[1],
    "svd_values": lambda o: o.svd(reals(2, 5, 3), compute_uv=False),
    "slogdet": lambda o: o.slogdet(reals(2, 3, 3)),
    "logdet": lambda o: o.logdet(positive(3, 3)),
    "logdet_of_a_negative": lambda o: o.logdet(np.diag([-1.0, 2.0])),
    "cdist": lambda o: o.cdist(reals(2, 4, 3), reals(5, 3)),
    "erf": lambda o: o.erf(np.linspace(-4, 4, 9)),
    "erfc": lambda o: o.erfc(np.linspace(-4, 9, 14)),
    "erfinv": lambda o: o.erfinv(np.array([-2.0, -1, -0.9999999, -0.3, 0, 1e-9, 0.7, 1])),
    "extract_sequences": lambda o: o.extract_sequences(reals(2, 11), 4, 3),
    "fft": lambda o: o.fft(pairs(2, 6)),
    "fft2": lambda o: o.fft2(pairs(2, 4, 3)),
    "ifft2": lambda o: o.ifft2(pairs(2, 4, 3)),
    "rfft": lambda o: o.rfft(reals(3, 10)),
    "rfft_padded": lambda o: o.rfft(reals(10), fft_length=15),
    "irfft": lambda o: o.irfft(pairs(3, 6)),
    "irfft_cut": lambda o: o.irfft(pairs(6), fft_length=7),
    "stft": lambda o: o.stft(reals(2, 40), 8, 3, 8),
    "stft_padded": lambda o: o.stft(reals(40), 8, 3, 13, window="hamming"),
    "stft_plain": lambda o: o.stft(reals(2, 3, 40), 8, 4, 10, window=None, center=False),
    "istft": lambda o: o.istft(pairs(2, 12, 5), 8, 3, 8),
    "istft_length": lambda o: o.istft(pairs(12, 5), 8, 2, 8, length=20, window="hamming"),
    "istft_padded": lambda o: o.istft(pairs(3, 12, 7), 8, 3, 13, window="hamming"),
    "istft_plain": lambda o: o.istft(pairs(12, 5), 8, 4, 8, window=None, center=False),
    "istft_own_window": lambda o: o.istft(pairs(12, 5), 8, 4, 8, window=np.arange(1.0, 9)),
    "in_top_k": lambda o: o.in_top_k(
        np.array([1, 0, 2]), np.array([[0.1, 0.9, 0.9], [0.3, np.nan, 0.5], [1.0, 2, np.nan]]), 2
    ),
    "top_k": lambda o: o.top_k(reals(3, 7), 4)[0],
    "top_k_indices": lambda o: np.asarray(o.top_k(reals(3, 7), 4)[1]).astype("int32"),
    "logsumexp": lambda o: o.logsumexp(100 * reals(3, 4), axis=1),
    "logsumexp_all": lambda o: o.logsumexp(np.array([[-np.inf, 3.0], [2.0, 1.0]]), keepdims=True),
    "rsqrt": lambda o: o.rsqrt(np.array([0.0, 4.0, -1.0])),
    "segment_sum": lambda o: o.segment_sum(reals(6, 2), IDS, num_segments=4),
    "segment_sum_of_ints": lambda o: o.segment_sum(np.arange(6), np.array([0, 0, 1, 1, 2, 2])),
    "segment_prod": lambda o: o.segment_prod(reals(6), IDS, num_segments=3),
    "segment_max": lambda o: o.segment_max(reals(6, 2), IDS, num_segments=3),
    "segment_min": lambda o: o.segment_min(reals(6, 2), IDS, num_segments=3),
    "view_as_complex": lambda o: o.view_as_complex(reals(3, 2)),
    "view_as_real": lambda o: o.view_as_real(np.array([1 + 2j, 3 - 1j], "complex64")),
    "scatter": lambda o: o.scatter(np.array([[0, 1], [1, 1], [0, 1]]), reals(3, 2), (2, 3, 2)),
    "scatter_numbers": lambda o: o.scatter(np.array([[1], [3]]), np.array([7, 8]), (5,)),
    "scatter_update": lambda o: o.scatter_update(reals(4, 3), [[3, 1], [0, 2]], np.ones(2)),
    "scatter_update_rows": lambda o: o.scatter_update(reals(4, 3), [[3], [-4]], reals(2, 3)),
    "slice": lambda o: o.slice(reals(4, 5), (1, 2), (2, 3)),
    "slice_update": lambda o: o.slice_update(reals(4, 5), (1, 2), np.ones((2, 3), "float32")),
    "saturate_cast": lambda o: o.saturate_cast(np.array([-5.0, 3.7, 300.0, np.inf]), "uint8"),
    "saturate_cast_float": lambda o: o.saturate_cast(np.float32([1e6, -1e6, 2.5]), "float16"),
    "scan": lambda o: o.scan(lambda c, x: (c + x, c * x), np.zeros(2), np.ones((3, 2))),
    "scan_back": lambda o: o.scan(
        lambda c, x: (c + x["a"], c), np.float32(1), {"a": reals(4)}, reverse=True
    ),
    "scan_length": lambda o: o.scan(lambda c, _: (2 * c, None), np.float32(1), length=3)[0],
    "map": lambda o: o.map(lambda x: x[0] * x[1], (reals(3, 2), reals(3, 2))),
    "vectorized_map": lambda o: o.vectorized_map(
        lambda x: o.sum(x[0] * x[1]), [o.convert_to_tensor(p) for p in pairs(3, 2)]
    ),
    "associative_scan": lambda o: o.associative_scan(lambda a, b: a * b, reals(3, 7), axis=1),
    "associative_scan_reverse": lambda o: o.associative_scan(
        lambda a, b: (a[0] * b[0], b[0] * a[1] + b[1]), pairs(6, 2), reverse=True
    ),
    "while_loop": lambda o: o.while_loop(
        lambda i, x: i < 5, lambda i, x: (i + 1, x * 2), (0, reals(2)), maximum_iterations=3
    ),
    "fori_loop": lambda o: o.fori_loop(1, 5, lambda i, x: x * i, reals(2)),
    "cond": lambda o: o.cond(np.array(False), lambda: reals(2), lambda: -reals(2)),
    "switch": lambda o: o.switch(9, [lambda x: x, lambda x: -x], reals(2)),
}
for _ord in (None, "fro", "nuc", np.inf, -np.inf, 1, -1, 2, -2):
    CASES[f"norm_matrix_{_ord}"] = lambda o, p=_ord: o.norm(
        reals(3, 4, 5), ord=p, axis=(0, 2), keepdims=True
    )
for _ord in (None, 0, 1, -1, 2, 3, 0.5, np.inf, -np.inf):
    CASES[f"norm_vector_{_ord}"] = lambda o, p=_ord: o.norm(reals(3, 4), ord=p, axis=1)


def parts(y):
    return [p for x in y for p in parts(x)] if isinstance(y, (tuple, list)) else [np.asarray(y)]


@pytest.mark.parametrize("name", CASES)
def test_values_and_dtypes(keras, name):
    got, expected = parts(CASES[name](ops)), parts(CASES[name](keras.ops))
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("reduction", ["add", "max", "MIN", "mul", None])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_reductions_of_scatter_update(keras, reduction, dtype):
    def run(o):
        x = np.arange(8).reshape(4, 2).astype(dtype)
        return o.scatter_update(x, [[0], [0], [2]], np.array([[3, 9], [4, 1], [5, 5]]), reduction)

    x = np.asarray(run(ops))
    assert x.dtype == dtype and x.tolist() == np.asarray(run(keras.ops)).tolist()


def test_saturate_cast_stays_below_what_a_float_cannot_hold():
    assert ops.saturate_cast(np.float32([3e9, -3e9]), "int32").tolist() == [2147483520, -(2**31)]
    assert ops.saturate_cast(np.array([-1, 2**40]), "uint8").tolist() == [0, 255]
    assert ops.saturate_cast([300.5], "float16").tolist() == [300.5]


def test_inputs_stay_as_they_are():
    x = np.zeros(3)
    ops.scatter_update(x, [[0]], [1.0])
    ops.slice_update(x, [1], [5.0])
    ops.convert_to_numpy(x)[0] = 9
    assert x.tolist() == [0, 0, 0]


# In Keras the functions that are fractional give `floatx()` of integers and bools.
FRACTIONAL = {
    "cdist": lambda x: ops.cdist(x, x),
    "det": ops.det,
    "erf": ops.erf,
    "erfc": ops.erfc,
    "erfinv": ops.erfinv,
    "inv": ops.inv,
    "logsumexp": ops.logsumexp,
    "norm": ops.norm,
    "qr": lambda x: ops.qr(x)[0],
    "rfft": lambda x: ops.rfft(x)[0],
    "rsqrt": ops.rsqrt,
    "solve": lambda x: ops.solve(x, x),
    "svd": lambda x: ops.svd(x)[1],
}
OWN = {
    "extract_sequences": lambda x: ops.extract_sequences(x, 2, 1),
    "scatter": lambda x: ops.scatter([[0], [2]], x, (3, 2)),
    "scatter_update": lambda x: ops.scatter_update(x, [[0, 0]], [1]),
    "segment_sum": lambda x: ops.segment_sum(x, [0, 0]),
    "slice": lambda x: ops.slice(x, (0, 0), (1, 1)),
    "top_k": lambda x: ops.top_k(x, 1)[0],
    "associative_scan": lambda x: ops.associative_scan(np.maximum, x),
}
FLOATS = ("bfloat16", "float16", "float32", "float64")


def matrix(dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    return np.eye(2).astype(dtype)


@pytest.mark.parametrize("name", FRACTIONAL)
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "bool"])
def test_fractional_dtypes(name, dtype):
    y = np.asarray(FRACTIONAL[name](matrix(dtype)))
    assert y.dtype.name == (dtype if dtype in FLOATS else "float32")
    exact = np.asarray(FRACTIONAL[name](np.eye(2)))
    np.testing.assert_allclose(y.astype("float64"), exact, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "uint8"])
def test_dtypes_that_stay(name, dtype):
    assert OWN[name](matrix(dtype)).dtype.name == dtype


def test_dtypes_of_counts():
    assert ops.matrix_rank(np.eye(2)).dtype == ops.top_k([1.0, 2.0], 1)[1].dtype == "int32"
    assert ops.lu_factor(np.eye(2))[1].dtype == "int32"
    assert ops.in_top_k([0], [[1.0, 2.0]], 1).dtype == "bool"
    assert ops.eig(np.eye(2, dtype="float32"))[0].dtype == "complex64"
    assert ops.dtype(np.zeros(1, "int8")) == "int8"


@pytest.mark.parametrize("dtype, digits", [("float64", 1e-14), ("float32", 2e-7)])
def test_erfinv_is_right_to_the_last_digits(dtype, digits):
    special = pytest.importorskip("scipy.special")
    x = np.concatenate([np.linspace(-0.999, 0.999, 301), 1 - 10.0 ** -np.arange(3, 7), [1e-30]])
    x = x.astype(dtype)
    expected = special.erfinv(x.astype("float64"))
    np.testing.assert_allclose(ops.erfinv(x), expected, rtol=digits)
    tail = np.array([0.5, 5.0, 8.0]).astype(dtype)
    np.testing.assert_allclose(ops.erfc(tail), special.erfc(tail.astype("float64")), rtol=digits)


def test_factors_give_the_matrix_again():
    x = reals(2, 4, 4)
    values, vectors = ops.eig(x)
    np.testing.assert_allclose(x @ vectors, vectors * values[:, None], atol=1e-5)
    values, vectors = ops.eigh(positive(4, 4))
    np.testing.assert_allclose(vectors * values @ vectors.T, positive(4, 4), atol=1e-4)
    u, s, vh = ops.svd(reals(3, 5))
    assert u.shape == (3, 3) and vh.shape == (5, 5)
    np.testing.assert_allclose(u * s @ vh[:3], reals(3, 5), atol=1e-5)
    parts = ops.stft(reals(64), 8, 2, 8)
    np.testing.assert_allclose(ops.istft(parts, 8, 2, 8), reals(64), atol=1e-5)


def test_substitution_keeps_to_its_triangle():
    a, b = reals(37, 37) + 8 * np.eye(37, dtype="float32"), reals(37, 3)
    np.testing.assert_allclose(np.tril(a) @ ops.solve_triangular(a, b, lower=True), b, atol=1e-4)
    np.testing.assert_allclose(np.triu(a) @ ops.solve_triangular(a, b), b, atol=1e-4)
    many = ops.solve_triangular(np.triu(a), np.stack([b, 2 * b]))
    np.testing.assert_allclose(np.triu(a) @ many[1], 2 * b, atol=1e-4)


def test_segments_and_top_k_of_integers():
    data = np.array([3, -1, 4], "int8")
    assert ops.segment_max(data, [0, 0, 2]).tolist() == [3, -128, 4]
    assert ops.segment_min(data, [0, 0, 2]).tolist() == [-1, 127, 4]
    least = np.array([-(2**63), 5, 5, 2**63 - 1])
    values, indices = ops.top_k(least, 3)
    assert values.tolist() == [2**63 - 1, 5, 5] and indices.tolist() == [3, 1, 2]
    assert ops.top_k(np.array([3, 250], "uint8"), 1)[0].tolist() == [250]


def test_loops_over_structures():
    y = ops.while_loop(
        lambda s: s["a"] < 10,
        lambda s: {"a": s["a"] + 3, "b": (s["b"][0] - 1,)},
        {"a": 0, "b": (5,)},
    )
    assert y["a"] == 12 and y["b"][0] == 1 and y["a"].dtype == "int32"
    assert ops.cond(True, lambda: None, lambda: None) is None
    assert ops.associative_scan(np.add, np.arange(1)).tolist() == [0]
    doubled = ops.map(lambda x: {"y": x * 2}, np.arange(3))
    assert doubled["y"].tolist() == [0, 2, 4]


def test_a_custom_gradient_on_arrays_is_its_value():
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)
        return ops.log(1 + e), lambda *args, upstream=None: upstream * (1 - 1 / (1 + e))

    np.testing.assert_allclose(log1pexp(np.zeros(2)), math.log(2))
    assert log1pexp.__name__ == "log1pexp"


SQUARE, FRAME = np.eye(2), np.ones((2, 2, 2))
WRONG = {
    "cholesky: expected square": lambda: ops.cholesky(np.ones((2, 3))),
    "cholesky: expected matrices that": lambda: ops.cholesky(-SQUARE),
    "cholesky_inverse: expected square": lambda: ops.cholesky_inverse(np.ones(3)),
    "det: expected square": lambda: ops.det(np.ones((2, 3))),
    "eig: expected square": lambda: ops.eig(np.ones(2)),
    "eigh: expected square": lambda: ops.eigh(np.ones(2)),
    "inv: expected matrices that": lambda: ops.inv(np.zeros((2, 2))),
    "lu_factor: expected matrices": lambda: ops.lu_factor(np.ones(2)),
    "matrix_rank: expected matrices": lambda: ops.matrix_rank(np.ones(2)),
    "pinv: expected matrices": lambda: ops.pinv(np.ones(2)),
    "lstsq: expected a": lambda: ops.lstsq(SQUARE, np.ones(3)),
    "qr: expected mode": lambda: ops.qr(SQUARE, mode="raw"),
    "qr: expected matrices": lambda: ops.qr(np.ones(2)),
    "solve: expected b": lambda: ops.solve(SQUARE, np.ones(3)),
    "solve: expected matrices that": lambda: ops.solve(np.zeros((2, 2)), np.ones(2)),
    "solve_triangular: expected b": lambda: ops.solve_triangular(SQUARE, np.float32(1)),
    "svd: expected matrices": lambda: ops.svd(np.ones(2)),
    "norm: expected different axes": lambda: ops.norm(np.ones(2), axis=1),
    "norm: expected a number": lambda: ops.norm(np.ones(2), ord="fro"),
    "got ord=3 along 2": lambda: ops.norm(SQUARE, ord=3),
    "cdist: expected arrays": lambda: ops.cdist(np.ones((2, 3)), np.ones((2, 4))),
    "top_k: expected a whole number": lambda: ops.top_k(np.ones(3), 4),
    "in_top_k: expected a whole": lambda: ops.in_top_k([0], [[1.0]], 2),
    "in_top_k: expected targets": lambda: ops.in_top_k([0, 0], [[1.0]], 1),
    "extract_sequences: expected windows": lambda: ops.extract_sequences(np.ones(3), 4, 1),
    "segment_sum: expected a vector": lambda: ops.segment_sum(np.ones(4), np.zeros((2, 2), int)),
    "segment_max: expected a vector": lambda: ops.segment_max(np.ones(4), [0, 1]),
    "view_as_complex: expected": lambda: ops.view_as_complex(np.ones(3)),
    "fft: expected a tuple": lambda: ops.fft(np.ones(3)),
    "fft: expected two float arrays": lambda: ops.fft((np.ones(3), np.ones(4))),
    "of int64 and int64": lambda: ops.fft((np.arange(3), np.arange(3))),
    "fft2: expected at least 2 axes": lambda: ops.fft2((np.ones(3), np.ones(3))),
    "rfft: expected a length": lambda: ops.rfft(np.ones(3), fft_length=0),
    "irfft: expected a length": lambda: ops.irfft((np.ones(3), np.ones(3)), fft_length=-1),
    "stft: expected sequence_stride": lambda: ops.stft(np.ones(9), 4, 1.5, 4),
    "stft: expected sequence_length": lambda: ops.stft(np.ones(9), 4, 1, 2),
    "stft: expected the window": lambda: ops.stft(np.ones(9), 4, 1, 4, window="box"),
    "stft: expected a window": lambda: ops.stft(np.ones(9), 4, 1, 4, window=np.ones(3)),
    "istft: expected windows that reach": lambda: ops.istft(pairs(9, 5), 8, 8, 8),
    "istft: expected parts": lambda: ops.istft((np.ones(5), np.ones(5)), 8, 2, 8),
    "scatter_update: expected the reduction": lambda: ops.scatter_update(SQUARE, [[0]], 1, "or"),
    "scatter_update: expected updates": lambda: ops.scatter_update(SQUARE, [[0]], np.ones((2, 3))),
    "scatter_update: expected integer": lambda: ops.scatter_update(SQUARE, [[0, 0, 0]], [1.0]),
    "slice: expected a start": lambda: ops.slice(SQUARE, [0], [1, 1]),
    "slice_update: expected updates within": lambda: ops.slice_update(SQUARE, [1, 1], SQUARE),
    "cond: expected one value": lambda: ops.cond(np.ones(2), lambda: 1, lambda: 2),
    "switch: expected at least one": lambda: ops.switch(0, []),
    "while_loop: expected 1 values": lambda: ops.while_loop(
        lambda x: x < 1, lambda x: (x + 1, x), 0
    ),
    "scan: expected unroll": lambda: ops.scan(max, 0, np.ones(2), unroll=0),
    "scan: expected xs or length": lambda: ops.scan(max, 0),
    "scan: expected first axes": lambda: ops.scan(max, 0, np.ones(2), length=3),
    "map: expected arrays with": lambda: ops.map(abs, 1.0),
    "map: expected at least one step": lambda: ops.map(abs, np.ones((0, 2))),
    "vectorized_map: expected one length": lambda: ops.vectorized_map(
        sum, [np.ones(2), np.ones(3)]
    ),
    "first dimension": lambda: ops.associative_scan(max, [np.ones(2), np.ones(3)]),
    "associative_scan: expected arrays": lambda: ops.associative_scan(max, np.ones(2), axis=1),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_values(message):
    with pytest.raises(ValueError) as raised:
        WRONG[message]()
    assert message in str(raised.value)


def test_wrong_kinds():
    with pytest.raises(TypeError, match="scan: expected a function, got 123"):
        ops.scan(123, 0, np.ones(2))
    with pytest.raises(TypeError, match="stft: expected float32 or float64, got int64"):
        ops.stft(np.arange(9), 4, 1, 4)
    with pytest.raises(IndexError, match="scatter_update: expected indices within"):
        ops.scatter_update(SQUARE, [[2]], [1.0])


def test_the_namespace_of_linalg(keras):
    names = [n for n in dir(keras.ops.linalg) if not n.startswith("_")]
    assert sorted(ops.linalg.__all__) == sorted(names)
    assert all(getattr(ops.linalg, n) is getattr(ops, n) for n in names)
