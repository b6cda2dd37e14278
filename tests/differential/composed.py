"""Layers that users make of other layers: each body once, for Keras and for pyseq."""

from __future__ import annotations

from .bases import base


def layers(K):
    """All classes of this file."""
    return [*_modes(K), *_masks(K), *_arguments(K), *_parts(K)]


def _modes(K):
    """Layers that call their parts with a `training` of their own."""
    ops = K.ops

    def many(x):
        """Some thousand numbers, of x."""
        return ops.repeat(ops.abs(x) + 1, 1000, axis=-1)

    class Batched(base(K, momentum=0.8)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.norm = K.layers.BatchNormalization(momentum=self.momentum, epsilon=0.1)

        def call(self, x):
            return self.norm(x, training=True)

    class Settled(base(K, rate=0.5)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.norm = K.layers.BatchNormalization()
            self.dropout = K.layers.Dropout(self.rate)
            self.noise = K.layers.GaussianNoise(self.rate)

        def call(self, x):
            y = self.dropout(self.norm(x, training=False), training=False)
            return self.noise(y, training=False)

    class Dropped(base(K, rate=0.4)):
        """x where the share of zeros is that of the rate, -x elsewhere."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dropout = K.layers.Dropout(self.rate)

        def call(self, x):
            zeros = ops.cast(ops.equal(self.dropout(many(x), training=True), 0), x.dtype)
            return ops.where(ops.abs(ops.mean(zeros) - self.rate) < 0.1, x, -x)

    class Noisy(base(K, stddev=0.5)):
        """x where the noise is as wide as it should be, -x elsewhere."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.noise = K.layers.GaussianNoise(self.stddev)

        def call(self, x):
            before = many(x)
            width = ops.std(self.noise(before, training=True) - before)
            return ops.where(ops.abs(width / self.stddev - 1) < 0.2, x, -x)

    return [Batched, Settled, Dropped, Noisy]


def _masks(K):
    """Layers that take, make and hand on masks through their parts."""
    ops = K.ops

    class Attended(base(K, heads=1, causal=False)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True
            self.attention = K.layers.MultiHeadAttention(self.heads, 2)

        def call(self, x):
            return x + self.attention(x, x, use_causal_mask=self.causal)

    class Queried(base(K, additive=False)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True
            kind = K.layers.AdditiveAttention if self.additive else K.layers.Attention
            self.attention = kind()

        def call(self, x, mask=None):
            masks = None if mask is None else [mask, mask]
            return self.attention([x, x], mask=masks)

    class Weighed(base(K, units=2)):
        """The mean of the steps by learned weights."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.scores = K.layers.Dense(1, activation="tanh")
            self.softmax = K.layers.Softmax(axis=-1)
            self.values = K.layers.Dense(self.units)

        def call(self, x, mask=None):
            weights = self.softmax(ops.squeeze(self.scores(x), -1), mask=mask)
            return ops.sum(ops.expand_dims(weights, -1) * self.values(x), axis=1)

    class Summed(base(K, factor=1.0)):
        """Without the last axis: the mask has the rank of the value."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x):
            return ops.sum(x, axis=-1) * self.factor

    class Silenced(base(K, mask_value=0.0)):
        """A mask that an inner layer makes."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.masking = K.layers.Masking(self.mask_value)

        def call(self, x):
            return self.masking(ops.where(ops.abs(x) < 0.5, self.mask_value, x))

    class Tail(base(K, skipped=1)):
        """All steps but the first."""

        def call(self, x):
            return x[:, self.skipped:]

        def compute_mask(self, inputs, previous_mask=None):
            return None if previous_mask is None else previous_mask[:, self.skipped:]

    class Read(base(K, units=2)):
        """A recurrent layer within, with the mask that comes."""

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.rnn = K.layers.GRU(self.units)

        def call(self, x, mask=None):
            return self.rnn(x, mask=mask)

    return [Attended, Queried, Weighed, Summed, Silenced, Tail, Read]


def _arguments(K):
    """Layers whose parts take several values."""
    ops = K.ops

    class Scaled(base(K, units=2)):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], self.units), name="w")

        def call(self, x, scale=1.0, shift=None):
            y = ops.matmul(x, self.w) * scale
            return y if shift is None else y + shift

    class Pair(base(K, share=0.5)):
        def call(self, a, b):
            return a * self.share + b * (1 - self.share)

    class Several(base(K, power=1)):
        def call(self, inputs, factors=(1.0, 1.0)):
            a, b = inputs
            return {"sum": a * factors[0] + b * factors[1], "product": a * b}

    class Chosen(base(K, key="sum")):
        def call(self, inputs):
            return inputs[self.key], ops.mean(inputs["product"])

    class Outer(base(K, units=2, scale=1.5)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first = Scaled(units=self.units)
            self.second = Scaled(units=self.units)
            self.pair, self.several, self.chosen = Pair(share=0.3), Several(), Chosen()
            self.add = K.layers.Add()

        def call(self, x):
            a = self.first(x, scale=self.scale)
            b = self.second(x, shift=a)
            c = self.pair(a, b)
            d, mean = self.chosen(self.several([b, c], factors=(0.5, 2.0)))
            return self.add([a, ops.tanh(d)]) + mean * 0.1 + self.first(x)

    return [Outer]


def _parts(K):
    """Layers with parts in lists and dicts, with losses and with metrics."""
    ops = K.ops

    class Listed(base(K, units=2, count=2)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
            self.parts = [K.layers.Dense(self.units, activation="tanh")
                          for _ in range(self.count)]
            self.parts.append(K.layers.BatchNormalization(epsilon=0.1))

        def call(self, x):
            for part in self.parts:
                x = part(x)
            return x * self.scale

    class Named(base(K, units=2)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.parts = {
                "up": K.layers.Dense(self.units + 1, use_bias=False),
                "norm": K.layers.LayerNormalization(),
                "down": K.layers.Dense(self.units, kernel_regularizer="l2"),
            }
            self.last = self.add_weight(shape=(self.units,), trainable=False, name="last",
                                        initializer="ones")

        def call(self, x):
            y = self.parts["norm"](self.parts["up"](x))
            return self.parts["down"](y) * self.last

    class Penalized(base(K, rate=0.05, units=2)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = K.layers.Dense(self.units, kernel_regularizer="l2",
                                        activity_regularizer="l1")

        def call(self, x):
            y = self.inner(x)
            self.add_loss(self.rate * ops.mean(ops.square(x)))
            self.add_loss([self.rate * ops.sum(ops.abs(y))])
            return y

    class Measured(base(K, factor=1.0)):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.size = K.metrics.Mean(name="size")

        def call(self, x):
            self.size.update_state(ops.abs(x) * self.factor)
            return x

    return [Listed, Named, Penalized, Measured]
