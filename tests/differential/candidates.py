"""Random layers for an input of a given rank, with random arguments."""

from __future__ import annotations

from layer_cases import L, Spec

from . import users
from .draw import ACTIVATIONS, BIASES, Stack
from .recurrent import conv_recurrent, dropping, recurrent
from .spatial import convolution, depthwise, global_pooling, pooling, resizing, transposed


def dense(d, shape):
    return L("Dense", units=d.channels(9), activation=d.activation(), **d.kernel(matrix=True))


def einsum(d, shape):
    letters = "bcdefg"[: len(shape)]
    units = d.integer(1, 6)
    more = {"activation": d.activation(), **d.kernel(bias=False)}
    biases = {"bias_axes": "z"} if d.chance(0.7) else {}
    # Keras mixes up the dimensions of an ellipsis in the shape that it expects.
    if len(shape) < 3 and d.chance(0.3):
        return L("EinsumDense", equation="...x,xz->...z", output_shape=units, **biases, **more)
    if len(shape) > 1 and d.chance(0.3):
        # The last two axes go into one; what stays is in another order.
        head = letters[:-2]
        if biases:
            biases = {"bias_axes": head + "z"} if d.chance(0.5) else biases
        return L("EinsumDense", equation=f"a{letters},{letters[-2:]}z->az{head}",
                 output_shape=(units, *shape[:-2]), **biases, **more)
    if d.chance(0.3):
        return L("EinsumDense", equation=f"a{letters},{letters[-1]}yz->a{letters[:-1]}yz",
                 output_shape=(*shape[:-1], 2, units), **biases, **more)
    return L("EinsumDense", equation=f"a{letters},{letters[-1]}z->a{letters[:-1]}z",
             output_shape=(*[None] * (len(shape) - 1), units), **biases, **more)


def activation(d, shape):
    shared = [i for i in range(1, len(shape) + 1) if d.chance(0.4)]
    axes = d.of(-1, d.integer(1, len(shape)), list(range(1, len(shape) + 1)))
    options = [
        L("Activation", activation=d.of(*ACTIVATIONS)),
        L("ReLU", max_value=d.of(None, 2.0), negative_slope=d.of(0.0, 0.1),
          threshold=d.of(0.0, 0.2)),
        L("LeakyReLU", negative_slope=d.number(0.05, 0.5)),
        L("ELU", alpha=d.number(0.5, 1.5)),
        L("PReLU", **({"shared_axes": shared} if shared else {}),
          **d.some(0.2, alpha_regularizer=d.regularizer, alpha_initializer=lambda: d.of(*BIASES),
                   alpha_constraint=Spec("NonNeg", family="constraints"))),
        L("Softmax", axis=axes),
        # Keras's own sparsemax does not sum to 1 where more than one element survives, and its glu
        # is said to keep the shape.
        L("Activation", activation=d.of("softmax", "log_softmax")),
    ]
    return d.of(*options)


def _affine(d):
    return {"center": d.chance(0.8), "scale": d.chance(0.8), **d.some(
        0.12, gamma_regularizer=d.regularizer, beta_regularizer=d.regularizer,
        gamma_initializer=lambda: d.of(*BIASES[1:]), beta_initializer=lambda: d.of(*BIASES),
        gamma_constraint=Spec("NonNeg", family="constraints"),
        beta_constraint=Spec("NonNeg", family="constraints"),
    )}


def normalization(d, shape):
    axis = d.of(-1, d.integer(1, len(shape)))
    several = sorted({d.integer(1, len(shape)) for _ in range(2)})
    # Keras wants the axes of LayerNormalization to be the last ones.
    last = list(range(d.integer(1, len(shape)), len(shape) + 1))
    options = [
        L("BatchNormalization", axis=axis, momentum=d.number(0.5, 0.99), epsilon=d.of(1e-3, 1e-2),
          **_affine(d), **d.some(0.1, moving_mean_initializer="ones",
                                 moving_variance_initializer="ones")),
        L("BatchNormalization"),
        L("BatchNormalization", axis=axis, renorm=True, renorm_momentum=d.number(0.5, 0.99),
          renorm_clipping=d.of(None, {"rmin": 0.7, "rmax": 1.5, "dmax": 0.5})),
        L("LayerNormalization", axis=d.of(-1, last), epsilon=d.of(1e-3, 1e-2), **_affine(d)),
        L("RMSNormalization", axis=d.of(-1, last), epsilon=d.of(1e-6, 1e-3)),
        L("UnitNormalization", axis=d.of(axis, several)),
    ]
    channels = shape[axis - 1 if axis > 0 else -1]
    groups = [g for g in (1, 2, 3, 4) if channels % g == 0]
    options.append(L("GroupNormalization", groups=d.of(*groups, -1), axis=axis, **_affine(d)))
    return d.of(*options)


