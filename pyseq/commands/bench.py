"""`bench`: small models beside the libraries that are installed, for about one minute.

Every library is a process of its own (`peers.py`) that stays; they take turns, so that a change in
the machine's speed meets all of them alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time

from pyseq.commands.failure import Failure
from pyseq.commands.info import cpu_name
from pyseq.commands.jobs import BATCH, JOBS, MANY
from pyseq.commands.models import print_json

NAMES = ("pyseq", "keras", "torch", "onnxruntime")
_TURNS = 6  # that the time is meant for
_AT_LEAST = 2
_CLOSE = 1e-4  # how far probabilities may lie apart that are the same


def _count(text):
    if not text.isdecimal() or not 1 <= int(text) <= _cpus():
        raise argparse.ArgumentTypeError(
            f"expected a number of threads from 1 to {_cpus()}, the CPUs there are, got {text!r}"
        )
    return int(text)


def _cpus():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def add_arguments(parser):
    """Describe the command."""
    parser.description = (
        "Train and run a dense net, a CNN and an LSTM, all small, with pyseq and with those of "
        "keras, torch and onnxruntime that are installed: the same weights, data and batches, on "
        "as many threads, each library in a process of its own, turn by turn. One minute."
    )
    parser.add_argument(
        "--threads",
        type=_count,
        metavar="N",
        default=_cpus(),
        help=f"of each library (all CPUs: {_cpus()})",
    )
    parser.add_argument(
        "--with",
        dest="peers",
        nargs="+",
        metavar="LIBRARY",
        choices=NAMES[1:],
        help="only these beside pyseq: keras, torch, onnxruntime",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--seconds", type=float, default=60.0, help=argparse.SUPPRESS)


def run(options):
    """Measure and print."""
    names = [n for n in NAMES if n == "pyseq" or n in (options.peers or NAMES)]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    document = {
        "cpu": cpu_name(),
        "cpus": _cpus(),
        "load_before": round(load, 2),
        "threads": options.threads,
        "batch": BATCH,
        "rows_of_a_prediction": MANY,
        **measure(names, options.threads, options.seconds),
    }
    if options.json:
        print_json(document)
    else:
        print(as_text(document))
    return 0


class Process:
    """A library in its process."""

    def __init__(self, name, threads):
        self.errors = tempfile.TemporaryFile("w+")
        count = str(threads)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pyseq.commands.peers", name, count],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": count,
                "MKL_NUM_THREADS": count,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "CUDA_VISIBLE_DEVICES": "",
                "PYSEQ_DEVICE": "cpu",
            },
        )

    def answer(self):
        """The next line, as data; None where the process has ended."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def turn(self, job, seconds):
        """What one turn of a job measures."""
        try:
            self.process.stdin.write(json.dumps([job, seconds]) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        return self.answer()

    def last_words(self):
        """The last line that it has written to standard error."""
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if line.strip()]
        return lines[-1][:200] if lines else "it ended without a word"

    def end(self):
        """Let it end."""
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def _say(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}" if text else f"\r{'':60}\r", end="", file=sys.stderr, flush=True)


