// What a `.pyseq` file holds beside the model to go on training, here and in Python.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "core/memory.h"
#include "core/plan.h"
#include "core/program_json.h"
#include "core/text.h"
#include "core/training.h"

namespace pyseq {
namespace {

const char* const kReductions[] = {"sum_over_batch_size", "sum", "mean_with_sample_weight"};

// Tensors by their position in the file, each once.
struct Tensors {
  std::vector<VariablePtr>& list;
  std::map<const Variable*, std::int64_t> position;

  Json operator()(const VariablePtr& v) {
    if (!v) return {std::int64_t{-1}};
    const auto [it, fresh] = position.emplace(v.get(), static_cast<std::int64_t>(list.size()));
    if (fresh) list.push_back(v);
    return {it->second};
  }
  Json operator()(const std::vector<VariablePtr>& vs) {
    Json::Array a;
    for (const VariablePtr& v : vs) a.push_back((*this)(v));
    return {std::move(a)};
  }
};

Json json_of_measure(const std::string& kind, const Attributes& attributes, int slot, int mask) {
  return {Json::Object{{"kind", {kind}},
                       {"attributes", json_of(attributes)},
                       {"slot", {std::int64_t{slot}}},
                       {"mask", {std::int64_t{mask}}}}};
}

Json training_json(const TrainingSpec& spec, Tensors& tensors) {
  const TrainerSpec& t = spec.trainer;
  const ProgramSpec& program = spec.program->spec();
  Json::Object o;
  append(o, program);
  Json::Array variables, metrics, optimizers, parameters;
  for (const VariableSpec& v : program.variables)
    variables.push_back({Json::Object{{"name", {v.name}}, {"shape", json_of(v.shape)}, {"trainable", {v.trainable}}}});
  o.emplace_back("variables", Json{std::move(variables)});
  o.emplace_back("storage", tensors(spec.variables));
  o.emplace_back("target", json_of(t.target));
  Json loss = json_of_measure(t.loss.kind, t.loss.attributes, t.loss.slot, t.loss.mask);
  auto& fields = std::get<Json::Object>(loss.value);
  fields.emplace_back("reduction", Json{std::string(kReductions[static_cast<int>(t.loss.reduction)])});
  fields.emplace_back("weight", Json{t.loss.weight});
  o.emplace_back("loss", std::move(loss));
  for (std::size_t i = 0; i < t.metrics.size(); ++i) {
    const MetricSpec& m = t.metrics[i];
    Json metric = json_of_measure(m.kind, m.attributes, m.slot, m.mask);
    std::get<Json::Object>(metric.value).emplace_back("name", Json{spec.metrics[i]});
    std::get<Json::Object>(metric.value).emplace_back("weighted", Json{m.weighted});
    metrics.push_back(std::move(metric));
  }
  o.emplace_back("metrics", Json{std::move(metrics)});
  for (const OptimizerSpec& os : t.optimizers)
    optimizers.push_back({Json::Object{{"kind", {os.kind}},
                                       {"attributes", json_of(os.attributes)},
                                       {"weight_decay", Json{os.weight_decay}},
                                       {"clip_norm", Json{os.clip_norm}},
                                       {"clip_value", Json{os.clip_value}},
                                       {"global_clip_norm", Json{os.global_clip_norm}},
                                       {"ema_momentum", Json{os.ema_momentum}},
                                       {"ema_overwrite_frequency", {os.ema_overwrite_frequency}},
                                       {"accumulation_steps", {os.accumulation_steps}},
                                       {"loss_scale", Json{os.loss_scale}},
                                       {"skip_non_finite", {os.skip_non_finite}}}});
  o.emplace_back("optimizers", Json{std::move(optimizers)});
  for (const ParameterSpec& p : t.parameters) {
    const PenaltySpec& q = p.penalty;
    const ConstraintSpec& c = p.constraint;
    Json::Object parameter{{"variable", {std::int64_t{p.variable}}},
                           {"optimizer", {std::int64_t{p.optimizer}}},
                           {"slots", tensors(p.slots)},
                           {"decay", {p.decay}},
                           {"average", tensors(p.average)},
                           {"accumulator", tensors(p.accumulator)}};
    if (q.l1 != 0 || q.l2 != 0 || q.orthogonal != 0)
      parameter.emplace_back("penalty", Json{Json::Object{{"l1", Json{q.l1}},
                                                          {"l2", Json{q.l2}},
                                                          {"orthogonal", Json{q.orthogonal}},
                                                          {"rows", {q.rows}}}});
    if (!c.kind.empty())
      parameter.emplace_back("constraint", Json{Json::Object{{"kind", {c.kind}},
                                                             {"min_value", Json{c.min_value}},
                                                             {"max_value", Json{c.max_value}},
                                                             {"rate", Json{c.rate}},
                                                             {"axes", json_of(c.axes)}}});
    parameters.push_back({std::move(parameter)});
  }
  o.emplace_back("parameters", Json{std::move(parameters)});
  o.emplace_back("learning_rates", tensors(spec.learning_rates));
  o.emplace_back("iterations", tensors(spec.iterations));
  return {std::move(o)};
}

// --- reading

double finite(const Json& json) {
  if (!std::isfinite(json.number())) throw Error("model file: expected finite numbers of training");
  return json.number();
}

std::vector<VariablePtr> tensors_of(const FileContents& file, const Model& model) {
  // A variable of the model lies in the file once.
  std::map<std::int64_t, VariablePtr> known;
  const Json::Array& described = file.header.at("variables").array();
  for (std::size_t i = 0; i < model.variables().size(); ++i)
    known.emplace(described[i].at("offset").integer(), model.variables()[i]);
  std::vector<VariablePtr> tensors;
  for (const Json& j : items(file.header.at("tensors"))) {
    const Dims shape = dims_of(j.at("shape"));
    const DType dtype = dtype_from(j.at("dtype").text());
    const std::int64_t offset = j.at("offset").integer();
    const auto it = known.find(offset);
    const bool same = it != known.end() && it->second->shape() == shape && it->second->dtype() == dtype;
    tensors.push_back(same ? it->second : file.variable(shape, dtype, offset));
  }
  return tensors;
}

// Of tensors by their position; -1 for none where that may be.
struct Chosen {
  const std::vector<VariablePtr>& tensors;

