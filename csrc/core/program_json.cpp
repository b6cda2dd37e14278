// A program as the JSON of `.pyseq` headers.
#include "core/program_json.h"

#include "core/plan.h"

namespace pyseq {

Json json_of(const Dims& dims) {
  Json::Array a;
  for (const std::int64_t d : dims) a.push_back({d});
  return {std::move(a)};
}

Json json_of(const std::vector<int>& v) { return json_of(Dims(v.begin(), v.end())); }

Json json_of(const Attribute& attribute) {
  if (const auto* i = std::get_if<std::int64_t>(&attribute)) return {*i};
  if (const auto* d = std::get_if<double>(&attribute)) return {*d};
  if (const auto* s = std::get_if<std::string>(&attribute)) return {*s};
  if (const auto* v = std::get_if<std::vector<std::int64_t>>(&attribute)) return json_of(*v);
  Json::Array a;
  for (const double d : std::get<std::vector<double>>(attribute)) a.push_back({d});
  return {std::move(a)};
}

Json json_of(const Attributes& attributes) {
  Json::Object o;
  for (const auto& [k, v] : attributes) o.emplace_back(k, json_of(v));
  return {std::move(o)};
}

const Json::Array& items(const Json& json) {
  const Json::Array& a = json.array();
  if (static_cast<std::int64_t>(a.size()) > kMaxItems) throw Error("model file: expected fewer items");
  return a;
}

Dims dims_of(const Json& json) {
  Dims d;
  for (const Json& j : items(json)) d.push_back(j.integer());
  return d;
}

std::vector<int> ints_of(const Json& json) {
  std::vector<int> v;
  for (const Json& j : items(json)) {
    if (j.integer() < 0 || j.integer() > kMaxItems) throw Error("model file: number out of range");
    v.push_back(static_cast<int>(j.integer()));
  }
  return v;
}

namespace {

Attribute attribute_of(const Json& json) {
  if (const auto* i = std::get_if<std::int64_t>(&json.value)) return *i;
  if (const auto* d = std::get_if<double>(&json.value)) return *d;
  if (const auto* s = std::get_if<std::string>(&json.value)) return *s;
  const Json::Array& a = items(json);
  bool integers = true;
  for (const Json& j : a) integers = integers && std::get_if<std::int64_t>(&j.value);
  if (integers) return dims_of(json);
  std::vector<double> v;
  for (const Json& j : a) v.push_back(j.number());
  return v;
}

}  // namespace

Attributes attributes_of(const Json& json) {
  Attributes attributes;
  for (const auto& [k, v] : json.object()) attributes[k] = attribute_of(v);
  return attributes;
}

void append(Json::Object& header, const ProgramSpec& spec) {
  Json::Array slots, ops;
  for (const Dims& d : spec.slots) slots.push_back(json_of(d));
  Dims whole;
  for (std::size_t s = 0; s < spec.slots.size(); ++s)
    if (slot_dtype(spec, static_cast<int>(s)) == DType::int64) whole.push_back(static_cast<std::int64_t>(s));
  for (const OpSpec& op : spec.ops)
    ops.push_back({Json::Object{{"kind", {op.kind}},
                                {"name", {op.name}},
                                {"inputs", json_of(op.inputs)},
                                {"outputs", json_of(op.outputs)},
                                {"params", json_of(op.params)},
                                {"fold", {op.fold}},
                                {"attributes", json_of(op.attributes)}}});
  header.emplace_back("dtype", Json{std::string(name_of(spec.dtype))});
  header.emplace_back("inputs", json_of(spec.inputs));
  header.emplace_back("outputs", json_of(spec.outputs));
  header.emplace_back("slots", Json{std::move(slots)});
  header.emplace_back("ops", Json{std::move(ops)});
  if (!whole.empty()) header.emplace_back("int64", json_of(whole));
}

ProgramSpec program_spec_of(const Json& header) {
  ProgramSpec spec;
  spec.dtype = dtype_from(header.at("dtype").text());
  if (spec.dtype != DType::float32 && spec.dtype != DType::float64)
    throw Error("model file: expected dtype float32 or float64");
  spec.inputs = ints_of(header.at("inputs"));
  spec.outputs = ints_of(header.at("outputs"));
  for (const Json& j : items(header.at("slots"))) {
    spec.slots.push_back(dims_of(j));
    check_dims(spec.slots.back(), 1, kMaxRank + 1, "model file: slot " + std::to_string(spec.slots.size() - 1));
  }
  if (const Json* whole = header.find("int64")) {
    for (const int s : ints_of(*whole)) {
      if (static_cast<std::size_t>(s) >= spec.slots.size()) throw Error("model file: number out of range");
      spec.dtypes.resize(spec.slots.size(), spec.dtype);
      spec.dtypes[static_cast<std::size_t>(s)] = DType::int64;
    }
  }
  for (const Json& j : items(header.at("ops"))) {
    OpSpec op;
    op.kind = j.at("kind").text();
    op.name = j.at("name").text();
    if (op.kind == "host") throw Error(op.name + ": expected an op of the core, got a host function");
    op.inputs = ints_of(j.at("inputs"));
    op.outputs = ints_of(j.at("outputs"));
    op.params = ints_of(j.at("params"));
    op.fold = j.at("fold").integer();
    op.attributes = attributes_of(j.at("attributes"));
    spec.ops.push_back(std::move(op));
  }
  for (const Json& j : items(header.at("variables")))
    spec.variables.push_back({j.at("name").text(), dims_of(j.at("shape")), j.at("trainable").flag()});
  return spec;
}

}  // namespace pyseq
