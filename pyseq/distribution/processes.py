"""The processes that `mpirun` started, and what they tell each other."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyseq.types import Tensor

# Environment variables in which launchers say how many processes there are.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "PMIX_SIZE")

# A gradient of few rows is sent as these where that is so much less.
_SPARSE_AT = 16384

# The tag of messages that say nothing but that their sender waits.
_WAITS = 1

_world: ProcessGroup | None = None
_timeout = float(os.environ.get("PYSEQ_DISTRIBUTION_TIMEOUT") or 300)


class LostProcess(RuntimeError):
    """Another process did not come to where this one waits for it."""


class ProcessGroup:
    """All processes of an MPI run.

    Args:
        communicator: an `mpi4py.MPI.Comm`.
        timeout: seconds to wait for the others before `LostProcess` is raised.

    Attributes:
        rank, size: number of this process, from 0, and how many there are.
        shards: whether all have the same data, of which each takes its part.
        sizes: rows of each process's batch where it has its own; None otherwise.
        begun: how often `fit` has begun.
        sent_bytes: of gradients and other sums, so far.
    """

    def __init__(self, communicator: Any, timeout: float | None = None) -> None:
        self.communicator = communicator
        self.timeout = _timeout if timeout is None else timeout
        self.rank: int = communicator.Get_rank()
        self.size: int = communicator.Get_size()
        self.shards = True
        self.sizes: list[int] | None = None
        self.begun = 0
        self.sent_bytes = 0
        self._pending: list[Any] = []
        self._said: list[Any] = []

    def share(self, first: int, last: int) -> slice:
        """The part of positions [first, last) of this process; the first ones have one more."""
        each, more = divmod(last - first, self.size)
        begin = first + self.rank * each + min(self.rank, more)
        return slice(begin, begin + each + (self.rank < more))

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in the order of their ranks."""
        from mpi4py import MPI

        # Not mpi4py's own `allgather`, which would wait without an end.
        mine = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = np.empty(self.size, np.int64)
        self._wait([self.communicator.Iallgather(np.array([len(mine)]), sizes)])
        everything = np.empty(int(sizes.sum()), np.uint8)
        starts = np.cumsum(sizes) - sizes
        target = [everything, sizes, starts, MPI.BYTE]
        self._wait([self.communicator.Iallgatherv(mine, target)])
        return [pickle.loads(everything[a : a + n]) for a, n in zip(starts, sizes)]

    def same(self, value: Any) -> Any:
        """The value of process 0."""
        mine = np.frombuffer(pickle.dumps(value), np.uint8)
        size = np.array([len(mine)])
        self._wait([self.communicator.Ibcast(size, root=0)])
        values = mine.copy() if self.rank == 0 else np.empty(int(size[0]), np.uint8)
        self._wait([self.communicator.Ibcast(values, root=0)])
        return pickle.loads(values)

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process."""
        return any(self.gather(flag))

    def sum(self, values: Tensor) -> None:
        """Have the numbers of an array become their sums over the processes."""
        self._wait([self._start(values)])

    def start_sum(self, values: Tensor, row: int) -> None:
        """Begin the same with an array that nobody touches before `finish_sums`.

        Args:
            row: numbers of a row where most rows are zero; 0 for any other array.
        """
        if row and values.nbytes >= _SPARSE_AT and self._sum_rows(values.reshape(-1, row)):
            return
        self._pending.append(self._start(values))
        self._test()

    def finish_sums(self) -> None:
        """Wait for all sums that have begun."""
        pending, self._pending = self._pending, []
        self._wait(pending)

    def average(self, variables: Sequence[Any]) -> None:
        """Have each variable become its mean over the processes."""
        if not variables:
            return
        values = [v._exact() for v in variables]
        flat = np.concatenate([v.astype(np.float64).ravel() for v in values])
        self.sum(flat)
        flat /= self.size
        at = 0
        for variable, value in zip(variables, values):
            mean = flat[at : at + value.size].reshape(value.shape).astype(value.dtype)
            variable._assign_exact(mean)
            at += value.size

    def abort(self, error: BaseException) -> None:
        """Say what went wrong here and end all processes."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        print(
            f"pyseq: process {self.rank} of {self.size} failed, all others are stopped:\n{text}",
            file=sys.stderr,
            flush=True,
        )
        # A launcher that cannot hear of it must not keep this process.
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(5, exit=True, file=nowhere)
            self.communicator.Abort(1)

    def _start(self, values):
        from mpi4py import MPI

        self.sent_bytes += values.nbytes
        return self.communicator.Iallreduce(MPI.IN_PLACE, values)

    def _test(self):
        """Let MPI go on with what is under way."""
        for request in self._pending:
            request.Test()

    def _wait(self, requests):
        started = time.perf_counter()
        signs = [self.timeout / 2, self.timeout * 3 / 4]  # when this process gives one
        for request in requests:
            for _ in range(200):
                if request.Test():
                    break
            else:
                while not request.Test():
                    time.sleep(0)  # another process may want this core
                    waited = time.perf_counter() - started
                    if signs and waited > signs[0]:
                        if len(signs) == 2:
                            self._waiting()  # of earlier waits
                        del signs[0]
                        self._say_waiting()
                    if waited > self.timeout:
                        raise self._lost()

    def _say_waiting(self):
        """Tell the others that this process waits, which may be for the last time."""
        from mpi4py import MPI

        self._said = [request for request in self._said if not request.Test()]
        for other in range(self.size):
            if other != self.rank:
                # One that is gone will not be heard either, and `_lost` names it.
                with contextlib.suppress(MPI.Exception):
                    self._said.append(self.communicator.Isend([b"", MPI.BYTE], other, _WAITS))

    def _waiting(self):
        """The processes that have said so since this was last asked."""
        from mpi4py import MPI

        ranks, status = set(), MPI.Status()
        while self.communicator.Iprobe(MPI.ANY_SOURCE, _WAITS, status):
            ranks.add(status.Get_source())
            self.communicator.Recv([bytearray(), MPI.BYTE], status.Get_source(), _WAITS)
        return ranks

    def _lost(self):
        lost = sorted(set(range(self.size)) - self._waiting() - {self.rank})
        which = f"from process {', '.join(map(str, lost))} " if lost else ""
        return LostProcess(
            f"process {self.rank} of {self.size}: expected the others at the end of this step, got "
            f"nothing {which}for {self.timeout:g} s; it has stopped or waits for something else; "
            "see its output, or allow more with initialize(timeout=)"
        )

    def _sum_rows(self, matrix):
        """Add up the rows that are not zero, if that is less than half of all; else False."""
        rows = np.flatnonzero(matrix.any(axis=1))
        counts = self.gather(len(rows))
        if 2 * sum(counts) > len(matrix):
            return False
        own = matrix[rows]
        parts = self.gather((rows, own))
        self.sent_bytes += rows.nbytes + own.nbytes
        matrix[rows] = 0
        for theirs, values in parts:  # in the order of the ranks: the same bits everywhere
            matrix[theirs] += values
        return True


