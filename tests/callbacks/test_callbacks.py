"""Callbacks: order and arguments of hooks as in Keras, and what each callback does."""

import csv
import http.server
import json
import os
import struct
import threading

import numpy as np
import pytest

import pyseq
from pyseq import callbacks, layers
from pyseq.callbacks import event_file

# From torch inside Keras.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HOOKS = [
    "on_train_begin", "on_train_end", "on_test_begin", "on_test_end", "on_predict_begin",
    "on_predict_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin",
    "on_train_batch_end", "on_test_batch_begin", "on_test_batch_end", "on_predict_batch_begin",
    "on_predict_batch_end",
]  # fmt: skip


def make_model(optimizer="sgd", **kwargs):
    model = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(2, name="d"), layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"], **kwargs)
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 3)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")


def recorder(base):
    """A callback class on `base` that notes every hook with its arguments."""
    calls = []

    def hook(name):
        def method(self, *args, **kwargs):
            index = args[0] if len(args) > 0 and not isinstance(args[0], dict) else None
            logs = kwargs.get("logs", args[-1] if args and isinstance(args[-1], dict) else None)
            style = (len(args), tuple(sorted(kwargs)))
            calls.append((name, index, style, sorted(logs or {})))

        return method

    return type("Recorder", (base,), {name: hook(name) for name in HOOKS}), calls


def test_hooks_match_keras(keras, data):
    x, y = data
    theirs = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)]
    )
    theirs.compile("sgd", "mse", metrics=["mae"])
    results = []
    for model, base in ((make_model(), callbacks.Callback), (theirs, keras.callbacks.Callback)):
        kind, calls = recorder(base)
        cb = kind()
        model.fit(x, y, batch_size=8, epochs=2, validation_data=(x, y), verbose=0, callbacks=[cb])
        model.evaluate(x, y, batch_size=8, verbose=0, callbacks=[cb])
        model.predict(x, batch_size=8, verbose=0, callbacks=[cb])
        results.append((calls, dict(cb.params)))
    assert results[0][0] == results[1][0]
    assert results[0][1] == results[1][1]


def test_batch_logs_match_keras(keras, data):
    x, y = data
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    theirs.compile("sgd", "mse", metrics=["mae"])
    ours = pyseq.Sequential([pyseq.Input((3,)), layers.Dense(1)])
    ours.compile("sgd", "mse", metrics=["mae"])
    ours.set_weights(theirs.get_weights())
    seen = []
    for model, module in ((ours, callbacks), (theirs, keras.callbacks)):
        rows = []
        # In a list: Keras calls a lone callback from several threads, in no certain order.
        callback = module.LambdaCallback(
            on_train_batch_end=lambda batch, logs, rows=rows: rows.append((batch, *logs.values()))
        )
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[callback])
        seen.append(rows)
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-5)


