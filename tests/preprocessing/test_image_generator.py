"""`ImageDataGenerator` over arrays, beside Keras with the same seeds."""

import copy
import importlib
import pickle
import warnings

import numpy as np
import pytest

from pyseq.preprocessing import image

OPTIONS = [
    {},
    {"rotation_range": 30, "width_shift_range": 0.2, "height_shift_range": 0.1, "zoom_range": 0.3},
    {"width_shift_range": 3, "height_shift_range": [-2, 1], "fill_mode": "constant", "cval": 9.0},
    {"width_shift_range": 2.5, "height_shift_range": [0.1, 0.4], "fill_mode": "wrap"},
    {"shear_range": 20, "zoom_range": [0.7, 1.4], "fill_mode": "reflect", "interpolation_order": 0},
    {"rotation_range": 30, "interpolation_order": 3},
    {"horizontal_flip": True, "vertical_flip": True, "channel_shift_range": 40.0},
    {"brightness_range": (0.4, 1.6), "rescale": 1 / 255},
    {"samplewise_center": True, "samplewise_std_normalization": True},
    {"preprocessing_function": lambda x: x[::-1] * 2, "dtype": "float64"},
    {"rotation_range": 30, "horizontal_flip": True, "data_format": "channels_first"},
]
FITTED = [
    {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 0.1},
    {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 1e-3},
    {"featurewise_center": True, "data_format": "channels_first", "vertical_flip": True},
]


@pytest.fixture(scope="module")
def legacy(keras):
    pytest.importorskip("scipy")
    return importlib.import_module("keras.src.legacy.preprocessing.image")


def images_for(rng, options):
    shape = (7, 3, 6, 8) if options.get("data_format") == "channels_first" else (7, 6, 8, 3)
    return (rng.random(shape) * 255).astype("float32")


def same(got, want):
    if isinstance(want, (tuple, list)):
        assert type(got) is type(want) and len(got) == len(want)
        for a, b in zip(got, want):
            same(a, b)
    else:
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(o) or "default")
def test_batches(legacy, rng, options):
    if "brightness_range" in options:
        pytest.importorskip("PIL")  # Keras needs it
    x, y = images_for(rng, options), np.arange(7)
    kept = x.copy()
    flows = [m.ImageDataGenerator(**options).flow(x, y, batch_size=3, seed=11) for m in (image, legacy)]
    assert [len(f) for f in flows] == [3, 3]
    for _ in range(5):
        same(*(next(f) for f in flows))
    for index in (0, 2, 1, 0):
        same(*(f[index] for f in flows))
    for f in flows:
        np.random.seed(5)
        f.on_epoch_end()
    same(*(f[1] for f in flows))
    np.testing.assert_array_equal(x, kept)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("options", FITTED, ids=lambda o: " ".join(o))
@pytest.mark.parametrize("augment", [False, True])
def test_fit(legacy, rng, options, augment):
    x = images_for(rng, options)
    batches = []
    for module in (image, legacy):
        generator = module.ImageDataGenerator(**options)
        generator.fit(x, augment=augment, rounds=2, seed=4)
        batches.append(generator.flow(x, shuffle=False, batch_size=4, seed=2)[0])
    assert batches[0].dtype == batches[1].dtype
    np.testing.assert_allclose(*batches, rtol=1e-4, atol=1e-3)


def test_transforms_draw_as_keras(legacy):
    for options in OPTIONS:
        ours, theirs = (m.ImageDataGenerator(**options) for m in (image, legacy))
        for seed in range(20):
            shape = (6, 8, 3)
            assert ours.get_random_transform(shape, seed) == theirs.get_random_transform(shape, seed)


def test_random_transform_and_apply(rng):
    generator = image.ImageDataGenerator(rotation_range=30, horizontal_flip=True)
    x = rng.random((5, 6, 3))
    applied = generator.apply_transform(x, generator.get_random_transform(x.shape, seed=1))
    np.testing.assert_array_equal(generator.random_transform(x, seed=1), applied)
    assert generator.apply_transform(x, {}) is x
    flipped = generator.apply_transform(x, {"flip_vertical": True})
    np.testing.assert_array_equal(flipped, x[::-1])


def test_brightness_of_channels_first(rng):
    """Keras takes the first axis for rows here."""
    x = (rng.random((5, 6, 3)) * 255).astype("float32")
    parameters = {"brightness": 0.3}
    last = image.ImageDataGenerator().apply_transform(x, parameters)
    first = image.ImageDataGenerator(data_format="channels_first")
    got = first.apply_transform(x.transpose(2, 0, 1), parameters)
    np.testing.assert_array_equal(got.transpose(1, 2, 0), last)


def test_standardize_of_whole_numbers():
    generator = image.ImageDataGenerator(rescale=0.5)
    x = np.full((2, 2, 3), 3, np.uint8)
    got = generator.standardize(x)
    assert got.dtype == np.float32 and (got == 1.5).all() and (x == 3).all()


