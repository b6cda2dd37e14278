"""What scripts call of TensorFlow: every name of the tables, with its value."""

import numpy as np
import pytest

from pyseq import results
from pyseq.compat import tensorflow as tf
from pyseq.compat.tensorflow import _names
from pyseq.compat.tensorflow._tensors import as_tensor


@pytest.fixture(autouse=True)
def tensors():
    results.hand_out(as_tensor)
    yield
    results.hand_out(None)


A = np.float32([[1.0, -2.0], [3.0, 4.0]])
S = np.float32([[4.0, 2.0], [2.0, 3.0]])
IMG = np.arange(24, dtype="uint8").reshape(2, 4, 3) * 10
GRAY = np.float32([[[0.0], [1.0]], [[2.0], [3.0]]])
f32 = np.float32
# `expression: value`, where names are those of `tf`, and A, S, IMG, GRAY the arrays above.
VALUES = {
    # the root
    "constant([1, 2])": np.int32([1, 2]),
    "constant(2.0, shape=(1, 2))": f32([[2, 2]]),
    "convert_to_tensor([1.5])": f32([1.5]),
    "cast(constant([1.7, -1.7]), 'int32')": np.int32([1, -1]),
    "shape(A)": np.int32([2, 2]),
    "size(A)": np.int32(4),
    "rank(A)": np.int32(2),
    "reshape(A, [-1])": f32([1, -2, 3, 4]),
    "transpose(A)": A.T,
    "transpose(A, perm=[1, 0])": A.T,
    "expand_dims(A, -1)": A[:, :, None],
    "squeeze([[1.0]], axis=[0])": f32([1]),
    "concat([A, A], axis=1)": np.concatenate([A, A], 1),
    "stack([1.0, 2])": f32([1, 2]),
    "unstack(A)[1]": A[1],
    "split(A, 2)[1]": A[1:],
    "split([1, 2, 3], [1, 2])[1]": np.int32([2, 3]),
    "tile([1, 2], [2])": np.int32([1, 2, 1, 2]),
    "one_hot([0, 2], 3)": f32([[1, 0, 0], [0, 0, 1]]),
    "one_hot([1], 2, on_value=5.0, off_value=-1.0)": f32([[-1, 5]]),
    "zeros((1, 2))": f32([[0, 0]]),
    "ones(2, dtype='int64')": np.int64([1, 1]),
    "zeros_like(A)": np.zeros_like(A),
    "ones_like(A, dtype='int32')": np.ones((2, 2), "int32"),
    "fill([2], 7)": np.int32([7, 7]),
    "range(3)": np.int32([0, 1, 2]),
    "range(1, 2, 0.5)": f32([1, 1.5]),
    "linspace(0.0, 1.0, 3)": f32([0, 0.5, 1]),
    "eye(2)": np.eye(2, dtype="f"),
    "where(A > 0, A, 0.0)": np.maximum(A, 0),
    "where([False, True])": np.int64([[1]]),
    "gather(A, [1, 1])": A[[1, 1]],
    "gather(A, [[1], [0]], batch_dims=1)": f32([[-2], [3]]),
    "gather_nd(A, [[0, 1], [1, 0]])": f32([-2, 3]),
    "boolean_mask(A, [True, False])": A[:1],
    "clip_by_value(A, -1.0, 3.0)": np.clip(A, -1, 3),
    "clip_by_norm([3.0, 4.0], 1.0)": f32([0.6, 0.8]),
    "norm([3.0, 4.0])": f32(5),
    "pad([1, 2], [[1, 0]])": np.int32([0, 1, 2]),
    "reverse([1, 2], [0])": np.int32([2, 1]),
    "roll([1, 2, 3], 1, 0)": np.int32([3, 1, 2]),
    "sort([3, 1, 2], direction='DESCENDING')": np.int32([3, 2, 1]),
    "argsort([3, 1, 3], direction='DESCENDING')": np.int32([0, 2, 1]),
    "repeat([1, 2], 2)": np.int32([1, 1, 2, 2]),
    "broadcast_to([1, 2], [2, 2])": np.int32([[1, 2], [1, 2]]),
    "meshgrid([1, 2], [3])[0]": np.int32([[1, 2]]),
    "tensordot(A, A, 1)": A @ A,
    "einsum('ij,jk->ik', A, A)": A @ A,
    "identity(A)": A,
    "stop_gradient(A)": A,
    "unique([3, 1, 3])[0]": np.int32([3, 1]),
    "unique([3, 1, 3])[1]": np.int32([0, 1, 0]),
    "map_fn(lambda row: row * 2, A)": A * 2,
    "py_function(lambda x: x.numpy() + 1, [A], float32)": A + 1,
    "numpy_function(np.sum, [A], float32)": f32(6),
    "slice(A, [0, 1], [-1, 1])": A[:, 1:],
    "sequence_mask([1, 2], 3)": np.array([[True, False, False], [True, True, False]]),
    "searchsorted([1, 3, 5], [2, 5])": np.int32([1, 2]),
    "ensure_shape(A, [None, 2])": A,
    "matmul(A, A, transpose_b=True)": A @ A.T,
    "saturate_cast([300.0, -1.0], 'uint8')": np.uint8([255, 0]),
    "cond(True, constant([1]).numpy, None)": np.int32([1]),
    "while_loop(lambda i: i < 3, lambda i: i + 1, (constant(0),))[0]": np.int32(3),
    "function(lambda x: x + 1)(constant(1))": np.int32(2),
    "function(jit_compile=True)(lambda x: x)(constant(1))": np.int32(1),
    "Variable([1.0]) + 1": f32([2]),
    "to_float([1])": f32([1]),
    "to_int32([1.5])": np.int32([1]),
    "constant([1.0, 2.0])[newaxis]": f32([[1, 2]]),
    # math
    "math.abs(A)": np.abs(A),
    "math.acos([1.0])": f32([0]),
    "math.acosh([1.0])": f32([0]),
    "math.asin([1.0])": f32([np.pi / 2]),
    "math.asinh([0.0])": f32([0]),
    "math.atan([1.0])": f32([np.pi / 4]),
    "math.atanh([0.0])": f32([0]),
    "math.atan2([1.0], [1.0])": f32([np.pi / 4]),
    "math.ceil([0.2])": f32([1]),
    "ceil([0.2])": f32([1]),
    "math.cos([0.0])": f32([1]),
    "math.cosh([0.0])": f32([1]),
    "math.erf([1.0])": f32([0.8427008]),
    "math.exp([1.0])": f32([np.e]),
    "math.expm1([0.0])": f32([0]),
    "math.floor([1.7])": f32([1]),
    "math.log([np.e])": f32([1]),
    "log([1.0])": f32([0]),
    "math.log1p([0.0])": f32([0]),
    "math.negative(A)": -A,
    "math.reciprocal([4.0])": f32([0.25]),
    "math.rint([1.5])": f32([2]),
    "math.round([2.5])": f32([2]),
    "math.sign(A)": np.sign(A),
    "math.sin([0.0])": f32([0]),
    "math.sinh([0.0])": f32([0]),
    "math.sqrt([9.0])": f32([3]),
    "math.square(A)": A * A,
    "math.tan([0.0])": f32([0]),
    "math.tanh([0.0])": f32([0]),
    "math.rsqrt([4.0])": f32([0.5]),
    "math.is_nan([np.nan, 1.0])": np.array([True, False]),
    "math.is_inf([np.inf, 1.0])": np.array([True, False]),
    "math.is_finite([np.inf, 1.0])": np.array([False, True]),
    "math.conj(A)": A,
    "math.real(A)": A,
    "math.imag(constant(1j))": np.float64(1),
    "math.logical_not([True])": np.array([False]),
    "math.logical_and([True], [False])": np.array([False]),
    "math.logical_or([True], [False])": np.array([True]),
    "math.logical_xor([True], [True])": np.array([False]),
    "math.add(A, 1)": A + 1,
    "math.subtract(A, 1)": A - 1,
    "math.multiply(A, 2.0)": A * 2,
    "math.divide(A, 2)": A / 2,
    "div(A, 2)": A / 2,
    "math.truediv(A, 2)": A / 2,
    "math.divide_no_nan([1.0, 2.0], [0.0, 2.0])": f32([0, 1]),
    "math.floordiv([7], [2])": np.int32([3]),
    "math.floormod([-7], [3])": np.int32([2]),
    "math.mod([7], [3])": np.int32([1]),
    "math.pow(A, 2)": A**2,
    "math.maximum(A, 0.0)": np.maximum(A, 0),
    "math.minimum(0, A)": np.minimum(A, 0),
    "math.equal([1, 2], [1, 3])": np.array([True, False]),
    "math.not_equal([1, 2], [1, 3])": np.array([False, True]),
    "math.less([1], [2])": np.array([True]),
    "math.less_equal([2], [2])": np.array([True]),
    "math.greater([1], [2])": np.array([False]),
    "math.greater_equal([2], [2])": np.array([True]),
    "math.reduce_sum(A)": f32(6),
    "math.reduce_sum(A, axis=0, keepdims=True)": f32([[4, 2]]),
    "math.reduce_sum(input_tensor=A, axis=[0, 1])": f32(6),
    "math.reduce_mean(A, 1)": f32([-0.5, 3.5]),
    "math.reduce_mean([1, 2])": np.int32(1),
    "math.reduce_max(A)": f32(4),
    "math.reduce_min(A)": f32(-2),
    "math.reduce_prod(A)": f32(-24),
    "math.reduce_std([1.0, 3.0])": f32(1),
    "math.reduce_variance([1.0, 5.0])": f32(4),
    "math.reduce_all([True, False])": np.array(False),
    "math.reduce_any([True, False])": np.array(True),
    "math.reduce_logsumexp([0.0, 0.0])": f32(np.log(2)),
    "math.reduce_euclidean_norm([3.0, 4.0])": f32(5),
    "math.sigmoid([0.0])": f32([0.5]),
    "math.softplus([0.0])": f32([np.log(2)]),
    "math.log_sigmoid([0.0])": f32([-np.log(2)]),
    "math.argmax(A)": np.int64([1, 1]),
    "math.argmax(A, axis=1, output_type=int32)": np.int32([0, 1]),
    "math.argmin(A, 1)": np.int64([1, 0]),
    "math.cumsum([1, 2, 3])": np.int32([1, 3, 6]),
    "math.cumsum([1, 2, 3], exclusive=True)": np.int32([0, 1, 3]),
    "math.cumsum([1, 2, 3], reverse=True)": np.int32([6, 5, 3]),
    "math.cumprod([2, 3])": np.int32([2, 6]),
    "math.count_nonzero([1, 0, 2])": np.int64(2),
    "math.confusion_matrix([0, 1, 1], [0, 0, 1])": np.int32([[1, 0], [1, 1]]),
    "math.add_n([A, A, A])": A * 3,
    "math.squared_difference([1.0], [3.0])": f32([4]),
    "math.l2_normalize([3.0, 4.0])": f32([0.6, 0.8]),
    "math.top_k([1, 3, 2], 2)[0]": np.int32([3, 2]),
    "math.top_k([1, 3, 2], k=2)[1]": np.int32([1, 2]),
    "math.in_top_k([1], A[:1], 1)": np.array([False]),
    "math.bincount([1, 1, 3])": np.int32([0, 2, 0, 1]),
    "math.xlogy([0.0, 1.0], [0.0, np.e])": f32([0, 1]),
    # linalg
    "linalg.matmul(A, A)": A @ A,
    "linalg.norm(A, ord=1)": f32(10),
    "linalg.eye(1, 2)": f32([[1, 0]]),
    "linalg.diag([1.0, 2.0])": f32([[1, 0], [0, 2]]),
    "linalg.diag_part(A)": f32([1, 4]),
    "linalg.trace(A)": f32(5),
    "linalg.matvec(A, [1.0, 1.0])": f32([-1, 7]),
    "linalg.l2_normalize([0.0, 2.0])": f32([0, 1]),
    "linalg.tensordot(A, A, 2)": f32(30),
    "linalg.einsum('ii', A)": f32(5),
    "linalg.inv(A) @ A": np.eye(2, dtype="f"),
    "linalg.det(A)": f32(10),
    "linalg.cholesky(S)": f32([[2, 0], [1, np.sqrt(2)]]),
    "linalg.svd([[3.0, 0.0], [0.0, 2.0]])[0]": f32([3, 2]),
    "linalg.eigh([[3.0, 0.0], [0.0, 2.0]])[0]": f32([2, 3]),
    "linalg.solve(A, [[-1.0], [7.0]])": f32([[1], [1]]),
    "matmul(*linalg.qr(A))": A,
    "linalg.matrix_transpose(A)": A.T,
    # nn
    "nn.relu(A)": np.maximum(A, 0),
    "nn.relu6([7.0])": f32([6]),
    "nn.selu([1.0])": f32([1.050701]),
    "nn.sigmoid([0.0])": f32([0.5]),
    "nn.softsign([1.0])": f32([0.5]),
    "nn.silu([0.0])": f32([0]),
    "nn.swish([0.0])": f32([0]),
    "nn.softplus([0.0])": f32([np.log(2)]),
    "nn.tanh([0.0])": f32([0]),
    "nn.elu([-1.0])": f32([np.exp(-1) - 1]),
    "nn.gelu([1.0])": f32([0.8413447]),
    "nn.gelu([1.0], approximate=True)": f32([0.841192]),
    "nn.leaky_relu([-1.0])": f32([-0.2]),
    "nn.leaky_relu([-1.0], alpha=0.5)": f32([-0.5]),
    "nn.softmax([[0.0, 0.0]], axis=0)": f32([[1, 1]]),
    "nn.log_softmax([0.0, 0.0])": f32([-np.log(2)] * 2),
    "nn.moments(A, [0])[1]": f32([1, 9]),
    "nn.softmax_cross_entropy_with_logits(labels=[[0.0, 1.0]], logits=[[0.0, 0.0]])": f32(
        [np.log(2)]
    ),
    "nn.softmax_cross_entropy_with_logits_v2([[0.0, 1.0]], [[0.0, 0.0]])": f32([np.log(2)]),
    "nn.sparse_softmax_cross_entropy_with_logits([1], [[0.0, 0.0]])": f32([np.log(2)]),
    "nn.sigmoid_cross_entropy_with_logits([1.0], [0.0])": f32([np.log(2)]),
    "nn.weighted_cross_entropy_with_logits([1.0], [0.0], 3.0)": f32([3 * np.log(2)]),
    "nn.l2_loss([3.0, 1.0])": f32(5),
    "nn.l2_normalize([0.0, 2.0])": f32([0, 1]),
    "nn.dropout(A, 0.0)": A,
    "nn.bias_add(A, [1.0, 2.0])": A + f32([1, 2]),
    "nn.top_k([1, 3], 1)[0]": np.int32([3]),
    "nn.in_top_k([0], A[:1], 1)": np.array([True]),
    "nn.zero_fraction([0.0, 1.0])": f32(0.5),
    "nn.embedding_lookup(A, [1])": A[1:],
    # random: shapes, ranges and seeds
    "shape(random.normal([2, 3], stddev=2.0))": np.int32([2, 3]),
    "shape(random_normal([2]))": np.int32([2]),
    "reduce_max(abs(random.truncated_normal([50]))) <= 2": np.array(True),
    "reduce_max(random.uniform([9], 1, 3, dtype=int32)) < 3": np.array(True),
    "reduce_max(random_uniform([9])) < 1": np.array(True),
    "sort(random.shuffle([3, 1, 2]))": np.int32([1, 2, 3]),
    "shape(random.categorical([[0.0, 1.0]], 4))": np.int32([1, 4]),
    "reduce_min(random.gamma([4], 2.0, 3.0)) > 0": np.array(True),
    "equal(random.stateless_normal([1], [1, 2]), random.stateless_normal([1], [1, 2]))": np.array(
        [True]
    ),
    "equal(random.stateless_uniform([1], [1, 2]), random.stateless_uniform([1], [2, 1]))": np.array(
        [False]
    ),
    # strings
    "strings.lower(['ABÄ'])": [b"ab\xc3\x84"],
    "strings.upper('aä', encoding='utf-8')": "AÄ".encode(),
    "strings.strip(' a ')": b"a",
    "strings.length(['abc', 'ä'])": np.int32([3, 2]),
    "strings.join(['a', ['b', 'c']], '-')": [b"a-b", b"a-c"],
    "strings.split('a b')": [b"a", b"b"],
    "strings.split(['a,b', 'c'], ',')[0]": [b"a", b"b"],
    "strings.regex_replace(['a1', b'22'], r'[0-9]+', r'<\\0>')": [b"a<1>", b"<22>"],
    "strings.regex_full_match('abc', 'a.*')": np.array(True),
    "strings.substr('hello', 1, 3)": b"ell",
    "strings.to_number('1.5')": f32(1.5),
    "strings.to_number('7', int32)": np.int32(7),
    "strings.as_string([1, 2])": [b"1", b"2"],
    "strings.as_string(0.5, precision=2)": b"0.50",
    "strings.reduce_join(['a', 'b'], separator=' ')": b"a b",
    "strings.unicode_split('aä')": [b"a", "ä".encode()],
    "strings.bytes_split('ab')": [b"a", b"b"],
    "strings.format('{} is {}', ('x', 3))": b"x is 3",
    # image
    "image.resize(GRAY, (1, 1))": f32([[[1.5]]]),
    "image.resize(IMG, [1, 2], method=image.ResizeMethod.NEAREST_NEIGHBOR)": IMG[1:, 1::2],
    "image.resize(GRAY, (1, 1), 'area')": f32([[[1.5]]]),
    "image.resize(GRAY, (1, 1), antialias=True)": f32([[[1.5]]]),
    "shape(image.resize(IMG, (4, 4), preserve_aspect_ratio=True))": np.int32([2, 4, 3]),
    "image.convert_image_dtype(constant([0, 255], dtype=uint8), float32)": f32([0, 1]),
    "image.convert_image_dtype([0.0, 1.0, 0.5], uint8)": np.uint8([0, 255, 127]),
    "image.flip_left_right(GRAY)": GRAY[:, ::-1],
    "image.flip_up_down(GRAY)": GRAY[::-1],
    "reduce_sum(image.random_flip_left_right(GRAY))": f32(6),
    "reduce_sum(image.random_flip_up_down(GRAY))": f32(6),
    "image.adjust_brightness(GRAY, 0.5)": GRAY + 0.5,
    "image.random_brightness(GRAY, 0.0)": GRAY,
    "image.adjust_contrast(GRAY, 2.0)": f32([[[-1.5], [0.5]], [[2.5], [4.5]]]),
    "image.random_contrast(GRAY, 1.0, 1.0)": GRAY,
    "image.adjust_saturation([[[1.0, 0.5, 0.5]]], 0.0)": f32([[[1, 1, 1]]]),
    "image.random_saturation([[[1.0, 0.5, 0.5]]], 1.0, 1.0)": f32([[[1, 0.5, 0.5]]]),
    "image.adjust_hue([[[1.0, 0.0, 0.0]]], 1 / 3)": f32([[[0, 1, 0]]]),
    "image.random_hue([[[1.0, 0.0, 0.0]]], 0.0)": f32([[[1, 0, 0]]]),
    "image.rgb_to_grayscale([[[1.0, 0.0, 0.0]]])": f32([[[0.2989]]]),
    "image.grayscale_to_rgb(GRAY)[0, 1]": f32([1, 1, 1]),
    "image.per_image_standardization([[[1.0], [3.0]]])": f32([[[-1], [1]]]),
    "image.central_crop(reshape(range(16), (4, 4, 1)), 0.5)[0, 0]": np.int32([5]),
    "image.crop_to_bounding_box(GRAY, 1, 0, 1, 2)": GRAY[1:],
    "image.pad_to_bounding_box(GRAY, 1, 0, 3, 2)[0]": GRAY[0] * 0,
    "image.resize_with_crop_or_pad(GRAY, 2, 4)[0, :, 0]": f32([0, 0, 1, 0]),
    "image.resize_with_pad(GRAY, 2, 4)[1, :, 0]": f32([0, 2, 3, 0]),
    "shape(image.random_crop(IMG, (1, 2, 3)))": np.int32([1, 2, 3]),
    "image.rot90(GRAY)[0, 0]": f32([1]),
    "image.transpose(GRAY)[0, 1]": f32([2]),
    "image.rgb_to_hsv([[[0.0, 1.0, 0.0]]])": f32([[[1 / 3, 1, 1]]]),
    "image.hsv_to_rgb([[[0.0, 1.0, 1.0]]])": f32([[[1, 0, 0]]]),
    "image.decode_png(io.encode_png(IMG))": IMG,
    "io.decode_image(io.encode_png(IMG), channels=3)": IMG,
    "shape(io.decode_jpeg(io.encode_jpeg(IMG), channels=1))": np.int32([2, 4, 1]),
    "image.decode_bmp(image.encode_png(IMG), 4)[0, 0]": np.uint8([0, 10, 20, 255]),
    "shape(image.decode_jpeg(image.encode_jpeg(IMG)))": np.int32([2, 4, 3]),
    "image.decode_image(io.encode_png(IMG), dtype=float32)": IMG / f32(255),
    "shape(image.decode_gif(image.encode_jpeg(IMG)))": np.int32([2, 4, 3]),
    "io.decode_raw(b'\\x01\\x02', uint8)": np.uint8([1, 2]),
    # data
    "next(iter(data.Dataset.range(3).batch(2)))": np.int64([0, 1]),
    "data.experimental.cardinality(data.Dataset.range(3))": np.int64(3),
}
# `expression: value` of what is no tensor.
FACTS = {
    "is_tensor(constant(1))": True,
    "executing_eagerly()": True,
    "no_op()": None,
    "group(constant(1))": None,
    "as_dtype('float32') == float32": True,
    "dtypes.as_dtype(np.float64).name": "float64",
    "float32 == np.dtype('float32')": True,
    "float32.max > 3e38": True,
    "string.name": "string",
    "constant(1.0).dtype == float32": True,
    "TensorShape([None, 2]).as_list()": [None, 2],
    "(TensorShape([2]) + [3]).num_elements()": 6,
    "constant([[1]]).shape.rank": 2,
    "TensorSpec((), float32).dtype": "float32",
    "isinstance(constant(1), Tensor)": True,
    "config.list_physical_devices('CPU')[0].name": "/physical_device:CPU:0",
    "config.experimental.list_physical_devices('CPU')[0].device_type": "CPU",
    "config.list_logical_devices('CPU')[0].name": "/device:CPU:0",
    "len(config.get_visible_devices('CPU'))": 1,
    "config.functions_run_eagerly()": True,
    "config.experimental.get_memory_growth(None)": True,
    "test.gpu_device_name() in ('', '/device:GPU:0')": True,
    "test.is_gpu_available() == (len(config.list_physical_devices('GPU')) > 0)": True,
    "python.client.device_lib.list_local_devices()[0].device_type": "CPU",
    "get_logger().name": "tensorflow",
    "version.VERSION": "2.16.0",
    "compat.v1.Session().run([constant(1)])": [1],
    "compat.v1.logging.ERROR": 40,
    "data.AUTOTUNE": -1,
    "data.experimental.AUTOTUNE": -1,
    "data.INFINITE_CARDINALITY": -1,
    "data.UNKNOWN_CARDINALITY": -2,
    "distribute.MirroredStrategy(['a']).num_replicas_in_sync": 1,
    "autograph.experimental.do_not_convert(len) is len": True,
}


