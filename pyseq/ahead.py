"""Work done ahead of its use by other threads, whose results come in order."""

from __future__ import annotations

import collections
import itertools
import queue
import threading
from concurrent.futures import Future


class Caller:
    """A maker that calls a function in its thread.

    Makers have `make(item)`, `stop()`, called by the one who takes the results, and `close()`,
    called at last by the thread that asked it.
    """

    def __init__(self, function):
        self.make = function

    def stop(self):
        """The thread ends by itself."""

    def close(self):
        """Nothing is held."""


def results(makers, items, limit):
    """Yield what `make(item)` of some maker returns for each of `items`, in their order.

    Each maker has a thread of its own. Up to `limit` results are in the making or wait. What a
    maker raises is raised here, in the place of its result; so is what `items` raise, which are
    asked in the caller's thread. Closing or dropping the generator stops the makers, each after the
    item that it is at.

    >>> list(results([Caller(abs), Caller(abs)], [-3, 2, -1], 2))
    [3, 2, 1]
    """
    items = _caught(items)
    orders = queue.SimpleQueue()
    waiting = collections.deque()

    def order(count):
        for item, error in itertools.islice(items, count):
            waiting.append(Future())
            if error is None:
                orders.put((item, waiting[-1]))
            else:
                waiting[-1].set_exception(error)

    try:
        for maker in makers:
            # A result that never comes must not keep the program from ending.
            threading.Thread(target=_work, args=(maker, orders), daemon=True).start()
        order(limit)
        while waiting:
            result = waiting.popleft().result()
            order(1)
            yield result
    finally:
        for future in waiting:
            future.cancel()
        for _ in makers:
            orders.put(None)
        for maker in makers:
            maker.stop()


def _caught(items):
    """Yield `(item, None)` for each of `items`, at last `(None, error)` if they end with one."""
    try:
        for item in items:
            yield item, None
    except Exception as error:
        yield None, error


def _work(maker, orders):
    while (order := orders.get()) is not None:
        item, future = order
        if not future.set_running_or_notify_cancel():
            continue
        try:
            result = maker.make(item)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)
    maker.close()
