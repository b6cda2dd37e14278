"""Object configs: Keras's format out, and nothing but data in."""

import builtins
import importlib
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import pyseq
from pyseq import activations, hooks, initializers, regularizers, saving, schedules
from pyseq.registry import registration, serialization
from pyseq.registry.construct import construct

serialize = saving.serialize_keras_object
deserialize = saving.deserialize_keras_object


class Scale:
    """A user's class that holds another object."""

    def __init__(self, factor=1.0, inner=None):
        self.factor = factor
        self.inner = inner

    def get_config(self):
        return {"factor": self.factor, "inner": self.inner}

    @classmethod
    def from_config(cls, config):
        return cls(config["factor"], deserialize(config["inner"]))


def halve(x):
    return x / 2


@pytest.fixture(autouse=True)
def _no_leftovers():
    objects, names = dict(registration._CUSTOM_OBJECTS), dict(registration._CUSTOM_NAMES)
    yield
    for table, before in (
        (registration._CUSTOM_OBJECTS, objects),
        (registration._CUSTOM_NAMES, names),
    ):
        table.clear()
        table.update(before)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "text",
        [1, [2, None]],
        {"a": 1, "b": {"c": [1.5]}},
        b"bytes",
        slice(1, None, 2),
        Ellipsis,
        np.arange(6, dtype="int16").reshape(2, 3),
        np.array([[0.1, 0.2]], dtype="float32"),
        np.array([True, False]),
    ],
    ids=repr,
)
def test_plain_values_equal_keras_and_round_trip(value):
    keras = pytest.importorskip("keras")
    config = serialize(value)
    assert config == keras.saving.serialize_keras_object(value)
    again = deserialize(json.loads(json.dumps(config)))
    if isinstance(value, np.ndarray):
        assert again.dtype == value.dtype and np.array_equal(again, value)
    else:
        assert again == value


def test_numpy_scalars_dtypes_tuples_and_strings():
    assert serialize(np.float32(0.5)) == 0.5 and type(serialize(np.float64(0.5))) is float
    assert serialize(np.array(3)) == 3
    assert serialize(np.dtype("int64")) == serialize(np.int64) == "int64"
    assert serialize((1, (2, 3))) == (1, (2, 3))
    assert deserialize({"class_name": "__tuple__", "config": {"items": [1, 2]}}) == (1, 2)
    words = np.array(["a", "bc"])
    assert np.array_equal(deserialize(json.loads(json.dumps(serialize(words)))), words)
    bf16 = {"class_name": "__tensor__", "config": {"value": [1.5], "dtype": "bfloat16"}}
    assert deserialize(bf16).dtype == np.float32


def test_builtin_objects_carry_the_names_of_keras():
    config = serialize(initializers.Zeros())
    assert config == {
        "module": "keras.initializers",
        "class_name": "Zeros",
        "config": {},
        "registered_name": None,
    }
    assert isinstance(deserialize(config), initializers.Zeros)
    keras = pytest.importorskip("keras")
    assert isinstance(keras.saving.deserialize_keras_object(config), keras.initializers.Zeros)


def test_builtin_functions():
    keras = pytest.importorskip("keras")
    config = serialize(activations.relu)
    assert config == keras.saving.serialize_keras_object(keras.activations.relu)
    assert deserialize(config) is activations.relu


def test_unregistered_custom_object_needs_custom_objects():
    config = json.loads(json.dumps(serialize(Scale(2.0, initializers.Ones()))))
    assert config["registered_name"] == "Scale" and config["module"] == __name__
    with pytest.raises(ValueError, match="custom_objects"):
        deserialize(config)
    again = deserialize(config, {"Scale": Scale})
    assert again.factor == 2.0 and isinstance(again.inner, initializers.Ones)
    with saving.custom_object_scope({"Scale": Scale}):
        assert isinstance(deserialize(config), Scale)


def test_registered_class_and_function():
    keras = pytest.importorskip("keras")
    saving.register_keras_serializable("pkg")(Scale)
    saving.register_keras_serializable("pkg", name="Half")(halve)
    config = serialize(Scale(2.0))
    assert config["registered_name"] == "pkg>Scale"
    assert deserialize(config).factor == 2.0
    config = serialize(halve)
    assert config["config"] == "pkg>Half"
    assert deserialize(config) is halve
    assert saving.get_registered_object("pkg>Half") is halve
    assert saving.get_registered_name(halve) == "pkg>Half"
    assert saving.get_registered_name(Scale.from_config) == "from_config"
    assert saving.get_custom_objects()["pkg>Scale"] is Scale
    keras.saving.register_keras_serializable("pkg")(Scale)
    try:
        assert keras.saving.serialize_keras_object(Scale(2.0)) == serialize(Scale(2.0))
    finally:
        keras.saving.get_custom_objects().pop("pkg>Scale")


