"""Every old name of Keras 1 and 2, by the tables that serve them."""

import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

import pyseq
from pyseq import hooks, layers, optimizers
from pyseq.compat import arguments, imports, notices
from pyseq.compat.notices import CompatNotice


@pytest.fixture
def fresh(monkeypatch):
    """Nothing was told yet."""
    monkeypatch.setattr(notices, "_told", set())


@pytest.fixture
def quiet():
    pyseq.config.disable_compat_notices()
    yield
    pyseq.config.enable_compat_notices()


def test_imports_of_scripts(quiet):
    script = {}
    exec(
        "from pyseq.layers.core import Dense, Dropout, Activation, Flatten\n"
        "from pyseq.layers.convolutional import *\n"
        "import pyseq.engine.training\n"
        "from pyseq import objectives, backend as K, layers\n"
        "from pyseq.objectives import mse, categorical_crossentropy\n",
        script,
    )
    assert script["MaxPooling2D"] is layers.MaxPooling2D
    assert script["mse"] is pyseq.losses.mean_squared_error


def test_notice_once_at_the_line_of_the_script(fresh):
    with pytest.warns(CompatNotice, match=r"p= is an old spelling; write rate=") as told:
        layers.Dropout(p=0.5)
        layers.Dropout(p=0.25)
    assert [w.filename for w in told] == [__file__]


def test_notice_of_a_module():
    code = "from pyseq.layers.convolutional import *\nfrom pyseq.layers.core import Dense"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.count("CompatNotice") == 1
    assert "<string>:1: CompatNotice: pyseq.layers.convolutional is an old" in done.stderr


