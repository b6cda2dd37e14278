"""Model files: both directions with Keras, training state, atomic writing, older formats."""

import io
import json
import os
import zipfile

import h5py
import numpy as np
import pytest

import pyseq
from pyseq import layers as L
from pyseq.saving import load_model

pytestmark = [
    # From torch inside Keras.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def stack(module, kind):
    """The same model in pyseq and in Keras."""
    k = module.layers
    if kind == "dense":
        rows = [module.Input((6,)), k.Dense(5, activation="relu"), k.BatchNormalization(),
                k.Dropout(0.1), k.Dense(4, activation="tanh", use_bias=False),
                k.LayerNormalization(), k.Dense(1)]  # fmt: skip
    elif kind == "conv":
        rows = [module.Input((8, 8, 2)), k.Conv2D(3, 3, activation="relu"), k.BatchNormalization(),
                module.Sequential([k.Conv2D(4, 1), k.BatchNormalization()], name="inner"),
                k.MaxPooling2D(), k.Flatten(), k.PReLU(), k.Dense(1)]  # fmt: skip
    elif kind == "recurrent":
        rows = [module.Input((5, 3)), k.TimeDistributed(k.Dense(4)),
                k.Bidirectional(k.LSTM(3, return_sequences=True)), k.GRU(3, return_sequences=True),
                k.RNN([k.LSTMCell(2), k.GRUCell(3)], return_sequences=True),
                k.SimpleRNN(2), k.Dense(1)]  # fmt: skip
    else:
        rows = [module.Input((4,)), k.Embedding(7, 3), k.Conv1D(4, 2, padding="same"),
                k.GlobalAveragePooling1D(), k.Dense(1)]  # fmt: skip
    return module.Sequential(rows, name=kind)


SHAPES = {"dense": (6,), "conv": (8, 8, 2), "recurrent": (5, 3), "embedding": (4,)}


def data_for(kind, rng, rows=16):
    if kind == "embedding":
        x = rng.integers(0, 7, (rows, *SHAPES[kind])).astype("float32")
    else:
        x = rng.normal(size=(rows, *SHAPES[kind])).astype("float32")
    return x, rng.normal(size=(rows, 1)).astype("float32")


def trained(module, kind, rng, optimizer="adam"):
    model = stack(module, kind)
    model.compile(optimizer, "mse", metrics=["mae"])
    x, y = data_for(kind, rng)
    model.fit(x, y, epochs=1, batch_size=8, verbose=0)
    return model


def predict(model, x):
    return np.asarray(model.predict(x, verbose=0))


def assert_same_state(ours, theirs, rtol=0):
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(np.asarray(a.numpy()), np.asarray(b), rtol=rtol)
    for a, b in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(a.numpy()), np.asarray(b), rtol=rtol)


def state_of(model):
    return [v.numpy() for v in [*model.weights, *model.optimizer.variables]]


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_round_trip(kind, ending, rng, tmp_path):
    model = trained(pyseq, kind, rng)
    x, y = data_for(kind, rng)
    path = tmp_path / f"m{ending}"
    model.save(path)
    loaded = load_model(path)
    np.testing.assert_array_equal(predict(loaded, x), predict(model, x))
    assert loaded.name == model.name
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    for a, b in zip(state_of(loaded), state_of(model), strict=True):
        np.testing.assert_array_equal(a, b)
    if kind != "dense":  # dropout draws other masks
        arguments = dict(epochs=2, shuffle=False, verbose=0)
        first = model.fit(x, y, **arguments).history
        assert loaded.fit(x, y, **arguments).history == first


@pytest.mark.parametrize("kind", SHAPES)
def test_keras_reads_our_file(keras, kind, rng, tmp_path):
    model = trained(pyseq, kind, rng)
    x, y = data_for(kind, rng)
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(predict(theirs, x), predict(model, x), atol=1e-5)
    assert_same_state(model, theirs)
    if kind in ("conv", "embedding"):
        arguments = dict(epochs=2, shuffle=False, verbose=0)
        np.testing.assert_allclose(
            model.fit(x, y, **arguments).history["loss"],
            theirs.fit(x, y, **arguments).history["loss"],
            rtol=1e-4,
        )


