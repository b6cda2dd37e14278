"""Users' code called with symbolic tensors: layers, losses, activations, regularizers."""

from __future__ import annotations

import numpy as np

from pyseq import dtypes, hooks, lowering, symbolic
from pyseq.layers import arguments
from pyseq.layers.attention import mask_of
from pyseq.layers.core import fused_activation
from pyseq.layers.keras_tensor import KerasTensor
from pyseq.layers.shapes import same_sizes
from pyseq.signatures import parameters_of, taken_by
from pyseq.structures import leaves, map_structure, packed
from pyseq.tracing import functions
from pyseq.tracing.across import Wide
from pyseq.tracing.tensor import Tensor, Trace, as_value


def run(graph, function, values, name, dtype=None):
    """Trace `function(*tensors)` of values of `graph`; returns a `Tensor`.

    Floats stand for ones of `dtype`, of that of the program by default. What the function appended
    is taken back if it fails.
    """
    trace = Trace(graph, values[0], name, dtype)
    before = graph.mark()
    try:
        with trace:
            y = function(*(trace.input(v) for v in values))
            if isinstance(y, (tuple, dict)):
                raise trace.error(f"expected one tensor, got a {type(y).__name__} of {len(y)}")
            return trace.tensor(y)
    except BaseException:
        graph.rewind(before)
        raise


def _half(dtype):
    return dtype if dtype in dtypes.HALF_DTYPES else None


@hooks.answers("lower_function")
def lower_function(graph, function, x, name, dtype=None):
    """Lower a function of one tensor, of floats of `dtype`; returns a value of the graph."""
    y = as_value(run(graph, function, [x], name, dtype))
    return y.with_mask(None)


@hooks.answers("lower_call")
def lower_call(layer, graph, x, own_mask):
    """Lower `layer.call` of a user's class; `own_mask`: the class defines `compute_mask` too."""

    def call(tensor):
        mask = None if x.mask is None else tensor.trace.input(x.mask, "bool")
        more = taken_by(layer.call, training=graph.training, mask=mask)
        y = layer.call(tensor, **more, **layer._context_arguments())
        if own_mask:
            masks.append(layer.compute_mask(tensor, mask))
        return y

    masks = []
    y = as_value(run(graph, call, [x], layer.name, layer.half_in_call(x)))
    if masks:
        return y.with_mask(None if masks[0] is None else as_value(masks[0]))
    if y.slot == x.slot:
        return y.with_mask(x.mask)  # a mask belongs to the tensor
    return layer.pass_mask(y, x)


# Rows of the batch of programs that are made for their shapes only.
_TRIAL_ROWS = 2


@hooks.answers("output_shape")
def output_shape(function, input_shape, dtype, name):
    """Shape that a function of one tensor gives for an input shape, both with the batch."""
    graph = lowering.Graph(tuple(input_shape[1:]), dtype=dtype, rows=_TRIAL_ROWS)
    y = run(graph, function, [graph.input], name)
    return (input_shape[0], *as_value(y).shape)


# Lengths to try for a free dimension; they differ from each other after any usual strides too.
_TRIAL_LENGTHS = (224, 352)


@hooks.answers("layer_output_shape")
def layer_output_shape(layer, input_shape):
    """Shape of what `layer.call` of a user's class gives, with a mask where it takes one."""
    def output_of(shape):
        graph = lowering.Graph(shape, dtype=layer.arithmetic_dtype, rows=_TRIAL_ROWS)
        x = graph.input
        if "mask" in parameters_of(layer.call) and shape:
            x = x.with_mask(graph.add_input((shape[0],)))
        return lower_call(layer, graph, x, False).shape

    inner = input_shape[1:]
    if None not in inner:
        return (input_shape[0], *output_of(inner))
    a, b = (output_of(tuple(n if d is None else d for d in inner)) for n in _TRIAL_LENGTHS)
    return (input_shape[0], *same_sizes(a, b))


