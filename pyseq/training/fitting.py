"""`fit` and `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import hooks, settings
from pyseq.callbacks import CallbackList
from pyseq.training import inputs, loop, together
from pyseq.training.data import is_array, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyseq.callbacks.history import History
    from pyseq.types import CallbacksLike, Data, Verbosity


class Fitting:
    """The part of `Model` that trains and measures epoch after epoch."""

    @hooks.takes_old_names
    def fit(
        self,
        x: Data = None,
        y: Data = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbosity = "auto",
        callbacks: CallbacksLike = None,
        validation_split: float = 0.0,
        validation_data: Data = None,
        shuffle: bool | str = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Data = None,
        initial_epoch: int = 0,
        steps_per_epoch: Any = None,
        validation_steps: Any = None,
        validation_batch_size: Any = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> History:
        """Train for `epochs` epochs; returns a History.

        Args:
            x: array of rows (n, ...), or a generator or dataset that yields (x, y[, weights]).
            y: targets of as many rows.
            batch_size: rows of a batch, 32 by default.
            epochs: how often to go through the data; those before `initial_epoch` count as done.
            verbose: 0 silent, 1 progress bar, 2 one line per epoch; "auto" is 1.
            callbacks: list of `pyseq.callbacks`.
            validation_split: share of the last rows to validate on.
            validation_data: (x, y[, sample_weight]) or a dataset.
            shuffle: whether the rows of arrays are drawn in a new order in each epoch.
            class_weight: {class: weight}.
            sample_weight: (n,) or (n, T) weights.
            initial_epoch: epochs that are done already; training goes on with the next.
            steps_per_epoch: batches of an epoch; needed for data without an end.
            validation_steps: batches of a validation; None for all.
            validation_batch_size: rows of a batch of the validation, `batch_size` by default.
            validation_freq: validate every so many epochs, or in those of a list (from 1).

        Raises:
            ValueError: data, model and loss do not fit together; the message says how to mend it.
        """
        self._check_compiled("fit")
        if epochs is None or whole(epochs, "epochs", "fit") < 0:
            raise ValueError(f"fit: expected epochs of 0 or more, got {epochs}")
        if steps_per_epoch is not None and whole(steps_per_epoch, "steps_per_epoch", "fit") < 1:
            raise ValueError(f"fit: expected steps_per_epoch of 1 or more, got {steps_per_epoch}")
        if validation_split and validation_data is None:
            if not (is_array(x) or isinstance(x, (list, dict, tuple))):
                raise ValueError(
                    "fit: expected arrays for validation_split, got a stream; pass validation_data"
                )
            x, y, sample_weight, validation_data = inputs.split(
                self, x, y, sample_weight, validation_split
            )
        source = inputs.open_data(
            self, x, y, sample_weight, batch_size, shuffle, steps_per_epoch, "fit", class_weight
        )
        self._check_first(source, "train")
        validation = None
        if validation_data is not None:
            validation = self._validation(
                validation_data, validation_batch_size or batch_size, validation_steps
            )
            self._check_validation(source, validation)
        together.begin(self)
        together.check_rows(source, "fit")
        if validation is not None:
            together.check_rows(validation, "validation_data")
        limit = settings.max_epochs
        epochs = int(epochs) if limit is None else min(int(epochs), limit)
        verbose = _verbosity(verbose)
        callback_list = CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=source.batches,
        )
        self.stop_training = False
        stops = together.any_stops(lambda: self.stop_training)
        per_batch = callback_list.needs_batches("train")
        logs = {}
        self._initial_epoch = None
        self._progress.source, self._progress.validation = source, validation_data
        callback_list.on_train_begin()
        initial_epoch = self._initial_epoch or initial_epoch
        try:
            for epoch in range(int(initial_epoch), epochs):
                self.reset_metrics()
                callback_list.on_epoch_begin(epoch)
                totals = loop.Totals(self, epoch + 1)
                totals.in_epoch = True
                source.run(self, "train", totals, callback_list, per_batch, stops)
                if totals.program is not None:
                    totals.program.settle()
                logs = dict(totals.logs())
                if validation is not None and _validates(epoch, validation_freq):
                    result = self._evaluate(validation, callback_list)
                    logs.update({f"val_{k}": result[k] for k in sorted(result)})
                callback_list.on_epoch_end(epoch, logs)
                if stops() or getattr(source, "exhausted", False):
                    break
            if hasattr(self.optimizer, "finalize_variable_values") and epochs > 0:
                self.optimizer.finalize_variable_values(self.trainable_weights)
        except BaseException:
            self.stop_training = True
            callback_list.close()
            raise
        finally:
            self._progress.source = self._progress.validation = None
            source.close()
            if validation is not None:
                validation.close()
        callback_list.on_train_end(logs)
        return self.history

    def _validation(self, data, batch_size, steps):
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            x, y, w = (*data, None)[:3]
            source = inputs.open_data(self, x, y, w, batch_size, False, steps, "evaluate")
        else:
            source = inputs.open_data(self, data, None, None, batch_size, False, steps, "evaluate")
        self._check_first(source, "test")
        return source

    def _evaluate(self, source, callback_list):
        self.reset_metrics()
        totals = loop.Totals(self)
        callback_list.on_test_begin()
        self.stop_evaluating = False
        source.restart()
        source.run(
            self,
            "test",
            totals,
            callback_list,
            callback_list.needs_batches("test"),
            together.any_stops(lambda: self.stop_evaluating),
        )
        logs = totals.logs()
        callback_list.on_test_end(logs)
        return totals.results()

    @hooks.takes_old_names
    def evaluate(
        self,
        x: Data = None,
        y: Data = None,
        batch_size: int | None = None,
        verbose: Verbosity = "auto",
        sample_weight: Data = None,
        steps: Any = None,
        callbacks: CallbacksLike = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over data: a number, a list, or a dict with `return_dict=True`.

        Args:
            x, y: rows (n, ...) and targets, or a generator or dataset that yields both.
            batch_size: rows of a batch, 32 by default.
            verbose: 0 silent, 1 progress bar, 2 a line; "auto" is 1.
            sample_weight: (n,) or (n, T) weights.
            steps: number of batches; None for all.
            callbacks: list of `pyseq.callbacks`.
            return_dict: return `{"loss": ..., name of a metric: ...}`.
        """
        self._check_compiled("evaluate")
        source = inputs.open_data(self, x, y, sample_weight, batch_size, False, steps, "evaluate")
        self._check_first(source, "test")
        together.check_rows(source, "evaluate")
        verbose = _verbosity(verbose)
        callback_list = CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=1,
            steps=source.batches,
        )
        try:
            logs = self._evaluate(source, callback_list)
        except BaseException:
            callback_list.close()
            raise
        finally:
            source.close()
        return dict(sorted(logs.items())) if return_dict else loop.as_list(logs)


def _verbosity(verbose):
    level = 1 if verbose == "auto" else int(verbose)
    return level if settings.is_first_process() else 0


def _validates(epoch, validation_freq):
    if isinstance(validation_freq, int):
        if validation_freq < 1:
            raise ValueError(f"fit: expected validation_freq of 1 or more, got {validation_freq}")
        return (epoch + 1) % validation_freq == 0
    return epoch + 1 in validation_freq
