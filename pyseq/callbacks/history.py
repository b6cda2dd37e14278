"""`History`: the logs of every epoch; what `fit` returns."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from pyseq import hooks
from pyseq.callbacks.base import Callback
from pyseq.callbacks.progbar import format_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 20  # rows of a table in a notebook


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
    >>> history
    <History epochs=1, loss=0.5000>
    """

    def __init__(self) -> None:
        super().__init__()
        self.history = Logs()

    def __repr__(self) -> str:
        names = [name for name, values in self.history.items() if values]
        last = "".join(f", {name}={_shown(self.history[name][-1])}" for name in names)
        return f"<{type(self).__name__} epochs={len(self._epochs())}{last}>"

    def _epochs(self):
        return getattr(self, "epoch", [])

    def _repr_html_(self):
        """A table with a row for each epoch: the first and the last ones where there are many."""
        epochs, names = self._epochs(), list(self.history)
        rows = list(range(len(epochs)))
        if len(rows) > _SHOWN:
            rows = [*rows[: _SHOWN // 2], None, *rows[-_SHOWN // 2 :]]
        lines = [_html_row("th", ["epoch", *names])]
        for i in rows:
            if i is None:
                lines.append(_html_row("td", ["…"] * (1 + len(names))))
                continue
            # A name that came late has values for the last epochs.
            columns = [self.history[name] for name in names]
            at = [i - len(epochs) + len(values) for values in columns]
            cells = [_shown(v[k]) if 0 <= k < len(v) else "" for v, k in zip(columns, at)]
            lines.append(_html_row("td", [str(epochs[i] + 1), *cells]))
        return "<table>" + "".join(lines) + "</table>"

    def plot(self, metrics: Any = None, ax: Any = None) -> Figure:
        """Draw loss and metrics over the epochs; see `pyseq.visualize.learning_curves`.

        Args:
            metrics: names such as `["loss", "accuracy"]`, without `val_`; all of them by default.
            ax: axes to draw into, where one metric is drawn.

        Returns:
            The matplotlib `Figure`.

        Raises:
            ValueError: there is no epoch yet, or no such metric.
            ImportError: matplotlib is not installed.

        >>> history = History()
        >>> history.history.update({"loss": [0.5, 0.4]})
        >>> history.plot().axes[0].get_ylabel()
        'loss'
        """
        from pyseq.visualize import curves

        return curves.learning_curves(self, metrics, ax)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


def _shown(value):
    try:
        return format_value(value)
    except (TypeError, ValueError):  # what a callback added
        return str(value)


def _html_row(tag, cells):
    return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"
