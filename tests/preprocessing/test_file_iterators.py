"""Batches of image files, beside Keras with the same seeds."""

import contextlib
import importlib
import io

import numpy as np
import pytest

import pyseq
from pyseq.preprocessing import image

pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def legacy(keras):
    pytest.importorskip("scipy")
    return importlib.import_module("keras.src.legacy.preprocessing.image")


@pytest.fixture
def folder(tmp_path, rng):
    """Three classes with 5, 4 and 3 images, some in folders below, and a file that is none."""
    for name, count in (("cat", 5), ("ant", 4), ("bee", 3)):
        for i in range(count):
            below = tmp_path / "data" / name / ("more" if i == 1 else "")
            below.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (6 + i, 7, 3)).astype("float32")
            image.save_img(below / f"{i}.{'PNG' if i == 2 else 'bmp'}", pixels, scale=False)
        (tmp_path / "data" / name / "notes.txt").write_text("none")
    return tmp_path / "data"


def same(got, want):
    if isinstance(want, (tuple, list)):
        assert type(got) is type(want) and len(got) == len(want)
        for a, b in zip(got, want):
            same(a, b)
    else:
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def pair(legacy, method, *args, generator=None, **kwargs):
    made = []
    for module in (image, legacy):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            flow = getattr(module.ImageDataGenerator(**(generator or {})), method)(*args, **kwargs)
        made.append((flow, output.getvalue()))
    (ours, said), (theirs, _) = made
    assert said.startswith(f"Found {theirs.samples} ")
    assert ours.filenames == theirs.filenames and ours.filepaths == theirs.filepaths
    for name in "samples n batch_size image_shape class_indices num_classes class_mode".split():
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    for _ in range(len(ours) + 1):
        same(next(ours), next(theirs))
    return ours, theirs


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"class_mode": "sparse", "interpolation": "bilinear", "color_mode": "grayscale"},
        {"class_mode": "binary", "classes": ["cat", "ant"], "keep_aspect_ratio": True},
        {"class_mode": "input", "color_mode": "rgba"},
        {"class_mode": None, "shuffle": False},
        {"subset": "training"},
        {"subset": "validation", "class_mode": "sparse"},
        {"classes": ["bee", "none_of_these", "cat"]},
    ],
    ids=lambda k: " ".join(map(str, k.values())) or "default",
)
def test_directory(legacy, folder, kwargs):
    generator = {"validation_split": 0.4, "rotation_range": 20, "horizontal_flip": True}
    ours, theirs = pair(
        legacy, "flow_from_directory", str(folder), target_size=(5, 8), batch_size=4, seed=3, generator=generator, **kwargs
    )
    same(ours.classes, theirs.classes)
    same(ours.labels, theirs.labels)


def test_directory_of_channels_first(legacy, folder):
    pair(legacy, "flow_from_directory", str(folder), target_size=(5, 8), seed=3, generator={"data_format": "channels_first"})


def table(folder):
    names = [str(p.relative_to(folder)) for p in sorted(folder.rglob("*.bmp"))]
    return {
        "filename": names,
        "class": [name.split("/")[0] for name in names],
        "tags": [[name.split("/")[0]] + ["odd"] * (i % 2) for i, name in enumerate(names)],
        "size": np.arange(len(names)) * 1.5,
        "angle": np.arange(len(names)),
    }


FRAMES = [
    {},
    {"class_mode": "sparse", "classes": ["cat", "bee"]},
    {"class_mode": "binary", "classes": ["cat", "bee"], "weight_col": "size"},
    {"class_mode": "raw", "y_col": "size"},
    {"class_mode": "raw", "y_col": ["size", "angle"]},
    {"class_mode": "multi_output", "y_col": ["size", "angle"]},
    {"class_mode": "categorical", "y_col": "tags"},
    {"class_mode": "categorical", "y_col": "tags", "classes": ["odd", "ant"]},
    {"class_mode": "input", "subset": "training"},
    {"class_mode": None, "subset": "validation", "validate_filenames": False},
]


@pytest.mark.parametrize("kwargs", FRAMES, ids=lambda k: " ".join(map(str, k.values())) or "default")
def test_dataframe(legacy, folder, kwargs):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(folder))
    before = frame.copy()
    ours, theirs = pair(
        legacy, "flow_from_dataframe", frame, str(folder), target_size=(5, 8), batch_size=4, seed=3,
        generator={"validation_split": 0.3}, **kwargs
    )
    assert getattr(ours, "classes", None) == getattr(theirs, "classes", None)
    assert frame.equals(before)


