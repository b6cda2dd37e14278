"""`SKLearnClassifier`, `SKLearnRegressor`, `SKLearnTransformer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from pyseq.cloning import clone_model
from pyseq.sequential import Sequential
from pyseq.training.model import Model

if TYPE_CHECKING:
    from typing_extensions import Self

    from pyseq.types import Data


def copy_of(model):
    """A model with new weights that is compiled like `model`."""
    if isinstance(model, Sequential):
        return clone_model(model)
    new = type(model).from_config(model.get_config())
    new.compile_like(model)
    return new


class _Estimator(BaseEstimator):
    """What the three have in common; their arguments are described at `SKLearnRegressor`."""

    _numeric_targets = True

    def __init__(
        self, model: Any, warm_start: bool = False, model_kwargs: Any = None, fit_kwargs: Any = None
    ) -> None:
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def _new_model(self, x, y):
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        where = type(self).__name__
        if isinstance(self.model, Model):
            model = self.model if self.warm_start else copy_of(self.model)
        elif callable(self.model):
            model = self.model(x, y, **(self.model_kwargs or {}))
        else:
            raise TypeError(
                f"{where}: expected `model` to be a model or a function (X, y) that returns one, "
                f"got {self.model!r}"
            )
        if not isinstance(model, Model) or not model.compiled:
            raise RuntimeError(
                f"{where}: expected a compiled model, got {model!r}; call `compile` before or in "
                "the function that makes it"
            )
        return model

    def fit(self, X: Any, y: Data, **kwargs: Any) -> Self:
        """Train on rows X (n, ...) and targets y; further arguments are those of `Model.fit`."""
        X, y = validate_data(
            self, X, y, allow_nd=True, multi_output=True, y_numeric=self._numeric_targets
        )
        y = self._learn_targets(y)
        self.model_ = self._new_model(X, y)
        self.history_ = self.model_.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        return self

    def _learn_targets(self, y):
        """Targets as the model gets them: (n, outputs)."""
        self._flat = y.ndim == 1
        return y.reshape(len(y), -1) if self._flat else y

    def _outputs(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, allow_nd=True)
        return self.model_.predict(X, verbose=0)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


class SKLearnClassifier(ClassifierMixin, _Estimator):
    """A classifier; the model gets one-hot targets (n, classes).

    Args:
        warm_start: go on with the model of the last `fit`.
        model_kwargs: arguments of `model`, where it is a function.
        fit_kwargs: arguments of `Model.fit`.
        model: a compiled model, or a function (X, y) that returns one.

    Arguments are those of all three wrappers (`SKLearnRegressor`). After `fit`, also `classes_`.
    """

    _numeric_targets = False

    def _learn_targets(self, y):
        kind = type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"{type(self).__name__}: expected one class for each row, got {kind} targets. "
                f"Only binary and multiclass target types are supported. Target type: {kind}"
            )
        self.classes_, indices = np.unique(np.ravel(y), return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_))[indices]

    def predict_proba(self, X: Any) -> Any:
        """Outputs of the model (n, classes)."""
        return self._outputs(X)

    decision_function = predict_proba

    def predict(self, X: Any) -> Any:
        """The class with the largest output, for each row."""
        best = np.argmax(self._outputs(X), axis=-1)
        return self.classes_[best]


class SKLearnRegressor(RegressorMixin, _Estimator):
    """A regressor; the model gets targets (n, outputs).

    Args:
        model: a compiled model, or a function `(X, y, **model_kwargs)` that returns one.
        warm_start: go on with the model of the last `fit`; a given model is then trained itself.
            Otherwise each `fit` starts from a new one (a copy with new weights of a given one).
        model_kwargs: further arguments of the function.
        fit_kwargs: arguments of `Model.fit`, such as epochs, batch_size, verbose.

    After `fit`: `model_`, `history_`, `n_features_in_`.
    """

    def predict(self, X: Any) -> Any:
        """Outputs of the model, of the rank that the targets had."""
        y = self._outputs(X)
        return np.ravel(y) if self._flat and y.shape[1:] == (1,) else y


class SKLearnTransformer(TransformerMixin, _Estimator):
    """A transformer: features are the outputs of a model that was trained on targets.

    Args:
        warm_start: go on with the model of the last `fit`.
        model_kwargs: arguments of `model`, where it is a function.
        fit_kwargs: arguments of `Model.fit`.
        model: a compiled model, or a function (X, y) that returns one.

    Arguments are those of all three wrappers (`SKLearnRegressor`).
    """

    def transform(self, X: Any) -> Any:
        """Outputs of the model (n, ...)."""
        return self._outputs(X)
