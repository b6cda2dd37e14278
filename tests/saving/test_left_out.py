"""Models compiled with code that no file may hold: saved without it, and loading says so."""

import copy
import functools
import json
import warnings
import zipfile

import numpy as np
import pytest

import pyseq
from pyseq import layers, ops, optimizers

X = np.random.default_rng(1).normal(size=(20, 4)).astype("float32")
Y = np.random.default_rng(2).normal(size=(20, 1)).astype("float32")


def square(y, p, scale=1.0):
    return ops.mean((y - p) ** 2, axis=-1) * scale


class Callable:
    def __call__(self, y, p):
        return square(y, p)


class Bare(optimizers.schedules.LearningRateSchedule):
    """A schedule without a config."""

    def __call__(self, step):
        return 0.25 / (step + 1)


def a_lambda():
    return lambda y, p: square(y, p)


# arguments of compile, what the messages call them
PARTS = {
    "loss": (lambda: {"loss": a_lambda()}, "loss (a lambda)"),
    "losses": (lambda: {"loss": [a_lambda()], "loss_weights": [2.0]}, "loss (a lambda)"),
    "callable": (lambda: {"loss": Callable()}, "loss (Callable)"),
    "partial": (lambda: {"loss": functools.partial(square, scale=2.0)}, "loss (partial)"),
    "metric": (lambda: {"loss": "mse", "metrics": [a_lambda(), "mae"]}, "metrics (a lambda)"),
    "by name": (
        lambda: {"loss": "mse", "metrics": {"out": [a_lambda(), "mae"]}},
        "metrics (a lambda)",
    ),
    "weighted": (
        lambda: {"loss": "mse", "metrics": ["mae"], "weighted_metrics": [a_lambda()]},
        "weighted_metrics (a lambda)",
    ),
    "wrapped": (
        lambda: {
            "loss": "mse",
            "metrics": ["mae", pyseq.metrics.MeanMetricWrapper(a_lambda(), name="own")],
        },
        "metrics (MeanMetricWrapper own)",
    ),
    "rate": (
        lambda: {"loss": "mse", "optimizer": optimizers.SGD(lambda: 0.125, momentum=0.5, name="o")},
        "learning_rate of o (a lambda)",
    ),
    "schedule": (
        lambda: {"loss": "mse", "optimizer": optimizers.SGD(Bare(), momentum=0.5, name="o")},
        "learning_rate of o (Bare)",
    ),
}


def model_of(optimizer=None, **kwargs):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), layers.Dense(1)])
    model.compile(optimizer or optimizers.SGD(0.125, momentum=0.5), **kwargs)
    return model


