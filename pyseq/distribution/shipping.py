"""Models on their way to workers: as bytes under a digest, opened once in each process."""

from __future__ import annotations

import collections
import hashlib
import pickle
import threading
from collections.abc import Callable
from typing import Any

# Opened models that a process keeps, the last used.
KEPT = 8

_opened: collections.OrderedDict[str, Any] = collections.OrderedDict()
_lock = threading.Lock()


class Shipped:
    """A model as it was when it was packed, without what belongs to training.

    Attributes:
        digest: names the bytes.
        data: the pickled model.
    """

    def __init__(self, digest: str, data: bytes) -> None:
        self.digest = digest
        self.data = data

    def __reduce__(self):
        return Shipped, (self.digest, self.data)

    def __dask_tokenize__(self):
        return "pyseq.Shipped", self.digest

    @property
    def model(self) -> Any:
        """The model, opened once in each process."""
        return opened(self.digest, lambda: self.data)


def pack(model: Any, dumps: Callable[[Any], bytes] = pickle.dumps) -> Shipped:
    """Pack a model for workers; what happens to it later does not reach them.

    Args:
        model: a built model.
        dumps: what pickles; cloudpickle's takes classes along that are defined in a script.

    Raises:
        TypeError: something in the model cannot be pickled.

    >>> import pyseq
    >>> model = pyseq.Sequential([pyseq.Input((4,)), pyseq.layers.Dense(3)])
    >>> shipped = pack(model)
    >>> len(shipped.data) < 4000
    True
    >>> shipped.model is shipped.model, shipped.model is model
    (True, False)
    """
    try:
        data = dumps(model._for_predicting())
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"{model.name}: expected a model that can be pickled, got one with what cannot "
            f"({error}); define functions and classes with def and class at the top of a module"
        ) from error
    return Shipped(hashlib.sha256(data).hexdigest(), data)


def opened(digest: str, read: Callable[[], bytes]) -> Any:
    """The model of `digest`, kept in this process; `read()` gives its bytes where it is new.

    The bytes are unpickled, which runs what they say: they come from `pack` in a process of yours.
    """
    with _lock:
        model = _opened.get(digest)
        if model is None:
            model = _opened[digest] = pickle.loads(read())
            if len(_opened) > KEPT:
                _opened.popitem(last=False)
        else:
            _opened.move_to_end(digest)
        return model
