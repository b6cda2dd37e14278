"""Learning curves, regressions, galleries of mistakes: what is drawn."""

import builtins

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import pyseq
from pyseq import layers, visualize
from pyseq.visualize import drawing


def trained(epochs=3):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model.fit(x, y, epochs=epochs, validation_split=0.25, verbose=0)


def labels(axis):
    return [line.get_label() for line in axis.lines]


def test_history_plots_itself():
    history = trained()
    figure = history.plot()
    assert isinstance(figure, Figure)
    loss, mae = figure.axes
    assert (loss.get_ylabel(), mae.get_ylabel()) == ("loss", "mae")
    np.testing.assert_array_equal(loss.lines[0].get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), history.history["loss"])
    np.testing.assert_array_equal(loss.lines[1].get_ydata(), history.history["val_loss"])
    best = int(np.argmin(history.history["val_loss"])) + 1
    assert labels(loss) == ["training", "validation", f"best: epoch {best}"]
    assert labels(mae) == ["training", "validation"]
    assert [line.get_linestyle() for line in mae.lines] == ["-", "--"]
    (only,) = history.plot("mae").axes
    assert only.get_ylabel() == "mae"


def test_histories_beside_each_other():
    past = {"loss": [3, 2], "learning_rate": [0.1, 0.01]}
    loss, rate = visualize.learning_curves(
        {"slow": past, "fast": trained(2)}, ["loss", "learning_rate"]
    ).axes
    assert labels(loss) == ["slow, training", "fast, training", "fast, validation"]
    assert rate.get_yscale() == "log" and labels(rate) == ["slow, training"]
    (loss,) = visualize.learning_curves([past, past], metrics=["loss"]).axes
    assert labels(loss) == ["run 1, training", "run 2, training"]


def test_epochs_that_go_on_and_metrics_that_come_late():
    history = trained(2)
    history.epoch = [4, 5]
    history.history["late"] = [1.0]
    late = history.plot(["late"]).axes[0].lines[0]
    assert (late.get_xdata().tolist(), late.get_marker()) == ([6], "o")
    figure, axis = plt.subplots()
    assert visualize.learning_curves(history, "loss", ax=axis) is figure
    assert axis.lines[0].get_xdata().tolist() == [5, 6]


def test_loss_comes_first():
    past = {"accuracy": [0.5], "learning_rate": [0.1], "val_loss": [1.0], "loss": [1.0]}
    axes = visualize.learning_curves(past).axes
    assert [axis.get_ylabel() for axis in axes] == ["loss", "accuracy", "learning rate"]


@pytest.mark.parametrize(
    ("histories", "more", "error", "message"),
    [
        (3, {}, TypeError, "expected what fit returned, .*got int; pass history = model.fit"),
        ([], {}, ValueError, "expected a history of one epoch or more, got none; call fit first"),
        ({"loss": []}, {}, ValueError, "expected a history of one epoch or more"),
        (
            {"loss": [1]},
            {"metrics": "val_loss"},
            ValueError,
            r"expected metrics among \['loss'\], got 'val",
        ),
        ({"loss": [1]}, {"metrics": []}, ValueError, "expected one metric or more, got none"),
        (
            {"loss": [1], "mae": [1]},
            {"ax": 0},
            ValueError,
            r"expected one metric for ax, got \['loss', 'mae'\]",
        ),
    ],
)
def test_histories_that_are_none(histories, more, error, message):
    with pytest.raises(error, match=f"visualize.learning_curves: {message}"):
        visualize.learning_curves(histories, **more)


def test_predictions_of_a_regression(rng):
    from sklearn import metrics

    y = rng.normal(size=50)
    p = y + 0.3 * rng.normal(size=50)
    truth, residuals = visualize.predictions(y, p[:, None]).axes
    np.testing.assert_array_equal(truth.collections[0].get_offsets(), np.stack([y, p], 1))
    np.testing.assert_allclose(residuals.collections[0].get_offsets(), np.stack([p, p - y], 1))
    r2, miss = metrics.r2_score(y, p), metrics.mean_absolute_error(y, p)
    assert truth.get_title() == f"R² {r2:.3f}, mean absolute error {miss:.3g}"
    line = truth.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    figure, axis = plt.subplots()
    assert visualize.predictions(y, p, ax=axis) is figure and len(figure.axes) == 1


