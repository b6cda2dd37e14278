"""Data sets of image, text and audio files, one folder per class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.ops.image import resizing
from pyseq.utils import audio, images
from pyseq.utils.arrays import to_categorical
from pyseq.utils.pipeline import Dataset

if TYPE_CHECKING:
    from pyseq.types import DataFormat, Path, Tensor

_THREADS = min(4, os.cpu_count() or 1)
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_LABEL_MODES = ("int", "categorical", "binary", None)
_SUBSETS = ("training", "validation", "both", None)


def image_dataset_from_directory(
    directory: Path,
    labels: Tensor = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Any = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: DataFormat = None,
    format: str = "tf",
    verbose: bool = True,
    smart_resize: bool = False,
) -> Any:
    """Return batches of images (bmp, gif, jpeg, png), float32 in [0, 255], and their classes.

    The result is a `pyseq.utils.pipeline.Dataset`, whose files are read while it is iterated over,
    with `class_names` and `file_paths`; `subset="both"` gives a list of two.

    Images of 16 bits come in 8, the upper ones; what a file says about rotation is left alone.

    Args:
        directory: folder with one folder per class.
        labels: `"inferred"` from the folders, None for none, or a list of integers, one for each
            file in the order of their paths.
        label_mode: `"int"`, `"categorical"` (one-hot), `"binary"` (float32 `(N, 1)`) or None.
        class_names: folders to use, in the order of the classes.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: images of a batch; None for single images.
        image_size: `(height, width)` that images are resized to.
        shuffle: shuffle the files, anew after every epoch; else they are in order of their paths.
        seed: of the shuffling.
        validation_split: share of the files, the last ones, for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a list of the two.
        interpolation: one of `pyseq.utils.images.INTERPOLATIONS`.
        follow_links: also look into folders that are links.
        crop_to_aspect_ratio, pad_to_aspect_ratio: cut or fill rather than distort.
        smart_resize: older name of crop_to_aspect_ratio.
        data_format: `"channels_last"` or `"channels_first"`.
        format: accepted for compatibility.
        verbose: print how many files were found.
    """
    where = "image_dataset_from_directory"
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2:
        raise ValueError(f"{where}(image_size): expected (height, width), got {image_size!r}")
    interpolation = interpolation.lower()
    if interpolation not in images.INTERPOLATIONS:
        raise ValueError(
            f"{where}(interpolation): expected one of {images.INTERPOLATIONS}, "
            f"got {interpolation!r}"
        )
    if color_mode not in images.COLOR_MODES:
        raise ValueError(
            f"{where}(color_mode): expected one of {tuple(images.COLOR_MODES)}, got {color_mode!r}"
        )
    crop_to_aspect_ratio = crop_to_aspect_ratio or smart_resize
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(f"{where}: expected crop_to_aspect_ratio or pad_to_aspect_ratio, got both")
    first = settings.standardize_data_format(data_format, where) == "channels_first"
    images.pillow(where)

    def read(path):
        image = images.eight_bits(images.open_img(path, where))
        image = images.to_color_mode(image, color_mode, where)
        x = images.img_to_array(image, "channels_last", "float32")
        if crop_to_aspect_ratio:
            x = resizing.aspect_crop(x, *size)
        elif pad_to_aspect_ratio:
            x = images.pad_to_aspect(x, size)
        x = images.resize(x, size, interpolation)
        return x.transpose(2, 0, 1) if first else x

    return _dataset(
        where,
        directory,
        _IMAGES,
        read,
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
        format=format,
        verbose=verbose,
    )


def text_dataset_from_directory(
    directory: Path,
    labels: Tensor = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int = 32,
    max_length: Any = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Any = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Return batches of texts (`.txt`, UTF-8), arrays of str, and their classes.

    Args:
        max_length: cut texts off after so many bytes.

    The other arguments are those of `image_dataset_from_directory`.
    """

    def read(path):
        with open(path, "rb") as file:
            text = file.read() if max_length is None else file.read(max_length)
        # A cut may fall inside a character.
        return np.array(text.decode("utf-8", "strict" if max_length is None else "ignore"), object)

    return _dataset(
        "text_dataset_from_directory",
        directory,
        (".txt",),
        read,
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
        format=format,
        verbose=verbose,
    )


