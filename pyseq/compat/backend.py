"""The functions that scripts of Keras 2 call as `K.mean(x)`; `pyseq.backend` offers them.

They are `pyseq.ops` under older names and argument orders.
"""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from pyseq import activations, config, losses, naming, ops, random, settings, symbolic
from pyseq.layers.keras_tensor import is_keras_tensor
from pyseq.layers.merging import batch_dot as batch_dot, l2_normalize as l2_normalize
from pyseq.training.model import Model
from pyseq.variable import Variable

# The version of Keras from which on a function is old; all others went with 3.0.
SINCE = {"image_dim_ordering": "2.0", "set_image_dim_ordering": "2.0"}

# The same name and arguments in pyseq.ops.
_SAME = frozenset(
    "abs all any arange argmax argmin cast clip concatenate cos cumprod cumsum elu equal exp "
    "eye greater greater_equal hard_sigmoid is_tensor less less_equal log logsumexp max maximum "
    "mean min minimum ndim not_equal one_hot ones ones_like prod relu reshape round shape "
    "sigmoid sign sin softmax softplus softsign sqrt square squeeze stack std stop_gradient sum "
    "tanh tile transpose var zeros zeros_like".split()
)


def expand_dims(x, axis=-1):
    """A new axis of size 1."""
    return ops.expand_dims(x, axis)


def pow(x, a):
    """x to the power of a."""
    return ops.power(x, a)


def flatten(x):
    """All elements in one axis."""
    return ops.reshape(x, (-1,))


def batch_flatten(x):
    """The elements of each row in one axis."""
    return ops.reshape(x, (-1, int(np.prod(ops.shape(x)[1:]))))


def int_shape(x):
    """The shape as a tuple, None for a batch that is not known."""
    return tuple(x.shape)


def dot(x, y):
    """Product over the last axis of x and the last but one of y."""
    return ops.dot(x, y)


def permute_dimensions(x, pattern):
    """Axes in another order."""
    return ops.transpose(x, tuple(pattern))


def repeat(x, n):
    """(N, d) to (N, n, d)."""
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x, rep, axis):
    """Each element along an axis several times."""
    return ops.repeat(x, rep, axis=axis)


def reverse(x, axes):
    """Elements along axes in reverse."""
    return ops.flip(x, axis=axes)


def gather(reference, indices):
    """Rows of `reference`."""
    return ops.take(reference, indices, axis=0)


def switch(condition, then_expression, else_expression):
    """One of two values, which may be functions without arguments."""
    values = [v() if callable(v) else v for v in (then_expression, else_expression)]
    return ops.where(condition, *values)


def constant(value, dtype=None, shape=None, name=None):
    """An array of one value, or of the values given."""
    value = ops.convert_to_tensor(value, dtype)
    return value if shape is None else np.broadcast_to(value, shape)


def variable(value, dtype=None, name=None, constraint=None):
    """A `Variable` with an initial value."""
    return Variable(value, dtype=dtype, name=name or "variable")


def dtype(x):
    """Name of the dtype."""
    return np.dtype(x.dtype).name


def eval(x):
    """The numbers of an array or variable."""
    return np.array(x)


get_value = eval


def set_value(x, value):
    """Assign a variable."""
    x.assign(value)


def count_params(x):
    """Number of elements."""
    return int(np.prod(x.shape))


def _crossentropy(function):
    def call(target, output, from_logits=False, axis=-1):
        return function(target, output, from_logits=from_logits, axis=axis)

    call.__doc__ = f"`losses.{function.__name__}` of (target, output)."
    return call


categorical_crossentropy = _crossentropy(losses.categorical_crossentropy)
sparse_categorical_crossentropy = _crossentropy(losses.sparse_categorical_crossentropy)


def binary_crossentropy(target, output, from_logits=False):
    """Cross-entropy of each element, not averaged."""
    if from_logits:
        output = activations.sigmoid(output)
    small = 1e-7
    output = ops.clip(output, small, 1 - small)
    return -(target * ops.log(output) + (1 - target) * ops.log(1 - output))


