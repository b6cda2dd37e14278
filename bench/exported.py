"""Microseconds of one row and of one step of small networks as exported headers, on one core.

    python bench/exported.py [--rtneural FOLDER] [--onnxruntime FOLDER] [--frugally-deep FOLDER]
                             [--realtime PROGRAM]

Needs GCC or Clang. The peers run beside the headers, in turns, in one process: RTNeural (a checkout
with its submodules), ONNX Runtime (a folder with `onnxruntime_c_api.h`; the library is that of the
Python package) and frugally-deep (a checkout; CPLUS_INCLUDE_PATH finds FunctionalPlus, Eigen and
nlohmann's json). PROGRAM is `realtime_bench`, built with the C++ tests: with it, the same networks
run through `Session`, `Prepared` and `Stream` as well.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import pyseq as k
from pyseq import layers

SOURCES = Path(__file__).resolve().parent / "exported_peers"
NATIVE, AVX2 = ["-march=native"], ["-march=haswell"]
# Eigen's matrices of fixed sizes are members here, never on the stack.
EIGEN = ["-DRTNEURAL_USE_EIGEN=1", "-DEIGEN_STACK_ALLOCATION_LIMIT=0"]
# Each backend with the alignment that its vectors need.
RTNEURAL = {
    "rtneural_eigen": [*EIGEN, "-DRTNEURAL_DEFAULT_ALIGNMENT=32", *NATIVE],
    "rtneural_eigen_avx2": [*EIGEN, "-DRTNEURAL_DEFAULT_ALIGNMENT=32", *AVX2],
    "rtneural_xsimd": ["-DRTNEURAL_USE_XSIMD=1", "-DRTNEURAL_DEFAULT_ALIGNMENT=64", *NATIVE],
    "rtneural_xsimd_avx2": ["-DRTNEURAL_USE_XSIMD=1", "-DRTNEURAL_DEFAULT_ALIGNMENT=32", *AVX2],
    "rtneural_stl": ["-DRTNEURAL_DEFAULT_ALIGNMENT=64", *NATIVE],
}


def causal():
    return layers.Conv1D(8, 3, padding="causal", activation="relu")


def separable(filters, strides=1):
    return [
        layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(filters, 1, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
    ]


NETWORKS = {
    "dense_32": [(32,), lambda: [layers.Dense(32, "tanh")]],
    "lstm_16": [(1, 16), lambda: [layers.LSTM(16)]],
    "lstm_32": [(1, 32), lambda: [layers.LSTM(32)]],
    "lstm_64": [(1, 64), lambda: [layers.LSTM(64)]],
    "gru_32": [(1, 32), lambda: [layers.GRU(32)]],
    "conv1d_stack": [(8, 8), lambda: [causal(), causal(), causal()]],
    "conv2d": [(28, 28, 1), lambda: [layers.Conv2D(32, 3, activation="relu")]],
    "cnn": [
        (28, 28, 1),
        lambda: [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ],
    ],
    "separable": [(32, 32, 16), lambda: [*separable(32), *separable(64, 2), *separable(64)]],
}


def output_of(command, **arguments):
    return subprocess.run(command, check=True, capture_output=True, text=True, **arguments).stdout


def rtneural_json(model):
    """The layers and weights as RTNeural's loader reads them."""
    kinds = {"Dense": "dense", "LSTM": "lstm", "GRU": "gru", "Conv1D": "conv1d", "Conv2D": "conv2d"}
    described = []
    for layer in model.layers:
        kind = kinds[type(layer).__name__]
        config = layer.get_config()
        entry = {"type": kind, "activation": config["activation"], "shape": layer.output.shape}
        if kind == "conv1d":
            entry |= {"kernel_size": config["kernel_size"], "dilation": config["dilation_rate"]}
        if kind == "conv2d":
            time, feature = config["kernel_size"]
            entry |= {"kernel_size_time": [time], "kernel_size_feature": [feature]}
            entry |= {"dilation": [1], "strides": [1], "padding": config["padding"]}
        entry["weights"] = [np.asarray(w).tolist() for w in layer.get_weights()]
        described.append(entry)
    return json.dumps({"in_shape": model.input_shape, "layers": described})


