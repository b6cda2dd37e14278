"""Core, reshaping, activation and merging layers against Keras."""

import re

import numpy as np
import pytest
from layer_oracle import compare, run

import pyseq
from pyseq import layers

keras = pytest.importorskip("keras")
pytest.importorskip("torch")
# NumPy 2 finds fault with how Keras converts its variables.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RANDOM = np.random.default_rng(11)


def data(*shape):
    return RANDOM.normal(0.2, 1.5, shape)


def pair(name, *args, **arguments):
    return (
        getattr(layers, name)(*args, **arguments, dtype="float64", name="x"),
        getattr(keras.layers, name)(*args, **arguments, dtype="float64", name="x"),
    )


@pytest.mark.parametrize(
    ("shape", "arguments"),
    [
        ((5, 3), {"units": 4}),
        ((5, 1), {"units": 1, "use_bias": False}),
        ((2, 3, 4, 5), {"units": 6, "activation": "tanh"}),
        ((5, 3), {"units": 4, "activation": "softmax"}),
        ((5, 3), {"units": 4, "activation": "log_softmax"}),
        ((5, 3), {"units": 4, "activation": "gelu"}),
        ((5, 3), {"units": 4, "activation": "glu"}),
        ((5, 3), {"units": 4, "activity_regularizer": "l2"}),
        ((5, 3), {"units": 4, "activity_regularizer": "L1L2", "activation": "relu"}),
        ((5, 3), {"units": 4, "activity_regularizer": "orthogonal_regularizer"}),
    ],
)
def test_dense(shape, arguments):
    if arguments.get("activation") == "glu":
        # Keras's own shape inference leaves the halving out.
        mine, theirs = pair("Dense", **arguments)
        theirs.compute_output_shape = lambda shape: (*shape[:-1], 2)
        compare(mine, theirs, data(*shape))
    else:
        compare(*pair("Dense", **arguments), data(*shape))


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_activity_regularizer(mode):
    mine = layers.Dense(
        3, activity_regularizer=pyseq.regularizers.OrthogonalRegularizer(0.3, mode), dtype="float64"
    )
    theirs = keras.layers.Dense(
        3, activity_regularizer=keras.regularizers.OrthogonalRegularizer(0.3, mode), dtype="float64"
    )
    compare(mine, theirs, data(6, 4))


@pytest.mark.parametrize(
    ("shape", "equation", "output_shape", "bias_axes"),
    [
        ((4, 3), "ab,bc->ac", 5, "c"),
        ((4, 3), "ab,cb->ac", 5, None),
        ((4, 3, 6), "abc,cd->abd", (None, 5), "d"),
        ((4, 3, 6), "abc,cd->abd", (3, 5), "bd"),
        ((4, 3, 6), "abc,cd->abd", (3, 5), "b"),
        ((4, 3, 6), "abc,cde->abde", (None, 2, 5), "de"),
        ((4, 3, 6), "abc,cde->adbe", (2, None, 5), "de"),
        ((4, 3, 2, 6), "abcd,cde->abe", (None, 5), "e"),
        ((4, 3, 2, 6), "abcd,dce->abe", (None, 5), "e"),
        ((4, 3, 6), "...x,xy->...y", 5, "y"),
        ((4, 6), "...x,xy->...y", 5, "y"),
        ((4, 3, 6), "ab...,bc->ac...", 5, "c"),
        ((4, 3, 6), "abc,bcd->abd", (3, 5), "bd"),
        ((4, 3, 6), "abc,bd->adc", (5, None), "d"),
        ((4, 3, 6), "abc,bd->ad", 5, None),
        ((4, 3, 6), "abc,c->abc", (3, 6), "c"),
        ((4, 3), "ab,cd->abcd", (3, 2, 5), None),
        ((4, 3, 6, 2), "abcd,cbe->adbe", (2, 3, 5), "be"),
    ],
)
def test_einsum_dense(shape, equation, output_shape, bias_axes):
    arguments = {"equation": equation, "output_shape": output_shape, "bias_axes": bias_axes}
    compare(*pair("EinsumDense", **arguments, activation="tanh"), data(*shape))


