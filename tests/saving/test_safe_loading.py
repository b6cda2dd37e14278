"""Hostile files: every rule of safe loading at every door, and the caller's model untouched."""

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest

import pyseq
from pyseq import layers as L
from pyseq.saving import deserialize_keras_object, h5_weights, load_model

NAMES = ("metadata.json", "config.json", "model.weights.h5")


def make_model():
    return pyseq.Sequential([pyseq.Input((3,)), L.Dense(2, name="a"), L.Dense(1, name="b")])


@pytest.fixture
def members(tmp_path):
    """The members of a good `.keras` file as `{name: bytes}`."""
    model = make_model()
    model.compile("adam", "mse")
    model.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "hostile.keras")


def write_zip(path, members, **changes):
    members = {**members, **{k.replace("__", "."): v for k, v in changes.items()}}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def change_config(members, edit):
    config = json.loads(members["config.json"])
    edit(config)
    return {**members, "config.json": json.dumps(config).encode()}


def edit_weights(members, edit):
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        edit(file)
    return {**members, "model.weights.h5": buffer.getvalue()}


def refuse(path, match, error=ValueError):
    with pytest.raises(error, match=match) as caught:
        load_model(path)
    return str(caught.value)


def first_layer(config):
    return config["config"]["layers"][1]


# --- 1, 2: code and foreign names

PAYLOADS = {
    "lambda": {"class_name": "__lambda__", "config": {"value": "abc"}},
    "typespec": {"class_name": "__typespec__", "config": {}},
    "os": {"module": "os", "class_name": "system", "config": {"command": "false"},
           "registered_name": None},
    "builtin": {"module": "builtins", "class_name": "function", "config": "eval",
                "registered_name": "function"},
    "keras": {"module": "keras.src.utils.file_utils", "class_name": "function",
              "config": "get_file", "registered_name": "function"},
    "global": {"module": "keras.config", "class_name": "function",
               "config": "enable_unsafe_deserialization", "registered_name": "function"},
    "numpy": {"module": "numpy", "class_name": "load", "config": {"file": "x"},
              "registered_name": None},
    "torch": {"module": "keras.layers", "class_name": "TorchModuleWrapper",
              "config": {"module": "gASV"}, "registered_name": None},
    "savedmodel": {"module": "keras.layers", "class_name": "TFSMLayer",
                   "config": {"filepath": "/tmp/x"}, "registered_name": None},
    "pickle": {"module": "pickle", "class_name": "loads", "config": {"data": "x"},
               "registered_name": "Custom>x"},
}  # fmt: skip


@pytest.mark.parametrize("kind", PAYLOADS)
@pytest.mark.parametrize("place", ["layer", "activation", "initializer", "optimizer", "loss"])
def test_foreign_objects_are_refused(members, path, kind, place):
    payload = PAYLOADS[kind]

    def edit(config):
        if place == "layer":
            config["config"]["layers"][1] = payload
        elif place == "activation":
            first_layer(config)["config"]["activation"] = payload
        elif place == "initializer":
            first_layer(config)["config"]["kernel_initializer"] = payload
        else:
            config["compile_config"][place] = payload

    write_zip(path, change_config(members, edit))
    with pytest.raises((ValueError, TypeError)):
        load_model(path)
    with pytest.raises((ValueError, TypeError)):
        load_model(path, safe_mode=False)


def test_lambda_bytecode_is_refused_at_every_door(members, path, tmp_path):
    def layer(function):
        return {"module": "keras.layers", "class_name": "Lambda", "registered_name": None,
                "config": {"name": "l", "trainable": True, "dtype": "float32",
                           "function": function}}  # fmt: skip

    payload = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None,
                                                      "closure": None}}  # fmt: skip
    for function in (payload, ["4wEAAAA=", None, None]):
        bad = layer(function)
        write_zip(path, change_config(members, lambda c, b=bad: c["config"]["layers"].append(b)))
        for safe_mode in (True, False):
            with pytest.raises((ValueError, TypeError)):
                load_model(path, safe_mode=safe_mode)
        with pytest.raises((ValueError, TypeError)):
            deserialize_keras_object(layer(function), safe_mode=False)
        with pytest.raises((ValueError, TypeError)):
            L.Lambda.from_config(layer(function)["config"])
        legacy = {"class_name": "Sequential", "config": {"name": "m", "layers": [
            {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3]}},
            {"class_name": "Lambda", "config": layer(function)["config"]}]}}  # fmt: skip
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file.attrs["model_config"] = json.dumps(legacy)
            file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
        for safe_mode in (True, False):
            with pytest.raises((ValueError, TypeError)):
                load_model(str(tmp_path / "m.h5"), safe_mode=safe_mode)
        with pytest.raises((ValueError, TypeError)):
            pyseq.sequential.model_from_json(json.dumps(layer(function)))


