"""Recurrent ops: ONNX's own LSTM, GRU and RNN, or a Scan over the steps.

ONNX's own know no masks with holes and few activations; a Scan runs any step.
"""

from __future__ import annotations

import numpy as np

from pyseq.saving.to_onnx.builder import Body, Builder
from pyseq.saving.to_onnx.elementwise import activate
from pyseq.saving.to_onnx.spatial import _first, _kernel_first

# Activations that ONNX's own take, with their numbers.
_OWN = {
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
}
# Places of pyseq's gates in ONNX's order.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2), "simple_rnn": (0,)}
_KINDS = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "RNN"}


def _check(op):
    if op.attrs.get("stateful"):
        op.refuse(
            "that keeps its state", "a graph of ONNX keeps nothing from call to call: make the "
            "layer with stateful=False"
        )
    if op.attrs.get("training") and (op.attrs.get("dropout") or op.attrs.get("recurrent_dropout")):
        op.refuse("that draws random numbers at inference", "call the layer with training=False")


def recurrent(b, op):
    """One function for `lstm`, `gru` and `simple_rnn`."""
    _check(op)
    steps = op.shapes[0][0]
    x = op.x[0]
    if op.attrs.get("go_backwards"):
        x = b.slice(x, [1], [steps - 1], [-1], [-1])
    x = _steps_first(b, x)
    names = _activations(op)
    plain = all(name in _OWN and not arguments for name, arguments in names)
    if len(op.x) == 1 and plain:
        sequence, states = _own(b, op, x, names)
    else:
        sequence, states = _scanned(b, op, x)
    if op.attrs.get("return_sequences"):
        y = b.transpose(sequence, [1, 0, 2])
    else:
        y = states.pop()
    return [y, *states[: len(op.y_shapes) - 1]]


def _steps_first(b, x):
    rank = len(b.shape(x))
    return b.transpose(x, [1, 0, *range(2, rank)])


def _activations(op):
    """`[(name, arguments)]`: of the gates, where there are some, and of the values."""
    read = [(op.attrs.get("activation", "linear"), op.attrs.get("activation_args"))]
    if op.kind != "simple_rnn":
        name = op.attrs.get("recurrent_activation", "linear")
        read.insert(0, (name, op.attrs.get("recurrent_activation_args")))
    return read


def _own(b, op, x, names):
    units, steps = op.attrs["units"], op.shapes[0][0]
    order = _GATES[op.kind]

    def arranged(array):
        parts = np.split(array, len(order), axis=-1)
        return np.concatenate([parts[i] for i in order], axis=-1)

    def bias(array):
        one = np.atleast_2d(array)
        both = one if len(one) == 2 else np.concatenate([one, np.zeros_like(one)])
        return np.concatenate([arranged(part) for part in both])[None]

    kernels = [b.weight(w, lambda a: arranged(a).T[None].copy()) for w in op.weights[:2]]
    biases = [b.weight(w, bias) for w in op.weights[2:3]] if op.attrs.get("use_bias", True) else []
    if op.kind == "lstm":
        names = [*names, names[-1]]
    own = [_OWN[name] for name, _ in names]
    more = {"linear_before_reset": int(op.attrs["reset_after"])} if op.kind == "gru" else {}
    shapes = [(steps, 1, None, units), *[(1, None, units)] * (1 + (op.kind == "lstm"))]
    alpha = [a for _, a, _ in own if a is not None]
    beta = [b_ for _, _, b_ in own if b_ is not None]
    made = b.add(
        _KINDS[op.kind], [x, *kernels, *biases], shapes, hidden_size=units,
        activations=[name for name, _, _ in own], activation_alpha=alpha or None,
        activation_beta=beta or None, **more,
    )
    sequence = b.add("Squeeze", [made[0], b.integers(1)], (steps, None, units))
    states = [b.reshape(state, (units,)) for state in made[1:]]
    return sequence, [*states, states[0]]


