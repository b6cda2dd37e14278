"""What scripts written for Keras do with models: symbolic tensors, copies, subclasses."""

import copy
import pickle

import numpy as np
import pytest

import pyseq
from pyseq import layers, ops

rows = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
targets = rows[:, :2]


def small(compiled=True):
    model = pyseq.Sequential(
        [
            pyseq.Input((4,)),
            layers.Dense(3, activation="relu", name="hidden"),
            layers.Dense(2, name="head"),
        ]
    )
    if compiled:
        model.compile("adam", "mse")
        model.fit(rows, targets, verbose=0)
    return model


def test_symbolic_tensors_of_a_model():
    start = pyseq.Input((4,), name="start")
    model = pyseq.Sequential([start, layers.Dense(3), layers.Dense(2)])
    assert model.inputs == [start] and model.input is start
    assert model.outputs == [model.layers[-1].output]
    assert model.layers[0].input is start
    assert [layer.output.shape for layer in model.layers] == [(None, 3), (None, 2)]
    with pytest.raises(AttributeError, match="Input\\(shape\\)"):
        layers.Dense(2, name="alone").output  # noqa: B018


def test_layers_called_on_an_input_make_a_straight_model():
    x = start = pyseq.Input((4,))
    for layer in (layers.Dense(3, activation="tanh"), layers.Dropout(0.5), layers.Dense(2)):
        x = layer(x)
    assert x.shape == (None, 2)
    model = pyseq.Model(start, x, name="line")
    assert isinstance(model, pyseq.Sequential) and model.name == "line"
    model.compile("sgd", "mse")
    model.fit(rows, targets, verbose=0)
    again = pyseq.Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(rows, verbose=0), model.predict(rows, verbose=0))


def test_model_up_to_a_layer_shares_its_weights():
    model = small()
    features = pyseq.Model(inputs=model.inputs, outputs=model.get_layer("hidden").output)
    expected = np.maximum(rows @ model.layers[0].kernel.numpy() + model.layers[0].bias.numpy(), 0)
    np.testing.assert_allclose(features.predict(rows, verbose=0), expected, rtol=1e-5, atol=1e-6)
    # As in Keras, a model of tensors lists its input, a Sequential does not.
    assert isinstance(features.layers[0], pyseq.layers.InputLayer)
    assert features.layers[1] is model.layers[0]
    assert features.get_layer(index=1) is features.get_layer("hidden") is model.layers[0]


def test_model_of_several_outputs():
    model = small()
    both = pyseq.Model(model.input, [layer.output for layer in model.layers])
    hidden, head = both(rows)
    assert both.output_shape == [(None, 3), (None, 2)]
    np.testing.assert_array_equal(head, model(rows))
    np.testing.assert_array_equal(hidden, both.predict(rows, verbose=0)[0])
    with pytest.raises(ValueError, match="one output to save"):
        both.get_config()
    with pytest.raises(ValueError, match="one output to train on"):
        both.compile("sgd", "mse")
        both.fit(rows, targets, verbose=0)


def test_models_that_are_no_line():
    a, b = pyseq.Input((4,)), pyseq.Input((4,))
    with pytest.raises(ValueError, match="one line of layers"):
        pyseq.Model(a, [layers.Dense(1)(a), layers.Dense(1)(a)])
    with pytest.raises(ValueError, match="does not come from it"):
        pyseq.Model(a, layers.Dense(1)(b))
    with pytest.raises(ValueError, match="add the layer itself"):
        pyseq.Sequential([layers.Dense(1)(a)])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_of_a_trained_model_train_on_alike(copied):
    model = small()
    other = copied(model)
    assert other.optimizer.iterations == 1 and model.optimizer.iterations == 1
    for m in (model, other):
        m.fit(rows, targets, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    other.layers[0].kernel.assign(np.zeros((4, 3)))
    assert model.layers[0].kernel.numpy().any()


def test_clone_model_compiles_the_copy():
    clone = pyseq.models.clone_model(small())
    assert clone.compiled and clone.optimizer.iterations == 0
    clone.fit(rows, targets, verbose=0)
    assert not pyseq.models.clone_model(small(compiled=False)).compiled


def test_clone_model_with_a_lambda():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Lambda(lambda x: 2 * x)])
    np.testing.assert_array_equal(pyseq.models.clone_model(model)(rows), 2 * rows)
    nested = pyseq.Sequential([model, layers.Activation(lambda x: x + 1)])
    np.testing.assert_array_equal(pyseq.models.clone_model(nested)(rows), 2 * rows + 1)


