"""A random model, its data, loss, metrics and optimizer, all from one seed."""

from __future__ import annotations

import dataclasses

import numpy as np
from layer_cases import L, Spec

from .candidates import Draw, candidates, flatten, global_pooling, recurrent, regularization

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
        loss, metrics, weighted_metrics, optimizer: arguments of compile.
        draws: some layer draws random numbers in training, so only inference is compared.
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

    def __str__(self):
        lines = [f"seed {self.seed}: python -m tests.differential {self.seed}"]
        lines += [f"  layers.Input({self.input_shape}, dtype={self.x.dtype.name!r})"]
        lines += [f"  {layer!r}" for layer in self.stack]
        lines += [
            f"  output {self.output_shape}, batch {self.batch}, {self.steps} steps",
            f"  loss={self.loss!r}, loss_weights={self.loss_weights}",
            f"  metrics={self.metrics!r}, weighted_metrics={self.weighted_metrics!r}",
            f"  optimizer={self.optimizer!r}",
            f"  sample_weight={None if self.weights is None else self.weights.shape}, "
            f"class_weight={self.class_weight}",
        ]
        return "\n".join(lines)


def _start(d):
    """(input shape, number of token ids or None, first layers, a mask is on)."""
    task = d.of("vector", "vector", "image", "image", "sequence", "sequence", "tokens", "signal",
                "volume", "video", "scalar")
    if task == "vector":
        width = d.integer(1, 150 if d.wide else 20)
        first = []
        if d.chance(0.1):
            first = [L("Discretization", bin_boundaries=[-0.7, 0.1, 0.8], output_mode="multi_hot")]
        elif d.chance(0.1):
            numbers = d.rng.uniform(0.5, 2, (2, width)).round(2).tolist()
            first = [L("Normalization", mean=numbers[0], variance=numbers[1])]
        return (width,), None, first, False
    if task == "scalar":
        return (1,), None, [], False
    if task == "image":
        first = []
        if d.chance(0.1):
            # It has no gradient here, so it comes before everything that is trained.
            first = [L("Resizing", height=d.integer(3, 9), width=d.integer(3, 9),
                       interpolation=d.of("nearest", "bilinear"),
                       crop_to_aspect_ratio=d.chance(0.3))]
        return (d.integer(4, 9), d.integer(4, 9), d.of(1, 2, 3, 4)), None, first, False
    if task == "volume":
        return (d.integer(3, 5), d.integer(3, 5), d.integer(3, 5), d.of(1, 2)), None, [], False
    if task == "video":
        return (d.integer(2, 4), d.integer(3, 6), d.integer(3, 6), d.of(1, 2, 3)), None, [], False
    if task == "signal":
        return (d.integer(8, 16), d.of(1, 2, 4)), None, [], False
    if task == "tokens":
        ids = d.integer(3, 12)
        mask = d.chance(0.5)
        more = {"mask_zero": True} if mask else {}
        if d.chance(0.2):
            more["embeddings_regularizer"] = d.regularizer()
        if d.chance(0.1):
            more["embeddings_constraint"] = d.constraint()
        if not mask and d.chance(0.2):
            first = L("CategoryEncoding", num_tokens=ids, output_mode=d.of("multi_hot", "count"))
            return (d.integer(2, 8),), ids, [first], False
        first = L("Embedding", input_dim=ids, output_dim=d.channels(6), **more)
        if not mask and d.chance(0.2):
            return (d.integer(2, 4), d.integer(2, 4)), ids, [first], False
        return (d.integer(2, 8),), ids, [first], mask
    shape = (d.integer(2, 8), d.integer(1, 6))
    if d.chance(0.4):
        return shape, None, [L("Masking", mask_value=d.of(0.0, 0.0, 0.5))], True
    return shape, None, [], False


class _Stack:
    """Layers so far, checked by Keras, which also knows their output shape."""

    def __init__(self, keras, shape, dtype):
        self.keras = keras
        self.shape = shape
        self.specs = []

    def add(self, spec):
        """Append a layer if Keras accepts it; returns whether it did."""
        try:
            layer = spec.build("keras")
            shape = layer.compute_output_shape((None, *self.shape))
        except (ValueError, TypeError, IndexError, ZeroDivisionError, RuntimeError):
            return False
        if any(d is None or d < 1 for d in shape[1:]) or len(shape) > 6:
            return False
        self.shape = tuple(int(d) for d in shape[1:])
        self.specs.append(spec)
        return True

    @property
    def size(self):
        return int(np.prod(self.shape, dtype=int))


_SHRINKS = ("Pooling", "Cropping", "Flatten", "Dense", "LSTM", "GRU", "RNN", "Bidirectional")


