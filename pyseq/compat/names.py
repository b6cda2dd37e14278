"""Tables of old names. They are read by `pyseq.compat.imports` and hold nothing but text.

They are sorted by the version of Keras from which on a name is old.
"""

from __future__ import annotations

# Modules of today in which old names are looked for.
_TODAY = (
    "backend constraints initializers layers losses metrics "
    "models optimizers optimizers.schedules regularizers utils"
)

# Old modules below `pyseq`, and the modules of today that have their names.
MODULES_SINCE = {
    "1.0": {
        "layers.containers": "models layers",
    },
    "2.0": {
        "initializations": "initializers",
        "objectives": "losses",
        "utils.visualize_util": "utils",
    },
    "3.0": {
        "backend.cntk_backend": "backend",
        "backend.common": "backend",
        "backend.load_backend": "backend",
        "backend.tensorflow_backend": "backend",
        "backend.theano_backend": "backend",
        "engine": "layers models utils",
        "engine.base_layer": "layers",
        "engine.base_layer_utils": "layers",
        "engine.data_adapter": "utils",
        "engine.functional": "models",
        "engine.input_layer": "layers",
        "engine.input_spec": "layers",
        "engine.keras_tensor": "utils",
        "engine.network": "models",
        "engine.saving": "models saving",
        "engine.sequential": "models",
        "engine.topology": "layers models utils",
        "engine.training": "models utils",
        "initializers.initializers_v1": "initializers",
        "initializers.initializers_v2": "initializers",
        "layers.advanced_activations": "layers",
        "layers.convolutional": "layers",
        "layers.convolutional_recurrent": "layers",
        "layers.core": "layers",
        "layers.cudnn_recurrent": "layers",
        "layers.embeddings": "layers",
        "layers.experimental": "layers",
        "layers.experimental.preprocessing": "layers",
        "layers.legacy": "layers",
        "layers.local": "layers",
        "layers.merge": "layers",
        "layers.noise": "layers",
        "layers.normalization": "layers",
        "layers.normalization.batch_normalization": "layers",
        "layers.normalization.layer_normalization": "layers",
        "layers.pooling": "layers",
        "layers.preprocessing.image_preprocessing": "layers",
        "layers.preprocessing.text_vectorization": "layers",
        "layers.recurrent": "layers",
        "layers.recurrent_v2": "layers",
        "layers.regularization": "layers",
        "layers.reshaping": "layers",
        "layers.wrappers": "layers",
        "legacy": "layers models",
        "legacy.interfaces": "layers",
        "legacy.layers": "layers",
        "legacy.models": "models",
        "optimizer_v2": "optimizers",
        "optimizer_v2.adadelta": "optimizers",
        "optimizer_v2.adagrad": "optimizers",
        "optimizer_v2.adam": "optimizers",
        "optimizer_v2.adamax": "optimizers",
        "optimizer_v2.ftrl": "optimizers",
        "optimizer_v2.gradient_descent": "optimizers",
        "optimizer_v2.learning_rate_schedule": "optimizers.schedules",
        "optimizer_v2.nadam": "optimizers",
        "optimizer_v2.rmsprop": "optimizers",
        "optimizers.adadelta": "optimizers",
        "optimizers.adadelta_v2": "optimizers",
        "optimizers.adagrad": "optimizers",
        "optimizers.adagrad_v2": "optimizers",
        "optimizers.adam": "optimizers",
        "optimizers.adam_v2": "optimizers",
        "optimizers.adamax": "optimizers",
        "optimizers.adamax_v2": "optimizers",
        "optimizers.experimental": "optimizers",
        "optimizers.ftrl_v2": "optimizers",
        "optimizers.gradient_descent_v2": "optimizers",
        "optimizers.legacy": "optimizers",
        "optimizers.legacy.adam": "optimizers",
        "optimizers.legacy.gradient_descent": "optimizers",
        "optimizers.legacy.rmsprop": "optimizers",
        "optimizers.nadam": "optimizers",
        "optimizers.nadam_v2": "optimizers",
        "optimizers.optimizer_v2": "optimizers",
        "optimizers.optimizer_v2.adadelta": "optimizers",
        "optimizers.optimizer_v2.adagrad": "optimizers",
        "optimizers.optimizer_v2.adam": "optimizers",
        "optimizers.optimizer_v2.adamax": "optimizers",
        "optimizers.optimizer_v2.ftrl": "optimizers",
        "optimizers.optimizer_v2.gradient_descent": "optimizers",
        "optimizers.optimizer_v2.nadam": "optimizers",
        "optimizers.optimizer_v2.rmsprop": "optimizers",
        "optimizers.rmsprop": "optimizers",
        "optimizers.rmsprop_v2": "optimizers",
        "optimizers.schedules.learning_rate_schedule": "optimizers.schedules",
        "optimizers.sgd": "optimizers",
        "saving.save": "models saving",
        "utils.all_utils": "utils",
        "utils.data_utils": "utils",
        "utils.generic_utils": "utils",
        "utils.image_utils": "utils",
        "utils.io_utils": "utils",
        "utils.layer_utils": "utils",
        "utils.losses_utils": "losses",
        "utils.np_utils": "utils",
        "utils.tf_utils": "utils",
        "utils.vis_utils": "utils",
        "wrappers.scikit_learn": "wrappers",
    },
}
MODULES = {
    **{name: name for name in _TODAY.split()},
    **{name: homes for table in MODULES_SINCE.values() for name, homes in table.items()},
}

