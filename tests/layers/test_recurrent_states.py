"""Recurrence over cells written in Python, and states given at the call."""

import numpy as np
import pytest
from recurrent_cases import KINDS, make_mask

import pyseq
from pyseq import layers

# Keras 3.15 converts its variables in a way that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class PlainCell(layers.Layer):
    """A cell as a user writes it, on NumPy arrays."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        output = np.tanh(inputs @ self.kernel + states[0] @ self.recurrent_kernel)
        return output, [output]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"return_sequences": True, "go_backwards": True},
        {"return_sequences": True, "return_state": True},
        {"return_sequences": True, "zero_output_for_mask": True},
        {"stateful": True, "return_state": True},
    ],
    ids=str,
)
def test_a_cell_in_python_equals_the_built_in_one(rng, arguments, masked):
    mine = layers.RNN(PlainCell(4), **arguments)
    same = layers.RNN(layers.SimpleRNNCell(4, use_bias=False), **arguments)
    mine.build((6, 5, 3))
    same.build((6, 5, 3))
    same.set_weights(mine.get_weights())
    mask = make_mask(rng, 6, 5) if masked else None
    for _ in range(2):
        x = rng.normal(size=(6, 5, 3))
        ours, theirs = mine(x, mask=mask), same(x, mask=mask)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_cells_in_python_inside_wrappers_and_models(rng):
    x = rng.normal(size=(4, 3, 5, 2)).astype("float32")
    steps = layers.TimeDistributed(layers.RNN([PlainCell(3), layers.GRUCell(2)]))
    y = steps(x)
    np.testing.assert_allclose(y[:, 1], steps.layer(x[:, 1]), atol=1e-6)
    model = pyseq.Sequential([pyseq.Input((5, 2)), steps.layer, layers.Dense(1)])
    assert model.predict(x[:, 0], verbose=0).shape == (4, 1)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x[:, 0], np.ones((4, 1)))
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    steps.layer.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x[:, 0], np.ones((4, 1)))
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False] * (len(before) - 2) + [True, True]


def test_cells_that_cannot_be_traced_do_not_train(rng):
    class SortingCell(PlainCell):
        def call(self, inputs, states):
            output = np.sort(np.asarray(inputs @ self.kernel.value), axis=-1)
            return output, [output]

    layer = layers.RNN(SortingCell(3))
    model = pyseq.Sequential([pyseq.Input((5, 2)), layer, layers.Dense(1)])
    x = rng.normal(size=(4, 5, 2)).astype("float32")
    assert model.predict(x, verbose=0).shape == (4, 1)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="or code that can be traced in training, got SortingCell"):
        model.train_on_batch(x, np.zeros((4, 1)))
    layer.trainable = False
    model.compile("sgd", "mse")
    model.train_on_batch(x, np.zeros((4, 1)))


def own_cells(api):
    """Cells of users of a library."""

    class Linear(api.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            shape = (input_shape[-1], self.units)
            self.kernel = self.add_weight(shape=shape, initializer="uniform", name="kernel")
            square = (self.units, self.units)
            self.recurrent_kernel = self.add_weight(shape=square, name="recurrent_kernel")

        def call(self, inputs, states):
            h = api.ops.matmul(inputs, self.kernel)
            output = h + api.ops.matmul(states[0], self.recurrent_kernel)
            return output, [output]

    class Normalized(api.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units, self.state_size = units, [units, units]
            self.gates = api.layers.Dense(2 * units)
            self.norm = api.layers.LayerNormalization()

        def build(self, input_shape):
            self.gates.build((input_shape[0], input_shape[-1] + self.units))
            self.norm.build((input_shape[0], self.units))

        def call(self, inputs, states, training=False):
            h, c = states
            z = self.gates(api.ops.concatenate([inputs, h], axis=-1))
            a, b = api.ops.split(z, 2, axis=-1)
            c = api.ops.sigmoid(a) * c + api.ops.tanh(b)
            h = api.ops.tanh(self.norm(c))
            return h, [h, c]

    class Scaled(api.layers.Layer):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner
            self.state_size, self.output_size = inner.state_size, inner.units

        def build(self, input_shape):
            self.inner.build(input_shape)

        def call(self, inputs, states, training=False):
            output, states = self.inner(inputs, states, training=training)
            return 2.0 * output, states

    return Linear, Normalized, Scaled


OWN = {
    "linear": lambda k, linear, normalized, scaled: [k.RNN(linear(5))],
    "stacked": lambda k, linear, normalized, scaled: [
        k.RNN([linear(5), k.LSTMCell(4), k.GRUCell(3)], return_sequences=True),
        k.RNN(normalized(4), go_backwards=True),
    ],
    "masked": lambda k, linear, normalized, scaled: [
        k.Masking(),
        k.RNN(normalized(4), return_sequences=True),
        k.RNN(linear(3), zero_output_for_mask=True),
    ],
    "lstm": lambda k, linear, normalized, scaled: [k.RNN(scaled(k.LSTMCell(4)))],
    "gru": lambda k, linear, normalized, scaled: [k.RNN(scaled(k.GRUCell(4)))],
    "gru_before": lambda k, linear, normalized, scaled: [
        k.RNN(scaled(k.GRUCell(4, reset_after=False, use_bias=False)))
    ],
    "simple": lambda k, linear, normalized, scaled: [k.RNN(scaled(k.SimpleRNNCell(4)))],
    "softmax": lambda k, linear, normalized, scaled: [k.LSTM(4, activation="softmax")],
    "wrapped": lambda k, linear, normalized, scaled: [
        k.Reshape((7, 3, 1)),
        k.TimeDistributed(k.RNN(linear(2))),
        k.Flatten(),
    ],
}


@pytest.mark.parametrize("name", OWN)
def test_own_cells_train_as_in_keras(keras, rng, name):
    x = rng.normal(size=(24, 7, 3)).astype("float32")
    x[3:9, 5:] = 0
    y = rng.normal(size=(24, 2)).astype("float32")
    start, after = None, []
    for api in (keras, pyseq):
        stack = OWN[name](api.layers, *own_cells(api))
        model = api.Sequential([api.Input((7, 3)), *stack, api.layers.Dense(2)])
        numbers = np.random.default_rng(1)
        start = start or [numbers.uniform(-0.5, 0.5, w.shape) for w in model.get_weights()]
        model.set_weights(start)
        model.compile(api.optimizers.SGD(0.1), "mse")
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        loss, answer = history.history["loss"], model.predict(x, verbose=0)
        after.append([loss, answer, *(w.numpy() for w in model.weights)])
    for theirs, ours in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_own_cells_draw_other_dropout_masks_in_each_step(rng):
    _, _, scaled = own_cells(pyseq)
    cell = scaled(layers.LSTMCell(4, dropout=0.5))
    model = pyseq.Sequential([pyseq.Input((7, 3)), layers.RNN(cell), layers.Dense(1)])
    model.compile(pyseq.optimizers.SGD(0.0), "mse")
    x, y = rng.normal(size=(24, 7, 3)), rng.normal(size=(24, 1))
    losses = {float(model.train_on_batch(x, y)) for _ in range(4)}
    assert len(losses) == 4
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("kind", KINDS)
def test_activations_without_a_kernel_equal_keras(keras, rng, kind):
    arguments = {"activation": "softmax", "return_sequences": True}
    mine, theirs = (getattr(m, kind)(4, **arguments) for m in (layers, keras.layers))
    x, mask = rng.normal(size=(6, 5, 3)).astype("float32"), make_mask(rng, 6, 5)
    mine.build(x.shape)
    theirs.build(x.shape)
    theirs.set_weights(mine.get_weights())
    expected = theirs(x, mask=keras.ops.convert_to_tensor(mask)).detach()
    np.testing.assert_allclose(mine(x, mask=mask), expected, atol=1e-5)


# --- states


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "build, shape",
    [
        (lambda m: m.LSTM(3, return_sequences=True), (4, 5, 2)),
        (lambda m: m.GRU(3, return_state=True, go_backwards=True), (4, 5, 2)),
        (lambda m: m.SimpleRNN(3), (4, 5, 2)),
        (lambda m: m.RNN(m.LSTMCell(3)), (4, 5, 2)),
        (lambda m: m.GRU(3, stateful=True), (4, 5, 2)),
        (lambda m: m.Bidirectional(m.LSTM(3, return_sequences=True)), (4, 5, 2)),
        (lambda m: m.ConvLSTM1D(3, 2), (4, 5, 6, 2)),
        (lambda m: m.ConvLSTM1D(3, 2, data_format="channels_first"), (4, 5, 2, 6)),
    ],
)
def test_initial_state_equals_keras(keras, rng, build, shape, masked):
    mine, theirs = build(layers), build(keras.layers)
    x = rng.normal(size=shape).astype("float32")
    mine.build(x.shape)
    theirs.build(x.shape)
    theirs.set_weights(mine.get_weights())
    mask = make_mask(rng, 4, 5) if masked else None
    extra = {} if mask is None else {"mask": keras.ops.convert_to_tensor(mask)}
    for _ in range(2):
        states = [rng.normal(size=(4, *s)).astype("float32") for s in mine.state_shapes(x.shape)]
        ours = mine(x, initial_state=states, mask=mask)
        given = [keras.ops.convert_to_tensor(s) for s in states]
        expected = theirs(x, initial_state=given, **extra)
        several = isinstance(ours, list)
        for a, b in zip(ours if several else [ours], expected if several else [expected]):
            np.testing.assert_allclose(a, b.detach(), atol=1e-5)
        np.testing.assert_allclose(
            mine(x, initial_state=states, mask=mask)[0], ours[0], atol=1e-6
        )


def test_time_distributed_stateful_goes_from_step_to_step(keras, rng):
    def build(module):
        inner = module.GRU(3, stateful=True)
        return module.TimeDistributed(inner)

    x = rng.normal(size=(4, 3, 5, 2)).astype("float32")
    mine, theirs = build(layers), build(keras.layers)
    mine.build(x.shape)
    theirs.build(x.shape)
    theirs.set_weights(mine.get_weights())
    for _ in range(2):
        np.testing.assert_allclose(mine(x), theirs(x).detach(), atol=1e-5)


PARTIAL = {
    "fit": lambda model, x, y: model.fit(x, y, verbose=0),
    "fit, batch size given": lambda model, x, y: model.fit(x, y, batch_size=4, verbose=0),
    "fit, generator": lambda model, x, y: model.fit(iter([(x[:4], y[:4]), (x[4:], y[4:])])),
    "fit, validation": lambda model, x, y: model.fit(
        x[:4], y[:4], validation_data=(x, y), verbose=0
    ),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "evaluate, generator": lambda model, x, y: model.evaluate(
        iter([(x[:4], y[:4]), (x[4:], y[4:])]), verbose=0
    ),
    "predict": lambda model, x, y: model.predict(x, verbose=0),
    "predict, progress": lambda model, x, y: model.predict(x, verbose=1),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x[:3]),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
}


@pytest.mark.parametrize("way", PARTIAL)
@pytest.mark.parametrize("layer", ["LSTM", "Bidirectional"])
def test_partial_batches_are_refused_in_every_way(way, layer):
    inner = layers.LSTM(3, stateful=True)
    inner = layers.Bidirectional(inner) if layer == "Bidirectional" else inner
    model = pyseq.Sequential([pyseq.Input(batch_shape=(4, 5, 2)), inner, layers.Dense(1)])
    model.compile("sgd", "mse")
    weights = model.get_weights()
    with pytest.raises(ValueError, match="batches of 4 rows, because .* is stateful, got [236]"):
        PARTIAL[way](model, np.ones((6, 5, 2)), np.ones((6, 1)))
    if "generator" not in way:
        for before, after in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)


def test_rows_that_no_step_reaches_do_not_count():
    model = pyseq.Sequential(
        [pyseq.Input(batch_shape=(4, 5, 2)), layers.LSTM(3, stateful=True), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    x, y = np.ones((6, 5, 2)), np.ones((6, 1))
    want = model.evaluate(x[:4], y[:4], verbose=0)
    model.reset_states()
    assert model.evaluate(x, y, steps=1, verbose=0) == want


CELLS = {
    "LSTM and GRU": lambda L: [L.LSTMCell(2), L.GRUCell(3)],
    "one in a list": lambda L: [L.LSTMCell(2)],
    "two GRU": lambda L: [L.GRUCell(2), L.GRUCell(2)],
    "alone": lambda L: L.LSTMCell(2),
}


@pytest.mark.parametrize("name", CELLS)
def test_each_cell_of_a_stack_has_its_own_list_of_states(keras, name):
    def shapes(value):
        if isinstance(value, (list, tuple)):
            return [shapes(v) for v in value]
        return tuple(value.shape)

    x = np.ones((2, 5, 3), "float32")
    mine = pyseq.layers.RNN(CELLS[name](pyseq.layers), return_state=True)
    theirs = keras.layers.RNN(CELLS[name](keras.layers), return_state=True)
    y, *states = mine(x)
    assert shapes([y, *states]) == shapes(theirs(x))
    again = mine(x, initial_state=states)
    assert shapes(again) == shapes([y, *states])
    theirs.set_weights(mine.get_weights())
    expected = theirs(x, initial_state=theirs(x)[1:])
    np.testing.assert_allclose(again[0], expected[0].detach(), atol=1e-5)
