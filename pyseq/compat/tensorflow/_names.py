"""Tables of what `tf` has; they hold nothing but text and numbers.

An entry is the name of an object of pyseq (of a file of this package where it begins with `_`).
Where parameters follow, they are those of TensorFlow in their order: `name`, or `name=name in
pyseq`, with `*` in front of tensors.
"""

from __future__ import annotations

VERSION = "2.16.0"
KERAS_VERSION = "3.15.1"

# Files of this package whose functions may return arrays, which become tensors.
MAKE_TENSORS = ("_arrays", "_images", "_learning", "_products", "_texts")

# Parts of `tf` that are modules of pyseq.
FAMILIES = ("initializers", "losses", "metrics", "optimizers")

# Parts that also have all names of another one.
INHERITS = {"compat.v1": "", "config.experimental": "config"}


def _each(names, target, parameters="*x"):
    """Entries of functions that have one name here and there, or `name=name in pyseq`."""
    pairs = (name.partition("=")[::2] for name in names.split())
    return {name: f"{target}.{other or name} {parameters}" for name, other in pairs}


def _own(module, names):
    """Entries of functions of a file of this package, `name` or `name=name in it`."""
    pairs = (name.partition("=")[::2] for name in names.split())
    return {name: f"{module}.{other or name}" for name, other in pairs}


_REDUCE = "*input_tensor axis keepdims"
_MATH = {
    **_each(
        "abs=absolute acos=arccos acosh=arccosh asin=arcsin asinh=arcsinh atan=arctan "
        "atanh=arctanh ceil cos cosh erf exp expm1 floor log log1p negative=negative reciprocal "
        "rint=round sign sin sinh sqrt square tan tanh rsqrt is_nan=isnan is_inf=isinf "
        "is_finite=isfinite conj=conjugate imag real logical_not",
        "ops",
    ),
    **_each(
        "add atan2=arctan2 divide equal floordiv=floor_divide floormod=mod greater greater_equal "
        "less less_equal logical_and logical_or logical_xor maximum minimum mod multiply not_equal "
        "pow=power subtract truediv=true_divide",
        "ops",
        "*x *y",
    ),
    **_each("reduce_sum=sum reduce_max=max reduce_min=min reduce_prod=prod", "ops", _REDUCE),
    **_each("reduce_std=std reduce_variance=var reduce_all=all", "ops", _REDUCE),
    **_each("reduce_any=any reduce_logsumexp=logsumexp", "ops", _REDUCE),
    **_each("sigmoid softplus log_sigmoid", "activations"),
    **_own(
        "_arrays",
        "reduce_mean argmax argmin cumsum cumprod count_nonzero confusion_matrix add_n round "
        "squared_difference l2_normalize top_k in_top_k bincount reduce_euclidean_norm xlogy "
        "divide_no_nan",
    ),
}
_DTYPES = {
    name: f"_dtypes.{name}"
    for name in (
        "float16 float32 float64 bfloat16 half double int8 int16 int32 int64 uint8 uint16 uint32 "
        "uint64 bool string complex64 complex128"
    ).split()
}
_CORE = {
    **_own(
        "_arrays",
        "constant convert_to_tensor cast shape size rank reshape transpose expand_dims squeeze "
        "concat stack unstack split tile one_hot zeros ones zeros_like ones_like fill range "
        "linspace eye where gather gather_nd boolean_mask clip_by_value clip_by_norm pad "
        "reverse roll sort argsort repeat broadcast_to meshgrid identity "
        "stop_gradient unique slice "
        "sequence_mask searchsorted is_tensor ensure_shape "
        "saturate_cast",
    ),
    **_own("_products", "norm tensordot einsum matmul"),
    **_own(
        "_learning",
        "function no_op group executing_eagerly map_fn py_function numpy_function cond while_loop "
        "print=print_values",
    ),
    "Variable": "_tensors.Variable",
    "Tensor": "_tensors.Tensor",
    "TensorShape": "_tensors.TensorShape",
    "TensorSpec": "utils.elements.TensorSpec",
    "DType": "_tensors.DType",
    "as_dtype": "_tensors.as_dtype",
}
_MATH_AT_ROOT = (
    "abs acos acosh add add_n argmax argmin asin asinh atan atan2 atanh cos cosh cumsum divide "
    "equal exp floor greater greater_equal less less_equal logical_and logical_not logical_or "
    "maximum minimum multiply negative not_equal pow reduce_all reduce_any reduce_logsumexp "
    "reduce_max reduce_mean reduce_min reduce_prod reduce_sum round sigmoid sign sin sinh sqrt "
    "square subtract tan tanh truediv"
).split()
# Functions of TensorFlow 1, which scripts still call in one way or the other.
_V1 = {
    **_own(
        "_process",
        "disable_eager_execution enable_eager_execution enable_v2_behavior disable_v2_behavior "
        "enable_resource_variables disable_v2_tensorshape ConfigProto GPUOptions Session "
        "InteractiveSession get_default_graph=Graph Graph reset_default_graph "
        "global_variables_initializer local_variables_initializer=global_variables_initializer "
        "get_default_session tables_initializer=global_variables_initializer",
    ),
    "set_random_seed": "_learning.set_seed",
    "random_normal": "_learning.normal",
    "random_uniform": "_learning.uniform",
    "to_float": "_arrays.to_float",
    "to_int32": "_arrays.to_int32",
    "log": _MATH["log"],
    "div": _MATH["truediv"],
    "ceil": _MATH["ceil"],
}

