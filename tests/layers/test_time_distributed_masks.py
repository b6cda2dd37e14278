"""Masks through `TimeDistributed`: what the next layer gets, and masks of a wrong length."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

IDS = np.array([[[1, 2, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]], [[0] * 4, [3, 0, 0, 0], [4] * 4]])

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def fill(weights):
    for w in weights:
        w.assign(np.linspace(-1, 1, int(np.prod(w.shape))).reshape(w.shape))


def numpy(x):
    return x.detach().numpy()


@pytest.mark.parametrize("inner", ["GRU", "GlobalAveragePooling1D"])
def test_a_step_counts_where_any_of_its_own_steps_does(inner, keras):
    args = (2,) if inner == "GRU" else ()
    model = pyseq.Sequential(
        [
            pyseq.Input((3, 4), dtype="int32"),
            layers.Embedding(5, 3, mask_zero=True),
            layers.TimeDistributed(getattr(layers, inner)(*args)),
            layers.LSTM(2),
        ]
    )
    fill(model.weights)

    # Keras 3 hands (n, 3, 4) to the LSTM and fails; its layers, one after the other, do not.
    k = keras.layers
    embedding = k.Embedding(5, 3, mask_zero=True)
    wrapped, outer = k.TimeDistributed(getattr(k, inner)(*args)), k.LSTM(2)
    embedding.build((None, 3, 4))
    wrapped.build((None, 3, 4, 3))
    outer.build((None, 3, 2 if args else 3))
    fill([*embedding.weights, *wrapped.weights, *outer.weights])
    x = embedding(IDS)
    y = wrapped(x, mask=keras.ops.convert_to_tensor(IDS != 0))
    want = outer(y, mask=keras.ops.convert_to_tensor((IDS != 0).any(axis=-1)))
    np.testing.assert_allclose(model.predict(IDS, verbose=0), numpy(want), atol=1e-6)
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(IDS, np.ones((2, 2))))


def test_axes_that_the_output_still_has_keep_their_mask(keras):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("float32")
    x[0, 1, 2:] = 0
    model = pyseq.Sequential(
        [
            layers.Masking(),
            layers.TimeDistributed(layers.GRU(3, return_sequences=True)),
            layers.TimeDistributed(layers.TimeDistributed(layers.Dense(2))),
            layers.TimeDistributed(layers.GRU(2)),
        ]
    )
    model.build(x.shape)
    fill(model.weights)
    k = keras.layers
    mask = (x != 0).any(axis=-1)
    twin = [k.GRU(3, return_sequences=True), k.Dense(2), k.GRU(2)]
    for layer, size in zip(twin, (2, 3, 2)):
        layer.build((None, 4, size))
    fill([w for layer in twin for w in layer.weights])
    steps = []
    for t in range(3):
        m = keras.ops.convert_to_tensor(mask[:, t])
        steps.append(numpy(twin[2](twin[1](twin[0](x[:, t], mask=m)), mask=m)))
    np.testing.assert_allclose(model.predict(x, verbose=0), np.stack(steps, 1), atol=1e-6)


@pytest.mark.parametrize("inner", [layers.Dense, layers.GRU, lambda n: layers.BatchNormalization()])
@pytest.mark.parametrize("shape", [(2, 4), (2, 2), (2, 1), (2,), (2, 4, 5)])
@pytest.mark.parametrize("training", [False, True])
def test_a_mask_of_another_length(inner, shape, training):
    layer = layers.TimeDistributed(inner(2), name="steps")
    x = np.ones((2, 3, 4) if inner is layers.Dense else (2, 3, 5, 4), "float32")
    with pytest.raises(ValueError, match=r"steps: expected a mask \(N, 3, ...\) for an input"):
        layer(x, mask=np.ones(shape, bool), training=training)


@pytest.mark.parametrize("layer", [layers.TimeDistributed(layers.Dense(2)), layers.LSTM(2)])
def test_a_mask_of_other_rows(layer):
    with pytest.raises(ValueError, match=rf"{layer.name}: expected a mask of 2 rows"):
        layer(np.ones((2, 3, 4), "float32"), mask=np.ones((1, 3), bool))
    assert layer(np.ones((2, 3, 4), "float32"), mask=np.ones((2, 3), bool)).shape[0] == 2
