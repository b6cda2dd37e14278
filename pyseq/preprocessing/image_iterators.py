"""Batches of randomly transformed images: the base class, and batches of arrays."""

from __future__ import annotations

import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.utils import images
from pyseq.utils.datasets import PyDataset

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import DataFormat, DTypeLike, Tensor

_SUBSETS = ("training", "validation")


class Iterator(PyDataset):
    """Base class of batches by index that can also be asked for the next one, without an end.

    `fit`, `evaluate` and `predict` see a data set of `len(self)` batches, shuffled anew after each
    epoch. `next(iterator)`, or a loop over it, goes on for ever: the caller ends it.

    Subclasses define `_get_batches_of_transformed_samples(rows)`, which returns the batch of an
    array of row numbers.

    Args:
        n: number of samples.
        batch_size: samples of a batch; the last one of an epoch may have fewer.
        shuffle: shuffle the samples, anew for each epoch, with `numpy.random`.
        seed: `numpy.random` is seeded with it plus the number of batches so far, before each batch.
        kwargs: arguments of `PyDataset`.
    """

    index_array: Any

    white_list_formats = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")

    def __init__(self, n: int, batch_size: int, shuffle: Any, seed: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if batch_size is None or batch_size < 1:
            raise ValueError(
                f"{type(self).__name__}(batch_size): expected at least 1, got {batch_size}"
            )
        self.n = n
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.batch_index = 0
        self.total_batches_seen = 0
        self.index_array = None
        self.lock = threading.Lock()

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "lock"}

    def __setstate__(self, state):
        vars(self).update(state, lock=threading.Lock())

    def _set_index_array(self):
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _begin_batch(self):
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1

    def _rows(self, index):
        return self.index_array[self.batch_size * index : self.batch_size * (index + 1)]

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: Any) -> Any:
        if not -len(self) <= index < len(self):
            raise ValueError(
                f"{type(self).__name__}: expected a batch below {len(self)}, got {index}"
            )
        with self.lock:
            self._begin_batch()
            if self.index_array is None:
                self._set_index_array()
            rows = self._rows(index % len(self))
        return self._get_batches_of_transformed_samples(rows)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self.lock:
            self._begin_batch()
            if self.batch_index == 0 or self.index_array is None:
                self._set_index_array()
            rows = self._rows(self.batch_index)
            self.batch_index = (self.batch_index + 1) % max(len(self), 1)
        return self._get_batches_of_transformed_samples(rows)

    def next(self) -> Any:
        """Return the next batch."""
        return next(self)

    def reset(self) -> None:
        """Let `next` go on with the first batch of a new epoch."""
        self.batch_index = 0

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self._set_index_array()

    def get_state(self) -> Any:
        """Return the order of the samples and the number of batches so far."""
        order = [] if self.index_array is None else self.index_array
        return {"order": order, "batches": self.total_batches_seen, "next": self.batch_index}

    def set_state(self, state: Any) -> None:
        """Go back to what `get_state` returned."""
        self.index_array = np.array(state["order"], np.int64) if len(state["order"]) else None
        self.total_batches_seen = int(state["batches"])
        self.batch_index = int(state["next"])

    def _get_batches_of_transformed_samples(self, rows):
        raise TypeError(
            f"{type(self).__name__}: expected a subclass that defines "
            f"_get_batches_of_transformed_samples(rows), got none; define it to return a batch"
        )

    def _save(self, batch, rows, numbers):
        """Write images of a batch to `save_to_dir`, with a random number in each name."""
        for x, row in zip(batch, rows):
            name = f"{self.save_prefix}_{row}_{np.random.randint(numbers)}.{self.save_format}"
            images.save_img(
                os.path.join(self.save_to_dir, name), x, self.data_format, self.save_format
            )


def augment(generator, x):
    """Return an image, transformed at random and standardized; x may change."""
    parameters = generator.get_random_transform(x.shape)
    return generator.standardize(generator.apply_transform(x, parameters))


def check_subset(subset, where):
    """Check the name of a part of the data."""
    if subset is not None and subset not in _SUBSETS:
        raise ValueError(f"{where}(subset): expected one of {_SUBSETS} or None, got {subset!r}")


