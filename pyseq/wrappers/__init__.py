"""Models as estimators of scikit-learn, which has to be installed: `pip install scikit-learn`."""

import importlib

_MODULES = {
    "KerasClassifier": "keras_estimators",
    "KerasRegressor": "keras_estimators",
    "SKLearnClassifier": "estimators",
    "SKLearnRegressor": "estimators",
    "SKLearnTransformer": "estimators",
}
__all__ = sorted(_MODULES)


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


def __dir__():
    return __all__
