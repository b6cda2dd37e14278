"""The weights of a layer: made, listed, frozen, read, written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import (
    constraints,
    dtypes,
    hooks,
    initializers,
    naming,
    random,
    regularizers,
    revision,
    symbolic,
)
from pyseq.metrics.base import Metric
from pyseq.registry import limits
from pyseq.signatures import call_with
from pyseq.structures import leaves
from pyseq.variable import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyseq.types import (
        Array,
        ConstraintLike,
        DTypeLike,
        InitializerLike,
        RegularizerLike,
        Shape,
        Tensor,
    )

# What layers and models keep for themselves; their contents appear elsewhere or are no state.
_PRIVATE = frozenset(
    "_layers _parent _compile_config _programs _predictors _runners _losses _quick "
    "_found_metrics".split()
)


def _within(value, kind):
    return [x for x in leaves(value) if isinstance(x, kind)]


class Weighted:
    """The part of `Layer` that keeps weights, its own and those of the layers below it."""

    @hooks.takes_old_spellings
    def add_weight(
        self,
        shape: Shape | None = None,
        initializer: InitializerLike = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: RegularizerLike = None,
        constraint: ConstraintLike = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Create a weight of `shape` and return it as a `Variable`."""
        if isinstance(shape, str):
            raise ValueError(
                f"{self.name}.add_weight: expected a shape, got {shape!r}; pass the name as a "
                "keyword argument, name=..."
            )
        self._check_incomplete()
        shape = () if shape is None else tuple(int(d) for d in np.atleast_1d(shape))
        name = name or naming.auto_name("variable")
        if dtype is None:
            if self.dtype.startswith(("int", "uint", "bool")):
                raise ValueError(
                    f"{self.name}: expected a float dtype for a layer with weights, got "
                    f"{self.dtype!r}; set dtype='float32'"
                )
            dtype = self.variable_dtype
        stored = dtypes.compute_dtype(dtype)
        if initializer is None:
            initializer = "glorot_uniform" if stored.startswith("float") else "zeros"
        initializer = initializers.get(initializer)
        limits.take(shape, stored, f"{self.name}/{name}")
        if limits.is_loading():
            # The file's weights follow; a hostile config must not get memory or time for its own.
            value = np.zeros(shape, stored)
        else:
            with symbolic.no_trace():
                value = np.asarray(call_with(initializer, shape, dtype=stored, name=name))
        if value.shape != shape:
            raise ValueError(
                f"{self.name}: expected the initializer of `{name}` to return shape {shape}, got "
                f"{value.shape}"
            )
        moves = trainable and self._trainable
        variable = Variable(
            value, dtype=dtype, trainable=moves, name=name, path=f"{self._path_within()}/{name}"
        )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.initializer = initializer
        (self._trainable_variables if trainable else self._non_trainable_variables).append(variable)
        return variable

    add_variable = add_weight

    def _path_within(self):
        with self.scope():
            return naming.path_here()

    def _track_variable(self, variable):
        """A variable that became an attribute is a weight, like those of `add_weight`."""
        if all(variable is not known for known in self.weights):
            self._check_incomplete()
            if variable.trainable:
                self._trainable_variables.append(variable)
            else:
                self._non_trainable_variables.append(variable)

    def _untrack_variable(self, variable):
        """Remove a weight of this layer itself; returns None, for `self.w = ...`."""
        for known in (self._trainable_variables, self._non_trainable_variables):
            known[:] = [v for v in known if v is not variable]
        revision.touch()

    # Whether `build` is done: all weights are there.
    _is_complete = False
    # Whether weights and layers may come later all the same, as in a Sequential.
    _stays_open = False

    def _check_incomplete(self, what="weights"):
        if self._is_complete and not self._stays_open:
            raise ValueError(
                f"{self.name}: expected {what} to be made in `__init__` or `build`, got one more "
                "for a layer that is already built: you cannot add new elements of state to it"
            )

    def _check_late(self, key, value):
        """Refuse a layer, variable, metric or generator, or a list of them, after `build`."""
        if key == "_parent" or (key.startswith("_") and isinstance(value, (list, tuple, dict))):
            return
        found = _within(value, (Weighted, Variable, Metric, random.SeedGenerator))
        if found:
            known = {id(x) for kept in vars(self).values() for x in leaves(kept)}
            known.update(id(x) for x in (*self._flatten(), *self.weights))
            if any(id(x) not in known for x in found):
                self._check_incomplete("weights and layers")

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that are attributes of the layer and of those in it, in lists too."""
        found = {}
        for layer in self._flatten():
            for key, value in vars(layer).items():
                if isinstance(value, (Metric, list, tuple, dict)) and not key.startswith("_"):
                    found.update((id(m), m) for m in _within(value, Metric))
        return list(found.values())

    @property
    def metrics_variables(self) -> Any:
        """The variables of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: Tensor) -> None:
        self._trainable = bool(value)
        for variable in self._trainable_variables:
            variable.trainable = self._trainable
        for layer in self._children():
            layer.trainable = value

    # Lists of variables that are no weights.
    _no_weights = frozenset(("states",))

    def _own_variables(self):
        if self._runs_call():
            mine = [*self._trainable_variables, *self._non_trainable_variables]
            known = {id(v) for v in mine}
            for key, value in vars(self).items():
                hidden = key.startswith("_") or key in self._no_weights
                if hidden or not isinstance(value, (list, tuple, dict)):
                    continue
                for v in _within(value, Variable):
                    if id(v) not in known:
                        known.add(id(v))
                        lists = (self._non_trainable_variables, self._trainable_variables)
                        lists[v.trainable].append(v)
        return [*self._trainable_variables, *self._non_trainable_variables]

    def _flatten(self):
        """This layer and all below it, each once."""
        seen, result = set(), []

        def visit(layer):
            if id(layer) not in seen:
                seen.add(id(layer))
                result.append(layer)
                for child in layer._children():
                    visit(child)

        visit(self)
        return result

    @property
    def weights(self) -> list[Variable]:
        seen, result = set(), []
        for layer in self._flatten():
            for variable in layer._own_variables():
                if id(variable) not in seen:
                    seen.add(id(variable))
                    result.append(variable)
        return result

    @property
    def variables(self) -> list[Variable]:
        """The weights and, behind those of their layer, the states of random generators."""
        seen, result = set(), []
        for layer in self._flatten():
            generators = (
                item
                for value in vars(layer).values()
                for item in (value if isinstance(value, (list, tuple)) else (value,))
                if isinstance(item, random.SeedGenerator)
            )
            for variable in (*layer._own_variables(), *(g.state for g in generators)):
                if id(variable) not in seen:
                    seen.add(id(variable))
                    result.append(variable)
        return result

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return []
        trained = {
            id(v) for layer in self._flatten() if layer.trainable for v in layer._own_variables()
        }
        return [v for v in self.weights if v.trainable and id(v) in trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trained]

    trainable_variables = trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.variables if id(v) not in trained]

    def get_weights(self) -> list[Array]:
        """Return copies of all weights, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Set all weights from a list of arrays in the order of `weights`."""
        variables = self.weights
        weights = list(weights)
        if len(weights) != len(variables):
            raise ValueError(
                f"{self.name}.set_weights: expected {len(variables)} arrays, got {len(weights)}"
            )
        arrays = [np.asarray(w) for w in weights]
        for variable, array in zip(variables, arrays):
            if array.shape != variable.shape:
                raise ValueError(
                    f"{self.name}.set_weights: expected shape {variable.shape} for "
                    f"`{variable.path}`, got {array.shape}"
                )
            dtypes.check_numbers(array, f"{self.name}.set_weights({variable.path})")
        for variable, array in zip(variables, arrays):
            variable.assign(array)

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call the layer with other values of its weights; leaves the layer as it is.

        Args:
            trainable_variables, non_trainable_variables: values in the order of the attributes of
                these names.
            args, kwargs: of the call.
            return_losses: whether `losses` are returned too.

        Returns:
            The output, the values of the non-trainable variables after the call and, with
            `return_losses`, the losses.

        >>> import numpy as np
        >>> from pyseq.layers import Dense
        >>> layer = Dense(1)
        >>> layer.build((None, 2))
        >>> layer.stateless_call([np.ones((2, 1)), [3.0]], [], np.ones((1, 2)))
        (array([[5.]], dtype=float32), [])
        """
        if not self.built:
            raise ValueError(
                f"{self.name}.stateless_call: expected a built layer, got one without weights; "
                "call `build(input_shape)` first"
            )
        fixed = self.non_trainable_variables
        variables = [*self.trainable_variables, *fixed]
        values = [*trainable_variables, *non_trainable_variables]
        counts = (len(variables) - len(fixed), len(fixed))
        got = (len(trainable_variables), len(non_trainable_variables))
        if got != counts:
            raise ValueError(
                f"{self.name}.stateless_call: expected {counts[0]} trainable and {counts[1]} "
                f"non-trainable values, as many as the layer has variables, got {got[0]} and "
                f"{got[1]}"
            )
        before = [v.numpy() for v in variables]
        kept = [(layer, list(layer._losses)) for layer in self._flatten()]
        try:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            y = self(*args, **kwargs)
            after = [v.numpy() for v in fixed]
            return (y, after, self.losses) if return_losses else (y, after)
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            for layer, losses in kept:
                layer._losses[:] = losses

    def count_params(self) -> int:
        """Number of elements of all weights."""
        if not self.built:
            raise ValueError(
                f"{self.name}.count_params: expected a built layer, got one without weights; call "
                "`build(input_shape)` or the layer first"
            )
        return sum(v.size for v in self.weights)

    def _attributes(self):
        return vars(self)

    def saved_children(self) -> Iterator[Any]:
        """Yield `(name, value)` of the attributes that files look through, public ones first."""
        children = self._attributes()
        # "~" sorts behind letters.
        for name in sorted(children, key=lambda n: f"~{n}" if n.startswith("_") else n):
            if name not in _PRIVATE and not name.startswith("__"):
                yield name, children[name]

    def save_own_variables(self, store: Any) -> None:
        for i, variable in enumerate(self._own_variables()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        variables = self._own_variables()
        if len(store.keys()) != len(variables):
            raise ValueError(
                f"{self.name}: expected {len(variables)} saved weights, got {len(store.keys())}; "
                "the file belongs to another architecture"
            )
        for i, variable in enumerate(variables):
            variable.assign(store[str(i)])
