"""docs/differences.md says what real Keras does: here both do it."""

import warnings

import numpy as np
import pytest

import pyseq

# Keras on PyTorch: `__array__` without `copy`.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X[:, 0]


@pytest.fixture(params=["pyseq", "keras"])
def library(request):
    if request.param == "pyseq":
        return pyseq
    keras = request.getfixturevalue("keras")
    keras.utils.set_random_seed(0)
    return keras


def warned(call):
    """Codes of the checks that warn."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return {str(w.message)[-6:-1] for w in caught if str(w.message).endswith("]")}


def model_of(library, units=1, activation=None):
    layers = library.layers
    return library.Sequential([library.Input((4,)), layers.Dense(units, activation=activation)])


def from_logits(library):
    model = model_of(library, 3, "softmax")
    model.compile("sgd", library.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, np.arange(64) % 3, verbose=0)


def fits(loss, y, x=X, units=1, activation=None, metrics=None):
    def run(library):
        model = model_of(library, units, activation)
        model.compile("sgd", loss, metrics=metrics)
        model.fit(x, y, verbose=0)

    return run


NAN = np.where(np.arange(64)[:, None] == 3, np.nan, X)
MISTAKES = {
    "PS101": from_logits,
    "PS103": fits("binary_crossentropy", (Y > 0).astype("float32")),
    "PS202": fits("mse", Y[:, None], units=2),
    "PS203": fits("mse", Y, metrics=["accuracy"]),
    "PS208": fits("mse", Y, activation="relu"),
    "PS304": fits("mse", Y, x=NAN),
}


@pytest.mark.parametrize("code", MISTAKES)
def test_silence_there_and_a_warning_here(code, library):
    codes = warned(lambda: MISTAKES[code](library))
    assert code in codes if library is pyseq else not codes


def test_errors_that_name_the_data(library):
    labels = fits(
        "sparse_categorical_crossentropy", np.arange(64) % 4, units=3, activation="softmax"
    )
    layers = library.layers
    ids = library.Sequential([library.Input((3,), dtype="int32"), layers.Embedding(5, 2)])
    with pytest.raises((ValueError, IndexError)) as first:
        labels(library)
    with pytest.raises((ValueError, IndexError)) as second:
        ids.predict(np.full((1, 3), 7), verbose=0)
    told = "from 0 to 2" in str(first.value), "got 7 in row 0" in str(second.value)
    assert told == ((True, True) if library is pyseq else (False, False))


@pytest.mark.filterwarnings("ignore")
def test_what_is_laxer(library):
    for call in (
        lambda: library.layers.Dense(3, init="uniform"),
        lambda: library.optimizers.Adam(lr=0.1),
        lambda: fits("mse", Y.tolist(), x=X.tolist())(library),
    ):
        if library is pyseq:
            call()
        else:
            with pytest.raises(ValueError):
                call()
    assert library.Sequential([library.layers.Dense(3, input_dim=4)]).output_shape == (None, 3)


def test_what_is_not_there(library):
    def several_inputs():
        first, second = library.Input((4,)), library.Input((4,))
        library.Model([first, second], library.layers.Concatenate()([first, second]))

    def branch():
        inputs = library.Input((4,))
        library.Model(inputs, library.layers.Add()([inputs, library.layers.Dense(4)(inputs)]))

    def train_step():
        class Own(library.Model):
            def __init__(self):
                super().__init__()
                self.dense = library.layers.Dense(1)

            def call(self, x):
                return self.dense(x)

            def train_step(self, *data):
                return {"loss": 0.0}

        model = Own()
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)

    for call in (several_inputs, branch, train_step):
        if library is pyseq:
            with pytest.raises(ValueError, match="expected"):
                call()
        else:
            call()
    there = library is not pyseq
    assert hasattr(library, "applications") is there
    assert hasattr(model_of(library), "quantize") is there


def test_what_both_have(library):
    inputs = library.Input((4,))
    hidden = library.layers.Dense(3)(inputs)
    both = library.Model(inputs, [hidden, library.layers.Dense(2)(hidden)])
    assert [y.shape for y in both.predict(X, verbose=0)] == [(64, 3), (64, 2)]
    config = library.config
    assert (config.floatx(), config.epsilon()) == ("float32", 1e-7)
    assert config.image_data_format() == "channels_last"


def test_what_comes_back(library):
    model = model_of(library)
    model.compile("sgd", "mse")
    assert type(model.predict(X, verbose=0)) is np.ndarray
    assert isinstance(model.fit(X, Y, verbose=0).history["loss"][0], float)
    ours = library is pyseq
    for value in (model(X), library.ops.sin(X), model.layers[-1].kernel.value):
        assert isinstance(value, np.ndarray) is ours
    if ours:
        with pytest.raises(ValueError, match="read-only"):
            model.layers[-1].kernel.value[:] = 0


@pytest.mark.parametrize(
    ("policy", "outputs", "weights"),
    [
        ("float64", "float64", "float64"),
        ("mixed_float16", "float16", "float32"),
        ("mixed_bfloat16", "bfloat16", "float32"),
        ("float16", "float16", "float16"),
    ],
)
def test_dtypes(library, policy, outputs, weights):
    pytest.importorskip("ml_dtypes")
    layer = library.layers.Dense(2, dtype=policy)
    model = library.Sequential([library.Input((4,)), layer])
    found = np.asarray(model.predict(X, verbose=0)).dtype.name, model.get_weights()[0].dtype.name
    assert found == (outputs, weights)
    assert layer.compute_dtype == outputs


def test_the_same_seed_draws_other_weights(keras):
    drawn = []
    for library in (pyseq, keras):
        library.utils.set_random_seed(0)
        drawn.append(model_of(library, 5).get_weights()[0])
    assert not np.isclose(*drawn).any()


def test_mixed_precision_computes_in_float32():
    """docs/performance.md: it changes what is handed out, not what is computed."""
    fitted = []
    for policy in ("mixed_float16", "float32"):
        pyseq.utils.set_random_seed(0)
        hidden = pyseq.layers.Dense(40, activation="relu", dtype=policy)
        model = pyseq.Sequential([pyseq.Input((4,)), hidden, pyseq.layers.Dense(2, dtype=policy)])
        model.compile("sgd", "mse")
        model.fit(X, X[:, :2], verbose=0)
        fitted.append(model)
    half, full = (model.predict(X, verbose=0) for model in fitted)
    np.testing.assert_array_equal(half, full.astype("float16"))
    for a, b in zip(*(model.get_weights() for model in fitted), strict=True):
        np.testing.assert_array_equal(a, b)
