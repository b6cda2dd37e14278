"""Pooling, up-sampling, padding and cropping layers against Keras and NumPy."""

import layer_oracle
import numpy as np
import pytest

from pyseq import _core, layers

# Keras 3.15 reads its weights through a NumPy call that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHAPES = {1: (2, 9, 3), 2: (2, 7, 8, 17), 3: (2, 5, 6, 4, 3)}


def _cases():
    for n, shape in SHAPES.items():
        for kind in ("Max", "Average"):
            for arguments in (
                dict(pool_size=2),
                dict(pool_size=3, strides=2),
                dict(pool_size=2, strides=1, padding="same"),
                dict(pool_size=3, strides=2, padding="same"),
                dict(pool_size=2, strides=3),
            ):
                yield f"{kind}Pooling{n}D", arguments, shape
            yield f"Global{kind}Pooling{n}D", {}, shape
            yield f"Global{kind}Pooling{n}D", dict(keepdims=True), shape
            yield f"Adaptive{kind}Pooling{n}D", dict(output_size=3), shape
            yield f"Adaptive{kind}Pooling{n}D", dict(output_size=11), shape
    yield "UpSampling1D", dict(size=3), SHAPES[1]
    yield "UpSampling2D", dict(size=(2, 3)), SHAPES[2]
    yield "UpSampling2D", dict(size=2, interpolation="bilinear"), SHAPES[2]
    yield "UpSampling3D", dict(size=(1, 2, 3)), SHAPES[3]
    yield "ZeroPadding1D", dict(padding=(2, 0)), SHAPES[1]
    yield "ZeroPadding2D", dict(padding=((1, 0), (0, 2))), SHAPES[2]
    yield "ZeroPadding2D", dict(padding=(1, 2)), SHAPES[2]
    yield "ZeroPadding3D", dict(padding=2), SHAPES[3]
    yield "Cropping1D", dict(cropping=1), SHAPES[1]
    yield "Cropping2D", {}, SHAPES[2]
    yield "Cropping2D", dict(cropping=((1, 2), (3, 0))), SHAPES[2]
    yield "Cropping3D", dict(cropping=1), SHAPES[3]


CASES = list(_cases())
IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(CASES)]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_same_as_keras(case, keras):
    name, arguments, shape = case
    if name.startswith("Average") and arguments.get("padding") == "same":
        pytest.skip("Keras on PyTorch averages repeated borders; see test_average_inside_the_input")
    x = np.random.default_rng(0).normal(size=shape)
    mine = getattr(layers, name)(**arguments)
    layer_oracle.compare(mine, getattr(keras.layers, name)(dtype="float64", **arguments), x)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_config_is_that_of_keras(case, keras):
    name, arguments, _ = case
    mine = getattr(layers, name)(**arguments, name="a").get_config()
    theirs = getattr(keras.layers, name)(**arguments, name="a").get_config()
    assert list(mine) == list(theirs)
    for key, value in theirs.items():
        if not isinstance(value, dict):
            assert mine[key] == value, key
    assert getattr(layers, name).from_config(mine).get_config() == mine


@pytest.mark.parametrize("case", [c for c in CASES if c[0] not in ("UpSampling1D", "Cropping1D")])
def test_channels_first_is_the_transposed_computation(case):
    name, arguments, shape = case
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = getattr(layers, name)(**arguments)(x)
    if expected.ndim == x.ndim:
        expected = np.moveaxis(expected, -1, 1)
    first = getattr(layers, name)(**arguments, data_format="channels_first")
    transposed = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    assert first.compute_output_shape(transposed.shape) == expected.shape
    np.testing.assert_allclose(first(transposed), expected, atol=1e-6)


@pytest.mark.parametrize("isa", _core.available_isas())
@pytest.mark.parametrize("case", CASES[::3], ids=IDS[::3])
def test_every_instruction_set(case, isa):
    name, arguments, shape = case
    random = np.random.default_rng(0)
    x = random.normal(size=shape).round(1)
    layer = getattr(layers, name)(**arguments)
    dy = random.normal(size=layer.compute_output_shape(shape))
    expected = layer_oracle.run(layer, x, dy)
    got = layer_oracle.run(layer, x, dy, isa=isa)
    np.testing.assert_allclose(got["y"], expected["y"], atol=1e-5)
    np.testing.assert_allclose(got["dx"], expected["dx"], atol=1e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c[0].startswith("Average")])
