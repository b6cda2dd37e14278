"""Layers of Keras that cannot stand in a straight line.

Merging ones serve within users' layers, the others are errors that say so.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, ops
from pyseq.layers.base import Layer
from pyseq.layers.keras_tensor import KerasTensor, is_keras_tensor
from pyseq.layers.reshaping import positive_axes
from pyseq.registry.registration import builtin
from pyseq.structures import map_structure
from pyseq.symbolic import as_array, is_traced

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Axis, Config, LayerArguments, Tensor


def mask_of(x):
    """The mask that a tensor carries from a layer such as `Embedding(mask_zero=True)`."""
    if not is_traced(x) or not x.batched:
        return None
    mask = x.value.mask
    return None if mask is None else x.trace.input(mask, "bool")


def with_mask(x, mask):
    """The tensor `x` carrying `mask`, a tensor or None."""
    return x.trace.input(x.value.with_mask(None if mask is None else mask.value), x.dtype)


def batch_dot(x, y, axes=None):
    """Products of the rows of a batch, summed over one axis of each."""
    if axes is None:
        axes = (x.ndim - 1, max(y.ndim - 2, 1))
    axes = (axes, axes) if isinstance(axes, int) else tuple(axes)
    first = [chr(ord("b") + i) for i in range(x.ndim - 1)]
    second = [chr(ord("n") + i) for i in range(y.ndim - 1)]
    second[axes[1] % y.ndim - 1] = first[axes[0] % x.ndim - 1]
    summed = first[axes[0] % x.ndim - 1]
    result = [letter for letter in (*first, *second) if letter != summed]
    out = ops.einsum(f"a{''.join(first)},a{''.join(second)}->a{''.join(result)}", x, y)
    return out if result else ops.expand_dims(out, -1)


def l2_normalize(x, axis=None):
    """x divided by its length along `axis`."""
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))


class ManyInputs(Layer):
    """A layer of several inputs: for arrays, and for tensors within a user's layer."""

    mask_policy = "pass"

    @classmethod
    def refusal(cls) -> str:
        return (
            f"{cls.__name__}: expected a layer with one input and one output, got one of several "
            "inputs; a Sequential is a straight line of layers: use it in the `call` of a layer or "
            "Model of your own, or a library with a functional API, such as Keras, for models that "
            "branch"
        )

    def check_place(self) -> Any:
        raise ValueError(self.refusal())

    def run(self, inputs: Tensor, kwargs: Any, apart: bool = False) -> Any:
        """Build and call the layer; `apart`: inputs are arguments of their own, not a list."""
        symbolic = [x for x in inputs if is_keras_tensor(x)]
        if not symbolic:
            inputs = [as_array(x) for x in inputs]
        shapes = [tuple(x.shape) for x in inputs]
        if not self.built:
            self.build(*shapes) if apart else self.build(shapes)
        if not symbolic:
            return self._answer_to(inputs, kwargs, apart)
        path = (*symbolic[0].path, self)
        outputs = tuple(
            KerasTensor(shape, self.compute_dtype, self.name, path)
            for shape in self.output_shapes(shapes, kwargs, apart)
        )
        outputs = outputs if len(outputs) > 1 else outputs[0]
        self.keep_tensors(list(inputs), outputs)
        return outputs

    def _answer_to(self, inputs, kwargs, apart):
        """The call; arrays of floats come and go in the dtype of the layer."""
        casts = self.autocast and self.compute_dtype in dtypes.FLOAT_DTYPES
        if casts := casts and not any(map(is_traced, inputs)):
            inputs = [
                dtypes.rounded(x, self.compute_dtype).astype(self.arithmetic_dtype)
                if dtypes.is_float_dtype(x.dtype) else x for x in inputs
            ]
        y = self.call(*inputs, **kwargs) if apart else self.call(inputs, **kwargs)
        return map_structure(self._handed_array, y) if casts else y

    def _handed_array(self, y):
        return dtypes.rounded(y, self.compute_dtype) if dtypes.is_float_dtype(y.dtype) else y

    def output_shapes(self, shapes: Any, kwargs: Any, apart: Any) -> Any:
        """Of each output of a call with inputs of these shapes."""
        shape = self.compute_output_shape(*shapes) if apart else self.compute_output_shape(shapes)
        return [shape]


def _shapes(where, shapes, exactly=None):
    """`shapes` as tuples, where they are those of a list of inputs."""
    count = len(shapes) if isinstance(shapes, (list, tuple)) else 0
    listed = count and all(isinstance(shape, (list, tuple)) for shape in shapes)
    if not listed or (exactly is not None and count != exactly):
        rule = f"exactly {exactly} inputs" if exactly else "one input or more"
        raise ValueError(f"{where}: expected a list of {rule}, got shapes {shapes}")
    return [tuple(shape) for shape in shapes]


def _rows(where, shapes):
    """The size of the batch of inputs of `shapes`, or None."""
    batch = {shape[0] for shape in shapes if shape} - {None}
    if len(batch) > 1:
        raise ValueError(f"{where}: expected inputs of as many rows, got shapes {shapes}")
    return next(iter(batch), None)


