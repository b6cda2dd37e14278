"""Is in each wheel what belongs there, and no more? Below 4 MB, one module, no tests, no headers.

(The kernels that exported headers are made of are text.)

python .ci/check_wheel.py WHEEL...
"""

import re
import sys
import zipfile
from pathlib import Path

LIMIT = 4_000_000  # bytes
RUNTIMES = re.compile(
    r"lib(gomp|omp|c\+\+|unwind|winpthread|stdc\+\+|gcc_s)[-.\w]*\.(so|dylib|dll)[.\d]*$"
)
ALLOWED = re.compile(
    r"pyseq/([\w/]+\.py|py\.typed|_core\.[-\w.]+\.(so|pyd)|_core\.(so|pyd)|datasets/digits\.(npz|txt)"
    r"|saving/to_cpp/kernels/\w+\.h)$"
    r"|pyseq_nn-[^/]+\.dist-info/"
)
BUNDLED = re.compile(r"(pyseq_nn\.libs|pyseq/\.dylibs)/")


def faults(names, size):
    """What is wrong with a wheel of these files and bytes, in words."""
    if size >= LIMIT:
        yield f"expected less than {LIMIT} bytes, got {size}"
    modules = [n for n in names if n.startswith("pyseq/_core.")]
    if len(modules) != 1:
        yield f"expected one compiled module, got {modules}"
    for name in names:
        if name.endswith("/") or ALLOWED.match(name) or name.endswith(".load-order-pyseq_nn"):
            continue
        if BUNDLED.match(name) and (RUNTIMES.search(name) or "/.load-order" in name):
            continue
        yield f"expected no {name}"
    if len(set(names)) != len(names):
        yield "expected each file once"


def main(paths):
    if not paths:
        sys.exit("check_wheel: expected wheels, got none")
    bad = False
    for path in map(Path, paths):
        with zipfile.ZipFile(path) as archive:
            found = list(faults(archive.namelist(), path.stat().st_size))
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")
        for fault in found:
            print(f"  {path.name}: {fault}")
        bad = bad or bool(found)
    sys.exit(bad)


if __name__ == "__main__":
    main(sys.argv[1:])
