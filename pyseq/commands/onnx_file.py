"""The models of `bench` as ONNX files, which ONNX Runtime takes.

An ONNX file is a message of protocol buffers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
gives the numbers of the fields that stand below.
"""

from __future__ import annotations

import numpy as np

_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_OPSET, _IR = 13, 7
_GATES = (0, 3, 1, 2)  # ONNX: input, output, forget, cell; Keras: input, forget, cell, output


def _varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def _field(number, value):
    """A field: a whole number >= 0, text, or bytes (a message, too).

    >>> _field(1, 300).hex(), _field(2, "a").hex()
    ('08ac02', '120161')
    """
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _message(*fields):
    return b"".join(_field(number, value) for number, value in fields)


def _tensor(name, array):
    kind = _INT64 if array.dtype == np.int64 else _FLOAT
    dims = [(1, n) for n in array.shape]
    return _message(*dims, (2, kind), (8, name), (9, np.ascontiguousarray(array).tobytes()))


def _attribute(name, value):
    if isinstance(value, int):
        return _message((1, name), (3, value), (20, 2))
    return _message((1, name), *((8, n) for n in value), (20, 7))


def _value(name, shape):
    dims = [(1, _message((1, n) if isinstance(n, int) else (2, n))) for n in shape]
    return _message((1, name), (2, _message((1, _message((1, _FLOAT), (2, _message(*dims)))))))


class _Graph:
    def __init__(self):
        self.nodes, self.tensors, self.count = [], [], 0

    def tensor(self, array):
        self.tensors.append(_tensor(f"w{len(self.tensors)}", array))
        return f"w{len(self.tensors) - 1}"

    def node(self, kind, *inputs, outputs=1, output=None, **attributes):
        """Add a node; the name of its last output. Those before it are left out."""
        self.count += 1
        output = output or f"v{self.count}"
        self.nodes.append(
            _message(
                *((1, name) for name in inputs),
                *((2, "") for _ in range(outputs - 1)),
                (2, output),
                (4, kind),
                *((5, _attribute(*pair)) for pair in attributes.items()),
            )
        )
        return output


def write(job):
    """The bytes of the ONNX file of a job.

    It takes `x`, images as `(n, channels, height, width)`, and gives `y` of shape `(n, classes)`.
    """
    graph, weights, shape = _Graph(), iter(job.weights()), job.input_shape
    x = "x"
    for kind, *args in job.layers:
        if kind == "conv":
            kernel = next(weights).transpose(3, 2, 0, 1)
            x = graph.node("Conv", x, graph.tensor(kernel), graph.tensor(next(weights)))
            x = graph.node("Relu", x)
            shape = (shape[0] - args[1] + 1, shape[1] - args[1] + 1, args[0])
        elif kind == "pool":
            sizes = (args[0], args[0])
            x = graph.node("MaxPool", x, kernel_shape=sizes, strides=sizes)
            shape = (shape[0] // args[0], shape[1] // args[0], shape[2])
        elif kind == "flatten":
            x = graph.node("Flatten", x)
        elif kind == "lstm":
            x, shape = _lstm(graph, x, weights, args[0]), (args[0],)
        else:
            kernel = next(weights)
            if len(shape) == 3:  # rows of the kernel in the order of images that are channels-first
                order = np.arange(len(kernel)).reshape(shape).transpose(2, 0, 1)
                kernel = kernel[order.ravel()]
            x = graph.node("Gemm", x, graph.tensor(kernel), graph.tensor(next(weights)))
            if args[1] == "relu":
                x = graph.node("Relu", x)
            shape = (args[0],)
    graph.node("Softmax", x, output="y", axis=1)
    given = job.input_shape
    given = (given[2], *given[:2]) if len(given) == 3 else given
    body = _message(
        *((1, node) for node in graph.nodes),
        (2, "bench"),
        *((5, tensor) for tensor in graph.tensors),
        (11, _value("x", ("n", *given))),
        (12, _value("y", ("n", job.classes))),
    )
    return _message((1, _IR), (2, "pyseq"), (7, body), (8, _message((1, ""), (2, _OPSET))))


def _lstm(graph, x, weights, units):
    def gates(w):
        parts = np.split(w, 4, axis=-1)
        return np.concatenate([parts[i] for i in _GATES], axis=-1)

    kernel, recurrent, bias = (gates(next(weights)) for _ in range(3))
    both = np.concatenate([bias, np.zeros_like(bias)])
    x = graph.node("Transpose", x, perm=(1, 0, 2))
    x = graph.node(
        "LSTM",
        x,
        graph.tensor(kernel.T[None]),
        graph.tensor(recurrent.T[None]),
        graph.tensor(both[None]),
        outputs=2,  # of all steps, which is left out, and of the last
        hidden_size=units,
    )
    return graph.node("Reshape", x, graph.tensor(np.array([-1, units], np.int64)))
