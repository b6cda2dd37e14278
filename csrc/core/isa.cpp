#include "core/isa.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

#include "core/cpu.h"
#include "core/environment.h"
#include "pyseq/error.h"

namespace pyseq {

// One line for each level that was built: PYSEQ_ISA_LEVEL(avx2), best last.
#define PYSEQ_ISA_LEVEL(name)    \
  namespace name {               \
  extern const KernelTable table; \
  }
#include "isa_list.inc"
#undef PYSEQ_ISA_LEVEL

namespace {

const KernelTable* const kTables[] = {
#define PYSEQ_ISA_LEVEL(name) &name::table,
#include "isa_list.inc"
#undef PYSEQ_ISA_LEVEL
};

bool runs_here(const KernelTable& t) {
  if (!cpu_runs(t.isa)) return false;
  if (std::strcmp(t.isa, "amx")) return true;
  static const bool passes = t.self_test();
  return passes;
}

std::string list(bool here) {
  std::string s;
  for (const KernelTable* t : kTables)
    if (!here || runs_here(*t)) s += (s.empty() ? "" : ", ") + std::string(t->isa);
  return s;
}

template <class T>
const T* find(const T* const* items, int count, const char* kind) {
  for (int i = 0; i < count; ++i)
    if (!std::strcmp(items[i]->kind, kind)) return items[i];
  return nullptr;
}

}  // namespace

const KernelTable& kernel_table(const char* name) {
  const std::string device = name ? name : current_device();
  if (is_device_name(device.c_str())) return device_kernel_table(device.c_str());
  if (!name || !*name) name = from_environment("PYSEQ_ISA");
  const KernelTable* best = nullptr;
  for (const KernelTable* t : kTables) {
    if (name && *name) {
      if (std::strcmp(t->isa, name)) continue;
      if (!runs_here(*t))
        throw Error(std::string("PYSEQ_ISA: expected a level that this CPU runs (") + list(true) +
                    "), got " + name + "; unset PYSEQ_ISA to choose the best");
      return *t;
    }
    if (std::strcmp(t->isa, "ref64") && runs_here(*t)) best = t;
  }
  if (!best && name && !std::strcmp(name, "ref64"))
    throw Error("float64: expected the kernels of ref64, got a build without (" + list(false) +
                "); build pyseq with PYSEQ_ISAS=all, or with native, its default");
  if (!best)
    throw Error("PYSEQ_ISA: expected a level that was built (" + list(false) + "), got " +
                (name ? name : "none that this CPU runs") +
                "; build pyseq with PYSEQ_ISAS=all for every level");
  return *best;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> r;
  for (const KernelTable* t : kTables)
    if (runs_here(*t)) r.emplace_back(t->isa);
  return r;
}

std::vector<std::string> built_isas() {
  std::vector<std::string> r;
  for (const KernelTable* t : kTables) r.emplace_back(t->isa);
  return r;
}

double peak_flops() {
  using Clock = std::chrono::steady_clock;
  const KernelTable& table = kernel_table("");
  double best = 0;
  for (int i = 0; i < 20; ++i) {
    const auto start = Clock::now();
    const double done = table.multiply_adds(20000);
    best = std::max(best, done / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

std::string current_isa() { return kernel_table("").isa; }

const OpDef* find_op(const KernelTable& t, const char* kind) {
  return find(t.ops, t.op_count, kind);
}
const OpDef* find_loss(const KernelTable& t, const char* kind) {
  return find(t.losses, t.loss_count, kind);
}
const OptimizerDef* find_optimizer(const KernelTable& t, const char* kind) {
  return find(t.optimizers, t.optimizer_count, kind);
}

const DeviceOptimizerDef* find_optimizer(const DeviceTable& t, const char* kind) {
  return find(t.optimizers, t.optimizer_count, kind);
}

}  // namespace pyseq
