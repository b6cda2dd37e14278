"""Convolution layers against Keras: outputs, gradients, shapes, configs and messages."""

import layer_oracle
import numpy as np
import pytest

import pyseq
from pyseq import _core, layers

# Keras 3.15 reads its weights through a NumPy call that NumPy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

# name: class, arguments, input shape
CASES = {
    "conv1d": ("Conv1D", dict(filters=5, kernel_size=3, activation="tanh"), (2, 9, 4)),
    "conv1d_causal": ("Conv1D", dict(filters=3, kernel_size=3, padding="causal"), (2, 8, 2)),
    "conv1d_causal_dilated": (
        "Conv1D",
        dict(filters=3, kernel_size=2, padding="causal", dilation_rate=3),
        (2, 11, 2),
    ),
    "conv1d_causal_strided": (
        "Conv1D",
        dict(filters=3, kernel_size=4, padding="causal", strides=2),
        (2, 9, 2),
    ),
    "conv1d_same_strided": (
        "Conv1D",
        dict(filters=4, kernel_size=4, padding="same", strides=3),
        (2, 11, 2),
    ),
    "conv1d_groups": ("Conv1D", dict(filters=6, kernel_size=3, groups=3), (2, 9, 6)),
    "conv1d_long": ("Conv1D", dict(filters=33, kernel_size=5), (1, 700, 3)),
    "conv2d": ("Conv2D", dict(filters=7, kernel_size=3, activation="relu"), (2, 8, 9, 3)),
    "conv2d_pointwise": ("Conv2D", dict(filters=40, kernel_size=1), (2, 5, 4, 17)),
    "conv2d_pointwise_strided": (
        "Conv2D",
        dict(filters=4, kernel_size=1, strides=2),
        (2, 5, 4, 3),
    ),
    "conv2d_same": ("Conv2D", dict(filters=16, kernel_size=(3, 2), padding="same"), (2, 7, 6, 8)),
    "conv2d_same_strided": (
        "Conv2D",
        dict(filters=18, kernel_size=(4, 3), strides=(3, 2), padding="SAME"),
        (2, 8, 9, 3),
    ),
    "conv2d_dilated": (
        "Conv2D",
        dict(filters=4, kernel_size=3, dilation_rate=(2, 3), padding="same"),
        (2, 8, 9, 3),
    ),
    "conv2d_groups": (
        "Conv2D",
        dict(filters=8, kernel_size=3, groups=2, use_bias=False, activation="gelu"),
        (2, 6, 7, 4),
    ),
    "conv2d_softmax": (
        "Conv2D",
        dict(filters=4, kernel_size=2, activation="softmax"),
        (1, 3, 4, 2),
    ),
    "conv2d_few_filters": ("Conv2D", dict(filters=3, kernel_size=3), (2, 6, 9, 18)),
    "conv2d_wide": ("Conv2D", dict(filters=3, kernel_size=2), (1, 3, 3, 512)),
    "conv3d": ("Conv3D", dict(filters=4, kernel_size=(2, 3, 2), activation="elu"), (2, 5, 6, 4, 3)),
    "conv3d_same": (
        "Conv3D",
        dict(filters=3, kernel_size=3, strides=(1, 2, 2), padding="same"),
        (1, 4, 5, 6, 2),
    ),
    "transpose1d": ("Conv1DTranspose", dict(filters=4, kernel_size=3, strides=2), (2, 6, 3)),
    "transpose1d_small_kernel": (
        "Conv1DTranspose",
        dict(filters=4, kernel_size=2, strides=3, output_padding=1),
        (2, 5, 3),
    ),
    "transpose2d": (
        "Conv2DTranspose",
        dict(filters=5, kernel_size=3, strides=2, padding="same", activation="relu"),
        (2, 4, 5, 3),
    ),
    "transpose2d_even": (
        "Conv2DTranspose",
        dict(filters=3, kernel_size=4, strides=(2, 3), padding="same"),
        (2, 4, 3, 2),
    ),
    "transpose2d_valid": (
        "Conv2DTranspose",
        dict(filters=3, kernel_size=(2, 3), strides=(3, 2), activation="gelu"),
        (2, 4, 3, 2),
    ),
    "transpose2d_output_padding": (
        "Conv2DTranspose",
        dict(filters=3, kernel_size=3, strides=2, padding="same", output_padding=1),
        (2, 4, 3, 2),
    ),
    "transpose3d": (
        "Conv3DTranspose",
        dict(filters=3, kernel_size=2, strides=2, padding="same", use_bias=False),
        (1, 3, 2, 4, 2),
    ),
    "depthwise1d": ("DepthwiseConv1D", dict(kernel_size=3, depth_multiplier=2), (2, 8, 3)),
    "depthwise2d": (
        "DepthwiseConv2D",
        dict(kernel_size=3, padding="same", activation="swish"),
        (2, 6, 7, 17),
    ),
    "depthwise2d_strided": (
        "DepthwiseConv2D",
        dict(kernel_size=(3, 2), strides=2, padding="same", depth_multiplier=3),
        (2, 7, 6, 4),
    ),
    "depthwise2d_dilated": ("DepthwiseConv2D", dict(kernel_size=3, dilation_rate=2), (2, 7, 8, 4)),
    "separable1d": (
        "SeparableConv1D",
        dict(filters=5, kernel_size=3, activation="relu"),
        (2, 8, 3),
    ),
    "separable2d": (
        "SeparableConv2D",
        dict(filters=5, kernel_size=3, strides=2, padding="same", depth_multiplier=2),
        (2, 7, 8, 3),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_same_as_keras(case, keras):
    name, arguments, shape = CASES[case]
    x = np.random.default_rng(0).normal(size=shape)
    mine = getattr(layers, name)(**arguments)
    layer_oracle.compare(mine, getattr(keras.layers, name)(dtype="float64", **arguments), x)


@pytest.mark.parametrize("case", ["conv1d", "conv2d_same_strided", "conv3d", "transpose2d",
                                  "depthwise2d", "separable2d", "conv1d_causal_dilated"])
def test_channels_first_is_the_transposed_computation(case):
    name, arguments, shape = CASES[case]
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    last = getattr(layers, name)(**arguments)
    expected = np.moveaxis(last(x), -1, 1)
    first = getattr(layers, name)(**arguments, data_format="channels_first")
    transposed = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    assert first.compute_output_shape(transposed.shape) == expected.shape
    first.build(transposed.shape)
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(first(transposed), expected, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_config_is_that_of_keras(case, keras):
    name, arguments, _ = CASES[case]
    mine = getattr(layers, name)(**arguments, name="a").get_config()
    theirs = getattr(keras.layers, name)(**arguments, name="a").get_config()
    assert list(mine) == list(theirs)
    for key, value in theirs.items():
        if not isinstance(value, dict):
            assert mine[key] == value, key
    again = getattr(layers, name).from_config(mine)
    assert again.get_config() == mine


@pytest.mark.parametrize("case", CASES)
def test_unknown_lengths_stay_unknown(case):
    name, arguments, shape = CASES[case]
    layer = getattr(layers, name)(**arguments)
    known = layer.compute_output_shape((None, *shape[1:]))
    unknown = layer.compute_output_shape((None,) * (len(shape) - 1) + (shape[-1],))
    assert unknown == (None,) * (len(shape) - 1) + (known[-1],)


@pytest.mark.parametrize("isa", _core.available_isas())
@pytest.mark.parametrize("case", ["conv2d_same_strided", "conv2d_groups", "conv3d_same",
                                  "conv2d_pointwise", "conv2d_wide", "conv2d_few_filters", "transpose2d_even",
                                  "depthwise2d_strided", "conv1d_long"])
def test_every_instruction_set(case, isa):
    name, arguments, shape = CASES[case]
    random = np.random.default_rng(0)
    x = random.normal(size=shape)
    layer = getattr(layers, name)(**arguments)
    layer.build(shape)
    dy = random.normal(size=layer.compute_output_shape(shape))
    expected = layer_oracle.run(layer, x, dy)
    got = layer_oracle.run(layer, x, dy, isa=isa)
    tolerance = 1e-12 if isa == "ref64" else 2e-4
    for a, b in [(got["y"], expected["y"]), (got["dx"], expected["dx"])]:
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())
    for key, value in expected["grads"].items():
        np.testing.assert_allclose(
            got["grads"][key], value, atol=tolerance * np.abs(value).max(), err_msg=key
        )


@pytest.mark.parametrize("case", ["conv2d", "conv2d_same_strided", "conv3d", "transpose2d",
                                  "depthwise2d", "conv2d_groups"])
def test_same_bits_for_any_number_of_threads(case):
    name, arguments, shape = CASES[case]
    shape = (16, *(4 * d for d in shape[1:-1]), shape[-1])
    if len(shape) == 5:
        shape = (4, *shape[1:])
    random = np.random.default_rng(0)
    x = random.normal(size=shape)
    layer = getattr(layers, name)(**arguments)
    layer.build(shape)
    dy = random.normal(size=layer.compute_output_shape(shape))
    runs = []
    for threads in (1, 2, 3):
        _core.set_num_threads(threads)
        runs.append(layer_oracle.run(layer, x, dy, isa=_core.current_isa()))
    for run in runs[1:]:
        np.testing.assert_array_equal(run["y"], runs[0]["y"])
        np.testing.assert_array_equal(run["dx"], runs[0]["dx"])
        for key, value in runs[0]["grads"].items():
            np.testing.assert_array_equal(run["grads"][key], value, err_msg=key)


def test_smaller_batches_than_the_first():
    layer = layers.Conv2D(8, 3, padding="same")
    x = np.random.default_rng(0).normal(size=(5, 6, 6, 2)).astype("float32")
    all_rows = layer(x)
    for n in (4, 1):
        np.testing.assert_allclose(layer(x[:n]), all_rows[:n], atol=1e-6)


def test_aliases():
    assert layers.Convolution1D is layers.Conv1D
    assert layers.Convolution1DTranspose is layers.Conv1DTranspose
    assert layers.SeparableConvolution1D is layers.SeparableConv1D


def test_training_reaches_a_known_kernel():
    pyseq.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 8, 8, 2)).astype("float32")
    target = layers.Conv2D(3, 3)
    y = target(x)
    model = pyseq.Sequential([pyseq.Input((8, 8, 2)), layers.Conv2D(3, 3)])
    model.compile(optimizer=pyseq.optimizers.Adam(0.02), loss="mse")
    model.fit(x, y, epochs=60, batch_size=32, verbose=0)
    np.testing.assert_allclose(model.layers[0].get_weights()[0], target.get_weights()[0], atol=1e-2)


