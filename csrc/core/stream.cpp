// A program of sequences written again for a few steps at a time, with states.
#include "pyseq/stream.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/plan.h"
#include "pyseq/error.h"
#include "pyseq/model.h"
#include "pyseq/session.h"

namespace pyseq {
namespace {

[[noreturn]] void refuse(const OpSpec& op, const std::string& what) {
  throw Error((op.name == op.kind ? op.kind : op.name + " (" + op.kind + ")") + ": expected " + what +
              " in a model that works step by step");
}

bool is_any(const std::string& kind, std::initializer_list<const char*> kinds) {
  return std::any_of(kinds.begin(), kinds.end(), [&](const char* k) { return kind == k; });
}

std::int64_t whole(const OpSpec& op, const char* name, std::int64_t otherwise) {
  const auto it = op.attributes.find(name);
  const auto* v = it == op.attributes.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
  return v ? *v : otherwise;
}

std::vector<std::int64_t> list(const OpSpec& op, const char* name) {
  const auto it = op.attributes.find(name);
  if (it == op.attributes.end()) return {};
  if (const auto* one = std::get_if<std::int64_t>(&it->second)) return {*one};
  const auto* v = std::get_if<std::vector<std::int64_t>>(&it->second);
  return v ? *v : std::vector<std::int64_t>{};
}

class Rewriter {
 public:
  Rewriter(const ProgramSpec& from, std::int64_t rows, std::int64_t steps)
      : from_(from), to_(from), rows_(rows), steps_(steps), whole_(from.slots.size(), 0) {
    const int input = from.inputs.at(0);
    const Dims& shape = from.slots.at(static_cast<std::size_t>(input));
    if (shape.empty())
      throw Error("Model::stream: expected a model of sequences, (T, ...), got one of single numbers");
    to_.ops.clear();
    whole_[static_cast<std::size_t>(input)] = shape[0];
    to_.slots[static_cast<std::size_t>(input)][0] = steps;
    for (const OpSpec& op : from.ops) rewrite(op);
  }

  const ProgramSpec& program() const { return to_; }
  const std::vector<Dims>& states() const { return states_; }
  bool timed(int slot) const { return whole_[static_cast<std::size_t>(slot)] != 0; }

 private:
  const Dims& shape(int slot) const { return from_.slots[static_cast<std::size_t>(slot)]; }
  std::int64_t now(int slot) const { return to_.slots[static_cast<std::size_t>(slot)][0]; }
  // Whether a variable is the same for all steps of x.
  bool shared(const OpSpec& op, int variable, int x) const {
    const Dims& v = from_.variables[static_cast<std::size_t>(op.params.at(static_cast<std::size_t>(variable)))].shape;
    return v.size() < shape(x).size() || v[0] == 1;
  }
  int add_state(const OpSpec& op, Dims shape) {
    to_.variables.push_back({op.name + "/state", shape, false});
    states_.push_back(std::move(shape));
    return static_cast<int>(to_.variables.size()) - 1;
  }
  // Output `i` has the steps of `in` times `more` over `fewer`.
  void time_output(const OpSpec& op, std::size_t i, int in, std::int64_t more = 1, std::int64_t fewer = 1) {
    const auto out = static_cast<std::size_t>(op.outputs.at(i));
    const std::int64_t all = whole_[static_cast<std::size_t>(in)] * more, some = now(in) * more;
    if (all % fewer || some % fewer || from_.slots[out].empty() || from_.slots[out][0] != all / fewer)
      refuse(op, "steps in multiples of " + std::to_string(fewer) + ", got " + std::to_string(now(in)));
    whole_[out] = all / fewer;
    to_.slots[out][0] = some / fewer;
  }

  void rewrite(const OpSpec& given) {
    OpSpec op = given;
    const bool any = std::any_of(op.inputs.begin(), op.inputs.end(), [&](int s) { return timed(s); });
    if (any) {
      const int x = op.inputs[0];
      for (const int s : op.inputs)
        if (!timed(s) || whole_[static_cast<std::size_t>(s)] != whole_[static_cast<std::size_t>(x)])
          refuse(op, "inputs of as many steps");
      // The bits of a product may depend on its rows: those of the whole.
      if (op.kind == "dense") op.attributes["like_rows"] = whole_rows(x);
      if (op.fold == whole_[static_cast<std::size_t>(x)] && op.fold > 1) {
        op.fold = now(x);  // each step by itself
        for (std::size_t i = 0; i < op.outputs.size(); ++i) time_output(op, i, x);
        if (op.fold == 1) return without_steps(std::move(op));
      } else if (op.fold != 1) {
        refuse(op, "a layer on each step");
      } else {
        rewrite_steps(op, x);
      }
    }
    to_.ops.push_back(std::move(op));
  }

