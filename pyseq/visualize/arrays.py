"""Labels, probabilities and numbers as arrays, or an error that says what is wrong with them."""

from __future__ import annotations

import numpy as np

from pyseq.visualize.drawing import error


def array(values, name, where):
    """An array of at least one row; pyseq's and other libraries' tensors are taken too."""
    if hasattr(values, "numpy") and not isinstance(values, np.ndarray):
        values = values.numpy()
    values = np.asarray(values)
    if values.ndim == 0 or values.shape[0] == 0:
        raise error(where, f"{name} of one row or more", _shape(values), "pass a list or an array")
    if values.dtype.kind == "O":
        raise error(
            where,
            f"{name} of numbers or names",
            "an array of objects",
            "give all rows one length",
            TypeError,
        )
    return values


def _shape(values):
    return f"shape {values.shape}" if values.ndim else "no list"


def numbers(values, name, where):
    """An array of finite floats."""
    values = array(values, name, where)
    if values.dtype.kind not in "fiub":
        raise error(
            where, f"{name} of numbers", f"dtype {values.dtype}", "convert it first", TypeError
        )
    values = values.astype("float64")
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise error(
            where, f"finite {name}", f"{bad} NaN or infinite", "leave these rows out, or see why"
        )
    return values


def same_rows(where, **arrays):
    """Check that arrays have as many rows as each other."""
    if len({len(a) for a in arrays.values()}) > 1:
        got = " and ".join(f"{len(a)} of {name}" for name, a in arrays.items())
        raise error(where, "as many rows of each", got, "pass the answers to the same rows")


def column(values):
    """(n, 1) as (n,)."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def classes(values, name, where):
    """Class of each row, (n,): of ids, names, one-hot rows or probabilities."""
    values = column(array(values, name, where))
    if values.ndim == 2 and values.dtype.kind in "fiub":
        return numbers(values, name, where).argmax(axis=1)
    if values.ndim != 1:
        raise error(
            where,
            f"{name} of shape (n,) or (n, classes)",
            f"shape {values.shape}",
            "flatten what is more than one answer a row",
        )
    if values.dtype.kind == "f":
        values = numbers(values, name, where)
        if np.all(values == np.round(values)):
            return values.astype("int64")
        if values.min() < 0 or values.max() > 1:
            raise error(
                where,
                f"{name} of classes or of probabilities of class 1",
                f"numbers from {values.min():.3g} to {values.max():.3g}",
                "round them, or use visualize.predictions for a regression",
            )
        return (values > 0.5).astype("int64")
    return values.astype("int64") if values.dtype.kind in "biu" else values


def scores(y_true, y_score, labels, where, alone=False):
    """Truth and scores of each class beside the rest.

    Args:
        alone: whether rows of one class alone will do.

    Returns:
        `[(name, truth (n,) of bool, scores (n,))]`: one for two classes, one for each of more.
    """
    y_score = column(numbers(y_score, "y_score", where))
    if y_score.ndim > 2:
        raise error(
            where,
            "y_score of shape (n,) or (n, classes)",
            f"shape {y_score.shape}",
            "flatten what is more than one answer a row",
        )
    truth = classes(y_true, "y_true", where)
    same_rows(where, y_true=truth, y_score=y_score)
    binary = y_score.ndim == 1 or y_score.shape[1] == 2
    count = 2 if binary else y_score.shape[1]
    truth, names = _ids(truth, count, labels, where)
    if binary:
        column_1 = y_score if y_score.ndim == 1 else y_score[:, 1]
        found = [(names[1] if labels is not None else "", truth == 1, column_1)]
    else:
        found = [(names[k], truth == k, y_score[:, k]) for k in range(count)]
    if not alone and not any(0 < np.count_nonzero(t) < len(t) for _, t, _ in found):
        raise error(where, "rows of two classes or more in y_true", "one class", "pass more rows")
    return found


def _ids(truth, count, labels, where):
    """Truth as ids below `count`, and the name of each class."""
    names = [str(k) for k in range(count)] if labels is None else [str(name) for name in labels]
    if len(names) != count:
        raise error(
            where,
            f"a label for each of {count} classes",
            f"{len(names)} labels",
            "give one for each output, in their order",
        )
    if truth.dtype.kind in "US":
        known = {name: k for k, name in enumerate(names)}
        unknown = sorted(set(truth.astype(str)) - set(known))
        if unknown:
            raise error(
                where,
                "labels= to name the classes in the order of the outputs",
                f"{str(unknown[0])!r} in y_true, which is not among them",
                "pass labels=[...]",
            )
        return np.array([known[str(name)] for name in truth]), names
    if truth.min() < 0 or truth.max() >= count:
        raise error(
            where,
            f"classes from 0 to {count - 1} in y_true, for y_score of {count} classes",
            f"{truth.min()} to {truth.max()}",
            "number them from 0, or pass all outputs",
        )
    return truth, names