def test_scopes_nest_and_stay_in_their_thread():
    seen = []
    with saving.CustomObjectScope({"a": halve}):
        with saving.CustomObjectScope({"b": Scale}):
            assert saving.get_registered_object("a") is halve
            assert saving.get_registered_object("b") is Scale
        assert saving.get_registered_object("b") is None
        thread = threading.Thread(target=lambda: seen.append(saving.get_registered_object("a")))
        thread.start()
        thread.join()
    assert seen == [None] and saving.get_registered_object("a") is None
    with pytest.raises(TypeError, match="dict"):
        saving.CustomObjectScope([halve])


def test_precedence_of_tables():
    table = {"x": 1}
    saving.get_custom_objects()["x"] = 2
    assert saving.get_registered_object("x") == 2
    with saving.custom_object_scope({"x": 3}):
        assert saving.get_registered_object("x") == 3
        assert saving.get_registered_object("x", custom_objects=table) == 1
    assert saving.get_registered_object("y", module_objects={"y": 4}) == 4


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Zeros", "config": {}},
        {"class_name": "Zeros", "config": None},
        {"class_name": "zeros", "config": {}},
        {"class_name": "Zeros", "config": {}, "module": "keras.src.initializers.some_file"},
        {"class_name": "Zeros", "config": {}, "module": "tensorflow.keras.initializers"},
        {"class_name": "Zeros", "config": {}, "module": "tf_keras.initializers"},
        {
            "class_name": "Zeros",
            "config": {},
            "module": "keras.initializers",
            "registered_name": "Zeros",
        },
    ],
)
def test_older_spellings_of_builtins(config):
    assert isinstance(deserialize(config), initializers.Zeros)
    assert isinstance(initializers.get(config), initializers.Zeros)


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": {"name": "a", "layers": []}},
        {"module": "keras.metrics", "class_name": "AUC", "config": {}, "registered_name": None},
        {"class_name": "NonNeg", "config": {}},
    ],
)
def test_names_are_known_before_their_modules_are_imported(config):
    script = (
        "from pyseq.saving import deserialize_keras_object as d; "
        f"print(type(d({config!r})).__name__)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == config["class_name"], result.stderr


def test_shared_objects_stay_shared():
    shared = initializers.Ones()
    with serialization.object_sharing_scope():
        config = serialize([shared, initializers.Ones(), shared])
    ids = [c.get("shared_object_id") for c in config]
    assert ids[0] == ids[2] is not None and ids[1] is None
    config = json.loads(json.dumps(config))
    with serialization.object_sharing_scope():
        one, other, again = deserialize(config)
    assert one is again and one is not other
    assert deserialize(config)[0] is not deserialize(config)[2]


def test_deserializing_changes_nothing():
    config = serialize(initializers.VarianceScaling(seed=1))
    before = json.dumps(config)
    deserialize(config)
    assert json.dumps(config) == before


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}}
REFUSED = {
    "lambda": (LAMBDA, ValueError, "lambda"),
    "os.system": (
        {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
        ValueError,
        "system",
    ),
    "function of a module": (
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        ValueError,
        "system",
    ),
    "builtin function": (
        {"module": "builtins", "class_name": "function", "config": "eval"},
        ValueError,
        "eval",
    ),
    "function of pyseq that is no model part": (
        {"module": "keras.saving", "class_name": "function", "config": "load_model"},
        ValueError,
        "load_model",
    ),
    "function of keras.config": (
        {
            "module": "keras.config",
            "class_name": "enable_unsafe_deserialization",
            "config": {},
            "registered_name": None,
        },
        ValueError,
        "enable_unsafe",
    ),
    "function as class": (
        {"module": "keras.activations", "class_name": "relu", "config": {}},
        ValueError,
        "relu",
    ),
    "class as function": (
        {"module": "keras.initializers", "class_name": "function", "config": "Zeros"},
        ValueError,
        "Zeros",
    ),
    "own class of the same name": (
        {"module": None, "class_name": "Zeros", "config": {}, "registered_name": "Zeros"},
        ValueError,
        "Zeros",
    ),
    "foreign module, built-in name": (
        {"module": "evil.initializers", "class_name": "Zeros", "config": {}},
        ValueError,
        "evil",
    ),
    "altered registered_name": (
        {
            "module": "keras.initializers",
            "class_name": "Zeros",
            "config": {},
            "registered_name": "pkg>Other",
        },
        ValueError,
        "registered_name",
    ),
    "unknown argument": (
        {"module": "keras.initializers", "class_name": "Constant", "config": {"valu": 1}},
        ValueError,
        "valu",
    ),
    "config of another kind": (
        {"module": "keras.initializers", "class_name": "Zeros", "config": [1]},
        TypeError,
        "dict",
    ),
    "class_name of another kind": ({"class_name": 3, "config": {}}, TypeError, "3"),
    "name of a function of another kind": (
        {"module": "builtins", "class_name": "function", "config": {"a": 1}},
        TypeError,
        "name",
    ),
    "object array": (
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}},
        ValueError,
        "object",
    ),
    "ragged array": (
        {"class_name": "__numpy__", "config": {"value": [[1], [1, 2]], "dtype": "float32"}},
        ValueError,
        "shape",
    ),
    "unknown special": ({"class_name": "__typespec__", "config": []}, ValueError, "__typespec__"),
    "symbolic tensor": ({"class_name": "__keras_tensor__", "config": {}}, ValueError, "tensor"),
    "malformed slice": ({"class_name": "__slice__", "config": {"start": 1}}, ValueError, "slice"),
    "shared id of another kind": (
        {"class_name": "Zeros", "config": {}, "shared_object_id": [1]},
        TypeError,
        "shared_object_id",
    ),
    "no plain value": ({1, 2}, TypeError, "set"),
}


