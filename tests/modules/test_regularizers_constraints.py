"""Regularizers and constraints: values, configs, names, lowered form, errors."""

import json
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import pyseq
from pyseq import config, constraints, regularizers

REGULARIZERS = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.1, "l2": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.7, "mode": "columns"}),
]
CONSTRAINTS = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.5, "axis": [0, 1]}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": 1}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 0.8, "rate": 0.3, "axis": [0, 1]}),
    ("NonNeg", {}),
]


def _weights(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(("name", "arguments"), REGULARIZERS)
def test_regularizer_equals_keras(name, arguments):
    keras = pytest.importorskip("keras")
    ours = getattr(regularizers, name)(**arguments)
    theirs = getattr(keras.regularizers, name)(**arguments)
    for shape in [(5, 4), (4, 6)]:
        w = _weights(shape)
        theirs_value = float(theirs(keras.ops.convert_to_tensor(w)))
        np.testing.assert_allclose(ours(w), theirs_value, rtol=2e-6, atol=1e-8)
        assert ours(w).dtype == np.float32
    serialized = regularizers.serialize(ours)
    theirs_config = keras.regularizers.serialize(theirs)
    assert {**serialized, "config": None} == {**theirs_config, "config": None}
    # Keras rounds some factors to float32.
    for key, value in theirs_config["config"].items():
        assert serialized["config"][key] == (value if key == "mode" else pytest.approx(value))
    again = regularizers.deserialize(json.loads(json.dumps(serialized)))
    assert regularizers.serialize(again) == serialized


@pytest.mark.parametrize(("name", "arguments"), CONSTRAINTS)
def test_constraint_equals_keras(name, arguments):
    keras = pytest.importorskip("keras")
    ours = getattr(constraints, name)(**arguments)
    theirs = getattr(keras.constraints, name)(**arguments)
    for scale in (0.1, 1.0, 10.0):
        w = scale * _weights((5, 4, 3))
        w[:, 0] = 0
        result = np.asarray(theirs(keras.ops.convert_to_tensor(w)))
        np.testing.assert_allclose(ours(w), result, rtol=1e-6, atol=1e-7)
        assert ours(w).dtype == np.float32
    assert constraints.serialize(ours) == keras.constraints.serialize(theirs)
    again = constraints.deserialize(json.loads(json.dumps(constraints.serialize(ours))))
    assert again.get_config() == ours.get_config()


def test_float64_is_kept():
    w = np.full((2, 2), 0.1)
    assert regularizers.L2(0.1)(w).dtype == np.float64
    assert regularizers.L2(0.1)(w) == pytest.approx(0.004, abs=1e-16)
    assert constraints.UnitNorm()(w).dtype == np.float64


def test_lowered_regularizers():
    assert regularizers.L1(0.1).lower() == {"l1": 0.1, "l2": 0.0}
    assert regularizers.L2(0.1).lower() == {"l1": 0.0, "l2": 0.1}
    assert regularizers.L1L2(0.1, 0.2).lower() == {"l1": 0.1, "l2": 0.2}
    lowered = regularizers.OrthogonalRegularizer(0.3, "columns").lower()
    assert lowered == {"orthogonal": 0.3, "mode": "columns"}


def test_lowered_constraints():
    e = config.epsilon()
    lowered = constraints.MaxNorm(3, axis=[0, 1]).lower()
    assert lowered == {"kind": "max_norm", "max_value": 3.0, "axis": [0, 1], "epsilon": e}
    assert constraints.NonNeg().lower() == {"kind": "non_neg"}
    assert constraints.UnitNorm(1).lower() == {"kind": "unit_norm", "axis": [1], "epsilon": e}
    assert constraints.MinMaxNorm(0.1, 0.2, 0.3).lower() == {
        "kind": "min_max_norm",
        "min_value": 0.1,
        "max_value": 0.2,
        "rate": 0.3,
        "axis": [0],
        "epsilon": e,
    }


@pytest.mark.parametrize("module", [regularizers, constraints])
def test_every_name_of_keras_resolves(module):
    keras = pytest.importorskip("keras")
    theirs = getattr(keras, module.__name__.rpartition(".")[2])
    for name in dir(theirs):
        if not name.startswith("_"):
            assert hasattr(module, name), name
            if name not in ("get", "serialize", "deserialize", "Regularizer", "Constraint"):
                assert callable(module.get(name)), name


def test_get():
    assert regularizers.get(None) is None and constraints.get(None) is None
    assert regularizers.get("l2").l2 == 0.01
    assert regularizers.get("l1l2").get_config() == {"l1": 0.0, "l2": 0.0}
    assert regularizers.get("l1_l2").get_config() == {"l1": 0.01, "l2": 0.01}
    assert isinstance(constraints.get(constraints.NonNeg), constraints.NonNeg)
    assert constraints.get({"class_name": "MaxNorm", "config": {"max_value": 1}}).max_value == 1
    assert regularizers.get(np.sum) is np.sum
    assert regularizers.L1(None).l1 == 0.01 and regularizers.L1L2(None, None).l1 == 0.0


def test_orthogonal_handles_zero_rows_and_single_rows():
    penalty = regularizers.OrthogonalRegularizer(1.0)
    assert penalty(np.zeros((3, 4), "float32")) == 0
    assert penalty(np.ones((1, 4), "float32")) == 0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: regularizers.get("l3"), ValueError, "l3"),
        (lambda: regularizers.get(3), ValueError, "3"),
        (lambda: regularizers.L1(-1), ValueError, "-1"),
        (lambda: regularizers.L2(float("nan")), ValueError, "nan"),
        (lambda: regularizers.L2("a"), ValueError, "'a'"),
        (lambda: regularizers.OrthogonalRegularizer(mode="diagonal"), ValueError, "diagonal"),
        (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), ValueError, "matrix"),
        (lambda: regularizers.Regularizer().get_config(), TypeError, "get_config"),
        (lambda: constraints.get("norm"), ValueError, "norm"),
        (lambda: constraints.MaxNorm(-1), ValueError, "-1"),
        (lambda: constraints.MaxNorm(axis="all"), TypeError, "all"),
        (lambda: constraints.MinMaxNorm(2, 1), ValueError, "min_value"),
        (
            lambda: constraints.get({"class_name": "NonNeg", "config": {"axis": 0}}),
            ValueError,
            "axis",
        ),
        (
            lambda: constraints.get(
                {"class_name": "L2", "config": {}, "module": "keras.regularizers"}
            ),
            ValueError,
            "L2",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def own_parts(api):
    """A constraint, a constraint made of a built-in one, and a regularizer made of one."""

    class Clip(api.constraints.Constraint):
        def __init__(self, limit):
            self.limit = limit

        def __call__(self, w):
            return api.ops.clip(w, -self.limit, self.limit)

    class Shifted(api.constraints.NonNeg):
        def __call__(self, w):
            return super().__call__(w) + 0.01

    class Doubled(api.regularizers.L2):
        def __call__(self, x):
            return 2 * super().__call__(x)

    return Clip(0.05), Shifted(), Doubled(0.1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras", "ignore:__array__")
def test_own_constraints_train_as_in_keras():
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(48, 5)).astype("float32"), rng.normal(size=(48, 2)).astype("float32")
    start, after = None, []
    for api in (keras, pyseq):
        clip, shifted, doubled = own_parts(api)
        dense = api.layers.Dense
        model = api.Sequential(
            [
                api.Input((5,)),
                dense(4, kernel_constraint=clip, kernel_regularizer=doubled),
                dense(2, kernel_constraint=shifted, activity_regularizer=doubled),
            ]
        )
        start = start or model.get_weights()
        model.set_weights(start)
        model.compile(api.optimizers.SGD(0.1), "mse")
        history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        after.append([history.history["loss"], *model.get_weights()])
        assert np.abs(model.get_weights()[0]).max() <= 0.05
        assert model.get_weights()[2].min() >= 0.0099
    for theirs, ours in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_base_class_constrains_nothing():
    np.testing.assert_array_equal(constraints.Constraint()(np.array([1.0, -2.0])), [1, -2])
