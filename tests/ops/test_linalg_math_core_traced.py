"""`keras.ops` of the groups linalg, math and core in layers: values and trained weights beside Keras."""

import numpy as np
import pytest

import pyseq
from pyseq import ops

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

DFT = {"rtol": 1e-3, "atol": 1e-4}


def spd(o, x):
    """Positive definite matrices (n, 4, 4) of vectors (n, 8)."""
    m = o.reshape(x, (-1, 4, 2))
    return o.matmul(m, o.transpose(m, (0, 2, 1))) + o.eye(4)


def sums(o, xs):
    """One output (n, k) of parts (n, ...)."""
    return o.concatenate([o.reshape(x, (-1, int(np.prod(x.shape[1:])))) for x in xs], axis=1)


# Functions of o (the ops of a library) and x (n, 8).
TRACED = {
    "cholesky": lambda o, x: o.cholesky(spd(o, x)),
    "cholesky_upper": lambda o, x: o.cholesky(spd(o, x), upper=True),
    "cholesky_inverse": lambda o, x: o.cholesky_inverse(o.cholesky(spd(o, x))),
    "solve_triangular": lambda o, x: o.solve_triangular(
        o.cholesky(spd(o, x)), x[:, :4], lower=True
    ),
    "norm": lambda o, x: o.norm(x, axis=1, keepdims=True),
    "norm_1": lambda o, x: o.norm(o.reshape(x, (-1, 4, 2)), ord=1, axis=(1, 2))[:, None],
    "norm_3": lambda o, x: o.norm(x, ord=3, axis=-1, keepdims=True),
    "cdist": lambda o, x: o.cdist(
        o.reshape(x, (-1, 4, 2)), o.convert_to_tensor(np.ones((3, 2), "float32"))
    ),
    "erf": lambda o, x: o.erf(x),
    "erfc": lambda o, x: o.erfc(x),
    "erfinv": lambda o, x: o.erfinv(0.999 * o.tanh(x)),
    "logsumexp": lambda o, x: o.logsumexp(o.reshape(x, (-1, 4, 2)), axis=2),
    "rsqrt": lambda o, x: o.rsqrt(o.square(x) + 1.0),
    "top_k": lambda o, x: o.top_k(x, 3)[0],
    "extract_sequences": lambda o, x: o.extract_sequences(x, 3, 2),
    "rfft": lambda o, x: sums(o, o.rfft(x)),
    "rfft_padded": lambda o, x: sums(o, o.rfft(x, fft_length=11)),
    "irfft": lambda o, x: o.irfft((x, o.square(x)), fft_length=9),
    "fft": lambda o, x: sums(o, o.fft((x, o.square(x)))),
    "fft2": lambda o, x: sums(
        o, o.fft2((o.reshape(x, (-1, 4, 2)), o.reshape(o.square(x), (-1, 4, 2))))
    ),
    "stft": lambda o, x: sums(o, o.stft(x, 4, 2, 6)),
    "stft_istft": lambda o, x: o.istft(o.stft(x, 4, 1, 4), 4, 1, 4),
    "istft_padded": lambda o, x: o.istft(o.stft(x, 4, 2, 6, window="hamming"), 4, 2, 6),
    "slice": lambda o, x: o.slice(o.reshape(x, (-1, 4, 2)), (0, 1, 0), (o.shape(x)[0], 2, 1)),
    "slice_update": lambda o, x: o.slice_update(x, (0, 3), 2.0 * x[:, :4]),
    "saturate_cast": lambda o, x: o.saturate_cast(3.0 * x, "float32"),
    "associative_scan": lambda o, x: o.associative_scan(lambda a, b: a * b, x, axis=1),
    "associative_scan_reverse": lambda o, x: o.associative_scan(
        lambda a, b: a + b, x[:, :7], axis=1, reverse=True
    ),
    "fori_loop": lambda o, x: o.fori_loop(0, 3, lambda i, y: o.sin(y) + x[:, i : i + 1], x),
    "unrolled_while": lambda o, x: o.while_loop(
        lambda i, y: i < 3, lambda i, y: (i + 1, o.tanh(y) * 1.5), (0, x)
    )[1],
    "cond_of_data": lambda o, x: o.cond(
        o.mean(x) > 0.0, lambda: {"y": o.sin(x)}, lambda: {"y": x * 3.0}
    )["y"],
    "while_of_data": lambda o, x: o.while_loop(
        lambda y: o.max(y) > 0.2, lambda y: (o.abs(y) * 0.5,), (x,), maximum_iterations=4
    )[0],
    "switch_of_data": lambda o, x: o.switch(
        o.cast(o.sum(o.square(x)) > 0.0, "int32"), [lambda v: v, lambda v: v * v], x
    ),
    "vectorized_map": lambda o, x: o.vectorized_map(
        lambda v: o.sin(v) / (1.0 + o.sum(o.square(v))), x
    ),
    "map_of_rows": lambda o, x: o.map(lambda v: v[0][:4] * o.max(v[1]), [x, o.square(x)]),
}


def model_of(library, function, weights=None):
    layers = library.layers

    class Of(layers.Layer):
        def call(self, x):
            return sums(library.ops, [function(library.ops, x)])

    model = library.Sequential([layers.Dense(8, activation="tanh"), Of(), layers.Dense(1)])
    model.build((None, 5))
    return model


