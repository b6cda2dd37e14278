"""Ten steps of every optimizer against Keras, with every option; configs, state order, errors."""

import json

import numpy as np
import pytest

import pyseq
from pyseq import constraints, optimizers
from pyseq.optimizers import schedules
from pyseq.variable import Variable

keras = pytest.importorskip("keras")
# Of Keras, about NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

SHAPES = {"kernel": (5, 7), "bias": (7,), "filter": (2, 3, 4), "scale": (), "tall": (19, 3)}


def start(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype("float32") for name, shape in SHAPES.items()}


def gradients(steps, seed=1, scale=1.0):
    rng = np.random.default_rng(seed)
    return [
        [np.asarray(scale * rng.normal(size=s), "float32") for s in SHAPES.values()]
        for _ in range(steps)
    ]


def run_pyseq(optimizer, grads, constraint=None):
    variables = [Variable(v, name=n, path=f"layer/{n}") for n, v in start().items()]
    if constraint is not None:
        variables[0].constraint = constraint
    optimizer.build(variables)
    for g in grads:
        optimizer.apply(g, variables)
    return variables


def run_keras(optimizer, grads, constraint=None):
    variables = []
    for name, value in start().items():
        with keras.name_scope("layer"):
            variables.append(keras.Variable(value, name=name))
    if constraint is not None:
        variables[0].constraint = constraint
    optimizer.build(variables)
    for g in grads:
        optimizer.apply([keras.ops.convert_to_tensor(a) for a in g], variables)
    return variables


def compare(name, steps=10, rtol=2e-5, grads=None, constraint=None, **kwargs):
    grads = grads or gradients(steps)
    ours = getattr(optimizers, name)(**kwargs)
    theirs = getattr(keras.optimizers, name)(**kwargs)
    mine = run_pyseq(ours, grads, constraint and constraints.get(constraint))
    other = run_keras(theirs, grads, constraint and keras.constraints.get(constraint))
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=rtol, atol=2e-5, err_msg=a.name)
    check_state(ours, theirs, rtol)
    return ours, theirs


def check_state(ours, theirs, rtol=2e-5, atol=1e-5):
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]
    assert [v.dtype for v in ours.variables] == [v.dtype for v in theirs.variables]
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(
            a.numpy(), np.asarray(b), rtol=5 * rtol, atol=atol, err_msg=a.name
        )


CASES = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True, "epsilon": 1e-4}),
    ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True, "rho": 0.8}),
    ("Adam", {"learning_rate": 0.01}),
    ("Adam", {"learning_rate": 0.01, "amsgrad": True, "beta_1": 0.8, "beta_2": 0.9}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adagrad", {"learning_rate": 0.1}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adafactor", {"learning_rate": 0.5}),
    ("Adafactor", {"learning_rate": 0.1, "clip_threshold": 0.3, "epsilon_2": 0.1}),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "learning_rate_power": -0.3,
            "l1_regularization_strength": 0.05,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.2,
        },
    ),
    ("Lion", {"learning_rate": 0.01}),
    ("Lamb", {"learning_rate": 0.01}),
    ("Muon", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("Muon", {"learning_rate": 0.05, "nesterov": False, "rms_rate": None, "adam_lr_ratio": 0.5}),
    ("Muon", {"learning_rate": 0.05, "exclude_layers": ["tall"], "adam_weight_decay": None}),
]


def tolerance(name):
    return 3e-4 if name == "Muon" else 2e-5  # five products amplify the last bits


@pytest.mark.parametrize("name, kwargs", CASES)
def test_ten_steps(name, kwargs):
    ours, theirs = compare(name, rtol=tolerance(name), **kwargs)
    mine, other = ours.get_config(), theirs.get_config()
    mine.pop("name"), other.pop("name")
    assert list(mine.items()) == list(other.items())