@pytest.mark.parametrize("kwargs, y", [
    ({}, [[1, 0, 0], [1, 0, 0]]),
    ({"class_mode": "sparse", "classes": ["cat", "ant"]}, [1, 1]),
    ({"class_mode": "raw", "y_col": ["size", "angle"]}, [[0, 0], [1.5, 1]]),
    ({"class_mode": "categorical", "y_col": "tags"}, [[1, 0, 0, 0], [1, 0, 0, 1]]),
])
def test_dict_of_columns(folder, capsys, kwargs, y):
    flow = image.ImageDataGenerator().flow_from_dataframe(
        table(folder), folder, target_size=(4, 4), shuffle=False, weight_col="size", **kwargs
    )
    batch = flow[0]
    assert batch[1][:2].tolist() == y and batch[2][:2].tolist() == [0, 1.5]
    assert capsys.readouterr().out.startswith(f"Found {flow.n} validated image filenames")


def test_names_of_no_file_are_left_out(folder):
    columns = {"filename": ["cat/0.bmp", "cat/9.bmp", "cat/notes.txt"], "class": ["a", "b", "a"]}
    generator = image.ImageDataGenerator()
    with pytest.warns(UserWarning, match="2 names of none, the first one 'cat/9.bmp'"):
        flow = generator.flow_from_dataframe(columns, folder)
    assert flow.filenames == ["cat/0.bmp"] and flow.class_indices == {"a": 0}
    flow = generator.flow_from_dataframe(columns, folder, validate_filenames=False)
    with pytest.raises(OSError, match=r"cat/(9.bmp|notes.txt)"):
        flow[0]


def test_silence_and_saving(folder, tmp_path, capsys):
    target = tmp_path / "out"
    target.mkdir()
    pyseq.config.disable_interactive_logging()
    try:
        flow = image.ImageDataGenerator().flow_from_directory(
            folder, target_size=(4, 5), batch_size=12, shuffle=False, save_to_dir=target, save_prefix="p"
        )
    finally:
        pyseq.config.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    next(flow)
    saved = sorted(target.iterdir(), key=lambda p: int(p.name.split("_")[1]))
    assert len(saved) == 12 and image.load_img(saved[0]).size == (5, 4)


def test_a_damaged_file_is_named(folder):
    (folder / "cat" / "0.bmp").write_bytes(b"BM nothing")
    flow = image.ImageDataGenerator().flow_from_directory(folder, batch_size=12)
    with pytest.raises(OSError, match=r"cat/0.bmp"):
        flow[0]


def test_retired_arguments(folder):
    generator = image.ImageDataGenerator()
    with pytest.warns(DeprecationWarning, match="drop_duplicates is retired"):
        generator.flow_from_dataframe(table(folder), folder, drop_duplicates=True)
    with pytest.warns(DeprecationWarning, match="now called 'raw'"):
        flow = generator.flow_from_dataframe(table(folder), folder, y_col="size", class_mode="other")
    assert flow.class_mode == "raw"
    with pytest.raises(TypeError, match="got 'colour'"):
        generator.flow_from_dataframe(table(folder), folder, colour=1)
    with pytest.warns(UserWarning, match="classes are not used"):
        generator.flow_from_dataframe(table(folder), folder, y_col="size", class_mode="raw", classes=["a"])


@pytest.mark.parametrize(
    "kwargs, error, message",
    [
        ({"class_mode": "odd"}, ValueError, r"\(class_mode\): expected one of .*got 'odd'"),
        ({"color_mode": "cmyk"}, ValueError, r"\(color_mode\): expected one of"),
        ({"target_size": (3,)}, ValueError, r"\(target_size\): expected \(height, width\)"),
        ({"subset": "test"}, ValueError, r"\(subset\)"),
        ({"class_mode": "binary"}, ValueError, "expected 2 classes for class_mode='binary', got 3"),
        ({"y_col": "angle"}, TypeError, "expected strings or lists of them in column 'angle'"),
        ({"y_col": "tags", "class_mode": "sparse"}, TypeError, "expected strings in column 'tags'"),
        ({"x_col": "angle"}, TypeError, r"\(x_col\): expected strings in column 'angle', got .*0"),
        ({"weight_col": "class"}, TypeError, r"\(weight_col\): expected numbers"),
        ({"class_mode": "multi_output"}, TypeError, "expected a list of columns"),
    ],
)
def test_wrong_arguments(folder, kwargs, error, message):
    with pytest.raises(error, match=message):
        image.ImageDataGenerator().flow_from_dataframe(table(folder), folder, **kwargs)


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"DirectoryIterator\(directory\): expected a folder"):
        image.ImageDataGenerator().flow_from_directory(tmp_path / "none")
