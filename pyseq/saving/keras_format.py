"""The `.keras` format of Keras 3: configuration, weights and assets in a zip archive."""

from __future__ import annotations

import datetime
import io
import json
import os
import stat
import warnings
import zipfile

from pyseq._version import __version__
from pyseq.registry import limits, registration, serialization
from pyseq.registry.reading import reading
from pyseq.saving import h5_weights, safe_json, tree
from pyseq.saving.archive import ASSETS, CONFIG, METADATA, WEIGHTS, ModelArchive
from pyseq.saving.atomic import write_atomically, write_directory_atomically
from pyseq.saving.h5_reader import open_h5

# The version of Keras whose format is written.
KERAS_VERSION = "3.15.0"


# --- writing


def _contents(model):
    """Yield `(member name, bytes)` in the order in which Keras writes them."""
    if not model.built:
        warnings.warn(
            f"{model.name}.save: expected a built model, got one without weights; put "
            "Input(shape) first or call it once",
            stacklevel=6,
        )
    with serialization.object_sharing_scope():
        config = serialization.serialize_keras_object(model)
    metadata = {
        "keras_version": KERAS_VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
        "pyseq_version": __version__,
    }
    yield METADATA, json.dumps(metadata).encode()
    yield CONFIG, json.dumps(config).encode()
    weights = io.BytesIO()
    h5_weights.write(model, weights)
    yield WEIGHTS, weights.getbuffer()
    for path, obj in tree.entries(model):
        if hasattr(obj, "get_assets"):
            for name, data in sorted(obj.get_assets().items()):
                yield f"{ASSETS}{path}/{name}", data