class _Names(dict):
    def __missing__(self, name):
        return getattr(tf, name) if hasattr(tf, name) else __builtins__[name]


def value_of(expression):
    return eval(expression, {"__builtins__": {}}, _Names(A=A, S=S, IMG=IMG, GRAY=GRAY, np=np))


@pytest.mark.parametrize("expression", VALUES)
def test_value(expression):
    if "encode_" in expression:
        pytest.importorskip("PIL")
    got, expected = value_of(expression), VALUES[expression]
    assert type(got) is tf.Tensor
    if isinstance(expected, (bytes, list)):
        assert (
            got.numpy() == expected
            if isinstance(expected, bytes)
            else got.numpy().tolist() == expected
        )
        return
    assert got.dtype == expected.dtype
    assert tuple(got.shape) == expected.shape
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("expression", FACTS)
def test_fact(expression):
    assert value_of(expression) == FACTS[expression]


@pytest.mark.parametrize("part", _names.MODULES)
def test_each_name_of_the_tables_is_there(part):
    module = tf if not part else value_of(part)
    for name in _names.MODULES[part]:
        getattr(module, name)
        assert name in dir(module)


def test_each_function_has_a_value_above():
    text = " ".join([*VALUES, *FACTS])
    for part in ("math", "linalg", "nn", "strings", "image"):
        unused = [name for name in _names.MODULES[part] if f"{part}.{name}" not in text]
        assert unused == []


