"""Functions over nested lists, tuples and dicts, under the names of `keras.tree`.

The parts of a dict come in the order of its sorted keys, those of an `OrderedDict` in its own.

>>> flatten({"b": [2, 3], "a": 1})
[1, 2, 3]
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyseq.types import Tensor


class _MapToNone:
    """What a function of `traverse` returns to put None in the place of a part."""


MAP_TO_NONE = _MapToNone()


def is_nested(structure: Any) -> bool:
    """True for lists, tuples and dicts.

    >>> is_nested([1]), is_nested("ab")
    (True, False)
    """
    return isinstance(structure, (list, tuple, dict))


def _keys(structure):
    if not isinstance(structure, dict):
        return range(len(structure))
    if isinstance(structure, collections.OrderedDict):
        return list(structure)
    try:
        return sorted(structure)
    except TypeError:
        return list(structure)


def _children(structure):
    return [(key, structure[key]) for key in _keys(structure)]


def _like(structure, values):
    """`values`, in the order of `_children`, in a container like `structure`."""
    if isinstance(structure, dict):
        found = dict(zip(_keys(structure), values))
        ordered = [(key, found[key]) for key in structure]
        if isinstance(structure, collections.defaultdict):
            return type(structure)(structure.default_factory, ordered)
        return type(structure)(ordered)
    if hasattr(structure, "_fields"):
        return type(structure)(*values)
    return type(structure)(values)


def flatten(structure: Any) -> list[Any]:
    """Return the leaves as a list; what is not nested is the only leaf."""
    return [leaf for _, leaf in flatten_with_path(structure)]


def flatten_with_path(structure: Any) -> list[tuple[Any, ...]]:
    """Return `(path, leaf)` pairs, a path being the keys and indices that lead to the leaf.

    >>> flatten_with_path({"a": [7]})
    [(('a', 0), 7)]
    """
    if not is_nested(structure):
        return [((), structure)]
    return [
        ((key, *path), leaf)
        for key, child in _children(structure)
        for path, leaf in flatten_with_path(child)
    ]


def map_structure(func: Any, *structures: Any, none_is_leaf: bool = True) -> Any:
    """Return a structure of `func(leaf, ...)` for the leaves in the same places of all structures.

    Where the first structure has a leaf, the others may have more in its place.

    Args:
        func: takes one leaf of each structure.
        none_is_leaf: whether `func` gets None too; else None stays, where it is None in all.

    Raises:
        TypeError: `func` cannot be called.
        ValueError: no structure is given, or they differ.

    >>> map_structure(lambda a, b: a + b, [1, (2,)], [3, (4,)])
    [4, (6,)]
    """
    _expect_function("map_structure", func)
    if not structures:
        raise ValueError("map_structure: expected at least one structure, got none")

    def visit(parts):
        if is_nested(parts[0]):
            for part in parts[1:]:
                _expect_alike("map_structure", parts[0], part)
            columns = [[part[key] for key in _keys(part)] for part in parts]
            return _like(parts[0], [visit(row) for row in zip(*columns)])
        if not none_is_leaf and all(part is None for part in parts):
            return None
        return func(*parts)

    return visit(structures)


def map_structure_up_to(shallow_structure: Any, func: Any, *structures: Any) -> Any:
    """Return a structure of `func` for the parts of others where `shallow_structure` has leaves.

    Raises:
        TypeError: `func` cannot be called.
        ValueError: no structure is given, or one does not begin like the shallow one.
    """
    _expect_function("map_structure_up_to", func)
    if not structures:
        raise ValueError("map_structure_up_to: expected at least one structure, got none")

    def visit(shallow, parts):
        if not is_nested(shallow):
            return func(*parts)
        for part in parts:
            _expect_alike("map_structure_up_to", shallow, part)
        columns = [[part[key] for key in _keys(part)] for part in parts]
        rows = zip((child for _, child in _children(shallow)), zip(*columns))
        return _like(shallow, [visit(child, row) for child, row in rows])

    return visit(shallow_structure, structures)


def assert_same_structure(a: Tensor, b: Tensor, check_types: Any = None) -> None:
    """Raise a ValueError unless both are nested in the same way; kinds of containers count.

    >>> assert_same_structure([1, {"a": 2}], [3, {"a": 4}])
    """
    if not is_nested(a) and not is_nested(b):
        return
    _expect_alike("assert_same_structure", a, b)
    for key in _keys(a):
        assert_same_structure(a[key], b[key])


def assert_same_paths(a: Tensor, b: Tensor) -> None:
    """Raise a ValueError unless the leaves of both have the same paths; kinds may differ."""
    left, right = ({path for path, _ in flatten_with_path(s)} for s in (a, b))
    if left != right:
        first, second = sorted(left - right, key=str), sorted(right - left, key=str)
        raise ValueError(
            f"assert_same_paths: expected leaves at the same paths, got {first} in the first and "
            f"{second} in the second only"
        )


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """Return the values of a list in the structure of another value: the reverse of `flatten`.

    Raises:
        TypeError: `flat_sequence` is not a list or tuple.
        ValueError: it has another number of values.

    >>> pack_sequence_as({"a": (0, 0)}, [1, 2])
    {'a': (1, 2)}
    """
    if not isinstance(flat_sequence, (list, tuple)):
        raise TypeError(
            f"pack_sequence_as: expected a list of values, got {type(flat_sequence).__name__}"
        )
    count = len(flatten(structure))
    if count != len(flat_sequence):
        raise ValueError(
            f"pack_sequence_as: expected {count} values for the structure, got {len(flat_sequence)}"
        )
    following = iter(flat_sequence)
    return map_structure(lambda _: next(following), structure)


def traverse(func: Any, structure: Any, top_down: bool = True) -> Any:
    """Return a structure with what `func` returns for each container and leaf that it changes.

    `func` returns None for what stays (with its parts visited), `MAP_TO_NONE` for None, else what
    comes in its place, whose parts are not visited.

    Raises:
        TypeError: `func` cannot be called.
    """
    _expect_function("traverse", func)

    def answer(part):
        changed = func(part)
        return changed, None if changed is MAP_TO_NONE else changed

    def visit(part):
        if top_down:
            changed, value = answer(part)
            if changed is not None:
                return value
        if is_nested(part):
            part = _like(part, [visit(child) for _, child in _children(part)])
        if top_down:
            return part
        changed, value = answer(part)
        return part if changed is None else value

    return visit(structure)


def lists_to_tuples(structure: Any) -> Any:
    """Return the structure with tuples for lists.

    >>> lists_to_tuples([1, [2]])
    (1, (2,))
    """

    def convert(part):
        return tuple(part) if isinstance(part, list) else None

    return traverse(convert, structure, top_down=False)


def map_shape_structure(func: Any, structure: Any) -> Any:
    """Return a structure of `func(shape)` for each shape: a tuple or list of integers and None.

    Raises:
        ValueError: `func` cannot be called.

    >>> map_shape_structure(len, {"a": (None, 3)})
    {'a': 2}
    """
    if not callable(func):
        raise ValueError(f"map_shape_structure: expected a function, got {func!r}")

    def is_shape(part):
        return isinstance(part, (list, tuple)) and all(
            d is None or isinstance(d, int) for d in part
        )

    def visit(part):
        if is_shape(part):
            return func(tuple(part))
        if is_nested(part):
            return _like(part, [visit(child) for _, child in _children(part)])
        raise ValueError(f"map_shape_structure: expected shapes, got {part!r}")

    return visit(structure)


def _expect_function(where, func):
    if not callable(func):
        raise TypeError(f"{where}: expected a function, got {func!r}")


def _expect_alike(where, a, b):
    same = is_nested(a) == is_nested(b)
    if same and is_nested(a):
        kinds = [dict if isinstance(s, dict) else type(s) for s in (a, b)]
        same = kinds[0] is kinds[1] and list(_keys(a)) == list(_keys(b))
    if not same:
        raise ValueError(f"{where}: expected values nested in the same way, got {a!r} and {b!r}")


__all__ = [
    "MAP_TO_NONE", "assert_same_paths", "assert_same_structure", "flatten", "flatten_with_path",
    "is_nested", "lists_to_tuples", "map_shape_structure", "map_structure", "map_structure_up_to",
    "pack_sequence_as", "traverse",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
