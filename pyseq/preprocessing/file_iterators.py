"""Batches of image files, read when they are asked for: of a folder per class, of a table."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.preprocessing.image_iterators import Iterator, augment, check_subset
from pyseq.utils import images

if TYPE_CHECKING:
    from pyseq.types import DataFormat, DTypeLike, Path


class FileIterator(Iterator):
    """Batches of image files; subclasses find them.

    A subclass sets `class_mode`, `filenames`, `samples`, `labels`, `sample_weight` and, for modes
    with classes, `classes` and `class_indices`, before it calls `_start`.

    Attributes:
        filepaths: paths of all files, in order.
        image_shape: of one image of a batch.
    """

    def _set_reading(
        self,
        image_data_generator,
        target_size,
        color_mode,
        data_format,
        save_to_dir,
        save_prefix,
        save_format,
        subset,
        interpolation,
        keep_aspect_ratio,
        dtype,
    ):
        where = type(self).__name__
        if len(tuple(target_size)) != 2:
            raise ValueError(f"{where}(target_size): expected (height, width), got {target_size!r}")
        if color_mode not in images.COLOR_MODES:
            raise ValueError(
                f"{where}(color_mode): expected one of {tuple(images.COLOR_MODES)}, got "
                f"{color_mode!r}"
            )
        check_subset(subset, where)
        images.pillow(where)
        self.image_data_generator = image_data_generator
        self.target_size = tuple(target_size)
        self.color_mode = color_mode
        self.data_format = settings.standardize_data_format(data_format, where)
        channels = len(images.COLOR_MODES[color_mode])
        if self.data_format == "channels_last":
            self.image_shape = (*self.target_size, channels)
        else:
            self.image_shape = (channels, *self.target_size)
        self.save_to_dir = save_to_dir
        self.save_prefix = save_prefix
        self.save_format = save_format
        self.interpolation = interpolation
        self.keep_aspect_ratio = keep_aspect_ratio
        self.dtype = settings.floatx if dtype is None else dtype
        self.subset = subset
        self.split = None
        if subset is not None:
            share = image_data_generator._validation_split
            self.split = (0, share) if subset == "validation" else (share, 1)

    def _part(self, files):
        """The files of the subset, in the order of `files`."""
        if self.split is None:
            return files
        return files[int(self.split[0] * len(files)) : int(self.split[1] * len(files))]

    def _start(self, found, batch_size, shuffle, seed):
        self.samples = len(self.filenames)
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        if settings.interactive_logging:
            print(f"Found {self.samples} {found}.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    def _check_class_mode(self, class_mode, allowed):
        if class_mode not in allowed:
            raise ValueError(
                f"{type(self).__name__}(class_mode): expected one of {allowed}, got {class_mode!r}"
            )
        self.class_mode = class_mode

    def _read(self, path):
        img = images.load_img(
            path,
            color_mode=self.color_mode,
            target_size=self.target_size,
            interpolation=self.interpolation,
            keep_aspect_ratio=self.keep_aspect_ratio,
        )
        x = images.img_to_array(img, data_format=self.data_format)
        return augment(self.image_data_generator, x) if self.image_data_generator else x

    def _targets(self, batch, rows):
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.classes[row] for row in rows], dtype=self.dtype)
        if self.class_mode == "categorical":
            y = np.zeros((len(rows), len(self.class_indices)), dtype=self.dtype)
            for i, row in enumerate(rows):
                y[i, self.classes[row]] = 1
            return y
        if self.class_mode == "multi_output":
            return [output[rows] for output in self.labels]
        return self.labels[rows]

    def _get_batches_of_transformed_samples(self, rows):
        batch = np.zeros((len(rows), *self.image_shape), dtype=self.dtype)
        for i, row in enumerate(rows):
            batch[i] = self._read(self.filepaths[row])
        if self.save_to_dir:
            self._save(batch, rows, 10**7)
        if self.class_mode is None:
            return batch
        y = self._targets(batch, rows)
        if self.sample_weight is None:
            return batch, y
        return batch, y, self.sample_weight[rows]


class DirectoryIterator(FileIterator):
    """Batches of the images in a folder that has one folder per class.

    Args:
        directory: folder of the images.
        image_data_generator: the generator that changes and scales them.
        target_size: height and width of the images.
        color_mode: "rgb", "rgba" or "grayscale".
        class_mode: what the targets are; see the generator.
        batch_size: images in a batch.
        shuffle: whether their order is drawn anew in each epoch.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        save_to_dir, save_prefix, save_format: folder to which the changed images are written, with
            what name and format.
        follow_links: whether links to folders are followed.
        subset: "training", "validation" or None for all.
        interpolation: how images are resized.
        keep_aspect_ratio: cut images to the target's shape before they are resized.
        classes: names of the classes, or None for those of the folders.

    `ImageDataGenerator.flow_from_directory` makes it, and has its arguments.

    Attributes:
        class_indices: name of each class to its number.
        classes: number of the class of each file, `(samples,)` int32.
        filenames: paths of the files below the folder.
        samples, num_classes: how many there are.
    """

    sample_weight: Any

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: Path,
        image_data_generator: Any,
        target_size: Any = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: DataFormat = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: Any = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: DTypeLike = None,
    ) -> None:
        self._set_reading(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
            dtype,
        )
        self._check_class_mode(class_mode, self.allowed_class_modes)
        self.directory = os.fspath(directory)
        if not os.path.isdir(self.directory):
            raise FileNotFoundError(
                f"DirectoryIterator(directory): expected a folder, got {self.directory!r}"
            )
        names = list(
            classes
            or sorted(
                name
                for name in os.listdir(self.directory)
                if os.path.isdir(os.path.join(self.directory, name))
            )
        )
        self.num_classes = len(names)
        self.class_indices = {name: index for index, name in enumerate(names)}
        self.filenames, numbers = [], []
        for name in names:
            files = self._part(self._list(name, follow_links))
            self.filenames += files
            numbers += [self.class_indices[name]] * len(files)
        self.classes = np.array(numbers, dtype="int32")
        self.sample_weight = None
        self._start(f"images belonging to {self.num_classes} classes", batch_size, shuffle, seed)

    @property
    def labels(self) -> Any:
        """The same as `classes`."""
        return self.classes

    def _list(self, name, follow_links):
        """Paths below `directory` of the images of one class, folder by folder."""
        folders = os.walk(os.path.join(self.directory, name), followlinks=follow_links)
        return [
            os.path.relpath(os.path.join(folder, file), self.directory)
            for folder, _, files in sorted(folders, key=lambda entry: entry[0])
            for file in sorted(files)
            if file.lower().endswith(self.white_list_formats)
        ]


class DataFrameIterator(FileIterator):
    """Batches of the images that a table names, with targets from its columns.

    Args:
        dataframe: table with a row for each file.
        directory: folder of the images.
        image_data_generator: the generator that changes and scales them.
        x_col: column of the paths.
        y_col: column, or columns, of the targets.
        weight_col: column of the sample weights.
        target_size: height and width of the images.
        color_mode: "rgb", "rgba" or "grayscale".
        class_mode: what the targets are; see the generator.
        batch_size: images in a batch.
        shuffle: whether their order is drawn anew in each epoch.
        seed: number that makes the draws repeat, or a SeedGenerator.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        save_to_dir, save_prefix, save_format: folder to which the changed images are written, with
            what name and format.
        subset: "training", "validation" or None for all.
        interpolation: how images are resized.
        keep_aspect_ratio: cut images to the target's shape before they are resized.
        validate_filenames: leave out rows whose file is missing.
        classes: names of the classes, or None for those of the folders.

    `ImageDataGenerator.flow_from_dataframe` makes it, and has its arguments.

    Attributes:
        class_indices: name of each class to its number.
        classes: numbers of the class, or list of classes, of each file.
        filenames: files that are used.
        samples: how many they are.
    """

    allowed_class_modes = (
        "binary",
        "categorical",
        "input",
        "multi_output",
        "raw",
        "sparse",
        None,
    )

    def __init__(
        self,
        dataframe: Any,
        directory: Path | None = None,
        image_data_generator: Any = None,
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
        data_format: DataFormat = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: Any = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: DTypeLike = "float32",
        validate_filenames: bool = True,
    ) -> None:
        self._set_reading(
            image_data_generator,
            target_size,
            color_mode,
            data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            keep_aspect_ratio,
            dtype,
        )
        self._check_class_mode(class_mode, self.allowed_class_modes)
        self.directory = os.fspath(directory or "")
        names = list(dataframe[x_col])
        for name in names:
            if not isinstance(name, str):
                raise TypeError(
                    f"DataFrameIterator(x_col): expected strings in column {x_col!r}, got {name!r}"
                )
        rows = list(range(len(names)))
        labels = None
        has_classes = class_mode in ("binary", "categorical", "sparse")
        if has_classes:
            labels = self._class_labels(list(dataframe[y_col]), y_col, classes)
        elif classes:
            warnings.warn(
                f"DataFrameIterator: classes are not used with class_mode={class_mode!r}",
                stacklevel=2,
            )
        if class_mode == "multi_output" and not isinstance(y_col, list):
            raise TypeError(
                f"DataFrameIterator(y_col): expected a list of columns for class_mode="
                f"'multi_output', got {y_col!r}"
            )
        weights = np.asarray(dataframe[weight_col]) if weight_col else None
        if weights is not None and not np.issubdtype(weights.dtype, np.number):
            raise TypeError(
                f"DataFrameIterator(weight_col): expected numbers in column {weight_col!r}, got "
                f"{weights.dtype}"
            )
        if validate_filenames:
            rows = self._valid(rows, names, x_col)
        if has_classes:
            rows = self._set_class_indices(rows, labels, classes)
        rows = self._part(rows)
        self.filenames = [names[row] for row in rows]
        self.sample_weight = None if weights is None else weights[rows]
        if has_classes:
            self.classes = [self._numbers(labels[row]) for row in rows]
            self.labels = self.classes
        elif class_mode == "multi_output":
            columns = [list(dataframe[name]) for name in y_col]
            self.labels = [np.array([column[row] for row in rows]) for column in columns]
        elif class_mode == "raw":
            several = isinstance(y_col, list)
            columns = [np.asarray(dataframe[c])[rows] for c in (y_col if several else [y_col])]
            self.labels = np.stack(columns, axis=1) if several else columns[0]
        found = f"{'' if validate_filenames else 'non-'}validated image filenames"
        if has_classes:
            found += f" belonging to {len(self.class_indices)} classes"
        self._start(found, batch_size, shuffle, seed)

    def _class_labels(self, labels, y_col, classes):
        """Check a column of classes; with `classes` given, keep only these, None for no class."""
        where = "DataFrameIterator(y_col)"
        kinds = (str, list, tuple) if self.class_mode == "categorical" else str
        for label in labels:
            if not isinstance(label, kinds):
                raise TypeError(
                    f"{where}: expected strings{'' if kinds is str else ' or lists of them'} in "
                    f"column {y_col!r} for class_mode={self.class_mode!r}, got {label!r}; turn "
                    f"them into strings, or use class_mode='raw'"
                )
        count = len(set(classes or labels)) if self.class_mode == "binary" else 2
        if count != 2:
            raise ValueError(
                f"{where}: expected 2 classes for class_mode='binary', got {count}; use 'sparse' "
                f"or 'categorical'"
            )
        if not classes:
            return labels
        kept = []
        for label in labels:
            if isinstance(label, str):
                kept.append(label if label in classes else None)
            else:
                kept.append([one for one in label if one in classes] or None)
        return kept

    def _set_class_indices(self, rows, labels, classes):
        """Number the classes; return the rows that have one."""
        rows = [row for row in rows if labels[row] is not None]
        if classes:
            names = list(dict.fromkeys(classes))
        else:
            names = set()
            for row in rows:
                label = labels[row]
                names.update([label] if isinstance(label, str) else label)
            names = sorted(names)
        self.class_indices = {name: index for index, name in enumerate(names)}
        return rows

    def _numbers(self, label):
        if isinstance(label, str):
            return self.class_indices[label]
        return [self.class_indices[one] for one in label]

    def _valid(self, rows, names, x_col):
        valid = []
        for row in rows:
            path = os.path.join(self.directory, names[row])
            if path.lower().endswith(self.white_list_formats) and os.path.isfile(path):
                valid.append(row)
        if len(valid) < len(rows):
            known = set(valid)
            missing = next(names[row] for row in rows if row not in known)
            warnings.warn(
                f"DataFrameIterator: expected image files in column {x_col!r}, got "
                f"{len(rows) - len(valid)} names of none, the first one {missing!r}; these rows "
                f"are left out",
                stacklevel=3,
            )
        return valid
