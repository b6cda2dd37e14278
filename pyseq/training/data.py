"""What `fit`, `evaluate` and `predict` accept, as arrays of rows or as a stream of batches."""

from __future__ import annotations

import itertools
import math

import numpy as np

from pyseq import checks
from pyseq.training import workers
from pyseq.training.late_rows import LateRows, SparseRows, is_sparse

_DTYPES = frozenset(
    np.dtype(name)
    for name in (
        "float32",
        "float64",
        "int32",
        "int64",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "bool",
    )
)
_NUMBERS = (int, float, np.number, np.bool_)


def is_array(x):
    """True for anything NumPy can read as one array: ndarray, pandas, other libraries' tensors."""
    if isinstance(x, (list, tuple, dict, str, bytes)) or x is None:
        return False
    return hasattr(x, "__array__") or hasattr(x, "toarray") or hasattr(x, "__array_interface__")


def to_array(x, where):
    """Read `x` as a numeric C-contiguous array with a batch dimension; errors say `where`."""
    if hasattr(x, "toarray"):
        x = x.toarray()
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    array = np.asarray(x)
    if array.dtype == object:
        try:
            array = array.astype("float32")
        except (TypeError, ValueError):
            raise ValueError(_about_objects(x, array, where)) from None
    if array.dtype.kind not in "fiub":
        if array.dtype.name == "bfloat16":
            return to_array(array.astype("float32"), where)
        raise ValueError(
            f"{where}: expected numbers, got dtype {array.dtype}; encode text and categories first "
            "(layers.TextVectorization, layers.StringLookup, utils.to_categorical)"
        )
    if array.ndim == 0:
        raise ValueError(f"{where}: expected an array of rows, got a single number")
    if array.dtype not in _DTYPES:
        array = array.astype("float32" if array.dtype.kind == "f" else "int64")
    return np.ascontiguousarray(array)


def _about_objects(x, array, where):
    """What is no number in an array of objects or a data frame."""
    for row, item in np.ndenumerate(array):
        if isinstance(item, (list, tuple, np.ndarray)):
            return (
                f"{where}: expected numbers in rows of one length, got an object array with "
                f"{len(item)} values in row {row[0]}; pad sequences with utils.pad_sequences, join "
                "arrays with np.stack"
            )
        try:
            float(item)
        except (TypeError, ValueError):
            break
    place = f"row {row[0]}"
    if array.ndim == 2:
        column = row[1]
        columns, dtypes = getattr(x, "columns", None), getattr(x, "dtypes", None)
        if columns is not None and dtypes is not None:
            place += f" of column {columns[column]!r} of dtype {list(dtypes)[column]}"
        else:
            place += f" of column {column} of an object array"
    return (
        f"{where}: expected numbers, got {item!r} in {place}; encode categories first "
        "(layers.StringLookup, utils.to_categorical) or drop the column"
    )


def to_rows(x, where):
    """Read `x` as an array, or as `SparseRows` where it is a sparse matrix."""
    if isinstance(x, LateRows):
        return x
    return SparseRows(x, where) if is_sparse(x) else to_array(x, where)


def _has_numbers(x):
    """Whether `x` is lists down to numbers; an array in them would be an input."""
    if not isinstance(x, (list, tuple)) or not x:
        return False
    return all(isinstance(item, _NUMBERS) for item in x) or all(map(_has_numbers, x))


def _numbers(x, where):
    try:
        return np.array(x)
    except ValueError:
        raise ValueError(
            f"{where}: expected lists of one length, got lists of several; pad them with "
            "utils.pad_sequences"
        ) from None


def unwrap(x, where, names=("input",)):
    """Take the one array out of `[x]`, `(x,)` or `{"name": x}`; lists of numbers become one."""
    while isinstance(x, (list, tuple, dict)):
        if _has_numbers(x):
            return _numbers(x, where)
        if isinstance(x, dict):
            if len(x) != 1:
                raise ValueError(
                    f"{where}: expected one array, got a dict of {len(x)}: {sorted(map(str, x))}; "
                    "a Sequential has one input and one output"
                )
            x = next(iter(x.values()))
            continue
        if len(x) == 1 and (is_array(x[0]) or isinstance(x[0], (list, tuple, dict))):
            x = x[0]
            continue
        if x and all(is_array(item) for item in x):
            raise ValueError(
                f"{where}: expected one array, got a list of {len(x)}; a Sequential has one input "
                "and one output; use np.stack or np.concatenate to make one array of rows"
            )
        raise ValueError(
            f"{where}: expected an array, got a Python {type(x).__name__}; convert it with "
            "np.array(...)"
        )
    return x


