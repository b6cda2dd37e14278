"""`docs/old_names.md`: every old name of Keras that is known here. PYSEQ_UPDATE_DOCS=1 writes it."""

import os
from pathlib import Path

from old_name_rows import KINDS

TABLE = Path(__file__).parents[2] / "docs" / "old_names.md"

HEAD = """# Old names of Keras in pyseq

Written by `tests/architecture/test_old_name_table.py` from the tables in `pyseq/compat/`. *Old since*
is the version of Keras that came with the name of today; names of today are those below `pyseq`.
What is chosen by name, such as a loss, is known by its old name as a string too.
Each old name tells once what to write today (`PYSEQ_COMPAT_NOTICES=0` silences that), and each row
is used by a test in `tests/compat/test_old_names.py`.
"""


def table():
    parts = [HEAD]
    for kind, rows in KINDS.items():
        parts.append(f"\n## {kind}\n\n| of | old name | old since | here |\n|---|---|---|---|\n")
        parts += [f"| `{r.where}` | `{r.old}` | {r.since} | {r.today} |\n" for r in sorted(rows())]
    return "".join(parts).replace("| `positions` |", "| positions |")


def test_the_table_is_what_is_there():
    if os.environ.get("PYSEQ_UPDATE_DOCS"):
        TABLE.write_text(table())
    assert TABLE.read_text() == table()


def test_every_row_is_there_once_and_says_what_it_is():
    for kind, rows in KINDS.items():
        rows = list(rows())
        assert len({(row.where, row.old) for row in rows}) == len(rows), kind
        assert [row for row in rows if not row.today or "|" in row.today] == []
        assert {row.since for row in rows} <= {"1.0", "2.0", "2.3", "3.0"}
