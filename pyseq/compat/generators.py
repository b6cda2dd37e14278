"""`fit_generator`, `evaluate_generator` and `predict_generator`, counted in batches or in rows."""

from __future__ import annotations

import itertools

from pyseq.compat.notices import tell

# Arguments of Keras 1, and those of today; None has no effect. What counted rows counts batches.
_WORKERS = {"max_q_size": None, "nb_worker": None, "pickle_safe": None}
ARGUMENTS = {
    "fit_generator": {
        "nb_epoch": "epochs",
        "nb_val_samples": "validation_steps",
        "samples_per_epoch": "steps_per_epoch",
        "val_samples": "validation_steps",
        **_WORKERS,
    },
    "evaluate_generator": {"val_samples": "steps", **_WORKERS},
    "predict_generator": {"val_samples": "steps", **_WORKERS},
}

COUNT_ROWS = ("samples_per_epoch", "nb_val_samples", "val_samples")


def fit_generator(
    self,
    generator,
    steps_per_epoch=None,
    epochs=1,
    verbose=1,
    callbacks=None,
    validation_data=None,
    validation_steps=None,
    validation_freq=1,
    class_weight=None,
    max_queue_size=10,
    workers=1,
    use_multiprocessing=False,
    shuffle=True,
    initial_epoch=0,
    **old,
):
    """Train on a generator or dataset; `fit` of today does the same.

    Args:
        generator: yields (x, y) or (x, y, sample_weight).
        steps_per_epoch: batches of an epoch.
        max_queue_size, workers, use_multiprocessing: accepted; `fit` reads the generator itself.
        old: `samples_per_epoch`, `nb_epoch`, `nb_val_samples`, as Keras 1 named them; rows are
            counted there, and become batches of the size of the first.
    """
    old = _taken(self, "fit_generator", old)
    epochs = old.get("epochs", epochs)
    rows, validation_rows = old.get("steps_per_epoch"), old.get("validation_steps")
    if rows is not None:
        generator, steps_per_epoch = _steps(generator, rows)
    if validation_rows is not None and validation_data is not None:
        validation_data, validation_steps = _steps(validation_data, validation_rows)
    return self.fit(
        generator,
        epochs=epochs,
        verbose=verbose,
        callbacks=callbacks,
        validation_data=validation_data,
        shuffle=shuffle,
        class_weight=class_weight,
        initial_epoch=initial_epoch,
        steps_per_epoch=steps_per_epoch,
        validation_steps=validation_steps,
        validation_freq=validation_freq,
    )


def evaluate_generator(
    self,
    generator,
    steps=None,
    callbacks=None,
    max_queue_size=10,
    workers=1,
    use_multiprocessing=False,
    verbose=0,
    **old,
):
    """Loss and metrics over a generator or dataset; `evaluate` of today does the same."""
    rows = _taken(self, "evaluate_generator", old).get("steps")
    if rows is not None:
        generator, steps = _steps(generator, rows)
    return self.evaluate(generator, steps=steps, callbacks=callbacks, verbose=verbose)


def predict_generator(
    self,
    generator,
    steps=None,
    callbacks=None,
    max_queue_size=10,
    workers=1,
    use_multiprocessing=False,
    verbose=0,
    **old,
):
    """Outputs for a generator or dataset; `predict` of today does the same."""
    rows = _taken(self, "predict_generator", old).get("steps")
    if rows is not None:
        generator, steps = _steps(generator, rows)
    return self.predict(generator, steps=steps, callbacks=callbacks, verbose=verbose)


def _taken(model, where, old):
    """The old arguments by the names of today."""
    table, taken = ARGUMENTS[where], {}
    for name in [name for name in old if name in table]:
        new, value = table[name], old.pop(name)
        tell(f"{name}=", f"{new}=" if new else "nothing: it has no effect")
        if new:
            taken[new] = value
    if old:
        raise TypeError(
            f"{model.name}.{where}: expected arguments of Keras 1 or 2, got unknown {sorted(old)}; "
            "check the spelling"
        )
    return taken


def _steps(data, rows):
    """The data, and in how many of its batches there are so many rows at least."""
    if isinstance(data, (tuple, list)):  # arrays, which end by themselves
        return data, None
    size = getattr(data, "batch_size", None)
    if not isinstance(size, int):
        if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
            first = data[0]
        else:
            stream = iter(data)
            first = next(stream)
            data = itertools.chain([first], stream)
        x = first[0] if isinstance(first, (tuple, list)) else first
        size = len(x[0] if isinstance(x, (list, tuple)) else x)
    return data, -(-int(rows) // size)
