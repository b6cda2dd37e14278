"""Initializers: values where they are fixed, statistics and bounds where they are drawn."""

import json
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import pyseq
from pyseq import initializers, layers, random, windows
from pyseq.utils.seed import set_random_seed

RANDOM = [
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
]
FIXED = ["Zeros", "Ones", "Constant", "Identity", "STFT"]


@pytest.mark.parametrize("name", RANDOM + FIXED)
def test_config_equals_that_of_keras_and_round_trips(name):
    keras = pytest.importorskip("keras")
    ours = initializers.serialize(getattr(initializers, name)())
    theirs = keras.initializers.serialize(getattr(keras.initializers, name)())
    assert ours == theirs
    assert list(ours["config"]) == list(theirs["config"])
    again = initializers.deserialize(json.loads(json.dumps(ours)))
    assert initializers.serialize(again) == ours
    assert type(keras.initializers.deserialize(ours)).__name__ == name


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("RandomNormal", {"mean": 1.0, "stddev": 2.0, "seed": 3}),
        ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "normal", "seed": 1}),
        ("Orthogonal", {"gain": 2.0, "seed": 5}),
        ("GlorotUniform", {"seed": 4, "input_axes": [0], "output_axes": [1]}),
        ("Constant", {"value": 3}),
        ("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True}),
    ],
)
def test_arguments_reach_the_config(name, arguments):
    keras = pytest.importorskip("keras")
    ours = getattr(initializers, name)(**arguments)
    theirs = getattr(keras.initializers, name)(**arguments)
    assert initializers.serialize(ours) == keras.initializers.serialize(theirs)
    assert initializers.serialize(ours.clone()) == initializers.serialize(ours)


def test_seed_generator_seed_round_trips():
    keras = pytest.importorskip("keras")
    ours = initializers.RandomNormal(seed=random.SeedGenerator(3, name="s"))
    theirs = keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(3, name="s"))
    config = initializers.serialize(ours)
    assert config == keras.initializers.serialize(theirs)
    assert isinstance(initializers.deserialize(config).seed, random.SeedGenerator)


def test_every_name_of_keras_resolves():
    keras = pytest.importorskip("keras")
    from keras.src.initializers import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        if cls is not keras.initializers.Initializer:
            assert type(initializers.get(name)).__name__ == cls.__name__, name
    for name in dir(keras.initializers):
        if not name.startswith("_"):
            assert hasattr(initializers, name), name


@pytest.mark.parametrize("name", RANDOM)
def test_same_instance_same_tensor_new_instance_other_tensor(name):
    cls = getattr(initializers, name)
    one = cls()
    assert np.array_equal(one((6, 5)), one((6, 5)))
    assert not np.array_equal(one((6, 5)), cls()((6, 5)))
    assert np.array_equal(cls(seed=3)((6, 5)), cls(seed=3)((6, 5)))
    moving = cls(seed=random.SeedGenerator(3))
    assert not np.array_equal(moving((6, 5)), moving((6, 5)))
    set_random_seed(7)
    first = cls()((6, 5))
    set_random_seed(7)
    assert np.array_equal(first, cls()((6, 5)))


@pytest.mark.parametrize("dtype", [None, "float64", "bfloat16"])
@pytest.mark.parametrize("name", [*RANDOM, "Zeros", "Ones", "Constant", "Identity"])
def test_dtype_and_shape(name, dtype):
    values = getattr(initializers, name)()((4, 3), dtype=dtype)
    assert values.shape == (4, 3)
    assert values.dtype == ("float64" if dtype == "float64" else "float32")
    assert values.flags.writeable


@pytest.mark.parametrize(
    ("name", "variance", "uniform"),
    [
        ("GlorotUniform", 2 / (300 + 200), True),
        ("GlorotNormal", 2 / (300 + 200), False),
        ("HeUniform", 2 / 300, True),
        ("HeNormal", 2 / 300, False),
        ("LecunUniform", 1 / 300, True),
        ("LecunNormal", 1 / 300, False),
    ],
)
def test_variance_scaling_statistics(name, variance, uniform):
    values = getattr(initializers, name)(seed=1)((300, 200)).astype("float64")
    assert abs(values.mean()) < 4 * np.sqrt(variance / values.size)
    assert abs(values.var() / variance - 1) < 0.02
    limit = np.sqrt(3 * variance) if uniform else 2 * np.sqrt(variance) / 0.87962566103423978
    assert np.abs(values).max() <= limit * (1 + 1e-6)
    assert np.abs(values).max() > 0.98 * limit


def test_untruncated_normal_and_conv_fans():
    values = initializers.VarianceScaling(distribution="untruncated_normal", seed=1)((3, 3, 8, 500))
    assert abs(values.var() * 72 - 1) < 0.02 and np.abs(values).max() > 3 / np.sqrt(72)
    fans = {(): (1, 1), (5,): (5, 5), (3, 4): (3, 4), (2, 3, 4): (6, 8), (3, 3, 8, 16): (72, 144)}
    for shape, want in fans.items():
        assert initializers.compute_fans(shape) == want
    assert initializers.compute_fans((2, 3, 4), [0], [1, 2]) == (2, 12)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (3, 3, 2, 4), (4, 16)])
