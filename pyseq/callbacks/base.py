"""`Callback`, the hooks of `fit`, `evaluate` and `predict`, and the list that calls them."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from pyseq import hooks, settings

if TYPE_CHECKING:
    from pyseq.types import Logs

MODES = ("train", "test", "predict")


def say(message):
    """Print a line, or log it where interactive logging is disabled."""
    show(f"{message}\n")


def show(text):
    """Write `text` to standard output, or log it where interactive logging is disabled.

    Programs without a console have no standard output, or one that can only `write`.
    """
    if not settings.interactive_logging:
        logging.getLogger("pyseq").info(text.strip())
        return
    stream = sys.stdout
    if stream is None:
        return
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal without the bar's characters, or those of a name
        text = text.translate({ord("━"): "=", ord("─"): "."})
        stream.write(text.encode(stream.encoding, "replace").decode(stream.encoding))
    if hasattr(stream, "flush"):
        stream.flush()


class Callback:
    """Base class of callbacks: override the hooks you need.

    Epoch hooks get `(epoch, logs)`, batch hooks `(batch, logs=...)`, both counted from 0. `logs`
    holds running means of the loss and the metrics as floats; what a callback adds to it in
    `on_epoch_end` reaches the callbacks after it and the `History`. Setting
    `self.model.stop_training = True` ends training after the current batch or epoch.

    Overriding a batch hook makes the training loop come back to Python after every batch; without
    one it runs many batches in a single call.

    Where several processes train together (`pyseq.distribution`), each has its callbacks, which see
    the same logs; those with `for_one_process = True`, as checkpoints and logs have, act in the
    first process alone.

    Attributes:
        model: the model, once `set_model` was called.
        params: dict of verbose, epochs and steps.

    >>> class Print(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(epoch, logs)
    >>> Print().on_epoch_end(0, {"loss": 1.0})
    0 {'loss': 1.0}
    """

    params: Any

    def __init__(self) -> None:
        self.params = None
        self._model = None

    # Where several processes train together: whether one of them is enough, as for files and logs.
    for_one_process = False
    # A subclass without super().__init__() still works.
    params = None
    _model = None

    if not TYPE_CHECKING:  # checkers would take any name for an attribute

        def __getattr__(self, name):
            return hooks.ask("old_attribute", self, name)

    @property
    def model(self) -> Any:
        return self._model

    def set_params(self, params: Any) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Alias of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Alias of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called when an epoch of `fit` begins."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch of `fit`, validation included; logs hold `val_` entries too."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each training batch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each training batch."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of `evaluate` and of validation in `fit`."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of `evaluate` and of validation in `fit`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each batch of `predict`; `logs["outputs"]` is the batch's output."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called once before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called once after the last epoch, with its logs."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called when `evaluate` or validation begins."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called when `evaluate` or validation ends, with its logs."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called when `predict` begins."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called when `predict` ends."""


def watches_batches(callback, mode):
    """Return whether `callback` has to be called around every batch of "train", "test", "predict".

    It has to if it overrides a batch hook of that mode, unless the class that does so also
    declares `every_batch` and that is False for this callback.
    """
    hooks = [f"on_{mode}_batch_begin", f"on_{mode}_batch_end"]
    if mode == "train":
        hooks += ["on_batch_begin", "on_batch_end"]
    for hook in hooks:
        if hook in getattr(callback, "__dict__", {}):
            return True
        owner = next((c for c in type(callback).__mro__ if hook in c.__dict__), Callback)
        if owner is Callback:
            continue
        if "every_batch" not in owner.__dict__ or callback.every_batch:
            return True
    return False
