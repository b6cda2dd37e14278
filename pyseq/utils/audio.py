"""Reading of WAV files, and changes of their sampling rate."""

from __future__ import annotations

import math
import wave

import numpy as np

# Zero crossings of the sinc on each side, and the shape of the Kaiser window over them.
_CROSSINGS = 32
_BETA = 10.0


def read_wav(path, where):
    """Return the samples of a WAV file and its sampling rate in Hz.

    Args:
        path: file of 8, 16, 24 or 32 bits PCM.
        where: the caller, for messages.

    Returns:
        `(x, rate)`, x float32 `(samples, channels)` in [-1, 1).

    Raises:
        ValueError: the file is none of these, or is damaged.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getparams()[:3]
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(
            f"{where}: expected a WAV file of PCM samples, got {path} ({error}); convert it"
        ) from None
    if width not in (1, 2, 3, 4) or not channels or not rate:
        raise ValueError(
            f"{where}: expected a WAV file of 8 to 32 bits, got {path} of {8 * width} bits, "
            f"{channels} channels and {rate} Hz"
        )
    data = np.frombuffer(data, np.uint8)
    data = data[: len(data) // (width * channels) * width * channels].reshape(-1, channels, width)
    if width == 1:  # the only ones without a sign
        x = data[..., 0].astype(np.float32) / 128 - 1
    else:
        # The upper bytes of 32 bits, so that each width has its sign.
        full = np.zeros((*data.shape[:2], 4), np.uint8)
        full[..., 4 - width :] = data
        x = full.view("<i4")[..., 0] / np.float64(2**31)
    return x.astype(np.float32), rate


def resample(x, rate, new_rate):
    """Return samples at another rate: a sinc under a Kaiser window, below both Nyquist rates.

    Args:
        x: `(samples, channels)`.
        rate, new_rate: samples a second, before and after.

    Returns:
        float32 `(ceil(samples * new_rate / rate), channels)`.

    >>> resample(np.zeros((8, 1)), 8000, 4000).shape
    (4, 1)
    """
    if rate == new_rate or not len(x):
        return np.asarray(x, np.float32)
    cutoff = min(1.0, new_rate / rate)
    half = math.ceil(_CROSSINGS / cutoff)
    count = -(-len(x) * new_rate // rate)
    padded = np.pad(np.asarray(x, np.float64), ((half, half + 1), (0, 0)))
    divisor = math.gcd(rate, new_rate)
    up, down = new_rate // divisor, rate // divisor
    out = np.empty((count, x.shape[1]), np.float32)
    taps = np.arange(-half, half + 1)
    # Samples whose place between two old ones is the same share their weights.
    for phase in range(min(up, count)):
        begin, rest = divmod(phase * down, up)
        distance = taps - rest / up
        inside = np.clip(1 - (distance / half) ** 2, 0, None)
        weights = cutoff * np.sinc(cutoff * distance) * np.i0(_BETA * np.sqrt(inside))
        weights /= weights.sum()
        rows = np.arange(begin, begin + down * len(out[phase::up]), down)
        for channel in range(x.shape[1]):
            windows = np.lib.stride_tricks.sliding_window_view(padded[:, channel], len(taps))
            out[phase::up, channel] = windows[rows] @ weights
    return out
