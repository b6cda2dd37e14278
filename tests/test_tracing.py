"""Code of users as ops of a program: gradients, files, threads, and what cannot be traced."""

import numpy as np
import pytest

import pyseq
from pyseq import backend as K
from pyseq import layers, ops

rng = np.random.default_rng(3)
ROWS = rng.uniform(0.2, 0.9, size=(6, 3, 4))
TARGETS = rng.normal(size=(6, 2))

EXPRESSIONS = {
    "arithmetic": lambda x: (2 - x) * x / (1 + x**2) - x // 0.3 + x % 0.25,
    "maximum": lambda x: np.maximum(x, 0.5) + np.minimum(x[:, :1], 0.4) - abs(x - 0.45),
    "powers": lambda x: x**1.7 + ops.sqrt(x) + ops.rsqrt(x) + 2.0**x,
    "logarithms": lambda x: ops.log(x) + ops.log1p(x) + ops.expm1(x) + np.log2(x) + np.log10(x),
    "trigonometry": lambda x: ops.sin(x) * np.arctan2(x, 0.5) + np.arcsin(x) + ops.tanh(x),
    "erf": lambda x: ops.erf(x) + ops.gelu(x, approximate=False) + ops.sigmoid(x),
    "where": lambda x: ops.where(x > 0.5, x * 2, ops.log(x)),
    "reductions": lambda x: x - x.mean(axis=-1, keepdims=True) + ops.max(x, axis=1, keepdims=True),
    "moments": lambda x: (
        (x - ops.mean(x, axis=2, keepdims=True)) / ops.std(x, axis=2, keepdims=True)
    ),
    "batch": lambda x: (x - ops.mean(x, axis=0)) / ops.sqrt(ops.var(x, axis=0) + 0.1),
    "product": lambda x: ops.prod(x, axis=1, keepdims=True) + ops.cumsum(x, axis=1),
    "softmax": lambda x: (
        ops.softmax(x, axis=1) + ops.log_softmax(x) + ops.logsumexp(x, axis=2)[..., None]
    ),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "einsum": lambda x: ops.einsum("bij,bkj->bik", x, x * 2) + ops.tensordot(x, np.ones((4, 3)), 1),
    "constants": lambda x: x @ np.arange(8.0).reshape(4, 2) + np.array([1.0, -1.0]),
    "shapes": lambda x: ops.reshape(ops.concatenate([x, x[:, ::-1]], axis=-1), (-1, 8, 3)),
    "indices": lambda x: x[:, [0, 2, 2], 1:] * ops.take(x, [1, 0, 1], axis=2)[:, :, :3],
    "stack": lambda x: ops.stack(ops.split(x, 2, axis=2), axis=1) + ops.expand_dims(x[..., :2], 1),
    "moved": lambda x: (
        ops.swapaxes(x, 1, 2)[:, :, 0] + ops.squeeze(ops.moveaxis(x, 2, 1)[:, :, :1], -1)
    ),
    "padded": lambda x: (
        ops.pad(x, ((0, 0), (1, 0), (0, 2)))
        + ops.tile(ops.roll(x[:, :2], 1, 1), (1, 2, 1))[..., :1]
    ),
    "norm": lambda x: x / ops.norm(x, axis=-1, keepdims=True) + ops.clip(x, 0.3, 0.7),
    "old names": lambda x: K.batch_dot(x, x, axes=2) + K.sum(K.pow(x, 2), axis=-1, keepdims=True),
    "losses": lambda x: pyseq.losses.mean_squared_error(x, x**2)[..., None] * np.ones(2),
    "like": lambda x: x * ops.ones_like(x) + ops.zeros_like(x) + ops.cast(x > 0.5, "float64") * x,
}


def model_of(function):
    body = [layers.Lambda(function), layers.Flatten(), layers.Dense(2, "tanh")]
    return pyseq.Sequential([pyseq.Input((3, 4)), layers.Dense(4), *body])


