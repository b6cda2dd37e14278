"""Activations as the core's ops name them: what the writers of other formats read alike."""

from __future__ import annotations

import math

_SAME = {"swish": "silu", "hard_swish": "hard_silu"}
_DEFAULTS = {
    "relu": (0.0, math.inf, 0.0),
    "relu6": (0.0, 6.0, 0.0),
    "leaky_relu": (0.2,),
    "elu": (1.0,),
    "celu": (1.0,),
    "gelu": (0.0,),
    "hard_shrink": (0.5,),
    "soft_shrink": (0.5,),
    "squareplus": (4.0,),
    "threshold": (0.0, 0.0),
}


def completed(name, arguments=None):
    """The one name of an activation, and all numbers that it takes.

    >>> completed("swish"), completed("leaky_relu"), completed("relu", [0.1])
    (('silu', []), ('leaky_relu', [0.2]), ('relu', [0.1, inf, 0.0]))
    """
    name, given = _SAME.get(name, name), list(arguments or ())
    return name, [*given, *_DEFAULTS.get(name, ())[len(given) :]]
