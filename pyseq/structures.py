"""Values in lists, tuples and dicts within each other."""

from __future__ import annotations


def map_structure(function, value):
    """`value` with `function` applied to what lies in its lists, tuples and dicts.

    >>> map_structure(lambda x: x + 1, {"a": [1, 2]})
    {'a': [2, 3]}
    """
    if isinstance(value, dict):
        return {k: map_structure(function, v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_structure(function, v) for v in value))
    if isinstance(value, (list, tuple)):
        return type(value)(map_structure(function, v) for v in value)
    return function(value)


def leaves(value):
    """What lies in the lists, tuples and dicts of `value`, in order.

    >>> leaves({"a": [1, (2, 3)]})
    [1, 2, 3]
    """
    found = []
    map_structure(found.append, value)
    return found


def packed(structure, values):
    """The reverse of `leaves`: `values` in the structure of another value.

    >>> packed({"a": [1, (2, 3)]}, "xyz")
    {'a': ['x', ('y', 'z')]}
    """
    following = iter(values)
    return map_structure(lambda _: next(following), structure)


def same_structure(a, b):
    """Whether two values have their parts in the same lists, tuples and dicts.

    >>> same_structure([1, (2,)], [3, (4,)]), same_structure([1], 1)
    (True, False)
    """
    if isinstance(a, dict):
        alike = isinstance(b, dict) and a.keys() == b.keys()
        return alike and all(same_structure(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        alike = type(a) is type(b) and len(a) == len(b)
        return alike and all(map(same_structure, a, b))
    return not isinstance(b, (dict, list, tuple))
