"""Every layer answers the same questions; the questions are here, the layers in layer_cases.py."""

import json
import warnings

import numpy as np
import pytest
from layer_cases import CASES, ELSEWHERE, class_names
from op_harness import (
    available_levels,
    check_gradients,
    inputs_of,
    model_of,
    randomize,
    reset,
)

import pyseq
from pyseq import _core, layers
from pyseq.layers import merging
from pyseq.registry import registration

pytestmark = pytest.mark.filterwarnings("ignore")

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)


def rows_of(case, rows=8):
    return case.batch_size or rows


def plain(value):
    return json.loads(json.dumps(value, default=lambda v: v.tolist()))


def compiled(model, rate=1.0):
    model.compile(pyseq.optimizers.SGD(float(rate)), "mse")
    return model


def cases(**wanted):
    chosen = [c for c in CASES if all(getattr(c, k) == v for k, v in wanted.items())]
    return pytest.mark.parametrize("case", chosen, ids=lambda c: c.id)


def test_every_layer_has_a_case():
    no_line = merging.ManyInputs, merging._OtherBackend
    public = {
        layer.__name__
        for layer in registration.builtin_objects("layers").values()
        if isinstance(layer, type) and not issubclass(layer, no_line)
    }
    covered = set().union(*(class_names(case.spec) for case in CASES)) | ELSEWHERE
    assert sorted(public - covered) == []
    assert sorted(name for name in covered if not hasattr(layers, name)) == []


@every_case
def test_config_round_trip(case):
    layer = case.spec.build("pyseq")
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert plain(again.get_config()) == plain(config)
    text = json.dumps(layers.serialize(layer))
    assert plain(layers.deserialize(json.loads(text)).get_config()) == plain(config)


@every_case
def test_config_equals_keras(case, keras):
    ours = plain(case.spec.build("pyseq", name="layer").get_config())
    theirs = plain(case.spec.build("keras", name="layer").get_config())
    assert same(without_names(ours), without_names(theirs)), f"{ours}\n{theirs}"


def same(a, b):
    """Equal, where numbers may have gone through float32 (as regularizers' do in Keras)."""
    if isinstance(a, dict) and isinstance(b, dict):
        return sorted(a) == sorted(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or abs(a - b) < 1e-6 * max(abs(a), abs(b))
    return type(a) is type(b) and a == b


def without_names(config):
    """Sub-layers get automatic names, which depend on how many layers were made before."""
    if isinstance(config, dict):
        cleaned = {k: without_names(v) for k, v in config.items() if k != "shared_object_id"}
        if "class_name" in cleaned and isinstance(cleaned.get("config"), dict):
            cleaned["config"].pop("name", None)
            cleaned["module"] = str(cleaned.get("module")).replace("pyseq", "keras").split(".")[0]
        return cleaned
    return [without_names(v) for v in config] if isinstance(config, list) else config


@every_case
def test_shapes_agree(case, rng):
    model = model_of(case)
    x = inputs_of(case, rows_of(case), rng)
    y = model.predict(x, verbose=0)
    assert model.output_shape[1:] == y.shape[1:]
    layer = model.layers[-1]
    shape = (rows_of(case), *case.shape)
    assert tuple(layer.compute_output_shape(shape)) == y.shape
    assert np.isfinite(y[:1]).all()


@cases(oracle=True)
def test_equals_keras(case, keras, rng):
    model = model_of(case)
    randomize(model, rng)
    twin = keras.Sequential(
        [keras.Input(batch_shape=(case.batch_size, *case.shape))]
        + ([keras.layers.Masking()] if case.mask else [])
        + [case.spec.build("keras")]
    )
    assert [v.shape for v in model.weights] == [tuple(v.shape) for v in twin.weights]
    assert [v.name for v in model.weights] == [v.name for v in twin.weights]
    assert [v.trainable for v in model.weights] == [v.trainable for v in twin.weights]
    twin.set_weights(model.get_weights())
    x = inputs_of(case, rows_of(case), rng).astype("float32")
    theirs = twin.predict_on_batch(x)
    ours = model.predict_on_batch(x)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * max(1, np.abs(theirs).max()))


@cases(trains=True)
def test_gradients(case, rng):
    rows = rows_of(case, 6 if case.mask else 4)
    learn_input = case.gradient and not isinstance(case.data, int)
    model = compiled(model_of(case, "float64", rows, learn_input))
    x = inputs_of(case, rows, rng)
    randomize(model, rng)
    free = {}
    if learn_input:
        table = x.reshape(rows, -1)
        model.get_layer("input_table").set_weights([table])
        x = np.arange(rows, dtype="float64")[:, None]
        if case.mask:
            # Padding must stay exactly zero, or Masking would see other steps.
            free["input_table"] = table != 0
    y = rng.normal(size=(rows, *model.output_shape[1:]))
    if case.gradient and model.trainable_weights:
        check_gradients(model, x, y, rng, free=free)
    assert np.isfinite(model.train_on_batch(x, y)), "a training step"
    assert all(np.isfinite(w).all() for w in model.get_weights())


