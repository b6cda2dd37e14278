"""Jupyter notebooks of the scripts in `examples/`; the scripts stay the one source.

    python docs/tools/notebooks.py examples/digits.py    # writes digits.ipynb into this folder

The docstring becomes text. The imports are one cell; constants, functions and classes are others,
and so is each paragraph of `main`, whose names become those of the notebook. Comments that begin a
paragraph of `main` become text, too. What `main` returns is the notebook's last value.
"""

import ast
import itertools
import json
import re
import sys
from pathlib import Path


def notebook(code, name):
    r"""A notebook (a dict, format 4.5) of the code of a script.

    >>> code = '"Adds."\n\ndef main():\n    # Two.\n    a = 2\n\n    return a + 1\n'
    >>> for cell in notebook(code, "add.py")["cells"][1:]:
    ...     print(cell["cell_type"], "".join(cell["source"]))
    markdown Two.
    code a = 2
    code a + 1
    """
    tree, lines = ast.parse(code), code.splitlines()
    about = ast.get_docstring(tree)
    body = tree.body[1:] if about else tree.body
    imports = list(itertools.takewhile(lambda n: isinstance(n, ast.Import | ast.ImportFrom), body))
    cells = [("markdown", _introduction(about or "", name))]
    if imports:
        cells.append(("code", _text(imports, lines)))
    for part in _paragraphs(body[len(imports) :], lines):
        if isinstance(part[0], ast.FunctionDef) and part[0].name == "main":
            for inner in _paragraphs(part[0].body, lines):
                cells += _cells_of_main(inner, lines)
        elif not _is_guard(part[0]):
            cells.append(("code", _text(part, lines)))
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "cells": [_cell(number, *cell) for number, cell in enumerate(cells)],
    }


def as_json(path):
    """The text of the notebook of one script."""
    made = notebook(path.read_text(encoding="utf-8"), path.name)
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def files(root):
    """`{path in the site: notebook}` of all scripts."""
    scripts = sorted((root / "examples").glob("*.py"))
    return {f"scripts/{path.stem}.ipynb": as_json(path) for path in scripts}


def _introduction(about, name):
    """The docstring, without the command that runs the script."""
    about = re.sub(r"\n\n {4}python [^\n]*", "", about)
    title = name.removesuffix(".py").replace("_", " ").capitalize()
    return f"# {title}\n\n{about}\n\nNeeds pyseq: `pip install pyseq-nn`."


def _top(node, lines):
    """The first line (from 0) of a statement: of its decorators, or of the comments above it."""
    first = min(n.lineno for n in (node, *getattr(node, "decorator_list", ()))) - 1
    while lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first


def _paragraphs(nodes, lines):
    """Statements in groups: a blank line between two of them begins another group."""
    groups = []
    for node in nodes:
        if groups and all(line.strip() for line in lines[groups[-1][-1].end_lineno : node.lineno]):
            groups[-1].append(node)
        else:
            groups.append([node])
    return groups


def _text(nodes, lines):
    """Statements as they stand, without the indentation that they share; strings keep theirs."""
    indent, kept = " " * nodes[0].col_offset, set()
    for part in itertools.chain.from_iterable(map(ast.walk, nodes)):
        if isinstance(part, ast.Constant | ast.JoinedStr):
            if re.match(r"\w*(\"{3}|'{3})", lines[part.lineno - 1][part.col_offset :]):
                kept |= set(range(part.lineno, part.end_lineno))
    shown = range(_top(nodes[0], lines), nodes[-1].end_lineno)
    return "\n".join(lines[n] if n in kept else lines[n].removeprefix(indent) for n in shown)


def _cells_of_main(nodes, lines):
    text = _text(nodes, lines).splitlines()
    about = list(itertools.takewhile(lambda line: line.startswith("#"), text))
    if about:
        yield "markdown", "\n".join(line.lstrip("# ") for line in about)
    text = text[len(about) :]
    last = nodes[-1]
    if isinstance(last, ast.Return):
        at = len(text) - 1 - (last.end_lineno - last.lineno)
        text[at] = text[at].removeprefix("return ")
    yield "code", "\n".join(text)


def _is_guard(node):
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _cell(number, kind, text):
    cell = {"id": f"cell-{number}", "cell_type": kind, "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return {**cell, "source": text.splitlines(keepends=True)}


if __name__ == "__main__":
    for script in map(Path, sys.argv[1:]):
        Path(f"{script.stem}.ipynb").write_text(as_json(script), encoding="utf-8")
