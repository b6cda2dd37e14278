"""Models as estimators of scikit-learn, which has to be installed: `pip install scikit-learn`."""

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ImportError(
            f"wrappers.{name}: expected scikit-learn, got none; pip install 'pyseq-nn[sklearn]'"
        ) from None
    from pyseq.wrappers import estimators

    return getattr(estimators, name)


def __dir__():
    return __all__
