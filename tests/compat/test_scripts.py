"""Runs the scripts of `scripts/` with `keras` meaning pyseq, and those that Keras accepts there too.

The first line of a script says its time and its topic: `# Keras 2: characters of a text`, or
`# Keras 2, 3: ...` where Keras 3 runs it as it stands.
"""

import functools
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import pyseq
from pyseq import compat

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.py"))}
HEADER = re.compile(r"# (Keras 1|Keras 2|Keras 3|tf\.keras|Keras [12], 3): \S")

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pyseq.compat.notices.CompatNotice"),
]


def for_both():
    return [name for name, text in SCRIPTS.items() if re.match(r"# Keras( \d,)? 3:", text)]


def run(name, text):
    """Execute a script; returns its global names, in the order in which they were made."""
    for package in ("sklearn", "PIL", "pandas"):
        if re.search(rf"^\s*(from|import) {package}\b", text, re.M):
            pytest.importorskip(package)
    names = {"__name__": f"script_{name}"}
    exec(compile(text, str(FOLDER / f"{name}.py"), "exec"), names)
    return names


@functools.cache
def facts_of_pyseq(name):
    """Facts of a script with its imports changed, or with `keras` and `tensorflow` installed as pyseq."""
    pyseq.utils.clear_session()  # names count from one, as in a process of its own
    text = SCRIPTS[name]
    if "tensorflow" not in text:
        text = re.sub(r"^(\s*)from keras\b", r"\1from pyseq", text, flags=re.M)
        text = re.sub(r"^(\s*)import keras$", r"\1import pyseq as keras", text, flags=re.M)
        return facts(run(name, text))
    compat.install(replace=True)
    try:
        return facts(run(name, text))
    finally:
        compat.uninstall()


def facts(names):
    """What both libraries must agree on, by the names of a script."""
    found = {}
    for name, value in names.items():
        if isinstance(value, type) or name.startswith("_"):
            continue
        if hasattr(value, "layers") and hasattr(value, "count_params"):
            found[name] = list(rows(value))
        elif isinstance(getattr(value, "history", None), dict):
            found[name] = {key: len(numbers) for key, numbers in sorted(value.history.items())}
        elif isinstance(value, np.ndarray):
            found[name] = value.shape
    return found


def rows(model):
    """(class, output shape, parameters) of each layer, as in `summary()`, and of the model.

    Shapes are those of one row: where the first batch builds a model, Keras keeps its size.
    """
    for layer in model.layers:
        if type(layer).__name__ != "InputLayer":
            yield type(layer).__name__, tuple(layer.output.shape[1:]), layer.count_params()
    trainable = sum(np.prod(w.shape) for w in model.trainable_weights)
    yield tuple(model.output_shape[1:]), model.count_params(), int(trainable)


def test_headers():
    wrong = [name for name, text in SCRIPTS.items() if not HEADER.match(text)]
    assert not wrong
    assert len(SCRIPTS) >= 60 and len(for_both()) >= 30


# Some of them show what is wrong with models of their time.
@pytest.mark.filterwarnings("ignore::pyseq.checks.CheckWarning")
@pytest.mark.parametrize("name", SCRIPTS)
def test_runs(name):
    assert facts_of_pyseq(name)


@pytest.mark.filterwarnings("ignore::pyseq.checks.CheckWarning")
@pytest.mark.parametrize("name", for_both())
def test_facts_of_keras(name, keras):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        try:
            expected = facts(run(name, SCRIPTS[name]))
        except ImportError as error:
            if "requires TensorFlow" not in str(error):
                raise
            pytest.skip("a layer that Keras builds on TensorFlow")
        finally:
            keras.config.set_image_data_format("channels_last")
    assert facts_of_pyseq(name) == expected
