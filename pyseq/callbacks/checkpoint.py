"""`ModelCheckpoint`: save the model while it trains."""

from __future__ import annotations

import os
import string
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks
from pyseq.callbacks.base import Callback, say
from pyseq.callbacks.monitor import MonitorCallback

if TYPE_CHECKING:
    from pyseq.types import Logs, Path


def check_save_freq(where, save_freq):
    """Refuse anything but "epoch" or a positive number of batches."""
    if save_freq == "epoch":
        return
    if isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1:
        raise ValueError(
            f"{where}: expected save_freq 'epoch' or a number of batches, got {save_freq!r}"
        )


class BatchCounter:
    """Says after which batches to save: every `save_freq`, over the ends of epochs."""

    def __init__(self, save_freq):
        self.save_freq = save_freq
        self.seen = 0
        self.last = None

    def due(self, batch):
        """Count the batches up to index `batch`; return whether it is time to save."""
        if self.save_freq == "epoch":
            return False
        self.seen += batch + 1 if self.last is None or batch <= self.last else batch - self.last
        self.last = batch
        if self.seen < self.save_freq:
            return False
        self.seen = 0
        return True


class ModelCheckpoint(MonitorCallback):
    """Saves the model or its weights after epochs or batches.

    Args:
        filepath: where, ending in `.keras` or `.h5`, or in `.weights.h5` with
            `save_weights_only`; may hold `{epoch}` (from 1), `{batch}` and names of the logs, as
            in `"{epoch:02d}-{val_loss:.2f}.keras"`.
        monitor: name in the logs.
        verbose: 1 tells when it saves.
        save_best_only: save only when `monitor` has improved.
        save_weights_only: save with `save_weights` instead of `save`.
        mode: "min", "max" or "auto".
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: value that `monitor` must beat the first time.

    >>> ModelCheckpoint("best.keras", save_best_only=True).monitor
    'val_loss'
    """

    for_one_process = True

    _period = 1
    _epochs_since = 0

    @hooks.takes_old_spellings
    def __init__(
        self,
        filepath: Path,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: Any = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        check_save_freq("ModelCheckpoint", save_freq)
        self._counter = BatchCounter(save_freq)
        self._epoch = 0
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        known = self.filepath.endswith(endings)
        if not known and hooks.ask("old_format", self.filepath, save_weights_only) is None:
            raise ValueError(
                f"ModelCheckpoint: expected a filepath ending in {' or '.join(endings)} with "
                f"save_weights_only={save_weights_only}, got {self.filepath!r}"
            )

    @property
    def every_batch(self) -> bool:
        return self.save_freq != "epoch"

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._counter.due(batch):
            if self.save_best_only:
                self._resolve_mode()
            self._save(self._epoch, batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_best_only:
            self._resolve_mode()
        if self.save_freq == "epoch":
            self._epochs_since += 1
            if self._epochs_since >= self._period:
                self._epochs_since = 0
                self._save(epoch, None, logs)

    def _path(self, epoch, batch, logs):
        values = dict(logs)
        if batch is not None:
            values.setdefault("batch", batch + 1)
        for _, name, _, _ in string.Formatter().parse(self.filepath):
            if name and name != "epoch" and name not in values:
                known = [key.removeprefix("val_") for key in values]
                today = hooks.ask("old_log_name", name, known)
                if today in values:
                    values[name] = values[today]
        try:
            return self.filepath.format(epoch=epoch + 1, **values)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: expected names of {sorted(['epoch', *values])} in filepath "
                f"{self.filepath!r}, got {error}"
            ) from error

    def _save(self, epoch, batch, logs):
        logs = logs or {}
        path = self._path(epoch, batch, logs)
        if not self._is_due(epoch, logs, path):
            return
        if os.path.isdir(path):
            raise IsADirectoryError(
                f"ModelCheckpoint: expected a file, got the directory {path!r}; choose another "
                "filepath"
            )
        directory = os.path.dirname(path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _is_due(self, epoch, logs, path):
        where = f"\nEpoch {epoch + 1}:"
        if not self.save_best_only:
            self._tell(f"{where} saving model to {path}")
            return True
        current = logs.get(self.monitor)
        if current is None or np.ndim(current) > 0:
            warnings.warn(
                f"ModelCheckpoint: expected one number `{self.monitor}` in the logs, got "
                f"{current!r} among {sorted(logs)}; the model is saved anyway",
                stacklevel=5,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            self._tell(f"{where} {self.monitor} did not improve from {best}")
            return False
        self._tell(
            f"{where} {self.monitor} improved from {best} to {current:.5f}, saving model to {path}"
        )
        self.best = current
        return True

    def _tell(self, text):
        if self.verbose > 0:
            say(text)


class OrbaxCheckpoint(Callback):
    """Not available: Orbax writes JAX checkpoints. Creating one says what to use instead.

    Args:
        directory: where Keras would write.
    """

    for_one_process = True

    def __init__(self, directory: Path, *args: Any, **kwargs: Any) -> None:
        raise ImportError(
            f"OrbaxCheckpoint: expected Orbax, which belongs to JAX, got {directory!r} in pyseq; "
            "use ModelCheckpoint('{epoch}.keras') or BackupAndRestore(directory)"
        )
