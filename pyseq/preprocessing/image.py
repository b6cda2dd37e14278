"""Images to and from arrays, and batches of transformed images."""

from pyseq.preprocessing.affine import apply_affine_transform
from pyseq.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from pyseq.preprocessing.image_generator import ImageDataGenerator
from pyseq.preprocessing.image_iterators import Iterator, NumpyArrayIterator
from pyseq.preprocessing.image_transforms import (
    apply_brightness_shift,
    apply_channel_shift,
    flip_axis,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from pyseq.utils.images import array_to_img, img_to_array, load_img, save_img, smart_resize

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "flip_axis",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "smart_resize",
]


def __dir__() -> list[str]:
    return sorted(__all__)
