"""Integers stay integers from the input of a program to its output: nothing passes through float32."""

import numpy as np
import pytest

import pyseq
from pyseq import _core, layers, ops

# NumPy 2 finds fault with how Keras converts its variables.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BIG = np.array([[16777216], [16777217], [10**12], [10**12 + 1]])


def keras_predicts(keras, stack, x, dtype="int64"):
    model = keras.Sequential([keras.Input(x.shape[1:], dtype=dtype), *stack])
    return model.predict(x, verbose=0)


def model_of(*stack, shape=(1,), dtype="int64"):
    return pyseq.Sequential([pyseq.Input(shape, dtype=dtype), *stack])


def same(ours, theirs):
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_lookup():
    vocabulary = BIG[:, 0].tolist()
    model = model_of(layers.IntegerLookup(vocabulary=vocabulary))
    y = model.predict(BIG, verbose=0)
    assert y.tolist() == [[1], [2], [3], [4]]
    assert y.dtype == "int64"
    same(model(BIG), y)
    same(model.predict_on_batch(BIG), y)
    same(model.predict(BIG, batch_size=1, verbose=1), y)


def test_hashing():
    layer = layers.Hashing(num_bins=1000, salt=3)
    y = model_of(layer).predict(BIG, verbose=0)
    same(y, layer(BIG))
    assert len(np.unique(y)) > 1


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("Flatten", {}),
        ("Reshape", {"target_shape": (3, 2)}),
        ("Identity", {}),
        ("Permute", {"dims": (2, 1)}),
        ("Cropping1D", {"cropping": (1, 0)}),
        ("ZeroPadding1D", {"padding": (1, 2)}),
    ],
)
def test_layers_that_move_numbers(name, arguments, keras):
    x = np.arange(12).reshape(2, 2, 3) + 2**40
    stack = [getattr(layers, name)(**arguments)]
    y = model_of(*stack, shape=(2, 3)).predict(x, verbose=0)
    same(y, keras_predicts(keras, [getattr(keras.layers, name)(**arguments)], x))
    same(stack[0](x), y)


def test_traced_code_moves_them(keras):
    def function(x, ops):
        x = ops.concatenate([x[:, ::-1], x[:, :1]], axis=-1)
        return ops.transpose(ops.stack([x, x], axis=1), (0, 2, 1))

    x = np.arange(6).reshape(2, 3) + 2**52
    for dtype in ("float32", "float64"):
        layer = layers.Lambda(lambda x: function(x, ops), dtype=dtype)
        y = model_of(layer, shape=(3,)).predict(x, verbose=0)
        same(y, function(x, np))


def test_embedding_beyond_float32():
    size = 2**24 + 4
    embedding = layers.Embedding(size, 1, embeddings_initializer="zeros")
    model = model_of(embedding, layers.Flatten(), shape=(2,))
    table = np.arange(size, dtype="float64").reshape(-1, 1) - 2**24
    embedding.set_weights([table])
    ids = np.array([[2**24 + 1, 2**24 + 3], [5, 2**24 - 1]])
    assert model.predict(ids, verbose=0).tolist() == [[1, 3], [5 - 2**24, -1]]
    assert embedding(ids[:1])[0, :, 0].tolist() == [1, 3]
    assert embedding(ids[:1].astype("int32"))[0, :, 0].tolist() == [1, 3]


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint32"])
def test_training_is_that_of_float_ids(dtype):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, (64, 7)).astype(dtype)
    y = rng.normal(size=(64, 1)).astype("float32")
    weights = []
    for kind in (dtype, "float32"):
        pyseq.utils.set_random_seed(1)
        model = model_of(
            layers.Embedding(50, 8, mask_zero=True), layers.LSTM(5), layers.Dense(1),
            shape=(7,), dtype=kind,
        )
        model.compile("adam", "mse")
        model.fit(ids, y, epochs=2, batch_size=16, verbose=0)
        model.train_on_batch(ids[:9], y[:9])
        weights.append([*model.get_weights(), model.predict(ids, verbose=0)])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_of_traced_code_have_their_dtype(keras):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    cases = [
        (lambda x: ops.argmax(x, axis=-1), lambda x: keras.ops.argmax(x, axis=-1)),
        (lambda x: ops.cast(x * 10, "int64"), lambda x: keras.ops.cast(x * 10, "int64")),
        (lambda x: x > 0, lambda x: x > 0),
    ]
    for ours, theirs in cases:
        y = model_of(layers.Lambda(ours), shape=(4,), dtype="float32").predict(x, verbose=0)
        want = keras_predicts(keras, [keras.layers.Lambda(theirs)], x, "float32")
        same(y, want)


