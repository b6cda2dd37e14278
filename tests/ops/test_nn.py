"""The functions of `ops.nn` beside Keras: values, dtypes, errors, and gradients in users' layers."""

import numpy as np
import pytest

import pyseq
from pyseq import ops

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")

RNG = np.random.default_rng(0)


def reals(*shape):
    return RNG.normal(size=shape).astype("float32")


LOGITS = np.array([[[0.1, 2.0, 0.3], [1.0, 0.0, 0.4], [0.2, 0.1, 3.0], [2.0, 0.5, 0.1]]], "float32")
CASES = {
    "conv_same": ("conv", (reals(2, 7, 6, 4), reals(3, 2, 4, 5)), {"strides": 2, "padding": "same"}),
    "conv_dilated_1d": ("conv", (reals(2, 9, 3), reals(3, 3, 2)), {"dilation_rate": 2}),
    "conv_3d": ("conv", (reals(1, 4, 5, 4, 2), reals(2, 3, 2, 2, 3)), {"strides": (1, 2, 1)}),
    "conv_groups": ("conv", (reals(2, 5, 5, 6), reals(3, 3, 2, 9)), {}),
    "conv_first": ("conv", (reals(2, 3, 6, 5), reals(2, 2, 3, 4)), {"data_format": "channels_first"}),
    "conv_both": ("conv", (reals(1, 9, 8, 2), reals(3, 3, 2, 2)), {"strides": 2, "dilation_rate": 2}),
    "depthwise": ("depthwise_conv", (reals(2, 6, 7, 3), reals(3, 3, 3, 2)), {"padding": "same"}),
    "separable": (
        "separable_conv", (reals(2, 6, 7, 3), reals(3, 3, 3, 2), reals(1, 1, 6, 4)), {"strides": 2},
    ),
    "transpose": ("conv_transpose", (reals(2, 4, 5, 3), reals(3, 2, 4, 3)), {"strides": 2}),
    "transpose_same": (
        "conv_transpose", (reals(2, 4, 5, 3), reals(3, 3, 4, 3)), {"strides": 2, "padding": "same"},
    ),
    "transpose_wide": ("conv_transpose", (reals(2, 4, 3), reals(2, 4, 3)), {"strides": 3}),
    "transpose_padded": (
        "conv_transpose",
        (reals(2, 4, 3), reals(3, 4, 3)),
        {"strides": 2, "padding": "same", "output_padding": 1, "dilation_rate": 2},
    ),
    "max_pool": ("max_pool", (reals(2, 7, 6, 3), 3), {"strides": 2, "padding": "same"}),
    "max_pool_1d": ("max_pool", (reals(2, 7, 3), 2), {}),
    "average_pool": ("average_pool", (reals(2, 7, 6, 3), (3, 2)), {"strides": 1}),
    "average_pool_first": ("average_pool", (reals(2, 3, 6, 5), 2), {"data_format": "channels_first"}),
    "adaptive_max": ("adaptive_max_pool", (reals(2, 7, 5, 3), (3, 2)), {}),
    "adaptive_average": ("adaptive_average_pool", (reals(2, 7, 3), 4), {}),
    "batch_norm": (
        "batch_normalization",
        (reals(2, 3, 4), reals(3), reals(3) ** 2, 1, reals(3), reals(3)), {},
    ),
    "layer_norm": ("layer_normalization", (reals(2, 3, 4), reals(3, 4), reals(3, 4)), {"axis": (1, 2)}),
    "layer_norm_bare": ("layer_normalization", (reals(2, 5),), {"epsilon": 0.1}),
    "rms_norm": ("rms_normalization", (reals(2, 5), reals(5)), {}),
    "normalize": ("normalize", (reals(2, 5),), {"axis": 0}),
    "normalize_3": ("normalize", (reals(2, 5),), {"order": 3}),
    "moments": ("moments", (reals(2, 5, 3),), {"axes": [0, -1], "keepdims": True}),
    "bce": ("binary_crossentropy", (np.float32([0, 1, 1]), np.float32([0.2, 0.9, 1])), {}),
    "bce_logits": ("binary_crossentropy", (np.float32([0, 1]), reals(2)), {"from_logits": True}),
    "cce": ("categorical_crossentropy", (np.eye(3, dtype="float32"), abs(reals(3, 3))), {}),
    "cce_axis": (
        "categorical_crossentropy", (np.eye(3, dtype="float32"), reals(3, 3)),
        {"from_logits": True, "axis": 0},
    ),
    "sparse": ("sparse_categorical_crossentropy", (np.array([[2], [0]]), abs(reals(2, 3))), {}),
    "sparse_axis": (
        "sparse_categorical_crossentropy", (np.array([2, 0, 1, 1]), reals(3, 4)),
        {"from_logits": True, "axis": 0},
    ),
    "one_hot": ("one_hot", (np.array([[1, -1], [0, 2]]), 3), {"axis": 1}),
    "multi_hot": ("multi_hot", (np.array([[1, 0], [3, 3]]), 4), {"dtype": "int32"}),
    "psnr": ("psnr", (reals(2, 3), reals(2, 3), 2.0), {}),
    "attention": ("dot_product_attention", (reals(2, 3, 2, 4), reals(2, 5, 2, 4), reals(2, 5, 2, 4)), {}),
    "attention_causal": (
        "dot_product_attention", (reals(2, 3, 4, 4), reals(2, 3, 2, 4), reals(2, 3, 2, 4)),
        {"is_causal": True, "mask": np.array([[0, 1, 1], [1, 1, 1], [1, 0, 1]], bool), "scale": 0.3},
    ),
    "attention_bias": (
        "dot_product_attention", (reals(2, 3, 2, 4), reals(2, 5, 2, 4), reals(2, 5, 2, 4)),
        {"bias": reals(2, 2, 3, 5)},
    ),
    "unfold": ("unfold", (reals(2, 3, 6, 5), (2, 3)), {"padding": 1, "stride": (2, 1), "dilation": 1}),
    "fold": ("fold", (reals(2, 8, 12), (4, 5), 2), {}),
    "fold_strided": ("fold", (reals(1, 12, 9), (5, 6), (2, 3)), {"stride": 2, "padding": 1}),
    "depth_to_space": ("depth_to_space", (reals(2, 2, 3, 8), 2), {}),
    "space_to_depth": ("space_to_depth", (reals(2, 3, 4, 6), 2), {"data_format": "channels_first"}),
    "ctc": (
        "ctc_loss",
        (np.array([[1, 2, 2], [3, 1, 0]]), reals(2, 7, 4), np.array([3, 1]), np.array([7, 4])), {},
    ),
    "ctc_blank": (
        "ctc_loss", (np.array([[0, 2]]), reals(1, 5, 4), np.array([2]), np.array([5])), {"mask_index": 3},
    ),
    "greedy": ("ctc_decode", (LOGITS, np.array([4])), {}),
    "greedy_all": ("ctc_decode", (reals(3, 6, 4), np.array([6, 2, 4])), {"merge_repeated": False}),
    "beam": (
        "ctc_decode", (reals(3, 6, 4), np.array([6, 2, 4])),
        {"strategy": "beam_search", "beam_width": 5, "top_paths": 3},
    ),
}