def test_pickles_are_refused(tmp_path, path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for name in ("a.keras", "a.h5", "a.weights.h5"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(ValueError, match="damaged or of another kind"):
            load_model(str(tmp_path / name)) if "weights" not in name else make_model(
            ).load_weights(tmp_path / name)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb()))
    refuse(path, "an unknown name for member 'archive/data.pkl'")
    assert not (tmp_path / "ran").exists()


def test_only_a_model_is_returned(members, path):
    write_zip(path, members, config__json=json.dumps(
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3},
         "registered_name": None}))  # fmt: skip
    refuse(path, "expected a model, got Dense")
    write_zip(path, change_config(members, lambda c: c.update(class_name="Functional")))
    refuse(path, "expected a Sequential model, got a Functional one")


def test_unknown_arguments_are_refused(members, path):
    write_zip(
        path, change_config(members, lambda c: first_layer(c)["config"].update(callback="x"))
    )
    assert "callback" in refuse(path, "callback")


# --- 3: paths and URLs in configs


def test_vocabulary_files_are_not_read(members, path, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a\nb\n")
    for value in (str(secret), "https://127.0.0.1:1/x"):
        for name, extra in (("IntegerLookup", {}), ("StringLookup", {}), ("TextVectorization", {})):
            layer = {"module": "keras.layers", "class_name": name, "registered_name": None,
                     "config": {"name": "v", "vocabulary": value, **extra}}  # fmt: skip
            config = change_config(members, lambda c, e=layer: c["config"]["layers"].insert(1, e))
            write_zip(path, config)
            with pytest.raises((ValueError, TypeError)) as caught:
                load_model(path)
            assert "path" in str(caught.value) or "vocabulary" in str(caught.value)


# --- 4: global state


def test_loading_changes_no_settings(members, path):
    settings = pyseq.config.floatx, pyseq.config.epsilon, pyseq.config.image_data_format
    before = [read() for read in settings]
    write_zip(
        path,
        change_config(members, lambda c: c.update(floatx="float16", epsilon=1, safe_mode=False)),
    )
    load_model(path)
    assert [read() for read in settings] == before


# --- 6: HDF5


def hostile_h5(kind, tmp_path):
    """An edit of the weights: it replaces layers/dense/vars/0 of shape (3, 2)."""
    values = np.ones((3, 2), "float32")
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["secret"] = values
    raw = tmp_path / "raw.bin"
    raw.write_bytes(values.tobytes())

    def edit(file):
        group = file["layers/dense/vars"]
        del group["0"]
        if kind == "external link":
            group["0"] = h5py.ExternalLink(str(outside), "secret")
        elif kind == "soft link":
            group["0"] = h5py.SoftLink("/layers/dense_1/vars/0")
        elif kind == "external storage":
            group.create_dataset("0", (3, 2), "f4", external=[(str(raw), 0, 24)])
        elif kind == "virtual dataset":
            layout = h5py.VirtualLayout((3, 2), "f4")
            layout[:] = h5py.VirtualSource(str(outside), "secret", (3, 2))
            group.create_virtual_dataset("0", layout)
        elif kind == "object reference":
            group.create_dataset("0", (3, 2), h5py.ref_dtype)
        elif kind == "region reference":
            group.create_dataset("0", (3, 2), h5py.regionref_dtype)
        elif kind == "variable length":
            group.create_dataset("0", (3, 2), h5py.vlen_dtype(np.float32))
        elif kind == "string":
            group.create_dataset("0", (3, 2), h5py.string_dtype())
        elif kind == "compound":
            group.create_dataset("0", (3, 2), [("a", "f4"), ("b", "f4")])
        elif kind == "complex":
            group.create_dataset("0", data=values.astype("complex64"))
        elif kind == "enum":
            group.create_dataset("0", data=np.ones((3, 2), bool))
        elif kind == "opaque":
            group.create_dataset("0", data=np.zeros((3, 2), "V2"))
        elif kind == "lzf":
            group.create_dataset("0", data=values, compression="lzf")
        elif kind == "scale-offset":
            group.create_dataset("0", data=values.astype("i4"), scaleoffset=2)
        elif kind == "empty":
            group["0"] = h5py.Empty("f4")
        elif kind == "group":
            group.create_group("0")
        elif kind == "wrong shape":
            group["0"] = np.ones((2, 3), "f4")
        elif kind == "huge shape":
            group.create_dataset("0", (2**40, 2**20), "f4", chunks=(1024, 1024))
        elif kind == "huge chunk":
            group.create_dataset("0", (3, 2), "f4", chunks=(3, 2), maxshape=(None, 2))
            del group["0"]
            group.create_dataset(
                "0", (3, 2), "f4", chunks=(2**26, 2), maxshape=(None, 2), compression="gzip"
            )
        elif kind == "nan":
            group["0"] = np.full((3, 2), np.nan, "f4")
        elif kind == "inf":
            group["0"] = np.full((3, 2), np.inf, "f4")
        elif kind == "overflow":
            group["0"] = np.full((3, 2), 1e300, "f8")
        elif kind == "missing":
            pass
        elif kind == "extra":
            group["0"] = values
            group["7"] = values

    return edit


H5_KINDS = {
    "external link": "soft or external link",
    "soft link": "soft or external link",
    "external storage": "external storage",
    "virtual dataset": "virtual dataset",
    "object reference": "the HDF5 type",
    "region reference": "the HDF5 type",
    "variable length": "the HDF5 type",
    "string": "the HDF5 type",
    "compound": "the HDF5 type",
    "complex": "the HDF5 type",
    "enum": "the HDF5 type",
    "opaque": "the HDF5 type",
    "lzf": "the HDF5 filters",
    "scale-offset": "the HDF5 filters",
    "empty": "another architecture|empty dataset",
    "group": "expected a dataset, got Group",
    "wrong shape": r"shape \(3, 2\).*, got \(2, 3\)",
    "huge shape": r"expected shape \(3, 2\)",
    "huge chunk": "expected chunks of about",
    "nan": "expected finite weights",
    "inf": "expected finite weights",
    "overflow": "expected finite weights",
    "missing": "expected 2 saved weights, got 1",
    "extra": "expected 2 saved weights, got 3",
}


@pytest.mark.parametrize("kind", H5_KINDS)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*its state is not loaded:UserWarning")
def test_hostile_weights(members, path, tmp_path, kind):
    bad = edit_weights(members, hostile_h5(kind, tmp_path))
    write_zip(path, bad)
    message = refuse(path, H5_KINDS[kind])
    assert "hostile.keras" in message and "layers/dense" in message
    (tmp_path / "bad.weights.h5").write_bytes(bad["model.weights.h5"])
    model = make_model()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    before = [v.numpy() for v in [*model.weights, *model.optimizer.variables]]
    for file in (path, tmp_path / "bad.weights.h5"):
        with pytest.raises(ValueError, match=H5_KINDS[kind]):
            model.load_weights(file)
        after = [v.numpy() for v in [*model.weights, *model.optimizer.variables]]
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)


