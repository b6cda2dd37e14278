"""Callbacks of `fit`, `evaluate` and `predict`: `keras.callbacks`."""

from pyseq.callbacks.backup import BackupAndRestore
from pyseq.callbacks.base import Callback
from pyseq.callbacks.callback_list import CallbackList
from pyseq.callbacks.checkpoint import ModelCheckpoint, OrbaxCheckpoint
from pyseq.callbacks.history import History
from pyseq.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from pyseq.callbacks.loggers import CSVLogger, LambdaCallback, RemoteMonitor, TerminateOnNaN
from pyseq.callbacks.monitor import EarlyStopping, MonitorCallback
from pyseq.callbacks.progbar_logger import ProgbarLogger
from pyseq.callbacks.swap_ema import SwapEMAWeights
from pyseq.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "OrbaxCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
