"""How wheels come about: the workflows, and the scripts in `.ci` that check a wheel."""

import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / ".ci"
WORKFLOWS = ROOT / ".github" / "workflows"

pytestmark = pytest.mark.skipif(not WORKFLOWS.is_dir(), reason="needs a checkout")


def script(name):
    spec = importlib.util.spec_from_file_location(name, CI / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(key):
    """`(file, value)` of each line `key: value` of the workflows."""
    for path in sorted(WORKFLOWS.glob("*.yml")):
        for value in re.findall(rf"^[ -]*{key}: (.*)$", path.read_text(), re.M):
            yield path.name, value


def test_actions_are_pinned():
    uses = list(lines("uses"))
    assert len(uses) > 10
    for file, value in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", value), (file, value)
    # One version of each.
    assert len({v for _, v in uses}) == len({v.split("@")[0] for _, v in uses})


def test_steps_are_scripts():
    runs = list(lines("run"))
    assert {"ci.yml", "wheels.yml", "docs.yml"} == {file for file, _ in runs}
    for file, value in runs:
        match = re.fullmatch(r"(?:bash )?(\.ci/\w+)(?: \w+)*", value)
        assert match, (file, value)
        assert os.access(ROOT / match[1], os.X_OK), f"{file}: {match[1]}"


def test_actionlint():
    if not shutil.which("actionlint"):
        pytest.skip("needs actionlint")
    files = sorted(map(str, WORKFLOWS.glob("*.yml")))
    run = subprocess.run(
        ["actionlint", "-shellcheck=", "-pyflakes=", *files], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_scripts_are_valid_shell():
    for path in sorted(CI.iterdir()):
        if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash"):
            run = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
            assert run.returncode == 0, run.stderr


LINUX = [
    "pyseq/__init__.py",
    "pyseq/layers/core.py",
    "pyseq/py.typed",
    "pyseq/_core.cpython-311-x86_64-linux-gnu.so",
    "pyseq/datasets/digits.npz",
    "pyseq_nn.libs/libgomp-24e2ab19.so.1.0.0",
    "pyseq_nn-0.1.0.dist-info/METADATA",
]


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["pyseq_nn.libs/libstdc++-1b614e01.so.6.0.32", "pyseq_nn.libs/libgcc_s-2298274a.so.1"],
        ["pyseq/.dylibs/libomp.dylib"],
        ["pyseq_nn.libs/libomp-4a2c.dll", "pyseq_nn.libs/.load-order-pyseq_nn-0.1.0"],
    ],
)
def test_a_wheel_as_it_should_be(more):
    assert not list(script("check_wheel").faults(LINUX + more, 3_000_000))


@pytest.mark.parametrize(
    "more, fault",
    [
        (["tests/conftest.py"], "expected no tests/conftest.py"),
        (["pyseq/include/pyseq/model.h"], "expected no pyseq/include/pyseq/model.h"),
        (["lib/libpyseq.a"], "expected no lib/libpyseq.a"),
        (["pyseq_nn.libs/libtorch.so"], "expected no pyseq_nn.libs/libtorch.so"),
        (["pyseq/_core.cpython-312-x86_64-linux-gnu.so"], "one compiled module"),
        (["pyseq/__init__.py"], "each file once"),
    ],
)
def test_what_a_wheel_must_not_hold(more, fault):
    found = list(script("check_wheel").faults(LINUX + more, 3_000_000))
    assert len(found) == 1 and fault in found[0], found


def test_a_wheel_that_is_too_large_or_pure():
    check = script("check_wheel")
    assert list(check.faults(LINUX, 4_000_000)) == ["expected less than 4000000 bytes, got 4000000"]
    pure = [name for name in LINUX if "_core" not in name]
    assert list(check.faults(pure, 1)) == ["expected one compiled module, got []"]


def test_keep_core(tmp_path):
    kept = ["csrc/CMakeFiles/a.dir/x.o", ".ninja_log", "libpyseq.a"]
    gone = [
        "CMakeCache.txt",
        "CMakeFiles/_core.dir/m.o",
        ".skbuild-info.json",
        "_core.cpython-310.so",
    ]
    for name in kept + gone:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    script("keep_core").main(tmp_path)
    assert sorted(
        p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()
    ) == sorted(kept)
    script("keep_core").main(tmp_path / "none yet")


