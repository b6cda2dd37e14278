"""Batches made ahead: in order, at once, no more than asked for, and with an end in every case."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import pyseq
from pyseq import ahead, layers

SECONDS = 60  # after which a test that waits for others gives up


class Made(pyseq.utils.PyDataset):
    """Batch `index` holds its number; `note` is called for each."""

    def __init__(self, batches, note=lambda index: None, **kwargs):
        super().__init__(**kwargs)
        self.batches = batches
        self.note = note

    def __len__(self):
        return self.batches

    def __getitem__(self, index):
        self.note(index)
        x = np.full((2, 1), index, "float32")
        return x, x


class Noted(Made):
    """Notes what happens in order; safe in threads."""

    def __init__(self, batches, log, **kwargs):
        super().__init__(batches, log.append, **kwargs)
        self.log = log

    def on_epoch_begin(self):
        self.log.append("begin")

    def on_epoch_end(self):
        self.log.append("end")


def same():
    """A model that returns its input."""
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Activation("linear")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def small():
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Dense(1)])
    model.compile(pyseq.optimizers.SGD(1e-4), "mse")
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    return model


KINDS = [
    {"workers": 0},
    {"workers": 1},
    {"workers": 3},
    {"workers": 3, "max_queue_size": 1},
    {"workers": 1, "use_multiprocessing": True},
    {"workers": 2, "use_multiprocessing": True},
]
AHEAD = KINDS[2:3] + KINDS[5:]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_arrive_in_order(kind):
    def uneven(index):
        time.sleep(0.002 * (7 - index))

    data = Made(7, uneven, **kind)
    answers = same().predict(data, verbose=0)
    np.testing.assert_array_equal(answers[::2, 0], np.arange(7))
    assert same().evaluate(data, verbose=0) == [0.0, 0.0]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_training_does_not_depend_on_workers(kind, shuffle):
    results = []
    for arguments in ({}, kind):
        pyseq.utils.set_random_seed(3)
        model = small()
        model.fit(
            Made(5, **arguments),
            epochs=2,
            shuffle=shuffle,
            validation_data=Made(2, **arguments),
            verbose=0,
        )
        results.append([*model.get_weights(), model.history.history["val_loss"]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_threads_work_at_once():
    together = threading.Barrier(4)
    data = Made(8, lambda index: together.wait(SECONDS), workers=4)
    assert len(same().predict(data, verbose=0)) == 16


def test_processes_work_at_once():
    together = multiprocessing.Barrier(3)
    data = Made(6, lambda index: together.wait(SECONDS), workers=3, use_multiprocessing=True)
    assert len(same().predict(data, verbose=0)) == 12


def test_processes_are_not_this_one():
    class Ids(Made):
        def __getitem__(self, index):
            x = np.full((1, 1), os.getpid(), "float64")
            return x, x

    made = Ids(4, workers=2, use_multiprocessing=True)
    ids = same().predict(made, verbose=0).ravel().tolist()
    assert os.getpid() not in ids
    assert len(set(ids)) <= 2


@pytest.mark.parametrize(("workers", "size"), [(2, 5), (4, 2)])
def test_no_more_are_ahead_than_asked_for(workers, size):
    made, used, gap = [], [], []

    def note(index):
        made.append(index)
        gap.append(len(made) - len(used))

    class Use(pyseq.callbacks.Callback):
        def on_predict_batch_begin(self, batch, logs=None):
            used.append(batch)

    data = Made(20, note, workers=workers, max_queue_size=size)
    same().predict(data, callbacks=[Use()], verbose=0)
    assert sorted(made) == list(range(20))
    # One more may have left the queue and not have begun in the model.
    assert max(gap) <= size + 1


@pytest.mark.parametrize("kind", AHEAD)
@pytest.mark.parametrize("what", ["fit", "evaluate", "predict"])
def test_errors_of_workers_reach_the_caller(kind, what):
    def fail(index):
        if index == 3:
            raise FileNotFoundError("image 3")

    with pytest.raises(FileNotFoundError, match="image 3") as caught:
        getattr(small(), what)(Made(6, fail, **kind), verbose=0)
    if kind.get("use_multiprocessing"):
        assert "in fail" in str(caught.value.__cause__)


class Unreadable(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} {b}")


@pytest.mark.parametrize(
    ("raises", "named"), [(True, r"Unreadable\('1 2'\)"), (False, ".*lambda")]
)
def test_what_cannot_be_sent_between_processes(raises, named):
    class Bad(Made):
        def __getitem__(self, index):
            if raises:
                raise Unreadable(1, 2)
            return lambda: None

    with pytest.raises(TypeError, match="a batch or an error that can be pickled, got " + named):
        small().fit(Bad(3, workers=2, use_multiprocessing=True), verbose=0)


def test_a_worker_that_is_killed():
    def die(index):
        if index == 2:
            os.kill(os.getpid(), 9)

    with pytest.raises(RuntimeError, match="batch 2: expected a worker .* exit code -9"):
        small().fit(Made(6, die, workers=2, use_multiprocessing=True), verbose=0)


def test_copies_draw_different_numbers():
    class Random(Made):
        def __getitem__(self, index):
            x = np.random.uniform(size=(1, 1))
            return x, x

    answers = []
    for workers in (1, 3):
        np.random.seed(5)
        data = Random(6, workers=workers, use_multiprocessing=True)
        answers.append(same().predict(data, verbose=0).ravel().tolist())
    assert len(set(answers[0])) == 6
    assert answers[0] == answers[1]


def test_layers_in_worker_processes():
    model = pyseq.Sequential([pyseq.Input((64,)), layers.Dense(256), layers.Dense(1)])
    x = np.ones((2048, 64), "float32")
    expected = model.predict(x, verbose=0)

    class Through(Made):
        def __getitem__(self, index):
            return model.predict(x, verbose=0)[:2], None

    data = Through(3, workers=2, use_multiprocessing=True)
    np.testing.assert_array_equal(same().predict(data, verbose=0)[:2], expected[:2])


@pytest.mark.parametrize("kind", AHEAD[:1] + KINDS[1:2])
def test_epochs_begin_and_end(kind):
    log = []
    data = Noted(4, log, **kind)
    model = small()

    def told():
        # Threads make the batches of one epoch in any order.
        parts = [[]]
        for entry in log:
            parts.append([]) if isinstance(entry, str) else parts[-1].append(entry)
        events = [entry for entry in log if isinstance(entry, str)]
        log.clear()
        return events, [sorted(part) for part in parts if part]

    whole = [0, 1, 2, 3]
    model.fit(data, epochs=2, verbose=0)
    assert told() == (["begin", "end"] * 2, [whole] * 2)
    model.fit(data, epochs=3, steps_per_epoch=2, shuffle=False, verbose=0)
    assert told() == (["begin", "end"] * 3, [[0, 1], [2, 3], [0, 1]])
    model.predict(data, verbose=0)
    model.evaluate(data, steps=3, verbose=0)
    model.predict(data, steps=1, verbose=0)
    assert told() == (["begin", "end"] * 3, [whole, [0, 1, 2], [0]])
    model.fit(Made(1), validation_data=data, validation_steps=3, epochs=2, verbose=0)
    assert told() == (["begin", "end"] * 2, [[0, 1, 2]] * 2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_epoch_end_changes_reaches_the_workers(kind):
    class Grows(Made):
        add = 0

        def __getitem__(self, index):
            x = np.full((1, 1), index + self.add, "float32")
            return x, x * 0

        def on_epoch_end(self):
            self.add += 10

    class Seen(pyseq.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            seen.append(logs["mae"])

    seen = []
    model, data = same(), Grows(2, **kind)
    for _ in range(2):
        model.evaluate(data, callbacks=[Seen()], verbose=0)
    assert seen == [0.0, 0.5, 10.0, 10.5]


@pytest.mark.parametrize("kind", AHEAD)
def test_endless_datasets(kind):
    class Endless(pyseq.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            x = np.full((1, 1), index, "float32")
            return x, x

    answers = same().predict(Endless(**kind), steps=4, verbose=0)
    assert answers.ravel().tolist() == [0, 1, 2, 3]
    history = small().fit(Endless(**kind), steps_per_epoch=3, epochs=2, verbose=0)
    assert len(history.epoch) == 2


INTERRUPTED = """
import multiprocessing, os, signal, sys, threading
sys.path.insert(0, {folder!r})
import numpy as np
import pyseq
from test_workers import Made, small