class _Merge(ManyInputs):
    """One output for a list of inputs."""

    def __call__(self, inputs: Tensor, **kwargs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(self.refusal())
        # Each call, as a built layer takes inputs of other shapes too.
        self.compute_output_shape([np.shape(x) if _is_plain(x) else tuple(x.shape) for x in inputs])
        y = self.run(inputs, {})
        masks = [mask_of(x) for x in inputs]
        if not is_traced(y) or not y.batched or all(m is None for m in masks):
            return y
        return with_mask(y, self.compute_mask(inputs, masks))

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Any:
        """Where any of the inputs counts, None where one of them has no mask."""
        masks = self._masks(inputs, mask)
        if any(m is None for m in masks):
            return None
        return functools.reduce(np.logical_or, masks)

    def _masks(self, inputs, mask):
        if mask is None:
            return [None] * len(inputs)
        for what, value in (("mask", mask), ("inputs", inputs)):
            if not isinstance(value, (list, tuple)):
                raise ValueError(
                    f"{self.name}.compute_mask: expected `{what}` to be a list, got "
                    f"{type(value).__name__}; give one for each input"
                )
        if len(mask) != len(inputs):
            raise ValueError(
                f"{self.name}.compute_mask: expected as many masks as inputs, got {len(mask)} for "
                f"{len(inputs)}; pass None for an input without one"
            )
        return [None if m is None else as_array(m) for m in mask]


def _is_plain(x):
    return not hasattr(x, "shape")


class _Elementwise(_Merge):
    """One function of the elements of inputs that broadcast, axes being added after the batch."""

    _inputs = None

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = _shapes(self.name, input_shape, self._inputs)
        batch = _rows(self.name, shapes)
        rank = max(map(len, shapes))
        inner = [(*[1] * (rank - len(shape)), *shape[1:]) for shape in shapes]
        result = []
        for sizes in zip(*inner, strict=True):
            known = {d for d in sizes if d not in (None, 1)}
            if len(known) > 1:
                raise ValueError(
                    f"{self.name}: expected shapes that broadcast, got {shapes}; sizes along an "
                    "axis are equal, or 1"
                )
            result.append(None if None in sizes else next(iter(known), 1))
        return (batch, *result)

    def call(self, xs: Any) -> Any:
        rank = max(x.ndim for x in xs)
        aligned = []
        for x in xs:
            mask = mask_of(x)
            for _ in range(rank - x.ndim):
                x = np.expand_dims(x, 1)
            aligned.append(x if mask is None else with_mask(x, mask))
        return self.merge(aligned)


def _whole_mask(x):
    """The mask of `x` with its further axes, or None."""
    mask = mask_of(x)
    while mask is not None and mask.ndim < x.ndim:
        mask = np.expand_dims(mask, -1)
    return mask


def _choose(function, xs):
    """`function` of two at a time; where one is masked the other is taken."""
    y, mask = xs[0], _whole_mask(xs[0])
    for x in xs[1:]:
        own = _whole_mask(x)
        x = x if own is None else np.where(own, x, y)
        y = y if mask is None else np.where(mask, y, x)
        mask = None if own is None or mask is None else np.logical_or(mask, own)
        y = function(y, x)
    return y


class _OtherBackend(Layer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ValueError(
            f"{type(self).__name__}: expected a layer that pyseq computes itself, got a wrapper of "
            "another framework; convert the part into layers of pyseq, or use Keras"
        )


@builtin("layers")
class Add(_Elementwise):
    """Sum of several tensors within a user's layer; it cannot stand in a Sequential.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Add()([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[4.0, 7.0]]
    """

    def merge(self, xs: Any) -> Any:
        return functools.reduce(np.add, xs)


@builtin("layers")
class Average(_Elementwise):
    """Mean of several tensors within a user's layer; it cannot stand in a Sequential.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Average()([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[2.0, 3.5]]
    """

    def merge(self, xs: Any) -> Any:
        return functools.reduce(np.add, xs) / len(xs)


@builtin("layers")
class Concatenate(_Merge):
    """Several tensors side by side within a user's layer; it cannot stand in a Sequential.

    Args:
        axis: axis along which the inputs are joined.

    >>> Concatenate()([np.zeros((2, 3)), np.ones((2, 1))]).shape
    (2, 4)
    """

    def __init__(self, axis: Axis = -1, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = _shapes(self.name, input_shape)
        first, rank = shapes[0], len(shapes[0])
        axis = positive_axes(self.name, self.axis, rank)[0]
        for shape in shapes[1:]:
            pairs = [*zip(first, shape, strict=False)]
            rest = [*pairs[:axis], *pairs[axis + 1 :]]
            if len(shape) != rank or any(a != b and None not in (a, b) for a, b in rest):
                raise ValueError(
                    f"{self.name}: expected shapes that differ along axis {self.axis} alone, got "
                    f"{shapes}"
                )
        sizes = [shape[axis] for shape in shapes]
        return (*first[:axis], None if None in sizes else sum(sizes), *first[axis + 1 :])

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Any:
        """The masks one after the other, all that of inputs without one."""
        masks = self._masks(inputs, mask)
        if all(m is None for m in masks):
            return None
        parts = []
        for x, m in zip(inputs, masks, strict=True):
            x = x if is_keras_tensor(x) else as_array(x)
            if m is None:
                m = ops.ones_like(x, dtype="bool")
            elif m.ndim < x.ndim:
                m = np.logical_and(np.expand_dims(m, -1), ops.ones_like(x, dtype="bool"))
            parts.append(m)
        return np.any(np.concatenate(parts, axis=self.axis), axis=-1)

    def call(self, xs: Any) -> Any:
        return np.concatenate(xs, axis=self.axis)

    def get_config(self) -> Config:
        return {**super().get_config(), "axis": self.axis}


@builtin("layers")
class Dot(_Merge):
    """Products of the rows of two tensors within a user's layer, not in a Sequential.

    Args:
        normalize: scale both rows to length 1 first: cosines.
        axes: axis, or a pair of them, along which products are summed.

    >>> Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[13.0]]
    """

    def __init__(
        self, axes: Axis, normalize: bool = False, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.axes, self.normalize = axes, normalize

    def _both_axes(self):
        return (self.axes, self.axes) if isinstance(self.axes, int) else tuple(self.axes)

    def compute_output_shape(self, input_shape: Any) -> Any:
        a, b = _shapes(self.name, input_shape, 2)
        first, second = (
            positive_axes(self.name, axis, len(shape))[0]
            for axis, shape in zip(self._both_axes(), (a, b), strict=True)
        )
        if not first or not second or a[first] != b[second]:
            raise ValueError(
                f"{self.name}: expected equal sizes along axes {self._both_axes()}, without the "
                f"batch axis 0, got shapes {a} and {b}"
            )
        shape = (*a[:first], *a[first + 1 :], *b[1:second], *b[second + 1 :])
        return shape if len(shape) > 1 else (*shape, 1)

    def compute_mask(self, inputs: Tensor, mask: Tensor = None) -> Any:
        return None

    def call(self, xs: Any) -> Any:
        axes = self._both_axes()
        if self.normalize:
            xs = [l2_normalize(x, a) for x, a in zip(xs, axes, strict=True)]
        return batch_dot(*xs, axes=axes)

    def get_config(self) -> Config:
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


@builtin("layers")
class Maximum(_Elementwise):
    """Maximum of several tensors within a user's layer; it cannot stand in a Sequential.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Maximum()([np.array([[1.0, 6.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[3.0, 6.0]]
    """

    def merge(self, xs: Any) -> Any:
        return _choose(np.maximum, xs)


@builtin("layers")
class Minimum(_Elementwise):
    """Minimum of several tensors within a user's layer; it cannot stand in a Sequential.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Minimum()([np.array([[1.0, 6.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[1.0, 5.0]]
    """

    def merge(self, xs: Any) -> Any:
        return _choose(np.minimum, xs)


@builtin("layers")
class Multiply(_Elementwise):
    """Product of several tensors within a user's layer; it cannot stand in a Sequential.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Multiply()([np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[3.0, 10.0]]
    """

    def merge(self, xs: Any) -> Any:
        masks = [_whole_mask(x) for x in xs]
        kept = [x if m is None else np.where(m, x, 1.0) for x, m in zip(xs, masks, strict=True)]
        y = functools.reduce(np.multiply, kept)
        if any(m is None for m in masks):
            return y
        return np.where(functools.reduce(np.logical_or, masks), y, 0.0)


@builtin("layers")
class Subtract(_Elementwise):
    """Difference of two tensors within a user's layer; it cannot stand in a Sequential.

    Args:
        activity_regularizer: penalty on the output, added to the loss.

    >>> Subtract()([np.array([[4.0, 2.0]]), np.array([[3.0, 5.0]])]).tolist()
    [[1.0, -3.0]]
    """

    _inputs = 2

    def merge(self, xs: Any) -> Any:
        return np.subtract(*xs)


@builtin("layers")
class FlaxLayer(_OtherBackend):
    """A module of Flax. Creating it raises a ValueError."""


@builtin("layers")
class JaxLayer(_OtherBackend):
    """A function of JAX. Creating it raises a ValueError."""


@builtin("layers")
class TorchModuleWrapper(_OtherBackend):
    """A module of PyTorch. Creating it raises a ValueError."""


@builtin("layers")
class TFSMLayer(_OtherBackend):
    """A TensorFlow SavedModel. Creating it raises a ValueError."""


def _function(cls):
    def merge(inputs: Tensor, **kwargs: Any) -> Tensor:
        return cls(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = cls.__name__.lower()
    merge.__doc__ = f"The functional form of `{cls.__name__}`."
    return merge


add = _function(Add)
average = _function(Average)
concatenate = _function(Concatenate)
dot = _function(Dot)
maximum = _function(Maximum)
minimum = _function(Minimum)
multiply = _function(Multiply)
subtract = _function(Subtract)
