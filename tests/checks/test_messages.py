"""Each check finds its mistake and says so in these words."""

import warnings

import numpy as np
import pytest

import pyseq
from pyseq import checks, layers, losses, optimizers

rng = np.random.default_rng(0)
X = rng.normal(size=(8, 4)).astype("float32")
BINARY_FIX = "for a binary task use Dense(1, activation='sigmoid') with loss='binary_crossentropy'"


def stack(*parts, shape=(4,)):
    return pyseq.Sequential([pyseq.Input(shape), *parts])


def dense(units, activation=None, name="last"):
    return layers.Dense(units, activation=activation, name=name)


def compiled(loss, *parts, shape=(4,), optimizer="sgd", **options):
    model = stack(*parts, shape=shape)
    model.compile(optimizer, loss, **options)
    return model


SPARSE = "sparse_categorical_crossentropy"
AT_COMPILE = [
    (lambda: compiled(losses.SparseCategoricalCrossentropy(from_logits=True), dense(3, "softmax")),
     f"last: {SPARSE} with from_logits=True expects logits, but the last activation is softmax; "
     "remove from_logits=True, or the activation [PS101]"),
    (lambda: compiled(losses.BinaryCrossentropy(from_logits=True), dense(3),
                      layers.Activation("sigmoid", name="act")),
     "act: binary_crossentropy with from_logits=True expects logits, but the last activation is "
     "sigmoid; remove from_logits=True, or the activation [PS101]"),
    (lambda: compiled("categorical_crossentropy", dense(3, "sigmoid")),
     "last: categorical_crossentropy expects probabilities that sum to 1, but the last activation is "
     "sigmoid over 3 units; use activation='softmax', or loss='binary_crossentropy' for a "
     "multi-label task [PS102]"),
    (lambda: compiled("binary_crossentropy", dense(1, "tanh")),
     "last: binary_crossentropy expects probabilities, but the last activation is tanh; use "
     "activation='sigmoid' [PS103]"),
    (lambda: compiled("binary_crossentropy", dense(1)),
     "last: binary_crossentropy expects probabilities, but the last activation is linear; use "
     "activation='sigmoid', or from_logits=True in the loss [PS103]"),
    (lambda: compiled("bce", layers.Conv1D(1, 2, activation="tanh", name="conv"),
                      layers.GlobalAveragePooling1D(), layers.Dropout(0.5), shape=(5, 2)),
     "conv: binary_crossentropy expects probabilities, but the last activation is tanh; use "
     "activation='sigmoid' [PS103]"),
    (lambda: compiled("bce", layers.TimeDistributed(dense(1), name="steps"), layers.Flatten(),
                      shape=(5, 2)),
     "steps: binary_crossentropy expects probabilities, but the last activation is linear; use "
     "activation='sigmoid', or from_logits=True in the loss [PS103]"),
    (lambda: compiled(SPARSE, pyseq.Sequential([dense(3, "relu")]), layers.Activation("linear")),
     f"last: {SPARSE} expects probabilities, but the last activation is relu; use "
     "activation='softmax', or no activation and from_logits=True in the loss [PS103]"),
    (lambda: compiled("binary_crossentropy", dense(2, "softmax")),
     "last: softmax with binary_crossentropy treats 2 exclusive classes as independent ones; use "
     "categorical_crossentropy, or sigmoid for a multi-label task [PS104]"),
    (lambda: compiled("binary_crossentropy", dense(1, "softmax")),
     "last: softmax over one unit is always 1, so the model cannot learn; " + BINARY_FIX + " [PS105]"),
    (lambda: compiled("mse", dense(1), layers.Softmax(name="soft")),
     "soft: softmax over one unit is always 1, so the model cannot learn; " + BINARY_FIX + " [PS105]"),
    (lambda: compiled("categorical_crossentropy", dense(1, "sigmoid")),
     "last: categorical_crossentropy over one unit is constant; " + BINARY_FIX + " [PS106]"),
    (lambda: compiled(SPARSE, dense(1)),
     f"last: {SPARSE} over one unit is constant; " + BINARY_FIX + " [PS106]"),
    (lambda: losses.CategoricalCrossentropy()([[1.0]], [[0.5]]),
     "categorical_crossentropy: expected at least 2 classes, got y_pred of shape (1, 1); use "
     "binary_crossentropy for one unit [PS107]"),
    (lambda: compiled("mse", dense(1), optimizer=optimizers.SGD(10.0)),
     "SGD: a learning rate of 10 will most likely diverge; the default is 0.01; try values up to 1 "
     "[PS403]"),
    (lambda: compiled("mse", dense(1), optimizer=optimizers.LossScaleOptimizer(optimizers.Adam(2.0))),
     "Adam: a learning rate of 2 will most likely diverge; the default is 0.001; try values up to "
     "0.1 [PS403]"),
    (lambda: compiled("mse", dense(3, "softmax", "first"), layers.Softmax(name="soft")),
     "soft: softmax of what layer first has already made a softmax of; remove the activation of "
     "first, or layer soft [PS501]"),
    (lambda: compiled(SPARSE, dense(3, "softmax", "first"), layers.Dropout(0.1), dense(2, "softmax")),
     "first: a softmax whose output goes into the softmax of layer last; use activation='relu' in "
     "layer first [PS502]"),
]  # fmt: skip