def test_average_inside_the_input(case):
    name, arguments, shape = case
    size, stride = arguments["pool_size"], arguments.get("strides") or arguments["pool_size"]
    random = np.random.default_rng(0)
    x = random.normal(size=shape)
    means = []
    for length in shape[1:-1]:
        outputs, first = (length - size) // stride + 1, 0
        if arguments.get("padding") == "same":
            outputs = -(-length // stride)
            first = -(max((outputs - 1) * stride + size - length, 0) // 2)
        starts = first + stride * np.arange(outputs)[:, None]
        inside = (np.arange(length) >= starts) & (np.arange(length) < starts + size)
        means.append(inside / inside.sum(1, keepdims=True))
    expected, layer = x, getattr(layers, name)(**arguments)
    for axis, mean in enumerate(means, start=1):
        expected = np.moveaxis(np.tensordot(mean, expected, (1, axis)), 0, axis)
    dy = random.normal(size=expected.shape)
    dx = dy
    for axis, mean in enumerate(means, start=1):
        dx = np.moveaxis(np.tensordot(mean.T, dx, (1, axis)), 0, axis)
    run = layer_oracle.run(layer, x, dy)
    np.testing.assert_allclose(run["y"], expected, atol=1e-12)
    np.testing.assert_allclose(run["dx"], dx, atol=1e-12)


def test_first_of_equal_maxima_has_the_gradient():
    x = np.zeros((1, 4, 1))
    run = layer_oracle.run(layers.MaxPooling1D(2), x, np.ones((1, 2, 1)))
    assert run["dx"].ravel().tolist() == [1, 0, 1, 0]


def test_global_maximum_shares_the_gradient():
    x = np.array([[[1.0], [3.0], [3.0]]])
    run = layer_oracle.run(layers.GlobalMaxPooling1D(), x, np.ones((1, 1)))
    assert run["dx"].ravel().tolist() == [0, 0.5, 0.5]


@pytest.mark.parametrize("name", ["MaxPooling2D", "GlobalMaxPooling2D"])
def test_nan_wins(name):
    x = np.zeros((1, 2, 2, 20), "float32")
    x[0, 0, 1] = np.nan
    x[0, 1, 1] = 5
    assert np.isnan(getattr(layers, name)()(x)).all()


def test_windows_of_more_than_256_elements():
    x = np.random.default_rng(0).normal(size=(2, 20, 20, 3))
    run = layer_oracle.run(layers.MaxPooling2D(20), x, np.ones((2, 1, 1, 3)))
    np.testing.assert_array_equal(run["y"][:, 0, 0], x.max((1, 2)))
    np.testing.assert_array_equal(run["dx"], x == x.max((1, 2), keepdims=True))


def test_masked_mean(keras):
    x = np.random.default_rng(0).normal(size=(3, 5, 4))
    mask = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]])
    layer_oracle.compare(
        layers.GlobalAveragePooling1D(), keras.layers.GlobalAveragePooling1D(dtype="float64"), x,
        mask=mask,
    )
    assert np.isnan(layers.GlobalAveragePooling1D()(x, mask=np.zeros((3, 5)))).all()


def _matrix(kernel, length, factor):
    t = np.abs((np.arange(length * factor)[:, None] + 0.5) / factor - 0.5 - np.arange(length))
    w = {
        "bicubic": np.where(
            t < 1, 1.5 * t**3 - 2.5 * t**2 + 1,
            np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0),
        ),
        "lanczos3": np.where(t < 3, np.sinc(t) * np.sinc(t / 3), 0),
        "lanczos5": np.where(t < 5, np.sinc(t) * np.sinc(t / 5), 0),
    }[kernel]
    return w / w.sum(1, keepdims=True)


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos3", "lanczos5"])
def test_interpolation(kernel):
    random = np.random.default_rng(0)
    x, dy = random.normal(size=(2, 4, 7, 5)), random.normal(size=(2, 12, 14, 5))
    run = layer_oracle.run(layers.UpSampling2D((3, 2), interpolation=kernel), x, dy)
    a, b = _matrix(kernel, 4, 3), _matrix(kernel, 7, 2)
    np.testing.assert_allclose(run["y"], np.einsum("nhwc,oh,pw->nopc", x, a, b), atol=1e-12)
    np.testing.assert_allclose(run["dx"], np.einsum("nopc,oh,pw->nhwc", dy, a, b), atol=1e-12)


def test_aliases():
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.AvgPool1D is layers.AveragePooling1D
    assert layers.GlobalAvgPool3D is layers.GlobalAveragePooling3D
    assert layers.GlobalMaxPool1D is layers.GlobalMaxPooling1D


MESSAGES = [
    (lambda: layers.MaxPooling2D(0), "`pool_size` to be an integer or 2 integers >= 1, got 0"),
    (lambda: layers.MaxPooling2D(padding="causal"), "`padding`"),
    (lambda: layers.MaxPooling2D(3).compute_output_shape((None, 2, 8, 4)),
     "at least 3 along spatial axis 0.*got 2"),
    (lambda: layers.MaxPooling2D()(np.zeros((2, 8, 8))), r"x\[\.\.\., None\]"),
    (lambda: layers.UpSampling2D(interpolation="cubic"), "`interpolation` to be one of"),
    (lambda: layers.UpSampling1D(0), "`size`"),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), "`padding` to be an integer or 2 entries"),
    (lambda: layers.ZeroPadding2D(-1), "`padding`"),
    (lambda: layers.Cropping1D(3).compute_output_shape((None, 6, 1)), "below the length 6"),
    (lambda: layers.AdaptiveMaxPooling2D((2,)), "`output_size`"),
]


@pytest.mark.parametrize("i", range(len(MESSAGES)))
def test_messages(i):
    make, message = MESSAGES[i]
    with pytest.raises(ValueError, match=message):
        make()
