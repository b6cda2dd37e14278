"""Settings of a call that reach the layers within it."""

import numpy as np
import pytest

import pyseq

X = np.arange(6, dtype="float32").reshape(2, 3)


def outer(m, traceable=True):
    """A layer around one around one that takes the setting `shift`."""

    class Shift(m.layers.Layer):
        def __init__(self):
            super().__init__()
            self._register_call_context_args("shift")

        def call(self, x, shift=0.0):
            return x + shift if traceable else np.array([*x]) + shift

    class Around(m.layers.Layer):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    layer = Around(Around(Shift()))
    layer._register_call_context_args("shift")
    return layer


def array(x):
    return x.detach().numpy() if hasattr(x, "detach") else np.asarray(x)


def test_a_setting_reaches_layers_within_layers_as_in_keras(keras):
    mine, theirs = outer(pyseq), outer(keras)
    for options in ({"shift": 2.0}, {}, {"shift": 3.0}, {"shift": None}, {"shift": 2.0}):
        np.testing.assert_array_equal(mine(X, **options), array(theirs(X, **options)))


@pytest.mark.parametrize("traceable", [True, False])
def test_a_model_hands_a_setting_on(traceable):
    model = pyseq.Sequential([pyseq.layers.Identity(), outer(pyseq, traceable)])
    model._register_call_context_args("shift")
    np.testing.assert_array_equal(model(X, shift=2.0), X + 2)
    np.testing.assert_array_equal(model(X), X)
    np.testing.assert_array_equal(model.predict(X, verbose=0), X)


def test_layers_that_did_not_register_a_setting_do_not_get_it():
    class Shift(pyseq.layers.Layer):
        def call(self, x, shift=0.0):
            return x + shift

    model = pyseq.Sequential([Shift()])
    model._register_call_context_args("shift")
    np.testing.assert_array_equal(model(X, shift=2.0), X)
    with pytest.raises(TypeError, match="further arguments"):
        pyseq.Sequential([Shift()])(X, shift=2.0)


def test_the_innermost_value_holds():
    inner = outer(pyseq)

    class Five(pyseq.layers.Layer):
        def call(self, x):
            return inner(x, shift=5.0) + inner(x)

    layer = Five()
    layer._register_call_context_args("shift")
    np.testing.assert_array_equal(layer(X, shift=2.0), 2 * X + 7)


def test_settings_are_registered_before_the_first_call():
    layer = pyseq.layers.Identity()
    layer(X)
    with pytest.raises(RuntimeError, match="before the first call"):
        layer._register_call_context_args("shift")


def test_a_setting_is_no_array():
    with pytest.raises(TypeError, match="call context: expected settings"):
        outer(pyseq)(X, shift=X)