def _scanned(b, op, x):
    """The steps one by one; `x` (T, N, I)."""
    units, steps = op.attrs["units"], op.shapes[0][0]
    kernel, recurrent_kernel = (b.weight(w) for w in op.weights[:2])
    width = b.shape(kernel)[1]
    z = b.add("MatMul", [x, kernel], (steps, None, width))
    after = None
    if op.attrs.get("use_bias", True):
        if op.kind == "gru" and op.attrs["reset_after"]:
            z = b.add("Add", [z, b.weight(op.weights[2], lambda a: a[0])], b.shape(z))
            after = b.weight(op.weights[2], lambda a: a[1])
        else:
            z = b.add("Add", [z, b.weight(op.weights[2])], b.shape(z))

    def step(c, z, states):
        return _STEPS[op.kind](c, op, z, states, recurrent_kernel, after, units)

    count = 2 if op.kind == "lstm" else 1
    return _scan(b, op, z, step, [(units,)] * count)


def _scan(b, op, z, step, states):
    """Run `step(builder, z_t, states)` over the first axis of `z`: `(outputs of all steps, last
    states and last output)`. A step that is masked leaves the states as they are."""
    zero = b.constant(0.0)
    start = [b.expand(zero, op.x[0], dims) for dims in states]
    c = Builder(b.dtype, b)
    inputs = [c.declare(c.fresh(f"{b.scope}/state"), (None, *dims)) for dims in states]
    z_t = c.declare(c.fresh(f"{b.scope}/step"), b.shape(z)[1:])
    sequences, names = [z], [*inputs, z_t]
    before = inputs
    mask = None
    if len(op.x) > 1:
        ones = [1] * len(states[0])
        steps, per_place = op.shapes[0][0], op.shapes[1][1:]
        dims = (steps, *(per_place or ones[:-1]), 1)
        m = b.reshape(op.x[1], dims)
        if op.attrs.get("go_backwards"):
            m = b.slice(m, [1], [steps - 1], [-1], [-1])
        m = _steps_first(b, m)
        if per_place and _is_image(op):
            m = b.transpose(m, [0, 1, len(dims), *range(2, len(dims))])
        m_t = c.declare(c.fresh(f"{b.scope}/mask"), b.shape(m)[1:])
        sequences.append(m), names.append(m_t)
        mask = c.cast(m_t, "bool")
    after = step(c, z_t, before)
    y = after[0]
    if mask is not None:
        after = [c.where(mask, new, old) for new, old in zip(after, before, strict=True)]
        # Unless it gives zeros, a masked step gives what the one before gave: the state.
        y = c.where(mask, y, 0.0) if op.attrs.get("zero_output_for_mask") else after[0]
    ends = [c.add("Identity", [v], c.shape(v)) for v in (*after, y, y)]
    # The last output is a state, too, that no step reads.
    last = c.declare(c.fresh(f"{b.scope}/last"), c.shape(y))
    names.insert(len(states), last)
    body = Body(c.nodes, names, ends)
    shape = b.shape(z)[0], *c.shape(y)
    made = b.add(
        "Scan", [*start, start[0], *sequences],
        [*((None, *dims) for dims in states), c.shape(y), shape],
        body=body, num_scan_inputs=len(sequences),
    )
    return made[-1], made[:-1]


def _is_image(op):
    return op.kind == "conv_lstm"


def _gates(c, z, sizes, axis=1):
    """`z` cut along an axis."""
    shape, begin, parts = c.shape(z), 0, []
    for size in sizes:
        parts.append(c.slice(z, [axis], [begin], [begin + size], [1]))
        begin += size
    assert begin == shape[axis]
    return parts


def _act(c, op, x, which):
    name = op.attrs.get(f"{which}activation", "linear")
    return activate(c, x, name, op.attrs.get(f"{which}activation_args"))


def _lstm_gates(c, op, z, cell, units):
    i, f, g, o = _gates(c, z, [units] * 4)
    i, f, o = (_act(c, op, v, "recurrent_") for v in (i, f, o))
    new = c.through("Add", c.through("Mul", f, cell), c.through("Mul", i, _act(c, op, g, "")))
    return [c.through("Mul", o, _act(c, op, new, "")), new]


