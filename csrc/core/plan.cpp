#include "core/plan.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace pyseq {
namespace {

// The attribute of a name, or null; it counts as read.
const Attribute* read(PlanState& s, const char* name) {
  s.asked_attributes.emplace_back(name);
  const auto it = s.attributes->find(name);
  return it == s.attributes->end() ? nullptr : &it->second;
}

template <class T>
const T& attribute(PlanState& s, const char* name, const char* type) {
  const Attribute* a = read(s, name);
  if (!a) throw Error(s.where + ": expected attribute `" + name + "`, got none");
  if (const T* v = std::get_if<T>(a)) return *v;
  throw Error(s.where + ": expected attribute `" + name + "` to be " + type + ", got another type");
}

Index in_range(const PlanState& s, const char* name, Index value, Range range) {
  if (value < range.least || value > range.most)
    throw Error(s.where + ": expected `" + name + "` from " + std::to_string(range.least) + " to " +
                std::to_string(range.most) + ", got " + std::to_string(value));
  return value;
}

template <class T, class U>
int fill(PlanState& s, const char* name, U* out, int max, const char* type) {
  const auto copy = [&](const auto& v) {
    if (v.size() > static_cast<std::size_t>(max))
      throw Error(s.where + ": expected at most " + std::to_string(max) + " elements in `" + name + "`, got " +
                  std::to_string(v.size()));
    for (std::size_t i = 0; i < v.size(); ++i) out[i] = static_cast<U>(v[i]);
    return static_cast<int>(v.size());
  };
  if (const Attribute* a = read(s, name)) {
    // An empty Python list carries no element type; whole numbers are numbers; a number is a list of one.
    if (const auto* v = std::get_if<std::vector<std::int64_t>>(a)) return copy(*v);
    if (const auto* i = std::get_if<std::int64_t>(a); i && max > 0) return out[0] = static_cast<U>(*i), 1;
    if (const T* v = std::get_if<T>(a); v && max > 0) return out[0] = static_cast<U>(*v), 1;
  }
  return copy(attribute<std::vector<T>>(s, name, type));
}

bool same(const Shape& a, const Shape& b) {
  return a.rank == b.rank && std::equal(a.dim, a.dim + a.rank, b.dim);
}

std::string ranks_text(int least, int most) {
  if (least == most) return "of rank " + std::to_string(least);
  if (most == kMaxRank) return "of rank " + std::to_string(least) + " or more";
  return "of rank " + std::to_string(least) + " to " + std::to_string(most);
}

void check_rank(const PlanState& s, const Shape& shape, const char* what, int least, int most) {
  if (shape.rank < least || shape.rank > most)
    throw Error(s.where + ": expected " + what + " " + ranks_text(least, most) + ", got shape " + to_text(shape));
}

void check_booking(const PlanState& s, std::initializer_list<Index> sizes) {
  for (const Index size : sizes)
    if (size < 0 || size > 64 * kMaxElements)
      throw Error(s.where + ": expected buffers of at most " + std::to_string(64 * kMaxElements) +
                  " elements, got " + std::to_string(size));
}

}  // namespace

DType slot_dtype(const ProgramSpec& spec, int slot) {
  return spec.dtypes.empty() ? spec.dtype : spec.dtypes.at(static_cast<std::size_t>(slot));
}

bool Plan::has(const char* name) const { return read(state_, name) != nullptr; }

Index Plan::integer(const char* name, Range range) const {
  return in_range(state_, name, attribute<std::int64_t>(state_, name, "an integer"), range);
}
Index Plan::integer(const char* name, Index otherwise, Range range) const {
  return has(name) ? integer(name, range) : in_range(state_, name, otherwise, range);
}
std::uint64_t Plan::seed() const {
  return static_cast<std::uint64_t>(attribute<std::int64_t>(state_, "seed", "an integer"));
}
double Plan::number(const char* name) const {
  if (const Attribute* a = read(state_, name))
    if (const auto* i = std::get_if<std::int64_t>(a)) return static_cast<double>(*i);
  return attribute<double>(state_, name, "a number");
}
double Plan::number(const char* name, double otherwise) const {
  return has(name) ? number(name) : otherwise;
}
bool Plan::flag(const char* name, bool otherwise) const {
  return has(name) ? integer(name, between(0, 1)) != 0 : otherwise;
}
const char* Plan::text(const char* name, const char* otherwise) const {
  return has(name) ? attribute<std::string>(state_, name, "a string").c_str() : otherwise;
}
int Plan::integers(const char* name, Index* out, int max, Range range) const {
  const int count = fill<std::int64_t>(state_, name, out, max, "a list of integers");
  for (int i = 0; i < count; ++i) in_range(state_, name, out[i], range);
  return count;
}
int Plan::numbers(const char* name, double* out, int max) const {
  return fill<double>(state_, name, out, max, "a list of numbers");
}
int Plan::axis(const char* name, int rank) const {
  const Index given = integer(name);
  const Index axis = given < 0 ? given + rank : given;
  if (axis < 0 || axis >= rank)
    fail("expected `%s` to be an axis of %d, got %lld", name, rank, static_cast<long long>(given));
  return static_cast<int>(axis);
}
int Plan::axis(const char* name, int rank, Index otherwise) const {
  if (has(name)) return axis(name, rank);
  const Index axis = otherwise < 0 ? otherwise + rank : otherwise;
  if (axis < 0 || axis >= rank) fail("expected an input with an axis %lld, got rank %d", static_cast<long long>(otherwise), rank);
  return static_cast<int>(axis);
}

