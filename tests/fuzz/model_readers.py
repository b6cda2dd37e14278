"""A fuzzer of the Python readers of model files.

    python tests/fuzz/model_readers.py SECONDS [SEED]     # search
    python tests/fuzz/model_readers.py --case SEED NUMBER # one case again, with its traceback

Saved models of every layer are changed at random and read again. A reader returns a model or raises
ValueError, TypeError or OSError that names what is wrong; it takes no more than 2 s and 500 MB,
writes nothing, opens nothing but the file, and imports nothing that the file names.
"""

from __future__ import annotations

import functools
import io
import json
import os
import random
import re
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import forgery
from layer_cases import CASES

import pyseq
from pyseq import layers
from pyseq.preprocessing.text import Tokenizer, tokenizer_from_json
from pyseq.registry import limits, registration, serialization

SECONDS, MEGABYTES = 2, 500
ALLOWED = (ValueError, TypeError, OSError)
# Never right for a file, though they are of an allowed kind.
FORBIDDEN = (UnicodeError, json.JSONDecodeError)
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "ftrl",
              "lion", "lamb")  # fmt: skip
FAMILIES = ("layers", "optimizers", "losses", "metrics", "initializers", "regularizers",
            "constraints")  # fmt: skip


@functools.cache
def class_names():
    names = {name for family in FAMILIES for name in registration.builtin_objects(family)}
    return sorted(names | {"Sequential", "InputLayer", "__numpy__", "function", "CuDNNLSTM"})


@functools.cache
def seed_model(index):
    """A small compiled model of the layer in a row of the table, or None."""
    case = CASES[index]
    front = [pyseq.Input(case.shape, batch_size=case.batch_size)]
    front += [layers.Masking()] if case.mask else []
    with warnings.catch_warnings(action="ignore"):
        try:
            model = pyseq.Sequential([*front, case.spec.build()])
            optimizer = OPTIMIZERS[index % len(OPTIMIZERS)]
            model.compile(optimizer, "mse", metrics=["mae"])
            model.to_json()
        except (ValueError, TypeError, NotImplementedError):
            return None
    return model


