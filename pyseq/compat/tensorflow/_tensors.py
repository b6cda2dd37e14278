"""Arrays, shapes, dtypes and variables that answer as those of TensorFlow do."""

from __future__ import annotations

import numpy as np

from pyseq import dtypes, symbolic
from pyseq.ops import convert_to_tensor
from pyseq.utils import elements
from pyseq.variable import Variable as PlainVariable


class TensorShape(tuple):
    """A shape: a tuple with None for sizes that are not known.

    >>> TensorShape([None, 3]).as_list(), TensorShape([2, 3]).num_elements()
    ([None, 3], 6)
    """

    __slots__ = ()

    def __new__(cls, dims=()):
        return super().__new__(cls, elements.to_shape(dims))

    def as_list(self):
        """Return the sizes as a list."""
        return list(self)

    @property
    def rank(self):
        """Number of axes."""
        return len(self)

    ndims = rank
    dims = property(as_list)

    def num_elements(self):
        """Return the number of elements, None where a size is not known."""
        return int(np.prod(self)) if self.is_fully_defined() else None

    def is_fully_defined(self):
        """Whether all sizes are known."""
        return None not in self

    def concatenate(self, other):
        """Return a shape with the axes of another one behind these."""
        return TensorShape((*self, *other))

    def __getitem__(self, key):
        part = super().__getitem__(key)
        return TensorShape(part) if isinstance(key, slice) else part

    __add__ = concatenate

    def __radd__(self, other):
        return TensorShape((*other, *self))

    def __repr__(self):
        return f"TensorShape({list(self)})"


class DType:
    """A dtype; NumPy and pyseq take it wherever they take one.

    Attributes:
        name: as `"float32"`.

    >>> DType("float32") == np.dtype("float32"), np.zeros(1, DType("int8")).dtype
    (True, dtype('int8'))
    """

    def __init__(self, name):
        self.name = name

    @property
    def dtype(self):
        """The dtype of NumPy; object for texts."""
        return np.dtype(object if self.name == "string" else dtypes.numpy_dtype(self.name))

    as_numpy_dtype = property(lambda self: self.dtype.type)
    is_floating = property(lambda self: self.name in dtypes.FLOAT_DTYPES)
    is_integer = property(lambda self: self.name in dtypes.INT_DTYPES)
    is_complex = property(lambda self: self.name.startswith("complex"))
    is_bool = property(lambda self: self.name == "bool")
    size = property(lambda self: self.dtype.itemsize)

    def _limits(self):
        return np.finfo(self.dtype) if self.is_floating else np.iinfo(self.dtype)

    min = property(lambda self: self._limits().min)
    max = property(lambda self: self._limits().max)

    def __eq__(self, other):
        try:
            return self.dtype == (other.dtype if isinstance(other, DType) else np.dtype(other))
        except TypeError:
            return self.name == other

    def __hash__(self):
        return hash(self.dtype)

    def __repr__(self):
        return f"tf.{self.name}"

    def __str__(self):
        return f"<dtype: '{self.name}'>"


def as_dtype(value):
    """Return the `DType` of a name, a NumPy dtype or another one.

    >>> as_dtype(np.int64)
    tf.int64
    """
    if isinstance(value, DType):
        return value
    texts = not isinstance(value, str) and np.dtype(value) == object
    return DType("string" if texts else dtypes.standardize_dtype(value))


