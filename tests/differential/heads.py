"""The last layer of a random model, and what it is compiled with."""

from __future__ import annotations

from layer_cases import L, Spec


def _loss(name, **arguments):
    return Spec(name, family="losses", **arguments)


def _metric(name, **arguments):
    return Spec(name, family="metrics", **arguments)


def head(d, stack):
    """Add the last layer; returns (kind of targets, loss, metrics to choose from)."""
    rank = len(stack.shape)
    tasks = [_regression, _regression, _raw, _bits, _bits, _classes, _classes, _sparse, _sparse,
             _distribution]
    if rank == 1:
        tasks += [_circle]
    if rank == 2 and stack.shape[0] > 2:
        tasks += [_ctc]
    return d.of(*tasks)(d, stack)


def _reduction(d):
    return d.of({}, {}, {}, {"reduction": "sum"}, {"reduction": "mean_with_sample_weight"})


def _regression(d, stack):
    stack.add(L("Dense", units=d.integer(1, 4), activation=d.of(None, "linear", "tanh")))
    return _raw(d, stack)


def _raw(d, stack):
    reduction = _reduction(d)
    loss = d.of(
        "mse", "mae", "mean_squared_error", "MSE", _loss("Huber", delta=d.number(0.3, 2)),
        "log_cosh", _loss("LogCosh", **reduction), _loss("MeanSquaredError", **reduction),
        _loss("MeanAbsoluteError", **reduction),
        _loss("CosineSimilarity", axis=d.of(-1, len(stack.shape)), **reduction), "hinge",
        "squared_hinge", _loss("Hinge", **reduction), _loss("SquaredHinge"),
        "mean_squared_logarithmic_error", _loss("MeanSquaredLogarithmicError"),
        _loss("MeanAbsolutePercentageError"), "huber",
    )
    metrics = [
        "mse", "mae", _metric("RootMeanSquaredError"), "cosine_similarity",
        _metric("CosineSimilarity", axis=-1), _metric("LogCoshError"), "mape",
        _metric("MeanSquaredLogarithmicError"), _metric("MeanAbsoluteError"),
        _metric("MeanSquaredError"), _metric("MeanAbsolutePercentageError"),
    ]
    if len(stack.shape) == 1:
        metrics.append(_metric("R2Score", **d.of(
            {}, {"class_aggregation": "variance_weighted_average"}, {"class_aggregation": None},
        )))
    if stack.shape[-1] > 2:
        metrics += [_metric("PearsonCorrelation"), _metric("ConcordanceCorrelation")]
    signs = "inge" in str(loss)
    if signs:
        metrics += [_metric("Hinge"), _metric("SquaredHinge"), "hinge"]
    return ("signs" if signs else "real"), loss, metrics


def _bits(d, stack):
    units = d.of(1, 1, d.integer(2, 4))
    logits = d.chance(0.3)
    stack.add(L("Dense", units=units, activation=None if logits else "sigmoid"))
    options = {"from_logits": True} if logits else {}
    reduction = _reduction(d)
    loss = d.of(
        _loss("BinaryCrossentropy", label_smoothing=d.of(0.0, 0.1), **options, **reduction),
        _loss("BinaryFocalCrossentropy", gamma=d.of(2.0, 1.0), alpha=d.of(0.25, 0.6),
              label_smoothing=d.of(0.0, 0.1), apply_class_balancing=d.chance(0.5), **options),
    )
    axis = d.of(None, -1)
    if not logits:
        loss = d.of("binary_crossentropy", loss, loss, _loss("Dice", axis=axis), "mse",
                    _loss("Tversky", alpha=0.3, beta=0.6, axis=axis), "poisson",
                    "binary_focal_crossentropy", _loss("Poisson"))
    value = d.number(0.2, 0.8)
    metrics = [
        "accuracy", "mae", _metric("BinaryAccuracy", threshold=d.of(0.5, 0.3)),
        _metric("Precision"), _metric("Recall"), _metric("Precision", thresholds=[0.3, 0.6]),
        _metric("Recall", class_id=0), _metric("BinaryCrossentropy", **options),
        _metric("TruePositives"), _metric("FalseNegatives", thresholds=0.4),
        _metric("TrueNegatives", thresholds=[0.2, 0.7]), _metric("FalsePositives"),
        _metric("BinaryIoU", target_class_ids=d.of([0, 1], [1]), threshold=0.45),
    ]
    if units > 1:
        metrics += [_metric("Precision", top_k=1), _metric("Recall", top_k=2, class_id=1)]
    if logits:
        return "bits", loss, metrics
    several = {"num_thresholds": d.of(20, 50)}
    metrics += [
        _metric("AUC", curve=d.of("ROC", "PR"), summation_method=d.of(
            "interpolation", "minoring", "majoring"), **several),
        _metric("PrecisionAtRecall", recall=value, **several),
        _metric("RecallAtPrecision", precision=value, **several),
        _metric("SensitivityAtSpecificity", specificity=value, **several),
        _metric("SpecificityAtSensitivity", sensitivity=value, **several),
        _metric("Poisson"), _metric("AUC", thresholds=[0.2, 0.5, 0.7]),
    ]
    if len(stack.shape) == 1:
        metrics += [_metric("F1Score", average=d.of(None, "micro", "macro"), threshold=0.5),
                    _metric("AUC", multi_label=True, num_labels=units, **several)]
    return "bits", loss, metrics


