"""Code of users as ops of a program: gradients against central differences in float64, what NumPy
says of the same code, files, threads, and the messages where code cannot be traced."""

import numpy as np
import pytest

import pyseq
from pyseq import _core, backend as K, layers, lowering, ops

STEP = 1e-5


@pytest.fixture
def double():
    pyseq.config.set_floatx("float64")


def gradient_error(model, x, y, **fit):
    """Largest difference of a step's gradients from those of central differences."""
    start = model.get_weights()
    model.fit(x, y, batch_size=len(x), verbose=0, **fit)
    got = [a - b for a, b in zip(start, model.get_weights())]

    def loss(weights):
        model.set_weights(weights)
        return model.evaluate(x, y, batch_size=len(x), verbose=0, **fit)

    worst = 0.0
    for i, w in enumerate(start):
        for at in np.ndindex(w.shape):
            sides = []
            for sign in (1, -1):
                moved = [v.copy() for v in start]
                moved[i][at] += sign * STEP
                sides.append(loss(moved))
            want = (sides[0] - sides[1]) / (2 * STEP)
            worst = max(worst, abs(want - got[i][at]) / (1 + abs(want)))
    return worst


class Scaled(layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.dense = layers.Dense(3)

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="w")

    def call(self, x):
        return ops.tanh(self.dense(x * self.w)) * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


# (n, 4, 3) -> (n, ...), smooth where the data is
FUNCTIONS = {
    "numpy": lambda x: np.exp(-np.abs(x)) + np.log1p(x**2) - np.arctan(x),
    "numpy on the left": lambda x: (
        np.array([1.0, 2.0, 3.0]) * x + np.float64(2) - np.ones(3) / (2 + x * x)
    ),
    "methods": lambda x: (x - x.mean(axis=1, keepdims=True)).reshape(-1, 12) * x.sum() / 10,
    "batch": lambda x: (x - x.mean(axis=0)) / (ops.std(x, 0) + 0.5),
    "max over the batch": lambda x: x - ops.max(x, axis=0, keepdims=True),
    "products": lambda x: ops.einsum("bij,bkj->bik", x, x) @ x,
    "tensordot": lambda x: ops.tensordot(x, np.arange(6.0).reshape(3, 2), axes=1),
    "constant matrix": lambda x: x @ np.arange(9.0).reshape(3, 3) / 9,
    "slices": lambda x: x[:, ::-1, 1:] * x[..., :1],
    "chosen": lambda x: x[:, [2, 0, 2]],
    "along": lambda x: ops.take_along_axis(x, ops.argmax(x, axis=1, keepdims=True), axis=1),
    "joins": lambda x: ops.concatenate([x, ops.stack([x[:, 0], x[:, 1] ** 2], 1)], axis=1),
    "scans": lambda x: ops.cumsum(x, axis=1) + 0.1 * ops.cumprod(x, axis=2),
    "where": lambda x: ops.where(x > 0.2, ops.log(ops.maximum(x, 0.2)), x * x),
    "norms": lambda x: (
        ops.norm(x, axis=-1, keepdims=True) + ops.logsumexp(x, axis=1, keepdims=True)
    ),
    "power": lambda x: ops.power(ops.abs(x) + 0.5, 1.5) + 2.0**x,
    "pads": lambda x: ops.pad(x, [[0, 0], [1, 1], [0, 2]], constant_values=3.0),
    "unstack": lambda x: sum(ops.unstack(x, axis=1)) * ops.split(x, [1], axis=1)[0][:, 0],
    "loop": lambda x: sum(
        row * i for i, row in enumerate(ops.moveaxis(x, 2, 1)[:, i] for i in range(3))
    ),
    "var": lambda x: ops.var(x, axis=(1, 2))[:, None] * ops.prod(x, axis=1),
    "activations": lambda x: ops.gelu(x) + ops.silu(x) + ops.softmax(x) + ops.selu(x),
    "K": lambda x: K.batch_dot(x, K.permute_dimensions(x, (0, 2, 1))) + K.mean(K.square(x)),
    "K flat": lambda x: K.batch_flatten(K.clip(x, -1.1, 1.1)) * K.sum(x, axis=[1, 2])[:, None],
}


