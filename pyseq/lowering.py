"""From layers to the core: a `Graph` collects ops while layers lower themselves onto it."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from pyseq import _core, checks, dtypes, hooks, settings, symbolic
from pyseq.integers import TAKES_INT64, WIDE, exactly, keeps_dtype
from pyseq.layers import call_context
from pyseq.layers.arguments import activity_loss
from pyseq.variable import Variable

# The float dtypes of programs.
_FULL = ("float32", "float64")
# Dtypes of arrays that layers are lowered for one by one.
_TOLD_APART = frozenset((*WIDE, *dtypes.HALF_DTYPES))

# Ops that act in training only, unless they are told to by `training`.
_ACT_IN_TRAINING = frozenset(
    (
        "batch_norm conv_lstm dropout gaussian_dropout gaussian_noise gru lstm simple_rnn "
        "spectral_norm"
    ).split()
)


@dataclasses.dataclass(frozen=True)
class Value:
    """A value of the program being lowered.

    Attributes:
        slot: its number in the program.
        shape: dimensions of one sample; the batch is not part of it.
        mask: `(T,)`-shaped 0/1 value that rides along, or None.
        fold: where above 1, the first `fold` of the stored shape is counted as part of the batch.
        dtype: name of what the numbers stand for, where that is no float: "int64", "bool", ...
        half: name of the 16-bit float dtype that floats are handed out in, or None.
    """

    slot: int
    shape: tuple
    mask: Value | None = None
    fold: int = 1
    dtype: str | None = None
    half: str | None = None

    def with_mask(self, mask):
        return dataclasses.replace(self, mask=mask)

    def in_dtype(self, dtype):
        """The value, handed out in a float dtype where it is floats."""
        half = dtype if dtype in dtypes.HALF_DTYPES and self.dtype is None else None
        return self if half == self.half else dataclasses.replace(self, half=half)


class Graph:
    """A straight-line program under construction.

    Args:
        input_shape: shape of one sample.
        training: lower for training (Dropout drops, batch statistics) or for inference.
        losses: keep the ops that add to the loss (activity regularizers) in inference too.
        batch_size: rows of a batch where that is fixed (stateful layers need it), else None.
        dtype: float dtype of the program.
        input_dtype: what the inputs stand for. Integers of 32 and 64 bits stay integers: a slot
            holds floats or int64.
        portable: what runs the program without Python, "C++" or "ONNX"; True is C++.
        rows: the largest batch, where it is known and Python may be called; what is across the
            batch (`tracing.across`) has that many columns.

    Attributes:
        columns: `rows` once an op depends on it, else None.
        int64: slots that hold int64.
        assigned: `{id of a variable: value}` of what ops have assigned so far.
        trains_inside: whether layers are called for training within a program for inference.
    """

    def __init__(
        self,
        input_shape,
        training=False,
        batch_size=None,
        dtype="float32",
        losses=False,
        input_dtype=None,
        portable=False,
        rows=None,
    ):
        self.rows = None if portable or settings.device != "cpu" else rows
        self.columns = None
        self.training = self._run_trains = training
        self.portable = "C++" if portable is True else portable
        self.losses = losses or training
        self.trains_inside = False
        self.batch_size = batch_size
        self.dtype = dtype
        self.shapes = [tuple(input_shape)]
        self.ops = []
        self.variables = []
        self.callbacks = []
        self._index = {}
        self.int64 = set()
        self.assigned = {}
        self._reals = {}
        # Losses besides the outputs, `(layer, function, value)`, where a call keeps them.
        self.notes = None
        self.adds_losses = False
        whole = input_dtype is not None and input_dtype not in dtypes.FLOAT_DTYPES
        self.input = Value(0, tuple(input_shape), dtype=input_dtype if whole else None)
        self.input = self.input.in_dtype(input_dtype)
        if input_dtype in WIDE:
            self.int64.add(0)
        self.inputs = [self.input]

    def add_input(self, shape):
        """A further input of the program, such as a mask."""
        value = Value(len(self.shapes), tuple(shape))
        self.shapes.append(tuple(shape))
        self.inputs.append(value)
        return value

    def mark(self):
        """Where the program ends now, for `rewind`."""
        lengths = (len(self.shapes), len(self.ops), len(self.variables), len(self.callbacks))
        notes = None if self.notes is None else list(self.notes)
        return (*lengths, len(self.inputs), notes, dict(self.assigned))

    def rewind(self, mark):
        """Take back what was appended since `mark`."""
        shapes, ops, variables, callbacks, inputs, self.notes, self.assigned = mark
        for variable in self.variables[variables:]:
            del self._index[id(variable)]
        del self.shapes[shapes:], self.ops[ops:], self.variables[variables:]
        del self.callbacks[callbacks:], self.inputs[inputs:]
        self.int64 = {s for s in self.int64 if s < shapes}
        self._reals = {s: v for s, v in self._reals.items() if v.slot < shapes}

    def _variable(self, variable):
        index = self._index.get(id(variable))
        if index is None:
            index = self._index[id(variable)] = len(self.variables)
            self.variables.append(variable)
        return index

    @property
    def calls_python(self):
        """Whether an op may be a call of Python from here on: it has no gradient."""
        if self.portable or settings.device != "cpu":
            return False
        return not (self.training and any(v.trainable for v in self.variables))

    def use_rows(self):
        """The largest batch, on which the program depends from here on."""
        self.columns = self.rows
        return self.rows

    def holds(self, rows):
        """Whether the program can run batches of so many rows."""
        return self.columns is None or rows <= self.columns

    @property
    def mixes_rows(self):
        """Whether what comes of a row depends on the others of its batch."""
        return self.columns is not None or any(
            op["kind"] == "rows" or op["attrs"].get("batch") for op in self.ops
        )

    def real(self, x):
        """`x` as floats of the program, for ops that do not take int64."""
        if x.slot not in self.int64:
            return x
        if x.slot not in self._reals:
            self._reals[x.slot] = self.op("cast", x, x.shape)
        y = self._reals[x.slot]
        return Value(y.slot, x.shape, x.mask, x.fold, x.dtype)

    def cast(self, x, dtype):
        """`x` as numbers of another dtype, rounded towards 0 to integers of 32 and 64 bits."""
        if dtype in WIDE:
            if x.slot not in self.int64:
                x = self.op("cast", x, x.shape, int64=True)
            return dataclasses.replace(x, dtype=dtype)
        dtype = None if dtype in dtypes.FLOAT_DTYPES else dtype
        return dataclasses.replace(self.real(x), dtype=dtype)

    def op(self, kind, inputs, shape, *, weights=(), name=None, **attrs):
        """Append one op with one output of `shape` (per sample) and return its value."""
        return self.op_multi(kind, inputs, [shape], weights=weights, name=name, **attrs)[0]

    def op_multi(self, kind, inputs, shapes, *, weights=(), name=None, **attrs):
        """Append one op with several outputs."""
        if isinstance(inputs, Value):
            inputs = [inputs]
        if inputs and not weights and all(v.slot in self.int64 for v in inputs):
            if (exact := exactly(self, kind, inputs, shapes, name, attrs)) is not None:
                return exact
        if kind not in TAKES_INT64:
            inputs = [self.real(v) for v in inputs]
        kept = inputs[0].dtype if inputs and keeps_dtype(kind, attrs) else None
        folds = {v.fold for v in inputs}
        if len(folds) > 1:
            raise ValueError(f"{name or kind}: expected inputs of one fold, got {sorted(folds)}")
        fold = folds.pop()
        if kind == "reshape":
            attrs["dims"] = list(shapes[0])
        if self.training and not self._run_trains and kind in _ACT_IN_TRAINING:
            attrs["training"] = self.trains_inside = True
        int64 = attrs.get("int64") if kind in ("bits", "cast", "host") else False
        if kind in ("bits", "host"):
            attrs.pop("int64", None)
        dtype = None
        if kind == "reshape":
            int64, dtype = inputs[0].slot in self.int64, inputs[0].dtype
        outputs = []
        for shape in shapes:
            shape = tuple(int(d) for d in shape)
            if int64:
                self.int64.add(len(self.shapes))
            outputs.append(Value(len(self.shapes), shape, None, fold, dtype))
            self.shapes.append((fold, *shape) if fold > 1 else shape)
        self.ops.append(
            {
                "kind": kind,
                "name": name or kind,
                "inputs": [v.slot for v in inputs],
                "outputs": [v.slot for v in outputs],
                "params": [self._variable(w) for w in weights],
                "attrs": {k: plain(v) for k, v in attrs.items() if v is not None},
                "fold": fold,
            }
        )
        if kept is not None:
            outputs[0] = self.cast(outputs[0], kept)
        return tuple(outputs)

    def fold(self, x, steps):
        """Count the first dimension of `x` (its length is `steps`) as part of the batch."""
        if x.shape[0] != steps:
            raise ValueError(f"fold: expected a value of shape ({steps}, ...), got {x.shape}")
        if steps == 1:
            return self.op("reshape", x, x.shape[1:])
        if x.fold > 1:
            flat = (x.fold * steps, *x.shape[1:])
            x = self.op("reshape", Value(x.slot, (x.fold, *x.shape), dtype=x.dtype), flat)
            return Value(x.slot, x.shape[1:], None, x.shape[0], x.dtype)
        return Value(x.slot, x.shape[1:], None, steps, x.dtype)

    def unfold(self, y, steps):
        """Undo `fold`."""
        if steps == 1:
            return self.op("reshape", y, (1, *y.shape))
        if y.fold > steps:
            outer = y.fold // steps
            flat = Value(y.slot, (y.fold, *y.shape), dtype=y.dtype)
            y = self.op("reshape", flat, (outer, steps, *y.shape))
            return Value(y.slot, y.shape[1:], None, outer, y.dtype)
        return Value(y.slot, (y.fold, *y.shape), None, 1, y.dtype)

    def state(self, shape, name, initial=0.0, per_row=False):
        """A variable that is neither trained nor saved; per_row: one row for each batch row."""
        if per_row:
            shape = (self.batch_size, *shape)
        return Variable(np.full(shape, initial), trainable=False, dtype=self.dtype, name=name)

    def host(self, function, inputs, shape, name, dtype=None):
        """Append a call of a Python function: arrays `(n, ...)`, one for each of the values.

        It returns an array `(n, *shape)`, of floats or of the integer `dtype`. Layers within it run
        for training if the program does.
        """
        values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        shapes, dtypes = [v.shape for v in values], [v.dtype for v in values]
        sizes = [math.prod(s) for s in shapes]
        training = self.training

        def call(packed):
            if len(shapes) == 1:
                arrays = [packed]
            else:
                ends = np.cumsum(sizes)[:-1]
                parts = np.split(packed, ends, axis=1)
                arrays = [p.reshape(len(p), *s) for p, s in zip(parts, shapes, strict=True)]
            arrays = [a if d is None else a.astype(d, copy=False)
                      for a, d in zip(arrays, dtypes, strict=True)]
            with symbolic.call(training):
                return np.asarray(function(*arrays))

        x = values[0]
        if len(values) > 1:
            # The core hands one array over.
            rows = [self.op("reshape", v, (n,), name=name) for v, n in zip(values, sizes)]
            x = self.op("concat", rows, (sum(sizes),), name=name, axis=-1)
        self.callbacks.append(call)
        at, int64 = len(self.callbacks) - 1, dtype in WIDE
        y = self.op("host", x, shape, name=name, callback=at, int64=int64)
        return dataclasses.replace(y, dtype=dtype)

    def assign(self, variable, value, name):
        """Write `value`, which has the same numbers in each row, to a variable.

        That happens when the rest of the program is done; later reads get the value itself.
        """
        y = self.op("assign", value, value.shape, weights=[variable], name=name)
        self.assigned[id(variable)] = y

    def note_activity(self, layer, y):
        """Note the penalty of a layer's output, where a call keeps losses."""
        self.adds_losses = self.adds_losses or layer.activity_regularizer is not None
        for value in _as_list(y) if self.notes is not None else ():
            regularizer = layer.activity_regularizer
            self.note(layer, functools.partial(activity_loss, regularizer), value)

    def note(self, layer, function, value):
        """Note that `function` of the array of a value is a loss of `layer`."""
        self.adds_losses = True
        if self.notes is not None:
            self.notes.append((layer, function, value))

    def spec(self, output):
        """The program as plain data for `_core.Program`."""
        return {
            "dtype": self.dtype,
            "slots": [list(s) for s in self.shapes],
            "dtypes": [
                "int64" if s in self.int64 else self.dtype for s in range(len(self.shapes))
            ] if self.int64 else [],
            "ops": self.ops,
            "inputs": [v.slot for v in self.inputs],
            "outputs": [v.slot for v in _as_list(output)],
            "variables": [
                {"name": v.path, "shape": list(v.shape), "trainable": v.trainable}
                for v in self.variables
            ],
            "training": self.training,
        }

    def program(self, output, fuse=False):
        """The program that ends in `output`.

        With `fuse`, ops are put together, unless `PYSEQ_FUSION=0` forbids it: what is between them
        is no longer there to be read.
        """
        which = "portable" if self.portable or settings.device != "cpu" else "host"
        return _core.Program(
            self.spec(output), self.callbacks, which if fuse and settings.fusion else ""
        )


