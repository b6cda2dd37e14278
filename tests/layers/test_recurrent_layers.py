"""Recurrent layers, their cells and wrappers, against Keras in float64 and on their own."""

import numpy as np
import pytest
from recurrent_cases import KINDS, make_mask

from pyseq import _core, layers, lowering
from pyseq.registry.serialization import deserialize_keras_object, serialize_keras_object

ISA = "ref64"
# Keras 3.15 converts its variables in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def run_program(layer, x, dys=None, mask=None, training=False, step=1):
    """All ops of a lowered layer, forward and (given dys) backward; gradients in weight order."""
    graph = lowering.Graph(x.shape[1:], training=training, batch_size=len(x))
    value, values = graph.input, {0: x}
    if mask is not None:
        value = value.with_mask(graph.add_input(mask.shape[1:]))
        values[value.mask.slot] = mask.astype("float64")
    out = layer.emit(graph, value)
    outs = out if isinstance(out, list) else [out]
    params = [v.numpy().astype("float64") for v in graph.variables]

    def call(op, given, backward=None):
        return _core.run_op(
            op["kind"],
            ISA,
            [values[s] for s in op["inputs"]],
            [given[i] for i in op["params"]],
            op["attrs"],
            [list(graph.shapes[s]) for s in op["outputs"]],
            training=training,
            step=step,
            dys=backward,
            fold=op["fold"],
        )

    start = [p.copy() for p in params]
    for op in graph.ops:
        result = call(op, params)
        for slot, array in zip(op["outputs"], result["outputs"], strict=True):
            values[slot] = array
        for i, p in zip(op["params"], result["params"], strict=True):
            params[i] = np.asarray(p)
    ys = [values[o.slot].reshape(len(x), *_full_shape(o)) for o in outs]
    state = {id(v): p for v, p in zip(graph.variables, params, strict=True)}
    if dys is None:
        return ys, None, None, state
    gradients = {}
    for o, dy in zip(outs, dys, strict=True):
        gradients[o.slot] = dy.reshape(values[o.slot].shape)
    weights = {}
    for op in reversed(graph.ops):
        backward = [gradients.get(s, np.zeros_like(values[s])) for s in op["outputs"]]
        result = call(op, start, backward)
        for slot, array in zip(op["inputs"], result["dinputs"], strict=True):
            array = array.reshape(values[slot].shape)
            gradients[slot] = gradients.get(slot, 0) + array
        for i, array in zip(op["params"], result["dparams"], strict=True):
            key = id(graph.variables[i])
            weights[key] = weights.get(key, 0) + array
    return ys, gradients[0], [weights[id(w)] for w in layer.trainable_weights], state


def _full_shape(value):
    return (value.fold, *value.shape) if value.fold > 1 else value.shape


def compare(keras, mine, theirs, shape, rng, mask=None, training=False, scale=0.3):
    """Forward, input gradient, weight gradients and states of both layers."""
    import torch

    x = rng.normal(size=shape)
    theirs.build(shape)
    mine.build(shape)
    weights = [rng.normal(size=w.shape) * scale for w in theirs.get_weights()]
    if any(w.name == "moving_variance" for w in theirs.weights):
        weights = [np.abs(w) + 0.5 for w in weights]
    theirs.set_weights(weights)
    mine.set_weights(weights)
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]
    t = torch.tensor(x, requires_grad=True)
    extra = {} if mask is None else {"mask": torch.tensor(mask)}
    out = theirs(t, training=training, **extra)
    outs = list(out) if isinstance(out, (list, tuple)) else [out]
    dys = [rng.normal(size=tuple(o.shape)) for o in outs]
    sum((o * torch.tensor(d)).sum() for o, d in zip(outs, dys, strict=True)).backward()
    ys, dx, grads, state = run_program(mine, x, dys, mask, training)

    def close(a, b, what):
        b = np.asarray(b.detach() if hasattr(b, "detach") else b)
        # Keras computes some steps in float32 whatever the dtype.
        np.testing.assert_allclose(
            a, b, rtol=1e-5, atol=1e-5 * max(1, np.abs(b).max()), err_msg=what
        )

    assert len(ys) == len(outs)
    for a, b in zip(ys, outs, strict=True):
        close(a, b, "output")
    close(dx, t.grad, "input gradient")
    for a, w in zip(grads, theirs.trainable_weights, strict=True):
        close(a, w.value.grad, w.path)
    for a, b in zip(mine.non_trainable_weights, theirs.non_trainable_weights, strict=True):
        close(state[id(a)], b.numpy(), b.path)
    expected = theirs.compute_output_shape((None, *shape[1:]))
    assert np.array_equal(
        np.array(mine.compute_output_shape((None, *shape[1:])), dtype=object),
        np.array(expected, dtype=object),
    )


