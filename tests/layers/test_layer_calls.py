"""Calls of layers of a user's own with several tensors, structures of them and settings."""

import numpy as np
import pytest

import pyseq


def array(x):
    return x.detach().numpy() if hasattr(x, "detach") else np.asarray(x)


def scaled(m):
    class Scaled(m.layers.Layer):
        def call(self, x, scale=1.0, training=False):
            return x * scale + (100.0 if training else 0.0)

    return Scaled()


def two(m):
    class Two(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self.a = m.layers.Dense(2, kernel_initializer="ones")
            self.b = m.layers.Dense(2, kernel_initializer="ones")

        def call(self, x1, x2, minus=False):
            return self.a(x1) - self.b(x2) if minus else self.a(x1) + self.b(x2)

    return Two()


def named(m):
    class Named(m.layers.Layer):
        def call(self, xs):
            return {"sum": xs["a"] + xs["b"], "list": [xs["a"], (xs["b"],)]}

    return Named()


X = np.arange(6, dtype="float32").reshape(2, 3)
CALLS = {
    "setting": (scaled, (X,), {"scale": 3.0}),
    "setting and training": (scaled, (X,), {"scale": 2.0, "training": True}),
    "number": (scaled, (np.array(2.0, "float32"),), {"scale": 4.0}),
    "by its name": (scaled, (), {"x": X}),
    "two tensors": (two, (X, X + 1), {}),
    "two by name": (two, (), {"x1": X, "x2": 2 * X}),
    "two and a setting": (two, (X, X + 1), {"minus": True}),
    "dict": (named, ({"a": X, "b": X * X},), {}),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_on_arrays_are_those_of_keras(keras, name):
    make, args, kwargs = CALLS[name]
    mine, theirs = make(pyseq)(*args, **kwargs), make(keras)(*args, **kwargs)
    if name == "dict":
        assert sorted(mine) == sorted(theirs) and isinstance(mine["list"][1], tuple)
        mine, theirs = ([y["sum"], y["list"][0], y["list"][1][0]] for y in (mine, theirs))
    else:
        mine, theirs = [mine], [theirs]
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, array(b), rtol=1e-6)
        assert np.asarray(a).dtype == array(b).dtype


def test_traced_calls_train():
    """A call with several tensors within `call` of a model is part of the program."""

    class Model(pyseq.Model):
        def __init__(self):
            super().__init__()
            self.two = two(pyseq)
            self.scaled = scaled(pyseq)

        def call(self, x):
            return self.scaled(self.two(x, x2=2.0 * x, minus=True), scale=3.0)

    model = Model()
    model.compile(pyseq.optimizers.SGD(0.01), "mse")
    np.testing.assert_allclose(model.predict(X, verbose=0), np.repeat(-3 * X.sum(1)[:, None], 2, 1))
    before = [w.copy() for w in model.get_weights()]
    model.fit(X, np.zeros((2, 2)), verbose=0)
    assert len(before) == 4
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_the_outer_call_says_whether_it_trains(keras):
    """`training` of an outer layer reaches those within it, unless they are told otherwise."""

    def values(m):
        class Inner(m.layers.Layer):
            def call(self, x, more=None, training=None):
                return x + (1.0 if training else 0.0)

        class Outer(m.layers.Layer):
            def __init__(self):
                super().__init__()
                self.inner = Inner()

            def call(self, x, told=None):
                given = {} if told is None else {"training": told}
                return self.inner(x, more=1, **given)

        outer, x = Outer(), np.zeros((1, 1), "float32")
        calls = [{}, {"training": True}, {"training": True, "told": False}, {"told": True}]
        return [float(array(outer(x, **kwargs))[0, 0]) for kwargs in calls]

    assert values(pyseq) == values(keras) == [0.0, 1.0, 0.0, 1.0]


def test_floats_become_those_of_the_layer_and_integers_stay():
    class Layer(pyseq.layers.Layer):
        def call(self, xs):
            return [str(x.dtype) for x in xs]

    xs = [np.zeros(1, "float64"), np.zeros(1, "int32")]
    assert Layer()(xs) == ["float32", "int32"]
    assert Layer(dtype="float64")([xs[0].astype("float32"), xs[1]]) == ["float64", "int32"]
    assert Layer(autocast=False)(xs) == ["float64", "int32"]


def test_build_gets_the_shapes_by_name(keras):
    def shapes(m):
        class Layer(m.layers.Layer):
            def build(self, b_shape, a_shape):
                self.shapes = (tuple(a_shape), tuple(b_shape))

            def call(self, a, b, scale=1.0):
                return a[:, 0] + b[:, 0]

        layer = Layer()
        layer(np.ones((4, 1), "float32"), np.ones((4, 2), "float32"))
        return layer.shapes, layer.built, layer.get_build_config()

    mine, theirs = shapes(pyseq), shapes(keras)
    assert mine[:2] == theirs[:2] == (((4, 1), (4, 2)), True)
    assert mine[2] == theirs[2] == {"shapes_dict": {"b_shape": (4, 2), "a_shape": (4, 1)}}


def test_a_layer_of_several_tensors_is_built_from_its_config():
    class Layer(pyseq.layers.Layer):
        def build(self, a_shape, b_shape):
            self.w = self.add_weight(shape=(a_shape[-1], b_shape[-1]), name="w")

        def call(self, a, b):
            return a @ self.w * b

    layer, again = Layer(), Layer()
    layer(np.ones((4, 1)), np.ones((4, 2)))
    again.build_from_config(layer.get_build_config())
    assert again.built and again.w.shape == (1, 2)


def test_symbolic_calls_build_and_say_shapes():
    k = pyseq.KerasTensor
    layer = two(pyseq)
    assert layer(k((None, 3)), k((None, 4))).shape == (None, 2)
    assert [w.shape for w in layer.weights] == [(3, 2), (2,), (4, 2), (2,)]
    outputs = named(pyseq)({"a": k((5, 3)), "b": k((5, 1))})
    assert outputs["sum"].shape == (5, 3) and outputs["list"][1][0].shape == (5, 1)
    with pytest.raises(ValueError, match="does not come from it"):
        x = pyseq.Input((3,))
        pyseq.Model(x, two(pyseq)(x, x))


def test_mistakes_say_what_to_do():
    with pytest.raises(ValueError, match="Only input tensors may be passed as positional arg.*nam"):
        scaled(pyseq)(X, 2.0)
    with pytest.raises(TypeError, match=r"scaled\w*: expected arguments of call\(x, scale"):
        scaled(pyseq)(X, size=2.0)
    with pytest.raises(ValueError, match="cannot mix tensors and non-tensors"):
        two(pyseq)(X, x2=[X, "text"])

    class Suffix(pyseq.layers.Layer):
        def build(self, a_shape, bar):
            self.built = True

        def call(self, a, bar):
            return a + bar

    class Unknown(Suffix):
        def build(self, a_shape, baz_shape):
            self.built = True

    with pytest.raises(ValueError, match="argument `bar`, which does not end in `_shape`"):
        Suffix()(X, X)
    with pytest.raises(ValueError, match=r"`baz_shape`, but `call\(\)` does not have argument `baz"):
        Unknown()(X, X)
    layer = pyseq.layers.Layer(name="bare")
    with pytest.raises(NotImplementedError, match="bare: expected .* have a `call` method"):
        layer.call(X)
    with pytest.raises(NotImplementedError, match="bare: expected .*`compute_output_shape` method"):
        layer.compute_output_shape((None, 3))
