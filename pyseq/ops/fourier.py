"""Fourier transforms. Complex numbers are pairs of arrays: real and imaginary parts.

In a trace a transform is a product with its matrix, which NumPy's transform of an identity is.

>>> from pyseq import ops
>>> [part.tolist() for part in ops.rfft([1.0, 0.0, 0.0, 0.0])]
[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import dtypes, symbolic
from pyseq.ops.math import windows
from pyseq.ops.placeholders import infers_shapes
from pyseq.ops.promotion import convert_to_tensor, dtype_of, fractional, rounded

if TYPE_CHECKING:
    from pyseq.types import Tensor


def _pair(where, x):
    """The two parts of a complex input, and the dtype of what comes of them."""
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            f"{where}: expected a tuple of two arrays, real and imaginary, got {type(x).__name__}"
        )
    real, imag = map(convert_to_tensor, x)
    name = dtypes.result_type(dtype_of(real), dtype_of(imag))
    if real.shape != imag.shape or not real.ndim or name not in dtypes.FLOAT_DTYPES:
        raise ValueError(
            f"{where}: expected two float arrays of one shape with at least one axis, got shapes "
            f"{tuple(real.shape)} and {tuple(imag.shape)} of {real.dtype} and {imag.dtype}"
        )
    return real, imag, name


def _is_traced(*parts):
    return any(map(symbolic.is_traced, parts))


def _complex(real, imag, name):
    return np.asarray(real, dtypes.compute_dtype(name)) + 1j * np.asarray(
        imag, dtypes.compute_dtype(name)
    )


def _parts(value, name):
    return rounded(value.real, name), rounded(value.imag, name)


def _times(real, imag, matrix):
    """(real + i imag) @ matrix, as two parts."""
    a, b = (np.asarray(part, np.float32) for part in (matrix.real, matrix.imag))
    return (
        np.matmul(real, a) - np.matmul(imag, b),
        np.matmul(real, b) + np.matmul(imag, a),
    )


def _along(transform, real, imag, axis):
    """A transform along an axis by its matrix."""
    if axis == -1:
        return _times(real, imag, transform(np.eye(real.shape[-1])))
    turned = (np.swapaxes(part, axis, -1) for part in (real, imag))
    return tuple(np.swapaxes(y, axis, -1) for y in _along(transform, *turned, -1))


def _fourier(where, transform, x, axes):
    real, imag, name = _pair(where, x)
    if real.ndim < len(axes):
        raise ValueError(f"{where}: expected at least {len(axes)} axes, got {real.ndim}")
    if _is_traced(real, imag):
        for axis in axes:
            real, imag = _along(transform, real, imag, axis)
        return real, imag
    value = _complex(real, imag, name)
    for axis in axes:
        value = transform(value, axis=axis)
    return _parts(value, name)


@infers_shapes
def fft(x: Tensor) -> Tensor:
    """Return the Fourier transform along the last axis, as real and imaginary parts.

    Raises:
        ValueError: `x` is not a pair of float arrays of one shape.
    """
    return _fourier("fft", np.fft.fft, x, (-1,))


@infers_shapes
def fft2(x: Tensor) -> Tensor:
    """Return the Fourier transform along the last two axes, as `fft` does."""
    return _fourier("fft2", np.fft.fft, x, (-1, -2))


@infers_shapes
def ifft2(x: Tensor) -> Tensor:
    """Return the inverse of `fft2`."""
    return _fourier("ifft2", np.fft.ifft, x, (-1, -2))


def _check_length(where, length):
    if length is not None and (not isinstance(length, (int, np.integer)) or length < 1):
        raise ValueError(f"{where}: expected a length of at least 1, got {length!r}")


@infers_shapes
def rfft(x: Tensor, fft_length: Any = None) -> Tensor:
    """Return the transform of real x (..., n) as two parts (..., fft_length // 2 + 1).

    Args:
        fft_length: x is cut or padded with zeros to this length first; n by default.

    Raises:
        ValueError: a length below 1.
    """
    _check_length("rfft", fft_length)
    x = convert_to_tensor(x)
    if symbolic.is_traced(x):
        matrix = np.fft.rfft(np.eye(x.shape[-1]), fft_length)
        return tuple(np.matmul(x, np.asarray(m, np.float32)) for m in (matrix.real, matrix.imag))
    name = fractional(dtype_of(x))
    value = np.fft.rfft(x.astype(dtypes.compute_dtype(name)), fft_length)
    return _parts(value, name)


@infers_shapes
def irfft(x: Tensor, fft_length: Any = None) -> Tensor:
    """Return the inverse of `rfft`: real numbers (..., fft_length).

    Args:
        fft_length: 2 (bins - 1) by default.

    Raises:
        ValueError: `x` is not a pair of float arrays of one shape, or a length below 1.
    """
    _check_length("irfft", fft_length)
    real, imag, name = _pair("irfft", x)
    if _is_traced(real, imag):
        eye = np.eye(real.shape[-1])
        of_real, of_imag = (
            np.asarray(np.fft.irfft(m, fft_length), np.float32) for m in (eye, 1j * eye)
        )
        return np.matmul(real, of_real) + np.matmul(imag, of_imag)
    return rounded(np.fft.irfft(_complex(real, imag, name), fft_length), name)


def _check_frames(where, sequence_length, sequence_stride, fft_length):
    if not isinstance(sequence_stride, (int, np.integer)) or sequence_stride <= 0:
        raise ValueError(
            f"{where}: expected sequence_stride to be a whole number above 0, got "
            f"{sequence_stride!r}"
        )
    if not 0 < sequence_length <= fft_length:
        raise ValueError(
            f"{where}: expected sequence_length up to fft_length, got {sequence_length} and "
            f"{fft_length}"
        )


def _window(where, window, length, fft_length):
    """The window in the middle of `fft_length` zeros; ones for None."""
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(
                f"{where}: expected the window 'hann', 'hamming', an array or None, got {window!r}"
            )
        mean = 0.5 if window == "hann" else 0.54
        window = mean - (1 - mean) * np.cos(2 * np.pi * np.arange(length) / length)
    window = np.ones(length) if window is None else np.asarray(window, np.float64)
    if window.shape != (length,):
        raise ValueError(
            f"{where}: expected a window of shape ({length},), as sequence_length says, got "
            f"{window.shape}"
        )
    before = (fft_length - length) // 2
    return np.pad(window, (before, fft_length - length - before))


@infers_shapes
def stft(
    x: Tensor,
    sequence_length: Any,
    sequence_stride: Any,
    fft_length: Any,
    window: Any = "hann",
    center: bool = True,
) -> Tensor:
    """Return the transforms of windows of the last axis: two parts (..., windows, bins).

    Args:
        x: (..., samples) of float32 or float64.
        sequence_length: samples in a window.
        sequence_stride: samples from one window to the next.
        fft_length: what a window is padded to, which gives fft_length // 2 + 1 bins.
        window: "hann", "hamming", `sequence_length` factors, or None for ones.
        center: mirror `x` at its ends so that window t has its middle at t * sequence_stride.

    Raises:
        TypeError: `x` is of another dtype.
        ValueError: lengths, strides or windows that do not fit.
    """
    x = convert_to_tensor(x)
    if x.dtype.name not in ("float32", "float64"):
        raise TypeError(f"stft: expected float32 or float64, got {x.dtype}; cast it first")
    _check_frames("stft", sequence_length, sequence_stride, fft_length)
    factors = _window("stft", window, sequence_length, fft_length).astype(x.dtype)
    places = np.arange(x.shape[-1])
    if center:
        places = np.pad(places, fft_length // 2, mode="reflect")
    places = places[windows("stft", places, fft_length, sequence_stride)]
    return rfft(np.take(x, places, axis=-1) * factors)


@infers_shapes
def istft(
    x: Tensor,
    sequence_length: Any,
    sequence_stride: Any,
    fft_length: Any,
    length: Any = None,
    window: Any = "hann",
    center: bool = True,
) -> Tensor:
    """Return the samples (..., n) whose `stft` with the same arguments is `x`.

    Args:
        x: two parts (..., windows, bins).
        length: samples to return; by default as many as there are.

    Raises:
        ValueError: lengths, strides or windows that do not fit, or windows that leave samples out.
    """
    _check_frames("istft", sequence_length, sequence_stride, fft_length)
    real, imag, name = _pair("istft", x)
    if real.ndim < 2 or sequence_stride > fft_length:
        raise ValueError(
            "istft: expected parts (..., windows, bins) and a stride up to fft_length, got shape "
            f"{tuple(real.shape)} and stride {sequence_stride}"
        )
    factors = _window("istft", window, sequence_length, fft_length)
    frames = irfft((real, imag), fft_length)
    count = real.shape[-2]
    start = fft_length // 2 if center else 0
    total = fft_length + sequence_stride * (count - 1)
    end = total - start if length is None else start + length
    exact = window is not None and center and sequence_length == fft_length
    if exact:
        envelope = _overlapped(np.tile(factors**2, (count, 1)), sequence_stride)[start:end]
        if not envelope.size or envelope.min() < 1e-11:
            raise ValueError(
                f"istft: expected windows that reach all samples, got {window!r} with "
                f"sequence_stride {sequence_stride}; take a smaller stride"
            )
    elif window is not None:
        steps = -(-fft_length // sequence_stride)
        squares = np.pad(factors**2, (0, steps * sequence_stride - fft_length))
        sums = np.tile(squares.reshape(steps, sequence_stride).sum(0), steps)
        with np.errstate(all="ignore"):
            factors = factors / sums[:fft_length]
    kind = frames.dtype
    if window is not None:
        frames = frames * factors.astype(kind)
    samples = _overlapped(frames, sequence_stride)[..., start:end]
    if not exact:
        return samples if _is_traced(samples) else rounded(samples, name)
    samples = samples / envelope.astype(kind)
    missing = end - start - samples.shape[-1]
    if missing > 0:
        samples = np.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])
    return samples if _is_traced(samples) else rounded(samples, name)


def _overlapped(frames, stride):
    """The sum (..., samples) of frames (..., count, length) that begin `stride` samples apart."""
    count, length = frames.shape[-2:]
    steps = -(-length // stride)
    before = [(0, 0)] * (frames.ndim - 1)
    frames = np.pad(frames, [*before, (0, steps * stride - length)])
    frames = np.reshape(frames, (*frames.shape[:-1], steps, stride))
    total = 0
    for s in range(steps):
        total = total + np.pad(frames[..., s, :], [*before[:-1], (s, steps - 1 - s), (0, 0)])
    flat = np.reshape(total, (*total.shape[:-2], (count + steps - 1) * stride))
    return flat[..., : length + stride * (count - 1)]


__all__ = [
    "fft", "fft2", "ifft2", "irfft", "istft", "rfft", "stft",
]  # fmt: skip
