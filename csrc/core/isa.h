#pragma once
#include "core/device.h"
#include "core/op.h"
#include "pyseq/config.h"

namespace pyseq {

struct PenaltySpec;

// Everything that one ISA build of the kernels offers to the core.
struct KernelTable {
  const char* isa;
  std::size_t real_size;
  const OpDef* const* ops;
  int op_count;
  const OpDef* const* losses;
  int loss_count;
  const OptimizerDef* const* optimizers;
  int optimizer_count;
  // dst += src
  void (*add)(Pool*, const void* src, void* dst, Index n);
  // dst = a * dst + b * src
  void (*blend)(Pool*, const void* src, void* dst, Index n, double a, double b);
  // sum of squares, in a fixed order
  double (*sum_squares)(Pool*, const void* x, Index n, double* partial);
  bool (*all_finite)(Pool*, const void* x, Index n);
  // Weight regularizer: adds its gradient to g (may be null) and returns its value.
  double (*penalty)(Pool*, double l1, double l2, double orthogonal, bool rows, const Shape&,
                    const void* w, void* g);
  // kind: 0 max_norm, 1 unit_norm, 2 min_max_norm, 3 non_neg
  void (*constrain)(Pool*, int kind, double min_value, double max_value, double rate,
                    const int* axes, int axis_count, const Shape&, void* w);
  // False if this level multiplies matrices wrongly on this CPU; asked once, before it is chosen.
  bool (*self_test)();
  // Operations on registers alone, for the clock; returns how many.
  double (*multiply_adds)(Index steps);
  const DeviceTable* device;  // null: the host
};

// Null: the current device. "": PYSEQ_ISA, where the environment counts, or the best that this CPU
// runs. "avx2", ...: that level. "cuda", "cuda:1", ...: a GPU. Throws Error.
const KernelTable& kernel_table(const char* name);

// Of a name for which is_device_name holds.
const KernelTable& device_kernel_table(const char* name);
bool is_device_name(const char* name);

const OpDef* find_op(const KernelTable&, const char* kind);
const OpDef* find_loss(const KernelTable&, const char* kind);
const OptimizerDef* find_optimizer(const KernelTable&, const char* kind);

}  // namespace pyseq
