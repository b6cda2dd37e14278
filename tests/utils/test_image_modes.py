"""Image files of every mode that Pillow knows: as Keras and Pillow read them, and in 8 bits."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest

from pyseq import utils

Image = pytest.importorskip("PIL.Image")
RANDOM = np.random.default_rng(7)
BYTES = RANDOM.integers(0, 256, (6, 5, 4), dtype="u1")
DEEP = RANDOM.integers(0, 65536, (6, 5)).astype("u2")


def png16(x, color_type):
    """A PNG file of 16-bit samples x (H, W, C), which Pillow does not write."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in x)
    header = struct.pack(">IIBBBBB", x.shape[1], x.shape[0], 16, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def transparent_palette(img):
    img = img.quantize(8)
    img.info["transparency"] = bytes(range(0, 256, 32))
    return img


def rotated(img):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    img.info["exif"] = exif.tobytes()
    return img


# What is written, and the format of the file.
CASES = {
    "1": (Image.fromarray(BYTES[..., 0] > 128), "png"),
    "L": (Image.fromarray(BYTES[..., 0]), "bmp"),
    "LA": (Image.fromarray(BYTES[..., :2].copy(), "LA"), "png"),
    "P": (Image.fromarray(BYTES[..., :3].copy()).quantize(8), "gif"),
    "P with transparency": (transparent_palette(Image.fromarray(BYTES[..., :3].copy())), "png"),
    "RGB": (Image.fromarray(BYTES[..., :3].copy()), "jpeg"),
    "RGB, rotated": (rotated(Image.fromarray(BYTES[..., :3].copy())), "jpeg"),
    "RGBA": (Image.fromarray(BYTES), "png"),
    "CMYK": (Image.fromarray(BYTES, "CMYK"), "jpeg"),
    "YCbCr": (Image.fromarray(BYTES[..., :3].copy(), "YCbCr"), "tiff"),
    "I;16": (Image.fromarray(DEEP), "png"),
    "I": (Image.fromarray(DEEP.astype("i4")), "tiff"),
    "F": (Image.fromarray(DEEP.astype("f4") / 300), "tiff"),
}
MODES = ["grayscale", "rgb", "rgba"]


def write(img, kind):
    file = io.BytesIO()
    options = {"exif": img.info["exif"]} if "exif" in img.info else {}
    img.save(file, kind, **options)
    return file.getvalue()


def read_dataset(folder, data, color_mode):
    """The one image of a folder; the ending may be wrong, as in folders of users."""
    (folder / "class").mkdir(exist_ok=True)
    (folder / "class" / "image.png").write_bytes(data)
    batches = utils.image_dataset_from_directory(
        folder, image_size=(6, 5), color_mode=color_mode, verbose=False
    )
    return batches.get_single_element()[0][0]


@pytest.mark.parametrize("color_mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_load_img_matches_keras(keras, case, color_mode):
    data = write(*CASES[case])
    mine = utils.load_img(io.BytesIO(data), color_mode=color_mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about transparency
        theirs = keras.utils.load_img(io.BytesIO(data), color_mode=color_mode)
    assert (mine.mode, mine.size) == (theirs.mode, theirs.size)
    np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))


@pytest.mark.parametrize("color_mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_datasets_hold_eight_bits(case, color_mode, tmp_path):
    img, kind = CASES[case]
    data = write(img, kind)
    x = read_dataset(tmp_path, data, color_mode)
    if img.mode.startswith("I"):
        expected = Image.fromarray((DEEP >> 8).astype("u1"))
    else:
        expected = Image.open(io.BytesIO(data)).convert("RGBA" if "A" in img.mode else None)
    pillow_mode = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}[color_mode]
    if "transparency" in img.info:
        expected = expected.convert("RGBA")
    expected = np.asarray(expected.convert(pillow_mode), "float32").reshape(x.shape)
    np.testing.assert_array_equal(x, expected)


@pytest.mark.parametrize("color_mode", MODES)
def test_sixteen_bits_of_one_value(tmp_path, color_mode):
    data = write(Image.new("I;16", (4, 4), 32768), "png")
    x = read_dataset(tmp_path, data, color_mode)
    assert np.unique(x[..., :3]).tolist() == [128]


@pytest.mark.parametrize(
    ("color_type", "channels", "color_mode"), [(2, 3, "rgb"), (6, 4, "rgba"), (4, 2, "rgba")]
)
def test_sixteen_bits_of_color(tmp_path, color_type, channels, color_mode):
    x = RANDOM.integers(0, 65536, (6, 5, channels)).astype("u2")
    y = read_dataset(tmp_path, png16(x, color_type), color_mode)
    expected = x >> 8
    if channels == 2:
        expected = expected[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(y, expected)


def test_rotation_is_left_alone(tmp_path):
    data = write(*CASES["RGB, rotated"])
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6
    assert utils.load_img(io.BytesIO(data)).size == (5, 6)
    assert read_dataset(tmp_path, data, "rgb").shape == (6, 5, 3)


@pytest.mark.parametrize("data", [b"", b"not an image", write(*CASES["RGBA"])[:-30]])
def test_files_that_are_no_images(tmp_path, data):
    with pytest.raises(Image.UnidentifiedImageError, match=r"expected an image in .*image\.png"):
        read_dataset(tmp_path, data, "rgb")
    with pytest.raises(OSError, match="load_img"):
        utils.load_img(tmp_path / "class" / "image.png")
