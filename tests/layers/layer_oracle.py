"""Runs one layer of pyseq op by op, forward and backward, and the same layer in Keras."""

import numpy as np

from pyseq import _core, lowering

ISA = "ref64"


def run(layer, x, dy=None, training=True, mask=None, step=1, isa=ISA):
    """Lower `layer`, run every op with `run_op`, and go back from `dy`.

    Returns a dict: y, mask, dx, grads (by variable name), state (variables after the run), loss.
    """
    if not layer.built:
        layer.build(x.shape)
    graph = lowering.Graph(x.shape[1:], training=training, losses=True)
    value = graph.input
    if mask is not None:
        value = value.with_mask(graph.add_input(np.shape(mask)[1:]))
    out = layer.emit(graph, value)
    values = {0: np.asarray(x, np.float64)}
    if mask is not None:
        values[value.mask.slot] = np.asarray(mask, np.float64)
    params = [v.numpy().astype(np.float64) for v in graph.variables]
    loss = 0.0
    for op in graph.ops:
        result = _run_op(graph, op, values, params, training, step, isa)
        for slot, array in zip(op["outputs"], result["outputs"], strict=True):
            values[slot] = array
        for i, p in zip(op["params"], result["params"], strict=True):
            params[i] = np.asarray(p)
        loss += result["loss"]
    answer = {"y": values[out.slot], "loss": loss, "grads": {}, "dx": None}
    answer["mask"] = None if out.mask is None else values[out.mask.slot]
    answer["state"] = {v.name: p for v, p in zip(graph.variables, params, strict=True)}
    if dy is None:
        return answer
    gradients = {out.slot: np.asarray(dy, np.float64)}
    before = [v.numpy().astype(np.float64) for v in graph.variables]
    for op in reversed(graph.ops):
        dys = [
            gradients.get(slot, np.zeros(values[slot].shape)) for slot in op["outputs"]
        ]
        result = _run_op(graph, op, values, before, training, step, isa, dys)
        for slot, array in zip(op["inputs"], result["dinputs"], strict=True):
            gradients[slot] = gradients.get(slot, 0) + array
        for i, array in zip(op["params"], result["dparams"], strict=True):
            name = graph.variables[i].name
            answer["grads"][name] = answer["grads"].get(name, 0) + array
    answer["dx"] = gradients[0]
    return answer


def _run_op(graph, op, values, params, training, step, isa, dys=None):
    return _core.run_op(
        op["kind"],
        isa,
        [values[s] for s in op["inputs"]],
        [params[i] for i in op["params"]],
        op["attrs"],
        [list(graph.shapes[s]) for s in op["outputs"]],
        training=training,
        step=step,
        dys=dys,
    )


def keras_run(layer, x, dy, training=True, mask=None):
    """The same for a Keras layer on the torch backend in float64."""
    import torch

    t = torch.tensor(np.asarray(x, np.float64), requires_grad=True)
    extra = {} if mask is None else {"mask": torch.tensor(np.asarray(mask, bool))}
    y = layer(t, training=training, **extra)
    loss = sum(layer.losses) if layer.losses else 0.0
    variables = layer.trainable_variables
    total = (y * torch.tensor(np.asarray(dy, np.float64))).sum() + loss
    grads = torch.autograd.grad(
        total, [t, *(v.value for v in variables)], allow_unused=True
    )
    arrays = [None if g is None else g.detach().numpy() for g in grads]
    return {
        "y": y.detach().numpy(),
        "loss": float(loss.detach()) if layer.losses else 0.0,
        "dx": arrays[0],
        "grads": {v.name: a for v, a in zip(variables, arrays[1:], strict=True)},
        "state": {v.name: v.numpy() for v in layer.weights},
    }


def compare(mine, keras_layer, x, training=True, mask=None, tolerance=1e-5, seed=0):
    """Build both, copy the weights, and compare outputs, gradients and state."""
    x = np.asarray(x, np.float64)
    mine.build(x.shape)
    if not keras_layer.built:
        keras_layer.build(x.shape)
    random = np.random.default_rng(seed)
    weights = [w + random.normal(0, 0.1, w.shape) for w in keras_layer.get_weights()]
    weights = [abs(w) if "vari" in v.name or "stddev" in v.name else w
               for w, v in zip(weights, keras_layer.weights, strict=True)]
    keras_layer.set_weights(weights)
    mine.set_weights(weights)
    assert [v.name for v in mine.weights] == [v.name for v in keras_layer.weights]
    shape = keras_layer.compute_output_shape(x.shape)
    # EinsumDense of Keras leaves None where the user's `output_shape` has it.
    for ours, theirs in zip(mine.compute_output_shape(x.shape), shape, strict=True):
        assert theirs in (ours, None)
    shape = mine.compute_output_shape(x.shape)
    dy = random.normal(size=shape)
    ours = run(mine, x, dy, training, mask)
    theirs = keras_run(keras_layer, x, dy, training, mask)

    def close(ours, theirs, what):
        # Keras normalizes in float32 whatever the dtype.
        scale = max(1.0, float(np.abs(theirs).max())) if np.size(theirs) else 1.0
        np.testing.assert_allclose(
            ours, theirs, rtol=tolerance, atol=tolerance * scale, err_msg=what
        )

    close(ours["y"], theirs["y"], "y")
    close(ours["loss"], theirs["loss"], "loss")
    if theirs["dx"] is not None:
        close(ours["dx"], theirs["dx"], "dx")
    for name, gradient in theirs["grads"].items():
        close(ours["grads"][name], gradient, name)
    for name, value in ours["state"].items():
        close(value, theirs["state"][name], name)
    return ours
