"""The pictures of the pages, drawn by pyseq itself while the site is built."""

import io
import re
from pathlib import Path

import numpy as np
import visualize_figures

import pyseq
from pyseq import layers
from pyseq.datasets import digits

FIGURES = {}


def figure(function):
    """Register a function that returns a matplotlib figure under its name."""
    FIGURES[function.__name__] = function
    return function


for drawn_by_visualize in visualize_figures.ALL:
    figure(drawn_by_visualize)


def draw_all():
    """`{path: SVG}` of all figures."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    style = {"svg.hashsalt": "pyseq", "font.size": 9, "figure.constrained_layout.use": True}
    made = {}
    with matplotlib.rc_context(style):
        for name, function in FIGURES.items():
            pyseq.utils.set_random_seed(0)
            drawn, file = function(plt), io.BytesIO()
            drawn.savefig(file, format="svg", metadata={"Date": None})
            plt.close(drawn)
            made[f"figures/{name}.svg"] = file.getvalue()
    return made


def _digit(number=7):
    (images, _), _ = digits.load_data()
    return images[number].astype("float32") / 16


def _show(axis, image, title, numbers=False, cmap="viridis", limits=(None, None)):
    axis.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], aspect="equal")
    axis.set_title(title)
    axis.set_xticks([])
    axis.set_yticks([])
    if numbers:
        shown = axis.images[0]
        for (row, column), value in np.ndenumerate(image):
            red, green, blue, _ = shown.cmap(shown.norm(value))
            color = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.45 else "black"
            axis.text(column, row, f"{value:.2g}", ha="center", va="center", color=color)


@figure
def conv2d(plt):
    image = _digit()
    edges = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "float32")
    kernels = np.stack([edges, edges.T, np.full((3, 3), 1 / 9)], axis=-1)[:, :, None]
    layer = layers.Conv2D(3, 3, padding="same")
    layer.build((None, 8, 8, 1))
    layer.set_weights([kernels.astype("float32"), np.zeros(3, "float32")])
    maps = np.asarray(layer(image[None, ..., None]))[0]
    drawn, axes = plt.subplots(2, 4, figsize=(8, 4.2))
    _show(axes[1, 0], image, "input (8, 8, 1)", cmap="gray")
    axes[0, 0].set_axis_off()
    for i, title in enumerate(["kernel 0: edges across", "kernel 1: edges down", "kernel 2: blur"]):
        _show(axes[0, i + 1], kernels[:, :, 0, i], title, True, "coolwarm", (-3, 3))
        _show(axes[1, i + 1], maps[..., i], f"output channel {i}", cmap="coolwarm")
    return drawn


@figure
def pooling(plt):
    image = np.round(_digit(3), 1)
    batch = image[None, ..., None]
    drawn, axes = plt.subplots(1, 3, figsize=(8.6, 3.1), width_ratios=[2, 1, 1])
    _show(axes[0], image, "input (8, 8, 1)", True)
    largest = np.asarray(layers.MaxPooling2D(2)(batch))[0, ..., 0]
    mean = np.asarray(layers.AveragePooling2D(2)(batch))[0, ..., 0]
    _show(axes[1], largest, "MaxPooling2D(2)\n(4, 4, 1)", True)
    _show(axes[2], mean, "AveragePooling2D(2)\n(4, 4, 1)", True)
    for line in range(1, 4):
        axes[0].axhline(2 * line - 0.5, color="white", linewidth=2)
        axes[0].axvline(2 * line - 0.5, color="white", linewidth=2)
    return drawn


@figure
def dropout(plt):
    x = np.arange(1, 25, dtype="float32").reshape(4, 6)
    layer = layers.Dropout(0.5, seed=3)
    drawn, axes = plt.subplots(1, 3, figsize=(8.6, 2.3))
    limits = (0, 48)
    _show(axes[0], x, "input", True, limits=limits)
    _show(axes[1], np.asarray(layer(x, training=True)), "while training", True, limits=limits)
    _show(axes[2], np.asarray(layer(x)), "in predict", True, limits=limits)
    return drawn


@figure
def embedding(plt):
    layer = layers.Embedding(6, 4)
    layer.build()
    table = np.round(np.random.default_rng(1).normal(size=(6, 4)), 1).astype("float32")
    layer.set_weights([table])
    ids = np.array([[4, 0, 4, 2]])
    rows = np.asarray(layer(ids))[0]
    drawn, axes = plt.subplots(1, 3, figsize=(8.2, 3), width_ratios=[1, 4, 4])
    _show(axes[0], ids.T, "ids (4,)", True, "Pastel1")
    _show(axes[1], table, "the table: 6 rows of 4", True, "coolwarm", (-2, 2))
    _show(axes[2], rows, "output (4, 4)", True, "coolwarm", (-2, 2))
    axes[1].set_yticks(range(6))
    axes[2].set_yticks(range(4), [f"row {i}" for i in ids[0]])
    return drawn


@figure
def dense(plt):
    x = np.array([[1.0, 2.0, -1.0]], "float32")
    kernel = np.array([[0.5, -1.0], [1.0, 0.0], [0.0, 2.0]], "float32")
    layer = layers.Dense(2, activation="relu")
    layer.build((None, 3))
    layer.set_weights([kernel, np.array([0.5, 0.5], "float32")])
    drawn, axes = plt.subplots(1, 4, figsize=(8.6, 2.4), width_ratios=[3, 2, 2, 2])
    limits = (-3, 3)
    _show(axes[0], x, "x (3,)", True, "coolwarm", limits)
    _show(axes[1], kernel, "kernel (3, 2)", True, "coolwarm", limits)
    _show(axes[2], x @ kernel + 0.5, "x kernel + 0.5", True, "coolwarm", limits)
    _show(axes[3], np.asarray(layer(x)), "relu of it (2,)", True, "coolwarm", limits)
    return drawn


@figure
def batch_normalization(plt):
    x = np.random.default_rng(0).normal([4.0, -2.0], [2.5, 0.6], (2000, 2)).astype("float32")
    y = np.asarray(layers.BatchNormalization()(x, training=True))
    drawn, axes = plt.subplots(1, 2, figsize=(8, 2.4), sharex=True)
    for axis, values, title in zip(axes, (x, y), ("two features", "after BatchNormalization")):
        axis.hist(values[:, 0], 40, alpha=0.7)
        axis.hist(values[:, 1], 40, alpha=0.7)
        axis.set_title(title)
        axis.set_yticks([])
    return drawn


@figure
def lstm(plt):
    steps = np.arange(60)
    x = np.sin(steps / 5).astype("float32")[None, :, None]
    states = np.asarray(layers.LSTM(4, return_sequences=True)(x))[0]
    drawn, axes = plt.subplots(2, 1, figsize=(8, 3.4), sharex=True)
    axes[0].plot(steps, x[0, :, 0], color="black")
    axes[0].set_title("input (60, 1)")
    axes[1].plot(steps, states)
    axes[1].set_title("output (60, 4): the state after each step (return_sequences=True)")
    axes[1].set_xlabel("step")
    return drawn


@figure
def activations(plt):
    x = np.linspace(-4, 4, 200).astype("float32")
    names = ["relu", "sigmoid", "tanh", "softplus", "gelu", "elu", "leaky_relu", "silu"]
    drawn, axes = plt.subplots(2, 4, figsize=(8.6, 3.6), sharex=True, sharey=True)
    for axis, name in zip(axes.flat, names):
        axis.axhline(0, color="silver", linewidth=0.8)
        axis.axvline(0, color="silver", linewidth=0.8)
        axis.plot(x, np.asarray(pyseq.activations.get(name)(x)))
        axis.set_title(name)
        axis.set_ylim(-1.5, 3)
    return drawn


@figure
def augmentation(plt):
    image = np.repeat(_digit(2)[..., None], 3, axis=-1)[None]
    shown = {
        "input": None,
        "RandomFlip": layers.RandomFlip("horizontal", seed=2),
        "RandomRotation(0.2)": layers.RandomRotation(0.2, seed=2),
        "RandomZoom(0.3)": layers.RandomZoom(0.3, seed=4),
        "RandomTranslation": layers.RandomTranslation(0.25, 0.25, seed=3),
    }
    drawn, axes = plt.subplots(1, 5, figsize=(8.6, 2))
    for axis, (title, layer) in zip(axes, shown.items()):
        changed = image if layer is None else np.asarray(layer(image, training=True))
        _show(axis, np.clip(changed[0], 0, 1), title)
    return drawn


@figure
def digit_images(plt):
    (images, labels), _ = digits.load_data()
    drawn, axes = plt.subplots(1, 10, figsize=(8.6, 1.2))
    for axis, image, label in zip(axes, images, labels):
        _show(axis, image, str(label), cmap="gray_r")
    return drawn


@figure
def learning_curves(plt):
    (x, y), (x_test, y_test) = digits.load_data()
    model = pyseq.Sequential(
        [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    past = model.fit(x / 16, y, epochs=20, validation_data=(x_test / 16, y_test), verbose=0).history
    drawn, axes = plt.subplots(1, 2, figsize=(8, 2.6))
    for axis, name in zip(axes, ("loss", "accuracy")):
        axis.plot(past[name], label="training")
        axis.plot(past[f"val_{name}"], label="validation")
        axis.set_title(name)
        axis.set_xlabel("epoch")
        axis.legend()
    return drawn


@figure
def series(plt):
    hour = np.arange(24 * 21)
    rng = np.random.default_rng(0)
    values = np.sin(2 * np.pi * hour / 24) + 0.5 * np.sin(2 * np.pi * hour / 168)
    drawn, axis = plt.subplots(figsize=(8, 2))
    axis.plot(hour / 24, values + rng.normal(0, 0.1, len(hour)), linewidth=0.9)
    axis.axvspan(14, 15, color="tab:orange", alpha=0.4)
    axis.axvline(15.04, color="tab:red")
    axis.set_xlabel("day; a window of 24 hours, and the hour after it, which is to be told")
    return drawn


@figure
def gan(plt):
    """What the code of the page itself makes."""
    page = (Path(__file__).resolve().parents[1] / "gan.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S):
        exec(code, names)
    rows = {"data": names["x"][:10].reshape(-1, 8, 8)}
    rows |= {f"epoch {epoch}": images for epoch, images in names["album"].items()}
    drawn, axes = plt.subplots(len(rows), 10, figsize=(8.6, 4))
    for line, (title, images) in zip(axes, rows.items()):
        for axis, image in zip(line, images):
            _show(axis, image, "", cmap="gray_r", limits=(-1, 1))
        line[0].set_ylabel(title)
    return drawn