def test_notices_are_silenced(fresh, quiet):
    assert layers.Dropout(p=0.5).rate == 0.5
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from pyseq.layers.recurrent import LSTM\nprint(LSTM(output_dim=3).units)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**importlib.import_module("os").environ, "PYSEQ_COMPAT_NOTICES": "0"},
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_import_registers_once_and_loads_tables_only():
    imports.register()
    assert sys.meta_path.count(imports.Finder) == 1
    code = (
        "import sys, pyseq\n"
        "print(sorted(m for m in sys.modules if m.startswith('pyseq.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = ["pyseq._version", "pyseq.compat", "pyseq.compat.imports", "pyseq.compat.names"]
    assert done.stdout.strip() == str(expected), done.stderr


C2 = dict(nb_filter=4, nb_row=3, nb_col=2)
# For a class: arguments of old, and what they are today.
CALLS = [
    ("Dense", dict(output_dim=3, init="one", bias=False), dict(units=3, use_bias=False)),
    ("Dense", dict(output_dim=2, W_constraint="nonneg"), dict(units=2)),
    ("Convolution1D", dict(nb_filter=2, filter_length=3, subsample_length=2),
     dict(filters=2, kernel_size=(3,), strides=(2,))),
    ("Convolution2D", dict(C2, border_mode="same", subsample=(2, 2), dim_ordering="th"),
     dict(filters=4, kernel_size=(3, 2), padding="same", strides=(2, 2),
          data_format="channels_first")),
    ("Convolution3D", dict(nb_filter=2, kernel_dim1=1, kernel_dim2=2, kernel_dim3=3),
     dict(kernel_size=(1, 2, 3))),
    ("AtrousConvolution1D", dict(nb_filter=2, filter_length=3, atrous_rate=2),
     dict(dilation_rate=(2,))),
    ("AtrousConvolution2D", dict(C2, atrous_rate=(2, 2)), dict(dilation_rate=(2, 2))),
    ("Deconvolution2D", dict(C2, output_shape=(None, 8, 8, 4)), dict(kernel_size=(3, 2))),
    ("SeparableConvolution2D", dict(C2, depthwise_init="one"), dict(kernel_size=(3, 2))),
    ("LSTM", dict(output_dim=3, inner_activation="hard_sigmoid", dropout_W=0.1, dropout_U=0.2,
                  forget_bias_init="zero", consume_less="gpu"),
     dict(units=3, dropout=0.1, recurrent_dropout=0.2, unit_forget_bias=False)),
    ("GRU", dict(output_dim=2, inner_init="zeros", U_regularizer="l2"), dict(units=2)),
    ("SimpleRNN", dict(output_dim=5), dict(units=5)),
    ("ConvLSTM2D", C2, dict(filters=4, kernel_size=(3, 2))),
    ("MaxPooling1D", dict(pool_length=3, stride=1), dict(pool_size=(3,), strides=(1,))),
    ("MaxPooling2D", dict(border_mode="same", dim_ordering="tf"),
     dict(padding="same", data_format="channels_last")),
    ("UpSampling1D", dict(length=3), dict(size=3)),
    ("Dropout", dict(p=0.3), dict(rate=0.3)),
    ("GaussianNoise", dict(sigma=0.3), dict(stddev=0.3)),
    ("LeakyReLU", dict(alpha=0.2), dict(negative_slope=0.2)),
    ("BatchNormalization", dict(mode=0, gamma_init="zero"), {}),
    ("Embedding", dict(input_dim=5, output_dim=2, init="one"), dict(output_dim=2)),
    ("Reshape", dict(dims=(2, 2)), dict(target_shape=(2, 2))),
    ("LocallyConnected1D", dict(nb_filter=2, filter_length=3), dict(filters=2, kernel_size=(3,))),
    ("LocallyConnected2D", C2, dict(filters=4, kernel_size=(3, 2))),
    ("MaxoutDense", dict(output_dim=2, nb_feature=3), dict(units=2, nb_feature=3)),
    ("CuDNNLSTM", dict(units=3), dict(units=3)),
    ("CuDNNGRU", dict(units=2), dict(units=2)),
    ("TimeDistributedDense", dict(output_dim=3), dict(units=3)),
]  # fmt: skip


@pytest.mark.parametrize("name, old, new", CALLS, ids=[f"{c[0]}{i}" for i, c in enumerate(CALLS)])
def test_arguments_of_layers(name, old, new, quiet):
    config = getattr(layers, name)(**old).get_config()
    assert {key: config[key] for key in new} == new


@pytest.mark.parametrize(
    "key, name", [(k, n) for k, table in arguments.TABLE.items() for n in table if k[0].isupper()]
)
def test_each_old_argument_is_gone_from_the_constructor(key, name, quiet):
    """What the table translates, no constructor takes itself; each new name is one that it takes."""
    if "." in key:
        return
    new = arguments.TABLE[key][name]
    modules = (layers, optimizers, pyseq.constraints, pyseq.regularizers)
    cls = next(getattr(m, key) for m in modules if hasattr(m, key))
    taken = set()
    for base in cls.__mro__[:-1]:
        taken |= set(inspect.signature(base.__init__).parameters)
    if isinstance(new, str):
        assert new in taken
        assert arguments.modern_call(key, (), {name: 1})[1] == {new: 1}
        with pytest.raises(TypeError, match="got both"):
            arguments.modern_call(key, (), {name: 1, new: 1})


def test_positions_of_old(quiet):
    layer = layers.Convolution2D(32, 3, 5)
    assert (layer.kernel_size, layer.strides) == ((3, 5), (1, 1))
    assert layers.Convolution2D(32, (3, 3), (2, 2)).strides == (2, 2)
    assert layers.Conv2D(32, 3, 3).strides == (3, 3)
    assert layers.Dense(4, "uniform").kernel_initializer.get_config()["minval"] == -0.05
    assert layers.Dense(4, "relu").activation.__name__ == "relu"
    assert pyseq.Sequential([layers.Dense(7, 3)]).input_shape == (None, 7)
    with pytest.raises(TypeError, match="nb_filter once"):
        layers.Convolution2D(3, 3, 3, nb_filter=4)
    with pytest.raises(TypeError, match="nb_row, nb_col together"):
        layers.Convolution2D(nb_filter=3, nb_row=3)
    with pytest.raises(ValueError, match="the old argument mode"):
        layers.BatchNormalization(mode=1)


def test_shapes_and_weights_of_old(quiet):
    w = [np.full((4, 3), 2.0, "float32"), np.arange(3, dtype="float32")]
    model = pyseq.Sequential([layers.Dense(3, input_dim=4, weights=w)])
    np.testing.assert_array_equal(model.predict(np.ones((1, 4)), verbose=0), [[8, 9, 10]])
    assert pyseq.Sequential([layers.LSTM(2, input_dim=3)]).input_shape == (None, None, 3)
    model = pyseq.Sequential([layers.LSTM(2, input_dim=3, input_length=5)])
    assert model.input_shape == (None, 5, 3)
    assert (model.layers[0].input_shape, model.layers[0].output_shape) == ((None, 5, 3), (None, 2))
    assert model.layers[0].get_output_at(0).shape == (None, 2)
    with pytest.raises(ValueError, match="node_index 0"):
        model.layers[0].get_output_at(1)
    with pytest.raises(TypeError, match="list of arrays"):
        layers.Dense(3, weights=[[1.0], [2.0]])


def test_decay_is_that_of_keras_2(quiet):
    """lr / (1 + decay iterations), step by step, and from another rate when it is set."""
    optimizer = optimizers.SGD(lr=0.1, decay=0.5)
    model = pyseq.Sequential([layers.Dense(1, use_bias=False, input_dim=1, init="one")])
    model.compile(optimizer, "mse")
    w = 1.0
    for step in range(4):
        model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
        w -= 0.1 / (1 + 0.5 * step) * 2 * w
    np.testing.assert_allclose(model.get_weights()[0], [[w]], rtol=1e-6)
    assert (float(optimizer.lr), optimizer.decay) == (0.1, 0.5)
    pyseq.backend.set_value(optimizer.lr, 0.3)
    assert float(optimizer.learning_rate) == pytest.approx(0.3 / (1 + 0.5 * 4))
    plain = optimizers.Adam(lr=1, epsilon=None)
    plain.lr = 0.25
    assert float(plain.learning_rate) == float(plain.lr) == 0.25
    assert plain.decay == 0.0
    with pytest.raises(ValueError, match="beside decay"):
        optimizers.SGD(decay=-1.0)


@pytest.fixture
def model(quiet):
    model = pyseq.Sequential([layers.Dense(3, activation="softmax", input_dim=4)])
    model.compile(optimizers.adam(lr=0.01), "categorical_crossentropy", class_mode="categorical")
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 4)).astype("float32"), np.eye(3)[np.arange(20) % 3]


