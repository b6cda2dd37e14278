"""Changes to what model files hold: JSON, HDF5, zip archives and plain bytes.

Every function takes a `random.Random`, so that a change is made again from its number.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import struct
import warnings
import zipfile

import h5py
import numpy as np

# A module that must never be imported.
MODULE = "pyseq_forged_module"

NUMBERS = [
    0, -1, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**40, 2**62, 2**63, 2**64, -(2**63), 10**30, 0.0, -0.0,
    0.5, -0.5, 1.5, 1e-30, 5e-324, 1e308, -1e308, float("nan"), float("inf"), -float("inf"),
]  # fmt: skip
STRINGS = [
    "", "a", "nan", "inf", "-1", "1e999", "\x00", "\ud800", "a/b", ".", "..", "../../x", "/etc/passwd",
    "http://127.0.0.1:1/x", "float32", "float8", "int64", "bfloat16", "mixed_float16", "string",
    "object", "relu", "same", "valid", "causal", "channels_first", "channels_last", "zeros", "mse",
    "accuracy", "Dense", "Sequential", "function", "__lambda__", "__numpy__", "ab,bc->ac", "...->",
    MODULE, "os", "keras", "keras.layers", "builtins", "%s%n", "{0.__class__}", "x" * 100_000, "é" * 300,
]  # fmt: skip
OTHERS = [
    None, True, False, [], {}, [None], [0], [-1], [1, 2, 3], [[1]], [[]], [2**40] * 4, [None, 2**40],
    [1.5], ["a"], [True], {"a": 1}, {"class_name": "Dense"}, {"class_name": "Dense", "config": None},
    {"class_name": 3, "config": {}}, {"class_name": "Dense", "config": []},
    {"class_name": "__slice__", "config": {"start": [], "stop": {}, "step": 0}},
    {"class_name": "__tuple__", "config": {"items": 3}},
    {"class_name": "__numpy__", "config": {"value": [[1], [1, 2]], "dtype": "float32"}},
    {"class_name": "__numpy__", "config": {"value": 2**70, "dtype": "int8"}},
    {"class_name": "__numpy__", "config": {"value": "x", "dtype": "float32"}},
    {"class_name": "__numpy__", "config": {"value": {}, "dtype": []}},
    {"class_name": "__bytes__", "config": {"value": "\ud800"}},
    {"class_name": "__lambda__", "config": {"value": ["4wEAAAA=", None, None]}},
    {"class_name": "function", "config": "relu"}, {"class_name": "function", "config": {}},
    {"module": MODULE, "class_name": "X", "config": {}, "registered_name": "X"},
    {"class_name": "Zeros", "config": {"seed": {}}},
    {"class_name": "ExponentialDecay", "config": {"initial_learning_rate": "x"}},
]  # fmt: skip


def _places(tree):
    """All `(container, key)` of a tree of dicts and lists."""
    found, todo = [], [tree]
    while todo:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], (dict, list)):
                todo.append(node[key])
    return found


def _last_layer(tree):
    """The config of the last layer of a description of a model, or None."""
    try:
        node = tree["config"]["layers"][-1]["config"]
    except (KeyError, IndexError, TypeError):
        return None
    return node if isinstance(node, dict) else None


def value(rng, old, class_names):
    """A value to stand in the place of `old`."""
    kind = rng.random()
    if isinstance(old, str) and old in class_names and kind < 0.8:
        return rng.choice(class_names)
    if isinstance(old, list) and old and kind < 0.5:
        action = rng.randrange(5)
        if action == 0:
            return old + old
        if action == 1:
            return old[:-1]
        if action == 2:
            return old * 200
        new = list(old)
        new[rng.randrange(len(new))] = rng.choice(NUMBERS if action == 3 else OTHERS)
        return new
    if isinstance(old, (int, float)) and kind < 0.6:
        return rng.choice(NUMBERS)
    if isinstance(old, bool) and kind < 0.8:
        return not old
    pool = rng.choice([NUMBERS, STRINGS, OTHERS])
    if kind > 0.98:
        nested = rng.choice([1, "x"])
        for _ in range(rng.choice([30, 90, 99, 101, 300])):
            nested = {"a": nested} if kind > 0.99 else [nested]
        return nested
    return copy.deepcopy(rng.choice(pool))


def tree(rng, original, class_names, count=None):
    """Return a copy of a JSON tree with some changes."""
    result = copy.deepcopy(original)
    for _ in range(count or rng.choice([1, 1, 1, 2, 3, 6])):
        layer = _last_layer(result) if rng.random() < 0.5 else None
        places = _places(result if layer is None else layer)
        if not places:
            return result
        node, key = rng.choice(places)
        action = rng.random()
        if action < 0.65:
            node[key] = value(rng, node[key], class_names)
        elif action < 0.75:
            del node[key]
        elif action < 0.85:
            other, other_key = rng.choice(places)
            node[key] = copy.deepcopy(other[other_key])
        elif isinstance(node, list):
            node.insert(key, copy.deepcopy(node[key]))
        elif action < 0.92:
            node[rng.choice(["name", "units", "x", "", "dtype", "config", "layers"])] = node.pop(key)
        else:
            node[rng.choice(["x", "__class__", "self", "cls", "batch_input_shape", "ragged",
                             "module", "build_config"])] = value(rng, None, class_names)  # fmt: skip
    return result


def text(rng, data):
    """Return JSON of a tree, sometimes damaged as text."""
    result = json.dumps(data, ensure_ascii=rng.random() < 0.9)
    action = rng.random()
    if action < 0.93:
        return result.encode("utf-8", "surrogatepass")
    if action < 0.95:  # a key twice
        result = result.replace("{", '{"class_name": "Dense", ', 1)
    elif action < 0.97:
        result = "[" * 100_000 + result
    elif action < 0.98:
        result = result.replace("1", "1" * 5000, 1)
    return flipped(rng, result.encode("utf-8", "surrogatepass"))


def flipped(rng, data):
    """Return bytes with some changed, cut off or repeated."""
    data = bytearray(data)
    action = rng.random()
    if action < 0.2:
        return bytes(data[: rng.randrange(len(data) + 1)])
    if action < 0.25:
        return bytes(data + data)
    for _ in range(rng.choice([1, 1, 2, 4, 16, 64])):
        if data:
            data[rng.randrange(len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(data)


# --- HDF5


def _attribute(rng, holder, names):
    name = rng.choice([*holder.attrs.keys(), *names])
    kind = rng.randrange(12)
    values = [
        np.nan, 2**62, "x" * 60_000, b"\xff\xfe", np.zeros((3, 2)), np.array([b"a", b"\xff"]),
        np.array([], "S1"), [b"a"] * 500, h5py.Empty("f4"), True, np.zeros(2, [("a", "f4")]), "",
    ]  # fmt: skip
    old = holder.attrs.get(name)
    if kind == 0 and name in holder.attrs:
        del holder.attrs[name]
    elif kind == 1 and isinstance(old, np.ndarray) and old.size:
        holder.attrs[name] = np.concatenate([old, old])
    elif kind == 2 and isinstance(old, np.ndarray) and old.size:
        holder.attrs[name] = old[::-1]
    elif kind == 3:
        holder.attrs.create(name, [rng.choice(["a", "", "a/b", ".", "/", "a//b", "é"])] * 3,
                            dtype=h5py.string_dtype())  # fmt: skip
    elif kind == 4:
        holder.attrs.create(name, "x", dtype=h5py.string_dtype("ascii"))
    else:
        holder.attrs[name] = rng.choice(values)


def _dataset(rng, parent, name):
    old = parent[name]
    shape, data = old.shape, np.asarray(old[()])
    del parent[name]
    kind = rng.randrange(20)
    if kind == 0:
        parent.create_dataset(name, (*shape, 1), "f4")
    elif kind == 1:
        parent.create_dataset(name, shape[::-1], "f4")
    elif kind == 2:
        parent.create_dataset(name, shape[1:], "f4")
    elif kind == 3:
        parent.create_dataset(name, (2**40, 2**20), "f4", chunks=(1024, 1024))
    elif kind == 4:
        parent.create_dataset(name, (0, 3), "f4")
    elif kind < 9:
        parent.create_dataset(
            name, shape, rng.choice(["f2", "f8", "i1", "u8", ">f4", "i8", "c8", "?", "S3", "V2", "V3"])
        )
    elif kind == 9:
        parent.create_dataset(name, shape, h5py.vlen_dtype(np.float32))
    elif kind == 10:
        parent.create_dataset(name, shape, h5py.string_dtype())
    elif kind == 11:
        parent[name] = h5py.SoftLink(rng.choice(["/", "/x", parent.name, old.name or "/"]))
    elif kind == 12:
        parent[name] = h5py.ExternalLink("/etc/passwd", "x")
    elif kind == 13:
        parent.create_group(name)
    elif kind == 14:
        parent[name] = h5py.Empty("f4")
    elif kind == 15:
        parent.create_dataset(name, shape, h5py.ref_dtype)
    elif kind == 16:
        parent[name] = np.full(shape, rng.choice([np.nan, np.inf, 1e300]))
    elif kind == 17:
        parent[f"{name}x"] = data
    elif kind == 18 and shape and 0 not in shape:
        parent.create_dataset(name, data=data, compression=rng.choice(["gzip", "lzf"]))
    elif kind == 19:
        parent[name] = np.dtype("f4")


def hdf5(rng, data, names=("name", "layer_names", "weight_names")):
    """Return an HDF5 file with some of its members or attributes changed."""
    if rng.random() < 0.15:
        return flipped(rng, data)
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        for _ in range(rng.choice([1, 1, 2, 4])):
            with contextlib.suppress(ValueError, TypeError, KeyError, OSError, RuntimeError, MemoryError):
                _member(rng, file, names)  # some changes cannot be made
    return buffer.getvalue()


def _member(rng, file, names):
    members = [file]
    file.visititems(lambda _, member: members.append(member))
    member = rng.choice(members)
    action = rng.random()
    if action < 0.25:
        _attribute(rng, member, names)
    elif isinstance(member, h5py.Dataset):
        parent, _, name = member.name.rpartition("/")
        _dataset(rng, file[parent or "/"], name)
    elif member.name != "/" and action < 0.5:
        del file[member.name]
    elif member.name != "/" and action < 0.6:
        file.move(member.name, member.name + "x")
    else:
        name = rng.choice(["x", "0", "1", "vars", "layers", "loop", "y"])
        choice = rng.randrange(5)
        if choice == 0:
            member[name] = file  # a loop
        elif choice == 1:
            member[name] = h5py.SoftLink("/")
        elif choice == 2:
            member[name] = h5py.ExternalLink("x.h5", "/")
        elif choice == 3:
            member[name] = 1.0
        else:
            for i in range(300):
                member.create_group(f"{name}{i}")


# --- zip archives


def archive(rng, members):
    """Return a zip archive of `{name: bytes}` with a member or a header changed."""
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    pairs = list(members.items())
    action = rng.randrange(9)
    at = rng.randrange(len(pairs))
    if action == 0:
        pairs.append(rng.choice(pairs))
    elif action == 1:
        del pairs[at]
    elif action == 2:
        names = ["../x", "/x", "a\\b", "C:/x", "assets/../x", "assets/x", "assets/", "", "é", "x.py",
                 "a\x00b", "assets/" + "x" * 60_000]  # fmt: skip
        pairs.append((rng.choice(names), b"x"))
    elif action == 3:
        pairs.append(("assets/bomb", bytes(4 << 20)))
        method = zipfile.ZIP_DEFLATED
    elif action == 4:
        pairs[at] = (pairs[at][0], rng.choice([b"", b"\xff", b"x" * 5000, pairs[at - 1][1]]))
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        with zipfile.ZipFile(buffer, "w", method) as file:
            for name, data in pairs:
                file.writestr(name or zipfile.ZipInfo(""), data)
    data = bytearray(buffer.getvalue())
    if action > 4 and len(data) > 100:
        heads = [i for sign in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")
                 for i in range(len(data)) if data[i : i + 4] == sign]  # fmt: skip
        for _ in range(rng.choice([1, 1, 3])):
            position = rng.choice(heads) + rng.randrange(4, 46)
            width = rng.choice([1, 2, 4])
            number = rng.choice([0, 1, 8, 9, 0x21, 0xFFFFFFFF, 0x7FFFFFFF, rng.getrandbits(32)])
            packed = struct.pack("<I", number)[:width]
            data[position : position + width] = packed
    if action == 8:
        return flipped(rng, data)
    return bytes(data)
