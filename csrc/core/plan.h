#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "core/isa.h"
#include "core/op.h"
#include "pyseq/error.h"
#include "pyseq/program.h"

namespace pyseq {

struct Booking {
  Index per_row = 0, fixed = 0, per_worker = 0;  // reals
};

// What one op asked for and declared while it was planned.
struct PlanState {
  const char* kind = "";
  std::string where;  // starts every message
  const Attributes* attributes = nullptr;
  bool training = false;
  std::vector<Shape> inputs, params;

  std::vector<bool> int64_inputs;
  std::vector<Shape> outputs;
  std::vector<bool> int64_outputs;
  std::vector<Booking> kept, scratch;
  std::vector<Index> packed;
  std::vector<bool> reads_input, reads_output;
  std::vector<int> written_params;
  bool in_place = false, alias = false, adds_loss = false, ends_gradient = false, by_rows = false;
  bool whole_batch = false, takes_int64 = false;
  double forward_flops = 0, backward_flops = 0;
  std::shared_ptr<std::byte[]> config;  // never changed once planned
};

inline std::int64_t elements(const Dims& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}
Shape to_shape(const Dims& dims, const std::string& where, std::int64_t fold = 1);
std::string to_text(const Shape& shape);

// Runs def.plan and checks that the outputs are those that lowering inferred.
PlanState plan_op(const OpDef& def, const OpSpec& op, const ProgramSpec& program, bool training);

}  // namespace pyseq
