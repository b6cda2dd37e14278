"""A random model, its data, loss, metrics and optimizer, all from one seed."""

from __future__ import annotations

import dataclasses

import numpy as np
from layer_cases import L, Spec

from . import changes, heads, integers, preprocessing, users
from .candidates import candidates, flatten, regularization
from .draw import Draw, Stack
from .recurrent import conv_recurrent, recurrent
from .spatial import global_pooling, sized

# Elements of one sample above which no layer that grows it further is drawn.
_LARGE = 1500


@dataclasses.dataclass
class Plan:
    """Everything that a comparison needs.

    Attributes:
        input_shape: of one sample.
        stack: Specs of the layers.
        output_shape: of one sample.
        x, y: data; more rows than one batch.
        weights: sample weights or None; class_weight: dict or None.
        loss, metrics, weighted_metrics, optimizer: arguments of compile; without a loss only
            predictions are compared.
        draws: some layer draws random numbers in training, so only inference is compared.
        dtype: of the Input; that of `x` may be another.
        changes, later_changes: Changes after the first answers, and between two steps.
        recompiled: the model is compiled again after the first ones.
        file: ending of the file that the libraries exchange after training, "/" for a directory,
            or nothing.
        stateful: states go from batch to batch; only inference is compared, as Keras on PyTorch
            cannot train such a model.
        adapt: the first layer learns from `x` before anything else.
        trains_inside: some layer trains where nothing is said; Keras trains what follows it, too.
        half: some layers have a policy of 16 bits. pyseq computes in 32 bits there, so that only
            inference is compared, loosely.
        toggles: Changes of `trainable` after the training, which then goes on.
        reweighted: weights are taken out and put back, changed.
    """

    seed: int
    input_shape: tuple
    stack: list
    output_shape: tuple
    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    class_weight: dict | None
    loss: object
    loss_weights: float | None
    metrics: list
    weighted_metrics: list
    optimizer: Spec
    batch: int
    steps: int
    draws: bool
    dtype: str = "float32"
    changes: list = dataclasses.field(default_factory=list)
    later_changes: list = dataclasses.field(default_factory=list)
    recompiled: bool = False
    file: str = ""
    stateful: bool = False
    adapt: bool = False
    trains_inside: bool = False
    half: bool = False
    toggles: list = dataclasses.field(default_factory=list)
    reweighted: bool = False

    def __str__(self):
        lines = [f"seed {self.seed}: python -m tests.differential {self.seed}"]
        shape = f"{self.input_shape}, dtype={self.dtype!r}"
        lines += [f"  layers.Input({shape}), x of {self.x.dtype.name}"
                  + (", stateful" if self.stateful else "")]
        lines += ["  the first layer is adapted to x"] if self.adapt else []
        lines += [f"  {layer!r}" for layer in self.stack]
        lines += [
            f"  output {self.output_shape}, batch {self.batch}, {self.steps} steps",
            f"  loss={self.loss!r}, loss_weights={self.loss_weights}",
            f"  metrics={self.metrics!r}, weighted_metrics={self.weighted_metrics!r}",
            f"  optimizer={self.optimizer!r}",
            f"  sample_weight={None if self.weights is None else self.weights.shape}, "
            f"class_weight={self.class_weight}",
        ]
        if self.changes:
            lines += [f"  then {self.changes}" + (", compile" if self.recompiled else "")]
        lines += [f"  later {self.later_changes}"] if self.later_changes else []
        lines += [f"  after training {self.toggles}, compile"] if self.toggles else []
        lines += ["  other weights"] if self.reweighted else []
        lines += [f"  then through a file *{self.file}"] if self.file else []
        return "\n".join(lines)


@dataclasses.dataclass
class _Start:
    """The input of a model and the layers that go with it.

    Attributes:
        shape: of one sample.
        first: Specs of the first layers.
        ids: number of token ids where the input is tokens.
        mask: "tokens" or "steps" where a mask is on.
        value_range: of images, else None.
        dtype: of the Input.
        whole: the values that the body gets are whole numbers.
    """

    shape: tuple
    first: list = dataclasses.field(default_factory=list)
    ids: int | None = None
    mask: str = ""
    value_range: tuple | None = None
    dtype: str = "float32"
    whole: bool = False