MODULES = {
    "": {
        **_CORE,
        **{name: _MATH[name] for name in _MATH_AT_ROOT},
        **_DTYPES,
        **_V1,
        "device": "_process.device",
        "name_scope": "_process.name_scope",
        "get_logger": "_process.get_logger",
        "newaxis": "_arrays.newaxis",
    },
    "math": _MATH,
    "dtypes": {**_DTYPES, **_own("_tensors", "DType as_dtype"), **_own("_arrays", "cast")},
    "linalg": {
        **_own("_arrays", "eye l2_normalize"),
        **_own(
            "_products",
            "matmul norm diag trace matvec tensordot einsum inv det cholesky svd eigh solve qr "
            "matrix_transpose diag_part",
        ),
    },
    "nn": {
        **_each("relu relu6 selu sigmoid softsign silu swish=silu", "activations", "*features"),
        "softplus": "activations.softplus *features",
        "tanh": "activations.tanh *x",
        "sigmoid": "activations.sigmoid *x",
        "elu": "activations.elu *features alpha",
        "gelu": "activations.gelu *features approximate",
        "leaky_relu": "activations.leaky_relu *features alpha=negative_slope",
        "softmax": "activations.softmax *logits axis",
        "log_softmax": "activations.log_softmax *logits axis",
        **_own(
            "_learning",
            "softmax_cross_entropy_with_logits sparse_softmax_cross_entropy_with_logits "
            "sigmoid_cross_entropy_with_logits weighted_cross_entropy_with_logits l2_loss "
            "moments dropout bias_add zero_fraction "
            "softmax_cross_entropy_with_logits_v2=softmax_cross_entropy_with_logits",
        ),
        **_own("_arrays", "l2_normalize top_k in_top_k embedding_lookup=gather"),
    },
    "random": _own(
        "_learning",
        "set_seed normal uniform truncated_normal shuffle categorical gamma stateless_normal "
        "stateless_uniform",
    ),
    "config": _own(
        "_process",
        "list_physical_devices list_logical_devices get_visible_devices set_visible_devices "
        "set_soft_device_placement run_functions_eagerly functions_run_eagerly "
        "set_logical_device_configuration LogicalDeviceConfiguration=DeviceConfiguration "
        "PhysicalDevice",
    ),
    "config.experimental": _own(
        "_process",
        "set_memory_growth get_memory_growth enable_op_determinism get_device_details "
        "set_virtual_device_configuration=set_logical_device_configuration "
        "VirtualDeviceConfiguration=DeviceConfiguration",
    ),
    "config.optimizer": _own("_process", "set_jit set_experimental_options"),
    "config.threading": _own(
        "_process", "set_intra_op_parallelism_threads set_inter_op_parallelism_threads"
    ),
    "test": _own(
        "_process", "is_gpu_available gpu_device_name is_built_with_cuda is_built_with_gpu_support"
    ),
    "sysconfig": _own("_process", "get_build_info"),
    "version": {"VERSION": "_names.VERSION", "GIT_VERSION": "_names.VERSION"},
    "strings": _own(
        "_texts",
        "lower upper strip length join split regex_replace regex_full_match substr to_number "
        "as_string reduce_join unicode_split bytes_split format",
    ),
    "image": {
        **_own(
            "_images",
            "resize convert_image_dtype flip_left_right flip_up_down random_flip_left_right "
            "random_flip_up_down adjust_brightness random_brightness adjust_contrast "
            "random_contrast adjust_saturation random_saturation adjust_hue random_hue "
            "rgb_to_grayscale grayscale_to_rgb per_image_standardization central_crop "
            "crop_to_bounding_box pad_to_bounding_box resize_with_crop_or_pad resize_with_pad "
            "random_crop rot90 transpose ResizeMethod rgb_to_hsv hsv_to_rgb",
        ),
        **_own("_files", "decode_jpeg decode_png decode_image decode_bmp decode_gif=decode_image"),
        **_own("_files", "encode_jpeg encode_png"),
    },
    "io": {
        **_own("_files", "read_file write_file decode_jpeg decode_png decode_image decode_bmp"),
        **_own("_files", "decode_gif=decode_image encode_jpeg encode_png matching_files"),
        "decode_raw": "_files.decode_raw",
    },
    "io.gfile": _own(
        "_files",
        "GFile exists glob isdir listdir makedirs mkdir=makedirs remove rmtree rename copy walk",
    ),
    "gfile": _own(
        "_files",
        "GFile FastGFile=GFile Exists=exists Glob=glob IsDirectory=isdir ListDirectory=listdir "
        "MakeDirs=makedirs MkDir=makedirs Remove=remove DeleteRecursively=rmtree Rename=rename "
        "Copy=copy Walk=walk Open=GFile",
    ),
    "data": {
        "Dataset": "utils.pipeline.Dataset",
        "AUTOTUNE": "utils.pipeline.AUTOTUNE",
        "INFINITE_CARDINALITY": "utils.pipeline.INFINITE_CARDINALITY",
        "UNKNOWN_CARDINALITY": "utils.pipeline.UNKNOWN_CARDINALITY",
        "Options": "_process.Settings",
        "TextLineDataset": "_files.text_lines",
    },
    "data.experimental": {
        "AUTOTUNE": "utils.pipeline.AUTOTUNE",
        "INFINITE_CARDINALITY": "utils.pipeline.INFINITE_CARDINALITY",
        "UNKNOWN_CARDINALITY": "utils.pipeline.UNKNOWN_CARDINALITY",
        "cardinality": "_process.cardinality",
        "AutoShardPolicy": "_process.Settings",
    },
    "compat": {},
    "compat.v1": {},
    "compat.v1.logging": {},
    "logging": {
        "DEBUG": 10,
        "INFO": 20,
        "WARN": 30,
        "ERROR": 40,
        "FATAL": 50,
        **_own("_process", "set_verbosity get_verbosity debug info warn=warning warning error"),
    },
    "autograph": _own("_process", "set_verbosity"),
    "autograph.experimental": _own("_process", "do_not_convert"),
    "debugging": _own("_process", "set_log_device_placement assert_equal"),
    "distribute": _own(
        "_process",
        "MirroredStrategy=Strategy OneDeviceStrategy=Strategy get_strategy=Strategy "
        "MultiWorkerMirroredStrategy=Strategy Strategy",
    ),
    "errors": _own("_process", "InvalidArgumentError NotFoundError"),
    "python": {},
    "python.client": {},
    "python.client.device_lib": _own("_process", "list_local_devices"),
}
MODULES["compat.v1.logging"] = MODULES["logging"]

