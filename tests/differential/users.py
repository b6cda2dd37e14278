"""Layers and functions as users write them: each body once, for Keras and for pyseq."""

from __future__ import annotations

import functools
import importlib

import numpy as np
from layer_cases import L, Spec

from . import composed
from .bases import base


@functools.cache
def objects(library):
    """{name: class or function} of everything here, for `custom_objects` as well."""
    K = importlib.import_module(library)
    made = [*_states(K), *_plain(K), *composed.layers(K), *_functions(K)]
    return {thing.__name__: thing for thing in made}


class User(Spec):
    """A layer of a class from this file."""

    def __init__(self, class_name, /, **arguments):
        super().__init__(class_name, family="users", **arguments)

    def build(self, library="pyseq", **more):
        return objects(library)[self.class_name](**{**self.arguments, **more})


class Function(User):
    """A function from this file."""

    def build(self, library="pyseq"):
        return objects(library)[self.class_name]

    def __repr__(self):
        return f"users.{self.class_name}"


def _outer(x):
    """All axes but the last."""
    return tuple(range(len(x.shape) - 1))


def _states(K):
    """Layers whose `call` assigns variables."""
    ops = K.ops

    class Centered(base(K, momentum=0.8)):
        def build(self, input_shape):
            self.mean = self.state("mean", (input_shape[-1],))

        def call(self, x, training=None):
            if training:
                new = ops.mean(x, axis=_outer(x))
                self.mean.assign(self.mean * self.momentum + new * (1 - self.momentum))
            return x - self.mean

    class Whitened(base(K, momentum=0.7, epsilon=0.1)):
        def build(self, input_shape):
            width = input_shape[-1]
            self.scale = self.add_weight(shape=(width,), initializer="ones", name="scale")
            self.mean = self.state("mean", (width,))
            self.variance = self.state("variance", (width,), "ones")

        def call(self, x, training=False):
            mean, variance = self.mean, self.variance
            if training:
                mean, variance = ops.moments(x, axes=_outer(x))
                m = self.momentum
                self.mean.assign(self.mean * m + mean * (1 - m))
                self.variance.assign(self.variance * m + variance * (1 - m))
            return self.scale * (x - mean) / ops.sqrt(variance + self.epsilon)

    class Counted(base(K, slow=3.0)):
        def build(self, input_shape):
            self.count = self.state("count", (), dtype="int32")

        def call(self, x, training=None):
            if training:
                self.count.assign_add(1)
            return x * (self.slow / (self.slow + ops.cast(self.count, x.dtype)))

    class Warming(base(K, rate=0.3)):
        def build(self, input_shape):
            self.steps = self.state("steps", ())

        def call(self, x, training=None):
            y = x * (1 - 0.5 * ops.exp(-self.rate * self.steps))
            if training:
                self.steps.assign(self.steps + 1)
            return y

    class Ranged(base(K, margin=1.0)):
        def build(self, input_shape):
            self.low = self.state("low", (input_shape[-1],))
            self.high = self.state("high", (input_shape[-1],))

        def call(self, x, training=None):
            if training:
                self.low.assign(ops.minimum(self.low, ops.min(x, axis=_outer(x))))
                self.high.assign(ops.maximum(self.high, ops.max(x, axis=_outer(x))))
            return (x - self.low) / (self.high - self.low + self.margin)

    class Codebook(base(K, codes=3, momentum=0.6)):
        def build(self, input_shape):
            width = input_shape[-1]
            self.table = self.add_weight(
                shape=(self.codes, width), trainable=False, name="table",
                initializer=K.initializers.RandomUniform(-1.0, 1.0, seed=5))
            self.used = self.state("used", (self.codes,), "ones")

        def call(self, x, training=None):
            rows = ops.reshape(x, (-1, x.shape[-1]))
            distances = ops.sum(ops.square(self.table), axis=1) - 2 * ops.matmul(
                rows, ops.transpose(self.table))
            chosen = ops.one_hot(ops.argmin(distances, axis=1), self.codes, dtype=x.dtype)
            found = ops.reshape(ops.matmul(chosen, self.table), ops.shape(x))
            if training:
                m = self.momentum
                used = self.used * m + ops.sum(chosen, axis=0) * (1 - m)
                each = ops.expand_dims(chosen, 2) * ops.expand_dims(rows, 1)
                sums = ops.sum(each, axis=0)
                new = self.table * m + sums * (1 - m) / ops.expand_dims(used, 1)
                self.used.assign(used)
                self.table.assign(new)
            return x + ops.stop_gradient(found - x)

    class Mixed(base(K, units=3)):
        """A layer within, and two counters of different kinds."""

        def build(self, input_shape):
            self.inner = K.layers.Dense(self.units, activation="tanh")
            self.inner.build(input_shape)
            self.seen = self.state("seen", (), dtype="int64")
            self.total = self.state("total", (self.units,))

        def call(self, x, training=None):
            y = self.inner(x)
            if training:
                self.seen.assign(self.seen + 2)
                self.total.assign_add(ops.sum(ops.stop_gradient(y), axis=_outer(y)) * 0.01)
            return y + self.total / (1 + ops.cast(self.seen, y.dtype))

    class Seen(base(K, rate=0.1)):
        """Counts in inference too."""

        def build(self, input_shape):
            self.calls = self.state("calls", ())

        def call(self, x):
            self.calls.assign_add(1.0)
            return x + self.rate * self.calls

    class Fading(base(K, rate=0.5)):
        def build(self, input_shape):
            self.factor = self.state("factor", (1,), "ones")

        def call(self, x, training=None):
            if training:
                self.factor.assign(ops.maximum(self.factor * self.rate, 0.1))
                return x * self.factor
            return x * 0.5 * (1 + self.factor)

    return [Centered, Whitened, Counted, Warming, Ranged, Codebook, Mixed, Seen, Fading]


