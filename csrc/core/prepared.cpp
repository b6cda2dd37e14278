// Inference in real time: a flat list of kernels over memory that was taken beforehand.
#include "core/prepared.h"

#include <algorithm>
#include <cstring>

#include "core/precision.h"
#include "pyseq/error.h"

namespace pyseq {

const char* to_text(Status status) noexcept {
  switch (status) {
    case Status::ok: return "ok";
    case Status::too_many_rows: return "expected at most as many rows as were prepared for";
    case Status::bad_value: return "expected ids inside their table";
    case Status::stale: return "expected the weights and the precision of when it was prepared";
  }
  return "unknown";
}

Prepared::Shared::Shared(ProgramPtr p, const std::vector<VariablePtr>& v, int own_precision)
    : program(std::move(p)), own(own_precision), precision(own ? own : usual_precision()) {
  for (const OpSpec& op : program->spec().ops)
    if (op.kind == "host")
      throw Error(op.name + ": expected a built-in layer to prepare, got a Python function");
  if (program->table().device)
    throw Error("Session::prepare: expected a program of the host, got one of " + std::string(program->isa()));
  ExecutorOptions options;
  options.packs_all = true;
  const PrecisionScope scope(own);
  leader = std::make_unique<Executor>(*program, v, options);
  leader->begin(nullptr, false);
  version = leader->packed_version();
}

bool Prepared::Shared::stale() const noexcept {
  return leader->version_of_packed() != version || (!own && usual_precision() != precision);
}

Prepared::State::State(std::shared_ptr<const Shared> s, const std::vector<VariablePtr>& variables,
                       std::int64_t rows, void* memory)
    : shared(std::move(s)) {
  ExecutorOptions options;
  options.max_rows = rows;
  options.memory = memory;
  // Where ops write packed weights anew in each call, these are this object's own.
  options.packs_all = !shared->leader->can_lead();
  options.leader = options.packs_all ? nullptr : shared->leader.get();
  options.threads = 1;
  const PrecisionScope scope(shared->own);
  executor = std::make_unique<Executor>(*shared->program, variables, options);
  executor->begin(nullptr, false);
}

Prepared::Prepared(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Prepared::Prepared(Prepared&&) noexcept = default;
Prepared& Prepared::operator=(Prepared&&) noexcept = default;
Prepared::~Prepared() = default;

std::int64_t Prepared::max_rows() const noexcept { return state_->executor->max_rows(); }

Status Prepared::run(std::int64_t n, const void* const* inputs, void* const* outputs) noexcept {
  Executor& executor = *state_->executor;
  if (n < 0 || n > executor.max_rows()) return Status::too_many_rows;
  if (n == 0) return Status::ok;
  const Shared& shared = *state_->shared;
  if (shared.stale()) return Status::stale;
  const PrecisionScope scope(shared.own);
  const bool good = executor.run_flat(n, inputs);
  const ProgramSpec& spec = shared.program->spec();
  for (std::size_t i = 0; i < spec.outputs.size(); ++i)
    std::memcpy(outputs[i], executor.slot(spec.outputs[i]),
                slot_row_bytes(spec, spec.outputs[i]) * static_cast<std::size_t>(n));
  return good ? Status::ok : Status::bad_value;
}

}  // namespace pyseq
