"""What the layers that move pixels do to bounding boxes beside the images.

Each function takes corners `(n, boxes, 4)` in pixels, or in shares of the size where it says so.
The rules are those of Keras, the same numbers included.
"""

from __future__ import annotations

import numpy as np

from pyseq.ops.image import boxes as box_ops, geometry, resizing


def densified(bounding_boxes, where, batched):
    """A dict of arrays: "boxes" of float32 and "labels"; lists of uneven lengths are filled up.

    Missing boxes are zeros with the label -1.
    """
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= bounding_boxes.keys():
        got = sorted(bounding_boxes) if isinstance(bounding_boxes, dict) else bounding_boxes
        raise ValueError(
            f"{where}: expected bounding boxes as a dict with 'boxes' and 'labels', got {got!r}"
        )
    boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
    if batched and isinstance(boxes, (list, tuple)) and isinstance(labels, (list, tuple)):
        boxes, labels = _filled_up(boxes, labels, where)
    boxes, labels = np.asarray(boxes, "float32"), np.asarray(labels)
    if boxes.ndim not in (2, 3) or boxes.shape[-1] != 4:
        raise ValueError(
            f"{where}: expected boxes (n, 4) or (batch, n, 4), got shape {boxes.shape}"
        )
    if labels.ndim not in (boxes.ndim - 1, boxes.ndim):
        raise ValueError(
            f"{where}: expected a label for each box of {boxes.shape}, got shape {labels.shape}"
        )
    return {**bounding_boxes, "boxes": boxes, "labels": labels}


def _filled_up(boxes, labels, where):
    counts = [len(b) for b in boxes]
    if counts != [len(row) for row in labels]:
        raise ValueError(
            f"{where}: expected as many labels as boxes, got {counts} boxes and "
            f"{[len(row) for row in labels]} labels"
        )
    if len(set(counts)) <= 1:
        return boxes, labels
    filled = np.zeros((len(boxes), max(counts), 4), "float32")
    names = np.full(filled.shape[:2], -1, "int32")
    for i, n in enumerate(counts):
        if n:
            filled[i, :n], names[i, :n] = boxes[i], labels[i]
    return filled, names


def flipped(corners, flips, across, down):
    """Corners in shares of the size, mirrored where `flips` is true."""
    x1, y1, x2, y2 = np.split(corners, 4, axis=-1)
    if across:
        x1, x2 = np.where(flips, 1 - x2, x1), np.where(flips, 1 - x1, x2)
    if down:
        y1, y2 = np.where(flips, 1 - y2, y1), np.where(flips, 1 - y1, y2)
    return np.concatenate([x1, y1, x2, y2], axis=-1)


def shifted(corners, right, down):
    """Corners moved by `right` and `down` `(n, 1)`."""
    shift = np.concatenate([right, down, right, down], axis=-1).astype(corners.dtype)
    return corners + (shift[:, None] if corners.ndim == 3 else shift)


def turned(corners, degrees, height, width):
    """The boxes around the corners turned by `degrees` `(n,)`."""
    degrees = np.asarray(degrees, "float32")
    zero, one = np.zeros_like(degrees), np.ones_like(degrees)
    return box_ops.affine_transform(
        corners, degrees, zero, zero, one, zero, zero, height, width
    )


def zoomed(corners, matrix, height, width):
    """Corners in shares of what the map of `matrix` `(n, 6)` leaves in the image."""
    matrix = np.asarray(matrix, "float32")[:, :, None, None]
    left, top = matrix[:, 2], matrix[:, 5]
    right, bottom = matrix[:, 0] * width + left, matrix[:, 4] * height + top
    x1, y1, x2, y2 = np.split(corners, 4, axis=-1)
    x1, x2 = ((np.clip(x, left, right) - left) / (right - left) for x in (x1, x2))
    y1, y2 = ((np.clip(y, top, bottom) - top) / (bottom - top) for y in (y1, y2))
    return np.concatenate([x1, y1, x2, y2], axis=-1)


def slanted(corners, factor):
    """Corners in shares of the size, slanted by `factor` `(n, 2)`: across, then down."""
    across, down = np.split(np.asarray(factor, corners.dtype), 2, axis=-1)
    x1, y1, x2, y2 = (corners[..., i] for i in range(4))
    x1, x2 = (
        np.where(across < 0, x1 - across * y1, x1 - across * y2),
        np.where(across < 0, x2 - across * y2, x2 - across * y1),
    )
    y1, y2 = (
        np.where(down > 0, y1 - down * x2, y1 - down * x1),
        np.where(down > 0, y2 - down * x1, y2 - down * x2),
    )
    return np.stack([x1, y1, x2, y2], axis=-1)


def seen(corners, start_points, end_points):
    """The boxes around the corners moved by the projective map of start to end points."""
    numbers = geometry.homography(start_points, end_points)
    ones = np.ones((len(numbers), 1))
    inverse = np.linalg.inv(np.concatenate([numbers, ones], axis=1).reshape(-1, 3, 3))[:, None]
    x, y = corners[..., [0, 2, 0, 2]], corners[..., [1, 3, 3, 1]]

    def row(i):
        return inverse[..., i, 0:1] * x + inverse[..., i, 1:2] * y + inverse[..., i, 2:3]

    x, y = row(0) / row(2), row(1) / row(2)
    ends = (x.min(-1), y.min(-1), x.max(-1), y.max(-1))
    return np.stack(ends, axis=-1).astype(corners.dtype)


def cut(corners, top, left, height, width):
    """Corners limited to a part of the image, in its coordinates."""
    return box_ops.crop(corners, top, left, height, width)


def smartly_resized(corners, height, width, to_height, to_width):
    """Corners after the centred part of the target's ratio is resized to the target."""
    top, left, part_height, part_width = resizing.aspect_crop_box(
        height, width, to_height, to_width
    )
    part = cut(corners, top, left, part_height, part_width)
    return part * _scale(to_width / part_width, to_height / part_height, corners)


def _scale(across, down, corners):
    return np.asarray([across, down, across, down], corners.dtype)


def resized(corners, height, width, to_height, to_width, pad, crop):
    """Corners after `Resizing`, with its three ways to meet another ratio."""
    if pad:
        scale = min(to_height / height, to_width / width)
        down, across = (to_height - height * scale) // 2, (to_width - width * scale) // 2
        return corners * _scale(scale, scale, corners) + _scale(across, down, corners)
    if crop:
        ratio, target = width / height, to_width / to_height
        new_width = to_height * ratio if ratio > target else to_width
        new_height = to_height if ratio > target else to_width / ratio
        across, down = (new_width - to_width) // 2, (new_height - to_height) // 2
        scale = _scale(new_width / width, new_height / height, corners)
        return corners * scale - _scale(across, down, corners)
    return corners * _scale(to_width / width, to_height / height, corners)