int Plan::inputs() const { return static_cast<int>(state_.inputs.size()); }
int Plan::params() const { return static_cast<int>(state_.params.size()); }
bool Plan::training() const { return state_.training; }

Shape Plan::input(int i, int least_rank, int most_rank) const {
  if (i < 0 || i >= inputs())
    fail("expected at least %d inputs, got %d", i + 1, inputs());
  const auto at = static_cast<std::size_t>(i);
  state_.asked_inputs.resize(state_.inputs.size());
  state_.asked_inputs[at] = true;
  check_rank(state_, state_.inputs[at], "an input", least_rank, most_rank);
  return state_.inputs[at];
}

Shape Plan::param(int i) const {
  if (i < 0 || i >= params())
    fail("expected at least %d variables, got %d", i + 1, params());
  return state_.params[static_cast<std::size_t>(i)];
}
Shape Plan::param(int i, const char* what, int least_rank, int most_rank) const {
  const Shape shape = param(i);
  check_rank(state_, shape, what, least_rank, most_rank);
  state_.declared_params.resize(state_.params.size());
  state_.declared_params[static_cast<std::size_t>(i)] = true;
  return shape;
}
void Plan::param(int i, const Shape& shape, const char* what) const {
  const Shape got = param(i, what, 0);
  if (!same(got, shape))
    throw Error(state_.where + ": expected " + what + " of shape " + to_text(shape) + ", got " + to_text(got));
}
void Plan::param(int i, Index size, const char* what) const {
  const Shape got = param(i, what, 0);
  if (got.size() != size)
    throw Error(state_.where + ": expected " + what + " of " + std::to_string(size) + " elements, got shape " +
                to_text(got));
}

Index Plan::product(Index a, Index b, Index c, Index d) const {
  Index all = 1;
  for (const Index factor : {a, b, c, d})
    if (factor < 0 || __builtin_mul_overflow(all, factor, &all) || all > kMaxElements)
      fail("expected a size of at most %lld elements, got more", static_cast<long long>(kMaxElements));
  return all;
}

bool Plan::is_int64(int i) const {
  const auto at = static_cast<std::size_t>(i);
  return at < state_.int64_inputs.size() && state_.int64_inputs[at];
}
void Plan::takes_int64() { state_.takes_int64 = true; }
void Plan::output(const Shape& shape, bool int64) {
  const std::size_t at = state_.outputs.size();
  if (state_.inferred) {
    if (at >= state_.inferred->size())
      throw Error(state_.where + ": expected more than " + std::to_string(at) + " outputs");
    const Shape& inferred = (*state_.inferred)[at];
    if (!same(inferred, shape))
      throw Error(state_.where + ": expected the inferred output shape " + to_text(shape) + ", got " +
                  to_text(inferred));
  }
  state_.outputs.push_back(shape);
  state_.int64_outputs.push_back(int64);
}

int Plan::keep(Index per_row, Index fixed) {
  check_booking(state_, {per_row, fixed});
  state_.kept.push_back({per_row, fixed, 0});
  return static_cast<int>(state_.kept.size()) - 1;
}
void Plan::slots(int count) {
  state_.slots = PlanState::Slots::each;
  state_.slot_count = count;
}
void Plan::slots_of_matrices() { state_.slots = PlanState::Slots::matrices; }
void Plan::factored_slots() { state_.slots = PlanState::Slots::factored; }

int Plan::scratch(Index per_row, Index fixed, Index per_worker) {
  check_booking(state_, {per_row, fixed, per_worker});
  state_.scratch.push_back({per_row, fixed, per_worker});
  return static_cast<int>(state_.scratch.size()) - 1;
}

