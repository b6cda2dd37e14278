"""Batches of a `PyDataset` made ahead of time, in threads or processes, in their order."""

from __future__ import annotations

import pickle
import random
import signal
import traceback
import warnings

import numpy as np

from pyseq import _core, ahead


def ordered(dataset, indices):
    """Yield `dataset[index]` for each of `indices`.

    With several `dataset.workers`, or any that are processes (`use_multiprocessing`), up to
    `max_queue_size` batches are in the making or wait. What a worker raises is raised here, in
    the place of its batch. Closing the generator stops the workers: threads after the batch that
    they are at, processes at once.
    """
    # Data sets of other libraries may lack them.
    workers = getattr(dataset, "workers", 1)
    processes = getattr(dataset, "use_multiprocessing", False)
    if workers > 1 or (workers == 1 and processes):
        limit = max(1, int(getattr(dataset, "max_queue_size", 10)))
        count = min(workers, limit)
        if processes:
            return _in_processes(dataset, indices, count, limit)
        makers = [ahead.Caller(dataset.__getitem__)] * count
        return ahead.results(makers, indices, limit)
    return (dataset[index] for index in indices)


def _in_processes(dataset, indices, count, limit):
    # Here, so that processes begin with the first batch that is asked for.
    yield from ahead.results(_processes(dataset, count), indices, limit)


class _Process:
    """Makes batches in a process of its own, which one thread asks."""

    def __init__(self, dataset, seed):
        import multiprocessing

        self.stopped = False
        self.connection, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=_serve, args=(dataset, seed, theirs, self.connection), daemon=True
        )
        with warnings.catch_warnings():
            # Of Python 3.12 about forks beside threads: the child needs none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()

    def make(self, index):
        try:
            self.connection.send(index)
            batch, error, trace = self.connection.recv()
        except (EOFError, OSError) as gone:
            if not self.stopped:  # else the caller waits for its end; two may not
                self.process.join(1)
            raise RuntimeError(
                f"batch {index}: expected a worker process that answers, got one that ended with "
                f"exit code {self.process.exitcode}; look at what it printed, or for a lack of "
                "memory, or use threads (use_multiprocessing=False)"
            ) from gone
        if error is not None:
            raise error from RuntimeError(f"in a worker process:\n{trace}")
        return batch

    def stop(self):
        self.stopped = True
        self.process.kill()
        self.process.join()

    def close(self):
        # By the thread that reads it: the number of a closed file may come back as another one.
        self.connection.close()


def _processes(dataset, count):
    # Copies of one generator would draw the same numbers in all processes.
    seed = int(np.random.randint(2**32, dtype=np.uint32))
    makers = []
    try:
        for _ in range(count):
            makers.append(_Process(dataset, seed))
    except BaseException:
        for maker in makers:
            maker.stop()
        raise
    return makers


def _serve(dataset, seed, connection, other_end):
    """The loop of a worker process: ends with the connection."""
    # Only the parent answers Ctrl-C; it ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    other_end.close()
    # The threads of the core stayed behind in the parent.
    _core.set_num_threads(1)
    answer = None
    while answer is None or _send(connection, answer):
        try:
            index = connection.recv()
        except (EOFError, OSError):
            return
        np.random.seed([seed, index % 2**32])
        random.seed(f"{seed} {index}")
        try:
            answer = dataset[index], None, None
        except BaseException as error:
            answer = None, error, traceback.format_exc()


def _send(connection, answer):
    """Whether somebody is there to get the answer."""
    _, error, trace = answer
    try:
        if error is not None:
            pickle.loads(pickle.dumps(error))  # not every error that can be written can be read
        connection.send(answer)
    except OSError:
        return False
    except Exception as reason:
        message = f"expected a batch or an error that can be pickled, got {error or reason!r}"
        return _send(connection, (None, TypeError(message), trace or traceback.format_exc()))
    return True