def _as_list(values):
    return list(values) if isinstance(values, (list, tuple)) else [values]


def plain(value):
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if isinstance(value, float) or type(value).__name__.startswith("float"):
        return float(value)
    if isinstance(value, (int,)) or hasattr(value, "__index__"):
        return int(value)
    raise TypeError(f"attribute: expected int, float, bool, str or a list of them, got {value!r}")


def lower(
    layer,
    input_shape,
    training,
    batch_size=None,
    mask_shape=None,
    losses=False,
    input_dtype=None,
    keeps_losses=False,
    portable=False,
    rows=None,
):
    """Lower one layer (a model is one) onto a fresh graph; returns (graph, output value)."""
    dtype = layer.program_dtype()
    if input_dtype in _FULL:  # a layer without weights that casts nothing
        dtype = input_dtype
    input_dtype = input_dtype or layer.input_program_dtype()
    graph = Graph(input_shape, training, batch_size, dtype, losses, input_dtype, portable, rows)
    graph.notes = [] if keeps_losses else None
    x = graph.input
    if mask_shape is not None:
        x = x.with_mask(graph.add_input(mask_shape))
    return graph, layer.lower_rows(graph, x)


def _last(layer):
    """The layer whose output a layer's or a model's is."""
    while stack := getattr(layer, "_stack", None):
        layer = stack[-1]
    return layer