def said(run, **kwargs):
    """The texts of all warnings that a function gives, and what it returns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(**kwargs)
    return [str(w.message) for w in caught], result


def fit(model, epochs=1, **kwargs):
    return model.fit(X, Y, shuffle=False, epochs=epochs, verbose=0, **kwargs)


@pytest.mark.parametrize("ending", ["keras", "h5", "folder"])
@pytest.mark.parametrize("case", PARTS)
def test_one_warning_when_saved_and_one_when_loaded(case, ending, tmp_path):
    make, what = PARTS[case]
    arguments = make()
    model = model_of(**arguments)
    fit(model)
    path = str(tmp_path / f"m.{ending}")
    texts, _ = said(lambda: model.save(path, zipped=False if ending == "folder" else None))
    assert len(texts) == 1
    assert what in texts[0]
    assert "register_keras_serializable" in texts[0]
    texts, loaded = said(lambda: pyseq.models.load_model(path))
    assert len(texts) == 1
    assert what in texts[0]
    assert "call compile" in texts[0]
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    if "metrics" in arguments:
        assert "mae" in loaded.evaluate(X, Y, verbose=0, return_dict=True)
    if what.startswith("loss"):
        for run in (loaded.evaluate, loaded.fit, loaded.train_on_batch):
            with pytest.raises(ValueError, match=r"got none: the file held no loss \("):
                run(X, Y)

    # With what was left out, training goes on from where it was, bit for bit.
    if "optimizer" in arguments:
        loaded.optimizer.learning_rate = arguments["optimizer"]._learning_rate
    rest = {k: v for k, v in arguments.items() if k != "optimizer"}
    loaded.compile(optimizer=loaded.optimizer, **rest)
    fit(model), fit(loaded)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not loaded._left_out


def test_the_rate_that_is_saved_stays_what_it_was(tmp_path):
    model = model_of(optimizer=optimizers.SGD(Bare(), momentum=0.5), loss="mse")
    fit(model)
    with pytest.warns(UserWarning, match="learning_rate of"):
        model.save("m.keras")
    with pytest.warns(UserWarning, match="learning_rate of"):
        loaded = pyseq.models.load_model("m.keras")
    assert loaded.optimizer.learning_rate == model.optimizer.learning_rate == 0.25 / 2
    assert int(loaded.optimizer.iterations) == 1
    fit(loaded)
    assert loaded.optimizer.learning_rate == 0.25 / 2


def test_parts_of_several_optimizers():
    inner = optimizers.LossScaleOptimizer(optimizers.Adam(lambda: 0.5, name="inside"))
    model = model_of(optimizer=inner, loss="mse")
    fit(model)
    with pytest.warns(UserWarning, match=r"learning_rate of inside \(a lambda\)"):
        model.save("m.keras")
    with pytest.warns(UserWarning, match="learning_rate of inside"):
        loaded = pyseq.models.load_model("m.keras")
    assert loaded.optimizer.inner_optimizer.learning_rate == 0.5


def test_checkpoints_go_on(tmp_path):
    model = model_of(loss=a_lambda(), metrics=[a_lambda()])
    files = [tmp_path / f"{i}.keras" for i in (1, 2, 3)]
    checkpoint = pyseq.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    board = pyseq.callbacks.TensorBoard(str(tmp_path / "board"))  # writes the model as JSON
    backup = pyseq.callbacks.BackupAndRestore(tmp_path / "backup")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # what users have
        fit(model, epochs=3, callbacks=[checkpoint, board, backup])
    assert len(caught) == 1
    assert "loss (a lambda), metrics (a lambda)" in str(caught[0].message)
    assert all(file.exists() for file in files)


def test_keras_reads_the_files(keras, tmp_path):
    model = model_of(loss=a_lambda(), metrics=["mae", a_lambda()])
    fit(model)
    for path in ("m.keras", "m.h5"):
        with pytest.warns(UserWarning, match="saved without"):
            model.save(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = keras.models.load_model(path)
            answer = theirs.predict(X, verbose=0)
        np.testing.assert_allclose(answer, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        assert theirs.loss is None


def test_nothing_is_said_where_all_can_be_saved():
    for metrics in (["mae"], [pyseq.metrics.RootMeanSquaredError], None):
        model = model_of(loss="mse", metrics=metrics)
        assert said(lambda model=model: model.save("m.keras"))[0] == []
        with zipfile.ZipFile("m.keras") as archive:
            assert "left_out" not in json.loads(archive.read("config.json"))
        assert said(lambda: pyseq.models.load_model("m.keras"))[0] == []


def test_uncompiled_loading_says_nothing():
    model = model_of(loss=a_lambda())
    with pytest.warns(UserWarning, match="saved without"):
        model.save("m.keras")
    texts, loaded = said(lambda: pyseq.models.load_model("m.keras", compile=False))
    assert texts == []
    assert not loaded.compiled


@pytest.mark.parametrize("wrong", ["loss", [1], {"a": 1}])
def test_a_damaged_list_is_refused(wrong):
    model = model_of(loss="mse")
    config = dict(model.get_compile_config(), left_out=wrong)
    with pytest.raises(ValueError, match="expected left_out to be a list of strings"):
        model.compile_from_config(config)


@pytest.mark.parametrize("case", PARTS)
def test_copies_in_memory_keep_everything(case):
    arguments = PARTS[case][0]()
    model = model_of(**arguments)
    fit(model)
    texts, clone = said(lambda: pyseq.models.clone_model(model))
    assert texts == []
    fresh = model_of(**PARTS[case][0]())
    fresh.set_weights(clone.get_weights())
    ours, right = fit(clone, 2).history, fit(fresh, 2).history
    assert list(ours.values()) == list(right.values())
    assert clone.optimizer is not model.optimizer
    assert int(model.optimizer.iterations) == 1
    twin = copy.deepcopy(model)
    fit(model), fit(twin)
    np.testing.assert_array_equal(model.get_weights()[0], twin.get_weights()[0])


def test_clones_share_no_metric():
    own = pyseq.metrics.MeanMetricWrapper(a_lambda(), name="own")
    model = model_of(loss="mse", metrics=[own])
    fit(model)
    value = float(own.result())
    clone = pyseq.models.clone_model(model)
    fit(clone, 3)
    assert clone.metrics[0] is not own
    assert float(own.result()) == value


def test_named_functions_need_no_registering_to_be_cloned():
    model = model_of(loss=square, metrics=[square])
    clone = pyseq.models.clone_model(model)
    assert clone.loss is square
    assert set(fit(clone).history) == {"loss", "square"}
