"""Normalization layers against Keras: outputs, gradients, moving statistics, configs."""

import numpy as np
import pytest
from layer_oracle import compare, run

import pyseq
from pyseq import _core, layers

keras = pytest.importorskip("keras")
pytest.importorskip("torch")
# NumPy 2 finds fault with how Keras converts its variables.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RANDOM = np.random.default_rng(7)


def data(*shape):
    return RANDOM.normal(0.5, 2.0, shape)


def pair(name, **arguments):
    return (
        getattr(layers, name)(**arguments, dtype="float64", name="x"),
        getattr(keras.layers, name)(**arguments, dtype="float64", name="x"),
    )


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((16, 3), {}),
        ((5, 1), {}),
        ((4, 6, 5, 7), {}),
        ((3, 40), {}),
        ((2, 100), {"momentum": 0.5, "epsilon": 0.1}),
        ((400, 33), {}),
        ((4, 6, 5), {"axis": 1}),
        ((4, 3, 5, 6), {"axis": 1, "scale": False}),
        ((4, 5), {"center": False, "scale": False}),
    ],
)
def test_batch_normalization(shape, arguments, training, trainable):
    mine, theirs = pair("BatchNormalization", **arguments)
    mine.trainable = theirs.trainable = trainable
    compare(mine, theirs, data(*shape), training)


@pytest.mark.parametrize(
    "clipping", [None, {"rmax": 1.1, "rmin": 0.9, "dmax": 0.2}, {"rmax": 3.0}]
)
def test_batch_renormalization(clipping):
    arguments = {"renorm": True, "renorm_clipping": clipping, "renorm_momentum": 0.8}
    for training in (True, False):
        compare(*pair("BatchNormalization", **arguments), data(8, 5, 4), training)
    compare(*pair("BatchNormalization", **arguments, scale=False), data(8, 3))


def test_batch_normalization_mask():
    mask = RANDOM.integers(0, 2, (6, 9))
    ours = compare(*pair("BatchNormalization"), data(6, 9, 4), mask=mask)
    assert np.array_equal(ours["mask"], mask)
    compare(*pair("BatchNormalization"), data(6, 9, 4), mask=np.zeros((6, 9)))


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("renorm", [False, True])
def test_batch_normalization_mask_along_any_axis(axis, renorm):
    mask = RANDOM.integers(0, 2, (6, 5, 3))
    compare(*pair("BatchNormalization", axis=axis, renorm=renorm), data(6, 5, 3, 4), mask=mask)
    if axis < 3:
        mask = RANDOM.integers(0, 2, (6, 5))
        compare(*pair("BatchNormalization", axis=axis), data(6, 5, 4), mask=mask)


def test_batch_normalization_mask_with_one_channel():
    # Keras 3.15 fails here; the statistics are those of the steps that count.
    x, mask = data(2, 3, 1), np.array([[1, 1, 0], [1, 0, 0]])
    layer = layers.BatchNormalization(momentum=0.0, dtype="float64")
    state = run(layer, x, mask=mask)["state"]
    np.testing.assert_allclose(state["moving_mean"], x[mask == 1].mean(0))
    np.testing.assert_allclose(state["moving_variance"], x[mask == 1].var(0))


def test_batch_normalization_float32_statistics_are_accurate():
    x = (RANDOM.normal(1000.0, 0.1, (5000, 8))).astype("float32")
    layer = layers.BatchNormalization(momentum=0.0)
    layer(x, training=True)
    exact = x.astype("float64")
    np.testing.assert_allclose(layer.moving_mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, exact.var(0), rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((4, 7), {}),
        ((3, 5, 6), {}),
        ((3, 4, 5), {"axis": [1, 2]}),
        ((3, 4, 5, 2), {"axis": [1, 3]}),
        ((3, 50), {"center": False, "epsilon": 0.5}),
        ((3, 5), {"scale": False}),
        ((3, 5), {"scale": False, "center": False}),
        ((200, 64), {}),
    ],
)
def test_layer_normalization(shape, arguments):
    compare(*pair("LayerNormalization", **arguments), data(*shape))


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((3, 8), {"groups": 2}),
        ((3, 5, 4, 6), {"groups": 3}),
        ((3, 5, 6), {"groups": -1}),
        ((3, 6, 5), {"groups": 2, "axis": 1}),
        ((2, 20, 10, 4), {"groups": 1, "scale": False}),
        ((2, 5, 4), {"groups": 4, "center": False}),
    ],
)
def test_group_normalization(shape, arguments):
    compare(*pair("GroupNormalization", **arguments), data(*shape))


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [((4, 7), {}), ((3, 4, 5), {"axis": [1, 2]}), ((90, 3, 20), {})],
)
def test_rms_normalization(shape, arguments):
    compare(*pair("RMSNormalization", **arguments), data(*shape))


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [((4, 7), {}), ((3, 4, 5), {"axis": [1, 2]}), ((3, 4, 5), {"axis": 1}), ((9, 3, 20), {})],
)
def test_unit_normalization(shape, arguments):
    compare(*pair("UnitNormalization", **arguments), data(*shape))


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
def test_layer_normalization_with_rms_scaling():
    compare(*pair("LayerNormalization", rms_scaling=True), data(70, 4, 3))


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization"])
def test_normalization_of_an_inner_axis(name):
    # Keras 3.15 fails here on the torch backend.
    x, dy = data(3, 4, 5), data(3, 4, 5)
    inner = run(getattr(layers, name)(axis=1), x, dy)
    last = run(getattr(layers, name)(), x.transpose(0, 2, 1), dy.transpose(0, 2, 1))
    np.testing.assert_allclose(inner["y"], last["y"].transpose(0, 2, 1))
    np.testing.assert_allclose(inner["dx"], last["dx"].transpose(0, 2, 1))


