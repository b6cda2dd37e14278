"""LSTM, GRU and RNN, with what exporters put around them."""

from __future__ import annotations

import numpy as np

from pyseq import layers
from pyseq.saving.from_onnx import sizes

# Places of ONNX's gates in pyseq's order; numbers of activations that each direction has.
_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (0, 1, 2), "RNN": (0,)}
_CLASSES = {"LSTM": "LSTM", "GRU": "GRU", "RNN": "SimpleRNN"}
_DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
_NAMES = {"Sigmoid": "sigmoid", "Tanh": "tanh", "Relu": "relu", "Softsign": "softsign",
          "Softplus": "softplus", "HardSigmoid": "hard_sigmoid"}


def recurrent(line, node, given):
    """Append the layer; the line goes on with the node behind the axis of the directions."""
    kind, file = node.op_type, line.file
    direction = given.get("direction", "forward")
    count = 2 if direction == "bidirectional" else 1
    if given.get("layout", 0) or given.get("clip", 0) or given.get("input_forget", 0):
        file.refuse(node, "layout=0 and no clip or input_forget", given)
    for i, what in ((4, "sequence_lens"), (7, "peepholes")):
        if len(node.input) > i and node.input[i]:
            file.refuse(node, f"no {what}", repr(node.input[i]))
    for name in node.input[5:7]:
        if name and not sizes.is_zero(file, name):
            file.refuse(node, "states that begin with zeros", repr(name))
    if line.rank != 3:
        file.refuse(node, "a tensor of steps, rows and numbers", f"{line.rank} axes")
    line.lay(node, [1, 0, 2])
    arguments = _arguments(line, node, given, count)
    weights = [w for d in range(count) for w in _weights(line, node, d, arguments)]
    sequences = bool(node.output[0]) and node.output[0] in file.readers
    states = [name for name in node.output[1:] if name and name in file.readers]
    if sequences == bool(states) or any(name in states for name in node.output[2:]):
        file.refuse(node, "one output that is read on, all steps or the last h", states)
    if direction == "reverse":
        if sequences:
            file.refuse(node, "the last h of direction 'reverse'", "all steps")
        arguments["go_backwards"] = True
    if line.turned is not None:
        if count == 2 or direction == "reverse":
            file.refuse(node, "direction 'forward' behind turned time", repr(direction))
        arguments["go_backwards"], line.turned = True, None
    cls = getattr(layers, _CLASSES[kind])
    arguments["return_sequences"] = sequences
    if count == 1:
        line.add(node, cls, weights, **arguments)
    else:
        if not sequences:
            file.refuse(node, "all steps of two directions", "the last h")
        line.add(node, layers.Bidirectional, weights, layer=cls(**arguments))
    line.order = [1, 0, 2] if sequences else [0, 1]
    line.tensor = node.output[0] if sequences else node.output[1]
    _behind(line, node, count, sequences)


def _arguments(line, node, given, count):
    names = given.get("activations") or list(_DEFAULTS[node.op_type]) * count
    one = names[: len(names) // count]
    wanted = len(_DEFAULTS[node.op_type])
    known = len(one) == wanted and one * count == names and all(n in _NAMES for n in one)
    if not known or (node.op_type == "LSTM" and one[1] != one[2]):
        line.file.refuse(node, f"activations of {sorted(_NAMES)}, the same for all", names)
    if "HardSigmoid" in one:
        alpha = (given.get("activation_alpha") or [0.2])[0]
        if abs(alpha - 1 / 6) > 1e-4:
            line.file.refuse(node, "HardSigmoid of alpha=1/6", alpha)
    found = {"activation": _NAMES[one[min(1, wanted - 1)]]}
    if wanted > 1:
        found["recurrent_activation"] = _NAMES[one[0]]
    if node.op_type == "GRU":
        found["reset_after"] = bool(given.get("linear_before_reset", 0))
    return {
        **found,
        "units": int(given.get("hidden_size", line.need(node, 2, "weights").shape[-1])),
        "use_bias": len(node.input) > 3 and bool(node.input[3]),
    }


def _weights(line, node, direction, arguments):
    order, units = _GATES[node.op_type], arguments["units"]
    arrays = [line.need(node, i, "weights") for i in (1, 2)]
    if any(a.ndim != 3 or a.shape[1] != len(order) * units for a in arrays):
        line.file.refuse(node, f"weights of {units} units", [a.shape for a in arrays])

    def arranged(array):
        parts = np.split(array, len(order), axis=-1)
        return np.concatenate([parts[i] for i in order], axis=-1)

    weights = [arranged(a[direction].T) for a in arrays]
    if arguments["use_bias"]:
        both = line.need(node, 3, "a bias")[direction].reshape(2, -1)
        both = np.stack([arranged(part) for part in both])
        weights.append(both if arguments.get("reset_after") else both.sum(axis=0))
    return weights


def _behind(line, node, count, sequences):
    """Go on behind the nodes that take the axis of the directions away."""
    file = line.file
    readers = file.readers.get(line.tensor, [])
    readers = [n for n in readers if n.op_type != "Shape"]
    after = readers[0] if len(readers) == 1 else None
    given = {} if after is None else file.attributes(after)
    kind = None if after is None else after.op_type
    axis = 1 if sequences else 0
    if count == 2 and kind == "Transpose" and list(given.get("perm", ())) == [0, 2, 1, 3]:
        # (T, 2, N, U) as (T, N, 2, U), and then as (T, N, 2U)
        behind = file.readers.get(after.output[0], [])
        wanted = [sizes.read(line, n.input[1]) for n in behind if n.op_type == "Reshape"]
        width = line.shape[-1]
        if len(wanted) == 1 and wanted[0] and len(wanted[0]) == 3 and wanted[0][2] in (-1, width):
            line.tensor = behind[0].output[0]
            return
    if count == 1 and kind == "Squeeze":
        axes = given.get("axes")
        axes = line.need(after, 1, "axes").tolist() if axes is None else axes
        if list(axes) == [axis]:
            line.tensor = after.output[0]
            return
    if count == 1 and not sequences and kind == "Reshape":
        if (sizes.read(line, after.input[1]) or [])[1:] == [line.shape[-1]]:
            line.tensor = after.output[0]
            return
    if count == 1 and not sequences and kind == "Gather" and given.get("axis", 0) == 0:
        index = line.need(after, 1, "an index")
        if index.ndim == 0 and int(index) in (0, -1):
            line.tensor = after.output[0]
            return
    got = "the end of the graph" if after is None else f"{kind} {after.name!r}"
    file.refuse(node, "a node behind it that takes the axis of the directions away", got)


TABLE = {"GRU": recurrent, "LSTM": recurrent, "RNN": recurrent}