COMPARED = sorted({name for name, _ in CASES})
NAMES = [*COMPARED, "ScheduleFreeAdamW"]
OPTIONS = [
    {"weight_decay": 0.05},
    {"clipnorm": 0.7},
    {"clipvalue": 0.3},
    {"global_clipnorm": 1.5},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "clipnorm": 0.5, "use_ema": True},
    {"loss_scale_factor": 4.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o))
@pytest.mark.parametrize("name", ["SGD", "Adam", "Adafactor", "Muon"])
def test_options(name, options):
    if name == "SGD":
        options = {**options, "momentum": 0.9}
    compare(name, rtol=tolerance(name), **{"learning_rate": 0.02, **options})


@pytest.mark.parametrize("warmup", [0, 4])
def test_schedule_free(warmup):
    """Against the formula: Keras on torch reads the iterate z after it has changed."""
    beta_1, beta_2, epsilon = 0.9, 0.999, 1e-8
    grads = gradients(8)
    ours = optimizers.ScheduleFreeAdamW(0.02, warmup_steps=warmup)
    results = run_pyseq(ours, grads)
    theirs = keras.optimizers.ScheduleFreeAdamW(0.02)
    theirs.build([keras.Variable(v) for v in start().values()])
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]
    for k, (w, result) in enumerate(zip(start().values(), results, strict=True)):
        w = z = w.astype("float64")
        v = 0
        for t, step in enumerate(grads, 1):
            g = step[k].astype("float64")
            v = beta_2 * v + (1 - beta_2) * g * g
            rate = 0.02 * (min(t / warmup, 1) if warmup else 1)
            x = (w - (1 - beta_1) * z) / beta_1
            z = z - rate * g / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
            x = (1 - 1 / t) * x + z / t
            w = (1 - beta_1) * z + beta_1 * x
        np.testing.assert_allclose(result.numpy(), w, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wrapper", ["none", "loss scale", "several"])
@pytest.mark.parametrize("way", ["m.weights.h5", "m.h5", "set_weights", "clone"])
def test_schedule_free_starts_from_the_weights_of_the_first_step(way, wrapper, tmp_path):
    def model(value):
        model = pyseq.Sequential([pyseq.Input((2,)), pyseq.layers.Dense(1)])
        model.set_weights([np.full((2, 1), value, "f"), np.zeros(1, "f")])
        return model

    source, other = model(5.0), model(0.0)
    optimizer = optimizers.ScheduleFreeAdamW(1e-6)
    if wrapper == "loss scale":
        optimizer = optimizers.LossScaleOptimizer(optimizer)
    if wrapper == "several":
        chosen = optimizers.OptimizerMap(optimizer, {"bias": optimizers.SGD(1e-6)})
        optimizer = optimizers.MultiOptimizer(chosen)
    other.compile(optimizer, "mse")
    other.optimizer.build(other.trainable_variables)
    if way == "clone":
        other = pyseq.models.clone_model(other)
    if way.startswith("m."):
        path = str(tmp_path / way)
        source.save_weights(path) if "weights" in way else source.save(path)
        other.load_weights(path)
    else:
        other.set_weights(source.get_weights())
    other.train_on_batch(np.ones((4, 2), "f"), np.ones((4, 1), "f"))
    np.testing.assert_allclose(other.get_weights()[0], 5.0, atol=1e-4)


def test_schedule_and_constraint():
    grads = gradients(10)
    for module in (optimizers, keras.optimizers):
        schedule = module.schedules.ExponentialDecay(0.1, 3, 0.5)
        optimizer = module.SGD(schedule, momentum=0.5)
        run = run_pyseq if module is optimizers else run_keras
        result = run(optimizer, grads)
        if module is optimizers:
            first = [v.numpy() for v in result]
            assert optimizer.has_schedule
            rates = optimizer.learning_rates(0, 10)
            assert rates.tolist() == [schedule(i) for i in range(10)]
        else:
            for a, b in zip(first, result, strict=True):
                np.testing.assert_allclose(a, np.asarray(b), rtol=1e-5, atol=1e-5)
    compare("Adam", constraint="max_norm", learning_rate=0.5)
    compare("SGD", constraint="non_neg", learning_rate=0.5)


@pytest.mark.parametrize("name", COMPARED)
def test_options_together(name):
    options = {"weight_decay": 0.05, "clipvalue": 0.3, "use_ema": True, "ema_momentum": 0.8}
    options["gradient_accumulation_steps"] = 2
    compare(name, rtol=tolerance(name), learning_rate=0.02, **options)


def test_finalize_overwrites_with_average():
    ours, theirs = compare("SGD", learning_rate=0.1, use_ema=True, ema_momentum=0.5)
    ours.finalize_variable_values(ours._trainable_variables)
    theirs.finalize_variable_values(theirs._trainable_variables)
    for a, b in zip(ours._trainable_variables, theirs._trainable_variables, strict=True):
        np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-5, atol=1e-5)


