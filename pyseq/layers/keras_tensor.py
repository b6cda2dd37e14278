"""`KerasTensor`: what stands for data while layers are put together."""

from __future__ import annotations


class KerasTensor:
    """What `Input` returns: a shape, a dtype and a name that a Sequential starts from.

    Attributes:
        shape: with the batch dimension, None where it is not known.
        dtype: name of the dtype.
        path: the layers that lead to it, the InputLayer first.
    """

    def __init__(self, shape, dtype="float32", name=None, path=()):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.name = name
        self.path = tuple(path)
        self.sparse = False
        self.ragged = False

    @property
    def ndim(self):
        return len(self.shape)

    rank = ndim

    def through(self, layer):
        """The symbolic output (or outputs) of `layer` for this input; builds the layer."""
        layer.check_input(self.shape)
        with layer.scope():
            if not layer.built:
                layer.build(self.shape)
            shape = layer.compute_output_shape(self.shape)
        path = (*self.path, layer)
        if shape and isinstance(shape[0], (tuple, list)):
            outputs = [KerasTensor(s, layer.compute_dtype, layer.name, path) for s in shape]
        else:
            outputs = KerasTensor(shape, layer.compute_dtype, layer.name, path)
        layer.keep_tensors(self, outputs)
        return outputs

    def __array__(self, dtype=None, copy=None):
        raise ValueError(
            f"{self.name}: expected an array, got a symbolic tensor of shape {self.shape}; only "
            "layers take it: put the function into layers.Lambda"
        )

    def _arithmetic(self, *_):
        raise TypeError(
            f"{self.name}: expected a layer to take a symbolic tensor, got an operator on one of "
            f"shape {self.shape}; write it in layers.Lambda or, where lines of layers meet, in the "
            "`call` of a layer or Model of your own"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _arithmetic
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = __pow__ = __rpow__ = _arithmetic
    __neg__ = __abs__ = __getitem__ = _arithmetic

    def __repr__(self):
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


def is_keras_tensor(x):
    """Return whether `x` is the symbolic result of `pyseq.Input`."""
    return isinstance(x, KerasTensor)