def test_predictions_of_several_outputs_and_of_a_constant(rng):
    y = rng.normal(size=(20, 2))
    axes = visualize.predictions(y, y + 1, labels=["wide", "high"]).axes
    assert [c.get_label() for c in axes[0].collections] == ["wide", "high"]
    assert visualize.predictions([2, 2], [2, 3]).axes[0].get_title() == "mean absolute error 0.5"


def test_predictions_of_a_series(rng):
    y = rng.normal(size=(30, 2))
    axes = visualize.predictions(y, y * 2, kind="series").axes
    for k, axis in enumerate(axes):
        np.testing.assert_array_equal(axis.lines[0].get_ydata(), y[:, k])
        np.testing.assert_array_equal(axis.lines[1].get_ydata(), 2 * y[:, k])
        assert axis.get_ylabel() == f"output {k}"


@pytest.mark.parametrize(
    ("arguments", "more", "message"),
    [
        (([1, 2], [1]), {}, r"y_true and y_pred of one shape, .*got \(2,\) and \(1,\)"),
        (([1, np.inf], [1, 1]), {}, "expected finite y_true, got 1 NaN or infinite"),
        (([1], [1]), {"kind": "line"}, 'expected kind "scatter" or "series", got \'line\''),
        (([1], [1]), {"labels": ["a", "b"]}, "expected a label for each of 1 outputs, got 2"),
        (([[1, 2]], [[1, 2]]), {"kind": "series", "ax": 0}, "expected one output for ax, got 2"),
    ],
)
def test_errors_of_predictions(arguments, more, message):
    with pytest.raises(ValueError, match=f"visualize.predictions: .*{message}.*; "):
        visualize.predictions(*arguments, **more)


def test_error_gallery_begins_with_the_surest(rng):
    x = rng.random((5, 6, 6, 1))
    p = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8], [0.6, 0.4, 0], [0, 0.1, 0.9]])
    figure = visualize.error_gallery(x, [0, 0, 1, 1, 1], p, n=3, labels=["ant", "bee", "cat"])
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["cat (90%)\nis bee", "cat (80%)\nis bee", "bee (70%)\nis ant"]
    for axis, i in zip(figure.axes, [4, 2, 1]):
        np.testing.assert_array_equal(axis.images[0].get_array(), x[i, ..., 0])
    assert figure.get_suptitle() == "4 of 5 wrong"


def test_error_gallery_of_colours_bytes_and_one_probability():
    x = np.full((2, 4, 4, 3), 255, "uint8")
    figure = visualize.error_gallery(x, [0, 1], [[0.7], [0.9]])
    assert [axis.get_title() for axis in figure.axes] == ["1 (70%)\nis 0"]
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), np.ones((4, 4, 3)))
    figure = visualize.error_gallery(x, [1, 1], [[0.7], [0.9]])
    assert figure.axes[0].texts[0].get_text() == "no mistakes in 2 images"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 4)), [0, 1], [0, 1]), r"images \(n, H, W\) or .*got shape \(2, 4\)"),
        (
            (np.zeros((3, 4, 4)), [0, 1], [0, 1]),
            "as many rows of each, got 3 of x and 2 of predictions",
        ),
        ((np.zeros((2, 4, 4)), [0, 1], [0, 1], 0), "expected n of 1 or more, got 0"),
    ],
)
def test_errors_of_the_gallery(arguments, message):
    with pytest.raises(ValueError, match=f"visualize.error_gallery: .*{message}.*; "):
        visualize.error_gallery(*arguments)


def test_without_matplotlib(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    drawing.matplotlib.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'expected matplotlib, .*pip install "pyseq-nn\[plot\]"'):
        visualize.learning_curves({"loss": [1.0]})
    with pytest.raises(ImportError, match="LivePlot: expected matplotlib"):
        pyseq.callbacks.LivePlot().on_train_begin()
    monkeypatch.undo()
    drawing.matplotlib.cache_clear()


def test_dir_shows_what_is_public():
    shown = set(visualize.__all__)
    assert {"roc_curve", "saliency", "predictions"} <= shown <= set(dir(visualize))
    assert len(shown) == 11