def read_version():
    text = (ROOT / "pyseq" / "_version.py").read_text()
    return re.search(r'^__version__ = "(.*)"$', text, re.M)[1]


def test_the_version_stands_in_one_place():
    """The others read it; the recipe for conda, which conda-forge copies, is compared."""
    for name in ("pyproject.toml", "CMakeLists.txt", "CITATION.cff", "mkdocs.yml"):
        assert read_version() not in re.findall(r"\d+\.\d+\.\d+", (ROOT / name).read_text()), name
    project = (ROOT / "pyproject.toml").read_text()
    assert 'dynamic = ["version"]' in project and 'input = "pyseq/_version.py"' in project


def a_wheel(path):
    """With one bundled library, packed as other tools do; returns its files."""
    info = "pyseq_nn-9.0.0.dist-info"
    files = {
        "pyseq/__init__.py": b"x = 1\n" * 200,
        "pyseq_nn.libs/libgomp-24e2ab19.so.1.0.0": bytes(range(256)) * 3,
        f"{info}/sboms/pyseq-nn.cdx.json": b'{"components": [{"name": "pybind11"}]}',
    }
    record = "".join(f"{name},{digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (2031, 2, 3, 4, 5, 6))
            entry.external_attr = (0o100755 if ".so" in name else 0o100664) << 16
            archive.writestr(entry, data)
    return files


def digest(data):
    code = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={code.decode()}"


def by_zlib(data):
    packed = zlib.compress(data, 9)[2:-4]
    return packed if len(packed) < len(data) else None


def test_packed_wheels(tmp_path, monkeypatch):
    tool = script("pack_wheel")
    monkeypatch.setattr(tool.pack, "__defaults__", (by_zlib,))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    first, second = tmp_path / "a.whl", tmp_path / "b.whl"
    files = a_wheel(first)
    second.write_bytes(first.read_bytes())
    tool.main([first, second])
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < sum(map(len, files.values()))
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert sorted(names) == sorted(files) and names[-1].endswith("/RECORD")
        for entry in archive.infolist():
            assert entry.date_time == (2026, 9, 21, 14, 13, 20)
            assert entry.external_attr >> 16 == (0o100755 if ".so" in entry.filename else 0o100644)
        record = archive.read(names[-1]).decode().splitlines()
        for line in record[:-1]:  # what RECORD says is so
            name, code, size = line.split(",")
            assert (digest(archive.read(name)), len(archive.read(name))) == (code, int(size))
        sbom = json.loads(archive.read(next(n for n in names if n.endswith(".cdx.json"))))
    library = sbom["components"][1]
    assert [c["name"] for c in sbom["components"]] == ["pybind11", "libgomp-24e2ab19.so.1.0.0"]
    assert library["hashes"][0]["content"] == hashlib.sha256(bytes(range(256)) * 3).hexdigest()
    before = first.read_bytes()
    tool.main([first])
    assert first.read_bytes() == before


def test_zopfli_packs_what_zlib_reads():
    pytest.importorskip("zopfli")
    data = b"the same words, the same words, other words" * 50
    packed = script("pack_wheel").deflate(data)
    assert zlib.decompress(packed, -15) == data and len(packed) <= len(by_zlib(data))


def test_a_wheel_without_its_components(tmp_path):
    path = tmp_path / "bare.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pyseq_nn-9.0.0.dist-info/RECORD", "")
    with pytest.raises(SystemExit, match="expected a file .*pyseq-nn.cdx.json, got none"):
        script("pack_wheel").main([path])


def test_conda_recipe_follows_pyproject():
    recipe = (ROOT / "packaging/conda/recipe.yaml").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    version = read_version()
    assert f'  version: "{version}"\n' in recipe
    block = re.search(r"^dependencies = \[(.*?)\]$", project, re.M | re.S)[1]
    needs = re.findall(r'"([\w-]+>=[\d.]+)', block)
    assert len(needs) == 3
    run = re.search(r"^  run:\n((?:    .*\n)+)", recipe, re.M)[1]
    assert run == "    - python\n" + "".join(f"    - {n.replace('>=', ' >=')}\n" for n in needs)
    for tool in ("scikit-build-core", "pybind11"):
        bound = re.search(rf'"{tool}>=([\d.]+)"', project)[1]
        assert f"- {tool} >={bound}\n" in recipe
