"""Metrics that are attributes of layers and get their values in `call`."""

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
