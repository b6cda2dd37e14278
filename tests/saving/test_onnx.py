"""`Model.export(format="onnx")`: every layer, run by ONNX Runtime beside `predict`."""

from pathlib import Path

import numpy as np
import onnx_cases
import pytest
from layer_cases import CASES
from op_harness import inputs_of, model_of, randomize

import pyseq
from pyseq import layers, ops
from pyseq.saving.to_onnx import graph
from pyseq.saving.to_onnx.builder import Builder, Op

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore")

STATE = (
    "{name}: expected ops that ONNX has, got {kind!r} that keeps its state; a graph of ONNX keeps "
    "nothing from call to call: make the layer with stateful=False"
)
PYTHON = (
    "{cls} {name!r}: expected a layer that ONNX can run, got one that it cannot: it runs in Python; "
    "apply it to the data before the model, and export the model without it"
)
# What ONNX cannot express: the class, or the class and an argument, to the message.
IMPOSSIBLE = {
    "SimpleRNN stateful": STATE,
    "LSTM stateful": STATE,
    "GRU stateful": STATE,
    "MelSpectrogram": PYTHON,
    "AutoContrast": PYTHON,
    "ContrastLimitedAdaptiveHistogramEqualization": PYTHON,
}
KINDS = {"SimpleRNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}


def impossible(case):
    spec = case.spec
    found = IMPOSSIBLE.get(spec.class_name)
    if spec.arguments.get("stateful"):
        found = IMPOSSIBLE.get(f"{spec.class_name} stateful", found)
    return found


def answers(path, x):
    """What ONNX Runtime gives for the rows of x."""
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    dtype = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64"}
    return session.run(None, {given.name: np.asarray(x).astype(dtype[given.type])})


def compare(model, x, path="m.onnx"):
    want = model.predict(x, verbose=0)
    (got,) = answers(path, x)
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_allclose(
        np.asarray(got, "float64"), np.asarray(want, "float64"), rtol=1e-5, atol=1e-5
    )


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", [c for c in CASES if not impossible(c)], ids=lambda c: c.id)
def test_every_layer(case):
    rng = np.random.default_rng(0)
    model = model_of(case)
    randomize(model, rng)
    model.export("m.onnx", format="onnx")
    onnx.checker.check_model("m.onnx", full_check=True)
    for rows in (1, 3, 8) if case.exact else (3,):
        compare(model, inputs_of(case, rows, rng))


@pytest.mark.parametrize("case", [c for c in CASES if impossible(c)], ids=lambda c: c.id)
def test_layers_that_onnx_cannot_express(case):
    model = model_of(case)
    layer = model.layers[-1]
    cls = type(layer).__name__
    with pytest.raises(ValueError) as error:
        model.export("m.onnx", format="onnx")
    want = impossible(case).format(cls=cls, name=layer.name, kind=KINDS.get(cls))
    assert str(error.value) == want
    assert not Path("m.onnx").exists()


def test_every_entry_of_the_list_is_needed():
    names = {c.spec.class_name for c in CASES} | {
        f"{c.spec.class_name} stateful" for c in CASES if c.spec.arguments.get("stateful")
    }
    assert set(IMPOSSIBLE) <= names


def test_every_op_of_the_core_has_a_translation():
    sources = Path(__file__).resolve().parents[2] / "csrc" / "ops"
    kinds = {path.stem for path in sources.glob("*.cpp")}
    assert kinds - set(graph.TABLE) == set()
    assert set(graph.TABLE) - kinds == {"host"}  # which lies in csrc/core


MODELS = {**onnx_cases.LINES, **onnx_cases.BRANCHES}


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    model = onnx_cases.moved(MODELS[name]())
    model.export("m.onnx", format="onnx")
    for rows in (1, 2, 17):
        compare(model, onnx_cases.rows_of(model, rows))


def kinds(path="m.onnx"):
    return [node.op_type for node in onnx.load(path).graph.node]


def test_transpositions_cancel():
    model = onnx_cases.moved(onnx_cases.LINES["mobilenet"]())
    model.export("m.onnx", format="onnx")
    assert kinds().count("Transpose") == 1 and "Identity" not in kinds()
    onnx_cases.BRANCHES["residual"]().export("m.onnx", format="onnx")
    assert kinds().count("Transpose") == 2  # the second for Flatten


def test_what_the_file_says():
    model = pyseq.Sequential(
        [pyseq.Input((4,), name="flowers"), layers.Dense(2, name="a"), layers.Dense(3, name="kinds")],
        name="net",
    )
    model.export("m.onnx", format="onnx")
    file = onnx.load("m.onnx")
    assert (file.producer_name, file.producer_version) == ("pyseq", pyseq.__version__)
    assert file.doc_string == f"net, exported by pyseq {pyseq.__version__}"
    assert [(o.domain, o.version) for o in file.opset_import] == [("", 18)] and file.ir_version == 8
    (given,), (made,) = file.graph.input, file.graph.output
    assert (given.name, made.name) == ("flowers", "kinds")
    dims = [d.dim_param or d.dim_value for d in made.type.tensor_type.shape.dim]
    assert dims == ["N", 3]
    assert {t.name for t in file.graph.initializer} == {v.path for v in model.weights}
    assert [n.name for n in file.graph.node] == ["a/Gemm", "kinds/Gemm"]


def test_own_recurrences_of_onnx():
    onnx_cases.LINES["lstm"]().export("m.onnx", format="onnx")
    found = kinds()
    assert [found.count(kind) for kind in ("LSTM", "GRU", "RNN", "Scan")] == [1, 2, 1, 0]


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_ids(dtype):
    model = pyseq.Sequential(
        [pyseq.Input((5,), dtype=dtype), layers.Embedding(9, 3, mask_zero=True), layers.LSTM(4)]
    )
    model.export("m.onnx", format="onnx")
    wanted = onnx.TensorProto.FLOAT if dtype == "float32" else onnx.TensorProto.INT64
    assert onnx.load("m.onnx").graph.input[0].type.tensor_type.elem_type == wanted
    compare(model, np.random.default_rng(0).integers(0, 9, (6, 5)))


def test_large_ids_keep_their_digits():
    class Moved(layers.Layer):
        def call(self, x):
            x = ops.concatenate([x, x[:, ::-1]], axis=1)
            return ops.transpose(ops.reshape(x, (-1, 2, 3)), (0, 2, 1))

    model = pyseq.Sequential([pyseq.Input((3,), dtype="int64"), Moved()])
    model.export("m.onnx", format="onnx")
    x = np.array([[2**53 + 1, 2, 3], [4, 2**60 + 1, 6]])
    (got,) = answers("m.onnx", x)
    want = model.predict(x, verbose=0)
    assert got.dtype == want.dtype == np.int64 and (got == want).all()
    assert 2**53 + 1 in got


FUNCTIONS = {
    "unary": lambda x: sum(
        getattr(ops, name)(x)
        for name in ("negative", "abs", "sign", "square", "exp", "expm1", "sin", "cos", "tan",
                     "arctan", "sinh", "cosh", "arcsinh", "erf", "floor", "ceil", "round",
                     "trunc", "tanh", "isnan", "isfinite", "isinf", "logical_not")
    ),
    "positive": lambda x: sum(
        getattr(ops, name)(ops.abs(x) + 1.1)
        for name in ("sqrt", "rsqrt", "reciprocal", "log", "log1p", "log2", "log10", "arccosh")
    ),
    "inside": lambda x: sum(
        getattr(ops, name)(ops.tanh(x) * 0.9) for name in ("arcsin", "arccos", "arctanh")
    ),
    "binary": lambda x: sum(
        getattr(ops, name)(x, ops.roll(x, 1, axis=-1))
        for name in ("add", "subtract", "multiply", "maximum", "minimum", "mod", "floor_divide",
                     "arctan2", "equal", "not_equal", "less", "less_equal", "greater",
                     "greater_equal", "logical_and", "logical_or", "logical_xor")
    ),
    "quotients": lambda x: x / 3.0 + 2.0 / (ops.abs(x) + 1.0) + (ops.abs(x) + 1.0) ** 1.5,
    "select": lambda x: ops.where(x > 0.2, x, -1.0) + ops.where(x < 0, 2.0, ops.exp(x)),
    "reduce": lambda x: sum(
        getattr(ops, name)(x, axis=-1, keepdims=True) for name in ("sum", "mean", "max", "min", "prod")
    ),
    "places": lambda x: ops.argmax(x, axis=-1) + 2 * ops.argmin(x, axis=-1),
    "batch": lambda x: x - ops.mean(x, axis=0, keepdims=True) + ops.max(x) + ops.sum(x, axis=(0, 1)),
    "scan": lambda x: ops.cumsum(x, axis=-1) + ops.cumprod(x, axis=1),
    "slices": lambda x: x[:, ::-1, 4::-2] + x[:, :, 1:4] + x[:, :1, -2:-5:-1],
    "take": lambda x: ops.take(x, [0, -1, 2, 2], axis=-1),
    "along": lambda x: ops.take_along_axis(x, ops.cast(ops.abs(x), "int32") - 1, axis=-1),
    "matmul": lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))),
    "stack": lambda x: ops.stack([x[:, 0], x[:, 1]], axis=1) + ops.repeat(x[:, :1], 2, axis=1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traced_code(name):
    class Traced(layers.Layer):
        def call(self, x):
            return FUNCTIONS[name](x)

    model = pyseq.Sequential([pyseq.Input((2, 5)), Traced()])
    model.export("m.onnx", format="onnx")
    compare(model, onnx_cases.rows_of(model, 4))


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "float16"])
def test_dtypes(policy):
    model = pyseq.Sequential(
        [pyseq.Input((4,), dtype="float64" if policy == "float64" else None),
         layers.Dense(3, "tanh", dtype=policy), layers.Dense(2, dtype=policy)]
    )
    model.export("m.onnx", format="onnx")
    x = onnx_cases.rows_of(model, 3)
    want, (got,) = model.predict(x, verbose=0), answers("m.onnx", x)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5 if policy == "float64" else 2e-3, atol=1e-3)