# --- random numbers


def random_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal random numbers, anew in each step within a layer."""
    return random.normal(shape, mean, stddev, dtype, seed)


def random_uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Uniform random numbers, anew in each step within a layer."""
    return random.uniform(shape, minval, maxval, dtype, seed)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal random numbers within two standard deviations."""
    return random.truncated_normal(shape, mean, stddev, dtype, seed)


def random_normal_variable(shape, mean, scale, dtype=None, name=None, seed=None):
    """A variable of normal random numbers."""
    return variable(random.normal(shape, mean, scale, seed=seed), dtype, name)


def random_uniform_variable(shape, low, high, dtype=None, name=None, seed=None):
    """A variable of uniform random numbers."""
    return variable(random.uniform(shape, low, high, seed=seed), dtype, name)


def random_bernoulli(shape, p=0.0, dtype=None, seed=None):
    """1 with probability `p`, else 0, anew in each step within a layer."""
    drawn = random.uniform(shape, 0.0, 1.0, dtype, seed)
    return ops.where(drawn < p, ops.ones_like(drawn), ops.zeros_like(drawn))


random_binomial = random_bernoulli


def dropout(x, level, noise_shape=None, seed=None):
    """`x` with elements dropped with probability `level`, the others scaled up."""
    return random.dropout(x, level, noise_shape, seed)


# --- what depends on training


def learning_phase():
    """1 within a call for training, else 0."""
    return int(symbolic.training())


def set_learning_phase(value):
    """Accepted: calls say themselves what they are for."""


def in_train_phase(x, alt, training=None):
    """`x` in training and `alt` at inference; functions are called."""
    chosen = x if (symbolic.training() if training is None else training) else alt
    return chosen() if callable(chosen) else chosen


def in_test_phase(x, alt, training=None):
    """`x` at inference and `alt` in training; functions are called."""
    return in_train_phase(alt, x, training)


# --- variables


def update(x, new_x):
    """Assign to a variable."""
    return x.assign(new_x)


def update_add(x, increment):
    """Add to a variable."""
    return x.assign_add(increment)


def update_sub(x, decrement):
    """Subtract from a variable."""
    return x.assign_sub(decrement)


def moving_average_update(x, value, momentum):
    """Move a variable towards a value."""
    return x.assign(x * momentum + value * (1 - momentum))


def batch_get_value(tensors):
    """The values of variables as arrays."""
    return [get_value(x) for x in tensors]


def batch_set_value(tuples):
    """Assign to variables, of `(variable, value)` pairs."""
    for x, value in tuples:
        set_value(x, value)


def cast_to_floatx(x):
    """`x` as `floatx()`."""
    return ops.cast(x, config.floatx())


# --- images and sequences


def bias_add(x, bias, data_format=None):
    """`x` with a bias for each channel."""
    if settings.standardize_data_format(data_format) == "channels_first" and ops.ndim(x) > 2:
        bias = ops.reshape(bias, (-1,) + (1,) * (ops.ndim(x) - 2))
    return ops.add(x, bias)


def conv1d(x, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    """Convolution over one axis; "causal" sees the past only."""
    if padding == "causal":
        x = ops.pad(x, ((0, 0), (int(dilation_rate) * (ops.shape(kernel)[0] - 1), 0), (0, 0)))
        padding = "valid"
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(x, kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)):
    """Convolution over two axes."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv3d(
    x, kernel, strides=(1, 1, 1), padding="valid", data_format=None, dilation_rate=(1, 1, 1)
):
    """Convolution over three axes."""
    return ops.conv(x, kernel, strides, padding, data_format, dilation_rate)


def conv2d_transpose(
    x,
    kernel,
    output_shape,
    strides=(1, 1),
    padding="valid",
    data_format=None,
    dilation_rate=(1, 1),
):
    """Transposed convolution over two axes; `output_shape` follows from the other arguments."""
    y = ops.conv_transpose(x, kernel, strides, padding, None, data_format, dilation_rate)
    if tuple(output_shape)[1:] != tuple(ops.shape(y)[1:]):
        raise ValueError(
            f"conv2d_transpose: expected output_shape {('any', *ops.shape(y)[1:])}, got "
            f"{tuple(output_shape)}; change strides or padding"
        )
    return y


