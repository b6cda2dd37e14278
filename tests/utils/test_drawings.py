"""Drawings of real models: in text, and what the boxes of pydot say."""

import pytest

from pyseq import Input, Sequential, layers, utils


def image_model():
    inner = Sequential([layers.Dense(4, activation="relu", name="a"), layers.Dropout(0.5)], name="inner")
    inner.layers[1].name = "drop"
    return Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(2, 3, activation="relu", name="conv"),
            layers.Flatten(name="flat"),
            inner,
            layers.Dense(3, activation="softmax", trainable=False, name="out"),
        ],
        name="net",
    )


def test_model_to_text():
    assert utils.model_to_text(image_model()).splitlines() == [
        "net (Sequential)",
        "│  (None, 8, 8, 1)",
        "├─ conv (Conv2D, relu): 20 parameters",
        "│  (None, 6, 6, 2)",
        "├─ flat (Flatten)",
        "│  (None, 72)",
        "├─ inner (Sequential): 292 parameters",
        "│  │  (None, 72)",
        "│  ├─ a (Dense, relu): 292 parameters",
        "│  │  (None, 4)",
        "│  └─ drop (Dropout)",
        "│     (None, 4)",
        "│  (None, 4)",
        "└─ out (Dense, softmax): 15 parameters, not trainable",
        "   (None, 3)",
    ]
    assert "drop" not in utils.model_to_text(image_model(), expand_nested=False)


def test_model_to_text_of_an_unbuilt_model():
    text = utils.model_to_text(Sequential([layers.Dense(2, name="d")], name="m"))
    assert text == "m (Sequential)\n│  ?\n└─ d (Dense)\n   ?"
    with pytest.raises(ValueError, match="model_to_text: expected a model with layers"):
        utils.model_to_text(Sequential())


def test_boxes_hold_the_shapes_of_the_model():
    pytest.importorskip("pydot")
    graph = utils.model_to_dot(image_model(), show_shapes=True, expand_nested=True)
    labels = [node.get("label") for node in graph.get_nodes() if node.get("label")]
    shapes = [
        ("(None, 8, 8, 1)", "(None, 6, 6, 2)"),
        ("(None, 6, 6, 2)", "(None, 72)"),
        ("(None, 72)", "(None, 4)"),
        ("(None, 4)", "(None, 4)"),
        ("(None, 4)", "(None, 3)"),
    ]
    assert len(labels) == len(shapes)
    for label, (x, y) in zip(labels, shapes):
        assert f"input: {x}, output: {y}" in label
