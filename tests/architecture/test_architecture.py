"""The arrows of the design in C++: who may know whom, in sources and in objects.

The checks of object files need a build folder: `PYSEQ_BUILD_DIR=build pytest tests/architecture/test_architecture.py`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from layer_cases import CASES, STREAM_OPS, TRACED_OPS, Spec

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "pyseq"

needs_sources = pytest.mark.skipif(not CSRC.is_dir(), reason="needs the source tree")

# What the files of a folder of csrc may include, by the folder of the included file.
ARROWS = {
    "include": {"pyseq"},
    "c": {"pyseq", "include"},
    "core": {"core", "pyseq", "generated"},
    "kernels": {"kernels", "core", "generated"},
    "ops": {"core", "kernels"},
    "losses": {"core", "kernels"},
    "optimizers": {"core", "kernels", "optimizers"},
    "python": {"pyseq", "python", "core"},
    "cuda": {"core", "kernels", "cuda", "pyseq", "generated"},
}
# The op contract, and what it stands on: all of `core/` that code compiled per instruction set sees.
CONTRACT = {"core/op.h", "core/parallel.h", "core/isa.h", "core/precision.h"}


def includes():
    """(file, included name, is quoted) of all sources."""
    for path in sorted(CSRC.rglob("*")):
        if path.suffix not in (".cpp", ".h", ".cu", ".cuh", ".inc"):
            continue
        for mark, name in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)', path.read_text(), re.M):
            yield path.relative_to(CSRC), name, mark == '"'


@needs_sources
def test_includes_point_down():
    wrong = []
    for path, name, quoted in includes():
        if not quoted:
            continue
        folder = path.parts[0]
        beside = (CSRC / path.parent / name).is_file()
        target = folder if beside else name.split("/")[0] if "/" in name else "generated"
        target = "include" if name == "pyseq.h" else target
        if target not in ARROWS[folder]:
            wrong.append(f"{path} includes {name}")
        if folder in ("kernels", "ops", "losses", "optimizers"):
            if target == "core" and name not in CONTRACT:
                wrong.append(f"{path} includes {name}: only {sorted(CONTRACT)} are the contract")
    assert not wrong, "\n".join(wrong)


@needs_sources
def test_public_headers_hold_nothing_of_the_inside():
    inner = re.compile(r"\b(slots?|fold|executor|mutex)\b", re.I)
    found = [
        f"{path.name}: {line}"
        for path in sorted((CSRC / "include").rglob("*.h"))
        for line in path.read_text().splitlines()
        if inner.search(line)
    ]
    assert not found, "\n".join(found)


@needs_sources
@pytest.mark.parametrize("folder", ["ops", "losses", "optimizers"])
def test_every_op_has_a_gpu_twin(folder):
    host = {path.stem for path in (CSRC / folder).glob("*.cpp")}
    assert host == {path.stem for path in (CSRC / "cuda" / folder).glob("*.cu")}


@needs_sources
def test_nobody_includes_an_op():
    wrong = [
        f"{path} includes {name}" for path, name, _ in includes()
        if name.split("/")[0] in ("ops", "losses") or name.endswith((".cpp", ".cu"))
    ]
    assert not wrong, "\n".join(wrong)


@needs_sources
def test_only_the_bindings_know_python():
    wrong = [
        str(path) for path, name, _ in includes()
        if (name.startswith("pybind11") or name == "Python.h") and path.parts[0] != "python"
    ]
    assert not wrong, "\n".join(wrong)


@needs_sources
def test_code_compiled_per_instruction_set_uses_no_std_containers():
    banned = re.compile(
        r"#\s*include\s*<(vector|string|map|unordered_map|memory|algorithm|iostream|functional|"
        r"sstream|mutex|thread|numeric|set|array|optional|cmath|math.h)>"
    )
    wrong = []
    for folder in ("kernels", "ops", "losses", "optimizers"):
        for path in sorted((CSRC / folder).glob("*")):
            if found := banned.search(path.read_text()):
                wrong.append(f"{path.name}: {found.group(0)}")
    assert not wrong, "\n".join(wrong)


def kinds(folder):
    return {path.stem for path in (CSRC / folder).glob("*.cpp")}


@needs_sources
def test_file_name_is_the_registration():
    prefix = {"ops": "op", "losses": "loss", "optimizers": "optimizer"}
    for folder, word in prefix.items():
        for path in sorted((CSRC / folder).glob("*.cpp")):
            text = path.read_text()
            assert f"{word}_{path.stem}{{\"{path.stem}\"" in text.replace(" {", "{"), path


# --- every op, loss and optimizer is tested


def lowered_kinds():
    """Ops that the layer table reaches, in training and in inference."""
    import warnings

    import pyseq
    from pyseq import layers, lowering

    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in CASES:
            stack = [pyseq.Input(batch_shape=(case.batch_size, *case.shape))]
            stack += [layers.Masking()] if case.mask else []
            model = pyseq.Sequential([*stack, case.spec.build("pyseq")])
            for training in (False, True) if case.trains else (False,):
                graph, _ = lowering.lower(model, case.shape, training, case.batch_size)
                found |= {op["kind"] for op in graph.ops}
    return found


@needs_sources
def test_every_op_is_reached_by_the_layer_table():
    reached = lowered_kinds() | set(TRACED_OPS) | set(STREAM_OPS)
    assert sorted(reached - kinds("ops") - {"host"}) == []
    assert sorted(kinds("ops") - reached) == []


@needs_sources
@pytest.mark.parametrize("folder", ["losses", "optimizers"])
def test_every_loss_and_optimizer_is_named_in_a_test(folder):
    text = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py"))).lower()
    plain = text.replace("_", "")
    assert [kind for kind in sorted(kinds(folder)) if kind.replace("_", "") not in plain] == []


# --- object files


def build_folder():
    folder = os.environ.get("PYSEQ_BUILD_DIR")
    if not folder:
        pytest.skip("needs PYSEQ_BUILD_DIR, a CMake build folder")
    return ROOT / folder


def objects():
    """(level, object file) of all code compiled per instruction set."""
    for path in sorted(build_folder().rglob("pyseq_kernels_*.dir/**/*.o")):
        level = re.search(r"pyseq_kernels_(\w+)\.dir", str(path)).group(1)
        yield level, path


def test_objects_carry_nothing_that_others_could_link():
    """A weak symbol of AVX-512 code may win over its baseline twin; an initialiser runs anywhere."""
    wrong, count = [], 0
    for level, path in objects():
        count += 1
        names = subprocess.run(["nm", "-C", str(path)], capture_output=True, text=True, check=True)
        for line in names.stdout.splitlines():
            kind, _, name = line[17:].partition(" ")
            if kind in "WVuw" and "gxx_personality" not in name:
                wrong.append(f"{path.name} ({level}): weak {name}")
            elif kind in "TDBR" and f"pyseq::{level}::" not in name:
                wrong.append(f"{path.name} ({level}): {name} outside its namespace")
        sections = subprocess.run(["readelf", "-SW", str(path)], capture_output=True, text=True,
                                  check=True).stdout
        if re.search(r"\.(init_array|ctors)", sections):
            wrong.append(f"{path.name} ({level}): static initialiser")
    assert count > 0
    assert not wrong, "\n".join(wrong)


# Symbols of other libraries that kernels may call: no allocation, no I/O, no exceptions (plan()
# throws through Plan::fail, which is the core's).
MAY_CALL = re.compile(
    r"^(mem(cpy|set|move|cmp)|strcmp|strlen|"
    r"(exp|expm1|log|log1p|log2|tanh|sinh|cosh|sin|cos|tan|asin|acos|atan|asinh|acosh|atanh|pow|"
    r"sqrt|floor|ceil|round|trunc|rint|nearbyint|fmod|erf|erfc|lgamma|tgamma|atan2|hypot|cbrt|"
    r"ldexp|fma|fmin|fmax|sincos)f?|"
    r"_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__cpu_model|__popcountdi2|__gxx_personality_v0|_Unwind_Resume)$"
)


def test_objects_call_neither_malloc_nor_io():
    wrong = set()
    for level, path in objects():
        names = subprocess.run(["nm", "-u", str(path)], capture_output=True, text=True, check=True)
        for line in names.stdout.splitlines():
            name = line.split()[-1]
            # The self-test of AMX tiles, run once when a table is chosen, needs some memory.
            once = level == "amx" and path.name.startswith("table.") and name in ("malloc", "free")
            if not MAY_CALL.match(name) and "5pyseq" not in name and not once:
                wrong.add(f"{path.name} ({level}) calls {name}")
    assert sorted(wrong) == []


def test_baseline_objects_hold_no_wide_registers():
    """Everything that is not a kernel runs on any CPU of the architecture."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("x86-64 only")
    wrong = []
    folders = ["pyseq_core.dir", "pyseq_kernels_base.dir", "pyseq_kernels_ref64.dir", "_core.dir"]
    paths = [p for folder in folders for p in build_folder().rglob(f"{folder}/**/*.o")]
    assert paths
    for path in paths:
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", str(path)],
                              capture_output=True, text=True, check=True).stdout
        if found := re.search(r"%[yz]mm\d+|%tmm\d", text):
            wrong.append(f"{path.name}: {found.group(0)}")
    assert not wrong, "\n".join(wrong)


def test_table_uses_specs():
    assert all(isinstance(case.spec, Spec) for case in CASES)
