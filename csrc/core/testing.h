#pragma once
// Single ops, losses and optimizers, for tests and for Python's eager paths.
#include <cstdint>
#include <string>
#include <vector>

#include "core/program.h"

namespace pyseq {

// One op forward, and backward when `seeds` (gradients of the outputs) are given. All variables have
// the dtype of the level: float64 for "ref64", else float32. Inputs and outputs hold n rows.
struct OpRun {
  OpSpec op;                        // kind, attributes and fold; the numbering is made here
  std::vector<Dims> input_shapes;   // per sample
  std::vector<Dims> output_shapes;  // per sample
  std::vector<const void*> inputs, seeds;
  std::vector<VariablePtr> params;
  std::int64_t n = 0;
  bool training = false;
  std::uint64_t step = 0;
};
struct OpResult {
  std::vector<VariablePtr> outputs, input_gradients, param_gradients;  // (n, ...)
  double loss = 0;
};
OpResult run_op(const OpRun& run, const char* isa);

struct LossResult {
  VariablePtr values, gradient;  // (n, rows per sample...), (n, ...)
};
// gradient = scale[row] * d value[row] / d pred, if wanted.
LossResult run_loss(const std::string& kind, const Attributes& attributes, const Dims& pred_shape,
                    const Dims& target_shape, std::int64_t n, const void* pred, const void* target,
                    const void* scale, bool want_gradient, const char* isa);

// One step of an optimizer on one variable.
struct OptimizerRun {
  std::string kind;
  Attributes attributes;
  VariablePtr variable;
  const void* gradient = nullptr;
  std::vector<VariablePtr> slots;
  double lr = 0, grad_scale = 1, clip = 0, decay = 0;  // clip 0: none; decay: times lr already
  std::int64_t t = 1;
};
void run_optimizer(const OptimizerRun& run, const char* isa);

}  // namespace pyseq
