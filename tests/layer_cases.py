"""One table of layers: constructor arguments and input shapes that every layer is tested with.

A `Spec` names a layer and its arguments; it builds the layer from pyseq or from Keras, so one table
serves the battery, the differential test and the comparison of configs.
"""

from __future__ import annotations

import dataclasses
import importlib


class Spec:
    """An object to create: `Spec("Dense", units=3)`; arguments may be Specs, in lists too."""

    def __init__(self, class_name, /, *, family="layers", **arguments):
        self.class_name = class_name
        self.family = family
        self.arguments = arguments

    def build(self, library="pyseq", **more):
        """Create the object from `pyseq` or `keras`."""
        module = importlib.import_module(f"{library}.{self.family}")
        arguments = {k: _build(v, library) for k, v in {**self.arguments, **more}.items()}
        return getattr(module, self.class_name)(**arguments)

    def __repr__(self):
        inside = ", ".join(f"{k}={v!r}" for k, v in self.arguments.items())
        return f"{self.family}.{self.class_name}({inside})"


def _build(value, library):
    if isinstance(value, Spec):
        return value.build(library)
    if isinstance(value, list):
        return [_build(v, library) for v in value]
    return value


def L(class_name, /, **arguments):
    return Spec(class_name, **arguments)


def R(class_name, /, **arguments):
    return Spec(class_name, family="regularizers", **arguments)


@dataclasses.dataclass(frozen=True)
class Case:
    """A layer, an input and what can be asked of it.

    Attributes:
        spec: the layer.
        shape: input shape of one sample.
        data: "normal", "positive", "image" (0 to 255) or the number of token ids.
        mask: put Masking in front, so that a mask arrives.
        gradient: the output is differentiable in the input and the weights.
        trains: may stand in a model that is trained.
        time_distributed: Keras allows it inside TimeDistributed.
        batch_size: rows where the layer needs a fixed number of them, else None.
        exact: the same rows give the same output in any batch (not for batch-wide draws).
        oracle: Keras on PyTorch can run it.
    """

    spec: Spec
    shape: tuple
    data: object = "normal"
    mask: bool = False
    gradient: bool = True
    trains: bool = True
    time_distributed: bool = True
    batch_size: int | None = None
    exact: bool = True
    oracle: bool = True

    @property
    def id(self):
        text = repr(self.spec).removeprefix("layers.").replace("layers.", "")
        return f"{text}{'x'.join(map(str, self.shape))}{'-masked' if self.mask else ''}"


# PyTorch has no Lanczos interpolation, and another cubic kernel than Keras elsewhere.
_NOT_ON_TORCH = ("bicubic", "lanczos3", "lanczos5")


def _dense():
    reg = {"kernel_regularizer": "l2", "bias_regularizer": R("L1", l1=0.02),
           "activity_regularizer": R("L1L2", l1=0.01, l2=0.02)}
    yield Case(L("Dense", units=3), (4,))
    yield Case(L("Dense", units=5, activation="relu", use_bias=False), (7,))
    yield Case(L("Dense", units=2, activation="softmax"), (3, 4))
    yield Case(L("Dense", units=3, activation="gelu", kernel_constraint="max_norm", **reg),
               (2, 3, 4))
    yield Case(L("Dense", units=4, activation="tanh"), (3, 5), mask=True)
    yield Case(L("EinsumDense", equation="ab,bc->ac", output_shape=6, bias_axes="c"), (5,))
    yield Case(L("EinsumDense", equation="abc,cd->abd", output_shape=(None, 3), activation="relu"),
               (4, 5))
    yield Case(L("EinsumDense", equation="...x,xy->...y", output_shape=3, bias_axes="y"), (2, 4, 5))
    yield Case(L("EinsumDense", equation="abc,cde->abde", output_shape=(4, 2, 3), bias_axes="de"),
               (4, 5))
    yield Case(L("EinsumDense", equation="abde,dec->abc", output_shape=(3, 6)), (3, 2, 4))


