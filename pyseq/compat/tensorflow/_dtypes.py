"""The dtypes of `tf`, as attributes; alone here, since `bool` is one of them."""

from __future__ import annotations

from pyseq import dtypes
from pyseq.compat.tensorflow._tensors import DType

for _name in dtypes.DTYPES:
    globals()[_name] = DType(_name)
half, double = DType("float16"), DType("float64")
