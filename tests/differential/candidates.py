"""Random layers for an input of a given rank, with random arguments."""

from __future__ import annotations

from layer_cases import L, Spec

ACTIVATIONS = [
    "relu", "tanh", "sigmoid", "elu", "selu", "gelu", "softplus", "softsign", "silu", "mish",
    "leaky_relu", "hard_sigmoid", "hard_silu", "relu6", "celu", "log_sigmoid", "linear",
    "squareplus", "sparse_plus", "sparse_sigmoid", "hard_tanh", "tanh_shrink", "soft_shrink",
]
KERNELS = [
    "glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal",
    "lecun_uniform", "orthogonal", "random_normal", "random_uniform", "truncated_normal",
]


class Draw:
    """Choices from a NumPy generator."""

    def __init__(self, rng):
        self.rng = rng
        # A few models are wide enough to fill vector registers and leave remainders.
        self.wide = self.chance(0.15)

    def chance(self, p):
        return bool(self.rng.random() < p)

    def of(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def integer(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def channels(self, high):
        """Units or filters."""
        return self.integer(1, 70 if self.wide else high)

    def number(self, low, high):
        return round(float(self.rng.uniform(low, high)), 3)

    def activation(self):
        return self.of(None, *ACTIVATIONS) if self.chance(0.8) else "softmax"

    def regularizer(self):
        return self.of(
            "l2",
            Spec("L1", family="regularizers", l1=self.number(0.001, 0.05)),
            Spec("L2", family="regularizers", l2=self.number(0.001, 0.1)),
            Spec("L1L2", family="regularizers", l1=0.01, l2=self.number(0.001, 0.1)),
            "l1",
        )

    def constraint(self):
        return self.of(
            Spec("MaxNorm", family="constraints", max_value=self.number(0.5, 2)),
            Spec("NonNeg", family="constraints"),
            Spec("UnitNorm", family="constraints"),
            Spec("MinMaxNorm", family="constraints", min_value=0.3, max_value=1.2,
                 rate=self.of(1.0, 0.7)),
        )

    def kernel(self, prefix="kernel", bias=True, matrix=False):
        """Random initializer, regularizers and constraints of a kernel and its bias."""
        chosen = {}
        if self.chance(0.4):
            chosen[f"{prefix}_initializer"] = self.of(*KERNELS)
        if self.chance(0.15):
            chosen[f"{prefix}_regularizer"] = self.regularizer()
        elif self.chance(0.05):
            chosen[f"{prefix}_regularizer"] = Spec(
                "OrthogonalRegularizer", family="regularizers", factor=0.05,
                mode=self.of("rows", "columns"),
            ) if prefix == "kernel" and matrix else "l2"
        if self.chance(0.1):
            chosen[f"{prefix}_constraint"] = self.constraint()
        if bias:
            if self.chance(0.2):
                chosen["use_bias"] = False
            elif self.chance(0.15):
                chosen["bias_regularizer"] = self.regularizer()
        if self.chance(0.1):
            chosen["activity_regularizer"] = self.regularizer()
        return chosen

    def sizes(self, rank, low, high):
        if self.chance(0.5):
            return self.integer(low, high)
        return [self.integer(low, high) for _ in range(rank)]

    def data_format(self):
        return {"data_format": "channels_first"} if self.chance(0.2) else {}


def dense(d, shape):
    return L("Dense", units=d.channels(9), activation=d.activation(), **d.kernel(matrix=True))


def einsum(d, shape):
    letters = "bcdefg"[: len(shape)]
    units = d.integer(1, 6)
    out = (*[None] * (len(shape) - 1), units)
    equation = f"a{letters},{letters[-1]}z->a{letters[:-1]}z"
    more = {"bias_axes": "z"} if d.chance(0.7) else {}
    chosen = d.kernel(bias=False)
    return L("EinsumDense", equation=equation, output_shape=out, activation=d.activation(), **more,
             **chosen)


def activation(d, shape):
    return d.of(
        L("Activation", activation=d.of(*ACTIVATIONS)),
        L("ReLU", max_value=d.of(None, 2.0), negative_slope=d.of(0.0, 0.1),
          threshold=d.of(0.0, 0.2)),
        L("LeakyReLU", negative_slope=d.number(0.05, 0.5)),
        L("ELU", alpha=d.number(0.5, 1.5)),
        L("PReLU", **({"shared_axes": [1]} if len(shape) > 1 and d.chance(0.5) else {})),
        L("Softmax", axis=d.of(-1, d.integer(1, len(shape)))),
        # Keras's own sparsemax does not sum to 1 where more than one element survives.
        L("Activation", activation=d.of("softmax", "log_softmax")),
    )


def normalization(d, shape):
    axis = d.of(-1, d.integer(1, len(shape)))
    options = [
        L("BatchNormalization", axis=axis, momentum=d.number(0.5, 0.99), epsilon=d.of(1e-3, 1e-2),
          center=d.chance(0.8), scale=d.chance(0.8)),
        L("BatchNormalization"),
        L("BatchNormalization", renorm=True, renorm_momentum=d.number(0.5, 0.99),
          renorm_clipping=d.of(None, {"rmin": 0.7, "rmax": 1.5, "dmax": 0.5})),
        L("LayerNormalization", center=d.chance(0.8), scale=d.chance(0.8)),
        L("RMSNormalization"),
        L("UnitNormalization", axis=axis),
    ]
    groups = [g for g in (1, 2, 3, 4) if shape[-1] % g == 0]
    options.append(L("GroupNormalization", groups=d.of(*groups, -1)))
    if len(shape) > 1:
        options.append(L("LayerNormalization", axis=list(range(1, len(shape) + 1))))
    return d.of(*options)


def regularization(d, shape):
    rank = len(shape) - 1
    options = [
        L("Dropout", rate=d.number(0.1, 0.6)),
        L("AlphaDropout", rate=d.number(0.1, 0.4)),
        L("GaussianDropout", rate=d.number(0.1, 0.5)),
        L("GaussianNoise", stddev=d.number(0.1, 0.5)),
    ]
    if 1 <= rank <= 3:
        options.append(L(f"SpatialDropout{rank}D", rate=d.number(0.1, 0.6)))
    return d.of(*options)


def quiet_regularization(d, shape):
    """Layers of this family that draw nothing, so that training can be compared."""
    return d.of(L("Dropout", rate=0.0), L("Identity"),
                L("ActivityRegularization", l1=d.number(0, 0.02), l2=d.number(0, 0.02)))


def rescaling(d, shape):
    return d.of(
        L("Rescaling", scale=d.number(0.5, 2), offset=d.number(-1, 1)),
        L("Normalization", mean=d.number(-1, 1), variance=d.number(0.3, 3),
          invert=d.chance(0.3)),
    )


def convolution(d, shape):
    rank = len(shape) - 1
    arguments = {"kernel_size": d.sizes(rank, 1, 3), "padding": d.of("valid", "same")}
    if rank == 1 and d.chance(0.3):
        arguments["padding"] = "causal"
    if d.chance(0.3):
        arguments["strides"] = d.sizes(rank, 1, 2)
    elif d.chance(0.3):
        arguments["dilation_rate"] = d.sizes(rank, 1, 2)
    if arguments["padding"] != "causal":
        arguments.update(d.data_format())
    channels = shape[0] if "data_format" in arguments else shape[-1]
    filters = d.channels(6)
    if channels in (2, 4, 6) and d.chance(0.3):
        arguments["groups"] = 2
        filters = 2 * d.integer(1, 3)
    return L(f"Conv{rank}D", filters=filters, activation=d.activation(), **arguments, **d.kernel())


def transposed(d, shape):
    rank = len(shape) - 1
    arguments = {"kernel_size": d.sizes(rank, 1, 3), "padding": d.of("valid", "same"),
                 **d.data_format()}
    if d.chance(0.6):
        arguments["strides"] = 2
        if d.chance(0.3):
            arguments["output_padding"] = d.of(0, 1)
    elif d.chance(0.3):
        arguments["dilation_rate"] = 2
    return L(f"Conv{rank}DTranspose", filters=d.channels(4), activation=d.activation(),
             **arguments, **d.kernel())


def depthwise(d, shape):
    rank = len(shape) - 1
    if rank > 2:
        return convolution(d, shape)
    separable = d.chance(0.5)
    arguments = {"kernel_size": d.sizes(rank, 1, 3), "padding": d.of("valid", "same"),
                 "depth_multiplier": d.integer(1, 2), "activation": d.activation(),
                 **d.data_format()}
    if d.chance(0.3):
        arguments["strides"] = 2
    elif d.chance(0.2):
        arguments["dilation_rate"] = 2
    if separable:
        return L(f"SeparableConv{rank}D", filters=d.channels(5), **arguments,
                 **d.kernel(d.of("depthwise", "pointwise")))
    return L(f"DepthwiseConv{rank}D", **arguments, **d.kernel("depthwise"))


def pooling(d, shape):
    rank = len(shape) - 1
    kind = d.of("Max", "Average")
    if d.chance(0.2):
        return L(f"Adaptive{kind}Pooling{rank}D", output_size=d.sizes(rank, 1, 3),
                 **d.data_format())
    size, strides, padding = d.sizes(rank, 1, 3), d.of(None, None, 1, 2), d.of("valid", "same")
    if kind == "Average" and padding == "same":
        # Keras on PyTorch averages repeated borders where the padding is not symmetric.
        size, strides = d.of(1, 3), 1
    return L(f"{kind}Pooling{rank}D", pool_size=size, strides=strides, padding=padding,
             **d.data_format())


def resizing(d, shape):
    rank = len(shape) - 1
    upsampling = {"size": d.sizes(rank, 1, 2)} if rank > 1 else {"size": d.integer(1, 3)}
    if rank == 2:
        upsampling.update(d.data_format(), interpolation=d.of("nearest", "nearest", "bilinear"))
    margins = [[d.integer(0, 2), d.integer(0, 2)] for _ in range(rank)]
    crops = [[d.integer(0, 1), d.integer(0, 1)] for _ in range(rank)]
    if rank == 1:
        margins, crops = margins[0], crops[0]
    options = [
        L(f"UpSampling{rank}D", **upsampling),
        L(f"ZeroPadding{rank}D", padding=margins),
        L(f"Cropping{rank}D", cropping=crops),
    ]
    if rank == 2:
        options.append(L("CenterCrop", height=max(1, shape[0] - 1), width=max(1, shape[1] - 2)))
    return d.of(*options)


def reshaping(d, shape):
    size = 1
    for n in shape:
        size *= n
    if len(shape) > 1 and d.chance(0.5):
        dims = [int(i) + 1 for i in d.rng.permutation(len(shape))]
        return L("Permute", dims=dims)
    factors = [f for f in range(1, 7) if size % f == 0]
    first = d.of(*factors)
    if d.chance(0.4):
        second = d.of(*[f for f in range(1, 7) if (size // first) % f == 0])
        return L("Reshape", target_shape=[first, second, d.of(-1, size // first // second)])
    return L("Reshape", target_shape=[first, -1])


def cell_arguments(d, kind):
    arguments = {"units": d.channels(6)}
    if d.chance(0.3):
        arguments["activation"] = d.of("relu", "sigmoid", "softsign", "tanh", "elu")
    if kind != "SimpleRNN" and d.chance(0.3):
        arguments["recurrent_activation"] = d.of("hard_sigmoid", "sigmoid", "tanh")
    if kind == "GRU" and d.chance(0.4):
        arguments["reset_after"] = False
    if kind == "LSTM" and d.chance(0.3):
        arguments["unit_forget_bias"] = False
    if d.chance(0.2):
        arguments["use_bias"] = False
    if d.chance(0.2):
        arguments["kernel_regularizer"] = d.regularizer()
    if d.chance(0.15):
        arguments["recurrent_regularizer"] = d.regularizer()
    if d.chance(0.1):
        arguments["recurrent_constraint"] = d.constraint()
    return arguments


def recurrent(d, shape, sequences=None):
    sequences = d.chance(0.5) if sequences is None else sequences
    more = {"return_sequences": sequences}
    if d.chance(0.25):
        more["go_backwards"] = True
    if d.chance(0.1):
        more["unroll"] = True
    kind = d.of("SimpleRNN", "LSTM", "LSTM", "GRU", "GRU")
    form = d.rng.random()
    if form < 0.6:
        layer = L(kind, **cell_arguments(d, kind), **more)
        if kind != "SimpleRNN" and d.chance(0.1):
            layer.arguments["activity_regularizer"] = d.regularizer()
        return layer
    if form < 0.8:
        more.pop("go_backwards", None)
        forward = cell_arguments(d, kind)
        backward = {}
        if d.chance(0.2):
            backward["backward_layer"] = L(kind, **{**cell_arguments(d, kind),
                                                    "units": forward["units"]},
                                           **more, go_backwards=True)
        return L("Bidirectional", layer=L(kind, **forward, **more),
                 merge_mode=d.of("concat", "sum", "mul", "ave"), **backward)
    cells = [L(f"{k}Cell", **cell_arguments(d, k))
             for k in (d.of("SimpleRNN", "LSTM", "GRU") for _ in range(d.integer(1, 3)))]
    cell = cells[0] if len(cells) == 1 else L("StackedRNNCells", cells=cells)
    if d.chance(0.2):
        more["zero_output_for_mask"] = True
    return L("RNN", cell=cell, **more)


def conv_recurrent(d, shape):
    rank = len(shape) - 2
    return L(f"ConvLSTM{rank}D", filters=d.integer(1, 3), kernel_size=d.sizes(rank, 1, 3),
             padding=d.of("valid", "same"), return_sequences=d.chance(0.5),
             go_backwards=d.chance(0.2), strides=d.of(1, 1, 2), **d.data_format())


def distributed(d, shape):
    """TimeDistributed over a random layer of the rank below."""
    inner = d.of(*[c for c in _BY_RANK[len(shape) - 1] if c is not distributed])
    return L("TimeDistributed", layer=inner(d, shape[1:]))


def nested(d, shape):
    """A model of two layers as one."""
    first = d.of(dense, activation, normalization)(d, shape)
    return Spec("Sequential", family="models", layers=[first, activation(d, shape)])


def spectral(d, shape):
    inner = [dense]
    if 2 <= len(shape) <= 4:
        inner.append(convolution)
    layer = d.of(*inner)(d, shape)
    return L("SpectralNormalization", layer=layer, power_iterations=d.integer(1, 2))


def flatten(d, shape):
    return L("Flatten", **(d.data_format() if len(shape) > 1 else {}))


def global_pooling(d, shape):
    rank = len(shape) - 1
    return L(f"Global{d.of('Max', 'Average')}Pooling{rank}D", keepdims=d.chance(0.2),
             **d.data_format())


def repeat(d, shape):
    return L("RepeatVector", n=d.integer(1, 5))


_COMMON = [dense, dense, activation, normalization, quiet_regularization, rescaling, reshaping,
           einsum, nested]
_SPATIAL = [convolution, convolution, transposed, depthwise, pooling, pooling, resizing]

# What may follow a value of that rank (the batch not counted).
_BY_RANK = {
    1: [*_COMMON, dense, dense, repeat, spectral],
    2: [*_COMMON, *_SPATIAL, recurrent, recurrent, recurrent, flatten, global_pooling, spectral],
    3: [*_COMMON, *_SPATIAL, conv_recurrent, flatten, global_pooling, spectral],
    4: [dense, activation, normalization, convolution, transposed, pooling, pooling, resizing,
        conv_recurrent, conv_recurrent, flatten, global_pooling, reshaping],
    5: [conv_recurrent, dense, activation, normalization, flatten],
}
for _rank in (2, 3, 4):
    _BY_RANK[_rank].append(distributed)


def candidates(rank):
    """Functions `(draw, shape) -> Spec` for a value of `rank` dimensions besides the batch."""
    return _BY_RANK.get(rank, [flatten])