def test_linked_groups_are_refused(members, path, tmp_path):
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file["dense/vars/0"] = np.ones((3, 2), "f4")
    for link in (h5py.ExternalLink(str(tmp_path / "outside.h5"), "dense"), h5py.SoftLink("/x")):

        def edit(file, link=link):
            del file["layers/dense"]
            file["layers/dense"] = link

        write_zip(path, edit_weights(members, edit))
        refuse(path, "soft or external link 'dense'")


def test_a_failure_late_in_the_file_restores_everything(members, tmp_path):
    def edit(file):
        del file["layers/dense_1/vars/1"]
        file["layers/dense_1/vars/1"] = np.full((1,), np.nan, "f4")

    (tmp_path / "bad.weights.h5").write_bytes(edit_weights(members, edit)["model.weights.h5"])
    model = make_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match="layers/dense_1/vars/1"):
        model.load_weights(tmp_path / "bad.weights.h5")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.load_weights(tmp_path / "bad.weights.h5", allow_non_finite=True)
    assert np.isnan(model.get_weights()[3]).all()


def test_non_finite_weights_on_request(members, path, tmp_path):
    write_zip(path, edit_weights(members, hostile_h5("nan", tmp_path)))
    assert np.isnan(load_model(path, allow_non_finite=True).get_weights()[0]).all()


