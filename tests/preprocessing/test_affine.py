"""Affine transformations of images, beside scipy.ndimage (through Keras) bit by bit."""

import importlib
import inspect
import sys
import warnings

import numpy as np
import pytest

from pyseq.preprocessing import image
from pyseq.preprocessing.affine import FILL_MODES

AXES = [(0, 1, 2), (1, 2, 0), (1, 0, 2), (2, 1, 0)]


@pytest.fixture(scope="module")
def legacy(keras):
    pytest.importorskip("scipy")
    return importlib.import_module("keras.src.legacy.preprocessing.image")


def transform(module, x, **kwargs):
    with warnings.catch_warnings():
        # Keras asks for an old name within SciPy.
        warnings.simplefilter("ignore", DeprecationWarning)
        return module.apply_affine_transform(x, **kwargs)


def parameters(rng):
    def one(*fixed, low, high):
        return rng.choice([*fixed, rng.uniform(low, high)])

    return {
        "theta": one(0, 90, low=-180, high=180),
        "tx": one(0, 1, 2, low=-30, high=30),
        "ty": one(0, -1, low=-5, high=5),
        "shear": one(0, low=-60, high=60),
        "zx": one(1, 0.5, low=0.3, high=3),
        "zy": one(1, 2, low=0.3, high=3),
    }


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("mode", FILL_MODES)
def test_every_bit_is_that_of_scipy(legacy, rng, mode, order):
    for _ in range(25):
        size = {axis: int(rng.integers(1, 9)) for axis in ("rows", "cols")}
        chosen = parameters(rng)
        for row, col, channel in AXES:
            shape = [0, 0, 0]
            shape[row], shape[col], shape[channel] = size["rows"], size["cols"], 3
            for dtype in ("float32", "float64", "uint8", "int16"):
                x = (rng.random(shape) * 255 - (0 if dtype == "uint8" else 100)).astype(dtype)
                kwargs = dict(chosen, row_axis=row, col_axis=col, channel_axis=channel)
                kwargs.update(fill_mode=mode, cval=7.3, order=order)
                got, want = image.apply_affine_transform(x, **kwargs), transform(legacy, x, **kwargs)
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(got, want, err_msg=f"{kwargs} {dtype} {shape}")


def test_values_by_hand():
    x = np.arange(9.0).reshape(3, 3, 1)
    axes = dict(row_axis=0, col_axis=1, channel_axis=2)
    turned = image.apply_affine_transform(x, theta=180, order=0, **axes)
    assert turned[..., 0].tolist() == [[8, 7, 6], [5, 4, 3], [2, 1, 0]]
    moved = image.apply_affine_transform(x, tx=1, fill_mode="constant", cval=-1, **axes)
    assert moved[..., 0].tolist() == [[1, 2, -1], [4, 5, -1], [7, 8, -1]]
    half = image.apply_affine_transform(x, ty=0.5, **axes)
    assert half[..., 0].tolist() == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5], [6, 7, 8]]


@pytest.mark.parametrize("order, mode", [(2, "nearest"), (3, "reflect"), (5, "wrap"), (1, "grid-wrap")])
def test_other_orders_and_modes_go_through_scipy(legacy, rng, order, mode):
    x = rng.random((6, 5, 3)).astype("float32")
    kwargs = dict(theta=31, zx=0.7, row_axis=0, col_axis=1, channel_axis=2, fill_mode=mode, order=order)
    got, want = image.apply_affine_transform(x, **kwargs), transform(legacy, x, **kwargs)
    np.testing.assert_array_equal(got, want)


def test_without_scipy_higher_orders_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    x = np.ones((3, 4, 4))
    assert image.apply_affine_transform(x, theta=20).shape == x.shape
    with pytest.raises(ImportError, match="SciPy for order=3.*pip install scipy"):
        image.apply_affine_transform(x, theta=20, order=3)
    with pytest.raises(ImportError, match="fill_mode='grid-wrap'"):
        image.apply_affine_transform(x, theta=20, fill_mode="grid-wrap")


def test_identity_gives_the_image_back():
    x = np.ones((3, 4, 4))
    assert image.apply_affine_transform(x) is x


@pytest.mark.parametrize(
    "shape, kwargs, message",
    [
        ((4, 4), {}, r"one image with channels, got shape \(4, 4\)"),
        ((2, 3, 4, 4), {}, "pass one of a batch"),
        ((3, 4, 4), {"row_axis": 2}, r"got \(2, 2, 0\)"),
        ((3, 4, 4), {"row_axis": 0, "channel_axis": 1}, "channels first or last"),
        ((3, 4, 4), {"theta": float("nan")}, "expected finite parameters, got theta=nan"),
        ((3, 4, 4), {"theta": 1, "order": 7}, "integer from 0 to 5, got 7"),
    ],
)
def test_wrong_arguments(shape, kwargs, message):
    with pytest.raises(ValueError, match=message):
        image.apply_affine_transform(np.ones(shape), **kwargs)


def test_unknown_mode():
    with pytest.raises(ValueError, match="one of .*'grid-wrap'.*, got 'nowhere'"):
        image.apply_affine_transform(np.ones((3, 4, 4)), theta=1, fill_mode="nowhere")


NAMES = [
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "ImageDataGenerator.fit",
    "ImageDataGenerator.flow",
    "ImageDataGenerator.flow_from_dataframe",
    "ImageDataGenerator.flow_from_directory",
    "ImageDataGenerator.get_random_transform",
    "ImageDataGenerator.apply_transform",
    "ImageDataGenerator.random_transform",
    "ImageDataGenerator.standardize",
    "Iterator",
    "NumpyArrayIterator",
]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_those_of_keras(legacy, name):
    def signature(module):
        for part in name.split("."):
            module = getattr(module, part)
        return [(p.name, p.default, p.kind) for p in inspect.signature(module).parameters.values()]

    assert signature(image) == signature(legacy)
