"""Bins, vocabularies and categories in `.pyseq` files: what C++ computes, `predict` and the layers."""

import json
import struct

import numpy as np
import pytest
from forged_files import forge, set_in

import pyseq
from pyseq import _core, layers, lowering

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning"),
]

MODES = ["int", "one_hot", "multi_hot", "count"]
VALUES = np.array(
    [
        [-np.inf, -1, np.nextafter(np.float32(-1), np.float32(-2))],
        [0.5, np.nextafter(np.float32(0.5), np.float32(0)), np.inf],
        [np.nan, 2, -0.0],
        [1e38, -1e38, 1e-45],
    ],
    "float32",
)
# The last row is of what no int64 is; what NumPy makes of it depends on the processor.
IDS = np.array(
    [
        [7, -3, 2.7, -0.5],
        [12, 2, 0, 16777216],
        [-12, 3, 1e9, -1e15],
        [np.nan, np.inf, -np.inf, 1e20],
    ],
    "float32",
)
WIDE_IDS = np.array([[7, -3, 2**24 + 1, 2**40 + 3], [12, 2, 0, -(2**62)], [2**24 - 1, -1, 5, 36]])


def model_of(layer, shape, dtype="float32"):
    return pyseq.Sequential([pyseq.Input(shape, dtype=dtype), layer])


def through_file(model, tmp_path):
    model.export(tmp_path / "m.pyseq")
    return _core.Model.load(str(tmp_path / "m.pyseq"))


@pytest.fixture
def check(tmp_path):
    """Whether file and `predict` say what the layer computes in NumPy; returns what they say."""

    def check(layer, x, dtype="float32"):
        x = x.astype(dtype)
        want = np.asarray(layer(x))
        model = model_of(layer, x.shape[1:], dtype)
        y = model.predict(x, verbose=0)
        np.testing.assert_array_equal(y, want)
        if layer.output_mode == "int":
            assert y.dtype == want.dtype
        got = through_file(model, tmp_path).predict(x.astype("float32"))
        np.testing.assert_array_equal(got, y)
        return got

    return check


# --- Discretization

BOUNDARIES = {
    "few": [-1.0, 0.5, 2.0],
    "none": [],
    "equal ones": [-1.0, -1.0, 0.5, 0.5],
    "infinite": [-np.inf, 0.0, np.inf],
    "two steps": np.linspace(-1, 2, 500).tolist(),
    "three steps": np.linspace(-1, 2, 6001).tolist(),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BOUNDARIES)
def test_bins(check, name, mode):
    check(layers.Discretization(BOUNDARIES[name], output_mode=mode), VALUES)
    check(layers.Discretization(BOUNDARIES[name], output_mode=mode), VALUES[:, :1])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["few", "two steps"])
def test_bins_as_in_keras(check, keras, name, mode):
    theirs = keras.layers.Discretization(BOUNDARIES[name], output_mode=mode)
    got = check(layers.Discretization(BOUNDARIES[name], output_mode=mode), VALUES)
    want = theirs(VALUES)
    np.testing.assert_array_equal(got, want.detach().cpu().numpy())


def test_bins_of_integers_and_of_many_dimensions(check):
    layer = layers.Discretization([-3.0, 5.0, 12.0])
    check(layer, WIDE_IDS, "int64")
    check(layer, WIDE_IDS % 100, "uint8")
    x = np.random.default_rng(0).normal(size=(3, 2, 1, 2, 3, 2)) * 9
    for mode in MODES:
        check(layers.Discretization([-3.0, 5.0, 12.0], output_mode=mode), x)


def test_new_boundaries_reach_the_model(check):
    layer = layers.Discretization(num_bins=3)
    model, x = model_of(layer, (1,)), np.array([[4.0]])
    with pytest.raises(ValueError, match="call `adapt`"):
        model.predict(x, verbose=0)
    layer.adapt(np.arange(9.0)[:, None])
    assert model.predict(x, verbose=0) == layer(x) == [[1]]
    layer.adapt(np.arange(9.0)[:, None] * 100)
    assert model.predict(x, verbose=0) == layer(x) == [[0]]


