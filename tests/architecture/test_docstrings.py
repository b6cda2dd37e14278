"""Examples in docstrings give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import pyseq

# Base classes, and one that needs the reverse call to make sense.
WITHOUT = ("Layer", "ReversibleEmbedding", "Wrapper")
NEEDS = dict.fromkeys(("pyseq.wrappers.estimators", "pyseq.wrappers.keras_estimators"), "sklearn")


def module_names():
    yield "pyseq"
    for module in pkgutil.walk_packages(pyseq.__path__, "pyseq."):
        if not module.name.startswith("pyseq._core") and "_cuda" not in module.name:
            yield module.name


@pytest.mark.parametrize("name", list(module_names()))
def test_examples(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    module = importlib.import_module(name)
    report = []
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(verbose=False)
    for test in finder.find(module, name):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


def test_public_layers_have_examples():
    missing = []
    for name in dir(pyseq.layers):
        layer = getattr(pyseq.layers, name)
        if not isinstance(layer, type) or not issubclass(layer, pyseq.Layer):
            continue
        text = layer.__doc__ or ""
        if ">>>" not in text and "raises a ValueError" not in text and name not in WITHOUT:
            missing.append(name)
    assert not missing
