"""Texts on their way into a model: read, checked, and made numbers ahead of the program."""

from __future__ import annotations

import contextlib
import contextvars
import itertools

import numpy as np

from pyseq import ahead
from pyseq.training.data import unwrap
from pyseq.training.late_rows import LateRows

# Texts that go through the layers together: what they make on the way is bounded by that.
CHUNK = 256

# Encoded rows up to so many bytes are made once; more are made batch by batch.
AT_ONCE = 1 << 27


class TextRows(LateRows):
    """Texts whose encoded rows would fill the memory: made one batch at a time.

    Args:
        texts: array of texts (n, ...).
        model: the model whose layers make numbers of them.
        shape: that of all numbers, rows included.
        dtype: that of the numbers.
    """

    def __init__(self, texts, model, shape, dtype):
        self.texts, self.model = texts, model
        self.shape = (len(texts), *shape[1:])
        self.ndim, self.dtype = len(shape), dtype

    def __getitem__(self, rows):
        return TextRows(self.texts[rows], self.model, self.shape, self.dtype)

    def toarray(self):
        """The rows as an array."""
        return np.concatenate(list(_chunks(self.model, self.texts)))


def is_text(x):
    """Whether `x` (an array, or a list of rows) begins with a text."""
    while isinstance(x, (list, tuple, dict)) and len(x):
        x = next(iter(x.values())) if isinstance(x, dict) else x[0]
    if isinstance(x, (str, bytes)):
        return True
    if not hasattr(x, "__array__"):
        return False
    x = np.asarray(x)
    if x.dtype.kind == "O":
        return x.size > 0 and isinstance(x.flat[0], (str, bytes))
    return x.dtype.kind in "UST"


def to_texts(x, where):
    """Read `x`, an array or (nested) list of str or bytes, as an array of rows of texts.

    Raises:
        ValueError: an element is no text, rows differ in length, or there is one text alone.
        TypeError: `x` is an array of something else.
    """
    if isinstance(x, (str, bytes)):
        raise ValueError(
            f"{where}: expected an array of rows, got a single text; put it into a list: [text]"
        )
    listed = isinstance(x, (list, tuple)) and len(x) and not hasattr(x[0], "__array__")
    if not (listed and is_text(x)):
        x = unwrap(x, where)
    # Elements of an array of objects are not copied: one long text does not make all long.
    x = np.asarray(x, object if listed else None)
    if x.dtype.kind == "T":
        x = x.astype(object)
    if x.dtype.kind not in "USO":
        raise TypeError(
            f"{where}: expected texts, got dtype {x.dtype}; the model begins with layers that read "
            "text, for numbers use the layers behind them as a model of their own"
        )
    if x.ndim == 0:
        raise ValueError(f"{where}: expected an array of rows, got {x.item()!r}; use [text]")
    if x.dtype.kind == "O":
        for at, item in enumerate(x.flat):
            if not isinstance(item, (str, bytes)):
                row = at // (x.size // len(x))
                raise ValueError(
                    f"{where}: expected texts in rows of one length, got {item!r} in row {row}; "
                    'replace what is missing first, such as with ""'
                )
    return x


def read(model, x, late=False):
    """What the model's leading layers make of the texts `x`: an array of numbers (n, ...).

    Sequences of numbers become as long as the longest of them where the layers set no length.
    With `late`, rows that would fill the memory come as `TextRows`.
    """
    parts, done = [], 0
    for part in _chunks(model, x):
        if late and not done and model.input_program_dtype() is None:
            if len(x) * part[0].nbytes > AT_ONCE:
                return TextRows(x, model, part.shape, part.dtype)
        parts.append(part)
        done += len(part)
    if len({part.shape[1:] for part in parts}) > 1:
        sizes = np.max([part.shape for part in parts], axis=0)
        parts = [_padded(part, sizes) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def numbered(model, batches, in_thread=True):
    """Yield `batches`, tuples `(x, ...)`, with x as the program takes it; the model gets built.

    Texts become numbers in a thread, one batch ahead of its use: while that is used, the next one
    of `batches` has been taken. What fails does so in its place.
    """
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    batches = itertools.chain([first], batches)
    if not (in_thread and model._text_layers()):
        for x, *more in batches:
            yield model._enter(x), *more
        return
    context = contextvars.copy_context()

    def checked():
        # Here, since building draws random numbers.
        for batch in batches:
            model._build_for(batch[0].shape)
            yield batch

    def convert(batch):
        x, *more = batch
        return context.run(read, model, x), *more

    with contextlib.closing(ahead.results([ahead.Caller(convert)], checked(), 1)) as found:
        yield from found


def _chunks(model, x):
    for begin in range(0, max(len(x), 1), CHUNK):
        texts = x[begin : begin + CHUNK]
        try:
            part = np.asarray(model.read_text(texts))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{model.name}: expected text or its UTF-8 bytes, got {error.object!r}; decode it "
                "first"
            ) from error
        if len(part) != len(texts):
            raise ValueError(
                f"{model._text_layers()[-1].name}: expected as many rows as texts, {len(texts)}, "
                f"got {len(part)}"
            )
        if part.dtype.kind not in "fiub":
            front = model._text_layers()[-1]
            raise TypeError(
                f"{front.name}: expected a layer that makes numbers of text, got {part.dtype}"
            )
        yield part


def _padded(part, sizes):
    # 0 is padding in the numbers of tokens.
    return np.pad(part, [(0, 0), *((0, n - d) for n, d in zip(sizes[1:], part.shape[1:]))])
