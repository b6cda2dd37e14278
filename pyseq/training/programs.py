"""The programs of a model: lowered when they are needed, kept for the next call."""

from __future__ import annotations

from pyseq import lowering, revision
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
        if program is None or not program.graph.holds(batch_size):
            where = "fit" if training else "evaluate"
            with self._progress.seeds_of(key[:-1]):
                program = StepProgram(self, x_shape, y_shape, training, fixed, where, batch_size)
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
        if runner is None or not runner.graph.holds(batch_size):
            if len(self._predictors) > 64:
                self._predictors = {}
            runner = lowering.Runner(self, x_shape, False, batch_size)
            self._predictors[key] = runner
        return runner
