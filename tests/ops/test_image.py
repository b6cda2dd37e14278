"""`pyseq.ops.image` beside `keras.ops.image`: values, dtypes, data formats, errors, traces."""

import inspect

import ml_dtypes
import numpy as np
import pytest
from image_calls import BYTES, CALLS, CORNERS, MATRICES, MOVED, REALS, RNG, VOLUMES

import pyseq
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.ops import image

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def oracle(keras):
    def call(function, *args, **options):
        """What Keras gives as (array, name of the dtype)."""
        y = function(keras.ops.image, *args, **options)
        name = keras.backend.standardize_dtype(y.dtype)
        return keras.ops.convert_to_numpy(y.float() if name == "bfloat16" else y), name

    return call


def same(ours, theirs, rtol=1e-4, atol=1e-5):
    expected, name = theirs
    assert ours.dtype.name == name
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours.astype("float64"), expected.astype("float64"), rtol=rtol, atol=atol)


def test_names_and_signatures(keras):
    names = {n for n in dir(keras.ops.image) if not n.startswith("_")}
    assert set(image.__all__) == names
    assert pyseq.ops.image is image

    def signature(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.default, p.kind) for p in parameters]

    for name in names:
        theirs = signature(getattr(keras.ops.image, name))
        assert signature(getattr(image, name)) == theirs, name


@pytest.mark.parametrize("name", CALLS)
def test_values_of_floats(oracle, name):
    same(CALLS[name](image, REALS), oracle(CALLS[name], REALS))


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"sobel_edges", "ssim", "affine_transform"}))
def test_values_of_one_image(oracle, name):
    same(CALLS[name](image, REALS[1]), oracle(CALLS[name], REALS[1]))


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"ssim"}))
def test_channels_first(name):
    last = CALLS[name](image, REALS, data_format="channels_last")
    x = np.moveaxis(REALS, -1, 1)
    first = CALLS[name](image, x, data_format="channels_first")
    np.testing.assert_allclose(np.moveaxis(first, 1, 3), last, rtol=1e-5, atol=1e-6)
    pyseq.config.set_image_data_format("channels_first")
    try:
        given = {"data_format": None} if name == "gaussian_blur" else {}
        np.testing.assert_array_equal(CALLS[name](image, x, **given), first)
    finally:
        pyseq.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_dtypes(oracle, keras, name, dtype):
    if dtype in ("uint8", "int32"):
        if name in ("rgb_to_hsv", "hsv_to_rgb"):
            with pytest.raises(ValueError, match="floats"):
                CALLS[name](image, BYTES.astype(dtype))
            return
        if name == "gaussian_blur":
            # Keras on PyTorch fails; the floats' values are rounded.
            x = BYTES.astype(dtype)
            expected = np.round(CALLS[name](image, x.astype("float32"))), dtype
            return same(CALLS[name](image, x), expected)
        call = CALLS[name]
        if name == "perspective_transform":
            # Keras on PyTorch makes integers of the points.
            def call(m, x):
                return m.perspective_transform(x, CORNERS, np.round(MOVED))
        ours = call(image, BYTES.astype(dtype))
        expected = oracle(call, BYTES.astype(dtype))
        # Halves may fall on either side.
        return same(ours, expected, rtol=0, atol=1 if name in ("affine_transform", "resize") else 0)
    if dtype == "bfloat16":
        x, theirs = REALS.astype(ml_dtypes.bfloat16), keras.ops.cast(REALS, dtype)
    else:
        x, theirs = REALS.astype(dtype), REALS.astype(dtype)
    if name == "ssim":
        expected = oracle(lambda m, x: m.ssim(x, keras.ops.flip(x, 1), filter_size=3, max_val=2.0), theirs)
    elif name == "perspective_transform" and dtype in ("float16", "bfloat16"):
        # Keras rounds the map itself to 16 bits.
        expected = oracle(CALLS[name], x.astype("float32"))[0], dtype
    elif name == "affine_transform" and dtype == "bfloat16":
        expected = oracle(CALLS[name], x.astype("float32"))[0], dtype
    else:
        expected = oracle(CALLS[name], theirs)
    tolerance = {"float16": 4e-3, "bfloat16": 4e-2, "float64": 1e-6}[dtype]
    same(CALLS[name](image, x), expected, rtol=tolerance, atol=tolerance)


