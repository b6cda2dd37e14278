"""Objects from argument dictionaries, with every argument checked."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pyseq.registry.retired import modern_arguments

if TYPE_CHECKING:
    from pyseq.types import Config


def construct(cls: Any, config: Config) -> Any:
    """Return `cls(**config)` after checking every key of `config` against the constructor.

    Args:
        cls: class whose `__init__` names its arguments.
        config: `{argument: value}`, with retired arguments as old files hold them.

    Raises:
        ValueError: an unknown argument, a retired one with an unsupported value, or a missing one.
    """
    if not isinstance(config, dict):
        raise TypeError(f"{cls.__name__}.from_config: expected a dict, got {config!r}")
    config = modern_arguments(cls, config)
    # object.__init__ claims to take anything.
    own_init = cls.__init__ is not object.__init__
    parameters = inspect.signature(cls).parameters if own_init else {}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    allowed = [n for n, p in parameters.items() if p.kind not in variadic]
    arguments = {}
    for key, value in config.items():
        if key in allowed or open_ended:
            arguments[key] = value
        else:
            raise ValueError(
                f"{cls.__name__}.from_config: expected arguments among {allowed}, got {key!r}; "
                f"remove it or update pyseq"
            )
    missing = [
        n
        for n in allowed
        if n not in arguments and parameters[n].default is inspect.Parameter.empty
    ]
    if missing:
        raise ValueError(
            f"{cls.__name__}.from_config: expected the arguments {missing}, got {sorted(arguments)}"
        )
    return cls(**arguments)
