"""Files that are either the old or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import tempfile

try:
    import fcntl
except ModuleNotFoundError:  # Windows, which does not remove files that are open
    fcntl = None

# What is written carries this ending until it is complete; a killed process leaves it behind.
_ENDING = ".pyseq-tmp"
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}" + re.escape(_ENDING))
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path, write):
    """Write a file beside `path`, flush it to disk, and rename it to `path`.

    What killed processes left of such writing in that directory is removed.

    Args:
        path: target; its directory must exist.
        write: called with the open binary file; if it raises, the target is left as it is.

    Raises:
        FileNotFoundError: there is no such directory.
        OSError: the disk is full.
    """
    path = os.path.realpath(os.fspath(path))
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise FileNotFoundError(
            f"{path}: expected an existing directory, got {directory!r}; create it first"
        )
    remove_stale(directory)
    raw = None
    try:
        raw = _open_temporary(path, directory)
        with io.BufferedRandom(raw) as file:
            write(file)
            file.flush()
            os.fsync(raw.fileno())
            os.chmod(raw.name, _mode(path))
            if os.name == "posix":  # while it is open, nobody takes it for stale
                os.replace(raw.name, path)
        if os.name != "posix":
            os.replace(raw.name, path)
    except BaseException as error:
        if raw is not None:
            raw.close()
            with contextlib.suppress(FileNotFoundError):
                os.remove(raw.name)
        # Libraries in between may hide it, or report something else.
        cause = getattr(raw, "error", None) or error
        if isinstance(cause, OSError) and cause.errno in _FULL:
            raise OSError(
                cause.errno,
                f"{path}: expected room for the whole file, got {os.strerror(cause.errno)!r}; what "
                "was there is left as it was: free some space, or choose another directory",
            ) from error
        raise
    _sync_directory(directory)


def write_directory_atomically(path, write):
    """Write a directory beside `path` and rename it to `path`, in place of an older one.

    Args:
        path: target; the directory around it must exist.
        write: called with the name of an empty directory.
    """
    path = os.path.realpath(os.fspath(path))
    parent, base = os.path.split(path)
    old = os.path.join(parent, f".{base}.pyseq-old")
    if os.path.isdir(old):  # a process was killed while it exchanged the two
        shutil.rmtree(old) if os.path.exists(path) else os.replace(old, path)
    remove_stale(parent)
    temporary = tempfile.mkdtemp(prefix=f".{base}.", suffix=_ENDING, dir=parent)
    handle = os.open(temporary, os.O_RDONLY) if os.name == "posix" else None
    try:
        if handle is not None:
            _lock(handle, wait=True)
        write(temporary)
        os.chmod(temporary, 0o755)
        if os.path.exists(path):
            os.replace(path, old)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if handle is not None:
            os.close(handle)
    if os.path.isdir(old):
        shutil.rmtree(old)


class _File(io.FileIO):
    """Remembers why it could not be written."""

    error = None

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise

    def truncate(self, size=None):
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = error
            raise


def _open_temporary(path, directory):
    """Create a file beside `path` and lock it as long as it is open."""
    while True:
        handle, name = tempfile.mkstemp(
            prefix=f".{os.path.basename(path)}.", suffix=_ENDING, dir=directory
        )
        file = _File(handle, "w+b")
        file.name = name
        _lock(handle, wait=True)
        if os.fstat(handle).st_nlink:
            return file
        file.close()  # removed as stale before it was locked


def _lock(handle, wait=False):
    """Lock a file or directory for this process; returns whether that is certain."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (AttributeError, OSError):  # in use, or a system without such locks
        return False
    return True


def remove_stale(directory):
    """Remove what processes left in a directory that were killed while they saved."""
    with os.scandir(directory) as entries:
        names = [e.path for e in entries if _TEMPORARY.fullmatch(e.name) and not e.is_symlink()]
    for name in names:
        with contextlib.suppress(OSError):
            handle = os.open(name, os.O_RDONLY)
            try:
                if _lock(handle):
                    shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)
            finally:
                os.close(handle)


def _mode(path):
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_directory(directory):
    """Make the rename itself survive a crash, where directories can be opened (not on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
