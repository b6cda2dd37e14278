"""Each function of the last table of docs/old_names.md is called in the manner of Keras 2."""

import numpy as np
import pytest
from old_name_rows import KINDS

import pyseq
from pyseq import backend as K, layers

X = np.array([[1.0, 4.0], [9.0, 16.0]], dtype="float32")
FLAT = np.array([-1.0, 0.0, 2.0], dtype="float32")
IMAGE = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
SPACE = np.arange(8.0, dtype="float32").reshape(1, 2, 2, 2, 1)
ONES = np.ones((2, 2, 1, 1), "float32")


def variable_after(change, *args):
    v = K.variable([1.0, 2.0])
    change(v, *args)
    return v.numpy()


def draws(function, **kwargs):
    """Whether numbers are drawn in the shape, each time others."""
    a, b = (np.asarray(function(shape=(50,), **kwargs)) for _ in range(2))
    return a.shape == b.shape == (50,) and bool(np.any(a != b))


def between_layers():
    model = pyseq.Sequential([pyseq.Input((2,)), layers.Dense(2), layers.Dropout(0.5)])
    f = K.function([model.input, K.learning_phase()], [model.layers[0].output])
    return np.allclose(f([X, 0])[0], model.layers[0](X))


def scope(context):
    with context:
        return True


def back_to_last(value):
    K.set_image_dim_ordering(value)
    try:
        return K.image_data_format()
    finally:
        K.set_image_dim_ordering("tf")


CTC = np.full((1, 3, 3), 0.25, "float32") + 0.25 * np.eye(3, dtype="float32")

