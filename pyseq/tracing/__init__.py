"""User code as ops of a program: it is called once, with symbolic tensors.

Functions of `pyseq.ops`, NumPy's functions and operators on such tensors, weights and built-in
layers append ops to a `lowering.Graph`. What user code made of them then trains, is saved and runs
in C++ like a built-in layer.
"""

# These answer questions of `hooks`.
from pyseq.tracing import images, making, recurrence, rows, spatial  # noqa: F401
from pyseq.tracing.calls import loss_value, lower_penalty, own_loss

__all__ = ["loss_value", "lower_penalty", "own_loss"]