# --- resize


@pytest.mark.parametrize("size", [(4, 9), (7, 3), (11, 2), (1, 1)])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_resize(oracle, interpolation, antialias, size):
    def call(m, x):
        return m.resize(x, size, interpolation, antialias)

    same(call(image, REALS), oracle(call, REALS))


@pytest.mark.parametrize("method", ["bicubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("antialias", [False, True])
def test_resize_is_scaling_about_the_corner(oracle, method, antialias):
    """PyTorch has another cubic and no Lanczos kernel; where only scales are given, all agree."""

    def scaled(m, x):
        sizes = np.array([10 / 7, 4 / 6], "float32")
        return m.scale_and_translate(x, (2, 10, 4, 3), sizes, np.zeros(2, "float32"), (1, 2), method, antialias)

    same(image.resize(REALS, (10, 4), method, antialias), oracle(scaled, REALS), rtol=1e-3, atol=1e-4)


def test_resize_bicubic_with_antialias_is_that_of_pytorch(oracle):
    def call(m, x):
        return m.resize(x, (3, 2), "bicubic", antialias=True)

    same(call(image, REALS), oracle(call, REALS))


@pytest.mark.parametrize("shape", [(9, 6, 3), (2, 5, 11, 1)])
@pytest.mark.parametrize("size", [(4, 8), (5, 5), (2, 1)])
@pytest.mark.parametrize("ratio", ["crop_to_aspect_ratio", "pad_to_aspect_ratio"])
def test_resize_keeps_the_ratio(oracle, ratio, size, shape):
    x = RNG.uniform(size=shape).astype("float32")

    def call(m, x, **options):
        return m.resize(x, size, "bilinear", **{ratio: True}, fill_value=2.5, **options)

    same(call(image, x), oracle(call, x))
    whole = (x * 200).astype("uint8")
    same(call(image, whole), oracle(call, whole), rtol=0, atol=1)
    first = call(image, np.moveaxis(x, -1, -3), data_format="channels_first")
    np.testing.assert_allclose(np.moveaxis(first, -3, -1), call(image, x), rtol=1e-6)


def test_resize_rounds_and_saturates_integers():
    x = np.array([[[0], [254], [255], [3]]], "uint8")
    assert image.resize(x, (1, 2)).ravel().tolist() == [127, 129]
    high = np.array([[[0], [0], [255], [255]]], "uint8")
    floats = image.resize(high.astype("float32"), (1, 8), "bicubic").ravel()
    assert floats.min() < 0 and floats.max() > 255
    assert image.resize(high, (1, 8), "bicubic").ravel().tolist() == np.clip(np.round(floats), 0, 255).tolist()
    most = np.full((2, 2, 1), np.iinfo("int64").max)
    assert (image.resize(most, (3, 3)) > 2**62).all()
    assert image.resize(most, (3, 3), "nearest").tolist() == np.full((3, 3, 1), 2**63 - 1).tolist()


def test_resize_of_lists():
    assert image.resize([[[0.0], [1.0]]], [1, 4])[0, :, 0].tolist() == [0, 0.25, 0.75, 1]


# --- patches, padding, cropping


PATCHES = [
    (2, None, 1, "valid"),
    ((3, 2), (1, 2), 1, "valid"),
    (3, 1, 2, "valid"),
    (3, 2, 1, "same"),
    ((2, 3), 1, (2, 1), "same"),
    (3, (2, 1), 1, "SAME"),
]


@pytest.mark.parametrize("size, strides, rate, padding", PATCHES)
@pytest.mark.parametrize("batched", [True, False])
def test_extract_patches(oracle, batched, size, strides, rate, padding):
    x = REALS if batched else REALS[0]

    def call(m, x, **options):
        given = padding if m is image else padding.lower()
        return m.extract_patches(x, size, strides, rate, given, **options)

    same(call(image, x), oracle(call, x), rtol=0, atol=1e-7)
    first = np.ascontiguousarray(np.moveaxis(x, -1, -3))
    given = {"data_format": "channels_first"}
    same(call(image, first, **given), oracle(call, first, **given), rtol=0, atol=1e-7)


@pytest.mark.parametrize("size, strides, rate, padding", [
    (2, None, 1, "valid"), ((2, 3, 2), (1, 2, 1), 1, "same"), (2, 1, (2, 3, 1), "valid"), ((1, 2, 3), 2, 1, "same"),
])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_extract_patches_3d(oracle, data_format, size, strides, rate, padding):
    x = VOLUMES if data_format == "channels_last" else np.moveaxis(VOLUMES, -1, 1).copy()

    def call(m, x):
        return m.extract_patches_3d(x, size, strides, rate, padding, data_format)

    expected = oracle(call, x)
    same(call(image, x), expected, rtol=0, atol=1e-7)
    same(call(image, x[0]), (expected[0][0], "float32"), rtol=0, atol=1e-7)
    if not isinstance(size, int):
        ours = image.extract_patches(x, size, strides, rate, padding, data_format)
        np.testing.assert_array_equal(ours, call(image, x))


def test_pad_and_crop_undo_each_other():
    sides = {"top": 1, "left": 0, "bottom": 2, "right": 3}
    padded = image.pad_images(BYTES, **{f"{k}_padding": v for k, v in sides.items()})
    assert padded.shape == (2, 10, 9, 3) and padded.dtype == np.uint8
    np.testing.assert_array_equal(image.crop_images(padded, **{f"{k}_cropping": v for k, v in sides.items()}), BYTES)
    again = image.crop_images(padded, 1, target_width=6, target_height=7, right_cropping=3)
    np.testing.assert_array_equal(again, BYTES)
    assert image.crop_images(BYTES, 3, 0, 4, 0).shape == (2, 0, 6, 3)


# --- maps


@pytest.mark.parametrize("mode", ["constant", "nearest", "wrap", "mirror", "reflect"])
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("shape, dtype", [((5,), "float32"), ((5, 7), "float32"), ((3, 4, 5), "int32"), ((5, 7), "uint8")])
def test_map_coordinates(oracle, shape, dtype, order, mode):
    x = RNG.uniform(0, 255, shape).astype(dtype)
    # Quarters: no ties, and exact in every float.
    at = RNG.integers(-28, 32, (len(shape), 4, 3)) / np.float32(4) + np.float32(0.125)
    at[:, 0] = np.floor(at[:, 0])

    def call(m, x):
        return m.map_coordinates(x, at, order, mode, 7)

    same(call(image, x), oracle(call, x), rtol=1e-5, atol=1e-4)


def test_map_coordinates_around_the_border():
    grid = np.stack(np.meshgrid(np.arange(-1.0, 3), np.arange(-1.0, 3), indexing="ij"))
    out = image.map_coordinates(np.ones((2, 2), "uint8"), grid, order=0, fill_mode="constant")
    np.testing.assert_array_equal(out, np.pad(np.ones((2, 2)), 1))
    assert image.map_coordinates([2.0], [[0, 3]], 1, "mirror").tolist() == [2, 2]
    assert np.isnan(image.map_coordinates([1.0, 2.0], [[np.nan, 0]], 1)).tolist() == [True, False]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("mode", ["constant", "nearest", "wrap", "mirror", "reflect"])
def test_affine_transform(oracle, mode, interpolation):
    def call(m, x):
        return m.affine_transform(x, MATRICES, interpolation, mode, 0.5)

    same(call(image, REALS), oracle(call, REALS), atol=1e-4)
    one = image.affine_transform(REALS[0], MATRICES[0], interpolation, mode, 0.5)
    np.testing.assert_array_equal(one, call(image, REALS)[0])


def test_affine_transform_leaves_its_arguments_and_takes_c_as_zero():
    given = MATRICES.copy()
    image.affine_transform(REALS, given)
    np.testing.assert_array_equal(given, MATRICES)
    bent = MATRICES + np.array([0, 0, 0, 0, 0, 0, 0.1, 0.2], "float32")
    np.testing.assert_array_equal(image.affine_transform(REALS, bent), image.affine_transform(REALS, MATRICES))
    every = image.affine_transform(REALS, MATRICES[0])
    np.testing.assert_array_equal(every[1], image.affine_transform(REALS[1], MATRICES[0]))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_perspective_transform(oracle, interpolation):
    starts = np.stack([CORNERS, CORNERS])
    ends = np.stack([MOVED, CORNERS[::-1]])

    def call(m, x):
        return m.perspective_transform(x, starts, ends, interpolation, 0.25)

    same(call(image, REALS), oracle(call, REALS), atol=2e-3)


def test_elastic_transform(keras):
    def shifted(x, **options):
        return image.elastic_transform(x, alpha=6.0, sigma=1.5, seed=3, **options)

    # The noise is that of Keras on NumPy; its blur and sampling are checked by Keras on PyTorch.
    rng = np.random.default_rng([3, 0])
    across, down = (
        6 * np.asarray(keras.ops.image.gaussian_blur(
            (rng.normal(size=(2, 7, 6)) * 1.5).astype("float32")[..., None], (9, 9), (1.5, 1.5), "channels_last"
        ))[..., 0]
        for _ in range(2)
    )
    down, across = down + np.arange(7)[:, None], across + np.arange(6)
    for n in range(2):
        for c in range(3):
            expected = keras.ops.image.map_coordinates(REALS[n, ..., c], np.stack([down[n], across[n]]), 1, "reflect")
            np.testing.assert_allclose(shifted(REALS)[n, ..., c], np.asarray(expected), atol=1e-4)
    np.testing.assert_array_equal(shifted(REALS), shifted(REALS))
    first = shifted(np.moveaxis(REALS, -1, 1), data_format="channels_first")
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), shifted(REALS))
    for dtype in ("uint8", "float16"):
        out = shifted(BYTES.astype(dtype))
        assert out.dtype == dtype and np.ptp(out.astype("float32")) > 0
    np.testing.assert_array_equal(image.elastic_transform(REALS, sigma=0.0), REALS)


