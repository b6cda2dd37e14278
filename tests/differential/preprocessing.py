"""Random layers that prepare data: images, numbers, categories and sound."""

from __future__ import annotations

from layer_cases import L

from .users import Function

_FILLS = ("reflect", "wrap", "constant", "nearest")


def _fill(d):
    return {"fill_mode": d.of(*_FILLS), "interpolation": d.of("bilinear", "bilinear", "nearest"),
            **d.some(0.3, fill_value=0.3)}


def _place(d, high):
    """A factor that says the same for every image: a range of one number."""
    factor = d.number(-high, high)
    return [factor, factor]


def _share(d):
    factor = d.number(0.05, 0.95)
    return [factor, factor]


def fixed_image(d, rgb, size, value_range, layout):
    """An image layer whose draws leave no choice, so that training can be compared.

    Args:
        rgb: the images have three channels.
        size: (height, width).
        value_range: of the images.
        layout: `{"data_format": ...}` or nothing.
    """
    ranged = {"value_range": value_range}
    options = [
        L("RandomRotation", factor=_place(d, 0.4), **_fill(d), **layout),
        L("RandomTranslation", height_factor=_place(d, 0.5), width_factor=_place(d, 0.5),
          **_fill(d), **layout),
        L("RandomZoom", height_factor=_place(d, 0.4),
          width_factor=_place(d, 0.4), **_fill(d), **layout),
        L("RandomShear", x_factor=0.0, y_factor=0.0, **_fill(d), **layout),
        L("RandomPerspective", factor=0.0, **layout),
        L("RandomElasticTransform", factor=0.0, **ranged, **layout),
        L("RandomErasing", factor=0.0, **ranged, **layout),
        L("RandomCrop", height=size[0], width=size[1], **layout),
        L("RandomGaussianBlur", factor=[1.0, 1.0], kernel_size=d.of(1, 3, 5), sigma=_share(d),
          **ranged, **layout),
        L("RandomBrightness", factor=_place(d, 0.8), **ranged),
        L("RandomContrast", factor=0.0, **ranged),
        L("RandomInvert", factor=d.of(0.0, [1.0, 1.0]), **ranged, **layout),
        L("Solarization", addition_factor=0.0, threshold_factor=0.0, **ranged),
        L("AutoContrast", **ranged),
        L("MaxNumBoundingBoxes", max_number=d.integer(1, 5)),
    ]
    if rgb:
        options += [
            L("RandomHue", factor=0.0, **ranged, **layout),
            L("RandomSaturation", factor=_share(d), **ranged, **layout),
            L("RandomColorDegeneration", factor=_share(d), **ranged, **layout),
            L("RandomSharpness", factor=_share(d), **ranged, **layout),
            L("RandomGrayscale", factor=d.of(0.0, 1.0), **layout),
            L("RandomColorJitter", **ranged, **layout),
        ]
    layer = d.of(*options)
    if d.chance(0.1):
        return L("Pipeline", layers=[layer, d.of(*options)])
    return layer


def drawn_image(d, rgb, size, value_range, layout):
    """An image layer with random draws: nothing happens at inference."""
    ranged = {"value_range": value_range}
    rate = d.number(0.1, 0.9)
    pair = sorted([d.number(0.05, 0.5), d.number(0.5, 0.95)])
    options = [
        L("RandomFlip", mode=d.of("horizontal", "vertical", "horizontal_and_vertical"), **layout),
        L("RandomRotation", factor=d.of(rate, pair), **_fill(d), **layout),
        L("RandomTranslation", height_factor=rate, width_factor=pair, **_fill(d), **layout),
        L("RandomZoom", height_factor=rate, width_factor=d.of(None, pair), **_fill(d), **layout),
        L("RandomShear", x_factor=rate, y_factor=d.of(0.0, pair), **_fill(d), **layout),
        L("RandomPerspective", factor=rate, scale=rate, **layout),
        L("RandomElasticTransform", factor=rate, scale=pair, **ranged, **layout),
        L("RandomErasing", factor=rate, scale=pair, fill_value=d.of(None, 0.5), **ranged,
          **layout),
        L("RandomCrop", height=size[0], width=size[1], **layout),
        L("RandomGaussianBlur", factor=rate, kernel_size=3, sigma=pair, **ranged, **layout),
        L("RandomBrightness", factor=d.of(rate, pair), **ranged),
        L("RandomContrast", factor=d.of(rate, pair), **ranged),
        L("RandomInvert", factor=rate, **ranged, **layout),
        L("RandomPosterization", factor=d.integer(2, 8), **ranged, **layout),
        L("Solarization", addition_factor=rate, threshold_factor=rate, **ranged),
        L("MixUp", alpha=rate, **layout),
        L("CutMix", factor=d.of(rate, pair), **layout),
    ]
    if rgb:
        colours = [
            L("RandomHue", factor=rate, **ranged, **layout),
            L("RandomSaturation", factor=rate, **ranged, **layout),
            L("RandomColorDegeneration", factor=rate, **ranged, **layout),
            L("RandomSharpness", factor=rate, **ranged, **layout),
            L("RandomGrayscale", factor=rate, **layout),
            L("RandomColorJitter", brightness_factor=rate, contrast_factor=rate,
              saturation_factor=rate, hue_factor=rate, **ranged, **layout),
            L("RandAugment", num_ops=d.integer(1, 3), factor=rate, **ranged, **layout),
            L("AugMix", num_chains=d.integer(1, 3), chain_depth=2, **ranged, **layout),
        ]
        options = colours if d.chance(0.6) else options + colours
    layer = d.of(*options)
    if d.chance(0.1):
        return L("Pipeline", layers=[layer, d.of(*options)])
    return layer


