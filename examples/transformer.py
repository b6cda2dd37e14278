"""Finds the symbol that comes twice, with a Transformer block as a layer of one's own.

    python examples/transformer.py

Each row holds 12 symbols out of 24; one of them comes twice, anywhere. To see which, the symbols
must be compared with each other: attention does.
"""

from typing import Any

import numpy as np

import pyseq
from pyseq import layers, ops

SYMBOLS, LENGTH, WIDTH = 24, 12, 32


@pyseq.saving.register_keras_serializable("examples")
class Embeddings(layers.Layer):
    """What a symbol is and where it stands: ids (n, t) to (n, t, WIDTH)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.symbol = layers.Embedding(SYMBOLS, WIDTH)
        self.place = layers.Embedding(LENGTH, WIDTH)

    def call(self, ids: Any) -> Any:
        return self.symbol(ids) + self.place(ops.arange(LENGTH))


@pyseq.saving.register_keras_serializable("examples")
class TransformerBlock(layers.Layer):
    """Attention, then two Dense layers, each added to its input and normalized."""

    def __init__(self, heads: int = 4, rate: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.rate = heads, rate
        self.attention = layers.MultiHeadAttention(heads, WIDTH // heads, dropout=rate)
        self.dense = pyseq.Sequential([layers.Dense(64, "relu"), layers.Dense(WIDTH)])
        self.normalize = [layers.LayerNormalization(), layers.LayerNormalization()]
        self.drop = layers.Dropout(rate)

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.normalize[0](x + self.attention(x, x))
        return self.normalize[1](x + self.drop(self.dense(x), training=training))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "rate": self.rate}


def make_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids `(count, LENGTH)` and, for each row, the id that comes twice."""
    rng = np.random.default_rng(seed)
    ids = rng.permuted(np.tile(np.arange(SYMBOLS), (count, 1)), axis=1)[:, :LENGTH]
    ids[:, 1] = ids[:, 0]
    twice = ids[:, 0].copy()
    return rng.permuted(ids, axis=1), twice


def main() -> float:
    pyseq.utils.set_random_seed(5)
    x_train, y_train = make_rows(20_000, seed=1)
    x_test, y_test = make_rows(2_000, seed=2)
    model = pyseq.Sequential(
        [
            pyseq.Input((LENGTH,), dtype="int32"),
            Embeddings(),
            TransformerBlock(),
            TransformerBlock(),
            layers.GlobalMaxPooling1D(),
            layers.Dense(SYMBOLS, activation="softmax"),
        ]
    )
    model.compile(
        pyseq.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x_train, y_train, batch_size=128, epochs=5, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    row = x_test[:1]
    print(f"\nHeld-out accuracy: {accuracy:.3f}")
    print(f"In {row[0].tolist()} the model sees {model.predict(row, verbose=0).argmax()} twice.")
    return float(accuracy)


if __name__ == "__main__":
    main()