def test_split_more_inputs_and_weights(legacy, rng):
    x, y, w = images_for(rng, {}), np.array([0, 1, 0, 1, 1, 0, 1]), np.arange(7.0)
    more = [np.arange(7), rng.random((7, 2))]
    for subset, rows in (("validation", slice(2)), ("training", slice(2, None))):
        flows = [
            m.ImageDataGenerator(validation_split=0.3).flow((x, more), y, subset=subset, shuffle=False)
            for m in (image, legacy)
        ]
        same(*(f[0] for f in flows))
        weighted = image.ImageDataGenerator(validation_split=0.3).flow(
            x, y, sample_weight=w, subset=subset, shuffle=False
        )
        np.testing.assert_array_equal(weighted[0][2], w[rows])  # Keras gives the first ones to both
    same(*(m.ImageDataGenerator().flow((x, more[0]), seed=1)[0] for m in (image, legacy)))
    unequal = np.arange(7)
    split = image.ImageDataGenerator(validation_split=0.3)
    with pytest.raises(ValueError, match="same classes in both parts"):
        split.flow(x, unequal, subset="training")
    assert split.flow(x, unequal, subset="training", ignore_class_split=True).n == 5


def test_iterator_by_hand(rng):
    flow = image.ImageDataGenerator().flow(images_for(rng, {}), np.arange(7), batch_size=3, shuffle=False)
    assert (flow.n, flow.batch_size, flow.x.shape) == (7, 3, (7, 6, 8, 3))
    assert [flow.next()[1].tolist() for _ in range(4)] == [[0, 1, 2], [3, 4, 5], [6], [0, 1, 2]]
    flow.reset()
    assert next(flow)[1].tolist() == [0, 1, 2]
    assert flow[-1][1].tolist() == [6]
    with pytest.raises(ValueError, match="NumpyArrayIterator: expected a batch below 3, got 3"):
        flow[3]
    for copied in (pickle.loads(pickle.dumps(flow)), copy.deepcopy(flow)):
        assert next(copied)[1].tolist() == [3, 4, 5]


def test_state_of_an_iterator(rng):
    x = images_for(rng, {})
    flow = image.ImageDataGenerator().flow(x, np.arange(7), batch_size=3, seed=8)
    next(flow)
    state = flow.get_state()
    want = [next(flow)[1].tolist() for _ in range(4)]
    other = image.ImageDataGenerator().flow(x, np.arange(7), batch_size=3, seed=8)
    other.set_state(state)
    assert [next(other)[1].tolist() for _ in range(4)] == want
    other.set_state(image.ImageDataGenerator().flow(x, seed=8).get_state())
    assert other.index_array is None


def test_save_to_dir(tmp_path, rng):
    pytest.importorskip("PIL")
    flow = image.ImageDataGenerator().flow(
        images_for(rng, {}), batch_size=7, shuffle=False, save_to_dir=tmp_path, save_prefix="a", save_format="jpeg"
    )
    next(flow)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.split("_")[:2] for name in names] == [["a", str(i)] for i in range(7)]
    assert image.load_img(tmp_path / names[0]).size == (8, 6)


def test_base_class():
    with pytest.raises(TypeError, match="defines _get_batches_of_transformed_samples"):
        image.Iterator(4, 2, False, None)[0]
    with pytest.raises(ValueError, match=r"Iterator\(batch_size\): expected at least 1, got 0"):
        image.Iterator(4, 0, False, None)


@pytest.mark.parametrize(
    "options, changed",
    [
        ({"zca_whitening": True}, ("featurewise_center", True)),
        ({"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True}, ("featurewise_std_normalization", False)),
        ({"featurewise_std_normalization": True}, ("featurewise_center", True)),
        ({"samplewise_std_normalization": True}, ("samplewise_center", True)),
    ],
)
def test_options_that_bring_others(legacy, options, changed):
    with pytest.warns(UserWarning, match=f"goes with {changed[0]}={changed[1]}"):
        ours = image.ImageDataGenerator(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = legacy.ImageDataGenerator(**options)
    assert getattr(ours, changed[0]) == getattr(theirs, changed[0]) == changed[1]


@pytest.mark.parametrize("option", ["featurewise_center", "zca_whitening"])
def test_without_fit(option):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generator = image.ImageDataGenerator(**{option: True})
    with pytest.warns(UserWarning, match=r"expected fit\(images\) before"):
        assert generator.standardize(np.ones((2, 2, 3))).sum() == 12


@pytest.mark.parametrize(
    "options, message",
    [
        ({"zoom_range": [1, 2, 3]}, r"\(zoom_range\): expected a number or two"),
        ({"zoom_range": "ab"}, "got 'ab'"),
        ({"brightness_range": 0.5}, r"\(brightness_range\): expected two numbers or None, got 0.5"),
        ({"validation_split": 1.5}, r"\(validation_split\): expected a share"),
        ({"data_format": "last"}, "expected one of"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        image.ImageDataGenerator(**options)


def test_wrong_arrays():
    generator = image.ImageDataGenerator()
    x = np.ones((4, 3, 3, 3))
    for args, message in (
        ((x[0],), r"images \(N, H, W, C\), got shape \(3, 3, 3\)"),
        ((x, np.ones(3)), "expected 4 rows in y"),
        ((x, None, 2, True, np.ones(5)), "expected 4 rows in sample_weight"),
        (((x, np.ones(3)),), "expected 4 rows in x"),
        ((list(x),), "a pair .images, more., got 4 parts; make one array"),
    ):
        with pytest.raises(ValueError, match=message):
            generator.flow(*args)
    with pytest.raises(ValueError, match=r"\(subset\): expected one of"):
        generator.flow(x, subset="test")
    with pytest.raises(ValueError, match="fit: expected images"):
        generator.fit(x[0])
    with pytest.warns(UserWarning, match="1, 3 or 4 channels on axis 3"):
        generator.flow(np.ones((4, 3, 3, 2)))
    with pytest.warns(UserWarning, match="1, 3 or 4 channels on axis 3"):
        generator.fit(np.ones((4, 3, 3, 2)))
