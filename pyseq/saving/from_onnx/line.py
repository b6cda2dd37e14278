"""The tensor that is computed, followed from node to node, and the layers that do the same.

pyseq has the channels last and the batch first. Instead of moving the numbers whenever ONNX does,
the line notes where each axis of ONNX's tensor is: `order[i]`, in pyseq's, batch included.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from pyseq import layers

# Activations that give nothing below 0: zeros around them are no maximum of their own.
_NOT_NEGATIVE = frozenset(("relu", "relu6", "sigmoid", "softmax", "hard_sigmoid", "softplus"))


@dataclasses.dataclass
class Made:
    """A layer to be: its class, arguments, and weights in the order of `set_weights`.

    Attributes:
        open: it ends in no activation yet.
        unbiased: it may still get a bias.
    """

    cls: Any
    arguments: dict
    weights: list
    open: bool = False
    unbiased: bool = False


class Line:
    """What the nodes up to some tensor come to.

    Attributes:
        file: the `Message`.
        tensor: name of ONNX's tensor.
        shape: of one sample of pyseq's.
        order: where the axes of ONNX's tensor are in pyseq's.
        made: the layers so far.
        seen: sizes of the tensors so far, None for the batch.
        turned: the node that has turned time around, for the recurrence behind it; or None.
    """

    def __init__(self, file, tensor, shape):
        self.file, self.tensor, self.shape = file, tensor, tuple(shape)
        self.order = list(range(len(shape) + 1))
        self.made = []
        self.seen = {}
        self.turned = None

    @property
    def rank(self):
        return len(self.order)

    @property
    def last(self):
        return self.made[-1] if self.made else None

    def size(self, axis):
        """Length of an axis of ONNX's tensor; None for the batch."""
        place = self.order[axis]
        return None if place == 0 else self.shape[place - 1]

    def add(self, node, cls, weights=(), *, open=False, unbiased=False, **arguments):
        """Append a layer; the axes of its output are those of its input unless `order` is set."""
        try:
            shape = cls(**arguments).compute_output_shape((None, *self.shape))[1:]
        except (TypeError, ValueError) as error:
            self.file.refuse(node, f"arguments that {cls.__name__} takes", f"{error}")
        self.made.append(Made(cls, arguments, list(weights), open, unbiased))
        self.shape = tuple(shape)
        if len(self.shape) + 1 != self.rank:
            self.order = list(range(len(self.shape) + 1))

    def activate(self, node, name):
        """Append an activation, as part of the layer before it where that has none."""
        if self.last is not None and self.last.open:
            self.last.arguments["activation"] = name
            self.last.open = self.last.unbiased = False
        else:
            self.add(node, layers.Activation, activation=name)

    def lay(self, node, order):
        """Have pyseq's axes in another order, by a Permute where they are not."""
        if self.order == list(order):
            return
        if self.order.index(0) != list(order).index(0):
            self.file.refuse(
                node, "the batch as its first axis", f"it at {self.order.index(0)}"
            )
        dims = [self.order[list(order).index(j)] for j in range(1, self.rank)]
        self.add(node, layers.Permute, dims=dims)
        self.order = list(order)

    def plain(self, node):
        """Have the axes as ONNX has them."""
        self.lay(node, range(self.rank))

    def channels_last(self, node):
        """Have (N, C, ...) of ONNX as (N, ..., C)."""
        self.lay(node, [0, self.rank - 1, *range(1, self.rank - 1)])

    def is_not_negative(self):
        """Whether no number is below 0."""
        if self.last is None:
            return False
        name = self.last.arguments.get("activation")
        if self.last.cls is layers.ReLU:
            return not self.last.arguments.get("negative_slope")
        return name in _NOT_NEGATIVE

    def need(self, node, index, what):
        """The constant that a node has as an input.

        Raises:
            ValueError: it is computed.
        """
        name = node.input[index] if index < len(node.input) else ""
        value = self.file.constant(name) if name else None
        if value is None:
            self.file.refuse(node, f"constant {what}", f"{name!r}, which is computed or missing")
        return value

    def optional(self, node, index, what):
        """The constant, or None where the node has none."""
        there = index < len(node.input) and node.input[index]
        return self.need(node, index, what) if there else None

    def target(self, node, sizes):
        """A sample's dimensions for the sizes that a Reshape asks for; the batch is the first."""
        whole = math.prod(self.shape)
        sizes = [None if d is None else int(d) for d in sizes]
        rest = list(sizes[1:])
        if None in rest:
            self.file.refuse(node, "the batch as the first size", sizes)
        for i, d in enumerate(rest, 1):
            if d == 0 and i < self.rank:
                rest[i - 1] = self.size(i)
        unknown = [i for i, d in enumerate(rest) if d == -1]
        known = math.prod(d for d in rest if d != -1)
        if len(unknown) == 1 and known and whole % known == 0 and sizes[0] != -1:
            rest[unknown[0]] = whole // known
        if not sizes or math.prod(rest) != whole or min(rest, default=1) < 1:
            self.file.refuse(
                node, f"a shape of {whole} numbers behind the batch, as {self.shape} has", sizes
            )
        return rest
