"""Layers that act while training only."""

import numpy as np
import pytest
from layer_oracle import run

from pyseq import _core, layers
from pyseq.random import SeedGenerator

SHAPE = (200, 30, 10)
ONES = np.ones(SHAPE)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dropout(0.3),
        layers.SpatialDropout1D(0.3),
        layers.AlphaDropout(0.3),
        layers.GaussianDropout(0.3),
        layers.GaussianNoise(0.3),
    ],
)
def test_identity_at_inference(layer):
    x = np.random.default_rng(0).normal(size=SHAPE).astype("float32")
    assert np.array_equal(layer(x), x)
    assert not np.array_equal(layer(x, training=True), x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout(rate):
    result = run(layers.Dropout(rate, seed=1), ONES, ONES)
    y = result["y"]
    assert set(np.round(np.unique(y), 6)) == {0.0, round(1 / (1 - rate), 6)}
    assert (y == 0).mean() == pytest.approx(rate, abs=0.01)
    np.testing.assert_array_equal(result["dx"], y)


def test_dropout_of_everything_and_nothing():
    assert not run(layers.Dropout(1), ONES, ONES)["dx"].any()
    np.testing.assert_array_equal(run(layers.Dropout(0), ONES)["y"], ONES)


def test_dropout_steps_differ_and_repeat():
    layer = layers.Dropout(0.5, seed=3)
    first, again, other = (run(layer, ONES, step=s)["y"] for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_dropout_rows_and_layers_are_independent():
    y = run(layers.Dropout(0.5, seed=3), ONES)["y"] > 0
    z = run(layers.Dropout(0.5, seed=4), ONES)["y"] > 0
    assert (y == z).mean() == pytest.approx(0.5, abs=0.01)
    assert (y[0] == y[1]).mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("noise", "shared"),
    [((None, 1, None), 1), ((None, None, 1), 2), ((None, 1, 1), (1, 2)), ((1, None, None), 0),
     ((1, 1, None), (0, 1)), ((200, 30, 10), ())],
)
def test_dropout_noise_shape(noise, shared):
    result = run(layers.Dropout(0.5, noise_shape=noise), ONES, ONES)
    y = result["y"]
    np.testing.assert_array_equal(result["dx"], y)
    axes = (shared,) if isinstance(shared, int) else shared
    for axis in range(3):
        same = np.all(y == y.take([0], axis), axis=axis).all()
        assert same == (axis in axes)
    assert 0.1 < (y == 0).mean() < 0.9


def test_spatial_dropout():
    x = np.ones((50, 4, 3, 20))
    for layer, axes in [
        (layers.SpatialDropout2D(0.5), (1, 2)),
        (layers.SpatialDropout2D(0.5, data_format="channels_first"), (2, 3)),
        (layers.SpatialDropout3D(0.5), (1, 2, 3)),
    ]:
        z = x[:, :, :, None] if len(axes) == 3 else x
        y = run(layer, z)["y"]
        assert (y == y.max(axis=axes, keepdims=True)).all()
        assert 0.3 < (y == 0).mean() < 0.7


@pytest.mark.parametrize("rate", [0.05, 0.4])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = np.random.default_rng(0).normal(size=(1000, 200))
    result = run(layers.AlphaDropout(rate, seed=0), x, np.ones(x.shape))
    assert result["y"].mean() == pytest.approx(0, abs=0.01)
    assert result["y"].var() == pytest.approx(1, abs=0.01)
    q = -1.7580993408473766
    a = ((1 - rate) * (1 + rate * q * q)) ** -0.5
    kept = result["dx"] != 0
    assert kept.mean() == pytest.approx(1 - rate, abs=0.01)
    np.testing.assert_allclose(result["y"][kept], a * x[kept] - a * q * rate, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result["y"][~kept], a * q - a * q * rate, rtol=1e-6)


def test_gaussian_dropout():
    result = run(layers.GaussianDropout(0.2, seed=0), ONES, ONES)
    assert result["y"].mean() == pytest.approx(1, abs=0.01)
    assert result["y"].std() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(result["dx"], result["y"])


def test_gaussian_noise():
    result = run(layers.GaussianNoise(0.2, seed=0), ONES, ONES)
    assert (result["y"] - 1).mean() == pytest.approx(0, abs=0.005)
    assert (result["y"] - 1).std() == pytest.approx(0.2, abs=0.005)
    np.testing.assert_array_equal(result["dx"], ONES)


@pytest.mark.parametrize("isa", [i for i in _core.available_isas() if i != "ref64"])
def test_draws_agree_between_instruction_sets(isa):
    for layer in (layers.Dropout(0.5, seed=9), layers.Dropout(0.5, (None, 1, None), seed=9)):
        exact, other = run(layer, ONES)["y"], run(layer, ONES, isa=isa)["y"]
        np.testing.assert_array_equal(exact, other)


def test_activity_regularization_is_divided_by_rows():
    x = np.array([[1.0, -2.0], [3.0, 0.0]])
    result = run(layers.ActivityRegularization(0.1, 0.01), x, np.zeros(x.shape))
    assert result["loss"] == pytest.approx((0.1 * 6 + 0.01 * 14) / 2)
    np.testing.assert_allclose(result["dx"], (0.1 * np.sign(x) + 0.02 * x) / 2)


def test_seeds():
    generator = SeedGenerator(5)
    first, second = layers.Dropout(0.5, seed=generator), layers.Dropout(0.5, seed=generator)
    assert not np.array_equal(run(first, ONES)["y"], run(second, ONES)["y"])
    assert first.get_config()["seed"] == 5


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: layers.Dropout(1.5), r"`rate` in \[0, 1\]"),
        (lambda: layers.Dropout("a"), r"`rate` in \[0, 1\]"),
        (lambda: layers.GaussianDropout(1.0), r"`rate` in \[0, 1\)"),
        (lambda: layers.GaussianNoise(2), "`stddev`"),
        (lambda: layers.Dropout(0.5, seed="x"), "`seed`"),
        (lambda: layers.Dropout(0.5, noise_shape=3), "`noise_shape`"),
        (lambda: layers.Dropout(0.5, noise_shape=(0, 1)), "`noise_shape`"),
        (lambda: run(layers.Dropout(0.5, noise_shape=(None, 1)), ONES), "3 entries"),
        (lambda: run(layers.Dropout(0.5, noise_shape=(None, 2, None)), ONES), "those of the input"),
        (lambda: run(layers.AlphaDropout(1.0), ONES), "below 1"),
    ],
)
def test_errors(make, rule):
    with pytest.raises((ValueError, TypeError), match=rule):
        make()
