"""fit, evaluate, predict and single batches: what they accept, log and return, beside Keras."""

import signal
import threading
import warnings

import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.training import predicting

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:keras", "ignore::DeprecationWarning")


def data(rng, rows=50, classes=3):
    x = rng.normal(size=(rows, 4)).astype("float32")
    return x, rng.integers(0, classes, rows)


def pair(keras, rng, classes=3, optimizer="SGD", **options):
    """The same compiled model in both libraries, with the same weights."""
    models = []
    for library in (keras, pyseq):
        model = library.Sequential(
            [
                library.Input((4,)),
                library.layers.Dense(6, activation="tanh"),
                library.layers.Dense(classes, activation="softmax"),
            ]
        )
        model.compile(
            getattr(library.optimizers, optimizer)(0.1), "sparse_categorical_crossentropy",
            **{"metrics": ["accuracy"], **options},
        )
        models.append(model)
    weights = [0.5 * rng.normal(size=v.shape) for v in models[1].weights]
    for model in models:
        model.set_weights(weights)
    return models


def agree(ours, theirs, tolerance=1e-4):
    assert list(ours.history) == list(theirs.history)
    for key, values in theirs.history.items():
        np.testing.assert_allclose(ours.history[key], values, atol=tolerance, err_msg=key)
    assert ours.epoch == theirs.epoch


def both(keras, rng, arguments, **compile_options):
    """fit both models with `arguments(rng state)`; compare histories and weights."""
    theirs, ours = pair(keras, rng, **compile_options)
    state = rng.bit_generator.state
    results = []
    for model in (theirs, ours):
        rng.bit_generator.state = state
        results.append(model.fit(**{"shuffle": False, "verbose": 0, **arguments()}))
    agree(results[1], results[0])
    for a, b in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-4)
    return ours, theirs


def test_arrays(keras, rng):
    x, y = data(rng)
    ours, theirs = both(keras, rng, lambda: {"x": x, "y": y, "epochs": 3, "batch_size": 8})
    np.testing.assert_allclose(
        ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-5
    )
    np.testing.assert_allclose(
        ours.evaluate(x, y, verbose=0), theirs.evaluate(x, y, verbose=0), atol=1e-5
    )
    a = ours.evaluate(x, y, verbose=0, return_dict=True)
    assert list(a) == ["accuracy", "loss"] or list(a) == ["loss", "accuracy"]


def test_default_batch_size_keeps_the_last_partial_batch(keras, rng):
    x, y = data(rng, 50)
    both(keras, rng, lambda: {"x": x, "y": y, "epochs": 2})


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
def test_dtypes_of_data(keras, rng, dtype):
    x, y = data(rng)
    x = (10 * np.abs(x)).astype(dtype)
    both(keras, rng, lambda: {"x": x, "y": y.astype("int32"), "batch_size": 16})


def test_validation_split_takes_the_last_rows(keras, rng):
    x, y = data(rng)
    both(keras, rng, lambda: {"x": x, "y": y, "validation_split": 0.3, "epochs": 2})


def test_validation_data_and_frequency(keras, rng):
    x, y = data(rng)
    xv, yv = data(rng, 20)
    both(
        keras, rng,
        lambda: {"x": x, "y": y, "validation_data": (xv, yv), "epochs": 4, "validation_freq": 2,
                 "validation_batch_size": 7},
    )
    both(
        keras, rng,
        lambda: {"x": x, "y": y, "epochs": 3, "validation_freq": [1, 3],
                 "validation_data": (xv, yv, np.linspace(0, 1, 20))},
    )


def test_class_weight(keras, rng):
    x, y = data(rng)
    both(keras, rng, lambda: {"x": x, "y": y, "class_weight": {0: 3.0, 2: 0.2}, "epochs": 2})


def test_sample_weight(keras, rng):
    x, y = data(rng)
    w = rng.uniform(0, 2, 50)
    both(
        keras, rng, lambda: {"x": x, "y": y, "sample_weight": w, "epochs": 2},
        weighted_metrics=["accuracy"],
    )


@pytest.mark.filterwarnings("ignore:fit. the data ended", "ignore:Your input ran out")
def test_steps_per_epoch_goes_on_where_it_stopped(keras, rng):
    x, y = data(rng, 40)
    both(
        keras, rng,
        lambda: {"x": x, "y": y, "batch_size": 8, "steps_per_epoch": 2, "epochs": 4},
    )