@pytest.fixture
def double():
    pyseq.config.set_floatx("float64")
    yield
    pyseq.config.set_floatx("float32")


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_values_and_gradients(name, double):
    function = EXPRESSIONS[name]
    whole = pyseq.Sequential([pyseq.Input((3, 4)), layers.Lambda(function)])
    np.testing.assert_allclose(whole.predict(ROWS, verbose=0), function(ROWS), rtol=1e-9, atol=1e-9)
    assert all(op["kind"] != "host" for op in _ops(whole))

    model = model_of(function)
    model.compile(pyseq.optimizers.SGD(1.0), "mse")
    kernel = model.layers[0].kernel
    kernel.assign(np.eye(4) + 0.05 * rng.normal(size=(4, 4)))
    start, weights = kernel.numpy(), model.get_weights()
    model.train_on_batch(ROWS, TARGETS)
    gradient = start - kernel.numpy()
    for i, j in ((0, 0), (1, 3), (3, 2)):
        values = []
        for step in (1e-5, -1e-5):
            model.set_weights(weights)
            moved = start.copy()
            moved[i, j] += step
            kernel.assign(moved)
            values.append(np.mean((model.predict(ROWS, verbose=0) - TARGETS) ** 2))
        assert gradient[i, j] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4, abs=1e-7)


def _ops(model):
    from pyseq import lowering

    return lowering.lower(model, model.input_shape[1:], False)[0].ops


@pyseq.saving.register_keras_serializable("tracing")
class Scale(layers.Layer):
    """Multiplies by a weight."""

    def __init__(self, start=2.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.gamma * self.start

    def get_config(self):
        return {**super().get_config(), "start": self.start}


@pyseq.saving.register_keras_serializable("tracing")
def squared(t, p):
    return ops.mean(ops.square(t - p), axis=-1)


def test_files_keep_layers_and_losses(tmp_path):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), Scale(1.5), layers.Dense(1)])
    model.compile("adam", squared)
    x, y = ROWS[:, 0].astype("float32"), TARGETS[:, :1].astype("float32")
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = pyseq.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    losses = [m.fit(x, y, epochs=2, verbose=0).history["loss"] for m in (model, again)]
    assert losses[0] == losses[1]
    model.export(tmp_path / "model.pyseq")


def test_the_same_bits_at_any_number_of_threads():
    results, before = [], pyseq.config.num_threads()
    for threads in (1, 2, 3):
        pyseq.config.set_num_threads(threads)
        pyseq.utils.set_random_seed(1)
        model = pyseq.Sequential(
            [
                pyseq.Input((40, 8)),
                layers.Dense(32),
                layers.Lambda(lambda x: ops.softmax(x, axis=1) * x - ops.mean(x, axis=0)),
                layers.Lambda(lambda x: ops.sum(x, axis=1)),
                layers.Dense(1),
            ]
        )
        model.compile("adam", lambda t, p: ops.sqrt(ops.mean(ops.square(t - p))))
        x = np.random.default_rng(0).normal(size=(256, 40, 8)).astype("float32")
        model.fit(x, x.mean(axis=(1, 2)), epochs=2, batch_size=64, verbose=0)
        results.append(model.get_weights())
    pyseq.config.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def trained(*body, loss="mse"):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), *body])
    model.compile("sgd", loss)
    return model.fit(ROWS[:, 0], TARGETS[:, :1], verbose=0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x if x.sum() > 0 else -x, "where"),
        (lambda x: np.sort(x), "numpy.sort"),
        (lambda x: np.asarray(x) * 2, "pyseq.ops"),
        (lambda x: x[0], "all rows"),
        (lambda x: x[:3], "all rows"),
        (lambda x: x.T, "batch"),
        (lambda x: ops.reshape(x, (2, 3)), "begin the new shape with -1"),
        (lambda x: x @ ops.transpose(x), "batch"),
        (lambda x: x[x > 0], "where"),
    ],
)
def test_what_cannot_be_traced_says_why(function, message):
    with pytest.raises(ValueError, match=f"expected code that can be traced.*{message}"):
        trained(layers.Lambda(function, output_shape=(3,)), layers.Dense(1))


def test_plain_python_before_all_weights_runs_as_it_is():
    sort = layers.Lambda(lambda x: np.sort(np.asarray(x), axis=-1))
    model = pyseq.Sequential([pyseq.Input((4,)), sort, layers.Dense(1)])
    model.compile("sgd", "mse")
    losses = model.fit(ROWS[:, 0], TARGETS[:, :1], epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]


def test_a_loss_that_cannot_be_traced_says_why():
    with pytest.raises(TypeError, match="odd.*numpy.sort"):

        def odd(t, p):
            return np.sort(t - p)

        trained(layers.Dense(1), loss=odd)


def test_constants_and_variables_follow():
    rate = pyseq.Variable(2.0, trainable=False)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Lambda(lambda x: x * rate)])
    x = ROWS[:, 0].astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), 2 * x)
    rate.assign(3.0)
    np.testing.assert_allclose(model.predict(x, verbose=0), 3 * x)
