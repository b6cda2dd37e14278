"""Losses against Keras: values, weights, masks, reductions, configs, names."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import sys

import numpy as np
import pytest

import pyseq
from pyseq import config, dtype_policies, losses, metrics
from pyseq.losses.base import reduce_weighted_values

REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


def numpy(value):
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def data(kind, seed=0, n=7, t=None, k=5):
    rng = np.random.default_rng(seed)
    shape = (n, k) if t is None else (n, t, k)
    if kind == "numbers":
        return rng.normal(size=shape), rng.normal(size=shape)
    if kind == "positive":
        return rng.uniform(0, 3, shape), rng.uniform(0, 3, shape)
    if kind == "binary":
        return rng.integers(0, 2, shape), rng.uniform(0, 1, shape)
    if kind == "binary_logits":
        return rng.integers(0, 2, shape), 4 * rng.normal(size=shape)
    if kind == "one_hot":
        return np.eye(k)[rng.integers(0, k, shape[:-1])], softmax(rng.normal(size=shape))
    if kind == "one_hot_logits":
        return np.eye(k)[rng.integers(0, k, shape[:-1])], 3 * rng.normal(size=shape)
    if kind == "sparse":
        return rng.integers(0, k, shape[:-1]), rng.uniform(0, 1, shape)
    if kind == "sparse_logits":
        return rng.integers(0, k, shape[:-1]), 3 * rng.normal(size=shape)
    if kind == "signs":
        return rng.choice([-1, 1], shape), rng.normal(size=shape)
    if kind == "embeddings":
        e = rng.normal(size=(n, k))
        return rng.integers(0, 3, n), e / np.linalg.norm(e, axis=-1, keepdims=True)
    if kind == "ctc":
        labels = rng.integers(1, k, (n, 4))
        labels[0, 2:] = 0
        labels[1] = 0
        labels[2, 1:3] = labels[2, 0]
        return labels, rng.normal(size=(n, 9, k))
    raise ValueError(kind)


CASES = [
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, "binary_logits"),
    ("BinaryCrossentropy", {"axis": 1}, "binary"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "alpha": 0.4, "gamma": 3.0, "label_smoothing": 0.1},
        "binary",
    ),
    ("BinaryFocalCrossentropy", {"from_logits": True}, "binary_logits"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "one_hot_logits"),
    ("CategoricalFocalCrossentropy", {}, "one_hot"),
    ("CategoricalFocalCrossentropy", {"alpha": [0.1, 0.2, 0.3, 0.4, 0.5]}, "one_hot"),
    (
        "CategoricalFocalCrossentropy",
        {"from_logits": True, "gamma": 1.5, "label_smoothing": 0.1},
        "one_hot_logits",
    ),
    ("SparseCategoricalCrossentropy", {}, "sparse"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse_logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, "sparse"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}, "sparse_logits"),
    ("CategoricalGeneralizedCrossEntropy", {}, "sparse"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.9}, "sparse"),
    ("KLDivergence", {}, "one_hot"),
    ("Poisson", {}, "positive"),
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("MeanSquaredLogarithmicError", {}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("CosineSimilarity", {"axis": 1}, "numbers"),
    ("Huber", {}, "numbers"),
    ("Huber", {"delta": 0.3}, "numbers"),
    ("LogCosh", {}, "numbers"),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "binary"),
    ("Hinge", {}, "numbers"),
    ("SquaredHinge", {}, "binary"),
    ("CategoricalHinge", {}, "one_hot"),
    ("Dice", {}, "binary"),
    ("Dice", {"axis": (1,)}, "binary"),
    ("Tversky", {}, "binary"),
    ("Tversky", {"alpha": 0.2, "beta": 0.7, "axis": (1,)}, "binary"),
    ("Circle", {}, "embeddings"),
    ("Circle", {"gamma": 4.0, "margin": 0.1, "remove_diagonal": False}, "embeddings"),
    ("CTC", {}, "ctc"),
]
IDS = [f"{name}-{'-'.join(map(str, args))}-{kind}" for name, args, kind in CASES]
ROWLESS = ("Dice", "Tversky")
FIXED_RANK = ("Circle", "CTC")


def close(ours, theirs, rtol=2e-5, atol=2e-6):
    ours, theirs = np.asarray(ours), numpy(theirs)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "args", "kind"), CASES, ids=IDS)
@pytest.mark.parametrize("t", [None, 3])
def test_values_and_reductions(keras, name, args, kind, t):
    if t is not None and name in FIXED_RANK:
        pytest.skip("this loss has a fixed rank")
    y, p = data(kind, t=t)
    p = p.astype("float32")
    ours_fn = getattr(losses, name)
    theirs_fn = getattr(keras.losses, name)
    close(ours_fn(**args)(y, p), theirs_fn(**args)(y, p))
    values = numpy(theirs_fn(**args, reduction="none")(y, p))
    rng = np.random.default_rng(1)
    weights = rng.uniform(0, 2, values.shape).astype("float32")
    mask = rng.integers(0, 2, values.shape).astype(bool)
    for reduction in REDUCTIONS:
        ours = ours_fn(**args, reduction=reduction)
        theirs = theirs_fn(**args, reduction=reduction)
        close(ours(y, p), theirs(y, p))
        close(ours(y, p, weights), theirs(y, p, weights))
        if values.ndim:
            row_weights = weights.reshape(len(values), -1)[:, :1]
            # Keras on torch multiplies (N, 1) weights by an (N, T) mask in place, which fails.
            if t is None or "ignore_class" not in args:
                close(ours(y, p, row_weights), theirs(y, p, row_weights))
            masked = keras.ops.convert_to_tensor(p)
            masked._keras_mask = keras.ops.convert_to_tensor(mask)
            close(ours(y, p, mask=mask), theirs(y, masked))
            close(ours(y, p, weights, mask=mask), theirs(y, masked, weights))


@pytest.mark.parametrize(("name", "args", "kind"), CASES, ids=IDS)
def test_config_round_trip_and_lower(keras, name, args, kind):
    loss = getattr(losses, name)(**args)
    theirs = getattr(keras.losses, name)(**args)
    expected = theirs.get_config()
    config = loss.get_config()
    assert {k: config[k] for k in expected} == expected
    if not args:
        assert config == expected
        assert loss.name == theirs.name
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == config
    assert again._fn_kwargs == loss._fn_kwargs
    serialized = keras.losses.serialize(theirs)
    assert losses.serialize(getattr(losses, name)())["module"] == serialized["module"]
    assert type(losses.deserialize(serialized)) is type(loss)
    lowered, attributes = loss.lower()
    assert lowered == loss.fn.__name__
    y, p = data(kind)
    close(loss.fn(y, p, **attributes), loss.fn(y, p, **loss._fn_kwargs))


def test_every_keras_loss_exists(keras):
    missing = [n for n in dir(keras.losses) if n[0] != "_" and not hasattr(losses, n)]
    assert not missing
    tested = {name for name, _, _ in CASES}
    classes = {n for n in dir(keras.losses) if isinstance(getattr(keras.losses, n), type)}
    assert classes - tested == {"Loss"}


def test_signatures(keras):
    import inspect

    for name in dir(keras.losses):
        theirs = getattr(keras.losses, name)
        if name[0] == "_" or not callable(theirs):
            continue
        ours = getattr(losses, name)
        theirs = theirs.__init__ if isinstance(theirs, type) else theirs
        ours = ours.__init__ if isinstance(ours, type) else ours
        expected = {k: p.default for k, p in inspect.signature(theirs).parameters.items()}
        actual = {k: p.default for k, p in inspect.signature(ours).parameters.items()}
        assert list(actual.items()) == list(expected.items()), name


def test_identifiers(keras):
    from keras.src.losses import ALL_OBJECTS_DICT

    for name, theirs in ALL_OBJECTS_DICT.items():
        if name == "LossFunctionWrapper":
            continue
        ours = losses.get(name)
        expected = theirs if isinstance(theirs, type) else theirs.__name__
        actual = type(ours).__name__ if isinstance(theirs, type) else ours.__name__
        assert actual == (expected.__name__ if isinstance(theirs, type) else expected), name
        wrapped = losses.as_loss(name)
        if not isinstance(theirs, type):
            assert wrapped.name == name
        if name != "Loss":
            assert wrapped.lower() is not None
    assert losses.get(None) is None
    with pytest.raises(ValueError, match=r"losses\.get: expected the name of a loss, got 'nope'"):
        losses.get("nope")
    with pytest.raises(ValueError, match=r"losses\.get"):
        losses.get(3)


FUNCTIONS = {
    "binary_crossentropy": "binary",
    "categorical_crossentropy": "one_hot",
    "sparse_categorical_crossentropy": "sparse",
    "kl_divergence": "one_hot",
    "poisson": "positive",
    "mean_squared_error": "numbers",
    "hinge": "binary",
    "log_cosh": "numbers",
    "cosine_similarity": "numbers",
    "huber": "numbers",
}


@pytest.mark.parametrize(("name", "kind"), FUNCTIONS.items())
def test_functions_keep_float64(name, kind, keras):
    y, p = data(kind)
    ours = getattr(losses, name)(y, p)
    assert ours.dtype == np.float64
    if name != "sparse_categorical_crossentropy":
        y = y.astype("float64")
    close(ours, getattr(keras.losses, name)(y, p), rtol=1e-6, atol=1e-6)


def test_functions_take_lists():
    assert losses.mean_squared_error([[1, 2]], [[1, 4]]).dtype == np.float32
    assert losses.mean_squared_error([[1, 2]], [[1, 4]]).tolist() == [2.0]


def test_rank_of_targets_is_fixed(keras):
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=6), rng.normal(size=(6, 1))
    close(losses.MeanSquaredError()(y, p), keras.losses.MeanSquaredError()(y, p))
    labels = rng.integers(0, 4, (6, 1))
    scores = rng.uniform(size=(6, 4))
    close(
        losses.SparseCategoricalCrossentropy()(labels, scores),
        keras.losses.SparseCategoricalCrossentropy()(labels, scores),
    )


def test_extreme_predictions(keras):
    y, p = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]], "float32")
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy", "KLDivergence"):
        close(getattr(losses, name)()(y, p), getattr(keras.losses, name)()(y, p), rtol=1e-4)
    big = np.array([[80.0, -80.0]], "float32")
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy"):
        loss = getattr(losses, name)(from_logits=True)
        close(loss(1 - y, big), getattr(keras.losses, name)(from_logits=True)(1 - y, big))
    assert np.isfinite(losses.log_cosh([[0.0]], [[1000.0]]))


def test_ctc_that_cannot_fit_is_infinite(keras):
    y, p = np.array([[1, 1, 1]]), np.zeros((1, 3, 4), "float32")
    assert np.isinf(losses.ctc(y, p)).all()
    assert np.isinf(numpy(keras.losses.ctc(y, p))).all()


CTC_LABELS = ([1, 0, 2], [0, 0, 2], [0, 3, 0], [1, 2, 0], [2, 0, 0], [0, 0, 0], [3, 0, 3])


@pytest.mark.parametrize("labels", CTC_LABELS)
def test_ctc_counts_labels_from_the_left(keras, labels):
    """Keras takes as many labels as are not 0, blanks among them; the kernel does as well."""
    y, p = np.array([labels]), np.random.default_rng(1).normal(size=(1, 5, 4)).astype("float32")
    want = float(keras.losses.CTC()(y, p))
    assert float(losses.CTC()(y, p)) == pytest.approx(want, rel=1e-5)
    model = pyseq.Sequential([pyseq.Input((5, 4)), pyseq.layers.Activation("linear")])
    model.compile("sgd", "ctc")
    assert model.evaluate(p, y, verbose=0) == pytest.approx(want, rel=1e-5)


def test_ctc_of_a_batch_with_a_blank_within():
    logits = (np.arange(24).reshape(2, 4, 3).astype("float32") - 12) / 100
    assert float(losses.CTC()([[1, 2, 1, 0], [1, 2, 0, 2]], logits)) == pytest.approx(2.448645, 1e-6)


def test_circle_with_references(keras):
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(9, 4)).astype("float32")
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    labels = rng.integers(0, 3, 9)
    args = (labels[:5], unit[:5], labels[5:], unit[5:], False)
    close(losses.circle(*args), keras.losses.circle(*args), rtol=1e-4)


def test_custom_losses():
    class Absolute(losses.Loss):
        def call(self, y_true, y_pred):
            return np.abs(y_true - y_pred).mean(axis=-1)

    loss = Absolute()
    assert loss.name.startswith("absolute")
    assert float(loss([[0.0], [0.0]], [[1.0], [3.0]], sample_weight=[1.0, 0.0])) == 0.5
    assert loss.lower() is None
    assert Absolute.from_config(loss.get_config()).name == loss.name

    def fourth(y_true, y_pred):
        return ((y_true - y_pred) ** 4).mean(axis=-1)

    wrapped = losses.as_loss(fourth)
    assert wrapped.name == "fourth"
    assert wrapped.lower() is None
    assert float(wrapped([[0.0]], [[2.0]])) == 16.0
    again = type(wrapped).from_config(losses.as_loss(losses.huber).get_config())
    assert again.fn is losses.huber


def test_overridden_call_is_not_lowered():
    class Halved(losses.MeanSquaredError):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred) / 2

    assert Halved().lower() is None
    assert float(Halved()([[0.0]], [[2.0]])) == 2.0


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: losses.MeanSquaredError(reduction="avg"), ValueError, r"Loss\(reduction\)"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), ValueError, r"in \(0, 1\)"),
        (
            lambda: losses.MeanSquaredError()(np.zeros((2, 3)), np.zeros((2, 4))),
            ValueError,
            "mean_squared_error: expected targets and predictions of one shape",
        ),
        (
            lambda: losses.CategoricalCrossentropy()([1, 2], np.ones((2, 3))),
            ValueError,
            "sparse_categorical_crossentropy for integer",
        ),
        (
            lambda: losses.BinaryCrossentropy()(np.zeros((2, 3)), np.ones((2, 1))),
            ValueError,
            "binary_crossentropy: expected y_true of the shape",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy()([0, 3], np.ones((2, 3))),
            ValueError,
            r"expected labels in \[0, 3\), got 0 to 3",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy()(np.ones((2, 3)), np.ones((2, 3))),
            ValueError,
            "use categorical_crossentropy for one-hot",
        ),
        (lambda: losses.ctc([[9]], np.zeros((1, 2, 3))), ValueError, r"labels in \[0, 3\)"),
        (lambda: losses.ctc([9], np.zeros((1, 2, 3))), ValueError, r"labels \(N, L\)"),
        (lambda: losses.circle([0], np.zeros((2, 3))), ValueError, r"embeddings \(N, D\)"),
        (lambda: losses.Loss()([1.0], [1.0]), TypeError, "defines call"),
        (
            lambda: losses.MeanSquaredError()(np.zeros((4, 2)), np.zeros((4, 2)), np.ones(3)),
            ValueError,
            "sample_weight: expected weights that fit",
        ),
        (
            lambda: losses.categorical_crossentropy([[1.0, 0]], [[1.0, 0]], axis=True),
            ValueError,
            r"\(axis\): expected an integer",
        ),
        (
            lambda: losses.Huber.from_config({"delta": 1.0, "surprise": 2}),
            ValueError,
            "got 'surprise'",
        ),
    ],
)
def test_messages(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_one_class_warns():
    with pytest.warns(pyseq.checks.CheckWarning, match=r"use binary_crossentropy for one unit \[PS107\]"):
        losses.CategoricalCrossentropy()([[1.0]], [[0.5]])


def test_legacy_reduction_auto():
    loss = losses.MeanSquaredError.from_config({"reduction": "auto", "name": "m"})
    assert loss.reduction == "sum_over_batch_size"


def test_all_masked_is_zero():
    assert float(reduce_weighted_values(np.ones(3), mask=np.zeros(3))) == 0.0


HALVES = [
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "positive"),
    ("Huber", {"delta": 0.3}, "numbers"),
    ("BinaryCrossentropy", {"from_logits": True}, "binary_logits"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse_logits"),
    ("CategoricalFocalCrossentropy", {}, "one_hot"),
]


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name, arguments, kind", HALVES)
def test_16_bit_results_are_those_of_float32_rounded(keras, name, arguments, kind, dtype, reduction):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    y, p = data(kind)
    policy = dtype_policies.get(dtype)
    loss = getattr(losses, name)(**arguments, reduction=reduction, dtype=policy)
    theirs = getattr(keras.losses, name)(
        **arguments, reduction=reduction, dtype=keras.dtype_policies.get(dtype)
    )
    got, want = loss(y, p, sample_weight=np.arange(7)), theirs(y, p, sample_weight=np.arange(7))
    assert loss.dtype == theirs.dtype == got.dtype.name == str(want.dtype).removeprefix("torch.")
    exact = getattr(losses, name)(**arguments, reduction=reduction)(y, p, np.arange(7))
    np.testing.assert_array_equal(got, exact.astype(got.dtype))
    close = {"rtol": 0.1, "atol": 0.1}  # what Keras loses by computing in 16 bits
    np.testing.assert_allclose(got.astype("float32"), want.float().cpu().numpy(), **close)


def test_loss_of_float16_that_is_too_large_is_infinite():
    assert losses.MeanSquaredError(dtype="float16")([[0.0]], [[1000.0]]) == np.inf
    assert losses.MeanSquaredError(dtype="float16")([[0.0]], [[200.0]]) == 40000


def test_dtype_of_losses_is_floatx_and_cannot_be_set():
    config.set_floatx("float16")
    try:
        assert losses.MeanSquaredError()([[0.0]], [[0.1]]).dtype == "float16"
        assert metrics.Mean()([0.1]).dtype == "float16"
    finally:
        config.set_floatx("float32")
    with pytest.raises(AttributeError):
        losses.MeanSquaredError().dtype = "float16"


def test_bfloat16_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    loss, mean = losses.Hinge(dtype="bfloat16"), metrics.Mean(dtype="bfloat16")
    for call in (lambda: loss([[1.0]], [[0.5]]), lambda: mean([1.0])):
        with pytest.raises(ImportError, match="pip install ml_dtypes"):
            call()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_model_trains_with_losses_and_metrics_of_16_bits(dtype):
    pytest.importorskip("ml_dtypes")
    x = np.random.default_rng(0).normal(size=(8, 3))
    model = pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(1)])
    metric = metrics.MeanSquaredError("error", dtype=dtype)
    root = metrics.RootMeanSquaredError("root", dtype=dtype)
    model.compile("sgd", losses.MeanSquaredError(dtype=dtype), metrics=[metric, root])
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    got = model.evaluate(x, x[:, :1], verbose=0, return_dict=True)
    assert all(type(v) is float for v in got.values())
    assert got["error"] == pytest.approx(got["loss"], rel=1e-2)
    assert got["root"] == pytest.approx(got["loss"] ** 0.5, rel=1e-2)