@pytest.mark.parametrize("method", ["linear", "trilinear", "cubic", "tricubic", "lanczos3", "lanczos5"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int32"])
def test_scale_and_translate(oracle, dtype, antialias, method):
    x = REALS if dtype == "float32" else BYTES.astype(dtype)

    def call(m, x):
        scale, shift = np.array([1.37, 0.6], "float32"), np.array([-1.2, 2.3], "float32")
        return m.scale_and_translate(x, (2, 9, 5, 3), scale, shift, (1, -2), method, antialias)

    same(call(image, x), oracle(call, x), atol=1e-5 if dtype == "float32" else 1)


# --- colors and filters


def test_hsv_round_trip():
    np.testing.assert_allclose(image.hsv_to_rgb(image.rgb_to_hsv(REALS)), REALS, atol=1e-5)


def test_hsv_of_gray_black_and_small_numbers(oracle):
    x = np.array([[[0.0, 0, 0], [0.3, 0.3, 0.3], [1e-8, 0, 0], [1, 0, 0], [0, 0, 1.0], [0.2, 0.7, 0.7]]], "float32")

    def call(m, x):
        return m.rgb_to_hsv(x)

    same(call(image, x), oracle(call, x))
    half = np.array([[[5e-4, 0, 0.0]]], "float16")
    same(call(image, half), oracle(call, half))


def test_grayscale_of_gray_images_is_a_copy():
    x = BYTES[..., :1]
    y = image.rgb_to_grayscale(x)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("size, sigma", [((5, 5), (1.0, 2.0)), ((1, 1), (1.0, 1.0)), ((7, 7), (0.5, 3.0))])
def test_gaussian_blur(oracle, size, sigma):
    def call(m, x):
        return m.gaussian_blur(x, size, sigma, "channels_last")

    same(call(image, REALS), oracle(call, REALS))


def test_gaussian_blur_with_even_and_unequal_sizes():
    x = np.zeros((5, 5, 1), "float32")
    x[2, 2] = 1
    y = image.gaussian_blur(x, (3, 1), (1.0, 1.0))[..., 0]
    side, middle = np.exp(-0.5), 1.0
    np.testing.assert_allclose(y[2, 1:4], np.array([side, middle, side]) / (2 * side + 1), rtol=1e-6)
    assert np.count_nonzero(y) == 3
    # One more behind than in front, so that the image moves towards its end.
    y = image.gaussian_blur(x, (1, 2), (1.0, 1.0))[..., 0]
    np.testing.assert_allclose(y[:, 2], [0, 0.5, 0.5, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"filter_size": 4}, {"max_val": 255.0, "k1": 0.05, "filter_sigma": 0.7}])
def test_ssim(oracle, options):
    x = RNG.uniform(size=(3, 12, 14, 2)).astype("float32")
    y = np.clip(x + RNG.normal(size=x.shape) * 0.2, 0, 1).astype("float32")

    def call(m, x, **more):
        return m.ssim(x, y, **options, **more)

    same(call(image, x), oracle(call, x), rtol=1e-3, atol=1e-4)
    assert call(image, x).shape == (3,)
    alone = image.ssim(x[0], y[0], **options)
    assert alone.shape == () and abs(alone - call(image, x)[0]) < 1e-6
    first = image.ssim(np.moveaxis(x, -1, 1), np.moveaxis(y, -1, 1), **options, data_format="channels_first")
    np.testing.assert_allclose(first, call(image, x), rtol=1e-5)


# --- errors


WRONG = {
    "size of one": lambda m, x: m.resize(x, (3,)),
    "size of three": lambda m, x: m.resize(x, (3, 3, 3)),
    "size zero": lambda m, x: m.resize(x, (0, 3)),
    "size negative": lambda m, x: m.resize(x, (3, -1)),
    "size a number": lambda m, x: m.resize(x, 3),
    "resize of rank 2": lambda m, x: m.resize(x[0, 0], (2, 2)),
    "both ratios": lambda m, x: m.resize(x, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
    "area": lambda m, x: m.resize(x, (2, 2), "area"),
    "fill mode of resize": lambda m, x: m.resize(x, (2, 2), fill_mode="reflect"),
    "data format": lambda m, x: m.resize(x, (2, 2), data_format="middle"),
    "grayscale of rank 2": lambda m, x: m.rgb_to_grayscale(x[0, 0]),
    "two channels": lambda m, x: m.rgb_to_grayscale(x[..., :2]),
    "hsv of rank 5": lambda m, x: m.rgb_to_hsv(x[None]),
    "hsv of integers": lambda m, x: m.rgb_to_hsv((x * 9).astype("int32")),
    "rgb of integers": lambda m, x: m.hsv_to_rgb((x * 9).astype("int32")),
    "patches of a float": lambda m, x: m.extract_patches(x, 2.0),
    "patches of one": lambda m, x: m.extract_patches(x, (2,)),
    "patches of rank 2": lambda m, x: m.extract_patches(x[0, 0], 2),
    "volumes of two": lambda m, x: m.extract_patches_3d(x, (2, 2)),
    "strides of two": lambda m, x: m.extract_patches_3d(x[None], (2, 2, 2), (2, 2)),
    "pad, three": lambda m, x: m.pad_images(x, 1, 1, 1, 1, target_height=9),
    "pad, one": lambda m, x: m.pad_images(x, 1, 1, right_padding=1),
    "pad negative": lambda m, x: m.pad_images(x, -1, 1, 1, 1),
    "pad target too small": lambda m, x: m.pad_images(x, 1, 1, target_height=3, right_padding=1),
    "pad of rank 2": lambda m, x: m.pad_images(x[0, 0], 1, 1, 1, 1),
    "crop, three": lambda m, x: m.crop_images(x, 1, 1, 1, 1, target_height=9),
    "crop negative": lambda m, x: m.crop_images(x, 1, -1, 1, 1),
    "crop too much": lambda m, x: m.crop_images(x, 5, 1, 5, 1),
    "crop of rank 5": lambda m, x: m.crop_images(x[None], 1, 1, 1, 1),
    "coordinates of another rank": lambda m, x: m.map_coordinates(x, np.zeros((3, 2), "float32"), 1),
    "coordinates of rank 1": lambda m, x: m.map_coordinates(x, np.zeros((4,), "float32"), 1),
    "fill mode of coordinates": lambda m, x: m.map_coordinates(x, np.zeros((4, 2), "float32"), 1, "mirrored"),
    "bicubic map": lambda m, x: m.affine_transform(x, MATRICES, "bicubic"),
    "fill mode of a map": lambda m, x: m.affine_transform(x, MATRICES, fill_mode="edge"),
    "map of rank 2": lambda m, x: m.affine_transform(x[0, 0], MATRICES),
    "maps of rank 3": lambda m, x: m.affine_transform(x, MATRICES[None]),
    "bicubic perspective": lambda m, x: m.perspective_transform(x, CORNERS, MOVED, "bicubic"),
    "perspective of rank 2": lambda m, x: m.perspective_transform(x[0, 0], CORNERS, MOVED),
    "three points": lambda m, x: m.perspective_transform(x, CORNERS[:3], MOVED[:3]),
    "points of two ranks": lambda m, x: m.perspective_transform(x, CORNERS, MOVED[None]),
    "blur of rank 2": lambda m, x: m.gaussian_blur(x[0, 0]),
    "elastic of rank 2": lambda m, x: m.elastic_transform(x[0, 0]),
    "bicubic elastic": lambda m, x: m.elastic_transform(x, interpolation="bicubic"),
    "fill mode of elastic": lambda m, x: m.elastic_transform(x, fill_mode="edge"),
    "method": lambda m, x: m.scale_and_translate(x, (2, 3, 3, 3), [1.0], [1.0], (1,), "triangle"),
    "ssim of rank 2": lambda m, x: m.ssim(x[0, 0], x[0, 0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_those_of_keras(keras, name):
    with pytest.raises((TypeError, ValueError)) as theirs:
        WRONG[name](keras.ops.image, REALS)
    with pytest.raises((TypeError, ValueError)) as ours:
        WRONG[name](image, REALS)
    assert ours.type is theirs.type
    if name != "size a number":
        assert "expected" in str(ours.value) and "got" in str(ours.value)


OWN = {
    "order": lambda x: image.map_coordinates(x, np.zeros((4, 2)), 2),
    "three maps for two": lambda x: image.affine_transform(x, np.zeros((3, 8))),
    "seven numbers": lambda x: image.affine_transform(x, np.zeros((2, 7))),
    "points on a line": lambda x: image.perspective_transform(x, np.zeros((4, 2)), np.zeros((4, 2))),
    "patches too large": lambda x: image.extract_patches(x, 9),
    "patch of nothing": lambda x: image.extract_patches(x, (0, 2)),
    "padding": lambda x: image.extract_patches(x, 2, padding="full"),
    "patches of volumes": lambda x: image.extract_patches(x[None], 2),
    "hsv of two channels": lambda x: image.rgb_to_hsv(x[..., :2]),
    "crop beyond the end": lambda x: image.crop_images(x, 1, 1, target_height=10, right_cropping=1),
    "empty": lambda x: image.resize(x[:, :0], (2, 2)),
    "nothing to read": lambda x: image.map_coordinates(x[0, :0, 0, 0], [[0.5]], 1),
    "window too large": lambda x: image.ssim(x, x),
    "two shapes": lambda x: image.ssim(x, x[..., :1], filter_size=3),
    "sobel of one image": lambda x: image.sobel_edges(x[0]),
    "deviation": lambda x: image.gaussian_blur(x, sigma=(0.0, 1.0)),
    "kernel": lambda x: image.gaussian_blur(x, (3, 0)),
    "elastic deviation": lambda x: image.elastic_transform(x, sigma=-1.0),
    "scales": lambda x: image.scale_and_translate(x, (2, 3, 3, 3), [1.0], [1.0], (1, 2), "linear"),
    "axis": lambda x: image.scale_and_translate(x, (2, 3, 3, 3), [1.0], [1.0], (4,), "linear"),
}


@pytest.mark.parametrize("name", OWN)
def test_errors_where_keras_has_none_or_another(name):
    with pytest.raises(ValueError, match=r"expected .* got"):
        OWN[name](REALS)


def test_numbers_that_are_no_integers():
    with pytest.raises(TypeError, match="pad_images: expected integers"):
        image.pad_images(REALS, 1.5, 1, 1, 1)
    with pytest.raises(TypeError, match="expected an integer or 2"):
        image.extract_patches(REALS, 2, strides=1.5)
    with pytest.raises(TypeError, match="resize.size.: expected an integer or 2"):
        image.resize(REALS, (2.5, 3))


def test_images_of_unknown_height():
    x = KerasTensor((None, None, None, 3))
    with pytest.raises(ValueError, match="known height and width"):
        image.crop_images(x, 2, 3, 4, 5)
    with pytest.raises(ValueError, match="top_padding"):
        image.pad_images(x, -1, 1, 1, 1)