@pytest.mark.parametrize("act, text", AT_COMPILE, ids=[c[1][-6:-1] for c in AT_COMPILE])
def test_when_compiled(act, text):
    with pytest.warns(checks.CheckWarning) as told:
        act()
    assert [str(w.message) for w in told] == [text]
    assert told[0].filename == __file__
    assert f"[{told[0].message.code}]" in text


def generator(count):
    yield from [(X, X[:, :1])] * count


def frozen():
    model = stack(layers.Dense(2), layers.BatchNormalization(), dense(1))
    model.name = "stack"
    model.trainable = False
    model.compile("sgd", "mse")
    return model


TEXT_OF_ROWS = ("last: mean_squared_error compares each target of shape (n,) with all 5 values of its row "
                "of the output (n, 5, 1); set return_sequences=False in the last recurrent layer (or "
                "add layers.Flatten()), or pass targets of shape (n, 5, 1) [PS202]")  # fmt: skip
ROWS = np.ones((8, 5, 2), "float32")
WITH_DATA = [
    (lambda: compiled("mse", dense(1), shape=(5, 2)).fit(ROWS, X[:, 0], verbose=0), TEXT_OF_ROWS),
    (lambda: compiled("mse", dense(1), shape=(5, 2)).evaluate(ROWS, X[:, 0], verbose=0),
     TEXT_OF_ROWS),
    (lambda: compiled("mse", dense(1), shape=(5, 2)).train_on_batch(ROWS, X[:, 0]), TEXT_OF_ROWS),
    (lambda: compiled("mse", dense(1), metrics=["acc"]).fit(X, np.arange(8.0), verbose=0),
     "fit: the metric 'acc' counts classes that are hit, but mean_squared_error is trained on "
     "numbers from 0 to 7; use metrics=['mae'], or a loss for classes [PS203]"),
    (lambda: compiled("mae", dense(1), metrics=["accuracy"]).evaluate(X, np.arange(8.0), verbose=0),
     "evaluate: the metric 'accuracy' counts classes that are hit, but mean_absolute_error is "
     "trained on numbers from 0 to 7; use metrics=['mae'], or a loss for classes [PS203]"),
    (lambda: compiled("mse", dense(1)).fit(X, X[:, :1], batch_size=4, epochs=1, steps_per_epoch=3,
                                           verbose=0),
     "fit: the data ended after 2 of 3 steps of this epoch; the next epoch starts again; use fewer "
     "steps_per_epoch or more data [PS302]"),
    (lambda: compiled("mse", dense(1)).fit(generator(2), steps_per_epoch=3, verbose=0),
     "fit: the data ended after 2 of 3 steps; let the generator yield more batches, or use fewer "
     "steps [PS302]"),
    (lambda: compiled("mse", dense(1)).fit(generator(2), epochs=2, verbose=0),
     "fit: the data ended before this epoch; training stops; pass steps_per_epoch, or data that can "
     "be read again [PS303]"),
    (lambda: frozen().fit(X, X[:, :1], verbose=0),
     "stack: expected weights to train, got a model whose 6 weight arrays are all frozen; set "
     "trainable = True in the layers to train and compile again [PS404]"),
    (lambda: compiled(["mse", "mae"], dense(1)).fit(X, X[:, :1], verbose=0),
     "compile(loss): expected one loss for the one output, got 2; only the first is trained on, as "
     "in Keras [PS405]"),
    (lambda: compiled(SPARSE, dense(3, "softmax"), optimizer=optimizers.Adam(0.01)).fit(
        iter([(X, np.zeros(8)), (X * np.inf, np.zeros(8))]), verbose=0),
     "fit: the loss ceased to be finite in epoch 1, batch 2, at learning rate 0.01; x holds inf "
     "there: leave such rows out or fill them in, then train anew [PS401]"),
    (lambda: compiled("mse", dense(1)).train_on_batch(X * 1e30, X[:, :1]),
     "fit: the loss ceased to be finite in batch 1, at learning rate 0.01; start from new weights "
     "with a lower learning rate, inputs of about -1 to 1, or clipnorm=1 [PS401]"),
]  # fmt: skip


