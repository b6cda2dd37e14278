"""Rows of an embedding that no batch has named are left out of updates, with the same bits."""

import numpy as np
import pytest

import pyseq
from pyseq import layers

ROWS, STEPS = 3000, 5
OPTIMIZERS = {
    "sgd": lambda: pyseq.optimizers.SGD(0.1),
    "momentum": lambda: pyseq.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adagrad": lambda: pyseq.optimizers.Adagrad(0.1),
    "adam": lambda: pyseq.optimizers.Adam(0.01),
    "amsgrad": lambda: pyseq.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: pyseq.optimizers.AdamW(0.01),
    "clipped": lambda: pyseq.optimizers.Adam(0.01, global_clipnorm=0.01),
    "averaged": lambda: pyseq.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    "accumulated": lambda: pyseq.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "rmsprop": lambda: pyseq.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adadelta": lambda: pyseq.optimizers.Adadelta(0.1),
    "adamax": lambda: pyseq.optimizers.Adamax(0.01),
    "nadam": lambda: pyseq.optimizers.Nadam(0.01),
    "lion": lambda: pyseq.optimizers.Lion(0.01),
    "ftrl": lambda: pyseq.optimizers.Ftrl(0.01),
    "lamb": lambda: pyseq.optimizers.Lamb(0.01),
}


class Twice(layers.Layer):
    """Reads the table twice, once for nothing: its gradient is a sum, which has no marks."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def call(self, ids):
        return self.table(ids) + 0.0 * self.table(ids)


def model_of(optimizer, width, dense, **options):
    pyseq.utils.set_random_seed(3)
    table = layers.Embedding(ROWS, width, **options)
    model = pyseq.Sequential(
        [
            pyseq.Input((6,), dtype="int32"),
            Twice(table) if dense else table,
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    model.compile(OPTIMIZERS[optimizer](), "mse")
    return model


def batches(seed=0):
    rng = np.random.default_rng(seed)
    for step in range(STEPS):
        # Rows side by side, far apart, at both ends, and some that come again.
        ids = rng.choice([0, 1, 2, 3, 40, 41, 977, 2998, 2999, 500 + step], (8, 6)).astype("int32")
        yield ids, rng.normal(size=(8, 1)).astype("float32")


def train(model, seed=0):
    for x, y in batches(seed):
        model.train_on_batch(x, y)


def state(model):
    return [np.asarray(v) for v in (*model.weights, *model.optimizer.variables)]


def same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def twins(optimizer, width=5, **options):
    sparse = model_of(optimizer, width, False, **options)
    dense = model_of(optimizer, width, True, **options)
    dense.set_weights(sparse.get_weights())
    return sparse, dense


@pytest.mark.parametrize("width", [1, 5, 300])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_bits(optimizer, width):
    sparse, dense = twins(optimizer, width)
    before = sparse.get_weights()[0]
    train(sparse), train(dense)
    same(sparse, dense)
    after = sparse.get_weights()[0]
    assert not np.array_equal(after[977], before[977])
    if optimizer in ("sgd", "adam", "rmsprop"):
        np.testing.assert_array_equal(after[1000:2000], before[1000:2000])


@pytest.mark.parametrize(
    "options",
    [{"embeddings_regularizer": "l2"}, {"embeddings_constraint": pyseq.constraints.MaxNorm(0.05)}],
    ids=["penalty", "constraint"],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_changes_all_rows(optimizer, options):
    sparse, dense = twins(optimizer, **options)
    train(sparse), train(dense)
    same(sparse, dense)


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamax"])
def test_state_from_elsewhere(optimizer, tmp_path):
    """Moments that a file or an assignment brings are not zero, and go on."""
    sparse, dense = twins(optimizer)
    train(sparse), train(dense)
    for model in (sparse, dense):
        moments = next(v for v in model.optimizer.variables if tuple(v.shape) == (ROWS, 5))
        values = np.asarray(moments).copy()
        values[1500:1600] = 0.25
        moments.assign(values)
    before = sparse.get_weights()[0]
    train(sparse, 1), train(dense, 1)
    same(sparse, dense)
    assert not np.array_equal(sparse.get_weights()[0][1550], before[1550])
    sparse.save(tmp_path / "model.pyseq")
    loaded = pyseq.load_model(tmp_path / "model.pyseq")
    train(loaded, 2), train(dense, 2)
    same(loaded, dense)


def test_several_batches_and_threads():
    x, y = (np.concatenate(parts) for parts in zip(*batches(5), strict=True))
    found, before = [], pyseq.config.num_threads()
    for threads in (1, 3):
        pyseq.config.set_num_threads(threads)
        model = model_of("adam", 40, False)
        model.fit(x, y, batch_size=7, epochs=3, verbose=0)
        found.append(state(model))
    pyseq.config.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore::pyseq.checks.CheckWarning")
def test_gradients_that_are_not_finite():
    sparse, dense = twins("adam")
    for model in (sparse, dense):
        train(model)
        x, y = next(batches(1))
        model.train_on_batch(x, y * np.float32(np.nan))
        train(model, 2)
    same(sparse, dense)
