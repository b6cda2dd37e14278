"""What processes compute on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.distribution import processes

if TYPE_CHECKING:
    from collections.abc import Sequence


def list_devices(device_type: str | None = None) -> list[str]:
    """Names of all devices: one for each process.

    Args:
        device_type: "cpu" or None for all; others, which have no part here, give an empty list.

    >>> list_devices()
    ['cpu:0']
    """
    kind = "cpu" if device_type is None else str(device_type).lower()
    return [f"cpu:{i}" for i in range(processes.size())] if kind == "cpu" else []


def get_device_count(device_type: str | None = None) -> int:
    """How many devices `list_devices` lists.

    >>> get_device_count()
    1
    """
    return len(list_devices(device_type))


class DeviceMesh:
    """Devices in a grid with named axes; data parallel training has one axis.

    Args:
        shape: how many devices along each axis.
        axis_names: a name for each axis.
        devices: names as `list_devices` gives them; all of them by default.

    Raises:
        ValueError: sizes do not fit.

    >>> DeviceMesh((1,), ["batch"]).devices.tolist()
    ['cpu:0']
    """

    def __init__(
        self,
        shape: Sequence[int],
        axis_names: Sequence[str],
        devices: Any = None,
    ) -> None:
        if not shape or not axis_names:
            raise ValueError(
                f"DeviceMesh: expected a shape and names of its axes, got {shape!r}, {axis_names!r}"
            )
        if len(shape) != len(axis_names):
            raise ValueError(
                f"DeviceMesh: expected a name for each of {len(shape)} axes, got {axis_names!r}"
            )
        devices = np.array(list_devices() if devices is None else devices).flatten()
        if math.prod(shape) != len(devices):
            raise ValueError(
                f"DeviceMesh: expected {math.prod(shape)} devices for the shape {tuple(shape)}, "
                f"got {len(devices)}: {devices.tolist()}"
            )
        self.axis_names = list(axis_names)
        self.devices = devices.reshape(shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.devices.shape

    def __repr__(self) -> str:
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"