def _tokens():
    ids = {"time_distributed": False}
    yield Case(L("Embedding", input_dim=6, output_dim=3), (5,), data=6, **ids)
    yield Case(L("Embedding", input_dim=6, output_dim=4, mask_zero=True,
                 embeddings_regularizer="l2"), (4,), data=6, **ids)
    yield Case(L("Embedding", input_dim=5, output_dim=2), (3, 4), data=5, **ids)
    yield Case(L("ReversibleEmbedding", input_dim=6, output_dim=3), (5,), data=6, **ids)
    yield Case(L("ReversibleEmbedding", input_dim=6, output_dim=3, tie_weights=False,
                 mask_zero=True), (5,), data=6, gradient=False, **ids)
    yield Case(L("Masking", mask_value=0.5), (4, 3))
    yield Case(L("Masking"), (4, 3))


def _activations():
    for name in ("relu", "elu", "selu", "celu", "gelu", "sigmoid", "tanh", "softplus", "softsign",
                 "exponential", "silu", "mish", "leaky_relu", "relu6", "hard_sigmoid", "hard_silu",
                 "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "log_sigmoid",
                 "sparse_plus", "sparse_sigmoid", "squareplus", "linear", "softmax", "log_softmax",
                 "sparsemax", "glu"):
        # Keras's own sparsemax does not sum to 1 where more than one element survives.
        yield Case(L("Activation", activation=name), (3, 6), oracle=name != "sparsemax")
    yield Case(L("Activation", activation="softmax"), (5,))
    yield Case(L("Activation", activation="relu"), (4, 3), mask=True)
    yield Case(L("Identity"), (3, 2))
    yield Case(L("ReLU"), (5,))
    yield Case(L("ReLU", max_value=1.0, negative_slope=0.2, threshold=0.1), (4, 3))
    yield Case(L("LeakyReLU"), (6,))
    yield Case(L("LeakyReLU", negative_slope=0.1), (2, 3))
    yield Case(L("PReLU"), (5,))
    yield Case(L("PReLU", shared_axes=[1, 2], alpha_regularizer="l2"), (3, 4, 2))
    yield Case(L("ELU", alpha=0.7), (5,))
    yield Case(L("Softmax"), (5,))
    yield Case(L("Softmax", axis=1), (3, 4))
    yield Case(L("Softmax", axis=[1, 2]), (3, 4))
    yield Case(L("ActivityRegularization", l1=0.1, l2=0.2), (4, 3))


def _shapes():
    yield Case(L("Flatten"), (3, 4))
    yield Case(L("Flatten"), (), time_distributed=False)
    yield Case(L("Flatten", data_format="channels_first"), (2, 3, 4))
    yield Case(L("Reshape", target_shape=[2, -1]), (3, 4))
    yield Case(L("Reshape", target_shape=[12]), (3, 4))
    yield Case(L("Permute", dims=[2, 1]), (3, 4))
    yield Case(L("Permute", dims=[3, 1, 2]), (2, 3, 4))
    yield Case(L("Permute", dims=[4, 2, 1, 3]), (2, 3, 4, 2))
    yield Case(L("RepeatVector", n=3), (4,))
    yield Case(L("UpSampling1D", size=3), (4, 2))
    yield Case(L("UpSampling2D", size=[2, 3]), (3, 2, 2))
    yield Case(L("UpSampling2D", data_format="channels_first"), (2, 3, 2))
    for interpolation in ("bilinear", "bicubic", "lanczos3", "lanczos5"):
        yield Case(L("UpSampling2D", size=2, interpolation=interpolation), (4, 3, 2),
                   oracle=interpolation not in _NOT_ON_TORCH)
    yield Case(L("UpSampling3D", size=[2, 1, 2]), (2, 3, 2, 2))
    yield Case(L("ZeroPadding1D", padding=[1, 2]), (4, 3))
    yield Case(L("ZeroPadding1D", padding=2, data_format="channels_first"), (4, 3))
    yield Case(L("ZeroPadding2D"), (3, 2, 2))
    yield Case(L("ZeroPadding2D", padding=[[1, 0], [2, 1]]), (3, 2, 2))
    yield Case(L("ZeroPadding2D", padding=[1, 2], data_format="channels_first"), (2, 3, 4))
    yield Case(L("ZeroPadding3D", padding=[[1, 0], [0, 1], [2, 1]]), (2, 2, 2, 2))
    yield Case(L("Cropping1D", cropping=[1, 2]), (6, 3))
    yield Case(L("Cropping2D", cropping=[[1, 1], [0, 2]]), (5, 4, 2))
    yield Case(L("Cropping2D", cropping=1, data_format="channels_first"), (2, 4, 5))
    yield Case(L("Cropping3D"), (4, 3, 3, 2))


