"""`python -m tests.differential SEED [LAST]`: compare one random model, or a range of them."""

import argparse
import collections
import logging
import os
import time
import traceback
import warnings

os.environ.setdefault("KERAS_BACKEND", "torch")
warnings.simplefilter("ignore")
logging.getLogger("absl").setLevel(logging.ERROR)

import keras  # noqa: E402
import torch  # noqa: E402
from layer_cases import class_names  # noqa: E402

from .answers import Unusable  # noqa: E402
from .compare import Disagreement, compare  # noqa: E402
from .generator import generate  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="tests.differential", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--show", action="store_true", help="print every model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    counts = collections.Counter()
    layers = collections.Counter()
    started = time.perf_counter()
    last = options.first if options.last is None else options.last
    for seed in range(options.first, last + 1):
        plan = generate(seed, keras)
        if options.show or last == options.first:
            print(plan)
        try:
            counts[compare(plan, keras)] += 1
            layers.update(name for spec in plan.stack for name in class_names(spec))
        except Unusable as error:
            counts["unusable"] += 1
            if options.show or last == options.first:
                print("Keras cannot run it:", str(error)[:300])
        except Disagreement as error:
            if "runs on the host only" in str(error):  # a layer in Python, with PYSEQ_DEVICE=cuda
                counts["host only"] += 1
                continue
            counts["DISAGREE"] += 1
            print(error)
            if last == options.first:
                traceback.print_exc()
    print(f"{dict(counts)} in {time.perf_counter() - started:.0f} s; "
          f"{len(layers)} kinds of layers: {dict(sorted(layers.items()))}")
    raise SystemExit(1 if counts["DISAGREE"] else 0)


main()
