"""`summary FILE`: the layers of a saved model."""

from __future__ import annotations

from pyseq.commands import models
from pyseq.commands.failure import Failure, told
from pyseq.summary import output_shapes


def add_arguments(parser):
    """Describe the command."""
    models.add_model(parser)
    parser.add_argument("--nested", action="store_true", help="also the layers of nested models")
    parser.add_argument("--trainable", action="store_true", help="a column of what trains")
    parser.add_argument("--memory", action="store_true", help="columns of bytes")
    parser.add_argument("--flops", action="store_true", help="a column of operations per row")
    parser.add_argument("--width", type=int, metavar="COLUMNS", help="columns of the table (80)")
    parser.add_argument("--json", action="store_true", help="as JSON: all layers, nested ones too")


def run(options):
    """Print the table, or the same as data."""
    if options.width is not None and options.width < 40:
        raise Failure(
            f"--width: expected 40 or more columns, got {options.width}; 80 suit terminals"
        )
    models.import_modules(options.modules)
    model = models.load(options.file, compile=False)
    if options.json:
        models.print_json(as_data(model))
        return 0
    with told():  # such as operations of a model whose shapes are not known
        model.summary(
            line_length=options.width,
            expand_nested=options.nested,
            show_trainable=options.trainable,
            show_memory=options.memory,
            show_flops=options.flops,
        )
    return 0


def as_data(model):
    """A model as plain data.

    >>> import pyseq
    >>> as_data(pyseq.Sequential([pyseq.Input((3,)), pyseq.layers.Dense(2)]))["parameters"]
    8
    """
    shapes = output_shapes(model)
    return {
        "name": model.name,
        "type": type(model).__name__,
        "built": model.built,
        "input_shape": model.input_shape if model.built else None,
        "output_shape": model.output_shape if model.built else None,
        "parameters": _numbers(model.weights),
        "trainable_parameters": _numbers(model.trainable_weights),
        "layers": [_layer(layer, shapes) for layer in model.layers],
    }


def _numbers(weights):
    return sum(int(w.size) for w in weights)


def _layer(layer, shapes):
    return {
        "name": layer.name,
        "type": type(layer).__name__,
        "output_shape": shapes.get(id(layer)),
        "parameters": _numbers(layer.weights),
        "trainable": bool(layer.trainable_weights),
        **(
            {"layers": [_layer(inner, shapes) for inner in layer.layers]}
            if hasattr(layer, "layers")
            else {}
        ),
    }