def test_ids_that_a_layer_computes_reach_an_embedding():
    embedding = layers.Embedding(10, 2)
    model = model_of(layers.Hashing(num_bins=10), embedding)
    ids = layers.Hashing(num_bins=10)(BIG)
    np.testing.assert_array_equal(model.predict(BIG, verbose=0), embedding.get_weights()[0][ids])


def test_integers_in_and_floats_out_of_scaling():
    x = np.array([[1, 2], [3, 2**20]])
    y = model_of(layers.Rescaling(0.5), shape=(2,)).predict(x, verbose=0)
    same(y, (x * 0.5).astype("float32"))


def test_exported(tmp_path):
    model = model_of(layers.Embedding(5, 3), layers.Flatten(), layers.Dense(2), shape=(4,))
    path = str(tmp_path / "m.pyseq")
    model.export(path)
    ids = np.array([[0, 4, 1, 2]])
    loaded = _core.Model.load(path)
    np.testing.assert_array_equal(loaded.predict(ids.astype("float32")), model.predict(ids, verbose=0))
    one_row = pyseq.Sequential([pyseq.Input((2,), dtype="int32"), layers.Embedding(1, 3)])
    one_row.export(path)
    assert _core.Model.load(path).output_shape == [2, 3]


def test_a_program_of_float64(monkeypatch):
    pyseq.config.set_floatx("float64")
    model = model_of(layers.Embedding(5, 3), layers.Dense(1), shape=(2,))
    ids = np.array([[0, 4]])
    table, w, b = model.get_weights()
    np.testing.assert_allclose(model.predict(ids, verbose=0), table[ids] @ w + b, rtol=1e-12)


MOVING = [
    ("Cropping1D", {"cropping": (1, 0)}, (4, 3)),
    ("ZeroPadding1D", {"padding": (0, 2)}, (4, 3)),
    ("UpSampling1D", {"size": 2}, (4, 3)),
    ("Permute", {"dims": (2, 1)}, (4, 3)),
    ("RepeatVector", {"n": 2}, (3,)),
    ("Masking", {"mask_value": 4}, (4, 3)),
    ("MaxPooling2D", {"pool_size": 2}, (2, 4, 3)),
    ("GlobalMaxPooling1D", {}, (4, 3)),
    ("UpSampling2D", {"size": 2}, (2, 3, 1)),
    ("Resizing", {"height": 3, "width": 2, "interpolation": "nearest"}, (2, 3, 1)),
    ("CenterCrop", {"height": 1, "width": 2}, (2, 3, 1)),
    ("GlobalAveragePooling1D", {}, (4, 3)),
    ("ReLU", {"max_value": 6}, (3,)),
    ("Activation", {"activation": "relu6"}, (3,)),
    ("Activation", {"activation": "tanh"}, (3,)),
]


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("name, arguments, shape", MOVING)
def test_numbers_that_are_moved_or_chosen_keep_their_dtype(name, arguments, shape, dtype, keras):
    x = np.arange(2 * np.prod(shape)).reshape(2, *shape).astype(dtype)
    y = model_of(getattr(layers, name)(**arguments), shape=shape, dtype=dtype).predict(x, verbose=0)
    theirs = keras_predicts(keras, [getattr(keras.layers, name)(**arguments)], x, dtype)
    assert y.dtype == theirs.dtype
    np.testing.assert_allclose(y, theirs, rtol=1e-6)


