"""Calls of a layer: on arrays, on symbolic tensors, within the code of another layer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks, naming, results, revision, settings, symbolic
from pyseq.layers import arguments
from pyseq.layers.call_context import TakesContext
from pyseq.layers.keras_tensor import KerasTensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyseq.types import T, Tensor


class Called(TakesContext):
    """The part of `Layer` that answers calls, and tells when what was compiled for it is old."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer on an array `(n, ...)`; returns a NumPy array (or a list of them).

        A layer whose `call` takes more than one tensor and `training` and `mask` takes all that:
        further tensors, lists and dicts of them, numbers; settings are passed by their names.
        """
        if not self._was_called:
            object.__setattr__(self, "_was_called", True)
        if self._call_context_args is not Called._call_context_args:
            with self._in_context(kwargs) as kwargs:
                return self._answer(*args, **kwargs)
        return self._answer(*args, **kwargs)

    def rematerialized_call(
        self, layer_call: Callable[..., T], *args: Any, **kwargs: Any
    ) -> Callable[..., T]:
        """Return a function that answers as `layer_call`, a method of the layer, does.

        Keras gives one that computes values anew for the gradient, to save memory. Programs plan
        their memory ahead and keep what the gradient reads: it is `layer_call` itself.

        Args:
            args, kwargs: of the call that is coming.

        >>> from pyseq.layers import Rescaling
        >>> layer = Rescaling(2.0)
        >>> layer.rematerialized_call(layer, np.ones(1))(np.ones(1)).tolist()
        [2.0]
        """
        return layer_call

    def _answer(self, *args, **kwargs):
        if self._runs_call() and not arguments.takes_alone(args, kwargs):
            return results.handed(arguments.call(self, args, kwargs))
        return results.handed(self._call_on_one(*args, **kwargs))

    def _call_on_one(self, inputs, *args, training=None, mask=None, **kwargs):
        if isinstance(inputs, KerasTensor):
            return inputs.through(self)
        trace = symbolic.trace.get()
        if trace is not None and (trace.takes(inputs) or isinstance(inputs, np.ndarray)):
            return hooks.ask("call_layer", self, trace.tensor(inputs), training, mask)
        if len(args) == 1 and mask is None and isinstance(args[0], np.ndarray):
            mask, args = args[0], ()
        if args or kwargs:
            raise TypeError(
                f"{self.name}: expected `layer(inputs, training=, mask=)`, got further "
                f"arguments {args or sorted(kwargs)}"
            )
        training = symbolic.training() if training is None else bool(training)
        return hooks.ask("run_layer", self, inputs, training, mask)

    def _answered_by(self, runner):
        """A program for inference is about to answer a call on an array of common dtype."""

    def keep_tensors(self, inputs: Tensor, outputs: Tensor) -> None:
        """Note the symbolic input and output; as in Keras, those of the first call stay."""
        if self._tensors is None:
            self._tensors = (inputs, outputs)

    def _tensor(self, index, what):
        if self._tensors is None:
            raise AttributeError(
                f"{self.name}.{what}: expected a layer of a model whose input shape is known, got "
                "one that was never called; put `Input(shape)` first"
            )
        return self._tensors[index]

    @property
    def input(self) -> Any:
        """The symbolic input of the layer in the first model that it was part of."""
        return self._tensor(0, "input")

    @property
    def output(self) -> Any:
        """The symbolic output of the layer in the first model that it was part of."""
        return self._tensor(1, "output")

    if TYPE_CHECKING:  # a subclass takes what it likes

        def call(self, *args: Any, **kwargs: Any) -> Any: ...

    else:

        def call(self, inputs: Tensor, training: Any = None) -> Any:
            """The layer's own output for an array or tensor; a subclass may override it."""
            if not self._has_code():
                raise NotImplementedError(
                    f"{self.name}: expected a layer that defines `call(inputs)`, got "
                    f"{type(self).__name__}, which does not have a `call` method implemented; "
                    "define it in a subclass"
                )
            if not symbolic.is_traced(inputs):
                training = symbolic.training() if training is None else bool(training)
                return hooks.ask("run_call", self, inputs, training)
            with self._built_in():
                return hooks.ask("call_layer", self, symbolic.traced(inputs), training)

        # Set while `call` of a subclass asks for the output of the built-in class.
        _as_built_in = False

    @contextlib.contextmanager
    def _built_in(self):
        self._as_built_in = True
        try:
            yield
        finally:
            self._as_built_in = False

    built = False

    def mark_built(self) -> None:
        """Note that the layer has all its weights."""
        self.built = True

    @contextlib.contextmanager
    def scope(self) -> Iterator[Any]:
        """Within it, weights that are made have paths that begin with the layer's."""
        if self._parent_path is None:
            self._parent_path = naming.path_here(self)
        with naming.scope(self):
            yield

    @property
    def path(self) -> str:
        """Names of the layers around this one where it was first built or called, and its own."""
        around = naming.path_here(self) if self._parent_path is None else self._parent_path
        return f"{around}/{self.name}" if around else self.name

    # Attributes that belong to a run rather than to what programs are lowered from.
    _unnoted = frozenset()

    def _note_change(self, name):
        """An attribute is about to get another value: programs lowered from the old one are old."""
        if name in self._unnoted:
            return
        if self.built and symbolic.is_running():
            # The layer's own code sets it while it runs, anew each time.
            object.__setattr__(self, "_unnoted", self._unnoted | {name})
            return
        object.__setattr__(self, "_print", None)
        revision.touch()

    def _fingerprint(self):
        """What the attributes are, as a number; weights and layers below count by identity."""
        known = self.__dict__.get("_print")
        if known is None or known[0] != revision.objects():
            what = tuple(revision.attributes(self, (self,), self._unnoted))
            known = (revision.objects(), revision.number(self._states, what))
            object.__setattr__(self, "_print", known)
        return known[1]

    def _state_key(self):
        """A number that differs whenever the layer must be lowered anew."""
        cached = self.__dict__.get("_state")
        if cached is not None and cached[0] == revision.count:
            return cached[1]
        parts = ((id(part), part._trainable, part._fingerprint()) for part in self._flatten())
        state = (settings.device, settings.fusion, *parts)
        key = revision.number(self._states, state)
        object.__setattr__(self, "_state", (revision.current(), key))
        return key

    def _is_stateful(self):
        """Whether the layer or one below it keeps states from batch to batch."""
        cached = self.__dict__.get("_has_states")
        if cached is not None and cached[0] == revision.current():
            return cached[1]
        found = any(getattr(part, "stateful", False) for part in self._flatten())
        object.__setattr__(self, "_has_states", (revision.current(), found))
        return found