def augmentation(d, shape, draws, value_range):
    """One or two image layers for samples of `shape`."""
    first = d.chance(0.2)
    layout = {"data_format": "channels_first"} if first else {}
    channels, size = (shape[0], shape[1:]) if first else (shape[-1], shape[:2])
    make = drawn_image if draws else fixed_image
    return [
        make(d, channels == 3, size, value_range, layout) for _ in range(d.integer(1, 2))
    ]


def numbers(d, shape):
    """A layer for numbers that comes before all others; may need `adapt`."""
    width = shape[-1]
    given = d.rng.uniform(0.5, 2, (2, width)).round(2).tolist()
    axes = d.of(-1, None, list(range(1, len(shape) + 1)))
    # Keras counts rows of ids along axis 1, whatever their rank.
    counted = ("multi_hot", "count") if len(shape) == 1 else ("one_hot",)
    return d.of(
        L("Normalization", mean=given[0], variance=given[1], invert=d.chance(0.3)),
        L("Normalization", mean=d.number(-1, 1), variance=d.number(0.3, 3), axis=None),
        L("Normalization", axis=axes, invert=d.chance(0.3)),
        L("Rescaling", scale=d.number(0.5, 2), offset=d.number(-1, 1)),
        L("Discretization", bin_boundaries=[-0.7, 0.1, 0.8],
          output_mode=d.of("one_hot", "int", *counted)),
        L("Discretization", num_bins=d.integer(2, 5), output_mode=d.of("int", *counted)),
        L("Lambda", function=Function("double")),
    )


def needs_adapt(spec):
    """Whether the layer learns from data before it can be used."""
    arguments = spec.arguments
    if spec.class_name == "Normalization":
        return "mean" not in arguments
    return spec.class_name == "Discretization" and "num_bins" in arguments


def categories(d, ids):
    """A layer that counts token ids."""
    return L("CategoryEncoding", num_tokens=ids, output_mode=d.of("multi_hot", "count", "one_hot"))


def sound(d, draws):
    """(sample shape, spectrogram) for signals."""
    if d.chance(0.3):
        return (d.integer(40, 60),), L(
            "MelSpectrogram", fft_length=32, sequence_stride=d.of(8, 16), num_mel_bins=6,
            power_to_db=d.chance(0.5), mag_exp=d.of(1.0, 2.0), window=d.of("hann", "hamming", None),
        )
    first = d.data_format()
    samples, channels = d.integer(18, 30), d.integer(1, 2)
    # An angle jumps where the real part changes sign.
    modes = ("log", "magnitude", "psd", "real", "imag", "stft", *(("angle",) if draws else ()))
    arguments = {"fft_length": d.of(8, 16), **d.some(0.5, frame_step=3)}
    layer = L("STFTSpectrogram", mode=d.of(*modes), frame_length=8, **arguments, **first,
              window=d.of("hann", "hamming", None), scaling=d.of("density", "spectrum", None),
              padding=d.of("valid", "same"), **d.some(0.3, periodic=True, expand_dims=True))
    return ((channels, samples) if first else (samples, channels)), layer
