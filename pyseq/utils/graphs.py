"""Drawings of models, through pydot and Graphviz, which are looked for when they are used."""

from __future__ import annotations

import html
from pathlib import Path


def _pydot(where):
    try:
        import pydot
    except ImportError as error:
        raise ImportError(
            f"{where}: expected the package pydot and the program Graphviz, and pydot is not "
            f"installed; run pip install pydot, or use model.summary()"
        ) from error
    return pydot


def _row(cells):
    return "<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in cells) + "</tr>"


def _label(layer, show_shapes, show_dtype, show_layer_names, show_activations, show_trainable):
    title = type(layer).__name__
    if show_layer_names:
        title = f"{layer.name} ({title})"
    rows = [_row([title])]
    activation = getattr(layer, "activation", None)
    if show_activations and activation is not None:
        name = getattr(activation, "__name__", type(activation).__name__)
        rows.append(_row([f"activation: {name}"]))
    if show_shapes:
        shapes = [getattr(layer, name, None) for name in ("input_shape", "output_shape")]
        texts = ["?" if shape is None else shape for shape in shapes]
        rows.append(_row([f"input: {texts[0]}, output: {texts[1]}"]))
    if show_dtype:
        rows.append(_row([f"dtype: {getattr(layer, 'dtype', '?')}"]))
    if show_trainable and layer.weights:
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
    model,
    show_shapes=False,
    show_dtype=False,
    show_layer_names=True,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    subgraph=False,
    show_layer_activations=False,
    show_trainable=False,
):
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
    previous = None
    for index, layer in enumerate(_chain(model, expand_nested)):
        key = f"layer{index}"
        label = _label(
            layer,
            show_shapes,
            show_dtype,
            show_layer_names,
            show_layer_activations,
            show_trainable,
        )
        graph.add_node(pydot.Node(key, label=label))
        if previous is not None:
            graph.add_edge(pydot.Edge(previous, key))
        previous = key
    return graph


def plot_model(
    model,
    to_file="model.png",
    show_shapes=False,
    show_dtype=False,
    show_layer_names=False,
    rankdir="TB",
    expand_nested=False,
    dpi=200,
    show_layer_activations=False,
    show_trainable=False,
):
    """Write a drawing of a model; the ending of `to_file` names the format.

    The other arguments are those of `model_to_dot`.

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
