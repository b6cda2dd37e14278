"""Models of users: subclasses of `Model` that define `call`."""

import copy

import numpy as np
import pytest

import pyseq
from pyseq import layers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras", "ignore:__array__")

ROWS = 24


def residual(keras):
    class Residual(keras.Model):
        def __init__(self, units=8, depth=2, **kwargs):
            super().__init__(**kwargs)
            self.first = keras.layers.Dense(units, activation="relu")
            self.blocks = []
            for _ in range(depth):
                self.blocks.append(keras.layers.Dense(units, activation="tanh"))
            self.norm = keras.layers.BatchNormalization()
            self.head = {"out": keras.layers.Dense(3, activation="softmax")}

        def call(self, inputs, training=False):
            x = self.first(inputs)
            for block in self.blocks:
                x = x + block(x)
            return self.head["out"](self.norm(x, training=training))

    return Residual


def images(keras):
    class Images(keras.Model):
        def __init__(self):
            super().__init__()
            self.branches = [keras.layers.Conv2D(4, k, padding="same") for k in (1, 3)]
            self.pool = keras.layers.GlobalAveragePooling2D()
            self.out = keras.layers.Dense(3, activation="softmax")

        def call(self, x):
            parts = [keras.ops.relu(branch(x)) for branch in self.branches]
            return self.out(self.pool(keras.ops.concatenate(parts, axis=-1)))

    return Images


def own_build(keras):
    class OwnBuild(keras.Model):
        def __init__(self):
            super().__init__()
            self.rnn = keras.layers.GRU(5)
            self.out = keras.layers.Dense(3, activation="softmax")

        def build(self, input_shape):
            self.rnn.build(input_shape)
            self.out.build((input_shape[0], 5))
            self.scale = self.add_weight(shape=(3,), initializer="ones", name="scale")

        def call(self, x):
            return self.out(self.rnn(x)) * self.scale

    return OwnBuild


SHAPES = {residual: (6,), images: (6, 6, 2), own_build: (4, 3)}


def data(make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, *SHAPES[make])).astype("float32")
    return x, rng.integers(0, 3, ROWS).astype("int32")


def trained(make, epochs=2):
    x, y = data(make)
    model = make(pyseq)()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=8, epochs=epochs, verbose=0, validation_split=0.25)
    return model, x, y, history


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_as_in_keras(make):
    keras = pytest.importorskip("keras")
    x, y = data(make)
    ours, theirs = make(pyseq)(), make(keras)()
    for model in (ours, theirs):
        model(x[:2])
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    rng = np.random.default_rng(1)
    start = [rng.uniform(0.1, 0.4, w.shape).astype("float32") for w in ours.weights]
    for model, api in ((ours, pyseq), (theirs, keras)):
        model.set_weights(start)
        model.compile(api.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5)
    for _ in range(3):
        np.testing.assert_allclose(
            ours.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-4
        )
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-4)


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_trains_and_keeps(make, tmp_path):
    model, x, y, history = trained(make)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert model.input_shape == (None, *SHAPES[make]) and model.output_shape == (None, 3)
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(copy.deepcopy(model).predict(x, verbose=0), expected)
    model.save(tmp_path / "m.keras")
    loaded = pyseq.models.load_model(
        tmp_path / "m.keras", custom_objects={type(model).__name__: type(model)}
    )
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    other = type(model)()
    other(x[:1])
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other.predict(x, verbose=0), expected)


def test_weights_files_from_keras(tmp_path):
    keras = pytest.importorskip("keras")
    x, _ = data(residual)
    theirs, ours = residual(keras)(), residual(pyseq)()
    expected = theirs.predict(x, verbose=0)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours(x[:1])
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, atol=1e-5)


def test_config_holds_what_the_constructor_got():
    model = residual(pyseq)(5, depth=3, name="mine")
    config = model.get_config()
    assert (config["units"], config["depth"], config["name"]) == (5, 3, "mine")
    again = type(model).from_config(config)
    assert len(again.blocks) == 3 and again.name == "mine"


def test_config_of_a_layer_without_kwargs_and_with_a_layer_inside():
    class Twice(layers.Layer):
        def __init__(self, inner, factor=2.0):
            super().__init__()
            self.inner, self.factor = inner, factor

        def call(self, x):
            return self.inner(x) * self.factor

    config = Twice(layers.Dense(3, activation="relu"), factor=3.0).get_config()
    assert set(config) == {"inner", "factor"} and config["factor"] == 3.0
    again = Twice.from_config(config)
    assert again.inner.units == 3 and again.inner.activation is pyseq.activations.relu


