"""Elements of data sets: nested tuples and dicts of arrays, numbers and texts.

A text is a str or bytes, an array of texts has the dtype object.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyseq.dtypes import standardize_dtype


class DataLeaf:
    """Base class of data sets, which may be parts of elements themselves."""


class TensorSpec:
    """Shape and dtype of one array of an element.

    Attributes:
        shape: tuple; None where elements differ, or None for any shape.
        dtype: name; `"string"` for texts.

    >>> TensorSpec([None, 2], np.float32)
    TensorSpec(shape=(None, 2), dtype='float32')
    """

    def __init__(self, shape, dtype="float32", name=None):
        self.shape = None if shape is None else to_shape(shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name

    def __eq__(self, other):
        return type(other) is type(self) and (self.shape, self.dtype) == (other.shape, other.dtype)

    def __hash__(self):
        return hash((self.shape, self.dtype))

    def __repr__(self):
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype!r})"


class DatasetSpec:
    """What a data set inside of an element holds."""

    def __init__(self, element_spec):
        self.element_spec = element_spec

    def __eq__(self, other):
        return type(other) is type(self) and self.element_spec == other.element_spec

    def __hash__(self):
        return hash(repr(self))

    def __repr__(self):
        return f"DatasetSpec({self.element_spec})"


def to_shape(shape):
    """Return a shape as a tuple, None for -1.

    >>> to_shape([-1, None, 3])
    (None, None, 3)
    """
    if isinstance(shape, (int, np.integer)):
        shape = (shape,)
    return tuple(None if n is None or int(n) < 0 else int(n) for n in shape)


def is_nest(value):
    """Whether a value has parts: a tuple or a dict, not a list, which is an array."""
    return isinstance(value, (tuple, Mapping))


def map_leaves(function, nest, *others):
    """Call a function with the leaves of nests of one structure; returns a nest of its results.

    >>> map_leaves(abs, {"a": (-1, 2)})
    {'a': (1, 2)}
    """
    if not is_nest(nest):
        return function(nest, *others)
    if isinstance(nest, Mapping):
        for other in others:
            if not isinstance(other, Mapping) or set(other) != set(nest):
                raise _of_one_structure(nest, other)
        return {k: map_leaves(function, v, *(o[k] for o in others)) for k, v in nest.items()}
    for other in others:
        if not isinstance(other, (tuple, list)) or len(other) != len(nest):
            raise _of_one_structure(nest, other)
    parts = [map_leaves(function, *values) for values in zip(nest, *others, strict=True)]
    return type(nest)(*parts) if hasattr(nest, "_fields") else tuple(parts)


def _of_one_structure(nest, other):
    return ValueError(
        f"expected elements of one structure, got {_outline(nest)} and {_outline(other)}"
    )


def _outline(nest):
    if isinstance(nest, Mapping):
        return f"a dict with {sorted(map(str, nest))}"
    return f"a {type(nest).__name__}" + (f" of {len(nest)}" if isinstance(nest, tuple) else "")


def leaves(nest):
    """Return the leaves of a nest as a list.

    >>> leaves(({"a": 1}, 2))
    [1, 2]
    """
    if not is_nest(nest):
        return [nest]
    parts = nest.values() if isinstance(nest, Mapping) else nest
    return [leaf for part in parts for leaf in leaves(part)]


def to_element(value, where):
    """Return a nest whose leaves are arrays, NumPy scalars, texts, data sets or None.

    Python's numbers become int32 and float32, as tensors do; arrays keep their dtype.

    Raises:
        ValueError: a leaf is neither an array of numbers nor one of texts.
    """
    return map_leaves(lambda leaf: _to_leaf(leaf, where), value)


def _to_leaf(value, where):
    if value is None or isinstance(value, (np.generic, DataLeaf)):
        return value.item() if isinstance(value, (np.str_, np.bytes_)) else value
    if isinstance(value, (str, bytes)):
        return value
    typed = _has_dtype(value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: expected arrays, or lists whose rows have one length, got a "
            f"{type(value).__name__} ({error}); use tuples or dicts for several arrays"
        ) from error
    if not typed and array.dtype == np.float64:
        array = array.astype(np.float32)
    elif not typed and array.dtype == np.int64 and (array == array.astype(np.int32)).all():
        array = array.astype(np.int32)
    if array.dtype.kind in "US":
        # Of a list once more, since NumPy's own texts lose the zeros at their ends.
        array = array.astype(object) if typed else np.array(value, object)
    kind = array.dtype.kind
    if kind not in "fiubcVO" or (
        kind == "O" and not all(isinstance(item, (str, bytes)) for item in array.flat)
    ):
        raise ValueError(
            f"{where}: expected numbers or texts, got a {type(value).__name__} of dtype "
            f"{array.dtype}; convert it to an array of numbers, or of str"
        )
    return array[()] if array.ndim == 0 else array


def _has_dtype(value):
    while isinstance(value, (list, tuple)) and len(value):
        value = value[0]
    return hasattr(value, "dtype")


def spec_of(element):
    """Return the nest of `TensorSpec`s of an element."""
    return map_leaves(_leaf_spec, element)


def _leaf_spec(leaf):
    if leaf is None:
        return None
    if isinstance(leaf, DataLeaf):
        return DatasetSpec(leaf.element_spec)
    if isinstance(leaf, (str, bytes)):
        return TensorSpec((), "string")
    return TensorSpec(leaf.shape, "string" if leaf.dtype == object else leaf.dtype)


def copied(element):
    """Return an element whose arrays may be written to."""
    return map_leaves(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, element)


def stacked(elements, where):
    """Return one element whose arrays hold those of several ones along a new first axis.

    Raises:
        ValueError: the elements differ in structure or in the shapes of their arrays.
    """
    try:
        return map_leaves(lambda *values: _stack(values, where), *elements)
    except ValueError as error:
        if str(error).startswith(where):
            raise
        raise ValueError(f"{where}: {error}") from None


def _stack(values, where):
    first = values[0]
    if isinstance(first, (str, bytes)):
        texts = np.empty(len(values), object)
        texts[:] = values
        return texts
    if first is None and all(value is None for value in values):
        return None
    if any(value is None or isinstance(value, DataLeaf) for value in values):
        raise ValueError(
            f"{where}: expected arrays, got {type(first).__name__}; use flat_map for data sets of "
            "data sets"
        )
    shapes = {np.shape(value) for value in values}
    if len(shapes) > 1:
        raise ValueError(
            f"{where}: expected elements of one shape, got {sorted(shapes)[:3]}; use padded_batch, "
            "or map them to one shape"
        )
    return np.stack(values)


def padded(elements, shapes, values, where):
    """Like `stacked`, but arrays are filled up at their ends first.

    Args:
        shapes: nest of the shapes to fill up to, None for the largest size of the batch; or None
            for that everywhere.
        values: nest of what to fill with, or one value for all; zero and the empty text when None.
    """
    first = elements[0]
    shapes = map_leaves(lambda _: None, first) if shapes is None else _shapes_like(first, shapes)
    if not is_nest(values):
        values = map_leaves(lambda _, value=values: value, first)
    return map_leaves(
        lambda _, shape, value, *arrays: _pad(arrays, shape, value, where),
        first,
        shapes,
        values,
        *elements,
    )


def count_rows(arrays, where):
    """The number of rows that all arrays of a nest have."""
    found = [leaf for leaf in leaves(arrays) if leaf is not None]
    counts = {np.shape(leaf)[:1] for leaf in found}
    if len(counts) != 1 or () in counts:
        raise ValueError(
            f"{where}: expected arrays with one same number of rows, got the shapes "
            f"{[np.shape(leaf) for leaf in found]}"
        )
    return counts.pop()[0]


class _Shape:
    """A shape as one leaf, since a tuple is a nest."""

    def __init__(self, sizes):
        self.sizes = sizes


def _shapes_like(nest, shapes):
    if isinstance(nest, Mapping):
        return {key: _shapes_like(value, shapes[key]) for key, value in nest.items()}
    if isinstance(nest, tuple):
        if len(nest) != len(shapes):
            raise _of_one_structure(nest, tuple(shapes))
        return tuple(_shapes_like(a, b) for a, b in zip(nest, shapes, strict=True))
    return _Shape(to_shape(shapes))


def with_shapes(spec, dtypes, shapes):
    """Return the nest of `spec(shape, dtype)` of a nest of dtypes and one of shapes.

    >>> with_shapes(TensorSpec, ("int32",), ([None, 2],))
    (TensorSpec(shape=(None, 2), dtype='int32'),)
    """
    shapes = _shapes_like(dtypes, shapes)
    return map_leaves(lambda dtype, shape: spec(shape.sizes, dtype), dtypes, shapes)


def _pad(arrays, shape, value, where):
    shapes = [np.shape(array) for array in arrays]
    if len({len(s) for s in shapes}) > 1:
        raise ValueError(f"{where}: expected elements of one rank, got the shapes {shapes[:3]}")
    largest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    wanted = (None,) * len(largest) if shape is None else shape.sizes
    if len(wanted) != len(largest) or any(
        w is not None and w < n for w, n in zip(wanted, largest, strict=True)
    ):
        raise ValueError(
            f"{where}(padded_shapes): expected a shape that holds {largest}, got {wanted}"
        )
    full = tuple(n if w is None else w for w, n in zip(wanted, largest, strict=True))
    text = isinstance(arrays[0], (str, bytes)) or arrays[0].dtype == object
    if value is None:
        value = "" if text else 0
    out = np.full((len(arrays), *full), value, object if text else arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True) if full else ():
        row[tuple(slice(n) for n in np.shape(array))] = array
    if not full:
        out[:] = arrays
    return out


def as_spec(element, spec, where):
    """Return an element in the dtypes of a nest of specs, once its shapes are seen to fit."""

    def fit(wanted, leaf):
        if wanted is None or isinstance(leaf, DataLeaf):
            return leaf
        leaf = _to_leaf(leaf, where)
        shape, dtype = to_shape(wanted.shape) if wanted.shape is not None else None, wanted.dtype
        if shape is not None and (
            len(shape) != np.ndim(leaf)
            or any(w is not None and w != n for w, n in zip(shape, np.shape(leaf), strict=True))
        ):
            raise ValueError(f"{where}: expected the shape {shape}, got {np.shape(leaf)}")
        name = _leaf_spec(leaf).dtype
        if (name == "string") != (standardize_dtype(dtype) == "string"):
            raise TypeError(f"{where}: expected {dtype}, got {name}")
        return leaf if name == "string" else leaf.astype(standardize_dtype(dtype))

    try:
        return map_leaves(fit, spec, element)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(where) else f"{where}: {text}") from None
