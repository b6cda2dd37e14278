"""Settings, dtype policies and dtype helpers."""

import itertools
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

from pyseq import backend, config, dtype_policies, naming, random
from pyseq.utils.seed import set_random_seed


@pytest.fixture(autouse=True)
def _restore():
    yield
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    config.set_max_epochs(None)
    config.set_max_steps_per_epoch(None)
    config.enable_interactive_logging()
    config.reset_dtype_policy()


def test_defaults_are_those_of_keras():
    assert config.backend() == "pyseq"
    assert (config.floatx(), config.epsilon()) == ("float32", 1e-7)
    assert config.image_data_format() == "channels_last"
    assert config.is_interactive_logging_enabled()
    assert config.dtype_policy().name == "float32"


def test_setters():
    config.set_floatx("float64")
    config.set_epsilon(1e-5)
    config.set_image_data_format("CHANNELS_FIRST")
    config.set_max_epochs(3)
    config.set_max_steps_per_epoch(4)
    config.disable_interactive_logging()
    assert config.floatx() == backend.floatx() == "float64"
    assert config.epsilon() == backend.epsilon() == 1e-5
    assert config.image_data_format() == "channels_first"
    assert (config.max_epochs(), config.max_steps_per_epoch()) == (3, 4)
    assert not config.is_interactive_logging_enabled()
    assert config.dtype_policy().name == "float64"
    config.set_dtype_policy("mixed_float16")
    assert config.dtype_policy() == dtype_policies.DTypePolicy("mixed_float16")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: config.set_floatx("float8"), ValueError, "float8"),
        (lambda: config.set_epsilon(-1), ValueError, "-1"),
        (lambda: config.set_epsilon(float("nan")), ValueError, "nan"),
        (lambda: config.set_image_data_format("last"), ValueError, "last"),
        (lambda: config.set_max_epochs(0), ValueError, "0"),
        (lambda: config.set_max_epochs(1.5), TypeError, "1.5"),
        (lambda: config.set_dtype_policy(None), ValueError, "None"),
        (lambda: config.set_num_threads(0), ValueError, "0"),
        (lambda: config.set_num_threads("all"), TypeError, "all"),
        (lambda: config.set_float32_matmul_precision("low"), ValueError, "low"),
        (config.enable_unsafe_deserialization, ValueError, "custom_objects"),
        (lambda: dtype_policies.DTypePolicy("float7"), ValueError, "float7"),
        (lambda: dtype_policies.DTypePolicy("int8_from_float32"), ValueError, "quantization"),
        (lambda: dtype_policies.DTypePolicy(3), TypeError, "3"),
        (lambda: backend.standardize_dtype("float7"), ValueError, "float7"),
    ],
)
def test_errors_name_the_value(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize("name", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_16_bit_policies(name):
    policy = dtype_policies.get(name)
    weights = "float32" if name.startswith("mixed") else name
    assert (policy.compute_dtype, policy.variable_dtype) == (name.removeprefix("mixed_"), weights)
    again = dtype_policies.deserialize(dtype_policies.serialize(policy))
    assert again == policy and again.name == name


def test_policy_config_equals_that_of_keras():
    keras = pytest.importorskip("keras")
    ours = dtype_policies.serialize(dtype_policies.DTypePolicy("mixed_float16"))
    assert ours == keras.dtype_policies.serialize(keras.DTypePolicy("mixed_float16"))
    assert dtype_policies.get(ours).name == "mixed_float16"
    keras2 = {"class_name": "Policy", "config": {"name": "float32"}}
    assert dtype_policies.get({**keras2, "module": "keras.mixed_precision"}) == dtype_policies.get(
        "float32"
    )
    assert dtype_policies.get(keras2).name == "float32"


def test_result_type_matches_keras():
    keras = pytest.importorskip("keras")
    names = ["bool", "uint8", "uint32", "int8", "int32", "int64", "float16", "bfloat16"]
    names += ["float32", "float64", int, float, None]
    # Keras on this backend narrows 64-bit results; pyseq keeps them.
    narrow = {"int64": "int32", "float64": "float32"}
    for dtypes in itertools.product(names, repeat=2):
        ours = backend.result_type(*dtypes)
        assert narrow.get(ours, ours) == keras.backend.result_type(*dtypes), dtypes


def test_standardize_dtype():
    cases = {np.float32: "float32", "int": "int32", bool: "bool", None: "float32", float: "float32"}
    for given, expected in cases.items():
        assert backend.standardize_dtype(given) == expected
    assert backend.standardize_dtype(np.dtype("float64")) == "float64"
    assert backend.standardize_dtype(np.array(["a"]).dtype) == "string"
    assert backend.is_float_dtype("bfloat16") and not backend.is_int_dtype("bool")


def test_clear_session_restarts_names_and_seeds():
    backend.clear_session()
    assert naming.auto_name("dense") == "dense" and naming.auto_name("dense") == "dense_1"
    backend.clear_session()
    assert naming.auto_name("dense") == "dense"


def test_set_random_seed_repeats_everything():
    import random as python_random

    def draw():
        return (
            python_random.random(),
            np.random.rand(),
            random.normal((3,)).tolist(),
            random.draw_seed(None),
        )

    set_random_seed(11)
    first = draw()
    assert first != draw()
    set_random_seed(11)
    assert first == draw()
    for bad, error in ((-1, ValueError), (2**32, ValueError), (1.5, ValueError), (True, ValueError)):
        with pytest.raises(error):
            set_random_seed(bad)


def test_seed_generator_state():
    source = random.SeedGenerator(5)
    assert [source.next().tolist() for _ in range(3)] == [[5, 0], [5, 1], [5, 2]]
    assert random.SeedGenerator.from_config(source.get_config()).next().tolist() == [5, 0]
    assert not np.array_equal(random.normal((4,), seed=source), random.normal((4,), seed=source))
    assert np.array_equal(random.normal((4,), seed=3), random.normal((4,), seed=3))
    seeds = {random.draw_seed(s) for s in range(1000)}
    seeds |= {random.draw_seed(source) for _ in range(9)}
    assert len(seeds) == 1009 and all(0 <= s < 2**63 for s in seeds)
    with pytest.raises(ValueError, match="1.5"):
        random.draw_seed(1.5)


def test_random_streams_are_those_of_the_numpy_backend_of_keras():
    generator = np.random.default_rng([9, 0])
    expected = generator.normal(1.0, 2.0, (5, 6)).astype("float32")
    assert np.array_equal(random.normal((5, 6), 1.0, 2.0, seed=9), expected)
    expected = np.random.default_rng([9, 0]).uniform(-1, 1, (4,)).astype("float32")
    assert np.array_equal(random.uniform((4,), -1, 1, seed=9), expected)


def test_random_distributions():
    n = 40000
    x = random.truncated_normal((n,), 1.0, 0.5, seed=1)
    assert x.dtype == np.float32 and x.min() >= 0.0 and x.max() <= 2.0
    assert abs(x.mean() - 1) < 0.01 and abs(x.std() - 0.5 * 0.8796) < 0.01
    x = random.randint((n,), -2, 3, seed=1)
    assert x.dtype == np.int32 and set(np.unique(x)) == {-2, -1, 0, 1, 2}
    x = random.gamma((n,), 3.0, seed=1)
    assert abs(x.mean() - 3) < 0.05 and abs(x.var() - 3) < 0.15
    x = random.beta((n,), 2.0, 3.0, seed=1)
    assert abs(x.mean() - 0.4) < 0.01 and 0 <= x.min() and x.max() <= 1
    x = random.binomial((n,), 10.0, 0.3, seed=1)
    assert abs(x.mean() - 3) < 0.05 and x.dtype == np.float32
    x = random.categorical(np.log([[0.2, 0.8], [0.5, 0.5]]), n, seed=1)
    assert x.shape == (2, n) and np.allclose(x.mean(axis=1), [0.8, 0.5], atol=0.01)
    x = random.dropout(np.ones((200, 300), "float32"), 0.25, seed=1)
    assert set(np.unique(x)) == {np.float32(0), np.float32(1 / 0.75)} and abs(x.mean() - 1) < 0.01
    x = random.dropout(np.ones((4, 5, 6)), 0.5, noise_shape=(None, 1, 6), seed=1)
    assert (x == x[:, :1]).all()
    x = np.arange(20).reshape(10, 2)
    mixed = random.shuffle(x, seed=1)
    assert not np.array_equal(mixed, x) and np.array_equal(mixed[mixed[:, 0].argsort()], x)
    for call in (
        lambda: random.uniform((2,), dtype="int32"),
        lambda: random.randint((2,), 0, 3, dtype="float32"),
        lambda: random.dropout(np.ones(2), 1.5),
        lambda: random.categorical(np.ones(3), 2),
    ):
        with pytest.raises(ValueError, match="random"):
            call()


def test_threads_and_precision_go_to_the_core(monkeypatch):
    import types

    calls = []
    core = types.SimpleNamespace(
        set_num_threads=lambda n: calls.append(n),
        num_threads=lambda: calls[-1],
        set_matmul_precision=lambda p: calls.append(p),
        matmul_precision=lambda: calls[-1],
    )
    monkeypatch.setattr(config, "_core", core)
    config.set_num_threads(np.int64(2))
    assert config.num_threads() == 2
    config.set_float32_matmul_precision("high")
    assert config.float32_matmul_precision() == "high"
    assert calls == [2, "high"]
