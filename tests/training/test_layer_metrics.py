"""Metrics that are attributes of layers and get their values in `call`."""

import warnings

import numpy as np
import pytest

import pyseq

X = np.linspace(-1, 1, 24).reshape(6, 4).astype("float32")
Y = np.ones((6, 2), "float32")


def _model(library):
    class Largest(library.metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.largest = self.add_weight(shape=(), initializer="zeros", name="largest")

        def update_state(self, values, sample_weight=None):
            self.largest.assign(library.ops.maximum(self.largest, library.ops.max(values)))

        def result(self):
            return self.largest

    class Measured(library.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = library.layers.Dense(3, kernel_initializer="ones")
            self.size = library.metrics.Mean(name="size")
            self.weight = library.metrics.Mean(name="weight")
            self.more = {"largest": Largest(name="largest")}

        def call(self, x):
            y = self.dense(x)
            self.size.update_state(library.ops.abs(y), sample_weight=library.ops.sum(x, -1))
            self.weight.update_state(library.ops.mean(self.dense.kernel))
            self.more["largest"].update_state(y)
            return y

    model = library.Sequential([
        library.Input((4,)), Measured(), library.layers.Dense(2, kernel_initializer="ones"),
    ])
    model.compile(library.optimizers.SGD(0.01), "mse", metrics=["mae"])
    return model


def _answers(library):
    model = _model(library)
    history = model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0).history
    logs = model.evaluate(X, Y, batch_size=4, return_dict=True, verbose=0)
    batch = model.train_on_batch(X[:4], Y[:4], return_dict=True)
    return [{k: np.ravel(v) for k, v in log.items()} for log in (history, logs, batch)]


def test_logs_of_metrics_of_layers_as_in_keras(keras):
    for ours, theirs in zip(_answers(pyseq), _answers(keras), strict=True):
        assert sorted(ours) == sorted(theirs)
        for name, values in theirs.items():
            np.testing.assert_allclose(ours[name], values, rtol=1e-4, err_msg=name)


def test_metrics_of_layers_are_reset_and_listed():
    model = _model(pyseq)
    first = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert first["largest"] == pytest.approx(X.sum(1).max(), rel=1e-6)
    assert model.evaluate(X, Y, return_dict=True, verbose=0) == first
    assert {"size", "weight", "largest"} <= {metric.name for metric in model.metrics}
    assert model.get_metrics_result()["largest"] == pytest.approx(first["largest"])
    model.reset_metrics()
    assert model.layers[0].more["largest"].result() == 0


def _called(library):
    class Centered(library.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = library.layers.Dense(2, kernel_initializer="ones")
            self.mean = library.metrics.Mean(name="mean")

        def call(self, x):
            y = self.dense(x)
            return y - self.mean(y)

    model = library.Sequential([library.Input((4,)), Centered()])
    model.compile(library.optimizers.SGD(0.1), "mse")
    return model


def test_calls_of_metrics_in_layers_as_in_keras(keras):
    answers = []
    for library in (pyseq, keras):
        model = _called(library)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = model.fit(X, Y, batch_size=2, epochs=2, shuffle=False, verbose=0).history
            answers.append((history["loss"], history["mean"], model.predict(X, verbose=0)))
    for ours, theirs in zip(*answers, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_call_of_a_metric_gives_its_value_after_the_batch():
    model = _called(pyseq)
    model.evaluate(X, Y, verbose=0)
    mean = model.layers[0].mean
    mean.reset_state()
    y = model.predict(X[:3], verbose=0)
    np.testing.assert_allclose(y, X[:3].sum(1, keepdims=True).repeat(2, 1) - mean.result(), atol=1e-6)


def test_a_call_of_a_metric_whose_result_is_a_dict_is_refused():
    class Both(pyseq.metrics.Mean):
        def result(self):
            return {"both": super().result()}

    class Measured(pyseq.layers.Layer):
        def __init__(self):
            super().__init__()
            self.both = Both(name="both_of_them")
            self.dense = pyseq.layers.Dense(2)

        def call(self, x):
            self.both(x)
            return self.dense(x)

    model = pyseq.Sequential([pyseq.Input((4,)), Measured()])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="both_of_them.*'both'.*use update_state"):
        model.fit(X, Y, verbose=0)
