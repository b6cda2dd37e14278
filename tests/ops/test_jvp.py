"""`ops.jvp` beside Keras on torch, and its errors."""

import numpy as np
import pytest

from pyseq import Input, KerasTensor, Sequential, layers, ops

# Torch's own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

rng = np.random.default_rng(0)
A = rng.normal(size=(3, 4)).astype("float32")
B = rng.normal(size=(4, 2)).astype("float32")
SQUARE = rng.normal(size=(4, 4)).astype("float32")
STEPS = rng.normal(size=(2, 6, 3)).astype("float32")
KERNEL = rng.normal(size=(3, 3, 2)).astype("float32")

FUNCTIONS = {
    "sin": (lambda o, x: o.sin(x), A),
    "number": (lambda o, x: x**3, np.float32(2.0)),
    "chain": (lambda o, x: o.exp(o.tanh(x) * 2) / (1 + o.square(x)), A),
    "where": (lambda o, x: o.where(x > 0, o.log(o.abs(x)), x), A),
    "gelu": (lambda o, x: o.gelu(x, approximate=False), A),
    "matmul": (lambda o, a, b: o.matmul(a, b), A, B),
    "product with its transpose": (lambda o, x: o.matmul(x, o.transpose(x)), A),
    "einsum": (lambda o, a, b: o.einsum("ij,jk->ki", a, b), A, B),
    "a constant matrix": (lambda o, x: o.relu(o.matmul(x, o.convert_to_tensor(SQUARE))), A),
    "sum": (lambda o, x: o.sum(x * x, axis=0), A),
    "mean": (lambda o, x: x - o.mean(x, axis=0), A),
    "prod": (lambda o, x: o.prod(x, axis=1), A),
    "softmax": (lambda o, x: o.softmax(x, axis=-1), A),
    "logsumexp": (lambda o, x: o.logsumexp(x, axis=1), A),
    "several": (lambda o, a, b: (o.matmul(a, b), {"s": [o.sum(a) * o.max(b)]}), A, B),
    "constant": (lambda o, x: o.ones((2,)), A),
    "whole numbers": (lambda o, x: o.argmax(x, axis=1), A),
    "indices": (lambda o, x: x[1:, ::2] * x[0, 0], A),
    "concatenate": (lambda o, a, b: o.concatenate([a, o.transpose(b)], axis=0), A, B),
    "diagonals": (lambda o, x: o.diagonal(x, 1) * o.trace(x) + o.sum(o.diag(x)), SQUARE),
    "cholesky": (lambda o, x: o.cholesky(o.matmul(x, o.transpose(x))), SQUARE),
    "conv": (lambda o, x, k: o.conv(x, k, padding="same"), STEPS, KERNEL),
    "max_pool": (lambda o, x: o.max_pool(x, 2), STEPS),
}


def arrays(y):
    if isinstance(y, dict):
        return arrays(list(y.values()))
    if isinstance(y, (list, tuple)):
        return [a for part in y for a in arrays(part)]
    return [np.array(y.tolist() if hasattr(y, "detach") else y)]