@functools.cache
def seed_file(index, ending):
    """The bytes of the saved model."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        path = os.path.join(folder, f"m{ending}")
        model = seed_model(index)
        (model.save_weights if ending == ".weights.h5" else model.save)(path)
        with open(path, "rb") as file:
            return file.read()


def members_of(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@functools.cache
def seed_members(index):
    return members_of(io.BytesIO(seed_file(index, ".keras")))


def write_archive(file, members):
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


# --- doors: each returns the name of its file and a function that reads it


def _keras(rng, index, folder):
    members = dict(seed_members(index))
    action = rng.random()
    if action < 0.65:
        config = json.loads(members["config.json"])
        members["config.json"] = forgery.text(rng, forgery.tree(rng, config, class_names()))
    elif action < 0.7:
        name = rng.choice(list(members))
        if name.endswith(".json"):
            data = forgery.tree(rng, json.loads(members[name]), class_names())
            members[name] = forgery.text(rng, data)
    elif action < 0.9:
        members["model.weights.h5"] = forgery.hdf5(rng, members["model.weights.h5"])
    if action < 0.9:
        buffer = io.BytesIO()
        write_archive(buffer, members)
        data = buffer.getvalue()
    else:
        data = forgery.archive(rng, members)
    path = _written(folder, "forged.keras", data)
    if rng.random() < 0.15:
        model = seed_model(index)
        return "forged.keras", lambda: model.load_weights(path, skip_mismatch=rng.random() < 0.5)
    return "forged.keras", lambda: pyseq.models.load_model(path)


def _weights(rng, index, folder):
    data = forgery.hdf5(rng, seed_file(index, ".weights.h5"))
    path, model = _written(folder, "forged.weights.h5", data), seed_model(index)
    skip = rng.random() < 0.3
    return "forged.weights.h5", lambda: model.load_weights(path, skip_mismatch=skip)


def _legacy(rng, index, folder):
    import h5py

    data = seed_file(index, ".h5")
    if rng.random() < 0.6:
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            for name in rng.choice([("model_config",), ("model_config", "training_config")]):
                config = forgery.tree(rng, json.loads(file.attrs[name]), class_names())
                value = forgery.text(rng, config).replace(b"\0", b"?")
                file.attrs[name] = value if len(value) < 60_000 and value else "{"
        data = buffer.getvalue()
    else:
        names = ("layer_names", "weight_names", "keras_version", "creation_order", "model_config")
        data = forgery.hdf5(rng, data, names)
    path, model = _written(folder, "forged.h5", data), seed_model(index)
    if rng.random() < 0.3:
        by_name = rng.random() < 0.5
        return "forged.h5", lambda: model.load_weights(path, by_name=by_name)
    return "forged.h5", lambda: pyseq.models.load_model(path)


def _json(rng, index, folder):
    data = forgery.tree(rng, json.loads(seed_model(index).to_json()), class_names())
    text = forgery.text(rng, data)
    text = text if rng.random() < 0.1 else text.decode("utf-8", "replace")
    return None, lambda: pyseq.models.model_from_json(text)


def _config(rng, index, folder):
    model = seed_model(index)
    data = json.loads(json.dumps(serialization.serialize_keras_object(model)))
    data = forgery.tree(rng, data, class_names())
    kind = rng.randrange(3)
    if kind == 0:
        return None, lambda: serialization.deserialize_keras_object(data)
    inner = data.get("config") if isinstance(data, dict) else data
    if kind == 1:
        return None, lambda: pyseq.Sequential.from_config(inner)
    layer = model.layers[-1]
    data = forgery.tree(rng, json.loads(json.dumps(serialization.serialize_dict(
        layer.get_config()))), class_names())  # fmt: skip
    return None, lambda: type(layer).from_config(data)


def _tokenizer(rng, index, folder):
    tokenizer = Tokenizer(num_words=9, oov_token="?")
    tokenizer.fit_on_texts(["a b c", "b c d"])
    data = json.loads(tokenizer.to_json())
    inner = data["config"]
    for name in inner:
        if isinstance(inner[name], str) and inner[name].startswith("{") and rng.random() < 0.5:
            changed = forgery.tree(rng, json.loads(inner[name]), class_names())
            inner[name] = forgery.text(rng, changed).decode("utf-8", "replace")
    if rng.random() < 0.5:
        data = forgery.tree(rng, data, class_names())
    text = forgery.text(rng, data)
    text = text if rng.random() < 0.3 else text.decode("utf-8", "replace")
    return None, lambda: tokenizer_from_json(text)


DOORS = (_keras, _keras, _keras, _weights, _legacy, _legacy, _json, _config, _config, _tokenizer)


def _written(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


# --- one case


class Watch:
    """What the interpreter did while a file was read that no reader may do."""

    _RUNS = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.mkdir",
             "os.remove", "os.rename", "os.link", "os.symlink", "marshal.load", "pickle.", "ctypes.",
             "shutil.", "urllib.")  # fmt: skip

    def __init__(self):
        self.on, self.seen, self.file = False, [], None
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if not self.on:
            return
        if event == "import" and arguments[0].startswith(forgery.MODULE):
            self.seen.append(f"import of {arguments[0]}")
        elif event == "open" and isinstance(arguments[0], str) and arguments[0] != self.file:
            if not arguments[0].endswith((".py", ".pyc", ".so")) or "w" in str(arguments[1]):
                self.seen.append(f"open of {arguments[0]}")
        elif event.startswith(self._RUNS):
            # The compiled code of Python's own modules is read with marshal.
            if not (event == "marshal.loads" and "importlib" in _callers()):
                self.seen.append(event)


def _callers():
    frame, names = sys._getframe(), []
    while frame is not None:
        names.append(frame.f_code.co_filename)
        frame = frame.f_back
    return " ".join(names)


@functools.cache
def watch():
    return Watch()


def run_case(seed, number, folder):
    """Run one case; return what is wrong with it, or None."""
    rng = random.Random(f"{seed}:{number}")
    index = rng.randrange(len(CASES))
    while seed_model(index) is None:
        index = rng.randrange(len(CASES))
    door = rng.choice(DOORS)
    with warnings.catch_warnings(action="ignore"):
        name, read = door(rng, index, folder)
        seen = watch()
        seen.seen.clear()
        seen.file, seen.on = os.path.join(folder, name or ""), True
        try:
            read()
            problem = None
        except ALLOWED as error:
            problem = _faults(error, name)
        except Exception as error:
            problem = _described(error)
        finally:
            seen.on = False
    problem = problem or (f"{seen.seen[:5]}" if seen.seen else None)
    return problem and f"{door.__name__} {CASES[index].id}: {problem}"


def _faults(error, name):
    if isinstance(error, FORBIDDEN):
        return _described(error)
    if name is not None and name not in str(error):
        return "no name of the file: " + _described(error)
    return None


def _described(error):
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno}"
    return f"{type(error).__name__} at {where}: {str(error)[:200]}"


# --- the search: a child runs the cases, so that a crash ends only the child


def _rss():
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return tuple(int(lines[key].split()[0]) >> 10 for key in ("VmHWM", "VmRSS"))


def _child(seed, number, out):
    with tempfile.TemporaryDirectory() as folder:
        limits.CONFIG_BYTES = 16 << 20
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
        while True:
            out.write(f"start {number}\n")
            out.flush()
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            before, begin = _rss()[1], time.process_time()
            problem = run_case(seed, number, folder)
            used, peak = time.process_time() - begin, _rss()[0] - before
            if problem is None and used > SECONDS:
                problem = f"took {used:.1f} s"
            if problem is None and peak > MEGABYTES:
                problem = f"took {peak} MB"
            if problem is not None:
                out.write(f"found {number} {problem!r}\n")
            number += 1


def search(seconds, seed):
    """Run cases for some seconds; print what is wrong, each kind once; return how many kinds."""
    end, number, kinds, done = time.monotonic() + seconds, 0, {}, 0
    while time.monotonic() < end:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                _child(seed, number, os.fdopen(write, "w"))
            finally:
                os._exit(1)
        os.close(write)
        with os.fdopen(read, "rb", buffering=0) as source:
            problem, rest = None, b""
            while time.monotonic() < end:
                if not select.select([source], [], [], 20)[0]:
                    problem = "hangs"
                    break
                data = source.read(65536)
                if not data:
                    problem = "ends the process"
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    word, count, *text = line.decode().split(" ", 2)
                    number = int(count)
                    if word == "found":
                        _note(kinds, seed, number, text[0])
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        if problem:
            _note(kinds, seed, number, problem)
        done, number = number, number + 1
    print(f"{done} cases, {len(kinds)} kinds of findings")
    return len(kinds)


def _note(kinds, seed, number, problem):
    # What differs between findings of one kind are the layer and the values.
    kind = re.sub(r"(took|hangs|ends|open of).*", r"\1", problem.split(": ", 1)[-1])[:55]
    kinds[kind] = kinds.get(kind, 0) + 1
    if kinds[kind] == 1:
        print(f"--case {seed} {number}  {problem}", flush=True)


def main(arguments):
    if arguments[0] == "--case":
        with tempfile.TemporaryDirectory() as folder:
            limits.CONFIG_BYTES = 16 << 20
            described = _described

            def with_traceback(error):
                traceback.print_exception(error)
                return described(error)

            globals().update(ALLOWED=(), _described=with_traceback)
            seed = arguments[1]
            print(run_case(seed, int(arguments[2]), folder))
        return 0
    seed = int(arguments[1]) if len(arguments) > 1 else 0
    return 1 if search(float(arguments[0]), seed) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
