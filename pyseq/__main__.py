"""`python -m pyseq`: commands around the library; see `pyseq.commands`."""

import sys

from pyseq.commands.entry import main

if __name__ == "__main__":
    sys.exit(main())
