"""Functions on images under the names of `keras.ops.image`.

Images are `(height, width, channels)` or batches `(n, height, width, channels)`; with
`data_format="channels_first"` the channels stand before the height. Integers come back as integers
of their dtype, and 16-bit floats are computed in float32 and rounded once.

Changes of size, borders, colors, patches, blur, edges and similarity also take the tensors of a
trace (`pyseq.tracing`) and train there; what reads images at computed places takes arrays only.

>>> import numpy as np
>>> resize(np.zeros((4, 6, 3), "uint8"), (2, 3)).shape
(2, 3, 3)
"""

from pyseq.ops.image.colors import hsv_to_rgb, rgb_to_grayscale, rgb_to_hsv
from pyseq.ops.image.filters import gaussian_blur, sobel_edges, ssim
from pyseq.ops.image.framing import crop_images, extract_patches, extract_patches_3d, pad_images
from pyseq.ops.image.geometry import (
    affine_transform,
    elastic_transform,
    map_coordinates,
    perspective_transform,
)
from pyseq.ops.image.resizing import resize, scale_and_translate

__all__ = [
    "affine_transform",
    "crop_images",
    "elastic_transform",
    "extract_patches",
    "extract_patches_3d",
    "gaussian_blur",
    "hsv_to_rgb",
    "map_coordinates",
    "pad_images",
    "perspective_transform",
    "resize",
    "rgb_to_grayscale",
    "rgb_to_hsv",
    "scale_and_translate",
    "sobel_edges",
    "ssim",
]


def __dir__() -> list[str]:
    return sorted(__all__)
