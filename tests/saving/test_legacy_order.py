"""Weights of nested models in `.h5` files, whose order depends on what was frozen."""

import h5py
import numpy as np
import old_files as old
import pytest

import pyseq
from pyseq import layers as L
from pyseq.saving import load_model

pytestmark = [
    # From torch inside Keras.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def nested(module, frozen, prefix="", shapes=(3, 3)):
    k = module.layers
    names = [f"{prefix}{n}" if prefix else None for n in ("zeta", "norm", "alpha")]
    inner = module.Sequential(
        [module.Input((3,)), k.Dense(shapes[0], name=names[0]), k.BatchNormalization(name=names[1]),
         k.Dense(shapes[1], name=names[2])]
    )  # fmt: skip
    model = module.Sequential([module.Input((3,)), inner, k.Dense(1)])
    for i in frozen:
        inner.layers[i].trainable = False
    return model


def fill(model, rng):
    model.set_weights([rng.uniform(size=w.shape).astype("float32") for w in model.weights])


FROZEN = [(), (0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)]


@pytest.mark.parametrize("written", FROZEN)
@pytest.mark.parametrize("read", [(), (0,), (1, 2)])
@pytest.mark.parametrize("writer", ["pyseq", "keras"])
@pytest.mark.parametrize("prefix", ["", "my_"])
def test_frozen_parts_may_differ(keras, writer, written, read, prefix, rng, tmp_path):
    a = nested(keras if writer == "keras" else pyseq, written, prefix)
    fill(a, rng)
    a.save(tmp_path / "m.h5")
    b = nested(pyseq, read, prefix)
    b.load_weights(tmp_path / "m.h5")
    for ours, theirs in zip(b.weights, a.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), np.asarray(theirs), err_msg=ours.path)
    if prefix == "":
        loaded = load_model(tmp_path / "m.h5", compile=False)
        for ours, theirs in zip(loaded.weights, a.weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), np.asarray(theirs))


@pytest.mark.parametrize("names", [("dense_8", "bn_2", "dense_10"), ("my_zeta", "my_norm", "my_alpha")])
@pytest.mark.parametrize("written", FROZEN)
def test_frozen_parts_in_files_of_weights_only(names, written, rng, tmp_path):
    arrays = {}
    for name, parts in zip(names, (("kernel", "bias"),
                                   ("gamma", "beta", "moving_mean", "moving_variance"),
                                   ("kernel", "bias")), strict=True):  # fmt: skip
        for part in parts:
            shape = (3, 3) if part == "kernel" else (3,)
            arrays[f"{name}/{part}:0"] = rng.uniform(size=shape).astype("float32")

    def is_frozen(name):
        return names.index(name.partition("/")[0]) in written or "moving" in name

    order = sorted(arrays, key=is_frozen)  # stable
    last = [("d/kernel:0", np.ones((3, 1), "f")), ("d/bias:0", np.ones(1, "f"))]
    pairs = {"inner": [(name, arrays[name]) for name in order], "d": last}
    old.write_h5(tmp_path / "w.h5", None, pairs)
    b = nested(pyseq, (2,), "my_" if "my_zeta" in names else "")
    b.load_weights(tmp_path / "w.h5")
    for ours, theirs in zip(b.weights, arrays.values()):
        np.testing.assert_array_equal(ours.numpy(), theirs, err_msg=ours.path)


def test_frozen_parts_deeper_and_by_name(rng, tmp_path):
    def build():
        inner = pyseq.Sequential([pyseq.Input((3,)), L.Dense(3), L.Dense(3)])
        two = pyseq.Sequential([pyseq.Input((3,)), L.Dense(3), inner], name="outer")
        return pyseq.Sequential([pyseq.Input((3,)), two, L.Dense(1, name="last")])

    a, b = build(), build()
    a.layers[0].layers[0].trainable = False
    a.layers[0].layers[1].layers[0].trainable = False
    b.layers[0].layers[1].layers[1].trainable = False
    fill(a, rng)
    a.save(tmp_path / "m.h5")
    for by_name in (False, True):
        fill(b, rng)
        b.load_weights(tmp_path / "m.h5", by_name=by_name)
        for ours, theirs in zip(b.get_weights(), a.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_damaged_order_is_refused(rng, tmp_path):
    a = nested(pyseq, (0,))
    a.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        group = file["model_weights"][a.layers[0].name]
        group.attrs["creation_order"] = [0] * 8
    before = a.get_weights()
    with pytest.raises(ValueError, match="expected creation_order to name 8 places"):
        a.load_weights(tmp_path / "m.h5")
    for x, y in zip(a.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)


def wrapped(module, frozen):
    k = module.layers
    inner = module.Sequential(
        [module.Input((4, 3)), k.Bidirectional(k.LSTM(2, return_sequences=True)),
         k.TimeDistributed(k.Dense(3)),
         k.RNN([k.LSTMCell(3), k.LSTMCell(3)], return_sequences=True),
         k.SpectralNormalization(k.Dense(3))]
    )  # fmt: skip
    model = module.Sequential([module.Input((4, 3)), inner])
    for i in frozen:
        inner.layers[i].trainable = False
    return model


@pytest.mark.parametrize("written", [(), (0,), (1,), (2,), (3,), (0, 2)])
@pytest.mark.parametrize("writer", ["pyseq", "pyseq without order", "keras"])
def test_frozen_wrappers(keras, writer, written, rng, tmp_path):
    a = wrapped(keras if writer == "keras" else pyseq, written)
    fill(a, rng)
    a.save(tmp_path / "m.h5")
    if writer == "pyseq without order":
        with h5py.File(tmp_path / "m.h5", "a") as file:
            del file["model_weights"][a.layers[0].name].attrs["creation_order"]
    b = wrapped(pyseq, (1,))
    b.load_weights(tmp_path / "m.h5")
    for ours, theirs in zip(b.weights, a.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), np.asarray(theirs), err_msg=ours.path)


class Block(L.Layer):
    """Layers in a layer of a user, whose own weights come first."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.zeta, self.alpha = L.Dense(3), L.Dense(3)

    def build(self, input_shape):
        self.zeta.build(input_shape)
        self.alpha.build(input_shape)
        self.count = self.add_weight((3,), name="count", trainable=False)
        self.scale = self.add_weight((3,), name="scale")

    def call(self, x):
        return self.alpha(self.zeta(x)) * self.scale


@pytest.mark.parametrize("has_order", [True, False])
@pytest.mark.parametrize("frozen", ["zeta", "alpha"])
def test_frozen_layers_of_users(frozen, has_order, rng, tmp_path):
    a, b = (pyseq.Sequential([pyseq.Input((3,)), Block(name="block")]) for _ in range(2))
    getattr(a.layers[0], frozen).trainable = False
    fill(a, rng)
    a.save(tmp_path / "m.h5")
    if not has_order:
        with h5py.File(tmp_path / "m.h5", "a") as file:
            del file["model_weights/block"].attrs["creation_order"]
    b.load_weights(tmp_path / "m.h5")
    for ours, theirs in zip(b.get_weights(), a.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
