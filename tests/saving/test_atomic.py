"""Writing of files: all or nothing, on full disks and in killed processes too."""

import errno
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.saving import atomic

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and limits")


def big_model():
    model = pyseq.Sequential([pyseq.Input((64,)), layers.Dense(256), layers.Dense(64)])
    model.compile("adam", "mse")
    return model


def backed_up(model, folder):
    """Train one epoch more than the backup has."""
    x = np.ones((4, 64), "float32")
    backup = pyseq.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    done = [backup, pyseq.callbacks.LambdaCallback(on_epoch_end=stop_after(model))]
    model.fit(x, x, verbose=0, epochs=99, callbacks=done)


def stop_after(model):
    def stop(epoch, logs):
        model.stop_training = True

    return stop


WAYS = {
    "keras": (lambda m, d: m.save(d / "m.keras"), "m.keras"),
    "h5": (lambda m, d: m.save(d / "m.h5"), "m.h5"),
    "folder": (lambda m, d: m.save(d / "m", zipped=False), "model.weights.h5"),
    "weights": (lambda m, d: m.save_weights(d / "m.weights.h5"), "m.weights.h5"),
    "shards": (
        lambda m, d: m.save_weights(d / "m.weights.json", max_shard_size=0.0002),
        "m_00000.weights.h5",
    ),
    "backup": (lambda m, d: backed_up(m, d / "b"), "latest.weights.h5"),
}


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_names_the_file_and_changes_nothing(way, code, tmp_path, monkeypatch):
    save, name = WAYS[way]
    model = big_model()
    save(model, tmp_path)
    before = files(tmp_path)
    room = [40_000]

    class Full(atomic._File):
        def write(self, data):
            room[0] -= len(data)
            if room[0] < 0:
                self.error = OSError(code, os.strerror(code))
                raise self.error
            return super().write(data)

    monkeypatch.setattr(atomic, "_File", Full)
    with pytest.raises(OSError, match=rf"{name}: expected room for the whole file") as error:
        save(model, tmp_path)
    assert error.value.errno == code
    assert files(tmp_path) == before


LIMITED = """
import pathlib, resource, signal, sys
sys.path.insert(0, sys.argv[1])
import test_atomic
folder = pathlib.Path(sys.argv[2])
model = test_atomic.big_model()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
for save, name in test_atomic.WAYS.values():
    try:
        save(model, folder)
    except OSError as error:
        assert f"{name}: expected room" in str(error), error
    else:
        raise AssertionError(name)
print([p for p in folder.rglob("*") if p.is_file()])
"""


@posix
def test_files_at_the_limit_of_the_system(tmp_path):
    code = [sys.executable, "-c", LIMITED, os.path.dirname(__file__), str(tmp_path)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


# Saves in one process after the other; each dies at another call of what makes a file last.
DYING = """
import os, pathlib, signal, sys, traceback
sys.path.insert(0, sys.argv[1])
import test_atomic
save, folder = test_atomic.WAYS[sys.argv[2]][0], pathlib.Path(sys.argv[3])
model = test_atomic.big_model()

def dying(function, left):
    def wrapped(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

def in_a_child(call):
    child = os.fork()
    if child == 0:
        try:
            left = [call]
            for name in ("fsync", "chmod", "replace"):
                setattr(os, name, dying(getattr(os, name), left))
            save(model, folder)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]

def clean():
    assert in_a_child(0) == 0
    found = sorted(test_atomic.files(folder))
    assert not [p for p in folder.rglob("*") if "pyseq" in p.name], found
    return found

expected, left_behind = clean(), 0
for call in range(1, 20):
    status = in_a_child(call)
    assert status in (0, signal.SIGKILL), status
    left_behind += sorted(test_atomic.files(folder)) != expected
    assert clean() == expected
    if status == 0:
        break
assert status == 0
print(left_behind)
"""


@posix
@pytest.mark.parametrize("way", WAYS)
def test_a_killed_save_leaves_nothing_for_ever(way, tmp_path):
    code = [sys.executable, "-c", DYING, os.path.dirname(__file__), way, str(tmp_path)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_another_name_in_the_folder_removes_it_too(tmp_path):
    stale = tmp_path / ".3.keras.abcd_123.pyseq-tmp"
    stale.write_bytes(b"half")
    others = [tmp_path / n for n in (".x.keras.short.pyseq-tmp", ".m.keras.abcd1234.tmp", "a.tmp")]
    for other in others:
        other.write_bytes(b"of somebody else")
    big_model().save(tmp_path / "4.keras")
    assert not stale.exists()
    assert all(other.exists() for other in others)


def test_files_that_are_being_written_stay(tmp_path):
    """Many threads that save into one folder, each removing what is stale."""
    failed = []

    def save(i):
        try:
            for k in range(20):
                data = bytes([i, k]) * 1000
                atomic.write_atomically(tmp_path / f"{i % 3}", lambda file: file.write(data))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=save, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2"]
    assert all(len(set(p.read_bytes()[::2])) == 1 for p in tmp_path.iterdir())


def test_a_folder_that_was_being_exchanged_comes_back(tmp_path):
    model = big_model()
    model.save(tmp_path / "m", zipped=False)
    os.replace(tmp_path / "m", tmp_path / ".m.pyseq-old")

    def fail(folder):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        atomic.write_directory_atomically(tmp_path / "m", fail)
    loaded = pyseq.models.load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_an_error_of_the_writer_is_not_changed(tmp_path):
    def write(file):
        file.write(b"1")
        raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        atomic.write_atomically(tmp_path / "a", write)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="expected an existing directory"):
        atomic.write_atomically(tmp_path / "b" / "a", write)


@posix
def test_exports_remove_what_killed_ones_left(tmp_path):
    model = big_model()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stale = [tmp_path / f"m.pyseq.tmp{n}" for n in (os.getpid(), dead.pid, 10**30)]
    others = [tmp_path / f"{n}" for n in (f"m.pyseq.tmp{os.getppid()}", "m.pyseq.tmpx", "n.tmp1")]
    for file in (*stale, *others):
        file.write_bytes(b"half")
    model.export(tmp_path / "m.pyseq")
    assert not any(file.exists() for file in stale)
    assert all(file.exists() for file in others)
    assert (tmp_path / "m.pyseq").exists()