VARIANTS = [
    {},
    {"return_sequences": True},
    {"return_sequences": True, "go_backwards": True},
    {"go_backwards": True, "use_bias": False},
    {"return_sequences": True, "return_state": True},
    {"activation": "relu"},
    {"activation": "silu", "return_sequences": True},
    {"activation": None},
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("arguments", VARIANTS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_layer_equals_keras(keras, rng, kind, arguments, masked):
    arguments = {**arguments, "dtype": "float64"}
    mask = make_mask(rng, 6, 5) if masked else None
    mine, theirs = (getattr(m, kind)(4, **arguments) for m in (layers, keras.layers))
    compare(keras, mine, theirs, (6, 5, 3), rng, mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("recurrent", ["sigmoid", "hard_sigmoid", "gelu", "tanh"])
@pytest.mark.parametrize(
    "kind, arguments",
    [
        ("LSTM", {}),
        ("GRU", {}),
        ("GRU", {"reset_after": False}),
        ("LSTM", {"activation": "elu"}),
        ("GRU", {"reset_after": False, "use_bias": False, "activation": "mish"}),
    ],
    ids=str,
)
def test_gates_equal_keras(keras, rng, kind, arguments, recurrent, masked):
    arguments = {
        **arguments,
        "recurrent_activation": recurrent,
        "return_sequences": True,
        "dtype": "float64",
    }
    mask = make_mask(rng, 5, 4) if masked else None
    mine, theirs = (getattr(m, kind)(3, **arguments) for m in (layers, keras.layers))
    compare(keras, mine, theirs, (5, 4, 2), rng, mask)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_zero_output_for_mask(keras, rng, kind, sequences):
    arguments = {"return_sequences": sequences, "zero_output_for_mask": True, "dtype": "float64"}
    mine, theirs = (getattr(m, kind)(4, **arguments) for m in (layers, keras.layers))
    compare(keras, mine, theirs, (6, 5, 3), rng, make_mask(rng, 6, 5))


@pytest.mark.parametrize("shape, units", [((1, 1, 1), 1), ((1, 9, 3), 17), ((37, 3, 20), 33)])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes(keras, rng, kind, shape, units):
    arguments = {"return_sequences": True, "dtype": "float64"}
    mine, theirs = (getattr(m, kind)(units, **arguments) for m in (layers, keras.layers))
    compare(keras, mine, theirs, shape, rng, scale=0.2)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"return_sequences": True}, {"return_sequences": True, "go_backwards": True}],
    ids=str,
)
def test_stacked_cells_equal_keras(keras, rng, arguments, masked):
    def build(module):
        cells = [module.LSTMCell(4), module.SimpleRNNCell(3), module.GRUCell(2)]
        return module.RNN(cells, dtype="float64", **arguments)

    def cells_in_float64(layer):
        for cell in layer.cell.cells:
            cell.dtype_policy = layer.dtype_policy
        return layer

    mask = make_mask(rng, 6, 5) if masked else None
    mine, theirs = (cells_in_float64(build(m)) for m in (layers, keras.layers))
    compare(keras, mine, theirs, (6, 5, 3), rng, mask)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
def test_bidirectional_equals_keras(keras, rng, merge, sequences, masked):
    def build(module):
        inner = module.GRU(4, return_sequences=sequences, dtype="float64")
        return module.Bidirectional(inner, merge_mode=merge, dtype="float64")

    mask = make_mask(rng, 6, 5) if masked else None
    compare(keras, build(layers), build(keras.layers), (6, 5, 3), rng, mask)


