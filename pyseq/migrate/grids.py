"""Arguments of `fit` in dicts, as grids of KerasClassifier and KerasRegressor have them."""

from __future__ import annotations

import ast

from pyseq.compat import arguments

WRAPPERS = ("KerasClassifier", "KerasRegressor", "SKLearnClassifier", "SKLearnRegressor")
_RENAMED = {k: v for k, v in arguments.TABLE["Fitting.fit"].items() if isinstance(v, str)}


def rename(script, tree):
    """Change the old names in dicts of a script that has such a wrapper."""
    nodes = list(ast.walk(tree))
    calls = [n for n in nodes if isinstance(n, ast.Call)]
    found = [script.meaning(n.func) for n in calls]
    if not any(f is not None and getattr(f.obj, "__name__", "") in WRAPPERS for f in found):
        return
    # A function that makes models may have an argument of that name.
    own = {n.arg for n in nodes if isinstance(n, ast.arg)}
    renamed = {old: new for old, new in _RENAMED.items() if old not in own}
    for node in nodes:
        for place, name in _names(node):
            route, _, bare = name.rpartition("__")
            if bare not in renamed:
                continue
            new = f"{route}__{renamed[bare]}" if route else renamed[bare]
            if new in {n for _, n in _names(node)}:
                script.problem(node, f"a dict with {name} and {new}: leave {name} out")
                continue
            begin, end = script.text.span(place)
            if isinstance(place, ast.keyword):
                script.edits.replace(begin, begin + len(name), new)
            elif script.text.of(place)[1:-1] == name:
                script.edits.replace(begin + 1, end - 1, new)
            else:
                script.problem(place, f"{name} in a dict: write {new}")


def _names(node):
    """The places of names in `dict(name=...)`, `{"name": ...}` and `x["name"]`, and the names."""
    if isinstance(node, ast.Call):
        is_dict = isinstance(node.func, ast.Name) and node.func.id == "dict"
        return [(k, k.arg) for k in node.keywords if is_dict and k.arg is not None]
    keys = []
    if isinstance(node, ast.Dict):
        keys = node.keys
    elif isinstance(node, ast.Subscript):
        keys = [node.slice]
    texts = [k for k in keys if isinstance(k, ast.Constant) and isinstance(k.value, str)]
    return [(k, k.value) for k in texts]
