"""Functions of `tf.strings` on texts, str or bytes, and arrays of them.

Texts are taken as UTF-8; what comes of str is str.
"""

from __future__ import annotations

import re

import numpy as np

from pyseq.compat.tensorflow._arrays import _given, _numpy
from pyseq.compat.tensorflow._tensors import as_dtype


def _text(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def _bytes(value):
    return _text(value).encode("utf-8", "surrogateescape")


def _each(function, texts, dtype=object):
    texts = _given(texts)
    made = np.empty(np.shape(texts), object)
    made[...] = np.frompyfunc(lambda t: function(_text(t)), 1, 1)(np.asarray(texts, object))
    return made.astype(dtype)


def lower(input, encoding="", name=None):
    """Return texts in small letters; without an encoding only ASCII ones are changed."""
    return _each(lambda t: t.lower() if encoding else _ascii(t, str.lower), input)


def upper(input, encoding="", name=None):
    """Return texts in capital letters; without an encoding only ASCII ones are changed."""
    return _each(lambda t: t.upper() if encoding else _ascii(t, str.upper), input)


def _ascii(text, change):
    return "".join(change(c) if c.isascii() else c for c in text)


def strip(input, name=None):
    """Return texts without white space around them."""
    return _each(str.strip, input)


def length(input, unit="BYTE", name=None):
    """Return the number of bytes, or of characters for the unit `UTF8_CHAR`."""
    count = (lambda t: len(_bytes(t))) if unit == "BYTE" else len
    return _each(count, input, "int32")


def join(inputs, separator="", name=None):
    """Return texts put together, element by element."""
    parts = np.broadcast_arrays(*(np.asarray(_given(x), object) for x in inputs))
    made = np.empty(parts[0].shape, object)
    for place in np.ndindex(made.shape):
        made[place] = _text(separator).join(_text(p[place]) for p in parts)
    return made


def reduce_join(inputs, axis=None, keepdims=False, separator="", name=None):
    """Return texts put together along an axis, or all of them."""
    x = np.asarray(_given(inputs), object)
    x = x.reshape(-1) if axis is None else np.moveaxis(x, axis, 0)
    made = join(list(x), separator)
    return made if axis is None or not keepdims else np.expand_dims(made, axis)


def split(input, sep=None, maxsplit=-1, name=None):
    """Return the words of a text, or a list of the words of each text of an array."""
    texts = np.asarray(_given(input), object)
    sep = None if sep in (None, "") else _text(sep)
    rows = [np.array(_text(t).split(sep, maxsplit), object) for t in texts.ravel()]
    return rows if texts.ndim else rows[0]


def unicode_split(input, input_encoding="UTF-8", errors="replace", name=None):
    """Return the characters of a text, or a list of those of each text of an array."""
    texts = np.asarray(_given(input), object)
    rows = [np.array(list(_text(t)), object) for t in texts.ravel()]
    return rows if texts.ndim else rows[0]


def bytes_split(input, name=None):
    """Return the bytes of a text, or a list of those of each text of an array."""
    texts = np.asarray(_given(input), object)
    rows = [np.array([bytes([b]) for b in _bytes(t)], object) for t in texts.ravel()]
    return rows if texts.ndim else rows[0]


def regex_replace(input, pattern, rewrite, replace_global=True, name=None):
    """Return texts in which matches of a regular expression are replaced."""
    compiled = re.compile(_text(pattern))
    rewrite = re.sub(r"\\0", r"\\g<0>", _text(rewrite))
    return _each(lambda t: compiled.sub(rewrite, t, count=0 if replace_global else 1), input)


def regex_full_match(input, pattern, name=None):
    """Return whether texts match a regular expression as a whole."""
    compiled = re.compile(_text(pattern))
    return _each(lambda t: compiled.fullmatch(t) is not None, input, bool)


def substr(input, pos, len, unit="BYTE", name=None):
    """Return parts of texts: from byte `pos` on, or character for the unit `UTF8_CHAR`."""

    def part(text):
        if unit != "BYTE":
            return text[pos:][:len]
        return _text(_bytes(text)[pos:][:len])

    return _each(part, input)


def to_number(input, out_type="float32", name=None):
    """Return the numbers that texts spell.

    Raises:
        ValueError: a text is no number.
    """
    read = float if as_dtype(out_type).is_floating else int
    return _each(read, input, _numpy(out_type))


def as_string(input, precision=-1, scientific=False, shortest=False, width=-1, fill="", name=None):
    """Return numbers as texts, six digits behind the point for floats."""
    x = _given(input)
    digits = 6 if precision < 0 else precision
    spec = f"{'' if width < 0 else fill + '>' + str(width)}"
    if x.dtype.kind == "f":
        spec += "" if shortest else f".{digits}{'e' if scientific else 'f'}"
    made = np.empty(x.shape, object)
    texts = {True: "true", False: "false"}
    made[...] = np.frompyfunc(
        lambda n: texts[n] if n is True or n is False else f"{n:{spec}}", 1, 1
    )(x.astype(object))
    return made


def format(template, inputs, placeholder="{}", summarize=3, name=None):
    """Return a text with values in place of its placeholders."""
    values = inputs if isinstance(inputs, (tuple, list)) else [inputs]
    for value in values:
        x = np.asarray(_given(value))
        template = template.replace(placeholder, str(x.tolist() if x.ndim else x[()]), 1)
    return template