@pytest.mark.parametrize("kind", SHAPES)
def test_we_read_the_file_of_keras(keras, kind, rng, tmp_path):
    theirs = trained(keras, kind, rng)
    x, y = data_for(kind, rng)
    theirs.save(tmp_path / "m.keras")
    model = load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(predict(model, x), predict(theirs, x), atol=1e-5)
    assert_same_state(model, theirs)
    if kind in ("conv", "embedding"):
        arguments = dict(epochs=2, shuffle=False, verbose=0)
        np.testing.assert_allclose(
            model.fit(x, y, **arguments).history["loss"],
            theirs.fit(x, y, **arguments).history["loss"],
            rtol=1e-4,
        )


@pytest.mark.parametrize("kind", SHAPES)
def test_legacy_h5_both_ways(keras, kind, rng, tmp_path):
    x, _ = data_for(kind, rng)
    theirs = trained(keras, kind, rng)
    theirs.save(tmp_path / "k.h5")
    model = load_model(tmp_path / "k.h5")
    np.testing.assert_allclose(predict(model, x), predict(theirs, x), atol=1e-5)
    assert_same_state(model, theirs)
    model.save(tmp_path / "p.h5")
    again = keras.models.load_model(tmp_path / "p.h5", compile=False)
    np.testing.assert_allclose(predict(again, x), predict(theirs, x), atol=1e-5)


def optimizers_of(module):
    o = module.optimizers
    return {
        "sgd": lambda: o.SGD(0.01, momentum=0.9, nesterov=True),
        "rmsprop": lambda: o.RMSprop(0.001, centered=True, momentum=0.5),
        "adam": lambda: o.Adam(0.001, amsgrad=True, weight_decay=0.01),
        "adamw": lambda: o.AdamW(),
        "adagrad": lambda: o.Adagrad(),
        "adadelta": lambda: o.Adadelta(),
        "adamax": lambda: o.Adamax(),
        "nadam": lambda: o.Nadam(),
        "ftrl": lambda: o.Ftrl(),
        "lion": lambda: o.Lion(),
        "lamb": lambda: o.Lamb(),
        "adafactor": lambda: o.Adafactor(),
        "ema": lambda: o.SGD(0.01, use_ema=True),
        "accumulate": lambda: o.Adam(gradient_accumulation_steps=2),
        "schedule": lambda: o.Adam(o.schedules.ExponentialDecay(0.01, 10, 0.9)),
        "loss_scale": lambda: o.LossScaleOptimizer(o.Adam()),
        "multi": lambda: o.MultiOptimizer(
            o.OptimizerMap(o.Adam(), {".*kernel": o.SGD(0.01, momentum=0.5)})
        ),
    }


@pytest.mark.parametrize("name", optimizers_of(pyseq))
def test_optimizer_state_both_ways(keras, name, rng, tmp_path):
    x, y = data_for("embedding", rng)
    arguments = dict(epochs=2, batch_size=8, shuffle=False, verbose=0)
    ours = trained(pyseq, "embedding", rng, optimizers_of(pyseq)[name]())
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    assert_same_state(ours, theirs)
    theirs.save(tmp_path / "k.keras")
    again = load_model(tmp_path / "k.keras")
    assert_same_state(again, theirs)
    expected = ours.fit(x, y, **arguments).history["loss"]
    np.testing.assert_allclose(again.fit(x, y, **arguments).history["loss"], expected, rtol=1e-6)


