"""Elements of data sets in one file: an `.npz` archive of arrays, which opens without pickles.

`layout` holds the nest as JSON, whose leaves are numbers. Of leaf 3 the archive has the arrays
`values3` (the numbers of all elements, one after the other; texts as the bytes of their UTF-8),
`shapes3` (the sizes of all axes, one after the other) and `ranks3` (how many of them belong to each
element). Texts also have `lengths3`: bytes of each, -1 - n for n bytes of a `bytes`.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import closing

import numpy as np

from pyseq.saving.atomic import write_atomically
from pyseq.utils import elements
from pyseq.utils.steps import Following

_FORMAT = "pyseq elements 1"


# --- writing


def write(path, found):
    """Write a list of elements of one structure to a file, atomically."""
    where = f"Dataset.save({os.fspath(path)!r})"
    arrays = {"format": np.array(_FORMAT), "count": np.array(len(found), np.int64)}
    if found:
        first = found[0]
        arrays["layout"] = np.array(json.dumps(_layout(first, iter(range(len(_leaves(first)))))))
        columns = [[] for _ in _leaves(first)]
        for element in found:
            elements.map_leaves(lambda a, b: None, first, element)  # of one structure
            for column, leaf in zip(columns, _leaves(_like(first, element)), strict=True):
                column.append(leaf)
        for number, column in enumerate(columns):
            arrays.update(_column_arrays(number, column, where))
    write_atomically(path, lambda file: np.savez(file, **arrays))


def _leaves(nest):
    return elements.leaves(nest)


def _like(first, element):
    """An element with the keys of its dicts in the order of another one."""
    return elements.map_leaves(lambda _, leaf: leaf, first, element)


def _layout(nest, numbers):
    if isinstance(nest, Mapping):
        if not all(isinstance(key, str) for key in nest):
            raise ValueError(
                f"Dataset.save: expected dicts whose keys are texts, got {list(nest)[:5]}"
            )
        return {key: _layout(value, numbers) for key, value in nest.items()}
    if isinstance(nest, tuple):
        return [_layout(value, numbers) for value in nest]
    return next(numbers)


def _column_arrays(number, column, where):
    if all(leaf is None for leaf in column):
        return {}
    for leaf in column:
        if leaf is None or isinstance(leaf, elements.DataLeaf) or _kind(leaf) == "V":
            raise ValueError(
                f"{where}: expected numbers or texts in all elements, got {type(leaf).__name__} "
                f"{getattr(leaf, 'dtype', '')}; map elements to arrays first"
            )
    kinds = {_dtype(leaf) for leaf in column}
    if len(kinds) > 1:
        raise ValueError(
            f"{where}: expected one dtype in all elements, got {sorted(kinds)}; use astype in map"
        )
    shapes = [np.shape(leaf) for leaf in column]
    arrays = {
        f"shapes{number}": np.array([n for shape in shapes for n in shape], np.int64),
        f"ranks{number}": np.array([len(shape) for shape in shapes], np.int64),
    }
    if kinds == {"string"}:
        texts = [text for leaf in column for text in np.ravel(np.array(leaf, object)).tolist()]
        data = [t if isinstance(t, bytes) else t.encode("utf-8", "surrogatepass") for t in texts]
        arrays[f"lengths{number}"] = np.array(
            [-1 - len(d) if isinstance(t, bytes) else len(d) for t, d in zip(texts, data)], np.int64
        )
        arrays[f"values{number}"] = np.frombuffer(b"".join(data), np.uint8)
    else:
        arrays[f"values{number}"] = np.concatenate([np.ravel(leaf) for leaf in column])
    return arrays


def _kind(leaf):
    return leaf.dtype.kind if hasattr(leaf, "dtype") else "O"


def _dtype(leaf):
    return "string" if _kind(leaf) == "O" else leaf.dtype.name


# --- reading


def read(path):
    """Return the elements in a file that `write` made, as a list.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or another kind of file.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except (
            AttributeError, EOFError, IndexError, KeyError, OSError, RecursionError, TypeError,
            ValueError, zipfile.BadZipFile,
        ) as problem:
            raise ValueError(
                f"{os.fspath(path)}: expected a file that Dataset.save or Dataset.cache wrote, got "
                f"another or a damaged one ({problem})"
            ) from problem


def _read(file):
    with np.load(file, allow_pickle=False) as archive:
        if str(archive["format"]) != _FORMAT:
            raise ValueError(f"unknown format {archive['format']}")
        count = int(archive["count"])
        if not count:
            return []
        layout = json.loads(str(archive["layout"]))
        columns = {}
        _note_numbers(layout, columns)
        for number in columns:
            columns[number] = _column(archive, number, count)
    return [_filled(layout, columns, i) for i in range(count)]


def _note_numbers(layout, numbers):
    if isinstance(layout, int):
        numbers[layout] = None
    elif isinstance(layout, (dict, list)):
        for part in layout.values() if isinstance(layout, dict) else layout:
            _note_numbers(part, numbers)
    else:
        raise ValueError(f"unknown layout {layout!r}")


def _filled(layout, columns, i):
    if isinstance(layout, dict):
        return {key: _filled(part, columns, i) for key, part in layout.items()}
    if isinstance(layout, list):
        return tuple(_filled(part, columns, i) for part in layout)
    return columns[layout][i]


def _column(archive, number, count):
    if f"values{number}" not in archive:
        return [None] * count
    values, sizes = archive[f"values{number}"], archive[f"shapes{number}"].tolist()
    ranks = archive[f"ranks{number}"].tolist()
    if f"lengths{number}" in archive:
        values = _texts(values.tobytes(), archive[f"lengths{number}"].tolist())
    if len(ranks) != count or sum(ranks) != len(sizes) or min([*ranks, *sizes, 0]) < 0:
        raise ValueError(f"the shapes of leaf {number} do not fit")
    leaves, at, axis = [], 0, 0
    for rank in ranks:
        shape = tuple(sizes[axis : axis + rank])
        size = int(np.prod(shape, dtype=np.int64))
        leaves.append(values[at : at + size].reshape(shape)[()])
        at, axis = at + size, axis + rank
    if at != len(values):
        raise ValueError(f"the values of leaf {number} do not fit")
    return leaves


def _texts(data, lengths):
    texts, at = np.empty(len(lengths), object), 0
    for i, length in enumerate(lengths):
        size = -1 - length if length < 0 else length
        part = data[at : at + size]
        texts[i] = part if length < 0 else part.decode("utf-8", "surrogatepass")
        at += size
    if at != len(data):
        raise ValueError("the lengths of texts do not fit")
    return texts


class FileCache(Following):
    """Elements that are read from a file where there is one, and written to it by a whole pass."""

    def __init__(self, parent, path):
        super().__init__(parent)
        self.path, self.kept = path, None

    def items(self, run):
        if self.kept is None and os.path.exists(self.path):
            self.kept = read(self.path)
        if self.kept is not None:
            yield from map(elements.copied, self.kept)
            return
        kept = []
        with closing(self.parents[0].elements(run)) as found:
            for element in found:
                kept.append(element)
                yield elements.copied(element)
        write(self.path, kept)
        self.kept = kept
