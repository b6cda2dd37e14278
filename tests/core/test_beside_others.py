"""One process with pyseq and other libraries that bring threads of their own."""

import importlib.util
import os
import subprocess
import sys

import pytest

OTHERS = ["torch", "sklearn"]

# `use_<library>` computes something with its threads and returns whether it is right.
COMMON = """
import os, sys, time
import numpy as np

rng = np.random.default_rng(0)
x = np.float32(rng.normal(size=(512, 64)))
y = np.float32(x[:, :1] - x[:, 1:2])


def use_pyseq():
    import pyseq
    from pyseq import layers

    pyseq.utils.set_random_seed(1)
    model = pyseq.Sequential([pyseq.Input((64,)), layers.Dense(256, "relu"), layers.Dense(1)])
    model.compile(pyseq.optimizers.Adam(0.003), "mean_squared_error")
    losses = model.fit(x, y, epochs=3, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2, losses
    return model.predict(x, verbose=0)


def use_torch():
    import torch

    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))
    step = torch.optim.Adam(net.parameters(), 0.003)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    losses = []
    for _ in range(15):
        step.zero_grad()
        loss = ((net(a) - b) ** 2).mean()
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], losses


def use_sklearn():
    from sklearn.ensemble import HistGradientBoostingRegressor  # OpenMP
    from sklearn.linear_model import Ridge  # BLAS

    assert Ridge().fit(x, y).score(x, y) > 0.99
    trees = HistGradientBoostingRegressor(max_iter=2).fit(x[:, :4], y[:, 0])
    assert trees.score(x[:, :4], y[:, 0]) > 0.05
"""


def run(code, timeout=240):
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", COMMON + code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=env,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def needs(*names):
    for name in names:
        if not importlib.util.find_spec(name):
            pytest.skip(f"needs {name}")


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("first", ["pyseq", "other"])
def test_in_one_process(name, first):
    """Both train, in either order, twice; pyseq's answers are those that it gives alone."""
    needs(name)
    order = ["pyseq", name] if first == "pyseq" else [name, "pyseq"]
    code = "\n".join(f"use_{n}()" for n in order)
    code += "\nimport hashlib\nprint(hashlib.sha256(use_pyseq().tobytes()).hexdigest())\n"
    code += f"use_{name}()\n"
    alone = "import hashlib\nprint(hashlib.sha256(use_pyseq().tobytes()).hexdigest())\n"
    assert run(code) == run(alone)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["torch", "sklearn"])
def test_trains_in_a_forked_child(name):
    """After both have used their threads in the parent. (torch's own do not work in the child.)"""
    needs(name)
    code = f"""
use_{name}()
expected = use_pyseq()
pid = os.fork()
if pid == 0:
    same = np.array_equal(use_pyseq(), expected)
    os._exit(0 if same else 3)
assert np.array_equal(use_pyseq(), expected)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(code) == "0"


@pytest.mark.parametrize("name", ["torch", "sklearn"])
def test_trains_in_spawned_children(name, tmp_path):
    needs(name)
    script = tmp_path / "spawning.py"
    script.write_text(
        COMMON
        + f"""
def both(_):
    use_{name}()
    return use_pyseq()


if __name__ == "__main__":
    import multiprocessing

    expected = both(0)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for answers in pool.map(both, range(1)):
            assert np.array_equal(answers, expected)
    print("same")
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=240
    )
    assert done.stdout.strip() == "same", done.stderr[-3000:]


IDLE = """
use_pyseq()
import pyseq
pyseq.config.set_num_threads(2)
use_pyseq()
time.sleep(0.2)
before = time.process_time()
time.sleep(2)
print(time.process_time() - before)
"""


@pytest.mark.parametrize("name", [None, "torch", "sklearn"])
def test_an_idle_process_takes_no_processor(name):
    """Threads sleep after a fit: CPU time, which no busy machine lengthens. One that spins takes 2 s."""
    code = IDLE
    if name:
        needs(name)
        code = f"use_{name}()\n" + IDLE
    assert float(run(code)) < 0.2
