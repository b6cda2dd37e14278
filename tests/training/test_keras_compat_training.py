"""What scripts written for Keras expect of `fit` beside the numbers."""

import numpy as np
import pytest

import pyseq
from pyseq import callbacks, layers, metrics, ops

rows = np.ones((20, 4), "float32")
targets = np.ones((20, 1), "float32")


def compiled(**options):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    return model


class Steps(callbacks.Callback):
    """Notes the arguments of all batch hooks."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def _note(hook):
        def method(self, batch, logs=None):
            self.seen.setdefault(hook, []).append(batch)

        return method

    on_train_batch_begin, on_train_batch_end = _note("begin"), _note("end")
    on_test_batch_begin, on_predict_batch_begin = _note("test"), _note("predict")


def test_steps_per_execution():
    model, steps = compiled(steps_per_execution=3), Steps()
    model.fit(rows, targets, batch_size=3, verbose=0, callbacks=[steps])
    model.evaluate(rows, targets, batch_size=3, verbose=0, callbacks=[steps])
    model.predict(rows, batch_size=3, verbose=0, callbacks=[steps])
    assert steps.seen == {
        "begin": [0, 3, 6],
        "end": [2, 5, 8],
        "test": [0, 3, 6],
        "predict": [0, 3, 6],
    }
    assert model.optimizer.iterations == 7


def test_steps_per_execution_of_a_stream():
    model, steps = compiled(steps_per_execution=2), Steps()
    batches = ((rows[:4], targets[:4]) for _ in range(5))
    model.fit(batches, verbose=0, callbacks=[steps])
    assert steps.seen["begin"] == [0, 2, 4] and len(steps.seen["end"]) == 3
    assert model.optimizer.iterations == 5


def test_max_steps_per_epoch():
    model = compiled()
    pyseq.config.set_max_steps_per_epoch(2)
    try:
        model.fit(rows, targets, batch_size=4, epochs=2, verbose=0)
        assert model.optimizer.iterations == 4
        model.fit(rows, targets, batch_size=20, verbose=0)
        assert model.optimizer.iterations == 5
    finally:
        pyseq.config.set_max_steps_per_epoch(None)


def test_a_generator_that_ends_stops_training():
    model = compiled()
    batches = ((rows[:4], targets[:4]) for _ in range(3))
    with pytest.warns(UserWarning, match="ended before this epoch"):
        history = model.fit(batches, epochs=3, verbose=0)
    assert model.optimizer.iterations == 3 and len(history.epoch) == 2


def test_subclasses_of_built_in_metrics_keep_their_methods():
    class Halved(metrics.MeanSquaredError):
        def result(self):
            return super().result() / 2

    model = compiled(metrics=[Halved(name="half"), "mse"])
    logs = model.evaluate(rows, targets, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["half"], logs["mse"] / 2, rtol=1e-6)


def test_metrics_as_functions_of_ops():
    def root(y_true, y_pred):
        return ops.sqrt(ops.mean(ops.square(y_pred - y_true)))

    model = compiled(metrics=[root])
    logs = model.evaluate(rows, targets, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["root"] ** 2, logs["loss"], rtol=1e-5)
