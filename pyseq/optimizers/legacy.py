"""Optimizers of Keras 2, which neither Keras 3 nor pyseq offers."""

from __future__ import annotations


def _refuse(name):
    def __init__(self, *args, **kwargs):
        raise ImportError(
            f"pyseq.optimizers.legacy.{name}: expected a current optimizer; use "
            f"pyseq.optimizers.{name}"
        )

    doc = f"Raises ImportError: use `pyseq.optimizers.{name}`."
    return type(name, (), {"__init__": __init__, "__doc__": doc, "__module__": __name__})


Adagrad, Adam, Ftrl, RMSprop, SGD, Optimizer = map(
    _refuse, ("Adagrad", "Adam", "Ftrl", "RMSprop", "SGD", "Optimizer")
)
