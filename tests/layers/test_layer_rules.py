"""What holds for every layer: masks, `trainable`, `dtype`, and errors about the place of a layer."""

import warnings

import numpy as np
import pytest
from layer_cases import CASES

import pyseq
from pyseq import layers, lowering

pytestmark = pytest.mark.filterwarnings("ignore")

MASKED = [
    case
    for case in {repr(c.spec): c for c in CASES}.values()
    # Keras's Softmax and ConvLSTM take the mask of steps for something else.
    if len(case.shape) == 2 and case.data == "normal" and case.oracle and not case.batch_size
    and case.spec.class_name not in ("Softmax", "ConvLSTM1D")
    and "channels_first" not in repr(case.spec)
]


@pytest.mark.parametrize("case", MASKED, ids=lambda c: c.id)
def test_masks_go_where_they_go_in_keras(case, keras, rng):
    x = rng.normal(size=(4, *case.shape)).astype("float32")
    x[1, 1:], x[2, :1] = 0, 0
    theirs, layer = case.spec.build("keras"), case.spec.build("pyseq")
    expected = theirs(keras.layers.Masking()(keras.ops.convert_to_tensor(x)))
    model = pyseq.Sequential([pyseq.Input(case.shape), layers.Masking(), layer])
    layer.set_weights(theirs.get_weights())
    _, output = lowering.lower(model, case.shape, False)
    mask = getattr(expected, "_keras_mask", None)
    assert (output.mask and output.mask.shape) == (None if mask is None else mask.shape[1:])
    np.testing.assert_allclose(model(x), expected.detach(), rtol=1e-5, atol=1e-5)


def _later(module, L):
    layer = L.TimeDistributed(L.Dense(3))
    layer.trainable = False
    return layer


def _part(module, L):
    model = module.Sequential([L.Dense(3), L.Dense(3)])
    model.layers[0].trainable = False
    return model


def _thawed(module, L):
    model = module.Sequential([module.Input((4, 5)), L.Dense(3), L.Dense(3)])
    model.layers[0].trainable = False
    model.trainable = False
    model.trainable = True
    return model


@pytest.mark.parametrize(
    "build",
    [
        lambda m, L: L.LSTM(3, trainable=False),
        lambda m, L: L.BatchNormalization(trainable=False),
        lambda m, L: L.SpectralNormalization(L.Dense(3), trainable=False),
        lambda m, L: L.TimeDistributed(L.Dense(3), trainable=False),
        lambda m, L: L.TimeDistributed(L.Dense(3, trainable=False)),
        lambda m, L: L.Bidirectional(L.LSTM(3), trainable=False),
        lambda m, L: L.RNN(L.LSTMCell(3), trainable=False),
        lambda m, L: m.Sequential([L.Dense(3)], trainable=False),
        _later,
        _part,
        _thawed,
    ],
)
def test_frozen_parts_equal_keras(keras, build):
    def state_of(module):
        L = module.layers
        layer = build(module, L)
        model = module.Sequential([module.Input((4, 5)), layer, L.Flatten(), L.Dense(2)])
        return (
            [v.trainable for v in model.weights],
            len(model.trainable_weights),
            len(model.non_trainable_weights),
            len(layer.trainable_weights),
        )

    assert state_of(pyseq) == state_of(keras)


def test_a_float64_model_needs_no_global_setting(rng):
    model = pyseq.Sequential([
        pyseq.Input((3,), dtype="float64"),
        layers.Dense(4, dtype="float64"),
        layers.Dense(2, dtype="float64"),
    ])
    x = rng.normal(size=(5, 3))
    assert model.predict(x, verbose=0).dtype == "float64"
    model.compile("sgd", "mse")
    model.train_on_batch(x, np.zeros((5, 2)))


def _model(*stack):
    return pyseq.Sequential([pyseq.Input((4, 3)), *stack])


@pytest.mark.parametrize(
    "build, message",
    [
        (
            lambda: _model(layers.LSTM(2, dtype="float64"), layers.Dense(2))(np.zeros((1, 4, 3))),
            "one float dtype for all layers of a model, got float64",
        ),
        (lambda: _model(layers.Dense(2, dtype="int32", name="d")), "d: expected a float dtype"),
        (lambda: layers.Dense(2, trainable="no"), "`trainable` to be True or False, got 'no'"),
        (lambda: _model(layers.LSTMCell(2, name="c")), r"c: expected a layer, got a cell"),
        (
            lambda: _model(layers.StackedRNNCells([layers.GRUCell(2)])),
            r"wrap it: RNN\(StackedRNNCells",
        ),
        (
            lambda: _model(layers.LSTM(2, return_state=True, name="l"), layers.Dense(2, name="d")),
            "d: expected one input, got 3 outputs of l",
        ),
        (
            lambda: _model(layers.Bidirectional(
                layers.LSTM(2), merge_mode="sum", backward_layer=layers.GRU(3, go_backwards=True)
            )),
            "outputs of one shape for merge_mode='sum'",
        ),
        (lambda: _model(layers.BatchNormalization(axis=0))(np.zeros((2, 4, 3))),
         r"without the batch axis 0, got \[0\]"),
    ],
)
def test_error_messages(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_failed_add_leaves_the_model_as_it_was():
    model = _model(layers.Dense(2))
    with pytest.raises(ValueError, match="got a cell"):
        model.add(layers.GRUCell(2))
    assert len(model.layers) == 1 and model.output_shape == (None, 4, 2)


@pytest.mark.parametrize("name", ["ConcordanceCorrelation", "PearsonCorrelation"])
def test_metrics_in_python_see_the_mask(keras, rng, name):
    def build(module):
        L = module.layers
        return module.Sequential([
            module.Input((5, 4)), L.Masking(), L.LSTM(3, return_sequences=True),
        ])

    mine, theirs = build(pyseq), build(keras)
    mine.set_weights(theirs.get_weights())
    x = rng.normal(size=(9, 5, 4)).astype("float32")
    x[:, 3:] = 0
    y = rng.normal(size=(9, 5, 3)).astype("float32")
    for model, module in ((mine, pyseq), (theirs, keras)):
        model.compile("sgd", "mse", metrics=[getattr(module.metrics, name)(name="metric")])
    options = {"verbose": 0, "batch_size": 4, "return_dict": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs.evaluate(x, y, **options)
    assert mine.evaluate(x, y, **options)["metric"] == pytest.approx(expected["metric"], abs=1e-5)