int Plan::pack(Index size) {
  check_booking(state_, {size});
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
void Plan::few_rows_change(int i) { state_.few_rows.push_back(i); }
void Plan::rests(Rest rest) { state_.rest = rest; }
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

std::size_t buffer_bytes(const Booking& b, std::size_t n, std::size_t real, const std::string& where) {
  std::size_t bytes;
  if (__builtin_mul_overflow(static_cast<std::size_t>(b.per_row), n, &bytes) ||
      __builtin_add_overflow(bytes, static_cast<std::size_t>(b.fixed), &bytes) ||
      __builtin_mul_overflow(bytes, real, &bytes) || bytes > kMaxBufferBytes)
    throw Error(where + ": expected buffers that fit memory, got more for " + std::to_string(n) + " rows");
  return bytes;
}

void check_slots(const PlanState& s, const Variable& variable, const std::vector<VariablePtr>& slots) {
  const Dims& shape = variable.shape();
  const auto rank = shape.size();
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(s.slot_count), variable.size());
  switch (s.slots) {
    case PlanState::Slots::unknown: throw Error(s.where + ": expected an optimizer that says how many slots it has");
    case PlanState::Slots::each: break;
    case PlanState::Slots::matrices: sizes.assign(slots.size() == 1 && rank == 2 ? 1 : 2, variable.size()); break;
    case PlanState::Slots::factored:
      sizes.assign(1, variable.size());
      if (rank >= 2)
        sizes.insert(sizes.begin(), {variable.size() / std::max<std::int64_t>(shape[rank - 1], 1),
                                     variable.size() / std::max<std::int64_t>(shape[rank - 2], 1)});
  }
  const auto fits = [&] {
    if (slots.size() != sizes.size()) return false;
    for (std::size_t k = 0; k < sizes.size(); ++k)
      if (!slots[k] || slots[k]->size() != sizes[k] || slots[k]->dtype() != variable.dtype()) return false;
    return true;
  };
  if (!fits())
    throw Error(s.where + ": expected " + std::to_string(sizes.size()) + " slots of a variable of shape " +
                to_text(to_shape(shape, s.where)) + ", of its dtype and as large as the optimizer keeps them, got " +
                std::to_string(slots.size()) + " slots or others");
}

void check_dims(const Dims& dims, std::int64_t least, std::size_t most, const std::string& where) {
  if (dims.size() > most)
    throw Error(where + ": expected at most " + std::to_string(most) + " dimensions, got " +
                std::to_string(dims.size()));
  std::int64_t size = 1;
  for (const std::int64_t d : dims) {
    if (d < least || d > kMaxSize || size > kMaxElements / std::max<std::int64_t>(d, 1))
      throw Error(where + ": expected dimensions of " + std::to_string(least) + " or more and at most " +
                  std::to_string(kMaxElements) + " elements, got a dimension of " + std::to_string(d));
    size *= std::max<std::int64_t>(d, 1);
  }
}

std::string to_text(const Shape& shape) {
  std::string s = "(";
  for (int i = 0; i < shape.rank; ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + ")";
}

void check_complete(const PlanState& s) {
  for (const auto& [name, value] : *s.attributes)
    if (name != "training" &&
        std::find(s.asked_attributes.begin(), s.asked_attributes.end(), name) == s.asked_attributes.end())
      throw Error(s.where + ": expected attributes that the op has, got `" + name + "`");
  for (std::size_t i = 0; i < s.inputs.size(); ++i)
    if (i >= s.asked_inputs.size() || !s.asked_inputs[i])
      throw Error(s.where + ": expected " + std::to_string(i) + " inputs, got " + std::to_string(s.inputs.size()));
  for (std::size_t i = 0; i < s.params.size(); ++i)
    if (i >= s.declared_params.size() || !s.declared_params[i])
      throw Error(s.where + ": expected " + std::to_string(i) + " variables, got " + std::to_string(s.params.size()));
}

PlanState plan_op(const OpDef& def, const OpSpec& op, const ProgramSpec& program, bool training,
                  const KernelTable& table, bool infers) {
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
  std::vector<Shape> inferred;
  if (!infers) {
    for (const int i : op.outputs) inferred.push_back(to_shape(program.slots.at(i), s.where, op.fold));
    s.inferred = &inferred;
  }
  s.reads_input.resize(op.inputs.size());
  s.reads_output.resize(op.outputs.size());
  Plan plan(s);
  def.plan(plan);
  s.inferred = nullptr;
  if (!table.device) check_complete(s);
  for (const bool int64 : s.int64_inputs)
    if (int64 && !s.takes_int64)
      throw Error(s.where + ": expected numbers of the program's dtype, got int64; cast them first");
  if (infers) return s;
  if (s.outputs.size() != op.outputs.size())
    throw Error(s.where + ": expected " + std::to_string(s.outputs.size()) + " outputs, got " +
                std::to_string(op.outputs.size()));
  for (std::size_t i = 0; i < s.outputs.size(); ++i)
    if (s.int64_outputs[i] != (slot_dtype(program, op.outputs[i]) == DType::int64))
      throw Error(s.where + ": expected an output of " +
                  (s.int64_outputs[i] ? "int64" : "numbers of the program's dtype") + ", got another dtype");
  return s;
}

}  // namespace pyseq
