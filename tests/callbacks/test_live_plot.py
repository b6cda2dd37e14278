"""`LivePlot`: a file, a window or a notebook's cell that follows the training."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt

import pyseq
from pyseq import layers
from pyseq.callbacks import Callback, LivePlot, screen
from pyseq.visualize import drawing


def fit(*callbacks, epochs=3):
    x = np.random.default_rng(0).normal(size=(20, 3))
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model.fit(x, x.sum(1), epochs=epochs, verbose=0, callbacks=list(callbacks))


class Looks(Callback):
    """Remembers what the file and the figure held after each epoch."""

    def __init__(self, plot, path):
        super().__init__()
        self.plot, self.path, self.seen = plot, path, []

    def on_epoch_end(self, epoch, logs=None):
        line = self.plot.figure.axes[0].lines[0] if self.plot.figure else None
        there = self.path.exists() and self.path.read_bytes()[:4] == b"\x89PNG"
        self.seen.append((None if line is None else len(line.get_ydata()), there))


def test_a_file_after_each_epoch(tmp_path):
    plot = LivePlot()
    looks = Looks(plot, tmp_path / "training.png")
    history = fit(plot, looks)
    assert looks.seen == [(1, True), (2, True), (3, True)]
    line = plot.figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), history.history["loss"])
    assert not plt.get_fignums()  # nothing is left open
    assert [p.name for p in tmp_path.iterdir()] == ["training.png"]


def test_now_and_then_and_at_the_end(tmp_path):
    plot = LivePlot(every=2, filepath=tmp_path / "curves.png")
    looks = Looks(plot, tmp_path / "curves.png")
    fit(plot, looks)
    assert looks.seen == [(None, False), (2, True), (2, True)]
    assert len(plot.figure.axes[0].lines[0].get_ydata()) == 3
    fit(plot, epochs=1)  # anew
    assert len(plot.figure.axes[0].lines[0].get_ydata()) == 1


def test_in_a_window(tmp_path, monkeypatch):
    calls = []

    class Canvas(plt.figure().canvas.__class__):
        required_interactive_framework = "qt"

        def draw(self):
            calls.append("draw")
            super().draw()

        def flush_events(self):
            calls.append("flush")

    real = drawing.new_figure

    def with_window(*args):
        figure = real(*args)
        manager = figure.canvas.manager
        Canvas(figure).manager = manager
        figure.show = lambda: calls.append("show")
        return figure

    monkeypatch.setattr(drawing, "new_figure", with_window)
    plt.close("all")
    plot = LivePlot()
    fit(plot, epochs=2)
    assert [c for c in calls if c != "draw"] == ["show", "flush", "flush"]
    assert calls.count("draw") >= 2
    assert plt.get_fignums()  # it stays open
    assert not list(tmp_path.iterdir())


def test_in_a_notebook(tmp_path, monkeypatch):
    shown = []

    class Handle:
        def update(self, picture):
            shown.append(("update", picture.data[:4]))

    def display(picture, display_id=None):
        shown.append(("display", picture.data[:4]))
        return Handle()

    module = types.ModuleType("IPython.display")
    module.display = display
    module.Image = lambda data: types.SimpleNamespace(data=data)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(screen, "in_notebook", lambda stream: True)
    fit(LivePlot())
    assert shown == [(kind, b"\x89PNG") for kind in ("display", "update", "update")]
    assert not list(tmp_path.iterdir()) and not plt.get_fignums()
    fit(LivePlot(filepath="also.png"), epochs=1)
    assert (tmp_path / "also.png").exists()


def test_errors():
    with pytest.raises(
        ValueError, match="LivePlot: expected every of 1 epoch or more, got 0; 1 draws"
    ):
        LivePlot(every=0)
    with pytest.raises(ValueError, match=r"expected metrics among \['loss'\], got 'mae'"):
        fit(LivePlot(metrics=["mae"]))
