import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.models import clone_model

X = np.array([[1.0, -2.0, 3.0]], "float32")


class Two(pyseq.Model):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.second = layers.Dense(units), layers.Dense(1)

    def call(self, x):
        return self.second(self.first(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize("build", [True, False])
def test_a_subclass_is_cloned_from_its_config(build):
    model = Two(5, name="mine")
    if build:
        model(X)
    clone = clone_model(model)
    assert type(clone) is Two
    assert (clone.units, clone.name) == (5, "mine")
    expected = model(X)
    assert not np.array_equal(clone(X), expected)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(X), expected)


def test_a_subclass_stays_compiled():
    model = Two()
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], verbose=0)
    assert clone_model(model).compiled


def test_a_layer_in_two_places_is_one_in_the_copy():
    shared = layers.Dense(3)
    inner = pyseq.Sequential([pyseq.Input((3,)), shared])
    model = pyseq.Sequential([pyseq.Input((3,)), inner, shared, layers.Dense(2)])
    clone = clone_model(model, recursive=True)
    assert clone.layers[0].layers[0] is clone.layers[1]
    assert clone.layers[1] is not shared
    assert len(clone.weights) == len(model.weights) == 4
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(X), model(X))


def test_the_clone_function_sees_nested_models_unless_recursive():
    inner = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(3, name="in")], name="inner")
    model = pyseq.Sequential([pyseq.Input((3,)), inner, layers.Dense(2, name="out")])
    for recursive, expected in ((False, ["inner", "out"]), (True, ["in", "out"])):
        seen = []

        def copy(layer, seen=seen):
            seen.append(layer.name)
            return type(layer).from_config(layer.get_config())

        clone_model(model, clone_function=copy, recursive=recursive)
        assert seen == expected


def test_a_model_of_several_outputs():
    x = pyseq.Input((3,))
    a = layers.Dense(4)(x)
    model = pyseq.Model(x, [a, layers.Dense(2)(a)])
    clone = clone_model(model)
    clone.set_weights(model.get_weights())
    for ours, theirs in zip(clone(X), model(X), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_clone_errors():
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(1)])
    for arguments, text in [
        ({"clone_function": 3}, "expected `clone_function` to be callable, got 3"),
        ({"clone_function": lambda layer: 3}, "add: expected a layer, got int 3"),
        ({"input_tensors": X}, "one tensor that Input"),
        ({"input_tensors": [pyseq.Input((3,)), pyseq.Input((3,))]}, "one tensor that Input"),
        ({"call_function": print}, "expected no `call_function`"),
        ({"other": 1}, "unknown arguments"),
    ]:
        with pytest.raises(ValueError, match=text):
            clone_model(model, **arguments)
    for arguments in ({"clone_function": print}, {"input_tensors": pyseq.Input((3,))}):
        with pytest.raises(ValueError, match="for a Sequential only, got Two"):
            clone_model(Two(), **arguments)
    with pytest.raises(ValueError, match="expected a model, got int"):
        clone_model(3)
