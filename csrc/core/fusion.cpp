// Ops of an inference program put together: `fused` of core/program.h.
#include <algorithm>
#include <string>
#include <vector>

#include "core/isa.h"
#include "core/plan.h"
#include "core/program.h"

namespace pyseq {
namespace {

// Smaller images are better cut by their channels than by their rows.
constexpr std::int64_t kLeastPixels = 128;

bool is_linear(const OpSpec& op) {
  return op.kind == "conv" || op.kind == "conv_transpose" || op.kind == "depthwise_conv" || op.kind == "dense";
}

bool has(const OpSpec& op, const std::string& name) { return op.attributes.count(name) != 0; }

bool flag(const OpSpec& op, const std::string& name, bool otherwise = false) {
  const auto it = op.attributes.find(name);
  const auto* value = it == op.attributes.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
  return value ? *value != 0 : otherwise;
}

std::string text(const OpSpec& op, const std::string& name, const char* otherwise) {
  const auto it = op.attributes.find(name);
  const auto* value = it == op.attributes.end() ? nullptr : std::get_if<std::string>(&it->second);
  return value ? *value : otherwise;
}

// Whether a list holds this number alone; a missing one counts as true.
bool all_are(const OpSpec& op, const std::string& name, std::int64_t number) {
  const auto it = op.attributes.find(name);
  if (it == op.attributes.end()) return true;
  if (const auto* one = std::get_if<std::int64_t>(&it->second)) return *one == number;
  const auto* list = std::get_if<std::vector<std::int64_t>>(&it->second);
  return list && std::all_of(list->begin(), list->end(), [&](std::int64_t v) { return v == number; });
}

std::int64_t whole(bool value) { return value ? 1 : 0; }

// Lets `before`, a linear op, do the work of `op` too; false where it cannot.
bool merge(OpSpec& before, const OpSpec& op, bool norms) {
  // Of the pointwise convolution that a depthwise one goes on with, where there is one.
  const std::string last = flag(before, "pointwise") ? "pointwise_" : "";
  if (text(before, last + "activation", "linear") != "linear") return false;
  if (op.kind == "activation") {
    for (const auto& [name, value] : op.attributes) before.attributes[last + name] = value;
    return true;
  }
  if (op.kind != "batch_norm" || !norms || has(before, last + "norm")) return false;
  if (flag(op, "batch_statistics") || op.inputs.size() > 1 || !has(op, "epsilon")) return false;
  before.attributes[last + "norm"] = std::int64_t{1};
  before.attributes[last + "norm_scale"] = whole(flag(op, "scale", true));
  before.attributes[last + "norm_center"] = whole(flag(op, "center", true));
  before.attributes[last + "norm_epsilon"] = op.attributes.at("epsilon");
  if (last.empty()) before.attributes["use_bias"] = whole(before.params.size() > 1);
  before.params.insert(before.params.end(), op.params.begin(), op.params.end());
  return true;
}

// Lets `before`, a depthwise convolution, go on with `op`, a convolution of 1 x 1 taps.
bool follow_with_pointwise(const ProgramSpec& spec, OpSpec& before, const OpSpec& op) {
  if (before.kind != "depthwise_conv" || op.kind != "conv" || has(before, "pointwise")) return false;
  if (before.params.empty() || op.params.empty()) return false;
  const auto shape = [&](const OpSpec& o) { return spec.variables.at(static_cast<std::size_t>(o.params[0])).shape; };
  const Dims depthwise = shape(before), taps = shape(op);
  if (taps.size() < 3 || depthwise.empty() || depthwise.back() != 1) return false;
  if (!std::all_of(taps.begin(), taps.end() - 2, [](std::int64_t n) { return n == 1; })) return false;
  const bool plain = all_are(op, "strides", 1) && all_are(op, "groups", 1) && all_are(op, "pads_begin", 0) &&
                     all_are(op, "pads_end", 0);
  Dims pixels = spec.slots.at(static_cast<std::size_t>(op.outputs[0]));
  if (!plain || pixels.empty()) return false;
  pixels.pop_back();
  if (elements(pixels) < kLeastPixels) return false;
  before.attributes["use_bias"] = whole(flag(before, "use_bias", before.params.size() > 1));
  before.attributes["pointwise"] = std::int64_t{1};
  before.attributes["pointwise_use_bias"] = whole(op.params.size() > 1);
  for (const char* name : {"activation", "activation_args"})
    if (has(op, name)) before.attributes[std::string("pointwise_") + name] = op.attributes.at(name);
  before.params.insert(before.params.end(), op.params.begin(), op.params.end());
  return true;
}

}  // namespace

ProgramSpec fused(const ProgramSpec& spec, bool norms) {
  if (spec.training) return spec;
  std::vector<int> readers(spec.slots.size(), 0), producer(spec.slots.size(), -1);
  for (const OpSpec& op : spec.ops)
    for (const int s : op.inputs) ++readers.at(static_cast<std::size_t>(s));
  for (const int s : spec.outputs) readers.at(static_cast<std::size_t>(s)) += 2;  // it stays
  ProgramSpec to = spec;
  to.ops.clear();
  for (const OpSpec& op : spec.ops) {
    const int at = op.inputs.empty() ? -1 : producer.at(static_cast<std::size_t>(op.inputs[0]));
    if (at >= 0) {
      OpSpec& before = to.ops[static_cast<std::size_t>(at)];
      const bool alone = readers[static_cast<std::size_t>(op.inputs[0])] == 1 && before.fold == op.fold;
      if (alone && (merge(before, op, norms) || (norms && follow_with_pointwise(spec, before, op)))) {
        before.outputs = op.outputs;
        producer.at(static_cast<std::size_t>(op.outputs.at(0))) = at;
        continue;
      }
    }
    if (is_linear(op)) producer.at(static_cast<std::size_t>(op.outputs.at(0))) = static_cast<int>(to.ops.size());
    to.ops.push_back(op);
  }
  return to;
}

ProgramPtr inference_program(const Program& program, const char* isa) {
  return std::make_shared<const Program>(is_device_name(isa) ? program.spec() : fused(program.spec(), true),
                                         program.host(), isa);
}

}  // namespace pyseq
