"""Correct models give no warning: the table of layers, random models; `examples/` have their own test.

`PYSEQ_DIFFERENTIAL=500` compiles that many random models.
"""

import os
import warnings

import pytest
from differential.answers import _make as make, build
from differential.generator import generate
from layer_cases import CASES

import pyseq
from pyseq import checks

COUNT = int(os.environ.get("PYSEQ_DIFFERENTIAL", 100))

# Small random models with relu do have dead units and answer the same for every row; targets that are drawn from a normal
# distribution lie outside of tanh, sigmoid and relu; a softmax may be drawn in front of another.
TRUE = ("PS208", "PS502", "PS503", "PS505")


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
            if plan.loss is not None and not (plan.draws or plan.stateful):
                model.train_on_batch(plan.x[: plan.batch], plan.y[: plan.batch])
                trained += 1
            told += [(seed, str(f)) for f in model.check(plan.x, plan.y) if f.code not in TRUE]
        found = [n.message for n in notices if isinstance(n.message, checks.CheckWarning)]
        told += [(seed, str(message)) for message in found if message.code not in TRUE]
    assert told == []
    assert trained > 5