def test_excluded_from_weight_decay():
    results = []
    for module, run in ((optimizers, run_pyseq), (keras.optimizers, run_keras)):
        optimizer = module.AdamW(0.05, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["bias", "scale"])
        results.append([np.asarray(v) for v in run(optimizer, gradients(5))])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    built = optimizers.Adam()
    built.build([])
    with pytest.raises(ValueError, match="not built yet"):
        built.exclude_from_weight_decay(var_names=["bias"])


def test_loss_scale_optimizer():
    grads = gradients(12, scale=64.0)
    grads[4][1][0] = np.inf
    grads[7][0][0, 0] = np.nan
    results = []
    for module, run in ((optimizers, run_pyseq), (keras.optimizers, run_keras)):
        inner = module.SGD(0.1, momentum=0.9)
        optimizer = module.LossScaleOptimizer(inner, initial_scale=64.0, dynamic_growth_steps=3)
        results.append((optimizer, run(optimizer, grads)))
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-5, atol=1e-5)
    check_state(results[0][0], results[1][0])
    again = optimizers.LossScaleOptimizer.from_config(results[0][0].get_config())
    assert again.get_config() == results[0][0].get_config()
    with pytest.raises(ValueError, match="clipnorm"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0)


def test_multi_optimizer():
    results = []
    for module, run in ((optimizers, run_pyseq), (keras.optimizers, run_keras)):
        sgd = module.SGD(0.1, momentum=0.5)
        chosen = module.OptimizerMap(module.Adam(0.01), {".*/kernel": sgd, "layer/b.*": sgd})
        optimizer = module.MultiOptimizer(chosen)
        results.append((optimizer, run(optimizer, gradients(6))))
    for a, b in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-5, atol=1e-5)
    ours = results[0][0]
    check_state(ours, results[1][0])
    variables = results[0][1]
    plan = ours.plan(variables)
    assert [o["kind"] for o in plan["optimizers"]] == ["sgd", "adam"]
    assert [p["optimizer"] for p in plan["parameters"]] == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(ours.learning_rates(0, 3), [[0.1, 0.01]] * 3, rtol=1e-6)
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(ours))))
    assert again.get_config() == ours.get_config()
    with pytest.raises(AttributeError, match="optimizers"):
        _ = ours.learning_rate


@pytest.mark.parametrize("name", NAMES)
def test_configs_cross_over(name):
    ours = getattr(optimizers, name)(weight_decay=0.1, clipnorm=1.0)
    config = json.loads(json.dumps(optimizers.serialize(ours)))
    theirs = getattr(keras.optimizers, name).from_config(dict(config["config"]))
    assert theirs.get_config() == ours.get_config()
    back = optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(theirs))))
    assert type(back) is type(ours) and back.get_config() == ours.get_config()


def test_schedules_in_configs():
    ours = optimizers.Adam(schedules.CosineDecay(0.1, 100))
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(ours))))
    assert again.get_config() == ours.get_config()
    theirs = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 100))
    back = optimizers.deserialize(json.loads(json.dumps(keras.optimizers.serialize(theirs))))
    assert float(back.learning_rate) == pytest.approx(0.1)


