"""What `compile(loss, metrics, weighted_metrics)` means for a model of one output."""

from __future__ import annotations

import numpy as np

from pyseq import checks, losses, metrics
from pyseq.registry.registration import to_snake_case

_ACCURACY = ("accuracy", "acc")
_CROSSENTROPY = ("crossentropy", "ce")
_BY_SHAPE = _ACCURACY + _CROSSENTROPY


def target_kind(y_shape, pred_shape):
    """Return `"binary"`, `"sparse_categorical"` or `"categorical"`, as the shapes suggest.

    Args:
        y_shape, pred_shape: shapes with the batch axis.

    >>> target_kind((None,), (None, 10))
    'sparse_categorical'
    """
    y_shape, pred_shape = tuple(y_shape), tuple(pred_shape)
    if pred_shape and pred_shape[-1] == 1:
        return "binary"
    if len(y_shape) < len(pred_shape) or (y_shape and y_shape[-1] == 1):
        return "sparse_categorical"
    return "categorical"


def _is_name(identifier, names):
    return isinstance(identifier, str) and identifier.lower() in names


def _object_name(obj):
    name = getattr(obj, "name", None)
    if isinstance(name, str):
        return name
    return to_snake_case(getattr(obj, "__name__", type(obj).__name__))


def resolve_metric(identifier, y_shape, pred_shape):
    """Return a `Metric` with its name in logs.

    A string stays the name as it is; a function gives its own name; `"accuracy"`, `"acc"`,
    `"crossentropy"` and `"ce"` become the metric that fits the shapes.

    >>> resolve_metric("acc", (None, 3), (None, 3))
    <CategoricalAccuracy name=acc>
    """
    if identifier is None:
        raise ValueError("compile(metrics): expected a metric, got None; leave it out of the list")
    kind = target_kind(y_shape, pred_shape)
    if _is_name(identifier, _ACCURACY):
        metric = metrics.get(f"{kind}_accuracy")
    elif _is_name(identifier, _CROSSENTROPY):
        metric = metrics.get(f"{kind}_crossentropy")
    else:
        metric = metrics.get(identifier)
    name = identifier if isinstance(identifier, str) else _object_name(metric)
    if not isinstance(metric, metrics.Metric):
        metric = metrics.MeanMetricWrapper(metric, name=name)
    metric.name = name
    return metric


def _listed(identifier):
    single = isinstance(identifier, (str, metrics.Metric)) or callable(identifier)
    return [identifier] if single else identifier


def _flatten(structure):
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in _flatten(structure[key])]
    if isinstance(structure, (list, tuple)):
        return [leaf for item in structure for leaf in _flatten(item)]
    return [structure]