def measure(names, threads, seconds):
    """What all libraries give: `versions`, `not_run`, `turns`, `results` of each job."""
    begin = time.monotonic()
    processes, first, not_run = {}, {}, {}
    found = [{} for _ in JOBS]
    turns = 0
    try:
        for name in names:  # one after the other: each warms up alone
            if importlib.util.find_spec(name) is None:
                not_run[name] = f"not installed (pip install {name})"
                continue
            _say(f"starting {name}")
            process = processes[name] = Process(name, threads)
            first[name] = process.answer()
            if first[name] is None:
                not_run[name] = process.last_words()
                processes.pop(name).end()
        if "pyseq" not in processes:
            raise Failure(f"pyseq does not run: {not_run.get('pyseq')}")
        started, length = time.monotonic(), 0.0
        share = max(seconds - (started - begin), 0.0) / (_TURNS * len(JOBS) * len(processes) * 3)
        while turns < _AT_LEAST or time.monotonic() - begin + length < seconds:
            at = time.monotonic()
            order = list(processes)
            order = order[turns % len(order) :] + order[: turns % len(order)]
            for job, results in enumerate(found):
                for name in order:
                    _say(f"turn {turns + 1}: {JOBS[job].name}, {name}")
                    figures = processes[name].turn(job, share) if name in processes else None
                    if figures is not None:
                        _keep_best(results.setdefault(name, {}), figures)
                    elif name in processes:
                        not_run[name] = processes[name].last_words()
                        processes.pop(name).end()
            turns += 1
            length = time.monotonic() - at
    finally:
        _say("")
        for process in processes.values():
            process.end()
    return {
        "versions": {name: first[name]["version"] for name in processes},
        "not_run": not_run,
        "turns": turns,
        "seconds": round(time.monotonic() - begin, 1),
        "results": [_result(job, found, first, processes) for job in range(len(JOBS))],
    }


def _keep_best(best, figures):
    for key, value in figures.items():
        best[key] = min(value, best.get(key, value))


def _result(index, found, first, names):
    job, peers = JOBS[index], {}
    for name in names:
        best = found[index][name]
        peers[name] = {
            "train_rows_per_s": round(job.rows / best["train"]) if "train" in best else None,
            "predict_rows_per_s": round(MANY / best["predict"]),
            "one_row_us": round(1e6 * best["one"], 2),
            "difference": _difference(first[name], first["pyseq"], index),
        }
    parameters = sum(int(w.size) for w in job.weights())
    return {"model": job.name, "layers": job.text(), "parameters": parameters, "peers": peers}


def _difference(one, other, index):
    """The largest difference between the probabilities of two libraries."""
    rows = zip(one["answers"][index], other["answers"][index])
    return max(abs(a - b) for row in rows for a, b in zip(*row))


def as_text(document):
    """The document as tables of at most 80 columns."""
    lines, apart = [], 0.0
    for result in document["results"]:
        title = f"{result['model']}: {result['layers']}; {result['parameters']:,} parameters"
        lines += textwrap.wrap(title, 80, subsequent_indent="  ")
        lines.append(f"{'':30}{'training':>15}{'prediction':>15}{'one row':>15}")
        for name, figures in result["peers"].items():
            trained = figures["train_rows_per_s"]
            lines.append(
                f"  {document['versions'][name]:28}"
                + (f"{trained:>13,}/s" if trained else f"{'-':>15}")
                + f"{figures['predict_rows_per_s']:>13,}/s{figures['one_row_us']:>12,.1f} µs"
            )
            apart = max(apart, figures["difference"])
            if figures["difference"] > _CLOSE:
                lines.append(f"  ! {name} gives other answers: its figures compare nothing")
        lines.append("")
    for name, reason in document["not_run"].items():
        lines += textwrap.wrap(f"{name}: {reason}", 80, subsequent_indent="  ")
    threads = document["threads"]
    about = (
        f"Rows a second of fit (batches of {document['batch']}, shuffled, Adam, float32) and of "
        f"predictions of {document['rows_of_a_prediction']} rows, and the time of a prediction of "
        f"one row; the best of {document['turns']} turns. "
        f"{threads} thread{'' if threads == 1 else 's'} each on {document['cpu']}, a process for "
        f"each library, turn by turn, {document['seconds']:.0f} s in all."
    )
    if len(document["versions"]) > 1 and apart <= _CLOSE:
        about += f" From the same weights all gave the same answers, to {max(apart, 1e-9):.0e}."
    lines += textwrap.wrap(about, 80)
    if document["load_before"] > 0.3 * document["cpus"]:
        load = f"a load of {document['load_before']} on {document['cpus']} CPUs"
        or_one = "" if threads == 1 else ", or with --threads 1"
        busy = (
            f"The machine was busy ({load}): libraries whose threads wait for each other lose most "
            f"by that. Measure again when it is idle{or_one}."
        )
        lines += textwrap.wrap(busy, 80)
    return "\n".join(lines)
