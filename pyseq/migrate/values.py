"""Code in the place of values, so that functions on arguments can be asked about source text.

Numbers, strings, tuples and lists that are written out are numbers, strings, tuples and lists with
their node; any other expression is an `Unknown`. `None` and booleans are themselves.
"""

from __future__ import annotations

import ast


class Unknown:
    """An expression whose value is not written out."""

    def __init__(self, node):
        self.node = node

    def __repr__(self):
        return ast.unparse(self.node)


class Made:
    """New code around some of the values: `template` has a `{}` for each of them."""

    def __init__(self, template, *parts):
        self.template = template
        self.parts = parts


class _Int(int):
    pass


class _Float(float):
    pass


class _Str(str):
    pass


class _Tuple(tuple):
    pass


class _List(list):
    pass


_KINDS = {int: _Int, float: _Float, str: _Str}


def value_of(node):
    """The value that stands for a node.

    >>> value_of(ast.parse("(3, x)", mode="eval").body)
    (3, x)
    """
    inner = node
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    if negative:
        inner = node.operand
    if isinstance(inner, ast.Constant):
        if inner.value is None or isinstance(inner.value, bool):
            return Unknown(node) if negative else inner.value
        kind = _KINDS.get(type(inner.value))
        if kind is None or (negative and kind is _Str):
            return Unknown(node)
        made = kind(-inner.value if negative else inner.value)
    elif isinstance(node, ast.Tuple):
        made = _Tuple(map(value_of, node.elts))
    elif isinstance(node, ast.List):
        made = _List(map(value_of, node.elts))
    else:
        return Unknown(node)
    made.node = node
    return made


def node_of(value):
    """The node that a value stands for, or None."""
    return getattr(value, "node", None)


def is_known(value):
    """Whether a value is written out in the source."""
    return not isinstance(value, Unknown)


def render(value, text_of):
    """The source text of a value; `text_of` gives that of a node."""
    node = node_of(value)
    if node is not None:
        return text_of(node)
    if isinstance(value, Made):
        return value.template.format(*(render(v, text_of) for v in value.parts))
    if isinstance(value, tuple):
        inner = [render(v, text_of) for v in value]
        return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
    if isinstance(value, str):
        return '"' + value + '"' if '"' not in value and "\\" not in value else repr(value)
    return repr(value)


def parts_of(value):
    """The values of the source that a value is made of."""
    if isinstance(value, Made):
        return value.parts
    return value if isinstance(value, tuple) and node_of(value) is None else (value,)
