"""Callbacks that watch one value of the logs: the base class and `EarlyStopping`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pyseq import hooks
from pyseq.callbacks.base import Callback, say

if TYPE_CHECKING:
    from pyseq.types import Logs


class MonitorCallback(Callback):
    """Base class of callbacks that watch whether `monitor` improves.

    Args:
        monitor: name in the logs.
        mode: "min", "max", or "auto": by the metric's own direction, min for a loss.
        baseline: value to begin with.
        min_delta: an improvement must be larger than this.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: expected mode 'auto', 'min' or 'max', got {mode!r}; "
                "'auto' is used",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self._sign = None

    def _resolve_mode(self):
        """Find the direction; metrics only exist once the model has seen data."""
        if self._sign is None:
            compiled = getattr(self.model, "_compiled_metrics", None)
            known = [name for name, _, _ in compiled.entries] if compiled is not None else ()
            self.monitor = hooks.ask("old_log_name", self.monitor, known)
            mode = self.mode if self.mode != "auto" else self._direction()
            self._sign = 1.0 if mode == "max" else -1.0

    def _direction(self):
        name = self.monitor.removeprefix("val_")
        compiled = getattr(self.model, "_compiled_metrics", None)
        for known, metric, _ in compiled.entries if compiled is not None else ():
            direction = getattr(metric, "_direction", None)
            if known == name and direction is not None:
                return "max" if direction == "up" else "min"
        if name == "loss":
            return "min"
        raise ValueError(
            f"{type(self).__name__}: expected a metric that is known to be better when high or "
            f"low, got monitor={self.monitor!r}; pass mode='max' or mode='min'"
        )

    def _is_improvement(self, value, reference):
        if reference is None:
            return True
        return bool(self._sign * (value - reference) > self.min_delta)

    def _monitored(self, logs, consequence):
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__}: expected `{self.monitor}` in the logs, got "
                f"{sorted(logs or {})}; {consequence}",
                stacklevel=3,
            )
        return value


class EarlyStopping(MonitorCallback):
    """Stops training when a value no longer improves.

    Args:
        monitor: name in the logs.
        min_delta: an improvement must be larger than this.
        patience: epochs without improvement before training stops.
        verbose: 1 tells when it stops.
        mode: "min", "max" or "auto".
        baseline: waiting starts over only for values better than this.
        restore_best_weights: give the model the weights of its best epoch when training ends,
            stopped early or not.
        start_from_epoch: epochs to ignore in the beginning.

    >>> EarlyStopping(patience=3, restore_best_weights=True).patience
    3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._reset()

    def _reset(self):
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()

    def get_monitor_value(self, logs: Logs) -> Any:
        """Return the watched value, or None with a warning if the logs lack it."""
        return self._monitored(logs, "training is not stopped early")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._resolve_mode()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # NaN from the first epoch on never improves, and still there must be weights.
            self._keep(epoch)
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self._keep(epoch)
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch):
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                say(f"Restoring the weights of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
