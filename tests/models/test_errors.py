"""Classic mistakes: each message names the layer or argument, the rule, the value, and a remedy."""

import re

import numpy as np
import pytest

import pyseq
from pyseq import layers

ones = np.ones


def build(*stack, shape=None):
    return pyseq.Sequential([*([pyseq.Input(shape)] if shape is not None else []), *stack])


def compiled(*stack, shape=None, loss="mse", **options):
    model = build(*stack, shape=shape)
    model.compile("sgd", loss, **options)
    return model


def fit(model, x, y, **more):
    return model.fit(x, y, verbose=0, **more)


def classifier(units=3, loss="sparse_categorical_crossentropy", activation="softmax"):
    return compiled(layers.Dense(units, activation=activation, name="head"), shape=(4,), loss=loss)


# Name, what to do, kind of exception, what the message must say.
MISTAKES = [
    ("no input shape: summary of weights", lambda: build(layers.Dense(2)).count_params(),
     ValueError, ["build"]),
    ("no input shape: build", lambda: build(layers.Dense(2)).build(), ValueError, ["Input(shape)"]),
    ("no input shape: output_shape", lambda: build(layers.Dense(2)).output_shape, AttributeError,
     ["Input(shape)"]),
    ("empty model", lambda: build().build((None, 2)), ValueError, ["at least one layer"]),
    ("Input is not a tuple", lambda: pyseq.Input(3), ValueError, ["(3,)"]),
    ("Input in the middle", lambda: build(layers.Dense(1), pyseq.Input((2,)), shape=(2,)),
     ValueError, ["first layer"]),
    ("a class instead of a layer", lambda: build(layers.Dense, shape=(2,)), ValueError,
     ["Dense(...)"]),
    ("a dict instead of a layer", lambda: build({}, shape=(2,)), ValueError, ["got dict {}"]),
    ("a seed of text", lambda: layers.Dropout(0.5, seed="x"), ValueError, ["integer", "'x'"]),
    ("a generator's seed of text", lambda: pyseq.random.SeedGenerator("x"), ValueError, ["'x'"]),
    ("a generator's unknown argument", lambda: pyseq.random.SeedGenerator(1, other=2), ValueError,
     ["'other'"]),
    ("a draw with a seed of text", lambda: pyseq.random.normal((2,), seed="x"), ValueError, ["'x'"]),
    ("a number as constraint", lambda: layers.Dense(2, kernel_constraint=3), ValueError,
     ["constraints.get", "got 3"]),
    ("a number as metric", lambda: pyseq.metrics.get(3), ValueError, ["metrics.get", "got 3"]),
    ("a function instead of a layer", lambda: build(np.tanh, shape=(2,)), ValueError,
     ["layers.Activation"]),
    ("one layer instead of a list", lambda: pyseq.Sequential(layers.Dense(1)), TypeError,
     ["Sequential([layer"]),
    ("an image without channels", lambda: build(layers.Conv2D(4, 3, name="conv"), shape=(28, 28)),
     ValueError, ["conv", "4 dimensions", "(None, 28, 28)", "channel"]),
    ("a vector into LSTM", lambda: build(layers.LSTM(3, name="lstm"), shape=(5,)), ValueError,
     ["lstm", "3 dimensions", "(None, 5)"]),
    ("wrong rank of data", lambda: build(layers.Dense(1), shape=(4,)).predict(ones((2, 3, 4)),
                                                                             verbose=0),
     ValueError, ["(None, 4)", "(2, 3, 4)"]),
    ("wrong width of data", lambda: build(layers.Dense(1), shape=(4,)).predict(ones((2, 5)),
                                                                              verbose=0),
     ValueError, ["(None, 4)", "(2, 5)"]),
    ("kernel larger than the image",
     lambda: build(layers.Conv2D(2, 5, name="conv"), shape=(3, 3, 1)), ValueError, ["conv"]),
    ("Conv2D into Dense without Flatten",
     lambda: fit(compiled(layers.Conv2D(2, 3), layers.Dense(3, activation="softmax", name="head"),
                          shape=(6, 6, 1), loss="sparse_categorical_crossentropy"),
                 ones((8, 6, 6, 1)), np.zeros(8, int)),
     ValueError, ["head", "Flatten"]),
    ("return_sequences before the last Dense",
     lambda: fit(compiled(layers.LSTM(3, return_sequences=True), layers.Dense(1, name="head"),
                          shape=(5, 2), loss="binary_crossentropy"), ones((4, 5, 2)), ones(4)),
     ValueError, ["head", "return_sequences=False"]),
    ("labels out of range", lambda: fit(classifier(), ones((4, 4)), np.array([0, 1, 2, 3])),
     ValueError, ["0 to 2", "from 0 to 3"]),
    ("labels from 1", lambda: fit(classifier(), ones((3, 4)), np.array([1, 2, 3])), ValueError,
     ["from 1 to 3", "4 units"]),
    ("negative labels", lambda: fit(classifier(), ones((2, 4)), np.array([-1, 1])), ValueError,
     ["from -1 to 1"]),
    ("one-hot targets with a sparse loss", lambda: fit(classifier(), ones((4, 4)), np.eye(4)[:, :3]),
     ValueError, ["one-hot", "categorical_crossentropy"]),
    ("integer labels with a one-hot loss",
     lambda: fit(classifier(loss="categorical_crossentropy"), ones((4, 4)), np.array([0, 1, 2, 1])),
     ValueError, ["to_categorical", "sparse_categorical_crossentropy"]),
    ("units do not match the targets", lambda: fit(compiled(layers.Dense(2, name="head"),
                                                            shape=(4,)), ones((3, 4)), ones((3, 5))),
     ValueError, ["head", "(None, 2)", "(None, 5)", "5 units"]),
    ("different numbers of rows", lambda: fit(compiled(layers.Dense(1), shape=(4,)), ones((5, 4)),
                                              ones(6)),
     ValueError, ["cardinality", "5", "6"]),
    ("rows of sample_weight", lambda: fit(compiled(layers.Dense(1), shape=(4,)), ones((5, 4)),
                                          ones(5), sample_weight=ones(4)), ValueError,
     ["sample_weight"]),
    ("no data", lambda: fit(compiled(layers.Dense(1), shape=(4,)), ones((0, 4)), ones(0)),
     ValueError, ["at least one row"]),
    ("no rows to predict", lambda: build(layers.Dense(1), shape=(4,)).predict(ones((0, 4)),
                                                                              verbose=0),
     ValueError, ["at least one row"]),
    ("text as data", lambda: fit(compiled(layers.Dense(1), shape=(2,)), np.array([["a", "b"]]),
                                 ones(1)), ValueError, ["numbers", "TextVectorization"]),
    ("ragged rows", lambda: fit(compiled(layers.Dense(1), shape=(2,)),
                                np.array([[1, 2], [3]], dtype=object), ones(2)), ValueError,
     ["pad_sequences"]),
    ("a list of lists and arrays", lambda: fit(compiled(layers.Dense(1), shape=(2,)),
                                               [[1.0, 2.0], ones(2)], ones(2)), ValueError,
     ["np.array"]),
    ("lists of several lengths", lambda: fit(compiled(layers.Dense(1), shape=(2,)),
                                             [[1.0, 2.0], [3.0]], ones(2)), ValueError,
     ["pad_sequences"]),
    ("two inputs", lambda: fit(compiled(layers.Dense(1), shape=(2,)), [ones((3, 2)), ones((3, 2))],
                               ones(3)), ValueError, ["one input"]),
    ("no targets", lambda: fit(compiled(layers.Dense(1), shape=(2,)), ones((3, 2)), None),
     ValueError, ["pass y"]),
    ("not compiled", lambda: fit(build(layers.Dense(1), shape=(2,)), ones((3, 2)), ones(3)),
     ValueError, ["compile"]),
    ("no loss", lambda: fit(compiled(layers.Dense(1), shape=(2,), loss=None), ones((3, 2)),
                            ones(3)), ValueError, ["loss"]),
    ("unknown loss", lambda: fit(compiled(layers.Dense(1), shape=(2,), loss="mqe"), ones((3, 2)),
                                 ones(3)), ValueError, ["mqe"]),
    ("unknown optimizer", lambda: build(layers.Dense(1)).compile("addam", "mse"), ValueError,
     ["addam"]),
    ("unknown activation", lambda: layers.Dense(1, activation="rellu"), ValueError, ["rellu"]),
    ("unknown argument", lambda: layers.Dense(1, activaton="relu"), ValueError, ["activaton"]),
    ("zero units", lambda: layers.Dense(0), ValueError, ["units", "0"]),
    ("zero filters", lambda: layers.Conv2D(0, 3), ValueError, ["filters", "0"]),
    ("negative strides", lambda: layers.Conv2D(2, 3, strides=-1), ValueError, ["strides", "-1"]),
    ("zero pool", lambda: layers.MaxPooling2D(0), ValueError, ["pool_size", "0"]),
    ("dropout rate above 1", lambda: layers.Dropout(1.5), ValueError, ["rate", "1.5"]),
    ("an axis that is not there",
     lambda: build(layers.LayerNormalization(axis=4, name="norm"), shape=(3,)), ValueError,
     ["norm", "4"]),
    ("Reshape to another size", lambda: build(layers.Reshape((5, 2), name="shape"), shape=(9,)),
     ValueError, ["shape", "9"]),
    ("batch size 0", lambda: fit(compiled(layers.Dense(1), shape=(2,)), ones((3, 2)), ones(3),
                                 batch_size=0), ValueError, ["batch_size"]),
    ("validation_split of 1", lambda: fit(compiled(layers.Dense(1), shape=(2,)), ones((3, 2)),
                                          ones(3), validation_split=1.0), ValueError,
     ["validation_split"]),
    ("class_weight is not a dict", lambda: fit(classifier(), ones((3, 4)), np.zeros(3, int),
                                               class_weight=[1, 2]), TypeError, ["dict"]),
    ("class_weight and sample_weight",
     lambda: fit(classifier(), ones((3, 4)), np.zeros(3, int), class_weight={0: 1.0},
                 sample_weight=ones(3)), ValueError, ["class_weight", "sample_weight"]),
    ("Model of two inputs",
     lambda: pyseq.Model([pyseq.Input((2,)), pyseq.Input((2,))],
                         layers.Dense(1)(pyseq.Input((2,)))),
     ValueError, ["one input", "Sequential"]),
    ("Model of no tensors", lambda: pyseq.Model(1, 2), TypeError, ["symbolic", "int"]),
    ("NumPy on a symbolic tensor", lambda: np.sqrt(pyseq.Input((2,))), ValueError, ["Lambda"]),
    ("a generator with y", lambda: fit(compiled(layers.Dense(1), shape=(2,)), iter([]), ones(3)),
     ValueError, ["(x, y"]),
    ("an empty generator", lambda: compiled(layers.Dense(1), shape=(2,)).fit(iter([]), verbose=0),
     ValueError, ["at least one batch"]),
]