def test_layers_in_lists_that_grow_are_found_in_keras_order():
    model = residual(pyseq)()
    assert [type(layer).__name__ for layer in model.layers] == [
        *["Dense"] * 3,
        "BatchNormalization",
        "Dense",
    ]
    model.trainable = False
    assert not any(layer.trainable for layer in model.layers)


def test_within_a_sequential():
    x, y = data(residual)
    inner = residual(pyseq)(4)
    model = pyseq.Sequential([pyseq.Input((6,)), inner, layers.Dense(1)])
    before = [w.numpy() for w in inner.trainable_weights]
    model.compile("sgd", "mse")
    model.fit(x, y.astype("float32"), verbose=0)
    assert all((a != w.numpy()).any() for a, w in zip(before, inner.trainable_weights))


def test_lengths_that_are_not_known():
    class Waves(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv1D(4, 9)
            self.pool = layers.MaxPooling1D(4)
            self.last = layers.GlobalMaxPooling1D()

        def call(self, x):
            return self.last(self.pool(self.conv(x)))

    model = Waves()
    model.build((None, None, 2))
    assert model.output_shape == (None, 4)
    for length in (20, 31):
        assert model.predict(np.ones((3, length, 2)), verbose=0).shape == (3, 4)


def test_summary_names_layers_and_shapes(capsys):
    model, *_ = trained(residual)
    text = []
    model.summary(print_fn=text.append)
    assert "(None, 8)" in text[0] and "batch_normalization" in text[0]


def test_mistakes_say_what_to_do():
    class Nothing(pyseq.Model):
        pass

    model = Nothing()
    model.compile("adam", "mse")
    with pytest.raises(NotImplementedError, match="defines `call"):
        model.fit(np.ones((4, 2)), np.ones(4), verbose=0)

    class Functional(pyseq.Model):
        def __init__(self):
            x = pyseq.Input((3,))
            super().__init__(inputs=x, outputs=layers.Dense(2)(x))

    with pytest.raises(TypeError, match="Functional: expected a subclass of Model that defines"):
        Functional()

    class NoFlatten(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.out = layers.Conv2D(2, 3), layers.Dense(1)

        def call(self, x):
            return self.out(self.conv(x))

    model = NoFlatten()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="add layers.Flatten"):
        model.fit(np.ones((4, 6, 6, 1)), np.ones(4), verbose=0)

    class TwoOutputs(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.a = layers.Dense(2)

        def call(self, x):
            return self.a(x), x

    model = TwoOutputs()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match="two_outputs: expected"):
        model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)


@pytest.mark.parametrize("answered", [False, True])
def test_an_array_given_to_a_model_in_a_layer_is_part_of_the_step(answered):
    """A model that has answered calls before still trains there."""
    one = np.ones((1, 3), "float32")

    class Shifted(layers.Layer):
        def __init__(self):
            super().__init__()
            dense = layers.Dense(3, kernel_initializer="ones")
            self.shift = pyseq.Sequential([pyseq.Input((3,)), dense])

        def call(self, x):
            return x + self.shift(one)

    layer = Shifted()
    model = pyseq.Sequential([pyseq.Input((3,)), layer])
    model.compile(pyseq.optimizers.SGD(0.1), "mse")
    if answered:
        layer.shift.predict_on_batch(one)
    x = np.zeros((4, 3), "float32")
    model.train_on_batch(x, x)  # outputs 3, gradients 2 / 3 * 3
    np.testing.assert_allclose(layer.shift.get_weights()[0], np.full((3, 3), 0.8), rtol=1e-6)
    np.testing.assert_allclose(model.predict(x), np.full((4, 3), 2.2), rtol=1e-6)


def test_calls_of_a_model_go_the_short_way_after_the_first():
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(2), layers.Dropout(0.5)])
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
    model(x, training=True)
    assert model._quick is None
    first = model(x)
    runner = model._quick[2]
    np.testing.assert_array_equal(model(x), first)
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)
    assert model._quick[2] is runner and not model._predictors
    assert model(x, training=True).tolist() != first.tolist()
    model.set_weights([w * 2 for w in model.get_weights()])
    np.testing.assert_allclose(model(x), 2 * first, rtol=1e-6)
