"""`.pyseq` files that C++ trains and Python opens: both ways, beside training in Python."""

import json
import struct

import numpy as np
import pytest

import pyseq
from pyseq import _core, layers, lowering

L = layers


def _data(shape, classes=3, rows=64, ids=None):
    rng = np.random.default_rng(1)
    x = rng.integers(0, ids, (rows, *shape)) if ids else rng.normal(size=(rows, *shape))
    return x.astype("float32"), rng.integers(0, classes, rows).astype("float32")


def _header(path):
    data = path.read_bytes()
    size = struct.unpack("<8sQQQ", data[:32])[1]
    return json.loads(data[64 : 64 + size])


# Layers by name with arguments for C++, and an input shape.
STACKS = {
    "dense": ((6,), [("Dense", dict(units=5, activation="relu")), ("Dropout", dict(rate=0.3))]),
    "activations": (
        (6,),
        [
            ("Dense", dict(units=5, activation="elu", kernel_regularizer="l2")),
            ("LeakyReLU", {}),
            ("Dense", dict(units=5, activation="swish", use_bias=False)),
            ("ReLU", dict(max_value=6.0, negative_slope=0.1)),
            ("ELU", {}),
            ("Activation", dict(activation="softmax")),
        ],
    ),
    "regularized": (
        (6,),
        [
            ("Rescaling", dict(scale=0.5, offset=1)),
            ("GaussianNoise", dict(stddev=0.1)),
            ("Dense", dict(units=8, kernel_regularizer=[0.01, 0.02], bias_regularizer="l1")),
            ("GaussianDropout", dict(rate=0.2)),
            ("AlphaDropout", dict(rate=0.2)),
            ("UnitNormalization", {}),
            ("RMSNormalization", {}),
            ("Softmax", {}),
        ],
    ),
    "image": (
        (9, 10, 3),
        [
            ("Conv2D", dict(filters=4, kernel_size=3, padding="same", activation="relu")),
            ("BatchNormalization", {}),
            ("MaxPooling2D", {}),
            ("Conv2D", dict(filters=6, kernel_size=[3, 2], strides=2, activation="softmax")),
            ("SpatialDropout2D", dict(rate=0.2)),
            ("GlobalAveragePooling2D", {}),
        ],
    ),
    "depthwise": (
        (8, 8, 4),
        [
            ("ZeroPadding2D", dict(padding=[1, 2])),
            ("DepthwiseConv2D", dict(kernel_size=3, depth_multiplier=2, activation="relu")),
            ("SeparableConv2D", dict(filters=6, kernel_size=3, padding="same")),
            ("GroupNormalization", dict(groups=2)),
            ("Cropping2D", dict(cropping=1)),
            ("AveragePooling2D", dict(pool_size=2, strides=1, padding="same")),
            ("Flatten", {}),
        ],
    ),
    "decoder": (
        (6,),
        [
            ("Dense", dict(units=24)),
            ("Reshape", dict(target_shape=[2, 3, -1])),
            ("Conv2DTranspose", dict(filters=3, kernel_size=3, strides=2, padding="same")),
            ("UpSampling2D", dict(size=2, interpolation="bilinear")),
            ("UpSampling2D", {}),
            ("GlobalMaxPooling2D", dict(keepdims=True)),
            ("Flatten", {}),
        ],
    ),
    "series": (
        (12, 3),
        [
            ("Conv1D", dict(filters=4, kernel_size=3, padding="causal", dilation_rate=2)),
            ("SeparableConv1D", dict(filters=4, kernel_size=3)),
            ("Conv1DTranspose", dict(filters=4, kernel_size=3, strides=2)),
            ("LayerNormalization", {}),
            ("MaxPooling1D", {}),
            ("GRU", dict(units=4, return_sequences=True, dropout=0.1)),
            ("Bidirectional", dict(layer="LSTM", units=3, return_sequences=True)),
            ("SpatialDropout1D", dict(rate=0.1)),
            ("SimpleRNN", dict(units=5, activation="relu", recurrent_regularizer="l2")),
        ],
    ),
    "words": (
        (7,),
        [
            ("Embedding", dict(input_dim=20, output_dim=4)),
            ("Bidirectional", dict(layer="GRU", units=3)),
            ("RepeatVector", dict(n=3)),
            ("Permute", dict(dims=[2, 1])),
            ("LSTM", dict(units=4, unit_forget_bias=False)),
        ],
    ),
    "volume": (
        (5, 5, 5, 2),
        [
            ("Conv3D", dict(filters=3, kernel_size=2, groups=1)),
            ("MaxPooling3D", {}),
            ("UpSampling3D", {}),
            ("ZeroPadding3D", {}),
            ("GlobalAveragePooling3D", {}),
        ],
    ),
}
OPTIMIZERS = {
    "sgd": dict(momentum=0.9, nesterov=True),
    "adam": dict(amsgrad=True, clipnorm=1.0),
    "adamw": {},
    "rmsprop": dict(momentum=0.5, centered=True),
    "adagrad": {},
    "adadelta": {},
    "adamax": {},
    "nadam": {},
    "lion": dict(weight_decay=0.01),
}


