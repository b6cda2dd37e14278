"""`KerasClassifier` and `KerasRegressor` in the spellings of Keras 2 and SciKeras."""

import importlib
import pickle
from collections import Counter

import numpy as np
import pytest

import pyseq
from pyseq import layers

pytest.importorskip("sklearn")
import joblib
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from pyseq.wrappers import KerasClassifier, KerasRegressor


def softmax(units=8, optimizer="adam", loss="categorical_crossentropy"):
    model = pyseq.Sequential([layers.Dense(units, "tanh"), layers.Dense(3, "softmax")])
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def sigmoid(units=8):
    model = pyseq.Sequential([layers.Dense(units, "tanh"), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    return model


def linear(units=1):
    model = pyseq.Sequential([layers.Dense(units)])
    model.compile(pyseq.optimizers.SGD(0.1), "mse")
    return model


def by_meta(meta, compile_kwargs, units=16):
    """As in the guide of SciKeras."""
    model = pyseq.Sequential([layers.Dense(units, "relu"), layers.Dense(meta["n_classes_"], "softmax")])
    model.compile(**compile_kwargs)
    return model


def uncompiled(meta):
    return pyseq.Sequential([layers.Dense(meta["n_outputs_"])])


QUIET = {"epochs": 40, "batch_size": 8, "verbose": 0, "random_state": 3}


@pytest.fixture
def data(rng):
    x = rng.normal(size=(60, 4))
    return x, np.array(["low", "middle", "top"])[np.digitize(x[:, 0], [-0.5, 0.5])]


# --- checks of scikit-learn


def any_classifier(meta):
    labels = meta["target_type_"] == "multilabel-indicator"
    loss = "BinaryCrossentropy" if labels else "SparseCategoricalCrossentropy"
    model = pyseq.Sequential(
        [
            layers.Dense(32, "relu"),
            layers.Dense(meta["n_classes_"], "sigmoid" if labels else "softmax"),
        ]
    )
    loss = getattr(pyseq.losses, loss)(reduction="mean_with_sample_weight")
    model.compile(pyseq.optimizers.Adam(0.01), loss)
    return model


def any_regressor(meta):
    model = pyseq.Sequential([layers.Dense(32, "relu"), layers.Dense(meta["n_outputs_"])])
    loss = pyseq.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    model.compile(pyseq.optimizers.Adam(0.01), loss)
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "ours, theirs",
    [
        (KerasClassifier(any_classifier, epochs=60, batch_size=1000, verbose=0), MLPClassifier()),
        (KerasRegressor(any_regressor, epochs=100, batch_size=1000, verbose=0), MLPRegressor()),
    ],
)
def test_checks_of_sklearn(ours, theirs):
    """Weights of rows and repeated rows are compared to 1e-7, which needs float64."""
    pyseq.config.set_floatx("float64")
    try:
        results = check_estimator(ours, on_fail=None, on_skip=None)
    finally:
        pyseq.config.set_floatx("float32")
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []
    beside = check_estimator(theirs, on_fail=None, on_skip=None)
    passed = [Counter(r["status"] for r in part)["passed"] for part in (results, beside)]
    assert passed[0] >= passed[1] > 50


# --- Keras 2


def test_old_module():
    pyseq.config.disable_compat_notices()
    try:
        module = importlib.import_module("pyseq.wrappers.scikit_learn")
    finally:
        pyseq.config.enable_compat_notices()
    assert module.KerasClassifier is KerasClassifier
    assert module.KerasRegressor is KerasRegressor


def test_classifier_of_keras_2(data):
    x, y = data
    model = KerasClassifier(build_fn=softmax, units=12, **QUIET)
    assert model.sk_params == {"units": 12, "epochs": 40, "batch_size": 8, "verbose": 0}
    history = model.fit(x, y, epochs=5)
    assert len(history.history["loss"]) == len(history.epoch) == 5
    assert set(history.history) == {"loss", "accuracy"}
    assert model.model.layers[0].units == 12
    assert list(model.classes_) == ["low", "middle", "top"]
    model.fit(x, y)
    proba = model.predict_proba(x)
    assert proba.shape == (60, 3)
    np.testing.assert_array_equal(model.predict(x), model.classes_[proba.argmax(axis=1)])
    assert model.score(x, y) == np.mean(model.predict(x) == y) > 0.6
    expected = model.model.evaluate(x, np.eye(3)[np.searchsorted(model.classes_, y)], verbose=0)
    assert model.score(x, y, batch_size=16) == pytest.approx(expected[1])


def test_one_hot_targets(data):
    """Classes with `build_fn`, as Keras 2 gave them; one-hot rows with `model`, as SciKeras does."""
    x, names = data
    y = np.eye(3)[np.searchsorted(["low", "middle", "top"], names)]
    old = KerasClassifier(build_fn=softmax, **QUIET).fit(x, y)
    assert old.predict(x).shape == (60,)
    new = KerasClassifier(softmax, **QUIET).fit(x, y)
    np.testing.assert_array_equal(np.argmax(new.predict(x), axis=1), old.predict(x))
    assert new.score(x, y) == old.score(x, y) > 0.6
    sparse = KerasClassifier(softmax, loss="sparse_categorical_crossentropy", **QUIET).fit(x, y)
    assert sparse.score(x, y) > 0.6


def test_binary_output(data):
    x, _ = data
    y = np.where(x[:, 0] > 0, "yes", "no")
    model = KerasClassifier(build_fn=sigmoid, **QUIET).fit(x, y)
    p = model.model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict_proba(x), np.hstack([1 - p, p]))
    np.testing.assert_array_equal(model.predict(x), np.where(p[:, 0] > 0.5, "yes", "no"))
    assert model.score(x, y) > 0.6


