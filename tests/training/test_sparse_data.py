"""scipy.sparse matrices: the bits of dense data, and the memory of one batch."""

import tracemalloc

import numpy as np
import pytest

import pyseq
from pyseq import layers

# From torch inside Keras.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
sparse = pytest.importorskip("scipy.sparse")
RANDOM = np.random.default_rng(4)
X = (RANDOM.random((50, 12)) * (RANDOM.random((50, 12)) < 0.2)).astype("float32")
Y = RANDOM.random((50, 1)).astype("float32")
SEVERAL = (RANDOM.random((50, 3)) < 0.4).astype("float32")
CLASSES = np.eye(3, dtype="float32")[RANDOM.integers(0, 3, 50)]
WEIGHTS = RANDOM.random(50).astype("float32")
FORMATS = ["csr_matrix", "csr_array", "csc_matrix", "coo_matrix", "coo_array", "lil_matrix"]


def make_model(units=1, loss="mse", metrics=("mae",), library=pyseq):
    if library is pyseq:
        pyseq.utils.set_random_seed(1)
    activation = "softmax" if "categorical" in loss else "sigmoid"
    model = library.Sequential(
        [
            library.Input((12,)),
            library.layers.Dense(5, activation="tanh", kernel_initializer="ones"),
            library.layers.Dense(units, activation=activation, kernel_initializer="ones"),
        ]
    )
    model.compile("sgd", loss, metrics=list(metrics))
    return model


def trained(x, y, units=1, loss="mse", metrics=("mae",), **kwargs):
    model = make_model(units, loss, metrics)
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, **kwargs).history
    return [*model.get_weights(), *history.values()]


def assert_same(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"shuffle": False},
        {"shuffle": "batch"},
        {"validation_split": 0.3},
        {"sample_weight": WEIGHTS},
        {"steps_per_epoch": 2},
        {"callbacks": [pyseq.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: None)]},
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_training(kind, arguments):
    x = getattr(sparse, kind)(X)
    assert_same(trained(x, Y, **arguments), trained(X, Y, **arguments))


def test_random_layers_draw_the_same():
    weights = []
    for x in (X, sparse.csr_matrix(X)):
        pyseq.utils.set_random_seed(2)
        model = pyseq.Sequential(
            [pyseq.Input((12,)), layers.GaussianNoise(0.1), layers.Dropout(0.5), layers.Dense(1)]
        )
        model.compile("adam", "mse")
        model.fit(x, Y, batch_size=8, epochs=2, verbose=0)
        weights.append(model.get_weights())
    assert_same(*weights)


@pytest.mark.parametrize("kind", FORMATS)
def test_answers(kind):
    x, model = getattr(sparse, kind)(X), make_model()
    for arguments in ({}, {"batch_size": 7}, {"batch_size": 7, "steps": 3}):
        np.testing.assert_array_equal(
            model.predict(x, verbose=0, **arguments), model.predict(X, verbose=0, **arguments)
        )
        assert model.evaluate(x, Y, verbose=0, **arguments) == model.evaluate(
            X, Y, verbose=0, **arguments
        )
    np.testing.assert_array_equal(model.predict_on_batch(x), model.predict_on_batch(X))
    assert model.test_on_batch(x, Y) == model.test_on_batch(X, Y)
    assert model.train_on_batch(x, Y) == make_model().train_on_batch(X, Y)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float64"])
def test_dtypes(dtype):
    x = (X * 100).astype(dtype)
    assert_same(trained(sparse.csr_matrix(x), Y), trained(x, Y))


def test_containers_and_validation_data():
    x = sparse.csr_matrix(X)
    expected = trained(X, Y, validation_data=(X, Y))
    assert_same(trained([x], [Y], validation_data=(x, Y)), expected)
    assert_same(trained({"in": x}, {"out": Y}, validation_data=({"in": x}, Y)), expected)


