#include "core/precision.h"

#include <atomic>
#include <cstring>
#include <string>

#include "pyseq/config.h"
#include "pyseq/error.h"

namespace pyseq {
namespace {

constexpr const char* kNames[] = {"medium", "high", "highest"};

std::atomic<int> usual{3};
// Whether there ever was a scope: without one nothing of a thread's own is touched, which may take memory.
std::atomic<bool> any_scope{false};
thread_local int of_thread = 0;

}  // namespace

int usual_precision() { return usual.load(std::memory_order_relaxed); }

int PrecisionScope::current() noexcept { return any_scope.load(std::memory_order_relaxed) ? of_thread : 0; }

int matmul_precision() {
  const int own = PrecisionScope::current();
  return own ? own : usual_precision();
}

PrecisionScope::PrecisionScope(int precision) noexcept : before_(0), changes_(precision != 0) {
  if (!changes_) return;
  any_scope.store(true, std::memory_order_relaxed);
  before_ = of_thread;
  of_thread = precision;
}

PrecisionScope::~PrecisionScope() {
  if (changes_) of_thread = before_;
}

int precision_from(const char* name, const char* where) {
  for (int i = 0; i < 3; ++i)
    if (!std::strcmp(name, kNames[i])) return i + 1;
  throw Error(std::string(where) + ": expected \"highest\", \"high\" or \"medium\", got \"" + name + "\"");
}

void set_matmul_precision(const std::string& name) {
  usual = precision_from(name.c_str(), "set_float32_matmul_precision");
}

std::string matmul_precision_name() { return kNames[usual_precision() - 1]; }

}  // namespace pyseq
