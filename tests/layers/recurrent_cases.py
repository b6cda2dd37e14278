"""What the tests of recurrence share: the kinds of layers, and masks of time steps."""

import numpy as np

KINDS = ["SimpleRNN", "GRU", "LSTM"]


def make_mask(rng, n, t):
    """Rows: all masked, none, left padded, right padded, then at random."""
    mask = rng.random((n, t)) < 0.6
    mask[0], mask[1] = False, True
    mask[2] = np.arange(t) >= t // 2
    mask[3] = np.arange(t) < t // 2
    return mask
