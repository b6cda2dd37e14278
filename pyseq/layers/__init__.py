"""All layers, with the names of `keras.layers`; each module is imported when first asked for."""

from pyseq import hooks, lazy
from pyseq.registry.serialization import deserialize_keras_object, serialize_keras_object

_MODULES = {
    "activation_layers": "ELU LeakyReLU PReLU ReLU Softmax",
    "attention": "AdditiveAttention Attention",
    "base": "Layer",
    "batch_normalization": "BatchNormalization",
    "convolution": "Conv1D Conv2D Conv3D Convolution1D",
    "convolution_depthwise": (
        "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D SeparableConvolution1D"
    ),
    "convolution_transpose": (
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose Convolution1DTranspose "
        "Convolution2DTranspose Convolution3DTranspose"
    ),
    "core": "Activation Dense Identity Input InputLayer",
    "einsum": "EinsumDense",
    "embedding": "Embedding Masking ReversibleEmbedding",
    "lambda_layer": "Lambda",
    "merging": (
        "Add Average Concatenate Dot FlaxLayer JaxLayer Maximum Minimum Multiply "
        "Subtract TFSMLayer TorchModuleWrapper add average concatenate dot maximum minimum "
        "multiply subtract"
    ),
    "multi_head_attention": "GroupQueryAttention MultiHeadAttention",
    "normalization": "GroupNormalization LayerNormalization RMSNormalization UnitNormalization",
    "pooling": (
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D AveragePooling1D "
        "AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D GlobalAveragePooling1D "
        "GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D "
        "GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D "
        "GlobalMaxPooling2D GlobalMaxPooling3D MaxPool1D MaxPool2D MaxPool3D MaxPooling1D "
        "MaxPooling2D MaxPooling3D"
    ),
    "preprocessing.audio": "MelSpectrogram STFTSpectrogram",
    "preprocessing.hashing": "HashedCrossing Hashing",
    "preprocessing.image_color": (
        "RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast "
        "RandomGrayscale RandomHue RandomInvert RandomPosterization RandomSaturation "
        "RandomSharpness Solarization"
    ),
    "preprocessing.image_effects": "RandomElasticTransform RandomErasing RandomGaussianBlur",
    "preprocessing.image_geometry": (
        "RandomFlip RandomPerspective RandomRotation RandomShear RandomTranslation RandomZoom"
    ),
    "preprocessing.image_histogram": (
        "AutoContrast ContrastLimitedAdaptiveHistogramEqualization Equalization"
    ),
    "preprocessing.image_mix": "AugMix CutMix MaxNumBoundingBoxes MixUp Pipeline RandAugment",
    "preprocessing.image_size": "CenterCrop RandomCrop Resizing",
    "preprocessing.lookup": "IntegerLookup StringLookup",
    "preprocessing.numeric": "CategoryEncoding Discretization Normalization Rescaling",
    "preprocessing.text": "TextVectorization",
    "regularization": (
        "ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise "
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D"
    ),
    "reshaping": "Flatten Permute RepeatVector Reshape",
    "rnn": (
        "Bidirectional ConvLSTM1D ConvLSTM2D ConvLSTM3D GRU GRUCell LSTM LSTMCell RNN SimpleRNN "
        "SimpleRNNCell StackedRNNCells TimeDistributed"
    ),
    "shapes": "InputSpec",
    "spatial": (
        "Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D "
        "ZeroPadding2D ZeroPadding3D"
    ),
    "wrapper": "SpectralNormalization Wrapper",
}

__getattr__, __dir__, __all__ = lazy.package(__name__, _MODULES, ("deserialize", "serialize"))


@hooks.answers("load_layers")
def _load_all():
    lazy.load(__name__)


def serialize(layer):
    """Return the config dict of a layer."""
    return serialize_keras_object(layer)


def deserialize(config, custom_objects=None):
    """Create a layer from what `serialize` returned."""
    return deserialize_keras_object(config, custom_objects, family="layers")
