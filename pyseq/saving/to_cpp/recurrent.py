"""Recurrent layers, for whole sequences and for one step."""

from __future__ import annotations

from pyseq.saving.to_cpp import packing


def recurrent(w, op, x, y):
    """One function for `lstm`, `gru` and `simple_rnn`."""
    if op.attrs.get("stateful"):
        op.refuse("that keeps its state", "make the layer with stateful=False and call step()")
    if op.attrs.get("training") and (op.attrs.get("dropout") or op.attrs.get("recurrent_dropout")):
        op.refuse("that draws random numbers", "call the layer with training=False")
    w.use("recurrent")
    units, (steps, _) = op.attrs["units"], op.shapes[0]
    cell = w.fresh(f"cell_{len(w.lines)}")
    w.lines.append(f"const {_CELLS[op.kind](w, op, units)}")
    w.lines[-1] = w.lines[-1].replace(" CELL", f" {cell}")
    mask = x[1] if len(x) > 1 else "nullptr"
    states = [*y[1:], "nullptr", "nullptr"][:2]
    zero = _flag(op.attrs.get("zero_output_for_mask") and len(x) > 1)
    if op.streams:
        state = w.state(op, f"kernels::State<{packing.padded(units)}>", "state")
        arguments = [cell, x[0], mask, y[0], *states, state]
        return w.call("recurrent", "recur_one", [zero], arguments)
    flags = [
        _flag(op.attrs.get("return_sequences")), _flag(op.attrs.get("go_backwards")), zero
    ]
    w.call("recurrent", "recur", [steps, *flags], [cell, x[0], mask, y[0], *states])


def _flag(value):
    return "true" if value else "false"


def _activations(w, op):
    """Expressions of the activation and, where there are gates, of theirs."""
    names = op.attrs.get("activation", "linear"), op.attrs.get("recurrent_activation", "linear")
    if op.kind == "simple_rnn":
        return ["kernels::GateTanh{}" if names[0] == "tanh" else w.ending(op)]
    if names == ("tanh", "sigmoid"):
        return ["kernels::GateTanh{}", "kernels::GateSigmoid{}"]
    return [w.ending(op), w.ending(op, "recurrent_")]


def _cell(op, name, units, pointers, activations):
    """The declaration of a cell, which is called CELL."""
    types = ", ".join(a.partition("{")[0] for a in activations)
    inputs = op.shapes[0][1]
    given = ", ".join([*pointers, *activations])
    return f"kernels::{name}<{inputs}, {units}, {types}> CELL{{{given}}};"


def _bias(op):
    return op.weights[2] if op.attrs.get("use_bias", True) else None


def _plain(w, op, units, name, count):
    bias = _bias(op)
    parts = [None] * count if bias is None else bias.reshape(count, units)
    pointers = [
        w.array(op, "kernel", packing.gates(op.weights[:2], units, count)),
        w.array(op, "bias", packing.slots(list(parts), units)),
    ]
    return _cell(op, name, units, pointers, _activations(w, op))


def lstm(w, op, units):
    return _plain(w, op, units, "Lstm", 4)


def simple_rnn(w, op, units):
    return _plain(w, op, units, "SimpleRnn", 1)


def gru(w, op, units):
    bias = _bias(op)
    if not op.attrs.get("reset_after", True):
        return _gru_before(w, op, units, bias)
    slots = [None] * 4
    if bias is not None:
        x, h = bias.reshape(2, 3, units)
        slots = [x[0] + h[0], x[1] + h[1], x[2], h[2]]
    pointers = [
        w.array(op, "kernel", packing.gates(op.weights[:2], units, 3)),
        w.array(op, "bias", packing.slots(slots, units)),
    ]
    return _cell(op, "Gru", units, pointers, _activations(w, op))


def _gru_before(w, op, units, bias):
    parts = [None] * 3 if bias is None else list(bias.reshape(3, units))
    gates = [k[:, : 2 * units] for k in op.weights[:2]]
    values = [k[:, 2 * units :] for k in op.weights[:2]]
    pointers = [
        w.array(op, "gates", packing.gates(gates, units, 2)),
        w.array(op, "kernel", packing.gates(values, units, 1)),
        w.array(op, "gates_bias", packing.slots(parts[:2], units)),
        w.array(op, "bias", packing.slots(parts[2:], units)),
    ]
    return _cell(op, "GruBefore", units, pointers, _activations(w, op))


_CELLS = {"gru": gru, "lstm": lstm, "simple_rnn": simple_rnn}
TABLE = {"gru": recurrent, "lstm": recurrent, "simple_rnn": recurrent}
