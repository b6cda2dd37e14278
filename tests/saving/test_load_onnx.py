"""`load_onnx`: files of pyseq, of PyTorch and as tf2onnx writes them; and what is refused."""

import os
import sys
import warnings

import numpy as np
import onnx_cases
import pytest
from layer_cases import CASES
from op_harness import inputs_of, model_of, randomize

import pyseq
from pyseq.saving import load_onnx

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def names(model):
    return [type(layer).__name__ for layer in model.layers]


def write(nodes, given, made, tensors=(), opset=18, path="m.onnx", dtype=TensorProto.FLOAT):
    """An ONNX file of nodes; shapes with "N" in front, tensors as {name: array}."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in dict(tensors).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def same(model, x, want, tolerance=1e-5):
    np.testing.assert_allclose(model.predict(x, verbose=0), want, rtol=tolerance, atol=tolerance)


# --- there and back


@pytest.mark.parametrize("name", onnx_cases.LINES)
def test_models_there_and_back(name):
    model = onnx_cases.moved(onnx_cases.LINES[name]())
    model.export("m.onnx", format="onnx")
    again = pyseq.load_onnx("m.onnx")
    x = onnx_cases.rows_of(model, 5)
    same(again, x, model.predict(x, verbose=0))
    assert again.input_shape == model.input_shape


# Layers that come back as others, or whose graphs branch, are not here.
BACK = (
    "Dense Embedding LeakyReLU PReLU ELU Flatten Permute UpSampling1D UpSampling2D UpSampling3D "
    "ZeroPadding1D ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D Conv1D Conv2D "
    "Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D "
    "AveragePooling2D AveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D "
    "GlobalAveragePooling2D GlobalAveragePooling3D BatchNormalization Rescaling Normalization "
    "Dropout SimpleRNN LSTM GRU"
).split()
INTERPOLATED = ("bicubic", "lanczos3", "lanczos5")


@pytest.mark.parametrize(
    "case",
    [
        c for c in CASES
        if c.spec.class_name in BACK and not c.mask and not c.spec.arguments.get("stateful")
        and c.spec.arguments.get("interpolation") not in INTERPOLATED
    ],
    ids=lambda c: c.id,
)
def test_layers_there_and_back(case):
    rng = np.random.default_rng(0)
    model = model_of(case)
    randomize(model, rng)
    model.export("m.onnx", format="onnx")
    x = inputs_of(case, 3, rng)
    same(load_onnx("m.onnx"), x, model.predict(x, verbose=0))


def test_layers_come_back_as_they_were():
    model = onnx_cases.LINES["cnn"]()
    model.export("m.onnx", format="onnx")
    assert names(load_onnx("m.onnx")) == [
        "Conv2D", "BatchNormalization", "MaxPooling2D", "Conv2D", "LeakyReLU", "Flatten", "Dense",
    ]
    assert load_onnx("m.onnx").layers[0].activation.__name__ == "relu"


def test_ids_stay_integers():
    model = pyseq.Sequential(
        [pyseq.Input((5,), dtype="int32"), pyseq.layers.Embedding(7, 3), pyseq.layers.LSTM(2)]
    )
    model.export("m.onnx", format="onnx")
    again = load_onnx("m.onnx")
    x = RNG.integers(0, 7, (4, 5))
    assert again.inputs[0].dtype == "int64"
    same(again, x, model.predict(x, verbose=0))


def test_it_trains_on():
    onnx_cases.LINES["dense"]().export("m.onnx", format="onnx")
    model = load_onnx("m.onnx")
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = numbers(40, 4), np.arange(40) % 3
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=5, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before


# --- PyTorch


def torch_models(nn):
    class Last(nn.Module):
        def __init__(self, inner, width):
            super().__init__()
            self.inner, self.dense = inner, nn.Linear(width, 3)

        def forward(self, x):
            return self.dense(self.inner(x)[0][:, -1])

    class All(Last):
        def forward(self, x):
            return self.dense(self.inner(x)[0])

    class View(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.dense = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(256, 5)

        def forward(self, x):
            return nn.functional.log_softmax(self.dense(self.conv(x).relu().view(x.size(0), -1)), -1)

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.gru = nn.Embedding(20, 6), nn.GRU(6, 5, batch_first=True)
            self.dense = nn.Linear(5, 2)

        def forward(self, x):
            return self.dense(self.gru(self.table(x))[1][-1])

    image, steps = (3, 8, 8), (7, 4)
    return {
        "cnn": (nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8), nn.ReLU6(), nn.Conv2d(8, 6, 1),
            nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(6, 5),
            nn.Softmax(-1)), image),
        "pads": (nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.ConvTranspose2d(4, 2, 4, 2, 1),
            nn.PReLU(2), nn.Upsample(scale_factor=2), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(72, 5), nn.Mish()), image),
        "conv1d": (nn.Sequential(
            nn.Conv1d(3, 4, 3, padding=2, dilation=2), nn.Tanh(), nn.BatchNorm1d(4), nn.Flatten(),
            nn.Linear(32, 2), nn.Sigmoid()), (3, 8)),
        "dense": (nn.Sequential(
            nn.Linear(4, 8), nn.ELU(), nn.Linear(8, 8, bias=False), nn.LayerNorm(8), nn.GELU(),
            nn.Linear(8, 8), nn.Hardsigmoid(), nn.Linear(8, 1)), (4,)),
        "view": (View(), image),
        "lstm": (Last(nn.LSTM(4, 5, batch_first=True), 5), steps),
        "layers": (All(nn.LSTM(4, 5, num_layers=2, batch_first=True), 5), steps),
        "bidirectional": (All(nn.LSTM(4, 5, batch_first=True, bidirectional=True), 10), steps),
        "gru": (Last(nn.GRU(4, 5, batch_first=True), 5), steps),
        "rnn": (Last(nn.RNN(4, 5, batch_first=True), 5), steps),
        "words": (Words(), 20),
    }


@pytest.mark.parametrize("free", [True, False], ids=["free", "fixed"])
@pytest.mark.parametrize(
    "name",
    "cnn pads conv1d dense view lstm layers bidirectional gru rnn words".split(),
)
def test_files_of_torch(name, free):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model, given = torch_models(torch.nn)[name]
    model.eval()
    for module in model.modules():
        if hasattr(module, "running_var"):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    x = torch.randint(0, given, (3, 7)) if isinstance(given, int) else torch.randn(3, *given)
    axes = {"x": {0: "n"}, "y": {0: "n"}} if free else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (x,), "t.onnx", dynamo=False, input_names=["x"],
                              output_names=["y"], dynamic_axes=axes)
    except (ImportError, TypeError) as error:  # other versions, without this exporter
        pytest.skip(f"torch.onnx.export: {error}")
    again = load_onnx("t.onnx")
    assert again.input_shape == (None, *x.shape[1:])
    same(again, x.numpy(), model(x).detach().numpy())


# --- as tf2onnx writes


def test_files_as_tf2onnx_writes_them():
    kernel, bias, dense, last = numbers(4, 3, 3, 3), numbers(4), numbers(64, 5), numbers(5)
    node = helper.make_node
    write(
        [
            node("Transpose", ["x"], ["a"], "conv__6", perm=[0, 3, 1, 2]),
            node("Conv", ["a", "k", "b"], ["c"], "conv", auto_pad="SAME_UPPER", strides=[1, 1],
                 dilations=[1, 1], group=1, kernel_shape=[3, 3]),
            node("Relu", ["c"], ["d"], "relu"),
            node("MaxPool", ["d"], ["e"], "pool", auto_pad="VALID", kernel_shape=[2, 2],
                 strides=[2, 2]),
            node("Transpose", ["e"], ["f"], "pool__14", perm=[0, 2, 3, 1]),
            node("Reshape", ["f", "s"], ["g"], "flatten"),
            node("MatMul", ["g", "w"], ["h"], "matmul"),
            node("Add", ["h", "v"], ["i"], "add"),
            node("Softmax", ["i"], ["y"], "softmax"),
        ],
        ["N", 8, 8, 3], ["N", 5],
        {"k": kernel, "b": bias, "s": np.array([-1, 64]), "w": dense, "v": last}, opset=13,
    )
    model = load_onnx("m.onnx")
    assert names(model) == ["Conv2D", "MaxPooling2D", "Flatten", "Dense"]
    wanted = pyseq.Sequential([
        pyseq.Input((8, 8, 3)), pyseq.layers.Conv2D(4, 3, padding="same", activation="relu"),
        pyseq.layers.MaxPooling2D(), pyseq.layers.Flatten(), pyseq.layers.Dense(5, "softmax"),
    ])
    wanted.set_weights([kernel.transpose(2, 3, 1, 0), bias, dense, last])
    x = numbers(4, 8, 8, 3)
    same(model, x, wanted.predict(x, verbose=0))


def one(kind, given, *constants, made=None, opset=18, **attributes):
    """The model of a file of one node; its further inputs are constants, None for none."""
    tensors = {f"c{i}": np.asarray(c) for i, c in enumerate(constants) if c is not None}
    inputs = [f"c{i}" if c is not None else "" for i, c in enumerate(constants)]
    write([helper.make_node(kind, ["x", *inputs], ["y"], "it", **attributes)], ["N", *given],
          made or ["N"], tensors, opset)
    return load_onnx("m.onnx")


def test_single_nodes():
    x = numbers(3, 4)
    same(one("Clip", (4,), np.float32(0), np.float32(1.5)), x, np.clip(x, 0, 1.5))
    same(one("Clip", (4,), min=0.0, max=6.0, opset=7), x, np.clip(x, 0, 6))
    same(one("Max", (4,), np.float32(0)), x, np.maximum(x, 0))
    same(one("Mul", (4,), np.float32(3)), x, 3 * x)
    same(one("Sub", (4,), np.float32(3)), x, x - 3)
    same(one("Div", (4,), np.array([1, 2, 4, 8], "float32")), x, x / [1, 2, 4, 8])
    same(one("Elu", (4,), alpha=0.5), x, np.where(x > 0, x, 0.5 * np.expm1(x)))
    same(one("Gemm", (4,), numbers(5, 4) * 0 + 1, transB=1), x, x.sum(1, keepdims=True).repeat(5, 1))
    image = numbers(2, 3, 4, 5)
    given = image.shape[1:]
    same(one("ReduceMean", given, np.array([2, 3]), keepdims=0), image, image.mean((2, 3)))
    same(one("ReduceMax", given, axes=[-1, -2], opset=13), image, image.max((2, 3), keepdims=True))
    padded = np.pad(image, ((0, 0), (0, 0), (1, 2), (0, 3)))
    same(one("Pad", given, np.array([0, 0, 1, 0, 0, 0, 2, 3])), image, padded)
    same(one("Pad", given, pads=[0, 0, 1, 0, 0, 0, 2, 3], opset=7), image, padded)
    twice = image.repeat(2, 2).repeat(3, 3)
    scales = np.array([1, 1, 2, 3], "float32")
    same(one("Upsample", given, scales, mode="nearest", opset=9), image, twice)
    same(one("Unsqueeze", (4,), np.array([1])), x, x[:, None])
    same(one("Squeeze", (1, 4), np.array([1])), x[:, None], x)
    same(one("Transpose", given, perm=[0, 2, 3, 1]), image, image.transpose(0, 2, 3, 1))
    same(one("Slice", given, np.array([1]), np.array([-1]), np.array([3])), image, image[..., 1:-1])
    offset = numbers(3, 1, 1)
    same(one("Add", given, offset), image, image + offset)


def test_weights_in_a_file_beside_it():
    path = write([helper.make_node("MatMul", ["x", "w"], ["y"])], ["N", 64], ["N", 8],
                 {"w": numbers(64, 8)})
    message = onnx.load(path)
    want = numpy_helper.to_array(message.graph.initializer[0])
    onnx.save_model(message, "e.onnx", save_as_external_data=True, location="e.data",
                    size_threshold=0)
    (layer,) = load_onnx("e.onnx").layers
    assert (layer.get_weights()[0] == want).all()


# --- refused


def refused(path="m.onnx", **arguments):
    with pytest.raises(ValueError) as error:
        load_onnx(path, **arguments)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    return message


def beside(location, **entries):
    """A file whose weights are elsewhere."""
    path = write([helper.make_node("MatMul", ["x", "w"], ["y"])], ["N", 2], ["N", 2],
                 {"w": numbers(2, 2)})
    message = onnx.load(path)
    tensor = message.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    with open(path, "wb") as file:
        file.write(message.SerializeToString())


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/../../secret", "", "link"])
def test_data_outside_the_folder(location, tmp_path):
    secret = tmp_path.parent / "secret"
    secret.write_bytes(bytes(16))
    if hasattr(os, "symlink"):
        os.symlink(secret, "link")
    beside(location)
    assert f"expected data in the folder of the file, got {location!r}" in refused()


def test_data_beside_that_does_not_fit():
    beside("none.data")
    assert "expected the file 'none.data' beside it" in refused()
    with open("short.data", "wb") as file:
        file.write(bytes(8))
    beside("short.data", offset=4, length=16)
    assert "expected 16 bytes from 4 on in 'short.data', got a file of 8" in refused()
    beside("short.data")
    assert "expected a sound tensor, got 'w'" in refused()


def test_files_that_are_none():
    assert "expected an ONNX file, got none" in refused("none.onnx")
    for data in (b"", b"\x00\x01\x02", b"PK\x03\x04" + bytes(100)):
        with open("m.onnx", "wb") as file:
            file.write(data)
        refused()
    with pytest.raises(ValueError, match="load_onnx: expected a path, got 3"):
        load_onnx(3)


def test_huge_tensors():
    path = write([helper.make_node("MatMul", ["x", "w"], ["y"])], ["N", 2], ["N", 2],
                 {"w": numbers(2, 2)})
    message = onnx.load(path)
    message.graph.initializer[0].dims[:] = [2**31, 2**31]
    with open(path, "wb") as file:
        file.write(message.SerializeToString())
    assert "expected a tensor that fits the file, got 'w'" in refused()


def test_weights_that_are_not_finite():
    write([helper.make_node("MatMul", ["x", "w"], ["y"])], ["N", 2], ["N", 1],
          {"w": np.array([[np.nan], [1]], "float32")})
    assert "expected finite weights, got NaN or infinity" in refused()
    assert np.isnan(load_onnx("m.onnx", allow_non_finite=True).get_weights()[0]).any()


def test_graphs_that_branch():
    onnx_cases.BRANCHES["residual"]().export("m.onnx", format="onnx")
    assert "expected a straight line of nodes, got" in refused()
    node = helper.make_node
    write([node("Relu", ["x"], ["a"], "left"), node("Tanh", ["x"], ["b"], "right"),
           node("Add", ["a", "b"], ["y"], "sum")], ["N", 2], ["N", 2])
    assert "got 'x', which Relu 'left' and Tanh 'right' read; a Sequential model has no" in refused()


NODES = {
    "unknown": (("Einsum", (4,), numbers(4, 4)), {"equation": "ab,bc->ac"},
                "Einsum 'it': expected a node that a layer does, got 'Einsum'"),
    "batch": (("Softmax", (4,)), {"axis": 0}, "Softmax 'it': expected an axis of the sample"),
    "limits": (("Clip", (4,), np.float32(1), np.float32(2)), {},
               "Clip 'it': expected limits of 0 and some number, or -1 and 1, got (1.0, 2.0)"),
    "alpha": (("Gemm", (4,), numbers(4, 2)), {"alpha": 2.0}, "Gemm 'it': expected alpha=1"),
    "channels": (("Conv", (3, 8, 8), numbers(4, 2, 3, 3)), {},
                 "Conv 'it': expected a kernel for 3 channels, got (4, 2, 3, 3)"),
    "pads": (("MaxPool", (3, 8, 8)), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
             None),
    "odd pads": (("MaxPool", (3, 8, 8)), {"kernel_shape": [3, 3], "pads": [2, 2, 0, 0]},
                 "MaxPool 'it': expected pads as for 'same' in Keras"),
    "sizes": (("Reshape", (4,), np.array([-1, 3])), {}, "Reshape 'it': expected a shape of 4 numbers"),
    "value": (("Pad", (3, 8), np.array([0, 0, 1, 0, 0, 1]), np.float32(2)), {},
              "Pad 'it': expected zeros as padding"),
    "factors": (("Upsample", (3, 8), np.array([1, 1, 1.5], "float32")), {"opset": 9},
                "Upsample 'it': expected whole factors"),
    "perm": (("Transpose", (3, 8)), {"perm": [0, 1, 1]}, "Transpose 'it': expected a permutation"),
    "turned": (("Slice", (3, 8), np.array([-1]), np.array([-9]), np.array([1]), np.array([-1])), {},
               "Slice 'it': expected"),
}


@pytest.mark.parametrize("name", NODES)
def test_nodes_that_no_layer_does(name):
    arguments, attributes, message = NODES[name]
    if message is None:
        assert names(one(*arguments, **attributes))[1] == "MaxPooling2D"
        return
    with pytest.raises(ValueError) as error:
        one(*arguments, **attributes)
    assert str(error.value).startswith(f"m.onnx: {message}")


def test_graphs_of_nodes_are_not_run():
    inner = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "inner", [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    write([helper.make_node("If", ["x"], ["y"], "it", then_branch=inner, else_branch=inner)],
          ["N", 2], ["N", 2])
    assert "If 'it': expected a node that a layer does, got 'If'" in refused()


def test_inputs_that_are_refused():
    node = helper.make_node("Relu", ["x"], ["y"])
    write([node], ["N", "height", 3], ["N", "height", 3])
    assert "expected input 'x' with a batch and fixed sizes behind it, got [None, None, 3]" in refused()
    write([node], ["N", 3], ["N", 3], dtype=TensorProto.STRING)
    assert "expected input 'x' of ['float16'" in refused()
    write([node], ["N", 3], ["N", 3], opset=6)
    assert "expected operators of ONNX of version 7 or later, got [6]" in refused()


def test_damaged_files():
    rng = np.random.default_rng(0)
    for name in ("cnn", "lstm"):
        onnx_cases.LINES[name]().export("m.onnx", format="onnx")
        with open("m.onnx", "rb") as file:
            sound = file.read()
        for _ in range(200):
            data = bytearray(sound)
            for at in rng.integers(0, len(data), 3):
                data[at : at + rng.integers(0, 3)] = rng.bytes(rng.integers(0, 3))
            with open("m.onnx", "wb") as file:
                file.write(data)
            try:
                load_onnx("m.onnx")
            except (TypeError, ValueError) as error:
                assert str(error).startswith("m.onnx: ")


def test_the_package_may_be_missing(monkeypatch):
    onnx_cases.LINES["dense"]().export("m.onnx", format="onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="load_onnx: expected the package onnx, got none; install"):
        load_onnx("m.onnx")
    model = onnx_cases.LINES["dense"]()
    with pytest.raises(ImportError, match=r"export: expected the package onnx, got none"):
        model.export("n.onnx", format="onnx")
