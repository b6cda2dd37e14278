"""Kernels of pyseq beside PyTorch's (MKL, oneDNN) and the machine's measured peak.

    python bench/kernels.py
    python bench/kernels.py --threads 1 --only gemm conv

A kernel is timed through a model of one layer: `infer` runs it forward; `train` takes a step with
SGD on the mean squared error, which adds the gradient of the weights; `train twice` does so with
the layer two times in a row (where its output fits its input), which adds the gradient of the
input. PyTorch runs the same models, so that both carry the same overhead, and the bare kernels.
The figures are GFLOP/s of the multiplications that the layer needs, or GB/s where memory decides.
"""

import argparse
import datetime
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import places
import report
from worker import seconds_per_call

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Kernel:
    name: str
    group: str
    layer: tuple  # as in workloads.py
    shape: tuple  # (N, ...)
    work: float  # FLOP forward, or bytes where unit is GB/s
    unit: str = "GFLOP/s"
    passes: tuple = ("infer", "train")


def gemm(m, n, k):
    passes = ("infer", "train", "train twice") if n == k else ("infer", "train")
    return Kernel(f"gemm {m}x{n}x{k}", "gemm", ("dense", n), (m, k), 2.0 * m * n * k, passes=passes)


def conv(size, channels, filters, pixels, batch):
    work = 2.0 * batch * pixels**2 * size**2 * channels * filters
    passes = ("infer", "train", "train twice") if channels == filters else ("infer", "train")
    return Kernel(
        f"conv {size}x{size} {channels}->{filters}, {pixels} px, batch {batch}",
        "conv",
        ("conv2d", filters, size),
        (batch, pixels, pixels, channels),
        work,
        passes=passes,
    )


def memory(name, layer, shape, arrays):
    """A kernel that reads and writes `arrays` times its input.

    Only batch norm has weights: a model of one layer without any never runs its gradient.
    """
    work = 4.0 * arrays * float(np.prod(shape))
    passes = ("infer", "train") if layer == ("batchnorm",) else ("infer",)
    return Kernel(name, "memory", layer, shape, work, "GB/s", passes)


def depthwise(channels, pixels, batch):
    work = 2.0 * batch * pixels**2 * 9 * channels
    shape = (batch, pixels, pixels, channels)
    name = f"depthwise 3x3, {channels} channels, {pixels} px, batch {batch}"
    return Kernel(name, "conv", ("depthwise", 3), shape, work, passes=("infer", "train"))


def lstm(steps, batch, channels, units):
    work = 2.0 * steps * batch * (channels + units) * 4 * units
    name = f"lstm T={steps}, batch {batch}, {channels}->{units}"
    return Kernel(name, "lstm", ("lstm", units), (batch, steps, channels), work)


KERNELS = (
    gemm(2048, 2048, 2048),
    gemm(512, 512, 512),
    gemm(128, 512, 784),
    gemm(128, 10, 512),
    gemm(32, 64, 32),
    gemm(1, 512, 784),
    conv(3, 64, 64, 56, 16),
    conv(3, 256, 256, 14, 32),
    conv(1, 256, 64, 56, 8),
    conv(3, 3, 64, 224, 8),
    conv(3, 1, 32, 28, 128),
    depthwise(64, 56, 16),
    memory("max pool 2x2, 64 channels, 56 px, batch 16", ("maxpool2d",), (16, 56, 56, 64), 1.25),
    memory("batch norm, 64 channels, 56 px, batch 16", ("batchnorm",), (16, 56, 56, 64), 2),
    memory("softmax 4096x1000", ("softmax",), (4096, 1000), 2),
    memory("softmax 128x10", ("softmax",), (128, 10), 2),
    memory("relu, 64 channels, 56 px, batch 16", ("relu",), (16, 56, 56, 64), 2),
    lstm(80, 32, 128, 128),
)


