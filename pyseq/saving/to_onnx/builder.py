"""Nodes of an ONNX graph, put together and simplified as they are added."""

from __future__ import annotations

import dataclasses

import numpy as np

BATCH = None  # the first dimension, which is not known
_ALL = -1


@dataclasses.dataclass
class Node:
    """One node; a `Body` among its attributes is a graph of its own.

    Attributes:
        kind: the operator of ONNX.
        inputs, outputs: names of tensors; "" for one that is left out.
        attributes: `{name: number, text, list or Body}`.
        name: of the layer it belongs to, and a number.
    """

    kind: str
    inputs: list
    outputs: list
    attributes: dict
    name: str

    def reads(self):
        """Names of all tensors that it reads, those of its bodies included."""
        bodies = [a for a in self.attributes.values() if isinstance(a, Body)]
        return {*self.inputs, *(name for body in bodies for n in body.nodes for name in n.reads())}


@dataclasses.dataclass
class Body:
    """A graph that a node runs several times: names with dtypes go in and out."""

    nodes: list
    inputs: list
    outputs: list


@dataclasses.dataclass
class Op:
    """An op of a program with the names of its tensors, as the functions of the tables get it.

    Attributes:
        kind, name: of the op and of its layer.
        x: names of the inputs.
        shapes: shapes of one sample of each input.
        y_shapes: the same of the outputs.
        weights: the variables.
        attrs: numbers and texts, as the core's op takes them.
        int64: whether each input is int64.
        y_int64: whether the outputs are.
    """

    kind: str
    name: str
    x: list
    shapes: list
    y_shapes: list
    weights: list
    attrs: dict
    int64: list
    y_int64: bool

    def refuse(self, problem, advice):
        """Raise the error of an op that no graph of ONNX can do."""
        raise ValueError(
            f"{self.name}: expected ops that ONNX has, got {self.kind!r} {problem}; {advice}"
        )


def is_transpose(node):
    return node is not None and node.kind == "Transpose"