def _body(d, stack, draws, masked):
    for _ in range(d.integer(1, 5)):
        for _ in range(10):
            make = d.of(*candidates(len(stack.shape)))
            if draws and d.chance(0.4):
                make = regularization
            spec = make(d, stack.shape)
            axis = spec.arguments.get("axis", -1)
            if masked and spec.class_name == "BatchNormalization" and axis not in (-1, 2):
                continue  # pyseq masks the statistics of the last axis only
            if stack.size > _LARGE and not any(s in spec.class_name for s in _SHRINKS):
                continue
            if stack.add(spec):
                if stack.size > 4 * _LARGE:
                    stack.add(flatten(d, stack.shape))
                    stack.add(L("Dense", units=d.integer(1, 4)))
                break


def _reduce(d, stack, ids):
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
        stack.add(d.of(*options)(d, stack.shape))


def _loss(name, **arguments):
    return Spec(name, family="losses", **arguments)


def _metric(name, **arguments):
    return Spec(name, family="metrics", **arguments)


def _head(d, stack):
    """Add the last layer; returns (kind of targets, loss, metrics to choose from)."""
    task = d.of("regression", "regression", "binary", "multilabel", "classes", "classes",
                "sparse", "sparse", "distribution", "raw")
    rank = len(stack.shape)
    reduction = d.of({}, {}, {}, {"reduction": "sum"}, {"reduction": "mean_with_sample_weight"})
    if task in ("regression", "raw"):
        if task == "regression":
            stack.add(L("Dense", units=d.integer(1, 4), activation=d.of(None, "linear", "tanh")))
        loss = d.of("mse", "mae", "mean_squared_error", _loss("Huber", delta=d.number(0.3, 2)),
                    "log_cosh", _loss("MeanSquaredError", **reduction),
                    _loss("CosineSimilarity", **reduction), "hinge", "squared_hinge",
                    "mean_squared_logarithmic_error",
                    _loss("MeanAbsolutePercentageError"))
        metrics = ["mse", "mae", _metric("RootMeanSquaredError"), "cosine_similarity",
                   _metric("LogCoshError"), "mape", _metric("MeanSquaredLogarithmicError")]
        if rank == 1:
            metrics.append(_metric("R2Score"))
        kind = "signs" if "hinge" in str(loss) else "real"
        return kind, loss, metrics
    if task in ("binary", "multilabel"):
        units = 1 if task == "binary" else d.integer(2, 4)
        logits = d.chance(0.3)
        stack.add(L("Dense", units=units, activation=None if logits else "sigmoid"))
        options = {"from_logits": True} if logits else {}
        loss = d.of(
            _loss("BinaryCrossentropy", label_smoothing=d.of(0.0, 0.1), **options, **reduction),
            _loss("BinaryFocalCrossentropy", gamma=d.of(2.0, 1.0),
                  apply_class_balancing=d.chance(0.5), **options),
        )
        if not logits:
            loss = d.of("binary_crossentropy", loss, _loss("Dice"), "mse",
                        _loss("Tversky", alpha=0.3, beta=0.6), "poisson")
        metrics = ["accuracy", "mae", _metric("BinaryAccuracy", threshold=d.of(0.5, 0.3)),
                   _metric("AUC", num_thresholds=20), _metric("Precision"), _metric("Recall"),
                   _metric("BinaryCrossentropy", **options), _metric("TruePositives"),
                   _metric("FalseNegatives", thresholds=0.4)]
        if logits:
            metrics = [m for m in metrics if "AUC" not in repr(m)]
        return "bits", loss, metrics
    units = d.integer(2, 5)
    logits = d.chance(0.3) and task in ("classes", "sparse")
    stack.add(L("Dense", units=units, activation=None if logits else "softmax"))
    options = {"from_logits": True} if logits else {}
    if task == "sparse":
        loss = d.of(_loss("SparseCategoricalCrossentropy", **options, **reduction),
                    _loss("SparseCategoricalCrossentropy", **options, ignore_class=0))
        if not logits:
            loss = d.of("sparse_categorical_crossentropy", loss)
        metrics = ["accuracy", "acc", "sparse_categorical_crossentropy",
                   _metric("SparseTopKCategoricalAccuracy", k=2),
                   _metric("SparseCategoricalAccuracy")]
        if logits:
            metrics.remove("sparse_categorical_crossentropy")
        return "labels", loss, metrics
    loss = d.of(
        _loss("CategoricalCrossentropy", label_smoothing=d.of(0.0, 0.1), **options, **reduction),
        _loss("CategoricalFocalCrossentropy", alpha=0.4, **options),
    )
    if not logits:
        loss = d.of("categorical_crossentropy", loss, "kl_divergence", "categorical_hinge")
    metrics = ["accuracy", _metric("CategoricalAccuracy"), _metric("TopKCategoricalAccuracy", k=2),
               "mse"]
    if not logits:
        metrics.append("kl_divergence")
    if rank == 1 and task == "classes":
        metrics.append(_metric("F1Score", average="macro"))
    return ("one_hot" if task == "classes" else "distribution"), loss, metrics


