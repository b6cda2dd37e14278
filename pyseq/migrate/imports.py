"""Import statements: what they bind, and how they are written today."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from pyseq.migrate import names

_MODULE = re.compile(r"from\s+([\w.]+)\s+import")


@dataclass
class Binding:
    """What a name of the script means.

    Args:
        kind: "keras" or "tf".
        old: the parts of its old name below Keras or `tf`.
        target: its name of today below `pyseq`.
        local: the name that the script has for it from now on.
    """

    kind: str
    old: list
    target: str
    local: str


class Imports:
    """The imports of a script.

    Args:
        script: the script; has `text`, `edits`, `problem(node, message)`.
        tree: its syntax tree.
    """

    def __init__(self, script, tree):
        self.script = script
        self.bound = {}
        self.foreign = set()
        self.stars = []
        self.first = None  # the first statement of the top level that imports Keras
        self.rebound = _stores(tree)
        self._body = tree.body
        statements = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
        self._imported = {a.asname or a.name for n in statements for a in n.names}
        chains = _chains(tree)
        for node in statements:
            if isinstance(node, ast.Import):
                self._import(node, chains)
            elif not node.level:
                self._import_from(node)
        for node in tree.body:
            if node in statements and self.first is None and self._is_keras(node):
                self.first = node

    def top(self, text):
        """The offset of the first statement that may stand behind an import."""
        for node in self._body:
            is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            if not is_text and not is_future:
                lines = [node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]
                return text.offset(min(lines), 0)
        return 0

    def _is_keras(self, node):
        modules = (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
        return any(m and names.origin(m) for m in modules)

    # --- import a.b as c

    def _import(self, node, chains):
        for alias in node.names:
            root = alias.name.split(".")[0]
            found = names.origin(alias.name)
            if found is None:
                self.foreign.add(alias.asname or root)
                continue
            kind, parts = found
            if kind == "keras" and (alias.asname or root in names.KERAS):
                self._import_keras(alias, parts, root)
            elif kind == "tf" and parts and alias.asname:
                self._refuse_tensorflow(alias, parts)
            else:
                self._import_tensorflow(alias, alias.asname or root, chains)

    def _import_keras(self, alias, parts, root):
        local = alias.asname or root
        if not alias.asname:
            parts = []
        found = self.script.resolve(parts)
        if found is None or not found.is_module:
            self.script.problem(alias, f"pyseq has no module {alias.name}; leave it out")
            return
        path = f"pyseq.{found.path}".rstrip(".")
        if root == "pyseq" and not alias.asname:
            path = "pyseq"
            if not self.script.resolve(alias.name.split(".")[1:]):
                self.script.problem(alias, f"pyseq has no module {alias.name}; leave it out")
                return
        self._write(alias, path if path == local else f"{path} as {local}")
        self.bound[local] = Binding("keras", parts, found.path, local)

    def _import_tensorflow(self, alias, local, chains):
        served = alias.name.startswith("pyseq.")
        if served and not alias.asname:
            return
        used = chains.get(local, [])
        only_keras = not served and all(_is_keras_chain(c) for c in used)
        if only_keras and local not in self.rebound:
            self._write(alias, "pyseq")
            self.bound[local] = Binding("tf", [], "", "pyseq")
        else:
            self._write(alias, f"pyseq.compat.tensorflow as {local}")
            self.bound[local] = Binding("tf", [], "", f"{local}.keras")

    def _refuse_tensorflow(self, node, parts):
        reason = names.lacks_of_tensorflow(parts)
        if reason:
            self.script.problem(node, reason)
        else:
            self._write(node, f"pyseq.compat.tensorflow.{'.'.join(parts)} as {node.asname}")

    def _write(self, node, new):
        text = self.script.text
        if text.of(node) != new:
            self.script.edits.replace(*text.span(node), new)

    # --- from a import b as c

    def _import_from(self, node):
        if names.origin(node.module) is None:
            self.foreign.update(a.asname or a.name for a in node.names)
            return
        entries = []  # (module, what is imported, alias or None where it is left as it was)
        for alias in node.names:
            entries += self._entries(node, alias)
        self._write_from(node, entries)

    def _entries(self, node, alias):
        if alias.name == "*":
            return self._star(node, alias)
        kind, parts = names.origin(f"{node.module}.{alias.name}")
        if kind == "tf":
            reason = names.lacks_of_tensorflow(parts)
            if reason:
                self.script.problem(alias, reason)
                return [(node.module, _as(alias.name, alias.asname))]
            module = ".".join(["pyseq.compat.tensorflow", *parts[:-1]])
            return [(module, _as(alias.name, alias.asname))]
        found = self.script.resolve(parts)
        if found is None or found.used < len(parts):
            self.script.problem(
                alias, f"pyseq has no {'.'.join(['keras', *parts])}; see docs/names.md"
            )
            self.foreign.add(alias.asname or alias.name)
            return [(node.module, _as(alias.name, alias.asname))]
        home, _, name = found.path.rpartition(".")
        local = alias.asname or alias.name
        if not found.is_module and not alias.asname and self._is_free(name, local):
            self.bound[local] = Binding("keras", parts, found.path, name)
            return [(f"pyseq.{home}".rstrip("."), name)]
        self.bound[local] = Binding("keras", parts, found.path, local)
        if not name:
            return [(None, _as("pyseq", local))]
        return [(f"pyseq.{home}".rstrip("."), _as(name, local))]

    def _is_free(self, name, local):
        """Whether the script may call `name` what it called `local`."""
        if name == local:
            return True
        others = {b.local: b.target.rpartition(".")[2] for b in self.bound.values()}
        taken = name in self.rebound or name in self.foreign
        return local not in self.rebound and not taken and others.get(name, name) == name

    def _star(self, node, alias):
        kind, parts = names.origin(node.module)
        found = self.script.resolve(parts) if kind == "keras" else None
        if kind == "keras" and found is not None and found.is_module:
            self.stars.append(parts)
            homes = [f"pyseq.{home}".rstrip(".") for home in found.homes]
            return [(home, "*") for home in homes]
        self.script.problem(alias, f"{node.module}: pyseq has no such module; import by name")
        return [(node.module, "*")]

    def _write_from(self, node, entries):
        text, edits = self.script.text, self.script.edits
        modules = list(dict.fromkeys(module for module, _ in entries))
        if modules == [node.module] and [e[1] for e in entries] == [
            _as(a.name, a.asname) for a in node.names
        ]:
            return
        begin, end = text.span(node)
        single = len(modules) == 1 and modules[0] is not None
        if single and len(entries) == len(node.names) and len({*entries}) == len(entries):
            match = _MODULE.match(text.source, begin)
            edits.replace(*match.span(1), modules[0])
            for alias, (_, new) in zip(node.names, entries):
                self._write(alias, new)
            return
        lines = []
        for module in modules:
            parts = list(dict.fromkeys(new for m, new in entries if m == module))
            if module is None:
                lines += [f"import {part}" for part in parts]
            else:
                lines.append(f"from {module} import {', '.join(parts)}")
        self.script.edits.replace(begin, end, self.script.lines(begin, lines))


def _as(name, local):
    return name if local in (None, name) else f"{name} as {local}"


def _is_keras_chain(parts):
    found = names.origin(".".join(["tensorflow", *parts]))
    return found[0] == "keras"


def _stores(tree):
    """Names that something else than an import binds."""
    stores = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stores.add(node.id)
        elif isinstance(node, ast.arg):
            stores.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            stores.add(node.name)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            stores.add(node.name)
    return stores


def chain_of(node):
    """The nodes of `a.b.c`, from the name on; None for another expression."""
    nodes = [node]
    while isinstance(nodes[0], ast.Attribute):
        nodes.insert(0, nodes[0].value)
    return nodes if isinstance(nodes[0], ast.Name) else None


def _chains(tree):
    """`{name: the attributes behind it, for each place that reads it}`."""
    chains, inner = {}, set()
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Name, ast.Attribute)) or id(node) in inner:
            continue
        nodes = chain_of(node)
        if nodes is not None:
            inner.update(map(id, nodes))
            chains.setdefault(nodes[0].id, []).append([n.attr for n in nodes[1:]])
    return chains
