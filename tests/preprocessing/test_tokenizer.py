"""Words to numbers, beside Keras."""

import importlib
import inspect
import json

import numpy as np
import pytest

from pyseq.preprocessing import text

TEXTS = ["The cat sat on the mat.", "The dog; the log!", "", "A bird, a bird & the END"]
NEW = ["the cat saw a unicorn", "nothing known", ""]


@pytest.fixture(scope="module")
def legacy(keras):
    return importlib.import_module("keras.src.legacy.preprocessing.text")


OPTIONS = [
    {},
    {"num_words": 4},
    {"num_words": 4, "oov_token": "<oov>"},
    {"oov_token": "the"},
    {"char_level": True, "num_words": 9},
    {"lower": False, "filters": "!.", "split": "t"},
    {"analyzer": lambda t: t.split()},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "default")
def test_tokenizer(legacy, options):
    ours, theirs = text.Tokenizer(**options), legacy.Tokenizer(**options)
    for tokenizer in (ours, theirs):
        tokenizer.fit_on_texts(TEXTS)
        tokenizer.fit_on_texts([["the", "Word", "list"]])
    for name in "word_counts word_docs word_index index_word index_docs document_count".split():
        assert getattr(ours, name) == getattr(theirs, name), name
    assert list(ours.word_counts) == list(theirs.word_counts)
    sequences = ours.texts_to_sequences([*TEXTS, *NEW])
    assert sequences == theirs.texts_to_sequences([*TEXTS, *NEW])
    assert list(ours.texts_to_sequences_generator(NEW)) == ours.texts_to_sequences(NEW)
    numbers = [*sequences, [1, 2, 500]]
    assert ours.sequences_to_texts(numbers) == theirs.sequences_to_texts(numbers)
    assert list(ours.sequences_to_texts_generator(numbers)) == ours.sequences_to_texts(numbers)
    for mode in ("binary", "count", "freq", "tfidf"):
        for name, data in (("texts_to_matrix", NEW), ("sequences_to_matrix", numbers)):
            got, want = getattr(ours, name)(data, mode=mode), getattr(theirs, name)(data, mode=mode)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want)
    if "analyzer" not in options:
        got, want = ours.get_config(), theirs.get_config()
        as_values = [
            {k: json.loads(v) if str(v).startswith("{") else v for k, v in c.items()} for c in (got, want)
        ]
        assert as_values[0] == as_values[1]
        # Each reads the other's file.
        again = text.tokenizer_from_json(theirs.to_json(indent=1))
        assert again.texts_to_sequences(NEW) == ours.texts_to_sequences(NEW)
        assert again.index_docs == ours.index_docs
        again.fit_on_texts(["more words"])
        assert again.document_count == ours.document_count + 1
        back = legacy.tokenizer_from_json(ours.to_json())
        assert back.texts_to_sequences(NEW) == ours.texts_to_sequences(NEW)


def test_fit_on_sequences(legacy):
    matrices = []
    for module in (text, legacy):
        tokenizer = module.Tokenizer(num_words=6)
        tokenizer.fit_on_sequences([[1, 2, 2], [2, 3], [5]])
        matrices.append(tokenizer.sequences_to_matrix([[1, 2, 2, 7], [4]], mode="tfidf"))
    np.testing.assert_array_equal(*matrices)


def test_functions(legacy):
    line = "The  cat,the CAT\tsat-on.a ma't"
    for kwargs in ({}, {"lower": False}, {"filters": "a", "split": "t"}):
        want = legacy.text_to_word_sequence(line, **kwargs)
        assert text.text_to_word_sequence(line, **kwargs) == want
        assert text.one_hot(line, 17, **kwargs) == legacy.one_hot(line, 17, **kwargs)
        for hashing in (None, "md5", len):
            got = text.hashing_trick(line, 50, hash_function=hashing, **kwargs)
            assert got == legacy.hashing_trick(line, 50, hash_function=hashing, **kwargs)
            assert all(1 <= index < 50 for index in got)
    assert text.hashing_trick("ab", 9, len, analyzer=list) == [2, 2]


@pytest.mark.parametrize("name", ["Tokenizer", "one_hot", "hashing_trick", "text_to_word_sequence", "tokenizer_from_json"])
def test_signatures_are_those_of_keras(legacy, name):
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (text, legacy))
    plain = [[(p.name, p.kind, p.default) for p in ps.values()] for ps in (ours, theirs)]
    assert plain[0] == plain[1]


def test_a_value_that_is_no_text_changes_nothing():
    tokenizer = text.Tokenizer()
    tokenizer.fit_on_texts(["a b"])
    before = tokenizer.to_json()
    with pytest.raises(TypeError, match="expected a string, got float: nan; remove missing"):
        tokenizer.fit_on_texts(["c", float("nan")])
    assert tokenizer.to_json() == before
    for wrong in (text.Tokenizer(char_level=True), tokenizer):
        with pytest.raises(TypeError, match="got int: 3"):
            wrong.texts_to_sequences([3] if wrong.char_level else [[3]])


def test_old_name_of_num_words():
    with pytest.warns(UserWarning, match="now called num_words"):
        assert text.Tokenizer(nb_words=3).num_words == 3
    with pytest.raises(TypeError, match="words_max"):
        text.Tokenizer(words_max=3)


def test_matrices_that_cannot_be():
    with pytest.raises(ValueError, match="num_words or a fitted Tokenizer"):
        text.Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(ValueError, match="fitted Tokenizer for mode 'tfidf'"):
        text.Tokenizer(num_words=3).sequences_to_matrix([[1]], mode="tfidf")
    with pytest.raises(ValueError, match="one of .*got 'sum'"):
        text.Tokenizer(num_words=3).sequences_to_matrix([], mode="sum")


def test_hashing_errors():
    with pytest.raises(ValueError, match=r"\(n\): expected at least 2, got 1"):
        text.hashing_trick("a", 1)
    with pytest.raises(ValueError, match="None, 'md5' or a function, got 'sha'"):
        text.hashing_trick("a", 5, "sha")


def damaged(**changes):
    config = {**text.Tokenizer().get_config(), **changes}
    return json.dumps({"config": {k: v for k, v in config.items() if v != "gone"}})


@pytest.mark.parametrize(
    "value, message",
    [
        ("{", "expected a JSON text, got '{'"),
        ("[" * 100_000, "expected a JSON text"),
        ("3", "expected a JSON object"),
        ("{}", "expected a config, got None"),
        (damaged(extra=1), r"lacks or adds \['extra'\]"),
        (damaged(word_docs="gone"), r"lacks or adds \['word_docs'\]"),
        (damaged(num_words="many"), "num_words: expected .* got 'many'"),
        (damaged(word_index='{"a": "b"}'), "word_index: expected int values, got 'b'"),
        (damaged(index_word='{"1": 2}'), "index_word: expected str values, got 2"),
        (damaged(index_docs='{"one": 2}'), "index_docs: expected numbers as keys"),
    ],
)
def test_damaged_files(value, message):
    with pytest.raises(ValueError, match=message):
        text.tokenizer_from_json(value)


def test_a_file_is_a_text():
    with pytest.raises(TypeError, match="expected a JSON text, got dict"):
        text.tokenizer_from_json({})
    with pytest.raises(TypeError, match="word_index: expected a JSON text, got dict"):
        text.tokenizer_from_json(damaged(word_index={}))