def test_initial_epoch(keras, rng):
    x, y = data(rng)
    both(keras, rng, lambda: {"x": x, "y": y, "epochs": 5, "initial_epoch": 3})


def test_no_epochs(keras, rng):
    x, y = data(rng)
    _, ours = pair(keras, rng)
    assert ours.fit(x, y, epochs=0, verbose=0).history == {}


def batches(x, y, size=8, endless=False, weights=None):
    while True:
        for i in range(0, len(x), size):
            item = (x[i : i + size], y[i : i + size])
            yield item if weights is None else (*item, weights[i : i + size])
        if not endless:
            return


def test_generator(keras, rng):
    x, y = data(rng, 40)
    both(
        keras, rng,
        lambda: {"x": batches(x, y, endless=True), "steps_per_epoch": 3, "epochs": 3},
    )


def test_generator_with_weights_and_validation(keras, rng):
    x, y = data(rng, 40)
    w = rng.uniform(0, 2, 40).astype("float32")
    both(
        keras, rng,
        lambda: {"x": batches(x, y, endless=True, weights=w), "steps_per_epoch": 5, "epochs": 2,
                 "validation_data": (x, y)},
    )


def test_finite_generator_is_one_epoch(rng):
    x, y = data(rng, 40)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = model.fit(batches(x, y), verbose=0)
    assert len(history.history["loss"]) == 1


def test_dataset_with_getitem(keras, rng):
    x, y = data(rng, 40)
    results = []
    theirs, ours = pair(keras, rng)
    for library, model in ((keras, theirs), (pyseq, ours)):

        class Rows(library.utils.PyDataset):
            def __init__(self):
                super().__init__()

            def __len__(self):
                return 5

            def __getitem__(self, i):
                return x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]

        results.append(model.fit(Rows(), epochs=2, shuffle=False, verbose=0))
    agree(results[1], results[0])


def test_shuffle_sees_every_row_once(rng):
    seen = []
    model = pyseq.Sequential([pyseq.Input((1,)), layers.Dense(1, use_bias=False)])
    model.compile(pyseq.optimizers.SGD(0.0), "mse", metrics=[lambda y, p: seen.append(y) or y])
    x = np.arange(20, dtype="float32")[:, None]
    model.fit(x, x, batch_size=6, epochs=2, verbose=0)
    order = np.concatenate([np.asarray(s).ravel() for s in seen if np.asarray(s).size])
    for epoch in (order[:20], order[20:40]):
        assert sorted(epoch) == list(range(20))
    assert list(order[:20]) != list(order[20:40])


def test_the_same_seed_gives_the_same_weights(rng):
    x, y = data(rng)
    results = []
    for _ in range(2):
        pyseq.utils.set_random_seed(3)
        model = pyseq.Sequential(
            [pyseq.Input((4,)), layers.Dense(8, activation="relu"), layers.Dropout(0.5),
             layers.Dense(3, activation="softmax")]
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, epochs=3, verbose=0)
        results.append(model.get_weights())
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


def test_train_on_batch(keras, rng):
    x, y = data(rng, 12)
    theirs, ours = pair(keras, rng, optimizer="Adam")
    w = rng.uniform(0, 2, 12).astype("float32")
    for arguments in ({}, {"sample_weight": w}, {"class_weight": {1: 2.0}}, {"return_dict": True}):
        a, b = (m.train_on_batch(x, y, **arguments) for m in (ours, theirs))
        if isinstance(b, dict):
            assert list(a) == list(b)
            a, b = list(a.values()), list(b.values())
        np.testing.assert_allclose(a, b, atol=1e-4)
    a, b = (m.test_on_batch(x, y) for m in (ours, theirs))
    np.testing.assert_allclose(a, b, atol=1e-4)
    np.testing.assert_allclose(ours.predict_on_batch(x), theirs.predict_on_batch(x), atol=1e-4)


