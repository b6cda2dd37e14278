"""What all pictures share: matplotlib, figures and axes, colours, tiles of images."""

from __future__ import annotations

import functools
import io

import numpy as np

# Okabe and Ito, Color Universal Design (2008), without the yellow that white swallows.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":")
GREY = "#8C8C8C"
AMOUNTS, SIGNED, GREYS = "Blues", "RdBu_r", "gray"


@functools.lru_cache
def matplotlib(where):
    """`matplotlib.pyplot`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import matplotlib.pyplot
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{where}: expected matplotlib, which is not installed; "
            'pip install "pyseq-nn[plot]", or pip install matplotlib'
        ) from error
    return matplotlib.pyplot


def error(where, expected, got, remedy, kind=ValueError):
    """The exception that says where, what was expected, what was got and what to do."""
    return kind(f"visualize.{where}: expected {expected}, got {got}; {remedy}")


@functools.lru_cache
def _figure_class():
    from matplotlib.figure import Figure

    class PyseqFigure(Figure):
        """A figure that a notebook shows once: also where it shows all open ones after a cell."""

        def _ipython_display_(self):
            plt = matplotlib("figure")
            if "inline" in plt.get_backend() and plt.fignum_exists(getattr(self, "number", -1)):
                return
            from IPython.display import Image, display

            display(Image(data=png(self)))

    return PyseqFigure


def png(figure):
    """A figure as the bytes of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()


def new_figure(where, width, height):
    """An empty figure of so many inches."""
    plt = matplotlib(where)
    figure = plt.figure(FigureClass=_figure_class(), figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    return figure


def one_axis(where, ax, width=4.8, height=3.8):
    """`(figure, axes)`: a new figure, or that of `ax`."""
    if ax is None:
        figure = new_figure(where, width, height)
        return figure, figure.add_subplot()
    if not hasattr(ax, "plot") or not hasattr(ax, "figure"):
        what = type(ax).__name__
        raise error(
            where,
            "ax to be the axes of a matplotlib figure",
            what,
            "pass one axis of plt.subplots()",
            TypeError,
        )
    matplotlib(where)
    return ax.figure, ax


def grid(figure, count, columns):
    """Axes for `count` pictures, in rows of at most `columns`; the last may not be full."""
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    return [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def tidy(axis, x=None, y=None, title=None, lines=True):
    """Labels and title of an axis with numbers; only the two sides that carry them are drawn."""
    axis.spines[["top", "right"]].set_visible(False)
    if lines:
        axis.grid(color="#E5E5E5", linewidth=0.8)
        axis.set_axisbelow(True)
    if x:
        axis.set_xlabel(x)
    if y:
        axis.set_ylabel(y)
    if title:
        axis.set_title(title)


def look(number):
    """Colour and dashes of line `number`, so that lines differ without colours too."""
    return {
        "color": COLORS[number % len(COLORS)],
        "linestyle": DASHES[(number % len(COLORS) + 2 * (number // len(COLORS))) % len(DASHES)],
    }


def whole_ticks(axis, which="x", most=8):
    """A few ticks, at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    getattr(axis, f"{which}axis").set_major_locator(MaxNLocator(integer=True, nbins=most))


def text_color(image, value):
    """Black or white, whichever can be read on the colour of `value`."""
    red, green, blue, _ = image.cmap(image.norm(value))
    # Relative luminance, as far as it takes for black and white.
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else "black"


def legend(axis, count):
    """A legend inside, or beside the axes where there are many lines."""
    if count > 6:
        axis.legend(fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        axis.legend(fontsize="small", framealpha=0.9, edgecolor="none")


def as_picture(image):
    """`(array, options of imshow)` of one image (H, W) or (H, W, C) of any range."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image.mean(axis=-1)
    image = image.astype("float64")
    low, high = image.min(), image.max()
    if 0 <= low and high <= 1:
        low, high = 0.0, 1.0
    elif 0 <= low and 16 < high <= 255:
        low, high = 0.0, 255.0
    if image.ndim == 3:
        return np.clip((image - low) / max(high - low, 1e-12), 0, 1), {}
    return image, {"cmap": GREYS, "vmin": low, "vmax": high}


def show(axis, image, title=None, **options):
    """One image without ticks."""
    shown = axis.imshow(image, interpolation="nearest", **options)
    axis.set_xticks([])
    axis.set_yticks([])
    if title is not None:
        axis.set_title(title, fontsize="small")
    return shown
