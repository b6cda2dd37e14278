"""A build that lacks something says so in its first seconds, in one sentence."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CXX = shutil.which("g++") or shutil.which("c++")

pytestmark = pytest.mark.skipif(
    not (ROOT / "CMakeLists.txt").is_file() or not shutil.which("cmake") or not CXX,
    reason="needs the source tree, CMake and a compiler",
)


@pytest.fixture
def configure(tmp_path, monkeypatch):
    """Configures with a compiler that is this shell script; gives what CMake's error says."""

    def run(script, *more):
        compiler = tmp_path / "compiler"
        if script is not None:
            compiler.write_text(f"#!/bin/sh\n{script}\n")
            compiler.chmod(0o755)
        monkeypatch.setenv("CXX", str(compiler))
        args = [
            "-S",
            ROOT,
            "-B",
            tmp_path / "build",
            "-DPYSEQ_ISAS=base",
            "-DPYSEQ_TESTS=OFF",
            *more,
        ]
        out = subprocess.run(["cmake", *args], capture_output=True, text=True)
        assert (out.returncode == 0) == ("CMake Error" not in out.stderr), out.stderr
        return " ".join(out.stderr.split())

    return run


def one_sentence(error, *parts):
    found = re.search(r"pyseq: expected .*?(?= Call Stack| -- Configuring|$)", error)
    assert found, error
    assert error.count("CMake Error") == 1, error
    for part in parts:
        assert part in found[0], found[0]


def test_no_compiler(configure):
    one_sentence(
        configure(None), "a C++20 compiler (GCC 11 or later", "got CXX=", "apt install g++"
    )


def test_a_compiler_that_fails(configure):
    one_sentence(configure("exit 1"), "got CXX=", "which compiles nothing")


def test_an_old_compiler(configure):
    old = f'exec {CXX} -U__GNUC__ -D__GNUC__=9 "$@"'
    one_sentence(
        configure(old), "GCC 11 or later", "got GNU 9.", "name another in the variable CXX"
    )


def test_a_compiler_without_the_library_of_cxx20(configure):
    script = f"""for a in "$@"; do case "$a" in *.cxx|*.cpp)
  if grep -q '<span>' "$a"; then echo 'no header <span>' >&2; exit 1; fi;; esac; done
exec {CXX} "$@\""""
    one_sentence(configure(script), "without C++20, its library or GNU's vector extensions")


def test_no_openmp(configure):
    script = f"""case " $* " in *-fopenmp*) echo 'no such option' >&2; exit 1;; esac
exec {CXX} "$@\""""
    one_sentence(
        configure(script), "expected OpenMP, for threads", "brew install libomp", "PYSEQ_OPENMP=OFF"
    )
    # What the sentence says is a way out.
    assert "CMake Error" not in configure(script, "-DPYSEQ_OPENMP=OFF")
