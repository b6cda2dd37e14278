"""`get_state_tree` and `set_state_tree` of models."""

import numpy as np
import pytest

from pyseq import Input, Sequential, layers


def stack(package=layers):
    return [package.Dense(3, name="one"), package.BatchNormalization(name="two")]


def trained(epochs=2):
    model = Sequential([Input((4,)), *stack()], name="net")
    model.compile("adam", "mse", metrics=["mae"])
    if epochs:
        model.fit(X, Y, epochs=epochs, verbose=0, shuffle=False)
    return model


X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = X[:, :3] * 2


def paths(tree, prefix=""):
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found.update(paths(value, f"{prefix}{key}/"))
        else:
            found[f"{prefix}{key}"] = np.shape(value)
    return found


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_paths_of_keras():
    keras = pytest.importorskip("keras")
    theirs = keras.Sequential([keras.Input((4,)), *stack(keras.layers)], name="net")
    theirs.compile("adam", "mse", metrics=["mae"])
    theirs.fit(X, Y, verbose=0)
    expected = paths(theirs.get_state_tree("numpy_array"))
    # The mean of the loss is no metric here.
    expected = {k: v for k, v in expected.items() if not k.startswith("metrics_variables/loss/")}
    model = trained(1)
    found = paths(model.get_state_tree())

    def plain(paths, optimizer):
        return {path.replace(optimizer.name, "adam"): shape for path, shape in paths.items()}

    assert plain(found, model.optimizer) == plain(expected, theirs.optimizer)


def test_training_goes_on_from_a_tree():
    model = trained()
    other = trained(0)
    other.set_state_tree(model.get_state_tree("numpy_array"))
    for m in (model, other):
        m.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations.numpy() == other.optimizer.iterations.numpy() == 4


def test_metrics_go_over():
    model = trained()
    tree = model.get_state_tree("numpy_array")
    before = model.get_metrics_result()["mae"]
    model.reset_metrics()
    model.set_state_tree({"metrics_variables": tree["metrics_variables"]})
    assert model.get_metrics_result()["mae"] == before


def test_arrays_are_copies_and_tensors_are_not():
    model = trained(0)
    copy = model.get_state_tree("numpy_array")["trainable_variables"]["net"]["one"]["bias"]
    live = model.get_state_tree()["trainable_variables"]["net"]["one"]["bias"]
    model.layers[0].bias.assign([1.0, 2.0, 3.0])
    assert copy.tolist() == [0.0, 0.0, 0.0]
    assert live.tolist() == [1.0, 2.0, 3.0]


def test_not_compiled():
    model = Sequential([Input((4,)), *stack()], name="net")
    tree = model.get_state_tree("numpy_array")
    assert tree["optimizer_variables"] == tree["metrics_variables"] == {}
    model.layers[0].bias.assign([1.0, 2.0, 3.0])
    model.set_state_tree(tree)
    assert model.layers[0].bias.numpy().tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("tree", "match"),
    [
        ({"weights": {}}, "expected the groups"),
        ({"trainable_variables": {"net": {"three": {"bias": [0.0]}}}}, "unknown .*net/three/bias"),
        (
            {"trainable_variables": {"net": {"one": {"bias": [9.0] * 3, "kernel": [0.0]}}}},
            "expected a value of shape",
        ),
    ],
)
def test_errors_change_nothing(tree, match):
    model = trained(0)
    before = model.get_weights()
    with pytest.raises(ValueError, match=match):
        model.set_state_tree(tree)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_errors():
    with pytest.raises(ValueError, match="`value_format` to be one of"):
        trained(0).get_state_tree("list")
    model = Sequential([Input((4,)), *stack()], name="net")
    model.layers[1].gamma.path = model.layers[1].beta.path
    with pytest.raises(ValueError, match="twice"):
        model.get_state_tree()
