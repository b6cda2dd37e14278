"""Bounding boxes as arrays of four numbers: formats, crops, affine maps, overlaps, deltas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings

if TYPE_CHECKING:
    from pyseq.types import DTypeLike, Tensor

# The parts of a box as functions of corners, and back; "rel_" stands for shares of the size.
FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


def _parts(boxes):
    return [boxes[..., i : i + 1] for i in range(4)]


def _joined(*parts):
    return np.concatenate(parts, axis=-1)


def _corners(boxes, layout):
    """`boxes` of a layout as x1, y1, x2, y2."""
    a, b, c, d = _parts(boxes)
    if layout == "yxyx":
        return b, a, d, c
    if layout == "xywh":
        return a, b, a + c, b + d
    if layout == "center_yxhw":
        a, b, c, d = b, a, d, c
    if layout.startswith("center"):
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return a, b, c, d


def _laid_out(corners, layout):
    x1, y1, x2, y2 = corners
    if layout == "yxyx":
        return _joined(y1, x1, y2, x2)
    if layout == "xywh":
        return _joined(x1, y1, x2 - x1, y2 - y1)
    w, h = x2 - x1, y2 - y1
    if layout == "center_xywh":
        return _joined(x1 + w / 2, y1 + h / 2, w, h)
    if layout == "center_yxhw":
        return _joined(y1 + h / 2, x1 + w / 2, h, w)
    return _joined(x1, y1, x2, y2)


def _check_boxes(where, boxes):
    boxes = np.asarray(boxes)
    if boxes.ndim == 0 or boxes.shape[-1] != 4 or boxes.dtype.kind not in "fiub":
        raise ValueError(
            f"{where}: expected numbers with a last dimension of 4, got shape {boxes.shape} of "
            f"{boxes.dtype}"
        )
    return boxes


def _check_format(where, name, value, known=FORMATS):
    lowered = value.lower() if isinstance(value, str) else value
    if lowered not in known:
        raise ValueError(f"{where}: expected `{name}` to be one of {known}, got {value!r}")
    return lowered


def _only_corners(where, value):
    _check_format(where, "bounding_box_format", value, ("xyxy",))


def convert_format(
    boxes: Tensor,
    source: Any,
    target: Tensor,
    height: Any = None,
    width: Any = None,
    dtype: DTypeLike = "float32",
) -> Tensor:
    """Boxes of one format in another.

    Args:
        boxes: array `(..., 4)`, or a dict with it as "boxes"; a dict gives a new dict.
        source, target: "xyxy" (left, top, right, bottom), "yxyx", "xywh", "center_xywh",
            "center_yxhw", or "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh" in shares of
            the size of the image.
        height, width: size of the image, for "rel_" formats.
        dtype: of the result.

    Raises:
        ValueError: an unknown format, other than 4 numbers, or no size where one is needed.

    >>> convert_format([[10, 20, 30, 40]], "xyxy", "center_xywh").tolist()
    [[20.0, 30.0, 20.0, 20.0]]
    """
    if isinstance(boxes, dict):
        moved = convert_format(boxes["boxes"], source, target, height, width, dtype)
        return {**boxes, "boxes": moved}
    boxes = _check_boxes("convert_format", boxes).astype(dtype)
    source = _check_format("convert_format", "source", source)
    target = _check_format("convert_format", "target", target)
    relative = source.startswith("rel_"), target.startswith("rel_")
    if any(relative) and (height is None or width is None):
        raise ValueError(
            f"convert_format: expected `height` and `width` with {source!r} and {target!r}, got "
            f"{height!r} and {width!r}"
        )
    if source == target:
        return boxes
    x1, y1, x2, y2 = _corners(boxes, source.removeprefix("rel_"))
    if relative[0] != relative[1]:
        across, down = np.asarray(width, dtype), np.asarray(height, dtype)
        if relative[0]:
            x1, y1, x2, y2 = x1 * across, y1 * down, x2 * across, y2 * down
        else:
            x1, y1, x2, y2 = x1 / across, y1 / down, x2 / across, y2 / down
    return _laid_out((x1, y1, x2, y2), target.removeprefix("rel_"))


def clip_to_image_size(
    bounding_boxes: Tensor, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Tensor:
    """Boxes limited to the image; the labels of those that are then empty become -1.

    Args:
        bounding_boxes: dict of "boxes" `(..., n, 4)` and, if it has any, "labels" `(..., n)`.
        height, width: size of the image, for "xyxy".
        bounding_box_format: "xyxy" or "rel_xyxy".

    >>> boxes = {"boxes": np.array([[-1, 2, 5, 9], [8, 0, 9, 2]]), "labels": np.array([3, 4])}
    >>> clipped = clip_to_image_size(boxes, height=6, width=7)
    >>> clipped["boxes"].tolist(), clipped["labels"].tolist()
    ([[0, 2, 5, 6], [7, 0, 7, 2]], [3, -1])
    """
    where = "clip_to_image_size"
    known = ("xyxy", "rel_xyxy")
    relative = _check_format(where, "bounding_box_format", bounding_box_format, known) == known[1]
    if not relative and (height is None or width is None):
        raise ValueError(
            f"{where}: expected `height` and `width` with 'xyxy', got {height!r} and {width!r}"
        )
    boxes = _check_boxes(where, bounding_boxes["boxes"])
    limits = (1, 1) if relative else (width, height)
    across, down = (np.asarray(limit).astype(boxes.dtype) for limit in limits)
    x1, y1, x2, y2 = _parts(boxes)
    x1, x2 = np.clip(x1, 0, across), np.clip(x2, 0, across)
    y1, y2 = np.clip(y1, 0, down), np.clip(y2, 0, down)
    clipped = {**bounding_boxes, "boxes": _joined(x1, y1, x2, y2)}
    if bounding_boxes.get("labels") is not None:
        full = ((x2 - x1) * (y2 - y1))[..., 0] > 0
        clipped["labels"] = np.where(full, bounding_boxes["labels"], -1)
    return clipped


def affine_transform(
    boxes: Tensor,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Tensor:
    """The boxes around boxes that are turned, shifted, scaled and slanted, image by image.

    Args:
        boxes: `(batch, n, 4)` in "xyxy".
        angle: degrees, `(batch,)`, as the further ones.
        translate_x, translate_y: shares of the size.
        scale: factor of the inverse map.
        shear_x, shear_y: degrees.
        height, width: size of the image.
        center_x, center_y: the fixed point in shares of the size; the middle when None.

    >>> zero, one = np.zeros(1), np.ones(1)
    >>> boxes = np.array([[[0.0, 0.0, 2.0, 1.0]]])
    >>> affine_transform(boxes, one * 180, zero, zero, one, zero, zero, 5, 5).round(3).tolist()
    [[[2.0, 3.0, 4.0, 4.0]]]
    """
    _only_corners("affine_transform", bounding_box_format)
    boxes = _check_boxes("affine_transform", boxes)
    if boxes.ndim != 3:
        raise ValueError(
            f"affine_transform: expected boxes (batch, n, 4), got shape {boxes.shape}"
        )
    angle = np.atleast_1d(np.asarray(angle))
    dtype = angle.dtype if angle.dtype.kind == "f" else np.dtype("float32")
    turn = -angle * math.pi / 180
    slant_x, slant_y = (-np.asarray(s) * math.pi / 180 for s in (shear_x, shear_y))
    cx = (0.5 if center_x is None else np.asarray(center_x)) * (width - 1)
    cy = (0.5 if center_y is None else np.asarray(center_y)) * (height - 1)
    # The inverse of rotation, scale and shear about the centre.
    a = np.cos(turn - slant_y) / np.cos(slant_y)
    b = a * np.tan(slant_x) + np.sin(turn)
    c = -np.sin(turn - slant_y) / np.cos(slant_y)
    d = np.cos(turn) - c * np.tan(slant_x)
    a0, a1, b0, b1 = d * scale, -b * scale, -c * scale, a * scale
    to_x = cx - np.asarray(translate_x) * (width - 1)
    to_y = cy - np.asarray(translate_y) * (height - 1)
    a2, b2 = cx - a0 * to_x - a1 * to_y, cy - b0 * to_x - b1 * to_y
    rows = [np.broadcast_to(v, angle.shape)[:, None, None] for v in (a0, a1, a2, b0, b1, b2)]
    x, y = boxes[..., [0, 2, 2, 0]], boxes[..., [1, 1, 3, 3]]
    moved_x = rows[0] * x + rows[1] * y + rows[2]
    moved_y = rows[3] * x + rows[4] * y + rows[5]
    ends = (moved_x.min(-1), moved_y.min(-1), moved_x.max(-1), moved_y.max(-1))
    return np.stack(ends, axis=-1).astype(dtype)


def crop(
    boxes: Tensor, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy"
) -> Tensor:
    """Boxes in the coordinates of a crop, limited to it.

    >>> crop(np.array([[10, 20, 50, 60]]), top=10, left=20, height=40, width=30).tolist()
    [[0, 10, 30, 40]]
    """
    _only_corners("crop", bounding_box_format)
    x1, y1, x2, y2 = _parts(_check_boxes("crop", boxes))
    across, down = (lambda x: np.clip(x - left, 0, width)), (lambda y: np.clip(y - top, 0, height))
    return _joined(across(x1), down(y1), across(x2), down(y2))


def pad(
    boxes: Tensor,
    top: Any,
    left: Any,
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> Tensor:
    """Boxes in the coordinates of an image with `top` rows above and `left` columns before it.

    >>> pad(np.array([[1, 2, 3, 4]]), top=10, left=20).tolist()
    [[21, 12, 23, 14]]
    """
    _only_corners("pad", bounding_box_format)
    x1, y1, x2, y2 = _parts(_check_boxes("pad", boxes))
    return _joined(x1 + left, y1 + top, x2 + left, y2 + top)


def _size_of(where, image_shape):
    if image_shape is None:
        return {"height": None, "width": None}
    if len(image_shape) != 3:
        raise ValueError(
            f"{where}: expected `image_shape` (height, width, channels), got {image_shape!r}"
        )
    return {"height": image_shape[0], "width": image_shape[1]}


def _delta_options(where, name, encoding, variance):
    if encoding not in ("center_xywh", "center_yxhw"):
        raise ValueError(
            f"{where}: expected `{name}` to be 'center_xywh' or 'center_yxhw', got {encoding!r}"
        )
    if variance is None:
        return np.float32(1)
    variance = np.asarray(variance, "float32")
    if variance.shape[-1:] != (4,):
        raise ValueError(f"{where}: expected `variance` of 4 numbers, got {variance.tolist()}")
    return variance


def encode_box_to_deltas(
    anchors: Tensor,
    boxes: Tensor,
    anchor_format: Any,
    box_format: Any,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Tensor:
    """How boxes differ from anchors: shifts in sizes of the anchor, and logarithms of ratios.

    Args:
        anchors: `(n, 4)` in `anchor_format`.
        boxes: `(n, 4)` or `(batch, n, 4)` in `box_format`.
        encoding_format: "center_yxhw" or "center_xywh", the order of the four numbers.
        variance: four numbers by which the result is divided.
        image_shape: `(height, width, channels)`, for "rel_" formats.

    >>> deltas = encode_box_to_deltas([[0, 0, 2, 2]], [[1, 0, 3, 4]], "xyxy", "xyxy")
    >>> deltas.round(3).tolist()
    [[0.5, 0.5, 0.6930000185966492, 0.0]]
    """
    where = "encode_box_to_deltas"
    variance = _delta_options(where, "encoding_format", encoding_format, variance)
    size = _size_of(where, image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, **size)
    boxes = convert_format(boxes, box_format, encoding_format, **size)
    around = np.maximum(anchors[..., 2:], settings.epsilon)
    sides = np.maximum(boxes[..., 2:], settings.epsilon)
    shift = (boxes[..., :2] - anchors[..., :2]) / around
    return _joined(shift, np.broadcast_to(np.log(sides / around), shift.shape)) / variance


def decode_deltas_to_boxes(
    anchors: Tensor,
    boxes_delta: Any,
    anchor_format: Any,
    box_format: Any,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Tensor:
    """The reverse of `encode_box_to_deltas`, for arrays or for dicts of arrays by level.

    >>> anchors, boxes = [[0, 0, 2, 2]], [[1, 0, 3, 4]]
    >>> deltas = encode_box_to_deltas(anchors, boxes, "xyxy", "xyxy")
    >>> decode_deltas_to_boxes(anchors, deltas, "xyxy", "xyxy").round(3).tolist()
    [[1.0, 0.0, 3.0, 4.0]]
    """
    where = "decode_deltas_to_boxes"
    scale = _delta_options(where, "encoded_format", encoded_format, variance)
    size = _size_of(where, image_shape)

    def decoded(anchor, delta):
        anchor = convert_format(anchor, anchor_format, encoded_format, **size)
        delta = _check_boxes(where, delta) * scale
        shift = delta[..., :2] * anchor[..., 2:] + anchor[..., :2]
        box = _joined(shift, np.exp(delta[..., 2:]) * anchor[..., 2:])
        return convert_format(box, encoded_format, box_format, **size)

    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        return {level: decoded(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decoded(anchors, boxes_delta)


def _converted(where, boxes, source, target, image_shape):
    if "rel" in source and image_shape is None:
        raise ValueError(f"{where}: expected `image_shape` with {source!r}, got None")
    return convert_format(boxes, source, target, **_size_of(where, image_shape))


def compute_iou(
    boxes1: Tensor,
    boxes2: Tensor,
    bounding_box_format: Any,
    use_masking: bool = False,
    mask_val: Any = -1,
    image_shape: Any = None,
) -> Tensor:
    """Intersection over union of every box of one set with every box of another.

    Args:
        boxes1: `(m, 4)` or `(batch, m, 4)`.
        boxes2: `(n, 4)` or `(batch, n, 4)`.
        bounding_box_format: format of both.
        use_masking: give `mask_val` for pairs with a box whose numbers are all below 0.
        image_shape: `(height, width, channels)`, for "rel_" formats.

    Returns:
        `(m, n)`, or `(batch, m, n)` where one of the sets has a batch.

    >>> compute_iou([[0, 0, 2, 2]], [[0, 0, 2, 1], [5, 5, 6, 6]], "xyxy").round(3).tolist()
    [[0.5, 0.0]]
    """
    pair = []
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        rank = np.ndim(boxes)
        if rank not in (2, 3):
            raise ValueError(
                f"compute_iou: expected `{name}` of rank 2 or 3, got rank {rank}"
            )
        pair.append(_converted("compute_iou", boxes, bounding_box_format, "yxyx", image_shape))
    first, second = pair[0][..., :, None, :], pair[1][..., None, :, :]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    areas = [(b[..., 2:] - b[..., :2]).prod(axis=-1) for b in (first, second)]
    result = shared / (areas[0] + areas[1] - shared + np.float32(settings.epsilon))
    if not use_masking:
        return result
    masked = (first.max(axis=-1) < 0) | (second.max(axis=-1) < 0)
    return np.where(masked, np.asarray(mask_val, result.dtype), result)


def compute_ciou(
    boxes1: Tensor, boxes2: Tensor, bounding_box_format: Any, image_shape: Any = None
) -> Tensor:
    """Complete intersection over union of boxes with their partners (Zheng et al., 1911.08287).

    It also counts the distance of the centres and the difference of the ratios of the sides.

    Args:
        boxes1, boxes2: `(..., 4)`; their leading shapes are broadcast.
        bounding_box_format: format of both, in pixels.

    >>> round(float(compute_ciou([0, 0, 2, 2], [0, 0, 2, 2], "xyxy")), 3)
    1.0
    """
    known = tuple(f for f in FORMATS if not f.startswith("rel_"))
    _check_format("compute_ciou", "bounding_box_format", bounding_box_format, known)
    first, second = (
        _converted("compute_ciou", boxes, bounding_box_format, "xyxy", image_shape)
        for boxes in (boxes1, boxes2)
    )
    epsilon = np.float32(settings.epsilon)
    sides = [b[..., 2:] - b[..., :2] + np.array([0, epsilon]) for b in (first, second)]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    union = sides[0].prod(axis=-1) + sides[1].prod(axis=-1) - shared + epsilon
    iou = shared / (union + epsilon)
    start = np.minimum(first[..., :2], second[..., :2])
    end = np.maximum(first[..., 2:], second[..., 2:])
    diagonal = ((end - start) ** 2).sum(axis=-1) + epsilon
    centers = ((first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2) ** 2
    angles = [np.arctan(s[..., 0] / s[..., 1]) for s in sides]
    v = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    alpha = v / (v - iou + (1 + epsilon))
    return (iou - (centers.sum(axis=-1) / diagonal + v * alpha)).astype("float32")