def _optimizer(d, stack):
    def make(name, **arguments):
        return Spec(name, family="optimizers", **arguments)

    rate = d.of(0.01, 0.003, 0.03)
    if d.chance(0.15):
        rate = Spec(
            "ExponentialDecay", family="optimizers.schedules", initial_learning_rate=rate,
            decay_steps=2, decay_rate=0.7, staircase=d.chance(0.5),
        )
    # A small epsilon turns rounding errors of vanishing gradients into full steps.
    epsilon = {"epsilon": 1e-3}
    options = {}
    if d.chance(0.3):
        options[d.of("clipnorm", "clipvalue", "global_clipnorm")] = d.number(0.05, 1)
    if d.chance(0.2):
        options["weight_decay"] = 0.02
    if d.chance(0.15):
        options.update(use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=d.of(None, 2))
    if d.chance(0.15):
        options["gradient_accumulation_steps"] = 2
    chosen = d.of(
        make("SGD", learning_rate=rate, **options),
        make("SGD", learning_rate=rate, momentum=0.9, nesterov=d.chance(0.5), **options),
        make("RMSprop", learning_rate=rate, **epsilon, momentum=d.of(0.0, 0.5),
             centered=d.chance(0.3), **options),
        make("Adam", learning_rate=rate, **epsilon, amsgrad=d.chance(0.3), **options),
        make("AdamW", learning_rate=rate, **epsilon, **options),
        make("Adamax", learning_rate=rate, **epsilon, **options),
        make("Nadam", learning_rate=rate, **epsilon, **options),
        make("Adagrad", learning_rate=rate, **epsilon, **options),
        make("Adadelta", learning_rate=rate, **epsilon, **options),
        make("Ftrl", learning_rate=rate, l1_regularization_strength=d.of(0.0, 0.01),
             l2_regularization_strength=d.of(0.0, 0.1), **options),
    )
    if chosen.class_name == "Ftrl" and "Norm" in str(stack):
        # Ftrl starts from almost zero weights, and normalizing those shows rounding errors alone.
        return make("SGD", learning_rate=rate, **options)
    return chosen


def _inputs(d, shape, ids, specs, rows):
    rng = d.rng
    if ids is not None:
        x = rng.integers(1, ids, (rows, *shape))
        if specs[0].arguments.get("mask_zero"):
            _pad(rng, x, 0)
        return x.astype("int32")
    x = rng.normal(size=(rows, *shape)).astype("float32")
    if specs and specs[0].class_name == "Masking":
        _pad(rng, x, specs[0].arguments["mask_value"])
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
    if kind == "labels":
        y = rng.integers(0, shape[-1], (rows, *shape[:-1]))
        return y[..., None] if d.chance(0.3) else y
    if kind == "one_hot":
        return np.eye(shape[-1], dtype="float32")[rng.integers(0, shape[-1], (rows, *shape[:-1]))]
    y = rng.uniform(0.1, 1, (rows, *shape))
    return (y / y.sum(-1, keepdims=True)).astype("float32")


def generate(seed, keras):
    """The random model number `seed`."""
    d = Draw(np.random.default_rng(seed))
    while True:
        shape, ids, first, masked = _start(d)
        stack = _Stack(keras, shape, "int32" if ids else "float32")
        draws = d.chance(0.15)
        if not all(stack.add(spec) for spec in first):
            continue
        _body(d, stack, draws, masked)
        _reduce(d, stack, ids)
        kind, loss, metrics = _head(d, stack)
        if not stack.specs or stack.size > _LARGE:
            continue
        break
    batch = d.integer(20, 70) if d.wide and d.chance(0.5) else d.integer(1, 9)
    rows = batch * 2 + d.integer(0, batch - 1)
    x = _inputs(d, shape, ids, stack.specs, rows)
    y = _targets(d, kind, stack.shape, rows)
    chosen = [metrics[i] for i in d.rng.permutation(len(metrics))[: d.integer(0, 3)]]
    names = {str(m) for m in chosen}
    weighted = [m for m in metrics if str(m) not in names][: d.integer(0, 1)]
    weights = class_weight = None
    if d.chance(0.3):
        weights = d.rng.uniform(0, 2, rows).astype("float32")
        if len(stack.shape) == 2:
            weights = d.rng.uniform(0, 2, (rows, stack.shape[0])).astype("float32")
        elif len(stack.shape) > 2:
            weights = None
    elif kind in ("labels", "one_hot") and len(stack.shape) == 1 and d.chance(0.3):
        class_weight = {0: 0.5, 1: 2.0}
    masks = ("Masking(", "mask_zero=True", "ignore_class")
    if weights is not None and any(m in f"{stack.specs}{loss}" for m in masks):
        # Keras on PyTorch multiplies the caller's weights by the mask in place, so that weighted
        # metrics see other weights than the loss.
        weighted = []
    return Plan(
        seed=seed, input_shape=shape, stack=stack.specs, output_shape=stack.shape, x=x, y=y,
        weights=weights, class_weight=class_weight, loss=loss,
        loss_weights=d.of(None, None, None, 0.7), metrics=chosen, weighted_metrics=weighted,
        optimizer=_optimizer(d, stack.specs), batch=batch, steps=d.integer(3, 5), draws=draws,
    )
