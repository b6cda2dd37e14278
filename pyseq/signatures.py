"""What functions of users take."""

from __future__ import annotations

import inspect


def parameters_of(function):
    """Names of the parameters of a function; empty where Python does not know them.

    >>> sorted(parameters_of(lambda x, training=False: x))
    ['training', 'x']
    """
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built-in functions without a signature
        return set()


def taken_by(function, **values):
    """Those of the keyword arguments that a function takes.

    >>> taken_by(lambda x, training=False: x, training=True, mask=None)
    {'training': True}
    """
    names = parameters_of(function)
    return {name: value for name, value in values.items() if name in names}


def call_with(function, *args, **values):
    """Call a function with those of the keyword arguments that it takes.

    >>> call_with(lambda shape, name=None: [0.0] * shape[0], (2,), dtype="float32")
    [0.0, 0.0]
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # built-in functions without a signature
        return function(*args, **values)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        values = {name: value for name, value in values.items() if name in parameters}
    return function(*args, **values)
