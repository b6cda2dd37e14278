"""One peer with one workload in a process of its own; `run.py` starts it and talks to it.

Reads a line of JSON from standard input for each thing to do and answers with a line of JSON:
"round" measures everything once, "stop" ends the process.
"""

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

_BLOCK_S = 0.01  # calls are timed in blocks at least this long, so that the clock costs nothing


def seconds_per_call(call, budget):
    """Median over blocks of calls, for about `budget` seconds; the first call is not counted."""
    call()
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    count = max(1, int(_BLOCK_S / max(once, 1e-7)))
    blocks, end = [], time.perf_counter() + budget
    while not blocks or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            call()
        blocks.append((time.perf_counter() - start) / count)
    return statistics.median(blocks)


def peak_rss_mb():
    """Peak resident memory of this process in MB, without what its parent had before `exec`."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Worker:
    def __init__(self, peer, workload):
        from workloads import make_data

        self.peer, self.workload = peer, workload
        self.x, self.y = make_data(workload)
        self.one, self.many = self.x[:1].copy(), _rows(self.x, 256)

    def start(self):
        """Imports the peer, builds the model and takes the first step; seconds of each."""
        start = time.perf_counter()
        self.peer.load()
        loaded = time.perf_counter()
        self.peer.build(self.workload)
        if self.peer.trains:
            batch = self.workload.batch
            self.peer.set_batch(self.x[:batch].copy(), self.y[:batch].copy())
            self.peer.train_batch()
        else:
            self.prepare()
            self.peer.infer(self.one)
        done = time.perf_counter()
        result = {"import_s": loaded - start, "first_batch_s": done - loaded}
        if self.peer.trains:
            result["loss_first_epoch"] = self.peer.fit(self.x, self.y)
            self.prepare()
        return result | {"versions": self.peer.versions()}

    def prepare(self):
        """Puts the rows to run into the layout that the peer's users keep them in."""
        if hasattr(self.peer, "prepare"):
            self.one, self.many = self.peer.prepare(self.one), self.peer.prepare(self.many)

    def round(self, seconds):
        result = {}
        if self.peer.trains:
            samples, spent = 0, 0.0
            while spent < seconds:
                start = time.perf_counter()
                loss = self.peer.fit(self.x, self.y)
                spent += time.perf_counter() - start
                samples += len(self.x)
            result["fit_samples_per_s"] = samples / spent
            result["loss"] = loss
            result["step_us"] = 1e6 * seconds_per_call(self.peer.train_batch, seconds)
        result["infer_1_us"] = 1e6 * seconds_per_call(lambda: self.peer.infer(self.one), seconds)
        many = seconds_per_call(lambda: self.peer.infer(self.many), seconds)
        result["infer_256_per_s"] = 256 / many
        if self.peer.predict:
            one = seconds_per_call(lambda: self.peer.predict(self.one), seconds)
            result["predict_1_us"] = 1e6 * one
        result["peak_rss_mb"] = peak_rss_mb()
        return result


def _rows(x, count):
    import numpy as np

    return np.resize(x, (count, *x.shape[1:])) if len(x) < count else x[:count].copy()


def make_peer(name, threads, path):
    from peers import PEERS

    peer = PEERS[name]
    module, cls = peer.target.split(":")
    options = dict(peer.options, path=path) if peer.export else peer.options
    return getattr(importlib.import_module(module), cls)(threads, **options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("workload")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--path", type=Path, help="the exported model to run, or to write")
    parser.add_argument("--export", action="store_true", help="write the model to --path and end")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    # Frameworks write to standard output; the answers need it to themselves.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    from workloads import WORKLOADS

    workload = WORKLOADS[args.workload]
    peer = make_peer(args.peer, args.threads, args.path)
    if args.export:
        peer.load()
        peer.build(workload)
        peer.export(args.path)
        return
    worker = Worker(peer, workload)
    print(json.dumps(worker.start()), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "stop":
            break
        print(json.dumps(worker.round(request["seconds"])), file=answers)


if __name__ == "__main__":
    main()