MESSAGES = [
    (lambda: layers.Conv2D(0, 3), "`filters` to be an integer >= 1, got 0"),
    (lambda: layers.Conv2D(8, 0), "`kernel_size` to be an integer or 2 integers >= 1, got 0"),
    (lambda: layers.Conv2D(8, (3, 3, 3)), r"`kernel_size`.*got \(3, 3, 3\)"),
    (lambda: layers.Conv2D(8, 3, strides=0), "`strides`"),
    (lambda: layers.Conv2D(8, 3, padding="full"), "`padding` to be one of .*got 'full'"),
    (lambda: layers.Conv2D(8, 3, padding="causal"), "only Conv1D knows causal padding"),
    (lambda: layers.Conv2D(8, 3, data_format="nchw"), "channels_first"),
    (lambda: layers.Conv2D(8, 3, strides=2, dilation_rate=2), "strides=1 or dilation_rate=1"),
    (lambda: layers.Conv2D(8, 3, groups=3), "multiple of groups=3"),
    (lambda: layers.Conv2D(8, 3, groups=2).build((None, 8, 8, 3)), "multiple of groups=2"),
    (lambda: layers.Conv2D(8, 3).build((None, 28, 28)), r"missing channel axis with x\[\.\.\."),
    (lambda: layers.Conv2D(8, 5).build((None, 4, 9, 1)), "at least 5 along spatial axis 0.*got 4"),
    (lambda: layers.Conv2D(8, 3).build((None, 8, 8, None)), "known number of channels"),
    (lambda: layers.Conv2DTranspose(8, 3, output_padding=1), "`output_padding` below `strides`"),
    (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "`depth_multiplier`"),
    (lambda: layers.SeparableConv1D(3, 3, padding="causal"), "only Conv1D knows causal"),
    (lambda: layers.Conv2D(8, 3, lora_rank=2), "lora_rank"),
]