def write_file(model, file):
    """Write a `.keras` archive to an open binary file."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in _contents(model):
            with archive.open(name, "w", force_zip64=len(data) > 1 << 31) as member:
                member.write(data)


def save(model, filepath):
    """Write a `.keras` file atomically."""
    write_atomically(filepath, lambda file: write_file(model, file))


def save_directory(model, path):
    """Write the same members as files of a directory, which replaces an older one as a whole."""
    path = os.path.realpath(path)
    known = {METADATA, CONFIG, WEIGHTS, ASSETS.rstrip("/")}
    if os.path.exists(path):
        if not os.path.isdir(path) or set(os.listdir(path)) - known:
            raise FileExistsError(
                f"{path}: expected no directory, or one of a saved model, got other files; choose "
                "another name"
            )

    def write(folder):
        for name, data in _contents(model):
            target = os.path.join(folder, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            write_atomically(target, lambda file, data=data: file.write(data))

    write_directory_atomically(path, write)


# --- reading


class ModelDirectory:
    """The members of a model that was saved with `zipped=False`; links are not followed."""

    def __init__(self, path, where):
        self.where = where
        self._path = path
        self.members = {}
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                full = os.path.join(folder, name)
                mode = os.lstat(full).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise ValueError(f"{where}: expected plain files, got the link {full!r}")
            for name in files:
                relative = os.path.relpath(os.path.join(folder, name), path)
                self.members[relative.replace(os.sep, "/")] = os.path.join(folder, name)
        for name in (CONFIG, WEIGHTS):
            if name not in self.members:
                raise ValueError(
                    f"{where}: expected a file {name}, got {sorted(self.members)[:20]}; this is no "
                    "saved model"
                )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def size(self, name):
        return os.path.getsize(self.members[name])

    def read(self, name):
        if name == CONFIG and self.size(name) > limits.MAX_JSON_BYTES:
            raise ValueError(
                f"{self.where}: expected {name} of at most {limits.MAX_JSON_BYTES} bytes, got "
                f"{self.size(name)}"
            )
        with open(self.members[name], "rb") as file:
            return file.read()

    def assets(self):
        names = [n for n in self.members if n.startswith(ASSETS)]
        return {name.removeprefix(ASSETS): self.read(name) for name in names}


def load(source, where, custom_objects=None, compile=True, finite=True):
    """Return the model in a `.keras` file, directory or binary file object."""
    is_directory = isinstance(source, str) and os.path.isdir(source)
    kind = ModelDirectory if is_directory else ModelArchive
    with reading(where), kind(source, where) as archive:
        text = archive.read(CONFIG)
        config = safe_json.loads(text, f"{where}/{CONFIG}")
        if METADATA in archive.members:
            metadata = safe_json.loads(archive.read(METADATA), f"{where}/{METADATA}")
            warn_of_changes(text.decode(), metadata.get("keras_version"), custom_objects, where)
        if not compile:
            config["compile_config"] = None
        with limits.loading(archive.size(WEIGHTS), where):
            model = model_from_config(config, custom_objects, where)
            weights = archive.members[WEIGHTS] if is_directory else io.BytesIO(
                archive.read(WEIGHTS)
            )
            with open_h5(weights, f"{where}/{WEIGHTS}") as reader:
                h5_weights.read(
                    model,
                    lambda path: h5_weights.find_variables(reader, path),
                    f"{where}/{WEIGHTS}",
                    finite=finite,
                    fresh=True,
                )
            load_assets(model, archive.assets(), where)
    return model


def model_from_config(config, custom_objects, where):
    """Return the model that a configuration describes; what is no model is refused."""
    if config.get("class_name") == "Functional":
        raise ValueError(
            f"{where}: expected a Sequential model, got a Functional one, whose layers may branch; "
            "rebuild it as Sequential([...]) and load its weights by layer"
        )
    count = _count_layers(config)
    if count > limits.MAX_LAYERS:
        raise ValueError(
            f"{where}: expected at most {limits.MAX_LAYERS} layers, got {count}; the file is "
            "damaged or hostile"
        )
    with serialization.object_sharing_scope():
        model = serialization.deserialize_keras_object(config, custom_objects)
    alone = getattr(type(model), "stands_alone", False)  # a FeatureSpace
    if not hasattr(model, "compile_from_config") and not alone:
        raise ValueError(
            f"{where}: expected a model, got {type(model).__name__}; the file holds "
            "another object"
        )
    return model


def warn_of_changes(text, version, custom_objects, where):
    """Warn where Keras 2 meant something else by a name that Keras 3 still has.

    Args:
        text: JSON of the model's description.
        version: of the Keras that wrote it, or None.
        custom_objects: what the caller gave.
        where: the file.
    """
    name = "hard_sigmoid"
    if not str(version).startswith(("1.", "2.")) or f'"{name}"' not in text:
        return
    if registration.get_registered_object(name, custom_objects) is None:
        warnings.warn(
            f"{where}: hard_sigmoid was clip(0.2 x + 0.5, 0, 1) when Keras {version} wrote this, "
            "and is clip(x / 6 + 0.5, 0, 1) now, so that predictions differ; register a function "
            "of the old kind as custom_objects={'hard_sigmoid': ...} to keep them",
            stacklevel=4,
        )


def _count_layers(config):
    """Count the entries of all lists called `layers`; the config is known to be shallow."""
    if isinstance(config, list):
        return sum(map(_count_layers, config))
    if not isinstance(config, dict):
        return 0
    layers = config.get("layers")
    own = len(layers) if isinstance(layers, list) else 0
    return own + sum(map(_count_layers, config.values()))


def load_assets(model, assets, where):
    """Hand `{"<path>/<name>": bytes}` to the layers that take them."""
    objects = tree.entries(model)
    used = set()
    for path, obj in objects:
        own = {
            name[len(path) + 1 :]: data
            for name, data in assets.items()
            if name.rpartition("/")[0] == path
        }
        if not own:
            continue
        if not hasattr(obj, "set_assets"):
            raise ValueError(
                f"{where}: expected no assets for `{obj.name}`, got {sorted(own)}; a layer with "
                "assets defines get_assets() -> {name: bytes} and set_assets(assets)"
            )
        obj.set_assets(own)
        used.update(f"{path}/{name}" for name in own)
    unknown = sorted(set(assets) - used)
    if unknown:
        raise ValueError(
            f"{where}: expected assets of the model's layers, got {unknown[:20]}; the file is "
            "damaged or hostile"
        )
