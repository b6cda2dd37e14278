"""Each row of docs/old_names.md is used as a script would use it."""

import importlib

import numpy as np
import pytest
from old_name_rows import KINDS

import pyseq
from pyseq import (
    Sequential,
    callbacks,
    constraints,
    layers,
    losses,
    optimizers,
    regularizers,
    utils,
)


@pytest.fixture(autouse=True)
def quiet():
    pyseq.config.disable_compat_notices()
    yield
    pyseq.config.enable_compat_notices()


def rows_of(kind):
    rows = sorted(KINDS[kind]())
    return pytest.mark.parametrize("row", rows, ids=[f"{r.where}-{r.old}" for r in rows])


# --- modules

# A name that each module of today has, for the old modules that stand for it.
KNOWN = {
    "backend": "floatx",
    "initializers": "Zeros",
    "layers": "Dense",
    "losses": "mean_squared_error",
    "models": "Sequential",
    "optimizers": "SGD",
    "optimizers.schedules": "ExponentialDecay",
    "saving": "load_model",
    "utils": "to_categorical",
    "wrappers": "SKLearnClassifier",
}


@rows_of("Modules")
def test_module(row):
    for home in row.today.replace("`", "").split(" or "):
        if home == "wrappers":
            pytest.importorskip("sklearn")
        name, script = KNOWN[home], {}
        exec(f"from pyseq.{row.old} import {name} as old; import pyseq.{row.old} as module", script)
        today = getattr(importlib.import_module(f"pyseq.{home}"), name)
        assert script["old"] is today is getattr(script["module"], name)
    # The module is a part of the one around it, as `keras.utils.np_utils` is.
    around, _, part = f"pyseq.{row.old}".rpartition(".")
    assert getattr(importlib.import_module(around), part) is script["module"]
    with pytest.raises(AttributeError, match="no attribute 'NoSuchName'"):
        _ = script["module"].NoSuchName


# --- classes and functions

# Arguments in old spellings, and the shape of an input.
OLD_LAYERS = {
    "AtrousConv1D": ((2, 3), {"atrous_rate": 2}, (8, 3)),
    "AtrousConv2D": ((2, 3, 3), {"atrous_rate": (2, 2)}, (8, 8, 3)),
    "AtrousConvolution1D": ((2, 3, "uniform", "relu"), {}, (8, 3)),
    "AtrousConvolution2D": ((2, 3, 3, "uniform", "relu"), {}, (8, 8, 3)),
    "BatchNormalizationV1": ((), {}, (3,)),
    "BatchNormalizationV2": ((), {}, (3,)),
    "Convolution2D": ((2, 3, 3), {"border_mode": "same", "init": "one"}, (8, 8, 3)),
    "Convolution3D": ((2, 3, 3, 3), {"subsample": (1, 1, 1)}, (4, 4, 4, 3)),
    "CuDNNGRU": ((3,), {"return_sequences": True}, (4, 3)),
    "CuDNNLSTM": ((3,), {"return_sequences": True}, (4, 3)),
    "Deconv2D": ((2, 3), {}, (8, 8, 3)),
    "Deconvolution2D": ((2, 3, 3, (None, 10, 10, 2)), {"border_mode": "valid"}, (8, 8, 3)),
    "Highway": ((), {"activation": "tanh", "bias": True}, (3,)),
    "LocallyConnected1D": ((2, 3), {"subsample_length": 2}, (8, 3)),
    "LocallyConnected2D": ((2, 3), {"subsample": (2, 2)}, (8, 8, 3)),
    "MaxoutDense": ((3,), {"nb_feature": 2, "init": "uniform"}, (3,)),
    "SeparableConvolution2D": ((2, 3, 3), {"depth_multiplier": 2}, (8, 8, 3)),
    "SyncBatchNormalization": ((), {}, (3,)),
    "ThresholdedReLU": ((), {"theta": 0.5}, (3,)),
    "TimeDistributedDense": ((2,), {"init": "one"}, (4, 3)),
}
UTILS = {
    "categorical_probas_to_classes": ([[0.1, 0.9], [0.8, 0.2]], [1, 0]),
    "convert_kernel": (np.arange(4.0).reshape(2, 2, 1, 1), [[[[3]], [[2]]], [[[1]], [[0]]]]),
    "probas_to_classes": ([[0.1, 0.9], [0.8, 0.2]], [1, 0]),
}
Y, P = np.eye(3)[[0, 1]], np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])


