"""All layers, with the names of `keras.layers`; each module is imported when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import hooks, lazy
from pyseq.registry.serialization import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from pyseq.types import CustomObjects

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

if TYPE_CHECKING:
    from pyseq.layers.activation_layers import (
        ELU as ELU,
        LeakyReLU as LeakyReLU,
        PReLU as PReLU,
        ReLU as ReLU,
        Softmax as Softmax,
    )
    from pyseq.layers.attention import (
        AdditiveAttention as AdditiveAttention,
        Attention as Attention,
    )
    from pyseq.layers.base import Layer as Layer
    from pyseq.layers.batch_normalization import BatchNormalization as BatchNormalization
    from pyseq.layers.convolution import (
        Conv1D as Conv1D,
        Conv2D as Conv2D,
        Conv3D as Conv3D,
        Convolution1D as Convolution1D,
    )
    from pyseq.layers.convolution_depthwise import (
        DepthwiseConv1D as DepthwiseConv1D,
        DepthwiseConv2D as DepthwiseConv2D,
        SeparableConv1D as SeparableConv1D,
        SeparableConv2D as SeparableConv2D,
        SeparableConvolution1D as SeparableConvolution1D,
    )
    from pyseq.layers.convolution_transpose import (
        Conv1DTranspose as Conv1DTranspose,
        Conv2DTranspose as Conv2DTranspose,
        Conv3DTranspose as Conv3DTranspose,
        Convolution1DTranspose as Convolution1DTranspose,
        Convolution2DTranspose as Convolution2DTranspose,
        Convolution3DTranspose as Convolution3DTranspose,
    )
    from pyseq.layers.core import (
        Activation as Activation,
        Dense as Dense,
        Identity as Identity,
        Input as Input,
        InputLayer as InputLayer,
    )
    from pyseq.layers.einsum import EinsumDense as EinsumDense
    from pyseq.layers.embedding import (
        Embedding as Embedding,
        Masking as Masking,
        ReversibleEmbedding as ReversibleEmbedding,
    )
    from pyseq.layers.lambda_layer import Lambda as Lambda
    from pyseq.layers.merging import (
        Add as Add,
        Average as Average,
        Concatenate as Concatenate,
        Dot as Dot,
        FlaxLayer as FlaxLayer,
        JaxLayer as JaxLayer,
        Maximum as Maximum,
        Minimum as Minimum,
        Multiply as Multiply,
        Subtract as Subtract,
        TFSMLayer as TFSMLayer,
        TorchModuleWrapper as TorchModuleWrapper,
        add as add,
        average as average,
        concatenate as concatenate,
        dot as dot,
        maximum as maximum,
        minimum as minimum,
        multiply as multiply,
        subtract as subtract,
    )
    from pyseq.layers.multi_head_attention import (
        GroupQueryAttention as GroupQueryAttention,
        MultiHeadAttention as MultiHeadAttention,
    )
    from pyseq.layers.normalization import (
        GroupNormalization as GroupNormalization,
        LayerNormalization as LayerNormalization,
        RMSNormalization as RMSNormalization,
        UnitNormalization as UnitNormalization,
    )
    from pyseq.layers.pooling import (
        AdaptiveAveragePooling1D as AdaptiveAveragePooling1D,
        AdaptiveAveragePooling2D as AdaptiveAveragePooling2D,
        AdaptiveAveragePooling3D as AdaptiveAveragePooling3D,
        AdaptiveMaxPooling1D as AdaptiveMaxPooling1D,
        AdaptiveMaxPooling2D as AdaptiveMaxPooling2D,
        AdaptiveMaxPooling3D as AdaptiveMaxPooling3D,
        AveragePooling1D as AveragePooling1D,
        AveragePooling2D as AveragePooling2D,
        AveragePooling3D as AveragePooling3D,
        AvgPool1D as AvgPool1D,
        AvgPool2D as AvgPool2D,
        AvgPool3D as AvgPool3D,
        GlobalAveragePooling1D as GlobalAveragePooling1D,
        GlobalAveragePooling2D as GlobalAveragePooling2D,
        GlobalAveragePooling3D as GlobalAveragePooling3D,
        GlobalAvgPool1D as GlobalAvgPool1D,
        GlobalAvgPool2D as GlobalAvgPool2D,
        GlobalAvgPool3D as GlobalAvgPool3D,
        GlobalMaxPool1D as GlobalMaxPool1D,
        GlobalMaxPool2D as GlobalMaxPool2D,
        GlobalMaxPool3D as GlobalMaxPool3D,
        GlobalMaxPooling1D as GlobalMaxPooling1D,
        GlobalMaxPooling2D as GlobalMaxPooling2D,
        GlobalMaxPooling3D as GlobalMaxPooling3D,
        MaxPool1D as MaxPool1D,
        MaxPool2D as MaxPool2D,
        MaxPool3D as MaxPool3D,
        MaxPooling1D as MaxPooling1D,
        MaxPooling2D as MaxPooling2D,
        MaxPooling3D as MaxPooling3D,
    )
    from pyseq.layers.preprocessing.audio import (
        MelSpectrogram as MelSpectrogram,
        STFTSpectrogram as STFTSpectrogram,
    )
    from pyseq.layers.preprocessing.hashing import (
        HashedCrossing as HashedCrossing,
        Hashing as Hashing,
    )
    from pyseq.layers.preprocessing.image_color import (
        RandomBrightness as RandomBrightness,
        RandomColorDegeneration as RandomColorDegeneration,
        RandomColorJitter as RandomColorJitter,
        RandomContrast as RandomContrast,
        RandomGrayscale as RandomGrayscale,
        RandomHue as RandomHue,
        RandomInvert as RandomInvert,
        RandomPosterization as RandomPosterization,
        RandomSaturation as RandomSaturation,
        RandomSharpness as RandomSharpness,
        Solarization as Solarization,
    )
    from pyseq.layers.preprocessing.image_effects import (
        RandomElasticTransform as RandomElasticTransform,
        RandomErasing as RandomErasing,
        RandomGaussianBlur as RandomGaussianBlur,
    )
    from pyseq.layers.preprocessing.image_geometry import (
        RandomFlip as RandomFlip,
        RandomPerspective as RandomPerspective,
        RandomRotation as RandomRotation,
        RandomShear as RandomShear,
        RandomTranslation as RandomTranslation,
        RandomZoom as RandomZoom,
    )
    from pyseq.layers.preprocessing.image_histogram import (
        AutoContrast as AutoContrast,
        ContrastLimitedAdaptiveHistogramEqualization as ContrastLimitedAdaptiveHistogramEqualization,  # noqa: E501
        Equalization as Equalization,
    )
    from pyseq.layers.preprocessing.image_mix import (
        AugMix as AugMix,
        CutMix as CutMix,
        MaxNumBoundingBoxes as MaxNumBoundingBoxes,
        MixUp as MixUp,
        Pipeline as Pipeline,
        RandAugment as RandAugment,
    )
    from pyseq.layers.preprocessing.image_size import (
        CenterCrop as CenterCrop,
        RandomCrop as RandomCrop,
        Resizing as Resizing,
    )
    from pyseq.layers.preprocessing.lookup import (
        IntegerLookup as IntegerLookup,
        StringLookup as StringLookup,
    )
    from pyseq.layers.preprocessing.numeric import (
        CategoryEncoding as CategoryEncoding,
        Discretization as Discretization,
        Normalization as Normalization,
        Rescaling as Rescaling,
    )
    from pyseq.layers.preprocessing.text import TextVectorization as TextVectorization
    from pyseq.layers.regularization import (
        ActivityRegularization as ActivityRegularization,
        AlphaDropout as AlphaDropout,
        Dropout as Dropout,
        GaussianDropout as GaussianDropout,
        GaussianNoise as GaussianNoise,
        SpatialDropout1D as SpatialDropout1D,
        SpatialDropout2D as SpatialDropout2D,
        SpatialDropout3D as SpatialDropout3D,
    )
    from pyseq.layers.reshaping import (
        Flatten as Flatten,
        Permute as Permute,
        RepeatVector as RepeatVector,
        Reshape as Reshape,
    )
    from pyseq.layers.rnn import (
        GRU as GRU,
        LSTM as LSTM,
        RNN as RNN,
        Bidirectional as Bidirectional,
        ConvLSTM1D as ConvLSTM1D,
        ConvLSTM2D as ConvLSTM2D,
        ConvLSTM3D as ConvLSTM3D,
        GRUCell as GRUCell,
        LSTMCell as LSTMCell,
        SimpleRNN as SimpleRNN,
        SimpleRNNCell as SimpleRNNCell,
        StackedRNNCells as StackedRNNCells,
        TimeDistributed as TimeDistributed,
    )
    from pyseq.layers.shapes import InputSpec as InputSpec
    from pyseq.layers.spatial import (
        Cropping1D as Cropping1D,
        Cropping2D as Cropping2D,
        Cropping3D as Cropping3D,
        UpSampling1D as UpSampling1D,
        UpSampling2D as UpSampling2D,
        UpSampling3D as UpSampling3D,
        ZeroPadding1D as ZeroPadding1D,
        ZeroPadding2D as ZeroPadding2D,
        ZeroPadding3D as ZeroPadding3D,
    )
    from pyseq.layers.wrapper import (
        SpectralNormalization as SpectralNormalization,
        Wrapper as Wrapper,
    )
else:
    __getattr__, __dir__, __all__ = lazy.package(__name__, _MODULES, ("deserialize", "serialize"))


@hooks.answers("load_layers")
def _load_all():
    lazy.load(__name__)


def serialize(layer: Any) -> Any:
    """Return the config dict of a layer."""
    return serialize_keras_object(layer)


def deserialize(config: Any, custom_objects: CustomObjects = None) -> Any:
    """Create a layer from what `serialize` returned."""
    return deserialize_keras_object(config, custom_objects, family="layers")
