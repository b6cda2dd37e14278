"""Values of the rows that are read, splits, and units that are dead."""

import warnings

import numpy as np
import pytest

import pyseq
from pyseq import checks, layers

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 4)).astype("float32")
Y = X[:, :1]
IMAGES = rng.integers(0, 256, (64, 4, 4, 1)).astype("uint8")
IMAGES[0, 0, 0], IMAGES[0, 0, 1] = 0, 255


def compiled(*parts, shape=(4,), loss="mse", **options):
    model = pyseq.Sequential([pyseq.Input(shape), *parts])
    model.compile("sgd", loss, **options)
    return model


def dense(units=1, activation=None, name="last"):
    return layers.Dense(units, activation=activation, name=name)


def told(act):
    with np.errstate(all="ignore"), warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(w.message) for w in found if isinstance(w.message, checks.CheckWarning)]


def spoiled(array, row, value=np.nan):
    array = np.array(array)
    array[row] = value
    return array


def test_numbers_that_are_not_finite():
    mend = "leave such rows out or fill them in: np.isfinite finds them [PS304]"
    lost = ("fit: the loss ceased to be finite in epoch 1, batch 1, at learning rate 0.01; {} holds "
            "{} there: leave such rows out or fill them in, then train anew [PS401]")  # fmt: skip
    for name, value, arrays in [
        ("x", "nan", (spoiled(X, 5), Y)),
        ("x", "-inf", (spoiled(X, 5, -np.inf), Y)),
        ("y", "inf", (X, spoiled(Y, 5, np.inf))),
        ("sample_weight", "nan", (X, Y, spoiled(np.ones(64), 5))),
    ]:
        x, y, w = (*arrays, None)[:3]
        at_once = {"batch_size": 64, "verbose": 0, "sample_weight": w}
        assert told(lambda: compiled(dense()).fit(x, y, **at_once)) == [
            f"fit: expected finite numbers, got {value} in row 5 of {name}; {mend}",
            lost.format(name, value),
        ]
        assert told(lambda: compiled(dense()).evaluate(x, y, **at_once)) == [
            f"evaluate: expected finite numbers, got {value} in row 5 of {name}; {mend}"
        ]
    (found,) = compiled(dense()).check(spoiled(X, 5))
    assert str(found) == f"x: expected finite numbers, got nan in row 5 of x; {mend}"


def test_what_users_read_may_be_nan():
    def masked(y_true, y_pred):
        from pyseq import ops

        return ops.mean(ops.where(ops.isnan(y_true), 0.0, ops.square(y_true - y_pred)))

    assert compiled(dense(), loss=masked).check(X, spoiled(Y, 5)) == []
    fill = layers.Lambda(pyseq.ops.nan_to_num)
    assert compiled(fill, dense()).check(spoiled(X, 5), Y) == []
    assert compiled(dense()).check(np.full((64, 4), 3e38, "float32")) == []  # their sum is infinite


def test_a_lost_loss_names_the_data_of_its_batch():
    order = iter([(X, Y), (X, spoiled(Y, 3))])
    assert told(lambda: compiled(dense()).fit(order, verbose=0)) == [
        "fit: the loss ceased to be finite in epoch 1, batch 2, at learning rate 0.01; y holds nan "
        "there: leave such rows out or fill them in, then train anew [PS401]"
    ]


def test_weights_that_are_not_finite():
    model = compiled(layers.Dense(3, name="first"), dense())
    model.layers[0].kernel.assign(spoiled(np.ones((4, 3)), (0, 0)))
    assert [str(f) for f in model.check()] == [
        "first: expected finite weights, got NaN or infinity in 8.33 % of kernel; train from new "
        "weights or load a checkpoint, at a lower learning rate [PS504]"
    ]


def test_bytes_of_images():
    text = ("conv: the inputs run from 0 to 255, as the bytes of images do; scale them: x / 255, or "
            "layers.Rescaling(1 / 255) as the first layer [PS305]")  # fmt: skip
    conv = lambda: [layers.Conv2D(2, 3, name="conv"), layers.Flatten(), dense()]  # noqa: E731
    shape = IMAGES.shape[1:]
    assert told(lambda: compiled(*conv(), shape=shape).fit(IMAGES, Y, verbose=0)) == [text]
    flat = [layers.Flatten(), layers.Dense(2, name="conv"), dense()]
    assert [str(f) for f in compiled(*flat, shape=shape).check(IMAGES.astype("float64"))] == [text]
    for first in (
        layers.Rescaling(1 / 255), layers.Normalization(), layers.BatchNormalization(),
    ):  # fmt: skip
        assert compiled(first, *conv(), shape=shape).check(IMAGES) == []
    assert compiled(*conv(), shape=shape).check(IMAGES / 255) == []
    assert (
        compiled(dense()).check(255 * np.arange(256.0).reshape(64, 4) / 255) == []
    )  # four columns


def test_wild_scales():
    wild = X * [1, 1e6, 1, 1]
    text = ("last: the columns of x differ wildly: column 1 varies by {:.3g}, column {} by {:.3g}; put "
            "layers.Normalization() first and call its adapt(x), or scale the columns [PS306]")  # fmt: skip
    spread = wild.std(axis=0)
    least = int(np.argmin(spread))
    text = text.format(spread[1], least, spread[least])
    assert [str(f) for f in compiled(dense()).check(wild)] == [text]
    with np.errstate(all="ignore"):
        assert told(lambda: compiled(dense()).fit(wild, Y, verbose=0, batch_size=64)) == [text]
    normal = layers.Normalization()
    normal.adapt(wild)
    assert compiled(normal, dense()).check(wild) == []
    constant = X * [1, 0, 1, 1] + [0, 1e3, 0, 0]
    assert compiled(dense()).check(constant) == compiled(dense()).check(X * [1, 100, 1, 1]) == []


