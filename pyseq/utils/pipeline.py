"""`Dataset`: elements that are read, changed, ordered and batched while they are iterated over."""

from __future__ import annotations

import itertools
import os
import sys
from contextlib import closing

import numpy as np

from pyseq import results
from pyseq.utils import element_files, elements, joining, steps
from pyseq.utils.sources import Sources, seed_or_drawn, step_of

AUTOTUNE = -1
INFINITE_CARDINALITY = steps.INFINITE
UNKNOWN_CARDINALITY = steps.UNKNOWN


class Dataset(Sources):
    """Elements that are made while they are iterated over, with the names of `tf.data.Dataset`.

    An element is an array, a NumPy scalar, a text (str or bytes), or a tuple or dict of such, in
    any depth; a list is one array. A data set is made by one of the `from_` functions; a method
    returns a new data set, which reads the old one. Every iteration is a pass from the beginning;
    shuffled data come in another order each time. Functions of users get the parts of a tuple as
    arguments of their own, and may write to the arrays.

    What draws random numbers without a seed takes one from `random`, so that `set_random_seed`
    settles it.

    >>> import numpy as np
    >>> data = Dataset.from_tensor_slices((np.arange(5), np.arange(5) * 2))
    >>> for x, y in data.map(lambda x, y: (x + 1, y)).batch(3):
    ...     print(x, y)
    [1 2 3] [0 2 4]
    [4 5] [6 8]
    """

    _batch_size = None  # of a data set that `batch` returned

    # One element from one

    def map(
        self,
        map_func,
        num_parallel_calls=None,
        deterministic=None,
        synchronous=None,
        use_unbounded_threadpool=False,
        name=None,
    ):
        """Return what a function makes of each element, in their order.

        Args:
            num_parallel_calls: threads that call it. `AUTOTUNE` means none, so that what it draws
                at random does not depend on which is first.

        >>> [int(x) for x in Dataset.range(3).map(lambda x: x * x, num_parallel_calls=2)]
        [0, 1, 4]
        """

        def function(element):
            made = _call(map_func, element)
            # A list is what a function of several results returns.
            return elements.to_element(tuple(made) if isinstance(made, list) else made, "map")

        return self._of(steps.Map(self._step, function, _threads(num_parallel_calls)))

    def filter(self, predicate, name=None):
        """Return the elements for which a function returns true.

        >>> [int(x) for x in Dataset.range(5).filter(lambda x: x > 2)]
        [3, 4]
        """
        return self._of(steps.Filter(self._step, lambda e: bool(_call(predicate, e))))

    def take_while(self, predicate, name=None):
        """Return the elements before the first for which a function returns false."""
        return self._of(steps.Filter(self._step, lambda e: bool(_call(predicate, e)), ends=True))

    def scan(self, initial_state, scan_func, use_default_device=None, name=None):
        """Return what `scan_func(state, element)` returns second; the first is the next state.

        >>> import numpy as np
        >>> sums = Dataset.range(4).scan(np.int64(0), lambda s, x: (s + x, s + x))
        >>> [int(x) for x in sums]
        [0, 1, 3, 6]
        """

        def function(state, element):
            state, made = scan_func(_given(state), _given(element))
            return elements.to_element(state, "scan"), elements.to_element(made, "scan")

        state = elements.to_element(initial_state, "scan(initial_state)")
        return self._of(steps.Scan(self._step, state, function))

    def enumerate(self, start=0, name=None):
        """Return `(number, element)` of each element.

        >>> [(int(n), text) for n, text in Dataset.from_tensor_slices(["a", "b"]).enumerate(5)]
        [(5, 'a'), (6, 'b')]
        """
        return self._of(steps.Enumerate(self._step, int(start)))

    def apply(self, transformation_func):
        """Return what a function makes of this data set."""
        made = transformation_func(self)
        step_of(made, "apply")
        return made

    # Order and number

    def shuffle(self, buffer_size, seed=None, reshuffle_each_iteration=True, name=None):
        """Return the elements in a random order.

        The next element is any of `buffer_size` that are at hand; with at least as many as there
        are, all orders are equally likely.

        Args:
            reshuffle_each_iteration: another order for each pass.

        >>> sorted(int(n) for n in Dataset.range(9).shuffle(4, seed=1))
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
        """
        if buffer_size in (AUTOTUNE, None):
            raise ValueError(f"shuffle(buffer_size): expected 1 or more, got {buffer_size}")
        size = _positive(buffer_size, "shuffle(buffer_size)")
        anew = reshuffle_each_iteration is not False
        return self._of(steps.Shuffle(self._step, size, seed_or_drawn(seed), anew))

    def repeat(self, count=None, name=None):
        """Return the elements `count` times, or without end for None or -1.

        >>> [int(n) for n in Dataset.range(2).repeat(2)]
        [0, 1, 0, 1]
        """
        count = None if count is None or count < 0 else int(count)
        return self._of(steps.Repeat(self._step, count))

    def take(self, count, name=None):
        """Return the first `count` elements, all for -1."""
        return self._of(steps.Slice(self._step, 0, None if count < 0 else int(count)))

    def skip(self, count, name=None):
        """Return the elements after the first `count`, none for -1."""
        if count < 0:
            return self.take(0)
        return self._of(steps.Slice(self._step, int(count), None))

    def shard(self, num_shards, index, name=None):
        """Return every `num_shards`-th element, from number `index` on.

        >>> [int(n) for n in Dataset.range(7).shard(3, 1)]
        [1, 4]
        """
        num_shards = _positive(num_shards, "shard(num_shards)")
        if not 0 <= index < num_shards:
            raise ValueError(f"shard(index): expected 0 to {num_shards - 1}, got {index}")
        return self._of(steps.Slice(self._step, int(index), None, num_shards))

    def cache(self, filename="", name=None):
        """Return the elements; after the first whole pass they come out of memory.

        Args:
            filename: file that the first whole pass writes, atomically. Where it exists already,
                the elements come from it and nothing before `cache` is read: remove it when what
                is before has changed.

        Raises:
            ValueError: while it is read, the file is another kind of file, or damaged.
        """
        if filename:
            return self._of(element_files.FileCache(self._step, os.fspath(filename)))
        return self._of(steps.Cache(self._step))

    def save(self, path, compression=None, shard_func=None, checkpoint_args=None):
        """Write all elements to one file, atomically; `Dataset.load` reads it.

        It is an `.npz` archive, whatever its name, and holds all elements in memory on the way.

        Args:
            compression, shard_func, checkpoint_args: accepted for compatibility.

        Raises:
            ValueError: elements differ in structure or dtype, or there is no end of them.
        """
        if self.cardinality() == INFINITE_CARDINALITY:
            raise ValueError(
                "Dataset.save: expected an end of the elements, got an endless Dataset; use "
                "take(count)"
            )
        with closing(self.as_numpy_iterator()) as found:
            element_files.write(path, list(found))

    def group_by_window(
        self, key_func, reduce_func, window_size=None, window_size_func=None, name=None
    ):
        """Return what a function makes of groups of elements that have one key.

        Args:
            key_func: function of an element that returns an integer.
            reduce_func: function of a key and a data set of elements that returns a data set.
            window_size: elements of a group; at the end groups may be smaller, keys ascending.
            window_size_func: function of a key that returns it instead.

        >>> rows = Dataset.range(5).group_by_window(lambda n: n % 2, lambda k, d: d.batch(2), 2)
        >>> [row.tolist() for row in rows]
        [[0, 2], [1, 3], [4]]
        """
        if (window_size is None) == (window_size_func is None):
            raise ValueError(
                "group_by_window: expected `window_size` or `window_size_func`, got "
                f"{'neither' if window_size is None else 'both'}"
            )

        def size_of(key):
            size = window_size if window_size_func is None else window_size_func(key)
            return _positive(size, "group_by_window(window_size)")

        def reduced(key, found):
            made = reduce_func(np.int64(key), self._of(steps.Listed(found)))
            return step_of(made, "group_by_window")

        return self._of(
            joining.Grouped(self._step, lambda e: int(_call(key_func, e)), size_of, reduced)
        )

    def prefetch(self, buffer_size, name=None):
        """Return the elements, up to `buffer_size` of which a thread makes ahead of their use.

        The thread ends with the pass, also where that is left early.
        """
        size = 2 if buffer_size is None or buffer_size < 0 else int(buffer_size)
        # Rows of arrays are at hand.
        if size == 0 or self._step.rows is not None:
            return self._of(self._step)
        return self._of(steps.Prefetch(self._step, size))

    def unique(self, name=None):
        """Return each element once, where it is first.

        >>> [int(x) for x in Dataset.from_tensor_slices([1, 2, 1]).unique()]
        [1, 2]
        """
        return self._of(steps.Unique(self._step))

    # Several to one, and back

    def batch(
        self,
        batch_size,
        drop_remainder=False,
        num_parallel_calls=None,
        deterministic=None,
        name=None,
    ):
        """Return `batch_size` elements at a time, stacked along a new first axis.

        Args:
            drop_remainder: leave out a last batch of fewer.

        Raises:
            ValueError: while it is read, elements of a batch differ in shape.
        """
        size = _positive(batch_size, "batch(batch_size)")
        made = self._of(joining.Batch(self._step, size, bool(drop_remainder)))
        made._batch_size = size
        return made

    def padded_batch(
        self, batch_size, padded_shapes=None, padding_values=None, drop_remainder=False, name=None
    ):
        """Like `batch`, but arrays are filled up at their ends to one shape.

        Args:
            padded_shapes: nest of shapes; None or -1 in them, or None for all, stands for the
                largest size of a batch.
            padding_values: nest of what to fill with, or one for all; 0 and `""` when None.

        Raises:
            ValueError: while it is read, an array is larger than its shape.

        >>> import numpy as np
        >>> rows = Dataset.range(1, 4).map(lambda n: np.full(n, n))
        >>> rows.padded_batch(3, padding_values=9).get_single_element().tolist()
        [[1, 9, 9], [2, 2, 9], [3, 3, 3]]
        """
        size = _positive(batch_size, "padded_batch(batch_size)")

        def join(chunk):
            return elements.padded(chunk, padded_shapes, padding_values, "padded_batch")

        return self._of(joining.Batch(self._step, size, bool(drop_remainder), join))

    def unbatch(self, name=None):
        """Return the rows of the elements.

        >>> [int(n) for n in Dataset.range(3).batch(2).unbatch()]
        [0, 1, 2]
        """
        return self._of(joining.Unbatch(self._step))

    def rebatch(self, batch_size, drop_remainder=False, name=None):
        """Return the rows of the elements in batches of another size."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def window(self, size, shift=None, stride=1, drop_remainder=False, name=None):
        """Return data sets of `size` elements each; in a nest, one for each array.

        Args:
            shift: elements between the beginnings of windows; `size` when None.
            stride: elements between those of a window.
            drop_remainder: leave out windows of fewer elements at the end.

        >>> windows = Dataset.range(5).window(3, shift=1, drop_remainder=True)
        >>> [w.tolist() for w in windows.flat_map(lambda window: window.batch(3))]
        [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
        """
        size = _positive(size, "window(size)")
        shift = size if shift is None else _positive(shift, "window(shift)")
        stride = _positive(stride, "window(stride)")
        return self._of(
            joining.Window(self._step, size, shift, stride, bool(drop_remainder), self._of)
        )

    # From several data sets

    def concatenate(self, dataset, name=None):
        """Return these elements, then those of another data set.

        >>> [int(n) for n in Dataset.range(2).concatenate(Dataset.range(7, 9))]
        [0, 1, 7, 8]
        """
        return self._of(joining.Concatenate(self._step, step_of(dataset, "concatenate")))

    def flat_map(self, map_func, name=None):
        """Return the elements of the data sets that a function makes of the elements."""
        return self._interleave(map_func, 1, 1, "flat_map")

    def interleave(
        self,
        map_func,
        cycle_length=None,
        block_length=1,
        num_parallel_calls=None,
        deterministic=None,
        name=None,
    ):
        """Like `flat_map`, with `block_length` elements of one of `cycle_length` data sets in turn.

        Args:
            cycle_length: data sets that are open at once; 16 for None or `AUTOTUNE`.
            num_parallel_calls: accepted; they are read one after the other.

        >>> parts = Dataset.range(1, 4).interleave(lambda n: Dataset.from_tensors(n).repeat(3), 2)
        >>> [int(n) for n in parts]
        [1, 2, 1, 2, 1, 2, 3, 3, 3]
        """
        cycle = 16 if cycle_length in (None, AUTOTUNE) else cycle_length
        cycle = _positive(cycle, "interleave(cycle_length)")
        block = 1 if block_length is None else _positive(block_length, "interleave(block_length)")
        return self._interleave(map_func, cycle, block, "interleave")

    def _interleave(self, function, cycle, block, where):
        return self._of(
            joining.Interleave(
                self._step, lambda e: step_of(_call(function, e), where), cycle, block
            )
        )

    # Reading

    def __iter__(self):
        return _all_given(self.as_numpy_iterator())

    def as_numpy_iterator(self):
        """Return an iterator over the elements."""
        return self._step.elements(steps.Run(self._step))

    def reduce(self, initial_state, reduce_func, name=None):
        """Return the last state; `reduce_func(state, element)` returns the next one.

        >>> import numpy as np
        >>> int(Dataset.range(5).reduce(np.int64(0), lambda state, x: state + x))
        10
        """
        state = elements.copied(elements.to_element(initial_state, "reduce(initial_state)"))
        for element in self:
            made = reduce_func(_given(state), element)
            state = elements.to_element(made, "reduce(reduce_func)")
        return _given(state)

    def get_single_element(self, name=None):
        """Return the one element.

        Raises:
            ValueError: there is none, or more than one.
        """
        found = list(itertools.islice(self, 2))
        if len(found) != 1:
            count = "none" if not found else "more"
            raise ValueError(f"get_single_element: expected one element, got {count}")
        return found[0]

    @property
    def element_spec(self):
        """Nest of the `TensorSpec`s of the elements; functions are called for a first element."""
        return self._step.spec()

    def cardinality(self, name=None):
        """Return the number of elements, `INFINITE_CARDINALITY` or `UNKNOWN_CARDINALITY`."""
        return self._step.cardinality

    def __len__(self):
        count = self.cardinality()
        if count < 0:
            kind = "an endless one" if count == INFINITE_CARDINALITY else "an unknown number"
            raise TypeError(
                f"Dataset: expected a known number of elements, got {kind}; use cardinality(), or "
                "take(count)"
            )
        return min(count, sys.maxsize)

    def __bool__(self):
        return True

    def __repr__(self):
        count = {INFINITE_CARDINALITY: "endless", UNKNOWN_CARDINALITY: "unknown"}
        return f"<{type(self).__name__} of {count.get(self.cardinality(), self.cardinality())}>"

    def with_options(self, options, name=None):
        """Return the same elements; options are accepted for compatibility."""
        made = self._of(self._step)
        made._options = options
        return made

    def options(self):
        """Return what `with_options` was given last."""
        return getattr(self, "_options", None)

    def get_state(self):
        """Return which pass comes next, for `set_state`: plain numbers."""
        return [step.passes for step in steps.shuffling_steps(self._step)]

    def set_state(self, state):
        """Let the next pass be the one that `get_state` was called before."""
        shuffling = steps.shuffling_steps(self._step)
        if len(state) != len(shuffling):
            raise ValueError(
                f"Dataset.set_state: expected {len(shuffling)} numbers, got {len(state)}; the "
                "state is that of another data set"
            )
        for step, passes in zip(shuffling, state, strict=True):
            step.passes = int(passes)


def _given(element):
    """An element as users get it."""
    return elements.map_leaves(results.handed, element)


def _all_given(iterator):
    with closing(iterator):
        yield from map(_given, iterator)


def _call(function, element):
    element = _given(element)
    return function(*element) if isinstance(element, tuple) else function(element)


def _positive(value, where):
    if value != int(value) or value < 1:
        raise ValueError(f"{where}: expected an integer of 1 or more, got {value!r}")
    return int(value)


def _threads(count):
    if count is None or count == AUTOTUNE:
        return 1
    return _positive(count, "map(num_parallel_calls)")
