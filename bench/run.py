"""Runs pyseq and every installed peer side by side.

    python bench/run.py
    python bench/run.py --workloads mlp_small lstm_imdb --peers pyseq torch jax --rounds 5

Each peer has a process of its own for each workload. The processes of a workload stay alive and
take turns, a round each, so that a change in the machine's speed meets all of them alike.
"""

import argparse
import datetime
import json
import os
import platform
import queue
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import places
import report
from peers import PEERS
from workloads import MORE, USUAL, WORKLOADS

HERE = Path(__file__).resolve().parent
_EXPORT_WITH = {"onnx": "torch", "tflite": "keras-tf"}


class Failed(Exception):
    pass


class Process:
    """A worker process; `ask` sends a request and waits for the answer."""

    def __init__(self, peer, workload, options, log, path=None):
        self.log, self.timeout = log, options.timeout
        command = [sys.executable, str(HERE / "worker.py"), peer.name, workload.name]
        command += ["--threads", str(options.threads)]
        if path:
            command += ["--path", str(path)]
        with open(log, "w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(peer, options),
            )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def answer(self):
        try:
            line = self.lines.get(timeout=self.timeout)
        except queue.Empty:
            raise Failed(f"no answer within {self.timeout:g} s") from None
        if line is None:
            raise Failed(last_line(self.log))
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment(peer, options):
    count = str(options.threads)
    gpu = options.device != "cpu"
    return {
        **os.environ,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_PLATFORMS": "cuda" if gpu else "cpu",
        "BENCH_DEVICE": options.device,
        "BENCH_PRECISION": options.precision,
        "PYSEQ_DEVICE": options.device,
        **({} if gpu else {"CUDA_VISIBLE_DEVICES": ""}),
        "PYTHONPATH": places.of_workers(),
        **peer.environ,
    }


def last_line(log):
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Failure)\b", line)]
    return (errors or lines or ["ended without a word"])[-1][:160]


def export(peer, workload, options, folder):
    """The file `peer` runs, written by the peer that can."""
    path = folder / f"{workload.name}.{peer.export}"
    if path.exists():
        return path
    exporter = PEERS[_EXPORT_WITH[peer.export]]
    if peer.export == "tflite" and any(
        layer[0] in ("lstm", "gru", "bilstm") for layer in workload.layers
    ):
        raise Failed("recurrent layers of any batch size need TensorFlow's ops in LiteRT")
    command = [sys.executable, str(HERE / "worker.py"), exporter.name, workload.name, "--export"]
    command += ["--threads", str(options.threads), "--path", str(path)]
    log = path.with_suffix(".log")
    with open(log, "w") as out:
        done = subprocess.run(
            command, stdout=out, stderr=out, env=environment(exporter, options), check=False
        )
    if done.returncode or not path.exists():
        raise Failed(f"export: {last_line(log)}")
    return path


def start_peers(workload, options, folder, say):
    """Processes that have taken their first step, and the results so far, by peer."""
    processes, results = {}, {}
    for name in options.peers:
        peer = PEERS[name]
        missing = peer.missing()
        if missing:
            results[name] = {"not_run": f"{', '.join(missing)} not installed"}
            continue
        say(f"{workload.name}: starting {name}")
        process = None
        try:
            path = export(peer, workload, options, folder) if peer.export else None
            log = folder / f"{workload.name}-{name}.log"
            process = Process(peer, workload, options, log, path)
            results[name] = process.answer() | {"rounds": []}
            processes[name] = process
        except Failed as error:
            results[name] = {"not_run": str(error)}
            if process:
                process.end()
    return processes, results


def run_workload(workload, options, folder, say):
    processes, results = start_peers(workload, options, folder, say)
    try:
        for index in range(options.rounds):
            order = list(processes)
            shift = index % max(1, len(order))
            for name in order[shift:] + order[:shift]:
                say(f"{workload.name}: round {index + 1} of {options.rounds}, {name}")
                try:
                    answer = processes[name].ask(do="round", seconds=options.seconds)
                    results[name]["rounds"].append(answer)
                except (Failed, OSError) as error:
                    results[name] = {"not_run": f"failed in round {index + 1}: {error}"}
                    processes.pop(name).end()
    finally:
        for process in processes.values():
            process.end()
    return results


def gpu_model():
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "gpu"


def parse_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=USUAL, metavar="NAME")
    parser.add_argument("--more", action="store_true", help="the other workloads: " + ", ".join(MORE))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=3, help="turns of each peer (3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure of a round (1)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where all compute (cpu)")
    parser.add_argument(
        "--precision",
        default="highest",
        choices=["highest", "high", "medium"],
        help="of float32 products on a GPU (highest)",
    )
    parser.add_argument("--timeout", type=float, default=300.0, help="for one answer, s (300)")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="folder of results")
    parser.add_argument("--no-save", action="store_true", help="write no files")
    options = parser.parse_args()
    if options.more:
        options.workloads = MORE
    if options.device != "cpu":
        options.peers = [name for name in options.peers if PEERS[name].gpu]
    return options


def save(document, folder):
    machine = document["machine"]
    name = " ".join([machine["gpu"], machine["precision"]]) if "gpu" in machine else machine["cpu"]
    name += " more" if set(document["workloads"]) <= set(MORE) else ""
    stem = report.file_stem(folder, name, document["date"])
    stem.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    stem.with_suffix(".md").write_text(report.markdown(document))
    return stem


def main():
    from rich.console import Console

    options = parse_options()
    places.find_pyseq()
    console = Console(width=None if sys.stdout.isatty() else 200)
    gpu = {} if options.device == "cpu" else {"gpu": gpu_model(), "precision": options.precision}
    document = {
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "machine": {
            "cpu": report.cpu_model(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "system": platform.platform(),
            "python": platform.python_version(),
            **gpu,
        },
        "threads": options.threads,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "versions": {},
        "workloads": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in options.workloads:
            with console.status("") as status:
                results = run_workload(WORKLOADS[name], options, Path(folder), status.update)
            report.print_workload(console, name, results)
            document["workloads"][name] = results
            for result in results.values():
                document["versions"].update(result.get("versions", {}))
            if not options.no_save:  # a run that is ended early keeps what it has measured
                stem = save(document, options.output)
    rows = report.overview(document["workloads"])
    report.print_table(console, "pyseq / best peer", report.OVERVIEW, rows, "geometric")
    if not options.no_save:
        console.print(f"Wrote {stem}.json and .md", highlight=False)


if __name__ == "__main__":
    main()
