"""Runs a command as its users do."""

import os
import subprocess
import sys


def run(*words, status=0, **environment):
    """Standard output of `python -m pyseq words`; of a failure, the one line of standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "pyseq", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", **environment},
    )
    assert done.returncode == status, done.stdout + done.stderr
    if status != 2:
        assert done.stderr == ""
        return done.stdout
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.rstrip("\n")


def narrow(text, columns=80):
    """Whether no line of a text is wider than a terminal."""
    return all(len(line) <= columns for line in text.splitlines())
