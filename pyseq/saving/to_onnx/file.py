"""The message that an ONNX file holds, made by the package `onnx`."""

from __future__ import annotations

import numpy as np

from pyseq._version import __version__
from pyseq.saving.atomic import write_atomically
from pyseq.saving.to_onnx import graph as graphs
from pyseq.saving.to_onnx.builder import Body

# The lowest that has Mish; ONNX Runtime has it since 1.14.
OPSET = 18
_IR = 8
_LARGEST = 2 * 1024**3 - 2**20  # of a message of protocol buffers


def load_package(where):
    """The package `onnx`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            f"{where}: expected the package onnx, got none; install it with pip install onnx"
        ) from error
    return onnx


def export(model, path, shape):
    """Write the inference of a built model on rows of `shape` as an ONNX file."""
    onnx = load_package(f"{model.name}.export")
    builder, given, outputs = graphs.translate(model, shape)
    if graphs.size(builder) > _LARGEST:
        raise ValueError(
            f"{model.name}.export: expected weights below 2 GiB, which is all that one ONNX file "
            f"holds, got {graphs.size(builder):,} bytes; export as .pyseq or save as .keras"
        )
    message = _Maker(onnx).model(model, builder, given, outputs)
    onnx.checker.check_model(message, full_check=True)
    data = message.SerializeToString()
    write_atomically(path, lambda file: file.write(data))


class _Maker:
    def __init__(self, onnx):
        self.onnx, self.helper = onnx, onnx.helper

    def type_of(self, dtype):
        return self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def value(self, name, dtype, shape, rows="N"):
        dims = [rows if d is None else d for d in shape]
        return self.helper.make_tensor_value_info(name, self.type_of(dtype), dims)

    def node(self, node, builder):
        attributes = {k: self.attribute(v, builder) for k, v in node.attributes.items()}
        return self.helper.make_node(
            node.kind, node.inputs, node.outputs, name=node.name, **attributes
        )

    def attribute(self, value, builder):
        if isinstance(value, np.dtype):
            return self.type_of(value)
        if not isinstance(value, Body):
            return value

        def infos(names):
            # Rows may be several for each of the batch.
            return [self.value(n, builder.dtype, builder.shape(n), rows=None) for n in names]

        nodes = [self.node(n, builder) for n in value.nodes]
        return self.helper.make_graph(nodes, "step", infos(value.inputs), infos(value.outputs))

    def model(self, model, builder, given, outputs):
        tensors = [
            self.onnx.numpy_helper.from_array(array, name)
            for name, array in builder.constants.items()
        ]
        graph = self.helper.make_graph(
            [self.node(n, builder) for n in builder.nodes],
            model.name,
            [self.value(*given)],
            [self.value(*output) for output in outputs],
            tensors,
        )
        return self.helper.make_model(
            graph,
            producer_name="pyseq",
            producer_version=__version__,
            doc_string=f"{model.name}, exported by pyseq {__version__}",
            opset_imports=[self.helper.make_opsetid("", OPSET)],
            ir_version=_IR,
        )