@rows_of("Classes and functions")
def test_name(row):
    name, module = row.old.removesuffix("()"), importlib.import_module(f"pyseq.{row.where}")
    value = getattr(module, name)
    today = row.today.strip("`").removesuffix("()")
    match row.where:
        case "backend":
            assert value.keras.layers.Dense is layers.Dense
        case "constraints" | "initializers" | "regularizers":
            expected = getattr(module, today)().get_config()
            assert value().get_config() == expected == module.get(name).get_config()
        case "losses" | "metrics":
            expected = getattr(losses, today.removeprefix("losses."))(Y, P)
            np.testing.assert_array_equal(value(Y, P), expected)
            model = Sequential([pyseq.Input((3,)), layers.Activation("linear")])
            model.compile("sgd", "mse", metrics=[name])
            if row.where == "losses":
                model.compile("sgd", name)
            history = model.fit(P, Y, verbose=0).history
            key = "loss" if row.where == "losses" else name
            assert history[key] == [pytest.approx(np.mean(expected), rel=1e-4)]
        case "optimizers":
            given = [optimizers.SGD(0.5)] if name == "TFOptimizer" else []
            optimizer = value(*given)
            assert type(optimizer).__name__ == ("SGD" if given else today)
            assert optimizer in given or not given
        case "layers":
            args, kwargs, shape = OLD_LAYERS[name]
            layer = value(*args, **kwargs)
            model = Sequential([pyseq.Input(shape), layer])
            model.compile("sgd", "mse")
            y = model.predict(np.ones((2, *shape)), verbose=0)
            assert y.shape[1:] == model.output_shape[1:]
            assert np.isfinite(model.train_on_batch(np.ones((2, *shape)), y + 1))
        case "models" if name == "slice_X":
            rows = np.arange(5)
            assert value(rows, 1, 3).tolist() == [1, 2]
            assert [x.tolist() for x in value([rows, rows * 2], [4, 0])] == [[4, 0], [8, 0]]
        case "models" if name == "model_from_yaml":
            model = model_of()
            assert value(model.to_yaml()).get_config() == model.get_config()
        case "models":
            assert value is getattr(layers, name)
        case "utils" if name == "plot":
            assert value is utils.plot_model
        case "utils":
            given, expected = UTILS[name]
            assert value(given).tolist() == getattr(utils.np_utils, name)(given).tolist() == expected


def test_refusals():
    with pytest.raises(TypeError, match=r"TFOptimizer: expected an optimizer of pyseq, got object; pass"):
        optimizers.TFOptimizer(object())
    with pytest.raises(ValueError, match=r"convert_kernel: expected a kernel of 3 to 5 axes"):
        utils.convert_kernel(np.ones((2, 2)))
    with pytest.raises(ValueError, match="losses.get: expected the name of a loss, got 'cosine_prox'"):
        losses.get("cosine_prox")


def test_probabilities_of_two_classes():
    assert utils.probas_to_classes([[0.25], [0.75]]).tolist() == [0, 1]


# --- arguments