def _plain(K):
    """Layers without states: with masks, with `training`, with code that cannot be traced."""
    ops = K.ops

    class Louder(base(K, factor=1.5)):
        def call(self, x, training=None):
            return x * self.factor if training else x

    class Masked(base(K, fill=0.2)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x, mask=None):
            if mask is None:
                return x
            return ops.where(ops.expand_dims(mask, -1), x, self.fill)

    class MaskedMean(base(K, epsilon=0.5)):
        def call(self, x, training=None, mask=None):
            if mask is None:
                return ops.mean(x, axis=1)
            kept = ops.expand_dims(ops.cast(mask, x.dtype), -1)
            y = ops.sum(x * kept, axis=1) / (ops.sum(kept, axis=1) + self.epsilon)
            return 2 * y if training else y

        def compute_mask(self, inputs, mask=None):
            return None

    class Keeping(base(K, threshold=0.0)):
        """Makes a mask of its own."""

        def call(self, x):
            return x

        def compute_mask(self, inputs, mask=None):
            own = ops.any(inputs > self.threshold, axis=-1)
            return own if mask is None else ops.logical_and(own, mask)

    class Gated(base(K, units=2)):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], self.units), name="w")
            self.gate = self.add_weight(shape=(self.units,), initializer="ones", name="gate",
                                        regularizer=K.regularizers.L2(0.01))

        def call(self, x):
            y = ops.matmul(x, self.w)
            return y * ops.sigmoid(y * self.gate)

    class Untraced(base(K, power=2.0)):
        """NumPy alone."""

        def call(self, x):
            values = np.asarray(x)
            return ops.convert_to_tensor(np.sign(values) * np.abs(values) ** self.power)

        def compute_output_shape(self, input_shape):
            return input_shape

    class UntracedSum(base(K, factor=0.5)):
        """Python's loops and numbers, a mask, and another shape."""

        def call(self, x, mask=None):
            values = np.asarray(x)
            kept = np.ones(values.shape[:2], bool) if mask is None else np.asarray(mask)
            rows = [sum(row[keep] * self.factor) for row, keep in zip(values, kept, strict=True)]
            return ops.convert_to_tensor(np.asarray(rows, values.dtype))

        def compute_output_shape(self, input_shape):
            return (input_shape[0], *input_shape[2:])

    return [Louder, Masked, MaskedMean, Keeping, Gated, Untraced, UntracedSum]