def audio_dataset_from_directory(
    directory: Path,
    labels: Tensor = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int = 32,
    sampling_rate: Any = None,
    output_sequence_length: Any = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: Any = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Return batches of sounds (`.wav`, PCM), float32 `(N, samples, channels)`, and their classes.

    Args:
        sampling_rate: samples a second that each file is brought to; that of the file when None.
        output_sequence_length: samples after that; longer sounds are cut off, shorter ones end in
            zeros. When None, those of a batch are filled up to the longest one.
        ragged: not accepted: the sounds of a batch have one length.

    The other arguments are those of `image_dataset_from_directory`.

    Raises:
        ValueError: an argument is wrong; while it is read, a file is no PCM.
    """
    where = "audio_dataset_from_directory"
    if ragged:
        raise ValueError(
            f"{where}(ragged): expected False, since the sounds of a batch have one length, got "
            f"{ragged!r}; leave it out, or take batch_size=None"
        )
    for argument, value in (
        ("sampling_rate", sampling_rate),
        ("output_sequence_length", output_sequence_length),
    ):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if value is not None and not (whole and value > 0):
            raise ValueError(f"{where}({argument}): expected an integer above 0, got {value!r}")

    def read(path):
        x, rate = audio.read_wav(path, where)
        if sampling_rate is not None:
            x = audio.resample(x, rate, int(sampling_rate))
        if output_sequence_length is not None:
            x = x[:output_sequence_length]
            x = np.pad(x, ((0, output_sequence_length - len(x)), (0, 0)))
        return x

    return _dataset(
        where,
        directory,
        (".wav",),
        read,
        labels=labels,
        label_mode=label_mode,
        class_names=class_names,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        validation_split=validation_split,
        subset=subset,
        follow_links=follow_links,
        verbose=verbose,
        pads=output_sequence_length is None,
    )


def _check_arguments(where, labels, label_mode, class_names, validation_split, subset, format):
    if labels is not None and labels != "inferred":
        if not isinstance(labels, (list, tuple)):
            raise ValueError(
                f"{where}(labels): expected 'inferred', None or a list of integers, got {labels!r}"
            )
    if class_names and labels != "inferred":
        raise ValueError(f"{where}(class_names): expected None unless labels='inferred'")
    if label_mode not in _LABEL_MODES:
        raise ValueError(f"{where}(label_mode): expected one of {_LABEL_MODES}, got {label_mode!r}")
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(
            f"{where}(validation_split): expected a share in (0, 1), got {validation_split!r}"
        )
    if subset not in _SUBSETS:
        raise ValueError(f"{where}(subset): expected one of {_SUBSETS}, got {subset!r}")
    if (subset is None) != (validation_split is None):
        raise ValueError(
            f"{where}: expected validation_split and subset together, got "
            f"validation_split={validation_split!r}, subset={subset!r}"
        )
    if format not in ("tf", "grain"):
        raise ValueError(f"{where}(format): expected 'tf' or 'grain', got {format!r}")


def _dataset(
    where,
    directory,
    endings,
    read,
    *,
    labels,
    label_mode,
    class_names,
    batch_size,
    shuffle,
    seed,
    validation_split,
    subset,
    follow_links,
    verbose,
    format="tf",
    pads=False,
):
    _check_arguments(where, labels, label_mode, class_names, validation_split, subset, format)
    if validation_split and shuffle and seed is None:
        raise ValueError(
            f"{where}(seed): expected an integer with validation_split and shuffle, got None; "
            f"without it the two parts would overlap"
        )
    if label_mode is None:
        labels = None
    paths, classes, class_names = _index(
        where, directory, endings, labels, class_names, follow_links
    )
    if verbose:
        groups = "" if labels is None else f" belonging to {len(class_names)} classes"
        print(f"Found {len(paths)} files{groups}.")
    if label_mode == "binary" and labels is not None and len(class_names) != 2:
        raise ValueError(
            f"{where}(label_mode): expected 2 classes for 'binary', got {len(class_names)}"
        )
    seed = np.random.randint(10**6) if seed is None else seed
    if shuffle:
        order = np.arange(len(paths))
        np.random.RandomState(seed).shuffle(order)
        paths = [paths[i] for i in order]
        classes = None if classes is None else classes[order]
    encoded = _encode(classes, label_mode, class_names)

    def part(begin, end, shuffles, what):
        if begin == end:
            raise ValueError(
                f"{where}: expected {what}files that end in {endings} in {directory}, got none"
            )
        chosen = None if encoded is None else encoded[begin:end]
        drawn = seed if shuffles else None
        made = _files_of(paths[begin:end], chosen, read, batch_size, drawn, pads)
        made.class_names, made.file_paths = class_names, paths[begin:end]
        return made

    if not validation_split:
        return part(0, len(paths), shuffle, "")
    split = len(paths) - int(validation_split * len(paths))
    parts = {
        "training": (0, split, shuffle, "training "),
        # As in Keras, "both" leaves the validation files in one order.
        "validation": (split, len(paths), shuffle and subset != "both", "validation "),
    }
    if subset == "both":
        return [part(*parts["training"]), part(*parts["validation"])]
    return part(*parts[subset])


def _files_of(paths, labels, read, batch_size, seed, pads):
    """The data set of files and their labels, shuffled where there is a seed."""
    paths = np.asarray(paths, object)
    data = Dataset.from_tensor_slices(paths if labels is None else (paths, labels))
    if seed is not None:
        data = data.shuffle(len(paths), seed)

    def read_labeled(path, label):
        return read(path), label

    data = data.map(read if labels is None else read_labeled, num_parallel_calls=_THREADS)
    if batch_size is not None:
        data = data.padded_batch(batch_size) if pads else data.batch(batch_size)
    return data.prefetch(1)


def _index(where, directory, endings, labels, class_names, follow_links):
    """Return `(paths, classes or None, class names or None)`, sorted by path."""
    directory = os.fspath(directory)
    if not os.path.isdir(directory):
        raise ValueError(f"{where}(directory): expected a folder, got {directory!r}")
    if labels != "inferred":
        paths = list(_files(directory, endings, follow_links))
        if labels is None:
            return paths, None, None
        if len(labels) != len(paths):
            raise ValueError(
                f"{where}(labels): expected {len(paths)} labels, one for each file, got "
                f"{len(labels)}"
            )
        return paths, np.asarray(labels, dtype=np.int32), [str(c) for c in sorted(set(labels))]
    found = sorted(
        name
        for name in os.listdir(directory)
        if not name.startswith(".") and os.path.isdir(os.path.join(directory, name))
    )
    if class_names is not None and not set(class_names) <= set(found):
        raise ValueError(
            f"{where}(class_names): expected some of the folders {found}, got {class_names!r}"
        )
    class_names = found if class_names is None else list(class_names)
    paths, classes = [], []
    for index, name in enumerate(class_names):
        files = list(_files(os.path.join(directory, name), endings, follow_links))
        paths += files
        classes += [index] * len(files)
    return paths, np.asarray(classes, dtype=np.int32), class_names


def _files(folder, endings, follow_links):
    for root, _, names in sorted(os.walk(folder, followlinks=follow_links)):
        for name in sorted(names):
            if name.lower().endswith(endings):
                yield os.path.join(root, name)


def _encode(classes, label_mode, class_names):
    if classes is None:
        return None
    if label_mode == "binary":
        return classes.astype(np.float32)[:, None]
    if label_mode == "categorical":
        return to_categorical(classes, len(class_names)).astype(np.float32)
    return classes
