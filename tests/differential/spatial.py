"""Random layers over spatial axes: convolution, pooling, and changes of size."""

from __future__ import annotations

from layer_cases import L


def _channels(shape, arguments):
    return shape[0] if "data_format" in arguments else shape[-1]


def convolution(d, shape):
    rank = len(shape) - 1
    arguments = {"kernel_size": d.sizes(rank, 1, 3), "padding": d.of("valid", "same")}
    if rank == 1 and d.chance(0.3):
        arguments["padding"] = "causal"
    if d.chance(0.3):
        arguments["strides"] = d.sizes(rank, 1, 3)
    elif d.chance(0.3):
        arguments["dilation_rate"] = d.sizes(rank, 1, 3)
    if arguments["padding"] != "causal":
        arguments.update(d.data_format())
    channels = _channels(shape, arguments)
    filters = d.channels(6)
    groups = [g for g in (2, 3, 4) if channels % g == 0]
    if groups and d.chance(0.3):
        arguments["groups"] = d.of(*groups)
        filters = arguments["groups"] * d.integer(1, 3)
    return L(f"Conv{rank}D", filters=filters, activation=d.activation(), **arguments, **d.kernel())


def transposed(d, shape):
    rank = len(shape) - 1
    arguments = {"kernel_size": d.sizes(rank, 1, 3), "padding": d.of("valid", "same"),
                 **d.data_format()}
    if d.chance(0.6):
        arguments["strides"] = d.of(2, 2, 3)
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
                 "depth_multiplier": d.integer(1, 3), "activation": d.activation(),
                 **d.data_format()}
    if d.chance(0.3):
        arguments["strides"] = d.of(2, 3)
    elif d.chance(0.2):
        arguments["dilation_rate"] = 2
    if separable:
        return L(f"SeparableConv{rank}D", filters=d.channels(5), **arguments,
                 **d.kernel(d.of("depthwise", "pointwise")))
    return L(f"DepthwiseConv{rank}D", **arguments, **d.kernel("depthwise"))


def pooling(d, shape):
    rank = len(shape) - 1
    kind = d.of("Max", "Average")
    if d.chance(0.25):
        return L(f"Adaptive{kind}Pooling{rank}D", output_size=d.sizes(rank, 1, 3),
                 **d.data_format())
    size, padding = d.sizes(rank, 1, 3), d.of("valid", "same")
    strides = d.of(None, None, 1, 2, d.sizes(rank, 1, 3))
    if kind == "Average" and padding == "same":
        # Keras on PyTorch averages repeated borders where the padding is not symmetric.
        size, strides = d.of(1, 3), 1
    return L(f"{kind}Pooling{rank}D", pool_size=size, strides=strides, padding=padding,
             **d.data_format())


def global_pooling(d, shape):
    rank = len(shape) - 1
    return L(f"Global{d.of('Max', 'Average')}Pooling{rank}D", keepdims=d.chance(0.2),
             **d.data_format())


def resizing(d, shape):
    rank = len(shape) - 1
    upsampling = {"size": d.sizes(rank, 1, 3)} if rank > 1 else {"size": d.integer(1, 3)}
    if rank > 1:
        upsampling.update(d.data_format())
    if rank == 2:
        # PyTorch has another cubic kernel than Keras elsewhere, and no Lanczos.
        upsampling["interpolation"] = d.of("nearest", "nearest", "bilinear")
    margins = d.of(d.integer(0, 2), [[d.integer(0, 2), d.integer(0, 2)] for _ in range(rank)])
    crops = [[d.integer(0, 1), d.integer(0, 1)] for _ in range(rank)]
    if rank == 1:
        margins, crops = margins if isinstance(margins, int) else margins[0], crops[0]
    options = [
        L(f"UpSampling{rank}D", **upsampling),
        L(f"ZeroPadding{rank}D", padding=margins, **d.data_format()),
        L(f"Cropping{rank}D", cropping=crops, **(d.data_format() if rank > 1 else {})),
    ]
    if rank == 2:
        options += [sized(d, shape)]
    return d.of(*options)


def sized(d, shape):
    """Layers that bring images to a size, with a gradient."""
    arguments = d.data_format()
    height, width = shape[1:] if arguments else shape[:2]
    if d.chance(0.4):
        target = {"height": max(1, height + d.integer(-2, 1)),
                  "width": max(1, width + d.integer(-2, 1))}
        return L("CenterCrop", **target, **arguments)
    more = d.of({}, {"crop_to_aspect_ratio": True},
                {"pad_to_aspect_ratio": True, "fill_value": d.of(0.0, 0.5)})
    interpolation, width = d.of("nearest", "bilinear"), d.integer(1, 9)
    # PyTorch's antialiasing is wrong for channels first and one column.
    antialias = interpolation == "bilinear" and width > 1 and d.chance(0.4)
    return L("Resizing", height=d.integer(1, 9), width=width, **arguments, **more,
             interpolation=interpolation, antialias=antialias)
