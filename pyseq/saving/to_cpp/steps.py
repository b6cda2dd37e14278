"""A program of sequences written again for one step at a time, as the core's streams do it."""

from __future__ import annotations

import copy

from pyseq.saving.to_cpp.plan import Program

_ALONE = frozenset("activation map cast embedding nonzero merge select".split())
_LAST_AXES = frozenset("layer_norm rms_norm unit_norm".split())
_ON_STEPS = frozenset(
    "dense masking batch_norm dropout gaussian_dropout gaussian_noise".split()
)
_ON_AXES = frozenset("softmax glu sparsemax concat reduce".split())


class NotByStepsError(Exception):
    """Which layer needs the whole sequence."""


def one_step(program):
    """The program that takes the next step of a sequence.

    Raises:
        NotByStepsError: a layer needs steps before or behind, beyond what it can keep.
    """
    return _Rewriter(program).made


class _Rewriter:
    def __init__(self, program):
        self.shapes, self.made = program.shapes, None
        whole = program.shapes[program.given]
        if not whole:
            raise NotByStepsError("the input has no time steps")
        self.steps = {program.given: whole[0]}  # of a whole sequence, by its value
        ops = [self.rewritten(copy.copy(op)) for op in program.ops]
        shapes = [
            (1, *shape[1:]) if slot in self.steps else shape
            for slot, shape in enumerate(program.shapes)
        ]
        self.made = Program(shapes, program.int64, ops, program.given, program.wanted).finish()

    def refuse(self, op, what):
        raise NotByStepsError(f"{op.name} ({op.kind}) is not {what}")

    def rewritten(self, op):
        timed = [s in self.steps for s in op.inputs]
        if not any(timed):
            return op
        counts = {self.steps.get(s) for s in op.inputs}
        if len(counts) > 1:
            self.refuse(op, "a layer of inputs of as many steps")
        (steps,) = counts
        if op.folded and op.fold == steps:
            op.fold = 1
            self.keep_time(op, steps)
        elif op.folded:
            self.refuse(op, "a layer on each step")
        elif op.kind in ("lstm", "gru", "simple_rnn"):
            self.recurrent(op, steps)
        elif op.kind == "conv":
            self.convolution(op, steps)
        else:
            if not self.is_alone(op, steps):
                self.refuse(op, "a layer on each step, or one with a state")
            self.keep_time(op, steps)
        return op

    def keep_time(self, op, steps):
        for slot in op.outputs:
            if not self.shapes[slot] or self.shapes[slot][0] != steps:
                self.refuse(op, "a layer that gives a step for each")
            self.steps[slot] = steps

    def recurrent(self, op, steps):
        if op.attrs.get("go_backwards"):
            self.refuse(op, "a layer that runs forwards")
        op.streams = True
        if op.attrs.get("return_sequences"):
            self.steps[op.outputs[0]] = steps

    def convolution(self, op, steps):
        kernel, a = op.weights[0].shape, op.attrs
        if len(kernel) != 3:
            self.refuse(op, "a convolution over time alone")
        if list(a["strides"]) != [1]:
            self.refuse(op, "a convolution that gives a step for each")
        kept = (kernel[0] - 1) * a["dilations"][0]
        if list(a["pads_begin"]) != [kept] or list(a["pads_end"]) != [0]:
            self.refuse(op, 'a convolution with padding="causal"')
        op.streams = True
        self.keep_time(op, steps)

    def shared(self, op, shape):
        """Whether a variable is the same for all steps."""
        return len(shape) < len(self.shapes[op.inputs[0]]) or shape[0] == 1

    def is_alone(self, op, steps):
        kind, a, rank = op.kind, op.attrs, len(self.shapes[op.inputs[0]])
        if kind in _ALONE:
            return True
        if kind in _ON_STEPS:
            return rank >= 2 and not a.get("batch_statistics") and not a.get("training")
        if kind in _LAST_AXES:
            return a.get("axes", 1) < rank
        if kind in ("add_bias", "prelu"):
            return self.shared(op, op.weights[0].shape)
        if kind == "binary":
            return not op.weights or self.shared(op, op.weights[0].shape)
        if kind in _ON_AXES:
            axes = a.get("axes", a.get("axis", -1))
            axes = axes if isinstance(axes, list) else [axes]
            return all(axis % rank > 0 for axis in axes) and not a.get("batch")
        if kind in ("max_pool", "average_pool"):
            return rank == 2 and list(a["pool_size"]) == [1] and list(a["strides"]) == [1]
        if kind == "reshape" and a["dims"] and a["dims"][0] == steps:
            op.attrs = {**a, "dims": [1, *a["dims"][1:]]}
            return True
        return False
