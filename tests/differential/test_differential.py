"""Random models against real Keras; `PYSEQ_DIFFERENTIAL=1000` runs that many.

Each failure prints its seed and model; `python -m tests.differential SEED` runs it again.
"""

import inspect
import os
import re

import pytest
from layer_cases import class_names

import pyseq
from pyseq.layers import merging

from . import users
from .compare import run_seed
from .generator import generate

COUNT = int(os.environ.get("PYSEQ_DIFFERENTIAL", 200 if os.environ.get("CI") else 24))
FIRST = int(os.environ.get("PYSEQ_DIFFERENTIAL_SEED", 0))
CHUNK = 12

pytestmark = pytest.mark.filterwarnings("ignore")


# Why a layer is not drawn.
NOT_DRAWN = {
    "Hashing": "Keras needs TensorFlow for it",
    "HashedCrossing": "it takes several inputs, and Keras needs TensorFlow for it",
    "IntegerLookup": "Keras needs TensorFlow for it",
    "StringLookup": "Keras needs TensorFlow for it",
    "TextVectorization": "Keras needs TensorFlow for it",
    "Equalization": "Keras refuses it inside a model",
    "ContrastLimitedAdaptiveHistogramEqualization": "Keras does something else with each batch",
    "Layer": "a base class",
    "Wrapper": "a base class",
    "InputSpec": "no layer",
}


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_random_models_agree(first, keras):
    failures, compared = [], 0
    for seed in range(first, min(first + CHUNK, FIRST + COUNT)):
        try:
            compared += run_seed(seed, keras) is not None
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n\n".join(failures)
    assert compared > 0


def test_every_layer_loss_metric_and_optimizer_is_drawn(keras):
    drawn = {"layers": set(), "losses": set(), "metrics": set(), "optimizers": set()}
    live, text, asked = set(), [], set()
    for seed in range(1700):
        plan = generate(seed, keras)
        text.append(str(plan.stack))
        asked |= {name for name in ("toggles", "reweighted", "trains_inside", "half", "stateful")
                  if getattr(plan, name)}
        live |= {plan.file, plan.dtype, *(c.path[-1] for c in plan.changes + plan.later_changes)}
        for spec in plan.stack:
            drawn["layers"] |= class_names(spec)
        for family, values in (
            ("losses", [plan.loss]),
            ("metrics", plan.metrics + plan.weighted_metrics),
            ("optimizers", [plan.optimizer]),
        ):
            drawn[family] |= {getattr(value, "class_name", value) for value in values}
    bases = {"Loss", "Metric", "Optimizer"}
    # Sum, Mean and Accuracy want other arguments than a model gives; a map is for named variables.
    bases |= {"Mean", "MeanMetricWrapper", "Sum", "Accuracy", "MultiOptimizer", "OptimizerMap"}
    for family, names in drawn.items():
        module, ours = getattr(keras, family), getattr(pyseq, family)
        public = {
            value.__name__
            for name, value in vars(module).items()
            if inspect.isclass(value) and hasattr(ours, name) and not _refused(getattr(ours, name))
        }
        assert sorted(public - names - bases - set(NOT_DRAWN)) == []
    own = set(re.findall(r"users\.(\w+)", "".join(text)))
    assert sorted(set(users.objects("pyseq")) - own) == []
    assert {".keras", ".weights.h5", ".h5", "/", "int32", "int64", "activation", "rate", "epsilon",
            "trainable", "l2", "learning_rate", "clipnorm"} <= live
    assert asked == {"toggles", "reweighted", "trains_inside", "half", "stateful"}
    # A mask of the value's own rank.
    assert re.search(r"mask_zero=True.*users.Summed[^,]*\), layers.Softmax", "\n".join(text))


def _refused(cls):
    return issubclass(cls, (merging.ManyInputs, merging._OtherBackend))