@pytest.mark.parametrize("name", NAMES)
def test_get_by_name(name):
    if name != "Lamb":
        assert type(keras.optimizers.get(name.lower())).__name__ == name
    for text in (name, name.lower(), name.upper()):
        assert type(optimizers.get(text)) is getattr(optimizers, name)
    assert optimizers.get(getattr(optimizers, name)).get_config()
    assert optimizers.get(None) is None


def test_state_round_trip():
    ours, _ = compare("Nadam", learning_rate=0.01)
    store = {}
    ours.save_own_variables(store)
    other = optimizers.Nadam(0.5)
    other.build([Variable(v, name=n) for n, v in start().items()])
    other.load_own_variables(store)
    for a, b in zip(ours.variables, other.variables, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())
    with pytest.warns(UserWarning, match="not loaded"):
        optimizers.SGD().load_own_variables(store)
    with pytest.raises(ValueError, match="expected a built optimizer"):
        optimizers.SGD().set_weights([])


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("Adam", {}),
        ("Adam", {"use_ema": True, "ema_overwrite_frequency": 2}),
        ("SGD", {"momentum": 0.9, "gradient_accumulation_steps": 2}),
        ("RMSprop", {"centered": True}),
        ("Nadam", {}),
        ("Ftrl", {}),
        ("Adafactor", {}),
        ("Lion", {"weight_decay": 0.1}),
    ],
)
def test_stateless_apply(name, arguments):
    ours, beside = (getattr(optimizers, name)(0.1, **arguments) for _ in range(2))
    variables = [Variable(v, name=n) for n, v in start().items()]
    ours.build(variables)
    values, state = [v.numpy() for v in variables], [v.numpy() for v in ours.variables]
    first = [*values, *state]
    for grads in gradients(3):
        values, state = ours.stateless_apply(state, grads, values)
    for a, v in zip(first, [*variables, *ours.variables], strict=True):
        np.testing.assert_array_equal(a, v.numpy())
    stepped = run_pyseq(beside, gradients(3))
    for a, v in zip([*values, *state], [*stepped, *beside.variables], strict=True):
        np.testing.assert_array_equal(a, v.numpy())


def test_stateless_apply_equals_that_of_keras_and_checks_lengths():
    ours, theirs = optimizers.SGD(0.1, momentum=0.9), keras.optimizers.SGD(0.1, momentum=0.9)
    with pytest.raises(ValueError, match="expected a built optimizer"):
        ours.stateless_apply([], gradients(1)[0], [])
    ours.build([Variable(v, name=n) for n, v in start().items()])
    theirs.build([keras.Variable(v) for v in start().values()])
    values, grads = list(start().values()), gradients(1)[0]
    got = ours.stateless_apply([v.numpy() for v in ours.variables], grads, values)
    tensors = [[keras.ops.convert_to_tensor(a) for a in part] for part in (grads, values)]
    want = theirs.stateless_apply([v.value for v in theirs.variables], *tensors)
    for mine, other in zip(got, want, strict=True):
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_allclose(a, b.detach().cpu().numpy(), rtol=1e-5, atol=1e-6)
    everything = [*values, *(v.numpy() for v in ours.variables)]
    with pytest.raises(ValueError, match="model and .* optimizer arrays, got"):
        ours.stateless_apply(everything[1:], grads, everything[:1])


class SignDescent(optimizers.Optimizer):
    """A user's optimizer with a slot of its own."""

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.counts = self.add_optimizer_variables(variables, "count")

    def update_step(self, gradient, variable, learning_rate):
        self.assign_add(self.counts[self._get_variable_index(variable)], 1.0)
        self.assign_sub(variable, learning_rate * np.sign(gradient))


def test_custom_optimizer():
    ours = SignDescent(0.1, clipvalue=0.5, weight_decay=0.1)
    variable = Variable([1.0, -1.0], name="w")
    ours.apply([[3.0, -0.1]], [variable])
    np.testing.assert_allclose(variable.numpy(), [0.89, -0.89], rtol=1e-6)
    assert [v.name for v in ours.variables] == ["iteration", "learning_rate", "w_count"]
    with pytest.raises(ValueError, match="written in Python"):
        ours.plan([variable])


