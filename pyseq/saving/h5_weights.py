"""Weights in HDF5 files: the layout of `.weights.h5` and of `model.weights.h5` in `.keras` files.

Every object has a group `<path>/vars` with the attribute `name` and its own variables as datasets
"0", "1", ...; see `pyseq.saving.tree` for the paths.
"""

from __future__ import annotations

import warnings

import numpy as np

from pyseq.optimizers import Optimizer
from pyseq.saving import tree
from pyseq.saving.h5_reader import import_h5py


class VariableWriter:
    """What `save_own_variables` writes to: `store[key] = array`."""

    def __init__(self, group):
        self._group = group

    def __setitem__(self, key, value):
        value = np.asarray(value)
        if value.dtype.kind == "b":
            value = value.astype(np.uint8)
        half = value.dtype.name == "bfloat16"
        if value.dtype.kind not in "fiu" and not half:
            raise TypeError(
                f"save_own_variables: expected numbers for {key!r}, got dtype {value.dtype}; other "
                "data belongs into get_config()"
            )
        if "/" in str(key):
            raise ValueError(f"save_own_variables: expected a key without '/', got {key!r}")
        self._group[str(key)] = value
        if half:  # HDF5 has no such type: the reader is told
            self._group[str(key)].attrs["dtype"] = "bfloat16"

    def __contains__(self, key):
        return key in self._group

    def __len__(self):
        return len(self._group)

    def keys(self):
        return self._group.keys()


class VariableReader:
    """What `load_own_variables` reads from: arrays whose shapes were checked before reading.

    Args:
        reader: `H5Reader` of a group of variables, or a list of them that share the variables, or
            None for an object that the file lacks.
        shapes: `{key: shape}` that must hold; other keys may have any shape that the file stores.
        finite: refuse NaN and infinity.
    """

    def __init__(self, reader, shapes, finite=True):
        readers = reader if isinstance(reader, list) else [reader]
        self._readers = [r for r in readers if r is not None]
        self._shapes = shapes
        self._finite = finite

    def keys(self):
        return [name for reader in self._readers for name in reader.names()]

    def shapes(self):
        """Shapes of the variables "0", "1", ..., as far as there are some, without reading them."""
        shapes = []
        while (key := str(len(shapes))) in self:
            reader = next(reader for reader in self._readers if key in reader)
            shapes.append(reader.shape(key))
        return shapes

    def __len__(self):
        return len(self.keys())

    def __iter__(self):
        return iter(self.keys())

    def __contains__(self, key):
        return any(str(key) in reader for reader in self._readers)

    def __getitem__(self, key):
        key = str(key)
        for reader in self._readers:
            if key in reader:
                return reader.array(key, self._shapes.get(key), self._finite)
        raise KeyError(f"expected the variable {key!r}, got {self.keys()[:20]}")

    def get(self, key, default=None):
        return self[key] if key in self else default


def write(model, file, skip=()):
    """Write the weights of a model and its optimizer, but for those to `skip`, to a binary file."""
    h5py = import_h5py()
    with h5py.File(file, "w") as h5:
        for path, obj in tree.entries(model, skip):
            group = h5.create_group(f"{path}/vars" if path else "vars")
            group.attrs["name"] = obj.name
            obj.save_own_variables(VariableWriter(group))


def find_variables(reader, path):
    """Return the `H5Reader` of an object's variables, or None."""
    group = reader.find(f"{path}/vars")
    if group is None and "_layer_checkpoint_dependencies" in reader:
        # Files of Keras 2.12 to 3.0.
        group = reader.find(path.replace("layers", "_layer_checkpoint_dependencies") + "/vars")
    return group


def read(model, find, where, skip_mismatch=False, finite=True, fresh=False, skip=()):
    """Read the weights of a model and its optimizer; after an error all are as before.

    Args:
        model: a built model.
        find: function from a path to an `H5Reader` or a list of them, or None.
        where: the file, for messages.
        skip_mismatch: leave layers alone, with a warning, whose weights do not fit.
        finite: refuse NaN and infinity.
        fresh: the model was just made from the same file.
        skip: objects to leave alone, with all below them.
    """
    objects = tree.entries(model, skip)
    before = Snapshot(objects)
    skipped = []
    try:
        for path, obj in objects:
            reader = find(path)
            variables = tree.own_variables(obj)
            if isinstance(obj, Optimizer):
                stored = VariableReader(reader, {})
                if len(stored) != len(variables):
                    variables = obj.saved_variables(stored.shapes()) or ()
            shapes = {str(i): v.shape for i, v in enumerate(variables)}
            store = VariableReader(reader, shapes, finite)
            if isinstance(obj, Optimizer) and _has_no_state(obj, store, fresh):
                continue
            part = Snapshot([(path, obj)]) if skip_mismatch else None
            try:
                load_variables(obj, store, f"{where}/{path or model.name}")
            except ValueError as error:
                if part is None:
                    raise
                part.restore()
                skipped.append(str(error))
        check_range(objects, finite, where)
    except BaseException:
        before.restore()
        raise
    if skipped:
        warnings.warn(
            f"{where}: {len(skipped)} objects were skipped, because their weights do not fit: "
            + "; ".join(skipped[:5]),
            stacklevel=4,
        )


def load_variables(obj, store, where):
    """Call `obj.load_own_variables`; whatever it trips over becomes a ValueError with a place."""
    try:
        obj.load_own_variables(store)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{where}: could not load `{obj.name}`: {_text(error)}") from error


def _text(error):
    return error.args[0] if error.args else repr(error)


def _has_no_state(optimizer, store, fresh):
    """Return whether the file holds nothing that this optimizer could take over."""
    if len(store) == 0:
        return True
    # Before the first step there are only the counter and the learning rate, which the config
    # has, too.
    return fresh and len(store) <= 2 and len(optimizer.variables) > len(store)


def check_range(objects, finite, where):
    """Refuse numbers that became infinite in the variables' own precision."""
    if not finite:
        return
    for path, obj in objects:
        for variable in tree.own_variables(obj):
            if variable.is_float and not np.isfinite(variable.value).all():
                raise ValueError(
                    f"{where}/{path}: expected finite weights of {variable.dtype}, got NaN or "
                    f"infinity in {variable.path}; pass allow_non_finite=True to load them"
                )


class Snapshot:
    """Values of the variables of some `(path, object)` pairs, to go back to after a failure."""

    def __init__(self, objects):
        self._objects = [obj for _, obj in objects]
        self._values = [(v, v.numpy()) for obj in self._objects for v in tree.own_variables(obj)]

    def restore(self):
        for variable, value in self._values:
            variable.assign(value)
        for obj in self._objects:
            # Derived values, as of Normalization.
            if getattr(obj, "built", False) and hasattr(obj, "finalize_state"):
                obj.finalize_state()