def _build(name, optimizer="adam", arguments=None):
    shape, stack = STACKS[name]
    net = _core.Sequential(list(shape), seed=3)
    for kind, given in stack:
        net.add(kind, **given)
    net.add("Dense", units=3, activation="softmax")
    return net.compile(
        "sparse_categorical_crossentropy",
        optimizer=optimizer,
        optimizer_arguments=arguments or {},
        metrics=["accuracy"],
    )


def _ops(spec):
    ops = [
        {k: v for k, v in op.items() if k not in ("name", "seed")} for op in spec["ops"]
    ]
    for op in ops:
        attributes = dict(op.pop("attributes", None) or op.pop("attrs", {}))
        attributes.pop("seed", None)
        attributes = {k: int(v) if isinstance(v, bool) else v for k, v in attributes.items()}
        op["attributes"] = {
            k: [int(i) if isinstance(i, bool) else i for i in v] if isinstance(v, list) else v
            for k, v in attributes.items()
        }
    return ops


@pytest.mark.parametrize("name", STACKS)
def test_cpp_builds_the_programs_that_python_lowers(name, tmp_path):
    path = tmp_path / "net.pyseq"
    _build(name).save(str(path))
    header, model = _header(path), pyseq.load_model(path)
    shape, _ = STACKS[name]
    graph, output = lowering.lower(model, shape, training=False)
    assert _ops(header) == _ops(graph.spec(output))
    assert header["slots"] == graph.spec(output)["slots"]
    step = model._training_step(shape, True)
    model.export(tmp_path / "python.pyseq", training=True)
    other = _header(tmp_path / "python.pyseq")["training"]
    training = header["training"]
    assert _ops(training) == _ops(other)
    for key in ("slots", "loss", "metrics", "target", "optimizers"):
        assert training[key] == other[key], key
    assert [p["variable"] for p in training["parameters"]] == [
        p["variable"] for p in other["parameters"]
    ]
    assert [p.get("penalty") for p in training["parameters"]] == [
        p.get("penalty") for p in other["parameters"]
    ]
    assert step["metrics"] == ["accuracy"]


@pytest.mark.parametrize("name", STACKS)
def test_a_model_trained_in_cpp_is_opened_continued_and_exported_again(name, tmp_path):
    shape, stack = STACKS[name]
    x, y = _data(shape, ids=20 if stack[0][0] == "Embedding" else None)
    net = _build(name)
    before = net.evaluate(x, y)[0]
    history = net.fit(x, y, epochs=8, batch_size=16)
    assert net.evaluate(x, y)[0] < before
    assert [epoch[0] for epoch in history] == list(range(1, 9)) and net.iterations == 32
    path = tmp_path / "net.pyseq"
    net.save(str(path))
    model = pyseq.load_model(path)
    predicted = net.model.predict(x)
    np.testing.assert_allclose(model.predict(x, verbose=0), predicted, atol=1e-5)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose([loss, accuracy], [net.evaluate(x, y)[0], *net.evaluate(x, y)[1]],
                               rtol=1e-4)
    assert int(model.optimizer.iterations) == 32
    model.fit(x, y, epochs=1, batch_size=16, verbose=0)
    assert int(model.optimizer.iterations) == 36
    again = tmp_path / "again.pyseq"
    model.save(again)
    back = _core.TrainableModel.load(str(again))
    assert back.iterations == 36
    np.testing.assert_allclose(back.model.predict(x), model.predict(x, verbose=0), atol=1e-5)
    back.fit(x, y)
    assert back.iterations == 38


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_in_cpp_is_the_step_of_python(optimizer, tmp_path):
    """From the same file, without anything random, both train to the same bits."""
    net = _build("image", optimizer, OPTIMIZERS[optimizer])
    x, y = _data(STACKS["image"][0])
    path = tmp_path / "net.pyseq"
    net.fit(x, y, epochs=2)  # states that are not zero
    net.save(str(path))
    model = pyseq.load_model(path)
    for layer in model.layers:
        if isinstance(layer, L.SpatialDropout2D):
            layer.rate = 0.0
    model.compile(model.optimizer, model.loss)
    model.save(path)
    other = _core.TrainableModel.load(str(path))
    model.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    other.fit(x, y, epochs=3, batch_size=16, shuffle=False)
    np.testing.assert_array_equal(other.model.predict(x), model.predict(x, verbose=0))