class CompiledMetrics:
    """The metrics of a compiled model: `build`, then `update_state` per batch, then `result`.

    Args:
        metrics: an identifier, a list of them, or a dict or list of such lists; sample weights
            do not touch them.
        weighted_metrics: the same, with sample weights.

    Attributes:
        entries: after `build`, tuples `(name in logs, metric, weighted)` in the order of `result`.

    >>> compiled = CompiledMetrics(["mse"], None)
    >>> compiled.build((None, 1), (None, 1))
    >>> compiled.update_state([[0.0]], [[2.0]])
    >>> compiled.result()
    {'mse': 4.0}
    """

    def __init__(self, metrics=None, weighted_metrics=None):
        metrics, weighted_metrics = map(_listed, (metrics, weighted_metrics))
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value and not isinstance(value, (list, tuple, dict)):
                raise ValueError(
                    f"compile({argument}): expected a list, tuple or dict, got {value!r} of type "
                    f"{type(value).__name__}; write {argument}=[...]"
                )
        self.user_metrics = metrics
        self.user_weighted_metrics = weighted_metrics
        self.entries = []
        self.built = False
        self._kind = None

    def __bool__(self):
        return bool(self.user_metrics or self.user_weighted_metrics)

    def check_names(self):
        """Raise a ValueError for a name that is no metric's; nothing is made."""
        for identifier in (*_flatten(self.user_metrics), *_flatten(self.user_weighted_metrics)):
            if isinstance(identifier, str) and not _is_name(identifier, _BY_SHAPE):
                metrics.deserialize(identifier)

    def names(self):
        """The metrics that were given by name."""
        users = (self.user_metrics, self.user_weighted_metrics)
        return [i for user in users if user for i in _flatten(user) if isinstance(i, str)]

    @property
    def metrics(self):
        """The metric objects, weighted ones last."""
        return [metric for _, metric, _ in self.entries]

    @property
    def variables(self):
        """The variables of all metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def build(self, y_shape, pred_shape):
        """Create the metrics; again only where other shapes give `"accuracy"` another meaning.

        Args:
            y_shape, pred_shape: shapes of targets and predictions, with the batch axis.
        """
        kind = target_kind(y_shape, pred_shape)
        if self.built and kind == self._kind:
            return
        self._kind = kind
        resolved = []
        for user, weighted in ((self.user_metrics, False), (self.user_weighted_metrics, True)):
            for identifier in _flatten(user) if user else ():
                resolved.append((resolve_metric(identifier, y_shape, pred_shape), weighted))
        counts = {}
        self.entries = []
        for metric, weighted in resolved:
            name = metric.name
            if weighted and name in counts:
                name = f"weighted_{name}"
            seen = counts.get(name, 0)
            counts[name] = seen + 1
            self.entries.append((f"{name}_{seen}" if seen else name, metric, weighted))
        self.built = True

    def update_state(self, y_true, y_pred, sample_weight=None, mask=None):
        """Add a batch.

        Args:
            y_true, y_pred: targets and predictions.
            sample_weight: for the weighted metrics, or None.
            mask: 0 or False for rows of the predictions that do not count, or None.
        """
        if not self.built:
            self.build(np.shape(y_true), np.shape(y_pred))
        for _, metric, weighted in self.entries:
            update_metric(metric, y_true, y_pred, sample_weight if weighted else None, mask)

    def result(self):
        """Return `{name: value}`: floats, and arrays of metrics with several values."""
        if not self.built:
            raise ValueError(
                "CompiledMetrics.result: expected build() first, got an unbuilt object; train or "
                "evaluate before reading results"
            )
        return {name: metric_value(name, metric) for name, metric, _ in self.entries}

    def reset_state(self):
        """Empty every metric."""
        for metric in self.metrics:
            metric.reset_state()


def update_metric(metric, y_true, y_pred, sample_weight=None, mask=None):
    """Add a batch to one metric, with the mask where it is of the kind that masks apply to."""
    arguments = {}
    if sample_weight is not None:
        arguments["sample_weight"] = sample_weight
    if mask is not None and getattr(metric, "uses_mask", False):
        arguments["mask"] = mask
    metric.update_state(y_true, y_pred, **arguments)


def metric_value(name, metric):
    """What a metric has measured: a float, an array, or a dict of them under names.

    Args:
        name: the metric's name in logs.
        metric: a `Metric`, or anything with `result()`.

    Raises:
        TypeError: the result is neither, or holds something else than numbers.

    >>> metric = metrics.MeanSquaredError()
    >>> metric.update_state([[0.0]], [[2.0]])
    >>> metric_value("mse", metric)
    4.0
    """
    return _plain(metric.result(), name)


def _plain(value, name):
    if isinstance(value, (float, np.floating)):  # what nearly all are
        return float(value)
    if isinstance(value, dict):
        return {str(key): _plain(item, name) for key, item in value.items()}
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        array = array.astype("float32")
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"metric {name!r}: expected result() to return a number, an array or a dict of them, "
            f"got {value!r} of type {type(value).__name__}; return numbers"
        )
    return float(array) if array.ndim == 0 else array


def flat_results(results):
    """Put the entries of results that are dicts, by name, behind the other results.

    As in Keras, of two entries of one name that of the metric whose name sorts last is kept; here
    with a warning.

    Args:
        results: `{name: value}`, as `metric_value` gives the values.

    >>> flat_results({"loss": 0.5, "counts": {"wrong": 1.0, "right": 3.0}, "mae": 0.25})
    {'loss': 0.5, 'mae': 0.25, 'right': 3.0, 'wrong': 1.0}
    """
    flat, lost = {}, set()
    for name, value in _entries(results):
        if name in flat:
            lost.add(name)
        flat[name] = value
    if lost:
        checks.tell("PS406", sorted(lost))
    order = [name for name in results if name in flat]
    return {name: flat[name] for name in [*order, *sorted(set(flat) - set(order))]}


def _entries(results):
    """Yield `(name, value)`, sorted by name at every level."""
    for name, value in sorted(results.items()):
        if isinstance(value, dict):
            yield from _entries(value)
        else:
            yield name, value


class CompiledLoss:
    """The loss of a compiled model.

    Args:
        loss: identifier, or a list or dict of one; `"crossentropy"` and `"ce"` become the loss
            that fits the shapes.
        loss_weights: number that multiplies the loss, or a list or dict of one.

    Attributes:
        loss: after `build`, a `Loss`, or None.
        weight: the number, 1.0 without `loss_weights`.
        unused: names in logs of further losses, which Keras shows as 0 and does not train on.

    >>> compiled = CompiledLoss("ce", loss_weights=0.5)
    >>> compiled.build((None,), (None, 10))
    >>> compiled.loss.lower()[0], compiled.weight
    ('sparse_categorical_crossentropy', 0.5)
    """

    def __init__(self, loss=None, loss_weights=None):
        if loss_weights is not None and not isinstance(
            loss_weights, (list, tuple, dict, int, float)
        ):
            raise ValueError(
                f"compile(loss_weights): expected a number, or a list or dict of one, got "
                f"{loss_weights!r} of type {type(loss_weights).__name__}"
            )
        self.user_loss = loss
        self.user_loss_weights = loss_weights
        is_config = isinstance(loss, dict) and "class_name" in loss
        self._identifiers = [loss] if is_config else _flatten(loss)
        weights = [1.0] * len(self._identifiers)
        if loss_weights is not None:
            weights = [float(w) for w in _flatten(loss_weights)]
            if len(weights) != len(self._identifiers):
                raise ValueError(
                    f"compile(loss_weights): expected {len(self._identifiers)} weights, one for "
                    f"each loss, got {len(weights)}; this model has one output"
                )
        self.weight = weights[0] if weights else 1.0
        self.loss = None
        self.unused = []
        self.built = False

    def check_names(self):
        """Raise a ValueError for a name that is no loss's; nothing is made."""
        for identifier in self._identifiers:
            if isinstance(identifier, str) and not _is_name(identifier, _CROSSENTROPY):
                losses.deserialize(identifier)

    def build(self, y_shape, pred_shape):
        """Create the loss from shapes with the batch axis."""
        resolved = [_resolve_loss(i, y_shape, pred_shape) for i in self._identifiers]
        self.loss = resolved[0] if resolved else None
        self.unused = []
        if len(resolved) > 1:
            checks.tell("PS405", len(resolved))
            self.unused = [f"{loss.name}_loss" for loss in resolved if loss is not None]
        self.built = True

    def resolve(self, y_shape=None, pred_shape=None):
        """The loss that shapes with the batch axis would give, or None where it is not known."""
        identifier = self._identifiers[0] if self._identifiers else None
        if y_shape is None and _is_name(identifier, _CROSSENTROPY):
            return None
        try:
            return _resolve_loss(identifier, y_shape, pred_shape)
        except (TypeError, ValueError):  # `build` raises it
            return None

    def __call__(self, y_true, y_pred, sample_weight=None, mask=None):
        """Return the weighted loss of a batch."""
        if not self.built:
            self.build(np.shape(y_true), np.shape(y_pred))
        if self.loss is None:
            return 0.0
        arguments = {"sample_weight": sample_weight}
        if mask is not None:
            arguments["mask"] = mask
        return self.loss(y_true, y_pred, **arguments) * self.weight


def _resolve_loss(identifier, y_shape, pred_shape):
    if _is_name(identifier, _CROSSENTROPY):
        function = losses.get(f"{target_kind(y_shape, pred_shape)}_crossentropy")
        return losses.LossFunctionWrapper(function, name=identifier)
    return losses.as_loss(identifier)