_FIT = "use compile and fit, which compute gradients"
_LAYERS = "use pyseq.layers"
_NUMPY_ARRAYS = "use arrays, padded to one length by padded_batch or pad_sequences"
_FILES = "use model.save and load_model, with .keras, .h5 or .pyseq files"
# What to use in place of names that are not there.
ADVICE = {
    "GradientTape": _FIT,
    "gradients": _FIT,
    "custom_gradient": _FIT,
    "placeholder": "use layers.Input, or call functions with arrays",
    "get_variable": "use tf.Variable, or add_weight of a layer",
    "layers": "use tf.keras.layers",
    "contrib": "use tf.keras",
    "estimator": "use a Sequential with fit",
    "feature_column": "use preprocessing layers: Normalization, Discretization, StringLookup",
    "lookup": "use layers.StringLookup or layers.IntegerLookup",
    "RaggedTensor": _NUMPY_ARRAYS,
    "ragged": _NUMPY_ARRAYS,
    "sparse": "use dense arrays",
    "SparseTensor": "use dense arrays",
    "TensorArray": "use a list and tf.stack",
    "Module": "use layers.Layer",
    "train": "use tf.keras.optimizers, and callbacks.ModelCheckpoint for checkpoints",
    "saved_model": _FILES,
    "lite": "use model.export, whose .pyseq files the C++ library runs",
    "summary": "use callbacks.TensorBoard or callbacks.CSVLogger",
    "profiler": "use Python's profilers",
    "raw_ops": "use pyseq.ops",
    "signal": "use layers.STFTSpectrogram, layers.MelSpectrogram or numpy.fft",
    "quantization": "use float32",
    "tpu": "use pyseq.config.set_device",
    "conv1d": "use layers.Conv1D",
    "conv2d": "use layers.Conv2D",
    "max_pool": "use layers.MaxPooling2D",
    "max_pool2d": "use layers.MaxPooling2D",
    "avg_pool": "use layers.AveragePooling2D",
    "avg_pool2d": "use layers.AveragePooling2D",
    "depth_to_space": "use layers.Reshape and layers.Permute",
    "ctc_loss": "use losses.CTC",
    "TFRecordDataset": "use Dataset.from_generator",
    "TFRecordWriter": "use numpy.savez",
    "parse_single_example": "use Dataset.from_generator",
    "FixedLenFeature": "use Dataset.from_generator",
    "Generator": "use tf.random.stateless_uniform, or pyseq.random with a SeedGenerator",
    "TPUStrategy": "use MirroredStrategy, which is one machine here",
}