@pytest.mark.parametrize(
    "expression, message",
    [
        ("GradientTape", r"tf.GradientTape: expected a name .*; use compile and fit"),
        ("nn.conv2d", r"tf.nn.conv2d: .*use layers.Conv2D"),
        ("train.Checkpoint", r"tf.train: .*use tf.keras.optimizers"),
        ("no_such_name", r"tf.no_such_name: .*use pyseq.ops, pyseq.layers or NumPy"),
        ("keras.no_such_name", r"module 'pyseq' has no attribute 'no_such_name'"),
    ],
)
def test_what_is_not_there_says_what_to_use(expression, message):
    with pytest.raises(AttributeError, match=message):
        value = tf
        for name in expression.split("."):
            value = getattr(value, name)


@pytest.mark.parametrize(
    "expression, error, message",
    [
        ("reduce_sum()", TypeError, r"tf.reduce_sum: expected the arguments .*input_tensor"),
        ("reduce_sum(A, dims=1)", TypeError, r"tf.reduce_sum: .*got \['dims'\]"),
        ("nn.relu(1, 2, 3)", TypeError, r"tf.relu: expected the arguments \['features'\], got 3"),
        ("random.uniform([2], dtype=int32)", ValueError, r"tf.random.uniform: expected maxval"),
        ("image.resize([1.0], (2, 2))", ValueError, r"tf.image.resize: expected an image"),
        ("image.resize(IMG, (2, 2), 'area', antialias=True)", ValueError, r"got 'area'"),
        ("image.random_crop(IMG, (3, 2, 3))", ValueError, r"expected a size within \(2, 4, 3\)"),
        ("image.crop_to_bounding_box(IMG, 1, 0, 2, 1)", ValueError, r"expected a box within"),
        ("image.pad_to_bounding_box(IMG, 0, 0, 1, 9)", ValueError, r"expected a size that holds"),
        ("io.read_file('gs://bucket/x')", ValueError, r"expected the path of a local file"),
        ("io.decode_image(b'', channels=2)", ValueError, r"expected 0, 1, 3 or 4, got 2"),
        ("io.encode_png(A)", ValueError, r"encode_png: expected an image"),
        ("io.decode_raw(1, uint8)", TypeError, r"expected bytes or a text, got 1"),
        ("gather(A, [0], batch_dims=2)", ValueError, r"tf.gather: expected batch_dims 0"),
        ("compat.v1.Session().run(A, feed_dict={1: 2})", ValueError, r"no placeholders"),
        ("debugging.assert_equal(1, 2)", ValueError, r"assert_equal: expected 2, got 1"),
        ("strings.to_number('a')", ValueError, r"could not convert"),
    ],
)
def test_errors(expression, error, message):
    with pytest.raises(error, match=message):
        value_of(expression)