@pytest.mark.parametrize("name, act, kind, words", MISTAKES, ids=[m[0] for m in MISTAKES])
@pytest.mark.filterwarnings("ignore")
def test_mistake(name, act, kind, words):
    with pytest.raises(kind) as caught:
        act()
    text = str(caught.value)
    for word in words:
        assert word in text, f"expected {word!r} in: {text}"
    assert len(text) < 1000


def test_expected_and_got():
    """The form of messages: where, rule, value, remedy."""
    with pytest.raises(ValueError) as caught:
        fit(classifier(), ones((4, 4)), np.array([0, 1, 2, 3]))
    assert re.match(r"fit: .*expected .*, got .*; .*", str(caught.value))


@pytest.mark.parametrize(
    "model, y, words",
    [
        (lambda: classifier(1, "categorical_crossentropy"), ones((4, 1)), "sigmoid"),
        (lambda: classifier(2, "binary_crossentropy"), np.eye(2)[[0, 1, 1, 0]],
         "categorical_crossentropy"),
        (lambda: classifier(3, activation=None), np.zeros(4, int), "from_logits"),
    ],
)
def test_warnings_about_outputs_that_cannot_learn(model, y, words):
    with pytest.warns(UserWarning, match=words):
        fit(model(), ones((4, 4)), y)


