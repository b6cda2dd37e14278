"""`objects_to_skip` of weight files, and files that are not there."""

import numpy as np
import pytest

import pyseq
from pyseq import layers as L
from pyseq.saving import load_model, load_weights, save_weights


def model_of():
    inner = pyseq.Sequential([pyseq.Input((3,)), L.Dense(3)])
    return pyseq.Sequential([pyseq.Input((3,)), L.Dense(3), inner, L.Dense(2)])


def kernels(model):
    return [w.numpy() for w in model.weights if w.name == "kernel"]


@pytest.mark.parametrize("ending", ["weights.h5", "weights.json"])
@pytest.mark.parametrize("index", [0, 1])
def test_what_is_skipped_stays_as_it_is(ending, index, tmp_path):
    path = str(tmp_path / f"m.{ending}")
    size = 1 if ending == "weights.json" else None
    model, other, third = model_of(), model_of(), model_of()
    save_weights(model, path, max_shard_size=size)
    before = kernels(other)
    other.load_weights(path, objects_to_skip=[other.layers[index]])
    for i, (new, old, saved) in enumerate(zip(kernels(other), before, kernels(model), strict=True)):
        np.testing.assert_array_equal(new, old if i == index else saved)
    # A file without them is read by who skips them, and refused otherwise.
    save_weights(model, path, max_shard_size=size, objects_to_skip=[model.layers[index]])
    before = kernels(third)
    with pytest.raises(ValueError, match="expected 2 saved weights, got 0"):
        third.load_weights(path)
    for new, old in zip(kernels(third), before, strict=True):
        np.testing.assert_array_equal(new, old)
    load_weights(third, path, objects_to_skip=[third.layers[index]])
    for i, (new, old, saved) in enumerate(zip(kernels(third), before, kernels(model), strict=True)):
        np.testing.assert_array_equal(new, old if i == index else saved)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_writes_such_files(tmp_path):
    keras = pytest.importorskip("keras")
    make = [keras.Input((3,)), keras.layers.Dense(3), keras.layers.Dense(2)]
    theirs = keras.Sequential(make)
    path = str(tmp_path / "k.weights.h5")
    keras.saving.save_weights(theirs, path, objects_to_skip=[theirs.layers[0]])
    model = pyseq.Sequential([pyseq.Input((3,)), L.Dense(3), L.Dense(2)])
    model.load_weights(path, objects_to_skip=[model.layers[0]])
    np.testing.assert_array_equal(
        model.layers[1].get_weights()[0], theirs.layers[1].get_weights()[0]
    )


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_whole_models_have_nothing_to_skip(name, tmp_path):
    model, path = model_of(), str(tmp_path / name)
    model.save(path)
    with pytest.raises(ValueError, match="objects_to_skip only with .weights.h5 files"):
        model.load_weights(path, objects_to_skip=[])
    with pytest.raises(ValueError, match="unsupported arguments .'other'."):
        model.load_weights(path, other=1)


def test_errors_for_paths(tmp_path):
    for path in (tmp_path / "no.keras", str(tmp_path / "no.keras")):
        with pytest.raises(ValueError, match="no.keras: expected a file, got none; check the path"):
            load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "no.h5")
    for path in (3, None, b"m.keras"):
        for run in (load_model, model_of().save, model_of().load_weights, model_of().save_weights):
            with pytest.raises(ValueError, match=f"expected a path, got {path!r}"):
                run(path)