# --- CategoryEncoding


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("shape", [(1,), (4,), (3, 1), (3, 2), (2, 2, 2, 2, 2)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "uint8"])
def test_categories(check, keras, mode, shape, dtype):
    x = np.random.default_rng(0).integers(0, 5, (3, *shape))
    got = check(layers.CategoryEncoding(5, mode), x, dtype)
    if mode == "one_hot" or len(shape) < 3:
        want = keras.layers.CategoryEncoding(5, mode)(x)
        np.testing.assert_array_equal(got, want.detach().cpu().numpy())


def test_parts_of_ids(check):
    check(layers.CategoryEncoding(5, "count"), np.array([[0.9, 4.99, 4.0]]))


@pytest.mark.parametrize("mode", MODES[1:])
@pytest.mark.parametrize("value", [5, -1, -0.5, np.nan, np.inf])
def test_what_is_no_category(tmp_path, mode, value):
    model = model_of(layers.CategoryEncoding(5, mode, name="kinds"), (2,))
    loaded = through_file(model, tmp_path)
    x = np.array([[1, 1], [0, value]], "float32")
    with pytest.raises(ValueError, match="kinds: expected ids from 0 to 4, got .* in row 1"):
        loaded.predict(x)
    with pytest.raises(ValueError, match="kinds: expected ids in 0 to 4"):
        model.predict(x, verbose=0)


def test_a_single_category(check):
    check(layers.CategoryEncoding(1, "count"), np.zeros((2, 3)))


# --- IntegerLookup

VOCABULARIES = {
    "few": [12, -3, 7, 36],
    "a range": list(range(-300, 300)),
    "thousands": np.random.default_rng(0).permutation(np.arange(-9000, 9000, 3)).tolist(),
}


def lookup(vocabulary, mode, **more):
    if mode == "tf_idf":
        more["idf_weights"] = np.linspace(0.1, 3, len(vocabulary))
    return layers.IntegerLookup(vocabulary=vocabulary, output_mode=mode, **more)


@pytest.mark.parametrize("mode", [*MODES, "tf_idf"])
@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("mask", [None, 2, 5000])
def test_vocabularies(check, name, mode, mask):
    vocabulary = [t for t in VOCABULARIES[name] if t != mask]
    check(lookup(vocabulary, mode, mask_token=mask), IDS)
    for unknown in (2, 5):
        check(lookup(vocabulary, mode, mask_token=mask, num_oov_indices=unknown), IDS[:-1])
    check(lookup(vocabulary, mode, mask_token=mask), WIDE_IDS, "int64")
    check(lookup(vocabulary, mode, mask_token=mask), WIDE_IDS[:, :1], "int32")


def test_known_values(check):
    layer = layers.IntegerLookup(vocabulary=[12, 36], mask_token=0, num_oov_indices=2)
    got = check(layer, np.array([[12, 36, 0, 5, 6, -1]]))
    assert got.tolist() == [[3, 4, 0, 2, 1, 2]]


def test_the_remainder_of_what_is_no_integer(tmp_path):
    model = model_of(layers.IntegerLookup(vocabulary=[1], num_oov_indices=5), (4,))
    x = np.array([[np.nan, np.inf, -np.inf, 1e20], [3e18, -3e18, 2**62, -1]], "float32")
    want = [[-(2**63) % 5] * 4, [int(v) % 5 for v in x[1]]]
    assert through_file(model, tmp_path).predict(x).tolist() == want


def test_tokens_that_no_float_is(check):
    # 2^24 + 1 is not a float32: an input of floats never holds it.
    layer = layers.IntegerLookup(vocabulary=[2**24 + 1, 2**24, 2**24 + 2])
    assert check(layer, np.array([[2**24, 2**24 + 2, 0]])).tolist() == [[2, 3, 0]]
    layer = layers.IntegerLookup(vocabulary=[2**24 + 1])
    assert check(layer, np.array([[2**24, 2**24 + 2, 0]])).tolist() == [[0, 0, 0]]