def _reader(value, handed):
    """What a function makes of the floats of a program to be what `value` stands for, or None.

    Floats of a program of float32 are handed out as float64 where that is `handed`.
    """
    dtype = value.dtype or value.half or (handed if handed == "float64" else None)
    return None if dtype is None else functools.partial(dtypes.rounded, dtype=dtype)


class Runner:
    """A lowered layer that answers calls: one program, its variables, one session.

    With `keeps_losses` the layers keep what the call adds to the loss.
    """

    def __init__(
        self,
        layer,
        input_shape,
        training,
        batch_size,
        mask_shape=None,
        input_dtype=None,
        keeps_losses=False,
    ):
        graph, output = lower(
            layer,
            input_shape,
            training,
            batch_size,
            mask_shape,
            False,
            input_dtype,
            keeps_losses,
            rows=batch_size,
        )
        self.notes = graph.notes or ()
        answers = [*_as_list(output), *(value for _, _, value in self.notes)]
        self.many = isinstance(output, (list, tuple))
        self.mask = None if self.many else output.mask
        self.dtype = np.dtype("int64" if 0 in graph.int64 else graph.dtype)
        self.mask_dtype = np.dtype(graph.dtype)
        # What makes of outputs what they stand for, where that is no float of the program.
        last = _last(layer)
        casts = graph.dtype == "float32" and not last.keeps_floats()
        handed = last.handed_dtype if casts else None
        self.reads = [_reader(v, handed) for v in _as_list(output)] + [None] * len(self.notes)
        # Whether calls differ by the rows that run together: variables are assigned, layers train
        # within inference, or rows are mixed.
        self.is_stateful = bool(graph.assigned) or graph.trains_inside or graph.mixes_rows
        # Code on arrays is not known to add none.
        self.may_add_losses = graph.adds_losses or bool(graph.callbacks)
        # Whether `session.answer` is the whole answer, for rows of any number.
        self.is_plain = self.reads == [None] and not self.many and not self.is_stateful
        self.training = training
        # Holds the variables, whose storage the sessions point into.
        self.graph = graph
        self.program = graph.program(answers if self.notes else output, fuse=True)
        self.session = _core.Session(self.program, [v._storage for v in graph.variables])

    def __call__(self, inputs, step=0, first_row=0):
        try:
            outputs = self.session.run(inputs, self.training, step, first_row)
        except ValueError as error:
            checks.values.raise_if_outside(error)
            raise
        outputs = [
            y if read is None else read(y)
            for y, read in zip(outputs, self.reads, strict=True)
        ]
        if self.notes:
            count = len(outputs) - len(self.notes)
            for (layer, function, _), y in zip(self.notes, outputs[count:], strict=True):
                layer.keep_loss(function(y))
            del outputs[count:]
        return outputs if self.many else outputs[0]


