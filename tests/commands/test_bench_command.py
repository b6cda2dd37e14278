"""`bench`: what it measures is the same for all, and it says what that was."""

import json
import re

import numpy as np
import pytest
from commands_run import narrow, run

import pyseq
from pyseq.commands import bench, jobs, onnx_file
from pyseq.commands.peers import PEERS, KerasApi, Measured

FIGURES = {"train_rows_per_s", "predict_rows_per_s", "one_row_us", "difference"}
SHORT = ("--threads", "1", "--seconds", "0.5")


@pytest.fixture
def alone(monkeypatch):
    """As if no other library were installed."""
    monkeypatch.setattr(bench.importlib.util, "find_spec", lambda name: name == "pyseq" or None)


def test_pyseq_alone(alone, capsys):
    from pyseq.commands.entry import main

    assert main(["bench", *SHORT]) == 0
    out = capsys.readouterr().out
    assert narrow(out)
    for job in jobs.JOBS:
        assert re.search(rf"^{job.name}: ", out, re.M)
    assert (
        len(
            re.findall(rf"^  pyseq {pyseq.__version__} +[\d,]+/s +[\d,]+/s +[\d,.]+ µs$", out, re.M)
        )
        == 3
    )
    assert "keras: not installed (pip install keras)" in out
    out = " ".join(out.split())  # where lines end does not matter
    assert "batches of 32" in out and "256 rows" in out and "1 thread each" in out
    assert "same answers" not in out


def test_with_what_is_installed(keras):
    pytest.importorskip("torch")
    found = json.loads(run("bench", "--json", "--with", "torch", "keras", *SHORT))
    assert set(found["versions"]) == {"pyseq", "keras", "torch"} and found["not_run"] == {}
    assert (found["threads"], found["batch"], found["rows_of_a_prediction"]) == (1, 32, 256)
    assert found["turns"] >= 2
    for job, result in zip(jobs.JOBS, found["results"]):
        assert result["model"] == job.name
        for figures in result["peers"].values():
            assert set(figures) == FIGURES and figures["difference"] < 1e-5
            assert all(figures[name] > 0 for name in FIGURES - {"difference"})
    text = bench.as_text(found)
    assert narrow(text) and "all gave the same answers" in text
    assert found["versions"]["keras"].endswith(" on torch")


def test_onnxruntime_predicts(keras):
    pytest.importorskip("onnxruntime")
    found = json.loads(run("bench", "--json", "--with", "onnxruntime", *SHORT))
    for result in found["results"]:
        figures = result["peers"]["onnxruntime"]
        assert figures["train_rows_per_s"] is None and figures["predict_rows_per_s"] > 0
        assert figures["difference"] < 1e-5
    assert re.search(r"onnxruntime [\d.]+ +- +[\d,]+/s", bench.as_text(found))


def test_other_answers_are_shown():
    peers = {
        "pyseq": {
            "train_rows_per_s": 5,
            "predict_rows_per_s": 6,
            "one_row_us": 7.0,
            "difference": 0.0,
        },
        "torch": {
            "train_rows_per_s": 5,
            "predict_rows_per_s": 6,
            "one_row_us": 7.0,
            "difference": 0.2,
        },
    }
    document = {
        "results": [{"model": "m", "layers": "l", "parameters": 1, "peers": peers}],
        "versions": {"pyseq": "pyseq 1", "torch": "torch 2"}, "not_run": {"keras": "it broke"},
        "threads": 2, "batch": 32, "rows_of_a_prediction": 256, "turns": 3, "seconds": 4.0, "cpu": "c",
        "cpus": 2, "load_before": 1.9,
    }  # fmt: skip
    text = " ".join(bench.as_text(document).split())
    assert "! torch gives other answers: its figures compare nothing" in text
    assert "same answers" not in text and "keras: it broke" in text
    assert "The machine was busy (a load of 1.9 on 2 CPUs)" in text and "--threads 1" in text
    document["load_before"] = 0.1
    assert "busy" not in bench.as_text(document)


def test_a_library_that_breaks_is_told(monkeypatch, tmp_path):
    """One that is there, but cannot be imported."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('no such library: libx.so')")
    monkeypatch.syspath_prepend(tmp_path)  # it need not be installed
    there = bench.os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{there}" if there else str(tmp_path))
    found = bench.measure(["pyseq", "torch"], 1, 0.5)
    assert list(found["versions"]) == ["pyseq"]
    assert found["not_run"] == {"torch": "ImportError: no such library: libx.so"}


def test_wrong_calls():
    assert "expected a number of threads from 1 to" in run("bench", "--threads", "0", status=2)
    assert "invalid choice: 'theano'" in run("bench", "--with", "theano", status=2)


@pytest.mark.parametrize("job", jobs.JOBS, ids=lambda job: job.name)
def test_jobs_are_what_they_say(job):
    peer = KerasApi("pyseq", 1)
    peer.build(job)
    assert [w.shape for w in peer.model.weights] == job.shapes()
    x, y = job.data()
    assert x.shape == (job.rows, *job.input_shape) and y.max() < job.classes
    assert job.rows % jobs.BATCH == 0 and job.rows >= jobs.MANY
    assert isinstance(onnx_file.write(job), bytes)


def test_training_changes_the_weights_and_lowers_the_loss():
    for name in ("pyseq", "torch"):
        pytest.importorskip(name)
        measured = Measured(PEERS[name], 1, jobs.JOBS[0])
        peer, rows = measured.peer, np.arange(len(measured.y))

        def loss():
            parts = [peer.predict(measured.x[i : i + 256]) for i in range(0, len(rows), 256)]
            return -np.log(np.concatenate(parts)[rows, measured.y]).mean()

        before = loss()
        for _ in range(3):
            peer.fit(measured.x, measured.y)
        assert loss() < before - 0.02, name
