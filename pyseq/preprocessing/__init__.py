"""Helpers for raw data, under the names of `keras.preprocessing`."""

from __future__ import annotations

from pyseq.preprocessing import image, sequence, text
from pyseq.utils.datasets import timeseries_dataset_from_array
from pyseq.utils.directories import image_dataset_from_directory, text_dataset_from_directory

__all__ = [
    "image",
    "image_dataset_from_directory",
    "sequence",
    "text",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
]


def __dir__() -> list[str]:
    return sorted(__all__)
