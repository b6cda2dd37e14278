"""`TFOptimizer` of Keras 2, around optimizers of TensorFlow."""

from __future__ import annotations

from pyseq.compat.notices import tell
from pyseq.optimizers import Optimizer


class TFOptimizer:
    """A call returns the optimizer that it is given, where that is one of pyseq."""

    def __new__(cls, optimizer, iterations=None):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"TFOptimizer: expected an optimizer of pyseq, got {type(optimizer).__name__}; "
                'pass one of pyseq.optimizers to compile, such as Adam(learning_rate) or "adam"'
            )
        tell("TFOptimizer", "the optimizer itself")
        return optimizer
