"""Bounding boxes against Keras: formats, crops, affine maps, overlaps, deltas."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import itertools

import numpy as np
import pytest

from pyseq import utils
from pyseq.ops.image.boxes import FORMATS
from pyseq.utils import bounding_boxes

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def oracle():
    return pytest.importorskip("keras").utils.bounding_boxes


@pytest.fixture(scope="module")
def tensor():
    return pytest.importorskip("keras").ops.convert_to_tensor


def corners(*shape):
    start = RANDOM.uniform(0, 6, (*shape, 2))
    return np.concatenate([start, start + RANDOM.uniform(0.5, 4, (*shape, 2))], -1).astype("float32")


def numbers(value):
    return {k: numbers(v) for k, v in value.items()} if isinstance(value, dict) else np.asarray(value)


def check(got, expected):
    expected = numbers(expected)
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key in expected:
            check(got[key], expected[key])
        return
    assert got.shape == expected.shape and got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_the_names_are_those_of_keras(oracle):
    assert {n for n in dir(oracle) if not n.startswith("_")} == set(bounding_boxes.__all__)
    assert utils.bounding_boxes is bounding_boxes


@pytest.mark.parametrize(("source", "target"), [*itertools.product(FORMATS, FORMATS)])
def test_formats(oracle, source, target):
    boxes = oracle.convert_format(corners(2, 3), "xyxy", source, 10, 12)
    boxes = np.asarray(boxes)
    got = bounding_boxes.convert_format(boxes, source.upper(), target, 10, 12)
    check(got, oracle.convert_format(boxes, source, target, 10, 12))
    given = {"boxes": boxes, "labels": np.arange(3)}
    moved = bounding_boxes.convert_format(given, source, target, 10, 12, dtype="float64")
    np.testing.assert_allclose(moved["boxes"], got, rtol=1e-5, atol=1e-5)
    assert moved["boxes"].dtype == "float64" and given["boxes"] is boxes


@pytest.mark.parametrize("form", ["xyxy", "rel_xyxy"])
def test_clips(oracle, tensor, form):
    boxes = {"boxes": corners(2, 4) - 3, "labels": np.arange(8).reshape(2, 4)}
    boxes["boxes"][0, 0] = [20, 1, 22, 4]
    got = bounding_boxes.clip_to_image_size(boxes, 4, 5, form)
    tensors = {k: tensor(v) for k, v in boxes.items()}
    check(got, oracle.clip_to_image_size(tensors, 4, 5, form))
    assert got["labels"][0, 0] == -1
    assert "labels" not in bounding_boxes.clip_to_image_size({"boxes": boxes["boxes"]}, 4, 5)


@pytest.mark.parametrize("center", [{}, {"center_x": 0.2, "center_y": 0.9}])
def test_affine_maps(oracle, tensor, center):
    boxes, n = corners(3, 4), 3
    values = [
        RANDOM.uniform(low, high, n).astype("float32")
        for low, high in [(-170, 170), (-1, 1), (-1, 1), (0.5, 2), (-30, 30), (-30, 30)]
    ]
    got = bounding_boxes.affine_transform(boxes, *values, 10, 12, **center)
    tensors = [tensor(v) for v in (boxes, *values)]
    expected = oracle.affine_transform(*tensors, 10, 12, **center)
    np.testing.assert_allclose(got, numbers(expected), rtol=1e-4, atol=1e-4)
    assert got.dtype == "float32"


def test_crops_and_pads(oracle, tensor):
    for boxes in (corners(4), corners(2, 4)):
        crop = {"top": 2, "left": 1, "height": 4, "width": 3}
        check(bounding_boxes.crop(boxes, **crop), oracle.crop(tensor(boxes), **crop))
        check(bounding_boxes.pad(boxes, 2, 3), oracle.pad(tensor(boxes), 2, 3))


@pytest.mark.parametrize("encoding", ["center_yxhw", "center_xywh"])
@pytest.mark.parametrize("variance", [None, [0.1, 0.2, 0.3, 0.4]])
@pytest.mark.parametrize("form", ["xyxy", "rel_yxyx", "xywh"])
def test_deltas(oracle, encoding, variance, form):
    anchors, boxes = corners(4), corners(2, 4)
    boxes = bounding_boxes.convert_format(boxes, "xyxy", form, 10, 12)
    more = {"variance": variance, "image_shape": (10, 12, 3)}
    got = bounding_boxes.encode_box_to_deltas(anchors, boxes, "xyxy", form, encoding, **more)
    check(got, oracle.encode_box_to_deltas(anchors, boxes, "xyxy", form, encoding, **more))
    back = bounding_boxes.decode_deltas_to_boxes(anchors, got, "xyxy", form, encoding, **more)
    np.testing.assert_allclose(back, boxes, rtol=1e-4, atol=1e-4)
    levels = bounding_boxes.decode_deltas_to_boxes(
        {1: anchors}, {1: got}, "xyxy", form, encoding, **more
    )
    np.testing.assert_array_equal(levels[1], back)


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((2, 3), (2, 4)), ((2, 3), (4,)), ((3,), (2, 4))])
def test_overlaps(oracle, shapes):
    first, second = (corners(*shape) for shape in shapes)
    check(
        bounding_boxes.compute_iou(first, second, "xywh"),
        oracle.compute_iou(first, second, "xywh"),
    )
    relative = {"bounding_box_format": "rel_xyxy", "image_shape": (10, 12, 3)}
    check(
        bounding_boxes.compute_iou(first / 10, second / 10, **relative),
        oracle.compute_iou(first / 10, second / 10, **relative),
    )


def test_masked_overlaps(oracle):
    first, second = corners(2, 3), corners(2, 3)
    first[0, 1] = second[1, 2] = -1
    more = {"use_masking": True, "mask_val": -7}
    got = bounding_boxes.compute_iou(first, second, "xyxy", **more)
    check(got, oracle.compute_iou(first, second, "xyxy", **more))
    assert (got[0, 1] == -7).all() and (got[1, :, 2] == -7).all() and (got == -7).sum() == 6


def test_complete_overlaps(oracle):
    first, second = corners(2, 5), corners(2, 5)
    check(
        bounding_boxes.compute_ciou(first, second, "center_xywh"),
        oracle.compute_ciou(first, second, "center_xywh"),
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: b.convert_format(np.zeros((2, 3)), "xyxy", "xywh"), "last dimension of 4"),
        (lambda b: b.convert_format([["a"] * 4], "xyxy", "xywh"), "expected numbers"),
        (lambda b: b.convert_format(np.zeros((2, 4)), "xyxz", "xywh"), "`source`"),
        (lambda b: b.convert_format(np.zeros((2, 4)), "xyxy", None), "`target`"),
        (lambda b: b.convert_format(np.zeros((2, 4)), "xyxy", "rel_xyxy"), "`height` and `width`"),
        (lambda b: b.clip_to_image_size({"boxes": np.zeros((2, 4))}), "`height` and `width`"),
        (lambda b: b.clip_to_image_size({"boxes": np.zeros((2, 4))}, 1, 1, "xywh"), "xywh"),
        (lambda b: b.crop(np.zeros((2, 4)), 0, 0, 1, 1, "xywh"), "bounding_box_format"),
        (lambda b: b.affine_transform(np.zeros((2, 4)), *[[0.0]] * 6, 1, 1), "(batch, n, 4)"),
        (lambda b: b.encode_box_to_deltas([[0] * 4], [[0] * 4], "xyxy", "xyxy", "xyxy"),
         "`encoding_format`"),
        (lambda b: b.decode_deltas_to_boxes([[0] * 4], [[0] * 4], "xyxy", "xyxy", variance=[1]),
         "`variance`"),
        (lambda b: b.compute_iou([0] * 4, [[0] * 4], "xyxy"), "`boxes1`"),
        (lambda b: b.compute_iou([[0] * 4], [[0] * 4], "rel_xyxy"), "`image_shape`"),
        (lambda b: b.compute_ciou([[0] * 4], [[0] * 4], "rel_xyxy"), "bounding_box_format"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        call(bounding_boxes)