  VariablePtr operator()(const Json& json, bool none = false) const {
    const std::int64_t i = json.integer();
    if (none && i == -1) return nullptr;
    if (i < 0 || i >= static_cast<std::int64_t>(tensors.size())) throw Error("model file: tensor out of range");
    return tensors[static_cast<std::size_t>(i)];
  }
  std::vector<VariablePtr> all(const Json& json) const {
    std::vector<VariablePtr> chosen;
    for (const Json& j : items(json)) chosen.push_back((*this)(j));
    return chosen;
  }
};

int slot_of(const Json& json, const ProgramSpec& program, bool none) {
  const std::int64_t slot = json.integer();
  if (slot < (none ? -1 : 0) || slot >= static_cast<std::int64_t>(program.slots.size()))
    throw Error("model file: expected a loss or metric to read a slot of its program");
  return static_cast<int>(slot);
}

int index_of(const Json& json, std::size_t size) {
  if (json.integer() < 0 || json.integer() >= static_cast<std::int64_t>(size))
    throw Error("model file: number out of range");
  return static_cast<int>(json.integer());
}

Reduction reduction_of(const std::string& name) {
  for (int i = 0; i < 3; ++i)
    if (name == kReductions[i]) return static_cast<Reduction>(i);
  throw Error("model file: expected a reduction of losses, got " + name);
}

TrainerSpec trainer_of(const Json& json, const ProgramSpec& program, const Chosen& chosen,
                       std::vector<std::string>& names) {
  TrainerSpec t;
  t.target = dims_of(json.at("target"));
  check_dims(t.target, 1, kMaxRank + 1, "model file: targets");
  const Json& loss = json.at("loss");
  t.loss.kind = loss.at("kind").text();
  t.loss.attributes = attributes_of(loss.at("attributes"));
  t.loss.slot = slot_of(loss.at("slot"), program, false);
  t.loss.mask = slot_of(loss.at("mask"), program, true);
  t.loss.reduction = reduction_of(loss.at("reduction").text());
  t.loss.weight = finite(loss.at("weight"));
  for (const Json& j : items(json.at("metrics"))) {
    t.metrics.push_back({j.at("kind").text(), attributes_of(j.at("attributes")), slot_of(j.at("slot"), program, false),
                         slot_of(j.at("mask"), program, true), j.at("weighted").flag()});
    names.push_back(j.at("name").text());
  }
  for (const Json& j : items(json.at("optimizers"))) {
    OptimizerSpec os;
    os.kind = j.at("kind").text();
    os.attributes = attributes_of(j.at("attributes"));
    os.weight_decay = finite(j.at("weight_decay"));
    os.clip_norm = finite(j.at("clip_norm"));
    os.clip_value = finite(j.at("clip_value"));
    os.global_clip_norm = finite(j.at("global_clip_norm"));
    os.ema_momentum = finite(j.at("ema_momentum"));
    os.ema_overwrite_frequency = j.at("ema_overwrite_frequency").integer();
    os.accumulation_steps = j.at("accumulation_steps").integer();
    os.loss_scale = finite(j.at("loss_scale"));
    os.skip_non_finite = j.at("skip_non_finite").flag();
    t.optimizers.push_back(std::move(os));
  }
  if (t.optimizers.empty()) throw Error("model file: expected an optimizer to train with, got none");
  for (const Json& j : items(json.at("parameters"))) {
    ParameterSpec p;
    p.variable = index_of(j.at("variable"), program.variables.size());
    p.optimizer = index_of(j.at("optimizer"), t.optimizers.size());
    p.slots = chosen.all(j.at("slots"));
    p.decay = j.at("decay").flag();
    p.average = chosen(j.at("average"), true);
    p.accumulator = chosen(j.at("accumulator"), true);
    if (const Json* q = j.find("penalty"))
      p.penalty = {finite(q->at("l1")), finite(q->at("l2")), finite(q->at("orthogonal")), q->at("rows").flag()};
    if (const Json* c = j.find("constraint"))
      p.constraint = {c->at("kind").text(), finite(c->at("min_value")), finite(c->at("max_value")),
                      finite(c->at("rate")), ints_of(c->at("axes"))};
    t.parameters.push_back(std::move(p));
  }
  return t;
}

std::vector<TrainingSpec::Stored> stored_of(const Json& json, const Chosen& chosen) {
  std::vector<TrainingSpec::Stored> stored;
  for (const Json& j : items(json))
    stored.push_back({j.at("path").text(), j.at("key").text(), chosen(j.at("tensor"))});
  return stored;
}

StoredModel stored_of(const FileContents& file, const Chosen& chosen) {
  StoredModel model;
  const Json* keras = file.header.find("keras");
  if (!keras) return model;
  model.config = keras->at("config").text();
  model.weights = stored_of(keras->at("weights"), chosen);
  model.assets = stored_of(keras->at("assets"), chosen);
  return model;
}

TrainableModel trainable_of(const FileContents& file, const LoadLimits& limits) {
  Model model = model_of(file, limits);
  if (const Json* training = file.header.find("training"))
    if (training->at("ops").array().size() > static_cast<std::size_t>(limits.ops))
      throw Error(file.where + ": expected at most " + std::to_string(limits.ops) +
                  " ops; if the file is to be trusted, raise LoadLimits::ops");
  TrainingSpec spec = training_spec_of(file, model);
  check_limits(*spec.program, spec.variables, 1, file.bytes, limits, file.where);
  if (model.takes_text())
    for (const Json& j : items(file.header.at("self_test").at("texts"))) spec.texts.push_back(j.text());
  return {std::move(model), std::move(spec)};
}

}  // namespace

FileParts parts_of(const TrainingSpec& spec) {
  FileParts parts;
  Tensors tensors{parts.tensors, {}};
  if (spec.program) {
    for (const OpSpec& op : spec.program->spec().ops)
      if (op.kind == "host")
        throw Error(op.name + ": expected a built-in layer or code that can be traced, to train in C++, got a Python function");
    parts.entries.emplace_back("training", training_json(spec, tensors));
  }
  if (spec.config.empty()) return parts;
  const auto entries = [&](const std::vector<TrainingSpec::Stored>& stored) {
    Json::Array a;
    for (const TrainingSpec::Stored& s : stored)
      a.push_back({Json::Object{{"path", {s.path}}, {"key", {s.key}}, {"tensor", tensors(s.variable)}}});
    return Json{std::move(a)};
  };
  parts.entries.emplace_back("keras", Json{Json::Object{{"config", {spec.config}},
                                                        {"weights", entries(spec.weights)},
                                                        {"assets", entries(spec.assets)}}});
  return parts;
}

TrainingSpec training_spec_of(const FileContents& file, const Model& model) {
  const Json* training = file.header.find("training");
  if (!training)
    throw Error(file.where + ": expected a model that was written to be trained, got one for inference alone; in "
                "Python, export(path, training=True) writes one");
  const std::vector<VariablePtr> tensors = tensors_of(file, model);
  const Chosen chosen{tensors};
  TrainingSpec spec;
  ProgramSpec program = program_spec_of(*training);
  program.training = true;
  spec.variables = chosen.all(training->at("storage"));
  spec.trainer = trainer_of(*training, program, chosen, spec.metrics);
  spec.program = std::make_shared<const Program>(std::move(program));
  spec.learning_rates = chosen.all(training->at("learning_rates"));
  spec.iterations = chosen(training->at("iterations"));
  StoredModel stored = stored_of(file, chosen);
  spec.config = std::move(stored.config);
  spec.weights = std::move(stored.weights);
  spec.assets = std::move(stored.assets);
  return spec;
}

void save_model(const Model& model, const TrainingSpec& spec, const std::string& path, std::int64_t rows,
                const void* input, const std::vector<std::string>& texts) {
  write_model(model, path, {rows, input, texts}, parts_of(spec));
}

StoredModel read_stored(const std::string& path) {
  return errors_only(path, [&] {
    const FileContents file = read_contents(path);
    if (!file.header.find("keras"))
      throw Error(path + ": expected a model that Python can open, got one for inference in C++ alone; write it with "
                  "model.save(path) or export(path, training=True)");
    std::vector<VariablePtr> tensors;
    for (const Json& j : items(file.header.at("tensors")))
      tensors.push_back(file.variable(dims_of(j.at("shape")), dtype_from(j.at("dtype").text()), j.at("offset").integer()));
    return stored_of(file, Chosen{tensors});
  });
}

TrainableModel TrainableModel::load(const std::string& path, const LoadLimits& limits) {
  return errors_only(path, [&] {
    const FileContents file = read_contents(path);
    return trainable_of(file, limits);
  });
}

TrainableModel TrainableModel::from_memory(const void* data, std::size_t bytes, const LoadLimits& limits) {
  const std::string where = "TrainableModel::from_memory";
  return errors_only(where, [&] {
    const std::shared_ptr<void> owner(allocate(bytes), &release);
    if (bytes) std::memcpy(owner.get(), data, bytes);
    return trainable_of(contents_of(static_cast<char*>(owner.get()), bytes, owner, where), limits);
  });
}

void TrainableModel::save(const std::string& path) const {
  const State& s = *state_;
  const ProgramSpec& program = s.model.program().spec();
  // Small numbers that are not negative suit ids and images alike.
  constexpr std::int64_t kRows = 3;
  const std::vector<std::string>& texts = s.spec.texts;
  const std::int64_t rows = s.model.takes_text() ? static_cast<std::int64_t>(texts.size()) / s.model.texts_per_row() : kRows;
  const int input = program.inputs[0];
  std::vector<char> x(slot_row_bytes(program, input) * static_cast<std::size_t>(rows));
  const DType dtype = slot_dtype(program, input);
  if (s.model.takes_text()) {
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    s.model.text()->encode(rows, views.data(), dtype, x.data());
  } else {
    const std::size_t size = size_of(dtype);
    for (std::size_t i = 0; i < x.size() / size; ++i) {
      const bool one = (i * 2654435761u >> 7) & 1;
      if (dtype == DType::float32) reinterpret_cast<float*>(x.data())[i] = one;
      else if (dtype == DType::float64) reinterpret_cast<double*>(x.data())[i] = one;
      else reinterpret_cast<std::int64_t*>(x.data())[i] = one;
    }
  }
  const FileParts parts = parts_of(s.spec);
  try {
    write_model(s.model, path, {rows, x.data(), texts}, parts);
  } catch (const Error&) {  // a table of one row takes no other id than 0
    if (dtype != DType::int64) throw;
    std::fill(x.begin(), x.end(), 0);
    write_model(s.model, path, {rows, x.data(), texts}, parts);
  }
}

}  // namespace pyseq