def regularization(d, shape):
    """Layers that draw in training."""
    rank = len(shape) - 1
    options = [
        L("Dropout", rate=d.number(0.1, 0.6)),
        L("AlphaDropout", rate=d.number(0.1, 0.4)),
        L("GaussianDropout", rate=d.number(0.1, 0.5)),
        L("GaussianNoise", stddev=d.number(0.1, 0.5)),
    ]
    if rank == 1:
        options.append(dropping(d, shape))
    if 1 <= rank <= 3:
        layout = d.data_format() if rank > 1 else {}
        options.append(L(f"SpatialDropout{rank}D", rate=d.number(0.1, 0.6), **layout))
    return d.of(*options)


def quiet_regularization(d, shape):
    """Layers of this family that draw nothing, so that training can be compared."""
    options = [
        L("Dropout", rate=0.0), L("Identity"), L("AlphaDropout", rate=0.0),
        L("GaussianNoise", stddev=0.0), L("GaussianDropout", rate=0.0),
        L("ActivityRegularization", l1=d.number(0, 0.02), l2=d.number(0, 0.02)),
    ]
    rank = len(shape) - 1
    if 1 <= rank <= 3:
        options += [L(f"SpatialDropout{rank}D", rate=0.0)] * rank
    return d.of(*options)


def rescaling(d, shape):
    return d.of(
        L("Rescaling", scale=d.number(0.5, 2), offset=d.number(-1, 1)),
        L("Normalization", mean=d.number(-1, 1), variance=d.number(0.3, 3),
          invert=d.chance(0.3)),
    )


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


def distributed(d, shape):
    """TimeDistributed over a random layer of the rank below."""
    inner = d.of(*candidates(len(shape) - 1))
    return L("TimeDistributed", layer=inner(d, shape[1:]))


def nested(d, shape):
    """A model of some layers as one, with or without an Input."""
    stack = Stack(d.keras, shape)
    wanted = d.integer(1, 3)
    for _ in range(10):
        make = d.of(*[c for c in candidates(len(stack.shape)) if c is not nested])
        stack.add(make(d, stack.shape))
        if len(stack.specs) == wanted or stack.size > 1000:
            break
    first = [L("InputLayer", shape=list(shape))] if d.chance(0.3) else []
    return Spec("Sequential", family="models", layers=first + (stack.specs or [L("Identity")]))


def spectral(d, shape):
    inner = [dense]
    if 2 <= len(shape) <= 4:
        inner.append(convolution)
    layer = d.of(*inner)(d, shape)
    return L("SpectralNormalization", layer=layer, power_iterations=d.integer(1, 2))


def flatten(d, shape):
    return L("Flatten", **(d.data_format() if len(shape) > 1 else {}))


def repeat(d, shape):
    return L("RepeatVector", n=d.integer(1, 5))


_COMMON = [dense, dense, activation, normalization, quiet_regularization, rescaling, reshaping,
           einsum, nested, users.plain]
_SPATIAL = [convolution, convolution, transposed, depthwise, pooling, pooling, resizing]

# What may follow a value of that rank (the batch not counted).
_BY_RANK = {
    1: [*_COMMON, dense, dense, repeat, spectral],
    2: [*_COMMON, *_SPATIAL, recurrent, recurrent, recurrent, flatten, global_pooling, spectral,
        distributed],
    3: [*_COMMON, *_SPATIAL, conv_recurrent, flatten, global_pooling, spectral, distributed],
    4: [*_COMMON, convolution, transposed, pooling, pooling, resizing, conv_recurrent,
        conv_recurrent, flatten, global_pooling, spectral, distributed],
    5: [conv_recurrent, dense, activation, normalization, flatten, distributed, einsum],
}


def candidates(rank):
    """Functions `(draw, shape) -> Spec` for a value of `rank` dimensions besides the batch."""
    return _BY_RANK.get(rank, [flatten])