def test_functions_of_numpy_return_arrays_of_numpy():
    x = tf.constant([3, 1, 3])
    for value in (np.unique(x), np.concatenate([x, x]), np.sort(x, kind="stable"), np.vstack([x])):
        assert type(value) is np.ndarray
    assert np.mean(x) == pytest.approx(7 / 3)
    assert {*np.unique(x)} == {1, 3}
    out = np.zeros(2, "int64")
    np.concatenate([x[:1], x[1:2]], out=out)
    assert out.tolist() == [3, 1]


def test_parts_of_variables_are_assigned():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    before = v[0]
    assert v[0, 0].assign(3.0) is v
    v[1].assign([7, 8])
    v[:, 1].assign_add([1.0, 1.0])
    v[0].assign_sub(tf.ones(2))
    assert v.numpy().tolist() == [[2, 2], [7, 9]]
    v[v > 8].assign(0.0)
    assert v.numpy().tolist() == [[2, 2], [7, 0]]
    assert before.numpy().tolist() == [1, 2]
    v.assign_add([[1, 1], [1, 1]]).assign_sub(tf.ones((2, 2)) * 2)
    assert v.numpy().tolist() == [[1, 1], [6, -1]]
    whole = tf.Variable([1, 2, 3])
    whole[1].assign(9)
    assert whole.numpy().tolist() == [1, 9, 3] and whole.dtype == "int32"


def test_only_parts_of_variables_are_assigned():
    v = tf.Variable([[1.0, 2.0]])
    assert type(v[0] + 1) is tf.Tensor and not hasattr(v[0][0], "assign")
    with pytest.raises(AttributeError, match="expected part of a variable"):
        v[0].reshape(2, 1).assign(1.0)
    with pytest.raises(ValueError, match="shape"):
        v[0].assign([1.0, 2.0, 3.0])
