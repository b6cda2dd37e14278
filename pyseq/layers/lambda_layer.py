"""Lambda: a Python function as a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import hooks
from pyseq.layers.base import Layer
from pyseq.layers.shapes import trial_output_shape
from pyseq.registry import lambdas, serialization
from pyseq.registry.registration import builtin
from pyseq.signatures import parameters_of, taken_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self, Unpack

    from pyseq.types import Config, CustomObjects, LayerArguments, Tensor


@builtin("layers")
class Lambda(Layer):
    """A Python function as a layer.

    Args:
        function: maps a tensor `(n, ...)` to a tensor `(n, ...)`; may take `mask` and `training`.
        output_shape: shape of one output sample, or a function of the input shape; found by a
            trial call when None.
        mask: mask to pass on, or a function `(inputs, mask) -> mask`.
        arguments: further keyword arguments of `function`.

    Functions of operators, `pyseq.ops` and NumPy become part of the program; other Python code runs
    as it is, without a gradient for the layers before it.

    No code is loaded from a file. A named function is looked up among the registered ones and
    `custom_objects`; an anonymous one there under the name of the layer.

    >>> Lambda(lambda x: x * 2)(np.ones((1, 2))).tolist()
    [[2.0, 2.0]]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Tensor = None,
        arguments: Any = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"{self.name}: expected `function` to be callable, got {function!r}")
        self.arguments = arguments or {}
        self.function = function
        self.mask = mask
        self.mask_policy = "drop" if mask is None else "pass"
        self._output_shape = output_shape

    def compute_output_shape(self, input_shape: Any) -> Any:
        if callable(self._output_shape):
            return tuple(self._output_shape(tuple(input_shape)))
        if self._output_shape is not None:
            return (input_shape[0], *np.atleast_1d(np.array(self._output_shape, object)).tolist())

        def function(x):
            return self._run(x, False, None)

        if None not in input_shape[1:]:
            try:
                shape = tuple(input_shape)
                return hooks.ask("output_shape", function, shape, self.arithmetic_dtype, self.name)
            except Exception:  # code that only works on arrays
                pass
        return trial_output_shape(self.name, function, input_shape, self.arithmetic_dtype)

    def _reads_mask(self):
        return "mask" in parameters_of(self.function)

    text_policy = "pass"

    def read_text(self, x: Tensor) -> Any:
        return np.asarray(self._run(x, False, None))

    def _run(self, x, training, mask):
        more = taken_by(self.function, training=training, mask=mask)
        return self.function(x, **{**more, **self.arguments})

    def lower(self, g: Any, x: Tensor) -> Any:
        training = g.training

        def traced(a):
            mask = None if x.mask is None else a.trace.input(x.mask, "bool")
            return self._run(a, training, mask)

        def on_host(a, training, mask):
            return self._run(a, training, mask)

        try:
            y = hooks.ask("lower_function", g, traced, x, self.name, self.half_in_call(x))
        except Exception as problem:
            self.check_host(g, problem)
            if x.dtype is None:
                shape, dtype = self.compute_output_shape((None, *x.shape))[1:], None
            else:
                shape, dtype = self._of_integers(x, training)
            y = self.lower_on_host(g, on_host, x, shape, dtype, self.half_in_call(x))
            y = super().handed_out(y)
        return y.with_mask(self._lower_mask(g, x, y))

    def handed_out(self, y: Tensor, x: Tensor = None) -> Any:
        """The function decides on the dtype."""
        return y

    def _of_integers(self, x, training):
        """(shape of one row, dtype or None for floats) of what the function gives for integers."""
        mask = None if x.mask is None else np.ones((1, *x.mask.shape), bool)
        y = np.asarray(self._run(np.zeros((1, *x.shape), x.dtype), training, mask))
        return y.shape[1:], None if y.dtype.kind == "f" else y.dtype.name

    def _lower_mask(self, g, x, y):
        if not callable(self.mask):
            # A mask belongs to the tensor.
            return x.mask if self.mask is not None or y.slot == x.slot else None

        def traced(a):
            mask = self.mask(a, None if x.mask is None else a.trace.input(x.mask, "bool"))
            nothing.append(mask is None)
            return a if mask is None else mask

        nothing = []
        mask = hooks.ask("lower_function", g, traced, x, self.name)
        return None if nothing[-1] else mask

    def get_config(self) -> Config:
        """The constructor's arguments; saving describes the functions by their names."""
        config = {
            **super().get_config(),
            "function": self.function,
            "arguments": self.arguments,
        }
        if self._output_shape is not None:
            config["output_shape"] = self._output_shape
        if self.mask is not None:
            config["mask"] = self.mask
        return config

    @classmethod
    def from_config(
        cls, config: Config, custom_objects: CustomObjects = None, safe_mode: Any = None
    ) -> Self:
        """Create the layer; the function must be registered or in `custom_objects`."""
        config = lambdas.with_functions("Lambda", config, custom_objects)
        for key in ("function", "output_shape", "mask"):
            if isinstance(config.get(key), dict):
                config[key] = serialization.deserialize_keras_object(
                    config[key], custom_objects=custom_objects
                )
        return cls(**config)