def test_missing_gradients():
    ours = optimizers.SGD(0.5)
    a, b = Variable([1.0], name="a"), Variable([1.0], name="b")
    with pytest.warns(UserWarning, match=r"no gradients for \['b'\]"):
        ours.apply([[1.0], None], [a, b])
    assert a.numpy() == [0.5] and b.numpy() == [1.0] and int(ours.iterations) == 1
    with pytest.raises(ValueError, match="at least one gradient"):
        ours.apply([None, None], [a, b])
    with pytest.raises(ValueError, match="built with, got other"):
        ours.apply([[1.0]], [Variable([1.0], name="other")])
    with pytest.raises(ValueError, match=r"shape \(1,\) for a, got \(2,\)"):
        ours.apply([[1.0, 2.0], [1.0]], [a, b])
    with pytest.raises(ValueError, match="got neither"):
        optimizers.SGD().apply([[1.0]])


def test_learning_rate():
    ours = optimizers.SGD(0.5)
    ours.learning_rate = 0.25
    assert float(ours.learning_rate) == 0.25 and not ours.has_schedule
    ours.learning_rate = schedules.ExponentialDecay(0.1, 1, 0.5)
    assert len(ours.variables) == 1 and ours.learning_rate == pytest.approx(0.1)
    ours.advance(2)
    assert ours.learning_rate == pytest.approx(0.025)
    with pytest.raises(TypeError, match="made with one"):
        ours.learning_rate = 0.1
    assert optimizers.SGD(lambda: 0.125).learning_rates(0, 2).tolist() == [0.125, 0.125]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optimizers.SGD(1), "expected a float, a LearningRateSchedule"),
        (lambda: optimizers.SGD("x"), "got 'x'"),
        (lambda: optimizers.SGD(momentum=2.0), r"SGD\(momentum\)"),
        (lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0), "at most one of clipnorm"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), "integer >= 2"),
        (lambda: optimizers.SGD(use_ema=True, ema_momentum=2.0), "from 0 to 1"),
        (lambda: optimizers.SGD(use_ema=True, ema_overwrite_frequency=0.5), "integer >= 1"),
        (lambda: optimizers.SGD(momentun=0.5), r"got \['momentun'\]"),
        (lambda: optimizers.AdamW(weight_decay=None), "use Adam instead"),
        (lambda: optimizers.Lion(beta_1=0.0), r"Lion\(beta_1\)"),
        (lambda: optimizers.Ftrl(learning_rate_power=1.0), "learning_rate_power"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1.0), "l1_regularization_strength"),
        (lambda: optimizers.get("adams"), "did you mean .adam."),
        (lambda: optimizers.get(3), "expected an optimizer"),
        (lambda: optimizers.Adam.from_config({"rate": 1.0}), "got .*'rate'"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name, kwargs", CASES)
def test_float64_variables(name, kwargs):
    """The same update in double precision follows the float32 one."""
    grads = gradients(4)
    single = run_pyseq(getattr(optimizers, name)(**kwargs), grads)
    variables = [
        Variable(v.astype("float64"), dtype="float64", name=n, path=f"layer/{n}")
        for n, v in start().items()
    ]
    optimizer = getattr(optimizers, name)(**kwargs)
    optimizer.build(variables)
    for g in grads:
        optimizer.apply(g, variables)
    for a, b in zip(single, variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=3e-4, atol=1e-5)


def test_large_variables_in_one_pass():
    """Sizes that do not divide into vectors, chunks or pieces."""
    rng = np.random.default_rng(0)
    for name, shape in (("Lamb", (40001,)), ("Adafactor", (300, 301)), ("Muon", (70, 33))):
        value, grad = (rng.normal(size=shape).astype("float32") for _ in range(2))
        mine, other = Variable(value, name="w"), keras.Variable(value, name="w")
        for _ in range(2):
            ours = getattr(optimizers, name)(0.1)
            theirs = getattr(keras.optimizers, name)(0.1)
        for _ in range(3):
            ours.apply([grad], [mine])
            theirs.apply([keras.ops.convert_to_tensor(grad)], [other])
        np.testing.assert_allclose(
            mine.numpy(), np.asarray(other), rtol=10 * tolerance(name), atol=2e-5
        )


def fit_both(make_optimizer, steps_data, layers_of):
    """Weights, optimizer state and losses of one training run here and in Keras."""
    x, y = steps_data
    results = []
    weights = None
    for module in (pyseq, keras):
        model = module.Sequential(layers_of(module))
        weights = weights or [np.array(w) for w in model.get_weights()]
        model.set_weights(weights)
        optimizer = make_optimizer(module.optimizers)
        model.compile(optimizer, "mse")
        history = model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
        results.append((model.get_weights(), optimizer, history.history["loss"]))
    (mine, ours, losses), (other, theirs, wanted) = results
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(losses, wanted, rtol=1e-4)
    check_state(ours, theirs, 2e-4, 2e-4)


def regularized(module):
    layers, r, c = module.layers, module.regularizers, module.constraints
    return [
        module.Input((6,)),
        layers.Dense(
            8,
            activation="tanh",
            kernel_regularizer=r.L1L2(1e-4, 0.01),
            kernel_constraint=c.MaxNorm(0.9),
        ),
        layers.Dense(5, kernel_regularizer=r.OrthogonalRegularizer(0.1)),
        layers.Dense(
            2,
            kernel_regularizer=r.OrthogonalRegularizer(0.1, "columns"),
            kernel_constraint=c.MinMaxNorm(0.4, 0.8, 0.7, axis=1),
        ),
    ]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(64, 6)).astype("float32"), rng.normal(size=(64, 2)).astype("float32")


