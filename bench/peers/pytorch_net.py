"""A workload as a PyTorch module that returns logits, with Keras's initial weights."""

import torch
from torch import nn


class Recurrent(nn.Module):
    def __init__(self, cell, channels, units, sequences, bidirectional=False):
        super().__init__()
        self.cell = cell(channels, units, batch_first=True, bidirectional=bidirectional)
        self.sequences, self.units = sequences, units
        for name, parameter in self.cell.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                init = nn.init.xavier_uniform_ if "_ih" in name else nn.init.orthogonal_
                init(parameter)

    def forward(self, x):
        y, _ = self.cell(x)
        if self.sequences:
            return y
        if self.cell.bidirectional:
            return torch.cat([y[:, -1, : self.units], y[:, 0, self.units :]], dim=1)
        return y[:, -1]


class ChannelsFirst(nn.Module):
    """A one-dimensional layer that wants (N, C, T), between layers of (N, T, C)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.transpose(1, 2)).transpose(1, 2)


class Mean(nn.Module):
    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.mean(self.axes)


class Max(nn.Module):
    def forward(self, x):
        return x.amax(1)


def net_input_shape(workload):
    """Shape of a row as the module takes it: channels first for images and videos."""
    shape = workload.input_shape
    return (shape[-1], *shape[:-1]) if len(shape) > 2 else shape


def input_dtype(workload):
    return torch.int64 if workload.vocabulary else torch.float32


_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


def make_net(workload):
    modules = []
    for index, (kind, *args) in enumerate(workload.layers):
        shape = _row_shape(workload, modules)
        activation = None
        if kind in ("conv1d", "conv2d", "conv3d"):
            activation = args[3]
        elif kind == "dense" and index < len(workload.layers) - 1:
            activation = args[1]
        modules.append(_make_layer(kind, args, shape))
        if activation in _ACTIVATIONS:
            modules.append(_ACTIVATIONS[activation]())
    if workload.loss == "mse":
        modules.append(make_activation(workload.layers[-1][2]))
    return nn.Sequential(*modules)


def make_activation(name):
    """The activation of the last layer, by its Keras name."""
    if name == "softmax":
        return nn.Softmax(1)
    return nn.Sigmoid() if name == "sigmoid" else nn.Identity()


def _row_shape(workload, modules):
    x = torch.zeros((1, *net_input_shape(workload)), dtype=input_dtype(workload))
    with torch.no_grad():
        return nn.Sequential(*modules).eval()(x).shape[1:]


def _initialised(layer):
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _make_layer(kind, args, shape):
    image = len(shape) > 2  # or video
    channels = shape[0] if image else shape[-1]
    if kind == "dense":
        return _initialised(nn.Linear(channels, args[0]))
    if kind in ("conv1d", "conv2d", "conv3d"):
        filters, size, padding, _, *steps = args
        strides, dilation = (*steps, 1, 1)[:2]
        if strides > 1:  # which PyTorch does not allow with "same"
            padding = size // 2
        make = {"conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}[kind]
        layer = make(channels, filters, size, strides, padding, dilation)
        _initialised(layer)
        return ChannelsFirst(layer) if kind == "conv1d" else layer
    if kind == "depthwise2d":
        size, strides = args
        layer = nn.Conv2d(channels, channels, size, strides, size // 2, groups=channels)
        return _initialised(layer)
    if kind == "embedding":
        layer = nn.Embedding(*args)
        nn.init.uniform_(layer.weight, -0.05, 0.05)
        return layer
    if kind in ("lstm", "bilstm"):
        return Recurrent(nn.LSTM, channels, *args, bidirectional=kind == "bilstm")
    if kind == "gru":
        return Recurrent(nn.GRU, channels, *args)
    if kind == "maxpool1d":
        return ChannelsFirst(nn.MaxPool1d(*args))
    if kind == "batchnorm":
        norm = nn.BatchNorm2d if image else nn.BatchNorm1d
        return norm(channels, eps=0.001, momentum=0.01)
    if kind == "layernorm":
        return nn.LayerNorm(channels, eps=0.001)
    simple = {
        "maxpool2d": nn.MaxPool2d,
        "maxpool3d": nn.MaxPool3d,
        "avgpool2d": nn.AvgPool2d,
        "relu": nn.ReLU,
        "flatten": nn.Flatten,
        "dropout": nn.Dropout,
        "mean1d": lambda: Mean(1),
        "mean2d": lambda: Mean(2, 3),
        "mean3d": lambda: Mean(2, 3, 4),
        "max1d": Max,
    }
    return simple[kind](*args)
