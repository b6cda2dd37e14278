"""The numbers that curves of classifiers are drawn from."""

from __future__ import annotations

import numpy as np


def _counts(truth, scores):
    """True and false positives (k + 1,) above each threshold, from the highest score down."""
    order = np.argsort(-scores, kind="stable")
    truth, scores = truth[order], scores[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # of each score
    hits = np.cumsum(truth)[last]
    return np.append(0, hits), np.append(0, last + 1 - hits)


def roc(truth, scores):
    """False and true positive rates and the area below them by trapezoids (Fawcett, 2006).

    >>> roc(np.array([False, True, False, True]), np.array([0.1, 0.4, 0.4, 0.8]))[2]
    0.875
    """
    hits, alarms = _counts(truth, scores)
    x, y = alarms / alarms[-1], hits / hits[-1]
    return x, y, float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2)


def precision_recall(truth, scores):
    """Recall, precision and the area below their steps, the average precision.

    sum over k of (R_k - R_(k-1)) P_k (Manning, Raghavan & Schütze, Introduction to Information
    Retrieval, 2008, 8.4).

    >>> recall, precision, area = precision_recall(np.array([False, True]), np.array([0.9, 0.4]))
    >>> recall.tolist(), precision.tolist(), area
    ([0.0, 0.0, 1.0], [0.0, 0.0, 0.5], 0.5)
    """
    hits, alarms = _counts(truth, scores)
    end = int(np.argmax(hits == hits[-1])) + 1  # beyond, precision only falls
    hits, alarms = hits[:end], alarms[:end]
    recall, precision = hits[1:] / hits[-1], hits[1:] / (hits[1:] + alarms[1:])
    area = float(np.sum(np.diff(np.append(0, recall)) * precision))
    return np.append(0, recall), np.append(precision[0], precision), area


def reliability(truth, scores, edges):
    """Mean score, share of hits and rows of each bin that is not empty; the calibration error.

    The error is sum over bins of n_b / n |hits_b - score_b| (Guo et al., 2017).

    >>> reliability(np.array([True, False]), np.array([0.9, 0.2]), np.array([0, 0.5, 1]))[3]
    0.15
    """
    which = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, len(edges) - 2)
    rows = np.bincount(which, minlength=len(edges) - 1)
    full = rows > 0
    mean = np.bincount(which, scores, len(rows))[full] / rows[full]
    hits = np.bincount(which, truth.astype(float), len(rows))[full] / rows[full]
    error = float(np.sum(rows[full] / len(scores) * np.abs(hits - mean)))
    return mean, hits, rows, round(error, 12)
