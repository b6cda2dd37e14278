"""From the arguments of `fit`, `evaluate` and `predict` to data that runs epoch after epoch."""

from __future__ import annotations

from pyseq import settings
from pyseq.training import loop
from pyseq.training.data import (
    ArrayData,
    StreamData,
    class_weights,
    is_array,
    split_validation,
    to_array,
    to_rows,
    unwrap,
)


def rows_of(model, x, y, sample_weight, batch_size, shuffle, steps, where, class_weight):
    """The arguments as arrays of rows; class weights become weights of rows."""
    x = model._rows(x, f"{where}: x")
    if y is not None:
        y = to_rows(unwrap(y, f"{where}: y"), f"{where}: y")
    if sample_weight is not None:
        sample_weight = to_array(
            unwrap(sample_weight, f"{where}: sample_weight"), f"{where}: sample_weight"
        )
    if class_weight is not None:
        if y is None:
            raise ValueError(f"{where}: expected targets for class_weight, got none")
        sample_weight = class_weights(y, class_weight, sample_weight, where)
    if batch_size is None and model._is_stateful() and model._input_batch_shape:
        batch_size = model._input_batch_shape[0]
    return ArrayData(x, y, sample_weight, batch_size, shuffle, steps, where)


def open_data(model, x, y, sample_weight, batch_size, shuffle, steps, where, class_weight=None):
    """Arrays or a stream of batches, built and checked, ready to run epoch after epoch."""
    if x is None:
        raise ValueError(f"{where}: expected x, got None")
    rows = (
        is_array(x)
        or isinstance(x, (list, dict, str, bytes))
        or (isinstance(x, tuple) and not hasattr(x, "__next__"))
    )
    if not rows:
        if y is not None or sample_weight is not None:
            raise ValueError(
                f"{where}: expected y and sample_weight only with arrays, got them beside a "
                f"{type(x).__name__}; let it yield (x, y, sample_weight)"
            )
        if not (hasattr(x, "__iter__") or hasattr(x, "__getitem__")):
            raise TypeError(
                f"{where}: expected an array, a generator or a dataset, got {type(x).__name__}"
            )
        shape = model._input_batch_shape
        row = tuple(shape[1:]) if isinstance(shape, tuple) and len(shape) > 1 else None
        stream = StreamData(x, model._rows, shuffle, where, class_weight, row)
        if steps is None and settings.max_steps_per_epoch is None and stream.endless:
            argument = "steps_per_epoch" if where == "fit" else "steps"
            raise ValueError(
                f"{where}: expected {argument} with a dataset that has no end, got None; pass "
                f"{argument}, or use take(count) on the dataset"
            )
        return loop.StreamEpochs(stream, _limited(steps, stream.batches))
    data = rows_of(model, x, y, sample_weight, batch_size, shuffle, steps, where, class_weight)
    data.x = model._enter(data.x, late=True)
    return loop.ArrayEpochs(data, _limited(steps, data.batches))


def split(model, x, y, sample_weight, validation_split):
    """`(x, y, sample_weight, validation)`: the last rows of each become the validation data."""
    parts = [None if x is None else model._rows(x, "fit: x")]
    for name, a in (("y", y), ("sample_weight", sample_weight)):
        parts.append(None if a is None else to_rows(unwrap(a, f"fit: {name}"), f"fit: {name}"))
    lengths = {len(a) for a in parts if a is not None}
    if len(lengths) > 1:
        raise ValueError(
            "fit: Data cardinality is ambiguous: expected as many rows in x, y and "
            f"sample_weight, got {sorted(lengths)}"
        )
    (x, y, sample_weight), validation = split_validation(parts, validation_split)
    return x, y, sample_weight, tuple(v for v in validation if v is not None)


def _limited(steps, batches):
    """Steps of an epoch under `config.set_max_steps_per_epoch`; None for all of the data."""
    limit = settings.max_steps_per_epoch
    if limit is None:
        return steps
    return min(n for n in (steps, batches, limit) if n is not None)