def test_bidirectional_with_own_backward_layer_and_states(keras, rng):
    def build(module):
        common = {"return_sequences": True, "return_state": True, "dtype": "float64"}
        back = module.LSTM(4, go_backwards=True, activation="relu", name="mine", **common)
        return module.Bidirectional(module.LSTM(4, **common), backward_layer=back, dtype="float64")

    compare(keras, build(layers), build(keras.layers), (4, 5, 3), rng)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "inner, shape",
    [
        (lambda m: m.Dense(4, activation="tanh", dtype="float64"), (3, 5, 2)),
        (lambda m: m.Dense(4, dtype="float64"), (3, 1, 2)),
        (lambda m: m.LSTM(4, dtype="float64"), (3, 2, 5, 2)),
        (lambda m: m.BatchNormalization(dtype="float64"), (6, 4, 3)),
    ],
)
def test_time_distributed_equals_keras(keras, rng, inner, shape, training):
    mine, theirs = (m.TimeDistributed(inner(m), dtype="float64") for m in (layers, keras.layers))
    compare(keras, mine, theirs, shape, rng, training=training)


CONV = [
    ("ConvLSTM1D", (3,), (4, 3, 7, 2), {}),
    ("ConvLSTM1D", 2, (4, 3, 7, 2), {"padding": "same", "strides": 2, "return_sequences": True}),
    ("ConvLSTM2D", 3, (4, 3, 5, 6, 2), {"return_sequences": True}),
    ("ConvLSTM2D", (2, 3), (4, 3, 5, 6, 2), {"padding": "same", "go_backwards": True}),
    ("ConvLSTM2D", 2, (4, 3, 5, 6, 2), {"dilation_rate": 2, "activation": "silu"}),
    ("ConvLSTM2D", 2, (4, 3, 5, 6, 2), {"use_bias": False, "recurrent_activation": "relu"}),
    ("ConvLSTM3D", 2, (4, 2, 3, 4, 3, 2), {"return_sequences": True, "return_state": True}),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind, size, shape, arguments", CONV, ids=str)
def test_conv_lstm_equals_keras(keras, rng, kind, size, shape, arguments, masked):
    arguments = {**arguments, "dtype": "float64"}
    mask = make_mask(rng, *shape[:2]) if masked else None
    mine, theirs = (getattr(m, kind)(3, size, **arguments) for m in (layers, keras.layers))
    compare(keras, mine, theirs, shape, rng, mask, scale=0.2)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"return_sequences": True},
        {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind, shape", [("ConvLSTM1D", (4, 3, 6, 2)),
                                         ("ConvLSTM2D", (4, 3, 4, 5, 2))])
def test_conv_lstm_with_a_mask_of_pixels_equals_keras(keras, rng, kind, shape, arguments):
    arguments = {**arguments, "padding": "same", "dtype": "float64"}
    mine, theirs = (getattr(m, kind)(3, 3, **arguments) for m in (layers, keras.layers))
    compare(keras, mine, theirs, shape, rng, rng.random(shape[:-1]) < 0.6, scale=0.2)


@pytest.mark.parametrize("sequences", [False, True])
def test_conv_lstm_channels_first(rng, sequences):
    arguments = {"return_sequences": sequences, "return_state": True, "dtype": "float64"}
    last = layers.ConvLSTM2D(3, 2, **arguments)
    first = layers.ConvLSTM2D(3, 2, data_format="channels_first", **arguments)
    x = rng.normal(size=(2, 4, 5, 6, 2))
    last.build(x.shape)
    first.build((2, 4, 2, 5, 6))
    first.set_weights(last.get_weights())
    ys = last(x)
    zs = first(np.moveaxis(x, -1, 2))
    for number, (y, z) in enumerate(zip(ys, zs, strict=True)):
        axis = 2 if sequences and number == 0 else 1
        np.testing.assert_allclose(np.moveaxis(z, axis, -1), y, atol=1e-12)
    shapes = first.compute_output_shape((None, 4, 2, 5, 6))
    assert [s[1:] for s in shapes] == [z.shape[1:] for z in zs]


