#include "core/program.h"

#include <cstdio>

#include "core/isa.h"
#include "core/plan.h"

namespace pyseq {
namespace {

void check_index(int i, std::size_t size, const std::string& where, const char* what) {
  if (i < 0 || static_cast<std::size_t>(i) >= size)
    throw Error(where + ": expected a " + what + " below " + std::to_string(size) + ", got " +
                std::to_string(i));
}

void check(const ProgramSpec& spec, const KernelTable& table, std::size_t host_count) {
  std::vector<bool> written(spec.slots.size());
  for (std::size_t s = 0; s < spec.slots.size(); ++s)
    check_dims(spec.slots[s], 0, kMaxRank + 1, "slot " + std::to_string(s));
  for (const VariableSpec& v : spec.variables) check_dims(v.shape, 1, kMaxRank, "variable " + v.name);
  if (!spec.dtypes.empty() && spec.dtypes.size() != spec.slots.size())
    throw Error("Program: expected a dtype for each of " + std::to_string(spec.slots.size()) +
                " slots, got " + std::to_string(spec.dtypes.size()));
  for (const DType dtype : spec.dtypes)
    if (dtype != spec.dtype && dtype != DType::int64)
      throw Error(std::string("Program: expected slots of the program's dtype or int64, got ") +
                  name_of(dtype));
  if (spec.inputs.empty() || spec.outputs.empty())
    throw Error("Program: expected at least one input and one output");
  for (const int s : spec.inputs) {
    check_index(s, spec.slots.size(), "Program input", "slot");
    written[s] = true;
  }
  for (const OpSpec& op : spec.ops) {
    const std::string where = op.name + " (" + op.kind + ")";
    if (op.fold < 1) throw Error(where + ": expected a fold of 1 or more");
    if (op.inputs.empty() || op.outputs.empty())
      throw Error(where + ": expected at least one input and one output");
    for (const int s : op.inputs) {
      check_index(s, spec.slots.size(), where, "slot");
      if (!written[s]) throw Error(where + ": expected inputs that earlier ops write");
    }
    for (const int s : op.outputs) {
      check_index(s, spec.slots.size(), where, "slot");
      if (written[s]) throw Error(where + ": expected outputs that no earlier op writes");
      written[s] = true;
    }
    for (const int v : op.params) check_index(v, spec.variables.size(), where, "variable");
    if (op.kind == "host" && table.device)
      throw Error(where + ": expected a layer with a kernel for " + std::string(table.isa) +
                  ", got a Python function, which runs on the host only; use set_device(\"cpu\")");
    if (op.kind == "host") {
      const auto it = op.attributes.find("callback");
      const auto* i = it == op.attributes.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
      if (!i) throw Error(where + ": expected attribute `callback`");
      check_index(static_cast<int>(*i), host_count, where, "callback");
      continue;
    }
    const OpDef* def = find_op(table, op.kind.c_str());
    if (!def && table.device)
      throw Error(where + ": expected an op with a kernel for " + table.isa + ", got `" + op.kind +
                  "`, which runs on the host only; use set_device(\"cpu\")");
    if (!def)
      throw Error(where + ": expected an op of this build, got `" + op.kind + "`; where PYSEQ_OPS chooses, "
                  "`python -m pyseq ops model.pyseq` says which");
    plan_op(*def, op, spec, spec.training, table);
  }
  for (const int s : spec.outputs) {
    check_index(s, spec.slots.size(), "Program output", "slot");
    if (!written[s]) throw Error("Program output: expected a slot that some op writes");
  }
}

}  // namespace

std::size_t slot_row_bytes(const ProgramSpec& spec, int slot) {
  return static_cast<std::size_t>(elements(spec.slots.at(static_cast<std::size_t>(slot)))) *
         size_of(slot_dtype(spec, slot));
}

Program::Program(ProgramSpec spec, std::vector<HostFunction> host, const char* isa)
    : spec_(std::move(spec)),
      host_(std::move(host)),
      table_(&kernel_table(spec_.dtype == DType::float64 ? "ref64" : isa)) {
  // The host's plans know every mistake; a GPU's only guard its memory.
  if (table_->device) check(spec_, kernel_table(""), host_.size());
  check(spec_, *table_, host_.size());
}

const char* level_of(const Device& device) {
  return is_device_name(device.name().c_str()) ? device.name().c_str() : "";
}

Program::Program(ProgramSpec spec, std::vector<HostFunction> host, const Device& device)
    : Program(std::move(spec), std::move(host), level_of(device)) {}

Program::~Program() = default;

const char* Program::isa() const { return table_->isa; }

std::string Program::dump(std::int64_t n, const std::vector<double>& microseconds) const {
  const bool timed = !microseconds.empty();
  if (timed && microseconds.size() != 2 * spec_.ops.size())
    throw Error("Program.dump: expected the times of " + std::to_string(spec_.ops.size()) +
                " ops, forward and backward, got " + std::to_string(microseconds.size()));
  std::string out = "program for " + std::string(isa()) + ", batches of " + std::to_string(n) + "\n";
  char line[256];
  std::snprintf(line, sizeof line, "%3s  %-20s %-24s %-18s %12s %12s%s\n", "op", "kind", "layer",
                "output", "bytes", "flops", timed ? "   forward us  backward us" : "");
  out += line;
  for (std::size_t j = 0; j < spec_.ops.size(); ++j) {
    const OpSpec& op = spec_.ops[j];
    double flops = 0, bytes = 0;
    std::string shape;
    for (const int s : op.outputs) {
      const Shape t = to_shape(spec_.slots[s], op.name);
      shape += to_text(t);
      bytes += static_cast<double>(slot_row_bytes(spec_, s)) * static_cast<double>(n);
    }
    if (op.kind != "host") {
      const PlanState state = plan_op(*find_op(*table_, op.kind.c_str()), op, spec_, spec_.training, *table_);
      flops = state.forward_flops * static_cast<double>(op.fold * n);
      if (state.alias) bytes = 0;
    }
    std::snprintf(line, sizeof line, "%3zu  %-20s %-24s %-18s %12.0f %12.0f", j, op.kind.c_str(),
                  op.name.c_str(), shape.c_str(), bytes, flops);
    out += line;
    if (timed) {
      std::snprintf(line, sizeof line, " %12.1f %12.1f", microseconds[j], microseconds[spec_.ops.size() + j]);
      out += line;
    }
    out += '\n';
  }
  return out;
}

}  // namespace pyseq
