"""Intersection over union, for segmentation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq import settings
from pyseq.metrics.base import Metric
from pyseq.registry.registration import builtin

if TYPE_CHECKING:
    from pyseq.types import Axis, Config, DTypeLike, Tensor


@builtin("metrics")
class IoU(Metric):
    """Mean over some classes of TP / (TP + FP + FN); classes that never occur are left out.

    Args:
        num_classes: number of classes.
        target_class_ids: classes of the mean.
        ignore_class: label that does not count, or None.
        sparse_y_true: targets are integers; else scores or one-hot along `axis`.
        sparse_y_pred: the same for predictions.
        axis: axis of the classes.

    >>> print(IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1]).round(4))
    0.3333
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Any,
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: Any = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: Axis = -1,
    ) -> None:
        super().__init__(name=name, dtype=dtype or "int32")
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"{self.name}(target_class_ids): expected classes in [0, {num_classes}), "
                f"got {max(target_class_ids)}"
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_variable(
            (num_classes, num_classes), dtype=self._arithmetic, name="total_confusion_matrix"
        )

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch; labels outside of [0, num_classes) do not count."""
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        if not self.sparse_y_true:
            y_true = np.argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = np.argmax(y_pred, axis=self.axis)
        y_true = y_true.astype(self._arithmetic).reshape(-1)
        y_pred = y_pred.astype(self._arithmetic).reshape(-1)
        if y_true.shape != y_pred.shape:
            raise ValueError(
                f"{self.name}: expected as many labels as predictions, got {y_true.size} and "
                f"{y_pred.size}; set sparse_y_pred=False for scores per class"
            )
        weights = self._weights(sample_weight, y_true.shape)
        n = self.num_classes
        counts = (y_true >= 0) & (y_true < n) & (y_pred >= 0) & (y_pred < n)
        if self.ignore_class is not None:
            counts &= y_true != self.ignore_class
        cells = (y_true * n + y_pred)[counts].astype(np.int64)
        matrix = np.bincount(cells, weights=weights[counts], minlength=n * n)
        self.total_cm.assign_add(matrix.reshape(n, n).astype(self._arithmetic))

    def _weights(self, sample_weight, shape):
        if sample_weight is None:
            return np.ones(shape, dtype=self._arithmetic)
        weights = np.asarray(sample_weight)
        if weights.dtype.kind == "f" and np.dtype(self._arithmetic).kind == "i":
            if np.any(weights != np.trunc(weights)):
                warnings.warn(
                    f"{self.name}: expected integer sample weights, got fractions, which are cut "
                    f"off; pass dtype='float32' to the metric to keep them",
                    stacklevel=4,
                )
        weights = weights.astype(self._arithmetic)
        return np.broadcast_to(weights.reshape(-1) if weights.ndim > 1 else weights, shape)

    def result(self) -> Any:
        """Return the mean over the classes that occurred."""
        matrix = self.total_cm.value
        hits = np.diag(matrix)[self.target_class_ids].astype(np.float64)
        union = (matrix.sum(axis=0) + matrix.sum(axis=1))[self.target_class_ids] - hits
        present = union > 1e-9
        epsilon = settings.epsilon
        iou = np.where(present, hits / (union + epsilon), 0.0)
        return np.float32(iou.sum() / (np.count_nonzero(present) + epsilon))

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }

    def _config_without(self, *keys):
        config = IoU.get_config(self)
        for key in keys:
            del config[key]
        return config


@builtin("metrics")
class BinaryIoU(IoU):
    """`IoU` of two classes; scores of at least `threshold` are class 1.

    Args:
        target_class_ids: (0,), (1,) or (0, 1), the classes of the mean.
        threshold: in the units of the predictions.

    >>> print(BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]).round(4))
    0.3333
    """

    def __init__(
        self,
        target_class_ids: Any = (0, 1),
        threshold: Any = 0.5,
        name: str | None = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__(2, target_class_ids, name=name, dtype=dtype)
        self.threshold = threshold

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> None:
        """Add a batch of 0/1 labels and scores."""
        scores = np.asarray(y_pred, dtype=np.float32)
        super().update_state(y_true, scores >= np.float32(self.threshold), sample_weight)

    def get_config(self) -> Config:
        return {
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
            **Metric.get_config(self),
        }


@builtin("metrics")
class MeanIoU(IoU):
    """`IoU` averaged over all classes; the arguments are those of `IoU`.

    Args:
        ignore_class: label that does not count, or None.
        sparse_y_true, sparse_y_pred: whether integers are given, not one-hot or scores.
        axis: axis of the classes.

    >>> print(MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]).round(4))
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: Any = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: Axis = -1,
    ) -> None:
        super().__init__(
            num_classes,
            list(range(num_classes)),
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=sparse_y_true,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> Config:
        return self._config_without("target_class_ids")


@builtin("metrics")
class OneHotIoU(IoU):
    """`IoU` of one-hot targets, and scores per class unless `sparse_y_pred`.

    Args:
        num_classes: number of classes.
        target_class_ids: classes of the mean.
        ignore_class: label that does not count, or None.
        axis: axis of the classes.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Any,
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: Any = None,
        sparse_y_pred: bool = False,
        axis: Axis = -1,
    ) -> None:
        super().__init__(
            num_classes,
            target_class_ids,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> Config:
        return self._config_without("sparse_y_true")


@builtin("metrics")
class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot targets, and scores per class unless `sparse_y_pred`.

    Args:
        num_classes: number of classes.
        ignore_class: label that does not count, or None.
        axis: axis of the classes.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: Any = None,
        sparse_y_pred: bool = False,
        axis: Axis = -1,
    ) -> None:
        super().__init__(
            num_classes,
            name=name,
            dtype=dtype,
            ignore_class=ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> Config:
        return self._config_without("target_class_ids", "sparse_y_true")
