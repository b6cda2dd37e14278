"""An ONNX file as nodes and constants; the file is data, and bounded."""

from __future__ import annotations

import math
import os

import numpy as np

from pyseq.registry import limits

_MAX_BYTES = 2 * 1024**3  # of a message of protocol buffers
_DEEPEST = 32  # constants that are computed of constants
# Operators of the first versions mean something else: Reshape by an attribute, and more.
_OLDEST = 7
_KEPT_KINDS = "fiub"


class Message:
    """The graph of a file.

    Attributes:
        where: the path, for messages.
        graph: the `GraphProto`.
        opset: version of the operators.
        makers: `{tensor: node}`.
        readers: `{tensor: nodes that read it}`.
        bytes: of the file and of those it refers to.
    """

    def __init__(self, path, where, onnx):
        self.onnx = onnx
        self.where, self._folder = where, os.path.dirname(os.path.abspath(path))
        self.bytes = os.path.getsize(path)
        if self.bytes > _MAX_BYTES:
            raise ValueError(
                f"{where}: expected an ONNX file of at most 2 GiB, got {self.bytes:,} bytes; keep "
                "the weights in a file beside it"
            )
        self._largest = self.bytes * 8 + 2**20  # numbers of a tensor
        with open(path, "rb") as file:
            data = file.read(self.bytes)
        model = self.onnx.ModelProto()
        try:
            model.ParseFromString(data)
        except Exception as error:  # protocol buffers have an error of their own
            raise ValueError(
                f"{where}: expected an ONNX file, got one that is none: {str(error)[:200]}; the "
                "file is damaged, or of another format"
            ) from None
        self.graph = model.graph
        if not len(self.graph.node) and not len(self.graph.input):
            raise ValueError(f"{where}: expected an ONNX file with a graph, got an empty one")
        if len(self.graph.node) > limits.MAX_LAYERS:
            raise ValueError(
                f"{where}: expected at most {limits.MAX_LAYERS} nodes, got "
                f"{len(self.graph.node)}; the file is damaged or hostile"
            )
        self.opset = self._opset(model)
        self._tensors = {t.name: t for t in self.graph.initializer}
        self.makers = {name: n for n in self.graph.node for name in n.output if name}
        self.readers = {}
        for node in self.graph.node:
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(node)
        self._known = {}

    def _opset(self, model):
        versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
        if len(versions) != 1 or versions[0] < _OLDEST:
            raise ValueError(
                f"{self.where}: expected operators of ONNX of version {_OLDEST} or later, got "
                f"{versions or 'none'}; export it again by a newer exporter"
            )
        return versions[0]

    # --- errors

    def name(self, node):
        """How messages call a node."""
        return f"{self.where}: {node.op_type} {node.name or '-> ' + node.output[0]!r}"

    def refuse(self, node, expected, got, advice="rebuild the model in Python"):
        raise ValueError(f"{self.name(node)}: expected {expected}, got {got}; {advice}")

    # --- attributes and constants

    def attributes(self, node):
        """`{name: value}`; texts as `str`, tensors as arrays. Graphs are refused."""
        found = {}
        for attribute in node.attribute:
            kind = self.onnx.AttributeProto
            if attribute.type in (kind.GRAPH, kind.GRAPHS):
                self.refuse(node, "a node without graphs of its own", repr(attribute.name))
            try:
                value = self.onnx.helper.get_attribute_value(attribute)
            except (TypeError, ValueError) as error:
                self.refuse(node, "sound attributes", f"{attribute.name!r}: {error}")
            if attribute.type == kind.TENSOR:
                value = self._array(value)
            elif isinstance(value, bytes):
                value = value.decode("utf-8", "replace")
            elif isinstance(value, (list, tuple)) or hasattr(value, "append"):
                value = [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value]
            found[attribute.name] = value
        return found

    def constant(self, name, depth=0):
        """The array that a tensor always is, or None where it is computed from the input."""
        if name in self._known:
            return self._known[name]
        value = None
        if name in self._tensors:
            value = self._array(self._tensors[name])
        elif name in self.makers and depth < _DEEPEST:
            value = self._computed(self.makers[name], depth + 1)
        self._known[name] = value
        return value

    def _computed(self, node, depth):
        if node.op_type == "Constant":
            values = self.attributes(node)
            (key, value), *_ = values.items() or [("", None)]
            whole = key.startswith("value_int")
            return value if key == "value" else np.array(value, "int64" if whole else "float32")
        arrays = [self.constant(name, depth) if name else None for name in node.input]
        if not arrays or arrays[0] is None or any(
            a is None and name for a, name in zip(arrays, node.input)
        ):
            return None
        if sum(a.size for a in arrays if a is not None) > self._largest:
            self.refuse(node, "constants that fit the file", "larger ones", "it is hostile")
        return _compute(node.op_type, arrays, self.attributes(node))

    def _array(self, tensor):
        size = math.prod(int(d) for d in tensor.dims)
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            tensor = self._fetched(tensor)
        if size < 0 or any(d < 0 for d in tensor.dims) or size > self._largest:
            raise ValueError(
                f"{self.where}: expected a tensor that fits the file, got "
                f"{tensor.name or 'one'!r} of shape {list(tensor.dims)}; the file is damaged or "
                "hostile"
            )
        try:
            array = np.asarray(self.onnx.numpy_helper.to_array(tensor))
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(
                f"{self.where}: expected a sound tensor, got {tensor.name!r} that fails with "
                f"{str(error)[:200]}; the file is damaged"
            ) from error
        if array.dtype.kind not in _KEPT_KINDS:
            raise ValueError(
                f"{self.where}: expected a tensor of numbers, got {tensor.name!r} of "
                f"{array.dtype}; rebuild the model in Python"
            )
        return array

    def _fetched(self, tensor):
        """A tensor of another file with its bytes in it."""
        copied = self.onnx.TensorProto()
        copied.CopyFrom(tensor)
        copied.raw_data = self._beside(tensor)
        copied.data_location = self.onnx.TensorProto.DEFAULT
        del copied.external_data[:]
        return copied

    def _beside(self, tensor):
        """The bytes of a tensor in another file, which has to lie in the folder of this one."""
        entries = {e.key: e.value for e in tensor.external_data}
        location = entries.get("location", "")
        path = os.path.realpath(os.path.join(self._folder, location))
        inside = os.path.commonpath([path, os.path.realpath(self._folder)])
        absolute = os.path.isabs(location) or "\\" in location or ":" in location
        if not location or absolute or inside != os.path.realpath(self._folder):
            raise ValueError(
                f"{self.where}: expected data in the folder of the file, got {location!r} for "
                f"{tensor.name!r}; the file is damaged or hostile"
            )
        if not os.path.isfile(path):
            raise ValueError(
                f"{self.where}: expected the file {location!r} beside it with the data of "
                f"{tensor.name!r}, got none; copy it there"
            )
        size = os.path.getsize(path)
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
        if not 0 <= offset <= size or not 0 <= length <= size - offset:
            raise ValueError(
                f"{self.where}: expected {length} bytes from {offset} on in {location!r}, got a "
                f"file of {size}; the file is damaged"
            )
        self.bytes += length
        self._largest += length * 8
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)


def _compute(kind, arrays, attributes):
    """What a node makes of constants, for the few kinds that exporters leave in a file."""
    x = arrays[0]
    if kind == "Identity":
        return x
    if kind == "Cast":
        kinds = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64"}
        to = kinds.get(attributes.get("to"))
        return None if to is None else x.astype(to)
    if kind == "Transpose":
        return x.transpose(attributes.get("perm"))
    if kind == "Reshape":
        dims = [x.shape[i] if d == 0 else int(d) for i, d in enumerate(arrays[1])]
        return x.reshape(dims)
    if kind in ("Squeeze", "Unsqueeze"):
        axes = attributes.get("axes") if len(arrays) == 1 else arrays[1].tolist()
        if kind == "Squeeze":
            return x.squeeze(None if axes is None else tuple(axes))
        return np.expand_dims(x, tuple(axes))
    if kind == "Concat":
        return np.concatenate(arrays, attributes["axis"])
    return None
