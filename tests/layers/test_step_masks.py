"""Masks on their way into layers: steps of TimeDistributed, users' code, BatchNormalization."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

keras = pytest.importorskip("keras")
pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(5).normal(size=(3, 2, 4)).astype("float32")
MASK = np.array([[False, True], [True, False], [True, True]])


def keeps(library, supports=True):
    """A layer class of `library` that puts 0 where its mask does."""

    class Keeps(library.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = supports

        def call(self, x, mask=None):
            if mask is None:
                return x
            return x * library.ops.expand_dims(library.ops.cast(mask, "float32"), -1)

    return Keeps


class Untraced(layers.Layer):
    """The same in code that needs an array and its mask."""

    def call(self, x, mask=None):
        kept = [[float(v) * float(np.ravel(m)[0]) for v in np.ravel(row)]
                for row, m in zip(x.reshape(-1, x.shape[-1]), np.ravel(mask), strict=True)]
        return np.array(kept, "float32").reshape(x.shape)


@pytest.mark.filterwarnings("ignore:.*does not support masking:UserWarning")
@pytest.mark.parametrize(("supports", "inside"), [(True, False), (False, False), (True, True)])
def test_steps_of_time_distributed(supports, inside):
    mine, theirs = keeps(pyseq, supports)(), keeps(keras, supports)()
    if inside:
        mine, theirs = pyseq.Sequential([mine]), keras.Sequential([theirs])
    want = keras.layers.TimeDistributed(theirs)(X, mask=keras.ops.convert_to_tensor(MASK))
    got = layers.TimeDistributed(mine)(X, mask=MASK)
    np.testing.assert_allclose(got, want.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(got, X * MASK[..., None], atol=1e-6)


@pytest.mark.parametrize("wrap", [False, True])
def test_untraced_code_finds_its_shape_with_a_mask(wrap):
    layer = layers.TimeDistributed(Untraced()) if wrap else Untraced()
    np.testing.assert_allclose(layer(X, mask=MASK), X * MASK[..., None], atol=1e-6)
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 4]])
    embedding = layers.Embedding(5, 2, mask_zero=True, embeddings_initializer="ones")
    model = pyseq.Sequential([pyseq.Input((None,)), embedding, layer])
    assert model.output_shape == (None, None, 2)
    assert model(ids)[..., 0].tolist() == (ids != 0).astype(float).tolist()


def test_untraced_code_that_fails_with_any_mask():
    class Fails(layers.Layer):
        def call(self, x, mask=None):
            raise KeyError("of mine")

    with pytest.raises(KeyError, match="of mine"):
        Fails().compute_output_shape((None, 3, 2))


@pytest.mark.parametrize("shape", [(3, 3), (2, 2), (3,), (5, 5)])
def test_time_distributed_checks_masks(shape):
    with pytest.raises(ValueError, match="expected a mask"):
        layers.TimeDistributed(keeps(pyseq)())(X, mask=np.ones(shape, bool))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("mask", [MASK, MASK[:1], MASK[:, :1], [[True]], np.ones((1, 2))])
def test_batch_normalization_broadcasts_its_mask(mask, axis, training):
    mask = np.asarray(mask)
    mine, theirs = layers.BatchNormalization(axis), keras.layers.BatchNormalization(axis)
    want = theirs(X, mask=keras.ops.convert_to_tensor(mask), training=training)
    got = mine(X, mask=mask, training=training)
    np.testing.assert_allclose(got, want.detach().numpy(), atol=1e-5)
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_batch_normalization_within_users_code():
    class Normalizes(layers.Layer):
        def __init__(self):
            super().__init__()
            self.norm = layers.BatchNormalization()

        def call(self, x):
            return self.norm(x, mask=np.array([[True, False]]))

    want = layers.BatchNormalization()(X, mask=MASK[1:2], training=True)
    np.testing.assert_allclose(Normalizes()(X, training=True), want, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3,), (3, 2, 4), (3, 2, 1), (3, 4), (6, 2)])
def test_batch_normalization_refuses_other_masks(shape, training):
    with pytest.raises(ValueError, match="batch_normalization.*: expected a mask"):
        layers.BatchNormalization()(X, mask=np.ones(shape, bool), training=training)


@pytest.mark.parametrize("made", [False, True])
def test_embedding_supports_masking_where_it_makes_masks(made):
    for kind in ("Embedding", "ReversibleEmbedding"):
        mine = getattr(layers, kind)(4, 3, mask_zero=made)
        theirs = getattr(keras.layers, kind)(4, 3, mask_zero=made)
        assert mine.supports_masking is theirs.supports_masking is made


class Notes(layers.Layer):
    """Keeps what it was called with; its own mask is `made`, where that is not None."""

    def __init__(self, made=None):
        super().__init__()
        self.seen, self.made = [], made

    def call(self, x, training=False, mask=None):
        self.seen.append((training, None if mask is None else [[float(v) for v in mask[0]]]))
        return x

    def compute_mask(self, inputs, previous_mask=None):
        return previous_mask if self.made is None else np.asarray(self.made)


def test_pipeline_hands_its_mask_on():
    first, second, third, last = Notes(), Notes([[0, 1]]), Notes(), Notes()
    pipeline = layers.Pipeline([layers.ReLU(), first, second, third, layers.Flatten(), last])
    assert pipeline.supports_masking is keras.layers.Pipeline([]).supports_masking is False
    y = pipeline(np.ones((1, 2, 3)), mask=np.array([[1, 0]]))
    assert y.tolist() == [[1.0] * 6]
    assert pipeline.built
    assert first.seen[-1] == second.seen[-1] == (True, [[1.0, 0.0]])
    assert third.seen[-1] == (True, [[0.0, 1.0]])
    assert last.seen[-1] == (True, None)
    pipeline(np.ones((1, 2, 3)), training=False)
    assert first.seen[-1] == (False, None)


def test_pipeline_hands_on_the_mask_that_its_layers_make():
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 4]])
    embedding = layers.Embedding(5, 2, mask_zero=True)
    parts = [embedding, layers.Dropout(0.0), layers.LSTM(3)]
    want = pyseq.Sequential(parts)(ids)
    np.testing.assert_allclose(layers.Pipeline(parts)(ids, training=False), want, atol=1e-6)
    np.testing.assert_allclose(pyseq.Sequential([layers.Pipeline(parts)])(ids), want, atol=1e-6)
