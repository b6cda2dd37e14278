#pragma once
// One op of an executor's program, and the layout of their memory: for the files of Executor alone.
#include <vector>

#include "core/executor.h"

namespace pyseq {

struct Executor::Node {
  const OpDef* def = nullptr;
  const HostFunction* host = nullptr;
  const OpSpec* spec = nullptr;
  PlanState state;
  std::int64_t fold = 1;
  bool runs_backward = false;
  bool packs_anew = false;              // before each call: another op writes its weights
  bool trains = false;                  // called for training, whatever the run is for
  std::vector<int> add_input;           // inputs whose gradient is added to what is there
  std::vector<int> add_param;           // the same for variables
  std::vector<void*> input_sum, param_sum;  // where those sums go
  std::vector<void*> x, y, dx, dy, param, dparam, kept, scratch, packed;
  std::vector<unsigned char*> touched;  // of each variable, or none
  std::vector<Index> worker_stride;
  double loss = 0;
  bool fault = false;
  Run run{};

  bool runs_after() const { return def && def->after; }
};

// Blocks of the arena while it is laid out: a value for each slot, a gradient for each slot, kept
// buffers, gradient temporaries; then one scratch block that all ops use in turn.
struct Executor::Layout {
  std::vector<Block> blocks;
  std::vector<std::size_t> kept_at, temporary_at;  // first block of each op
  std::size_t values = 0;                          // bytes of all blocks
  std::size_t scratch = 0;
};

}  // namespace pyseq
