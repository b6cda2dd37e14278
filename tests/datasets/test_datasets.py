import gzip
import hashlib
import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from pyseq.datasets import (
    _cache,
    _cifar,
    _pickled,
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache in which any file counts as genuine, and no network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(_cache, "_hash", lambda path, like: like)
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


def sequences(count, seed):
    rng = np.random.RandomState(seed)
    array = np.empty(count, dtype=object)
    array[:] = [rng.randint(1, 40, rng.randint(3, 12)).tolist() for _ in range(count)]
    return array


def python2_array(values):
    """The protocol-2 pickle of an array as Python 2 wrote it, with a byte string for its data."""
    values = np.asarray(values, np.uint8)
    data = values.tobytes()
    shape = pickle.dumps(values.shape, 2)[2:-1]
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01bt"
        b"R(K\x01" + shape + b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + len(data).to_bytes(4, "little") + data + b"tb"
    )


def python2_batch(images, **labels):
    """A CIFAR batch file: a dict of byte strings, one array and lists of labels."""
    out = b"\x80\x02}(U\x04data" + python2_array(images)
    for name, values in labels.items():
        out += b"U" + bytes([len(name)]) + name.encode() + pickle.dumps(values, 2)[2:-1]
    return out + b"u."


def test_digits():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1437, 8, 8) and x_test.shape == (360, 8, 8)
    assert x_train.dtype == y_train.dtype == np.uint8
    assert x_train.max() == 16 and set(y_train) == set(y_test) == set(range(10))
    assert os.path.getsize(digits._FILE) < 100_000


def test_digits_equals_the_copy_in_scikit_learn():
    sklearn = pytest.importorskip("sklearn.datasets")
    want = sklearn.load_digits()
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert sorted(map(bytes, np.c_[x.reshape(-1, 64), y])) == sorted(
        map(bytes, np.c_[want.data, want.target].astype(np.uint8))
    )


def test_mnist_reads_the_cache(cache):
    arrays = {"x_train": np.zeros((3, 28, 28), np.uint8), "y_train": np.arange(3, dtype=np.uint8)}
    arrays |= {"x_test": np.ones((2, 28, 28), np.uint8), "y_test": np.arange(2, dtype=np.uint8)}
    np.savez(cache / "mnist.npz", **arrays)
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    for name, got in zip(arrays, (x_train, y_train, x_test, y_test), strict=True):
        np.testing.assert_array_equal(got, arrays[name])


def test_fashion_mnist_reads_idx(cache):
    folder = cache / "fashion-mnist"
    folder.mkdir()
    images = np.arange(2 * 784).astype(np.uint8).reshape(2, 28, 28)
    for part in ("train", "t10k"):
        for kind, header, array in (
            ("images-idx3", 16, images),
            ("labels-idx1", 8, np.array([7, 9], np.uint8)),
        ):
            with gzip.open(folder / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + array.tobytes())
    (x_train, y_train), (x_test, _) = fashion_mnist.load_data()
    np.testing.assert_array_equal(x_train, images)
    assert y_train.tolist() == [7, 9] and x_test.shape == (2, 28, 28) and x_test.flags.writeable


@pytest.mark.parametrize("unpacked", [False, True])
def test_cifar(cache, monkeypatch, unpacked):
    monkeypatch.setattr(_cifar, "_as_images", lambda x: x.transpose(0, 2, 3, 1))
    images = np.random.RandomState(0).randint(0, 256, (4, 3072)).astype(np.uint8)
    batch = python2_batch(images, labels=[1, 2, 3, 4])
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    if unpacked:
        folder = cache / "cifar-10-batches-py-target" / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(batch)
    else:
        with tarfile.open(cache / "cifar-10-batches-py-target_archive", "w:gz") as tar:
            for name in names:
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(batch)
                tar.addfile(info, io.BytesIO(batch))
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert x_train.shape == (20, 32, 32, 3) and y_train.shape == (20, 1)
    np.testing.assert_array_equal(x_test[0, :, :, 2].ravel(), images[0, 2048:])
    assert y_test.ravel().tolist() == [1, 2, 3, 4] and y_test.dtype == np.uint8


def test_cifar100_labels(cache, monkeypatch):
    monkeypatch.setattr(_cifar, "_as_images", lambda x: x)
    batch = python2_batch(np.zeros((2, 3072)), fine_labels=[99, 5], coarse_labels=[19, 1])
    folder = cache / "cifar-100-python-target" / "cifar-100-python"
    folder.mkdir(parents=True)
    for name in ("train", "test"):
        (folder / name).write_bytes(batch)
    assert cifar100.load_data()[0][1].ravel().tolist() == [99, 5]
    assert cifar100.load_data("coarse")[1][1].ravel().tolist() == [19, 1]
    with pytest.raises(ValueError, match="expected label_mode 'fine' or 'coarse', got 'both'"):
        cifar100.load_data("both")


