"""JAX written by hand: one jitted training step, or a jitted loop over many where that is faster.

Optimizer: Adam as Keras defines it. Parameters are a list with one dict per layer.
"""

import os
import time

import numpy as np

_SCAN_STEPS = 32
_SCAN_BELOW_S = 0.005  # longer steps gain nothing from a loop, and XLA's loop slows convolutions


class Jax:
    trains = True

    def __init__(self, threads):
        self.threads = threads

    def load(self):
        global jax, jnp
        import jax
        import jax.numpy as jnp

        names = {"highest": "highest", "high": "tensorfloat32", "medium": "bfloat16"}
        precision = names[os.environ.get("BENCH_PRECISION", "highest")]
        jax.config.update("jax_default_matmul_precision", precision)

    def build(self, workload):
        self.workload = workload
        key = jax.random.key(1)
        self.params, self.state = init_params(workload, key)
        self.moments = jax.tree.map(lambda p: (jnp.zeros_like(p), jnp.zeros_like(p)), self.params)
        self.count = jnp.zeros((), jnp.int32)
        self.key = key
        self.cached = (None, None)
        self.scan = None

        def loss_fn(params, state, key, x, y):
            logits, state = forward(workload, params, state, x, key, True)
            return loss(workload, logits, y), state

        def step(carry, x, y):
            params, state, moments, count, key = carry
            key, sub = jax.random.split(key)
            (value, state), grads = jax.value_and_grad(loss_fn, has_aux=True)(
                params, state, sub, x, y
            )
            count = count + 1
            rate = 0.001 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
            pairs = jax.tree.map(
                lambda g, mv: (0.9 * mv[0] + 0.1 * g, 0.999 * mv[1] + 0.001 * g * g),
                grads,
                moments,
            )
            params = jax.tree.map(
                lambda p, mv: p - rate * mv[0] / (jnp.sqrt(mv[1]) + 1e-7), params, pairs
            )
            return (params, state, pairs, count, key), value

        def step_rows(carry, x, y, rows):
            return step(carry, x[rows], y[rows])

        def many(carry, x, y, rows):
            return jax.lax.scan(lambda c, r: step(c, x[r], y[r]), carry, rows)

        self.step = jax.jit(step, donate_argnums=0)
        self.step_rows = jax.jit(step_rows, donate_argnums=0)
        self.many = jax.jit(many, donate_argnums=0)
        self.run = jax.jit(
            lambda params, state, x: activate(
                workload, forward(workload, params, state, x, None, False)[0]
            )
        )

    @property
    def carry(self):
        return self.params, self.state, self.moments, self.count, self.key

    @carry.setter
    def carry(self, value):
        self.params, self.state, self.moments, self.count, self.key = value

    def set_batch(self, x, y):
        self.step_x, self.step_y = jnp.asarray(x), jnp.asarray(y)

    def train_batch(self):
        self.carry, value = self.step(self.carry, self.step_x, self.step_y)
        return float(value)

    def fit(self, x, y):
        if self.cached[0] is not x:
            self.cached = (x, jnp.asarray(x), jnp.asarray(y))
        _, x, y = self.cached
        if self.scan is None:
            self._choose(x, y)
        return self._epoch(x, y)

    def _choose(self, x, y):
        """Takes the loop if 32 steps in it are faster than 32 calls; leaves the weights alone."""
        saved = jax.tree.map(jnp.copy, self.carry)
        self.scan = self._loop_is_faster(x, y)
        self.carry = saved

    def _loop_is_faster(self, x, y):
        rows = np.arange(self.workload.batch, dtype=np.int32)

        def calls(count):
            for _ in range(count):
                self.carry, value = self.step_rows(self.carry, x, y, rows)
            return value.block_until_ready()

        calls(1)
        start = time.perf_counter()
        calls(2)
        if (time.perf_counter() - start) / 2 > _SCAN_BELOW_S:
            return False
        tiled = np.tile(rows, (_SCAN_STEPS, 1))
        times = []
        for _ in range(2):
            start = time.perf_counter()
            self.carry, value = self.many(self.carry, x, y, tiled)
            value.block_until_ready()
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        calls(_SCAN_STEPS)
        return min(times) < time.perf_counter() - start

    def _epoch(self, x, y):
        batch = self.workload.batch
        order = np.random.permutation(len(x)).astype(np.int32)
        steps = len(x) // batch
        order = order[: steps * batch].reshape(steps, batch)
        values, done = [], 0
        if self.scan:
            done = steps - steps % _SCAN_STEPS
            for first in range(0, done, _SCAN_STEPS):
                self.carry, value = self.many(self.carry, x, y, order[first : first + _SCAN_STEPS])
                values.append(value.mean() * _SCAN_STEPS)
        for rows in order[done:]:
            self.carry, value = self.step_rows(self.carry, x, y, rows)
            values.append(value)
        return float(sum(values)) / steps

    def infer(self, x):
        return np.asarray(self.run(self.params, self.state, x))

    predict = None

    def versions(self):
        return {"jax": jax.__version__}


