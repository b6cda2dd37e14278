"""Microseconds of one row and of one step of small networks as exported headers, on one core.

    python bench/exported.py [REALTIME_BENCH]

Needs a C++ compiler. REALTIME_BENCH is the program of that name that is built with the C++ tests:
with it, the same networks run through `Session`, `Prepared` and `Stream` as well.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyseq as k
from pyseq import layers

HERE = Path(__file__).resolve().parent


def causal():
    return layers.Conv1D(8, 3, padding="causal", activation="relu")


NETWORKS = {
    "dense_32": [(32,), lambda: [layers.Dense(32, "tanh")]],
    "lstm_16": [(1, 16), lambda: [layers.LSTM(16)]],
    "lstm_32": [(1, 32), lambda: [layers.LSTM(32)]],
    "lstm_64": [(1, 64), lambda: [layers.LSTM(64)]],
    "gru_32": [(1, 32), lambda: [layers.GRU(32)]],
    "conv1d_stack": [(8, 8), lambda: [causal(), causal(), causal()]],
    "cnn": [
        (28, 28, 1),
        lambda: [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ],
    ],
}


def output_of(command, **arguments):
    return subprocess.run(command, check=True, capture_output=True, text=True, **arguments).stdout


def write(folder):
    """The networks as `.pyseq` and `.h` files, and the header that includes all of them."""
    lines = []
    for name, (shape, stack) in NETWORKS.items():
        model = k.Sequential([k.Input(shape), *stack()])
        model.export(folder / f"{name}.pyseq")
        model.export(folder / f"{name}.h", format="cpp")
        lines.append(f'#include "{name}.h"')
    calls = " ".join(f"call({name})" for name in NETWORKS)
    lines.append(f"#define PYSEQ_EXPORTED(call) {calls}")
    (folder / "exported_headers.h").write_text("\n".join(lines) + "\n")


def main(realtime_bench=None):
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    rows = {name: [] for name in NETWORKS}
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        write(folder)
        program = str(folder / "exported")
        flags = ["-std=c++17", "-O3", "-march=native", f"-I{folder}"]
        subprocess.run([compiler, *flags, str(HERE / "exported.cpp"), "-o", program], check=True)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        for line in output_of([program]).splitlines():
            name, *figures = line.split()
            rows[name] += figures
        if realtime_bench:
            files = [f"{name}.pyseq" for name in NETWORKS]
            one = {**os.environ, "OMP_NUM_THREADS": "1"}
            command = [str(Path(realtime_bench).resolve()), *files]
            for line in output_of(command, cwd=folder, env=one).splitlines()[1:]:
                name, *figures = line.split()
                rows[name.removesuffix(".pyseq")] += figures
    titles = ["run", "step", *(["Session", "Prepared", "Stream"] if realtime_bench else [])]
    print(f"{'us':14}" + "".join(f"{title:>10}" for title in titles))
    for name, figures in rows.items():
        print(f"{name:14}" + "".join(f"{figure:>10}" for figure in figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
