"""Reads the arrays in data-set files that were written as pickles, without running anything.

The pickles hold dicts, lists, numbers, strings and NumPy arrays. Every global that such a file
names is replaced by a stand-in from the table below that only records its arguments, so neither
NumPy's nor anyone else's code is called by the file; arrays are then rebuilt from the record.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from typing import Any

import numpy as np

_MAX_MEMBER_BYTES = 1 << 28
_DTYPES = frozenset(["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "O8", "O"])


class _DType:
    def __init__(self, code, align=False, copy=True):
        code = _text(code)
        if code.lstrip("<>|=") not in _DTYPES:
            raise pickle.UnpicklingError(f"dtype {code!r} is not one of {sorted(_DTYPES)}")
        self.code, self.order = code.lstrip("<>|="), "<"

    def __setstate__(self, state):
        if _text(state[1]) == ">":
            self.order = ">"

    @property
    def is_object(self):
        return self.code.startswith("O")


class _Array:
    def __init__(self, *reconstruct_args):
        self.value = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType) or not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError(f"array of shape {shape!r} and dtype {dtype!r}")
        if dtype.is_object:
            items = list(data)
            value = np.empty(len(items), dtype=object)
            value[:] = [_plain(item) for item in items] if items else []
        else:
            raw = data.encode("latin1") if isinstance(data, str) else data
            value = np.frombuffer(raw, dtype=np.dtype(dtype.order + dtype.code)).copy()
        self.value = value.reshape(shape, order="F" if fortran else "C")


class _NDArray:
    """Stands for the class `numpy.ndarray`, which pickles name but never call."""


def _text(value):
    # Strings of Python 2 arrive as bytes where the file is read with encoding="bytes".
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _encode(text, encoding="latin1"):
    return text.encode("latin1")


def _no_bytes():
    return b""


_GLOBALS = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _NDArray,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"datasets: expected only NumPy arrays in the file, got {module}.{name}; "
                "it is damaged or malicious, delete it"
            ) from None


def _plain(value):
    return value.value if isinstance(value, _Array) else value


def load_pickle(file, encoding="ASCII"):
    """The dict or array in the pickle `file`; raises `UnpicklingError` if it holds code."""
    value = _Unpickler(file, encoding=encoding).load()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return _plain(value)


def load_npz(path: Any) -> Any:
    """Arrays of the `.npz` file at `path` by name, object arrays included."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.file_size > _MAX_MEMBER_BYTES:
                raise ValueError(
                    f"datasets: expected members of at most {_MAX_MEMBER_BYTES} bytes in {path}, "
                    f"got {info.filename} of {info.file_size}; delete the file"
                )
            arrays[info.filename.removesuffix(".npy")] = _read_npy(io.BytesIO(archive.read(info)))
    return arrays


def _read_npy(file):
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"datasets: expected .npy version 1.0 or 2.0, got {version}")
    _, _, dtype = read_header(file)
    if dtype.hasobject:
        return load_pickle(file)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
