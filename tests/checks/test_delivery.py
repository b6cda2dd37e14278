"""Warnings come once for a place and code, and can be silenced."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import pyseq
from pyseq import checks, layers, losses

X = np.ones((4, 3), "float32")


def wrong(name=None, units=2):
    """A model that is told of by PS101; always at the same line."""
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(units, "softmax", name=name)])
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def run(code, *options, **environment):
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True,
                          env={**os.environ, **environment})  # fmt: skip
    return done.stdout, done.stderr


SCRIPT = """
import pyseq
from pyseq import layers, losses
loss = losses.SparseCategoricalCrossentropy(from_logits=True)
def make():
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(2, "softmax")])
    model.compile("sgd", loss)
for _ in range(50):
    make()
"""


def test_fifty_models_in_a_loop_give_one_warning():
    _, said = run(SCRIPT)
    assert said.count("PS101") == 1, said
    assert said.startswith("<string>:7: CheckWarning: dense: sparse_")


def test_another_line_tells_again():
    _, said = run(SCRIPT + "model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(2, 'softmax')])\n"
                  "for _ in range(3):\n    model.compile('sgd', loss)\n")  # fmt: skip
    assert said.count("PS101") == 2


@pytest.mark.parametrize(
    "codes, count", [("PS101", 0), ("PS403 PS1", 0), ("PS", 0), ("PS2,PS403", 1)]
)
def test_the_environment_silences(codes, count):
    assert run(SCRIPT, PYSEQ_SILENCE=codes)[1].count("PS101") == count


def test_filters_silence_and_raise():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        wrong("a"), wrong("b")
        assert len(told) == 2
        warnings.filterwarnings("ignore", message=r".*\[PS101\]")
        wrong()
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=checks.CheckWarning)
        wrong()
        assert len(told) == 2
        warnings.simplefilter("default")
        for name in "cdef":
            wrong(name)
        assert len(told) == 3
    for _ in range(2):
        with pytest.raises(checks.CheckWarning, match="PS101"), warnings.catch_warnings():
            warnings.simplefilter("error")
            wrong()


def test_a_model_tells_once_until_it_is_compiled_again():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = wrong()
        for _ in range(3):
            model.fit(X, np.zeros(4), verbose=0)
            model.train_on_batch(X, np.zeros(4))
        assert len(told) == 1
        model.compile_like(model)
        assert len(told) == 2


def test_a_warning_that_was_raised_comes_again():
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    for _ in range(2):
        with pytest.raises(checks.CheckWarning, match=r"PS203"):
            model.fit(X, np.arange(4.0), verbose=0)
        with pytest.raises(checks.CheckWarning, match=r"PS203"):
            model.train_on_batch(X, np.arange(4.0))


def test_silence():
    before = pyseq.config.silenced()
    with pyseq.config.silence("PS101"):
        wrong()
        with pytest.warns(checks.CheckWarning, match="PS105"):
            wrong(units=1)
        with pyseq.config.silence("PS1"):
            wrong(units=1)
        assert pyseq.config.silenced() == (*before, "PS101")
        # What is asked for is not silenced.
        assert [f.code for f in wrong().check()] == ["PS101"]
    with pytest.warns(checks.CheckWarning, match="PS101"):
        wrong()
    assert pyseq.config.silenced() == before


def test_errors_are_not_silenced():
    with pyseq.config.silence("PS"), pytest.raises(checks.CheckError, match="PS402"):
        wrong().compile(pyseq.optimizers.SGD(-1.0), "mse")


@pytest.mark.parametrize("code", ["PS9", "", 101, "accuracy"])
def test_codes_that_are_none(code):
    with pytest.raises(
        ValueError, match="silence: expected the code of a check or its beginning, got"
    ):
        pyseq.config.silence(code)


def test_the_line_of_a_subclass_is_the_place():
    class Mine(pyseq.Sequential):
        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    model = Mine([pyseq.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    with pytest.warns(checks.CheckWarning) as told:
        model.fit(X, np.arange(4.0), verbose=0)
    line = Mine.fit.__code__.co_firstlineno + 1
    assert (told[0].filename, told[0].lineno) == (__file__, line)


def test_no_check_runs_for_repeated_batches(monkeypatch):
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    y = np.zeros((4, 1), "float32")
    model.train_on_batch(X, y), model.test_on_batch(X, y), model.predict(X, verbose=0)
    count = []
    monkeypatch.setattr(checks, "run", lambda *args: count.append(args))
    for _ in range(3):
        model.train_on_batch(X, y), model.test_on_batch(X, y)
        model.train_on_batch(X.tolist(), y.tolist())
        model.predict(X, verbose=0), model(X)
    assert count == []
    model.fit(X, y, epochs=3, validation_data=(X, y), verbose=0)
    assert [args[1:] for args in count] == [("build", "fit"), ("evaluate",), ("validate",)]
    model.fit(iter([(X, y)] * 5), verbose=0)
    assert len(count) == 4


def test_copies_and_pickles_of_models_that_were_told():
    import copy
    import pickle

    with pytest.warns(checks.CheckWarning):
        model = wrong()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.fit(X, np.zeros(4), verbose=0)
