"""Tells friendly sentences from unfriendly ones with an embedding and an LSTM.

    python examples/sentiment.py

The sentences are put together from a few words, with "not" and "never" turning the meaning round,
so that the order of the words matters.
"""

from collections.abc import Sequence

import numpy as np

import pyseq
from pyseq import layers
from pyseq.utils import pad_sequences

GOOD = ["good", "great", "lovely", "brilliant", "charming", "moving", "funny", "clever"]
BAD = ["bad", "awful", "dull", "boring", "clumsy", "tedious", "silly", "weak"]
NEGATIONS = ["not", "never"]
FILLERS = [
    "the",
    "a",
    "film",
    "story",
    "plot",
    "cast",
    "it",
    "was",
    "is",
    "really",
    "quite",
    "and",
    "of",
    "this",
    "seems",
    "so",
]
VOCABULARY = {word: i for i, word in enumerate(GOOD + BAD + NEGATIONS + FILLERS, start=1)}
MAX_LENGTH = 14


def make_sentence(rng: np.random.Generator) -> tuple[str, int]:
    """A sentence and its label: 1 if its judging words, negations applied, are mostly good."""
    words, score = [], 0
    for _ in range(rng.choice([1, 3])):
        words += list(rng.choice(FILLERS, rng.integers(1, 4)))
        judgement = 1 if rng.random() < 0.5 else -1
        word = rng.choice(GOOD if judgement > 0 else BAD)
        if rng.random() < 0.4:
            words.append(rng.choice(NEGATIONS))
            judgement = -judgement
        words.append(word)
        score += judgement
    return " ".join(words), int(score > 0)


def encode(sentences: Sequence[str]) -> np.ndarray:
    """Word ids `(N, MAX_LENGTH)`, filled up with 0 in front."""
    ids = [[VOCABULARY[word] for word in sentence.split()] for sentence in sentences]
    return pad_sequences(ids, maxlen=MAX_LENGTH)


def main() -> float:
    pyseq.utils.set_random_seed(4)
    rng = np.random.default_rng(0)
    sentences, labels = zip(*(make_sentence(rng) for _ in range(5000)), strict=True)
    x, y = encode(sentences), np.array(labels, dtype="float32")
    x_train, y_train, x_test, y_test = x[:4000], y[:4000], x[4000:], y[4000:]

    model = pyseq.Sequential(
        [
            pyseq.Input(shape=(MAX_LENGTH,), dtype="int32"),
            layers.Embedding(len(VOCABULARY) + 1, 16, mask_zero=True),
            layers.LSTM(32),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(
        optimizer=pyseq.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"]
    )
    model.fit(
        x_train, y_train, batch_size=64, epochs=8, validation_data=(x_test, y_test), verbose=2
    )
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)

    print()
    examples = [
        "the film was really good",
        "the film was not good",
        "this plot is never boring",
        "the cast was charming and the story was not dull and quite clever",
        "the cast was not charming and the story was dull",
    ]
    for sentence, probability in zip(
        examples, model.predict(encode(examples), verbose=0)[:, 0], strict=True
    ):
        print(f"{probability:6.1%} friendly   {sentence}")
    print(f"\nHeld-out accuracy: {accuracy:.4f}")
    return float(accuracy)


if __name__ == "__main__":
    main()
