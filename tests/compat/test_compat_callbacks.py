"""Callbacks, and arguments of training, in the spellings of Keras 1 and 2."""

import numpy as np
import pytest

import pyseq
from pyseq import callbacks, layers, optimizers
from pyseq.compat import notices
from pyseq.compat.notices import CompatNotice


@pytest.fixture(autouse=True)
def quiet():
    pyseq.config.disable_compat_notices()
    yield
    pyseq.config.enable_compat_notices()


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 4)).astype("float32"), np.arange(20.0) % 2


def model(metrics=None, optimizer="adam"):
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(1, "sigmoid")])
    model.compile(optimizer, "binary_crossentropy", metrics=metrics)
    return model


def test_scheduler_beside_decay(data):
    """It sees and sets the rate before decay, which goes on from there."""
    optimizer, seen = optimizers.SGD(0.5, decay=0.1), []

    def halve(epoch, rate):
        seen.append(rate)
        return rate / 2

    scheduler = callbacks.LearningRateScheduler(halve)
    history = model(None, optimizer).fit(*data, batch_size=5, epochs=3, callbacks=[scheduler], verbose=0)
    assert seen == [0.5, 0.25, 0.125]
    assert history.history["learning_rate"] == [0.25, 0.125, 0.0625]
    assert float(optimizer.learning_rate) == pytest.approx(0.0625 / (1 + 0.1 * 12))


def test_plateau_beside_decay(data):
    optimizer = optimizers.SGD(0.5, decay=0.1)
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100.0)
    history = model(None, optimizer).fit(*data, epochs=3, callbacks=[plateau], verbose=0)
    assert history.history["learning_rate"] == [0.5, 0.5, 0.25]
    assert optimizer.lr == 0.125
    # A schedule of another kind is still nothing to change.
    scheduled = optimizers.SGD(optimizers.schedules.ExponentialDecay(0.5, 10, 0.5))
    with pytest.raises(TypeError, match="schedule"):
        model(None, scheduled).fit(*data, epochs=3, callbacks=[plateau], verbose=0)


def test_validation_data_of_callbacks(data):
    seen = []

    class Look(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append([part.shape for part in self.validation_data])

    model().fit(*data, validation_split=0.25, callbacks=[Look()], verbose=0)
    assert seen == [[(5, 4), (5,), (5,)]]
    own = Look()
    own.validation_data = 3
    assert own.validation_data == 3
    with pytest.raises(AttributeError, match="'Look' object has no attribute 'validation'"):
        _ = own.validation


@pytest.mark.parametrize("metric, monitor", [("accuracy", "val_acc"), ("acc", "val_accuracy")])
def test_old_names_in_logs(metric, monitor, data, tmp_path, monkeypatch):
    stop = callbacks.EarlyStopping(monitor, patience=1, min_delta=2.0)
    path = str(tmp_path / f"{{epoch}}-{{{monitor}:.1f}}.keras")
    saver = callbacks.ModelCheckpoint(path, monitor, save_best_only=True)
    monkeypatch.setattr(notices, "_told", set())
    pyseq.config.enable_compat_notices()
    with pytest.warns(CompatNotice, match=f"the name {monitor} in logs") as told:
        history = model([metric]).fit(
            *data, validation_data=data, epochs=5, callbacks=[stop, saver], verbose=0
        )
    assert [w.category for w in told].count(CompatNotice) == 1
    assert set(history.history) == {"loss", metric, "val_loss", f"val_{metric}"}
    assert len(history.epoch) == 2
    value = history.history[f"val_{metric}"][0]
    assert (tmp_path / f"1-{value:.1f}.keras").exists()


def test_names_that_nothing_has(data):
    stop = callbacks.EarlyStopping("val_acc", mode="max")
    with pytest.warns(UserWarning, match="expected `val_acc` in the logs"):
        model().fit(*data, callbacks=[stop], verbose=0)
    saver = callbacks.ModelCheckpoint("{acc}.keras")
    with pytest.raises(KeyError, match="'acc'"):
        model().fit(*data, callbacks=[saver], verbose=0)


def test_period_of_checkpoints(data, tmp_path):
    saver = callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"), period=2)
    model().fit(*data, epochs=5, callbacks=[saver], verbose=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2.keras", "4.keras"]
    for period in (0, 1.5, True):
        with pytest.raises(ValueError, match="period to be a number of epochs"):
            callbacks.ModelCheckpoint("m.keras", period=period)


def test_workers_of_old(data):
    x, y = data
    old = {"workers": 2, "max_queue_size": 3, "use_multiprocessing": True}
    net = model()
    net.fit(x, y, verbose=0, **old)
    assert net.evaluate(x, y, verbose=0, **old) == net.evaluate(x, y, verbose=0)
    np.testing.assert_array_equal(net.predict(x, verbose=0, **old), net.predict(x, verbose=0))
    with pytest.raises(TypeError, match="worker"):
        net.predict(x, worker=2)
