"""Building a Sequential: lists, add and pop, lazy building, nesting, sharing, names, configs."""

import json

import numpy as np
import pytest

import pyseq
from pyseq import layers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def mlp():
    hidden, last = layers.Dense(3, activation="relu", name="a"), layers.Dense(2, name="b")
    return pyseq.Sequential([pyseq.Input((4,)), hidden, last], name="m")


def test_list_and_add_are_the_same():
    added = pyseq.Sequential()
    added.add(pyseq.Input((4,)))
    added.add(layers.Dense(3, activation="relu", name="a"))
    added.add(layers.Dense(2, name="b"))
    listed = mlp()
    assert added.output_shape == listed.output_shape == (None, 2)
    assert [v.shape for v in added.weights] == [(4, 3), (3,), (3, 2), (2,)]
    assert [layer.name for layer in added.layers] == ["a", "b"]
    assert added.input_shape == (None, 4)
    assert added.count_params() == 4 * 3 + 3 + 3 * 2 + 2


@pytest.mark.parametrize(
    "first",
    [
        lambda: layers.Dense(3, input_shape=(4,)),
        lambda: layers.Dense(3, input_dim=4),
        lambda: layers.Dense(3, batch_input_shape=(None, 4)),
    ],
)
def test_input_shape_of_the_first_layer(first):
    model = pyseq.Sequential([first()])
    assert model.built
    assert model.input_shape == (None, 4)
    assert model.output_shape == (None, 3)


def test_batch_shape():
    model = pyseq.Sequential([pyseq.Input(batch_shape=(5, 4)), layers.Dense(1)])
    assert model.input_shape == (5, 4)
    assert pyseq.Sequential([pyseq.Input((4,), batch_size=3)] + [layers.Dense(1)]).input_shape == (
        3, 4)


def test_lazy_build_at_first_batch():
    model = pyseq.Sequential([layers.Dense(3), layers.Dense(1)])
    assert not model.built
    assert model.weights == []
    with pytest.raises(AttributeError, match="output_shape.*build"):
        model.output_shape  # noqa: B018
    assert model(np.ones((2, 5), "float32")).shape == (2, 1)
    assert model.built
    assert [v.shape for v in model.weights] == [(5, 3), (3,), (3, 1), (1,)]


def test_lazy_build_in_fit(rng):
    model = pyseq.Sequential([layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(rng.normal(size=(8, 6)), rng.normal(size=8), epochs=1, verbose=0)
    assert model.output_shape == (None, 1)
    assert model.weights[0].shape == (6, 3)


def test_build_with_shape():
    model = pyseq.Sequential([layers.Dense(3)])
    model.build((None, 7))
    assert model.weights[0].shape == (7, 3)


def test_pop_and_add_again(rng):
    model = mlp()
    kernel = model.get_layer("a").get_weights()[0]
    popped = model.pop()
    assert popped.name == "b"
    assert model.output_shape == (None, 3)
    model.add(layers.Dense(5))
    assert model.output_shape == (None, 5)
    np.testing.assert_array_equal(model.get_layer("a").get_weights()[0], kernel)
    assert model.predict(rng.normal(size=(2, 4)), verbose=0).shape == (2, 5)
    with pytest.raises(TypeError, match="empty model"):
        pyseq.Sequential().pop()


def test_failed_add_leaves_the_model_usable():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="expected an input of 4 dimensions"):
        model.add(layers.Conv2D(2, 3))
    assert len(model.layers) == 1
    assert model.output_shape == (None, 3)
    model.add(layers.Dense(1))
    assert model.predict(np.ones((1, 4)), verbose=0).shape == (1, 1)


def test_nested_models(rng):
    inner = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(5, activation="tanh")], name="inner")
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3), inner, layers.Dense(1)])
    assert model.output_shape == (None, 1)
    assert [layer.name for layer in model.layers][1] == "inner"
    x = rng.normal(size=(6, 4)).astype("float32")
    by_hand = x
    for layer in model.layers:
        by_hand = layer(by_hand)
    np.testing.assert_allclose(model.predict(x, verbose=0), by_hand, rtol=1e-5, atol=1e-6)
    before = inner.get_weights()
    model.compile("sgd", "mse")
    model.fit(x, rng.normal(size=(6, 1)), verbose=0)
    assert any((a != b).any() for a, b in zip(before, inner.get_weights()))


def test_first_layer_may_be_a_built_model():
    inner = mlp()
    model = pyseq.Sequential([inner, layers.Dense(1)])
    assert model.input_shape == (None, 4)
    assert model.output_shape == (None, 1)


