"""Errors that say what is meant: misspelt names, missing axes, data frames, lists of layers."""

import inspect
import warnings

import numpy as np
import pytest

import pyseq
from pyseq import checks, initializers, layers, optimizers, settings
from pyseq.compat.notices import CompatNotice

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
    (lambda: compiled(dense(), metrics=["acuracy"]),
     "metrics.get: expected the name of a metric, got 'acuracy'; did you mean 'accuracy'?"),
    (lambda: compiled(dense(), weighted_metrics={"a": [["mae", "mean_absolut_error"]]}),
     "metrics.get: expected the name of a metric, got 'mean_absolut_error'; did you mean "
     "'mean_absolute_error'?"),
    (lambda: compiled(dense(), loss="mean_squared_eror"),
     "losses.get: expected the name of a loss, got 'mean_squared_eror'; did you mean "
     "'mean_squared_error'?"),
    (lambda: compiled(dense(), loss="my_loss"),
     "losses.get: expected the name of a loss, got 'my_loss'; pyseq.losses has all names; pass what is "
     "your own itself"),
    (lambda: initializers.get("he_norml"),
     "initializers.get: expected the name of an initializer, got 'he_norml'; did you mean 'he_normal'?"),
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


ARGUMENTS = [
    ("compile", {"metric": ["mae"]}, "got metric=; did you mean metrics=?"),
    ("compile", {"optimiser": "sgd"}, "got optimiser=; did you mean optimizer=?"),
    ("compile", {"los": "mse", "loss_weight": 2}, "got los=, loss_weight=; did you mean loss=? did you "
     "mean loss_weights=?"),
    ("fit", {"epoch": 3}, "got epoch=; did you mean epochs=?"),
    ("fit", {"num_epochs": 3}, "got num_epochs=; did you mean epochs=?"),
    ("fit", {"batch": 3, "workers": 1}, "got batch=; did you mean batch_size=?"),
    ("fit", {"val_data": (X, Y)}, "got val_data=; did you mean validation_data=?"),
    ("fit", {"validation": (X, Y)}, "got validation=; did you mean validation_split= or "
     "validation_data=?"),
    ("evaluate", {"batchsize": 3}, "got batchsize=; did you mean batch_size=?"),
    ("evaluate", {"colour": 3}, "got colour=; it takes x, y, batch_size, verbose, sample_weight, steps, "
     "callbacks, return_dict"),
    ("predict", {"batchsize": 3}, "got batchsize=; did you mean batch_size=?"),
    ("predict", {"workers": 2, "verbos": 0}, "got verbos=; did you mean verbose=?"),
]  # fmt: skip


@pytest.mark.parametrize("name, arguments, text", ARGUMENTS)
def test_misspelt_arguments(name, arguments, text):
    method = getattr(compiled(dense()), name)
    with warnings.catch_warnings(), pytest.raises(TypeError) as caught:
        warnings.simplefilter("ignore", CompatNotice)
        method(*{"compile": (), "predict": (X,)}.get(name, (X, Y)), **arguments)
    assert str(caught.value) == f"{name}: expected arguments that it takes, {text}"


@pytest.mark.parametrize("name", ["compile", "fit", "evaluate"])
def test_signatures_show_what_is_taken(name):
    parameters = inspect.signature(getattr(pyseq.Sequential, name)).parameters.values()
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)


@pytest.mark.parametrize("wrong", [{"optimizer": "adma"}, {"loss": "mse_"}, {"metrics": ["acuracy"]}])
def test_a_name_that_compile_refuses_changes_nothing(wrong):
    model = compiled(dense(), metrics=["mae"])
    optimizer = model.optimizer
    with pytest.raises(ValueError, match="did you mean"):
        model.compile(**{"optimizer": "adam", "loss": "mse", "metrics": ["mse"], **wrong})
    assert model.optimizer is optimizer and model.loss == "mse"
    assert list(model.evaluate(X, Y, verbose=0, return_dict=True)) == ["loss", "mae"]


def test_names_of_a_file_are_looked_up_when_they_are_needed():
    model = compiled(dense())
    config = {**model.get_compile_config(), "loss": "theirs", "metrics": ["their_metric"]}
    model.compile_from_config(config)
    assert model.predict(X, verbose=0).shape == (16, 1)
    with pytest.raises(ValueError, match="losses.get: expected the name of a loss, got 'theirs'"):
        model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="got 'theirs'"):
        model.compile(loss="theirs")


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
