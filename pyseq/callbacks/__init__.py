"""Callbacks of `fit`, `evaluate` and `predict`: `keras.callbacks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyseq import lazy

_MODULES = {
    "backup": "BackupAndRestore",
    "base": "Callback",
    "callback_list": "CallbackList",
    "checkpoint": "ModelCheckpoint OrbaxCheckpoint",
    "history": "History",
    "learning_rate": "LearningRateScheduler ReduceLROnPlateau",
    "live_plot": "LivePlot",
    "loggers": "CSVLogger LambdaCallback RemoteMonitor TerminateOnNaN",
    "monitor": "EarlyStopping MonitorCallback",
    "progbar_logger": "ProgbarLogger",
    "swap_ema": "SwapEMAWeights",
    "tensorboard": "TensorBoard",
}

if TYPE_CHECKING:
    from pyseq.callbacks.backup import BackupAndRestore as BackupAndRestore
    from pyseq.callbacks.base import Callback as Callback
    from pyseq.callbacks.callback_list import CallbackList as CallbackList
    from pyseq.callbacks.checkpoint import (
        ModelCheckpoint as ModelCheckpoint,
        OrbaxCheckpoint as OrbaxCheckpoint,
    )
    from pyseq.callbacks.history import History as History
    from pyseq.callbacks.learning_rate import (
        LearningRateScheduler as LearningRateScheduler,
        ReduceLROnPlateau as ReduceLROnPlateau,
    )
    from pyseq.callbacks.live_plot import LivePlot as LivePlot
    from pyseq.callbacks.loggers import (
        CSVLogger as CSVLogger,
        LambdaCallback as LambdaCallback,
        RemoteMonitor as RemoteMonitor,
        TerminateOnNaN as TerminateOnNaN,
    )
    from pyseq.callbacks.monitor import (
        EarlyStopping as EarlyStopping,
        MonitorCallback as MonitorCallback,
    )
    from pyseq.callbacks.progbar_logger import ProgbarLogger as ProgbarLogger
    from pyseq.callbacks.swap_ema import SwapEMAWeights as SwapEMAWeights
    from pyseq.callbacks.tensorboard import TensorBoard as TensorBoard
else:
    __getattr__, __dir__, __all__ = lazy.package(__name__, _MODULES)
