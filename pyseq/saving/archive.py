"""The zip archives of `.keras` files, read in memory after a look at every entry."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib

from pyseq.registry.limits import MAX_JSON_BYTES

METADATA = "metadata.json"
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
ASSETS = "assets/"
MAX_MEMBERS = 10_000
_MAX_RATIO = 100
_ALLOWANCE = 1 << 20
_ENCRYPTED = 0x1
_CLEAN_PART = re.compile(r"[^\x00-\x1f\\:*?\"<>|/]+")


class ModelArchive:
    """The members of a `.keras` file.

    Args:
        source: path, or binary file object.
        where: name of the file, for messages.

    Raises:
        ValueError: no zip archive, or one with members that no model file has.
    """

    def __init__(self, source, where):
        self.where = where
        if isinstance(source, (str, os.PathLike)) and not os.path.isfile(source):
            raise FileNotFoundError(f"{where}: expected a file, got none; check the path")
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise ValueError(
                f"{where}: expected a .keras file (a zip archive), got {error}; the file is "
                "damaged or of another kind"
            ) from error
        self._source = source
        try:
            self.members = self._check()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._zip.close()

    def _fail(self, name, expected, got):
        raise ValueError(
            f"{self.where}: expected {expected}, got {got} for member {name!r}; the file is "
            "damaged or hostile"
        )

    def _check(self):
        infos = self._zip.infolist()
        if len(infos) > MAX_MEMBERS:
            raise ValueError(
                f"{self.where}: expected at most {MAX_MEMBERS} members, got {len(infos)}"
            )
        members, stored, total = {}, 0, 0
        for info in infos:
            # The name as it stands in the file; ZipInfo cuts it at a NUL and changes separators.
            name = info.orig_filename
            self._check_name(name)
            if name in members:
                self._fail(name, "every name once", "a duplicate")
            if info.flag_bits & _ENCRYPTED:
                self._fail(name, "readable members", "encryption")
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if kind not in (0, stat.S_IFREG) and not (kind == stat.S_IFDIR and name[-1] == "/"):
                self._fail(name, "files", f"file mode {oct(mode)}")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self._fail(name, "stored or deflated members", f"method {info.compress_type}")
            if info.file_size > _MAX_RATIO * info.compress_size + _ALLOWANCE:
                self._fail(
                    name,
                    f"a size of at most {_MAX_RATIO} times the {info.compress_size} stored bytes",
                    f"{info.file_size} bytes",
                )
            members[name] = info
            stored += info.compress_size
            total += info.file_size
        size = self._size()
        if stored > size or total > _MAX_RATIO * size + _ALLOWANCE:
            raise ValueError(
                f"{self.where}: expected members that fit the file of {size} bytes, got {stored} "
                f"stored and {total} unpacked bytes; the file is damaged or hostile"
            )
        for name in (CONFIG, WEIGHTS):
            if name not in members:
                raise ValueError(
                    f"{self.where}: expected a member {name}, got {sorted(members)[:20]}; this is "
                    "no Keras model file"
                )
        for name in (CONFIG, METADATA):
            if name in members and members[name].file_size > MAX_JSON_BYTES:
                self._fail(name, f"at most {MAX_JSON_BYTES} bytes", f"{members[name].file_size}")
        return {name: info for name, info in members.items() if not name.endswith("/")}

    def _check_name(self, name):
        parts = name.split("/")
        if parts[-1] == "" and len(parts) > 1:
            parts.pop()
        for part in parts:
            if part in ("", ".", "..") or not _CLEAN_PART.fullmatch(part):
                self._fail(name, "a plain relative path", "another one")
        if name not in (METADATA, CONFIG, WEIGHTS) and not name.startswith(ASSETS):
            self._fail(
                name,
                f"only {METADATA}, {CONFIG}, {WEIGHTS} and {ASSETS}...",
                "an unknown name",
            )

    def _size(self):
        if isinstance(self._source, (str, os.PathLike)):
            return os.path.getsize(self._source)
        position = self._source.tell()
        size = self._source.seek(0, os.SEEK_END)
        self._source.seek(position)
        return size

    def size(self, name):
        """Unpacked size of a member."""
        return self.members[name].file_size

    def read(self, name):
        """Return a member's bytes, never more than its entry says."""
        info = self.members[name]
        try:
            with self._zip.open(info) as file:
                data = file.read(info.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
            raise ValueError(
                f"{self.where}: expected a sound member {name!r}, got {error}"
            ) from error
        if len(data) != info.file_size:
            self._fail(name, f"{info.file_size} bytes", f"{len(data)}")
        return data

    def assets(self):
        """Return `{path below assets/: bytes}`."""
        names = [n for n in self.members if n.startswith(ASSETS)]
        return {name.removeprefix(ASSETS): self.read(name) for name in names}