def depthwise_conv2d(
    x, depthwise_kernel, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1)
):
    """Convolution of each channel by itself."""
    return ops.depthwise_conv(x, depthwise_kernel, strides, padding, data_format, dilation_rate)


def separable_conv2d(
    x,
    depthwise_kernel,
    pointwise_kernel,
    strides=(1, 1),
    padding="valid",
    data_format=None,
    dilation_rate=(1, 1),
):
    """Convolution of each channel by itself, then over channels."""
    kernels = depthwise_kernel, pointwise_kernel
    return ops.separable_conv(x, *kernels, strides, padding, data_format, dilation_rate)


def pool2d(x, pool_size, strides=(1, 1), padding="valid", data_format=None, pool_mode="max"):
    """Largest values or means of windows."""
    pool = {"max": ops.max_pool, "avg": ops.average_pool}[pool_mode]
    return pool(x, pool_size, strides, padding, data_format)


def pool3d(x, pool_size, strides=(1, 1, 1), padding="valid", data_format=None, pool_mode="max"):
    """Largest values or means of windows in volumes."""
    return pool2d(x, pool_size, strides, padding, data_format, pool_mode)


def resize_images(x, height_factor, width_factor, data_format, interpolation="nearest"):
    """Images some times as high and wide."""
    first = settings.standardize_data_format(data_format) == "channels_first"
    height, width = ops.shape(x)[2:4] if first else ops.shape(x)[1:3]
    size = (height * height_factor, width * width_factor)
    return ops.image.resize(x, size, interpolation=interpolation, data_format=data_format)


def temporal_padding(x, padding=(1, 1)):
    """Zeros before and behind the steps."""
    return ops.pad(x, ((0, 0), tuple(padding), (0, 0)))


def spatial_2d_padding(x, padding=((1, 1), (1, 1)), data_format=None):
    """Zeros around images."""
    around = [tuple(padding[0]), tuple(padding[1])]
    if settings.standardize_data_format(data_format) == "channels_first":
        return ops.pad(x, [(0, 0), (0, 0), *around])
    return ops.pad(x, [(0, 0), *around, (0, 0)])


def spatial_3d_padding(x, padding=((1, 1), (1, 1), (1, 1)), data_format=None):
    """Zeros around volumes."""
    around = [tuple(p) for p in padding]
    if settings.standardize_data_format(data_format) == "channels_first":
        return ops.pad(x, [(0, 0), (0, 0), *around])
    return ops.pad(x, [(0, 0), *around, (0, 0)])


def resize_volumes(x, depth_factor, height_factor, width_factor, data_format):
    """Volumes some times as deep, high and wide."""
    first = 2 if settings.standardize_data_format(data_format) == "channels_first" else 1
    for axis, factor in enumerate((depth_factor, height_factor, width_factor), first):
        x = ops.repeat(x, factor, axis=axis)
    return x


def batch_normalization(x, mean, var, beta, gamma, axis=-1, epsilon=1e-3):
    """gamma (x - mean) / sqrt(var + epsilon) + beta."""
    shape = [1] * ops.ndim(x)
    shape[axis] = -1

    def along(v):
        return ops.reshape(v, shape) if ops.ndim(v) == 1 else v

    y = (x - along(mean)) / ops.sqrt(along(var) + epsilon)
    y = y if gamma is None else y * along(gamma)
    return y if beta is None else y + along(beta)


def slice(x, start, size):
    """The part of a size that begins at `start`."""
    return ops.slice(x, start, size)


def size(x, name=None):
    """Number of elements."""
    return ops.size(x)


def is_sparse(tensor):
    """False: there are no sparse tensors."""
    return False


def to_dense(tensor):
    """The tensor itself, which is dense."""
    return tensor


