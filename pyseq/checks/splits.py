"""PS307 and PS308: the rows to train on beside those to validate on."""

from __future__ import annotations

import numpy as np

from pyseq.checks.context import BINARY, CATEGORICAL, SPARSE
from pyseq.checks.registry import check

# Rows of either that are compared, by so many of their columns.
_TRAINING, _VALIDATION, _COLUMNS = 4000, 2000, 12
# Share of the validation rows from which on a finding is told.
_MANY, _SOME = 0.5, 0.1


@check("PS307", at=("validate",))
def seen_rows(c):
    """Validation rows that are rows of the training data.

    Why: The model has seen them: `val_loss` says nothing about new data, and `EarlyStopping` does
    not stop.

    Fix: Rows that are kept apart: `validation_split=0.2`, or a split before training.
    """
    x, v = c.x, c.details.get("x_val")
    if x is None or not isinstance(v, np.ndarray) or x.shape[1:] != v.shape[1:] or x.ndim < 2:
        return
    if x.dtype.kind not in "fiub" or len(x) < 2 or len(v) < 2:
        return
    share = 1.0 if x is v else _share_seen(x.reshape(len(x), -1), v.reshape(len(v), -1))
    if share >= _MANY:
        amount = "all" if share >= 0.95 else f"about {100 * share:.0f} %"
        yield (
            c.where,
            f"{amount} of the validation rows are also rows of the training data",
            "validate on rows that are kept apart, such as validation_split=0.2",
        )


def _share_seen(x, v):
    """About which share of the rows of `v` is in `x`; 0 where rows of `x` are alike."""
    step = max(1, -(-len(x) // _TRAINING))
    v = v[:: max(1, len(v) // _VALIDATION)]
    columns = np.arange(0, x.shape[1], max(1, x.shape[1] // 512))
    spread = v[:64][:, columns].std(axis=0, dtype="float64")
    columns = np.sort(columns[np.argsort(-spread, kind="stable")[:_COLUMNS]])
    factors = np.sin(np.arange(1.0, len(columns) + 1))  # any that are not multiples
    here, there = x[::step][:, columns] * factors, v[:, columns] * factors
    keys, wanted = here.sum(axis=1), there.sum(axis=1)
    order = np.argsort(keys)
    ordered = keys[order]
    if np.count_nonzero(np.diff(ordered)) + 1 < 0.9 * len(keys):
        return 0.0
    at = np.minimum(np.searchsorted(ordered, wanted), len(keys) - 1)
    hits = np.flatnonzero(ordered[at] == wanted)
    if len(hits) * step < 0.5 * _MANY * len(v):  # chance, or too few to matter
        return 0.0
    tried = hits[:20]
    same = [np.array_equal(x[order[at[i]] * step], v[i]) for i in tried]
    return min(1.0, np.mean(same) * len(hits) / len(v) * step)


@check("PS308", at=("validate",))
def classes_not_trained(c):
    """Validation rows of classes that the training data lack.

    Why: `validation_split` takes the last rows. Where rows are sorted by class these are classes
    that the model has never seen.

    Fix: Shuffle x and y together before `fit`, or split each class.
    """
    y, v = c.y, c.details.get("y_val")
    if c.kind not in (*BINARY, *CATEGORICAL) or y is None or not isinstance(v, np.ndarray):
        return
    if y.shape[1:] != v.shape[1:] or y.ndim > 2 or not y.size or not v.size:
        return
    here, there = _classes(c, y), _classes(c, c.rows(v))
    if here is None or there is None:
        return
    trained = np.zeros(1 + max(here.max(), there.max()), bool)
    trained[here] = True
    missing = ~trained[there]
    if missing.mean() < _SOME:
        return
    names = np.unique(there[missing])
    listed = ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
    yield (
        c.where,
        f"{100 * missing.mean():.0f} % of the validation rows are of classes that the training "
        f"data lack: {listed}",
        "the rows look sorted by class: shuffle x and y together before the split",
    )


def _classes(c, y):
    """The class of each row as a small integer; None where rows have none."""
    if y.ndim == 2 and y.shape[1] > 1:
        if c.kind in SPARSE or c.kind in BINARY:
            return None
        return np.argmax(y[:: c.step(y, 1 << 20)], axis=1)
    y = y[:: c.step(y, 1 << 17)].reshape(-1)
    low, high = np.min(y), np.max(y)
    if not (low >= 0 and high < 1 << 20) or (y.dtype.kind == "f" and (y != np.round(y)).any()):
        return None
    return y.astype("int64")
