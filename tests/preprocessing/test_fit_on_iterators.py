"""`fit`, `evaluate` and `predict` on iterators of images: finite epochs, shuffled anew."""

import numpy as np
import pytest

import pyseq
from pyseq import layers
from pyseq.preprocessing import image


class Recorder(image.ImageDataGenerator):
    """Keeps the first pixel of each image that it standardizes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = []

    def standardize(self, x):
        self.seen.append(int(x[0, 0, 0]))
        return super().standardize(x)


def network(classes=2):
    model = pyseq.Sequential(
        [
            pyseq.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    loss = "sparse_categorical_crossentropy" if classes == 2 else "categorical_crossentropy"
    model.compile(pyseq.optimizers.Adam(0.02), loss, metrics=["accuracy"])
    return model


def pictures(rng, count=40):
    """Dark and bright images."""
    y = np.arange(count) % 2
    x = rng.random((count, 8, 8, 1)) * 100 + 120 * y[:, None, None, None]
    return x.astype("float32"), y


def test_each_epoch_sees_each_image_once_in_a_new_order():
    x = np.zeros((10, 8, 8, 1), "float32")
    x[:, 0, 0, 0] = np.arange(10)
    generator = Recorder()
    network().fit(generator.flow(x, np.arange(10) % 2, batch_size=4), epochs=3, verbose=0)
    orders = [generator.seen[i : i + 10] for i in (0, 10, 20)]
    assert len(generator.seen) == 30
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != list(range(10))


def test_fit_on_flow(rng):
    x, y = pictures(rng)
    train = image.ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=10, validation_split=0.2)
    plain = image.ImageDataGenerator(rescale=1 / 255, validation_split=0.2)
    batches = train.flow(x, y, batch_size=8, seed=1, subset="training")
    held_out = plain.flow(x, y, batch_size=8, shuffle=False, subset="validation")
    model = network()
    history = model.fit(
        batches, steps_per_epoch=len(batches), epochs=30, validation_data=held_out, verbose=0
    ).history
    assert len(history["loss"]) == len(history["val_loss"]) == 30
    assert history["val_accuracy"][-1] == 1
    assert model.evaluate(held_out, verbose=0, return_dict=True)["accuracy"] == 1
    probabilities = model.predict(held_out, verbose=0)
    np.testing.assert_allclose(probabilities, model.predict(x[:8] / 255, verbose=0), atol=1e-5)
    assert probabilities.argmax(1).tolist() == y[:8].tolist()


@pytest.mark.filterwarnings(r"ignore:.*\[PS305\]$")  # bytes of images as they are
def test_fit_with_threads_and_processes(rng):
    x, y = pictures(rng, 12)
    expected = network().predict(x, verbose=0).shape
    for processes in (False, True):
        flow = image.ImageDataGenerator().flow(x, y, batch_size=5, shuffle=False)
        flow.workers, flow.use_multiprocessing = 2, processes
        model = network()
        assert model.predict(flow, verbose=0).shape == expected
        assert np.isfinite(model.fit(flow, verbose=0).history["loss"][0])


def test_fit_on_a_loop_of_the_user(rng):
    """`next` of an iterator inside a generator goes on for ever, as scripts use it."""
    x, y = pictures(rng)
    flow = image.ImageDataGenerator(rescale=1 / 255).flow(x, y, batch_size=8)

    def twice():
        for batch, labels in flow:
            yield np.concatenate([batch, batch]), np.concatenate([labels, labels])

    history = network().fit(twice(), steps_per_epoch=7, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert flow.total_batches_seen == 14


def test_fit_on_a_folder(tmp_path, rng):
    pytest.importorskip("PIL")
    x, y = pictures(rng, 24)
    for i in range(24):
        below = tmp_path / ("dark", "light")[y[i]]
        below.mkdir(exist_ok=True)
        image.save_img(below / f"{i}.png", x[i], scale=False)
    generator = image.ImageDataGenerator(rescale=1 / 255, width_shift_range=0.1)
    flow = generator.flow_from_directory(
        tmp_path, target_size=(8, 8), color_mode="grayscale", class_mode="sparse", batch_size=5, seed=0
    )
    model = network()
    history = model.fit(flow, epochs=30, verbose=0).history
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < history["loss"][0]
    flow = generator.flow_from_directory(
        tmp_path, target_size=(8, 8), color_mode="grayscale", class_mode=None, shuffle=False
    )
    assert model.predict(flow, verbose=0).argmax(1).tolist() == flow.classes.tolist()


def test_backup_goes_on_with_the_same_batches(tmp_path, rng):
    x, y = pictures(rng, 20)

    def run(epochs, stop=None):
        pyseq.utils.set_random_seed(1)
        model = network()
        flow = image.ImageDataGenerator(horizontal_flip=True).flow(x / 255, y, batch_size=6, seed=2)
        calls = [pyseq.callbacks.BackupAndRestore(tmp_path / "backup")]
        if stop is not None:

            def end(epoch, logs):
                if epoch == stop:
                    raise KeyboardInterrupt

            calls.append(pyseq.callbacks.LambdaCallback(on_epoch_begin=end))
        model.fit(flow, epochs=epochs, callbacks=calls, verbose=0)
        return model.get_weights()

    want = run(4)
    with pytest.raises(KeyboardInterrupt):
        run(4, stop=2)
    for a, b in zip(run(4), want):
        np.testing.assert_array_equal(a, b)
