"""Models that begin with layers on text, beside the same model on the numbers that these make."""

import copy
import pickle

import numpy as np
import pytest
from text_pairs import IDS, TEXTS, Batches, Y, pair, vectorize

import pyseq
from pyseq import layers, saving
from pyseq.training import text


def series(x, dtype=None):
    return pytest.importorskip("pandas").Series(x, dtype=dtype)


FORMS = {
    "U": lambda x: x,
    "S": lambda x: x.astype("S"),
    "object": lambda x: x.astype(object),
    "bytes": lambda x: x.astype("S").astype(object),
    "column": lambda x: x[:, None],
    "list": lambda x: x.tolist(),
    "rows": lambda x: x[:, None].tolist(),
    "wrapped": lambda x: [x],
    "dict": lambda x: {"text": x},
    "series": series,
    "string series": lambda x: series(x, "string"),
    "categories": lambda x: series(x, "category"),
    "frame": lambda x: pytest.importorskip("pandas").DataFrame({"text": x}),
}
if hasattr(np.dtypes, "StringDType"):
    FORMS["T"] = lambda x: x.astype(np.dtypes.StringDType())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1,), ()])
def test_every_form_of_text_in_every_way_of_running(form, shape):
    x = FORMS[form](TEXTS)
    model, twin = pair(shape=shape)
    want = twin.predict(IDS, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), want)
    np.testing.assert_array_equal(model.predict(x, batch_size=7, verbose=2), want)
    np.testing.assert_array_equal(model.predict_on_batch(x), want)
    np.testing.assert_array_equal(model(x), want)
    assert model.evaluate(x, Y, verbose=0) == twin.evaluate(IDS, Y, verbose=0)
    assert model.test_on_batch(x, Y) == twin.test_on_batch(IDS, Y)
    assert model.train_on_batch(x, Y) == twin.train_on_batch(IDS, Y)
    histories = []
    for m, data in ((model, x), (twin, IDS)):
        pyseq.utils.set_random_seed(1)
        fit = {"validation_split": 0.2, "epochs": 2, "batch_size": 4, "verbose": 0}
        histories.append(m.fit(data, Y, **fit).history)
    assert histories[0] == histories[1]
    assert len(histories[0]["val_loss"]) == 2


@pytest.mark.parametrize("form", ["U", "list", "object"])
@pytest.mark.parametrize("workers", [1, 3])
def test_streams(form, workers):
    model, twin = pair()
    histories = []
    for m, x in ((model, FORMS[form](TEXTS)), (twin, IDS)):
        batches = Batches(x, workers=workers)
        more = {"validation_data": Batches(x), "epochs": 2, "shuffle": False, "verbose": 0}
        first = m.fit(batches, **more).history
        second = m.fit((batches[i] for i in range(4)), validation_data=(x, Y), verbose=0).history
        histories.append((first, second, m.evaluate(batches, verbose=0)))
        histories.append(m.predict((batches[i] for i in range(4)), verbose=0))
    assert histories[0] == histories[2]
    np.testing.assert_array_equal(histories[1], histories[3])


def char_codes(x):
    return np.array([[ord(c) % 4 for c in t.ljust(2)[:2]] for t in x.ravel().tolist()])


class Lower(layers.Layer):
    def call(self, x):
        return np.char.lower(x)


class Codes(layers.Layer):
    text_policy = "read"

    def call(self, x):
        return char_codes(x)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2)


def lookup(**more):
    return layers.StringLookup(vocabulary=["a b", "b c"], **more)


# What stands in front: layers, and the ids that they make of TEXTS[:6].
FRONTS = {
    "TextVectorization": (lambda: [vectorize()], IDS[:6]),
    "a model": (lambda: [pyseq.Sequential([vectorize()])], IDS[:6]),
    "models in models": (lambda: [pyseq.Sequential([pyseq.Sequential([vectorize()])])], IDS[:6]),
    "code": (lambda: [Lower(), vectorize(standardize="strip_punctuation")], IDS[:6]),
    "Lambda": (lambda: [layers.Lambda(np.char.upper), vectorize()], IDS[:6]),
    "a reader of one's own": (lambda: [Codes()], char_codes(TEXTS[:6])),
    "there and back": (
        lambda: [lookup(), lookup(invert=True), vectorize(standardize=None)],
        # Unknown texts come back as "[UNK]", which is unknown again.
        np.array([[2, 3], [3, 1], [1, 0], [1, 0], [1, 0], [1, 0]]),
    ),
}


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("declared", [True, False])
def test_what_may_stand_in_front(front, declared):
    make, ids = FRONTS[front]
    model, twin = pair(make(), declared)
    np.testing.assert_array_equal(
        model.predict(TEXTS[:6], verbose=0), twin.predict(ids, verbose=0)
    )
    assert model.train_on_batch(TEXTS[:6], Y[:6]) == twin.train_on_batch(ids, Y[:6])