_FILTERS = {"filters": 2, "kernel_size": 2}
# Arguments of today without which nothing is made, and the shape of an input.
NEEDED = {
    "Dense": ({"units": 3}, (4,)),
    "Highway": ({}, (4,)),
    "MaxoutDense": ({"units": 3}, (4,)),
    "Embedding": ({"input_dim": 5, "output_dim": 2}, (4,)),
    "Conv1D": (_FILTERS, (6, 3)),
    "Conv2D": (_FILTERS, (6, 6, 3)),
    "Conv2DTranspose": (_FILTERS, (6, 6, 3)),
    "Conv3D": (_FILTERS, (6, 6, 6, 3)),
    "SeparableConv1D": (_FILTERS, (6, 3)),
    "SeparableConv2D": (_FILTERS, (6, 6, 3)),
    "LocallyConnected1D": (_FILTERS, (6, 3)),
    "LocallyConnected2D": (_FILTERS, (6, 6, 3)),
    "ConvLSTM2D": (_FILTERS, (2, 6, 6, 3)),
    **dict.fromkeys(("GRU", "LSTM", "SimpleRNN"), ({"units": 3}, (6, 3))),
    **dict.fromkeys(
        "Dropout GaussianDropout AlphaDropout SpatialDropout1D SpatialDropout2D SpatialDropout3D".split(),
        ({"rate": 0.5}, None),
    ),
    "GaussianNoise": ({"stddev": 0.5}, None),
    "PReLU": ({}, (4,)),
    **dict.fromkeys((f"AveragePooling{n}D" for n in (1, 2, 3)), ({"pool_size": 2}, None)),
    "Reshape": ({"target_shape": (4,)}, None),
    "BatchNormalization": ({}, (4,)),
    "Optimizer": ({"learning_rate": 0.1}, None),
    "ModelCheckpoint": ({"filepath": "m.keras"}, None),
}
# The value of an old argument and that of the new one; or whole arguments, old and new.
VALUES = {
    "U_regularizer": ("l2", "l2"),
    "W_constraint": ("nonneg", "non_neg"),
    "W_regularizer": ("l2", "l2"),
    "alpha": (0.125, 0.125),
    "atrous_rate": (2, 2),
    "b_constraint": ("maxnorm", "max_norm"),
    "b_regularizer": ("l1", "l1"),
    "beta_init": ("one", "ones"),
    "bias": (False, False),
    "border_mode": ("same", "same"),
    "depthwise_init": ("zero", "zeros"),
    "dropout_U": (0.25, 0.25),
    "dropout_W": (0.25, 0.25),
    "filter_length": (3, 3),
    "gamma_init": ("zero", "zeros"),
    "init": ("one", "ones"),
    "inner_activation": ("tanh", "tanh"),
    "inner_init": ("zero", "zeros"),
    "l": (0.5, 0.5),
    "length": (3, 3),
    "m": (1, 1),
    "nb_filter": (5, 5),
    "output_dim": (5, 5),
    "p": (0.25, 0.25),
    "pointwise_init": ("zero", "zeros"),
    "pool_length": (3, 3),
    "sigma": (0.25, 0.25),
    "stride": (3, 3),
    "subsample": (2, 2),
    "subsample_length": (2, 2),
    "dims": ((2, 2), (2, 2)),
    "forget_bias_init": ({"forget_bias_init": "zero"}, {"unit_forget_bias": False}),
    "dim_ordering": ({"dim_ordering": "th"}, {"data_format": "channels_first"}),
    "nb_row": ({"nb_row": 3, "nb_col": 2}, {"kernel_size": (3, 2)}),
    "nb_col": ({"nb_row": 2, "nb_col": 3}, {"kernel_size": (2, 3)}),
    **dict.fromkeys(
        ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
        ({"kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3}, {"kernel_size": (1, 2, 3)}),
    ),
    "lr": ({"lr": 0.5}, {"learning_rate": 0.5}),
    "epsilon": ({"epsilon": None}, {}),
    # Without effect.
    "consume_less": ({"consume_less": "gpu"}, {}),
    "dropout": ({"dropout": 0.0}, {}),
    "mode": ({"mode": 2}, {}),
    "output_shape": ({"output_shape": (None, 7, 7, 2)}, {}),
    "schedule_decay": ({"schedule_decay": 0.004}, {}),
}
# Where another value is needed, or the argument has no effect.
OF_CLASS = {
    ("LocallyConnected1D", "border_mode"): ({"border_mode": "valid"}, {}),
    ("LocallyConnected2D", "border_mode"): ({"border_mode": "valid"}, {}),
    ("SimpleRNN", "inner_activation"): ({"inner_activation": "tanh"}, {}),
}


def is_class(where):
    return where[0].isupper() and where != "ModelCheckpoint"


def class_called(name):
    modules = (layers, optimizers, constraints, regularizers)
    return next(getattr(m, name) for m in modules if hasattr(m, name))


def config(cls, kwargs):
    return {k: v for k, v in cls(**kwargs).get_config().items() if k != "name"}


def given_and_meant(row):
    old, new = OF_CLASS.get((row.where, row.old)) or VALUES[row.old]
    if isinstance(old, dict):
        return old, new
    return {row.old: old}, {row.today.strip("`").removesuffix("="): new}


@rows_of("Arguments")
def test_argument(row, tmp_path):
    if not is_class(row.where):
        return CALLS[row.where](row.old, tmp_path)
    cls, (needed, shape) = class_called(row.where), NEEDED.get(row.where, ({}, None))
    if row.old == "weights":
        return check_weights(cls, needed, shape)
    if row.old == "decay":
        assert cls(**needed, decay=0.25).decay == 0.25
        return None
    if row.old == "input_dim":
        assert Sequential([cls(**needed, input_dim=4, input_length=6)]).input_shape == (None, 6, 4)
        return None
    old, new = given_and_meant(row)
    rest = {k: v for k, v in needed.items() if k not in new}
    assert config(cls, {**rest, **old}) == config(cls, {**rest, **new})
    if new and rest == needed:
        assert config(cls, {**rest, **new}) != config(cls, rest)


def check_weights(cls, needed, shape):
    first = cls(**needed)
    first.build((None, *shape))
    weights = [w + 1 for w in first.get_weights()]
    layer = cls(**needed, weights=weights)
    layer.build((None, *shape))
    assert len(weights) == len(layer.get_weights()) > 0
    for ours, theirs in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


X, T = np.arange(20.0, dtype="float32").reshape(10, 2) / 20, np.eye(2, dtype="float32")[[0, 1] * 5]


def model_of(**kwargs):
    model = Sequential([pyseq.Input((2,)), layers.Dense(2, "softmax")])
    model.compile("sgd", "categorical_crossentropy", **kwargs)
    return model


def compile_(name, path):
    value = {"class_mode": "categorical", "sample_weight_mode": "temporal", "target_tensors": None}
    assert model_of(**{name: value[name]}).evaluate(X, T, verbose=0) > 0


_WORKERS = {"max_queue_size": 5, "workers": 2, "use_multiprocessing": True}


def fit(name, path):
    value = {"nb_epoch": 3, "show_accuracy": True, **_WORKERS}[name]
    history = model_of().fit(X, T, verbose=0, **{name: value})
    assert len(history.epoch) == (3 if name == "nb_epoch" else 1)
    assert ("accuracy" in history.history) == (name == "show_accuracy")


def evaluate(name, path):
    model, value = model_of(), {"show_accuracy": True, **_WORKERS}[name]
    answer = model.evaluate(X, T, verbose=0, **{name: value})
    assert np.size(answer) == (2 if name == "show_accuracy" else 1)


def predict(name, path):
    y = model_of().predict(X, verbose=0, **{name: _WORKERS[name]})
    assert y.shape == (10, 2)


def model_checkpoint(name, path):
    saver = callbacks.ModelCheckpoint(str(path / "{epoch}.keras"), **{name: {"period": 2}[name]})
    model_of().fit(X, T, epochs=3, verbose=0, callbacks=[saver])
    assert [p.name for p in path.iterdir()] == ["2.keras"]


def to_categorical(name, path):
    assert utils.to_categorical([0, 1], **{name: {"nb_classes": 3}[name]}).shape == (2, 3)


def batches():
    while True:
        yield X[:5], T[:5]


# Of 5 rows each; what counted rows, counts batches.
_ROWS = {"max_q_size": 3, "nb_worker": 2, "pickle_safe": True}


def fit_generator(name, path):
    seen = []
    count = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append("train"))
    tests = callbacks.LambdaCallback()
    tests.on_test_batch_end = lambda batch, logs=None: seen.append("test")
    value = {"nb_epoch": 2, "nb_val_samples": 15, "samples_per_epoch": 20, "val_samples": 15, **_ROWS}
    given = {"steps_per_epoch": 2, "validation_steps": 1, name: value[name]}
    new = {"samples_per_epoch": "steps_per_epoch"}.get(name, "validation_steps")
    if "samples" in name:
        del given[new]
    model_of().fit_generator(
        batches(), validation_data=batches(), callbacks=[count, tests], verbose=0, **given
    )
    epochs = 2 if name == "nb_epoch" else 1
    assert seen.count("train") == (4 if name == "samples_per_epoch" else 2 * epochs)
    assert seen.count("test") == (3 if name.endswith("val_samples") else epochs)


def evaluate_generator(name, path):
    model, value = model_of(), {"val_samples": 10, **_ROWS}[name]
    given = {name: value} if name == "val_samples" else {"steps": 2, name: value}
    expected = model.evaluate(X[:5], T[:5], verbose=0)
    assert model.evaluate_generator(batches(), **given) == pytest.approx(expected)


def predict_generator(name, path):
    value = {"val_samples": 10, **_ROWS}[name]
    given = {name: value} if name == "val_samples" else {"steps": 2, name: value}
    assert model_of().predict_generator(batches(), **given).shape == (10, 2)


CALLS = {
    "ModelCheckpoint": model_checkpoint,
    "compile": compile_,
    "evaluate": evaluate,
    "evaluate_generator": evaluate_generator,
    "fit": fit,
    "fit_generator": fit_generator,
    "predict": predict,
    "predict_generator": predict_generator,
    "to_categorical": to_categorical,
}

# --- places


def _add_weight():
    layer = layers.Layer()
    return layer.add_weight("scale", (3,), "float32", "ones")


PLACES = {
    "Dense": lambda: layers.Dense(3, "uniform").kernel_initializer.__class__.__name__ == "RandomUniform"
    and Sequential([layers.Dense(7, 3)]).input_shape == (None, 7),
    **{
        name: lambda name=name: type(getattr(layers, name)(3, "he_normal").kernel_initializer).__name__
        == "HeNormal"
        for name in ("GRU", "LSTM", "SimpleRNN")
    },
    **{
        f"AveragePooling{n}D": lambda n=n: getattr(layers, f"AveragePooling{n}D")().pool_size == (2,) * n
        for n in (1, 2, 3)
    },
    "compile": lambda: "mae" in _compiled().fit(X, T, verbose=0).history,
    "add_weight": lambda: (_add_weight().name, _add_weight().shape) == ("scale", (3,)),
}


def _compiled():
    model = model_of()
    model.compile("sgd", "mse", ["mae"])
    return model


@rows_of("Places of arguments")
def test_place(row):
    assert PLACES[row.where]()


# --- attributes


def in_model(layer, shape=(2,)):
    return Sequential([pyseq.Input(shape), layer]).layers[0]


def during_fit(read):
    model, seen = model_of(), []
    look = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(read(model, look)))
    model.fit(X, T, validation_data=(X[:4], T[:4]), callbacks=[look], verbose=0)
    return [part.shape for part in seen[0]] == [(4, 2), (4, 2), (4,)]


