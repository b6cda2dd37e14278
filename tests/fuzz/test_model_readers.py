"""Forged model files: a fixed part of what `model_readers.py` searches, and its parts."""

import json

import model_readers
import numpy as np
import pytest

import pyseq
from pyseq import layers as L
from pyseq.registry import limits
from pyseq.registry.reading import reading
from pyseq.saving import deserialize_keras_object, load_model


@pytest.mark.parametrize("block", range(6))
def test_forged_files(tmp_path, monkeypatch, block):
    monkeypatch.setattr(limits, "CONFIG_BYTES", 16 << 20)
    cases = range(50 * block, 50 * block + 50)
    found = [(n, model_readers.run_case("test", n, str(tmp_path))) for n in cases]
    assert [f"--case test {n}: {problem}" for n, problem in found if problem] == []


def test_the_fuzzer_sees_what_readers_do(tmp_path, monkeypatch):
    def break_reader(error):
        def door(rng, index, folder):
            def read():
                raise error

            return "forged.keras", read

        monkeypatch.setattr(model_readers, "DOORS", (door,))
        return model_readers.run_case(0, 0, str(tmp_path))

    assert break_reader(ValueError("forged.keras: expected x, got y")) is None
    assert "no name of the file" in break_reader(ValueError("expected x, got y"))
    assert "KeyError" in break_reader(KeyError("forged.keras"))
    assert "UnicodeDecodeError" in break_reader(UnicodeDecodeError("utf-8", b"", 0, 1, "forged.keras"))

    def writer(rng, index, folder):
        return "forged.keras", lambda: (tmp_path / "other").write_text("x")

    monkeypatch.setattr(model_readers, "DOORS", (writer,))
    assert "open of" in model_readers.run_case(0, 0, str(tmp_path))


def test_sizes_in_configs_without_a_file(monkeypatch):
    def layers_of(model):
        return {"class_name": "Sequential", "config": {"name": "m", "layers": model}}

    shape = {"class_name": "InputLayer", "config": {"batch_shape": [None, 2**20]}}
    dense = {"class_name": "Dense", "config": {"units": 2**40}}
    for config in (layers_of([shape, dense]), layers_of([shape, {**dense, "config": {"units": 2**30}}])):
        with pytest.raises(ValueError, match=r"expected weights of at most \d+ MiB"):
            deserialize_keras_object(config)
        with pytest.raises(ValueError, match=r"from_config: expected weights of at most \d+ MiB"):
            pyseq.Sequential.from_config(config["config"])
        with pytest.raises(ValueError, match=r"expected weights of at most \d+ MiB"):
            pyseq.models.model_from_json(json.dumps(config))
    monkeypatch.setattr(limits, "CONFIG_BYTES", 1 << 20)
    model = pyseq.Sequential([pyseq.Input((1000,)), L.Dense(1000)])
    with pytest.raises(ValueError, match="at most 1 MiB, half of the memory"):
        pyseq.models.model_from_json(model.to_json())
    small = pyseq.Sequential([pyseq.Input((100,)), L.Dense(100)])
    # The values are those of the initializers, not the zeros of a file that is loaded.
    assert np.any(pyseq.models.model_from_json(small.to_json()).get_weights()[0])


def test_trials_of_shapes_are_bounded():
    shape = {"class_name": "InputLayer", "config": {"batch_shape": [None, 2**28, 5, 3]}}
    layers = [shape, {"class_name": "RandomSaturation", "config": {"factor": 0.4}}]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    assert deserialize_keras_object(config).output_shape == (None, 2**28, 5, 3)
    shape["config"]["batch_shape"] = [None, 5, 5, 2**31]
    layers[1] = {"class_name": "Equalization", "config": {"name": "e"}}
    with pytest.raises(ValueError, match="e: expected an input of at most 64 MiB"):
        deserialize_keras_object(config)
    layers[1] = {"class_name": "ContrastLimitedAdaptiveHistogramEqualization",
                 "config": {"tile_grid_size": [2**20, 2**20]}}  # fmt: skip
    with pytest.raises(ValueError, match="/tiles"):
        deserialize_keras_object(config)


def test_windows_of_configs_are_bounded(monkeypatch):
    monkeypatch.setattr(limits, "CONFIG_BYTES", 1 << 20)
    config = {"class_name": "MelSpectrogram", "config": {"fft_length": 2**18}}
    with pytest.raises(ValueError, match=r"expected weights of at most 1 MiB.*/window"):
        deserialize_keras_object(config)
    L.MelSpectrogram(fft_length=2**18)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"a": "\x01"}', "[" * 100_000, b"\xff", '{"a": 1, "a": 2}']
)
def test_texts_that_describe_no_model(text):
    with pytest.raises(ValueError, match="^model_from_json: expected"):
        pyseq.models.model_from_json(text)
    with pytest.raises(TypeError, match="expected a JSON text, got int"):
        pyseq.models.model_from_json(3)


def test_errors_name_file_and_layer(tmp_path):
    model = pyseq.Sequential([pyseq.Input((3,)), L.Dense(2, name="a")])
    path = str(tmp_path / "m.keras")
    model.save(path)
    members = model_readers.members_of(path)
    members["config.json"] = members["config.json"].replace(b'"units": 2', b'"units": "x"')
    model_readers.write_archive(path, members)
    with pytest.raises((ValueError, TypeError), match=r"m\.keras.*a.*units"):
        load_model(path)


def test_bugs_of_custom_layers_stay_visible(tmp_path):
    class Broken(L.Dense):
        is_broken = False

        def build(self, input_shape):
            super().build(input_shape)
            if Broken.is_broken:
                raise KeyError("a bug of the user")

    path = str(tmp_path / "m.keras")
    pyseq.Sequential([pyseq.Input((3,)), Broken(2)]).save(path)
    Broken.is_broken = True
    with pytest.raises(KeyError, match="a bug of the user"):
        load_model(path, custom_objects={"Broken": Broken})


def test_unexpected_errors_of_builtin_layers():
    shape = {"class_name": "InputLayer", "config": {"batch_shape": [None, 3]}}
    layer = {"class_name": "EinsumDense", "config": {"name": "e", "equation": 1.5, "output_shape": 3}}
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [shape, layer]}}
    with pytest.raises(ValueError, match="^e: expected a sound .* AttributeError"):
        deserialize_keras_object(config)
    with pytest.raises(ValueError, match="^model_from_json: e: expected a sound"):
        pyseq.models.model_from_json(json.dumps(config))


def test_kinds_of_errors_stay():
    for kind in (FileNotFoundError, TypeError):
        with pytest.raises(kind), reading("m"):
            raise kind("m: no")
