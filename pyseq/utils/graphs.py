"""Drawings of models: as text, or through pydot and Graphviz, looked for when they are used."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from pyseq.summary import output_shapes


def _pydot(where):
    try:
        import pydot
    except ImportError as error:
        raise ImportError(
            f"{where}: expected the package pydot and the program Graphviz, and pydot is not "
            f"installed; run pip install pydot, or use model_to_text(model)"
        ) from error
    return pydot


def _row(cells):
    return "<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells) + "</tr>"


def _text(shape):
    if shape is None:
        return "?"
    return str([tuple(s) for s in shape] if isinstance(shape, list) else tuple(shape))


def _activation(layer):
    activation = getattr(layer, "activation", None)
    return activation and getattr(activation, "__name__", type(activation).__name__)


def _known_shapes(model):
    return output_shapes(model) if hasattr(model, "output_layer") else {}


def _label(layer, shapes, options):
    title = type(layer).__name__
    if options["show_layer_names"]:
        title = f"{layer.name} ({title})"
    rows = [_row([title])]
    activation = _activation(layer)
    if options["show_layer_activations"] and activation is not None:
        rows.append(_row([f"activation: {activation}"]))
    if options["show_shapes"]:
        rows.append(_row([f"input: {_text(shapes[0])}, output: {_text(shapes[1])}"]))
    if options["show_dtype"]:
        rows.append(_row([f"dtype: {getattr(layer, 'dtype', '?')}"]))
    if options["show_trainable"] and layer.weights:
        rows.append(_row(["trainable" if layer.trainable else "not trainable"]))
    table = "".join(rows)
    return f'<<table border="0" cellborder="1" cellspacing="0" cellpadding="6">{table}</table>>'


def _chain(model, expand_nested):
    for layer in model.layers:
        if expand_nested and hasattr(layer, "layers"):
            yield from _chain(layer, expand_nested)
        else:
            yield layer


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Return a `pydot.Dot` (or `pydot.Cluster` for `subgraph`) of the layers of a model.

    Args:
        model: a built Sequential.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable: what to
            write into the boxes.
        rankdir: `"TB"` from top to bottom, `"LR"` from left to right.
        expand_nested: draw the layers of nested models.
        dpi: resolution of the drawing.
        subgraph: return a cluster for use in another graph.

    Raises:
        ImportError: pydot is not installed.
    """
    if not getattr(model, "layers", None):
        raise ValueError("model_to_dot: expected a model with layers, got one without")
    pydot = _pydot("model_to_dot")
    graph = pydot.Cluster(graph_name=f"cluster_{model.name}") if subgraph else pydot.Dot(model.name)
    graph.set("rankdir", rankdir)
    graph.set("dpi", dpi)
    graph.set_node_defaults(shape="plain", fontname="Helvetica")
    options = {
        "show_shapes": show_shapes,
        "show_dtype": show_dtype,
        "show_layer_names": show_layer_names,
        "show_layer_activations": show_layer_activations,
        "show_trainable": show_trainable,
    }
    known, shape = _known_shapes(model), getattr(model, "_input_batch_shape", None)
    previous = None
    for index, layer in enumerate(_chain(model, expand_nested)):
        key = f"layer{index}"
        before = shape
        shape = known.get(id(layer), getattr(layer, "output_shape", None))
        if id(layer) not in known:
            before = getattr(layer, "input_shape", None)
        label = _label(layer, (before, shape), options)
        graph.add_node(pydot.Node(key, label=label))
        if previous is not None:
            graph.add_edge(pydot.Edge(previous, key))
        previous = key
    return graph


def plot_model(
    model: Any,
    to_file: str | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Any:
    """Write a drawing of a model; the ending of `to_file` names the format.

    Returns a `Drawing`, which a notebook shows, or None for formats that no notebook shows. The
    other arguments are those of `model_to_dot`. Without Graphviz, `model_to_text` draws in text.

    Raises:
        ImportError: pydot or Graphviz is not installed.
    """
    graph = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
    )
    path = Path(to_file)
    extension = path.suffix[1:].lower()
    if not extension:
        extension, path = "png", path.with_suffix(".png")
    try:
        graph.write(str(path), format="raw" if extension == "dot" else extension)
    except (FileNotFoundError, OSError) as error:
        if extension == "dot" or "dot" not in str(error):
            raise
        raise ImportError(
            "plot_model: expected the program dot of Graphviz, which was not found; install "
            "Graphviz, or write a .dot file"
        ) from error
    return Drawing(path) if extension in Drawing.FORMATS else None


class Drawing:
    """A picture in a file; notebooks show it.

    Attributes:
        path: the file.

    >>> Drawing("model.png")
    <Drawing model.png>
    """

    FORMATS = ("png", "jpg", "jpeg", "svg")

    def __init__(self, path):
        self.path = Path(path)

    def __repr__(self):
        return f"<Drawing {self.path}>"

    def _bytes(self, *endings):
        return self.path.read_bytes() if self.path.suffix[1:].lower() in endings else None

    def _repr_png_(self):
        return self._bytes("png")

    def _repr_jpeg_(self):
        return self._bytes("jpg", "jpeg")

    def _repr_svg_(self):
        data = self._bytes("svg")
        return None if data is None else data.decode()


def model_to_text(model: Any, expand_nested: bool = True) -> str:
    """Return a drawing of a model in plain text: its layers, and between them the shapes of values.

    Args:
        model: a Sequential; shapes that are not known yet are shown as `?`.
        expand_nested: draw the layers of nested models.

    Raises:
        ValueError: there are no layers.

    >>> from pyseq import Input, Sequential, layers
    >>> hidden = layers.Dense(8, activation="relu", name="hidden")
    >>> model = Sequential([Input((4,)), hidden, layers.Dense(1, name="out")], name="net")
    >>> print(model_to_text(model))
    net (Sequential)
    │  (None, 4)
    ├─ hidden (Dense, relu): 40 parameters
    │  (None, 8)
    └─ out (Dense): 9 parameters
       (None, 1)
    """
    if not getattr(model, "layers", None):
        raise ValueError("model_to_text: expected a model with layers, got one without; add some")
    title = f"{model.name} ({type(model).__name__})"
    known, shape = _known_shapes(model), getattr(model, "_input_batch_shape", None)
    lines = _text_lines(model, shape, known, expand_nested)
    return "\n".join([title, f"│  {_text(shape)}", *lines])


def _text_lines(model, shape, known, expand_nested):
    for layer in model.layers:
        last = layer is model.layers[-1]
        bar = " " if last else "│"
        yield ("└─ " if last else "├─ ") + _describe(layer)
        if expand_nested and getattr(layer, "layers", None):
            yield f"{bar}  │  {_text(shape)}"
            for line in _text_lines(layer, shape, known, expand_nested):
                yield f"{bar}  {line}"
        shape = known.get(id(layer), getattr(layer, "output_shape", None))
        yield f"{bar}  {_text(shape)}"


def _describe(layer):
    activation = _activation(layer)
    kind = type(layer).__name__ + (f", {activation}" if activation not in (None, "linear") else "")
    if not layer.weights:
        return f"{layer.name} ({kind})"
    frozen = "" if layer.trainable_weights else ", not trainable"
    return f"{layer.name} ({kind}): {layer.count_params():,} parameters{frozen}"
