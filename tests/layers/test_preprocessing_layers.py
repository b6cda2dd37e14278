"""Preprocessing layers: numbers, categories, text and images, against Keras where it runs."""

import copy

import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.layers.preprocessing.hashing import fingerprint64, siphash64

RANDOM = np.random.default_rng(3)


@pytest.fixture
def oracle(keras):
    """Keras, whose variables NumPy 2 finds fault with."""
    return keras.layers


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def numpy_of(value):
    if isinstance(value, dict):
        return {k: numpy_of(v) for k, v in value.items()}
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


# --- numbers and categories


def test_rescaling():
    x = RANDOM.normal(size=(2, 4, 5, 3))
    layer = layers.Rescaling([1.0, 2.0, 3.0], offset=0.5)
    np.testing.assert_allclose(layer(x), x * [1.0, 2.0, 3.0] + 0.5, rtol=1e-5, atol=1e-6)
    column = np.arange(4.0).reshape(4, 1, 1)
    np.testing.assert_allclose(layers.Rescaling(column)(x), x * column, rtol=1e-5, atol=1e-6)
    assert layer.get_config()["scale"] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("axis", "shape"),
    [(-1, (50, 4)), (None, (50, 4)), ((1, 2), (50, 4, 3)), (1, (50, 4, 3)), (-1, (50, 4, 3))],
)
@pytest.mark.parametrize("invert", [True, False])
def test_normalization_adapts(oracle, axis, shape, invert):
    x = RANDOM.normal(3.0, 2.0, shape).astype("float32")
    mine = layers.Normalization(axis, invert=invert)
    theirs = oracle.Normalization(axis, invert=invert)
    mine.adapt(x)
    theirs.adapt(x)
    np.testing.assert_allclose(mine(x[:5]), numpy_of(theirs(x[:5])), rtol=1e-4, atol=1e-5)
    assert [w.shape for w in mine.get_weights()] == [np.shape(w) for w in theirs.get_weights()]


def test_normalization_adapts_to_batches_and_after_use():
    x = RANDOM.normal(3.0, 2.0, (60, 3))
    layer = layers.Normalization()
    model = pyseq.Sequential([pyseq.Input((3,)), layer])
    np.testing.assert_allclose(model(x[:2]), x[:2], rtol=1e-5)
    layer.adapt(x[i : i + 25] for i in range(0, 60, 25))
    expected = (x - x.mean(0)) / x.std(0)
    np.testing.assert_allclose(model(x[:2]), expected[:2], rtol=1e-4, atol=1e-5)
    weights = layer.get_weights()
    weights[0] = weights[0] + 1
    layer.set_weights(weights)
    np.testing.assert_allclose(model(x[:2]), expected[:2] - 1 / x.std(0), rtol=1e-3, atol=1e-4)


def test_normalization_of_given_moments(oracle):
    x = RANDOM.normal(size=(4, 3, 2)).astype("float32")
    for arguments in (
        {"mean": 1.0, "variance": 4.0},
        {"mean": [1.0, 2.0], "variance": [4.0, 9.0]},
        {"axis": (1, 2), "mean": [1.0, 2.0], "variance": [4.0, 9.0]},
        {"axis": 1, "mean": [1.0, 2.0, 0.0], "variance": [4.0, 9.0, 0.0], "invert": True},
    ):
        mine, theirs = layers.Normalization(**arguments), oracle.Normalization(**arguments)
        np.testing.assert_allclose(mine(x), numpy_of(theirs(x)), rtol=1e-5, atol=1e-6)
        assert mine.get_weights() == []


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4)])
def test_discretization_and_category_encoding(oracle, mode, shape):
    x = RANDOM.normal(size=shape).astype("float32")
    arguments = {"bin_boundaries": [-0.5, 0.1, 0.7], "output_mode": mode}
    mine, theirs = layers.Discretization(**arguments), oracle.Discretization(**arguments)
    if not (mode == "count" and shape == (6,)):
        np.testing.assert_array_equal(mine(x), numpy_of(theirs(x)))
    if mode == "int":
        return
    ids = RANDOM.integers(0, 5, shape)
    mine, theirs = layers.CategoryEncoding(5, mode), oracle.CategoryEncoding(5, mode)
    np.testing.assert_array_equal(mine(ids), numpy_of(theirs(ids)))
    assert mine.compute_output_shape(shape) == np.shape(mine(ids))