@pytest.mark.parametrize("i", range(len(MESSAGES)))
def test_messages(i):
    make, message = MESSAGES[i]
    with pytest.raises(ValueError, match=message):
        make()


def test_another_number_of_channels():
    layer = layers.Conv2D(2, 3, name="first")
    layer(np.zeros((1, 5, 5, 3), "float32"))
    with pytest.raises(ValueError, match="first: expected size 3 along axis -1"):
        layer(np.zeros((1, 5, 5, 4), "float32"))


@pytest.mark.parametrize("channels", [3, 16, 21])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [(3, 3), (1, 3), (3, 1), (5, 3)])
def test_depthwise_is_a_convolution_in_groups(channels, stride, padding, kernel, rng):
    """All the ways in which tiles of pixels meet the borders, forward and back."""
    for height, width in ((5, 3), (6, 4), (5, 5), (7, 6), (8, 9), (9, 12)):
        if padding == "valid" and height < kernel[0]:
            continue
        options = dict(kernel_size=kernel, strides=stride, padding=padding)
        x = rng.normal(size=(3, height, width, channels)).astype("float32")
        models = []
        for layer in (layers.DepthwiseConv2D(**options),
                      layers.Conv2D(channels, groups=channels, **options)):
            model = pyseq.Sequential([pyseq.Input(x.shape[1:]), layers.Conv2D(channels, 1), layer])
            model.compile(pyseq.optimizers.SGD(0.1), "mse")
            models.append(model)
        depthwise, grouped = models
        weights = [rng.normal(size=v.shape).astype("float32") for v in depthwise.weights]
        depthwise.set_weights(weights)
        weights[2] = weights[2].transpose(0, 1, 3, 2)
        grouped.set_weights(weights)
        want = grouped.predict_on_batch(x)
        np.testing.assert_allclose(depthwise.predict_on_batch(x), want, atol=1e-4)
        y = rng.normal(size=want.shape)
        for model in models:
            model.train_on_batch(x, y)
        for i, (a, b) in enumerate(zip(depthwise.get_weights(), grouped.get_weights())):
            b = b.transpose(0, 1, 3, 2) if i == 2 else b
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=str((height, width, i)))
