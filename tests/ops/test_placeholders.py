"""Functions of `ops` on a KerasTensor without layers before it: shapes and dtypes."""

import numpy as np
import pytest

import pyseq
from pyseq import ops


def tensors(m):
    return {
        "x": m.KerasTensor((None, 4, 3)),
        "square": m.KerasTensor((None, 3, 3)),
        "tall": m.KerasTensor((5, 2)),
        "vector": m.KerasTensor((5,)),
        "ints": m.KerasTensor((None, 4), dtype="int32"),
    }


CALLS = {
    "lstsq": lambda o, t: o.lstsq(t["tall"], t["vector"]),
    "matrix_rank": lambda o, t: o.matrix_rank(t["x"]),
    "pinv": lambda o, t: o.pinv(t["x"]),
    "inv": lambda o, t: o.inv(t["square"]),
    "cholesky": lambda o, t: o.cholesky(t["square"]),
    "svd": lambda o, t: o.svd(t["x"]),
    "view of fewer bytes": lambda o, t: o.view(t["ints"], "int16"),
    "view of more bytes": lambda o, t: o.view(t["ints"], "float64"),
    "select": lambda o, t: o.select([t["vector"] < 3, t["vector"] > 3], [t["vector"]] * 2, 42),
    "where": lambda o, t: o.where(t["ints"] >= 1, t["ints"], 0),
    "operators": lambda o, t: -(2 - t["ints"] * 2 + 1) ** 2,
    "division": lambda o, t: 1 / t["ints"],
    "indices": lambda o, t: t["x"][:, 1:, 0],
    "matmul": lambda o, t: t["x"] @ t["square"],
    "concatenate": lambda o, t: o.concatenate([t["vector"], t["vector"]]),
    "stack": lambda o, t: o.stack([t["vector"], t["vector"]], axis=-1),
    "reshape": lambda o, t: o.reshape(t["x"], (-1, 12)),
    "cast": lambda o, t: o.cast(t["ints"], "float32"),
    "cumsum": lambda o, t: o.cumsum(t["ints"], axis=1),
    "einsum": lambda o, t: o.einsum("abc,acd->abd", t["x"], t["square"]),
    "mean": lambda o, t: o.mean(t["ints"], axis=-1),
    "top_k": lambda o, t: o.top_k(t["x"], k=2),
}


def described(y):
    return [described(v) for v in y] if isinstance(y, (list, tuple)) else (tuple(y.shape), y.dtype)


@pytest.mark.parametrize("name", CALLS)
def test_shapes_and_dtypes_are_those_of_keras(keras, name):
    mine = CALLS[name](ops, tensors(pyseq))
    assert described(mine) == described(CALLS[name](keras.ops, tensors(keras)))


def test_what_a_function_refuses_it_refuses_of_shapes():
    with pytest.raises(ValueError, match="matrix_rank: expected matrices"):
        ops.matrix_rank(pyseq.KerasTensor((None,)))


@pytest.mark.parametrize("call", [lambda x: -x, lambda x: x + 1, lambda x: x[0]])
def test_operators_refuse_tensors_of_a_model(call):
    with pytest.raises(TypeError, match="write it in layers.Lambda"):
        call(pyseq.Input((3,)))


def test_functions_refuse_tensors_of_a_model():
    with pytest.raises(ValueError, match="only layers take it"):
        ops.pinv(pyseq.Input((3, 3)))


def test_a_number_is_not_viewed_in_another_size():
    assert ops.view(np.array(1, "int16"), "float16").shape == ()
    with pytest.raises(ValueError):
        ops.view(np.array(1, "int16"), "int32")


COMPARISONS = {
    "less": lambda x: x < 0.5,
    "less or equal": lambda x: x <= 0.5,
    "greater": lambda x: x > 0.5,
    "greater or equal": lambda x: 0.5 <= x,
    "other": lambda x: x != 1,
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_of_an_input(keras, name):
    def seen(m):
        y = COMPARISONS[name](m.Input((3,)))
        return type(y).__name__, tuple(y.shape), y.dtype

    assert seen(pyseq) == seen(keras) == ("KerasTensor", (None, 3), "bool")


def test_symbolic_tensors_have_no_truth_and_no_items(keras):
    for m in (pyseq, keras):
        x = m.KerasTensor((2, 3))
        assert (x == x) is True and {x: 1}[x] == 1
        with pytest.raises(TypeError):
            bool(x)
        with pytest.raises(NotImplementedError):
            list(x)
        flags = m.KerasTensor((2,), "bool")
        for y in (~flags, flags & flags, flags | flags, flags ^ flags):
            assert y.dtype == "bool" and tuple(y.shape) == (2,)
