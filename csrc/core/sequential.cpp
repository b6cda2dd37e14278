// A model built in C++: its graph, first weights and description.
#include "core/sequential.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <random>
#include <utility>

#include "core/isa.h"
#include "core/plan.h"
#include "core/program_json.h"

namespace pyseq {
namespace {

using State = Sequential::State;

// Uniform and normal numbers that are the same with every standard library.
class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  double normal() {  // Box and Muller's
    const double r = std::sqrt(-2 * std::log(1 - uniform()));
    return r * std::cos(6.283185307179586 * uniform());
  }
  double truncated() {  // within two standard deviations
    for (;;)
      if (const double z = normal(); std::fabs(z) <= 2) return z;
  }

 private:
  std::mt19937_64 random_;
};

// Columns (or rows, whichever are fewer) orthonormal, by Gram and Schmidt's method.
void fill_orthogonal(float* w, std::int64_t rows, std::int64_t cols, Draws& draws) {
  const bool wide = cols > rows;
  const std::int64_t n = wide ? cols : rows, m = wide ? rows : cols;
  std::vector<std::vector<double>> q(static_cast<std::size_t>(m), std::vector<double>(static_cast<std::size_t>(n)));
  for (std::size_t j = 0; j < q.size(); ++j) {
    for (double& x : q[j]) x = draws.normal();
    for (int again = 0; again < 2; ++again)
      for (std::size_t k = 0; k < j; ++k) {
        double dot = 0;
        for (std::size_t i = 0; i < q[j].size(); ++i) dot += q[j][i] * q[k][i];
        for (std::size_t i = 0; i < q[j].size(); ++i) q[j][i] -= dot * q[k][i];
      }
    double norm = 0;
    for (const double x : q[j]) norm += x * x;
    norm = std::sqrt(norm);
    for (double& x : q[j]) x /= norm;
  }
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const auto j = static_cast<std::size_t>(wide ? r : c), i = static_cast<std::size_t>(wide ? c : r);
      w[r * cols + c] = static_cast<float>(q[j][i]);
    }
}

void fill(Variable& v, const std::string& initializer, std::uint64_t seed, const std::string& where) {
  auto* w = static_cast<float*>(v.data());
  const Dims& dims = v.shape();
  const std::int64_t n = v.size(), last = dims.empty() ? 1 : dims.back();
  double in = static_cast<double>(last), out = in;
  if (dims.size() > 1) {
    const double field = static_cast<double>(n) / static_cast<double>(last * dims[dims.size() - 2]);
    in = static_cast<double>(dims[dims.size() - 2]) * field;
    out = static_cast<double>(last) * field;
  }
  Draws draws(seed);
  const auto draw = [&](auto&& number) {
    for (std::int64_t i = 0; i < n; ++i) w[i] = static_cast<float>(number());
  };
  const auto scaled = [&](const std::string& family, double variance) {
    if (family == "uniform") return draw([&, most = std::sqrt(3 * variance)] { return most * (2 * draws.uniform() - 1); });
    // The standard deviation of a normal number that stays within two of its own.
    draw([&, deviation = std::sqrt(variance) / 0.87962566103423978] { return deviation * draws.truncated(); });
  };
  const std::string family = initializer.substr(initializer.rfind('_') + 1);
  if (initializer == "zeros") draw([] { return 0.0; });
  else if (initializer == "ones") draw([] { return 1.0; });
  else if (initializer == "orthogonal" && dims.size() > 1) fill_orthogonal(w, n / last, last, draws);
  else if (initializer == "random_uniform") draw([&] { return 0.1 * draws.uniform() - 0.05; });
  else if (initializer == "random_normal") draw([&] { return 0.05 * draws.normal(); });
  else if (initializer == "truncated_normal") draw([&] { return 0.05 * draws.truncated(); });
  else if (initializer == "glorot_uniform" || initializer == "glorot_normal") scaled(family, 2 / (in + out));
  else if (initializer == "he_uniform" || initializer == "he_normal") scaled(family, 2 / in);
  else if (initializer == "lecun_uniform" || initializer == "lecun_normal") scaled(family, 1 / in);
  else
    throw Error(where + ": expected zeros, ones, orthogonal, random_uniform, random_normal, truncated_normal, or "
                "glorot_, he_ or lecun_ uniform or normal as an initializer, got " + initializer);
}

