"""`tf.io`: local files, and images in them."""

from __future__ import annotations

import glob as globbing
import io
import os
import shutil

import numpy as np

from pyseq.compat.tensorflow._tensors import Tensor, as_dtype, as_tensor
from pyseq.utils import images
from pyseq.utils.pipeline import Dataset

_MODES = {0: None, 1: "L", 3: "RGB", 4: "RGBA"}


def _path(name):
    """A path as text.

    Raises:
        ValueError: it is an address.
    """
    path = os.fsdecode(name)
    if "://" in path:
        raise ValueError(
            f"tf.io: expected the path of a local file, got {path!r}; fetch it with "
            "keras.utils.get_file"
        )
    return path


def read_file(filename, name=None):
    """Return the bytes of a file."""
    with open(_path(filename), "rb") as file:
        return as_tensor(file.read())


def write_file(filename, contents, name=None):
    """Write bytes or a text to a file, whose folder is made."""
    path = _path(filename)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(_contents(contents))


def _contents(value):
    value = value.numpy() if isinstance(value, Tensor) else value
    value = value.encode() if isinstance(value, str) else value
    if not isinstance(value, bytes):
        raise TypeError(f"tf.io: expected bytes or a text, got {value!r}")
    return value


def matching_files(pattern, name=None):
    """Return the paths that match a pattern, sorted."""
    return as_tensor(np.array(sorted(globbing.glob(_path(pattern))), object))


def decode_image(contents, channels=0, dtype="uint8", name=None, expand_animations=True):
    """Return the image `(H, W, C)` that bytes hold.

    Args:
        channels: 0 for those of the file, 1, 3 or 4.
        dtype: floats are in [0, 1].

    Raises:
        ValueError: `channels` is another number.
        PIL.UnidentifiedImageError: the bytes hold no image.
    """
    if channels not in _MODES:
        raise ValueError(f"decode_image(channels): expected 0, 1, 3 or 4, got {channels}")
    img = images.open_img(io.BytesIO(_contents(contents)), "decode_image")
    mode = _MODES[channels]
    if mode is None and img.mode not in ("L", "RGB", "RGBA"):
        mode = "RGB"
    x = np.asarray(images.eight_bits(img) if mode is None else images.eight_bits(img).convert(mode))
    x = x[..., None] if x.ndim == 2 else x
    kind = as_dtype(dtype)
    return as_tensor(x.astype(kind.dtype) / kind.dtype.type(255) if kind.is_floating else x.copy())


def decode_jpeg(contents, channels=0, *args, **kwargs):
    """Return the image that bytes hold, as `decode_image`."""
    return decode_image(contents, channels)


def decode_png(contents, channels=0, dtype="uint8", name=None):
    """Return the image that bytes hold, as `decode_image`."""
    return decode_image(contents, channels, dtype)


decode_bmp = decode_png


def decode_raw(input_bytes, out_type, little_endian=True, name=None):
    """Return the numbers that bytes hold."""
    kind = as_dtype(out_type).dtype.newbyteorder("<" if little_endian else ">")
    return as_tensor(np.frombuffer(_contents(input_bytes), kind).astype(kind.newbyteorder("=")))


def _encoded(image, form, **options):
    x = np.asarray(image)
    if x.ndim != 3 or x.dtype != np.uint8:
        raise ValueError(
            f"encode_{form}: expected an image (H, W, C) of uint8, got {x.dtype} of shape {x.shape}"
        )
    buffer = io.BytesIO()
    images.array_to_img(x, scale=False, data_format="channels_last").save(buffer, form, **options)
    return as_tensor(buffer.getvalue())


def encode_jpeg(image, format="", quality=95, **kwargs):
    """Return the bytes of a JPEG file of an image of uint8."""
    return _encoded(image, "jpeg", quality=quality)


def encode_png(image, compression=-1, name=None):
    """Return the bytes of a PNG file of an image of uint8."""
    return _encoded(image, "png")


def text_lines(filenames, compression_type=None, buffer_size=None, num_parallel_reads=None):
    """Return a data set of the lines of files, without their ends."""
    names = filenames if isinstance(filenames, (list, tuple)) else [filenames]
    paths = [_path(name) for name in names]

    def lines():
        for path in paths:
            with open(path, encoding="utf-8", newline="\n") as file:
                for line in file:
                    yield line.removesuffix("\n").removesuffix("\r")

    return Dataset.from_generator(lines)


# --- tf.io.gfile


def GFile(name, mode="r"):
    """Return an open local file."""
    return open(_path(name), mode)


def exists(path):
    """Return whether there is a file or folder."""
    return os.path.exists(_path(path))


def isdir(path):
    """Return whether there is a folder."""
    return os.path.isdir(_path(path))


def glob(pattern):
    """Return the paths that match a pattern, or one of several, as a sorted list."""
    patterns = pattern if isinstance(pattern, (list, tuple)) else [pattern]
    return sorted({found for p in patterns for found in globbing.glob(_path(p))})


def listdir(path):
    """Return the names in a folder."""
    return os.listdir(_path(path))


def makedirs(path):
    """Make a folder and those above it, where they are not there."""
    os.makedirs(_path(path), exist_ok=True)


def remove(path):
    """Remove a file."""
    os.remove(_path(path))


def rmtree(path):
    """Remove a folder and all in it."""
    shutil.rmtree(_path(path))


def _free(target, overwrite):
    target = _path(target)
    if os.path.exists(target) and not overwrite:
        raise FileExistsError(f"gfile: expected no file {target!r}; pass overwrite=True")
    return target


def rename(src, dst, overwrite=False):
    """Give a file another name."""
    os.replace(_path(src), _free(dst, overwrite))


def copy(src, dst, overwrite=False):
    """Copy a file."""
    shutil.copyfile(_path(src), _free(dst, overwrite))


def walk(top, topdown=True, onerror=None):
    """Return `(folder, folders, files)` of all folders from one on."""
    return os.walk(_path(top), topdown, onerror)
