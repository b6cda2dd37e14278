"""`FeatureSpace`: values of the layers it is made of, configs and files beside Keras."""

import json

import numpy as np
import pytest

import pyseq
from pyseq import layers, models
from pyseq.saving import deserialize_keras_object, serialize_keras_object
from pyseq.utils import FeatureSpace
from pyseq.utils.pipeline import Dataset

DATA = {
    "f1": [0.1 * i for i in range(10)],
    "f2": [0.1 * i for i in range(10)],
    "f3": [0.1 * i for i in range(10)],
    "i1": list(range(10)),
    "i2": list(range(10)),
    "s1": [str(i) for i in range(10)],
    "s2": [str(i) for i in range(10)],
}
KINDS = {
    "f1": "float",
    "f2": "float_normalized",
    "f3": "float_discretized",
    "i1": "integer_categorical",
    "i2": "integer_hashed",
    "s1": "string_categorical",
    "s2": "string_hashed",
}
CROSSES = [("i1", "i2"), ("s1", "s2")]


def row(data, i):
    return {key: values[i] for key, values in data.items()}


def adapted(**more):
    space = FeatureSpace(KINDS, **{"crosses": CROSSES, **more})
    space.adapt(DATA)
    return space


def test_a_row_and_rows_in_one_array():
    space = adapted()
    whole = space(DATA)
    # Ten tokens and one for what is unknown; 32 bins of the others.
    assert whole.shape == (10, 1 + 1 + 32 + 11 + 32 + 11 + 32 + 32 + 32)
    assert whole.dtype == "float32"
    one = space(row(DATA, 3))
    assert one.shape == whole.shape[1:]
    np.testing.assert_array_equal(one, whole[3])
    assert space.get_encoded_features().shape == (None, *one.shape)


def test_values_are_those_of_the_layers():
    made = adapted(output_mode="dict")(DATA)
    assert list(made) == [*sorted(KINDS), "i1_X_i2", "s1_X_s2"]
    column = {key: np.array(values)[:, None] for key, values in DATA.items()}
    normalize = layers.Normalization()
    normalize.adapt(column["f2"])
    np.testing.assert_allclose(made["f1"], column["f1"], rtol=1e-6)
    np.testing.assert_allclose(made["f2"], normalize(column["f2"]), rtol=1e-5)
    discretize = layers.Discretization(num_bins=32)
    discretize.adapt(column["f3"].astype("float32"))
    bins = discretize(column["f3"].astype("float32"))
    np.testing.assert_array_equal(made["f3"], np.eye(32)[bins[:, 0]])
    for key, lookup in (("i1", layers.IntegerLookup()), ("s1", layers.StringLookup())):
        lookup.adapt(column[key])
        expected = layers.CategoryEncoding(11, output_mode="one_hot")(lookup(column[key]))
        np.testing.assert_array_equal(made[key], expected)
    for key in ("i2", "s2"):
        expected = layers.Hashing(32, output_mode="one_hot")(column[key])
        np.testing.assert_array_equal(made[key], expected)


def test_crosses_hash_what_the_layers_return():
    space = FeatureSpace(
        {
            "a": FeatureSpace.feature("string", layers.Identity(), "int"),
            "b": FeatureSpace.feature("int32", layers.Identity(dtype="int32"), "int"),
        },
        crosses=[FeatureSpace.cross(("a", "b"), 5, output_mode="int")],
        output_mode="dict",
    )
    # The example in the documentation of keras.layers.HashedCrossing.
    bins = space.crossers["a_X_b"](
        [np.array([["A"], ["B"], ["A"], ["B"], ["A"]]), np.array([[101]] * 3 + [[102]] * 2)]
    )
    assert bins.ravel().tolist() == [1, 4, 1, 1, 3]


