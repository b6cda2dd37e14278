"""Models on their way to workers."""

import warnings

import numpy as np
import pytest
from layer_cases import CASES

import pyseq
from pyseq import layers
from pyseq.distribution import shipping


@pytest.fixture
def model():
    return pyseq.Sequential([pyseq.Input((4,)), layers.Dense(8, "relu"), layers.Dense(3)])


@pytest.fixture
def x(rng):
    return rng.normal(size=(40, 4)).astype("float32")


def answer(model, x):
    return model.predict(x, verbose=0)



def test_a_worker_opens_a_model_once(model, monkeypatch):
    monkeypatch.setattr(shipping, "_opened", type(shipping._opened)())
    loads, opens = shipping.pickle.loads, []
    monkeypatch.setattr(shipping.pickle, "loads", lambda data: opens.append(1) or loads(data))
    shipped = shipping.pack(model)
    assert shipped.model is shipping.Shipped(shipped.digest, shipped.data).model
    assert len(opens) == 1
    others = [
        shipping.pack(pyseq.Sequential([pyseq.Input((2,)), layers.Dense(1)]))
        for _ in range(shipping.KEPT)
    ]
    assert len({other.model for other in others}) == shipping.KEPT == len(shipping._opened)
    assert others[0].model and len(opens) == 1 + shipping.KEPT
    assert shipped.model and len(opens) == 2 + shipping.KEPT  # it was put out
    assert others[0].model and len(opens) == 2 + shipping.KEPT  # used since: it was not


def test_a_model_weighs_little_more_than_its_numbers(model, x):
    numbers = sum(w.nbytes for w in model.get_weights())
    plain = shipping.pack(model)
    assert len(plain.data) < numbers + 3500
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(x, x[:, :3], validation_split=0.2, verbose=0)
    trained = shipping.pack(model)
    assert abs(len(trained.data) - len(plain.data)) < 100
    assert model.compiled and model.history.history["loss"]
    assert not trained.model.compiled and trained.model.optimizer is None
    np.testing.assert_array_equal(answer(trained.model, x), answer(model, x))


def test_what_is_packed_stays_as_it_was(model, x):
    before = answer(model, x)
    shipped = shipping.pack(model)
    model.set_weights([w + 1 for w in model.get_weights()])
    np.testing.assert_array_equal(answer(shipped.model, x), before)


def test_what_cannot_be_pickled():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(1, activation=lambda x: x * 2)])
    with pytest.raises(TypeError, match="expected a model that can be pickled, got one with"):
        shipping.pack(model)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_layer_can_be_sent(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = pyseq.Sequential(
            [pyseq.Input(batch_shape=(case.batch_size, *case.shape)), case.spec.build()]
        )
    sent = shipping.pack(model).model
    assert sent.get_config() == model.get_config()
    for one, other in zip(sent.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_lstm_starts_as_before_where_it_was_sent():
    """Its bias has an initializer of its own, made of the one that was given."""
    layer = layers.LSTM(2, bias_initializer="random_normal")
    model = pyseq.Sequential([pyseq.Input((3, 4)), layer])
    sent = shipping.pack(model).model.layers[0].cell.bias
    np.testing.assert_array_equal(sent.initializer((8,))[2:4], [1, 1])
    assert np.all(sent.initializer((8,))[4:] != 1)
