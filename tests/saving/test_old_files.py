"""Files of Keras 2, in every format: values of layers beside Keras, losses, metrics, optimizers."""

import json

import numpy as np
import old_files as old
import pytest
from old_files import BIAS, CELL, KERNEL, NORM, RECURRENT, SEQUENCE, conv, layer

import pyseq
from pyseq import layers as L
from pyseq.registry import serialization
from pyseq.saving import load_model

pytestmark = [
    # From torch inside Keras.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def images(k):
    rows = [
        layer("Conv2D", "a", filters=3, **conv(2)),
        layer("DepthwiseConv2D", "b", filters=None, **old.BY_DEPTH, **conv(2)),
        layer("BatchNormalization", "c", axis=[3], fused=True, virtual_batch_size=None,
              adjustment=None, **NORM, **old.MOVING),
        layer("SeparableConv2D", "d", filters=4, **old.BY_DEPTH, **old.BY_POINT, **conv(2)),
        layer("Conv2DTranspose", "e", filters=2, output_padding=None, **conv(2)),
        layer("SpatialDropout2D", "f", rate=0.5, noise_shape=None, data_format="channels_last"),
        layer("LeakyReLU", "g", alpha={"type": "ndarray", "value": 0.25}),
        layer("ThresholdedReLU", "h", theta=0.1),
    ]  # fmt: skip
    reference = [k.Conv2D(3, 2), k.DepthwiseConv2D(2), k.BatchNormalization(),
                 k.SeparableConv2D(4, 2), k.Conv2DTranspose(2, 2), k.SpatialDropout2D(0.5),
                 k.LeakyReLU(negative_slope=0.25), k.ReLU(threshold=0.1)]  # fmt: skip
    return (7, 7, 2), rows, reference


def sequences(k):
    lstm = {"activation": "tanh", "recurrent_activation": "sigmoid", "unit_forget_bias": True,
            "implementation": 2, **RECURRENT, **SEQUENCE}  # fmt: skip
    plain = {"activation": "tanh", "implementation": 1, **RECURRENT, **SEQUENCE}
    rows = [
        layer("Conv1DTranspose", "a", filters=3, output_padding=None, **conv(1)),
        layer("SpatialDropout1D", "b", rate=0.5, noise_shape=None),
        layer("SeparableConv1D", "c", filters=4, **old.BY_DEPTH, **old.BY_POINT, **conv(1)),
        layer("Bidirectional", "d", layer=layer("LSTM", "inner", units=2, **lstm),
              merge_mode="concat"),
        # Before there were two kinds of GRU.
        layer("GRU", "e", units=3, recurrent_activation="sigmoid", **plain),
        layer("SimpleRNN", "f", units=2, **plain),
        layer("LayerNormalization", "g", axis=[2], **NORM),
        layer("RNN", "h", cell=layer("StackedRNNCells", "cells", reverse_state_order=False, cells=[
            layer("GRUCell", "one", units=2, activation="tanh", recurrent_activation="sigmoid",
                  reset_after=True, implementation=2, **CELL),
            layer("SimpleRNNCell", "two", units=3, activation="tanh", implementation=1, **CELL),
        ]), **SEQUENCE, num_constants=None),
        layer("TimeDistributed", "i", layer=layer("Dense", "inner_2", units=2,
              activation="softmax_v2", **KERNEL, **BIAS)),
    ]  # fmt: skip
    reference = [
        k.Conv1DTranspose(3, 2), k.SpatialDropout1D(0.5), k.SeparableConv1D(4, 2),
        k.Bidirectional(k.LSTM(2, return_sequences=True)),
        k.GRU(3, return_sequences=True, reset_after=False), k.SimpleRNN(2, return_sequences=True),
        k.LayerNormalization(), k.RNN([k.GRUCell(2), k.SimpleRNNCell(3)], return_sequences=True),
        k.TimeDistributed(k.Dense(2, activation="softmax")),
    ]  # fmt: skip
    return (6, 3), rows, reference


def maps(k):
    rows = [
        layer("DepthwiseConv1D", "a", **old.BY_DEPTH, **conv(1)),
        layer("SyncBatchNormalization", "b", axis=[2], **NORM, **old.MOVING),
        layer("Activation", "c", activation="softmax_v2"),
        layer("Reshape", "d", target_shape={"class_name": "__tuple__", "items": [5, 1, 1, 3]}),
        layer("Conv3DTranspose", "e", filters=2, output_padding=None, **conv(3)),
    ]
    reference = [k.DepthwiseConv1D(2), k.BatchNormalization(), k.Activation("softmax"),
                 k.Reshape((5, 1, 1, 3)), k.Conv3DTranspose(2, 2)]  # fmt: skip
    return (6, 3), rows, reference


def reference_model(keras, case, rng):
    shape, rows, layers = case(keras.layers)
    theirs = keras.Sequential([keras.Input(shape), *layers])
    theirs.set_weights([rng.uniform(0.1, 1, w.shape).astype("float32") for w in theirs.weights])
    x = rng.normal(size=(3, *shape)).astype("float32")
    return theirs, old.sequential([old.input_layer(shape), *rows]), x


@pytest.mark.parametrize("case", [images, sequences, maps])
def test_h5(keras, case, rng, tmp_path):
    theirs, config, x = reference_model(keras, case, rng)
    weights = {}
    for row, their in zip(config["config"]["layers"][1:], theirs.layers, strict=True):
        name = row["config"]["name"]
        weights[name] = [
            (f"{name}/{v.path.partition('/')[2]}:0", np.asarray(v)) for v in their.weights
        ]
    old.write_h5(tmp_path / "old.h5", config, weights, old.training())
    model = load_model(tmp_path / "old.h5")
    assert [row.name for row in model.layers] == list(weights)
    assert model.optimizer.learning_rate == np.float32(0.001)
    expected = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    # What was read can be written, and read again.
    model.save(tmp_path / "new.keras")
    again = load_model(tmp_path / "new.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("case", [images, sequences, maps])
def test_keras(keras, case, rng, tmp_path):
    theirs, config, x = reference_model(keras, case, rng)
    ours = pyseq.Sequential.from_config(
        {"name": None, "layers": [old.with_modules(row) for row in config["config"]["layers"]]}
    )
    ours.set_weights([np.asarray(w) for w in theirs.weights])
    variables = {
        place.replace("layers/", "", 1): [v.numpy() for v in obj._own_variables()]
        for place, obj in pyseq.saving.tree.entries(ours)
        if place
    }
    optimizer = {"module": "keras.optimizers", **old.ADAM, "class_name": "Adam",
                 "registered_name": "Adam"}  # fmt: skip
    compiled = {"optimizer": optimizer, "loss": "mse", "metrics": ["mae"], "loss_weights": None,
                "weighted_metrics": None, "run_eagerly": None, "steps_per_execution": None,
                "jit_compile": None}  # fmt: skip
    old.write_keras(tmp_path / "old.keras", config, variables, compiled)
    model = load_model(tmp_path / "old.keras")
    expected = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)
    assert type(model.optimizer).__name__ == "Adam" and model.get_compile_config()["metrics"] == [
        "mae"
    ]
    json_model = pyseq.models.model_from_json(json.dumps(config))
    assert json_model.count_params() == model.count_params()


def test_the_first_layer_says_the_shape(rng, tmp_path):
    rows = [
        layer("SpatialDropout1D", "a", rate=0.5, noise_shape=None, batch_input_shape=[None, 4, 3]),
        layer("LSTM", "b", units=2, activation="tanh", recurrent_activation="sigmoid",
              unit_forget_bias=True, **RECURRENT, **SEQUENCE),
    ]  # fmt: skip
    weights = [("b/kernel:0", rng.normal(size=(3, 8))), ("b/recurrent:0", rng.normal(size=(2, 8))),
               ("b/bias:0", rng.normal(size=8))]  # fmt: skip
    # A list of layers came before a dict; sizes of inputs lay beside their shape.
    for config in (old.sequential(rows), {"class_name": "Sequential", "config": rows}):
        old.write_h5(tmp_path / "old.h5", config, {"a": [], "b": weights}, old.training())
        assert load_model(tmp_path / "old.h5").input_shape == (None, 4, 3)
    rows = [{**rows[1], "config": {**rows[1]["config"], "batch_input_shape": [None, 4, 3],
                                   "input_dim": 3, "input_length": None}}]  # fmt: skip
    old.write_h5(tmp_path / "old.h5", old.sequential(rows), {"b": weights}, old.training())
    assert load_model(tmp_path / "old.h5").input_shape == (None, 4, 3)


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (layer("Conv2DTranspose", "a", filters=2, **{**conv(2), "groups": 2}), "groups .* got 2"),
        (layer("SpatialDropout1D", "a", rate=0.5, noise_shape=[None, 1, 3]), "noise_shape"),
        (layer("BatchNormalization", "a", axis=[3], virtual_batch_size=4), "virtual_batch_size"),
        (layer("Bidirectional", "b", layer=layer("LSTM", "a", units=1, time_major=True)), "True"),
    ],
)
def test_values_that_mean_something_are_refused(row, value):
    with pytest.raises(ValueError, match=f"a: .*retired argument .*{value}"):
        serialization.deserialize_keras_object(row)
    with pytest.raises(ValueError, match=f"a: .*retired argument .*{value}"):
        serialization.deserialize_keras_object(old.with_modules(row))