ARGUMENTS = [
    {},
    {"num_words": 20},
    {"num_words": 30, "skip_top": 6, "oov_char": None},
    {"maxlen": 9, "start_char": None},
    {"start_char": None, "index_from": 0, "seed": 7},
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_text_equals_keras(cache, monkeypatch, name, arguments):
    keras = pytest.importorskip("keras")
    theirs = getattr(keras.datasets, name)
    x, y = sequences(60, 1), np.arange(60) % 2
    if name == "imdb":
        np.savez(cache / "imdb.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
        module = imdb
    else:
        np.savez(cache / "reuters.npz", x=x, y=y)
        module = reuters
    source = __import__(theirs.load_data.__module__, fromlist=["get_file"])
    monkeypatch.setattr(source, "get_file", lambda fname, **_: cache / fname)
    got, want = module.load_data(**arguments), theirs.load_data(**arguments)
    for (gx, gy), (wx, wy) in zip(got, want, strict=True):
        assert list(map(list, gx)) == list(map(list, wx))
        np.testing.assert_array_equal(gy, wy)
        assert gx.dtype == object and gx.ndim == 1


def test_text_errors(cache):
    np.savez(cache / "reuters.npz", x=sequences(5, 0), y=np.arange(5))
    with pytest.raises(ValueError, match="expected maxlen above the length of some sequence"):
        reuters.load_data(maxlen=1)
    with pytest.raises(ValueError, match=r"expected test_split in \[0, 1\), got 1"):
        reuters.load_data(test_split=1)


def test_reuters_topics_and_word_index(cache):
    keras = pytest.importorskip("keras")
    assert reuters.get_label_names() == tuple(keras.datasets.reuters.get_label_names())
    (cache / "imdb_word_index.json").write_text('{"the": 1}')
    assert imdb.get_word_index() == {"the": 1}


@pytest.mark.parametrize("module", [boston_housing, california_housing])
def test_housing_equals_keras(cache, monkeypatch, module):
    keras = pytest.importorskip("keras")
    name = module.__name__.rpartition(".")[2]
    theirs = getattr(keras.datasets, name)
    rng = np.random.RandomState(3)
    np.savez(cache / f"{name}.npz", x=rng.rand(700, 8), y=rng.rand(700))
    source = __import__(theirs.load_data.__module__, fromlist=["get_file"])
    monkeypatch.setattr(source, "get_file", lambda fname, **_: cache / fname)
    cases = [{}, {"test_split": 0.5, "seed": 2}]
    if module is california_housing:
        cases.append({"version": "small"})
    for arguments in cases:
        for got, want in zip(
            module.load_data(**arguments), theirs.load_data(**arguments), strict=True
        ):
            np.testing.assert_array_equal(got[0], want[0])
            np.testing.assert_array_equal(got[1], want[1])
    with pytest.raises(ValueError, match="expected test_split"):
        module.load_data(test_split=-0.1)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/pyseq_was_here",)


@pytest.mark.parametrize(
    "payload", [Evil(), [Evil()], np.array([1, Evil()], dtype=object), {"data": Evil()}]
)
def test_pickles_run_nothing(payload):
    with pytest.raises(pickle.UnpicklingError, match="expected only NumPy arrays"):
        _pickled.load_pickle(io.BytesIO(pickle.dumps(payload, 2)))


@pytest.mark.parametrize("protocol", [0, 2, 3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">i2"),
        np.zeros(0, np.uint8),
    ],
)
def test_pickled_arrays(array, protocol):
    got = _pickled.load_pickle(io.BytesIO(pickle.dumps({"a": array}, protocol)))["a"]
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype


def test_pickled_dtype_is_checked():
    with pytest.raises(pickle.UnpicklingError, match="dtype 'V8' is not one of"):
        _pickled.load_pickle(io.BytesIO(pickle.dumps(np.zeros(2, "V8"), 2)))


def test_download_and_hash(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    source = tmp_path / "source.bin"
    source.write_bytes(b"some data")
    sha256 = hashlib.sha256(b"some data").hexdigest()
    md5 = hashlib.md5(b"some data", usedforsecurity=False).hexdigest()
    path = _cache.cached_file("a.bin", source.as_uri(), sha256)
    assert path == tmp_path / "home" / "datasets" / "a.bin" and path.read_bytes() == b"some data"
    assert "Downloading" in capsys.readouterr().err
    assert _cache.cached_file("a.bin", source.as_uri(), md5) == path
    assert capsys.readouterr().err == ""
    path.write_bytes(b"damaged")
    assert _cache.cached_file("a.bin", source.as_uri(), sha256).read_bytes() == b"some data"
    with pytest.raises(ValueError, match="to have the hash 0000"):
        _cache.cached_file("b.bin", source.as_uri(), "0" * 64)
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]


def test_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    origin = (tmp_path / "nowhere").as_uri()
    with pytest.raises(ConnectionError, match="connect to the network, or put the file there"):
        _cache.cached_file("a.bin", origin, "0" * 64)
    assert list((tmp_path / "datasets").iterdir()) == []
