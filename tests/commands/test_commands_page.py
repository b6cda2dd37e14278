"""The examples of `docs/commands.md` print what the page shows."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands_run import run

import pyseq
from pyseq.commands.entry import COMMANDS, make_parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
pytestmark = pytest.mark.skipif(not TEXT, reason="no source tree")
WORDS = re.compile(r"python -m pyseq (.+)")


def steps():
    """`[(words, output)]` of the `console` blocks."""
    for block in re.findall(r"^```console\n(.*?)^```$", TEXT, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, _, output = part.partition("\n")
            yield shlex.split(WORDS.fullmatch(line)[1]), output


def test_the_page_shows_what_is_printed():
    (code,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
    pyseq.utils.clear_session()
    exec(code, {})
    assert len(list(steps())) >= 5
    for words, output in steps():
        failed = output.startswith("python -m pyseq")
        status = 2 if failed else int(words[0] == "check")
        printed = run(*words, status=status) + "\n" * failed
        sizes = r"\([\d,]+ bytes\)"  # compression may differ by some bytes
        assert re.sub(sizes, "()", printed) == re.sub(sizes, "()", output)
        for here, there in zip(re.findall(sizes, printed), re.findall(sizes, output)):
            a, b = (int(re.sub(r"\D", "", size)) for size in (here, there))
            assert np.isclose(a, b, rtol=0.05)


def test_all_commands_are_there_and_those_of_the_page_are_right():
    for name in COMMANDS:
        assert f"| `{name}" in TEXT
    lines = re.findall(r"^(?:\$ )?python -m pyseq ((?!\w+: )[^#\n]+)", TEXT, re.M)
    for words in map(shlex.split, lines):
        assert make_parser([words[0]]).parse_args(words).command == words[0]
    for option in set(re.findall(r"--[a-z][a-z-]+", TEXT)) - {"--help"}:
        assert any(option in run(name, "--help") for name in COMMANDS), option
