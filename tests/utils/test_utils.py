"""Utilities, against Keras where it has them: arrays, data sets, progress, files, images."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import hashlib
import io
import pathlib
import re
import subprocess
import sys
import tarfile
import types
import warnings
import zipfile

import numpy as np
import pytest

from pyseq import naming, preprocessing, random, utils
from pyseq.callbacks.progbar import format_rate, format_seconds, format_value
from pyseq.utils import images


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


SKIPPED = {  # several inputs, other frameworks, or classes of models that pyseq does not have
    "get_source_inputs",
    "legacy",
}


def test_every_keras_utility_exists(keras):
    missing = {n for n in dir(keras.utils) if n[0] != "_" and not hasattr(utils, n)}
    assert missing == SKIPPED
    assert set(dir(utils)) >= set(utils.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        utils.nope  # noqa: B018


def test_importing_utils_is_light():
    heavy = "{'PIL', 'urllib.request', 'rich', 'h5py'}"
    code = f"import sys, pyseq.utils; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- arrays


@pytest.mark.parametrize("x", [[0, 2, 1], [[0], [3]], [[0, 1], [2, 2]], 2, np.array([[1, 0]])])
@pytest.mark.parametrize("classes", [None, 5])
def test_to_categorical(keras, x, classes):
    ours, theirs = utils.to_categorical(x, classes), keras.utils.to_categorical(x, classes)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_to_categorical_messages():
    with pytest.raises(ValueError, match=r"expected classes in \[0, 2\), got 0 to 2"):
        utils.to_categorical([0, 2], 2)
    with pytest.raises(ValueError, match="got -1 to 1"):
        utils.to_categorical([-1, 1])
    with pytest.raises(ValueError, match="expected num_classes"):
        utils.to_categorical([])


@pytest.mark.parametrize(("axis", "order"), [(-1, 2), (0, 2), (1, 1), (-1, np.inf)])
def test_normalize(keras, axis, order):
    x = np.random.default_rng(0).normal(size=(4, 5))
    x[1] = 0
    if axis == 1:
        x = x[:, :, None][..., 0]
    ours = utils.normalize(x, axis, order)
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    np.testing.assert_allclose(ours, x / np.where(norm == 0, 1, norm))
    if axis != 0:
        np.testing.assert_allclose(ours, keras.utils.normalize(x, axis, order))


SEQUENCES = [[1], [2, 3], [], [4, 5, 6, 7]]


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 6])
def test_pad_sequences(keras, padding, truncating, maxlen):
    args = {"padding": padding, "truncating": truncating, "maxlen": maxlen, "value": 9}
    ours = utils.pad_sequences(SEQUENCES, **args)
    theirs = keras.utils.pad_sequences(SEQUENCES, **args)
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)
    vectors = [np.ones((n, 3)) * n for n in (1, 4)]
    np.testing.assert_array_equal(
        preprocessing.sequence.pad_sequences(vectors, **args, dtype="float32"),
        keras.utils.pad_sequences(vectors, **args, dtype="float32"),
    )


def test_pad_sequences_of_strings():
    padded = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="-")
    assert padded.tolist() == [["-", "a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (([1, 2],), "put a single sequence"),
        ((iter([[1]]),), "expected a list of sequences, got list_iterator"),
        (([[1]], 2, "int32", "left"), r"pad_sequences\(padding\): expected 'pre' or 'post'"),
        (([[1]], 2, "int32", "pre", "left"), r"\(truncating\)"),
        (([[1]], 2, "int32", "pre", "pre", "x"), "pass dtype=object"),
        (([[[1, 2]], [[1]]],), r"expected entries of shape \(2,\)"),
    ],
)
def test_pad_sequences_messages(args, text):
    with pytest.raises(ValueError, match=text):
        utils.pad_sequences(*args)


def test_pack_and_unpack(keras):
    for data in (1, (1,), (1, 2), (1, 2, 3), [1, 2]):
        assert utils.unpack_x_y_sample_weight(data) == keras.utils.unpack_x_y_sample_weight(data)
    for args in ((1,), ((1, 2),), (1, 2), (1, 2, 3), (1, None, 3)):
        assert utils.pack_x_y_sample_weight(*args) == keras.utils.pack_x_y_sample_weight(*args)
    with pytest.raises(ValueError, match="got a tuple of 4"):
        utils.unpack_x_y_sample_weight((1, 2, 3, 4))


# --- data sets


class Counting(utils.PyDataset):
    def __init__(self):
        pass  # as many users do

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.array([index])


def test_py_dataset():
    data = Counting()
    assert (data.workers, data.use_multiprocessing, data.max_queue_size) == (1, False, 10)
    assert [x.item() for x in data] == [0, 1, 2]
    assert data.num_batches == 3
    data.on_epoch_begin()
    data.on_epoch_end()
    assert utils.Sequence is utils.PyDataset
    with pytest.raises(TypeError, match="defines __getitem__"):
        utils.PyDataset()[0]
    with pytest.raises(TypeError, match="__len__"):
        utils.PyDataset(workers=2).num_batches  # noqa: B018


def test_endless_py_dataset():
    class Endless(utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            return index

    iterator = iter(Endless())
    assert [next(iterator) for _ in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rate", [1, 3])
@pytest.mark.parametrize(("start", "end"), [(None, None), (2, None), (3, 17)])
@pytest.mark.parametrize("batch_size", [4, None])
def test_timeseries(stride, rate, start, end, batch_size):
    data = np.arange(40.0).reshape(20, 2)
    targets = np.arange(20)
    windows = utils.timeseries_dataset_from_array(
        data, targets, 3, stride, rate, batch_size, start_index=start, end_index=end
    )
    first, last = start or 0, 20 if end is None else end
    expected = [
        (data[s : s + 2 * rate + 1 : rate], targets[s])
        for s in range(first, last - 2 * rate, stride)
    ]
    for _ in range(2):  # it can be iterated again
        batches = list(windows)
        assert len(batches) == len(windows)
        if batch_size is None:
            xs, ys = np.stack([x for x, _ in batches]), np.stack([y for _, y in batches])
        else:
            xs, ys = (
                np.concatenate([x for x, _ in batches]),
                np.concatenate([y for _, y in batches]),
            )
        np.testing.assert_array_equal(xs, [x for x, _ in expected])
        np.testing.assert_array_equal(ys, [y for _, y in expected])


def test_timeseries_of_the_next_value():
    data = np.arange(10)
    windows = utils.timeseries_dataset_from_array(data[:-3], data[3:], 3)
    x, y = windows.get_single_element()
    assert len(windows) == 1
    assert x.tolist() == [[i, i + 1, i + 2] for i in range(5)]
    assert y.tolist() == [3, 4, 5, 6, 7]


def order_of(data):
    return [np.asarray(x[0] if isinstance(x, tuple) else x).tolist() for x in data]


def test_shuffled_data_go_back_to_an_order(folder):
    for make in (
        lambda: utils.timeseries_dataset_from_array(
            np.arange(30), None, 2, batch_size=4, shuffle=True, seed=5
        ),
        lambda: utils.image_dataset_from_directory(
            folder, image_size=(4, 4), batch_size=1, seed=5, verbose=False
        ),
    ):
        data, orders = make(), []
        for _ in range(4):
            state = data.get_state()
            orders.append((state, order_of(data)))
        assert len({str(order) for _, order in orders}) == 4
        fresh = make()
        for state, order in (orders[3], orders[1], orders[0], orders[2]):
            fresh.set_state(state)
            assert order_of(fresh) == order
        assert order_of(fresh) == orders[3][1]
    still = utils.timeseries_dataset_from_array(np.arange(9), None, 2)
    still.set_state(still.get_state())
    assert order_of(still) == [[[i, i + 1] for i in range(8)]]
    with pytest.raises(ValueError, match="expected 0 numbers, got 1"):
        still.set_state([3])


def test_timeseries_shuffles_anew():
    args = (np.arange(50), np.arange(50), 2)
    windows = utils.timeseries_dataset_from_array(*args, shuffle=True, seed=1)
    first, second = (windows.get_single_element()[1].tolist() for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(49))
    again = utils.timeseries_dataset_from_array(*args, shuffle=True, seed=1)
    x, y = again.get_single_element()
    assert y.tolist() == first
    assert (x[:, 0] == y).all()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"start_index": -1},
        {"start_index": 10},
        {"end_index": 10},
        {"start_index": 3, "end_index": 2},
        {"sampling_rate": 0},
        {"sequence_stride": 10},
        {"sequence_length": 0},
        {"format": "x"},
    ],
)
def test_timeseries_messages(kwargs):
    kwargs = {"sequence_length": 2, **kwargs}
    with pytest.raises(ValueError, match="timeseries_dataset_from_array"):
        utils.timeseries_dataset_from_array(np.arange(10), None, **kwargs)


def test_split_dataset():
    x, y = np.arange(10), np.arange(10) * 2
    left, right = utils.split_dataset(x, left_size=0.75)
    assert (len(left), len(right)) == (8, 2)
    left, right = utils.split_dataset((x, y), right_size=3, shuffle=True, seed=4)
    assert len(right) == 3
    assert sorted(int(a) for a, _ in [*left, *right]) == list(range(10))
    assert all(b == 2 * a for a, b in [*left, *right])
    left, right = utils.split_dataset({"a": x}, left_size=2, right_size=5)
    assert [int(row["a"]) for row in left] == [0, 1]
    assert [int(row["a"]) for row in right] == [5, 6, 7, 8, 9]
    assert list(utils.split_dataset([x], 0.5)[0]) == [(n,) for n in range(5)]


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((np.arange(4),), ValueError, "got neither"),
        ((np.arange(4), 4), ValueError, r"in \(0, 4\)"),
        ((np.arange(4), 0.0), ValueError, "left_size"),
        ((np.arange(4), "x"), TypeError, "left_size"),
        ((np.arange(4), 3, 2), ValueError, "got 3 and 2"),
        ((np.arange(4), 0.01), ValueError, "at least one row"),
        (((np.arange(4), np.arange(3)), 0.5), ValueError, "same number of rows"),
        ((3, 0.5), TypeError, "got int"),
    ],
)
def test_split_dataset_messages(args, error, text):
    with pytest.raises(error, match=text):
        utils.split_dataset(*args)


# --- progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progbar_on_a_terminal(monkeypatch):
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("NO_COLOR", "1")
    bar = utils.Progbar(4, interval=0)
    for step in range(1, 5):
        bar.update(step, [("loss", 1.0 / step)])
    text = out.getvalue()
    assert text.count("\r") == 4
    assert text.count("\n") == 1
    assert text.endswith("\n")
    last = text.split("\r")[-1]
    assert last.startswith("4/4 " + "━" * 20)
    assert re.search(r"\d+s \d+[mu]?s/step - loss: 0.2500", last)


def test_progbar_in_a_file(capsys):
    bar = utils.Progbar(3)
    for step in range(1, 4):
        bar.update(step, [("loss", 0.5)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("3/3")
    assert "\r" not in lines[0]


def test_progbar_verbose(capsys):
    utils.Progbar(2, verbose=0).update(2, [("loss", 1.0)])
    assert capsys.readouterr().out == ""
    utils.Progbar(2, verbose=2).update(2, [("loss", 1e-5)])
    assert re.fullmatch(r"2/2 - 0s - \S+/step - loss: 1.0000e-05\n", capsys.readouterr().out)
    bar = utils.Progbar(None, verbose=1)
    bar.add(3, [("loss", 1.0)])
    bar.update(3, finalize=True)
    assert "3/Unknown" in capsys.readouterr().out


def test_progbar_without_terminal_characters(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    out.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", out)
    utils.Progbar(1).update(1)
    out.seek(0)
    assert "=" * 20 in out.read()


def test_progbar_averages(keras):
    for kwargs in ({}, {"stateful_metrics": ["a"]}, {"stateless_metrics": ["a"]}):
        ours = utils.Progbar(10, verbose=0, **kwargs)
        theirs = keras.utils.Progbar(10, verbose=0, **kwargs)
        for step, value in ((2, 1.0), (3, 4.0), (7, 2.0)):
            values = [("a", value), ("b", -value)]
            ours.update(step, values)
            theirs.update(step, values)
        expected = {k: v / max(1, n) for k, (v, n) in theirs._values.items()}
        assert ours.averages() == pytest.approx(expected)
    with pytest.raises(ValueError, match="got both"):
        utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_progbar_goes_to_the_log(caplog, capsys):
    utils.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", "pyseq"):
            utils.Progbar(1).update(1)
    finally:
        utils.enable_interactive_logging()
    assert "1/1" in caplog.text
    assert capsys.readouterr().out == ""


def test_formats():
    assert format_seconds(3725) == "1:02:05"
    assert [format_rate(s, "step") for s in (0, 2, 0.002, 2e-6)] == [
        "0s/step",
        "2s/step",
        "2ms/step",
        "2us/step",
    ]
    assert format_value(float("nan")) == "nan"
    assert format_value(np.array([1.0, 2.0])) == "1.5000"


# --- files


@pytest.fixture
def origin(tmp_path):
    path = tmp_path / "source" / "data.txt"
    path.parent.mkdir()
    path.write_text("hello")
    return path


def test_get_file(origin, tmp_path, capsys, monkeypatch):
    url = origin.as_uri()
    digest = hashlib.sha256(b"hello").hexdigest()
    cache = tmp_path / "cache"
    path = utils.get_file(origin=url, cache_dir=cache, file_hash=digest)
    assert pathlib.Path(path).read_text() == "hello"
    assert path == str(cache / "datasets" / "data.txt")
    assert url in capsys.readouterr().err
    origin.unlink()
    assert utils.get_file("data.txt", url, cache_dir=cache) == path
    assert capsys.readouterr().err == ""
    pathlib.Path(path).write_text("damaged")
    with pytest.raises(ConnectionError, match="expected a download"):
        utils.get_file("data.txt", url, cache_dir=cache, file_hash=digest)
    origin.write_text("other")
    with pytest.raises(ValueError, match="to have the hash"):
        utils.get_file("data.txt", url, cache_dir=cache, md5_hash="0" * 32)
    assert pathlib.Path(path).read_text() == "damaged"
    assert list((cache / "datasets").iterdir()) == [pathlib.Path(path)]
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    found = utils.get_file(origin=url, cache_subdir="x")
    assert found == str(tmp_path / "home" / "x" / "data.txt")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_get_file_unpacks(kind, origin, tmp_path):
    archive = tmp_path / f"pack.{kind}"
    if kind == "tar":
        with tarfile.open(archive, "w:gz") as file:
            file.add(origin, "inner/data.txt")
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.write(origin, "inner/data.txt")
    folder = utils.get_file(
        archive.name, archive.as_uri(), extract=True, cache_dir=tmp_path / "cache"
    )
    assert folder.endswith("pack_extracted")
    assert (pathlib.Path(folder) / "inner" / "data.txt").read_text() == "hello"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\evil", "C:evil"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_get_file_refuses_unsafe_members(kind, name, tmp_path):
    archive = tmp_path / f"pack.{kind}"
    if kind == "tar":
        with tarfile.open(archive, "w") as file:
            file.addfile(tarfile.TarInfo(name), io.BytesIO())
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, "x")
    with pytest.raises(ValueError, match="the archive is unsafe"):
        utils.get_file(archive.name, archive.as_uri(), extract=True, cache_dir=tmp_path / "cache")
    names = {p.name for p in tmp_path.rglob("*")}
    assert "evil" not in names


def test_get_file_refuses_links(tmp_path):
    archive = tmp_path / "pack.tar"
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(archive, "w") as file:
        file.addfile(link)
    with pytest.raises(ValueError, match="'link'"):
        utils.get_file(archive.name, archive.as_uri(), extract=True, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "got None"),
        ({"origin": "http://x/"}, "has none"),
        ({"fname": "a/b", "origin": "file:///x"}, "plain file name"),
        ({"fname": "..", "origin": "file:///x"}, "plain file name"),
        ({"origin": "data:x/y"}, "expected one of"),
    ],
)
def test_get_file_messages(args, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        utils.get_file(**args, cache_dir=tmp_path)


def test_get_file_of_another_format(origin, tmp_path):
    with pytest.raises(ValueError, match="to be an archive"):
        utils.get_file(origin=origin.as_uri(), extract=True, cache_dir=tmp_path)
    with pytest.raises(ValueError, match="archive_format"):
        utils.get_file(
            origin=origin.as_uri(), extract=True, archive_format="rar", cache_dir=tmp_path
        )


# --- images


def picture(height=6, width=5, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("scale", [True, False])
def test_array_to_img_and_back(keras, pillow, channels, data_format, scale):
    x = picture(channels=channels)
    if data_format == "channels_first":
        x = x.transpose(2, 0, 1)
    ours = utils.array_to_img(x, data_format, scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras passes an argument that Pillow deprecates
        theirs = keras.utils.array_to_img(x, data_format, scale)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert ours.mode == {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    back = utils.img_to_array(ours, data_format)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, keras.utils.img_to_array(ours, data_format))
    if not scale:
        np.testing.assert_array_equal(back, x)


@pytest.mark.parametrize("color_mode", ["rgb", "rgba", "grayscale"])
@pytest.mark.parametrize("keep", [True, False])
def test_load_img(keras, pillow, tmp_path, color_mode, keep):
    path = tmp_path / "p.png"
    utils.save_img(path, picture(30, 20), scale=False)
    for method in ("nearest", "bilinear", "lanczos"):
        args = {
            "color_mode": color_mode,
            "target_size": (9, 11),
            "interpolation": method,
            "keep_aspect_ratio": keep,
        }
        np.testing.assert_array_equal(
            utils.img_to_array(utils.load_img(path, **args)),
            keras.utils.img_to_array(keras.utils.load_img(path, **args)),
        )
    same = utils.load_img(io.BytesIO(path.read_bytes()), target_size=(30, 20))
    np.testing.assert_array_equal(utils.img_to_array(same), picture(30, 20))


def test_save_img(pillow, tmp_path):
    with pytest.warns(UserWarning, match="the last one is dropped"):
        utils.save_img(tmp_path / "a.jpg", picture(channels=4))
    assert utils.load_img(tmp_path / "a.jpg").size == (5, 6)
    deep = utils.array_to_img(picture(channels=1) * 100, scale=False)
    assert deep.mode == "I"


def test_image_messages(pillow, tmp_path):
    with pytest.raises(ValueError, match="pass one of a batch"):
        utils.array_to_img(np.zeros((2, 3, 3, 3)))
    with pytest.raises(ValueError, match="got 2"):
        utils.array_to_img(np.zeros((3, 3, 2)))
    with pytest.raises(ValueError, match="expected an image"):
        utils.img_to_array(np.zeros(3))
    with pytest.raises(TypeError, match="expected a path"):
        utils.load_img(3)
    path = tmp_path / "p.png"
    utils.save_img(path, picture())
    with pytest.raises(ValueError, match="color_mode"):
        utils.load_img(path, color_mode="cmyk")
    with pytest.raises(ValueError, match="interpolation"):
        utils.load_img(path, target_size=(2, 2), interpolation="x")


def test_missing_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        utils.load_img("x.png")


@pytest.mark.parametrize("size", [(12, 9), (3, 2), (6, 5), (1, 1), (7, 4)])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_resize(keras, size, method):
    x = picture(6, 5).astype("float32")
    ours = images.resize(x, size, method)
    assert ours.shape == (*size, 3)
    expected = reference_resize(x, size, method)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-3)


def reference_resize(x, size, method):
    out = np.zeros((*size, x.shape[2]))
    for i in range(size[0]):
        for j in range(size[1]):
            y0 = (i + 0.5) * x.shape[0] / size[0] - 0.5
            x0 = (j + 0.5) * x.shape[1] / size[1] - 0.5
            if method == "nearest":
                out[i, j] = x[int(np.floor(y0 + 0.5)), int(np.floor(x0 + 0.5))]
                continue
            y0, x0 = np.clip(y0, 0, x.shape[0] - 1), np.clip(x0, 0, x.shape[1] - 1)
            a, b = int(y0), int(x0)
            c, d = min(a + 1, x.shape[0] - 1), min(b + 1, x.shape[1] - 1)
            u, v = y0 - a, x0 - b
            out[i, j] = (1 - u) * ((1 - v) * x[a, b] + v * x[a, d]) + u * (
                (1 - v) * x[c, b] + v * x[c, d]
            )
    return out


@pytest.mark.parametrize("method", images.INTERPOLATIONS)
def test_resize_keeps_constants(method):
    x = np.full((2, 5, 7, 1), 3.0)
    for size in ((11, 4), (2, 20)):
        np.testing.assert_allclose(images.resize(x, size, method), 3.0, rtol=1e-5)


def test_resize_by_area_is_a_mean():
    x = picture(6, 4).astype("float32")
    expected = x.reshape(3, 2, 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(images.resize(x, (3, 2), "area"), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 12, 3), (2, 12, 8, 3)])
@pytest.mark.parametrize("size", [(4, 4), (16, 10)])
def test_smart_resize(keras, shape, size):
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    ours = preprocessing.image.smart_resize(x, size)
    assert ours.shape == (*shape[:-3], *size, 3)
    first = np.moveaxis(x, -1, -3)
    np.testing.assert_allclose(
        np.moveaxis(
            preprocessing.image.smart_resize(first, size, data_format="channels_first"), -3, -1
        ),
        ours,
    )
    with pytest.raises(ValueError, match="smart_resize"):
        preprocessing.image.smart_resize(x, (3,))
    with pytest.raises(ValueError, match="smart_resize"):
        preprocessing.image.smart_resize(x[0, 0], size)


@pytest.fixture
def folder(tmp_path, pillow):
    for index, name in enumerate(("cats", "dogs")):
        (tmp_path / name).mkdir()
        for k in range(3 + index):
            utils.save_img(tmp_path / name / f"{k}.png", picture(8, 6, seed=10 * index + k))
            (tmp_path / name / f"{k}.txt").write_text(f"{name} {k}")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_images_from_a_directory(folder, capsys):
    data = utils.image_dataset_from_directory(
        folder, image_size=(4, 6), batch_size=3, shuffle=False
    )
    assert "Found 7 files belonging to 2 classes." in capsys.readouterr().out
    assert data.class_names == ["cats", "dogs"]
    x, y = next(iter(data))
    assert x.shape == (3, 4, 6, 3)
    assert x.dtype == np.float32
    assert y.tolist() == [0, 0, 0]
    assert sum(len(y) for _, y in data) == 7
    expected = images.resize(utils.img_to_array(utils.load_img(data.file_paths[0])), (4, 6))
    np.testing.assert_array_equal(x[0], expected)
    assert len(list(data)) == len(data) == 3


@pytest.mark.parametrize(
    ("mode", "shape", "dtype"),
    [("int", (7,), "int32"), ("categorical", (7, 2), "float32"), ("binary", (7, 1), "float32")],
)
def test_label_modes(folder, mode, shape, dtype):
    data = utils.text_dataset_from_directory(folder, label_mode=mode, seed=1, verbose=False)
    x, y = data.get_single_element()
    assert x.dtype == object
    assert y.shape == shape
    assert y.dtype == dtype
    classes = y[:, 1] if mode == "categorical" else y.reshape(-1)
    assert [t.split()[0] for t in x] == [data.class_names[int(c)] for c in classes]
    before = list(x)
    after, y = data.get_single_element()
    assert list(after) != before
    assert sorted(after) == sorted(before)


def test_directory_without_labels(folder):
    for kwargs in ({"labels": None}, {"label_mode": None}):
        data = utils.text_dataset_from_directory(folder, shuffle=False, verbose=False, **kwargs)
        assert data.get_single_element()[0] == "cats 0"
        assert data.class_names is None
    data = utils.text_dataset_from_directory(
        folder,
        labels=[1, 0, 1, 0, 1, 0, 1],
        shuffle=False,
        batch_size=None,
        verbose=False,
        max_length=3,
    )
    x, y = next(iter(data))
    assert (x, y) == ("cat", 1)
    assert len(data) == 7


def test_directory_split(folder):
    args = {"validation_split": 0.3, "seed": 3, "verbose": False, "batch_size": 9}
    train = preprocessing.text_dataset_from_directory(folder, subset="training", **args)
    valid = preprocessing.text_dataset_from_directory(folder, subset="validation", **args)
    both = utils.text_dataset_from_directory(folder, subset="both", **args)
    (train, valid, *both) = (data.get_single_element()[0] for data in (train, valid, *both))
    assert len(train) == 5
    assert not set(train) & set(valid)
    assert [sorted(part) for part in both] == [sorted(train), sorted(valid)]


def test_directory_aspect_and_color(folder):
    for kwargs in ({"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True}):
        data = utils.image_dataset_from_directory(
            folder,
            image_size=(4, 4),
            color_mode="grayscale",
            data_format="channels_first",
            class_names=["dogs"],
            verbose=False,
            **kwargs,
        )
        assert data.get_single_element()[0].shape == (4, 1, 4, 4)
    padded = images.pad_to_aspect(np.ones((8, 6, 1)), (4, 4))
    assert padded.shape == (8, 8, 1)
    assert padded.sum() == 48


@pytest.mark.parametrize(
    "kwargs",
    [
        {"labels": "x"},
        {"label_mode": "x"},
        {"labels": None, "class_names": ["cats"]},
        {"class_names": ["birds"]},
        {"labels": [1]},
        {"validation_split": 0.2},
        {"validation_split": 2, "subset": "both"},
        {"validation_split": 0.2, "subset": "both"},
        {"validation_split": 0.2, "subset": "x"},
        {"interpolation": "x"},
        {"color_mode": "x"},
        {"image_size": (1, 2, 3)},
        {"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
        {"format": "x"},
        {"class_names": ["cats"], "label_mode": "binary"},
    ],
)
def test_directory_messages(folder, kwargs):
    with pytest.raises(ValueError, match="image_dataset_from_directory"):
        utils.image_dataset_from_directory(folder, verbose=False, **kwargs)


def test_missing_directory(tmp_path):
    with pytest.raises(ValueError, match="expected a folder"):
        utils.text_dataset_from_directory(tmp_path / "none")
    with pytest.raises(ValueError, match="got none"):
        utils.text_dataset_from_directory(tmp_path, verbose=False)


# --- drawings and session


class FakeLayer:
    def __init__(self, name):
        self.name, self.weights, self.trainable, self.dtype = name, [1], True, "float32"
        self.input_shape, self.output_shape = (None, 2), (None, 3)
        self.activation = max


def test_model_to_dot(monkeypatch, tmp_path):
    drawn = types.ModuleType("pydot")

    class Graph:
        def __init__(self, name=None, graph_name=None):
            self.nodes, self.edges, self.settings = [], [], {}

        def set(self, key, value):
            self.settings[key] = value

        def set_node_defaults(self, **kwargs):
            pass

        def add_node(self, node):
            self.nodes.append(node)

        def add_edge(self, edge):
            self.edges.append(edge)

        def write(self, path, format):
            pathlib.Path(path).write_text(format)

    drawn.Dot = drawn.Cluster = Graph
    drawn.Node = lambda key, label: (key, label)
    drawn.Edge = lambda a, b: (a, b)
    monkeypatch.setitem(sys.modules, "pydot", drawn)
    inner = types.SimpleNamespace(name="in", layers=[FakeLayer("b"), FakeLayer("c<d")])
    model = types.SimpleNamespace(name="m", layers=[FakeLayer("a"), inner])
    options = ("show_shapes", "show_dtype", "show_layer_activations", "show_trainable")
    graph = utils.model_to_dot(model, expand_nested=True, **dict.fromkeys(options, True))
    assert len(graph.nodes) == 3
    assert graph.edges == [("layer0", "layer1"), ("layer1", "layer2")]
    label = graph.nodes[2][1]
    for text in ("c&lt;d", "input: (None, 2)", "dtype: float32", "activation: max", "trainable"):
        assert text in label
    drawing = utils.plot_model(model, tmp_path / "x.svg", expand_nested=True)
    assert (tmp_path / "x.svg").read_text() == "svg"
    assert drawing._repr_svg_() == "svg"
    assert drawing._repr_png_() is None
    assert repr(drawing) == f"<Drawing {tmp_path / 'x.svg'}>"
    assert utils.plot_model(model, tmp_path / "x")._repr_png_() == b"png"
    assert utils.plot_model(model, tmp_path / "x.dot") is None
    with pytest.raises(ValueError, match="expected a model with layers"):
        utils.model_to_dot(types.SimpleNamespace(layers=[]))


def test_missing_pydot(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match="pip install pydot"):
        utils.model_to_dot(types.SimpleNamespace(name="m", layers=[FakeLayer("a")]))


def test_clear_session():
    naming.auto_name("thing")
    utils.clear_session()
    assert naming.auto_name("thing") == "thing"
    utils.set_random_seed(3)
    a = random.normal((2,))
    utils.set_random_seed(3)
    np.testing.assert_array_equal(a, random.normal((2,)))
    assert utils.version()
