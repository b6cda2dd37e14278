"""Questions that modules put to those above them, which they do not know.

The module that answers a question registers a function for it; the table says which module that is.
It is imported when the question first comes.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING

from pyseq import naming

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyseq.types import T

_ANSWERED_BY = {
    # What a symbolic tensor, or a layer of a user's own, is in a program.
    "activation": "pyseq.tracing",
    "add_loss": "pyseq.tracing",
    "assign": "pyseq.tracing",
    "call_arguments": "pyseq.tracing",
    "call_layer": "pyseq.tracing",
    "call_shapes": "pyseq.tracing",
    "custom_gradient": "pyseq.tracing",
    "dropout": "pyseq.tracing",
    "eye": "pyseq.tracing",
    "filled": "pyseq.tracing",
    "layer_output_shape": "pyseq.tracing",
    "lower_activity": "pyseq.tracing",
    "lower_call": "pyseq.tracing",
    "lower_function": "pyseq.tracing",
    "map_rows": "pyseq.tracing",
    "normal": "pyseq.tracing",
    "output_shape": "pyseq.tracing",
    "randint": "pyseq.tracing",
    "resize": "pyseq.tracing",
    "row_numbers": "pyseq.tracing",
    "rows": "pyseq.tracing",
    "trace_steps": "pyseq.tracing",
    "unary": "pyseq.tracing",
    "update_metric": "pyseq.tracing",
    "uniform": "pyseq.tracing",
    "window_op": "pyseq.tracing",
    # A layer called with arrays: its program, kept from call to call.
    "run_call": "pyseq.lowering",
    "run_layer": "pyseq.lowering",
    # The derivative of a function of arrays in a direction.
    "slopes": "pyseq.training.derivatives",
    # All built-in layers, so that each is found by its name.
    "load_layers": "pyseq.layers",
    # Values of a variable that is made by its shape.
    "initializer": "pyseq.initializers",
    # What calls and attributes in spellings of Keras 1 and 2 mean today.
    "base_rate": "pyseq.compat.attributes",
    "load_old_layers": "pyseq.compat.layers",
    "modern_call": "pyseq.compat.arguments",
    "old_attribute": "pyseq.compat.attributes",
    "old_format": "pyseq.compat.files",
    "old_log_name": "pyseq.compat.attributes",
    "old_name": "pyseq.compat.identifiers",
    "set_base_rate": "pyseq.compat.attributes",
    "set_old_attribute": "pyseq.compat.attributes",
    # A mistake in a model or data, by its code.
    "tell_finding": "pyseq.checks",
    # `Model(inputs, outputs)`.
    "straight_model": "pyseq.sequential",
}
_answers = {}

# Where the built-in objects of a family are defined, for files that name them.
_FAMILIES = {
    "": "pyseq.sequential",
    "activations": "pyseq.activations",
    "constraints": "pyseq.constraints",
    "initializers": "pyseq.initializers",
    "layers": "pyseq.layers",
    "losses": "pyseq.losses",
    "metrics": "pyseq.metrics",
    "optimizers": "pyseq.optimizers",
    "optimizers.schedules": "pyseq.schedules",
    "regularizers": "pyseq.regularizers",
    "src.layers.preprocessing.feature_space": "pyseq.utils.feature_space",
    "utils": "pyseq.utils.feature_space",
}


def answers(question: str) -> Callable[[T], T]:
    """Decorator: the function answers `question`."""

    def decorate(function):
        _answers[question] = function
        return function

    return decorate


def ask(question, *args, **kwargs):
    """Return what the function that answers `question` returns."""
    answer = _answers.get(question)
    if answer is None:
        importlib.import_module(_ANSWERED_BY[question])
        answer = _answers[question]
    return answer(*args, **kwargs)


def takes_old_spellings(function: T, key: str | None = None) -> T:
    """Decorator: calls with arguments of Keras 1 and 2 mean today what they meant.

    An argument that neither Keras 1 and 2 nor the function knows is a TypeError that names the one
    that was meant; a function with `**kwargs` gets it.

    Args:
        function: takes arguments of today only.
        key: the name under which old arguments are listed; `__qualname__` by default.
    """
    key = key or function.__qualname__
    known = _keywords(function)

    @functools.wraps(function)
    def call(*args, **kwargs):
        args, kwargs = ask("modern_call", key, args, kwargs)
        if known is not None and not known.keys() >= kwargs.keys():
            raise naming.unknown_arguments(key, kwargs, known)
        return function(*args, **kwargs)

    return call


def takes_old_names(function: T) -> T:
    """`takes_old_spellings` where only names of arguments are old: others cost next to nothing."""
    modern = takes_old_spellings(function)
    known = frozenset(_keywords(function))

    @functools.wraps(function)
    def call(*args, **kwargs):
        if known.issuperset(kwargs):
            return function(*args, **kwargs)
        return modern(*args, **kwargs)

    return call


def drop_old_names(function, kwargs):
    """Note arguments of Keras 1 and 2 that mean nothing today; others are a TypeError.

    For functions that have no time for a decorator; `kwargs` are those that `function` lacks.
    """
    key = function.__qualname__
    unknown = ask("modern_call", key, (), kwargs)[1]
    if unknown:
        raise naming.unknown_arguments(key, unknown, naming.keywords(function))


def _keywords(function):
    """`naming.keywords`; None where the function takes any."""
    code = getattr(function, "__code__", None)
    takes_any = code is None or code.co_flags & 0x08  # inspect.CO_VARKEYWORDS
    return None if takes_any else dict.fromkeys(naming.keywords(function))


@functools.cache
def load_family(family=None):
    """Import what defines the built-in objects of a family; of all without a name."""
    if family is None:
        for name in _FAMILIES:
            load_family(name)
        return
    if family in _FAMILIES:
        importlib.import_module(_FAMILIES[family])
    if family == "layers":
        ask("load_layers")
        ask("load_old_layers")