def test_gzip_weights_load(members, path):
    def edit(file):
        group = file["layers/dense/vars"]
        values = group["0"][()]
        del group["0"]
        group.create_dataset("0", data=values, compression="gzip", shuffle=True, fletcher32=True)

    write_zip(path, edit_weights(members, edit))
    load_model(path)


def test_chunks_that_inflate_too_far(members, path):
    def edit(file):
        group = file["layers/dense/vars"]
        del group["0"]
        dataset = group.create_dataset("0", (3, 2), "f4", chunks=(3, 2), compression="gzip")
        dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 20)))

    write_zip(path, edit_weights(members, edit))
    refuse(path, "more compressed data")


def test_bytes_that_a_custom_layer_reads_are_bounded(tmp_path):
    class Greedy(L.Dense):
        def load_own_variables(self, store):
            store["big"]

    model = pyseq.Sequential([pyseq.Input((3,)), Greedy(2)])
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        group = file.create_group("layers/greedy/vars")
        group.create_dataset("big", (2**20, 2**20), "f4", chunks=(1024, 1024))
    with pytest.raises(ValueError, match="expected data of about"):
        model.load_weights(tmp_path / "m.weights.h5")


def test_loops_of_hard_links(tmp_path, members):
    source = tmp_path / "m.weights.h5"
    source.write_bytes(members["model.weights.h5"])
    with h5py.File(source, "r+") as file:
        file["layers/loop"] = file["layers"]
    with pytest.raises(ValueError, match="got a loop"):
        pyseq.saving.KerasFileEditor(source)
    make_model().load_weights(source)


# --- 7: sizes


def test_json_limits(members, path):
    deep = b'{"a":' * 200 + b"1" + b"}" * 200
    write_zip(path, members, config__json=deep)
    refuse(path, "nested at most 100 levels")
    write_zip(path, members, config__json=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    refuse(path, "nested at most 100 levels")
    write_zip(path, members, config__json=b" " * (65 << 20))
    refuse(path, "at most 67108864 bytes")
    for data, message in (
        (b"[1, 2]", "expected a JSON object, got list"),
        (b"{", "expected JSON"),
        (b"\xff\xfe", "expected UTF-8"),
        (b'{"class_name": "A", "class_name": "B"}', r"every key once, got \['class_name'\]"),
        (b'{"class_name": "Sequential"}', "expected a model, got dict"),
    ):
        write_zip(path, members, config__json=data)
        refuse(path, message)


@pytest.mark.parametrize("units", [2**31, 10**30, -5, 1.5, "9"])
def test_sizes_in_configs_are_checked_before_memory_is_taken(members, path, units):
    write_zip(
        path, change_config(members, lambda c: first_layer(c)["config"].update(units=units))
    )
    tracemalloc.start()
    try:
        with pytest.raises((ValueError, TypeError)):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_many_middling_layers_are_refused(members, path):
    def edit(config):
        layer = first_layer(config)
        for i in range(40):
            copy = json.loads(json.dumps(layer))
            copy["config"].update(name=f"x{i}", units=2000)
            copy.pop("build_config", None)
            config["config"]["layers"].insert(1, copy)

    write_zip(path, change_config(members, edit))
    refuse(path, "expected weights that fit the size of the file")


def test_number_of_layers(members, path):
    def edit(config):
        layer = {"module": "keras.layers", "class_name": "Dropout", "registered_name": None}
        config["config"]["layers"] += [
            {**layer, "config": {"name": f"x{i}", "rate": 0.1}} for i in range(10_000)
        ]

    write_zip(path, change_config(members, edit))
    refuse(path, "expected at most 10000 layers, got 10003")


def test_legacy_sizes(tmp_path):
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": "Dense", "config": {"name": "d", "units": 2**30,
                                           "batch_input_shape": [None, 2**30]}}]}}  # fmt: skip
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.create_group("model_weights")
    refuse(str(tmp_path / "m.h5"), "expected weights that fit the size of the file")


