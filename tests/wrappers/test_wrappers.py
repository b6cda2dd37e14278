"""Models as estimators of scikit-learn, beside Keras's wrappers."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

QUIET = {"verbose": 0, "epochs": 30, "batch_size": 16, "shuffle": False}


def classifier(X, y, hidden=8, api=pyseq, start="glorot_uniform"):
    model = api.Sequential(
        [
            api.Input(X.shape[1:]),
            api.layers.Dense(hidden, "tanh", kernel_initializer=start),
            api.layers.Dense(y.shape[1], "softmax", kernel_initializer=start),
        ]
    )
    model.compile(api.optimizers.SGD(0.1), "categorical_crossentropy")
    return model


def regressor(X, y, api=pyseq):
    model = api.Sequential(
        [api.Input(X.shape[1:]), api.layers.Dense(y.shape[1], kernel_initializer="zeros")]
    )
    model.compile(api.optimizers.SGD(0.05), "mse")
    return model


@pytest.fixture
def data(rng):
    x = rng.normal(size=(90, 4))
    return x, np.array(["low", "middle", "top"])[np.digitize(x[:, 0], [-0.5, 0.5])]


def test_classifier(data):
    x, y = data
    model = pyseq.wrappers.SKLearnClassifier(classifier, fit_kwargs=QUIET)
    assert model.fit(x, y) is model
    assert list(model.classes_) == ["low", "middle", "top"]
    assert model.score(x, y) > 0.6
    assert model.predict(x).dtype == y.dtype
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1, atol=1e-5)
    assert len(model.history_.history["loss"]) == 30
    assert model.n_features_in_ == 4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"])
def test_the_same_answers_as_keras(keras, data, kind):
    x, y = data
    make = classifier if kind == "SKLearnClassifier" else regressor
    targets = y if kind == "SKLearnClassifier" else x[:, 0] * 2 - x[:, 1]
    answers = []
    for api in (pyseq, keras):
        arguments = {"api": api, **({"start": "ones"} if make is classifier else {})}
        wrapper = getattr(api.wrappers, kind)(make, model_kwargs=arguments, fit_kwargs=QUIET)
        wrapper.fit(x, targets)
        answers.append(wrapper.transform(x) if "Trans" in kind else wrapper.predict(x))
    ours, theirs = answers
    assert ours.shape == theirs.shape
    if kind == "SKLearnClassifier":
        assert (ours == theirs).all()
    else:
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_regressor_with_several_outputs(rng):
    x = rng.normal(size=(60, 3))
    model = pyseq.wrappers.SKLearnRegressor(regressor, fit_kwargs=QUIET).fit(x, x[:, :2])
    assert model.predict(x).shape == (60, 2) and model.score(x, x[:, :2]) > 0.9
    assert model.fit(x, x[:, 0]).predict(x).shape == (60,)


def test_within_pipelines_searches_and_cross_validation(data):
    x, y = data
    model = pyseq.wrappers.SKLearnClassifier(classifier, fit_kwargs=QUIET)
    assert cross_val_score(make_pipeline(StandardScaler(), model), x, y, cv=3).mean() > 0.5
    search = GridSearchCV(model, {"model_kwargs": [{"hidden": 2}, {"hidden": 6}]}, cv=2)
    assert search.fit(x, y).best_estimator_.model_.layers[0].units in (2, 6)
    features = pyseq.wrappers.SKLearnTransformer(regressor, fit_kwargs=QUIET)
    assert features.fit_transform(x, x[:, 1]).shape == (90, 1)


def test_a_given_model_is_copied_unless_it_goes_on(data):
    x, y = data
    given = classifier(x, np.zeros((1, 3)))
    before = given.get_weights()
    model = pyseq.wrappers.SKLearnClassifier(given, fit_kwargs=QUIET).fit(x, y)
    assert model.model_ is not given
    for a, b in zip(before, given.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    warm = pyseq.wrappers.SKLearnClassifier(given, warm_start=True, fit_kwargs=QUIET).fit(x, y)
    first = warm.history_.history["loss"]
    assert warm.model_ is given
    assert warm.fit(x, y).history_.history["loss"][0] < first[0]
    assert clone(warm).model is not given


def test_mistakes(data):
    x, y = data
    wrap = pyseq.wrappers.SKLearnClassifier
    with pytest.raises(RuntimeError, match="compiled"):
        wrap(pyseq.Sequential([layers.Dense(3)])).fit(x, y)
    with pytest.raises(NotFittedError):
        wrap(classifier).predict(x)
    with pytest.raises(ValueError, match="only one class"):
        wrap(classifier).fit(x, np.ones(90))
    with pytest.raises(ValueError, match="got continuous targets"):
        wrap(classifier).fit(x, x[:, 0])
    with pytest.raises(TypeError, match="a model or a function"):
        wrap(3).fit(x, y)
    model = wrap(classifier, fit_kwargs=QUIET).fit(x, y)
    with pytest.raises(ValueError, match="4 features"):
        model.predict(x[:, :2])
    with pytest.raises(AttributeError, match="Other"):
        _ = pyseq.wrappers.Other