class KerasModel:
    def __init__(self, module, kernel, depth):
        api = importlib.import_module(module)
        kind, *args = kernel.layer
        make = {
            "dense": lambda: api.layers.Dense(args[0], use_bias=False),
            "conv2d": lambda: api.layers.Conv2D(*args, padding="same", use_bias=False),
            "depthwise": lambda: api.layers.DepthwiseConv2D(
                args[0], padding="same", use_bias=False
            ),
            "maxpool2d": api.layers.MaxPooling2D,
            "batchnorm": api.layers.BatchNormalization,
            "softmax": api.layers.Softmax,
            "relu": api.layers.ReLU,
            "lstm": lambda: api.layers.LSTM(args[0], return_sequences=True),
        }[kind]
        layers = [make() for _ in range(depth)]
        self.model = api.Sequential([api.Input(shape=kernel.shape[1:]), *layers])
        self.model.compile(optimizer=api.optimizers.SGD(1e-4), loss="mse")
        self.y = None

    def infer(self, x):
        return self.model.predict_on_batch(x)

    def train(self, x):
        if self.y is None:
            self.y = np.zeros_like(np.asarray(self.infer(x)))
        return self.model.train_on_batch(x, self.y)


class TorchModel:
    def __init__(self, kernel, depth):
        import torch
        from torch import nn

        self.torch = torch
        kind, *args = kernel.layer
        channels = kernel.shape[-1]
        self.image = len(kernel.shape) == 4
        self.first_only = kind == "lstm"
        make = {
            "dense": lambda: nn.Linear(channels, args[0], bias=False),
            "conv2d": lambda: nn.Conv2d(channels, *args, padding="same", bias=False),
            "depthwise": lambda: nn.Conv2d(
                channels, channels, args[0], padding="same", groups=channels, bias=False
            ),
            "maxpool2d": lambda: nn.MaxPool2d(2),
            "batchnorm": lambda: nn.BatchNorm2d(channels),
            "softmax": lambda: nn.Softmax(-1),
            "relu": nn.ReLU,
            "lstm": lambda: nn.LSTM(channels, args[0], batch_first=True),
        }[kind]
        self.model = nn.Sequential(*(make() for _ in range(depth)))
        if self.image:
            self.model = self.model.to(memory_format=torch.channels_last)
        parameters = list(self.model.parameters())
        self.optimizer = torch.optim.SGD(parameters, 1e-4, fused=True) if parameters else None
        self.y = None

    def forward(self, x):
        x = self.torch.from_numpy(x)
        y = self.model(x.permute(0, 3, 1, 2) if self.image else x)
        return y[0] if self.first_only else y

    def infer(self, x):
        self.model.eval()
        with self.torch.inference_mode():
            return self.forward(x).numpy()

    def train(self, x):
        self.model.train()
        y = self.forward(x)
        if self.y is None:
            self.y = self.torch.zeros_like(y)
        loss = self.torch.nn.functional.mse_loss(y, self.y)
        if self.optimizer:
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return float(loss.detach())


def torch_bare(kernel):
    """PyTorch's kernels without a model: seconds-per-call functions by pass."""
    import torch

    kind, *args = kernel.layer
    if kind == "dense":
        (m, k), n = kernel.shape, args[0]
        a, b, c = torch.randn(m, k), torch.randn(n, k), torch.randn(m, n)
        return {
            "nt": lambda: torch.mm(a, b.t()),
            "tn": lambda: torch.mm(c.t(), a),
            "nn": lambda: torch.mm(c, b),
        }
    if kind == "conv2d":
        batch, pixels, _, channels = kernel.shape
        filters, size = args
        like = torch.channels_last
        x = torch.randn(batch, channels, pixels, pixels).to(memory_format=like)
        w = torch.randn(filters, channels, size, size).to(memory_format=like)
        y = torch.randn(batch, filters, pixels, pixels).to(memory_format=like)
        pad = size // 2
        return {
            "forward": lambda: torch.nn.functional.conv2d(x, w, padding=pad),
            "data gradient": lambda: torch.nn.grad.conv2d_input(x.shape, w, y, padding=pad),
            "weight gradient": lambda: torch.nn.grad.conv2d_weight(x, w.shape, y, padding=pad),
        }
    return {}


# Work of a pass in terms of the forward one: dw; then forward, dw and dx once more.
_FORWARDS = {"infer": 1, "train": 2, "train twice": 5}
_TRANSFERS = {"infer": 1, "train": 2.5}  # the backward reads one array more


