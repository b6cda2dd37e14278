"""The code cells of a notebook as one script, and back."""

from __future__ import annotations

import ast
import json
import re

from pyseq.migrate.script import Problem, Script

_MAGIC = re.compile(r"^([ \t]*)(?:[%!?]|\w+[ \t]*=[ \t]*[%!](?!=)).*$|^([ \t]*)\S.*\?[ \t]*$", re.M)
# Magics of a whole cell whose rest is Python of the notebook.
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")


class Notebook:
    """The code of a notebook.

    Args:
        text: the JSON text of the file.

    Raises:
        ValueError: it is not a notebook.
    """

    def __init__(self, text):
        try:
            self._data = json.loads(text)
            cells = self._data["cells"]
            self._cells = [(i, c) for i, c in enumerate(cells, 1) if c["cell_type"] == "code"]
            self.sources = {i: "".join(c["source"]) for i, c in self._cells}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"expected a notebook with cells, got {error!r}") from None
        self._text = text
        self.problems = []  # `(cell, Problem)`
        self.moved = []  # the same with the lines of the new text

    def migrate(self):
        """Return `{number of a cell: its text of today}` for those that change."""
        joined, parsed, spans = "", "", []
        for number, source in self.sources.items():
            code = self._python(number, source)
            if code is None:
                continue
            spans.append((number, len(joined), source, joined.count("\n")))
            joined += source + "\n"
            parsed += code + "\n"
        script = Script(joined, parsed)
        changed = {}
        for number, begin, source, _ in spans:
            new = script.edits.within(begin, begin + len(source)).apply(source)
            if new != source:
                changed[number] = new
        self.moved = list(self.problems)  # of cells that are not read
        for problem, moved in zip(script.sorted(), script.moved()):
            number, _, _, lines = [s for s in spans if s[3] < problem.line][-1]
            self.problems.append((number, Problem(problem.line - lines, problem.message)))
            first = script.edits.moved(script.text, lines + 1)
            self.moved.append((number, Problem(moved.line - first + 1, moved.message)))
        return changed

    def _python(self, number, source):
        """The text without magics, line for line; None for a cell that is not Python."""
        first = source.lstrip().split(None, 1)[:1]
        if first and first[0].startswith("%%") and first[0] not in _PYTHON_CELLS:
            return None
        try:
            ast.parse(source)
            return source
        except SyntaxError:
            pass
        code = _MAGIC.sub(lambda m: f"{m.group(1) or m.group(2) or ''}pass", source)
        try:
            ast.parse(code)
            return code
        except SyntaxError as error:
            self.problems.append((number, Problem(error.lineno or 1, syntax_message(error))))
            return None

    def with_cells(self, changed):
        """The JSON text of the file with the new texts of cells."""
        for number, cell in self._cells:
            if number in changed:
                new = changed[number]
                is_list = isinstance(cell["source"], list)
                cell["source"] = new.splitlines(keepends=True) if is_list else new
        # The first line that is indented shows by how much.
        indent = re.search(r"\n([ \t]+)", self._text)
        text = json.dumps(
            self._data,
            indent=indent.group(1) if indent else None,
            ensure_ascii=self._text.isascii(),
            separators=None if indent or '": ' in self._text else (",", ":"),
        )
        newline = "\r\n" if "\r\n" in self._text else "\n"
        tail = self._text[len(self._text.rstrip()) :]
        return text.replace("\n", newline) + tail


def syntax_message(error):
    """What to do about code that Python 3 does not read."""
    return f"not Python 3 ({error.msg}); run 2to3 or mend this line first"
