"""`split_dataset` of everything that it takes."""

import random

import numpy as np
import pytest

from pyseq import utils
from pyseq.utils.pipeline import Dataset


def rows(data):
    return [(int(x), int(y)) for x, y in data]


PAIRS = [(n, 10 * n) for n in range(10)]


def test_data_sets():
    data = Dataset.from_tensor_slices((np.arange(10), np.arange(10) * 10))
    left, right = utils.split_dataset(data, right_size=0.3)
    assert rows(left) + rows(right) == PAIRS
    assert (len(left), len(right)) == (7, 3)
    left, right = utils.split_dataset(data.batch(4), left_size=7)
    assert [len(x) for x, _ in left] == [4, 3]
    assert rows(left.unbatch()) + rows(right.unbatch()) == PAIRS
    # What is no longer a batch, since another step came after it, is a row.
    left, right = utils.split_dataset(data.batch(5).map(lambda x, y: x), left_size=1)
    assert [x.tolist() for x in right] == [[5, 6, 7, 8, 9]]


def test_order_is_that_of_keras():
    order = list(range(10))
    random.Random(3).shuffle(order)
    left, right = utils.split_dataset(np.arange(10), 0.5, shuffle=True, seed=3)
    assert [int(x) for x in [*left, *right]] == order


def test_torch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.arange(10), torch.arange(10) * 10)
    left, right = utils.split_dataset(data, left_size=6)
    assert rows(left) + rows(right) == PAIRS
    left, right = utils.split_dataset(DataLoader(data, batch_size=4), left_size=6)
    assert [len(x) for x, _ in left] == [4, 2]
    assert rows(left.unbatch()) + rows(right.unbatch()) == PAIRS
    left, right = utils.split_dataset(DataLoader(data, batch_size=None), left_size=6)
    assert rows(left) + rows(right) == PAIRS


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (Dataset.range(3).repeat(), ValueError, "endless"),
        (Dataset.range(0), ValueError, "empty"),
        (Dataset.range(1, 3).map(np.ones), ValueError, "one shape"),
        (np.zeros((0, 2)), ValueError, "at least one row"),
        (iter([1]), TypeError, "got list_iterator"),
    ],
)
def test_messages(data, error, text):
    with pytest.raises(error, match=text):
        utils.split_dataset(data, 0.5)
