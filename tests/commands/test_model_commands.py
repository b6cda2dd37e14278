"""`summary`, `convert` and `check`: what they print, as text and as JSON, and what they refuse."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest
from commands_run import narrow, run

import pyseq
from pyseq import layers

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = np.arange(40) % 3

OWN = """
import pyseq

@pyseq.saving.register_keras_serializable("own")
class Twice(pyseq.layers.Layer):
    def call(self, x):
        return 2 * x
"""


def trained(compiled=True):
    inner = pyseq.Sequential([pyseq.Input((5,)), layers.Dense(6, "relu")], name="inner")
    model = pyseq.Sequential(
        [pyseq.Input((4,)), layers.Dense(5), inner, layers.Dense(3, "softmax")], name="net"
    )
    model.layers[0].trainable = False
    if compiled:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(X, Y, epochs=1, verbose=0)
    return model


@pytest.fixture
def saved():
    trained().save("a.keras")
    return "a.keras"


# --- summary


@pytest.mark.parametrize("name", ["a.keras", "a.h5", "a.pyseq", "folder"])
def test_summary_of_each_format(name):
    model = trained()
    model.save(name, **({} if "." in name else {"zipped": False}))
    plain = pyseq.models.load_model(name, compile=False)
    shown = []
    plain.summary(print_fn=shown.append)
    out = run("summary", name)
    assert out == shown[0] and "(None, 3)" in out and narrow(out)


def test_summary_with_columns_and_nested_layers(saved):
    out = run("summary", saved, "--nested", "--trainable", "--memory", "--flops", "--width", "110")
    assert "└ dense" in out and "FLOPs/row" in out and "Weights" in out and "Trai" in out
    assert max(map(len, out.splitlines())) == 110


def test_summary_as_json(saved):
    found = json.loads(run("summary", saved, "--json"))
    assert (found["name"], found["input_shape"], found["output_shape"]) == (
        "net",
        [None, 4],
        [None, 3],
    )
    model = pyseq.models.load_model(saved)
    assert found["parameters"] == model.count_params() == 25 + 36 + 21
    assert found["trainable_parameters"] == 36 + 21
    first, inner, last = found["layers"]
    assert (first["type"], first["trainable"], first["parameters"]) == ("Dense", False, 25)
    assert [layer["output_shape"] for layer in inner["layers"]] == [[None, 6]]
    assert last["output_shape"] == [None, 3] and "layers" not in last


# --- convert


@pytest.mark.parametrize(
    "names",
    [
        ("a.keras", "b.h5", "c.pyseq", "d/", "e.hdf5", "f.keras"),
        ("a.h5", "b.keras"),
        ("a.pyseq", "b/"),
    ],
)
def test_convert_keeps_answers_and_the_state_of_training(names):
    model = trained()
    model.save(names[0])
    for before, after in itertools.pairwise(names):
        out = run("convert", before, after)
        assert "4 layers" not in out and "3 layers, 82 parameters; read back: all of them" in out
        assert os.path.exists(after) and os.path.isdir(after) == after.endswith("/")
        assert f"-> {after} (" in out and narrow(out)
    again = pyseq.models.load_model(names[-1].rstrip("/"))
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for one in (model, again):
        one.fit(X, Y, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights()))


def test_convert_without_optimizer(saved):
    run("convert", saved, "b.keras", "--without-optimizer")
    assert not pyseq.models.load_model("b.keras").compiled
    assert pyseq.models.load_model(saved).compiled


def test_convert_of_open_sizes():
    pyseq.Sequential([pyseq.Input((None, 4)), layers.LSTM(3)], name="net").save("a.keras")
    assert run("convert", "a.keras", "b.pyseq", status=2) == (
        "python -m pyseq convert: error: net.export: expected a fixed input shape, got "
        "(None, None, 4); write --input-shape with every size of one row, such as 28,28,1"
    )
    assert not os.path.exists("b.pyseq")
    run("convert", "a.keras", "b.pyseq", "--input-shape", "7,4")
    x = X[:14].reshape(2, 7, 4)
    a, b = (pyseq.models.load_model(name).predict(x, verbose=0) for name in ("a.keras", "b.pyseq"))
    assert np.array_equal(a, b)
    assert "such as 28,28,1, got '7,x'" in run(
        "convert", "a.keras", "c.pyseq", "--input-shape", "7,x", status=2
    )
    assert "keep open sizes" in run("convert", "a.keras", "c.h5", "--input-shape", "7,4", status=2)


def test_convert_replaces_nothing_unasked(saved):
    Path("b.keras").write_text("mine")
    message = run("convert", saved, "b.keras", status=2)
    assert message.endswith(
        "b.keras: expected no such file, got one; choose another name or add --force"
    )
    assert Path("b.keras").read_text() == "mine"
    run("convert", saved, "b.keras", "--force")
    assert pyseq.models.load_model("b.keras").name == "net"
    before = Path(saved).read_bytes()
    assert "another file than IN" in run("convert", saved, f"./{saved}", "--force", status=2)
    assert Path(saved).read_bytes() == before
    assert "expected a folder, got a file" in run("convert", saved, "b.keras/", "--force", status=2)


def test_convert_wants_an_ending(saved):
    assert run("convert", saved, "b.tflite", status=2) == (
        "python -m pyseq convert: error: OUT: expected a name that ends in .keras, .h5, .hdf5, "
        ".pyseq, .onnx, or in / for a folder, got 'b.tflite'; the ending chooses the format"
    )


def test_convert_to_onnx_and_back(saved):
    pytest.importorskip("onnx")
    before = pyseq.models.load_model(saved)
    size = Path(saved).stat().st_size
    out = run("convert", saved, "b.onnx")
    assert out == (
        f"{saved} ({size:,} bytes) -> b.onnx ({Path('b.onnx').stat().st_size:,} bytes)\n"
        "3 layers, 82 parameters; to predict with: without loss and optimizer\n"
    )
    assert "read back: all of them are the same" in run("convert", "b.onnx", "c.keras")
    after = pyseq.models.load_model("c.keras")
    np.testing.assert_allclose(
        after.predict(X, verbose=0), before.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )
    assert "Total params: 82" in run("summary", "b.onnx")


# --- check


def test_check_of_a_correct_model(saved):
    np.savez("data.npz", x=X, y=Y)
    assert run("check", saved, "--data", "data.npz") == "no findings\n"
    assert run("check", saved) == "Without --data only the model is looked at.\nno findings\n"
    assert json.loads(run("check", saved, "--json")) == {
        "file": saved,
        "looked_at": {"compiled": True, "x": False, "y": False},
        "findings": [],
    }


def test_check_prints_what_the_method_finds(saved):
    np.savez("data.npz", x_train=X, y_train=Y + 1, other=X[:, :2])
    out = run("check", saved, "--data", "data.npz", status=1)
    found = pyseq.models.load_model(saved).check(X, Y + 1)
    assert out == f"{found}\n" and [f.code for f in found] == ["PS201"] and narrow(out)
    (finding,) = json.loads(run("check", saved, "--data", "data.npz", "--json", status=1))[
        "findings"
    ]
    assert finding["code"] == "PS201" and finding["fix"] == found[0].fix
    out = run("check", saved, "--data", "data.npz", "--x", "other", "--y", "y_train", status=1)
    assert "PS301" in out and "(None, 4)" in out
    assert run("check", saved, "--data", "data.npz", "--x", "z", status=2).endswith(
        "data.npz: expected 'z', got x_train, y_train, other; write --x NAME with one of these"
    )


def test_check_of_mistakes_in_the_model():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(1, "softmax", name="last")])
    with pytest.warns(pyseq.checks.CheckWarning):
        model.compile("sgd", "binary_crossentropy")
    model.save("a.keras")
    out = run("check", "a.keras", status=1)
    assert out.count("PS105") == 1 and "0 errors, 1 warning\n" in out
    assert "no findings" in run("check", "a.keras", PYSEQ_SILENCE="PS105")


def test_check_of_a_model_that_is_not_compiled():
    trained(compiled=False).save("a.keras")
    assert run("check", "a.keras") == (
        "The model is not compiled: there is no loss and no optimizer to look at.\n"
        "Without --data only the model is looked at.\nno findings\n"
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "d.npz: expected an .npz file, got none; check the path"),
        (b"rubbish", "d.npz: expected an .npz file of numbers and strings, got what NumPy"),
        (np.array([object()], object), "d.npz: expected an .npz file of numbers and strings"),
    ],
    ids=["none", "rubbish", "objects"],
)
def test_check_of_data_that_cannot_be_read(saved, content, message):
    if isinstance(content, bytes):
        Path("d.npz").write_bytes(content)
    elif content is not None:
        np.savez("d.npz", x=np.array([{}], object))
    assert message in run("check", saved, "--data", "d.npz", status=2)


def test_check_of_a_single_array(saved):
    np.save("d.npy", X)
    assert "got a single array; write it with np.savez" in run(
        "check", saved, "--data", "d.npy", status=2
    )
    assert "expected --data, got none" in run("check", saved, "--x", "x", status=2)


# --- files that are no models, and code of users


@pytest.mark.parametrize("command", [("summary",), ("check",), ("convert", "out.h5")])
@pytest.mark.parametrize(
    "name, message",
    [
        ("none.keras", "none.keras: expected a model (.keras, .h5, .pyseq or .onnx), got no such file; check the path"),
        ("junk.keras", "the file is damaged or of another kind"),
        ("junk.h5", "the file is damaged or of another kind"),
        ("junk.pyseq", "expected a .pyseq file, got one of"),
        ("cpp.pyseq", "got one for inference in C++ alone; write it with model.save(path)"),
        ("a.weights.h5", "if the file holds weights only, build the model and call load_weights"),
    ],
)  # fmt: skip
def test_what_is_no_model(command, name, message):
    if name.startswith("junk"):
        Path(name).write_text("hello")
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(1)])
    if name == "cpp.pyseq":
        model.export(name)
    if name == "a.weights.h5":
        model.save_weights(name)
    error = run(command[0], name, *command[1:], status=2)
    assert error.startswith(f"python -m pyseq {command[0]}: error: ") and message in error
    assert not os.path.exists("out.h5")


def test_layers_of_users_are_imported_on_demand(monkeypatch):
    Path("own_layers.py").write_text(OWN)
    names = {"__name__": "own_layers"}
    exec(OWN, names)
    pyseq.Sequential([pyseq.Input((4,)), names["Twice"]()]).save("a.keras")
    assert "write --import MODULE, the module of yours" in run("summary", "a.keras", status=2)
    assert "twice (Twice)" in run("summary", "a.keras", "--import", "own_layers")
    assert run("check", "a.keras", "--import", "own_layers").endswith("no findings\n")
    run("convert", "a.keras", "b.h5", "--import", "own_layers")
    assert "--import nowhere: ModuleNotFoundError" in run(
        "summary", "a.keras", "--import", "nowhere", status=2
    )


def test_ops(tmp_path):
    model = pyseq.Sequential(
        [pyseq.Input((4,)), layers.BatchNormalization(), layers.Dense(3, "softmax")]
    )
    model.save(tmp_path / "net.keras")
    model.export(tmp_path / "net.pyseq", verbose=False)
    other = pyseq.Sequential([pyseq.Input((6, 2)), layers.LSTM(3)])
    other.save(tmp_path / "steps.keras")
    one = run("ops", tmp_path / "net.keras")
    assert one == run("ops", tmp_path / "net.pyseq")
    assert {"batch_norm", "dense", "softmax"} <= set(one.strip().split(";"))
    both = run("ops", tmp_path / "net.keras", tmp_path / "steps.keras").strip().split(";")
    assert both == sorted({*one.strip().split(";"), "lstm"})
    assert "none.keras" in run("ops", tmp_path / "none.keras", status=2)