class Tensor(np.ndarray):
    """An array with what `tf.Tensor` has beyond one of NumPy: `.numpy()`, `.shape.as_list()`.

    Parts of it are of this class too, down to single numbers. Beside a float tensor, other floats
    do not widen its dtype.

    >>> x = as_tensor(np.float32([1, 2]))
    >>> x[0].numpy(), (x * np.float64(2)).dtype
    (np.float32(1.0), dtype('float32'))
    """

    @property
    def shape(self):
        """Sizes of the axes."""
        return TensorShape(np.ndarray.shape.__get__(self))

    def get_shape(self):
        """Return `shape`."""
        return self.shape

    def set_shape(self, shape):
        """Check the shape.

        Raises:
            ValueError: it is another one.
        """
        known = elements.to_shape(shape)
        own = self.shape
        if len(known) != len(own) or any(k not in (None, n) for k, n in zip(known, own)):
            raise ValueError(f"set_shape: expected the shape {tuple(own)}, got {known}")

    def numpy(self):
        """Return an array of NumPy, or its scalar; texts as bytes."""
        if self.dtype != object:
            return np.array(self)[()]
        texts = np.empty(np.shape(self), object)
        texts[...] = _ENCODE(np.asarray(self))
        return texts[()]

    def __fspath__(self):
        """Return a single text as a path.

        Raises:
            TypeError: it is none.
        """
        path = self.item() if self.size == 1 else self
        if not isinstance(path, (str, bytes)):
            raise TypeError(f"open: expected the path of a file, got {self!r}")
        return path

    def __getitem__(self, key):
        return as_tensor(np.asarray(self)[key])

    def __iter__(self):
        if not self.ndim:
            raise TypeError("Tensor: expected at least one axis to loop over, got a single number")
        return (self[i] for i in range(len(self)))

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if not all(isinstance(x, _OPERANDS) for x in inputs):
            return NotImplemented
        texts = any(isinstance(x, np.ndarray) and x.dtype == object for x in inputs)
        if texts and ufunc in (np.equal, np.not_equal):
            # The same text as str and as bytes is equal: all are bytes to TensorFlow.
            inputs = [_ENCODE(np.asarray(x, object)) for x in inputs]
        elif method == "__call__" and ufunc in _MATCHING:
            inputs = operands(inputs)
        inputs = [np.asarray(x) if isinstance(x, Tensor) else x for x in inputs]
        if out is not None:
            kwargs["out"] = tuple(np.asarray(x) if isinstance(x, Tensor) else x for x in out)
        return as_tensor(getattr(ufunc, method)(*inputs, **kwargs))

    def __array_function__(self, function, types, args, kwargs):
        # As of tensors of TensorFlow, functions of NumPy return arrays of NumPy.
        return function(*_plain(args), **_plain(kwargs))

    def __repr__(self):
        return f"<tf.Tensor: {self._what()}, numpy={self.numpy()!r}>"

    def __str__(self):
        return f"tf.Tensor({self.numpy()}, {self._what()})"

    def _what(self):
        sizes = ", ".join(map(str, self.shape)) + ("," if self.ndim == 1 else "")
        return f"shape=({sizes}), dtype={as_dtype(self.dtype).name}"


