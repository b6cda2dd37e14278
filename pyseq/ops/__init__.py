"""Array functions under the names of `keras.ops`, on NumPy arrays.

In the `call` of a user's layer, in losses, Lambda functions and regularizers they also take the
symbolic tensors of a program, which trains through them (`pyseq.tracing`).

>>> from pyseq import ops
>>> ops.relu(ops.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

from pyseq.ops import (
    arrays,
    control,
    derivatives,
    fourier,
    image,
    linalg,
    math,
    nn,
    numpy,
    rearranging,
)
from pyseq.ops.activation_functions import *  # noqa: F403
from pyseq.ops.arrays import *  # noqa: F403
from pyseq.ops.attention import *  # noqa: F403
from pyseq.ops.blocks import *  # noqa: F403
from pyseq.ops.classification import *  # noqa: F403
from pyseq.ops.control import *  # noqa: F403
from pyseq.ops.convolutions import *  # noqa: F403
from pyseq.ops.ctc import *  # noqa: F403
from pyseq.ops.derivatives import *  # noqa: F403
from pyseq.ops.fourier import *  # noqa: F403
from pyseq.ops.linalg import *  # noqa: F403
from pyseq.ops.math import *  # noqa: F403
from pyseq.ops.nn import psnr as psnr
from pyseq.ops.normalizations import *  # noqa: F403
from pyseq.ops.numpy.bits import *  # noqa: F403
from pyseq.ops.numpy.creation import *  # noqa: F403
from pyseq.ops.numpy.elementwise import *  # noqa: F403
from pyseq.ops.numpy.products import *  # noqa: F403
from pyseq.ops.numpy.reductions import *  # noqa: F403
from pyseq.ops.numpy.selection import *  # noqa: F403
from pyseq.ops.numpy.shaping import *  # noqa: F403
from pyseq.ops.pooling import *  # noqa: F403
from pyseq.ops.promotion import convert_to_tensor
from pyseq.ops.rearranging import *  # noqa: F403

__all__ = ["convert_to_tensor", "image", "linalg", "nn", "numpy"]
__all__ += arrays.__all__
__all__ += control.__all__
__all__ += derivatives.__all__
__all__ += fourier.__all__
__all__ += linalg.__all__
__all__ += math.__all__
__all__ += nn.__all__
__all__ += numpy.__all__
__all__ += rearranging.__all__


def __dir__() -> list[str]:
    return sorted({*__all__})