def test_class_weight():
    weight = {0: 0.5, 1: 2.0, 2: 0.0}
    arguments = {"loss": "categorical_crossentropy", "units": 3, "class_weight": weight}
    expected = trained(X, CLASSES, **arguments)
    x, y = sparse.csr_matrix(X), sparse.csr_matrix(CLASSES)
    assert_same(trained(x, CLASSES, **arguments), expected)
    assert_same(trained(X, y, **arguments), expected)
    single = make_model(3, "categorical_crossentropy")
    dense = make_model(3, "categorical_crossentropy")
    assert single.train_on_batch(x, y, class_weight=weight) == dense.train_on_batch(
        X, CLASSES, class_weight=weight
    )


class Seen(pyseq.metrics.Metric):
    """A metric that runs in Python, row by row with the targets."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.total = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total += float(np.sum(np.asarray(y_true) * np.asarray(y_pred)))

    def result(self):
        return self.total

    def reset_state(self):
        self.total = 0.0


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
def test_sparse_targets(loss):
    arguments = {"loss": loss, "units": 3, "validation_split": 0.2}
    y = sparse.csr_matrix(SEVERAL)
    expected = trained(X, SEVERAL, metrics=[Seen()], **arguments)
    assert_same(trained(sparse.csr_matrix(X), y, metrics=[Seen()], **arguments), expected)
    assert_same(trained(X, y, metrics=[Seen()], **arguments), expected)


def test_a_sparse_column_of_labels():
    labels = RANDOM.integers(0, 3, (50, 1))
    arguments = {"loss": "sparse_categorical_crossentropy", "units": 3, "metrics": ["accuracy"]}
    y = sparse.csr_matrix(labels)
    assert_same(trained(sparse.csr_matrix(X), y, **arguments), trained(X, labels, **arguments))


def test_batches_of_streams():
    def stream(x):
        for i in range(0, 48, 8):
            yield x[i : i + 8], Y[i : i + 8]

    expected = make_model().fit(stream(X), verbose=0).history
    assert make_model().fit(stream(sparse.csr_matrix(X)), verbose=0).history == expected


def test_keras(keras):
    x, history = sparse.csr_matrix(X), []
    for library in (pyseq, keras):
        model = make_model(library=library)
        logs = model.fit(
            x, Y, batch_size=8, epochs=2, shuffle=False, validation_split=0.3, verbose=0
        ).history
        history.append([logs[name] for name in sorted(logs)])
        history[-1].append(model.predict(x, verbose=0).ravel())
    for a, b in zip(*history, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5)


ROWS, COLUMNS = 2000, 4000  # 32 MB of float32


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("fit", {"shuffle": True}),
        ("fit", {"validation_split": 0.5}),
        ("fit", {"class_weight": {0: 2.0}}),
        ("evaluate", {}),
        ("predict", {}),
    ],
)
@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_memory_of_a_batch(kind, what, arguments):
    x = getattr(sparse, kind)(sparse.random(ROWS, COLUMNS, 1e-3, dtype="float32", rng=1))
    model = pyseq.Sequential([pyseq.Input((COLUMNS,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    targets = () if what == "predict" else (np.zeros(ROWS, "float32"),)
    tracemalloc.start()
    try:
        getattr(model, what)(x, *targets, batch_size=16, verbose=0, **arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6


def test_errors():
    model = make_model()
    with pytest.raises(ValueError, match="x: expected numbers, got dtype complex64"):
        model.predict(sparse.csr_matrix(X.astype("complex64")), verbose=0)
    with pytest.raises(ValueError, match="as many rows"):
        model.fit(sparse.csr_matrix(X), Y[:9], verbose=0)
    with pytest.raises(ValueError, match="12"):
        model.predict(sparse.csr_matrix(X[:, :5]), verbose=0)
    before = model.get_weights()
    hot = make_model(3, "sparse_categorical_crossentropy", ())
    with pytest.raises(ValueError, match="labels from 7"):
        hot.fit(sparse.csr_matrix(X), np.full(50, 7), verbose=0)
    with pytest.raises(ValueError, match="targets for class_weight"):
        model.fit(sparse.csr_matrix(X), class_weight={0: 1.0}, verbose=0)
    assert_same(model.get_weights(), before)
