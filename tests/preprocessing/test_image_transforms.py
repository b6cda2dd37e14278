"""Shifts of colours and random transformations of one image, beside Keras with the same seed."""

import importlib
import warnings

import numpy as np
import pytest

import pyseq
from pyseq.preprocessing import image


@pytest.fixture(scope="module")
def legacy(keras):
    pytest.importorskip("scipy")
    return importlib.import_module("keras.src.legacy.preprocessing.image")


def both(legacy, name, *args, **kwargs):
    values = []
    for module in (image, legacy):
        np.random.seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            values.append(getattr(module, name)(*args, **kwargs))
    return values


@pytest.mark.parametrize(
    "name, args",
    [
        ("random_rotation", (40,)),
        ("random_shift", (0.3, 0.2)),
        ("random_shear", (25,)),
        ("random_zoom", ((0.5, 1.5),)),
        ("random_zoom", ((1, 1),)),
        ("random_channel_shift", (60.0,)),
        ("random_brightness", ((0.3, 1.7),)),
    ],
)
def test_random_ones(legacy, rng, name, args):
    x = (rng.random((6, 9, 3)) * 255).astype("float32")
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2, "fill_mode": "reflect"}
    if "channel" in name:
        axes = {"channel_axis": 2}
    elif "brightness" in name:
        pytest.importorskip("PIL")  # Keras needs it
        axes = {}
    got, want = both(legacy, name, x, *args, **axes)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    if args != ((1, 1),):
        assert not np.array_equal(got, x)


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.299, 0.5, 0.9999, 1.0, 1.2, 2.7, 300.0])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_brightness_of_all_levels(legacy, factor, channels):
    pytest.importorskip("PIL")
    x = np.repeat(np.arange(256, dtype="float32").reshape(16, 16, 1), channels, axis=2)
    x[..., -1] = np.flip(x[..., -1])
    for scale in (True, False):
        got, want = both(legacy, "apply_brightness_shift", x, factor, scale)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("scale", [True, False])
def test_brightness_of_values_outside(legacy, rng, scale):
    pytest.importorskip("PIL")
    for x in (rng.normal(size=(5, 4, 3)) * 300, rng.random((5, 4, 3)), np.full((2, 2, 3), 700.0)):
        got, want = both(legacy, "apply_brightness_shift", x, 0.7, scale)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_brightness_of_channels_first(rng):
    x = (rng.random((5, 4, 3)) * 255).astype("float32")
    last = image.apply_brightness_shift(x, 0.4)
    format = pyseq.config.image_data_format()
    pyseq.config.set_image_data_format("channels_first")
    try:
        first = image.apply_brightness_shift(x.transpose(2, 0, 1), 0.4)
    finally:
        pyseq.config.set_image_data_format(format)
    np.testing.assert_array_equal(first.transpose(1, 2, 0), last)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_channel_shift(legacy, rng, dtype):
    x = (rng.random((4, 3, 3)) * 200).astype(dtype)
    for axis in (0, 2):
        got, want = both(legacy, "apply_channel_shift", x, -30.5, axis)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "name, args, message",
    [
        ("apply_brightness_shift", (np.ones((2, 2)), 1), r"got shape \(2, 2\)"),
        ("apply_brightness_shift", (np.ones((2, 2, 2)), 1), "1, 3 or 4 channels"),
        ("apply_channel_shift", (np.ones((2, 2)), 1), r"got shape \(2, 2\)"),
        ("apply_channel_shift", (np.ones((2, 2, 3)), 1, 3), "channels on axis 3"),
        ("random_zoom", (np.ones((3, 2, 2)), 0.5), r"\(zoom_range\): expected two numbers, got 0.5"),
        ("random_brightness", (np.ones((2, 2, 3)), (1, 2, 3)), "expected two numbers"),
    ],
)
def test_wrong_arguments(name, args, message):
    with pytest.raises(ValueError, match=message):
        getattr(image, name)(*args)
