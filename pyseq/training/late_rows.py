"""Rows that become arrays one batch at a time, such as those of scipy.sparse matrices."""

from __future__ import annotations


class LateRows:
    """Rows with `shape`, `ndim` and `dtype`; indexing by a slice or row numbers gives such rows.

    `toarray()` makes an array of them all; `data.to_array` calls it.
    """

    def __len__(self):
        return self.shape[0]


class SparseRows(LateRows):
    """Rows of a sparse matrix `(n, columns)`.

    Nothing of scipy is imported: a matrix is what has `tocsr`.
    """

    ndim = 2

    def __init__(self, matrix, where):
        if matrix.dtype.kind not in "fiub":
            raise ValueError(f"{where}: expected numbers, got dtype {matrix.dtype}")
        # The one layout whose rows can be taken out at no cost.
        self.matrix = matrix.tocsr()
        self.where = where
        self.shape = matrix.shape
        self.dtype = matrix.dtype

    def __getitem__(self, rows):
        return SparseRows(self.matrix[rows], self.where)

    def toarray(self):
        """The rows as an array."""
        return self.matrix.toarray()


def is_sparse(x):
    """True for matrices that are worth keeping sparse; a column is not."""
    return hasattr(x, "tocsr") and x.ndim == 2 and x.shape[1] != 1