def test_classes_of_users_keep_their_arguments(tmp_path):
    class Grouped(L.Conv2DTranspose):
        def __init__(self, groups=1, **kwargs):
            super().__init__(**kwargs)
            self.groups = groups

    row = layer("Grouped", "a", filters=2, **{**conv(2), "groups": 2})
    made = serialization.deserialize_keras_object(row, {"Grouped": Grouped})
    assert made.groups == 2

    class CuDNNLSTM(L.Layer):
        pass

    row = layer("CuDNNLSTM", "a")
    made = serialization.deserialize_keras_object(row, {"CuDNNLSTM": CuDNNLSTM})
    assert type(made) is CuDNNLSTM


def to_cudnn(arrays, gates):
    """What CuDNNLSTM and CuDNNGRU of Keras 2 keep in place of the arrays of LSTM and GRU."""
    kernel, recurrent, bias = arrays
    kernels = [k.T.reshape(k.shape) for k in np.split(kernel, gates, axis=1)]
    recurrents = [k.T for k in np.split(recurrent, gates, axis=1)]
    bias = np.concatenate([0.25 * bias, 0.75 * bias]) if gates == 4 else bias.reshape(-1)
    return [np.concatenate(kernels, 1), np.concatenate(recurrents, 1), bias]


@pytest.mark.parametrize("name", ["CuDNNLSTM", "CuDNNGRU"])
@pytest.mark.parametrize("around", [None, "Bidirectional"])
def test_cudnn(keras, name, around, rng, tmp_path):
    kind, gates = name.removeprefix("CuDNN"), {"CuDNNLSTM": 4, "CuDNNGRU": 3}[name]
    theirs = keras.Sequential([keras.Input((5, 4)), getattr(keras.layers, kind)(3)])
    if around:
        theirs = keras.Sequential(
            [keras.Input((5, 4)), keras.layers.Bidirectional(getattr(keras.layers, kind)(3))]
        )
    arrays = [rng.normal(size=w.shape).astype("float32") for w in theirs.weights]
    theirs.set_weights(arrays)
    keys = ("kernel_initializer", "recurrent_initializer", "bias_initializer")
    config = {k: RECURRENT[k] for k in keys}
    config.update(units=3, return_sequences=False, return_state=False, go_backwards=False,
                  stateful=False, time_major=False)  # fmt: skip
    row = layer(name, "a", **config)
    if around:
        row = layer(around, "a", layer=layer(name, "b", **config), merge_mode="concat")
    stored = [a for i in range(0, len(arrays), 3) for a in to_cudnn(arrays[i : i + 3], gates)]
    parts = ["kernel", "recurrent_kernel", "bias"]
    paths = ["a/forward_b", "a/backward_b"] if around else ["a"]
    names = [f"{path}/{part}:0" for path in paths for part in parts]
    weights = {"a": list(zip(names, stored, strict=True))}
    config = old.sequential([old.input_layer((5, 4)), row])
    old.write_h5(tmp_path / "old.h5", config, weights, old.training())
    old.write_h5(tmp_path / "weights.h5", None, weights)
    x = rng.normal(size=(2, 5, 4)).astype("float32")
    expected = theirs.predict(x, verbose=0)
    model = load_model(tmp_path / "old.h5")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
    model.set_weights([np.zeros(w.shape) for w in model.weights])
    model.load_weights(tmp_path / "weights.h5")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
    # Another kind of GRU has no place for two biases.
    other = pyseq.Sequential([pyseq.Input((5, 4)), L.GRU(3, reset_after=False)])
    if kind == "GRU" and not around:
        with pytest.raises(ValueError, match="expected for .* shape .* got"):
            other.load_weights(tmp_path / "weights.h5")


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_names_that_meant_something_else(ending, tmp_path):
    row = layer("Dense", "a", units=1, activation="hard_sigmoid", **KERNEL, **BIAS)
    config = old.sequential([old.input_layer((1,)), row])
    kernel, bias = np.ones((1, 1), "f"), np.zeros(1, "f")
    path = tmp_path / f"old{ending}"
    if ending == ".h5":
        weights = {"a": [("a/kernel:0", kernel), ("a/bias:0", bias)]}
        old.write_h5(path, config, weights, old.training())
    else:
        old.write_keras(path, config, {"dense": [kernel, bias]})
    x = np.array([[1.0]], "float32")
    with pytest.warns(UserWarning, match=r"hard_sigmoid was clip\(0.2 x \+ 0.5, 0, 1\)"):
        model = load_model(path)
    np.testing.assert_allclose(model.predict(x, verbose=0), 1 / 6 + 0.5, rtol=1e-6)

    def before(x):
        return pyseq.ops.clip(0.2 * x + 0.5, 0, 1)

    model = load_model(path, custom_objects={"hard_sigmoid": before})
    np.testing.assert_allclose(model.predict(x, verbose=0), 0.7, rtol=1e-6)
    # Files of today mean today's function, without a word.
    model = pyseq.Sequential([pyseq.Input((1,)), L.Dense(1, activation="hard_sigmoid")])
    model.compile("sgd", "mse")
    model.save(path)
    load_model(path)


