"""What a command cannot do: told in one line, without a traceback."""

from __future__ import annotations

import contextlib


class Failure(Exception):
    """Ends a command with one line on standard error and exit status 2.

    >>> str(Failure("a.keras: expected a file,\\n  got none"))
    'a.keras: expected a file, got none'
    """

    def __init__(self, message):
        super().__init__(" ".join(str(message).split()))


@contextlib.contextmanager
def told(hint=""):
    """Errors about what the user gave become a `Failure`; `hint` is added to them."""
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.strerror and error.filename is not None:
            text = f"{error.filename}: {error.strerror}; check the path and its rights"
        raise Failure(f"{text}{hint}") from error