@hooks.answers("call_shapes")
def call_shapes(layer, given):
    """Shapes, in its structure, of what `layer.call` gives for arguments with KerasTensors."""
    tensors = [x for x in leaves([given.args, given.kwargs]) if _is_symbolic(x)]
    batch = tensors[0].shape[0]

    def shape_of(y):
        return (batch, *y.shape[1:]) if y.batched else y.shape

    def shapes(length):
        sizes = [[length if d is None else d for d in x.shape[1:]] for x in tensors]
        graph = lowering.Graph(sizes[0], dtype=layer.arithmetic_dtype, rows=_TRIAL_ROWS)
        values = [graph.input, *map(graph.add_input, sizes[1:])]
        by_id = dict(zip(map(id, tensors), values, strict=True))

        def traced(x):
            return trace.input(by_id[id(x)], x.dtype) if _is_symbolic(x) else x

        trace = Trace(graph, graph.input, layer.name, _half(layer.compute_dtype))
        with trace:
            args, kwargs = (map_structure(traced, a) for a in (given.args, given.kwargs))
            more = taken_by(layer.call, training=False)
            y = layer.call(*args, **{**more, **kwargs})
            return map_structure(lambda t: shape_of(trace.tensor(t)), y)

    return arguments.common_shapes(*map(shapes, _TRIAL_LENGTHS))


def _is_symbolic(x):
    return isinstance(x, KerasTensor)


@hooks.answers("call_arguments")
def call_arguments(layer, given):
    """`layer(*args, **kwargs)` of a user's class within traced code."""
    trace = symbolic.trace.get()
    graph = trace.graph

    def penalized(output):
        value = as_value(trace.tensor(output))
        graph.note_activity(layer, value)
        return trace.input(layer._regularize_activity(graph, value)) if graph.losses else output

    was, outer_dtype = graph.training, trace.dtype
    given.training = was if given.training is None else given.training
    given.resolve_training()
    given.fill_masks(mask_of)
    graph.training = given.training
    half = _half(layer.compute_dtype)
    if layer.autocast:
        trace.dtype = np.dtype(dtypes.numpy_dtype(half)) if half else trace.stored
    try:
        y = layer.call(*given.args, **given.kwargs)
        return y if layer.activity_regularizer is None else map_structure(penalized, y)
    finally:
        graph.training, trace.dtype = was, outer_dtype


@hooks.answers("activation")
def activation(x, function):
    """A built-in activation with its default arguments as one op, or None where it has none."""
    attrs = fused_activation(function)
    if attrs is not None:
        return functions.activate(x, attrs["activation"], attrs.get("activation_args") or ())
    if function.__name__ in ("softmax", "log_softmax"):
        return functions.softmax(x, log=function.__name__ == "log_softmax")
    return None


@hooks.answers("call_layer")
def call_layer(layer, x, training=None, mask=None):
    """`layer(x)` within user code; the first axis of a tensor without a batch is one to it."""
    trace = x.trace
    graph = trace.graph
    if x.batched:
        value = as_value(x)
    elif x.ndim:
        value = graph.fold(x.value, x.shape[0])
    else:
        raise trace.error(f"expected a tensor (n, ...) for {layer.name}, got a number")
    if mask is not None:
        value = value.with_mask(as_value(trace.tensor(mask)))
    was = graph.training
    graph.training = was if training is None else bool(training)
    try:
        y = layer.emit(graph, value)
    finally:
        graph.training = was
    if not x.batched:
        dtype = y.half or trace.stored
        return Tensor(trace, graph.unfold(y, x.shape[0]), False, dtype)
    if isinstance(y, (list, tuple)):
        return [trace.output(part) for part in y]
    return trace.output(y)


def loss_value(graph, loss, target_shape, output, name):
    """Lower a user's loss of (y_true, y_pred) to a value: a number for each row of the loss."""
    target = graph.add_input(target_shape)

    def call(y_pred, y_true):
        y = loss.call(y_true, y_pred)
        if isinstance(y, Wide):  # a number for each pair of rows
            reduced = np.sum if loss.reduction == "sum" else np.mean
            return reduced(y, axis=tuple(y.across))
        return y

    return run(graph, call, [output, target], name).value