def halve(x):
    return x / 2


def test_lambda_of_a_named_function(tmp_path, rng):
    def file(function, **config):
        row = layer("Lambda", "a", function=function, function_type="function", module="__main__",
                    output_shape=None, output_shape_type="raw", output_shape_module=None,
                    arguments={}, **config)  # fmt: skip
        config = old.sequential([old.input_layer((2,)), row])
        old.write_h5(tmp_path / "old.h5", config, {"a": []}, old.training())
        return tmp_path / "old.h5"

    x = np.array([[2.0, -4.0]], "float32")
    model = load_model(file("halve"), custom_objects={"halve": halve})
    np.testing.assert_array_equal(model.predict(x, verbose=0), x / 2)
    model = load_model(file("relu"))  # one of this library
    np.testing.assert_array_equal(model.predict(x, verbose=0), [[2.0, 0.0]])
    with pytest.raises(ValueError, match="expected a function of pyseq or of custom_objects"):
        load_model(file("halve"))
    with pytest.raises(ValueError, match="a: expected no code, got the bytecode"):
        load_model(file(["4wEAAAAA", None, None]))
    model = load_model(file(["4wEAAAAA", None, None]), custom_objects={"a": halve})
    np.testing.assert_array_equal(model.predict(x, verbose=0), x / 2)


