"""`.pyseq` files whose header says something else than the core wrote."""

import json
import struct


def fnv1a(data):
    """The checksum of csrc/core/model_file.cpp."""
    h, mask = 0xCBF29CE484222325, (1 << 64) - 1
    whole = len(data) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", data[:whole]):
        h = ((h ^ word) * 0x100000001B3) & mask
        h ^= h >> 29
    for byte in data[whole:]:
        h = ((h ^ byte) * 0x100000001B3) & mask
    return h


def forge(good, change):
    """The file with its header changed and the sizes and checksum made right again."""
    header_bytes = struct.unpack("<Q", good[8:16])[0]
    header = json.loads(good[64 : 64 + header_bytes])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64)
    blob = good[64 + header_bytes :]
    rest = text + blob
    return good[:8] + struct.pack("<QQQ", len(text), len(blob), fnv1a(rest)) + bytes(32) + rest


def set_in(*path):
    *where, value = path

    def change(header):
        target = header
        for key in where[:-1]:
            target = target[key]
        target[where[-1]] = value

    return change
