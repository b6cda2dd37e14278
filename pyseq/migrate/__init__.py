"""Rewrites scripts of Keras 1, Keras 2 and `tf.keras` in the spelling of today.

`python -m pyseq migrate script.py` shows what it would change, `--write` changes it. What an old
name means is in the tables of `pyseq.compat`, which serve the same scripts unchanged.

>>> from pyseq.migrate import migrate
>>> migrate("from keras.layers import Convolution2D\\nlayer = Convolution2D(8, 3, 3)\\n")[0]
'from pyseq.layers import Conv2D\\nlayer = Conv2D(8, (3, 3))\\n'
"""

from __future__ import annotations

from pyseq.migrate.files import ENDINGS, migrate_file, scripts_in
from pyseq.migrate.script import Script

DESCRIPTION = (
    "Rewrite old Keras scripts (1.x, 2.x, tf.keras) for pyseq. Without --write, show the changes "
    "and what is left to do by hand. Exit status: 0 where nothing is left, 1 where something is, "
    "2 for a wrong call."
)


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


def add_arguments(parser):
    """Give a parser the arguments of the command."""
    parser.description = DESCRIPTION
    parser.add_argument("paths", nargs="+", metavar="PATH", help=f"a folder, or {ENDINGS}")
    parser.add_argument("--write", action="store_true", help="change the files in place")
    parser.set_defaults(run=run)


def run(options, parser):
    """Do what the command was called for; returns its exit status."""
    try:
        paths = {path: None for given in options.paths for path in scripts_in(given)}
    except ValueError as error:
        parser.error(str(error))
    changed, remains = 0, []
    for path in paths:
        try:
            outcome = migrate_file(path)
            if options.write:
                outcome.write()
                outcome.remains = outcome.moved
        except OSError as error:
            remains.append(f"{path}:1: {error}")
            continue
        changed += outcome.content is not None
        remains += outcome.remains
        if not options.write:
            print(outcome.diff, end="")
    if remains:
        print("Left to do by hand:")
        print(*remains, sep="\n")
    verb = "changed" if options.write else "would change"
    print(f"{verb} {changed} of {len(paths)} files; {len(remains)} places left")
    return 1 if remains else 0
