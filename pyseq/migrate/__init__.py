"""Rewrites scripts of Keras 1, Keras 2 and `tf.keras` in the spelling of today.

`python -m pyseq migrate script.py` shows what it would change, `--write` changes it. What an old
name means is in the tables of `pyseq.compat`, which serve the same scripts unchanged.

>>> from pyseq.migrate import migrate
>>> migrate("from keras.layers import Convolution2D\\nlayer = Convolution2D(8, 3, 3)\\n")[0]
'from pyseq.layers import Conv2D\\nlayer = Conv2D(8, (3, 3))\\n'
"""

from __future__ import annotations

from pyseq.migrate.script import Script


def migrate(source):
    """Return a script in the spelling of today, and what it could not serve.

    Args:
        source: the text of a script.

    Returns:
        The new text, and a list of `Problem(line, message)`.

    Raises:
        SyntaxError: it is not Python 3.
    """
    script = Script(source)
    return script.result(), script.sorted()
