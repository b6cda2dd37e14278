"""Dicts of images, labels, boxes and masks through image layers, and the hooks of subclasses."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import copy

import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.random import SeedGenerator

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Tensor.T is deprecated"),
]

RANDOM = np.random.default_rng(11)
N, HEIGHT, WIDTH = 4, 10, 8
IMAGES = RANDOM.uniform(0, 255, (N, HEIGHT, WIDTH, 3)).astype("float32")
MASKS = RANDOM.integers(0, 5, (N, HEIGHT, WIDTH, 1)).astype("float32")
LABELS = np.eye(N, dtype="float32")
CORNERS = np.array([[[1, 2, 4, 5], [3, 3, 7, 9]]] * N, "float32") + np.arange(N)[:, None, None] / 4
NAMES = np.arange(2 * N).reshape(N, 2)


def data(**more):
    boxes = {"boxes": CORNERS.copy(), "labels": NAMES.copy()}
    given = {"images": IMAGES, "labels": LABELS, "segmentation_masks": MASKS}
    return {**given, "bounding_boxes": boxes, **more}


def numbers(value):
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(numbers(v) for v in value)
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


GEOMETRY = [
    ("RandomFlip", {"mode": "horizontal"}),
    ("RandomFlip", {}),
    ("RandomRotation", {"factor": 0.2}),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": (-0.4, 0.2)}),
    ("RandomZoom", {"height_factor": 0.4, "width_factor": -0.3}),
    ("RandomShear", {"x_factor": 0.3, "y_factor": (0.1, 0.2)}),
    ("RandomPerspective", {"factor": (0.5, 1.0), "scale": 0.5}),
    ("RandomCrop", {"height": 6, "width": 5, "seed": 3}),
    ("CenterCrop", {"height": 7, "width": 4}),
    ("CenterCrop", {"height": 14, "width": 4}),
    ("Resizing", {"height": 20, "width": 20}),
    ("Resizing", {"height": 20, "width": 20, "pad_to_aspect_ratio": True}),
    ("Resizing", {"height": 9, "width": 20, "crop_to_aspect_ratio": True}),
    ("RandAugment", {"num_ops": 3}),
]
FORMATS = ["xyxy", "rel_yxyx", "center_xywh"]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("name", "arguments"), GEOMETRY)
def test_boxes_and_masks_with_the_choices_of_keras(keras, name, arguments, form, data_format):
    arguments = {**arguments, "data_format": data_format}
    mine = getattr(layers, name)(**arguments, bounding_box_format=form, name="x")
    theirs = getattr(keras.layers, name)(**arguments, bounding_box_format=form, name="x")
    first = data_format == "channels_first"
    images, masks = (np.moveaxis(a, -1, 1) if first else a for a in (IMAGES, MASKS))
    drawn = theirs.get_random_transformation(images, training=True)
    choices = copy.deepcopy(numbers(drawn))
    if name == "RandAugment":
        choices["input_shape"] = images.shape
    corners = pyseq.utils.bounding_boxes.convert_format(CORNERS, "xyxy", form, HEIGHT, WIDTH)
    tensor = theirs.backend.convert_to_tensor
    boxes = {"boxes": tensor(corners), "labels": tensor(NAMES)}
    expected = numbers(theirs.transform_bounding_boxes(boxes, drawn))
    given = {"boxes": corners.copy(), "labels": NAMES}
    got = mine.transform_bounding_boxes(given, choices)
    assert got["boxes"].dtype == expected["boxes"].dtype and got["boxes"].shape == CORNERS.shape
    np.testing.assert_allclose(got["boxes"], expected["boxes"], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(got["labels"], expected["labels"])
    np.testing.assert_array_equal(given["boxes"], corners)
    expected = numbers(theirs.transform_segmentation_masks(tensor(masks), drawn))
    got = mine.transform_segmentation_masks(masks, choices)
    if name == "RandAugment":
        return  # Keras's order of the steps is another than that of the list
    assert got.shape == expected.shape and np.mean(abs(got - expected) < 1e-3) > 0.98
    assert mine.get_config() == theirs.get_config()


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_labels_are_mixed_as_images_are(keras, name):
    mine, theirs = getattr(layers, name)(seed=3), getattr(keras.layers, name)(seed=3)
    drawn = theirs.get_random_transformation(IMAGES, training=True)
    choices, tensor = numbers(drawn), theirs.backend.convert_to_tensor
    expected = numbers(theirs.transform_labels(tensor(LABELS), drawn))
    np.testing.assert_allclose(mine.transform_labels(LABELS, choices), expected, atol=1e-6)
    whole = LABELS.astype("int64")
    np.testing.assert_allclose(mine.transform_labels(whole, choices), expected, atol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_shares_of_cutmix_are_shares_of_pixels(data_format):
    first = data_format == "channels_first"
    # The value of each image is its number, so that the mean shows who lies in it.
    side = 64
    images = np.broadcast_to(np.arange(8.0)[:, None, None, None], (8, side, side, 1))
    images = np.moveaxis(images, -1, 1) if first else images
    layer = layers.CutMix(seed=5, data_format=data_format)
    given = {"images": images, "labels": np.eye(8), "segmentation_masks": images}
    out = layer(given)
    mean = out["images"].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(out["labels"] @ np.arange(8), mean, atol=8 * 3 / side)
    np.testing.assert_allclose(out["labels"].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(out["segmentation_masks"], out["images"])
    assert (mean != np.arange(8)).any()
    off = layer(given, training=False)
    np.testing.assert_array_equal(off["labels"], np.eye(8))


def test_mixup_of_a_dict():
    out = layers.MixUp(alpha=1.0, seed=5, bounding_box_format="xyxy")(data())
    order = out["labels"].argsort(axis=1)
    share = np.take_along_axis(out["labels"], order, axis=1)
    expected = (IMAGES[order] * share[..., None, None, None]).sum(axis=1)
    np.testing.assert_allclose(out["images"], expected, rtol=1e-4, atol=1e-3)
    expected = (MASKS[order] * share[..., None, None, None]).sum(axis=1)
    np.testing.assert_allclose(out["segmentation_masks"], expected, rtol=1e-4, atol=1e-4)
    boxes = out["bounding_boxes"]
    assert boxes["boxes"].shape == (N, 4, 4) and boxes["labels"].shape == (N, 4)
    np.testing.assert_array_equal(boxes["boxes"][:, :2], CORNERS)
    np.testing.assert_array_equal(boxes["labels"][:, 0] % 2, 0)
    partner = boxes["labels"][:, 2] // 2
    np.testing.assert_array_equal(boxes["boxes"][:, 2:], CORNERS[partner])


ALL = [
    *GEOMETRY,
    ("RandomBrightness", {"factor": 0.3}),
    ("RandomContrast", {"factor": 0.3}),
    ("RandomColorDegeneration", {"factor": 0.3}),
    ("RandomColorJitter", {"hue_factor": 0.3}),
    ("RandomGrayscale", {}),
    ("RandomHue", {"factor": 0.3}),
    ("RandomSaturation", {"factor": 0.3}),
    ("RandomSharpness", {"factor": 0.3}),
    ("RandomPosterization", {"factor": 4}),
    ("RandomInvert", {}),
    ("Solarization", {}),
    ("RandomErasing", {}),
    ("RandomGaussianBlur", {}),
    ("RandomElasticTransform", {}),
    ("AutoContrast", {}),
    ("Equalization", {}),
    ("ContrastLimitedAdaptiveHistogramEqualization", {}),
    ("AugMix", {}),
    ("MixUp", {}),
    ("CutMix", {}),
    ("MaxNumBoundingBoxes", {"max_number": 3}),
]
BOXLESS = {"CutMix", "RandomElasticTransform"}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "arguments"), ALL)
def test_every_layer_takes_dicts(name, arguments, training, data_format):
    first = data_format == "channels_first"
    more = {"bounding_box_format": "xyxy", "data_format": data_format}
    layer = getattr(layers, name)(**arguments, **more)
    given = data(more="kept")
    if first:
        for key in ("images", "segmentation_masks"):
            given[key] = np.moveaxis(given[key], -1, 1)
    if name in BOXLESS:
        if training:
            with pytest.raises(ValueError, match="without bounding boxes"):
                layer(given)
        del given["bounding_boxes"]
    before = copy.deepcopy(given)
    out = layer(given, training=training)
    np.testing.assert_equal(given, before)
    assert out.keys() == given.keys() and out["more"] == "kept"
    assert out["images"].shape == layer.compute_output_shape(given["images"].shape)
    size = out["images"].shape[2:] if first else out["images"].shape[1:3]
    masks = np.moveaxis(out["segmentation_masks"], 1, -1) if first else out["segmentation_masks"]
    assert masks.shape == (N, *size, 1)
    assert out["labels"].shape == LABELS.shape
    one = {k: v[0] for k, v in given.items() if k in ("images", "labels", "segmentation_masks")}
    if name not in BOXLESS:
        one["bounding_boxes"] = {"boxes": CORNERS[0], "labels": NAMES[0]}
    single = layer(one, training=training)
    assert single["images"].shape == out["images"].shape[1:]
    assert single["segmentation_masks"].shape == out["segmentation_masks"].shape[1:]
    if name not in BOXLESS:
        assert single["bounding_boxes"]["boxes"].shape == out["bounding_boxes"]["boxes"].shape[1:]
        assert single["bounding_boxes"]["labels"].shape == out["bounding_boxes"]["labels"].shape[1:]
    twin = type(layer).from_config(layer.get_config())
    assert twin.bounding_box_format == "xyxy"


def test_masks_and_boxes_follow_the_images():
    # A white rectangle on black: masks equal images, boxes lie around the white.
    images = np.zeros((6, 40, 40, 1), "float32")
    images[:, 12:20, 10:26] = 1
    boxes = {"boxes": np.tile([[[10, 12, 26, 20]]], (6, 1, 1)), "labels": np.zeros((6, 1), int)}
    for layer in (
        layers.RandomFlip(seed=1, bounding_box_format="xyxy"),
        layers.RandomTranslation(
            0.2, 0.2, interpolation="nearest", fill_mode="constant", seed=1,
            bounding_box_format="xyxy",
        ),
        layers.RandomElasticTransform(interpolation="nearest", seed=1),
    ):
        given = {"images": images, "segmentation_masks": images}
        if not isinstance(layer, layers.RandomElasticTransform):
            given["bounding_boxes"] = boxes
        out = layer(given)
        np.testing.assert_array_equal(out["segmentation_masks"], out["images"])
        for i, image in enumerate(out["images"][..., 0]):
            if "bounding_boxes" in out:
                rows, columns = np.nonzero(image)
                around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                np.testing.assert_allclose(out["bounding_boxes"]["boxes"][i, 0], around, atol=1.01)


PARTS = [
    ("brightness_factor", "RandomBrightness"),
    ("contrast_factor", "RandomContrast"),
    ("saturation_factor", "RandomSaturation"),
    ("hue_factor", "RandomHue"),
]


@pytest.mark.parametrize(("argument", "part"), PARTS)
def test_color_jitter_equals_its_parts(argument, part):
    jitter = layers.RandomColorJitter(**{argument: (0.1, 0.4)}, seed=2390)
    alone = getattr(layers, part)((0.1, 0.4), seed=2390)
    for _ in range(2):  # the second call too
        np.testing.assert_array_equal(jitter(IMAGES), alone(IMAGES))


def test_color_jitter_equals_all_its_parts_in_order():
    factors = {argument: (0.1, 0.4) for argument, _ in PARTS}
    source = SeedGenerator(9)
    expected = IMAGES
    for argument, part in PARTS:
        expected = getattr(layers, part)(factors[argument], seed=source)(expected)
    np.testing.assert_array_equal(layers.RandomColorJitter(**factors, seed=9)(IMAGES), expected)


class Doubled(layers.RandomBrightness):
    """Its choice is fixed, and it also changes labels, boxes and masks."""

    def get_random_transformation(self, data, training=True, seed=None):
        return {"rgb_delta": np.full((1, 1, 1), 7.0)}

    def transform_labels(self, labels, transformation, training=True):
        return labels * 2

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        return {**bounding_boxes, "boxes": bounding_boxes["boxes"] + 1}

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        return segmentation_masks + transformation["rgb_delta"]


def test_hooks_of_subclasses():
    layer = Doubled(0.5, bounding_box_format="xyxy")
    out = layer(data())
    brighter = np.clip(IMAGES + 7, 0, 255)
    np.testing.assert_allclose(out["images"], brighter)
    np.testing.assert_array_equal(out["labels"], 2 * LABELS)
    np.testing.assert_array_equal(out["bounding_boxes"]["boxes"], CORNERS + 1)
    np.testing.assert_array_equal(out["segmentation_masks"], MASKS + 7)
    np.testing.assert_allclose(layer(IMAGES[1]), brighter[1])
    one = data()
    single = layer({k: one[k][0] for k in ("images", "labels", "segmentation_masks")})
    np.testing.assert_array_equal(single["labels"], 2 * LABELS[0])
    np.testing.assert_array_equal(single["segmentation_masks"], MASKS[0] + 7)


class Negative(layers.RandomFlip):
    def transform_images(self, images, transformation, training=True):
        return -np.asarray(images, "float32")


class Shifted(layers.RandomFlip):
    def call(self, data, training=True):
        return super().call(data, training=False) + 1


@pytest.mark.parametrize(("kind", "expected"), [(Negative, -IMAGES), (Shifted, IMAGES + 1)])
def test_hooks_act_inside_models(kind, expected):
    model = pyseq.Sequential([pyseq.Input(IMAGES.shape[1:]), kind()])
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), expected, rtol=1e-6)
    np.testing.assert_allclose(kind()(IMAGES), expected, rtol=1e-6)


def test_choices_of_a_seed():
    layer = layers.RandomRotation(0.3)
    one, two = (layer.get_random_transformation(IMAGES, seed=4)["angle"] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (layer.get_random_transformation(IMAGES)["angle"] != one).any()
    assert layer.get_random_transformation(IMAGES, training=False) is None
    drawn = layer.get_random_transformation({"images": IMAGES[0]})
    np.testing.assert_allclose(
        layer.transform_single_image(IMAGES[0], drawn), layer.transform_images(IMAGES[:1], drawn)[0]
    )


def test_uneven_boxes_are_filled_up():
    uneven = {"boxes": [[[1, 1, 2, 2]], []], "labels": [[5], []]}
    layer = layers.MaxNumBoundingBoxes(2, fill_value=-3, bounding_box_format="xyxy")
    out = layer({"images": IMAGES[:2], "bounding_boxes": uneven})["bounding_boxes"]
    assert out["boxes"].tolist() == [[[1] * 2 + [2] * 2, [-3] * 4], [[0] * 4, [-3] * 4]]
    assert out["labels"].tolist() == [[5, -3], [-1, -3]]
    shapes = {"images": (2, 8, 8, 3), "bounding_boxes": {"boxes": (2, 1, 4), "labels": (2, 1)}}
    got = layer.compute_output_shape(shapes)["bounding_boxes"]
    assert got == {"boxes": (2, 2, 4), "labels": (2, 2)}


@pytest.mark.parametrize(
    ("layer", "given", "message"),
    [
        (layers.RandomFlip(), data(), "bounding box format"),
        (layers.RandomFlip(), {"labels": LABELS}, "dict with 'images'"),
        (layers.RandomFlip(), {"images": np.zeros((2, 2))}, "expected images"),
        (layers.RandomFlip(), {"images": IMAGES, "labels": LABELS[:2]}, "one batch size"),
        (layers.RandomFlip(), {"images": IMAGES, "segmentation_masks": MASKS[..., 0]}, "channels"),
        (layers.MixUp(), {"images": IMAGES, "labels": np.arange(N)}, "one-hot"),
        (layers.CutMix(), {"images": IMAGES, "labels": np.array([["a"]] * N)}, "one-hot"),
        (layers.RandomFlip(bounding_box_format="xyxy"), data(bounding_boxes=CORNERS), "a dict with"),
        (layers.RandomFlip(bounding_box_format="xyxy"),
         data(bounding_boxes={"boxes": CORNERS[..., :3], "labels": NAMES}), "batch, n, 4"),
        (layers.RandomFlip(bounding_box_format="xyxy"),
         data(bounding_boxes={"boxes": CORNERS, "labels": 3}), "a label for each box"),
        (layers.RandomFlip(bounding_box_format="xyxy"),
         data(bounding_boxes={"boxes": [[[1, 1, 2, 2]], []], "labels": [[1], [2]]}), "as many"),
        (layers.RandomFlip(bounding_box_format="abc"), data(), "`source`"),
    ],
)
def test_wrong_dicts(layer, given, message):
    with pytest.raises(ValueError, match=message):
        layer(given)
