#include "core/plan.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace pyseq {
namespace {

template <class T>
const T& attribute(const PlanState& s, const char* name, const char* type) {
  const auto it = s.attributes->find(name);
  if (it == s.attributes->end())
    throw Error(s.where + ": expected attribute `" + name + "`, got none");
  if (const T* v = std::get_if<T>(&it->second)) return *v;
  throw Error(s.where + ": expected attribute `" + name + "` to be " + type +
              ", got another type");
}

template <class T, class U>
int fill(const PlanState& s, const char* name, U* out, int max, const char* type) {
  // An empty Python list carries no element type.
  const auto it = s.attributes->find(name);
  if (it != s.attributes->end()) {
    if (const auto* v = std::get_if<std::vector<std::int64_t>>(&it->second)) {
      if (static_cast<int>(v->size()) > max)
        throw Error(s.where + ": expected at most " + std::to_string(max) + " elements in `" +
                    name + "`, got " + std::to_string(v->size()));
      for (std::size_t i = 0; i < v->size(); ++i) out[i] = static_cast<U>((*v)[i]);
      return static_cast<int>(v->size());
    }
    // A number is a list of one.
    if (const auto* i = std::get_if<std::int64_t>(&it->second); i && max > 0)
      return out[0] = static_cast<U>(*i), 1;
    if (const T* v = std::get_if<T>(&it->second); v && max > 0)
      return out[0] = static_cast<U>(*v), 1;
  }
  const auto& v = attribute<std::vector<T>>(s, name, type);
  if (static_cast<int>(v.size()) > max)
    throw Error(s.where + ": expected at most " + std::to_string(max) + " elements in `" + name +
                "`, got " + std::to_string(v.size()));
  for (std::size_t i = 0; i < v.size(); ++i) out[i] = static_cast<U>(v[i]);
  return static_cast<int>(v.size());
}

}  // namespace

DType slot_dtype(const ProgramSpec& spec, int slot) {
  return spec.dtypes.empty() ? spec.dtype : spec.dtypes.at(static_cast<std::size_t>(slot));
}

bool Plan::has(const char* name) const { return state_.attributes->count(name) != 0; }

Index Plan::integer(const char* name) const {
  return attribute<std::int64_t>(state_, name, "an integer");
}
Index Plan::integer(const char* name, Index otherwise) const {
  return has(name) ? integer(name) : otherwise;
}
double Plan::number(const char* name) const {
  const auto it = state_.attributes->find(name);
  if (it != state_.attributes->end())
    if (const auto* i = std::get_if<std::int64_t>(&it->second)) return static_cast<double>(*i);
  return attribute<double>(state_, name, "a number");
}
double Plan::number(const char* name, double otherwise) const {
  return has(name) ? number(name) : otherwise;
}
bool Plan::flag(const char* name, bool otherwise) const {
  return has(name) ? integer(name) != 0 : otherwise;
}
const char* Plan::text(const char* name, const char* otherwise) const {
  return has(name) ? attribute<std::string>(state_, name, "a string").c_str() : otherwise;
}
int Plan::integers(const char* name, Index* out, int max) const {
  return fill<std::int64_t>(state_, name, out, max, "a list of integers");
}
int Plan::numbers(const char* name, double* out, int max) const {
  return fill<double>(state_, name, out, max, "a list of numbers");
}

int Plan::inputs() const { return static_cast<int>(state_.inputs.size()); }
int Plan::params() const { return static_cast<int>(state_.params.size()); }
bool Plan::training() const { return state_.training; }

Shape Plan::input(int i) const {
  if (i < 0 || i >= inputs())
    fail("expected at least %d inputs, got %d", i + 1, inputs());
  return state_.inputs[i];
}
Shape Plan::param(int i) const {
  if (i < 0 || i >= params())
    fail("expected at least %d variables, got %d", i + 1, params());
  return state_.params[i];
}

bool Plan::is_int64(int i) const {
  const auto at = static_cast<std::size_t>(i);
  return at < state_.int64_inputs.size() && state_.int64_inputs[at];
}
void Plan::takes_int64() { state_.takes_int64 = true; }
void Plan::output(const Shape& shape, bool int64) {
  state_.outputs.push_back(shape);
  state_.int64_outputs.push_back(int64);
}

