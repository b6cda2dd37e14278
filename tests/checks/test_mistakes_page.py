"""`docs/mistakes.md`: every check with what, why, fix. PYSEQ_UPDATE_DOCS=1 writes it."""

import os
import re
from pathlib import Path

import pytest

from pyseq import checks

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"

HEAD = """# Mistakes that pyseq finds

Written by `tests/checks/test_mistakes_page.py` from the docstrings in `pyseq/checks/`.

`compile`, `build`, the first batch of `fit` and `evaluate`, and the first loss that is not finite run
the checks that apply; `model.check(x, y)` runs all of them and returns what it finds. An error is a
`ValueError`. A warning is a `pyseq.checks.CheckWarning`, given once for each place and code;
`pyseq.config.silence("PS103")` silences a code, and so do `PYSEQ_SILENCE=PS103` in the environment
and `warnings.filterwarnings("ignore", message=r".*\\[PS103\\]")`. `"PS1"` stands for its whole topic.
"""

TOPICS = {
    "1": "The output layer and the loss",
    "2": "Labels and targets",
    "3": "Data",
    "4": "Training",
    "5": "Layers",
}


def page():
    parts = [HEAD]
    for digit, title in TOPICS.items():
        parts.append(
            f"\n## {title}\n\n| code | | what | why | what to do |\n|---|---|---|---|---|\n"
        )
        for each in checks.known():
            if each.code[2] == digit:
                row = (each.code, each.severity, each.what, each.why, each.fix)
                parts.append("| " + " | ".join(row) + " |\n")
    return "".join(parts)


def test_the_page_is_what_is_there():
    if os.environ.get("PYSEQ_UPDATE_DOCS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def test_every_code_has_its_form_and_topic():
    for each in checks.known():
        assert re.fullmatch(f"PS[{''.join(TOPICS)}][0-9][0-9]", each.code)
        assert "|" not in each.what + each.why + each.fix


def test_every_code_is_expected_by_a_test():
    """No check without its message in a test."""
    folder = Path(__file__).parent
    text = "".join(p.read_text() for p in folder.glob("test_*.py") if p != Path(__file__))
    assert [each.code for each in checks.known() if f"[{each.code}" not in text] == []


def test_a_check_needs_its_page_and_a_code_of_its_own():
    with pytest.raises(ValueError, match=r"nothing: expected a docstring .* 'Why: '"):

        @checks.check("PS999")
        def nothing(c):
            """Only this."""

    def again(c):
        """What.

        Why: because.

        Fix: do.
        """

    with pytest.raises(ValueError, match="expected a new code, got PS101 twice"):
        checks.check("PS101")(again)
    with pytest.raises(ValueError, match=r"check PS999: .* got 'warning' and \('lunch',\)"):
        checks.check("PS999", at=("lunch",))(again)
    assert "PS999" not in [each.code for each in checks.known()]
