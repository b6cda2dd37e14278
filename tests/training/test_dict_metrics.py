"""Metrics whose `result()` is a dict: their entries are in the logs, as with Keras."""

import csv

import numpy as np
import pytest

import pyseq

# From torch inside Keras.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(1).normal(size=(20, 4)).astype("float32")
Y = np.random.default_rng(2).normal(size=(20, 1)).astype("float32")


def errors_metric(library, result=None):
    """A metric class of Keras or pyseq that sums errors and counts steps."""
    ops = library.ops

    class Errors(library.metrics.Metric):
        def __init__(self, name="errors", prefix=""):
            super().__init__(name=name)
            self.prefix = prefix
            self.total = self.add_weight(name="total", initializer="zeros")
            self.steps = self.add_weight(name="steps", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            wrong = ops.abs(ops.cast(y_true, "float32") - y_pred)
            self.total.assign_add(ops.sum(wrong))
            self.steps.assign_add(1.0)

        def result(self):
            if result is not None:
                return result(self, ops)
            # Sums rather than the variables themselves, which Keras reads only after validation.
            return {f"{self.prefix}total": self.total + 0.0, f"{self.prefix}steps": self.steps + 0.0}

        def reset_state(self):
            self.total.assign(0.0)
            self.steps.assign(0.0)

    return Errors


def model_of(library, metrics, **kwargs):
    model = library.Sequential(
        [library.Input((4,)), library.layers.Dense(1, kernel_initializer="ones")]
    )
    model.compile(library.optimizers.SGD(0.01), "mse", metrics=metrics, **kwargs)
    return model


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


def same(ours, theirs):
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        np.testing.assert_allclose(plain(value), plain(theirs[name]), rtol=1e-5, err_msg=name)


RESULTS = {
    "flat": None,
    "nested": lambda m, ops: {"inner": {"sum": m.total + 0.0, "n": m.steps + 0.0}, "twice": m.total * 2},
    "array": lambda m, ops: {"pair": ops.stack([m.total, m.steps]), "whole": 3},
    "empty": lambda m, ops: {},
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=list(RESULTS))
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_entries_are_in_the_logs_as_in_keras(keras, result, verbose, capsys):
    logs = []
    for library in (pyseq, keras):
        model = model_of(library, [errors_metric(library, result)(), "mae"])
        history = model.fit(
            X, Y, batch_size=8, epochs=2, shuffle=False, verbose=verbose, validation_data=(X, Y)
        )
        logs.append(history.history)
    same(*logs)
    if result is None and verbose:
        ours = capsys.readouterr().out
        assert " - total: " in ours
        assert " - val_steps: 3.0000" in ours


def test_evaluate_and_single_batches_match_keras(keras):
    answers = []
    for library in (pyseq, keras):
        model = model_of(library, [errors_metric(library)(), "mae"])
        answers.append(
            (
                model.evaluate(X, Y, batch_size=8, verbose=0, return_dict=True),
                model.evaluate(X, Y, batch_size=8, verbose=0),
                model.test_on_batch(X, Y),
                model.train_on_batch(X, Y, return_dict=True),
            )
        )
    (ours, ours_list, ours_batch, ours_trained), theirs = answers
    same(ours, theirs[0])
    np.testing.assert_allclose(ours_list, theirs[1], rtol=1e-5)
    np.testing.assert_allclose(ours_batch, plain(theirs[2]), rtol=1e-5)
    same(ours_trained, theirs[3])


def test_entries_of_one_name_are_those_of_the_last_metric_with_a_warning(keras):
    pairs = ([("a", ""), ("b", "")], [("a", ""), ("b", "p_")], [("a", ""), ("total", "")])
    for first, second in pairs:
        logs = []
        for library in (pyseq, keras):
            kind = errors_metric(library)
            later = (
                library.metrics.MeanAbsoluteError(name="total")
                if second[0] == "total"
                else kind(*second)
            )
            model = model_of(library, [later, kind(*first)])
            if library is pyseq and second[1] == "":
                with pytest.warns(UserWarning, match="'total'.* from several metrics"):
                    logs.append(model.test_on_batch(X, Y, return_dict=True))
            else:
                logs.append(model.test_on_batch(X, Y, return_dict=True))
        same(*logs)


def test_callbacks_see_the_entries(tmp_path):
    model = model_of(pyseq, [errors_metric(pyseq)()])
    seen = []
    watch = pyseq.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["steps"])
    )
    stop = pyseq.callbacks.EarlyStopping("val_total", mode="max", patience=1)
    table = pyseq.callbacks.CSVLogger(tmp_path / "log.csv")
    board = pyseq.callbacks.TensorBoard(str(tmp_path / "board"))
    best = pyseq.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}-{steps:.0f}.weights.h5",
        "val_total",
        save_best_only=True,
        save_weights_only=True,
        mode="min",
    )
    history = model.fit(
        X, Y, batch_size=8, epochs=9, verbose=0, validation_data=(X, Y),
        callbacks=[watch, stop, table, board, best],
    )  # fmt: skip
    assert seen[:6] == [1, 2, 3, 1, 2, 3]
    # The sum of errors falls, so that "max" stops it after the second epoch.
    assert len(history.epoch) == 2
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["val_total"]) for r in rows] == pytest.approx(history.history["val_total"])
    assert sorted(p.name for p in tmp_path.glob("*.h5")) == ["1-3.weights.h5", "2-3.weights.h5"]


def test_generators_and_subclasses_have_them_too():
    class Line(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.dense = pyseq.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Line()
    model.compile("sgd", "mse", metrics=[errors_metric(pyseq)()])
    logs = model.fit(((X[i : i + 5], Y[i : i + 5]) for i in (0, 5, 10)), verbose=2).history
    assert sorted(logs) == ["loss", "steps", "total"] and logs["steps"] == [3.0]


@pytest.mark.parametrize("wrong", [None, "high", {"share": None}, {"share": {"of": "x"}}])
def test_results_that_are_no_numbers_name_the_metric(wrong):
    model = model_of(pyseq, [errors_metric(pyseq, lambda m, ops: wrong)("odd")])
    with pytest.raises(TypeError, match=r"metric 'odd': expected result\(\) to return a number"):
        model.fit(X, Y, verbose=0)