Json described(const char* module, const std::string& kind, Json::Object config) {
  return {Json::Object{{"module", {std::string(module)}},
                       {"class_name", {kind}},
                       {"config", {std::move(config)}},
                       {"registered_name", {nullptr}}}};
}

Json with_batch(const Dims& shape) {
  Json::Array a{{nullptr}};
  for (const std::int64_t d : shape) a.push_back({d});
  return {std::move(a)};
}

}  // namespace

std::string snake_case(const std::string& name) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  const auto lower = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  std::string cut;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool starts = i > 0 && upper(name[i]) && i + 1 < name.size() && lower(name[i + 1]);
    const bool follows = i > 0 && upper(name[i]) && name[i - 1] >= 'a' && name[i - 1] <= 'z';
    if (starts || follows) cut += '_';
    cut += upper(name[i]) ? static_cast<char>(name[i] - 'A' + 'a') : name[i];
  }
  return cut;
}

// --- the graph

std::int64_t State::next_seed() {
  std::uint64_t z = seed + ++draws * 0x9e3779b97f4a7c15u;  // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<std::int64_t>((z ^ (z >> 31)) >> 1);
}

int State::weight(const Dims& dims, const char* called, bool trainable, const std::string& initializer,
                  const PenaltySpec& penalty) {
  check_dims(dims, 1, kMaxRank, layer + ": " + called);
  auto v = std::make_shared<Variable>(dims, DType::float32);
  fill(*v, initializer, static_cast<std::uint64_t>(next_seed()), layer);
  const VariableSpec spec{name + "/" + layer + "/" + called, dims, trainable};
  inference.variables.push_back(spec);
  training.variables.push_back(spec);
  variables.push_back(std::move(v));
  penalties.push_back(penalty);
  return static_cast<int>(variables.size()) - 1;
}

int State::constant(double value, const char* called) {
  const int at = weight({1}, called, false, "zeros");
  *static_cast<float*>(variables.back()->data()) = static_cast<float>(value);
  return at;
}

void State::store(const std::string& below, std::size_t first) {
  stored.push_back({path + below, {variables.begin() + static_cast<std::ptrdiff_t>(first), variables.end()}});
}

void State::append(ProgramSpec& program, int& at, OpSpec spec) {
  const KernelTable& table = kernel_table("");
  const OpDef* def = find_op(table, spec.kind.c_str());
  if (!def) throw Error(layer + ": expected the op " + spec.kind + " in this build, got none");
  const Shape out = plan_op(*def, spec, program, program.training, table, true).outputs.at(0);
  shape.assign(out.dim, out.dim + out.rank);
  at = static_cast<int>(program.slots.size());
  program.slots.push_back(shape);
  if (!program.dtypes.empty()) program.dtypes.push_back(DType::float32);
  spec.outputs = {at};
  program.ops.push_back(std::move(spec));
}

void State::op(const char* kind, const Attributes& attributes, const std::vector<int>& params, When when,
               const Attributes& inferring, const Attributes& trains) {
  OpSpec spec;
  spec.kind = kind;
  spec.name = layer;
  spec.params = params;
  const auto with = [&](const Attributes& more, int input) {
    spec.inputs = {input};
    spec.attributes = attributes;
    for (const auto& [k, v] : more) spec.attributes[k] = v;
    return spec;
  };
  append(training, training_slot, with(trains, training_slot));
  if (when == When::always) append(inference, inference_slot, with(inferring, inference_slot));
}

void State::go_to(const Place& place) {
  inference_slot = place.inference;
  training_slot = place.training;
  shape = place.shape;
}

