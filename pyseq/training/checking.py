"""`Model.check`, and the moments at which a model's mistakes are looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyseq import checks
from pyseq.checks.context import SPARSE
from pyseq.training import loop
from pyseq.training.data import to_rows, unwrap
from pyseq.training.late_rows import LateRows

if TYPE_CHECKING:
    from pyseq.types import Tensor


class Checking:
    """The part of `Model` that looks for mistakes, in itself and in data."""

    def check(self, x: Tensor = None, y: Tensor = None) -> checks.Findings:
        """Look for mistakes in the model, what it is compiled with, and data.

        `compile`, `build`, `fit` and `evaluate` do the same as far as each can. Nothing is trained,
        built or raised here.

        Args:
            x: rows as `fit` takes them, `(n, ...)`, or None.
            y: as many targets, or None.

        Returns:
            `Findings`, a list of `Finding(code, severity, layer, message, fix)` that prints well;
            errors come first. `docs/mistakes.md` has a page for each code.

        >>> import pyseq
        >>> model = pyseq.Sequential(
        ...     [pyseq.Input((4,)), pyseq.layers.Dense(3, activation="softmax", name="last")]
        ... )
        >>> model.compile(loss="sparse_categorical_crossentropy")
        >>> model.check(y=[0, 1, 3])
        PS201  error    y
            sparse_categorical_crossentropy expected integer labels from 0 to 2 for an
            output of 3 classes, got labels from 0 to 3
            -> number the classes from 0 or give the last layer 4 units
        1 error, 0 warnings
        """
        found = checks.Findings()
        x = self._read("x", lambda: self._rows(x, "x"), x, found)
        y = self._read("y", lambda: to_rows(unwrap(y, "y"), "y"), y, found)
        if x is not None:
            x = self._read("x", lambda: self.check_input(x.shape) or x, x, found)
        if x is not None and self._text_layers():
            x = self._read("x", lambda: self._enter(x), x, found)
        return checks.Findings([*found, *checks.find(checks.Context(self, "check", x, y))])

    def _read(self, name, read, value, found):
        """What `read()` returns; None without a value, or where it fails: that is a finding."""
        if value is None:
            return None
        try:
            return read()
        except (TypeError, ValueError) as error:
            found += checks.as_findings("PS301", name, error)
            return None

    def _check_model(self, moment):
        """The model and what it is compiled with; at `compile` and `build`."""
        checks.run(checks.Context(self, moment), moment)

    def _check_data(self, mode, x, y, w=None):
        """The first batch, or all rows, of `fit`, `evaluate` and their like."""
        if mode == "train":
            checks.run(checks.Context(self, "fit", x, y, w), "build", "fit")
        else:
            checks.run(checks.Context(self, "evaluate", x, y, w), "evaluate")

    def _check_validation(self, source, validation):
        """The rows to train on beside those to validate on, where both are arrays."""
        if isinstance(source, loop.ArrayEpochs) and isinstance(validation, loop.ArrayEpochs):
            (a, b), texts = (source.data, validation.data), self._text_layers()
            x, x_val = (None, None) if texts else (a.x, b.x)
            checks.run(
                checks.Context(self, "fit", x, a.y, x_val=x_val, y_val=b.y), "validate"
            )

    def _check_lost(self, epoch, first, last, arrays):
        """The loss is not finite after batches `first` to `last`, counted from 1."""
        context = checks.Context(self, "fit", *arrays, epoch=epoch, first=first, last=last)
        checks.run(context, "loss")

    def _check_targets(self, program, y, mode):
        where = "fit" if mode == "train" else "evaluate"
        if y is None:
            if self.loss is not None and not self._defines("compute_loss"):
                raise ValueError(
                    f"{where}: expected targets for loss {self.loss!r}, got none; pass y (for "
                    "validation, a pair (x, y))"
                )
            return
        if program.kind in SPARSE and program.output_shape:
            wrong = checks.targets.labels_outside(
                program.kind, program.attrs, y, program.output_shape[-1], where
            )
            if wrong:
                raise checks.error("PS201", *wrong)

    def _check_first(self, source, mode):
        """Lower the step before the first epoch, so that mistakes show before any output."""
        if isinstance(source, loop.ArrayEpochs):
            data = source.data
            self._check_full_batches(data, source.steps, "fit" if mode == "train" else "evaluate")
            y_shape = data.y.shape[1:] if data.y is not None else None
            program = self._step_program(mode, data.x.shape[1:], y_shape, data.batch_size)
            if not isinstance(data.y, LateRows):  # else batch by batch
                self._check_targets(program, data.y, mode)
            self._check_data(mode, data.x, data.y, data.weights)

    def _check_full_batches(self, data, steps, where):
        """The states of a stateful layer have one row for each row of a batch."""
        rest = data.rows % data.batch_size
        unread = where == "evaluate" and steps is not None and steps * data.batch_size <= data.rows
        if not rest or unread or not self._is_stateful():
            return
        layer = next(p for p in self._flatten() if getattr(p, "stateful", False))
        raise ValueError(
            f"{where}: expected full batches of {data.batch_size} rows, because {layer.name} is "
            f"stateful, got {data.rows} rows, the last batch with {rest}; leave {rest} rows out or "
            "choose another batch size"
        )