def initialize(
    job_addresses: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    timeout: float | None = None,
) -> None:
    """Join the processes that the launcher (`mpirun`, `srun`) started.

    Args:
        job_addresses: accepted as in Keras; the launcher knows the machines.
        num_processes, process_id: checked against what the launcher says, if given.
        timeout: seconds that a process waits for the others before it gives up; 300 by default.

    Raises:
        ValueError: the launcher started another number of processes.
        ImportError: several processes, and mpi4py is missing.

    >>> initialize(num_processes=1)
    >>> rank(), size()
    (0, 1)
    """
    global _timeout
    if timeout is not None:
        if not timeout > 0:
            raise ValueError(f"initialize: expected a timeout above 0 s, got {timeout}")
        _timeout = float(timeout)
    group = world()
    if group is not None and timeout is not None:
        group.timeout = _timeout
    for name, given, found in (
        ("num_processes", num_processes, size()),
        ("process_id", process_id, rank()),
    ):
        if given is not None and given != found:
            raise ValueError(
                f"initialize: expected {name}={found}, as the launcher says, got {given}; start "
                f"the script with `mpirun -n {num_processes or size()} python ...`"
            )


def world() -> ProcessGroup | None:
    """The group of all processes, or None where there is one only."""
    global _world
    if _world is None and _started() > 1:
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise ImportError(
                f"pyseq.distribution: expected mpi4py for {_started()} processes, got {error}; "
                'pip install "pyseq-nn[mpi]"'
            ) from error
        if MPI.COMM_WORLD.Get_size() == 1:
            raise ImportError(
                f"pyseq.distribution: expected {_started()} processes that know of each other, "
                "got one; mpi4py was built for another MPI than the launcher's"
            )
        _world = ProcessGroup(MPI.COMM_WORLD.Dup())
        _end_together(_world)
    return _world


def _started():
    """Processes of this run, as the launcher says."""
    for name in _SIZES:
        if (text := os.environ.get(name, "")).isdigit():
            return int(text)
    if os.environ.get("SLURM_STEP_ID") and os.environ.get("SLURM_NTASKS", "").isdigit():
        return int(os.environ["SLURM_NTASKS"])
    return 1


def _end_together(group):
    """Have an error that nobody catches end all processes, which would wait for this one."""
    before = sys.excepthook

    def hook(kind, error, trace):
        before(kind, error, trace)
        if not issubclass(kind, SystemExit):
            group.abort(error)

    sys.excepthook = hook


def rank() -> int:
    """Number of this process, from 0.

    >>> rank()
    0
    """
    group = world()
    return 0 if group is None else group.rank


def size() -> int:
    """How many processes there are.

    >>> size()
    1
    """
    group = world()
    return 1 if group is None else group.size
