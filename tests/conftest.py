"""Settings shared by all tests: seeds, and a small single-threaded Keras as the oracle."""

import os
import signal
import sys
import warnings

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")  # pictures open no windows
sys.path.insert(0, os.path.dirname(__file__))
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell ignores Ctrl-C for what it runs in the background; tests send it to themselves.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """With PYSEQ_DEVICE=cuda, a test of a layer that is Python code has nothing to run."""
    outcome = yield
    if outcome.excinfo and os.environ.get("PYSEQ_DEVICE", "cpu") != "cpu":
        if "runs on the host only" in str(outcome.excinfo[1]):
            outcome.force_exception(pytest.skip.Exception("Python code, which a GPU does not run"))


@pytest.fixture(autouse=True)
def _same_start(tmp_path, monkeypatch):
    """Every test starts from the same seeds, thread count and dtype, in a folder of its own.

    A child process (`python -c`) would find the checkout's pyseq, which has no core, in the current
    folder; it gets the one that is tested.
    """
    import pyseq
    from pyseq import _core, results, settings

    results.hand_out(None)  # pyseq.compat.tensorflow, once imported, has it otherwise
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(pyseq.__file__)))
    pyseq.utils.set_random_seed(0)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    _core.set_num_threads(0)
    pyseq.config.set_floatx("float32")
    settings.change("dtype_policy", None)


@pytest.fixture(scope="session")
def keras():
    """The real Keras. Without it the tests that compare are skipped, except in CI."""
    return import_keras()


def import_keras():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import keras
            import torch
    except ModuleNotFoundError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"needs {error.name}, which is not installed")
    torch.set_num_threads(1)
    return keras


@pytest.fixture
def rng():
    return np.random.default_rng(0)
