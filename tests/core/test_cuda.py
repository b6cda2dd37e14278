"""The GPU against the CPU: layers, losses, optimizers and training.

Needs a GPU and the module (`-DPYSEQ_CUDA=ON`), or the module that runs its kernels on the host
(`-DPYSEQ_CUDA=EMULATE` and `PYSEQ_CUDA_EMULATION=1`).
"""

import ctypes
import gc
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from layer_cases import CASES
from op_harness import inputs_of, model_of, randomize

import pyseq
from pyseq import _core, layers, optimizers

pytestmark = [
    pytest.mark.skipif(
        not any(name.startswith("cuda") for name, _ in pyseq.config.list_devices()),
        reason="needs a GPU, or PYSEQ_CUDA_EMULATION=1 and the emulation module",
    ),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def _on_the_cpu_afterwards():
    yield
    pyseq.config.set_device("cpu")


emulated = pytest.mark.skipif(
    not os.environ.get("PYSEQ_CUDA_EMULATION"), reason="needs a device whose memory can be limited"
)


def used_megabytes():
    """What the emulated device holds now, models that nobody refers to any more set aside."""
    gc.collect()
    library = Path(_core.__file__).with_name("libpyseq_cuda_emulation.so")
    function = ctypes.CDLL(str(library)).pyseq_emulated_bytes
    function.restype = ctypes.c_size_t
    return function() >> 20


def close(ours, theirs, tolerance=1e-4):
    for a, b in zip(ours, theirs, strict=True):
        scale = max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def on_both(run):
    """run() on the GPU and on the CPU, from the same seeds."""
    results = []
    for device in ("cuda", "cpu"):
        pyseq.utils.set_random_seed(0)
        with pyseq.device(device):
            results.append(run())
    return results


def runs_python(case):
    """The layer calls Python or NumPy code there, which has no place on a GPU."""
    with pyseq.device("cuda"):
        model = model_of(case)
        graph, _ = pyseq.lowering.lower(model, case.shape, False, case.batch_size)
        return bool(graph.callbacks)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_layer(case, rng):
    rows = case.batch_size or 5
    x = inputs_of(case, rows, rng).astype("float32")
    if runs_python(case):
        with pyseq.device("cuda"), pytest.raises(ValueError, match="Python function"):
            model_of(case).predict(x, verbose=0)
        return
    y = None

    def run():
        nonlocal y
        model = model_of(case)
        randomize(model, np.random.default_rng(1), 0.1)
        before = model.predict(x, verbose=0)
        results = [before]
        if case.trains and model.trainable_weights:
            y = rng.normal(size=before.shape).astype("float32") if y is None else y
            model.compile(optimizers.SGD(0.01), "mse")
            results.append(np.array([model.train_on_batch(x, y) for _ in range(3)]))
            results += model.get_weights()
        return results

    gpu, cpu = on_both(run)
    close(gpu[:1], cpu[:1])
    close(gpu[1:], cpu[1:], 1e-3)


def losses():
    """(kind, attributes, predictions, targets) for every loss and metric of the core."""
    rng = np.random.default_rng(0)

    def shares(*shape):
        p = rng.uniform(0.05, 1, shape)
        return p / p.sum(-1, keepdims=True)

    def one_hot(*shape):
        return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]

    for shape in [(5, 1), (4, 33), (2, 3, 16), (3, 700)]:
        x, y = rng.normal(size=shape), rng.normal(size=shape)
        p, bits = rng.uniform(0.02, 0.98, shape), rng.integers(0, 2, shape).astype(float)
        for kind in (
            "mean_squared_error mean_absolute_error mean_absolute_percentage_error huber log_cosh "
            "mean_squared_logarithmic_error cosine_similarity"
        ).split():
            yield kind, {}, x, y
        yield "huber", {"delta": 0.3}, x, y
        yield "value", {}, x, y
        for kind in ("hinge", "squared_hinge"):
            yield kind, {}, x, bits
            yield kind, {}, x, 2 * bits - 1
        yield "poisson", {}, p, np.abs(y)
        yield "kl_divergence", {}, p, np.abs(y)
        for logits in (False, True):
            q = x if logits else p
            yield "binary_crossentropy", {"from_logits": logits, "label_smoothing": 0.1}, q, bits
            yield "binary_focal_crossentropy", {"from_logits": logits, "gamma": 1.5, "apply_class_balancing": True}, q, bits
            if shape[-1] == 1:
                continue
            q = x if logits else shares(*shape)
            yield "categorical_crossentropy", {"from_logits": logits, "label_smoothing": 0.2}, q, one_hot(*shape)
            yield "categorical_focal_crossentropy", {"from_logits": logits}, q, one_hot(*shape)
            labels = rng.integers(0, shape[-1], shape[:-1]).astype(float)
            yield "sparse_categorical_crossentropy", {"from_logits": logits}, q, labels
            yield "sparse_categorical_crossentropy", {"from_logits": logits, "ignore_class": 1}, q, labels
        yield "binary_accuracy", {"threshold": 0.4}, p, bits
        if shape[-1] > 1:
            yield "categorical_hinge", {}, x, one_hot(*shape)
            yield "categorical_generalized_cross_entropy", {"q": 0.6}, shares(*shape), labels
            yield "categorical_accuracy", {}, x, one_hot(*shape)
            yield "sparse_categorical_accuracy", {}, x, labels
            yield "top_k_categorical_accuracy", {"k": 3}, x, one_hot(*shape)
            yield "sparse_top_k_categorical_accuracy", {"k": 3}, x, labels
    for kind in ("dice", "tversky"):
        yield kind, {}, rng.uniform(size=(6, 4, 3)), rng.integers(0, 2, (6, 4, 3)).astype(float)
    x = rng.normal(size=(7, 12))
    yield "circle", {}, x / np.linalg.norm(x, axis=-1, keepdims=True), rng.integers(0, 3, (7,)).astype(float)
    yield "ctc", {}, rng.normal(size=(3, 9, 5)), rng.integers(1, 5, (3, 4)).astype(float)