def get_variable_shape(x):
    """The shape as a tuple."""
    return int_shape(x)


def name_scope(name):
    """A context whose name stands before those of variables made in it."""
    return naming.name_scope(name)


def learning_phase_scope(value):
    """A context in which nothing changes: calls say themselves what they are for."""
    return contextlib.nullcontext(value)


def foldl(fn, elems, initializer=None, name=None):
    """`fn` of what came so far and the next element of the first axis, one after another."""
    rows = list(elems) if initializer is None else [initializer, *elems]
    return functools.reduce(fn, rows)


def foldr(fn, elems, initializer=None, name=None):
    """`foldl` from the last element to the first."""
    return foldl(fn, list(elems)[::-1], initializer)


def identity(x, name=None):
    """`x` itself."""
    return x


def print_tensor(x, message="", summarize=3):
    """`x`, printed where it is an array."""
    if not symbolic.is_traced(x):
        print(message, x)
    return x


def map_fn(fn, elems, name=None, dtype=None):
    """`fn` of each element of the first axis."""
    return ops.map(fn, elems)


def in_top_k(predictions, targets, k):
    """True where the target is among the k largest predictions."""
    return ops.in_top_k(targets, predictions, k)


def ctc_batch_cost(y_true, y_pred, input_length, label_length):
    """CTC loss of each row (n, 1); the last class is the blank.

    Args:
        y_true: labels (n, most labels).
        y_pred: probabilities (n, steps, classes).
        input_length, label_length: steps and labels of each row (n, 1).
    """
    classes = ops.shape(y_pred)[-1]
    logits = ops.log(y_pred + config.epsilon())
    lengths = [ops.cast(ops.reshape(v, (-1,)), "int32") for v in (label_length, input_length)]
    labels = ops.cast(y_true, "int32")
    return ops.expand_dims(ops.ctc_loss(labels, logits, *lengths, mask_index=classes - 1), 1)


def ctc_decode(y_pred, input_length, greedy=True, beam_width=100, top_paths=1):
    """The likeliest labels: a list of arrays (n, steps) filled up with -1, and their scores."""
    return ops.ctc_decode(
        ops.log(y_pred + config.epsilon()),
        ops.reshape(input_length, (-1,)),
        strategy="greedy" if greedy else "beam_search",
        beam_width=beam_width,
        top_paths=top_paths,
        mask_index=ops.shape(y_pred)[-1] - 1,
    )


# --- graphs and sessions of old


def function(inputs, outputs, updates=None, **kwargs):
    """A function from a list of arrays to a list of outputs, between tensors of one line of layers.

    A learning phase among the inputs takes 0 or 1: whether to run for training.
    """
    tensors = [x for x in inputs if is_keras_tensor(x)]
    many = isinstance(outputs, (list, tuple))
    model = Model(tensors, list(outputs) if many else outputs)

    def call(arrays):
        arrays = list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]
        phase = len(arrays) > len(tensors) and bool(arrays.pop())
        answer = model(arrays[0], training=phase)
        if not many:
            return answer
        return answer if isinstance(answer, list) else [answer]

    return call


def image_dim_ordering():
    """The order of axes of images by its name of Keras 1: "tf" or "th"."""
    return "th" if config.image_data_format() == "channels_first" else "tf"


def set_image_dim_ordering(dim_ordering):
    """Choose the order of axes of images by its name of Keras 1: "tf" or "th".

    Raises:
        ValueError: another name.
    """
    if dim_ordering not in ("tf", "th"):
        raise ValueError(f"set_image_dim_ordering: expected 'tf' or 'th', got {dim_ordering!r}")
    config.set_image_data_format("channels_first" if dim_ordering == "th" else "channels_last")


def get_session():
    """None: there are no sessions."""


def set_session(session):
    """Accepted: there are no sessions."""


def manual_variable_initialization(value):
    """Accepted: variables have their values at once."""


def __getattr__(name):
    if name in _SAME:
        return getattr(ops, name)
    raise AttributeError(name)