def test_einsum_dense_fans():
    mine, theirs = pair("EinsumDense", "abc,cde->abde", (None, 20, 30))
    for layer in (mine, theirs):
        layer.build((2, 3, 40))
    limit = np.sqrt(6 / (40 + 600))
    assert abs(mine.kernel.value).max() == pytest.approx(limit, rel=1e-2)
    assert abs(theirs.kernel.numpy()).max() == pytest.approx(limit, rel=1e-2)


def test_embedding():
    ids = RANDOM.integers(0, 7, (4, 5))
    mine, theirs = pair("Embedding", 7, 3, mask_zero=True)
    mine.build()
    theirs.build()
    mine.set_weights(theirs.get_weights())
    dy = data(4, 5, 3)
    ours = run(mine, ids, dy)
    np.testing.assert_array_equal(ours["mask"], ids != 0)
    np.testing.assert_allclose(ours["y"], theirs.embeddings.numpy()[ids])
    expected = np.zeros((7, 3))
    np.add.at(expected, ids, dy)
    np.testing.assert_allclose(ours["grads"]["embeddings"], expected)
    assert mine.compute_output_shape((None, 5)) == (None, 5, 3)
    np.testing.assert_array_equal(mine.compute_mask(ids), ids != 0)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32"])
@pytest.mark.parametrize("bad", [3, -1])
def test_embedding_of_ids_outside_the_table(dtype, bad):
    ids = np.zeros((500, 2), "int64")
    ids[421, 1] = bad
    ids = ids.astype(dtype)
    message = f"e: expected ids from 0 to 2, got {ids[421, 1]:.0f} in row 421; "
    layer = layers.Embedding(3, 2, name="e")
    with pytest.raises(ValueError, match=re.escape(message)):
        layer(ids)
    layer(ids[:421])  # the next call is not told of it
    model = pyseq.Sequential(
        [pyseq.Input((2,), dtype=dtype), layer, layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    before = model.get_weights()
    y = np.ones((500, 1), "float32")
    for call in (
        lambda: model.predict(ids, verbose=0),
        lambda: model.fit(ids, y, verbose=0, shuffle=True, batch_size=500),
        lambda: model.evaluate(ids, y, verbose=0),
    ):
        with pytest.raises(ValueError, match="expected ids from 0 to 2, got .* in row 421"):
            call()
    # What is wrong in a batch updates nothing.
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="in row 421"):
        model.fit(ids, y, verbose=0, batch_size=32, epochs=1)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_embedding_takes_weights():
    table = np.arange(6.0).reshape(3, 2)
    for weights in (table, [table]):
        assert layers.Embedding(3, 2, weights=weights)(np.array([1])).tolist() == [[2.0, 3.0]]


@pytest.mark.parametrize("tie", [True, False])
def test_reversible_embedding(tie):
    arguments = {"tie_weights": tie, "logit_soft_cap": 2.0, "mask_zero": True}
    mine, theirs = pair("ReversibleEmbedding", 6, 3, **arguments)
    mine.build()
    theirs.build()
    assert [w.shape for w in mine.weights] == [tuple(w.shape) for w in theirs.weights]
    mine.set_weights(theirs.get_weights())
    x = data(2, 4, 3)
    np.testing.assert_allclose(
        mine(x, reverse=True), theirs(x, reverse=True).detach().numpy(), rtol=1e-6
    )


def test_masking():
    x = data(3, 4, 2)
    x[0, 1] = x[2, 3] = 7.0
    ours = compare(*pair("Masking", 7.0), x)
    np.testing.assert_array_equal(ours["mask"], np.any(x != 7, axis=-1))


@pytest.mark.parametrize(
    ("name", "args", "shape"),
    [
        ("Identity", (), (2, 3)),
        ("Activation", ("selu",), (2, 3)),
        ("Activation", ("softmax",), (2, 3, 4)),
        ("Flatten", (), (2, 3, 4, 5)),
        ("Flatten", (), (5,)),
        ("Flatten", ("channels_first",), (2, 3, 4, 5)),
        ("Flatten", ("channels_first",), (2, 3)),
        ("Reshape", ((4, -1),), (2, 3, 8)),
        ("Reshape", ((24,),), (2, 3, 8)),
        ("Reshape", ((1, 3, 1),), (2, 3)),
        ("Permute", ((2, 1),), (2, 3, 4)),
        ("Permute", ((1, 2),), (2, 3, 4)),
        ("Permute", ((3, 1, 2),), (2, 3, 4, 5)),
        ("Permute", ((2, 3, 1),), (2, 33, 4, 18)),
        ("Permute", ((2, 1, 3),), (2, 3, 4, 5)),
        ("Permute", ((4, 3, 2, 1),), (2, 3, 4, 1, 5)),
        ("Permute", ((1, 4, 2, 3),), (2, 3, 4, 6, 5)),
        ("Permute", ((2, 1),), (2, 40, 50)),
        ("RepeatVector", (3,), (4, 5)),
        ("ReLU", (), (4, 5)),
        ("ReLU", (1.0, 0.1, 0.5), (4, 5)),
        ("LeakyReLU", (), (4, 5)),
        ("LeakyReLU", (0.1,), (4, 5)),
        ("ELU", (0.7,), (4, 5)),
        ("Softmax", (), (4, 5)),
        ("Softmax", (1,), (2, 3, 4)),
        ("Softmax", ([1, 2],), (2, 3, 4)),
        ("Softmax", ([1, 3],), (2, 3, 4, 5)),
        ("PReLU", (), (4, 5)),
        ("PReLU", (), (4, 3, 6)),
        ("ActivityRegularization", (0.1, 0.2), (4, 3)),
    ],
)
def test_without_arguments_to_learn(name, args, shape):
    compare(*pair(name, *args), data(*shape))


@pytest.mark.parametrize("axes", [[1], [1, 2], [2], [1, 3], [3], [1, 2, 3], 2])
def test_prelu_shared_axes(axes):
    compare(*pair("PReLU", shared_axes=axes), data(7, 3, 4, 5))


def test_prelu_of_one_value_and_large_batches():
    compare(*pair("PReLU", shared_axes=[1]), data(300, 50))
    compare(*pair("PReLU"), data(9000, 3))


def test_input():
    tensor = layers.Input((3, None), name="here", dtype="int32")
    theirs = keras.Input((3, None), name="here", dtype="int32")
    assert (tensor.shape, tensor.dtype, tensor.name) == (theirs.shape, theirs.dtype, theirs.name)
    assert layers.Input(batch_shape=(4, 2)).shape == (4, 2)
    assert layers.Input((2,), batch_size=4).shape == (4, 2)
    assert layers.InputLayer(input_shape=(3,)).batch_shape == (None, 3)
    assert layers.Input(tensor=tensor).shape == tensor.shape


def test_input_errors():
    for arguments, rule in [
        ({}, "expected a `shape`"),
        ({"shape": (1,), "batch_shape": (None, 1)}, "got both"),
        ({"shape": ("a",)}, "integers or None"),
        ({"shape": (-1,)}, "use None"),
        ({"shape": (1,), "sparse": True}, "dense data"),
    ]:
        with pytest.raises(ValueError, match=rule):
            layers.Input(**arguments)
    with pytest.raises(ValueError, match=r"write \(3,\)"):
        layers.Input(3)


def test_an_input_tensor_and_what_says_otherwise():
    def tensor():
        return pyseq.Input((2,), batch_size=3)

    same = layers.InputLayer(shape=(2,), batch_size=3, dtype="float32", input_tensor=tensor())
    assert same.batch_shape == (3, 2)
    for key, value in {
        "shape": (3,),
        "batch_size": 4,
        "batch_shape": (None, 2),
        "dtype": "int32",
    }.items():
        with pytest.raises(ValueError, match=f"expected the `{key}` of `input_tensor`"):
            layers.InputLayer(input_tensor=tensor(), **{key: value})


def test_lambda():
    layer = layers.Lambda(lambda x, k: x * k, arguments={"k": 3.0})
    assert layer(np.ones((2, 2))).tolist() == [[3.0, 3.0]] * 2
    assert layer.compute_output_shape((None, 4, None)) == (None, 4, None)
    flat = layers.Lambda(lambda x: x.reshape(len(x), -1))
    assert flat.compute_output_shape((None, 2, 3)) == (None, 6)
    assert layers.Lambda(np.abs, output_shape=(3,)).compute_output_shape((None, 3)) == (None, 3)
    told = layers.Lambda(lambda x, training=False: x + training)
    assert told(np.zeros((1, 1)), training=True).tolist() == [[1.0]]


def test_lambda_before_trainable_layers_trains():
    model = pyseq.Sequential([pyseq.Input((2,)), layers.Lambda(lambda x: x * 2), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_plain_numpy_after_trainable_layers_does_not_train():
    model = pyseq.Sequential(
        [pyseq.Input((2,)), layers.Dense(1), layers.Lambda(lambda x: np.sort(x) * 2)]
    )
    model.compile("sgd", "mse")
    assert model.predict(np.ones((4, 2)), verbose=0).shape == (4, 1)
    with pytest.raises(ValueError, match="expected code that can be traced.*numpy.sort"):
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


MERGES = {
    "Add": {},
    "Average": {},
    "Concatenate": {"axis": 1},
    "Dot": {"axes": (2, 1), "normalize": True},
    "Maximum": {},
    "Minimum": {},
    "Multiply": {},
    "Subtract": {},
}


@pytest.mark.parametrize("name", MERGES)
def test_merging_layers_on_arrays_and_in_a_sequential(name, keras, rng):
    xs = [rng.normal(size=(3, 4, 4)).astype("float32") for _ in range(2)]
    got = [
        getattr(layers, name)(**MERGES[name])(xs),
        getattr(layers, name.lower())(xs, **MERGES[name]),
    ]
    want = np.asarray(getattr(keras.layers, name)(**MERGES[name])(xs).detach().cpu())
    for y in got:
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)
    layer = getattr(layers, name)(**MERGES[name])
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(xs), got[0])
    for make in (
        lambda: pyseq.Sequential([pyseq.Input((4, 4)), layer]),
        lambda: layer(pyseq.Input((4, 4))),
    ):
        with pytest.raises(ValueError, match="straight line"):
            make()


@pytest.mark.parametrize(
    ("make", "shape", "rule"),
    [
        (lambda: layers.Dense(0), None, "`units` to be an integer >= 1"),
        (lambda: layers.Dense(3), (4,), "at least 2 dimensions"),
        (lambda: layers.Dense(3), (4, None), "known last dimension"),
        (lambda: layers.Dense(3, lora_rank=2), None, "lora_rank=None"),
        (lambda: layers.Dense(3, unknown=2), None, "unknown"),
        (lambda: layers.Embedding(-1, 3), None, "`input_dim`"),
        (lambda: layers.Reshape((3, -1)), (2, 4), "multiple of 3"),
        (lambda: layers.Reshape((3,)), (2, 4), "3 elements"),
        (lambda: layers.Reshape((-1, -1)), None, "at most one -1"),
        (lambda: layers.Permute((0, 1)), None, "permutation of 1 to 2"),
        (lambda: layers.Permute((2, 1)), (2, 3), "3 dimensions"),
        (lambda: layers.RepeatVector(1.5), None, "integer"),
        (lambda: layers.RepeatVector(2), (2, 3, 4), "2 dimensions"),
        (lambda: layers.ReLU(negative_slope=-1), None, ">= 0"),
        (lambda: layers.PReLU(), (2, None), "known dimensions"),
        (lambda: layers.PReLU(shared_axes=[2]), (2, 3), "`shared_axes`"),
        (lambda: layers.Softmax(axis=2), (2, 3), "`axis` in -2 to 1"),
        (lambda: layers.EinsumDense("ab,bc", 3), (2, 3), "an equation like"),
        (lambda: layers.EinsumDense("ab,bc->ca", 3), (2, 3), "batch first"),
        (lambda: layers.EinsumDense("abc,cd->abd", 3), (2, 3, 4), "2 dimensions"),
        (lambda: layers.EinsumDense("abc,cd->abd", (5, 3)), (2, 3, 4), "size 3"),
        (lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="x"), (2, 3), "`bias_axes`"),
        (lambda: layers.Lambda(3), None, "callable"),
    ],
)
def test_errors(make, shape, rule):
    with pytest.raises((ValueError, TypeError), match=rule):
        layer = make()
        layer.check_input(shape)
        layer.build(shape)
        layer.compute_output_shape(shape)
        run(layer, np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("InputLayer", {"shape": (3, None), "dtype": "int32"}),
        ("Dense", {"units": 3, "activation": "relu", "activity_regularizer": "l2"}),
        ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 4, "bias_axes": "c"}),
        ("Embedding", {"input_dim": 4, "output_dim": 2, "mask_zero": True}),
        ("ReversibleEmbedding", {"input_dim": 4, "output_dim": 2}),
        ("Masking", {"mask_value": 2.0}),
        ("Activation", {"activation": "relu"}),
        ("Identity", {}),
        ("Flatten", {}),
        ("Reshape", {"target_shape": (2, -1)}),
        ("Permute", {"dims": (2, 1)}),
        ("RepeatVector", {"n": 3}),
        ("BatchNormalization", {}),
        ("BatchNormalization", {"renorm": True, "renorm_clipping": {"rmax": 3.0}}),
        ("LayerNormalization", {"axis": [1, 2]}),
        ("GroupNormalization", {"groups": 3, "beta_regularizer": "l2"}),
        ("RMSNormalization", {}),
        ("UnitNormalization", {"axis": [1, 2]}),
        ("Dropout", {"rate": 0.5, "noise_shape": (None, 1), "seed": 3}),
        ("SpatialDropout1D", {"rate": 0.5}),
        ("SpatialDropout2D", {"rate": 0.5}),
        ("SpatialDropout3D", {"rate": 0.5}),
        ("AlphaDropout", {"rate": 0.3}),
        ("GaussianDropout", {"rate": 0.3}),
        ("GaussianNoise", {"stddev": 0.3}),
        ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}),
        ("ReLU", {"max_value": 6}),
        ("LeakyReLU", {}),
        ("PReLU", {"shared_axes": [1]}),
        ("ELU", {}),
        ("Softmax", {"axis": [1, 2]}),
    ],
)
def test_configs(name, arguments):
    mine = getattr(layers, name)(**arguments, name="x")
    theirs = getattr(keras.layers, name)(**arguments, name="x")
    ours, expected = mine.get_config(), theirs.get_config()
    assert ours == expected
    assert set(ours) == set(expected)
    if name != "ELU":
        assert list(ours) == list(expected)
    assert type(mine).from_config(ours).get_config() == ours