def _vector(d, draws):
    width = d.integer(1, 150 if d.wide else 20)
    return _Start((width,), [preprocessing.numbers(d, (width,))] if d.chance(0.2) else [])


def _scalar(d, draws):
    return _Start((1,), [L("Flatten")] if d.chance(0.2) else [])


def _image(d, draws):
    shape = (d.integer(4, 9), d.integer(4, 9), d.of(1, 2, 3, 4))
    return _Start(shape, [sized(d, shape)] if d.chance(0.2) else [])


def _pixels(d, draws):
    value_range = d.of((0, 255), (0.0, 1.0))
    shape = (d.integer(3, 8), d.integer(3, 8), d.of(1, 3, 3))
    if d.chance(0.2):
        shape = (3, *shape[:2])
    first = preprocessing.augmentation(d, shape, draws, list(value_range))
    if d.chance(0.1):
        # Last: at inference Keras's RandomCrop leaves an image of another size as it is.
        first.append(sized(d, shape))
    if value_range[1] > 1:
        first.append(L("Rescaling", scale=1 / 255))
    return _Start(shape, first, value_range=value_range)


def _volume(d, draws):
    if d.chance(0.15):
        return _Start((2, d.integer(2, 3), 3, d.integer(2, 3), d.of(1, 2)))
    return _Start((d.integer(3, 5), d.integer(3, 5), d.integer(3, 5), d.of(1, 2)))


def _video(d, draws):
    return _Start((d.integer(2, 4), d.integer(3, 6), d.integer(3, 6), d.of(1, 2, 3)))


def _signal(d, draws):
    if d.chance(0.3):
        shape, first = preprocessing.sound(d, draws)
        return _Start(shape, [first])
    return _Start((d.integer(8, 16), d.of(1, 2, 4)))


def _tokens(d, draws):
    ids = d.integer(3, 12)
    mask = d.chance(0.5)
    if not mask and d.chance(0.2):
        return _Start((d.integer(1, 8),), [preprocessing.categories(d, ids)], ids,
                      dtype=d.of(*integers.DTYPES))
    more = {"mask_zero": True} if mask else {}
    more.update(d.some(0.15, embeddings_regularizer=d.regularizer,
                       embeddings_constraint=d.constraint,
                       embeddings_initializer=lambda: d.of("normal", "uniform", "ones")))
    kind = "Embedding"
    if d.chance(0.2):
        kind, more["tie_weights"] = "ReversibleEmbedding", True
    first = L(kind, input_dim=ids, output_dim=d.channels(6), **more)
    shape = (d.integer(2, 4), d.integer(2, 4)) if d.chance(0.2) else (d.integer(2, 8),)
    dtype = d.of("int32", "int32", "int64", "float32")
    return _Start(shape, [first], ids, "tokens" if mask else "", dtype=dtype)


def _ids(d, draws):
    """Ids that some layers change before they are looked up."""
    ids = d.integer(4, 9)
    first = integers.looking_up(d, ids)
    return _Start((d.integer(2, 6),), first, ids, dtype=d.of(*integers.DTYPES))


def _whole(d, draws):
    """Whole numbers that layers compute with."""
    shape = (d.integer(1, 6),) if d.chance(0.6) else (d.integer(2, 5), d.integer(1, 4))
    return _Start(shape, [], d.integer(2, 9), dtype=d.of(*integers.DTYPES), whole=True)


def _bins(d, draws):
    """Numbers whose bins are looked up in a table."""
    edges = sorted(d.number(-1, 1) for _ in range(d.integer(1, 4)))
    first = L("Discretization", bin_boundaries=edges)
    table = L("Embedding", input_dim=len(edges) + 1, output_dim=d.channels(5))
    return _Start((d.integer(2, 8),), [first, table])


