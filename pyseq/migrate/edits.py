"""Changes of a text at the positions of a syntax tree, so that all else stays as it is."""

from __future__ import annotations

import bisect
import re

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")


class Text:
    """A source text, and the offsets of the nodes of its tree."""

    def __init__(self, source):
        self.source = source
        self._begins = [m.start() for m in _LINE.finditer(source)]
        self._ascii = source.isascii()

    def offset(self, line, column):
        """The offset of a line (from 1) and a column in bytes, as trees count them."""
        begin = self._begins[line - 1]
        if self._ascii:
            return begin + column
        end = self._begins[line] if line < len(self._begins) else len(self.source)
        row = self.source[begin:end]
        return begin + len(row.encode()[:column].decode())

    def line(self, offset):
        """The line (from 1) of an offset."""
        return bisect.bisect_right(self._begins, offset)

    def span(self, node):
        """`(begin, end)` of a node."""
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def of(self, node):
        """The text of a node."""
        begin, end = self.span(node)
        return self.source[begin:end]


class Edits:
    """Replacements of spans, which do not overlap."""

    def __init__(self):
        self.made = {}

    def replace(self, begin, end, new):
        self.made[begin, end] = new

    def insert(self, at, new):
        """Put text in front of what stands at an offset."""
        self.made[at, at] = self.made.get((at, at), "") + new

    def within(self, begin, end):
        """The same edits of a part of the text, counted from its beginning."""
        part = Edits()
        for (b, e), new in self.made.items():
            if begin <= b and e <= end:
                part.made[b - begin, e - begin] = new
        return part

    def apply(self, source):
        """Return the text with the changes."""
        parts, at = [], 0
        for (begin, end), new in sorted(self.made.items()):
            if begin < at:  # lies within what was replaced as a whole
                continue
            parts += [source[at:begin], new]
            at = end
        return "".join([*parts, source[at:]])

    def moved(self, text, line):
        """The line that a line of `text` is after the changes."""
        begin, shift = text.offset(line, 0), 0
        for (b, e), new in self.made.items():
            if e <= begin:
                shift += new.count("\n") - text.source.count("\n", b, e)
        return line + shift

    def rendered(self, source, begin, end):
        """The text of a span with the changes inside it, which are taken out of the list."""
        inside = self.within(begin, end)
        for b, e in inside.made:
            del self.made[b + begin, e + begin]
        return inside.apply(source[begin:end])
