"""Settings of a call that reach the layers within it, as `training` does."""

from __future__ import annotations

import contextlib
import contextvars

from pyseq.signatures import parameters_of

# `{name: value}` of the settings of the calls that run now.
_values: contextvars.ContextVar = contextvars.ContextVar("pyseq_call_context", default=None)


def current():
    """The settings of the calls that run now, for keys of programs: None where there are none.

    Raises:
        TypeError: one of them is no setting, such as an array.
    """
    values = _values.get()
    if not values:
        return None
    try:
        return frozenset(values.items())
    except TypeError:
        raise TypeError(
            f"call context: expected settings, such as numbers, strings or flags, got {values!r}; "
            "pass tensors as arguments of `call`"
        ) from None


class TakesContext:
    """The part of `Layer` that gives settings of its own to the layers within it."""

    _call_context_args = frozenset(("training",))
    _was_called = False

    def _register_call_context_args(self, *names):
        """Let calls of the layer take `names`, as they take `training`.

        A value that is passed holds for the call and for the layers called within it that
        registered the name too. Where `call` has a parameter of this name, it gets the value.

        Raises:
            RuntimeError: the layer was called before.

        >>> import numpy as np
        >>> from pyseq import Sequential, layers
        >>> class Shift(layers.Layer):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self._register_call_context_args("shift")
        ...     def call(self, x, shift=0):
        ...         return x + shift
        >>> model = Sequential([Shift()])
        >>> model._register_call_context_args("shift")
        >>> model(np.zeros((1, 2)), shift=3).tolist()
        [[3.0, 3.0]]
        """
        if self._was_called:
            raise RuntimeError(
                f"{self.name}: expected call-context arguments to be registered before the first "
                f"call, got {names} after it; register them in `__init__`"
            )
        self._call_context_args = self._call_context_args | set(names)

    def _context_arguments(self):
        """Those of the running calls' settings that `call` of this layer takes."""
        if self._call_context_args is TakesContext._call_context_args:
            return {}
        values = _values.get() or {}
        names = self._call_context_args & parameters_of(self.call) & values.keys()
        return {name: values[name] for name in names if name != "training"}

    @contextlib.contextmanager
    def _in_context(self, kwargs):
        """A call with `kwargs`; yields those that `call` gets."""
        outer = _values.get() or {}
        names = self._call_context_args - {"training"}
        given = {k: v for k, v in kwargs.items() if k in names and v is not None}
        token = _values.set({**outer, **given})
        try:
            rest = {k: v for k, v in kwargs.items() if k not in names}
            yield {**rest, **self._context_arguments()}
        finally:
            _values.reset(token)