# --- what compile was given


def compiled_model(tmp_path, optimizer=old.ADAM, loss="mse", metrics=None, **kwargs):
    rows = [old.input_layer((3,)), layer("Dense", "a", units=1, activation="linear",
                                         **KERNEL, **BIAS)]  # fmt: skip
    weights = {"a": [("a/kernel:0", np.ones((3, 1), "f")), ("a/bias:0", np.zeros(1, "f"))]}
    state = kwargs.pop("state", None)
    compiled = old.training(optimizer, loss, metrics)
    old.write_h5(tmp_path / "old.h5", old.sequential(rows), weights, compiled, state)
    return load_model(tmp_path / "old.h5", **kwargs)


X = np.arange(12, dtype="float32").reshape(4, 3) / 10
Y = np.ones((4, 1), "float32")


@pytest.mark.parametrize("decay", [0.0, 0.25])
@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam"])
def test_decay(keras, decay, name, tmp_path):
    steps = [("iter:0", np.int64(2))]
    config = {"name": name, "lr": 0.1, "decay": decay}
    model = compiled_model(tmp_path, {"class_name": name, "config": config}, state=steps)
    rate = 0.1
    if decay:
        rate = keras.optimizers.schedules.InverseTimeDecay(0.1, 1, decay)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.1 / (1 + 2 * decay))
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    theirs.set_weights([np.ones((3, 1)), np.zeros(1)])
    theirs.compile(getattr(keras.optimizers, name)(rate), "mse")
    theirs.optimizer.iterations.assign(2)
    arguments = dict(epochs=3, batch_size=2, shuffle=False, verbose=0)
    expected = theirs.fit(X, Y, **arguments).history["loss"]
    np.testing.assert_allclose(model.fit(X, Y, **arguments).history["loss"], expected, rtol=1e-4)


