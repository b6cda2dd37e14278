"""`save_model`, `load_model`, `save_weights`, `load_weights` for all file formats."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

from pyseq import hooks
from pyseq.registry.reading import reading
from pyseq.saving import export, h5_weights, keras_format, legacy_h5, pyseq_format, sharded
from pyseq.saving.archive import WEIGHTS, ModelArchive
from pyseq.saving.atomic import write_atomically
from pyseq.saving.h5_reader import open_h5

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyseq.sequential import Sequential
    from pyseq.types import CustomObjects, FileLike, SaveArguments

_LEGACY = (".h5", ".hdf5")
_PYSEQ = ".pyseq"


def _local(filepath, where):
    path = os.fspath(filepath) if isinstance(filepath, (str, bytes, os.PathLike)) else None
    if not isinstance(path, str):
        raise ValueError(f"{where}: expected a path, got {filepath!r}")
    if "://" in path:
        raise ValueError(
            f"{where}: expected a local path, got {path!r}; download or upload the file yourself"
        )
    # A SavedModel was a folder: "model/" is the file that is written instead.
    return path if os.path.isdir(path) else path.rstrip("/" + os.sep) or path


def _kind(path):
    """The format of a file: "keras", "h5", "pyseq" or None; from its first bytes if its name is no
    help."""
    if path.endswith(".keras"):
        return "keras"
    if path.endswith(_PYSEQ):
        return "pyseq"
    if path.endswith(_LEGACY):
        return "h5"
    try:
        with open(path, "rb") as file:
            begin = file.read(8)
    except OSError:  # whoever opens it next says what is wrong
        return None
    if begin.startswith(b"PK\x03\x04"):
        return "keras"
    if begin.startswith(b"PYSEQ\0"):
        return "pyseq"
    return "h5" if begin == b"\x89HDF\r\n\x1a\n" else None


def _may_write(path, overwrite):
    if overwrite or not os.path.exists(path):
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise FileExistsError(
            f"{path}: expected no such file with overwrite=False, got one; choose another name or "
            "pass overwrite=True"
        )
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"{path} exists. Overwrite it? [y/n] ").strip().lower()
    return answer == "y"


def save_model(
    model: Any,
    filepath: FileLike,
    overwrite: bool = True,
    zipped: bool | None = None,
    **kwargs: Unpack[SaveArguments],
) -> None:
    """Write architecture, weights, compile arguments and optimizer state.

    The file is written beside the target and then renamed, so that a crash leaves the old file or
    the new one.

    Args:
        model: a Sequential.
        filepath: path ending in `.keras`, or in `.h5` or `.hdf5` for the older format of Keras; a
            directory with `zipped=False`; `.pyseq` for what C++ also runs and, if the model is
            compiled, trains; or a binary file object.
        overwrite: replace an existing file without asking.
        zipped: False writes a directory of the files that `.keras` holds.
        include_optimizer: for `.h5` only, whether to store the optimizer.

    Raises:
        ValueError: another ending; or the model holds a lambda, which no file may.
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    kwargs.pop("save_format", None)
    if kwargs:
        raise ValueError(f"save_model: got unknown arguments {sorted(kwargs)}")
    if isinstance(filepath, io.IOBase):
        return keras_format.write_file(model, filepath)
    path = _local(filepath, "save_model")
    if str(filepath).endswith("/") and os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    kind = "h5" if path.endswith(_LEGACY) else "pyseq" if path.endswith(_PYSEQ) else "keras"
    if not path.endswith((".keras", _PYSEQ, *_LEGACY)) and zipped is not False:
        kind = hooks.ask("old_format", path)
    if kind is None:
        raise ValueError(
            f"save_model: expected a path ending in .keras (or .h5 for the older format), got "
            f"{path!r}"
        )
    if zipped is False and path.endswith(".keras"):
        raise ValueError(
            f"save_model: expected the name of a directory with zipped=False, got {path!r}; leave "
            "the .keras away"
        )
    if not _may_write(path, overwrite):
        return None
    if zipped is False:
        return keras_format.save_directory(model, path)
    if kind == "h5":
        return legacy_h5.save(model, path, include_optimizer)
    if kind == "pyseq":
        return export.export_model(model, path, described=True)
    return keras_format.save(model, path)


def load_model(
    filepath: FileLike,
    custom_objects: CustomObjects = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    allow_non_finite: bool = False,
) -> Sequential:
    """Return the model in a file that Keras or pyseq saved.

    A file is data: opening it runs no code, imports nothing, opens no other file, and is bounded
    in memory.

    Args:
        filepath: `.keras` file or directory, `.h5` or `.hdf5` file, `.pyseq` file that was saved or
            trained (not one exported for inference alone), or binary file object.
        custom_objects: `{name: class or function}` that the file may refer to.
        compile: whether to compile the model as it was.
        safe_mode: accepted for compatibility; loading is always safe.
        allow_non_finite: load NaN and infinite weights.

    Raises:
        ValueError: the file is damaged, hostile, or of something pyseq has not.
        TypeError: its configuration has values of the wrong kind.
    """
    finite = not allow_non_finite
    if isinstance(filepath, io.IOBase):
        return keras_format.load(filepath, "load_model", custom_objects, compile, finite)
    path = _local(filepath, "load_model")
    kind = _kind(path)
    if kind == "keras" and not os.path.exists(path):
        # What scripts of Keras catch, which asks whether it is a zip file.
        raise ValueError(f"{path}: expected a file, got none; check the path")
    if kind == "keras" or os.path.isdir(path):
        return keras_format.load(path, path, custom_objects, compile, finite)
    if kind == "h5":
        return legacy_h5.load(path, custom_objects, compile, finite)
    if kind == "pyseq":
        return pyseq_format.load(path, custom_objects, compile, finite)
    raise ValueError(
        f"load_model: expected a .keras or .h5 file, got {path!r}; a TensorFlow SavedModel has to "
        "be saved again as .keras by the Keras that made it"
    )