def _plain(value):
    if isinstance(value, Tensor):
        return np.asarray(value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value


def _encoded(text):
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


_ENCODE = np.frompyfunc(_encoded, 1, 1)
_OPERANDS = (np.ndarray, np.generic, bool, int, float, complex, str, bytes, list, tuple)
# Of these the operands become one dtype.
_MATCHING = frozenset(
    (np.add, np.subtract, np.multiply, np.true_divide, np.floor_divide, np.mod, np.power)
    + (np.matmul, np.maximum, np.minimum, np.equal, np.not_equal, np.less, np.less_equal)
    + (np.greater, np.greater_equal)
)
_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul".split()

for _name in _ARITHMETIC:
    # Tensors do not change: `x += 1` leaves others that were `x` as they are.
    setattr(Tensor, f"__i{_name}__", getattr(np.ndarray, f"__{_name}__"))


def as_tensor(value):
    """Return arrays, numbers of NumPy and texts, in tuples, lists and dicts too, as tensors.

    What is none of these is returned as it is.

    >>> as_tensor({"a": np.ones(2)})["a"].shape
    TensorShape([2])
    """
    if isinstance(value, np.ndarray):
        return value if type(value) is Tensor else np.asarray(value).view(Tensor)
    if isinstance(value, np.generic):
        return np.asarray(value).view(Tensor)
    if isinstance(value, (str, bytes)):
        return np.array(value, object).view(Tensor)
    if isinstance(value, dict):
        return {key: as_tensor(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        parts = map(as_tensor, value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def operands(values):
    """Return values as arrays of one dtype: that of the tensors, which others take.

    Where one of them is symbolic, a text or a bool, they keep their own.
    """
    values = list(values)
    if any(map(symbolic.is_traced, values)):
        return values
    arrays = [_to_array(value) for value in values]
    if any(array.dtype.kind not in "fiu" for array in arrays):
        return arrays
    for kinds in (Tensor, PlainVariable), np.ndarray, object:
        fixed = [a for a, v in zip(arrays, values) if isinstance(v, kinds)]
        if fixed:
            break
    name = dtypes.result_type(*(a.dtype.name for a in fixed))
    if not dtypes.is_float_dtype(name) and any(a.dtype.kind == "f" for a in arrays):
        name = dtypes.result_type(name, float)
    return [a.astype(dtypes.numpy_dtype(name), copy=False) for a in arrays]


def _to_array(value):
    if isinstance(value, (str, bytes)):
        return np.array(value, object)
    array = np.asarray(convert_to_tensor(value))
    return array.astype(object) if array.dtype.kind in "US" else array


class _Assignable(Tensor):
    """Part of a variable: a tensor whose `assign` writes to the variable.

    >>> v = Variable([1.0, 2.0])
    >>> v[0].assign(3.0).numpy().tolist()
    [3.0, 2.0]
    """

    _variable = _key = None  # of results of operators, which are parts of no variable

    def assign(self, value):
        """Overwrite the part; returns the variable."""
        if self._variable is None:
            raise AttributeError(
                "assign: expected part of a variable, as v[0].assign(value), got what was computed "
                "from one; call assign on the part itself"
            )
        whole = self._variable.numpy()
        whole[self._key] = np.asarray(convert_to_tensor(value))
        return self._variable.assign(whole)

    def assign_add(self, value):
        """Add to the part; returns the variable."""
        return self.assign(np.asarray(self) + np.asarray(value))

    def assign_sub(self, value):
        """Subtract from the part; returns the variable."""
        return self.assign(np.asarray(self) - np.asarray(value))


class Variable(PlainVariable):
    """A variable with the arguments of `tf.Variable`, whose operators give tensors.

    >>> v = Variable([1.0, 2.0], name="v")
    >>> (v * 2).numpy().tolist(), v.assign_add([1.0, 1.0]).numpy().tolist()
    ([2.0, 4.0], [2.0, 3.0])
    """

    def __init__(
        self,
        initial_value,
        trainable=True,
        validate_shape=True,
        caching_device=None,
        name=None,
        variable_def=None,
        dtype=None,
        **kwargs,
    ):
        value = initial_value() if callable(initial_value) else initial_value
        value = np.asarray(convert_to_tensor(value, dtype))
        super().__init__(value, dtype=value.dtype.name, trainable=trainable, name=name)

    @property
    def shape(self):
        """Sizes of the axes."""
        return TensorShape(super().shape)

    def read_value(self):
        """Return the value as a tensor."""
        return as_tensor(self.numpy())

    def __getitem__(self, key):
        part = super().__getitem__(key)
        if symbolic.is_traced(part):
            return part
        part = np.array(part).view(_Assignable)
        part._variable, part._key = self, key
        return part


def _wrapped(name):
    method = getattr(PlainVariable, name)
    return lambda self, *args: as_tensor(method(self, *args))


for _name in (
    *_ARITHMETIC,
    *(f"r{name}" for name in _ARITHMETIC),
    *"eq ne lt le gt ge neg abs".split(),
):
    setattr(Variable, f"__{_name}__", _wrapped(f"__{_name}__"))
Variable.__hash__ = PlainVariable.__hash__