def init_params(workload, key):
    """Parameters with Keras's initial values, and the running moments of batch norm."""
    shape, params, state = workload.input_shape, [], []
    glorot = jax.nn.initializers.glorot_uniform()
    orthogonal = jax.nn.initializers.orthogonal()
    for kind, *args in workload.layers:
        key, sub = jax.random.split(key)
        p, s = {}, {}
        if kind == "dense":
            p = {"w": glorot(sub, (shape[-1], args[0])), "b": jnp.zeros(args[0])}
            shape = (*shape[:-1], args[0])
        elif kind in ("conv1d", "conv2d", "conv3d"):
            rank = len(shape) - 1
            filters, size, padding, _, *strides = args
            p = {
                "w": glorot(sub, (size,) * rank + (shape[-1], filters)),
                "b": jnp.zeros(filters),
            }
            cut = 0 if padding == "same" else size - 1
            by = strides[0] if strides else 1
            shape = tuple(-(-(n - cut) // by) for n in shape[:-1]) + (filters,)
        elif kind == "depthwise2d":
            size, by = args
            p = {"w": glorot(sub, (size, size, 1, shape[-1])), "b": jnp.zeros(shape[-1])}
            shape = (-(-shape[0] // by), -(-shape[1] // by), shape[-1])
        elif kind == "embedding":
            p = {"w": jax.random.uniform(sub, args, minval=-0.05, maxval=0.05)}
            shape = (*shape, args[1])
        elif kind in ("lstm", "gru", "bilstm"):
            units, sequences = args
            gates = 3 if kind == "gru" else 4
            for suffix in ("", "_back") if kind == "bilstm" else ("",):
                key, one, two = jax.random.split(key, 3)
                p["k" + suffix] = glorot(one, (shape[-1], gates * units))
                p["r" + suffix] = orthogonal(two, (units, gates * units))
                bias = jnp.zeros((2 if kind == "gru" else 1, gates * units))
                p["b" + suffix] = bias if kind == "gru" else bias.at[:, units : 2 * units].set(1)
            out = 2 * units if kind == "bilstm" else units
            shape = (shape[0], out) if sequences else (out,)
        elif kind in ("maxpool1d", "maxpool2d", "maxpool3d", "avgpool2d"):
            shape = tuple(n // args[0] for n in shape[:-1]) + (shape[-1],)
        elif kind == "batchnorm":
            p = {"gamma": jnp.ones(shape[-1]), "beta": jnp.zeros(shape[-1])}
            s = {"mean": jnp.zeros(shape[-1]), "var": jnp.ones(shape[-1])}
        elif kind == "layernorm":
            p = {"gamma": jnp.ones(shape[-1]), "beta": jnp.zeros(shape[-1])}
        elif kind == "flatten":
            shape = (int(np.prod(shape)),)
        elif kind in ("mean1d", "mean2d", "mean3d", "max1d"):
            shape = shape[-1:]
        params.append(p)
        state.append(s)
    return params, state


def forward(workload, params, state, x, key, training):
    """Logits of the batch `x` and the new running moments."""
    new_state = []
    last = len(workload.layers) - 1
    for index, (kind, *args) in enumerate(workload.layers):
        p, s = params[index], state[index]
        if kind == "dense":
            x = x @ p["w"] + p["b"]
            x = hidden(args[1], x) if index < last else x
        elif kind in ("conv1d", "conv2d", "conv3d"):
            rank = x.ndim - 2
            positions = "DHW"[-rank:]
            numbers = ("N" + positions + "C", positions + "IO", "N" + positions + "C")
            strides, dilation = ((n,) * rank for n in (*args[4:], 1, 1)[:2])
            x = jax.lax.conv_general_dilated(
                x,
                p["w"],
                strides,
                args[2].upper(),
                rhs_dilation=dilation,
                dimension_numbers=numbers,
            )
            x = hidden(args[3], x + p["b"])
        elif kind == "depthwise2d":
            x = jax.lax.conv_general_dilated(
                x,
                p["w"],
                (args[1], args[1]),
                "SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
                feature_group_count=x.shape[-1],
            )
            x = x + p["b"]
        elif kind == "embedding":
            x = p["w"][x]
        elif kind in ("lstm", "gru"):
            x = recurrent(kind, p, "", x, args[1], False)
        elif kind == "bilstm":
            ahead = recurrent("lstm", p, "", x, args[1], False)
            back = recurrent("lstm", p, "_back", x, args[1], True)
            x = jnp.concatenate([ahead, back], axis=-1)
        elif kind in ("maxpool1d", "maxpool2d", "maxpool3d"):
            window = (1, *(args[0],) * (x.ndim - 2), 1)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        elif kind == "avgpool2d":
            window = (1, args[0], args[0], 1)
            x = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID") / args[0] ** 2
        elif kind == "batchnorm":
            x, s = batch_norm(p, s, x, training)
        elif kind == "layernorm":
            mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
            x = (x - mean) * jax.lax.rsqrt(var + 0.001) * p["gamma"] + p["beta"]
        elif kind == "relu":
            x = jax.nn.relu(x)
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind in ("mean1d", "mean2d", "mean3d", "max1d"):
            x = getattr(x, kind[:-2])(tuple(range(1, x.ndim - 1)))
        elif kind == "dropout" and training:
            key, sub = jax.random.split(key)
            keep = jax.random.bernoulli(sub, 1 - args[0], x.shape)
            x = jnp.where(keep, x / (1 - args[0]), 0)
        new_state.append(s)
    return x, new_state


def hidden(activation, x):
    """The activation of a layer that is not the last."""
    if activation == "gelu":
        return jax.nn.gelu(x, approximate=False)
    return {"relu": jax.nn.relu, "tanh": jnp.tanh, None: lambda x: x}[activation](x)


def batch_norm(p, s, x, training):
    mean, var = s["mean"], s["var"]
    if training:
        axes = tuple(range(x.ndim - 1))
        mean, var = x.mean(axes), x.var(axes)
        s = {"mean": 0.99 * s["mean"] + 0.01 * mean, "var": 0.99 * s["var"] + 0.01 * var}
    return (x - mean) * jax.lax.rsqrt(var + 0.001) * p["gamma"] + p["beta"], s


def recurrent(kind, p, suffix, x, sequences, backwards):
    """LSTM (gates i, f, c, o) or GRU (z, r, h; reset after) over `x` (N, T, C)."""
    kernel, bias = p["k" + suffix], p["b" + suffix]
    weights = p["r" + suffix]
    units = weights.shape[0]
    projected = jnp.swapaxes(x @ kernel + bias[0], 0, 1)
    zeros = jnp.zeros((len(x), units))

    def lstm(carry, z):
        h, c = carry
        i, f, g, o = jnp.split(z + h @ weights, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(h, z):
        xz, xr, xh = jnp.split(z, 3, axis=-1)
        hz, hr, hh = jnp.split(h @ weights + bias[1], 3, axis=-1)
        z, r = jax.nn.sigmoid(xz + hz), jax.nn.sigmoid(xr + hr)
        h = z * h + (1 - z) * jnp.tanh(xh + r * hh)
        return h, h

    cell, carry = (lstm, (zeros, zeros)) if kind == "lstm" else (gru, zeros)
    carry, ys = jax.lax.scan(cell, carry, projected, reverse=backwards)
    if sequences:
        return jnp.swapaxes(ys, 0, 1)
    return carry[0] if kind == "lstm" else carry


def activate(workload, logits):
    last = workload.layers[-1][2]
    return {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax, None: lambda x: x}[last](logits)


def loss(workload, logits, y):
    if workload.loss == "bce":
        return jnp.mean(jax.nn.softplus(logits) - logits * y)
    if workload.loss == "sparse_ce":
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))
    return jnp.mean((activate(workload, logits) - y) ** 2)
