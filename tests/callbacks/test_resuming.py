"""Training that is killed and run again ends with the bits of a run that was not."""

import json
import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from resumed_training import KINDS, train

import pyseq

SCRIPT = pathlib.Path(__file__).with_name("resumed_training.py")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs kill -9")


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """The results of runs that nothing interrupts, without and with backups."""
    results = {}

    def of(kind):
        if kind not in results:
            pyseq.utils.set_random_seed(7)
            results[kind] = train(kind, None, backup=False)
            pyseq.utils.set_random_seed(7)
            folder = tmp_path_factory.mktemp("right") / "backup"
            assert train(kind, folder) == results[kind]
        return results[kind]

    return of


def child(kind, folder, seed, *kill):
    command = [sys.executable, SCRIPT, kind, str(folder), str(seed), *map(str, kill)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result_of(process):
    """What a child printed at its end; None where it was killed before."""
    output = process.communicate(timeout=120)[0].splitlines()
    assert output[0] == "ready"
    return json.loads(output[1]) if len(output) > 1 else None


def same(result, expected):
    assert result["digest"] == expected["digest"]
    # Sums of losses go on from the sum before the crash, which is another order of adding.
    if result["logs"]:
        assert result["logs"] == pytest.approx(expected["logs"], rel=1e-12)


class Stop(pyseq.callbacks.Callback):
    """Raises after so many batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batches", [4, 7, 11])
def test_interrupted_anywhere(kind, batches, right, tmp_path):
    pyseq.utils.set_random_seed(7)
    with pytest.raises(KeyboardInterrupt):
        train(kind, tmp_path / "b", callbacks=[Stop(batches)])
    # Another seed: what counts is in the backup.
    if (tmp_path / "b").exists():
        pyseq.utils.set_random_seed(8)
        np.random.normal(size=3)
    else:
        pyseq.utils.set_random_seed(7)
    same(train(kind, tmp_path / "b"), right(kind))
    assert not (tmp_path / "b").exists()


@posix
@pytest.mark.parametrize("kind", ["epochs", "batches", "steps", "dataset"])
def test_killed_at_random_moments(kind, right, tmp_path):
    draw = random.Random(KINDS[kind][0].__name__ + kind)
    result, seed, runs = None, 7, 0
    while result is None:
        process = child(kind, tmp_path / "b", seed)
        runs += 1
        if runs <= 6:
            process.stdout.readline()
            time.sleep(draw.uniform(0, 0.15))
            process.kill()
            output = process.communicate(timeout=120)[0]
            result = json.loads(output) if output else None
        else:
            result = result_of(process)
        # The first backup holds the seeds; before it there is only the script's own.
        seed = "none" if (tmp_path / "b" / "latest.weights.h5").exists() else 7
    same(result, right(kind))


@posix
@pytest.mark.parametrize("kind", ["epochs", "every batch"])
def test_killed_while_writing(kind, right, tmp_path):
    """Each run dies at one of the calls that make a backup last, until there are none left."""
    draw = random.Random(kind)
    result, seed = None, 7
    for _ in range(8):
        result = result_of(child(kind, tmp_path / "b", seed, draw.randint(4, 16)))
        seed = "none" if (tmp_path / "b" / "latest.weights.h5").exists() else 7
        if result:
            break
    while result is None:
        result = result_of(child(kind, tmp_path / "b", seed))
    same(result, right(kind))
    assert not (tmp_path / "b").exists()


def small(library=pyseq):
    model = library.Sequential([library.Input((3,)), library.layers.Dense(1)])
    model.compile(library.optimizers.SGD(0.01), "mse")
    return model


X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = X[:, :1]


def interrupted(library, folder, epochs=2, **kwargs):
    """A model whose training stopped after so many epochs."""

    class Interrupt(library.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == epochs:
                raise KeyboardInterrupt

    model = small(library)
    backup = library.callbacks.BackupAndRestore(str(folder), **kwargs)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=9, verbose=0, callbacks=[backup, Interrupt()])
    return model


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("ours_first", [True, False])
def test_keras_and_pyseq_read_each_other(keras, ours_first, tmp_path):
    first, second = (pyseq, keras) if ours_first else (keras, pyseq)
    model = interrupted(first, tmp_path / "b")
    other = small(second)
    seen = []

    class Look(second.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append((epoch, self.model.get_weights()[0]))
            self.model.stop_training = True

    backup = second.callbacks.BackupAndRestore(str(tmp_path / "b"))
    other.fit(X, Y, epochs=3, verbose=0, callbacks=[backup, Look()])
    assert seen[0][0] == 2
    np.testing.assert_array_equal(seen[0][1], model.get_weights()[0])


def test_damaged_json_of_keras(tmp_path):
    model = small()
    (tmp_path / "b").mkdir()
    model.save_weights(tmp_path / "b" / "latest.weights.h5")
    for text, message in (
        ("[" * 10, "expected JSON"),
        ('{"epoch": -1}', "expected an epoch of 0 or more, got -1"),
        ('{"batch": 1}', "expected an epoch of 0 or more, got None"),
    ):
        (tmp_path / "b" / "training_metadata.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            model.fit(X, Y, verbose=0, callbacks=[pyseq.callbacks.BackupAndRestore(tmp_path / "b")])


def test_what_is_left_without_weights_is_nothing_to_go_on_from(tmp_path):
    """A process may die while it removes the backup of a training that is complete."""
    interrupted(pyseq, tmp_path / "b")
    os.remove(tmp_path / "b" / "latest.weights.h5")
    backup = pyseq.callbacks.BackupAndRestore(tmp_path / "b")
    history = small().fit(X, Y, epochs=3, verbose=0, callbacks=[backup])
    assert history.epoch == [0, 1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"training": {}},
        {"training": None},
        {"training": {"random_step": "x", "op_seeds": {}}},
        {"training": {"random_step": 1, "op_seeds": {}, "generators": [[1, 2]], "states": []}},
    ],
)
def test_damaged_state_names_the_file(change, tmp_path):
    h5py = pytest.importorskip("h5py")
    interrupted(pyseq, tmp_path / "b")
    path = tmp_path / "b" / "latest.weights.h5"
    with h5py.File(path, "r+") as file:
        state = json.loads(file["training_state"][()].tobytes())
        del file["training_state"]
        changed = json.dumps({**state, **change}).encode()
        file["training_state"] = np.frombuffer(changed, np.uint8)
    with pytest.raises(ValueError, match=r"latest.weights.h5: expected the state of this model"):
        small().fit(X, Y, verbose=0, callbacks=[pyseq.callbacks.BackupAndRestore(tmp_path / "b")])


def test_other_data_train_the_epoch_again(tmp_path):
    model = small()
    backup = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=5, epochs=2, verbose=0, callbacks=[backup, Stop(6)])
    again = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=1)
    seen = pyseq.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: batches.append(b))
    batches = []
    with pytest.warns(UserWarning, match="expected the data and batch size of the interrupted"):
        small().fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[again, seen])
    assert batches == [0, 1, 2, 3, 4]


def test_batches_are_not_trained_twice(tmp_path):
    model = small()
    backup = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=5, epochs=3, verbose=0, callbacks=[Stop(7), backup])
    batches = []
    seen = pyseq.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: batches.append(b))
    again = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=2)
    other = small()
    other.fit(X, Y, batch_size=5, epochs=3, verbose=0, callbacks=[again, seen])
    assert batches == [2, 3, 0, 1, 2, 3]
    assert int(other.optimizer.iterations) == 12


def test_a_generator_goes_on_where_it_is(tmp_path):
    def batches():
        while True:
            yield X[:4], Y[:4]

    model = small()
    backup = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            batches(), steps_per_epoch=3, epochs=2, verbose=0, callbacks=[backup, Stop(5)]
        )
    again = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=1)
    other = small()
    other.fit(batches(), steps_per_epoch=3, epochs=2, verbose=0, callbacks=[again])
    assert int(other.optimizer.iterations) == 5 + 3


def test_fit_that_begins_later_is_backed_up_under_its_epoch(tmp_path):
    model = small()
    backup = pyseq.callbacks.BackupAndRestore(tmp_path / "b", save_freq=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            X, Y, batch_size=5, epochs=9, initial_epoch=3, verbose=0, callbacks=[backup, Stop(2)]
        )
    text = (tmp_path / "b" / "training_metadata.json").read_text()
    assert json.loads(text) == {"epoch": 3, "batch": 1}