def test_a_model_in_front_with_further_layers():
    model, twin = pair()
    outer = pyseq.Sequential([pyseq.Input((1,), dtype="string"), model, layers.Dense(2)])
    other = pyseq.Sequential([pyseq.Input((2,), dtype="int64"), twin, layers.Dense(2)])
    other.set_weights(outer.get_weights())
    want = other.predict(IDS, verbose=0)
    np.testing.assert_array_equal(outer.predict(TEXTS, verbose=0), want)
    assert outer.output_shape == (None, 2)


@pytest.mark.parametrize("words", [["a", "b", "c"], ["x", "a", "b"]])
def test_string_lookup_of_words(words):
    model = pyseq.Sequential([layers.StringLookup(vocabulary=words), layers.Embedding(4, 2)])
    x = np.array([["a", "b"], ["z", "a"]])
    got = model.predict(x, verbose=0)
    at = {w: i + 1 for i, w in enumerate(words)}
    ids = [[at.get(w, 0) for w in row] for row in x.tolist()]
    np.testing.assert_array_equal(got, model.layers[1].get_weights()[0][ids])


def test_hashing_takes_numbers_and_text_in_turn():
    model = pyseq.Sequential([layers.Hashing(7), layers.Embedding(7, 2)])
    numbers = np.array([[1], [2], [30]])
    first = model.predict(numbers, verbose=0)
    np.testing.assert_array_equal(model.predict(numbers.astype(str), verbose=0), first)
    np.testing.assert_array_equal(model.predict(numbers, verbose=0), first)
    np.testing.assert_array_equal(model(numbers.astype(str).tolist()), first)
    declared = pyseq.Sequential([pyseq.Input((1,), dtype="string"), layers.Hashing(3)])
    got = declared.predict(np.array(["A", "B"]), verbose=0)
    assert got.tolist() == [[1], [0]] and got.dtype == "int64"


def test_lengths_that_are_not_set_are_those_of_the_longest():
    model = pyseq.Sequential(
        [
            pyseq.Input((1,), dtype="string"),
            vectorize(output_sequence_length=None),
            layers.Embedding(4, 2),
            layers.GlobalMaxPooling1D(),
        ]
    )
    table = np.array([[0.0, 0], [1, 5], [2, 4], [3, 3]])
    model.set_weights([table])
    x = np.array(["a"] * text.CHUNK + ["a b a"])
    want = [table[[2, 0]].max(axis=0), table[[2, 3]].max(axis=0)]
    np.testing.assert_array_equal(model.predict(x, verbose=0)[[0, -1]], want)
    np.testing.assert_array_equal(model.predict(np.array(["a"]), verbose=0), table[[2]])


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_encoded_rows_that_would_fill_the_memory(mode, monkeypatch):
    def model():
        front = layers.TextVectorization(vocabulary=["a", "b"], output_mode=mode)
        m = pyseq.Sequential([pyseq.Input((1,), dtype="string"), front, layers.Dense(1)])
        m.set_weights([np.array([[1.0], [10], [100]]), np.zeros(1)])
        m.compile("sgd", "mse")
        return m

    want = {"multi_hot": [110, 101, 0, 110, 110, 1], "count": [110, 101, 0, 210, 110, 1]}[mode]
    results = []
    for limit in (text.AT_ONCE, 0):
        monkeypatch.setattr(text, "AT_ONCE", limit)
        m = model()
        np.testing.assert_array_equal(m.predict(TEXTS[:6], verbose=0).ravel(), want)
        np.testing.assert_array_equal(m.predict(TEXTS[:6].tolist(), 4, 2).ravel(), want)
        pyseq.utils.set_random_seed(2)
        fit = {"validation_split": 0.2, "epochs": 2, "batch_size": 4, "verbose": 0}
        history = m.fit(TEXTS, Y * 1e-3, **fit).history
        results.append((history, m.evaluate(TEXTS, Y, verbose=0), m.train_on_batch(TEXTS, Y)))
    assert results[0] == results[1]