def parts(y):
    return list(y) if isinstance(y, (tuple, list)) else [y]


@pytest.mark.parametrize("case", CASES)
def test_values_beside_keras(case, keras):
    name, args, options = CASES[case]
    tensors = [keras.ops.convert_to_tensor(a) if isinstance(a, np.ndarray) else a for a in args]
    theirs = parts(getattr(keras.ops.nn, name)(*tensors, **options))
    ours = parts(getattr(ops.nn, name)(*args, **options))
    assert len(ours) == len(theirs)
    for y, right in zip(ours, theirs):
        right = keras.ops.convert_to_numpy(right)
        assert y.dtype == right.dtype and y.shape == right.shape
        np.testing.assert_allclose(y, right, rtol=2e-5, atol=2e-5)


ACTIVATIONS = (
    "celu elu gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu log_sigmoid "
    "log_softmax relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus swish tanh_shrink"
).split()


@pytest.mark.parametrize("dtype", ["int8", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_beside_keras(name, dtype, keras):
    x = np.array([[-3, 1, 0, 2], [7, -1, 1, -2]]).astype(dtype)
    y = getattr(ops, name)(x)
    try:
        right = keras.ops.convert_to_numpy(getattr(keras.ops, name)(x))
    except (NotImplementedError, RuntimeError):  # PyTorch has it of floats only
        right = keras.ops.convert_to_numpy(getattr(keras.ops, name)(x.astype("float32")))
    assert y.dtype == right.dtype
    np.testing.assert_allclose(y, right, rtol=2e-3 if dtype == "float16" else 1e-5, atol=1e-6)


def test_integers_in_windows_stay_integers():
    x = np.arange(16).reshape(1, 4, 4, 1).astype("int32")
    assert ops.max_pool(x, 2).dtype == "int32" and ops.max_pool(x, 2).ravel().tolist() == [5, 7, 13, 15]
    y = ops.conv(x, np.ones((2, 2, 1, 1), "int32"))
    assert y.dtype == "int32" and y[0, 0, 0, 0] == 10


def test_means_of_pools_are_over_what_lies_inside():
    x = np.arange(1.0, 6.0).reshape(1, 5, 1)
    assert ops.average_pool(x, 4, 2, "same").ravel().tolist() == [2.0, 3.5, 4.5]


def test_moments_of_float16_are_clipped():
    mean, variance = ops.moments(np.array([-1807.0, 1099.0], "float16"), axes=[0])
    assert mean.dtype == variance.dtype == "float16"
    assert float(mean) == -354.0 and variance == np.finfo("float16").max


def test_namespace_holds_what_keras_has(keras):
    missing = [n for n in dir(keras.ops.nn) if n[0] != "_" and not hasattr(ops.nn, n)]
    assert missing == [] and all(getattr(ops, n) is getattr(ops.nn, n) for n in ops.nn.__all__)


def test_softmax_of_one_entry_warns():
    with pytest.warns(UserWarning, match="softmax: expected an axis of several entries"):
        assert ops.softmax(np.zeros((2, 1))).tolist() == [[1.0], [1.0]]
    with pytest.warns(UserWarning, match="rms_normalization"):
        ops.layer_normalization(reals(2, 3), rms_scaling=True)


X = np.ones((1, 4, 4, 4), "float32")
ERRORS = [
    (lambda: ops.softmax(X, axis=4), "softmax: expected axes"),
    (lambda: ops.log_softmax(X, axis=(0, 0)), "log_softmax: expected each axis once"),
    (lambda: ops.normalize(X, axis=9), "normalize: expected axes"),
    (lambda: ops.normalize(X, order=0), "normalize: expected `order`"),
    (lambda: ops.conv(X, np.ones((2, 2, 3, 1))), "conv: expected a kernel"),
    (lambda: ops.conv(X, np.ones((2, 2, 2, 3))), "conv: expected a kernel"),
    (lambda: ops.conv(X, np.ones((2, 4, 3))), "conv: expected a kernel of 4"),
    (lambda: ops.conv(X[0, 0], np.ones((2, 4, 3))), "conv: expected an input"),
    (lambda: ops.conv(X, np.ones((5, 5, 4, 1))), "conv: expected a length"),
    (lambda: ops.conv(X, np.ones((2, 2, 4, 1)), strides=0), "conv: expected `strides`"),
    (lambda: ops.conv(X, np.ones((2, 2, 4, 1)), padding="x"), "conv: expected `padding`"),
    (lambda: ops.depthwise_conv(X, np.ones((2, 2, 3, 1))), "depthwise_conv: expected as many"),
    (lambda: ops.conv_transpose(X, np.ones((2, 2, 1, 3))), "conv_transpose: expected as many"),
    (lambda: ops.max_pool(X, 5), "max_pool: expected a length"),
    (lambda: ops.max_pool(X, 2, data_format="x"), "max_pool: expected one of"),
    (lambda: ops.adaptive_max_pool(X, (1, 2, 3)), "adaptive_max_pool: expected `output_size`"),
    (lambda: ops.batch_normalization(X, [1.0], [1.0], -1), "batch_normalization: expected mean"),
    (lambda: ops.layer_normalization(X, [1.0, 2.0]), "layer_normalization: expected parameters"),
    (lambda: ops.rms_normalization(X, [1.0, 2.0]), "rms_normalization: expected parameters"),
    (lambda: ops.one_hot([1], 3, sparse=True), "one_hot: expected sparse=False"),
    (lambda: ops.one_hot([1], 3, axis=4), "one_hot: expected axes"),
    (lambda: ops.multi_hot([1]), "multi_hot: expected `num_classes`"),
    (lambda: ops.binary_crossentropy([1.0], [1.0, 0.0]), "binary_crossentropy: expected `target`"),
    (lambda: ops.categorical_crossentropy(1.0, 1.0), "categorical_crossentropy: expected arrays"),
    (lambda: ops.sparse_categorical_crossentropy([7], [[0.5, 0.5]]), "labels in"),
    (lambda: ops.sparse_categorical_crossentropy([1], X[0, 0]), "integer labels of shape"),
    (lambda: ops.psnr([1.0], [1.0, 2.0], 1.0), "psnr: expected images of one shape"),
    (lambda: ops.dot_product_attention(X[0], X[0], X[0]), "dot_product_attention: expected arrays"),
    (lambda: ops.dot_product_attention(X, X, X, flash_attention=True), "expected flash_attention"),
    (lambda: ops.dot_product_attention(X, X, X, attn_logits_soft_cap=1.0), "expected attn_logits"),
    (lambda: ops.dot_product_attention(X, X[:, :, :3], X[:, :, :3]), "expected heads"),
    (lambda: ops.unfold(X[0], 2), "unfold: expected an input"),
    (lambda: ops.unfold(X, 5), "unfold: expected windows"),
    (lambda: ops.fold(np.ones((1, 3, 9)), 4, 2), "fold: expected an input"),
    (lambda: ops.fold(np.ones((3, 9)), 4, 2), "fold: expected an input"),
    (lambda: ops.depth_to_space(X, 1), "depth_to_space: expected `block_size`"),
    (lambda: ops.depth_to_space(X, 3), "depth_to_space: expected channels"),
    (lambda: ops.space_to_depth(X, 3), "space_to_depth: expected height"),
    (lambda: ops.ctc_decode(X[0], [1] * 4, strategy="x"), "ctc_decode: expected `strategy`"),
    (lambda: ops.ctc_decode(X[0], [9] * 4), "ctc_decode: expected sequence_lengths in"),
    (lambda: ops.ctc_loss([[1]], X[0, :1], [2], [4]), "ctc_loss: expected target_length in"),
    (lambda: ops.ctc_loss([[9]], X[0, :1], [1], [4]), r"ctc_loss: expected target in"),
    (lambda: ops.ctc_loss([[1]], X[0, :1], [1], [4], mask_index=4), "expected `mask_index`"),
    (lambda: ops.ctc_loss([1], X[0, :1], [1], [4]), "ctc_loss: expected target"),
]


@pytest.mark.parametrize("call, message", ERRORS)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_labels_that_do_not_fit_have_no_probability():
    assert ops.ctc_loss([[1, 1]], np.zeros((1, 2, 3)), [2], [2]).tolist() == [np.inf]
    assert ops.ctc_loss([[1, 1]], np.zeros((1, 2, 3)), [1], [0]).tolist() == [np.inf]
    assert ops.ctc_loss([[1, 1]], np.zeros((1, 2, 3)), [0], [0]).tolist() == [0.0]


# `(shapes of weights, function of (ops, x, weights), shape of a sample)`
LAYERS = {
    "conv": ([(3, 3, 2, 3)], lambda o, x, w: o.conv(x, w[0], 2, "same"), (6, 5, 2)),
    "conv_groups": ([(2, 2, 1, 4)], lambda o, x, w: o.conv(x, w[0]), (6, 5, 2)),
    "conv_first": (
        [(2, 2, 2, 3)], lambda o, x, w: o.conv(x, w[0], data_format="channels_first"), (2, 6, 5),
    ),
    "conv_computed": ([(3, 3, 2, 3)], lambda o, x, w: o.conv(x, o.tanh(w[0]), 2, "same"), (6, 5, 2)),
    "conv_groups_computed": ([(2, 2, 1, 4)], lambda o, x, w: o.conv(x, w[0] * 2), (6, 5, 2)),
    "depthwise": ([(3, 3, 2, 2)], lambda o, x, w: o.depthwise_conv(x, w[0]), (6, 5, 2)),
    "depthwise_computed": ([(3, 2, 2)], lambda o, x, w: o.depthwise_conv(x, w[0] * w[0]), (6, 2)),
    "separable": (
        [(3, 3, 2, 2), (1, 1, 4, 3)], lambda o, x, w: o.separable_conv(x, w[0], w[1]), (6, 5, 2),
    ),
    "transpose": ([(3, 3, 4, 2)], lambda o, x, w: o.conv_transpose(x, w[0], 2), (4, 3, 2)),
    "transpose_computed": (
        [(3, 3, 4, 2)], lambda o, x, w: o.conv_transpose(x, o.tanh(w[0]), 2, "same"), (4, 3, 2),
    ),
    "pools": (
        [(6, 5, 2)],
        lambda o, x, w: o.max_pool(x * w[0], 2) + o.average_pool(x * w[0], 2), (6, 5, 2),
    ),
    "adaptive": (
        [(6, 2)],
        lambda o, x, w: o.adaptive_max_pool(x * w[0], 4) + o.adaptive_average_pool(x * w[0], 4), (6, 2),
    ),
    "batch_norm": (
        [(3,), (3,)],
        lambda o, x, w: o.batch_normalization(x, *o.moments(x, [0]), -1, w[0], w[1]), (3,),
    ),
    "layer_norm": (
        [(4, 3), (4, 3)], lambda o, x, w: o.layer_normalization(x, w[0], w[1], (1, 2)), (4, 3),
    ),
    "rms_norm": ([(3,)], lambda o, x, w: o.rms_normalization(x, w[0]), (4, 3)),
    "normalize": ([(3,)], lambda o, x, w: o.normalize(x * w[0]) + o.normalize(x * w[0], order=3), (4, 3)),
    "attention": (
        [(4, 4)],
        lambda o, x, w: o.dot_product_attention(
            *[o.reshape(o.matmul(x, w[0]), (-1, 5, 2, 2))] * 3, is_causal=True
        ),
        (5, 4),
    ),
    "blocks": (
        [(2, 4, 4)],
        lambda o, x, w: o.fold(o.unfold(x * w[0], 2, stride=2), (4, 4), 2, stride=2)
        + o.depth_to_space(o.space_to_depth(x * w[0], 2, "channels_first"), 2, "channels_first"),
        (2, 4, 4),
    ),
    "activations": (
        [(3,)], lambda o, x, w: o.softmax(x * w[0]) + o.gelu(x * w[0]) + o.celu(x * w[0]), (3,),
    ),
}


def trained(library, shapes, function, x, start):
    class Own(library.layers.Layer):
        def build(self, input_shape):
            self.w = [self.add_weight(shape=s, name=f"w{i}") for i, s in enumerate(shapes)]

        def call(self, x):
            return function(library.ops, x, self.w)

    model = library.Sequential([library.Input(x.shape[1:]), Own()])
    model.set_weights(start)
    before = np.asarray(model.predict(x, verbose=0))
    model.compile(library.optimizers.SGD(0.1), "mse")
    model.train_on_batch(x, np.ones_like(before))
    return before, [np.asarray(w) for w in model.get_weights()]


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_trains_as_in_keras(case, keras):
    shapes, function, shape = LAYERS[case]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, *shape)).astype("float32")
    start = [rng.normal(size=s).astype("float32") for s in shapes]
    right, theirs = trained(keras, shapes, function, x, start)
    y, ours = trained(pyseq, shapes, function, x, start)
    np.testing.assert_allclose(y, right, rtol=1e-4, atol=1e-5)
    for a, b, w in zip(ours, theirs, start):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert np.abs(a - w).max() > 1e-5


def test_an_activation_of_ops_is_saved_by_its_name():
    layer = pyseq.layers.Dense(2, activation=ops.relu)
    assert layer.get_config()["activation"] == "relu"
    assert pyseq.layers.Dense(2, activation=ops.softmax).get_config()["activation"] == "softmax"


def losses_of_ctc(library, x, y, start):
    def loss(target, output):
        o = library.ops
        count = o.sum(o.cast(o.not_equal(target, 0), "int32"), axis=1)
        return o.ctc_loss(target, output, count, o.ones_like(count) * 6)

    model = library.Sequential([library.Input((6, 4)), library.layers.Dense(4)])
    model.set_weights(start)
    model.compile(library.optimizers.SGD(0.1), loss)
    return [float(model.train_on_batch(x, y)) for _ in range(3)]


def test_ctc_loss_trains_in_a_loss_as_in_keras(keras):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    y = np.array([[1, 2, 2], [3, 0, 0], [1, 1, 0]], "int32")
    start = [rng.normal(size=(4, 4)).astype("float32"), np.zeros(4, "float32")]
    right = losses_of_ctc(keras, x, y, start)
    np.testing.assert_allclose(losses_of_ctc(pyseq, x, y, start), right, rtol=1e-5)
