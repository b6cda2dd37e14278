"""The steps that a data set is made of: each reads the items of those before it.

Steps that only choose and order rows of arrays hand on row numbers, and a batch takes its rows
out of the arrays at once.
"""

from __future__ import annotations

import collections
import itertools
from contextlib import closing

import numpy as np

from pyseq import ahead
from pyseq.utils import elements

INFINITE = -1
UNKNOWN = -2
NONE = object()  # instead of an element where there is none


class Run:
    """One pass over a data set; it holds which of its passes each shuffling step is at.

    Args:
        step: the last step; None for a look that does not count as a pass.
    """

    def __init__(self, step=None):
        self._passes = {}
        self._opened = collections.Counter()
        self._counts = step is not None
        # Here and not in the steps, which may run in another thread that is ahead.
        for shuffling in shuffling_steps(step) if self._counts else ():
            self._number(shuffling)

    def _number(self, step):
        if step not in self._passes:
            self._passes[step] = step.passes
            step.passes += self._counts
        return self._passes[step]

    def generator(self, step):
        """The random numbers of a step, others each time where it shuffles anew."""
        seed = [step.seed]
        if step.anew:
            seed += [self._number(step), self._opened[step]]
            self._opened[step] += 1
        return np.random.default_rng(seed)


def shuffling_steps(step):
    """All steps with random numbers that a step depends on, in one order."""
    found, waiting, seen = [], [step], set()
    while waiting:
        step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        if isinstance(step, Random):
            found.append(step)
        waiting += step.parents
    return found


class Step:
    """A step; subclasses define `items(run)`, a generator, and `cardinality`.

    Attributes:
        parents: the steps before it.
        rows: what makes elements of its items, where these are row numbers; else None.
    """

    rows = None

    def __init__(self, *parents):
        self.parents = parents

    def elements(self, run):
        """Generator of the elements of a pass."""
        if self.rows is None:
            yield from self.items(run)
            return
        with closing(self.items(run)) as items:
            for item in items:
                yield self.rows.one(item)

    def first(self):
        """The first element, or one like it; `NONE` where there is none."""
        with closing(self.elements(Run())) as found:
            return next(found, NONE)

    def spec(self):
        """Nest of what elements are like."""
        first = self.first()
        if first is NONE:
            raise ValueError(
                "element_spec: expected at least one element, which tells what they are like, got "
                "none"
            )
        return elements.spec_of(first)


class Following(Step):
    """A step after one other, which hands on as many elements like those of that one."""

    @property
    def cardinality(self):
        return self.parents[0].cardinality

    def spec(self):
        return self.parents[0].spec()

    def first(self):
        return self.parents[0].first()


class Choosing(Following):
    """A step that hands on items as they are."""

    def __init__(self, parent):
        super().__init__(parent)
        self.rows = parent.rows


class Random:
    """A part of steps that draw random numbers.

    Attributes:
        anew: whether each pass has others.
        passes: how many have begun.
    """

    def __init__(self, *args, seed, anew):
        super().__init__(*args)
        self.seed, self.anew, self.passes = seed % 2**64, anew, 0


# Sources


class Slices(Step):
    """Rows of arrays."""

    def __init__(self, arrays, count):
        super().__init__()
        self.arrays, self.cardinality = arrays, count
        self.rows = self

    def items(self, run):
        yield from range(self.cardinality)

    def one(self, row):
        # Copies: functions may write to what they are given.
        return elements.copied(elements.map_leaves(lambda a: a[row], self.arrays))

    def several(self, rows):
        return elements.map_leaves(lambda a: a[rows], self.arrays)

    def spec(self):
        return elements.map_leaves(
            lambda s: elements.TensorSpec(s.shape[1:], s.dtype), elements.spec_of(self.arrays)
        )


class Listed(Step):
    """Elements that are at hand."""

    def __init__(self, items):
        super().__init__()
        self.listed, self.cardinality = items, len(items)

    def items(self, run):
        for item in self.listed:
            yield elements.copied(item)


class Counted(Step):
    """The numbers of a range."""

    def __init__(self, numbers, dtype):
        super().__init__()
        self.numbers, self.dtype, self.cardinality = numbers, np.dtype(dtype).type, len(numbers)

    def items(self, run):
        yield from map(self.dtype, self.numbers)

    def spec(self):
        return elements.TensorSpec((), self.dtype)


class Generated(Step):
    """What calls of a function yield, in the dtypes of `wanted` where it is given."""

    cardinality = UNKNOWN

    def __init__(self, function, wanted):
        super().__init__()
        self.function, self.wanted = function, wanted

    def items(self, run):
        where = "from_generator"
        for value in self.function():
            value = tuple(value) if isinstance(self.wanted, tuple) else value
            if self.wanted is None:
                yield elements.to_element(value, where)
            else:
                yield elements.as_spec(value, self.wanted, where)

    def spec(self):
        return super().spec() if self.wanted is None else self.wanted


# Choosing


