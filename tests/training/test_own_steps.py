"""`compute_loss` and `compute_metrics` of users' models."""

import warnings

import numpy as np
import pytest

import pyseq
from pyseq import layers, ops

rng = np.random.default_rng(0)
X = rng.normal(size=(10, 4)).astype("float32")
Y = rng.normal(size=(10, 2)).astype("float32")
LABELS = rng.integers(0, 2, 10)
KERNEL = rng.normal(size=(4, 2)).astype("float32")


def _plain(K):
    class Plain(K.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return K.ops.mean(K.ops.abs(K.ops.subtract(y, y_pred)) ** 1.5)

    return Plain


def _more(K):
    class More(K.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            loss = super().compute_loss(
                x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
            )
            return loss + 0.1 * K.ops.sum(K.ops.square(self.layers[-1].kernel))

    return More


def _layers(K):
    class Layers(K.Sequential):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.tracker = K.metrics.Mean(name="tracker")

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **kwargs):
            loss = K.ops.mean(K.losses.mean_squared_error(y, y_pred))
            loss += K.ops.mean(self.layers[-1](x * 2.0)) ** 2
            loss += 0.5 * sum(self.losses)
            self.tracker.update_state(loss)
            return loss

    return Layers


def _inputs(K):
    class Inputs(K.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            assert y is None
            return K.losses.Huber()(x[:, :2], y_pred)

    return Inputs


def _metrics(K):
    class Measured(K.Sequential):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.own = K.metrics.MeanAbsoluteError(name="own")

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            results = super().compute_metrics(x, y, y_pred, sample_weight)
            self.own.update_state(y, y_pred, sample_weight)
            results["own"] = self.own.result()
            results["first"] = K.ops.mean(K.ops.multiply(x[:, :2], y_pred))
            return results

    return Measured


def _answers(K, make, y=Y, loss=None, metrics=(), weights=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(K)([K.Input((4,)), K.layers.Dense(2, **options)])
        model.layers[-1].set_weights([KERNEL, np.zeros(2, "float32")])
        model.compile(K.optimizers.SGD(0.1), loss, metrics=list(metrics))
        given = {"batch_size": 4, "verbose": 0}
        logs = model.fit(
            X, y, epochs=2, shuffle=False, sample_weight=weights,
            validation_data=None if y is None else (X, y), **given,
        ).history
        logs = {**logs, **{f"x_{k}": v for k, v in
                           model.evaluate(X, y, return_dict=True, **given).items()},
                **{f"b_{k}": v for k, v in model.train_on_batch(X, y, return_dict=True).items()}}
        return {k: np.asarray(v, float) for k, v in logs.items()}, model.get_weights()


SPARSE = "sparse_categorical_crossentropy"


@pytest.mark.parametrize("make, options", [
    (_plain, {}),
    (_plain, {"loss": "mse", "metrics": ["mae"], "kernel_regularizer": "l2"}),
    (_more, {"loss": "mse"}),
    (_more, {"loss": "mae", "metrics": ["mse"], "kernel_regularizer": "l2"}),
    (_more, {"loss": "mae", "kernel_regularizer": "l1", "activity_regularizer": "l2"}),
    (_more, {"y": LABELS, "loss": SPARSE, "metrics": ["accuracy"], "activation": "softmax"}),
    (_layers, {}),
    (_layers, {"kernel_regularizer": "l2"}),
    (_inputs, {"y": None}),
    (_inputs, {"y": None, "loss": "mse"}),
    (_metrics, {"loss": "mse"}),
    (_metrics, {"loss": "mse", "metrics": ["mae"], "weights": np.arange(10.0, dtype="float32")}),
])
def test_training_as_in_keras(keras, make, options):
    ours, theirs = (_answers(library, make, **options) for library in (pyseq, keras))
    assert sorted(ours[0]) == sorted(theirs[0])
    for name, values in theirs[0].items():
        np.testing.assert_allclose(ours[0][name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    for a, b in zip(ours[1], theirs[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_what_compute_metrics_returns_stands_in_the_logs():
    logs, _ = _answers(pyseq, _metrics, loss="mse")
    assert {"loss", "own", "first", "val_own", "x_first"} <= set(logs)


def test_numbers_that_change_count_in_the_next_step():
    class Scaled(pyseq.Sequential):
        scale = 1.0

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return self.scale * ops.mean(ops.square(y - y_pred))

    model = Scaled([pyseq.Input((4,)), layers.Dense(2)])
    model.compile("sgd")
    before = model.evaluate(X, Y, verbose=0)
    model.scale = 3.0
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(3 * before, rel=1e-5)


def test_compute_loss_on_arrays():
    model = pyseq.Sequential([pyseq.Input((4,)), layers.Dense(2, kernel_regularizer="l2")])
    model.compile("sgd", "mse")
    loss = model.compute_loss(x=X, y=Y, y_pred=model.predict(X, verbose=0))
    assert float(loss) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)


def _model(method, *stack, **options):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return method(self, y, y_pred)

    cls = type("Own", (pyseq.Sequential,), {"compute_loss": compute_loss})
    model = cls([pyseq.Input((4,)), *stack, layers.Dense(2, name="last", **options)], name="own")
    model.compile("sgd")
    return model


def _mean(self, y, y_pred):
    return ops.mean(ops.square(y - y_pred))


@pytest.mark.parametrize("model, more, message", [
    (_model(lambda self, y, y_pred: y - y_pred), {}, r"own.*one number, got .*\(None, 2\).*mean"),
    (_model(lambda self, y, y_pred: None), {}, "own.*one number, got None"),
    (_model(_mean), {"sample_weight": np.ones(10)}, "fit: expected no sample_weight"),
    (_model(_mean), {"class_weight": {0: 2.0}}, "fit: expected no sample_weight or class_weight"),
    (_model(_mean, activity_regularizer="l2"), {}, r"own.compute_loss.*super\(\).compute_loss"),
    (_model(lambda self, y, y_pred: _mean(self, y, y_pred) + sum(self.losses),
            activity_regularizer="l2"), {}, r"own.losses.*super\(\).compute_loss"),
])
def test_what_cannot_be_served_says_what_to_do(model, more, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, Y, verbose=0, **more)


def test_a_mask_beside_the_loss_of_compile_is_refused():
    model = _more(pyseq)([pyseq.Input((3,)), layers.Embedding(5, 2, mask_zero=True)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="compute_loss: expected an output without a mask"):
        model.fit(np.ones((4, 3), int), np.ones((4, 3, 2)), verbose=0)


def test_metrics_that_are_no_dict_are_refused():
    class Odd(pyseq.Sequential):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return 1.0

    model = Odd([pyseq.Input((4,)), layers.Dense(2)], name="odd")
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="odd.compute_metrics: expected a dict.*got 1.0"):
        model.fit(X, Y, verbose=0)
