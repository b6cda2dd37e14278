"""The functions of `keras.ops.nn`: activations, convolutions, pooling, normalizations, losses.

>>> relu([-1.0, 2.0]).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import symbolic
from pyseq.ops import (
    activation_functions,
    attention,
    blocks,
    classification,
    convolutions,
    ctc,
    normalizations,
    pooling,
)
from pyseq.ops.activation_functions import *  # noqa: F403
from pyseq.ops.attention import *  # noqa: F403
from pyseq.ops.blocks import *  # noqa: F403
from pyseq.ops.classification import *  # noqa: F403
from pyseq.ops.convolutions import *  # noqa: F403
from pyseq.ops.ctc import *  # noqa: F403
from pyseq.ops.normalizations import *  # noqa: F403
from pyseq.ops.numpy.elementwise import polar as polar
from pyseq.ops.pooling import *  # noqa: F403
from pyseq.ops.promotion import fractional, operation

if TYPE_CHECKING:
    from pyseq.types import Tensor


@operation(fractional, tensors=2)
def psnr(x1: Tensor, x2: Tensor, max_val: Any) -> Tensor:
    """Peak signal-to-noise ratio in decibels: 20 log10(max_val) - 10 log10(mean((x1 - x2)^2)).

    Args:
        x1, x2: images of one shape.
        max_val: the largest value that they may hold.

    >>> print(psnr([0.0, 1.0], [0.0, 0.0], 1.0).round(4))
    3.0103
    """
    x1, x2 = symbolic.as_array(x1), symbolic.as_array(x2)
    if tuple(x1.shape) != tuple(x2.shape):
        raise ValueError(
            f"psnr: expected images of one shape, got {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    error = np.mean(np.square(x1 - x2))
    return 20 * np.log10(max_val) - 10 * np.log10(error)


__all__ = ["polar", "psnr"]
__all__ += activation_functions.__all__
__all__ += attention.__all__
__all__ += blocks.__all__
__all__ += classification.__all__
__all__ += convolutions.__all__
__all__ += ctc.__all__
__all__ += normalizations.__all__
__all__ += pooling.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