def _convolutions():
    first = {"data_format": "channels_first"}
    reg = {"kernel_regularizer": R("L2", l2=0.05), "activity_regularizer": R("L2", l2=0.01)}
    yield Case(L("Conv1D", filters=3, kernel_size=3), (7, 2))
    yield Case(L("Conv1D", filters=4, kernel_size=2, padding="causal", dilation_rate=2), (6, 3))
    yield Case(L("Conv1D", filters=4, kernel_size=3, padding="same", strides=2, groups=2,
                 activation="relu"), (8, 4))
    yield Case(L("Conv1D", filters=2, kernel_size=3, **first), (3, 7))
    yield Case(L("Conv1D", filters=5, kernel_size=1, use_bias=False, **reg), (4, 6))
    yield Case(L("Conv2D", filters=3, kernel_size=3), (6, 5, 2))
    yield Case(L("Conv2D", filters=9, kernel_size=[2, 3], strides=[2, 1], padding="same",
                 activation="tanh"), (5, 6, 3))
    yield Case(L("Conv2D", filters=4, kernel_size=3, dilation_rate=2, padding="same", groups=2),
               (7, 6, 4))
    yield Case(L("Conv2D", filters=8, kernel_size=1, activation="sigmoid", **reg), (4, 4, 6))
    yield Case(L("Conv2D", filters=3, kernel_size=3, strides=2, **first), (2, 7, 6))
    yield Case(L("Conv2D", filters=17, kernel_size=3, padding="same"), (5, 5, 16))
    yield Case(L("Conv3D", filters=2, kernel_size=2), (4, 3, 4, 2))
    yield Case(L("Conv3D", filters=3, kernel_size=[1, 2, 3], padding="same", strides=[1, 2, 1],
                 use_bias=False), (3, 4, 4, 2))
    yield Case(L("Conv3D", filters=2, kernel_size=2, padding="same", dilation_rate=2, **first),
               (2, 4, 4, 3))
    yield Case(L("Conv1DTranspose", filters=3, kernel_size=3, strides=2), (4, 2))
    yield Case(L("Conv1DTranspose", filters=2, kernel_size=3, strides=2, padding="same",
                 output_padding=1), (4, 3))
    yield Case(L("Conv2DTranspose", filters=3, kernel_size=3, strides=2, padding="same",
                 activation="relu"), (3, 4, 2))
    yield Case(L("Conv2DTranspose", filters=2, kernel_size=[2, 3], strides=[1, 2]), (3, 3, 4))
    yield Case(L("Conv2DTranspose", filters=2, kernel_size=3, dilation_rate=2, **first), (2, 4, 3))
    yield Case(L("Conv2DTranspose", filters=2, kernel_size=4, strides=3, output_padding=2,
                 padding="valid"), (3, 2, 2))
    yield Case(L("Conv3DTranspose", filters=2, kernel_size=2, strides=2), (2, 2, 3, 2))
    yield Case(L("Conv3DTranspose", filters=2, kernel_size=3, strides=2, padding="same",
                 output_padding=1), (2, 2, 2, 3))
    yield Case(L("DepthwiseConv1D", kernel_size=3, depth_multiplier=2), (6, 3))
    yield Case(L("DepthwiseConv1D", kernel_size=2, strides=2, padding="same",
                 activation="relu"), (7, 4))
    yield Case(L("DepthwiseConv2D", kernel_size=3), (5, 6, 3))
    yield Case(L("DepthwiseConv2D", kernel_size=[2, 3], strides=2, padding="same",
                 depth_multiplier=3, use_bias=False), (6, 5, 2))
    yield Case(L("DepthwiseConv2D", kernel_size=3, dilation_rate=2, padding="same",
                 activation="tanh", **first), (3, 6, 5))
    yield Case(L("SeparableConv1D", filters=4, kernel_size=3, depth_multiplier=2), (6, 3))
    yield Case(L("SeparableConv1D", filters=2, kernel_size=2, padding="same", dilation_rate=2),
               (5, 3))
    yield Case(L("SeparableConv2D", filters=4, kernel_size=3, activation="relu"), (5, 6, 2))
    yield Case(L("SeparableConv2D", filters=3, kernel_size=2, strides=2, padding="same",
                 depth_multiplier=2, depthwise_regularizer="l2", pointwise_regularizer="l1"),
               (5, 6, 2))
    yield Case(L("SeparableConv2D", filters=3, kernel_size=2, **first), (2, 5, 4))


