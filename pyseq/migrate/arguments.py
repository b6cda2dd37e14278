"""The arguments of one call: what they were and what they become, as changes of its text."""

from __future__ import annotations

import re

from pyseq.migrate import values

_GAP = re.compile(r"\s*,[ \t]*")
_REST_OF_LINE = re.compile(r"[ \t]*(?:\r\n|\n|\r)")


class Item:
    """One argument as it stands in the source: `name` is None for a positional one."""

    def __init__(self, text, node, name, value_node):
        self.name = name
        self.value = values.value_of(value_node)
        self.value_span = text.span(value_node)
        begin, end = text.span(node)
        # Parentheses around a value belong to the argument, not to its node.
        self.begin, self.end = begin, end
        self.new = None  # `(name or None, value)`, or None for one that is taken out


def items_of(text, call):
    """The arguments of a call in the order of the source; None where one is starred."""
    import_order = [(a, None, a) for a in call.args] + [(k, k.arg, k.value) for k in call.keywords]
    if any(name is None and node is not value for node, name, value in import_order):
        return None
    if any(type(a).__name__ == "Starred" for a in call.args):
        return None
    items = [Item(text, node, name, value) for node, name, value in import_order]
    for item in items:
        item.begin, item.end = _with_parentheses(text.source, item, text.span(call)[1])
        if item.name is None:
            item.value_span = item.begin, item.end
        else:
            item.value_span = item.value_span[0], item.end
    return sorted(items, key=lambda item: item.begin)


def _with_parentheses(source, item, limit):
    """The span of an argument with the parentheses around its value."""
    begin, end = item.begin, item.end
    while True:
        after = re.compile(r"\s*\)").match(source, end, limit - 1)
        before = re.compile(r"\(\s*$").search(source[:begin]) if item.name is None else None
        if item.name is not None:
            head = source[begin : item.value_span[0]]
            if after and head.count("(") > source[item.value_span[1] : end].count(")"):
                end = after.end()
                continue
            return begin, end
        # A positional value in parentheses: the opening one is not that of the call.
        if after and before and _opens_value(source, before.start()):
            begin, end = before.start(), after.end()
            continue
        return begin, end


def _opens_value(source, at):
    return source[:at].rstrip()[-1:] in ("(", ",")


class Change:
    """What a call becomes; `apply` writes it into edits."""

    def __init__(self, items, first=()):
        self.items = items
        self.names = list(first)  # names of today that positional arguments have, in order

    def set(self, args, kwargs, leftover):
        """Note the arguments of today, and which old one each is.

        Args:
            args: positional values.
            kwargs: values by name.
            leftover: old names, in order, of which values may have changed on the way.
        """
        for item in self.items:
            item.new = None
        self.added = []
        taken, changed = set(), []
        for i, value in enumerate(args):
            self._place(None, value, taken, changed, i)
        for name, value in kwargs.items():
            self._place(name, value, taken, changed, None)
        for name, value in changed:
            item = next((i for i in self.items if id(i) not in taken and i.name in leftover), None)
            if item is None:
                self.added.append((name, value))
            else:
                taken.add(id(item))
                item.new = (name, value)

    def _place(self, name, value, taken, changed, index):
        parts = values.parts_of(value)
        free = [i for i in self.items if id(i) not in taken]
        same = [i for i in free if name is not None and i.name == name and i.value is value]
        mine = same or [i for i in free if any(i.value is p for p in parts)]
        if isinstance(value, (bool, type(None))) and not same:
            # These are not told apart by identity: a positional one stays in its place.
            mine = [i for i in mine if (i.name is None) == (index is not None)] or mine
            mine = mine[:1]
        if not mine:
            changed.append((name, value))
            return
        taken.update(map(id, mine))
        mine[0].new = (name, value)

    def apply(self, text, edits):
        """Write the change; returns whether there is one."""
        self._positions()
        before = len(edits.made)
        source = text.source
        kept = [i for i in self.items if i.new is not None]

        def text_of(node):
            begin, end = text.span(node)
            return edits.rendered(source, begin, end)

        for item in kept:
            name, value = item.new
            if value is not item.value:
                new = values.render(value, text_of)
                edits.replace(item.begin, item.end, f"{name}={new}" if name else new)
            elif name != item.name:
                if item.name is None:
                    edits.insert(item.begin, f"{name}=")
                elif name is None:
                    edits.replace(item.begin, item.value_span[0], "")
                else:
                    edits.replace(item.begin, item.begin + len(item.name), name)
        new = ", ".join(f"{n}={values.render(v, text_of)}" for n, v in self.added)
        self._remove(text, edits)
        if self.added:
            if kept:
                edits.insert(kept[-1].end, f", {new}")
            elif self.items:
                begin, end = self.items[0].begin, self.items[-1].end
                edits.rendered(source, begin, end)
                edits.replace(begin, end, new)
        return len(edits.made) != before or bool(self.added)

    def _positions(self):
        """Arguments in front that have their place today need no name."""
        place = 0
        for item in self.items:
            if item.new is None:
                continue
            name, value = item.new
            expected = self.names[place] if place < len(self.names) else None
            if name is None:
                place += 1
            elif item.name is None and name == expected:
                item.new = (None, value)
                place += 1
            else:
                break
        # What became a keyword goes behind the arguments that are positional.
        last = max(
            (i for i, item in enumerate(self.items) if item.new and not item.new[0]), default=0
        )
        for item in self.items[:last]:
            if item.new is not None and item.new[0]:
                self.added.append(item.new)
                item.new = None

    def _remove(self, text, edits):
        source, items = text.source, self.items
        i = 0
        while i < len(items):
            if items[i].new is not None:
                i += 1
                continue
            j = i
            while j + 1 < len(items) and items[j + 1].new is None:
                j += 1
            begin, end = items[i].begin, items[j].end
            edits.rendered(source, begin, end)
            if j + 1 < len(items):
                follows = items[j + 1].begin
                end = follows if "#" not in source[end:follows] else _after_comma(source, end)
            elif i > 0 and "#" not in source[items[i - 1].end : begin]:
                begin = items[i - 1].end
            else:
                end = _after_comma(source, end)
            rest = _REST_OF_LINE.match(source, end)
            line = source.rfind("\n", 0, begin) + 1
            if rest and not source[line:begin].strip() and line <= begin:
                begin, end = line, rest.end()
            edits.replace(begin, end, "")
            i = j + 1


def _after_comma(source, at):
    match = _GAP.match(source, at)
    return match.end() if match else at