def test_traced_code_after_layers_that_move_numbers(keras):
    x = np.arange(12).reshape(2, 3, 2)

    def predict(K):
        stack = [K.layers.Permute((2, 1)), K.layers.Lambda(lambda x: x // 2 + 1)]
        model = K.Sequential([K.Input((3, 2), dtype="int64"), *stack])
        return model.predict(x, verbose=0)

    same(predict(pyseq), predict(keras))


@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_traced_activations_of_integers(function, keras):
    x = np.array([[-2, 0, 3]])

    def predict(K):
        layer = K.layers.Lambda(lambda x: getattr(K.ops, function)(x))
        return K.Sequential([K.Input((3,), dtype="int32"), layer]).predict(x, verbose=0)

    ours, theirs = predict(pyseq), predict(keras)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


TRACED = {
    "number": lambda o, x: 7 - x % 3 + x // 2 * 2,
    "float number": lambda o, x: x + 1.5,
    "number with bool": lambda o, x: (x > 1) * 3,
    "sum": lambda o, x: o.sum(x, axis=-1),
    "mean": lambda o, x: o.mean(x, axis=-1),
    "clip": lambda o, x: o.clip(x, 1, 3),
    "ones": lambda o, x: o.ones_like(x),
    "round": lambda o, x: o.round(x),
    "relu": lambda o, x: o.relu(x - 2),
    "to float": lambda o, x: o.cast(x, "float32"),
    "to float and turned": lambda o, x: o.flip(o.expand_dims(o.cast(x, "float32"), 1), 1),
    "to int32": lambda o, x: o.transpose(o.expand_dims(o.cast(x, "int32"), -1), (0, 2, 1)),
    "sort": lambda o, x: o.sort(x, axis=-1),
    "largest": lambda o, x: o.top_k(x, 2)[0],
    "bits": lambda o, x: o.bitwise_and(x, 6),
}


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16"])
@pytest.mark.parametrize("name", TRACED)
def test_functions_of_integers(name, dtype, keras):
    x = np.array([[1, 2, 5], [4, 0, 3]], dtype)

    def predict(K):
        layer = K.layers.Lambda(lambda x: TRACED[name](K.ops, x))
        return K.Sequential([K.Input((3,), dtype=dtype), layer]).predict(x, verbose=0)

    ours, theirs = predict(pyseq), predict(keras)
    assert ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_largest_of_unsigned_numbers():
    values, indices = ops.top_k(np.array([[4, 0, 3]], "uint8"), 2)
    assert values.tolist() == [[4, 3]] and indices.tolist() == [[0, 2]]


EXACT = [
    ("Cropping1D", {"cropping": (1, 0)}, (4, 3)),
    ("UpSampling1D", {"size": 2}, (4, 3)),
    ("RepeatVector", {"n": 2}, (3,)),
    ("MaxPooling2D", {"pool_size": 2}, (2, 4, 3)),
    ("GlobalMaxPooling1D", {}, (4, 3)),
    ("RepeatVector", {"n": 3}, (5,)),
    ("UpSampling1D", {"size": 3}, (2, 5)),
    ("UpSampling2D", {"size": (1, 3)}, (2, 3, 4)),
    ("UpSampling2D", {"size": (2, 1), "data_format": "channels_first"}, (2, 3, 4)),
    ("UpSampling3D", {"size": (1, 2, 3)}, (2, 1, 3, 2)),
    ("MaxPooling2D", {"pool_size": 2, "padding": "same"}, (3, 5, 2)),
    ("MaxPooling2D", {"pool_size": (3, 2), "strides": 1}, (4, 5, 1)),
    ("MaxPooling2D", {"pool_size": 2, "data_format": "channels_first"}, (2, 4, 4)),
    ("MaxPooling3D", {"pool_size": 2, "strides": (1, 2, 2)}, (3, 4, 2, 2)),
    ("GlobalMaxPooling1D", {"keepdims": True}, (4, 3)),
    ("GlobalMaxPooling2D", {"data_format": "channels_first"}, (3, 2, 2)),
    ("GlobalMaxPooling3D", {}, (2, 2, 3, 4)),
    ("Masking", {}, (4, 2)),
    ("Masking", {"mask_value": 7}, (4, 2)),
    ("Masking", {"mask_value": 2**24 + 7}, (4, 1)),
    ("Masking", {"mask_value": -(2**24) - 6}, (4, 1)),
    ("Masking", {"mask_value": 0.5}, (4, 1)),
]


def integers_of(shape, dtype, offset=2**24):
    """Neighbours that have one float, of both signs, and some small ones."""
    x = np.random.default_rng(0).permutation(2 * np.prod(shape)).reshape(2, *shape)
    x = x + offset
    if not dtype.startswith("u"):
        x = np.where(x % 3 == 0, -x, x)
    return np.where(x % 5 == 0, x % 7, x).astype(dtype)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint32"])
@pytest.mark.parametrize("name, arguments, shape", EXACT)
def test_integers_that_are_moved_or_chosen_keep_all_digits(name, arguments, shape, dtype, keras):
    x = integers_of(shape, dtype)
    layer = getattr(layers, name)(**arguments)
    model = model_of(layer, shape=shape, dtype=dtype)
    y = model.predict(x, verbose=0)
    theirs = keras_predicts(keras, [getattr(keras.layers, name)(**arguments)], x, dtype)
    np.testing.assert_array_equal(y, theirs)
    assert y.dtype == dtype
    same(layer(x), y)
    same(model.predict(x, batch_size=1, verbose=0), y)


def largest_of_neighbours(x, size):
    return x.reshape(len(x), -1, size, x.shape[-1]).max(axis=2)


@pytest.mark.parametrize("name", ["MaxPooling1D", "AdaptiveMaxPooling1D"])
@pytest.mark.parametrize("dtype, offset", [("int64", 2**60), ("int32", 2**30), ("int64", 2**24)])
def test_largest_of_steps(name, dtype, offset):
    # Keras with torch has none of integers.
    x = integers_of((6, 2), dtype, offset)
    layer = getattr(layers, name)(3 if name == "MaxPooling1D" else 2)
    y = model_of(layer, shape=(6, 2), dtype=dtype).predict(x, verbose=0)
    same(y, largest_of_neighbours(x, 3))


@pytest.mark.parametrize("floats", ["float32", "float64"])
def test_largest_and_copies_of_int64(floats):
    pyseq.config.set_floatx(floats)
    x = integers_of((4, 2), "int64", 2**61)
    for layer, want in [
        (layers.UpSampling1D(2), np.repeat(x, 2, axis=1)),
        (layers.GlobalMaxPooling1D(), x.max(axis=1)),
        (layers.Masking(int(x[0, 0, 0])), x),
        (layers.MaxPooling1D(2), largest_of_neighbours(x, 2)),
    ]:
        same(model_of(layer, shape=(4, 2)).predict(x, verbose=0), want)


@pytest.mark.parametrize("size", [1, 3])
def test_integers_of_each_step(size):
    x = integers_of((size, 4, 2), "int64")
    for layer, want in [
        (layers.UpSampling1D(2), np.repeat(x, 2, axis=2)),
        (layers.MaxPooling1D(2), x.reshape(2, size, 2, 2, 2).max(axis=3)),
        (layers.Flatten(), x.reshape(2, size, 8)),
    ]:
        model = model_of(layers.TimeDistributed(layer), shape=(size, 4, 2))
        same(model.predict(x, verbose=0), want)


def test_masks_of_integers_reach_the_layers_behind():
    x = np.array([[[2**24], [2**24 + 1], [3]]])
    for value, kept in [(2**24 + 1, [1, 0, 1]), (3, [1, 1, 0]), (2**24, [0, 1, 1])]:
        seen = layers.Lambda(lambda x, mask: ops.cast(mask, "int32"), output_shape=(3,))
        y = model_of(layers.Masking(value), seen, shape=(3, 1)).predict(x, verbose=0)
        assert y.tolist() == [kept]


def test_traced_pooling_of_integers():
    x = integers_of((4, 2), "int64")
    layer = layers.Lambda(lambda x: ops.max_pool(x, 2))
    same(model_of(layer, shape=(4, 2)).predict(x, verbose=0), largest_of_neighbours(x, 2))


def test_training_behind_pooled_integers():
    ids = np.random.default_rng(0).integers(0, 50, (32, 6, 1))
    y = np.random.default_rng(1).normal(size=(32, 1)).astype("float32")
    weights = []
    for kind in ("int64", "float32"):
        pyseq.utils.set_random_seed(1)
        model = model_of(
            layers.UpSampling1D(2), layers.MaxPooling1D(3), layers.Flatten(),
            layers.Embedding(50, 4), layers.Flatten(), layers.Dense(1), shape=(6, 1), dtype=kind,
        )
        model.compile("adam", "mse")
        model.fit(ids, y, epochs=2, batch_size=8, verbose=0)
        weights.append([*model.get_weights(), model.predict(ids, verbose=0)])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_pooling_of_integers_behind_weights_that_train():
    def model():
        pyseq.utils.set_random_seed(1)
        return model_of(
            layers.Dense(4), layers.Lambda(lambda x: ops.cast(x, "int32")), layers.Reshape((2, 2)),
            layers.MaxPooling1D(2), layers.Flatten(), layers.Dense(1), shape=(3,), dtype="float32",
        )

    model = model()
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32") * 9
    before = model.layers[0].get_weights()
    model.fit(x, x[:, :1], verbose=0)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], before[0])
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_exported_pooling_of_integers(tmp_path):
    model = model_of(layers.MaxPooling1D(2), layers.UpSampling1D(2), layers.Masking(2**24 + 1),
                     shape=(4, 2), dtype="int32")
    path = str(tmp_path / "m.pyseq")
    model.export(path)
    x = np.arange(8).reshape(1, 4, 2)
    np.testing.assert_array_equal(
        _core.Model.load(path).predict(x.astype("float32")), model.predict(x, verbose=0)
    )
