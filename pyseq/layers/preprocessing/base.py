"""The base of layers that are computed in NumPy, and the encoding of categories."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, results, symbolic
from pyseq.layers.base import Layer
from pyseq.layers.core import KerasTensor

if TYPE_CHECKING:
    from pyseq.types import Tensor


class _NumPyLayer(Layer):
    """A layer computed by `apply(x, training)` on arrays.

    Called directly it returns what `apply` returns. Inside a model it runs as a call of Python, so
    it may stand anywhere for inference, and before the first trainable layer for training.
    """

    _casts_itself = True
    # What `training=None` means in a direct call.
    _default_training = False

    def apply(self, x: Tensor, training: Any) -> Any:
        """The output for the array `x`."""
        raise TypeError(f"{type(self).__name__}: expected a subclass that defines apply()")

    def __call__(self, inputs: Tensor, training: Any = None, mask: Tensor = None) -> Any:
        if isinstance(inputs, KerasTensor):
            return super().__call__(inputs)
        x = self._as_array(inputs)
        if not self.built:
            self.build(x.shape)
        return results.handed(self._rounded(self.apply(x, self._training_of(training))))

    def _rounded(self, y):
        """Floats in the dtype that they are handed out in."""
        half = self.handed_dtype in dtypes.HALF_DTYPES and y.dtype.kind == "f"
        return dtypes.rounded(y, self.handed_dtype) if half else y

    def _training_of(self, training):
        if training is None:
            training = symbolic.training() if symbolic.is_running() else self._default_training
        return bool(training)

    def read_text(self, x: Tensor) -> Any:
        return self.apply(self._as_array(x), False)

    def _as_array(self, inputs):
        x = np.asarray(inputs)
        if x.dtype.name == "bfloat16":
            return x.astype("float32")
        if x.dtype.kind not in "fiub":
            raise TypeError(
                f"{self.name}: expected a numeric array, got dtype {x.dtype}; convert it first"
            )
        return x

    # Whether `apply` stays first choice where Python may be called: its errors say more.
    _prefers_python = False

    def without_ops(self, g: Any, x: Tensor) -> str:
        """Why no ops of the core do what `apply` does with `x`; None where `lower_to_ops` can."""
        return "it runs in Python"

    def lower_to_ops(self, g: Any, x: Tensor) -> Any:
        """Append ops of the core that do what `apply` does."""
        raise TypeError(f"{type(self).__name__}: expected a subclass that defines lower_to_ops()")

    def lower(self, g: Any, x: Tensor) -> Any:
        shape = self.compute_output_shape((None, *x.shape))[1:]
        reason = self.without_ops(g, x)
        if reason is None and not (self._prefers_python and g.calls_python):
            y = self.lower_to_ops(g, x)
            dtype = self.integer_dtype()
            return self.pass_mask(y if dtype is None else g.cast(y, dtype), x)
        if g.portable:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected a layer that {g.portable} can run, "
                f"got one that it cannot: {reason}; apply it to the data before the model, and "
                "export the model without it"
            )
        training = g.training
        y = g.host(
            lambda a: self.apply(a, training), x, shape, self.name, dtype=self.integer_dtype()
        )
        return self.pass_mask(y, x)


def batches_of(data, steps=None):
    """The batches of an array, or of an iterable of arrays or of (x, ...) tuples."""
    if isinstance(data, np.ndarray) or hasattr(data, "__array__"):
        yield np.asarray(data)
        return
    for i, batch in enumerate(data):
        if steps is not None and i >= steps:
            return
        yield np.asarray(batch[0] if isinstance(batch, tuple) else batch)


def encoded_shape(shape, output_mode, depth):
    """Shape of `encode`'s result for ids of `shape`."""
    shape = tuple(shape)
    if output_mode == "int":
        return shape
    if not shape:
        return (depth,)
    if output_mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    return (*shape[:1], *shape[2:], depth) if len(shape) > 1 else (depth,)


def text_step(layer, shape, depth, mask_token=None, salt=None, vocabulary=(), **values):
    """What C++ does in place of a layer on text, for samples of `shape`: a dict of plain data.

    Its keys are the fields of `TextSpec` in csrc/include/pyseq/text.h. By default each text is one
    token, and all tokens but `mask_token` share `depth` ids by their hash.

    Raises:
        ValueError: `mask_token` is no text, or a token has no UTF-8.
    """
    if mask_token is not None and not isinstance(mask_token, str):
        raise ValueError(
            f"{layer.name}: expected a text or None as the mask token of a layer to export, got "
            f"{mask_token!r}"
        )
    for token in [*vocabulary, mask_token or ""]:
        try:
            token.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{layer.name}: expected tokens that UTF-8 has a form for, got {token!r}; leave it "
                "out of the vocabulary"
            ) from None
    mode = layer.output_mode
    texts = math.prod(shape)
    groups = {"int": 1, "one_hot": texts}.get(mode, math.prod(shape[1:]))
    return {
        "name": layer.name,
        "texts": texts,
        "lower": False,
        "strip_punctuation": False,
        "split": "none",
        "ngrams": [1],
        "output": "multi_hot" if mode == "one_hot" else mode,
        "length": texts if mode == "int" else depth,
        "groups": groups,
        # Arrays of texts do not keep NULs at the end.
        "mask_token": None if mask_token is None else mask_token.rstrip("\0"),
        "counts_mask": True,
        "first_unknown": 0,
        "unknown": depth,
        # As the core's integers of 64 bits with a sign.
        "salt": [(k + (1 << 63)) % (1 << 64) - (1 << 63) for k in salt or ()],
        "vocabulary": list(vocabulary),
        "idf": [],
        **values,
    }


def encode(ids, output_mode, depth, dtype, weights=None):
    """Ids as themselves ("int"), "one_hot", "multi_hot" or "count" rows of `depth` numbers.

    Ids outside [0, depth) count nowhere. A sample's ids lie along axis 1, or 0 without a batch.
    """
    if output_mode == "int":
        return ids.astype(dtype)
    ids = np.asarray(ids)
    if ids.ndim == 0:
        ids = ids[None]
    if output_mode == "one_hot" and ids.ndim > 1 and ids.shape[-1] == 1:
        ids = ids[..., 0]
    inside = (ids >= 0) & (ids < depth)
    at = np.where(inside, ids, 0).astype(np.int64)
    if output_mode == "one_hot":
        out = np.zeros((*ids.shape, depth), dtype)
        np.put_along_axis(out, at[..., None], inside[..., None].astype(dtype), axis=-1)
        return out
    if ids.ndim > 2:
        ids, at, inside = (np.moveaxis(a, 1, -1) for a in (ids, at, inside))
        weights = None if weights is None else np.moveaxis(weights, 1, -1)
    rows = int(np.prod(ids.shape[:-1], dtype=np.int64))
    out = np.zeros((rows, depth), dtype)
    value = inside if weights is None else np.where(inside, weights, 0)
    row = np.broadcast_to(np.arange(rows)[:, None], (rows, ids.shape[-1]))
    np.add.at(out, (row, at.reshape(rows, -1)), value.reshape(rows, -1).astype(dtype))
    if output_mode == "multi_hot":
        out = (out != 0).astype(dtype)
    return out.reshape(*ids.shape[:-1], depth)
