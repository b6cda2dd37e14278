"""`predict` and `predict_on_batch`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks
from pyseq.callbacks import CallbackList
from pyseq.training import inputs, predicting
from pyseq.training.data import to_array

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.types import Array, CallbacksLike, Data, NoArguments, Tensor, Verbosity


class Prediction:
    """The part of `Model` that answers for rows of data."""

    def predict(
        self,
        x: Data,
        batch_size: int | None = None,
        verbose: Verbosity = "auto",
        steps: Any = None,
        callbacks: CallbacksLike = None,
        **old_names: Unpack[NoArguments],
    ) -> Array:
        """Outputs for rows of data as one array.

        Args:
            x: array of rows (n, ...), or a generator or dataset; its targets are ignored.
            batch_size: rows of a batch, as callbacks see it.
            verbose: 0 silent, 1 progress bar, 2 a line; "auto" is 1.
            steps: number of batches; None for all.
            callbacks: list of `pyseq.callbacks`.
            old_names: arguments of Keras 1 and 2 that mean nothing today.
        """
        if old_names:
            hooks.drop_old_names(Prediction.predict, old_names)
        if callbacks is None and verbose == 0 and steps is None and type(x) is np.ndarray:
            y = predicting.quick_answer(self, x, predicting.ROWS)
            return y if y is not None else predicting.array(self, x, batch_size)
        verbose = 1 if verbose == "auto" else int(verbose)
        source = inputs.open_data(self, x, None, None, batch_size, False, steps, "predict")
        callback_list = CallbackList(
            callbacks,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=1,
            steps=source.batches,
        )
        callback_list.on_predict_begin()
        self.stop_predicting = False
        try:
            outputs = self._predict_batches(source, callback_list)
        except BaseException:
            callback_list.close()
            raise
        callback_list.on_predict_end()
        return predicting.concatenate(outputs)

    def _predict_batches(self, source, callback_list):
        per_batch = callback_list.needs_batches("predict")
        outputs, done, first_row = [], 0, 0
        with contextlib.closing(predicting.batches(self, source, per_batch)) as parts:
            for rows, batches in parts:
                if per_batch:
                    callback_list.batch_begin("predict", done)
                output = predicting.rows(self, rows, first_row)
                first_row += len(rows)
                outputs.append(output)
                done += batches
                callback_list.count_rows("predict", len(rows))
                if per_batch:
                    callback_list.batch_end("predict", done - 1, {"outputs": output})
                else:
                    callback_list.progress("predict", done - 1, dict)
                if self.stop_predicting:
                    break
        return outputs

    def predict_on_batch(self, x: Tensor) -> Array:
        """Outputs for one batch."""
        y = predicting.quick_answer(self, x)
        if y is not None:
            return y
        x = self._enter(self._rows(x, "predict_on_batch: x"))
        return predicting.rows(self, to_array(x, "predict_on_batch: x"))