# (n, 3, 4) -> (n, ...), for values between 0.2 and 0.9
POSITIVE = {
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


@pytest.mark.parametrize("name", [*FUNCTIONS, *POSITIVE])
def test_function_as_numpy_and_its_gradient(name, rng, double):
    """The same code on an array gives the values; central differences give the gradients."""
    if name in FUNCTIONS:
        function, x, kernel = FUNCTIONS[name], rng.normal(size=(5, 4, 3)), None
    else:
        function, x = POSITIVE[name], rng.uniform(0.2, 0.9, size=(5, 3, 4))
        kernel = np.eye(4) + 0.01 * rng.normal(size=(4, 4))
    one = layers.Lambda(function)
    want = np.asarray(function(x))
    np.testing.assert_allclose(one(x), want, rtol=1e-9, atol=1e-9)
    assert one.compute_output_shape((None, *x.shape[1:])) == (None, *want.shape[1:])
    model = pyseq.Sequential(
        [pyseq.Input(x.shape[1:]), layers.Dense(x.shape[-1]), one, layers.Flatten()]
    )
    model.add(layers.Dense(2, "tanh"))
    if kernel is not None:
        model.layers[0].kernel.assign(kernel)
    program = lowering.lower(model, model.input_shape[1:], False)[0]
    assert all(op["kind"] != "host" for op in program.ops)
    model.compile(pyseq.optimizers.SGD(1.0), "mse")
    assert gradient_error(model, x, rng.normal(size=(5, 2))) < 1e-6


def dice(y_true, y_pred):
    t, p = K.flatten(y_true), K.flatten(y_pred)
    return 1 - (2 * K.sum(t * p) + K.epsilon()) / (K.sum(t) + K.sum(p) + 1)


LOSSES = {
    "dice": dice,
    "rmse": lambda y_true, y_pred: K.sqrt(K.mean(K.square(y_pred - y_true))),
    "per sample": lambda y_true, y_pred: K.sum(K.abs(y_true - y_pred) ** 1.5, axis=-1),
    "per element": lambda y_true, y_pred: ops.log(ops.cosh(y_true - y_pred)),
    "K crossentropy": lambda y_true, y_pred: K.mean(K.binary_crossentropy(y_true, y_pred), axis=-1),
    "with a built-in": lambda y_true, y_pred: (
        pyseq.losses.binary_crossentropy(y_true, y_pred) + 0.1 * dice(y_true, y_pred)
    ),
    "switch": lambda y_true, y_pred: K.mean(
        K.switch(y_true > 0.5, -K.log(y_pred), K.square(y_pred)), axis=-1
    ),
    "numpy": lambda y_true, y_pred: np.mean(np.square(np.subtract(y_true, y_pred)), axis=-1),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_gradient_of_a_loss(name, weighted, rng, double):
    x, y = rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 2)).astype(float)
    model = pyseq.Sequential(
        [pyseq.Input((4,)), layers.Dense(3, "tanh"), layers.Dense(2, "sigmoid")]
    )
    model.compile(pyseq.optimizers.SGD(1.0), LOSSES[name])
    weights = {"sample_weight": rng.uniform(0.5, 2, 6)} if weighted else {}
    assert gradient_error(model, x, y, **weights) < 1e-6


def test_value_of_a_loss_is_what_its_function_gives(rng):
    x, y = rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 2)).astype(float)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(2, "sigmoid")])
    model.compile("sgd", dice)
    want = dice(y, model.predict(x, verbose=0))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(float(want), rel=1e-5)


