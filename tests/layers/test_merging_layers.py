"""Merging and attention layers: shapes of symbolic inputs, shapes they refuse, masks."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

keras = pytest.importorskip("keras")
pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ELEMENTWISE = ["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"]
RANDOM = np.random.default_rng(6)
BOTH = [
    ((4, 5), (4, 5)),
    ((4, 5), (5,)),
    ((4, 5), (1, 5)),
    ((None, 5), (4, 5)),
    ((4,), (5,)),
    ((2, 3, 4), (4,)),
    ((4, 5), (4, 2)),
    ((4, 1), (4, 5)),
    ((5, 4), (4, 5)),
    ((3, 2), (1, 2, 3)),
    ((None, 4), (4,)),
    ((), (3,)),
]
LAYERS = [
    *((name, {}) for name in ELEMENTWISE),
    *(("Concatenate", {"axis": a}) for a in (-1, 1, 2, 0)),
    *(("Dot", {"axes": a}) for a in (-1, 1, 2, (1, 2), (2, 1), (-2, -1), (1, -1))),
]


def symbolic_shape(library, name, arguments, shapes):
    """What the layer gives for Inputs, or None where it refuses them."""
    try:
        inputs = [library.layers.Input(s) for s in shapes]
        return tuple(getattr(library.layers, name)(**arguments)(inputs).shape)
    except (ValueError, IndexError):
        return None


@pytest.mark.parametrize(("name", "arguments"), LAYERS)
def test_shapes_of_symbolic_inputs(name, arguments):
    for shapes in BOTH:
        want = symbolic_shape(keras, name, arguments, shapes)
        assert symbolic_shape(pyseq, name, arguments, shapes) == want, shapes


@pytest.mark.parametrize(("name", "arguments"), [x for x in LAYERS if x[1] != {"axis": 0}])
def test_shapes_of_arrays_are_those_of_symbolic_inputs(name, arguments):
    for shapes in BOTH:
        shapes = [tuple(4 if d is None else d for d in s) for s in shapes]
        arrays = [RANDOM.normal(size=(2, *s)).astype("float32") for s in shapes]
        try:
            want = getattr(keras.layers, name)(**arguments)(arrays).detach().numpy()
        except (ValueError, IndexError, RuntimeError):
            with pytest.raises(ValueError, match=f"{name.lower()}.*: expected"):
                getattr(layers, name)(**arguments)(arrays)
            continue
        got = getattr(layers, name)(**arguments)(arrays)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
        shape = symbolic_shape(pyseq, name, arguments, shapes)
        assert shape == (None, *got.shape[1:])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_axis_comes_after_the_batch(name):
    arrays = [RANDOM.normal(size=s).astype("float32") for s in ((3, 3, 4), (3, 4))]
    want = getattr(keras.layers, name)()(arrays).detach().numpy()
    np.testing.assert_allclose(getattr(layers, name)()(arrays), want, rtol=1e-5)
    batched = [pyseq.Input((3,), batch_size=2), pyseq.Input((3,))]
    assert getattr(layers, name)()(batched).shape == (2, 3)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("shapes", [((2, 3), (4, 3)), ((1, 3), (2, 3)), ((2, 3), (2, 4)), ()])
def test_inputs_that_do_not_fit(name, shapes):
    layer = getattr(layers, name)()
    with pytest.raises(ValueError, match=f"{name.lower()}.*: expected"):
        layer([np.ones(s) for s in shapes])
    good = [np.ones((2, 3))] * 2
    assert layer(good).shape == (2, 3)
    with pytest.raises(ValueError, match=f"{name.lower()}.*: expected"):
        layer([np.ones(s) for s in shapes])


@pytest.mark.parametrize("count", [1, 3])
def test_subtract_takes_two(count):
    for x in (np.ones((2, 3)), pyseq.Input((3,))):
        with pytest.raises(ValueError, match="exactly 2 inputs"):
            layers.Subtract()([x] * count)


def test_what_is_merged_is_no_model_but_has_layers_after_it():
    a, b = pyseq.Input((4, 5), name="a"), pyseq.Input((4, 5), name="b")
    add = layers.Add()
    merged = add([a, b])
    assert (merged.shape, merged.dtype) == ((None, 4, 5), "float32")
    assert add.output is merged and add.input == [a, b]
    y = layers.Dense(2)(merged)
    assert y.shape == (None, 4, 2)
    for inputs in (a, [a, b]):
        with pytest.raises(ValueError, match="straight line|one line of layers"):
            pyseq.Model(inputs, y)
    assert pyseq.Model(merged, y).predict(np.ones((1, 4, 5)), verbose=0).shape == (1, 4, 2)


MASKS = [np.array([[True, False], [False, False]]), np.array([[False, False], [True, False]])]


@pytest.mark.parametrize(("name", "arguments"), LAYERS)
def test_compute_mask(name, arguments):
    mine, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    assert mine.supports_masking is theirs.supports_masking is True
    x = np.ones((2, 2, 3), "float32")
    for masks in (MASKS, [MASKS[0], None], [None, None], None):
        there = masks and [None if m is None else keras.ops.convert_to_tensor(m) for m in masks]
        want = theirs.compute_mask([x, x], there)
        got = mine.compute_mask([x, x], masks)
        assert (got is None) == (want is None)
        assert got is None or got.tolist() == want.tolist()


@pytest.mark.parametrize("name", [*ELEMENTWISE, "Concatenate"])
def test_compute_mask_takes_lists(name):
    layer, x = getattr(layers, name)(), np.ones((2, 2, 3))
    for inputs, mask, rule in (
        ([x, x], x, "`mask` to be a list"),
        (x, [None, None], "`inputs` to be a list"),
        ([x, x], [None], "as many masks as inputs, got 1 for 2"),
    ):
        with pytest.raises(ValueError, match=rule):
            layer.compute_mask(inputs, mask)


def merging(library, name, arguments, second):
    class Merging(library.layers.Layer):
        """The sum of the steps that the merged mask keeps, of Masking's output and another's."""

        def __init__(self):
            super().__init__()
            self.masking = library.layers.Masking()
            self.merge = getattr(library.layers, name)(**arguments)
            self.average = library.layers.GlobalAveragePooling1D()

        def call(self, x):
            other = library.ops.flip(x, axis=1)
            y = self.merge([self.masking(x), self.masking(other) if second else other])
            return y if name == "Dot" else library.ops.concatenate([self.average(y)], axis=-1)

    return Merging()


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize("name", [*ELEMENTWISE, "Concatenate"])
def test_masks_within_a_layer_of_users(name, second):
    x = RANDOM.normal(size=(3, 5, 2)).astype("float32")
    x[:, 0] = x[1, 3:] = x[0, 4] = 0
    for arguments in [{"axis": 1}, {"axis": 2}] if name == "Concatenate" else [{}]:
        want = merging(keras, name, arguments, second)(x).detach().numpy()
        mine = merging(pyseq, name, arguments, second)
        np.testing.assert_allclose(mine(x), want, rtol=1e-5, atol=1e-6)
        model = pyseq.Sequential([pyseq.Input((5, 2)), mine])
        np.testing.assert_allclose(model.predict(x, verbose=0), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_attention_of_symbolic_inputs(name):
    def shapes(library):
        layer = getattr(library.layers, name)()
        q, v, k = (library.layers.Input(s) for s in ((3, 5), (4, 6), (4, 5)))
        both = layer([q, v, k], return_attention_scores=True)
        assert len(both) == 2
        return [tuple(t.shape) for t in (*both, layer([q, v, k]))]

    assert shapes(pyseq) == shapes(keras) == [(None, 3, 6), (None, 3, 4), (None, 3, 6)]
    for mask in (np.ones((2, 3)), [None]):
        with pytest.raises(ValueError, match="list .* of masks"):
            getattr(layers, name)()([np.ones((2, 3, 4)), np.ones((2, 5, 4))], mask=mask)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.MultiHeadAttention(2, 3), (3, 5)),
        (layers.MultiHeadAttention(2, 3, output_shape=(7,)), (3, 5)),
        (layers.MultiHeadAttention(2, 3, attention_axes=(2,)), (6, 3, 5)),
        (layers.GroupQueryAttention(3, 4, 2), (3, 5)),
    ],
)
def test_heads_of_symbolic_inputs(layer, shape):
    other = (*shape[:-2], 4, 5)
    symbolic = layer(pyseq.Input(shape), pyseq.Input(other), return_attention_scores=True)
    arrays = layer(np.ones((2, *shape)), np.ones((2, *other)), return_attention_scores=True)
    assert [t.shape[1:] for t in symbolic] == [y.shape[1:] for y in arrays]
    assert layer(pyseq.Input(shape), pyseq.Input(other)).shape == symbolic[0].shape
