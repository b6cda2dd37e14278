"""Calls of a layer of a user's own with any arguments: tensors, structures of them, settings."""

from __future__ import annotations

import inspect

import numpy as np

from pyseq import dtypes, hooks, symbolic
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.layers.shapes import is_shape, same_sizes
from pyseq.signatures import taken_by
from pyseq.structures import leaves, map_structure
from pyseq.variable import Variable


def is_tensor(x):
    """Whether a call takes `x` as data: an array, a variable, a symbolic tensor."""
    arrays = isinstance(x, (np.ndarray, np.generic, Variable, KerasTensor))
    return arrays or symbolic.is_traced(x) or (hasattr(x, "__array__") and hasattr(x, "shape"))


def is_one_tensor(x):
    """Whether `x` is one tensor with a batch: an array, a symbolic tensor, lists of numbers."""
    if isinstance(x, (list, tuple)):
        return not any(v is None or is_tensor(v) for v in leaves(x))
    if isinstance(x, (dict, str, bytes)) or x is None:
        return False
    ndim = getattr(x, "ndim", None)
    return (np.ndim(x) if ndim is None else ndim) > 0


class Arguments:
    """The arguments of one call, by the names that `layer.call` gives them.

    Attributes:
        args, kwargs: as given, arrays in the dtype of the layer.
        named: `{name: value}`, defaults included.
        tensors: those of `named` that are tensors or structures of them.
    """

    def __init__(self, layer, args, kwargs):
        for value in leaves(args):
            if value is not None and not is_tensor(value):
                raise ValueError(
                    f"{layer.name}: expected tensors without a name, got {value!r} of type "
                    f"{type(value).__name__}. Only input tensors may be passed as positional "
                    "arguments; pass settings by their names"
                )
        self.layer = layer
        self.args = map_structure(self._cast, tuple(args))
        self.kwargs = map_structure(self._cast, dict(kwargs))
        signature = inspect.signature(layer.call)
        if "training" in self.kwargs and "training" not in signature.parameters:
            self.training = self.kwargs.pop("training")
        else:
            self.training = self.kwargs.get("training")
        try:
            bound = signature.bind(*self.args, **self.kwargs)
        except TypeError as problem:
            raise TypeError(
                f"{layer.name}: expected arguments of call{signature}, got others: {problem}"
            ) from None
        bound.apply_defaults()
        self.named = dict(bound.arguments)
        self.tensors = {k: v for k, v in self.named.items() if self._is_data(k, v)}
        if self.training is None and symbolic.trace.get() is None and symbolic.is_running():
            self.training = symbolic.training()

    def _cast(self, x):
        """Arrays of floats in the dtype of the layer; integers, text and settings as they are."""
        layer = self.layer
        if isinstance(x, (KerasTensor, Variable)) or not is_tensor(x):
            return x
        if symbolic.is_traced(x):
            casts = layer.autocast and layer.compute_dtype in dtypes.FLOAT_DTYPES and x.is_float
            return x.astype(layer.compute_dtype) if casts else x
        x = np.asarray(x)
        floats = x.dtype.kind == "f" or x.dtype.name == "bfloat16"
        if not (floats and layer.autocast and layer.compute_dtype in dtypes.FLOAT_DTYPES):
            return x
        with np.errstate(over="ignore"):
            return x.astype(dtypes.numpy_dtype(layer.compute_dtype), copy=False)

    def _is_data(self, name, value):
        values = leaves(value)
        tensors = [v for v in values if is_tensor(v)]
        if tensors and not all(v is None or is_tensor(v) for v in values):
            raise ValueError(
                f"{self.layer.name}: expected tensors alone in `{name}`, got tensors beside other "
                f"values: {value!r}; you cannot mix tensors and non-tensors in one argument"
            )
        return bool(tensors)

    @property
    def first(self):
        """The value of the first argument."""
        return next(iter(self.named.values()), None)

    def symbolic(self):
        """Whether a KerasTensor is among the arguments."""
        return any(isinstance(x, KerasTensor) for x in leaves([self.args, self.kwargs]))

    def resolve_training(self):
        """Give `call` the `training` that holds: as passed, of the outer call, its default."""
        if "training" in self.named:
            default = self.named["training"] if "training" not in self.kwargs else None
            if self.training is None:
                self.training = default
            self.kwargs["training"] = bool(self.training)
        self.training = bool(self.training)

    def fill_masks(self, mask_of):
        """Give `call` the masks that its tensors carry, where it takes masks and got none."""
        data = {k: v for k, v in self.tensors.items() if not k.endswith("mask")}
        for name, value in data.items():
            key = "mask" if len(data) == 1 else f"{name}_mask"
            if key in self.named and self.named[key] is None:
                masks = map_structure(lambda x: mask_of(x) if is_tensor(x) else None, value)
                if any(m is not None for m in leaves(masks)):
                    self.kwargs[key] = masks

    def shapes_for(self, method):
        """`{parameter: shape}` of the tensors for `build` or `compute_output_shape`.

        One parameter gets the shape of the first tensor; several are found by name, `x_shape` for
        the argument `x`.
        """
        shapes = {
            f"{k}_shape": map_structure(lambda x: None if x is None else tuple(x.shape), v)
            for k, v in self.tensors.items()
            if k not in ("mask", "args", "kwargs")
        }
        usual = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        parameters = inspect.signature(method).parameters.values()
        names = [p.name for p in parameters if p.kind not in usual]
        if len(names) == 1:
            return {names[0]: next(iter(shapes.values()), None)}
        where = f"{self.layer.name}.{method.__name__}"
        rule = "expected parameters called after the arguments of `call`, such as `x_shape` for `x`"
        for name in names:
            if not name.endswith("_shape"):
                raise ValueError(
                    f"{where}: {rule}, got the argument `{name}`, which does not end in `_shape`"
                )
            if name.removesuffix("_shape") not in self.named:
                raise ValueError(
                    f"{where}: {rule}, got `{name}`, but `call()` does not have argument "
                    f"`{name.removesuffix('_shape')}`"
                )
        return {name: shapes.get(name) for name in names}


