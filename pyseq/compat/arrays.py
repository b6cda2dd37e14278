"""Functions on arrays that `keras.utils.np_utils` had."""

from __future__ import annotations

import numpy as np

from pyseq.compat.notices import tell


def categorical_probas_to_classes(p):
    """The class of each row: where the largest probability is."""
    tell("categorical_probas_to_classes()", "numpy.argmax(p, axis=1)")
    return np.argmax(p, axis=1)


def probas_to_classes(y_pred):
    """The class of each row: the largest of several probabilities, or whether one is above 0.5."""
    tell("probas_to_classes()", "numpy.argmax(p, axis=1) or p > 0.5")
    y_pred = np.asarray(y_pred)
    if y_pred.ndim > 1 and y_pred.shape[1] > 1:
        return np.argmax(y_pred, axis=1)
    return (y_pred.reshape(-1) > 0.5).astype(int)


def convert_kernel(kernel):
    """The kernel of a convolution with its spatial axes reversed, as Theano numbered them."""
    tell("convert_kernel()", "numpy.flip(kernel, spatial axes)")
    kernel = np.asarray(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ValueError(
            f"convert_kernel: expected a kernel of 3 to 5 axes, got shape {kernel.shape}; pass "
            "that of a convolution"
        )
    return np.flip(kernel, tuple(range(kernel.ndim - 2))).copy()


def slice_X(X, start=None, stop=None):
    """Rows of an array, or of each one in a list: from `start` to `stop`, or those in `start`."""
    tell("slice_X()", "x[start:stop]")
    if isinstance(X, list):
        return [slice_X(x, start, stop) for x in X]
    return X[np.asarray(start)] if np.ndim(start) else X[start:stop]