def test_ids_as_they_are():
    space = FeatureSpace(
        {
            "i": FeatureSpace.integer_categorical(output_mode="int", max_tokens=3),
            "h": FeatureSpace.string_hashed(7, output_mode="int"),
            "d": FeatureSpace.float_discretized(3, [0.0, 1.0], output_mode="int"),
        },
        crosses=[FeatureSpace.cross(("i", "h"), 4, output_mode="int")],
        output_mode="dict",
    )
    data = {"i": [5, 5, 6, 7], "h": ["a", "b", "c", "d"], "d": [-1.0, 0.5, 1.0, 2.0]}
    space.adapt(data)
    made = space(data)
    assert made["i"].ravel().tolist() == [1, 1, 0, 2]  # ties: the higher token first
    assert made["d"].ravel().tolist() == [0, 1, 2, 2]
    assert {k: str(v.dtype) for k, v in made.items()} == {
        "d": "int32", "h": "int64", "i": "int64", "i_X_h": "int64",
    }
    single = space(row(data, 1))
    assert {k: v.tolist() for k, v in single.items()} == {k: v[1].tolist() for k, v in made.items()}


@pytest.mark.parametrize("kind", ["dict", "rows", "batches", "generator", "list"])
def test_adapt_takes(kind):
    rows = [row(DATA, i) for i in range(10)]
    dataset = Dataset.from_tensor_slices(DATA)
    given = {
        "dict": DATA,
        "rows": dataset,
        "batches": dataset.batch(4),
        "generator": (r for r in rows),
        "list": rows,
    }[kind]
    kinds = {key: kind for key, kind in KINDS.items() if key != "f3"}
    space = FeatureSpace(kinds)
    space.adapt(given)
    other = FeatureSpace(kinds)
    other.adapt(DATA)
    np.testing.assert_allclose(space(DATA), other(DATA), rtol=1e-5, atol=1e-6)


