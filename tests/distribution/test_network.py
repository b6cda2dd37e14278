"""Processes on two network namespaces, which a link of limited speed connects."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from launching import needs

needs("mpi4py", "mpi")

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
MPIEXEC = Path(sys.executable).with_name("mpiexec")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MPIEXEC.exists(), reason='no mpiexec of this environment: pip install "pyseq-nn[mpi]"'
    ),
]


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    if os.name != "posix" or os.getuid() != 0 or not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("namespaces need root, ip and tc")
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import scaling

    try:
        namespaces = scaling.Namespaces("200mbit", tmp_path)
        path = namespaces.__enter__()
    except (OSError, subprocess.CalledProcessError):
        namespaces.__exit__()
        pytest.skip("no permission to make namespaces or links")
    yield path
    namespaces.__exit__()


def start(launcher, *arguments):
    command = ["ip", "netns", "exec", "pyseq0", str(MPIEXEC), "-launcher", "ssh", "-launcher-exec"]
    command += [str(launcher), "-hosts", "10.9.0.1,10.9.0.2", "-ppn", "1", "-n", "2"]
    command += ["-genv", "UCX_TLS", "tcp,self", "-genv", "UCX_NET_DEVICES", "link0"]
    command += [sys.executable, str(WORKER), *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYSEQ_SILENCE": "PS"}
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_weights_over_tcp(launcher, tmp_path):
    process = start(launcher, "agree", tmp_path / "out", "plain,sequences")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    alone = [sys.executable, str(WORKER), "agree", str(tmp_path / "one"), "plain,sequences"]
    subprocess.run(alone, check=True)
    for case in ("plain", "sequences"):
        with np.load(f"{tmp_path}/out.{case}.1.npz") as got:
            with np.load(f"{tmp_path}/one.{case}.0.npz") as expected:
                for name in expected:
                    np.testing.assert_allclose(got[name], expected[name], rtol=1e-5, atol=1e-5)


def test_a_link_that_falls_silent(launcher, tmp_path):
    process = start(launcher, "silence", tmp_path / "out", 3)
    assert any(line.startswith("training") for line in process.stdout)
    subprocess.run(["ip", "-n", "pyseq1", "link", "set", "link0", "down"], check=True)
    # The launcher cannot reach the other one either, and would wait for it.
    end = threading.Timer(60, process.kill)
    end.start()
    try:
        assert any("for 3 s; it has stopped" in line for line in process.stdout)
    finally:
        end.cancel()
        process.kill()
        process.stdout.close()
        process.wait()
