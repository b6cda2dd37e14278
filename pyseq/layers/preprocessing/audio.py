"""Spectrograms of sound: STFTSpectrogram, which can be trained, and MelSpectrogram."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import initializers, settings, windows
from pyseq.layers.base import Layer
from pyseq.layers.core import KerasTensor, positive_int
from pyseq.layers.preprocessing.base import _NumPyLayer
from pyseq.layers.reshaping import lower_permute
from pyseq.layers.spatial_base import SpatialMixin
from pyseq.registry import limits
from pyseq.registry.registration import builtin
from pyseq.registry.serialization import deserialize_keras_object
from pyseq.spatial import padding_of, window_output, window_pads

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, DTypeLike, LayerArguments, Tensor

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


def _window_from(window):
    """A window: a name, None, or values, which Keras writes into files as a dict of its own."""
    return deserialize_keras_object(window) if isinstance(window, dict) else window


def _plain(window):
    # A list, because Keras cannot read its own dict of an array back.
    return window.tolist() if isinstance(window, np.ndarray) else window


@builtin("layers")
class STFTSpectrogram(SpatialMixin, Layer):
    """Short-time Fourier transform of each channel, as convolutions whose kernels can be trained.

    `X[t, k] = sum_j x[t frame_step + j] window[j] exp(-2 pi i j k / fft_length)`, divided by the
    norm of the window.

    Args:
        mode: what of X is returned: `"magnitude"` |X|, `"log"` its natural logarithm (both with
            |X|^2 at least `settings.epsilon`), `"psd"` |X|^2, doubled but for the lowest and the
            highest frequency, `"real"`, `"imag"`, `"angle"` in radians, or `"stft"`, all real parts
            and then all imaginary ones.
        frame_length: samples of a frame.
        frame_step: samples between frames, half of `frame_length` by default.
        fft_length: at least `frame_length`; the next power of two by default.
        window: name of a window, `frame_length` values, or None.
        periodic: whether a window given by name is periodic instead of symmetric.
        scaling: `"density"` divides by the L2 norm of the window, `"spectrum"` by its L1 norm,
            None not at all.
        padding: `"valid"` or `"same"`.
        expand_dims: give the frequencies a dimension of their own.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, samples, channels)`; output `(n, frames, channels * bins)`, with `expand_dims`
    `(n, frames, bins, channels)`, where bins = fft_length // 2 + 1 (twice that for "stft").
    Channels first: `(n, channels * bins, frames)` and `(n, channels, frames, bins)`. Weights:
    real_kernel and imag_kernel, each `(frame_length, 1, fft_length // 2 + 1)`.

    >>> STFTSpectrogram(frame_length=64)(np.zeros((2, 256, 1), "float32")).shape
    (2, 7, 33)
    """

    def __init__(
        self,
        mode: str = "log",
        frame_length: int = 256,
        frame_step: Any = None,
        fft_length: Any = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: Any = "density",
        padding: Any = "valid",
        expand_dims: bool = False,
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(1, data_format)
        if mode not in _MODES:
            raise ValueError(f"{self.name}: expected `mode` to be one of {_MODES}, got {mode!r}")
        self.mode = mode
        self.frame_length = positive_int(self.name, "frame_length", frame_length)
        self.frame_step = frame_step
        if frame_step is None:
            self._frame_step = max(self.frame_length // 2, 1)
        else:
            self._frame_step = positive_int(self.name, "frame_step", frame_step)
        if self._frame_step > self.frame_length:
            raise ValueError(
                f"{self.name}: expected `frame_step` to be at most frame_length="
                f"{self.frame_length}, got {frame_step}; samples between the frames would be lost"
            )
        self.fft_length = fft_length
        self._fft_length = self._checked_fft_length(fft_length)
        if isinstance(window, str):
            windows.check_window(window)
        self.window = _window_from(window)
        self.periodic = periodic
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                f"{self.name}: expected `scaling` to be 'density', 'spectrum' or None, got "
                f"{scaling!r}"
            )
        self.scaling = scaling
        self.padding = padding_of(self.name, padding)
        self.expand_dims = expand_dims

    def _checked_fft_length(self, fft_length):
        if fft_length is None:
            return 1 << (self.frame_length - 1).bit_length()
        length = positive_int(self.name, "fft_length", fft_length)
        if length < self.frame_length:
            raise ValueError(
                f"{self.name}: expected `fft_length` to be at least frame_length="
                f"{self.frame_length}, got {length}"
            )
        if length & (length - 1):
            warnings.warn(
                f"{self.name}: `fft_length` is best a power of two, got {length}", stacklevel=4
            )
        return length

    @property
    def _bins(self):
        return self._fft_length // 2 + 1

    def _add_kernel(self, side):
        return self.add_weight(
            name=f"{side}_kernel",
            shape=(self.frame_length, 1, self._bins),
            initializer=initializers.STFT(side, self.window, self.scaling, self.periodic),
        )

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)
        if self.mode != "imag":
            self.real_kernel = self._add_kernel("real")
        if self.mode != "real":
            self.imag_kernel = self._add_kernel("imag")

    def _frames(self, samples):
        return window_output(
            self.name, samples, self.frame_length, self._frame_step, 1, self.padding
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        (samples,), channels = self._split(input_shape)
        frames = self._frames(samples)
        bins = 2 * self._bins if self.mode == "stft" else self._bins
        if self.expand_dims:
            inner = (channels, frames, bins) if self._channels_first else (frames, bins, channels)
            return (input_shape[0], *inner)
        return self._join(input_shape[0], (frames,), None if channels is None else channels * bins)

    def __call__(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, KerasTensor) and np.asarray(inputs).dtype.kind in "iub":
            raise TypeError(
                f"{self.name}: expected samples of a float dtype, got {np.asarray(inputs).dtype}; "
                "convert them, for instance int16 to x / 32768"
            )
        return super().__call__(inputs, *args, **kwargs)

    def lower(self, g: Any, x: Tensor) -> Any:
        (samples,), channels = self._split((None, *x.shape))
        signals = x if self._channels_first else lower_permute(g, x, [1, 0], self.name)
        signals = g.op("reshape", signals, (channels, samples, 1), name=self.name)
        # All channels share the kernels, so they stand beside each other like rows of a batch.
        y = self._lower_mode(g, g.fold(signals, channels), samples)
        y = g.unfold(y, channels)
        _, frames, bins = y.shape
        if self._channels_first:
            if not self.expand_dims:
                y = lower_permute(g, y, [0, 2, 1], self.name)
                y = g.op("reshape", y, (channels * bins, frames), name=self.name)
        elif self.expand_dims:
            y = lower_permute(g, y, [1, 2, 0], self.name)
        else:
            y = lower_permute(g, y, [1, 0, 2], self.name)
            y = g.op("reshape", y, (frames, channels * bins), name=self.name)
        return self.pass_mask(y, x)

    def _lower_mode(self, g, signal, samples):
        begin, end = window_pads(samples, self.frame_length, self._frame_step, 1, self.padding)
        shape = (self._frames(samples), self._bins)
        kernels = {"real": ["real_kernel"], "imag": ["imag_kernel"]}
        parts = [
            g.op(
                "conv", signal, shape, weights=[getattr(self, kernel)], name=self.name,
                strides=[self._frame_step], dilations=[1], pads_begin=[begin], pads_end=[end],
                groups=1,
            )
            for kernel in kernels.get(self.mode, ["real_kernel", "imag_kernel"])
        ]
        if len(parts) == 1:
            return parts[0]
        if self.mode == "stft":
            shape = (shape[0], 2 * self._bins)
            return g.op("concat", parts, shape, name=self.name, axis=-1)
        epsilon = settings.epsilon
        # The logarithm's argument sqrt(max(p, e)) is itself bounded by e.
        floor = max(epsilon, epsilon**2) if self.mode == "log" else epsilon
        return g.op("spectrogram", parts, shape, name=self.name, mode=self.mode, floor=floor)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "mode": self.mode,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "fft_length": self.fft_length,
            "window": _plain(self.window),
            "periodic": self.periodic,
            "scaling": self.scaling,
            "padding": self.padding,
            "data_format": self.data_format,
            "expand_dims": self.expand_dims,
        }


def _mel(hertz):
    """Pitch in mel: Young et al., The HTK Book, section 5.4."""
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)


@builtin("layers")
class MelSpectrogram(_NumPyLayer):
    """Energy in bands of equal width in mel, over time.

    Frames are centred at multiples of `sequence_stride`; the signal is mirrored at both ends.

    Args:
        fft_length: samples of a frame's Fourier transform.
        sequence_stride: samples between frames.
        sequence_length: samples under the window, `fft_length` by default.
        window: `"hann"`, `"hamming"`, `sequence_length` values, or None for no window.
        sampling_rate: samples in a second.
        num_mel_bins: number of bands.
        min_freq, max_freq: lower end of the first band and upper end of the last one in Hertz;
            half of `sampling_rate` by default.
        power_to_db: return decibels, 10 log10(max(S, min_power) / max(|ref_power|, min_power)).
        top_db: decibels below the highest value of the whole input are cut off.
        mag_exp: exponent of the magnitude, 2 for power.
        min_power: smallest power that is told from silence.
        ref_power: power of 0 decibels.

    Input `(n, samples)` or `(samples,)`, output `(n, num_mel_bins, frames)` or without n.
    In a model it has no gradient: it stands before the first layer that is trained.

    >>> layer = MelSpectrogram(fft_length=256, sequence_stride=64, num_mel_bins=20)
    >>> layer(np.sin(np.arange(1024.0))).shape
    (20, 17)
    """

    @property
    def row_coupling(self) -> Any:
        return "always" if self.power_to_db else None

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: Any = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: Any = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.fft_length = positive_int(self.name, "fft_length", fft_length)
        self.sequence_stride = positive_int(self.name, "sequence_stride", sequence_stride)
        length = sequence_length or self.fft_length
        self.sequence_length = positive_int(self.name, "sequence_length", length)
        if self.fft_length < self.sequence_length:
            raise ValueError(
                f"{self.name}: expected `fft_length` to be at least sequence_length="
                f"{self.sequence_length}, got {self.fft_length}"
            )
        if isinstance(window, str) and window not in ("hann", "hamming"):
            raise ValueError(
                f"{self.name}: expected `window` to be 'hann', 'hamming', an array or None, got "
                f"{window!r}; pyseq.windows has the values of others"
            )
        self.window = _window_from(window)
        self.sampling_rate = sampling_rate
        self.num_mel_bins = positive_int(self.name, "num_mel_bins", num_mel_bins)
        self.min_freq = min_freq
        self.max_freq = max_freq or int(sampling_rate / 2)
        if not -700.0 < self.min_freq < self.max_freq:
            raise ValueError(
                f"{self.name}: expected min_freq < max_freq, got {min_freq} and {self.max_freq}"
            )
        self.power_to_db = power_to_db
        self.top_db = top_db
        self.mag_exp = mag_exp
        self.min_power = min_power
        self.ref_power = ref_power
        limits.take((self.fft_length,), "float64", f"{self.name}/window")
        self._window_values()

    def _window_values(self):
        """The window in the middle of `fft_length` values."""
        size = self.sequence_length
        if self.window is None:
            values = np.ones(size)
        elif isinstance(self.window, str):
            values = windows.get_window(self.window, size)
        else:
            values = np.asarray(self.window, np.float64)
        if values.shape != (size,):
            raise ValueError(
                f"{self.name}: expected a `window` of sequence_length={size} values, got shape "
                f"{values.shape}"
            )
        before = (self.fft_length - size) // 2
        return np.pad(values, (before, self.fft_length - size - before))

    def _frames(self, samples):
        if samples is None:
            return None
        if samples <= self.fft_length // 2:
            raise ValueError(
                f"{self.name}: expected more than fft_length // 2 = {self.fft_length // 2} "
                f"samples, got {samples}; use a smaller fft_length or longer signals"
            )
        return 1 + (samples - self.fft_length % 2) // self.sequence_stride

    def compute_output_shape(self, input_shape: Any) -> Any:
        *batch, samples = input_shape
        return (*batch, self.num_mel_bins, self._frames(samples))

    def apply(self, x: Tensor, training: Any) -> Any:
        x = np.asarray(x)
        if x.ndim == 0:
            raise ValueError(f"{self.name}: expected samples along the last axis, got a scalar")
        frames = self._frames(x.shape[-1])
        signals = x.reshape(-1, x.shape[-1]).astype(np.float64)
        bands = self.linear_to_mel_weight_matrix(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate, self.min_freq,
            self.max_freq, "float64",
        )
        window = self._window_values()
        out = np.empty((len(signals), self.num_mel_bins, frames))
        for signal, result in zip(signals, out):
            result[:] = (self._power(signal, window) @ bands).T
        if self.power_to_db:
            out = self._decibels(out)
        dtype = self.arithmetic_dtype
        return out.reshape(*x.shape[:-1], *out.shape[1:]).astype(dtype)

    def _power(self, signal, window):
        """|X|^mag_exp of one signal, (frames, fft_length // 2 + 1)."""
        padded = np.pad(signal, self.fft_length // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.fft_length)
        spectrum = np.fft.rfft(frames[:: self.sequence_stride] * window)
        power = spectrum.real**2 + spectrum.imag**2
        return power if self.mag_exp == 2 else power ** (self.mag_exp / 2)

    def _decibels(self, power):
        db = 10.0 * np.log10(np.maximum(power, self.min_power))
        db -= 10.0 * np.log10(max(abs(self.ref_power), self.min_power))
        return np.maximum(db, db.max(initial=-np.inf) - self.top_db)

    def linear_to_mel_weight_matrix(
        self,
        num_mel_bins: int = 20,
        num_spectrogram_bins: int = 129,
        sampling_rate: int = 8000,
        lower_edge_hertz: float = 125.0,
        upper_edge_hertz: float = 3800.0,
        dtype: DTypeLike = "float32",
    ) -> Any:
        """Weights (num_spectrogram_bins, num_mel_bins) from frequencies to bands.

        Band j is a triangle over mel: 1 at its centre, 0 at the centres of its neighbours. The
        frequency 0 counts nowhere.

        >>> MelSpectrogram().linear_to_mel_weight_matrix(4, 9).shape
        (9, 4)
        """
        pitch = _mel(np.linspace(0.0, sampling_rate / 2.0, num_spectrogram_bins))[:, None]
        edges = np.linspace(_mel(lower_edge_hertz), _mel(upper_edge_hertz), num_mel_bins + 2)
        low, centre, high = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (pitch - low) / (centre - low), (high - pitch) / (high - centre)
        weights = np.maximum(0.0, np.minimum(rising, falling))
        weights[0] = 0.0
        return weights.astype(dtype)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "fft_length": self.fft_length,
            "sequence_stride": self.sequence_stride,
            "sequence_length": self.sequence_length,
            "window": _plain(self.window),
            "sampling_rate": self.sampling_rate,
            "num_mel_bins": self.num_mel_bins,
            "min_freq": self.min_freq,
            "max_freq": self.max_freq,
            "power_to_db": self.power_to_db,
            "top_db": self.top_db,
            "mag_exp": self.mag_exp,
            "min_power": self.min_power,
            "ref_power": self.ref_power,
        }
