"""The programs of a model: lowered when they are needed, kept for the next call."""

from __future__ import annotations

from pyseq import lowering, revision
from pyseq.training import checks, loop
from pyseq.training.late_rows import LateRows
from pyseq.training.program import StepProgram


class Programs:
    """The part of `Model` that has a program for each shape of data."""

    def _forget_programs(self):
        revision.touch()
        self._quick = None
        self._programs = {}
        self._predictors = {}
        self._runners = {}

    def _step_program(self, mode, x_shape, y_shape, batch_size):
        training = mode == "train"
        fixed = batch_size if self._is_stateful() else None
        key = (training, x_shape, y_shape, fixed, self._step_key())
        program = self._programs.get(key)
        if program is None:
            where = "fit" if training else "evaluate"
            with self._progress.seeds_of(key[:-1]):
                program = StepProgram(self, x_shape, y_shape, training, fixed, where)
            # What was made of names and shapes while it was lowered counts from now on.
            self._remember((*key[:-1], self._step_key()), program)
        return program

    def _step_key(self):
        """What a step was lowered from: the layers, the loss and, as objects, the optimizer."""
        if self._noted_objects != revision.objects():
            self._noted_objects = revision.objects()
            loss = self._compiled_loss and self._compiled_loss.loss
            # Another optimizer alike has a state of its own.
            parts = (revision.Same(self.optimizer), self.optimizer, loss)
            self._step_parts = revision.number(self._states, revision.fingerprint(parts))
        return self._state_key(), self._step_parts

    def _remember(self, key, program):
        if len(self._programs) > 64:
            self._programs = {}
        self._programs[key] = program

    def _predictor(self, x_shape, batch_size):
        key = (x_shape, batch_size if self._is_stateful() else None, self._state_key())
        runner = self._predictors.get(key)
        if runner is None:
            if len(self._predictors) > 64:
                self._predictors = {}
            runner = lowering.Runner(self, x_shape, False, batch_size)
            self._predictors[key] = runner
        return runner

    def _check_targets(self, program, y, mode):
        where = "fit" if mode == "train" else "evaluate"
        if y is None:
            if self.loss is not None and not self._defines("compute_loss"):
                raise ValueError(
                    f"{where}: expected targets for loss {self.loss!r}, got none; pass y (for "
                    "validation, a pair (x, y))"
                )
            return
        if program.kind in checks.SPARSE and program.output_shape:
            checks.check_labels(program.kind, program.attrs, y, program.output_shape[-1], where)

    def _check_first(self, source, mode):
        """Lower the step before the first epoch, so that mistakes show before any output."""
        if isinstance(source, loop.ArrayEpochs):
            data = source.data
            self._check_full_batches(data, source.steps, "fit" if mode == "train" else "evaluate")
            y_shape = data.y.shape[1:] if data.y is not None else None
            program = self._step_program(mode, data.x.shape[1:], y_shape, data.batch_size)
            if not isinstance(data.y, LateRows):  # else batch by batch
                self._check_targets(program, data.y, mode)
            if mode == "train" and program.kind is not None:
                checks.check_output_activation(
                    self, program.kind, program.attrs, program.output_shape
                )

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
