"""Event files of TensorBoard, written without TensorFlow.

A file is a sequence of TFRecords (length, its checksum, data, its checksum) of `Event` messages in
protocol buffer wire format; see tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/
event.proto and tensorflow/core/framework/{summary,tensor}.proto for the layouts and field numbers.
"""

from __future__ import annotations

import os
import socket
import struct
import time
import zlib

import numpy as np

_FLOAT, _DOUBLE, _STRING = 1, 2, 7  # tensorflow.DataType
_PENDING = 4096
_counter = 0


def _crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data):
    """Return the CRC-32C (Castagnoli, RFC 3720) of bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked_crc(data):
    """Return the rotated and offset checksum that TFRecord files store."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _varint(value):
    parts = []
    value &= (1 << 64) - 1
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _int_field(number, value):
    return _varint(number << 3) + _varint(value)


def _double_field(number, value):
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _bytes_field(number, value):
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _tensor(dtype, shape, content=b"", strings=()):
    dimensions = b"".join(_bytes_field(2, _int_field(1, size)) for size in shape)
    parts = [_int_field(1, dtype), _bytes_field(2, dimensions)]
    if content:
        parts.append(_bytes_field(4, content))
    parts += [_bytes_field(8, string) for string in strings]
    return b"".join(parts)


def _summary(tag, plugin, content, tensor):
    plugin_data = _bytes_field(1, plugin) + (_bytes_field(2, content) if content else b"")
    metadata = _bytes_field(1, plugin_data)
    value = _bytes_field(1, tag) + _bytes_field(9, metadata) + _bytes_field(8, tensor)
    return _bytes_field(5, _bytes_field(1, value))


def encode_png(pixels):
    """Return an 8-bit PNG of an array (H, W, C) of uint8 with 1, 3 or 4 channels (RFC 2083)."""
    height, width, channels = pixels.shape
    color = {1: 0, 3: 2, 4: 6}[channels]
    rows = np.zeros((height, 1 + width * channels), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


class EventFile:
    """Writes one event file into `directory`, which is created."""

    def __init__(self, directory):
        global _counter
        os.makedirs(directory, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
        self.path = os.path.join(directory, f"{name}.{os.getpid()}.{_counter}.v2")
        _counter += 1
        self._pending = []
        self._write(_bytes_field(3, "brain.Event:2"), step=0)

    def _write(self, what, step):
        event = _double_field(1, time.time()) + _int_field(2, int(step)) + what
        length = struct.pack("<Q", len(event))
        self._pending += [length, struct.pack("<I", masked_crc(length))]
        self._pending += [event, struct.pack("<I", masked_crc(event))]
        if len(self._pending) >= _PENDING:
            self.flush()

    def scalar(self, tag, value, step):
        """Write one number."""
        tensor = _tensor(_FLOAT, (), struct.pack("<f", float(value)))
        self._write(_summary(tag, "scalars", b"", tensor), step)

    def histogram(self, tag, values, step, buckets=30):
        """Write the distribution of an array as rows of (left, right, count)."""
        values = np.asarray(values, np.float64).ravel()
        values = values[np.isfinite(values)]
        if values.size == 0:
            rows = np.zeros((0, 3))
        elif values.min() == values.max():
            # All in the last one of as many buckets as usual, so that steps can be compared.
            edges = np.full(buckets, values[0])
            counts = np.zeros(buckets)
            counts[-1] = values.size
            rows = np.stack([edges - 0.5, edges + 0.5, counts], axis=1)
        else:
            counts, edges = np.histogram(values, buckets)
            rows = np.stack([edges[:-1], edges[1:], counts], axis=1)
        tensor = _tensor(_DOUBLE, rows.shape, rows.astype("<f8").tobytes())
        self._write(_summary(tag, "histograms", b"", tensor), step)

    def image(self, tag, images, step, most=3):
        """Write the first images of an array (n, H, W, C) of floats in [0, 1]."""
        images = np.asarray(images)[:most]
        pixels = (np.clip(images, 0, 1) * 255).round().astype(np.uint8)
        _, height, width, _ = pixels.shape
        strings = [str(width), str(height), *(encode_png(p) for p in pixels)]
        tensor = _tensor(_STRING, (len(strings),), strings=strings)
        self._write(_summary(tag, "images", b"", tensor), step)

    def text_tensor(self, tag, plugin, text, step):
        """Write a string for a plugin of TensorBoard."""
        tensor = _tensor(_STRING, (), strings=[text])
        self._write(_summary(tag, plugin, b"1", tensor), step)

    def flush(self):
        """Append what is pending; the file is not kept open, so that nothing has to close it."""
        with open(self.path, "ab") as file:
            file.write(b"".join(self._pending))
        self._pending = []
