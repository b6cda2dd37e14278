"""Steps that make one element of several, several of one, or read more than one data set."""

from __future__ import annotations

import collections
import itertools
import math
from contextlib import closing

import numpy as np

from pyseq.utils import elements
from pyseq.utils.steps import INFINITE, NONE, UNKNOWN, Following, Listed, Random, Step


class Batch(Following):
    """Elements stacked; `join(list of elements)` where stacking is not enough."""

    def __init__(self, parent, size, drop, join=None):
        super().__init__(parent)
        self.size, self.drop, self.join = size, drop, join

    def items(self, run):
        parent = self.parents[0]
        rows = parent.rows if self.join is None else None
        join = self.join or (lambda chunk: elements.stacked(chunk, "batch"))
        with closing(parent.elements(run) if rows is None else parent.items(run)) as items:
            while chunk := list(itertools.islice(items, self.size)):
                if self.drop and len(chunk) < self.size:
                    return
                yield join(chunk) if rows is None else rows.several(np.asarray(chunk))

    first = Step.first

    @property
    def cardinality(self):
        count = self.parents[0].cardinality
        if count < 0:
            return count
        return count // self.size if self.drop else math.ceil(count / self.size)

    def spec(self):
        if self.join is not None:  # how far it fills up, it knows when it sees them
            return Step.spec(self)
        rows = self.size if self.drop else None
        return elements.map_leaves(
            lambda s: None if s is None else elements.TensorSpec(
                None if s.shape is None else (rows, *s.shape), s.dtype
            ),
            self.parents[0].spec(),
        )


class Unbatch(Following):
    """The rows of elements."""

    cardinality = UNKNOWN

    def items(self, run):
        with closing(self.parents[0].elements(run)) as items:
            for element in items:
                for row in range(elements.count_rows(element, "unbatch")):
                    yield elements.map_leaves(
                        lambda a, row=row: None if a is None else a[row], element
                    )

    first = Step.first

    def spec(self):
        return elements.map_leaves(
            lambda s: None if s is None else elements.TensorSpec(s.shape[1:], s.dtype),
            self.parents[0].spec(),
        )


