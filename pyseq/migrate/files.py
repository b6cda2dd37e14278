"""Files and folders: which are scripts, what changes in each, and writing it."""

from __future__ import annotations

import difflib
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

from pyseq.migrate.notebook import Notebook, syntax_message
from pyseq.migrate.script import Script
from pyseq.saving.atomic import write_atomically

ENDINGS = (".py", ".ipynb")
_SKIPPED = ("__pycache__", "node_modules", "site-packages")


@dataclass
class Outcome:
    """What became of one file.

    Args:
        path: the file.
        diff: the changes as a unified diff, "" where there are none.
        remains: `["file:line: what to do"]`.
        moved: the same with the lines of the new content.
        content: the new content, or None where nothing changes.
    """

    path: Path
    diff: str
    remains: list
    moved: list
    content: bytes | None

    def write(self):
        """Put the new content in the place of the file, at once."""
        if self.content is not None:
            write_atomically(self.path, lambda file: file.write(self.content))


def scripts_in(path):
    """The scripts and notebooks that a path means, in order.

    Raises:
        ValueError: it is not there, or has another ending.
    """
    path = Path(path)
    if path.is_dir():
        inside = (p for p in sorted(path.rglob("*")) if p.suffix in ENDINGS and p.is_file())
        return [p for p in inside if not _is_hidden(p.relative_to(path))]
    if not path.exists():
        raise ValueError(f"{path}: expected a script, notebook or folder, got no such file")
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path}: expected an ending of {', '.join(ENDINGS)}, got {path.suffix!r}")
    return [path]


def _is_hidden(path):
    return any(part.startswith(".") or part in _SKIPPED for part in path.parts)


def migrate_file(path):
    """Return the `Outcome` of a script or notebook; nothing is written."""
    path = Path(path)
    raw = path.read_bytes()
    try:
        if path.suffix == ".ipynb":
            return _notebook(path, raw)
        return _script(path, raw)
    except SyntaxError as error:
        return _unread(path, error.lineno or 1, syntax_message(error))
    except ValueError as error:  # of the encoding, or of JSON
        return _unread(path, 1, error)


def _unread(path, line, message):
    remains = [f"{path}:{line}: {message}"]
    return Outcome(path, "", remains, remains, None)


def _script(path, raw):
    encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    source = raw.decode(encoding)
    script = Script(source)
    new = script.result()
    remains, moved = (
        [f"{path}:{p.line}: {p.message}" for p in problems]
        for problems in (script.sorted(), script.moved())
    )
    if new == source:
        return Outcome(path, "", remains, moved, None)
    diff = _diff(source, new, str(path))
    return Outcome(path, diff, remains, moved, new.encode(encoding))


def _notebook(path, raw):
    notebook = Notebook(raw.decode("utf-8"))
    changed = notebook.migrate()
    remains, moved = (
        [f"{path}:cell {cell}:{p.line}: {p.message}" for cell, p in sorted(problems)]
        for problems in (notebook.problems, notebook.moved)
    )
    if not changed:
        return Outcome(path, "", remains, moved, None)
    diffs = [
        _diff(notebook.sources[cell], new, f"{path}:cell {cell}") for cell, new in changed.items()
    ]
    content = notebook.with_cells(changed).encode("utf-8")
    return Outcome(path, "".join(diffs), remains, moved, content)


def _diff(old, new, name):
    lines = difflib.unified_diff(_lines(old), _lines(new), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _lines(text):
    return io.StringIO(text, newline=None).readlines()