def _functions(K):
    """For Lambda."""
    ops = K.ops

    def double(x):
        return x * 2 - 0.5

    def power(x, exponent=2):
        return ops.power(ops.abs(x) + 0.5, exponent)

    def louder(x, training=None):
        return x * 1.5 if training else x

    def zeroed(x, mask=None):
        return x if mask is None else x * ops.expand_dims(ops.cast(mask, x.dtype), -1)

    def both(x, mask=None, training=False):
        y = ops.tanh(x) if training else x
        return y if mask is None else ops.where(mask[..., None], y, -1.0)

    def first(x):
        return x[:, 0]

    def same_mask(inputs, mask=None):
        return mask

    def untraced(x):
        return ops.convert_to_tensor(np.cumsum(np.asarray(x), axis=-1))

    def modulo(x):
        return x % 3

    def halves(x):
        return x // 2

    def largest(x):
        return ops.argmax(x, axis=-1)

    def above(x):
        return x > 1

    def to_int(x):
        return ops.cast(x, "int32")

    def to_long(x):
        return ops.cast(x, "int64")

    def ordered(x):
        return ops.sort(x, axis=-1)

    def summed(x):
        return ops.sum(x, axis=-1, keepdims=True)

    def averaged(x):
        return ops.mean(x, axis=-1, keepdims=True)

    def hot(x):
        return ops.one_hot(ops.abs(x) % 4, 4)

    def halved(x):
        return x / 2

    def nearest(x):
        return ops.where(x > 2, x, 2)

    def to_float(x):
        return ops.cast(x, "float32")

    def mixed(x):
        return 7 - ops.clip(x, 1, 5) * 2 + ops.ones_like(x)

    def bits(x):
        return ops.bitwise_and(x, 6)

    def turned(x):
        return ops.flip(ops.relu(x - 1), -1)

    return [double, power, louder, zeroed, both, first, same_mask, untraced, modulo, halves,
            largest, above, to_int, to_long, ordered, summed, averaged, hot, halved, nearest,
            to_float, mixed, bits, turned]


WHOLE = ("modulo", "halves", "largest", "above", "to_int", "to_long", "ordered", "summed",
         "averaged", "hot", "halved", "nearest", "to_float", "mixed", "bits", "turned")


def state(d, shape):
    """A layer that keeps state."""
    return d.of(
        User("Centered", momentum=d.number(0.5, 0.95)),
        User("Whitened", momentum=d.number(0.5, 0.9), epsilon=d.of(0.1, 0.3)),
        User("Counted", slow=d.of(1.0, 5.0)), User("Warming", rate=d.number(0.1, 0.6)),
        User("Ranged", margin=d.of(0.5, 1.0)), User("Fading", rate=d.number(0.5, 0.9)),
        User("Codebook", codes=d.integer(2, 4), momentum=d.number(0.5, 0.9)),
        User("Mixed", units=d.integer(1, 5)), User("Seen", rate=d.number(0.05, 0.2)),
    )


def plain(d, shape):
    """A layer or Lambda without state."""
    options = [
        User("Louder", factor=d.number(1.1, 2)), User("Gated", units=d.integer(1, 5)),
        L("Lambda", function=Function("double")), L("Lambda", function=Function("louder")),
        L("Lambda", function=Function("power"), arguments={"exponent": d.of(2, 1.5)}),
    ]
    if len(shape) > 1:
        options += [
            User("MaskedMean", epsilon=d.of(0.5, 1.0)), L("Lambda", function=Function("first")),
        ]
    if len(shape) == 2:
        more = d.of({}, {"mask": Function("same_mask")})
        options += [
            User("Masked", fill=d.number(-1, 1)), User("Keeping", threshold=d.number(-1, 0.5)),
            L("Lambda", function=Function("zeroed"), **more),
            L("Lambda", function=Function("both"), **more),
        ]
    return d.of(*options)


def composite(d, shape):
    """A layer made of other layers."""
    units = {"units": d.integer(1, 4)}
    options = [
        User("Batched", momentum=d.number(0.5, 0.9)), User("Settled", rate=d.number(0.2, 0.6)),
        User("Outer", scale=d.number(0.5, 2), **units), User("Named", **units),
        User("Listed", count=d.integer(1, 3), **units), User("Measured", factor=d.of(1.0, 2.0)),
        User("Penalized", rate=d.number(0.01, 0.1), **units),
    ]
    if len(shape) == 1 and shape[0] <= 20:
        options += [User("Dropped", rate=d.number(0.2, 0.7)), User("Noisy", stddev=d.of(0.5, 2.0))]
    if len(shape) > 1:
        options += [User("Summed", factor=d.of(1.0, 0.5))]
    if len(shape) == 2:
        options += [
            User("Attended", heads=d.integer(1, 2), causal=d.chance(0.3)),
            User("Queried", additive=d.chance(0.5)), User("Weighed", **units),
            User("Silenced", mask_value=d.of(0.0, 0.5)), User("Read", **units),
        ]
        if shape[0] > 1:
            options += [User("Tail")] * 2
    return d.of(*options)


def untraced(d, shape):
    """Code that cannot be traced."""
    options = [User("Untraced", power=d.of(1.0, 2.0)), L("Lambda", function=Function("untraced"))]
    if len(shape) > 1:
        options.append(User("UntracedSum", factor=d.number(0.2, 1)))
    return d.of(*options)