def test_fit_of_old(model, data):
    seen = []
    look = pyseq.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.validation_data)
    )
    history = model.fit(
        *data, nb_epoch=2, show_accuracy=True, validation_data=data, callbacks=[look], verbose=0
    )
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(history.epoch) == 2
    assert [len(part) for part in seen[0]] == [20, 20, 20]
    assert model.validation_data is None


def test_generators_of_old(model, data):
    x, y = data

    def batches():
        while True:
            yield x[:5], y[:5]

    steps = []
    count = pyseq.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: steps.append(b))
    history = model.fit_generator(
        batches(), samples_per_epoch=12, nb_epoch=2, callbacks=[count], verbose=0,
        validation_data=batches(), nb_val_samples=10, max_q_size=2,
    )  # fmt: skip
    assert steps == [0, 1, 2] * 2
    assert len(history.history["val_loss"]) == 2
    expected = model.evaluate(x[:5], y[:5], verbose=0)
    assert model.evaluate_generator(batches(), steps=2) == pytest.approx(expected)
    out = model.predict_generator(((x[i : i + 5],) for i in range(0, 20, 5)), val_samples=20)
    np.testing.assert_array_equal(out, model.predict(x, verbose=0))
    with pytest.raises(TypeError, match="unknown.*stepz"):
        model.fit_generator(batches(), stepz=3)