def test_unit_normalization_of_zeros():
    assert layers.UnitNormalization()(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize(
    ("inner", "arguments", "shape"),
    [("Dense", {"units": 4}, (5, 3)), ("EinsumDense", {"equation": "abc,cde->abde",
      "output_shape": (None, 2, 3)}, (2, 3, 4))],
)
def test_spectral_normalization(iterations, inner, arguments, shape):
    mine = layers.SpectralNormalization(
        getattr(layers, inner)(**arguments, dtype="float64"), iterations, dtype="float64"
    )
    theirs = keras.layers.SpectralNormalization(
        getattr(keras.layers, inner)(**arguments, dtype="float64"), iterations, dtype="float64"
    )
    x = data(*shape)
    mine.build(x.shape)
    theirs.build(x.shape)
    assert [v.name for v in mine.weights] == [v.name for v in theirs.weights]
    weights = [RANDOM.normal(size=w.shape) for w in theirs.get_weights()]
    mine.set_weights(weights)
    theirs.set_weights(weights)
    y = run(mine, x)
    expected = theirs(x, training=True)
    np.testing.assert_allclose(y["y"], expected.detach().numpy(), rtol=1e-4)
    for name, value in {v.name: v.numpy() for v in theirs.weights}.items():
        np.testing.assert_allclose(y["state"].get(name, value), value, rtol=1e-4, err_msg=name)
    frozen = run(mine, x, training=False)
    np.testing.assert_array_equal(frozen["state"]["kernel"], weights[0])


@pytest.mark.parametrize(
    ("name", "arguments", "shape", "rule"),
    [
        ("BatchNormalization", {"axis": 3}, (2, 3), "expected `axis` in -2 to 1"),
        ("BatchNormalization", {"renorm": True, "renorm_clipping": {"r": 1}}, None, "'rmax'"),
        ("BatchNormalization", {}, (2, None), "known sizes"),
        ("LayerNormalization", {"axis": 0}, (2, 3), "without the batch axis"),
        ("GroupNormalization", {"groups": 0}, None, "`groups` >= 1"),
        ("GroupNormalization", {"groups": 4}, (2, 6), "divide the number of channels"),
        ("SpectralNormalization", {"layer": None}, None, "expected `layer`"),
    ],
)
def test_errors(name, arguments, shape, rule):
    with pytest.raises((ValueError, TypeError), match=rule):
        layer = getattr(layers, name)(**arguments)
        layer.build(shape)
        run(layer, np.zeros(shape))


@pytest.mark.parametrize("isa", [i for i in ("base", "avx2", "avx512", "amx")
                                 if i in _core.available_isas()])
def test_float32_agrees_with_float64(isa):
    x, dy = data(37, 5, 19), data(37, 5, 19)
    for layer in (
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.RMSNormalization(),
        layers.UnitNormalization(),
        layers.GroupNormalization(19),
    ):
        exact, rounded = run(layer, x, dy), run(layer, x, dy, isa=isa)
        np.testing.assert_allclose(rounded["y"], exact["y"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(rounded["dx"], exact["dx"], rtol=1e-3, atol=1e-4)
        for name, value in exact["grads"].items():
            np.testing.assert_allclose(rounded["grads"][name], value, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (layers.BatchNormalization, (300, 40, 19)),
        (layers.BatchNormalization, (400, 700)),
        (layers.LayerNormalization, (300, 40, 19)),
        (layers.RMSNormalization, (300, 40, 19)),
        (lambda: layers.GroupNormalization(19), (300, 40, 19)),
        (lambda: layers.PReLU(shared_axes=[1]), (300, 40, 19)),
        (lambda: layers.Dropout(0.5, seed=1), (300, 40, 19)),
        (lambda: layers.GaussianNoise(0.5, seed=1), (300, 40, 19)),
        (lambda: layers.ActivityRegularization(0.1, 0.1), (300, 40, 19)),
        (lambda: layers.EinsumDense("abc,cbd->adb", (5, 40), bias_axes="d"), (300, 40, 19)),
        (lambda: layers.Embedding(50, 24), (300, 60)),
        (lambda: layers.Permute((2, 1)), (300, 40, 19)),
    ],
)
def test_bits_do_not_depend_on_threads(make, shape):
    pyseq.utils.set_random_seed(1)
    layer = make()
    x = data(*shape)
    if isinstance(layer, layers.Embedding):
        x = RANDOM.integers(0, 50, shape)
    layer.build(shape)
    dy = data(*layer.compute_output_shape(shape))
    results = []
    for threads in (1, 2, 3):
        _core.set_num_threads(threads)
        results.append(run(layer, x, dy, isa=_core.current_isa()))
    first = results[0]
    for other in results[1:]:
        for key in ("y", "dx"):
            np.testing.assert_array_equal(first[key], other[key])
        assert first["loss"] == other["loss"]
        for group in ("grads", "state"):
            for name, value in first[group].items():
                np.testing.assert_array_equal(value, other[group][name])
