"""`KerasClassifier` and `KerasRegressor`, as Keras 2 and SciKeras spelled them."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from pyseq import callbacks, losses, metrics, optimizers, random
from pyseq.training.model import Model
from pyseq.utils.seed import set_random_seed
from pyseq.wrappers import parameters
from pyseq.wrappers.estimators import copy_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyseq.types import Data, Tensor

_OWN = ("model", "build_fn", "warm_start", "random_state")
_HOMES = {"optimizer": optimizers, "loss": losses, "metrics": metrics}


class BaseWrapper(BaseEstimator):
    """What both wrappers have in common.

    Args:
        model: a function, method or callable object that returns a model, compiled or not, or a
            model, of which each `fit` trains a copy. A function may also take `meta` (what is
            known of the data: n_features_in_, n_classes_, n_outputs_, ...) and `compile_kwargs`.
        build_fn: the same, as Keras 2 named it; targets and scores then are those of Keras 2.
            A subclass may define `__call__` or `_keras_build_fn` instead.
        warm_start: `fit` goes on with the model that there is.
        random_state: seed of weights and shuffling; the generators of the process stay as they are.
        sk_params: arguments of the function, of `fit`, `predict`, `evaluate` and `compile`, by
            their names or as `model__units`, `fit__epochs`, `optimizer__learning_rate`,
            `loss__from_logits`, `callbacks__patience`.

    Attributes:
        model_: the trained model; also `model` once there is one.
        history_: `{name: value of each epoch}`; also `history`, so that what `fit` returns, which
            is the estimator, can be read as the History that Keras 2 returned.

    Raises:
        ValueError: in `fit`, for an argument that nothing takes.
    """

    _numeric_targets = True

    def __init__(
        self,
        model: Any = None,
        *,
        build_fn: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        **sk_params: Any,
    ) -> None:
        self.model = model
        self.build_fn = build_fn
        self.warm_start = warm_start
        self.random_state = random_state
        self._sk_params = sk_params

    # --- parameters

    @property
    def model(self) -> Any:
        """The trained model, or what makes it before `fit`."""
        return vars(self).get("model_", vars(self).get("model"))

    @model.setter
    def model(self, value: Any) -> None:
        vars(self)["model"] = value

    @property
    def sk_params(self) -> Any:
        """The arguments given for the model's function and methods."""
        return {k: v for k, v in self._parameters().items() if k not in _OWN}

    def _parameters(self):
        """Those in `sk_params`, and attributes that a subclass's own constructor has set."""
        own = {k: v for k, v in vars(self).items() if k[0] != "_" and k[-1] != "_"}
        return {**own, **self._sk_params}

    def __getattr__(self, name):
        try:
            return vars(self)["_sk_params"][name]
        except KeyError:
            return object.__getattribute__(self, name)  # raises what Python would

    def get_params(self, deep: bool = True) -> Any:
        """`{name: value}` of all arguments given."""
        own = inspect.signature(type(self).__init__).parameters.values()
        params = self._parameters()
        if any(p.kind == p.VAR_KEYWORD for p in own):
            return params
        return {p.name: params[p.name] for p in own if p.name in params}

    def set_params(self, **params: Any) -> None:
        """Change arguments; a new one is possible if something takes it."""
        # Arguments that are new may be those of a new function.
        build = params.get("model", params.get("build_fn", self._builder()))
        known = self._parameters()
        self._check_params([name for name in params if name not in known], build)
        for name, value in params.items():
            if name in vars(self) or name in _OWN:
                setattr(self, name, value)
            else:
                self._sk_params[name] = value
        return self

    def check_params(self, params: Any) -> None:
        """Raise ValueError for an argument that neither the function nor the model takes."""
        self._check_params(params, self._builder())

    def _check_params(self, names, build):
        for name in names:
            if name not in _OWN and not parameters.is_legal(name, build):
                raise ValueError(
                    f"{type(self).__name__}: expected an argument of the model's function, of fit, "
                    f"predict, evaluate or compile, got {name!r}, which is not a legal "
                    "parameter; check the spelling"
                )

    def filter_sk_params(self, fn: Callable[..., Any], override: Any = None) -> Any:
        """The arguments given that a function takes, and those of `override`."""
        known = parameters.names(fn)
        found = {k: v for k, v in self.sk_params.items() if k in known}
        return {**found, **(override or {})}

    # --- the model

    def _builder(self):
        for name in ("model", "build_fn"):
            if vars(self).get(name) is not None:
                return vars(self)[name]
        if hasattr(self, "_keras_build_fn"):
            return self._keras_build_fn
        # A class without one has that of its metaclass.
        own = any("__call__" in vars(cls) for cls in type(self).__mro__)
        return self.__call__ if own else None

    @property
    def _is_old(self):
        """Whether it is written as Keras 2 had it."""
        return vars(self)["model"] is None and not hasattr(self, "_keras_build_fn")

    def _new_model(self, X, y):
        build, params, where = self._builder(), self.sk_params, type(self).__name__
        if None not in (vars(self)["model"], self.build_fn):
            raise TypeError(
                f"{where}: expected one of model and build_fn, got both; build_fn is the old "
                "spelling: leave it out"
            )
        if isinstance(build, Model):
            return copy_of(build)
        if not callable(build):
            raise TypeError(
                f"{where}: expected `model` to be a function that returns a model, or a model, got "
                f"{build!r}"
            )
        compile_kwargs = parameters.taken(params, "compile")
        compile_kwargs.setdefault("optimizer", "rmsprop")
        for name, home in _HOMES.items():
            arguments = parameters.routed(params, name)
            value = compile_kwargs.get(name)
            if value is not None or arguments:
                compile_kwargs[name] = parameters.made(value, arguments, home, name)
        more = {"meta": self._meta(X, y), "compile_kwargs": compile_kwargs}
        if self.random_state is not None:
            more["random_state"] = self.random_state
        given = parameters.for_build(params, build, more)
        model = build(**given)
        if not isinstance(model, Model):
            raise TypeError(
                f"{where}: expected a model from {build!r}, got {model!r}; return it at the end"
            )
        if not model.compiled:
            if compile_kwargs.get("loss") is None:
                raise ValueError(
                    f"{where}: expected a compiled model or a loss, got neither; pass loss= or "
                    "call compile in the function"
                )
            model.compile(**compile_kwargs)
        elif "compile_kwargs" not in given:
            left = sorted({*compile_kwargs} & {n.partition("__")[0] for n in params} - {*given})
            if left:
                warnings.warn(
                    f"{where}: expected a function that takes {', '.join(left)} or returns a model "
                    "that is not compiled, got a compiled one; they have no effect",
                    stacklevel=4,
                )
        return model

    def _meta(self, X, y):
        return {
            "n_features_in_": self.n_features_in_,
            "X_shape_": X.shape,
            "X_dtype_": X.dtype,
            "y_ndim_": y.ndim,
            "y_dtype_": y.dtype,
            "target_type_": self.target_type_,
            "n_outputs_": 1,
            "n_outputs_expected_": 1,
        }

    @contextlib.contextmanager
    def _seeded(self):
        if self.random_state is None:
            yield
            return
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        position = random.streams()
        set_random_seed(int(seed))
        try:
            yield
        finally:
            random.set_streams(position)

    # --- training

    def fit(self, X: Any, y: Data, sample_weight: Data = None, **kwargs: Any) -> Any:
        """Train on rows X (n, ...) and targets y; further arguments are those of `Model.fit`."""
        return self._train(X, y, sample_weight, kwargs, self.warm_start)

    def partial_fit(self, X: Any, y: Tensor, sample_weight: Tensor = None, **kwargs: Any) -> Any:
        """Train for one more epoch, from the model that there is."""
        return self._train(X, y, sample_weight, {"epochs": 1, **kwargs}, True)

    def _train(self, X, y, sample_weight, kwargs, go_on, classes=None):
        # Not in the constructor, which may not refuse anything.
        self.check_params(self._sk_params)
        new = not (go_on and self.__sklearn_is_fitted__())
        X, y = validate_data(
            self,
            X,
            y,
            reset=new,
            accept_sparse=True,
            allow_nd=True,
            multi_output=True,
            y_numeric=self._numeric_targets,
        )
        X = _dense(X)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        rows = self._learn_targets(y, new, classes)
        params = self.sk_params
        arguments = {**parameters.taken(params, "fit"), **kwargs}
        routed = parameters.routed(params, "callbacks")
        arguments["callbacks"] = parameters.made(
            arguments.get("callbacks"), routed, callbacks, "callbacks"
        )
        self._set_class_weight(arguments, y)
        with self._seeded():
            if new:
                self.model_ = self._new_model(X, y)
                self.history_ = {}
            history = self.model_.fit(
                X, self._targets(rows), **arguments, sample_weight=sample_weight
            )
        for name, values in history.history.items():
            self.history_.setdefault(name, []).extend(values)
        return self

    def _learn_targets(self, y, new, classes):
        self.target_type_ = "continuous" if y.ndim == 1 else "continuous-multioutput"
        return y

    def _targets(self, rows):
        return rows

    def _set_class_weight(self, arguments, y):
        pass

    # --- results

    @property
    def history(self) -> Any:
        """`{name: value of each epoch}`, as the attribute of a History."""
        check_is_fitted(self)
        return self.history_

    @property
    def epoch(self) -> Any:
        """Numbers of the epochs trained, as the attribute of a History."""
        return list(range(max(map(len, self.history.values()), default=0)))

    def _outputs(self, X, kwargs):
        check_is_fitted(self)
        X = _dense(validate_data(self, X, reset=False, accept_sparse=True, allow_nd=True))
        own = parameters.taken(self.sk_params, "predict", without=("callbacks", "steps"))
        return self.model_.predict(X, **{"verbose": 0, **own, **kwargs})

    def __sklearn_is_fitted__(self):
        return "model_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class KerasClassifier(ClassifierMixin, BaseWrapper):
    """A model as a classifier of scikit-learn; arguments are those of `BaseWrapper`.

    Args:
        warm_start: `fit` goes on with the model that there is.
        random_state: seed of weights and shuffling.

    The model gets targets as its loss takes them: one-hot for the categorical ones, else numbers of
    classes (n,). Targets may be one-hot, or 0 and 1 for each of several labels.

    >>> from pyseq import Sequential, layers
    >>> def build(units=2):
    ...     model = Sequential([layers.Dense(units, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> model = KerasClassifier(build_fn=build, epochs=2, verbose=0)
    >>> fitted = model.fit([[0.0], [1.0]], ["no", "yes"])
    >>> fitted.predict_proba([[1.0]]).shape, len(fitted.history["loss"])
    ((1, 2), 2)
    """

    _numeric_targets = False

    def partial_fit(
        self, X: Any, y: Tensor, classes: Any = None, sample_weight: Tensor = None, **kwargs: Any
    ) -> Any:
        """Train for one more epoch; `classes` are all that there are, for the first call."""
        kwargs = {"epochs": 1, **kwargs}
        return self._train(X, y, sample_weight, kwargs, True, classes)

    def _learn_targets(self, y, new, classes):
        """Numbers of the classes (n,), or labels (n, labels)."""
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"{type(self).__name__}: expected one class for each row, got {kind} targets. "
                f"Unknown label type: {kind}"
            )
        if kind == "multilabel-indicator" and (np.sum(y, axis=1) == 1).all():
            kind = "multiclass-onehot"
        many = kind in ("multilabel-indicator", "multiclass-onehot")
        if not many:
            y = column_or_1d(y, warn=True)
        if new:
            self._classify(y, kind, many, classes)
        where = type(self).__name__
        if many:
            if y.shape[1] != self.n_classes_:
                raise ValueError(
                    f"{where}: expected {self.n_classes_} columns of targets, got {y.shape[1]}"
                )
            return y if self.target_type_ == "multilabel-indicator" else np.argmax(y, axis=1)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{where}: expected targets of the classes {self.classes_.tolist()}, got "
                f"{unknown.tolist()}; pass all in classes= of the first partial_fit, or fit anew"
            )
        return np.searchsorted(self.classes_, y)

    def _classify(self, y, kind, many, classes):
        found = np.arange(y.shape[1]) if many else np.unique(y if classes is None else classes)
        if len(found) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        self.classes_, self.n_classes_ = found, len(found)
        self.target_type_ = "multiclass" if kind == "binary" and len(found) > 2 else kind

    def _meta(self, X, y):
        kinds = {"classes_": self.classes_, "n_classes_": self.n_classes_}
        return {**super()._meta(X, y), **kinds}

    def _targets(self, rows):
        if self.target_type_ == "multilabel-indicator":
            return rows
        name = _loss_name(self.model_)
        one_hot = "categorical" in name or self.target_type_ == "multiclass-onehot"
        return np.eye(self.n_classes_)[rows] if one_hot and "sparse" not in name else rows

    def _set_class_weight(self, arguments, y):
        weight = arguments.get("class_weight")
        if isinstance(weight, str):
            rows = self._learn_targets(y, False, None)
            kinds, present = np.arange(self.n_classes_), np.unique(rows)
            values = compute_class_weight(weight, classes=present, y=rows)
            arguments["class_weight"] = {
                **dict.fromkeys(kinds.tolist(), 1.0),
                **dict(zip(present.tolist(), values.tolist(), strict=True)),
            }
        elif weight is not None and not self._is_old and set(weight) <= set(self.classes_.tolist()):
            kinds = self.classes_.tolist()
            arguments["class_weight"] = {kinds.index(k): v for k, v in weight.items()}

    def predict_proba(self, X: Any, **kwargs: Any) -> Any:
        """Probabilities (n, classes); a single output is that of the second class."""
        y = self._outputs(X, kwargs)
        return np.hstack([1 - y, y]) if y.shape[-1] == 1 else y

    def predict(self, X: Any, **kwargs: Any) -> Any:
        """The class of each row (n,).

        After one-hot targets: one-hot (n, classes), and the class with `build_fn`.
        """
        y = self._outputs(X, kwargs)
        if self.target_type_ == "multilabel-indicator":
            return (y > 0.5).astype("int64")
        if y.shape[-1] == 1:
            best = (y[:, 0] > 0.5).astype("int64")
        else:
            # A model may have outputs for classes that the targets lack.
            best = np.argmax(y[:, : self.n_classes_], axis=-1)
        if self.target_type_ == "multiclass-onehot" and not self._is_old:
            return np.eye(self.n_classes_, dtype="int64")[best]
        return self.classes_[best]

    def score(self, X: Any, y: Tensor, sample_weight: Tensor = None, **kwargs: Any) -> float:
        """Accuracy: the share of rows whose class is right."""
        predicted = self.predict(X, **kwargs)
        if np.ndim(y) == 2 and np.shape(y)[1] > 1 and predicted.ndim == 1:
            y = np.argmax(y, axis=-1)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class KerasRegressor(RegressorMixin, BaseWrapper):
    """A model as a regressor of scikit-learn; arguments are those of `BaseWrapper`.

    Args:
        build_fn: old name of `model`.
        warm_start: `fit` goes on with the model that there is.
        random_state: seed of weights and shuffling.

    >>> from pyseq import Sequential, layers
    >>> def build(meta):
    ...     return Sequential([layers.Dense(meta["n_outputs_"])])
    >>> model = KerasRegressor(build, loss="mse", epochs=2, verbose=0)
    >>> model.fit([[0.0], [1.0]], [0.0, 2.0]).predict([[1.0]]).shape
    (1,)
    """

    def _meta(self, X, y):
        outputs = 1 if y.ndim == 1 else y.shape[1]
        return {**super()._meta(X, y), "n_outputs_": outputs, "n_outputs_expected_": outputs}

    def predict(self, X: Any, **kwargs: Any) -> Any:
        """Outputs of the model; (n,) where it has one."""
        y = self._outputs(X, kwargs)
        return y[..., 0] if y.shape[-1] == 1 else y

    def score(self, X: Any, y: Tensor, sample_weight: Tensor = None, **kwargs: Any) -> Any:
        """R^2; with `build_fn` the negative loss, as Keras 2 had it."""
        if not self._is_old:
            return super().score(X, y, sample_weight)
        check_is_fitted(self)
        X, y = validate_data(
            self, X, y, reset=False, accept_sparse=True, allow_nd=True, multi_output=True
        )
        own = parameters.taken(self.sk_params, "evaluate", without=("callbacks", "steps"))
        arguments = {"verbose": 0, **own, **kwargs, "return_dict": True}
        return -self.model_.evaluate(_dense(X), y, sample_weight=sample_weight, **arguments)["loss"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _dense(X):
    return X.toarray() if hasattr(X, "toarray") else X


def _loss_name(model):
    loss = model.loss
    while isinstance(loss, (list, tuple, dict)) and len(loss) == 1:
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    return "" if loss is None else losses.as_loss(loss).name