def _sequence(d, draws):
    shape = (d.integer(2, 8), d.integer(1, 6))
    if d.chance(0.15):
        return _Start(shape, [preprocessing.numbers(d, shape)])
    if d.chance(0.4):
        return _Start(shape, [L("Masking", mask_value=d.of(0.0, 0.0, 0.5))], mask="steps")
    return _Start(shape)


_STARTS = [_vector, _vector, _image, _image, _pixels, _pixels, _pixels, _sequence, _sequence, _sequence,
           _tokens, _tokens, _bins, _signal, _volume, _video, _scalar,
           _ids, _ids, _whole, _whole]

_SHRINKS = ("Pooling", "Cropping", "Flatten", "Dense", "LSTM", "GRU", "RNN", "Bidirectional")
# Where these get integers, Keras rounds what they give to integers.
_ROUNDING = ("RMSNormalization", "LayerNormalization", "GroupNormalization", "bilinear")
# These train in a call that does not say whether to.
_TRAIN_INSIDE = ("CenterCrop", "Resizing", "Batched", "Dropped", "Noisy")
# What is given a policy of 16 bits.
_HALVED = ("Dense", "EinsumDense", "Conv1D", "Conv2D", "BatchNormalization", "LayerNormalization",
           "Activation", "GRU", "LSTM", "MaxPooling1D", "Embedding")
# What takes no `trainable`; Keras's ConvLSTM does not hand it on to its cell.
_FIXED = ("SpatialDropout", "Discretization", "Pipeline", "ConvLSTM")


def _layer(d, stack, draws, value_range):
    if draws and value_range and len(stack.shape) == 3 and d.chance(0.3):
        layers = preprocessing.augmentation(d, stack.shape, True, list(value_range))
        return layers[0]
    if _is_summed(stack) and d.chance(0.6):
        return L(d.of("Softmax", "LayerNormalization"), axis=-1)
    if d.chance(0.12):
        return users.state(d, stack.shape)
    if d.chance(0.15):
        return users.composite(d, stack.shape)
    if draws and d.chance(0.15):
        return users.untraced(d, stack.shape)
    if draws and d.chance(0.4):
        return regularization(d, stack.shape)
    return d.of(*candidates(len(stack.shape)))(d, stack.shape)


def _is_summed(stack):
    """Whether the value has the rank of its mask, if there is one."""
    return bool(stack.specs) and stack.specs[-1].class_name == "Summed"


def _wrong_with_mask(spec):
    """Keras's Softmax does not take the mask of steps; its mean takes it for that of channels."""
    mean = spec.class_name == "GlobalAveragePooling1D"
    return "Softmax" in str(spec) or (mean and "data_format" in spec.arguments)


def _whole_body(d, stack):
    """Layers for whole numbers."""
    wanted = d.integer(1, 3)
    for _ in range(10):
        stack.add(integers.whole(d, stack.shape))
        if len(stack.specs) == wanted or not stack.shape:
            break


def _body(d, stack, draws, start):
    if start.whole:
        _whole_body(d, stack)
        if d.chance(0.5):
            return
    for _ in range(d.integer(1, 5)):
        for _ in range(10):
            spec = _layer(d, stack, draws, start.value_range)
            if start.mask and _wrong_with_mask(spec) and not _is_summed(stack):
                continue
            if (start.whole or "'int'" in str(start.first)) and any(
                name in str(spec) for name in _ROUNDING
            ):
                continue
            if stack.size > _LARGE and not any(s in spec.class_name for s in _SHRINKS):
                continue
            if d.chance(0.06) and not spec.class_name.startswith(_FIXED):
                spec.arguments["trainable"] = False
            if stack.add(spec):
                if stack.size > 4 * _LARGE:
                    stack.add(flatten(d, stack.shape))
                    stack.add(L("Dense", units=d.integer(1, 4)))
                break