def test_time_distributed_passes_the_mask_to_batch_statistics(keras, rng):
    mine, theirs = (
        m.TimeDistributed(m.BatchNormalization(dtype="float64"), dtype="float64")
        for m in (layers, keras.layers)
    )
    mask = rng.random((8, 4)) < 0.7
    compare(keras, mine, theirs, (8, 4, 3), rng, mask, training=True)


# --- states


@pytest.mark.parametrize("kind", [*KINDS, "Bidirectional", "ConvLSTM1D"])
def test_stateful(keras, rng, kind):
    def build(module):
        if kind == "Bidirectional":
            inner = module.LSTM(3, stateful=True, dtype="float64")
            return module.Bidirectional(inner, dtype="float64")
        if kind == "ConvLSTM1D":
            return module.ConvLSTM1D(3, 2, stateful=True, dtype="float64")
        return getattr(module, kind)(3, stateful=True, dtype="float64")

    shape = (4, 5, 6, 2) if kind == "ConvLSTM1D" else (4, 5, 2)
    mine, theirs = build(layers), build(keras.layers)
    mine.build(shape)
    theirs.build(shape)
    mine.set_weights([rng.normal(size=w.shape) * 0.3 for w in theirs.weights])
    theirs.set_weights(mine.get_weights())
    batches = [rng.normal(size=shape) for _ in range(3)]
    first = mine(batches[0])
    theirs(batches[0])
    for x in batches[1:]:
        expected = np.asarray(theirs(x).detach())
        np.testing.assert_allclose(mine(x), expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(mine(batches[0]), first)
    mine.reset_state()
    np.testing.assert_allclose(mine(batches[0]), first, atol=1e-12)
    assert len(mine.weights) == len(theirs.weights)


def test_stateful_wants_a_fixed_batch():
    layer = layers.LSTM(3, stateful=True, name="memory")
    with pytest.raises(ValueError, match="memory: expected a fixed batch size"):
        layer.build((None, 5, 2))
    layer(np.zeros((4, 5, 2)))
    with pytest.raises(ValueError, match="memory: expected batches of 4 rows"):
        layer(np.zeros((3, 5, 2)))


def test_masked_first_step_of_stateful_outputs_zero():
    layer = layers.GRU(3, stateful=True)
    x = np.random.default_rng(1).normal(size=(2, 4, 2))
    layer(x)
    state = layer.states[0].numpy()
    np.testing.assert_array_equal(layer(x, mask=np.zeros((2, 4))), np.zeros((2, 3)))
    np.testing.assert_array_equal(layer.states[0].numpy(), state)


# --- dropout


def test_dropout_is_shared_by_all_steps():
    layer = layers.SimpleRNN(
        200,
        activation=None,
        dropout=0.25,
        return_sequences=True,
        kernel_initializer="identity",
        recurrent_initializer="zeros",
    )
    x = np.ones((50, 3, 200), "float32")
    np.testing.assert_array_equal(layer(x), x)
    y = layer(x, training=True)
    np.testing.assert_array_equal(y[:, 0], y[:, 1])
    np.testing.assert_array_equal(y[:, 0], y[:, 2])
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert not np.array_equal(layer(x, training=True), y)


def test_recurrent_dropout_drops_the_state():
    layer = layers.SimpleRNN(
        200,
        activation=None,
        recurrent_dropout=0.5,
        return_sequences=True,
        kernel_initializer="identity",
        recurrent_initializer="identity",
    )
    x = np.zeros((20, 3, 200), "float32")
    x[:, 0] = 1
    y = layer(x, training=True)
    np.testing.assert_array_equal(y[:, 0], np.ones((20, 200)))
    np.testing.assert_array_equal(y[:, 2], y[:, 1] ** 2)
    assert abs((y[:, 1] == 0).mean() - 0.5) < 0.05


@pytest.mark.parametrize("rates", [(0.4, 0.0), (0.4, 0.3), (0.0, 0.3)], ids=str)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU", "GRU before", "LSTM", "ConvLSTM1D"])
def test_gradients_under_dropout(rng, kind, masked, rates):
    """Central differences of the loss sum(y dy), with the draw of one step."""
    arguments = {"dropout": rates[0], "recurrent_dropout": rates[1], "seed": 3}
    arguments.update(return_sequences=True, dtype="float64")
    shape = (5, 4, 3)
    if kind == "ConvLSTM1D":
        layer, shape = layers.ConvLSTM1D(2, 2, **arguments), (5, 3, 4, 2)
    elif kind == "GRU before":
        layer = layers.GRU(4, reset_after=False, **arguments)
    else:
        layer = getattr(layers, kind)(4, **arguments)
    x = rng.normal(size=shape)
    mask = make_mask(rng, *shape[:2]) if masked else None
    layer.build(shape)
    dy = rng.normal(size=layer.compute_output_shape(shape))
    _, dx, grads, _ = run_program(layer, x, [dy], mask, training=True)

    def loss():
        return (run_program(layer, x, None, mask, training=True)[0][0] * dy).sum()

    def loss_with(target, at, step):
        moved = target.copy() if target is x else target.numpy()
        start = moved.copy()
        moved[at] += step
        put = x.__setitem__ if target is x else lambda _, value: target.assign(value)
        put(..., moved)
        result = loss()
        put(..., start)
        return result

    for target, gradient in [(x, dx), *zip(layer.weights, grads, strict=True)]:
        for _ in range(4):
            at = tuple(rng.integers(0, d) for d in target.shape)
            above, below = loss_with(target, at, 1e-5), loss_with(target, at, -1e-5)
            np.testing.assert_allclose(gradient[at], (above - below) / 2e-5, rtol=1e-6, atol=1e-7)


# --- threads


@pytest.mark.parametrize("kind", [*KINDS, "ConvLSTM2D"])
def test_bits_do_not_depend_on_threads(rng, kind):
    if kind == "ConvLSTM2D":
        layer, x = layers.ConvLSTM2D(8, 3, dropout=0.2), rng.normal(size=(9, 6, 12, 12, 4))
    else:
        layer, x = getattr(layers, kind)(40, dropout=0.2), rng.normal(size=(70, 20, 24))
    layer.build(x.shape)
    results = []
    for threads in (1, 2, 3):
        _core.set_num_threads(threads)
        layer._calls = 0
        results.append(layer(x.astype("float32"), training=True))
    assert all(np.array_equal(results[0], other) for other in results[1:])


# --- cells


@pytest.mark.parametrize(
    "kind, arguments",
    [
        ("SimpleRNNCell", {}),
        ("LSTMCell", {}),
        ("GRUCell", {}),
        ("GRUCell", {"reset_after": False}),
        ("LSTMCell", {"use_bias": False, "activation": "relu"}),
    ],
    ids=str,
)
def test_cell_step_equals_keras(keras, rng, kind, arguments):
    arguments = {**arguments, "dtype": "float64"}
    mine, theirs = (getattr(m, kind)(4, **arguments) for m in (layers, keras.layers))
    mine.build((3, 2))
    theirs.build((3, 2))
    theirs.set_weights(mine.get_weights())
    x = rng.normal(size=(3, 2))
    states = [rng.normal(size=(3, 4)) for _ in mine.get_initial_state(3)]
    y, new = mine(x, states)
    expected, expected_states = theirs(x, [keras.ops.convert_to_tensor(s) for s in states])
    np.testing.assert_allclose(y, np.asarray(expected.detach()), rtol=1e-6, atol=1e-6)
    for a, b in zip(new, expected_states, strict=True):
        np.testing.assert_allclose(a, np.asarray(b.detach()), rtol=1e-6, atol=1e-6)
    assert mine.state_size == theirs.state_size and mine.output_size == theirs.output_size


# --- configuration

CONFIGS = [
    lambda m: m.SimpleRNN(3, dropout=0.1),
    lambda m: m.LSTM(3, kernel_regularizer="l2", seed=5, activity_regularizer="l2"),
    lambda m: m.GRU(3, reset_after=False, bias_constraint="non_neg", stateful=True),
    lambda m: m.LSTMCell(3, recurrent_dropout=0.2),
    lambda m: m.GRUCell(3, activation=None),
    lambda m: m.SimpleRNNCell(3),
    lambda m: m.ConvLSTM1D(3, 2),
    lambda m: m.ConvLSTM2D(3, (2, 3), padding="same"),
    lambda m: m.ConvLSTM3D(3, 2, data_format="channels_first"),
    lambda m: m.RNN([m.LSTMCell(3, name="a"), m.GRUCell(2, name="b")], go_backwards=True),
    lambda m: m.Bidirectional(m.LSTM(3, name="x"), merge_mode="ave"),
    lambda m: m.TimeDistributed(m.Dense(3, name="d")),
]


def _named(config):
    """A config without names that the two libraries number on their own."""
    if isinstance(config, dict):
        return {k: _named(v) for k, v in config.items() if k not in ("name", "shared_object_id")}
    if isinstance(config, (list, tuple)):
        return [_named(v) for v in config]
    return config


@pytest.mark.parametrize("build", CONFIGS)
def test_config_equals_keras(keras, build):
    mine, theirs = build(layers), build(keras.layers)
    assert list(mine.get_config()) == list(theirs.get_config())
    assert _named(mine.get_config()) == _named(theirs.get_config())
    again = deserialize_keras_object(keras.saving.serialize_keras_object(theirs))
    assert _named(serialize_keras_object(again)) == _named(serialize_keras_object(mine))


def test_names_and_sublayers():
    layer = layers.Bidirectional(layers.LSTM(3, name="x"), name="both")
    layer.build((None, 5, 2))
    assert layer.forward_layer.name == "forward_x" and layer.backward_layer.name == "backward_x"
    assert layer.weights[0].path == "both/forward_x/lstm_cell/kernel"
    assert [w.shape for w in layer.weights] == [(2, 12), (3, 12), (12,)] * 2
    bias = layer.forward_layer.cell.bias.numpy()
    np.testing.assert_array_equal(bias, [0] * 3 + [1] * 3 + [0] * 6)
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 6


# --- errors


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: layers.LSTM(0), "expected `units` to be a positive integer, got 0"),
        (lambda: layers.LSTM(2, use_cudnn="no"), "expected `use_cudnn` to be"),
        (lambda: layers.LSTM(2, spelling=1), "unknown"),
        (lambda: layers.LSTM(2, name="l")(np.zeros((2, 3))), "l: expected an input of 3 dim"),
        (
            lambda: layers.GRU(2, activation=sorted)(np.zeros((2, 3, 4)), training=True),
            "code that can be traced in training, got GRUCell",
        ),
        (
            lambda: layers.GRU(2, name="g")(np.zeros((2, 3, 4)), initial_state=np.zeros((2, 3))),
            r"g: expected `initial_state` of 1 arrays of shapes \[\(2, 2\)\], got \[\(2, 3\)\]",
        ),
        (lambda: layers.Bidirectional(layers.Dense(2)), "expected a recurrent layer"),
        (lambda: layers.Bidirectional(layers.GRU(2), merge_mode="max"), "`merge_mode` to be"),
        (
            lambda: layers.Bidirectional(layers.GRU(2), backward_layer=layers.GRU(2)),
            "different `go_backwards`",
        ),
        (
            lambda: layers.Bidirectional(
                layers.GRU(2), backward_layer=layers.GRU(2, go_backwards=True, stateful=True)
            ),
            "same `stateful`",
        ),
        (lambda: layers.TimeDistributed("dense"), "expected `layer` to be a layer"),
        (lambda: layers.TimeDistributed(layers.Dense(2))(np.zeros((2, 3))), "add a time axis"),
        (lambda: layers.ConvLSTM2D(2, 3, strides=2, dilation_rate=2), "to be 1, got"),
        (lambda: layers.ConvLSTM2D(2, 3, padding="causal"), "'valid' or 'same', got 'causal'"),
        (lambda: layers.ConvLSTM2D(2, (3, 3, 3)), "`kernel_size` to be"),
        (lambda: layers.ConvLSTM1D(2, 5)(np.zeros((1, 2, 3, 1))), "at least 5, got"),
        (
            lambda: layers.ConvLSTM1D(2, 2)(np.zeros((2, 3, 4, 1)), mask=np.ones((2, 3, 4))),
            r"the output's pixels \(3,\) with the channels last, got mask \(3, 4\)",
        ),
        (lambda: layers.RNN(layers.Dense(2)), "`state_size`"),
        (lambda: layers.StackedRNNCells([]), "at least one cell"),
    ],
)
def test_error_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()
