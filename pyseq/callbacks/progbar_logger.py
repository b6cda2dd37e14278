"""`ProgbarLogger`: the progress bar of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq.callbacks.base import Callback, say
from pyseq.callbacks.progbar import Progbar

if TYPE_CHECKING:
    from pyseq.types import Logs


class ProgbarLogger(Callback):
    """Shows progress and metrics: a bar with `verbose=1`, a line per epoch with `verbose=2`.

    The training loop calls it now and then rather than after every batch.
    """

    for_one_process = True

    every_batch = False

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.rows = 0
        self.progbar = None
        self.target = None
        self.verbose = 1
        self.epochs = 1
        self._in_fit = False

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        self.verbose = 1 if params["verbose"] == "auto" else params["verbose"]
        self.epochs = params["epochs"]
        self.target = params["steps"]

    def shows(self, mode: str) -> bool:
        """Return whether a call during a run in `mode` shows metrics."""
        return self.verbose == 1 and (mode == "train" or (mode == "test" and not self._in_fit))

    def is_due(self, mode: str) -> bool:
        """Return whether a call now, during a run in `mode`, would change what is shown."""
        return self.shows(mode) and (self.progbar is None or self.progbar.due)

    def count_rows(self, mode: str, count: int) -> None:
        """Tell that `count` more rows were done, for the samples a second."""
        if self.progbar is not None and not (mode == "test" and self._in_fit):
            self.rows += count
            self.progbar.count_samples(self.rows)

    def close(self) -> None:
        """End the line of a run that was interrupted."""
        if self.progbar is not None:
            self.progbar.close()

    def _restart(self):
        self.seen = self.rows = 0
        # The loop hands over means of the epoch so far, which the bar must not average again.
        self.progbar = Progbar(
            self.target, verbose=self.verbose, stateless_metrics=set(), unit_name="step"
        )

    def _update(self, batch, logs):
        self.seen = batch + 1
        if self.verbose == 1:
            self.progbar.update(self.seen, list((logs or {}).items()), finalize=False)

    def _finish(self, logs):
        if self.target is None:
            self.target = self.progbar.target = self.seen
        self.progbar.update(self.target, list((logs or {}).items()), finalize=True)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._restart()
        if self.verbose and self.epochs > 1:
            say(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._update(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._restart()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._update(batch, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._restart()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._update(batch, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish(None)
