"""Errors that say what is meant: misspelt names, missing axes, data frames, lists of layers."""

import warnings

import numpy as np
import pytest

import pyseq
from pyseq import checks, layers, optimizers, settings

rng = np.random.default_rng(0)
X = rng.normal(size=(16, 4)).astype("float32")
Y = X[:, :1]
IMAGES = rng.normal(size=(16, 6, 6)).astype("float32")


def compiled(*parts, shape=(4,), loss="mse", **options):
    model = pyseq.Sequential([pyseq.Input(shape), *parts], name="stack")
    model.compile("sgd", loss, **options)
    return model


def dense(units=1, activation=None, name="last"):
    return layers.Dense(units, activation=activation, name=name)


def conv(shape=(6, 6, 1)):
    return compiled(layers.Conv2D(2, 3, name="conv"), layers.Flatten(), dense(), shape=shape)


class Frame:
    """What a data frame has."""

    columns = ("age", "city")
    dtypes = (np.dtype("int64"), np.dtype("O"))
    shape = (2, 2)

    def __array__(self, dtype=None, copy=None):
        return np.array([[1, "Bern"], [2, "Rome"]], object)


def objects():
    array = X.astype(object)
    array[3, 2] = "red"
    return array


def rows_one_by_one():
    yield from zip(X, Y)


def named(**names):
    model = compiled(dense(2, "softmax"), loss="sparse_categorical_crossentropy")
    model.fit(X, np.zeros(16), class_weight=names, verbose=0)


ENCODE = "encode categories first (layers.StringLookup, utils.to_categorical) or drop the column"
HINTS = [
    (lambda: compiled(dense(), metrics=["acuracy"]).fit(X, Y, verbose=0),
     "metrics.get: expected the name of a metric, got 'acuracy'; did you mean 'accuracy'?"),
    (lambda: optimizers.get("adma"),
     "optimizers.get: expected the name of an optimizer, got 'adma'; did you mean 'adam'?"),
    (lambda: dense(1, "rleu"),
     "activations.get: expected the name of an activation, got 'rleu'; did you mean 'relu'?"),
    (lambda: layers.Dense(3, activaton="relu", name="d"),
     "d: expected arguments of Dense, got unknown ['activaton']; did you mean 'activation'?"),
    (lambda: layers.Conv2D(3, 3, pading="same", name="c"),
     "c: expected arguments of Conv2D, got unknown ['pading']; did you mean 'padding'?"),
    (lambda: layers.Dense(3, colour=1, name="d"),
     "d: expected arguments of Dense, got unknown ['colour']; check the spelling"),
    (lambda: optimizers.Adam(learning_rat=0.1),
     "Adam: expected the documented arguments, got ['learning_rat']; did you mean 'learning_rate'?"),
    (lambda: optimizers.Adam(rate=0.1),
     "Adam: expected the documented arguments, got ['rate']; write learning_rate="),
    (lambda: compiled([layers.Lambda(abs, name="l")]),
     "stack.add: expected a layer, got list [<Lambda name=l, built=False>]; put * before it to add its "
     "layers, or make it a Sequential([...]) of its own"),
    (lambda: compiled(layers.LSTM(3, name="a"), layers.LSTM(3, name="b"), shape=(5, 2)),
     "b: expected sequences (n, T, features), but layer a gives its last step only, (n, features); "
     "set return_sequences=True in layer a"),
    (lambda: compiled(layers.Bidirectional(layers.GRU(3), name="a"), layers.Conv1D(3, 2, name="b"),
                      shape=(5, 2)),
     "b: expected sequences (n, T, features), but layer a gives its last step only, (n, features); "
     "set return_sequences=True in layer a"),
    (lambda: conv().predict(np.ones((6, 6, 1)), verbose=0),
     "stack: expected an input of shape (None, 6, 6, 1), got (6, 6, 1); this is one row without the "
     "batch axis: pass x[None]"),
    (lambda: compiled(dense()).predict(X[0], verbose=0),
     "stack: expected an input of shape (None, 4), got (4,); this is one row without the batch axis: "
     "pass x[None]"),
    (lambda: compiled(dense()).predict(np.ones((2, 3)), verbose=0),
     "stack: expected an input of shape (None, 4), got (2, 3); reshape the data or change the Input"),
    (lambda: layers.Conv2D(2, 3, name="conv")(np.ones((6, 6, 1))),
     "conv: expected an input of 4 dimensions (the batch included), got shape (6, 6, 1); its "
     "dimensions are (n, height, width, channels): add a missing channel axis with x[..., None], a "
     "missing batch axis with x[None]"),
    (lambda: compiled(dense()).fit(objects(), Y, verbose=0),
     f"fit: x: expected numbers, got 'red' in row 3 of column 2 of an object array; {ENCODE}"),
    (lambda: compiled(dense(), shape=(2,)).fit(Frame(), Y[:2], verbose=0),
     f"fit: x: expected numbers, got 'Bern' in row 0 of column 'city' of dtype object; {ENCODE}"),
    (lambda: compiled(dense()).fit(np.array([[1, 2], [3]], object), Y[:2], verbose=0),
     "fit: x: expected numbers in rows of one length, got an object array with 2 values in row 0; pad "
     "sequences with utils.pad_sequences, join arrays with np.stack"),
    (lambda: compiled(dense()).fit(rows_one_by_one(), verbose=0),
     "fit: expected batches (n, ...) of x and y, got one row of shape (4,) with a target of shape "
     "(1,); batch the data first, such as with dataset.batch(32)"),
    (lambda: compiled(dense()).fit(((x, y[0]) for x, y in zip(X, Y)), verbose=0),
     "fit: expected batches (n, ...) of x and y, got one row of shape (4,) with a target of shape (); "
     "batch the data first, such as with dataset.batch(32)"),
    (lambda: named(cat=1.0, dog=2.0),
     "fit: expected class_weight with the numbers of classes as keys, got 'cat'; write {0: ..., 1: "
     "...}, in the order of the labels"),
]  # fmt: skip


