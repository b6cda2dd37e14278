"""`Model.export(format="cpp")`: headers, compiled by the system's compiler, beside `predict`."""

import re
from pathlib import Path

import cpp_runner
import numpy as np
import onnx_cases
import pytest
from cpp_runner import sequential

import pyseq
from pyseq import layers, ops
from pyseq.saving.to_cpp import header, packing, plan, writer

pytestmark = pytest.mark.filterwarnings("ignore")

needs_compiler = pytest.mark.skipif(cpp_runner.COMPILER is None, reason="no C++ compiler is installed")

ACTIVATIONS = (
    "elu selu celu gelu sigmoid tanh softplus softsign exponential silu mish leaky_relu relu6 hard_sigmoid "
    "hard_silu hard_tanh hard_shrink soft_shrink tanh_shrink log_sigmoid sparse_plus sparse_sigmoid squareplus "
    "log_softmax sparsemax glu"
).split()
FUNCTIONS = (
    "abs sign square sqrt rsqrt exp expm1 log log1p log2 log10 sin cos tan arctan sinh cosh tanh arcsinh "
    "floor ceil round trunc erf isnan isfinite logical_not reciprocal negative"
).split()


def every_activation():
    def call(x):
        return ops.concatenate([layers.Activation(name)(x) for name in ACTIVATIONS], axis=-1)

    return sequential(pyseq.Input((3, 22)), layers.Lambda(call))


def every_function():
    def call(x):
        x = ops.abs(x) + 0.1
        parts = [getattr(ops, name)(x) for name in FUNCTIONS]
        parts += [ops.arcsin(x / 9), ops.arccos(x / 9), ops.arctanh(x / 9), ops.arccosh(x + 1), ops.erfinv(x / 9)]
        return ops.concatenate([ops.cast(p, "float32") for p in parts], axis=-1)

    return sequential(pyseq.Input((5,)), layers.Lambda(call))