def test_in_a_dataset_and_a_model():
    space = adapted()
    labels = [0.0, 1.0] * 5
    dataset = Dataset.from_tensor_slices((DATA, labels)).batch(5)
    dataset = dataset.map(lambda x, y: (space(x), y))
    model = models.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(dataset, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_a_layer_of_the_callers():
    space = FeatureSpace(
        {
            "text": FeatureSpace.feature(
                "string", layers.TextVectorization(output_mode="tf_idf"), "float"
            )
        }
    )
    data = {"text": ["1st string", "2nd string", "3rd string"]}
    space.adapt(data)
    assert space(data).shape == (3, 5)


def test_adapts_again():
    space = FeatureSpace({"s": "string_categorical"})
    space.adapt({"s": ["a"]})
    assert space({"s": ["a"]}).shape == (1, 2)
    space.adapt({"s": ["a", "b", "c"]})
    assert space({"s": ["a"]}).shape == (1, 4)


def test_config_and_file(tmp_path):
    space = adapted()
    expected = space(DATA)
    config = json.loads(json.dumps(serialize_keras_object(space)))
    fresh = deserialize_keras_object(config)
    assert serialize_keras_object(fresh)["config"] == serialize_keras_object(space)["config"]
    fresh.adapt(DATA)
    np.testing.assert_array_equal(fresh(DATA), expected)
    path = tmp_path / "space.keras"
    space.save(path)
    loaded = models.load_model(path)
    assert type(loaded) is FeatureSpace
    np.testing.assert_array_equal(loaded(DATA), expected)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: FeatureSpace({}), "expected `features`"),
        (lambda: FeatureSpace(["a"]), "expected `features`"),
        (lambda: FeatureSpace({"a": "floats"}), "feature `a` to be one of"),
        (lambda: FeatureSpace({"a": "float"}, output_mode="list"), "`output_mode` to be one of"),
        (lambda: FeatureSpace({"a": "float"}, crosses=[("a", "b")]), r"unknown features \['b'\]"),
        (lambda: FeatureSpace.cross(("a",), 3), "two features or more"),
        (lambda: FeatureSpace.cross(("a", "b"), 0), "crossing_dim >= 1"),
        (lambda: FeatureSpace.cross(("a", "b"), 3, "float"), "`output_mode` to be one of"),
        (lambda: FeatureSpace.float_discretized(5, [0.0]), "expected num_bins=2"),
        (lambda: FeatureSpace({"a": "float_normalized"})({"a": [1.0]}), "call adapt"),
        (lambda: FeatureSpace({"a": "float"})([1.0]), "expected a dict of columns"),
        (lambda: FeatureSpace({"a": "float"})({"b": [1.0]}), r"expected the columns \['a'\]"),
        (lambda: FeatureSpace({"a": "float"}).adapt(3), "a dict of columns or a Dataset"),
        (lambda: FeatureSpace({"a": "float_normalized"}).adapt([]), "expected data, got none"),
        (lambda: FeatureSpace({"a": "float_normalized"}).adapt([{"b": 1.0}]), "the column `a`"),
        (
            lambda: FeatureSpace({"a": "float", "b": "float"}).adapt({"a": [1.0], "b": [1.0, 2.0]}),
            "columns of one length",
        ),
        (
            lambda: FeatureSpace({"a": FeatureSpace.integer_hashed(3, output_mode="int")})({"a": 1}),
            "expected floats of all features",
        ),
        (
            lambda: FeatureSpace({"a": FeatureSpace.feature("float32", layers.ReLU(), "one_hot")})(
                {"a": [1.0]}
            ),
            "expected integers of `a`",
        ),
        (
            lambda: FeatureSpace({"a": "float", "i": "integer_hashed"}, crosses=[("a", "i")])(
                {"a": [[1.0, 2.0]], "i": [3]}
            ),
            "one number or string a row",
        ),
    ],
)
def test_errors(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("given", [("float32", "relu"), (None, layers.ReLU())])
def test_a_feature_has_a_dtype_and_a_layer(given):
    with pytest.raises(TypeError, match="expected the name of a dtype and a layer"):
        FeatureSpace.feature(*given, "float")


def test_elements_with_targets_are_refused():
    dataset = Dataset.from_tensor_slices(({"a": [1.0]}, [0]))
    with pytest.raises(TypeError, match="map targets away"):
        FeatureSpace({"a": "float_normalized"}).adapt(dataset)


# --- beside Keras, with the features that need no TensorFlow there


def numeric(kind):
    return {"a": "float", "b": kind.float_rescaled(2.0, name="b"), "h": "float_normalized"}


def test_config_of_keras():
    keras = pytest.importorskip("keras")
    theirs = keras.utils.FeatureSpace(numeric(keras.utils.FeatureSpace), output_mode="dict")
    theirs = json.loads(json.dumps(keras.saving.serialize_keras_object(theirs)))
    ours = FeatureSpace(numeric(FeatureSpace), output_mode="dict")
    ours = json.loads(json.dumps(pyseq.saving.serialize_keras_object(ours)))
    assert plain(ours["config"]) == plain(theirs["config"])
    read = pyseq.saving.deserialize_keras_object(theirs)
    assert plain(serialize_keras_object(read)["config"]) == plain(theirs["config"])


def plain(config):
    """A config without the names under which Keras registers its private classes."""
    if isinstance(config, dict):
        return {k: plain(v) for k, v in config.items() if k != "registered_name"}
    return [plain(v) for v in config] if isinstance(config, (list, tuple)) else config


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_files_of_keras_both_ways(tmp_path):
    keras = pytest.importorskip("keras")
    values = np.array([[1.0], [3.0], [8.0]], "float32")
    ours = FeatureSpace(numeric(FeatureSpace), output_mode="dict")
    data = {"a": values, "b": values, "h": values}
    ours.adapt(data)
    ours.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    for key, layer in theirs.preprocessors.items():
        np.testing.assert_allclose(np.asarray(layer(values)), ours(data)[key], rtol=1e-5)
    theirs.save(tmp_path / "theirs.keras")
    back = models.load_model(tmp_path / "theirs.keras")
    for key, value in back(data).items():
        np.testing.assert_allclose(value, ours(data)[key], rtol=1e-5)