def test_decay_beside_a_schedule_is_refused(tmp_path):
    schedule = {"class_name": "ExponentialDecay",
                "config": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5,
                           "staircase": False, "name": None}}  # fmt: skip
    config = {"learning_rate": schedule, "decay": 0.0}
    model = compiled_model(tmp_path, {"class_name": "SGD", "config": config})
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)
    config["decay"] = 0.5
    with pytest.raises(ValueError, match="retired argument decay"):
        compiled_model(tmp_path, {"class_name": "SGD", "config": config})


def test_nadam(tmp_path):
    config = {"learning_rate": 0.002, "beta_1": 0.9, "beta_2": 0.999, "epsilon": None}
    for key in ("schedule_decay", "decay"):
        described = {"class_name": "Nadam", "config": {**config, key: 0.004}}
        model = compiled_model(tmp_path, described)
        assert model.optimizer.learning_rate == np.float32(0.002)
        described["config"][key] = 0.5
        with pytest.raises(ValueError, match=f"retired argument {key}"):
            compiled_model(tmp_path, described)


def test_state_slot_by_slot(tmp_path):
    config = {"name": "Adam", "learning_rate": 0.01, "decay": 0.0, "beta_1": 0.9, "beta_2": 0.999,
              "epsilon": 1e-7, "amsgrad": False}  # fmt: skip
    values = [np.full((3, 1), 0.1), np.full(1, 0.2), np.full((3, 1), 0.3), np.full(1, 0.4)]
    names = ["Adam/a/kernel/m:0", "Adam/a/bias/m:0", "Adam/a/kernel/v:0", "Adam/a/bias/v:0"]
    state = [("Adam/iter:0", np.int64(7)), *zip(names, values, strict=True)]
    model = compiled_model(tmp_path, {"class_name": "Adam", "config": config}, state=state)
    optimizer = model.optimizer
    assert int(optimizer.iterations) == 7
    kernel, bias = (optimizer.slots_for(v) for v in model.trainable_variables)
    for variable, value in zip((kernel[0], bias[0], kernel[1], bias[1]), values, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value.astype("float32"))
    # State of other shapes is left, the number of steps is not.
    with pytest.warns(UserWarning, match="its state is not loaded"):
        model = compiled_model(tmp_path, {"class_name": "Adam", "config": config}, state=state[:4])
    assert int(model.optimizer.iterations) == 7


