"""Window functions by name, for spectrograms and the STFT initializer.

Formulas: F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier
transform", Proc. IEEE 66 (1978); A. H. Nuttall, IEEE ASSP 29 (1981) for the cosine sums.
"""

from __future__ import annotations

import numpy as np

_COSINE_SUMS = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
_ALIASES = {
    "hanning": "hann",
    "ones": "boxcar",
    "rectangular": "boxcar",
    "triangle": "triang",
    "blackharr": "blackmanharris",
    "black": "blackman",
    "sine": "cosine",
}


def _cosine_sum(weights):
    def window(n):
        angle = 2 * np.pi * np.arange(n) / max(n - 1, 1)
        return sum((-1) ** k * a * np.cos(k * angle) for k, a in enumerate(weights))

    return window


def _centred(n):
    """Return positions in [-1, 1], symmetric about 0."""
    return 2 * np.arange(n) / max(n - 1, 1) - 1


def _triang(n):
    k = np.arange(1, (n + 1) // 2 + 1)
    half = (2 * k - 1) / n if n % 2 == 0 else 2 * k / (n + 1)
    return np.concatenate([half, half[::-1] if n % 2 == 0 else half[-2::-1]])


def _parzen(n):
    x = np.abs(np.arange(n) - (n - 1) / 2) / (n / 2)
    return np.where(x <= 0.5, 1 - 6 * x**2 * (1 - x), 2 * (1 - np.minimum(x, 1)) ** 3)


def _bohman(n):
    x = np.abs(_centred(n))
    window = (1 - x) * np.cos(np.pi * x) + np.sin(np.pi * x) / np.pi
    window[[0, -1]] = 0.0
    return window


def _barthann(n):
    x = np.abs(np.arange(n) / max(n - 1, 1) - 0.5)
    return 0.62 - 0.48 * x + 0.38 * np.cos(2 * np.pi * x)


def _tukey(n, alpha=0.5):
    x = np.abs(_centred(n))
    return np.where(x < 1 - alpha, 1.0, 0.5 * (1 + np.cos(np.pi * (x - 1 + alpha) / alpha)))


_FUNCTIONS = {
    **{name: _cosine_sum(weights) for name, weights in _COSINE_SUMS.items()},
    "triang": _triang,
    "bartlett": lambda n: 1 - np.abs(_centred(n)),
    "parzen": _parzen,
    "bohman": _bohman,
    "barthann": _barthann,
    "cosine": lambda n: np.sin(np.pi * (np.arange(n) + 0.5) / n),
    "tukey": _tukey,
    "exponential": lambda n: np.exp(-np.abs(np.arange(n) - (n - 1) / 2)),
    "lanczos": lambda n: np.sinc(_centred(n)),
}


def check_window(name):
    """Raise ValueError unless `name` is a known window."""
    if _ALIASES.get(name, name) not in _FUNCTIONS:
        raise ValueError(
            f"window: expected one of {sorted(_FUNCTIONS)}, got {name!r}; "
            f"pass one of these names or an array of values"
        )


def get_window(name, length, periodic=True):
    """Return the window called `name` as a float64 array of `length` values.

    Args:
        name: for instance `"hann"` or `"hamming"`.
        length: number of values.
        periodic: whether the window is one period of a longer one (for spectral analysis)
            instead of symmetric.

    >>> get_window("hann", 4).round(9).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    check_window(name)
    if length <= 1:
        return np.ones(max(length, 0))
    function = _FUNCTIONS[_ALIASES.get(name, name)]
    values = function(length + 1)[:-1] if periodic else function(length)
    return np.asarray(values, dtype=np.float64)
