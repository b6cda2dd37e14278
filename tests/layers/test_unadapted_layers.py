"""Layers that learn from data answer only once they have, or once they were given what they need."""

import copy
import pickle

import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.saving import load_model

TEXT = np.array(["hello world"])
IDS = np.array([[1, 2]])
MODES = ["int", "multi_hot", "count", "tf_idf"]
RULE = "expected a vocabulary, got none; pass `vocabulary=` or call `adapt`"
ROOM = {"max_tokens": 5, "pad_to_max_tokens": True}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("room", [{}, ROOM])
@pytest.mark.parametrize(
    ("kind", "x"),
    [
        (layers.TextVectorization, TEXT),
        (layers.StringLookup, TEXT),
        (layers.IntegerLookup, IDS),
    ],
)
def test_no_answer_before_adapt(kind, x, mode, room):
    layer = kind(output_mode=mode, name="mine", **room)
    for unadapted in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        with pytest.raises(ValueError, match=f"^mine: {RULE}"):
            unadapted(x)
    layer.adapt(x)
    assert np.all(np.asarray(layer(x)).sum(axis=-1) > 0)


@pytest.mark.parametrize("kind", [layers.StringLookup, layers.IntegerLookup])
def test_no_way_back_before_adapt(kind):
    with pytest.raises(ValueError, match=RULE):
        kind(invert=True)(IDS)


def test_no_answer_without_tokens_in_the_data():
    text, numbers = layers.TextVectorization(), layers.IntegerLookup()
    text.adapt(np.array(["", " "]))
    numbers.adapt(np.zeros((0, 1), "int64"))
    for layer, x in ((text, TEXT), (numbers, IDS)):
        with pytest.raises(ValueError, match="with data that holds tokens"):
            layer(x)


def test_a_vocabulary_without_room_for_tokens_is_one():
    layer = layers.TextVectorization(max_tokens=2)
    layer.adapt(TEXT)
    assert layer(TEXT).tolist() == [[1, 1]]


@pytest.mark.parametrize("kind", [layers.TextVectorization, layers.StringLookup])
def test_the_config_alone_does_not_hold_what_was_learned(kind):
    layer = kind()
    layer.adapt(TEXT)
    with pytest.raises(ValueError, match=RULE):
        kind.from_config(layer.get_config())(TEXT)


def test_files_of_unadapted_layers(tmp_path):
    model = pyseq.Sequential([pyseq.Input((2,), dtype="int64"), layers.IntegerLookup()])
    model.save(tmp_path / "m.keras")
    for unadapted in (model, load_model(tmp_path / "m.keras")):
        with pytest.raises(ValueError, match=RULE):
            unadapted.predict(IDS, verbose=0)


def test_files_of_layers_without_room_for_tokens(tmp_path):
    layer = layers.IntegerLookup(max_tokens=2, mask_token=2)
    layer.adapt(IDS)
    pyseq.Sequential([pyseq.Input((2,), dtype="int64"), layer]).save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").predict(IDS, verbose=0).tolist() == [[1, 0]]


def test_no_shape_before_adapt():
    model = pyseq.Sequential([layers.IntegerLookup(output_mode="count"), layers.Dense(1)])
    with pytest.raises(ValueError, match=RULE):
        model.build((None, 2))
    model.layers[0].adapt(IDS)
    model.build((None, 2))
    assert model.layers[1].kernel.shape == (3, 1)


def test_discretization_before_adapt():
    layer = layers.Discretization(num_bins=2)
    with pytest.raises(ValueError, match="call `adapt`"):
        layer(np.ones((1, 2)))
