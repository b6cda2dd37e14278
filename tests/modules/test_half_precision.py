"""16-bit dtype policies: what a user sees of them, beside Keras where it is installed."""

import copy
import importlib.util
import pickle
import sys

import numpy as np
import pytest

import pyseq
from pyseq import config, layers as L
from pyseq.models import load_model

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HALF = importlib.util.find_spec("ml_dtypes") is not None
NAMES = ["float16", "mixed_float16"] + (["bfloat16", "mixed_bfloat16"] if HALF else [])
DIGITS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


@pytest.fixture(autouse=True)
def _policy():
    yield
    config.reset_dtype_policy()


@pytest.fixture(params=NAMES)
def policy(request):
    return request.param


def half_of(policy):
    return policy.removeprefix("mixed_")


def weights_of(policy):
    return "float32" if policy.startswith("mixed_") else policy


def numpy_half(name):
    if name == "float16":
        return np.float16
    return pytest.importorskip("ml_dtypes").bfloat16


def dtype_name(x):
    return str(x.dtype).rpartition(".")[2]


def rows(n=6, size=3):
    return np.random.default_rng(0).normal(size=(n, size)).astype("float32")


def stack(library, policy=None, last=None, seed=0):
    layers = library.layers
    model = library.Sequential(
        [
            library.Input((3,)),
            layers.Dense(8, activation="relu", dtype=policy),
            layers.Dense(2, dtype=last or policy),
        ]
    )
    draw = np.random.default_rng(seed)
    model.set_weights([draw.normal(size=w.shape) for w in model.get_weights()])
    return model


class Seen:
    """Layers of both libraries that note the dtype of what `call` gets."""

    def __init__(self, library):
        self.dtypes = seen = []

        class Noting(library.layers.Layer):
            def call(self, x):
                seen.append(dtype_name(x))
                return x * 2

        class Two(library.layers.Layer):
            def call(self, x, y):
                seen.append((dtype_name(x), dtype_name(y)))
                return x + y

        self.Noting, self.Two = Noting, Two


def test_dtypes_of_a_layer_as_in_keras(keras, policy):
    def of(library):
        given = library.layers.Dense(2, dtype=policy)
        changed = library.layers.Dense(2)
        changed.dtype_policy = policy
        library.config.set_dtype_policy(policy)
        try:
            default = library.layers.Dense(2)
        finally:
            library.config.set_dtype_policy("float32")
        found = []
        for layer in (given, changed, default, type(given).from_config(given.get_config())):
            layer.build((None, 3))
            found.append(
                (
                    layer.compute_dtype, layer.variable_dtype, layer.dtype, layer.input_dtype,
                    layer.dtype_policy.name, layer.get_config()["dtype"]["config"],
                    [str(w.dtype) for w in layer.weights], dtype_name(layer(rows())),
                )
            )
        return found

    ours = of(pyseq)
    assert ours == of(keras)
    assert ours[0][0] == half_of(policy) and ours[0][1] == weights_of(policy)


def test_outputs_have_the_dtype_of_the_last_layer_and_the_numbers_of_keras(keras, policy):
    x = rows()
    for last in (None, "float32", policy):
        theirs, ours = stack(keras, policy, last), stack(pyseq, policy, last)
        expected = theirs.predict(x, verbose=0)
        for y in (ours.predict(x, verbose=0), ours.predict_on_batch(x), ours(x)):
            assert y.dtype == expected.dtype
            error = np.abs(y.astype("float32") - np.asarray(expected, "float32")).max()
            assert error < 8 * DIGITS[half_of(policy)] * np.abs(y.astype("float32")).max()


def test_outputs_are_those_of_float32_rounded(policy):
    x, model = rows(300), stack(pyseq, policy)
    plain = stack(pyseq)
    plain.set_weights([np.asarray(w, "float32") for w in model.get_weights()])
    expected = plain.predict(x, verbose=0).astype(numpy_half(half_of(policy)))
    # In one call, in several, and with callbacks.
    for options in ({"verbose": 0}, {"verbose": 0, "batch_size": 7, "callbacks": []}):
        y = model.predict(x, **options)
        assert y.dtype == expected.dtype
        np.testing.assert_array_equal(y, expected)


def test_float32_models_hand_out_what_the_program_gives():
    x, model = rows(), stack(pyseq)
    model.predict_on_batch(x)
    assert model._quick is not None  # the short way
    mixed = stack(pyseq, "mixed_float16", "float32")
    assert mixed.predict_on_batch(x).dtype == "float32" and mixed._quick is not None


