"""The arrows of the design in Python: a module imports from its level and those below, without a circle."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pyseq
from pyseq import hooks

PACKAGE = Path(pyseq.__file__).parent

# Rooms by level. A module belongs to the longest name that it begins with.
LEVELS = [
    # Plain data and functions that know nothing of the package.
    "_core _version ahead dtypes hooks lazy naming results revision settings signatures spatial structures "
    "types windows",
    # Names and configs of objects, variables, random numbers, what stands for a symbolic tensor.
    "arithmetic dtype_policies random registry special symbolic variable",
    # What is chosen by name.
    "activations constraints initializers losses metrics ops optimizers regularizers schedules",
    "layers",
    # Mistakes in layers and data; layers to programs; models to files.
    "checks integers lowering saving tracing",
    "callbacks cloning datasets sequential summary training utils.arrays utils.audio utils.config "
    "utils.datasets utils.directories "
    "utils.element_files utils.elements utils.feature_space utils.files utils.graphs "
    "utils.images utils.joining utils.pipeline utils.seed "
    "utils.session utils.sources utils.splitting utils.steps visualize",
    # Faces, which nothing inside imports.
    "__init__ __main__ backend commands compat config distribution migrate mixed_precision models preprocessing "
    "tree utils wrappers",
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms.split()}

# Imports inside functions: each makes something heavy load late.
LATE = {
    ("backend", ".compat.backend"): "losses, layers and ops, for scripts of Keras 2 only",
    ("callbacks.history", ".visualize.curves"): "pictures",
    ("callbacks.live_plot", "IPython.display"): "notebooks only",
    ("callbacks.loggers", "urllib.error"): "the network",
    ("callbacks.loggers", "urllib.parse"): "the network",
    ("callbacks.loggers", "urllib.request"): "the network",
    ("checks.finding", "html"): "tables in notebooks",
    ("distribution.engines", "cloudpickle"): "Dask only",
    ("distribution.engines", "dask"): "Dask only",
    ("distribution.engines", "pandas"): "functions of Spark",
    ("distribution.engines", "pyspark"): "Spark only",
    ("distribution.engines", "pyspark.sql"): "Spark only",
    ("distribution.engines", "ray"): "Ray only",
    ("dtypes", "ml_dtypes"): "bfloat16 only",
    ("callbacks.screen", "rich.color"): "colours on a terminal",
    ("callbacks.screen", "rich.console"): "colours on a terminal",
    ("callbacks.screen", "rich.style"): "colours on a terminal",
    ("datasets._cache", "urllib.error"): "the network",
    ("distribution.processes", "mpi4py"): "where there are several processes",
    ("datasets._cache", "urllib.request"): "the network",
    ("preprocessing.affine", "scipy"): "splines of higher order",
    ("saving.h5_reader", "h5py"): "HDF5 files only",
    ("saving.to_onnx.file", "onnx"): "says what to install where it is missing",
    ("summary", "rich.box"): "tables on a terminal",
    ("summary", "rich.console"): "tables on a terminal",
    ("summary", "rich.markup"): "tables on a terminal",
    ("summary", "rich.table"): "tables on a terminal",
    ("training.files", ".saving.saving_api"): "archives and all file formats",
    ("training.workers", "multiprocessing"): "processes, where a data set asks for them",
    ("utils.files", "urllib.error"): "the network",
    ("utils.files", "urllib.request"): "the network",
    ("utils.graphs", "pydot"): "plots of models",
    ("utils.images", "PIL"): "images",
    ("visualize.drawing", "IPython.display"): "notebooks only",
    ("visualize.drawing", "matplotlib.figure"): "pictures",
    ("visualize.drawing", "matplotlib.pyplot"): "pictures",
    ("visualize.drawing", "matplotlib.ticker"): "pictures",
    ("wrappers", "sklearn"): "says what to install where it is missing",
}

# Who may hold the compiled core.
TOUCH_CORE = {"lowering", "variable", "config", "training", "saving", "optimizers"}

# What any part may import when it is loaded; what `NEED_SKLEARN` names is for scikit-learn.
NEED_SKLEARN = ("wrappers.estimators", "wrappers.keras_estimators")
AT_LOAD = {"numpy", "pyseq", *sys.stdlib_module_names}


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def level_of(module):
    while module not in LEVEL:
        assert "." in module, f"{module}: add it to LEVELS"
        module = module.rpartition(".")[0]
    return LEVEL[module]


def imported(node, module, is_package):
    """Names that an import statement gives; those of the package begin with a dot."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = f"pyseq.{module}".split(".")
        parts = parts[: len(parts) - node.level + is_package]
        base = ".".join([*parts, base] if base else parts)
    if base.split(".")[0] != "pyseq":
        return [base]
    base = base.removeprefix("pyseq").lstrip(".")
    names = []
    for alias in node.names:
        full = f"{base}.{alias.name}".lstrip(".")
        known = full in MODULES or full == "_core"
        names.append("." + (full if known else base or "__init__"))
    return names


