"""Processes that are ended at any moment: nobody waits on, files are whole, training goes on.

`PYSEQ_KILL_ROUNDS=60 pytest tests/distribution/test_kills.py` tries more moments, and
`PYSEQ_KILL_SEED` others.
"""

import contextlib
import functools
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import worker
from launching import command, environment, needs_mpi, results, run

import pyseq

needs_mpi()

ROUNDS = int(os.environ.get("PYSEQ_KILL_ROUNDS", 4))
SEED = int(os.environ.get("PYSEQ_KILL_SEED", 0))
# Seconds in which all are gone: many, for machines that do much else.
SOON = 30


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(where the results are, seconds) of a training that nobody ends."""
    folder = tmp_path_factory.mktemp("undisturbed")

    @functools.cache
    def of(case, processes):
        out = folder / f"{case}{processes}"
        launched = Launched(out, processes, case, "2", "single")
        begun = time.monotonic()
        assert launched.end() == 0, launched.text
        return out, time.monotonic() - begun

    return of


class Launched:
    """A training that runs, by processes that have all begun."""

    def __init__(self, out, processes, *arguments):
        self.pids = []
        for ending in ("pid.*", "*.npz"):
            for path in out.parent.glob(f"{out.name}.{ending}"):
                path.unlink()
        self.log = Path(f"{out}.log").open("w+")
        self.launcher = subprocess.Popen(
            command(processes, "survives", out, *arguments),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            # Which a shell sets otherwise for jobs in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            start_new_session=True,  # as a terminal's job, which Ctrl-C ends as a whole
        )
        paths = [Path(f"{out}.pid.{rank}") for rank in range(processes)]
        until = time.monotonic() + 4 * SOON
        while not all(path.exists() for path in paths):
            assert self.launcher.poll() is None, self.end()
            assert time.monotonic() < until, self.end()
            time.sleep(0.005)
        self.pids = [int(path.read_text()) for path in paths]

    def signal(self, target, number):
        """Signal a rank, the launcher or all of the terminal's job."""
        if target == "terminal":
            os.killpg(self.launcher.pid, number)
        else:
            os.kill(self.launcher.pid if target == "launcher" else self.pids[target], number)

    def end(self):
        """Wait for the end of all processes; returns the launcher's exit status."""
        try:
            status = self.launcher.wait(SOON)
            self._wait_for_others()
        finally:
            self.launcher.kill()
            for pid in filter(alive, self.pids):
                os.kill(pid, signal.SIGKILL)
            self.log.seek(0)
            self.text = self.log.read()
            self.log.close()
        return status

    def _wait_for_others(self):
        until = time.monotonic() + SOON
        while left := [pid for pid in self.pids if alive(pid)]:
            assert time.monotonic() < until, f"processes {left} live on"
            time.sleep(0.01)


def alive(pid):
    try:
        os.kill(pid, 0)
        # One that has ended stays until its parent asks for it, which may have ended before.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # gone by now, or another system
        return not Path("/proc/self").exists()


def check_files(out, case, double):
    """What a killed training left is whole: all of its files can be read."""
    backup = Path(f"{out}.backup/latest.weights.h5")
    for path in (backup, backup.with_name(f"{backup.name}.bkp")):
        if path.exists():
            path = shutil.copyfile(path, f"{out}.copy.weights.h5")  # the ending says what it is
            model = worker.model_of(case)
            model.compile("adam", "sparse_categorical_crossentropy")
            model.optimizer.build(model.trainable_variables)
            model.load_weights(path)
            assert all(np.isfinite(w).all() for w in model.get_weights())
    if double and backup.with_name(f"{backup.name}.bkp").exists():
        assert backup.exists()
    checkpoint = Path(f"{out}.keras")
    if checkpoint.exists():
        model = pyseq.saving.load_model(
            checkpoint, custom_objects={"Confidence": worker.Confidence}
        )
        assert model.optimizer.iterations > 0


def check_same(expected, out, processes, same_bits):
    whole = results(expected)
    for rank in range(processes):
        again = results(out, rank)
        for name in whole:
            if name == "loss":
                # Of an epoch, whose sums go on from what they were; where none was left, there is none.
                near = 1e-12 if same_bits else 1e-5
                if again[name].size:
                    np.testing.assert_allclose(again[name], whole[name], near)
            elif same_bits:
                np.testing.assert_array_equal(again[name], whole[name], err_msg=name)
            else:
                np.testing.assert_allclose(again[name], whole[name], 1e-5, 1e-5, err_msg=name)
    left = [path.name for path in out.parent.glob(".*")]
    assert not left and not Path(f"{out}.backup").exists()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_any_moment(undisturbed, tmp_path, number):
    draw = random.Random(1000 * SEED + number)
    processes = 2 + number % 2
    others = number % 5 == 0  # more or fewer processes go on; dropout is that of their number
    case = "plain" if others else "dropout"
    save_freq, double = draw.choice(["2", "5", "epoch"]), draw.choice(["double", "single"])
    out = tmp_path / "out"
    expected, seconds = undisturbed(case, processes)
    for _ in range(draw.choice([1, 1, 2])):  # what was restored may be killed as well
        launched = Launched(out, processes, case, save_freq, double)
        time.sleep(draw.uniform(0, seconds))
        victim = draw.randrange(processes)
        with contextlib.suppress(ProcessLookupError):  # it may have ended before
            launched.signal(victim, signal.SIGKILL)
        if launched.end() == 0:
            assert all(results(out, rank) for rank in range(processes))
        check_files(out, case, double == "double")
    then = 5 - processes if others else processes
    run(then, "survives", out, case, save_freq, double)
    check_same(expected, out, then, not others)


@pytest.mark.parametrize(
    ("number", "target"),
    [
        (signal.SIGTERM, 1),
        (signal.SIGTERM, "launcher"),
        (signal.SIGINT, 0),
        (signal.SIGINT, "launcher"),
        (signal.SIGINT, "terminal"),
    ],
)
def test_asked_to_end(tmp_path, number, target):
    out = tmp_path / "out"
    launched = Launched(out, 2, "dropout", "2", "single")
    backup = Path(f"{out}.backup/latest.weights.h5")
    while not backup.exists():  # in the first epoch of three
        assert launched.launcher.poll() is None, launched.end()
        time.sleep(0.005)
    launched.signal(target, number)
    assert launched.end() != 0
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in launched.text
    check_files(out, "dropout", False)
