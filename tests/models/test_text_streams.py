"""Streams of texts: a thread makes numbers of the next batch while one is used."""

import itertools
import threading

import numpy as np
import pytest
from text_pairs import IDS, TEXTS, Batches, Y, numeric, pair, vectorize

import pyseq


class Threads:
    """Standardizes texts, and notes the threads that ask it and what they ask for."""

    def __init__(self):
        self.seen, self.texts = [], []
        self.second = threading.Event()

    def __call__(self, texts):
        self.seen.append(threading.get_ident())
        self.texts.append(np.ravel(texts).tolist())
        if len(self.texts) > 1:
            self.second.set()
        plain = np.char.lower(np.asarray(texts).astype(str))
        return np.char.replace(np.char.replace(plain, ",", ""), "!", "")


def noted(**more):
    threads = Threads()
    model, twin = pair([vectorize(standardize=threads)], **more)
    return model, twin, threads


def stream(x, kind):
    if kind == "generator":
        return ((x[i : i + 8], Y[i : i + 8]) for i in range(0, 30, 8))
    if kind == "dataset":
        return pyseq.utils.pipeline.Dataset.from_tensor_slices((x, Y)).batch(8)
    return Batches(x, workers=3 if kind == "workers" else 1)


STREAMS = ["generator", "dataset", "batches", "workers"]


@pytest.mark.parametrize("kind", STREAMS)
def test_batches_of_a_stream_are_encoded_in_another_thread(kind):
    model, twin, threads = noted()
    for run in (
        lambda m, x: m.fit(stream(x, kind), shuffle=False, verbose=0).history,
        lambda m, x: m.evaluate(stream(x, kind), verbose=0),
        lambda m, x: m.predict(stream(x, kind), verbose=0).tolist(),
    ):
        threads.seen.clear()
        threads.texts.clear()
        assert run(model, TEXTS) == run(twin, IDS)
        assert [t for texts in threads.texts for t in texts] == TEXTS.tolist()
        assert len(set(threads.seen)) == 1 and threading.get_ident() not in threads.seen


def test_the_next_batch_is_encoded_while_one_trains():
    model, _, threads = noted()
    waited = []

    def begin(batch, logs=None):
        if batch == 0:
            waited.append(threads.second.wait(60))

    callback = pyseq.callbacks.LambdaCallback(on_train_batch_begin=begin)
    model.fit(stream(TEXTS, "generator"), callbacks=[callback], verbose=0)
    assert waited == [True]


def spoil(texts):
    if "bad" in np.ravel(texts).tolist():
        raise ArithmeticError("a bad text")
    return texts


def failing(kind):
    for _ in range(3):
        yield TEXTS[:4], Y[:4]
    if kind == "text":
        yield np.array(["bad"] * 4), Y[:4]
    if kind == "shape":
        yield np.array([["a", "b"]] * 4), Y[:4]
    raise ArithmeticError("the source")


@pytest.mark.parametrize("kind", ["text", "source", "shape"])
def test_what_fails_does_so_in_its_place(kind):
    model, _ = pair([vectorize(standardize=spoil)])
    done = []
    callback = pyseq.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: done.append(batch))
    with pytest.raises(ValueError if kind == "shape" else ArithmeticError):
        model.fit(failing(kind), callbacks=[callback], verbose=0)
    assert done == [0, 1, 2]
    parts = []
    with pytest.raises(ValueError if kind == "shape" else ArithmeticError):
        callback = pyseq.callbacks.LambdaCallback(
            on_predict_batch_end=lambda batch, logs: parts.append(batch)
        )
        model.predict((x for x, _ in failing(kind)), callbacks=[callback], verbose=0)
    assert parts == [0, 1, 2]


@pytest.mark.parametrize("kind", ["dataset", "batches"])
def test_a_vocabulary_that_changes_between_epochs(kind):
    vocabularies = [["b", "a"], ["c", "b"], ["a"]]
    model, other = pair()[0], pair()[0]
    other.set_weights(model.get_weights())
    callback = pyseq.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: model.layers[0].set_vocabulary(vocabularies[epoch])
    )
    fit = {"shuffle": False, "verbose": 0}
    losses = model.fit(stream(TEXTS, kind), callbacks=[callback], epochs=3, **fit).history["loss"]
    want = []
    for vocabulary in vocabularies:
        other.layers[0].set_vocabulary(vocabulary)
        want += other.fit(TEXTS, Y, batch_size=8, **fit).history["loss"]
    assert losses == want


@pytest.mark.parametrize("steps", [1, 3])
def test_no_batch_of_a_generator_is_taken_beyond_the_steps(steps):
    model, twin, _ = noted()
    histories, left = [], []
    for m, x in ((model, TEXTS), (twin, IDS)):
        batches = itertools.cycle(stream(x, "generator"))
        fit = {"steps_per_epoch": steps, "epochs": 2, "verbose": 0}
        histories.append(m.fit(batches, **fit).history)
        histories[-1]["eval"] = m.evaluate(batches, steps=steps, verbose=0)
        histories[-1]["predict"] = m.predict(batches, steps=steps, verbose=0).tolist()
        left.append(next(batches)[1].tolist())
    assert histories[0] == histories[1]
    assert left[0] == left[1]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", ["dataset", "batches", "workers"])
def test_epochs_that_end_inside_the_data(kind, shuffle):
    model, twin, _ = noted()
    histories = []
    for m, x in ((model, TEXTS), (twin, IDS)):
        pyseq.utils.set_random_seed(3)
        fit = {"steps_per_epoch": 3, "epochs": 5, "shuffle": shuffle, "verbose": 0}
        histories.append(m.fit(stream(x, kind), **fit).history)
    assert histories[0] == histories[1]


@pytest.mark.parametrize("kind", STREAMS)
def test_training_that_stops_early(kind):
    model, twin, _ = noted()
    weights = []
    for m, x in ((model, TEXTS), (twin, IDS)):

        def stop(batch, logs, m=m):
            m.stop_training = batch == 1

        callback = pyseq.callbacks.LambdaCallback(on_train_batch_end=stop)
        before = set(threading.enumerate())
        m.fit(stream(x, kind), epochs=3, shuffle=False, callbacks=[callback], verbose=0)
        for thread in set(threading.enumerate()) - before:
            thread.join(60)
            assert not thread.is_alive()
        weights.append(m.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_validation_that_stops_early_goes_on_with_the_next_batch():
    model, twin, _ = noted()
    seen = []
    for m, x in ((model, TEXTS), (twin, IDS)):

        def stop(batch, logs, m=m):
            m.stop_evaluating = batch == 0

        callback = pyseq.callbacks.LambdaCallback(on_test_batch_end=stop)
        validation = itertools.cycle(stream(x, "generator"))
        fit = {"validation_data": validation, "validation_steps": 3, "epochs": 3, "verbose": 0}
        history = m.fit(stream(x, "batches"), shuffle=False, callbacks=[callback], **fit).history
        seen.append(history["val_loss"])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("kind", STREAMS)
def test_a_model_that_is_built_by_a_stream_of_texts(kind):
    weights = []
    for data in ((stream(TEXTS, kind),), (TEXTS, Y)):
        pyseq.utils.set_random_seed(4)
        model = pyseq.Sequential([vectorize(), *numeric()])
        model.compile("sgd", "mse")
        more = {"batch_size": 8} if len(data) > 1 else {}
        model.fit(*data, shuffle=False, verbose=0, **more)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
