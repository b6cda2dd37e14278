"""JSON of strangers: bounded in size and depth, with every key once."""

from __future__ import annotations

import json
import re

from pyseq.registry.limits import MAX_JSON_BYTES
from pyseq.registry.serialization import MAX_NESTING

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def loads(data, where):
    """Parse bytes or a string that must hold a JSON object.

    Raises:
        ValueError: too large, nested too deeply, a repeated key, no UTF-8, no JSON, no object.

    >>> loads(b'{"a": [1]}', "config.json")
    {'a': [1]}
    """
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(
            f"{where}: expected at most {MAX_JSON_BYTES} bytes of JSON, got {len(data)}; the file "
            "is damaged or hostile"
        )
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{where}: expected UTF-8, got {error}") from error
    depth = 0
    for match in _TOKEN.finditer(data):
        first = match.group()[0]
        if first in "[{":
            depth += 1
            if depth > MAX_NESTING:
                raise ValueError(
                    f"{where}: expected JSON nested at most {MAX_NESTING} levels deep, got more; "
                    "the file is damaged or hostile"
                )
        elif first in "]}":
            depth -= 1

    def unique(pairs):
        result = dict(pairs)
        if len(result) != len(pairs):
            keys = [key for key, _ in pairs]
            repeated = sorted({key for key in keys if keys.count(key) > 1})[:5]
            raise ValueError(f"{where}: expected every key once, got {repeated} repeatedly")
        return result

    try:
        value = json.loads(data, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: expected JSON, got {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value
