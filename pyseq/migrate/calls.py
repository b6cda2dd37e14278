"""Calls of Keras: arguments and methods of Keras 1 and 2, by the tables of `pyseq.compat`."""

from __future__ import annotations

import ast
import inspect

from pyseq.compat import arguments, generators, layers as old_layers
from pyseq.compat.attributes import TABLE as ATTRIBUTES, Method
from pyseq.compat.files import H5
from pyseq.compat.names import NAMES
from pyseq.migrate import grids, values
from pyseq.migrate.arguments import Change, items_of
from pyseq.migrate.models import Models
from pyseq.optimizers import Optimizer
from pyseq.training.model import Model

_METHODS = {name: m for name, m in dict(ATTRIBUTES)[Model].items() if isinstance(m, Method)}
# `{name of a method of a model: its key in the table of arguments}`
_KEYS = {
    key.rpartition(".")[2]: key
    for key in arguments.TABLE
    if "." in key and hasattr(Model, key.rpartition(".")[2])
}
_KEYS.pop("__init__", None)
_SAVING = {"save": 0, "save_weights": 0}


class Calls:
    """The calls of a script whose names have been resolved."""

    def __init__(self, script, tree):
        self.script = script
        self.tree = tree
        self.text = script.text
        self.edits = script.edits
        self.calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        # Inner calls first: what holds them takes their text with the changes.
        self.calls.sort(key=lambda n: self.text.span(n)[1] - self.text.span(n)[0])
        self.models = Models(script, tree)
        self.optimizers = self.models.assigned(lambda found: _is_class(found.obj, Optimizer))
        self.metrics = set()
        self.decays = False  # whether an optimizer has a decaying rate
        self._made_schedule = False
        self._bases = dict(self._inits(tree))

    def rewrite(self):
        """Change every call that is in an old spelling."""
        for call in self.calls:
            found = self.script.meaning(call.func)
            if found is not None and callable(found.obj):
                self._object(call, found)
            elif id(call) in self._bases:
                self._base(call, self._bases[id(call)])
            elif found is None and isinstance(call.func, ast.Attribute):
                self._method(call, call.func.attr)
        if self._made_schedule:
            self._import_schedule()

        grids.rename(self.script, self.tree)

    def _inits(self, tree):
        """Yield `(id of a call, what it makes)` of the calls of `__init__` of a class of Keras."""
        # Inner classes come later: their calls are theirs.
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            bases = [f for f in map(self.script.meaning, node.bases) if f is not None]
            base = next((f for f in bases if isinstance(f.obj, type)), None)
            for call in ast.walk(node):
                function = getattr(call, "func", None)
                if not isinstance(function, ast.Attribute) or function.attr != "__init__":
                    continue
                if _is_super(function.value):
                    yield id(call), base
                elif self.script.meaning(function.value) is not None:
                    yield id(call), self.script.meaning(function.value)

    def _base(self, call, found):
        """`super().__init__(...)`, and `Base.__init__(self, ...)`."""
        if found is None:
            return
        if _is_super(call.func.value):
            self._object(call, found)
        else:
            self._starred(call, found.obj.__name__)

    # --- classes and functions

    def _object(self, call, found):
        name = found.obj.__name__
        key = next((k for k in (name, f"{name}.__init__") if k in arguments.TABLE), name)
        if name in grids.WRAPPERS:
            key = "Fitting.fit"
        if name == "ModelCheckpoint":
            self._path(call)
        self.decays |= name == "InverseTimeDecay"
        if name in ("Model", "Functional"):
            self._branches(call)
        items = items_of(self.text, call)
        if items is None:
            self._starred(call, key)
            return
        args, kwargs = _split(items)
        if found.old in old_layers.RENAMED:
            positions, always = old_layers.RENAMED[found.old]
            whole = len(args) > 2 and self._are_sizes(args[1:3], kwargs, key)
            if whole is None and not always:
                self.script.kept.add(found.old)
                self.script.problem(
                    call,
                    f"{name}(filters, a, b): write {name}(filters, (a, b)) if a and b are sizes",
                )
                return
            if (always or whole) and len(args) <= len(positions):
                args, kwargs = [], {**dict(zip(positions, args)), **kwargs}
        elif found.old is not None:  # TimeDistributedDense
            length, dim = kwargs.pop("input_length", None), kwargs.pop("input_dim", None)
            if dim is not None:
                kwargs["input_shape"] = (length, dim)
        self._modern(call, key, items, args, kwargs, _parameters(found.obj))

    def _are_sizes(self, given, kwargs, key):
        """Whether two positional arguments are sizes of a kernel; None where nothing tells."""
        if all(isinstance(a, int) for a in given):
            return True
        known = [self.models.value(a) for a in given]
        if any(values.is_known(a) and not isinstance(a, int) for a in known):
            return False
        old = kwargs.keys() & arguments.TABLE.get(key, {}).keys()
        return True if old or all(isinstance(a, int) for a in known) else None

    def _modern(self, call, key, items, args, kwargs, parameters=()):
        """Ask the tables for the arguments of today and write them."""
        table = arguments.TABLE.get(key, {})
        before = dict(kwargs)
        words = kwargs.pop("dropout", None) if key == "Embedding" else None
        if not self._by_hand(call, key, table, args, kwargs, parameters):
            return
        try:
            new_args, new_kwargs = arguments.modern_call(key, (self, *args), kwargs)
        except (TypeError, ValueError) as error:
            self.script.problem(call, str(error))
            return
        new_kwargs = {k: _name_of_today(k, v) for k, v in new_kwargs.items()}
        if words:
            new_kwargs["dropout"] = words
            self.script.problem(
                call, "dropout=rate: add Dropout(rate, noise_shape=(None, None, 1)) behind it"
            )
        quiet = [k for k in before if _has_no_successor(table.get(k))]
        leftover = [k for k in before if k not in new_kwargs and k not in quiet]
        change = Change(items, parameters)
        change.set(new_args[1:], new_kwargs, leftover)
        change.apply(self.text, self.edits)

    def _by_hand(self, call, key, table, args, kwargs, parameters):
        """What needs more than the values that are written out; False to leave the call."""
        for name in list(kwargs):
            rule, value = table.get(name), kwargs[name]
            if rule is arguments.own_weights and value is not None:
                self.script.problem(
                    call, f"{key}({name}=...): build the model, then call set_weights on the layer"
                )
                return False
            if rule is arguments.saved_every:
                if not (values.is_known(value) and value == 1):
                    self.script.problem(
                        call, f"{key}({name}=...) counts epochs; use save_freq=, in batches"
                    )
                    return False
                del kwargs[name]
            elif rule is arguments.accuracy_wanted:
                if value is not False:
                    self.script.problem(call, f'{name}=: write compile(metrics=["accuracy"])')
                del kwargs[name]
            elif rule is arguments.order_of_axes and not values.is_known(value):
                self.script.problem(
                    call, f'{key}({name}=...): write data_format= with "channels_first" or "_last"'
                )
                return False
            elif rule is arguments.time_decay:
                self._decay(name, args, kwargs, parameters)
        return True

    def _decay(self, name, args, kwargs, parameters):
        decay = kwargs[name]
        if not decay:
            return  # the table takes it out
        given = [n for n in ("learning_rate", "lr") if n in kwargs]
        if given:
            rate = kwargs.pop(given[0])
        elif args:
            rate = args.pop(0)
        else:
            rate = parameters.defaults["learning_rate"]
        del kwargs[name]
        kwargs["learning_rate"] = values.Made("InverseTimeDecay({}, 1, {})", rate, decay)
        if args:  # those behind it have their places
            kwargs.update(zip(parameters[1:], args))
            args.clear()
        self.decays = self._made_schedule = True

    def _starred(self, call, key):
        """A call with * or **: names of arguments that are only named otherwise today."""
        table = arguments.TABLE.get(key, {})
        for keyword in call.keywords:
            new = table.get(keyword.arg)
            if isinstance(new, str):
                begin = self.text.span(keyword)[0]
                self.edits.replace(begin, begin + len(keyword.arg), new)
            elif new is not None:
                self.script.problem(call, f"{keyword.arg}= beside * or **: see {key}")

    def _branches(self, call):
        given = [*call.args, *(k.value for k in call.keywords)]
        if any(isinstance(a, (ast.List, ast.Dict)) and len(_elements(a)) > 1 for a in given):
            self.script.problem(call, "a model of several inputs or outputs is not a Sequential")

    # --- methods

    def _method(self, call, name):
        receiver = call.func.value
        if self._is_foreign(receiver):
            return
        if name in _SAVING:
            self._path(call)
        if name in _METHODS:
            self._old_method(call, name, _METHODS[name])
            return
        key = _KEYS.get(name, "Weighted.add_weight" if name == "add_weight" else None)
        if key is None:
            return
        items = items_of(self.text, call)
        if items is None:
            self._starred(call, key)
            return
        args, kwargs = _split(items)
        self._modern(call, key, items, args, kwargs)
        if name == "compile":
            self._note_metrics(items)

    def _is_foreign(self, receiver):
        while isinstance(receiver, (ast.Attribute, ast.Subscript, ast.Call)):
            receiver = receiver.func if isinstance(receiver, ast.Call) else receiver.value
        return isinstance(receiver, ast.Name) and receiver.id in self.models.foreign

    def _note_metrics(self, items):
        for item in items:
            if item.new is not None and item.new[0] == "metrics":
                listed = item.value if isinstance(item.value, list) else [item.value]
                self.metrics.update(v for v in listed if isinstance(v, str))

    def _old_method(self, call, name, method):
        new = method.new.partition("(")[0]
        kind = self.models.kind(call.func.value)
        if name == "predict_proba" and kind != "model":
            if kind is None:
                self.script.problem(call, "predict_proba: if this is a model, write predict")
            return
        wrap = ("", "")
        if name == "predict_classes":
            wrap = self.models.classes(call.func.value)
            if wrap is None:
                self.script.problem(
                    call,
                    "predict_classes: write predict(x).argmax(axis=-1), or for a single output "
                    '(predict(x) > 0.5).astype("int32")',
                )
                return
        items = items_of(self.text, call)
        if items is None:
            self.script.problem(call, f"{name} with * or **: write {new}")
            return
        kwargs = self._of_today(call, name, method.function, new, items)
        if kwargs is None:
            return
        change = Change(items, _parameters(getattr(Model, new)))
        change.set((), kwargs, [])
        change.apply(self.text, self.edits)
        end = self.text.span(call.func)[1]
        self.edits.replace(end - len(name), end, new)
        begin, end = self.text.span(call)
        if wrap[0]:
            self.edits.insert(begin, wrap[0])
        if wrap[1]:
            self.edits.insert(end, wrap[1])

    def _of_today(self, call, name, function, new, items):
        """The arguments that the method of today takes in place of those of an old one."""
        old = inspect.signature(function).parameters
        args, given = _split(items)
        given = {**dict(zip([p for p in old if p != "self"], args)), **given}
        renamed = generators.ARGUMENTS.get(name, {})
        today = _parameters(getattr(Model, new))
        made = {}
        for argument, value in given.items():
            if argument in generators.COUNT_ROWS and argument in renamed:
                value = self._batches(call, given, argument, renamed[argument], value)
                if value is None:
                    return None
                if value is _ENDS:
                    continue
            if argument in renamed and renamed[argument] is None:
                continue  # without effect
            argument = renamed.get(argument, argument)
            if argument == "generator":
                argument = today[0]
            if argument in today:
                made[argument] = value
            elif argument not in old:
                self.script.problem(call, f"{name}: unknown argument {argument}=; leave it out")
                return None
        # The old methods were silent by default.
        if "verbose" in old and old["verbose"].default == 0 and "verbose" not in made:
            made["verbose"] = 0
        return made

    def _batches(self, call, given, argument, new, rows):
        """Batches in so many rows: None where their size is not written out, and noted."""
        data = given.get("validation_data") if new == "validation_steps" else given.get("generator")
        if isinstance(data, (tuple, list)):
            return _ENDS
        size = self.models.batch_size(values.node_of(data))
        if size is None:
            self.script.problem(
                call, f"{argument}= counts rows; write {new}=, the number of batches"
            )
            return None
        if isinstance(rows, int):
            return -(-rows // size)
        return values.Made(f"-(-({{}}) // {size})", rows)

    # --- paths and schedules

    def _path(self, call):
        paths = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "filepath")]
        for path in paths:
            if isinstance(path, ast.Constant) and isinstance(path.value, str):
                weights = getattr(call.func, "attr", "") == "save_weights"
                ending = ".weights.h5" if weights else ".keras"
                old = next((e for e in H5 if path.value.lower().endswith(e)), None)
                if old and not path.value.endswith(ending):
                    self.script.problem(
                        path, f"a path that ends in {old}: write one that ends in {ending}"
                    )

    def _import_schedule(self):
        line = "from pyseq.optimizers.schedules import InverseTimeDecay"
        first, newline = self.script.imports.first, self.script.newline
        if line in self.text.source:
            return
        if first is not None:
            self.edits.insert(self.text.span(first)[1], f"{newline}{line}")
        else:  # those of functions are not seen by others
            self.edits.insert(self.script.imports.top(self.text), f"{line}{newline}")