def test_gradient_of_layer_penalty_and_regularizer(rng, double):
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * ops.mean(ops.exp(x)))
            self.add_loss(0.01 * ops.square(x))
            return x

    model = pyseq.Sequential([
        pyseq.Input((4,)),
        layers.Dense(3, kernel_regularizer=lambda w: ops.sum(ops.log(1 + w * w))),
        Penalty(),
        Scaled(),
    ])  # fmt: skip
    model.compile(pyseq.optimizers.SGD(1.0), "mse")
    assert len(model.trainable_weights) == 5
    assert gradient_error(model, rng.normal(size=(5, 4)), rng.normal(size=(5, 3))) < 1e-6


def test_layer_may_use_names_of_the_base_class(rng):
    """`self.out = Dense(1)` is common in scripts."""

    class Head(layers.Layer):
        def __init__(self):
            super().__init__()
            self.out = layers.Dense(1)

        def call(self, x):
            return self.out(x)

    model = pyseq.Sequential([pyseq.Input((4,)), Head()])
    model.compile("sgd", "mse")
    start = model.get_weights()[0]
    model.fit(rng.normal(size=(8, 4)), np.ones((8, 1)), verbose=0)
    assert not np.array_equal(start, model.get_weights()[0])


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_files(ending, rng, tmp_path):
    x, y = rng.normal(size=(8, 4)).astype("float32"), np.ones((8, 3), "float32")

    def make():
        return pyseq.Sequential([pyseq.Input((4,)), Scaled(3.0)])

    model = make()
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    path = tmp_path / f"model{ending}"
    if ending == ".keras":
        model.save(path)
        again = pyseq.models.load_model(path, custom_objects={"Scaled": Scaled})
        again.fit(x, y, verbose=0)
        model.fit(x, y, verbose=0)
    else:
        model.save_weights(path)
        again = make()
        again.load_weights(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    model.export(tmp_path / "model.pyseq")
    served = _core.Model.load(str(tmp_path / "model.pyseq"))
    np.testing.assert_array_equal(served.predict(x), model.predict(x, verbose=0))


def test_threads_give_the_same_bits(rng):
    x, y = rng.normal(size=(64, 8, 16)).astype("float32"), rng.random((64, 8, 4)) > 0.5
    results = []
    for threads in (1, 2):
        pyseq.config.set_num_threads(threads)
        pyseq.utils.set_random_seed(3)
        model = pyseq.Sequential([
            pyseq.Input((8, 16)),
            Scaled(),
            layers.Lambda(lambda x: x - ops.mean(x, axis=0)),
            layers.Dense(4, "sigmoid"),
        ])  # fmt: skip
        model.compile("adam", dice)
        model.fit(x, y.astype("float32"), batch_size=16, epochs=2, verbose=0)
        results.append(model.get_weights())
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


def trains(*parts, loss="mse"):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), *parts])
    model.compile("sgd", loss)
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)


BAD = {
    "if": (lambda x: x if ops.sum(x) > 0 else -x, "where"),
    "float": (lambda x: x * float(ops.sum(x)), "Python number"),
    "array": (lambda x: np.linalg.svd(np.asarray(x))[0], "NumPy array"),
    "unknown function": (lambda x: np.linalg.svd(x)[0], "numpy.svd"),
    "sort": (lambda x: np.sort(x), "numpy.sort"),
    "rows": (lambda x: x[0], "begin with `:`"),
    "some rows": (lambda x: x[:3], "all rows"),
    "chosen by value": (lambda x: x[x > 0], "where"),
    "fixed rows": (lambda x: ops.reshape(x, (2, 3)), "begin the new shape with -1"),
    "transpose": (lambda x: ops.transpose(x) * 1.0, "batch"),
    "product across the batch": (lambda x: x @ ops.transpose(x), "batch"),
}


@pytest.mark.parametrize("name", BAD)
def test_code_that_cannot_be_traced(name):
    function, word = BAD[name]
    with pytest.raises(ValueError, match=rf"own: expected code that can be traced.*{word}"):
        trains(layers.Lambda(function, output_shape=(3,), name="own"))


