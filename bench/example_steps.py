"""Three training steps and the answers of every example: what compute-sanitizer looks at.

    PYSEQ_DEVICE=cuda compute-sanitizer --tool memcheck python bench/example_steps.py
"""

import os
import runpy
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # a pyseq built in place counts as installed

import pyseq  # noqa: E402

fit = pyseq.Sequential.fit


# The first step plans, the second is captured as a graph, the third replays it.
def fit_three_steps(self, x, y, batch_size=32, validation_data=None, **options):
    rows = 3 * batch_size
    if validation_data is not None:
        validation_data = [a[:batch_size] for a in validation_data]
    options["epochs"] = 1
    return fit(self, x[:rows], y[:rows], batch_size=batch_size, validation_data=validation_data, **options)


def main():
    pyseq.Sequential.fit = fit_three_steps
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for path in sorted((ROOT / "examples").glob("*.py")):
            print(f"--- {path.name} on {pyseq.config.current_device()}", flush=True)
            runpy.run_path(str(path))["main"]()
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