def test_predictions_of_old(model, data):
    x, _ = data
    y = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict_proba(x), y)
    np.testing.assert_array_equal(model.predict_classes(x), y.argmax(axis=1))
    one = pyseq.Sequential([layers.Dense(1, activation="sigmoid", input_dim=4)])
    expected = (one.predict(x, verbose=0) > 0.5).astype("int32")
    np.testing.assert_array_equal(one.predict_classes(x), expected)
    assert model.model is model
    assert model.layers[0].W is model.layers[0].kernel
    with pytest.raises(AttributeError, match="no attribute 'predict_class'"):
        _ = model.predict_class


def test_to_categorical_of_old(quiet):
    y = pyseq.utils.np_utils.to_categorical([0, 1], nb_classes=3, dtype="uint8")
    assert (y.dtype, y.tolist()) == (np.dtype("uint8"), [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("name", ["m.hdf5", "m.h5", "m", "m.h5py", "m.2", "m.model"])
def test_files_of_old(name, model, data, tmp_path):
    path = str(tmp_path / name)
    expected = model.predict(data[0], verbose=0)
    model.save(path)
    np.testing.assert_array_equal(
        pyseq.models.load_model(path).predict(data[0], verbose=0), expected
    )
    weights = str(tmp_path / f"weights_{name}")
    if name not in ("m.2",):
        model.save_weights(weights)
        copy = pyseq.models.clone_model(model)
        copy.load_weights(weights)
        np.testing.assert_array_equal(copy.predict(data[0], verbose=0), expected)


def test_checkpoints_of_old(model, data, tmp_path):
    path = str(tmp_path / "w.{epoch:02d}.hdf5")
    saver = pyseq.callbacks.ModelCheckpoint(path, save_weights_only=True)
    best = pyseq.callbacks.ModelCheckpoint(str(tmp_path / "best"), "loss", save_best_only=True)
    model.fit(*data, epochs=2, callbacks=[saver, best], verbose=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best", "w.01.hdf5", "w.02.hdf5"]
    with pytest.raises(ValueError, match="filepath ending in"):
        pyseq.callbacks.ModelCheckpoint("notes.txt")


# Layer, input shape, and the output by loops over NumPy.
def _local(x, w, size):
    kernel, bias = w
    out = np.empty((len(x), *bias.shape))
    for place, index in enumerate(np.ndindex(bias.shape[:-1])):
        window = x[(slice(None), *(slice(i, i + s) for i, s in zip(index, size, strict=True)))]
        out[(slice(None), *index)] = window.reshape(len(x), -1) @ kernel[place] + bias[index]
    return out


def _highway(x, w):
    t = 1 / (1 + np.exp(-(x @ w[1] + w[3])))
    return t * np.tanh(x @ w[0] + w[2]) + (1 - t) * x


REAL = {
    "LocallyConnected1D": ((3, 2), {}, (6, 2), lambda x, w: _local(x, w, (2,))),
    "LocallyConnected2D": ((3, (2, 3)), {}, (4, 5, 2), lambda x, w: _local(x, w, (2, 3))),
    "MaxoutDense": ((3, 4), {}, (5,), lambda x, w: (x @ w[0] + w[1][:, None]).max(axis=0)),
    "Highway": ((), {"activation": "tanh"}, (4,), _highway),
    "ThresholdedReLU": ((0.5,), {}, (4,), lambda x, w: x * (x > 0.5)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_layers(name, rng, tmp_path):
    args, kwargs, shape, expected = REAL[name]
    layer = getattr(layers, name)(*args, dtype="float64", **kwargs)
    model = pyseq.Sequential([pyseq.Input(shape, dtype="float64"), layer])
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    x = rng.normal(size=(3, *shape))
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected(x, layer.get_weights()), rtol=1e-9 if layer.weights else 1e-6
    )
    assert model.output_shape[1:] == model.predict(x, verbose=0).shape[1:]
    path = tmp_path / "m.keras"
    model.save(path)
    again = pyseq.models.load_model(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", [name for name in REAL if name != "ThresholdedReLU"])
def test_gradients_of_real_layers(name, rng):
    """A step of SGD is the derivative by differences, along a random direction."""
    args, kwargs, shape, _ = REAL[name]
    layer = getattr(layers, name)(*args, dtype="float64", **kwargs)
    model = pyseq.Sequential([pyseq.Input(shape, dtype="float64"), layer])
    model.compile(optimizers.SGD(1.0), "mse")
    x = rng.normal(size=(4, *shape))
    y = rng.normal(size=model.compute_output_shape((4, *shape)))
    start = [rng.normal(size=w.shape) for w in model.get_weights()]
    direction = [rng.normal(size=w.shape) for w in start]

    def loss(step):
        moved = [w + step * d for w, d in zip(start, direction, strict=True)]
        model.set_weights(moved)
        return np.mean((model.predict(x, verbose=0) - y) ** 2)

    by_differences = (loss(1e-5) - loss(-1e-5)) / 2e-5
    model.set_weights(start)
    model.train_on_batch(x, y)
    steps = [(a - b) * d for a, b, d in zip(start, model.get_weights(), direction, strict=True)]
    assert sum(s.sum() for s in steps) == pytest.approx(by_differences, rel=1e-4)


def test_refusals_of_real_layers():
    with pytest.raises(ValueError, match="padding.*valid"):
        layers.LocallyConnected1D(2, 3, padding="same")
    with pytest.raises(ValueError, match="sizes are all known"):
        pyseq.Sequential([pyseq.Input((None, 2)), layers.LocallyConnected1D(2, 3)])
    with pytest.raises(ValueError, match="theta"):
        layers.ThresholdedReLU(-1.0)


def test_hook_keeps_signatures():
    assert "units" in inspect.signature(layers.Dense).parameters
    assert hooks.takes_old_spellings(len, "no such key")([1, 2]) == 2


def test_dropout_of_words(quiet):
    layer = layers.Embedding(50, 6, dropout=0.5, embeddings_initializer="ones")
    words = np.arange(50).reshape(2, 25)
    model = pyseq.Sequential([pyseq.Input((25,)), layer])
    np.testing.assert_array_equal(model.predict(words, verbose=0), 1)
    first, second = (model(words, training=True) for _ in range(2))
    for y in (first, second):
        np.testing.assert_array_equal(y, y[..., :1].repeat(6, -1))
        assert set(np.unique(y)) == {0, 2}
    assert not np.array_equal(first, second) and not np.array_equal(first[0], first[1])
    assert pyseq.models.clone_model(model).layers[0].word_dropout == 0.5
    assert layer.uses_learning_phase


def test_words_are_dropped_in_training(quiet):
    layer = layers.Embedding(3, 2, dropout=0.9, embeddings_initializer="ones")
    model = pyseq.Sequential([pyseq.Input((40,)), layer])
    model.compile(optimizers.SGD(0.0), "mse")
    words, y = np.ones((8, 40), int), np.zeros((8, 40, 2))
    assert model.fit(words, y, verbose=0).history["loss"][0] > 4
    assert model.evaluate(words, y, verbose=0) == pytest.approx(1)


def test_a_share_of_words_above_1_is_refused(quiet):
    with pytest.raises(ValueError, match=r"Embedding: expected dropout in \[0, 1\).*got 2"):
        layers.Embedding(3, 2, dropout=2)
    assert "dropout" not in layers.Embedding(3, 2, dropout=0.0).get_config()


def test_dropout_of_words_tells_what_to_write(fresh):
    with pytest.warns(CompatNotice, match="Dropout.rate, noise_shape"):
        layers.Embedding(3, 2, dropout=0.5)


@pytest.mark.filterwarnings("ignore::pyseq.compat.notices.CompatNotice")
@pytest.mark.parametrize("path", ["model/", "runs/first/model/", "model"])
def test_a_path_that_was_a_folder(path):
    model = pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(2)])
    model.save(path)
    again = pyseq.models.load_model(path)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
