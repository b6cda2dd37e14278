"""Values and gradients of the compiled losses and metrics against Keras and torch's autograd."""

import numpy as np
import pytest

import pyseq
from pyseq import _core, losses

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers():
    global RNG
    RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=shape)


def probabilities(*shape):
    return RNG.uniform(0.02, 0.98, size=shape)


def distributions(*shape):
    p = RNG.uniform(0.05, 1.0, size=shape)
    return p / p.sum(-1, keepdims=True)


def one_hot(*shape):
    return np.eye(shape[-1])[RNG.integers(0, shape[-1], shape[:-1])]


def bits(*shape):
    return RNG.integers(0, 2, shape).astype(float)


def labels(classes, *shape):
    return RNG.integers(0, classes, shape).astype(float)


def keras_values(kind, y, p, attrs):
    """Values and a function that gives the gradient of sum(scale * values) by p, in float32."""
    p = torch.tensor(p.astype("float32"), requires_grad=True)
    if kind == "sparse_categorical_crossentropy" and p.ndim > 2:
        # torch cannot differentiate the sparse loss where the classes are not axis 1.
        kind, axis = "categorical_crossentropy", attrs.get("axis", -1)
        y = np.moveaxis(np.eye(p.shape[axis])[y.astype(int)], -1, axis)
    values = getattr(keras.losses, kind)(torch.tensor(y.astype("float32")), p, **attrs)

    def gradient(scale):
        (values * torch.tensor(scale)).sum().backward()
        return p.grad.numpy()

    return values.detach().numpy(), gradient


def check_derivatives(kind, y, p, attrs, directions=3):
    """Compare the float64 gradient with central differences of the float64 values."""
    values, _ = _core.run_loss(kind, "ref64", attrs, p, y)
    scale = RNG.uniform(0.5, 1.5, values.shape)
    _, dp = _core.run_loss(kind, "ref64", attrs, p, y, scale)
    step = 1e-6
    for _ in range(directions):
        d = RNG.normal(size=p.shape)
        up = _core.run_loss(kind, "ref64", attrs, p + step * d, y)[0]
        down = _core.run_loss(kind, "ref64", attrs, p - step * d, y)[0]
        slope = np.sum(scale * (up - down)) / (2 * step)
        assert np.sum(dp * d) == pytest.approx(slope, rel=1e-6, abs=1e-8 + 1e-7 * np.abs(dp).sum())
    return values