def test_single_batches_one_after_the_other(keras, rng):
    """A batch like an earlier one takes a shorter way: the same numbers, and the same complaints."""
    theirs, ours = pair(keras, rng, optimizer="Adam")
    batches = [data(rng, rows) for rows in (12, 12, 5, 12, 5)]
    for x, y in batches:
        for method in ("train_on_batch", "test_on_batch", "train_on_batch"):
            a, b = (getattr(m, method)(x, y) for m in (ours, theirs))
            np.testing.assert_allclose(a, b, atol=1e-4)
    x, y = data(rng, 12)
    wide = np.empty((12, 8), "float32")
    wide[:, ::2] = x
    a, b = (m.train_on_batch(wide[:, ::2], y) for m in (ours, theirs))
    np.testing.assert_allclose(a, b, atol=1e-4)
    wrong = y.copy()
    wrong[3] = 99
    with pytest.raises(ValueError, match="labels"):
        ours.train_on_batch(x, wrong)
    before = ours.get_weights()
    ours.layers[0].trainable = False
    ours.train_on_batch(x, y)
    np.testing.assert_array_equal(ours.get_weights()[0], before[0])
    ours.layers[0].trainable = True
    ours.train_on_batch(x, y)
    assert np.any(ours.get_weights()[0] != before[0])
    ours.compile("sgd", "mse")
    with pytest.raises(ValueError):
        ours.train_on_batch(x, np.zeros((12, 7, 2)))


def test_loss_only_is_a_number(rng):
    x, y = data(rng, 12)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert isinstance(model.train_on_batch(x, y), float)
    assert isinstance(model.evaluate(x, y, verbose=0), float)


def test_metric_functions_and_objects(keras, rng):
    x, y = data(rng)

    def make(library):
        return ["accuracy", library.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2"),
                "sparse_categorical_crossentropy", "acc"]

    theirs, ours = pair(keras, rng)
    for library, model in ((keras, theirs), (pyseq, ours)):
        model.compile(library.optimizers.SGD(0.1), "sparse_categorical_crossentropy",
                      metrics=make(library))
    agree(
        ours.fit(x, y, shuffle=False, verbose=0, validation_split=0.2),
        theirs.fit(x, y, shuffle=False, verbose=0, validation_split=0.2),
    )


