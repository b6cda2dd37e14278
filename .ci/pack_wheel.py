"""Wheels packed anew: the same files, deflated by zopfli, in one order and with one time.

    python .ci/pack_wheel.py WHEEL...

Two builds of the same sources give the same bytes: the time is SOURCE_DATE_EPOCH, or the first that
a zip file can have. The list of components (`sboms/pyseq-nn.cdx.json`) gets the libraries that a
repaired wheel brings along, and RECORD that list; all other files stay as they are. What comes out
is read back and compared. Needs zopfli.
"""

import base64
import hashlib
import json
import os
import re
import struct
import sys
import time
import zipfile
import zlib
from pathlib import Path

FIRST = 315532800  # 1980-01-01
RUNNABLE = 0o100755
PLAIN = 0o100644
BUNDLED = re.compile(r"(pyseq_nn\.libs|pyseq/\.dylibs)/(lib[^/]+)$")
COMPONENTS = "/sboms/pyseq-nn.cdx.json"


def deflate(data):
    """`data` as a deflate stream, or `None` where none is smaller than the data."""
    from zopfli.zlib import compress

    # zlib's header and checksum belong to its own format.
    packed = compress(data, numiterations=15, blocksplittingmax=0)[2:-4]
    return packed if len(packed) < len(data) else None


def moment(seconds):
    """`(date, time)` as zip files have them."""
    t = time.gmtime(max(int(seconds), FIRST))
    return (t.tm_year - 1980) << 9 | t.tm_mon << 5 | t.tm_mday, (
        t.tm_hour << 11 | t.tm_min << 5 | t.tm_sec // 2
    )


def order(name):
    """The module's files first, those of the metadata last, RECORD behind all."""
    return name.endswith(".dist-info/RECORD"), ".dist-info/" in name, name


def pack(files, seconds, squeeze=deflate):
    """A zip file of `{name: (data, runnable)}`, as bytes."""
    date, clock = moment(seconds)
    body, directory = bytearray(), bytearray()
    for name in sorted(files, key=order):
        data, runnable = files[name]
        packed = squeeze(data)
        method = 0 if packed is None else zipfile.ZIP_DEFLATED
        packed = data if packed is None else packed
        path = name.encode()
        flags = 0 if path.isascii() else 0x800  # UTF-8
        common = struct.pack(
            "<HHHHHLLLHH",
            20, flags, method, clock, date, zlib.crc32(data), len(packed), len(data), len(path), 0,
        )  # fmt: skip
        mode = RUNNABLE if runnable else PLAIN
        # Made by Unix, zip 2.0; no comment, first disk, no hints on what is inside.
        directory += b"PK\1\2" + struct.pack("<H", 3 << 8 | 20) + common
        directory += struct.pack("<HHHLL", 0, 0, 0, mode << 16, len(body)) + path
        body += b"PK\3\4" + common + path + packed
    end = struct.pack("<HHHHLLH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return bytes(body + directory + b"PK\5\6" + end)


def with_bundled(files):
    """`files` with the bundled libraries among the components, and RECORD that says so."""
    name = next((n for n in files if n.endswith(COMPONENTS)), None)
    if name is None:
        sys.exit(f"pack_wheel: expected a file *{COMPONENTS}, got none; CMake writes it")
    listed = json.loads(files[name][0])
    known = {c["name"] for c in listed["components"]}
    for path in sorted(files):
        match = BUNDLED.match(path)
        if match and match[2] not in known:
            digest = hashlib.sha256(files[path][0]).hexdigest()
            listed["components"].append({
                "type": "library",
                "bom-ref": path,
                "name": match[2],
                "hashes": [{"alg": "SHA-256", "content": digest}],
            })  # fmt: skip
    data = (json.dumps(listed, indent=2) + "\n").encode()
    record = next(n for n in files if n.endswith(".dist-info/RECORD"))
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    lines = [
        f"{name},sha256={digest},{len(data)}" if line.startswith(f"{name},") else line
        for line in files[record][0].decode().splitlines()
    ]
    text = ("\n".join(lines) + "\n").encode()
    return {**files, name: (data, False), record: (text, False)}


def read(path):
    """The files of a zip file, as `pack` wants them."""
    with zipfile.ZipFile(path) as archive:
        return {
            i.filename: (archive.read(i), bool(i.external_attr >> 16 & 0o100))
            for i in archive.infolist()
            if not i.is_dir()
        }


def main(paths):
    if not paths:
        sys.exit("pack_wheel: expected wheels, got none")
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or FIRST
    for path in map(Path, paths):
        before = path.stat().st_size
        files = with_bundled(read(path))
        new = path.with_suffix(".new")
        new.write_bytes(pack(files, seconds))
        if read(new) != files:
            sys.exit(f"pack_wheel: expected the files of {path.name} again, got others in {new}")
        new.replace(path)
        print(f"{path.name}: {before} -> {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
