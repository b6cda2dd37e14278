"""Images, and calls of the functions of `ops.image` on them; `m` is the module of pyseq or Keras."""

import numpy as np

RNG = np.random.default_rng(5)
REALS = RNG.uniform(size=(2, 7, 6, 3)).astype("float32")
BYTES = RNG.integers(0, 256, (2, 7, 6, 3)).astype("uint8")
VOLUMES = RNG.uniform(size=(2, 5, 6, 4, 2)).astype("float32")
CORNERS = np.array([[0, 0], [5, 0], [0, 6], [5, 6]], "float32")
MOVED = np.array([[1, 0.5], [5, 1], [0, 5], [4, 6.5]], "float32")
MATRICES = np.array([[0.913, 0.271, -0.733, -0.217, 1.137, 0.419, 0, 0], [1, 0, 1.25, 0, 1, -2, 0, 0]], "float32")
CALLS = {
    "affine_transform": lambda m, x, **o: m.affine_transform(x, MATRICES, **o),
    "crop_images": lambda m, x, **o: m.crop_images(x, 1, 2, 3, target_width=3, **o),
    "extract_patches": lambda m, x, **o: m.extract_patches(x, (3, 2), **o),
    "gaussian_blur": lambda m, x, **o: m.gaussian_blur(x, (3, 3), (0.8, 1.2), **{"data_format": "channels_last", **o}),
    "hsv_to_rgb": lambda m, x, **o: m.hsv_to_rgb(x, **o),
    "pad_images": lambda m, x, **o: m.pad_images(x, 1, 2, target_height=12, right_padding=0, **o),
    "perspective_transform": lambda m, x, **o: m.perspective_transform(x, CORNERS, MOVED, **o),
    "resize": lambda m, x, **o: m.resize(x, (4, 9), **o),
    "rgb_to_grayscale": lambda m, x, **o: m.rgb_to_grayscale(x, **o),
    "rgb_to_hsv": lambda m, x, **o: m.rgb_to_hsv(x, **o),
    "sobel_edges": lambda m, x, **o: m.sobel_edges(x, **o),
    "ssim": lambda m, x, **o: m.ssim(x, x[:, ::-1], filter_size=3, max_val=2.0, **o),
}