@every_case
@pytest.mark.parametrize("level", available_levels())
def test_level_agrees_with_float64(case, level, rng, monkeypatch):
    exact = model_of(case, "float64")
    randomize(exact, rng)
    weights = exact.get_weights()
    x = inputs_of(case, rows_of(case), rng)
    expected = exact.predict_on_batch(x)
    monkeypatch.setenv("PYSEQ_ISA", level)
    model = model_of(case)
    model.set_weights(weights)
    scale = max(1.0, np.abs(expected[np.isfinite(expected)]).max(initial=0))
    np.testing.assert_allclose(model.predict_on_batch(x), expected, atol=2e-5 * scale)
    if not case.trains:
        return
    y = rng.normal(size=expected.shape)
    results = []
    for m in (exact, model):
        compiled(m, 0.1)
        reset(m, weights)
        results.append((m.train_on_batch(x, y), m.get_weights()))
    (loss64, after64), (loss32, after32) = results
    np.testing.assert_allclose(loss32, loss64, rtol=1e-4, atol=1e-5)
    for a, b in zip(after32, after64):
        np.testing.assert_allclose(a, b, atol=2e-4 * max(1.0, np.abs(b).max()))


@cases(batch_size=None, exact=True)
def test_rows_do_not_depend_on_the_batch(case, rng):
    model = model_of(case)
    randomize(model, rng)
    x = inputs_of(case, 8, rng)
    whole = model.predict_on_batch(x)
    part = model.predict_on_batch(x[:3])
    np.testing.assert_allclose(part, whole[:3], rtol=1e-5, atol=1e-6 * max(1, np.abs(part).max()))
    again = model.predict_on_batch(x)
    np.testing.assert_array_equal(again, whole)


@cases(trains=True)
def test_threads_do_not_change_a_bit(case, rng):
    rows = rows_of(case, 16)
    x = inputs_of(case, rows, rng)
    y = None
    results = []
    weights = None
    for threads in (1, 2, 3, 4):
        pyseq.config.set_num_threads(threads)
        model = compiled(model_of(case), 0.05)
        if weights is None:
            randomize(model, rng)
            weights = model.get_weights()
            y = rng.normal(size=(rows, *model.output_shape[1:]))
        reset(model, weights)
        losses = [model.train_on_batch(x, y) for _ in range(2)]
        results.append([np.array(losses), *model.get_weights(), model.predict_on_batch(x)])
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_array_equal(a, b)


@cases(time_distributed=True, batch_size=None, mask=False)
def test_time_distributed(case, rng):
    inner = model_of(case)
    randomize(inner, rng)
    x = inputs_of(case, 6, rng)
    model = pyseq.Sequential(
        [pyseq.Input((3, *case.shape)), layers.TimeDistributed(case.spec.build("pyseq"))]
    )
    model.set_weights(inner.get_weights())
    y = model.predict_on_batch(x.reshape(2, 3, *case.shape))
    expected = inner.predict_on_batch(x)
    np.testing.assert_allclose(
        y.reshape(expected.shape), expected, rtol=1e-5,
        atol=1e-5 * max(1, np.abs(expected[np.isfinite(expected)]).max(initial=0)),
    )


@cases(batch_size=None)
def test_nested(case, rng):
    flat = model_of(case)
    randomize(flat, rng)
    nested = pyseq.Sequential([pyseq.Input(case.shape), model_of(case)])
    nested.set_weights(flat.get_weights())
    x = inputs_of(case, 4, rng)
    np.testing.assert_array_equal(nested.predict_on_batch(x), flat.predict_on_batch(x))
    clone = pyseq.Sequential.from_config(nested.get_config())
    clone.set_weights(nested.get_weights())
    np.testing.assert_array_equal(clone.predict_on_batch(x), flat.predict_on_batch(x))


@cases(batch_size=None, trains=True)
def test_frozen_layer_keeps_its_weights(case, rng):
    model = model_of(case)
    if not model.weights or case.spec.class_name == "SpectralNormalization":
        return  # nothing to keep, or a kernel that every training call normalizes
    model.trainable = False
    compiled(model)
    before = model.get_weights()
    x = inputs_of(case, 4, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train_on_batch(x, rng.normal(size=(4, *model.output_shape[1:])))
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_the_reference_is_built():
    assert "ref64" in _core.available_isas()
