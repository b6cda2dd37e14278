"""Level `amx` has anew what multiplies matrices, found by its includes, and the rest from `avx512`."""

import re
from functools import cache
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
PRODUCTS = {"kernels/gemm.h", "kernels/rnn.h"}  # csrc/CMakeLists.txt looks for these

pytestmark = pytest.mark.skipif(not CSRC.is_dir(), reason="needs the source tree")


@cache
def includes(name):
    return set(re.findall(r'^#include "(\w+/[\w./]+)"', (CSRC / name).read_text(), re.M))


def reached(name):
    """All headers of `csrc` that a file includes, and what these include."""
    found, new = set(), includes(name)
    while new:
        found |= new
        new = {i for h in new if (CSRC / h).is_file() for i in includes(h)} - found
    return found


def sources():
    for folder in ("ops", "losses", "optimizers"):
        yield from (f"{folder}/{path.name}" for path in sorted((CSRC / folder).glob("*.cpp")))


def test_who_multiplies_says_so():
    users = {name for name in sources() if reached(name) & PRODUCTS}
    assert {"ops/dense.cpp", "ops/lstm.cpp", "optimizers/muon.cpp"} <= users
    assert len(users) < 20  # the others are not compiled twice
    hidden = {name for name in users if not includes(name) & PRODUCTS}
    hidden.discard("ops/conv_lstm.cpp")  # has the gates of rnn.h alone, and convolutions
    assert not hidden, f"expected kernels/gemm.h or kernels/rnn.h among the includes of {hidden}"


def test_kernels_that_multiply_are_behind_these_headers():
    """A kernel that multiplies, declared elsewhere, would reach ops that do not say so."""
    for path in sorted((CSRC / "kernels").glob("*.cpp")):
        text = path.read_text()
        if not re.search(r"\bgemm\(", re.sub(r"//[^\n]*", "", text)):
            continue
        assert path.name.startswith(("gemm", "rnn", "table")), path.name


def test_cmake_looks_for_these_headers():
    text = (CSRC / "CMakeLists.txt").read_text()
    assert 'REGEX "^#include .kernels/(gemm|rnn)[.]h"' in text
