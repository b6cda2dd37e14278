#include "core/trainer.h"

#include "core/trainer_state.h"

namespace pyseq {

Trainer::Trainer(ProgramPtr program, std::vector<VariablePtr> variables, TrainerSpec spec)
    : program_(std::move(program)), state_(std::make_unique<State>()) {
  State& s = *state_;
  s.spec = std::move(spec);
  s.variables = std::move(variables);
  s.table = &program_->table();
  s.real = s.table->real_size;
  s.trains = !s.spec.optimizers.empty();
  const ProgramSpec& ps = program_->spec();
  if (s.spec.input_gradient && (s.trains || s.table->device || slot_dtype(ps, ps.inputs[0]) == DType::int64))
    throw Error("Trainer: expected gradients of an input of floats, without an optimizer and on the host");
  s.x_size = elements(ps.slots[ps.inputs[0]]);
  s.y_size = elements(s.spec.target);
  if (ps.inputs.size() > 2 ||
      (ps.inputs.size() == 2 && elements(ps.slots[ps.inputs[1]]) != s.y_size))
    throw Error("Trainer: expected a program with one input, or with the targets of " +
                std::to_string(s.y_size) + " numbers per sample as a second one");
  s.plan_measures(*program_);
  s.plan_optimizers();
  totals_.resize(1 + s.metrics.size());
}

Trainer::~Trainer() = default;

std::int64_t Trainer::run(const BatchRun& r) {
  State& s = *state_;
  if (r.batch_size < 1) throw Error("Trainer: expected a batch size of 1 or more");
  if (s.trains && !s.loss.def) throw Error("Trainer: expected a loss; pass one to compile");
  if (r.group && s.table->device)
    throw Error("Trainer: expected several processes to train on CPUs, got a GPU; call set_device(\"cpu\")");
  if (!r.group != !r.shares) throw Error("Trainer: expected a group of processes and its shares together");
  const std::int64_t rows = r.end - r.begin;
  if (rows < 0 || (rows == 0 && !r.group)) return 0;
  for (std::int64_t i = 0, left = rows; r.shares && i < r.max_batches; ++i) {
    left -= r.shares[i].own;
    if (r.shares[i].own < 0 || r.shares[i].own > r.batch_size || r.shares[i].all < std::max<std::int64_t>(r.shares[i].own, 1) ||
        left < 0)
      throw Error("Trainer: expected shares of the batches and the rows of this run");
  }
  if (r.x.row != s.x_size)
    throw Error("Trainer: expected rows of " + std::to_string(s.x_size) + " inputs, got " +
                std::to_string(r.x.row));
  if (r.y.data && r.y.row != s.y_size)
    throw Error("Trainer: expected rows of " + std::to_string(s.y_size) + " targets, got " +
                std::to_string(r.y.row));
  if (!r.y.data && program_->spec().inputs.size() == 2)
    throw Error("Trainer: expected targets, which the program reads, got none");
  const std::int64_t n_max = std::max<std::int64_t>(std::min(r.batch_size, rows), 1);
  const std::int64_t weight_row = r.weights.data ? r.weights.row : 0;
  if (!s.executor || s.executor->max_rows() < n_max || s.executor->workers() < num_threads() ||
      s.weight_row < weight_row) {
    const std::int64_t room = std::max(n_max, s.executor ? s.executor->max_rows() : 0);
    const auto prepare = [&] {
      try {
        s.prepare(*program_, room, weight_row);
      } catch (...) {
        s.executor.reset();  // a smaller batch may fit
        throw;
      }
    };
    try {
      prepare();
    } catch (const OutOfMemory&) {
      release();  // what `hold` keeps on the device may be in the way
      prepare();
    }
  }
  s.weight_row = weight_row;
  if (s.table->device) return s.run_on_device(*program_, r, totals_);
  return s.run_on_host(*program_, r, totals_);
}

void Trainer::reset_totals() { std::fill(totals_.begin(), totals_.end(), Total{}); }

const void* Trainer::gradient(std::size_t parameter) const {
  if (!state_->executor) return nullptr;
  return state_->executor->gradient(state_->spec.parameters.at(parameter).variable);
}

const void* Trainer::input_gradient() const {
  if (!state_->executor || !state_->spec.input_gradient) return nullptr;
  return state_->executor->gradient_of_slot(program_->spec().inputs[0]);
}

std::size_t Trainer::bytes() const {
  return state_->executor ? state_->executor->bytes() + state_->arena->bytes() : 0;
}

std::vector<int> Trainer::written() const {
  return state_->executor ? state_->executor->written() : std::vector<int>();
}

void Trainer::profile(bool on) {
  state_->profiling = on;
  if (state_->executor) state_->executor->profile(on);
}

std::vector<double> Trainer::profile_flops() const {
  return state_->executor ? state_->executor->flops() : std::vector<double>();
}

std::vector<double> Trainer::profile_microseconds() const {
  return state_->executor ? state_->executor->microseconds() : std::vector<double>();
}

}  // namespace pyseq