@pytest.mark.parametrize("kind, attrs, pred, target", list(losses()), ids=lambda v: v if isinstance(v, str) else "")
def test_loss(kind, attrs, pred, target):
    values, _ = _core.run_loss(kind, "ref64", attrs, pred, target)
    wanted = [values]
    found = [_core.run_loss(kind, "cuda", attrs, pred, target)[0]]
    if "accuracy" not in kind:
        scale = np.random.default_rng(2).uniform(0.5, 1.5, values.shape)
        wanted += _core.run_loss(kind, "ref64", attrs, pred, target, scale)
        found += _core.run_loss(kind, "cuda", attrs, pred, target, scale)
    close(found, wanted)


def test_every_loss_is_compared():
    folder = Path(__file__).resolve().parents[2] / "csrc" / "losses"
    if not folder.is_dir():
        pytest.skip("needs the source tree")
    assert {path.stem for path in folder.glob("*.cpp")} == {kind for kind, *_ in losses()}


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.01, centered=True, momentum=0.5),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "ftrl": lambda: optimizers.Ftrl(0.05, l1_regularization_strength=0.01),
    "lion": lambda: optimizers.Lion(0.01),
    "lamb": lambda: optimizers.Lamb(0.01),
    "adafactor": lambda: optimizers.Adafactor(0.05),
    "muon": lambda: optimizers.Muon(0.02),
    "clipnorm": lambda: optimizers.Adam(0.01, clipnorm=0.05),
    "clipvalue": lambda: optimizers.SGD(0.1, clipvalue=0.01),
    "global_clipnorm": lambda: optimizers.SGD(0.1, global_clipnorm=0.05),
    "accumulation": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "ema": lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=4),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1024),
    "schedule": lambda: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
}