@pytest.mark.parametrize("name", COMPARED)
def test_fit(name, data):
    """The compiled training loop, with weight regularizers and constraints."""
    fit_both(lambda m: getattr(m, name)(learning_rate=0.02), data, regularized)


@pytest.mark.parametrize(
    "options",
    [o for o in OPTIONS if "gradient_accumulation_steps" not in o]
    + [
        {"gradient_accumulation_steps": 3},
        {"gradient_accumulation_steps": 2, "clipnorm": 0.2},
        {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8},
    ],
    ids=lambda o: "-".join(o),
)
def test_fit_with_options(options, data):
    fit_both(lambda m: m.Adam(learning_rate=0.02, **options), data, regularized)


def test_fit_with_many_optimizers(data):
    def make(m):
        first = m.SGD(m.schedules.ExponentialDecay(0.1, 5, 0.5), momentum=0.5)
        return m.MultiOptimizer(m.OptimizerMap(m.Adam(0.02, clipnorm=0.5), {".*kernel": first}))

    fit_both(make, data, regularized)
    fit_both(lambda m: m.LossScaleOptimizer(m.SGD(0.05), dynamic_growth_steps=4), data, regularized)


def test_fit_with_frozen_layers(data):
    def layers_of(module):
        layers = regularized(module)
        layers[1].trainable = False
        return layers

    fit_both(lambda m: m.Adam(0.02, weight_decay=0.1), data, layers_of)


@pytest.mark.parametrize("name", NAMES)
def test_fit_gives_the_same_bits_for_every_thread_count(name):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 300)), rng.normal(size=(32, 200))
    weights = None
    results = []
    for threads in (1, 2):
        pyseq._core.set_num_threads(threads)
        model = pyseq.Sequential(
            [
                pyseq.Input((300,)),
                pyseq.layers.Dense(
                    200, kernel_regularizer="l1l2", kernel_constraint=constraints.UnitNorm()
                ),
            ]
        )
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile(getattr(optimizers, name)(0.01, global_clipnorm=1.0), "mse")
        model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
        results.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))
