"""What people see of training: terminals of several widths, notebooks, logs, Ctrl-C."""

import io
import re
import sys

import pytest
from terminal import run_in_terminal

from pyseq import utils
from pyseq.callbacks import progbar, screen

TRAINING = """
import sys
{before}
import numpy as np, pyseq as p
from pyseq import layers
x = np.linspace(0, 1, 64000, dtype="float32").reshape(-1, 16)
y = x[:, :1] > 0.5
m = p.Sequential([p.Input((16,)), layers.Dense(64), layers.Dense(1, activation="sigmoid")])
long = p.metrics.Precision(name="precision_with_a_name_that_is_longer_than_others")
m.compile("sgd", "binary_crossentropy", metrics=["accuracy", "mae", long])
def batches():
    for i in range(2000):
        yield x[i : i + 8], y[i : i + 8]
{run}
"""
FIT = "m.fit(x, y, epochs=2, batch_size=4, validation_split=0.25); m.evaluate(x, y); m.predict(x)"
HEAD = r"━+ \d+s( \d+[mu]s/step)? [\d,.]+k?( samples)?/s"
METRICS = r"((val_)?[a-z_]+…?: \d\.\d{4}(e-\d\d)?( - |$))+"
NAMES = ["accuracy", "loss", "mae", "precision_with_a_name_that_is_longer_than_others"]


def program(run, before=""):
    return TRAINING.format(run=run, before=before)


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("before", ["", "sys.modules['rich'] = None"], ids=["rich", "plain"])
def test_screen_after_fit_evaluate_and_predict(columns, before):
    lines = run_in_terminal(program(FIT, before), columns)
    heads = [i for i, line in enumerate(lines) if not line.startswith("    ")]
    kept = [re.sub(" .*", "", lines[i]) for i in heads]
    assert kept == ["Epoch", "750/750", "Epoch", "750/750", "125/125", "125/125"]
    for at, names in ((1, [*NAMES, *(f"val_{n}" for n in NAMES)]), (4, NAMES), (5, [])):
        first, end = heads[at], [*heads, len(lines)][at + 1]
        assert re.match(r"\d+/\d+ " + HEAD, lines[first])
        text = " - ".join(line.strip() for line in lines[first:end])
        found = [name.rstrip("…") for name in re.findall(r" - (\w+…?): ", text)]
        assert len(found) == len(names)
        assert all(map(str.startswith, names, found))
        for line in lines[first + 1 : end]:
            assert re.fullmatch(METRICS, line.strip())
    assert max(map(len, lines)) < columns


@pytest.mark.parametrize("columns", [60, 80])
def test_screen_after_a_generator(columns):
    lines = run_in_terminal(program("m.fit(batches())"), columns)
    assert re.match("2000/2000 " + HEAD, lines[0])
    assert not any("Unknown" in line for line in lines)
    assert all(line.startswith("    ") for line in lines[1:])


def test_short_metrics_stay_on_the_line():
    run = "m.compile('sgd', 'mse', metrics=[]); m.fit(x, y, epochs=2)"
    lines = run_in_terminal(program(run), 80)
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert len(lines) == 4
    assert re.fullmatch("125/125 " + HEAD + r" - loss: \d\.\d{4}", lines[1])


def test_ctrl_c_ends_the_line():
    run = "\ntry:\n    m.fit(x, y, epochs=100000)\nexcept KeyboardInterrupt:\n    print('stopped')"
    lines = run_in_terminal(program(run), 80, interrupt_at="Epoch 3/")
    assert lines[-1] == "stopped"
    assert re.match(r" *\d+/125 ", lines[-2]) or lines[-2].startswith(("    ", "Epoch"))


def test_training_resumes_after_an_error_in_a_callback():
    run = """
class Stop(p.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 5:
            raise RuntimeError("enough")
try:
    m.fit(x, y, callbacks=[Stop()])
except RuntimeError as error:
    print(error)
m.predict(x)
"""
    lines = run_in_terminal(program(run), 80)
    assert len(lines) == 3
    assert re.match(r" +\d/125 ━*─+ \d+s left ", lines[0])
    assert lines[1] == "enough"
    assert lines[2].startswith("125/125 ━")


def test_logs_get_one_plain_line_an_epoch(tmp_path):
    for verbose in (1, 2):
        run = f"m.fit(batches(), epochs=1, verbose={verbose}); m.fit(x, y, epochs=2, verbose={verbose})"
        text = _piped(program(run))
        assert not re.search(r"[\x00-\x09\x0b-\x1f━]", text)
        lines = text.splitlines()
        assert [line.split(" ")[0] for line in lines] == ["2000/2000", "Epoch", "125/125"] + [
            "Epoch",
            "125/125",
        ]
        rate = r" - [\d,.]+ samples/s" if verbose == 1 else ""
        assert re.match(rf"125/125 - \d+s - \d+[mu]s/step{rate} - accuracy: ", lines[2])


def _piped(code):
    import subprocess

    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_dumb_terminals_get_plain_lines():
    lines = run_in_terminal(program("m.fit(x, y)"), 200, TERM="dumb")
    assert len(lines) == 1
    assert "━" not in lines[0]


class OutStream(io.StringIO):
    __module__ = "ipykernel.iostream"


def test_notebooks(monkeypatch):
    out = OutStream()
    monkeypatch.setattr(sys, "stdout", out)
    assert screen.in_notebook(out)
    assert screen.columns(out) == screen.NOTEBOOK_COLUMNS
    monkeypatch.setenv("JUPYTER_COLUMNS", "70")
    assert screen.columns(out) == 70
    bar = utils.Progbar(2, interval=0)
    bar.update(1)
    bar.update(2)
    assert out.getvalue().count("\r") == 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def show(monkeypatch, columns, values, target=10000, at=500, samples=None):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    bar = utils.Progbar(target)
    if samples:
        bar.count_samples(samples)
    bar.update(at, values)
    return out.getvalue().strip("\r")


def test_a_line_that_is_too_long_keeps_the_loss(monkeypatch):
    values = [("a_long_name_of_a_metric", 1.0), ("loss", 0.5), ("mae", 2.0)]
    line = show(monkeypatch, 60, values, samples=5)
    assert " - loss: 0.5000" in line
    assert line.endswith(" …")
    assert len(line) < 60
    for columns in (1, 2, 10, 20, 30, 40):
        assert len(show(monkeypatch, columns, values)) < max(columns, 2)
    assert show(monkeypatch, 200, values).endswith(" - loss: 0.5000 - mae: 2.0000")


def test_wide_characters_count_twice(monkeypatch):
    line = show(monkeypatch, 60, [("損失関数の値" * 3, 1.0), ("b", 2.0)])
    assert screen.cells(line) < 60
    assert screen.cells("a\u0301") == 1
    assert screen.clip("損失", 3) == "損…"
    assert screen.clip("ab", 0) == ""


def test_updates_before_the_interval_write_nothing(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    bar = utils.Progbar(1000, interval=100)
    for step in range(1, 1000):
        bar.update(step, [("loss", float(step))])
    assert out.getvalue().count("\r") == 1
    assert not bar.due
    assert bar.averages() == {"loss": 500.0}
    bar.close()
    bar.close()
    assert out.getvalue().count("\n") == 1


def test_format_samples():
    rates = (0.5, 99.96, 8123.4, 1.5e6, 2e9)
    assert [progbar.format_samples(r, short=True) for r in rates] == [
        "0/s",
        "100/s",
        "8.1k/s",
        "1.5M/s",
        "2.0G/s",
    ]
    assert progbar.format_samples(1234.5) == "1,234 samples/s"