def test_compile_again_keeps_weights(rng):
    x, y = data(rng)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    before = model.get_weights()
    model.compile(pyseq.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert len(model.evaluate(x, y, verbose=0)) == 2


HOOKS = [
    f"on_{mode}_{when}" for mode in ("train", "test", "predict") for when in ("begin", "end")
] + [
    f"on_{mode}_batch_{when}" for mode in ("train", "test", "predict") for when in ("begin", "end")
] + ["on_epoch_begin", "on_epoch_end"]


def recorder(library, seen):
    """A callback that notes each hook, its number and the keys of its logs."""

    def hook(name):
        def record(self, *args, logs=None):
            if args and isinstance(args[-1], dict):
                *args, logs = args
            seen.append((name, tuple(args), sorted(logs or {})))

        return record

    return type("Record", (library.callbacks.Callback,), {name: hook(name) for name in HOOKS})()


def test_callbacks_are_called_in_order(keras, rng):
    x, y = data(rng, 20)
    calls = {}
    theirs, ours = pair(keras, rng)
    for name, library, model in (("keras", keras, theirs), ("pyseq", pyseq, ours)):
        seen = calls[name] = []
        model.fit(x, y, batch_size=8, epochs=2, validation_split=0.2, verbose=0,
                  callbacks=[recorder(library, seen)])
        model.evaluate(x, y, callbacks=[recorder(library, seen)], verbose=0)
        model.predict(x, callbacks=[recorder(library, seen)], verbose=0)
    assert calls["pyseq"] == calls["keras"]


def test_early_stopping_and_best_weights(rng):
    x, y = data(rng)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile(pyseq.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    stop = pyseq.callbacks.EarlyStopping(monitor="loss", patience=2)
    history = model.fit(x, y, epochs=20, callbacks=[stop], verbose=0)
    assert len(history.history["loss"]) == 3


def test_stop_training_within_an_epoch(rng):
    x, y = data(rng, 64)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    batches_done = []

    class Stop(pyseq.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            batches_done.append(batch)
            if batch == 2:
                self.model.stop_training = True

    model.fit(x, y, batch_size=8, epochs=5, callbacks=[Stop()], verbose=0)
    assert batches_done == [0, 1, 2]


def test_ctrl_c_stops_within_a_step_and_leaves_the_model_usable(rng):
    model = pyseq.Sequential(
        [pyseq.Input((200,)), layers.Dense(300, activation="relu"), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    x, y = rng.normal(size=(4000, 200)).astype("float32"), rng.normal(size=4000)
    model.fit(x[:32], y[:32], verbose=0)
    # A process started in the background ignores SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.4, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, epochs=2000, verbose=0)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert np.isfinite(model.predict(x[:4], verbose=0)).all()
    assert len(model.fit(x[:64], y[:64], epochs=2, verbose=0).history["loss"]) == 2


def test_verbose_output(rng, capsys):
    x, y = data(rng)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=2, verbose=2)
    text = capsys.readouterr().out
    assert "Epoch 1/2" in text
    assert "Epoch 2/2" in text
    assert "accuracy:" in text
    assert "loss:" in text
    model.fit(x, y, epochs=1, verbose=1)
    assert "loss:" in capsys.readouterr().out
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)
    model.evaluate(x, y, verbose=0)
    assert capsys.readouterr().out == ""


def test_predict_generator_and_batches(rng):
    x, _ = data(rng, 70)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    whole = model.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, batch_size=7, verbose=0), whole, atol=1e-6)
    parts = model.predict((x[i : i + 10] for i in range(0, 70, 10)), verbose=0)
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    assert model.predict(x, batch_size=10, steps=2, verbose=0).shape == (20, 3)


def test_objects_that_numpy_can_read(rng):
    class Table:
        def __init__(self, array):
            self.array = array
            self.shape = array.shape

        def __array__(self, dtype=None, copy=None):
            return self.array if dtype is None else self.array.astype(dtype)

        def __len__(self):
            return len(self.array)

    x, y = data(rng)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(Table(x), Table(y), verbose=0)
    model.fit([x], [y], verbose=0)
    model.fit({"input": x}, y, verbose=0)
    np.testing.assert_array_equal(
        model.predict(Table(x), verbose=0), model.predict(x, verbose=0)
    )


def test_gradient_accumulation_and_schedule(keras, rng):
    x, y = data(rng, 48)
    theirs, ours = pair(keras, rng)
    for library, model in ((keras, theirs), (pyseq, ours)):
        schedule = library.optimizers.schedules.ExponentialDecay(0.2, 3, 0.5)
        model.compile(
            library.optimizers.SGD(schedule, momentum=0.9, gradient_accumulation_steps=2),
            "sparse_categorical_crossentropy",
        )
    arguments = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}
    agree(ours.fit(x, y, **arguments), theirs.fit(x, y, **arguments))
    for a, b in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_stateful_lstm_keeps_and_resets_its_state(keras, rng):
    x = rng.normal(size=(4, 3, 2)).astype("float32")
    models = []
    for library in (keras, pyseq):
        models.append(
            library.Sequential(
                [library.Input(batch_shape=(4, 3, 2)), library.layers.LSTM(3, stateful=True)]
            )
        )
    theirs, ours = models
    ours.set_weights(theirs.get_weights())
    for _ in range(2):
        for _ in range(3):
            np.testing.assert_allclose(
                ours.predict(x, batch_size=4, verbose=0),
                theirs.predict(x, batch_size=4, verbose=0), atol=1e-5,
            )
        theirs.layers[0].reset_state()
        ours.layers[0].reset_state()


def test_fit_warns_when_data_end_early(rng):
    x, y = data(rng, 16)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="data ended"):
        model.fit(batches(x, y), steps_per_epoch=9, epochs=2, verbose=0)


def test_large_batch_then_small(rng):
    """Programs are planned once and serve any smaller batch."""
    x, y = data(rng, 300)
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (256, 3, 100, 1):
            model.fit(x, y, batch_size=size, verbose=0)
            assert model.predict(x[:size], verbose=0).shape == (size, 3)


def test_fit_inside_an_exception_handler_ends_as_usual():
    model = pyseq.Sequential([pyseq.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    try:
        raise KeyError("the caller's own")
    except KeyError:
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert model.stop_training is False


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint32"])
def test_ids_go_the_short_way_too(dtype):
    model = pyseq.Sequential(
        [
            pyseq.Input((4,), dtype="int32"),
            pyseq.layers.Embedding(9, 3),
            pyseq.layers.GlobalAveragePooling1D(),
        ]
    )
    x = np.array([[1, 2, 3, 8], [0, 5, 5, 7]], dtype)
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(predicting.quick_answer(model, x), expected)
    np.testing.assert_array_equal(model.predict_on_batch(x.T.copy().T), expected)
    with pytest.raises(ValueError, match="PS309"):
        model.predict_on_batch(x + x.dtype.type(4))