def fit_rank(array, shape):
    """Add or drop a last dimension of 1 where the model's input `shape` asks for it.

    Rows of several dimensions get theirs with a warning, PS310.
    """
    if shape is None or isinstance(shape, list):
        return array
    if array.ndim == len(shape) - 1 > 1 and shape[-1] == 1:
        if all(b in (a, None) for a, b in zip(array.shape[1:], shape[1:-1])):
            checks.tell("PS310", array.shape, shape)
            return array.reshape(*array.shape, 1)
    if array.ndim == len(shape) - 1 and shape[-1] == 1 and array.ndim == 1:
        return array[:, None]
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        return array.reshape(array.shape[:-1])
    return array


def whole(value, name, where):
    """An argument as an int.

    Raises:
        TypeError: it is no whole number.
    """
    number = value.item() if getattr(value, "shape", None) == () else value  # of any library
    if not isinstance(number, (int, float)) or not math.isfinite(number) or int(number) != number:
        raise TypeError(
            f"{where}: expected a whole number as {name}, got {value!r}; use // or int(...)"
        )
    return int(number)


class ArrayData:
    """Rows that are all at hand: shuffled and cut into batches by the core.

    Args:
        x, y, weights: arrays of as many rows as each other, x and y perhaps `LateRows`; y and
            weights may be None.
        batch_size: rows of a batch.
        shuffle: True, False or "batch" (shuffle inside each batch).
    """

    def __init__(self, x, y, weights, batch_size, shuffle=False, steps=None, where="fit"):
        self.x, self.y, self.weights = x, y, weights
        self.where = where
        self.rows = x.shape[0]
        lengths = {
            name: len(a)
            for name, a in (("x", x), ("y", y), ("sample_weight", weights))
            if a is not None
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"{where}: Data cardinality is ambiguous: expected as many rows in each array, got "
                f"{lengths}"
            )
        if self.rows == 0:
            raise ValueError(f"{where}: expected at least one row, got an empty array")
        if batch_size is None:
            batch_size = math.ceil(self.rows / steps) if steps else 32
        if whole(batch_size, "batch_size", where) < 1:
            raise ValueError(f"{where}: expected batch_size of 1 or more, got {batch_size}")
        self.batch_size = int(batch_size)
        if shuffle not in (True, False, "batch"):
            raise ValueError(
                f"{where}: expected shuffle to be True, False or 'batch', got {shuffle}"
            )
        self.shuffle = shuffle
        self.batches = math.ceil(self.rows / self.batch_size)

    @property
    def late(self):
        """Whether rows become arrays one batch at a time."""
        return isinstance(self.x, LateRows) or isinstance(self.y, LateRows)

    def dense(self, rows=None):
        """`(x, y, weights)` as arrays, of the slice or the numbers `rows` if given."""
        arrays = (
            a if a is None or rows is None else a[rows] for a in (self.x, self.y, self.weights)
        )
        return tuple(to_array(a, self.where) if isinstance(a, LateRows) else a for a in arrays)

    def order(self):
        """Row numbers of one epoch, or None for the natural order."""
        if self.shuffle is True:
            return np.random.permutation(self.rows).astype("int64", copy=False)
        if self.shuffle == "batch":
            order = np.arange(self.rows, dtype="int64")
            for begin in range(0, self.rows, self.batch_size):
                np.random.shuffle(order[begin : begin + self.batch_size])
            return order
        return None