def test_layout_is_that_of_keras(keras, rng, tmp_path):
    def tree(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            source = io.BytesIO(archive.read("model.weights.h5"))
            stored = all(i.compress_type == zipfile.ZIP_STORED for i in archive.infolist())
        found = {}
        with h5py.File(source) as file:
            file.visititems(
                lambda name, o: found.update({name: (getattr(o, "shape", None), len(o.attrs))})
            )
        return names, stored, found

    for kind in SHAPES:
        trained(pyseq, kind, rng).save(tmp_path / "p.keras")
        trained(keras, kind, rng).save(tmp_path / "k.keras")
        ours, theirs = tree(tmp_path / "p.keras"), tree(tmp_path / "k.keras")
        assert ours[:2] == theirs[:2]
        assert ours[2] == theirs[2]


def test_wrappers_match_keras(keras, rng, tmp_path):
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    theirs = keras.Sequential(
        [
            keras.Input((5, 3)),
            keras.layers.SpectralNormalization(keras.layers.Dense(4)),
            keras.layers.Normalization(mean=1.0, variance=2.0),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    theirs.save(tmp_path / "k.keras")
    ours = load_model(tmp_path / "k.keras")
    np.testing.assert_allclose(predict(ours, x), predict(theirs, x), atol=1e-5)
    ours.save(tmp_path / "p.keras")
    again = keras.models.load_model(tmp_path / "p.keras")
    np.testing.assert_allclose(predict(again, x), predict(theirs, x), atol=1e-5)


def test_adapted_normalization(keras, rng, tmp_path):
    x = rng.normal(3, 2, size=(50, 4)).astype("float32")
    ours = pyseq.Sequential([pyseq.Input((4,)), L.Normalization(), L.Dense(1)])
    ours.layers[0].adapt(x)
    ours.save(tmp_path / "p.keras")
    expected = predict(ours, x)
    np.testing.assert_allclose(
        predict(keras.models.load_model(tmp_path / "p.keras"), x), expected, atol=1e-5
    )
    np.testing.assert_array_equal(predict(load_model(tmp_path / "p.keras"), x), expected)


def test_assets_of_lookup_layers(keras, tmp_path):
    numbers = np.array([[10], [20], [10], [30]])
    ours = pyseq.Sequential([pyseq.Input((1,), dtype="int64"), L.IntegerLookup()])
    ours.layers[0].adapt(numbers)
    ours.save(tmp_path / "p.keras")
    with zipfile.ZipFile(tmp_path / "p.keras") as archive:
        assert "assets/layers/integer_lookup/vocabulary.txt" in archive.namelist()
    loaded = load_model(tmp_path / "p.keras")
    assert loaded.layers[0].get_vocabulary() == ours.layers[0].get_vocabulary()
    np.testing.assert_array_equal(predict(loaded, numbers), predict(ours, numbers))


def test_compile_arguments_survive(tmp_path):
    model = stack(pyseq, "dense")
    model.compile(
        pyseq.optimizers.Adam(0.02), pyseq.losses.Huber(0.5), loss_weights=0.5,
        metrics=["mae", pyseq.metrics.RootMeanSquaredError(name="r")],
    )  # fmt: skip
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"m{ending}")
        loaded = load_model(tmp_path / f"m{ending}")
        assert float(loaded.optimizer.learning_rate) == pytest.approx(0.02)
        assert loaded.loss.get_config()["delta"] == 0.5
        assert loaded._compile_config["loss_weights"] == 0.5
        x = np.ones((4, 6), "float32")
        a = loaded.evaluate(x, np.zeros((4, 1)), verbose=0, return_dict=True)
        b = model.evaluate(x, np.zeros((4, 1)), verbose=0, return_dict=True)
        assert {k.replace("mean_absolute_error", "mae"): v for k, v in a.items()} == b
        assert not load_model(tmp_path / f"m{ending}", compile=False).compiled


def test_models_without_compile_or_build(tmp_path):
    model = stack(pyseq, "dense")
    model.save(tmp_path / "m.keras")
    assert not load_model(tmp_path / "m.keras").compiled
    model.save(tmp_path / "m.h5")
    with pytest.warns(UserWarning, match="the model is not compiled"):
        load_model(tmp_path / "m.h5")
    unbuilt = pyseq.Sequential([L.Dense(2)])
    with pytest.warns(UserWarning, match="expected a built model"):
        unbuilt.save(tmp_path / "u.keras")
    assert not load_model(tmp_path / "u.keras").built
    with pytest.raises(ValueError, match="save_weights: expected a built model"):
        unbuilt.save_weights(tmp_path / "u.weights.h5")
    with pytest.raises(ValueError, match="load_weights: expected a built model"):
        unbuilt.load_weights(tmp_path / "u.weights.h5")


def test_unfitted_optimizer(keras, rng, tmp_path):
    ours = stack(pyseq, "dense")
    ours.compile("adam", "mse")
    ours.save(tmp_path / "p.keras")
    load_model(tmp_path / "p.keras")
    theirs = stack(keras, "dense")
    theirs.compile("adam", "mse")
    theirs.save(tmp_path / "k.keras")
    load_model(tmp_path / "k.keras")
    theirs.save(tmp_path / "k.h5")
    load_model(tmp_path / "k.h5")


@pytest.mark.parametrize("kind", SHAPES)
def test_weights_both_ways(keras, kind, rng, tmp_path):
    x, _ = data_for(kind, rng)
    ours, theirs = trained(pyseq, kind, rng), trained(keras, kind, rng)
    theirs.save_weights(tmp_path / "k.weights.h5")
    ours.load_weights(tmp_path / "k.weights.h5")
    np.testing.assert_allclose(predict(ours, x), predict(theirs, x), atol=1e-5)
    assert_same_state(ours, theirs)
    ours = trained(pyseq, kind, rng)
    ours.save_weights(tmp_path / "p.weights.h5")
    theirs.load_weights(tmp_path / "p.weights.h5")
    np.testing.assert_allclose(predict(ours, x), predict(theirs, x), atol=1e-5)
    assert_same_state(ours, theirs)


def test_load_weights_from_other_formats(rng, tmp_path):
    x, _ = data_for("dense", rng)
    model = trained(pyseq, "dense", rng)
    expected = predict(model, x)
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    for name in ("m.keras", "m.h5"):
        other = stack(pyseq, "dense")
        other.load_weights(tmp_path / name)
        np.testing.assert_array_equal(predict(other, x), expected)


def test_sharded_weights(keras, rng, tmp_path):
    x, _ = data_for("dense", rng)
    model = trained(pyseq, "dense", rng)
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=150 / 1024**3)
    names = sorted(os.listdir(tmp_path))
    assert len(names) > 3 and names[:2] == ["m.weights.json", "m_00000.weights.h5"]
    other = trained(pyseq, "dense", rng)
    other.load_weights(tmp_path / "m.weights.json")
    np.testing.assert_array_equal(predict(other, x), predict(model, x))
    assert_same_state(other, model)
    theirs = trained(keras, "dense", rng)
    theirs.load_weights(str(tmp_path / "m.weights.json"))
    np.testing.assert_allclose(predict(theirs, x), predict(model, x), atol=1e-5)
    theirs.save_weights(tmp_path / "k.weights.json", max_shard_size=200 / 1024**3)
    other = trained(pyseq, "dense", rng)
    other.load_weights(tmp_path / "k.weights.json")
    assert_same_state(other, theirs)
    with pytest.raises(ValueError, match="raise max_shard_size"):
        model.save_weights(tmp_path / "s.weights.json", max_shard_size=10 / 1024**3)


def test_skip_mismatch(rng, tmp_path):
    model = pyseq.Sequential([pyseq.Input((3,)), L.Dense(4), L.Dense(2)])
    other = pyseq.Sequential([pyseq.Input((3,)), L.Dense(4), L.Dense(5)])
    for name in ("m.weights.h5", "m.h5"):
        (model.save if name == "m.h5" else model.save_weights)(tmp_path / name)
        other.set_weights([w * 0 for w in other.get_weights()])
        before = other.get_weights()
        with pytest.raises(ValueError, match="belongs to another architecture"):
            other.load_weights(tmp_path / name)
        for a, b in zip(before, other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        with pytest.warns(UserWarning, match="skipped"):
            other.load_weights(tmp_path / name, skip_mismatch=True)
        np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
        np.testing.assert_array_equal(other.get_weights()[2], before[2])


def test_legacy_by_name(tmp_path):
    model = pyseq.Sequential([pyseq.Input((3,)), L.Dense(4, name="a"), L.Dense(2, name="b")])
    model.save(tmp_path / "m.h5")
    other = pyseq.Sequential([pyseq.Input((4,)), L.Dense(2, name="b")])
    with pytest.raises(ValueError, match="expected 1 layers with weights, got 2"):
        other.load_weights(tmp_path / "m.h5")
    other.load_weights(tmp_path / "m.h5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[2])
    with pytest.raises(ValueError, match="expected by_name only with older"):
        other.load_weights(tmp_path / "m.weights.h5", by_name=True)


# What Keras 2 wrote, abridged to the keys that matter here.
KERAS_2_CONFIG = {
    "class_name": "Sequential",
    "config": {
        "name": "old",
        "layers": [
            {"class_name": "InputLayer",
             "config": {"batch_input_shape": [None, 4, 3], "dtype": "float32", "sparse": False,
                        "ragged": False, "name": "lstm_input"}},
            {"class_name": "LSTM",
             "config": {"name": "lstm", "trainable": True, "batch_input_shape": [None, 4, 3],
                        "dtype": {"class_name": "Policy", "config": {"name": "float32"}},
                        "return_sequences": False, "return_state": False, "go_backwards": False,
                        "stateful": False, "unroll": False, "time_major": False, "units": 2,
                        "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True,
                        "kernel_initializer": {"class_name": "GlorotUniform",
                                               "config": {"seed": None}, "shared_object_id": 1},
                        "recurrent_initializer": {"class_name": "Orthogonal",
                                                  "config": {"gain": 1.0, "seed": None}},
                        "bias_initializer": {"class_name": "Zeros", "config": {}},
                        "unit_forget_bias": True, "kernel_regularizer": None,
                        "recurrent_regularizer": None, "bias_regularizer": None,
                        "activity_regularizer": None, "kernel_constraint": None,
                        "recurrent_constraint": None, "bias_constraint": None, "dropout": 0.0,
                        "recurrent_dropout": 0.0, "implementation": 2}},
            {"class_name": "BatchNormalization",
             "config": {"name": "bn", "trainable": True, "dtype": "float32", "axis": [1],
                        "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True,
                        "beta_initializer": {"class_name": "Zeros", "config": {}},
                        "gamma_initializer": {"class_name": "Ones", "config": {}},
                        "moving_mean_initializer": {"class_name": "Zeros", "config": {}},
                        "moving_variance_initializer": {"class_name": "Ones", "config": {}},
                        "beta_regularizer": None, "gamma_regularizer": None,
                        "beta_constraint": None, "gamma_constraint": None}},
            {"class_name": "Dense",
             "config": {"name": "dense", "trainable": True, "dtype": "float32", "units": 3,
                        "activation": "softmax", "use_bias": True,
                        "kernel_initializer": {"class_name": "GlorotUniform",
                                               "config": {"seed": None}},
                        "bias_initializer": {"class_name": "Zeros", "config": {}},
                        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.01}},
                        "bias_regularizer": None, "activity_regularizer": None,
                        "kernel_constraint": None, "bias_constraint": None}},
        ],
    },
}  # fmt: skip
KERAS_2_TRAINING = {
    "loss": {"class_name": "SparseCategoricalCrossentropy",
             "config": {"reduction": "auto", "name": "sparse_categorical_crossentropy",
                        "from_logits": False, "ignore_class": None}},
    "metrics": [[{"class_name": "MeanMetricWrapper",
                  "config": {"name": "accuracy", "dtype": "float32",
                             "fn": "sparse_categorical_accuracy"}}]],
    "weighted_metrics": None,
    "loss_weights": None,
    "optimizer_config": {"class_name": "Custom>Adam",
                         "config": {"name": "Adam", "weight_decay": None, "clipnorm": None,
                                    "global_clipnorm": None, "clipvalue": None, "use_ema": False,
                                    "ema_momentum": 0.99, "ema_overwrite_frequency": None,
                                    "jit_compile": True, "is_legacy_optimizer": False,
                                    "learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999,
                                    "epsilon": 1e-07, "amsgrad": False}},
}  # fmt: skip


def write_keras_2(path, rng, config=KERAS_2_CONFIG, training=KERAS_2_TRAINING):
    shapes = {
        "lstm": [("lstm/lstm_cell/kernel:0", (3, 8)), ("lstm/lstm_cell/recurrent_kernel:0", (2, 8)),
                 ("lstm/lstm_cell/bias:0", (8,))],
        "bn": [("bn/gamma:0", (2,)), ("bn/beta:0", (2,)), ("bn/moving_mean:0", (2,)),
               ("bn/moving_variance:0", (2,))],
        "dense": [("dense/kernel:0", (2, 3)), ("dense/bias:0", (3,))],
    }  # fmt: skip
    arrays = []
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["training_config"] = json.dumps(training).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array([n.encode() for n in shapes])
        for name, weights in shapes.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = np.array([n.encode() for n, _ in weights])
            for weight, shape in weights:
                value = rng.uniform(0.1, 1, shape).astype("float32")
                layer[weight] = value
                arrays.append(value)
    return arrays


def test_model_of_keras_2(keras, rng, tmp_path):
    path = tmp_path / "old.h5"
    arrays = write_keras_2(path, rng)
    model = load_model(path)
    assert model.input_shape == (None, 4, 3) and model.compiled
    for a, b in zip(model.get_weights(), arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    x = rng.normal(size=(5, 4, 3)).astype("float32")
    k = keras.layers
    theirs = keras.Sequential(
        [keras.Input((4, 3)), k.LSTM(2), k.BatchNormalization(), k.Dense(3, activation="softmax")]
    )
    theirs.set_weights(arrays)
    np.testing.assert_allclose(predict(model, x), predict(theirs, x), atol=1e-5)
    logs = model.evaluate(x, np.zeros((5, 1)), verbose=0, return_dict=True)
    assert sorted(logs) == ["accuracy", "loss"]


def test_retired_arguments_with_other_values_are_refused(rng, tmp_path):
    config = json.loads(json.dumps(KERAS_2_CONFIG))
    config["config"]["layers"][1]["config"]["time_major"] = True
    write_keras_2(tmp_path / "old.h5", rng, config)
    with pytest.raises(ValueError, match=r"lstm: .* retired argument time_major .* got True"):
        load_model(tmp_path / "old.h5")
    training = json.loads(json.dumps(KERAS_2_TRAINING))
    training["optimizer_config"]["config"]["decay"] = "fast"
    write_keras_2(tmp_path / "old.h5", rng, training=training)
    with pytest.raises(ValueError, match="retired argument decay"):
        load_model(tmp_path / "old.h5")
    load_model(tmp_path / "old.h5", compile=False)


def test_many_names_in_legacy_attributes(tmp_path):
    name = "layer_with_a_long_name_" * 60
    stack = [pyseq.Input((2,))] + [L.Dense(2, name=f"{name}{i}") for i in range(60)]
    model = pyseq.Sequential(stack)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert "layer_names1" in file["model_weights"].attrs
    with pytest.warns(UserWarning, match="not compiled"):
        loaded = load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(loaded.get_weights()[-2], model.get_weights()[-2])


def test_bfloat16_and_half_precision(keras, tmp_path):
    for dtype in ("bfloat16", "float16"):
        theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype=dtype)])
        theirs.save_weights(tmp_path / "k.weights.h5")
        ours = pyseq.Sequential([pyseq.Input((3,)), L.Dense(2)])
        ours.load_weights(tmp_path / "k.weights.h5")
        expected = keras.ops.convert_to_numpy(keras.ops.cast(theirs.weights[0], "float32"))
        np.testing.assert_array_equal(ours.get_weights()[0], expected)


