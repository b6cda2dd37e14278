"""Squeezes images of digits into a few numbers and back.

    python examples/autoencoder.py

The encoder and the decoder are models of their own inside the autoencoder and share its weights:
training the whole trains the parts.
"""

import numpy as np

import pyseq
from pyseq import layers
from pyseq.datasets import digits

CODE = 12
SHADES = " .:-=+*#%@"


def print_images(images: np.ndarray) -> None:
    """Draws images `(N, 8, 8)` with values 0 to 1 side by side."""
    levels = (np.clip(images, 0, 1) * 9).round().astype(int)
    for row in range(8):
        print("   ".join("".join(SHADES[level] * 2 for level in image[row]) for image in levels))
    print()


def main() -> float:
    pyseq.utils.set_random_seed(5)
    (x_train, _), (x_test, _) = digits.load_data()
    x_train = x_train.reshape(-1, 64).astype("float32") / 16
    x_test = x_test.reshape(-1, 64).astype("float32") / 16

    encoder = pyseq.Sequential(
        [
            pyseq.Input(shape=(64,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(CODE),
        ],
        name="encoder",
    )
    decoder = pyseq.Sequential(
        [
            pyseq.Input(shape=(CODE,)),
            layers.Dense(128, activation="relu"),
            layers.Dense(64, activation="sigmoid"),
        ],
        name="decoder",
    )
    autoencoder = pyseq.Sequential([encoder, decoder], name="autoencoder")
    autoencoder.compile(optimizer=pyseq.optimizers.Adam(0.002), loss="mse")
    autoencoder.fit(
        x_train,
        x_train,
        batch_size=64,
        epochs=40,
        validation_data=(x_test, x_test),
        verbose=2,
    )

    codes = encoder.predict(x_test, verbose=0)
    restored = decoder.predict(codes, verbose=0)
    error = float(np.mean((restored - x_test) ** 2))
    baseline = float(np.mean((x_train.mean(axis=0) - x_test) ** 2))

    print("\nTest digits, and what is left of them after the squeeze:\n")
    print_images(x_test[:5].reshape(-1, 8, 8))
    print_images(restored[:5].reshape(-1, 8, 8))
    print(f"{x_test.shape[1]} pixels in {codes.shape[1]} numbers")
    print(f"Held-out squared error: {error:.5f} (of the mean image: {baseline:.5f})")
    return error / baseline


if __name__ == "__main__":
    main()
