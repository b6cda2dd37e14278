"""Callbacks that change the learning rate between epochs."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks
from pyseq.callbacks.base import Callback, say
from pyseq.callbacks.monitor import MonitorCallback

if TYPE_CHECKING:
    from pyseq.types import Logs, Range


def _optimizers(model):
    """`{suffix of the log name: optimizer}` of a model, parts of a MultiOptimizer included."""
    parts = getattr(model.optimizer, "optimizers", None)
    if parts is None:
        return {"": model.optimizer}
    return {f"_{part.name}": part for part in parts}


def _rate(optimizer):
    return float(np.asarray(hooks.ask("base_rate", optimizer)))


def _log_rates(model, logs):
    for suffix, optimizer in _optimizers(model).items():
        logs[f"learning_rate{suffix}"] = _rate(optimizer)


class ReduceLROnPlateau(MonitorCallback):
    """Lowers the learning rate when a value has stopped improving; logs `learning_rate`.

    Args:
        monitor: name in the logs.
        factor: the learning rate is multiplied by this, below 1.
        patience: epochs without improvement before that.
        verbose: 1 tells when it happens.
        mode: "min", "max" or "auto".
        min_delta: an improvement must be larger than this.
        cooldown: epochs to wait after a reduction.
        min_lr: lower bound of the learning rate.

    >>> ReduceLROnPlateau(factor=0.5, patience=2).in_cooldown()
    False
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: Range = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 0.0001,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: expected factor below 1, got {factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._reset()

    def _reset(self):
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._reset()

    def in_cooldown(self) -> bool:
        """Return whether it still waits after a reduction."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._resolve_mode()
        logs = {} if logs is None else logs
        _log_rates(self.model, logs)
        current = self._monitored(logs, "the learning rate is not reduced")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch):
        for suffix, optimizer in _optimizers(self.model).items():
            old = _rate(optimizer)
            if old > np.float32(self.min_lr):
                new = max(old * self.factor, self.min_lr)
                hooks.ask("set_base_rate", optimizer, new)
                self.cooldown_counter = self.cooldown
                self.wait = 0
                if self.verbose > 0:
                    name = f" of {suffix[1:]}" if suffix else ""
                    say(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing the learning rate"
                        f"{name} to {new}.")


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch; logs `learning_rate`.

    Args:
        schedule: function of the epoch (from 0) and the current learning rate, or of the epoch
            alone, that returns a float.
        verbose: 1 tells the learning rate.

    >>> LearningRateScheduler(lambda epoch, rate: rate * 0.9).verbose
    0
    """

    def __init__(self, schedule: Any, verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def _next(self, epoch, current):
        try:
            signature = inspect.signature(self.schedule)
        except (TypeError, ValueError):  # builtins without a signature
            return self.schedule(epoch, current)
        try:
            signature.bind(epoch, current)
        except TypeError:
            return self.schedule(epoch)
        return self.schedule(epoch, current)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        for suffix, optimizer in _optimizers(self.model).items():
            rate = self._next(epoch, _rate(optimizer))
            if isinstance(rate, np.ndarray) and rate.ndim == 0:
                rate = np.asarray(rate)[()]
            if not isinstance(rate, (float, np.floating)):
                raise ValueError(
                    f"LearningRateScheduler: expected the schedule to return a float, got {rate!r}"
                )
            hooks.ask("set_base_rate", optimizer, float(rate))
            if self.verbose > 0:
                name = f" of {suffix[1:]}" if suffix else ""
                say(f"\nEpoch {epoch + 1}: LearningRateScheduler setting the learning rate{name} "
                    f"to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            _log_rates(self.model, logs)