def test_layers_with_two_inputs_name_the_alternative():
    for name in ("Concatenate", "Add", "Attention"):
        with pytest.raises(ValueError, match="Sequential"):
            pyseq.Sequential([pyseq.Input((3,)), getattr(layers, name)()])


def test_a_failed_fit_leaves_the_model_usable():
    model = classifier()
    with pytest.raises(ValueError):
        fit(model, ones((4, 4)), np.array([0, 1, 2, 9]))
    fit(model, ones((4, 4)), np.array([0, 1, 2, 0]))
    assert model.predict(ones((1, 4)), verbose=0).shape == (1, 3)


def test_token_ids_out_of_range():
    model = build(layers.Embedding(5, 2, name="words"), shape=(3,))
    with pytest.raises(ValueError, match="words: expected ids from 0 to 4, got 5.* in row 1; .*"):
        model.predict(np.array([[0, 4, 1], [0, 1, 5]]), verbose=0)


def test_an_own_training_step_is_refused():
    class Odd(pyseq.Sequential):
        def train_step(self, data):
            return {}

    model = Odd([pyseq.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="train_step.*compute_loss.*train_on_batch"):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_operators_on_symbolic_tensors_name_the_alternative():
    x = pyseq.Input((3,))
    a, b = layers.Dense(2)(x), layers.Dense(2)(x)
    for code in (lambda: a + b, lambda: 2 * a, lambda: a[:, 0], lambda: -a, lambda: a @ b):
        with pytest.raises(TypeError, match="layers.Lambda or.*layer or Model of your own"):
            code()
    with pytest.raises(ValueError, match="a subclass of Model with a `call`"):
        pyseq.Model(x, [a, b])
