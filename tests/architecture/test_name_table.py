"""`docs/names.md`: every public name of `keras` and its state here. PYSEQ_UPDATE_DOCS=1 writes it."""

import importlib
import os
import types
from pathlib import Path

import pytest

import pyseq

keras = pytest.importorskip("keras")

TABLE = Path(__file__).parents[2] / "docs" / "names.md"

HEAD = """# The public names of Keras in pyseq

Written by `tests/architecture/test_name_table.py` from the modules of Keras {version}. Layers have a
table of their own: [layers.md](layers.md). Modules that are wholly outside are one row.

| module | names here | names that are not here |
|---|---|---|
"""

# Names that stay outside, each with the reason; a name ending in ".*" is a whole module.
OUTSIDE = {
    "quantization": (
        "AWQDTypePolicy GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy "
        "QuantizedFloat8DTypePolicy Quantizer quantizers.*"
    ),
    "graphs of several inputs or outputs": "Function Operation get_source_inputs",
    "other backends": "StatelessScope SymbolicScope RematScope remat export.*",
    "models in parts": "LayoutMap ModelParallel TensorLayout distribute_tensor",
    "pretrained models": "applications.*",
    "pictures of data sets": "visualization.*",
    "training one model from another": "distillation.*",
}
REASON = {name: reason for reason, names in OUTSIDE.items() for name in names.split()}


def names_of(module):
    # Old names are the matter of tests/compat.
    return sorted(n for n in dir(module) if not n.startswith("_") and n not in ("src", "legacy"))


def rows(path, theirs, ours):
    """Rows `(module, names here, {name: reason})` of a module and those in it."""
    here, missing, inner = [], {}, []
    for name in names_of(theirs):
        value = getattr(theirs, name)
        full = f"{path}.{name}"
        is_module = isinstance(value, types.ModuleType) and value.__name__.startswith("keras.")
        if f"{name}.*" in REASON:
            inner.append((full, 0, {"all": REASON[f"{name}.*"]}))
            continue
        try:
            own = getattr(ours, name)
        except (AttributeError, ImportError):
            missing[name] = REASON.get(name)
            continue
        if is_module:
            inner += rows(full, value, own)
        else:
            here.append(name)
    return [(path, len(here), missing), *inner]


def table():
    importlib.import_module("keras.applications")
    lines = []
    for path, here, missing in rows("keras", keras, pyseq):
        if path == "keras.layers":
            continue
        told = ", ".join(f"{n} ({why})" if n != "all" else why for n, why in missing.items())
        lines.append(f"| `{path}` | {here} | {told or '-'} |\n")
    version = ".".join(keras.__version__.split(".")[:2])
    return HEAD.format(version=version) + "".join(lines)


def test_every_absent_name_has_a_reason():
    for path, _, missing in rows("keras", keras, pyseq):
        unexplained = sorted(name for name, reason in missing.items() if reason is None)
        assert unexplained == [], path


def test_the_table_is_what_is_there():
    if os.environ.get("PYSEQ_UPDATE_DOCS"):
        TABLE.write_text(table())
    assert TABLE.read_text() == table()
