"""Data sets that are read while they are iterated over, as the documentation of tf.data has them."""

import gc
import itertools
import threading
import time

import numpy as np
import pytest

from pyseq import utils
from pyseq.utils import elements
from pyseq.utils.pipeline import (
    AUTOTUNE,
    INFINITE_CARDINALITY,
    UNKNOWN_CARDINALITY,
    Dataset,
)

INF, UNKNOWN = INFINITE_CARDINALITY, UNKNOWN_CARDINALITY


def plain(value):
    """Elements as lists and numbers of Python."""
    if isinstance(value, (Dataset, list)):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value


def numbers(count):
    return Dataset.range(count)


def threads_end(before):
    """Whether no more threads than before are left, soon."""
    end = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    return threading.active_count() <= before


# --- sources and elements


@pytest.mark.parametrize(
    ("given", "expected", "dtype"),
    [
        ([1, 2], [1, 2], "int32"),
        ([0.5, 2], [0.5, 2], "float32"),
        ([True, False], [True, False], "bool"),
        ([2**40], [2**40], "int64"),
        (np.array([1.5]), [1.5], "float64"),
        ([np.float64(1.5)], [1.5], "float64"),
        (["a", "bc\0"], ["a", "bc\0"], "string"),
        ([b"a\0"], [b"a\0"], "string"),
    ],
)
def test_leaves_keep_or_get_a_dtype(given, expected, dtype):
    data = Dataset.from_tensor_slices(given)
    assert plain(data) == expected
    assert data.element_spec == elements.TensorSpec((), dtype)
    assert plain(data.batch(5)) == [expected]


def test_slices_of_nests():
    data = Dataset.from_tensor_slices(({"a": [1, 2], "b": np.ones((2, 3))}, [[5], [6]]))
    assert plain(data)[1] == ({"a": 2, "b": [1.0, 1.0, 1.0]}, [6])
    assert data.batch(2).element_spec == (
        {
            "a": elements.TensorSpec((None,), "int32"),
            "b": elements.TensorSpec((None, 3), "float64"),
        },
        elements.TensorSpec((None, 1), "int32"),
    )
    assert data.batch(2, drop_remainder=True).element_spec[1].shape == (2, 1)


def test_functions_may_write_to_what_they_get():
    x = np.ones((3, 2))

    def double(row):
        row *= 2
        return row

    for data in (Dataset.from_tensor_slices(x), Dataset.from_tensors(x)):
        for _ in range(2):
            assert all((row == 2).all() for row in data.map(double))
    kept = Dataset.from_tensor_slices(x).map(lambda row: row + 1).cache()
    assert [plain(kept.map(double)) for _ in range(3)] == [[[4.0, 4.0]] * 3] * 3
    plain(Dataset.from_tensor_slices(x).map(double))
    assert (x == 1).all()


def test_generators():
    calls = []

    def pairs(count):
        calls.append(count)
        for n in range(count):
            yield n, [n] * 2

    signature = (
        elements.TensorSpec((), "float32"),
        elements.TensorSpec((None,), np.int16),
    )
    data = Dataset.from_generator(pairs, args=(2,), output_signature=signature)
    assert calls == []
    assert data.element_spec == signature
    for _ in range(2):
        assert plain(data) == [(0.0, [0, 0]), (1.0, [1, 1])]
        assert [leaf.dtype.name for leaf in next(iter(data))] == ["float32", "int16"]
    assert calls == [2] * 4
    old = Dataset.from_generator(pairs, ("int64", "int32"), ((), (None,)), (3,))
    assert old.element_spec[1] == elements.TensorSpec((None,), "int32")
    assert len(plain(old)) == 3
    for wrong, error, text in (
        (elements.TensorSpec((3,), "int32"), ValueError, r"expected the shape \(3,\), got \(2,\)"),
        (elements.TensorSpec((2,), "string"), TypeError, "expected string, got int32"),
        ((signature[0],) * 2, ValueError, "one structure"),
    ):
        data = Dataset.from_generator(lambda: [[1, 2]], output_signature=wrong)
        if isinstance(wrong, tuple):
            data = Dataset.from_generator(lambda: [(1,)], output_signature=wrong)
        with pytest.raises(error, match=text):
            list(data)
    with pytest.raises(TypeError, match="uncalled"):
        Dataset.from_generator(pairs(2))


