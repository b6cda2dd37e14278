"""The pictures of docs/visualize.md: what pyseq.visualize draws of one small model."""

import functools

import numpy as np

import pyseq
from pyseq import layers, visualize
from pyseq.datasets import digits


@functools.lru_cache
def _trained():
    """(model, history, test images, their digits, probabilities)."""
    (x, y), (x_test, y_test) = digits.load_data()
    x, x_test = x[..., None] / 16, x_test[..., None] / 16
    model = pyseq.Sequential(
        [
            pyseq.Input((8, 8, 1)),
            layers.Conv2D(12, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu", name="second"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=12, validation_data=(x_test, y_test), verbose=0)
    return model, history, x_test, y_test, model.predict(x_test, verbose=0)


def visualize_curves(plt):
    return _trained()[1].plot()


def visualize_confusion(plt):
    _, _, _, y, p = _trained()
    return visualize.confusion_matrix(y, p)


def visualize_gallery(plt):
    _, _, x, y, p = _trained()
    return visualize.error_gallery(x, y, p, n=6)


def visualize_scores(plt):
    _, _, _, y, p = _trained()
    drawn, axes = plt.subplots(1, 3, figsize=(10, 3.4))
    visualize.roc_curve(y == 8, p[:, 8], ax=axes[0])
    visualize.precision_recall_curve(y == 8, p[:, 8], ax=axes[1])
    visualize.calibration_curve(y, p, ax=axes[2])
    axes[2].set_aspect("equal")
    return drawn


def _series():
    truth = np.sin(np.arange(120) / 8)
    return truth, truth + np.random.default_rng(0).normal(0, 0.15, 120)


def visualize_predictions(plt):
    return visualize.predictions(*_series())


def visualize_series(plt):
    return visualize.predictions(*_series(), kind="series")


def visualize_filters(plt):
    return visualize.filters(_trained()[0].layers[0])


def visualize_activations(plt):
    model, _, x, _, _ = _trained()
    return visualize.activations(model, "first", x[0])


def visualize_saliency(plt):
    model, _, x, _, _ = _trained()
    return visualize.saliency(model, x[0])


ALL = [
    visualize_curves,
    visualize_confusion,
    visualize_gallery,
    visualize_scores,
    visualize_predictions,
    visualize_series,
    visualize_filters,
    visualize_activations,
    visualize_saliency,
]