@hooks.answers("run_call")
def run_call(layer, inputs, training):
    """Run the built-in class of a user's layer on an array."""
    shape = np.shape(inputs)

    def make():
        with layer._built_in():
            return Runner(layer, shape[1:], training, shape[0])

    runner = _runner(layer, ("call", shape, training), make, shape[0])
    return runner([np.ascontiguousarray(inputs, runner.dtype)])


def _runner(layer, key, make, rows):
    """What `make()` returns, kept under `key` among the last eight programs of the layer."""
    key = (*key, layer._state_key(), call_context.current())
    runner = layer._runners.get(key)
    if runner is None or not runner.graph.holds(rows):
        runner = make()
        layer._runners = {key: runner, **dict(list(layer._runners.items())[:7])}
    return runner


@hooks.answers("run_layer")
def run_layer(layer, inputs, training, mask=None):
    """Run a layer or model on an array; lowers it at the first call for each input shape."""
    x = np.asarray(inputs)
    if x.dtype.kind not in "fiub" and x.dtype.name != "bfloat16":
        raise TypeError(
            f"{layer.name}: expected a numeric array, got dtype {x.dtype}; convert it first"
        )
    if x.ndim == 0:
        raise ValueError(f"{layer.name}: expected an array with a batch dimension, got a scalar")
    if not layer.built:
        layer.check_input(x.shape)
        layer.build(x.shape)
    mask_shape = None if mask is None else np.shape(mask)[1:]
    if mask is not None and np.shape(mask)[:1] != x.shape[:1]:
        raise ValueError(
            f"{layer.name}: expected a mask of {len(x)} rows, as many as the input has, got shape "
            f"{np.shape(mask)}"
        )
    dtype = x.dtype.name if x.dtype.name in _TOLD_APART else None
    if x.dtype.name in _FULL and layer.keeps_floats():
        dtype = x.dtype.name
    keeps = symbolic.keeps_losses()
    key = (x.shape[1:], training, mask_shape, dtype, keeps)
    arguments = (layer, x.shape[1:], training, x.shape[0], mask_shape, dtype, keeps)
    runner = _runner(layer, key, lambda: Runner(*arguments), x.shape[0])
    arrays = [np.ascontiguousarray(x, runner.dtype)]
    if mask is not None:
        arrays.append(np.ascontiguousarray(mask, runner.mask_dtype))
    elif dtype is None and not training:
        layer._answered_by(runner)
    layer._calls += 1
    with layer.entered():
        return runner(arrays, layer._calls)


