"""Loss and metrics of `compile` against Keras: names in logs, values, resolution from shapes."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import pytest

from pyseq import losses, metrics
from pyseq.training.compile_metrics import CompiledLoss, CompiledMetrics, target_kind

RNG = np.random.default_rng(0)
SCORES = RNG.uniform(0.05, 0.95, (9, 4)).astype("float32")
COLUMN = RNG.uniform(0.05, 0.95, (9, 1)).astype("float32")
LABELS = RNG.integers(0, 4, 9)
ONE_HOT = np.eye(4)[LABELS].astype("float32")
BITS = RNG.integers(0, 2, (9, 1))
WEIGHTS = RNG.uniform(0, 2, 9).astype("float32")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


def evaluate(keras, y, p, w, loss=None, loss_weights=None, **kwargs):
    """Return the logs of Keras for a model that passes `p` through."""
    model = keras.Sequential([keras.layers.Input(p.shape[1:]), keras.layers.Identity()])
    model.compile(loss=loss or "mse", loss_weights=loss_weights, **kwargs)
    logs = model.evaluate(p, y, sample_weight=w, batch_size=len(p), verbose=0, return_dict=True)
    return {k: v.cpu().numpy() if hasattr(v, "cpu") else v for k, v in logs.items()}


METRICS = [
    ({"metrics": ["accuracy"]}, LABELS, SCORES),
    ({"metrics": ["acc", "ACC", "Accuracy"]}, ONE_HOT, SCORES),
    ({"metrics": ["acc"]}, BITS, COLUMN),
    ({"metrics": ["mse", "MSE", "mae", "mae"]}, BITS, COLUMN),
    ({"metrics": ["mae"], "weighted_metrics": ["mae", "mae"]}, BITS, COLUMN),
    ({"weighted_metrics": ["accuracy", "mse"]}, ONE_HOT, SCORES),
    ({"metrics": {"out": ["mae", "mse"]}}, ONE_HOT, SCORES),
    ({"metrics": [["mae", "mse"]]}, ONE_HOT, SCORES),
    ({"metrics": {"b": "mae", "a": "mse"}}, ONE_HOT, SCORES),
    ({"metrics": ("AUC", "Precision", "root_mean_squared_error")}, ONE_HOT, SCORES),
    ({"metrics": ["f1_score"]}, ONE_HOT, SCORES),
    ({"metrics": [], "weighted_metrics": None}, ONE_HOT, SCORES),
]


@pytest.mark.parametrize(("args", "y", "p"), METRICS)
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics(keras, args, y, p, weighted):
    w = WEIGHTS if weighted else None
    loss = "sparse_categorical_crossentropy" if y is LABELS else "mse"
    expected = evaluate(keras, y, p, w, loss=loss, **args)
    expected.pop("loss")
    compiled = CompiledMetrics(**{"metrics": None, "weighted_metrics": None, **args})
    compiled.build((None, *y.shape[1:]), (None, *p.shape[1:]))
    compiled.update_state(y, p, w)
    result = compiled.result()
    assert set(result) == set(expected)
    for name, value in result.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4)
    assert [name for name, _, _ in compiled.entries] == list(result)
    compiled.reset_state()
    assert all((v.numpy() == 0).all() for v in compiled.variables)


def test_objects_and_functions(keras):
    def bias(y_true, y_pred):
        return (y_pred - y_true).mean(axis=-1)

    ours = CompiledMetrics(
        [
            losses.huber,
            losses.Huber(),
            bias,
            lambda a, b: a * 0.0,
            metrics.AUC(name="area"),
            metrics.Recall,
        ],
        None,
    )
    theirs = evaluate(
        keras,
        BITS,
        COLUMN,
        None,
        metrics=[
            keras.losses.huber,
            keras.losses.Huber(),
            bias,
            lambda a, b: a * 0.0,
            keras.metrics.AUC(name="area"),
            keras.metrics.Recall(name="recall"),
        ],
    )
    ours.update_state(BITS.astype("float32"), COLUMN)
    result = ours.result()
    theirs.pop("loss")
    names = [name.rsplit("_", 1)[0] if name.startswith("recall") else name for name in result]
    assert sorted(names) == sorted(theirs)
    for name in ("huber", "huber_loss", "bias", "lambda", "area"):
        assert result[name] == pytest.approx(float(theirs[name]), rel=1e-4, abs=1e-6)
    assert isinstance(result["area"], float)
    weighted = [entry[2] for entry in ours.entries]
    assert weighted == [False] * 6


def test_crossentropy_as_metric():
    for y, p, kind in ((LABELS, SCORES, "sparse_"), (ONE_HOT, SCORES, ""), (BITS, COLUMN, "b")):
        compiled = CompiledMetrics(["ce", "crossentropy"])
        compiled.update_state(y, p)
        assert list(compiled.result()) == ["ce", "crossentropy"]
        assert type(compiled.metrics[0]).__name__.lower().startswith(kind.replace("_", ""))


LOSSES = [
    ({"loss": "mse"}, ONE_HOT, SCORES),
    ({"loss": "mse", "loss_weights": 0.5}, ONE_HOT, SCORES),
    ({"loss": ["mae"], "loss_weights": [2.0]}, ONE_HOT, SCORES),
    ({"loss": "mse", "loss_weights": {"out": 2.0}}, ONE_HOT, SCORES),
    ({"loss": "ce"}, LABELS, SCORES),
    ({"loss": "crossentropy"}, ONE_HOT, SCORES),
    ({"loss": "CE"}, BITS, COLUMN),
    ({"loss": "Huber"}, ONE_HOT, SCORES),
]


@pytest.mark.parametrize(("args", "y", "p"), LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses(keras, args, y, p, weighted):
    w = WEIGHTS if weighted else None
    expected = evaluate(keras, y, p, w, **args)
    compiled = CompiledLoss(**args)
    compiled.build((None, *y.shape[1:]), (None, *p.shape[1:]))
    assert float(compiled(y, p, w)) == pytest.approx(float(expected["loss"]), rel=1e-5)
    assert compiled.unused == []


def test_further_losses_are_named_and_unused(keras):
    expected = evaluate(keras, ONE_HOT, SCORES, None, loss=["mse", "mae"], loss_weights=[3.0, 2.0])
    compiled = CompiledLoss(["mse", "mae"], [3.0, 2.0])
    with pytest.warns(UserWarning, match="only the first is trained on"):
        compiled.build(ONE_HOT.shape, SCORES.shape)
    assert {"loss", *compiled.unused} == set(expected)
    assert float(compiled(ONE_HOT, SCORES)) == pytest.approx(float(expected["loss"]), rel=1e-5)


def test_loss_of_one_named_output():
    compiled = CompiledLoss({"out": "mae"}, {"out": 2})
    compiled.build(ONE_HOT.shape, SCORES.shape)
    assert compiled.loss.name == "mae"
    assert compiled.weight == 2.0
    config = losses.serialize(losses.Huber(delta=0.5))
    compiled = CompiledLoss(config)
    compiled.build(ONE_HOT.shape, SCORES.shape)
    assert compiled.loss.delta == 0.5
    assert CompiledLoss(None)(ONE_HOT, SCORES) == 0.0


def test_masks_reach_means_only():
    mask = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0])
    compiled = CompiledMetrics(["mse", "root_mean_squared_error", "AUC"])
    compiled.update_state(ONE_HOT, SCORES, mask=mask)
    result = compiled.result()
    assert result["mse"] == pytest.approx(np.mean((ONE_HOT - SCORES)[:3] ** 2), rel=1e-5)
    whole = np.sqrt(np.mean((ONE_HOT - SCORES) ** 2))
    assert result["root_mean_squared_error"] == pytest.approx(whole, rel=1e-5)


def test_target_kind():
    assert target_kind((None, 1), (None, 1)) == "binary"
    assert target_kind((None,), (None, 3)) == "sparse_categorical"
    assert target_kind((None, 1), (None, 3)) == "sparse_categorical"
    assert target_kind((None, 3), (None, 3)) == "categorical"
    assert target_kind((None, 5), (None, 5, 3)) == "sparse_categorical"


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (lambda: CompiledMetrics(3), r"compile\(metrics\): expected a list"),
        (lambda: CompiledMetrics(None, 3), r"compile\(weighted_metrics\)"),
        (lambda: CompiledMetrics([None]).build((1,), (1,)), "expected a metric, got None"),
        (lambda: CompiledMetrics(["nope"]).build((1,), (1,)), "metrics.get"),
        (lambda: CompiledMetrics(["mae"]).result(), r"expected build\(\) first"),
        (lambda: CompiledLoss("mse", [1.0, 2.0]), "expected 1 weights"),
        (lambda: CompiledLoss("mse", "x"), r"compile\(loss_weights\)"),
    ],
)
def test_messages(action, text):
    with pytest.raises(ValueError, match=text):
        action()


def test_building_again_keeps_the_metrics():
    compiled = CompiledMetrics(["accuracy", "AUC"])
    compiled.build((None, 4), (None, 4))
    first = compiled.metrics
    compiled.build((9, 4), (9, 4))
    assert all(a is b for a, b in zip(first, compiled.metrics, strict=True))
    compiled.build((None,), (None, 4))
    assert isinstance(compiled.metrics[0], metrics.SparseCategoricalAccuracy)
