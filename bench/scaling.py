"""`fit` by several processes: scaling on this machine, and a simulation of many machines.

    python bench/scaling.py                      # needs `pip install "pyseq-nn[mpi]"`
    python bench/scaling.py --namespaces 1gbit   # also over TCP between two network namespaces

Every row has the same batch, of which each process computes its part. Efficiency is the speed
against that of one process, over the cores that the processes can use. `waits` is the share of a
step in which a process only waits for the others; `hidden` the share of the time of all sums, done
by themselves, that does not show in the step because backward goes on meanwhile; 0 where a process
that is late makes the others wait longer than that.

The simulation takes from one process: when each part of the gradient is complete, how large it is,
and how long a step takes. A sum over p machines costs what the best of three algorithms does (ring,
recursive doubling, recursive halving and doubling; Thakur et al., 2005, "Optimization of Collective
Communication Operations in MPICH") with a latency of alpha and a time of beta per byte. Alpha is
fitted to the times of messages measured here (over TCP where namespaces were asked for, else through
shared memory), beta is that of the link. Machines are as fast as this one, the rows of each stay
the same (weak scaling), and nothing else uses the network.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORKLOADS = ("mlp", "cnn", "lstm")
PROCESSES = (1, 2, 4)
MACHINES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SIZES = (1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 22)
HOSTS = ("10.9.0.1", "10.9.0.2")
ROWS, BATCH = 4096, 256


def model_and_data(name):
    import pyseq
    from pyseq import layers as L

    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 784)).astype("float32")
    if name == "mlp":
        stack = [L.Input((784,)), L.Dense(512, "relu"), L.Dense(512, "relu")]
    elif name == "cnn":
        x = x.reshape(ROWS, 28, 28, 1)
        stack = [L.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D()]
        stack += [L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Flatten()]
    else:
        x = rng.zipf(1.2, (ROWS, 80)) % 20000  # as often as words are
        stack = [L.Input((80,)), L.Embedding(20000, 64), L.LSTM(64)]
    model = pyseq.Sequential([*stack, L.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, x, rng.integers(0, 10, ROWS)


class Clock:
    """Notes when parts of the gradient were complete and how long the process waited for sums."""

    def __init__(self, group):
        self.group, self.parts, self.waited = group, [], []
        self.start_sum, self.finish_sums = group.start_sum, group.finish_sums
        group.start_sum, group.finish_sums = self.start, self.finish

    def start(self, values, row):
        self.parts.append((time.perf_counter(), values.nbytes, row))
        self.start_sum(values, row)

    def finish(self):
        began = time.perf_counter()
        self.finish_sums()
        self.waited.append(time.perf_counter() - began)


def step_times(name):
    """One process of a measurement; the first one prints what it found."""
    import pyseq
    from pyseq import distribution, settings

    distribution.set_distribution(distribution.DataParallel())
    pyseq.utils.set_random_seed(1)
    model, x, y = model_and_data(name)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    group, steps, clock = settings.group, ROWS // BATCH, None
    if group is not None:
        clock = Clock(group)
        group.sent_bytes = 0
    times = []
    for _ in range(5):
        began = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, verbose=0)
        times.append((time.perf_counter() - began) / steps)
    found = {"step": float(np.median(times)), "sent": 0, "waits": 0.0, "hidden": 0.0}
    if group is not None:
        found["sent"] = group.sent_bytes / 5 / steps
        found["waits"] = float(np.median(clock.waited)) / found["step"]
        sizes = [size for _, size, row in clock.parts[: len(clock.parts) // (5 * steps)]]
        arrays = [np.zeros(size // 4, "float32") for size in sizes]
        alone = []
        for _ in range(20):
            began = time.perf_counter()
            for array in arrays:
                group.sum(array)
            alone.append(time.perf_counter() - began)
        hidden = 1 - float(np.median(clock.waited)) / float(np.median(alone))
        found["hidden"] = max(hidden, 0.0)  # below: they wait for a process that is late, not for sums
    if distribution.rank() == 0:
        print(json.dumps(found))


def message_times():
    """Seconds of a sum over two processes, by bytes."""
    from mpi4py import MPI

    world, found = MPI.COMM_WORLD, {}
    for size in SIZES:
        values, times = np.ones(size // 4, "float32"), []
        for _ in range(30):
            world.Barrier()
            began = time.perf_counter()
            world.Allreduce(MPI.IN_PLACE, values)
            times.append(time.perf_counter() - began)
        found[size] = float(np.median(times[5:]))
    if world.rank == 0:
        print(json.dumps(found))


def timeline(name):
    """One process alone: seconds from the begin of a step to each part, and of the whole step."""
    from pyseq import settings

    class Alone:
        rank, size, shards, sizes, begun = 0, 1, True, None, 0

        def share(self, first, last):
            return slice(first, last)

        def gather(self, value):
            return [value]

        def same(self, value):
            return value

        def any(self, flag):
            return flag

        def sum(self, values):
            pass

        def average(self, variables):
            pass

        def start_sum(self, values, row):
            parts.append((time.perf_counter(), values.nbytes, row))

        def finish_sums(self):
            ends.append(time.perf_counter())

    parts, ends = [], []
    model, x, y = model_and_data(name)
    settings.change("group", Alone())
    model.fit(x, y, batch_size=BATCH // 4, verbose=0, epochs=2)
    steps = len(ends)
    each = len(parts) // steps
    whole = float(np.median(np.diff(ends[steps // 2 :])))
    rows = []
    for k in range(each):
        times = [ends[i] - parts[i * each + k][0] for i in range(steps // 2, steps)]
        rows.append((whole - float(np.median(times)), parts[k][1], parts[k][2]))
    print(json.dumps({"step": whole, "parts": rows, "batch": BATCH // 4, "ids": 80}))


def run(function, argument, processes, namespaces=None, threads=1):
    """The JSON that the first of several processes prints."""
    mpiexec = Path(sys.executable).with_name("mpiexec")
    command = [shutil.which("mpiexec") if not mpiexec.exists() else str(mpiexec)]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYSEQ_SILENCE": "PS"}
    if namespaces:
        command = ["ip", "netns", "exec", "pyseq0", *command, "-launcher", "ssh"]
        command += ["-launcher-exec", str(namespaces), "-hosts", ",".join(HOSTS), "-ppn", "1"]
        command += ["-genv", "UCX_TLS", "tcp,self", "-genv", "UCX_NET_DEVICES", "link0"]
    command += ["-n", str(processes), sys.executable, __file__, "--only", function, argument or "-"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])


class Namespaces:
    """Two network namespaces with a link between them, and a launcher that starts in them."""

    def __init__(self, rate, folder):
        self.rate = rate
        self.launcher = Path(folder) / "launch"
        self.launcher.write_text(
            "#!/bin/bash\nwhile [[ $1 == -* ]]; do shift; done\nhost=$1; shift\n"
            f"exec ip netns exec pyseq$([ $host = {HOSTS[0]} ] && echo 0 || echo 1) bash -c \"$*\"\n"
        )
        self.launcher.chmod(0o755)

    def __enter__(self):
        self.__exit__()
        ip("netns add pyseq0")
        ip("netns add pyseq1")
        ip("link add link0 netns pyseq0 type veth peer name link0 netns pyseq1")
        for i, host in enumerate(HOSTS):
            ip(f"-n pyseq{i} addr add {host}/24 dev link0")
            ip(f"-n pyseq{i} link set link0 up")
            ip(f"-n pyseq{i} link set lo up")
            limit = f"root tbf rate {self.rate} burst 256k latency 50ms"
            ip(f"netns exec pyseq{i} tc qdisc add dev link0 {limit}")
        for _ in range(100):
            shown = [ip(f"-n pyseq{i} link show link0") for i in (0, 1)]
            if all(b"state UP" in text for text in shown):
                return self.launcher
            time.sleep(0.05)
        raise OSError(f"link0: expected it to be up after 5 s, got {shown}")

    def __exit__(self, *_):
        for i in (0, 1):
            subprocess.run(["ip", "netns", "del", f"pyseq{i}"], capture_output=True, check=False)


def ip(arguments):
    return subprocess.run(["ip", *arguments.split()], check=True, stdout=subprocess.PIPE).stdout


def fitted(times):
    """(alpha, beta) of alpha + beta bytes for one message of a sum over two processes."""
    sizes = np.array([int(s) for s in times], float)
    seconds = np.array(list(times.values()))
    # Relative errors count: small messages say what alpha is.
    matrix = np.stack([np.ones_like(sizes), sizes], 1) / seconds[:, None]
    alpha, beta = np.linalg.lstsq(matrix, np.ones_like(seconds), rcond=None)[0]
    return max(alpha, 1e-7), beta


def sum_seconds(size, machines, alpha, beta):
    steps = math.ceil(math.log2(machines))
    moved = 2 * (machines - 1) / machines * size * beta
    return min(
        2 * (machines - 1) * alpha + moved,  # ring
        steps * (alpha + size * beta),  # recursive doubling
        2 * steps * alpha + moved,  # recursive halving and doubling
    )


def simulated(line, machines, alpha, beta):
    """Seconds of a step: parts travel one after the other, as they become complete."""
    free = 0.0
    for ready, size, row in line["parts"]:
        if row:  # an embedding: the rows that the batches name
            touched = line["batch"] * line["ids"] * machines * (4 * row + 8)
            size = min(size, touched)
        free = max(free, ready) + sum_seconds(size, machines, alpha, beta)
    return max(line["step"], free)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--namespaces", metavar="RATE", help="such as 1gbit; as root, on Linux")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        function, argument = options.only
        known = {"step": step_times, "message": message_times, "timeline": timeline}
        return known[function](*([] if argument == "-" else [argument]))
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores; a batch has {BATCH} rows\n")
    print("| workload | processes | ms a step | efficiency | KB sent a step | waits | hidden |")
    print("|---|---|---|---|---|---|---|")
    for name in WORKLOADS:
        first = None
        for count in PROCESSES:
            found = run("step", name, count)
            first = first or found["step"]
            used = min(count, cores)
            print(
                f"| {name} | {count} | {1e3 * found['step']:.2f} | "
                f"{first / found['step'] / used:.0%} | {found['sent'] / 1e3:,.0f} | "
                f"{found['waits']:.0%} | {found['hidden']:.0%} |"
            )
    times, over = run("message", None, 2), "shared memory"
    if options.namespaces:
        over = f"TCP at {options.namespaces}"
        with tempfile.TemporaryDirectory() as folder:
            with Namespaces(options.namespaces, folder) as launcher:
                times = run("message", None, 2, launcher)
                print(f"\nTwo processes over {over}:\n")
                print("| workload | ms a step | waits | hidden |\n|---|---|---|---|")
                for name in WORKLOADS:
                    found = run("step", name, 2, launcher)
                    print(
                        f"| {name} | {1e3 * found['step']:.2f} | {found['waits']:.0%} | "
                        f"{found['hidden']:.0%} |"
                    )
    alpha, beta = fitted(times)
    print(f"\nA sum over two processes, {over}:", end=" ")
    print(", ".join(f"{int(s) / 1024:g} KB {1e6 * t:.0f} us" for s, t in times.items()))
    print(f"\nFitted: alpha {1e6 * alpha:.0f} us, {1e-9 / beta * 8:.1f} Gbit/s.\n")
    print(f"Simulated efficiency, {BATCH // 4} rows on each machine, one thread:\n")
    print("| workload | Gbit/s | " + " | ".join(map(str, MACHINES)) + " |")
    print("|---|---|" + "---|" * len(MACHINES))
    for name in WORKLOADS:
        line = run("timeline", name, 1)
        for rate in (10, 100):
            shares = [
                line["step"] / simulated(line, machines, alpha, 8 / (rate * 1e9))
                for machines in MACHINES
            ]
            print(f"| {name} | {rate} | " + " | ".join(f"{s:.0%}" for s in shares) + " |")
    return None


if __name__ == "__main__":
    main()