_ENDS = object()  # arrays, which end by themselves


class _Names(list):
    """Names of parameters in their order, and their defaults."""

    defaults: dict


def _parameters(function):
    """The positional parameters that a class or function has today."""
    made = _Names()
    made.defaults = {}
    function = function.__init__ if isinstance(function, type) else function
    for name, p in inspect.signature(function).parameters.items():
        if name != "self" and p.kind is p.POSITIONAL_OR_KEYWORD:
            made.append(name)
            made.defaults[name] = p.default
    return made


def _split(items):
    args = [item.value for item in items if item.name is None]
    return args, {item.name: item.value for item in items if item.name is not None}


def _is_super(node):
    return isinstance(node, ast.Call) and getattr(node.func, "id", None) == "super"


def _is_class(obj, base):
    return isinstance(obj, type) and issubclass(obj, base)


def _name_of_today(argument, value):
    """What a string names, where it is an old name of a constraint."""
    if not argument.endswith("_constraint") or not isinstance(value, str):
        return value
    return NAMES["constraints"].get(value, value)


def _has_no_successor(rule):
    special = (arguments.saved_every, arguments.accuracy_wanted, arguments.word_dropout)
    return isinstance(rule, arguments.Dropped) or rule in special


def _elements(node):
    return node.elts if isinstance(node, ast.List) else node.keys
