"""Random choices that many layers share."""

from __future__ import annotations

from layer_cases import Spec

ACTIVATIONS = [
    "relu", "tanh", "sigmoid", "elu", "selu", "gelu", "softplus", "softsign", "silu", "mish",
    "leaky_relu", "hard_sigmoid", "hard_silu", "relu6", "celu", "log_sigmoid", "linear",
    "squareplus", "sparse_plus", "sparse_sigmoid", "hard_tanh", "tanh_shrink", "soft_shrink",
    "hard_shrink", "exponential", "swish", "hard_swish",
]


def initializer(name, **arguments):
    return Spec(name, family="initializers", **arguments)


KERNELS = [
    "glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "lecun_normal",
    "lecun_uniform", "orthogonal", "random_normal", "random_uniform", "truncated_normal",
    initializer("VarianceScaling", scale=0.5, mode="fan_out", distribution="uniform"),
    initializer("Constant", value=0.05),
    initializer("Orthogonal", gain=0.8),
]
BIASES = ["zeros", "ones", "random_normal", initializer("Constant", value=0.1)]


class Draw:
    """Choices from a NumPy generator.

    Args:
        rng: the generator.
        keras: the real Keras, which knows the shapes of nested layers.
    """

    def __init__(self, rng, keras):
        self.rng = rng
        self.keras = keras
        # A few models are wide enough to fill vector registers and leave remainders.
        self.wide = self.chance(0.15)

    def chance(self, p):
        return bool(self.rng.random() < p)

    def of(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def integer(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def channels(self, high):
        """Units or filters."""
        return self.integer(1, 70 if self.wide else high)

    def number(self, low, high):
        return round(float(self.rng.uniform(low, high)), 3)

    def some(self, p, **options):
        """Each of the options with probability p; an option is a value or a function of none."""
        return {
            k: v() if callable(v) else v for k, v in options.items() if self.chance(p)
        }

    def activation(self):
        return self.of(None, *ACTIVATIONS) if self.chance(0.8) else "softmax"

    def regularizer(self):
        return self.of(
            "l2",
            Spec("L1", family="regularizers", l1=self.number(0.001, 0.05)),
            Spec("L2", family="regularizers", l2=self.number(0.001, 0.1)),
            Spec("L1L2", family="regularizers", l1=0.01, l2=self.number(0.001, 0.1)),
            "l1",
        )

    def constraint(self):
        return self.of(
            Spec("MaxNorm", family="constraints", max_value=self.number(0.5, 2)),
            Spec("NonNeg", family="constraints"),
            Spec("UnitNorm", family="constraints"),
            Spec("MinMaxNorm", family="constraints", min_value=0.3, max_value=1.2,
                 rate=self.of(1.0, 0.7)),
        )

    def kernel(self, prefix="kernel", bias=True, matrix=False):
        """Random initializers, regularizers and constraints of a kernel and its bias."""
        chosen = {}
        if self.chance(0.4):
            chosen[f"{prefix}_initializer"] = self.of(*KERNELS)
        if self.chance(0.15):
            chosen[f"{prefix}_regularizer"] = self.regularizer()
        elif self.chance(0.05):
            chosen[f"{prefix}_regularizer"] = Spec(
                "OrthogonalRegularizer", family="regularizers", factor=0.05,
                mode=self.of("rows", "columns"),
            ) if prefix == "kernel" and matrix else "l2"
        if self.chance(0.1):
            chosen[f"{prefix}_constraint"] = self.constraint()
        if bias:
            chosen.update(self.bias())
        if self.chance(0.1):
            chosen["activity_regularizer"] = self.regularizer()
        return chosen

    def bias(self):
        if self.chance(0.2):
            return {"use_bias": False}
        # A bias of one number has no norm to speak of.
        return self.some(0.12, bias_regularizer=self.regularizer,
                         bias_initializer=lambda: self.of(*BIASES),
                         bias_constraint=Spec("NonNeg", family="constraints"))

    def sizes(self, rank, low, high):
        if self.chance(0.5):
            return self.integer(low, high)
        return [self.integer(low, high) for _ in range(rank)]

    def data_format(self, p=0.2):
        return {"data_format": "channels_first"} if self.chance(p) else {}


class Stack:
    """Layers so far, checked by Keras, which also knows their output shape."""

    def __init__(self, keras, shape):
        self.keras = keras
        self.shape = tuple(shape)
        self.specs = []

    def add(self, spec):
        """Append a layer if Keras accepts it; returns whether it did."""
        try:
            layer, shape = spec.build("keras"), (None, *self.shape)
            if "users." in repr(spec):
                # Keras finds the shapes of users' layers by calling them alone.
                shape = layer(self.keras.KerasTensor(shape)).shape
            # Keras's Pipeline does not know its shape; all that are drawn keep it.
            elif spec.class_name != "Pipeline":
                shape = layer.compute_output_shape(shape)
        except (ValueError, TypeError, IndexError, ZeroDivisionError, RuntimeError):
            return False
        if any(d is None or d < 1 for d in shape[1:]) or len(shape) > 6:
            return False
        self.shape = tuple(int(d) for d in shape[1:])
        self.specs.append(spec)
        return True

    @property
    def size(self):
        size = 1
        for n in self.shape:
            size *= n
        return size
