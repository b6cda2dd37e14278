"""`DataParallel`: each process holds the model and takes its rows of every batch."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pyseq import random, settings
from pyseq.distribution import processes
from pyseq.distribution.devices import DeviceMesh, list_devices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_current: DataParallel | None = None


class DataParallel:
    """Data parallel training, in step: after each batch all processes have the same weights.

    A batch of `batch_size` rows is that of all processes: with 4 of them and 32 rows, each
    computes 8, and losses, gradients, metrics and weights are those of the 32. Rows that do not
    divide go to the first processes. Gradients are summed while backward still computes those of
    the layers before; gradients of an `Embedding` as the rows that a batch names, where these
    are few. Moving statistics of `BatchNormalization` are averaged; its batch statistics are those
    of each process's rows, unless `synchronized=True`.

    The same number of processes gives the same bits in every run, at any number of threads; one
    process gives those of a script without `DataParallel`.

    Args:
        device_mesh: a `DeviceMesh` of one axis over all processes; made by default.
        devices: names of devices instead, as `list_devices` gives them.
        auto_shard_dataset: True: generators, `PyDataset`s and datasets give the same batches in
            every process, which takes its rows. False: each process has data of its own, and
            its batches together are the batch. Arrays are the same everywhere in any case.

    Raises:
        ValueError: the mesh has several axes, or other devices than there are processes.

    >>> DataParallel().num_processes
    1
    """

    def __init__(
        self,
        device_mesh: DeviceMesh | None = None,
        devices: Sequence[str] | None = None,
        auto_shard_dataset: bool = True,
    ) -> None:
        if device_mesh is None:
            names = list(list_devices() if devices is None else devices)
            device_mesh = DeviceMesh((len(names),), ["batch"], names)
        if not isinstance(device_mesh, DeviceMesh):
            raise ValueError(
                f"DataParallel: expected a DeviceMesh, got {device_mesh!r}; leave it out for one "
                "of all processes"
            )
        if len(device_mesh.shape) != 1:
            raise ValueError(
                f"DataParallel: expected a mesh of one axis, got the shape {device_mesh.shape}"
            )
        if sorted(device_mesh.devices.tolist()) != sorted(list_devices()):
            raise ValueError(
                f"DataParallel: expected the devices of all processes, {list_devices()}, got "
                f"{device_mesh.devices.tolist()}"
            )
        self.device_mesh = device_mesh
        self.batch_dim_name = device_mesh.axis_names[0]
        self.auto_shard_dataset = bool(auto_shard_dataset)

    @property
    def num_processes(self) -> int:
        """How many processes there are."""
        return processes.size()

    @property
    def process_id(self) -> int:
        """Number of this process, from 0."""
        return processes.rank()

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Train in parallel inside a `with` block.

        >>> with DataParallel().scope():
        ...     distribution().num_processes
        1
        """
        before = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(before)

    def __repr__(self) -> str:
        return f"<DataParallel num_processes={self.num_processes}, process_id={self.process_id}>"


def set_distribution(value: DataParallel | None) -> None:
    """Train in parallel from now on, or alone again with None.

    Random numbers go on as in process 0, so that models built afterwards have the same weights in
    all processes. To be called in every process.

    >>> set_distribution(DataParallel())
    >>> distribution()
    <DataParallel num_processes=1, process_id=0>
    >>> set_distribution(None)
    """
    global _current
    if value is not None and not isinstance(value, DataParallel):
        raise ValueError(
            f"set_distribution: expected a DataParallel or None, got {value!r} of type "
            f"{type(value).__name__}"
        )
    _current = value
    group = None if value is None else processes.world()
    if group is not None:
        group.shards = value.auto_shard_dataset
        random.set_streams(group.same(random.streams()))
    settings.change("group", group)


def distribution() -> DataParallel | None:
    """What `set_distribution` was given last.

    >>> distribution() is None
    True
    """
    return _current
