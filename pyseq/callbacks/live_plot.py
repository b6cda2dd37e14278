"""`LivePlot`: learning curves that grow while a model is trained."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from pyseq.callbacks import screen
from pyseq.callbacks.base import Callback
from pyseq.saving.atomic import write_atomically
from pyseq.visualize import curves, drawing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from pyseq.types import Logs, Path


class LivePlot(Callback):
    """Draws loss and metrics after each epoch of `fit`.

    In a notebook the picture below the cell is renewed. In a script it is a window, where there is
    a display. Otherwise it is a PNG file, whole at any time, which many viewers and editors show
    anew when it changes. Needs matplotlib, `pip install "pyseq-nn[plot]"`.

    Args:
        metrics: names such as `["loss", "accuracy"]`, without `val_`; all of them by default.
        every: draw after so many epochs, and after the last one.
        filepath: the PNG file. If given, it is written in notebooks and beside a window too;
            otherwise "training.png" where there is neither.

    Attributes:
        figure: the matplotlib `Figure` of the last drawing, None before.
        epoch, history: what was seen, as in `History`.

    Raises:
        ValueError: `every` below 1; in `fit`, a metric that it does not have.
        ImportError: in `fit`, before the first epoch: matplotlib is not installed.

    >>> import os, tempfile
    >>> class Model: pass
    >>> path = os.path.join(tempfile.mkdtemp(), "curves.png")
    >>> plot = LivePlot(filepath=path)
    >>> plot.set_model(Model()); plot.on_train_begin()
    >>> plot.on_epoch_end(0, {"loss": 0.5}); plot.on_epoch_end(1, {"loss": 0.4})
    >>> [line.get_ydata().tolist() for line in plot.figure.axes[0].lines]
    [[0.5, 0.4]]
    >>> os.path.exists(path)
    True
    """

    for_one_process = True

    def __init__(
        self,
        metrics: str | Sequence[str] | None = None,
        every: int = 1,
        filepath: Path | None = None,
    ) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(
                f"LivePlot: expected every of 1 epoch or more, got {every!r}; 1 draws after each"
            )
        self.metrics = metrics
        self.every = every
        self.filepath = None if filepath is None else os.fspath(filepath)
        self.figure: Figure | None = None
        self.epoch: list[int] = []  # these two are what `learning_curves` reads
        self.history: dict[str, list[Any]] = {}
        self._drawn = 0
        self._handle = None
        self._has_window = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew; tell at once if matplotlib is missing."""
        drawing.matplotlib("LivePlot")
        self.epoch, self.history = [], {}
        self.figure = self._handle = None
        self._drawn, self._has_window = 0, False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Draw, if it is time to."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        if len(self.epoch) % self.every == 0:
            self._draw()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Draw the last epochs, if they are not drawn yet."""
        if self._drawn < len(self.epoch):
            self._draw()

    def _draw(self):
        self._drawn = len(self.epoch)
        notebook = screen.in_notebook(sys.stdout)
        if self.figure is None:
            self.figure = curves.learning_curves(self, self.metrics)
            canvas = self.figure.canvas
            self._has_window = bool(canvas.required_interactive_framework) and not notebook
            if not self._has_window:  # nobody but this callback shows it
                drawing.matplotlib("LivePlot").close(self.figure)
        else:
            curves.redraw(self.figure, self, self.metrics)
        if notebook:
            self._show_in_cell()
        elif self._has_window:
            self._show_in_window()
        if self.filepath or not (notebook or self._has_window):
            self._write(self.filepath or "training.png")

    def _show_in_cell(self):
        from IPython.display import Image, display

        picture = Image(data=drawing.png(self.figure))
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def _show_in_window(self):
        if self._handle is None:
            self._handle = self.figure.canvas.manager
            self.figure.show()
        self.figure.canvas.draw()
        self.figure.canvas.flush_events()

    def _write(self, path):
        picture = drawing.png(self.figure)
        write_atomically(path, lambda file: file.write(picture))
