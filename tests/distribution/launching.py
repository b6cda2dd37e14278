"""How the tests of this folder start processes, and what they need for it."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

WORKER = Path(__file__).with_name("worker.py")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
MPIEXEC = shutil.which("mpiexec", path=PATH)

# What `.ci/run` installs before it sets CI.
_IN_CI = ("dask", "mpi")


def needs(module, extra):
    """A module of `pyseq-nn[extra]`. Without it tests are skipped, except in CI, and say why."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if os.environ.get("CI") and extra in _IN_CI:
            raise
        pytest.skip(f'{error}: pip install "pyseq-nn[{extra}]"', allow_module_level=True)


def needs_mpi():
    """Skip the module where mpi4py or mpiexec are missing."""
    needs("mpi4py", "mpi")
    if MPIEXEC is None:
        pytest.skip('no mpiexec: pip install "pyseq-nn[mpi]"', allow_module_level=True)


def command(processes, *arguments, options=()):
    """What starts a worker in so many processes."""
    words = [MPIEXEC, *options, "-n", processes, sys.executable, WORKER, *arguments]
    return [str(word) for word in words]


def environment(threads=1):
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYSEQ_SILENCE": "PS"}


def start(processes, *arguments, threads=1, options=()):
    return subprocess.run(
        command(processes, *arguments, options=options),
        env=environment(threads),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run(processes, *arguments, **options):
    done = start(processes, *arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def results(out, rank=0):
    with np.load(f"{out}.{rank}.npz") as file:
        return dict(file)
