"""What a program was lowered from decides whether it still answers: changed attributes count at once."""

import numpy as np
import pytest

import pyseq
from pyseq import layers, regularizers, settings

X = np.linspace(-1, 1, 80, dtype="float32").reshape(20, 4)
Y = X.sum(axis=1, keepdims=True)


def compiled(*stack, optimizer="sgd", loss="mse"):
    model = pyseq.Sequential([pyseq.Input((4,)), *stack])
    model.compile(optimizer, loss)
    return model


def test_activation_counts_everywhere():
    model = compiled(layers.Dense(3, activation="relu"), layers.Dense(1, activation="relu"))
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.layers[-1].activation = pyseq.activations.tanh
    w, b, v, c = model.get_weights()
    want = np.tanh(np.maximum(X @ w + b, 0) @ v + c)
    np.testing.assert_allclose(model.predict(X, verbose=0), want, atol=1e-6)
    np.testing.assert_allclose(model(X[:3]), want[:3], atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(X), want, atol=1e-6)
    loss = np.mean((want - Y) ** 2)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), loss, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, Y), loss, rtol=1e-5)
    model.layers[-1].activation = pyseq.activations.relu
    want = np.maximum(np.maximum(X @ w + b, 0) @ v + c, 0)
    np.testing.assert_allclose(model.predict(X, verbose=0), want, atol=1e-6)


@pytest.mark.parametrize(
    "layer, name, value, keras_class",
    [
        (layers.BatchNormalization(epsilon=1e-3), "epsilon", 0.5, "BatchNormalization"),
        (layers.Rescaling(2.0), "scale", 3.0, "Rescaling"),
        (layers.LeakyReLU(negative_slope=0.3), "negative_slope", 0.9, "LeakyReLU"),
        (layers.RepeatVector(2), "n", 5, "RepeatVector"),
    ],
)
def test_attributes_count_in_a_model(layer, name, value, keras_class, keras):
    model = pyseq.Sequential([pyseq.Input((4,)), layer])
    model.predict(X, verbose=0)
    setattr(layer, name, value)
    twin = getattr(keras.layers, keras_class).from_config(
        {k: v for k, v in layer.get_config().items() if k != "dtype"}
    )
    want = twin(X).detach().numpy()
    np.testing.assert_allclose(model.predict(X, verbose=0), want, atol=1e-5)
    np.testing.assert_allclose(layer(X), want, atol=1e-5)


def test_rate_of_dropout_counts_in_the_next_step():
    model = compiled(layers.Dropout(0.0), layers.Dense(1, use_bias=False), optimizer="sgd")
    model.fit(X, Y, verbose=0)
    before = model.get_weights()[0]
    model.layers[0].rate = 1.0  # nothing reaches the weights any more
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_objects_that_layers_hold_count():
    penalty = regularizers.L2(0.0)
    model = compiled(layers.Dense(1, kernel_regularizer=penalty))
    plain = model.evaluate(X, Y, verbose=0)
    penalty.l2 = 10.0
    want = plain + 10 * np.sum(model.get_weights()[0] ** 2)
    np.testing.assert_allclose(model.evaluate(X, Y, verbose=0), want, rtol=1e-5)


def test_optimizer_attributes_count():
    model = compiled(layers.Dense(1, use_bias=False), optimizer=pyseq.optimizers.SGD(0.1))
    model.fit(X, Y, verbose=0)
    before = model.get_weights()[0]
    model.optimizer.clipvalue = 1e-9
    model.fit(X, Y, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], before, atol=1e-8)


def test_another_optimizer_counts():
    first, second = pyseq.optimizers.SGD(0.1), pyseq.optimizers.SGD(0.1)
    model = compiled(layers.Dense(1), optimizer=first)
    model.train_on_batch(X, Y)
    model.optimizer = second
    model.train_on_batch(X, Y)
    assert (int(first.iterations), int(second.iterations)) == (1, 1)
    model.optimizer = first
    model.train_on_batch(X, Y)
    assert (int(first.iterations), int(second.iterations)) == (2, 1)