def test_needs_batches():
    class Epochs(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    class Alias(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            pass

    class Louder(callbacks.ProgbarLogger):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)

    def modes(callback):
        found = callbacks.CallbackList([callback])
        return [mode for mode in ("train", "test", "predict") if found.needs_batches(mode)]

    assert modes(Epochs()) == []
    assert modes(callbacks.History()) == []
    assert modes(callbacks.ProgbarLogger()) == []
    assert modes(callbacks.ModelCheckpoint("a.keras")) == []
    assert modes(callbacks.BackupAndRestore("a")) == []
    assert modes(callbacks.TensorBoard("a")) == []
    assert modes(Alias()) == ["train"]
    assert modes(Louder()) == ["train"]
    assert modes(callbacks.TerminateOnNaN()) == ["train"]
    assert modes(callbacks.ModelCheckpoint("a.keras", save_freq=2)) == ["train"]
    assert modes(callbacks.TensorBoard("a", update_freq=2)) == ["train", "test"]
    assert modes(callbacks.LambdaCallback(on_test_batch_end=print)) == ["test"]


def test_callback_list_accepts_nested_lists_and_refuses_classes():
    first, second = callbacks.Callback(), callbacks.Callback()
    found = callbacks.CallbackList([[first], (second,)], add_history=True, add_progbar=True)
    kinds = [type(c).__name__ for c in found.callbacks]
    assert kinds == ["Callback", "Callback", "History", "ProgbarLogger"]
    with pytest.raises(TypeError, match="callbacks: expected instances of Callback, got"):
        callbacks.CallbackList([callbacks.History])


def test_logs_changed_by_a_callback_reach_history(data):
    class Add(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch * 10

    history = make_model().fit(*data, epochs=2, verbose=0, callbacks=[Add()])
    assert history.history["extra"] == [0, 10]
    assert history.epoch == [0, 1]
    assert all(type(v) is float for v in history.history["loss"])


def test_progress_output(data, capsys):
    make_model().fit(*data, epochs=2, verbose=1)
    out = capsys.readouterr().out
    assert "Epoch 1/2" in out and "Epoch 2/2" in out and "loss:" in out
    make_model().fit(*data, epochs=1, verbose=1)
    assert "Epoch 1/1" not in capsys.readouterr().out
    make_model().fit(*data, epochs=2, verbose=2)
    assert len(capsys.readouterr().out.strip().splitlines()) == 4


def fake_run(callback, values, monitor="val_loss", epochs=None):
    """Feed a callback epoch values; returns the epoch after which training stopped."""

    class Model:
        stop_training = False
        _compiled_metrics = None
        weights_of = None

        def get_weights(self):
            return self.epoch

        def set_weights(self, weights):
            self.restored = weights

    model = Model()
    callback.set_model(model)
    callback.set_params({"epochs": epochs or len(values), "verbose": 0, "steps": 1})
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        model.epoch = epoch
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {monitor: value})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch, model


@pytest.mark.parametrize(
    "arguments, values",
    [
        ({}, [1, 2, 3]),
        ({"patience": 2}, [1, 2, 3, 4, 5]),
        ({"patience": 1}, [3, 2, 2, 2, 1]),
        ({"min_delta": 0.5, "patience": 1}, [3, 2.9, 2.8, 2.4]),
        ({"baseline": 1.0, "patience": 2}, [3, 2, 1.5, 1.2, 1.1]),
        ({"mode": "max", "patience": 1}, [1, 2, 1.5, 1]),
        ({"start_from_epoch": 3, "patience": 1}, [1, 2, 3, 4, 5, 6, 7]),
        ({"restore_best_weights": True, "patience": 2}, [3, 1, 2, 2, 2]),
        ({"restore_best_weights": True, "patience": 9}, [3, 1, 2]),
        ({"restore_best_weights": True}, [float("nan")] * 3),
    ],
)
def test_early_stopping_matches_keras(keras, arguments, values):
    ours = fake_run(callbacks.EarlyStopping(**arguments), values)
    theirs = fake_run(keras.callbacks.EarlyStopping(**arguments), values)
    assert ours[0] == theirs[0]
    assert getattr(ours[1], "restored", None) == getattr(theirs[1], "restored", None)


def test_early_stopping_messages(capsys):
    fake_run(callbacks.EarlyStopping(verbose=1, restore_best_weights=True), [1, 2, 3])
    out = capsys.readouterr().out
    assert "Epoch 2: early stopping" in out and "best epoch: 1" in out
    with pytest.warns(UserWarning, match="expected `val_loss` in the logs"):
        fake_run(callbacks.EarlyStopping(), [1.0], monitor="loss")
    with pytest.warns(UserWarning, match="expected mode"):
        callbacks.EarlyStopping(mode="up")


@pytest.mark.filterwarnings("ignore:fit. the metric .accuracy. counts")
def test_monitor_direction(data):
    model = make_model()
    model.fit(*data, epochs=1, verbose=0)
    for name, sign in (("val_mae", -1), ("loss", -1)):
        stopping = callbacks.EarlyStopping(monitor=name)
        stopping.set_model(model)
        stopping._resolve_mode()
        assert stopping._sign == sign
    model.compile("sgd", "mse", metrics=["accuracy"])
    model.fit(*data, epochs=1, verbose=0)
    stopping = callbacks.EarlyStopping(monitor="val_accuracy")
    stopping.set_model(model)
    stopping._resolve_mode()
    assert stopping._sign == 1
    stopping = callbacks.EarlyStopping(monitor="unknown")
    stopping.set_model(model)
    with pytest.raises(ValueError, match="pass mode='max' or mode='min'"):
        stopping._resolve_mode()


@pytest.mark.parametrize(
    "arguments, values",
    [
        ({"patience": 1}, [3, 2, 2, 2, 2]),
        ({"patience": 2, "factor": 0.5, "cooldown": 1}, [3, 3, 3, 3, 3, 3, 3]),
        ({"patience": 1, "min_lr": 0.004}, [3, 3, 3, 3]),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.9, 2.8, 2.7]),
    ],
)
def test_reduce_lr_matches_keras(keras, arguments, values):
    rates = []
    for module, optimizers in ((callbacks, pyseq.optimizers), (keras.callbacks, keras.optimizers)):
        callback = module.ReduceLROnPlateau(**arguments)
        optimizer = optimizers.SGD(0.01)
        seen = []

        class Model:
            stop_training = False

        model = Model()
        model.optimizer = optimizer
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            logs = {"val_loss": value}
            callback.on_epoch_end(epoch, logs)
            seen.append((logs["learning_rate"], float(np.asarray(optimizer.learning_rate))))
        rates.append(seen)
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-6)
    with pytest.raises(ValueError, match="expected factor below 1"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_learning_rate_scheduler(data, capsys):
    model = make_model()
    history = model.fit(
        *data, epochs=3, verbose=0,
        callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)],
    )  # fmt: skip
    np.testing.assert_allclose(history.history["learning_rate"], [0.005, 0.0025, 0.00125])
    assert "Epoch 3: LearningRateScheduler setting the learning rate to" in capsys.readouterr().out
    one = callbacks.LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1))
    history = model.fit(*data, epochs=2, verbose=0, callbacks=[one])
    np.testing.assert_allclose(history.history["learning_rate"], [0.1, 0.2], rtol=1e-6)
    with pytest.raises(ValueError, match="expected the schedule to return a float"):
        model.fit(*data, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda e: 1)])