def test_scores_of_the_regressor(rng):
    x = rng.normal(size=(50, 2))
    y = 3 * x[:, 0] - x[:, 1] + 1
    old = KerasRegressor(build_fn=linear, **QUIET).fit(x, y)
    assert old.predict(x).shape == (50,)
    old.model_.set_weights([w + 0.5 for w in old.model_.get_weights()])
    assert old.score(x, y) == pytest.approx(-np.mean((old.predict(x) - y) ** 2), rel=1e-5)
    new = KerasRegressor(linear, **QUIET).fit(x, y)
    assert new.score(x, y) == r2_score(y, new.predict(x)) > 0.99
    two = KerasRegressor(linear, model__units=2, **QUIET).fit(x, np.stack([y, -y], 1))
    assert two.predict(x).shape == (50, 2)


class Maker:
    def __call__(self, units=4):
        return softmax(units)

    def make(self, units=5):
        return softmax(units)


class Own(KerasClassifier):
    def __call__(self, units=6):
        return softmax(units)


class OwnOfSciKeras(KerasClassifier):
    def __init__(self, units=7, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def _keras_build_fn(self, compile_kwargs):
        model = pyseq.Sequential([layers.Dense(self.units), layers.Dense(3, "softmax")])
        model.compile(**compile_kwargs)
        return model


@pytest.mark.parametrize(
    "make, units",
    [
        (lambda: KerasClassifier(build_fn=Maker(), **QUIET), 4),
        (lambda: KerasClassifier(build_fn=Maker().make, **QUIET), 5),
        (lambda: KerasClassifier(build_fn=Maker().make, units=9, **QUIET), 9),
        (lambda: Own(**QUIET), 6),
        (lambda: OwnOfSciKeras(loss="categorical_crossentropy", **QUIET), 7),
        (lambda: OwnOfSciKeras(8, loss="categorical_crossentropy", **QUIET), 8),
        (lambda: KerasClassifier(lambda **more: softmax(**more), units=3, **QUIET), 3),
        (lambda: KerasClassifier(softmax(units=2), **QUIET), 2),
    ],
)
def test_what_makes_the_model(make, units, data):
    model = clone(make().set_params(epochs=1)).fit(*data)
    assert model.model_.layers[0].units == units
    assert len(model.history_["loss"]) == 1


# --- SciKeras


def test_routes_of_scikeras(data):
    x, y = data
    model = KerasClassifier(
        model=by_meta,
        model__units=5,
        optimizer="sgd",
        optimizer__learning_rate=0.25,
        loss="categorical_crossentropy",
        loss__label_smoothing=0.125,
        metrics=["accuracy"],
        fit__batch_size=30,
        callbacks=pyseq.callbacks.EarlyStopping,
        callbacks__monitor="loss",
        callbacks__min_delta=100.0,
        callbacks__patience=2,
        **{**QUIET, "batch_size": 1},
    ).fit(x, y)
    assert model.model_.layers[0].units == 5
    assert float(model.model_.optimizer.learning_rate) == 0.25
    assert model.model_.loss.label_smoothing == 0.125
    assert int(model.model_.optimizer.iterations) == 3 * 2
    assert set(model.history_) == {"loss", "accuracy"}


def test_compiles_what_is_not(rng):
    x = rng.normal(size=(20, 2))
    model = KerasRegressor(uncompiled, loss="mae", optimizer=pyseq.optimizers.SGD(0.1), **QUIET)
    model.fit(x, x[:, 0])
    assert isinstance(model.model_.optimizer, pyseq.optimizers.SGD)
    assert model.model_.loss == "mae"
    with pytest.raises(ValueError, match="a compiled model or a loss"):
        KerasRegressor(uncompiled).fit(x, x[:, 0])
    with pytest.warns(UserWarning, match="takes loss or returns"):
        KerasRegressor(linear, loss="mae", **QUIET).fit(x, x[:, 0])


def test_labels(rng):
    x = rng.normal(size=(40, 3))
    y = (x > 0).astype(int)

    def build(meta):
        assert meta["target_type_"] == "multilabel-indicator"
        model = pyseq.Sequential([layers.Dense(meta["n_classes_"], "sigmoid")])
        model.compile(pyseq.optimizers.Adam(0.05), "binary_crossentropy")
        return model

    model = KerasClassifier(build, **QUIET).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), model.predict_proba(x) > 0.5)
    assert model.score(x, y) > 0.8