# Modules that bear the old name of a class in them, and can be called as it was.
CALLED = {
    "optimizers.adadelta": "Adadelta",
    "optimizers.adagrad": "Adagrad",
    "optimizers.adam": "Adam",
    "optimizers.adamax": "Adamax",
    "optimizers.nadam": "Nadam",
    "optimizers.rmsprop": "RMSprop",
    "optimizers.sgd": "SGD",
}

# For a module of today: `{old name: the object of today, or one of pyseq.compat}`. A name without
# a module belongs to the same module.
NAMES_SINCE = {
    "1.0": {
        "layers": {
            "TimeDistributedDense": "compat.layers.TimeDistributedDense",
        },
    },
    "2.0": {
        "constraints": {
            "maxnorm": "MaxNorm",
            "nonneg": "NonNeg",
            "unitnorm": "UnitNorm",
        },
        "initializers": {
            "normal": "RandomNormal",
            "one": "Ones",
            "uniform": "RandomUniform",
            "zero": "Zeros",
        },
        "layers": {
            "AtrousConv1D": "compat.layers.AtrousConvolution1D",
            "AtrousConv2D": "compat.layers.AtrousConvolution2D",
            "AtrousConvolution1D": "compat.layers.AtrousConvolution1D",
            "AtrousConvolution2D": "compat.layers.AtrousConvolution2D",
            "Convolution2D": "compat.layers.Convolution2D",
            "Convolution3D": "compat.layers.Convolution3D",
            "Deconv2D": "Conv2DTranspose",
            "Deconvolution2D": "compat.layers.Deconvolution2D",
            "Highway": "compat.layers.Highway",
            "MaxoutDense": "compat.layers.MaxoutDense",
            "SeparableConvolution2D": "compat.layers.SeparableConvolution2D",
        },
        "models": {
            "slice_X": "compat.arrays.slice_X",
        },
        "regularizers": {
            "WeightRegularizer": "L1L2",
            "activity_l1": "L1",
            "activity_l1l2": "L1L2",
            "activity_l2": "L2",
            "l1l2": "L1L2",
        },
        "utils": {
            "categorical_probas_to_classes": "compat.arrays.categorical_probas_to_classes",
            "plot": "plot_model",
            "probas_to_classes": "compat.arrays.probas_to_classes",
        },
    },
    "2.3": {
        "losses": {
            "cosine": "cosine_similarity",
            "cosine_proximity": "cosine_similarity",
        },
        "metrics": {
            "cosine": "losses.cosine_similarity",
            "cosine_proximity": "losses.cosine_similarity",
        },
    },
    "3.0": {
        "backend": {
            "tf": "compat.tensorflow",
        },
        "layers": {
            "BatchNormalizationV1": "BatchNormalization",
            "BatchNormalizationV2": "BatchNormalization",
            "CuDNNGRU": "GRU",
            "CuDNNLSTM": "LSTM",
            "LocallyConnected1D": "compat.layers.LocallyConnected1D",
            "LocallyConnected2D": "compat.layers.LocallyConnected2D",
            "SyncBatchNormalization": "BatchNormalization",
            "ThresholdedReLU": "compat.layers.ThresholdedReLU",
        },
        "losses": {
            "kld": "kl_divergence",
            "kullback_leibler_divergence": "kl_divergence",
            "mae": "mean_absolute_error",
            "mape": "mean_absolute_percentage_error",
            "mse": "mean_squared_error",
            "msle": "mean_squared_logarithmic_error",
        },
        "metrics": {
            "kld": "losses.kl_divergence",
            "kullback_leibler_divergence": "losses.kl_divergence",
            "mae": "mean_absolute_error",
            "mape": "mean_absolute_percentage_error",
            "mse": "mean_squared_error",
            "msle": "mean_squared_logarithmic_error",
        },
        "models": {
            "Input": "layers.Input",
            "InputLayer": "layers.InputLayer",
            "model_from_yaml": "compat.yaml_texts.model_from_yaml",
        },
        "optimizers": {
            "TFOptimizer": "compat.optimizers.TFOptimizer",
        },
        "utils": {
            "convert_kernel": "compat.arrays.convert_kernel",
        },
    },
}
NAMES = {}
for _table in NAMES_SINCE.values():
    for _family, _names in _table.items():
        NAMES.setdefault(_family, {}).update(_names)