def test_a_padded_and_a_learned_vocabulary(check):
    layer = layers.IntegerLookup(max_tokens=9, pad_to_max_tokens=True, output_mode="count")
    layer.adapt(np.array([[4, 4, 5], [5, 4, 6]]))
    check(layer, np.array([[4, 6, 7], [5, 5, 4]]))
    model = model_of(layer, (3,))
    before = model.predict(np.array([[4, 6, 7]]), verbose=0)
    layer.adapt(np.array([[7, 7, 6]]))
    after = model.predict(np.array([[4, 6, 7]]), verbose=0)
    assert before[0].tolist() == [1, 1, 0, 1, 0, 0, 0, 0, 0]
    assert after[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("mask", [None, 0])
def test_indices_to_tokens(check, mask):
    layer = layers.IntegerLookup(vocabulary=[5, 9], invert=True, mask_token=mask)
    check(layer, np.array([[0, 1, 2, 3], [4, -1, 2.9, 1e9], [np.nan, np.inf, -np.inf, -0.5]]))
    check(layer, np.array([[0, 1, 2, 3], [4, -1, 2**40, -(2**62)]]), "int64")


@pytest.mark.parametrize("mode", [*MODES, "tf_idf"])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_a_vocabulary_without_room_for_others(check, tmp_path, mode, dtype):
    layer = lookup([5, 9, -4], mode, num_oov_indices=0, mask_token=3, name="strict")
    check(layer, np.array([[5, 9, 3], [-4, 5, 5]]), dtype)
    loaded = through_file(model_of(layer, (3,), dtype), tmp_path)
    for bad in (0, 4, 2**24):
        with pytest.raises(ValueError, match="strict: expected ids .* in row 1"):
            loaded.predict(np.array([[5, 9, 3], [5, bad, 9]], "float32"))
    with pytest.raises(ValueError, match="strict: expected tokens of the vocabulary"):
        model_of(layer, (3,), dtype).predict(np.array([[5, 4, 9]]), verbose=0)


def test_a_whole_model(tmp_path):
    model = pyseq.Sequential(
        [
            pyseq.Input((6,), dtype="int64"),
            layers.IntegerLookup(vocabulary=[10, 20, 30], mask_token=0),
            layers.Embedding(5, 4, mask_zero=True),
            layers.LSTM(3),
            layers.Dense(2),
        ]
    )
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).integers(0, 4, (9, 6)) * 10
    model.fit(x, np.ones((9, 2)), verbose=0)
    loaded = through_file(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict(x.astype("float32")), model.predict(x, verbose=0))


def test_each_step_and_step_by_step(check, tmp_path):
    x = np.array([[[3, 4], [4, 0], [0, 0]], [[0, 3], [3, 3], [9, 9]]], "float32")
    hot = layers.IntegerLookup(vocabulary=[3, 4], output_mode="multi_hot")
    model = model_of(layers.TimeDistributed(hot), (3, 2))
    got = through_file(model, tmp_path).predict(x)
    np.testing.assert_array_equal(got, [hot(row) for row in x])
    model = pyseq.Sequential(
        [
            pyseq.Input((3, 2)),
            layers.IntegerLookup(vocabulary=[3, 4]),
            layers.Discretization([1.0, 2.0], output_mode="one_hot"),
        ]
    )
    stream = through_file(model, tmp_path).stream(rows=2, steps=1)
    steps = [stream.run(np.ascontiguousarray(x[:, t : t + 1])) for t in range(3)]
    np.testing.assert_array_equal(np.concatenate(steps, axis=1), model.predict(x, verbose=0))


# --- what cannot be exported