def _pooling():
    first = {"data_format": "channels_first"}
    for kind in ("Max", "Average"):
        yield Case(L(f"{kind}Pooling1D", pool_size=2), (7, 3))
        yield Case(L(f"{kind}Pooling1D", pool_size=3, strides=2, padding="same", **first), (3, 7))
        yield Case(L(f"{kind}Pooling2D", pool_size=2), (6, 5, 3))
        yield Case(L(f"{kind}Pooling2D", pool_size=[3, 2], strides=[1, 2], padding="same"),
                   (5, 6, 2))
        yield Case(L(f"{kind}Pooling2D", pool_size=2, **first), (2, 4, 6))
        yield Case(L(f"{kind}Pooling3D", pool_size=2), (4, 4, 5, 2))
        yield Case(L(f"{kind}Pooling3D", pool_size=[2, 1, 3], strides=2, padding="same"),
                   (4, 3, 5, 2))
        yield Case(L(f"Global{kind}Pooling1D"), (5, 3))
        yield Case(L(f"Global{kind}Pooling1D", keepdims=True, **first), (3, 5))
        yield Case(L(f"Global{kind}Pooling2D"), (4, 3, 5))
        yield Case(L(f"Global{kind}Pooling2D", keepdims=True, **first), (3, 4, 5))
        yield Case(L(f"Global{kind}Pooling3D"), (2, 3, 4, 2))
        yield Case(L(f"Adaptive{kind}Pooling1D", output_size=3), (7, 2))
        yield Case(L(f"Adaptive{kind}Pooling2D", output_size=[2, 3]), (5, 7, 2))
        yield Case(L(f"Adaptive{kind}Pooling2D", output_size=2, **first), (2, 5, 4))
        yield Case(L(f"Adaptive{kind}Pooling3D", output_size=2), (3, 4, 5, 2))
    yield Case(L("GlobalAveragePooling1D"), (5, 3), mask=True)


def _recurrent():
    cells = {"SimpleRNN": {}, "LSTM": {}, "GRU": {}}
    for name in cells:
        yield Case(L(name, units=4), (5, 3))
        yield Case(L(name, units=3, return_sequences=True, go_backwards=True), (4, 5))
        yield Case(L(name, units=4, return_sequences=True), (6, 3), mask=True)
        yield Case(L(name, units=4), (6, 3), mask=True)
        yield Case(L(name, units=5, activation="relu", use_bias=False, kernel_regularizer="l2",
                     recurrent_regularizer="l1"), (3, 4))
        yield Case(L(name, units=3, dropout=0.4, recurrent_dropout=0.3, seed=7), (4, 3))
        yield Case(L(name, units=3, stateful=True, return_sequences=True), (3, 4), batch_size=4,
                   time_distributed=False)
        yield Case(L("RNN", cell=L(f"{name}Cell", units=3), return_sequences=True), (4, 2))
    yield Case(L("LSTM", units=4, recurrent_activation="hard_sigmoid", unit_forget_bias=False,
                 unroll=True), (3, 2))
    yield Case(L("GRU", units=4, reset_after=False), (5, 3))
    yield Case(L("GRU", units=4, reset_after=False, return_sequences=True), (5, 3), mask=True)
    yield Case(L("RNN", cell=L("LSTMCell", units=3), zero_output_for_mask=True,
                 return_sequences=True), (5, 2), mask=True)
    stacked = L("StackedRNNCells", cells=[L("LSTMCell", units=3), L("GRUCell", units=2),
                                          L("SimpleRNNCell", units=4)])
    yield Case(L("RNN", cell=stacked), (4, 3))
    yield Case(L("RNN", cell=[L("GRUCell", units=3, reset_after=False), L("LSTMCell", units=2)],
                 return_sequences=True), (4, 3), mask=True)
    for mode in ("concat", "sum", "mul", "ave"):
        yield Case(L("Bidirectional", layer=L("LSTM", units=3, return_sequences=mode != "sum"),
                     merge_mode=mode), (4, 2))
    yield Case(L("Bidirectional", layer=L("GRU", units=3, return_sequences=True)), (5, 2),
               mask=True)
    yield Case(L("Bidirectional", layer=L("LSTM", units=3)), (5, 2), mask=True)
    yield Case(L("Bidirectional", layer=L("LSTM", units=3),
                 backward_layer=L("GRU", units=3, go_backwards=True)), (4, 2))
    yield Case(L("TimeDistributed", layer=L("Dense", units=3, activation="relu")), (4, 5))
    yield Case(L("TimeDistributed", layer=L("Dense", units=3)), (4, 5), mask=True)
    yield Case(L("TimeDistributed", layer=L("Conv2D", filters=2, kernel_size=2)), (3, 4, 4, 2))
    yield Case(L("TimeDistributed", layer=L("LSTM", units=2)), (2, 3, 4))
    yield Case(L("TimeDistributed", layer=L("BatchNormalization")), (3, 4))
    inside = {"time_distributed": False}
    yield Case(L("ConvLSTM1D", filters=2, kernel_size=3, padding="same"), (3, 5, 2), **inside)
    yield Case(L("ConvLSTM2D", filters=2, kernel_size=2), (3, 4, 4, 2), **inside)
    yield Case(L("ConvLSTM2D", filters=2, kernel_size=[3, 2], strides=2, padding="same",
                 return_sequences=True, go_backwards=True), (3, 4, 4, 1), **inside)
    yield Case(L("ConvLSTM2D", filters=2, kernel_size=2, data_format="channels_first",
                 dropout=0.3, recurrent_dropout=0.2, seed=3), (2, 2, 4, 4), **inside)
    yield Case(L("ConvLSTM3D", filters=1, kernel_size=2, return_sequences=True), (2, 3, 3, 3, 2),
               **inside)


