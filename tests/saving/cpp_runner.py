"""Exported headers, compiled by the system's compiler and run on rows."""

import shutil
import subprocess

import numpy as np

import pyseq

COMPILER = next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), None)

# For each header: rows of `<name>.in` through `run`, and step by step where there is `step`; the answers
# go to `<name>.run` and `<name>.steps`. Fails where a call allocates.
_PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <vector>
%(includes)s

static long allocations = 0;
// Inlined, GCC takes one for the match of another.
#define PYSEQ_APART __attribute__((noinline))
PYSEQ_APART void* operator new(std::size_t n) { ++allocations; return std::malloc(n); }
PYSEQ_APART void* operator new(std::size_t, std::align_val_t) { std::exit(5); }
PYSEQ_APART void operator delete(void* p) noexcept { std::free(p); }
PYSEQ_APART void operator delete(void* p, std::size_t) noexcept { std::free(p); }

template <class T>
std::vector<T> read(const std::string& path) {
  std::FILE* f = std::fopen(path.c_str(), "rb");
  std::fseek(f, 0, SEEK_END);
  std::vector<T> v(static_cast<std::size_t>(std::ftell(f)) / sizeof(T));
  std::rewind(f);
  if (std::fread(v.data(), sizeof(T), v.size(), f) != v.size()) std::exit(3);
  std::fclose(f);
  return v;
}
template <class T>
void write(const std::string& path, const std::vector<T>& v) {
  std::FILE* f = std::fopen(path.c_str(), "wb");
  std::fwrite(v.data(), sizeof(T), v.size(), f);
  std::fclose(f);
}

template <class M, class = void>
struct Steps {
  static void run(const std::string&, const std::vector<typename M::Input>&, M&) {}
};
template <class M>
struct Steps<M, std::void_t<decltype(M::kStepInputs)>> {
  static void run(const std::string& name, const std::vector<typename M::Input>& x, M& m) {
    const std::size_t count = x.size() / M::kStepInputs, row = M::kInputs / M::kStepInputs;
    std::vector<typename M::Output> y(count * M::kStepOutputs), whole(M::kOutputs);
    const long before = allocations;
    for (std::size_t t = 0; t < count; ++t) {
      if (t %% row == 0) m.reset();
      m.run(x.data(), whole.data());  // which leaves the state of the steps alone
      m.step(x.data() + t * M::kStepInputs, y.data() + t * M::kStepOutputs);
    }
    if (allocations != before) std::exit(2);
    write(name + ".steps", y);
  }
};

template <class M>
void check(const std::string& name) {
  static_assert(noexcept(std::declval<M&>().run(nullptr, nullptr)) && noexcept(std::declval<M&>().reset()));
  const auto x = read<typename M::Input>(name + ".in");
  const std::size_t rows = x.size() / M::kInputs;
  // Right behind them lies memory that is not theirs.
  std::vector<typename M::Output> y(rows * M::kOutputs + 64, 77);
  static M m;
  const long before = allocations;
  for (std::size_t r = 0; r < rows; ++r) m.run(x.data() + r * M::kInputs, y.data() + r * M::kOutputs);
  if (allocations != before) std::exit(2);
  for (std::size_t i = rows * M::kOutputs; i < y.size(); ++i)
    if (y[i] != 77) std::exit(4);
  y.resize(rows * M::kOutputs);
  write(name + ".run", y);
  Steps<M>::run(name, x, m);
}

int main() {
%(checks)s
}
"""


def compiled(folder, names, flags=("-O1",), prefix=""):
    """Compile and run headers of a folder in one program; their namespaces have a prefix."""
    includes = "\n".join(f'#include "{name}.h"' for name in names)
    checks = "\n".join(f'  check<{prefix}{name}::Model>("{name}");' for name in names)
    source = folder / "main.cpp"
    source.write_text("#include <string>\n" + _PROGRAM % {"includes": includes, "checks": checks})
    command = [COMPILER, "-std=c++17", "-Wall", "-Wextra", "-Wshadow", "-Werror", *flags, str(source), "-o", "main"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[:4000]
    subprocess.run([str(folder / "main")], cwd=folder, check=True)


def dtype_of(text, which):
    return "int64" if f"using {which} = std::int64_t" in text else "float32"


def export(folder, name, model, x, **more):
    """Export a model and lay its rows beside it."""
    path = folder / f"{name}.h"
    model.export(path, format="cpp", **more)
    np.ascontiguousarray(x, dtype_of(path.read_text(), "Input")).tofile(folder / f"{name}.in")


def answers(folder, name, which="run"):
    """What a header answered; None where it has no `step`."""
    path = folder / f"{name}.{which}"
    if not path.exists():
        return None
    return np.fromfile(path, dtype_of((folder / f"{name}.h").read_text(), "Output"))


def compare(folder, name, model, x):
    """`run` beside `predict`, and `step` beside both where there is one."""
    want = np.asarray(model.predict(x, batch_size=1, verbose=0), "float64")
    got = answers(folder, name).reshape(want.shape)
    # Sums of large numbers that cancel are as exact as the numbers.
    near = {"rtol": 1e-5, "atol": 2e-6 * max(1.0, np.nanmax(np.abs(want))), "err_msg": name}
    np.testing.assert_allclose(got, want, **near)
    steps = answers(folder, name, "steps")
    if steps is not None:
        steps = steps.reshape(len(x), model.input_shape[1], -1)
        whole = want.size == steps.size
        last = want.reshape(steps.shape) if whole else want.reshape(len(x), -1)
        np.testing.assert_allclose(steps if whole else steps[:, -1], last, **near)


def sequential(*parts):
    return pyseq.Sequential(list(parts))