def dense():
    return in_model(layers.Dense(2))


def is_same(layer, old, new):
    return getattr(layer, old) is getattr(layer, new)


def sgd(**kwargs):
    optimizer = optimizers.SGD(**kwargs)
    optimizer.lr = 2 * optimizer.lr
    return optimizer


ATTRIBUTES = {
    "Callback.validation_data": lambda: during_fit(lambda model, callback: callback.validation_data),
    "Layer.U": lambda: in_model(layers.LSTM(2), (3, 2)).U.shape == (2, 8),
    "Layer.W": lambda: is_same(dense(), "W", "kernel"),
    "Layer.b": lambda: is_same(dense(), "b", "bias"),
    "Layer.get_input_at": lambda: dense().get_input_at(0).shape == (None, 2),
    "Layer.get_input_shape_at": lambda: dense().get_input_shape_at(0) == (None, 2),
    "Layer.get_output_at": lambda: dense().get_output_at(0).shape == (None, 2),
    "Layer.get_output_shape_at": lambda: dense().get_output_shape_at(0) == (None, 2),
    "Layer.inner_activation": lambda: layers.GRU(2).inner_activation.__name__ == "sigmoid",
    "Layer.input_shape": lambda: dense().input_shape == (None, 2),
    "Layer.nb_filter": lambda: layers.Conv1D(5, 2).nb_filter == 5,
    "Layer.output_dim": lambda: dense().output_dim == 2,
    "Layer.output_shape": lambda: dense().output_shape == (None, 2),
    "Layer.p": lambda: layers.Dropout(0.25).p == 0.25,
    "Layer.uses_learning_phase": lambda: layers.Dropout(0.5).uses_learning_phase
    and layers.Bidirectional(layers.LSTM(2, recurrent_dropout=0.5)).uses_learning_phase
    and not dense().uses_learning_phase,
    "Model.evaluate_generator": lambda: model_of().evaluate_generator(batches(), 2) > 0,
    "Model.fit_generator": lambda: len(model_of().fit_generator(batches(), 2, 3, 0).epoch) == 3,
    "Model.model": lambda: (model := model_of()).model is model,
    "Model.predict_classes": lambda: set(model_of().predict_classes(X)) <= {0, 1},
    "Model.predict_generator": lambda: model_of().predict_generator(batches(), 2).shape == (10, 2),
    "Model.predict_proba": lambda: model_of().predict_proba(X).shape == (10, 2),
    "Model.to_yaml": lambda: "Sequential" in model_of().to_yaml(),
    "Model.uses_learning_phase": lambda: not model_of().uses_learning_phase
    and Sequential([layers.BatchNormalization()]).uses_learning_phase,
    "Model.validation_data": lambda: during_fit(lambda model, callback: model.validation_data),
    "Optimizer.decay": lambda: (sgd(decay=0.5).decay, sgd().decay) == (0.5, 0.0),
    "Optimizer.lr": lambda: sgd(learning_rate=0.25).learning_rate == 0.5,
}


