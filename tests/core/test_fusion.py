"""Inference programs: fused or not, the answers agree; packed weights follow the variables."""

import numpy as np
import pytest

import pyseq
from pyseq import layers, lowering, settings


def _norm(**options):
    return layers.BatchNormalization(epsilon=1e-2, **options)


MODELS = {
    "conv": [(12, 12, 5), lambda: [layers.Conv2D(7, 3), _norm(), layers.ReLU()]],
    "conv winograd": [
        (12, 12, 16),
        lambda: [layers.Conv2D(40, 3, padding="same", use_bias=False), _norm(), layers.ReLU(6.0)],
    ],
    "conv small image": [
        (4, 4, 16),
        lambda: [layers.Conv2D(32, 3, padding="same"), _norm(scale=False), layers.ReLU()],
    ],
    "conv narrow": [(9, 9, 8), lambda: [layers.Conv2D(3, 3), _norm(center=False)]],
    "conv groups": [(9, 9, 8), lambda: [layers.Conv2D(12, 3, groups=2), _norm()]],
    "conv1d strided": [(21, 4), lambda: [layers.Conv1D(6, 5, strides=2), _norm(), layers.ELU()]],
    "transpose": [
        (6, 6, 5),
        lambda: [layers.Conv2DTranspose(33, 3, strides=2), _norm(), layers.Activation("tanh")],
    ],
    "transpose winograd": [
        (10, 10, 16),
        lambda: [layers.Conv2DTranspose(16, 3, use_bias=False), _norm()],
    ],
    "depthwise": [
        (9, 9, 5),
        lambda: [layers.DepthwiseConv2D(3, depth_multiplier=2), _norm(), layers.ReLU()],
    ],
    "separable": [
        (19, 17, 5),
        lambda: [layers.DepthwiseConv2D(3, padding="same"), _norm(), layers.ReLU(6.0),
                 layers.Conv2D(9, 1), _norm(), layers.Activation("silu")],
    ],
    "separable strided": [
        (26, 31, 20),
        lambda: [layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
                 layers.Conv2D(40, 1, use_bias=False, activation="tanh")],
    ],
    "separable wide": [
        (13, 12, 300),
        lambda: [layers.SeparableConv2D(33, 5, padding="same"), _norm()],
    ],
    "separable 1d": [(150, 16), lambda: [layers.SeparableConv1D(24, 3), layers.ReLU()]],
    "separable 3d": [
        (6, 6, 6, 4),
        lambda: [layers.Reshape((36, 6, 4)), layers.DepthwiseConv2D((3, 1)), layers.Conv2D(3, 1)],
    ],
    "dense": [(11,), lambda: [layers.Dense(9), _norm(), layers.Activation("sigmoid")]],
    "dense steps": [(7, 11), lambda: [layers.Dense(9, use_bias=False), _norm()]],
    "not to be fused": [
        (8, 8, 4),
        lambda: [layers.Conv2D(6, 3, activation="relu"), _norm(axis=1), _norm(), layers.ReLU()],
    ],
}


def _model(name, seed=0):
    shape, make = MODELS[name]
    model = pyseq.Sequential([pyseq.Input(shape), *make()])
    _randomize(model, seed)
    x = np.random.default_rng(seed).standard_normal((90, *shape)).astype("float32")
    return model, x


def _randomize(model, seed):
    rng = np.random.default_rng(seed)
    for v in model.weights:
        low = 0.5 if v.path.endswith("variance") else -1.0
        v.assign(rng.uniform(low, 1.5, v.shape).astype("float32"))


def _unfused(model, x, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(settings, "fusion", False)
        return lowering.Runner(model, x.shape[1:], False, None)([x])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [1, 3, 90])
def test_fused_equals_unfused(name, rows, monkeypatch):
    model, x = _model(name)
    want = _unfused(model, x[:rows], monkeypatch)
    got = model.predict_on_batch(x[:rows])
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 * np.abs(want).max())


def test_what_is_fused():
    def kinds(name):
        model, x = _model(name)
        graph, output = lowering.lower(model, x.shape[1:], training=False)
        return [line.split()[1] for line in graph.program(output).dump().splitlines()[2:]]

    assert kinds("conv") == ["conv"]
    assert kinds("transpose") == ["conv_transpose"]
    assert kinds("depthwise") == ["depthwise_conv"]
    for name in ("separable", "separable strided", "separable wide", "separable 1d"):
        assert kinds(name) == ["depthwise_conv"], name
    assert kinds("dense") == ["dense"]
    assert kinds("not to be fused").count("batch_norm") == 2


@pytest.mark.parametrize("name", MODELS)
def test_packed_weights_follow_the_variables(name, monkeypatch):
    model, x = _model(name)
    before = model.predict_on_batch(x)
    _randomize(model, 1)
    want = _unfused(model, x, monkeypatch)
    got = model.predict_on_batch(x)
    assert np.abs(got - before).max() > 1e-3
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 * np.abs(want).max())


def test_packed_weights_follow_training():
    model, x = _model("conv winograd")
    model = pyseq.Sequential([*model.layers, layers.GlobalAveragePooling2D(), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.predict_on_batch(x[:1])
    model.fit(x, np.ones((len(x), 1)), epochs=2, verbose=0)
    after = model.predict_on_batch(x[:1])
    fresh = pyseq.Sequential([layer.from_config(layer.get_config()) for layer in model.layers])
    fresh.build((None, 12, 12, 16))
    fresh.set_weights(model.get_weights())
    assert np.abs(after - before).max() > 0
    np.testing.assert_array_equal(after, fresh.predict_on_batch(x[:1]))


@pytest.mark.parametrize("name", ["conv winograd", "conv small image", "transpose winograd"])
def test_packed_weights_follow_the_precision(name):
    model, x = _model(name)
    before = model.predict_on_batch(x)
    try:
        pyseq.config.set_float32_matmul_precision("high")
        lower = model.predict_on_batch(x)
        other, _ = _model(name)
        planned_lower = other.predict_on_batch(x)
    finally:
        pyseq.config.set_float32_matmul_precision("highest")
    scale = np.abs(before).max()
    np.testing.assert_allclose(lower, before, atol=1e-4 * scale)
    np.testing.assert_allclose(planned_lower, before, atol=1e-4 * scale)
    np.testing.assert_array_equal(model.predict_on_batch(x), before)
    np.testing.assert_array_equal(other.predict_on_batch(x), before)


def test_short_paths_agree_and_refuse_alike():
    model, x = _model("dense")
    want = model.predict(x, verbose=0)
    np.testing.assert_array_equal(model.predict_on_batch(x), want)
    np.testing.assert_array_equal(model(x), want)
    np.testing.assert_array_equal(model(x.astype("float64")), want)
    for call in (model, model.predict_on_batch, lambda a: model.predict(a, verbose=0)):
        with pytest.raises(ValueError, match="expected"):
            call(x[:, :-1])


def test_separable_gives_the_same_bits_at_any_thread_count():
    for name in ("separable", "separable strided", "separable wide"):
        answers = []
        for threads in (1, 2, 3):
            pyseq.config.set_num_threads(threads)
            model, x = _model(name)
            answers.append([model.predict_on_batch(x[:rows]) for rows in (1, 5, 90)])
        for other in answers[1:]:
            for a, b in zip(answers[0], other, strict=True):
                np.testing.assert_array_equal(a, b)