@pytest.mark.parametrize("safe_mode", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, safe_mode, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError(f"import of {args}")

    config, error, text = REFUSED[name]
    hooks.load_family()  # what a file may name; its modules load at the first question
    before = dict(registration._BUILTINS)
    with monkeypatch.context() as patch:
        patch.setattr(importlib, "import_module", forbidden)
        patch.setattr(builtins, "__import__", forbidden)
        try:
            deserialize(config, safe_mode=safe_mode)
        except Exception as caught:
            found = caught
        else:
            found = None
    assert isinstance(found, error), found
    assert text in str(found)
    assert registration._BUILTINS == before


def test_nesting_is_capped():
    config = {"class_name": "Zeros", "config": {}}
    for _ in range(200):
        config = {"a": config}
    with pytest.raises(ValueError, match="nested"):
        deserialize(config)
    nested = None
    for _ in range(20):
        nested = {**serialize(Scale()), "config": {"factor": 1.0, "inner": nested}}
    assert isinstance(deserialize(nested, {"Scale": Scale}), Scale)


def test_size_is_capped(monkeypatch):
    monkeypatch.setattr(serialization, "MAX_NODES", 1000)
    with pytest.raises(ValueError, match="1000"):
        deserialize({"a": [[0] * 10] * 200})


def test_ambiguous_legacy_name():
    @registration.builtin("test_family_one", name="TestTwin")
    class One:
        pass

    @registration.builtin("test_family_two", name="TestTwin")
    class Two(regularizers.L1):
        pass

    try:
        config = {"class_name": "TestTwin", "config": {}}
        with pytest.raises(ValueError, match="test_family_one"):
            deserialize(config)
        assert isinstance(deserialize(config, family="test_family_two"), Two)
        private = {**config, "module": "keras.src.test_family_two.twins"}
        assert isinstance(deserialize(private), Two)
        with pytest.raises(ValueError, match="free name"):
            registration.builtin("test_family_one", name="TestTwin")(Two)
    finally:
        for family in ("test_family_one", "test_family_two"):
            registration._BUILTINS.pop((f"keras.{family}", "TestTwin"))
        registration._BUILTINS_BY_NAME.pop("TestTwin")


def test_every_builtin_name_exists_in_keras():
    pytest.importorskip("keras")
    from keras.src import api_export

    mine = ("activations", "initializers", "regularizers", "constraints", "optimizers.schedules")
    for obj, (module, name) in registration._BUILTIN_NAMES.items():
        if module in {f"keras.{m}" for m in mine} and obj is not activations.threshold:
            symbol = api_export.get_symbol_from_name(f"{module}.{name}")
            assert symbol is not None, (module, name)
            assert api_export.get_name_from_symbol(symbol) == f"{module}.{name}"


def test_serialize_errors():
    with pytest.raises(TypeError, match="get_config"):
        serialize(object())
    with pytest.raises(TypeError, match="instance"):
        serialize(initializers.Zeros)
    with pytest.raises(TypeError, match="object"):
        serialize(np.array([None, 1]))
    with pytest.raises(ValueError, match="get_config"):
        saving.register_keras_serializable()(type("Empty", (), {}))

    class Odd:
        def get_config(self):
            return [1]

    with pytest.raises(TypeError, match="dict"):
        serialize(Odd())


def test_construct():
    built = construct(schedules.ExponentialDecay, schedules.ExponentialDecay(1, 2, 3).get_config())
    assert built.decay_rate == 3
    with pytest.raises(ValueError, match="decay_rate"):
        construct(schedules.ExponentialDecay, {"initial_learning_rate": 1, "decay_steps": 1})
    assert construct(initializers.Ones, {"dtype": "float32"}).get_config() == {}
    with pytest.raises(ValueError, match="retired argument dtype .* got 'int8'"):
        construct(initializers.Ones, {"dtype": "int8"})


def test_an_empty_registered_name_is_none():
    dense = {"class_name": "Dense", "module": "keras.layers", "config": {"units": 1}}
    assert deserialize({**dense, "registered_name": ""}).units == 1
    relu = {"class_name": "function", "module": "builtins", "config": "relu"}
    for name in ("", None, "function", "relu"):
        assert deserialize({**relu, "registered_name": name}) is activations.relu
    for config, name in ((dense, "other>Dense"), (relu, "other")):
        with pytest.raises(ValueError, match=f"no registered_name for the built-in .*{name}"):
            deserialize({**config, "registered_name": name})


def test_functions_of_keras_3_6_have_no_package():
    def described(name):
        return {"module": "builtins", "class_name": "function", "config": name,
                "registered_name": "function"}  # fmt: skip

    @registration.register_keras_serializable("first_of_36")
    def quartered(x):
        return x / 4

    assert deserialize(described("quartered")) is quartered
    assert deserialize(described("first_of_36>quartered")) is quartered
    with pytest.raises(ValueError, match="got 'uartered'"):
        deserialize(described("uartered"))
    other = {"second>quartered": abs}
    with pytest.raises(ValueError, match="expected one function called 'quartered', got"):
        deserialize(described("quartered"), other)
    assert deserialize(described("quartered"), {"quartered": abs}) is abs
    registration.register_keras_serializable("class_of_36", "solo")(initializers.Zeros)
    with pytest.raises(ValueError, match="a function of pyseq or of custom_objects, got 'solo'"):
        deserialize(described("solo"))


@pytest.mark.parametrize("config", [{"layers": []}, {"name": "a"}, {}])
def test_a_sequential_without_name_or_layers(config):
    whole = {"module": "keras", "class_name": "Sequential", "config": config}
    for run in (lambda: deserialize(whole), lambda: pyseq.Sequential.from_config(config)):
        with pytest.raises(ValueError, match="a dict with the keys 'name' and 'layers', got"):
            run()


def test_a_map_of_policies():
    policies = pyseq.dtype_policies.DTypePolicyMap("float32", {"dense": "float64"})
    policies["enc/.*"] = pyseq.DTypePolicy("mixed_bfloat16")
    assert policies["dense"].name == "float64"
    assert policies["enc/a/b"].name == "mixed_bfloat16"
    assert policies["enc"].name == policies["dense/kernel"].name == "float32"
    assert (policies.name, policies.compute_dtype, len(policies)) == ("map_float32", "float32", 2)
    assert list(policies) == ["dense", "enc/.*"] and "enc/a" not in policies
    config = serialize(policies)
    assert (config["module"], config["class_name"]) == ("keras.dtype_policies", "DTypePolicyMap")
    assert deserialize(json.loads(json.dumps(config))) == policies
    assert "mapping=[('dense', 'float64')" in repr(policies)
    layer = pyseq.layers.Dense(2, dtype=policies)
    assert layer.dtype == "float32"
    copy = pyseq.layers.Dense.from_config(layer.get_config())
    assert copy.dtype_policy == policies
    del policies["dense"]
    assert policies["dense"].name == "float32"
    assert pyseq.dtype_policies.get(pyseq.FloatDTypePolicy("float64")).name == "float64"


def test_errors_of_a_map_of_policies():
    make = pyseq.dtype_policies.DTypePolicyMap
    policies = make(policy_map={"a.*": "float32", ".*b": "float64"})
    with pytest.raises(ValueError, match="expected one entry that matches 'ab', got"):
        policies["ab"]
    with pytest.raises(ValueError, match="expected a new entry, got 'a.*', which is"):
        policies["a.*"] = "float32"
    with pytest.raises(ValueError, match="expected a policy for 'c', got 3"):
        policies["c"] = 3
    with pytest.raises(KeyError):
        del policies["c"]
    with pytest.raises(TypeError, match="policy_map to be a dict, got 123"):
        make(policy_map=123)
    with pytest.raises(ValueError, match="one policy, got a DTypePolicyMap"):
        make(policies)


def test_a_map_of_policies_of_keras():
    keras = pytest.importorskip("keras")
    policies = {"a": keras.DTypePolicy("float64"), "b/.*": keras.DTypePolicy("float16")}
    theirs = keras.saving.serialize_keras_object(
        keras.dtype_policies.DTypePolicyMap("float32", policies)
    )
    ours = deserialize(theirs)
    assert serialize(ours)["config"] == theirs["config"]
    assert [ours[path].name for path in ("a", "b/c", "d")] == ["float64", "float16", "float32"]