def check(kind, y, p, attrs, tolerance=2e-5, keras_attrs=None):
    want, gradient = keras_values(kind, y, p, attrs if keras_attrs is None else keras_attrs)
    scale = RNG.uniform(0.5, 1.5, want.shape).astype("float32")
    values, dp = _core.run_loss(kind, "", attrs, p, y, scale)
    alone, none = _core.run_loss(kind, "", attrs, p, y)
    assert none is None
    np.testing.assert_allclose(alone, values, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(values, want, rtol=tolerance, atol=tolerance)
    wanted = gradient(scale)
    np.testing.assert_allclose(
        dp, wanted, rtol=10 * tolerance, atol=tolerance * max(1, np.abs(wanted).max())
    )
    exact = check_derivatives(kind, y, p, attrs)
    reference = getattr(losses, kind)(y, p, **attrs)
    np.testing.assert_allclose(exact, reference, rtol=1e-9, atol=1e-12)


SHAPES = [(5, 1), (3, 7), (4, 33), (2, 3, 16), (37, 1), (2, 5, 2, 3), (6, 100)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "kind",
    [
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "huber",
        "log_cosh",
        "cosine_similarity",
        "hinge",
        "squared_hinge",
    ],
)
def test_regression(kind, shape):
    tolerance = 1e-4 if kind == "cosine_similarity" else 2e-5  # numbers near 0 have no direction
    check(kind, numbers(*shape), 2 * numbers(*shape), {}, tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_positive(shape):
    check("poisson", np.abs(numbers(*shape)), probabilities(*shape), {})
    check("kl_divergence", distributions(*shape), probabilities(*shape), {})


def test_huber_delta():
    check("huber", numbers(6, 20), 3 * numbers(6, 20), {"delta": 0.4})


@pytest.mark.parametrize("kind", ["hinge", "squared_hinge"])
def test_hinge_turns_bits_into_signs(kind):
    check(kind, bits(9, 5), numbers(9, 5), {})
    check(kind, 2 * bits(9, 5) - 1, numbers(9, 5), {})


@pytest.mark.parametrize("axis", [-1, 1, -2, 2, 3])
def test_axes(axis):
    shape = (3, 4, 5, 21)
    check("binary_crossentropy", bits(*shape), probabilities(*shape), {"axis": axis})
    check("cosine_similarity", numbers(*shape), numbers(*shape), {"axis": axis})
    target = np.moveaxis(one_hot(3, 4, 5, 21), -1, axis)
    target = target if target.shape == shape else distributions(*shape)
    for logits in (False, True):
        attrs = {"axis": axis, "from_logits": logits}
        p = numbers(*shape) if logits else probabilities(*shape)
        check("categorical_crossentropy", target, p, dict(attrs, label_smoothing=0.1))
        check("categorical_focal_crossentropy", target, p, dict(attrs, alpha=0.3, gamma=1.5))
        rows = list(shape)
        classes = rows.pop(axis)
        check("sparse_categorical_crossentropy", labels(classes, *rows), p, attrs)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("logits", [False, True])
def test_binary(shape, logits):
    p = 3 * numbers(*shape) if logits else probabilities(*shape)
    for target in (bits(*shape), probabilities(*shape)):
        check("binary_crossentropy", target, p, {"from_logits": logits})
        check("binary_crossentropy", target, p, {"from_logits": logits, "label_smoothing": 0.2})
        for extra in (
            {},
            {"gamma": 1.3, "label_smoothing": 0.1},
            {"apply_class_balancing": True, "alpha": 0.4, "gamma": 3.0},
        ):
            check(
                "binary_focal_crossentropy",
                target,
                p,
                {"from_logits": logits, **extra},
                tolerance=5e-5,
            )


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::UserWarning")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("logits", [False, True])
def test_categorical(shape, logits):
    p = 3 * numbers(*shape) if logits else probabilities(*shape)
    attrs = {"from_logits": logits}
    for target in (one_hot(*shape), distributions(*shape)):
        check("categorical_crossentropy", target, p, attrs)
        check("categorical_crossentropy", target, p, dict(attrs, label_smoothing=0.1))
        check("categorical_focal_crossentropy", target, p, attrs, tolerance=5e-5)
    check("sparse_categorical_crossentropy", labels(shape[-1], *shape[:-1]), p, attrs)
    check("categorical_hinge", one_hot(*shape), p, {})


def test_focal_weight_per_class():
    alpha = [0.1, 0.2, 0.3, 0.4]
    check(
        "categorical_focal_crossentropy",
        one_hot(6, 4),
        distributions(6, 4),
        {"alpha": alpha},
        keras_attrs={"alpha": torch.tensor(alpha, dtype=torch.float64)},
    )


def test_generalized_crossentropy():
    kind = "categorical_generalized_cross_entropy"
    check(kind, labels(7, 9), distributions(9, 7), {"q": 0.6})


def test_clipped_probabilities_have_no_gradient():
    y, p = np.array([[1.0], [0.0], [1.0]]), np.array([[0.0], [1.0], [0.5]])
    for kind, target, pred in (
        ("binary_crossentropy", y, p),
        ("categorical_crossentropy", np.eye(3), np.roll(np.eye(3), 1, 0)),
        ("kl_divergence", np.eye(3), np.roll(np.eye(3), 1, 0) - 0.1),
    ):
        want, gradient = keras_values(kind, target, pred, {})
        values, dp = _core.run_loss(kind, "", {}, pred, target, np.ones(3))
        np.testing.assert_allclose(values, want, rtol=1e-5)
        np.testing.assert_allclose(dp, gradient(np.ones(3, np.float32)), rtol=1e-5)


def test_saturated_logits_are_exact():
    y, z = np.array([[1.0], [0.0]]), np.array([[-200.0], [200.0]])
    values, dz = _core.run_loss("binary_crossentropy", "", {"from_logits": True}, z, y, np.ones(2))
    assert values.tolist() == [200, 200] and dz.ravel().tolist() == [-1, 1]
    z = np.array([[0.0, 1000.0], [1000.0, 0.0]])
    values, dz = _core.run_loss(
        "sparse_categorical_crossentropy", "", {"from_logits": True}, z, np.zeros(2), np.ones(2)
    )
    assert values.tolist() == [1000, 0] and dz.tolist() == [[-1, 1], [0, 0]]


def test_labels_out_of_range_give_nan_and_no_gradient():
    y = np.array([0.0, 3.0, -1.0, np.nan, 1e9, 2.0])
    for logits in (False, True):
        values, dp = _core.run_loss(
            "sparse_categorical_crossentropy",
            "",
            {"from_logits": logits},
            distributions(6, 3),
            y,
            np.ones(6),
        )
        assert np.isnan(values).tolist() == [False, True, True, True, True, False]
        assert np.isfinite(dp).all() and not dp[1:5].any()


def test_ignored_class():
    p, y = distributions(8, 4), labels(4, 8)
    y[[1, 4]] = -1
    attrs = {"ignore_class": -1}
    values, dp = _core.run_loss("sparse_categorical_crossentropy", "", attrs, p, y, np.ones(8))
    want, _ = keras_values("sparse_categorical_crossentropy", y, p, attrs)
    np.testing.assert_allclose(values, want, rtol=1e-5)
    assert not dp[[1, 4]].any() and dp[0].any()


@pytest.mark.parametrize("kind", ["dice", "tversky"])
@pytest.mark.parametrize("axis", [None, [1, 2, 3], [1, 2], [2], [0, 1, 2], [3], [0], [0, 3]])
def test_overlap(kind, axis):
    shape = (3, 4, 5, 6)
    y, p = bits(*shape), probabilities(*shape)
    attrs = {} if axis is None else {"axis": axis}
    if kind == "tversky":
        attrs.update(alpha=0.3, beta=0.8)
    keras_attrs = dict(attrs, axis=None if axis is None else tuple(axis))
    want, gradient = keras_values(kind, y, p, keras_attrs)
    batch = axis is None or 0 in axis
    rows = np.broadcast_to(want, (3, *want.shape)) if batch else want
    scale = RNG.uniform(0.5, 1.5, rows.shape).astype("float32")
    values, dp = _core.run_loss(kind, "", attrs, p, y, scale)
    np.testing.assert_allclose(values, rows, rtol=2e-5)
    folded = scale.sum(0) if batch else scale
    np.testing.assert_allclose(dp, gradient(folded), rtol=2e-4, atol=2e-5)
    check_derivatives(kind, y, p, attrs)


@pytest.mark.parametrize("remove_diagonal", [True, False])
def test_circle(remove_diagonal):
    p, y = numbers(12, 19), labels(3, 12)
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    attrs = {"gamma": 4.0, "margin": 0.3, "remove_diagonal": remove_diagonal}
    want, gradient = keras_values("circle", y, p, attrs)
    scale = RNG.uniform(0.5, 1.5, 12).astype("float32")
    attrs["reduction"] = "sum"
    values, dp = _core.run_loss("circle", "", attrs, p, y, scale)
    np.testing.assert_allclose(values, want, rtol=2e-5)
    np.testing.assert_allclose(dp, gradient(scale), rtol=2e-4, atol=2e-5)
    check_derivatives("circle", y, p, attrs)


def test_circle_mean_counts_positive_rows():
    p = np.eye(3)
    y = np.array([0.0, 0.0, 1.0])  # the last sample has no partner of its class
    values, _ = _core.run_loss("circle", "", {}, p, y)
    want = float(keras.losses.Circle()(y, torch.tensor(p, dtype=torch.float32)))
    assert np.mean(values) == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("frames, classes, length", [(1, 3, 1), (12, 7, 4), (30, 40, 9)])
def test_ctc(frames, classes, length):
    z = numbers(5, frames, classes)
    y = RNG.integers(1, classes, (5, length)).astype(float)
    for i in range(5):
        y[i, max(1, length - i) :] = 0
    y[0, : min(2, length)] = 1
    check("ctc", y, z, {}, tolerance=1e-4)


def test_ctc_edge_cases():
    z = numbers(3, 2, 4)
    y = np.array([[0.0, 0, 0], [1, 2, 3], [9, 0, 0]])
    values, dz = _core.run_loss("ctc", "ref64", {}, z, y, np.ones(3))
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    assert values[0] == pytest.approx(-log_p[0, :, 0].sum())
    assert values[1] == np.inf and np.isnan(values[2]) and not dz[1:].any()


METRICS = [
    ("binary_accuracy", {"threshold": 0.4}),
    ("categorical_accuracy", {}),
    ("top_k_categorical_accuracy", {"k": 3}),
    ("sparse_categorical_accuracy", {}),
    ("sparse_top_k_categorical_accuracy", {"k": 2}),
]


@pytest.mark.parametrize("kind, attrs", METRICS)
@pytest.mark.parametrize("shape", [(9, 5), (4, 3, 20), (6, 1)])
def test_metrics(kind, attrs, shape):
    if "top_k" in kind and attrs["k"] > shape[-1]:
        attrs = {"k": 1}  # torch refuses more; here they count as all
    p = np.round(probabilities(*shape), 1).astype(np.float32)  # with ties
    if kind.startswith("sparse"):
        y = labels(shape[-1], *shape[:-1])
    else:
        y = bits(*shape) if kind.startswith("binary") else one_hot(*shape)
    y = y.astype(np.float32)
    want = np.asarray(getattr(keras.metrics, kind)(y, torch.tensor(p), **attrs))
    if kind == "binary_accuracy":
        want = want.mean(-1)
    values, _ = _core.run_loss(kind, "", attrs, p, y)
    np.testing.assert_allclose(values, want.reshape(values.shape), rtol=1e-6)


def test_sorted_ids():
    p = np.array([[3.0, 1, 0], [2, 1, 0]])
    attrs = {"k": 2, "from_sorted_ids": True}
    values, _ = _core.run_loss(
        "sparse_top_k_categorical_accuracy", "", attrs, p, np.array([1.0, 0])
    )
    assert values.tolist() == [1, 0]


def test_sizes_must_match():
    with pytest.raises(ValueError, match="targets of the output's 3 numbers per sample, got 2"):
        _core.run_loss("mean_squared_error", "", {}, np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="2 integer labels per sample, got 1"):
        _core.run_loss(
            "sparse_categorical_crossentropy", "", {}, np.ones((2, 2, 3)), np.ones((2, 1))
        )
    with pytest.raises(ValueError, match="expected an axis from 1 to 1"):
        _core.run_loss("cosine_similarity", "", {"axis": 0}, np.ones((2, 3)), np.ones((2, 3)))


def test_threads_do_not_change_bits():
    p, y = probabilities(300, 700).astype(np.float32), bits(300, 700).astype(np.float32)
    before = _core.num_threads()
    results = []
    for threads in (1, 2):
        _core.set_num_threads(threads)
        for kind in ("binary_crossentropy", "dice"):
            results.append(_core.run_loss(kind, "", {}, p, y, np.ones(300, np.float32)))
    _core.set_num_threads(before)
    for one, two in ((0, 2), (1, 3)):
        for a, b in zip(results[one], results[two], strict=True):
            assert np.array_equal(a, b)


def sequence_model(module, masked):
    layers = [module.layers.Masking()] if masked else []
    return [module.Input((7, 6)), *layers, module.layers.Dense(3, activation="softmax")]


FITTED = [
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "reduction": "sum"}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
    ("Dice", {}),
    ("Dice", {"axis": [1]}),
    ("Dice", {"axis": [0, 1]}),
    ("Tversky", {"reduction": "sum"}),
]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras, about NumPy 2
@pytest.mark.parametrize(
    "name, arguments, masked, weighted",
    [(*case, False, False) for case in FITTED]
    # A loss over the whole batch has no rows to weight.
    + [(*case, *on) for case in FITTED[:4] for on in ((0, 1), (1, 0), (1, 1))],
)
def test_fit(name, arguments, masked, weighted):
    """Masks, sample weights and reductions through the compiled training loop."""
    x = RNG.normal(size=(40, 7, 6)).astype("float32")
    x[:, 5:] = 0
    x[3, 2:] = 0
    y = labels(3, 40, 7) if name.startswith("Sparse") else one_hot(40, 7, 3)
    weights, results = None, []
    sample_weight = RNG.uniform(size=(40, 7)).astype("float32") if weighted else None
    for module in (pyseq, keras):
        model = module.Sequential(sequence_model(module, masked))
        weights = weights or [np.array(w) for w in model.get_weights()]
        model.set_weights(weights)
        model.compile(module.optimizers.SGD(0.05), getattr(module.losses, name)(**arguments))
        history = model.fit(
            x, y, sample_weight=sample_weight, batch_size=10, epochs=2, shuffle=False, verbose=0
        )
        results.append((model.get_weights(), history.history["loss"]))
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4)
    for a, b in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-5)