def _softmax(d, stack):
    """Adds the last Dense; returns (units, `{"from_logits": True}` or nothing)."""
    units = d.integer(2, 5)
    logits = d.chance(0.3)
    stack.add(L("Dense", units=units, activation=None if logits else "softmax"))
    return units, {"from_logits": True} if logits else {}


def _sparse(d, stack):
    units, options = _softmax(d, stack)
    loss = d.of(_loss("SparseCategoricalCrossentropy", **options, **_reduction(d)),
                _loss("SparseCategoricalCrossentropy", **options, ignore_class=0))
    if not options:
        loss = d.of("sparse_categorical_crossentropy", loss,
                    _loss("CategoricalGeneralizedCrossEntropy", q=d.number(0.2, 0.9)))
    metrics = [
        "accuracy", "acc", _metric("SparseTopKCategoricalAccuracy", k=2),
        _metric("SparseCategoricalAccuracy"),
        _metric("SparseCategoricalCrossentropy", **options, ignore_class=d.of(None, 1)),
        _metric("MeanIoU", num_classes=units, sparse_y_pred=False),
        _metric("IoU", num_classes=units, target_class_ids=[0, 1], sparse_y_pred=False),
    ]
    if not options:
        metrics.append("sparse_categorical_crossentropy")
    # Keras's generalized cross-entropy broadcasts labels of shape (N, 1).
    return ("flat labels" if "Generalized" in str(loss) else "labels"), loss, metrics


def _classes(d, stack):
    units, options = _softmax(d, stack)
    loss = d.of(
        _loss("CategoricalCrossentropy", label_smoothing=d.of(0.0, 0.1), **options,
              **_reduction(d)),
        _loss("CategoricalFocalCrossentropy", alpha=0.4, gamma=d.of(2.0, 1.0),
              label_smoothing=d.of(0.0, 0.1), **options),
    )
    if not options:
        loss = d.of("categorical_crossentropy", loss, loss, "kl_divergence", "categorical_hinge",
                    _loss("KLDivergence"), _loss("CategoricalHinge", **_reduction(d)),
                    "categorical_focal_crossentropy")
    metrics = [
        "accuracy", _metric("CategoricalAccuracy"), _metric("TopKCategoricalAccuracy", k=2), "mse",
        _metric("CategoricalCrossentropy", label_smoothing=d.of(0, 0.1), **options),
        _metric("CategoricalHinge"),
        _metric("OneHotMeanIoU", num_classes=units),
        _metric("OneHotIoU", num_classes=units, target_class_ids=[0, 1]),
    ]
    if not options:
        metrics += ["kl_divergence", _metric("KLDivergence"), _metric("Precision", top_k=1)]
    if len(stack.shape) == 1:
        metrics += [_metric("F1Score", average=d.of("macro", "micro", "weighted", None)),
                    _metric("FBetaScore", average="macro", beta=d.of(0.5, 2.0))]
    return "one_hot", loss, metrics


