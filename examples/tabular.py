"""Classifies rows of a table: will a customer leave?

    python examples/tabular.py

The table is made up: twelve columns, some of them noise, and a rule with an interaction that a
linear model misses.
"""

import numpy as np

import pyseq
from pyseq import layers

ROWS = 6000


def make_table(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns `(rows, 12)` of different scales and the label `(rows,)`, 1 for leaving."""
    rng = np.random.default_rng(seed)
    months = rng.gamma(2.0, 12.0, rows)
    bill = rng.normal(60.0, 20.0, rows).clip(5.0)
    calls = rng.poisson(1.2, rows)
    contract = rng.integers(0, 2, rows)
    noise = rng.normal(0.0, 1.0, (rows, 8)) * rng.uniform(0.1, 50.0, 8)
    score = (
        2.5
        - 0.10 * months
        + 0.05 * (bill - 60.0) * (1 - 2 * contract)
        + 1.4 * np.maximum(calls - 1, 0)
        - 1.8 * contract
    )
    leaves = rng.random(rows) < 1.0 / (1.0 + np.exp(-2.0 * score))
    x = np.column_stack([months, bill, calls, contract, noise])
    return x.astype("float32"), leaves.astype("float32")


def main() -> float:
    pyseq.utils.set_random_seed(2)
    x, y = make_table(ROWS, seed=0)
    cut = int(0.8 * ROWS)
    x_train, y_train, x_test, y_test = x[:cut], y[:cut], x[cut:], y[cut:]

    scale = layers.Normalization()
    scale.adapt(x_train)
    model = pyseq.Sequential(
        [
            pyseq.Input(shape=(x.shape[1],)),
            scale,
            layers.Dense(64, activation="relu", kernel_regularizer=pyseq.regularizers.L2(1e-3)),
            layers.Dropout(0.2),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss="binary_crossentropy",
        metrics=["accuracy", pyseq.metrics.AUC(name="auc")],
    )
    stop = pyseq.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
    model.fit(
        x_train,
        y_train,
        batch_size=64,
        epochs=30,
        validation_split=0.2,
        callbacks=[stop],
        verbose=2,
    )
    results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    always = max(y_test.mean(), 1 - y_test.mean())
    print(f"\nHeld-out accuracy: {results['accuracy']:.4f} (always the same answer: {always:.4f})")
    print(f"Held-out AUC:      {results['auc']:.4f}")
    return float(results["accuracy"])


if __name__ == "__main__":
    main()