def own_loss(graph, compute_loss, target_shape, output, name):
    """Lower `compute_loss` of a user's model to a value that holds the loss in each row.

    Args:
        target_shape: shape of the targets of a row, None without them.
    """
    values = [output, graph.input]
    if target_shape is not None:
        values.append(graph.add_input(target_shape))

    def call(y_pred, x, y=None):
        trace = y_pred.trace
        more = taken_by(compute_loss, training=graph.training)
        loss = compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=None, **more)
        shape = None if loss is None else trace.tensor(loss).shape
        if shape != ():
            got = "None" if loss is None else f"a tensor of shape {shape}"
            raise trace.error(
                f"expected compute_loss to return one number, got {got}",
                "return it, such as ops.mean(values)",
            )
        return np.broadcast_to(trace.tensor(loss), (None, 1))

    return run(graph, call, values, f"{name}.compute_loss").value


@hooks.answers("assign")
def assign(variable, value):
    """Assign a variable in the program that is traced."""
    trace = symbolic.trace.get()
    x = trace.tensor(value)
    if x.batched:
        raise trace.error(
            f"expected a value without the batch for {variable.path}, got shape {x.shape}",
            "reduce it first, such as with ops.mean(x, axis=0)",
        )
    if not variable.is_float:
        x = x.astype(variable.dtype)
    if x.inner != variable.shape:
        if np.broadcast_shapes(x.inner, variable.shape) != variable.shape:
            raise ValueError(
                f"{variable.path}: expected a value of shape {variable.shape}, got {x.inner}"
            )
        x = np.broadcast_to(x, variable.shape)
    # A variable holds numbers: reading it gives no gradient to what they came from.
    x = functions.unary(trace, x, "stop_gradient", x.dtype)
    trace.graph.assign(variable.stored_as(trace.stored.name), x.value, trace.name)


def _add_loss(x, name):
    """Add a tensor, its sum over everything, to the loss of the program."""
    once = not x.batched
    x.trace.graph.op("add_loss", x.value, x.inner, name=name, once=once, scale=1.0)


@hooks.answers("add_loss")
def add_loss(x, layer):
    """Add a tensor to the loss of the program that is traced, where it has one."""
    trace = symbolic.trace.get()
    x = trace.tensor(x)
    x = np.sum(x) if isinstance(x, Wide) else x
    trace.graph.note(layer, np.sum if x.batched else _of_one_row, x.value)
    if trace.graph.losses:
        _add_loss(x, layer.name)


@hooks.answers("update_metric")
def update_metric(update, arguments, result=None):
    """Call `update(arguments)` with the arrays of each run in place of its tensors.

    With `result` a tensor without the batch is returned: what `result()` gives after the update.
    """
    trace = symbolic.trace.get()
    values = leaves(arguments)
    places = [i for i, value in enumerate(values) if symbolic.is_traced(value)]
    tensors = [trace.tensor(values[i]) for i in places]
    still = [functions.unary(trace, x, "stop_gradient", x.dtype) for x in tensors]

    def run(*arrays):
        filled = list(values)
        for i, x, array in zip(places, tensors, arrays, strict=True):
            filled[i] = array if x.batched else array[0]
        update(packed(arguments, filled))
        value = 0.0 if result is None else result()
        return np.broadcast_to(np.asarray(value, trace.dtype), (len(arrays[0]), *(shape or (1,))))

    shape = () if result is None else np.shape(result())
    value = trace.graph.host(run, [x.value for x in still], shape or (1,), trace.name)
    return None if result is None else np.reshape(Tensor(trace, value, False, trace.dtype), shape)


def _of_one_row(y):
    """The sum of what stands in each row of `y` alike."""
    return np.sum(y[:1])


def lower_penalty(graph, regularizer, variable):
    """Add a user's regularizer of a weight to the loss of the program."""
    trace = Trace(graph, graph.input, variable.path)
    with trace:
        penalty = trace.tensor(regularizer(trace.tensor(variable)))
    _add_loss(penalty, variable.path)


@hooks.answers("lower_activity")
def lower_activity(graph, regularizer, y, name):
    """Add a user's regularizer of an output, divided by the rows of the batch, to the loss."""
    trace = Trace(graph, y, name)
    with trace:
        penalty = trace.tensor(regularizer(trace.input(y)))
        penalty = np.sum(penalty) / functions.rows(trace)
    _add_loss(penalty, name)
