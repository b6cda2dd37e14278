"""Models that take texts, as `.pyseq` files: the core makes the numbers of the Python layers."""

import sys

import numpy as np
import pytest
from forged_files import forge, set_in

import pyseq
from pyseq import _core, layers

TEXTS = [
    "",
    " ",
    "The cat sat on the mat.",
    "THE CAT, the Dog; the (mat)!",
    "a b c d e f g h i j k",
    "don't -- stop_me ~now~ `x` {y} |z|",
    "Ünïcödé ÀÉ straße ΣΊΣΥΦΟΣ İstanbul",
    "naïve\u00a0café\u3000日本語 テスト\u2028line\u0085next\x1cend",
    "\u200bzero\u200bwidth \ufeffmark",
    "emoji 😀 👨‍👩‍👧 😀",
    "tabs\tand\nlines\r\nand\x0bmore\x0c",
    "cat cat cat the the dog",
    "nul\0inside and at the end\0\0",
    "cat\0 the!\0",
    "!?.,",
    "[UNK] unseen",
    "e\u0301 é",
    "x" * 500 + " the",
]
WORDS = ["the", "cat", "dog", "the cat", "café", "日本語", "cat the cat", "😀", "straße", "a", "é", "x"]


def through_file(model, tmp_path):
    model.export(tmp_path / "m.pyseq")
    return _core.Model.load(str(tmp_path / "m.pyseq"))


def check_same(model, tmp_path, texts, rows=None):
    """The file's model gives what the Python model does, bit for bit."""
    loaded = through_file(model, tmp_path)
    assert loaded.takes_text
    rows = np.array(texts, object).reshape(-1, 1) if rows is None else rows
    np.testing.assert_array_equal(loaded.predict(texts), model.predict(rows, verbose=0))


def plain(layer, shape=(1,)):
    """A model whose outputs are the numbers of `layer`."""
    return pyseq.Sequential([pyseq.Input(shape, dtype="string"), layer, layers.Activation("linear")])


@pytest.mark.parametrize("split", [None, "whitespace", "character"])
@pytest.mark.parametrize(
    "standardize", [None, "lower", "strip_punctuation", "lower_and_strip_punctuation"]
)
def test_standardize_and_split(tmp_path, standardize, split):
    layer = layers.TextVectorization(
        standardize=standardize, split=split, vocabulary=WORDS, output_sequence_length=7
    )
    check_same(plain(layer), tmp_path, TEXTS)


@pytest.mark.parametrize("ngrams", [1, 2, 3, (2,), (3, 1), (600,), 0, ()])
@pytest.mark.parametrize("length", [1, 4, 40])
def test_ngrams(tmp_path, ngrams, length):
    layer = layers.TextVectorization(
        vocabulary=WORDS, ngrams=ngrams, output_sequence_length=length
    )
    check_same(plain(layer), tmp_path, TEXTS)


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("pad", [False, True])
def test_encoded_rows(tmp_path, mode, pad):
    weights = np.random.default_rng(0).normal(size=len(WORDS)) if mode == "tf_idf" else None
    layer = layers.TextVectorization(
        max_tokens=40, output_mode=mode, pad_to_max_tokens=pad, ngrams=2, vocabulary=WORDS,
        idf_weights=weights,
    )
    check_same(plain(layer), tmp_path, TEXTS)


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_tokens_given_apart(tmp_path, mode):
    weights = np.linspace(0.1, 3, len(WORDS)) if mode == "tf_idf" else None
    layer = layers.TextVectorization(
        split=None, ngrams=2, output_mode=mode, vocabulary=WORDS, idf_weights=weights
    )
    check_same(plain(layer, (3,)), tmp_path, TEXTS, np.array(TEXTS, object).reshape(-1, 3))


