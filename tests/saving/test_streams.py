"""Models of sequences fed step by step from a `.pyseq` file: the bits of the whole sequence at once."""

import numpy as np
import pytest

import pyseq
from pyseq import _core, layers


def loaded(tmp_path, shape, stack, rng):
    model = pyseq.Sequential([pyseq.Input(shape), *stack()])
    for v in model.weights:
        value = rng.uniform(0.2, 0.8, v.shape)
        v.assign(value if "variance" in v.path else value * rng.choice([-1, 1], v.shape))
    model.export(tmp_path / "m.pyseq")
    return model, _core.Model.load(str(tmp_path / "m.pyseq"))


# Shape of a sequence, layers, how many steps at a time.
STREAMS = {
    "lstm": ((8, 4), lambda: [layers.LSTM(5, return_sequences=True), layers.Dense(3)], (1, 2, 8)),
    "two lstm": (
        (8, 32),
        lambda: [layers.LSTM(32, return_sequences=True), layers.LSTM(32), layers.Dense(3)],
        (1, 4),
    ),
    "wide input": ((16, 300), lambda: [layers.LSTM(20), layers.Dense(1)], (1, 4)),
    "gru": ((8, 4), lambda: [layers.GRU(5), layers.Dense(3, "softmax")], (1, 2)),
    "gru of Keras 1": ((8, 4), lambda: [layers.GRU(5, reset_after=False)], (1, 2)),
    "simple rnn": ((64, 64), lambda: [layers.SimpleRNN(2, return_sequences=True)], (1, 4)),
    "causal convolutions": (
        (16, 4),
        lambda: [
            layers.Conv1D(8, 3, padding="causal", dilation_rate=2),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv1D(16, 5, padding="causal", activation="tanh"),
            layers.Dense(2),
        ],
        (1, 2, 4, 16),
    ),
    "groups": ((8, 4), lambda: [layers.Conv1D(8, 3, padding="causal", groups=2)], (1, 2)),
    "one filter": ((64, 64), lambda: [layers.Conv1D(1, 3, padding="causal")], (1, 4)),
    "pooling": (
        (64, 32),
        lambda: [
            layers.Conv1D(64, 5, padding="causal"),
            layers.MaxPooling1D(4),
            layers.GRU(8),
        ],
        (4, 16),
    ),
    "strides and upsampling": (
        (16, 4),
        lambda: [
            layers.Conv1D(8, 4, strides=2, padding="causal"),
            layers.AveragePooling1D(2),
            layers.UpSampling1D(2),
            layers.LayerNormalization(),
            layers.Softmax(),
        ],
        (4, 8),
    ),
    "time distributed": (
        (6, 5, 5, 2),
        lambda: [
            layers.TimeDistributed(layers.Conv2D(3, 2)),
            layers.TimeDistributed(layers.Flatten()),
            layers.GRU(4, return_sequences=True),
            layers.TimeDistributed(layers.Dense(2)),
        ],
        (1, 3),
    ),
    "ids with a mask": (
        (6,),
        lambda: [layers.Embedding(4, 3, mask_zero=True), layers.LSTM(4)],
        (1, 2),
    ),
    "masking": (
        (6, 3),
        lambda: [
            layers.Masking(),
            layers.LSTM(4, return_sequences=True),
            layers.Dropout(0.2),
            layers.Activation("gelu"),
            layers.PReLU(shared_axes=[1]),
        ],
        (1, 3),
    ),
    "steps of one number": ((9, 1), lambda: [layers.Dense(4), layers.RMSNormalization()], (1, 3)),
}


def feed(stream, x, steps):
    answers = [
        stream.run(np.ascontiguousarray(x[:, at : at + steps])) for at in range(0, x.shape[1], steps)
    ]
    return np.concatenate(answers, 1) if stream.output_steps else answers[-1]


def data(rng, rows, shape):
    if len(shape) == 1:
        return rng.integers(0, 4, (rows, *shape)).astype("float32")
    x = rng.normal(size=(rows, *shape)).astype("float32")
    x[:, rng.integers(shape[0])] = 0
    return x


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("name", STREAMS)
def test_the_bits_of_the_whole_sequence(tmp_path, rng, name, rows):
    shape, stack, counts = STREAMS[name]
    model, file = loaded(tmp_path, shape, stack, rng)
    x = data(rng, rows, shape)
    want = model.predict(x, batch_size=rows, verbose=0)
    for steps in counts:
        stream = file.stream(rows, steps)
        np.testing.assert_array_equal(feed(stream, x, steps), want)
        stream.reset()
        np.testing.assert_array_equal(feed(stream, x, steps), want)


def test_states_are_saved_and_restored(tmp_path, rng):
    _, file = loaded(tmp_path, *STREAMS["causal convolutions"][:2], rng)
    first, second = file.stream(), file.stream()
    x = data(rng, 1, (16, 4))
    for t in range(5):
        first.run(x[:, t : t + 1])
    second.restore(first.save())
    for t in range(5, 16):
        step = np.ascontiguousarray(x[:, t : t + 1])
        np.testing.assert_array_equal(first.run(step), second.run(step))
    with pytest.raises(ValueError, match="bytes, got 3"):
        first.restore(b"abc")


REFUSED = {
    "backwards": (lambda: [layers.Bidirectional(layers.LSTM(4))], "runs forwards"),
    "valid": (lambda: [layers.Conv1D(4, 3)], 'padding="causal"'),
    "the whole": (lambda: [layers.GlobalAveragePooling1D()], "a layer on each step"),
    "flat": (lambda: [layers.Flatten(), layers.Dense(2)], "a layer on each step"),
    "over time": (lambda: [layers.Softmax(axis=1)], "a layer on each step"),
    "odd steps": (lambda: [layers.MaxPooling1D(2)], "steps in multiples of 2"),
    "batch statistics over time": (lambda: [layers.GroupNormalization(1)], "a layer on each step"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(tmp_path, rng, name):
    stack, message = REFUSED[name]
    _, file = loaded(tmp_path, (6, 3), stack, rng)
    with pytest.raises(ValueError, match=message) as error:
        file.stream()
    assert "step by step" in str(error.value)


def test_wrong_counts(tmp_path, rng):
    _, file = loaded(tmp_path, *STREAMS["gru"][:2], rng)
    with pytest.raises(ValueError, match="1 row and 1 step or more"):
        file.stream(0, 1)
    with pytest.raises(ValueError, match="expected 2 rows, got 3"):
        file.stream(2).run(np.zeros((3, 1, 4), "float32"))
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(2)])
    model.export(tmp_path / "flat.pyseq")
    with pytest.raises(ValueError, match="step by step"):
        _core.Model.load(str(tmp_path / "flat.pyseq")).stream()
