"""HDF5 files of strangers: read-only, hard links only, plain numbers only, sizes checked first.

HDF5 can point elsewhere (external and soft links, external storage, virtual datasets, object
references), can run filters, and can inflate a few bytes to gigabytes. None of that occurs in a
model file, so all of it is refused before any data is read.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import zlib

import numpy as np

from pyseq.registry.limits import MAX_JSON_BYTES

_MAX_ATTRIBUTE_BYTES = 16 << 20
_MAX_HEAP_BYTES = 256 << 20
_MAX_DEPTH = 64
_SMALL = 1 << 16
_INFLATES = 4


def import_h5py():
    """Return the module `h5py`, or say how to get it."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ImportError(
            "saving: expected h5py for files of weights, got none; install it with "
            "`pip install h5py`"
        ) from error
    return h5py


class MissingMember(ValueError):
    """A group or dataset that a file should have and has not."""


class H5Reader:
    """A group of an HDF5 file, opened with `open_h5`."""

    def __init__(self, group, where, largest_heap):
        self._h5py = import_h5py()
        self._group = group
        self.where = where
        self._largest_heap = largest_heap

    def _fail(self, expected, got):
        raise ValueError(
            f"{self.where}: expected {expected}, got {got}; the file is damaged or hostile"
        )

    def names(self):
        """Names of the members."""
        return list(self._group.keys())

    def __contains__(self, name):
        return self._group.id.links.exists(name.encode())

    def _open(self, name):
        """Open a member that is linked directly; other links are not followed."""
        if not name or "/" in name or name == "." or not self._group.id.links.exists(name.encode()):
            raise MissingMember(
                f"{self.where}: expected a member {name!r}, got {self.names()[:20]}; the file is "
                "damaged or of another kind"
            )
        link = self._group.id.links.get_info(name.encode())
        if link.type != self._h5py.h5l.TYPE_HARD:
            self._fail("members that lie in this file", f"a soft or external link {name!r}")
        return self._group[name]

    def group(self, path):
        """Return the group at a path of names separated by "/"; "" is this group.

        Raises:
            MissingMember: there is none.
            ValueError: a link leads elsewhere, or the member is no group.
        """
        reader = self
        parts = [part for part in path.split("/") if part]
        if len(parts) > _MAX_DEPTH:
            self._fail(f"paths of at most {_MAX_DEPTH} names", f"{len(parts)}")
        for part in parts:
            member = reader._open(part)
            if not isinstance(member, self._h5py.Group):
                self._fail(f"a group {path!r}", type(member).__name__)
            reader = H5Reader(member, f"{reader.where}/{part}", self._largest_heap)
        return reader

    def is_group(self, name):
        """Return whether a member is a group."""
        return isinstance(self._open(name), self._h5py.Group)

    def first_visit(self, seen):
        """Add this group to the set `seen`; return False if it was there, as in a loop of links."""
        address = self._h5py.h5o.get_info(self._group.id).addr
        known = address in seen
        seen.add(address)
        return not known

    def find(self, path):
        """Return the group at `path`, or None if there is none."""
        try:
            return self.group(path)
        except MissingMember:
            return None

    # --- datasets

    def shape(self, path):
        """Return the shape of the dataset at a path, () of anything else, without reading it."""
        parent, _, name = path.rpartition("/")
        return tuple(getattr(self.group(parent)._open(name), "shape", None) or ())

    def array(self, path, shape=None, finite=True):
        """Read the dataset at a path as a NumPy array of numbers.

        Args:
            path: names separated by "/".
            shape: what the shape must be. Without it, the data must not be much larger than what
                the file stores.
            finite: refuse NaN and infinity.
        """
        parent, _, name = path.rpartition("/")
        reader = self.group(parent)
        dataset = reader._open(name)
        reader = H5Reader(reader._group, f"{reader.where}/{name}", self._largest_heap)
        if not isinstance(dataset, self._h5py.Dataset):
            reader._fail("a dataset", type(dataset).__name__)
        dtype = reader._check_type(dataset)
        if shape is not None and tuple(dataset.shape or ()) != tuple(shape):
            raise ValueError(
                f"{reader.where}: expected shape {tuple(shape)}, got {dataset.shape}; the file "
                "belongs to another architecture"
            )
        if dataset.shape is None:
            reader._fail("data", "an empty dataset")
        reader._check_storage(dataset, shape is None)
        value = dataset[()]
        if dtype == "bfloat16":
            bits = np.frombuffer(np.asarray(value).tobytes(), "<u2").astype(np.uint32) << 16
            value = bits.view(np.float32).reshape(dataset.shape)
        value = np.asarray(value)
        if finite and value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(
                f"{reader.where}: expected finite weights, got NaN or infinity; pass "
                "allow_non_finite=True to load them"
            )
        return value

    def _check_type(self, dataset):
        h5t = self._h5py.h5t
        kind = dataset.id.get_type()
        if kind.get_class() == h5t.OPAQUE and kind.get_size() == 2:
            attributes = H5Reader(dataset, self.where, self._largest_heap)
            if attributes.attribute("dtype") == "bfloat16":
                return "bfloat16"
        if kind.get_class() not in (h5t.FLOAT, h5t.INTEGER):
            self._fail("numbers", f"the HDF5 type {type(kind).__name__}")
        try:
            dtype = dataset.dtype
        except TypeError as error:
            self._fail("numbers", f"a type that NumPy lacks: {error}")
        if dtype.kind not in "fiu" or dtype.itemsize > 8:
            self._fail("numbers of at most 8 bytes", f"dtype {dtype}")
        return dtype.name

    def _check_storage(self, dataset, by_size):
        h5d, h5z = self._h5py.h5d, self._h5py.h5z
        plist = dataset.id.get_create_plist()
        if plist.get_external_count():
            self._fail("data in this file", "external storage")
        if plist.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED):
            self._fail("data in this file", "a virtual dataset")
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        known = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)
        if any(f not in known for f in filters) or len(set(filters)) != len(filters):
            self._fail("no filters but gzip, shuffle and fletcher32", f"the HDF5 filters {filters}")
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        if by_size and size > max(_SMALL, _INFLATES * stored):
            self._fail(f"data of about the {stored} bytes that are stored", f"{size} bytes")
        if plist.get_layout() == h5d.CHUNKED:
            self._check_chunks(dataset, plist, size, h5z.FILTER_DEFLATE in filters)

    def _check_chunks(self, dataset, plist, size, deflated):
        chunk = math.prod(plist.get_chunk()) * dataset.dtype.itemsize
        if chunk > max(2 * size, 1 << 20):
            self._fail(f"chunks of about {size} bytes", f"{chunk}")
        if not deflated:
            return
        for i in range(dataset.id.get_num_chunks()):
            info = dataset.id.get_chunk_info(i)
            if info.size > 2 * chunk + 4096:
                self._fail(f"compressed chunks of about {chunk} bytes", f"{info.size}")
            _, data = dataset.id.read_direct_chunk(info.chunk_offset)
            if info.filter_mask:
                continue
            # The library would inflate whatever comes.
            inflater = zlib.decompressobj()
            try:
                inflater.decompress(data, chunk + 4)
            except zlib.error as error:
                self._fail("compressed data", str(error))
            if not inflater.eof:
                self._fail(f"chunks of {chunk} bytes", "more compressed data")

    # --- attributes

    def attribute(self, name, default=None):
        """Return an attribute: a string, a list of strings, a number; `default` if missing."""
        if name not in self._group.attrs:
            return default
        identifier = self._group.attrs.get_id(name)
        h5t = self._h5py.h5t
        kind = identifier.get_type()
        count = math.prod(identifier.shape) if identifier.shape else 1
        where = f"{self.where}@{name}"
        reader = H5Reader(self._group, where, self._largest_heap)
        if kind.get_class() == h5t.STRING and kind.is_variable_str():
            # Many references may share one string, so the file's size is no bound.
            if count > _SMALL or count * self._largest_heap() > _MAX_HEAP_BYTES:
                reader._fail("strings of moderate size", f"{count} of up to {self._largest_heap()}")
        elif kind.get_class() not in (h5t.STRING, h5t.FLOAT, h5t.INTEGER):
            reader._fail("strings or numbers", f"the HDF5 type {type(kind).__name__}")
        elif count * kind.get_size() > max(_MAX_ATTRIBUTE_BYTES, MAX_JSON_BYTES):
            reader._fail("a short attribute", f"{count * kind.get_size()} bytes")
        return _plain(self._group.attrs[name], where)

    def attribute_list(self, name):
        """Return a list of strings, which may be split over `name0`, `name1`, ..."""
        value = self.attribute(name)
        if value is None:
            value, part = [], 0
            while (more := self.attribute(f"{name}{part}")) is not None:
                value.extend(more)
                part += 1
        if isinstance(value, np.ndarray) and value.size == 0:
            return []
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self._fail(f"a list of names {name!r}", repr(value)[:80])
        return value