class StreamData:
    """Batches from a generator, an iterable of batches, or a PyDataset.

    Iterating gives `(x, y, sample_weight)` arrays, x as `read(x, where)` returns it. `batches` is
    None where unknown.
    """

    def __init__(self, source, read, shuffle=False, where="fit", class_weight=None, row=None):
        self.source = source
        self.row = row  # shape of one row, where it has several numbers
        self.read = read
        self.where = where
        self.shuffle = shuffle
        self.class_weight = class_weight
        is_dataset = (
            hasattr(source, "__getitem__") and hasattr(source, "__len__")
        ) or hasattr(source, "num_batches")
        # Whether batches are asked for by their number, even where `next` gives them too.
        self.indexed = is_dataset and (
            not (hasattr(source, "__iter__") or hasattr(source, "__next__"))
            or hasattr(source, "on_epoch_end")
        )
        self.once = hasattr(source, "__next__") and not self.indexed
        self.batches = self._count()
        self.restart()

    @property
    def endless(self):
        """Whether the source says that it has no end."""
        ask = None if self.once else getattr(self.source, "cardinality", None)
        return callable(ask) and int(ask()) == -1

    def _count(self):
        if self.once:
            return None
        for name in ("num_batches", "cardinality"):
            value = getattr(self.source, name, None)
            value = value() if callable(value) else value
            if value is not None and int(value) >= 0:
                return int(value)
        try:
            return len(self.source)
        except TypeError:
            return None

    def restart(self):
        """Let the next epoch begin with the first batch; a generator goes on where it stopped."""
        self._order, self._next = None, 0

    def begin_epoch(self):
        """Tell a dataset that an epoch begins."""
        if self.indexed and hasattr(self.source, "on_epoch_begin"):
            self.source.on_epoch_begin()

    def end_epoch(self):
        """Tell a dataset that an epoch has ended."""
        if self.indexed and hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()

    def epoch(self, steps=None):
        """Iterator over one pass; of a dataset with `steps`, over so many batches of it at most.

        The next call goes on where the steps ended, a generator always does.
        """
        if not self.indexed:
            return self._batches(self.source if self.once else iter(self.source))
        return self._batches(workers.ordered(self.source, self._indices(steps)))

    def _indices(self, steps):
        """Numbers of the batches; no more than are needed, since some are made ahead."""
        begin = self._next
        if self.batches is None:
            self._next += steps or 0
            return itertools.count() if steps is None else range(begin, begin + steps)
        if steps is None or self._order is None or begin >= self.batches:
            begin = 0
            self._order = range(self.batches)
            if self.shuffle:
                self._order = np.random.permutation(self.batches).tolist()
        self._next = self.batches if steps is None else min(begin + steps, self.batches)
        return self._order[begin : self._next]

    def _batches(self, iterator):
        try:
            yield from self._checked(iterator)
        finally:
            # A generator of the user goes on; what was opened here may have threads.
            if not self.once and hasattr(iterator, "close"):
                iterator.close()

    def _checked(self, iterator):
        for item in iterator:
            if isinstance(item, tuple) and len(item) in (1, 2, 3):
                x, y, w = (*item, None, None)[:3]
            elif isinstance(item, list) and len(item) in (2, 3) and all(is_array(i) for i in item):
                x, y, w = (*item, None)[:3]
            elif isinstance(item, (tuple, list)):
                raise ValueError(
                    f"{self.where}: expected batches (x,), (x, y) or (x, y, sample_weight), got a "
                    f"{type(item).__name__} of {len(item)}"
                )
            else:
                x, y, w = item, None, None
            x = self.read(x, f"{self.where}: x")
            if isinstance(x, LateRows):
                x = to_array(x, f"{self.where}: x")
            if y is not None:
                if np.ndim(y) == 0 or x.shape == self.row:
                    raise ValueError(
                        f"{self.where}: expected batches (n, ...) of x and y, got one row of shape "
                        f"{tuple(x.shape)} with a target of shape {np.shape(y)}; batch the data "
                        "first, such as with dataset.batch(32)"
                    )
                y = to_array(unwrap(y, f"{self.where}: y"), f"{self.where}: y")
            if w is not None:
                w = to_array(
                    unwrap(w, f"{self.where}: sample_weight"), f"{self.where}: sample_weight"
                )
            if self.class_weight is not None and y is not None:
                w = class_weights(y, self.class_weight, w)
            for name, a in (("y", y), ("sample_weight", w)):
                if a is not None and len(a) != len(x):
                    raise ValueError(
                        f"{self.where}: expected as many rows in x and {name}, got {len(x)} and "
                        f"{len(a)}"
                    )
            if len(x):
                yield x, y, w


def class_weights(y, class_weight, sample_weight=None, where="fit"):
    """Weights of rows from a dict `{class: weight}`; classes that it lacks weigh 1."""
    if sample_weight is not None:
        raise ValueError(f"{where}: expected class_weight or sample_weight, got both")
    if not isinstance(class_weight, dict):
        raise TypeError(f"{where}: expected class_weight to be a dict, got {class_weight!r}")
    labels = y
    if isinstance(y, SparseRows):
        parts = (to_array(y[i : i + 256], where) for i in range(0, len(y), 256))
        labels = np.concatenate([np.argmax(part, axis=-1) for part in parts])
    elif y.ndim > 1:
        labels = np.argmax(y, axis=-1) if y.shape[-1] != 1 else y[..., 0]
    labels = np.round(labels).astype("int64")
    weights = np.ones(labels.shape, "float32")
    for label, weight in class_weight.items():
        if isinstance(label, str) and not label.isdigit():
            raise ValueError(
                f"{where}: expected class_weight with the numbers of classes as keys, got "
                f"{label!r}; write {{0: ..., 1: ...}}, in the order of the labels"
            )
        weights[labels == int(label)] = weight
    return weights


def split_validation(arrays, validation_split, where="fit"):
    """Split off the last rows of each array: returns (training arrays, validation arrays)."""
    if not 0 < validation_split < 1:
        raise ValueError(
            f"{where}: expected validation_split between 0 and 1, got {validation_split}"
        )
    rows = len(arrays[0])
    at = math.floor(rows * (1.0 - validation_split))
    if at == 0 or at == rows:
        raise ValueError(
            f"{where}: expected rows on both sides of validation_split={validation_split}, got "
            f"{rows} rows in all; use more rows or another split"
        )
    cut = [(None, None) if a is None else (a[:at], a[at:]) for a in arrays]
    return [c[0] for c in cut], [c[1] for c in cut]
