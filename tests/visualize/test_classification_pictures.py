"""Confusion matrices and curves: what is drawn, beside scikit-learn's numbers."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from pyseq import visualize
from pyseq.visualize import points


def texts(figure):
    return [t.get_text() for t in figure.axes[0].texts]


def binary(rng, n=300):
    y = rng.random(n) < 0.3
    score = np.round(np.clip(0.3 * y + 0.7 * rng.random(n), 0, 1), 2)  # with ties
    return y.astype(int), score


def classes(rng, n=200, count=4):
    p = rng.random((n, count))
    return rng.integers(0, count, n), p / p.sum(axis=1, keepdims=True)


def test_confusion_matrix_counts(rng):
    from sklearn import metrics

    y, p = classes(rng)
    figure = visualize.confusion_matrix(y, p)
    want = metrics.confusion_matrix(y, p.argmax(1))
    assert texts(figure) == [str(v) for v in want.ravel()]
    axis = figure.axes[0]
    np.testing.assert_array_equal(axis.images[0].get_array(), want)
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("predicted", "true")
    assert axis.get_title() == f"accuracy {metrics.accuracy_score(y, p.argmax(1)):.1%}"


@pytest.mark.parametrize("normalize", ["true", "pred", "all"])
def test_confusion_matrix_shares(normalize, rng):
    from sklearn import metrics

    y, p = classes(rng, 50, 3)
    figure = visualize.confusion_matrix(np.eye(3)[y], p.argmax(1), normalize=normalize)
    want = metrics.confusion_matrix(y, p.argmax(1), normalize=normalize)
    assert texts(figure) == [f"{v:.2f}" for v in want.ravel()]


def test_confusion_matrix_names_and_classes_without_rows():
    figure = visualize.confusion_matrix(["b", "a"], ["b", "c"], labels=["c", "b", "a"])
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["c", "b", "a"]
    assert texts(figure) == ["0", "0", "0", "0", "1", "0", "1", "0", "0"]
    shares = visualize.confusion_matrix([0, 0], [0, 1], normalize="true", labels=["no", "yes"])
    assert texts(shares) == ["0.50", "0.50", "0.00", "0.00"]  # not NaN
    mixed = visualize.confusion_matrix(["no", "yes"], [0, 0], labels=["no", "yes"])
    assert texts(mixed) == ["1", "0", "1", "0"]


def test_confusion_matrix_of_one_probability_and_of_many_classes():
    assert texts(visualize.confusion_matrix([0, 1, 1], [[0.2], [0.7], [0.5]])) == [
        "1",
        "0",
        "1",
        "1",
    ]
    assert not texts(visualize.confusion_matrix(np.arange(40), np.arange(40)))
    ten = texts(visualize.confusion_matrix(np.arange(10), np.arange(10)))
    assert sorted(ten) == [""] * 90 + ["1"] * 10


def test_cells_can_be_read():
    axis = visualize.confusion_matrix([0] * 9 + [1], [0] * 9 + [1]).axes[0]
    assert [t.get_color() for t in axis.texts] == ["white", "black", "black", "black"]


@pytest.mark.parametrize("shape", ["(n,)", "(n, 1)", "(n, 2)"])
def test_roc_curve(shape, rng):
    from sklearn import metrics

    y, s = binary(rng)
    given = {"(n,)": s.tolist(), "(n, 1)": s[:, None], "(n, 2)": np.stack([1 - s, s], 1)}[shape]
    chance, line = visualize.roc_curve(y, given).axes[0].lines
    x, want, _ = metrics.roc_curve(y, s, drop_intermediate=False)
    np.testing.assert_allclose(line.get_xdata(), x)
    np.testing.assert_allclose(line.get_ydata(), want)
    assert line.get_label() == f"AUC {metrics.roc_auc_score(y, s):.3f}"
    assert chance.get_label() == "chance"


def test_precision_recall_curve(rng):
    from sklearn import metrics

    y, s = binary(rng)
    chance, line = visualize.precision_recall_curve(y, s).axes[0].lines
    precision, recall, _ = metrics.precision_recall_curve(y, s)
    first = np.flatnonzero(recall == 1)[-1]  # where all are found
    np.testing.assert_allclose(line.get_xdata(), recall[first:][::-1])
    np.testing.assert_allclose(line.get_ydata()[1:], precision[first:][::-1][1:])
    assert line.get_label() == f"AUC {metrics.average_precision_score(y, s):.3f}"
    assert line.get_drawstyle() == "steps-pre"
    np.testing.assert_allclose(chance.get_ydata(), y.mean())


@pytest.mark.parametrize("draw", [visualize.roc_curve, visualize.precision_recall_curve])
def test_one_against_the_rest(draw, rng):
    from sklearn import metrics

    score = {
        visualize.roc_curve: metrics.roc_auc_score,
        visualize.precision_recall_curve: metrics.average_precision_score,
    }[draw]
    y, p = classes(rng)
    names = ["ant", "bee", "cat", "dog"]
    lines = draw(np.array(names)[y], p, labels=names).axes[0].lines
    found = [line.get_label() for line in lines if ": AUC" in line.get_label()]
    assert found == [f"{n}: AUC {score(y == k, p[:, k]):.3f}" for k, n in enumerate(names)]
    looks = {(line.get_color(), line.get_linestyle()) for line in lines}
    assert len(looks) == len(lines)


@pytest.mark.parametrize("draw", [visualize.roc_curve, visualize.precision_recall_curve])
def test_a_class_without_rows_is_named(draw):
    lines = draw([0, 1, 0], np.eye(3)).axes[0].lines
    assert lines[-1].get_label() == "2: no rows to tell apart"
    assert len(lines[-1].get_xdata()) == 0


def test_twenty_lines_look_different(rng):
    y, p = classes(rng, 400, 14)
    lines = visualize.roc_curve(y, p).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 15


def test_calibration_curve(rng):
    from sklearn.calibration import calibration_curve

    y, s = binary(rng)
    figure = visualize.calibration_curve(y, s, bins=7)
    line = figure.axes[0].lines[1]
    want = calibration_curve(y, s, n_bins=7)
    np.testing.assert_allclose(line.get_ydata(), want[0])
    np.testing.assert_allclose(line.get_xdata(), want[1])
    bars = [bar.get_height() for bar in figure.axes[1].patches]
    assert bars == np.histogram(s, np.linspace(0, 1, 8))[0].tolist()
    filled = np.array([b for b in bars if b])
    ece = np.sum(filled / len(s) * np.abs(want[0] - want[1]))
    assert line.get_label() == f"ECE {ece:.3f}"


def test_calibration_of_the_predicted_class(rng):
    y, p = classes(rng)
    figure = visualize.calibration_curve(y, p)
    mean, hits, _, _ = points.reliability(p.argmax(1) == y, p.max(1), np.linspace(0, 1, 11))
    np.testing.assert_allclose(figure.axes[0].lines[1].get_xdata(), mean)
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), hits)
    assert figure.axes[1].get_xlabel() == "probability of the predicted class"


def test_axes_of_ones_own(rng):
    y, s = binary(rng)
    figure, axes = plt.subplots(1, 4)
    assert visualize.roc_curve(y, s, ax=axes[0]) is figure
    assert visualize.precision_recall_curve(y, s, ax=axes[1]) is figure
    assert visualize.calibration_curve(y, s, ax=axes[2]) is figure
    assert visualize.confusion_matrix(y, s, ax=axes[3]) is figure
    assert all(axis.lines or axis.images for axis in axes)


ERRORS = [
    ("roc_curve", ([0, 1], [0.1]), {}, "expected as many rows of each, got 2 of y_true and 1 of y_sc"),
    ("roc_curve", ([0, 0], [0.1, 0.2]), {}, "expected rows of two classes or more in y_true, got one"),
    ("roc_curve", ([0, 5], np.eye(2)), {}, "expected classes from 0 to 1 in y_true, for y_score of 2"),
    ("roc_curve", ([0, 1], [0.1, np.nan]), {}, "expected finite y_score, got 1 NaN or infinite"),
    ("roc_curve", ([0, 1], np.eye(2)), {"labels": ["a"]}, "a label for each of 2 classes, got 1 label"),
    ("roc_curve", (["x", "y"], np.eye(2)), {}, "labels= to name the classes .*'x' in y_true"),
    ("roc_curve", ([], []), {}, "expected y_score of one row or more, got shape"),
    ("roc_curve", ([0, 1], ["a", "b"]), {}, "expected y_score of numbers, got dtype"),
    ("roc_curve", ([0, 1], [0, 1]), {"ax": 3}, "expected ax to be the axes of a matplotlib figure, got i"),
    ("precision_recall_curve", ([0, 1], np.zeros((2, 2, 2))), {}, r"got shape \(2, 2, 2\)"),
    ("calibration_curve", ([0, 1], [-3.0, 2.0]), {}, "probabilities from 0 to 1, got -3 to 2"),
    ("calibration_curve", ([0, 1], [0, 1]), {"bins": 1}, "expected bins of 2 or more, got 1"),
    ("confusion_matrix", ([0, 1], [0, 1]), {"normalize": True}, 'normalize None, "true", .*got True'),
    ("confusion_matrix", ([0, 1], [0, 2]), {"labels": "ab"}, "a label for each of 3 classes, got 2"),
    ("confusion_matrix", ([0, -1], [0, 1]), {}, "expected classes from 0 up, got -1"),
    ("confusion_matrix", (["a"], ["b"]), {"labels": ["a"]}, "a label for each class, got none for 'b'"),
    ("confusion_matrix", (["a"], [0]), {}, "expected both as names or both as ids"),
    ("confusion_matrix", ([0, 1], [2.5, 0]), {}, "classes or of probabilities .*from 0 to 2.5"),
    ("confusion_matrix", ([[[0]]], [0]), {}, r"y_true of shape \(n,\) or \(n, classes\), got"),
    ("confusion_matrix", ([0, 501], [0, 0]), {}, "expected at most 500 classes, got 502"),
    ("confusion_matrix", ([{}], [0]), {}, "expected y_true of numbers or names, got an array of obj"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "more", "message"), ERRORS)
def test_errors(name, arguments, more, message):
    with pytest.raises((ValueError, TypeError), match=rf"visualize\.{name}: .*{message}.*; \w"):
        getattr(visualize, name)(*arguments, **more)
