"""Forecasts the next value of a series with an LSTM.

    python examples/forecast.py

The series is made up: a trend, two seasons and noise. The forecast is compared with the two that
cost nothing: the last value, and the value one season ago.
"""

import numpy as np

import pyseq
from pyseq import layers

WINDOW = 48
SEASON = 24


def make_series(length: int, seed: int) -> np.ndarray:
    """A series `(length,)` with a daily and a weekly season."""
    rng = np.random.default_rng(seed)
    hour = np.arange(length)
    day = np.sin(2 * np.pi * hour / SEASON) + 0.4 * np.sin(4 * np.pi * hour / SEASON + 1.0)
    week = 0.8 * np.sin(2 * np.pi * hour / (7 * SEASON))
    return day * (1 + 0.3 * week) + week + 0.0002 * hour + rng.normal(0.0, 0.08, length)


def make_windows(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Windows `(N, WINDOW, 1)` of the series and the value `(N, 1)` that follows each."""
    windows = np.lib.stride_tricks.sliding_window_view(series, WINDOW + 1)
    x, y = windows[:, :WINDOW, None], windows[:, WINDOW:]
    return x.astype("float32"), y.astype("float32")


def sketch(values: dict[str, float], low: float, high: float, width: int = 60) -> str:
    """One line: where each of `values`, a dict from mark to value, lies between low and high."""
    line = [" "] * width
    for mark, value in values.items():
        line[int(np.clip((value - low) / (high - low) * (width - 1), 0, width - 1))] = mark
    return "".join(line)


def main() -> float:
    pyseq.utils.set_random_seed(3)
    series = make_series(3000, seed=0)
    cut = 2400
    mean, std = series[:cut].mean(), series[:cut].std()
    x_train, y_train = make_windows((series[:cut] - mean) / std)
    x_test, y_test = make_windows((series[cut - WINDOW :] - mean) / std)

    model = pyseq.Sequential(
        [
            pyseq.Input(shape=(WINDOW, 1)),
            layers.LSTM(32),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=pyseq.optimizers.Adam(0.005), loss="mse", metrics=["mae"])
    slower = pyseq.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=2)
    model.fit(x_train, y_train, batch_size=64, epochs=12, callbacks=[slower], verbose=2)

    forecast = model.predict(x_test, verbose=0)
    error = np.abs(forecast - y_test).mean() * std
    last = np.abs(x_test[:, -1] - y_test).mean() * std
    season = np.abs(x_test[:, -SEASON] - y_test).mean() * std

    print("\nA day of the test series: o what came, x the forecast")
    low, high = y_test.min(), y_test.max()
    for i in range(SEASON):
        print(f"{i:3d} h |" + sketch({"o": y_test[i, 0], "x": forecast[i, 0]}, low, high) + "|")
    print(f"\nMean absolute error: {error:.4f}")
    print(f"  of the last value: {last:.4f}, of the value a season ago: {season:.4f}")
    return float(error / min(last, season))


if __name__ == "__main__":
    main()
