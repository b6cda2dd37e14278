"""`pyseq.ops.image` in programs: in layers that train, as in Keras, and in Lambdas."""

import numpy as np
import pytest
from image_calls import CALLS, MATRICES, REALS, RNG, VOLUMES

import pyseq
from pyseq.ops import image

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def run(m, function, x, y, start=None):
    """Predictions before and after training, through a weight in front of the function."""

    class Changed(m.layers.Layer):
        def build(self, input_shape):
            self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")

        def call(self, x):
            return function(m.ops.image, x * self.gain)

    model = m.Sequential([m.layers.Input(x.shape[1:]), Changed(), m.layers.Flatten(), m.layers.Dense(1)])
    if start is not None:
        model.set_weights(start)
    start = model.get_weights()
    before = np.asarray(model.predict(x, verbose=0))
    model.compile(m.optimizers.SGD(0.05), "mse")
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return start, before, model.get_weights()


TRACED = {
    **{n: CALLS[n] for n in ("crop_images", "pad_images", "gaussian_blur", "rgb_to_grayscale", "rgb_to_hsv", "hsv_to_rgb", "sobel_edges", "resize", "extract_patches")},
    "nearest": lambda m, x: m.resize(x, (3, 8), "nearest"),
    "antialias": lambda m, x: m.resize(x, (3, 4), antialias=True),
    "cropped": lambda m, x: m.resize(x, (3, 4), crop_to_aspect_ratio=True),
    "padded": lambda m, x: m.resize(x, (3, 8), pad_to_aspect_ratio=True, fill_value=0.5),
    "same patches": lambda m, x: m.extract_patches(x, 3, 2, padding="same"),
    "scaled": lambda m, x: m.scale_and_translate(x, (x.shape[0], 5, 6, 3), np.array([0.7], "float32"), np.array([0.4], "float32"), (1,), "linear"),
    "ssim": lambda m, x: m.ssim(x, x * x, filter_size=3)[:, None],
}


@pytest.mark.parametrize("name", TRACED)
def test_layers_train_as_in_keras(keras, name):
    x = RNG.uniform(0.1, 0.9, (8, 7, 6, 3)).astype("float32")
    y = RNG.normal(size=(8, 1)).astype("float32")
    start, before, after = run(keras, TRACED[name], x, y)
    _, ours, weights = run(pyseq, TRACED[name], x, y, start)
    np.testing.assert_allclose(ours, before, rtol=1e-3, atol=1e-4)
    assert np.abs(after[0] - start[0]).max() > 1e-5
    for a, b in zip(weights, after):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["crop_images", "pad_images", "resize", "rgb_to_grayscale", "extract_patches"])
def test_channels_first_in_a_lambda(name):
    x = np.moveaxis(REALS, -1, 1)

    def function(t):
        return CALLS[name](image, t, data_format="channels_first")

    model = pyseq.Sequential([pyseq.Input(x.shape[1:]), pyseq.layers.Lambda(function)])
    np.testing.assert_allclose(model.predict(x, verbose=0), function(x), rtol=1e-5, atol=1e-6)


def test_volumes_in_a_lambda():
    model = pyseq.Sequential([
        pyseq.Input(VOLUMES.shape[1:]),
        pyseq.layers.Lambda(lambda t: image.extract_patches_3d(t, 2, padding="same")),
    ])
    expected = image.extract_patches_3d(VOLUMES, 2, padding="same")
    np.testing.assert_array_equal(model.predict(VOLUMES, verbose=0), expected)


def test_weights_are_resized_too():
    class Position(pyseq.layers.Layer):
        def build(self, input_shape):
            self.one = self.add_weight(shape=(3, 3, 3), name="one")
            self.some = self.add_weight(shape=(2, 3, 3, 3), name="some")

        def call(self, x):
            return x + image.resize(self.one, (7, 6)) + pyseq.ops.sum(image.resize(self.some, (7, 6)), axis=0)

    layer = Position()
    model = pyseq.Sequential([pyseq.Input((7, 6, 3)), layer])
    some = image.resize(np.asarray(layer.some), (7, 6)).sum(axis=0)
    expected = REALS + image.resize(np.asarray(layer.one), (7, 6)) + some
    np.testing.assert_allclose(model.predict(REALS, verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_integers_in_a_program_are_rounded():
    def function(t):
        whole = pyseq.ops.cast(t * 255, "uint8")
        return pyseq.ops.cast(image.resize(whole, (4, 9), "bicubic"), "float32")

    model = pyseq.Sequential([pyseq.Input((7, 6, 3)), pyseq.layers.Lambda(function)])
    y = model.predict(REALS, verbose=0)
    np.testing.assert_array_equal(y, np.round(y))
    np.testing.assert_allclose(y, image.resize((REALS * 255).astype("uint8"), (4, 9), "bicubic"), atol=1)


UNTRACED = {
    "affine_transform": lambda m, x: m.affine_transform(x, MATRICES[0]),
    "elastic_transform": lambda m, x: m.elastic_transform(x),
    "map_coordinates": lambda m, x: m.map_coordinates(np.ones((3, 3)), [x[:, 0, 0, 0], x[:, 0, 0, 1]], 1)[:, None],
    "perspective_transform": CALLS["perspective_transform"],
    "resize": lambda m, x: m.resize(x[:, :, :, 0], (2, 2)),
}


@pytest.mark.parametrize("name", UNTRACED)
def test_what_programs_cannot_run(name):
    """It says so where weights train before it, and runs as Python code elsewhere."""
    with pytest.raises(ValueError, match="expected code that can be traced"):
        run(pyseq, UNTRACED[name], REALS, np.zeros((2, 1), "float32"))
    if name == "affine_transform":
        layer = pyseq.layers.Lambda(lambda t: UNTRACED[name](image, t))
        y = pyseq.Sequential([pyseq.Input((7, 6, 3)), layer]).predict(REALS, verbose=0)
        np.testing.assert_allclose(y, UNTRACED[name](image, REALS), atol=1e-6)
