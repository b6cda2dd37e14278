"""What is asked of the operating system stands behind `csrc/core/platform.h`."""

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"

pytestmark = pytest.mark.skipif(not CSRC.is_dir(), reason="needs the source tree")

PLATFORM = {"core/platform_posix.cpp", "core/platform_windows.cpp"}
# What its users' compilers have to be told of a shared library.
PLATFORM.add("include/pyseq.h")
# Runs the GPU kernels for tests, on Linux: threads of a block are contexts.
OF_TESTS = "cuda/emulation/"

HEADERS = re.compile(
    r"#\s*include\s*<(sys/|linux/|mach/|(unistd|fcntl|dlfcn|pthread|sched|signal|ucontext|poll|dirent|"
    r"windows|malloc|io|process|direct|psapi)\.h>)", re.IGNORECASE)
NAMES = re.compile(
    r"\b(_WIN32|_WIN64|__linux__|__APPLE__|__unix__|_MSC_VER|__MINGW32__|"
    r"pthread_\w+|sched_\w+|sigaction|syscall|madvise|mmap|munmap|posix_memalign|aligned_alloc|_aligned_\w+|"
    r"dlopen|dlsym|dladdr|dlerror|LoadLibrary\w*|GetProcAddress|CreateFile\w*|"
    r"getpid|fork|fsync|fileno|fstat|ssize_t|errno|strerror|setenv|HANDLE|DWORD)\b|\"/(proc|sys|dev)/")


def sources():
    for path in sorted(CSRC.rglob("*")):
        name = path.relative_to(CSRC).as_posix()
        if path.suffix in (".cpp", ".h", ".cu") and name not in PLATFORM and not name.startswith(OF_TESTS):
            yield name, path.read_text()


def code(text):
    """Without comments, and without pybind11's own `py::ssize_t`."""
    return re.sub(r"//[^\n]*", "", text).replace("py::ssize_t", "")


def test_no_name_of_a_system_elsewhere():
    wrong = []
    for name, text in sources():
        for pattern in (HEADERS, NAMES):
            wrong += [f"{name}: {found.group(0)}" for found in pattern.finditer(code(text))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("line", [
    "#include <unistd.h>", "#include <sys/mman.h>", "# include <Windows.h>", "#if defined(_WIN32)",
    "pthread_atfork(nullptr, nullptr, f);", 'std::ifstream f("/proc/self/status");', "ssize_t got = 0;",
    "::getpid()", "std::aligned_alloc(64, n)",
])
def test_such_names_are_seen(line):
    assert HEADERS.search(code(line)) or NAMES.search(code(line))
