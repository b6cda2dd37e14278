"""What the variables of a script hold, as far as its assignments tell."""

from __future__ import annotations

import ast

from pyseq.layers import Activation, Dense, Layer
from pyseq.migrate import values
from pyseq.training.model import Model

_LOADERS = ("load_model", "model_from_json", "model_from_config", "clone_model")


class Models:
    """Variables of a script: which are models, and what the last layer of each gives."""

    def __init__(self, script, tree):
        self.script = script
        self._assigned = {}  # {text of the target: [value]}
        self._scopes = {}  # {a node: the function it is in}
        self._added = {}  # {(function, text of the model): [(place, is it new, layers)]}
        self._enter(tree, None)
        self.foreign = set(script.imports.foreign)
        self.foreign -= set(script.imports.bound)
        nodes = list(ast.walk(tree))
        for node in nodes:
            if isinstance(node, ast.Assign):
                for target, value in _pairs(node):
                    self._assigned.setdefault(ast.unparse(target), []).append(value)
            elif isinstance(node, ast.Call) and _is_add(node):
                self._note(node, node.func.value, False, node.args[:1])
        for name, given in self._assigned.items():
            if name.isidentifier() and all(map(self._is_foreign, given)):
                self.foreign.add(name)
        for node in nodes:
            if isinstance(node, ast.Assign) and self._is_model(node.value):
                value = node.value
                given = [*value.args[:1], *(k.value for k in value.keywords)]
                layers = [g.elts for g in given if isinstance(g, (ast.List, ast.Tuple))]
                self._note(node, node.targets[0], True, [x for listed in layers for x in listed])
        for events in self._added.values():
            events.sort(key=lambda event: event[0])

    def _enter(self, node, scope):
        self._scopes[id(node)] = scope
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            scope = id(node)
        for child in ast.iter_child_nodes(node):
            self._enter(child, scope)

    def _note(self, node, model, is_new, layers):
        key = self._scopes[id(node)], ast.unparse(model)
        place = node.lineno, node.col_offset
        self._added.setdefault(key, []).append((place, is_new, layers))

    def _is_foreign(self, value):
        """Whether a value is the result of a call of another package."""
        if not isinstance(value, ast.Call):
            return False
        function = value.func
        while isinstance(function, (ast.Attribute, ast.Call)):
            function = function.func if isinstance(function, ast.Call) else function.value
        return isinstance(function, ast.Name) and function.id in self.script.imports.foreign

    def _is_model(self, value):
        found = self.script.meaning(value.func) if isinstance(value, ast.Call) else None
        if found is None or found.obj is None:
            return False
        is_class = isinstance(found.obj, type) and issubclass(found.obj, Model)
        return is_class or getattr(found.obj, "__name__", "") in _LOADERS

    def assigned(self, test):
        """Names of variables that hold what a call of something in Keras makes."""
        names = set()
        for name, given in self._assigned.items():
            for value in given:
                found = self.script.meaning(value.func) if isinstance(value, ast.Call) else None
                if found is not None and test(found):
                    names.add(name)
        return names

    def kind(self, receiver):
        """ "model", "other", or None where nothing tells."""
        where = ast.unparse(receiver)
        given = self._assigned.get(where, [])
        if any(name == where for _, name in self._added) or any(map(self._is_model, given)):
            return "model"
        made = [self.script.meaning(v.func) for v in given if isinstance(v, ast.Call)]
        return "other" if any(made) else None

    def classes(self, receiver):
        """What to put around `predict(...)` for the classes: `(before, behind)`, or None."""
        where = ast.unparse(receiver)
        place = receiver.lineno, receiver.col_offset
        for scope in (self._scopes[id(receiver)], None):
            events = [e for e in self._added.get((scope, where), ()) if e[0] < place]
            if events:
                return self._last(_groups(events)[-1])
        # A model that a function returns: where the script has a single kind.
        groups = [group for events in self._added.values() for group in _groups(events)]
        answers = {self._last(group) for group in groups}
        return answers.pop() if len(answers) == 1 else None

    def _last(self, layers):
        for layer in reversed(layers):
            found = self.script.meaning(layer.func) if isinstance(layer, ast.Call) else None
            if found is None or not isinstance(found.obj, type):
                return None
            if not issubclass(found.obj, Layer):
                return None
            if _has_softmax(layer):
                return _LARGEST
            if issubclass(found.obj, Dense):
                units = [*layer.args[:1], *_given(layer, "units"), *_given(layer, "output_dim")]
                value = values.value_of(units[0]) if units else None
                if not isinstance(value, int):
                    return None
                return _LARGEST if value > 1 else _ABOVE_HALF
            if not issubclass(found.obj, Activation):
                return None
        return None

    def value(self, value):
        """A value; that of a variable that is only ever assigned what is written out."""
        node = values.node_of(value)
        index = None
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            node, index = node.value, node.slice.value
        if not isinstance(node, ast.Name):
            return value
        given = self._assigned.get(node.id, [])
        known = values.value_of(given[0]) if len(given) == 1 else value
        if index is None:
            return known
        try:
            return known[index]
        except (TypeError, IndexError, KeyError):
            return value

    def batch_size(self, node):
        """The batch size of a generator of images that is written out, or None."""
        if isinstance(node, ast.Name):
            given = self._assigned.get(node.id, [])
            return self.batch_size(given[0]) if len(given) == 1 else None
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return None
        if node.func.attr not in ("flow", "flow_from_directory"):
            return None
        given = _given(node, "batch_size")
        value = values.value_of(given[0]) if given else None
        return int(value) if isinstance(value, int) else None


_LARGEST = ("", ".argmax(axis=-1)")
_ABOVE_HALF = ("(", ' > 0.5).astype("int32")')


def _groups(events):
    """The layers of each model that a variable held, in order."""
    groups = [[]]
    for _, is_new, layers in events:
        if is_new and groups[-1]:
            groups.append([])
        groups[-1] += layers
    return groups


def _pairs(assignment):
    """Targets of an assignment and their values, one by one where both are tuples."""
    value = assignment.value
    for target in assignment.targets:
        yield target, value
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            if len(target.elts) == len(value.elts):
                yield from zip(target.elts, value.elts)


def _is_add(node):
    function = node.func
    return isinstance(function, ast.Attribute) and function.attr == "add" and len(node.args) == 1


def _given(call, name):
    return [k.value for k in call.keywords if k.arg == name]


def _has_softmax(layer):
    given = [*layer.args, *_given(layer, "activation")]
    return any(isinstance(a, ast.Constant) and a.value == "softmax" for a in given)