def _stateful_body(d, stack):
    """One or two layers that keep their states, with others between them."""
    for _ in range(d.integer(1, 2)):
        make = {2: recurrent, 3: conv_recurrent, 4: conv_recurrent}.get(len(stack.shape))
        if make is None:
            return
        spec = make(d, stack.shape, True, stateful=True)
        if d.chance(0.15) and len(stack.shape) == 3:
            inner = recurrent(d, stack.shape[1:], False, stateful=True)
            spec = L("TimeDistributed", layer=inner)
        stack.add(spec)
        if d.chance(0.5):
            stack.add(d.of(*candidates(len(stack.shape)))(d, stack.shape))


def _reduce(d, stack, mask):
    """Bring the value to the rank that the head wants."""
    if len(stack.shape) == 1 or (len(stack.shape) == 2 and d.chance(0.35)):
        return
    if len(stack.shape) == 3 and d.chance(0.15):
        return
    for _ in range(10):
        if len(stack.shape) == 1:
            return
        options = [flatten, flatten]
        if 2 <= len(stack.shape) <= 4:
            options += [global_pooling]
        if len(stack.shape) == 2:
            options += [lambda d, s: recurrent(d, s, False)] * 3
        spec = d.of(*options)(d, stack.shape)
        if not (mask and _wrong_with_mask(spec)):
            stack.add(spec)


def _inputs(d, start, rows):
    rng = d.rng
    shape = (rows, *start.shape)
    if start.ids is not None:
        x = rng.integers(1, start.ids, shape)
        if start.mask:
            _pad(rng, x.reshape(-1, shape[-1]), 0)
        return x.astype(d.of(start.dtype, start.dtype, "int32", "int64", "float32"))
    if start.value_range:
        return rng.uniform(*start.value_range, shape).astype("float32")
    x = rng.normal(size=shape).astype("float32")
    if start.mask:
        _pad(rng, x, start.first[0].arguments["mask_value"])
    return x


def _pad(rng, x, value):
    """Pad rows left or right; every row keeps a valid step."""
    steps = x.shape[1]
    for row in range(len(x)):
        length = int(rng.integers(1, steps + 1))
        if rng.random() < 0.5:
            x[row, length:] = value
        else:
            x[row, : steps - length] = value


