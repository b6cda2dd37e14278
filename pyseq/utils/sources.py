"""The functions that make data sets of arrays, functions, files and other data sets."""

from __future__ import annotations

import glob
import os

import numpy as np

from pyseq import random
from pyseq.dtypes import standardize_dtype
from pyseq.utils import element_files, elements, joining, steps
from pyseq.utils.elements import TensorSpec


class Sources(elements.DataLeaf):
    """The part of `Dataset` that makes data sets; `_of(step)` gives one whose last step that is."""

    def __init__(self, step):
        self._step = step

    @classmethod
    def _of(cls, step):
        made = cls.__new__(cls)
        Sources.__init__(made, step)
        return made

    @classmethod
    def from_tensor_slices(cls, tensors, name=None):
        """Return the rows of arrays, which have one same number of rows and are not copied.

        >>> from pyseq.utils.pipeline import Dataset
        >>> [int(row["a"]) for row in Dataset.from_tensor_slices({"a": [1, 2]})]
        [1, 2]
        """
        arrays = elements.to_element(tensors, "from_tensor_slices")
        return cls._of(steps.Slices(arrays, elements.count_rows(arrays, "from_tensor_slices")))

    @classmethod
    def from_tensors(cls, tensors, name=None):
        """Return a data set of one element.

        >>> from pyseq.utils.pipeline import Dataset
        >>> Dataset.from_tensors([1, 2]).get_single_element().tolist()
        [1, 2]
        """
        return cls._of(steps.Listed([elements.to_element(tensors, "from_tensors")]))

    @classmethod
    def from_generator(
        cls,
        generator,
        output_types=None,
        output_shapes=None,
        args=None,
        output_signature=None,
        name=None,
    ):
        """Return what a function yields, which is called for each pass.

        Args:
            generator: function of `args` that returns an iterable.
            output_signature: nest of `TensorSpec`s; what is yielded is turned into their dtypes.
                Without it, or types, elements are taken as they are.
            output_types, output_shapes: older form of it.

        Raises:
            TypeError: `generator` cannot be called.
            ValueError: while it is read, something of another shape or structure is yielded.

        >>> from pyseq.utils.pipeline import Dataset
        >>> numbers = Dataset.from_generator(lambda: range(3), output_types="float32")
        >>> [float(x) for x in numbers]
        [0.0, 1.0, 2.0]
        """
        if not callable(generator):
            raise TypeError(
                f"from_generator: expected a function that returns an iterable, got "
                f"{type(generator).__name__}; pass the generator function itself, uncalled"
            )
        wanted = output_signature
        if wanted is None and output_types is not None:
            if output_shapes is None:
                wanted = elements.map_leaves(lambda t: TensorSpec(None, t), output_types)
            else:
                wanted = elements.with_shapes(TensorSpec, output_types, output_shapes)
        args = () if args is None else tuple(args)
        return cls._of(steps.Generated(lambda: generator(*args), wanted))

    @classmethod
    def load(cls, path, element_spec=None, compression=None, reader_func=None):
        """Return the elements in a file that `save` wrote.

        Args:
            element_spec, compression, reader_func: accepted for compatibility.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is another kind of file, or damaged.
        """
        return cls._of(steps.Listed(element_files.read(path)))

    @classmethod
    def range(cls, *args, output_type="int64", name=None):
        """Return the numbers of `range(*args)`.

        >>> from pyseq.utils.pipeline import Dataset
        >>> [int(n) for n in Dataset.range(1, 6, 2)]
        [1, 3, 5]
        """
        return cls._of(steps.Counted(range(*map(int, args)), standardize_dtype(output_type)))

    @classmethod
    def list_files(cls, file_pattern, shuffle=None, seed=None, name=None):
        """Return the paths of files that match a pattern, or one of several, as `glob` has them.

        Args:
            shuffle: another order for each pass, unless False; then they are sorted.

        Raises:
            ValueError: no file matches.
        """
        patterns = file_pattern if isinstance(file_pattern, (list, tuple)) else [file_pattern]
        found = sorted({path for pattern in patterns for path in glob.glob(os.fspath(pattern))})
        if not found:
            raise ValueError(f"list_files: expected files that match {file_pattern!r}, got none")
        files = cls.from_tensor_slices(found)
        return files if shuffle is False else files.shuffle(len(found), seed)

    @classmethod
    def zip(cls, *args, datasets=None, name=None):
        """Return elements of several data sets, a nest of them, side by side.

        >>> from pyseq.utils.pipeline import Dataset
        >>> pairs = Dataset.zip(Dataset.range(2), Dataset.range(5, 9))
        >>> [(int(a), int(b)) for a, b in pairs]
        [(0, 5), (1, 6)]
        """
        if datasets is None:
            datasets = args[0] if len(args) == 1 else args
        if isinstance(datasets, list):
            datasets = tuple(datasets)
        return cls._of(joining.Zip(elements.map_leaves(lambda d: step_of(d, "zip"), datasets)))

    @classmethod
    def sample_from_datasets(
        cls,
        datasets,
        weights=None,
        seed=None,
        stop_on_empty_dataset=False,
        rerandomize_each_iteration=True,
    ):
        """Return elements of data sets that are drawn at random with `weights`, equal when None.

        >>> from pyseq.utils.pipeline import Dataset
        >>> parts = [Dataset.from_tensors(0).repeat(), Dataset.from_tensors(1).repeat()]
        >>> {int(n) for n in Dataset.sample_from_datasets(parts, [0.0, 1.0]).take(9)}
        {1}
        """
        where = "sample_from_datasets"
        weights = np.ones(len(datasets)) if weights is None else np.asarray(weights, "float64")
        if weights.shape != (len(datasets),) or not (weights >= 0).all() or not weights.sum() > 0:
            raise ValueError(
                f"{where}(weights): expected one number of 0 or more for each of the "
                f"{len(datasets)} data sets, got {weights.tolist()}"
            )

        def choose(rng, run, left):
            while any(weights[n] for n in left):
                chances = [weights[n] if n in left else 0.0 for n in range(len(weights))]
                yield int(rng.choice(len(weights), p=np.divide(chances, sum(chances))))

        parts = [step_of(d, where) for d in datasets]
        return cls._of(
            joining.Pick(
                parts,
                (),
                choose,
                stop_on_empty_dataset,
                seed_or_drawn(seed),
                rerandomize_each_iteration is not False,
            )
        )

    @classmethod
    def choose_from_datasets(cls, datasets, choice_dataset, stop_on_empty_dataset=True):
        """Return elements of the data sets whose numbers `choice_dataset` holds.

        >>> from pyseq.utils.pipeline import Dataset
        >>> letters = [Dataset.from_tensors(text).repeat(2) for text in "ab"]
        >>> list(Dataset.choose_from_datasets(letters, Dataset.range(2).repeat()))
        ['a', 'b', 'a', 'b']
        """
        where = "choose_from_datasets"
        choice = step_of(choice_dataset, where)

        def choose(rng, run, left):
            for number in choice.elements(run):
                if not 0 <= number < len(datasets):
                    raise ValueError(
                        f"{where}: expected numbers of {len(datasets)} data sets, got {number}"
                    )
                yield int(number)

        parts = [step_of(d, where) for d in datasets]
        return cls._of(joining.Pick(parts, (choice,), choose, stop_on_empty_dataset, 0, False))


def step_of(value, where):
    """Return the last step of a data set.

    Raises:
        TypeError: `value` is none.
    """
    if not isinstance(value, Sources):
        raise TypeError(f"{where}: expected a Dataset, got {type(value).__name__}")
    return value._step


def seed_or_drawn(seed):
    """Return a seed as an integer, drawn from `random` where it is None."""
    return random.make_default_seed() if seed is None else int(seed)
