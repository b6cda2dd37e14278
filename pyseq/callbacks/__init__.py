"""Callbacks of `fit`, `evaluate` and `predict`: `keras.callbacks`."""

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

__getattr__, __dir__, __all__ = lazy.package(__name__, _MODULES)