def structure(y):
    if isinstance(y, dict):
        return {k: structure(v) for k, v in y.items()}
    return [structure(v) for v in y] if isinstance(y, (list, tuple)) else tuple(y.shape)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_beside_keras(keras, name):
    function, *primals = FUNCTIONS[name]
    draw = np.random.default_rng(1)
    tangents = [draw.normal(size=np.shape(x)).astype("float32") for x in primals]
    got = ops.jvp(lambda *xs: function(ops, *xs), primals, tangents)
    tensors = [tuple(map(keras.ops.convert_to_tensor, xs)) for xs in (primals, tangents)]
    want = keras.ops.jvp(lambda *xs: function(keras.ops, *xs), *tensors)
    assert structure(got) == structure(want)
    for a, b in zip(arrays(got), arrays(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    for y, slope in zip(arrays(got[0]), arrays(got[1]), strict=True):
        assert y.dtype == slope.dtype


def test_aux_and_structures():
    def function(pair, z):
        y = pair["a"] * z + ops.sin(pair["b"])
        return y, ops.sum(y)

    primals = [{"a": A, "b": 2 * A}, np.ones(4, "float32")]
    tangents = [{"a": np.ones_like(A), "b": A}, np.array([0.5, 0.0, 0.0, 1.0], "float32")]
    y, slope, aux = ops.jvp(function, primals, tangents, has_aux=True)
    np.testing.assert_allclose(aux, y.sum(), rtol=1e-6)
    want = 1.0 + A * tangents[1] + np.cos(2 * A) * A
    np.testing.assert_allclose(slope, want, rtol=1e-5, atol=1e-6)


def test_float64_has_its_digits_and_float16_is_rounded():
    x = np.linspace(0.1, 2, 5)
    y, slope = ops.jvp(lambda x: ops.log(x) * ops.sin(x), (x,), (np.ones(5),))
    want = np.sin(x) / x + np.log(x) * np.cos(x)
    assert slope.dtype == y.dtype == "float64"
    np.testing.assert_allclose(slope, want, rtol=1e-12)
    half = x.astype("float16")
    slope = ops.jvp(ops.exp, (half,), (np.ones(5, "float16"),))[1]
    assert slope.dtype == "float16"
    np.testing.assert_allclose(slope, np.exp(half.astype("float32")), rtol=1e-3)


def test_layers_and_weights_in_the_function():
    layer = layers.Dense(2, activation="tanh")
    layer.build((None, 4))
    y, slope = ops.jvp(layer, (A,), (np.ones_like(A),))
    np.testing.assert_allclose(y, layer(A), rtol=1e-6)
    w = layer.kernel.numpy()
    np.testing.assert_allclose(slope, (1 - y**2) * w.sum(0), rtol=1e-4, atol=1e-6)


def test_more_elements_than_one_pass_takes(monkeypatch):
    from pyseq.training import derivatives

    monkeypatch.setattr(derivatives, "_AT_ONCE", 200)
    _, slope = ops.jvp(lambda x: ops.cumsum(x * x, axis=1), (A,), (B.T.repeat(2, 0)[:3],))
    want = np.cumsum(2 * A * B.T.repeat(2, 0)[:3], axis=1)
    np.testing.assert_allclose(slope, want, rtol=1e-5, atol=1e-6)


def test_shapes_of_symbolic_tensors():
    x = KerasTensor((None, 7))
    y, slope = ops.jvp(lambda x: ops.sin(x) + ops.cos(x), (x,), (x,))
    assert y.shape == slope.shape == (None, 7)
    found = ops.jvp(lambda x: (ops.exp(x), ops.mean(x, axis=-1)), (x,), (x,), has_aux=True)
    assert [t.shape for t in found] == [(None, 7), (None, 7), (None,)]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((3, (A,), (A,)), TypeError, "expected a function, got 3"),
        ((np.sin, A, (A,)), TypeError, r"list or tuple.*`primals`.*\(primal,\)"),
        ((np.sin, (A,), A), TypeError, "list or tuple.*`tangents`"),
        ((np.sin, (A,), (A, A)), ValueError, "structure of the primals"),
        ((np.sin, (A,), (B,)), ValueError, r"shape of its primal \(3, 4\), got \(4, 2\)"),
        ((np.negative, (np.arange(3),), (np.arange(3),)), TypeError, "of floats, got int64"),
        ((np.sin, (A,), (A,), True), ValueError, r"returns \(value, aux\)"),
        ((ops.sort, (A,), (A,)), TypeError, "jvp: expected an operation that the core can run"),
        (
            (lambda x: x if ops.sum(x) > 0 else -x, (A,), (A,)),
            TypeError,
            "jvp: expected code for any values",
        ),
    ],
)
def test_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        ops.jvp(*arguments)


def test_within_a_loss_it_is_refused():
    model = Sequential([Input((4,)), layers.Dense(2)])
    model.compile("sgd", lambda y, z: ops.mean(ops.jvp(ops.sin, (z,), (z,))[1]))
    with pytest.raises(TypeError, match="expected arrays for jvp"):
        model.train_on_batch(A, A[:, :2])