def measure(side, only, threads, seconds):
    """Rates by kernel and pass, of one side in this process."""
    if side == "torch":
        import torch

        torch.set_num_threads(threads)
    rates = {}
    for kernel in KERNELS:
        if only and kernel.group not in only:
            continue
        x = np.random.default_rng(0).standard_normal(kernel.shape, dtype=np.float32)
        found = rates[kernel.name] = {}
        for step in kernel.passes:
            depth = 2 if step == "train twice" else 1
            make = TorchModel if side == "torch" else partial(KerasModel, side)
            model = make(kernel, depth)
            call = partial(model.infer if step == "infer" else model.train, x)
            factors = _FORWARDS if kernel.unit == "GFLOP/s" else _TRANSFERS
            found[step] = factors[step] * kernel.work / seconds_per_call(call, seconds) / 1e9
        if side == "torch":
            for step, call in torch_bare(kernel).items():
                found["bare " + step] = kernel.work / seconds_per_call(call, seconds) / 1e9
    return rates


def peak(threads):
    """GFLOP/s and GB/s of `threads` threads, or None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        flags = ["-O3", "-march=native", "-fopenmp"]
        subprocess.run([compiler, *flags, str(HERE / "peak.c"), "-o", str(program)], check=True)
        out = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True)
    return tuple(map(float, out.stdout.split()))


def run_side(side, options):
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--threads", str(options.threads)]
    command += ["--seconds", str(options.seconds)]
    if options.only:
        command += ["--only", *options.only]
    count = str(options.threads)
    environment = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    environment["PYTHONPATH"] = places.of_workers()
    out = subprocess.run(command, stdout=subprocess.PIPE, env=environment, text=True, check=True)
    return json.loads(out.stdout.splitlines()[-1])


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = sorted({kernel.group for kernel in KERNELS})
    parser.add_argument("--only", nargs="+", choices=groups)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure (0.3)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder of results")
    parser.add_argument("--no-save", action="store_true", help="write no file")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = parse_options()
    if options.side:
        cores = sorted(os.sched_getaffinity(0))[: options.threads]
        os.sched_setaffinity(0, cores)
        print(json.dumps(measure(options.side, options.only, options.threads, options.seconds)))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160)
    places.find_pyseq()
    best = peak(options.threads)
    sides = [side for side in ("pyseq", "torch") if find_spec(side)]
    rounds = [{side: run_side(side, options) for side in sides} for _ in range(options.rounds)]
    head = ("kernel", "pass", "unit", *sides, "pyseq / torch", "% of peak")
    rows = list(table_rows(rounds, sides, best))
    said = "not measured, no C compiler" if best is None else "{} GFLOP/s, {} GB/s".format(*best)
    report.print_table(console, f"peak, {options.threads} threads: {said}", head, rows, "pyseq")
    if options.no_save:
        return
    cpu, date = report.cpu_model(), datetime.datetime.now().isoformat(timespec="seconds")
    lines = [
        f"# Kernels on {cpu}, {date}",
        "",
        f"{options.threads} threads, {options.rounds} rounds of {options.seconds} s a figure, "
        f"medians; peak: {said}.",
        "",
        "| " + " | ".join(head) + " |",
        "|---|---|---|" + "---:|" * (len(head) - 3),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    path = report.file_stem(options.output, f"{cpu} kernels", date).with_suffix(".md")
    path.write_text("\n".join(lines) + "\n")
    console.print(f"Wrote {path}", highlight=False)


def table_rows(rounds, sides, best):
    for kernel in KERNELS:
        steps = {step for side in sides for step in rounds[0][side].get(kernel.name, {})}
        for step in sorted(steps, key=lambda s: (s.startswith("bare"), s)):
            seen = {
                side: statistics.median(r[side][kernel.name][step] for r in rounds)
                for side in sides
                if step in rounds[0][side][kernel.name]
            }
            cells = [f"{seen[side]:.1f}" if side in seen else "" for side in sides]
            both = "pyseq" in seen and "torch" in seen
            ratio = f"{seen['pyseq'] / seen['torch']:.2f}" if both else ""
            top = best and best[0 if kernel.unit == "GFLOP/s" else 1]
            share = f"{seen['pyseq'] / top:.0%}" if top and "pyseq" in seen else ""
            yield kernel.name, step, kernel.unit, *cells, ratio, share


if __name__ == "__main__":
    main()