def test_file_objects_and_directories(keras, rng, tmp_path):
    model = trained(pyseq, "dense", rng)
    x, _ = data_for("dense", rng)
    expected = predict(model, x)
    buffer = io.BytesIO()
    model.save(buffer)
    buffer.seek(0)
    np.testing.assert_array_equal(predict(load_model(buffer), x), expected)
    for _ in range(2):
        model.save(tmp_path / "folder", zipped=False)
        assert os.listdir(tmp_path) == ["folder"]
    np.testing.assert_array_equal(predict(load_model(tmp_path / "folder"), x), expected)
    theirs = keras.models.load_model(tmp_path / "folder")
    np.testing.assert_allclose(predict(theirs, x), expected, atol=1e-5)
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="got other files"):
        model.save(tmp_path / "folder", zipped=False)


def test_paths_that_are_refused(rng, tmp_path):
    model = stack(pyseq, "dense")
    for path, message in (
        ("m.txt", r"expected a path ending in \.keras"),
        ("hf://user/m", "expected a local path"),
        ("s3://b/m.keras", "expected a local path"),
    ):
        with pytest.raises(ValueError, match=message):
            model.save(path)
    with pytest.raises(ValueError, match="name of a directory with zipped=False"):
        model.save("m.keras", zipped=False)
    with pytest.raises(ValueError, match=r"ending in \.weights\.h5"):
        model.save_weights("m.npz")
    with pytest.raises(ValueError, match=r"expected a \.weights\.h5, \.weights\.json"):
        model.load_weights("m.npz")
    with pytest.raises(ValueError, match=r"load_model: expected a \.keras or \.h5 file"):
        load_model("m.pb")
    for name, kind in (("none.keras", ValueError), ("none.h5", FileNotFoundError)):
        with pytest.raises(kind, match="expected a file, got none"):
            load_model(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="expected an existing directory"):
        model.save(tmp_path / "no" / "m.keras")
    model.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError, match="overwrite=False"):
        model.save(tmp_path / "m.keras", overwrite=False)
    with pytest.raises(ValueError, match="unknown arguments"):
        model.save(tmp_path / "m.keras", zip=True)


