"""docs/layers.md: every layer of Keras and its state here, written anew by this test's `table`.

PYSEQ_UPDATE_DOCS=1 pytest tests/layers/test_layer_table.py
"""

import collections
import inspect
import os
from pathlib import Path

import pytest
from layer_cases import CASES

import pyseq
from pyseq import layers
from pyseq.layers import merging

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "layers.md"
# Base classes, and classes of other backends that hold no layer of their own.
NOT_LAYERS = {"Layer", "InputSpec", "Wrapper", "Cell", "CellLayer"}


def state_of(name, cases):
    cls = getattr(layers, name, None)
    if cls is None:
        return "missing"
    if issubclass(cls, merging.ManyInputs):
        return "within a layer of one's own; refused in a Sequential with an explanation"
    if issubclass(cls, (merging._OtherBackend)):
        return "refused with an explanation: it needs several inputs or another framework"
    if cls.__module__ == "pyseq.compat.layers":
        return f"an old name of {cls.__mro__[1].__name__}, which takes the positions of Keras 1 too"
    if not cases:
        return "yes, with tests of its own"
    return f"yes, {cases} cases" if cases != 1 else "yes, 1 case"


def table(names):
    counts = collections.Counter(case.spec.class_name for case in CASES)
    by_class = collections.defaultdict(list)
    for name in names:
        cls = getattr(layers, name, None)
        by_class[cls if cls is not None else name].append(name)
    lines = [
        "# Keras's layers in pyseq",
        "",
        "Written by `tests/layers/test_layer_table.py` from Keras's own list. *Cases* are the rows of",
        "`tests/layer_cases.py` with which a layer goes through the battery (config, shapes, gradients,",
        "instruction sets, thread counts, a training step) and the comparison with Keras.",
        "",
        "| layer | also called | here |",
        "|---|---|---|",
    ]
    for cls, aliases in sorted(by_class.items(), key=lambda item: min(item[1])):
        name = cls if isinstance(cls, str) else cls.__name__
        others = ", ".join(sorted(set(aliases) - {name})) or "-"
        lines.append(f"| {name} | {others} | {state_of(name, counts[name])} |")
    return "\n".join(lines) + "\n"


def test_table_is_current(keras):
    names = [
        name
        for name, value in vars(keras.layers).items()
        if inspect.isclass(value) and name not in NOT_LAYERS
    ]
    text = table(names)
    if os.environ.get("PYSEQ_UPDATE_DOCS"):
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "run PYSEQ_UPDATE_DOCS=1 pytest tests/layers/test_layer_table.py"


REFUSED = merging.ManyInputs, merging._OtherBackend
ARGUMENTS = {
    "Dot": {"axes": 1},
    "MultiHeadAttention": {"num_heads": 1, "key_dim": 2},
    "GroupQueryAttention": {"num_query_heads": 1, "num_key_value_heads": 1, "head_dim": 2},
}


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in layers.__all__
        if inspect.isclass(c := getattr(layers, n)) and issubclass(c, REFUSED)
    ],
)
def test_layers_of_several_inputs_explain_themselves(name):
    with pytest.raises(ValueError, match="Sequential|straight line|framework"):
        layer = getattr(layers, name)(**ARGUMENTS.get(name, {}))
        pyseq.Sequential([pyseq.Input((2, 3)), layer])
