"""Forged `.pyseq` files with right checksums: planning refuses what no kernel could run on, and a file
takes no more of the machine than its size allows."""

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from forged_files import forge, set_in

import pyseq
from pyseq import _core, layers


def dense(units=64):
    return pyseq.Sequential([pyseq.Input((4,)), layers.Dense(units, name="d")])


def conv():
    return pyseq.Sequential([pyseq.Input((8, 8, 2)), layers.Conv2D(4, 3, name="c")])


def transposed():
    return pyseq.Sequential([pyseq.Input((4, 4, 2)), layers.Conv2DTranspose(3, 3, name="t")])


def depthwise():
    return pyseq.Sequential([pyseq.Input((6, 6, 2)), layers.DepthwiseConv2D(3, name="w")])


def lstm():
    return pyseq.Sequential([pyseq.Input((5, 3)), layers.LSTM(4, name="r")])


def repeat():
    return pyseq.Sequential([pyseq.Input((4,)), layers.RepeatVector(3, name="n")])


def pool():
    return pyseq.Sequential([pyseq.Input((8, 8, 2)), layers.MaxPooling2D(name="p")])


def attribute(name, value):
    return set_in("ops", 0, "attributes", name, value)


def without_test(change):
    """The change, and no rows of a self-test, which nothing could fail."""

    def both(header):
        change(header)
        header["self_test"].update(rows=0, input=0, output=0)

    return both


def many_ops(header):
    header["ops"] = [{**header["ops"][0], "inputs": [0], "outputs": [1]}] * 200_000


def long_repeat(header):
    header["slots"][1] = [1 << 29, 4]
    header["ops"][0]["attributes"]["n"] = 1 << 29
    header["self_test"].update(rows=0, input=0, output=0)


# model, change, part of the message
FORGED = {
    "bias of one number": (dense, set_in("variables", 1, "shape", [1]), "a bias of 64 elements"),
    "bias of no rank": (dense, set_in("variables", 1, "shape", []), "a bias of 64 elements"),
    "use_bias without a bias": (dense, set_in("ops", 0, "params", [0]), "at least 2 variables"),
    "a variable too many": (dense, set_in("ops", 0, "params", [0, 1, 1]), "expected 2 variables"),
    "an attribute of no op": (dense, attribute("unitz", 64), "got `unitz`"),
    "an input too many": (dense, set_in("ops", 0, "inputs", [0, 0]), "expected 1 inputs"),
    "a flag that is no flag": (dense, attribute("use_bias", 7), "`use_bias` from 0 to 1"),
    "no channels": (conv, set_in("variables", 0, "shape", [3, 3, 0, 4]), "dimensions of 1 or more"),
    "an empty slot": (conv, set_in("slots", 0, [8, 8, 0]), "dimensions of 1 or more"),
    "dilations of 2^62": (conv, attribute("dilations", [1 << 62, 1]), "`dilations` from 1"),
    "dilations of 2^31": (conv, attribute("dilations", [1 << 31, 1]), "expected an input of at least"),
    "transposed dilations": (transposed, attribute("dilations", [1 << 62, 1]), "`dilations` from 1"),
    "kernel of rank 0": (depthwise, set_in("variables", 0, "shape", []), "a kernel of rank 4"),
    "units of 2^40": (lstm, attribute("units", 1 << 40), "`units` from 1"),
    "units of 2^31": (lstm, attribute("units", 1 << 31), "expected a kernel of shape"),
    "a bias for other units": (lstm, set_in("variables", 2, "shape", [15]), "a bias of 16 elements"),
    "a window of 2^31": (pool, attribute("pool_size", [1 << 31, 1 << 31]), "expected"),
    "rows of 2 GB": (repeat, long_repeat, "bytes of memory"),
    "200,000 ops": (dense, many_ops, "at most 20000 ops"),
    "rows without end": (dense, set_in("self_test", "rows", 2000), "at most 1024 rows"),
}


@pytest.mark.parametrize("name", FORGED)
def test_refused(tmp_path, name):
    make, change, message = FORGED[name]
    path = tmp_path / "model.pyseq"
    make().export(path)
    good = path.read_bytes()
    for version in (change, without_test(change)) if "rows without" not in name else (change,):
        path.write_bytes(forge(good, version))
        with pytest.raises(ValueError, match=message):
            _core.Model.load(str(path))


