"""Layers that move elements without computing: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pyseq import settings
from pyseq.layers.base import Layer
from pyseq.layers.core import positive_int
from pyseq.layers.shapes import InputSpec
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Config, DataFormat, LayerArguments, Shape, Tensor


@builtin("layers")
class Flatten(Layer):
    """All dimensions but the batch as one.

    Args:
        data_format: `"channels_first"` moves the channels last before.

    Input `(n, ...)`, output `(n, size)`; `(n,)` becomes `(n, 1)`.

    >>> import numpy as np
    >>> Flatten()(np.zeros((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, data_format: DataFormat = None, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.data_format = settings.standardize_data_format(data_format, self.name)
        self.input_spec = InputSpec(min_ndim=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        dims = input_shape[1:]
        return (input_shape[0], None if None in dims else math.prod(dims))

    def lower(self, g: Any, x: Tensor) -> Any:
        if self.data_format == "channels_first" and len(x.shape) > 1:
            x = lower_permute(g, x, [*range(1, len(x.shape)), 0], self.name)
        if len(x.shape) == 1:
            return self.pass_mask(x, x)
        return g.op("reshape", x, (math.prod(x.shape),), name=self.name)

    def get_config(self) -> Config:
        return {**super().get_config(), "data_format": self.data_format}


def lower_permute(g, x, dims, name):
    """Append a permutation of the dimensions of a sample, counted from 0."""
    if list(dims) == sorted(dims):
        return x
    return g.op("permute", x, tuple(x.shape[d] for d in dims), name=name, dims=list(dims))


def positive_axes(where, axis, rank):
    """`axis` (an integer or several) as sorted positive axes of an input of `rank` dimensions."""
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    for a in axes:
        if not -rank <= a < rank:
            raise ValueError(
                f"{where}: expected `axis` in {-rank} to {rank - 1} for an input of {rank} "
                f"dimensions, got {axis}"
            )
    return sorted(a % rank for a in axes)


class AxesLast:
    """Lets an op on the last dimensions work on other axes, between two permutations.

    Args:
        g: the graph.
        x: the value.
        axes: positive axes, the batch being 0.
        name: of the layer.
    """

    def __init__(self, g, x, axes, name):
        rank = len(x.shape)
        if 0 in axes:
            raise ValueError(
                f"{name}: expected `axis` without the batch axis 0, got {list(axes)}; rows are "
                "independent here"
            )
        inner = [a - 1 for a in axes]
        self.order = [d for d in range(rank) if d not in inner] + inner
        self.g, self.name = g, name

    def enter(self, x):
        return lower_permute(self.g, x, self.order, self.name)

    def leave(self, y):
        inverse = [self.order.index(d) for d in range(len(self.order))]
        return lower_permute(self.g, y, inverse, self.name)


@builtin("layers")
class Reshape(Layer):
    """The same elements under another shape.

    Args:
        target_shape: dimensions of one output sample; one may be -1 and follows from the size.

    >>> import numpy as np
    >>> Reshape((-1, 2))(np.zeros((5, 6))).shape
    (5, 3, 2)
    """

    def __init__(self, target_shape: Shape, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        target = tuple(target_shape)
        integers = all(hasattr(d, "__index__") and not isinstance(d, bool) for d in target)
        if not integers or target.count(-1) > 1 or any(d < -1 for d in target):
            raise ValueError(
                f"{self.name}: expected `target_shape` of integers >= 0 with at most one -1, got "
                f"{target_shape!r}"
            )
        self.target_shape = tuple(int(d) for d in target)

    def compute_output_shape(self, input_shape: Any) -> Any:
        dims, target = tuple(input_shape[1:]), self.target_shape
        if None in dims:
            return (input_shape[0], *(None if d == -1 else d for d in target))
        size, known = math.prod(dims), math.prod(d for d in target if d != -1)
        if -1 in target:
            if known == 0 or size % known:
                raise ValueError(
                    f"{self.name}: expected an input whose size is a multiple of {known}, got "
                    f"{size} elements of shape {dims}; change target_shape={target}"
                )
            target = tuple(size // known if d == -1 else d for d in target)
        elif size != known:
            raise ValueError(
                f"{self.name}: expected an input of {known} elements for target_shape={target}, "
                f"got {size} of shape {dims}"
            )
        return (input_shape[0], *target)

    def lower(self, g: Any, x: Tensor) -> Any:
        shape = self.compute_output_shape((None, *x.shape))[1:]
        return self.pass_mask(g.op("reshape", x, shape, name=self.name), x)

    def get_config(self) -> Config:
        return {**super().get_config(), "target_shape": self.target_shape}


@builtin("layers")
class Permute(Layer):
    """Dimensions in another order.

    Args:
        dims: the order, counted from 1 because the batch stays first.

    >>> import numpy as np
    >>> Permute((2, 1))(np.zeros((5, 3, 4))).shape
    (5, 4, 3)
    """

    def __init__(self, dims: Any, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"{self.name}: expected `dims` to be a permutation of 1 to {len(self.dims)}, got "
                f"{dims!r}; the batch dimension is not counted"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        self.check_input(input_shape)
        return (input_shape[0], *(input_shape[d] for d in self.dims))

    def lower(self, g: Any, x: Tensor) -> Any:
        return self.pass_mask(lower_permute(g, x, [d - 1 for d in self.dims], self.name), x)

    def get_config(self) -> Config:
        return {**super().get_config(), "dims": self.dims}


@builtin("layers")
class RepeatVector(Layer):
    """A vector repeated as the steps of a sequence.

    Args:
        n: number of copies.

    Input `(batch, d)`, output `(batch, n, d)`.

    >>> import numpy as np
    >>> RepeatVector(3)(np.zeros((5, 2))).shape
    (5, 3, 2)
    """

    def __init__(self, n: int, **kwargs: Unpack[LayerArguments]) -> None:
        super().__init__(**kwargs)
        if not hasattr(n, "__index__"):
            raise TypeError(f"{self.name}: expected `n` to be an integer, got {n!r}")
        self.n = positive_int(self.name, "n", n)
        self.input_spec = InputSpec(ndim=2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        self.check_input(input_shape)
        return (input_shape[0], self.n, input_shape[1])

    def lower(self, g: Any, x: Tensor) -> Any:
        y = g.op("repeat_vector", x, (self.n, *x.shape), name=self.name, n=self.n)
        return self.pass_mask(y, x)

    def get_config(self) -> Config:
        return {**super().get_config(), "n": self.n}