def test_saving_is_atomic(monkeypatch, tmp_path):
    model = stack(pyseq, "dense")
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        path = tmp_path / name
        write = model.save_weights if name == "m.weights.h5" else model.save
        write(path)
        before = path.read_bytes()

        def fail(*args, **kwargs):
            raise RuntimeError("disk on fire")

        with monkeypatch.context() as patch:
            patch.setattr(type(model.layers[-1]), "save_own_variables", fail)
            patch.setattr("pyseq.saving.legacy_h5._write_layers", fail)
            with pytest.raises(RuntimeError, match="disk on fire"):
                write(path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail)
            with pytest.raises(RuntimeError, match="disk on fire"):
                write(path)
        assert path.read_bytes() == before
        assert sorted(os.listdir(tmp_path)) == [name]
        path.unlink()


def test_saved_files_keep_their_permissions(tmp_path):
    model = stack(pyseq, "dense")
    model.save(tmp_path / "m.keras")
    os.chmod(tmp_path / "m.keras", 0o640)
    model.save(tmp_path / "m.keras")
    assert os.stat(tmp_path / "m.keras").st_mode & 0o777 == 0o640


def test_custom_objects(tmp_path):
    class Doubled(L.Dense):
        pass

    def cube(x):
        return x**3

    model = pyseq.Sequential([pyseq.Input((2,)), Doubled(2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="pyseq or of custom_objects, got 'Doubled'"):
        load_model(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras", custom_objects={"Doubled": Doubled})
    assert type(loaded.layers[0]) is Doubled
    with pyseq.saving.custom_object_scope({"Doubled": Doubled}):
        load_model(tmp_path / "m.keras")
    model = pyseq.Sequential([pyseq.Input((2,)), L.Lambda(cube)])
    model.save(tmp_path / "l.keras")
    loaded = load_model(tmp_path / "l.keras", custom_objects={"cube": cube})
    np.testing.assert_array_equal(predict(loaded, np.full((1, 2), 2.0)), [[8, 8]])


def test_custom_save_own_variables(tmp_path):
    class Scaled(L.Dense):
        def save_own_variables(self, store):
            store["both"] = np.concatenate([self.kernel.numpy().ravel(), self.bias.numpy()])

        def load_own_variables(self, store):
            both = store["both"]
            self.kernel.assign(both[:-2].reshape(3, 2))
            self.bias.assign(both[-2:])

    model = pyseq.Sequential([pyseq.Input((3,)), Scaled(2)])
    model.save_weights(tmp_path / "m.weights.h5")
    other = pyseq.Sequential([pyseq.Input((3,)), Scaled(2)])
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_sublayers_of_custom_layers(tmp_path):
    class Block(L.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first = L.Dense(3)
            self.rest = [L.Dense(3), L.Dense(2)]

        def build(self, input_shape):
            for part in (self.first, *self.rest):
                part.build(input_shape)
                input_shape = part.compute_output_shape(input_shape)

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], 2)

        def lower(self, g, x):
            for part in (self.first, *self.rest):
                x = part.emit(g, x)
            return x

    model = pyseq.Sequential([pyseq.Input((4,)), Block()])
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert "layers/block/first/vars/0" in file and "layers/block/rest/dense_1/vars/0" in file
    other = pyseq.Sequential([pyseq.Input((4,)), Block()])
    other.load_weights(tmp_path / "m.weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_file_editor(rng, tmp_path, capsys):
    model = trained(pyseq, "dense", rng)
    model.save(tmp_path / "m.keras")
    editor = pyseq.saving.KerasFileEditor(tmp_path / "m.keras")
    assert editor.compare(model) == {"status": "success", "error_count": 0,
                                     "match_count": len(state_of(model))}  # fmt: skip
    editor.summary()
    out = capsys.readouterr().out
    assert "dense_1 ('" in out and "shape=(6, 5)" in out
    editor.rename_object("layers/dense_2", "final")
    assert editor.compare(model)["error_count"] == 4
    editor.rename_object("final", "dense_2")
    editor.delete_weight("layers/dense_2", "1")
    editor.add_weights("layers/dense_2", {"1": np.array([5.0], "float32")})
    editor.delete_object("optimizer")
    editor.add_object("layers/extra", {"0": np.zeros(2)})
    editor.delete_object("extra")
    editor.save(tmp_path / "e.weights.h5")
    other = stack(pyseq, "dense")
    other.load_weights(tmp_path / "e.weights.h5")
    assert other.get_weights()[-1].tolist() == other.layers[-1].bias.numpy().tolist() == [5.0]
    pyseq.saving.KerasFileEditor(tmp_path / "e.weights.h5").resave_weights(
        tmp_path / "f.weights.h5"
    )
    for message, call in (
        ("occurs 0 times", lambda: editor.delete_object("nope")),
        ("expected an object of the file", lambda: editor.delete_object("layers/nope")),
        ("expected one of", lambda: editor.delete_weight("dense_2", "9")),
        ("expected weights as a dict", lambda: editor.add_weights("dense_2", [1])),
        ("without '/'", lambda: editor.rename_object("dense_2", "a/b")),
        (r"ending in \.weights\.h5", lambda: editor.save(tmp_path / "a.h5")),
        (r"expected a \.keras or", lambda: pyseq.saving.KerasFileEditor("a.h5")),
    ):
        with pytest.raises(ValueError, match=message):
            call()