def _distribution(d, stack):
    _, loss, _ = _classes(d, stack)
    return "distribution", loss, ["mse", "mae", _metric("CosineSimilarity")]


def _circle(d, stack):
    stack.add(L("Dense", units=d.integer(2, 6)))
    stack.add(L("UnitNormalization"))
    loss = _loss("Circle", gamma=d.number(2, 10), margin=d.number(0.2, 0.5),
                 remove_diagonal=d.chance(0.7))
    return "pairs", loss, []


def _ctc(d, stack):
    stack.add(L("Dense", units=d.integer(2, 5)))
    return "texts", _loss("CTC", **d.of({}, {"reduction": "sum"})), []


def _schedule(d, rate):
    def make(name, **arguments):
        return Spec(name, family="optimizers.schedules", **arguments)

    return d.of(
        make("ExponentialDecay", initial_learning_rate=rate, decay_steps=2, decay_rate=0.7,
             staircase=d.chance(0.5)),
        make("InverseTimeDecay", initial_learning_rate=rate, decay_steps=2, decay_rate=0.5),
        make("PolynomialDecay", initial_learning_rate=rate, decay_steps=3, power=2.0,
             cycle=d.chance(0.3)),
        make("PiecewiseConstantDecay", boundaries=[1, 3], values=[rate, rate / 2, rate / 4]),
        make("CosineDecay", initial_learning_rate=rate / 2, decay_steps=4,
             warmup_target=d.of(None, rate), warmup_steps=2),
        make("CosineDecayRestarts", initial_learning_rate=rate, first_decay_steps=2),
    )


def optimizer(d, stack):
    """An optimizer for a model of the Specs `stack`."""
    def make(name, **arguments):
        return Spec(name, family="optimizers", **arguments)

    number = d.of(0.01, 0.003, 0.03)
    rate = _schedule(d, number) if d.chance(0.2) else number
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
    # These scale each gradient to one size, so that rounding errors make full steps: small ones.
    small = 5e-5
    chosen = d.of(
        make("SGD", learning_rate=rate, **options),
        make("SGD", learning_rate=rate, momentum=0.9, nesterov=d.chance(0.5), **options),
        make("RMSprop", learning_rate=rate, **epsilon, momentum=d.of(0.0, 0.5),
             centered=d.chance(0.3), rho=d.of(0.9, 0.7), **options),
        make("Adam", learning_rate=rate, **epsilon, amsgrad=d.chance(0.3), **options),
        make("AdamW", learning_rate=rate, **epsilon, **options),
        make("Adamax", learning_rate=rate, **epsilon, beta_1=d.of(0.9, 0.5), **options),
        make("Nadam", learning_rate=rate, **epsilon, **options),
        make("Adagrad", learning_rate=rate, **epsilon, **options),
        make("Adadelta", learning_rate=rate, **epsilon, **options),
        make("Ftrl", learning_rate=rate, l1_regularization_strength=d.of(0.0, 0.01),
             l2_regularization_strength=d.of(0.0, 0.1),
             l2_shrinkage_regularization_strength=d.of(0.0, 0.1), **options),
        # Keras on PyTorch reads the old iterate after it was overwritten, which counts 1 - beta_1.
        make("ScheduleFreeAdamW", learning_rate=0.002, beta_1=0.999, **epsilon,
             warmup_steps=d.of(0, 2), **options),
        make("Lion", learning_rate=small, **options),
        make("Adafactor", learning_rate=rate, epsilon_1=1e-3, epsilon_2=1e-3,
             clip_threshold=d.of(1.0, 0.5), relative_step=d.chance(0.5), **options),
        make("Lamb", learning_rate=small, **epsilon, **options),
        make("Muon", learning_rate=small, **epsilon, nesterov=d.chance(0.7), **options),
        make("LossScaleOptimizer", inner_optimizer=make("Adam", learning_rate=number, **epsilon),
             initial_scale=64.0, dynamic_growth_steps=2),
    )
    if chosen.class_name == "Ftrl" and "Norm" in str(stack):
        # Ftrl starts from almost zero weights, and normalizing those shows rounding errors alone.
        return make("SGD", learning_rate=rate, **options)
    return chosen