@pytest.mark.parametrize("has_rate", [False, True])
def test_state_in_keras_files(has_rate, tmp_path):
    rows = [old.input_layer((3,)), layer("Dense", "a", units=1, activation="linear",
                                         **KERNEL, **BIAS)]  # fmt: skip
    slots = [np.full(shape, 0.1 * i, "f") for i, shape in enumerate([(3, 1), (3, 1), (1,), (1,)])]
    state = [np.int64(7), *([np.float32(0.5)] if has_rate else []), *slots]
    optimizer = {"module": "keras.optimizers", **old.ADAM, "class_name": "Adam",
                 "registered_name": "Adam"}  # fmt: skip
    variables = {"dense": [np.ones((3, 1), "f"), np.zeros(1, "f")]}
    compiled = {"optimizer": optimizer, "loss": "mse"}
    path = tmp_path / "old.keras"
    old.write_keras(path, old.sequential(rows), variables, compiled, state)
    optimizer = load_model(path).optimizer
    assert int(optimizer.iterations) == 7
    assert optimizer.learning_rate == np.float32(0.5 if has_rate else 0.001)
    for variable, value in zip(optimizer.variables[2:], slots, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    old.write_keras(path, old.sequential(rows), variables, compiled, state[:-1])
    with pytest.warns(UserWarning, match="its state is not loaded"):
        load_model(path)


def wrapper(name, fn, kind="MeanMetricWrapper"):
    return {"class_name": kind, "config": {"name": name, "dtype": "float32", "fn": fn}}


@pyseq.saving.register_keras_serializable("old_files")
def largest(y_true, y_pred):
    return pyseq.ops.max(pyseq.ops.abs(y_true - y_pred), axis=-1)


def test_metrics_by_wrappers(tmp_path):
    described = {"module": "builtins", "class_name": "function", "config": "old_files>largest",
                 "registered_name": "function"}  # fmt: skip
    metrics = [
        wrapper("mae", "mean_absolute_error"),
        wrapper("mean_squared_error", "mean_squared_error"),
        wrapper("error", "mean_squared_error"),
        wrapper("top", described),
        wrapper("again", "old_files>largest"),
        wrapper("mine", "halves", "SumOverBatchSizeMetricWrapper"),
        {"class_name": "MeanAbsoluteError", "config": {"name": "plain", "dtype": "float32"}},
    ]

    def halves(y_true, y_pred):
        return largest(y_true, y_pred) / 2

    model = compiled_model(tmp_path, metrics=[metrics], custom_objects={"halves": halves})
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    error = np.abs(X.sum(1) - 1)
    expected = {"loss": (error**2).mean(), "mae": error.mean(), "error": (error**2).mean(),
                "mean_squared_error": (error**2).mean(), "top": error.mean(),
                "again": error.mean(), "mine": error.mean() / 2, "plain": error.mean()}  # fmt: skip
    assert logs == pytest.approx(expected, rel=1e-5)
    # A name that a user wrote stays one.
    assert model.get_compile_config()["metrics"][0][:2] == ["mae", "mean_squared_error"]


@pytest.mark.parametrize("name", ["MeanMetricWrapper", "LossFunctionWrapper"])
def test_wrappers_in_any_format(name):
    config = {"name": "top", "fn": "old_files>largest"}
    row = {"module": f"keras.{'metrics' if 'Metric' in name else 'losses'}", "class_name": name,
           "config": config, "registered_name": None}  # fmt: skip
    made = serialization.deserialize_keras_object(row)
    assert float(made(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))) == 3.0
    again = type(made).from_config(config)
    assert float(again(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))) == 3.0
    config["fn"] = "unknown"
    with pytest.raises(ValueError, match="expected a function of pyseq or of custom_objects"):
        serialization.deserialize_keras_object(row)


def test_losses_by_wrappers(tmp_path):
    loss = wrapper("top", "old_files>largest", "LossFunctionWrapper")
    loss["config"] = {"reduction": "auto", "name": "top", "fn": "old_files>largest"}
    model = compiled_model(tmp_path, loss=loss)
    error = np.abs(X.sum(1) - 1).mean()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(error, rel=1e-5)
    loss = {"class_name": "Huber", "config": {"reduction": "auto", "name": "h", "delta": 0.5}}
    assert compiled_model(tmp_path, loss=loss).loss.delta == 0.5


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_wrappers_both_ways(keras, ending, tmp_path):
    def build(module, function):
        model = module.Sequential([module.Input((3,)), module.layers.Dense(1)], name="wrapped")
        model.set_weights([np.ones((3, 1)), np.zeros(1)])
        metrics = [module.metrics.MeanMetricWrapper(function, name="top"), "mae", function]
        model.compile("sgd", "mean_squared_error", metrics=metrics)
        model.evaluate(X, Y, verbose=0)
        return model

    @keras.saving.register_keras_serializable("old_files", name="largest")
    def theirs(y_true, y_pred):
        return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)

    error = np.abs(X.sum(1) - 1)
    values = sorted([(error**2).mean(), error.mean(), error.mean(), error.mean()])
    build(pyseq, largest).save(tmp_path / f"ours{ending}")
    build(keras, theirs).save(tmp_path / f"theirs{ending}")
    for path in (f"ours{ending}", f"theirs{ending}"):
        logs = load_model(tmp_path / path).evaluate(X, Y, verbose=0, return_dict=True)
        assert {"loss", "top", "mae"} < set(logs)
        assert sorted(logs.values()) == pytest.approx(values, rel=1e-5)
