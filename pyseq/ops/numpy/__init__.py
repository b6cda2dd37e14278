"""The functions of `keras.ops.numpy`: NumPy's names and meaning, with Keras's arguments and dtypes.

>>> from pyseq import ops
>>> ops.mean([1, 2]).dtype, ops.argmax([1, 2]).dtype
(dtype('float32'), dtype('int32'))
"""

from pyseq.ops.numpy import bits, creation, elementwise, products, reductions, selection, shaping
from pyseq.ops.numpy.bits import *  # noqa: F403
from pyseq.ops.numpy.creation import *  # noqa: F403
from pyseq.ops.numpy.elementwise import *  # noqa: F403
from pyseq.ops.numpy.products import *  # noqa: F403
from pyseq.ops.numpy.reductions import *  # noqa: F403
from pyseq.ops.numpy.selection import *  # noqa: F403
from pyseq.ops.numpy.shaping import *  # noqa: F403

__all__: list[str] = []
__all__ += bits.__all__
__all__ += creation.__all__
__all__ += elementwise.__all__
__all__ += products.__all__
__all__ += reductions.__all__
__all__ += selection.__all__
__all__ += shaping.__all__


def __dir__() -> list[str]:
    return sorted(__all__)
