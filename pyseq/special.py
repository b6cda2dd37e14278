"""Mathematical functions that NumPy lacks, for arrays and for the tensors of a trace."""

from __future__ import annotations

import math

import numpy as np

from pyseq import hooks, symbolic

_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x):
    """Return the error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    >>> erf(np.array([0.0, 1.0])).round(4).tolist()
    [0.0, 0.8427]
    """
    if symbolic.is_traced(x):
        return hooks.ask("unary", symbolic.trace.get(), x, "erf")
    return np.asarray(_erf(x), np.result_type(x, np.float32))