def test_layers_that_hand_their_input_on(policy):
    x, half = rows(), half_of(policy)
    for layer in (L.Identity, L.Flatten, lambda **k: L.Dropout(0.5, **k)):
        model = pyseq.Sequential([L.Dense(2, dtype=policy), layer(dtype="float32")])
        assert model.predict(x, verbose=0).dtype == "float32"
        model = pyseq.Sequential([L.Dense(2), layer(dtype=policy)])
        assert model.predict(x, verbose=0).dtype.name == half
    assert L.Flatten(dtype=policy)(np.ones((2, 3), "int32")).dtype == "int32"
    assert L.Embedding(4, 2, dtype=policy)(np.array([[1, 2]])).dtype.name == half
    assert L.Rescaling(0.5, dtype=policy)(np.ones((2, 3), "uint8")).dtype.name == half
    y, state = L.SimpleRNN(2, return_state=True, dtype=policy)(np.ones((2, 3, 4), "float32"))
    assert y.dtype.name == state.dtype.name == half


def test_category_encoding_as_in_keras(keras, policy):
    ids = np.array([[0, 2], [1, 1]])
    theirs = keras.layers.CategoryEncoding(3, dtype=policy)(ids)
    ours = L.CategoryEncoding(3, dtype=policy)(ids)
    assert ours.dtype.name == dtype_name(theirs) == weights_of(policy)
    counted = L.CategoryEncoding(3, output_mode="count", dtype=policy)
    assert counted(ids, count_weights=np.ones((2, 2))).dtype.name == weights_of(policy)
    model = pyseq.Sequential([L.CategoryEncoding(3, dtype=policy)])
    assert model.predict(ids, verbose=0).dtype.name == weights_of(policy)


