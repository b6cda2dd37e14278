"""Windows over time series and pairs of words, beside Keras with the same seeds."""

import importlib
import inspect
import json
import random

import numpy as np
import pytest

import pyseq
from pyseq.preprocessing import sequence


@pytest.fixture(scope="module")
def legacy(keras):
    return importlib.import_module("keras.src.legacy.preprocessing.sequence")


@pytest.mark.parametrize("name", ["TimeseriesGenerator", "skipgrams", "make_sampling_table"])
def test_signatures_are_those_of_keras(legacy, name):
    ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (sequence, legacy))
    plain = [[(p.name, p.kind, p.default) for p in ps.values()] for ps in (ours, theirs)]
    assert plain[0] == plain[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampling_rate": 2, "stride": 3, "batch_size": 2},
        {"start_index": 4, "end_index": 15, "reverse": True, "batch_size": 5},
        {"shuffle": True, "batch_size": 3},
        {"stride": 50},
    ],
)
def test_timeseries(legacy, options):
    data, targets = np.arange(40).reshape(20, 2), np.arange(20) * 10
    for x in (data, data.tolist()):
        ours = sequence.TimeseriesGenerator(x, targets, 5, **options)
        theirs = legacy.TimeseriesGenerator(x, targets, 5, **options)
        assert len(ours) == len(theirs)
        for index in range(len(ours)):
            batches = []
            for generator in (ours, theirs):
                np.random.seed(index)
                batches.append(generator[index])
            for got, want in zip(*batches):
                np.testing.assert_array_equal(got, want)


def test_timeseries_as_a_data_set():
    t = np.arange(60, dtype="float32")
    windows = sequence.TimeseriesGenerator(t, t / 60, length=4, batch_size=8)
    assert len(list(windows)) == len(windows) == 7
    np.testing.assert_array_equal(windows[-1][1], windows[6][1])
    model = pyseq.Sequential([pyseq.Input((4,)), pyseq.layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(windows, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert model.predict(windows, verbose=0).shape == (56, 1)


def test_timeseries_config():
    windows = sequence.TimeseriesGenerator(np.arange(9), list(range(9)), 3, stride=2, workers=2)
    config = json.loads(windows.to_json(indent=1))
    assert config["class_name"] == "TimeseriesGenerator"
    assert config["config"] == windows.get_config()
    expected = {"length": 3, "stride": 2, "start_index": 3, "end_index": 8, "workers": 2}
    assert expected.items() <= windows.get_config().items()
    assert json.loads(windows.get_config()["data"]) == list(range(9))
    with pytest.raises(TypeError, match="expected targets that JSON can hold, got list"):
        sequence.TimeseriesGenerator([1, 2], [object()] * 2, 1).get_config()


@pytest.mark.parametrize(
    "args, options, message",
    [
        ((range(4), range(5), 2), {}, "as many targets as rows of data, got 5 and 4"),
        ((range(4), range(4), 4), {}, "at most end_index, got 4 and 3"),
        ((range(4), range(4), 0), {}, r"\(length\): expected at least 1, got 0"),
        ((range(4), range(4), 2), {"stride": 0}, r"\(stride\)"),
        ((range(4), range(4), 2), {"end_index": 4}, "within the 4 rows, got 0 and 4"),
        ((range(4), range(4), 2), {"start_index": -1}, "within the 4 rows, got -1 and 3"),
    ],
)
def test_timeseries_errors(args, options, message):
    with pytest.raises(ValueError, match=message):
        sequence.TimeseriesGenerator(*args, **options)


def test_timeseries_ends():
    with pytest.raises(IndexError, match="a batch below 1, got 1"):
        sequence.TimeseriesGenerator(range(4), range(4), 2)[1]


@pytest.mark.parametrize("size, factor", [(1, 1e-5), (5, 1e-3), (200_000, 1e-5)])
def test_sampling_table(legacy, size, factor):
    got, want = (m.make_sampling_table(size, factor) for m in (sequence, legacy))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window_size": 1, "categorical": True},
        {"negative_samples": 0.0, "seed": 4},
        {"negative_samples": 2.5, "shuffle": False},
        {"sampling_table": np.linspace(0, 1, 10)},
    ],
)
def test_skipgrams(legacy, options):
    results = []
    for module in (sequence, legacy):
        random.seed(5)
        results.append(module.skipgrams([3, 0, 1, 7, 9, 3, 2], 10, **{"seed": 1, **options}))
    assert results[0] == results[1]


def test_skipgrams_without_a_seed():
    """Keras draws the seed with a float as the limit, which Python 3.12 refuses."""
    random.seed(5)
    first = sequence.skipgrams([1, 2, 3, 4], 9)
    again = sequence.skipgrams([1, 2, 3, 4], 9)
    random.seed(5)
    assert sequence.skipgrams([1, 2, 3, 4], 9) == first != again
    pairs, labels = first
    near = [pair for pair, label in zip(pairs, labels) if label]
    assert sorted(near) == [[a, b] for a in range(1, 5) for b in range(1, 5) if a != b]
    assert len(labels) == 24 and sum(labels) == 12


def test_skipgrams_of_nothing():
    assert sequence.skipgrams([], 10) == ([], [])
    with pytest.raises(ValueError, match=r"\(vocabulary_size\): expected at least 2"):
        sequence.skipgrams([1, 2], 1)
    with pytest.raises(ValueError, match=r"\(size\): expected at least 1, got 0"):
        sequence.make_sampling_table(0)
