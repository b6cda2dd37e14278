"""Where the benchmarks find pyseq: as it is installed, else in this checkout, built in place."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent


def find_pyseq():
    """Make a pyseq that was built in place importable where none is installed."""
    if find_spec("pyseq") is None:
        sys.path.append(str(HERE.parent))


def of_workers():
    """PYTHONPATH of a worker; call it after `find_pyseq`."""
    here = [path for path in (str(HERE), str(HERE.parent)) if path in sys.path]
    return os.pathsep.join([*here, *filter(None, [os.environ.get("PYTHONPATH")])])
