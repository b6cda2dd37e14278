"""The notebooks of the examples hold their code, are valid, and run."""

import ast
import doctest
import importlib.util
import io
import json
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "tools"))
import notebooks  # noqa: E402
import scripts  # noqa: E402

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def cells_of(path, kind="code"):
    cells = json.loads(notebooks.as_json(path))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def flat(code):
    """The statements of a script as its notebook has them."""
    body = ast.parse(code).body[1:]
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "main":
            for inner in node.body:
                yield ast.Expr(inner.value) if isinstance(inner, ast.Return) else inner
        elif not isinstance(node, ast.If):
            yield node


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_whole_script_is_there(path):
    code = path.read_text(encoding="utf-8")
    cells = cells_of(path)
    there = [ast.dump(node) for cell in cells for node in ast.parse(cell).body]
    assert there == [ast.dump(node) for node in flat(code)]
    assert len(cells) >= 5
    shown = "\n".join([*cells, *cells_of(path, "markdown")])
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            assert token.string.lstrip("# ") in shown


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_structure(path):
    """What the schema of nbformat 4.5 asks for; and the schema itself, where it is installed."""
    made = json.loads(notebooks.as_json(path))
    assert set(made) == {"nbformat", "nbformat_minor", "metadata", "cells"}
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert made["metadata"]["kernelspec"].keys() >= {"name", "display_name"}
    ids = [cell["id"] for cell in made["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in made["cells"]:
        wanted = {"id", "cell_type", "metadata", "source"}
        if cell["cell_type"] == "code":
            wanted |= {"execution_count", "outputs"}
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
        assert set(cell) == wanted
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        assert "".join(cell["source"]).strip()
    assert made["cells"][0]["cell_type"] == "markdown"
    assert "python examples" not in "".join(made["cells"][0]["source"])
    if importlib.util.find_spec("nbformat"):
        import nbformat

        nbformat.validate(made)


@pytest.mark.parametrize(
    ("name", "good"),
    [("tabular", lambda accuracy: accuracy >= 0.83), ("autoencoder", lambda error: error < 0.25)],
)
def test_cells_run_one_after_the_other(name, good, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    *cells, last = cells_of(ROOT / "examples" / f"{name}.py")
    for cell in cells:
        exec(cell, names)
    body = ast.parse(last).body
    exec(compile(ast.Module(body[:-1], []), name, "exec"), names)
    assert good(eval(compile(ast.Expression(body[-1].value), name, "eval"), names))
    assert "Held-out" in capsys.readouterr().out


def test_paragraphs_decorators_and_comments():
    code = (
        '"""Adds.\n\n    python examples/add.py\n\nNumbers."""\n\nimport a\n\nimport b\n\nC = 1\n\n\n'
        "# Why.\n@decorated\ndef f():\n    pass\n\n\n"
        "def main():\n    # It begins\n    # here.\n    x = 1  # one\n    y = 2\n\n"
        '    if x:\n\n        y = """\n  kept\n"""\n    return (\n        y\n    )\n\n\n'
        'if __name__ == "__main__":\n    main()\n'
    )
    made = notebooks.notebook(code, "add.py")["cells"]
    assert ["".join(cell["source"]) for cell in made] == [
        "# Add\n\nAdds.\n\nNumbers.\n\nNeeds pyseq: `pip install pyseq-nn`.",
        "import a\n\nimport b",
        "C = 1",
        "# Why.\n@decorated\ndef f():\n    pass",
        "It begins\nhere.",
        "x = 1  # one\ny = 2",
        'if x:\n\n    y = """\n  kept\n"""\n(\n    y\n)',
    ]


def test_docstring():
    assert not doctest.testmod(notebooks).failed


def test_the_pages_link_them():
    pages, made = scripts.pages(ROOT), notebooks.files(ROOT)
    assert len(made) == len(EXAMPLES)
    for path in made:
        assert f"({Path(path).name})" in pages[path.replace(".ipynb", ".md")]
