"""`pyseq.tree`, `ops.rearrange`, `utils.Config` and `name_scope` beside Keras."""

import collections

import numpy as np
import pytest

import pyseq
from pyseq import ops, tree

keras = pytest.importorskip("keras")

Point = collections.namedtuple("Point", "x y")
NESTED = [
    1,
    None,
    [],
    [1, (2, {"b": 3, "a": [4]})],
    {"b": [2, 3], "a": (1,)},
    collections.OrderedDict([("b", 1), ("a", [2])]),
    Point(1, [2, None]),
    [np.float32(1), "ab", {}],
]


def answer(function):
    try:
        return function()
    except (ValueError, TypeError) as error:
        return type(error)


@pytest.mark.parametrize("value", NESTED, ids=str)
def test_one_structure(value):
    for call in (
        lambda t: t.is_nested(value),
        lambda t: t.flatten(value),
        lambda t: t.flatten_with_path(value),
        lambda t: t.pack_sequence_as(value, list(range(len(tree.flatten(value))))),
        lambda t: t.map_structure(lambda x: (x, 0), value),
        lambda t: t.lists_to_tuples(value),
        lambda t: t.traverse(lambda x: t.MAP_TO_NONE if x == 2 else None, value),
        lambda t: t.traverse(lambda x: sum(x) if x == [2, 3] else None, value, top_down=False),
        lambda t: t.pack_sequence_as(value, [1] * 9),
    ):
        assert answer(lambda: call(tree)) == answer(lambda: call(keras.tree))


@pytest.mark.parametrize("a", NESTED, ids=str)
@pytest.mark.parametrize("b", NESTED, ids=str)
def test_two_structures(a, b):
    for call in (
        lambda t: t.assert_same_structure(a, b),
        lambda t: t.assert_same_paths(a, b),
        lambda t: t.map_structure(lambda x, y: (x, y), a, b),
    ):
        assert answer(lambda: call(tree)) == answer(lambda: call(keras.tree))


def test_shapes_and_shallow_structures():
    shapes = {"a": (None, 3), "b": [(2,), (1, 2)]}
    for t in (tree, keras.tree):
        assert t.map_shape_structure(len, shapes) == {"a": 2, "b": [1, 2]}
        assert t.map_structure_up_to([0, 0], lambda x: x, [1, [2, 3]]) == [1, [2, 3]]
        for call in (t.map_structure, t.traverse):
            with pytest.raises(TypeError):
                call("no function", [1])


@pytest.mark.parametrize(
    "pattern, sizes",
    [
        ("b h w c -> b (h w) c", {}),
        ("b h w c -> (b h) w c", {}),
        ("b (h k) w c -> b h (w k) c", {"k": 2}),
        ("b h w c -> c w h b", {}),
    ],
)
def test_rearrange(pattern, sizes):
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 5)).astype("float32")
    right = keras.ops.rearrange(x, pattern, **sizes).numpy()
    np.testing.assert_array_equal(ops.rearrange(x, pattern, **sizes), right)
    if pattern.startswith("b") and "-> b" in pattern:
        layer = pyseq.layers.Lambda(lambda t: ops.rearrange(t, pattern, **sizes))
        model = pyseq.Sequential([pyseq.Input(x.shape[1:]), layer, pyseq.layers.Dense(2)])
        model.compile("sgd", "mse")
        np.testing.assert_array_equal(layer(x), right)
        model.fit(x, np.zeros((*right.shape[:-1], 2)), verbose=0)


@pytest.mark.parametrize(
    "pattern, sizes",
    [("a b -> a", {}), ("a a -> a a", {}), ("a b c -> a b c", {}), ("(a b) c -> a b c", {})],
)
def test_patterns_that_do_not_fit(pattern, sizes):
    with pytest.raises(ValueError, match="rearrange: expected"):
        ops.rearrange(np.zeros((4, 6)), pattern, **sizes)


def test_config_of_a_script():
    for library in (pyseq, keras):
        config = library.utils.Config(rate=0.1)
        config.units = 3
        config["seed"] = 7
        config.update(more=[1])
        assert config.pop("more") == [1]
        assert dict(config.items()) == config.as_dict() == {"rate": 0.1, "units": 3, "seed": 7}
        assert "seed" in config and config.get("none", 5) == 5 and len(config) == 3
        assert config.to_json() == '{"rate": 0.1, "units": 3, "seed": 7}'
        del config["seed"]
        config.freeze()
        with pytest.raises(ValueError):
            config.units = 4
        with pytest.raises(AttributeError):
            _ = config.seed
        config.unfreeze()
        config.units = 4
        assert list(config) == ["rate", "units"] and config.frozen is False


def test_names_of_a_scope_are_in_paths():
    for library in (pyseq, keras):
        with library.name_scope("outer"), library.name_scope("inner"):
            variable = library.Variable(np.zeros(2), name="v")
        assert variable.path == "outer/inner/v"
        with pytest.raises(ValueError):
            library.name_scope("a/b")


def test_settings_that_change_nothing():
    assert pyseq.config.is_flash_attention_enabled() is None
    pyseq.config.disable_flash_attention()
    pyseq.config.enable_flash_attention()
    pyseq.config.set_backend("pyseq")
    with pytest.raises(ValueError, match="only backend"):
        pyseq.config.set_backend("torch")
