"""What the processes of `test_processes.py` do: `mpiexec -n N python worker.py CASE OUT ARGUMENT`."""

import os
import pathlib
import signal
import sys
import time

import numpy as np

import pyseq
from pyseq import callbacks, distribution, layers

ROWS, BATCH = 200, 16


class Confidence(pyseq.metrics.Metric):
    """Mean of the largest probability: a metric that computes in Python."""

    def __init__(self, name="confidence", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", name="total")
        self.rows = self.add_variable((), "zeros", name="rows")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = np.asarray(y_pred)
        self.total.assign_add(float(y_pred.max(-1).sum()))
        self.rows.assign_add(float(y_pred[..., 0].size))

    def result(self):
        return self.total / self.rows


def data(case):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 20)).astype("float32"), rng.integers(0, 4, ROWS)
    if case == "sequences":
        x = rng.integers(0, 900, (ROWS, 12)) * (rng.random((ROWS, 12)) < 0.8)
    if case == "images":
        x = rng.normal(size=(ROWS, 8, 8, 3)).astype("float32")
    return x, y


def model_of(case):
    L = layers
    stacks = {
        "sequences": lambda: [L.Input((12,)), L.Embedding(900, 16, mask_zero=True), L.LSTM(8)],
        "images": lambda: [
            L.Input((8, 8, 3)),
            L.Conv2D(6, 3, use_bias=False),
            L.BatchNormalization(synchronized=True),
            L.ReLU(),
            L.Flatten(),
        ],
        "local": lambda: [L.Input((20,)), L.Dense(16), L.BatchNormalization(), L.ReLU()],
        "dropout": lambda: [*stacks["local"](), L.Dropout(0.3)],
        "penalties": lambda: [
            L.Input((20,)),
            L.Dense(16, "tanh", kernel_regularizer="l2", activity_regularizer="l1"),
        ],
    }
    stack = stacks.get(case, lambda: [L.Input((20,)), L.Dense(32, "relu")])()
    if case == "masked_targets":
        stack = [L.Input((20,)), L.Reshape((5, 4)), L.Masking()]
        stack.append(L.SimpleRNN(6, return_sequences=True))
    return pyseq.Sequential([*stack, L.Dense(4, "softmax")])


def fit(case, **arguments):
    pyseq.utils.set_random_seed(3)
    model, (x, y) = model_of(case), data(case)
    loss, optimizer = "sparse_categorical_crossentropy", "adam"
    if case == "sum":
        loss = pyseq.losses.SparseCategoricalCrossentropy(reduction="sum")
        optimizer = pyseq.optimizers.SGD(1e-3, momentum=0.9)
    if case == "weights":
        loss = pyseq.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
        arguments["sample_weight"] = np.random.default_rng(1).random(ROWS)
        optimizer = pyseq.optimizers.AdamW(global_clipnorm=0.1)
    if case == "masked_targets":
        x = x.copy()
        x[:, :8] *= (np.random.default_rng(2).random(ROWS) < 0.5)[:, None]
        y = np.stack([y, y, y, y, y], 1)
    model.compile(
        optimizer,
        loss,
        metrics=["accuracy", pyseq.metrics.SparseTopKCategoricalAccuracy(2), Confidence()],
        weighted_metrics=[] if case == "weights" else None,
    )
    arguments = {"batch_size": BATCH, "epochs": 4, "verbose": 0, **arguments}
    history = model.fit(x, y, **arguments).history
    history["evaluated"] = model.evaluate(x, y, batch_size=24, verbose=0)
    return model, history


def save(out, model, **values):
    rank = distribution.rank()
    weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}
    np.savez(f"{out}.{rank}.npz", **weights, **values)


def agree(out, cases):
    """Several models one after the other; every process saves what it has in the end."""
    for case in cases.split(","):
        model, history = fit(case)
        logs = {k.replace("/", "_"): np.array(v) for k, v in history.items()}
        save(f"{out}.{case}", model, **logs)


def paces(out, seconds):
    """One model several times, with calls of the core that last so long."""
    from pyseq.training import loop

    for each in seconds.split(","):
        loop.SECONDS_PER_CALL = float(each)
        pyseq.utils.set_random_seed(3)
        model, (x, y) = model_of("local"), data("local")
        model.compile("adam", "sparse_categorical_crossentropy")
        history = model.fit(x, y, batch_size=BATCH, epochs=3, verbose=0).history
        save(f"{out}.{each}", model, loss=history["loss"])


def batches(out, how):
    """The data of `fit` as a stream, of all processes or of each."""
    own = how == "own"
    distribution.set_distribution(distribution.DataParallel(auto_shard_dataset=not own))
    pyseq.utils.set_random_seed(3)
    model, (x, y) = model_of("plain"), data("plain")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rank, size = distribution.rank(), distribution.size()

    def stream():
        for first in range(0, 160, 16):
            part = slice(first, first + 16)
            if own:
                each = 16 // size
                part = slice(first + rank * each, first + (rank + 1) * each)
            yield x[part], y[part]

    model.fit(stream(), verbose=0)
    for first in range(160, 192, 16):
        if not own:
            model.train_on_batch(x[first : first + 16], y[first : first + 16])
    save(out, model)