def test_loss_attributes_count():
    model = compiled(layers.Dense(1), loss=pyseq.losses.MeanSquaredError())
    mean = model.test_on_batch(X, Y)
    model.loss.reduction = "sum"
    np.testing.assert_allclose(model.test_on_batch(X, Y), 20 * mean, rtol=1e-5)


def test_compile_forgets_what_cannot_be_seen_to_change():
    factor = [2.0]
    model = compiled(layers.Lambda(lambda x: x * factor[0]))
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * X)
    factor[0] = 3.0
    model.compile("sgd", "mse")
    np.testing.assert_allclose(model.predict(X, verbose=0), 3 * X)


def test_fusion_is_part_of_it(monkeypatch):
    model = compiled(layers.Dense(3), layers.BatchNormalization())
    first = model.predict(X, verbose=0)
    kept = dict(model._predictors)
    settings.change("fusion", False)
    try:
        np.testing.assert_allclose(model.predict(X, verbose=0), first, atol=1e-5)
        assert len(model._predictors) == len(kept) + 1
    finally:
        settings.change("fusion", True)


def lowered(model, monkeypatch):
    """Counts how often a program is made from now on."""
    from pyseq import lowering

    count = [0]
    lower = lowering.lower

    def counting(*args, **kwargs):
        count[0] += 1
        return lower(*args, **kwargs)

    monkeypatch.setattr(lowering, "lower", counting)
    return count


def test_programs_are_kept_while_nothing_changes(monkeypatch):
    model = compiled(layers.Dense(3, activation="relu"), layers.Dense(1))
    model.fit(X, Y, epochs=2, verbose=0)
    model.train_on_batch(X, Y)
    model.predict(X, verbose=0)
    count = lowered(model, monkeypatch)
    other = compiled(layers.Dense(2, kernel_regularizer="l2"))  # touches nothing of the first
    model.fit(X, Y, epochs=2, verbose=0)
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    model.predict(X, verbose=0)
    model.optimizer.learning_rate = 0.5
    model.fit(X, Y, verbose=0)
    assert count[0] == 0 and not other._programs


def test_freezing_back_and_forth_finds_the_programs_again(monkeypatch):
    model = compiled(layers.Dense(3), layers.Dense(1))
    for frozen in (False, True):
        model.layers[0].trainable = not frozen
        model.train_on_batch(X, Y)
    count = lowered(model, monkeypatch)
    for frozen in (False, True, False, True):
        model.layers[0].trainable = not frozen
        model.train_on_batch(X, Y)
    assert count[0] == 0


def test_what_a_layer_sets_while_it_runs_is_no_change(monkeypatch):
    class Remembers(layers.Layer):
        def call(self, x):
            self.last = x
            self.seen = getattr(self, "seen", 0) + 1
            return x * 2.0

    model = compiled(Remembers(), layers.Dense(1))
    model.fit(X, Y, verbose=0)
    model.fit(X, Y, verbose=0)
    count = lowered(model, monkeypatch)
    compiled(layers.Dense(2, kernel_regularizer="l2"))
    model.fit(X, Y, verbose=0)
    assert count[0] == 0


def test_targets_are_needed():
    model = compiled(layers.Dense(1))
    with pytest.raises(ValueError, match="evaluate: expected targets for loss 'mse', got none"):
        model.evaluate(X, verbose=0)
    with pytest.raises(ValueError, match="expected targets"):
        model.fit(X, Y, validation_data=X, verbose=0)
    with pytest.raises(ValueError, match="expected targets"):
        model.evaluate((X[i : i + 5] for i in range(0, 20, 5)), verbose=0)
    with pytest.raises(ValueError, match="expected targets"):
        model.test_on_batch(X)