def test_sequences_behind_masks_with_holes():
    model = pyseq.Sequential(
        [pyseq.Input((6, 3)), layers.Masking(), layers.GRU(4, go_backwards=True, return_sequences=True)]
    )
    x = onnx_cases.rows_of(model, 5)
    x[0, 2] = x[1, :3] = x[2, 4:] = x[3] = 0
    model.export("m.onnx", format="onnx")
    compare(model, x)


def test_a_scan_of_more_rows_than_the_batch_has():
    inner = layers.LSTM(3, activation="gelu", return_sequences=True)
    model = pyseq.Sequential([pyseq.Input((2, 4, 3)), layers.TimeDistributed(inner)])
    model.export("m.onnx", format="onnx")
    assert "Scan" in kinds()
    compare(model, onnx_cases.rows_of(model, 3))


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_several_outputs(activation):
    layer = layers.LSTM(3, activation, return_sequences=True, return_state=True, name="memory")
    model = pyseq.Sequential([pyseq.Input((4, 2)), layer])
    model.export("m.onnx", format="onnx")
    x = onnx_cases.rows_of(model, 3)
    session = runtime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == ["memory_0", "memory_1", "memory_2"]
    for got, want in zip(answers("m.onnx", x), model.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def refused(model, **arguments):
    with pytest.raises(ValueError) as error:
        model.export("m.onnx", format="onnx", **arguments)
    return str(error.value)


def test_what_cannot_be_exported():
    dense = onnx_cases.LINES["dense"]()
    assert "to go on training save it as .keras" in refused(dense, training=True)
    free = pyseq.Sequential([pyseq.Input((None, 3)), layers.LSTM(2)])
    assert "pass input_signature=(None, ...)" in refused(free)
    free.export("m.onnx", format="onnx", input_signature=(None, 4, 3))
    compare(free, np.ones((2, 4, 3), "float32"))
    texts = pyseq.Sequential([layers.TextVectorization(vocabulary=["a"], name="words")])
    texts.predict(np.array([["a"]], object), verbose=0)
    assert refused(texts).startswith("words: expected a model that takes numbers")

    class Noisy(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.drop = layers.Dropout(0.5, name="drop")

        def call(self, x):
            return self.drop(x, training=True)

    noisy = pyseq.Sequential([pyseq.Input((3,)), Noisy()])
    assert refused(noisy).startswith("drop: expected ops that ONNX has, got 'dropout' that draws")


def test_ops_that_onnx_has_not():
    def op(kind, **attrs):
        return Op(kind, "layer", ["x"], [(2, 3, 4)], [(2, 3, 4)], [], attrs, [False], False)

    b = Builder("float32")
    b.declare("x", (None, 2, 3, 4))
    for given, got in (
        (op("map", function="erfinv"), "got 'map' of the function 'erfinv'; compute it outside"),
        (op("assign"), "got 'assign' of a variable; a graph of ONNX keeps nothing"),
        (op("host"), "got 'host' of a Python function; write it with pyseq.ops"),
        (op("batch_norm", batch_statistics=True), "got 'batch_norm' with the statistics of the"),
        (op("reduce", function="argmax", axes=[0, 1]), "got 'reduce' over the axes [1, 2]; take"),
    ):
        with pytest.raises(ValueError) as error:
            graph.TABLE[given.kind](b, given)
        assert str(error.value).startswith(f"layer: expected ops that ONNX has, {got}")


def test_unknown_format():
    model = onnx_cases.LINES["dense"]()
    with pytest.raises(ValueError, match="expected format 'pyseq', 'onnx' or 'cpp', got 'tflite'"):
        model.export("m", format="tflite")
