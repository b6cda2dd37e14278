"""Where a progress bar is shown: its width, whether lines can be rewritten, colours."""

from __future__ import annotations

import os
import unicodedata

NOTEBOOK_COLUMNS = 100  # a notebook does not tell
USUAL_COLUMNS = 80


def in_notebook(stream):
    """Return whether `stream` writes into the cell of a notebook."""
    return type(stream).__module__.partition(".")[0] == "ipykernel"


def can_rewrite(stream):
    """Return whether a line of `stream` can be written over: on a terminal and in a notebook.

    >>> import io
    >>> can_rewrite(io.StringIO())
    False
    """
    if in_notebook(stream):
        return True
    return hasattr(stream, "isatty") and stream.isatty() and os.environ.get("TERM") != "dumb"


def columns(stream):
    """Return the columns of `stream`: what COLUMNS says, what the terminal says, or 80."""
    notebook = in_notebook(stream)
    given = os.environ.get("JUPYTER_COLUMNS" if notebook else "COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    if notebook:
        return NOTEBOOK_COLUMNS
    try:
        return os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    except (AttributeError, OSError, ValueError):
        return USUAL_COLUMNS


def cells(text):
    """Return the columns that `text` takes.

    >>> cells("loss"), cells("損失")
    (4, 4)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def clip(text, room):
    """Return `text`, or its beginning and an ellipsis where it takes more than `room` columns.

    >>> clip("accuracy", 5), clip("loss", 5)
    ('accu…', 'loss')
    """
    if cells(text) <= room:
        return text
    while text and cells(text) > room - 1:
        text = text[:-1]
    return text + "…" if room > 0 else ""


def painter(stream):
    """Return `f(text, style)` that colours text as rich does on `stream`; without rich, in none."""
    try:
        from rich.color import ColorSystem
        from rich.console import Console
        from rich.style import Style
    except ImportError:
        return lambda text, style: text
    console = Console(file=stream, force_terminal=True, force_jupyter=False)
    if console.color_system is None or console.no_color:
        return lambda text, style: text

    def paint(text, style):
        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)

    return paint