def save_weights(
    model: Any,
    filepath: FileLike,
    overwrite: bool = True,
    max_shard_size: Any = None,
    *,
    objects_to_skip: Any = None,
) -> None:
    """Write the weights and the optimizer's state.

    Args:
        model: a built model.
        filepath: path ending in `.weights.h5`; in `.weights.json` for several files.
        overwrite: replace an existing file without asking.
        max_shard_size: size of each of several files, in GiB.
        objects_to_skip: layers or optimizers whose weights are not written, nor those below them;
            not for the older formats.
    """
    path = _local(filepath, "save_weights")
    if not model.built:
        raise ValueError(
            f"{model.name}.save_weights: expected a built model, got one without weights; put "
            "Input(shape) first or call it once"
        )
    ending = ".weights.h5" if max_shard_size is None else ".weights.json"
    if max_shard_size is not None and path.endswith(".weights.h5"):
        path = path.removesuffix(".h5") + ".json"
    old = max_shard_size is None and not path.endswith(ending)
    if not path.endswith(ending) and not (old and hooks.ask("old_format", path, weights=True)):
        raise ValueError(
            f"{model.name}.save_weights: expected a path ending in {ending}, got {path!r}"
        )
    if old and objects_to_skip is not None:
        raise ValueError(
            f"save_weights: expected objects_to_skip only with .weights.h5 files, got {path!r}"
        )
    if not _may_write(path, overwrite):
        return
    skip = objects_to_skip or ()
    if max_shard_size is not None:
        sharded.save(model, path, max_shard_size, skip)
    elif old:
        legacy_h5.save_weights(model, path)
    else:
        write_atomically(path, lambda file: h5_weights.write(model, file, skip))


def load_weights(
    model: Any,
    filepath: FileLike,
    skip_mismatch: bool = False,
    *,
    allow_non_finite: bool = False,
    **kwargs: Any,
) -> None:
    """Read weights into a model; after an error it is as before.

    Args:
        model: a built model.
        filepath: `.weights.h5`, `.weights.json`, `.keras`, or the older `.h5` or `.hdf5`.
        skip_mismatch: leave layers alone, with a warning, whose weights do not fit.
        allow_non_finite: load NaN and infinite weights.
        by_name: for the older `.h5` only: match layers by name rather than by order.
        objects_to_skip: for `.weights.h5` and `.weights.json` only: layers that stay as they are,
            with those below them.

    Raises:
        ValueError: the weights do not fit the model, or the file is damaged or hostile.
    """
    by_name = kwargs.pop("by_name", None)
    objects_to_skip = kwargs.pop("objects_to_skip", None)
    if kwargs:
        raise ValueError(f"load_weights: got unsupported arguments {sorted(kwargs)}")
    path = _local(filepath, "load_weights")
    if not model.built:
        raise ValueError(
            f"{model.name}.load_weights: expected a built model, got one without weights; put "
            "Input(shape) first or call it once"
        )
    finite = not allow_non_finite
    kind = None if path.endswith((".weights.h5", ".weights.json")) else _kind(path)
    is_legacy = kind == "h5"
    if by_name is not None and not is_legacy:
        raise ValueError(f"load_weights: expected by_name only with older .h5 files, got {path!r}")
    if objects_to_skip is not None and not path.endswith((".weights.h5", ".weights.json")):
        raise ValueError(
            f"load_weights: expected objects_to_skip only with .weights.h5 files, got {path!r}"
        )
    skip = objects_to_skip or ()
    with reading(path):
        if kind == "keras":
            with ModelArchive(path, path) as archive:
                source = io.BytesIO(archive.read(WEIGHTS))
            _load_h5(model, source, f"{path}/{WEIGHTS}", skip_mismatch, finite)
        elif path.endswith(".weights.h5"):
            _load_h5(model, path, path, skip_mismatch, finite, skip)
        elif path.endswith(".weights.json"):
            sharded.load(model, path, skip_mismatch, finite, skip)
        elif is_legacy:
            legacy_h5.load_weights(model, path, skip_mismatch, bool(by_name), finite)
        else:
            raise ValueError(
                "load_weights: expected a .weights.h5, .weights.json, .keras or .h5 file, got "
                f"{path!r}"
            )


def _load_h5(model, source, where, skip_mismatch, finite, skip=()):
    with open_h5(source, where) as reader:
        h5_weights.read(
            model,
            lambda path: h5_weights.find_variables(reader, path),
            where,
            skip_mismatch,
            finite,
            skip=skip,
        )