def test_list_files(tmp_path):
    for name in "bac":
        (tmp_path / f"{name}.txt").write_text(name)
    data = Dataset.list_files(str(tmp_path / "*.txt"), shuffle=False)
    assert [path[-5:] for path in data] == ["a.txt", "b.txt", "c.txt"]
    assert sorted(Dataset.list_files([tmp_path / "a*", tmp_path / "b*"])) == list(data)[:2]
    with pytest.raises(ValueError, match="got none"):
        Dataset.list_files(str(tmp_path / "*.png"))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Dataset.from_tensor_slices([[1], [1, 2]]), ValueError, "one length"),
        (lambda: Dataset.from_tensor_slices(([1], [1, 2])), ValueError, "same number of rows"),
        (lambda: Dataset.from_tensor_slices(3), ValueError, "same number of rows"),
        (lambda: Dataset.from_tensors([object()]), ValueError, "numbers or texts"),
        (lambda: list(numbers(2).map(lambda x: object())), ValueError, "map: expected numbers"),
        (lambda: numbers(2).batch(0), ValueError, r"batch_size\): expected an integer of 1"),
        (lambda: numbers(2).shuffle(-1), ValueError, "buffer_size"),
        (lambda: numbers(2).shard(2, 2), ValueError, "expected 0 to 1, got 2"),
        (lambda: numbers(2).window(0), ValueError, "window"),
        (lambda: numbers(2).map(abs, num_parallel_calls=0), ValueError, "num_parallel_calls"),
        (lambda: Dataset.zip(numbers(2), [1]), TypeError, "zip: expected a Dataset, got list"),
        (lambda: numbers(2).apply(len), TypeError, "apply: expected a Dataset, got int"),
        (lambda: list(numbers(2).flat_map(lambda x: x)), TypeError, "flat_map: expected"),
        (lambda: list(numbers(3).map(lambda n: np.ones(n)).batch(2)), ValueError, "padded_batch"),
        (lambda: numbers(2).get_single_element(), ValueError, "got more"),
        (lambda: numbers(0).get_single_element(), ValueError, "got none"),
        (lambda: numbers(0).map(abs).element_spec, ValueError, "at least one element"),
        (lambda: list(numbers(2).unbatch()), ValueError, "same number of rows"),
        (lambda: len(numbers(2).repeat()), TypeError, "endless"),
        (lambda: len(numbers(2).filter(bool)), TypeError, "unknown"),
    ],
)
def test_messages(make, error, text):
    with pytest.raises(error, match=text):
        make()


