"""Models as estimators of scikit-learn, which has to be installed: `pip install scikit-learn`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

_MODULES = {
    "KerasClassifier": "keras_estimators",
    "KerasRegressor": "keras_estimators",
    "SKLearnClassifier": "estimators",
    "SKLearnRegressor": "estimators",
    "SKLearnTransformer": "estimators",
}
__all__ = [
    "KerasClassifier",
    "KerasRegressor",
    "SKLearnClassifier",
    "SKLearnRegressor",
    "SKLearnTransformer",
]

if TYPE_CHECKING:
    from pyseq.wrappers.estimators import (
        SKLearnClassifier as SKLearnClassifier,
        SKLearnRegressor as SKLearnRegressor,
        SKLearnTransformer as SKLearnTransformer,
    )
    from pyseq.wrappers.keras_estimators import (
        KerasClassifier as KerasClassifier,
        KerasRegressor as KerasRegressor,
    )


if not TYPE_CHECKING:  # checkers know the names from imports

    def __getattr__(name):
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise ImportError(
                f"wrappers.{name}: expected scikit-learn, got none; pip install 'pyseq-nn[sklearn]'"
            ) from None
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