REFUSED = {
    "a hash": (layers.Hashing(5, name="h"), "int64", "Hashing 'h': .*hashes integers in Python"),
    "a hash of floats": (layers.Hashing(5, name="h"), "float32", "Hashing 'h': .*before the model"),
    "hashed unknown tokens": (
        layers.IntegerLookup(vocabulary=[1], num_oov_indices=2, oov_method="farmhash", name="l"),
        "float32",
        "IntegerLookup 'l': .*set num_oov_indices=1",
    ),
    "a remainder of int64": (
        layers.IntegerLookup(vocabulary=[1], num_oov_indices=2, name="l"),
        "int64",
        "IntegerLookup 'l': .*remainder of int64 ids.*set num_oov_indices=1",
    ),
    "a token beyond float32": (
        layers.IntegerLookup(vocabulary=[1, 2**24], name="l"),
        "int64",
        "IntegerLookup 'l': .*tokens of 16777216.*exact below 16777216",
    ),
    "a mask beyond float32": (
        layers.IntegerLookup(vocabulary=[1], mask_token=-(2**40), name="l"),
        "int64",
        "IntegerLookup 'l': .*tokens of 1099511627776",
    ),
    "a token to give beyond float32": (
        layers.IntegerLookup(vocabulary=[1, 2**24], invert=True, name="l"),
        "float32",
        "IntegerLookup 'l': .*tokens of 16777216",
    ),
    "negative tokens of uint64": (
        layers.IntegerLookup(vocabulary=[1, -5], name="l"),
        "uint64",
        "IntegerLookup 'l': .*negative tokens",
    ),
    "no vocabulary": (
        layers.IntegerLookup(name="l"), "int64", "IntegerLookup 'l': .*call `adapt`",
    ),
    "no boundaries": (
        layers.Discretization(num_bins=2, name="d"), "float32", "Discretization 'd': .*`adapt`",
    ),
    "descending boundaries": (
        layers.Discretization([1.0, 0.0], name="d"), "float32", "Discretization 'd': .*ascend",
    ),
    "too many comparisons": (
        layers.CategoryEncoding(2_000_000, "count", name="c"),
        "float32",
        "CategoryEncoding 'c': .*6000000 comparisons for each sample",
    ),
    "more ids than floats": (
        layers.CategoryEncoding(2**24 + 1, "count", name="c"),
        "float32",
        "CategoryEncoding 'c': .*more than float32 tells apart",
    ),
    "a function": (
        layers.Lambda(lambda x: np.sort(x), name="sorted"),
        "float32",
        "Lambda 'sorted': .*Python function",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported(tmp_path, name):
    layer, dtype, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        model_of(layer, (3,), dtype).export(tmp_path / "m.pyseq")
    assert not list(tmp_path.iterdir())


def test_such_models_predict_nevertheless():
    wide = layers.IntegerLookup(vocabulary=[2**40, 2**40 + 1], num_oov_indices=3)
    x = np.array([[2**40, 2**40 + 1, 2**40 + 2]])
    got = model_of(wide, (3,), "int64").predict(x, verbose=0)
    assert got.tolist() == wide(x).tolist() == [[3, 4, (2**40 + 2) % 3]]


# --- float64


def self_test_of(path):
    """The rows in a file that the core checks when it reads it."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[8:16])[0]
    header = json.loads(data[64 : 64 + size])
    test, blob = header["self_test"], data[64 + size :]
    rows = test["rows"]

    def part(offset, shape):
        count = rows * int(np.prod(shape))
        return np.frombuffer(blob, header["dtype"], count, offset).reshape(rows, *shape)

    ends = header["inputs"][0], header["outputs"][0]
    shapes = [header["slots"][s] for s in ends]
    return [part(test[k], s) for k, s in zip(("input", "output"), shapes, strict=True)]


def float64_model():
    return pyseq.Sequential(
        [
            pyseq.Input((4,), dtype="float64"),
            layers.IntegerLookup(vocabulary=[2**24 + 1, 3, 1], output_mode="multi_hot"),
            layers.Dense(6, activation="tanh", dtype="float64"),
            layers.Dense(3, activation="softmax", dtype="float64"),
        ]
    )


def test_float64_models_answer_as_predict_does(tmp_path):
    model, path = float64_model(), tmp_path / "m.pyseq"
    loaded = through_file(model, tmp_path)
    assert loaded.input_shape == [4] and loaded.output_shape == [3]
    # Reading the file, the core has computed these rows and compared them.
    x, y = self_test_of(path)
    assert x.dtype == y.dtype == "float64"
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-14)
    np.testing.assert_allclose(loaded.predict(x.astype("float32")), y, rtol=1e-6)
    path.write_bytes(forge(path.read_bytes(), set_in("self_test", "output", 0)))
    with pytest.raises(ValueError):
        _core.Model.load(str(path))


def test_float64_programs_for_cpp_answer_as_predict_does():
    model = float64_model()
    graph, output = lowering.lower(model, (4,), training=False, portable=True)
    program = graph.program(output, fuse=True)
    session = _core.Session(program, [v._storage for v in graph.variables])
    x = np.array([[2**24, 2**24 + 1, 3, 0], [1, 1, 1, 2**53], [2**24 + 1, 7, 7, 7]], "float64")
    (y,) = session.run([x])
    assert y.dtype == "float64"
    np.testing.assert_array_equal(y, model.predict(x, verbose=0))
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-14)
    assert not np.array_equal(y[0], y[2])