def data(rows=70, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 7)).astype("float32")
    return x, np.eye(3, dtype="float32")[rng.integers(0, 3, rows)], rng.uniform(0, 2, rows)


def mlp(**dense):
    return pyseq.Sequential(
        [
            pyseq.Input((7,)),
            layers.Dense(33, activation="gelu", **dense),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    x, y, _ = data()

    def run():
        model = mlp()
        model.compile(OPTIMIZERS[name](), "categorical_crossentropy", metrics=["accuracy", "mse"])
        history = model.fit(x, y, batch_size=16, epochs=3, verbose=0)
        losses = np.array([history.history[k] for k in sorted(history.history)])
        return [losses, *model.get_weights(), *(v.numpy() for v in model.optimizer.variables)]

    close(*on_both(run), 2e-3)


@pytest.mark.parametrize(
    "dense",
    [
        {"kernel_regularizer": pyseq.regularizers.L1L2(0.01, 0.02), "activity_regularizer": "l2"},
        {"kernel_regularizer": pyseq.regularizers.OrthogonalRegularizer(0.01)},
        {"kernel_constraint": pyseq.constraints.MaxNorm(0.5)},
        {"kernel_constraint": pyseq.constraints.MinMaxNorm(0.2, 0.6, rate=0.7, axis=1)},
        {"kernel_constraint": pyseq.constraints.UnitNorm()},
        {"bias_constraint": "non_neg"},
    ],
    ids=str,
)
def test_regularizers_and_constraints(dense):
    x, y, w = data()

    def run():
        model = mlp(**dense)
        model.compile(optimizers.SGD(0.1), "categorical_crossentropy")
        history = model.fit(x, y, sample_weight=w, batch_size=16, epochs=2, verbose=0)
        return [np.array(history.history["loss"]), *model.get_weights()]

    close(*on_both(run), 1e-3)


def test_masks_and_weights_reach_losses_and_metrics():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 9, (40, 6))
    y = rng.integers(0, 4, (40, 6))
    w = rng.uniform(0, 2, (40, 6))

    def run():
        model = pyseq.Sequential(
            [
                pyseq.Input((6,), dtype="int32"),
                layers.Embedding(9, 5, mask_zero=True),
                layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.2)),
                layers.Dense(4, activation="softmax"),
            ]
        )
        model.compile(
            "adam",
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            weighted_metrics=["sparse_categorical_crossentropy"],
        )
        history = model.fit(ids, y, sample_weight=w, batch_size=8, epochs=2, verbose=0)
        results = model.evaluate(ids, y, sample_weight=w, verbose=0)
        return [
            np.array([history.history[k] for k in sorted(history.history)]),
            np.array(results),
            *model.get_weights(),
        ]

    close(*on_both(run), 1e-3)


def test_metrics_in_python_see_the_predictions_of_the_step():
    """The step uses the memory of its output again once the loss is known."""
    x, y, _ = data()

    def run():
        model = mlp()
        model.compile(optimizers.SGD(0.1), "categorical_crossentropy", metrics=[pyseq.metrics.F1Score()])
        history = model.fit(x, y, batch_size=16, epochs=4, verbose=0)
        return [np.array(history.history["f1_score"])]

    close(*on_both(run))


def test_a_mask_for_each_pixel():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 3, 4, 4, 2)).astype("float32")
    x[rng.random((6, 3, 4, 4)) < 0.4] = 0
    y = rng.normal(size=(6, 3, 4, 4, 3)).astype("float32")

    def run():
        model = pyseq.Sequential(
            [
                pyseq.Input((3, 4, 4, 2)),
                layers.Masking(),
                layers.ConvLSTM2D(3, 3, padding="same", return_sequences=True),
            ]
        )
        model.compile(optimizers.SGD(0.1), "mse")
        before = model.predict(x, verbose=0)
        model.fit(x, y, epochs=2, verbose=0)
        return [before, *model.get_weights()]

    close(*on_both(run))