def late(out, kind):
    """Rows that become arrays batch by batch, of which a process reads its own; counts them."""
    from scipy import sparse

    from pyseq.training import late_rows, text

    text.AT_ONCE = 0
    read = []
    for rows in (late_rows.SparseRows, text.TextRows):

        def counted(self, original=rows.toarray):
            array = original(self)
            if array.shape[1:] != (4,):  # not of targets
                read.append(len(array))
            return array

        rows.toarray = counted

    pyseq.utils.set_random_seed(3)
    x, y = data("sequences" if kind == "texts" else "plain")
    x, y = x[:193], y[:193]
    if kind == "texts":
        words = layers.TextVectorization(10_000, output_mode="count")
        x = np.array([" ".join(f"w{i}" for i in row) for row in x], object)
        words.adapt(x)
        stack = [layers.Input((1,), dtype="string"), words, layers.Dense(32, "relu")]
    else:
        x, y = sparse.csr_matrix(x * (x > 1)), sparse.csr_matrix(np.eye(4)[y])
        stack = [layers.Input((20,)), layers.Dense(32, "relu")]
    model = pyseq.Sequential([*stack, layers.Dense(4, "softmax")])
    loss = "sparse_" * (kind == "texts") + "categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy", Confidence()])
    weights = np.random.default_rng(1).random(193)
    history = model.fit(x, y, batch_size=16, epochs=2, sample_weight=weights, verbose=0).history
    evaluated = model.evaluate(x, y, batch_size=24, verbose=0)
    save(out, model, loss=history["loss"], evaluated=evaluated, read=sum(read))


def files(out, _):
    """Callbacks: one process writes, all stop at the same epoch."""
    rank = distribution.rank()
    folder = pathlib.Path(out)
    seen = []

    class Slow(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(epoch)
            if rank == distribution.size() - 1 and epoch == 2:
                self.model.stop_training = True  # in one process alone

    class Count(callbacks.ModelCheckpoint):
        def on_epoch_end(self, epoch, logs=None):
            (folder / f"wrote{rank}").touch()
            super().on_epoch_end(epoch, logs)

    model, _ = fit(
        "plain",
        epochs=9,
        callbacks=[
            Slow(),
            Count(folder / "best.weights.h5"),
            callbacks.CSVLogger(folder / f"log{rank}.csv"),
        ],
    )
    save(f"{out}/end", model, epochs=np.array(seen))


def fails(out, how):
    """What goes wrong in one process."""
    rank = distribution.rank()
    last = distribution.size() - 1
    if how in ("timeout", "frozen", "leaves"):
        distribution.initialize(timeout=2)

    class Trouble(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if rank != last or batch != 3:
                return
            if how == "raises":
                raise OSError("the disk of this machine is full")
            if how == "timeout":
                time.sleep(60)
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if how == "leaves":
                sys.exit(3)
            if how == "frozen":
                os.kill(os.getpid(), signal.SIGSTOP)

    if how == "weights" and rank == last:
        original = model_of

        def other(case):
            model = original(case)
            model.set_weights([w + 1e-3 for w in model.get_weights()])
            return model

        globals()["model_of"] = other
    if how == "layers" and rank == last:
        globals()["model_of"] = lambda case: pyseq.Sequential(
            [layers.Input((20,)), layers.Dense(4, "softmax")]
        )
    if how == "rows":
        x, y = data("plain")
        model = model_of("plain")
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x[rank:], y[rank:], batch_size=16, verbose=0)
    if how == "ends":
        distribution.set_distribution(distribution.DataParallel(auto_shard_dataset=False))
        x, y = data("plain")
        model = model_of("plain")
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(((x[:8], y[:8]) for _ in range(3 if rank == last else 5)), verbose=0)
    fit("plain", callbacks=[Trouble()])


def silence(out, seconds):
    """Trains without an end, and says when it has begun."""
    distribution.initialize(timeout=float(seconds))

    class Begun(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2 and distribution.rank() == 0:
                print("training", flush=True)

    fit("plain", epochs=10**6, callbacks=[Begun()])


def restarts(out, killed_at):
    """Training with a backup that ends at batch `killed_at` of the second epoch, if at any."""
    epochs = []

    class Kill(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)

        def on_train_batch_end(self, batch, logs=None):
            if killed_at != "none" and epochs[-1] == 1 and batch == int(killed_at):
                if distribution.rank() == distribution.size() - 1:
                    os.kill(os.getpid(), signal.SIGKILL)

    backup = callbacks.BackupAndRestore(f"{out}.backup", save_freq=4)
    model, _ = fit("local", callbacks=[Kill(), backup])
    save(out, model, epochs=np.array(epochs))


def survives(out, case, save_freq, double):
    """Training with a backup and a checkpoint, which somebody may end at any moment."""
    pid = pathlib.Path(f"{out}.pid.{distribution.rank()}")
    new = pid.with_name(f"{pid.name}.new")
    new.write_text(str(os.getpid()))
    new.rename(pid)
    save_freq = save_freq if save_freq == "epoch" else int(save_freq)
    model, history = fit(
        case,
        epochs=3,
        callbacks=[
            callbacks.BackupAndRestore(f"{out}.backup", save_freq, double == "double"),
            callbacks.ModelCheckpoint(f"{out}.keras"),
        ],
    )
    save(out, model, loss=history.get("loss", [])[-1:], evaluated=history["evaluated"])


if __name__ == "__main__":
    distribution.set_distribution(distribution.DataParallel())
    globals()[sys.argv[1]](*sys.argv[2:])