def test_loss_that_cannot_be_traced():
    def own(y_true, y_pred):
        return ops.sum(y_pred) if ops.sum(y_true) > 0 else ops.sum(-y_pred)

    with pytest.raises(TypeError, match=r"own: expected code for any values.*where"):
        trains(loss=own)


def test_python_code_runs_without_a_gradient(rng):
    """Nothing before it trains, so that its values are enough."""

    def ranks(x):
        return np.argsort(np.argsort(np.asarray(x), axis=-1), axis=-1).astype("float32")

    x = rng.normal(size=(8, 4))
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Lambda(ranks), layers.Dense(1)])
    np.testing.assert_array_equal(layers.Lambda(ranks)(x), ranks(x))
    model.compile("sgd", "mse")
    start = model.get_weights()[0]
    model.fit(x, np.ones((8, 1)), verbose=0)
    assert not np.array_equal(start, model.get_weights()[0])


def test_arguments_that_are_not_carried_out_are_refused():
    with pytest.raises(ValueError, match="no further arguments of max"):
        trains(layers.Lambda(lambda x: ops.max(x, axis=1, keepdims=True, initial=5.0)))


def test_third_argument_of_reductions_is_keepdims():
    x = np.arange(6.0).reshape(2, 3)
    assert ops.sum(x, 1, True).shape == (2, 1)
    assert ops.mean(x, [0, 1]).shape == ()
    assert ops.clip(x, x_min=1, x_max=2).max() == 2


def test_constants_and_variables_follow(rng):
    rate = pyseq.Variable(2.0, trainable=False)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Lambda(lambda x: x * rate)])
    x = rng.normal(size=(6, 4)).astype("float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), 2 * x)
    rate.assign(3.0)
    np.testing.assert_allclose(model.predict(x, verbose=0), 3 * x)


# What is drawn for n rows, a target, and the mean squared difference from it.
DRAWN = {
    "normal": (lambda n: pyseq.random.normal((n, 4), mean=1.0, stddev=2.0), 1.0, 4.0),
    "uniform": (lambda n: pyseq.random.uniform((n, 4), -1.0, 2.0), 0.5, 0.75),
    "randint": (lambda n: ops.cast(pyseq.random.randint((n, 4), 0, 10), "float32"), 4.5, 8.25),
    "dropout": (lambda n: pyseq.random.dropout(ops.ones((n, 4)), 0.5), 0.0, 2.0),
}


@pytest.mark.parametrize("name", DRAWN)
def test_random_numbers_in_users_layers(name):
    draw, target, expected = DRAWN[name]

    class Noise(layers.Layer):
        def call(self, x, training=False):
            return draw(ops.shape(x)[0]) + 0 * x if training else x

    pyseq.utils.set_random_seed(2)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(4), Noise()])
    model.compile(pyseq.optimizers.SGD(0.0), "mse")
    x, y = np.zeros((4096, 4)), np.full((4096, 4), target)
    seen = [model.train_on_batch(x, y) for _ in range(3)]
    assert len(set(seen)) == 3
    assert np.mean(seen) == pytest.approx(expected, rel=0.05)


def test_random_numbers_are_drawn_in_predict_too(rng):
    noise = layers.Lambda(lambda x: x + pyseq.random.normal(ops.shape(x), 0.0, 0.01))
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), noise, layers.Dense(3)])
    model.compile("adam", "mse")
    x = rng.normal(size=(64, 4))
    losses = model.fit(x, x[:, :3], epochs=9, verbose=0).history["loss"]
    assert losses[8] < losses[0]
    a, b = (model.predict(x, verbose=0) for _ in range(2))
    assert not np.array_equal(a, b)


def test_other_random_numbers_say_what_serves():
    with pytest.raises(ValueError, match="expected random.normal, uniform, randint or dropout"):
        trains(layers.Lambda(lambda x: x * pyseq.random.gamma((3,), 1.0)))
    with pytest.raises(ValueError, match="begin the shape with ops.shape"):
        trains(layers.Lambda(lambda x: x * pyseq.random.normal((3,))))
