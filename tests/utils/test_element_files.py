"""Data sets in files: `save`, `load` and `cache(filename)`; groups of elements of one key."""

import os

import numpy as np
import pytest

from pyseq.utils.pipeline import Dataset


def same(a, b):
    if isinstance(a, (tuple, dict)):
        assert type(a) is type(b) and len(a) == len(b)
        keys = a if isinstance(a, dict) else range(len(a))
        for key in keys:
            same(a[key], b[key])
    elif a is None or isinstance(a, (str, bytes)):
        assert type(a) is type(b) and a == b
    else:
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)


DATASETS = {
    "rows": Dataset.from_tensor_slices((np.eye(3), [1, 2, 3])),
    "dicts": Dataset.from_tensor_slices({"b": [1.5, 2.5], "a": ({"c": [[1], [2]]}, [True, False])}),
    "texts": Dataset.from_tensor_slices((["a", "\u00e9\0", ""], [b"a", b"\xff\0", b""])),
    "batches of texts": Dataset.from_tensor_slices(["a", "bc", "d"]).batch(2),
    "shapes": Dataset.range(4).map(lambda n: np.ones((n, 2), "float32") * n),
    "ranks": Dataset.from_generator(lambda: (np.zeros((2,) * n) for n in range(3))),
    "complex": Dataset.from_tensors(np.array([1 + 2j])),
    "nothing beside": Dataset.range(2).map(lambda n: (n, None)),
    "none": Dataset.range(0),
}


@pytest.mark.parametrize("name", DATASETS)
def test_elements_come_back(tmp_path, name):
    data = DATASETS[name]
    data.save(tmp_path / "data")
    loaded = Dataset.load(tmp_path / "data")
    assert os.listdir(tmp_path) == ["data"]
    expected, found = list(data), list(loaded)
    assert len(expected) == len(found) == len(loaded)
    for a, b in zip(expected, found, strict=True):
        same(a, b)
    cached = data.cache(str(tmp_path / "cache"))
    for _ in range(2):
        for a, b in zip(expected, list(cached), strict=True):
            same(a, b)


def test_what_is_loaded_may_be_written_to(tmp_path):
    Dataset.from_tensors(np.zeros(2)).save(tmp_path / "data")
    loaded = Dataset.load(tmp_path / "data")
    for element in loaded:
        element += 1
    assert loaded.get_single_element().tolist() == [0, 0]


def test_a_cache_is_written_by_a_whole_pass_and_read_by_others(tmp_path):
    calls = []
    path = tmp_path / "cache"

    def data():
        return Dataset.range(3).map(lambda x: calls.append(int(x)) or x).cache(path)

    first = data()
    assert next(iter(first)) == 0
    assert not path.exists()
    assert [int(n) for n in first] == [0, 1, 2]
    assert calls == [0, 0, 1, 2]
    assert [int(n) for n in first] == [int(n) for n in data()] == [0, 1, 2]
    assert calls == [0, 0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + b"\0" * 40])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(ValueError, match="another or a damaged one"):
        Dataset.load(tmp_path / "data")
    with pytest.raises(ValueError, match="another or a damaged one"):
        list(Dataset.range(2).cache(tmp_path / "data"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", np.array(3)),
        ("ranks0", np.array([1, -1])),
        ("shapes0", np.array([2, 3])),
        ("shapes0", np.array([2, -2])),
        ("values0", np.zeros(3)),
        ("layout", np.array("[0, null]")),
        ("layout", np.array("[0")),
        ("format", np.array("other")),
        ("values0", np.array([{}, {}], object)),
    ],
)
def test_forged_files_are_refused(tmp_path, name, value):
    Dataset.from_tensor_slices((np.zeros((2, 2)),)).save(tmp_path / "data.npz")
    with np.load(tmp_path / "data.npz") as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "data.npz", **{**arrays, name: value})
    with pytest.raises(ValueError, match="another or a damaged one"):
        Dataset.load(tmp_path / "data.npz")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Dataset.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (Dataset.range(2).repeat(), "an end of the elements"),
        (Dataset.range(4).window(2), "numbers or texts"),
        (Dataset.from_generator(lambda: [np.int32(1), np.float32(1)]), "one dtype"),
        (Dataset.from_generator(lambda: [{"a": 1}, {"b": 1}]), "of one structure"),
        (Dataset.from_tensors({1: 2}), "keys are texts"),
    ],
)
def test_what_cannot_be_saved(tmp_path, data, match):
    with pytest.raises(ValueError, match=match):
        data.save(tmp_path / "data")
    assert os.listdir(tmp_path) == []


# --- groups


def test_groups_of_one_key():
    data = Dataset.from_tensor_slices(([3, 1, 3, 1, 3, 2], list("abcdef")))
    grouped = data.group_by_window(lambda n, _: n, lambda key, d: d.batch(9), window_size=2)
    found = [(n.tolist(), "".join(text)) for n, text in grouped]
    # The last groups come with their keys ascending.
    assert found == [([3, 3], "ac"), ([1, 1], "bd"), ([2], "f"), ([3], "e")]


def test_sizes_of_groups_by_their_key():
    grouped = Dataset.range(8).group_by_window(
        lambda n: n % 2, lambda key, d: d.map(lambda n: (key, n)), window_size_func=lambda k: k + 1
    )
    assert [(int(k), int(n)) for k, n in grouped] == [
        (0, 0), (0, 2), (1, 1), (1, 3), (0, 4), (0, 6), (1, 5), (1, 7),
    ]


@pytest.mark.parametrize("sizes", [{}, {"window_size": 2, "window_size_func": abs}])
def test_groups_have_one_size(sizes):
    with pytest.raises(ValueError, match="`window_size` or `window_size_func`"):
        Dataset.range(2).group_by_window(int, lambda k, d: d, **sizes)


def test_groups_that_are_no_data_sets():
    with pytest.raises(TypeError, match="group_by_window: expected a Dataset"):
        list(Dataset.range(2).group_by_window(int, lambda key, d: 3, 1))