def test_discretization_adapts():
    x = RANDOM.normal(size=(500, 2)).astype("float32")
    layer = layers.Discretization(num_bins=5)
    layer.adapt(x)
    exact = np.quantile(x, [0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(layer.bin_boundaries, exact, atol=0.05)
    parts = layers.Discretization(num_bins=5)
    parts.adapt(x[i : i + 100] for i in range(0, 500, 100))
    np.testing.assert_allclose(parts.bin_boundaries, exact, atol=0.1)
    twin = layers.Discretization.from_config(layer.get_config())
    np.testing.assert_array_equal(twin(x), layer(x))


def test_category_counts_with_weights():
    layer = layers.CategoryEncoding(3, "count")
    y = layer(np.array([[0, 2, 2]]), count_weights=np.array([[0.5, 1.0, 2.0]]))
    assert y.tolist() == [[0.5, 0.0, 3.0]]


# --- hashing


@pytest.mark.parametrize(
    ("length", "value"),
    [
        (0, 0x9AE16A3B2F90404F), (3, 0x24A5B3A074E7F369), (7, 0x3C40C92B1CCB7355),
        (16, 0x434B165A86BF0E2E), (17, 0xF1E317A6C7EDF601), (32, 0xB8D6B155B4AB7C73),
        (33, 0xBC0972CB1A226B84), (64, 0x709EE62E81877C19), (65, 0xA7CA9A64CEC63FB0),
        (128, 0x9A6E471BFAD6AA07), (129, 0xF4E138A79971E50E), (200, 0x8CC69484A528A67F),
    ],
)
def test_farmhash_fingerprints(length, value):
    # Values of the reference implementation.
    assert fingerprint64((b"abcdefghij" * 30)[:length]) == value


def test_siphash_reference_vector():
    key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
    assert siphash64(bytes(range(15)), key) == 0xA129CA6149BE45E5


@pytest.mark.parametrize(
    ("arguments", "words", "bins"),
    [
        # Documented results of Keras.
        ({}, "A B C D E", [1, 0, 1, 1, 2]),
        ({"mask_value": ""}, "A B  C D", [1, 1, 0, 2, 2]),
        ({"salt": [133, 137]}, "A B C D E", [1, 2, 1, 0, 2]),
        ({"salt": 133}, "A B C D E", [0, 0, 2, 1, 0]),
    ],
)
def test_hashing(arguments, words, bins):
    layer = layers.Hashing(3, **arguments)
    y = layer([[w] for w in words.split(" ")])
    assert y.ravel().tolist() == bins
    assert y.dtype == "int64"
    assert layers.Hashing.from_config(layer.get_config()).get_config() == layer.get_config()


def test_hashing_in_a_model():
    ids = np.array([[1, 22], [333, 4444]])
    layer = layers.Hashing(7, output_mode="multi_hot")
    model = pyseq.Sequential([pyseq.Input((2,)), layer])
    np.testing.assert_array_equal(model(ids), layer(ids))


# --- lookups and text


@pytest.mark.parametrize("mode", ["int", "one_hot"])
def test_dtypes_of_symbolic_outputs(oracle, keras, mode):
    mine, theirs = (m.Discretization([0.0, 1.0], output_mode=mode) for m in (layers, oracle))
    y = theirs(keras.Input((4,)))
    assert mine(pyseq.Input((4,))).dtype == y.dtype
    assert mine.compute_output_spec(pyseq.KerasTensor((None, 4))).dtype == y.dtype
    assert mine.output_dtype == theirs.output_dtype


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_symbolic_bins_are_integers(dtype):
    assert layers.Hashing(3, dtype=dtype)(pyseq.Input((4,), dtype="string")).dtype == dtype


def test_normalization_adapts_to_arrays_alone():
    with pytest.raises(TypeError, match="without a `.shape`"):
        layers.Normalization().adapt(iter([42]))


def test_integer_lookup():
    vocabulary = [12, 36, 1138, 42]
    x = np.array([[12, 1138, 42], [37, 1000, 36]])
    assert layers.IntegerLookup(vocabulary=vocabulary)(x).tolist() == [[1, 3, 4], [0, 0, 2]]
    two = layers.IntegerLookup(vocabulary=vocabulary, num_oov_indices=2)
    assert two(x).tolist() == [[2, 4, 5], [1, 0, 3]]
    masked = layers.IntegerLookup(vocabulary=vocabulary, mask_token=37)
    assert masked(x).tolist() == [[2, 4, 5], [0, 1, 3]]
    assert masked.get_vocabulary() == [37, -1, 12, 36, 1138, 42]
    inverse = layers.IntegerLookup(vocabulary=vocabulary, invert=True)
    assert inverse(np.array([[1, 3, 4], [4, 0, 2]])).tolist() == [[12, 1138, 42], [42, -1, 36]]
    spread = layers.IntegerLookup(
        vocabulary=[10, 20, 30], num_oov_indices=4, oov_method="farmhash"
    )
    assert spread(np.array([100, 300, 700, 1100, 1700, 2000])).tolist() == [3, 3, 2, 2, 0, 1]


def test_integer_lookup_encodes():
    vocabulary, x = [12, 36, 1138, 42], np.array([[12, 1138, 42, 42], [42, 7, 36, 7]])
    counts = layers.IntegerLookup(vocabulary=vocabulary, output_mode="count")(x)
    assert counts.tolist() == [[0, 1, 0, 1, 2], [2, 0, 1, 0, 1]]
    hot = layers.IntegerLookup(vocabulary=vocabulary, output_mode="multi_hot")(x)
    assert hot.tolist() == [[0, 1, 0, 1, 1], [1, 0, 1, 0, 1]]
    one = layers.IntegerLookup(vocabulary=vocabulary, output_mode="one_hot")(x[:, 0])
    assert one.tolist() == [[0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    weights = [0.25, 0.75, 0.6, 0.4]
    layer = layers.IntegerLookup(output_mode="tf_idf", vocabulary=vocabulary, idf_weights=weights)
    np.testing.assert_allclose(layer(x), [[0, 0.25, 0, 0.6, 0.8], [1, 0, 0.75, 0, 0.4]])
    padded = layers.IntegerLookup(
        7, vocabulary=vocabulary, output_mode="count", pad_to_max_tokens=True
    )
    assert padded(x).shape == (2, 7)


def test_integer_lookup_in_a_model_and_adapt():
    x = np.array([[1, 1, 1, 5], [5, 9, 9, 0]])
    layer = layers.IntegerLookup(max_tokens=4, output_mode="multi_hot")
    layer.adapt(x)
    assert layer.get_vocabulary() == [-1, 1, 9, 5]
    model = pyseq.Sequential([pyseq.Input((4,)), layer, layers.Dense(2)])
    assert model(x).shape == (2, 2)


def test_string_lookup_adapts():
    layer = layers.StringLookup()
    layer.adapt([["a", "c", "d", "d"], ["d", "z", "b", "z"]])
    assert layer.get_vocabulary() == ["[UNK]", "d", "z", "c", "b", "a"]
    assert layer.get_vocabulary(include_special_tokens=False) == ["d", "z", "c", "b", "a"]
    assert layer([["a", "?"], ["d", "z"]]).tolist() == [[5, 0], [1, 2]]
    idf = layers.StringLookup(output_mode="tf_idf")
    idf.adapt([["a", "a"], ["a", "b"]])
    weights = np.log(1 + 2 / (1 + np.array([2, 1])))
    np.testing.assert_allclose(idf.idf_weights, [weights.mean(), *weights], rtol=1e-6)
    back = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    assert back(np.array([[1, 0, 2]])).tolist() == [["a", "[UNK]", "b"]]


def test_vocabulary_files(tmp_path):
    layer = layers.StringLookup(mask_token="")
    layer.adapt([["x", "y", "y"]])
    layer.save_assets(tmp_path)
    twin = layers.StringLookup.from_config(layer.get_config())
    twin.load_assets(tmp_path)
    assert twin.get_vocabulary() == layer.get_vocabulary() == ["", "[UNK]", "y", "x"]
    path = tmp_path / "words.txt"
    path.write_text("one\ntwo\n")
    given = layers.StringLookup(vocabulary=str(path))
    assert given([["two"]]).tolist() == [[2]]
    for cls in (layers.StringLookup, layers.IntegerLookup, layers.TextVectorization):
        with pytest.raises(ValueError, match="may not open files"):
            cls.from_config({"vocabulary": str(path)})


def test_text_vectorization():
    layer = layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["The cat, sat.", "the dog!"])
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "sat", "dog", "cat"]
    assert layer(["The DOG ran"]).tolist() == [[2, 4, 1, 0]]
    assert layer(["cat", "a b c d e"]).tolist() == [[5, 0, 0, 0], [1, 1, 1, 1]]
    free = layers.TextVectorization(vocabulary=["a", "b"])
    assert free(["a b a", "b"]).tolist() == [[2, 3, 2], [3, 0, 0]]
    assert free([["a b"], ["b"]]).tolist() == [[2, 3], [3, 0]]
    grams = layers.TextVectorization(ngrams=2, vocabulary=["a b", "b"], output_mode="count")
    assert grams(["a b b"]).tolist() == [[2, 1, 2]]
    letters = layers.TextVectorization(vocabulary=["a", "b"], split="character")
    assert letters(["ab"]).tolist() == [[2, 3]]
    custom = layers.TextVectorization(
        vocabulary=["A"], standardize=np.char.upper, split=lambda x: [t.split("-") for t in x]
    )
    assert custom(["a-b"]).tolist() == [[2, 1]]
    twin = layers.TextVectorization.from_config(free.get_config())
    assert twin(["b"]).tolist() == free(["b"]).tolist()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.StringLookup(vocabulary=["a"]),
        lambda: layers.StringLookup(vocabulary=["a"], invert=True),
        lambda: layers.TextVectorization(vocabulary=["a"], output_sequence_length=1),
    ],
)
def test_text_layers_behind_others_say_what_to_do(layer):
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Dense(1), layer()])
    with pytest.raises(ValueError, match="put it first in a Sequential, or .* before `fit`"):
        model(np.zeros((2, 1)))