def test_the_same_bits_in_every_run():
    x, y, _ = data()

    def run():
        pyseq.utils.set_random_seed(5)
        model = mlp()
        model.compile("adam", "categorical_crossentropy")
        model.fit(x, y, batch_size=16, epochs=4, verbose=0)
        return model.get_weights()

    with pyseq.device("cuda"):
        for a, b in zip(run(), run(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_dropout_drops_what_the_cpu_drops():
    x = np.ones((50, 33), "float32")

    def run():
        model = pyseq.Sequential([pyseq.Input((33,)), layers.Dropout(0.4, seed=3)])
        return model(x, training=True)

    gpu, cpu = on_both(run)
    np.testing.assert_array_equal(np.asarray(gpu), np.asarray(cpu))


def test_streamed_rows_equal_held_ones():
    """Arrays that stay on the GPU (fit) and batches that arrive one by one train alike."""
    x, y, _ = data(64)

    def generator():
        while True:
            for i in range(0, 64, 16):
                yield x[i : i + 16], y[i : i + 16]

    def run(source, **options):
        pyseq.utils.set_random_seed(0)
        model = mlp()
        model.compile("adam", "categorical_crossentropy")
        model.fit(*source, shuffle=False, epochs=3, verbose=0, **options)
        return model.get_weights()

    with pyseq.device("cuda"):
        close(run((x, y), batch_size=16), run((generator(),), steps_per_epoch=4), 1e-6)


def test_weights_move_with_the_device():
    x, y, _ = data()
    model = mlp()
    model.compile("adam", "categorical_crossentropy")
    before = model.predict(x, verbose=0)
    with pyseq.device("cuda"):
        close([model.predict(x, verbose=0)], [before])
        model.fit(x, y, verbose=0)
        trained = model.predict(x, verbose=0)
        weights = model.get_weights()
    close([model.predict(x, verbose=0)], [trained])
    assert np.abs(trained - before).max() > 1e-3
    model.fit(x, y, verbose=0)
    model.set_weights(weights)
    with pyseq.device("cuda"):
        close([model.predict(x, verbose=0)], [trained])
        model.set_weights([np.zeros_like(w) for w in weights])
        assert np.allclose(model.predict(x, verbose=0), 1 / 3)


def test_callbacks_see_current_weights():
    x, y, _ = data()
    seen = []

    class Keep(pyseq.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.get_weights()[0])

    with pyseq.device("cuda"):
        model = mlp()
        model.compile("adam", "categorical_crossentropy")
        model.fit(
            x, y, epochs=4, verbose=0, validation_split=0.2,
            callbacks=[Keep(), pyseq.callbacks.EarlyStopping(patience=9, restore_best_weights=True)],
        )
    assert all(np.abs(a - b).max() > 0 for a, b in itertools.pairwise(seen))


def test_an_exported_model_runs(tmp_path):
    x, _, _ = data()
    model = mlp()
    y = model.predict(x, verbose=0)
    model.export(tmp_path / "model.pyseq")
    with pyseq.device("cuda"):
        close([_core.Model.load(str(tmp_path / "model.pyseq")).predict(x)], [y])


def test_too_large_is_an_error_and_the_model_stays():
    x, _, _ = data()
    with pyseq.device("cuda"):
        model = mlp()
        y = model.predict(x, verbose=0)
        huge = pyseq.Sequential([pyseq.Input((256,)), layers.RepeatVector(2**31)])
        with pytest.raises(MemoryError, match="MB of device memory.*smaller batch_size"):
            huge.predict(np.ones((1, 256), "float32"), verbose=0)
        close([model.predict(x, verbose=0)], [y])


@emulated
@pytest.mark.parametrize("megabytes", [20, 90])
def test_training_goes_on_after_a_batch_that_was_too_large(monkeypatch, megabytes):
    """The step needs 134 MB."""
    x, y, _ = data(2000)

    def fit(model, batch_size):
        pyseq.utils.set_random_seed(1)
        model.fit(x[:200], y[:200], batch_size=batch_size, epochs=2, shuffle=False, verbose=0)

    def make():
        pyseq.utils.set_random_seed(0)
        model = pyseq.Sequential(
            [pyseq.Input((7,)), layers.RepeatVector(2500), layers.Cropping1D((0, 2499)), layers.Flatten(), layers.Dense(3)]
        )
        model.compile("adam", "mse")
        return model

    with pyseq.device("cuda"):
        wanted = make()
        fit(wanted, 20)
        model = make()
        monkeypatch.setenv("PYSEQ_CUDA_EMULATION_MEMORY", str(used_megabytes() + megabytes))
        with pytest.raises(MemoryError, match="got .* MB free; use a smaller batch_size"):
            model.fit(x, y, batch_size=2000, verbose=0)
        monkeypatch.setenv("PYSEQ_CUDA_EMULATION_MEMORY", "4000")
        model.set_weights(make().get_weights())
        fit(model, 20)
        for a, b in zip(model.get_weights(), wanted.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@emulated
def test_arrays_that_stay_give_way_to_the_step(monkeypatch):
    """`fit` keeps the data set on the device only as long as the step has room beside it."""
    x, y = np.ones((5000, 500, 1), "float32"), np.ones((5000, 1), "float32")  # 10 MB
    with pyseq.device("cuda"):
        model = pyseq.Sequential(
            [
                pyseq.Input((500, 1)),
                layers.UpSampling1D(20),  # 20 MB for a batch
                layers.Cropping1D((0, 9999)),
                layers.Dense(1),
            ]
        )
        model.compile("sgd", "mse")
        monkeypatch.setenv("PYSEQ_CUDA_EMULATION_MEMORY", str(used_megabytes() + 58))
        model.fit(x, y, batch_size=500, epochs=1, verbose=0)


def test_unknown_devices():
    with pytest.raises(ValueError, match="cuda:99"):
        pyseq.config.set_device("cuda:99")
    with pytest.raises(ValueError, match="expected"):
        pyseq.config.set_device("tpu")
    assert pyseq.config.current_device() == "cpu"


class _Average(layers.Layer):
    """A moving average and a counter, assigned in `call`."""

    def build(self, input_shape):
        self.mean = self.add_weight(
            shape=input_shape[1:], initializer="zeros", trainable=False, name="mean"
        )
        self.steps = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="steps"
        )

    def call(self, x, training=None):
        if training:
            self.mean.assign(0.5 * self.mean + 0.5 * np.mean(x, axis=0))
            self.steps.assign_add(1)
        return x - self.mean


@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_integers_and_assignments(dtype):
    ids = np.random.default_rng(0).integers(0, 10, (20, 3)).astype(dtype)
    y = np.ones((20, 1), "float32")
    results = []
    for device in ("cpu", "cuda"):
        with pyseq.device(device):
            pyseq.utils.set_random_seed(1)
            model = pyseq.Sequential(
                [
                    pyseq.Input((3,), dtype="int64"),
                    layers.Permute((1,)),
                    layers.Embedding(10, 2),
                    layers.Flatten(),
                    _Average(),
                    layers.Dense(1),
                ]
            )
            model.compile("sgd", "mse")
            model.fit(ids, y, epochs=3, batch_size=4, shuffle=False, verbose=0)
            model.train_on_batch(ids[:7], y[:7])
            results.append([*model.get_weights(), model.predict(ids, verbose=0)])
            whole = pyseq.Sequential([pyseq.Input((3,), dtype="int64"), layers.Reshape((3, 1))])
            large = ids.astype("int64") + 2**40
            assert whole.predict(large, verbose=0)[:, :, 0].tolist() == large.tolist()
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert int(model.layers[3].steps) == 16