def arithmetic():
    def call(x):
        y, row = x * 2 - 1, x[:, :1]
        parts = [x + y, x - row, x / (y + 7), ops.maximum(x, y), ops.minimum(x, row), ops.power(ops.abs(x) + 1, y)]
        parts += [x % 0.7, x // 0.3, ops.arctan2(x, y), ops.cast(x < y, "float32"), 3.0 / (x + 9), 1.0 - x]
        parts += [ops.where(x > 0, x, y), ops.where(x > row, x, -1.0), ops.cumsum(x, axis=1), ops.flip(x, axis=1)]
        parts += [ops.cumprod(x, axis=2), ops.clip(x, -0.5, 0.5), ops.roll(x, 1, axis=1)]
        whole = ops.concatenate(parts, axis=-1)
        rows = [whole, ops.mean(whole, axis=1, keepdims=True), ops.max(whole, axis=1, keepdims=True)]
        rows += [ops.min(whole, axis=1, keepdims=True), ops.prod(whole[:, :2], axis=1, keepdims=True)]
        places = [ops.argmax(whole, axis=1), ops.argmin(whole, axis=1)]
        rows += [ops.cast(ops.expand_dims(p, 1), "float32") for p in places]
        return ops.concatenate(rows, axis=1)

    return sequential(pyseq.Input((4, 3)), layers.Lambda(call))


def L(shape, *parts):
    return lambda: sequential(pyseq.Input(shape), *(part() for part in parts))


def of(name, *arguments, **more):
    return lambda: getattr(layers, name)(*arguments, **more)


def time_distributed():
    return layers.TimeDistributed(sequential(pyseq.Input((3,)), layers.Dense(4, "mish"), layers.Dense(2)))


SEQUENCES = {"return_sequences": True}
MODELS = {
    **onnx_cases.LINES,
    **onnx_cases.BRANCHES,
    "audio_dense": L((32,), of("Dense", 32, "tanh")),
    "wide_dense": L((150,), of("Dense", 80, "relu"), of("Dense", 130), of("Dense", 5), of("Dense", 3, use_bias=False)),
    "rows": L((5, 7), of("Dense", 17, "selu"), of("Dense", 1)),
    "no_layers": L((3, 2), of("Flatten"), of("Dropout", 0.5)),
    "lstm32": L((5, 32), of("LSTM", 32, **SEQUENCES), of("Dense", 1)),
    "lstm80": L((3, 4), of("LSTM", 80), of("Dense", 2)),
    "lstm20": L((4, 3), of("LSTM", 20, "relu", recurrent_activation="hard_sigmoid", use_bias=False)),
    "gru24": L((4, 3), of("GRU", 24, **SEQUENCES), of("GRU", 33)),
    "gru_before": L((4, 3), of("GRU", 21, reset_after=False, **SEQUENCES), of("GRU", 4, "elu", reset_after=False)),
    "rnn": L((6, 3), of("SimpleRNN", 40, **SEQUENCES), of("SimpleRNN", 3, "relu")),
    "masked": L(
        (6, 3), of("Masking"), of("LSTM", 5, **SEQUENCES), of("GRU", 4, **SEQUENCES),
        of("GlobalAveragePooling1D"),
    ),
    "masked_last": L((6, 3), of("Masking"), of("LSTM", 5, **SEQUENCES), of("GRU", 4)),
    "causal": L(
        (9, 4), of("Conv1D", 8, 3, padding="causal", activation="relu"), of("BatchNormalization"),
        of("Conv1D", 8, 3, padding="causal", dilation_rate=2, activation="tanh"), of("PReLU", shared_axes=[1]),
        of("Conv1D", 8, 2, padding="causal", groups=2), of("LayerNormalization"), of("Dense", 2, "softmax"),
    ),
    "on_steps": L((4, 3), lambda: time_distributed(), of("RMSNormalization"), of("GRU", 3)),
    "groups": L(
        (7, 6, 4), of("Conv2D", 6, 3, dilation_rate=2, padding="same", groups=2), of("UnitNormalization"),
        of("GroupNormalization", 3), of("AveragePooling2D", (3, 2), strides=2, padding="same"),
        of("Conv2D", 17, 2, strides=(2, 1), padding="same"), of("GlobalMaxPooling2D"),
    ),
    "wide_conv": L((6, 6, 3), of("Conv2D", 70, 3, activation="relu"), of("Conv2D", 33, 1), of("MaxPooling2D", 2)),
    "volume": L(
        (4, 5, 4, 2), of("Conv3D", 3, 2, padding="same"), of("MaxPooling3D", (2, 1, 3), strides=2, padding="same"),
        of("Conv3DTranspose", 2, 3, strides=2, padding="same", output_padding=1), of("UpSampling3D", 2),
        of("Cropping3D"), of("ZeroPadding3D", ((1, 0), (0, 1), (2, 1))), of("GlobalAveragePooling3D"),
    ),
    "depthwise": L(
        (8, 7, 20), of("DepthwiseConv2D", 3, padding="same", activation="relu6"), of("BatchNormalization"),
        of("DepthwiseConv2D", (2, 3), strides=2, depth_multiplier=3, use_bias=False), of("BatchNormalization"),
        of("ReLU", max_value=1.0, negative_slope=0.2, threshold=0.1),
    ),
    "transposed": L(
        (3, 4, 2), of("Conv2DTranspose", 70, 3, strides=2, padding="same"), of("BatchNormalization"),
        of("Conv2DTranspose", 2, (2, 3), strides=(1, 2), dilation_rate=1, activation="relu"),
        of("AdaptiveAveragePooling2D", (3, 4)), of("Resizing", 5, 7), of("Resizing", 4, 3, interpolation="nearest"),
    ),
    "tokens": L((6,), of("Embedding", 5, 3, mask_zero=True), of("LSTM", 4)),
    "integers": lambda: sequential(
        pyseq.Input((6,), dtype="int64"), layers.Embedding(5, 4), layers.Permute((2, 1)), layers.Flatten(),
    ),
    "places": lambda: sequential(
        pyseq.Input((2, 6)), layers.Dense(4), layers.Lambda(lambda x: ops.argmax(x, axis=-1)),
    ),
    "einsum": L((4, 5), of("EinsumDense", "abc,cde->abde", output_shape=(4, 2, 3), bias_axes="de")),
    "rescaled": L((3, 4), of("Rescaling", 0.1, -0.5), of("Normalization", axis=-1), of("Softmax", axis=1)),
    "normalized": L((3, 4), of("BatchNormalization"), of("LayerNormalization", axis=[1, 2], scale=False)),
    "spectrum": L((20, 1), of("STFTSpectrogram", "psd", frame_length=8, frame_step=3, fft_length=16)),
    "rearranged": L(
        (4, 6, 3), of("ZeroPadding2D", ((1, 0), (2, 1))), of("MaxPooling2D", 2), of("Permute", (3, 1, 2)),
        of("UpSampling2D", (2, 3)), of("Cropping2D", 1), of("ReLU"), of("Reshape", (-1, 2)), of("GlobalMaxPooling1D"),
    ),
    "every_activation": every_activation,
    "every_function": every_function,
    "arithmetic": arithmetic,
}
del MODELS["first"]  # whose data format is that of ONNX


def rows_for(name, model):
    x = onnx_cases.rows_of(model, 3)
    if name in ("tokens", "integers"):
        return np.random.default_rng(0).integers(0, 5, x.shape)
    if name.startswith("masked"):
        x[0, 4:], x[1, 2] = 0, 0
    return x


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder of headers, and `{name: (model, rows)}`."""
    folder, made = tmp_path_factory.mktemp("headers"), {}
    pyseq.utils.set_random_seed(0)
    for name, make in MODELS.items():
        model = onnx_cases.moved(make())
        x = rows_for(name, model)
        cpp_runner.export(folder, name, model, x, namespace=f"n_{name}")
        made[name] = model, x
    return folder, made


# A model or two for each file of kernels.
FEW = ("audio_dense", "wide_dense", "mobilenet", "decoder", "lstm", "causal", "every_activation", "einsum")


# Which only move, look up and compare.
EXACT = ("no_layers", "integers", "rearranged")


@pytest.mark.parametrize("names, flags", [
    pytest.param(tuple(MODELS), ["-march=native"], id="native"),
    pytest.param(FEW, [], id="default"),
    pytest.param(FEW, ["-DPYSEQ_PLAIN"], id="plain"),
])
@needs_compiler
def test_models(exported, names, flags):
    folder, made = exported
    cpp_runner.compiled(folder, names, ["-O1", *flags], "n_")
    for name in names:
        cpp_runner.compare(folder, name, *made[name])
        if name in EXACT:
            got, want = cpp_runner.answers(folder, name), made[name][0].predict(made[name][1], verbose=0)
            np.testing.assert_array_equal(got, want.reshape(-1), err_msg=name)


def test_what_streams_has_step(exported):
    folder, made = exported
    names = {n for n in made if "void step(" in (folder / f"{n}.h").read_text()}
    assert names == {
        "causal", "every_activation", "gru24", "gru_before", "lstm20", "lstm32", "lstm80", "masked_last", "on_steps",
        "places", "rnn", "rows", "tokens",
    }
    text = (folder / "lstm.h").read_text()
    assert re.search(r"// There is no step\(\): gru\w* \(gru\) is not a layer that runs forwards\.", text)


def test_the_same_file_every_time(tmp_path):
    model = onnx_cases.moved(MODELS["causal"]())
    model.export(tmp_path / "a.h", format="cpp", namespace="net")
    model.export(tmp_path / "b.h", format="cpp", namespace="net")
    assert (tmp_path / "a.h").read_bytes() == (tmp_path / "b.h").read_bytes()
    assert [p.name for p in tmp_path.iterdir() if "tmp" in p.name] == []


def test_literals_are_the_same_bits():
    values = np.random.default_rng(0).integers(0, 2**32, 2000).astype("uint32").view("float32")
    values = np.append(values[np.isfinite(values)], np.float32([0.0, -0.0, 1e-45, 3.4028235e38, 1.0, 1e9]))
    for value in values:
        literal = writer.number(value)
        assert literal.endswith("f") and set(".e") & set(literal)
        assert np.float32(literal[:-1]).tobytes() == value.tobytes()
    assert [writer.number(v) for v in (np.inf, -np.inf, np.nan)] == [
        "kernels::kInf", "-kernels::kInf", "kernels::kNaN"
    ]


def test_namespaces(tmp_path):
    model = MODELS["audio_dense"]()
    for name, want in (("my-model.v2.h", "my_model"), ("3d.h", "model_3d"), ("class.h", "model_class"), ("exp.h", "model_exp")):
        model.export(tmp_path / name, format="cpp")
        assert f"\nnamespace {want} {{\n" in (tmp_path / name).read_text()
    with pytest.raises(ValueError, match="a name of C\\+\\+, got 'a b'; call it 'a_b'"):
        model.export(tmp_path / "m.h", format="cpp", namespace="a b")
    with pytest.raises(ValueError, match="expected namespace with format='cpp' alone, got format 'onnx'"):
        model.export(tmp_path / "m.onnx", format="onnx", namespace="a")
    assert not (tmp_path / "m.h").exists()


def refused(folder, model, **arguments):
    with pytest.raises(ValueError) as error:
        model.export(folder / "m.h", format="cpp", **arguments)
    assert list(folder.iterdir()) == []
    return str(error.value)


def test_what_cannot_be_exported(tmp_path):
    dense = MODELS["audio_dense"]()
    assert "training=False with format='cpp'" in refused(tmp_path, dense, training=True)
    free = sequential(pyseq.Input((None, 3)), layers.LSTM(2))
    assert "pass input_signature=(None, ...)" in refused(tmp_path, free)
    texts = sequential(layers.TextVectorization(vocabulary=["a"], name="words"))
    texts.predict(np.array([["a"]], object), verbose=0)
    assert refused(tmp_path, texts).startswith("words: expected a model that takes numbers, which is what a C++")
    doubles = sequential(pyseq.Input((3,), dtype="float64"), layers.Dense(2, dtype="float64"))
    assert "expected a model of float32 for a C++ header, got float64" in refused(tmp_path, doubles)
    several = sequential(pyseq.Input((4, 2)), layers.LSTM(3, return_state=True))
    assert refused(tmp_path, several).endswith("export: expected one output, got 3")
    memory = sequential(pyseq.Input(batch_shape=(1, 4, 2)), layers.LSTM(3, stateful=True, name="memory"))
    assert refused(tmp_path, memory) == (
        "memory: expected ops that a C++ header has, got 'lstm' that keeps its state; make the layer with "
        "stateful=False and call step()"
    )
    film = sequential(pyseq.Input((3, 4, 4, 1)), layers.ConvLSTM2D(2, 2, name="film"))
    assert refused(tmp_path, film) == (
        "film: expected ops that a C++ header has, got 'conv_lstm' that has no writer; export it as .pyseq"
    )
    batch = sequential(pyseq.Input((4,)), layers.Lambda(lambda x: x - ops.mean(x, axis=0), name="center"))
    assert "over the rows of a batch" in refused(tmp_path, batch)


def test_every_op_of_the_core_has_a_writer():
    sources = Path(__file__).resolve().parents[2] / "csrc" / "ops"
    kinds = {path.stem for path in sources.glob("*.cpp")}
    same = {k for k in kinds if plan.is_same(plan.Op(k, k, [], [], [], {}))}
    assert kinds - set(header.TABLE) - same == {"assign", "conv_lstm", "delay"}


@pytest.mark.parametrize("outputs, width", [(1, 4), (6, 8), (9, 16), (40, 48), (64, 64), (65, 48), (80, 48), (96, 48),
                                            (128, 64), (144, 48)])
def test_panels(outputs, width):
    assert packing.panel_width(outputs) == width
    matrix = np.random.default_rng(0).normal(size=(3, outputs)).astype("float32")
    made = packing.panels(matrix)[0]
    assert made.shape == (-(-outputs // width), 3, width)
    flat = np.concatenate(list(made), axis=1)
    np.testing.assert_array_equal(flat[:, :outputs], matrix)
    assert not flat[:, outputs:].any()


def test_memory_is_shared_by_values_that_do_not_meet():
    model = sequential(pyseq.Input((64,)), *(layers.Dense(64) for _ in range(6)))
    program = plan.lowered(model, (64,))
    offsets, floats, integers = plan.places(program, plan.aliases(program))
    assert (floats, integers) == (128, 0) and len(offsets) == 5
