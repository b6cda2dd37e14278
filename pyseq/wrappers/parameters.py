"""Where each argument of `KerasClassifier` and `KerasRegressor` goes."""

from __future__ import annotations

import inspect

from pyseq.registry.registration import to_snake_case
from pyseq.training.model import Model

ROUTES = ("model", "compile", "optimizer", "loss", "metrics", "callbacks", "fit", "predict")
# Of Keras 1 and 2: `fit` knows what they mean.
_OLD = ("max_queue_size", "nb_epoch", "use_multiprocessing", "workers")
_DATA = ("self", "x", "y")


def names(function):
    """Names of the arguments that a function, method, class or callable object takes.

    >>> names(lambda units, rate=0.1: None)
    ('units', 'rate')
    """
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))


def names_of(method):
    """The same of `fit`, `predict`, `evaluate` or `compile` of a model, without its data."""
    found = [n for n in names(getattr(Model, method)) if n not in _DATA]
    return (*found, *_OLD) if method == "fit" else tuple(found)


def is_legal(name, build):
    """Whether some part takes an argument of this name.

    >>> is_legal("epochs", None), is_legal("model__units", None), is_legal("epoch", None)
    (True, True, False)
    """
    route, _, rest = name.partition("__")
    if rest and route in ROUTES:
        return True
    if any(name in names_of(method) for method in ("fit", "predict", "evaluate", "compile")):
        return True
    if isinstance(build, Model) or not callable(build):
        return False
    kinds = {p.kind for p in inspect.signature(build).parameters.values()}
    return name in names(build) or inspect.Parameter.VAR_KEYWORD in kinds


def routed(params, route):
    """What is written `route__name`, as `{name: value}`.

    >>> routed({"model__units": 3, "epochs": 1}, "model")
    {'units': 3}
    """
    prefix = f"{route}__"
    return {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}


def taken(params, method, without=()):
    """Arguments for a method of the model: by their names, and by its route."""
    known = names_of(method)
    direct = {k: v for k, v in params.items() if k in known and k not in without}
    return {**direct, **routed(params, method)}


def for_build(params, build, more):
    """Arguments for the function that makes the model; those of `more` where it names them."""
    known = names(build)
    given = {k: v for k, v in {**more, **params}.items() if k in known}
    kinds = {p.kind for p in inspect.signature(build).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        rest = {k: v for k, v in params.items() if "__" not in k and not is_legal(k, None)}
        given = {**rest, **given}
    return {**given, **routed(params, "model")}


def made(value, arguments, home, where):
    """An optimizer, loss, metric or callback, or a list or dict of them, made with its arguments.

    Args:
        value: a class, a name, or an object that is made already.
        arguments: `{name: value}`; for one of several also `{"0__name": value}`.
        home: the module with the classes of that kind.
        where: names the argument in errors.

    Raises:
        TypeError: there are arguments, but nothing that takes them.
    """
    if isinstance(value, (list, tuple, dict)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        shared = {k: v for k, v in arguments.items() if "__" not in k}
        parts = {
            key: made(v, {**shared, **routed(arguments, str(key))}, home, where)
            for key, v in pairs
        }
        return parts if isinstance(value, dict) else list(parts.values())
    if isinstance(value, type):
        return value(**arguments)
    if not arguments:
        return value
    cls = _class(value, home) if isinstance(value, str) else None
    if cls is None:
        raise TypeError(
            f"{where}: expected a class or a name for the arguments {sorted(arguments)}, got "
            f"{value!r}; pass {where}=TheClass, or make it with its arguments"
        )
    return cls(**arguments)


def _class(name, home):
    found = home.get(name)
    if not inspect.isfunction(found):
        return type(found)
    wanted = to_snake_case(found.__name__)
    classes = (getattr(home, n) for n in dir(home) if isinstance(getattr(home, n), type))
    return next((c for c in classes if to_snake_case(c.__name__) == wanted), None)
