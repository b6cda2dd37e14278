"""`SwapEMAWeights`: evaluate with the moving average of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyseq.callbacks.base import Callback

if TYPE_CHECKING:
    from pyseq.types import Logs


class SwapEMAWeights(Callback):
    """Gives the model the optimizer's moving averages during evaluation and prediction.

    The optimizer must have `use_ema=True`. Afterwards the trained weights are put back.

    Args:
        swap_on_epoch: also swap at the end of each epoch, so that checkpoints hold the averages;
            training ends with them.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False
        self._averages = None

    def _pairs(self):
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        parts = [p for p in getattr(optimizer, "optimizers", [optimizer]) if p.use_ema]
        if not parts:
            raise ValueError(
                "SwapEMAWeights: expected an optimizer with use_ema=True, got "
                f"{type(optimizer).__name__} without; compile with e.g. Adam(use_ema=True)"
            )
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        for part in parts:
            yield from zip(part._trainable_variables, part._averages, strict=True)

    def _swap(self, averages_in_model):
        if averages_in_model == self._swapped:
            return
        for variable, average in self._pairs():
            value = variable.numpy()
            variable.assign(average)
            average.assign(value)
        self._swapped = averages_in_model

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)
            self._averages = [(v, v.numpy()) for v, _ in self._pairs()]

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self._swapped:
            return
        # The optimizer has just overwritten the model by its averages, which hold the trained
        # weights while the two are swapped.
        for (variable, value), (_, average) in zip(self._averages, self._pairs(), strict=True):
            variable.assign(value)
            average.assign(value)
        self._swapped = False
        self._averages = None

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._swap(False)
