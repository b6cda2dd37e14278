"""Targets with one number for all steps of a row, as from a recurrent layer that kept them all."""

import warnings

import numpy as np
import pytest

import pyseq

rng = np.random.default_rng(0)
X = rng.normal(size=(8, 5, 3)).astype("float32")
Y = rng.normal(size=(8, 1)).astype("float32")
SIGNS = (Y > 0).astype("float32")
KERNEL = rng.normal(size=(3, 1)).astype("float32")


def _model(library, loss, metrics=(), flat=False):
    stack = [library.Input((5, 3)), library.layers.Dense(1, name="last")]
    model = library.Sequential(stack + [library.layers.Flatten(name="flat")] * flat)
    model.layers[0].set_weights([KERNEL, np.zeros(1)])
    model.compile(library.optimizers.SGD(0.05), loss, metrics=list(metrics))
    return model


def _trained(library, y, *options, **more):
    model = _model(library, *options, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {"batch_size": 3, "verbose": 0}
        logs = model.fit(X, y, epochs=2, shuffle=False, validation_data=(X, y), **given).history
        logs.update(model.evaluate(X, y, return_dict=True, **given))
        return logs, model.get_weights()


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("loss, metrics, y", [
    ("mse", ["mae", "accuracy"], Y),
    ("mae", ["root_mean_squared_error"], Y),
    ("huber", ["mse"], Y),
    ("log_cosh", [], Y),
    ("cosine_similarity", [], Y),
    ("kl_divergence", [], SIGNS),
    ("poisson", [], SIGNS),
    ("hinge", ["binary_accuracy"], SIGNS),
    ("squared_hinge", ["accuracy"], SIGNS),
])
def test_training_as_in_keras(keras, loss, metrics, y, flat):
    if flat and "accuracy" in metrics:
        metrics = ["mae"]
    ours, theirs = (_trained(library, y, loss, metrics, flat=flat) for library in (pyseq, keras))
    assert sorted(ours[0]) == sorted(theirs[0])
    for name, values in theirs[0].items():
        np.testing.assert_allclose(ours[0][name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_rows_of_numbers_mean_one_target_for_each_row():
    column, row = _trained(pyseq, Y, "mse"), _trained(pyseq, Y[:, 0], "mse")
    assert column[0] == row[0]
    whole = _trained(pyseq, np.repeat(Y[:, None], 5, axis=1), "mse")
    np.testing.assert_allclose(row[0]["loss"], whole[0]["loss"], rtol=1e-5)


@pytest.mark.parametrize("y, shape", [(Y[:, 0], r"\(n,\)"), (Y, r"\(n, 1\)")])
def test_one_warning_says_what_to_do(y, shape):
    model = _model(pyseq, "mse")
    with pytest.warns(UserWarning, match=rf"last: .*{shape}.*\(n, 5, 1\); set return_seq") as told:
        model.fit(X, y, validation_data=(X, y), verbose=0)
        model.evaluate(X, y, verbose=0)
    assert [w.message.code for w in told] == ["PS202", "PS307"]
    assert told[0].filename == __file__


def test_units_for_one_target_are_named():
    with pytest.warns(UserWarning, match=r"flat: .*\(n, 5\); give layer flat 1 unit"):
        _model(pyseq, "mse", flat=True).evaluate(X, Y, verbose=0)


@pytest.mark.filterwarnings("ignore:last. binary_crossentropy expects probabilities")
@pytest.mark.parametrize("loss, y", [("binary_crossentropy", SIGNS), ("mse", Y.repeat(2, 1))])
def test_what_keras_refuses_is_refused(loss, y):
    with pytest.raises(ValueError, match="expected targets of shape"):
        _model(pyseq, loss).fit(X, y, verbose=0)