class NumpyArrayIterator(Iterator):
    """Batches of an array of images; `ImageDataGenerator.flow` makes it.

    Args:
        x: images `(N, H, W, C)`, or a pair of these and an array, or list of arrays, with more
            about each image, which batches hold unchanged: `[images, more, ...]`.
        y: targets `(N, ...)`, or None.
        image_data_generator: transforms images.
        batch_size, shuffle, seed: as in `Iterator`.
        sample_weight: weights `(N,)`, or None.
        data_format: `"channels_last"` or `"channels_first"`.
        save_to_dir: folder for the transformed images, or None; `save_prefix` and `save_format`
            begin and end the names of the files.
        subset: `"validation"` for the first rows, the share `validation_split` of the generator,
            or `"training"` for the others.
        ignore_class_split: accept parts with different classes.
        dtype: of the batches.
        save_prefix: how the written images are named.
        save_format: their format, such as `png`.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Tensor = None,
        seed: int | None = None,
        data_format: DataFormat = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: Any = None,
        ignore_class_split: bool = False,
        dtype: DTypeLike = None,
    ) -> None:
        where = "NumpyArrayIterator"
        data_format = settings.standardize_data_format(data_format, where)
        self.dtype = settings.floatx if dtype is None else dtype
        more = []
        if isinstance(x, (tuple, list)):
            if len(x) != 2:
                raise ValueError(
                    f"{where}: expected an array of images or a pair (images, more), got "
                    f"{len(x)} parts; make one array of the images with np.stack"
                )
            x, more = x
            more = [np.asarray(m) for m in (more if isinstance(more, list) else [more])]
        x = np.asarray(x)
        y = None if y is None else np.asarray(y)
        sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        if x.ndim != 4:
            raise ValueError(f"{where}: expected images (N, H, W, C), got shape {x.shape}")
        for name, part in (("y", y), ("sample_weight", sample_weight), *(("x", m) for m in more)):
            if part is not None and (part.ndim == 0 or len(part) != len(x)):
                raise ValueError(
                    f"{where}: expected {len(x)} rows in {name}, as many as images, got shape "
                    f"{part.shape}"
                )
        axis = 3 if data_format == "channels_last" else 1
        if x.shape[axis] not in (1, 3, 4):
            warnings.warn(
                f"{where}: expected 1, 3 or 4 channels on axis {axis} ({data_format}), got shape "
                f"{x.shape}",
                stacklevel=2,
            )
        check_subset(subset, where)
        if subset is not None:
            split = int(len(x) * image_data_generator._validation_split)
            differ = y is not None and not np.array_equal(
                np.unique(y[:split]), np.unique(y[split:])
            )
            if differ and not ignore_class_split:
                raise ValueError(
                    f"{where}(subset): expected the same classes in both parts, got "
                    f"{np.unique(y[:split])} in the first {split} rows and {np.unique(y[split:])} "
                    f"in the others; shuffle the rows, or pass ignore_class_split=True"
                )
            part = slice(split) if subset == "validation" else slice(split, None)
            x, more = x[part], [m[part] for m in more]
            y = None if y is None else y[part]
            sample_weight = None if sample_weight is None else sample_weight[part]
        self.x = x.astype(self.dtype, copy=False)
        self.x_misc = more
        self.y = y
        self.sample_weight = sample_weight
        self.image_data_generator = image_data_generator
        self.data_format = data_format
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        super().__init__(len(x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, rows):
        batch = np.zeros((len(rows), *self.x.shape[1:]), dtype=self.dtype)
        for i, row in enumerate(rows):
            # A copy: standardize changes what it gets.
            batch[i] = augment(self.image_data_generator, self.x[row].copy())
        if self.save_to_dir:
            self._save(batch, rows, 10**4)
        x = [batch, *(m[rows] for m in self.x_misc)] if self.x_misc else batch
        if self.y is None:
            return x
        if self.sample_weight is None:
            return x, self.y[rows]
        return x, self.y[rows], self.sample_weight[rows]