void State::concat(const Place& first) {
  OpSpec spec;
  spec.kind = "concat";
  spec.name = layer;
  spec.attributes = {{"axis", std::int64_t{-1}}};
  spec.inputs = {first.training, training_slot};
  append(training, training_slot, spec);
  spec.inputs = {first.inference, inference_slot};
  append(inference, inference_slot, spec);
}

Sequential::Sequential(Dims input_shape, std::uint64_t seed, std::string name) : state_(std::make_unique<State>()) {
  State& s = *state_;
  check_dims(input_shape, 1, kMaxRank, name + ": input");
  s.name = std::move(name);
  s.seed = seed;
  s.shape = input_shape;
  for (ProgramSpec* program : {&s.inference, &s.training}) {
    program->slots = {input_shape};
    program->inputs = {0};
  }
  s.training.training = true;
  s.input = {{"batch_shape", with_batch(input_shape)}, {"dtype", {std::string("float32")}}, {"name", {std::string("input_layer")}}};
}

Sequential::Sequential(Sequential&&) noexcept = default;
Sequential& Sequential::operator=(Sequential&&) noexcept = default;
Sequential::~Sequential() = default;

const Dims& Sequential::output_shape() const { return state_->shape; }

std::int64_t Sequential::parameters() const {
  std::int64_t n = 0;
  for (const State::Store& s : state_->stored)
    for (const VariablePtr& v : s.variables) n += v->size();
  return n;
}

Sequential& Sequential::add(const std::string& kind, const Attributes& given) {
  State& s = *state_;
  const std::string snake = snake_case(kind);
  const int count = s.counts[snake];
  const std::string automatic = count ? snake + "_" + std::to_string(count) : snake;
  Arguments arguments(s.name + ", " + kind, given);
  const State before = s;  // a layer that is refused leaves nothing behind
  try {
    s.layer = arguments.text("name", automatic);
    s.path = "layers/" + automatic;
    const Dims input = s.shape;
    if (!lower_layer(kind, s, arguments)) {
      std::string known;
      for (const std::string& k : sequential_layers()) known += (known.empty() ? "" : ", ") + k;
      throw Error(s.name + ": expected one of the layers " + known + ", got " + kind +
                  "; a model with others is trained from a file that Python wrote");
    }
    arguments.finish();
    Json::Object config{{"name", {s.layer}}};
    for (auto& entry : arguments.config)
      if (entry.first != "name") config.push_back(std::move(entry));
    Json layer = described("keras.layers", kind, std::move(config));
    std::get<Json::Object>(layer.value).emplace_back("build_config", Json{Json::Object{{"input_shape", with_batch(input)}}});
    s.layers.push_back(std::move(layer));
    ++s.counts[snake];
  } catch (...) {
    s = before;
    throw;
  }
  return *this;
}

Model Sequential::build() const {
  const State& s = *state_;
  ProgramSpec spec = s.inference;
  if (spec.ops.empty()) throw Error(s.name + ": expected a layer or more, got none");
  spec.outputs = {s.inference_slot};
  return {std::make_shared<const Program>(std::move(spec)), s.variables};
}

// --- compiling

