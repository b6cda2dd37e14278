"""docs/layers.md: every layer of Keras and its state here, written anew by this test's `table`.

    PYSEQ_UPDATE_DOCS=1 pytest tests/test_layer_table.py
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

DOCUMENT = Path(__file__).parent.parent / "docs" / "layers.md"
# Base classes, and classes of other backends that hold no layer of their own.
NOT_LAYERS = {"Layer", "InputSpec", "Wrapper", "Cell", "CellLayer"}


def state_of(name, cases):
    cls = getattr(layers, name, None)
    if cls is None:
        return "missing"
    if issubclass(cls, merging._Merge):
        return "within a layer of one's own; refused in a Sequential with an explanation"
    if issubclass(cls, (merging._ManyInputs, merging._OtherBackend)):
        return "refused with an explanation: it needs several inputs or another framework"
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
        "Written by `tests/test_layer_table.py` from Keras's own list. *Cases* are the rows of",
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
    assert DOCUMENT.read_text() == text, "run PYSEQ_UPDATE_DOCS=1 pytest tests/test_layer_table.py"


@pytest.mark.parametrize("name", sorted(n for n in dir(merging) if n[0].isupper()))
def test_layers_of_several_inputs_explain_themselves(name):
    cls = getattr(merging, name)
    if not (isinstance(cls, type) and issubclass(cls, (merging._ManyInputs, merging._OtherBackend))):
        return
    with pytest.raises(ValueError, match="Sequential|straight line|framework"):
        pyseq.Sequential([pyseq.Input((2,)), cls(**({"axes": 1} if name == "Dot" else {}))])