# --- images

IMAGES = RANDOM.uniform(0, 255, (4, 9, 7, 3)).astype("float32")

AUGMENTATIONS = [
    ("RandomFlip", {"mode": "horizontal"}),
    ("RandomFlip", {"mode": "vertical"}),
    ("RandomFlip", {}),
    ("RandomRotation", {"factor": 0.2}),
    ("RandomRotation", {"factor": (0.1, 0.4), "fill_mode": "wrap"}),
    ("RandomRotation", {"factor": 0.2, "fill_mode": "constant", "fill_value": 9.0}),
    ("RandomRotation", {"factor": 0.2, "fill_mode": "nearest", "interpolation": "nearest"}),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": (-0.4, 0.2)}),
    ("RandomZoom", {"height_factor": 0.4}),
    ("RandomZoom", {"height_factor": (0.1, 0.4), "width_factor": -0.3}),
    ("RandomShear", {"x_factor": 0.3, "y_factor": (0.1, 0.2)}),
    ("RandomPerspective", {"factor": (1.0, 1.0), "scale": 0.5}),
    ("RandomBrightness", {"factor": 0.3}),
    ("RandomContrast", {"factor": (0.2, 0.5)}),
    ("RandomColorDegeneration", {"factor": 0.7}),
    ("RandomGrayscale", {"factor": 0.5}),
    ("RandomHue", {"factor": 0.4}),
    ("RandomSharpness", {"factor": 0.9}),
    ("RandomPosterization", {"factor": 5}),
    ("RandomInvert", {"factor": 1.0}),
    ("Solarization", {"addition_factor": 0.3, "threshold_factor": 0.6}),
    ("RandomErasing", {"factor": (1.0, 1.0)}),
    ("RandomGaussianBlur", {"factor": (1.0, 1.0), "kernel_size": 5}),
    ("MixUp", {}),
    ("CutMix", {}),
]