SEEN = ("fit: {} of the validation rows are also rows of the training data; validate on rows that are "
        "kept apart, such as validation_split=0.2 [PS307]")  # fmt: skip


def test_validation_rows_that_were_trained_on():
    def fit(x, v):
        y = np.zeros((len(x), 1)), np.zeros((len(v), 1))
        return told(
            lambda: compiled(dense()).fit(x, y[0], validation_data=(v, y[1]), epochs=2, verbose=0)
        )

    other = rng.normal(size=(64, 4)).astype("float32")
    assert fit(X, X) == fit(X, X[10:40].copy()) == [SEEN.format("all")]
    assert fit(X, np.concatenate([X[:48], other[:16]])) == [SEEN.format("about 75 %")]
    assert fit(X, other) == fit(X, np.concatenate([X[:8], other[:56]])) == []
    # A table of few values repeats its rows; that is no mistake.
    table = np.tile([[0.0, 0, 1, 1], [1, 0, 1, 0]], (32, 1))
    assert fit(table, table[:10]) == []


def test_many_training_rows_are_sampled():
    many = rng.normal(size=(70000, 4)).astype("float32")
    context = checks.Context(compiled(dense()), "fit", many, x_val=many[:5000].copy())
    (found,) = checks.splits.seen_rows(context)
    assert found[1].endswith("are also rows of the training data")
    context = checks.Context(compiled(dense()), "fit", many[5000:], x_val=many[:5000])
    assert list(checks.splits.seen_rows(context)) == []


def test_a_sorted_split():
    labels = np.repeat(np.arange(4), 16)
    text = ("fit: 100 % of the validation rows are of classes that the training data lack: 3; the rows "
            "look sorted by class: shuffle x and y together before the split [PS308]")  # fmt: skip

    def fit(loss, y, units=4):
        model = compiled(dense(units, "softmax" if units > 1 else "sigmoid"), loss=loss)
        return told(lambda: model.fit(X, y, validation_split=0.25, verbose=0))

    sparse = "sparse_categorical_crossentropy"
    assert fit(sparse, labels) == fit("categorical_crossentropy", np.eye(4)[labels]) == [text]
    assert fit(sparse, labels[:, None]) == [text]
    shuffled = rng.permutation(labels)
    assert fit(sparse, shuffled) == fit("categorical_crossentropy", np.eye(4)[shuffled]) == []
    assert fit("binary_crossentropy", labels == 3, 1) == [text.replace(": 3;", ": 1;")]


def test_ids_outside_an_embedding():
    def make():
        table = layers.Embedding(10, 3, name="table")
        return compiled(table, layers.Flatten(), dense(), shape=(5,))

    ids = rng.integers(0, 10, (64, 5))
    large, below = spoiled(ids, (7, 2), 10), spoiled(ids, (7, 2), -1)
    assert make().check(ids) == []
    assert [str(f) for f in make().check(large)] == [
        "table: expected ids from 0 to 9, got 10 in row 7; give layer table input_dim=11, or mend the "
        "ids [PS309]"
    ]
    assert [str(f) for f in make().check(below)] == [
        "table: expected ids from 0 to 9, got -1 in row 7; number the ids from 0 [PS309]"
    ]
    for bad, got, fix in (
        (large, 10, "give layer table an input_dim above every id, or mend the ids"),
        (below, -1, "number the ids from 0"),
    ):
        for name in ("fit", "evaluate", "predict", "train_on_batch", "predict_on_batch", "__call__"):
            data = (bad, Y) if name in ("fit", "evaluate", "train_on_batch") else (bad,)
            quiet = {"verbose": 0} if name in ("fit", "evaluate", "predict") else {}
            model = make()
            model.predict(ids, verbose=0)  # later calls go the short way
            with pytest.raises(checks.CheckError) as told:
                getattr(model, name)(*data, **quiet)
            said = f"table: expected ids from 0 to 9, got {got} in row 7; {fix} [PS309]"
            assert (str(told.value), told.value.code) == (said, "PS309")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 2.5e9])
def test_ids_that_are_no_ids(bad):
    model = compiled(layers.Embedding(10, 3, name="table"), layers.Flatten(), dense(), shape=(5,))
    x = spoiled(rng.integers(0, 10, (64, 5)).astype("float32"), (7, 2), bad)
    found = [f for f in model.check(x) if f.code == "PS309"]
    with pytest.raises(checks.CheckError) as told:
        model.predict(x)
    assert [f.message for f in found] == [told.value.finding.message]
    assert ("np.isfinite" in told.value.finding.fix) == (not np.isfinite(bad))


def test_dead_units():
    model = compiled(layers.Dense(20, activation="relu", name="first"), dense())

    def kill(count):
        model.layers[0].bias.assign([-100] * count + [1] * (20 - count))
        return [str(f) for f in model.check(X)]

    text = (
        "give 0 for all of 64 rows; lower the learning rate, scale the inputs, or use "
        "activation='leaky_relu' [PS505]"
    )
    assert kill(19) == [f"first: 19 of 20 units {text}"]
    assert f"first: 20 of 20 units {text}" in kill(20)
    assert kill(18) == []  # 10 by chance, and 8 are about four deviations


def test_new_layers_on_rows_that_are_much_alike():
    x = 5 + 1e-3 * rng.normal(size=(64, 4))
    for _ in range(20):
        model = compiled(layers.Dense(30, activation="relu"), dense())
        assert model.check(x) == []
