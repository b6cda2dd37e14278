"""Reads handwritten digits with a small convolutional network.

    python examples/digits.py

Trains on the digits that come with the package, tests on ones that the network has not seen and
saves it as `digits.keras`.
"""

import time

import numpy as np

import pyseq
from pyseq import layers
from pyseq.datasets import digits

BATCH = 32
EPOCHS = 15
SHADES = " .:-=+*#%@"


def build_model() -> pyseq.Sequential:
    return pyseq.Sequential(
        [
            pyseq.Input(shape=(8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )


def print_confusion(y_true: np.ndarray, y_pred: np.ndarray) -> None:
    """Prints how often each digit (row) was read as each digit (column)."""
    table = np.zeros((10, 10), int)
    np.add.at(table, (y_true, y_pred), 1)
    print("\nRead as      " + "".join(f"{digit:4d}" for digit in range(10)))
    for digit, row in enumerate(table):
        counts = "".join(f"{count:4d}" if count else "   ." for count in row)
        print(f"  digit {digit}    {counts}")


def print_images(images: np.ndarray, captions: list[str]) -> None:
    """Draws images with values 0 to 16 side by side, each with its caption."""
    for row in range(images.shape[1]):
        lines = ("".join(SHADES[value * 9 // 16] * 2 for value in image[row]) for image in images)
        print("   ".join(lines))
    print("   ".join(f"{caption:^16}" for caption in captions))


def main() -> float:
    pyseq.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    inputs_train = x_train[..., None].astype("float32") / 16
    inputs_test = x_test[..., None].astype("float32") / 16

    model = build_model()
    model.summary()
    steps = EPOCHS * -(-len(inputs_train) // BATCH)
    rate = pyseq.optimizers.schedules.CosineDecay(0.003, decay_steps=steps)
    model.compile(
        optimizer=pyseq.optimizers.Adam(learning_rate=rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    start = time.perf_counter()
    model.fit(inputs_train, y_train, batch_size=BATCH, epochs=EPOCHS)
    print(f"\nTrained in {time.perf_counter() - start:.1f} s")

    _, accuracy = model.evaluate(inputs_test, y_test, verbose=0)
    probabilities = model.predict(inputs_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)
    print_confusion(y_test, y_pred)

    wrong = np.flatnonzero(y_pred != y_test)
    shown = np.concatenate([np.flatnonzero(y_pred == y_test)[:3], wrong[:1]])
    print("\nSome of the test digits, and what the network reads:")
    captions = [
        f"{y_pred[i]} ({probabilities[i].max():.0%})"
        + ("" if y_pred[i] == y_test[i] else f", is {y_test[i]}")
        for i in shown
    ]
    print_images(x_test[shown], captions)

    model.save("digits.keras")
    print(f"\nHeld-out accuracy: {accuracy:.4f} ({len(y_test) - len(wrong)} of {len(y_test)})")
    print("Saved digits.keras")
    return float(accuracy)


if __name__ == "__main__":
    main()