@pytest.mark.parametrize(("name", "arguments"), AUGMENTATIONS)
def test_augmentation_with_the_choices_of_keras(oracle, name, arguments):
    mine = getattr(layers, name)(**arguments, seed=1, name="x")
    theirs = getattr(oracle, name)(**arguments, seed=1, name="x")
    drawn = theirs.get_random_transformation(IMAGES, training=True)
    # A copy: the torch backend of Keras writes to the matrices that it is given.
    choices = copy.deepcopy(numpy_of(drawn))
    expected = numpy_of(theirs.transform_images(theirs.backend.convert_to_tensor(IMAGES), drawn))
    got = mine.transform_images(IMAGES, choices)
    if name == "RandomPosterization":
        assert np.mean(got == expected) > 0.99
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=2e-2)
    assert mine.get_config() == theirs.get_config()
    assert list(mine.get_config()) == list(theirs.get_config())
    drawn = mine.get_random_transformation(IMAGES)
    assert not isinstance(drawn, dict) or drawn.keys() == choices.keys()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *AUGMENTATIONS,
        ("RandomSaturation", {"factor": (0.4, 0.6)}),
        ("RandomColorJitter", {"brightness_factor": 0.2, "contrast_factor": 0.2,
                               "saturation_factor": (0.4, 0.6), "hue_factor": 0.1}),
        ("RandomElasticTransform", {}),
        ("RandAugment", {}),
        ("AugMix", {}),
        ("AugMix", {"all_ops": False}),
        ("RandomCrop", {"height": 5, "width": 4}),
        ("RandomCrop", {"height": 12, "width": 4}),
    ],
)
def test_every_augmentation(name, arguments):
    layer = getattr(layers, name)(**arguments, seed=4)
    y = layer(IMAGES)
    assert y.shape == layer.compute_output_shape(IMAGES.shape)
    assert np.isfinite(y).all() and y.dtype == "float32"
    assert layer(IMAGES[0]).shape == y.shape[1:]
    if name != "RandomCrop":
        np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)
    first = getattr(layers, name)(**arguments, seed=4, data_format="channels_first")
    other = first(np.moveaxis(IMAGES, -1, 1))
    np.testing.assert_allclose(np.moveaxis(other, 1, -1), y, rtol=1e-4, atol=1e-3)
    twin = type(layer).from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    model = pyseq.Sequential([pyseq.Input(IMAGES.shape[1:]), layer])
    assert model.predict(IMAGES, verbose=0).shape == y.shape