def write(folder, options):
    """The networks in the peers' forms, and the header that includes all headers."""
    k.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    lines = []
    for name, (shape, stack) in NETWORKS.items():
        model = k.Sequential([k.Input(shape), *stack()])
        # Biases and moving statistics that can be told from none.
        model.set_weights([w + rng.uniform(0, 0.1, np.shape(w)) for w in model.get_weights()])
        model.export(folder / f"{name}.pyseq")
        model.export(folder / f"{name}.h", format="cpp")
        if options.rtneural and name not in ("cnn", "separable"):
            (folder / f"{name}.json").write_text(rtneural_json(model))
        if options.onnxruntime:
            model.export(folder / f"{name}.onnx", format="onnx")
        if options.frugally_deep:
            model.save(folder / f"{name}.keras")
            convert = options.frugally_deep / "keras_export" / "convert_model.py"
            files = [folder / f"{name}.keras", folder / f"{name}.fdeep.json"]
            subprocess.run([sys.executable, convert, *files], check=True, capture_output=True)
        lines.append(f'#include "{name}.h"')
    calls = " ".join(f"call({name})" for name in NETWORKS)
    lines.append(f"#define PYSEQ_EXPORTED(call) {calls}")
    (folder / "exported_headers.h").write_text("\n".join(lines) + "\n")
    (folder / "networks.txt").write_text("\n".join(NETWORKS) + "\n")


def peers_of(folder, options):
    """Name -> (source, flags) of what runs beside each other, the headers first."""
    peers = {"headers": ("headers.cpp", NATIVE)}
    if options.rtneural:
        include = [f"-I{options.rtneural}", f"-I{options.rtneural / 'modules' / 'Eigen'}"]
        include += [f"-I{options.rtneural / 'modules' / 'xsimd' / 'include'}", "-w"]
        peers |= {name: ("rtneural.cpp", [*include, *flags]) for name, flags in RTNEURAL.items()}
    if options.onnxruntime:
        # The library's own name, by which it is found beside the peers, is not that of its file.
        package = Path(importlib.util.find_spec("onnxruntime").origin).parent / "capi"
        library = folder / "libonnxruntime.so.1"
        library.symlink_to(next(package.glob("libonnxruntime.so.1*")))
        flags = [f"-I{options.onnxruntime}", library, "-Wl,-rpath,$ORIGIN", *NATIVE]
        peers["onnxruntime"] = ("onnxruntime.cpp", flags)
    if options.frugally_deep:
        flags = [f"-I{options.frugally_deep / 'include'}", *NATIVE]
        peers["frugally_deep"] = ("frugally_deep.cpp", flags)
    return peers


def build(folder, peers):
    """The measuring program and the libraries of the peers that compile."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    program = folder / "measure"
    flags = ["-std=c++17", "-O3", "-DNDEBUG", f"-I{folder}"]
    subprocess.run([compiler, *flags, SOURCES / "measure.cpp", "-ldl", "-o", program], check=True)
    built = []
    for name, (source, more) in peers.items():
        library = folder / f"{name}.so"
        apart = ["-shared", "-fPIC", "-fvisibility=hidden"]
        command = [compiler, *flags, *apart, SOURCES / source, *more, "-o", library]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            built.append(library)
        else:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            print(f"{name}: not run: {(errors or ['does not compile'])[0]}")
    return program, built


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for peer in ("rtneural", "onnxruntime", "frugally-deep"):
        parser.add_argument(f"--{peer}", type=Path, metavar="FOLDER")
    parser.add_argument("--realtime", type=Path, metavar="PROGRAM")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        write(folder, options)
        program, libraries = build(folder, peers_of(folder, options))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(f"{'us':14}{'':6}{'peer':22}{'median':>10}{'least':>10}  off by")
        for line in sorted(output_of([program, folder, *libraries]).splitlines()):
            network, way, peer, median, least, off = line.split()
            print(f"{network:14}{way:6}{peer:22}{median:>10}{least:>10}  {off}")
        if options.realtime:
            files = [f"{name}.pyseq" for name in NETWORKS]
            command = [options.realtime.resolve(), *files]
            one = {**os.environ, "OMP_NUM_THREADS": "1"}
            print(output_of(command, cwd=folder, env=one), end="")


if __name__ == "__main__":
    main()