class Builder:
    """A graph of ONNX under construction.

    Tensors go by names. `shape(name)` is known of all: `None` first where the rows of the batch
    are counted.

    Args:
        dtype: "float32" or "float64".
        parent: the builder of the graph around a body, whose constants it shares.
    """

    def __init__(self, dtype, parent=None):
        self.dtype = dtype
        self.nodes = []
        self.scope = parent.scope if parent else ""
        self.constants = parent.constants if parent else {}
        self._values = parent._values if parent else {}
        self._taken = parent._taken if parent else set()
        self._shapes = parent._shapes if parent else {}
        self._made = {}
        self._turned = {}  # transpositions: (tensor, axes) to the tensor that came of it
        self._conditions = {}  # of 0.0 and 1.0: what they were made of
        self._parent = parent

    # --- names and constants

    def fresh(self, wanted):
        """A name that no tensor and no node has."""
        name, count = wanted, 1
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        return name

    def declare(self, name, shape):
        """Note the shape of a tensor that no node makes."""
        self._shapes[name] = tuple(shape)
        return name

    def shape(self, name):
        return self._shapes[name]

    def constant(self, value, dtype=None, name=None):
        """A tensor of the file; numbers are in the floats of the program unless `dtype` says."""
        array = np.ascontiguousarray(np.asarray(value, dtype or self.dtype))
        array = array.reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes(), name)
        if key not in self._values:
            given = self.fresh(name or f"{self.scope}/constant")
            self._values[key] = given
            self.constants[given] = array
            self._shapes[given] = array.shape
        return self._values[key]

    def integers(self, *values):
        """A list of int64."""
        return self.constant(list(values), "int64")

    def weight(self, variable, change=None):
        """The value of a variable under its path; `change` arranges it as an operator takes it."""
        array = np.asarray(variable.numpy()).astype(self.dtype)
        return self.constant(array if change is None else change(array), name=variable.path)

    # --- nodes

    def add(self, kind, inputs, shape, outputs=1, **attributes):
        """Append a node; the name of its output, or a list where there are several.

        `shape` is that of all outputs, or a list of shapes.
        """
        shapes = shape if isinstance(shape, list) else [shape] * outputs
        name = self.fresh(f"{self.scope}/{kind}")
        names = [name if i == 0 else self.fresh(f"{name}.{i}") for i in range(len(shapes))]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        node = Node(kind, list(inputs), names, attributes, name)
        self.nodes.append(node)
        for made, its in zip(names, shapes, strict=True):
            self._made[made] = node
            self._shapes[made] = tuple(its)
        return names if isinstance(shape, list) else names[0]

    def maker(self, name):
        """The node of this graph that makes a tensor, or None."""
        return self._made.get(name)

    def through(self, kind, *inputs, **attributes):
        """An element-wise node; the transposition in front of all inputs is put behind it.

        Inputs that are constants of no dimension are left where they are.
        """
        moving = [x for x in inputs if self.shape(x) != () or x not in self.constants]
        before, perm = self._in_front(moving)
        if before is not None:
            y = self._elementwise(kind, [before.get(x, x) for x in inputs], attributes)
            return self.transpose(y, perm)
        return self._elementwise(kind, inputs, attributes)

    def _elementwise(self, kind, inputs, attributes):
        shape = np.broadcast_shapes(*(self._sizes(x) for x in inputs))
        shape = tuple(BATCH if d == self._ROWS else d for d in shape)
        return self.add(kind, inputs, shape, **attributes)

    def _in_front(self, tensors):
        """`({tensor: what it is a transposition of}, its axes)`; `(None, None)` where they differ.

        The inverse of a transposition that is there already is as good.
        """
        perms = {tuple(n.attributes["perm"]) for n in map(self.maker, tensors) if is_transpose(n)}
        if len(perms) != 1:
            return None, None
        (perm,) = perms
        back = tuple(sorted(range(len(perm)), key=perm.__getitem__))
        before = {}
        for x in tensors:
            node = self.maker(x)
            before[x] = node.inputs[0] if is_transpose(node) else self._turned.get((x, back))
        return (None, None) if None in before.values() else (before, perm)

    # A size that no dimension has stands for the rows of the batch.
    _ROWS = 7_919_000_017

    def _sizes(self, x):
        return [self._ROWS if d is BATCH else d for d in self.shape(x)]

    # --- what is used everywhere

    def cast(self, x, dtype):
        """`x` as "float", "int64", "bool" or a name of NumPy's."""
        if dtype == "bool" and x in self._conditions:
            return self._conditions[x]
        dtype = self.dtype if dtype == "float" else dtype
        return self.add("Cast", [x], self.shape(x), to=np.dtype(dtype))

    def number(self, kind, x, number, swap=False):
        """An element-wise node of a tensor and a number."""
        c = self.constant(number)
        return self.through(kind, c, x) if swap else self.through(kind, x, c)

    def reshape(self, x, dims):
        """`x` with `dims` behind the rows; what a reshape in front of it made is read instead."""
        node = self.maker(x)
        if node is not None and node.kind == "Reshape":
            x = node.inputs[0]
        target = (BATCH, *dims)
        if self.shape(x) == target:
            return x
        if 0 in dims:
            raise ValueError(
                f"{self.scope}: expected sizes above 0 for ONNX, got shape {tuple(dims)}; leave "
                "empty values out of the model"
            )
        return self.add("Reshape", [x, self.integers(_ALL, *dims)], target)

    def transpose(self, x, perm):
        """`x` with its axes, the first one included, in another order; inverse ones cancel."""
        perm = list(perm)
        node = self.maker(x)
        if is_transpose(node):
            before = node.attributes["perm"]
            x, perm = node.inputs[0], [before[p] for p in perm]
        if perm == sorted(perm):
            return x
        key = x, tuple(perm)
        if key not in self._turned:
            shape = tuple(self.shape(x)[p] for p in perm)
            self._turned[key] = self.add("Transpose", [x], shape, perm=perm)
        return self._turned[key]

    def channels_first(self, x):
        """(N, ..., C) as (N, C, ...)."""
        rank = len(self.shape(x))
        return self.transpose(x, [0, rank - 1, *range(1, rank - 1)])

    def channels_last(self, x):
        """(N, C, ...) as (N, ..., C)."""
        rank = len(self.shape(x))
        return self.transpose(x, [0, *range(2, rank), 1])

    def reduce(self, kind, x, axes, keep=True):
        """A reduction over axes of the tensor, the first one included."""
        axes = sorted(a % len(self.shape(x)) for a in axes)
        shape = [
            1 if i in axes else d
            for i, d in enumerate(self.shape(x))
            if keep or i not in axes
        ]
        return self.add(
            kind, [x, self.integers(*axes)], tuple(shape), keepdims=int(keep)
        )

    def slice(self, x, axes, begin, end, step):
        """Part of `x` along some axes."""
        shape = list(self.shape(x))
        for axis, b, e, s in zip(axes, begin, end, step, strict=True):
            shape[axis] = len(range(b, e, s))
        last = -(2**63)  # before the first element
        lists = (begin, [last if e < 0 else e for e in end], axes, step)
        return self.add("Slice", [x, *(self.integers(*v) for v in lists)], tuple(shape))

    def gather(self, x, index, axis):
        """The places `index`, an array, of `x` along an axis; its shape takes the axis's place."""
        shape = self.shape(x)
        index = np.asarray(index, "int64")
        shape = (*shape[:axis], *index.shape, *shape[axis + 1 :])
        return self.add("Gather", [x, self.constant(index, "int64")], shape, axis=axis)

    def where(self, condition, a, b):
        """a where `condition` (bool), else b; a number may stand for either."""
        a, b = (v if isinstance(v, str) else self.constant(v) for v in (a, b))
        return self.through("Where", condition, a, b)

    def flags(self, condition):
        """A condition as 0.0 and 1.0."""
        y = self.cast(condition, "float")
        self._conditions[y] = condition
        return y

    def row_count(self, x):
        """The number of rows as a list of one int64."""
        return self.add("Shape", [x], (1,), start=0, end=1)

    def expand(self, x, rows_of, dims):
        """`x` (a constant or (1, ...)) once for each row of `rows_of`."""
        parts = [self.row_count(rows_of)]
        if dims:
            parts.append(self.integers(*dims))
        sizes = parts[0] if not dims else self.add("Concat", parts, (len(dims) + 1,), axis=0)
        return self.add("Expand", [x, sizes], (BATCH, *dims))

    def aligned(self, x, rank):
        """`x` with 1s behind the rows, so that a sample has `rank` dimensions."""
        dims = self.shape(x)[1:]
        return self.reshape(x, (1,) * (rank - len(dims)) + dims)