def test_autoencoder_shares_encoder_and_decoder(rng):
    encoder = pyseq.Sequential([pyseq.Input((6,)), layers.Dense(2)], name="encoder")
    decoder = pyseq.Sequential([pyseq.Input((2,)), layers.Dense(6)], name="decoder")
    autoencoder = pyseq.Sequential([encoder, decoder])
    autoencoder.compile(pyseq.optimizers.SGD(0.1), "mse")
    x = rng.normal(size=(16, 6)).astype("float32")
    first = autoencoder.train_on_batch(x, x)
    for _ in range(50):
        last = autoencoder.train_on_batch(x, x)
    assert last < first
    np.testing.assert_allclose(
        decoder.predict(encoder.predict(x, verbose=0), verbose=0),
        autoencoder.predict(x, verbose=0), rtol=1e-5, atol=1e-6,
    )


def test_the_same_layer_twice_shares_its_weights(rng):
    shared = layers.Dense(4, name="shared")
    model = pyseq.Sequential([pyseq.Input((4,)), shared, layers.ReLU(), shared])
    assert len(model.weights) == 2
    x = rng.normal(size=(3, 4)).astype("float32")
    expected = shared(np.maximum(shared(x), 0))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_shared_layer_gets_the_sum_of_both_gradients(rng, keras):
    x, y = rng.normal(size=(5, 4)).astype("float32"), rng.normal(size=(5, 4)).astype("float32")
    results = []
    weights = None
    for library in (keras, pyseq):
        shared = library.layers.Dense(4, activation="tanh", name="shared")
        model = library.Sequential([library.Input((4,)), shared, library.layers.ReLU(), shared])
        if weights is None:
            weights = model.get_weights()
        model.set_weights(weights)
        model.compile(library.optimizers.SGD(0.5), "mse")
        model.train_on_batch(x, y)
        results.append(model.get_weights())
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_layer_shared_by_two_models_is_trained_by_both(rng):
    shared = layers.Dense(2)
    one = pyseq.Sequential([pyseq.Input((3,)), shared, layers.Dense(1)])
    two = pyseq.Sequential([pyseq.Input((3,)), shared])
    before = two.predict(np.ones((1, 3)), verbose=0)
    one.compile("sgd", "mse")
    one.fit(rng.normal(size=(8, 3)), rng.normal(size=8), verbose=0)
    assert (two.predict(np.ones((1, 3)), verbose=0) != before).any()


def test_trainable_flags(rng):
    model = mlp()
    assert len(model.trainable_weights) == 4
    model.get_layer("a").trainable = False
    assert [v.path for v in model.trainable_weights] == ["m/b/kernel", "m/b/bias"]
    assert [v.path for v in model.non_trainable_weights] == ["m/a/kernel", "m/a/bias"]
    parts = ("a/kernel", "a/bias", "b/kernel", "b/bias")
    assert [v.path for v in model.weights] == [f"m/{part}" for part in parts]
    model.compile("sgd", "mse")
    before = model.get_weights()
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 2))
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    assert (before[0] == after[0]).all()
    assert (before[2] != after[2]).any()
    model.get_layer("a").trainable = True
    model.compile("sgd", "mse")
    model.fit(x, y, verbose=0)
    assert (model.get_weights()[0] != before[0]).any()
    model.trainable = False
    assert model.trainable_weights == []
    assert not model.get_layer("b").trainable


def test_get_layer():
    model = mlp()
    assert model.get_layer("b") is model.layers[1]
    assert model.get_layer(index=0) is model.layers[0]
    with pytest.raises(ValueError, match=r"expected one of \['a', 'b'\], got 'c'"):
        model.get_layer("c")
    with pytest.raises(ValueError, match="expected an index below 2, got 2"):
        model.get_layer(index=2)
    with pytest.raises(ValueError, match="expected name or index"):
        model.get_layer()


def test_weights_in_and_out():
    model = mlp()
    weights = [np.full(v.shape, i, "float32") for i, v in enumerate(model.weights)]
    model.set_weights(weights)
    for a, b in zip(weights, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="expected 4 arrays, got 3"):
        model.set_weights(weights[:3])
    with pytest.raises(ValueError, match="expected shape \\(4, 3\\) for `m/a/kernel`"):
        model.set_weights([weights[0].T, *weights[1:]])
    copies = model.get_weights()
    copies[0][:] = 7
    assert (model.get_weights()[0] == 0).all()