def test_scheduler_does_not_hide_errors_of_the_schedule(data):
    def schedule(epoch, rate):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        make_model().fit(*data, verbose=0, callbacks=[callbacks.LearningRateScheduler(schedule)])


def test_model_checkpoint(data, tmp_path, capsys):
    model = make_model()
    path = str(tmp_path / "new" / "{epoch:02d}-{val_loss:.1f}.keras")
    model.fit(
        *data, epochs=2, verbose=0, validation_data=data,
        callbacks=[callbacks.ModelCheckpoint(path, verbose=1)],
    )  # fmt: skip
    files = sorted(os.listdir(tmp_path / "new"))
    assert len(files) == 2 and files[0].startswith("01-") and files[1].startswith("02-")
    assert "Epoch 1: saving model to" in capsys.readouterr().out
    loaded = pyseq.saving.load_model(tmp_path / "new" / files[1])
    np.testing.assert_array_equal(
        loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0)
    )


def test_model_checkpoint_save_best_only(tmp_path, capsys):
    saved = []
    checkpoint = callbacks.ModelCheckpoint(
        str(tmp_path / "b{epoch}.weights.h5"), save_best_only=True, save_weights_only=True,
        verbose=1, initial_value_threshold=2.5,
    )  # fmt: skip

    class Model:
        _compiled_metrics = None

        def save_weights(self, path, overwrite):
            saved.append(os.path.basename(path))

    checkpoint.set_model(Model())
    for epoch, value in enumerate([3.0, 2.0, 2.2, 1.0]):
        checkpoint.on_epoch_begin(epoch)
        checkpoint.on_epoch_end(epoch, {"val_loss": value})
    assert saved == ["b2.weights.h5", "b4.weights.h5"]
    out = capsys.readouterr().out
    assert "val_loss improved from 2.00000 to 1.00000" in out
    assert "val_loss did not improve from 2.50000" in out
    with pytest.warns(UserWarning, match="the model is saved anyway"):
        checkpoint.on_epoch_end(4, {"loss": 1.0})


def test_model_checkpoint_by_batches(data, tmp_path):
    model = make_model()
    path = str(tmp_path / "{epoch}-{batch}.weights.h5")
    model.fit(
        *data, epochs=2, batch_size=5, verbose=0,
        callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)],
    )  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ["1-3.weights.h5", "2-2.weights.h5"]


