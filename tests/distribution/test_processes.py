"""Several processes train one model: the weights of one process, files of one, ends that all hear of."""

import shutil
import time

import numpy as np
import pytest
from launching import needs_mpi, results, run, start

import pyseq
from pyseq.distribution.processes import ProcessGroup

needs_mpi()

CASES = "plain,sequences,images,local,penalties,sum,weights,masked_targets"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("alone") / "out"
    run(1, "agree", out, CASES)
    return out


@pytest.mark.parametrize("processes", [2, 4])
def test_weights_of_one_process(alone, tmp_path, processes):
    run(processes, "agree", tmp_path / "out", CASES)
    for case in CASES.split(","):
        expected, got = results(f"{alone}.{case}"), results(f"{tmp_path}/out.{case}")
        for other in range(1, processes):
            theirs = results(f"{tmp_path}/out.{case}", other)
            assert all(np.array_equal(got[k], theirs[k]) for k in got), case
        if case == "local":  # its statistics are those of the rows of each process
            assert not np.array_equal(expected["w0"], got["w0"])
            continue
        for name, value in expected.items():
            where = f"{case} {name}"
            np.testing.assert_allclose(got[name], value, rtol=1e-5, atol=1e-5, err_msg=where)


def test_same_bits_in_every_run(tmp_path):
    run(2, "agree", tmp_path / "a", "plain,sequences,local")
    run(2, "agree", tmp_path / "b", "plain,sequences,local", threads=3)
    for case in ("plain", "sequences", "local"):
        a, b = results(f"{tmp_path}/a.{case}"), results(f"{tmp_path}/b.{case}")
        assert all(np.array_equal(a[k], b[k]) for k in a)


def test_same_bits_at_any_pace(tmp_path):
    run(2, "paces", tmp_path / "out", "1e-9,10")
    slow, fast = results(tmp_path / "out.1e-9"), results(tmp_path / "out.10")
    assert all(np.array_equal(slow[k], fast[k]) for k in slow)


def test_means_keep_digits_that_readers_do_not_get():
    class Alone(ProcessGroup):
        size = 1

        def __init__(self):
            pass

        def sum(self, values):
            pass

    layer = pyseq.layers.BatchNormalization(dtype="bfloat16")
    layer.build((None, 3))
    exact = np.float32([1.001, 2.003, 3.005])
    layer.moving_mean._assign_exact(exact)
    Alone().average([layer.moving_mean])
    np.testing.assert_array_equal(layer.moving_mean._exact(), exact)
    assert not np.array_equal(layer.moving_mean.numpy().astype("float32"), exact)


def test_streams(tmp_path):
    for how, processes in (("all", 1), ("all", 3), ("own", 1), ("own", 2)):
        run(processes, "batches", tmp_path / f"{how}{processes}", how)
    for how, processes in (("all", 3), ("own", 2)):
        expected = results(tmp_path / f"{how}1")
        for name, value in results(tmp_path / f"{how}{processes}").items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["sparse", "texts"])
def test_each_process_reads_its_rows(tmp_path, kind):
    run(1, "late", tmp_path / "one", kind)
    run(3, "late", tmp_path / "out", kind)
    expected = results(tmp_path / "one")
    got = [results(tmp_path / "out", rank) for rank in range(3)]
    assert expected.pop("read") == 3 * 193  # two epochs and evaluate
    # One row is left for the last batch, of which two processes get its shape.
    assert sum(each.pop("read") for each in got) == 3 * (193 + 2)
    for name, value in expected.items():
        for each in got:
            np.testing.assert_allclose(each[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_one_process_writes(tmp_path):
    run(3, "files", tmp_path, "")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"wrote0", "best.weights.h5", "log0.csv"} <= names
    assert not names & {"wrote1", "wrote2", "log1.csv", "log2.csv"}
    for rank in range(3):
        assert results(tmp_path / "end", rank)["epochs"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raises", "process 2 of 3 failed, all others are stopped"),
        ("weights", "expected the same weights in all processes, got others in process 2"),
        (
            "layers",
            "expected the same layers, losses and optimizers in all processes, got others in",
        ),
        ("rows", "got 200 rows in batches of 16, 199 rows in batches of 16, 198 rows"),
        ("ends", "got no more after 3 from process 2 while the others go on"),
        (
            "timeout",
            "expected the others at the end of this step, got nothing from process 2 for 2 s",
        ),
        ("leaves", "got nothing from process 2 for 2 s"),
        ("frozen", "got nothing from process 2 for 2 s"),
    ],
)
def test_errors_end_all(tmp_path, how, message):
    started = time.monotonic()
    done = start(3, "fails", tmp_path / "out", how)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert time.monotonic() - started < 50  # of a process that sleeps for 60 s


def test_a_killed_process_ends_all(tmp_path):
    assert start(3, "fails", tmp_path / "out", "killed").returncode != 0


@pytest.mark.parametrize("killed_at", [1, 9])
def test_restart(tmp_path, killed_at):
    run(2, "restarts", tmp_path / "whole", "none")
    assert start(2, "restarts", tmp_path / "out", killed_at).returncode != 0
    shutil.copytree(f"{tmp_path}/out.backup", f"{tmp_path}/more.backup")
    run(2, "restarts", tmp_path / "out", "none")
    whole, again = results(tmp_path / "whole"), results(tmp_path / "out")
    whole.pop("epochs")
    assert again.pop("epochs")[0] == (1 if killed_at > 3 else 0)  # where the last backup was
    assert all(np.array_equal(whole[k], again[k]) for k in whole)
    run(3, "restarts", tmp_path / "more", "none")  # of another number of processes
    assert results(tmp_path / "more")["epochs"][-1] == 3
