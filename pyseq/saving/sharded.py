"""Weights in several HDF5 files with an index: `name.weights.json` and `name_00000.weights.h5`."""

from __future__ import annotations

import contextlib
import json
import os
import re

import numpy as np

from pyseq.registry.limits import MAX_JSON_BYTES
from pyseq.saving import h5_weights, safe_json, tree
from pyseq.saving.atomic import write_atomically
from pyseq.saving.h5_reader import import_h5py, open_h5

_GIB = 1024**3


def _stem(path):
    return os.path.basename(path).removesuffix(".weights.json")


class Collector(dict):
    """A store that keeps what `save_own_variables` writes."""

    def __setitem__(self, key, value):
        super().__setitem__(str(key), np.asarray(value))


def _shards(model, limit, skip):
    """Divide the variables into lists of `(group, key, array, object name)` of at most `limit`."""
    shards, size = [[]], 0
    for path, obj in tree.entries(model, skip):
        store = Collector()
        obj.save_own_variables(store)
        group = f"/{path}/vars" if path else "/vars"
        shards[-1].append((group, None, None, obj.name))
        for key, array in store.items():
            if array.nbytes > limit:
                raise ValueError(
                    f"save_weights: expected variables of at most max_shard_size={limit / _GIB} "
                    f"GiB, got {array.nbytes} bytes in {group}; raise max_shard_size"
                )
            if size + array.nbytes > limit:
                shards.append([])
                size = 0
            shards[-1].append((group, key, array, obj.name))
            size += array.nbytes
    return shards


def _write(shard, file):
    with import_h5py().File(file, "w") as h5:
        for group, key, array, name in shard:
            vars_group = h5.require_group(group)
            vars_group.attrs["name"] = name
            if key is not None:
                h5_weights.VariableWriter(vars_group)[key] = array


def save(model, path, max_shard_size, skip=()):
    """Write the files of at most `max_shard_size` GiB each, and last the index."""
    shards = _shards(model, float(max_shard_size) * _GIB, skip)
    weight_map, total = {}, 0
    for i, shard in enumerate(shards):
        name = f"{_stem(path)}_{i:05d}.weights.h5"
        target = os.path.join(os.path.dirname(path), name)
        write_atomically(target, lambda file, shard=shard: _write(shard, file))
        for group, key, array, _ in shard:
            if key is not None:
                total += array.nbytes
                files = weight_map.setdefault(group, [])
                if name not in files:
                    files.append(name)
    index = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=4)
    write_atomically(path, lambda file: file.write(index.encode()))


def load(model, path, skip_mismatch, finite, skip=()):
    """Read the weights; only files beside the index that are named after it are opened."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: expected a file, got none; check the path")
    if os.path.getsize(path) > MAX_JSON_BYTES:
        raise ValueError(f"{path}: expected at most {MAX_JSON_BYTES} bytes, got more")
    with open(path, "rb") as file:
        index = safe_json.loads(file.read(), path)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict):
        raise ValueError(f"{path}: expected a weight_map of files, got {weight_map!r}")
    pattern = re.compile(re.escape(_stem(path)) + r"_[0-9]{5,9}\.weights\.h5")
    # Keras writes a bare string where there is one file.
    weight_map = {k: v if isinstance(v, list) else [v] for k, v in weight_map.items()}
    names = {name for files in weight_map.values() for name in files if isinstance(name, str)}
    if any(not isinstance(n, str) for files in weight_map.values() for n in files) or not all(
        pattern.fullmatch(name) for name in names
    ):
        raise ValueError(
            f"{path}: expected only files named {_stem(path)}_<number>.weights.h5 beside it, got "
            f"others in its weight_map; the file is damaged or hostile"
        )
    with contextlib.ExitStack() as stack:
        readers = {}
        for name in sorted(names):
            shard = os.path.join(os.path.dirname(path), name)
            readers[name] = stack.enter_context(open_h5(shard, shard))

        def find(inner):
            group = f"{inner}/vars" if inner else "vars"
            return [readers[n].find(group) for n in weight_map.get(f"/{group}", ())]

        h5_weights.read(model, find, path, skip_mismatch, finite, skip=skip)