  // Rows of a product over the last dimension of a whole x.
  std::int64_t whole_rows(int x) const {
    const Dims& in = shape(x);
    std::int64_t rows = rows_;
    for (std::size_t i = 0; i + 1 < in.size(); ++i) rows = std::min(rows * in[i], std::int64_t{kMaxSize});
    return rows;
  }

  // A single step is no leading dimension: values without it go in and come out.
  void without_steps(OpSpec op) {
    const auto dropped = [&](int slot) {
      Dims dims = to_.slots[static_cast<std::size_t>(slot)];
      dims.erase(dims.begin());
      return add_slot(dims, slot);
    };
    std::vector<OpSpec> after;
    for (int& s : op.inputs) {
      const int inside = dropped(s);
      to_.ops.push_back(reshape(op, s, inside));
      s = inside;
    }
    for (int& s : op.outputs) {
      const int inside = dropped(s);
      after.push_back(reshape(op, inside, s));
      s = inside;
    }
    to_.ops.push_back(std::move(op));
    to_.ops.insert(to_.ops.end(), after.begin(), after.end());
  }

  OpSpec reshape(const OpSpec& of, int from, int to) const {
    OpSpec op;
    op.kind = "reshape";
    op.name = of.name;
    op.inputs = {from};
    op.outputs = {to};
    op.attributes["dims"] = to_.slots[static_cast<std::size_t>(to)];
    return op;
  }

  // A slot of the dtype of slot `like`.
  int add_slot(Dims dims, int like) {
    to_.slots.push_back(std::move(dims));
    if (!to_.dtypes.empty()) to_.dtypes.push_back(to_.dtypes[static_cast<std::size_t>(like)]);
    return static_cast<int>(to_.slots.size()) - 1;
  }

  void rewrite_steps(OpSpec& op, int x) {
    const std::string& kind = op.kind;
    const auto rank = static_cast<std::int64_t>(shape(x).size());
    if (is_any(kind, {"lstm", "gru", "simple_rnn"})) return recurrent(op, x);
    if (kind == "conv") return convolution(op, x);
    if (is_any(kind, {"max_pool", "average_pool"})) return pooling(op, x);
    if (kind == "upsample" && rank == 2) return time_output(op, 0, x, list(op, "size").at(0));
    bool alone = is_any(kind, {"activation", "map", "cast", "embedding", "nonzero", "merge", "select"});
    if (is_any(kind, {"dense", "masking", "batch_norm", "dropout", "gaussian_dropout", "gaussian_noise"}))
      alone = rank >= 2 && !whole(op, "batch_statistics", 0) && !whole(op, "training", 0);
    if (is_any(kind, {"layer_norm", "rms_norm", "unit_norm"})) alone = whole(op, "axes", 1) < rank;
    if (is_any(kind, {"add_bias", "prelu"})) alone = shared(op, 0, x);
    if (kind == "binary") alone = op.params.empty() || shared(op, 0, x);
    if (is_any(kind, {"softmax", "glu", "sparsemax", "concat", "reduce"})) {
      std::vector<std::int64_t> axes = list(op, op.attributes.count("axes") ? "axes" : "axis");
      if (axes.empty()) axes = {-1};
      alone = std::all_of(axes.begin(), axes.end(), [&](std::int64_t a) { return (a < 0 ? a + rank : a) > 0; }) &&
              !whole(op, "batch", 0);
    }
    if (kind == "reshape") {
      auto dims = list(op, "dims");
      alone = !dims.empty() && dims[0] == whole_[static_cast<std::size_t>(x)];
      if (alone) dims[0] = now(x);
      op.attributes["dims"] = dims;
    }
    if (!alone) refuse(op, "a layer on each step, or one with a state");
    for (std::size_t i = 0; i < op.outputs.size(); ++i) time_output(op, i, x);
  }

  void recurrent(OpSpec& op, int x) {
    op.attributes["like_rows"] = whole_rows(x);
    op.attributes["continues"] = std::int64_t{1};
    if (whole(op, "go_backwards", 0)) refuse(op, "a layer that runs forwards");
    const std::int64_t units = whole(op, "units", 0);
    if (!whole(op, "stateful", 0)) {
      op.attributes["stateful"] = std::int64_t{1};
      for (int k = 0; k < (op.kind == "lstm" ? 2 : 1); ++k) op.params.push_back(add_state(op, {rows_, units}));
    } else {
      refuse(op, "a layer whose states are the stream's (stateful=False)");
    }
    if (whole(op, "return_sequences", 0)) time_output(op, 0, x);
  }

