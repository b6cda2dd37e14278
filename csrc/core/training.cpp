// A model that trains without Python: epochs, scores, gradients of inputs.
#include "core/training.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

#include "core/executor.h"

namespace pyseq {
namespace {

double scalar(const Variable& v) {
  switch (v.dtype()) {
    case DType::float32: return *static_cast<const float*>(v.data());
    case DType::int32: return *static_cast<const std::int32_t*>(v.data());
    default: return static_cast<double>(*static_cast<const std::int64_t*>(v.data()));
  }
}

void count(Variable& iterations, std::int64_t steps) {
  if (iterations.dtype() == DType::int32)
    *static_cast<std::int32_t*>(iterations.data()) += static_cast<std::int32_t>(steps);
  else
    *static_cast<std::int64_t*>(iterations.data()) += steps;
}

void check_data(const TrainingData& data, const TrainingSpec& spec, const char* where, const char* what = "data") {
  const ProgramSpec& program = spec.program->spec();
  const auto check = [&](const Rows& rows, std::int64_t size, const char* name) {
    if (!rows.data || rows.row != size)
      throw Error(std::string(where) + ": expected " + what + " with " + std::to_string(size) + " numbers of " + name +
                  " in each of " + std::to_string(data.rows) + " rows, got " +
                  (rows.data ? rows.row < 0 ? "a number that is no multiple of the rows" : std::to_string(rows.row)
                             : "none"));
  };
  if (data.rows < 1) throw Error(std::string(where) + ": expected " + what + " of 1 row or more, got " + std::to_string(data.rows));
  check(data.x, elements(program.slots[static_cast<std::size_t>(program.inputs[0])]), "x");
  check(data.y, elements(spec.trainer.target), "y");
  if (data.weights.data && data.weights.row < 1)
    throw Error(std::string(where) + ": expected " + what + " with a weight for each row, got another number");
}

Scores scores_of(const Trainer& trainer) {
  Scores scores;
  const auto mean = [](const Total& t) { return t.count != 0 ? t.total / t.count : 0.0; };
  scores.loss = mean(trainer.totals()[0]);
  for (std::size_t i = 1; i < trainer.totals().size(); ++i) scores.metrics.push_back(mean(trainer.totals()[i]));
  return scores;
}

const void* row_of(const Rows& rows, std::int64_t row) {
  if (!rows.data) return nullptr;
  return static_cast<const char*>(rows.data) + static_cast<std::size_t>(row * rows.row) * size_of(rows.dtype);
}

TrainingData part_of(const TrainingData& data, std::int64_t begin, std::int64_t rows) {
  TrainingData part = data;
  part.rows = rows;
  for (Rows* r : {&part.x, &part.y, &part.weights}) r->data = row_of(*r, begin);
  return part;
}

// Fisher and Yates's, by numbers that are the same with every standard library.
void shuffle(std::vector<std::int64_t>& order, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
}

TrainerSpec without_optimizer(const TrainerSpec& spec) {
  TrainerSpec evaluation = spec;
  evaluation.optimizers.clear();
  return evaluation;
}

void check_spec(const TrainingSpec& spec, const Model& model) {
  if (!spec.program) throw Error("TrainableModel: expected a program for training, got none");
  const ProgramSpec& training = spec.program->spec();
  const auto input = [](const ProgramSpec& s) { return s.slots[static_cast<std::size_t>(s.inputs[0])]; };
  if (!training.training || input(training) != model.input_shape())
    throw Error("TrainableModel: expected a program for training with the inputs of the one for inference");
  if (spec.metrics.size() != spec.trainer.metrics.size() ||
      spec.learning_rates.size() != spec.trainer.optimizers.size())
    throw Error("TrainableModel: expected a name for each metric and a learning rate for each optimizer");
  for (const VariablePtr& v : spec.learning_rates)
    if (!v || v->size() != 1 || v->dtype() != DType::float32)
      throw Error("TrainableModel: expected learning rates that are float32 scalars");
  if (!spec.iterations || spec.iterations->size() != 1 ||
      (spec.iterations->dtype() != DType::int32 && spec.iterations->dtype() != DType::int64))
    throw Error("TrainableModel: expected a whole number of iterations");
  if (spec.variables.size() != training.variables.size())
    throw Error("TrainableModel: expected a variable for each of " + std::to_string(training.variables.size()));
  for (std::size_t i = 0; i < spec.variables.size(); ++i)
    if (!spec.variables[i] || spec.variables[i]->shape() != training.variables[i].shape ||
        spec.variables[i]->dtype() != training.dtype)
      throw Error("TrainableModel: expected variable " + training.variables[i].name + " as its program knows it");
}

}  // namespace

TrainableModel::TrainableModel(Model model, TrainingSpec spec)
    : state_(new State{std::move(model), std::move(spec), nullptr, nullptr, nullptr, 0, 0}) {
  State& s = *state_;
  check_spec(s.spec, s.model);
  s.trainer = std::make_unique<Trainer>(s.spec.program, s.spec.variables, s.spec.trainer);
  s.evaluator = std::make_unique<Trainer>(s.spec.program, s.spec.variables, without_optimizer(s.spec.trainer));
  s.step = static_cast<std::uint64_t>(iterations());
}

TrainableModel::TrainableModel(TrainableModel&&) noexcept = default;
TrainableModel& TrainableModel::operator=(TrainableModel&&) noexcept = default;
TrainableModel::~TrainableModel() = default;

const Model& TrainableModel::model() const { return state_->model; }
const std::vector<std::string>& TrainableModel::metric_names() const { return state_->spec.metrics; }
const TrainingSpec& TrainableModel::spec() const { return state_->spec; }
const Dims& TrainableModel::target_shape() const { return state_->spec.trainer.target; }
std::int64_t TrainableModel::iterations() const {
  return static_cast<std::int64_t>(scalar(*state_->spec.iterations));
}

double TrainableModel::learning_rate() const {
  const auto& rates = state_->spec.learning_rates;
  return rates.empty() ? 0.0 : scalar(*rates[0]);
}

void TrainableModel::set_learning_rate(double rate) {
  if (!std::isfinite(rate) || rate < 0)
    throw Error("set_learning_rate: expected a finite number of 0 or more, got " + std::to_string(rate));
  for (const VariablePtr& v : state_->spec.learning_rates) *static_cast<float*>(v->data()) = static_cast<float>(rate);
}

namespace {

// One pass over all rows, in order unless there is an order.
void run(Trainer& trainer, const TrainingSpec& spec, const TrainingData& data, std::int64_t batch_size,
         const std::int64_t* order, std::uint64_t* step) {
  BatchRun r;
  r.x = data.x;
  r.y = data.y;
  r.weights = data.weights;
  r.order = order;
  r.end = data.rows;
  r.batch_size = batch_size;
  const std::int64_t batches = (data.rows + batch_size - 1) / batch_size;
  std::vector<double> rates;
  if (step) {
    rates.reserve(static_cast<std::size_t>(batches) * spec.learning_rates.size());
    for (std::int64_t b = 0; b < batches; ++b)
      for (const VariablePtr& v : spec.learning_rates) rates.push_back(scalar(*v));
    r.iteration = static_cast<std::int64_t>(scalar(*spec.iterations));
    r.step = *step;
  }
  r.learning_rates = rates.data();
  const std::int64_t done = trainer.run(r);
  if (!step) return;
  *step += static_cast<std::uint64_t>(done);
  count(*spec.iterations, done);
}

// Where the optimizer keeps averages, they are the weights once training is over.
void take_averages(const TrainingSpec& spec) {
  for (const ParameterSpec& p : spec.trainer.parameters) {
    Variable& v = *spec.variables[static_cast<std::size_t>(p.variable)];
    if (p.average) std::memcpy(v.data(), p.average->data(), v.bytes());
  }
}

}  // namespace

std::vector<Epoch> TrainableModel::fit(const TrainingData& given, const FitOptions& options) {
  State& s = *state_;
  check_data(given, s.spec, "fit");
  if (options.epochs < 0 || options.batch_size < 1)
    throw Error("fit: expected 0 epochs or more and a batch size of 1 or more");
  if (!(options.validation_split >= 0 && options.validation_split < 1))
    throw Error("fit: expected a validation_split from 0 to below 1, got " + std::to_string(options.validation_split));
  TrainingData data = given, validation = options.validation;
  if (validation.rows > 0) {
    check_data(validation, s.spec, "fit", "validation data");
  } else if (options.validation_split > 0) {
    const auto kept = static_cast<std::int64_t>(static_cast<double>(given.rows) * (1 - options.validation_split));
    if (kept < 1 || kept == given.rows)
      throw Error("fit: expected rows on both sides of the validation split, got " + std::to_string(given.rows) +
                  " rows in all");
    data = part_of(given, 0, kept);
    validation = part_of(given, kept, given.rows - kept);
  }
  std::vector<std::int64_t> order(options.shuffle ? static_cast<std::size_t>(data.rows) : 0);
  std::vector<Epoch> history;
  for (std::int64_t e = 0; e < options.epochs; ++e) {
    if (options.shuffle) {
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
      shuffle(order, options.seed + static_cast<std::uint64_t>(s.epochs) * 0x9e3779b97f4a7c15u);
    }
    ++s.epochs;
    s.trainer->reset_totals();
    run(*s.trainer, s.spec, data, options.batch_size, options.shuffle ? order.data() : nullptr, &s.step);
    Epoch epoch;
    epoch.epoch = e + 1;
    epoch.learning_rate = learning_rate();
    epoch.training = scores_of(*s.trainer);
    if (validation.rows > 0) epoch.validation = evaluate(validation, options.batch_size);
    history.push_back(epoch);
    if (options.on_epoch && !options.on_epoch(epoch)) break;
  }
  take_averages(s.spec);
  return history;
}

Scores TrainableModel::train_on_batch(const TrainingData& batch) {
  State& s = *state_;
  check_data(batch, s.spec, "train_on_batch");
  s.trainer->reset_totals();
  run(*s.trainer, s.spec, batch, batch.rows, nullptr, &s.step);
  return scores_of(*s.trainer);
}

Scores TrainableModel::evaluate(const TrainingData& data, std::int64_t batch_size) {
  State& s = *state_;
  check_data(data, s.spec, "evaluate");
  if (batch_size < 1) throw Error("evaluate: expected a batch size of 1 or more, got " + std::to_string(batch_size));
  s.evaluator->reset_totals();
  run(*s.evaluator, s.spec, data, batch_size, nullptr, nullptr);
  return scores_of(*s.evaluator);
}

void TrainableModel::input_gradients(const TrainingData& batch, void* dx) {
  State& s = *state_;
  check_data(batch, s.spec, "input_gradients");
  if (!s.gradients) {
    TrainerSpec spec = without_optimizer(s.spec.trainer);
    spec.metrics.clear();
    spec.input_gradient = true;
    const Program& program = *s.spec.program;
    s.gradients = std::make_unique<Trainer>(std::make_shared<const Program>(program.spec(), program.host(), ""),
                                            s.spec.variables, std::move(spec));
  }
  run(*s.gradients, s.spec, batch, batch.rows, nullptr, nullptr);
  const ProgramSpec& program = s.spec.program->spec();
  const std::size_t bytes = slot_row_bytes(program, program.inputs[0]) * static_cast<std::size_t>(batch.rows);
  if (const void* gradient = s.gradients->input_gradient())
    std::memcpy(dx, gradient, bytes);
  else
    std::memset(dx, 0, bytes);
}

}  // namespace pyseq
