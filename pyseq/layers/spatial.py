"""Layers that resize without weights: UpSampling, ZeroPadding and Cropping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.layers.base import Layer
from pyseq.layers.core import positive_int
from pyseq.layers.spatial_base import SpatialMixin
from pyseq.ops.image.resizing import INTERPOLATIONS
from pyseq.registry.registration import builtin
from pyseq.spatial import tuple_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Size, Tensor


def lower_resize(g, x, size, interpolation, antialias=False, *, name):
    """Append a resizing of images (h, w, c) to `size` (height, width)."""
    height, width = size
    return g.op(
        "resize",
        x,
        (height, width, x.shape[2]),
        name=name,
        height=height,
        width=width,
        interpolation=interpolation,
        antialias=bool(antialias),
    )


class _UpSampling(SpatialMixin, Layer):
    interpolation = "nearest"

    def _sizes(self):
        return self.size

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, channels = self._split(input_shape)
        sizes = zip(lengths, self._sizes(), strict=True)
        spatial = [None if n is None else n * s for n, s in sizes]
        return self._join(input_shape[0], spatial, channels)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        spatial = [n * s for n, s in zip(x_last.shape[:-1], self._sizes(), strict=True)]
        shape = (*spatial, x_last.shape[-1])
        if self.interpolation == "nearest":
            y = g.op("upsample", x_last, shape, name=self.name, size=self._sizes())
        else:
            y = lower_resize(g, x_last, spatial, self.interpolation, name=self.name)
        return self.pass_mask(self._from_last(g, y), x)


@builtin("layers")
class UpSampling1D(_UpSampling):
    """Each time step `size` times in a row.

    Args:
        size: how often each step is repeated.

    Input `(n, steps, c)`, output `(n, steps * size, c)`.

    >>> import numpy as np
    >>> UpSampling1D(2)(np.array([[[1.0], [2.0]]], "float32")).ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """

    def __init__(self, size: Size = 2, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self._set_layout(1, "channels_last")
        self.size = positive_int(self.name, "size", size)

    def _sizes(self):
        return (self.size,)

    def get_config(self) -> Config:
        return {**super().get_config(), "size": self.size}


@builtin("layers")
class UpSampling2D(_UpSampling):
    """Images enlarged by whole factors.

    Args:
        size: factors for height and width, an integer or two.
        data_format: `"channels_last"` or `"channels_first"`.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"` (Keys 1981, a = -1/2), `"lanczos3"`
            or `"lanczos5"`; pixel centres lie at halves, weights at the border sum to 1.

    Input `(n, h, w, c)`, output `(n, h * size[0], w * size[1], c)`.

    >>> import numpy as np
    >>> UpSampling2D(2, interpolation="bilinear")(np.zeros((1, 4, 4, 3), "float32")).shape
    (1, 8, 8, 3)
    """

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: DataFormat = None,
        interpolation: str = "nearest",
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(2, data_format)
        self.size = tuple_of(self.name, "size", size, 2)
        self.interpolation = str(interpolation).lower()
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"{self.name}: expected `interpolation` to be one of {INTERPOLATIONS}, got "
                f"{interpolation!r}"
            )

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "size": self.size,
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }


@builtin("layers")
class UpSampling3D(_UpSampling):
    """Each element repeated along depth, height and width.

    Args:
        size: factors, an integer or three.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, d, h, w, c)`, output `(n, d * size[0], h * size[1], w * size[2], c)`.

    >>> import numpy as np
    >>> UpSampling3D(2)(np.zeros((1, 2, 2, 2, 3), "float32")).shape
    (1, 4, 4, 4, 3)
    """

    def __init__(
        self,
        size: Any = (2, 2, 2),
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(3, data_format)
        self.size = tuple_of(self.name, "size", size, 3)

    def get_config(self) -> Config:
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


def _pairs_of(where, argument, value, rank):
    """One (before, behind) pair for each axis from an integer, one integer an axis, or pairs."""
    if not isinstance(value, (tuple, list)):
        value = tuple_of(where, argument, value, rank, least=0)
    if len(value) != rank:
        raise ValueError(
            f"{where}: expected `{argument}` to be an integer or {rank} entries, integers or "
            f"pairs, got {value!r}"
        )
    return tuple(tuple_of(where, f"{argument}[{i}]", v, 2, least=0) for i, v in enumerate(value))


class _Framed(SpatialMixin, Layer):
    """Base of padding and cropping: `(before, behind)` along each spatial axis."""

    def _frame(self):
        raise TypeError(f"{self.name}: expected a subclass that defines _frame()")

    def _attrs(self):
        pairs = self._frame()
        pairs = [(0, 0), *pairs] if self._channels_first else [*pairs, (0, 0)]
        return {"begin": [b for b, _ in pairs], "end": [e for _, e in pairs]}

    def _lower(self, g, x, kind):
        shape = self.compute_output_shape((None, *x.shape))[1:]
        return self.pass_mask(g.op(kind, x, shape, name=self.name, **self._attrs()), x)


class _ZeroPadding(_Framed):
    def _frame(self):
        return self.padding

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, channels = self._split(input_shape)
        spatial = [
            None if n is None else n + b + e
            for n, (b, e) in zip(lengths, self._frame(), strict=True)
        ]
        return self._join(input_shape[0], spatial, channels)

    def lower(self, g: Any, x: Tensor) -> Any:
        return self._lower(g, x, "pad")


class _Cropping(_Framed):
    def _frame(self):
        return self.cropping

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, channels = self._split(input_shape)
        spatial = [
            None if n is None else n - b - e
            for n, (b, e) in zip(lengths, self._frame(), strict=True)
        ]
        for i, n in enumerate(spatial):
            if n is not None and n < 1:
                raise ValueError(
                    f"{self.name}: expected `cropping` below the length {lengths[i]} of spatial "
                    f"axis {i}, got {self._frame()[i]} (input shape {tuple(input_shape)})"
                )
        return self._join(input_shape[0], spatial, channels)

    def lower(self, g: Any, x: Tensor) -> Any:
        return self._lower(g, x, "crop")


@builtin("layers")
class ZeroPadding1D(_ZeroPadding):
    """Zeros before and behind the time steps.

    Args:
        padding: number of zeros at each end, or `(before, behind)`.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, steps, c)`, output `(n, steps + before + behind, c)`.

    >>> import numpy as np
    >>> ZeroPadding1D((2, 0))(np.ones((1, 1, 1), "float32")).ravel().tolist()
    [0.0, 0.0, 1.0]
    """

    def __init__(
        self, padding: Any = 1, data_format: DataFormat = None, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(1, data_format)
        self.padding = tuple_of(self.name, "padding", padding, 2, least=0)

    def _frame(self):
        return (self.padding,)

    def get_config(self) -> Config:
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@builtin("layers")
class ZeroPadding2D(_ZeroPadding):
    """Zeros around images.

    Args:
        padding: an integer, `(height, width)` or `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, h, w, c)`, output `(n, h + top + bottom, w + left + right, c)`.

    >>> import numpy as np
    >>> ZeroPadding2D(((1, 0), (2, 2)))(np.zeros((1, 4, 4, 3), "float32")).shape
    (1, 5, 8, 3)
    """

    def __init__(
        self,
        padding: Any = (1, 1),
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(2, data_format)
        self.padding = _pairs_of(self.name, "padding", padding, 2)

    def get_config(self) -> Config:
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@builtin("layers")
class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes.

    Args:
        padding: an integer, three, or three `(before, behind)` pairs.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, d, h, w, c)`, output the same with longer `d`, `h`, `w`.

    >>> import numpy as np
    >>> ZeroPadding3D(1)(np.zeros((1, 2, 3, 4, 1), "float32")).shape
    (1, 4, 5, 6, 1)
    """

    def __init__(
        self,
        padding: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(3, data_format)
        self.padding = _pairs_of(self.name, "padding", padding, 3)

    def get_config(self) -> Config:
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@builtin("layers")
class Cropping1D(_Cropping):
    """Time steps without the first and the last ones.

    Args:
        cropping: number of steps at each end, or `(before, behind)`.

    Input `(n, steps, c)`, output `(n, steps - before - behind, c)`.

    >>> import numpy as np
    >>> Cropping1D((1, 0))(np.array([[[1.0], [2.0]]], "float32")).ravel().tolist()
    [2.0]
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self._set_layout(1, "channels_last")
        self.cropping = tuple_of(self.name, "cropping", cropping, 2, least=0)

    def _frame(self):
        return (self.cropping,)

    def get_config(self) -> Config:
        return {**super().get_config(), "cropping": self.cropping}


@builtin("layers")
class Cropping2D(_Cropping):
    """Images without their margins.

    Args:
        cropping: an integer, `(height, width)` or `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, h, w, c)`, output `(n, h - top - bottom, w - left - right, c)`.

    >>> import numpy as np
    >>> Cropping2D(1)(np.zeros((1, 4, 5, 3), "float32")).shape
    (1, 2, 3, 3)
    """

    def __init__(
        self,
        cropping: Any = ((0, 0), (0, 0)),
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(2, data_format)
        self.cropping = _pairs_of(self.name, "cropping", cropping, 2)

    def get_config(self) -> Config:
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


@builtin("layers")
class Cropping3D(_Cropping):
    """Volumes without their margins.

    Args:
        cropping: an integer, three, or three `(before, behind)` pairs.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, d, h, w, c)`, output the same with shorter `d`, `h`, `w`.

    >>> import numpy as np
    >>> Cropping3D(1)(np.zeros((1, 4, 5, 6, 1), "float32")).shape
    (1, 2, 3, 4, 1)
    """

    def __init__(
        self,
        cropping: Any = ((1, 1), (1, 1), (1, 1)),
        data_format: DataFormat = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(3, data_format)
        self.cropping = _pairs_of(self.name, "cropping", cropping, 3)

    def get_config(self) -> Config:
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}
