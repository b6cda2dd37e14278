"""Small callbacks: functions as hooks, CSV files, a web server, and a stop at NaN."""

from __future__ import annotations

import csv
import json
import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pyseq.callbacks.base import Callback, say

if TYPE_CHECKING:
    from pyseq.types import Logs


class LambdaCallback(Callback):
    """Functions as hooks.

    Args:
        on_epoch_begin, on_epoch_end: functions of `(epoch, logs)`.
        on_train_begin, on_train_end: functions of `(logs)`.
        on_train_batch_begin, on_train_batch_end: functions of `(batch, logs)`.
        **kwargs: any other hook of `Callback`, or attribute.

    >>> callback = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))
    >>> callback.on_epoch_end(4, {})
    4
    """

    def __init__(
        self,
        on_epoch_begin: Any = None,
        on_epoch_end: Any = None,
        on_train_begin: Any = None,
        on_train_end: Any = None,
        on_train_batch_begin: Any = None,
        on_train_batch_end: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        hooks = dict(
            on_epoch_begin=on_epoch_begin,
            on_epoch_end=on_epoch_end,
            on_train_begin=on_train_begin,
            on_train_end=on_train_end,
            on_train_batch_begin=on_train_batch_begin,
            on_train_batch_end=on_train_batch_end,
        )
        self.__dict__.update(kwargs)
        self.__dict__.update({name: hook for name, hook in hooks.items() if hook is not None})


class TerminateOnNaN(Callback):
    """Stops training after a batch whose loss is NaN or infinite.

    Args:
        raise_error: raise a RuntimeError instead.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"TerminateOnNaN: expected a finite loss, got {loss} at batch {batch}; lower the "
                "learning rate or check the data"
            )
        say(f"Batch {batch}: the loss is {loss}, training stops")
        self.model.stop_training = True


class CSVLogger(Callback):
    """Writes the logs of each epoch as a row of a CSV file.

    Args:
        filename: path of the file.
        separator: between the columns.
        append: go on with an existing file instead of overwriting it.
    """

    for_one_process = True

    def __init__(self, filename: str, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys = None
        self.append_header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.keys = None
        if self.append and os.path.exists(self.filename):
            self.append_header = os.path.getsize(self.filename) == 0
        # The file is not kept open, so that nothing has to close it when training fails.
        with open(self.filename, "a" if self.append else "w"):
            pass

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        rows = []
        if self.keys is None:
            self.keys = sorted(logs)
            # Validation may begin in a later epoch, and columns cannot be added then.
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
            if self.append_header:
                rows.append(["epoch", *self.keys])
        rows.append([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=self.sep, lineterminator="\n").writerows(rows)


def _cell(value):
    if isinstance(value, str) or np.ndim(value) == 0 or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'


class RemoteMonitor(Callback):
    """Posts the logs of each epoch to a web server.

    Args:
        root: address of the server.
        path: path on it.
        field: form field that holds the JSON text.
        headers: extra HTTP headers.
        send_as_json: send a JSON body instead of a form.

    A server that cannot be reached gives a warning.
    """

    for_one_process = True

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Any = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        import urllib.error
        import urllib.parse
        import urllib.request

        values = {"epoch": epoch}
        for name, value in (logs or {}).items():
            values[name] = np.asarray(value).tolist()
        text = json.dumps(values)
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body = urllib.parse.urlencode({self.field: text}).encode()
            kind = "application/x-www-form-urlencoded"
        url = self.root + self.path
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor: expected an http address, got {url!r}")
        request = urllib.request.Request(
            url, data=body, headers={"Content-Type": kind, **(self.headers or {})}
        )
        try:
            with urllib.request.urlopen(request, timeout=10):
                pass
        except urllib.error.HTTPError:
            pass  # the server answered; what it thinks of the data is its own affair
        except OSError as error:
            warnings.warn(f"RemoteMonitor: could not reach {self.root}: {error}", stacklevel=2)
