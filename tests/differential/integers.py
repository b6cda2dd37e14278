"""Whole numbers: inputs of integer dtypes, and what may follow them."""

from __future__ import annotations

from layer_cases import L

from .users import WHOLE, Function

DTYPES = ("int32", "int64", "int32", "int64", "uint8", "int16", "int8")


def _moving(d, shape):
    """A layer that moves or chooses elements."""
    options = [
        L("Reshape", target_shape=[-1, 1]), L("Flatten"), L("Identity"), L("Dropout", rate=0.0),
        L("Masking", mask_value=d.integer(0, 2)), L("SpatialDropout1D", rate=0.0),
    ]
    if len(shape) == 1:
        options.append(L("RepeatVector", n=d.integer(1, 3)))
    if len(shape) == 2:
        options += [
            L("Permute", dims=[2, 1]), L("Cropping1D", cropping=[d.integer(0, 1), 0]),
            L("ZeroPadding1D", padding=[d.integer(0, 2), 1]), L("UpSampling1D", size=2),
            L("GlobalMaxPooling1D", keepdims=d.chance(0.5)),
            L("MaxPooling1D", pool_size=d.integer(1, 2), padding=d.of("same", "valid")),
        ]
    return d.of(*options)


def _computing(d, shape):
    """A layer that computes with the numbers."""
    options = [
        L("Rescaling", scale=d.of(0.5, 2), offset=d.of(0, 1, -0.5)), L("ReLU"),
        L("Activation", activation=d.of("relu", "tanh", "linear", "sigmoid", "softplus", "relu6")),
        L("Discretization", bin_boundaries=[0.5, 2.0, 3.0], output_mode=d.of("int", "one_hot")),
        L("Normalization", mean=1.0, variance=2.0, axis=None),
        L("LeakyReLU"), L("ELU"), L("Softmax"),
    ]
    if len(shape) == 2:
        options += [L("AveragePooling1D", pool_size=1), L("GlobalAveragePooling1D")]
    return d.of(*options)


def whole(d, shape):
    """A layer for values of an integer dtype."""
    form = d.rng.random()
    if form < 0.35:
        return _moving(d, shape)
    if form < 0.6:
        return _computing(d, shape)
    return L("Lambda", function=Function(d.of(*WHOLE)))


def looking_up(d, ids):
    """(layers, mask) that make numbers of ids below `ids`."""
    form = d.rng.random()
    if form < 0.3:
        return [L("CategoryEncoding", num_tokens=ids, output_mode=d.of("multi_hot", "count"))]
    first = [L("Lambda", function=Function(d.of("modulo", "halves", "ordered", "to_long")))]
    table = L("Embedding", input_dim=ids, output_dim=d.channels(5))
    if form < 0.5:
        return [table]
    return [*first, table] if form < 0.8 else [L("RepeatVector", n=2), table]