def test_weights_are_numbers_of_16_bits(policy):
    kept, half = weights_of(policy), numpy_half(half_of(policy))
    model = stack(pyseq, policy)
    model.compile(pyseq.optimizers.Adam(0.01), "mse")
    x, y = rows(64), rows(64, 2)

    def check():
        for variable, value in zip(model.weights, model.get_weights(), strict=True):
            assert variable.dtype == value.dtype.name == variable.numpy().dtype.name == kept
            stored = variable._storage.array()
            if kept != "float32":
                np.testing.assert_array_equal(stored, stored.astype(half).astype("float32"))

    check()
    before = model.get_weights()
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    check()
    assert any((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    check()
    model.weights[0].assign(np.full((3, 8), 0.1))
    model.weights[1].assign_add(np.full(8, 0.1))
    check()
    with pytest.raises(ValueError, match="shape"):
        model.weights[0].assign(np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        model.weights[0].value[...] = 0
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert [w.dtype for w in other.weights] == [kept] * 4
        np.testing.assert_array_equal(other.predict(x), model.predict(x))
    summary = []
    model.summary(print_fn=lambda line, **_: summary.append(line))
    assert f"({50 * (4 if kept == 'float32' else 2)}.00 B)" in "\n".join(summary)


def test_too_large_numbers_are_infinite():
    variable = pyseq.Variable([1.0, 2.0], dtype="float16")
    variable.assign([1e6, -1e6])
    np.testing.assert_array_equal(variable.numpy(), np.array([np.inf, -np.inf], "float16"))
    assert pyseq.Variable(1.0, dtype=np.float16).dtype == "float16"


def test_state_of_optimizers_as_in_keras(keras, policy):
    def of(library):
        model = stack(library, policy)
        model.compile("adam", "mse")
        model.fit(rows(), rows(6, 2), verbose=0)
        return [str(v.dtype) for v in model.optimizer.variables]

    assert of(pyseq) == of(keras)


def test_files_pass_between_the_libraries(keras, policy, tmp_path):
    h5py = pytest.importorskip("h5py")
    x, ours = rows(), stack(pyseq, policy)
    theirs = stack(keras, policy, seed=1)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    for path, model in (("ours.keras", ours), ("theirs.keras", theirs)):
        for load in (load_model, keras.models.load_model):
            loaded = load(tmp_path / path)
            assert loaded.layers[0].dtype_policy.name == policy
            for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
                assert a.dtype.name == weights_of(policy)
                np.testing.assert_array_equal(a, b)
            assert loaded.predict(x, verbose=0).dtype.name == half_of(policy)
    described = []
    for library, model in ((pyseq, ours), (keras, theirs)):
        path = tmp_path / f"{library.__name__}.weights.h5"
        model.save_weights(path)
        with h5py.File(path) as file:
            data = file["layers/dense/vars/0"]
            described.append((data.dtype, data.shape, dict(data.attrs)))
    assert described[0] == described[1]


@pytest.mark.parametrize("suffix", ["keras", "h5", "weights.h5"])
def test_files_give_the_same_predictions(policy, suffix, tmp_path):
    pytest.importorskip("h5py")
    x, model, path = rows(), stack(pyseq, policy), tmp_path / f"m.{suffix}"
    model.compile("adam", "mse")
    model.fit(x, rows(6, 2), epochs=3, verbose=0)
    if suffix == "weights.h5":
        model.save_weights(path)
        loaded = stack(pyseq, policy, seed=1)
        loaded.load_weights(path)
    else:
        model.save(path)
        loaded = load_model(path)
    y = loaded.predict(x, verbose=0)
    assert y.dtype.name == half_of(policy)
    np.testing.assert_array_equal(y, model.predict(x, verbose=0))


@pytest.mark.parametrize("policy", [None, *NAMES])
def test_data_of_16_bits(policy):
    for name in ("float16", *(["bfloat16"] if HALF else [])):
        half = numpy_half(name)
        x, y, w = (a.astype(half) for a in (rows(), rows(6, 2), np.abs(rows(6, 1)[:, 0])))
        wide = [a.astype("float32") for a in (x, y, w)]
        results = []
        for data in ((x, y, w), wide):
            model = stack(pyseq, policy)
            model.compile("sgd", "mse", metrics=["mae"])
            history = model.fit(
                data[0], data[1], sample_weight=data[2], validation_data=tuple(data[:2]),
                shuffle=False, epochs=2, verbose=0,
            )
            stream = model.evaluate(iter([(data[0], data[1])]), verbose=0)
            results.append(
                [
                    *history.history.values(), stream,
                    model.evaluate(data[0], data[1], verbose=0),
                    model.train_on_batch(data[0], data[1]), model.test_on_batch(data[0], data[1]),
                    *(f(data[0]).astype("float32") for f in
                      (model, model.predict, model.predict_on_batch, model.layers[0])),
                ]
            )
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(a, b)


def test_own_layers_see_inputs_as_in_keras(keras, policy):
    def of(library):
        found = []
        for options in ({}, {"autocast": False}, {"dtype": "float32"}):
            seen = Seen(library)
            for x in (rows(), rows().astype("float16"), np.ones((2, 3), "int32")):
                layer = seen.Noting(**{"dtype": policy, **options})
                found.append((dtype_name(layer(x)), seen.dtypes[-1]))
                both = seen.Two(**{"dtype": policy, **options})
                found.append((dtype_name(both(x, x)), seen.dtypes[-1]))
        return found

    assert of(pyseq) == of(keras)


def test_code_of_own_models_as_in_keras(keras, policy):
    def of(library):
        class Scaled(library.layers.Layer):
            def __init__(self, **kwargs):
                super().__init__(**kwargs)
                self.inner = library.layers.Dense(2, dtype="float32")
                self.sum = seen.Two()

            def build(self, input_shape):
                self.inner.build(input_shape)
                self.scale = self.add_weight(shape=(1,), initializer="ones")
                self.built = True

            def call(self, x):
                y = x * self.scale
                wide = library.ops.cast(x, "float32") + 1
                inner = self.inner(x)
                dtypes.append([dtype_name(t) for t in (x, y, wide, inner)])
                return self.sum(y[:, :2], inner)

        seen, dtypes = Seen(library), []
        library.config.set_dtype_policy(policy)
        try:
            model = library.Sequential([library.layers.Dense(4), Scaled()])
            y = model.predict(rows(), verbose=0)
        finally:
            library.config.set_dtype_policy("float32")
        return dtypes[-1], seen.dtypes[-1], dtype_name(y)

    assert of(pyseq) == of(keras)


@pytest.mark.parametrize("name", ["double", "wide", "softmax", "gelu", "integers", "mixture"])
def test_functions_in_layers_as_in_keras(keras, policy, name):
    def of(library):
        ops = library.ops
        functions = {
            "double": lambda x: x * 2,
            "wide": lambda x: ops.softmax(ops.cast(x, "float32")),
            "softmax": lambda x: ops.softmax(x),
            "gelu": lambda x: ops.gelu(x),
            "integers": lambda x: ops.cast(x, "int32") + x,
            "mixture": lambda x: ops.concatenate([x, ops.cast(x, "float32")], axis=-1),
        }
        function = functions[name]

        class Own(library.layers.Layer):
            def call(self, x):
                return function(x)

        outputs = []
        for last in (Own(dtype=policy), library.layers.Lambda(function, dtype=policy)):
            model = library.Sequential([library.Input((3,)), last])
            outputs.append(model.predict(rows(), verbose=0))
        return outputs

    for ours, theirs in zip(of(pyseq), of(keras), strict=True):
        assert ours.dtype == theirs.dtype
        tolerance = 8 * DIGITS[half_of(policy)]
        wide = ours.astype("float32"), theirs.astype("float32")
        np.testing.assert_allclose(*wide, rtol=tolerance, atol=tolerance)


def test_own_cells_as_in_keras(keras, policy):
    def of(library):
        seen = []

        class Cell(library.layers.Layer):
            state_size = output_size = 3

            def call(self, x, states):
                seen.append((dtype_name(x), dtype_name(states[0])))
                y = x + states[0]
                return y, [y]

        y = library.layers.RNN(Cell(dtype=policy), dtype=policy)(rows(6).reshape(1, 6, 3))
        return seen[-1], dtype_name(y)

    assert of(pyseq) == of(keras)


def test_code_that_runs_on_arrays(policy):
    seen = []

    class Sorted(L.Layer):
        def call(self, x):
            seen.append(np.array(x).dtype.name)
            return np.array(sorted(x.tolist()), x.dtype)

        def compute_output_shape(self, shape):
            return shape

    y = pyseq.Sequential([Sorted(dtype=policy)]).predict(rows(), verbose=0)
    assert seen[-1] == y.dtype.name == half_of(policy)
    np.testing.assert_allclose(y.astype("float32")[:, 0], np.sort(rows()[:, 0]), rtol=0.01)


def test_loss_scaling_is_automatic_as_in_keras(keras, policy):
    def of(library):
        library.config.set_dtype_policy(policy)
        try:
            kinds = []
            for options in ({}, {"auto_scale_loss": False}):
                model = stack(library)
                model.compile("sgd", "mse", **options)
                kinds.append(type(model.optimizer).__name__)
            scaled = library.optimizers.LossScaleOptimizer(library.optimizers.SGD())
            model.compile(scaled, "mse")
            kinds.append((type(model.optimizer.inner_optimizer).__name__, model.dtype_policy.name))
            model.fit(rows(), rows(6, 2), verbose=0)
        finally:
            library.config.set_dtype_policy("float32")
        model = stack(library, policy)  # the policy of layers alone
        model.compile("sgd", "mse")
        return [*kinds, type(model.optimizer).__name__]

    assert of(pyseq) == of(keras)


def test_a_scaled_optimizer_is_saved_with_its_state(tmp_path):
    pytest.importorskip("h5py")
    config.set_dtype_policy("mixed_float16")
    model = stack(pyseq)
    model.compile("adam", "mse")
    model.fit(rows(), rows(6, 2), verbose=0)
    model.save(tmp_path / "m.keras")
    for name in ("mixed_float16", "float32"):
        config.set_dtype_policy(name)
        loaded = load_model(tmp_path / "m.keras")
        state = [v.numpy() for v in loaded.optimizer.variables]
        for a, b in zip(state, model.optimizer.variables, strict=True):
            np.testing.assert_array_equal(a, b.numpy())


def test_losses_and_metrics_stay_float32(keras, policy):
    x, y = rows(), rows(6, 2)

    def of(library):
        library.config.set_dtype_policy(policy)
        try:
            loss, metric = library.losses.MeanSquaredError(), library.metrics.MeanAbsoluteError()
            metric.update_state(y, np.zeros_like(y))
            names = [dtype_name(loss(y, np.zeros_like(y))), dtype_name(metric.result())]
            model = stack(library)
            model.compile("sgd", loss, metrics=[metric])
            return names, model.evaluate(x, y, verbose=0)
        finally:
            library.config.set_dtype_policy("float32")

    (ours, our_values), (theirs, their_values) = of(pyseq), of(keras)
    assert ours == theirs
    np.testing.assert_allclose(our_values, their_values, rtol=8 * DIGITS[half_of(policy)])


def test_models_train_under_every_policy(policy):
    config.set_dtype_policy(policy)
    x = rows(200)
    y = (x[:, :1] > x[:, 1:2]).astype("float32")
    model = pyseq.Sequential(
        [L.Dense(16, activation="relu"), L.BatchNormalization(), L.Dense(1, activation="sigmoid")]
    )
    model.compile(pyseq.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=15, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] > 0.9


def test_an_interrupted_fit_goes_on_with_the_same_bits(policy, tmp_path):
    pytest.importorskip("h5py")

    class Crash(pyseq.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2 and self.params["epochs"] and self.model.optimizer.raw_iterations > 4:
                raise KeyboardInterrupt

    def run(folder, *more):
        pyseq.utils.set_random_seed(0)
        model = stack(pyseq, policy)
        model.compile("adam", "mse")
        backup = pyseq.callbacks.BackupAndRestore(tmp_path / folder, save_freq=1)
        model.fit(
            rows(20), rows(20, 2), epochs=3, batch_size=4, verbose=0, callbacks=[backup, *more]
        )
        return model.get_weights()

    expected = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("broken", Crash())
    for a, b in zip(run("broken"), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_bfloat16_without_ml_dtypes_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    model = stack(pyseq, "mixed_bfloat16")
    model.compile("sgd", "mse")
    model.fit(rows(), rows(6, 2), verbose=0)
    with pytest.raises(ImportError, match="pip install ml_dtypes"):
        model.predict(rows(), verbose=0)