class Shuffle(Random, Choosing):
    """Items in a random order: the next one is any of the `size` that are at hand."""

    def __init__(self, parent, size, seed, anew):
        super().__init__(parent, seed=seed, anew=anew)
        self.size = size

    def items(self, run):
        rng = run.generator(self)
        with closing(self.parents[0].items(run)) as items:
            held = list(itertools.islice(items, self.size))
            places = ()
            for item in items:
                if not len(places):
                    places = rng.integers(len(held), size=1024).tolist()
                place = places.pop()
                yield held[place]
                held[place] = item
            for place in rng.permutation(len(held)).tolist():
                yield held[place]


class Slice(Choosing):
    """Items `begin`, `begin + step`, ... before `end`, None for all."""

    def __init__(self, parent, begin, end, step=1):
        super().__init__(parent)
        self.range = begin, end, step

    def items(self, run):
        with closing(self.parents[0].items(run)) as items:
            yield from itertools.islice(items, *self.range)

    @property
    def cardinality(self):
        (begin, end, step), count = self.range, self.parents[0].cardinality
        if count == INFINITE and end is not None:
            count = end
        return count if count < 0 else len(range(count)[begin:end:step])


class Repeat(Choosing):
    """The items `count` times, or without end when None."""

    def __init__(self, parent, count):
        super().__init__(parent)
        self.count = count

    def items(self, run):
        for _ in itertools.count() if self.count is None else range(self.count):
            empty = True
            with closing(self.parents[0].items(run)) as items:
                for item in items:
                    empty = False
                    yield item
            if empty:  # or it would look for items forever
                return

    @property
    def cardinality(self):
        count = self.parents[0].cardinality
        if count == 0 or self.count == 0:
            return 0
        if self.count is None:
            return INFINITE
        return count if count < 0 else count * self.count


class Cache(Choosing):
    """Items that are kept once all of them were read."""

    def __init__(self, parent):
        super().__init__(parent)
        self.kept = None

    def items(self, run):
        if self.kept is None:
            kept = []
            with closing(self.parents[0].items(run)) as items:
                for item in items:
                    kept.append(item)
                    yield elements.copied(item)
            self.kept = kept
        else:
            yield from map(elements.copied, self.kept)


class Filter(Choosing):
    """Items whose element meets a condition; with `ends`, up to the first that does not."""

    cardinality = UNKNOWN

    def __init__(self, parent, condition, ends=False):
        super().__init__(parent)
        self.condition, self.ends = condition, ends

    def items(self, run):
        with closing(self.parents[0].items(run)) as items:
            for item in items:
                # The condition may write to its element.
                element = elements.copied(item) if self.rows is None else self.rows.one(item)
                if self.condition(element):
                    yield item
                elif self.ends:
                    return


class Unique(Following):
    """Elements that were not there before."""

    cardinality = UNKNOWN

    def items(self, run):
        seen = set()
        with closing(self.parents[0].elements(run)) as items:
            for element in items:
                parts = elements.leaves(element)
                key = tuple((np.shape(part), *np.ravel(part).tolist()) for part in parts)
                if key not in seen:
                    seen.add(key)
                    yield element


class Prefetch(Following):
    """Elements that a thread of its own makes ahead."""

    def __init__(self, parent, size):
        super().__init__(parent)
        self.size = size

    def items(self, run):
        puller = _Puller(self.parents[0].elements(run))
        with closing(ahead.results([puller], itertools.count(), self.size)) as found:
            for element in found:
                if element is NONE:
                    return
                yield element


class _Puller(ahead.Caller):
    def __init__(self, iterator):
        super().__init__(lambda _: next(iterator, NONE))
        self.close = iterator.close


# One element from one


class Map(Following):
    """What a function makes of each element, in `threads` threads when above 1."""

    def __init__(self, parent, function, threads=1):
        super().__init__(parent)
        self.function, self.threads = function, threads

    def items(self, run):
        with closing(self.parents[0].elements(run)) as items:
            if self.threads <= 1:
                yield from map(self.function, items)
                return
            callers = [ahead.Caller(self.function)] * self.threads
            with closing(ahead.results(callers, items, 2 * self.threads)) as found:
                yield from found

    def first(self):
        first = self.parents[0].first()
        return first if first is NONE else self.function(first)

    def spec(self):
        return Step.spec(self)


class Scan(Following):
    """What a function makes of a state and each element; it returns the next state too."""

    def __init__(self, parent, state, function):
        super().__init__(parent)
        self.state, self.function = state, function

    def items(self, run):
        state = elements.copied(self.state)
        with closing(self.parents[0].elements(run)) as items:
            for element in items:
                state, made = self.function(state, element)
                yield made

    first = Step.first
    spec = Step.spec


class Enumerate(Following):
    """Elements beside their number."""

    def __init__(self, parent, start):
        super().__init__(parent)
        self.start = start

    def items(self, run):
        with closing(self.parents[0].elements(run)) as items:
            for number, element in enumerate(items, self.start):
                yield np.int64(number), element

    first = Step.first

    def spec(self):
        return elements.TensorSpec((), "int64"), self.parents[0].spec()