def test_saturation_of_one_half_changes_nothing():
    layer = layers.RandomSaturation((0.5, 0.5), value_range=(0, 1))
    np.testing.assert_allclose(layer(IMAGES / 255), IMAGES / 255, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Tensor.T is deprecated")
@pytest.mark.parametrize("name", ["AutoContrast", "Equalization"])
def test_histograms(oracle, name):
    mine, theirs = getattr(layers, name)(), getattr(oracle, name)()
    np.testing.assert_allclose(mine(IMAGES), numpy_of(theirs(IMAGES)), rtol=1e-4, atol=1e-2)


def test_adaptive_histograms(oracle):
    name = "ContrastLimitedAdaptiveHistogramEqualization"
    images = RANDOM.uniform(0, 255, (2, 21, 36, 2)).astype("float32")
    # No limit: Keras 3.15 cuts it to an integer on the torch backend.
    mine = getattr(layers, name)(clip_limit=0, tile_grid_size=(3, 4))
    theirs = getattr(oracle, name)(clip_limit=0, tile_grid_size=(3, 4))
    np.testing.assert_allclose(mine(images), numpy_of(theirs(images)), rtol=1e-3, atol=0.01)
    limited = getattr(layers, name)(clip_limit=1e-9, tile_grid_size=(3, 4))
    # Without slopes every value is as frequent as another: the map is the identity on integers.
    np.testing.assert_allclose(limited(np.floor(images)), np.floor(images), atol=0.5)


@pytest.mark.parametrize("size", [(5, 11), (9, 7), (20, 3)])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"interpolation": "nearest"}, {"crop_to_aspect_ratio": True},
     {"pad_to_aspect_ratio": True, "fill_value": 3.0}, {"antialias": True}],
)
def test_resizing(oracle, size, arguments):
    mine, theirs = layers.Resizing(*size, **arguments), oracle.Resizing(*size, **arguments)
    np.testing.assert_allclose(mine(IMAGES), numpy_of(theirs(IMAGES)), rtol=1e-3, atol=2e-2)
    assert mine.get_config() == {**theirs.get_config(), "name": mine.name}


@pytest.mark.parametrize("interpolation", ["bicubic", "lanczos3", "lanczos5"])
def test_resizing_keeps_flat_images_and_dtypes(interpolation):
    flat = np.full((1, 6, 6, 1), 7, np.uint8)
    y = layers.Resizing(9, 4, interpolation=interpolation)(flat)
    assert y.dtype == np.uint8 and np.all(y == 7)


def test_center_crop(oracle):
    for size in ((4, 3), (9, 7), (10, 5)):
        mine, theirs = layers.CenterCrop(*size), oracle.CenterCrop(*size)
        expected = numpy_of(theirs(IMAGES))
        np.testing.assert_allclose(mine(IMAGES), expected, rtol=1e-3, atol=2e-2)
        model = pyseq.Sequential([pyseq.Input(IMAGES.shape[1:]), mine])
        np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-3, atol=2e-2)


