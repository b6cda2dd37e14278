"""What a layer adds to the loss: penalties of its weights and outputs, and `add_loss`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, symbolic
from pyseq.layers import arguments
from pyseq.structures import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyseq.types import Tensor


class AddsLosses:
    """The part of `Layer` that keeps the losses of its last call on arrays."""

    # Whether any layer has kept a loss yet: until then there are none to clear.
    _any_kept = False

    def add_loss(self, loss: Any) -> None:
        """Add a tensor, or each of a list of them, to the loss, from within `call`.

        Its elements are summed. After a call on arrays it stands in `losses`.

        >>> from pyseq import layers, ops
        >>> class Sum(layers.Layer):
        ...     def call(self, x):
        ...         self.add_loss(ops.sum(x))
        ...         return x
        >>> layer = Sum()
        >>> y = layer(np.ones((2, 3)))
        >>> print(*layer.losses)
        6.0
        """
        for value in leaves(loss):
            if not arguments.is_tensor(value):
                raise ValueError(
                    f"{self.name}.add_loss: expected a tensor, from within `call` or `build`, got "
                    f"{value!r} of type {type(value).__name__}"
                )
            if symbolic.trace.get() is not None:
                hooks.ask("add_loss", value, self)
            elif symbolic.keeps_losses():
                self.keep_loss(np.asarray(value))

    def keep_loss(self, value: Tensor) -> None:
        """Note a loss of the call on arrays that runs now."""
        AddsLosses._any_kept = True
        self._losses.append(value)

    @contextlib.contextmanager
    def entered(self) -> Iterator[Any]:
        """A call on arrays: the losses of the last one are forgotten when the outermost begins."""
        if symbolic.is_running():
            yield
            return
        if AddsLosses._any_kept:
            for layer in self._flatten():
                layer._losses.clear()
        with symbolic.keeping_losses():
            yield

    @property
    def losses(self) -> list[Any]:
        """What the last call on arrays added to the loss, and the penalties of the weights.

        First the regularizer of the output and what `add_loss` was given, of this layer and those
        in it; then one penalty for each regularized trainable weight.
        """
        added = [loss for layer in self._flatten() for loss in layer._losses]
        weights = self.trainable_weights
        return added + [v.regularizer(v.value) for v in weights if v.regularizer is not None]