int Plan::keep(Index per_row, Index fixed) {
  state_.kept.push_back({per_row, fixed, 0});
  return static_cast<int>(state_.kept.size()) - 1;
}
int Plan::scratch(Index per_row, Index fixed, Index per_worker) {
  state_.scratch.push_back({per_row, fixed, per_worker});
  return static_cast<int>(state_.scratch.size()) - 1;
}

int Plan::pack(Index size) {
  state_.packed.push_back(size);
  return static_cast<int>(state_.packed.size()) - 1;
}

void Plan::backward_reads_input(int i) { state_.reads_input.at(i) = true; }
void Plan::backward_reads_output(int i) {
  if (i >= static_cast<int>(state_.reads_output.size())) state_.reads_output.resize(i + 1);
  state_.reads_output[i] = true;
}
void Plan::in_place() { state_.in_place = true; }
void Plan::alias() { state_.alias = true; }
void Plan::adds_loss() { state_.adds_loss = true; }
void Plan::ends_gradient() { state_.ends_gradient = true; }
void Plan::writes_param(int i) { state_.written_params.push_back(i); }
void Plan::parallel_by_rows() { state_.by_rows = true; }
void Plan::whole_batch() { state_.whole_batch = true; }
void Plan::flops(double forward_per_row, double backward_per_row) {
  state_.forward_flops = forward_per_row;
  state_.backward_flops = backward_per_row;
}

void* Plan::config_bytes(std::size_t n) {
  state_.config = std::make_unique<std::byte[]>(n);
  return state_.config.get();
}

void Plan::fail(const char* format, ...) const {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  throw Error(state_.where + ": " + text);
}

Shape to_shape(const Dims& dims, const std::string& where, std::int64_t fold) {
  Shape s;
  std::size_t first = 0;
  if (fold > 1) {
    if (dims.empty() || dims[0] != fold)
      throw Error(where + ": expected a leading dimension of " + std::to_string(fold));
    first = 1;
  }
  if (dims.size() - first > kMaxRank)
    throw Error(where + ": expected at most " + std::to_string(kMaxRank) +
                " dimensions besides the batch, got " + std::to_string(dims.size() - first));
  for (std::size_t i = first; i < dims.size(); ++i) s.push(dims[i]);
  return s;
}

std::string to_text(const Shape& shape) {
  std::string s = "(";
  for (int i = 0; i < shape.rank; ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

PlanState plan_op(const OpDef& def, const OpSpec& op, const ProgramSpec& program, bool training) {
  PlanState s;
  s.kind = def.kind;
  s.where = op.name == op.kind ? op.kind : op.name + " (" + op.kind + ")";
  s.attributes = &op.attributes;
  s.training = training;
  for (const int i : op.inputs) {
    s.inputs.push_back(to_shape(program.slots.at(i), s.where, op.fold));
    s.int64_inputs.push_back(slot_dtype(program, i) == DType::int64);
  }
  for (const int i : op.params) s.params.push_back(to_shape(program.variables.at(i).shape, s.where));
  s.reads_input.resize(op.inputs.size());
  s.reads_output.resize(op.outputs.size());
  Plan plan(s);
  def.plan(plan);
  for (const bool int64 : s.int64_inputs)
    if (int64 && !s.takes_int64)
      throw Error(s.where + ": expected numbers of the program's dtype, got int64; cast them first");
  if (s.outputs.size() != op.outputs.size())
    throw Error(s.where + ": expected " + std::to_string(s.outputs.size()) + " outputs, got " +
                std::to_string(op.outputs.size()));
  for (std::size_t i = 0; i < s.outputs.size(); ++i) {
    const Shape inferred = to_shape(program.slots.at(op.outputs[i]), s.where, op.fold);
    if (to_text(inferred) != to_text(s.outputs[i]))
      throw Error(s.where + ": expected the inferred output shape " + to_text(s.outputs[i]) +
                  ", got " + to_text(inferred));
    if (s.int64_outputs[i] != (slot_dtype(program, op.outputs[i]) == DType::int64))
      throw Error(s.where + ": expected an output of " + (s.int64_outputs[i] ? "int64" : "numbers of the program's dtype") +
                  ", got another dtype");
  }
  return s;
}

}  // namespace pyseq
