"""`python -m pyseq migrate`: files, notebooks, folders, what is printed and the exit status."""

import json
import os
import stat
from pathlib import Path

import pytest

from pyseq import __version__
from pyseq.__main__ import main

OLD = "from keras.layers.core import Dense\n\nlayer = Dense(4, init='uniform')  # ä\n"
NEW = "from pyseq.layers import Dense\n\nlayer = Dense(4, kernel_initializer='uniform')  # ä\n"


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(OLD, encoding="utf-8")
    return path


def test_a_diff_is_shown_and_nothing_written(script, capsys):
    assert main(["migrate", str(script)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"--- {script}", f"+++ {script}"]
    assert "-from keras.layers.core import Dense" in lines
    assert "+from pyseq.layers import Dense" in lines
    assert lines[-1] == "would change 1 of 1 files; 0 places left"
    assert script.read_text(encoding="utf-8") == OLD


def test_write_changes_the_file_and_a_second_run_does_not(script, capsys):
    os.chmod(script, 0o750)
    assert main(["migrate", str(script), "--write"]) == 0
    assert script.read_text(encoding="utf-8") == NEW
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert capsys.readouterr().out == "changed 1 of 1 files; 0 places left\n"
    before = script.stat()
    assert main(["migrate", "--write", str(script)]) == 0
    assert script.stat() == before
    assert capsys.readouterr().out == "changed 0 of 1 files; 0 places left\n"
    assert [p.name for p in script.parent.iterdir()] == ["script.py"]


@pytest.mark.parametrize("encoding, head", [("utf-8-sig", ""), ("latin-1", "# coding: latin-1\n")])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encoding_and_line_endings_stay(script, encoding, head, newline):
    script.write_bytes((head + OLD).replace("\n", newline).encode(encoding))
    assert main(["migrate", "--write", str(script)]) == 0
    assert script.read_bytes() == (head + NEW).replace("\n", newline).encode(encoding)


def test_python_2_is_left_with_its_line(script, capsys):
    script.write_text("import keras\n\nprint keras\n")
    assert main(["migrate", "--write", str(script)]) == 1
    assert f"{script}:3: not Python 3" in capsys.readouterr().out
    assert script.read_text() == "import keras\n\nprint keras\n"


@pytest.mark.parametrize("content", [b"# coding: none\n", b"x = '\xff'\n", b"x = 1\0\n"])
def test_unreadable_scripts_are_left(script, content, capsys):
    script.write_bytes(content)
    assert main(["migrate", "--write", str(script)]) == 1
    assert f"{script}:1: " in capsys.readouterr().out
    assert script.read_bytes() == content


def test_what_is_left_has_the_lines_of_the_file_as_it_is(script, capsys):
    script.write_text(
        "from keras.engine import Layer, Model\nm = Model()\nm.save('a.h5')\n", encoding="utf-8"
    )
    assert main(["migrate", str(script)]) == 1
    assert f"{script}:3: a path that ends in .h5" in capsys.readouterr().out
    assert main(["migrate", "--write", str(script)]) == 1
    assert f"{script}:4: a path that ends in .h5" in capsys.readouterr().out
    assert main(["migrate", str(script)]) == 1
    assert f"{script}:4: a path that ends in .h5" in capsys.readouterr().out


def test_folders_are_walked_without_hidden_parts(tmp_path, capsys):
    for name in ("a.py", "b/c.py", ".git/d.py", "b/__pycache__/e.py", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(OLD, encoding="utf-8")
    assert main(["migrate", "--write", str(tmp_path), str(tmp_path / "a.py")]) == 0
    assert "changed 2 of 2 files" in capsys.readouterr().out
    changed = [p.name for p in tmp_path.rglob("*.*") if p.is_file() and "pyseq" in p.read_text()]
    assert sorted(changed) == ["a.py", "c.py"]


@pytest.mark.parametrize("arguments", [[], ["migrate"], ["other"]])
def test_wrong_calls_have_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("--help\n")


def test_other_paths_are_wrong_calls(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("")
    assert main(["migrate", str(tmp_path / "a.txt")]) == 2
    assert "expected an ending of .py, .ipynb, got '.txt'" in capsys.readouterr().err
    assert main(["migrate", "none.py"]) == 2
    assert "none.py" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"pyseq {__version__}\n"


# --- notebooks


def cell(source, kind="code"):
    lines = source.splitlines(keepends=True)
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": lines, **code}


def notebook(*cells):
    return {"cells": list(cells), "metadata": {"é": 1}, "nbformat": 4, "nbformat_minor": 5}


CELLS = [
    ("# from keras.layers import Convolution2D\n", "markdown"),
    ("%matplotlib inline\n!pip install keras\nfrom keras.models import Sequential", "code"),
    ("%%bash\nfrom keras import x", "code"),
    ("%%time\nfrom keras.layers import Convolution2D\nfiles = !ls\nConvolution2D?", "code"),
    ("if True:\n    %time x = 1\n    Convolution2D(8, 3, 3)", "code"),
]
NEW_CELLS = [
    CELLS[0][0],
    "%matplotlib inline\n!pip install keras\nfrom pyseq.models import Sequential",
    CELLS[2][0],
    "%%time\nfrom pyseq.layers import Conv2D\nfiles = !ls\nConvolution2D?",
    "if True:\n    %time x = 1\n    Conv2D(8, (3, 3))",
]


@pytest.mark.parametrize("indent", [1, 2, "\t", None])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_notebooks_keep_all_but_the_code(tmp_path, indent, ascii_only):
    path = tmp_path / "a.ipynb"

    def text(sources):
        made = notebook(*(cell(s, kind) for s, (_, kind) in zip(sources, CELLS)))
        return json.dumps(made, indent=indent, ensure_ascii=ascii_only) + "\n"

    path.write_text(text([s for s, _ in CELLS]), encoding="utf-8")
    assert main(["migrate", "--write", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == text(NEW_CELLS)
    assert main(["migrate", "--write", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == text(NEW_CELLS)


def test_what_is_left_of_a_notebook_has_cell_and_line(tmp_path, capsys):
    path = tmp_path / "a.ipynb"
    cells = [
        cell("text", "markdown"),
        cell("from keras.engine import Layer, Model\nm = Model()\n%time m\nm.save('a.h5')"),
        cell("\nprint 3"),
        cell("\n\nm.save('b.h5')"),
    ]
    path.write_text(json.dumps(notebook(*cells)))
    assert main(["migrate", str(path)]) == 1
    out = capsys.readouterr().out
    assert f"--- {path}:cell 2\n" in out
    for place in ("2:4: a path", "3:2: not Python 3", "4:3: a path"):
        assert f"{path}:cell {place}" in out
    assert main(["migrate", "--write", str(path)]) == 1
    out = capsys.readouterr().out
    for place in ("2:5: a path", "3:2: not Python 3", "4:3: a path"):
        assert f"{path}:cell {place}" in out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"cells": 3}', '{"cells": [{}]}'])
def test_what_is_no_notebook_is_left(tmp_path, content, capsys):
    path = tmp_path / "a.ipynb"
    path.write_text(content)
    assert main(["migrate", "--write", str(path)]) == 1
    assert f"{path}:1: expected a notebook with cells" in capsys.readouterr().out
    assert path.read_text() == content


def test_the_page_shows_what_is_printed(tmp_path, monkeypatch, capsys):
    page = Path(__file__).parents[2] / "docs" / "migrate.md"
    if not page.exists():
        pytest.skip("no source tree")
    blocks = page.read_text(encoding="utf-8").split("```")
    (source,) = (b.removeprefix("python\n") for b in blocks if b.startswith("python\n"))
    (shown,) = (b.removeprefix("diff\n") for b in blocks if b.startswith("diff\n"))
    monkeypatch.chdir(tmp_path)
    Path("script.py").write_text(source)
    assert main(["migrate", "script.py"]) == 1
    assert capsys.readouterr().out == shown