@pytest.mark.parametrize("act, text", WITH_DATA, ids=[c[1][-6:-1] for c in WITH_DATA])
def test_with_data(act, text):
    with np.errstate(all="ignore"), pytest.warns(checks.CheckWarning) as told:
        act()
    assert [str(w.message) for w in told] == [text]


def test_a_generator_without_end(monkeypatch):
    from pyseq.training import loop

    monkeypatch.setattr(loop, "ENDLESS", 3)
    with pytest.warns(checks.CheckWarning) as told:
        compiled("mse", dense(1)).fit(generator(5), verbose=0)
    assert [str(w.message) for w in told] == [
        "fit: the first epoch has had 3 batches, and the generator goes on; if it has no end, pass "
        "steps_per_epoch [PS407]"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled("mse", dense(1)).fit(generator(5), steps_per_epoch=5, verbose=0)
        compiled("mse", dense(1)).fit(generator(2), verbose=0)
        compiled("mse", dense(1)).evaluate(generator(5), verbose=0)


def test_weights_that_a_file_lacks(tmp_path):
    path = str(tmp_path / "old.h5")
    pytest.importorskip("h5py")
    stack(dense(4, name="a"), dense(4, name="b")).save(path)
    with pytest.warns(checks.CheckWarning) as told:
        stack(dense(4, name="a"), dense(4, name="c"), dense(4, name="d")).load_weights(
            path, by_name=True
        )
    assert [str(w.message) for w in told] == [
        f"load_weights: {path} has weights for 1 layers, and none for c, d; these keep their "
        "weights: give layers the names of the file, or leave by_name out [PS408]"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stack(dense(4, name="b")).load_weights(path, by_name=True)


@pytest.mark.parametrize(
    "name, argument, value",
    [("fit", "batch_size", 32.5), ("predict", "batch_size", "32"), ("evaluate", "batch_size", 0.5),
     ("fit", "epochs", 1.5), ("fit", "steps_per_epoch", 2.5)],
)  # fmt: skip
def test_numbers_that_are_not_whole(name, argument, value):
    data = (X,) if name == "predict" else (X, X[:, :1])
    text = f"{name}: expected a whole number as {argument}, got {value!r}; use // or int(...)"
    with pytest.raises(TypeError) as caught:
        getattr(compiled("mse", dense(1)), name)(*data, verbose=0, **{argument: value})
    assert str(caught.value) == text
    compiled("mse", dense(1)).fit(X, X[:, :1], batch_size=np.float32(4), epochs=2.0, verbose=0)


def test_evaluate_without_targets():
    with pytest.raises(ValueError) as caught:
        compiled("mse", dense(1)).evaluate(X, verbose=0)
    assert str(caught.value) == (
        "evaluate: expected targets for loss 'mse', got none; pass y (for validation, a pair (x, y))"
    )


def test_metrics_of_one_name():
    from pyseq.training.compile_metrics import flat_results

    with pytest.warns(checks.CheckWarning) as told:
        flat_results({"a": {"hits": 1.0}, "b": {"hits": 2.0}})
    assert str(told[0].message) == (
        "compile(metrics): expected every name in the logs once, got ['hits'] from several metrics; "
        "the last is kept: return other keys from result() [PS406]"
    )


def test_a_lost_loss_names_what_was_suspicious_before():
    with pytest.warns(checks.CheckWarning) as told:
        model = compiled("mse", dense(1), optimizer=optimizers.SGD(1e9))
        model.fit(X, X[:, :1], batch_size=8, epochs=40, verbose=0)
    assert [w.message.code for w in told] == ["PS403", "PS401"]
    epoch = 1 + next(i for i, v in enumerate(model.history.history["loss"]) if not np.isfinite(v))
    assert str(told[1].message) == (
        f"fit: the loss ceased to be finite in epoch {epoch}, batch 1, at learning rate 1e+09; mend "
        "first what was reported before, PS403; then start from new weights with a lower learning "
        "rate, inputs of about -1 to 1, or clipnorm=1 [PS401]"
    )


LABELS = (f"{SPARSE} expected integer labels from 0 to 2 for an output of 3 classes, got labels "
          "from 0 to 7; number the classes from 0 or give the last layer 8 units [PS201]")  # fmt: skip


@pytest.mark.parametrize("name, where", [("fit", "fit"), ("evaluate", "evaluate"),
                                         ("train_on_batch", "fit"), ("test_on_batch", "evaluate")])  # fmt: skip
def test_labels_that_are_no_class(name, where):
    model = compiled(SPARSE, dense(3, "softmax"))
    for _ in range(2):  # errors come again
        with pytest.raises(checks.CheckError) as caught:
            getattr(model, name)(X, np.arange(8))
        assert str(caught.value) == f"{where}: {LABELS}"
        assert caught.value.code == "PS201"


def test_labels_are_looked_at_in_every_batch():
    model = compiled(SPARSE, dense(3, "softmax"))
    with pytest.raises(checks.CheckError, match="PS201"):
        model.fit(iter([(X, np.zeros(8)), (X, np.arange(8))]), verbose=0)
    with pytest.raises(checks.CheckError, match="PS201"):
        model.train_on_batch(X, np.zeros(8, int))
        model.train_on_batch(X, np.arange(8))


def test_a_negative_learning_rate():
    text = ("SGD: expected a learning rate of 0 or more, got -0.1; a negative one climbs the loss: pass a "
            "positive one, such as 0.001 [PS402]")  # fmt: skip
    with pytest.raises(checks.CheckError) as caught:
        compiled("mse", dense(1), optimizer=optimizers.SGD(-0.1))
    assert str(caught.value) == text
    model = compiled("mse", dense(1))
    model.optimizer.learning_rate = -0.1
    with pytest.raises(checks.CheckError, match=r"\[PS402\]"):
        model.fit(X, X[:, :1], verbose=0)


def test_a_model_that_is_built_later_is_looked_at_once():
    model = pyseq.Sequential([layers.Dense(3, activation="relu"), layers.Flatten()])
    with pytest.warns(checks.CheckWarning, match=r"\[PS103\]") as told:
        model.compile("sgd", SPARSE)
        model.fit(X, np.zeros(8), verbose=0)
        model.evaluate(X, np.zeros(8), verbose=0)
    assert len(told) == 1
    one = pyseq.Sequential([layers.Softmax()])
    one.compile("sgd", "mse")
    with pytest.warns(checks.CheckWarning, match=r"\[PS105\]"):
        one.build((None, 1))


def test_layers_added_after_compile_are_waited_for():
    model = compiled(SPARSE, dense(3, "softmax"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.pop()
        model.add(dense(8, "relu", "more"))
        model.add(dense(2, "softmax"))
        model.fit(X, np.zeros(8), verbose=0)


def test_sequences_of_any_length():
    model = compiled("mse", dense(1), shape=(None, 2))
    with pytest.warns(checks.CheckWarning, match=r"row of the output \(n, 5, 1\); .*PS202"):
        model.fit(ROWS, X[:, 0], verbose=0)
    model = compiled(SPARSE, dense(3, "softmax"), shape=(None, 2))
    model.fit(ROWS, np.zeros((8, 5)), verbose=0)
    assert model.check() == [] == model.check(y=np.zeros((8, 5)))
    assert [f.code for f in model.check(ROWS, np.full((8, 5), 3))] == ["PS201"]
