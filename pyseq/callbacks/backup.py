"""`BackupAndRestore`: go on with training after an interruption."""

from __future__ import annotations

import functools
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.callbacks.base import Callback
from pyseq.callbacks.checkpoint import BatchCounter, check_save_freq
from pyseq.saving import h5_weights, safe_json
from pyseq.saving.atomic import write_atomically
from pyseq.saving.h5_reader import import_h5py, open_h5

if TYPE_CHECKING:
    from pyseq.types import Logs, Path

_MAX_METADATA_BYTES = 65536
# The dataset with where training stood: JSON.
_STATE = "training_state"


class BackupAndRestore(Callback):
    """Backs up the state of training, and continues from it when `fit` is run again.

    The same script, run again after a crash, ends with the bits of a run without one: weights,
    optimizer, the positions of all random streams (of Python, NumPy, pyseq and the layers) and of
    the data belong to the backup, which is written as one file. Training goes on after the last
    batch that is backed up. Only a generator, which cannot be read again, is taken as it is: its
    epoch is trained from its beginning. A data set of yours that changes from epoch to epoch
    defines `get_state` and `set_state`. Other callbacks begin anew. Where several processes train
    together, the first one writes the backup, all read it, and there may be another number of them.

    Args:
        backup_dir: directory of the backup, used by one model only.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: keep the backup before the last one, too.
        delete_checkpoint: delete the directory's backup when training has ended.

    >>> BackupAndRestore("backup", save_freq=100).save_freq
    100
    """

    def __init__(
        self,
        backup_dir: Path,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
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
    def every_batch(self) -> bool:
        return self.save_freq != "epoch"

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self.model.built:
            raise ValueError(
                "BackupAndRestore: expected a built model, got one without weights; put "
                "Input(shape) first or call the model once"
            )
        self.model._keep_position()
        try:
            self._restore(self._weights, self._metadata)
        except (OSError, ValueError):
            if not os.path.exists(f"{self._weights}.bkp"):
                raise
            self._restore(f"{self._weights}.bkp", f"{self._metadata}.bkp")

    def _restore(self, weights, metadata):
        # Without weights there is nothing to go on from, whatever else is left of a backup.
        if not os.path.exists(weights):
            return
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        with open_h5(weights, weights) as reader:
            if _STATE in reader:
                text = reader.array(_STATE).tobytes()
                state = safe_json.loads(text, f"{weights}/{_STATE}")
            else:  # of Keras
                state = self._read_json(metadata)
            epoch = self._epoch_of(state, weights)
            h5_weights.read(
                self.model, lambda path: h5_weights.find_variables(reader, path), weights
            )
        if "training" in state:
            try:
                self.model._restore_training_state(state["training"])
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{weights}: expected the state of this model's training, got {error!r}; "
                    f"delete {self.backup_dir} to start over"
                ) from error
            self._counter.last = state["batch"] if state["within_epoch"] else None
        self.model._initial_epoch = self._epoch = epoch

    def _read_json(self, path):
        with open(path, "rb") as file:
            return safe_json.loads(file.read(_MAX_METADATA_BYTES), path)

    def _epoch_of(self, state, path):
        epoch = state.get("epoch")
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise ValueError(
                f"{path}: expected an epoch of 0 or more, got {epoch!r}; delete {self.backup_dir} "
                "to start over"
            )
        return epoch

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch + 1
        self._counter.last = None
        if self.save_freq == "epoch":
            self._save(0, within_epoch=False)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._counter.due(batch):
            self._save(batch, within_epoch=True)

    def _save(self, batch, within_epoch):
        if not settings.is_first_process():  # all read, one writes
            return
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint:
            for path in (self._weights, self._metadata):
                if os.path.exists(path):
                    with open(path, "rb") as source:
                        copy = functools.partial(shutil.copyfileobj, source)
                        write_atomically(f"{path}.bkp", copy)
        metadata = {"epoch": self._epoch, "batch": batch}
        optimizer = self.model.optimizer
        for variable in (*self.model.weights, *(optimizer.variables if optimizer else ())):
            variable.settle()  # the file holds what readers get
        training = self.model._training_state(within_epoch)
        state = json.dumps({**metadata, "within_epoch": within_epoch, "training": training})

        def write(file):
            h5_weights.write(self.model, file)
            # In the file of the weights, so that a crash cannot leave one without the other.
            with import_h5py().File(file, "r+") as h5:
                h5[_STATE] = np.frombuffer(state.encode(), np.uint8)

        write_atomically(self._weights, write)
        text = json.dumps(metadata).encode()
        write_atomically(self._metadata, lambda file: file.write(text))

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not (self.delete_checkpoint and settings.is_first_process()):
            return
        for path in (self._weights, self._metadata):
            for name in (path, f"{path}.bkp"):
                if os.path.exists(name):
                    os.remove(name)
        if os.path.isdir(self.backup_dir) and not os.listdir(self.backup_dir):
            os.rmdir(self.backup_dir)
