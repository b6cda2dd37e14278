"""Files from the network, checked and kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

_CHUNK = 1 << 20
_TIMEOUT_S = 30
_DIGITS = {"md5": 32, "sha256": 64}
_SCHEMES = ("http", "https", "ftp", "file")


def cache_home():
    """Return the folder of the cache: `$KERAS_HOME`, else `~/.keras`."""
    home = os.environ.get("KERAS_HOME")
    return Path(home).expanduser() if home else Path.home() / ".keras"


def file_hash_is(path, file_hash, algorithm="auto"):
    """Return whether a file has this SHA-256 or MD5 hash (hexadecimal)."""
    if algorithm == "auto":
        algorithm = "sha256" if len(file_hash) == _DIGITS["sha256"] else "md5"
    if algorithm not in _DIGITS:
        raise ValueError(
            f"get_file(hash_algorithm): expected 'auto', 'md5' or 'sha256', got {algorithm!r}"
        )
    digest = hashlib.new(algorithm, usedforsecurity=algorithm == "sha256")
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == file_hash.lower()


def get_file(
    fname: Any = None,
    origin: Any = None,
    untar: bool = False,
    md5_hash: Any = None,
    file_hash: Any = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """Return the path of a file in the cache, downloaded if it is not there.

    The address is printed to standard error before anything is downloaded.

    Args:
        fname: name in the cache; the last part of `origin` when None.
        origin: address of the file.
        untar, extract: unpack the archive and return the folder instead.
        md5_hash, file_hash: hexadecimal hash that the file must have; a cached file with another
            one is downloaded again.
        cache_subdir: folder in the cache.
        hash_algorithm: `"auto"`, `"sha256"` or `"md5"`.
        archive_format: `"auto"`, `"tar"`, `"zip"`, a list of them, or None for no unpacking.
        cache_dir: the cache; `$KERAS_HOME` or `~/.keras` when None.
        force_download: download even if the file is there.

    Raises:
        ConnectionError: the file could not be downloaded.
        ValueError: the file has another hash, or the archive holds unsafe members.
    """
    if origin is None:
        raise ValueError("get_file(origin): expected the address of a file, got None")
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = Path(cache_home() if cache_dir is None else cache_dir).expanduser() / cache_subdir
    name, unpacked = _names(fname, origin, extract or untar)
    target = folder / name
    usable = target.is_file() and not force_download
    if usable and file_hash is not None:
        usable = file_hash_is(target, file_hash, hash_algorithm)
    if not usable:
        _fetch(origin, target, file_hash, hash_algorithm)
    if unpacked is None:
        return str(target)
    result = folder / unpacked
    if not usable or not result.exists():
        _unpack(target, result, archive_format, folder)
    return str(result)


def _names(fname, origin, unpack):
    """Return the names of the download and, where it is to be unpacked, of the folder."""
    given = os.fspath(fname) if fname else None
    name = given or PurePosixPath(urlsplit(origin).path).name
    if not name:
        raise ValueError(
            f"get_file(fname): expected a name, since the address {origin!r} has none; pass fname"
        )
    if os.sep in name or "/" in name or "\\" in name or name in (".", ".."):
        raise ValueError(
            f"get_file(fname): expected a plain file name, got {name!r}; use cache_dir and "
            f"cache_subdir for folders"
        )
    if not unpack:
        return name, None
    if given and "." in name:
        return name, name[: name.index(".")] + "_extracted"
    return f"{name}_archive", name


def _fetch(origin, target, file_hash, algorithm):
    from urllib.error import URLError
    from urllib.request import urlopen

    if urlsplit(origin).scheme not in _SCHEMES:
        raise ValueError(f"get_file(origin): expected one of {_SCHEMES}, got {origin!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"Downloading {origin} to {target}", file=sys.stderr)
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            try:
                with urlopen(origin, timeout=_TIMEOUT_S) as response:
                    shutil.copyfileobj(response, out, _CHUNK)
            except (URLError, OSError) as error:
                raise ConnectionError(
                    f"get_file: expected a download from {origin}, got {error}; connect to the "
                    f"network, or put the file at {target} yourself"
                ) from error
        if file_hash is not None and not file_hash_is(part, file_hash, algorithm):
            raise ValueError(
                f"get_file: expected {origin} to have the hash {file_hash}, got another one; the "
                f"download is incomplete or altered"
            )
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _unpack(archive, result, archive_format, folder):
    formats = ("tar", "zip") if archive_format == "auto" else archive_format
    formats = (formats,) if isinstance(formats, str) else tuple(formats or ())
    unknown = [f for f in formats if f not in ("tar", "zip")]
    if unknown:
        raise ValueError(
            f"get_file(archive_format): expected 'auto', 'tar' or 'zip', got {unknown[0]!r}"
        )
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack.") as fresh:
        if "tar" in formats and tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                _check(((m.name, m.isfile() or m.isdir()) for m in file), archive)
                options = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                file.extractall(fresh, **options)
        elif "zip" in formats and zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                _check(
                    (
                        (m.filename, not stat.S_ISLNK(m.external_attr >> 16))
                        for m in file.infolist()
                    ),
                    archive,
                )
                file.extractall(fresh)
        else:
            raise ValueError(
                f"get_file: expected {archive} to be an archive of {formats}, got another file; "
                f"pass extract=False"
            )
        shutil.rmtree(result, ignore_errors=True)
        shutil.copytree(fresh, result)


def _check(members, archive):
    for name, plain in members:
        path = PurePosixPath(name)
        if not plain or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise ValueError(
                f"get_file: expected plain files below the folder of {archive}, got the member "
                f"{name!r}; the archive is unsafe and was not unpacked"
            )