namespace {

struct Kind {
  const char* name;
  double learning_rate;
  std::vector<std::pair<const char*, double>> numbers;  // arguments with their defaults
  std::vector<const char*> flags;
  const char* class_name;
};

const std::vector<Kind>& optimizers() {
  static const std::vector<Kind> kinds = {
      {"sgd", 0.01, {{"momentum", 0}}, {"nesterov"}, "SGD"},
      {"adam", 0.001, {{"beta_1", 0.9}, {"beta_2", 0.999}, {"epsilon", 1e-7}}, {"amsgrad"}, "Adam"},
      {"adamw", 0.001, {{"beta_1", 0.9}, {"beta_2", 0.999}, {"epsilon", 1e-7}}, {"amsgrad"}, "AdamW"},
      {"rmsprop", 0.001, {{"rho", 0.9}, {"momentum", 0}, {"epsilon", 1e-7}}, {"centered"}, "RMSprop"},
      {"adagrad", 0.001, {{"epsilon", 1e-7}}, {}, "Adagrad"},
      {"adadelta", 0.001, {{"rho", 0.95}, {"epsilon", 1e-7}}, {}, "Adadelta"},
      {"adamax", 0.001, {{"beta_1", 0.9}, {"beta_2", 0.999}, {"epsilon", 1e-7}}, {}, "Adamax"},
      {"nadam", 0.001, {{"beta_1", 0.9}, {"beta_2", 0.999}, {"epsilon", 1e-7}}, {}, "Nadam"},
      {"lion", 0.001, {{"beta_1", 0.9}, {"beta_2", 0.99}}, {}, "Lion"},
  };
  return kinds;
}

std::string full_name(const std::string& loss) {
  static const std::map<std::string, std::string> shorter = {
      {"mse", "mean_squared_error"}, {"mae", "mean_absolute_error"}, {"mape", "mean_absolute_percentage_error"},
      {"msle", "mean_squared_logarithmic_error"}, {"kld", "kl_divergence"}, {"logcosh", "log_cosh"}};
  const auto it = shorter.find(loss);
  return it == shorter.end() ? loss : it->second;
}

std::string class_of(const std::string& loss) {
  std::string text;
  bool starts = true;
  for (const char c : loss) {
    if (c == '_') {
      starts = true;
      continue;
    }
    text += starts && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    starts = false;
  }
  return text;
}

// The attributes of a loss as its kernel takes them, by what was given.
Attributes loss_attributes(const std::string& kind, Arguments& arguments) {
  Attributes a;
  const auto flag = [&](const char* name, bool otherwise) {
    a[name] = std::int64_t{arguments.flag(name, otherwise)};
  };
  const auto number = [&](const char* name, double otherwise) { a[name] = arguments.number(name, otherwise); };
  if (kind.find("crossentropy") != std::string::npos) {
    flag("from_logits", false);
    a["axis"] = std::int64_t{-1};
    if (kind != "sparse_categorical_crossentropy") number("label_smoothing", 0);
    else if (arguments.has("ignore_class")) a["ignore_class"] = arguments.integer("ignore_class", LLONG_MIN);
  }
  if (kind == "binary_focal_crossentropy") flag("apply_class_balancing", false);
  if (kind.find("focal") != std::string::npos) {
    number("alpha", 0.25);
    number("gamma", 2);
  }
  if (kind == "huber") number("delta", 1);
  if (kind == "cosine_similarity") a["axis"] = std::int64_t{-1};
  return a;
}

// The loss reads the input of a last softmax or sigmoid, so that it and its gradient are exact where they saturate.
void read_logits(ProgramSpec& program, LossSpec& loss) {
  const auto given = loss.attributes.find("from_logits");
  if (given == loss.attributes.end() || given->second != Attribute{std::int64_t{0}} || program.ops.empty()) return;
  OpSpec& last = program.ops.back();
  if (last.outputs != program.outputs) return;
  const auto axis = static_cast<std::int64_t>(program.slots[static_cast<std::size_t>(loss.slot)].size()) - 1;
  const auto use = [&](int slot) {
    loss.slot = slot;
    loss.attributes["from_logits"] = std::int64_t{1};
  };
  if (loss.kind == "categorical_crossentropy" || loss.kind == "sparse_categorical_crossentropy") {
    if (last.kind == "softmax" && !last.attributes.count("log") && last.attributes.at("axes") == Attribute{Dims{axis}})
      use(last.inputs[0]);
    return;
  }
  const auto applied = last.attributes.find("activation");
  if (loss.kind != "binary_crossentropy" || applied == last.attributes.end() ||
      applied->second != Attribute{std::string("sigmoid")})
    return;
  if (last.kind == "activation") return use(last.inputs[0]);
  if (last.kind != "dense" && last.kind != "conv") return;
  const int logits = static_cast<int>(program.slots.size());
  program.slots.push_back(program.slots[static_cast<std::size_t>(loss.slot)]);
  if (!program.dtypes.empty()) program.dtypes.push_back(DType::float32);
  applied->second = std::string("linear");
  OpSpec sigmoid;
  sigmoid.kind = "activation";
  sigmoid.name = last.name;
  sigmoid.inputs = {logits};
  sigmoid.outputs = last.outputs;
  sigmoid.attributes = {{"activation", std::string("sigmoid")}};
  last.outputs = {logits};
  program.ops.push_back(std::move(sigmoid));
  use(logits);
}

MetricSpec metric_of(const std::string& name, const std::string& loss, const Dims& output) {
  MetricSpec m;
  m.kind = full_name(name);
  if (name == "accuracy" || name == "acc")
    m.kind = loss == "sparse_categorical_crossentropy" ? "sparse_categorical_accuracy"
             : output.back() == 1                      ? "binary_accuracy"
                                                       : "categorical_accuracy";
  const Attributes nothing;
  Arguments none(m.kind, nothing);
  m.attributes = loss_attributes(m.kind, none);
  if (m.kind == "binary_accuracy") m.attributes["threshold"] = 0.5;
  return m;
}

}  // namespace