def _targets(d, kind, shape, rows):
    rng = d.rng
    if kind == "real":
        return rng.normal(size=(rows, *shape)).astype("float32")
    if kind == "signs":
        return rng.choice([-1.0, 1.0], (rows, *shape)).astype("float32")
    if kind == "bits":
        return rng.integers(0, 2, (rows, *shape)).astype("float32")
    if kind == "pairs":
        return rng.integers(0, 3, rows)
    if kind == "texts":
        # Labels from 1, padded by zeros; each repetition costs a step more.
        steps, classes = shape
        lengths = rng.integers(1, steps // 2 + 1, rows)
        labels = rng.integers(1, classes, (rows, steps // 2))
        return np.where(np.arange(steps // 2) < lengths[:, None], labels, 0)
    if kind in ("labels", "flat labels"):
        y = rng.integers(0, shape[-1], (rows, *shape[:-1]))
        return y[..., None] if kind == "labels" and d.chance(0.3) else y
    if kind == "one_hot":
        return np.eye(shape[-1], dtype="float32")[rng.integers(0, shape[-1], (rows, *shape[:-1]))]
    y = rng.uniform(0.1, 1, (rows, *shape))
    return (y / y.sum(-1, keepdims=True)).astype("float32")


def _model(d, keras):
    """A stack of layers with its head: (start, stack, kind of targets, loss, metrics, flags)."""
    while True:
        draws, stateful = d.chance(0.2), d.chance(0.07)
        start = d.of(*([_sequence, _video, _tokens] if stateful else _STARTS))(d, draws)
        stack = Stack(keras, start.shape)
        if not all(stack.add(spec) for spec in start.first):
            continue
        if stateful:
            _stateful_body(d, stack)
        else:
            _body(d, stack, draws, start)
        if start.whole and stack.specs and d.chance(0.6):
            return start, stack, "real", None, [], draws, False
        _reduce(d, stack, start.mask)
        kind, loss, metrics = heads.head(d, stack)
        if stack.specs and stack.size <= _LARGE:
            return start, stack, kind, loss, metrics, draws, stateful and "stateful" in str(stack.specs)


def _weights(d, kind, shape, rows):
    """(sample weights, class weights)"""
    if kind in ("pairs", "texts"):
        return None, None
    if d.chance(0.3):
        if len(shape) == 1:
            return d.rng.uniform(0, 2, rows).astype("float32"), None
        if len(shape) == 2:
            return d.rng.uniform(0, 2, (rows, shape[0])).astype("float32"), None
        return None, None
    if kind in ("labels", "flat labels", "one_hot") and len(shape) == 1 and d.chance(0.3):
        return None, {0: 0.5, 1: 2.0}
    return None, None


def generate(seed, keras):
    """The random model number `seed`."""
    d = Draw(np.random.default_rng(seed), keras)
    start, stack, kind, loss, metrics, draws, stateful = _model(d, keras)
    batch = d.integer(20, 70) if d.wide and d.chance(0.5) else d.integer(1, 9)
    rows = batch * 2 + (0 if stateful else d.integer(0, batch - 1))
    x = _inputs(d, start, rows)
    y = _targets(d, kind, stack.shape, rows)
    chosen = [metrics[i] for i in d.rng.permutation(len(metrics))[: d.integer(0, 3)]]
    names = {str(m) for m in chosen}
    weighted = [m for m in metrics if str(m) not in names][: d.integer(0, 1)]
    weights, class_weight = _weights(d, kind, stack.shape, rows)
    masks = ("Masking(", "mask_zero=True", "ignore_class")
    if weights is not None and any(m in f"{stack.specs}{loss}" for m in masks):
        # Keras on PyTorch multiplies the caller's weights by the mask in place, so that weighted
        # metrics see other weights than the loss.
        weighted = []
    optimizer = heads.optimizer(d, stack.specs)
    plan = Plan(
        seed=seed, input_shape=start.shape, stack=stack.specs, output_shape=stack.shape, x=x, y=y,
        weights=weights, class_weight=class_weight, loss=loss,
        loss_weights=d.of(None, None, None, 0.7), metrics=chosen, weighted_metrics=weighted,
        optimizer=optimizer, batch=batch, steps=d.integer(3, 5),
        draws=draws, dtype=start.dtype, stateful=stateful,
        trains_inside=start.value_range is not None or any(
            name in str(stack.specs) for name in _TRAIN_INSIDE
        ),
        adapt=bool(start.first) and preprocessing.needs_adapt(start.first[0]),
    )
    if not (start.whole or draws or stateful or plan.adapt) and d.chance(0.06):
        plan.half = _halve(d, plan.stack)
    if plan.half:
        plan.loss = None
    else:
        _live(d, plan)
    return plan


def _halve(d, specs):
    """Give some layers a policy of 16 bits; returns whether there are any."""
    chosen = [spec for spec in specs if spec.class_name in _HALVED and d.chance(0.7)]
    for spec in chosen:
        spec.arguments["dtype"] = d.of("mixed_bfloat16", "mixed_float16")
    return bool(chosen)


def _live(d, plan):
    """What happens to the model between its answers: changes, and a file."""
    if d.chance(0.4):
        plan.changes = changes.layers(d, plan.stack)
        flags = [c.value for c in plan.changes if c.path[-1] == "trainable"]
        # Keras's optimizer knows the variables that were trainable when it was compiled.
        plan.recompiled = any(flags) or d.chance(0.3)
        if d.chance(0.5):
            plan.later_changes = changes.optimizer(d, plan.optimizer) if plan.loss else []
        if d.chance(0.5):
            plan.later_changes += [
                c for c in changes.layers(d, plan.stack) if c.path[-1] != "trainable"
            ]
    plan.reweighted = d.chance(0.3)
    if plan.loss is not None and d.chance(0.2):
        plan.toggles = changes.toggles(d, plan)
    if d.chance(0.35):
        plan.file = d.of(".keras", ".keras", ".weights.h5", ".h5", "/")
