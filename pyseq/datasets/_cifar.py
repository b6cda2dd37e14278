from __future__ import annotations

import tarfile
from typing import Any

import numpy as np

from .. import settings
from ._cache import cached_file, keras_home
from ._pickled import load_pickle

_ORIGIN = "https://www.cs.toronto.edu/~kriz/"


def load_batches(
    archive: Any, file_hash: Any, cache_name: Any, folder: Any, names: Any, label_key: Any
) -> Any:
    """Images `(N, 32, 32, 3)` and labels `(N, 1)`, uint8, of the batches `names`.

    Reads the files that Keras left unpacked in the cache, or the archive itself.
    """
    unpacked = keras_home() / "datasets" / cache_name / folder
    if all((unpacked / name).is_file() for name in names):
        batches = []
        for name in names:
            with open(unpacked / name, "rb") as file:
                batches.append(load_pickle(file, encoding="bytes"))
    else:
        path = cached_file(f"{cache_name}_archive", _ORIGIN + archive, file_hash)
        with tarfile.open(path) as tar:
            batches = [
                load_pickle(tar.extractfile(f"{folder}/{name}"), encoding="bytes") for name in names
            ]
    x = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    y = np.concatenate([np.asarray(batch[label_key], np.uint8) for batch in batches])
    return _as_images(x), y.reshape(-1, 1)


def _as_images(x):
    if settings.image_data_format == "channels_first":
        return x
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))