# For each function, what a call of it gives and what that must be.
CALLS = {
    "abs": lambda: (K.abs(FLAT), [1, 0, 2]),
    "all": lambda: (K.all(X > 0), True),
    "any": lambda: (K.any(X > 9, axis=1), [False, True]),
    "arange": lambda: (K.arange(1, 7, 2), [1, 3, 5]),
    "argmax": lambda: (K.argmax(X, axis=-1), [1, 1]),
    "argmin": lambda: (K.argmin(FLAT), 0),
    "batch_dot": lambda: (K.batch_dot(X, X, axes=1), [[17], [337]]),
    "batch_flatten": lambda: (K.batch_flatten(IMAGE), [np.arange(16)]),
    "batch_get_value": lambda: (K.batch_get_value([K.variable([3.0])]), [[3]]),
    "batch_normalization": lambda: (
        K.batch_normalization(X, np.array([1.0, 2.0]), 4.0, None, np.array([2.0, 4.0]), 0, 0.0),
        [[0, 3], [14, 28]]),
    "batch_set_value": lambda: (variable_after(lambda v: K.batch_set_value([(v, [3.0, 4.0])])), [3, 4]),
    "bias_add": lambda: (K.bias_add(X, np.array([1.0, 2.0])), X + [1, 2]),
    "binary_crossentropy": lambda: (K.binary_crossentropy(np.ones(2), np.full(2, 0.5)), np.log([2, 2])),
    "cast": lambda: (K.cast(FLAT, "int32"), [-1, 0, 2]),
    "cast_to_floatx": lambda: (K.cast_to_floatx(np.arange(2)).dtype == "float32", True),
    "categorical_crossentropy": lambda: (
        K.categorical_crossentropy(np.eye(2), np.full((2, 2), 0.5)), np.log([2, 2])),
    "clip": lambda: (K.clip(FLAT, 0, 1), [0, 0, 1]),
    "concatenate": lambda: (K.concatenate([X, X], axis=0), np.concatenate([X, X])),
    "constant": lambda: (K.constant(2.0, shape=(2, 2)), [[2, 2], [2, 2]]),
    "conv1d": lambda: (K.conv1d(X[None], np.ones((2, 2, 1), "float32")), [[[30]]]),
    "conv2d": lambda: (K.conv2d(IMAGE, ONES)[0, 0, 0], [10]),
    "conv2d_transpose": lambda: (
        K.conv2d_transpose(IMAGE[:, :1, :2], ONES, (1, 2, 3, 1))[0, :, :, 0], [[0, 1, 1], [0, 1, 1]]),
    "conv3d": lambda: (K.conv3d(SPACE, np.ones((2, 2, 2, 1, 1), "float32")), [[[[[28]]]]]),
    "cos": lambda: (K.cos(FLAT * 0), [1, 1, 1]),
    "count_params": lambda: (K.count_params(X), 4),
    "ctc_batch_cost": lambda: (
        K.ctc_batch_cost(np.array([[0]]), CTC, np.array([[1]]), np.array([[1]])), [[np.log(2)]]),
    "ctc_decode": lambda: (K.ctc_decode(CTC, np.array([3]))[0][0][0][:2], [0, 1]),
    "cumprod": lambda: (K.cumprod(X, axis=1), [[1, 4], [9, 144]]),
    "cumsum": lambda: (K.cumsum(X, axis=1), [[1, 5], [9, 25]]),
    "depthwise_conv2d": lambda: (K.depthwise_conv2d(IMAGE, ONES, strides=(2, 2))[0, 0, :, 0], [10, 18]),
    "dot": lambda: (K.dot(X, X), X @ X),
    "dropout": lambda: (set(np.unique(K.dropout(np.ones(200), 0.5))) == {0.0, 2.0}, True),
    "dtype": lambda: (K.dtype(X) == "float32", True),
    "elu": lambda: (K.elu(FLAT), [np.expm1(-1), 0, 2]),
    "equal": lambda: (K.equal(FLAT, 0), [False, True, False]),
    "eval": lambda: (K.eval(K.variable([1.0])), [1]),
    "exp": lambda: (K.exp(FLAT), np.exp(FLAT)),
    "expand_dims": lambda: (K.expand_dims(FLAT), FLAT[:, None]),
    "eye": lambda: (K.eye(2), np.eye(2)),
    "flatten": lambda: (K.flatten(X), [1, 4, 9, 16]),
    "foldl": lambda: (K.foldl(lambda a, x: 2 * a + x, FLAT), 2 * (2 * -1 + 0) + 2),
    "foldr": lambda: (K.foldr(lambda a, x: 2 * a + x, FLAT, 1.0), 2 * (2 * (2 + 2) + 0) - 1),
    "function": lambda: (between_layers(), True),
    "gather": lambda: (K.gather(X, np.array([1])), X[1:]),
    "get_session": lambda: (K.get_session() is None, True),
    "get_value": lambda: (K.get_value(K.variable([1.0])), [1]),
    "get_variable_shape": lambda: (K.get_variable_shape(K.variable(X)), (2, 2)),
    "greater": lambda: (K.greater(FLAT, 0), [False, False, True]),
    "greater_equal": lambda: (K.greater_equal(FLAT, 0), [False, True, True]),
    "hard_sigmoid": lambda: (K.hard_sigmoid(FLAT * 9), [0, 0.5, 1]),
    "identity": lambda: (K.identity(X), X),
    "image_dim_ordering": lambda: (K.image_dim_ordering() == "tf", True),
    "in_test_phase": lambda: (K.in_test_phase(1, lambda: 2), 1),
    "in_top_k": lambda: (K.in_top_k(X, np.array([1, 0]), 1), [True, False]),
    "in_train_phase": lambda: (K.in_train_phase(lambda: 1, 2, training=1), 1),
    "int_shape": lambda: (K.int_shape(X), (2, 2)),
    "is_sparse": lambda: (K.is_sparse(X), False),
    "is_tensor": lambda: (K.is_tensor(K.constant(1.0)), True),
    "l2_normalize": lambda: (K.l2_normalize(np.array([[3.0, 4.0]]), axis=1), [[0.6, 0.8]]),
    "learning_phase": lambda: (K.learning_phase(), 0),
    "learning_phase_scope": lambda: (scope(K.learning_phase_scope(1)), True),
    "less": lambda: (K.less(FLAT, 0), [True, False, False]),
    "less_equal": lambda: (K.less_equal(FLAT, 0), [True, True, False]),
    "log": lambda: (K.log(X), np.log(X)),
    "logsumexp": lambda: (K.logsumexp(FLAT * 0), np.log(3)),
    "manual_variable_initialization": lambda: (K.manual_variable_initialization(True) is None, True),
    "map_fn": lambda: (K.map_fn(lambda row: row + 1, X), X + 1),
    "max": lambda: (K.max(X, axis=0), [9, 16]),
    "maximum": lambda: (K.maximum(FLAT, 0), [0, 0, 2]),
    "mean": lambda: (K.mean(X, axis=-1, keepdims=True), [[2.5], [12.5]]),
    "min": lambda: (K.min(X), 1),
    "minimum": lambda: (K.minimum(FLAT, 0), [-1, 0, 0]),
    "moving_average_update": lambda: (variable_after(K.moving_average_update, np.zeros(2), 0.5), [0.5, 1]),
    "name_scope": lambda: (scope(K.name_scope("part")), True),
    "ndim": lambda: (K.ndim(X), 2),
    "not_equal": lambda: (K.not_equal(FLAT, 0), [True, False, True]),
    "one_hot": lambda: (K.one_hot(np.array([1, 0]), 2), [[0, 1], [1, 0]]),
    "ones": lambda: (K.ones((2,)), [1, 1]),
    "ones_like": lambda: (K.ones_like(FLAT), [1, 1, 1]),
    "permute_dimensions": lambda: (K.permute_dimensions(X, (1, 0)), X.T),
    "pool2d": lambda: (K.pool2d(IMAGE, (2, 2), (2, 2), pool_mode="avg")[0, 0, :, 0], [2.5, 4.5]),
    "pool3d": lambda: (K.pool3d(SPACE, (2, 2, 2)), [[[[[7]]]]]),
    "pow": lambda: (K.pow(X, 2), X**2),
    "print_tensor": lambda: (K.print_tensor(X, "x is"), X),
    "prod": lambda: (K.prod(X), 576),
    "random_bernoulli": lambda: (draws(K.random_bernoulli, p=0.5), True),
    "random_binomial": lambda: (K.random_binomial((4,), p=1.0), [1, 1, 1, 1]),
    "random_normal": lambda: (draws(K.random_normal), True),
    "random_normal_variable": lambda: (draws(K.random_normal_variable, mean=0.0, scale=1.0), True),
    "random_uniform": lambda: (draws(K.random_uniform), True),
    "random_uniform_variable": lambda: (draws(K.random_uniform_variable, low=0.0, high=1.0), True),
    "relu": lambda: (K.relu(FLAT), [0, 0, 2]),
    "repeat": lambda: (K.repeat(X, 2), X[:, None].repeat(2, axis=1)),
    "repeat_elements": lambda: (K.repeat_elements(X, 2, axis=0), X[[0, 0, 1, 1]]),
    "reshape": lambda: (K.reshape(X, (4, 1)), X.reshape(4, 1)),
    "resize_images": lambda: (K.resize_images(IMAGE, 1, 2, "channels_last")[0, 0, :4, 0], [0, 0, 1, 1]),
    "resize_volumes": lambda: (K.resize_volumes(SPACE, 1, 1, 2, "channels_last")[0, 0, 0, :, 0], [0, 0, 1, 1]),
    "reverse": lambda: (K.reverse(FLAT, 0), FLAT[::-1]),
    "round": lambda: (K.round(FLAT + 0.25), FLAT),
    "separable_conv2d": lambda: (
        K.separable_conv2d(IMAGE, ONES, 2 * ONES[:1, :1], strides=(2, 2))[0, 0, :, 0], [20, 36]),
    "set_image_dim_ordering": lambda: (back_to_last("th") == "channels_first", True),
    "set_learning_phase": lambda: (K.set_learning_phase(1) is None and K.learning_phase(), 0),
    "set_session": lambda: (K.set_session(None) is None, True),
    "set_value": lambda: (variable_after(K.set_value, [5.0, 6.0]), [5, 6]),
    "shape": lambda: (K.shape(X), (2, 2)),
    "sigmoid": lambda: (K.sigmoid(FLAT * 0), [0.5, 0.5, 0.5]),
    "sign": lambda: (K.sign(FLAT), [-1, 0, 1]),
    "sin": lambda: (K.sin(FLAT), np.sin(FLAT)),
    "size": lambda: (K.size(X), 4),
    "slice": lambda: (K.slice(X, (0, 1), (2, 1)), [[4], [16]]),
    "softmax": lambda: (K.softmax(X * 0), np.full((2, 2), 0.5)),
    "softplus": lambda: (K.softplus(FLAT * 0), np.log([2, 2, 2])),
    "softsign": lambda: (K.softsign(FLAT), [-0.5, 0, 2 / 3]),
    "sparse_categorical_crossentropy": lambda: (
        K.sparse_categorical_crossentropy(np.array([0, 1]), np.full((2, 2), 0.5)), np.log([2, 2])),
    "spatial_2d_padding": lambda: (np.sum(K.spatial_2d_padding(IMAGE + 1) == 0), 20),
    "spatial_3d_padding": lambda: (np.sum(K.spatial_3d_padding(SPACE + 1) == 0), 64 - 8),
    "sqrt": lambda: (K.sqrt(X), [[1, 2], [3, 4]]),
    "square": lambda: (K.square(FLAT), [1, 0, 4]),
    "squeeze": lambda: (K.squeeze(FLAT[:, None], 1), FLAT),
    "stack": lambda: (K.stack([FLAT, FLAT], axis=1), np.stack([FLAT, FLAT], 1)),
    "std": lambda: (K.std(X, axis=1), [1.5, 3.5]),
    "stop_gradient": lambda: (K.stop_gradient(X), X),
    "sum": lambda: (K.sum(X, axis=1), [5, 25]),
    "switch": lambda: (K.switch(FLAT > 0, lambda: FLAT, FLAT * 0), [0, 0, 2]),
    "tanh": lambda: (K.tanh(FLAT), np.tanh(FLAT)),
    "temporal_padding": lambda: (K.temporal_padding(X[None], (1, 0)), [[[0, 0], [1, 4], [9, 16]]]),
    "tile": lambda: (K.tile(FLAT, 2), np.tile(FLAT, 2)),
    "to_dense": lambda: (K.to_dense(X), X),
    "transpose": lambda: (K.transpose(X), X.T),
    "truncated_normal": lambda: (draws(K.truncated_normal), True),
    "update": lambda: (variable_after(K.update, [5.0, 6.0]), [5, 6]),
    "update_add": lambda: (variable_after(K.update_add, [1.0, 1.0]), [2, 3]),
    "update_sub": lambda: (variable_after(K.update_sub, [1.0, 1.0]), [0, 1]),
    "var": lambda: (K.var(X, axis=1), [2.25, 12.25]),
    "variable": lambda: (K.variable(X, dtype="float32", name="x").numpy(), X),
    "zeros": lambda: (K.zeros((2,)), [0, 0]),
    "zeros_like": lambda: (K.zeros_like(FLAT), [0, 0, 0]),
}  # fmt: skip

ROWS = sorted(KINDS["Functions of `keras.backend`"]())


def test_each_row_has_a_call():
    assert {row.old for row in ROWS} == CALLS.keys()


@pytest.mark.parametrize("row", ROWS, ids=[row.old for row in ROWS])
def test_function(row):
    got, expected = map(np.asarray, CALLS[row.old]())
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-6)


def test_output_shape_of_a_transposed_convolution():
    with pytest.raises(ValueError, match="expected output_shape"):
        K.conv2d_transpose(IMAGE, ONES, (1, 7, 7, 1))
