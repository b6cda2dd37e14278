"""NumPy activations against Keras, and at the ends of the number range."""

import inspect
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

from pyseq import activations
from pyseq.saving import custom_object_scope, register_keras_serializable

NAMES = sorted(set(activations.CORE_NAME) | {"swish", "hard_swish"})
GRID = np.concatenate([np.linspace(-8, 8, 161), [-100.0, -30.0, 30.0]]).astype("float32")


def _inputs():
    rows = np.random.default_rng(0).normal(0, 3, (7, 10)).astype("float32")
    return [GRID.reshape(2, 82), rows]


# sparsemax: Keras 3.15 adds up cumulative sums instead of taking the last one, so that rows with
# more than one positive entry do not sum to 1; test_sparsemax_is_the_projection checks pyseq's.
@pytest.mark.parametrize("name", [n for n in NAMES if n != "sparsemax"])
def test_equals_keras(name):
    keras = pytest.importorskip("keras")
    ours, theirs = activations.get(name), keras.activations.get(name)
    for x in _inputs():
        expected = np.asarray(theirs(keras.ops.convert_to_tensor(x)))
        np.testing.assert_allclose(ours(x), expected, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("relu", {"negative_slope": 0.1, "max_value": 3.0, "threshold": 0.5}),
        ("relu", {"max_value": 2.0}),
        ("leaky_relu", {"negative_slope": 0.4}),
        ("elu", {"alpha": 0.5}),
        ("celu", {"alpha": 0.5}),
        ("gelu", {"approximate": True}),
        ("glu", {"axis": 0}),
        ("hard_shrink", {"threshold": 1.5}),
        ("soft_shrink", {"threshold": 1.5}),
        ("squareplus", {"b": 2}),
        ("softmax", {"axis": 0}),
        ("softmax", {"axis": (0, 1)}),
        ("log_softmax", {"axis": 0}),
        ("threshold", {"threshold": 0.5, "default_value": -7.0}),
    ],
)
def test_arguments_equal_keras(name, arguments):
    keras = pytest.importorskip("keras")
    x = _inputs()[0]
    expected = getattr(keras.activations, name)(keras.ops.convert_to_tensor(x), **arguments)
    ours = getattr(activations, name)(x, **arguments)
    np.testing.assert_allclose(ours, np.asarray(expected), rtol=3e-5, atol=3e-6)


@pytest.mark.parametrize("name", NAMES)
def test_signature_equals_keras(name):
    keras = pytest.importorskip("keras")

    def signature(module):
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        return [(p.name, p.default, p.kind) for p in parameters]

    assert signature(activations) == signature(keras.activations)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_dtype(name, dtype):
    x = np.array([[-2, 1, 3, 0]], dtype=dtype)
    kept = name == "linear"
    expected = dtype if dtype != "int32" or kept else "float32"
    assert activations.get(name)(x).dtype == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [n for n in NAMES if n != "exponential"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_values_stay_finite_without_warnings(name, dtype):
    x = np.array([[-1e4, -90.0, 0.0, 0.0, 90.0, 1e4]], dtype=dtype)
    y = activations.get(name)(x)
    assert np.isfinite(y).all(), y


def test_float64_accuracy():
    x = np.linspace(-5, 5, 41)
    s = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(activations.sigmoid(x), s, rtol=1e-14)
    np.testing.assert_allclose(activations.softplus(x), np.log1p(np.exp(x)), rtol=1e-13)
    np.testing.assert_allclose(activations.silu(x), x * s, rtol=1e-13, atol=1e-300)
    special = pytest.importorskip("scipy.special")
    np.testing.assert_allclose(activations.gelu(x), x * special.ndtr(x), rtol=1e-9, atol=1e-15)


def test_nan_stays_nan():
    x = np.array([np.nan, 1.0], dtype="float32")
    for name in ("relu", "relu6", "leaky_relu", "elu", "sigmoid", "tanh", "hard_sigmoid", "gelu"):
        assert np.isnan(activations.get(name)(x)[0]), name


def test_probabilities():
    x = np.random.default_rng(0).normal(0, 5, (6, 5, 4))
    for fn in (activations.softmax, activations.sparsemax):
        for axis in (-1, 0, 1):
            y = fn(x, axis=axis)
            np.testing.assert_allclose(y.sum(axis=axis), 1, rtol=1e-12)
            assert (y >= 0).all()
    assert activations.softmax(np.array([1.0, 1.0])).tolist() == [0.5, 0.5]


def test_sparsemax_is_the_projection():
    x = np.random.default_rng(1).normal(0, 0.7, (20, 6))
    # The projection is max(x - tau, 0) with the tau that makes it sum to 1; found by bisection.
    low, high = x.min(axis=1) - 1, x.max(axis=1)
    for _ in range(100):
        tau = (low + high) / 2
        above = np.maximum(x - tau[:, None], 0).sum(axis=1) > 1
        low, high = np.where(above, tau, low), np.where(above, high, tau)
    np.testing.assert_allclose(
        activations.sparsemax(x), np.maximum(x - tau[:, None], 0), atol=1e-12
    )


def test_names_and_serialization_equal_keras():
    keras = pytest.importorskip("keras")
    for name in dir(keras.activations):
        if not name.startswith("_"):
            assert hasattr(activations, name), name
    for name in NAMES:
        ours = activations.serialize(activations.get(name))
        assert ours == keras.activations.serialize(keras.activations.get(name))
        assert activations.deserialize(ours) is activations.get(name)
    assert activations.get(None) is activations.linear
    as_dict = {
        "module": "builtins",
        "class_name": "function",
        "config": "relu",
        "registered_name": "function",
    }
    assert activations.get(as_dict) is activations.relu


def test_custom_activation():
    keras = pytest.importorskip("keras")

    def cube(x):
        return x**3

    assert activations.get(cube) is cube
    assert activations.serialize(cube) == keras.activations.serialize(cube)
    with custom_object_scope({"cube": cube}):
        assert activations.get("cube") is cube
        assert activations.get(activations.serialize(cube)) is cube
    assert activations.deserialize("cube", {"cube": cube}) is cube
    registered = register_keras_serializable("test_activations")(cube)
    config = activations.serialize(registered)
    assert config["config"] == "test_activations>cube"
    assert activations.get(config) is cube


def test_core_names():
    assert activations.core(activations.relu) == ("relu", [])
    assert activations.core(activations.get("swish")) == ("silu", [])
    assert activations.core(activations.elu) == ("elu", [1.0])
    assert activations.core(np.tanh) is None
    assert activations.core(activations.threshold) is None


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: activations.get("rellu"), ValueError, "rellu"),
        (lambda: activations.get(3), ValueError, "3"),
        (lambda: activations.glu(np.ones((2, 3))), ValueError, "even"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
