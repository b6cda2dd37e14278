"""Pooling layers: maximum, average, global and adaptive, in one to three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.layers.base import Layer
from pyseq.layers.spatial_base import SpatialMixin
from pyseq.registry.registration import builtin
from pyseq.spatial import padding_of, tuple_of, window_output, window_pads

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import (
        Config,
        DataFormat,
        LayerArguments,
        NamedLayerArguments,
        Padding,
        Size,
        Tensor,
    )


class _Pooling(SpatialMixin, Layer):
    _rank = None
    _kind = None

    def __init__(
        self,
        pool_size: Size,
        strides: Size,
        padding: Padding,
        data_format: DataFormat,
        name: str,
        kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self._set_layout(self._rank, data_format)
        self.pool_size = tuple_of(self.name, "pool_size", pool_size, self.rank)
        strides = self.pool_size if strides is None else strides
        self.strides = tuple_of(self.name, "strides", strides, self.rank)
        self.padding = padding_of(self.name, padding)

    def _windows(self, lengths):
        return tuple(
            window_output(self.name, n, k, s, 1, self.padding, i)
            for i, (n, k, s) in enumerate(
                zip(lengths, self.pool_size, self.strides, strict=True)
            )
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        lengths, channels = self._split(input_shape)
        return self._join(input_shape[0], self._windows(lengths), channels)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        lengths = x_last.shape[:-1]
        pads = [
            window_pads(n, k, s, 1, self.padding)
            for n, k, s in zip(lengths, self.pool_size, self.strides, strict=True)
        ]
        y = g.op(
            self._kind,
            x_last,
            (*self._windows(lengths), x_last.shape[-1]),
            name=self.name,
            pool_size=self.pool_size,
            strides=self.strides,
            pads_begin=[b for b, _ in pads],
            pads_end=[e for _, e in pads],
        )
        return self.pass_mask(self._from_last(g, y), x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class _GlobalPooling(SpatialMixin, Layer):
    _rank = None
    _mode = None

    def __init__(
        self,
        data_format: DataFormat = None,
        keepdims: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(self._rank, data_format)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: Any) -> Any:
        _, channels = self._split(input_shape)
        if self.keepdims:
            return self._join(input_shape[0], (1,) * self.rank, channels)
        return (input_shape[0], channels)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        inputs = [x_last]
        if self.mask_policy == "consume" and x.mask is not None:
            inputs.append(x.mask)
        shape = (x_last.shape[-1],)
        if self.keepdims:
            shape = (*(1,) * self.rank, *shape)
        y = g.op(
            "global_pool", inputs, shape, name=self.name, mode=self._mode, keepdims=self.keepdims
        )
        return self._from_last(g, y) if self.keepdims else y

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "data_format": self.data_format,
            "keepdims": self.keepdims,
        }


class _AdaptivePooling(SpatialMixin, Layer):
    _rank = None
    _mode = None

    def __init__(
        self, output_size: Size, data_format: DataFormat = None, **kwargs: Unpack[LayerArguments]
    ) -> None:
        super().__init__(**kwargs)
        self._set_layout(self._rank, data_format)
        self.output_size = tuple_of(self.name, "output_size", output_size, self.rank)

    def compute_output_shape(self, input_shape: Any) -> Any:
        _, channels = self._split(input_shape)
        return self._join(input_shape[0], self.output_size, channels)

    def lower(self, g: Any, x: Tensor) -> Any:
        x_last = self._to_last(g, x)
        y = g.op(
            "adaptive_pool",
            x_last,
            (*self.output_size, x_last.shape[-1]),
            name=self.name,
            output_size=self.output_size,
            mode=self._mode,
        )
        return self.pass_mask(self._from_last(g, y), x)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "output_size": self.output_size,
            "data_format": self.data_format,
        }


@builtin("layers", aliases=("MaxPool1D",))
class MaxPooling1D(_Pooling):
    """Maximum over windows of time steps.

    Args:
        pool_size: length of the window.
        strides: distance between windows, `pool_size` by default.
        padding: `"valid"`, or `"same"` for `ceil(length / strides)` outputs.
        data_format: `"channels_last"` or `"channels_first"`.

    Padding never wins; of equal maxima the first receives the gradient.

    Input `(n, steps, c)`, output `(n, steps', c)`.

    >>> import numpy as np
    >>> MaxPooling1D(2)(np.zeros((1, 8, 4), "float32")).shape
    (1, 4, 4)
    """

    _rank = 1
    _kind = "max_pool"

    def __init__(
        self,
        pool_size: Size = 2,
        strides: Size | None = None,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, kwargs)


@builtin("layers", aliases=("MaxPool2D",))
class MaxPooling2D(_Pooling):
    """Maximum over windows of height and width.

    Args:
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        pool_size: size of the window.
        strides: distance between windows.

    Args as for `MaxPooling1D`, with an integer or two for `pool_size` and `strides`.

    Padding never wins; of equal maxima the first receives the gradient.

    Input `(n, h, w, c)`, output `(n, h', w', c)`.

    >>> import numpy as np
    >>> MaxPooling2D(2)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 4, 4, 4)
    """

    _rank = 2
    _kind = "max_pool"

    def __init__(
        self,
        pool_size: Size = (2, 2),
        strides: Size | None = None,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, kwargs)


@builtin("layers", aliases=("MaxPool3D",))
class MaxPooling3D(_Pooling):
    """Maximum over windows of depth, height and width.

    Args:
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        pool_size: size of the window.
        strides: distance between windows.

    Args as for `MaxPooling1D`, with an integer or three for `pool_size` and `strides`.

    Padding never wins; of equal maxima the first receives the gradient.

    Input `(n, d, h, w, c)`, output `(n, d', h', w', c)`.

    >>> import numpy as np
    >>> MaxPooling3D(2)(np.zeros((1, 8, 8, 8, 4), "float32")).shape
    (1, 4, 4, 4, 4)
    """

    _rank = 3
    _kind = "max_pool"

    def __init__(
        self,
        pool_size: Size = (2, 2, 2),
        strides: Size | None = None,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, kwargs)


@builtin("layers", aliases=("AvgPool1D",))
class AveragePooling1D(_Pooling):
    """Mean over windows of time steps.

    Args:
        pool_size: length of the window.
        strides: distance between windows, `pool_size` by default.
        padding: `"valid"`, or `"same"` for `ceil(length / strides)` outputs.
        data_format: `"channels_last"` or `"channels_first"`.

    Padding does not count: each mean is over the elements inside the input.

    Input `(n, steps, c)`, output `(n, steps', c)`.

    >>> import numpy as np
    >>> AveragePooling1D(2)(np.zeros((1, 8, 4), "float32")).shape
    (1, 4, 4)
    """

    _rank = 1
    _kind = "average_pool"

    def __init__(
        self,
        pool_size: Size,
        strides: Size | None = None,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, kwargs)


@builtin("layers", aliases=("AvgPool2D",))
class AveragePooling2D(_Pooling):
    """Mean over windows of height and width.

    Args:
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        pool_size: size of the window.
        strides: distance between windows.

    Args as for `AveragePooling1D`, with an integer or two for `pool_size` and `strides`.

    Padding does not count: each mean is over the elements inside the input.

    Input `(n, h, w, c)`, output `(n, h', w', c)`.

    >>> import numpy as np
    >>> AveragePooling2D(2)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 4, 4, 4)
    """

    _rank = 2
    _kind = "average_pool"

    def __init__(
        self,
        pool_size: Size,
        strides: Size | None = None,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, kwargs)


@builtin("layers", aliases=("AvgPool3D",))
class AveragePooling3D(_Pooling):
    """Mean over windows of depth, height and width.

    Args:
        padding: `"valid"` for windows within the input, `"same"` for padded ones.
        data_format: `"channels_last"` or `"channels_first"`; None for `image_data_format()`.
        pool_size: size of the window.
        strides: distance between windows.

    Args as for `AveragePooling1D`, with an integer or three for `pool_size` and `strides`.

    Padding does not count: each mean is over the elements inside the input.

    Input `(n, d, h, w, c)`, output `(n, d', h', w', c)`.

    >>> import numpy as np
    >>> AveragePooling3D(2)(np.zeros((1, 8, 8, 8, 4), "float32")).shape
    (1, 4, 4, 4, 4)
    """

    _rank = 3
    _kind = "average_pool"

    def __init__(
        self,
        pool_size: Size,
        strides: Size | None = None,
        padding: Padding = "valid",
        data_format: DataFormat = None,
        name: str | None = None,
        **kwargs: Unpack[NamedLayerArguments],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, kwargs)


@builtin("layers", aliases=("GlobalAvgPool1D",))
class GlobalAveragePooling1D(_GlobalPooling):
    """Mean over all time steps.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: keep the pooled axes with size 1.

    Masked steps do not count (a row without any gives NaN); the mask ends here.

    Input `(n, steps, c)`, output `(n, c)`, or `(n, 1, c)` with `keepdims`.

    >>> import numpy as np
    >>> GlobalAveragePooling1D()(np.zeros((1, 8, 4), "float32")).shape
    (1, 4)
    """

    _rank = 1
    _mode = "average"
    mask_policy = "consume"


@builtin("layers", aliases=("GlobalAvgPool2D",))
class GlobalAveragePooling2D(_GlobalPooling):
    """Mean over all height and width.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: keep the pooled axes with size 1.

    Input `(n, h, w, c)`, output `(n, c)`, or `(n, 1, 1, c)` with `keepdims`.

    >>> import numpy as np
    >>> GlobalAveragePooling2D()(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 4)
    """

    _rank = 2
    _mode = "average"


@builtin("layers", aliases=("GlobalAvgPool3D",))
class GlobalAveragePooling3D(_GlobalPooling):
    """Mean over all depth, height and width.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: keep the pooled axes with size 1.

    Input `(n, d, h, w, c)`, output `(n, c)`, or `(n, 1, 1, 1, c)` with `keepdims`.

    >>> import numpy as np
    >>> GlobalAveragePooling3D()(np.zeros((1, 8, 8, 8, 4), "float32")).shape
    (1, 4)
    """

    _rank = 3
    _mode = "average"


@builtin("layers", aliases=("GlobalMaxPool1D",))
class GlobalMaxPooling1D(_GlobalPooling):
    """Maximum over all time steps.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: keep the pooled axes with size 1.

    Input `(n, steps, c)`, output `(n, c)`, or `(n, 1, c)` with `keepdims`.

    >>> import numpy as np
    >>> GlobalMaxPooling1D()(np.zeros((1, 8, 4), "float32")).shape
    (1, 4)
    """

    _rank = 1
    _mode = "max"


@builtin("layers", aliases=("GlobalMaxPool2D",))
class GlobalMaxPooling2D(_GlobalPooling):
    """Maximum over all height and width.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: keep the pooled axes with size 1.

    Input `(n, h, w, c)`, output `(n, c)`, or `(n, 1, 1, c)` with `keepdims`.

    >>> import numpy as np
    >>> GlobalMaxPooling2D()(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 4)
    """

    _rank = 2
    _mode = "max"


@builtin("layers", aliases=("GlobalMaxPool3D",))
class GlobalMaxPooling3D(_GlobalPooling):
    """Maximum over all depth, height and width.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: keep the pooled axes with size 1.

    Input `(n, d, h, w, c)`, output `(n, c)`, or `(n, 1, 1, 1, c)` with `keepdims`.

    >>> import numpy as np
    >>> GlobalMaxPooling3D()(np.zeros((1, 8, 8, 8, 4), "float32")).shape
    (1, 4)
    """

    _rank = 3
    _mode = "max"


@builtin("layers")
class AdaptiveAveragePooling1D(_AdaptivePooling):
    """Mean over time steps in as many cells as asked for.

    Cell i of `o` covers `[floor(i L / o), ceil((i + 1) L / o))` of an axis of length L.

    Args:
        output_size: number of cells, an integer.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, steps, c)`, output `(n, steps', c)`.

    >>> import numpy as np
    >>> AdaptiveAveragePooling1D(3)(np.zeros((1, 8, 4), "float32")).shape
    (1, 3, 4)
    """

    _rank = 1
    _mode = "average"


@builtin("layers")
class AdaptiveAveragePooling2D(_AdaptivePooling):
    """Mean over height and width in as many cells as asked for.

    Cell i of `o` covers `[floor(i L / o), ceil((i + 1) L / o))` of an axis of length L.

    Args:
        output_size: number of cells, an integer or two.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, h, w, c)`, output `(n, h', w', c)`.

    >>> import numpy as np
    >>> AdaptiveAveragePooling2D(3)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 3, 3, 4)
    """

    _rank = 2
    _mode = "average"


@builtin("layers")
class AdaptiveAveragePooling3D(_AdaptivePooling):
    """Mean over depth, height and width in as many cells as asked for.

    Cell i of `o` covers `[floor(i L / o), ceil((i + 1) L / o))` of an axis of length L.

    Args:
        output_size: number of cells, an integer or three.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, d, h, w, c)`, output `(n, d', h', w', c)`.

    >>> import numpy as np
    >>> AdaptiveAveragePooling3D(3)(np.zeros((1, 8, 8, 8, 4), "float32")).shape
    (1, 3, 3, 3, 4)
    """

    _rank = 3
    _mode = "average"


@builtin("layers")
class AdaptiveMaxPooling1D(_AdaptivePooling):
    """Maximum over time steps in as many cells as asked for.

    Cell i of `o` covers `[floor(i L / o), ceil((i + 1) L / o))` of an axis of length L.

    Args:
        output_size: number of cells, an integer.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, steps, c)`, output `(n, steps', c)`.

    >>> import numpy as np
    >>> AdaptiveMaxPooling1D(3)(np.zeros((1, 8, 4), "float32")).shape
    (1, 3, 4)
    """

    _rank = 1
    _mode = "max"


@builtin("layers")
class AdaptiveMaxPooling2D(_AdaptivePooling):
    """Maximum over height and width in as many cells as asked for.

    Cell i of `o` covers `[floor(i L / o), ceil((i + 1) L / o))` of an axis of length L.

    Args:
        output_size: number of cells, an integer or two.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, h, w, c)`, output `(n, h', w', c)`.

    >>> import numpy as np
    >>> AdaptiveMaxPooling2D(3)(np.zeros((1, 8, 8, 4), "float32")).shape
    (1, 3, 3, 4)
    """

    _rank = 2
    _mode = "max"


@builtin("layers")
class AdaptiveMaxPooling3D(_AdaptivePooling):
    """Maximum over depth, height and width in as many cells as asked for.

    Cell i of `o` covers `[floor(i L / o), ceil((i + 1) L / o))` of an axis of length L.

    Args:
        output_size: number of cells, an integer or three.
        data_format: `"channels_last"` or `"channels_first"`.

    Input `(n, d, h, w, c)`, output `(n, d', h', w', c)`.

    >>> import numpy as np
    >>> AdaptiveMaxPooling3D(3)(np.zeros((1, 8, 8, 8, 4), "float32")).shape
    (1, 3, 3, 3, 4)
    """

    _rank = 3
    _mode = "max"


MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