def test_spectral_normalization_config():
    mine = layers.SpectralNormalization(layers.Dense(2, name="d"), 2, name="x")
    theirs = keras.layers.SpectralNormalization(keras.layers.Dense(2, name="d"), 2, name="x")
    assert mine.get_config() == theirs.get_config()
    assert layers.SpectralNormalization.from_config(mine.get_config()).get_config() == (
        mine.get_config()
    )


@pytest.mark.parametrize(
    ("layer", "masked"),
    [
        (layers.Dense(2), True),
        (layers.Activation("relu"), True),
        (layers.Identity(), True),
        (layers.Dropout(0.5), True),
        (layers.LayerNormalization(), True),
        (layers.BatchNormalization(), True),
        (layers.PReLU(), True),
    ],
)
def test_masks_pass(layer, masked):
    mask = np.array([[1, 0, 1], [0, 1, 1]])
    result = run(layer, data(2, 3, 4), mask=mask)
    np.testing.assert_array_equal(result["mask"], mask)


@pytest.mark.parametrize(
    "layer",
    [layers.Flatten(), layers.Reshape((12,)), layers.Permute((2, 1)), layers.RMSNormalization()],
)
def test_masks_end(layer):
    with pytest.warns(UserWarning, match="mask of its input ends here"):
        assert run(layer, data(2, 3, 4), mask=np.ones((2, 3)))["mask"] is None