def test_a_classifier_that_learned(tmp_path):
    texts = np.array(TEXTS, object)
    vector = layers.TextVectorization(max_tokens=30, output_sequence_length=6)
    vector.adapt(texts)
    model = pyseq.Sequential(
        [
            vector,
            layers.Embedding(30, 8, mask_zero=True),
            layers.LSTM(5),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(texts, np.arange(len(texts)) % 2, epochs=2, verbose=0)
    loaded = through_file(model, tmp_path)
    assert loaded.input_shape == [6] and loaded.output_shape == [2]
    np.testing.assert_array_equal(loaded.predict(TEXTS), model.predict(texts, verbose=0))
    assert loaded.predict([]).shape == (0, 2)


def test_a_model_in_front(tmp_path):
    vector = layers.TextVectorization(vocabulary=WORDS, output_sequence_length=5)
    front = pyseq.Sequential([pyseq.Input((1,), dtype="string"), vector, layers.Embedding(20, 3)])
    model = pyseq.Sequential([front, layers.Flatten(), layers.Dense(2)])
    model.predict(np.array(TEXTS, object).reshape(-1, 1), verbose=0)
    check_same(model, tmp_path, TEXTS)


LOOKUPS = {
    "one unknown": {},
    "masked": {"mask_token": "!?.,"},
    "masked with an empty text": {"mask_token": ""},
    "hashed": {"num_oov_indices": 5},
    "hashed and masked": {"num_oov_indices": 7, "mask_token": " "},
    "salted": {"num_oov_indices": 1000, "salt": 133137},
    "salted by a pair": {"num_oov_indices": 1000, "salt": (-7, 2**64 - 3)},
    "other unknown": {"oov_token": "dog?"},
}
SHAPES = [(1,), (6,), (3, 2), (2, 3), (3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("name", LOOKUPS)
def test_lookups(tmp_path, name, mode, shape):
    weights = np.linspace(0.1, 3, len(WORDS)) if mode == "tf_idf" else None
    layer = layers.StringLookup(
        vocabulary=WORDS, output_mode=mode, idf_weights=weights, **LOOKUPS[name]
    )
    texts = WORDS + TEXTS
    check_same(plain(layer, shape), tmp_path, texts, np.array(texts, object).reshape(-1, *shape))


def test_a_lookup_that_learned(tmp_path):
    layer = layers.StringLookup(max_tokens=9, output_mode="tf_idf", pad_to_max_tokens=True)
    layer.adapt(np.array([*WORDS, *WORDS[:4], *TEXTS], object).reshape(-1, 2))
    check_same(plain(layer), tmp_path, WORDS + TEXTS)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("more", [{}, {"mask_value": "cat"}, {"salt": 11}, {"num_bins": 1}])
def test_hashes(tmp_path, more, mode, shape):
    layer = layers.Hashing(**{"num_bins": 13, **more}, output_mode=mode)
    texts = WORDS + TEXTS
    check_same(plain(layer, shape), tmp_path, texts, np.array(texts, object).reshape(-1, *shape))


def test_texts_of_every_length_hash_alike(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(map(chr, rng.integers(32, 0x2000, n // 2))) for n in range(300)]
    check_same(plain(layers.Hashing(1 << 20)), tmp_path, texts)
    check_same(plain(layers.Hashing(1 << 20, salt=(1, 2))), tmp_path, texts)


def test_every_code_point(tmp_path):
    points = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    spaces = [c for c in points if c.isspace()]
    # What splits gives two tokens, what is stripped the token "ab", what is lowered "axb".
    texts = [f"a{c}b" for c in points]
    layer = layers.TextVectorization(
        vocabulary=["a", "b", "ab", "axb"], output_sequence_length=3
    )
    model = plain(layer)
    got = through_file(model, tmp_path).predict(texts)
    assert (got[:, 1] == 3).sum() == len(spaces)
    np.testing.assert_array_equal(got, layer(np.array(texts, object)))


def test_learned_tokens_with_nuls(tmp_path):
    layer = layers.TextVectorization(standardize=None, output_sequence_length=6)
    layer.adapt(np.array(["cat\0 cat dog", "dog cat\0 cat"], object))
    assert "cat\0" in layer.get_vocabulary()
    check_same(plain(layer), tmp_path, ["cat\0 cat dog", "dog\0 cat\0"])


def test_samples_that_are_one_text(tmp_path):
    model = plain(layers.StringLookup(vocabulary=WORDS, output_mode="one_hot"), ())
    check_same(model, tmp_path, TEXTS, np.array(TEXTS, object))
    model = plain(layers.StringLookup(vocabulary=WORDS, output_mode="count", name="flat"), ())
    with pytest.raises(ValueError, match="flat: expected as many rows as samples, 3, got 13"):
        model.export(tmp_path / "m.pyseq")


def test_several_texts_are_not_split(tmp_path):
    model = pyseq.Sequential([pyseq.Input((2,), dtype="string"), vector(), layers.Embedding(9, 1)])
    with pytest.raises(ValueError, match=r"vec: expected one text in a sample.*\(2,\)"):
        model.export(tmp_path / "m.pyseq")


def test_a_vocabulary_beyond_what_a_header_holds(tmp_path):
    tokens = [f"{i:01000d}" for i in range(68000)]
    with pytest.raises(ValueError, match="64 MiB.*use a smaller vocabulary"):
        plain(layers.StringLookup(vocabulary=tokens)).export(tmp_path / "m.pyseq")


def test_float64_files_are_checked_too(tmp_path):
    weights = np.linspace(0.1, 3, len(WORDS))
    layer = layers.StringLookup(vocabulary=WORDS, output_mode="tf_idf", idf_weights=weights)
    head = layers.Dense(2, dtype="float64")
    model = pyseq.Sequential([pyseq.Input((3,), dtype="string"), layer, head])
    loaded = through_file(model, tmp_path)
    texts = [["the", "cat", "?"]]
    got = loaded.predict(texts[0])
    np.testing.assert_allclose(got, model.predict(np.array(texts)), rtol=1e-6)


def test_many_rows_at_a_time(tmp_path):
    layer = layers.TextVectorization(
        max_tokens=9000, output_mode="count", pad_to_max_tokens=True, vocabulary=WORDS
    )
    texts = [TEXTS[i % len(TEXTS)] + f" {WORDS[i % 3]}" * (i % 5) for i in range(700)]
    model = pyseq.Sequential([pyseq.Input((1,), dtype="string"), layer, layers.Dense(1)])
    rows = np.array(texts, object).reshape(-1, 1)
    np.testing.assert_allclose(
        through_file(model, tmp_path).predict(texts), model.predict(rows, verbose=0), rtol=1e-6
    )


def shouted(x):
    return np.char.upper(x)


class Mine(layers.TextVectorization):
    """A subclass computes what it likes."""


def vector(**more):
    return layers.TextVectorization(vocabulary=["a"], output_sequence_length=2, name="vec", **more)


REFUSED = {
    "a function to standardize": ([vector(standardize=shouted)], "vec: .*`standardize`.*shouted"),
    "a function to split": ([vector(split=lambda x: [t.split() for t in x])], "vec: .*`split`"),
    "code in front": (
        [layers.Lambda(lambda x: x, name="code"), vector()],
        "code: expected .*Lambda among .*apply it to the texts before",
    ),
    "a subclass": ([Mine(vocabulary=["a"], output_sequence_length=2)], "got Mine"),
    "two lookups": (
        [
            layers.StringLookup(vocabulary=["a"], name="there"),
            layers.StringLookup(vocabulary=["a"], invert=True, name="back"),
            layers.StringLookup(vocabulary=["a"]),
        ],
        "back: expected .* alone",
    ),
    "no vocabulary": (
        [layers.TextVectorization(output_sequence_length=2, name="new")],
        "new: expected a vocabulary.*adapt",
    ),
    "a lookup without vocabulary": ([layers.StringLookup(name="new")], "new: expected a vocab"),
    "no length": (
        [layers.TextVectorization(vocabulary=["a"], name="free")],
        "free: .*output_sequence_length=None; set it",
    ),
    "an empty length": (
        [layers.TextVectorization(vocabulary=["a"], output_sequence_length=0, name="none")],
        "none: .*output_sequence_length=0; set it",
    ),
    "an embedding that is too small": (
        [vector(), layers.Embedding(2, 3, name="small")],
        "small: expected ids from 0 to 1, got 2",
    ),
    "n-grams of nothing": ([vector(ngrams=(0, 1))], "vec: expected sizes of n-grams from 1"),
    "one-hot rows": (
        [layers.TextVectorization(vocabulary=["a"], output_mode="one_hot", name="free")],
        "free: .*'one_hot'",
    ),
    "a token that is no text": (
        [layers.StringLookup(vocabulary=["a", "\ud800"], name="half")],
        "half: .*UTF-8",
    ),
    "a mask that is no text": (
        [layers.Hashing(5, mask_value=3, name="ids")],
        "ids: expected a text or None as the mask token.*got 3",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported(tmp_path, name):
    given, message = REFUSED[name]
    model = pyseq.Sequential([pyseq.Input((1,), dtype="string"), *given])
    with pytest.raises(ValueError, match=message):
        model.export(tmp_path / "m.pyseq")
    assert not list(tmp_path.iterdir())


def test_a_free_number_of_texts_needs_a_signature(tmp_path):
    model = plain(layers.StringLookup(vocabulary=WORDS), (None,))
    with pytest.raises(ValueError, match="input_signature"):
        model.export(tmp_path / "m.pyseq")
    model.export(tmp_path / "m.pyseq", input_signature=(None, 3))
    got = _core.Model.load(str(tmp_path / "m.pyseq")).predict(["the", "cat", "?"])
    assert got.tolist() == [[1, 2, 0]]


def test_what_predict_refuses(tmp_path):
    model = plain(layers.StringLookup(vocabulary=["a"], num_oov_indices=0, name="strict"), (2,))
    loaded = through_file(model, tmp_path)
    assert loaded.predict(["a", "a"]).tolist() == [[0, 0]]
    with pytest.raises(ValueError, match='strict: expected tokens of the vocabulary, got "b"'):
        loaded.predict(["a", "b"])
    with pytest.raises(ValueError, match="expected 2 texts for each row, got 3"):
        loaded.predict(["a", "a", "a"])
    with pytest.raises(TypeError, match="flat list of str, got 3"):
        loaded.predict(["a", 3])
    with pytest.raises(ValueError, match="surrogates"):
        loaded.predict(["a", "\ud800"])
    numbers = pyseq.Sequential([pyseq.Input((2,)), layers.Dense(1)])
    loaded = through_file(numbers, tmp_path)
    assert not loaded.takes_text
    with pytest.raises(ValueError, match="expected an array of numbers, got a list"):
        loaded.predict(["a", "b"])


def small_model(mode="int"):
    more = {"output_sequence_length": 4} if mode == "int" else {}
    weights = [0.5, 1.0, 2.0] if mode == "tf_idf" else None
    layer = layers.TextVectorization(
        vocabulary=["a", "b", "c"], output_mode=mode, idf_weights=weights, ngrams=2, **more
    )
    rest = [layers.Embedding(5, 2), layers.Flatten()] if mode == "int" else []
    return pyseq.Sequential(
        [pyseq.Input((1,), dtype="string"), layer, *rest, layers.Dense(1)]
    )


BIG = 1 << 62
FORGED = {
    "no steps": set_in("text", []),
    "a name": set_in("text", 3),
    "no such split": set_in("text", "split", "regex"),
    "no such output": set_in("text", "output", "one_hot"),
    "no texts": set_in("text", "texts", 0),
    "many texts": set_in("text", "texts", BIG),
    "several texts to split": set_in("text", "texts", 2),
    "another length": set_in("text", "length", 5),
    "a long length": set_in("text", "length", BIG),
    "no length": set_in("text", "length", 0),
    "negative length": set_in("text", "length", -4),
    "groups": set_in("text", "groups", BIG),
    "no groups": set_in("text", "groups", 0),
    "a mask that counts nowhere": set_in("text", "counts_mask", False),
    "a mask that is no text": set_in("text", "mask_token", 1),
    "a mask that is not UTF-8": set_in("text", "mask_token", "\udc80"),
    "first unknown": set_in("text", "first_unknown", -1),
    "unknown": set_in("text", "unknown", -1),
    "many unknown": set_in("text", "unknown", BIG),
    "n-grams of nothing": set_in("text", "ngrams", [0]),
    "negative n-grams": set_in("text", "ngrams", [-1]),
    "large n-grams": set_in("text", "ngrams", [BIG]),
    "many n-grams": set_in("text", "ngrams", [1] * 5000),
    "n-grams of texts": set_in("text", "ngrams", ["1"]),
    "half a salt": set_in("text", "salt", [1]),
    "a number as token": set_in("text", "vocabulary", ["a", 1]),
    "a token twice": set_in("text", "vocabulary", ["a", "b", "a"]),
    "a token that is not UTF-8": set_in("text", "vocabulary", ["a", "b\ud800"]),
    "no vocabulary": set_in("text", "vocabulary", []),
    "other tokens": set_in("text", "vocabulary", ["c", "b", "a"]),
    "weights for ids": set_in("text", "idf", [1.0] * 4),
    "texts without end": set_in("self_test", "texts", ["a " * (1 << 22)] * 3),
    "other texts": set_in("self_test", "texts", ["a", "b", "c"]),
    "fewer texts": set_in("self_test", "texts", ["a"]),
    "rows": set_in("self_test", "rows", 1),
    "no such flag": set_in("text", "lower", 1),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_files_are_refused(tmp_path, name):
    path = tmp_path / "m.pyseq"
    small_model().export(path)
    good = path.read_bytes()
    path.write_bytes(forge(good, lambda header: None))
    _core.Model.load(str(path))
    path.write_bytes(forge(good, FORGED[name]))
    with pytest.raises(ValueError, match="expected"):
        _core.Model.load(str(path))


@pytest.mark.parametrize("weights", [[], [1.0] * 3, [1e999] * 4, ["1"] * 4])
def test_forged_weights_are_refused(tmp_path, weights):
    path = tmp_path / "m.pyseq"
    small_model("tf_idf").export(path)
    good = path.read_bytes()
    # Python writes infinity as no other JSON does.
    change = set_in("text", "idf", weights)
    path.write_bytes(forge(good, change).replace(b"Infinity", b"   1e999"))
    with pytest.raises(ValueError):
        _core.Model.load(str(path))


@pytest.mark.parametrize("mode", ["int", "multi_hot", "tf_idf"])
def test_random_headers_never_crash(tmp_path, mode):
    path = tmp_path / "m.pyseq"
    small_model(mode).export(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    values = [0, -1, 1, 2, 7, 1 << 33, -BIG, 0.5, "", "none", "count", "\ud800", True, None, []]
    values += [[0], [2, 1], ["a"], [1.0] * 4, {}, [[]]]
    loaded = 0
    for _ in range(400):

        def change(header):
            entry = header["text" if rng.integers(8) else "self_test"]
            for _ in range(rng.integers(1, 3)):
                keys = list(entry)
                entry[keys[rng.integers(len(keys))]] = values[rng.integers(len(values))]

        path.write_bytes(forge(good, change))
        try:
            model = _core.Model.load(str(path))
            loaded += 1
            model.predict(["a b c", "日本 語", "", "\0"])
        except ValueError:
            pass
    assert loaded < 200
