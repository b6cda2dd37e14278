"""Makes a build folder ready for another Python: what CMake knows goes, objects of the core stay.

    python .ci/keep_core.py FOLDER

Ninja then compiles only what was compiled with other flags or from other files: the bindings.
"""

import shutil
import sys
from pathlib import Path


def main(folder):
    folder = Path(folder)
    for name in ("CMakeCache.txt", ".skbuild-info.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "CMakeFiles", ignore_errors=True)
    for module in folder.glob("_core*"):
        module.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