def _normalization():
    yield Case(L("BatchNormalization"), (5,))
    yield Case(L("BatchNormalization", momentum=0.8, epsilon=0.01, scale=False), (4, 3, 6))
    yield Case(L("BatchNormalization", axis=1, center=False), (3, 4, 5))
    yield Case(L("BatchNormalization", gamma_regularizer="l2", beta_regularizer="l1"), (6, 3))
    yield Case(L("BatchNormalization"), (6, 3), mask=True)
    yield Case(L("BatchNormalization", axis=1), (6, 3), mask=True)
    # Renormalization takes its factors as constants: not what central differences see.
    yield Case(L("BatchNormalization", renorm=True), (4, 3), gradient=False)
    yield Case(L("BatchNormalization", renorm=True, renorm_momentum=0.9,
                 renorm_clipping={"rmin": 0.5, "rmax": 2.0, "dmax": 1.0}), (6,), gradient=False)
    yield Case(L("LayerNormalization"), (6,))
    yield Case(L("LayerNormalization", axis=[1, 2]), (3, 4))
    yield Case(L("LayerNormalization", axis=1, center=False), (3, 4), oracle=False)
    yield Case(L("LayerNormalization", scale=False, epsilon=0.01), (2, 3, 9))
    yield Case(L("LayerNormalization"), (4, 5), mask=True)
    yield Case(L("RMSNormalization"), (6,))
    yield Case(L("RMSNormalization", axis=[1, 2], epsilon=1e-3), (3, 4))
    yield Case(L("GroupNormalization", groups=2), (6,))
    yield Case(L("GroupNormalization", groups=3), (4, 3, 6))
    yield Case(L("GroupNormalization", groups=-1, scale=False), (4, 3))
    yield Case(L("GroupNormalization", groups=2, axis=1), (4, 3, 5))
    yield Case(L("UnitNormalization"), (5,))
    yield Case(L("UnitNormalization", axis=1), (3, 4))
    spectral = {"gradient": False}
    yield Case(L("SpectralNormalization", layer=L("Dense", units=3)), (5,), **spectral)
    yield Case(L("SpectralNormalization", layer=L("Conv2D", filters=3, kernel_size=2),
                 power_iterations=2), (4, 4, 2), **spectral)