def test_model_checkpoint_errors(data, tmp_path):
    with pytest.raises(ValueError, match=r"filepath ending in \.keras or \.h5"):
        callbacks.ModelCheckpoint("a.txt")
    with pytest.raises(ValueError, match=r"filepath ending in \.weights\.h5"):
        callbacks.ModelCheckpoint("a.keras", save_weights_only=True)
    with pytest.raises(ValueError, match="expected save_freq"):
        callbacks.ModelCheckpoint("a.keras", save_freq="batch")
    with pytest.raises(KeyError, match="expected names of"):
        make_model().fit(*data, verbose=0, callbacks=[callbacks.ModelCheckpoint("{nope}.keras")])
    os.mkdir(tmp_path / "d.keras")
    with pytest.raises(IsADirectoryError, match="expected a file, got the directory"):
        make_model().fit(
            *data, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "d.keras")]
        )
    with pytest.raises(ImportError, match="use ModelCheckpoint"):
        callbacks.OrbaxCheckpoint("dir")


@pytest.mark.filterwarnings(r"ignore:.*\[PS(304|401)\]")
def test_terminate_on_nan(data, capsys):
    x, y = data
    y = y.copy()
    y[9] = np.nan
    ended = []
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ended.append(batch))
    make_model().fit(
        x, y, batch_size=5, epochs=3, shuffle=False, verbose=0,
        callbacks=[callbacks.TerminateOnNaN(), watch],
    )  # fmt: skip
    assert ended == [0, 1]
    assert "Batch 1" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="expected a finite loss, got nan"):
        make_model().fit(
            x, y, shuffle=False, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)]
        )


def test_csv_logger_matches_keras(keras, tmp_path):
    runs = [
        [{"loss": 1.0, "acc": 0.5}, {"loss": 0.5, "val_loss": 2.0}],
        [{"b": np.array([1.0, 2.0]), "val_b": 3}],
    ]
    texts = []
    for module in (callbacks, keras.callbacks):
        path = tmp_path / "log.csv"
        for append in (False, True):
            logger = module.CSVLogger(str(path), separator=";", append=append)
            for run in runs[:1]:
                logger.on_train_begin()
                for epoch, logs in enumerate(run):
                    logger.on_epoch_end(epoch, dict(logs))
                logger.on_train_end()
        logger = module.CSVLogger(str(tmp_path / "b.csv"))
        logger.on_train_begin()
        logger.on_epoch_end(0, runs[1][0])
        logger.on_train_end()
        lines = path.read_text().splitlines(), (tmp_path / "b.csv").read_text().splitlines()
        texts.append([list(csv.reader(lines[0], delimiter=";")), list(csv.reader(lines[1]))])
        path.unlink()
    assert texts[0] == texts[1]
    assert texts[0][0][0] == ["epoch", "acc", "loss", "val_acc", "val_loss"]


def test_lambda_callback_takes_any_hook(data):
    seen = []
    callback = callbacks.LambdaCallback(
        on_test_begin=lambda logs: seen.append("test"), on_train_end=lambda logs: seen.append(logs)
    )
    make_model().fit(*data, verbose=0, validation_data=data, callbacks=[callback])
    assert seen[0] == "test" and "val_loss" in seen[1]


