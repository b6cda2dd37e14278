#include "core/environment.h"

#include <atomic>
#include <cstdlib>

#include "core/team.h"
#include "pyseq/config.h"

namespace pyseq {
namespace {

std::atomic<bool> used{false};

}  // namespace

const char* from_environment(const char* name) {
  const char* value = used.load() ? std::getenv(name) : nullptr;
  return value && *value ? value : nullptr;
}

void use_environment() {
  used.store(true);
  if (const char* threads = from_environment("OMP_NUM_THREADS")) set_default_threads(std::atoi(threads));
}

}  // namespace pyseq
