"""`ImageDataGenerator`: random transformations and normalization of images, in batches."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.preprocessing.affine import apply_affine_transform
from pyseq.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from pyseq.preprocessing.image_iterators import NumpyArrayIterator
from pyseq.preprocessing.image_transforms import apply_channel_shift, brighten, flip_axis

if TYPE_CHECKING:
    from pyseq.types import Array, Data, DataFormat, DTypeLike, Path, Tensor

_EPSILON = 1e-6


def _random_shift(extent, size):
    """A shift in pixels: one of the values, or of the integers below, either way; or a share."""
    if np.ndim(extent) == 0 and not extent:
        return 0
    if np.ndim(extent) == 1 or (isinstance(extent, numbers.Integral) and extent > 0):
        shift = np.random.choice(extent) * np.random.choice([-1, 1])
    else:
        shift = np.random.uniform(-extent, extent)
    return shift * size if np.max(extent) < 1 else shift


class ImageDataGenerator:
    """Transforms images at random and normalizes them, batch by batch.

    Random numbers come from `numpy.random`. Images are transformed in this order: rotation, shift,
    shear and zoom in one step, shift of channels, flips, brightness; then `preprocessing_function`,
    `rescale`, and the normalizations.

    Args:
        featurewise_center, featurewise_std_normalization: subtract the mean, divide by the standard
            deviation of each channel over the images that `fit` was given.
        samplewise_center, samplewise_std_normalization: the same with those of each image.
        zca_whitening: decorrelate the values of an image, after `fit`.
        zca_epsilon: added to the singular values.
        rotation_range: degrees, either way.
        width_shift_range, height_shift_range: below 1 a share of the size, else pixels; an integer
            n for one of 0 to n - 1 either way, a list for one of its values either way. As in
            Keras 3 the first moves an image along its rows' axis, the second along its columns'.
        brightness_range: two factors, for images in [0, 255].
        shear_range: degrees, either way.
        zoom_range: two factors, or z for `[1 - z, 1 + z]`; rows and columns get one each.
        channel_shift_range: added to all channels, up to this much either way.
        fill_mode, cval: what lies outside, see `apply_affine_transform`.
        horizontal_flip, vertical_flip: flip half of the images.
        rescale: factor, or None.
        preprocessing_function: function of one image `(H, W, C)` that returns another.
        data_format: `"channels_last"` or `"channels_first"`.
        validation_split: share of the images for `subset="validation"`.
        interpolation_order: of the spline between pixels; above 1 needs SciPy.
        dtype: of the batches.

    >>> generator = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True)
    >>> batches = generator.flow(np.ones((5, 8, 8, 3)), np.arange(5), batch_size=2)
    >>> len(batches), batches[0][0].shape
    (3, (2, 8, 8, 3))
    """

    mean: Any
    std: Any
    zca_whitening_matrix: Any

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: Any = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: Any = None,
        preprocessing_function: Any = None,
        data_format: DataFormat = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: DTypeLike = None,
    ) -> None:
        where = "ImageDataGenerator"
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                f"{where}(validation_split): expected a share in (0, 1), got {validation_split}"
            )
        if brightness_range is not None and not (
            isinstance(brightness_range, (tuple, list)) and len(brightness_range) == 2
        ):
            raise ValueError(
                f"{where}(brightness_range): expected two numbers or None, got {brightness_range!r}"
            )
        if isinstance(zoom_range, numbers.Real):
            zoom_range = [1 - zoom_range, 1 + zoom_range]
        if len(zoom_range) != 2 or not all(isinstance(z, numbers.Real) for z in zoom_range):
            raise ValueError(
                f"{where}(zoom_range): expected a number or two of them, got {zoom_range!r}"
            )
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.brightness_range = brightness_range
        self.shear_range = shear_range
        self.zoom_range = list(zoom_range)
        self.channel_shift_range = channel_shift_range
        self.fill_mode = fill_mode
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.data_format = settings.standardize_data_format(data_format, where)
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        self._validation_split = validation_split
        self.interpolation_order = interpolation_order
        self.dtype = settings.floatx if dtype is None else dtype
        self.mean = None
        self.std = None
        self.zca_whitening_matrix = None
        if zca_whitening:
            self._imply("zca_whitening", "featurewise_center", True)
            self._imply("zca_whitening", "featurewise_std_normalization", False)
        if featurewise_std_normalization:
            self._imply("featurewise_std_normalization", "featurewise_center", True)
        if samplewise_std_normalization:
            self._imply("samplewise_std_normalization", "samplewise_center", True)

    def _imply(self, option, other, value):
        if bool(getattr(self, other)) != value:
            warnings.warn(
                f"ImageDataGenerator: {option} goes with {other}={value}, which it sets",
                stacklevel=3,
            )
            setattr(self, other, value)

    def flow(
        self,
        x: Tensor,
        y: Tensor = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Tensor = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: Any = None,
    ) -> NumpyArrayIterator:
        """Return a `NumpyArrayIterator` of transformed images, which names the arguments."""
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            ignore_class_split=ignore_class_split,
            dtype=self.dtype,
        )

    def flow_from_directory(
        self,
        directory: Path,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: Any = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Return a `DirectoryIterator` of the images in a folder with one folder per class.

        Args:
            directory: the folder.
            target_size: `(height, width)` that images are resized to.
            color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
            classes: folders to use, in the order of the classes; all, sorted, when None.
            class_mode: targets: `"categorical"` (one-hot), `"binary"` or `"sparse"` (numbers),
                `"input"` (the images themselves), or None for none.
            batch_size, shuffle, seed: as in `Iterator`.
            save_to_dir, save_prefix, save_format: as in `NumpyArrayIterator`.
            follow_links: also look into folders that are links.
            subset: `"validation"` for the first files of each class, `"training"` for the others.
            interpolation, keep_aspect_ratio: as in `load_img`.
        """
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Path | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: Any = None,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: Any = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Return a `DataFrameIterator` of the images that a table names.

        Args:
            dataframe: a pandas data frame, or a dict of columns.
            directory: folder that the names are relative to, or None.
            x_col: column of names.
            y_col: column of targets, or a list of columns.
            weight_col: column of weights, or None.
            class_mode: those of `flow_from_directory`, where a class is a string, for
                `"categorical"` also a list of them; `"raw"` for the values of `y_col`,
                `"multi_output"` for a list with an array for each column.
            validate_filenames: leave out, with a warning, names of no image file.
            kwargs: retired arguments, which are warned about.

        The others are those of `flow_from_directory`.
        """
        for name in kwargs:
            if name not in ("has_ext", "sort", "drop_duplicates"):
                raise TypeError(
                    f"flow_from_dataframe: expected the arguments of its signature, got {name!r}"
                )
            warnings.warn(
                f"flow_from_dataframe: {name} is retired and does nothing",
                DeprecationWarning,
                stacklevel=2,
            )
        if class_mode == "other":
            warnings.warn(
                "flow_from_dataframe: class_mode 'other' is now called 'raw'",
                DeprecationWarning,
                stacklevel=2,
            )
            class_mode = "raw"
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            dtype=self.dtype,
            validate_filenames=validate_filenames,
        )

    def _fitted(self, value, option):
        if value is None:
            warnings.warn(
                f"ImageDataGenerator: expected fit(images) before {option}, which does nothing "
                f"without it",
                stacklevel=3,
            )
        return value is not None

    def standardize(self, x: Tensor) -> Array:
        """Normalize an image, in place where it holds floats, and return it."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        x = np.asarray(x)
        if x.dtype.kind != "f":
            x = x.astype(self.dtype)
        if self.rescale:
            x *= self.rescale
        if self.samplewise_center:
            x -= np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x /= np.std(x, keepdims=True) + _EPSILON
        if self.featurewise_center and self._fitted(self.mean, "featurewise_center"):
            x -= self.mean
        if self.featurewise_std_normalization:
            if self._fitted(self.std, "featurewise_std_normalization"):
                x /= self.std + _EPSILON
        if self.zca_whitening and self._fitted(self.zca_whitening_matrix, "zca_whitening"):
            flat = x.reshape(-1, math.prod(x.shape[-3:]))
            x = (flat @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:
        """Return random parameters for `apply_transform`.

        Args:
            img_shape: of one image.
            seed: for `numpy.random`, or None to go on with it.
        """
        if seed is not None:
            np.random.seed(seed)
        uniform = np.random.uniform
        theta = uniform(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = _random_shift(self.height_shift_range, img_shape[self.row_axis - 1])
        ty = _random_shift(self.width_shift_range, img_shape[self.col_axis - 1])
        shear = uniform(-self.shear_range, self.shear_range) if self.shear_range else 0
        low, high = self.zoom_range
        zx, zy = (1, 1) if low == high == 1 else uniform(low, high, 2)
        flip_horizontal = (np.random.random() < 0.5) * self.horizontal_flip
        flip_vertical = (np.random.random() < 0.5) * self.vertical_flip
        shift = brightness = None
        if self.channel_shift_range != 0:
            shift = uniform(-self.channel_shift_range, self.channel_shift_range)
        if self.brightness_range is not None:
            brightness = uniform(*self.brightness_range)
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": flip_horizontal,
            "flip_vertical": flip_vertical,
            "channel_shift_intensity": shift,
            "brightness": brightness,
        }

    def apply_transform(self, x: Tensor, transform_parameters: Any) -> Array:
        """Return a transformed image.

        Args:
            x: one image.
            transform_parameters: as `get_random_transform` returns them; what is left out does
                nothing.
        """
        get = transform_parameters.get
        x = apply_affine_transform(
            x,
            get("theta", 0),
            get("tx", 0),
            get("ty", 0),
            get("shear", 0),
            get("zx", 1),
            get("zy", 1),
            row_axis=self.row_axis - 1,
            col_axis=self.col_axis - 1,
            channel_axis=self.channel_axis - 1,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )
        if get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, get("channel_shift_intensity"), self.channel_axis - 1)
        if get("flip_horizontal", False):
            x = flip_axis(x, self.col_axis - 1)
        if get("flip_vertical", False):
            x = flip_axis(x, self.row_axis - 1)
        if get("brightness") is not None:
            x = brighten(x, get("brightness"), False, self.data_format)
        return x

    def random_transform(self, x: Tensor, seed: int | None = None) -> Array:
        """Return an image, transformed at random; `seed` is that of `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def fit(self, x: Data, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Compute what the featurewise options and `zca_whitening` need.

        Args:
            x: images `(N, H, W, C)`.
            augment: compute it of transformed images.
            rounds: how many of each image.
            seed: for `numpy.random`, or None to go on with it.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4 or not x.size:
            raise ValueError(
                f"ImageDataGenerator.fit: expected images (N, H, W, C), got shape {x.shape}"
            )
        if x.shape[self.channel_axis] not in (1, 3, 4):
            warnings.warn(
                f"ImageDataGenerator.fit: expected 1, 3 or 4 channels on axis {self.channel_axis} "
                f"({self.data_format}), got shape {x.shape}",
                stacklevel=2,
            )
        if seed is not None:
            np.random.seed(seed)
        if self.rescale:
            x *= self.rescale
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x])
            x = x.astype(self.dtype, copy=False)
        axes = (0, self.row_axis, self.col_axis)
        shape = [1, 1, 1]
        shape[self.channel_axis - 1] = -1
        if self.featurewise_center:
            self.mean = x.mean(axis=axes).reshape(shape)
            x -= self.mean
        if self.featurewise_std_normalization:
            self.std = x.std(axis=axes).reshape(shape)
            x /= self.std + _EPSILON
        if self.zca_whitening:
            u, s, _ = np.linalg.svd(x.reshape(len(x), -1).T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + self.zca_epsilon))) @ u.T
