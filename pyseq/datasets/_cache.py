"""The download cache shared with Keras: `$KERAS_HOME` or `~/.keras`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

TF_KERAS_DATASETS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_CHUNK = 1 << 20
_TIMEOUT_S = 30


def keras_home():
    """Folder of the cache: `$KERAS_HOME`, or `~/.keras`."""
    home = os.environ.get("KERAS_HOME")
    return Path(home).expanduser() if home else Path("~/.keras").expanduser()


def cached_file(name: str, origin: Any, file_hash: Any, subdir: str = "datasets") -> Any:
    """Path of `name` in the cache, downloaded from `origin` if it is absent or damaged.

    `file_hash` is the hexadecimal SHA-256 (64 digits) or MD5 (32 digits) of the file. An absolute
    `name`, or one with a folder in it, names the file itself instead of one in the cache.

    Raises `ConnectionError` when the file has to be downloaded and cannot be, and `ValueError`
    when what arrived has another hash.
    """
    path = keras_home() / subdir / name
    if path.is_file() and _hash(path, file_hash) == file_hash:
        return path
    reason = "damaged or out of date" if path.is_file() else "absent"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            _download(origin, out, path, reason)
        got = _hash(part, file_hash)
        if got != file_hash:
            raise ValueError(
                f"datasets: expected {origin} to have the hash {file_hash}, got {got}; "
                "the download is incomplete or altered, try again"
            )
        os.replace(part, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
    return path


def _download(origin, out, path, reason):
    from urllib.error import URLError
    from urllib.request import urlopen

    print(f"Downloading {origin}", file=sys.stderr)
    try:
        with urlopen(origin, timeout=_TIMEOUT_S) as response:
            total = int(response.headers.get("Content-Length") or 0)
            done = 0
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                done += len(chunk)
                _progress(done, total)
    except (URLError, OSError) as error:
        detail = getattr(error, "reason", None) or error
        raise ConnectionError(
            f"datasets: expected {path} in the cache (it is {reason}) or a download from {origin}, "
            f"got {detail}; connect to the network, or put the file there yourself"
        ) from error


def _progress(done, total):
    if not (hasattr(sys.stderr, "isatty") and sys.stderr.isatty()):
        return
    size = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
    end = "\n" if done == total else ""
    print(f"\r{size}", end=end, file=sys.stderr, flush=True)


def _hash(path, like):
    algorithm = "sha256" if len(like) == 64 else "md5"
    digest = hashlib.new(algorithm, usedforsecurity=algorithm == "sha256")
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