def _regularization():
    yield Case(L("Dropout", rate=0.4, seed=1), (10,))
    yield Case(L("Dropout", rate=0.5, noise_shape=[None, 1, 4], seed=2), (3, 4))
    yield Case(L("Dropout", rate=0.0), (5,))
    yield Case(L("SpatialDropout1D", rate=0.4, seed=1), (4, 5))
    yield Case(L("SpatialDropout2D", rate=0.4, seed=1), (3, 4, 5))
    yield Case(L("SpatialDropout2D", rate=0.4, seed=1, data_format="channels_first"), (5, 3, 4))
    yield Case(L("SpatialDropout3D", rate=0.4, seed=1), (2, 3, 2, 5))
    yield Case(L("AlphaDropout", rate=0.3, seed=1), (10,))
    yield Case(L("GaussianDropout", rate=0.3, seed=1), (10,))
    yield Case(L("GaussianNoise", stddev=0.3, seed=1), (10,))


def _preprocessing():
    plain = {"gradient": False}
    yield Case(L("Rescaling", scale=0.1, offset=-0.5), (3, 4))
    yield Case(L("Normalization", mean=1.5, variance=4.0), (5,))
    yield Case(L("Normalization", mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0], invert=True),
               (3,))
    yield Case(L("Normalization", axis=-1), (4, 3))
    yield Case(L("Discretization", bin_boundaries=[-0.5, 0.0, 0.7]), (4,), **plain)
    yield Case(L("Discretization", bin_boundaries=[-0.5, 0.5], output_mode="multi_hot"), (4,),
               **plain)
    for mode in ("multi_hot", "count"):
        yield Case(L("CategoryEncoding", num_tokens=6, output_mode=mode), (4,), data=6, **plain)
    yield Case(L("CategoryEncoding", num_tokens=6, output_mode="one_hot"), (1,), data=6, **plain)
    yield Case(L("CenterCrop", height=3, width=2), (6, 5, 3))
    yield Case(L("CenterCrop", height=4, width=3), (5, 6, 2), data="image")
    yield Case(L("CenterCrop", height=4, width=3, data_format="channels_first"), (2, 5, 6))
    yield Case(L("CenterCrop", height=5, width=7), (4, 6, 2))
    for interpolation in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
        yield Case(L("Resizing", height=5, width=7, interpolation=interpolation), (4, 6, 2),
                   oracle=interpolation not in _NOT_ON_TORCH)
    yield Case(L("Resizing", height=3, width=3, crop_to_aspect_ratio=True), (4, 6, 2))
    yield Case(L("Resizing", height=6, width=6, pad_to_aspect_ratio=True, fill_value=0.5), (4, 6, 2))
    yield Case(L("Resizing", height=3, width=2, antialias=True), (7, 6, 2))
    yield Case(L("Resizing", height=3, width=4, interpolation="lanczos3", antialias=True,
                 data_format="channels_first"), (2, 7, 6), oracle=False)


def _audio():
    frames = {"frame_length": 8, "frame_step": 3, "fft_length": 16}
    for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft"):
        yield Case(L("STFTSpectrogram", mode=mode, **frames), (20, 1))
    yield Case(L("STFTSpectrogram", frame_length=8, padding="same", window="hamming",
                 scaling="spectrum", periodic=True), (21, 2))
    yield Case(L("STFTSpectrogram", mode="stft", expand_dims=True, window=None, **frames), (20, 3))
    yield Case(L("STFTSpectrogram", mode="psd", expand_dims=True, scaling=None,
                 data_format="channels_first", **frames), (2, 20))
    yield Case(L("STFTSpectrogram", mode="magnitude", data_format="channels_first", **frames),
               (3, 20))
    mel = {"fft_length": 32, "sequence_stride": 8, "num_mel_bins": 6}
    # The highest value, from which top_db counts, is that of the whole batch.
    yield Case(L("MelSpectrogram", **mel), (50,), gradient=False, exact=False,
               time_distributed=False)
    yield Case(L("MelSpectrogram", power_to_db=False, mag_exp=1.0, window="hamming",
                 sequence_length=24, **mel), (50,), gradient=False)