@pyseq.saving.register_keras_serializable("test_training_files")
def squares(y_true, y_pred):
    return pyseq.ops.mean(pyseq.ops.square(y_true - y_pred), axis=-1)


def _python_models():
    pyseq.utils.set_random_seed(2)
    yield (
        pyseq.Sequential([pyseq.Input((5,)), L.Dense(4, kernel_constraint="max_norm"), L.Dense(2)]),
        pyseq.optimizers.Adam(0.01, use_ema=True, gradient_accumulation_steps=2),
        "mse",
    )
    yield (
        pyseq.Sequential([pyseq.Input((5,)), L.Dense(4, activation="tanh"), L.Dense(2)]),
        pyseq.optimizers.SGD(pyseq.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
        squares,
    )
    yield (
        pyseq.Sequential([pyseq.Input((5,)), L.Normalization(mean=0.5, variance=2.0), L.Dense(2)]),
        "adafactor",
        pyseq.losses.Huber(0.5),
    )
    yield (
        pyseq.Sequential([pyseq.Input((5,), dtype="float64"), L.Dense(2, dtype="float64")]),
        "muon",
        "mae",
    )


@pytest.mark.parametrize("case", range(4))
def test_models_of_python_go_on_in_cpp(case, tmp_path):
    model, optimizer, loss = list(_python_models())[case]
    model.compile(optimizer, loss, metrics=["mae"])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)).astype("float32"), rng.normal(size=(40, 2)).astype("float32")
    model.fit(x, y, epochs=1, batch_size=10, verbose=0)
    path = tmp_path / "model.pyseq"
    model.export(path, training=True)
    net = _core.TrainableModel.load(str(path))
    assert net.metric_names == ["mae"] and net.iterations == 4
    rate = float(model.optimizer.learning_rate)
    np.testing.assert_allclose(net.learning_rate, rate, rtol=1e-6)
    want = model.evaluate(x, y, verbose=0)
    got = net.evaluate(x, y)
    np.testing.assert_allclose([got[0], *got[1]], want, rtol=1e-5)
    if case != 1:
        model.fit(x, y, epochs=1, batch_size=10, shuffle=False, verbose=0)
        net.fit(x, y, epochs=1, batch_size=10, shuffle=False)
        np.testing.assert_array_equal(
            net.model.predict(x), model.predict(x, verbose=0).astype("float32")
        )
    net.learning_rate = 0.0
    before = net.evaluate(x, y)[0]
    net.fit(x, y)
    if case in (1, 3):  # no average of weights, no rate of its own
        assert net.evaluate(x, y)[0] == before
    net.save(str(path))
    assert pyseq.load_model(path).predict(x, verbose=0).shape == (40, 2)


