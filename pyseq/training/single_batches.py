"""`train_on_batch` and `test_on_batch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.training import inputs, loop

if TYPE_CHECKING:
    from pyseq.types import Tensor


class SingleBatches:
    """The part of `Model` that trains or measures on one batch."""

    def _one_batch(self, x, y, sample_weight, class_weight, mode, where):
        key = None
        if type(x) is type(y) is np.ndarray and sample_weight is class_weight is None:
            # Arrays like those of an earlier call need no other check than that of the labels.
            key = (mode, x.shape, x.dtype, y.shape, y.dtype, self._step_key())
        program, w = self._programs.get(key) if key else None, None
        if program is None or not (x.flags.c_contiguous and y.flags.c_contiguous):
            self._check_compiled(where)
            data = inputs.rows_of(self, x, y, sample_weight, None, False, 1, where, class_weight)
            rows, targets, w = data.dense()
            rows = self._enter(rows)
            y_shape = targets.shape[1:] if targets is not None else None
            program = self._step_program(mode, rows.shape[1:], y_shape, data.rows)
            if not program.checked:
                self._check_data(mode, rows, targets)
                program.checked = True
            if key and rows is x and targets is y:
                self._remember(key, program)
            x, y, w = rows, targets, program.prepare_weights(w)
        self._check_targets(program, y, mode)
        self.reset_metrics()
        totals = loop.Totals(self)
        arrays = (program.prepare_inputs(x), program.prepare_targets(y, len(x)), w)
        loop.run_batches(self, program, arrays, None, 0, len(x), len(x), 1, totals, float("inf"))
        return totals.results()

    def train_on_batch(
        self,
        x: Tensor,
        y: Tensor = None,
        sample_weight: Tensor = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One update on one batch; returns the loss, or loss and metrics."""
        logs = self._one_batch(x, y, sample_weight, class_weight, "train", "train_on_batch")
        return dict(sorted(logs.items())) if return_dict else loop.as_list(logs)

    def test_on_batch(
        self, x: Tensor, y: Tensor = None, sample_weight: Tensor = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch."""
        logs = self._one_batch(x, y, sample_weight, None, "test", "test_on_batch")
        return dict(sorted(logs.items())) if return_dict else loop.as_list(logs)
