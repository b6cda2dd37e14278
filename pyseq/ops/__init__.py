"""Array functions under the names of `keras.ops`, on NumPy arrays.

In the `call` of a user's layer, in losses, Lambda functions and regularizers they also take the
symbolic tensors of a program, which trains through them (`pyseq.tracing`).

>>> from pyseq import ops
>>> ops.relu(ops.array([-1.0, 2.0])).tolist()
[0.0, 2.0]
"""

from __future__ import annotations

from pyseq.ops import image as image
from pyseq.ops import linalg as linalg
from pyseq.ops import nn as nn
from pyseq.ops import numpy as numpy
from pyseq.ops.arrays import *  # noqa: F403
from pyseq.ops.control import *  # noqa: F403
from pyseq.ops.fourier import *  # noqa: F403
from pyseq.ops.linalg import *  # noqa: F403
from pyseq.ops.math import *  # noqa: F403
from pyseq.ops.nn import *  # noqa: F403
from pyseq.ops.numpy import *  # noqa: F403
from pyseq.ops.promotion import convert_to_tensor as convert_to_tensor
from pyseq.ops.rearranging import *  # noqa: F403