@pytest.mark.parametrize("name", ["rows of 2 GB", "units of 2^31", "200,000 ops"])
def test_little_memory_is_taken(tmp_path, name):
    resource = pytest.importorskip("resource")
    make, change, _ = FORGED[name]
    path = tmp_path / "model.pyseq"
    make().export(path)
    path.write_bytes(forge(path.read_bytes(), change))
    size = os.path.getsize(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError):
        _core.Model.load(str(path))
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert taken < (50 << 20) + 20 * size


def test_a_caller_may_allow_more(tmp_path):
    path = tmp_path / "model.pyseq"
    repeat().export(path)

    def long(header):
        header["slots"][1] = [1 << 25, 4]
        header["ops"][0]["attributes"]["n"] = 1 << 25
        header["self_test"].update(rows=0, input=0, output=0)

    path.write_bytes(forge(path.read_bytes(), long))
    with pytest.raises(ValueError, match="bytes of memory"):
        _core.Model.load(str(path))
    assert _core.Model.load(str(path), bytes=1 << 40).output_shape == [1 << 25, 4]
    with pytest.raises(ValueError, match="operations"):
        _core.Model.load(str(path), bytes=1 << 40, work=10.0)
    with pytest.raises(ValueError, match="at most 0 ops"):
        _core.Model.load(str(path), ops=0)


def test_a_self_test_that_could_not_be_read_is_not_written(tmp_path):
    model = dense()
    model.export(tmp_path / "model.pyseq")
    storages = [v._storage for v in model.variables]
    program = pyseq.lowering.lower(model, (4,), training=False, portable=True)
    with pytest.raises(ValueError, match="at most 1024 rows"):
        _core.write_model(
            program[0].program(program[1]), storages, str(tmp_path / "m.pyseq"),
            np.zeros((2000, 4), "float32"),
        )
    assert not (tmp_path / "m.pyseq").exists()


def test_a_loaded_file_may_be_overwritten(tmp_path):
    path = tmp_path / "model.pyseq"
    dense().export(path)
    loaded = _core.Model.load(str(path))
    x = np.ones((3, 4), "float32")
    before = loaded.predict(x)
    with open(path, "r+b") as f:
        f.truncate(0)
    np.testing.assert_array_equal(loaded.predict(x), before)


def test_what_is_no_regular_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="regular file"):
        _core.Model.load(str(tmp_path))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    failed = []

    def load():
        try:
            _core.Model.load(str(pipe))
        except ValueError as error:
            failed.append(str(error))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(20)
    assert failed and "regular file" in failed[0]


GERMAN = """
import locale, sys
locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
assert locale.localeconv()["decimal_point"] == ","
import numpy as np, pyseq
from pyseq import _core, layers
loaded = _core.Model.load(sys.argv[1])
model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), layers.LayerNormalization(epsilon=0.0125)])
model.export(sys.argv[2])
"""


def test_numbers_are_the_same_in_every_locale(tmp_path):
    localedef = shutil.which("localedef")
    if localedef is None:
        pytest.skip("needs localedef")
    place = tmp_path / "locales"
    place.mkdir()
    made = subprocess.run(
        [localedef, "-i", "de_DE", "-f", "UTF-8", str(place / "de_DE.UTF-8")], capture_output=True
    )
    if not (place / "de_DE.UTF-8").exists():
        pytest.skip(f"no German locale can be made: {made.stderr.decode()}")
    model = pyseq.Sequential(
        [pyseq.Input((4,)), layers.Dense(3), layers.LayerNormalization(epsilon=0.0125)]
    )
    model.export(tmp_path / "english.pyseq")
    env = {**os.environ, "LOCPATH": str(place), "PYTHONPATH": os.pathsep.join(sys.path)}
    paths = [str(tmp_path / "english.pyseq"), str(tmp_path / "german.pyseq")]
    subprocess.run([sys.executable, "-c", GERMAN, *paths], check=True, env=env)
    assert b'"epsilon":0.0125' in (tmp_path / "german.pyseq").read_bytes()
    _core.Model.load(paths[1])


def test_extreme_numbers_come_back(tmp_path):
    path = tmp_path / "model.pyseq"
    for value in (5e-324, 1e-310, 1.7976931348623157e308, 0.1, 3.0, -1e22):
        model = pyseq.Sequential([pyseq.Input((4,)), layers.Masking(mask_value=value)])
        model.export(path)
        text = path.read_bytes()
        found = float(text.split(b'"mask_value":')[1].split(b"}")[0].split(b",")[0])
        assert found == value
        _core.Model.load(str(path))