def _plain(value, where):
    if isinstance(value, np.ndarray) and value.dtype.kind in "SUO":
        return [_plain(v, where) for v in value.ravel().tolist()]
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: expected UTF-8, got {error}") from error
    return value


def _largest_heap(data, where):
    """Return the size of the largest global heap of an HDF5 file, which holds its strings.

    A collection begins with "GCOL", its version, 3 reserved bytes and its size, and consists of
    objects with a header of 16 bytes (HDF5 File Format Specification, III.E). The library would
    walk damaged ones for ever, so they are walked here first.
    """
    largest, start = 0, data.find(b"GCOL\x01")
    while start >= 0:
        end = start + int.from_bytes(data[start + 8 : start + 16], "little")
        position = start + 16
        sound = position <= end <= len(data)
        while sound and end - position >= 16:
            size = int.from_bytes(data[position + 8 : position + 16], "little")
            is_free = data[position : position + 2] == b"\0\0"
            size = size if is_free else 16 + (size + 7) // 8 * 8
            sound = 16 <= size <= end - position
            position += size
        if not sound:
            raise ValueError(
                f"{where}: expected sound strings, got a damaged heap at byte {start}; the file is "
                "damaged or hostile"
            )
        largest = max(largest, end - start)
        start = data.find(b"GCOL\x01", start + 5)
    return largest