def for_checkers(tree):
    """The nodes under `if TYPE_CHECKING:`, which do not run."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    blocks = [n for n in blocks if ast.unparse(n.test) == "TYPE_CHECKING"]
    return {id(inner) for block in blocks for part in block.body for inner in ast.walk(part)}


def imports_of(module):
    """`(imported name, is late)` of a module."""
    path = MODULES[module]
    tree = ast.parse(path.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
    late = {id(inner) for function in functions for inner in ast.walk(function)}
    unseen = for_checkers(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in unseen:
            for name in imported(node, module, path.name == "__init__.py"):
                yield name, id(node) in late


IMPORTS = {module: sorted(set(imports_of(module))) for module in MODULES}


def arrows(module):
    """Modules of the package that a module imports, late or not, packages around them included."""
    for name, _ in IMPORTS[module]:
        if not name.startswith("."):
            continue
        name = name[1:]
        yield name
        while "." in name:
            name = name.rpartition(".")[0]
            if not f"{module}.".startswith(f"{name}."):
                yield name


def test_imports_point_down():
    wrong = [
        f"{module} (level {level_of(module)}) imports {name} (level {level_of(name)})"
        for module in MODULES
        for name in arrows(module)
        if level_of(name) > level_of(module)
    ]
    assert not wrong, "\n".join(wrong)


def circles():
    """Modules that lead back to themselves, by following arrows depth first."""
    state, found = {}, []

    def visit(module, path):
        state[module] = "open"
        for name in arrows(module) if module in IMPORTS else ():
            if state.get(name) == "open":
                found.append(" -> ".join([*path[path.index(name) :], name]))
            elif name not in state:
                visit(name, [*path, name])
        state[module] = "done"

    for module in MODULES:
        if module not in state:
            visit(module, [module])
    return found


def test_no_circle():
    assert circles() == []


def test_late_imports_are_listed():
    late = {(module, name) for module in MODULES for name, is_late in IMPORTS[module] if is_late}
    assert sorted(late ^ set(LATE)) == []


def test_third_parties_are_imported_late():
    wrong = [
        f"{module} imports {name}"
        for module in MODULES
        for name, is_late in IMPORTS[module]
        if not is_late and not name.startswith(".")
        if name.split(".")[0] not in AT_LOAD and module not in NEED_SKLEARN
    ]
    assert not wrong, "\n".join(wrong)


def test_only_few_modules_touch_the_core():
    wrong = [
        module
        for module in MODULES
        if "._core" in dict(IMPORTS[module]) and module.split(".")[0] not in TOUCH_CORE
    ]
    assert not wrong, "\n".join(wrong)


# Imports each module first, in a process of its own that begins where NumPy is loaded.
ALONE = """
import importlib, os, sys, traceback
import numpy
failed = []
for module in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(module)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(module)
sys.exit(f"cannot be imported first: {failed}" if failed else 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_each_module_can_be_imported_first():
    pytest.importorskip("sklearn")
    names = [f"pyseq.{module}".removesuffix(".__init__") for module in MODULES]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *names], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr


def test_import_loads_numpy_alone_and_prints_nothing():
    code = (
        "import sys\nimport numpy\nbefore = set(sys.modules)\nimport pyseq\nfrom pyseq import layers\n"
        "pyseq.Sequential([pyseq.Input((2,)), layers.Dense(1)]).predict(numpy.ones((1, 2)), verbose=0)\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "extra = {m for m in new if not m.startswith('_cython')} - set(sys.stdlib_module_names) - {'pyseq', 'numpy', 'cython_runtime'}\n"
        "sys.exit(f'loaded {sorted(extra)}' if extra else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Asks every hook in a process where nothing of it is loaded: the module that the table names answers.
ASKED = """
import importlib, sys
from pyseq import hooks
for question, module in hooks._ANSWERED_BY.items():
    importlib.import_module(module)
    if not hooks._answers[question].__module__.startswith(module):
        sys.exit(f"{question}: answered by {hooks._answers[question].__module__}, not {module}")
extra = set(hooks._answers) - set(hooks._ANSWERED_BY)
sys.exit(f"not in the table: {sorted(extra)}" if extra else 0)
"""


def test_each_hook_is_answered_where_the_table_says():
    done = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_hooks_are_asked_by_name():
    """Each question of the table is put somewhere, so that it holds nothing that is not needed."""
    text = "".join(path.read_text() for path in MODULES.values())
    assert [q for q in hooks._ANSWERED_BY if f'ask("{q}"' not in text and f'"{q}", symbolic' not in text] == []
