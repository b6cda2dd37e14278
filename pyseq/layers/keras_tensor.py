"""`KerasTensor`: what stands for data while layers are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import ops
from pyseq.symbolic import Placeholder

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Operators, Shape, Tensor
else:
    Operators = object


class KerasTensor(Placeholder, Operators):
    """What `Input` returns: a shape, a dtype and a name that a Sequential starts from.

    One that is made of a shape alone tells the shapes and dtypes of what functions of
    `pyseq.ops` and operators return for arrays like it.

    Attributes:
        shape: with the batch dimension, None where it is not known.
        dtype: name of the dtype.
        path: the layers that lead to it, the InputLayer first.
    """

    def __init__(
        self, shape: Shape, dtype: DTypeLike = "float32", name: str | None = None, path: Any = ()
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name
        self.path = tuple(path)
        self.sparse = False
        self.ragged = False

    @property
    def ndim(self) -> int:
        return len(self.shape)

    rank = ndim

    def through(self, layer: Any) -> Any:
        """The symbolic output (or outputs) of `layer` for this input; builds the layer."""
        layer.check_input(self.shape)
        with layer.scope():
            if not layer.built:
                layer.build(self.shape)
            shape = layer.compute_output_shape(self.shape)
        path = (*self.path, layer)
        dtype = layer.integer_dtype() or layer.compute_dtype
        if shape and isinstance(shape[0], (tuple, list)):
            outputs = [KerasTensor(s, dtype, layer.name, path) for s in shape]
        else:
            outputs = KerasTensor(shape, dtype, layer.name, path)
        layer.keep_tensors(self, outputs)
        return outputs

    def __array__(self, dtype=None, copy=None):
        raise ValueError(
            f"{self.name}: expected an array, got a symbolic tensor of shape {self.shape}; only "
            "layers take it: put the function into layers.Lambda"
        )

    def __bool__(self):
        raise TypeError(
            f"{self.name}: expected a value that is true or false, got a symbolic tensor of shape "
            f"{self.shape}, which has none yet; use ops.where or ops.cond in a layer"
        )

    def __iter__(self) -> Any:
        raise NotImplementedError(
            f"{self.name}: expected an array to iterate over, got a symbolic tensor of shape "
            f"{self.shape}; index it, x[:, i]"
        )

    # Of Python: whether two are the same one. `!=` compares the numbers, as in Keras.
    __hash__ = Placeholder.__hash__

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


_COMPARISONS = frozenset(("less", "less_equal", "greater", "greater_equal", "not_equal"))


def _operator(name, swapped=False):
    def method(self: Any, *operands: Any) -> Any:
        if self.path and name not in _COMPARISONS:
            raise TypeError(
                f"{self.name}: expected a layer to take a symbolic tensor, got an operator on one "
                f"of shape {self.shape}; write it in layers.Lambda or, where lines of layers meet, "
                "in the `call` of a layer or Model of your own"
            )
        given = (self, *operands)
        if self.path:  # a model does not go on from what a comparison gives
            given = [KerasTensor(x.shape, x.dtype) if is_keras_tensor(x) else x for x in given]
        return getattr(ops, name)(*(reversed(given) if swapped else given))

    return method


for _name, _function in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "matmul": "matmul",
    "pow": "power",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}.items():
    setattr(KerasTensor, f"__{_name}__", _operator(_function))
    setattr(KerasTensor, f"__r{_name}__", _operator(_function, swapped=True))
for _name, _function in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "ne": "not_equal",
    "invert": "logical_not",
    "round": "round",
    "neg": "negative",
    "abs": "absolute",
    "getitem": "get_item",
}.items():
    setattr(KerasTensor, f"__{_name}__", _operator(_function))


def is_keras_tensor(x: Tensor) -> bool:
    """Return whether `x` is the symbolic result of `pyseq.Input`."""
    return isinstance(x, KerasTensor)
