"""Global dtype policy under the names of `keras.mixed_precision`.

The 16-bit policies are accepted and kept in configs; arithmetic runs in float32.
"""

from pyseq.config import dtype_policy, set_dtype_policy
from pyseq.dtype_policies import DTypePolicy
from pyseq.optimizers import LossScaleOptimizer

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]


def __dir__() -> list[str]:
    return sorted(__all__)
