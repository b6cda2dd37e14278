"""Hashing, and the two hash functions behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import results, settings
from pyseq.layers.preprocessing.base import _NumPyLayer, encode, encoded_shape, text_step
from pyseq.layers.preprocessing.numeric import _check_mode, _reject_sparse
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import BareLayerArguments, Config, DTypeLike, LayerArguments, Shape, Tensor

_WORD = 0xFFFFFFFFFFFFFFFF
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _rotate(v, n):
    # To the right.
    return (v >> n | v << (64 - n)) & _WORD


def _mix(v):
    return v ^ v >> 47


def _hash16(u, v, multiplier):
    a = _mix((u ^ v) * multiplier & _WORD)
    b = _mix((v ^ a) * multiplier & _WORD)
    return b * multiplier & _WORD


def _fetch(s, at, size=8):
    return int.from_bytes(s[at : at + size], "little")


def _short_hash(s):
    n = len(s)
    if n >= 8:
        multiplier = _K2 + 2 * n & _WORD
        a, b = _fetch(s, 0) + _K2 & _WORD, _fetch(s, n - 8)
        c = _rotate(b, 37) * multiplier + a & _WORD
        d = (_rotate(a, 25) + b) * multiplier & _WORD
        return _hash16(c, d, multiplier)
    if n >= 4:
        multiplier = _K2 + 2 * n & _WORD
        return _hash16(n + (_fetch(s, 0, 4) << 3), _fetch(s, n - 4, 4), multiplier)
    if n > 0:
        y = s[0] + (s[n >> 1] << 8)
        z = n + (s[n - 1] << 2)
        return _mix(y * _K2 & _WORD ^ z * _K0 & _WORD) * _K2 & _WORD
    return _K2


def _medium_hash(s):
    n = len(s)
    multiplier = _K2 + 2 * n & _WORD
    if n <= 32:
        a, b = _fetch(s, 0) * _K1 & _WORD, _fetch(s, 8)
        c, d = _fetch(s, n - 8) * multiplier & _WORD, _fetch(s, n - 16) * _K2 & _WORD
        u = _rotate(a + b & _WORD, 43) + _rotate(c, 30) + d & _WORD
        return _hash16(u, a + _rotate(b + _K2 & _WORD, 18) + c & _WORD, multiplier)
    a, b = _fetch(s, 0) * _K2 & _WORD, _fetch(s, 8)
    c, d = _fetch(s, n - 8) * multiplier & _WORD, _fetch(s, n - 16) * _K2 & _WORD
    y = _rotate(a + b & _WORD, 43) + _rotate(c, 30) + d & _WORD
    z = _hash16(y, a + _rotate(b + _K2 & _WORD, 18) + c & _WORD, multiplier)
    e, f = _fetch(s, 16) * multiplier & _WORD, _fetch(s, 24)
    g = (y + _fetch(s, n - 32)) * multiplier & _WORD
    h = (z + _fetch(s, n - 24)) * multiplier & _WORD
    u = _rotate(e + f & _WORD, 43) + _rotate(g, 30) + h & _WORD
    return _hash16(u, e + _rotate(f + a & _WORD, 18) + g & _WORD, multiplier)


def _weak_hash(s, at, a, b):
    w, x, y, z = (_fetch(s, at + 8 * i) for i in range(4))
    a = a + w & _WORD
    b = _rotate(b + a + z & _WORD, 21)
    c = a
    a = a + x + y & _WORD
    b = b + _rotate(a, 44) & _WORD
    return a + z & _WORD, b + c & _WORD


def _long_round(s, at, x, y, z, v, w, multiplier, nine):
    x = _rotate(x + y + v[0] + _fetch(s, at + 8) & _WORD, 37) * multiplier & _WORD
    y = _rotate(y + v[1] + _fetch(s, at + 48) & _WORD, 42) * multiplier & _WORD
    x ^= w[1] * nine & _WORD
    y = y + v[0] * nine + _fetch(s, at + 40) & _WORD
    z = _rotate(z + w[0] & _WORD, 33) * multiplier & _WORD
    v = _weak_hash(s, at, v[1] * multiplier & _WORD, x + w[0] & _WORD)
    w = _weak_hash(s, at + 32, z + w[1] & _WORD, y + _fetch(s, at + 16) & _WORD)
    return z, y, x, v, w


def fingerprint64(s):
    """The 64-bit FarmHash fingerprint of bytes (Pike and Alakuijala, farmhashna).

    >>> fingerprint64(b"A") % 3, fingerprint64(b"B") % 3
    (1, 0)
    """
    n = len(s)
    if n <= 16:
        return _short_hash(s)
    if n <= 64:
        return _medium_hash(s)
    x = 81
    y = 81 * _K1 + 113 & _WORD
    z = _mix(y * _K2 + 113 & _WORD) * _K2 & _WORD
    v = w = (0, 0)
    x = x * _K2 + _fetch(s, 0) & _WORD
    for at in range(0, (n - 1) // 64 * 64, 64):
        x, y, z, v, w = _long_round(s, at, x, y, z, v, w, _K1, 1)
    multiplier = _K1 + ((z & 0xFF) << 1) & _WORD
    w = (w[0] + (n - 1 & 63) & _WORD, w[1])
    v = (v[0] + w[0] & _WORD, v[1])
    w = (w[0] + v[0] & _WORD, w[1])
    x, y, z, v, w = _long_round(s, n - 64, x, y, z, v, w, multiplier, 9)
    return _hash16(
        _hash16(v[0], w[0], multiplier) + _mix(y) * _K0 + z & _WORD,
        _hash16(v[1], w[1], multiplier) + x & _WORD,
        multiplier,
    )


def siphash64(s, key):
    """SipHash-2-4 of bytes under a pair of 64-bit integers (Aumasson and Bernstein, 2012).

    >>> hex(siphash64(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))
    '0xa129ca6149be45e5'
    """
    k0, k1 = (k & _WORD for k in key)
    a, b = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    c, d = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rounds(a, b, c, d, count):
        for _ in range(count):
            a = a + b & _WORD
            b = _rotate(b, 64 - 13) ^ a
            a = _rotate(a, 32)
            c = c + d & _WORD
            d = _rotate(d, 64 - 16) ^ c
            a = a + d & _WORD
            d = _rotate(d, 64 - 21) ^ a
            c = c + b & _WORD
            b = _rotate(b, 64 - 17) ^ c
            c = _rotate(c, 32)
        return a, b, c, d

    whole = len(s) // 8 * 8
    last = int.from_bytes(s[whole:], "little") | (len(s) & 0xFF) << 56
    for word in [*(_fetch(s, at) for at in range(0, whole, 8)), last]:
        d ^= word
        a, b, c, d = rounds(a, b, c, d, 2)
        a ^= word
    a, b, c, d = rounds(a, b, c ^ 0xFF, d, 4)
    return a ^ b ^ c ^ d


def standardize_salt(where, salt):
    """A pair of integers from one, a pair, or None."""
    if salt is None:
        return None
    if isinstance(salt, (tuple, list)) and len(salt) == 2:
        return list(salt)
    if isinstance(salt, int):
        return [salt, salt]
    raise ValueError(f"{where}: expected `salt` to be an integer or a pair of them, got {salt!r}")


def hash_bins(values, bins, salt):
    """The bin of each element (integers and strings) of an array."""
    known = {}

    def bin_of(value):
        if value not in known:
            data = value if isinstance(value, bytes) else str(value).encode("utf-8")
            number = fingerprint64(data) if salt is None else siphash64(data, salt)
            known[value] = number % bins
        return known[value]

    flat = [bin_of(v) for v in values.ravel().tolist()]
    return np.array(flat, np.int64).reshape(values.shape)


_CROSS_KEY, _CROSS_MULTIPLIER = 0xDECAFCAFFE, 0xC6A4A7935BD1E995


def _joined(first, second):
    """One 64-bit fingerprint of two: the mixing rounds of MurmurHash64A (Appleby)."""
    joined = first ^ _CROSS_MULTIPLIER
    joined ^= _mix(second * _CROSS_MULTIPLIER & _WORD) * _CROSS_MULTIPLIER & _WORD
    joined = joined * _CROSS_MULTIPLIER & _WORD
    return _mix(_mix(joined) * _CROSS_MULTIPLIER & _WORD)


def cross_bins(columns, bins):
    """The bin of each place of several arrays (integers and strings) of one shape.

    >>> a, b = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])
    >>> cross_bins([a, b], 5).tolist()
    [1, 4, 1, 1, 3]
    """
    known = {}

    def bin_of(values):
        if values not in known:
            joined = _CROSS_KEY
            for value in values:
                number = fingerprint64(value.encode()) if isinstance(value, str) else value & _WORD
                joined = _joined(joined, number)
            known[values] = joined % bins
        return known[values]

    flat = [bin_of(values) for values in zip(*(c.ravel().tolist() for c in columns), strict=True)]
    return np.array(flat, np.int64).reshape(columns[0].shape)


def token_array(where, inputs):
    """Strings, bytes or integers as an array; floats are cut to integers."""
    x = np.asarray(inputs)
    if x.dtype.kind == "f":
        return x.astype(np.int64)
    if x.dtype.kind == "O":
        items = [v.decode("utf-8") if isinstance(v, bytes) else v for v in x.ravel().tolist()]
        x = np.array(items).reshape(x.shape) if items else x.astype(str)
    if x.dtype.kind == "S":
        x = np.char.decode(x, "utf-8")
    if x.dtype.kind not in "iuU":
        raise TypeError(f"{where}: expected strings or integers, got dtype {x.dtype}")
    return x


@builtin("layers")
class Hashing(_NumPyLayer):
    """Strings or integers to the number of a bin, by a hash.

    Args:
        num_bins: number of bins, bin 0 of `mask_value` included.
        mask_value: the value of bin 0; no bin is reserved without it.
        salt: integer or pair of them: SipHash-2-4 under this key instead of FarmHash.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        sparse: accepted as in Keras; only False.

    >>> Hashing(3)([["A"], ["B"]]).tolist()
    [[1], [0]]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else settings.floatx
        dtype = kwargs.pop("dtype")
        integers = output_mode == "int"
        name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
        if isinstance(dtype, dict):
            name = dtype.get("config", {}).get("name")
        super().__init__(**kwargs, dtype=None if integers else dtype)
        if integers and name not in ("int32", "int64"):
            raise ValueError(
                f"{self.name}: expected dtype 'int32' or 'int64' for output_mode='int', got "
                f"{name!r}"
            )
        self._output_dtype = name if integers else self.arithmetic_dtype
        if num_bins is None or num_bins <= 0:
            raise ValueError(f"{self.name}: expected num_bins >= 1, got {num_bins!r}")
        _reject_sparse(self.name, sparse)
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.output_mode = _check_mode(self.name, output_mode)
        self.sparse = False
        self.salt = standardize_salt(self.name, salt)

    text_policy = "either"

    def _as_array(self, inputs):
        return token_array(self.name, inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def integer_dtype(self) -> Any:
        return self._output_dtype if self.output_mode == "int" else None

    def apply(self, x: Tensor, training: Any) -> Any:
        x = token_array(self.name, x)
        masks = self._masks()
        bins = hash_bins(x, self.num_bins - 1 if masks else self.num_bins, self.salt)
        if masks:
            bins = np.where(x == self.mask_value, 0, bins + 1)
        return encode(bins, self.output_mode, self.num_bins, self._output_dtype)

    def without_ops(self, g: Any, x: Tensor) -> str:
        return "it hashes integers in Python"

    def _masks(self):
        """Whether bin 0 is that of `mask_value`."""
        return self.mask_value is not None and self.num_bins > 1

    def text_step(self, shape: Shape) -> Any:
        """What C++ does in place of the layer, for samples of `shape`; a dict of plain data."""
        masks = self._masks()
        return text_step(
            self,
            shape,
            self.num_bins,
            mask_token=self.mask_value if masks else None,
            salt=self.salt,
            first_unknown=int(masks),
            unknown=self.num_bins - masks,
        )

    def get_config(self) -> Config:
        config = super().get_config()
        if self.output_mode == "int":
            config["dtype"] = {
                "module": "keras",
                "class_name": "DTypePolicy",
                "config": {"name": self._output_dtype},
                "registered_name": None,
            }
        return {
            **config,
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


@builtin("layers")
class HashedCrossing(_NumPyLayer):
    """Several features to the number of one bin, by a hash of their values together.

    It takes several inputs, so it is called on arrays and cannot stand in a Sequential.

    Args:
        num_bins: number of bins.
        output_mode: "int" or "one_hot".
        sparse: accepted as in Keras; only False.

    Call it on a list of two or more arrays of integers or strings, all of one shape: `()`, `(n,)`
    or `(n, 1)`. Returns integers of that shape, or `(n, num_bins)` for "one_hot". The values are
    those of `tf.sparse.cross_hashed`.

    Raises:
        ValueError: fewer than two inputs, other shapes, or floats.

    >>> HashedCrossing(5)([np.array(["A", "B", "A"]), np.array([101, 101, 102])]).tolist()
    [1, 4, 3]
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: DTypeLike = None,
        **kwargs: Unpack[BareLayerArguments],
    ) -> None:
        integers = output_mode == "int"
        super().__init__(name=name, dtype=None if integers else dtype)
        if not hasattr(num_bins, "__index__") or num_bins < 1:
            raise ValueError(f"{self.name}: expected num_bins >= 1, got {num_bins!r}")
        if output_mode not in ("int", "one_hot"):
            raise ValueError(
                f"{self.name}: expected output_mode 'int' or 'one_hot', got {output_mode!r}"
            )
        _reject_sparse(self.name, sparse)
        self.num_bins, self.output_mode, self.sparse = num_bins, output_mode, False
        self._output_dtype = (dtype or "int64") if integers else self.arithmetic_dtype

    def check_place(self) -> Any:
        raise ValueError(
            f"{self.name}: expected a layer of one input, got HashedCrossing, which crosses "
            "several; call it on arrays before the model, or use utils.FeatureSpace"
        )

    def __call__(self, inputs: Tensor, training: Any = None, mask: Tensor = None) -> Any:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(
                f"{self.name}: expected a list of at least two arrays, got {type(inputs).__name__}"
            )
        kinds = [np.asarray(x).dtype.kind for x in inputs]
        columns = [token_array(self.name, x) for x in inputs]
        shape = columns[0].shape
        fits = len(shape) < 2 or (len(shape) == 2 and shape[1] == 1)
        if "f" in kinds or not fits or any(c.shape != shape for c in columns):
            raise ValueError(
                f"{self.name}: expected integers or strings of one shape (), (n,) or (n, 1), got "
                f"shapes {[c.shape for c in columns]} of {[c.dtype.name for c in columns]}"
            )
        bins = cross_bins(columns, self.num_bins)
        self.built = True
        return results.handed(encode(bins, self.output_mode, self.num_bins, self._output_dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(tuple(input_shape[0]), self.output_mode, self.num_bins)

    def get_config(self) -> Config:
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self._output_dtype,
        }
