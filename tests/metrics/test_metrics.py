"""Metrics against Keras: values over several batches, weights, configs, names, state."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import inspect
import warnings

import numpy as np
import pytest

from pyseq import losses, metrics, naming


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


def numpy(value):
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def close(ours, theirs, rtol=2e-5, atol=2e-6):
    ours, theirs = np.asarray(ours), numpy(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def data(kind, seed, n=8, t=None, k=4):
    rng = np.random.default_rng(seed)
    shape = (n, k) if t is None else (n, t, k)
    f = np.float32
    if kind == "numbers":
        return rng.normal(size=shape).astype(f), rng.normal(size=shape).astype(f)
    if kind == "positive":
        return rng.uniform(0, 3, shape).astype(f), rng.uniform(0, 3, shape).astype(f)
    if kind == "integers":
        return rng.integers(0, 3, shape), rng.integers(0, 3, shape)
    if kind == "binary":
        # Scores on thresholds and at both ends as well.
        p = rng.choice([0.0, 0.25, 0.5, 1.0], shape) * rng.integers(0, 2, shape)
        return rng.integers(0, 2, shape), np.maximum(p, rng.uniform(0, 1, shape) ** 4).astype(f)
    if kind == "edges":
        return rng.integers(0, 2, shape), rng.choice([0.0, 0.2, 0.5, 0.8, 1.0], shape).astype(f)
    if kind == "column":
        y, p = data("binary", seed, n, None, 1)
        return y, p
    if kind == "one_hot":
        return np.eye(k)[rng.integers(0, k, shape[:-1])].astype(f), softmax(
            rng.normal(size=shape)
        ).astype(f)
    if kind == "sparse":
        return rng.integers(0, k, shape[:-1]), rng.normal(size=shape).astype(f)
    if kind == "sparse_probabilities":
        return rng.integers(0, k, shape[:-1]), softmax(rng.normal(size=shape)).astype(f)
    if kind == "ranked":
        return rng.integers(0, k, n), np.argsort(rng.normal(size=(n, k)))
    if kind == "signs":
        return rng.choice([-1, 1], shape), rng.normal(size=shape).astype(f)
    if kind == "labels":
        return rng.integers(0, k, shape[:-1]), rng.integers(0, k, shape[:-1])
    if kind == "flat_binary":
        return rng.integers(0, 2, n), rng.uniform(size=n).astype(f)
    raise ValueError(kind)


MEANS = [
    ("Accuracy", {}, "integers"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.25}, "edges"),
    ("CategoricalAccuracy", {}, "one_hot"),
    ("SparseCategoricalAccuracy", {}, "sparse"),
    ("TopKCategoricalAccuracy", {"k": 2}, "one_hot"),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "one_hot"),
    ("SparseCategoricalCrossentropy", {}, "sparse_probabilities"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "sparse_probabilities"),
    ("KLDivergence", {}, "one_hot"),
    ("Poisson", {}, "positive"),
    ("MeanSquaredError", {}, "numbers"),
    ("RootMeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("CosineSimilarity", {}, "numbers"),
    ("CosineSimilarity", {"axis": 1}, "numbers"),
    ("LogCoshError", {}, "numbers"),
    ("Hinge", {}, "signs"),
    ("SquaredHinge", {}, "binary"),
    ("CategoricalHinge", {}, "one_hot"),
    ("PearsonCorrelation", {}, "numbers"),
    ("ConcordanceCorrelation", {}, "numbers"),
]
OTHERS = [
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, "ranked"),
    ("TopKCategoricalAccuracy", {"k": 3}, "one_hot"),
    ("R2Score", {}, "numbers"),
    ("R2Score", {"class_aggregation": None}, "numbers"),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "numbers"),
    ("R2Score", {"num_regressors": 2}, "numbers"),
    ("FBetaScore", {}, "one_hot"),
    ("FBetaScore", {"beta": 2.0, "threshold": 0.25}, "edges"),
    ("FBetaScore", {"average": "micro", "beta": 0.5}, "one_hot"),
    ("FBetaScore", {"average": "macro"}, "one_hot"),
    ("F1Score", {"average": "weighted"}, "one_hot"),
    ("F1Score", {}, "one_hot"),
    ("F1Score", {"average": "macro", "threshold": 0.5}, "binary"),
    *(
        (name, args, kind)
        for name in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives")
        for args in ({}, {"thresholds": [0.8, 0.2, 0.5]}, {"thresholds": [0.0, 0.5, 1.0]})
        for kind in ("binary", "edges", "flat_binary", "column")
    ),
    *(
        (name, args, kind)
        for name in ("Precision", "Recall")
        for args, kind in (
            ({}, "binary"),
            ({}, "column"),
            ({"thresholds": 0.25}, "edges"),
            ({"thresholds": [0.9, 0.1]}, "binary"),
            ({"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "edges"),
            ({"top_k": 2}, "one_hot"),
            ({"class_id": 1}, "binary"),
            ({"class_id": 1, "top_k": 2}, "one_hot"),
        )
    ),
    *(
        (name, {key: 0.4, **more}, kind)
        for name, key in (
            ("SensitivityAtSpecificity", "specificity"),
            ("SpecificityAtSensitivity", "sensitivity"),
            ("PrecisionAtRecall", "recall"),
            ("RecallAtPrecision", "precision"),
        )
        for more, kind in (
            ({}, "binary"),
            ({"num_thresholds": 11}, "edges"),
            ({"num_thresholds": 1}, "binary"),
            ({"class_id": 2}, "binary"),
        )
    ),
    *(
        ("AUC", {"curve": curve, "summation_method": method}, kind)
        for curve in ("ROC", "PR", "PRGAIN")
        for method in ("interpolation", "majoring", "minoring")
        for kind in ("binary", "edges")
    ),
    ("AUC", {"thresholds": [0.7, 0.2]}, "binary"),
    ("AUC", {"thresholds": [0.5]}, "edges"),
    ("AUC", {"multi_label": True}, "binary"),
    ("AUC", {"multi_label": True, "num_labels": 4, "curve": "PR"}, "binary"),
    ("AUC", {"multi_label": True, "label_weights": [0.1, 0.2, 0.3, 0.4]}, "binary"),
    ("AUC", {"label_weights": [0.1, 0.2, 0.3, 0.4]}, "binary"),
    ("AUC", {"multi_label": True, "thresholds": [0.2, 0.3]}, "binary"),
    ("AUC", {"from_logits": True}, "signs"),
    ("AUC", {"num_thresholds": 5}, "column"),
    ("AUC", {}, "flat_binary"),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, "labels"),
    ("IoU", {"num_classes": 3, "target_class_ids": [1], "ignore_class": 0}, "labels"),
    (
        "IoU",
        {"num_classes": 4, "target_class_ids": [1], "sparse_y_pred": False},
        "sparse",
    ),
    ("MeanIoU", {"num_classes": 4}, "labels"),
    ("MeanIoU", {"num_classes": 5, "ignore_class": 2}, "labels"),
    ("BinaryIoU", {}, "edges"),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.2}, "edges"),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 3]}, "one_hot"),
    ("OneHotMeanIoU", {"num_classes": 4}, "one_hot"),
]


def identity(case):
    name, args, kind = case
    return f"{name}-{'-'.join(f'{k}{v}' for k, v in args.items())}-{kind}"


def make(keras, name, args):
    naming.reset_uids()
    keras.src.utils.naming.reset_uids()
    return getattr(metrics, name)(**args), getattr(keras.metrics, name)(**args)


def weights_for(name, shape, seed):
    rng = np.random.default_rng(100 + seed)
    if "IoU" in name:
        return rng.integers(0, 4, shape)
    return rng.uniform(0, 2, shape).astype("float32")


@pytest.mark.parametrize("case", MEANS + OTHERS, ids=identity)
@pytest.mark.parametrize("weighted", [False, True])
def test_batches(keras, case, weighted):
    name, args, kind = case
    ours, theirs = make(keras, name, args)
    assert ours._direction == (theirs._direction if hasattr(theirs, "_direction") else None)
    for seed, n in ((0, 8), (1, 5)):
        y, p = data(kind, seed, n=n)
        w = None
        if weighted:
            per_element = "IoU" in name and y.ndim == p.ndim and "OneHot" not in name
            w = weights_for(name, y.shape if per_element else len(y), seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours.update_state(y, p, sample_weight=w)
            theirs.update_state(y, p, sample_weight=w)
            close(ours.result(), theirs.result())
    ours.reset_state()
    assert all((v.numpy() == 0).all() for v in ours.variables)
    assert len(ours.variables) == len(theirs.variables)
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]
    assert [v.path for v in ours.variables] == [v.path for v in theirs.variables]


@pytest.mark.parametrize("case", MEANS, ids=identity)
def test_time_axis_weights_and_masks(keras, case):
    name, args, kind = case
    y, p = data(kind, 3, t=3)
    for shape in ((8,), (8, 3), None):
        if shape == (8, 3) and args.get("axis") == 1:
            continue  # its values are (8, 4)
        if shape == (8,) and "ignore_class" in args:
            continue  # fails in Keras on torch, which multiplies (8,) by (8, 3) in place
        ours, theirs = make(keras, name, args)
        w = None if shape is None else weights_for(name, shape, 1)
        ours.update_state(y, p, sample_weight=w)
        theirs.update_state(y, p, sample_weight=w)
        close(ours.result(), theirs.result())
        if not ours.uses_mask or args.get("axis") == 1:
            continue
        mask = np.random.default_rng(0).integers(0, 2, (8, 3)).astype(bool)
        ours, theirs = make(keras, name, args)
        masked = keras.ops.convert_to_tensor(p)
        masked._keras_mask = keras.ops.convert_to_tensor(mask)
        try:
            theirs.update_state(y, masked, sample_weight=w)
        except RuntimeError:
            continue
        ours.update_state(y, p, sample_weight=w, mask=mask)
        close(ours.result(), theirs.result())


@pytest.mark.parametrize("case", MEANS + OTHERS, ids=identity)
def test_config_round_trip(keras, case):
    name, args, _ = case
    ours, theirs = make(keras, name, {**args, "name": "m"})
    expected = theirs.get_config()
    config = ours.get_config()
    unsaved = set(config) - set(expected)
    for key, value in expected.items():
        value = numpy(value).tolist() if hasattr(value, "detach") else value
        same = config[key] == value
        assert same or config[key] == pytest.approx(value), key
    assert all(args.get(k) == config[k] for k in unsaved)
    again = metrics.deserialize(metrics.serialize(ours))
    assert type(again) is type(ours)
    assert again.get_config() == config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch meets NumPy 2
        back = metrics.deserialize(keras.metrics.serialize(theirs))
    assert type(back) is type(ours)
    assert metrics.serialize(ours)["module"] == "keras.metrics"


def test_every_keras_metric_exists(keras):
    missing = [n for n in dir(keras.metrics) if n[0] != "_" and not hasattr(metrics, n)]
    assert not missing
    classes = {n for n in dir(keras.metrics) if isinstance(getattr(keras.metrics, n), type)}
    tested = {name for name, _, _ in MEANS + OTHERS}
    assert classes - tested == {"Metric", "Mean", "Sum", "MeanMetricWrapper"}


def test_signatures(keras):
    for name in dir(keras.metrics):
        theirs = getattr(keras.metrics, name)
        if name[0] == "_" or not callable(theirs):
            continue
        ours = getattr(metrics, name)
        theirs = theirs.__init__ if isinstance(theirs, type) else theirs
        ours = ours.__init__ if isinstance(ours, type) else ours
        expected = [(k, p.default) for k, p in inspect.signature(theirs).parameters.items()]
        actual = [(k, p.default) for k, p in inspect.signature(ours).parameters.items()]
        assert actual == expected, name


def test_names_and_identifiers(keras):
    from keras.src.metrics import ALL_OBJECTS_DICT

    for name, theirs in ALL_OBJECTS_DICT.items():
        assert metrics._by_name(name).__name__ == theirs.__name__
    naming.reset_uids()
    assert [metrics.AUC().name for _ in range(3)] == ["auc", "auc_1", "auc_2"]
    assert metrics.MeanIoU(2).name == "mean_io_u"
    assert metrics.get("log_cosh_error").name == "logcosh"
    assert metrics.get(metrics.AUC).curve == "ROC"
    assert metrics.get(None) is None
    with pytest.raises(ValueError, match=r"metrics\.get: expected the name of a metric, got 'kldd'"):
        metrics.get("kldd")


FUNCTIONS = {
    "binary_accuracy": "binary",
    "categorical_accuracy": "one_hot",
    "sparse_categorical_accuracy": "sparse",
    "top_k_categorical_accuracy": "one_hot",
    "sparse_top_k_categorical_accuracy": "sparse",
    "pearson_correlation": "numbers",
    "concordance_correlation": "numbers",
}


@pytest.mark.parametrize(("name", "kind"), FUNCTIONS.items())
@pytest.mark.parametrize("t", [None, 3])
def test_functions(keras, name, kind, t):
    y, p = data(kind, 0, t=t, k=7)
    close(getattr(metrics, name)(y, p), getattr(keras.metrics, name)(y, p))
    assert getattr(metrics, name)(y, p).dtype == np.float32
    if kind == "sparse" and "top_k" not in name:
        close(
            getattr(metrics, name)(y[..., None], p), getattr(keras.metrics, name)(y[..., None], p)
        )


def test_top_k_ties_and_large_k():
    y, p = np.array([[0, 0, 1]]), np.array([[0.5, 0.5, 0.5]])
    assert metrics.top_k_categorical_accuracy(y, p, k=1).tolist() == [1.0]
    assert metrics.top_k_categorical_accuracy(y, p, k=9).tolist() == [1.0]


def test_mean_and_sum(keras):
    rng = np.random.default_rng(0)
    for name in ("Mean", "Sum"):
        for shape, weight in (
            ((5,), None),
            ((5, 3), (5,)),
            ((5, 3), (5, 3)),
            ((5, 1), (5,)),
            ((), None),
        ):
            ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
            for _ in range(2):
                values = rng.normal(size=shape)
                w = None if weight is None else rng.uniform(size=weight)
                ours.update_state(values, w)
                theirs.update_state(values, w)
            close(ours.result(), theirs.result(), rtol=1e-4)
    assert float(metrics.Mean().result()) == 0.0


def test_long_sums_keep_counting():
    total = metrics.Mean()
    total.add_total_count(2.0**24, 2.0**24)
    total.add_total_count(1.0, 1.0)
    assert float(total.count) == 2.0**24 + 1


@pytest.mark.parametrize("case", MEANS, ids=identity)
def test_lowered_functions_give_the_same_mean(case):
    name, args, kind = case
    metric = getattr(metrics, name)(**args)
    lowered = metric.lower()
    if lowered is None:
        assert name in ("Accuracy", "PearsonCorrelation", "ConcordanceCorrelation") or args.get(
            "ignore_class"
        )
        return
    function = getattr(losses, lowered[0], None) or getattr(metrics, lowered[0])
    y, p = data(kind, 0)
    values = np.asarray(function(y, p, **lowered[1]), dtype=np.float64)
    values = values.mean(axis=tuple(range(1, values.ndim)))
    metric.add_total_count(values.sum(), len(values))
    other = getattr(metrics, name)(**args)
    close(metric.result(), other(y, p))


def test_stateless(keras):
    y, p = data("binary", 0)
    ours, theirs = metrics.Precision(), keras.metrics.Precision()
    start = ours.stateless_reset_state()
    after = ours.stateless_update_state(start, y, p)
    for a, b in zip(
        after, theirs.stateless_update_state(theirs.stateless_reset_state(), y, p), strict=True
    ):
        close(a, b)
    assert float(ours.result()) == 0.0
    assert float(ours.stateless_result(after)) > 0.0
    with pytest.raises(ValueError, match="expected 2 values, one for each of its variables"):
        ours.stateless_result([0])


def test_custom_metric():
    class Largest(metrics.Metric):
        def __init__(self, name="largest", **kwargs):
            super().__init__(name=name, **kwargs)
            self.value = self.add_weight(name="value", initializer="zeros")
            self.inner = metrics.Mean()

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.value.assign(max(self.value.numpy(), np.max(y_pred)))
            self.inner.update_state(y_pred)

        def result(self):
            return self.value

    metric = Largest()
    assert float(metric([0.0], [3.0])) == 3.0
    assert float(metric([0.0], [2.0])) == 3.0
    assert len(metric.variables) == 3
    assert metric.variables[0].path == "largest/value"
    metric.reset_state()
    assert float(metric.result()) == 0.0
    assert metric.lower() is None
    assert type(Largest.from_config(metric.get_config())) is Largest


def test_wrapper_of_functions(keras):
    y, p = data("numbers", 0)
    ours = metrics.MeanMetricWrapper(losses.huber, name="h", delta=0.3)
    theirs = keras.metrics.MeanMetricWrapper(keras.losses.huber, name="h", delta=0.3)
    close(ours(y, p), theirs(y, p))
    assert ours._direction == theirs._direction == "down"
    assert ours.get_config() == theirs.get_config()
    assert ours.lower() == ("huber", {"delta": 0.3})
    assert metrics.deserialize(metrics.serialize(ours)).lower() == ours.lower()
    dice = metrics.MeanMetricWrapper(losses.dice)
    assert dice.lower() is None
    assert dice(y, p).shape == ()


def test_results_are_not_views_of_the_state():
    metric = metrics.TruePositives(thresholds=[0.1, 0.5])
    first = metric([1, 1], [0.3, 0.7])
    metric.update_state([1, 1], [0.3, 0.7])
    assert first.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("action", "error", "text"),
    [
        (lambda: metrics.Precision(thresholds=[1.5]), ValueError, r"Precision\(thresholds\)"),
        (lambda: metrics.AUC(curve="roc2"), ValueError, r"AUC\(curve\): expected one of"),
        (lambda: metrics.AUC(summation_method="x"), ValueError, r"AUC\(summation_method\)"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, "integer > 1"),
        (lambda: metrics.AUC(num_labels=2), ValueError, "without multi_label=True"),
        (lambda: metrics.PrecisionAtRecall(2), ValueError, r"\(recall\): expected a number"),
        (lambda: metrics.RecallAtPrecision(0.5, 0), ValueError, r"\(num_thresholds\)"),
        (lambda: metrics.FBetaScore(beta=1), ValueError, r"\(beta\): expected a float"),
        (lambda: metrics.F1Score(threshold=2.0), ValueError, r"F1Score\(threshold\)"),
        (lambda: metrics.F1Score(average="x"), ValueError, r"\(average\)"),
        (lambda: metrics.F1Score()([1], [1.0]), ValueError, "to_categorical"),
        (lambda: metrics.R2Score("x"), ValueError, r"\(class_aggregation\)"),
        (lambda: metrics.R2Score(num_regressors=-1), ValueError, r"\(num_regressors\)"),
        (lambda: metrics.R2Score()([1.0], [1.0]), ValueError, r"expected targets and predictions"),
        (lambda: metrics.IoU(2, [2]), ValueError, "target_class_ids"),
        (lambda: metrics.MeanIoU(2)([0, 1], [[0, 1], [1, 0]]), ValueError, "sparse_y_pred=False"),
        (lambda: metrics.Precision()([0, 1], np.ones((2, 3))), ValueError, "to_categorical"),
        (lambda: metrics.Precision(class_id=1)([1, 0], [1.0, 0.0]), ValueError, "class_id"),
        (lambda: metrics.AUC(multi_label=True)([1], [1.0]), ValueError, "multi_label=True"),
        (lambda: metrics.CategoricalAccuracy()([1], [[0, 1]]), ValueError, "sparse_categorical"),
        (lambda: metrics.TopKCategoricalAccuracy.from_config({"q": 1}), ValueError, "got 'q'"),
        (lambda: metrics.Mean()([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, "sample_weight"),
        (lambda: metrics.Metric().result(), TypeError, "defines result"),
        (lambda: metrics.Metric().update_state(), TypeError, "defines update_state"),
    ],
)
def test_messages(action, error, text):
    with pytest.raises(error, match=text):
        action()


def test_missing_super_init():
    class Broken(metrics.Metric):
        def __init__(self):
            pass

    with pytest.raises(RuntimeError, match=r"super\(\).__init__"):
        Broken().add_weight()


def test_r2_with_too_many_regressors_warns():
    with pytest.warns(UserWarning, match="the plain score is returned"):
        metrics.R2Score(num_regressors=9)([[1.0], [2.0]], [[1.0], [2.0]])


def test_iou_fractional_weights_warn():
    with pytest.warns(UserWarning, match="expected integer sample weights"):
        metrics.MeanIoU(2)([0, 1], [0, 1], sample_weight=[0.5, 1.0])


SPARSE_SHAPES = [
    ((2, 1), (2, 2, 2)),
    ((2, 1), (2, 3, 4)),
    ((2, 1), (1, 2, 3)),
    ((3,), (2, 3, 4)),
    ((2, 3), (3, 4)),
    ((2, 1, 1), (2, 3, 4)),
    ((2,), (2, 3, 4)),
    ((1, 1), (2, 4)),
    ((2, 4), (2, 4)),
]


@pytest.mark.parametrize(
    "name, arguments",
    [("SparseCategoricalAccuracy", {}), ("SparseTopKCategoricalAccuracy", {"k": 2})],
)
@pytest.mark.parametrize("label_shape, score_shape", SPARSE_SHAPES)
def test_labels_of_other_shapes_than_the_scores(keras, name, arguments, label_shape, score_shape):
    rng = np.random.default_rng(3)
    y, p = rng.integers(0, score_shape[-1], label_shape), rng.uniform(size=score_shape)
    ours = getattr(metrics, name)(**arguments)
    try:
        want = getattr(keras.metrics, name)(**arguments)(y, p)
    except RuntimeError:
        with pytest.raises(ValueError, match="expected one label for each row of scores"):
            ours(y, p)
    else:
        close(ours(y, p), want)


HALVES = [
    ("Mean", {}, None),
    ("Sum", {}, None),
    ("RootMeanSquaredError", {}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("Precision", {"thresholds": [0.2, 0.7]}, "binary"),
    ("TruePositives", {}, "binary"),
    ("AUC", {}, "binary"),
    ("PrecisionAtRecall", {"recall": 0.5}, "binary"),
    ("F1Score", {}, "one_hot"),
    ("R2Score", {}, "numbers"),
    ("PearsonCorrelation", {}, "numbers"),
]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name, arguments, kind", HALVES)
def test_16_bit_results_are_those_of_float32_rounded(keras, name, arguments, kind, dtype):
    pytest.importorskip("ml_dtypes")
    ours, exact = (getattr(metrics, name)(**arguments, dtype=d) for d in (dtype, "float32"))
    for seed in range(3):
        batch = data(kind or "numbers", seed)[: 2 if kind else 1]
        ours.update_state(*batch)
        exact.update_state(*batch)
    assert ours.result().dtype.name == ours.dtype == dtype
    assert ours.get_config()["dtype"] == getattr(keras.metrics, name)(
        **arguments, dtype=dtype
    ).get_config()["dtype"]
    np.testing.assert_array_equal(ours.result(), exact.result().astype(ours.result().dtype))
    assert all(np.dtype(v.dtype).itemsize >= 4 for v in ours.variables)


def test_sums_of_16_bit_metrics_go_on_growing():
    mean, total = metrics.Mean(dtype="float16"), metrics.Sum(dtype="float16")
    for _ in range(50):
        mean.update_state(np.ones(100))
        total.update_state(np.ones(100))
    assert mean.result() == 1 and total.result() == 5000


def test_variables_of_16_bits_are_for_who_asks():
    metric = metrics.Metric(dtype="float16")
    assert metric.add_variable((), "zeros", dtype="float16").dtype == "float16"
    assert metric.add_variable((), "zeros").dtype == "float32"
    start = np.array([18729665, 1])
    assert metric.add_variable((2,), start, dtype="int").numpy().tolist() == start.tolist()


def holder(module):
    class Holder(module.metrics.Metric):
        def __init__(self):
            super().__init__(name="holder")
            self.first = self.add_variable((), "zeros", name="first")

        def update_state(self, value):
            for v in self.variables:
                v.assign(v + value)

        def result(self):
            return self.first / 1

    def variable(value, name):
        return module.Variable(value, trainable=False, name=name)

    metric = Holder()
    metric.listed = [variable([1.0, 2.0], "a"), [variable(2.0, "b")]]
    metric.named = {"x": {"y": (variable(3.0, "c"), module.metrics.Mean(name="inner"))}}
    metric.listed.append(variable(4.0, "d"))
    metric.listed.append(module.metrics.Sum(name="late"))
    return metric


def test_variables_and_metrics_in_lists_and_dicts_are_tracked(keras):
    import pyseq

    ours, theirs = holder(pyseq), holder(keras)
    assert [v.name for v in ours.variables] == [v.name for v in theirs.variables]
    ours.update_state(1.0)
    assert [v.numpy().tolist() for v in ours.variables][:3] == [1.0, [2.0, 3.0], 3.0]
    ours.reset_state()
    assert not any(np.any(v.numpy()) for v in ours.variables)


def test_stateless_methods_change_nothing(keras):
    import pyseq

    ours, theirs = holder(pyseq), holder(keras)
    state = [np.full(v.shape, i + 0.5, "float32") for i, v in enumerate(ours.variables)]
    new, want = (m.stateless_update_state(state, 2.0) for m in (ours, theirs))
    assert [np.asarray(v).tolist() for v in new] == [numpy(v).tolist() for v in want]
    close(ours.stateless_result(new), theirs.stateless_result(want))
    assert not any(np.any(v) for v in ours.stateless_reset_state())
    got = [v.numpy().tolist() for v in ours.variables]
    assert got == [numpy(v.value).tolist() for v in theirs.variables]
    for method in (ours.stateless_update_state, ours.stateless_result):
        with pytest.raises(ValueError, match="expected 8 values"):
            method(state[:1])