TrainableModel Sequential::compile(const CompileOptions& options) const {
  const State& s = *state_;
  const std::string where = s.name + ", compile";
  ProgramSpec program = s.training;
  if (program.ops.empty()) throw Error(where + ": expected a layer or more, got none");
  if (s.shape.empty()) throw Error(where + ": expected an output of one dimension or more beside the rows");
  program.outputs = {s.training_slot};
  TrainingSpec spec;
  TrainerSpec& t = spec.trainer;
  t.loss.kind = full_name(options.loss);
  if (t.loss.kind.empty()) throw Error(where + ": expected a loss, got none");
  Arguments loss_arguments(where + ", " + t.loss.kind, options.loss_arguments);
  t.loss.attributes = loss_attributes(t.loss.kind, loss_arguments);
  loss_arguments.finish();
  const bool sparse = t.loss.kind == "sparse_categorical_crossentropy";
  t.target.assign(s.shape.begin(), s.shape.end() - sparse);
  t.loss.slot = s.training_slot;
  read_logits(program, t.loss);
  for (const std::string& name : options.metrics) {
    t.metrics.push_back(metric_of(name, t.loss.kind, s.shape));
    t.metrics.back().slot = s.training_slot;
    spec.metrics.push_back(name == "acc" ? "accuracy" : name);
  }
  const auto known = std::find_if(optimizers().begin(), optimizers().end(),
                                  [&](const Kind& k) { return options.optimizer == k.name; });
  if (known == optimizers().end())
    throw Error(where + ": expected sgd, adam, adamw, rmsprop, adagrad, adadelta, adamax, nadam or lion as optimizer, got " +
                options.optimizer);
  Arguments arguments(where + ", " + options.optimizer, options.optimizer_arguments);
  OptimizerSpec optimizer;
  optimizer.kind = options.optimizer == "adamw" ? "adam" : options.optimizer;
  for (const auto& [argument, otherwise] : known->numbers)
    optimizer.attributes[argument] = arguments.number(argument, otherwise);
  for (const char* argument : known->flags) optimizer.attributes[argument] = std::int64_t{arguments.flag(argument, false)};
  optimizer.weight_decay = arguments.number("weight_decay", options.optimizer == "adamw" ? 0.004 : 0);
  optimizer.clip_norm = arguments.number("clipnorm", 0);
  optimizer.clip_value = arguments.number("clipvalue", 0);
  optimizer.global_clip_norm = arguments.number("global_clipnorm", 0);
  const double accumulator =
      options.optimizer == "adagrad" ? arguments.number("initial_accumulator_value", 0.1) : 0;
  arguments.finish();
  t.optimizers = {optimizer};

  // The state, in the order in which Keras keeps it.
  auto rate = std::make_shared<Variable>(Dims{}, DType::float32);
  const double learning_rate = options.learning_rate < 0 ? known->learning_rate : options.learning_rate;
  *static_cast<float*>(rate->data()) = static_cast<float>(learning_rate);
  spec.iterations = std::make_shared<Variable>(Dims{}, DType::int32);
  spec.learning_rates = {rate};
  std::vector<VariablePtr> state = {spec.iterations, rate};
  const auto number_of = [&](const char* argument) {
    const auto it = optimizer.attributes.find(argument);
    const auto* d = it == optimizer.attributes.end() ? nullptr : std::get_if<double>(&it->second);
    const auto* i = it == optimizer.attributes.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
    return d ? *d : i ? static_cast<double>(*i) : 0.0;
  };
  std::vector<int> groups;  // slots that are kept beside each other for each variable
  if (optimizer.kind == "sgd") groups.assign(number_of("momentum") != 0, 1);
  else if (optimizer.kind == "rmsprop") groups.assign(static_cast<std::size_t>(1 + (number_of("momentum") > 0) + (number_of("centered") != 0)), 1);
  else if (optimizer.kind == "adagrad" || optimizer.kind == "lion") groups = {1};
  else groups = {2};
  if (number_of("amsgrad") != 0) groups.push_back(1);
  for (std::size_t i = 0; i < s.variables.size(); ++i) {
    if (!s.training.variables[i].trainable) continue;
    ParameterSpec p;
    p.variable = static_cast<int>(i);
    p.penalty = s.penalties[i];
    t.parameters.push_back(std::move(p));
  }
  if (t.parameters.empty()) throw Error(where + ": expected a layer with weights to train, got none");
  for (const int group : groups)
    for (ParameterSpec& p : t.parameters)
      for (int k = 0; k < group; ++k) {
        const Dims& dims = s.variables[static_cast<std::size_t>(p.variable)]->shape();
        auto slot = std::make_shared<Variable>(dims, DType::float32);
        std::fill_n(static_cast<float*>(slot->data()), slot->size(), static_cast<float>(accumulator));
        p.slots.push_back(slot);
        state.push_back(std::move(slot));
      }
  if (optimizer.kind == "nadam") {
    state.push_back(std::make_shared<Variable>(Dims{}, DType::float32));
    *static_cast<float*>(state.back()->data()) = 1;
  }
  for (const State::Store& store : s.stored)
    for (std::size_t i = 0; i < store.variables.size(); ++i)
      spec.weights.push_back({store.path, std::to_string(i), store.variables[i]});
  for (std::size_t i = 0; i < state.size(); ++i) spec.weights.push_back({"optimizer", std::to_string(i), state[i]});

  // Keras's description.
  Json::Array layers{described("keras.layers", "InputLayer", s.input)};
  layers.insert(layers.end(), s.layers.begin(), s.layers.end());
  Json::Object config{{"learning_rate", {learning_rate}}};
  for (auto& entry : arguments.config) config.push_back(std::move(entry));
  Json::Array metrics;
  for (const std::string& name : spec.metrics) metrics.push_back({name});
  Json loss = loss_arguments.config.empty() ? Json{t.loss.kind}
                                            : described("keras.losses", class_of(t.loss.kind), loss_arguments.config);
  Json model = described("keras", "Sequential", Json::Object{{"name", {s.name}}, {"layers", {std::move(layers)}}});
  auto& entries = std::get<Json::Object>(model.value);
  entries.emplace_back("build_config", Json{Json::Object{{"input_shape", *Json{s.input}.find("batch_shape")}}});
  entries.emplace_back("compile_config",
                       Json{Json::Object{{"optimizer", described("keras.optimizers", known->class_name, std::move(config))},
                                         {"loss", std::move(loss)},
                                         {"metrics", {std::move(metrics)}}}});
  spec.config = to_json(model);
  spec.variables = s.variables;
  spec.program = std::make_shared<const Program>(std::move(program));
  return {build(), std::move(spec)};
}

}  // namespace pyseq