# --- steps; the values of many are those of examples in tf.data's documentation


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (numbers(8).batch(3), [[0, 1, 2], [3, 4, 5], [6, 7]]),
        (numbers(8).batch(3, drop_remainder=True), [[0, 1, 2], [3, 4, 5]]),
        (numbers(4).batch(3).unbatch(), [0, 1, 2, 3]),
        (numbers(5).batch(4).rebatch(3), [[0, 1, 2], [3, 4]]),
        (numbers(3).repeat(3), [0, 1, 2] * 3),
        (numbers(3).repeat(0), []),
        (numbers(0).repeat(), []),
        (numbers(10).take(3), [0, 1, 2]),
        (numbers(3).take(-1), [0, 1, 2]),
        (numbers(10).skip(7), [7, 8, 9]),
        (numbers(10).skip(-1), []),
        (numbers(10).shard(3, 0), [0, 3, 6, 9]),
        (numbers(4).filter(lambda x: x % 2), [1, 3]),
        (numbers(9).take_while(lambda x: x < 3), [0, 1, 2]),
        (numbers(2).enumerate(5), [(5, 0), (6, 1)]),
        (Dataset.zip((numbers(2), {"a": numbers(9)})), [(0, {"a": 0}), (1, {"a": 1})]),
        (numbers(2).concatenate(numbers(1)).batch(2), [[0, 1], [0]]),
        (numbers(2).map(lambda x: [x, x]), [(0, 0), (1, 1)]),
        (numbers(2).map(lambda x: (x, None)), [(0, None), (1, None)]),
        (numbers(2).apply(lambda data: data.skip(1)), [1]),
        (numbers(3).scan(np.int64(1), lambda s, x: (s + x, (s, x))), [(1, 0), (1, 1), (2, 2)]),
        (Dataset.from_tensor_slices(["a", "b", "a"]).unique(), ["a", "b"]),
        (Dataset.from_tensor_slices([[1, 2], [3, 4], [1, 2]]).unique(), [[1, 2], [3, 4]]),
        (
            Dataset.range(1, 6).interleave(
                lambda x: Dataset.from_tensors(x).repeat(6), cycle_length=2, block_length=4
            ),
            [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 3, 3, 4, 4, *[5] * 6],
        ),
        (
            Dataset.from_tensor_slices([[1, 2], [3, 4]]).flat_map(Dataset.from_tensor_slices),
            [1, 2, 3, 4],
        ),
        (Dataset.range(20, 0, -6), [20, 14, 8, 2]),
    ],
)
def test_steps(data, expected):
    assert plain(data) == expected
    assert plain(data) == expected
    assert plain(list(data.as_numpy_iterator())) == expected
    count = data.cardinality()
    assert count in (UNKNOWN, len(expected))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((3,), [[0, 1, 2], [3, 4, 5], [6]]),
        ((3, None, 1, True), [[0, 1, 2], [3, 4, 5]]),
        ((3, 1, 1, True), [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]),
        ((3, 1, 2, True), [[0, 2, 4], [1, 3, 5], [2, 4, 6]]),
        ((2, 3), [[0, 1], [3, 4], [6]]),
        ((2, 2, 2), [[0, 2], [2, 4], [4, 6], [6]]),
        ((8, 1, 1, True), []),
    ],
)
def test_windows(args, expected):
    windows = numbers(7).window(*args)
    assert plain(windows) == expected
    assert len(windows) == len(expected)


def test_windows_of_nests():
    data = Dataset.from_tensor_slices({"a": [1, 2, 3], "b": [4, 5, 6]}).window(2)
    assert plain(data) == [{"a": [1, 2], "b": [4, 5]}, {"a": [3], "b": [6]}]
    assert data.element_spec["a"] == elements.DatasetSpec(elements.TensorSpec((), "int32"))
    pairs = Dataset.zip(numbers(5), numbers(5)).window(2, 1, drop_remainder=True)
    batches = pairs.flat_map(lambda x, y: Dataset.zip((x.batch(2), y.batch(2))))
    assert plain(batches)[3] == ([3, 4], [3, 4])


