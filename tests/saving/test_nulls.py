"""null among numbers: refused in configs, in every format, and in arrays."""

import json
import re

import numpy as np
import old_files as old
import pytest
from old_files import layer

import pyseq
from pyseq import layers as L
from pyseq.saving import deserialize_keras_object, load_model


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (layer("Normalization", "a", mean=[1.0, None], variance=[1.0, 1.0]), "mean"),
        (layer("Normalization", "a", mean=[1.0, 1.0], variance=[None, None]), "variance"),
        (layer("Discretization", "a", bin_boundaries=[0.0, None, 2.0]), "bin_boundaries"),
        (layer("Rescaling", "a", scale=[[1.0], [None]]), "scale"),
        (layer("Rescaling", "a", scale=None), "scale"),
        (layer("Dense", "a", units=2, bias_initializer=old.initializer(
            "Constant", value=[0.0, None])), "value"),
    ],
)  # fmt: skip
def test_null_in_numbers_is_refused(row, key, tmp_path):
    message = re.escape(f"({key}): expected numbers only, got None")
    config = old.sequential([old.input_layer((2,)), row])
    with pytest.raises(ValueError, match=message):
        pyseq.models.model_from_json(json.dumps(config))
    old.write_h5(tmp_path / "old.h5", config, {"a": []})
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "old.h5")
    old.write_keras(tmp_path / "old.keras", config, {})
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "old.keras")


@pytest.mark.parametrize("value", [[1.0, None], [[None]], None])
@pytest.mark.parametrize("name", ["__numpy__", "__tensor__"])
def test_null_in_arrays_is_refused(name, value):
    row = {"class_name": name, "config": {"value": value, "dtype": "float32"}}
    with pytest.raises(ValueError, match="expected numbers only, got None"):
        deserialize_keras_object(row)


def test_null_in_shapes_stays():
    row = layer("Dropout", "a", rate=0.5, noise_shape=[None, 1, 3])
    assert deserialize_keras_object(row).noise_shape == (None, 1, 3)


def test_none_in_weights_is_refused():
    model = pyseq.Sequential([pyseq.Input((2,)), L.Dense(1)])
    before = model.get_weights()
    with pytest.raises(ValueError, match="expected numbers only, got None"):
        model.set_weights([[[1.0], [2.0]], [None]])
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
