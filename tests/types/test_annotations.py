"""Every public function, class and property is annotated; tools see the names that load late."""

import ast
import functools
import importlib
import importlib.util
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import pyseq

PACKAGE = Path(pyseq.__file__).parent
MODULES = [
    "pyseq",
    *(f"pyseq.{name}" for name in pyseq._MODULES if name != "wrappers"),
    *(f"pyseq.datasets.{name}" for name in pyseq.datasets.__all__),
    "pyseq.ops.image",
    "pyseq.ops.linalg",
    "pyseq.ops.nn",
    "pyseq.ops.numpy",
    "pyseq.optimizers.schedules",
    "pyseq.preprocessing.image",
    "pyseq.preprocessing.sequence",
    "pyseq.preprocessing.text",
    "pyseq.utils.bounding_boxes",
]
if importlib.util.find_spec("sklearn"):
    MODULES.append("pyseq.wrappers")
OPERATORS = {"__init__", "__call__", "__enter__", "__exit__", "__len__", "__iter__", "__next__"}


def functions_of(value):
    """The functions of an attribute of a class."""
    if isinstance(value, property):
        return [f for f in (value.fget, value.fset) if f]
    if isinstance(value, functools.cached_property):
        return [value.func]
    if isinstance(value, (classmethod, staticmethod)):
        return [value.__func__]
    return [value] if inspect.isfunction(value) else []


def public_functions(module):
    for name in module.__all__:
        thing = getattr(module, name)
        home = str(getattr(thing, "__module__", ""))
        if isinstance(thing, types.ModuleType) or not home.startswith("pyseq"):
            continue
        if not isinstance(thing, type):
            if callable(thing):
                yield name, thing
            continue
        for owner in thing.__mro__:
            if not owner.__module__.startswith("pyseq"):
                continue
            for key, value in vars(owner).items():
                if not key.startswith("_") or key in OPERATORS:
                    for function in functions_of(value):
                        yield f"{owner.__name__}.{key}", function


@pytest.mark.parametrize("name", MODULES)
def test_all_is_annotated(name):
    module = importlib.import_module(name)
    missing = set()
    for where, function in public_functions(module):
        if not getattr(inspect.unwrap(function), "__module__", "pyseq").startswith("pyseq"):
            continue
        signature = inspect.signature(function)
        for i, parameter in enumerate(signature.parameters.values()):
            is_self = i == 0 and parameter.name in ("self", "cls")
            if parameter.annotation is parameter.empty and not is_self:
                missing.add(f"{where}({parameter.name})")
        if signature.return_annotation is signature.empty:
            missing.add(f"{where} -> ?")
    assert not missing, sorted(missing)


@pytest.mark.parametrize("name", MODULES)
def test_all_and_dir_show_what_is_public(name):
    module = importlib.import_module(name)
    assert all(hasattr(module, part) for part in module.__all__)
    assert dir(module) == sorted({*module.__all__})


def late_names(path):
    """`{name: module}` of the imports under `if TYPE_CHECKING:` of a package."""
    tree = ast.parse(path.read_text())
    found = {}
    for block in tree.body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for node in block.body:
                for alias in node.names if isinstance(node, ast.ImportFrom) else ():
                    if alias.asname == alias.name:
                        found[alias.name] = node.module
    return found


def test_tools_see_the_names_of_the_package():
    expected = {**dict.fromkeys(pyseq._MODULES, "pyseq"), **pyseq._NAMES}
    assert late_names(PACKAGE / "__init__.py") == expected
    assert set(pyseq.__all__) == {*expected, "__version__"}


@pytest.mark.parametrize("name", ["layers", "callbacks", "visualize"])
def test_tools_see_the_names_of_lazy_packages(name):
    module = importlib.import_module(f"pyseq.{name}")
    expected = {
        part: f"pyseq.{name}.{home}"
        for home, parts in module._MODULES.items()
        for part in parts.split()
    }
    assert late_names(PACKAGE / name / "__init__.py") == expected
    assert {*expected} <= set(module.__all__)


def test_tools_see_the_names_of_utils_saving_and_wrappers():
    from pyseq import saving, utils, wrappers

    homes = {**utils._HOMES, **dict.fromkeys(utils._NAMESPACES, "pyseq.utils")}
    assert late_names(PACKAGE / "utils" / "__init__.py") == homes
    assert set(utils.__all__) == set(homes)
    assert late_names(PACKAGE / "saving" / "__init__.py") == saving._LAZY
    assert late_names(PACKAGE / "wrappers" / "__init__.py") == {
        name: f"pyseq.wrappers.{home}" for name, home in wrappers._MODULES.items()
    }
    assert set(wrappers.__all__) == set(wrappers._MODULES)


def test_annotations_cost_nothing():
    script = (
        "import sys, pyseq; assert 'typing' not in sys.modules or 'typing' in before\n"
        "import pyseq.layers.core, pyseq.sequential; assert 'pyseq.types' not in sys.modules"
    )
    code = "import sys; before = set(sys.modules)\n" + script
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()