def test_padded_batch():
    data = Dataset.range(1, 4).map(lambda n: (np.full(n, n), n))
    assert plain(data.padded_batch(2)) == [
        ([[1, 0], [2, 2]], [1, 2]),
        ([[3, 3, 3]], [3]),
    ]
    filled = data.padded_batch(3, padded_shapes=([4], []), padding_values=(-1, 0))
    assert plain(filled)[0][0] == [[1, -1, -1, -1], [2, 2, -1, -1], [3, 3, 3, -1]]
    assert next(iter(filled))[0].dtype == data.element_spec[0].dtype == "int64"
    words = Dataset.from_generator(lambda: [["a"], ["b", "c"]])
    assert plain(words.padded_batch(2, padded_shapes=[None])) == [[["a", ""], ["b", "c"]]]
    with pytest.raises(ValueError, match=r"a shape that holds \(3,\), got \(2,\)"):
        list(data.padded_batch(3, padded_shapes=((2,), ())))
    with pytest.raises(ValueError, match="one rank"):
        list(numbers(2).map(lambda n: np.ones((1,) * (1 + int(n)))).padded_batch(2))


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (numbers(5).repeat(), INF),
        (numbers(5).repeat().batch(2).prefetch(1).map(abs).shuffle(3).cache(), INF),
        (numbers(5).repeat().take(7), 7),
        (numbers(5).repeat().skip(7), INF),
        (numbers(5).filter(bool).take(2), UNKNOWN),
        (numbers(5).filter(bool).repeat(), INF),
        (numbers(5).filter(bool).repeat(2), UNKNOWN),
        (Dataset.zip(numbers(3), numbers(2).repeat()), 3),
        (Dataset.zip(numbers(3), numbers(2).filter(bool)), UNKNOWN),
        (numbers(3).concatenate(numbers(4).repeat()), INF),
        (numbers(3).concatenate(numbers(4)), 7),
        (numbers(7).shard(3, 1), 2),
        (numbers(7).batch(2).batch(3), 2),
        (numbers(5).flat_map(Dataset.from_tensors), UNKNOWN),
        (Dataset.from_generator(lambda: []), UNKNOWN),
    ],
)
def test_cardinality(data, count):
    assert data.cardinality() == count
    assert bool(data)


def test_reduce():
    assert numbers(5).reduce(np.int64(0), lambda state, _: state + 1) == 5
    total = Dataset.zip(numbers(4), numbers(4)).reduce(
        (0, np.zeros(2)), lambda state, pair: (state[0] + pair[0], state[1] + pair[1])
    )
    assert plain(total) == (6, [6.0, 6.0])


# --- random orders


def test_shuffle():
    data = numbers(100).shuffle(100, seed=4)
    passes = [plain(data) for _ in range(3)]
    assert len({str(order) for order in passes}) == 3
    assert all(sorted(order) == list(range(100)) for order in passes)
    again = numbers(100).shuffle(100, seed=4)
    assert [plain(again) for _ in range(3)] == passes
    fixed = numbers(100).shuffle(100, seed=4, reshuffle_each_iteration=False)
    assert plain(fixed) == plain(fixed) != list(range(100))
    assert plain(numbers(9).shuffle(1, seed=0)) == list(range(9))


def test_a_small_buffer_keeps_rows_near():
    order = plain(numbers(3000).shuffle(10, seed=2))
    assert sorted(order) == list(range(3000))
    assert all(value < place + 10 for place, value in enumerate(order))
    assert order[:10] != list(range(10))


def test_all_places_are_equally_likely():
    data = numbers(4).shuffle(2, seed=0)
    first = np.bincount([next(iter(data)) for _ in range(2000)], minlength=4)
    assert (first[2:] == 0).all()
    assert abs(first[0] - 1000) < 150


def test_each_pass_is_shuffled_anew_through_other_steps():
    shuffled = numbers(50).shuffle(50, seed=1)
    assert len({tuple(plain(shuffled.take(5))) for _ in range(4)}) == 4
    twice = plain(shuffled.repeat(2))
    assert twice[:50] != twice[50:]
    assert sorted(twice[:50]) == list(range(50))
    kept = numbers(50).shuffle(50, seed=1).cache()
    assert plain(kept) == plain(kept)


def test_looking_at_elements_is_no_pass():
    data, other = (numbers(20).shuffle(20, seed=1).map(abs).filter(bool) for _ in range(2))
    _ = data.element_spec, data.batch(2).element_spec
    assert plain(data) == plain(other)


def test_seeds_come_from_the_global_one():
    orders = []
    for _ in range(2):
        utils.set_random_seed(5)
        orders.append(plain(numbers(30).shuffle(30)))
    assert orders[0] == orders[1]
    assert plain(numbers(30).shuffle(30)) != orders[0]


