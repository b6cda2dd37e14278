"""`History`: the logs of every epoch; what `fit` returns."""

from __future__ import annotations

from pyseq import hooks
from pyseq.callbacks.base import Callback


class Logs(dict):
    """A dict of logs that answers to their old names too; pickles as a plain dict."""

    def __missing__(self, name):
        today = self._today(name)
        if not super().__contains__(today):
            raise KeyError(name)
        return self[today]

    def __contains__(self, name):
        return super().__contains__(name) or super().__contains__(self._today(name))

    def _today(self, name):
        return hooks.ask("old_log_name", name, self.keys()) if isinstance(name, str) else name

    def __reduce__(self):
        return dict, (dict(self),)


class History(Callback):
    """Records the logs of each epoch. `fit` adds one and returns it.

    Attributes:
        history: `{"loss": [...], "val_loss": [...], ...}`, one entry for each epoch.
        epoch: the epochs, counted from 0.

    >>> class Model: pass
    >>> history = History()
    >>> history.set_model(Model()); history.on_train_begin()
    >>> history.on_epoch_end(0, {"loss": 0.5})
    >>> history.epoch, history.history
    ([0], {'loss': [0.5]})
    """

    def __init__(self):
        super().__init__()
        self.history = Logs()

    def on_train_begin(self, logs=None):
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