@pytest.mark.parametrize("name", TRACED)
def test_values_and_training(keras, name, rng):
    x, y = rng.normal(size=(6, 5)).astype("float32"), rng.normal(size=(6, 1)).astype("float32")
    ours, theirs = model_of(pyseq, TRACED[name]), model_of(keras, TRACED[name])
    start = [rng.normal(size=np.shape(w)).astype("float32") * 0.5 for w in ours.get_weights()]
    results = []
    for library, model in ((pyseq, ours), (keras, theirs)):
        model.set_weights(start)
        model.compile(optimizer=library.optimizers.SGD(0.01), loss="mse")
        before = model.predict(x, verbose=0)
        model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0)
        results.append([before, *model.get_weights()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def gradient_of(function, x):
    """The gradient of the sum of `function` for its input, through a weight."""

    class Of(pyseq.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(x.size,), initializer="zeros")

        def call(self, rows):
            return ops.sum(function(rows + self.w), axis=1, keepdims=True)

    model = pyseq.Sequential([Of()])
    model.build((None, x.size))
    model.compile(optimizer=pyseq.optimizers.SGD(1.0), loss=lambda y_true, y_pred: y_pred)
    value = model.predict(x[None], verbose=0)
    model.fit(x[None], np.zeros((1, 1)), verbose=0)
    return value, -model.get_weights()[0]


X = np.float32([-2.0, 0.5, 3.0])


def test_custom_gradients_are_used():
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def grad(*args, upstream=None):
            (upstream,) = args if upstream is None else (upstream,)
            return ops.multiply(upstream, 1.0 - 1.0 / ops.add(1, e))

        return ops.log(1 + e), grad

    value, slope = gradient_of(log1pexp, X)
    np.testing.assert_allclose(value, np.log1p(np.exp(X)).sum(), rtol=1e-5)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(-X)), rtol=1e-5)


def test_custom_gradients_that_are_not_the_derivative():
    @ops.custom_gradient
    def straight_through(x):
        return ops.round(x), lambda upstream: upstream

    @ops.custom_gradient
    def scaled(x, y):
        return x * y, lambda upstream: (-2.0 * upstream, upstream * y / 4.0)

    value, slope = gradient_of(straight_through, X)
    assert value == np.round(X).sum() and slope.tolist() == [1, 1, 1]
    _, slope = gradient_of(lambda x: scaled(x, 2.0 * x), X)
    np.testing.assert_allclose(slope, -2 + X, rtol=1e-5)


def test_a_custom_gradient_keeps_values_that_are_not_finite():
    @ops.custom_gradient
    def straight_through(x):
        return ops.sign(x), lambda upstream: upstream / ops.abs(x)

    value, slope = gradient_of(straight_through, np.float32([np.inf, 4.0]))
    assert value == 2 and slope.tolist() == [0, 0.25]
    value, _ = gradient_of(straight_through, np.float32([0.0, 4.0]))
    assert value == 1


@pytest.mark.parametrize(
    "grad",
    [lambda u: ops.clip(u, -1, 1), lambda u: ops.square(u), lambda u: u + 1.0, lambda u: u[0]],
)
def test_custom_gradients_that_are_no_multiple(grad):
    wrong = ops.custom_gradient(lambda x: (ops.sin(x), grad))
    with pytest.raises(ValueError, match="expected a custom gradient that multiplies"):
        gradient_of(wrong, X)


def test_in_top_k_and_scatter_update_in_layers():
    def rows(x):
        placed = ops.scatter_update(ops.sum(x, axis=0), [[2], [0], [2]], [7.0, 8.0, 9.0])
        added = ops.scatter_update(ops.zeros((3,)), [[1], [1]], ops.sum(x, axis=0)[:2], "add")
        top = ops.cast(ops.in_top_k(ops.argmin(x, axis=1), x, 3), "float32")
        return x * 0.0 + placed + added + top[:, None]

    x = np.float32([[1, 2, 3], [4, 5, 6]])
    y = pyseq.Sequential([pyseq.layers.Lambda(rows)]).predict(x, verbose=0)
    assert y.tolist() == [[9, 7 + 12 + 1, 10]] * 2


ERRORS = {
    "expected a known length along axis 0": lambda x: ops.associative_scan(ops.add, x),
    "expected maximum_iterations": lambda x: ops.while_loop(
        lambda y: ops.sum(y) > 0, lambda y: y - 1, x
    ),
    "got numpy.inv": lambda x: ops.inv(x[:, :, None] * x[:, None]),
    "expected a function of one row": lambda x: ops.map(lambda v: v + x, x),
    "expected scatter_update of arrays without a batch": lambda x: ops.scatter_update(
        x, [[0, 0]], [1.0]
    ),
    "expected all rows of the batch in slice": lambda x: ops.slice(x, (1, 0), (1, 1)),
}


def trained(function):
    layers = pyseq.layers
    model = pyseq.Sequential([layers.Dense(3), layers.Lambda(function, output_shape=(3,))])
    model.compile(loss="mse")
    model.fit(np.ones((2, 3)), np.ones((2, 3)), verbose=0)


@pytest.mark.parametrize("message", ERRORS)
def test_what_a_program_cannot_do(message):
    with pytest.raises(ValueError, match="expected code that can be traced") as raised:
        trained(ERRORS[message])
    assert message in str(raised.value)


def test_branches_must_be_alike():
    with pytest.raises(ValueError, match="cond: expected results of the same structure"):
        trained(lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: x[:, :1]))


def test_symbolic_inputs_are_refused():
    x = pyseq.Input((3,))
    for function in (ops.convert_to_numpy, ops.unstack, lambda t: ops.cond(t, dict, dict)):
        with pytest.raises(ValueError, match="expected an array, got a symbolic tensor"):
            function(x)
