"""`KerasFileEditor`: look into a weights file, compare it with a model, change it."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.saving import safe_json, tree
from pyseq.saving.archive import CONFIG, METADATA, WEIGHTS, ModelArchive
from pyseq.saving.atomic import write_atomically
from pyseq.saving.h5_reader import import_h5py, open_h5
from pyseq.saving.h5_weights import VariableWriter
from pyseq.saving.sharded import Collector

if TYPE_CHECKING:
    from pyseq.types import FileLike

_MAX_OBJECTS = 100_000


class KerasFileEditor:
    """Inspects and changes the weights of a `.keras` or `.weights.h5` file; it runs no code.

    Objects are named by paths such as `layers/dense_1`, or by their last part where that is
    unique; their weights are called "0", "1", ...

    Args:
        filepath: path of the file, which is only read.

    Attributes:
        weights_dict: nested dict of arrays.
        config, metadata: of a `.keras` file, else None.
    """

    metadata: Any
    config: Any

    def __init__(self, filepath: FileLike) -> None:
        self.filepath = os.fspath(filepath)
        self.metadata = None
        self.config = None
        if self.filepath.endswith(".keras"):
            with ModelArchive(self.filepath, self.filepath) as archive:
                self.config = safe_json.loads(archive.read(CONFIG), f"{self.filepath}/{CONFIG}")
                if METADATA in archive.members:
                    where = f"{self.filepath}/{METADATA}"
                    self.metadata = safe_json.loads(archive.read(METADATA), where)
                source = io.BytesIO(archive.read(WEIGHTS))
        elif self.filepath.endswith(".weights.h5"):
            source = self.filepath
        else:
            raise ValueError(
                "KerasFileEditor: expected a .keras or .weights.h5 file, got "
                f"{self.filepath!r}"
            )
        self.object_metadata = {}
        self._seen = set()
        with open_h5(source, self.filepath) as reader:
            self.weights_dict = self._extract(reader, "")
        print(f"Keras model file {self.filepath!r}")
        if self.metadata is not None:
            print(
                f"Saved with Keras {self.metadata.get('keras_version')} - date: "
                f"{self.metadata.get('date_saved')}"
            )

    def _extract(self, reader, path):
        if not reader.first_visit(self._seen) or len(self._seen) > _MAX_OBJECTS:
            raise ValueError(
                f"{reader.where}: expected a tree of at most {_MAX_OBJECTS} groups, got a loop or "
                "more; the file is damaged or hostile"
            )
        result = {}
        for name in reader.names():
            if not reader.is_group(name):
                result[name] = reader.array(name, finite=False)
                continue
            child = reader.group(name)
            inner = f"{path}/{name}" if path else name
            if name == "vars" and path:
                label = child.attribute("name")
                if label is not None:
                    self.object_metadata[path] = {"name": label}
                result.update(self._extract(child, path))
            else:
                part = self._extract(child, inner)
                if part:
                    result[name] = part
        return result

    # --- showing

    def summary(self) -> None:
        """Print all objects and the shapes and dtypes of their weights."""
        print("Weights structure")
        self._print(self.weights_dict, "", "")

    def _print(self, weights, path, indent):
        for name, value in weights.items():
            inner = f"{path}/{name}" if path else name
            if isinstance(value, dict):
                label = self.object_metadata.get(inner, {}).get("name")
                print(f"{indent}{name}" + (f" ({label!r})" if label else ""))
                self._print(value, inner, indent + "    ")
            else:
                print(f"{indent}{name}: shape={tuple(value.shape)}, dtype={value.dtype}")

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Print how the file differs from a built model.

        Returns:
            `{"status": "success" or "error", "error_count": n, "match_count": n}`.
        """
        reference = {}
        for path, obj in tree.entries(reference_model):
            store = Collector()
            obj.save_own_variables(store)
            for key, array in store.items():
                reference[f"{path}/{key}" if path else f"vars/{key}"] = array.shape
        found = {path: array.shape for path, array in _flat(self.weights_dict)}
        errors = matches = 0
        for path in [*reference, *(p for p in found if p not in reference)]:
            if path not in found:
                problem = "in the reference model, missing from the saved file"
            elif path not in reference:
                problem = "in the saved file, missing from the reference model"
            elif found[path] != reference[path]:
                problem = f"has shape {reference[path]} in the reference model, {found[path]} saved"
            else:
                matches += 1
                continue
            errors += 1
            print(f"...Weight {path} {problem}")
        print(f"Found {matches} matching weights and {errors} differences")
        status = "error" if errors else "success"
        return {"status": status, "error_count": errors, "match_count": matches}

    # --- changing

    def _locate(self, name):
        """Return the dict that holds object `name`, and its key there."""
        parts = name.split("/")
        if len(parts) > 1:
            parent = self.weights_dict
            for part in parts[:-1]:
                parent = parent.get(part) if isinstance(parent, dict) else None
            if not isinstance(parent, dict) or parts[-1] not in parent:
                raise ValueError(f"KerasFileEditor: expected an object of the file, got {name!r}")
            return parent, parts[-1]
        found = [d for d in _dicts(self.weights_dict) if name in d]
        if len(found) != 1:
            raise ValueError(
                f"KerasFileEditor: expected a name that occurs once, got {name!r}, which occurs "
                f"{len(found)} times; `summary()` lists all, a path tells them apart"
            )
        return found[0], name

    def rename_object(self, object_name: Any, new_name: Any) -> None:
        """Rename an object; `new_name` is the last part of its path."""
        if "/" in new_name:
            raise ValueError(f"rename_object: expected a name without '/', got {new_name!r}")
        parent, key = self._locate(object_name)
        parent[new_name] = parent.pop(key)

    def delete_object(self, object_name: Any) -> None:
        """Remove an object and its weights."""
        parent, key = self._locate(object_name)
        del parent[key]

    def add_object(self, object_path: Any, weights: Any) -> None:
        """Add an object.

        Args:
            object_path: its path; all but the last part must exist.
            weights: `{"0": array, ...}`.
        """
        _check_weights("add_object", weights)
        *parents, name = object_path.split("/")
        parent = self.weights_dict
        for part in parents:
            if not isinstance(parent.get(part), dict):
                raise ValueError(f"add_object: expected an object of the file, got {object_path!r}")
            parent = parent[part]
        parent[name] = dict(weights)

    def delete_weight(self, object_name: Any, weight_name: Any) -> None:
        """Remove one weight of an object."""
        parent, key = self._locate(object_name)
        if weight_name not in parent[key]:
            raise ValueError(
                f"delete_weight: expected one of {list(parent[key])} in {object_name}, got "
                f"{weight_name!r}"
            )
        del parent[key][weight_name]

    def add_weights(self, object_name: Any, weights: Any) -> None:
        """Add or replace weights of an object: `{"0": array, ...}`."""
        _check_weights("add_weights", weights)
        parent, key = self._locate(object_name)
        parent[key].update(weights)

    def save(self, filepath: FileLike) -> None:
        """Write the weights to a `.weights.h5` file."""
        path = os.fspath(filepath)
        if not path.endswith(".weights.h5"):
            raise ValueError(f"save: expected a path ending in .weights.h5, got {path!r}")

        def write(file):
            with import_h5py().File(file, "w") as h5:
                for inner, array in _flat(self.weights_dict):
                    parent, _, name = inner.rpartition("/")
                    group = h5.require_group(parent if parent == "vars" else f"{parent}/vars")
                    if parent in self.object_metadata:
                        group.attrs["name"] = self.object_metadata[parent]["name"]
                    VariableWriter(group)[name] = array

        write_atomically(path, write)

    def resave_weights(self, filepath: FileLike) -> None:
        """The same as `save`."""
        self.save(filepath)


def _check_weights(where, weights):
    if not isinstance(weights, dict):
        raise ValueError(
            f"{where}: expected weights as a dict of arrays, got {type(weights).__name__}"
        )


def _dicts(weights):
    yield weights
    for value in weights.values():
        if isinstance(value, dict):
            yield from _dicts(value)


def _flat(weights, path=""):
    for name, value in weights.items():
        inner = f"{path}/{name}" if path else name
        if isinstance(value, dict):
            yield from _flat(value, inner)
        else:
            yield inner, np.asarray(value)