class Window(Following):
    """Data sets of `size` elements each, `stride` apart, that begin every `shift` elements."""

    def __init__(self, parent, size, shift, stride, drop, make):
        super().__init__(parent)
        self.size, self.shift, self.stride, self.drop, self.make = size, shift, stride, drop, make
        self.reach = (size - 1) * stride + 1

    def items(self, run):
        with closing(self.parents[0].elements(run)) as items:
            held = collections.deque(itertools.islice(items, self.reach))
            while held and not (self.drop and len(held) < self.reach):
                chosen = list(itertools.islice(held, 0, self.reach, self.stride))
                yield elements.map_leaves(lambda *leaves: self.make(Listed(leaves)), *chosen)
                for _ in range(min(self.shift, len(held))):
                    held.popleft()
                collections.deque(itertools.islice(items, max(0, self.shift - self.reach)), 0)
                held.extend(itertools.islice(items, self.reach - len(held)))

    first = Step.first

    @property
    def cardinality(self):
        count = self.parents[0].cardinality
        if count < 0:
            return count
        if self.drop:
            return max(0, (count - self.reach) // self.shift + 1)
        return math.ceil(count / self.shift)

    def spec(self):
        return elements.map_leaves(elements.DatasetSpec, self.parents[0].spec())


# From several data sets


class Zip(Step):
    """Elements of several steps side by side, in a nest."""

    def __init__(self, nest):
        super().__init__(*elements.leaves(nest))
        self.nest = nest

    def items(self, run):
        opened = elements.map_leaves(lambda step: step.elements(run), self.nest)
        iterators = elements.leaves(opened)
        try:
            while True:
                values = []
                for iterator in iterators:
                    if (value := next(iterator, NONE)) is NONE:
                        return
                    values.append(value)
                queue = iter(values)
                yield elements.map_leaves(lambda _, queue=queue: next(queue), self.nest)
        finally:
            for iterator in iterators:
                iterator.close()

    @property
    def cardinality(self):
        counts = [step.cardinality for step in self.parents]
        if UNKNOWN in counts:
            return UNKNOWN
        return min((count for count in counts if count != INFINITE), default=INFINITE)

    def spec(self):
        return elements.map_leaves(lambda step: step.spec(), self.nest)


class Concatenate(Step):
    """Elements of one step after those of another."""

    def items(self, run):
        for parent in self.parents:
            yield from parent.elements(run)

    @property
    def cardinality(self):
        counts = [step.cardinality for step in self.parents]
        for special in (INFINITE, UNKNOWN):
            if special in counts:
                return special
        return sum(counts)


class Interleave(Following):
    """Elements of the steps that a function returns: `block` of each of `cycle` steps in turn."""

    cardinality = UNKNOWN

    def __init__(self, parent, function, cycle, block):
        super().__init__(parent)
        self.function, self.cycle, self.block = function, cycle, block

    def items(self, run):
        with closing(self.parents[0].elements(run)) as inputs:
            opened = [None] * self.cycle
            at, more = 0, True
            try:
                while more or any(opened):
                    if opened[at] is None and more:
                        element = next(inputs, NONE)
                        more = element is not NONE
                        if more:
                            opened[at] = self.function(element).elements(run)
                    if opened[at] is not None:
                        for _ in range(self.block):
                            if (value := next(opened[at], NONE)) is NONE:
                                opened[at] = None
                                break
                            yield value
                    at = (at + 1) % self.cycle
            finally:
                for iterator in opened:
                    if iterator is not None:
                        iterator.close()

    first = Step.first
    spec = Step.spec


class Grouped(Following):
    """Elements of the steps that a function makes of groups of elements of one key.

    Args:
        key_of: function of an element.
        size_of: function of a key: how many elements a group has.
        reduced: function of a key and a list of elements, which returns a step.
    """

    cardinality = UNKNOWN

    def __init__(self, parent, key_of, size_of, reduced):
        super().__init__(parent)
        self.key_of, self.size_of, self.reduced = key_of, size_of, reduced

    def items(self, run):
        groups, sizes = {}, {}
        with closing(self.parents[0].elements(run)) as found:
            for element in found:
                key = self.key_of(elements.copied(element))
                if key not in sizes:
                    sizes[key] = self.size_of(key)
                groups.setdefault(key, []).append(element)
                if len(groups[key]) == sizes[key]:
                    yield from self.reduced(key, groups.pop(key)).elements(run)
        for key in sorted(groups):
            yield from self.reduced(key, groups[key]).elements(run)

    first = Step.first
    spec = Step.spec


class Pick(Random, Step):
    """Elements of one of several steps at a time.

    Args:
        steps: them.
        choose: function of a random generator and a run that gives a generator of their numbers.
        stops: whether all ends with the first step that does; else the others go on.
    """

    def __init__(self, steps, others, choose, stops, seed, anew):
        super().__init__(*steps, *others, seed=seed, anew=anew)
        self.steps, self.choose, self.stops = steps, choose, stops

    @property
    def cardinality(self):
        endless = all(step.cardinality == INFINITE for step in self.steps)
        return INFINITE if endless and len(self.parents) == len(self.steps) else UNKNOWN

    def items(self, run):
        opened = [step.elements(run) for step in self.steps]
        left = set(range(len(opened)))
        numbers = self.choose(run.generator(self), run, left)
        try:
            for number in numbers:
                if number not in left:
                    continue
                if (value := next(opened[number], NONE)) is not NONE:
                    yield value
                    continue
                left.discard(number)
                if self.stops or not left:
                    return
        finally:
            numbers.close()
            for iterator in opened:
                iterator.close()

    def spec(self):
        return self.steps[0].spec()
