"""What a user changes between two calls: attributes of layers, their regularizers, optimizers."""

from __future__ import annotations

import dataclasses
import importlib

from layer_cases import Spec

from .draw import ACTIVATIONS

_NUMBERS = {
    "Dropout": ("rate", 0.0, 0.0), "GaussianNoise": ("stddev", 0.0, 0.0),
    "AlphaDropout": ("rate", 0.0, 0.0), "GaussianDropout": ("rate", 0.0, 0.0),
    "BatchNormalization": ("momentum", 0.3, 0.9), "LayerNormalization": ("epsilon", 0.01, 0.5),
    "GroupNormalization": ("epsilon", 0.01, 0.5), "RMSNormalization": ("epsilon", 0.01, 0.5),
    "LeakyReLU": ("negative_slope", 0.0, 0.6), "ELU": ("alpha", 0.3, 2.0),
    "Rescaling": ("scale", 0.3, 2.0), "ReLU": ("negative_slope", 0.0, 0.4),
    "ActivityRegularization": ("l1", 0.0, 0.1), "Masking": ("mask_value", 0.0, 0.5),
    "Centered": ("momentum", 0.1, 0.9), "Whitened": ("epsilon", 0.05, 1.0),
    "Counted": ("slow", 1.0, 4.0), "Warming": ("rate", 0.1, 1.0), "Ranged": ("margin", 0.5, 2.0),
    "Codebook": ("momentum", 0.2, 0.9), "Seen": ("rate", 0.0, 0.3), "Fading": ("rate", 0.3, 0.9),
    "Louder": ("factor", 0.5, 2.0), "Masked": ("fill", -1.0, 1.0),
    "MaskedMean": ("epsilon", 0.2, 2.0), "Keeping": ("threshold", -1.0, 1.0),
    "Untraced": ("power", 1.0, 3.0), "UntracedSum": ("factor", 0.2, 1.0),
}
_MORE = {"BatchNormalization": ("epsilon", 0.01, 0.5), "Rescaling": ("offset", -1.0, 1.0),
         "Whitened": ("momentum", 0.2, 0.9), "ActivityRegularization": ("l2", 0.0, 0.1)}
_OPTIMIZERS = {
    "learning_rate": (0.001, 0.03), "momentum": (0.1, 0.9), "beta_1": (0.3, 0.95),
    "beta_2": (0.8, 0.99), "rho": (0.5, 0.95), "weight_decay": (0.005, 0.05),
    "clipnorm": (0.05, 1.0), "clipvalue": (0.05, 1.0), "global_clipnorm": (0.05, 1.0),
    "epsilon": (1e-3, 1e-2),
}


@dataclasses.dataclass
class Change:
    """`model.layers[0].kernel_regularizer.l2 = 0.1`: path ("layers", 0, "kernel_regularizer", "l2").

    Attributes:
        path: attributes and indices from the model on.
        value: a number, or the name of an activation where the last attribute is one.
    """

    path: tuple
    value: object

    def apply(self, model, library):
        value = self.value
        if self.path[-1] == "activation":
            value = importlib.import_module(f"{library}.activations").get(value)
        target = model
        for step in self.path[:-1]:
            target = target[step] if isinstance(step, int) else getattr(target, step)
        setattr(target, self.path[-1], value)

    def __repr__(self):
        steps = (f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.path)
        return f"model{''.join(steps)} = {self.value!r}"


# Keras's recurrent layers go on with the mask that they got first.
_MASKS = ("Masking", "Keeping")
_RECURRENT = ("LSTM", "GRU", "RNN")


def _of_layer(d, spec, last, recurrent):
    """[(path, value), ...] of what may be changed of a layer."""
    options = []
    arguments = spec.arguments
    if not last and arguments.get("activation") and spec.class_name in (
            "Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D", "Activation", "DepthwiseConv1D",
            "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "Conv2DTranspose"):
        options.append((("activation",), d.of(*ACTIVATIONS)))
    for table in (_NUMBERS, _MORE):
        if spec.class_name in table and not (recurrent and spec.class_name in _MASKS):
            name, low, high = table[spec.class_name]
            options.append(((name,), d.number(low, high)))
    for name, value in arguments.items():
        if name.endswith("_regularizer") and isinstance(value, Spec) and spec.class_name not in (
                "LSTM", "GRU", "SimpleRNN"):
            options += [((name, which), d.number(0.01, 0.2))
                        for which in ("l1", "l2") if which in value.arguments]
    # Keras's ConvLSTM from a config does not hand `trainable` on to its cell.
    if "ConvLSTM" not in repr(spec):
        options.append((("trainable",), not arguments.get("trainable", True)))
    return options


def layers(d, stack):
    """Some changes of the layers `stack`, one at most for each."""
    changed = []
    recurrent = any(name in str(stack) for name in _RECURRENT)
    for number, spec in enumerate(stack):
        if d.chance(0.5):
            last = number == len(stack) - 1
            options = _of_layer(d, spec, last, recurrent)
            if options:
                path, value = d.of(*options)
                changed.append(Change(("layers", number, *path), value))
    return changed


def toggles(d, plan):
    """Other values of `trainable` than the layers of the plan have by then."""
    changed = {c.path[1]: c.value for c in plan.changes if c.path[-1] == "trainable"}
    toggled = []
    for number, spec in enumerate(plan.stack):
        if "ConvLSTM" not in repr(spec) and d.chance(0.5):
            now = changed.get(number, spec.arguments.get("trainable", True))
            toggled.append(Change(("layers", number, "trainable"), not now))
    return toggled


def optimizer(d, spec):
    """One change of an optimizer."""
    names = [n for n in _OPTIMIZERS if n in spec.arguments and n != "learning_rate"]
    if spec.class_name == "ScheduleFreeAdamW" and "beta_1" in names:
        names.remove("beta_1")  # Keras on PyTorch takes the new momentum for the old one.
    if isinstance(spec.arguments.get("learning_rate"), float):
        names.append("learning_rate")
    if not names or spec.class_name in ("LossScaleOptimizer", "Lamb", "Lion", "Muon"):
        return []
    name = d.of(*names)
    low, high = _OPTIMIZERS[name]
    return [Change(("optimizer", name), round(float(d.rng.uniform(low, high)), 4))]
