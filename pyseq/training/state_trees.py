"""All variables of a model and its training as dicts in dicts, by the parts of their paths."""

from __future__ import annotations

from typing import Any

from pyseq.results import handed

_SEEDS = "/seed_generator_state"
_FORMATS = ("backend_tensor", "numpy_array")


class StateTrees:
    """The part of `Model` that hands out and takes over its variables by their paths."""

    def _state_groups(self):
        optimizer = self.optimizer
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": [] if optimizer is None else optimizer.variables,
            "metrics_variables": self.metrics_variables,
        }

    def get_state_tree(self, value_format: str | None = "backend_tensor") -> dict[str, Any]:
        """The values of all variables, in dicts by the parts of their paths.

        Args:
            value_format: "numpy_array" for copies; "backend_tensor" for arrays that may be
                read-only and show later changes.

        Returns:
            `{"trainable_variables": ..., "non_trainable_variables": ..., "optimizer_variables":
            ..., "metrics_variables": ...}`.

        Raises:
            ValueError: two variables have one path.

        >>> from pyseq import Input, Sequential, layers
        >>> model = Sequential([Input((1,)), layers.Dense(2, name="dense")], name="model")
        >>> tree = model.get_state_tree()
        >>> tree["trainable_variables"]["model"]["dense"]["bias"].tolist()
        [0.0, 0.0]
        """
        if value_format not in _FORMATS:
            raise ValueError(
                f"{self.name}.get_state_tree: expected `value_format` to be one of {_FORMATS}, got "
                f"{value_format!r}"
            )
        copies = value_format == "numpy_array"
        return {
            group: _nested(f"{self.name}.get_state_tree", variables, copies)
            for group, variables in self._state_groups().items()
        }

    def set_state_tree(self, state_tree: Any) -> None:
        """Assign values that `get_state_tree` returned to the variables of the same paths.

        Groups and variables that are left out stay as they are. An optimizer makes its variables
        first where they are missing. Its own name does not count, nor do those of random
        generators, which count up. Metrics that the model has not made yet stay out. After an
        error all variables are as before.

        Raises:
            ValueError: an unknown group or path, or a value of another shape.
        """
        where = f"{self.name}.set_state_tree"
        groups = self._state_groups()
        unknown = sorted(set(state_tree) - set(groups))
        if unknown:
            raise ValueError(f"{where}: expected the groups {list(groups)}, got {unknown}")
        pairs = []
        for group, tree in state_tree.items():
            known = {variable.path: variable for variable in groups[group]}
            if group == "optimizer_variables" and self.optimizer is not None:
                name = self.optimizer.name
                # Its name counts up with each one that is made.
                tree = {name: next(iter(tree.values()))} if len(tree) == 1 else tree
                if dict(_flat(tree)).keys() - known.keys() and self.built:
                    self.optimizer.build(self.trainable_variables)
                    known = {variable.path: variable for variable in self.optimizer.variables}
            values = dict(_flat(tree))
            if group == "non_trainable_variables":
                values = _with_seeds(values, known)
            if group == "metrics_variables":
                values = {path: value for path, value in values.items() if path in known}
            unknown = sorted(values.keys() - known.keys())
            if unknown:
                raise ValueError(
                    f"{where}: expected paths of {group}, got unknown {unknown[:5]}; known are "
                    f"{sorted(known)[:5]}: give the model and its layers the same names"
                )
            pairs += [(known[path], value) for path, value in values.items()]
        before = [(variable, variable.numpy()) for variable, _ in pairs]
        try:
            for variable, value in pairs:
                variable.assign(value)
        except BaseException:
            for variable, value in before:
                variable.assign(value)
            raise


def _with_seeds(values, known):
    """Values whose states of random generators, which count up too, are those known, in order."""
    given, own = ([p for p in paths if p.endswith(_SEEDS)] for paths in (values, known))
    seeds = [values[path] for path in given] if len(given) == len(own) else ()
    values = {path: value for path, value in values.items() if path not in given}
    return {**values, **dict(zip(own, seeds, strict=False))}


def _nested(where, variables, copies):
    tree = {}
    for variable in variables:
        *parts, last = variable.path.split("/")
        inner = tree
        for part in parts:
            inner = inner.setdefault(part, {})
        if last in inner:
            raise ValueError(
                f"{where}: expected a path of its own for each variable, got {variable.path!r} "
                "twice; give layers and metrics unique names"
            )
        inner[last] = handed(variable.numpy() if copies else variable.value)
    return tree


def _flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value
