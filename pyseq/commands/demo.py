"""`demo`: reads handwritten digits, the job of `examples/digits.py`."""

from __future__ import annotations

import time

import numpy as np

from pyseq import config, layers
from pyseq.commands.failure import Failure, told
from pyseq.datasets import digits
from pyseq.optimizers import Adam
from pyseq.schedules import CosineDecay
from pyseq.sequential import Sequential
from pyseq.utils.seed import set_random_seed

_BATCH = 32
_SHADES = " .:-=+*#%@"


def add_arguments(parser):
    """Describe the command."""
    parser.description = (
        "Train a small convolutional network on the 1,437 handwritten digits that come with "
        "pyseq, and let it read 360 that it has not seen. It takes some seconds."
    )
    parser.add_argument("--epochs", type=int, default=15, help="passes over the digits (15)")
    parser.add_argument("--seed", type=int, default=1, help="of weights and order (1)")
    parser.add_argument("--save", metavar="FILE", help="keep the model: .keras, .h5 or .pyseq")


def build_model():
    """The network; it takes rows of shape `(8, 8, 1)` from 0 to 1.

    >>> build_model().output_shape
    (None, 10)
    """
    return Sequential(
        [
            layers.Input(shape=(8, 8, 1)),
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


def run(options):
    """Train, test and show some digits."""
    if options.epochs < 1:
        raise Failure(f"--epochs: expected 1 or more, got {options.epochs}; 15 are enough")
    if options.save and not options.save.endswith((".keras", ".h5", ".pyseq")):
        raise Failure(
            f"--save: expected .keras, .h5 or .pyseq, got {options.save!r}; add an ending"
        )
    with told():  # such as a PYSEQ_ISA that was not built
        set_random_seed(options.seed)
        config.instruction_sets()
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    inputs, tests = (x[..., None].astype("float32") / 16 for x in (x_train, x_test))
    model = build_model()
    model.summary()
    steps = options.epochs * -(-len(inputs) // _BATCH)
    model.compile(
        Adam(CosineDecay(0.003, decay_steps=steps)),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    start = time.perf_counter()
    model.fit(inputs, y_train, batch_size=_BATCH, epochs=options.epochs)
    seconds = time.perf_counter() - start
    likely = model.predict(tests, verbose=0)
    read = likely.argmax(axis=1)
    right = int((read == y_test).sum())
    print(f"\nTrained in {seconds:.1f} s. How often each digit (row) is read as each (column):\n")
    _print_confusion(y_test, read)
    shown = [*np.flatnonzero(read == y_test)[:3], *np.flatnonzero(read != y_test)[:1]]
    print("\nSome of the digits that it has not seen, and what it reads:\n")
    captions = [
        f"{read[i]} ({likely[i].max():.0%})" + ("" if read[i] == y_test[i] else f", is {y_test[i]}")
        for i in shown
    ]
    _print_images(x_test[shown], captions)
    print(f"\nRead {right} of {len(y_test)} new digits rightly: {right / len(y_test):.1%}.")
    if options.save:
        with told():
            model.save(options.save)
        print(f"Saved {options.save}; `python -m pyseq summary {options.save}` shows it.")
    else:
        print("`python -m pyseq demo --save digits.keras` keeps the model.")
    return 0


def _print_confusion(y_true, y_pred):
    table = np.zeros((10, 10), int)
    np.add.at(table, (y_true, y_pred), 1)
    print("           " + "".join(f"{digit:4d}" for digit in range(10)))
    for digit, row in enumerate(table):
        print(f"  digit {digit}  " + "".join(f"{n:4d}" if n else "   ." for n in row))


def _print_images(images, captions):
    for row in range(images.shape[1]):
        lines = ("".join(_SHADES[value * 9 // 16] * 2 for value in image[row]) for image in images)
        print("   ".join(lines).rstrip())
    print("   ".join(f"{caption:^16}" for caption in captions).rstrip())