def test_orthogonal(shape):
    w = initializers.Orthogonal(gain=2.0, seed=1)(shape).reshape(-1, shape[-1]).astype("float64")
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-6)


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("window", ["hann", "blackman", None])
def test_stft_equals_keras(side, scaling, window):
    keras = pytest.importorskip("keras")
    pytest.importorskip("scipy")
    ours = initializers.STFT(side, window, scaling, True)((16, 1, 17))
    theirs = keras.initializers.STFT(side, window, scaling, True)((16, 1, 17))
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=2e-5)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("length", [1, 2, 7, 8, 33])
def test_windows_equal_scipy(length, periodic):
    signal = pytest.importorskip("scipy.signal")
    for name in [*windows._FUNCTIONS, *windows._ALIASES]:
        expected = signal.get_window(windows._ALIASES.get(name, name), length, periodic)
        np.testing.assert_allclose(
            windows.get_window(name, length, periodic), expected, atol=1e-12, err_msg=name
        )


def test_fixed_values():
    assert initializers.Constant([[1.0], [2.0]])((2, 2)).tolist() == [[1, 1], [2, 2]]
    assert np.array_equal(initializers.Identity(3.0)((2, 3)), 3 * np.eye(2, 3))
    assert initializers.Identity.from_config(initializers.Identity(3.0).get_config()).gain == 3.0
    array = np.arange(4.0).reshape(2, 2)
    from_array = initializers.get(array)
    assert np.array_equal(from_array((2, 2)), array)
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        from_array((3,))


def test_get_takes_classes_instances_callables_and_configs():
    assert initializers.get(None) is None
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    one = initializers.Ones()
    assert initializers.get(one) is one
    assert initializers.get(np.zeros) is np.zeros
    legacy = {"class_name": "RandomUniform", "config": {"minval": -1, "maxval": 1, "seed": None}}
    assert initializers.get(legacy).maxval == 1
    legacy = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
    assert isinstance(initializers.get(legacy), initializers.GlorotUniform)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: initializers.get("glorot"), ValueError, "glorot_uniform"),
        (lambda: initializers.get(3), ValueError, "3"),
        (lambda: initializers.Identity()((2, 2, 2)), ValueError, "two dimensions"),
        (lambda: initializers.Orthogonal()((2,)), ValueError, "two or more"),
        (lambda: initializers.VarianceScaling(scale=0), ValueError, "scale"),
        (lambda: initializers.VarianceScaling(mode="fan"), ValueError, "fan"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), ValueError, "cauchy"),
        (lambda: initializers.RandomNormal(seed="a"), ValueError, "seed"),
        (lambda: initializers.STFT(side="left"), ValueError, "left"),
        (lambda: initializers.STFT(window="square"), ValueError, "square"),
        (lambda: initializers.Initializer()((2,)), TypeError, "__call__"),
        (
            lambda: initializers.get({"class_name": "Zeros", "config": {"gain": 1}}),
            ValueError,
            "gain",
        ),
        (
            lambda: initializers.get({"class_name": "Zeros", "config": {"dtype": "int8"}}),
            ValueError,
            "int8",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_functions_get_the_arguments_that_they_take():
    seen = []

    def with_name(shape, name):
        seen.append(name)
        return np.ones(shape)

    def with_more(shape, **more):
        seen.append(sorted(more))
        return np.ones(shape)

    model = pyseq.Sequential([
        pyseq.Input((4, 2)),
        layers.LSTM(3, bias_initializer=lambda shape: np.full(shape, 5.0)),
        layers.BatchNormalization(gamma_initializer=lambda shape: np.full(shape, 2.0)),
        layers.Dense(2, kernel_initializer=with_name, bias_initializer=with_more),
    ])
    lstm, norm, dense = (layer.get_weights() for layer in model.layers)
    np.testing.assert_array_equal(lstm[2], [5] * 3 + [1] * 3 + [5] * 6)
    np.testing.assert_array_equal(norm[0], [2] * 3)
    np.testing.assert_array_equal(dense[0], np.ones((3, 2)))
    assert seen == ["kernel", ["dtype", "name"]]
    variable = pyseq.Variable(lambda shape: np.ones(shape), shape=(2,))
    np.testing.assert_array_equal(variable.value, [1, 1])


@pytest.mark.filterwarnings("ignore::pyseq.compat.notices.CompatNotice")
def test_functions_of_keras_1_initialize():
    layer = layers.Dense(3, init=lambda shape, name=None: np.full(shape, 0.5))
    layer.build((None, 2))
    np.testing.assert_array_equal(layer.kernel.value, np.full((2, 3), 0.5))