def test_state_goes_back():
    data = numbers(20).shuffle(20, seed=1).batch(3).prefetch(2)
    passes = [(data.get_state(), plain(data)) for _ in range(3)]
    fresh = numbers(20).shuffle(20, seed=1).batch(3).prefetch(2)
    for state, order in (passes[2], passes[0], passes[1]):
        fresh.set_state(state)
        assert plain(fresh) == order


def test_sampling_and_choosing():
    parts = [Dataset.from_tensors(n).repeat() for n in range(3)]
    drawn = plain(Dataset.sample_from_datasets(parts, [0.5, 0.0, 0.5], seed=1).take(1000))
    assert set(drawn) == {0, 2}
    assert abs(drawn.count(0) - 500) < 80
    ended = Dataset.sample_from_datasets([numbers(3), numbers(4)], seed=2)
    assert sorted(plain(ended)) == [0, 0, 1, 1, 2, 2, 3]
    chosen = Dataset.choose_from_datasets(
        [numbers(2), Dataset.range(7, 9)], Dataset.from_tensor_slices([1, 1, 0, 1, 0])
    )
    assert plain(chosen) == [7, 8, 0]
    with pytest.raises(ValueError, match="numbers of 1 data sets, got 1"):
        list(Dataset.choose_from_datasets([numbers(2)], numbers(2)))
    with pytest.raises(ValueError, match="weights"):
        Dataset.sample_from_datasets(parts, [1, -1, 0])


# --- threads


def test_map_in_threads_keeps_the_order():
    def slow(x):
        time.sleep(0.002 * (int(x) % 3))
        return x * 2

    names = set()

    def note(x):
        names.add(threading.current_thread().name)
        return slow(x)

    before = threading.active_count()
    assert plain(numbers(30).map(note, num_parallel_calls=3)) == list(range(0, 60, 2))
    assert threading.current_thread().name not in names
    assert threads_end(before)
    names.clear()
    plain(numbers(3).map(note, num_parallel_calls=AUTOTUNE))
    assert names == {threading.current_thread().name}


def failing(x):
    if x == 3:
        raise KeyError("three")
    return x


@pytest.mark.parametrize(
    "data",
    [
        numbers(9).map(failing, num_parallel_calls=2),
        numbers(9).map(failing).prefetch(2),
        numbers(9).map(failing, num_parallel_calls=3).batch(1).prefetch(AUTOTUNE).unbatch(),
    ],
)
def test_errors_of_threads_come_in_their_place(data):
    before = threading.active_count()
    found = []
    with pytest.raises(KeyError, match="three"):
        for x in data:
            found.append(int(x))
    assert found == [0, 1, 2]
    assert threads_end(before)


def test_prefetch_is_ahead_and_ends_when_it_is_dropped():
    made, before = [], threading.active_count()
    closed = threading.Event()

    def source():
        try:
            for n in itertools.count():
                made.append(n)
                yield n
        finally:
            closed.set()

    data = Dataset.from_generator(source).prefetch(3)
    assert made == []
    iterator = iter(data)
    assert next(iterator) == 0
    end = time.monotonic() + 20
    while len(made) < 4 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]
    del iterator
    gc.collect()
    assert closed.wait(20)
    assert threads_end(before)
    assert plain(numbers(5).map(abs).prefetch(2)) == list(range(5))
    for x in data.take(5):  # left by itself, in the middle of a nest of steps
        if x == 2:
            break
    assert threads_end(before)


def test_cache_reads_once_and_only_whole_passes_count():
    calls = []
    data = numbers(3).map(lambda x: calls.append(int(x)) or x).cache()
    assert next(iter(data)) == 0
    assert plain(data) == plain(data) == [0, 1, 2]
    assert calls == [0, 0, 1, 2]


def test_a_subclass_stays_one():
    class Mine(Dataset):
        pass

    data = Mine.range(4).shuffle(4).map(abs).batch(2)
    assert type(data) is type(data.with_options(None)) is Mine
    assert repr(Mine.range(4)) == "<Mine of 4>"
    options = object()
    assert data.with_options(options).options() is options
