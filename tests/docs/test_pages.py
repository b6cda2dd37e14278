"""The code of the pages runs, in order and in one namespace for each page.

A block after `<!-- no-run -->` is left out: it cannot run here. `>>>` blocks give what they say.
From `<!-- needs sklearn -->` on, a page is left out where this module is not installed.
"""

import doctest
import importlib.util
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import pyseq

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^(?P<mark><!-- no-run -->\n+)?^```(?:python|pycon)[^\n]*\n(?P<code>.*?)^```$", re.M | re.S
)
# What Dask, Ray and Spark warn of among themselves.
LOUD = {"engines.md": (pytest.mark.filterwarnings("ignore"), pytest.mark.slow)}
NEEDS = re.compile(r"^<!-- needs (\w+) -->$", re.M)


def blocks(page):
    """`[(line, code)]` of the blocks to run."""
    text = page.read_text(encoding="utf-8")
    for needs in NEEDS.finditer(text):
        if importlib.util.find_spec(needs[1]) is None:
            text = text[: needs.start()]
            break
    return [
        (text.count("\n", 0, match.start("code")) + 1, match["code"])
        for match in BLOCK.finditer(text)
        if not match["mark"]
    ]


def run(code, page, line, names):
    if ">>> " in code:
        examples = doctest.DocTestParser().get_doctest(code, names, page.name, str(page), line - 1)
        report = []
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        runner.run(examples, out=report.append, clear_globs=False)
        assert not runner.failures, "".join(report)
        names.update(examples.globs)
        return
    exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)


def prepared(page):
    """What a page takes for granted."""
    if page.name != "README.md":
        return {}
    rng = np.random.default_rng(0)
    return {
        "pyseq": pyseq,
        "x_train": rng.random((64, 28, 28, 1), dtype="float32"),
        "y_train": rng.integers(0, 10, 64),
    }


# Keras on PyTorch has `__array__` without `copy`.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=LOUD.get(page.name, ()), id=page.name) for page in PAGES]
)
def test_page(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))  # pages import from `examples`
    module = types.ModuleType("page")  # to be found by pickle
    monkeypatch.setitem(sys.modules, "page", module)
    names = vars(module)
    names.update(prepared(page))
    for line, code in blocks(page):
        if 'set_device("cuda")' in code and "cuda" not in str(pyseq.config.list_devices()):
            continue
        run(code, page, line, names)


def test_blocks_left_out_are_few():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert text.count("<!-- no-run -->") <= 3
    assert sum(len(blocks(page)) for page in PAGES) > 20


def test_a_wrong_answer_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\na = 2\n```\n\n```pycon\n>>> a + 1\n4\n```\n", encoding="utf-8")
    (first, code), (second, examples) = blocks(page)
    names = {}
    run(code, page, first, names)
    assert (first, second, names["a"]) == (2, 6, 2)
    with pytest.raises(AssertionError, match="Expected"):
        run(examples, page, second, names)


def test_what_is_not_installed_is_left_out(tmp_path):
    page = tmp_path / "page.md"
    first, second = "```python\na = 1\n```\n", "```python\nb = 2\n```\n"
    for module, count in (("json", 2), ("no_such_module", 1)):
        page.write_text(f"{first}\n<!-- needs {module} -->\n{second}", encoding="utf-8")
        assert len(blocks(page)) == count
