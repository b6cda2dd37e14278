"""Training by several processes, on one machine or many: `mpirun -n 4 python train.py`.

`set_distribution(DataParallel())` is all that a script needs: from then on `fit`, `evaluate`,
`train_on_batch` and `test_on_batch` work on batches that all processes share, each on its rows.
MPI moves the numbers (`pip install "pyseq-nn[mpi]"`). `predict` computes where the data of Dask,
Ray or Spark are.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

_MODULES = {
    "DataParallel": "data_parallel",
    "DeviceMesh": "devices",
    "distribution": "data_parallel",
    "get_device_count": "devices",
    "initialize": "processes",
    "list_devices": "devices",
    "predict": "engines",
    "rank": "processes",
    "set_distribution": "data_parallel",
    "size": "processes",
    "spark_udf": "engines",
}
__all__ = [
    "DataParallel",
    "DeviceMesh",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "predict",
    "rank",
    "set_distribution",
    "size",
    "spark_udf",
]
# Keras's, for models that are cut into parts.
_OF_PARTS = ("LayoutMap", "ModelParallel", "TensorLayout", "distribute_tensor")

if TYPE_CHECKING:
    from pyseq.distribution.data_parallel import (
        DataParallel as DataParallel,
        distribution as distribution,
        set_distribution as set_distribution,
    )
    from pyseq.distribution.devices import (
        DeviceMesh as DeviceMesh,
        get_device_count as get_device_count,
        list_devices as list_devices,
    )
    from pyseq.distribution.engines import (
        predict as predict,
        spark_udf as spark_udf,
    )
    from pyseq.distribution.processes import (
        initialize as initialize,
        rank as rank,
        size as size,
    )

if not TYPE_CHECKING:  # checkers know the names from imports

    def __getattr__(name):
        if name in _MODULES:
            module = importlib.import_module(f"pyseq.distribution.{_MODULES[name]}")
            return getattr(module, name)
        if name in _OF_PARTS:
            raise AttributeError(
                f"pyseq.distribution: expected a model that each process holds as a whole, got "
                f"{name} for one in parts; use DataParallel"
            )
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
