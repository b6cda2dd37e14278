"""`python -m pyseq`: commands around the library."""

from __future__ import annotations

import argparse
import sys

from pyseq import migrate
from pyseq._version import __version__


def main(arguments=None):
    """Run a command; returns its exit status.

    >>> main(["migrate", "examples/none.txt"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    parser = argparse.ArgumentParser(prog="python -m pyseq", description=__doc__)
    parser.add_argument("--version", action="version", version=f"pyseq {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    migrate.add_arguments(commands.add_parser("migrate", help="rewrite old Keras scripts"))
    options = parser.parse_args(arguments)
    return options.run(options, parser)


if __name__ == "__main__":
    sys.exit(main())
