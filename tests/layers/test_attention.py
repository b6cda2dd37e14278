"""Attention layers beside Keras: on arrays, and within users' layers that train."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras: masks that end, NumPy's news

SEQUENCE = "MultiHeadAttention", {"num_heads": 2, "key_dim": 3}
GROUPS = "GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}
# name, constructor, arguments of the call
CASES = {
    "dot": ("Attention", {}, {}),
    "dot scaled causal": ("Attention", {"use_scale": True}, {"use_causal_mask": True}),
    "concat": ("Attention", {"use_scale": True, "score_mode": "concat"}, {}),
    "additive": ("AdditiveAttention", {}, {"use_causal_mask": True}),
    "additive without scale": ("AdditiveAttention", {"use_scale": False}, {}),
    "heads": (*SEQUENCE, {}),
    "heads causal": (*SEQUENCE, {"use_causal_mask": True}),
    "heads of other sizes": (
        "MultiHeadAttention",
        {"num_heads": 3, "key_dim": 2, "value_dim": 5, "output_shape": 7, "use_bias": False},
        {},
    ),
    "gate and window": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "use_gate": True, "sliding_window": 2},
        {},
    ),
    "groups": (*GROUPS, {}),
    "groups causal": (GROUPS[0], {**GROUPS[1], "use_gate": True}, {"use_causal_mask": True}),
    "one group": (
        "GroupQueryAttention",
        {"head_dim": 2, "num_query_heads": 3, "num_key_value_heads": 1, "use_bias": False},
        {},
    ),
}
IN_LISTS = "Attention", "AdditiveAttention"


def call(api, layer, tensors, **options):
    name = type(layer).__name__
    return layer(tensors, **options) if name in IN_LISTS else layer(*tensors, **options)


def array(x):
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def same_weights(ours, theirs, rng):
    assert [tuple(w.shape) for w in theirs.weights] == [w.shape for w in ours.weights]
    values = [rng.normal(0, 0.5, w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values)
    theirs.set_weights(values)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("with_key", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_on_arrays(name, with_key, scores, keras, rng):
    cls, arguments, options = CASES[name]
    shapes = [(2, 4, 6), (2, 5, 6), (2, 5, 6)][: 2 + with_key]
    tensors = [rng.normal(size=s).astype("float32") for s in shapes]
    ours, theirs = (getattr(m.layers, cls)(**arguments) for m in (pyseq, keras))
    options = {**options, **({"return_attention_scores": True} if scores else {})}
    got, want = (
        call(m, layer, tensors, **options) for m, layer in ((pyseq, ours), (keras, theirs))
    )
    same_weights(ours, theirs, rng)
    got, want = (
        call(m, layer, tensors, **options) for m, layer in ((pyseq, ours), (keras, theirs))
    )
    for a, b in zip(got, want, strict=True) if scores else [(got, want)]:
        np.testing.assert_allclose(a, array(b), rtol=1e-5, atol=1e-5)
    config, expected = ours.get_config(), theirs.get_config()
    for key in expected:
        if key not in ("name", "dtype", "activity_regularizer") and "initializer" not in key:
            assert config[key] == expected[key], key
    again = type(ours).from_config(config)
    call(pyseq, again, tensors, **options)
    again.set_weights(ours.get_weights())
    same = call(pyseq, again, tensors, **options)
    assert np.array_equal(same[0] if scores else same, got[0] if scores else got)


@pytest.mark.parametrize("name", ["heads", "groups"])
def test_masks_given(name, keras, rng):
    cls, arguments, _ = CASES[name]
    tensors = [rng.normal(size=s).astype("float32") for s in ((2, 4, 6), (2, 5, 6))]
    mask = rng.random((2, 4, 5)) > 0.4
    mask[:, :, 0] = True
    values = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
    ours, theirs = (getattr(m.layers, cls)(**arguments) for m in (pyseq, keras))
    for layer in (ours, theirs):
        layer(*tensors)
    same_weights(ours, theirs, rng)
    for options in ({"attention_mask": mask}, {"attention_mask": mask, "value_mask": values}):
        got = ours(*tensors, **options)
        np.testing.assert_allclose(got, array(theirs(*tensors, **options)), rtol=1e-5, atol=1e-5)


def test_masks_of_lists(keras, rng):
    tensors = [rng.normal(size=s).astype("float32") for s in ((2, 4, 6), (2, 5, 6))]
    masks = [np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool), np.array([[1, 0, 1, 0, 0]] * 2, bool)]
    got = layers.Attention()(tensors, mask=masks)
    want = keras.layers.Attention()(tensors, mask=masks)
    np.testing.assert_allclose(got, array(want), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), None])
def test_attention_axes(axes, keras, rng):
    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    arguments = {"num_heads": 2, "key_dim": 3, "attention_axes": axes}
    ours, theirs = (m.layers.MultiHeadAttention(**arguments) for m in (pyseq, keras))
    ours(x, x)
    theirs(x, x)
    same_weights(ours, theirs, rng)
    np.testing.assert_allclose(ours(x, x), array(theirs(x, x)), rtol=1e-5, atol=1e-5)


def transformer(api, **attention):
    class Block(api.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True
            self.att = api.layers.MultiHeadAttention(num_heads=2, key_dim=4, **attention)
            self.ffn = api.Sequential([api.layers.Dense(8, activation="relu"), api.layers.Dense(6)])
            self.norm1 = api.layers.LayerNormalization(epsilon=1e-6)
            self.norm2 = api.layers.LayerNormalization(epsilon=1e-6)
            self.drop = api.layers.Dropout(0.0)
            self.add = api.layers.Add()

        def call(self, inputs, training=False):
            x = self.norm1(
                self.add([inputs, self.drop(self.att(inputs, inputs), training=training)])
            )
            return self.norm2(x + self.ffn(x))

    return Block()


def attentive(api, cls, options):
    class Block(api.layers.Layer):
        def __init__(self):
            super().__init__()
            self.att = getattr(api.layers, cls)(**options)
            self.key = api.layers.Dense(6)

        def call(self, x):
            return x + call(api, self.att, [x, self.key(x)])

    return Block()


def test_a_transformer_trains_as_in_keras(keras, rng):
    compare(lambda api: transformer(api), keras, rng)


def test_masks_reach_attention(keras, rng):
    compare(lambda api: transformer(api), keras, rng, mask_zero=True)


@pytest.mark.parametrize("name", ["dot scaled causal", "additive", "gate and window", "groups"])
def test_attention_trains_as_in_keras(name, keras, rng):
    compare(lambda api: attentive(api, *CASES[name][:2]), keras, rng)


def compare(block, keras, rng, **embedding):
    ids, y = rng.integers(0, 9, (12, 5)), rng.normal(size=(12, 2)).astype("float32")
    ids[:, 0] += ids[:, 0] == 0
    models = []
    for api in (pyseq, keras):
        parts = [
            api.layers.Embedding(9, 6, **embedding),
            block(api),
            api.layers.GlobalAveragePooling1D(),
            api.layers.Dense(2),
        ]
        models.append(api.Sequential([api.Input((5,)), *parts]))
    ours, theirs = models
    same_weights(ours, theirs, rng)
    for model, api in zip(models, (pyseq, keras)):
        model.compile(api.optimizers.Adam(0.01, epsilon=1e-3), "mse")
    np.testing.assert_allclose(*(m.predict(ids, verbose=0) for m in models), rtol=1e-4, atol=1e-5)
    start = ours.get_weights()
    for model in models:
        model.fit(ids, y, batch_size=5, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert sum(not np.array_equal(a, b) for a, b in zip(start, ours.get_weights())) > 5


def test_dropout_of_attention_and_files(rng, tmp_path):
    model = pyseq.Sequential([pyseq.Input((5, 6)), transformer(pyseq, dropout=0.5)])
    model.compile("adam", "mse")
    x = rng.normal(size=(8, 5, 6)).astype("float32")
    same = [model.predict(x, verbose=0) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    losses = model.fit(x, x, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save_weights(tmp_path / "m.weights.h5")
    again = pyseq.Sequential([pyseq.Input((5, 6)), transformer(pyseq, dropout=0.5)])
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ["dot scaled causal", "gate and window", "groups causal"])
def test_weights_files_go_to_keras_and_back(name, keras, rng, tmp_path):
    x = rng.normal(size=(3, 5, 6)).astype("float32")

    def make(api):
        parts = [transformer(api), attentive(api, *CASES[name][:2])]
        return api.Sequential([api.Input((5, 6)), *parts])

    ours, theirs = make(pyseq), make(keras)
    ours.save_weights(tmp_path / "m.weights.h5")
    theirs.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(
        ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )
    theirs.save_weights(tmp_path / "k.weights.h5")
    again = make(pyseq)
    again.load_weights(tmp_path / "k.weights.h5")
    np.testing.assert_array_equal(again.predict(x, verbose=0), ours.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MultiHeadAttention(0, 2), "num_heads to be a positive integer"),
        (lambda: layers.Attention(score_mode="sum"), "'dot' or 'concat'"),
        (lambda: layers.GroupQueryAttention(2, 3, 2), "multiple of num_key_value_heads"),
        (lambda: layers.Attention()(np.ones((2, 3, 4))), "list \\[query, value\\]"),
        (lambda: layers.MultiHeadAttention(1, 2)(np.ones((2, 3, 4))), "straight line"),
        (
            lambda: layers.MultiHeadAttention(1, 2)(
                np.ones((2, 3, 4)), np.ones((2, 3, 4)), np.ones((2, 5, 4))
            ),
            "same length",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(ValueError, match=message):
        make()