def test_config_round_trip(keras):
    model = pyseq.Sequential(
        [
            pyseq.Input((8, 8, 1), name="in"),
            layers.Conv2D(2, 3, activation="relu", name="c"),
            layers.Flatten(name="f"),
            pyseq.Sequential([pyseq.Input((72,)), layers.Dense(3, name="d")], name="inner"),
        ],
        name="outer",
    )
    config = model.get_config()
    again = pyseq.Sequential.from_config(config)
    assert json.dumps(again.get_config()) == json.dumps(config)
    assert again.output_shape == (None, 3)
    from_json = pyseq.models.model_from_json(model.to_json())
    assert from_json.to_json() == model.to_json()
    twin = keras.models.model_from_json(model.to_json())
    assert twin.output_shape == model.output_shape
    assert without_compile(json.loads(twin.to_json())) == without_compile(
        json.loads(model.to_json())
    )


def without_compile(config):
    """Keras writes an empty compile_config for models that are not compiled."""
    if isinstance(config, dict):
        return {k: without_compile(v) for k, v in config.items() if k != "compile_config"}
    return [without_compile(v) for v in config] if isinstance(config, list) else config


def test_clone_has_new_weights(rng):
    model = mlp()
    clone = pyseq.models.clone_model(model)
    assert clone.output_shape == model.output_shape
    assert [layer.name for layer in clone.layers] == ["a", "b"]
    assert all(a is not b for a, b in zip(clone.weights, model.weights))
    assert (clone.get_weights()[0] != model.get_weights()[0]).any()
    renamed = pyseq.models.clone_model(
        model, clone_function=lambda layer: layers.Dense(layer.units, name=f"new_{layer.name}")
    )
    assert [layer.name for layer in renamed.layers] == ["new_a", "new_b"]


def test_summary_as_readable_as_keras(keras):
    texts = []
    for library in (pyseq, keras):
        inner = library.Sequential(
            [library.Input((3,)), library.layers.Dense(2, name="x")], name="inner"
        )
        model = library.Sequential(
            [library.Input((4,)), library.layers.Dense(3, name="dense_one"), inner], name="model"
        )
        lines = []
        model.summary(print_fn=lambda line, **_: lines.append(line), expand_nested=True)
        texts.append("\n".join(lines))
    ours, theirs = texts
    for text in ("dense_one (Dense)", "inner (Sequential)", "x (Dense)", "(None, 3)", "15", "8"):
        assert text in ours
        assert text in theirs
    for line in theirs.splitlines():
        if line.strip().startswith(("Total params", "Trainable params", "Non-trainable params")):
            assert line.split("(")[0].strip() in ours


def test_summary_of_an_unbuilt_model():
    lines = []
    pyseq.Sequential([layers.Dense(3, name="d")]).summary(print_fn=lambda s, **_: lines.append(s))
    assert "unbuilt" in "\n".join(lines)


def test_call_equals_predict(rng):
    model = mlp()
    x = rng.normal(size=(5, 4))
    np.testing.assert_array_equal(np.asarray(model(x)), model.predict(x, verbose=0))
    np.testing.assert_array_equal(model.predict_on_batch(x), model.predict(x, verbose=0))
    assert model.predict(x, verbose=0).dtype == np.float32


def test_names():
    pyseq.utils.clear_session()
    assert layers.Dense(1).name == "dense"
    assert layers.Dense(1).name == "dense_1"
    assert layers.MaxPooling2D().name == "max_pooling2d"
    assert layers.PReLU().name == "p_re_lu"
    assert layers.ConvLSTM2D(1, 2).name == "conv_lstm2d"
    assert pyseq.Sequential().name == "sequential"


def test_free_time_dimension(rng):
    model = pyseq.Sequential([pyseq.Input((None, 3)), layers.LSTM(4), layers.Dense(1)])
    assert model.input_shape == (None, None, 3)
    assert model.predict(rng.normal(size=(2, 5, 3)), verbose=0).shape == (2, 1)
    assert model.predict(rng.normal(size=(2, 9, 3)), verbose=0).shape == (2, 1)
    model.compile("adam", "mse")
    for steps in (4, 6, 4):
        assert np.isfinite(model.train_on_batch(rng.normal(size=(3, steps, 3)), np.ones(3)))


def test_input_rank_is_mended():
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Dense(2)])
    assert model.predict(np.ones(5), verbose=0).shape == (5, 2)
    tokens = pyseq.Sequential([pyseq.Input((4,)), layers.Embedding(6, 2)])
    assert tokens.predict(np.ones((3, 4, 1), int), verbose=0).shape == (3, 4, 2)


def test_layers_with_equal_names_are_refused():
    with pytest.raises(ValueError, match="different names, got a second `d`"):
        pyseq.Sequential([layers.Dense(1, name="d"), layers.Dense(1, name="d")])


def test_module_paths_of_keras():
    from pyseq.layers import Dense
    from pyseq.models import Sequential
    from pyseq.utils import to_categorical

    assert Sequential is pyseq.Sequential
    assert Dense is layers.Dense
    assert to_categorical([1], 2).shape == (1, 2)
