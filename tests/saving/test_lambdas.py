"""Models with anonymous functions: their code is written for Keras, and never loaded here."""

import json
import zipfile

import numpy as np
import pytest

import pyseq
from pyseq import layers as L
from pyseq.registry import lambdas
from pyseq.saving import load_model

X = np.array([[1.0, -2.0, 3.0, 4.0]], "float32")
SAID = "got a lambda, whose code pyseq never loads"
pytestmark = pytest.mark.filterwarnings("ignore:.*training_config")


def model_with_lambdas():
    factor = 5.0
    return pyseq.Sequential(
        [
            pyseq.Input((4,)),
            L.Lambda(lambda x: x * factor, name="times"),
            L.Dense(2, name="head", activation=lambda x: 2 * x),
            L.Lambda(lambda x: x + 1, output_shape=lambda s: s, name="one"),
        ]
    )


GIVEN = {
    "times": lambda x: x * 5.0,
    "head/activation": lambda x: 2 * x,
    "one": lambda x: x + 1,
    "one/output_shape": lambda s: s,
}


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_the_functions_are_given_again(ending, tmp_path):
    model, path = model_with_lambdas(), tmp_path / f"m.{ending}"
    with pytest.warns(UserWarning, match=SAID):
        model.save(path)
    for safe_mode in (True, False):
        with pytest.raises(ValueError, match=r"times: expected no code.*\{'times': function\}"):
            load_model(path, safe_mode=safe_mode)
    loaded = load_model(path, custom_objects=GIVEN)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    with pyseq.saving.custom_object_scope(GIVEN):
        load_model(path)


@pytest.mark.parametrize("left", ["head/activation", "one", "one/output_shape"])
def test_each_missing_function_is_named(left, tmp_path):
    with pytest.warns(UserWarning, match=SAID):
        model_with_lambdas().save(tmp_path / "m.keras")
    given = {name: f for name, f in GIVEN.items() if name != left}
    with pytest.raises(ValueError, match=f"expected no code.*'{left}': function"):
        load_model(tmp_path / "m.keras", custom_objects=given)


def test_one_function_for_all_lambdas(tmp_path):
    model = pyseq.Sequential([pyseq.Input((4,)), L.Lambda(lambda x: -x), L.Lambda(lambda x: -x)])
    with pytest.warns(UserWarning, match=SAID):
        text = model.to_json()
    loaded = pyseq.models.model_from_json(text, custom_objects={"<lambda>": lambda x: 3 * x})
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), 9 * X)
    serialized = json.loads(text)["config"]["layers"][1]["config"]["function"]
    given = pyseq.saving.deserialize_keras_object(serialized, {"<lambda>": abs})
    assert given is abs
    with pytest.raises(ValueError, match="expected no code"):
        pyseq.saving.deserialize_keras_object(serialized, safe_mode=False)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = model_with_lambdas()
    texts = []
    for name in ("a.keras", "b.keras"):
        with pytest.warns(UserWarning, match=SAID):
            model.save(tmp_path / name)
        with zipfile.ZipFile(tmp_path / name) as archive:
            texts.append(archive.read("config.json"))
    assert texts[0] == texts[1]


def test_what_json_has_no_place_for_is_left_out():
    held = object()
    with pytest.warns(UserWarning, match=SAID):
        config = lambdas.describe(lambda x, y=(1, 2): (x, y, held))["config"]
    assert config["closure"] is None
    assert config["defaults"] == [[1, 2]]
    assert config["value"] == [config["code"], [[1, 2]], None]


def test_a_lambda_inside_a_loss_is_still_left_out(tmp_path):
    @pyseq.saving.register_keras_serializable("test_lambdas")
    class Scaled(pyseq.Loss):
        def __init__(self, how, **kwargs):
            super().__init__(**kwargs)
            self.how = how

        def call(self, y_true, y_pred):
            return pyseq.ops.mean(self.how(y_true - y_pred), axis=-1)

        def get_config(self):
            return {**super().get_config(), "how": self.how}

    model = pyseq.Sequential([pyseq.Input((4,)), L.Dense(1)])
    model.compile("sgd", Scaled(lambda d: d * d))
    with pytest.warns(UserWarning, match=r"got loss \(Scaled"):
        model.save(tmp_path / "m.keras")
    with pytest.warns(UserWarning, match=r"could not hold loss"):
        loaded = load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_keras_reads_them(ending, tmp_path):
    keras = pytest.importorskip("keras")
    model, path = model_with_lambdas(), str(tmp_path / f"m.{ending}")
    with pytest.warns(UserWarning, match=SAID):
        model.save(path)
    theirs = keras.saving.load_model(path, safe_mode=False)
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(theirs.predict(X, verbose=0), expected, rtol=1e-5)


def test_a_file_of_keras(tmp_path):
    keras = pytest.importorskip("keras")
    function = eval("lambda x: x * 2.0", {})
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(function, name="double")])
    theirs.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="double: expected no code"):
        load_model(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras", custom_objects={"double": lambda x: 2 * x})
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), 2 * X)