def logits_of(graph, output, loss_kind, attrs):
    """Use the input of a last softmax or sigmoid as logits of a cross-entropy.

    The loss and its gradient are then exact for saturated outputs. Returns the value that the loss
    reads and the loss's attributes; the model's output itself stays what it is.
    """
    if attrs.get("from_logits") or not graph.ops:
        return output, attrs
    last = graph.ops[-1]
    if last["outputs"] != [output.slot]:
        return output, attrs
    fused = dict(attrs, from_logits=True)
    if loss_kind in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        axes = last["attrs"].get("axes")
        if last["kind"] == "softmax" and not last["attrs"].get("log"):
            if axes in (None, [len(output.shape) - 1]):
                return dataclasses.replace(output, slot=last["inputs"][0]), fused
    if loss_kind == "binary_crossentropy" and last["attrs"].get("activation") == "sigmoid":
        if last["kind"] == "activation":
            return dataclasses.replace(output, slot=last["inputs"][0]), fused
        if math.prod(output.shape) > 0 and last["kind"] in ("dense", "conv"):
            logits = dataclasses.replace(output, slot=len(graph.shapes))
            graph.shapes.append(graph.shapes[output.slot])
            linear = dict(last, attrs=dict(last["attrs"], activation="linear"))
            linear["outputs"] = [logits.slot]
            sigmoid = {
                "kind": "activation",
                "name": last["name"],
                "inputs": [logits.slot],
                "outputs": [output.slot],
                "params": [],
                "attrs": {"activation": "sigmoid"},
                "fold": last["fold"],
            }
            graph.ops[-1:] = [linear, sigmoid]
            return logits, fused
    return output, attrs