def wait(index):
    if index > 1:
        if index == 2:
            os.kill({pid}, signal.SIGINT)
        threading.Event().wait()

try:
    small().{what}(Made(8, wait, workers=3, use_multiprocessing={processes}), {rest})
except KeyboardInterrupt:
    print("interrupted", multiprocessing.active_children())
"""


@pytest.mark.parametrize(
    ("what", "rest"), [("fit", "verbose=0, shuffle=False"), ("predict", "verbose=0")]
)
@pytest.mark.parametrize("processes", [False, True])
def test_ctrl_c_ends_workers_that_never_answer(processes, what, rest):
    pid = "os.getppid()" if processes else "os.getpid()"
    folder = os.path.dirname(__file__)
    code = INTERRUPTED.format(
        folder=folder, pid=pid, processes=processes, what=what, rest=rest
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.stdout, done.stderr, done.returncode) == ("interrupted []\n", "", 0)


def test_workers_end_with_the_epoch():
    class Stop(pyseq.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    before = threading.active_count()
    for kind in AHEAD:
        small().fit(Made(9, **kind), callbacks=[Stop()], verbose=0)
        small().predict(Made(9, **kind), steps=2, verbose=0)
    assert multiprocessing.active_children() == []
    deadline = time.monotonic() + SECONDS
    while threading.active_count() > before:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.01)


def test_datasets_of_keras(keras):
    together = threading.Barrier(2)

    class Theirs(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            together.wait(SECONDS)
            return np.full((1, 1), index, "float32"), None

    answers = same().predict(Theirs(workers=2), verbose=0)
    assert answers.ravel().tolist() == [0, 1, 2, 3]


def test_what_the_items_raise_comes_in_its_place():
    def items():
        yield from (-1, -2)
        raise ArithmeticError("no third item")

    results, found = ahead.results([ahead.Caller(abs)] * 2, items(), 5), []
    with pytest.raises(ArithmeticError, match="no third item"):
        for y in results:
            found.append(y)
    assert found == [1, 2]