# --- tools of scikit-learn


@pytest.mark.parametrize(
    "model, grid",
    [
        (KerasClassifier(build_fn=softmax, **QUIET), {"units": [2, 4], "epochs": [1, 2]}),
        (KerasClassifier(softmax, **QUIET), {"model__units": [2, 4], "fit__epochs": [1]}),
        (KerasClassifier(build_fn=softmax, verbose=0), {"optimizer": ["sgd", "adam"], "nb_epoch": [2]}),
        (
            KerasClassifier(by_meta, loss="sparse_categorical_crossentropy", **QUIET),
            {"optimizer__learning_rate": [0.1, 0.2], "batch_size": [20]},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::pyseq.compat.notices.CompatNotice")
def test_searches(model, grid, data):
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(*data)
    best = search.best_estimator_
    assert search.best_score_ > 0.2
    assert {k: best.get_params()[k] for k in grid} == search.best_params_
    if "units" in grid:
        assert best.model.layers[0].units == search.best_params_["units"]
        assert len(best.history_["loss"]) == search.best_params_["epochs"]


def test_pipelines_and_folds(data):
    x, y = data
    pipe = Pipeline([("scale", StandardScaler()), ("net", KerasClassifier(build_fn=softmax, **QUIET))])
    assert cross_val_score(pipe, x, y, cv=3).mean() > 0.5
    assert cross_val_predict(pipe, x, y, cv=3).shape == (60,)
    assert pipe.set_params(net__epochs=2).fit(x, y, net__batch_size=30) is pipe
    assert int(pipe["net"].model.optimizer.iterations) == 4
    search = GridSearchCV(pipe, {"net__units": [2, 3]}, cv=2, n_jobs=2).fit(x, y)
    assert search.best_params_["net__units"] in (2, 3)


def test_copies(data, tmp_path):
    x, y = data
    optimizer = pyseq.optimizers.Adam(0.02)
    model = KerasClassifier(by_meta, optimizer=optimizer, loss="categorical_crossentropy", **QUIET)
    other = clone(model)
    assert repr(other.get_params()["model"]) == repr(by_meta)
    model.fit(x, y)
    expected = model.predict_proba(x)
    joblib.dump(model, tmp_path / "model.joblib")
    for copy in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(copy.predict_proba(x), expected)
        assert copy.history_ == model.history_
        assert int(copy.partial_fit(x, y).model_.optimizer.iterations) == 41 * 8
    with pytest.raises(NotFittedError):
        clone(model).predict(x)


def test_seed(data):
    x, y = data
    before = pyseq.random.streams()["numpy"]["state"]["pos"]
    answers = [KerasClassifier(softmax, **{**QUIET, "epochs": 2}).fit(x, y) for _ in range(2)]
    assert pyseq.random.streams()["numpy"]["state"]["pos"] == before
    np.testing.assert_array_equal(*(a.predict_proba(x) for a in answers))
    other = KerasClassifier(softmax, **{**QUIET, "epochs": 2, "random_state": 4}).fit(x, y)
    assert np.abs(other.predict_proba(x) - answers[0].predict_proba(x)).max() > 1e-3


def test_partial_fit(data):
    x, y = data
    model = KerasClassifier(softmax, **QUIET)
    model.partial_fit(x[:30], y[:30], classes=["low", "middle", "top"])
    first = model.model_
    model.partial_fit(x[30:], y[30:])
    assert model.model_ is first
    assert len(model.history_["loss"]) == 2
    with pytest.raises(ValueError, match=r"the classes \['low', 'middle', 'top'\], got \['new'\]"):
        model.partial_fit(x, np.where(x[:, 0] > 0, "low", "new"))
    with pytest.raises(ValueError, match="4 features"):
        model.partial_fit(x[:, :2], y)
    warm = KerasClassifier(softmax, warm_start=True, **QUIET).fit(x, y)
    start = warm.history_["loss"][-1]
    assert warm.fit(x, y).history_["loss"][40] < start * 1.05


def test_weights_of_rows_and_classes(data):
    x, y = data
    some = y != "top"
    weights = some.astype(float)
    model = KerasClassifier(softmax, **QUIET).fit(x, y, sample_weight=weights)
    plain = KerasClassifier(softmax, **QUIET).fit(x, y)
    assert np.sum(model.predict(x) == "top") < np.sum(plain.predict(x) == "top") / 2
    for weight in ({"low": 0.0, "middle": 0.0, "top": 1.0}, {0: 0.0, 1: 0.0, 2: 1.0}):
        model = KerasClassifier(softmax, class_weight=weight, **QUIET).fit(x, y)
        assert np.mean(model.predict(x) == "top") > np.mean(y == "top")
    KerasClassifier(softmax, class_weight="balanced", **QUIET).fit(x, y)
    assert model.score(x, y, sample_weight=1 - weights) == np.mean(model.predict(x[~some]) == "top")


def test_mistakes(data):
    x, y = data
    with pytest.raises(ValueError, match="'unit', which is not a legal parameter"):
        KerasClassifier(build_fn=softmax, unit=3).fit(x, y)
    with pytest.raises(ValueError, match="'epoch', which is not a legal parameter"):
        KerasClassifier(build_fn=softmax).set_params(epoch=3)
    with pytest.raises(TypeError, match="one of model and build_fn"):
        KerasClassifier(softmax, build_fn=softmax).fit(x, y)
    with pytest.raises(TypeError, match="a function that returns a model"):
        KerasClassifier().fit(x, y)
    with pytest.raises(TypeError, match="a model from"):
        KerasClassifier(lambda: 3).fit(x, y)
    with pytest.raises(TypeError, match="class or a name for the arguments"):
        optimizer = pyseq.optimizers.SGD()
        KerasClassifier(by_meta, optimizer=optimizer, optimizer__learning_rate=1.0).fit(x, y)
    with pytest.raises(NotFittedError):
        KerasClassifier(softmax).predict(x)
    with pytest.raises(AttributeError, match="no attribute 'epochs'"):
        _ = KerasClassifier(softmax).epochs
    assert KerasClassifier(softmax, epochs=3).epochs == 3
    model = KerasClassifier(softmax, **QUIET).fit(x, y)
    before = model.predict_proba(x)
    with pytest.raises(ValueError, match="continuous"):
        model.fit(x, x[:, 0])
    with pytest.raises(ValueError, match="only one class"):
        model.fit(x, ["low"] * 60)
    np.testing.assert_array_equal(model.predict_proba(x), before)
