"""What scripts written for Keras expect of `ops` on plain arrays."""

import numpy as np

from pyseq import ops


def test_arrays_made_by_ops_have_keras_dtypes():
    assert ops.ones((2,)).dtype == ops.zeros((2,)).dtype == ops.eye(2).dtype == "float32"
    assert ops.array([1.0, 2.0]).dtype == ops.linspace(0, 1, 3).dtype == "float32"
    assert ops.array([1, 2]).dtype == ops.arange(3).dtype == "int32"
    assert ops.array([np.float64(1)]).dtype == ops.array(np.ones(1)).dtype == "float64"
    assert ops.arange(0, 1, 0.5).tolist() == [0.0, 0.5]
    assert ops.full((2,), 3).dtype == "float32" and ops.full((2,), 0.5).dtype == "float32"


def test_ops_on_parts_of_arrays():
    x = np.arange(10)
    assert ops.slice(x, [2], [3]).tolist() == [2, 3, 4]
    assert ops.slice_update(x, [8], [0, 1]).tolist() == [*range(8), 0, 1]
    assert [part.tolist() for part in ops.unstack(np.eye(2), axis=1)] == [[1, 0], [0, 1]]
    assert ops.divide_no_nan(np.ones(2), np.array([0.0, 2.0])).tolist() == [0.0, 0.5]
