#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "core/isa.h"
#include "core/op.h"
#include "core/program.h"
#include "pyseq/error.h"

namespace pyseq {

constexpr std::size_t kMaxBufferBytes = std::size_t{1} << 48;  // of one buffer

struct Booking {
  Index per_row = 0, fixed = 0, per_worker = 0;  // reals
};

// Bytes of `b` for n rows, without the workers' parts. Throws Error where no machine has as many.
std::size_t buffer_bytes(const Booking& b, std::size_t n, std::size_t real, const std::string& where);

// What one op asked for and declared while it was planned.
struct PlanState {
  const char* kind = "";
  std::string where;  // starts every message
  const Attributes* attributes = nullptr;
  bool training = false;
  std::vector<Shape> inputs, params;
  const std::vector<Shape>* inferred = nullptr;  // outputs, where lowering inferred them

  std::vector<bool> asked_inputs, declared_params;
  std::vector<std::string> asked_attributes;
  std::vector<bool> int64_inputs;
  std::vector<Shape> outputs;
  std::vector<bool> int64_outputs;
  std::vector<Booking> kept, scratch;
  std::vector<Index> packed;
  std::vector<bool> reads_input, reads_output;
  std::vector<int> written_params, few_rows;
  bool in_place = false, alias = false, adds_loss = false, ends_gradient = false, by_rows = false;
  bool whole_batch = false, takes_int64 = false;
  double forward_flops = 0, backward_flops = 0;
  enum class Slots : std::uint8_t { unknown, each, matrices, factored } slots = Slots::unknown;
  int slot_count = 0;
  Plan::Rest rest = Plan::Rest::nothing;
  std::shared_ptr<std::byte[]> config;  // never changed once planned
};

// Throws unless there are at most `most` dimensions, each from `least` to kMaxSize, and at most
// kMaxElements elements even where none of them is 0.
void check_dims(const Dims& dims, std::int64_t least, std::size_t most, const std::string& where);
inline std::int64_t elements(const Dims& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}
Shape to_shape(const Dims& dims, const std::string& where, std::int64_t fold = 1);
std::string to_text(const Shape& shape);

// Throws unless the plan has read each attribute, asked for each input and declared each variable.
void check_complete(const PlanState& state);

// Throws unless an optimizer's plan knows what to do with these slots of a variable.
void check_slots(const PlanState& state, const Variable& variable, const std::vector<VariablePtr>& slots);

// Runs def.plan and checks that the outputs are those that lowering inferred; `infers`: whatever they are. On the host the plan has to
// be complete too; a GPU's twin leaves that to the host's plan.
PlanState plan_op(const OpDef& def, const OpSpec& op, const ProgramSpec& program, bool training,
                  const KernelTable& table, bool infers = false);

}  // namespace pyseq
