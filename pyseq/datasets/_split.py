import numpy as np


def check_test_split(test_split, where):
    if not 0 <= test_split < 1:
        raise ValueError(
            f"{where}: expected test_split in [0, 1), got {test_split}; "
            "it is the fraction of the rows to test on"
        )


def shuffled_split(x, y, test_split, seed):
    """Shuffles rows with `RandomState(seed)`, as Keras does, then cuts off the test part."""
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    cut = int(len(x) * (1 - test_split))
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
