"""The pictures of the pages are drawn, and are those that the pages show."""

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.append(str(DOCS / "tools"))
import figures  # noqa: E402


def test_figures():
    drawn = figures.draw_all()
    shown = set()
    for page in DOCS.glob("*.md"):
        shown |= set(re.findall(r"\(figures/(\w+)\.svg\)", page.read_text(encoding="utf-8")))
    assert shown == set(figures.FIGURES)
    for content in drawn.values():
        assert content.startswith(b"<?xml") and content.count(b"<path") > 5