@pytest.mark.parametrize("normalized", [False, True])
def test_gradients_of_inputs(normalized, tmp_path):
    pyseq.utils.set_random_seed(1)
    stack = [pyseq.Input((6, 6, 2)), L.Conv2D(4, 3, activation="tanh", dtype="float64")]
    if normalized:
        stack.append(L.BatchNormalization(dtype="float64"))
    stack += [L.MaxPooling2D(dtype="float64"), L.Flatten(dtype="float64")]
    last = L.Dense(3, activation="softmax", kernel_regularizer="l2", dtype="float64")
    model = pyseq.Sequential([*stack, last])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = _data((6, 6, 2), rows=4)
    x, y = x.astype("float64"), y.astype("float64")
    model.fit(x, y, verbose=0)
    path = tmp_path / "model.pyseq"
    model.export(path, training=True)
    net = _core.TrainableModel.load(str(path))
    dx = net.input_gradients(x, y)
    assert dx.dtype == "float64" and np.abs(dx).max() > 1e-3
    rng = np.random.default_rng(3)
    for _ in range(10):
        at = tuple(rng.integers(0, n) for n in x.shape)
        step, ends = 1e-6, []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            ends.append(net.evaluate(moved, y)[0])
        np.testing.assert_allclose(dx[at], (ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_ids_have_no_gradient():
    net = _build("words")
    with pytest.raises(ValueError, match="expected gradients of an input of floats"):
        net.input_gradients(*_data((7,), rows=4, ids=20))


def test_files_say_what_they_are(tmp_path):
    model = pyseq.Sequential([pyseq.Input((4,)), L.Dense(2)])
    path = tmp_path / "model.pyseq"
    model.export(path)
    with pytest.raises(ValueError, match="expected a model that Python can open, got one for infer"):
        pyseq.load_model(path)
    with pytest.raises(ValueError, match="expected a model that was written to be trained"):
        _core.TrainableModel.load(str(path))
    with pytest.raises(ValueError, match="expected a model compiled with a loss"):
        model.export(path, training=True)
    model.save(path)
    opened = pyseq.load_model(path)
    np.testing.assert_array_equal(opened.get_weights()[0], model.get_weights()[0])
    _core.Model.load(str(path))  # C++'s inference opens all of them


def test_vocabularies_and_states_are_saved_too(tmp_path):
    layer = L.TextVectorization(output_sequence_length=4)
    layer.adapt(["a b c", "b c d e"])
    model = pyseq.Sequential([layer, L.Embedding(10, 3), L.Flatten(), L.Dense(1)])
    model.compile("adam", "mse")
    texts, y = np.array(["a b", "e d c"]), np.array([0.0, 1.0])
    model.fit(texts, y, epochs=2, verbose=0)
    path = tmp_path / "model.pyseq"
    model.save(path)
    opened = pyseq.load_model(path)
    np.testing.assert_array_equal(opened.predict(texts), model.predict(texts))
    opened.fit(texts, y, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("Dens", {}, "sequential: expected one of the layers Activation, .*, got Dens"),
        ("Dense", {}, "sequential, Dense: expected the argument `units`, got none"),
        ("Dense", dict(units=4, unit=3), "expected some of the arguments .*, got `unit`"),
        ("Dense", dict(units=0), "expected `units` to be an integer of 1 or more"),
        ("Conv2D", dict(filters=2, kernel_size=3), r"expected rows of 3 dimensions, got \(6\)"),
        ("Dense", dict(units=4, kernel_initializer="magic"), "expected zeros, ones, .* got magic"),
        ("Dropout", dict(rate=2.0), "expected a rate from 0 to 1, got 2"),
        ("Reshape", dict(target_shape=[4]), "expected a target_shape of 6 numbers, got one of 4"),
    ],
)
def test_the_builder_refuses(kind, arguments, message):
    net = _core.Sequential([6])
    with pytest.raises(ValueError, match=message):
        net.add(kind, **arguments)
    net.add("Dense", units=2)  # nothing of it was left behind
    assert net.output_shape == [2] and net.parameters == 14


def test_compile_in_cpp_refuses():
    net = _core.Sequential([6])
    net.add("Dense", units=2)
    with pytest.raises(ValueError, match="expected sgd, adam, .*, got magic"):
        net.compile("mse", optimizer="magic")
    with pytest.raises(ValueError, match="expected a loss or metric of this library"):
        net.compile("magic")
    with pytest.raises(ValueError, match="expected some of the arguments .*, got `beta`"):
        net.compile("mse", optimizer_arguments=dict(beta=1.0))
    model = net.compile("mse")
    with pytest.raises(ValueError, match="fit: expected data with 6 numbers of x"):
        model.fit(np.zeros((3, 5), "float32"), np.zeros((3, 2), "float32"))


@pyseq.saving.register_keras_serializable("test_training_files")
class Halved(L.Layer):
    """Saves its weight as half of what it is."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, x):
        return x * self.w

    def save_own_variables(self, store):
        store["0"] = self.w.numpy() / 2

    def load_own_variables(self, store):
        self.w.assign(store["0"] * 2)


def test_layers_save_what_they_choose(tmp_path):
    model = pyseq.Sequential([pyseq.Input((3,)), Halved()])
    model.save(tmp_path / "model.pyseq")
    opened = pyseq.load_model(tmp_path / "model.pyseq")
    np.testing.assert_array_equal(opened.get_weights()[0], np.ones(3))
