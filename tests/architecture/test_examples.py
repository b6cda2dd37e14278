"""The examples run as they are and reach what they promise."""

import runpy
import warnings
from pathlib import Path

import pytest

from pyseq.checks import CheckWarning

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("digits", lambda accuracy: accuracy >= 0.98),
        ("tabular", lambda accuracy: accuracy >= 0.83),
        ("forecast", lambda error: error < 0.6),
        ("sentiment", lambda accuracy: accuracy >= 0.95),
        ("autoencoder", lambda error: error < 0.25),
        ("transformer", lambda accuracy: accuracy >= 0.95),
    ],
)
def test_example(name, good, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    warnings.simplefilter("error", CheckWarning)  # pytest puts the filters back
    result = runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]()
    assert good(result), f"{name}: {result}"
    assert "Held-out" in capsys.readouterr().out or name == "forecast"
    assert (tmp_path / "digits.keras").exists() == (name == "digits")