def _augmentation():
    image = {"data": "image", "gradient": False, "time_distributed": False}
    shape = (6, 5, 3)
    for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
        yield Case(L("RandomFlip", mode=mode, seed=1), shape, **image)
    yield Case(L("RandomRotation", factor=0.2, seed=1), shape, **image)
    yield Case(L("RandomRotation", factor=[0.1, 0.3], fill_mode="constant", fill_value=1.0,
                 interpolation="nearest", seed=1), shape, **image)
    yield Case(L("RandomZoom", height_factor=0.3, seed=1), shape, **image)
    yield Case(L("RandomZoom", height_factor=[0.1, 0.3], width_factor=[-0.2, 0.1],
                 fill_mode="nearest", seed=1), shape, **image)
    yield Case(L("RandomTranslation", height_factor=0.2, width_factor=0.3, fill_mode="wrap",
                 seed=1), shape, **image)
    yield Case(L("RandomContrast", factor=0.3, seed=1), shape, **image)
    yield Case(L("RandomBrightness", factor=0.3, seed=1), shape, **image)
    # Keras's RandomCrop does not crop at inference, although its output shape says so.
    yield Case(L("RandomCrop", height=4, width=3, seed=1), shape, exact=False, oracle=False,
               **image)
    yield Case(L("RandomShear", x_factor=0.2, y_factor=0.1, seed=1), shape, **image)
    yield Case(L("RandomPerspective", factor=0.8, scale=0.3, seed=1), shape, **image)
    yield Case(L("RandomElasticTransform", factor=0.8, scale=0.5, seed=1), shape, **image)
    yield Case(L("RandomErasing", factor=0.9, seed=1), shape, **image)
    yield Case(L("RandomGaussianBlur", kernel_size=3, sigma=[0.5, 1.0], seed=1), shape, **image)
    for name in ("RandomColorDegeneration", "RandomHue", "RandomSaturation", "RandomSharpness"):
        yield Case(L(name, factor=0.4, seed=1), shape, **image)
    yield Case(L("RandomPosterization", factor=5, seed=1), shape, **image)
    yield Case(L("RandomGrayscale", factor=0.6, seed=1), shape, **image)
    yield Case(L("RandomInvert", factor=0.6, seed=1), shape, **image)
    yield Case(L("RandomColorJitter", brightness_factor=0.2, contrast_factor=0.3,
                 saturation_factor=0.4, hue_factor=0.1, seed=1), shape, **image)
    yield Case(L("Solarization", addition_factor=0.2, threshold_factor=0.3, seed=1), shape, **image)
    yield Case(L("AutoContrast"), shape, **image)
    # Keras refuses its own Equalization inside a model.
    yield Case(L("Equalization"), shape, exact=False, oracle=False, **image)
    yield Case(L("ContrastLimitedAdaptiveHistogramEqualization", tile_grid_size=[2, 2]), (8, 8, 3),
               exact=False, oracle=False, **image)
    yield Case(L("RandAugment", num_ops=2, seed=1), shape, **image)
    yield Case(L("AugMix", num_chains=2, seed=1), shape, **image)
    yield Case(L("MixUp", seed=1), shape, **image)
    yield Case(L("CutMix", seed=1), shape, **image)
    yield Case(L("MaxNumBoundingBoxes", max_number=3), shape, **image)
    yield Case(L("Pipeline", layers=[L("RandomFlip", seed=1), L("RandomBrightness", factor=0.1,
                                                                 seed=2)]), shape, **image)


CASES = [
    *_dense(), *_tokens(), *_activations(), *_shapes(), *_convolutions(), *_pooling(),
    *_recurrent(), *_normalization(), *_regularization(), *_preprocessing(), *_audio(),
    *_augmentation(),
]

# Layers that take text or Python functions have tests of their own: test_preprocessing_layers.py,
# test_core_layers.py. Bases and cells are tested through the layers that use them.
ELSEWHERE = {
    "Hashing", "HashedCrossing", "IntegerLookup", "StringLookup", "TextVectorization", "Lambda",
    "InputLayer", "Wrapper", "SimpleRNNCell", "LSTMCell", "GRUCell", "StackedRNNCells",
    # Of Keras 1 and 2: tests/compat.
    "Highway", "LocallyConnected1D", "LocallyConnected2D", "MaxoutDense", "ThresholdedReLU",
}

# Ops that no layer of the table reaches, because traced code alone becomes them: test_traced_ops.py.
TRACED_OPS = [
    "map", "binary", "select", "reduce", "matmul", "slice", "gather", "scan", "variable", "add_loss",
    "rows", "assign", "cast", "bits",
]
# Ops that only the core itself puts into a program: tests/saving/test_streams.py.
STREAM_OPS = ["delay"]


def class_names(spec):
    """Names of all classes in a Spec, nested ones included."""
    names = {spec.class_name}
    for value in spec.arguments.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Spec) and item.family == "layers":
                names |= class_names(item)
    return names
