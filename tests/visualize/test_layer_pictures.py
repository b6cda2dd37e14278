"""Filters, feature maps and saliency: numbers in the pictures, gradients beside differences."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import pyseq
from pyseq import layers as L, visualize


def pictures(figure):
    """`{title: array}` of the small pictures."""
    return {
        axis.get_title(): np.asarray(axis.images[0].get_array())
        for axis in figure.axes
        if axis.images
    }


def built(layer, shape):
    layer.build((None, *shape))
    return layer


def test_filters_of_one_channel(rng):
    layer = built(L.Conv2D(4, (3, 5)), (9, 9, 1))
    figure = visualize.filters(layer)
    shown, kernel = pictures(figure), layer.kernel.numpy()
    assert [k for k in shown if k] == ["0", "1", "2", "3"]
    for k in range(4):
        np.testing.assert_array_equal(shown[str(k)], kernel[:, :, 0, k].astype("float64"))
    assert figure.get_suptitle() == f"{layer.name}: 4 filters of 3 x 5"
    low, high = figure.axes[0].images[0].get_clim()
    assert low == -high and high == pytest.approx(np.abs(kernel).max())
    assert [k for k in pictures(visualize.filters(layer, n=2)) if k] == ["0", "1"]


def test_filters_of_colours():
    layer = built(L.Conv2D(2, 3), (9, 9, 3))
    kernel = layer.kernel.numpy().astype("float64")
    shown = pictures(visualize.filters(layer))
    want = 0.5 + kernel[..., 1] / (2 * np.abs(kernel).max())
    np.testing.assert_allclose(shown["1"], want)


def test_filters_of_many_channels():
    layer = built(L.Conv2D(3, 3), (9, 9, 5))
    figure = visualize.filters(layer, n=2, channels=4)
    tiles = [axis for axis in figure.axes if axis.images]
    assert len(tiles) == 8
    assert [axis.get_title() for axis in tiles[:4]] == [f"channel {c}" for c in range(4)]
    np.testing.assert_array_equal(tiles[6].images[0].get_array(), layer.kernel.numpy()[:, :, 2, 1])
    assert figure.get_suptitle() == f"{layer.name}: 2 of 3 filters of 3 x 3 x 5"


@pytest.mark.parametrize(
    ("layer", "shape", "of"),
    [
        (L.Conv1D(4, 3), (9, 2), lambda la, k: la.kernel.numpy()[..., k].T),
        (L.Conv1DTranspose(4, 3), (9, 2), lambda la, k: la.kernel.numpy()[:, k].T),
        (L.Conv2DTranspose(4, 3), (9, 9, 1), lambda la, k: la.kernel.numpy()[:, :, k, 0]),
        (L.DepthwiseConv2D(3), (9, 9, 4), lambda la, k: la.kernel.numpy()[:, :, k, 0]),
        (L.SeparableConv2D(2, 3), (9, 9, 4), lambda la, k: la.depthwise_kernel.numpy()[:, :, k, 0]),
        (L.DepthwiseConv1D(3), (9, 4), lambda la, k: la.kernel.numpy()[:, k, 0][None]),
        (L.SeparableConv1D(2, 3), (9, 4), lambda la, k: la.depthwise_kernel.numpy()[:, k, 0][None]),
        (L.Conv2D(4, 1), (9, 9, 6), lambda la, k: la.kernel.numpy()[0, :, :, k].T),
    ],
)  # fmt: skip
def test_filters_of_other_convolutions(layer, shape, of):
    shown = pictures(visualize.filters(built(layer, shape)))
    assert [k for k in shown if k] == ["0", "1", "2", "3"]
    for k in range(4):
        np.testing.assert_array_equal(shown[str(k)], of(layer, k))


def network():
    pyseq.utils.set_random_seed(1)
    inner = pyseq.Sequential(
        [L.Conv2D(3, 3, activation="tanh", name="inner"), L.BatchNormalization()]
    )
    return pyseq.Sequential(
        [
            pyseq.Input((8, 8, 1)),
            L.Conv2D(4, 3, padding="same", activation="relu", name="first"),
            L.Dropout(0.5),
            inner,
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ]
    )


def test_activations(rng):
    model, x = network(), rng.random((8, 8, 1), dtype="float32")
    want = np.asarray(model.layers[0](x[None]))[0]
    for layer in ("first", 0, model.layers[0], np.int64(-6)):
        shown = pictures(visualize.activations(model, layer, x))
        assert [k for k in shown if k] == ["input", "0", "1", "2", "3"]
        np.testing.assert_array_equal(shown["input"], x[..., 0])
        for k in range(4):
            np.testing.assert_allclose(shown[str(k)], want[..., k], atol=1e-6)
    inner = np.asarray(model.layers[2].layers[0](want[None]))[0]
    shown = pictures(visualize.activations(model, "inner", x[None], n=2))
    np.testing.assert_allclose(shown["1"], inner[..., 1], atol=1e-6)
    assert "2" not in shown


def test_activations_over_steps(rng):
    model = pyseq.Sequential([pyseq.Input((10, 2)), L.Dense(2), L.Conv1D(3, 3), L.LSTM(2)])
    x = rng.normal(size=(10, 2)).astype("float32")
    axis = visualize.activations(model, 1, x).axes[0]
    want = np.asarray(model.layers[1](model.layers[0](x[None])))[0].T
    np.testing.assert_allclose(axis.images[0].get_array(), want, atol=1e-6)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("step", "channel")


def test_pictures_leave_the_model_as_it_was(rng):
    model, x = network(), rng.random((8, 8, 1))
    before = model.get_weights()
    y = model.predict(x[None], verbose=0)
    visualize.activations(model, "inner", x)
    visualize.saliency(model, x)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.predict(x[None], verbose=0), y)
    assert not model.compiled


def differences(function, x, step=1e-6):
    found = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            ends.append(function(moved))
        found[at] = (ends[0] - ends[1]) / (2 * step)
    return found


NETWORKS = {
    "image": ((6, 6, 2), lambda: [
        L.Conv2D(4, 3, activation="tanh"), L.BatchNormalization(), L.Dropout(0.5),
        L.MaxPooling2D(), L.Flatten(), L.Dense(3, "softmax")]),
    "recurrent": ((5, 2), lambda: [
        L.LSTM(4, dropout=0.5, return_sequences=True), L.GRU(3), L.GaussianNoise(1.0), L.Dense(2)]),
    "augmented": ((6, 6, 2), lambda: [
        L.Rescaling(1 / 3), L.RandomFlip(), L.SeparableConv2D(4, 3), L.LayerNormalization(),
        L.GlobalAveragePooling2D(), L.Dense(1, "sigmoid")]),
    "masked": ((6, 2), lambda: [
        L.Masking(), L.Bidirectional(L.LSTM(3)), L.Lambda(lambda x: x * x),
        pyseq.Sequential([L.Dense(3, "elu"), L.Dense(2)])]),
    "stateful": ((4, 3), lambda: [L.SimpleRNN(3, stateful=True), L.Dense(2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_are_exact(name, rng):
    pyseq.config.set_floatx("float64")
    shape, make = NETWORKS[name]
    batch = {"batch_shape": (1, *shape)} if name == "stateful" else {"shape": shape}
    model = pyseq.Sequential([pyseq.Input(**batch), *make()])
    for variable in model.weights:
        variable.assign(variable.numpy() + 0.3 * rng.random(variable.shape))
    x = rng.normal(size=shape)

    def outputs(x):
        if name == "stateful":
            model.reset_states()
        return model.predict(x[None], verbose=0)[0]

    for target in range(len(outputs(x))):
        if name == "stateful":
            model.reset_states()
        found = visualize.input_gradients(model, x, target=target, scores=False)
        assert found.shape == shape and found.dtype == "float64"
        want = differences(lambda x, k=target: outputs(x)[k], x)
        np.testing.assert_allclose(found, want, atol=1e-8)
        assert np.abs(want).max() > 1e-4


@pytest.mark.parametrize(("activation", "units"), [("softmax", 3), ("sigmoid", 1)])
def test_gradients_of_scores(activation, units, rng):
    """Those before the last activation, also where it is flat."""
    model = pyseq.Sequential([pyseq.Input((4,)), L.Dense(units, activation)])
    kernel = 100 * rng.normal(size=(4, units))
    model.set_weights([kernel, np.zeros(units)])
    x = rng.normal(size=4)
    k = int(model.predict(x[None], verbose=0)[0].argmax())
    np.testing.assert_allclose(visualize.input_gradients(model, x), kernel[:, k], rtol=1e-6)
    assert np.abs(visualize.input_gradients(model, x, scores=False)).max() < 1e-3


def test_saliency_of_an_image(rng):
    model, x = network(), rng.random((8, 8, 1))
    first, second = visualize.saliency(model, x, target=1).axes[:2]
    slopes = visualize.input_gradients(model, x, target=1)
    np.testing.assert_allclose(first.images[0].get_array(), x[..., 0], rtol=1e-6)
    np.testing.assert_array_equal(second.images[0].get_array(), np.abs(slopes)[..., 0])
    value = model.predict(x[None], verbose=0)[0, 1]
    assert second.get_title() == f"output 1: {value:.3g}"
    figure, axis = plt.subplots()
    assert visualize.saliency(model, x, ax=axis) is figure and len(axis.images) == 1


def test_saliency_of_a_series_and_a_vector(rng):
    model = pyseq.Sequential([pyseq.Input((7, 2)), L.LSTM(3), L.Dense(1)])
    x = rng.normal(size=(7, 2))
    axis = visualize.saliency(model, x, labels=["wind", "rain"]).axes[0]
    slopes = visualize.input_gradients(model, x)
    np.testing.assert_array_equal(axis.images[0].get_array(), slopes.T)
    assert [t.get_text() for t in axis.get_yticklabels()] == ["wind", "rain"]
    model = pyseq.Sequential([pyseq.Input((30,)), L.Dense(1, use_bias=False)])
    kernel = model.get_weights()[0][:, 0]
    axis = visualize.saliency(model, np.ones(30)).axes[0]
    order = np.argsort(-np.abs(kernel))[:20]
    np.testing.assert_array_equal([bar.get_width() for bar in axis.patches], kernel[order])
    names = [t.get_text() for t in axis.get_yticklabels()]
    assert names == [f"feature {i}" for i in order]
    assert "(20 of 30 features)" in axis.get_title()


def words():
    return pyseq.Sequential(
        [pyseq.Input((5,), dtype="int32"), L.Embedding(9, 2), L.Flatten(), L.Dense(1)]
    )


ERRORS = [
    ("filters", lambda m: (m.layers[-1],), TypeError, r"convolution over steps .*got dense.* \(Dense\)"),
    ("filters", lambda m: (L.Conv2D(2, 3),), ValueError, "a layer with weights, got conv2d.*not built"),
    ("filters", lambda m: (m.layers[0], 0), ValueError, "expected n of 1 or more, got 0"),
    ("activations", lambda m: (m, "lost", np.ones((8, 8, 1))), ValueError, "'lost'.*'first'"),
    ("activations", lambda m: (m, 9, np.ones((8, 8, 1))), ValueError, "a number below 6, got 9"),
    ("activations", lambda m: (m, L.Dense(1), np.ones((8, 8, 1))), ValueError, "a layer of the model, got d"),
    ("activations", lambda m: (m, -1, np.ones((8, 8, 1))), ValueError, r"got output of shape \(1, 3\) of d"),
    ("activations", lambda m: (m, 0, np.ones((2, 8, 8, 1))), ValueError, r"one input, got shape \(2, 8, 8, 1\)"),
    ("activations", lambda m: (m.layers[0], 0, 1), TypeError, "expected a Sequential model, got Conv2D"),
    ("saliency", lambda m: (m, np.ones((8, 8, 1)), 3), ValueError, "expected a target below 3, got 3"),
    ("saliency", lambda m: (m, np.ones((8, 8, 1)), 0.5), TypeError, "target to be a whole number, got 0.5"),
    ("saliency", lambda m: (words(), np.ones(5)), ValueError, "inputs that have a gradient, got .*after the Emb"),
    ("input_gradients", lambda m: (words(), np.ones(5)), ValueError, "inputs that have a gradient"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "error", "message"), ERRORS)
def test_errors(name, arguments, error, message):
    with pytest.raises(error, match=rf"visualize\.{name}: .*{message}.*"):
        getattr(visualize, name)(*arguments(network()))


def test_labels_of_features():
    model = pyseq.Sequential([pyseq.Input((3,)), L.Dense(1)])
    with pytest.raises(
        ValueError, match="saliency: expected a label for each of 3 features, got 1"
    ):
        visualize.saliency(model, np.ones(3), labels=["a"])