def _check_superblock(head, where):
    """Refuse what h5py never writes: another signature, or addresses that are not of 8 bytes."""
    sizes = head[13:15] if head[8:9] in (b"\0", b"\1") else head[9:11]
    if head[:8] != b"\x89HDF\r\n\x1a\n" or sizes != b"\x08\x08":
        raise ValueError(
            f"{where}: expected an HDF5 file, got one that begins with {head[:16]!r}; the file is "
            "damaged or of another kind"
        )


@contextlib.contextmanager
def open_h5(source, where):
    """Open a path or a file in memory (a binary file object) as an `H5Reader`.

    Raises:
        ValueError: it is no HDF5 file.
    """
    h5py = import_h5py()
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source):
            raise FileNotFoundError(f"{where}: expected a file, got none; check the path")
    known = []

    def largest_heap():
        if not known:
            if isinstance(source, (str, os.PathLike)):
                with open(source, "rb") as file:
                    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                        known.append(_largest_heap(data, where))
            else:
                known.append(_largest_heap(source.getvalue(), where))
        return known[0]

    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as head:
            _check_superblock(head.read(64), where)
    else:
        _check_superblock(source.getvalue()[:64], where)

    try:
        file = h5py.File(source, "r")
    except OSError as error:
        raise ValueError(
            f"{where}: expected an HDF5 file, got {error}; the file is damaged or of another kind"
        ) from error
    with file:
        try:
            yield H5Reader(file, where, largest_heap)
        except (OSError, RuntimeError, KeyError) as error:
            raise ValueError(f"{where}: expected a sound HDF5 file, got {error}") from error