def test_strings_in_attributes_are_bounded(tmp_path, monkeypatch):
    """Many references to one long string take little space in the file."""
    monkeypatch.setattr("pyseq.saving.h5_reader._MAX_HEAP_BYTES", 1 << 20)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        group = file.create_group("model_weights")
        group.attrs.create("layer_names", ["x" * (1 << 16)] * 40, dtype=h5py.string_dtype())
    with pytest.raises(ValueError, match="expected strings of moderate size"):
        make_model().load_weights(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        group = file.create_group("model_weights")
        group.attrs.create("layer_names", [b"x" * 6000] * 2, dtype="S6000")
        group.attrs["weight_names"] = 3.0
    with pytest.raises(ValueError, match="expected a member"):
        make_model().load_weights(tmp_path / "m.h5")


def test_damaged_string_heaps(tmp_path):
    """The HDF5 library walks a free object of size 0 for ever."""
    path = tmp_path / "m.h5"
    make_model().save(path)
    good = path.read_bytes()
    for change in ("free", "size", "object"):
        data = bytearray(good)
        start = data.index(b"GCOL\x01")
        end = start + int.from_bytes(data[start + 8 : start + 16], "little")
        position = start + 16
        while data[position : position + 2] != b"\0\0":
            size = int.from_bytes(data[position + 8 : position + 16], "little")
            if change == "object":
                data[position + 8 : position + 16] = b"\xf0" + b"\xff" * 7
                break
            position += 16 + (size + 7) // 8 * 8
        if change == "free":
            assert position < end
            data[position + 8 : position + 16] = bytes(8)
        elif change == "size":
            data[start + 8 : start + 16] = (1 << 60).to_bytes(8, "little")
        path.write_bytes(data)
        refuse(str(path), "got a damaged heap")


def test_unusual_hdf5_headers(tmp_path):
    with h5py.File(tmp_path / "m.weights.h5", "w", userblock_size=512) as file:
        file["x"] = 1.0
    with pytest.raises(ValueError, match="expected an HDF5 file, got one that begins with"):
        make_model().load_weights(tmp_path / "m.weights.h5")


# --- 8: archives


@pytest.mark.parametrize(
    "name",
    ["/etc/x", "../x", "assets/../../x", "assets\\x", "C:/x", "assets/C:x", "x.py", "model.h5",
     "assets//x", "./config.json", "assets/./x", "model.weights.npz", "assets/a\x01b"],
)  # fmt: skip
def test_archive_names(members, path, name, tmp_path):
    before = set(os.listdir(tmp_path))
    with zipfile.ZipFile(path, "w") as archive:
        for known, data in members.items():
            archive.writestr(known, data)
        info = zipfile.ZipInfo("placeholder")
        info.filename = info.orig_filename = name
        archive.writestr(info, b"x")
    refuse(path, "a plain relative path|an unknown name")
    with pytest.raises(ValueError, match="hostile"):
        make_model().load_weights(path)
    assert set(os.listdir(tmp_path)) - before == {"hostile.keras"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicates_links_and_devices(members, path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in [*members.items(), ("config.json", b"{}")]:
            archive.writestr(name, data)
    refuse(path, "a duplicate for member 'config.json'")
    for mode in (0o120777, 0o020666, 0o010666):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            info = zipfile.ZipInfo("assets/link")
            info.external_attr = mode << 16
            archive.writestr(info, "/etc/passwd")
        refuse(path, "expected files, got file mode")


def test_encrypted_and_exotic_members(members, path):
    write_zip(path, members)
    data = bytearray(open_bytes(path))
    flags = data.index(b"PK\x01\x02") + 8
    data[flags] |= 1
    with open(path, "wb") as file:
        file.write(data)
    refuse(path, "got encryption for member")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refuse(path, "stored or deflated")


def open_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def test_zip_bombs(members, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("assets/x", bytes(64 << 20))
    tracemalloc.start()
    try:
        refuse(path, "a size of at most 100 times")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    # A size in the directory that is smaller than what comes out.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("assets/x", bytes(1 << 20))
    data = bytearray(open_bytes(path))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)
    with open(path, "wb") as file:
        file.write(data)
    with pytest.raises(ValueError, match=r"sound member|expected 10 bytes"):
        load_model(path)


def test_overlapping_members(members, path):
    write_zip(path, members, **{"assets/x": b"y" * 100_000})
    data = bytearray(open_bytes(path))
    # All entries of the directory now claim nearly the whole file.
    position = 0
    while (position := data.find(b"PK\x01\x02", position)) >= 0:
        data[position + 20 : position + 28] = struct.pack("<II", 90_000, 90_000)
        position += 4
    with open(path, "wb") as file:
        file.write(data)
    with pytest.raises(ValueError, match=r"expected members that fit|sound member"):
        load_model(path)


def test_missing_members_and_damage(members, path):
    for name in ("config.json", "model.weights.h5"):
        write_zip(path, {k: v for k, v in members.items() if k != name})
        refuse(path, f"expected a member {name}")
    write_zip(path, {k: v for k, v in members.items() if k != "metadata.json"})
    load_model(path)
    write_zip(path, members, model__weights__h5=b"not hdf5")
    refuse(path, "expected an HDF5 file")
    data = bytearray(open_bytes(path))
    write_zip(path, members)
    data = bytearray(open_bytes(path))
    data[data.index(b"class_name")] ^= 1
    with open(path, "wb") as file:
        file.write(data)
    refuse(path, "sound member 'config.json'")
    with open(path, "wb") as file:
        file.write(data[: len(data) // 2])
    refuse(path, "damaged or of another kind")


def test_assets_without_a_layer(members, path):
    write_zip(path, members, **{"assets/layers/dense/vocabulary.txt": b"x"})
    refuse(path, "expected no assets for `a`")
    write_zip(path, members, **{"assets/nothing/x.txt": b"x"})
    refuse(path, "expected assets of the model's layers")


def test_truncated_and_flipped_files_never_crash(members, tmp_path, rng):
    source = members["model.weights.h5"]
    model = make_model()
    before = model.get_weights()
    for i in range(60):
        data = bytearray(source)
        if i % 2:
            data = data[: int(rng.integers(0, len(data)))]
        else:
            for position in rng.integers(0, len(data), 20):
                data[position] = int(rng.integers(0, 256))
        (tmp_path / "m.weights.h5").write_bytes(data)
        try:
            model.load_weights(tmp_path / "m.weights.h5", allow_non_finite=True)
            model.set_weights(before)
        except ValueError:
            for a, b in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)


# --- directories and shards


def test_directories_with_links(tmp_path):
    model = make_model()
    model.save(tmp_path / "d", zipped=False)
    os.rename(tmp_path / "d" / "config.json", tmp_path / "real.json")
    os.symlink(tmp_path / "real.json", tmp_path / "d" / "config.json")
    with pytest.raises(ValueError, match="expected plain files, got the link"):
        load_model(tmp_path / "d")


def test_shard_names(tmp_path):
    model = make_model()
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=1)
    good = json.loads((tmp_path / "m.weights.json").read_text())
    for name in ("../x.weights.h5", "/etc/passwd", "other_00000.weights.h5", 5, "m_00000.h5"):
        bad = {**good, "weight_map": {**good["weight_map"], "/layers/dense/vars": [name]}}
        (tmp_path / "m.weights.json").write_text(json.dumps(bad))
        with pytest.raises(ValueError, match="expected only files named m_<number>"):
            model.load_weights(tmp_path / "m.weights.json")
    (tmp_path / "m.weights.json").write_text('{"weight_map": 3}')
    with pytest.raises(ValueError, match="expected a weight_map"):
        model.load_weights(tmp_path / "m.weights.json")


# --- legacy files have the same checks


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "nan",
                                  "virtual dataset", "wrong shape", "lzf"])  # fmt: skip
def test_hostile_legacy_weights(tmp_path, kind):
    path = tmp_path / "m.h5"
    model = make_model()
    model.save(path)
    edit = hostile_h5(kind, tmp_path)
    with h5py.File(path, "r+") as file:
        name = file["model_weights/a"].attrs["weight_names"][0]
        name = name.decode() if isinstance(name, bytes) else name
        holder = file.create_group("layers/dense/vars")
        file.create_group("layers/dense_1/vars")["0"] = np.ones((3, 2), "f4")
        holder["0"] = np.ones((3, 2), "f4")
        edit(file)
        del file[f"model_weights/a/{name}"]
        file.move("layers/dense/vars/0", f"model_weights/a/{name}")
    before = model.get_weights()
    with pytest.raises(ValueError, match=H5_KINDS[kind]):
        model.load_weights(path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_readers_open_nothing_else(monkeypatch, members, path, tmp_path):
    write_zip(path, members)
    opened = []
    import sys

    def hook(event, arguments):
        if event == "open" and recording and isinstance(arguments[0], str):
            opened.append(arguments[0])
        if recording and event in ("socket.connect", "subprocess.Popen", "os.system", "exec"):
            opened.append(event)

    recording = False
    load_model(path)
    sys.addaudithook(hook)
    recording = True
    load_model(path)
    recording = False
    assert set(opened) <= {path}


def test_variable_reader():
    store = h5_weights.VariableReader(None, {})
    assert len(store) == 0 and store.get("0") is None and "0" not in store
    with pytest.raises(KeyError, match="expected the variable '0'"):
        store["0"]