def _lstm_step(c, op, z, states, kernel, after, units):
    h, cell = states
    z = c.add("Add", [z, c.add("MatMul", [h, kernel], c.shape(z))], c.shape(z))
    return _lstm_gates(c, op, z, cell, units)


def _simple_step(c, op, z, states, kernel, after, units):
    z = c.add("Add", [z, c.add("MatMul", [states[0], kernel], c.shape(z))], c.shape(z))
    return [_act(c, op, z, "")]


def _gru_step(c, op, z, states, kernel, after, units):
    (h,) = states
    shape = c.shape(h)
    z_x, r_x, g_x = _gates(c, z, [units] * 3)
    if op.attrs["reset_after"]:
        p = c.add("MatMul", [h, kernel], c.shape(z))
        p = p if after is None else c.add("Add", [p, after], c.shape(z))
        z_h, r_h, g_h = _gates(c, p, [units] * 3)
    else:
        parts = _gates(c, kernel, [units] * 3)
        z_h, r_h = (c.add("MatMul", [h, part], shape) for part in parts[:2])
    update = _act(c, op, c.through("Add", z_x, z_h), "recurrent_")
    reset = _act(c, op, c.through("Add", r_x, r_h), "recurrent_")
    if op.attrs["reset_after"]:
        more = c.through("Mul", reset, g_h)
    else:
        more = c.add("MatMul", [c.through("Mul", reset, h), parts[2]], shape)
    g = _act(c, op, c.through("Add", g_x, more), "")
    kept = c.through("Mul", c.number("Sub", update, 1.0, swap=True), g)
    return [c.through("Add", c.through("Mul", update, h), kept)]


_STEPS = {"lstm": _lstm_step, "gru": _gru_step, "simple_rnn": _simple_step}


def conv_lstm(b, op):
    _check(op)
    steps, *image = op.shapes[0]
    kernel, recurrent_kernel = (b.weight(w, _kernel_first) for w in op.weights[:2])
    bias = [b.weight(w) for w in op.weights[2:3]] if op.attrs.get("use_bias", True) else []
    rank = len(image) - 1
    filters = b.shape(kernel)[0] // 4
    place = op.y_shapes[0][-1 - rank : -1]
    x = op.x[0]
    if op.attrs.get("go_backwards"):
        x = b.slice(x, [1], [steps - 1], [-1], [-1])
    x = b.channels_first(b.reshape(x, image))
    z = b.add(
        "Conv", [x, kernel, *bias], (None, 4 * filters, *place),
        kernel_shape=list(b.shape(kernel)[2:]), strides=op.attrs["strides"],
        dilations=op.attrs["dilations"], pads=[*op.attrs["pads_begin"], *op.attrs["pads_end"]],
    )
    z = _steps_first(b, b.reshape(z, (steps, 4 * filters, *place)))
    sizes = b.shape(recurrent_kernel)[2:]
    before = [(k - 1) // 2 for k in sizes]
    pads = [*before, *(k - 1 - p for k, p in zip(sizes, before, strict=True))]

    def step(c, z_t, states):
        h, cell = states
        u = c.add("Conv", [h, recurrent_kernel], c.shape(z_t), kernel_shape=list(sizes), pads=pads)
        return _lstm_gates(c, op, c.through("Add", z_t, u), cell, filters)

    state = _first((*place, filters))[1:]
    sequence, ends = _scan(b, op, z, step, [state, state])
    if op.attrs.get("return_sequences"):
        n = len(b.shape(sequence))
        y = b.transpose(sequence, [1, 0, *range(3, n), 2])
    else:
        y = b.channels_last(ends[-1])
    return [y, *(b.channels_last(e) for e in ends[: len(op.y_shapes) - 1])]


TABLE = {"conv_lstm": conv_lstm, "gru": recurrent, "lstm": recurrent, "simple_rnn": recurrent}
