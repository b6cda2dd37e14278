"""What editors and type checkers say to code that uses pyseq."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import pyseq

HERE = Path(__file__).parent
MISTAKES = HERE / "mistakes.py"
CORRECT = HERE / "correct.py"
EXAMPLES = sorted((HERE.parents[1] / "examples").glob("*.py"))
FILES = [*EXAMPLES, CORRECT, MISTAKES]


def wrong_lines():
    """`{line: word}` of the mistakes."""
    found = {}
    for number, line in enumerate(MISTAKES.read_text().splitlines(), 1):
        if match := re.search(r"  # wrong: (\S+)$", line):
            found[number] = match[1]
    return found


def environment():
    path = [str(Path(pyseq.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def mypy_errors(folder):
    env = environment()
    package = str(Path(pyseq.__file__).parents[1])
    if package != sysconfig.get_path("platlib"):  # mypy finds what is installed, and wants no path to it
        env["MYPYPATH"] = env["PYTHONPATH"]
    else:
        env.pop("PYTHONPATH")
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary",
         "--cache-dir", str(folder / "mypy"), *map(str, FILES)],
        capture_output=True, text=True, env=env, cwd=folder,
    )  # fmt: skip
    assert found.returncode in (0, 1) and not found.stderr, found.stdout + found.stderr
    errors = []
    for line in found.stdout.splitlines():
        if match := re.match(r"(.*?):(\d+): error: (.*)", line):
            errors.append((Path(folder, match[1]).resolve(), int(match[2]), match[3]))
    return errors


def pyright_errors(folder):
    found = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, FILES)],
        capture_output=True, text=True, env=environment(), cwd=folder,
    )  # fmt: skip
    if not found.stdout.startswith("{"):
        why = f"pyright does not run here: {found.stderr.strip()[-200:]}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    return [
        (Path(e["file"]).resolve(), e["range"]["start"]["line"] + 1, e["message"])
        for e in json.loads(found.stdout)["generalDiagnostics"]
        if e["severity"] == "error"
    ]


CHECKERS = {"mypy": mypy_errors, "pyright": pyright_errors}


@pytest.fixture(scope="module", params=CHECKERS)
def errors(request, tmp_path_factory):
    """What a checker says. Without it these tests are skipped, except in CI."""
    if not importlib.util.find_spec(request.param) and not os.environ.get("CI"):
        pytest.skip(f"needs {request.param}, which is not installed")
    return CHECKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.mark.slow
def test_examples_and_correct_code_are_clean(errors):
    assert EXAMPLES
    wrong = [error for error in errors if error[0] != MISTAKES.resolve()]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.slow
def test_each_mistake_is_found(errors):
    said = {}
    for file, line, message in errors:
        if file == MISTAKES.resolve():
            said[line] = said.get(line, "") + message
    wrong = wrong_lines()
    assert len(wrong) > 100
    missed = {n: (w, said.get(n)) for n, w in wrong.items() if w not in said.get(n, "")}
    more = {n: text for n, text in said.items() if n not in wrong}
    assert not missed and not more, f"missed: {missed}\nelsewhere: {more}"
