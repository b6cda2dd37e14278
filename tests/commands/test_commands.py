"""The commands as a whole, `info`, `demo` and the completion of shells."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands_run import narrow, run

import pyseq
from pyseq.commands import demo
from pyseq.commands.entry import COMMANDS, main, make_parser
from pyseq.commands.failure import Failure, told
from pyseq.commands.info import PACKAGES

ROOT = Path(__file__).resolve().parents[2]


# --- help and wrong calls


def test_help_names_every_command():
    out = run("--help")
    assert narrow(out)
    for name, line in COMMANDS.items():
        assert re.search(rf"^    {name}\s+{re.escape(line)}$", out, re.M)
    assert run("--version") == f"pyseq {pyseq.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command(name):
    out = run(name, "--help")
    assert narrow(out) and out.startswith(f"usage: python -m pyseq {name} [-h]")
    parser = (
        make_parser([name])
        .parse_known_args([name, "x", "y"] if name == "convert" else [name, "bash"])[0]
        .parser
    )
    for action in parser._actions:
        hidden = action.help == "==SUPPRESS=="
        assert hidden or action.help
        for option in action.option_strings:
            assert (option in out) != hidden


@pytest.mark.parametrize(
    "words, message",
    [
        ((), "error: the following arguments are required: COMMAND; see python -m pyseq --help"),
        (("sumary",), "error: expected a command, got 'sumary'; did you mean summary?; see python -m pyseq --help"),
        (("fly",), "error: expected a command, got 'fly'; commands are demo, info, summary, convert, ops, check, bench, "
                   "migrate, completion; see python -m pyseq --help"),
        (("info", "--jsn"), "info: error: got an unknown argument, --jsn; did you mean --json?; see python -m pyseq "
                            "info --help"),
        (("summary",), "summary: error: the following arguments are required: FILE; see python -m pyseq summary --help"),
        (("convert", "a"), "convert: error: the following arguments are required: OUT; see python -m pyseq convert --help"),
        (("summary", "a", "--width", "9"), "summary: error: --width: expected 40 or more columns, got 9; 80 suit terminals"),
        (("demo", "--epochs", "0"), "demo: error: --epochs: expected 1 or more, got 0; 15 are enough"),
        (("demo", "--save", "a"), "demo: error: --save: expected .keras, .h5 or .pyseq, got 'a'; add an ending"),
        (("migrate", "none.py"), "none.py: expected a script, notebook or folder, got no such file"),
    ],
)  # fmt: skip
def test_wrong_calls_are_told_in_one_line(words, message):
    error = run(*words, status=2)
    assert error.startswith("python -m pyseq") and error.endswith(message)


def test_a_level_that_was_not_built():
    error = run("info", status=2, PYSEQ_ISA="z80")
    assert (
        error.startswith("python -m pyseq info: error: PYSEQ_ISA: expected a level")
        and "z80" in error
    )


def test_errors_of_the_system_name_the_file():
    with (
        pytest.raises(Failure, match=r"^nowhere: No such file or directory; check the path"),
        told(),
    ):
        open("nowhere")
    with pytest.raises(KeyError), told():  # a mistake of pyseq's own keeps its traceback
        {}["a"]


def test_a_reader_that_has_enough_is_no_error():
    code = f"{sys.executable} -m pyseq info --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_importing_pyseq_imports_no_command():
    code = (
        "import sys, pyseq; pyseq.Sequential, pyseq.layers.Dense, pyseq.config\n"
        "sys.exit(any(m.startswith('pyseq.commands') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_command_imports_no_other_command():
    code = (
        "import sys\nfrom pyseq.commands.entry import main\nmain(['info', '--json'])\n"
        "bad = [m for m in sys.modules if m in ('rich', 'h5py', 'keras', 'torch', 'pyseq.commands.bench')]\n"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_script_of_the_package_is_the_same():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'pyseq = "pyseq.__main__:main"' in text
    from pyseq import __main__

    assert __main__.main is main


# --- info


def test_info_says_the_same_as_text_and_json():
    found = json.loads(run("info", "--json"))
    assert found["pyseq"] == pyseq.__version__ and found["threads"] == 1
    assert found["instruction_sets"] == pyseq.config.instruction_sets()
    assert found["devices"][0]["name"] == found["device"] == "cpu"
    assert found["matmul_precision"] == "highest"
    assert set(found["packages"]) == set(PACKAGES)
    assert found["packages"]["numpy"] == np.__version__
    out = run("info")
    assert narrow(out)
    assert f"in use: {found['instruction_sets']['in_use']} " in out
    assert f"built: {' '.join(found['instruction_sets']['built'])}\n" in out
    for name, version in found["packages"].items():
        assert re.search(rf"^  {name}\s+{re.escape(version or 'not installed')}\s", out, re.M), name


def test_info_follows_the_environment():
    found = json.loads(run("info", "--json", PYSEQ_ISA="base", OMP_NUM_THREADS="2"))
    assert found["instruction_sets"]["in_use"] == "base" and found["threads"] == 2
    if "cuda" not in str(pyseq.config.list_devices()):
        assert "computes on       cuda, which is not there\n" in run("info", PYSEQ_DEVICE="cuda")


# --- demo


def test_demo_trains_shows_and_saves():
    out = run("demo", "--save", "digits.keras")
    assert narrow(out)
    right = int(re.search(r"Read (\d+) of 360 new digits rightly", out)[1])
    assert right >= 353  # 98 %, as examples/digits.py
    assert "Epoch 15/15" in out and "digit 9" in out and "Saved digits.keras" in out
    (_, _), (x, y) = pyseq.datasets.digits.load_data()
    read = pyseq.models.load_model("digits.keras").predict(x[..., None] / 16.0, verbose=0)
    assert int((read.argmax(axis=1) == y).sum()) == right


def test_demo_is_the_example():
    example = runpy.run_path(str(ROOT / "examples" / "digits.py"))

    def config(model):
        pieces = [(type(layer).__name__, layer.get_config()) for layer in model.layers]
        return [(kind, {k: v for k, v in c.items() if k != "name"}) for kind, c in pieces]

    assert config(example["build_model"]()) == config(demo.build_model())


# --- completion


def completed(words):
    """What bash offers for a line of words, the last of which is being typed."""
    script = run("completion", "bash") + (
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
        '_pyseq; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes():
    assert completed(["pyseq", "''"]) == [*COMMANDS, "--help", "--version"]
    assert completed(["pyseq", "co"]) == ["convert", "completion"]
    assert completed(["pyseq", "convert", "--"]) == [
        "--help", "--force", "--input-shape", "--without-optimizer", "--import",
    ]  # fmt: skip
    assert completed(["pyseq", "completion", "''"]) == ["--help", "bash", "fish", "zsh"]
    assert completed(["pyseq", "bench", "--s"]) == []  # what is hidden


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
def test_fish_completes(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("c.fish").write_text(run("completion", "fish"))

    def offered(line):
        code = f"source c.fish; complete -C '{line}'"
        done = subprocess.run(["fish", "-N", "-c", code], capture_output=True, text=True)
        assert done.stderr == ""
        return [one.split("\t")[0] for one in done.stdout.splitlines()]

    assert offered("pyseq ") == sorted(COMMANDS)
    assert {"--data", "--json", "--x"} <= set(offered("pyseq check --"))
    assert offered("pyseq completion ") == ["bash", "fish", "zsh"]
    assert "--seconds" not in offered("pyseq bench --")


ZSH = """
import os, pexpect, sys
shell = pexpect.spawn("zsh", ["-f"], encoding="utf-8", timeout=20, dimensions=(40, 120),
                      env={**os.environ, "PS1": "> ", "TERM": "dumb"})
shell.sendline("autoload -U compinit; compinit -u -D; source ./_pyseq; PS1='ready> '; zstyle ':completion:*' menu no")
shell.expect("\\rready> ")
for line, word in (("pyseq ", "migrate"), ("pyseq conv", "convert"), ("pyseq check --", "--data"),
                   ("pyseq completion ", "fish")):
    shell.send(line + "\\t\\t")
    shell.expect(word)
    shell.sendcontrol("u")
"""


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_completes():
    pytest.importorskip("pexpect")
    Path("_pyseq").write_text(run("completion", "zsh"))
    done = subprocess.run([sys.executable, "-c", ZSH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_ctrl_c_ends_in_one_line(monkeypatch, capsys):
    from pyseq.commands import info

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "facts", interrupted)
    assert main(["info"]) == 130
    assert re.fullmatch("(python -m )?pyseq info: interrupted\n", capsys.readouterr().err)