@pytest.mark.parametrize("act, text", HINTS, ids=range(len(HINTS)))
def test_errors(act, text):
    with pytest.raises(ValueError) as caught:
        act()
    assert str(caught.value) == text


def test_two_classes_and_one_column_of_labels():
    with pytest.warns(checks.CheckWarning, match="PS104"):
        model = compiled(dense(2, "softmax"), loss="binary_crossentropy")
    with pytest.raises(checks.CheckError) as caught:
        model.fit(X, Y > 0, verbose=0)
    assert str(caught.value) == (
        "fit: binary_crossentropy expected targets of shape (None, 2) to match the output of layer last "
        "(None, 2), got (None, 1); for one column of labels use loss='sparse_categorical_crossentropy' "
        "with 2 units and softmax, or 1 unit with sigmoid [PS204]"
    )


def test_images_without_a_channel_axis_get_it():
    model = conv()
    for act in (
        lambda: model.fit(IMAGES, Y, verbose=0), lambda: model.predict(IMAGES, verbose=0),
        lambda: model.evaluate(IMAGES, Y, verbose=0), lambda: model.train_on_batch(IMAGES, Y),
        lambda: model.fit(iter([(IMAGES, Y)]), verbose=0), lambda: model(IMAGES),
    ):  # fmt: skip
        with pytest.warns(checks.CheckWarning) as told:
            act()
        assert {str(w.message) for w in told} == {
            "x: expected rows of shape (None, 6, 6, 1), got (16, 6, 6); the last axis was added: write "
            "x[..., None] [PS310]"
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = model.predict(IMAGES, verbose=0)
    np.testing.assert_array_equal(given, model.predict(IMAGES[..., None], verbose=0))
    with pytest.raises(ValueError, match="reshape the data"):
        model.predict(np.ones((2, 5, 6)), verbose=0)


def test_texts_go_into_a_text_layer():
    """In whatever they are held."""
    for x in (["a b", "c"], np.array(["a b", "c"]), np.array([["a b"], ["c"]], object)):
        text = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
        model = pyseq.Sequential([text, layers.Embedding(4, 2), layers.Flatten(), dense()])
        model.compile("sgd", "mse")
        model.fit(x, np.zeros(2), verbose=0)
        assert model.check(x, np.zeros(2)) == []


def test_old_spellings_still_mean_the_learning_rate(monkeypatch):
    monkeypatch.setattr(settings, "compat_notices", False)
    assert float(optimizers.Adam(lr=0.5).learning_rate) == 0.5
