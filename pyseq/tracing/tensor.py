"""Symbolic tensors: what user code is called with, once, to become ops of a program.

A program's values have the rows of a batch outermost. A tensor is *batched*, its shape begins with
None, or it is not: a weight, a constant, or what a reduction over the batch left. The value of an
unbatched tensor holds the same numbers in each row, so that a mean over rows gives them back.
Reshaping `(None, d, ...)` to `(-1, ...)` merges axes into the batch; the value keeps them as one
axis in front, and `lead` is 1.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from pyseq import dtypes, symbolic
from pyseq.variable import Variable

# What answers NumPy's protocols; the modules that append the ops fill it.
NUMPY = {}


class TraceError(TypeError):
    """User code that cannot become ops of a program."""


class Trace:
    """What the tensors of one call of user code share.

    Args:
        graph: the `lowering.Graph` that gets the ops.
        anchor: a value of it, whose rows unbatched tensors are repeated for.
        name: name of the layer or loss, for messages.
        dtype: what floats stand for in the code that is traced, where it is not `stored`.

    Attributes:
        stored: dtype of the floats of the program.
        places: what `across.places` made, or None.
    """

    places = None

    def __init__(self, graph, anchor, name, dtype=None):
        self.graph, self.anchor, self.name = graph, anchor, name
        self.stored = np.dtype(graph.dtype)
        self.dtype = np.dtype(dtypes.numpy_dtype(dtype)) if dtype else self.stored

    def __enter__(self):
        self._token = symbolic.trace.set(self)
        return self

    def __exit__(self, *_):
        symbolic.trace.reset(self._token)

    def takes(self, x):
        """True for what `tensor` makes symbolic without being asked: tensors and variables."""
        return isinstance(x, (Tensor, Variable))

    def tensor(self, x, dtype=None):
        """`x` (a tensor, variable, array or number) as a tensor of this trace."""
        if isinstance(x, Tensor):
            return x
        if isinstance(x, Variable):
            kind = self.dtype if x.is_float else x.dtype
            stored = x.stored_as(self.stored.name)
            value = self.graph.assigned.get(id(stored))
            return Tensor(self, value, False, kind, param=None if value else stored)
        constant = np.asarray(x)
        if constant.dtype.kind not in "fiub" and constant.dtype.name != "bfloat16":
            raise self.error(f"expected numbers, got {constant.dtype}")
        kind = constant.dtype if dtype is None else np.dtype(dtype)
        param = Variable(constant, dtype=self.stored.name, trainable=False, name="constant")
        return Tensor(self, None, False, kind, param=param, number=_number(constant))

    def input(self, value, dtype=None):
        """A value of the graph with a batch of rows, as a tensor."""
        return Tensor(self, value, True, dtype or value.dtype or self.dtype)

    def output(self, value):
        """What a layer gives, as a tensor of the dtype that it is handed out in."""
        return self.input(value, value.dtype or value.half or self.stored)

    def op(self, kind, inputs, shape, batched, dtype, lead=0, **attrs):
        value = self.graph.op(kind, inputs, shape, name=self.name, **attrs)
        return Tensor(self, value, batched, value.dtype or dtype, lead=lead)

    def error(self, problem, advice="write it with other functions of pyseq.ops"):
        return TraceError(f"{self.name}: {problem}, while tracing; {advice}")


def is_float(dtype):
    """Whether a NumPy dtype is one of floats; that of bfloat16 is of a kind of its own."""
    return dtype.kind == "f" or dtype.name == "bfloat16"


def common_dtype(*kinds):
    """The NumPy dtype of a result; NumPy does not know it for all 16-bit floats."""
    if any(kind.name in dtypes.HALF_DTYPES for kind in kinds):
        return np.dtype(dtypes.numpy_dtype(dtypes.result_type(*(kind.name for kind in kinds))))
    return np.result_type(*kinds)


def _number(constant):
    return constant.item() if constant.size == 1 and constant.ndim == 0 else None


class Tensor:
    """A symbolic array; NumPy's functions, operators and `pyseq.ops` work on it.

    Attributes:
        shape: with the batch as None, or without a batch where the tensor has none.
        dtype: what the numbers stand for; the program computes in one float type.
    """

    __array_priority__ = 200

    def __init__(self, trace, value, batched, dtype, lead=0, param=None, number=None):
        self.trace, self._value, self.batched, self.lead = trace, value, batched, lead
        self.dtype = np.dtype(dtypes.numpy_dtype(dtype))
        self.param, self.number = param, number

    # --- what it is

    @property
    def value(self):
        """The value of the graph; a weight is repeated for each row when it is asked for."""
        if self._value is None:
            graph, trace = self.trace.graph, self.trace
            shape, weights = self.param.shape, [self.param]
            self._value = graph.op(
                "variable", trace.anchor, shape, weights=weights, name=trace.name
            )
        return self._value

    @property
    def inner(self):
        """Shape of the value: without the batch, with a merged axis in front."""
        return tuple(self.param.shape) if self._value is None else self._value.shape

    @property
    def shape(self):
        return (None, *self.inner[self.lead :]) if self.batched else self.inner

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def size(self):
        return None if self.batched else math.prod(self.inner)

    @property
    def is_float(self):
        return is_float(self.dtype)

    def __len__(self):
        if not self.ndim:
            raise TypeError("len() of a tensor of rank 0")
        return self.known(self.shape[0], "len() of a batch")

    def __iter__(self):
        count = self.known(self.shape[0] if self.ndim else None, "a loop over the batch")
        return iter([self[i] for i in range(count)])

    def known(self, size, what):
        if size is None:
            raise self.trace.error(f"expected a known size, got {what}")
        return size

    def _unknown(self, *_, **__):
        raise self.trace.error(
            "expected code for any values, got `if`, a loop, a Python number or a NumPy array made "
            "of a tensor, whose values come later",
            "use pyseq.ops, such as where(condition, a, b), in its place",
        )

    __bool__ = __int__ = __float__ = __index__ = __array__ = numpy = item = tolist = _unknown

    def __repr__(self):
        return f"<traced tensor of {self.trace.name}, shape={self.shape}, dtype={self.dtype}>"

    # --- NumPy's protocols

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return NUMPY["ufunc"](self.trace, ufunc, method, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return NUMPY["function"](self.trace, function, args, kwargs)

    def __getitem__(self, key):
        return NUMPY["item"](self, key)

    # --- methods of arrays

    def astype(self, dtype, copy=True):
        """The same numbers, rounded towards 0 for integers, as 0 and 1 for bool."""
        dtype = np.dtype(dtypes.numpy_dtype(dtype))
        if dtype == self.dtype:
            return self
        if dtype.kind == "b":
            return np.not_equal(self, 0)
        if is_float(dtype):
            value = self.trace.graph.cast(self.value, dtype.name)
        else:
            value = (np.trunc(self) if self.is_float else self).value
            value = dataclasses.replace(value, dtype=dtype.name)
        return Tensor(self.trace, value, self.batched, dtype, self.lead)

    def reshape(self, *shape):
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return np.transpose(self, axes or None)

    T = property(transpose)

    def sum(self, axis=None, dtype=None, keepdims=False):
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis=None, dtype=None, keepdims=False):
        return np.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis=None, keepdims=False):
        return np.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis=None, keepdims=False):
        return np.min(self, axis=axis, keepdims=keepdims)

    def flatten(self):
        return np.reshape(self, -1)

    ravel = flatten

    def squeeze(self, axis=None):
        return np.squeeze(self, axis)


def _operator(ufunc, swapped=False):
    if swapped:
        return lambda self, other: ufunc(other, self)
    return lambda self, other: ufunc(self, other)


for _name, _ufunc in {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.logical_and,
    "or": np.logical_or,
    "xor": np.logical_xor,
}.items():
    setattr(Tensor, f"__{_name}__", _operator(_ufunc))
    setattr(Tensor, f"__r{_name}__", _operator(_ufunc, swapped=True))
for _name, _ufunc in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}.items():
    setattr(Tensor, f"__{_name}__", _operator(_ufunc))
Tensor.__hash__ = object.__hash__
Tensor.__neg__ = lambda self: np.negative(self)
Tensor.__pos__ = lambda self: self
Tensor.__abs__ = lambda self: np.abs(self)
Tensor.__invert__ = lambda self: np.logical_not(self)


def as_value(tensor):
    """The value of a tensor that has a batch and no merged axis, for a layer's input or output."""
    if not tensor.batched or tensor.lead:
        raise tensor.trace.error(
            f"expected a tensor (n, ...), with the batch in front, got shape {tensor.shape}"
        )
    dtype = None if tensor.is_float else tensor.dtype.name
    return dataclasses.replace(tensor.value, dtype=dtype).in_dtype(tensor.dtype.name)
