"""One script: its names, calls and attributes in the spelling of today."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from pyseq.compat.attributes import LOG_NAMES, TABLE, Renamed
from pyseq.compat.notices import quietly
from pyseq.layers import Layer
from pyseq.migrate import names
from pyseq.migrate.calls import Calls
from pyseq.migrate.edits import Edits, Text
from pyseq.migrate.imports import Imports, chain_of


@dataclass(frozen=True, order=True)
class Problem:
    """What is left to the user: a line (from 1) and what to do there."""

    line: int
    message: str


class Script:
    """A script, its changes and what they could not serve.

    Raises:
        SyntaxError: the text is not Python 3.

    >>> Script("from keras.layers.core import Dense\\n").result()
    'from pyseq.layers import Dense\\n'
    """

    def __init__(self, source, parsed=None):
        """`parsed` is what is parsed in place of `source`: as long, line for line."""
        self.text = Text(source)
        self.kept = set()  # old classes whose names stay, since a call of them may mean either
        tree = ast.parse(source if parsed is None else parsed)
        self._leave_out(tree)
        before = None
        with quietly():
            while before != self.kept:
                before = set(self.kept)
                self._rewrite(tree)

    def _leave_out(self, tree):
        """Empty expressions in f-strings whose places Python before 3.12 does not tell."""
        self._unplaced = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.FormattedValue) and not self._is_placed(node.value):
                names_in = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
                self._unplaced.update((node.lineno, name) for name in names_in)
                node.value = ast.copy_location(ast.Constant(None), node)

    def _is_placed(self, node):
        try:
            there = ast.parse(f"({self.text.of(node)})", mode="eval").body
        except (SyntaxError, ValueError, IndexError):
            return False
        return ast.dump(there) == ast.dump(node)

    def _rewrite(self, tree):
        self.edits = Edits()
        self.problems = set()
        self.imports = Imports(self, tree)
        self.meanings = {}
        for line, name in self._unplaced:
            if name in self.imports.bound:
                self.problems.add(Problem(line, f"{name} in an f-string: move it in front of it"))
        self._name(tree)
        if self.imports.bound or self.imports.stars:
            self.calls = Calls(self, tree)
            self.calls.rewrite()
            self._attributes(tree)
            self._log_names(tree)

    def result(self):
        """The text of today."""
        return self.edits.apply(self.text.source)

    def moved(self):
        """The problems, sorted, with their lines in `result()`."""
        return [Problem(self.edits.moved(self.text, p.line), p.message) for p in self.sorted()]

    def sorted(self):
        """The problems, sorted, with their lines in the source."""
        return sorted(self.problems)

    def problem(self, node, message):
        """Note what the user has to do at a node."""
        self.problems.add(Problem(node.lineno, message))

    def resolve(self, parts):
        """`names.resolve` with the names that stay."""
        found = names.resolve(parts)
        if found is not None and found.old in self.kept:
            home = found.path.rpartition(".")[0]
            found = replace(found, path=f"{home}.{found.old.__name__}")
        return found

    def meaning(self, node):
        """What an expression means in Keras: a `names.Found`, or None."""
        return self.meanings.get(id(node))

    def lines(self, begin, lines):
        """Statements in the place of one, with its indent; on one line where it shares its own."""
        source = self.text.source
        line = max(source.rfind("\n", 0, begin), source.rfind("\r", 0, begin)) + 1
        indent = source[line:begin]
        return "; ".join(lines) if indent.strip() else f"{self.newline}{indent}".join(lines)

    @property
    def newline(self):
        source = self.text.source
        return "\r\n" if "\r\n" in source else "\n"

    # --- names

    def _name(self, node):
        if isinstance(node, (ast.Name, ast.Attribute)):
            nodes = chain_of(node)
            if nodes is not None:
                if isinstance(nodes[0].ctx, ast.Load):
                    self._chain(nodes)
                return
        for child in ast.iter_child_nodes(node):
            self._name(child)

    def _chain(self, nodes):
        local = nodes[0].id
        attributes = [n.attr for n in nodes[1:]]
        binding = self.imports.bound.get(local)
        if binding is None:
            self._starred(nodes)
            return
        if local in self.imports.rebound:
            if binding.local == local and binding.target:
                found = self.resolve(binding.old + attributes)
                if found is not None and not found.is_module:
                    self.meanings[id(nodes[found.used - len(binding.old)])] = found
            return
        skipped, parts = 0, binding.old + attributes
        if binding.kind == "tf":
            kind, parts = names.origin(".".join(["tensorflow", *attributes]))
            if kind == "tf":
                reason = names.lacks_of_tensorflow(attributes)
                if reason:
                    self.problem(nodes[-1], reason)
                return
            skipped = len(attributes) - len(parts)
        else:
            skipped = -len(binding.old)
        found = self.resolve(parts)
        if found is None:
            self.problem(
                nodes[-1], f"pyseq has no {'.'.join(['keras', *parts])}; see docs/names.md"
            )
            return
        last = nodes[skipped + found.used]
        if not found.is_module:
            self.meanings[id(last)] = found
        below = _below(found.path, binding.target)
        if below is None:
            self.problem(last, f"this is pyseq.{found.path} today; import it from there")
            return
        self._write(last, f"{binding.local}.{below}".rstrip("."))

    def _write(self, node, new):
        if "".join(self.text.of(node).split()) != new:
            self.edits.replace(*self.text.span(node), new)

    def _starred(self, nodes):
        name = nodes[0].id
        if name in self.imports.rebound or name in self.imports.foreign:
            return
        for parts in self.imports.stars:
            found = self.resolve([*parts, name])
            if found is not None and not found.is_module and found.used == len(parts) + 1:
                self.meanings[id(nodes[0])] = found
                self._write(nodes[0], found.path.rpartition(".")[2])
                return

    # --- attributes

    def _attributes(self, tree):
        table = dict(TABLE)[Layer]
        layer_names = {old: new.new for old, new in table.items() if isinstance(new, Renamed)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute):
                continue
            if node.attr in layer_names and _is_layer(node.value):
                self._rename(node, layer_names[node.attr])
            elif node.attr == "lr" and self._is_optimizer(node.value):
                if self.calls.decays:
                    self.problem(
                        node, ".lr is the rate before decay=; .learning_rate is that of the step"
                    )
                else:
                    self._rename(node, "learning_rate")

    def _rename(self, node, new):
        end = self.text.span(node)[1]
        self.edits.replace(end - len(node.attr), end, new)

    def _is_optimizer(self, node):
        if isinstance(node, ast.Attribute):
            return node.attr == "optimizer"
        return isinstance(node, ast.Name) and node.id in self.calls.optimizers

    # --- names in logs

    def _log_names(self, tree):
        wanted = self.calls.metrics & set(LOG_NAMES)
        if len(wanted) != 1:
            return
        (new,) = wanted
        old = LOG_NAMES[new]
        template = re.compile(r"(\{(?:val_)?)" + old + r"(?=[:}])")
        formatted = {
            id(part) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in n.values
        }
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in formatted:
                text = self.text.of(node)
                if template.search(text) and text[-1:] in "'\"":
                    self.edits.replace(*self.text.span(node), template.sub(rf"\1{new}", text))
            for constant in _log_constants(node):
                value = constant.value
                text = self.text.of(constant)
                if value in (old, f"val_{old}"):
                    self.edits.replace(*self.text.span(constant), text.replace(old, new))


def _below(path, home):
    if not home:
        return path
    if path == home:
        return ""
    return path.removeprefix(f"{home}.") if path.startswith(f"{home}.") else None


def _is_layer(node):
    """Whether an expression is `model.layers[...]` or `model.get_layer(...)`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Attribute) and node.value.attr == "layers"
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get_layer"
    return False


def _log_constants(node):
    """String constants of a node that name an entry of logs."""
    found = []
    if isinstance(node, ast.Subscript) and _is_logs(node.value):
        found.append(node.slice)
    if isinstance(node, ast.Call):
        found += [k.value for k in node.keywords if k.arg == "monitor"]
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "get" and node.args:
            if _is_logs(function.value):
                found.append(node.args[0])
    return [n for n in found if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _is_logs(node):
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return name in ("history", "logs")