  // Causal: the steps before the first are kept, and no zeros put before it.
  void convolution(OpSpec& op, int x) {
    const Dims& in = shape(x);
    const Dims kernel = from_.variables[static_cast<std::size_t>(op.params.at(0))].shape;
    const auto strides = list(op, "strides"), dilations = list(op, "dilations"), begin = list(op, "pads_begin"),
               end = list(op, "pads_end");
    if (in.size() != 2 || kernel.size() != 3 || strides.size() != 1 || dilations.size() != 1 || begin.size() != 1 ||
        end.size() != 1)
      refuse(op, "a convolution over time alone");
    const std::int64_t kept = (kernel[0] - 1) * dilations[0];
    if (begin[0] != kept || end[0] != 0) refuse(op, "a convolution with padding=\"causal\"");
    time_output(op, 0, x, 1, strides[0]);
    if (kept == 0) return;
    OpSpec delay;
    delay.kind = "delay";
    delay.name = op.name;
    delay.inputs = {x};
    delay.params = {add_state(op, {rows_, kept, in[1]})};
    Dims wide = to_.slots[static_cast<std::size_t>(x)];
    wide[0] += kept;
    delay.outputs = {add_slot(std::move(wide), x)};
    op.inputs = delay.outputs;
    op.attributes["pads_begin"] = std::vector<std::int64_t>{0};
    to_.ops.push_back(std::move(delay));
  }

  void pooling(OpSpec& op, int x) {
    const auto size = list(op, "pool_size"), strides = list(op, "strides");
    if (shape(x).size() != 2 || size != strides || list(op, "pads_begin") != std::vector<std::int64_t>{0} ||
        list(op, "pads_end") != std::vector<std::int64_t>{0})
      refuse(op, "pooling over time whose windows follow each other");
    time_output(op, 0, x, 1, size[0]);
  }

  const ProgramSpec& from_;
  ProgramSpec to_;
  std::int64_t rows_, steps_;
  std::vector<std::int64_t> whole_;  // steps of a whole sequence in a slot; 0: it has none
  std::vector<Dims> states_;
};

}  // namespace

struct Stream::Plan {
  std::int64_t rows, steps;
  ProgramSpec spec;
  bool timed;  // the output has time steps
  std::vector<VariablePtr> states;

  Plan(const Model& model, std::int64_t r, std::int64_t s) : rows(r), steps(s) {
    if (rows < 1 || steps < 1)
      throw Error("Model::stream: expected 1 row and 1 step or more, got " + std::to_string(rows) + " and " +
                  std::to_string(steps));
    const Rewriter rewriter(model.program().spec(), rows, steps);
    spec = rewriter.program();
    timed = rewriter.timed(spec.outputs.at(0));
    for (const Dims& shape : rewriter.states()) states.push_back(std::make_shared<Variable>(shape, spec.dtype));
  }

  Prepared prepare(const Model& model) const {
    std::vector<VariablePtr> variables = model.variables();
    variables.insert(variables.end(), states.begin(), states.end());
    const auto program =
        std::make_shared<const Program>(fused(spec, true), std::vector<HostFunction>{}, model.program().isa());
    return Session(program, std::move(variables)).prepare(rows);
  }
};

Stream::Stream(const Model& model, std::int64_t rows, std::int64_t steps) : Stream(model, Plan(model, rows, steps)) {}

Stream::Stream(const Model& model, Plan plan)
    : rows_(plan.rows), steps_(plan.steps), states_(plan.states), prepared_(plan.prepare(model)) {
  input_shape_ = plan.spec.slots[static_cast<std::size_t>(plan.spec.inputs[0])];
  output_shape_ = plan.spec.slots[static_cast<std::size_t>(plan.spec.outputs[0])];
  output_steps_ = plan.timed ? output_shape_[0] : 0;
  input_dtype_ = slot_dtype(plan.spec, plan.spec.inputs[0]);
  output_dtype_ = slot_dtype(plan.spec, plan.spec.outputs[0]);
}

void Stream::reset() noexcept {
  for (const VariablePtr& v : states_) std::memset(v->data(), 0, v->bytes());
}

std::size_t Stream::state_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const VariablePtr& v : states_) bytes += v->bytes();
  return bytes;
}

void Stream::save(void* to) const noexcept {
  auto* at = static_cast<std::byte*>(to);
  for (const VariablePtr& v : states_) {
    std::memcpy(at, static_cast<const Variable&>(*v).data(), v->bytes());
    at += v->bytes();
  }
}

void Stream::restore(const void* from) noexcept {
  const auto* at = static_cast<const std::byte*>(from);
  for (const VariablePtr& v : states_) {
    std::memcpy(v->data(), at, v->bytes());
    at += v->bytes();
  }
}

}  // namespace pyseq
