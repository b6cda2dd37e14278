"""`CallbackList`: the callbacks of one `fit`, `evaluate` or `predict`, called in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyseq import settings
from pyseq.callbacks.base import MODES, Callback, watches_batches
from pyseq.callbacks.history import History
from pyseq.callbacks.progbar_logger import ProgbarLogger

if TYPE_CHECKING:
    from pyseq.types import CallbacksLike, Logs


def _flatten(callbacks):
    if callbacks is None:
        return []
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    if isinstance(callbacks, dict):
        callbacks = callbacks.values()
    elif not isinstance(callbacks, (list, tuple)):
        return [callbacks]
    return [leaf for item in callbacks for leaf in _flatten(item)]


class CallbackList(Callback):
    """Calls the hooks of several callbacks: the user's, then History, then ProgbarLogger.

    Args:
        callbacks: a callback or nested lists of them.
        add_history, add_progbar: append a `History` or `ProgbarLogger` if there is none.
        model: the model they belong to.
        **params: verbose, epochs and steps, as callbacks find them in `params`.

    >>> seen = []
    >>> class Watch(Callback):
    ...     def on_train_batch_end(self, batch, logs=None):
    ...         seen.append((batch, logs))
    >>> callbacks = CallbackList([Watch()])
    >>> callbacks.needs_batches("train"), callbacks.needs_batches("test")
    (True, False)
    >>> callbacks.on_train_batch_end(3, {"loss": 0.5})
    >>> seen
    [(3, {'loss': 0.5})]
    """

    def __init__(
        self,
        callbacks: CallbacksLike = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks = _flatten(callbacks)
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                raise TypeError(
                    f"callbacks: expected instances of Callback, got {callback!r}; create it, or "
                    "wrap a function in LambdaCallback"
                )
        if not settings.is_first_process():
            self.callbacks = [c for c in self.callbacks if not getattr(c, "for_one_process", False)]
        self._history = self._last(History)
        self._progbar = self._last(ProgbarLogger)
        if self._history is None and add_history:
            self._history = History()
            self.callbacks.append(self._history)
        if self._progbar is None and add_progbar:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        self.set_model(model)
        self.set_params(params)

    def _last(self, kind):
        return next((c for c in reversed(self.callbacks) if isinstance(c, kind)), None)

    def append(self, callback: Any) -> None:
        """Add a callback behind the others."""
        self.callbacks.append(callback)
        if self.model is not None:
            callback.set_model(self.model)
        if self.params:
            callback.set_params(self.params)

    def set_params(self, params: Any) -> None:
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        if model is None:
            return
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def needs_batches(self, mode: str) -> bool:
        """Return whether a callback must be called around every batch of `mode`."""
        return any(watches_batches(c, mode) for c in self.callbacks)

    def progress(self, mode: str, batch: int, logs: Logs) -> None:
        """Show progress where no callback watches batches.

        Args:
            mode: "train", "test" or "predict".
            batch: index of the last batch done.
            logs: function that returns the running means; called only if they are shown.
        """
        bar = self._progbar
        if bar is not None:
            getattr(bar, f"on_{mode}_batch_end")(batch, logs=logs() if bar.is_due(mode) else {})

    @property
    def shows_progress(self) -> bool:
        """Whether anybody wants to hear of progress between epochs."""
        return self._progbar is not None

    def count_rows(self, mode: str, count: int) -> None:
        """Tell the progress bar that `count` more rows were done."""
        if self._progbar is not None:
            self._progbar.count_rows(mode, count)

    def close(self) -> None:
        """End what the progress bar shows of a run that did not come to its end."""
        if self._progbar is not None:
            self._progbar.close()

    def batch_begin(self, mode: str, batch: int) -> None:
        """Call `on_{mode}_batch_begin` of all callbacks."""
        self._batch_hook(f"on_{mode}_batch_begin", batch, None)

    def batch_end(self, mode: str, batch: int, logs: Logs) -> None:
        """Call `on_{mode}_batch_end` of all callbacks."""
        self._batch_hook(f"on_{mode}_batch_end", batch, logs)

    def _batch_hook(self, name, batch, logs):
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, name)(batch, logs=logs)

    def _epoch_hook(self, name, epoch, logs):
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, name)(epoch, logs)

    def _hook(self, name, logs):
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, name)(logs)


def _forward(hook, caller):
    if caller == "_hook":

        def method(self: Any, logs: Logs | None = None) -> None:
            self._hook(hook, logs)

    else:

        def method(self: Any, index: int, logs: Logs | None = None) -> None:
            getattr(self, caller)(hook, index, logs)

    method.__name__ = hook
    method.__doc__ = f"Call `{hook}` of all callbacks."
    return method


for _when in ("begin", "end"):
    setattr(CallbackList, f"on_epoch_{_when}", _forward(f"on_epoch_{_when}", "_epoch_hook"))
    setattr(CallbackList, f"on_batch_{_when}", _forward(f"on_batch_{_when}", "_batch_hook"))
    for _mode in MODES:
        for _name, _caller in ((_mode, "_hook"), (f"{_mode}_batch", "_batch_hook")):
            _hook_name = f"on_{_name}_{_when}"
            setattr(CallbackList, _hook_name, _forward(_hook_name, _caller))
