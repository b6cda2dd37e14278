"""`BackupAndRestore`: go on with training after an interruption."""

from __future__ import annotations

import json
import os
import shutil

from pyseq.callbacks.base import Callback
from pyseq.callbacks.checkpoint import BatchCounter, check_save_freq
from pyseq.saving.atomic import write_atomically

_MAX_METADATA_BYTES = 65536


class BackupAndRestore(Callback):
    """Backs up weights and optimizer state, and continues from them when `fit` is run again.

    An interrupted epoch is trained again from its beginning with the weights of the last backup.

    Args:
        backup_dir: directory of the backup, used by one model only.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: keep the backup before the last one, too.
        delete_checkpoint: delete the directory's backup when training has ended.

    >>> BackupAndRestore("backup", save_freq=100).save_freq
    100
    """

    def __init__(
        self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True
    ):
        super().__init__()
        if not backup_dir:
            raise ValueError(f"BackupAndRestore: expected a directory, got {backup_dir!r}")
        check_save_freq("BackupAndRestore", save_freq)
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._counter = BatchCounter(save_freq)
        self._epoch = 0
        self._weights = os.path.join(self.backup_dir, "latest.weights.h5")
        self._metadata = os.path.join(self.backup_dir, "training_metadata.json")

    @property
    def every_batch(self):
        return self.save_freq != "epoch"

    def on_train_begin(self, logs=None):
        if not self.model.built:
            raise ValueError(
                "BackupAndRestore: expected a built model, got one without weights; put "
                "Input(shape) first or call the model once"
            )
        try:
            self._restore()
        except (OSError, ValueError):
            if not os.path.exists(f"{self._weights}.bkp"):
                raise
            for path in (self._weights, self._metadata):
                if os.path.exists(f"{path}.bkp"):
                    shutil.copyfile(f"{path}.bkp", path)
                elif os.path.exists(path):
                    os.remove(path)
            self._restore()

    def _restore(self):
        epoch = None
        if os.path.exists(self._metadata):
            epoch = self._read_epoch()
        if os.path.exists(self._weights):
            optimizer = self.model.optimizer
            if optimizer is not None and not optimizer.built:
                optimizer.build(self.model.trainable_variables)
            self.model.load_weights(self._weights)
        if epoch is not None:
            self.model._initial_epoch = self._epoch = epoch

    def _read_epoch(self):
        with open(self._metadata, encoding="utf-8") as file:
            text = file.read(_MAX_METADATA_BYTES)
        try:
            epoch = json.loads(text)["epoch"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self._metadata}: expected JSON with an epoch, got {text[:80]!r}; delete "
                f"{self.backup_dir} to start over"
            ) from error
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise ValueError(f"{self._metadata}: expected an epoch of 0 or more, got {epoch!r}")
        return epoch

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch + 1
        self._counter.last = None
        if self.save_freq == "epoch":
            self._save(0)

    def on_train_batch_end(self, batch, logs=None):
        if self._counter.due(batch):
            self._save(batch)

    def _save(self, batch):
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint:
            for path in (self._weights, self._metadata):
                if os.path.exists(path):
                    shutil.copyfile(path, f"{path}.bkp")
        self.model.save_weights(self._weights, overwrite=True)
        metadata = json.dumps({"epoch": self._epoch, "batch": batch})
        write_atomically(self._metadata, lambda file: file.write(metadata.encode()))

    def on_train_end(self, logs=None):
        if not self.delete_checkpoint:
            return
        for path in (self._weights, self._metadata):
            for name in (path, f"{path}.bkp"):
                if os.path.exists(name):
                    os.remove(name)
        if os.path.isdir(self.backup_dir) and not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)
