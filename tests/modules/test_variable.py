"""Operators of variables against Keras: values and dtypes, with numbers, arrays and each other."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import operator

import numpy as np
import pytest

import pyseq
from pyseq import metrics, naming

ARITHMETIC = "add sub mul truediv floordiv mod pow".split()
LOGIC = "and_ or_ xor".split()
COMPARISONS = "eq ne lt le gt ge".split()
FLOATS, INTEGERS = [[1.5, -2.0], [3.0, 4.25]], [[1, 7], [3, 4]]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


# Keras on torch casts what these give to 32 bits.
CAST_BACK = ("floordiv", "matmul")


def same(ours, theirs, name=None):
    if name not in CAST_BACK or "64" not in ours.dtype.name:
        assert str(theirs.dtype) == f"torch.{ours.dtype}"
    np.testing.assert_allclose(ours, theirs.detach().cpu().numpy(), rtol=1e-6)


def pair(keras, value, dtype):
    return [m.Variable(value, dtype=dtype, trainable=False) for m in (pyseq, keras)]


@pytest.mark.parametrize("other", [2, 2.0, 3.5, True, np.float64(2), [1.0, 3.0], [1, 3]])
@pytest.mark.parametrize("name", [*ARITHMETIC, *LOGIC, *COMPARISONS])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_operators_with_numbers_and_lists(keras, name, dtype, other):
    apply = getattr(operator, name)
    if (name, other) == ("pow", 3.5):
        other = 0.0  # roots of what is negative are no numbers
    ours, theirs = pair(keras, FLOATS if dtype == "float32" else INTEGERS, dtype)
    same(apply(ours, other), apply(theirs, other))
    if isinstance(other, (int, float)) and not isinstance(other, np.generic) and name != "pow":
        same(apply(other, ours), apply(other, theirs))
    if other == 2:
        same(2**ours, 2**theirs)


@pytest.mark.parametrize("name", [*ARITHMETIC, *LOGIC, *COMPARISONS, "matmul"])
@pytest.mark.parametrize("dtypes", [("float32", "float32"), ("float32", "int32"), ("int64", "int32")])
def test_operators_between_variables(keras, name, dtypes):
    apply = getattr(operator, name)
    (a, theirs_a), (b, theirs_b) = (pair(keras, INTEGERS, dtype) for dtype in dtypes)
    same(apply(a, b), apply(theirs_a, theirs_b), name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operators_with_arrays(keras, dtype):
    ours, theirs = pair(keras, FLOATS, "float32")
    array = np.array([2.0, -3.0], dtype)
    for name in [*ARITHMETIC[:-1], *COMPARISONS]:
        apply = getattr(operator, name)
        same(apply(ours, array), apply(theirs, array), name)
        assert np.asarray(apply(array, ours)).tolist() == apply(array, ours.numpy()).tolist()


def test_unary_operators(keras):
    ours, theirs = pair(keras, [0.0, -1.26, 2.5], "float32")
    for apply in (operator.neg, operator.pos, abs, round):
        same(apply(ours), apply(theirs))
    same(round(ours, 1), round(theirs, 1))
    with pytest.raises(TypeError):
        operator.invert(ours)
    for value, dtype in (([1, -2], "int32"), ([True, False], "bool")):
        ours, theirs = pair(keras, value, dtype)
        same(~ours, ~theirs)


def test_equality_compares_elements_and_identity_finds_one():
    a, b = pyseq.Variable([1.0, 2.0]), pyseq.Variable([1.0, 3.0])
    assert (a == b).tolist() == [True, False] and (a != b).tolist() == [False, True]
    assert {a: "a", b: "b"}[b] == "b"
    assert a is not None and not a == None and a != "text"  # noqa: E711
    with pytest.raises(TypeError, match="expected an array or a number where a condition stands"):
        bool(a)
    with pytest.raises(TypeError, match="unsupported operand"):
        a + "text"


def test_variables_of_metrics_have_the_same_operators():
    mean = metrics.Mean()
    mean.update_state([1.0, 3.0])
    assert (mean.total // 3, mean.total % 3, round(mean.total / 3, 1)) == (1, 1, 1.3)
    assert mean.total == 4 and mean.total & mean.count and not mean.total ^ mean.count


def test_arguments_of_keras(keras):
    for module in (pyseq, keras):
        v = module.Variable("ones", (2,), "float32", False, False, "mean", "on_read", "total")
        assert (v.name, v.trainable, tuple(v.shape), v.aggregation) == ("total", False, (2,), "mean")
        assert v.synchronization == "on_read"
    naming.reset_uids()
    assert [pyseq.Variable(1.0).name for _ in range(2)] == ["variable", "variable_1"]


def test_operators_in_a_program():
    class Layer(pyseq.layers.Layer):
        def __init__(self):
            super().__init__()
            self.v = pyseq.Variable([2.0, 3.0], trainable=False)
            self.w = pyseq.Variable([2.0, 3.5])

        def call(self, x):
            v, w = self.v, self.w
            return abs(v) * x - v + x % v + v % x + +v + round(w) + (w == v) * 1.0 + w // v

    model = pyseq.Sequential([pyseq.Input((2,)), Layer()])
    # 10 - 2 + 1 + 2 + 2 + 2 + 1 + 1 and 21 - 3 + 1 + 3 + 3 + 4 + 0 + 1
    assert model.predict(np.array([[5.0, 7.0]]), verbose=0).tolist() == [[17.0, 30.0]]


def test_a_counter_counts_for_programs_that_read_it():
    counter = pyseq.Variable(3, dtype="int32", trainable=False)
    counter.count(1)
    assert counter.value == 4 and counter.dtype == "int32"
    twin = counter.stored_as("float32")
    counter.count(2)
    assert counter.value == 6 and twin.value == 6