def test_augmentation_in_training():
    x = RANDOM.uniform(0, 1, (8, 6, 6, 1))
    model = pyseq.Sequential(
        [pyseq.Input((6, 6, 1)), layers.RandomFlip(), layers.RandomRotation(0.1),
         layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((8, 1)), epochs=1, verbose=0)


def test_pipeline(oracle):
    layer = layers.Pipeline([layers.RandomFlip(seed=1), layers.Rescaling(1 / 255)])
    assert layer(IMAGES).max() <= 1
    twin = layers.Pipeline.from_config(layer.get_config())
    assert [type(item).__name__ for item in twin.layers] == ["RandomFlip", "Rescaling"]
    model = pyseq.Sequential([pyseq.Input(IMAGES.shape[1:]), layer])
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), IMAGES / 255, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: layers.Normalization(mean=1.0), "both `mean` and `variance`"),
        (lambda: layers.Normalization(axis=4)(np.zeros((2, 3))), "`axis`"),
        (lambda: layers.Discretization(), "neither"),
        (lambda: layers.Discretization([0.0], num_bins=2), "both"),
        (lambda: layers.Discretization(num_bins=2)(np.zeros((2, 3))), "call `adapt`"),
        (lambda: layers.CategoryEncoding(), "`num_tokens`"),
        (lambda: layers.CategoryEncoding(2)(np.array([[5]])), "ids in 0 to 1"),
        (lambda: layers.CategoryEncoding(2, "int"), "`output_mode`"),
        (lambda: layers.Hashing(0), "num_bins >= 1"),
        (lambda: layers.Hashing(3, salt="x"), "`salt`"),
        (lambda: layers.Hashing(3, dtype="float32"), "'int32' or 'int64'"),
        (lambda: layers.IntegerLookup(1), "max_tokens above 1"),
        (lambda: layers.IntegerLookup(vocabulary=[1, 1]), "different tokens"),
        (lambda: layers.IntegerLookup(vocabulary=[]), "empty"),
        (lambda: layers.IntegerLookup(vocabulary=[1, 2, 3], max_tokens=3), "at most max_tokens=3"),
        (lambda: layers.IntegerLookup(vocabulary=[1], num_oov_indices=0)(np.array([2])),
         "num_oov_indices=1"),
        (lambda: layers.IntegerLookup(output_mode="count")(np.array([2])), "call `adapt`"),
        (lambda: layers.StringLookup(vocabulary=["a"]).adapt(["b"]), "without"),
        (lambda: layers.TextVectorization(standardize="upper"), "`standardize`"),
        (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=2),
         "output_mode='int'"),
        (lambda: layers.RandomFlip("diagonal"), "`mode`"),
        (lambda: layers.RandomRotation(2.0), r"\[-1, 1\]"),
        (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), "`fill_mode`"),
        (lambda: layers.RandomZoom(-1.0), "above -1"),
        (lambda: layers.RandomContrast(-0.1), r"\[0, 1\]"),
        (lambda: layers.RandomBrightness(0.1, value_range=3), "`value_range`"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), "odd"),
        (lambda: layers.RandomFlip()(np.zeros((2, 2))), "expected images"),
        (lambda: layers.Resizing(0, 3), "`height`"),
        (lambda: layers.Resizing(3, 3, "cubic"), "`interpolation`"),
        (lambda: layers.Pipeline([3]), "list of layers"),
    ],
)
def test_errors(make, rule):
    with pytest.raises((ValueError, TypeError), match=rule):
        make()


def test_hashed_crossing():
    # Values of the examples in the documentation of keras.layers.HashedCrossing.
    columns = [np.array(list("ABABA")), np.array([101, 101, 101, 102, 102])]
    layer = layers.HashedCrossing(5)
    assert layer(columns).tolist() == [1, 4, 1, 1, 3] and layer(columns).dtype == "int64"
    assert layer([c[:, None] for c in columns]).tolist() == [[1], [4], [1], [1], [3]]
    assert int(layer(["A", 101])) == 1
    hot = layers.HashedCrossing(5, output_mode="one_hot")
    assert hot(columns).tolist() == np.eye(5)[[1, 4, 1, 1, 3]].tolist()
    assert hot(columns).dtype == "float32"
    for one in (layer, hot):
        again = layers.HashedCrossing.from_config(one.get_config())
        np.testing.assert_array_equal(again(columns), one(columns))
    for wrong in (columns[0], columns[:1], [columns[0], np.ones(5)], [columns[0], np.ones((5, 2), int)]):
        with pytest.raises(ValueError, match="expected"):
            layer(wrong)
    with pytest.raises(ValueError, match="'int' or 'one_hot'"):
        layers.HashedCrossing(5, output_mode="count")
    with pytest.raises(ValueError, match="call it on arrays before the model"):
        pyseq.Sequential([layer])