def test_a_model_built_from_data_takes_other_lengths():
    model = pyseq.Sequential([layers.LSTM(3, return_sequences=True), layers.Dense(1)])
    model.compile("sgd", "mse")

    def batches():
        for steps in (5, 7):
            yield np.ones((2, steps, 2)), np.zeros((2, steps, 1))

    model.fit(batches(), steps_per_epoch=2, verbose=0)
    assert model.predict(np.ones((1, 9, 2)), verbose=0).shape == (1, 9, 1)
    dense = pyseq.Sequential([layers.Dense(1, name="narrow")])
    dense.predict(np.ones((1, 3)), verbose=0)
    with pytest.raises(ValueError, match="narrow"):
        dense.predict(np.ones((1, 4)), verbose=0)


def test_a_model_called_on_single_numbers():
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Dense(1)])
    assert model(np.array([10.0])).shape == (1, 1)
    np.testing.assert_array_equal(model([np.array([[10.0]])]), model(np.array([10.0])))


class Affine(layers.Layer):
    """A layer as tutorials write them."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones")
        self.b = self.add_weight(shape=(self.units,), initializer="zeros")

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b


def test_shapes_of_a_custom_layer_come_from_its_call():
    model = pyseq.Sequential([pyseq.Input((4,)), Affine(5), layers.Dense(2)])
    assert model.layers[0].output.shape == (None, 5) and model.output_shape == (None, 2)
    assert model.predict(rows, verbose=0).shape == (6, 2)
    np.testing.assert_allclose(Affine(1)(rows)[:, 0], rows.sum(axis=1), rtol=1e-5, atol=1e-5)
    model.compile("sgd", "mse")
    before = model.layers[0].w.numpy()
    losses = model.fit(rows, targets, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0] and np.any(model.layers[0].w.numpy() != before)


def test_a_subclass_may_override_call_of_a_built_in_layer():
    class Doubled(layers.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    layer, plain = Doubled(3), layers.Dense(3)
    plain.build((None, 4))
    layer.build((None, 4))
    layer.set_weights(plain.get_weights())
    for _ in range(2):
        np.testing.assert_allclose(layer(rows), 2 * plain(rows), rtol=1e-6)
        plain.kernel.assign(plain.kernel + 1)
        layer.kernel.assign(plain.kernel)
    model = pyseq.Sequential([pyseq.Input((4,)), layer])
    model.compile("sgd", "mse")
    losses = model.fit(rows, plain(rows), epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]


def test_masks_by_position():
    x = np.arange(8, dtype="float32").reshape(1, 4, 2)
    mask = np.array([[True, True, False, False]])
    np.testing.assert_allclose(layers.GlobalAveragePooling1D()(x, mask), [[1.0, 2.0]])


def test_variables_from_initializers_compare_with_numbers():
    variable = pyseq.Variable("ones", shape=(2, 3))
    assert variable.shape == (2, 3) and (variable == 1).all() and not (variable != 1).any()
    assert any(v is variable for v in [pyseq.Variable([1.0]), variable])
    assert abs(pyseq.Variable(-2.0)) == 2
    assert list(range(pyseq.Variable(3, dtype="int32"))) == [0, 1, 2]


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_ids_of_a_sample_lie_along_axis_1(mode):
    ids = np.array([[[0, 1], [0, 2]]])
    layer = layers.CategoryEncoding(3, output_mode=mode)
    first = 1 if mode == "multi_hot" else 2
    np.testing.assert_array_equal(layer(ids), [[[first, 0, 0], [0, 1, 1]]])
    assert layer.compute_output_shape((None, 2, 5)) == (None, 5, 3)