def test_a_vocabulary_learned_later():
    front = layers.TextVectorization(output_sequence_length=2)
    model, twin = pair([front])
    with pytest.raises(ValueError, match="expected a vocabulary"):
        model.predict(TEXTS, verbose=0)
    front.adapt(["a b", "b"])  # the most frequent first
    want = twin.predict(np.array([[3, 2]]), verbose=0)
    np.testing.assert_array_equal(model.predict(np.array(["a b"]), verbose=0), want)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_files(ending, tmp_path):
    model, _ = pair()
    model.fit(TEXTS, Y, verbose=0)
    path = str(tmp_path / f"m{ending}")
    model.save(path)
    loaded = saving.load_model(path)
    np.testing.assert_array_equal(loaded(TEXTS), model(TEXTS))
    assert loaded.evaluate(TEXTS, Y, verbose=0) == model.evaluate(TEXTS, Y, verbose=0)
    assert loaded.train_on_batch(TEXTS, Y) == model.train_on_batch(TEXTS, Y)


def test_layers_added_and_removed():
    model, _ = pair()
    model(TEXTS)
    last = [model.pop() for _ in range(4)][::-1]  # all of them
    model.add(Lower())
    for layer in last:
        model.add(layer)
    inputs = np.array(["A", "B a"])
    other = pyseq.Sequential([pyseq.Input((2,), dtype="int64"), *last[1:]])
    want = other.predict(np.array([[2, 0], [3, 2]]), verbose=0)
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), want)
    model.layers[1].set_vocabulary(["b", "a"])
    want = other.predict(np.array([[3, 0], [2, 3]]), verbose=0)
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), want)


def test_copies_and_parts():
    model, _ = pair()
    want = model(TEXTS)
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(same(TEXTS), want)
    ids, embedded, out = pyseq.Model(
        model.input, [model.layers[i].output for i in (0, 1, 3)]
    ).predict(TEXTS, verbose=0)
    np.testing.assert_array_equal(ids, IDS)
    np.testing.assert_array_equal(embedded, model.layers[1].get_weights()[0][IDS])
    np.testing.assert_array_equal(out, want)
    front = pyseq.Model(model.input, model.layers[0].output)
    np.testing.assert_array_equal(front.predict(TEXTS, verbose=0), IDS)
    assert front.predict(TEXTS, verbose=0).dtype == "int64"


def test_export_of_copies_and_parts(tmp_path):
    model, _ = pair()
    front = pyseq.Model(model.input, model.layers[0].output)
    for part in (model, copy.deepcopy(model), front):
        part.export(tmp_path / "m.pyseq")
        loaded = pyseq._core.Model.load(str(tmp_path / "m.pyseq"))
        want = part.predict(TEXTS, verbose=0)
        np.testing.assert_array_equal(loaded.predict(np.ravel(TEXTS).tolist()), want)


def test_profile_of_text():
    model, _ = pair()
    assert "dense" in str(model.profile(TEXTS, Y, batch_size=8, steps=2))


@pytest.mark.parametrize(
    "x, error, message",
    [
        ("a b", ValueError, r"got a single text; put it into a list: \[text\]"),
        (["a", None], ValueError, 'got None in row 1; replace what is missing .* with ""'),
        (np.array(["a", np.nan], object), ValueError, "got nan in row 1"),
        ([["a", "b"], ["c"]], ValueError, "rows of one length"),
        ([["a", "b"]] * 2, ValueError, r"an input of shape \(None, 1\), got \(2, 2\)"),
        (np.array([[1, 2]]), TypeError, "expected texts, got dtype int64"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, "expected texts, got dtype datetime"),
        (np.array([b"a", b"\xff"]), ValueError, r"UTF-8 bytes, got b'\\xff'; decode it"),
        (np.array("a"), ValueError, "expected an array of rows"),
    ],
)
def test_what_is_no_text(x, error, message):
    model, _ = pair()
    before = model.get_weights()
    calls = [
        lambda: model.predict(x, verbose=0),
        lambda: model(x),
        lambda: model.predict_on_batch(x),
        lambda: model.fit(x, Y[:2], verbose=0),
        lambda: model.train_on_batch(x, Y[:2]),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.predict(TEXTS, verbose=0).shape == (30, 1)


@pytest.mark.parametrize(
    "stack",
    [
        lambda: [layers.Dense(1)],
        lambda: [pyseq.Input((1,)), layers.Dense(1)],
        lambda: [pyseq.Input((1,), dtype="string"), layers.Dense(1)],
        lambda: [pyseq.Input((1,)), layers.Dense(1), vectorize()],
    ],
)
def test_models_without_text_in_front_recommend_it(stack):
    model = pyseq.Sequential(stack())
    with pytest.raises(ValueError, match="encode text and categories first .*TextVectorization"):
        model.predict(TEXTS, verbose=0)


def test_a_reader_of_text_that_gives_no_numbers():
    class Words(layers.Layer):
        text_policy = "read"

        def call(self, x):
            return x

    model = pyseq.Sequential([Words(name="words"), layers.Flatten()])
    with pytest.raises(TypeError, match="words: expected a layer that makes numbers of text"):
        model.predict(TEXTS, verbose=0)