def test_backup_and_restore(data, tmp_path):
    x, y = data

    class Interrupt(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    directory = tmp_path / "backup"
    whole = make_model("adam")
    start = whole.get_weights()
    arguments = dict(epochs=4, shuffle=False, verbose=0)
    expected = whole.fit(x, y, **arguments).history["loss"]
    model = make_model("adam")
    model.set_weights(start)
    backup = callbacks.BackupAndRestore(directory, double_checkpoint=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, callbacks=[backup, Interrupt()], **arguments)
    assert sorted(os.listdir(directory)) == [
        "latest.weights.h5", "latest.weights.h5.bkp", "training_metadata.json",
        "training_metadata.json.bkp",
    ]  # fmt: skip
    assert json.loads((directory / "training_metadata.json").read_text())["epoch"] == 2
    again = make_model("adam")
    history = again.fit(
        x, y, callbacks=[callbacks.BackupAndRestore(directory, double_checkpoint=True)], **arguments
    )
    assert history.epoch == [2, 3]
    np.testing.assert_allclose(history.history["loss"], expected[2:], rtol=1e-6)
    assert not directory.exists()
    assert len(again.fit(x, y, **arguments).epoch) == 4


def test_backup_falls_back_to_the_one_before(data, tmp_path):
    x, y = data
    directory = tmp_path / "backup"
    model = make_model()
    options = dict(double_checkpoint=True, delete_checkpoint=False)
    model.fit(
        x, y, epochs=3, verbose=0, callbacks=[callbacks.BackupAndRestore(directory, **options)]
    )
    (directory / "latest.weights.h5").write_bytes(b"broken")
    again = make_model()
    history = again.fit(
        x, y, epochs=4, verbose=0, callbacks=[callbacks.BackupAndRestore(directory, **options)]
    )
    assert history.epoch == [2, 3]
    with pytest.raises(ValueError, match="expected a directory"):
        callbacks.BackupAndRestore("")
    (directory / "latest.weights.h5").write_bytes(b"broken")
    os.remove(directory / "latest.weights.h5.bkp")
    with pytest.raises(ValueError, match="latest.weights.h5: expected an HDF5 file"):
        again.fit(x, y, verbose=0, callbacks=[callbacks.BackupAndRestore(directory)])


def test_backup_by_batches(data, tmp_path):
    class Interrupt(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    model = make_model()
    with pytest.raises(KeyboardInterrupt):
        model.fit(
            *data, batch_size=5, verbose=0,
            callbacks=[callbacks.BackupAndRestore(tmp_path / "b", save_freq=2), Interrupt()],
        )  # fmt: skip
    assert json.loads((tmp_path / "b" / "training_metadata.json").read_text()) == {
        "epoch": 0, "batch": 1,
    }  # fmt: skip


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_swap_ema_weights(keras, data, swap_on_epoch):
    x, y = data
    results = []
    for module, cbs in ((pyseq, callbacks), (keras, keras.callbacks)):
        model = module.Sequential([module.Input((3,)), module.layers.Dense(1, name="e")])
        if not results:
            start = model.get_weights()
        model.set_weights(start)
        model.compile(module.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "mse")
        history = model.fit(
            x, y, epochs=3, verbose=0, shuffle=False, validation_data=(x, y),
            callbacks=[cbs.SwapEMAWeights(swap_on_epoch)],
        )  # fmt: skip
        results.append([history.history["val_loss"], history.history["loss"], model.get_weights()])
    for ours, theirs in zip(results[0], results[1], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5)


def test_swap_ema_puts_the_weights_back_after_predict(data):
    x, y = data
    model = make_model(pyseq.optimizers.SGD(0.1, use_ema=True))
    model.fit(x, y, verbose=0)
    model.optimizer._averages[0].assign_add(1.0)
    before = model.get_weights()
    plain = model.predict(x, verbose=0)
    averaged = model.predict(x, verbose=0, callbacks=[callbacks.SwapEMAWeights()])
    assert abs(plain - averaged).max() > 1e-3
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="expected an optimizer with use_ema=True"):
        make_model().predict(x, verbose=0, callbacks=[callbacks.SwapEMAWeights()])


def test_swap_ema_with_early_stop_keeps_the_averages(data):
    x, y = data

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.averages = self.model.get_weights()
            self.model.stop_training = True

    model, stop = make_model(pyseq.optimizers.SGD(0.1, use_ema=True)), Stop()
    model.fit(x, y, epochs=5, verbose=0, callbacks=[callbacks.SwapEMAWeights(True), stop])
    for a, b in zip(stop.averages, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_remote_monitor(data):
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, self.headers["Content-Type"], body.decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        root = f"http://127.0.0.1:{server.server_port}"
        for as_json in (True, False):
            monitor = callbacks.RemoteMonitor(root, send_as_json=as_json)
            monitor.on_epoch_end(1, {"loss": np.float32(0.5)})
    finally:
        server.shutdown()
        server.server_close()
    assert received[0][:2] == ("/publish/epoch/end/", "application/json")
    assert json.loads(received[0][2]) == {"epoch": 1, "loss": 0.5}
    assert received[1][2].startswith("data=%7B")
    with pytest.warns(UserWarning, match="could not reach"):
        callbacks.RemoteMonitor(root).on_epoch_end(0, {})
    with pytest.raises(ValueError, match="expected an http address"):
        callbacks.RemoteMonitor("file://x").on_epoch_end(0, {})


# --- TensorBoard, read back with a decoder of its own


def fields(data):
    """Yield `(field number, value)` of a protocol buffer message."""
    i = 0

    def varint():
        nonlocal i
        value = shift = 0
        while True:
            byte = data[i]
            i += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while i < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        elif kind == 1:
            yield key >> 3, struct.unpack("<d", data[i : i + 8])[0]
            i += 8
        else:
            size = varint()
            yield key >> 3, data[i : i + size]
            i += size


def read_events(directory):
    (name,) = os.listdir(directory)
    data = (directory / name).read_bytes()
    events, i = [], 0
    while i < len(data):
        (length,) = struct.unpack("<Q", data[i : i + 8])
        crc = struct.unpack("<I", data[i + 8 : i + 12])[0]
        assert crc == event_file.masked_crc(data[i : i + 8])
        body = data[i + 12 : i + 12 + length]
        crc = struct.unpack("<I", data[i + 12 + length : i + 16 + length])[0]
        assert crc == event_file.masked_crc(body)
        events.append(dict(fields(body)))
        i += 16 + length
    assert events[0][3] == b"brain.Event:2"
    result = []
    for event in events[1:]:
        value = dict(fields(dict(fields(event[5]))[1]))
        plugin = dict(fields(dict(fields(value[9]))[1]))[1].decode()
        tensor = list(fields(value[8]))
        result.append((value[1].decode(), plugin, event.get(2, 0), tensor))
    return result


def test_tensorboard(data, tmp_path):
    model = make_model()
    model.fit(
        *data, epochs=2, batch_size=5, verbose=0, validation_data=data,
        callbacks=[
            callbacks.TensorBoard(
                tmp_path, histogram_freq=1, write_images=True, update_freq=2,
                write_steps_per_second=True,
            )
        ],
    )  # fmt: skip
    train = read_events(tmp_path / "train")
    tags = {(tag, plugin) for tag, plugin, _, _ in train}
    assert {
        ("keras", "graph_keras_model"), ("epoch_loss", "scalars"), ("epoch_mae", "scalars"),
        ("epoch_learning_rate", "scalars"), ("epoch_steps_per_second", "scalars"),
        ("batch_loss", "scalars"), ("batch_steps_per_second", "scalars"),
    } <= tags  # fmt: skip
    assert any(plugin == "histograms" for _, plugin in tags)
    assert any(plugin == "images" for _, plugin in tags)
    assert [s for t, _, s, _ in train if t == "batch_loss"] == [2, 4, 6, 8]
    losses = [dict(tensor)[4] for t, _, _, tensor in train if t == "epoch_loss"]
    np.testing.assert_allclose(
        [struct.unpack("<f", v)[0] for v in losses], model.history.history["loss"], rtol=1e-6
    )
    histogram = next(t for _, p, _, t in train if p == "histograms")
    rows = np.frombuffer(dict(histogram)[4], "<f8").reshape(-1, 3)
    assert rows.shape == (30, 3) and rows[:, 2].sum() == 6
    image = [v for k, v in next(t for _, p, _, t in train if p == "images") if k == 8]
    assert image[2].startswith(b"\x89PNG")
    validation = read_events(tmp_path / "validation")
    assert ("evaluation_loss_vs_iterations", 4) in {(t, s) for t, _, s, _ in validation}


def test_tensorboard_embeddings_and_errors(tmp_path):
    model = pyseq.Sequential(
        [pyseq.Input((2,)), layers.Embedding(5, 3, name="words"), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    board = callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata="labels.tsv")
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0, callbacks=[board])
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_path: "words.tsv"' in config and 'metadata_path: "labels.tsv"' in config
    assert np.loadtxt(tmp_path / "words.tsv").shape == (5, 3)
    with pytest.warns(UserWarning, match="profile_batch=2 writes nothing"):
        callbacks.TensorBoard(tmp_path, profile_batch=2)
    with pytest.raises(ValueError, match="expected update_freq"):
        callbacks.TensorBoard(tmp_path, update_freq="step")
    bad = callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"no": "x"})
    with pytest.raises(ValueError, match="expected embeddings_metadata for Embedding layers"):
        bad.set_model(model)


def test_stop_flags(data):
    x, y = data

    class Stop(callbacks.Callback):
        def __init__(self):
            self.seen = []

        def on_test_batch_end(self, batch, logs=None):
            self.seen.append(batch)
            self.model.stop_evaluating = True

        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = True

    stop = Stop()
    model = make_model()
    model.evaluate(x, y, batch_size=5, verbose=0, callbacks=[stop])
    assert stop.seen == [0]
    assert len(model.predict(x, batch_size=5, verbose=0, callbacks=[stop])) == 5
