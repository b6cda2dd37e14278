"""`.pyseq` files: what Python writes, the core reads; damaged and hostile ones are refused."""

import os

import numpy as np
import pytest
from forged_files import forge, set_in

import pyseq
from pyseq import _core, layers


def small_model():
    return pyseq.Sequential(
        [
            pyseq.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def test_round_trip(tmp_path):
    model = small_model()
    path = tmp_path / "model.pyseq"
    model.export(path)
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype("float32")
    loaded = _core.Model.load(str(path))
    assert loaded.input_shape == [8, 8, 2]
    assert loaded.output_shape == [3]
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x, verbose=0))


def test_a_sequence_model(tmp_path):
    model = pyseq.Sequential(
        [pyseq.Input((6,)), layers.Embedding(10, 4, mask_zero=True), layers.LSTM(5), layers.Dense(1)]
    )
    model.export(tmp_path / "m.pyseq")
    x = np.random.default_rng(0).integers(0, 10, (7, 6)).astype("float32")
    loaded = _core.Model.load(str(tmp_path / "m.pyseq"))
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x, verbose=0))


def test_what_cannot_be_exported(tmp_path):
    free = pyseq.Sequential([pyseq.Input((None, 3)), layers.Dense(2)])
    with pytest.raises(ValueError, match="input_signature"):
        free.export(tmp_path / "m.pyseq")
    free.export(tmp_path / "m.pyseq", input_signature=(None, 5, 3))
    with pytest.raises(ValueError, match="format"):
        small_model().export(tmp_path / "m", format="tf_saved_model")
    with pytest.raises(ValueError, match="built"):
        pyseq.Sequential([layers.Dense(2)]).export(tmp_path / "m.pyseq")
    host = pyseq.Sequential([pyseq.Input((3,)), layers.Lambda(lambda x: np.sort(x))])
    with pytest.raises(ValueError, match="Python function"):
        host.export(tmp_path / "m.pyseq")


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pyseq"
    path.write_bytes(b"old")
    with pytest.raises(ValueError):
        small_model().export(tmp_path / "no_such_folder" / "model.pyseq")
    small_model().export(path)
    assert sorted(os.listdir(tmp_path)) == ["model.pyseq"]


CHANGES = {
    "slot beyond memory": set_in("slots", 1, [1 << 40, 1 << 40]),
    "negative slot": set_in("slots", 1, [-1, 6, 4]),
    "variable beyond the file": set_in("variables", 0, "shape", [3, 3, 2, 1 << 30]),
    "variable of another shape": set_in("variables", 0, "shape", [1, 3, 2, 4]),
    "offset beyond the file": set_in("variables", 0, "offset", 1 << 40),
    "negative offset": set_in("variables", 0, "offset", -64),
    "offset not aligned": set_in("variables", 0, "offset", 4),
    "unknown op": set_in("ops", 0, "kind", "system"),
    "host op": set_in("ops", 0, "kind", "host"),
    "input of no slot": set_in("ops", 0, "inputs", [99]),
    "op reads the future": set_in("ops", 0, "inputs", [3]),
    "no variables": set_in("ops", 0, "params", []),
    "variable number": set_in("ops", 0, "params", [77, 78]),
    "zero strides": set_in("ops", 0, "attributes", "strides", [0, 0]),
    "negative strides": set_in("ops", 0, "attributes", "strides", [-1, 1]),
    "zero dilation": set_in("ops", 0, "attributes", "dilations", [0, 0]),
    "zero groups": set_in("ops", 0, "attributes", "groups", 0),
    "no attributes": set_in("ops", 0, "attributes", {}),
    "pool of nothing": set_in("ops", 2, "attributes", {}),
    "fold": set_in("ops", 0, "fold", 0),
    "self-test of many rows": set_in("self_test", "rows", 1 << 40),
    "another answer": set_in("self_test", "output", 0),
    "dtype": set_in("dtype", "int8"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_forged_files_are_refused(tmp_path, name):
    path = tmp_path / "model.pyseq"
    small_model().export(path)
    good = path.read_bytes()
    path.write_bytes(forge(good, lambda header: None))
    _core.Model.load(str(path))
    path.write_bytes(forge(good, CHANGES[name]))
    with pytest.raises(ValueError):
        _core.Model.load(str(path))


def test_random_attributes_never_crash(tmp_path):
    path = tmp_path / "model.pyseq"
    small_model().export(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    values = [0, -1, 1, 7, 1 << 33, -(1 << 40), 0.5, "text", [], [0], [1, 2, 3, 4, 5, 6, 7, 8, 9]]
    for _ in range(300):

        def change(header):
            op = header["ops"][rng.integers(len(header["ops"]))]
            keys = list(op["attributes"]) or ["axis"]
            op["attributes"][keys[rng.integers(len(keys))]] = values[rng.integers(len(values))]

        path.write_bytes(forge(good, change))
        try:
            _core.Model.load(str(path))
        except ValueError:
            pass


@pytest.mark.parametrize("front", ["conv", "transpose", "separable", "dense"])
def test_normalization_is_folded_as_in_python(tmp_path, front):
    shape, layer = {
        "conv": ((12, 12, 5), layers.Conv2D(7, 3)),
        "transpose": ((6, 6, 5), layers.Conv2DTranspose(9, 3)),
        "separable": ((19, 17, 5), layers.SeparableConv2D(9, 3)),
        "dense": ((11,), layers.Dense(9, use_bias=False)),
    }[front]
    model = pyseq.Sequential(
        [pyseq.Input(shape), layer, layers.BatchNormalization(epsilon=0.01), layers.ReLU()]
    )
    rng = np.random.default_rng(0)
    for v in model.weights:
        v.assign(rng.uniform(0.5, 1.5, v.shape))
    model.export(tmp_path / "m.pyseq")
    loaded = _core.Model.load(str(tmp_path / "m.pyseq"))
    x = rng.normal(size=(5, *shape)).astype("float32")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x, verbose=0))


@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_stateful_layers(tmp_path, cell):
    model = pyseq.Sequential(
        [pyseq.Input(batch_shape=(2, 4, 3)), cell(5, stateful=True), layers.Dense(1)]
    )
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    model.predict(x, batch_size=2, verbose=0)
    states = [s.numpy() for s in model.layers[0].states]
    model.export(tmp_path / "m.pyseq")
    for state, before in zip(model.layers[0].states, states):
        np.testing.assert_array_equal(state.numpy(), before)
    loaded = _core.Model.load(str(tmp_path / "m.pyseq"))
    for _ in range(3):
        want = model.predict(x, batch_size=2, verbose=0)
        np.testing.assert_array_equal(loaded.predict(x), want)