def call(layer, args, kwargs):
    """`layer(*args, **kwargs)` for a layer that defines `call`."""
    given = Arguments(layer, args, kwargs)
    if given.symbolic():
        with layer.scope():
            build(layer, given)
            return output_spec(layer, given)
    trace = symbolic.trace.get()
    if trace is not None and any(trace.takes(x) for x in leaves([given.args, given.kwargs])):
        with layer.scope():
            build(layer, given)
            return hooks.ask("call_arguments", layer, given)
    return _call_on_arrays(layer, given)


def build(layer, given):
    """Build a layer for the arguments of its first call."""
    one = is_tensor(given.first)
    if one and layer.input_spec is not None:
        layer.check_input(tuple(given.first.shape))
    if layer.built:
        return
    own = not (type(layer).build.__module__ or "").startswith("pyseq.")
    if own:
        layer.build(**given.shapes_for(layer.build))
    elif one and len(given.tensors) == 1 and given.first.ndim:
        layer.build(tuple(given.first.shape))
    else:
        layer.mark_built()


def _call_on_arrays(layer, given):
    given.resolve_training()
    with layer.entered():
        with layer.scope(), symbolic.call(given.training):
            build(layer, given)
            y = layer.call(*given.args, **given.kwargs)
        for output in leaves(y) if layer.activity_regularizer is not None else ():
            if is_tensor(output):
                layer.keep_loss(activity_loss(layer.activity_regularizer, np.asarray(output)))
    return y


def activity_loss(regularizer, y):
    """The penalty of an output, for each of its rows."""
    rows = len(y) if y.ndim else 1
    return regularizer(y) / np.float32(rows) if rows else np.float32(0.0)


def as_shapes(value):
    """A structure of shapes with shapes as tuples, such as JSON has no others for."""
    if isinstance(value, dict):
        return {k: as_shapes(v) for k, v in value.items()}
    return tuple(value) if is_shape(value) else [as_shapes(v) for v in value]


# --- shapes of what is called with symbolic tensors


def output_spec(layer, given):
    """The KerasTensors, in its structure, that a call gives for KerasTensors; runs nothing."""
    own_shape = not type(layer).compute_output_shape.__module__.startswith("pyseq.")
    if own_shape or not layer._runs_call():
        method = layer.compute_output_shape
        shapes = method(**given.shapes_for(method))
    else:
        shapes = _shapes_of_call(layer, given)
    return _of_shapes(shapes, layer)


def _of_shapes(shapes, layer):
    if shapes is None or isinstance(shapes, KerasTensor):
        return shapes
    if is_shape(shapes):
        return KerasTensor(shapes, layer.integer_dtype() or layer.compute_dtype, layer.name)
    if isinstance(shapes, dict):
        return {k: _of_shapes(v, layer) for k, v in shapes.items()}
    return type(shapes)(_of_shapes(v, layer) for v in shapes)


def _shapes_of_call(layer, given):
    try:
        return hooks.ask("call_shapes", layer, given)
    except Exception:  # code that only works on arrays
        pass
    # Two trial sizes tell the dimensions that follow the input from those that are fixed.
    a, b = (_trial(layer, given, size) for size in (2, 3))
    return common_shapes(a, b)


def _trial(layer, given, size):
    def zeros(x):
        if not isinstance(x, KerasTensor):
            return x
        return np.zeros([size if d is None else d for d in x.shape], x.dtype)

    more = taken_by(layer.call, training=False)
    with np.errstate(all="ignore"), symbolic.trial():
        y = layer.call(
            *map_structure(zeros, given.args), **{**more, **map_structure(zeros, given.kwargs)}
        )
    return map_structure(np.shape, y)


def common_shapes(a, b):
    """Two structures of shapes as one, with None where they differ."""
    if is_shape(a):
        return same_sizes(a, b)
    if isinstance(a, dict):
        return {k: common_shapes(a[k], b[k]) for k in a}
    return type(a)(map(common_shapes, a, b)) if a is not None else None


def takes_alone(args, kwargs):
    """Whether a call gives one tensor, with `training` and `mask` at most beside it."""
    return len(args) == 1 and kwargs.keys() <= {"training", "mask"} and is_one_tensor(args[0])
