"""Names of files that Keras 1 and 2 wrote to, whatever their ending was."""

from __future__ import annotations

import os

from pyseq import hooks
from pyseq.compat.notices import tell

# Endings that Keras 2 took for HDF5, and those of which it did not mind what they are.
H5 = (".h5", ".hdf5", ".h5py", ".hd5", ".hdf", ".h5df", ".he5")
_ANY = ("", ".best", ".ckpt", ".mdl", ".model", ".tf", ".weights")


@hooks.answers("old_format")
def old_format(path, weights=False):
    """The format that Keras 1 or 2 meant by a path: "h5" or "keras", or None for another ending.

    Args:
        path: where to write, perhaps with `{epoch}` and the like.
        weights: whether the file is for weights alone, which are written as HDF5.

    >>> old_format("notes.txt") is None
    True
    """
    ending = os.path.splitext(path)[1].lower()
    if "{" in ending or "}" in ending or ending[1:].isdigit():
        ending = ""
    today = "a path that ends in .weights.h5" if weights else "a path that ends in .keras"
    if ending in H5:
        tell(f"a path that ends in {ending}", today)
        return "h5"
    if ending not in _ANY:
        return None
    kind = "h5" if weights else "keras"
    tell(f"a path without .keras or .h5, which is written as a .{kind} file,", today)
    return kind
