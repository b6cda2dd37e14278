"""Correct models give no warning: the table of layers, random models; `examples/` have their own test.

`PYSEQ_DIFFERENTIAL=500` compiles that many random models, `PYSEQ_SENSIBLE=500` trains that many that make
sense.
"""

import os
import re
import warnings

import numpy as np
import pytest
from differential.answers import _make as make, build
from differential.generator import generate
from layer_cases import CASES
from sensible_models import sensible

import pyseq
from pyseq import checks, losses
from pyseq.checks.context import REGRESSION

COUNT = int(os.environ.get("PYSEQ_DIFFERENTIAL", 100))
SENSIBLE = int(os.environ.get("PYSEQ_SENSIBLE", 60))


def says_the_same(plan, model):
    rows = model.predict_on_batch(plan.x).reshape(len(plan.x), -1).tolist()
    return all(row == rows[0] for row in rows)


def stacks_softmax(plan, model):
    return len(re.findall(r"Dense\(units=\d+, activation='softmax'", str(plan.stack))) > 1


# Random layers make models of these kinds now and then; what a check says of one must hold.
TRUE = {"PS502": stacks_softmax, "PS503": says_the_same}


def targets(plan, model):
    """Those of a regression are what the model itself answers: these are within its reach."""
    kind = None if plan.loss is None else (losses.as_loss(make(plan.loss, "pyseq")).lower() or [""])[0]
    if kind in REGRESSION and not np.isin(plan.y, (0, 1)).all():
        return model.predict(plan.x, verbose=0).reshape(plan.y.shape)
    return plan.y


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers(case):
    start = [pyseq.Input(batch_shape=(case.batch_size, *case.shape))]
    if case.mask:
        start.append(pyseq.layers.Masking())
    model = pyseq.Sequential([*start, case.spec.build("pyseq")])
    model.compile("sgd", "mse")
    assert str(model.check()) == "no findings"


@pytest.mark.parametrize("first", range(0, COUNT, 20))
@pytest.mark.filterwarnings("ignore")
def test_random_models(first, keras):
    told, trained = [], 0
    for seed in range(first, min(first + 20, COUNT)):
        plan = generate(seed, keras)
        try:
            model = build(plan, "pyseq")
        except ValueError:  # which Keras refuses, too
            continue
        with warnings.catch_warnings(record=True) as notices:
            warnings.simplefilter("always")
            model.compile(
                make(plan.optimizer, "pyseq"),
                make(plan.loss, "pyseq"),
                metrics=make(plan.metrics, "pyseq"),
                weighted_metrics=make(plan.weighted_metrics, "pyseq"),
            )
            y = targets(plan, model)
            if plan.loss is not None and not (plan.draws or plan.stateful):
                model.train_on_batch(plan.x[: plan.batch], y[: plan.batch])
                trained += 1
            found = list(model.check(plan.x, y))
        found += [n.message for n in notices if isinstance(n.message, checks.CheckWarning)]
        for one in found:
            if one.code not in TRUE or not TRUE[one.code](plan, model):
                told.append((seed, str(one)))
    assert told == []
    assert trained > 5


def first_epoch(seed):
    """What a sensible model is told: errors, warnings, and the findings of `check`."""
    case = sensible(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            case.model.compile(**case.compiled)
            case.model.fit(case.x, case.y, verbose=0, **case.fitted)
            case.model.evaluate(case.x, case.y, verbose=0)
            told = list(case.model.check(case.x, case.y))
        except (Warning, ValueError) as error:
            told = [error]
    return [f"{seed}: {one}\n{case}" for one in told]


@pytest.mark.parametrize("first", range(0, SENSIBLE, 20))
def test_sensible_models(first):
    told = [one for seed in range(first, min(first + 20, SENSIBLE)) for one in first_epoch(seed)]
    assert not told, "\n\n".join(told)