@rows_of("Attributes and methods")
def test_attribute(row):
    assert ATTRIBUTES[f"{row.where}.{row.old}"]()


@rows_of("Names in logs")
def test_name_in_logs(row):
    today = row.today.partition("`, ")[0].strip("`").removeprefix("val_")
    metrics = [] if today == "learning_rate" else [today]
    rate = callbacks.LearningRateScheduler(lambda epoch: 0.01)
    stop = callbacks.EarlyStopping(row.old if metrics else "loss", min_delta=1e12, mode="max")
    history = model_of(metrics=metrics).fit(
        X, T, validation_data=(X, T), epochs=4, callbacks=[rate, stop], verbose=0
    )
    assert len(history.epoch) == 2
    assert history.history[row.old] == history.history[row.today.partition("`, ")[0].strip("`")]


def test_no_row_lacks_an_example_and_no_example_a_row():
    def of(kind, where=None):
        return {row.old for row in KINDS[kind]() if where in (None, row.where)}

    assert OLD_LAYERS.keys() == of("Classes and functions", "layers")
    assert UTILS.keys() | {"plot"} == of("Classes and functions", "utils")
    classes = [row for row in KINDS["Arguments"]() if is_class(row.where)]
    assert VALUES.keys() | {"weights", "decay", "input_dim"} == {row.old for row in classes}
    assert CALLS.keys() == {row.where for row in KINDS["Arguments"]()} - {r.where for r in classes}
    assert PLACES.keys() == {row.where for row in KINDS["Places of arguments"]()}
    attributes = {f"{row.where}.{row.old}" for row in KINDS["Attributes and methods"]()}
    assert ATTRIBUTES.keys() == attributes
